/* err.h: faults.
 *
 * Cairn keeps three things apart. A bug is an assertion (assert.h), always on. A fault (a disk, a
 * peer, a limit) is a `struct err`, which the compiler makes callers look at, passed up with TRY().
 * A verdict (an invalid block, a refused request) is an enum in a result and never an err.
 *
 * err is one small field, so it is returned by value and costs nothing. Context for people is
 * logged where the fault is first seen, with log.h; the code travels.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include "base/int.h"

/* One table for codes, names and the exit status of the command line. */
#define ERR_TABLE(X)                                                                               \
    X(OK, 0, "ok")                                                                                 \
    X(FAILED, 1, "operation failed")                                                               \
    X(USAGE, 2, "wrong usage or configuration")                                                    \
    X(NOT_FOUND, 3, "not found")                                                                   \
    X(REFUSED, 4, "refused by the other side or by a rule")                                        \
    X(EXISTS, 4, "already exists")                                                                 \
    X(CONFLICT, 4, "changed by someone else meanwhile")                                            \
    X(NETWORK, 5, "network failure")                                                               \
    X(TIMEOUT, 5, "timed out")                                                                     \
    X(CLOSED, 5, "connection closed")                                                              \
    X(INTEGRITY, 6, "data does not match its checksum, root or signature")                         \
    X(MALFORMED, 1, "malformed input")                                                             \
    X(LIMIT, 1, "a limit was reached")                                                             \
    X(IO, 1, "disk or system failure")                                                             \
    X(NO_SPACE, 1, "no space left")                                                                \
    X(BUSY, 5, "busy, try again later")                                                            \
    X(CANCELLED, 1, "cancelled because the process is stopping")

enum err_code {
#define ERR_ENUM(name, exit_status, text) ERR_##name,
    ERR_TABLE(ERR_ENUM)
#undef ERR_ENUM
};

typedef struct err {
    u8 code; /* enum err_code */
} err;

/* ok: the value that means no fault. */
static inline MUST_USE err ok(void) { return (err){ERR_OK}; }
static inline MUST_USE err fail(enum err_code code) { return (err){(u8)code}; }
static inline bool is_ok(err e) { return e.code == ERR_OK; }
static inline bool is_err(err e, enum err_code code) { return e.code == (u8)code; }

/* err_name: "OK", "NOT_FOUND"… stable, for JSON and logs. err_text: a phrase for people. */
const char *err_name(err e);
const char *err_text(err e);
/* err_exit_status: 0 done, 1 failed, 2 usage, 3 not found, 4 refused, 5 network, 6 integrity. */
int err_exit_status(err e);

/* TRY: return the fault of expr from the enclosing function, if it has one. */
#define TRY(expr)                                                                                  \
    do {                                                                                           \
        err try_err_ = (expr);                                                                     \
        if (!is_ok(try_err_)) {                                                                    \
            return try_err_;                                                                       \
        }                                                                                          \
    } while (0)

/* TRY_GOTO: for functions with cleanup: stores the fault in `var` and jumps to `label`. */
#define TRY_GOTO(var, expr, label)                                                                 \
    do {                                                                                           \
        (var) = (expr);                                                                            \
        if (!is_ok(var)) {                                                                         \
            goto label;                                                                            \
        }                                                                                          \
    } while (0)

/* IGNORE: a fault that is deliberately dropped; say why beside it. */
#define IGNORE(expr)                                                                               \
    do {                                                                                           \
        err ignored_ = (expr);                                                                     \
        (void)ignored_;                                                                            \
    } while (0)

#endif

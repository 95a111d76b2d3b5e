/* cli.h: the command line: verbs, flags, answers, exit status.
 *
 * A verb is one file with one `struct verb`; some have parts ("cairn key make"), which are verbs
 * again. Flags are described by a table from which parsing, the config file of a role (a JSON
 * object whose members are the verb's flags), --help and the man page come. Answers go to standard
 * output: text for people, or with --json one object (or one per line). Failures go to standard
 * error, with --json as
 * {"error":{"code","message","hint"}}. Exit status: 0 done, 1 failed, 2 usage, 3 not found,
 * 4 refused, 5 network, 6 integrity (err_exit_status).
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include "base/err.h"
#include "codec/json.h"
#include "os/loop.h"

#include <stdio.h>

#define CLI_POSITIONALS_MAX 64
#define CLI_FLAGS_MAX 48
#define CLI_CONFIG_BYTES_MAX KIB(256)

enum flag_kind {
    FLAG_BOOL,
    FLAG_TEXT,
    FLAG_NUMBER,
    FLAG_SIZE,
    FLAG_DURATION,
    FLAG_LIST,
    FLAG_OBJECT, /* only in config files: a JSON value, not in --help */
};

#define FLAG_LIST_MAX 16
struct flag_list {
    const char *items[FLAG_LIST_MAX];
    size_t count;
};

struct flag {
    const char *name; /* "data", used as --data */
    enum flag_kind kind;
    void *target; /* bool *, const char **, u64 * (bytes, seconds), struct flag_list *, json_t ** */
    const char *value; /* what --help calls the value: "DIR" */
    const char *help;
};

/* What a verb gets. Global flags (--json, --help, --quiet) are taken out before. */
struct cli {
    const struct verb *verb;
    int argc; /* of what follows the verb */
    char **argv;
    bool json;
    bool quiet;
    const char *positionals[CLI_POSITIONALS_MAX];
    size_t positional_count;
    json_t *config;            /* what cli_config() read; texts in flags borrow from it */
    bool given[CLI_FLAGS_MAX]; /* flags of the verb's table that the command line had */
};

struct verb {
    const char *name;      /* of a part: with its verb's, "key make" */
    const char *arguments; /* "OBJECT FILE" for the usage line */
    const char *summary;   /* one line */
    const char *text;      /* paragraphs; may be NULL */
    const char *examples;  /* one per line, without "$ " */
    /* The verb's flags, for parsing and help; ends with a NULL name. Static storage is fine: a
     * process runs one verb. */
    const struct flag *flags;
    /* Returns the exit status. NULL: only its parts do something. */
    int (*run)(struct cli *cli);
    const struct verb *const *parts; /* ends with NULL; may be NULL */
    bool hidden;                     /* not in the overview */
};

#define CAIRN_VERSION "0.1.0"

extern const struct verb *const cli_verbs[]; /* ends with NULL */
/* cli_find_verb: takes the words that name a verb, and a part of it, off argv; NULL: none. */
const struct verb *cli_find_verb(int *argc, char ***argv);

/* cli_parse: flags and positionals; false: usage was printed, return 2. */
bool cli_parse(struct cli *cli, size_t positionals_min, size_t positionals_max);
/* cli_config: takes what the command line did not set from a config file; false: an error was
 * printed, return 2. */
bool cli_config(struct cli *cli, const char *path);
/* cli_given: the command line had this flag. */
bool cli_given(const struct cli *cli, const char *name);
/* cli_parse_endpoint: "HOST:PORT" into host (URL_HOST_MAX bytes) and port. */
MUST_USE bool cli_parse_endpoint(char *ret_host, u16 *ret_port, const char *text);
void cli_help(const struct verb *verb);
/* cli_man: the manual page of a verb and its parts, as roff. */
void cli_man(const struct verb *verb, FILE *out);

/* cli_fail: prints the failure; returns the exit status. hint may be NULL. */
int cli_fail(const struct cli *cli, err e, const char *hint, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
int cli_usage(const struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* cli_print: text, unless --json or --quiet. cli_print_value: a line of text with a value at its
 * end, or with `lines` the value on many; the same condition. cli_print_json: steals the object;
 * only with --json. */
void cli_print(const struct cli *cli, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void cli_print_value(const struct cli *cli, const char *before, const json_t *value, bool lines);
void cli_print_json(const struct cli *cli, json_t *object);

/* cli_run: opens a loop with worker threads, runs fn(ctx, loop) in a fiber until it returns, closes
 * the loop. SIGINT and SIGTERM stop the loop (every wait ends with ERR_CANCELLED). */
err cli_run(err (*fn)(void *ctx, struct loop *loop), void *ctx);

/* A role: started, served until SIGINT or SIGTERM, stopped in order. */
struct cli_service {
    const char *name;
    unsigned workers;
    err (*start)(void *ctx, struct loop *loop);
    /* drain: the first thing after the signal, while everything still works; may be NULL. */
    void (*drain)(void *ctx);
    /* stop: the loop is stopping. Called only after a start that went well. */
    void (*stop)(void *ctx);
    /* ended: woken (event_wake_all) by the service when it must end by itself; may be NULL. */
    struct event *ended;
    void *ctx;
};
/* cli_serve: the fault of start, or ok after a clean stop. A signal during start cancels it. */
err cli_serve(const struct cli_service *service);

/* Sizes "10G", "64MiB", "512"; durations "90s", "10m", "24h", "30d". */
MUST_USE bool cli_parse_size(u64 *ret, const char *text);
MUST_USE bool cli_parse_duration(u64 *ret_seconds, const char *text);
/* cli_size: "3.2 MiB" into out. */
void cli_size(char out[32], u64 bytes_);

#endif

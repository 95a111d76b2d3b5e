/* results.h: what tests gave: how many passed, which failed and why, and the state roots.
 *
 * A worker fills a `struct results` per document; the runner merges them. Failures are kept as
 * group (the document's folder and a short reason that many tests can share), name and detail (for
 * --verbose). The digest is a hash over every resulting root in the order of the documents' paths,
 * so two builds that compute the same roots print the same digest, however many jobs there are.
 */
#ifndef CONFORMANCE_RESULTS_H
#define CONFORMANCE_RESULTS_H

#include "base/arena.h"
#include "base/buf.h"

#define RESULTS_BYTES_MAX MIB(256)

struct failure {
    struct failure *next;
    const char *path;
    const char *test;
    const char *reason;
    const char *detail;
};

struct results {
    struct arena arena;
    const char *filter; /* NULL: everything */
    bool is_verbose;    /* failures need details */
    const char *path;   /* of the document that runs */
    size_t passed;
    size_t failed;
    struct failure *first; /* in the order of the tests */
    struct failure *last;
    struct buf roots; /* test name, root, …: what the document's digest is over */
};

void results_init(struct results *results, const char *filter, bool is_verbose);
void results_free(struct results *results);
/* results_wants: whether "path::test" holds the filter's text. */
bool results_wants(const struct results *results, const char *test);
void results_pass(struct results *results, const char *test);
/* results_fail: `reason` is static or in results->arena and short; the detail may be empty. */
void results_fail(struct results *results, const char *test, const char *reason, const char *format,
                  ...) __attribute__((format(printf, 4, 5)));
/* results_root: a root, or any other 32 bytes that every build must compute alike. */
void results_root(struct results *results, const char *test, const struct hash *root);

#endif

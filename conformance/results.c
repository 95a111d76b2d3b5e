#include "conformance/results.h"

#include "base/assert.h"

#include <stdarg.h>
#include <stdio.h>

#define DETAIL_BYTES_MAX KIB(8)
#define ROOTS_BYTES_MAX MIB(256)

void results_init(struct results *results, const char *filter, bool is_verbose)
{
    *results = (struct results){.filter = filter, .is_verbose = is_verbose, .path = ""};
    arena_init(&results->arena, RESULTS_BYTES_MAX);
    buf_init(&results->roots, ROOTS_BYTES_MAX);
}

void results_free(struct results *results)
{
    arena_free(&results->arena);
    buf_free(&results->roots);
}

bool results_wants(const struct results *results, const char *test)
{
    if (results->filter == NULL) {
        return true;
    }
    struct buf name;
    buf_init(&name, MIB(1));
    buf_format(&name, "%s::%s", results->path, test);
    bool wants = bytes_find(buf_bytes(&name), bytes_str(results->filter)) != SIZE_MAX;
    buf_free(&name);
    return wants;
}

void results_pass(struct results *results, const char *test)
{
    (void)test;
    results->passed++;
}

static const char *kept(struct results *results, const char *text)
{
    const char *copy = arena_str(&results->arena, bytes_str(text));
    assert_that(copy != NULL);
    return copy;
}

void results_fail(struct results *results, const char *test, const char *reason, const char *format,
                  ...)
{
    char detail[DETAIL_BYTES_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(detail, sizeof detail, format, args);
    va_end(args);
    struct failure *failure = ARENA_NEW(&results->arena, struct failure);
    assert_that(failure != NULL);
    *failure = (struct failure){
        .path = kept(results, results->path),
        .test = kept(results, test),
        .reason = kept(results, reason),
        .detail = results->is_verbose ? kept(results, detail) : "",
    };
    if (results->last == NULL) {
        results->first = failure;
    } else {
        results->last->next = failure;
    }
    results->last = failure;
    results->failed++;
}

void results_root(struct results *results, const char *test, const struct hash *root)
{
    buf_put(&results->roots, bytes_str(test));
    buf_put(&results->roots, BYTES_OF(*root));
}

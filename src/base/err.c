#include "base/err.h"

#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

static const struct {
    const char *name;
    int exit_status;
    const char *text;
} table[] = {
#define ERR_ROW(name, exit_status, text) {#name, exit_status, text},
    ERR_TABLE(ERR_ROW)
#undef ERR_ROW
};

const char *err_name(err e)
{
    assert_that(e.code < COUNT_OF(table));
    return table[e.code].name;
}

const char *err_text(err e)
{
    assert_that(e.code < COUNT_OF(table));
    return table[e.code].text;
}

int err_exit_status(err e)
{
    assert_that(e.code < COUNT_OF(table));
    return table[e.code].exit_status;
}

void assert_failed(const char *expr, const char *file, int line)
{
    fprintf(stderr, "bug: %s:%d: assertion failed: %s\n", file, line, expr);
    fflush(stderr);
    abort();
}

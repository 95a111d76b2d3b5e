/* output.c: what people and scripts get to read. */
#include "cli/cli.h"

#include "codec/json.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define MESSAGE_BYTES_MAX 1024
#define VALUE_TEXT_BYTES_MAX MIB(64)

static void say_error(const struct cli *cli, const char *code, const char *message,
                      const char *hint)
{
    if (cli->json) {
        json_t *error = json_pack("{s:{s:s, s:s, s:s}}", "error", "code", code, "message", message,
                                  "hint", hint ? hint : "");
        json_dumpf(error, stderr, JSON_COMPACT);
        fputc('\n', stderr);
        json_decref(error);
        return;
    }
    fprintf(stderr, "error: %s\n", message);
    if (hint != NULL) {
        fprintf(stderr, "       %s\n", hint);
    }
}

int cli_fail(const struct cli *cli, err e, const char *hint, const char *format, ...)
{
    char message[MESSAGE_BYTES_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    say_error(cli, err_name(e), message, hint);
    return err_exit_status(e);
}

int cli_usage(const struct cli *cli, const char *format, ...)
{
    char message[MESSAGE_BYTES_MAX];
    char hint[128];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    snprintf(hint, sizeof hint, "see: cairn %s%s--help", cli->verb ? cli->verb->name : "",
             cli->verb ? " " : "");
    say_error(cli, "USAGE", message, hint);
    return 2;
}

void cli_print(const struct cli *cli, const char *format, ...)
{
    if (cli->json || cli->quiet) {
        return;
    }
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    fflush(stdout);
}

void cli_print_value(const struct cli *cli, const char *before, const json_t *value, bool lines)
{
    struct buf text;
    buf_init(&text, VALUE_TEXT_BYTES_MAX);
    (lines ? json_write_lines : json_write)(&text, value);
    bytes written = buf_bytes(&text);
    cli_print(cli, "%s%.*s\n", before, (int)written.len, (const char *)written.data);
    buf_free(&text);
}

void cli_print_json(const struct cli *cli, json_t *object)
{
    if (cli->json) {
        json_dumpf(object, stdout, JSON_COMPACT);
        putchar('\n');
        fflush(stdout);
    }
    json_decref(object);
}

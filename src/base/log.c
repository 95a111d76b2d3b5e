#include "base/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define LINE_BYTES_MAX 1024

static const char *const level_names[] = {"debug", "info", "warn", "error"};

static enum log_level level_now = LOG_INFO;
static log_sink *sink_now;
static void *sink_ctx;

void log_set_level(enum log_level level) { level_now = level; }

enum log_level log_level_now(void) { return level_now; }

_Bool log_level_parse(enum log_level *ret, const char *word)
{
    for (int i = LOG_DEBUG; i <= LOG_ERROR; i++) {
        if (strcmp(word, level_names[i]) == 0) {
            *ret = (enum log_level)i;
            return true;
        }
    }
    return false;
}

void log_set_sink(log_sink *sink, void *ctx)
{
    sink_now = sink;
    sink_ctx = ctx;
}

static void write_to_stderr(enum log_level level, const char *module, const char *message)
{
    struct timespec now;
    struct tm utc;
    char stamp[32] = "";
    clock_gettime(CLOCK_REALTIME, &now);
    if (gmtime_r(&now.tv_sec, &utc) != NULL) {
        strftime(stamp, sizeof stamp, "%H:%M:%S", &utc);
    }
    fprintf(stderr, "%s.%03ld %-5s %s: %s\n", stamp, now.tv_nsec / 1000000, level_names[level],
            module, message);
}

void log_line(enum log_level level, const char *module, const char *format, ...)
{
    if (level < level_now) {
        return;
    }
    char message[LINE_BYTES_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    if (sink_now != NULL) {
        sink_now(sink_ctx, level, module, message);
    } else {
        write_to_stderr(level, module, message);
    }
}

/* log.h: one line per event on standard error.
 *
 * A line is `time level module message`. The level is set once at start (CAIRN_LOG=debug|info|
 * warn|error, default info). Secrets are never arguments of a log call. The sink can be replaced,
 * which the simulator and tests do.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

typedef void log_sink(void *ctx, enum log_level level, const char *module, const char *message);

void log_set_level(enum log_level level);
enum log_level log_level_now(void);
/* log_level_parse: false if the word is no level. */
_Bool log_level_parse(enum log_level *ret, const char *word);
/* log_set_sink: NULL restores standard error. */
void log_set_sink(log_sink *sink, void *ctx);
void log_line(enum log_level level, const char *module, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define log_debug(module, ...) log_line(LOG_DEBUG, (module), __VA_ARGS__)
#define log_info(module, ...) log_line(LOG_INFO, (module), __VA_ARGS__)
#define log_warn(module, ...) log_line(LOG_WARN, (module), __VA_ARGS__)
#define log_error(module, ...) log_line(LOG_ERROR, (module), __VA_ARGS__)

#endif

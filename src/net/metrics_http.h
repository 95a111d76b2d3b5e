/* metrics_http.h: /metrics and /health of a role, on a port of their own.
 *
 * Every role has one, on an address that only operators reach. /metrics is the Prometheus text
 * format of the role's `struct metrics`; /health answers 200 or 503 with what the role's callback
 * writes, so that scripts and supervisors need no other way to ask whether it is ready.
 */
#ifndef NET_METRICS_HTTP_H
#define NET_METRICS_HTTP_H

#include "base/buf.h"
#include "base/metrics.h"
#include "net/http.h"

/* metrics_health: true: ready. May append one JSON object to out; nothing: {"ready":true|false}. */
typedef bool metrics_health(void *ctx, struct buf *out);

struct metrics_http_options {
    const char *host;
    u16 port;                      /* 0 picks one */
    const struct metrics *metrics; /* borrowed */
    metrics_health *health;        /* NULL: always ready */
    void (*refresh)(void *ctx);    /* called before metrics are written, for gauges; may be NULL */
    void *ctx;
};

struct metrics_http;

/* metrics_http_start: ERR_EXISTS if the port is in use. */
err metrics_http_start(struct loop *loop, const struct metrics_http_options *options,
                       struct metrics_http **ret_http);
u16 metrics_http_port(const struct metrics_http *http);
/* metrics_http_close: as http_server_close(); NULL is fine. */
void metrics_http_close(struct metrics_http *http);

#endif

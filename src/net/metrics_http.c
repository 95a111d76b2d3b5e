#include "net/metrics_http.h"

#include "base/mem.h"

#define BODY_BYTES_MAX KIB(256)
#define CONNECTIONS_MAX 32

struct metrics_http {
    struct metrics_http_options options;
    struct http_server *server;
};

static void respond_metrics(struct metrics_http *http, struct http_exchange *exchange,
                            struct buf *body)
{
    if (http->options.refresh != NULL) {
        http->options.refresh(http->options.ctx);
    }
    metrics_write(http->options.metrics, body);
    bool fits = is_ok(buf_done(body));
    http_set_header_str(exchange, "Content-Type", "text/plain; version=0.0.4; charset=utf-8");
    IGNORE(http_respond(exchange, fits ? 200 : 500, fits ? buf_bytes(body) : (bytes){0}));
}

static void respond_health(struct metrics_http *http, struct http_exchange *exchange,
                           struct buf *body)
{
    bool ready = http->options.health == NULL || http->options.health(http->options.ctx, body);
    if (body->len == 0 || !is_ok(buf_done(body))) {
        buf_clear(body);
        buf_format(body, "{\"ready\":%s}", ready ? "true" : "false");
    }
    buf_put_str(body, "\n");
    http_set_header_str(exchange, "Content-Type", "application/json");
    http_set_header_str(exchange, "Cache-Control", "no-store");
    IGNORE(http_respond(exchange, ready ? 200 : 503, buf_bytes(body)));
}

static void handle(void *ctx, struct http_exchange *exchange)
{
    struct metrics_http *http = ctx;
    const struct http_request *request = http_request_of(exchange);
    struct buf body;
    buf_init(&body, BODY_BYTES_MAX);
    if (!bytes_eq_str(request->method, "GET") && !bytes_eq_str(request->method, "HEAD")) {
        http_set_header_str(exchange, "Allow", "GET, HEAD");
        IGNORE(http_respond(exchange, 405, (bytes){0}));
    } else if (bytes_eq_str(request->target, "/metrics")) {
        respond_metrics(http, exchange, &body);
    } else if (bytes_eq_str(request->target, "/health")) {
        respond_health(http, exchange, &body);
    } else {
        IGNORE(http_respond(exchange, 404, bytes_str("try /metrics or /health\n")));
    }
    buf_free(&body);
}

err metrics_http_start(struct loop *loop, const struct metrics_http_options *options,
                       struct metrics_http **ret_http)
{
    struct metrics_http *http = MEM_NEW(struct metrics_http);
    http->options = *options;
    struct http_server_options server = {
        .host = options->host,
        .port = options->port,
        .handler = handle,
        .ctx = http,
        .connections_max = CONNECTIONS_MAX,
        .request_arena_bytes = KIB(64),
    };
    err e = http_server_start(loop, &server, &http->server);
    if (!is_ok(e)) {
        mem_free(http);
        return e;
    }
    *ret_http = http;
    return ok();
}

u16 metrics_http_port(const struct metrics_http *http) { return http_server_port(http->server); }

void metrics_http_close(struct metrics_http *http)
{
    if (http != NULL) {
        http_server_close(http->server);
        mem_free(http);
    }
}

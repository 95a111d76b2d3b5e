/* Listening, the life of a connection, drain. */
#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/http_conn.h"

#include <stdio.h>
#include <time.h>

#define HOT_WAIT_MS 1000 /* a connection keeps its buffers this long between requests */
#define LINGER_MS 1000   /* after an early answer, until the connection is cut */
#define GOODBYE_MS 100   /* for the last bytes of an orderly end */
#define EXCESS_HEAD_TIMEOUT_MS 2000
#define ACCEPT_PAUSE_MS 100 /* when the system has no descriptors left */

/* ---- waiting for a request ---- */

static u64 now_ms(const struct http_conn *conn) { return loop_now_ms(conn->server->loop); }

static void conn_open_buffers(struct http_conn *conn)
{
    http_input_open(&conn->input);
    if (conn->exchange == NULL) {
        conn->exchange = http_exchange_new(conn);
    }
}

static void conn_release_buffers(struct http_conn *conn)
{
    http_input_release(&conn->input);
    http_exchange_free(conn->exchange);
    conn->exchange = NULL;
}

/* wait_cold: with nothing but the spare bytes of the connection itself. */
static err wait_cold(struct http_conn *conn, u64 deadline_ms)
{
    conn_release_buffers(conn);
    size_t len = 0;
    TRY(stream_read(conn->input.stream, conn->spare, sizeof conn->spare, deadline_ms, &len));
    if (len == 0) {
        return fail(ERR_CLOSED);
    }
    conn_open_buffers(conn);
    memcpy(conn->input.data, conn->spare, len);
    conn->input.end = len;
    return ok();
}

/* wait_for_bytes: false: the connection has ended, or was idle for too long. */
static bool wait_for_bytes(struct http_conn *conn, u64 timeout_ms)
{
    const struct http_server *server = conn->server;
    if (server->draining || loop_stopping(server->loop) || conn->input.stream == NULL) {
        return false;
    }
    conn_open_buffers(conn);
    http_input_rewind(&conn->input);
    if (conn->input.end != 0) {
        return true;
    }
    u64 start_ms = now_ms(conn);
    conn->waiting = true;
    err e = http_input_fill(&conn->input, start_ms + min_u64(timeout_ms, HOT_WAIT_MS));
    if (is_err(e, ERR_TIMEOUT) && timeout_ms > HOT_WAIT_MS) {
        e = wait_cold(conn, start_ms + timeout_ms);
    }
    conn->waiting = false;
    return is_ok(e);
}

/* ---- one request ---- */

static struct http_reject parse_head(struct http_conn *conn, const struct http_scan *scan)
{
    struct http_exchange *exchange = conn->exchange;
    struct http_request *request = &exchange->request;
    bytes head = bytes_make(conn->input.data + scan->start, scan->end - scan->start);
    struct http_reject reject = http_parse_request(request, head);
    conn->input.base = conn->input.start = scan->end;
    if (reject.status == 0 && request->chunked) {
        http_body_begin(&exchange->body, HTTP_BODY_CHUNKED, 0);
    } else if (reject.status == 0 && request->has_body_length) {
        http_body_begin(&exchange->body, HTTP_BODY_LENGTH, request->body_length);
    }
    return reject;
}

/* read_head: a fault means that there is nobody to answer. */
static err read_head(struct http_conn *conn, struct http_reject *ret_reject)
{
    const struct http_server_options *options = &conn->server->options;
    u64 deadline_ms =
        now_ms(conn) + (conn->excess ? EXCESS_HEAD_TIMEOUT_MS : options->head_timeout_ms);
    struct http_scan scan = {0};
    for (;;) {
        enum http_scan_state state = http_scan(&scan, http_input_bytes(&conn->input));
        if (state == HTTP_SCAN_BAD) {
            *ret_reject = scan.reject;
            return ok();
        }
        size_t seen = state == HTTP_SCAN_DONE ? scan.end : conn->input.end;
        if (seen > options->head_bytes_max) {
            *ret_reject = (struct http_reject){431, "header section too large"};
            return ok();
        }
        if (state == HTTP_SCAN_DONE) {
            *ret_reject = parse_head(conn, &scan);
            return ok();
        }
        err e = http_input_fill(&conn->input, deadline_ms);
        if (is_err(e, ERR_TIMEOUT)) {
            *ret_reject = (struct http_reject){408, "request head timed out"};
            return ok();
        }
        TRY(e);
    }
}

/* drain: what is left of a body, so that the next request can be found. */
static bool drain(struct http_conn *conn)
{
    struct http_exchange *exchange = conn->exchange;
    u64 deadline_ms = now_ms(conn) + LINGER_MS;
    u64 drained = 0;
    while (!exchange->body.done && drained <= conn->server->options.drain_bytes_max) {
        u8 sink[4096];
        size_t len = 0;
        if (!is_ok(http_body_read(&exchange->body, &conn->input, sink, sizeof sink, deadline_ms,
                                  &len))) {
            return false;
        }
        drained += len;
    }
    return exchange->body.done;
}

/* linger: closing a socket with unread bytes resets it, and a reset can destroy the answer before
 * the peer has read it. So: end our side, then read on for a while. */
static void linger(struct http_conn *conn)
{
    u64 deadline_ms = now_ms(conn) + LINGER_MS;
    if (conn->input.stream == NULL ||
        !is_ok(stream_shutdown_write(conn->input.stream, deadline_ms))) {
        return;
    }
    u64 drained = 0;
    conn->input.base = 0;
    while (drained <= conn->server->options.drain_bytes_max) {
        conn->input.start = conn->input.end = 0;
        if (!is_ok(http_input_fill(&conn->input, deadline_ms))) {
            return;
        }
        drained += conn->input.end;
    }
}

/* serve_request: false: the connection ends here. */
static bool serve_request(struct http_conn *conn)
{
    struct http_exchange *exchange = conn->exchange;
    const struct http_server_options *options = &conn->server->options;
    struct http_reject reject = {0};
    if (!is_ok(read_head(conn, &reject))) {
        return false;
    }
    exchange->request.peer = conn->peer;
    exchange->request.encrypted = conn->encrypted;
    if (conn->excess && reject.status == 0) {
        reject = (struct http_reject){503, "too many connections"};
    }
    if (reject.status != 0) {
        http_exchange_refuse(exchange, reject);
    } else {
        options->handler(options->ctx, exchange);
    }
    bool keep = http_exchange_finish(exchange) && drain(conn);
    bool answered = exchange->answer == HTTP_ANSWER_COMPLETE;
    bool unread =
        !exchange->body.done || reject.status != 0 || conn->input.start != conn->input.end;
    http_exchange_reset(exchange);
    conn->broken = !answered;
    if (!keep && answered && unread) {
        linger(conn);
    }
    return keep;
}

void http_conn_serve(struct http_conn *conn)
{
    const struct http_server_options *options = &conn->server->options;
    bool more = wait_for_bytes(conn, options->head_timeout_ms);
    while (more && serve_request(conn)) {
        more = wait_for_bytes(conn, options->idle_timeout_ms);
    }
    conn_release_buffers(conn);
    if (conn->input.stream != NULL && !conn->broken) {
        /* So that TLS clients can tell the end from a cut. */
        IGNORE(stream_shutdown_write(conn->input.stream, now_ms(conn) + GOODBYE_MS));
    }
    http_conn_cut(conn);
}

void http_conn_cut(struct http_conn *conn)
{
    struct stream *stream = conn->input.stream;
    conn->input.stream = NULL;
    stream_close(stream);
}

/* ---- connections ---- */

static bool handshake(struct http_conn *conn)
{
    const struct http_server_options *options = &conn->server->options;
    struct stream *plain = conn->input.stream;
    if (options->tls == NULL) {
        return true;
    }
    conn->input.stream = NULL;
    return is_ok(tls_accept(options->tls, plain, now_ms(conn) + options->head_timeout_ms,
                            &conn->input.stream));
}

static void conn_fiber(void *arg)
{
    struct http_conn *conn = arg;
    struct http_server *server = conn->server;
    if (handshake(conn)) {
        conn->encrypted = conn->input.stream->encrypted;
        http_conn_serve(conn);
    }
    list_remove(&conn->node);
    server->conn_count--;
    mem_free(conn);
}

static void admit(struct http_server *server, struct stream *stream)
{
    size_t max = server->options.connections_max;
    if (server->conn_count >= max + max / 4 + 8) {
        stream_close(stream);
        return;
    }
    struct http_conn *conn = MEM_NEW(struct http_conn);
    conn->server = server;
    conn->input.stream = stream;
    conn->excess = server->conn_count >= max;
    memcpy(conn->peer, stream->peer, sizeof conn->peer);
    list_push_back(&server->conns, &conn->node);
    server->conn_count++;
    if (!is_ok(group_start(server->loop, &server->fibers, "http", conn_fiber, conn))) {
        list_remove(&conn->node);
        server->conn_count--;
        stream_close(stream);
        mem_free(conn);
    }
}

static void accept_fiber(void *arg)
{
    struct http_server *server = arg;
    while (!server->draining && !loop_stopping(server->loop)) {
        struct stream *stream = NULL;
        err e = listener_accept(server->listener, &stream);
        if (is_ok(e)) {
            admit(server, stream);
        } else if (!is_err(e, ERR_CANCELLED)) {
            log_warn("http", "accept: %s", err_text(e));
            IGNORE(fiber_sleep(server->loop, loop_now_ms(server->loop) + ACCEPT_PAUSE_MS));
        }
    }
}

/* ---- the server ---- */

const char *http_server_date(struct http_server *server)
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    u64 second = loop_wall_ms(server->loop) / 1000;
    if (second != server->date_second || server->date[0] == 0) {
        time_t t = (time_t)second;
        struct tm tm = {0};
        gmtime_r(&t, &tm);
        server->date_second = second;
        snprintf(server->date, sizeof server->date, "%s, %02u %s %04u %02u:%02u:%02u GMT",
                 days[tm.tm_wday], (unsigned)tm.tm_mday % 100, months[tm.tm_mon],
                 (unsigned)(tm.tm_year + 1900) % 10000, (unsigned)tm.tm_hour % 100,
                 (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100);
    }
    return server->date;
}

static void fill_defaults(struct http_server_options *options)
{
    struct http_server_options *o = options;
    o->connections_max = o->connections_max ? o->connections_max : 1024;
    o->head_bytes_max = o->head_bytes_max ? o->head_bytes_max : KIB(16);
    o->head_timeout_ms = o->head_timeout_ms ? o->head_timeout_ms : 10000;
    o->idle_timeout_ms = o->idle_timeout_ms ? o->idle_timeout_ms : 60000;
    o->body_timeout_ms = o->body_timeout_ms ? o->body_timeout_ms : 30000;
    o->body_rate_min = o->body_rate_min ? o->body_rate_min : KIB(1);
    o->drain_bytes_max = o->drain_bytes_max ? o->drain_bytes_max : MIB(1);
    o->request_arena_bytes = o->request_arena_bytes ? o->request_arena_bytes : MIB(16);
    assert_that(o->head_bytes_max <= HTTP_HEAD_BYTES_MAX && o->handler != NULL);
}

static void stop_listening(struct http_server *server)
{
    server->draining = true;
    if (server->listener != NULL) {
        listener_close(server->listener);
        server->listener = NULL;
    }
}

static void server_free(struct http_server *server)
{
    mem_free(server->host);
    mem_free(server->name);
    mem_free(server);
}

err http_server_start(struct loop *loop, const struct http_server_options *options,
                      struct http_server **ret_server)
{
    struct http_server *server = MEM_NEW(struct http_server);
    server->loop = loop;
    server->options = *options;
    fill_defaults(&server->options);
    server->host = mem_strdup(options->host);
    server->name = mem_strdup(options->server_name != NULL ? options->server_name : "Cairn");
    server->options.host = server->host;
    server->options.server_name = server->name;
    list_init(&server->conns);
    group_init(&server->fibers);
    err e = listener_open(loop, server->options.host, server->options.port, &server->listener);
    if (is_ok(e)) {
        server->port = listener_port(server->listener);
        e = group_start(loop, &server->fibers, "http accept", accept_fiber, server);
    }
    if (!is_ok(e)) {
        stop_listening(server);
        server_free(server);
        return e;
    }
    *ret_server = server;
    return ok();
}

u16 http_server_port(const struct http_server *server) { return server->port; }

static void cut_conns(struct http_server *server, bool also_busy)
{
    list_for_safe (it, &server->conns) {
        struct http_conn *conn = list_entry(it, struct http_conn, node);
        if (conn->waiting || also_busy) {
            http_conn_cut(conn);
        }
    }
}

err http_server_drain(struct http_server *server, u64 deadline_ms)
{
    stop_listening(server);
    cut_conns(server, false);
    while (server->fibers.running != 0) {
        err e = event_wait(server->loop, &server->fibers.changed, deadline_ms);
        if (!is_ok(e)) {
            cut_conns(server, true);
            return e;
        }
    }
    return ok();
}

void http_server_close(struct http_server *server)
{
    if (server == NULL) {
        return;
    }
    stop_listening(server);
    cut_conns(server, true);
    group_wait(server->loop, &server->fibers);
    server_free(server);
}

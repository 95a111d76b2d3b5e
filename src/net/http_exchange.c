/* One request being served: the calls that handlers make. */
#include "net/http_conn.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdio.h>

#define ANSWER_HEAD_BYTES_MAX KIB(64)
/* What has to leave within one body_timeout_ms: the slowest reader that is served takes this much
 * in that time. */
#define WRITE_SLICE_BYTES KIB(256)

struct http_exchange *http_exchange_new(struct http_conn *conn)
{
    struct http_exchange *exchange = MEM_NEW(struct http_exchange);
    exchange->conn = conn;
    arena_init(&exchange->arena, conn->server->options.request_arena_bytes);
    buf_init(&exchange->fields, ANSWER_HEAD_BYTES_MAX);
    buf_init(&exchange->head, ANSWER_HEAD_BYTES_MAX);
    http_body_begin(&exchange->body, HTTP_BODY_NONE, 0);
    return exchange;
}

void http_exchange_free(struct http_exchange *exchange)
{
    if (exchange != NULL) {
        arena_free(&exchange->arena);
        buf_free(&exchange->fields);
        buf_free(&exchange->head);
        http_body_free(&exchange->body);
        mem_free(exchange);
    }
}

void http_exchange_reset(struct http_exchange *exchange)
{
    arena_free(&exchange->arena);
    http_body_begin(&exchange->body, HTTP_BODY_NONE, 0);
    buf_clear(&exchange->fields);
    buf_clear(&exchange->head);
    http_request_reset(&exchange->request);
    exchange->waited_ms = exchange->body_bytes = exchange->answer_left = 0;
    exchange->answer = HTTP_ANSWER_NONE;
    exchange->answer_chunked = exchange->answer_silent = false;
    exchange->continue_sent = exchange->switched = exchange->close = false;
}

const struct http_request *http_request_of(const struct http_exchange *exchange)
{
    return &exchange->request;
}

struct loop *http_loop_of(const struct http_exchange *exchange)
{
    return exchange->conn->server->loop;
}

struct arena *http_arena_of(struct http_exchange *exchange) { return &exchange->arena; }

bytes http_find_header(const struct http_request *request, const char *name)
{
    return http_fields_find(request->headers, request->header_count, name);
}

/* ---- reading ---- */

static u64 body_deadline(const struct http_exchange *exchange)
{
    return loop_now_ms(http_loop_of(exchange)) + exchange->conn->server->options.body_timeout_ms;
}

/* send_parts: everything to the client goes through here. */
static err send_parts(struct http_exchange *exchange, const struct http_parts *parts)
{
    struct stream *stream = exchange->conn->input.stream;
    if (stream == NULL) {
        return fail(ERR_CLOSED);
    }
    if (parts->count == 0) {
        return ok();
    }
    return stream_write_parts(stream, parts->items, parts->count, body_deadline(exchange));
}

static err send_continue(struct http_exchange *exchange)
{
    if (!exchange->request.expect_continue || exchange->continue_sent ||
        exchange->answer != HTTP_ANSWER_NONE || exchange->body.done) {
        return ok();
    }
    exchange->continue_sent = true;
    struct http_parts parts = {.count = 0};
    http_parts_add(&parts, bytes_str("HTTP/1.1 100 Continue\r\n\r\n"));
    return send_parts(exchange, &parts);
}

/* too_slow: a client that sends a byte now and then keeps a connection and its memory for hours;
 * after one full timeout of waiting its average must reach the minimum. */
static bool too_slow(const struct http_exchange *exchange)
{
    const struct http_server_options *options = &exchange->conn->server->options;
    if (exchange->switched || exchange->waited_ms <= options->body_timeout_ms) {
        return false;
    }
    u64 seconds = (exchange->waited_ms - options->body_timeout_ms) / 1000;
    return exchange->body_bytes / max_u64(options->body_rate_min, 1) < seconds;
}

err http_read_body(struct http_exchange *exchange, void *out, size_t cap, size_t *ret_len)
{
    err e = send_continue(exchange);
    if (is_ok(e)) {
        u64 start_ms = loop_now_ms(http_loop_of(exchange));
        e = http_body_read(&exchange->body, &exchange->conn->input, out, cap,
                           body_deadline(exchange), ret_len);
        exchange->waited_ms += loop_now_ms(http_loop_of(exchange)) - start_ms;
    }
    if (is_ok(e)) {
        exchange->body_bytes += *ret_len;
        e = too_slow(exchange) && *ret_len != 0 ? fail(ERR_TIMEOUT) : ok();
    }
    if (!is_ok(e) && !exchange->switched) {
        exchange->body.fault = e;
        exchange->close = true;
    }
    return e;
}

static err read_known_body(struct http_exchange *exchange, size_t limit_bytes, bytes *ret_body)
{
    u64 length = exchange->request.body_length;
    if (length > limit_bytes) {
        return fail(ERR_LIMIT);
    }
    u8 *out = arena_alloc(&exchange->arena, (size_t)length);
    if (out == NULL) {
        return fail(ERR_LIMIT);
    }
    size_t done = 0;
    while (done < length) {
        size_t len = 0;
        TRY(http_read_body(exchange, out + done, (size_t)length - done, &len));
        done += len;
    }
    *ret_body = bytes_make(out, done);
    return ok();
}

static err read_chunks(struct http_exchange *exchange, struct buf *out)
{
    size_t len = 1;
    while (len != 0) {
        u8 piece[4096];
        TRY(http_read_body(exchange, piece, sizeof piece, &len));
        buf_put(out, bytes_make(piece, len));
        TRY(buf_done(out));
    }
    return ok();
}

err http_read_body_all(struct http_exchange *exchange, size_t limit_bytes, bytes *ret_body)
{
    if (!exchange->request.chunked) {
        return read_known_body(exchange, limit_bytes, ret_body);
    }
    struct buf content;
    buf_init(&content, limit_bytes);
    err e = read_chunks(exchange, &content);
    if (is_ok(e)) {
        bytes copy = arena_copy(&exchange->arena, buf_bytes(&content));
        e = copy.data != NULL ? ok() : fail(ERR_LIMIT);
        *ret_body = is_ok(e) ? copy : *ret_body;
    }
    buf_free(&content);
    return e;
}

bytes http_find_trailer(const struct http_exchange *exchange, const char *name)
{
    return http_fields_find(exchange->body.trailers, exchange->body.trailer_count, name);
}

/* ---- the head of the answer ---- */

static bool is_server_field(const char *name)
{
    static const char *const fields[] = {"Connection", "Date", "Server", "Content-Length",
                                         "Transfer-Encoding"};
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        if (bytes_eq_nocase(bytes_str(name), bytes_str(fields[i]))) {
            return true;
        }
    }
    return false;
}

static void put_field(struct buf *out, const char *name, bytes value)
{
    buf_put_str(out, name);
    buf_put_str(out, ": ");
    buf_put(out, value);
    buf_put_str(out, "\r\n");
}

void http_set_header(struct http_exchange *exchange, const char *name, bytes value)
{
    assert_that(exchange->answer == HTTP_ANSWER_NONE);
    assert_that(http_is_token(bytes_str(name)) && !is_server_field(name));
    assert_that(http_is_field_value(value));
    put_field(&exchange->fields, name, value);
}

void http_set_header_str(struct http_exchange *exchange, const char *name, const char *value)
{
    http_set_header(exchange, name, bytes_str(value));
}

void http_clear_headers(struct http_exchange *exchange)
{
    assert_that(exchange->answer == HTTP_ANSWER_NONE);
    buf_clear(&exchange->fields);
}

bool http_exchange_answer_keeps(const struct http_exchange *exchange)
{
    const struct http_server *server = exchange->conn->server;
    const struct http_body *body = &exchange->body;
    if (exchange->close || !exchange->request.keep_alive || server->draining ||
        loop_stopping(server->loop) || !is_ok(body->fault)) {
        return false;
    }
    if (body->done) {
        return true;
    }
    /* Without its 100 the client may or may not send the body: where the next request begins
     * cannot be known. */
    if (exchange->request.expect_continue && !exchange->continue_sent) {
        return false;
    }
    return body->kind != HTTP_BODY_LENGTH || body->left <= server->options.drain_bytes_max;
}

static void put_framing(struct http_exchange *exchange, struct buf *head, int status, u64 length)
{
    bool unknown = length == HTTP_UNKNOWN_LENGTH;
    if (unknown && exchange->request.version_1_0) {
        exchange->close = true;
    }
    exchange->answer_chunked = unknown && !exchange->request.version_1_0;
    if (status == 204 || (status == 304 && (unknown || length == 0))) {
        exchange->answer_chunked = false;
    } else if (exchange->answer_chunked) {
        buf_put_str(head, "Transfer-Encoding: chunked\r\n");
    } else if (!unknown) {
        buf_format(head, "Content-Length: %llu\r\n", (unsigned long long)length);
    }
}

static void put_connection(struct http_exchange *exchange, struct buf *head)
{
    exchange->close = !http_exchange_answer_keeps(exchange);
    if (exchange->close) {
        buf_put_str(head, "Connection: close\r\n");
    } else if (exchange->request.version_1_0) {
        buf_put_str(head, "Connection: keep-alive\r\n");
    }
}

err http_respond_begin(struct http_exchange *exchange, int status, u64 length)
{
    assert_that(exchange->answer == HTTP_ANSWER_NONE && status >= 200 && status <= 599);
    struct http_server *server = exchange->conn->server;
    struct buf *head = &exchange->head;
    buf_clear(head);
    buf_format(head, "HTTP/1.1 %d %s\r\n", status, http_status_text(status));
    buf_put(head, buf_bytes(&exchange->fields));
    buf_format(head, "Date: %s\r\nServer: %s\r\n", http_server_date(server),
               server->options.server_name);
    put_framing(exchange, head, status, length);
    put_connection(exchange, head);
    buf_put_str(head, "\r\n");
    exchange->answer_silent =
        bytes_eq_str(exchange->request.method, "HEAD") || status == 204 || status == 304;
    exchange->answer_left = length;
    bool fits = is_ok(buf_done(head)) && is_ok(buf_done(&exchange->fields));
    exchange->answer = fits ? HTTP_ANSWER_BEGUN : HTTP_ANSWER_BROKEN;
    return fits ? ok() : fail(ERR_LIMIT);
}

bool http_responded(const struct http_exchange *exchange)
{
    return exchange->answer != HTTP_ANSWER_NONE;
}

/* ---- the body of the answer ---- */

/* send_gathered: the pending head, then `before`, `in` and `after`, in slices that each have a
 * deadline of their own. The large part is never copied. */
static err send_gathered(struct http_exchange *exchange, bytes before, bytes in, bytes after)
{
    struct http_parts parts = {.count = 0};
    http_parts_add(&parts, buf_bytes(&exchange->head));
    http_parts_add(&parts, before);
    err e = ok();
    while (is_ok(e) && in.len > WRITE_SLICE_BYTES) {
        http_parts_add(&parts, bytes_slice(in, 0, WRITE_SLICE_BYTES));
        e = send_parts(exchange, &parts);
        parts.count = 0;
        in = bytes_slice(in, WRITE_SLICE_BYTES, in.len - WRITE_SLICE_BYTES);
    }
    if (is_ok(e)) {
        http_parts_add(&parts, in);
        http_parts_add(&parts, after);
        e = send_parts(exchange, &parts);
    }
    buf_clear(&exchange->head);
    if (!is_ok(e)) {
        exchange->answer = HTTP_ANSWER_BROKEN;
        exchange->close = true;
    }
    return e;
}

static err send_chunk(struct http_exchange *exchange, bytes in)
{
    if (in.len == 0) {
        return send_gathered(exchange, in, in, in);
    }
    char size[24];
    int len = snprintf(size, sizeof size, "%zx\r\n", in.len);
    return send_gathered(exchange, bytes_make(size, (size_t)len), in, bytes_str("\r\n"));
}

err http_write(struct http_exchange *exchange, bytes in)
{
    if (exchange->answer == HTTP_ANSWER_BROKEN) {
        return fail(ERR_CLOSED);
    }
    assert_that(exchange->answer == HTTP_ANSWER_BEGUN);
    if (exchange->answer_left != HTTP_UNKNOWN_LENGTH) {
        assert_that(in.len <= exchange->answer_left);
        exchange->answer_left -= in.len;
    }
    if (exchange->answer_silent) {
        return send_gathered(exchange, (bytes){0}, (bytes){0}, (bytes){0});
    }
    if (exchange->answer_chunked) {
        return send_chunk(exchange, in);
    }
    return send_gathered(exchange, (bytes){0}, in, (bytes){0});
}

err http_respond_end(struct http_exchange *exchange)
{
    if (exchange->answer == HTTP_ANSWER_BROKEN) {
        return fail(ERR_CLOSED);
    }
    assert_that(exchange->answer == HTTP_ANSWER_BEGUN);
    bool chunked = exchange->answer_chunked && !exchange->answer_silent;
    bytes end = chunked ? bytes_str("0\r\n\r\n") : (bytes){0};
    if (chunked || exchange->head.len != 0) {
        TRY(send_gathered(exchange, (bytes){0}, (bytes){0}, end));
    }
    bool declared = exchange->answer_left != HTTP_UNKNOWN_LENGTH && !exchange->answer_silent;
    if (declared && exchange->answer_left != 0) {
        exchange->answer = HTTP_ANSWER_BROKEN;
        exchange->close = true;
        return fail(ERR_CLOSED);
    }
    exchange->answer = HTTP_ANSWER_COMPLETE;
    return ok();
}

err http_respond(struct http_exchange *exchange, int status, bytes body)
{
    TRY(http_respond_begin(exchange, status, body.len));
    if (!exchange->answer_silent) {
        TRY(http_write(exchange, body));
    }
    return http_respond_end(exchange);
}

err http_switch_protocols(struct http_exchange *exchange, const char *protocol)
{
    assert_that(exchange->answer == HTTP_ANSWER_NONE);
    struct buf *head = &exchange->head;
    buf_clear(head);
    buf_format(head, "HTTP/1.1 101 %s\r\nConnection: Upgrade\r\nUpgrade: %s\r\n",
               http_status_text(101), protocol);
    buf_put(head, buf_bytes(&exchange->fields));
    buf_put_str(head, "\r\n");
    exchange->answer = HTTP_ANSWER_BEGUN;
    exchange->answer_left = HTTP_UNKNOWN_LENGTH;
    exchange->switched = exchange->close = true;
    http_body_begin(&exchange->body, HTTP_BODY_UNTIL_CLOSE, 0);
    return http_write(exchange, (bytes){0});
}

/* ---- the end ---- */

static void refuse_plainly(struct http_exchange *exchange, struct http_reject reject)
{
    char text[128];
    int len = snprintf(text, sizeof text, "%s\n", reject.reason);
    http_set_header_str(exchange, "Content-Type", "text/plain");
    size_t shown = min_size((size_t)len, sizeof text - 1);
    IGNORE(http_respond(exchange, reject.status, bytes_make(text, shown))); /* closed anyway */
}

void http_exchange_refuse(struct http_exchange *exchange, struct http_reject reject)
{
    const struct http_server_options *options = &exchange->conn->server->options;
    exchange->close = true;
    http_clear_headers(exchange);
    if (reject.status == 503) {
        http_set_header_str(exchange, "Retry-After", "1");
    }
    if (options->refuse != NULL) {
        options->refuse(options->ctx, exchange, reject.status, reject.reason);
    }
    if (exchange->answer == HTTP_ANSWER_NONE) {
        refuse_plainly(exchange, reject);
    }
}

/* answer_for_handler: the handler gave up without an answer. A broken body explains itself. */
static void answer_for_handler(struct http_exchange *exchange)
{
    struct http_reject reject = {500, "internal error"};
    err fault = exchange->body.fault;
    if (is_err(fault, ERR_MALFORMED)) {
        reject = (struct http_reject){400, "malformed chunked body"};
    } else if (is_err(fault, ERR_CLOSED)) {
        reject = (struct http_reject){400, "body shorter than announced"};
    } else if (is_err(fault, ERR_TIMEOUT)) {
        reject = (struct http_reject){408, "body timed out"};
    } else if (exchange->conn->input.stream != NULL && !loop_stopping(http_loop_of(exchange))) {
        log_error("http", "no answer to a request from %s", exchange->conn->peer);
    }
    http_exchange_refuse(exchange, reject);
}

bool http_exchange_finish(struct http_exchange *exchange)
{
    if (exchange->answer == HTTP_ANSWER_NONE) {
        answer_for_handler(exchange);
    }
    if (exchange->answer == HTTP_ANSWER_BEGUN) {
        IGNORE(http_respond_end(exchange)); /* a fault is in `answer` */
    }
    return exchange->answer == HTTP_ANSWER_COMPLETE && !exchange->close;
}

/* Calls: one request and its answer over a pooled connection. */
#include "base/assert.h"
#include "base/mem.h"
#include "net/http_body.h"
#include "net/http_parse.h"
#include "net/http_pool.h"

#include <stdio.h>

#define ANSWER_HEAD_BYTES_MAX KIB(32)
#define CALL_HEAD_BYTES_MAX KIB(64)
#define FETCH_ATTEMPTS_MAX 4
#define INTERIM_ANSWERS_MAX 16 /* 1xx heads before the answer */

struct http_call {
    struct http_client *client;
    struct list node;       /* in client->calls */
    struct http_link *link; /* NULL once broken */
    struct url url;         /* only host, port and https outlive http_call_open() */
    u64 deadline_ms;
    struct buf head; /* of the request; kept for a second attempt */
    bool head_sent;
    bool bodyless; /* declared length 0: may be sent a second time */
    bool chunked;
    bool finished;
    u64 left; /* of the declared length */
    bool is_head;
    bool write_failed;
    bool has_answer;
    struct http_input input;
    struct http_answer answer;
    struct http_body body;
};

/* ---- the request ---- */

static bool is_client_field(bytes name)
{
    static const char *const fields[] = {"Connection", "Content-Length", "Transfer-Encoding"};
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        if (bytes_eq_nocase(name, bytes_str(fields[i]))) {
            return true;
        }
    }
    return false;
}

static err put_fields(struct buf *out, const struct http_header *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!http_is_token(fields[i].name) || is_client_field(fields[i].name) ||
            !http_is_field_value(fields[i].value)) {
            return fail(ERR_USAGE);
        }
        buf_put(out, fields[i].name);
        buf_put_str(out, ": ");
        buf_put(out, fields[i].value);
        buf_put_str(out, "\r\n");
    }
    return ok();
}

/* A request whose method allows a body says so even when it is empty. */
static bool announces_empty_body(const char *method)
{
    return strcmp(method, "PUT") == 0 || strcmp(method, "POST") == 0 ||
           strcmp(method, "PATCH") == 0;
}

static err build_head(struct buf *out, const struct http_call_options *options,
                      const struct url *url)
{
    buf_format(out, "%s %s", options->method, url->target_needs_slash ? "/" : "");
    buf_put(out, url->target);
    buf_put_str(out, " HTTP/1.1\r\n");
    if (http_fields_find(options->headers, options->header_count, "Host").data == NULL) {
        buf_put_str(out, "Host: ");
        buf_put(out, url->authority);
        buf_put_str(out, "\r\n");
    }
    TRY(put_fields(out, options->headers, options->header_count));
    if (options->body_length == HTTP_UNKNOWN_LENGTH) {
        buf_put_str(out, "Transfer-Encoding: chunked\r\n");
    } else if (options->body_length != 0 || announces_empty_body(options->method)) {
        buf_format(out, "Content-Length: %llu\r\n", (unsigned long long)options->body_length);
    }
    buf_put_str(out, "\r\n");
    return buf_done(out);
}

static void call_free(struct http_call *call)
{
    call->client->open_calls--;
    list_remove(&call->node);
    http_link_close(call->link);
    http_input_release(&call->input);
    http_body_free(&call->body);
    buf_free(&call->head);
    mem_free(call);
}

static err call_connect(struct http_call *call, bool fresh)
{
    struct http_link *link = NULL;
    TRY(http_pool_take(call->client, &call->url, fresh, call->deadline_ms, &link));
    assert_that(link != NULL);
    if (call->client->cancelled) {
        http_link_close(link);
        return fail(ERR_CANCELLED);
    }
    call->link = link;
    call->input.stream = link->stream;
    call->head_sent = false;
    return ok();
}

err http_call_open(struct http_client *client, const struct http_call_options *options,
                   struct http_call **ret_call)
{
    struct url url;
    TRY(url_parse(&url, options->url));
    if (!http_is_token(bytes_str(options->method))) {
        return fail(ERR_USAGE);
    }
    if (client->cancelled) {
        return fail(ERR_CANCELLED);
    }
    struct http_call *call = MEM_NEW(struct http_call);
    client->open_calls++;
    list_push_back(&client->calls, &call->node);
    call->client = client;
    call->url = url;
    call->deadline_ms = options->deadline_ms;
    call->chunked = options->body_length == HTTP_UNKNOWN_LENGTH;
    call->bodyless = options->body_length == 0;
    call->left = options->body_length;
    call->is_head = strcmp(options->method, "HEAD") == 0;
    buf_init(&call->head, CALL_HEAD_BYTES_MAX);
    http_body_begin(&call->body, HTTP_BODY_NONE, 0);
    err e = build_head(&call->head, options, &url);
    if (is_ok(e)) {
        e = call_connect(call, options->fresh);
    }
    if (!is_ok(e)) {
        call_free(call);
        return e;
    }
    *ret_call = call;
    return ok();
}

void http_client_cancel(struct http_client *client)
{
    client->cancelled = true;
    list_for (it, &client->calls) {
        struct http_call *call = list_entry(it, struct http_call, node);
        call->input.stream = NULL;
        http_link_close(call->link);
        call->link = NULL;
    }
}

/* ---- sending ---- */

void http_call_set_deadline(struct http_call *call, u64 deadline_ms)
{
    call->deadline_ms = deadline_ms;
}

static bool may_replace(const struct http_call *call, err e)
{
    return call->bodyless && call->link != NULL && call->link->reused &&
           (is_err(e, ERR_CLOSED) || is_err(e, ERR_NETWORK)) && call->input.end == 0;
}

/* replace_link: the reused connection was dead; so are its siblings. */
static err replace_link(struct http_call *call)
{
    http_link_close(call->link);
    call->link = NULL;
    call->input.stream = NULL;
    http_pool_forget(call->client, &call->url);
    return call_connect(call, true);
}

/* send: the head, if it has not left yet, then three parts. */
static err send_once(struct http_call *call, bytes before, bytes in, bytes after)
{
    if (call->link == NULL) {
        return fail(ERR_CLOSED);
    }
    struct http_parts parts = {.count = 0};
    http_parts_add(&parts, call->head_sent ? (bytes){0} : buf_bytes(&call->head));
    http_parts_add(&parts, before);
    http_parts_add(&parts, in);
    http_parts_add(&parts, after);
    if (parts.count != 0) {
        TRY(stream_write_parts(call->link->stream, parts.items, parts.count, call->deadline_ms));
    }
    call->head_sent = true;
    return ok();
}

static err call_send(struct http_call *call, bytes before, bytes in, bytes after)
{
    if (call->write_failed) {
        return fail(ERR_CLOSED);
    }
    err e = send_once(call, before, in, after);
    if (!is_ok(e) && may_replace(call, e)) {
        e = replace_link(call);
        if (is_ok(e)) {
            e = send_once(call, before, in, after);
        }
    }
    call->write_failed = !is_ok(e);
    if (call->write_failed && call->link != NULL && call->link->reused) {
        http_pool_forget(call->client, &call->url);
    }
    return e;
}

err http_call_write(struct http_call *call, bytes in)
{
    assert_that(!call->finished);
    if (!call->chunked) {
        assert_that(in.len <= call->left);
        call->left -= in.len;
        return call_send(call, (bytes){0}, in, (bytes){0});
    }
    if (in.len == 0) {
        return call_send(call, in, in, in);
    }
    char size[24];
    int len = snprintf(size, sizeof size, "%zx\r\n", in.len);
    return call_send(call, bytes_make(size, (size_t)len), in, bytes_str("\r\n"));
}

err http_call_finish(struct http_call *call, const struct http_header *trailers, size_t count)
{
    assert_that(!call->finished && (call->chunked ? true : call->left == 0 && count == 0));
    call->finished = true;
    if (!call->chunked) {
        return call->head_sent ? ok() : call_send(call, (bytes){0}, (bytes){0}, (bytes){0});
    }
    struct buf end;
    buf_init(&end, HTTP_TRAILER_BYTES_MAX);
    buf_put_str(&end, "0\r\n");
    err e = put_fields(&end, trailers, count);
    buf_put_str(&end, "\r\n");
    if (is_ok(e)) {
        e = buf_done(&end);
    }
    if (is_ok(e)) {
        e = call_send(call, (bytes){0}, buf_bytes(&end), (bytes){0});
    }
    buf_free(&end);
    return e;
}

/* ---- the answer ---- */

/* read_head: one head of an answer, interim ones included. */
static err read_head(struct http_call *call)
{
    struct http_scan scan = {0};
    http_input_open(&call->input);
    http_input_rewind(&call->input);
    for (;;) {
        enum http_scan_state state = http_scan(&scan, http_input_bytes(&call->input));
        size_t seen = state == HTTP_SCAN_DONE ? scan.end : call->input.end;
        if (state == HTTP_SCAN_BAD || seen > ANSWER_HEAD_BYTES_MAX || scan.start != 0) {
            return fail(ERR_MALFORMED);
        }
        if (state == HTTP_SCAN_DONE) {
            call->input.base = call->input.start = scan.end;
            bytes head = bytes_make(call->input.data, scan.end);
            return http_parse_answer(&call->answer, head).status == 0 ? ok() : fail(ERR_MALFORMED);
        }
        TRY(http_input_fill(&call->input, call->deadline_ms));
    }
}

static err read_first_head(struct http_call *call)
{
    err e = read_head(call);
    if (!is_ok(e) && may_replace(call, e)) {
        TRY(replace_link(call));
        TRY(call_send(call, (bytes){0}, (bytes){0}, (bytes){0}));
        e = read_head(call);
    }
    return e;
}

static void begin_answer_body(struct http_call *call)
{
    const struct http_answer *answer = &call->answer;
    if (call->is_head || answer->status == 204 || answer->status == 304) {
        http_body_begin(&call->body, HTTP_BODY_NONE, 0);
    } else if (answer->chunked) {
        http_body_begin(&call->body, HTTP_BODY_CHUNKED, 0);
    } else if (answer->has_body_length) {
        http_body_begin(&call->body, HTTP_BODY_LENGTH, answer->body_length);
    } else {
        http_body_begin(&call->body, HTTP_BODY_UNTIL_CLOSE, 0);
    }
}

static err wait_answer(struct http_call *call)
{
    if (!call->finished && !call->write_failed && !call->chunked && call->left == 0) {
        TRY(http_call_finish(call, NULL, 0));
    }
    if (!call->head_sent && !call->write_failed) {
        TRY(call_send(call, (bytes){0}, (bytes){0}, (bytes){0}));
    }
    if (call->link == NULL) {
        return fail(ERR_CLOSED);
    }
    TRY(read_first_head(call));
    for (unsigned i = 0; call->answer.status < 200; i++) {
        if (i == INTERIM_ANSWERS_MAX || call->answer.status == 101) {
            return fail(ERR_MALFORMED);
        }
        TRY(read_head(call));
    }
    begin_answer_body(call);
    return ok();
}

err http_call_status(struct http_call *call, int *ret_status)
{
    if (!call->has_answer) {
        err e = wait_answer(call);
        if (!is_ok(e)) {
            if (call->link != NULL && call->link->reused) {
                http_pool_forget(call->client, &call->url);
            }
            return e;
        }
        call->has_answer = true;
    }
    *ret_status = call->answer.status;
    return ok();
}

bytes http_call_header(const struct http_call *call, const char *name)
{
    assert_that(call->has_answer);
    bytes value = http_fields_find(call->answer.headers, call->answer.header_count, name);
    if (value.data == NULL) {
        value = http_fields_find(call->body.trailers, call->body.trailer_count, name);
    }
    return value;
}

u64 http_call_length(const struct http_call *call)
{
    assert_that(call->has_answer);
    if (call->answer.has_body_length) {
        return call->answer.body_length;
    }
    return call->body.kind == HTTP_BODY_NONE ? 0 : HTTP_UNKNOWN_LENGTH;
}

err http_call_read(struct http_call *call, void *out, size_t cap, size_t *ret_len)
{
    int status;
    TRY(http_call_status(call, &status));
    return http_body_read(&call->body, &call->input, out, cap, call->deadline_ms, ret_len);
}

/* answer_is_complete: a reader that took every byte of a chunked answer may not have seen its end,
 * which then waits in the buffer. */
static bool answer_is_complete(struct http_call *call)
{
    if (!call->has_answer || !is_ok(call->body.fault)) {
        return false;
    }
    if (!call->body.done && call->input.start != call->input.end) {
        u8 more;
        size_t len = 1;
        err e = http_body_read(&call->body, &call->input, &more, 1, 0, &len);
        return is_ok(e) && len == 0;
    }
    return call->body.done;
}

void http_call_close(struct http_call *call)
{
    if (call == NULL) {
        return;
    }
    bool reusable = call->link != NULL && call->finished && !call->write_failed &&
                    answer_is_complete(call) && call->answer.keep_alive &&
                    call->body.kind != HTTP_BODY_UNTIL_CLOSE &&
                    call->input.start == call->input.end;
    if (reusable) {
        struct http_link *link = call->link;
        call->link = NULL;
        http_pool_give(call->client, link);
    }
    call_free(call);
}

/* ---- whole calls ---- */

static err read_rest(struct http_call *call, struct arena *arena, bytes *ret_body)
{
    struct buf content;
    buf_init(&content, arena->limit_bytes);
    u64 length = http_call_length(call);
    err e = length != HTTP_UNKNOWN_LENGTH && !call->is_head && length > arena->limit_bytes
                ? fail(ERR_LIMIT)
                : ok();
    size_t len = 1;
    while (is_ok(e) && len != 0) {
        u8 piece[16384];
        e = http_call_read(call, piece, sizeof piece, &len);
        if (is_ok(e)) {
            buf_put(&content, bytes_make(piece, len));
            e = buf_done(&content);
        }
    }
    if (is_ok(e)) {
        bytes copy = arena_copy(arena, buf_bytes(&content));
        e = copy.data != NULL ? ok() : fail(ERR_LIMIT);
        *ret_body = is_ok(e) ? copy : *ret_body;
    }
    buf_free(&content);
    return e;
}

static err exchange(struct http_call *call, bytes body, struct arena *arena, int *ret_status,
                    bytes *ret_body)
{
    int status = 0;
    err e = http_call_write(call, body);
    if (is_ok(e)) {
        e = http_call_finish(call, NULL, 0);
    }
    /* A server may have answered before it took the whole body. */
    if (!is_ok(e) && !is_err(e, ERR_CLOSED)) {
        return e;
    }
    TRY(http_call_status(call, &status));
    TRY(read_rest(call, arena, ret_body));
    *ret_status = status;
    return ok();
}

err http_fetch(struct http_client *client, const struct http_call_options *options, bytes body,
               struct arena *arena, int *ret_status, bytes *ret_body)
{
    struct http_call_options fixed = *options;
    fixed.body_length = body.len;
    /* The siblings of a dead connection are dropped with it, so the next one is usually fresh. */
    err e = fail(ERR_CLOSED);
    bool again = true;
    for (unsigned attempt = 0; again && attempt < FETCH_ATTEMPTS_MAX; attempt++) {
        struct http_call *call = NULL;
        TRY(http_call_open(client, &fixed, &call));
        e = exchange(call, body, arena, ret_status, ret_body);
        bool untouched = !call->has_answer && call->input.end == 0;
        again = is_err(e, ERR_CLOSED) && untouched && call->link != NULL && call->link->reused;
        if (is_err(e, ERR_TIMEOUT)) {
            http_pool_forget(client, &call->url);
        }
        http_call_close(call);
    }
    return !is_ok(e) && client->cancelled ? fail(ERR_CANCELLED) : e;
}

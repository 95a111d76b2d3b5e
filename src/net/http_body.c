#include "net/http_body.h"

#include "base/assert.h"
#include "base/mem.h"
#include "net/http_parse.h"

#define HEAD_BUFFER_BYTES KIB(8) /* at first; grows with a long head */
#define BODY_BUFFER_BYTES KIB(64)
#define INPUT_BYTES_MAX (HTTP_HEAD_BYTES_MAX + KIB(64))
/* Below this, a read through the buffer saves more in system calls than the copy costs. */
#define DIRECT_BYTES_MIN KIB(8)

_Static_assert(DIRECT_BYTES_MIN < BODY_BUFFER_BYTES, "a refill must be worth more than a read");

/* ---- chunked framing ---- */

void http_chunked_init(struct http_chunked *chunked)
{
    *chunked = (struct http_chunked){.state = HTTP_CHUNK_SIZE};
    buf_init(&chunked->lines, HTTP_TRAILER_BYTES_MAX);
}

void http_chunked_free(struct http_chunked *chunked) { buf_free(&chunked->lines); }

void http_chunked_take(struct http_chunked *chunked, u64 n)
{
    assert_that(chunked->state == HTTP_CHUNK_IN_DATA && n <= chunked->left);
    chunked->left -= n;
    if (chunked->left == 0) {
        chunked->state = HTTP_CHUNK_DATA_CR;
    }
}

static int hex_digit(u8 c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    u8 lower = c | 0x20;
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* step_size: one byte of the size or what ends it. */
static bool step_size(struct http_chunked *c, u8 byte)
{
    int digit = hex_digit(byte);
    if (digit >= 0) {
        c->digits++;
        c->left = c->left * 16 + (u64)digit;
        return c->digits <= 15; /* 2^60 bytes; longer ones could overflow */
    }
    if (c->digits == 0) {
        return false;
    }
    c->digits = 0;
    c->state = byte == ';' ? HTTP_CHUNK_EXTENSION : HTTP_CHUNK_SIZE_LF;
    return byte == ';' || byte == '\r';
}

/* Extensions are ignored, as RFC 9112 asks; a quoted string may not hide a line end. */
static bool step_extension(struct http_chunked *c, u8 byte)
{
    if (byte == '\r') {
        c->state = HTTP_CHUNK_SIZE_LF;
        return true;
    }
    c->extension_bytes++;
    return (byte >= 0x20 || byte == '\t') && byte != 0x7f &&
           c->extension_bytes <= HTTP_CHUNK_EXTENSIONS_MAX;
}

static bool step_trailer(struct http_chunked *c, u8 byte)
{
    buf_put_u8(&c->lines, byte);
    if (byte == '\r') {
        c->state = HTTP_CHUNK_TRAILER_LF;
    }
    return byte != '\n' && !c->lines.failed;
}

static bool expect(struct http_chunked *c, u8 byte, u8 want, enum http_chunk_state next)
{
    c->state = next;
    return byte == want;
}

/* step_byte: false: bad. Never called with HTTP_CHUNK_IN_DATA or HTTP_CHUNK_DONE. */
static bool step_byte(struct http_chunked *c, u8 byte)
{
    switch (c->state) {
    case HTTP_CHUNK_SIZE:
        return step_size(c, byte);
    case HTTP_CHUNK_EXTENSION:
        return step_extension(c, byte);
    case HTTP_CHUNK_SIZE_LF:
        return expect(c, byte, '\n', c->left ? HTTP_CHUNK_IN_DATA : HTTP_CHUNK_TRAILER_START);
    case HTTP_CHUNK_DATA_CR:
        return expect(c, byte, '\r', HTTP_CHUNK_DATA_LF);
    case HTTP_CHUNK_DATA_LF:
        return expect(c, byte, '\n', HTTP_CHUNK_SIZE);
    case HTTP_CHUNK_TRAILER_START:
        if (byte == '\r') {
            c->state = HTTP_CHUNK_FINAL_LF;
            return true;
        }
        c->state = HTTP_CHUNK_TRAILER_LINE;
        return step_trailer(c, byte);
    case HTTP_CHUNK_TRAILER_LINE:
        return step_trailer(c, byte);
    case HTTP_CHUNK_TRAILER_LF:
        buf_put_u8(&c->lines, byte);
        return expect(c, byte, '\n', HTTP_CHUNK_TRAILER_START) && !c->lines.failed;
    case HTTP_CHUNK_FINAL_LF:
        return expect(c, byte, '\n', HTTP_CHUNK_DONE);
    case HTTP_CHUNK_IN_DATA:
    case HTTP_CHUNK_DONE:
        break;
    }
    unreachable_case();
}

enum http_chunk_verdict http_chunked_step(struct http_chunked *chunked, bytes in, size_t *ret_used)
{
    size_t i = 0;
    while (i < in.len && chunked->state != HTTP_CHUNK_IN_DATA &&
           chunked->state != HTTP_CHUNK_DONE) {
        if (!step_byte(chunked, in.data[i++])) {
            return HTTP_CHUNK_BAD;
        }
    }
    *ret_used = i;
    if (chunked->state == HTTP_CHUNK_IN_DATA) {
        return HTTP_CHUNK_DATA;
    }
    return chunked->state == HTTP_CHUNK_DONE ? HTTP_CHUNK_END : HTTP_CHUNK_MORE;
}

/* ---- the read buffer ---- */

void http_input_open(struct http_input *in)
{
    if (in->data == NULL) {
        in->cap = HEAD_BUFFER_BYTES;
        in->data = mem_alloc(in->cap);
        in->base = in->start = in->end = 0;
    }
}

void http_input_release(struct http_input *in)
{
    mem_free(in->data);
    mem_free(in->head);
    in->data = in->head = NULL;
    in->cap = in->base = in->start = in->end = 0;
}

void http_input_rewind(struct http_input *in)
{
    size_t waiting = in->end - in->start;
    if (waiting != 0 && in->start != 0) {
        memmove(in->data, in->data + in->start, waiting);
    }
    in->base = in->start = 0;
    in->end = waiting;
    mem_free(in->head);
    in->head = NULL;
}

static err read_stream(struct http_input *in, void *out, size_t cap, u64 deadline_ms,
                       size_t *ret_len)
{
    if (in->stream == NULL) {
        return fail(ERR_CLOSED);
    }
    size_t len = 0;
    TRY(stream_read(in->stream, out, cap, deadline_ms, &len));
    if (len == 0) {
        in->ended = true;
        return fail(ERR_CLOSED);
    }
    *ret_len = len;
    return ok();
}

static err append(struct http_input *in, u64 deadline_ms)
{
    size_t len = 0;
    TRY(read_stream(in, in->data + in->end, in->cap - in->end, deadline_ms, &len));
    in->end += len;
    return ok();
}

err http_input_fill(struct http_input *in, u64 deadline_ms)
{
    assert_that(in->base == 0);
    if (in->end == in->cap) {
        if (in->cap >= INPUT_BYTES_MAX) {
            return fail(ERR_LIMIT);
        }
        in->cap *= 2;
        in->data = mem_resize(in->data, in->cap);
    }
    return append(in, deadline_ms);
}

err http_input_refill(struct http_input *in, u64 wanted, u64 deadline_ms)
{
    assert_that(in->start == in->end);
    if (in->cap - in->base < min_u64(wanted, BODY_BUFFER_BYTES / 2)) {
        mem_free(in->base == 0 ? in->data : NULL);
        in->head = in->base == 0 ? in->head : in->data;
        in->data = mem_alloc(BODY_BUFFER_BYTES);
        in->cap = BODY_BUFFER_BYTES;
        in->base = 0;
    }
    in->start = in->end = in->base;
    return append(in, deadline_ms);
}

/* ---- bodies ---- */

void http_body_begin(struct http_body *body, enum http_body_kind kind, u64 length)
{
    http_body_free(body);
    body->kind = kind;
    body->left = kind == HTTP_BODY_LENGTH ? length : 0;
    body->done = kind == HTTP_BODY_NONE || (kind == HTTP_BODY_LENGTH && length == 0);
    body->fault = ok();
    body->trailer_count = 0;
    http_chunked_init(&body->chunked);
}

void http_body_free(struct http_body *body) { http_chunked_free(&body->chunked); }

/* read_run: some of the next `run` > 0 body bytes, from the buffer or straight from the stream. */
static err read_run(struct http_input *in, u64 run, void *out, size_t cap, u64 deadline_ms,
                    size_t *ret_len)
{
    size_t want = (size_t)min_u64(run, cap);
    if (in->start == in->end) {
        if (want >= DIRECT_BYTES_MIN) {
            return read_stream(in, out, want, deadline_ms, ret_len);
        }
        TRY(http_input_refill(in, run, deadline_ms));
    }
    size_t len = min_size(want, in->end - in->start);
    memcpy(out, in->data + in->start, len);
    in->start += len;
    *ret_len = len;
    return ok();
}

static err finish_chunked(struct http_body *body)
{
    body->done = true;
    bool good = http_parse_trailers(body->trailers, HTTP_TRAILERS_MAX, &body->trailer_count,
                                    buf_bytes(&body->chunked.lines));
    return good ? ok() : fail(ERR_MALFORMED);
}

/* next_run: reads framing until data follows or the body has ended. */
static err next_run(struct http_body *body, struct http_input *in, u64 deadline_ms)
{
    for (;;) {
        size_t used = 0;
        switch (http_chunked_step(&body->chunked, http_input_bytes(in), &used)) {
        case HTTP_CHUNK_DATA:
            in->start += used;
            return ok();
        case HTTP_CHUNK_END:
            in->start += used;
            return finish_chunked(body);
        case HTTP_CHUNK_BAD:
            return fail(ERR_MALFORMED);
        case HTTP_CHUNK_MORE:
            in->start += used;
            TRY(http_input_refill(in, BODY_BUFFER_BYTES, deadline_ms));
        }
    }
}

static err read_chunked(struct http_body *body, struct http_input *in, void *out, size_t cap,
                        u64 deadline_ms, size_t *ret_len)
{
    TRY(next_run(body, in, deadline_ms));
    if (body->done) {
        *ret_len = 0;
        return ok();
    }
    size_t len = 0;
    TRY(read_run(in, body->chunked.left, out, cap, deadline_ms, &len));
    http_chunked_take(&body->chunked, len);
    *ret_len = len;
    return ok();
}

static err read_length(struct http_body *body, struct http_input *in, void *out, size_t cap,
                       u64 deadline_ms, size_t *ret_len)
{
    size_t len = 0;
    TRY(read_run(in, body->left, out, cap, deadline_ms, &len));
    body->left -= len;
    body->done = body->left == 0;
    *ret_len = len;
    return ok();
}

static err read_until_close(struct http_body *body, struct http_input *in, void *out, size_t cap,
                            u64 deadline_ms, size_t *ret_len)
{
    err e = read_run(in, UINT64_MAX, out, cap, deadline_ms, ret_len);
    if (is_err(e, ERR_CLOSED) && in->ended) {
        body->done = true;
        *ret_len = 0;
        return ok();
    }
    return e;
}

static err read_kind(struct http_body *body, struct http_input *in, void *out, size_t cap,
                     u64 deadline_ms, size_t *ret_len)
{
    switch (body->kind) {
    case HTTP_BODY_NONE:
        break;
    case HTTP_BODY_LENGTH:
        return read_length(body, in, out, cap, deadline_ms, ret_len);
    case HTTP_BODY_CHUNKED:
        return read_chunked(body, in, out, cap, deadline_ms, ret_len);
    case HTTP_BODY_UNTIL_CLOSE:
        return read_until_close(body, in, out, cap, deadline_ms, ret_len);
    }
    unreachable_case();
}

err http_body_read(struct http_body *body, struct http_input *in, void *out, size_t cap,
                   u64 deadline_ms, size_t *ret_len)
{
    assert_that(cap > 0);
    TRY(body->fault);
    if (body->done) {
        *ret_len = 0;
        return ok();
    }
    err e = read_kind(body, in, out, cap, deadline_ms, ret_len);
    if (!is_ok(e) && !is_err(e, ERR_TIMEOUT)) {
        body->fault = e;
    }
    return e;
}

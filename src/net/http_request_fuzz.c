/* The whole server side of a connection, over a stream in memory. What it answers is read back with
 * the client's parser: whatever comes in, what goes out is a clean sequence of answers. */
#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/http_conn.h"
#include "net/memory_stream.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void check_request(const struct http_request *request)
{
    assert_that(!(request->has_body_length && request->chunked));
    assert_that(request->version_1_0 || request->host.len != 0);
    assert_that(request->target.len != 0 && http_is_token(request->method));
    for (size_t i = 0; i < request->header_count; i++) {
        assert_that(http_is_token(request->headers[i].name));
        assert_that(http_is_field_value(request->headers[i].value));
    }
}

static void answer_read_all(struct http_exchange *exchange)
{
    bytes body = {0};
    if (is_ok(http_read_body_all(exchange, KIB(64), &body))) {
        IGNORE(http_respond(exchange, 200, body));
    }
}

static void answer_stream(struct http_exchange *exchange)
{
    u8 piece[37];
    size_t len = 1;
    IGNORE(http_respond_begin(exchange, 200, HTTP_UNKNOWN_LENGTH));
    while (len != 0 && is_ok(http_read_body(exchange, piece, sizeof piece, &len))) {
        IGNORE(http_write(exchange, bytes_make(piece, len)));
    }
    IGNORE(http_respond_end(exchange));
}

/* What the handler does depends on the target, which the input chooses. */
static void handler(void *ctx, struct http_exchange *exchange)
{
    (void)ctx;
    const struct http_request *request = http_request_of(exchange);
    u8 byte;
    size_t len;
    check_request(request);
    if (bytes_eq_str(request->method, "HEAD")) {
        http_set_header_str(exchange, "X-Head", "1");
    }
    switch (request->target.data[request->target.len - 1] % 5) {
    case 0:
        answer_read_all(exchange);
        break;
    case 1:
        answer_stream(exchange);
        break;
    case 2:
        IGNORE(http_respond(exchange, 403, bytes_str("no")));
        break;
    case 3:
        IGNORE(http_read_body(exchange, &byte, 1, &len));
        IGNORE(http_respond(exchange, 204, (bytes){0}));
        break;
    case 4: /* no answer */
        break;
    }
}

/* refuse: HEAD must be recognisable here too. */
static void refuse(void *ctx, struct http_exchange *exchange, int status, const char *reason)
{
    (void)ctx;
    if (bytes_eq_str(http_request_of(exchange)->method, "HEAD")) {
        http_set_header_str(exchange, "X-Head", "1");
    }
    IGNORE(http_respond(exchange, status, bytes_str(reason)));
}

/* ---- reading the answers back ---- */

static enum http_body_kind answer_kind(const struct http_answer *answer)
{
    bool head = http_fields_find(answer->headers, answer->header_count, "X-Head").data != NULL;
    if (head || answer->status < 200 || answer->status == 204 || answer->status == 304) {
        return HTTP_BODY_NONE;
    }
    if (answer->chunked) {
        return HTTP_BODY_CHUNKED;
    }
    return answer->has_body_length ? HTTP_BODY_LENGTH : HTTP_BODY_UNTIL_CLOSE;
}

/* read_answer: false at the end. */
static bool read_answer(struct http_input *in, struct http_body *body, struct http_answer *answer)
{
    struct http_scan scan = {0};
    http_input_rewind(in);
    enum http_scan_state state;
    while ((state = http_scan(&scan, http_input_bytes(in))) == HTTP_SCAN_MORE) {
        if (!is_ok(http_input_fill(in, DEADLINE_NONE))) {
            assert_that(in->end == 0);
            return false;
        }
    }
    assert_that(state == HTTP_SCAN_DONE && scan.start == 0);
    in->base = in->start = scan.end;
    assert_that(http_parse_answer(answer, bytes_make(in->data, scan.end)).status == 0);
    http_body_begin(body, answer_kind(answer), answer->body_length);
    size_t len = 1;
    while (len != 0) {
        u8 piece[1000];
        err e = http_body_read(body, in, piece, sizeof piece, DEADLINE_NONE, &len);
        if (!is_ok(e)) {
            /* Only a streamed answer may be cut: when its request's body was broken. */
            assert_that(answer->chunked && is_err(e, ERR_CLOSED));
            return false;
        }
    }
    return true;
}

static void check_answers(bytes out)
{
    struct memory_stream memory;
    struct http_body body = {0};
    struct http_answer *answer = MEM_NEW(struct http_answer);
    memory_stream_init(&memory, NULL, out, SIZE_MAX);
    struct http_input in = {.stream = &memory.stream};
    http_input_open(&in);
    while (read_answer(&in, &body, answer)) {
    }
    http_body_free(&body);
    http_input_release(&in);
    memory_stream_free(&memory);
    mem_free(answer);
}

static void serve(struct loop *loop, bytes in, size_t step)
{
    struct memory_stream memory;
    struct http_server server = {.loop = loop};
    memory_stream_init(&memory, loop, in, step);
    server.options = (struct http_server_options){
        .handler = handler,
        .refuse = refuse,
        .server_name = "T",
        .head_bytes_max = 2048,
        .head_timeout_ms = 60000,
        .idle_timeout_ms = 60000,
        .body_timeout_ms = 60000,
        .body_rate_min = 1,
        .drain_bytes_max = 1000,
        .request_arena_bytes = KIB(256),
    };
    struct http_conn conn = {.server = &server, .input = {.stream = &memory.stream}};
    http_conn_serve(&conn);
    assert_that(memory.closed);
    check_answers(buf_bytes(&memory.out));
    memory_stream_free(&memory);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    static struct loop *loop;
    if (loop == NULL) {
        log_set_level(LOG_ERROR + 1);
        err e = loop_open(&loop, 1);
        assert_that(is_ok(e));
    }
    if (size != 0) {
        /* The first byte says how the rest is cut. */
        serve(loop, bytes_make(data + 1, size - 1), data[0] == 0 ? SIZE_MAX : data[0]);
    }
    return 0;
}

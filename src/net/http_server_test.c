#include "base/mem.h"
#include "net/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define LOOPBACK "127.0.0.1"
#define BIG_BYTES MIB(24)

/* One loop with one server; `fn` runs as a fiber and may open connections to it. */
struct world {
    struct loop *loop;
    struct http_server *server;
    struct http_server_options options;
    struct group group;
    void (*fn)(struct world *world);
    unsigned handled;
    err last_fault; /* of the last handler that reads a body */
    u64 seen;       /* body bytes of the last count */
};

/* ---- handlers, by target ---- */

static u8 pattern(u64 i) { return (u8)(i * 31 + (i >> 8)); }

static void handle_echo(struct world *world, struct http_exchange *x)
{
    bytes body = {0};
    world->last_fault = http_read_body_all(x, MIB(8), &body);
    if (is_ok(world->last_fault)) {
        IGNORE(http_respond(x, 200, body));
    }
}

static void handle_stream(struct world *world, struct http_exchange *x)
{
    u8 piece[3000];
    size_t len = 1;
    IGNORE(http_respond_begin(x, 200, HTTP_UNKNOWN_LENGTH));
    while (len != 0) {
        world->last_fault = http_read_body(x, piece, sizeof piece, &len);
        if (!is_ok(world->last_fault) || !is_ok(http_write(x, bytes_make(piece, len)))) {
            return;
        }
    }
    IGNORE(http_respond_end(x));
}

static void handle_count(struct world *world, struct http_exchange *x)
{
    u8 *piece = mem_alloc(KIB(256));
    size_t len = 1;
    world->seen = 0;
    world->last_fault = ok();
    while (is_ok(world->last_fault) && len != 0) {
        world->last_fault = http_read_body(x, piece, KIB(256), &len);
        for (size_t i = 0; is_ok(world->last_fault) && i < len; i++) {
            assert_int_equal(piece[i], pattern(world->seen + i));
        }
        world->seen += len;
    }
    mem_free(piece);
    if (is_ok(world->last_fault)) {
        bytes trailer = http_find_trailer(x, "X-Sum");
        http_set_header(x, "X-Sum", trailer);
        IGNORE(http_respond(x, 200, bytes_str("counted")));
    }
}

static void handle_midbody(struct world *world, struct http_exchange *x)
{
    u8 piece[4];
    size_t len;
    world->last_fault = http_read_body(x, piece, sizeof piece, &len);
    IGNORE(http_respond(x, 400, bytes_str("no")));
}

static void handle_big(struct http_exchange *x)
{
    u8 *data = mem_alloc(BIG_BYTES);
    for (size_t i = 0; i < BIG_BYTES; i++) {
        data[i] = pattern(i);
    }
    bool chunked = http_find_header(http_request_of(x), "X-Chunked").data != NULL;
    if (chunked) {
        IGNORE(http_respond_begin(x, 200, HTTP_UNKNOWN_LENGTH));
        IGNORE(http_write(x, bytes_make(data, BIG_BYTES)));
        IGNORE(http_respond_end(x));
    } else {
        IGNORE(http_respond(x, 200, bytes_make(data, BIG_BYTES)));
    }
    mem_free(data);
}

static void handle_short(struct http_exchange *x)
{
    IGNORE(http_respond_begin(x, 200, 10));
    IGNORE(http_write(x, bytes_str("hello")));
}

static void handle_switch(struct http_exchange *x)
{
    u8 piece[100];
    size_t len = 1;
    if (!is_ok(http_switch_protocols(x, "echo"))) {
        return;
    }
    while (is_ok(http_read_body(x, piece, sizeof piece, &len)) && len != 0) {
        IGNORE(http_write(x, bytes_make(piece, len)));
    }
}

static void handle_status(struct http_exchange *x, int status, const char *body)
{
    http_set_header_str(x, "X-A", "1");
    IGNORE(http_respond(x, status, bytes_str(body)));
}

static void handler(void *ctx, struct http_exchange *x)
{
    struct world *world = ctx;
    bytes target = http_request_of(x)->target;
    world->handled++;
    if (bytes_eq_str(target, "/echo")) {
        handle_echo(world, x);
    } else if (bytes_eq_str(target, "/stream")) {
        handle_stream(world, x);
    } else if (bytes_eq_str(target, "/count")) {
        handle_count(world, x);
    } else if (bytes_eq_str(target, "/midbody")) {
        handle_midbody(world, x);
    } else if (bytes_eq_str(target, "/big")) {
        handle_big(x);
    } else if (bytes_eq_str(target, "/short")) {
        handle_short(x);
    } else if (bytes_eq_str(target, "/switch")) {
        handle_switch(x);
    } else if (bytes_eq_str(target, "/slow")) {
        IGNORE(fiber_sleep(world->loop, loop_now_ms(world->loop) + 200));
        handle_status(x, 200, "slow");
    } else if (bytes_eq_str(target, "/forbid")) {
        handle_status(x, 403, "no");
    } else if (bytes_eq_str(target, "/204")) {
        handle_status(x, 204, "");
    } else if (bytes_eq_str(target, "/304")) {
        handle_status(x, 304, "12345");
    } else if (!bytes_eq_str(target, "/none")) {
        handle_status(x, 200, "ok");
    }
}

/* ---- the world ---- */

static void world_main(void *arg)
{
    struct world *world = arg;
    assert_true(is_ok(http_server_start(world->loop, &world->options, &world->server)));
    world->fn(world);
    group_wait(world->loop, &world->group);
    loop_stop(world->loop);
}

static void run_world(struct world *world, void (*fn)(struct world *))
{
    world->fn = fn;
    world->options.host = LOOPBACK;
    world->options.handler = handler;
    world->options.ctx = world;
    world->options.server_name = "T";
    assert_true(is_ok(loop_open(&world->loop, 1)));
    group_init(&world->group);
    assert_true(is_ok(fiber_start(world->loop, "world", world_main, world)));
    loop_run(world->loop);
    http_server_close(world->server);
    loop_close(world->loop);
}

static u64 soon(struct world *world, u64 ms) { return loop_now_ms(world->loop) + ms; }

static struct stream *dial(struct world *world)
{
    struct stream *stream = NULL;
    assert_true(is_ok(stream_connect(world->loop, LOOPBACK, http_server_port(world->server),
                                     soon(world, 2000), &stream)));
    return stream;
}

static void say(struct world *world, struct stream *stream, const char *text)
{
    assert_true(is_ok(stream_write(stream, bytes_str(text), soon(world, 2000))));
}

/* hear: until `want` bytes, the end or a fault; the Date lines are taken out. */
static err hear(struct world *world, struct stream *stream, struct buf *out, size_t want, u64 ms)
{
    u64 deadline_ms = soon(world, ms);
    while (out->len < want) {
        u8 piece[4096];
        size_t len;
        TRY(stream_read(stream, piece, min_size(sizeof piece, want - out->len), deadline_ms, &len));
        if (len == 0) {
            return (fail)(ERR_CLOSED); /* cmocka has a macro of that name */
        }
        buf_put(out, bytes_make(piece, len));
    }
    return ok();
}

static void drop_dates(struct buf *text)
{
    for (;;) {
        size_t at = bytes_find(buf_bytes(text), bytes_str("\r\nDate: "));
        if (at == SIZE_MAX) {
            return;
        }
        size_t len = strlen("\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT");
        assert_true(text->len >= at + len && memcmp(text->data + at + len - 4, " GMT", 4) == 0);
        memmove(text->data + at, text->data + at + len, text->len - at - len);
        text->len -= len;
    }
}

static void check_text(struct buf *got, const char *want, const char *name)
{
    drop_dates(got);
    if (!bytes_eq_str(buf_bytes(got), want)) {
        fail_msg("%s:\n--- got\n%.*s\n--- want\n%s", name, (int)got->len, (char *)got->data, want);
    }
}

/* ---- transcripts: all bytes are sent, the client half-closes, all answers are read ---- */

struct transcript {
    const char *name;
    const char *sent;
    const char *heard;
};

#define H " HTTP/1.1\r\nHost: h\r\n"
#define OK(n) "HTTP/1.1 200 OK\r\nServer: T\r\nContent-Length: " #n "\r\n\r\n"
#define OK_A "HTTP/1.1 200 OK\r\nX-A: 1\r\nServer: T\r\nContent-Length: 2\r\n\r\nok"
#define CLOSE "Connection: close\r\n\r\n"
#define REFUSED(line, n)                                                                           \
    "HTTP/1.1 " line "\r\nContent-Type: text/plain\r\nServer: T\r\nContent-Length: " #n "\r"       \
    "\n" CLOSE

static const struct transcript transcripts[] = {
    {"one", "GET /" H "\r\n", OK_A},
    {"pipelined", "GET /" H "\r\nGET /x" H "\r\nGET /" H "\r\n", OK_A OK_A OK_A},
    {"empty line before", "\r\nGET /" H "\r\n\r\nGET /" H "\r\n", OK_A OK_A},
    {"close", "GET /" H "Connection: close\r\n\r\nGET /" H "\r\n",
     "HTTP/1.1 200 OK\r\nX-A: 1\r\nServer: T\r\nContent-Length: 2\r\n" CLOSE "ok"},
    {"head", "HEAD /" H "\r\nGET /" H "\r\n",
     "HTTP/1.1 200 OK\r\nX-A: 1\r\nServer: T\r\nContent-Length: 2\r\n\r\n" OK_A},
    {"204", "GET /204" H "\r\nGET /" H "\r\n",
     "HTTP/1.1 204 No Content\r\nX-A: 1\r\nServer: T\r\n\r\n" OK_A},
    {"304", "GET /304" H "\r\nGET /" H "\r\n",
     "HTTP/1.1 304 Not Modified\r\nX-A: 1\r\nServer: T\r\nContent-Length: 5\r\n\r\n" OK_A},
    {"length", "PUT /echo" H "Content-Length: 5\r\n\r\nhelloGET /" H "\r\n", OK(5) "hello" OK_A},
    {"empty body", "PUT /echo" H "Content-Length: 0\r\n\r\nGET /" H "\r\n", OK(0) OK_A},
    {"no length", "PUT /echo" H "\r\nGET /" H "\r\n", OK(0) OK_A},
    {"chunked",
     "PUT /echo" H "Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"
     "GET /" H "\r\n",
     OK(5) "hello" OK_A},
    {"chunked both ways", "PUT /stream" H "Content-Length: 5\r\n\r\nhelloGET /" H "\r\n",
     "HTTP/1.1 200 OK\r\nServer: T\r\nTransfer-Encoding: chunked\r\n\r\n"
     "5\r\nhello\r\n0\r\n\r\n" OK_A},
    {"head of a stream", "HEAD /stream" H "\r\nGET /" H "\r\n",
     "HTTP/1.1 200 OK\r\nServer: T\r\nTransfer-Encoding: chunked\r\n\r\n" OK_A},
    {"trailer",
     "PUT /count" H "Transfer-Encoding: chunked\r\n\r\n0\r\nX-Sum: 7\r\n\r\nGET /" H "\r\n",
     "HTTP/1.1 200 OK\r\nX-Sum: 7\r\nServer: T\r\nContent-Length: 7\r\n\r\ncounted" OK_A},
    {"1.0", "GET / HTTP/1.0\r\n\r\nGET /" H "\r\n",
     "HTTP/1.1 200 OK\r\nX-A: 1\r\nServer: T\r\nContent-Length: 2\r\n" CLOSE "ok"},
    {"1.0 kept", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /" H "\r\n",
     "HTTP/1.1 200 OK\r\nX-A: 1\r\nServer: T\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\n"
     "ok" OK_A},
    {"1.0 stream",
     "PUT /stream HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello",
     "HTTP/1.1 200 OK\r\nServer: T\r\n" CLOSE "hello"},
    {"continue",
     "PUT /echo" H "Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello"
     "GET /" H "\r\n",
     "HTTP/1.1 100 Continue\r\n\r\n" OK(5) "hello" OK_A},
    {"403 before 100",
     "PUT /forbid" H "Expect: 100-continue\r\nContent-Length: 5\r\n\r\nGET /" H "\r\n",
     "HTTP/1.1 403 Forbidden\r\nX-A: 1\r\nServer: T\r\nContent-Length: 2\r\n" CLOSE "no"},
    {"unknown expectation", "PUT /echo" H "Expect: more\r\nContent-Length: 5\r\n\r\nhello",
     OK(5) "hello"},
    {"early answer, small rest", "PUT /forbid" H "Content-Length: 5\r\n\r\nhelloGET /" H "\r\n",
     "HTTP/1.1 403 Forbidden\r\nX-A: 1\r\nServer: T\r\nContent-Length: 2\r\n\r\nno" OK_A},
    {"early answer, chunked rest",
     "PUT /forbid" H "Transfer-Encoding: chunked\r\n\r\n"
     "5\r\nhello\r\n0\r\n\r\nGET /" H "\r\n",
     "HTTP/1.1 403 Forbidden\r\nX-A: 1\r\nServer: T\r\nContent-Length: 2\r\n\r\nno" OK_A},
    {"early answer, large rest", "PUT /forbid" H "Content-Length: 99999999\r\n\r\nhello",
     "HTTP/1.1 403 Forbidden\r\nX-A: 1\r\nServer: T\r\nContent-Length: 2\r\n" CLOSE "no"},
    {"error in the body", "PUT /midbody" H "Content-Length: 9\r\n\r\n123456789GET /" H "\r\n",
     "HTTP/1.1 400 Bad Request\r\nServer: T\r\nContent-Length: 2\r\n\r\nno" OK_A},
    {"bad chunk", "PUT /echo" H "Transfer-Encoding: chunked\r\n\r\n3\r\nhelX2\r\nlo\r\n0\r\n\r\n",
     REFUSED("400 Bad Request", 23) "malformed chunked body\n"},
    {"bad chunk after the answer",
     "PUT /forbid" H "Transfer-Encoding: chunked\r\n\r\nzz\r\n"
     "GET /" H "\r\n",
     "HTTP/1.1 403 Forbidden\r\nX-A: 1\r\nServer: T\r\nContent-Length: 2\r\n\r\nno"},
    {"body cut short", "PUT /echo" H "Content-Length: 9\r\n\r\n12345",
     REFUSED("400 Bad Request", 28) "body shorter than announced\n"},
    {"chunks cut short", "PUT /echo" H "Transfer-Encoding: chunked\r\n\r\n9\r\n12345",
     REFUSED("400 Bad Request", 28) "body shorter than announced\n"},
    {"smuggled",
     "PUT /echo" H "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n"
     "0\r\n\r\nGET /" H "\r\n",
     REFUSED("400 Bad Request", 52) "Content-Length repeated or beside Transfer-Encoding\n"},
    {"version", "GET / HTTP/3.0\r\nHost: h\r\n\r\n",
     REFUSED("505 HTTP Version Not Supported", 16) "unknown version\n"},
    {"refused head", "HEAD / HTTP/1.1\r\n\r\n", REFUSED("400 Bad Request", 8)},
    {"no answer", "GET /none" H "\r\nGET /" H "\r\n",
     REFUSED("500 Internal Server Error", 15) "internal error\n"},
    {"short answer", "GET /short" H "\r\nGET /" H "\r\n",
     "HTTP/1.1 200 OK\r\nServer: T\r\nContent-Length: 10\r\n\r\nhello"},
    {"half a head", "GET /" H, ""},
    {"nothing", "", ""},
    {"other protocol", "GET /switch" H "Connection: Upgrade\r\nUpgrade: echo\r\n\r\nraw bytes",
     "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nraw bytes"},
};

static void run_transcripts(struct world *world)
{
    for (size_t i = 0; i < COUNT_OF(transcripts); i++) {
        struct buf heard;
        buf_init(&heard, 65536);
        struct stream *stream = dial(world);
        say(world, stream, transcripts[i].sent);
        assert_true(is_ok(stream_shutdown_write(stream, soon(world, 1000))));
        err e = hear(world, stream, &heard, 65536, 3000);
        if (!is_err(e, ERR_CLOSED)) {
            fail_msg("%s: %s", transcripts[i].name, err_name(e));
        }
        check_text(&heard, transcripts[i].heard, transcripts[i].name);
        stream_close(stream);
        buf_free(&heard);
    }
}

/* The same bytes one by one: nothing may depend on how they are cut. */
static void run_transcripts_slowly(struct world *world)
{
    for (size_t i = 0; i < COUNT_OF(transcripts); i++) {
        struct buf heard;
        buf_init(&heard, 65536);
        struct stream *stream = dial(world);
        err e = ok();
        for (const char *c = transcripts[i].sent; *c != 0 && is_ok(e); c++) {
            e = stream_write(stream, bytes_make(c, 1), soon(world, 1000));
            fiber_yield(world->loop);
        }
        IGNORE(stream_shutdown_write(stream, soon(world, 1000))); /* may be refused by now */
        /* Ended in order, or cut if the last bytes came too late: either way. */
        IGNORE(hear(world, stream, &heard, 65536, 3000));
        /* A stream that is sent while it is read may come back in other chunks. */
        if (strstr(transcripts[i].name, "chunked both") == NULL) {
            check_text(&heard, transcripts[i].heard, transcripts[i].name);
        }
        stream_close(stream);
        buf_free(&heard);
    }
}

static void test_transcripts(void **state)
{
    (void)state;
    struct world world = {0};
    run_world(&world, run_transcripts);
}

static void test_transcripts_byte_by_byte(void **state)
{
    (void)state;
    struct world world = {0};
    run_world(&world, run_transcripts_slowly);
}

/* ---- limits and time ---- */

static void check_one(struct world *world, const char *sent, const char *heard, u64 from_ms,
                      u64 to_ms)
{
    struct buf text;
    buf_init(&text, 65536);
    struct stream *stream = dial(world);
    u64 start_ms = loop_now_ms(world->loop);
    say(world, stream, sent);
    assert_true(is_err(hear(world, stream, &text, 65536, 5000), ERR_CLOSED));
    u64 took_ms = loop_now_ms(world->loop) - start_ms;
    check_text(&text, heard, sent);
    assert_in_range(took_ms, from_ms, to_ms);
    stream_close(stream);
    buf_free(&text);
}

static void timeouts_world(struct world *world)
{
    check_one(world, "", "", 190, 1500);
    check_one(world, "GET /" H, REFUSED("408 Request Timeout", 23) "request head timed out\n", 190,
              2500);
    check_one(world, "GET /" H "\r\n", OK_A, 290, 1500);
    check_one(world, "PUT /echo" H "Content-Length: 5\r\n\r\nhel",
              REFUSED("408 Request Timeout", 15) "body timed out\n", 190, 2500);
}

static void test_timeouts(void **state)
{
    (void)state;
    struct world world = {
        .options = {.head_timeout_ms = 200, .idle_timeout_ms = 300, .body_timeout_ms = 200}};
    run_world(&world, timeouts_world);
}

/* A byte now and then does not keep a head alive. */
static void slow_head_world(struct world *world)
{
    struct buf text;
    buf_init(&text, 4096);
    struct stream *stream = dial(world);
    u64 start_ms = loop_now_ms(world->loop);
    say(world, stream, "GET / HTTP/1.1\r\n");
    while (is_ok(stream_write(stream, bytes_str("A: b\r\n"), soon(world, 1000))) &&
           loop_now_ms(world->loop) - start_ms < 3000) {
        if (is_ok(hear(world, stream, &text, 1, 20))) {
            break;
        }
    }
    assert_in_range(loop_now_ms(world->loop) - start_ms, 190, 1500);
    IGNORE(hear(world, stream, &text, 4096, 1500));
    assert_true(bytes_starts_with(buf_bytes(&text), bytes_str("HTTP/1.1 408 ")));
    stream_close(stream);
    buf_free(&text);
}

static void test_slow_head(void **state)
{
    (void)state;
    struct world world = {.options = {.head_timeout_ms = 200}};
    run_world(&world, slow_head_world);
}

static void slow_body_world(struct world *world)
{
    struct stream *stream = dial(world);
    u64 start_ms = loop_now_ms(world->loop);
    say(world, stream, "PUT /count" H "Content-Length: 100000\r\n\r\n");
    struct buf text;
    buf_init(&text, 4096);
    for (u64 i = 0; loop_now_ms(world->loop) - start_ms < 5000; i++) {
        u8 byte = pattern(i);
        if (!is_ok(stream_write(stream, bytes_make(&byte, 1), soon(world, 1000))) ||
            is_ok(hear(world, stream, &text, 1, 50))) {
            break;
        }
    }
    assert_in_range(loop_now_ms(world->loop) - start_ms, 1000, 3500);
    assert_true(is_err(world->last_fault, ERR_TIMEOUT));
    stream_close(stream);
    buf_free(&text);
}

static void test_slow_body(void **state)
{
    (void)state;
    struct world world = {.options = {.body_timeout_ms = 200, .body_rate_min = 1000}};
    run_world(&world, slow_body_world);
}

static void large_head_world(struct world *world)
{
    struct buf head;
    struct buf text;
    buf_init(&head, 65536);
    buf_init(&text, 65536);
    for (size_t size = 4096; size <= 4097; size++) {
        static const char start[] = "GET / HTTP/1.1\r\nHost: h\r\nX: ";
        buf_clear(&head);
        buf_clear(&text);
        buf_put_str(&head, start);
        while (head.len < size - 4) {
            buf_put_u8(&head, 'x');
        }
        buf_put_str(&head, "\r\n\r\n");
        struct stream *stream = dial(world);
        assert_true(is_ok(stream_write(stream, buf_bytes(&head), soon(world, 1000))));
        assert_true(is_ok(stream_shutdown_write(stream, soon(world, 1000))));
        assert_true(is_err(hear(world, stream, &text, 65536, 3000), ERR_CLOSED));
        check_text(&text,
                   size == 4096 ? OK_A
                                : REFUSED("431 Request Header Fields Too Large",
                                          25) "header section too large\n",
                   "large head");
        stream_close(stream);
    }
    buf_free(&head);
    buf_free(&text);
}

static void test_large_head(void **state)
{
    (void)state;
    struct world world = {.options = {.head_bytes_max = 4096}};
    run_world(&world, large_head_world);
}

static void limit_world(struct world *world)
{
    struct stream *held[2] = {dial(world), dial(world)};
    struct buf text;
    buf_init(&text, 65536);
    struct stream *third = dial(world);
    say(world, third, "GET /" H "\r\n");
    assert_true(is_err(hear(world, third, &text, 65536, 3000), ERR_CLOSED));
    assert_true(bytes_starts_with(buf_bytes(&text), bytes_str("HTTP/1.1 503 ")));
    assert_true(bytes_find(buf_bytes(&text), bytes_str("\r\nRetry-After: 1\r\n")) != SIZE_MAX);
    assert_int_equal(world->handled, 0);
    stream_close(third);
    stream_close(held[0]);
    IGNORE(fiber_sleep(world->loop, soon(world, 50)));
    check_one(world, "GET /" H "Connection: close\r\n\r\n",
              "HTTP/1.1 200 OK\r\nX-A: 1\r\nServer: T\r\nContent-Length: 2\r\n" CLOSE "ok", 0,
              1000);
    stream_close(held[1]);
    buf_free(&text);
}

static void test_connection_limit(void **state)
{
    (void)state;
    struct world world = {.options = {.connections_max = 2}};
    run_world(&world, limit_world);
}

/* A handler answers 403 while the client is still sending much more than is drained: the client
 * must be able to read the answer. */
static void lingering_world(struct world *world)
{
    struct stream *stream = dial(world);
    struct buf text;
    buf_init(&text, 65536);
    u8 *block = mem_alloc(KIB(64));
    say(world, stream, "PUT /forbid" H "Content-Length: 99999999\r\n\r\n");
    size_t sent = 0;
    while (sent < KIB(512) &&
           is_ok(stream_write(stream, bytes_make(block, KIB(64)), soon(world, 1000)))) {
        sent += KIB(64);
    }
    assert_int_equal(sent, KIB(512));
    assert_true(is_err(hear(world, stream, &text, 65536, 3000), ERR_CLOSED));
    check_text(&text,
               "HTTP/1.1 403 Forbidden\r\nX-A: 1\r\nServer: T\r\nContent-Length: 2\r\n" CLOSE "no",
               "lingering");
    mem_free(block);
    stream_close(stream);
    buf_free(&text);
}

static void test_lingering_close(void **state)
{
    (void)state;
    struct world world = {0};
    run_world(&world, lingering_world);
}

/* ---- drain ---- */

struct slow_client {
    struct world *world;
    struct buf text;
    err end;
};

static void slow_client(void *arg)
{
    struct slow_client *client = arg;
    struct stream *stream = dial(client->world);
    say(client->world, stream, "GET /slow" H "\r\n");
    client->end = hear(client->world, stream, &client->text, 65536, 3000);
    stream_close(stream);
}

static void drain_world(struct world *world)
{
    struct slow_client client = {.world = world};
    buf_init(&client.text, 65536);
    struct stream *idle = dial(world);
    u8 byte;
    size_t len = 9;
    assert_true(
        is_ok(group_start(world->loop, &world->group, "slow client", slow_client, &client)));
    IGNORE(fiber_sleep(world->loop, soon(world, 50)));
    u64 start_ms = loop_now_ms(world->loop);
    assert_true(is_ok(http_server_drain(world->server, soon(world, 3000))));
    assert_in_range(loop_now_ms(world->loop) - start_ms, 100, 1500);
    assert_true(is_ok(stream_read(idle, &byte, 1, soon(world, 1000), &len)) && len == 0);
    stream_close(idle);
    group_wait(world->loop, &world->group);
    check_text(&client.text,
               "HTTP/1.1 200 OK\r\nX-A: 1\r\nServer: T\r\nContent-Length: 4\r\n" CLOSE "slow",
               "drained");
    struct stream *late = NULL;
    assert_true(is_err(stream_connect(world->loop, LOOPBACK, http_server_port(world->server),
                                      soon(world, 1000), &late),
                       ERR_NETWORK));
    buf_free(&client.text);
}

static void test_drain(void **state)
{
    (void)state;
    struct world world = {0};
    run_world(&world, drain_world);
}

static void drain_deadline_world(struct world *world)
{
    struct stream *stream = dial(world);
    say(world, stream, "PUT /count" H "Content-Length: 5\r\n\r\n");
    IGNORE(fiber_sleep(world->loop, soon(world, 50)));
    assert_true(is_err(http_server_drain(world->server, soon(world, 100)), ERR_TIMEOUT));
    IGNORE(fiber_sleep(world->loop, soon(world, 50)));
    assert_true(is_err(world->last_fault, ERR_CANCELLED));
    stream_close(stream);
}

static void test_drain_deadline(void **state)
{
    (void)state;
    struct world world = {0};
    run_world(&world, drain_deadline_world);
}

static void port_world(struct world *world)
{
    struct http_server *second = NULL;
    struct http_server_options options = world->options;
    options.port = http_server_port(world->server);
    assert_true(is_err(http_server_start(world->loop, &options, &second), ERR_EXISTS));
}

static void test_port_in_use(void **state)
{
    (void)state;
    struct world world = {0};
    run_world(&world, port_world);
}

/* loop_stop() while requests run and connections idle: everything unwinds. */
static void stop_world(struct world *world)
{
    struct stream *stream = dial(world);
    say(world, stream, "GET /slow" H "\r\n");
    struct stream *idle = dial(world);
    IGNORE(fiber_sleep(world->loop, soon(world, 50)));
    loop_stop(world->loop);
    stream_close(stream);
    stream_close(idle);
}

static void test_stop(void **state)
{
    (void)state;
    struct world world = {0};
    run_world(&world, stop_world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_transcripts),
        cmocka_unit_test(test_transcripts_byte_by_byte),
        cmocka_unit_test(test_timeouts),
        cmocka_unit_test(test_slow_head),
        cmocka_unit_test(test_slow_body),
        cmocka_unit_test(test_large_head),
        cmocka_unit_test(test_connection_limit),
        cmocka_unit_test(test_lingering_close),
        cmocka_unit_test(test_drain),
        cmocka_unit_test(test_drain_deadline),
        cmocka_unit_test(test_port_in_use),
        cmocka_unit_test(test_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "base/mem.h"
#include "net/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define LOOPBACK "127.0.0.1"
#define BIG_BYTES MIB(24)

/* A loop with a real server, a client, and a listener for scripted servers. */
struct world {
    struct loop *loop;
    struct http_server *server;
    struct http_client *client;
    struct listener *listener;
    struct group group;
    void (*fn)(struct world *world);
    char peer[STREAM_PEER_MAX]; /* of the last request */
    char url[128];
};

static u8 pattern(u64 i) { return (u8)(i * 31 + (i >> 8)); }

static u64 soon(struct world *world, u64 ms) { return loop_now_ms(world->loop) + ms; }

/* ---- the real server ---- */

static void handle_count(struct http_exchange *x)
{
    u8 *piece = mem_alloc(KIB(256));
    size_t len = 1;
    u64 seen = 0;
    while (len != 0) {
        if (!is_ok(http_read_body(x, piece, KIB(256), &len))) {
            mem_free(piece);
            return;
        }
        for (size_t i = 0; i < len; i++) {
            assert_int_equal(piece[i], pattern(seen + i));
        }
        seen += len;
    }
    mem_free(piece);
    char text[64];
    snprintf(text, sizeof text, "%llu", (unsigned long long)seen);
    bytes trailer = http_find_trailer(x, "X-Sum");
    if (trailer.data != NULL) {
        http_set_header(x, "X-Sum", trailer);
    }
    IGNORE(http_respond(x, 200, bytes_str(text)));
}

static void handle_big(struct http_exchange *x)
{
    u8 *data = mem_alloc(BIG_BYTES);
    for (size_t i = 0; i < BIG_BYTES; i++) {
        data[i] = pattern(i);
    }
    bool chunked = bytes_eq_str(http_request_of(x)->target, "/big-chunked");
    IGNORE(http_respond_begin(x, 200, chunked ? HTTP_UNKNOWN_LENGTH : BIG_BYTES));
    for (size_t at = 0; at < BIG_BYTES; at += MIB(3)) {
        IGNORE(http_write(x, bytes_make(data + at, MIB(3))));
    }
    IGNORE(http_respond_end(x));
    mem_free(data);
}

static void handler(void *ctx, struct http_exchange *x)
{
    struct world *world = ctx;
    const struct http_request *request = http_request_of(x);
    snprintf(world->peer, sizeof world->peer, "%s", request->peer);
    if (bytes_eq_str(request->target, "/count")) {
        handle_count(x);
    } else if (bytes_starts_with(request->target, bytes_str("/big"))) {
        handle_big(x);
    } else if (bytes_eq_str(request->target, "/slow")) {
        IGNORE(fiber_sleep(world->loop, soon(world, 500)));
        IGNORE(http_respond(x, 200, bytes_str("slow")));
    } else if (bytes_eq_str(request->target, "/204")) {
        IGNORE(http_respond(x, 204, (bytes){0}));
    } else if (bytes_eq_str(request->target, "/forbid")) {
        IGNORE(http_respond(x, 403, bytes_str("no")));
    } else {
        bytes body = {0};
        if (is_ok(http_read_body_all(x, MIB(1), &body))) {
            http_set_header(x, "X-Host", request->host);
            http_set_header(x, "X-Target", request->target);
            http_set_header_str(x, "X-Encrypted", request->encrypted ? "yes" : "no");
            IGNORE(http_respond(x, 200, body));
        }
    }
}

static void world_main(void *arg)
{
    struct world *world = arg;
    struct http_server_options server = {.host = LOOPBACK, .handler = handler, .ctx = world};
    struct http_client_options client = {0};
    assert_true(is_ok(http_server_start(world->loop, &server, &world->server)));
    assert_true(is_ok(http_client_new(world->loop, &client, &world->client)));
    assert_true(is_ok(listener_open(world->loop, LOOPBACK, 0, &world->listener)));
    world->fn(world);
    group_wait(world->loop, &world->group);
    http_client_free(world->client);
    listener_close(world->listener);
    loop_stop(world->loop);
}

static void run_world(void (*fn)(struct world *))
{
    struct world world = {.fn = fn};
    assert_true(is_ok(loop_open(&world.loop, 1)));
    group_init(&world.group);
    assert_true(is_ok(fiber_start(world.loop, "world", world_main, &world)));
    loop_run(world.loop);
    http_server_close(world.server);
    loop_close(world.loop);
}

static const char *url_of(struct world *world, u16 port, const char *target)
{
    snprintf(world->url, sizeof world->url, "http://%s:%u%s", LOOPBACK, port, target);
    return world->url;
}

static struct http_call_options call_to(struct world *world, const char *method, const char *target)
{
    return (struct http_call_options){
        .method = method,
        .url = url_of(world, http_server_port(world->server), target),
        .deadline_ms = soon(world, 10000),
    };
}

/* ---- good calls ---- */

static void fetch_world(struct world *world)
{
    struct arena arena;
    arena_init(&arena, KIB(64));
    char first_peer[STREAM_PEER_MAX] = "";
    for (int i = 0; i < 3; i++) {
        int status = 0;
        bytes body = {0};
        struct http_call_options options = call_to(world, i == 1 ? "PUT" : "GET", "/x?y=1");
        bytes sent = bytes_str(i == 1 ? "hello" : "");
        assert_true(is_ok(http_fetch(world->client, &options, sent, &arena, &status, &body)));
        assert_int_equal(status, 200);
        assert_true(bytes_eq(body, sent));
        if (i == 0) {
            snprintf(first_peer, sizeof first_peer, "%s", world->peer);
        }
        assert_string_equal(world->peer, first_peer); /* one connection */
    }
    arena_free(&arena);
}

static void test_fetch_reuses_the_connection(void **state)
{
    (void)state;
    run_world(fetch_world);
}

static void check_big_answer(struct world *world, const char *target, u64 length)
{
    struct http_call_options options = call_to(world, "GET", target);
    struct http_call *call = NULL;
    int status = 0;
    assert_true(is_ok(http_call_open(world->client, &options, &call)));
    assert_true(is_ok(http_call_status(call, &status)));
    assert_int_equal(status, 200);
    assert_true(http_call_length(call) == length);
    u8 *piece = mem_alloc(KIB(100));
    u64 seen = 0;
    size_t len = 1;
    while (len != 0) {
        assert_true(is_ok(http_call_read(call, piece, KIB(100), &len)));
        for (size_t i = 0; i < len; i++) {
            assert_int_equal(piece[i], pattern(seen + i));
        }
        seen += len;
    }
    assert_true(seen == BIG_BYTES);
    mem_free(piece);
    http_call_close(call);
}

static void check_big_request(struct world *world, u64 length)
{
    struct http_call_options options = call_to(world, "PUT", "/count");
    struct http_call *call = NULL;
    struct http_header sum = {bytes_str("X-Sum"), bytes_str("abc")};
    int status = 0;
    options.body_length = length;
    assert_true(is_ok(http_call_open(world->client, &options, &call)));
    u8 *data = mem_alloc(BIG_BYTES);
    for (size_t i = 0; i < BIG_BYTES; i++) {
        data[i] = pattern(i);
    }
    assert_true(is_ok(http_call_write(call, bytes_make(data, 7))));
    assert_true(is_ok(http_call_write(call, (bytes){0})));
    assert_true(is_ok(http_call_write(call, bytes_make(data + 7, BIG_BYTES - 7))));
    mem_free(data);
    bool chunked = length == HTTP_UNKNOWN_LENGTH;
    assert_true(is_ok(http_call_finish(call, chunked ? &sum : NULL, chunked ? 1 : 0)));
    assert_true(is_ok(http_call_status(call, &status)));
    assert_int_equal(status, 200);
    assert_true(bytes_eq_str(http_call_header(call, "x-sum"), chunked ? "abc" : ""));
    char text[32] = "";
    size_t len = 0;
    assert_true(is_ok(http_call_read(call, text, sizeof text - 1, &len)));
    assert_string_equal(text, "25165824");
    http_call_close(call);
}

static void big_world(struct world *world)
{
    check_big_answer(world, "/big", BIG_BYTES);
    check_big_answer(world, "/big-chunked", HTTP_UNKNOWN_LENGTH);
    check_big_request(world, BIG_BYTES);
    check_big_request(world, HTTP_UNKNOWN_LENGTH);
}

static void test_large_bodies(void **state)
{
    (void)state;
    run_world(big_world);
}

static void kinds_world(struct world *world)
{
    struct http_call *call = NULL;
    u8 byte;
    size_t len = 9;
    int status = 0;
    struct http_call_options options = call_to(world, "HEAD", "/big");
    assert_true(is_ok(http_call_open(world->client, &options, &call)));
    assert_true(is_ok(http_call_status(call, &status)));
    assert_true(status == 200 && http_call_length(call) == BIG_BYTES);
    assert_true(is_ok(http_call_read(call, &byte, 1, &len)) && len == 0);
    http_call_close(call);
    options = call_to(world, "DELETE", "/204");
    assert_true(is_ok(http_call_open(world->client, &options, &call)));
    assert_true(is_ok(http_call_read(call, &byte, 1, &len)) && len == 0);
    assert_true(is_ok(http_call_status(call, &status)));
    assert_true(status == 204 && http_call_length(call) == 0);
    http_call_close(call);
}

static void test_answers_without_body(void **state)
{
    (void)state;
    run_world(kinds_world);
}

static void custom_host_world(struct world *world)
{
    struct http_header headers[] = {{bytes_str("Host"), bytes_str("bucket.s3.test")}};
    struct http_call_options options = call_to(world, "GET", "?list");
    struct http_call *call = NULL;
    int status = 0;
    options.headers = headers;
    options.header_count = 1;
    assert_true(is_ok(http_call_open(world->client, &options, &call)));
    assert_true(is_ok(http_call_status(call, &status)));
    assert_true(bytes_eq_str(http_call_header(call, "X-Host"), "bucket.s3.test"));
    assert_true(bytes_eq_str(http_call_header(call, "X-Target"), "/?list"));
    http_call_close(call);
}

static void test_custom_host(void **state)
{
    (void)state;
    run_world(custom_host_world);
}

/* ---- faults ---- */

static err fetch(struct world *world, const struct http_call_options *options, const char *body,
                 size_t limit, int *ret_status)
{
    struct arena arena;
    bytes answer = {0};
    arena_init(&arena, limit);
    err e = http_fetch(world->client, options, bytes_str(body), &arena, ret_status, &answer);
    arena_free(&arena);
    return e;
}

static void usage_world(struct world *world)
{
    static const struct http_header bad[] = {
        {{(const u8 *)"A B", 3}, {(const u8 *)"v", 1}},
        {{(const u8 *)"A", 1}, {(const u8 *)"v\r\nX: y", 7}},
        {{(const u8 *)"", 0}, {(const u8 *)"v", 1}},
        {{(const u8 *)"content-length", 14}, {(const u8 *)"5", 1}},
        {{(const u8 *)"Transfer-Encoding", 17}, {(const u8 *)"chunked", 7}},
        {{(const u8 *)"connection", 10}, {(const u8 *)"close", 5}},
    };
    int status;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct http_call_options options = call_to(world, "GET", "/");
        options.headers = &bad[i];
        options.header_count = 1;
        assert_true(is_err(fetch(world, &options, "", 100, &status), ERR_USAGE));
    }
    struct http_call_options options = call_to(world, "GE T", "/");
    assert_true(is_err(fetch(world, &options, "", 100, &status), ERR_USAGE));
    options = call_to(world, "GET", "/");
    options.url = "https://127.0.0.1:1/";
    assert_true(is_err(fetch(world, &options, "", 100, &status), ERR_USAGE));
    options.url = "nonsense";
    assert_true(is_err(fetch(world, &options, "", 100, &status), ERR_USAGE));
    options = call_to(world, "PUT", "/");
    assert_true(is_err(fetch(world, &options, "too long", 4, &status), ERR_LIMIT));
    options = call_to(world, "GET", "/big-chunked");
    assert_true(is_err(fetch(world, &options, "", 4096, &status), ERR_LIMIT));
}

static void test_wrong_usage(void **state)
{
    (void)state;
    run_world(usage_world);
}

static void deadline_world(struct world *world)
{
    int status;
    struct http_call_options options = call_to(world, "GET", "/slow");
    u64 start_ms = loop_now_ms(world->loop);
    options.deadline_ms = soon(world, 100);
    assert_true(is_err(fetch(world, &options, "", 100, &status), ERR_TIMEOUT));
    assert_in_range(loop_now_ms(world->loop) - start_ms, 90, 400);
    /* A deadline that is moved while the call is open. */
    struct http_call *call = NULL;
    options = call_to(world, "GET", "/slow");
    assert_true(is_ok(http_call_open(world->client, &options, &call)));
    http_call_set_deadline(call, soon(world, 100));
    assert_true(is_err(http_call_status(call, &status), ERR_TIMEOUT));
    http_call_close(call);
    /* A server that accepts and says nothing. */
    options = call_to(world, "GET", "/");
    options.url = url_of(world, listener_port(world->listener), "/");
    options.deadline_ms = soon(world, 100);
    assert_true(is_err(fetch(world, &options, "", 100, &status), ERR_TIMEOUT));
    /* Nobody listens. */
    struct listener *gone;
    assert_true(is_ok(listener_open(world->loop, LOOPBACK, 0, &gone)));
    options.url = url_of(world, listener_port(gone), "/");
    options.deadline_ms = soon(world, 1000);
    listener_close(gone);
    assert_true(is_err(fetch(world, &options, "", 100, &status), ERR_NETWORK));
}

static void test_deadlines(void **state)
{
    (void)state;
    run_world(deadline_world);
}

/* ---- scripted servers ---- */

struct script {
    struct world *world;
    const char *const *answers; /* one per connection, in turn; NULL: closes without an answer */
    size_t count;
    size_t accepted;
};

/* serve_script: answers each connection after its first bytes and closes it. */
static void serve_script(void *arg)
{
    struct script *script = arg;
    struct world *world = script->world;
    for (size_t i = 0; i < script->count; i++) {
        struct stream *stream = NULL;
        u8 data[4096];
        size_t len;
        if (!is_ok(listener_accept(world->listener, &stream))) {
            return;
        }
        script->accepted++;
        err e = stream_read(stream, data, sizeof data, soon(world, 2000), &len);
        if (is_ok(e) && script->answers[i] != NULL) {
            IGNORE(stream_write(stream, bytes_str(script->answers[i]), soon(world, 2000)));
        }
        stream_close(stream);
    }
}

struct answer_case {
    const char *raw;
    int status; /* 0: a fault */
    enum err_code fault;
    const char *body;
};

static const struct answer_case answer_cases[] = {
    {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200, ERR_OK, "hi"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", 200, ERR_OK,
     "hi"},
    {"HTTP/1.1 200 OK\r\n\r\nuntil the end", 200, ERR_OK, "until the end"},
    {"HTTP/1.0 200 OK\r\n\r\nold", 200, ERR_OK, "old"},
    {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nA: b\r\n\r\n"
     "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
     200, ERR_OK, ""},
    {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi", 0, ERR_CLOSED, ""},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhi", 0, ERR_CLOSED, ""},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n", 0, ERR_CLOSED, ""},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 0, ERR_MALFORMED, ""},
    {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi", 0, ERR_MALFORMED, ""},
    {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nhi", 0,
     ERR_MALFORMED, ""},
    {"HTTP/1.1 101 Switching\r\n\r\n", 0, ERR_MALFORMED, ""},
    {"HTTP/1.1 200 OK\n\n", 0, ERR_MALFORMED, ""},
    {"SSH-2.0-OpenSSH\r\n\r\n", 0, ERR_MALFORMED, ""},
    {"HTTP/1.1 200 OK\r\nA: b\r\n", 0, ERR_CLOSED, ""},
    {"\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 0, ERR_MALFORMED, ""},
};

static void hostile_world(struct world *world)
{
    for (size_t i = 0; i < COUNT_OF(answer_cases); i++) {
        const struct answer_case *c = &answer_cases[i];
        struct script script = {.world = world, .answers = &c->raw, .count = 1};
        struct arena arena;
        arena_init(&arena, KIB(64));
        assert_true(
            is_ok(group_start(world->loop, &world->group, "script", serve_script, &script)));
        struct http_call_options options = call_to(world, "GET", "/");
        options.url = url_of(world, listener_port(world->listener), "/");
        int status = 0;
        bytes body = {0};
        err e = http_fetch(world->client, &options, (bytes){0}, &arena, &status, &body);
        if (!is_err(e, c->fault) || status != c->status || !bytes_eq_str(body, c->body)) {
            fail_msg("answer %zu: %s %d %.*s", i, err_name(e), status, (int)body.len,
                     (const char *)body.data);
        }
        group_wait(world->loop, &world->group);
        arena_free(&arena);
    }
}

static void test_hostile_answers(void **state)
{
    (void)state;
    run_world(hostile_world);
}

#define KEPT "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

/* The script closes each connection after one answer without saying so: the second call finds a
 * dead connection and is sent again on a fresh one. */
static void check_stale(struct world *world, const char *method, const char *body)
{
    static const char *const answers[] = {KEPT, KEPT};
    struct script script = {.world = world, .answers = answers, .count = 2};
    assert_true(is_ok(group_start(world->loop, &world->group, "script", serve_script, &script)));
    for (int i = 0; i < 2; i++) {
        struct http_call_options options = call_to(world, method, "/");
        int status = 0;
        options.url = url_of(world, listener_port(world->listener), "/");
        assert_true(is_ok(fetch(world, &options, body, 100, &status)));
        assert_int_equal(status, 200);
        IGNORE(fiber_sleep(world->loop, soon(world, 20)));
    }
    group_wait(world->loop, &world->group);
    assert_int_equal(script.accepted, 2);
}

static void stale_world(struct world *world)
{
    check_stale(world, "GET", "");
    check_stale(world, "POST", "{\"id\":1}");
}

static void test_stale_connections_are_replaced(void **state)
{
    (void)state;
    run_world(stale_world);
}

/* peer_of: from which port a call came. */
static void peer_of(struct world *world, bool fresh, char *ret_peer)
{
    struct http_call_options options = call_to(world, "GET", "/");
    int status = 0;
    options.fresh = fresh;
    assert_true(is_ok(fetch(world, &options, "", 100, &status)));
    assert_int_equal(status, 200);
    snprintf(ret_peer, STREAM_PEER_MAX, "%s", world->peer);
}

/* Asked for, or after silence: the next call has a connection of its own. */
static void fresh_world(struct world *world)
{
    char first[STREAM_PEER_MAX];
    char second[STREAM_PEER_MAX];
    char third[STREAM_PEER_MAX];
    int status = 0;
    peer_of(world, false, first);
    peer_of(world, true, second);
    assert_string_not_equal(first, second);
    peer_of(world, false, third); /* both are kept, the newest is used */
    assert_string_equal(second, third);
    struct http_call_options options = call_to(world, "POST", "/slow");
    options.deadline_ms = soon(world, 100);
    assert_true(is_err(fetch(world, &options, "", 100, &status), ERR_TIMEOUT));
    peer_of(world, false, third);
    assert_string_not_equal(first, third);
    assert_string_not_equal(second, third);
}

static void test_fresh_connections(void **state)
{
    (void)state;
    run_world(fresh_world);
}

/* A fresh connection that is closed without an answer is a fault, not a reason to try for ever. */
static void mute_world(struct world *world)
{
    static const char *const answers[] = {NULL};
    struct script script = {.world = world, .answers = answers, .count = 1};
    assert_true(is_ok(group_start(world->loop, &world->group, "script", serve_script, &script)));
    struct http_call_options options = call_to(world, "GET", "/");
    int status = 0;
    options.url = url_of(world, listener_port(world->listener), "/");
    assert_true(is_err(fetch(world, &options, "", 100, &status), ERR_CLOSED));
    group_wait(world->loop, &world->group);
    assert_int_equal(script.accepted, 1);
}

static void test_mute_server(void **state)
{
    (void)state;
    run_world(mute_world);
}

static void half_read_world(struct world *world)
{
    struct http_call *call = NULL;
    struct http_call_options options = call_to(world, "GET", "/big");
    u8 piece[1000];
    size_t len;
    int status = 0;
    assert_true(is_ok(http_call_open(world->client, &options, &call)));
    assert_true(is_ok(http_call_read(call, piece, sizeof piece, &len)));
    http_call_close(call); /* in the middle */
    char peer[STREAM_PEER_MAX];
    snprintf(peer, sizeof peer, "%s", world->peer);
    options = call_to(world, "GET", "/");
    assert_true(is_ok(fetch(world, &options, "", 100, &status)));
    assert_string_not_equal(peer, world->peer);
    /* A call that is given up before it was sent. */
    options = call_to(world, "GET", "/");
    assert_true(is_ok(http_call_open(world->client, &options, &call)));
    http_call_close(call);
}

static void test_calls_given_up(void **state)
{
    (void)state;
    run_world(half_read_world);
}

/* The server answers 403 at once and stops reading; the client can still read the answer. */
static void early_world(struct world *world)
{
    struct http_call *call = NULL;
    struct http_call_options options = call_to(world, "PUT", "/forbid");
    u8 *data = mem_alloc(BIG_BYTES);
    int status = 0;
    options.body_length = BIG_BYTES;
    assert_true(is_ok(http_call_open(world->client, &options, &call)));
    err e = ok();
    for (size_t at = 0; at < BIG_BYTES && is_ok(e); at += KIB(256)) {
        e = http_call_write(call, bytes_make(data + at, KIB(256)));
    }
    assert_true(is_err(e, ERR_CLOSED));
    assert_true(is_ok(http_call_status(call, &status)));
    assert_int_equal(status, 403);
    http_call_close(call);
    mem_free(data);
}

static void test_early_answer(void **state)
{
    (void)state;
    run_world(early_world);
}

/* ---- cancelling ---- */

static void cancel_soon(void *arg)
{
    struct world *world = arg;
    assert_true(is_ok(fiber_sleep(world->loop, soon(world, 50))));
    http_client_cancel(world->client);
}

/* Calls that wait for an answer, or for room to write, end at once; nothing begins after that. */
static void cancel_world(struct world *world)
{
    struct http_call *call = NULL;
    struct http_call_options options = call_to(world, "PUT", "/");
    u8 *data = mem_alloc(BIG_BYTES);
    int status = 0;
    options.url = url_of(world, listener_port(world->listener), "/"); /* accepts, reads nothing */
    options.body_length = BIG_BYTES;
    u64 start_ms = loop_now_ms(world->loop);
    assert_true(is_ok(group_start(world->loop, &world->group, "cancel", cancel_soon, world)));
    assert_true(is_ok(http_call_open(world->client, &options, &call)));
    err e = http_call_write(call, bytes_make(data, BIG_BYTES));
    assert_true(is_err(e, ERR_CANCELLED));
    assert_true(is_err(http_call_status(call, &status), ERR_CLOSED));
    http_call_close(call);
    mem_free(data);
    options = call_to(world, "GET", "/");
    assert_true(is_err(fetch(world, &options, "", 100, &status), ERR_CANCELLED));
    assert_in_range(loop_now_ms(world->loop) - start_ms, 40, 1000);
}

static void cancel_fetch_world(struct world *world)
{
    struct http_call_options options = call_to(world, "POST", "/slow");
    int status = 0;
    u64 start_ms = loop_now_ms(world->loop);
    assert_true(is_ok(group_start(world->loop, &world->group, "cancel", cancel_soon, world)));
    assert_true(is_err(fetch(world, &options, "body", 100, &status), ERR_CANCELLED));
    assert_in_range(loop_now_ms(world->loop) - start_ms, 40, 400);
}

static void test_cancelled_client(void **state)
{
    (void)state;
    run_world(cancel_world);
    run_world(cancel_fetch_world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fetch_reuses_the_connection),
        cmocka_unit_test(test_large_bodies),
        cmocka_unit_test(test_answers_without_body),
        cmocka_unit_test(test_custom_host),
        cmocka_unit_test(test_wrong_usage),
        cmocka_unit_test(test_deadlines),
        cmocka_unit_test(test_hostile_answers),
        cmocka_unit_test(test_stale_connections_are_replaced),
        cmocka_unit_test(test_fresh_connections),
        cmocka_unit_test(test_mute_server),
        cmocka_unit_test(test_calls_given_up),
        cmocka_unit_test(test_early_answer),
        cmocka_unit_test(test_cancelled_client),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

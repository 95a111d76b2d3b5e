/* HTTP in front: who may ask, what is refused before anything is read. */
#include "ledger/rpc/rpc_server.h"

#include "tests/support/rpc_world.h"

#define ASK "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_chainId\"}"
#define ANSWER "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"0x1c20\"}"
#define JSON "Content-Type: application/json\r\n"

struct server_world {
    struct loop *loop;
    struct rpc_world rpc;
    struct rpc_server *server;
    struct rpc_server_options options;
    void (*fn)(struct server_world *world);
};

static void server_main(void *arg)
{
    struct server_world *world = arg;
    rpc_world_init(&world->rpc, world->loop);
    world->options.rpc = world->rpc.rpc;
    world->options.host = "127.0.0.1";
    test_ok(rpc_server_start(world->loop, &world->options, &world->server));
    world->fn(world);
    test_ok(rpc_server_drain(world->server, loop_now_ms(world->loop) + 5000));
    rpc_server_close(world->server);
    rpc_world_free(&world->rpc);
    loop_stop(world->loop);
}

static void run_server(void (*fn)(struct server_world *), const struct rpc_server_options *options)
{
    struct server_world *world = test_calloc(1, sizeof *world);
    world->fn = fn;
    world->options = *options;
    test_ok(loop_open(&world->loop, 1));
    test_ok(fiber_start(world->loop, "main", server_main, world));
    loop_run(world->loop);
    loop_close(world->loop);
    test_free(world);
}

/* Sends a whole request on a connection of its own and takes what comes until the end. */
static void talk(struct server_world *world, const char *request, struct buf *answer)
{
    struct stream *stream;
    u64 deadline_ms = loop_now_ms(world->loop) + 10000;
    size_t len = 1;
    buf_clear(answer);
    test_ok(stream_connect(world->loop, "127.0.0.1", rpc_server_port(world->server), deadline_ms,
                           &stream));
    test_ok(stream_write(stream, bytes_str(request), deadline_ms));
    while (len > 0) {
        u8 piece[4096];
        test_ok(stream_read(stream, piece, sizeof piece, deadline_ms, &len));
        buf_put(answer, bytes_make(piece, len));
    }
    buf_put_u8(answer, 0);
    stream_close(stream);
}

/* `head` is what comes between request line and end of the head; `want` lists what the answer must
 * have, the first with its beginning, up to NULL. */
static void expect(struct server_world *world, const char *method, const char *head,
                   const char *body, const char *const *want)
{
    struct buf answer;
    char request[1024];
    buf_init(&answer, MIB(1));
    snprintf(request, sizeof request,
             "%s /any/path HTTP/1.1\r\nConnection: close\r\n%sContent-Length: %zu\r\n\r\n%s",
             method, head, strlen(body), body);
    talk(world, request, &answer);
    const char *text = (const char *)answer.data;
    if (strncmp(text, want[0], strlen(want[0])) != 0) {
        assert_string_equal(text, want[0]);
    }
    for (size_t i = 1; want[i] != NULL; i++) {
        if (strstr(text, want[i]) == NULL) {
            assert_string_equal(text, want[i]);
        }
    }
    buf_free(&answer);
}

#define EXPECT(world, method, head, body, ...)                                                     \
    expect(world, method, head, body, (const char *const[]){__VA_ARGS__, NULL})

static void hosts(struct server_world *world)
{
    const char *good[] = {"127.0.0.1",  "127.0.0.1:9002", "localhost",      "LocalHost:80",
                          "[::1]:9002", "10.1.2.3",       "node.example:5", "NODE.example"};
    const char *bad[] = {"evil.example",
                         "127.0.0.1.evil.example",
                         "localhost.evil.example",
                         "xn--node.example",
                         "1.2.3",
                         "node.example.evil",
                         "a1.2.3.4"};
    char head[128];
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        snprintf(head, sizeof head, "Host: %s\r\n" JSON, good[i]);
        EXPECT(world, "POST", head, ASK, "HTTP/1.1 200 ", ANSWER);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        snprintf(head, sizeof head, "Host: %s\r\n" JSON, bad[i]);
        EXPECT(world, "POST", head, ASK, "HTTP/1.1 403 ");
    }
}

static void kinds_of_requests(struct server_world *world)
{
    const char *host = "Host: localhost\r\n";
    EXPECT(world, "POST", "Host: localhost\r\nContent-Type: Application/JSON; charset=utf-8\r\n",
           ASK, "HTTP/1.1 200 ", ANSWER, "Content-Type: application/json\r\n");
    EXPECT(world, "POST", host, ASK, "HTTP/1.1 415 ", "\"code\":-32600");
    EXPECT(world, "POST", "Host: localhost\r\nContent-Type: text/plain\r\n", ASK, "HTTP/1.1 415 ");
    EXPECT(world, "POST", "Host: localhost\r\nContent-Type: application/jsonx\r\n", ASK,
           "HTTP/1.1 415 ");
    EXPECT(world, "GET", host, "", "HTTP/1.1 405 ", "Allow: POST, OPTIONS\r\n");
    EXPECT(world, "PUT", "Host: localhost\r\n" JSON, ASK, "HTTP/1.1 405 ");
    EXPECT(world, "POST", "Host: localhost\r\n" JSON, "", "HTTP/1.1 200 ", "\"code\":-32700");
    EXPECT(world, "POST", "Host: localhost\r\n" JSON,
           "{\"jsonrpc\":\"2.0\",\"method\":\"eth_chainId\"}", "HTTP/1.1 204 ");
}

static void pages_may_ask(struct server_world *world)
{
    EXPECT(world, "OPTIONS", "Host: localhost\r\nOrigin: https://a.example\r\n", "",
           "HTTP/1.1 204 ", "Access-Control-Allow-Origin: *\r\n",
           "Access-Control-Allow-Headers: Content-Type\r\n");
    EXPECT(world, "POST", "Host: localhost\r\nOrigin: https://a.example\r\n" JSON, ASK,
           "HTTP/1.1 200 ", "Access-Control-Allow-Origin: *\r\n");
}

static void one_page_may_ask(struct server_world *world)
{
    EXPECT(world, "POST", "Host: localhost\r\nOrigin: https://b.example\r\n" JSON, ASK,
           "HTTP/1.1 200 ", "Access-Control-Allow-Origin: https://a.example\r\n");
}

static void no_page_may_ask(struct server_world *world)
{
    struct buf answer;
    buf_init(&answer, MIB(1));
    talk(world,
         "OPTIONS / HTTP/1.1\r\nHost: localhost\r\nOrigin: https://a.example\r\n"
         "Connection: close\r\n\r\n",
         &answer);
    assert_null(strstr((const char *)answer.data, "Access-Control"));
    buf_free(&answer);
}

/* Refused by its length alone, and when it turns out too long on the way. */
static void large_bodies(struct server_world *world)
{
    struct buf answer;
    char head[256];
    buf_init(&answer, MIB(1));
    snprintf(head, sizeof head,
             "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" JSON
             "Content-Length: %llu\r\n\r\n",
             (unsigned long long)RPC_BODY_BYTES_MAX + 1);
    talk(world, head, &answer);
    assert_memory_equal(answer.data, "HTTP/1.1 413 ", 13);
    struct buf request;
    buf_init(&request, RPC_BODY_BYTES_MAX + KIB(64));
    buf_format(&request,
               "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" JSON
               "Transfer-Encoding: chunked\r\n\r\n%llx\r\n",
               (unsigned long long)RPC_BODY_BYTES_MAX + 1000);
    for (size_t i = 0; i < RPC_BODY_BYTES_MAX + 1000; i++) {
        buf_put_u8(&request, ' ');
    }
    buf_put_str(&request, "\r\n0\r\n\r\n");
    buf_put_u8(&request, 0);
    test_ok(buf_done(&request));
    talk(world, (const char *)request.data, &answer);
    assert_memory_equal(answer.data, "HTTP/1.1 413 ", 13);
    buf_free(&request);
    buf_free(&answer);
}

static const char *const names[] = {"node.example"};

#define SERVER_TEST(name, fn, ...)                                                                 \
    static void name(void **state)                                                                 \
    {                                                                                              \
        const struct rpc_server_options options = {__VA_ARGS__};                                   \
        (void)state;                                                                               \
        run_server(fn, &options);                                                                  \
    }

SERVER_TEST(test_hosts, hosts, .hosts = names, .host_count = 1)
SERVER_TEST(test_kinds_of_requests, kinds_of_requests, .port = 0)
SERVER_TEST(test_pages_may_ask, pages_may_ask, .port = 0)
SERVER_TEST(test_one_page_may_ask, one_page_may_ask, .cors_origin = "https://a.example")
SERVER_TEST(test_no_page_may_ask, no_page_may_ask, .cors_origin = "")
SERVER_TEST(test_large_bodies, large_bodies, .port = 0)

int main(void)
{
    const struct hash seed = {{7}};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hosts),           cmocka_unit_test(test_kinds_of_requests),
        cmocka_unit_test(test_pages_may_ask),   cmocka_unit_test(test_one_page_may_ask),
        cmocka_unit_test(test_no_page_may_ask), cmocka_unit_test(test_large_bodies),
    };
    crypto_init(&seed);
    vault_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "net/metrics_http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

struct world {
    struct loop *loop;
    struct metrics metrics;
    struct metrics_http *http;
    struct http_client *client;
    u64 *gauge;
    bool ready;
    bool speaks;
};

static bool health(void *ctx, struct buf *out)
{
    struct world *world = ctx;
    if (world->speaks) {
        buf_put_str(out, "{\"ready\":true,\"height\":7}");
    }
    return world->ready;
}

static void refresh(void *ctx)
{
    struct world *world = ctx;
    *world->gauge = 42;
}

static void check(struct world *world, const char *method, const char *target, int want,
                  const char *part)
{
    char url[100];
    struct arena arena;
    int status = 0;
    bytes body = {0};
    arena_init(&arena, KIB(64));
    snprintf(url, sizeof url, "http://127.0.0.1:%u%s", metrics_http_port(world->http), target);
    struct http_call_options options = {
        .method = method, .url = url, .deadline_ms = loop_now_ms(world->loop) + 2000};
    assert_true(is_ok(http_fetch(world->client, &options, (bytes){0}, &arena, &status, &body)));
    assert_int_equal(status, want);
    assert_true(bytes_find(body, bytes_str(part)) != SIZE_MAX);
    arena_free(&arena);
}

static void run(void *arg)
{
    struct world *world = arg;
    struct metrics_http_options options = {
        .host = "127.0.0.1",
        .metrics = &world->metrics,
        .health = health,
        .refresh = refresh,
        .ctx = world,
    };
    struct http_client_options client = {0};
    assert_true(is_ok(metrics_http_start(world->loop, &options, &world->http)));
    assert_true(is_ok(http_client_new(world->loop, &client, &world->client)));
    check(world, "GET", "/metrics", 200, "cairn_test_total 3\n");
    check(world, "GET", "/metrics", 200, "cairn_test_gauge 42\n");
    check(world, "GET", "/health", 503, "{\"ready\":false}\n");
    world->ready = true;
    check(world, "GET", "/health", 200, "{\"ready\":true}\n");
    world->speaks = true;
    check(world, "GET", "/health", 200, "\"height\":7");
    check(world, "HEAD", "/health", 200, "");
    check(world, "POST", "/health", 405, "");
    check(world, "GET", "/", 404, "");
    http_client_free(world->client);
    loop_stop(world->loop);
}

static void test_metrics_and_health(void **state)
{
    (void)state;
    struct world world = {0};
    *metrics_counter(&world.metrics, "cairn_test_total", "A counter.") = 3;
    world.gauge = metrics_gauge(&world.metrics, "cairn_test_gauge", "A gauge.");
    assert_true(is_ok(loop_open(&world.loop, 1)));
    assert_true(is_ok(fiber_start(world.loop, "test", run, &world)));
    loop_run(world.loop);
    metrics_http_close(world.http);
    loop_close(world.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_metrics_and_health)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

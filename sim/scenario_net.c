/* scenario_net.c: HTTP over the simulated network: an answer is right or there is none.
 *
 * A server echoes bodies with a checksum; clients on other hosts call it while links are cut,
 * connections reset and the server killed or without power. At the end everything is healed, and
 * calls must succeed again within bounded time.
 */
#include "sim/scenario.h"

#include "base/mem.h"
#include "crypto/hash.h"
#include "net/http.h"
#include "sim/sim.h"

#include <stdio.h>

#define CLIENTS 3
#define CALLS 12
#define CALL_MS 3000
#define BODY_BYTES_MAX KIB(200)
#define HEAL_MS 20000
#define URL "http://10.0.0.1:80/echo"

static struct {
    struct sim_host *server_host;
    struct loop *server;
    struct sim_host *client_hosts[CLIENTS];
    struct loop *clients[CLIENTS];
    struct sim_event faults;
    u64 fault_count;
    bool healed;
    unsigned done;
    struct scenario_counters *counters;
} world;

/* ---- server ---- */

static void echo(void *ctx, struct http_exchange *exchange)
{
    struct loop *loop = ctx;
    bytes body;
    struct hash digest;
    if (!is_ok(http_read_body_all(exchange, BODY_BYTES_MAX, &body))) {
        return;
    }
    sha256(&digest, body);
    IGNORE(fiber_sleep(loop, loop_now_ms(loop) + sim_below(20)));
    if (!is_ok(http_respond_begin(exchange, 200, 32 + body.len)) ||
        !is_ok(http_write(exchange, BYTES_OF(digest))) || !is_ok(http_write(exchange, body))) {
        return;
    }
    IGNORE(http_respond_end(exchange)); /* the client checks the length */
}

static void serve(void *arg)
{
    struct loop *loop = arg;
    struct http_server *server;
    const struct http_server_options options = {
        .host = "10.0.0.1", .port = 80, .handler = echo, .ctx = loop, .server_name = "sim"};
    scenario_check(is_ok(http_server_start(loop, &options, &server)));
    while (!loop_stopping(loop)) {
        IGNORE(fiber_sleep(loop, loop_now_ms(loop) + 1000));
    }
    http_server_close(server);
}

static void server_start(void)
{
    world.server = sim_process_new("server", world.server_host, NULL, NULL);
    scenario_check(is_ok(fiber_start(world.server, "serve", serve, world.server)));
}

/* ---- clients ---- */

static void check_answer(bytes sent, bytes answer)
{
    struct hash digest;
    scenario_check(answer.len == 32 + sent.len);
    sha256(&digest, sent);
    scenario_check(bytes_eq(bytes_slice(answer, 0, 32), BYTES_OF(digest)));
    scenario_check(bytes_eq(bytes_slice(answer, 32, sent.len), sent));
}

static err call_once(struct loop *loop, struct http_client *http)
{
    struct arena arena;
    bytes answer;
    int status;
    size_t len = sim_below(sim_chance(1, 3) ? BODY_BYTES_MAX : 2000);
    u8 *body = mem_alloc(len + 1);
    loop_random(loop, body, len);
    arena_init(&arena, 2 * BODY_BYTES_MAX);
    const struct http_call_options options = {
        .method = "POST", .url = URL, .deadline_ms = loop_now_ms(loop) + CALL_MS};
    err e = http_fetch(http, &options, bytes_make(body, len), &arena, &status, &answer);
    if (is_ok(e)) {
        scenario_check(status == 200);
        check_answer(bytes_make(body, len), answer);
        world.counters->gets++;
    }
    scenario_check(loop_now_ms(loop) <= options.deadline_ms + 200);
    arena_free(&arena);
    mem_free(body);
    return e;
}

static void call(void *arg)
{
    struct loop *loop = arg;
    struct http_client *http;
    scenario_check(is_ok(http_client_new(loop, &(struct http_client_options){0}, &http)));
    for (unsigned calls = 0; calls < CALLS;) {
        bool was_healed = world.healed;
        err e = call_once(loop, http);
        scenario_check(is_ok(e) || !was_healed || sim->now_ms < HEAL_MS + 2 * CALL_MS);
        calls += is_ok(e) && was_healed;
        IGNORE(fiber_sleep(loop, loop_now_ms(loop) + sim_below(300)));
    }
    http_client_free(http);
    world.done++;
}

/* ---- faults ---- */

static void heal(void)
{
    sim->faults.reset_per_million = 0;
    for (unsigned i = 0; i < CLIENTS; i++) {
        sim_cut(world.client_hosts[i], world.server_host, false);
    }
    if (world.server == NULL) {
        server_start();
    }
    world.healed = true;
}

static void kill_server(bool power)
{
    sim_kill(world.server, power);
    world.server = NULL;
    world.counters->crashes++;
    world.counters->power_cuts += power;
}

static void fault(struct sim_event *event)
{
    if (sim->now_ms >= HEAL_MS) {
        heal();
        return;
    }
    struct sim_host *client = world.client_hosts[sim_below(CLIENTS)];
    switch (sim_below(6)) {
    case 0:
        sim_cut(client, world.server_host, true);
        break;
    case 1:
        sim_cut_one_way(sim_chance(1, 2) ? client : world.server_host,
                        sim_chance(1, 2) ? client : world.server_host, true);
        break;
    case 2:
        sim_cut(client, world.server_host, false);
        break;
    case 3:
        if (world.server != NULL) {
            kill_server(sim_chance(1, 2));
        }
        break;
    case 4:
        sim->stalled_until_ms[client->slot] = sim->now_ms + sim_below(3000);
        break;
    default:
        if (world.server == NULL) {
            server_start();
        } else {
            sim_pause(world.server, sim->now_ms + sim_below(2000));
        }
        break;
    }
    sim_at(event, 50 + sim_below(1500), fault);
}

static bool is_done(void *ctx)
{
    (void)ctx;
    return world.done == CLIENTS;
}

static void run(u64 seed, struct scenario_counters *counters)
{
    world.counters = counters;
    world.server_host = sim_host_new("10.0.0.1", "server");
    sim->faults.reset_per_million = seed % 2 ? 20000 : 0;
    sim->faults.latency_max_ms = 1 + sim_below(60);
    sim->faults.bytes_per_ms = seed % 3 == 0 ? 1000 : 0;
    sim->faults.ready_window = 1 + sim_below(32);
    server_start();
    for (unsigned i = 0; i < CLIENTS; i++) {
        char address[32];
        char dir[32];
        snprintf(address, sizeof address, "10.0.1.%u", i + 1);
        snprintf(dir, sizeof dir, "client-%u", i + 1);
        world.client_hosts[i] = sim_host_new(address, dir);
        world.clients[i] = sim_process_new(dir, world.client_hosts[i], NULL, NULL);
        scenario_check(is_ok(fiber_start(world.clients[i], "call", call, world.clients[i])));
    }
    sim_at(&world.faults, sim_below(1000), fault);
    sim_run(HEAL_MS + 120000, is_done, NULL);
    scenario_check(is_done(NULL));
}

const struct scenario scenario_net = {
    .name = "net",
    .summary = "HTTP calls under cuts, resets, stalls and kills",
    .run = run,
};

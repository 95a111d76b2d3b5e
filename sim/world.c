#include "sim/world.h"

#include "base/assert.h"
#include "base/log.h"
#include "crypto/hash.h"
#include "os/file.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#define RESTART_MS 1000
#define STORE_BYTES GIB(1)
#define STOP_MS 30000
#define FUND "1000000000000000000000000"

/* ---- making ---- */

static void make_secret(struct secp_secret *ret, struct address *ret_address, const char *name)
{
    struct hash digest;
    char text[64];
    snprintf(text, sizeof text, "simulated key of %s", name);
    sha256(&digest, bytes_str(text));
    assert_that(secp_secret_from(ret, digest.b));
    secp_address_of_secret(ret_address, ret);
}

static struct role *add_role(struct world *world, enum role_kind kind, unsigned number)
{
    static const char *const names[] = {"ledger", "gateway", "store"};
    struct role *role = &world->roles[world->role_count++];
    *role = (struct role){.world = world, .kind = kind, .number = number};
    snprintf(role->name, sizeof role->name, "%s-%u", names[kind], number);
    char address[32];
    if (kind == ROLE_STORE) {
        snprintf(address, sizeof address, "10.1.%u.1", number);
    } else {
        snprintf(address, sizeof address, "10.0.0.%u", kind + 1u);
    }
    role->port = kind == ROLE_LEDGER ? 9002 : 9030;
    snprintf(role->url, sizeof role->url, "http://%s:%u", address, role->port);
    role->host = sim_host_new(address, role->name);
    make_secret(&role->secret, &role->address, role->name);
    return role;
}

static void fund(json_t *alloc, const struct address *address)
{
    char text[43] = "0x";
    hex_encode(text + 2, 41, BYTES_OF(*address));
    json_object_set_new(alloc, text, json_pack("{s:s}", "balance", FUND));
}

static void write_genesis(const struct world *world)
{
    char seat[43] = "0x";
    char governance[43] = "0x";
    json_t *alloc = json_object();
    for (size_t i = 0; i < world->role_count; i++) {
        fund(alloc, &world->roles[i].address);
    }
    fund(alloc, &world->owner_address);
    hex_encode(seat + 2, 41, BYTES_OF(world->roles[0].address));
    hex_encode(governance + 2, 41, BYTES_OF(world->owner_address));
    json_t *genesis = json_pack("{s:i, s:I, s:I, s:i, s:i, s:[s], s:{s:{s:s, s:s}}, s:o}",
                                "version", 1, "chain_id", (json_int_t)7200000001, "time",
                                (json_int_t)(SIM_START_WALL_MS / 1000), "interval_ms", 200,
                                "empty_interval_ms", 1000, "seats", seat, "modules", "params",
                                "profile", "devnet", "governance", governance, "alloc", alloc);
    char *text = json_dumps(genesis, JSON_INDENT(1));
    assert_that(text != NULL && is_ok(file_replace(WORLD_GENESIS, bytes_str(text))));
    json_decref(genesis);
    free(text);
}

void world_make(struct world *world, unsigned store_count, enum redundancy class_number,
                struct scenario_counters *counters)
{
    assert_that(store_count <= WORLD_STORES_MAX);
    *world = (struct world){
        .store_count = store_count, .class_number = class_number, .counters = counters};
    add_role(world, ROLE_LEDGER, 1);
    add_role(world, ROLE_GATEWAY, 1);
    for (unsigned i = 1; i <= store_count; i++) {
        add_role(world, ROLE_STORE, i);
    }
    world->owner_host = sim_host_new("10.0.0.9", "owner");
    make_secret(&world->owner, &world->owner_address, "owner");
    memset(world->master.b, 0x5a, sizeof world->master.b);
    write_genesis(world);
}

/* ---- a role's process ---- */

static err start_node(struct role *role, char dir[32])
{
    const struct node_options options = {
        .data_dir = dir,
        .genesis_path = WORLD_GENESIS,
        .secret = &role->secret,
        .rpc_host = role->host->address,
        .rpc_port = role->port,
    };
    return node_start(role->process, &options, &role->node);
}

static const char *const ledger_urls[] = {WORLD_LEDGER_URL};
const struct chain_options world_chain_options = {ledger_urls, 1, WORLD_GENESIS};

static err start_store(struct role *role, const char *dir)
{
    const struct store_options options = {
        .paths = &dir,
        .path_count = 1,
        .capacity_bytes = STORE_BYTES,
        .host = role->host->address,
        .port = role->port,
        .metrics_port = (u16)(role->port + 1),
        .chain = world_chain_options,
        .account = role->secret,
        .signer = role->secret,
        .fault = role->fault,
    };
    return store_start(role->process, &options, &role->store);
}

void role_box(const struct role *role, struct x_secret *ret_box)
{
    struct hash digest;
    sha256(&digest, BYTES_OF(role->secret));
    memcpy(ret_box->b, digest.b, sizeof ret_box->b);
}

static err start_gateway(struct role *role, const char *dir)
{
    struct x_secret box;
    role_box(role, &box);
    const struct gateway_options options = {
        .data_dir = dir,
        .chain = &world_chain_options,
        .account = &role->secret,
        .box = &box,
        .snapshot_cost_min = KIB(256)}; /* about 15 records: snapshots among the faults */
    return gateway_open(role->process, &options, NULL, &role->gateway);
}

static err start_kind(struct role *role)
{
    char dir[32];
    snprintf(dir, sizeof dir, "%s/data", role->name);
    switch (role->kind) {
    case ROLE_LEDGER:
        return start_node(role, dir);
    case ROLE_GATEWAY:
        return start_gateway(role, dir);
    case ROLE_STORE:
        return start_store(role, dir);
    }
    unreachable_case();
}

static void drain_kind(struct role *role, u64 deadline_ms)
{
    switch (role->kind) {
    case ROLE_LEDGER:
        node_drain(role->node, deadline_ms);
        break;
    case ROLE_GATEWAY:
        gateway_drain(role->gateway, deadline_ms);
        break;
    case ROLE_STORE:
        store_quiesce(role->store, deadline_ms);
        break;
    }
}

static void stop_kind(struct role *role)
{
    switch (role->kind) {
    case ROLE_LEDGER:
        node_stop(role->node);
        break;
    case ROLE_GATEWAY:
        gateway_close(role->gateway);
        break;
    case ROLE_STORE:
        store_stop(role->store);
        break;
    }
}

/* A ledger node ends by itself when its disk fails. */
static void serve(struct role *role, struct event *stop)
{
    struct loop *loop = role->process;
    if (role->kind == ROLE_LEDGER) {
        while (!role->stopping && is_ok(node_fault(role->node))) {
            IGNORE(event_wait(loop, node_ended(role->node), loop_now_ms(loop) + 500));
        }
        return;
    }
    while (!role->stopping) {
        IGNORE(event_wait(loop, stop, DEADLINE_NONE));
    }
}

static void role_main(void *arg)
{
    struct role *role = arg;
    struct loop *loop = role->process;
    struct event stop;
    struct group clients;
    err e = start_kind(role);
    if (!is_ok(e)) {
        log_warn("sim", "%s does not start: %s", role->name, err_text(e));
        sim_exit(loop);
    }
    event_init(&stop);
    group_init(&clients);
    role->stop = &stop;
    role->clients = &clients;
    role->is_up = true;
    if (role->kind == ROLE_GATEWAY && role->world->serving != NULL) {
        role->world->serving(role);
    }
    serve(role, &stop);
    log_info("sim", "%s stops", role->name);
    role->stop = NULL;
    role->is_up = false;
    group_wait(loop, &clients);
    drain_kind(role, loop_now_ms(loop) + STOP_MS / 2);
    loop_stop(loop);
    stop_kind(role);
    log_info("sim", "%s has stopped", role->name);
    sim_exit(loop);
}

/* ---- starting and ending ---- */

static void clear_process(struct role *role)
{
    role->process = NULL;
    role->is_up = false;
    role->stop = NULL;
    role->clients = NULL;
    role->stopping = false;
    role->node = NULL;
    role->store = NULL;
    role->gateway = NULL;
}

static void restart(struct sim_event *event)
{
    role_start(list_entry(event, struct role, restart));
}

static void ended(void *ctx, struct loop *process)
{
    struct role *role = ctx;
    (void)process;
    role->world->counters->power_cuts += role->power_next;
    clear_process(role);
    sim_at(&role->restart, RESTART_MS, restart);
}

void role_start(struct role *role)
{
    assert_that(role->process == NULL);
    sim_cancel(&role->restart);
    role->starts++;
    role->power_next = false;
    role->process = sim_process_new(role->name, role->host, ended, role);
    assert_that(is_ok(fiber_start(role->process, "main", role_main, role)));
}

static void kill_only(struct role *role, bool power)
{
    sim_cancel(&role->restart);
    if (role->process != NULL) {
        role->world->counters->crashes++;
        role->world->counters->power_cuts += power;
        sim_kill(role->process, power);
        clear_process(role);
    }
}

void role_kill(struct role *role, bool power, u64 delay_ms)
{
    kill_only(role, power);
    sim_at(&role->restart, delay_ms, restart);
}

void role_wipe(struct role *role, u64 delay_ms)
{
    kill_only(role, false);
    sim_disk_wipe(role->host->disk);
    role->world->counters->disk_losses++;
    sim_at(&role->restart, delay_ms, restart);
}

void role_stop(struct role *role)
{
    if (role->is_up) {
        role->stopping = true;
        event_wake_all(role->stop);
    }
}

void role_crash_soon(struct role *role, u64 changes, bool power)
{
    if (role->process != NULL) {
        role->world->counters->crashes++;
        role->power_next = power;
        sim_crash_soon(role->process, changes, power);
    }
}

bool world_all_up(struct world *world)
{
    for (size_t i = 0; i < world->role_count; i++) {
        struct role *role = &world->roles[i];
        if (!role->is_up || (role->kind == ROLE_STORE && !store_ready(role->store))) {
            return false;
        }
    }
    return true;
}

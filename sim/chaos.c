#include "sim/chaos.h"

#include "base/assert.h"
#include "base/log.h"
#include "sim/stray.h"

#include <stdlib.h>

#define BACK_MAX_MS 8000
#define CUT_MAX_MS 20000
#define STALL_MAX_MS 8000
#define PAUSE_MAX_MS 6000
#define FULL_MAX_MS 20000
#define ERRORS_MAX_MS 3000
#define OUTAGE_ONE_IN 40

enum fault {
    FAULT_KILL,
    FAULT_POWER,
    FAULT_CRASH,
    FAULT_CRASH_POWER,
    FAULT_TERM,
    FAULT_CUT,
    FAULT_ISOLATE,
    FAULT_STALLS,
    FAULT_PAUSE,
    FAULT_FULL,
    FAULT_ERRORS,
    FAULT_WIPE,
    FAULT_LIE,
    FAULT_OUTAGE,
    FAULT_LOST_NONCE,
    FAULT_TAKEN_NONCE,
    FAULT_COUNT
};

/* Something that ends by itself. */
struct passing {
    struct sim_event event;
    struct chaos *chaos;
    struct role *a;
    struct role *b; /* of a cut link */
};

#define PASSING_MAX 24

struct chaos {
    struct world *world;
    struct sim_event next;
    u64 interval_ms;
    u64 weights[FAULT_COUNT];
    u64 reset_per_million;
    unsigned harmed; /* stores that lost their disk or lie */
    bool is_harmed[WORLD_ROLES_MAX];
    struct passing cuts[PASSING_MAX];
    struct passing full[WORLD_ROLES_MAX];
    struct sim_event errors;
    bool healed;
};

static struct role *any_role(struct world *world)
{
    /* The gateway and the ledger have more to lose than any single store. */
    u64 draw = sim_below(10);
    if (draw < 3) {
        return world_gateway(world);
    }
    return draw < 5 ? world_ledger(world) : &world->roles[2 + sim_below(world->store_count)];
}

/* ---- links ---- */

static void cut_between(const struct role *a, const struct role *b, bool cut, bool one_way)
{
    sim_cut_one_way(a->host, b->host, cut);
    if (!one_way) {
        sim_cut_one_way(b->host, a->host, cut);
    }
}

static void join_again(struct sim_event *event)
{
    struct passing *cut = list_entry(event, struct passing, event);
    struct world *world = cut->chaos->world;
    for (size_t i = 0; cut->b == NULL && i < world->role_count; i++) {
        cut_between(cut->a, &world->roles[i], false, false);
    }
    if (cut->b != NULL) {
        cut_between(cut->a, cut->b, false, false);
    }
    cut->a = NULL;
}

static void cut_links(struct chaos *chaos, bool isolate)
{
    struct world *world = chaos->world;
    struct passing *cut = &chaos->cuts[sim_below(PASSING_MAX)];
    if (cut->a != NULL) {
        return;
    }
    bool one_way = sim_chance(1, 3);
    cut->a = any_role(world);
    cut->b = isolate ? NULL : any_role(world);
    for (size_t i = 0; isolate && i < world->role_count; i++) {
        cut_between(cut->a, &world->roles[i], true, one_way);
    }
    if (!isolate) {
        cut_between(cut->a, cut->b, true, one_way);
    }
    sim_at(&cut->event, 100 + sim_below(CUT_MAX_MS), join_again);
}

/* ---- disks ---- */

static void has_room_again(struct sim_event *event)
{
    struct passing *full = list_entry(event, struct passing, event);
    sim_disk_set_full(full->a->host->disk, false);
    full->a = NULL;
}

static void fill_disk(struct chaos *chaos, struct role *role)
{
    struct passing *full = &chaos->full[role - chaos->world->roles];
    if (full->a == NULL) {
        full->a = role;
        sim_disk_set_full(role->host->disk, true);
        sim_at(&full->event, 500 + sim_below(FULL_MAX_MS), has_room_again);
    }
}

static void errors_end(struct sim_event *event)
{
    (void)event;
    sim->faults.io_error_per_million = 0;
}

static void begin_errors(struct chaos *chaos)
{
    sim->faults.io_error_per_million = 1000 + sim_below(20000);
    sim_cancel(&chaos->errors);
    sim_at(&chaos->errors, 200 + sim_below(ERRORS_MAX_MS), errors_end);
}

/* ---- stores that lose or lie ---- */

static struct role *next_harmed(struct chaos *chaos)
{
    const struct redundancy_info *info = redundancy_find((u8)chaos->world->class_number);
    struct role *store = &chaos->world->roles[2 + sim_below(chaos->world->store_count)];
    size_t i = (size_t)(store - chaos->world->roles);
    if (!chaos->is_harmed[i] && chaos->harmed >= (unsigned)(redundancy_quorum(info) - info->k)) {
        return NULL;
    }
    chaos->harmed += !chaos->is_harmed[i];
    chaos->is_harmed[i] = true;
    return store;
}

static void lose_disk(struct chaos *chaos)
{
    struct role *store = next_harmed(chaos);
    if (store != NULL) {
        log_info("sim", "%s loses its disk", store->name);
        role_wipe(store, sim_below(2 * BACK_MAX_MS));
    }
}

static void make_liar(struct chaos *chaos)
{
    static const enum store_fault_kind kinds[] = {FAULT_WRONG_BYTES, FAULT_TRUNCATE, FAULT_STALL,
                                                  FAULT_REFUSE};
    struct role *store = next_harmed(chaos);
    if (store != NULL) {
        store->fault = (struct store_fault){.kind = kinds[sim_below(COUNT_OF(kinds))],
                                            .percent = (u32)(sim_chance(1, 2) ? 0 : 50)};
        log_info("sim", "%s will misbehave: %d", store->name, (int)store->fault.kind);
        role_kill(store, false, sim_below(1000));
    }
}

/* ---- all at once ---- */

static void cut_power_of_all(struct world *world)
{
    log_info("sim", "all power is lost");
    u64 back = sim_below(BACK_MAX_MS);
    for (size_t i = 0; i < world->role_count; i++) {
        role_kill(&world->roles[i], true, back + sim_below(2000));
    }
}

/* ---- the plan ---- */

static enum fault draw_fault(const struct chaos *chaos)
{
    u64 total = 0;
    for (size_t i = 0; i < FAULT_COUNT; i++) {
        total += chaos->weights[i];
    }
    u64 draw = sim_below(total);
    size_t i = 0;
    while (draw >= chaos->weights[i]) {
        draw -= chaos->weights[i++];
    }
    return (enum fault)i;
}

static void do_fault(struct chaos *chaos, enum fault fault, struct role *role)
{
    switch (fault) {
    case FAULT_KILL:
    case FAULT_POWER:
        log_info("sim", "%s is killed%s", role->name, fault == FAULT_POWER ? " with its host" : "");
        role_kill(role, fault == FAULT_POWER, sim_below(BACK_MAX_MS));
        break;
    case FAULT_CRASH:
    case FAULT_CRASH_POWER:
        role_crash_soon(role, 1 + sim_below(60), fault == FAULT_CRASH_POWER);
        break;
    case FAULT_TERM:
        role_stop(role);
        break;
    case FAULT_CUT:
    case FAULT_ISOLATE:
        cut_links(chaos, fault == FAULT_ISOLATE);
        break;
    case FAULT_STALLS:
        sim->stalled_until_ms[role->host->slot] = sim->now_ms + sim_below(STALL_MAX_MS);
        break;
    case FAULT_PAUSE:
        if (role->process != NULL) {
            sim_pause(role->process, sim->now_ms + 1 + sim_below(PAUSE_MAX_MS));
        }
        break;
    case FAULT_FULL:
        fill_disk(chaos, role);
        break;
    case FAULT_ERRORS:
        begin_errors(chaos);
        break;
    case FAULT_WIPE:
        lose_disk(chaos);
        break;
    case FAULT_LIE:
        make_liar(chaos);
        break;
    case FAULT_OUTAGE:
        cut_power_of_all(chaos->world);
        break;
    case FAULT_LOST_NONCE:
        stray_lose(world_gateway(chaos->world));
        break;
    case FAULT_TAKEN_NONCE:
        stray_take(world_gateway(chaos->world));
        break;
    case FAULT_COUNT:
        break;
    }
}

static void tick(struct sim_event *event)
{
    struct chaos *chaos = list_entry(event, struct chaos, next);
    do_fault(chaos, draw_fault(chaos), any_role(chaos->world));
    sim_at(event, 1 + sim_below(2 * chaos->interval_ms), tick);
}

static void draw_mix(struct chaos *chaos)
{
    for (size_t i = 0; i < FAULT_COUNT; i++) {
        chaos->weights[i] = sim_chance(1, 2) ? 1 + sim_below(10) : 0;
    }
    chaos->weights[FAULT_KILL] += 1; /* a mix is never empty */
    chaos->weights[FAULT_OUTAGE] = min_u64(chaos->weights[FAULT_OUTAGE], 1);
    chaos->interval_ms = 500 + sim_below(8000);
    sim->faults.latency_max_ms = 1 + sim_below(sim_chance(1, 4) ? 200 : 20);
    sim->faults.bytes_per_ms = sim_chance(1, 4) ? 50 + sim_below(2000) : 0;
    sim->faults.reset_per_million = sim_chance(1, 3) ? sim_below(3000) : 0;
    sim->faults.worker_max_ms = 1 + sim_below(8);
    sim->faults.ready_window = 1 + sim_below(32);
}

struct chaos *chaos_start(struct world *world)
{
    struct chaos *chaos = calloc(1, sizeof *chaos);
    assert_that(chaos != NULL);
    chaos->world = world;
    draw_mix(chaos);
    for (size_t i = 0; i < PASSING_MAX; i++) {
        chaos->cuts[i].chaos = chaos;
    }
    sim_at(&chaos->next, sim_below(2 * chaos->interval_ms), tick);
    return chaos;
}

static void heal_role(struct role *role)
{
    sim_disk_set_full(role->host->disk, false);
    sim->stalled_until_ms[role->host->slot] = 0;
    bool lies = role->fault.kind != FAULT_NONE;
    role->fault = (struct store_fault){0};
    if (role->process != NULL) {
        sim_crash_soon(role->process, 0, false);
    }
    if (lies && role->process != NULL) {
        role_kill(role, false, 0);
    }
    if (role->process == NULL) {
        role_start(role);
    }
}

void chaos_heal(struct chaos *chaos)
{
    struct world *world = chaos->world;
    log_info("sim", "everything is healed");
    sim_cancel(&chaos->next);
    sim_cancel(&chaos->errors);
    errors_end(NULL);
    sim->faults.reset_per_million = 0;
    memset(sim->cut, 0, sizeof sim->cut);
    for (size_t i = 0; i < PASSING_MAX; i++) {
        sim_cancel(&chaos->cuts[i].event);
    }
    for (size_t i = 0; i < world->role_count; i++) {
        sim_cancel(&chaos->full[i].event);
        heal_role(&world->roles[i]);
    }
}

/* scenario_kv.c: a store and a replaced file under crashes: what was committed is there, whole.
 *
 * One process writes random transactions, reads beside them, and is killed or loses its power at
 * any change of the disk. The model keeps the last states; after each restart the store must be
 * exactly one of those that the promise of os/kv.h allows, and structurally sound.
 */
#include "sim/scenario.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "os/file.h"
#include "os/kv.h"
#include "sim/sim.h"

#include <stdio.h>
#include <stdlib.h>

#define TABLES 2
#define KEYS 150
#define ROUNDS 12
#define VALUE_BYTES_MAX 9000
#define NOTES_MAX 32
#define DIR "host/store"
#define NOTE "host/note"

/* Version of each key's value; 0: absent. */
struct state {
    u64 version[TABLES][KEYS];
};

static struct {
    struct state former; /* before the last commit */
    struct state last;   /* as committed */
    struct state next;   /* in a commit that has begun, or as `last` */
    bool former_allowed; /* no_sync: a power cut may undo the last commit */
    bool in_commit;
    u64 note;             /* version of the file that was replaced, durably */
    u64 tried[NOTES_MAX]; /* and of what may be there instead */
    unsigned tried_count;
    u64 versions;
    bool no_sync;
    struct loop *process;
    struct sim_host *host;
    struct sim_event fault;
    struct kv *kv;
    u64 rounds;
    struct scenario_counters *counters;
} world;

static void fill_value(unsigned table, unsigned key, u64 version, u8 *out, size_t *ret_len)
{
    struct prng prng;
    prng_init(&prng, version * 1000003 + table * 1009 + key);
    *ret_len =
        prng_chance(&prng, 1, 10) ? prng_below(&prng, VALUE_BYTES_MAX) : prng_below(&prng, 200);
    prng_fill(&prng, out, *ret_len);
}

static bytes key_bytes(unsigned key, char out[64])
{
    /* Some keys are long, so that pages split unevenly. */
    int len = snprintf(out, 64, "%03u%.*s", key, key % 7 == 0 ? 50 : 0,
                       "long long long long long long long long long long long");
    return bytes_make(out, (size_t)len);
}

/* ---- checking ---- */

static bool holds(struct kv_txn *txn, const struct state *state)
{
    u8 expected[VALUE_BYTES_MAX];
    for (unsigned t = 0; t < TABLES; t++) {
        u64 present = 0;
        u64 count = 0;
        for (unsigned k = 0; k < KEYS; k++) {
            char name[64];
            size_t len;
            bytes value;
            err e = kv_get(txn, t, key_bytes(k, name), &value);
            scenario_check(is_ok(e) || is_err(e, ERR_NOT_FOUND));
            if (is_ok(e) != (state->version[t][k] != 0)) {
                return false;
            }
            fill_value(t, k, state->version[t][k], expected, &len);
            if (is_ok(e) && !bytes_eq(value, bytes_make(expected, len))) {
                return false;
            }
            present += is_ok(e);
        }
        scenario_check(is_ok(kv_count(txn, t, &count)));
        if (count != present) {
            return false;
        }
    }
    return true;
}

/* After a start: which of the allowed states it is becomes the last one, for good: opening synced
 * it.
 */
static void check_store(void)
{
    struct kv_txn *txn;
    scenario_check(is_ok(kv_begin_read(world.kv, &txn)));
    if (holds(txn, &world.next)) {
        world.last = world.next;
    } else if (!holds(txn, &world.last)) {
        scenario_check(world.former_allowed);
        scenario_check(holds(txn, &world.former));
        world.last = world.former;
    }
    kv_abort(txn);
    world.former = world.last;
    world.next = world.last;
    world.former_allowed = false;
    world.in_commit = false;
}

static void note_content(u64 version, u8 *out, size_t *ret_len)
{
    fill_value(7, 7, version, out, ret_len);
}

static bool is_note(bytes content, u64 version)
{
    u8 expected[VALUE_BYTES_MAX];
    size_t len;
    note_content(version, expected, &len);
    return bytes_eq(content, bytes_make(expected, len));
}

/* A replacement that was cut short may be seen after a kill and be gone again after a power cut. */
static void check_note(void)
{
    struct arena arena;
    bytes content;
    arena_init(&arena, KIB(64));
    err e = file_load(NOTE, &arena, &content);
    bool fine = is_err(e, ERR_NOT_FOUND) ? world.note == 0 : is_note(content, world.note);
    for (unsigned i = 0; !fine && i < world.tried_count; i++) {
        fine = is_note(content, world.tried[i]);
    }
    scenario_check(fine);
    arena_free(&arena);
}

/* ---- work ---- */

static void put_random(struct kv_txn *txn)
{
    u8 value[VALUE_BYTES_MAX];
    char name[64];
    size_t len;
    unsigned t = (unsigned)sim_below(TABLES);
    unsigned k = (unsigned)sim_below(KEYS);
    bytes key = key_bytes(k, name);
    if (sim_chance(1, 3)) {
        world.next.version[t][k] = 0;
        IGNORE(kv_delete(txn, t, key)); /* kv_commit() repeats the fault */
        return;
    }
    u64 version = ++world.versions;
    fill_value(t, k, version, value, &len);
    world.next.version[t][k] = version;
    IGNORE(kv_put(txn, t, key, bytes_make(value, len)));
    world.counters->puts++;
}

static void transact(void *arg)
{
    err *result = arg;
    struct kv_txn *txn;
    *result = kv_begin_write(world.kv, &txn);
    if (!is_ok(*result)) {
        return;
    }
    for (u64 ops = 1 + sim_below(sim_chance(1, 5) ? 60 : 6); ops > 0; ops--) {
        put_random(txn);
    }
    if (sim_chance(1, 10)) {
        kv_abort(txn);
        world.next = world.last;
        return;
    }
    world.in_commit = true;
    *result = kv_commit(txn);
    world.in_commit = false;
    /* Nothing is written for a transaction that changed nothing. */
    if (is_ok(*result) && memcmp(&world.last, &world.next, sizeof world.last) != 0) {
        world.former = world.last;
        world.former_allowed = world.no_sync;
        world.last = world.next;
    }
}

static err replace_note(void)
{
    u8 content[VALUE_BYTES_MAX];
    size_t len;
    u64 version = ++world.versions;
    scenario_check(world.tried_count < NOTES_MAX);
    world.tried[world.tried_count++] = version;
    note_content(version, content, &len);
    TRY(file_replace(NOTE, bytes_make(content, len)));
    world.note = version;
    world.tried_count = 0;
    return ok();
}

static err work_once(struct loop *process)
{
    err result = ok();
    u64 draw = sim_below(20);
    if (draw < 14) {
        worker_run(process, transact, &result);
    } else if (draw < 16) {
        result = replace_note();
    } else if (draw < 17) {
        result = kv_sync(world.kv);
        world.former_allowed = world.former_allowed && !is_ok(result);
    } else {
        result = fiber_sleep(process, loop_now_ms(process) + sim_below(20));
    }
    return result;
}

/* A reader's view stays what it was, whatever is written meanwhile. */
static void read_beside(void *arg)
{
    struct loop *process = arg;
    while (!loop_stopping(process)) {
        struct kv_txn *txn;
        struct state *seen = malloc(sizeof *seen);
        assert_that(seen != NULL);
        err e = kv_begin_read(world.kv, &txn);
        if (is_err(e, ERR_IO)) { /* injected, while the store was opened again */
            free(seen);
            IGNORE(fiber_sleep(process, loop_now_ms(process) + 10));
            continue;
        }
        scenario_check(is_ok(e));
        *seen = world.last;
        IGNORE(fiber_sleep(process, loop_now_ms(process) + 1 + sim_below(60)));
        scenario_check(holds(txn, seen));
        kv_abort(txn);
        free(seen);
        world.counters->gets++;
    }
}

static void run_process(void *arg)
{
    struct loop *process = arg;
    const struct kv_options options = {
        .table_count = TABLES, .size_max_bytes = MIB(64), .no_sync = world.no_sync};
    err e = kv_open(DIR, &options, &world.kv);
    if (is_err(e, ERR_IO)) {
        sim_exit(process); /* injected; the next start finds it all */
    }
    scenario_check(is_ok(e));
    check_store();
    check_note();
    scenario_check(is_ok(fiber_start(process, "reader", read_beside, process)));
    while (!loop_stopping(process)) {
        e = work_once(process);
        if (is_err(e, ERR_IO) && sim_chance(1, 2)) {
            sim_exit(process);
        }
        scenario_check(is_ok(e) || is_err(e, ERR_IO) || is_err(e, ERR_CANCELLED));
        if (is_err(e, ERR_IO)) { /* nothing was written, and work goes on */
            world.next = world.last;
            IGNORE(fiber_sleep(process, loop_now_ms(process) + sim_below(30)));
        }
    }
}

/* ---- faults ---- */

static void start(void);

static void restart(struct sim_event *event)
{
    (void)event;
    start();
}

static void after_end(bool power)
{
    world.counters->crashes++;
    world.counters->power_cuts += power;
    world.process = NULL;
    world.rounds++;
    sim_at(&world.fault, 10, restart);
}

static bool expected_power;

static void ended(void *ctx, struct loop *process)
{
    (void)ctx;
    (void)process;
    sim_cancel(&world.fault);
    after_end(expected_power);
}

static void kill_now(struct sim_event *event)
{
    (void)event;
    sim_kill(world.process, expected_power);
    after_end(expected_power);
}

/* A power cut while the store is made for the first time may leave any part of it. */
static void check_structure(void)
{
    if (world.versions > 0) {
        scenario_check(is_ok(kv_check(DIR)));
    }
}

static void start(void)
{
    check_structure();
    world.process = sim_process_new("store", world.host, ended, NULL);
    scenario_check(is_ok(fiber_start(world.process, "store", run_process, world.process)));
    expected_power = sim_chance(2, 3);
    if (sim_chance(1, 4)) {
        sim_at(&world.fault, sim_below(500), kill_now);
    } else {
        sim_crash_soon(world.process, 1 + sim_below(150), expected_power);
    }
}

static bool is_done(void *ctx)
{
    (void)ctx;
    return world.rounds >= ROUNDS;
}

static void run(u64 seed, struct scenario_counters *counters)
{
    world.counters = counters;
    world.host = sim_host_new("10.0.0.1", "host");
    world.no_sync = seed % 3 == 0;
    /* After a failed sync a store without meta syncs may lose more than its last commit: Linux
     * counts the page as written. */
    if (seed % 5 == 0 && !world.no_sync) {
        sim->faults.io_error_per_million = 2000;
    }
    start();
    sim_run(600000, is_done, NULL);
    scenario_check(is_done(NULL));
}

const struct scenario scenario_kv = {
    .name = "kv",
    .summary = "an LMDB store and a replaced file under kills and power cuts",
    .run = run,
};

/* scenario_storage.c: a whole network, through chaos, to the end in which everything is well again.
 */
#include "sim/chaos.h"
#include "sim/checks.h"
#include "sim/workload.h"

#include "base/assert.h"
#include "base/log.h"

#define CHAOS_MIN_MS 8000 /* most seeds are short: another one finds more than a longer one */
#define CHAOS_SHORT_MS 30000
#define CHAOS_LONG_MS 120000
#define CHAOS_LONG_ONE_IN 8
#define HEAL_MS 120000   /* until everybody serves */
#define CALM_MS 10000    /* then clients work on */
#define CALM_DONE_MIN 3  /* and get things done */
#define QUIET_MS 90000   /* until the last answer */
#define VERIFY_MS 180000 /* until all is readable */
#define REPAIR_MS 400000 /* until all is complete */
#define LOOK_MS 1000
#define STOPPED_MS 40000

static struct {
    struct world world;
    struct workload *workload;
    u64 digest;
    bool verified;
    struct check_segments segments;
} net;

/* ---- the end: everything readable, complete, and so again from the ledger alone ---- */

static void verify_run(void *arg)
{
    struct role *gateway = arg;
    struct loop *loop = gateway->process;
    for (;;) {
        err e = workload_verify(net.workload, gateway, &net.digest);
        if (is_ok(e)) {
            net.verified = true;
            return;
        }
        log_info("sim", "not all is readable yet: %s", err_text(e));
        IGNORE(fiber_sleep(loop, loop_now_ms(loop) + LOOK_MS)); /* sim_run() has the limit */
    }
}

static bool is_verified(void *unused)
{
    (void)unused;
    return net.verified;
}

static void verify(const char *when)
{
    struct role *gateway = world_gateway(&net.world);
    net.verified = false;
    scenario_check(gateway->is_up);
    assert_that(is_ok(fiber_start(gateway->process, "verify", verify_run, gateway)));
    sim_run(sim->now_ms + VERIFY_MS, is_verified, NULL);
    if (!net.verified) {
        scenario_fail("not everything is readable %s", when);
    }
}

static void segments_run(void *arg)
{
    struct role *gateway = arg;
    struct loop *loop = gateway->process;
    for (;;) {
        err e = checks_segments(gateway, loop_now_ms(loop) + LOOK_MS * 10, &net.segments);
        if (is_ok(e) && net.segments.incomplete == 0) {
            net.verified = true;
            return;
        }
        IGNORE(fiber_sleep(loop, loop_now_ms(loop) + LOOK_MS));
    }
}

static void await_complete(void)
{
    struct role *gateway = world_gateway(&net.world);
    net.verified = false;
    assert_that(is_ok(fiber_start(gateway->process, "segments", segments_run, gateway)));
    sim_run(sim->now_ms + REPAIR_MS, is_verified, NULL);
    if (!net.verified) {
        scenario_fail("%llu of %llu segments are not complete: %s",
                      (unsigned long long)net.segments.incomplete,
                      (unsigned long long)net.segments.count, net.segments.example);
    }
}

static bool all_up(void *unused)
{
    (void)unused;
    return world_all_up(&net.world);
}

static bool quiet(void *unused)
{
    (void)unused;
    return workload_is_quiet(net.workload);
}

static bool gateway_down(void *unused)
{
    (void)unused;
    return world_gateway(&net.world)->process == NULL;
}

static void await(bool (*done)(void *unused), u64 limit_ms, const char *what)
{
    sim_run(sim->now_ms + limit_ms, done, NULL);
    if (!done(NULL)) {
        scenario_fail("%s did not happen within %llu s", what,
                      (unsigned long long)(limit_ms / 1000));
    }
}

static void work_in_calm(void)
{
    await(all_up, HEAL_MS, "everybody serving again");
    u64 before = workload_done(net.workload);
    sim_run(sim->now_ms + CALM_MS, NULL, NULL);
    if (workload_done(net.workload) < before + CALM_DONE_MIN) {
        scenario_fail("only %llu operations in calm",
                      (unsigned long long)(workload_done(net.workload) - before));
    }
    workload_quiesce(net.workload);
    await(quiet, QUIET_MS, "the last answer");
}

static void restore_gateway(void)
{
    struct role *gateway = world_gateway(&net.world);
    u64 digest = net.digest;
    role_stop(gateway);
    await(gateway_down, STOPPED_MS, "the gateway's end");
    role_wipe(gateway, 1000);
    await(all_up, HEAL_MS, "the gateway's restart on an empty disk");
    verify("from the ledger and the network alone");
    scenario_check(net.digest == digest);
}

static void run(u64 seed, struct scenario_counters *counters)
{
    bool large = seed % 16 == 0;
    const struct workload_options options = {
        .clients = 2 + (unsigned)sim_below(4),
        .keys = 3 + (unsigned)sim_below(5),
        .think_max_ms = 200 + sim_below(3000),
        .large_bytes_max = KIB(20) + sim_below(sim_chance(1, 4) ? KIB(800) : KIB(150)),
    };
    world_make(&net.world, (large ? 12 : 6) + (unsigned)sim_below(3), large ? RS_4_8 : RS_2_4,
               counters);
    net.workload = workload_new(&net.world, &options);
    world_set_up(&net.world);
    checks_start(&net.world);
    struct chaos *chaos = chaos_start(&net.world);
    u64 longest = sim_chance(1, CHAOS_LONG_ONE_IN) ? CHAOS_LONG_MS : CHAOS_SHORT_MS;
    sim_run(sim->now_ms + CHAOS_MIN_MS + sim_below(longest - CHAOS_MIN_MS), NULL, NULL);
    chaos_heal(chaos);
    work_in_calm();
    verify("after healing");
    await_complete();
    verify("when all is complete");
    restore_gateway();
}

const struct scenario scenario_storage = {
    .name = "storage",
    .summary = "a whole storage network under crashes, losses, partitions and lies",
    .run = run,
};

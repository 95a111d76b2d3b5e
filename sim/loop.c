/* loop.c: os/loop.h in virtual time. */
#include "sim/sim.h"

#include "base/assert.h"
#include "base/mem.h"
#include "os/fiber_internal.h"

#include <stdio.h>
#include <stdlib.h>

/* Running costs time, too: a millisecond for so many steps, or a fiber that polls a deadline
 * without waiting would never see it pass. */
#define STEPS_PER_MS 256

enum fiber_state { FIBER_READY, FIBER_HELD, FIBER_RUNNING, FIBER_PARKED, FIBER_ENDED };

struct fiber {
    struct list ready_node;
    struct list all_node;
    struct timer deadline;
    struct fiber_context context;
    struct loop *loop;
    const char *name;
    fiber_fn *fn;
    void *arg;
    enum fiber_state state;
    bool cancellable;
    err wake;
};

struct loop {
    struct list node; /* in sim->processes */
    char name[32];
    struct sim_host *host;
    struct list fibers;
    struct list held; /* ready, but the process is paused */
    size_t fiber_count;
    bool stopping;
    bool dying;
    bool dying_power;
    u64 paused_until_ms;
    struct sim_event resume;
    u64 crash_in; /* changes of the disk; 0: no plan */
    bool crash_power;
    i64 skew_ms;
    struct prng entropy;
    struct sim_heap *heap;
    sim_ended *ended;
    void *ended_ctx;
};

struct sim *sim;

void sim_note(u64 value)
{
    sim->audit = (sim->audit ^ value) * 0x9e3779b97f4a7c15u;
    sim->audit ^= sim->audit >> 29;
    sim->events++;
}

void sim_note_text(const char *text)
{
    for (; *text != '\0'; text++) {
        sim->audit = (sim->audit ^ (u8)*text) * 0x100000001b3u;
    }
    sim->events++;
}

u64 sim_below(u64 bound) { return prng_below(&sim->prng, bound); }

bool sim_chance(u64 numerator, u64 denominator)
{
    return prng_chance(&sim->prng, numerator, denominator);
}

void sim_init(struct sim *world, u64 seed)
{
    *world = (struct sim){.seed = seed, .now_ms = 1000, .audit = seed, .next_port = 20000};
    sim = world;
    prng_init(&world->prng, seed);
    list_init(&world->ready);
    list_init(&world->processes);
    list_init(&world->hosts);
    list_init(&world->listeners);
    list_init(&world->connections);
    timers_init(&world->deadlines);
    timers_init(&world->agenda);
    fiber_stacks_init(&world->stacks);
    fiber_context_init_thread(&world->main);
    world->faults =
        (struct sim_faults){.latency_min_ms = 1, .latency_max_ms = 5, .worker_max_ms = 3};
}

void sim_free(struct sim *world)
{
    while (!list_empty(&world->processes)) {
        sim_kill(list_entry(world->processes.next, struct loop, node), false);
    }
    sim_net_free();
    list_for_safe (node, &world->hosts) {
        struct sim_host *host = list_entry(node, struct sim_host, node);
        sim_disk_free(host->disk);
        free(host);
    }
    struct timer *timer;
    while ((timer = timers_pop_due(&world->agenda, UINT64_MAX)) != NULL) {
    }
    timers_free(&world->deadlines);
    timers_free(&world->agenda);
    fiber_stacks_free(&world->stacks);
    sim = NULL;
}

/* ---- hosts and processes ---- */

struct sim_host *sim_host_new(const char *address, const char *dir)
{
    struct sim_host *host = calloc(1, sizeof *host);
    assert_that(host != NULL);
    list_for (node, &sim->hosts) {
        host->slot++;
    }
    assert_that(host->slot < SIM_SLOTS_MAX);
    snprintf(host->address, sizeof host->address, "%s", address);
    host->up = true;
    host->disk = sim_disk_new(dir);
    list_push_back(&sim->hosts, &host->node);
    return host;
}

void sim_cut_one_way(const struct sim_host *from, const struct sim_host *to, bool cut)
{
    sim->cut[from->slot][to->slot] = cut;
}

void sim_cut(const struct sim_host *a, const struct sim_host *b, bool cut)
{
    sim_cut_one_way(a, b, cut);
    sim_cut_one_way(b, a, cut);
}

struct loop *sim_process_new(const char *name, struct sim_host *host, sim_ended *ended, void *ctx)
{
    struct loop *process = calloc(1, sizeof *process);
    assert_that(process != NULL);
    snprintf(process->name, sizeof process->name, "%s", name);
    process->host = host;
    process->ended = ended;
    process->ended_ctx = ctx;
    list_init(&process->fibers);
    list_init(&process->held);
    prng_init(&process->entropy, prng_u64(&sim->prng));
    process->heap = sim_heap_new();
    list_push_back(&sim->processes, &process->node);
    host->up = true;
    sim_note_text(name);
    return process;
}

const char *sim_process_name(const struct loop *process) { return process->name; }
struct sim_host *sim_process_host(const struct loop *process) { return process->host; }
struct sim_heap *sim_process_heap(struct loop *process) { return process->heap; }
bool sim_process_idle(const struct loop *process) { return process->fiber_count == 0; }
void sim_set_skew(struct loop *process, i64 skew_ms) { process->skew_ms = skew_ms; }

u64 sim_process_memory(const struct loop *process, u64 *ret_blocks)
{
    return sim_heap_bytes(process->heap, ret_blocks);
}

struct loop *sim_act_as(struct loop *process)
{
    struct loop *former = sim->owner;
    sim->owner = process;
    return former;
}

static void discard_fiber(struct fiber *fiber)
{
    timers_disarm(&sim->deadlines, &fiber->deadline);
    sim->ready_count -= fiber->state == FIBER_READY;
    if (fiber->state == FIBER_READY || fiber->state == FIBER_HELD) {
        list_remove(&fiber->ready_node);
    }
    list_remove(&fiber->all_node);
    fiber->loop->fiber_count--;
    fiber_context_free(&fiber->context, &sim->stacks);
    free(fiber);
}

void sim_kill(struct loop *process, bool power)
{
    assert_that(sim->current == NULL || sim->current->loop != process);
    struct loop *former = sim_act_as(NULL);
    sim_note_text(process->name);
    sim_cancel(&process->resume);
    sim_net_kill(process, power);
    list_for_safe (node, &process->fibers) {
        discard_fiber(list_entry(node, struct fiber, all_node));
    }
    sim_disk_close(process);
    if (power) {
        process->host->up = false;
        sim_disk_power_cut(process->host->disk);
    }
    sim_heap_free(process->heap);
    list_remove(&process->node);
    sim_act_as(former == process ? NULL : former);
    free(process);
}

void sim_crash_soon(struct loop *process, u64 changes, bool power)
{
    process->crash_in = changes;
    process->crash_power = power;
}

bool sim_crash_due(struct loop *process, bool *ret_power)
{
    *ret_power = process->crash_power;
    return sim->current != NULL && sim->current->loop == process && process->crash_in != 0 &&
           --process->crash_in == 0;
}

void sim_die(struct loop *process, bool power)
{
    struct fiber *self = sim->current;
    assert_that(self != NULL && self->loop == process);
    process->dying = true;
    process->dying_power = power;
    fiber_context_switch(&self->context, &sim->main);
    assert_failed("a dead fiber went on", __FILE__, __LINE__);
}

void sim_exit(struct loop *process) { sim_die(process, false); }

/* ---- events ---- */

/* The heap of timers is the simulator's own memory, whoever waits. */
static void arm(struct timers *timers, struct timer *timer, u64 deadline_ms)
{
    struct loop *former = sim_act_as(NULL);
    timers_arm(timers, timer, deadline_ms);
    sim_act_as(former);
}

void sim_at(struct sim_event *event, u64 delay_ms, void (*fire)(struct sim_event *event))
{
    event->fire = fire;
    arm(&sim->agenda, &event->timer, sim->now_ms + delay_ms);
}

void sim_cancel(struct sim_event *event) { timers_disarm(&sim->agenda, &event->timer); }

/* ---- pausing ---- */

static void resume(struct sim_event *event)
{
    struct loop *process = list_entry(event, struct loop, resume);
    process->paused_until_ms = 0;
    while (!list_empty(&process->held)) {
        struct fiber *fiber = list_entry(process->held.next, struct fiber, ready_node);
        list_remove(&fiber->ready_node);
        fiber->state = FIBER_READY;
        list_push_back(&sim->ready, &fiber->ready_node);
        sim->ready_count++;
    }
}

void sim_pause(struct loop *process, u64 until_ms)
{
    if (until_ms > max_u64(process->paused_until_ms, sim->now_ms)) {
        process->paused_until_ms = until_ms;
        sim_cancel(&process->resume);
        sim_at(&process->resume, until_ms - sim->now_ms, resume);
    }
}

/* ---- os/loop.h ---- */

u64 loop_now_ms(const struct loop *loop)
{
    (void)loop;
    return sim->now_ms;
}

u64 loop_wall_ms(const struct loop *loop)
{
    return SIM_START_WALL_MS + sim->now_ms + (u64)loop->skew_ms;
}

void loop_random(struct loop *loop, void *out, size_t len) { prng_fill(&loop->entropy, out, len); }

bool loop_stopping(const struct loop *loop) { return loop->stopping; }

void loop_stop_on_signals(struct loop *loop, fiber_fn *fn, void *arg)
{
    (void)loop;
    (void)fn;
    (void)arg;
}

struct fiber *fiber_current(const struct loop *loop)
{
    return sim->current != NULL && sim->current->loop == loop ? sim->current : NULL;
}

static void enqueue(struct fiber *fiber, err wake)
{
    timers_disarm(&sim->deadlines, &fiber->deadline);
    fiber->state = FIBER_READY;
    fiber->wake = wake;
    list_push_back(&sim->ready, &fiber->ready_node);
    sim->ready_count++;
}

void fiber_ready(struct fiber *fiber)
{
    if (fiber->state == FIBER_PARKED) {
        enqueue(fiber, ok());
    }
}

static struct fiber *running(const struct loop *loop)
{
    assert_that(sim->current != NULL && sim->current->loop == loop);
    return sim->current;
}

static void give_way(struct fiber *self) { fiber_context_switch(&self->context, &sim->main); }

static void park(struct fiber *self, bool cancellable)
{
    self->state = FIBER_PARKED;
    self->cancellable = cancellable;
    give_way(self);
}

err fiber_park(struct loop *loop, u64 deadline_ms)
{
    struct fiber *self = running(loop);
    if (loop->stopping) {
        return fail(ERR_CANCELLED);
    }
    if (deadline_ms != DEADLINE_NONE) {
        if (deadline_ms <= sim->now_ms) {
            return fail(ERR_TIMEOUT);
        }
        arm(&sim->deadlines, &self->deadline, deadline_ms);
    }
    park(self, true);
    return self->wake;
}

void fiber_park_always(struct loop *loop) { park(running(loop), false); }

void fiber_yield(struct loop *loop)
{
    struct fiber *self = running(loop);
    enqueue(self, ok());
    give_way(self);
}

err fiber_sleep(struct loop *loop, u64 deadline_ms)
{
    if (deadline_ms <= sim->now_ms && !loop->stopping) {
        fiber_yield(loop);
    }
    err e = fiber_park(loop, deadline_ms);
    return is_err(e, ERR_TIMEOUT) ? ok() : e;
}

static void fiber_main(void *arg)
{
    struct fiber *self = arg;
    self->fn(self->arg);
    self->state = FIBER_ENDED;
    fiber_context_exit(&self->context, &sim->main);
}

err fiber_start(struct loop *loop, const char *name, fiber_fn *fn, void *arg)
{
    if (loop->fiber_count >= FIBERS_MAX) {
        return fail(ERR_LIMIT);
    }
    struct fiber *fiber = calloc(1, sizeof *fiber);
    assert_that(fiber != NULL);
    *fiber = (struct fiber){.loop = loop, .name = name, .fn = fn, .arg = arg};
    assert_that(fiber_context_init(&fiber->context, &sim->stacks, fiber_main, fiber));
    list_push_back(&loop->fibers, &fiber->all_node);
    loop->fiber_count++;
    enqueue(fiber, ok());
    return ok();
}

void loop_stop(struct loop *loop)
{
    if (loop->stopping) {
        return;
    }
    loop->stopping = true;
    list_for (node, &loop->fibers) {
        struct fiber *fiber = list_entry(node, struct fiber, all_node);
        if (fiber->state == FIBER_PARKED && fiber->cancellable) {
            enqueue(fiber, fail(ERR_CANCELLED));
        }
    }
}

static void take_time(struct fiber *self)
{
    u64 took = sim_below(sim->faults.worker_max_ms + 1);
    if (took == 0) {
        fiber_yield(self->loop);
    } else {
        arm(&sim->deadlines, &self->deadline, sim->now_ms + took);
        park(self, false);
    }
}

/* The job runs in the middle of the time it takes: others run before and after. */
void worker_run(struct loop *loop, worker_fn *fn, void *arg)
{
    struct fiber *self = fiber_current(loop);
    if (self == NULL) {
        fn(arg);
        return;
    }
    take_time(self);
    fn(arg);
    take_time(self);
}

/* ---- the scheduler ---- */

static struct fiber *pick_ready(void)
{
    u64 window = sim->faults.ready_window != 0 ? sim->faults.ready_window : 8;
    u64 skip = sim_below(min_u64(sim->ready_count, window));
    struct list *node = sim->ready.next;
    for (; skip > 0; skip--) {
        node = node->next;
    }
    return list_entry(node, struct fiber, ready_node);
}

static void end_process(struct loop *process)
{
    sim_ended *ended = process->ended;
    void *ctx = process->ended_ctx;
    if (ended != NULL) {
        ended(ctx, process);
    }
    sim_kill(process, process->dying_power);
}

static void run_fiber(struct fiber *fiber)
{
    struct loop *process = fiber->loop;
    list_remove(&fiber->ready_node);
    sim->ready_count--;
    if (process->paused_until_ms > sim->now_ms) {
        fiber->state = FIBER_HELD;
        list_push_back(&process->held, &fiber->ready_node);
        return;
    }
    fiber->state = FIBER_RUNNING;
    sim->current = fiber;
    sim->owner = process;
    sim_note_text(fiber->name);
    fiber_context_switch(&sim->main, &fiber->context);
    sim->current = NULL;
    sim->owner = NULL;
    if (process->dying) {
        end_process(process);
    } else if (fiber->state == FIBER_ENDED) {
        discard_fiber(fiber);
    }
    if (++sim->steps % STEPS_PER_MS == 0) {
        sim->now_ms++;
    }
}

static void fire_due(void)
{
    struct timer *due;
    while ((due = timers_pop_due(&sim->deadlines, sim->now_ms)) != NULL) {
        enqueue(list_entry(due, struct fiber, deadline), fail(ERR_TIMEOUT));
    }
    while ((due = timers_pop_due(&sim->agenda, sim->now_ms)) != NULL) {
        struct sim_event *event = list_entry(due, struct sim_event, timer);
        event->fire(event);
    }
}

void sim_run(u64 until_ms, bool (*done)(void *ctx), void *ctx)
{
    assert_that(sim->current == NULL);
    while (done == NULL || !done(ctx)) {
        fire_due();
        if (sim->now_ms >= until_ms) {
            return;
        }
        if (sim->ready_count != 0) {
            run_fiber(pick_ready());
            continue;
        }
        u64 next = min_u64(timers_next(&sim->deadlines), timers_next(&sim->agenda));
        sim->now_ms = max_u64(sim->now_ms, min_u64(until_ms, next));
        if (next == UINT64_MAX) {
            return;
        }
    }
}

/* loop.c: os/loop.h in virtual time. */
#include "sim/sim.h"

#include "base/assert.h"
#include "base/mem.h"
#include "os/fiber_internal.h"

#include <stdio.h>
#include <stdlib.h>

enum fiber_state { FIBER_READY, FIBER_RUNNING, FIBER_PARKED, FIBER_ENDED };
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
    char host[SIM_HOST_MAX];
    unsigned slot;
    struct list fibers;
    size_t fiber_count;
    bool stopping;
    bool dead;
    struct prng entropy;
    struct sim_heap *heap;
    struct sim_disk *disk;
};

struct sim *sim;

static void (*crash_fn)(void *ctx, struct loop *process);
static void *crash_ctx;

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

void sim_init(struct sim *world, u64 seed)
{
    *world = (struct sim){.seed = seed, .now_ms = 1000, .audit = seed};
    sim = world;
    prng_init(&world->prng, seed);
    list_init(&world->ready);
    list_init(&world->processes);
    list_init(&world->pipes);
    timers_init(&world->deadlines);
    timers_init(&world->agenda);
    fiber_stacks_init(&world->stacks);
    fiber_context_init_thread(&world->main);
    map_init(&world->listeners);
    world->faults = (struct sim_faults){
        .latency_min_ms = 1, .latency_max_ms = 5, .worker_max_ms = 3};
}

void sim_free(struct sim *world)
{
    while (!list_empty(&world->processes)) {
        struct loop *process = list_entry(world->processes.next, struct loop, node);
        if (!process->dead) {
            sim_kill(process, false);
        }
        list_remove(&process->node);
        free(process);
    }
    map_free(&world->listeners);
    timers_free(&world->deadlines);
    timers_free(&world->agenda);
    fiber_stacks_free(&world->stacks);
    sim = NULL;
}

/* ---- processes ---- */

struct loop *sim_process_new(const char *name, const char *host, unsigned slot)
{
    struct loop *process = calloc(1, sizeof *process);
    assert_that(process != NULL && slot < COUNT_OF(sim->cut));
    snprintf(process->name, sizeof process->name, "%s", name);
    snprintf(process->host, sizeof process->host, "%s", host);
    process->slot = slot;
    list_init(&process->fibers);
    prng_init(&process->entropy, prng_u64(&sim->prng));
    process->heap = sim_heap_new();
    process->disk = sim_disk_new(process);
    list_push_back(&sim->processes, &process->node);
    return process;
}

const char *sim_process_name(const struct loop *process) { return process->name; }
bool sim_process_dead(const struct loop *process) { return process->dead; }
struct sim_heap *sim_process_heap(struct loop *process) { return process->heap; }
struct sim_disk *sim_process_disk(struct loop *process) { return process->disk; }
unsigned sim_process_slot(const struct loop *process) { return process->slot; }
const char *sim_process_host(const struct loop *process) { return process->host; }

struct loop *sim_self(void)
{
    if (sim == NULL) {
        return NULL;
    }
    return sim->current != NULL ? sim->current->loop : sim->entered;
}

struct loop *sim_enter(struct loop *process)
{
    struct loop *former = sim->entered;
    sim->entered = process;
    return former;
}

void sim_leave(struct loop *former) { sim->entered = former; }

static void discard_fiber(struct fiber *fiber)
{
    timers_disarm(&sim->deadlines, &fiber->deadline);
    if (fiber->state == FIBER_READY) {
        list_remove(&fiber->ready_node);
        sim->ready_count--;
    }
    list_remove(&fiber->all_node);
    fiber->loop->fiber_count--;
    fiber_context_free(&fiber->context, &sim->stacks);
    free(fiber);
}

void sim_kill(struct loop *process, bool power)
{
    assert_that(!process->dead && (sim->current == NULL || sim->current->loop != process));
    process->dead = true;
    sim->crashes++;
    sim_note_text(process->name);
    sim_net_kill(process);
    list_for_safe (node, &process->fibers) {
        discard_fiber(list_entry(node, struct fiber, all_node));
    }
    sim_disk_free(process->disk, power);
    sim_heap_free(process->heap);
    process->disk = NULL;
    process->heap = NULL;
}

void sim_crash_soon(struct loop *process, u64 writes)
{
    sim_disk_crash_soon(process->disk, writes);
}

void sim_on_crash(void (*crashed)(void *ctx, struct loop *process), void *ctx)
{
    crash_fn = crashed;
    crash_ctx = ctx;
}

/* ---- events ---- */

void sim_at(struct sim_event *event, u64 delay_ms, void (*fire)(struct sim_event *event))
{
    event->fire = fire;
    timers_arm(&sim->agenda, &event->timer, sim->now_ms + delay_ms);
}

void sim_cancel(struct sim_event *event) { timers_disarm(&sim->agenda, &event->timer); }

/* ---- os/loop.h ---- */

u64 loop_now_ms(const struct loop *loop)
{
    (void)loop;
    return sim->now_ms;
}

u64 loop_wall_ms(const struct loop *loop)
{
    (void)loop;
    return SIM_START_WALL_MS + sim->now_ms;
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
    (void)loop;
    return sim->current;
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

static void give_way(struct fiber *self) { fiber_context_switch(&self->context, &sim->main); }

err fiber_park(struct loop *loop, u64 deadline_ms)
{
    struct fiber *self = sim->current;
    assert_that(self != NULL && self->loop == loop);
    if (loop->stopping) {
        return fail(ERR_CANCELLED);
    }
    if (deadline_ms != DEADLINE_NONE) {
        if (deadline_ms <= sim->now_ms) {
            return fail(ERR_TIMEOUT);
        }
        timers_arm(&sim->deadlines, &self->deadline, deadline_ms);
    }
    self->state = FIBER_PARKED;
    self->cancellable = true;
    give_way(self);
    return self->wake;
}

void fiber_park_always(struct loop *loop)
{
    struct fiber *self = sim->current;
    assert_that(self != NULL && self->loop == loop);
    self->state = FIBER_PARKED;
    self->cancellable = false;
    give_way(self);
}

void fiber_yield(struct loop *loop)
{
    (void)loop;
    struct fiber *self = sim->current;
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

/* A job runs at once, and its fiber goes on a random time later: what a worker thread does is not
 * visible before it says so. A crash inside the job is taken when the fiber has parked. */
void worker_run(struct loop *loop, worker_fn *fn, void *arg)
{
    fn(arg);
    struct event done;
    event_init(&done);
    u64 took = sim->faults.worker_max_ms ? prng_below(&sim->prng, sim->faults.worker_max_ms + 1) : 0;
    if (took == 0) {
        fiber_yield(loop);
    } else if (!loop->stopping) {
        IGNORE(fiber_park(loop, sim->now_ms + took)); /* always ends by its deadline */
    }
}

/* ---- the scheduler ---- */

static struct fiber *pick_ready(void)
{
    u64 skip = prng_below(&sim->prng, min_u64(sim->ready_count, 8));
    struct list *node = sim->ready.next;
    for (; skip > 0; skip--) {
        node = node->next;
    }
    return list_entry(node, struct fiber, ready_node);
}

static void run_fiber(struct fiber *fiber)
{
    struct loop *process = fiber->loop;
    list_remove(&fiber->ready_node);
    sim->ready_count--;
    fiber->state = FIBER_RUNNING;
    sim->current = fiber;
    sim_note_text(fiber->name);
    fiber_context_switch(&sim->main, &fiber->context);
    sim->current = NULL;
    if (fiber->state == FIBER_ENDED) {
        discard_fiber(fiber);
    }
    if (sim_disk_dying(process->disk)) {
        sim_kill(process, true);
        if (crash_fn != NULL) {
            crash_fn(crash_ctx, process);
        }
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
        if (sim->ready_count != 0) {
            run_fiber(pick_ready());
            continue;
        }
        u64 next = min_u64(timers_next(&sim->deadlines), timers_next(&sim->agenda));
        if (next > until_ms) {
            sim->now_ms = max_u64(sim->now_ms, min_u64(until_ms, next));
            return;
        }
        sim->now_ms = max_u64(sim->now_ms, next);
    }
}

#include "os/fiber_internal.h"
#include "os/loop_internal.h"

#include "base/assert.h"
#include "base/mem.h"

struct fiber *fiber_current(const struct loop *loop) { return loop->current; }

static void enqueue(struct fiber *fiber, err wake)
{
    timers_disarm(&fiber->loop->timers, &fiber->deadline);
    fiber->state = FIBER_READY;
    fiber->wake = wake;
    list_push_back(&fiber->loop->ready, &fiber->ready_node);
}

void fiber_ready(struct fiber *fiber)
{
    if (fiber->state == FIBER_PARKED) {
        enqueue(fiber, ok());
    }
}

void fiber_cancel(struct fiber *fiber)
{
    if (fiber->state == FIBER_PARKED) {
        enqueue(fiber, fail(ERR_CANCELLED));
    }
}

void fibers_cancel(struct loop *loop)
{
    list_for (node, &loop->fibers) {
        struct fiber *fiber = list_entry(node, struct fiber, all_node);
        if (fiber->cancellable) {
            fiber_cancel(fiber);
        }
    }
}

void fibers_wake_due(struct loop *loop)
{
    if (timers_next(&loop->timers) == UINT64_MAX) {
        return;
    }
    u64 now = loop_now_ms(loop);
    struct timer *due;
    while ((due = timers_pop_due(&loop->timers, now)) != NULL) {
        enqueue(list_entry(due, struct fiber, deadline), fail(ERR_TIMEOUT));
    }
}

static void give_way(struct fiber *self)
{
    fiber_context_switch(&self->context, &self->loop->main);
}

static struct fiber *running(struct loop *loop)
{
    assert_that(loop->current != NULL); /* waiting is for fibers */
    return loop->current;
}

err fiber_park(struct loop *loop, u64 deadline_ms)
{
    struct fiber *self = running(loop);
    if (loop->stopping) {
        return fail(ERR_CANCELLED);
    }
    if (deadline_ms != DEADLINE_NONE) {
        if (deadline_ms <= loop_now_ms(loop)) {
            return fail(ERR_TIMEOUT);
        }
        timers_arm(&loop->timers, &self->deadline, deadline_ms);
    }
    self->state = FIBER_PARKED;
    self->cancellable = true;
    give_way(self);
    return self->wake;
}

void fiber_park_always(struct loop *loop)
{
    struct fiber *self = running(loop);
    self->state = FIBER_PARKED;
    self->cancellable = false;
    give_way(self);
}

void fiber_yield(struct loop *loop)
{
    struct fiber *self = running(loop);
    enqueue(self, ok());
    give_way(self);
}

err fiber_sleep(struct loop *loop, u64 deadline_ms)
{
    if (deadline_ms <= loop_now_ms(loop) && !loop->stopping) {
        fiber_yield(loop); /* so that a loop of late ticks does not keep everyone else out */
    }
    err e = fiber_park(loop, deadline_ms);
    return is_err(e, ERR_TIMEOUT) ? ok() : e;
}

static void fiber_main(void *arg)
{
    struct fiber *self = arg;
    self->fn(self->arg);
    self->state = FIBER_ENDED;
    fiber_context_exit(&self->context, &self->loop->main);
}

err fiber_start(struct loop *loop, const char *name, fiber_fn *fn, void *arg)
{
    if (loop->fiber_count >= FIBERS_MAX) {
        return fail(ERR_LIMIT);
    }
    struct fiber *fiber = MEM_NEW(struct fiber);
    *fiber = (struct fiber){.loop = loop, .name = name, .fn = fn, .arg = arg};
    if (!fiber_context_init(&fiber->context, &loop->stacks, fiber_main, fiber)) {
        mem_free(fiber);
        return fail(ERR_LIMIT);
    }
    list_push_back(&loop->fibers, &fiber->all_node);
    loop->fiber_count++;
    enqueue(fiber, ok());
    return ok();
}

static void fiber_free(struct fiber *fiber)
{
    list_remove(&fiber->all_node);
    fiber->loop->fiber_count--;
    fiber_context_free(&fiber->context, &fiber->loop->stacks);
    mem_free(fiber);
}

void fibers_run_ready(struct loop *loop)
{
    struct list *end = &loop->turn_end;
    list_push_back(&loop->ready, end); /* those made ready from here on wait for the next turn */
    while (loop->ready.next != end) {
        struct fiber *fiber = list_entry(loop->ready.next, struct fiber, ready_node);
        list_remove(&fiber->ready_node);
        fiber->state = FIBER_RUNNING;
        loop->current = fiber;
        fiber_context_switch(&loop->main, &fiber->context);
        loop->current = NULL;
        if (fiber->state == FIBER_ENDED) {
            fiber_free(fiber);
        }
    }
    list_remove(end);
}

#include "os/loop.h"

#include "base/assert.h"
#include "base/mem.h"
#include "os/fiber_internal.h"

/* Lives on the waiting fiber's stack. The waker unlinks it, so the event may be gone by the time
 * the fiber runs. */
struct event_waiter {
    struct list node;
    struct fiber *fiber;
    bool woken;
};

void event_init(struct event *event) { list_init(&event->waiters); }

static void waiter_init(struct loop *loop, struct event_waiter *waiter)
{
    *waiter = (struct event_waiter){.fiber = fiber_current(loop)};
    assert_that(waiter->fiber != NULL);
    list_init(&waiter->node);
}

static void waiter_wake(struct event_waiter *waiter)
{
    list_remove(&waiter->node);
    waiter->woken = true;
    fiber_ready(waiter->fiber);
}

err event_wait(struct loop *loop, struct event *event, u64 deadline_ms)
{
    struct event_waiter waiter;
    waiter_init(loop, &waiter);
    list_push_back(&event->waiters, &waiter.node);
    err e = fiber_park(loop, deadline_ms);
    list_remove(&waiter.node);
    /* A wake that raced with a deadline counts as a wake, or event_wake_one() would be lost. */
    return waiter.woken ? ok() : e;
}

void event_wake_all(struct event *event)
{
    while (!list_empty(&event->waiters)) {
        event_wake_one(event);
    }
}

void event_wake_one(struct event *event)
{
    if (!list_empty(&event->waiters)) {
        waiter_wake(list_entry(event->waiters.next, struct event_waiter, node));
    }
}

/* Units are handed to the first waiter, never offered to whoever runs next: nobody can overtake,
 * and a large request is not starved by small ones. */
struct gate_waiter {
    struct event_waiter base;
    u64 wanted;
};

void gate_init(struct gate *gate, u64 available)
{
    event_init(&gate->freed);
    gate->available = available;
    gate->total = available;
}

static void gate_hand_out(struct gate *gate)
{
    while (!list_empty(&gate->freed.waiters)) {
        struct event_waiter *base = list_entry(gate->freed.waiters.next, struct event_waiter, node);
        struct gate_waiter *first = (struct gate_waiter *)(void *)base;
        if (first->wanted > gate->available) {
            return;
        }
        gate->available -= first->wanted;
        waiter_wake(base);
    }
}

err gate_enter(struct loop *loop, struct gate *gate, u64 n, u64 deadline_ms)
{
    assert_that(n <= gate->total);
    if (loop_stopping(loop)) {
        return fail(ERR_CANCELLED);
    }
    if (list_empty(&gate->freed.waiters) && gate->available >= n) {
        gate->available -= n;
        return ok();
    }
    struct gate_waiter waiter = {.wanted = n};
    waiter_init(loop, &waiter.base);
    list_push_back(&gate->freed.waiters, &waiter.base.node);
    err e = fiber_park(loop, deadline_ms);
    if (waiter.base.woken) {
        return ok();
    }
    list_remove(&waiter.base.node);
    gate_hand_out(gate); /* those behind may want less */
    return e;
}

void gate_leave(struct gate *gate, u64 n)
{
    assert_that(n <= gate->total - gate->available);
    gate->available += n;
    gate_hand_out(gate);
}

struct group_member {
    struct group *group;
    fiber_fn *fn;
    void *arg;
};

void group_init(struct group *group)
{
    event_init(&group->changed);
    group->running = 0;
}

static void group_member_run(void *arg)
{
    struct group_member member = *(struct group_member *)arg;
    mem_free(arg);
    member.fn(member.arg);
    member.group->running--;
    event_wake_all(&member.group->changed);
}

err group_start(struct loop *loop, struct group *group, const char *name, fiber_fn *fn, void *arg)
{
    struct group_member *member = MEM_NEW(struct group_member);
    *member = (struct group_member){.group = group, .fn = fn, .arg = arg};
    err e = fiber_start(loop, name, group_member_run, member);
    if (!is_ok(e)) {
        mem_free(member);
        return e;
    }
    group->running++;
    return ok();
}

void group_wait(struct loop *loop, struct group *group)
{
    while (group->running > 0) {
        struct event_waiter waiter;
        waiter_init(loop, &waiter);
        list_push_back(&group->changed.waiters, &waiter.node);
        fiber_park_always(loop);
        list_remove(&waiter.node);
    }
}

/* loop_internal.h: what the files of the real loop share (loop.c, fiber.c, worker.c, stream.c,
 * process.c). The simulator has its own and never sees this one.
 */
#ifndef OS_LOOP_INTERNAL_H
#define OS_LOOP_INTERNAL_H

#include "os/fiber_context.h"
#include "os/loop.h"
#include "os/timers.h"

/* A descriptor the loop watches, edge-triggered: on_event only makes fibers ready, so no watch
 * disappears while the events of one turn are given out. Events are EPOLLIN | EPOLLOUT | … */
struct watch {
    int fd;
    void (*on_event)(struct watch *watch, u32 events);
};

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
    bool cancellable; /* while parked */
    err wake;         /* what fiber_park() will return */
};

struct workers;

struct loop {
    int epoll_fd;
    struct list ready;
    struct list turn_end; /* in `ready` while its fibers run */
    struct list fibers;
    size_t fiber_count;
    struct timers timers;
    struct fiber_stacks stacks;
    struct fiber_context main; /* the stack of loop_run() */
    struct fiber *current;
    struct workers *workers;
    struct watch signals; /* fd -1: not asked for, or done */
    fiber_fn *signal_fn;
    void *signal_arg;
    u64 stopped_at_ms;
    bool stopping;
    bool complained;
};

/* loop_watch: IN | OUT | RDHUP, edge-triggered. ERR_IO. */
err loop_watch(struct loop *loop, struct watch *watch);
void loop_unwatch(struct loop *loop, struct watch *watch);

/* fibers_run_ready: each fiber that is ready now once. fibers_wake_due: those whose deadline is
 * past. fibers_cancel: all that may be cancelled. */
void fibers_run_ready(struct loop *loop);
void fibers_wake_due(struct loop *loop);
void fibers_cancel(struct loop *loop);
/* fiber_cancel: like fiber_ready(), but its fiber_park() returns ERR_CANCELLED. */
void fiber_cancel(struct fiber *fiber);

/* workers_open: `count` threads with all signals blocked. ERR_IO. */
err workers_open(struct loop *loop, unsigned count, struct workers **ret_workers);
void workers_close(struct workers *workers);

#endif

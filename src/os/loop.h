/* loop.h: the event loop of one process, its fibers, timers, clock and entropy.
 *
 * A role is one loop. Work that waits (a request, an upload, a repair) runs in a *fiber*: a stack
 * of its own that gives way whenever it has to wait, so that one upload reads as one straight
 * function. All fibers of a loop share one thread; between two calls that may wait, nothing else of
 * the loop runs. Blocking or heavy work (fsync, hashing a segment) goes to a worker thread by
 * worker_run(), which parks the calling fiber; workers own nothing and touch only what `arg` gives
 * them.
 *
 * `struct loop` is also the process's only access to time and entropy. The simulator links another
 * implementation of this header, of stream.h and of worker_run(): there a loop is one simulated
 * process. Therefore no role keeps global state, and every role can be stopped at any wait.
 *
 * Deadlines are absolute loop_now_ms() values; one that has passed is ERR_TIMEOUT without waiting,
 * even where there is something to read. After loop_stop() every wait returns ERR_CANCELLED at
 * once, so fibers unwind; loop_run() returns when the last one has ended.
 */
#ifndef OS_LOOP_H
#define OS_LOOP_H

#include "base/err.h"
#include "base/list.h"

#define DEADLINE_NONE UINT64_MAX
#define FIBERS_MAX 16384
#define FIBER_STACK_BYTES KIB(256) /* reserved; only touched pages cost memory */

struct loop;
struct fiber;
typedef void fiber_fn(void *arg);
typedef void worker_fn(void *arg);

/* loop_open: raises the descriptor limit, starts worker_count (1..64) threads. ERR_IO. */
err loop_open(struct loop **ret_loop, unsigned worker_count);
/* loop_close: after loop_run(), when no fiber is left. NULL is fine. */
void loop_close(struct loop *loop);
/* loop_run: serves until loop_stop() and the end of every fiber. Called once, outside fibers. */
void loop_run(struct loop *loop);
/* loop_stop: from a fiber, or before loop_run(). Fibers that have not ended ten seconds later are
 * named in the log. */
void loop_stop(struct loop *loop);
bool loop_stopping(const struct loop *loop);
/* loop_stop_on_signals: the first SIGINT or SIGTERM wakes `fn` in a new fiber (which drains and
 * calls loop_stop()); a second one ends the process at once. */
void loop_stop_on_signals(struct loop *loop, fiber_fn *fn, void *arg);

/* loop_now_ms: monotonic. loop_wall_ms: milliseconds since 1970 (UTC). */
u64 loop_now_ms(const struct loop *loop);
u64 loop_wall_ms(const struct loop *loop);
/* loop_random: bytes fit for keys; never fails. */
void loop_random(struct loop *loop, void *out, size_t len);

/* fiber_start: runs fn(arg) soon; arg must live until fn is done with it. `name` is static.
 * ERR_LIMIT past FIBERS_MAX. May be called from outside fibers before loop_run(). */
err fiber_start(struct loop *loop, const char *name, fiber_fn *fn, void *arg);
/* fiber_sleep: until the deadline; ERR_CANCELLED when the loop stops. A passed deadline is no
 * fault: the others run once. */
err fiber_sleep(struct loop *loop, u64 deadline_ms);
/* fiber_yield: lets every other ready fiber run once. */
void fiber_yield(struct loop *loop);

/* worker_run: fn(arg) on a worker thread; returns when it is done. Never cancelled. Outside fibers
 * fn runs right here. */
void worker_run(struct loop *loop, worker_fn *fn, void *arg);

/* An event wakes fibers that wait for a condition. Always re-check the condition after waking:
 * `while (!ready) TRY(event_wait(...))`. */
struct event {
    struct list waiters;
};

void event_init(struct event *event);
/* event_wait: ok when woken, ERR_TIMEOUT, ERR_CANCELLED. */
err event_wait(struct loop *loop, struct event *event, u64 deadline_ms);
void event_wake_all(struct event *event);
void event_wake_one(struct event *event);

/* A counting semaphore with first-come order: bounds memory, connections, concurrent work. */
struct gate {
    struct event freed; /* in the order they came */
    u64 available;
    u64 total;
};

void gate_init(struct gate *gate, u64 available);
/* gate_enter: takes n units (n <= the initial number); ERR_TIMEOUT, ERR_CANCELLED. */
err gate_enter(struct loop *loop, struct gate *gate, u64 n, u64 deadline_ms);
void gate_leave(struct gate *gate, u64 n);

/* A group of fibers that one fiber waits for. */
struct group {
    struct event changed;
    size_t running;
};

void group_init(struct group *group);
/* group_start: as fiber_start; counted in `running` until fn returns. */
err group_start(struct loop *loop, struct group *group, const char *name, fiber_fn *fn, void *arg);
/* group_wait: until running == 0. Not cancelled by loop_stop(): the members are. */
void group_wait(struct loop *loop, struct group *group);

#endif

/* fiber_internal.h: the seam between waiting and scheduling.
 *
 * Everything that waits (events, gates, groups, streams) is written against these four calls. The
 * loop implements them over epoll, the simulator over its own clock; event.c is linked with
 * either. Only src/os and sim/ include this file.
 *
 * A waiter puts itself where its waker finds it, parks, and afterwards takes itself out again:
 * a fiber may be made ready by its waker, its deadline and loop_stop() in the same turn, and only
 * the first of them decides what fiber_park() returns.
 */
#ifndef OS_FIBER_INTERNAL_H
#define OS_FIBER_INTERNAL_H

#include "os/loop.h"

/* fiber_current: the running fiber; NULL outside fibers. */
struct fiber *fiber_current(const struct loop *loop);
/* fiber_park: gives way until fiber_ready() (ok), the deadline (ERR_TIMEOUT; at once if it has
 * passed) or loop_stop() (ERR_CANCELLED; at once if the loop is stopping). */
err fiber_park(struct loop *loop, u64 deadline_ms);
/* fiber_park_always: until fiber_ready(), whatever else happens. */
void fiber_park_always(struct loop *loop);
/* fiber_ready: a parked fiber goes to the end of the ready queue; nothing happens to others. */
void fiber_ready(struct fiber *fiber);

#endif

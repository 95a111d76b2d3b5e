/* timers.h: a binary heap of deadlines.
 *
 * Timers are embedded in what they wake (a fiber), so arming allocates nothing but the heap's own
 * array. Timers of the same deadline come out in the order they were armed, which keeps runs of
 * the simulator identical. Not part of the module's interface: the loop and the simulator use it.
 */
#ifndef OS_TIMERS_H
#define OS_TIMERS_H

#include "base/int.h"

struct timer {
    u64 deadline_ms;
    u64 order;
    size_t slot; /* index in the heap plus one; 0: not armed */
};

struct timers {
    struct timer **heap;
    size_t count;
    size_t cap;
    u64 next_order;
};

void timers_init(struct timers *timers);
void timers_free(struct timers *timers);
/* timers_arm: `timer` is zero or disarmed; it stays where it is until disarmed or popped. */
void timers_arm(struct timers *timers, struct timer *timer, u64 deadline_ms);
/* timers_disarm: nothing happens if it is not armed. */
void timers_disarm(struct timers *timers, struct timer *timer);
/* timers_pop_due: removes the earliest timer with a deadline <= now, or NULL. */
struct timer *timers_pop_due(struct timers *timers, u64 now_ms);
/* timers_next: the earliest deadline, UINT64_MAX if there is none. */
u64 timers_next(const struct timers *timers);

#endif

#include "os/timers.h"

#include "base/assert.h"
#include "base/mem.h"

void timers_init(struct timers *timers) { *timers = (struct timers){0}; }

void timers_free(struct timers *timers)
{
    assert_that(timers->count == 0);
    mem_free(timers->heap);
    timers_init(timers);
}

static bool earlier(const struct timer *a, const struct timer *b)
{
    return a->deadline_ms < b->deadline_ms ||
           (a->deadline_ms == b->deadline_ms && a->order < b->order);
}

static void place(struct timers *timers, size_t slot, struct timer *timer)
{
    timers->heap[slot] = timer;
    timer->slot = slot + 1;
}

static void sift_up(struct timers *timers, size_t slot, struct timer *timer)
{
    while (slot > 0 && earlier(timer, timers->heap[(slot - 1) / 2])) {
        place(timers, slot, timers->heap[(slot - 1) / 2]);
        slot = (slot - 1) / 2;
    }
    place(timers, slot, timer);
}

static void sift_down(struct timers *timers, size_t slot, struct timer *timer)
{
    for (;;) {
        size_t child = 2 * slot + 1;
        if (child >= timers->count) {
            break;
        }
        if (child + 1 < timers->count && earlier(timers->heap[child + 1], timers->heap[child])) {
            child++;
        }
        if (!earlier(timers->heap[child], timer)) {
            break;
        }
        place(timers, slot, timers->heap[child]);
        slot = child;
    }
    place(timers, slot, timer);
}

void timers_arm(struct timers *timers, struct timer *timer, u64 deadline_ms)
{
    assert_that(timer->slot == 0);
    if (timers->count == timers->cap) {
        timers->cap = max_size(64, timers->cap * 2);
        timers->heap = mem_resize(timers->heap, timers->cap * sizeof(struct timer *));
    }
    timer->deadline_ms = deadline_ms;
    timer->order = timers->next_order++;
    sift_up(timers, timers->count++, timer);
}

void timers_disarm(struct timers *timers, struct timer *timer)
{
    if (timer->slot == 0) {
        return;
    }
    size_t slot = timer->slot - 1;
    assert_that(slot < timers->count && timers->heap[slot] == timer);
    timer->slot = 0;
    struct timer *last = timers->heap[--timers->count];
    if (last == timer) {
        return;
    }
    if (slot > 0 && earlier(last, timers->heap[(slot - 1) / 2])) {
        sift_up(timers, slot, last);
    } else {
        sift_down(timers, slot, last);
    }
}

struct timer *timers_pop_due(struct timers *timers, u64 now_ms)
{
    if (timers->count == 0 || timers->heap[0]->deadline_ms > now_ms) {
        return NULL;
    }
    struct timer *first = timers->heap[0];
    timers_disarm(timers, first);
    return first;
}

u64 timers_next(const struct timers *timers)
{
    return timers->count == 0 ? UINT64_MAX : timers->heap[0]->deadline_ms;
}

/* internal.h: what the files of src/watch share.
 *
 * One fiber scans (scan.c) and keeps the list of jobs, the worst ones first; jobs_max fibers take
 * from it and rebuild, one fiber sends what they rebuilt (repair.c). They only meet in struct
 * watch.
 */
#ifndef WATCH_INTERNAL_H
#define WATCH_INTERNAL_H

#include "codec/abi.h"
#include "watch/table.h"
#include "watch/watch.h"

#define JOBS_LISTED_MAX 512
#define OUTBOX_MAX 64
#define VIEW_TIMEOUT_MS 20000

/* One segment that lacks holders. */
struct job {
    u64 serial;
    struct segment_key key;
    u8 held;   /* fragments that can be read */
    u8 margin; /* held - k */
    bool urgent;
    bool draining; /* only that: nothing is lost */
    u64 since;     /* chain time of the newest loss */
    u8 wanted_count;
    u8 wanted[FRAGMENTS_MAX];
    u32 old_holders[FRAGMENTS_MAX]; /* of wanted[i]: what the record said */
};

/* A rebuilt segment whose transaction is to be sent. */
struct parcel {
    struct job job;
    struct rebuild_result result;
    bool sent; /* in the transaction that is being made */
};

struct watch {
    struct watch_options options;
    struct watch_status status;
    struct address self;
    struct group fibers;
    bool stopping;
    struct table table;
    u64 logs_height; /* up to which logs were looked at */
    u64 verify_next; /* serial that is read again without a reason */
    u64 window_end;  /* serials in the ledger as of the last pass */
    struct hash lost_topic;
    struct job jobs[JOBS_LISTED_MAX];
    size_t job_count;
    struct event work; /* jobs, stopping */
    u32 rebuilding;
    u64 next_start_ms; /* of a rebuild: the rate limit */
    struct parcel *outbox[OUTBOX_MAX];
    size_t outbox_count;
    u64 outbox_since_ms;
    struct event mail; /* outbox, rebuilding, stopping */
    u64 *metric_incomplete;
    u64 *metric_urgent;
    u64 *metric_unreadable;
    u64 *metric_restored;
    u64 *metric_moved;
    u64 *metric_restored_bytes;
};

static inline u64 watch_in(const struct watch *watch, u64 ms)
{
    return loop_now_ms(watch->options.loop) + ms;
}

/* watch_scan: one pass; replaces the list of jobs. */
err watch_scan(struct watch *watch);
/* watch_worker / watch_sender: fibers; arg is the watch. */
void watch_worker(void *arg);
void watch_sender(void *arg);

#endif

/* watch.h: the watcher: sees that every segment keeps its holders.
 *
 * It scans the ledger's list of segments again and again. A segment with at most k + ⌈m/2⌉ holders
 * left is repaired, the ones nearest to loss first; one that merely lacks some is topped up when
 * nothing urgent is left. For each job the beacon reserves the first minutes for two watchers;
 * afterwards anyone may do it. A repair reads k fragments, streams the rebuilt ones to fresh
 * holders and ends in one compare-and-set transaction, so two watchers at the same job waste work
 * but do no harm. Every gateway runs one; `cairn watch` is the same alone.
 *
 * States of a job: found → (reserved for others: later) → rebuilt → sent → final. Nothing is kept
 * on disk: a watcher that restarts scans anew.
 */
#ifndef WATCH_WATCH_H
#define WATCH_WATCH_H

#include "base/metrics.h"
#include "transfer/segment_get.h"

struct watch;

struct watch_options {
    struct loop *loop;
    struct chain *chain;
    struct directory *directory;
    struct segment_source *source;
    struct chain_account *account; /* sends the repair transactions */
    struct metrics *metrics;       /* may be NULL */
    u32 jobs_max;                  /* repairs at once; 0: 2 */
    u64 scan_pause_ms;             /* between scans; 0: 2 s */
};

struct watch_status {
    u64 scans;
    u64 segments;   /* seen in the last whole scan */
    u64 incomplete; /* of them: not all n holders present */
    u64 urgent;     /* of them: at or under the repair threshold */
    u64 unreadable; /* of them: fewer than k holders */
    u64 repairs;    /* transactions that restored something */
    u64 restored;   /* fragments */
    u64 bytes_read;
    u64 bytes_written;
    u64 bytes_restored;
};

/* watch_start: runs in fibers of the loop until watch_stop() or loop_stop(). */
err watch_start(const struct watch_options *options, struct watch **ret_watch);
struct watch_status watch_status(const struct watch *watch);
/* watch_stop: waits for the running jobs to unwind and frees. */
void watch_stop(struct watch *watch);

#endif

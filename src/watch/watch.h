/* watch.h: the watcher: sees that every segment keeps its holders.
 *
 * It knows all segments of the ledger (read once, then by logs) and looks at their holders again
 * and again. A segment with at most k + ⌈m/2⌉ holders left is repaired, the ones nearest to loss
 * first; one that merely lacks some is topped up much later, and only when nothing is urgent. For
 * each job the beacon reserves the first minutes for two watchers; afterwards anyone may do it. A
 * repair reads k fragments, streams the rebuilt ones to fresh holders and ends in a compare-and-set
 * transaction (many segments share one), so two watchers at the same job waste work but do no harm;
 * they are spread in time so that they seldom do. Providers that are long late are reported. Every
 * gateway runs a watcher; `cairn watch` is the same alone.
 *
 * States of a job: found → (reserved for others: later) → rebuilt → sent → final. Nothing is kept
 * on disk: a watcher that restarts reads the ledger anew.
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
    u64 top_up_after_s;            /* chain time before top-ups; 0: twice the reserved time */
    u64 bytes_per_s;               /* moved by urgent repairs, a quarter of it else; 0: 64 MiB */
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

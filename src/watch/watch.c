#include "watch/watch.h"

#include "base/assert.h"
#include "base/mem.h"
#include "watch/internal.h"

#define JOBS_MAX_DEFAULT 2
#define JOBS_MAX 16
#define SCAN_PAUSE_MS 2000
#define BYTES_PER_S MIB(64)

static void publish(const struct watch *watch)
{
    if (watch->options.metrics != NULL) {
        *watch->metric_incomplete = watch->status.incomplete;
        *watch->metric_urgent = watch->status.urgent;
        *watch->metric_unreadable = watch->status.unreadable;
        *watch->metric_restored = watch->status.restored;
        *watch->metric_moved = watch->status.bytes_read + watch->status.bytes_written;
        *watch->metric_restored_bytes = watch->status.bytes_restored;
    }
}

static void watch_scanner(void *arg)
{
    struct watch *watch = arg;
    while (!watch->stopping) {
        err e = watch_scan(watch);
        publish(watch);
        u64 until_ms = watch_in(watch, watch->options.scan_pause_ms);
        while (!watch->stopping && !is_err(e, ERR_CANCELLED) &&
               loop_now_ms(watch->options.loop) < until_ms) {
            e = event_wait(watch->options.loop, &watch->work, until_ms);
        }
        if (is_err(e, ERR_CANCELLED)) {
            return;
        }
    }
}

static void add_metrics(struct watch *watch)
{
    struct metrics *m = watch->options.metrics;
    if (m == NULL) {
        return;
    }
    watch->metric_incomplete = metrics_gauge(m, "cairn_watch_incomplete_segments",
                                             "Segments that lack a holder, as of the last scan.");
    watch->metric_urgent = metrics_gauge(m, "cairn_watch_urgent_segments",
                                         "Segments at or under the repair threshold.");
    watch->metric_unreadable = metrics_gauge(m, "cairn_watch_unreadable_segments",
                                             "Segments with fewer than k fragments left.");
    watch->metric_restored =
        metrics_counter(m, "cairn_watch_restored_fragments", "Fragments put into new hands.");
    watch->metric_moved = metrics_counter(m, "cairn_watch_moved_bytes",
                                          "Fragment bytes read and written by repairs.");
    watch->metric_restored_bytes =
        metrics_counter(m, "cairn_watch_restored_bytes", "Bytes of restored fragments.");
}

/* What a log says when a provider declares a fragment lost. */
static void learn_topics(struct watch *watch)
{
    struct arena arena;
    struct abi_entry event;
    arena_init(&arena, KIB(64));
    err e = abi_parse(&arena, PROVIDER_EV_LOST, &event);
    assert_that(is_ok(e));
    watch->lost_topic = event.topic;
    arena_free(&arena);
}

static err start_fibers(struct watch *watch)
{
    struct loop *loop = watch->options.loop;
    TRY(group_start(loop, &watch->fibers, "watch scan", watch_scanner, watch));
    TRY(group_start(loop, &watch->fibers, "watch send", watch_sender, watch));
    for (u32 i = 0; i < watch->options.jobs_max; i++) {
        TRY(group_start(loop, &watch->fibers, "watch repair", watch_worker, watch));
    }
    return ok();
}

err watch_start(const struct watch_options *options, struct watch **ret_watch)
{
    struct watch *watch = MEM_NEW(struct watch);
    struct watch_options *o = &watch->options;
    *o = *options;
    o->jobs_max = o->jobs_max != 0 ? (u32)min_u64(o->jobs_max, JOBS_MAX) : JOBS_MAX_DEFAULT;
    o->scan_pause_ms = o->scan_pause_ms != 0 ? o->scan_pause_ms : SCAN_PAUSE_MS;
    o->bytes_per_s = o->bytes_per_s != 0 ? o->bytes_per_s : BYTES_PER_S;
    watch->self = chain_account_address(o->account);
    table_init(&watch->table);
    event_init(&watch->work);
    event_init(&watch->mail);
    group_init(&watch->fibers);
    learn_topics(watch);
    add_metrics(watch);
    err e = start_fibers(watch);
    if (!is_ok(e)) {
        watch_stop(watch);
        return e;
    }
    *ret_watch = watch;
    return ok();
}

struct watch_status watch_status(const struct watch *watch) { return watch->status; }

void watch_stop(struct watch *watch)
{
    if (watch == NULL) {
        return;
    }
    watch->stopping = true;
    event_wake_all(&watch->work);
    event_wake_all(&watch->mail);
    group_wait(watch->options.loop, &watch->fibers);
    for (size_t i = 0; i < watch->outbox_count; i++) {
        mem_free(watch->outbox[i]);
    }
    table_free(&watch->table);
    mem_free(watch);
}

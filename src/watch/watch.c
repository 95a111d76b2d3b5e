#include "watch/watch.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "codec/abi.h"
#include "ledger/exec/native.h"
#include "ledger/modules/segment_layout.h"

#define SCAN_BATCH 16
#define JOBS_PER_SCAN_MAX 512
#define JOBS_MAX_DEFAULT 2
#define SCAN_PAUSE_MS 2000
#define VIEW_TIMEOUT_MS 20000
#define REBUILD_TIMEOUT_MS 300000
#define SEND_TIMEOUT_MS 60000
#define CALL_ARENA_BYTES MIB(1)

/* One segment that lacks holders. */
struct job {
    struct segment_key key;
    u8 present;
    bool urgent;
    u8 wanted_count;
    u8 wanted[FRAGMENTS_MAX];
    u32 old_holders[FRAGMENTS_MAX]; /* of wanted[i]: what the record says now */
};

struct watch {
    struct watch_options options;
    struct watch_status status;
    struct arena abi_arena;
    struct abi_entry repair_call;
    struct group fibers;
    struct event wake;
    bool stopping;
    struct job jobs[JOBS_PER_SCAN_MAX];
    size_t job_count;
    size_t next_job;
    u64 *metric_incomplete;
    u64 *metric_repairs;
    u64 *metric_read;
    u64 *metric_restored;
};

static u64 in_ms(const struct watch *watch, u64 ms)
{
    return loop_now_ms(watch->options.loop) + ms;
}

/* ---- scanning ---- */

struct scan_view {
    const struct watch *watch;
    struct address self;
    u64 first; /* serial */
    u64 total;
    u32 count;
    bool found[SCAN_BATCH];
    bool allowed[SCAN_BATCH];
    struct segment_key keys[SCAN_BATCH];
    struct segment_record records[SCAN_BATCH];
    enum holder_status statuses[SCAN_BATCH][FRAGMENTS_MAX];
};

static err scan_one(struct scan_view *view, const struct slot_source *slots,
                    const struct holder_clock *clock, u32 i)
{
    u64 since[FRAGMENTS_MAX];
    bool listed;
    view->found[i] = false;
    TRY(segment_at(slots, view->first + i, &view->keys[i], &listed));
    if (!listed) {
        return ok();
    }
    TRY(segment_load(slots, &view->keys[i], &view->records[i], &view->found[i]));
    if (!view->found[i]) {
        return ok();
    }
    err statuses = segment_statuses(slots, clock, &view->records[i], view->statuses[i], since);
    err allowed = segment_repair_allowed(slots, &view->keys[i], &view->records[i], &view->self,
                                         &view->allowed[i]);
    TRY(statuses);
    return allowed;
}

/* Goes on after a missing slot, so that one fetch serves the whole batch. */
static err scan_batch(void *ctx, const struct slot_source *slots)
{
    struct scan_view *view = ctx;
    struct holder_clock clock;
    err count = segment_count(slots, &view->total);
    err first_fault = holder_clock_load(slots, &clock);
    TRY(count);
    TRY(first_fault);
    view->count =
        view->first > view->total ? 0 : (u32)min_u64(SCAN_BATCH, view->total - view->first + 1);
    for (u32 i = 0; i < view->count; i++) {
        err e = scan_one(view, slots, &clock, i);
        first_fault = is_ok(first_fault) ? e : first_fault;
    }
    return first_fault;
}

static bool wants_repair(enum holder_status status)
{
    switch (status) {
    case HOLDER_PRESENT:
    case HOLDER_AWAITED:
        return false;
    case HOLDER_MISSING:
    case HOLDER_LOST:
    case HOLDER_DRAINING:
        return true;
    }
    unreachable_case();
    return false;
}

/* Counts one segment; adds a job if it lacks something and may be repaired by this watcher. */
static void judge(struct watch *watch, struct watch_status *seen, const struct scan_view *view,
                  u32 i)
{
    const struct segment_record *record = &view->records[i];
    const struct redundancy_info *info = redundancy_find((u8)record->class_number);
    struct job job = {.key = view->keys[i]};
    u8 held = 0;
    for (u8 f = 0; f < record->n; f++) {
        enum holder_status status = view->statuses[i][f];
        held = (u8)(held + (status == HOLDER_PRESENT || status == HOLDER_DRAINING));
        job.present = (u8)(job.present + (status == HOLDER_PRESENT));
        if (wants_repair(status)) {
            job.old_holders[job.wanted_count] = record->holders[f].provider;
            job.wanted[job.wanted_count++] = f;
        }
    }
    job.urgent = held <= redundancy_quorum(info);
    seen->segments++;
    seen->incomplete += job.present < record->n;
    seen->urgent += job.wanted_count != 0 && job.urgent;
    seen->unreadable += held < info->k;
    if (job.wanted_count != 0 && held >= info->k && view->allowed[i] &&
        !(record->flags & SEGMENT_RELEASING) && watch->job_count < JOBS_PER_SCAN_MAX) {
        watch->jobs[watch->job_count++] = job;
    }
}

/* Fewest holders first. */
static void sort_jobs(struct watch *watch)
{
    for (size_t i = 1; i < watch->job_count; i++) {
        struct job job = watch->jobs[i];
        size_t j = i;
        for (; j > 0 && watch->jobs[j - 1].present > job.present; j--) {
            watch->jobs[j] = watch->jobs[j - 1];
        }
        watch->jobs[j] = job;
    }
}

static err scan(struct watch *watch)
{
    struct scan_view *view = MEM_NEW(struct scan_view);
    struct watch_status seen = {0};
    err e = directory_refresh(watch->options.directory, in_ms(watch, VIEW_TIMEOUT_MS));
    watch->job_count = 0;
    view->self = chain_account_address(watch->options.account);
    for (view->first = 1; is_ok(e) && !watch->stopping; view->first += SCAN_BATCH) {
        e = chain_view(watch->options.chain, scan_batch, view, in_ms(watch, VIEW_TIMEOUT_MS));
        if (!is_ok(e) || view->count == 0) {
            break;
        }
        for (u32 i = 0; i < view->count; i++) {
            if (view->found[i]) {
                judge(watch, &seen, view, i);
            }
        }
    }
    mem_free(view);
    TRY(e);
    watch->status.scans++;
    watch->status.segments = seen.segments;
    watch->status.incomplete = seen.incomplete;
    watch->status.urgent = seen.urgent;
    watch->status.unreadable = seen.unreadable;
    sort_jobs(watch);
    return ok();
}

/* ---- repairing ---- */

static void write_entry(struct buf *out, const struct rebuild_result *result)
{
    struct segment_entry entry = {
        .number = result->seal.key.number,
        .epoch = result->epoch,
        .class_number = result->seal.class_number,
        .length = result->seal.length,
        .receipt_count = result->count,
    };
    memcpy(entry.roots, result->seal.roots, sizeof entry.roots);
    memcpy(entry.receipts, result->receipts, result->count * sizeof entry.receipts[0]);
    segment_entry_write(out, &entry);
}

static u32 old_holder_of(const struct job *job, u8 fragment)
{
    for (u8 i = 0; i < job->wanted_count; i++) {
        if (job->wanted[i] == fragment) {
            return job->old_holders[i];
        }
    }
    unreachable_case();
    return 0;
}

static void encode_repair(const struct watch *watch, const struct job *job,
                          const struct rebuild_result *result, struct buf *entry, struct buf *call)
{
    struct abi_value old[FRAGMENTS_MAX];
    for (u8 i = 0; i < result->count; i++) {
        old[i] = abi_u64(old_holder_of(job, result->receipts[i].index));
    }
    write_entry(entry, result);
    const struct abi_value arguments[] = {
        abi_u64(job->key.territory),
        abi_u64(job->key.gateway),
        abi_bytes(buf_bytes(entry)),
        abi_array(old, result->count),
    };
    abi_encode_call(call, &watch->repair_call, arguments);
}

/* How many fragments the ledger put into new hands. */
static u32 count_changed(const struct chain_receipt *receipt)
{
    struct arena arena;
    struct abi_entry event;
    u32 changed = 0;
    arena_init(&arena, KIB(64));
    if (is_ok(abi_parse(&arena, SEGMENT_EV_HOLDER, &event))) {
        for (size_t i = 0; i < receipt->log_count; i++) {
            changed += receipt->logs[i].topic_count != 0 &&
                       hash_eq(&receipt->logs[i].topics[0], &event.topic);
        }
    }
    arena_free(&arena);
    return changed;
}

static err send_repair(struct watch *watch, const struct job *job,
                       const struct rebuild_result *result, u32 *ret_changed)
{
    struct arena arena;
    struct buf entry;
    struct buf call;
    struct chain_receipt receipt;
    arena_init(&arena, CALL_ARENA_BYTES);
    buf_init(&entry, CHAIN_RAW_TX_BYTES_MAX);
    buf_init(&call, CHAIN_RAW_TX_BYTES_MAX);
    encode_repair(watch, job, result, &entry, &call);
    err e = buf_done(&call);
    if (is_ok(e)) {
        const struct chain_call transaction = {.to = native_address(MODULE_SEGMENT),
                                               .input = buf_bytes(&call)};
        e = chain_send(watch->options.account, &transaction, &arena, in_ms(watch, SEND_TIMEOUT_MS),
                       &receipt);
    }
    if (is_ok(e)) {
        *ret_changed = count_changed(&receipt);
    }
    buf_free(&entry);
    buf_free(&call);
    arena_free(&arena);
    return e;
}

static err repair(struct watch *watch, const struct job *job)
{
    struct rebuild_result result;
    u32 changed = 0;
    TRY(segment_rebuild(watch->options.source, &job->key, job->wanted, job->wanted_count,
                        in_ms(watch, REBUILD_TIMEOUT_MS), &result));
    TRY(send_repair(watch, job, &result, &changed));
    watch->status.repairs += changed != 0;
    watch->status.restored += changed;
    watch->status.bytes_read += result.bytes_read;
    watch->status.bytes_written += result.bytes_written;
    watch->status.bytes_restored += (u64)changed * segment_seal_shape(&result.seal).fragment_length;
    log_info("watch", "segment %llu.%u.%llu: %u of %u fragments restored",
             (unsigned long long)job->key.territory, job->key.gateway,
             (unsigned long long)job->key.number, changed, job->wanted_count);
    return ok();
}

static void run_jobs(void *arg)
{
    struct watch *watch = arg;
    while (watch->next_job < watch->job_count && !watch->stopping) {
        const struct job job = watch->jobs[watch->next_job++];
        err e = repair(watch, &job);
        if (is_err(e, ERR_CANCELLED)) {
            return;
        }
        if (!is_ok(e)) {
            log_info("watch", "segment %llu.%u.%llu is not repaired yet: %s",
                     (unsigned long long)job.key.territory, job.key.gateway,
                     (unsigned long long)job.key.number, err_text(e));
        }
    }
}

static void repair_all(struct watch *watch)
{
    struct group group;
    group_init(&group);
    watch->next_job = 0;
    for (u32 i = 0; i < watch->options.jobs_max; i++) {
        IGNORE(group_start(watch->options.loop, &group, "repair", run_jobs, watch));
    }
    group_wait(watch->options.loop, &group);
}

static void publish(const struct watch *watch)
{
    if (watch->options.metrics != NULL) {
        *watch->metric_incomplete = watch->status.incomplete;
        *watch->metric_repairs = watch->status.restored;
        *watch->metric_read = watch->status.bytes_read + watch->status.bytes_written;
        *watch->metric_restored = watch->status.bytes_restored;
    }
}

static void watch_run(void *arg)
{
    struct watch *watch = arg;
    while (!watch->stopping) {
        err e = scan(watch);
        if (is_ok(e) && watch->job_count != 0) {
            repair_all(watch);
        }
        publish(watch);
        if (is_err(e, ERR_CANCELLED) ||
            is_err(event_wait(watch->options.loop, &watch->wake,
                              in_ms(watch, watch->options.scan_pause_ms)),
                   ERR_CANCELLED)) {
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
    watch->metric_repairs =
        metrics_counter(m, "cairn_watch_restored_fragments", "Fragments put into new hands.");
    watch->metric_read = metrics_counter(m, "cairn_watch_moved_bytes",
                                         "Fragment bytes read and written by repairs.");
    watch->metric_restored =
        metrics_counter(m, "cairn_watch_restored_bytes", "Bytes of restored fragments.");
}

err watch_start(const struct watch_options *options, struct watch **ret_watch)
{
    struct watch *watch = MEM_NEW(struct watch);
    watch->options = *options;
    watch->options.jobs_max = options->jobs_max ? options->jobs_max : JOBS_MAX_DEFAULT;
    watch->options.scan_pause_ms = options->scan_pause_ms ? options->scan_pause_ms : SCAN_PAUSE_MS;
    arena_init(&watch->abi_arena, KIB(64));
    event_init(&watch->wake);
    group_init(&watch->fibers);
    add_metrics(watch);
    err e = abi_parse(&watch->abi_arena, SEGMENT_REPAIR, &watch->repair_call);
    assert_that(is_ok(e));
    e = group_start(options->loop, &watch->fibers, "watch", watch_run, watch);
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
    event_wake_all(&watch->wake);
    group_wait(watch->options.loop, &watch->fibers);
    arena_free(&watch->abi_arena);
    mem_free(watch);
}

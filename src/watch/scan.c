/* scan.c: what lacks holders, and whose turn it is. */
#include "watch/internal.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "chain/module_call.h"
#include "crypto/hash.h"
#include "ledger/exec/native.h"
#include "ledger/modules/beacon_layout.h"

#define READ_BATCH 16
#define RANK_BATCH 64
#define LOG_BLOCKS_MAX 2000
#define LOG_ARENA_BYTES MIB(8)
#define YIELD_EVERY 512
#define RANK_NONE 255

/* ---- the clock, and who is whose watcher ---- */

struct pass {
    struct watch *watch;
    struct watch_status seen;
    struct holder_clock clock;
    u64 total;
    struct hash seeds[2]; /* of the open and the last epoch */
    size_t seed_count;
    struct job candidates[RANK_BATCH];
    u8 ranks[RANK_BATCH];
    size_t candidate_count;
    bool any_urgent;
};

static err read_seeds(struct pass *pass, const struct slot_source *slots)
{
    struct beacon_state beacon;
    TRY(beacon_load(slots, &beacon));
    pass->seed_count = 0;
    for (u64 back = 0; back < 2 && back < beacon.epoch; back++) {
        struct beacon_epoch epoch;
        bool found;
        TRY(beacon_epoch_load(slots, beacon.epoch - back, &epoch, &found));
        if (found) {
            pass->seeds[pass->seed_count++] = epoch.seed;
        }
    }
    return ok();
}

static err read_clock(void *ctx, const struct slot_source *slots)
{
    struct pass *pass = ctx;
    err seeds = read_seeds(pass, slots);
    err count = segment_count(slots, &pass->total);
    TRY(holder_clock_load(slots, &pass->clock));
    TRY(count);
    return seeds;
}

/* The place of this watcher among those that the beacon assigns to a candidate: the two of the open
 * epoch, then the two of the last one. */
static err rank_one(struct pass *pass, const struct slot_source *slots, size_t i)
{
    pass->ranks[i] = RANK_NONE;
    for (size_t s = 0; s < pass->seed_count; s++) {
        struct address accounts[SEGMENT_WATCHERS_PER_JOB];
        size_t count;
        TRY(segment_watchers(slots, &pass->candidates[i].key, &pass->seeds[s], accounts, &count));
        for (size_t place = 0; place < count; place++) {
            u8 rank = (u8)(s * SEGMENT_WATCHERS_PER_JOB + place);
            bool own = address_eq(&accounts[place], &pass->watch->self);
            pass->ranks[i] = own && rank < pass->ranks[i] ? rank : pass->ranks[i];
        }
    }
    return ok();
}

static err rank_all(void *ctx, const struct slot_source *slots)
{
    struct pass *pass = ctx;
    err first_fault = ok();
    for (size_t i = 0; i < pass->candidate_count; i++) {
        err e = rank_one(pass, slots, i);
        first_fault = is_ok(first_fault) ? e : first_fault;
    }
    return first_fault;
}

/* Spreads those who have equal rights, so that they do not do the same work at once. */
static u64 jitter(const struct watch *watch, const struct segment_key *key, u64 below)
{
    u8 packed[20 + 20];
    struct hash digest;
    memcpy(packed, &watch->self, 20);
    store_be64(packed + 20, key->territory);
    store_be32(packed + 28, key->gateway);
    store_be64(packed + 32, key->number);
    sha256(&digest, BYTES_OF(packed));
    return below == 0 ? 0 : load_be64(digest.b) % below;
}

/* Chain seconds after the loss at which this watcher begins.
 *
 * Urgent ones at once, but for a moment in which more of the same failure may show (one repair of
 * four fragments moves half of what four repairs of one move). Mere top-ups much later. The second
 * of the assigned leaves the first some time, those who are not assigned have to leave both more.
 */
static u64 delay_of(const struct pass *pass, const struct job *job, u8 rank)
{
    u64 assign = pass->clock.repair_assign;
    u64 top_up = pass->watch->options.top_up_after_s;
    u64 base = job->urgent     ? (job->margin > 1 ? assign / 10 : 0)
               : job->draining ? assign / 10
               : top_up != 0   ? top_up
                               : 2 * assign;
    if (rank == RANK_NONE) {
        return max_u64(assign, base) + jitter(pass->watch, &job->key, assign / 2 + 1);
    }
    return base + rank * (assign / 8);
}

/* ---- the list ---- */

static bool goes_before(const struct job *a, const struct job *b)
{
    if (a->urgent != b->urgent) {
        return a->urgent;
    }
    return a->margin < b->margin;
}

static void list_job(struct watch *watch, const struct job *job)
{
    size_t at = min_size(watch->job_count, JOBS_LISTED_MAX - 1);
    if (watch->job_count == JOBS_LISTED_MAX && !goes_before(job, &watch->jobs[at])) {
        return;
    }
    watch->job_count = at + 1;
    for (; at > 0 && goes_before(job, &watch->jobs[at - 1]); at--) {
        watch->jobs[at] = watch->jobs[at - 1];
    }
    watch->jobs[at] = *job;
}

static err take_candidates(struct pass *pass)
{
    struct watch *watch = pass->watch;
    TRY(chain_view(watch->options.chain, rank_all, pass, watch_in(watch, VIEW_TIMEOUT_MS)));
    for (size_t i = 0; i < pass->candidate_count; i++) {
        const struct job *job = &pass->candidates[i];
        const struct tracked *tracked = table_get(&watch->table, job->serial);
        bool due = pass->clock.now >= job->since + delay_of(pass, job, pass->ranks[i]);
        if (due && tracked != NULL && !tracked->busy) {
            list_job(watch, job);
        }
    }
    pass->candidate_count = 0;
    return ok();
}

/* ---- judging ---- */

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
}

/* false: of a provider that the directory does not know yet; another time. */
static bool examine(const struct pass *pass, const struct tracked *tracked, struct job *job,
                    u8 *ret_present)
{
    const struct watch *watch = pass->watch;
    const struct redundancy_info *info = redundancy_find(tracked->class_number);
    struct segment_record record;
    *job = (struct job){.serial = tracked->serial, .key = tracked->key, .draining = true};
    *ret_present = 0;
    tracked_record(tracked, &record);
    for (u8 f = 0; f < record.n; f++) {
        u64 since;
        u32 provider = record.holders[f].provider;
        const struct provider_record *holder = directory_record(watch->options.directory, provider);
        if (provider != 0 && holder == NULL) {
            return false;
        }
        enum holder_status status = holder_status_of(&pass->clock, &record, f, holder, &since);
        *ret_present = (u8)(*ret_present + (status == HOLDER_PRESENT));
        job->held = (u8)(job->held + (status == HOLDER_PRESENT || status == HOLDER_DRAINING));
        if (wants_repair(status)) {
            job->draining = job->draining && status == HOLDER_DRAINING;
            job->since = max_u64(job->since, since);
            job->old_holders[job->wanted_count] = provider;
            job->wanted[job->wanted_count++] = f;
        }
    }
    job->margin = (u8)(job->held - (job->held < info->k ? job->held : info->k));
    job->urgent = job->wanted_count != 0 && job->held <= redundancy_quorum(info);
    return true;
}

/* Names the segment and who should have it, once. */
static void report_unreadable(struct tracked *tracked, const struct job *job)
{
    struct buf names;
    if (tracked->unreadable) {
        return;
    }
    tracked->unreadable = true;
    buf_init(&names, 16 * FRAGMENTS_MAX);
    for (u8 i = 0; i < job->wanted_count; i++) {
        if (job->old_holders[i] != 0) {
            buf_format(&names, " %u", job->old_holders[i]);
        }
    }
    log_error("watch", "segment %llu.%u.%llu has %u fragments left, too few to read it; gone:%.*s",
              (unsigned long long)job->key.territory, job->key.gateway,
              (unsigned long long)job->key.number, job->held, (int)names.len,
              names.len != 0 ? (const char *)names.data : "");
    buf_free(&names);
}

static err judge(struct pass *pass, struct tracked *tracked)
{
    struct job *job = &pass->candidates[pass->candidate_count];
    const struct redundancy_info *info = redundancy_find(tracked->class_number);
    u8 present;
    if (!examine(pass, tracked, job, &present)) {
        return ok();
    }
    bool readable = job->held >= info->k;
    pass->seen.segments++;
    pass->seen.incomplete += present < tracked->n;
    pass->seen.urgent += job->urgent;
    pass->seen.unreadable += !readable;
    if (!readable) {
        report_unreadable(tracked, job);
        return ok();
    }
    tracked->unreadable = false;
    if (job->wanted_count == 0) {
        tracked->failures = 0;
        return ok();
    }
    bool now = !tracked->busy && (tracked->flags & SEGMENT_RELEASING) == 0 &&
               loop_now_ms(pass->watch->options.loop) >= tracked->retry_ms;
    if (now && ++pass->candidate_count == RANK_BATCH) {
        return take_candidates(pass);
    }
    return ok();
}

static err judge_all(struct pass *pass)
{
    struct table *table = &pass->watch->table;
    pass->watch->job_count = 0;
    for (u64 serial = table->first; serial < table_next(table); serial++) {
        struct tracked *tracked = table_get(table, serial);
        if (tracked != NULL) {
            TRY(judge(pass, tracked));
        }
        if (serial % YIELD_EVERY == 0) {
            fiber_yield(pass->watch->options.loop);
        }
    }
    return take_candidates(pass);
}

/* While something is urgent nothing else is done. */
static void drop_unhurried(struct watch *watch)
{
    while (watch->job_count > 1 && watch->jobs[0].urgent &&
           !watch->jobs[watch->job_count - 1].urgent) {
        watch->job_count--;
    }
}

/* ---- reading ---- */

struct batch {
    size_t count;
    u64 serials[READ_BATCH];
    bool listed[READ_BATCH];
    bool found[READ_BATCH];
    struct segment_key keys[READ_BATCH];
    struct segment_record records[READ_BATCH];
};

static err read_one(struct batch *batch, const struct slot_source *slots, size_t i)
{
    batch->found[i] = false;
    TRY(segment_at(slots, batch->serials[i], &batch->keys[i], &batch->listed[i]));
    if (!batch->listed[i]) {
        return ok();
    }
    return segment_load(slots, &batch->keys[i], &batch->records[i], &batch->found[i]);
}

/* Goes on after a missing slot, so that one fetch serves the whole batch. */
static err read_batch(void *ctx, const struct slot_source *slots)
{
    struct batch *batch = ctx;
    err first_fault = ok();
    for (size_t i = 0; i < batch->count; i++) {
        err e = read_one(batch, slots, i);
        first_fault = is_ok(first_fault) ? e : first_fault;
    }
    return first_fault;
}

static err flush(struct watch *watch, struct batch *batch)
{
    TRY(chain_view(watch->options.chain, read_batch, batch, watch_in(watch, VIEW_TIMEOUT_MS)));
    for (size_t i = 0; i < batch->count; i++) {
        table_put(&watch->table, batch->serials[i], &batch->keys[i],
                  batch->found[i] ? &batch->records[i] : NULL);
    }
    batch->count = 0;
    return ok();
}

static err want(struct watch *watch, struct batch *batch, u64 serial)
{
    batch->serials[batch->count++] = serial;
    return batch->count == READ_BATCH ? flush(watch, batch) : ok();
}

/* A few segments a pass are read again without a reason: logs are not proven. */
static void mark_some(struct watch *watch)
{
    const struct table *table = &watch->table;
    for (size_t i = 0; i < READ_BATCH && table->count != 0; i++) {
        if (watch->verify_next < table->first || watch->verify_next >= table_next(table)) {
            watch->verify_next = table->first;
        }
        struct tracked *tracked = table_get(table, watch->verify_next++);
        if (tracked != NULL) {
            tracked->dirty = true;
        }
    }
}

static void mark_all(struct watch *watch)
{
    for (u64 serial = watch->table.first; serial < table_next(&watch->table); serial++) {
        struct tracked *tracked = table_get(&watch->table, serial);
        if (tracked != NULL) {
            tracked->dirty = true;
        }
    }
}

static u64 topic_u64(const struct hash *topic) { return load_be64(topic->b + 24); }

/* All events of the segment module that are about one segment have its key as their topics. */
static void mark_by_segment_log(struct watch *watch, const struct chain_log *log)
{
    const struct segment_key key = {.territory = topic_u64(&log->topics[1]),
                                    .gateway = (u32)topic_u64(&log->topics[2]),
                                    .number = topic_u64(&log->topics[3])};
    struct tracked *tracked = log->topic_count == 4 ? table_find(&watch->table, &key) : NULL;
    if (tracked != NULL) {
        tracked->dirty = true;
    }
}

static void mark_by_provider_log(struct watch *watch, const struct chain_log *log)
{
    if (log->topic_count == 3 && hash_eq(&log->topics[0], &watch->lost_topic)) {
        struct tracked *tracked = table_get(&watch->table, topic_u64(&log->topics[2]));
        if (tracked != NULL) {
            tracked->dirty = true;
        }
    }
}

static err mark_by_logs(struct watch *watch, u32 module, u64 to,
                        void (*mark)(struct watch *watch, const struct chain_log *log))
{
    struct arena arena;
    struct address address = native_address(module);
    const struct chain_log *logs;
    size_t count = 0;
    arena_init(&arena, LOG_ARENA_BYTES);
    err e = chain_logs(watch->options.chain, &address, watch->logs_height, to, &arena,
                       watch_in(watch, VIEW_TIMEOUT_MS), &logs, &count);
    for (size_t i = 0; is_ok(e) && i < count; i++) {
        mark(watch, &logs[i]);
    }
    arena_free(&arena);
    return e;
}

/* Too many logs, or a node that will not tell: then everything is read again. */
static err mark_changed(struct watch *watch, u64 height)
{
    err e = ok();
    if (height - watch->logs_height > LOG_BLOCKS_MAX) {
        e = fail(ERR_LIMIT);
    }
    if (is_ok(e)) {
        e = mark_by_logs(watch, MODULE_SEGMENT, height, mark_by_segment_log);
    }
    if (is_ok(e)) {
        e = mark_by_logs(watch, MODULE_PROVIDER, height, mark_by_provider_log);
    }
    if (is_err(e, ERR_CANCELLED)) {
        return e;
    }
    if (!is_ok(e)) {
        mark_all(watch);
    }
    mark_some(watch);
    watch->logs_height = height;
    return ok();
}

static err read_dirty(struct watch *watch, struct batch *batch)
{
    for (u64 serial = watch->table.first; serial < table_next(&watch->table); serial++) {
        const struct tracked *tracked = table_get(&watch->table, serial);
        if (tracked != NULL && tracked->dirty) {
            TRY(want(watch, batch, serial));
        }
    }
    return batch->count != 0 ? flush(watch, batch) : ok();
}

static err read_new(struct watch *watch, struct batch *batch, u64 total)
{
    while (!table_full(&watch->table) && table_next(&watch->table) <= total && !watch->stopping) {
        u64 next = table_next(&watch->table) + batch->count;
        if (next > total || next - watch->table.first >= TABLE_SEGMENTS_MAX) {
            TRY(flush(watch, batch));
        } else {
            TRY(want(watch, batch, next));
        }
    }
    return ok();
}

static err read_table(struct pass *pass)
{
    struct watch *watch = pass->watch;
    struct batch *batch = MEM_NEW(struct batch);
    u64 height = chain_head(watch->options.chain).height;
    err e = ok();
    if (watch->table.count == 0) {
        watch->logs_height = height; /* what is read from here on is newer */
    } else {
        e = mark_changed(watch, height);
    }
    if (is_ok(e)) {
        e = read_dirty(watch, batch);
    }
    if (is_ok(e)) {
        e = read_new(watch, batch, pass->total);
    }
    mem_free(batch);
    return e;
}

/* Only a part fits: the next pass looks at the next part. */
static void move_window(struct watch *watch, u64 total)
{
    u64 next = table_next(&watch->table);
    bool whole = watch->table.first == 1 && next > total;
    if (whole || !(table_full(&watch->table) || next > total)) {
        return;
    }
    for (u64 serial = watch->table.first; serial < next; serial++) {
        const struct tracked *tracked = table_get(&watch->table, serial);
        if (tracked != NULL && tracked->busy) {
            return; /* once its repair is done */
        }
    }
    table_move(&watch->table, next > total ? 1 : next);
}

/* ---- late providers ---- */

/* Takes a provider that is long late out of the draws; one call a pass, and not all watchers at
 * once.
 */
static void report_late(const struct pass *pass)
{
    const struct watch *watch = pass->watch;
    const struct directory *directory = watch->options.directory;
    for (u32 i = 1; i <= directory_count(directory); i++) {
        const struct provider_record *record = directory_record(directory, i);
        const struct segment_key spread = {.number = i};
        if (record == NULL || record->out_of_tree || record->state != PROVIDER_ACTIVE ||
            !provider_is_late(record, pass->clock.late_after, pass->clock.now)) {
            continue;
        }
        u64 late_since = record->heartbeat + pass->clock.late_after;
        u64 wait = pass->clock.repair_assign / 4;
        if (pass->clock.now < late_since + wait + jitter(watch, &spread, wait + 1)) {
            continue;
        }
        struct arena arena;
        struct chain_receipt receipt;
        const struct abi_value arguments[] = {abi_u64(i)};
        arena_init(&arena, MIB(1));
        err e =
            module_send(watch->options.account, MODULE_PROVIDER, PROVIDER_REPORT_LATE, arguments,
                        u256_from_u64(0), &arena, watch_in(watch, VIEW_TIMEOUT_MS), &receipt);
        arena_free(&arena);
        log_info("watch", "provider %u is late: %s", i,
                 is_ok(e) ? "taken out of the draws" : err_text(e));
        return;
    }
}

/* ---- one pass ---- */

static void publish(struct watch *watch, const struct watch_status *seen)
{
    struct watch_status *s = &watch->status;
    bool changed = s->scans == 0 || s->incomplete != seen->incomplete ||
                   s->urgent != seen->urgent || s->unreadable != seen->unreadable;
    s->scans++;
    s->segments = seen->segments;
    s->incomplete = seen->incomplete;
    s->urgent = seen->urgent;
    s->unreadable = seen->unreadable;
    if (changed) {
        log_info("watch", "%llu segments: %llu lack a holder, %llu urgently, %llu unreadable",
                 (unsigned long long)s->segments, (unsigned long long)s->incomplete,
                 (unsigned long long)s->urgent, (unsigned long long)s->unreadable);
    }
}

static err scan_with(struct pass *pass)
{
    struct watch *watch = pass->watch;
    TRY(directory_refresh(watch->options.directory, watch_in(watch, VIEW_TIMEOUT_MS)));
    TRY(chain_view(watch->options.chain, read_clock, pass, watch_in(watch, VIEW_TIMEOUT_MS)));
    TRY(read_table(pass));
    TRY(judge_all(pass));
    drop_unhurried(watch);
    publish(watch, &pass->seen);
    event_wake_all(&watch->work);
    report_late(pass);
    move_window(watch, pass->total);
    return ok();
}

err watch_scan(struct watch *watch)
{
    struct pass *pass = MEM_NEW(struct pass);
    pass->watch = watch;
    err e = scan_with(pass);
    mem_free(pass);
    return e;
}

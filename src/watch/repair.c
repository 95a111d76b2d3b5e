/* repair.c: rebuilding, and the transactions that end it. */
#include "watch/internal.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "chain/module_call.h"

#define REBUILD_TIMEOUT_MS 300000
#define SEND_TIMEOUT_MS 60000
#define CALL_ARENA_BYTES MIB(1)
#define GATHER_MS 500
#define RETRY_MS_MIN 2000
#define RETRY_MS_MAX 300000
#define NO_CODEWORD_RETRY_MS 3600000
/* Of one transaction: well inside 128 KiB and a quarter of a block's gas. */
#define PARCELS_MAX 32
#define RECEIPTS_MAX 96

/* ---- failures ---- */

static void postpone(struct watch *watch, const struct job *job, err e)
{
    struct tracked *tracked = table_get(&watch->table, job->serial);
    if (tracked == NULL) {
        return;
    }
    u64 pause_ms = min_u64((u64)RETRY_MS_MIN << min_u64(tracked->failures, 10), RETRY_MS_MAX);
    tracked->busy = false;
    tracked->dirty = true;
    tracked->failures = (u8)min_u64(tracked->failures + 1u, 255);
    tracked->retry_ms = watch_in(watch, is_err(e, ERR_INTEGRITY) ? NO_CODEWORD_RETRY_MS : pause_ms);
    log_info("watch", "segment %llu.%u.%llu is not repaired yet: %s",
             (unsigned long long)job->key.territory, job->key.gateway,
             (unsigned long long)job->key.number, err_text(e));
}

static void finish(struct watch *watch, const struct job *job)
{
    struct tracked *tracked = table_get(&watch->table, job->serial);
    if (tracked != NULL) {
        tracked->busy = false;
        tracked->dirty = true;
        tracked->failures = 0;
    }
}

/* ---- rebuilding ---- */

/* Is the job what it was when it was listed, and ours to do? */
struct confirm_view {
    const struct job *job;
    struct address self;
    bool fits;
};

static err read_confirmation(void *ctx, const struct slot_source *slots)
{
    struct confirm_view *view = ctx;
    struct segment_record record;
    bool found;
    bool allowed;
    view->fits = false;
    TRY(segment_load(slots, &view->job->key, &record, &found));
    if (!found) {
        return ok();
    }
    TRY(segment_repair_allowed(slots, &view->job->key, &record, &view->self, &allowed));
    view->fits = allowed && (record.flags & SEGMENT_RELEASING) == 0;
    for (u8 i = 0; i < view->job->wanted_count; i++) {
        u8 fragment = view->job->wanted[i];
        view->fits = view->fits && record.holders[fragment].provider == view->job->old_holders[i];
    }
    return ok();
}

static err rebuild(struct watch *watch, struct parcel *parcel)
{
    const struct job *job = &parcel->job;
    struct confirm_view view = {.job = job, .self = watch->self};
    TRY(chain_view(watch->options.chain, read_confirmation, &view,
                   watch_in(watch, VIEW_TIMEOUT_MS)));
    if (!view.fits) {
        return fail(ERR_CONFLICT);
    }
    TRY(segment_rebuild(watch->options.source, &job->key, job->wanted, job->wanted_count,
                        watch_in(watch, REBUILD_TIMEOUT_MS), &parcel->result));
    watch->status.bytes_read += parcel->result.bytes_read;
    watch->status.bytes_written += parcel->result.bytes_written;
    return ok();
}

/* The rate limit: what was moved has to be paid for with time. */
static void charge(struct watch *watch, const struct parcel *parcel)
{
    u64 moved = parcel->result.bytes_read + parcel->result.bytes_written;
    u64 rate = parcel->job.urgent ? watch->options.bytes_per_s
                                  : max_u64(watch->options.bytes_per_s / 4, 1);
    watch->next_start_ms =
        max_u64(watch->next_start_ms, loop_now_ms(watch->options.loop)) + moved * 1000 / rate;
}

/* Hands a rebuilt segment to the sender. */
static err post(struct watch *watch, struct parcel *parcel)
{
    while (watch->outbox_count == OUTBOX_MAX && !watch->stopping) {
        TRY(event_wait(watch->options.loop, &watch->mail, DEADLINE_NONE));
    }
    if (watch->stopping) {
        return fail(ERR_CANCELLED);
    }
    if (watch->outbox_count == 0) {
        watch->outbox_since_ms = loop_now_ms(watch->options.loop);
    }
    watch->outbox[watch->outbox_count++] = parcel;
    return ok();
}

static void do_job(struct watch *watch, const struct job *job)
{
    struct parcel *parcel = MEM_NEW(struct parcel);
    parcel->job = *job;
    watch->rebuilding++;
    err e = rebuild(watch, parcel);
    if (is_ok(e)) {
        charge(watch, parcel);
        e = post(watch, parcel);
    }
    watch->rebuilding--;
    event_wake_all(&watch->mail);
    if (!is_ok(e)) {
        mem_free(parcel);
        postpone(watch, job, e);
    }
}

static bool take_job(struct watch *watch, struct job *ret_job)
{
    while (watch->job_count != 0) {
        *ret_job = watch->jobs[0];
        watch->job_count--;
        memmove(watch->jobs, watch->jobs + 1, watch->job_count * sizeof watch->jobs[0]);
        struct tracked *tracked = table_get(&watch->table, ret_job->serial);
        if (tracked != NULL && !tracked->busy) {
            tracked->busy = true;
            return true;
        }
    }
    return false;
}

void watch_worker(void *arg)
{
    struct watch *watch = arg;
    struct job job;
    while (!watch->stopping) {
        u64 now_ms = loop_now_ms(watch->options.loop);
        u64 until_ms = watch->job_count != 0 ? watch->next_start_ms : DEADLINE_NONE;
        if (watch->job_count == 0 || now_ms < watch->next_start_ms) {
            err e = event_wait(watch->options.loop, &watch->work, until_ms);
            if (is_err(e, ERR_CANCELLED)) {
                return;
            }
        } else if (take_job(watch, &job)) {
            do_job(watch, &job);
        }
    }
}

/* ---- sending ---- */

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
}

/* Chooses what goes into one transaction: parcels of the first one's territory and gateway. */
static void choose_parcels(struct watch *watch)
{
    const struct segment_key *pair = &watch->outbox[0]->job.key;
    size_t parcels = 0;
    size_t receipts = 0;
    for (size_t i = 0; i < watch->outbox_count; i++) {
        struct parcel *parcel = watch->outbox[i];
        parcel->sent = parcel->job.key.territory == pair->territory &&
                       parcel->job.key.gateway == pair->gateway && parcels < PARCELS_MAX &&
                       receipts + parcel->result.count <= RECEIPTS_MAX;
        parcels += parcel->sent;
        receipts += parcel->sent ? parcel->result.count : 0u;
    }
}

static err send_parcels(struct watch *watch, struct arena *arena, struct chain_receipt *ret_receipt)
{
    const struct segment_key *pair = &watch->outbox[0]->job.key;
    struct abi_value old[RECEIPTS_MAX];
    size_t old_count = 0;
    struct buf entries;
    buf_init(&entries, CHAIN_RAW_TX_BYTES_MAX);
    for (size_t i = 0; i < watch->outbox_count; i++) {
        const struct parcel *parcel = watch->outbox[i];
        for (u8 r = 0; parcel->sent && r < parcel->result.count; r++) {
            old[old_count++] =
                abi_u64(old_holder_of(&parcel->job, parcel->result.receipts[r].index));
        }
        if (parcel->sent) {
            write_entry(&entries, &parcel->result);
        }
    }
    const struct abi_value arguments[] = {abi_u64(pair->territory), abi_u64(pair->gateway),
                                          abi_bytes(buf_bytes(&entries)),
                                          abi_array(old, old_count)};
    err e = buf_done(&entries);
    if (is_ok(e)) {
        e = module_send(watch->options.account, MODULE_SEGMENT, SEGMENT_REPAIR, arguments,
                        u256_from_u64(0), arena, watch_in(watch, SEND_TIMEOUT_MS), ret_receipt);
    }
    buf_free(&entries);
    return e;
}

/* How many fragments of a segment the ledger put into new hands. */
static u32 count_changed(const struct chain_receipt *receipt, const struct segment_key *key,
                         const struct hash *topic)
{
    u32 changed = 0;
    for (size_t i = 0; i < receipt->log_count; i++) {
        const struct chain_log *log = &receipt->logs[i];
        changed += log->topic_count == 4 && hash_eq(&log->topics[0], topic) &&
                   load_be64(log->topics[1].b + 24) == key->territory &&
                   load_be64(log->topics[2].b + 24) == key->gateway &&
                   load_be64(log->topics[3].b + 24) == key->number;
    }
    return changed;
}

static void account_parcel(struct watch *watch, const struct parcel *parcel, u32 changed)
{
    const struct job *job = &parcel->job;
    if (changed == 0) { /* another watcher was first, or every receipt came too late */
        postpone(watch, job, fail(ERR_CONFLICT));
        return;
    }
    watch->status.repairs++;
    watch->status.restored += changed;
    watch->status.bytes_restored +=
        (u64)changed * segment_seal_shape(&parcel->result.seal).fragment_length;
    finish(watch, job);
    log_info("watch", "segment %llu.%u.%llu: %u of %u fragments restored, %llu bytes moved",
             (unsigned long long)job->key.territory, job->key.gateway,
             (unsigned long long)job->key.number, changed, job->wanted_count,
             (unsigned long long)(parcel->result.bytes_read + parcel->result.bytes_written));
}

static void settle_parcels(struct watch *watch, err sent, const struct chain_receipt *receipt,
                           const struct hash *topic)
{
    size_t kept = 0;
    for (size_t i = 0; i < watch->outbox_count; i++) {
        struct parcel *parcel = watch->outbox[i];
        if (!parcel->sent) {
            watch->outbox[kept++] = parcel;
            continue;
        }
        if (is_ok(sent)) {
            account_parcel(watch, parcel, count_changed(receipt, &parcel->job.key, topic));
        } else {
            postpone(watch, &parcel->job, sent);
        }
        mem_free(parcel);
    }
    watch->outbox_count = kept;
    watch->outbox_since_ms = loop_now_ms(watch->options.loop);
    event_wake_all(&watch->mail);
}

static void send_some(struct watch *watch)
{
    struct arena arena;
    struct abi_entry event;
    struct chain_receipt receipt = {0};
    arena_init(&arena, CALL_ARENA_BYTES);
    err parsed = abi_parse(&arena, SEGMENT_EV_HOLDER, &event);
    assert_that(is_ok(parsed));
    choose_parcels(watch);
    err e = send_parcels(watch, &arena, &receipt);
    settle_parcels(watch, e, &receipt, &event.topic);
    arena_free(&arena);
}

/* Waits a little for more, unless no more can come. */
static bool ready_to_send(const struct watch *watch)
{
    u64 waited_ms = loop_now_ms(watch->options.loop) - watch->outbox_since_ms;
    return watch->outbox_count != 0 &&
           (watch->rebuilding == 0 || waited_ms >= GATHER_MS || watch->outbox_count >= PARCELS_MAX);
}

void watch_sender(void *arg)
{
    struct watch *watch = arg;
    while (!watch->stopping) {
        if (ready_to_send(watch)) {
            send_some(watch);
            continue;
        }
        u64 until_ms =
            watch->outbox_count != 0 ? watch->outbox_since_ms + GATHER_MS : DEADLINE_NONE;
        if (is_err(event_wait(watch->options.loop, &watch->mail, until_ms), ERR_CANCELLED)) {
            return;
        }
    }
}

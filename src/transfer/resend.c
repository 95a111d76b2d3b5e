#include "transfer/resend.h"

#include "base/log.h"
#include "base/mem.h"
#include "data/segment_encoder.h"
#include "transfer/draw.h"
#include "transfer/fan.h"
#include "transfer/spool.h"

#define RENEW_TIMEOUT_MS 5000

void entry_sort(struct segment_entry *entry)
{
    for (u8 i = 1; i < entry->receipt_count; i++) {
        struct holder_receipt r = entry->receipts[i];
        u8 j = i;
        for (; j > 0 && entry->receipts[j - 1].index > r.index; j--) {
            entry->receipts[j] = entry->receipts[j - 1];
        }
        entry->receipts[j] = r;
    }
}

u8 entry_missing(const struct segment_entry *entry, u8 missing[FRAGMENTS_MAX])
{
    bool have[FRAGMENTS_MAX] = {false};
    u8 count = 0;
    for (u8 i = 0; i < entry->receipt_count; i++) {
        have[entry->receipts[i].index] = true;
    }
    for (u8 i = 0; i < redundancy_n(redundancy_find((u8)entry->class_number)); i++) {
        if (!have[i]) {
            missing[count++] = i;
        }
    }
    return count;
}

static void entry_of_seal(const struct segment_seal *seal, u64 epoch, struct segment_entry *ret)
{
    *ret = (struct segment_entry){
        .number = seal->key.number,
        .epoch = epoch,
        .class_number = seal->class_number,
        .length = seal->length,
    };
    memcpy(ret->roots, seal->roots, sizeof ret->roots);
}

/* ---- coding again ---- */

struct recoding {
    const struct resend *resend;
    struct spool spool;
    struct segment_encoder encoder;
    struct segment_row row;
    u32 offset;
    u32 length;
    err result;
};

/* On a worker thread: one row of the segment. */
static void recode_row(void *arg)
{
    struct recoding *job = arg;
    job->result = spool_read(&job->spool, job->offset, job->row.memory, job->length);
    if (!is_ok(job->result)) {
        return;
    }
    job->row.filled = job->length;
    segment_encoder_row_begin(&job->encoder, &job->row);
    segment_encoder_row_encode(&job->encoder, &job->row);
    for (u8 i = 0; i < job->resend->count; i++) {
        segment_encoder_row_hash(&job->encoder, &job->row, job->resend->fragments[i]);
    }
}

static err push_rows(struct recoding *job, struct fan *fan, u64 deadline_ms)
{
    const struct segment_seal *seal = job->resend->seal;
    u32 row_bytes = job->encoder.info->k * (u32)UNIT_BYTES;
    for (u32 at = 0; at < seal->length && fan_live(fan) != 0; at += row_bytes) {
        u8 *memory;
        TRY(fan_open_row(fan, 0, deadline_ms, &memory));
        segment_row_init(&job->row, memory);
        job->offset = at;
        job->length = (u32)min_u64(row_bytes, seal->length - at);
        worker_run(job->resend->options->loop, recode_row, job);
        TRY(job->result);
        fan_push_row(fan, job->row.units, job->row.unit_bytes);
    }
    return ok();
}

/* Does what was sent have the roots that were sealed? */
static bool roots_match(const struct recoding *job)
{
    for (u8 i = 0; i < job->resend->count; i++) {
        struct hash root;
        u8 fragment = job->resend->fragments[i];
        merkle_builder_root(&job->encoder.trees[fragment], &root);
        if (!hash_eq(&root, &job->resend->seal->roots[fragment])) {
            return false;
        }
    }
    return true;
}

static err send_all(struct recoding *job, struct fan *fan, u64 deadline_ms,
                    struct segment_entry *entry)
{
    const struct resend *r = job->resend;
    for (u8 i = 0; i < r->count; i++) {
        TRY(fan_add(fan, r->fragments[i], &r->holders[i]));
    }
    err e = push_rows(job, fan, deadline_ms);
    if (is_ok(e) && fan_live(fan) == 0) {
        return fan_failure(fan);
    }
    if (is_err(e, ERR_IO) || is_err(e, ERR_MALFORMED) || (is_ok(e) && !roots_match(job))) {
        log_warn("transfer", "spool file %s is damaged, it is removed", job->spool.path);
        spool_remove(r->options->spool_dir, &r->seal->key);
        return fail(ERR_NOT_FOUND);
    }
    TRY(e);
    fan_end(fan, r->seal);
    TRY(fan_wait(fan, r->count, deadline_ms));
    u8 before = entry->receipt_count;
    fan_receipts(fan, entry);
    entry_sort(entry);
    return entry->receipt_count != before ? ok() : fan_failure(fan);
}

err resend_run(const struct resend *resend, u64 deadline_ms, struct segment_entry *entry)
{
    const struct segment_put_options *o = resend->options;
    struct recoding *job = MEM_NEW(struct recoding);
    job->resend = resend;
    err e = spool_open(&job->spool, o->spool_dir, resend->seal);
    if (is_ok(e)) {
        segment_encoder_init(&job->encoder, resend->seal->class_number);
        struct fan *fan = fan_new(&(struct fan_options){
            .loop = o->loop,
            .directory = o->directory,
            .http = o->http,
            .who = o->who,
            .key = resend->seal->key,
            .row_bytes = segment_row_footprint(job->encoder.info),
            .stall_timeout_ms = o->stall_timeout_ms,
            .fibers = o->fibers,
        });
        e = send_all(job, fan, deadline_ms, entry);
        fan_free(fan);
        spool_close(&job->spool);
    }
    mem_free(job);
    return e;
}

/* ---- the public parts ---- */

err segment_put_resend(const struct segment_put_options *options, const struct segment_seal *seal,
                       const struct placement_holder *holders, size_t holder_count,
                       const u8 *missing, u8 missing_count, u64 deadline_ms,
                       struct segment_entry *ret_late)
{
    struct resend resend = {.options = options, .seal = seal};
    struct draw draw;
    struct spool probe = {0};
    size_t count;
    TRY(spool_open(&probe, options->spool_dir, seal));
    spool_close(&probe);
    TRY(draw_open_repair(options->chain, &seal->key, seal->class_number, deadline_ms, &draw));
    const struct draw_wish wish = {missing_count, 1, holders, holder_count};
    TRY(draw_choose(options->chain, options->directory, &draw, &wish, deadline_ms, resend.holders,
                    &count));
    if (count == 0) {
        return fail(ERR_REFUSED);
    }
    resend.count = (u8)count;
    memcpy(resend.fragments, missing, count);
    entry_of_seal(seal, draw.seed.epoch, ret_late);
    return resend_run(&resend, deadline_ms, ret_late);
}

/* One receipt that is asked for again. */
struct renewal {
    const struct segment_put_options *options;
    const struct segment_seal *seal;
    struct provider_view provider;
    u64 deadline_ms;
    err result;
    struct holder_receipt receipt; /* before: the old one */
};

static void renew_run(void *arg)
{
    struct renewal *r = arg;
    struct holder_receipt fresh;
    r->result = store_renew(r->options->http, r->options->who, &r->provider, r->seal,
                            r->receipt.index, r->deadline_ms, &fresh);
    if (is_ok(r->result)) {
        fresh.draw = r->receipt.draw;
        r->receipt = fresh;
    } else if (!is_err(r->result, ERR_CANCELLED)) {
        enum provider_fault fault =
            is_err(r->result, ERR_NOT_FOUND) ? PROVIDER_LACKS : provider_fault_of(r->result);
        directory_blame(r->options->directory, r->provider.index, fault, &r->seal->key);
    }
}

/* Asks all holders that the draw names, at once; those that sign are in `fresh`. */
static err renew_all(const struct segment_put_options *options, const struct segment_seal *seal,
                     const struct draw *draw, const struct segment_entry *old, u64 deadline_ms,
                     struct segment_entry *fresh)
{
    struct renewal renewals[FRAGMENTS_MAX];
    struct group group;
    err e = ok();
    group_init(&group);
    u64 until_ms = min_u64(deadline_ms, loop_now_ms(options->loop) + RENEW_TIMEOUT_MS);
    for (u8 i = 0; i < old->receipt_count; i++) {
        struct renewal *r = &renewals[i];
        bool drawn = false;
        *r = (struct renewal){options, seal, .deadline_ms = until_ms, .result = fail(ERR_REFUSED)};
        r->receipt = old->receipts[i];
        if (is_ok(e)) {
            e = draw_index_of(options->chain, options->directory, draw, r->receipt.provider,
                              deadline_ms, &r->receipt.draw, &drawn);
        }
        if (drawn && is_ok(directory_get(options->directory, r->receipt.provider, &r->provider))) {
            IGNORE(group_start(options->loop, &group, "renew", renew_run, r)); /* refused then */
        }
    }
    group_wait(options->loop, &group);
    for (u8 i = 0; i < old->receipt_count; i++) {
        if (is_ok(renewals[i].result)) {
            fresh->receipts[fresh->receipt_count++] = renewals[i].receipt;
        } else if (is_err(renewals[i].result, ERR_CANCELLED)) {
            e = renewals[i].result;
        }
    }
    return e;
}

/* Holders that were lost on the way are replaced as far as a quorum needs it. */
static err replace_lost(const struct segment_put_options *options, const struct segment_seal *seal,
                        const struct draw *draw, u64 deadline_ms, struct segment_entry *entry)
{
    struct resend resend = {.options = options, .seal = seal};
    struct placement_holder taken[FRAGMENTS_MAX];
    size_t count;
    u8 needed = (u8)(redundancy_quorum(draw->info) - entry->receipt_count);
    u8 missing = entry_missing(entry, resend.fragments);
    for (u8 i = 0; i < entry->receipt_count; i++) {
        taken[i] = (struct placement_holder){entry->receipts[i].provider, 0};
    }
    const struct draw_wish wish = {missing, needed, taken, entry->receipt_count};
    TRY(draw_choose(options->chain, options->directory, draw, &wish, deadline_ms, resend.holders,
                    &count));
    if (count < needed) {
        return fail(ERR_NETWORK);
    }
    resend.count = (u8)count;
    err e = resend_run(&resend, deadline_ms, entry);
    return entry->receipt_count >= redundancy_quorum(draw->info) ? ok()
           : is_err(e, ERR_CANCELLED)                            ? e
                                                                 : fail(ERR_NETWORK);
}

err segment_put_reissue(const struct segment_put_options *options, const struct segment_seal *seal,
                        u64 deadline_ms, struct segment_entry *entry)
{
    struct draw draw;
    struct segment_entry fresh;
    TRY(draw_open(options->chain, &seal->key, seal->class_number, deadline_ms, &draw));
    entry_of_seal(seal, draw.seed.epoch, &fresh);
    TRY(renew_all(options, seal, &draw, entry, deadline_ms, &fresh));
    if (fresh.receipt_count < redundancy_quorum(draw.info)) {
        TRY(replace_lost(options, seal, &draw, deadline_ms, &fresh));
    }
    *entry = fresh;
    return ok();
}

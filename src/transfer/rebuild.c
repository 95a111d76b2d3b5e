#include "transfer/segment_get.h"

#include "base/log.h"
#include "base/mem.h"
#include "data/fragment_writer.h"
#include "transfer/draw.h"
#include "transfer/fan.h"
#include "transfer/resend.h"
#include "transfer/row_reader.h"

struct rebuild {
    struct segment_source *source;
    struct segment_facts facts;
    struct draw draw;
    u8 count;
    u8 wanted[FRAGMENTS_MAX];
    struct placement_holder holders[FRAGMENTS_MAX]; /* new ones */
    struct merkle_builder trees[FRAGMENTS_MAX];     /* of what is rebuilt */
    struct row_reader *reader;
    struct fan *fan;
};

static err draw_new_holders(struct rebuild *r, const u8 *wanted, u8 wanted_count, u64 deadline_ms)
{
    const struct segment_source_options *o = &r->source->options;
    struct placement_holder taken[FRAGMENTS_MAX];
    size_t taken_count = 0;
    size_t found;
    u32 gone = 0;
    for (u8 i = 0; i < wanted_count; i++) {
        gone |= 1u << wanted[i];
    }
    for (u8 i = 0; i < redundancy_n(r->facts.info); i++) {
        if (r->facts.holders[i] != 0 && !(gone >> i & 1)) {
            taken[taken_count++] = (struct placement_holder){r->facts.holders[i], 0};
        }
    }
    TRY(draw_open_repair(o->chain, &r->facts.seal.key, r->facts.seal.class_number, deadline_ms,
                         &r->draw));
    const struct draw_wish wish = {wanted_count, 1, taken, taken_count};
    TRY(draw_choose(o->chain, o->directory, &r->draw, &wish, deadline_ms, r->holders, &found));
    r->count = (u8)found;
    memcpy(r->wanted, wanted, found);
    return found != 0 ? ok() : fail(ERR_REFUSED);
}

/* A wanted fragment whose holder is still there (it drains) is copied; the rest is decoded. */
static void open_reader(struct rebuild *r)
{
    u32 rows = segment_rows(&r->facts.shape);
    struct row_reader_options options = {.source = r->source, .facts = r->facts, .end_row = rows};
    for (u8 i = 0; i < r->count; i++) {
        options.end_rows[r->wanted[i]] = rows;
    }
    r->reader = row_reader_new(&options);
}

static err open_fan(struct rebuild *r)
{
    const struct segment_source_options *o = &r->source->options;
    r->fan = fan_new(&(struct fan_options){
        .loop = o->loop,
        .directory = o->directory,
        .http = o->http,
        .who = o->who,
        .key = r->facts.seal.key,
        .row_bytes = r->count * (size_t)UNIT_BYTES,
        .fibers = &r->source->lanes,
    });
    for (u8 i = 0; i < r->count; i++) {
        merkle_builder_init(&r->trees[i]);
        TRY(fan_add(r->fan, r->wanted[i], &r->holders[i]));
    }
    return ok();
}

struct unit_job {
    struct rebuild *rebuild;
    const u8 *from[FRAGMENTS_MAX]; /* by fragment */
    u8 *to[FRAGMENTS_MAX];
    u32 unit_bytes;
};

/* On a worker thread. */
static void copy_units(void *arg)
{
    struct unit_job *job = arg;
    struct rebuild *r = job->rebuild;
    for (u8 i = 0; i < r->count; i++) {
        u8 *to = job->to[r->wanted[i]];
        memcpy(to, job->from[r->wanted[i]], job->unit_bytes);
        fragment_leaves_add(&r->trees[i], bytes_make(to, job->unit_bytes));
    }
}

static err move_row(struct rebuild *r, u32 row, u32 need, u64 deadline_ms)
{
    struct unit_job job = {.rebuild = r, .unit_bytes = segment_unit_bytes(&r->facts.shape, row)};
    u8 *memory;
    TRY(row_reader_next(r->reader, need, deadline_ms, job.from));
    TRY(fan_open_row(r->fan, 0, deadline_ms, &memory));
    for (u8 i = 0; i < r->count; i++) {
        job.to[r->wanted[i]] = memory + (size_t)i * job.unit_bytes;
    }
    worker_run(r->source->options.loop, copy_units, &job);
    fan_push_row(r->fan, job.to, job.unit_bytes);
    return ok();
}

/* Any k fragments of a codeword give the others. If they do not, whoever sealed the segment lied,
 * and no holder is to blame. */
static err check_roots(const struct rebuild *r)
{
    const struct segment_key *key = &r->facts.seal.key;
    for (u8 i = 0; i < r->count; i++) {
        struct hash root;
        merkle_builder_root(&r->trees[i], &root);
        if (!hash_eq(&root, &r->facts.seal.roots[r->wanted[i]])) {
            log_warn("transfer", "segment %llu.%u.%llu is no codeword: fragment %u differs",
                     (unsigned long long)key->territory, key->gateway,
                     (unsigned long long)key->number, r->wanted[i]);
            return fail(ERR_INTEGRITY);
        }
    }
    return ok();
}

static err move_rows(struct rebuild *r, u64 deadline_ms)
{
    u32 need = 0;
    TRY(open_fan(r));
    open_reader(r);
    for (u8 i = 0; i < r->count; i++) {
        need |= 1u << r->wanted[i];
    }
    for (u32 row = 0; row < segment_rows(&r->facts.shape) && fan_live(r->fan) != 0; row++) {
        TRY(move_row(r, row, need, deadline_ms));
    }
    if (fan_live(r->fan) == 0) {
        return fan_failure(r->fan);
    }
    TRY(check_roots(r));
    fan_end(r->fan, &r->facts.seal);
    return fan_wait(r->fan, r->count, deadline_ms);
}

static err take_result(struct rebuild *r, struct rebuild_result *ret_result)
{
    struct segment_entry entry = {.class_number = r->facts.seal.class_number};
    fan_receipts(r->fan, &entry);
    if (entry.receipt_count == 0) {
        return fail(ERR_NETWORK);
    }
    entry_sort(&entry);
    *ret_result = (struct rebuild_result){
        .seal = r->facts.seal,
        .epoch = r->draw.seed.epoch,
        .count = entry.receipt_count,
        .bytes_read = row_reader_bytes(r->reader),
        .bytes_written = fan_bytes(r->fan),
    };
    memcpy(ret_result->receipts, entry.receipts, entry.receipt_count * sizeof entry.receipts[0]);
    return ok();
}

err segment_rebuild(struct segment_source *source, const struct segment_key *key, const u8 *wanted,
                    u8 wanted_count, u64 deadline_ms, struct rebuild_result *ret_result)
{
    struct rebuild *r = MEM_NEW(struct rebuild);
    r->source = source;
    err e = source_facts(source, key, true, deadline_ms, &r->facts);
    if (is_ok(e)) {
        e = draw_new_holders(r, wanted, wanted_count, deadline_ms);
    }
    if (is_ok(e)) {
        e = move_rows(r, deadline_ms);
    }
    if (is_ok(e)) {
        e = take_result(r, ret_result);
    }
    row_reader_free(r->reader);
    fan_free(r->fan);
    mem_free(r);
    return e;
}

#include "transfer/segment_get.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "transfer/draw.h"
#include "transfer/row_reader.h"

#define REBUILD_WRITE_TIMEOUT_MS 20000
#define REBUILD_FINISH_TIMEOUT_MS 60000

struct segment_get {
    struct segment_facts facts;
    struct row_reader *reader;
    u32 at;  /* next byte of the segment */
    u32 end;
    const u8 *units[FRAGMENTS_MAX]; /* of the row that `at` lies in */
    u32 row_end;                    /* segment offset behind that row; at == row_end: fetch */
};

static u32 row_of(const struct segment_facts *facts, u32 offset)
{
    return offset / (u32)(facts->info->k * UNIT_BYTES);
}

/* Data fragments that [at, end) touches in the row of `at`. */
static u32 touched(const struct segment_facts *facts, u32 at, u32 end, u32 *ret_row_end)
{
    u32 row_bytes = (u32)(facts->info->k * UNIT_BYTES);
    u32 row = at / row_bytes;
    u32 unit = segment_unit_bytes(&facts->shape, row);
    u32 row_begin = row * row_bytes;
    u32 row_end = (u32)min_u64(end, (u64)row_begin + (u64)unit * facts->info->k);
    u32 need = 0;
    for (u32 i = (at - row_begin) / unit; i <= (row_end - 1 - row_begin) / unit; i++) {
        need |= 1u << i;
    }
    *ret_row_end = row_end;
    return need;
}

/* How far each data fragment is read: the rows in which the range touches it. */
static void plan_rows(const struct segment_facts *facts, u32 offset, u32 end,
                      struct row_reader_options *options)
{
    u32 row_end;
    options->first_row = row_of(facts, offset);
    options->end_row = row_of(facts, end - 1) + 1;
    u32 last_begin = (options->end_row - 1) * (u32)(facts->info->k * UNIT_BYTES);
    u32 last = touched(facts, (u32)max_u64(last_begin, offset), end, &row_end);
    for (u8 i = 0; i < facts->info->k; i++) {
        options->end_rows[i] = last >> i & 1 ? options->end_row : options->end_row - 1;
    }
}

err segment_get_open(struct segment_source *source, const struct segment_key *key, u32 offset,
                     u32 length, u64 deadline_ms, struct segment_get **ret_get)
{
    struct row_reader_options options = {.source = source};
    TRY(source_facts(source, key, false, deadline_ms, &options.facts));
    if (length == 0 || length > options.facts.seal.length ||
        offset > options.facts.seal.length - length) {
        return fail(ERR_MALFORMED); /* a locator that the segment does not have */
    }
    plan_rows(&options.facts, offset, offset + length, &options);
    struct segment_get *get = MEM_NEW(struct segment_get);
    *get = (struct segment_get){
        .facts = options.facts, .at = offset, .end = offset + length, .row_end = offset};
    get->reader = row_reader_new(&options);
    *ret_get = get;
    return ok();
}

err segment_get_next(struct segment_get *get, void *out, size_t cap, u64 deadline_ms,
                     size_t *ret_len)
{
    if (get->at == get->end) {
        *ret_len = 0;
        return ok();
    }
    if (get->at == get->row_end) {
        u32 row_end;
        u32 need = touched(&get->facts, get->at, get->end, &row_end);
        TRY(row_reader_next(get->reader, need, deadline_ms, get->units));
        get->row_end = row_end;
    }
    u8 fragment;
    u32 offset;
    u32 run;
    segment_locate(&get->facts.shape, get->at, &fragment, &offset, &run);
    size_t len = min_size(min_size(cap, run), get->row_end - get->at);
    memcpy(out, get->units[fragment] + offset % UNIT_BYTES, len);
    get->at += (u32)len;
    *ret_len = len;
    return ok();
}

void segment_get_close(struct segment_get *get)
{
    if (get != NULL) {
        row_reader_free(get->reader);
        mem_free(get);
    }
}

/* ---- rebuilding ---- */

struct rebuild {
    struct segment_source *source;
    struct segment_facts facts;
    struct draw draw;
    u8 count;
    u8 wanted[FRAGMENTS_MAX];
    struct placement_holder holders[FRAGMENTS_MAX];
    struct store_upload *uploads[FRAGMENTS_MAX]; /* NULL: given up */
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
    TRY(draw_choose(o->chain, o->directory, &r->draw, wanted_count, taken, taken_count, deadline_ms,
                    r->holders, &found));
    r->count = (u8)found;
    memcpy(r->wanted, wanted, found);
    return found != 0 ? ok() : fail(ERR_REFUSED);
}

/* The k best of the others serve; the ones to be rebuilt are nobody's any more. */
static struct row_reader *open_reader(struct rebuild *r)
{
    struct row_reader_options options = {
        .source = r->source, .facts = r->facts, .end_row = segment_rows(&r->facts.shape)};
    for (u8 i = 0; i < r->count; i++) {
        options.facts.holders[r->wanted[i]] = 0;
    }
    return row_reader_new(&options);
}

static void give_up(struct rebuild *r, u8 i, enum provider_fault fault)
{
    directory_blame(r->source->options.directory, r->holders[i].provider, fault,
                    &r->facts.seal.key);
    store_put_abort(r->uploads[i]);
    r->uploads[i] = NULL;
}

static err open_uploads(struct rebuild *r)
{
    const struct segment_source_options *o = &r->source->options;
    for (u8 i = 0; i < r->count; i++) {
        struct provider_view holder;
        TRY(directory_get(o->directory, r->holders[i].provider, &holder));
        err e = store_put_open(o->http, o->who, &holder, &r->facts.seal.key, r->wanted[i],
                               loop_now_ms(o->loop) + REBUILD_WRITE_TIMEOUT_MS, &r->uploads[i]);
        if (!is_ok(e)) {
            r->uploads[i] = NULL;
            give_up(r, i, PROVIDER_UNREACHABLE);
        }
    }
    return ok();
}

static err stream_rows(struct rebuild *r, struct row_reader *reader, u64 deadline_ms)
{
    struct loop *loop = r->source->options.loop;
    u32 need = 0;
    for (u8 i = 0; i < r->count; i++) {
        need |= 1u << r->wanted[i];
    }
    for (u32 row = 0; row < segment_rows(&r->facts.shape); row++) {
        const u8 *units[FRAGMENTS_MAX] = {NULL};
        bytes unit = {NULL, segment_unit_bytes(&r->facts.shape, row)};
        TRY(row_reader_next(reader, need, deadline_ms, units));
        for (u8 i = 0; i < r->count; i++) {
            unit.data = units[r->wanted[i]];
            if (r->uploads[i] != NULL &&
                !is_ok(store_put_write(r->uploads[i], unit,
                                       loop_now_ms(loop) + REBUILD_WRITE_TIMEOUT_MS))) {
                give_up(r, i, PROVIDER_STALLED);
            }
        }
    }
    return ok();
}

static void finish_uploads(struct rebuild *r, struct rebuild_result *result)
{
    struct loop *loop = r->source->options.loop;
    for (u8 i = 0; i < r->count; i++) {
        if (r->uploads[i] == NULL) {
            continue;
        }
        struct holder_receipt *receipt = &result->receipts[result->count];
        err e = store_put_finish(r->uploads[i], &r->facts.seal,
                                 loop_now_ms(loop) + REBUILD_FINISH_TIMEOUT_MS, receipt);
        r->uploads[i] = NULL;
        if (is_ok(e)) {
            receipt->draw = r->holders[i].draw;
            result->count++;
            result->bytes_written += r->facts.shape.fragment_length;
        }
    }
}

/* A commit record wants its receipts in order of fragments. */
static void sort_receipts(struct rebuild_result *result)
{
    for (u8 i = 1; i < result->count; i++) {
        struct holder_receipt r = result->receipts[i];
        u8 j = i;
        for (; j > 0 && result->receipts[j - 1].index > r.index; j--) {
            result->receipts[j] = result->receipts[j - 1];
        }
        result->receipts[j] = r;
    }
}

err segment_rebuild(struct segment_source *source, const struct segment_key *key, const u8 *wanted,
                    u8 wanted_count, u64 deadline_ms, struct rebuild_result *ret_result)
{
    struct rebuild r = {.source = source};
    struct rebuild_result result = {0};
    TRY(source_facts(source, key, true, deadline_ms, &r.facts));
    TRY(draw_new_holders(&r, wanted, wanted_count, deadline_ms));
    struct row_reader *reader = open_reader(&r);
    err e = open_uploads(&r);
    if (is_ok(e)) {
        e = stream_rows(&r, reader, deadline_ms);
    }
    if (is_ok(e)) {
        finish_uploads(&r, &result);
        e = result.count != 0 ? ok() : fail(ERR_NETWORK);
    }
    for (u8 i = 0; i < r.count; i++) {
        store_put_abort(r.uploads[i]);
    }
    result.bytes_read = row_reader_bytes(reader);
    row_reader_free(reader);
    TRY(e);
    result.epoch = r.draw.seed.epoch;
    result.seal = r.facts.seal;
    sort_receipts(&result);
    *ret_result = result;
    return ok();
}

#include "transfer/segment_get.h"

#include "base/mem.h"
#include "transfer/row_reader.h"

struct segment_get {
    struct segment_facts facts;
    struct row_reader *reader;
    u32 at; /* next byte of the segment */
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

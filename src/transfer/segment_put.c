#include "transfer/segment_put.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "data/segment_encoder.h"
#include "transfer/draw.h"
#include "transfer/spool.h"

#define ROWS_IN_FLIGHT 2
#define STALL_TIMEOUT_MS 10000
#define SEAL_GRACE_MS 1500
#define PASSED_CHECK_MS 500
#define MEMORY_ALIGN 64
#define CONNECT_TIMEOUT_MS 5000
#define RECEIPT_TIMEOUT_MS 60000

enum holder_state {
    HOLDER_STREAMING, /* takes rows */
    HOLDER_DONE,      /* gave its receipt */
    HOLDER_FAILED,
};

/* One fragment on its way to one provider; its fiber is holder_run(). */
struct holder {
    struct segment_put *put;
    u8 index;
    struct provider_view provider;
    u16 draw;
    enum holder_state state;
    u32 rows_sent;
    u64 progress_ms; /* of the last row it took */
    struct holder_receipt receipt;
    bool handed_out; /* the receipt is in an entry */
};

struct segment_put {
    struct segment_put_options options;
    struct draw draw;
    struct segment_encoder encoder;
    struct segment_row rows[ROWS_IN_FLIGHT]; /* row r lives at r % ROWS_IN_FLIGHT */
    void *memory[ROWS_IN_FLIGHT];
    bool filling;      /* the row after the last ready one is open */
    u32 ready_rows;    /* coded, may be sent */
    bool sealing;      /* no row follows */
    bool aborted;
    struct segment_seal seal;
    struct spool spool;
    struct holder holders[FRAGMENTS_MAX];
    u8 holder_count;
    struct event changed; /* ready_rows, sealing, aborted, a holder's rows_sent or state */
    size_t references;    /* the user's, and one per running holder */
    u64 passed_checked_ms;
    bool passed;
};

static struct loop *loop_of(const struct segment_put *put) { return put->options.loop; }
static u8 quorum_of(const struct segment_put *put) { return redundancy_quorum(put->draw.info); }

static u8 count_holders(const struct segment_put *put, enum holder_state state)
{
    u8 count = 0;
    for (u8 i = 0; i < put->holder_count; i++) {
        count = (u8)(count + (put->holders[i].state == state));
    }
    return count;
}

/* A holder may hang on a stalled provider for a while after the put's user has gone. */
static void drop_reference(struct segment_put *put)
{
    if (--put->references != 0) {
        return;
    }
    spool_close(&put->spool);
    for (size_t i = 0; i < ROWS_IN_FLIGHT; i++) {
        mem_free(put->memory[i]);
    }
    mem_free(put);
}

/* ---- one holder ---- */

static err send_rows(struct holder *holder, struct store_upload *upload)
{
    struct segment_put *put = holder->put;
    for (;;) {
        while (holder->rows_sent == put->ready_rows && !put->sealing && !put->aborted &&
               holder->state == HOLDER_STREAMING) {
            TRY(event_wait(loop_of(put), &put->changed, DEADLINE_NONE));
        }
        if (put->aborted || holder->state != HOLDER_STREAMING) {
            return fail(ERR_CANCELLED);
        }
        if (holder->rows_sent == put->ready_rows) {
            return ok(); /* sealing, and all rows are out */
        }
        const struct segment_row *row = &put->rows[holder->rows_sent % ROWS_IN_FLIGHT];
        u64 now_ms = loop_now_ms(loop_of(put));
        TRY(store_put_write(upload, bytes_make(row->units[holder->index], row->unit_bytes),
                            now_ms + 2 * put->options.stall_timeout_ms));
        holder->rows_sent++;
        holder->progress_ms = loop_now_ms(loop_of(put));
        event_wake_all(&put->changed);
    }
}

static err run_upload(struct holder *holder)
{
    struct segment_put *put = holder->put;
    struct store_upload *upload;
    TRY(store_put_open(put->options.http, put->options.who, &holder->provider, &put->draw.key,
                       holder->index, loop_now_ms(loop_of(put)) + CONNECT_TIMEOUT_MS, &upload));
    err e = send_rows(holder, upload);
    if (!is_ok(e)) {
        store_put_abort(upload);
        return e;
    }
    u64 begin_ms = loop_now_ms(loop_of(put));
    TRY(store_put_finish(upload, &put->seal, begin_ms + RECEIPT_TIMEOUT_MS, &holder->receipt));
    directory_praise(put->options.directory, holder->provider.index,
                     loop_now_ms(loop_of(put)) - begin_ms);
    return ok();
}

static enum provider_fault blame_of(err e)
{
    return is_err(e, ERR_INTEGRITY) ? PROVIDER_LIED
           : is_err(e, ERR_TIMEOUT) ? PROVIDER_STALLED
                                    : PROVIDER_UNREACHABLE;
}

static void holder_run(void *arg)
{
    struct holder *holder = arg;
    struct segment_put *put = holder->put;
    err e = run_upload(holder);
    if (is_ok(e)) {
        holder->receipt.draw = holder->draw;
        holder->state = HOLDER_DONE;
    } else {
        if (holder->state == HOLDER_STREAMING && !put->aborted && !is_err(e, ERR_CANCELLED)) {
            directory_blame(put->options.directory, holder->provider.index, blame_of(e),
                            &put->draw.key);
        }
        holder->state = HOLDER_FAILED;
    }
    event_wake_all(&put->changed);
    drop_reference(put);
}

/* ---- opening ---- */

static err start_holders(struct segment_put *put, const struct placement_holder *drawn, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct holder *holder = &put->holders[i];
        *holder = (struct holder){
            .put = put,
            .index = (u8)i,
            .draw = drawn[i].draw,
            .progress_ms = loop_now_ms(loop_of(put)),
        };
        TRY(directory_get(put->options.directory, drawn[i].provider, &holder->provider));
        TRY(group_start(loop_of(put), put->options.fibers, "holder", holder_run, holder));
        put->references++;
        put->holder_count++;
    }
    return ok();
}

static err draw_holders(struct segment_put *put, u64 deadline_ms)
{
    const struct segment_put_options *o = &put->options;
    struct placement_holder drawn[FRAGMENTS_MAX];
    size_t count;
    TRY(draw_open(o->chain, &o->key, o->class_number, deadline_ms, &put->draw));
    TRY(draw_choose(o->chain, o->directory, &put->draw, redundancy_n(put->draw.info), NULL, 0,
                    deadline_ms, drawn, &count));
    if (count < quorum_of(put)) {
        log_warn("transfer", "%zu of %zu eligible storage nodes may hold a %s segment, %u are needed",
                 count, directory_eligible(o->directory), put->draw.info->name, quorum_of(put));
        return fail(ERR_REFUSED);
    }
    return start_holders(put, drawn, count);
}

err segment_put_open(const struct segment_put_options *options, u64 deadline_ms,
                     struct segment_put **ret_put)
{
    struct segment_put *put = MEM_NEW(struct segment_put);
    put->options = *options;
    if (put->options.stall_timeout_ms == 0) {
        put->options.stall_timeout_ms = STALL_TIMEOUT_MS;
    }
    event_init(&put->changed);
    put->references = 1;
    segment_encoder_init(&put->encoder, options->class_number);
    err e = spool_create(&put->spool, options->spool_dir, &options->key);
    if (is_ok(e)) {
        e = draw_holders(put, deadline_ms);
    }
    if (!is_ok(e)) {
        segment_put_free(put);
        return e;
    }
    *ret_put = put;
    return ok();
}

/* ---- writing ---- */

struct row_job {
    struct segment_put *put;
    struct segment_row *row;
    u32 offset; /* of the row in the segment */
    err result;
};

/* On a worker thread: parity, trees, and the copy in the spool. */
static void code_row(void *arg)
{
    struct row_job *job = arg;
    struct segment_encoder *encoder = &job->put->encoder;
    job->result = spool_write(&job->put->spool, job->offset,
                              bytes_make(job->row->memory, job->row->filled));
    segment_encoder_row_encode(encoder, job->row);
    for (u8 i = 0; i < redundancy_n(encoder->info); i++) {
        segment_encoder_row_hash(encoder, job->row, i);
    }
}

static bool row_slot_free(const struct segment_put *put)
{
    if (put->ready_rows < ROWS_IN_FLIGHT) {
        return true;
    }
    u32 oldest = put->ready_rows - ROWS_IN_FLIGHT; /* lives in the slot that comes next */
    for (u8 i = 0; i < put->holder_count; i++) {
        const struct holder *holder = &put->holders[i];
        if (holder->state == HOLDER_STREAMING && holder->rows_sent <= oldest) {
            return false;
        }
    }
    return true;
}

/* Gives up on holders that took nothing for the stall time, as long as a quorum goes on. */
static void drop_stalled(struct segment_put *put)
{
    u64 now_ms = loop_now_ms(loop_of(put));
    for (u8 i = 0; i < put->holder_count; i++) {
        struct holder *holder = &put->holders[i];
        bool behind = holder->state == HOLDER_STREAMING && holder->rows_sent < put->ready_rows;
        bool stalled = behind && now_ms - holder->progress_ms >= put->options.stall_timeout_ms;
        u8 live = (u8)(count_holders(put, HOLDER_STREAMING) + count_holders(put, HOLDER_DONE));
        if (stalled && live > quorum_of(put)) {
            holder->state = HOLDER_FAILED;
            directory_blame(put->options.directory, holder->provider.index, PROVIDER_STALLED,
                            &put->draw.key);
            event_wake_all(&put->changed);
        }
    }
}

static err wait_for_slot(struct segment_put *put, u64 deadline_ms)
{
    while (!row_slot_free(put)) {
        u64 check_ms = loop_now_ms(loop_of(put)) + put->options.stall_timeout_ms / 4 + 1;
        err e = event_wait(loop_of(put), &put->changed, min_u64(deadline_ms, check_ms));
        if (is_err(e, ERR_CANCELLED) ||
            (is_err(e, ERR_TIMEOUT) && loop_now_ms(loop_of(put)) >= deadline_ms)) {
            return e;
        }
        drop_stalled(put);
    }
    return ok();
}

/* Opens the next row for bytes. */
static err open_row(struct segment_put *put, u64 deadline_ms)
{
    TRY(wait_for_slot(put, deadline_ms));
    u32 slot = put->ready_rows % ROWS_IN_FLIGHT;
    if (put->memory[slot] == NULL) {
        put->memory[slot] = mem_alloc(segment_row_footprint(put->draw.info) + MEMORY_ALIGN);
    }
    uintptr_t at = (uintptr_t)put->memory[slot];
    size_t skip = (MEMORY_ALIGN - at % MEMORY_ALIGN) % MEMORY_ALIGN;
    segment_row_init(&put->rows[slot], (u8 *)put->memory[slot] + skip);
    put->filling = true;
    return ok();
}

static err finish_row(struct segment_put *put)
{
    struct segment_row *row = &put->rows[put->ready_rows % ROWS_IN_FLIGHT];
    struct row_job job = {.put = put, .row = row, .offset = put->encoder.length};
    put->filling = false;
    segment_encoder_row_begin(&put->encoder, row);
    worker_run(loop_of(put), code_row, &job);
    put->ready_rows++;
    for (u8 i = 0; i < put->holder_count; i++) {
        struct holder *holder = &put->holders[i];
        if (holder->rows_sent + 1 == put->ready_rows) {
            holder->progress_ms = loop_now_ms(loop_of(put)); /* idle until now: no stall */
        }
    }
    event_wake_all(&put->changed);
    return job.result;
}

err segment_put_write(struct segment_put *put, bytes in, u64 deadline_ms)
{
    assert_that(!put->sealing && in.len <= SEGMENT_BYTES_MAX - segment_put_length(put));
    while (in.len != 0) {
        if (!put->filling) {
            TRY(open_row(put, deadline_ms));
        }
        struct segment_row *row = &put->rows[put->ready_rows % ROWS_IN_FLIGHT];
        size_t taken = segment_encoder_fill(&put->encoder, row, in);
        in = bytes_slice(in, taken, in.len - taken);
        if (segment_encoder_row_ready(&put->encoder, row)) {
            TRY(finish_row(put));
        }
    }
    return ok();
}

u32 segment_put_length(const struct segment_put *put)
{
    const struct segment_row *row = &put->rows[put->ready_rows % ROWS_IN_FLIGHT];
    return put->encoder.length + (put->filling ? row->filled : 0);
}

struct segment_key segment_put_key(const struct segment_put *put) { return put->draw.key; }

bool segment_put_passed(const struct segment_put *put)
{
    struct segment_put *cache = (struct segment_put *)(uintptr_t)put;
    u64 now_ms = loop_now_ms(loop_of(put));
    if (!put->passed && now_ms - put->passed_checked_ms >= PASSED_CHECK_MS) {
        cache->passed_checked_ms = now_ms;
        IGNORE(draw_passed(put->options.chain, &put->draw, now_ms + STALL_TIMEOUT_MS,
                           &cache->passed)); /* asked again soon */
    }
    return put->passed;
}

/* ---- sealing ---- */

/* Receipts that no earlier entry had. */
static void make_entry(struct segment_put *put, struct segment_entry *ret_entry)
{
    *ret_entry = (struct segment_entry){
        .number = put->draw.key.number,
        .epoch = put->draw.seed.epoch,
        .class_number = put->options.class_number,
        .length = put->seal.length,
    };
    memcpy(ret_entry->roots, put->seal.roots, sizeof ret_entry->roots);
    for (u8 i = 0; i < put->holder_count; i++) {
        struct holder *holder = &put->holders[i];
        if (holder->state == HOLDER_DONE && !holder->handed_out) {
            holder->handed_out = true;
            ret_entry->receipts[ret_entry->receipt_count++] = holder->receipt;
        }
    }
}

static err make_seal(struct segment_put *put)
{
    struct segment_shape shape;
    struct hash id;
    put->seal = (struct segment_seal){
        .key = put->draw.key,
        .class_number = put->options.class_number,
        .length = put->encoder.length,
    };
    segment_encoder_finish(&put->encoder, put->seal.roots, &shape, &id);
    return spool_seal(&put->spool, &put->seal);
}

/* Waits for a quorum, then a little longer for holders that are still at it. */
static err wait_for_receipts(struct segment_put *put, u64 deadline_ms)
{
    u64 grace_end_ms = 0;
    for (;;) {
        u64 now_ms = loop_now_ms(loop_of(put));
        u8 done = count_holders(put, HOLDER_DONE);
        u8 streaming = count_holders(put, HOLDER_STREAMING);
        if (streaming == 0 || done + streaming < quorum_of(put)) {
            return ok();
        }
        if (done >= quorum_of(put) && grace_end_ms == 0) {
            grace_end_ms = min_u64(now_ms + SEAL_GRACE_MS, deadline_ms);
        }
        u64 until_ms = grace_end_ms != 0 ? grace_end_ms : deadline_ms;
        if (now_ms >= until_ms) {
            return ok();
        }
        err e = event_wait(loop_of(put), &put->changed, until_ms);
        if (is_err(e, ERR_CANCELLED)) {
            return e;
        }
    }
}

/* Too few receipts: further draws, from the spool. */
static err top_up(struct segment_put *put, u64 deadline_ms, struct segment_entry *entry);

err segment_put_seal(struct segment_put *put, u64 deadline_ms, struct segment_entry *ret_entry,
                     struct segment_seal *ret_seal)
{
    if (put->filling) {
        TRY(finish_row(put));
    }
    TRY(make_seal(put));
    put->sealing = true;
    event_wake_all(&put->changed);
    TRY(wait_for_receipts(put, deadline_ms));
    make_entry(put, ret_entry);
    if (ret_entry->receipt_count < quorum_of(put)) {
        TRY(top_up(put, deadline_ms, ret_entry));
    }
    *ret_seal = put->seal;
    return ok();
}

err segment_put_late(struct segment_put *put, u64 deadline_ms, struct segment_entry *ret_late)
{
    while (count_holders(put, HOLDER_STREAMING) != 0 && loop_now_ms(loop_of(put)) < deadline_ms) {
        err e = event_wait(loop_of(put), &put->changed, deadline_ms);
        if (is_err(e, ERR_CANCELLED)) {
            return e;
        }
    }
    make_entry(put, ret_late);
    return ok();
}

void segment_put_free(struct segment_put *put)
{
    if (put == NULL) {
        return;
    }
    put->aborted = true;
    for (u8 i = 0; i < put->holder_count; i++) {
        if (put->holders[i].state == HOLDER_STREAMING) {
            put->holders[i].state = HOLDER_FAILED;
        }
    }
    event_wake_all(&put->changed);
    drop_reference(put);
}

/* ---- from the spool: replacing holders ---- */

/* One fragment that is coded again from the spool and sent to a new holder. */
struct resend {
    const struct segment_put_options *options;
    const struct segment_seal *seal;
    struct provider_view provider;
    u8 index;
    u64 deadline_ms;
    err result;
    struct holder_receipt receipt;
};

struct spool_row_job {
    struct spool *spool;
    struct segment_encoder *encoder;
    struct segment_row *row;
    u32 offset;
    u32 length;
    err result;
};

static void read_spool_row(void *arg)
{
    struct spool_row_job *job = arg;
    job->result = spool_read(job->spool, job->offset, job->row->memory, job->length);
    if (is_ok(job->result)) {
        job->row->filled = job->length;
        segment_encoder_row_begin(job->encoder, job->row);
        segment_encoder_row_encode(job->encoder, job->row);
    }
}

static err send_from_spool(struct resend *r, struct spool *spool, struct segment_encoder *encoder,
                           u8 *memory, struct store_upload *upload)
{
    struct segment_row row;
    u32 row_bytes = (u32)(encoder->info->k * UNIT_BYTES);
    for (u32 at = 0; at < r->seal->length; at += row_bytes) {
        segment_row_init(&row, memory);
        struct spool_row_job job = {spool, encoder, &row, at,
                                    (u32)min_u64(row_bytes, r->seal->length - at), ok()};
        worker_run(r->options->loop, read_spool_row, &job);
        TRY(job.result);
        TRY(store_put_write(upload, bytes_make(row.units[r->index], row.unit_bytes),
                            r->deadline_ms));
    }
    return ok();
}

static err resend_one(struct resend *r)
{
    struct spool spool = {0};
    struct store_upload *upload;
    TRY(spool_open(&spool, r->options->spool_dir, r->seal));
    err e = store_put_open(r->options->http, r->options->who, &r->provider, &r->seal->key, r->index,
                           r->deadline_ms, &upload);
    if (is_ok(e)) {
        struct segment_encoder *encoder = MEM_NEW(struct segment_encoder);
        segment_encoder_init(encoder, r->seal->class_number);
        u8 *memory = mem_alloc(segment_row_footprint(encoder->info) + MEMORY_ALIGN);
        size_t skip = (MEMORY_ALIGN - (uintptr_t)memory % MEMORY_ALIGN) % MEMORY_ALIGN;
        e = send_from_spool(r, &spool, encoder, memory + skip, upload);
        mem_free(memory);
        mem_free(encoder);
        if (is_ok(e)) {
            e = store_put_finish(upload, r->seal, r->deadline_ms, &r->receipt);
        } else {
            store_put_abort(upload);
        }
    }
    spool_close(&spool);
    return e;
}

static void resend_run(void *arg)
{
    struct resend *r = arg;
    r->result = resend_one(r);
    if (!is_ok(r->result) && !is_err(r->result, ERR_CANCELLED) &&
        !is_err(r->result, ERR_NOT_FOUND)) {
        directory_blame(r->options->directory, r->provider.index, blame_of(r->result),
                        &r->seal->key);
    }
}

/* Sends the missing fragments to the drawn holders, all at once; good receipts join the entry. */
static err resend_to(const struct segment_put_options *options, const struct segment_seal *seal,
                     const u8 *missing, const struct placement_holder *drawn, size_t count,
                     u64 deadline_ms, struct segment_entry *entry)
{
    struct resend resends[FRAGMENTS_MAX];
    struct group group;
    err last = ok();
    group_init(&group);
    for (size_t i = 0; i < count; i++) {
        resends[i] = (struct resend){.options = options,
                                     .seal = seal,
                                     .index = missing[i],
                                     .deadline_ms = deadline_ms,
                                     .result = fail(ERR_CANCELLED)};
        if (is_ok(directory_get(options->directory, drawn[i].provider, &resends[i].provider))) {
            IGNORE(group_start(options->loop, &group, "resend", resend_run, &resends[i]));
        }
    }
    group_wait(options->loop, &group);
    for (size_t i = 0; i < count; i++) {
        if (is_ok(resends[i].result)) {
            resends[i].receipt.draw = drawn[i].draw;
            entry->receipts[entry->receipt_count++] = resends[i].receipt;
        } else {
            last = resends[i].result;
        }
    }
    return last;
}

static void sort_receipts(struct segment_entry *entry)
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

static u8 missing_of(const struct segment_entry *entry, u8 n, u8 missing[FRAGMENTS_MAX])
{
    bool have[FRAGMENTS_MAX] = {false};
    u8 count = 0;
    for (u8 i = 0; i < entry->receipt_count; i++) {
        have[entry->receipts[i].index] = true;
    }
    for (u8 i = 0; i < n; i++) {
        if (!have[i]) {
            missing[count++] = i;
        }
    }
    return count;
}

static err top_up(struct segment_put *put, u64 deadline_ms, struct segment_entry *entry)
{
    const struct segment_put_options *o = &put->options;
    while (entry->receipt_count < quorum_of(put)) {
        struct placement_holder taken[FRAGMENTS_MAX];
        struct placement_holder drawn[FRAGMENTS_MAX];
        u8 missing[FRAGMENTS_MAX];
        size_t count;
        u8 missing_count = missing_of(entry, redundancy_n(put->draw.info), missing);
        for (u8 i = 0; i < entry->receipt_count; i++) {
            taken[i] = (struct placement_holder){entry->receipts[i].provider, 0};
        }
        TRY(draw_choose(o->chain, o->directory, &put->draw, missing_count, taken,
                        entry->receipt_count, deadline_ms, drawn, &count));
        if (entry->receipt_count + count < quorum_of(put)) {
            log_warn("transfer", "only %u receipts and %zu more storage nodes for segment %llu",
                     entry->receipt_count, count, (unsigned long long)put->draw.key.number);
            return fail(ERR_NETWORK);
        }
        err e = resend_to(o, &put->seal, missing, drawn, count, deadline_ms, entry);
        sort_receipts(entry);
        if (is_err(e, ERR_CANCELLED) || loop_now_ms(o->loop) >= deadline_ms) {
            return is_ok(e) ? fail(ERR_TIMEOUT) : e;
        }
    }
    return ok();
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

err segment_put_resend(const struct segment_put_options *options, const struct segment_seal *seal,
                       const struct placement_holder *holders, size_t holder_count,
                       const u8 *missing, u8 missing_count, u64 deadline_ms,
                       struct segment_entry *ret_late)
{
    struct spool probe = {0};
    TRY(spool_open(&probe, options->spool_dir, seal));
    spool_close(&probe);

    struct draw draw;
    struct placement_holder drawn[FRAGMENTS_MAX];
    size_t count;
    TRY(draw_open_repair(options->chain, &seal->key, seal->class_number, deadline_ms, &draw));
    TRY(draw_choose(options->chain, options->directory, &draw, missing_count, holders, holder_count,
                    deadline_ms, drawn, &count));
    entry_of_seal(seal, draw.seed.epoch, ret_late);
    if (count == 0) {
        return fail(ERR_REFUSED);
    }
    err e = resend_to(options, seal, missing, drawn, count, deadline_ms, ret_late);
    sort_receipts(ret_late);
    return ret_late->receipt_count != 0 ? ok() : e;
}

err segment_put_reissue(const struct segment_put_options *options, const struct segment_seal *seal,
                        u64 deadline_ms, struct segment_entry *entry)
{
    struct draw draw;
    struct segment_entry fresh;
    TRY(draw_open(options->chain, &seal->key, seal->class_number, deadline_ms, &draw));
    entry_of_seal(seal, draw.seed.epoch, &fresh);
    for (u8 i = 0; i < entry->receipt_count; i++) {
        const struct holder_receipt *old = &entry->receipts[i];
        struct holder_receipt *receipt = &fresh.receipts[fresh.receipt_count];
        struct provider_view provider;
        bool drawn;
        u16 index;
        TRY(draw_index_of(options->chain, options->directory, &draw, old->provider, deadline_ms,
                          &index, &drawn));
        if (!drawn || !is_ok(directory_get(options->directory, old->provider, &provider))) {
            continue;
        }
        err e = store_renew(options->http, options->who, &provider, seal, old->index, deadline_ms,
                            receipt);
        if (is_ok(e)) {
            receipt->draw = index;
            fresh.receipt_count++;
        } else if (is_err(e, ERR_CANCELLED)) {
            return e;
        }
    }
    if (fresh.receipt_count < redundancy_quorum(draw.info)) {
        return fail(ERR_NETWORK);
    }
    *entry = fresh;
    return ok();
}

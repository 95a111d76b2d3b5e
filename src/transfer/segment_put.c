#include "transfer/segment_put.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "data/segment_encoder.h"
#include "transfer/draw.h"
#include "transfer/fan.h"
#include "transfer/resend.h"
#include "transfer/spool.h"

#define PASSED_CHECK_MS 500
#define PASSED_TIMEOUT_MS 10000
#define TOP_UPS_MAX 5
#define TOP_UP_PAUSE_MS 300

/* Whether the ticket's epoch has passed, as of the last look. */
struct passed_check {
    bool passed;
    bool asking;
    u64 asked_ms;
};

struct segment_put {
    struct segment_put_options options;
    struct draw draw;
    struct segment_encoder encoder;
    struct segment_row row; /* filled now, if filling */
    bool filling;
    struct fan *fan;
    struct spool spool;
    struct segment_seal seal;
    bool sealed;
    struct passed_check *check;
};

static struct loop *loop_of(const struct segment_put *put) { return put->options.loop; }
static u8 quorum_of(const struct segment_put *put) { return redundancy_quorum(put->draw.info); }

/* ---- opening ---- */

static err start_holders(struct segment_put *put, const struct placement_holder *drawn,
                         size_t count)
{
    const struct segment_put_options *o = &put->options;
    put->fan = fan_new(&(struct fan_options){
        .loop = o->loop,
        .directory = o->directory,
        .http = o->http,
        .who = o->who,
        .key = o->key,
        .row_bytes = segment_row_footprint(put->draw.info),
        .stall_timeout_ms = o->stall_timeout_ms,
        .fibers = o->fibers,
    });
    for (size_t i = 0; i < count; i++) {
        TRY(fan_add(put->fan, (u8)i, &drawn[i]));
    }
    return ok();
}

static err draw_holders(struct segment_put *put, u64 deadline_ms)
{
    const struct segment_put_options *o = &put->options;
    struct placement_holder drawn[FRAGMENTS_MAX];
    size_t count;
    TRY(draw_open(o->chain, &o->key, o->class_number, deadline_ms, &put->draw));
    const struct draw_wish wish = {redundancy_n(put->draw.info), quorum_of(put), NULL, 0};
    TRY(draw_choose(o->chain, o->directory, &put->draw, &wish, deadline_ms, drawn, &count));
    if (count < quorum_of(put)) {
        log_warn("transfer",
                 "%zu of %zu eligible storage nodes may hold a %s segment, %u are needed", count,
                 directory_eligible(o->directory), put->draw.info->name, quorum_of(put));
        return fail(ERR_REFUSED);
    }
    return start_holders(put, drawn, count);
}

err segment_put_open(const struct segment_put_options *options, u64 deadline_ms,
                     struct segment_put **ret_put)
{
    struct segment_put *put = MEM_NEW(struct segment_put);
    put->options = *options;
    put->check = MEM_NEW(struct passed_check);
    segment_encoder_init(&put->encoder, options->class_number);
    err e = spool_create(&put->spool, options->spool_dir, &options->key);
    if (is_ok(e)) {
        e = draw_holders(put, deadline_ms);
        if (!is_ok(e)) {
            spool_remove(options->spool_dir, &options->key);
        }
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
    u32 offset; /* of the row in the segment */
    err result;
};

/* On a worker thread: parity, trees, and the copy in the spool. */
static void code_row(void *arg)
{
    struct row_job *job = arg;
    struct segment_encoder *encoder = &job->put->encoder;
    struct segment_row *row = &job->put->row;
    job->result = spool_write(&job->put->spool, job->offset, bytes_make(row->memory, row->filled));
    segment_encoder_row_encode(encoder, row);
    for (u8 i = 0; i < redundancy_n(encoder->info); i++) {
        segment_encoder_row_hash(encoder, row, i);
    }
}

static err open_row(struct segment_put *put, u64 deadline_ms)
{
    u8 *memory;
    TRY(fan_open_row(put->fan, quorum_of(put), deadline_ms, &memory));
    segment_row_init(&put->row, memory);
    put->filling = true;
    return ok();
}

static err finish_row(struct segment_put *put)
{
    struct row_job job = {.put = put, .offset = put->encoder.length};
    put->filling = false;
    segment_encoder_row_begin(&put->encoder, &put->row);
    worker_run(loop_of(put), code_row, &job);
    fan_push_row(put->fan, put->row.units, put->row.unit_bytes);
    return job.result;
}

err segment_put_write(struct segment_put *put, bytes in, u64 deadline_ms)
{
    assert_that(!put->sealed && in.len <= SEGMENT_BYTES_MAX - segment_put_length(put));
    while (in.len != 0) {
        if (!put->filling) {
            TRY(open_row(put, deadline_ms));
        }
        size_t taken = segment_encoder_fill(&put->encoder, &put->row, in);
        in = bytes_slice(in, taken, in.len - taken);
        if (segment_encoder_row_ready(&put->encoder, &put->row)) {
            TRY(finish_row(put));
        }
    }
    return ok();
}

u32 segment_put_length(const struct segment_put *put)
{
    return put->encoder.length + (put->filling ? put->row.filled : 0);
}

struct segment_key segment_put_key(const struct segment_put *put) { return put->draw.key; }

bool segment_put_passed(const struct segment_put *put)
{
    struct passed_check *check = put->check;
    u64 now_ms = loop_now_ms(loop_of(put));
    if (!check->passed && !check->asking && now_ms - check->asked_ms >= PASSED_CHECK_MS) {
        bool passed = false;
        check->asked_ms = now_ms;
        check->asking = true;
        IGNORE(draw_passed(put->options.chain, &put->draw, now_ms + PASSED_TIMEOUT_MS,
                           &passed)); /* asked again soon */
        check->asking = false;
        check->passed = passed;
    }
    return check->passed;
}

/* ---- sealing ---- */

static void begin_entry(const struct segment_put *put, struct segment_entry *ret_entry)
{
    *ret_entry = (struct segment_entry){
        .number = put->draw.key.number,
        .epoch = put->draw.seed.epoch,
        .class_number = put->options.class_number,
        .length = put->seal.length,
    };
    memcpy(ret_entry->roots, put->seal.roots, sizeof ret_entry->roots);
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

/* Further draws of the same ticket for what has no receipt. */
static err draw_more(const struct segment_put *put, const struct segment_entry *entry,
                     u64 deadline_ms, struct resend *ret_resend)
{
    const struct segment_put_options *o = &put->options;
    struct placement_holder taken[FRAGMENTS_MAX];
    size_t count;
    u8 needed = (u8)(quorum_of(put) - entry->receipt_count);
    *ret_resend = (struct resend){.options = o, .seal = &put->seal};
    u8 missing = entry_missing(entry, ret_resend->fragments);
    for (u8 i = 0; i < entry->receipt_count; i++) {
        taken[i] = (struct placement_holder){entry->receipts[i].provider, 0};
    }
    const struct draw_wish wish = {missing, needed, taken, entry->receipt_count};
    TRY(draw_choose(o->chain, o->directory, &put->draw, &wish, deadline_ms, ret_resend->holders,
                    &count));
    if (count < needed) {
        log_warn("transfer", "only %u receipts and %zu more storage nodes for segment %llu",
                 entry->receipt_count, count, (unsigned long long)put->draw.key.number);
        return fail(ERR_NETWORK);
    }
    ret_resend->count = (u8)count;
    return ok();
}

/* Too few receipts: the missing fragments go to others, from the spool; a few times, because those
 * may fail, too. */
static err top_up(const struct segment_put *put, u64 deadline_ms, struct segment_entry *entry)
{
    for (u32 i = 0; i < TOP_UPS_MAX && entry->receipt_count < quorum_of(put); i++) {
        struct resend resend;
        if (i != 0) {
            TRY(fiber_sleep(loop_of(put), loop_now_ms(loop_of(put)) + (u64)i * TOP_UP_PAUSE_MS));
        }
        TRY(draw_more(put, entry, deadline_ms, &resend));
        err e = resend_run(&resend, deadline_ms, entry);
        if (is_err(e, ERR_NOT_FOUND) || is_err(e, ERR_CANCELLED)) {
            return is_err(e, ERR_NOT_FOUND) ? fail(ERR_IO) : e; /* our own disk */
        }
        if (loop_now_ms(loop_of(put)) >= deadline_ms) {
            break;
        }
    }
    return entry->receipt_count >= quorum_of(put) ? ok() : fail(ERR_NETWORK);
}

err segment_put_seal(struct segment_put *put, u64 deadline_ms, struct segment_entry *ret_entry,
                     struct segment_seal *ret_seal)
{
    if (put->filling) {
        TRY(finish_row(put));
    }
    TRY(make_seal(put));
    put->sealed = true;
    fan_end(put->fan, &put->seal);
    TRY(fan_wait_quorum(put->fan, quorum_of(put), deadline_ms));
    begin_entry(put, ret_entry);
    fan_receipts(put->fan, ret_entry);
    if (ret_entry->receipt_count < quorum_of(put) && fan_conflict(put->fan)) {
        return fail(ERR_CONFLICT);
    }
    if (ret_entry->receipt_count < quorum_of(put)) {
        TRY(top_up(put, deadline_ms, ret_entry));
    }
    *ret_seal = put->seal;
    return ok();
}

err segment_put_late(struct segment_put *put, u64 deadline_ms, struct segment_entry *ret_late)
{
    TRY(fan_wait(put->fan, FRAGMENTS_MAX, deadline_ms));
    begin_entry(put, ret_late);
    fan_receipts(put->fan, ret_late);
    return ok();
}

void segment_put_free(struct segment_put *put)
{
    if (put == NULL) {
        return;
    }
    fan_free(put->fan);
    spool_close(&put->spool);
    mem_free(put->check);
    mem_free(put);
}

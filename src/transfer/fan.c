#include "transfer/fan.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"

#define MEMORY_ALIGN 64
#define CONNECT_TIMEOUT_MS 5000
#define RECEIPT_TIMEOUTS 3 /* stall times */
#define IDLE_MS_MAX 15000  /* a node cuts an upload from which nothing comes */
#define GRACE_MS_MIN 150
#define GRACE_MS_MAX 1500

enum holder_state {
    HOLDER_SENDING, /* takes rows, or is asked for its receipt */
    HOLDER_DONE,    /* gave its receipt */
    HOLDER_FAILED,
};

/* Shared by the fan and the fibers that send from it just now. */
struct fan_row {
    size_t references;
    void *memory;
    u8 *units[FRAGMENTS_MAX];
    u32 unit_bytes;
};

/* One fragment on its way to one provider. */
struct holder {
    struct fan *fan;
    u8 index;
    u16 draw;
    struct provider_view provider;
    enum holder_state state;
    u32 rows_sent;
    u64 progress_ms; /* of the last row it took */
    struct holder_receipt receipt;
    bool handed_out;
};

struct fan {
    struct fan_options options;
    struct fan_row *rows[FAN_ROWS]; /* row r at r % FAN_ROWS; NULL once all live holders have it */
    struct fan_row *open;           /* not pushed yet */
    void *spare;                    /* memory of an earlier row */
    u32 pushed;                     /* rows that may be sent */
    bool ended;
    bool stopped;
    u64 ended_ms;
    struct segment_seal seal; /* once ended */
    struct holder holders[FRAGMENTS_MAX];
    u8 holder_count;
    err failure;
    bool conflict;
    u64 bytes;
    struct event changed; /* pushed, ended, stopped, a holder's rows_sent or state */
    size_t references;    /* the user's, and one per running fiber */
};

static u64 now_of(const struct fan *fan) { return loop_now_ms(fan->options.loop); }

/* ---- memory ---- */

static void row_drop(struct fan *fan, struct fan_row *row)
{
    if (row == NULL || --row->references != 0) {
        return;
    }
    if (fan->spare == NULL && !fan->ended && !fan->stopped) {
        fan->spare = row->memory;
    } else {
        mem_free(row->memory);
    }
    mem_free(row);
}

static struct fan_row *row_new(struct fan *fan)
{
    struct fan_row *row = MEM_NEW(struct fan_row);
    row->references = 1;
    row->memory = fan->spare;
    fan->spare = NULL;
    if (row->memory == NULL) {
        row->memory = mem_alloc(fan->options.row_bytes + MEMORY_ALIGN);
    }
    return row;
}

static u8 *row_memory(const struct fan_row *row)
{
    size_t over = (uintptr_t)row->memory % MEMORY_ALIGN;
    return (u8 *)row->memory + (over != 0 ? MEMORY_ALIGN - over : 0);
}

/* has_senders: a live holder still has to send row r. */
static bool has_senders(const struct fan *fan, u32 r)
{
    for (u8 i = 0; i < fan->holder_count; i++) {
        const struct holder *holder = &fan->holders[i];
        if (holder->state == HOLDER_SENDING && holder->rows_sent <= r) {
            return true;
        }
    }
    return false;
}

/* Memory of rows that went out goes back at once, not when the next row comes. */
static void drop_sent_rows(struct fan *fan)
{
    for (u32 r = fan->pushed - (u32)min_u64(fan->pushed, FAN_ROWS); r < fan->pushed; r++) {
        struct fan_row **row = &fan->rows[r % FAN_ROWS];
        if (*row != NULL && !has_senders(fan, r)) {
            row_drop(fan, *row);
            *row = NULL;
        }
    }
}

static void drop_reference(struct fan *fan)
{
    if (--fan->references != 0) {
        return;
    }
    for (size_t i = 0; i < FAN_ROWS; i++) {
        row_drop(fan, fan->rows[i]);
    }
    row_drop(fan, fan->open);
    mem_free(fan->spare);
    mem_free(fan);
}

/* ---- one holder ---- */

static void fail_holder(struct holder *holder, err e)
{
    struct fan *fan = holder->fan;
    if (holder->state != HOLDER_SENDING) {
        return;
    }
    holder->state = HOLDER_FAILED;
    fan->failure = e;
    fan->conflict = fan->conflict || is_err(e, ERR_CONFLICT);
    if (!is_err(e, ERR_CANCELLED)) {
        directory_blame(fan->options.directory, holder->provider.index, provider_fault_of(e),
                        &fan->options.key);
    }
    drop_sent_rows(fan);
    event_wake_all(&fan->changed);
}

/* next_row: waits for one that this holder has not sent. *ret_row NULL: all are out. A source that
 * brings nothing for long is no fault of the holder: the fragment goes out from the spool then. */
static err next_row(struct holder *holder, struct fan_row **ret_row)
{
    struct fan *fan = holder->fan;
    u64 until_ms = now_of(fan) + IDLE_MS_MAX;
    while (holder->state == HOLDER_SENDING && holder->rows_sent == fan->pushed && !fan->ended) {
        err e = event_wait(fan->options.loop, &fan->changed, until_ms);
        if (!is_ok(e)) {
            return fail(ERR_CANCELLED);
        }
    }
    if (holder->state != HOLDER_SENDING) {
        return fail(ERR_CANCELLED);
    }
    bool out = holder->rows_sent == fan->pushed;
    *ret_row = out ? NULL : fan->rows[holder->rows_sent % FAN_ROWS];
    return ok();
}

static err send_rows(struct holder *holder, struct store_upload *upload)
{
    struct fan *fan = holder->fan;
    struct fan_row *row;
    for (;;) {
        TRY(next_row(holder, &row));
        if (row == NULL) {
            return ok();
        }
        row->references++;
        err e = store_put_write(upload, bytes_make(row->units[holder->index], row->unit_bytes),
                                now_of(fan) + 2 * fan->options.stall_timeout_ms);
        u32 unit_bytes = row->unit_bytes;
        row_drop(fan, row);
        TRY(e);
        fan->bytes += unit_bytes;
        holder->rows_sent++;
        holder->progress_ms = now_of(fan);
        drop_sent_rows(fan);
        event_wake_all(&fan->changed);
    }
}

static err send_fragment(struct holder *holder)
{
    struct fan *fan = holder->fan;
    const struct fan_options *o = &fan->options;
    struct store_upload *upload;
    TRY(store_put_open(o->http, o->who, &holder->provider, &o->key, holder->index,
                       now_of(fan) + CONNECT_TIMEOUT_MS, &upload));
    err e = send_rows(holder, upload);
    if (!is_ok(e)) {
        store_put_abort(upload);
        return e;
    }
    u64 begin_ms = now_of(fan);
    TRY(store_put_finish(upload, &fan->seal,
                         begin_ms + RECEIPT_TIMEOUTS * fan->options.stall_timeout_ms,
                         &holder->receipt));
    directory_praise(o->directory, holder->provider.index, now_of(fan) - begin_ms);
    return ok();
}

static void holder_run(void *arg)
{
    struct holder *holder = arg;
    struct fan *fan = holder->fan;
    err e = send_fragment(holder);
    if (is_ok(e) && holder->state == HOLDER_SENDING) {
        holder->receipt.draw = holder->draw;
        holder->state = HOLDER_DONE;
        event_wake_all(&fan->changed);
    } else {
        fail_holder(holder, e);
    }
    drop_reference(fan);
}

/* ---- the user's side ---- */

struct fan *fan_new(const struct fan_options *options)
{
    struct fan *fan = MEM_NEW(struct fan);
    fan->options = *options;
    if (fan->options.stall_timeout_ms == 0) {
        fan->options.stall_timeout_ms = FAN_STALL_TIMEOUT_MS;
    }
    fan->references = 1;
    event_init(&fan->changed);
    return fan;
}

err fan_add(struct fan *fan, u8 index, const struct placement_holder *drawn)
{
    assert_that(fan->pushed == 0 && fan->holder_count < FRAGMENTS_MAX);
    struct holder *holder = &fan->holders[fan->holder_count];
    *holder = (struct holder){
        .fan = fan, .index = index, .draw = drawn->draw, .progress_ms = now_of(fan)};
    TRY(directory_get(fan->options.directory, drawn->provider, &holder->provider));
    TRY(group_start(fan->options.loop, fan->options.fibers, "holder", holder_run, holder));
    fan->references++;
    fan->holder_count++;
    return ok();
}

static u8 count_holders(const struct fan *fan, enum holder_state state)
{
    u8 count = 0;
    for (u8 i = 0; i < fan->holder_count; i++) {
        count = (u8)(count + (fan->holders[i].state == state));
    }
    return count;
}

u8 fan_sending(const struct fan *fan) { return count_holders(fan, HOLDER_SENDING); }

u8 fan_live(const struct fan *fan)
{
    return (u8)(fan_sending(fan) + count_holders(fan, HOLDER_DONE));
}

static void give_up_stalled(struct fan *fan, u8 keep)
{
    u64 now_ms = now_of(fan);
    for (u8 i = 0; i < fan->holder_count; i++) {
        struct holder *holder = &fan->holders[i];
        bool behind = fan->ended || holder->rows_sent < fan->pushed;
        u64 since_ms = max_u64(holder->progress_ms, fan->ended_ms);
        if (holder->state == HOLDER_SENDING && behind && fan_live(fan) > keep &&
            now_ms >= since_ms + fan->options.stall_timeout_ms) {
            fail_holder(holder, fail(ERR_TIMEOUT));
        }
    }
}

/* Waits for a change, or a moment at which somebody may have stalled. */
static err wait_change(struct fan *fan, u8 keep, u64 deadline_ms)
{
    u64 look_ms = now_of(fan) + fan->options.stall_timeout_ms / 4 + 1;
    err e = event_wait(fan->options.loop, &fan->changed, min_u64(deadline_ms, look_ms));
    if (is_ok(e) || (is_err(e, ERR_TIMEOUT) && now_of(fan) < deadline_ms)) {
        give_up_stalled(fan, keep);
        return ok();
    }
    return e;
}

err fan_open_row(struct fan *fan, u8 keep, u64 deadline_ms, u8 **ret_memory)
{
    assert_that(fan->open == NULL && !fan->ended);
    while (fan->pushed >= FAN_ROWS && has_senders(fan, fan->pushed - FAN_ROWS)) {
        TRY(wait_change(fan, keep, deadline_ms));
    }
    if (loop_stopping(fan->options.loop)) {
        return fail(ERR_CANCELLED);
    }
    fan->open = row_new(fan);
    *ret_memory = row_memory(fan->open);
    return ok();
}

void fan_push_row(struct fan *fan, u8 *const units[FRAGMENTS_MAX], u32 unit_bytes)
{
    struct fan_row **slot = &fan->rows[fan->pushed % FAN_ROWS];
    assert_that(fan->open != NULL && *slot == NULL);
    for (u8 i = 0; i < fan->holder_count; i++) {
        struct holder *holder = &fan->holders[i];
        fan->open->units[holder->index] = units[holder->index];
        if (holder->rows_sent == fan->pushed) {
            holder->progress_ms = now_of(fan); /* it was waiting for us */
        }
    }
    fan->open->unit_bytes = unit_bytes;
    *slot = fan->open;
    fan->open = NULL;
    fan->pushed++;
    drop_sent_rows(fan); /* if nobody is left to send it */
    event_wake_all(&fan->changed);
}

void fan_end(struct fan *fan, const struct segment_seal *seal)
{
    assert_that(fan->open == NULL && !fan->ended);
    fan->seal = *seal;
    fan->ended = true;
    fan->ended_ms = now_of(fan);
    mem_free(fan->spare);
    fan->spare = NULL;
    event_wake_all(&fan->changed);
}

/* grace_ms: as long again as it took until now, within limits. */
static u64 grace_ms(const struct fan *fan)
{
    u64 took_ms = 2 * (now_of(fan) - fan->ended_ms);
    return max_u64(GRACE_MS_MIN, min_u64(took_ms, GRACE_MS_MAX));
}

/* stop_sending: others get these fragments. */
static void stop_sending(struct fan *fan)
{
    for (u8 i = 0; i < fan->holder_count; i++) {
        fail_holder(&fan->holders[i], fail(ERR_CANCELLED));
    }
}

err fan_wait_quorum(struct fan *fan, u8 quorum, u64 deadline_ms)
{
    while (count_holders(fan, HOLDER_DONE) < quorum && fan_live(fan) >= quorum &&
           now_of(fan) < deadline_ms) {
        err e = wait_change(fan, 0, deadline_ms);
        if (is_err(e, ERR_CANCELLED)) {
            return e;
        }
    }
    if (fan_live(fan) < quorum) {
        stop_sending(fan);
    }
    return fan_wait(fan, quorum, deadline_ms);
}

err fan_wait(struct fan *fan, u8 enough, u64 deadline_ms)
{
    u64 until_ms = deadline_ms;
    bool is_enough = false;
    while (fan_sending(fan) != 0 && now_of(fan) < until_ms) {
        if (!is_enough && count_holders(fan, HOLDER_DONE) >= enough) {
            is_enough = true;
            until_ms = min_u64(deadline_ms, now_of(fan) + grace_ms(fan));
        }
        err e = wait_change(fan, 0, until_ms);
        if (is_err(e, ERR_CANCELLED)) {
            return e;
        }
    }
    return loop_stopping(fan->options.loop) ? fail(ERR_CANCELLED) : ok();
}

void fan_receipts(struct fan *fan, struct segment_entry *entry)
{
    for (u8 i = 0; i < fan->holder_count; i++) {
        struct holder *holder = &fan->holders[i];
        if (holder->state == HOLDER_DONE && !holder->handed_out) {
            holder->handed_out = true;
            entry->receipts[entry->receipt_count++] = holder->receipt;
        }
    }
}

u64 fan_bytes(const struct fan *fan) { return fan->bytes; }

err fan_failure(const struct fan *fan) { return fan->failure; }

bool fan_conflict(const struct fan *fan) { return fan->conflict; }

void fan_free(struct fan *fan)
{
    if (fan == NULL) {
        return;
    }
    fan->stopped = true;
    for (u8 i = 0; i < fan->holder_count; i++) {
        struct holder *holder = &fan->holders[i];
        if (holder->state == HOLDER_SENDING) {
            holder->state = HOLDER_FAILED;
        }
    }
    drop_sent_rows(fan);
    event_wake_all(&fan->changed);
    drop_reference(fan);
}

#include "transfer/row_reader.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "data/erasure.h"

#define LANE_AHEAD 2
#define HEDGE_MS_DEFAULT 1500
#define HEDGE_MS_MIN 500
#define HEDGE_ROWS 4 /* that a helper of a slow holder reads before it looks again */
#define LOOK_MS 100
#define LANE_TIMEOUT_MS 8000
/* A reader that takes nothing for so long lets the connections go; a holder would cut them. */
#define PARK_AFTER_MS 10000
/* For one row the ledger is asked again, once; a few times, so far apart, while holders say that
 * they have nothing: they may know of a repair that this process has not seen yet. */
#define REFRESHES_MAX 5
#define REFRESH_APART_MS 800

enum lane_state { LANE_IDLE, LANE_RUNNING, LANE_FAILED };

struct lane {
    struct row_reader *reader;
    u8 fragment;
    u32 provider; /* that was tried last; holder is known if it is in the directory */
    struct provider_view holder;
    enum lane_state state;
    bool lacking; /* the holder answered that it does not have the fragment */
    bool waiting; /* for the holder, since waiting_since_ms */
    bool slow;    /* hedged against: others are asked as well */
    u32 next_row; /* the row whose unit is read next */
    u32 end_row;
    u64 waiting_since_ms;
    u8 *units[LANE_AHEAD]; /* row r at r % LANE_AHEAD; owned */
};

struct row_reader {
    struct row_reader_options options;
    struct loop *loop;
    u32 row;     /* next one to hand out */
    u32 release; /* rows below this may be overwritten */
    struct lane lanes[FRAGMENTS_MAX];
    struct event changed;
    size_t references; /* the user's, and one per running lane */
    bool stopping;
    u64 bytes;
    u8 *decoded[FRAGMENTS_MAX]; /* owned; filled per row */
    struct erasure_decoder *decoder;
    u8 refreshes; /* of the facts, for the current row */
};

/* Also of a lane that failed or ended since. */
static bool has_row(const struct lane *lane, u32 row)
{
    return lane->next_row > row && row + LANE_AHEAD >= lane->next_row &&
           lane->units[row % LANE_AHEAD] != NULL;
}

/* A lane may hang on a stalled holder for a while after the reader's user has gone. */
static void drop_reference(struct row_reader *reader)
{
    if (--reader->references != 0) {
        return;
    }
    for (u8 i = 0; i < FRAGMENTS_MAX; i++) {
        for (u8 j = 0; j < LANE_AHEAD; j++) {
            mem_free(reader->lanes[i].units[j]);
        }
        mem_free(reader->decoded[i]);
    }
    mem_free(reader->decoder);
    mem_free(reader);
}

/* ---- a lane's fiber ---- */

/* ERR_TIMEOUT: nothing was taken until the deadline. */
static err lane_wait_for_room(struct lane *lane, u64 deadline_ms)
{
    struct row_reader *reader = lane->reader;
    lane->waiting = false;
    while (!reader->stopping && lane->next_row >= reader->release + LANE_AHEAD) {
        TRY(event_wait(reader->loop, &reader->changed, deadline_ms));
    }
    lane->waiting = true;
    lane->waiting_since_ms = loop_now_ms(reader->loop);
    return reader->stopping ? fail(ERR_CANCELLED) : ok();
}

static err lane_read_unit(struct lane *lane, struct store_download *download)
{
    struct row_reader *reader = lane->reader;
    u8 **unit = &lane->units[lane->next_row % LANE_AHEAD];
    size_t len;
    if (*unit == NULL) {
        *unit = mem_alloc(UNIT_BYTES);
    }
    TRY(store_get_next(download, *unit, lane->waiting_since_ms + LANE_TIMEOUT_MS, &len));
    if (len != segment_unit_bytes(&reader->options.facts.shape, lane->next_row)) {
        return fail(ERR_INTEGRITY);
    }
    directory_praise(reader->options.source->options.directory, lane->holder.index,
                     loop_now_ms(reader->loop) - lane->waiting_since_ms);
    reader->bytes += len;
    lane->slow = false;
    lane->next_row++;
    event_wake_all(&reader->changed);
    return ok();
}

/* Ends early, with *ret_parked, if the rows are not taken for a while. */
static err lane_read(struct lane *lane, struct store_download *download, bool *ret_parked)
{
    *ret_parked = false;
    while (lane->next_row < lane->end_row) {
        err e = lane_wait_for_room(lane, loop_now_ms(lane->reader->loop) + PARK_AFTER_MS);
        if (is_err(e, ERR_TIMEOUT)) {
            *ret_parked = true;
            return ok();
        }
        TRY(e);
        TRY(lane_read_unit(lane, download));
    }
    return ok();
}

static err lane_open(struct lane *lane, struct store_download **ret_download)
{
    const struct row_reader_options *o = &lane->reader->options;
    const struct segment_source_options *s = &o->source->options;
    u32 from = lane->next_row * (u32)UNIT_BYTES;
    u32 end = (u32)min_u64((u64)lane->end_row * UNIT_BYTES, o->facts.shape.fragment_length);
    return store_get_open(s->http, s->who, &lane->holder, &o->facts.seal.key, lane->fragment,
                          &o->facts.seal.roots[lane->fragment], o->facts.shape.fragment_length,
                          from, end - from, loop_now_ms(lane->reader->loop) + LANE_TIMEOUT_MS,
                          ret_download);
}

static err lane_serve(struct lane *lane)
{
    bool parked = true;
    while (parked) {
        struct store_download *download;
        TRY(lane_wait_for_room(lane, DEADLINE_NONE));
        TRY(lane_open(lane, &download));
        err e = lane_read(lane, download, &parked);
        store_get_close(download);
        TRY(e);
    }
    return ok();
}

static void lane_blame(const struct lane *lane, err e)
{
    const struct row_reader_options *o = &lane->reader->options;
    enum provider_fault fault = is_err(e, ERR_NOT_FOUND) ? PROVIDER_LACKS : provider_fault_of(e);
    if (!is_err(e, ERR_CANCELLED)) {
        directory_blame(o->source->options.directory, lane->holder.index, fault,
                        &o->facts.seal.key);
    }
}

static void lane_run(void *arg)
{
    struct lane *lane = arg;
    struct row_reader *reader = lane->reader;
    err e = lane_serve(lane);
    lane->waiting = false;
    lane->state = is_ok(e) ? LANE_IDLE : LANE_FAILED;
    lane->lacking = is_err(e, ERR_NOT_FOUND);
    if (!is_ok(e)) {
        lane_blame(lane, e);
    }
    event_wake_all(&reader->changed);
    drop_reference(reader);
}

/* ---- choosing lanes ---- */

struct row_reader *row_reader_new(const struct row_reader_options *options)
{
    struct row_reader *reader = MEM_NEW(struct row_reader);
    reader->options = *options;
    reader->loop = options->source->options.loop;
    reader->row = options->first_row;
    reader->release = options->first_row;
    reader->references = 1;
    event_init(&reader->changed);
    for (u8 i = 0; i < FRAGMENTS_MAX; i++) {
        reader->lanes[i] = (struct lane){.reader = reader, .fragment = i};
    }
    return reader;
}

static bool lane_start(struct row_reader *reader, u8 fragment, u32 row, u32 end_row)
{
    struct lane *lane = &reader->lanes[fragment];
    u32 provider = reader->options.facts.holders[fragment];
    lane->provider = provider;
    lane->lacking = false;
    if (provider == 0 ||
        !is_ok(directory_get(reader->options.source->options.directory, provider, &lane->holder))) {
        lane->state = LANE_FAILED;
        return false;
    }
    lane->state = LANE_RUNNING;
    lane->slow = false;
    lane->waiting = true;
    lane->waiting_since_ms = loop_now_ms(reader->loop);
    lane->next_row = row;
    lane->end_row = end_row;
    reader->references++;
    if (!is_ok(group_start(reader->loop, &reader->options.source->lanes, "lane", lane_run, lane))) {
        reader->references--;
        lane->state = LANE_FAILED;
        return false;
    }
    return true;
}

static u64 hedge_ms(const struct lane *lane)
{
    u64 fixed = lane->reader->options.source->options.hedge_ms;
    u64 p95 = lane->holder.latency_p95_ms;
    if (fixed != 0) {
        return fixed;
    }
    return p95 == 0 ? HEDGE_MS_DEFAULT : max_u64(HEDGE_MS_MIN, min_u64(4 * p95, HEDGE_MS_DEFAULT));
}

/* Has the row, or may be expected to have it soon. Notices slow ones. */
static bool lane_hopeful(struct lane *lane, u32 row, u64 now_ms)
{
    if (has_row(lane, row)) {
        return true;
    }
    if (lane->state != LANE_RUNNING || lane->end_row <= row) {
        return false;
    }
    if (lane->waiting && now_ms >= lane->waiting_since_ms + hedge_ms(lane)) {
        lane->slow = true;
    }
    return !lane->slow;
}

static bool lane_trying(const struct lane *lane, u32 row)
{
    return has_row(lane, row) || (lane->state == LANE_RUNNING && lane->end_row > row);
}

/* The idle lane to start next: reachable holders first, then the faster ones. -1: none left. */
static int best_idle(const struct row_reader *reader, u32 row)
{
    const struct segment_facts *facts = &reader->options.facts;
    int best = -1;
    u64 best_cost = UINT64_MAX;
    for (u8 i = 0; i < redundancy_n(facts->info); i++) {
        struct provider_view holder;
        if (reader->lanes[i].state != LANE_IDLE || has_row(&reader->lanes[i], row) ||
            facts->holders[i] == 0 ||
            !is_ok(directory_get(reader->options.source->options.directory, facts->holders[i],
                                 &holder))) {
            continue;
        }
        u64 cost = holder.latency_p95_ms + (holder.reachable ? 0 : 1000000) +
                   (holder.alive ? 0 : 10000000) + (holder.trusted ? 0 : 100000000);
        if (cost < best_cost) {
            best = i;
            best_cost = cost;
        }
    }
    return best;
}

static bool known_bad(const struct row_reader *reader, u8 fragment)
{
    struct provider_view holder;
    u32 provider = reader->options.facts.holders[fragment];
    return provider == 0 ||
           !is_ok(directory_get(reader->options.source->options.directory, provider, &holder)) ||
           !holder.reachable || !holder.alive || !holder.trusted;
}

/* What can be hoped for of the needed units. */
enum outlook {
    OUTLOOK_GOOD,
    OUTLOOK_SLOW, /* all are on their way, not all in time */
    OUTLOOK_LOST, /* some will not come */
};

/* Starts the lanes of the needed units. */
static enum outlook start_needed(struct row_reader *reader, u32 row, u32 need, u64 now_ms)
{
    enum outlook outlook = OUTLOOK_GOOD;
    for (u8 i = 0; i < redundancy_n(reader->options.facts.info); i++) {
        struct lane *lane = &reader->lanes[i];
        if (!(need >> i & 1)) {
            continue;
        }
        if (lane->state == LANE_IDLE && !has_row(lane, row) && !known_bad(reader, i)) {
            lane_start(reader, i, row, (u32)max_u64(reader->options.end_rows[i], row + 1));
        }
        if (!lane_trying(lane, row)) {
            outlook = OUTLOOK_LOST;
        } else if (!lane_hopeful(lane, row, now_ms) && outlook == OUTLOOK_GOOD) {
            outlook = OUTLOOK_SLOW;
        }
    }
    return outlook;
}

/* Starts what is missing to get the row. False: too few are left to ask. */
static bool start_lanes(struct row_reader *reader, u32 row, u32 need)
{
    u8 k = reader->options.facts.info->k;
    u8 hopeful = 0;
    u8 trying = 0;
    u64 now_ms = loop_now_ms(reader->loop);
    enum outlook outlook = start_needed(reader, row, need, now_ms);
    if (outlook == OUTLOOK_GOOD) {
        return true;
    }
    u32 end_row = reader->options.end_row;
    end_row = outlook == OUTLOOK_SLOW ? (u32)min_u64(row + HEDGE_ROWS, end_row) : end_row;
    for (u8 i = 0; i < redundancy_n(reader->options.facts.info); i++) {
        hopeful = (u8)(hopeful + lane_hopeful(&reader->lanes[i], row, now_ms));
        trying = (u8)(trying + lane_trying(&reader->lanes[i], row));
    }
    while (hopeful < k) {
        int next = best_idle(reader, row);
        if (next < 0) {
            return trying >= k; /* the slow ones may still come */
        }
        if (lane_start(reader, (u8)next, row, end_row)) {
            hopeful++;
            trying++;
        }
    }
    return true;
}

/* ---- decoding ---- */

static bool row_complete(const struct row_reader *reader, u32 row, u32 need)
{
    u8 have = 0;
    u32 missing = need;
    for (u8 i = 0; i < redundancy_n(reader->options.facts.info); i++) {
        if (has_row(&reader->lanes[i], row)) {
            have++;
            missing &= ~(1u << i);
        }
    }
    return missing == 0 || have >= reader->options.facts.info->k;
}

struct decode_job {
    struct row_reader *reader;
    const u8 *in[FRAGMENTS_MAX];
    u8 *out[FRAGMENTS_MAX];
    u32 unit_bytes;
};

/* On a worker thread. */
static void run_decoder(void *arg)
{
    struct decode_job *job = arg;
    erasure_decode(job->reader->decoder, job->in, job->out, job->unit_bytes);
}

/* The decoder is kept as long as the same fragments are known and wanted. */
static void set_decoder(struct row_reader *reader, const u8 *known, const u8 *wanted,
                        u8 wanted_count)
{
    const struct redundancy_info *info = reader->options.facts.info;
    struct erasure_decoder *decoder = reader->decoder;
    if (decoder == NULL) {
        decoder = reader->decoder = MEM_NEW(struct erasure_decoder);
    }
    if (decoder->wanted_count != wanted_count || memcmp(decoder->known, known, info->k) != 0 ||
        memcmp(decoder->wanted, wanted, wanted_count) != 0) {
        erasure_decoder_init(decoder, info, known, wanted, wanted_count);
    }
}

static void decode_row(struct row_reader *reader, u32 row, const u8 *wanted, u8 wanted_count,
                       const u8 *ret_units[FRAGMENTS_MAX])
{
    const struct segment_facts *facts = &reader->options.facts;
    struct decode_job job = {.reader = reader,
                             .unit_bytes = segment_unit_bytes(&facts->shape, row)};
    u8 known[FRAGMENTS_MAX];
    u8 count = 0;
    for (u8 i = 0; count < facts->info->k; i++) {
        if (has_row(&reader->lanes[i], row)) {
            job.in[count] = reader->lanes[i].units[row % LANE_AHEAD];
            known[count++] = i;
        }
    }
    for (u8 i = 0; i < wanted_count; i++) {
        if (reader->decoded[i] == NULL) {
            reader->decoded[i] = mem_alloc(UNIT_BYTES);
        }
        job.out[i] = reader->decoded[i];
        ret_units[wanted[i]] = reader->decoded[i];
    }
    set_decoder(reader, known, wanted, wanted_count);
    worker_run(reader->loop, run_decoder, &job);
}

static void take_row(struct row_reader *reader, u32 row, u32 need,
                     const u8 *ret_units[FRAGMENTS_MAX])
{
    u8 wanted[FRAGMENTS_MAX];
    u8 wanted_count = 0;
    for (u8 i = 0; i < redundancy_n(reader->options.facts.info); i++) {
        if (!(need >> i & 1)) {
            continue;
        }
        if (has_row(&reader->lanes[i], row)) {
            ret_units[i] = reader->lanes[i].units[row % LANE_AHEAD];
        } else {
            wanted[wanted_count++] = i;
        }
    }
    if (wanted_count != 0) {
        decode_row(reader, row, wanted, wanted_count, ret_units);
    }
}

/* ---- repairs meanwhile ---- */

/* Takes over what the ledger says now. True: there is a holder that was not tried yet. */
static bool take_facts(struct row_reader *reader, const struct segment_facts *facts)
{
    bool more = false;
    for (u8 i = 0; i < redundancy_n(facts->info); i++) {
        struct lane *lane = &reader->lanes[i];
        u32 now = facts->holders[i];
        bool is_new = now != 0 && now != reader->options.facts.holders[i];
        if (lane->state == LANE_FAILED && now != 0 && now != lane->provider) {
            lane->state = LANE_IDLE;
            lane->slow = false;
            is_new = true;
        }
        more = more || (is_new && lane->state == LANE_IDLE);
    }
    reader->options.facts = *facts;
    return more;
}

static bool somebody_lacks(const struct row_reader *reader)
{
    for (u8 i = 0; i < FRAGMENTS_MAX; i++) {
        if (reader->lanes[i].state == LANE_FAILED && reader->lanes[i].lacking) {
            return true;
        }
    }
    return false;
}

/* Too few serve: holders may have changed by a repair since the facts were read. ok: it is worth
 * another try. */
static err refresh_holders(struct row_reader *reader, u64 deadline_ms)
{
    struct segment_facts facts;
    while (reader->refreshes == 0 ||
           (reader->refreshes < REFRESHES_MAX && somebody_lacks(reader))) {
        u64 now_ms = loop_now_ms(reader->loop);
        if (reader->refreshes > 0 && now_ms + REFRESH_APART_MS >= deadline_ms) {
            break;
        }
        if (reader->refreshes > 0) {
            TRY(fiber_sleep(reader->loop, now_ms + REFRESH_APART_MS));
        }
        reader->refreshes++;
        err e = source_facts(reader->options.source, &reader->options.facts.seal.key, true,
                             deadline_ms, &facts);
        if (is_err(e, ERR_CANCELLED)) {
            return e;
        }
        if (is_ok(e) && take_facts(reader, &facts)) {
            return ok();
        }
    }
    return fail(ERR_NETWORK);
}

/* Waits for a unit, or the moment to look for slow holders. If this process did not get to run, or
 * was busy, nobody else was slow in that time. */
static err wait_change(struct row_reader *reader, u64 deadline_ms)
{
    u64 look_ms = loop_now_ms(reader->loop) + LOOK_MS;
    err e = event_wait(reader->loop, &reader->changed, min_u64(deadline_ms, look_ms));
    u64 now_ms = loop_now_ms(reader->loop);
    for (u8 i = 0; now_ms > look_ms && i < FRAGMENTS_MAX; i++) {
        u64 *since_ms = &reader->lanes[i].waiting_since_ms;
        *since_ms = min_u64(*since_ms + now_ms - look_ms, now_ms);
    }
    return is_err(e, ERR_TIMEOUT) && now_ms < deadline_ms ? ok() : e;
}

err row_reader_next(struct row_reader *reader, u32 need, u64 deadline_ms,
                    const u8 *ret_units[FRAGMENTS_MAX])
{
    u32 row = reader->row;
    assert_that(row < reader->options.end_row);
    reader->release = row;
    reader->refreshes = 0;
    event_wake_all(&reader->changed);
    while (!row_complete(reader, row, need)) {
        if (!start_lanes(reader, row, need)) {
            TRY(refresh_holders(reader, deadline_ms));
            continue;
        }
        if (!row_complete(reader, row, need)) {
            TRY(wait_change(reader, deadline_ms));
        }
    }
    take_row(reader, row, need, ret_units);
    reader->row = row + 1;
    return ok();
}

u64 row_reader_bytes(const struct row_reader *reader) { return reader->bytes; }

void row_reader_free(struct row_reader *reader)
{
    if (reader == NULL) {
        return;
    }
    reader->stopping = true;
    event_wake_all(&reader->changed);
    drop_reference(reader);
}

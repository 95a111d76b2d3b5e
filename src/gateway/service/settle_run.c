/* settle_run.c: does what settle_step() says: submits, reads receipts, issues again, completes. */
#include "gateway/service/internal.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "ledger/exec/native.h"
#include "ledger/exec/tx.h"

#define LOOK_MS 500 /* at least this often while something is not final */
#define IDLE_MS 5000
#define COMPLETIONS_AT_ONCE 4
#define COMPLETE_TIMEOUT_MS 60000
#define RECEIPT_ARENA_BYTES MIB(4)

/* ---- reading a receipt ---- */

struct event_kinds {
    struct arena arena;
    struct abi_entry refused;
    struct abi_entry head_moved;
    struct abi_entry head_refused;
};

static void parse_event(struct arena *arena, const char *signature, struct abi_entry *ret)
{
    err e = abi_parse(arena, signature, ret);
    assert_that(is_ok(e));
}

static void event_kinds_init(struct event_kinds *kinds)
{
    arena_init(&kinds->arena, KIB(64));
    parse_event(&kinds->arena, SEGMENT_EV_REFUSED, &kinds->refused);
    parse_event(&kinds->arena, SEGMENT_EV_HEAD_MOVED, &kinds->head_moved);
    parse_event(&kinds->arena, SEGMENT_EV_HEAD_REFUSED, &kinds->head_refused);
}

static struct unsettled_head *find_head(struct unsettled *entry, const struct hash *bucket,
                                        const struct hash *head)
{
    for (size_t i = 0; i < entry->head_count; i++) {
        const struct head_move *move = &entry->heads[i].move;
        if (hash_eq(&move->bucket, bucket) && hash_eq(&move->head.hash, head)) {
            return &entry->heads[i];
        }
    }
    return NULL;
}

/* leads_on: `current` is a head that this or a later entry moves to: the ledger is further already.
 */
static bool leads_on(const struct gateway *gateway, const struct unsettled *entry,
                     const struct hash *bucket, const struct hash *current)
{
    for (const struct list *it = &entry->node; it != &gateway->settle.entries; it = it->next) {
        const struct unsettled *later = list_entry(it, struct unsettled, node);
        for (size_t i = 0; i < later->head_count; i++) {
            const struct head_move *move = &later->heads[i].move;
            if (hash_eq(&move->bucket, bucket) && hash_eq(&move->head.hash, current)) {
                return true;
            }
        }
    }
    return false;
}

/* lies_behind: `current` is where this or an earlier entry begins: the head can still be moved. */
static bool lies_behind(const struct gateway *gateway, const struct unsettled *entry,
                        const struct hash *bucket, const struct hash *current)
{
    for (const struct list *it = &entry->node; it != &gateway->settle.entries; it = it->prev) {
        const struct unsettled *earlier = list_entry(it, struct unsettled, node);
        for (size_t i = 0; i < earlier->head_count; i++) {
            const struct head_move *move = &earlier->heads[i].move;
            if (hash_eq(&move->bucket, bucket) && hash_eq(&move->old_head, current)) {
                return true;
            }
        }
    }
    return false;
}

static void head_refused(struct unsettled *entry, const struct abi_value *values)
{
    struct hash bucket = abi_as_hash(&values[0]);
    struct hash wanted = abi_as_hash(&values[1]);
    const struct unsettled_head *head = find_head(entry, &bucket, &wanted);
    char hex[65];
    if (head != NULL && !head->moved) {
        hex_encode(hex, sizeof hex, BYTES_OF(bucket));
        log_warn("gateway", "the head of bucket %s did not move: %s", hex,
                 segment_reason_text((u8)abi_as_u64(&values[3])));
    }
}

/* judge_head: what became of a move that its receipt does not confirm. The state says it, not the
 * head that the receipt saw: entries before this one may have moved on, and been removed, since. */
static err judge_head(struct gateway *gateway, const struct unsettled *entry,
                      struct unsettled_head *head)
{
    struct hash current;
    bool found;
    char hex[65];
    TRY(gateway->ports.head(gateway->ports.ctx, &head->move.bucket,
                            gateway_in(gateway, LEDGER_TIMEOUT_MS), &current, &found));
    if (found && leads_on(gateway, entry, &head->move.bucket, &current)) {
        head->moved = true;
    } else if (!found || !lies_behind(gateway, entry, &head->move.bucket, &current)) {
        head->lost = true;
        hex_encode(hex, sizeof hex, BYTES_OF(head->move.bucket));
        log_error("gateway", "bucket %s %s", hex,
                  found ? "was moved on by somebody else" : "is gone");
    }
    return ok();
}

static err judge_heads(struct gateway *gateway, struct unsettled *entry)
{
    for (size_t i = 0; i < entry->head_count; i++) {
        if (!entry->heads[i].moved && !entry->heads[i].lost) {
            TRY(judge_head(gateway, entry, &entry->heads[i]));
        }
    }
    return ok();
}

static void read_log(const struct event_kinds *kinds, struct unsettled *entry,
                     const struct chain_log *log, struct arena *arena)
{
    struct abi_value values[ABI_PARAMS_MAX];
    if (log->topic_count == 0) {
        return;
    }
    if (hash_eq(&log->topics[0], &kinds->head_moved.topic) &&
        is_ok(abi_decode_event(arena, &kinds->head_moved, log->topics, log->topic_count, log->data,
                               values))) {
        struct hash bucket = abi_as_hash(&values[0]);
        struct hash wanted = abi_as_hash(&values[2]);
        struct unsettled_head *head = find_head(entry, &bucket, &wanted);
        if (head != NULL) {
            head->moved = true;
        }
    } else if (hash_eq(&log->topics[0], &kinds->head_refused.topic) &&
               is_ok(abi_decode_event(arena, &kinds->head_refused, log->topics, log->topic_count,
                                      log->data, values))) {
        head_refused(entry, values);
    } else if (hash_eq(&log->topics[0], &kinds->refused.topic) &&
               is_ok(abi_decode_event(arena, &kinds->refused, log->topics, log->topic_count,
                                      log->data, values))) {
        log_warn("gateway", "segment %llu.%u.%llu was refused: %s",
                 (unsigned long long)abi_as_u64(&values[0]), (unsigned)abi_as_u64(&values[1]),
                 (unsigned long long)abi_as_u64(&values[2]),
                 segment_reason_text((u8)abi_as_u64(&values[3])));
    }
}

static void read_logs(struct unsettled *entry, const struct chain_receipt *receipt,
                      struct arena *arena)
{
    struct event_kinds *kinds = MEM_NEW(struct event_kinds);
    const struct address module = native_address(MODULE_SEGMENT);
    event_kinds_init(kinds);
    for (size_t i = 0; i < receipt->log_count; i++) {
        if (address_eq(&receipt->logs[i].address, &module)) {
            read_log(kinds, entry, &receipt->logs[i], arena);
        }
    }
    arena_free(&kinds->arena);
    mem_free(kinds);
}

/* ---- the state of segments ---- */

static u32 all_of(const struct unsettled_segment *segment)
{
    u8 n = redundancy_n(redundancy_find((u8)segment->seal.class_number));
    return n == 32 ? UINT32_MAX : (1u << n) - 1;
}

/* look_at: what the ledger says about a segment; registered only if it is the one that was sealed.
 */
static err look_at(struct gateway *gateway, struct unsettled_segment *segment,
                   struct segment_record *ret_record, bool *ret_found)
{
    struct hash id;
    TRY(gateway->ports.segment(gateway->ports.ctx, &segment->seal.key,
                               gateway_in(gateway, LEDGER_TIMEOUT_MS), ret_record, ret_found));
    segment_seal_id(&segment->seal, &id);
    segment->registered = *ret_found && hash_eq(&id, &ret_record->id);
    if (!segment->registered) {
        return ok();
    }
    segment->have = 0;
    for (u8 i = 0; i < ret_record->n; i++) {
        const struct segment_holder *holder = &ret_record->holders[i];
        bool was_filled = holder->provider != 0 || holder->position != 0;
        segment->have |= was_filled ? 1u << i : 0;
    }
    segment->complete =
        (ret_record->flags & SEGMENT_COMPLETE) != 0 || segment->have == all_of(segment);
    return ok();
}

static err look_at_all(struct gateway *gateway, struct unsettled *entry)
{
    struct segment_record record;
    bool found;
    for (size_t i = 0; i < entry->segment_count; i++) {
        if (!entry->segments[i].complete) {
            TRY(look_at(gateway, &entry->segments[i], &record, &found));
        }
    }
    return ok();
}

static void count(struct unsettled *entry)
{
    struct settle_facts *facts = &entry->facts;
    facts->missing = 0;
    facts->refused = false;
    for (size_t i = 0; i < entry->segment_count; i++) {
        const struct unsettled_segment *segment = &entry->segments[i];
        facts->refused = facts->refused || !segment->registered;
        if (!segment->complete) {
            facts->missing += (u32)__builtin_popcount(all_of(segment) & ~segment->have);
        }
    }
    for (size_t i = 0; i < entry->head_count; i++) {
        facts->refused = facts->refused || (!entry->heads[i].moved && !entry->heads[i].lost);
    }
}

/* ---- the log ---- */

struct pending_job {
    struct index *index;
    const struct index_pending *pending; /* NULL: remove id */
    u64 id;
    err result;
};

static void pending_run(void *arg)
{
    struct pending_job *job = arg;
    job->result = job->pending != NULL ? index_pending_replace(job->index, job->pending)
                                       : index_pending_remove(job->index, job->id);
}

static err save(struct gateway *gateway, const struct unsettled *entry)
{
    struct buf segments;
    struct buf heads;
    buf_init(&segments, MIB(1));
    buf_init(&heads, MIB(1));
    unsettled_write_segments(&segments, entry);
    unsettled_write_heads(&heads, entry);
    struct index_pending pending = {.id = entry->id,
                                    .tx = entry->tx,
                                    .raw_tx = bytes_make(entry->raw, entry->raw_len),
                                    .submitted_ms = loop_wall_ms(gateway->loop),
                                    .segments = buf_bytes(&segments),
                                    .heads = buf_bytes(&heads)};
    struct pending_job job = {.index = gateway->index, .pending = &pending, .id = entry->id};
    worker_run(gateway->loop, pending_run, &job);
    buf_free(&segments);
    buf_free(&heads);
    return job.result;
}

static void remove_entry(struct gateway *gateway, struct unsettled *entry)
{
    struct pending_job job = {.index = gateway->index, .id = entry->id};
    worker_run(gateway->loop, pending_run, &job);
    if (!is_ok(job.result)) {
        return; /* tried again at the next look */
    }
    for (size_t i = 0; i < entry->segment_count; i++) {
        gateway->ports.spool_done(gateway->ports.ctx, &entry->segments[i].seal.key);
    }
    settle_remove(&gateway->settle, entry);
}

/* ---- steps ---- */

static void set_final(struct gateway *gateway, struct unsettled *entry, bool is_final)
{
    struct territory *territory = territory_get(gateway, entry->territory);
    struct settle *settle = &gateway->settle;
    if (entry->facts.is_final == is_final) {
        return;
    }
    entry->facts.is_final = is_final;
    if (is_final && entry->holds) {
        entry->holds = false;
        gateway->ports.release(gateway->ports.ctx, entry->facts.nonce);
    }
    settle->unfinal += is_final ? (u64)-1 : 1;
    settle->unfinal_bytes += is_final ? (u64)0 - entry->bytes : entry->bytes;
    if (territory != NULL && !is_final) {
        territory->unfinal++;
    } else if (territory != NULL && territory->unfinal > 0) {
        territory->unfinal--;
    }
    event_wake_all(&entry->changed);
}

/* The receipt says what became of this transaction, the state what became of the commit, which may
 * also have come through an earlier signature of it. */
static err take_receipt(struct gateway *gateway, struct unsettled *entry,
                        const struct chain_receipt *receipt, struct arena *arena)
{
    if (!receipt->success) {
        log_warn("gateway", "a commit of territory %llu was reverted",
                 (unsigned long long)entry->territory);
    }
    read_logs(entry, receipt, arena);
    TRY(judge_heads(gateway, entry));
    TRY(look_at_all(gateway, entry));
    count(entry);
    entry->facts.completed_ms = loop_now_ms(gateway->loop);
    set_final(gateway, entry, true);
    event_wake_all(&entry->changed);
    return ok();
}

static void check_receipt(struct gateway *gateway, struct unsettled *entry)
{
    struct arena arena;
    struct chain_receipt receipt;
    arena_init(&arena, RECEIPT_ARENA_BYTES);
    err e = gateway->ports.receipt(gateway->ports.ctx, &entry->tx, &arena,
                                   gateway_in(gateway, LEDGER_TIMEOUT_MS), &receipt);
    if (is_ok(e)) {
        e = take_receipt(gateway, entry, &receipt, &arena);
    }
    arena_free(&arena);
    if (!is_ok(e) && !is_err(e, ERR_NOT_FOUND)) {
        log_debug("gateway", "no receipt yet: %s", err_text(e));
    }
}

static void submit(struct gateway *gateway, struct unsettled *entry)
{
    err e = gateway->ports.submit(gateway->ports.ctx, bytes_make(entry->raw, entry->raw_len),
                                  gateway_in(gateway, LEDGER_TIMEOUT_MS));
    entry->facts.submitted_ms = loop_now_ms(gateway->loop);
    if (!is_ok(e) && !is_err(e, ERR_REFUSED) && !is_err(e, ERR_CONFLICT)) {
        log_debug("gateway", "the ledger took no commit: %s", err_text(e));
    }
}

struct submission {
    struct gateway *gateway;
    struct unsettled *entry;
};

static void submit_run(void *arg)
{
    struct submission *submission = arg;
    submit(submission->gateway, submission->entry);
    unsettled_unref(submission->entry);
    mem_free(submission);
}

void settle_submit(struct gateway *gateway, struct unsettled *entry)
{
    struct submission *submission = MEM_NEW(struct submission);
    *submission = (struct submission){.gateway = gateway, .entry = entry};
    if (is_ok(group_start(gateway->loop, &gateway->fibers, "submit", submit_run, submission))) {
        entry->facts.submitted_ms = loop_now_ms(gateway->loop);
        unsettled_ref(entry);
    } else { /* settling will do it */
        mem_free(submission);
    }
}

static err find_packed(bytes segments, u64 number, struct segment_entry *ret)
{
    struct reader reader;
    reader_init(&reader, segments);
    while (reader.left > 0 && !reader.failed) {
        segment_entry_read(&reader, ret);
        if (!reader.failed && ret->number == number) {
            return ok();
        }
    }
    return fail(ERR_NOT_FOUND);
}

err entry_in_raw(const struct unsettled *entry, u64 number, struct segment_entry *ret)
{
    struct arena arena;
    struct abi_entry call;
    struct abi_value args[3];
    struct tx tx;
    arena_init(&arena, RECEIPT_ARENA_BYTES);
    err e = abi_parse(&arena, SEGMENT_COMMIT, &call);
    if (is_ok(e) && (tx_decode(&arena, bytes_make(entry->raw, entry->raw_len), &tx) != TX_VALID ||
                     tx.input.len < sizeof call.selector)) {
        e = fail(ERR_MALFORMED);
    }
    if (is_ok(e)) {
        bytes rest =
            bytes_slice(tx.input, sizeof call.selector, tx.input.len - sizeof call.selector);
        e = abi_decode(&arena, call.inputs, call.input_count, rest, args);
    }
    if (is_ok(e)) {
        e = find_packed(args[1].data, number, ret);
    }
    arena_free(&arena);
    return e;
}

/* write_pieces: the segments that are to be issued (again); *ret_receipts counts theirs. */
static err write_pieces(struct gateway *gateway, struct unsettled *entry, struct buf *segments,
                        size_t *ret_count, size_t *ret_receipts)
{
    *ret_count = 0;
    *ret_receipts = 0;
    for (size_t i = 0; i < entry->segment_count; i++) {
        struct unsettled_segment *segment = &entry->segments[i];
        struct segment_record record;
        bool found;
        TRY(look_at(gateway, segment, &record, &found));
        if (segment->registered) {
            continue;
        }
        struct segment_entry *fresh = MEM_NEW(struct segment_entry);
        err e = entry_in_raw(entry, segment->seal.key.number, fresh);
        if (is_ok(e)) {
            e = gateway->ports.reissue(gateway->ports.ctx, &segment->seal,
                                       gateway_in(gateway, COMPLETE_TIMEOUT_MS), fresh);
        }
        if (is_ok(e)) {
            segment_entry_write(segments, fresh);
            *ret_receipts += fresh->receipt_count;
            *ret_count += 1;
        }
        mem_free(fresh);
        TRY(e);
    }
    return ok();
}

static size_t open_heads(const struct unsettled *entry, struct head_move *ret_heads)
{
    size_t open = 0;
    for (size_t i = 0; i < entry->head_count; i++) {
        if (!entry->heads[i].moved && !entry->heads[i].lost) {
            ret_heads[open++] = entry->heads[i].move;
        }
    }
    return open;
}

/* adopt_raw: the entry is the new transaction only once that is in the log: else it stays as it
 * was, in memory, too. */
static err adopt_raw(struct gateway *gateway, struct unsettled *entry, bytes raw,
                     const struct hash *tx, struct arena *arena)
{
    struct ports *ports = &gateway->ports;
    u64 old_nonce = entry->facts.nonce;
    struct hash old_tx = entry->tx;
    bytes old_raw = arena_copy(arena, bytes_make(entry->raw, entry->raw_len));
    assert_that(old_raw.data != NULL); /* the arena has room for several */
    unsettled_set_raw(entry, raw, tx);
    err e = save(gateway, entry);
    if (!is_ok(e)) {
        ports->unsign(ports->ctx, entry->facts.nonce);
        unsettled_set_raw(entry, old_raw, &old_tx);
        return e;
    }
    if (entry->holds) {
        ports->release(ports->ctx, old_nonce);
    }
    entry->holds = true;
    return ok();
}

static err sign_and_save(struct gateway *gateway, struct unsettled *entry, bytes input, u64 gas)
{
    struct ports *ports = &gateway->ports;
    struct arena arena;
    bytes raw;
    struct hash tx;
    arena_init(&arena, CALL_ARENA_BYTES);
    err e = ports->sign(ports->ctx, input, gas, &arena, gateway_in(gateway, LEDGER_TIMEOUT_MS),
                        &raw, &tx);
    if (is_ok(e)) {
        e = adopt_raw(gateway, entry, raw, &tx, &arena);
    }
    arena_free(&arena);
    TRY(e);
    set_final(gateway, entry, false);
    entry->facts.refused = false;
    settle_submit(gateway, entry);
    copies_again(gateway, entry); /* those of the former transaction are of no use any more */
    return ok();
}

static err sign_new(struct gateway *gateway, struct unsettled *entry)
{
    struct buf segments;
    struct buf input;
    size_t count_segments;
    size_t receipts;
    struct head_move *heads = mem_alloc_array(entry->head_count, sizeof *heads);
    buf_init(&segments, CHAIN_RAW_TX_BYTES_MAX);
    buf_init(&input, CHAIN_RAW_TX_BYTES_MAX);
    err e = write_pieces(gateway, entry, &segments, &count_segments, &receipts);
    size_t head_count = open_heads(entry, heads);
    bool nothing_left = is_ok(e) && count_segments == 0 && head_count == 0;
    if (nothing_left) { /* an earlier signature of it did everything */
        count(entry);
        set_final(gateway, entry, true);
    }
    if (is_ok(e) && !nothing_left) {
        commit_calldata(&input, entry->territory, buf_bytes(&segments), heads, head_count);
        e = buf_done(&input);
    }
    if (is_ok(e) && !nothing_left) {
        e = gate_enter(gateway->loop, &gateway->signing, 1, gateway_in(gateway, LEDGER_TIMEOUT_MS));
    }
    if (is_ok(e) && !nothing_left) {
        e = sign_and_save(gateway, entry, buf_bytes(&input),
                          commit_gas(count_segments, receipts, head_count, input.len));
        gate_leave(&gateway->signing, 1);
    }
    buf_free(&segments);
    buf_free(&input);
    mem_free(heads);
    return e;
}

/* issue_again: also for a transaction whose nonce is lost: what the ledger has already is left out.
 */
static void issue_again(struct gateway *gateway, struct unsettled *entry)
{
    entry->facts.attempts++;
    entry->facts.attempted_ms = loop_now_ms(gateway->loop);
    err e = sign_new(gateway, entry);
    entry->facts.attempted_ms = loop_now_ms(gateway->loop);
    entry->facts.born_ms = is_ok(e) ? entry->facts.attempted_ms : entry->facts.born_ms;
    if (!is_ok(e)) {
        log_warn("gateway", "a refused commit cannot be issued again yet: %s", err_text(e));
    }
}

/* fill_gap: a transaction that needed no log entry got lost with the pool that it waited in, and
 * was given up. Where one is missing others may be, too: all nonces up to the last commit's are
 * looked at. One that is not missing after all stays as it is: the ledger refuses the filling. */
static void fill_gap(struct gateway *gateway, struct unsettled *entry)
{
    u64 first = entry->facts.account_nonce;
    u64 end = entry->facts.nonce;
    list_for (it, &gateway->settle.entries) {
        const struct unsettled *other = list_entry(it, struct unsettled, node);
        end = other->facts.is_final ? end : max_u64(end, other->facts.nonce);
    }
    err e =
        gateway->ports.fill(gateway->ports.ctx, first, end, gateway_in(gateway, LEDGER_TIMEOUT_MS));
    entry->facts.filled_ms = loop_now_ms(gateway->loop);
    log_info("gateway", "a gap between nonces %llu and %llu: %s", (unsigned long long)first,
             (unsigned long long)entry->facts.nonce, is_ok(e) ? "filled" : err_text(e));
}

/* ---- placing late holders ---- */

struct completion {
    struct gateway *gateway;
    struct unsettled *entry;
};

/* late_entry: receipts for what a segment lacks: those that came late, or fresh ones. */
static err late_entry(struct gateway *gateway, struct unsettled_segment *segment,
                      const struct segment_record *record, struct segment_entry *ret_late)
{
    if (segment->late != NULL) {
        *ret_late = *segment->late;
        mem_free(segment->late);
        segment->late = NULL;
        return ok();
    }
    return gateway->ports.place(gateway->ports.ctx, &segment->seal, record,
                                gateway_in(gateway, COMPLETE_TIMEOUT_MS), ret_late);
}

static err add_late(struct gateway *gateway, struct unsettled_segment *segment, struct buf *out)
{
    struct segment_record record;
    bool found;
    TRY(look_at(gateway, segment, &record, &found));
    if (segment->complete || !segment->registered) {
        return ok();
    }
    struct segment_entry *late = MEM_NEW(struct segment_entry);
    err e = late_entry(gateway, segment, &record, late);
    if (is_ok(e) && late->receipt_count > 0) {
        segment_entry_write(out, late);
    }
    mem_free(late);
    return e;
}

static err complete(struct gateway *gateway, struct unsettled *entry)
{
    struct buf segments;
    struct buf input;
    err last = ok();
    buf_init(&segments, CHAIN_RAW_TX_BYTES_MAX - KIB(8));
    buf_init(&input, CHAIN_RAW_TX_BYTES_MAX);
    for (size_t i = 0; i < entry->segment_count && !gateway->closing; i++) {
        err e =
            entry->segments[i].complete ? ok() : add_late(gateway, &entry->segments[i], &segments);
        last = is_ok(e) ? last : e;
    }
    err e = buf_done(&segments);
    if (is_ok(e) && segments.len > 0) {
        const struct abi_value args[] = {abi_u64(entry->territory),
                                         abi_bytes(buf_bytes(&segments))};
        module_encode(&input, SEGMENT_COMPLETE_CALL, args);
        e = gateway->ports.call(gateway->ports.ctx, buf_bytes(&input),
                                gateway_in(gateway, COMPLETE_TIMEOUT_MS));
    }
    buf_free(&segments);
    buf_free(&input);
    TRY(e);
    TRY(look_at_all(gateway, entry));
    return last;
}

static void complete_run(void *arg)
{
    struct completion *completion = arg;
    struct gateway *gateway = completion->gateway;
    struct unsettled *entry = completion->entry;
    err e = complete(gateway, entry);
    if (!is_ok(e) && !is_err(e, ERR_CANCELLED)) {
        log_info("gateway", "%u fragments wait for a holder: %s", entry->facts.missing,
                 err_text(e));
    }
    count(entry);
    entry->facts.refused = false; /* registration is not questioned any more */
    entry->facts.completing = false;
    entry->facts.completions++;
    entry->facts.completed_ms = loop_now_ms(gateway->loop);
    gateway->settle.completing--;
    event_wake_all(&entry->changed);
    event_wake_all(&gateway->settle.wake);
    unsettled_unref(entry);
    mem_free(completion);
}

static void start_completion(struct gateway *gateway, struct unsettled *entry)
{
    if (gateway->settle.completing >= COMPLETIONS_AT_ONCE) {
        return;
    }
    struct completion *completion = MEM_NEW(struct completion);
    *completion = (struct completion){.gateway = gateway, .entry = entry};
    unsettled_ref(entry);
    entry->facts.completing = true;
    gateway->settle.completing++;
    if (!is_ok(
            group_start(gateway->loop, &gateway->fibers, "complete", complete_run, completion))) {
        entry->facts.completing = false;
        gateway->settle.completing--;
        unsettled_unref(entry);
        mem_free(completion);
    }
}

/* ---- the fiber ---- */

static void act(struct gateway *gateway, struct unsettled *entry, enum settle_action action)
{
    switch (action) {
    case SETTLE_WAIT:
        return;
    case SETTLE_SUBMIT:
        submit(gateway, entry);
        return;
    case SETTLE_FILL_GAP:
        fill_gap(gateway, entry);
        return;
    case SETTLE_SIGN_AGAIN:
    case SETTLE_ISSUE_AGAIN:
        log_info("gateway", "a commit of territory %llu: %s", (unsigned long long)entry->territory,
                 settle_action_name(action));
        issue_again(gateway, entry);
        return;
    case SETTLE_COMPLETE:
        start_completion(gateway, entry);
        return;
    case SETTLE_REMOVE:
        remove_entry(gateway, entry);
        return;
    }
    unreachable_case();
}

struct round {
    u64 height; /* head at the last look for receipts */
    bool nonce_known;
    u64 nonce;
};

static void update_facts(struct gateway *gateway, struct unsettled *entry,
                         const struct round *round, bool is_oldest)
{
    entry->facts.now_ms = loop_now_ms(gateway->loop);
    settle_note_nonce(&entry->facts, round->nonce_known, round->nonce, is_oldest);
}

/* is_blocked: an earlier commit of one of its buckets was refused and is not under way again: its
 * own heads cannot move before that one's. */
static bool is_blocked(const struct gateway *gateway, const struct unsettled *entry)
{
    for (const struct list *it = entry->node.prev; it != &gateway->settle.entries; it = it->prev) {
        const struct unsettled *earlier = list_entry(it, struct unsettled, node);
        bool waits = earlier->facts.is_final && earlier->facts.refused;
        for (size_t i = 0; waits && i < earlier->head_count; i++) {
            const struct unsettled_head *head = &earlier->heads[i];
            for (size_t j = 0; j < entry->head_count; j++) {
                if (!head->moved && !head->lost &&
                    hash_eq(&head->move.bucket, &entry->heads[j].move.bucket)) {
                    return true;
                }
            }
        }
    }
    return false;
}

static u64 lowest_nonce(const struct gateway *gateway)
{
    u64 lowest = UINT64_MAX;
    list_for (it, &gateway->settle.entries) {
        const struct unsettled *entry = list_entry(it, struct unsettled, node);
        lowest = entry->facts.is_final ? lowest : min_u64(lowest, entry->facts.nonce);
    }
    return lowest;
}

/* look: one pass over all entries; *ret_next_ms: when to come back at the latest. */
static void look(struct gateway *gateway, const struct round *round, bool new_head,
                 u64 *ret_next_ms)
{
    u64 lowest = lowest_nonce(gateway);
    struct list *it = gateway->settle.entries.next;
    while (it != &gateway->settle.entries && !gateway->closing) {
        struct unsettled *entry = list_entry(it, struct unsettled, node);
        u64 next_ms;
        unsettled_ref(entry); /* while this fiber waits; only this fiber takes entries out */
        if (!entry->facts.is_final && new_head) {
            check_receipt(gateway, entry);
        }
        update_facts(gateway, entry, round, entry->facts.nonce == lowest);
        entry->facts.is_blocked = entry->facts.refused && is_blocked(gateway, entry);
        enum settle_action action = settle_step(&entry->facts, &next_ms);
        it = it->next;
        act(gateway, entry, action);
        *ret_next_ms = min_u64(*ret_next_ms, action == SETTLE_WAIT ? next_ms : 0);
        unsettled_unref(entry);
    }
}

static void ask_nonce(struct gateway *gateway, struct round *round)
{
    u64 nonce;
    round->nonce_known = false;
    if (gateway->settle.unfinal == 0) {
        return;
    }
    err e =
        gateway->ports.nonce(gateway->ports.ctx, gateway_in(gateway, LEDGER_TIMEOUT_MS), &nonce);
    if (is_ok(e)) {
        round->nonce_known = true;
        round->nonce = nonce;
    }
}

static void publish(struct gateway *gateway)
{
    if (gateway->metric_unfinal != NULL) {
        *gateway->metric_unfinal = gateway->settle.unfinal;
        *gateway->metric_unfinal_bytes = gateway->settle.unfinal_bytes;
    }
}

void settle_run(void *arg)
{
    struct gateway *gateway = arg;
    struct round round = {0};
    while (!gateway->closing && !loop_stopping(gateway->loop)) {
        u64 now = loop_now_ms(gateway->loop);
        u64 next = now + (gateway->settle.unfinal > 0 ? LOOK_MS : IDLE_MS);
        u64 height = gateway->ports.height(gateway->ports.ctx);
        bool new_head = height != round.height;
        round.height = height;
        if (new_head) {
            ask_nonce(gateway, &round);
        }
        look(gateway, &round, new_head, &next);
        publish(gateway);
        next = max_u64(next, loop_now_ms(gateway->loop) + 20);
        if (is_err(event_wait(gateway->loop, &gateway->settle.wake, next), ERR_CANCELLED)) {
            break;
        }
    }
}

/* ---- after a restart ---- */

/* What was answered is readable again at once, not only when the ledger shows it. A transaction
 * that was signed again may no longer have a segment: the ledger has that one. */
static void hint_segments(struct gateway *gateway, const struct unsettled *entry)
{
    struct segment_entry *packed = MEM_NEW(struct segment_entry);
    for (size_t i = 0; i < entry->segment_count; i++) {
        const struct segment_seal *seal = &entry->segments[i].seal;
        if (is_ok(entry_in_raw(entry, seal->key.number, packed))) {
            gateway->ports.lane_sealed(gateway->ports.ctx, packed, seal);
        }
    }
    mem_free(packed);
}

static err replay_one(void *ctx, const struct index_pending *pending)
{
    struct gateway *gateway = ctx;
    struct unsettled *entry;
    TRY(unsettled_read(pending, &entry));
    entry->facts.born_ms = loop_now_ms(gateway->loop);
    gateway->settle.unfinal++;
    gateway->settle.unfinal_bytes += entry->bytes;
    struct territory *territory = territory_get(gateway, entry->territory);
    if (territory != NULL) {
        territory->unfinal++;
    }
    settle_add(&gateway->settle, entry);
    gateway->ports.hold(gateway->ports.ctx, entry->facts.nonce);
    entry->holds = true;
    hint_segments(gateway, entry);
    return ok();
}

/* Early, for the start may take a while. Nonces are not given twice in any case, as the log's are
 * held; what the ledger does not hear now is submitted again by settling. */
static void submit_all(struct gateway *gateway, u64 deadline_ms)
{
    list_for (it, &gateway->settle.entries) {
        struct unsettled *entry = list_entry(it, struct unsettled, node);
        err e = gateway->ports.submit(gateway->ports.ctx, bytes_make(entry->raw, entry->raw_len),
                                      deadline_ms);
        if (!is_ok(e) && !is_err(e, ERR_REFUSED) && !is_err(e, ERR_CONFLICT) &&
            !is_err(e, ERR_BUSY)) {
            log_info("gateway", "the ledger takes no commits yet: %s", err_text(e));
            return;
        }
        entry->facts.submitted_ms = loop_now_ms(gateway->loop);
    }
}

err settle_replay(struct gateway *gateway)
{
    struct index_view *view;
    TRY(index_view_open(gateway->index, &view));
    err e = index_pending_each(view, replay_one, gateway);
    index_view_close(view);
    TRY(e);
    if (gateway->settle.count > 0) {
        log_info("gateway", "%zu commits in the log are not settled yet", gateway->settle.count);
    }
    submit_all(gateway, gateway_in(gateway, LEDGER_TIMEOUT_MS));
    return ok();
}

void settle_free(struct gateway *gateway)
{
    list_for_safe (it, &gateway->settle.entries) {
        settle_remove(&gateway->settle, list_entry(it, struct unsettled, node));
    }
}

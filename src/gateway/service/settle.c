#include "gateway/service/settle.h"

#include "base/assert.h"
#include "base/mem.h"
#include "gateway/journal/kinds.h"
#include "ledger/exec/tx.h"

#define UNSETTLED_VERSION 1
#define FLAG_REGISTERED 1
#define FLAG_COMPLETE 2
#define FLAG_MOVED 1
#define FLAG_LOST 2
#define BACKOFF_DOUBLINGS_MAX 16

const char *settle_action_name(enum settle_action action)
{
    switch (action) {
    case SETTLE_WAIT:
        return "wait";
    case SETTLE_SUBMIT:
        return "submit";
    case SETTLE_FILL_GAP:
        return "fill gap";
    case SETTLE_SIGN_AGAIN:
        return "sign again";
    case SETTLE_ISSUE_AGAIN:
        return "issue again";
    case SETTLE_COMPLETE:
        return "complete";
    case SETTLE_REMOVE:
        return "remove";
    }
    unreachable_case();
}

static u64 backoff(u64 first_ms, u64 most_ms, u32 attempts)
{
    u64 pause = first_ms;
    for (u32 i = 1; i < attempts && i < BACKOFF_DOUBLINGS_MAX && pause < most_ms; i++) {
        pause *= 2;
    }
    return min_u64(pause, most_ms);
}

void settle_note_nonce(struct settle_facts *facts, bool nonce_known, u64 account_nonce,
                       bool is_oldest)
{
    bool beyond = nonce_known && account_nonce > facts->nonce;
    bool gap = nonce_known && is_oldest && account_nonce < facts->nonce;
    if (!beyond) {
        facts->nonce_since_ms = 0;
    } else if (facts->nonce_since_ms == 0) {
        facts->nonce_since_ms = facts->now_ms;
    }
    if (!gap) {
        facts->gap_since_ms = 0;
    } else if (facts->gap_since_ms == 0 || facts->account_nonce != account_nonce) {
        facts->gap_since_ms = facts->now_ms;
    }
    facts->nonce_known = nonce_known;
    facts->account_nonce = account_nonce;
    facts->is_oldest = is_oldest;
}

static enum settle_action step_sending(const struct settle_facts *f, u64 *ret_next_ms)
{
    bool taken = f->nonce_known && f->account_nonce > f->nonce && f->nonce_since_ms != 0;
    if (taken && f->now_ms - f->nonce_since_ms >= SETTLE_TAKEN_MS) {
        return SETTLE_SIGN_AGAIN;
    }
    bool gap = f->nonce_known && f->is_oldest && f->gap_since_ms != 0;
    if (gap && f->now_ms - max_u64(f->gap_since_ms, f->filled_ms) >= SETTLE_GAP_MS) {
        return SETTLE_FILL_GAP;
    }
    if (f->submitted_ms == 0 || f->now_ms - f->submitted_ms >= SETTLE_SUBMIT_MS) {
        return SETTLE_SUBMIT;
    }
    *ret_next_ms = f->submitted_ms + SETTLE_SUBMIT_MS;
    return SETTLE_WAIT;
}

static enum settle_action step_final(const struct settle_facts *f, u64 *ret_next_ms)
{
    if (f->refused && f->is_blocked) {
        *ret_next_ms = f->now_ms + SETTLE_RETRY_MS;
        return SETTLE_WAIT;
    }
    if (f->refused) {
        u64 pause =
            f->attempts == 0 ? 0 : backoff(SETTLE_RETRY_MS, SETTLE_RETRY_MAX_MS, f->attempts);
        if (f->now_ms - f->attempted_ms >= pause) {
            return SETTLE_ISSUE_AGAIN;
        }
        *ret_next_ms = f->attempted_ms + pause;
        return SETTLE_WAIT;
    }
    if (f->completing) {
        return SETTLE_WAIT;
    }
    if (f->missing == 0 || f->now_ms - f->born_ms >= SETTLE_GIVE_UP_MS) {
        return SETTLE_REMOVE;
    }
    /* The first pause leaves time to holders that are merely slow. */
    u64 pause = backoff(SETTLE_COMPLETE_MS, SETTLE_COMPLETE_MAX_MS, f->completions);
    if (f->now_ms - f->completed_ms >= pause) {
        return SETTLE_COMPLETE;
    }
    *ret_next_ms = f->completed_ms + pause;
    return SETTLE_WAIT;
}

enum settle_action settle_step(const struct settle_facts *facts, u64 *ret_next_ms)
{
    *ret_next_ms = UINT64_MAX;
    return facts->is_final ? step_final(facts, ret_next_ms) : step_sending(facts, ret_next_ms);
}

/* ---- entries ---- */

void settle_init(struct settle *settle)
{
    *settle = (struct settle){0};
    list_init(&settle->entries);
    event_init(&settle->wake);
}

void settle_add(struct settle *settle, struct unsettled *entry)
{
    list_push_back(&settle->entries, &entry->node);
    settle->count++;
    event_wake_all(&settle->wake);
}

void settle_remove(struct settle *settle, struct unsettled *entry)
{
    list_remove(&entry->node);
    settle->count--;
    unsettled_unref(entry);
}

void unsettled_ref(struct unsettled *entry) { entry->references++; }

void unsettled_unref(struct unsettled *entry)
{
    if (--entry->references != 0) {
        return;
    }
    for (size_t i = 0; i < entry->segment_count; i++) {
        mem_free(entry->segments[i].late);
    }
    mem_free(entry->segments);
    mem_free(entry->heads);
    mem_free(entry->raw);
    mem_free(entry);
}

bool settle_overloaded(const struct settle *settle, u64 now_ms, u64 spool_bytes_max)
{
    if (settle->unfinal_bytes > spool_bytes_max) {
        return true;
    }
    list_for (it, &settle->entries) {
        const struct unsettled *entry = list_entry(it, struct unsettled, node);
        if (!entry->facts.is_final) {
            return now_ms - min_u64(entry->facts.born_ms, now_ms) > SETTLE_OLDEST_MS;
        }
    }
    return false;
}

static bool same_key(const struct segment_key *a, const struct segment_key *b)
{
    return a->territory == b->territory && a->gateway == b->gateway && a->number == b->number;
}

struct unsettled_segment *settle_find_segment(const struct settle *settle,
                                              const struct segment_key *key,
                                              struct unsettled **ret_entry)
{
    list_for (it, &settle->entries) {
        struct unsettled *entry = list_entry(it, struct unsettled, node);
        for (size_t i = 0; i < entry->segment_count; i++) {
            if (same_key(&entry->segments[i].seal.key, key)) {
                *ret_entry = entry;
                return &entry->segments[i];
            }
        }
    }
    return NULL;
}

struct unsettled *unsettled_new(u64 territory, bytes raw, const struct hash *tx,
                                size_t segment_count, size_t head_count)
{
    struct unsettled *entry = MEM_NEW(struct unsettled);
    list_init(&entry->node);
    entry->territory = territory;
    entry->segments = mem_alloc_array(segment_count, sizeof *entry->segments);
    entry->segment_count = segment_count;
    entry->heads = mem_alloc_array(head_count, sizeof *entry->heads);
    entry->head_count = head_count;
    entry->references = 1;
    event_init(&entry->changed);
    unsettled_set_raw(entry, raw, tx);
    return entry;
}

/* The nonce is inside; what does not decode was not signed here, and its nonce is never looked at.
 */
static u64 nonce_of(bytes raw)
{
    struct arena arena;
    struct tx tx;
    arena_init(&arena, KIB(64));
    u64 nonce = tx_decode(&arena, raw, &tx) == TX_VALID ? tx.nonce : 0;
    arena_free(&arena);
    return nonce;
}

void unsettled_set_raw(struct unsettled *entry, bytes raw, const struct hash *tx)
{
    mem_free(entry->raw);
    entry->raw = mem_alloc(raw.len);
    entry->raw_len = raw.len;
    memcpy(entry->raw, raw.data, raw.len);
    entry->tx = *tx;
    entry->facts.nonce = nonce_of(raw);
    entry->facts.nonce_since_ms = 0;
    entry->facts.submitted_ms = 0;
}

void unsettled_write_segments(struct buf *out, const struct unsettled *entry)
{
    write_head(out, KIND_UNSETTLED, UNSETTLED_VERSION);
    buf_put_be64(out, entry->territory);
    buf_put_be32(out, (u32)entry->segment_count);
    for (size_t i = 0; i < entry->segment_count; i++) {
        const struct unsettled_segment *segment = &entry->segments[i];
        segment_seal_write(out, &segment->seal);
        buf_put_be32(out, segment->have);
        buf_put_u8(out, (u8)((segment->registered ? FLAG_REGISTERED : 0) |
                             (segment->complete ? FLAG_COMPLETE : 0)));
    }
}

void unsettled_write_heads(struct buf *out, const struct unsettled *entry)
{
    write_head(out, KIND_UNSETTLED, UNSETTLED_VERSION);
    buf_put_be32(out, (u32)entry->head_count);
    for (size_t i = 0; i < entry->head_count; i++) {
        const struct unsettled_head *head = &entry->heads[i];
        write_hash(out, &head->move.bucket);
        write_hash(out, &head->move.old_head);
        journal_head_write(out, &head->move.head);
        buf_put_be64(out, head->move.sequence);
        buf_put_u8(out, (u8)((head->moved ? FLAG_MOVED : 0) | (head->lost ? FLAG_LOST : 0)));
    }
}

static void read_segments(struct reader *in, struct unsettled *entry)
{
    for (size_t i = 0; i < entry->segment_count; i++) {
        struct unsettled_segment *segment = &entry->segments[i];
        segment_seal_read(in, &segment->seal);
        segment->have = read_be32(in);
        u8 flags = read_u8(in);
        segment->registered = (flags & FLAG_REGISTERED) != 0;
        segment->complete = (flags & FLAG_COMPLETE) != 0;
        entry->bytes += segment->seal.length;
    }
}

static void read_heads(struct reader *in, struct unsettled *entry)
{
    for (size_t i = 0; i < entry->head_count; i++) {
        struct unsettled_head *head = &entry->heads[i];
        head->move.bucket = read_hash(in);
        head->move.old_head = read_hash(in);
        head->move.head = journal_head_read(in);
        head->move.sequence = read_be64(in);
        u8 flags = read_u8(in);
        head->moved = (flags & FLAG_MOVED) != 0;
        head->lost = (flags & FLAG_LOST) != 0;
    }
}

err unsettled_read(const struct index_pending *pending, struct unsettled **ret_entry)
{
    struct reader segments;
    struct reader heads;
    reader_init(&segments, pending->segments);
    reader_init(&heads, pending->heads);
    read_head(&segments, KIND_UNSETTLED, UNSETTLED_VERSION);
    read_head(&heads, KIND_UNSETTLED, UNSETTLED_VERSION);
    u64 territory = read_be64(&segments);
    u32 segment_count = read_be32(&segments);
    u32 head_count = read_be32(&heads);
    if (segments.failed || heads.failed || segment_count > segments.left ||
        head_count > heads.left) {
        return fail(ERR_MALFORMED);
    }
    struct unsettled *entry =
        unsettled_new(territory, pending->raw_tx, &pending->tx, segment_count, head_count);
    entry->id = pending->id;
    read_segments(&segments, entry);
    read_heads(&heads, entry);
    if (!is_ok(reader_done(&segments)) || !is_ok(reader_done(&heads))) {
        unsettled_unref(entry);
        return fail(ERR_MALFORMED);
    }
    *ret_entry = entry;
    return ok();
}

#include "ledger/modules/segment_state.h"

#include "ledger/modules/bucket_state.h"
#include "ledger/modules/modules.h"
#include "ledger/modules/params_layout.h"
#include "ledger/modules/segment_place.h"
#include "ledger/modules/territory_state.h"

/* One call of commit(): what is loaded once, changed per entry, and stored once at the end. */
struct commit {
    struct placing placing;
    struct frame *frame;
    struct territory_record territory;
    struct authorisation_key authorisation_key;
    struct authorisation authorisation;
    struct ticket_record tickets;
    struct segment_counts counts;
    u64 skip_percent;
    u64 registered;
    /* Of the entry at hand. */
    struct segment_entry entry;
    struct placement_state state;
};

err segment_counts_store(struct frame *frame, const struct segment_counts *counts)
{
    struct hash slot = slot_number(SEGMENT_SLOT_COUNTS);
    struct word word = {{0}};
    word_put(&word, 0, 8, counts->segments);
    word_put(&word, 8, 4, counts->own_watchers);
    return state_store(frame, MODULE_SEGMENT, &slot, &word, 1);
}

err segment_store(struct frame *frame, const struct segment_key *key,
                  const struct segment_record *record)
{
    struct hash slot = segment_slot(key);
    struct word words[SEGMENT_WORDS_MAX];
    segment_pack(words, record);
    return state_store(frame, MODULE_SEGMENT, &slot, words, segment_word_count(record->n));
}

/* open_gateway: the caller is an active gateway; *ret_gateway is its number. */
static err open_gateway(struct frame *frame, u32 *ret_gateway)
{
    struct slot_source source = frame_slots(frame);
    struct gateway_record gateway;
    bool found = false;
    TRY(gateway_of(&source, &frame->caller, ret_gateway));
    if (*ret_gateway != 0) {
        TRY(gateway_load(&source, *ret_gateway, &gateway, &found));
        found = found && gateway.active;
    }
    (void)require(frame, found, "caller is no active gateway");
    return ok();
}

static err commit_open(struct commit *commit, struct frame *frame, u64 territory)
{
    struct slot_source source = frame_slots(frame);
    u32 gateway;
    bool found;
    commit->frame = frame;
    TRY(open_gateway(frame, &gateway));
    TRY(placing_init(&commit->placing, frame, territory, gateway, PLACING_COMMIT));
    TRY(territory_load(&source, territory, &commit->territory, &found));
    bool is_usable = found && territory_usable(&commit->territory, commit->placing.time.now);
    if (!require(frame, is_usable, "territory is not usable")) {
        return ok();
    }
    TRY(authorisation_find(&source, &commit->territory.owner, territory, gateway, SCOPE_WRITE,
                           frame->block->time, &commit->authorisation_key, &commit->authorisation,
                           &found));
    if (!require(frame, found, "gateway is not authorised")) {
        return ok();
    }
    TRY(ticket_load(&source, territory, gateway, &commit->tickets));
    TRY(segment_counts_load(&source, &commit->counts));
    return params_load(&source, PARAM_TICKET_SKIP_PERCENT, &commit->skip_percent);
}

/* check_entry: everything about an entry but its receipts; *ret_tickets is what the counters will
 * be if it is registered. */
static err check_entry(struct commit *commit, const struct segment_entry *entry,
                       struct ticket_record *ret_tickets, enum segment_reason *ret_reason)
{
    const struct authorisation *authorisation = &commit->authorisation;
    const struct territory_record *territory = &commit->territory;
    bool ticket_is_valid;
    TRY(placing_seed(&commit->placing, entry, &ticket_is_valid));
    *ret_tickets = commit->tickets;
    if (!territory_accepts(territory, entry->class_number)) {
        *ret_reason = SEGMENT_REASON_CLASS_TOO_DEAR;
    } else if (!ticket_is_valid) {
        *ret_reason = SEGMENT_REASON_TICKET;
    } else if (!ticket_use(ret_tickets, entry->number, commit->skip_percent)) {
        *ret_reason = SEGMENT_REASON_NUMBER;
    } else if (authorisation->used > authorisation->quota ||
               authorisation->quota - authorisation->used < entry->length) {
        *ret_reason = SEGMENT_REASON_QUOTA;
    } else if (territory->used > territory->size ||
               territory->size - territory->used < entry->length) {
        *ret_reason = SEGMENT_REASON_SPACE;
    } else {
        *ret_reason = SEGMENT_REASON_NONE;
    }
    return ok();
}

static err check_receipts(struct commit *commit, struct placement_state *state)
{
    const struct segment_entry *entry = state->entry;
    for (u8 i = 0; i < entry->receipt_count && frame_running(commit->frame); i++) {
        enum segment_reason reason;
        TRY(placing_check(&commit->placing, state, &entry->receipts[i], &reason));
        if (reason != SEGMENT_REASON_NONE && frame_running(commit->frame)) {
            placing_skipped(&commit->placing, state, &entry->receipts[i], reason);
        }
    }
    return ok();
}

static void emit_refused(struct commit *commit, const struct placement_state *state,
                         enum segment_reason reason)
{
    struct abi_value values[] = {abi_u64(state->key.territory), abi_u64(state->key.gateway),
                                 abi_u64(state->key.number), abi_u64((u64)reason),
                                 abi_u64(state->accepted_count)};
    native_emit(commit->frame, &segment_module, SEGMENT_EVENT_REFUSED, values);
}

static err store_list_entry(struct frame *frame, const struct segment_key *key, u64 serial)
{
    struct hash slot = segment_list_slot(serial);
    struct word word = {{0}};
    word_put(&word, 0, 8, key->territory);
    word_put(&word, 8, 4, key->gateway);
    word_put(&word, 12, 8, key->number);
    return state_store(frame, MODULE_SEGMENT, &slot, &word, 1);
}

static err register_segment(struct commit *commit, struct placement_state *state)
{
    const struct segment_entry *entry = state->entry;
    struct segment_record record = {
        .class_number = entry->class_number,
        .n = redundancy_n(redundancy_find((u8)entry->class_number)),
        .length = entry->length,
        .serial = ++commit->counts.segments,
        .epoch = (u32)commit->placing.time.epoch,
        .committed = commit->placing.time.now,
        .id = state->id,
    };
    TRY(placing_apply(&commit->placing, state, &record));
    TRY(segment_store(commit->frame, &state->key, &record));
    TRY(store_list_entry(commit->frame, &state->key, record.serial));
    commit->territory.used += entry->length;
    commit->authorisation.used += entry->length;
    commit->registered++;
    struct abi_value values[] = {abi_u64(state->key.territory), abi_u64(state->key.gateway),
                                 abi_u64(state->key.number), abi_hash(&record.id),
                                 abi_u64(state->accepted_count)};
    native_emit(commit->frame, &segment_module, SEGMENT_EVENT_REGISTERED, values);
    return ok();
}

static err commit_entry(struct commit *commit)
{
    const struct segment_entry *entry = &commit->entry;
    struct placement_state *state = &commit->state;
    struct ticket_record tickets;
    enum segment_reason reason;
    placement_state_init(state, &commit->placing, entry);
    TRY(check_entry(commit, entry, &tickets, &reason));
    if (reason == SEGMENT_REASON_NONE) {
        TRY(check_receipts(commit, state));
        u8 quorum = redundancy_quorum(redundancy_find((u8)entry->class_number));
        reason = state->accepted_count < quorum ? SEGMENT_REASON_QUORUM : SEGMENT_REASON_NONE;
    }
    if (!frame_running(commit->frame)) {
        return ok();
    }
    if (reason != SEGMENT_REASON_NONE) {
        emit_refused(commit, state, reason);
        return ok();
    }
    commit->tickets = tickets;
    return register_segment(commit, state);
}

static err commit_segments(struct commit *commit, bytes segments)
{
    struct slot_source source = frame_slots(commit->frame);
    struct reader reader;
    u64 limit;
    TRY(params_load(&source, PARAM_COMMIT_SEGMENTS_MAX, &limit));
    reader_init(&reader, segments);
    for (u64 i = 0; reader.left > 0 && frame_running(commit->frame); i++) {
        if (!require(commit->frame, i < limit, "too many segments")) {
            break;
        }
        segment_entry_read(&reader, &commit->entry);
        if (!require(commit->frame, !reader.failed, "malformed segments")) {
            break;
        }
        TRY(commit_entry(commit));
    }
    return ok();
}

/* Counters that every entry changed are stored once. */
static err commit_store(struct commit *commit)
{
    struct frame *frame = commit->frame;
    u64 territory = commit->placing.territory;
    if (commit->registered == 0) {
        return ok();
    }
    struct hash slot = ticket_slot(territory, commit->placing.gateway);
    struct word words[2];
    ticket_pack(words, &commit->tickets);
    TRY(state_store(frame, MODULE_SEGMENT, &slot, words, 2));
    TRY(segment_counts_store(frame, &commit->counts));
    TRY(territory_store(frame, territory, &commit->territory));
    return authorisation_store(frame, &commit->authorisation_key, &commit->authorisation);
}

struct head_move {
    struct hash bucket;
    struct hash old_head;
    struct bucket_head head;
};

static struct head_move head_move_of(const struct abi_value *item)
{
    struct head_move move = {.bucket = abi_as_hash(&item->parts[0]),
                             .old_head = abi_as_hash(&item->parts[1])};
    struct word word;
    move.head.hash = abi_as_hash(&item->parts[2]);
    memcpy(word.b, item->parts[3].word, sizeof word.b);
    move.head.locator = locator_of_word(&word);
    return move;
}

/* A head may only point at bytes of a registered segment of the same territory. */
static err check_locator(struct commit *commit, const struct bucket_head *head, bool *ret_is_valid)
{
    struct slot_source source = frame_slots(commit->frame);
    const struct locator *locator = &head->locator;
    struct segment_key key = {commit->placing.territory, locator->gateway, locator->number};
    struct segment_record segment;
    bool found;
    if (hash_is_zero(&head->hash)) {
        *ret_is_valid = locator_is_zero(locator);
        return ok();
    }
    TRY(segment_load(&source, &key, &segment, &found));
    *ret_is_valid = found && (segment.flags & SEGMENT_RELEASING) == 0 && locator->length > 0 &&
                    (u64)locator->offset + locator->length <= segment.length;
    return ok();
}

static err check_head(struct commit *commit, const struct head_move *move,
                      const struct bucket_record *record, bool found,
                      enum segment_reason *ret_reason)
{
    bool locator_is_valid;
    if (!found || record->removed || record->territory != commit->placing.territory ||
        !address_eq(&record->owner, &commit->territory.owner)) {
        *ret_reason = SEGMENT_REASON_UNKNOWN_BUCKET;
        return ok();
    }
    if (!hash_eq(&record->head.hash, &move->old_head)) {
        *ret_reason = SEGMENT_REASON_HEAD_CHANGED;
        return ok();
    }
    TRY(check_locator(commit, &move->head, &locator_is_valid));
    *ret_reason = locator_is_valid ? SEGMENT_REASON_NONE : SEGMENT_REASON_LOCATOR;
    return ok();
}

static err move_head(struct commit *commit, const struct head_move *move)
{
    struct frame *frame = commit->frame;
    struct slot_source source = frame_slots(frame);
    struct bucket_record record = {0};
    enum segment_reason reason;
    bool found;
    if (!frame_charge(frame, GAS_HEAD)) {
        return ok();
    }
    TRY(bucket_load(&source, &move->bucket, &record, &found));
    TRY(check_head(commit, move, &record, found, &reason));
    if (!frame_running(frame)) {
        return ok();
    }
    if (reason != SEGMENT_REASON_NONE) {
        struct abi_value values[] = {abi_hash(&move->bucket), abi_hash(&move->head.hash),
                                     abi_hash(&record.head.hash), abi_u64((u64)reason)};
        native_emit(frame, &segment_module, SEGMENT_EVENT_HEAD_REFUSED, values);
        return ok();
    }
    TRY(bucket_move_head(frame, &move->bucket, &record, &move->head, commit->placing.time.now,
                         false));
    TRY(bucket_store(frame, &move->bucket, &record));
    struct abi_value values[] = {abi_hash(&move->bucket), abi_hash(&move->old_head),
                                 abi_hash(&move->head.hash)};
    native_emit(frame, &segment_module, SEGMENT_EVENT_HEAD_MOVED, values);
    return ok();
}

static err commit_heads(struct commit *commit, const struct abi_value *heads)
{
    struct slot_source source = frame_slots(commit->frame);
    u64 limit;
    TRY(params_load(&source, PARAM_COMMIT_HEADS_MAX, &limit));
    if (!require(commit->frame, heads->part_count <= limit, "too many heads")) {
        return ok();
    }
    for (size_t i = 0; i < heads->part_count && frame_running(commit->frame); i++) {
        struct head_move move = head_move_of(&heads->parts[i]);
        TRY(move_head(commit, &move));
    }
    return ok();
}

err segment_commit(struct frame *frame, const struct abi_value *args, struct abi_value *ret)
{
    (void)ret;
    struct commit *commit = ARENA_NEW(frame->arena, struct commit);
    if (commit == NULL) {
        return fail(ERR_LIMIT);
    }
    TRY(commit_open(commit, frame, abi_as_u64(&args[0])));
    if (!frame_running(frame)) {
        return ok();
    }
    TRY(commit_segments(commit, args[1].data));
    TRY(commit_store(commit));
    return commit_heads(commit, &args[2]);
}

/* reconcile.c: what is on the shelf against what the chain counts on.
 *
 * The chain keeps an append-only list of what this provider promised; an entry's position is its
 * name. The reconciler walks it: new positions at once (that is how a fragment learns that its
 * commit is final), all from the floor on again and again at a slow pace. For each position:
 *
 *   owed, here          nothing to do
 *   owed, here as OPEN  it is HELD from now on
 *   owed, not here      lost: declared, so that it can be repaired
 *   taken off, here     dropped release_keep_epochs later; OPEN again if a newer receipt is out
 *   taken off, not here nothing to do; the floor may rise above it
 *
 * An OPEN fragment whose receipt's deadline has passed, and that the list, walked to its end, does
 * not name, was never committed: it is dropped. So is one whose segment the chain knows with other
 * bytes (a gateway that lost its spool used the number again): its receipt is worth nothing, and it
 * would keep the right bytes out.
 */
#include "storage/store_internal.h"

#include "base/log.h"
#include "base/mem.h"
#include "ledger/modules/segment_layout.h"
#include "storage/kinds.h"
#include "storage/provider_call.h"

#define TICK_MS 1000
#define VIEW_MS 10000
#define CALL_MS 30000
#define WALK_BATCH 64
#define REWALK_EVERY 5  /* ticks between batches of the slow walk */
#define EXPIRE_EVERY 10 /* a multiple of REWALK_EVERY */
#define EXPIRE_GRACE_S 60
#define SUPERSEDED_AFTER_S 30 /* younger fragments are not looked up */
#define LOST_BATCH 64
#define WALK_NOTE "walk"
#define WALK_BYTES (4 + 4 + 4)

struct walk {
    struct store *store;
    u32 next;   /* positions below it were seen at least once */
    u32 floor;  /* nothing below it is owed or here */
    u32 cursor; /* of the slow walk */
    u32 lowest; /* owed or here, in the slow walk's current pass */
    u32 written_next;
    u32 written_floor;
    struct fragment_key lost[LOST_BATCH];
    size_t lost_count;
    struct shelf_change changes[WALK_BATCH];
    size_t change_count;
    struct fragment_key drops[WALK_BATCH];
    size_t drop_count;
};

/* ---- a batch of the list ---- */

struct list_view {
    u32 provider;
    u32 first;
    u32 count;
    struct provider_record record;
    bool found;
    struct provider_fragment entries[WALK_BATCH];
    bool has_entry[WALK_BATCH];
    bool want_key[WALK_BATCH];
    struct segment_key keys[WALK_BATCH];
    bool has_key[WALK_BATCH];
};

static bool is_owed(const struct list_view *view, u32 i)
{
    return view->has_entry[i] && view->entries[i].removed_epoch == 0 &&
           view->first + i >= view->record.lost_before;
}

static err read_list(void *ctx, const struct slot_source *slots)
{
    struct list_view *view = ctx;
    err first_fault = provider_load(slots, view->provider, &view->record, &view->found);
    for (u32 i = 0; i < view->count; i++) {
        err e = provider_fragment_load(slots, view->provider, view->first + i, &view->entries[i],
                                       &view->has_entry[i]);
        first_fault = is_ok(first_fault) ? e : first_fault;
    }
    return first_fault;
}

/* The keys of those segments that are wanted; asks for all before it gives up on one. */
static err read_keys(void *ctx, const struct slot_source *slots)
{
    struct list_view *view = ctx;
    err first_fault = ok();
    for (u32 i = 0; i < view->count; i++) {
        if (view->want_key[i]) {
            err e = segment_at(slots, view->entries[i].serial, &view->keys[i], &view->has_key[i]);
            first_fault = is_ok(first_fault) ? e : first_fault;
        }
    }
    return first_fault;
}

/* ---- judging positions ---- */

static void judge_unknown(struct walk *walk, u32 position, const struct fragment_key *key)
{
    struct shelf_entry entry;
    char name[FRAGMENT_NAME_MAX];
    err e = shelf_find(walk->store->shelf, key, &entry);
    if (is_ok(e)) {
        walk->changes[walk->change_count++] =
            (struct shelf_change){.kind = SHELF_HOLD, .key = *key, .position = position};
    } else if (is_err(e, ERR_NOT_FOUND) && walk->lost_count < LOST_BATCH) {
        fragment_key_name(name, key);
        log_error("storage", "fragment %s (position %u) is not here, but the chain counts on it",
                  name, position);
        walk->lost[walk->lost_count++] = *key;
    }
}

static void judge_removed(struct walk *walk, const struct list_view *view, u32 i,
                          const struct fragment_key *key)
{
    const struct store_self *self = &walk->store->self;
    u32 position = view->first + i;
    u32 removed = view->entries[i].removed_epoch;
    struct shelf_entry entry;
    if (position >= view->record.lost_before && self->epoch < removed + self->keep_epochs) {
        return;
    }
    bool here = is_ok(shelf_find(walk->store->shelf, key, &entry));
    if (!here || entry.position != position || entry.deadline > self->head_time) {
        walk->changes[walk->change_count++] =
            (struct shelf_change){.kind = SHELF_UNHOLD, .key = *key, .position = position};
    } else {
        walk->drops[walk->drop_count++] = *key;
    }
}

static err judge_batch(struct walk *walk, struct list_view *view)
{
    struct store *store = walk->store;
    struct fragment_key local;
    bool any = false;
    for (u32 i = 0; i < view->count; i++) {
        err e = shelf_at(store->shelf, view->first + i, &local);
        bool here = is_ok(e);
        if (!here && !is_err(e, ERR_NOT_FOUND)) {
            return e;
        }
        view->want_key[i] = is_owed(view, i) && !here;
        any = any || view->want_key[i];
        if (here && !is_owed(view, i) && view->has_entry[i]) {
            judge_removed(walk, view, i, &local);
        }
        if (here || is_owed(view, i)) {
            walk->lowest = (u32)min_u64(walk->lowest, view->first + i);
        }
    }
    if (any) {
        TRY(chain_view(store->chain, read_keys, view, store_deadline(store, VIEW_MS)));
    }
    for (u32 i = 0; i < view->count; i++) {
        if (view->want_key[i] && view->has_key[i]) {
            const struct fragment_key key = {view->keys[i], view->entries[i].index};
            judge_unknown(walk, view->first + i, &key);
        }
    }
    return ok();
}

static err apply(struct walk *walk)
{
    struct store *store = walk->store;
    size_t dropped = 0;
    size_t promoted = 0;
    if (walk->change_count > 0) {
        TRY(shelf_change(store->shelf, walk->changes, walk->change_count, &promoted));
        for (size_t i = 0; i < walk->change_count; i++) {
            *store->promoted += walk->changes[i].kind == SHELF_HOLD;
        }
    }
    if (walk->drop_count > 0) {
        TRY(shelf_drop(store->shelf, walk->drops, walk->drop_count, store->self.head_time,
                       &dropped));
        *store->released += dropped;
    }
    return ok();
}

static err walk_batch(struct walk *walk, u32 first, u32 count)
{
    struct store *store = walk->store;
    struct list_view *view = MEM_NEW(struct list_view);
    view->provider = store->provider;
    view->first = first;
    view->count = count;
    walk->change_count = 0;
    walk->drop_count = 0;
    err e = chain_view(store->chain, read_list, view, store_deadline(store, VIEW_MS));
    if (is_ok(e)) {
        e = judge_batch(walk, view);
    }
    if (is_ok(e)) {
        e = apply(walk);
    }
    mem_free(view);
    return e;
}

/* ---- the walk's place, kept over restarts ---- */

static err load_walk(struct walk *walk)
{
    struct arena arena;
    struct reader reader;
    bytes record;
    arena_init(&arena, KIB(1));
    err e = shelf_note_get(walk->store->shelf, WALK_NOTE, &arena, &record);
    if (is_ok(e)) {
        reader_init(&reader, record);
        read_head(&reader, KIND_STORE_WALK, 1);
        walk->next = read_be32(&reader);
        walk->floor = read_be32(&reader);
        e = reader_done(&reader);
    }
    arena_free(&arena);
    if (is_err(e, ERR_NOT_FOUND)) {
        return ok();
    }
    TRY(e);
    walk->written_next = walk->next;
    walk->written_floor = walk->floor;
    walk->cursor = walk->floor;
    walk->lowest = UINT32_MAX;
    return ok();
}

static err save_walk(struct walk *walk)
{
    struct buf record;
    if (walk->next == walk->written_next && walk->floor == walk->written_floor) {
        return ok();
    }
    buf_init(&record, WALK_BYTES);
    write_head(&record, KIND_STORE_WALK, 1);
    buf_put_be32(&record, walk->next);
    buf_put_be32(&record, walk->floor);
    err e = shelf_note_put(walk->store->shelf, WALK_NOTE, buf_bytes(&record));
    buf_free(&record);
    TRY(e);
    walk->written_next = walk->next;
    walk->written_floor = walk->floor;
    return ok();
}

/* ---- rounds ---- */

static err walk_new(struct walk *walk)
{
    const struct provider_record *record = &walk->store->self.record;
    u32 end = record->list_count;
    if (shelf_totals(walk->store->shelf).fragments == 0 && walk->next < record->lost_before) {
        walk->next = walk->cursor = record->lost_before; /* a new disk: nothing to compare */
    }
    while (walk->next < end) {
        u32 count = (u32)min_u64(WALK_BATCH, end - walk->next);
        TRY(walk_batch(walk, walk->next, count));
        walk->next += count;
    }
    return ok();
}

static err walk_again(struct walk *walk)
{
    if (walk->cursor >= walk->next) {
        walk->floor = (u32)min_u64(walk->lowest, walk->next);
        walk->cursor = walk->floor;
        walk->lowest = UINT32_MAX;
        TRY(save_walk(walk));
    }
    u32 count = (u32)min_u64(WALK_BATCH, walk->next - walk->cursor);
    if (count > 0) {
        TRY(walk_batch(walk, walk->cursor, count));
        walk->cursor += count;
    }
    return ok();
}

/* Positions where the scrubber dropped something. */
static err walk_rechecks(struct walk *walk)
{
    struct recheck *recheck = &walk->store->recheck;
    while (recheck->count > 0 && walk->lost_count < LOST_BATCH) {
        u32 position = recheck->positions[recheck->count - 1];
        TRY(walk_batch(walk, position, 1));
        recheck->count--;
    }
    return ok();
}

static struct abi_value lost_item(struct abi_value parts[4], const struct fragment_key *key)
{
    parts[0] = abi_u64(key->segment.territory);
    parts[1] = abi_u64(key->segment.gateway);
    parts[2] = abi_u64(key->segment.number);
    parts[3] = abi_u64(key->index);
    return abi_tuple(parts, 4);
}

static err declare_lost(struct walk *walk)
{
    struct store *store = walk->store;
    struct abi_value parts[LOST_BATCH][4];
    struct abi_value items[LOST_BATCH];
    if (walk->lost_count == 0) {
        return ok();
    }
    for (size_t i = 0; i < walk->lost_count; i++) {
        items[i] = lost_item(parts[i], &walk->lost[i]);
    }
    struct abi_value values[] = {abi_array(items, walk->lost_count)};
    alarm_raise(store, ALARM_LOST, "%zu fragments are lost and were declared so", walk->lost_count);
    u64 gas = PROVIDER_GAS + walk->lost_count * PROVIDER_GAS_PER_LOST;
    TRY(provider_call(store->account, PROVIDER_DECLARE_LOST, values, gas,
                      store_deadline(store, CALL_MS)));
    *store->lost += walk->lost_count;
    return ok();
}

/* Drops what was never committed. The list has just been walked to its end as of a head whose time
 * is past these deadlines, so no commit that names them can come any more. */
static err expire(struct walk *walk, u64 head_time)
{
    struct store *store = walk->store;
    struct shelf_entry *page = mem_alloc_array(WALK_BATCH, sizeof *page);
    struct fragment_key keys[WALK_BATCH];
    struct fragment_key last;
    size_t count = WALK_BATCH;
    u64 limit = head_time - min_u64(head_time, EXPIRE_GRACE_S);
    err e = ok();
    for (bool first = true; is_ok(e) && count == WALK_BATCH; first = false) {
        size_t chosen = 0;
        size_t dropped = 0;
        e = shelf_list_open(store->shelf, first ? NULL : &last, page, WALK_BATCH, &count);
        for (size_t i = 0; is_ok(e) && i < count; i++) {
            last = entry_key(&page[i]);
            if (page[i].deadline <= limit) {
                keys[chosen++] = last;
            }
        }
        if (is_ok(e) && chosen > 0) {
            e = shelf_drop(store->shelf, keys, chosen, limit, &dropped);
            *store->expired += dropped;
        }
    }
    mem_free(page);
    return e;
}

struct superseded_view {
    struct shelf_entry entries[WALK_BATCH];
    size_t count;
    bool superseded[WALK_BATCH];
};

static err read_superseded(void *ctx, const struct slot_source *slots)
{
    struct superseded_view *view = ctx;
    err first_fault = ok();
    for (size_t i = 0; i < view->count; i++) {
        struct segment_record record;
        struct hash id;
        bool found = false;
        err e = segment_load(slots, &view->entries[i].seal.key, &record, &found);
        segment_seal_id(&view->entries[i].seal, &id);
        view->superseded[i] = is_ok(e) && found && !hash_eq(&id, &record.id);
        first_fault = is_ok(first_fault) ? e : first_fault;
    }
    return first_fault;
}

/* A key is registered once, so what it was not registered with can never be asked for. */
static err drop_superseded_of(struct walk *walk, struct superseded_view *view)
{
    struct store *store = walk->store;
    struct fragment_key keys[WALK_BATCH];
    size_t chosen = 0;
    size_t dropped = 0;
    TRY(chain_view(store->chain, read_superseded, view, store_deadline(store, VIEW_MS)));
    for (size_t i = 0; i < view->count; i++) {
        if (view->superseded[i]) {
            keys[chosen++] = entry_key(&view->entries[i]);
        }
    }
    if (chosen > 0) {
        TRY(shelf_drop(store->shelf, keys, chosen, UINT64_MAX, &dropped));
        log_info("storage", "%zu fragments of segments that were never committed are dropped",
                 dropped);
        *store->expired += dropped;
    }
    return ok();
}

static err drop_superseded(struct walk *walk, u64 head_time)
{
    struct store *store = walk->store;
    struct superseded_view *view = MEM_NEW(struct superseded_view);
    struct shelf_entry *page = mem_alloc_array(WALK_BATCH, sizeof *page);
    struct fragment_key last;
    size_t count = WALK_BATCH;
    err e = ok();
    for (bool first = true; is_ok(e) && count == WALK_BATCH; first = false) {
        e = shelf_list_open(store->shelf, first ? NULL : &last, page, WALK_BATCH, &count);
        view->count = 0;
        for (size_t i = 0; is_ok(e) && i < count; i++) {
            last = entry_key(&page[i]);
            if (page[i].added + SUPERSEDED_AFTER_S <= head_time) {
                view->entries[view->count++] = page[i];
            }
        }
        if (is_ok(e) && view->count > 0) {
            e = drop_superseded_of(walk, view);
        }
    }
    mem_free(page);
    mem_free(view);
    return e;
}

static err round_of(struct walk *walk, u64 tick)
{
    struct store *store = walk->store;
    walk->lost_count = 0;
    TRY(store_refresh_self(store));
    u64 head_time = store->self.head_time;
    TRY(walk_new(walk));
    TRY(walk_rechecks(walk));
    if (tick % REWALK_EVERY == 0) {
        TRY(walk_again(walk));
    }
    if (tick % EXPIRE_EVERY == 0) {
        TRY(expire(walk, head_time));
        TRY(drop_superseded(walk, head_time));
    }
    return declare_lost(walk);
}

/* No fragment waits for its commit: the slow pace will do. */
static bool nothing_awaited(const struct store *store)
{
    return shelf_totals(store->shelf).open_fragments == 0 && store->recheck.count == 0;
}

void reconcile_fiber(void *arg)
{
    struct walk *walk = MEM_NEW(struct walk);
    walk->store = arg;
    walk->lowest = UINT32_MAX;
    err e = load_walk(walk);
    if (!is_ok(e)) {
        log_warn("storage", "the place in the chain's list is unreadable: walking from its start");
    }
    for (u64 tick = 1; store_sleep(walk->store, TICK_MS); tick++) {
        if (tick % REWALK_EVERY != 0 && nothing_awaited(walk->store)) {
            continue;
        }
        e = round_of(walk, tick);
        if (is_err(e, ERR_CANCELLED)) {
            break;
        }
        if (!is_ok(e)) {
            ++*walk->store->duty_failures;
            log_warn("storage", "reconciling with the chain failed: %s", err_text(e));
        }
    }
    mem_free(walk);
}

/* shelf_change.c: states that move, fragments that go, files that nobody names. */
#include "storage/shelf_internal.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdio.h>

/* What one change did to its entry, for the accounts in memory. */
struct effect {
    bool applied;
    bool was_open;
    bool is_open;
    u32 length;
    struct address who;
};

struct change_job {
    const struct shelf_change *changes;
    struct effect *effects;
    size_t count;
};

static err set_open(struct kv_txn *txn, const struct fragment_key *key, bool open)
{
    u8 packed[FRAGMENT_KEY_BYTES];
    fragment_key_pack(packed, key);
    return open ? kv_put(txn, INDEX_OPEN, BYTES_OF(packed), bytes_make(NULL, 0))
                : kv_delete(txn, INDEX_OPEN, BYTES_OF(packed));
}

/* The list position names the key, or nothing if key is NULL. */
static err set_position(struct kv_txn *txn, u32 position, const struct fragment_key *key)
{
    u8 packed[FRAGMENT_KEY_BYTES];
    u8 name[4];
    store_be32(name, position);
    if (key == NULL) {
        return kv_delete(txn, INDEX_HELD, BYTES_OF(name));
    }
    fragment_key_pack(packed, key);
    return kv_put(txn, INDEX_HELD, BYTES_OF(name), BYTES_OF(packed));
}

static err hold(struct kv_txn *txn, struct shelf_entry *entry, u32 position)
{
    const struct fragment_key key = entry_key(entry);
    if (entry->state == ENTRY_HELD && entry->position != position) {
        TRY(set_position(txn, entry->position, NULL));
    }
    entry->state = ENTRY_HELD;
    entry->position = position;
    TRY(set_open(txn, &key, false));
    return set_position(txn, position, &key);
}

static err unhold(struct kv_txn *txn, struct shelf_entry *entry, u32 position)
{
    const struct fragment_key key = entry_key(entry);
    TRY(set_position(txn, position, NULL));
    if (entry->state != ENTRY_HELD || entry->position != position) {
        return ok(); /* it is held at another position meanwhile */
    }
    entry->state = ENTRY_OPEN;
    entry->position = POSITION_NONE;
    return set_open(txn, &key, true);
}

static err apply(struct kv_txn *txn, const struct shelf_change *change, struct shelf_entry *entry)
{
    switch (change->kind) {
    case SHELF_RENEW:
        entry->deadline = max_u64(entry->deadline, change->deadline);
        if (entry->state == ENTRY_ABANDONED) {
            entry->state = ENTRY_OPEN;
        }
        return ok();
    case SHELF_ABANDON:
        if (entry->state == ENTRY_OPEN) {
            entry->state = ENTRY_ABANDONED;
        }
        return ok();
    case SHELF_HOLD:
        return hold(txn, entry, change->position);
    case SHELF_UNHOLD:
        return unhold(txn, entry, change->position);
    }
    unreachable_case();
}

static err change_one(struct kv_txn *txn, const struct shelf_change *change, struct effect *effect)
{
    struct shelf_entry entry;
    err e = entry_load(txn, &change->key, &entry);
    if (is_err(e, ERR_NOT_FOUND)) {
        return change->kind == SHELF_UNHOLD ? set_position(txn, change->position, NULL) : ok();
    }
    TRY(e);
    effect->applied = true;
    effect->was_open = entry_is_open(&entry);
    effect->length = entry_length(&entry);
    effect->who = entry.who;
    TRY(apply(txn, change, &entry));
    effect->is_open = entry_is_open(&entry);
    return entry_store(txn, &entry);
}

static err run_changes(struct kv_txn *txn, void *arg)
{
    struct change_job *job = arg;
    for (size_t i = 0; i < job->count; i++) {
        TRY(change_one(txn, &job->changes[i], &job->effects[i]));
    }
    return ok();
}

err shelf_change(struct shelf *shelf, const struct shelf_change *changes, size_t count,
                 size_t *ret_applied)
{
    assert_that(count <= SHELF_CHANGES_MAX);
    struct effect *effects = mem_alloc_array(count, sizeof *effects);
    struct change_job job = {.changes = changes, .effects = effects, .count = count};
    size_t applied = 0;
    err e = shelf_write(shelf, run_changes, &job);
    for (size_t i = 0; is_ok(e) && i < count; i++) {
        const struct effect *effect = &effects[i];
        applied += effect->applied;
        if (effect->applied && effect->was_open != effect->is_open) {
            shelf_count_open(shelf, &effect->who, effect->length, effect->is_open);
        }
    }
    mem_free(effects);
    if (is_ok(e) && ret_applied != NULL) {
        *ret_applied = applied;
    }
    return e;
}

/* ---- dropping ---- */

struct dropped {
    struct fragment_key key;
    bool locked;
    bool gone;
    bool was_open;
    u8 place;
    u32 length;
    struct address who;
    char path[PATH_BYTES_MAX]; /* of its file; empty if it has none */
};

struct drop_job {
    struct dropped *items;
    size_t count;
    u64 deadline_max;
};

static err drop_pieces(struct kv_txn *txn, const struct fragment_key *key, u32 length)
{
    u8 name[PIECE_KEY_BYTES];
    u8 piece = 0;
    for (u32 at = 0; at < length; at += piece_length(length, at)) {
        piece_key(name, key, piece++);
        TRY(kv_delete(txn, INDEX_PIECES, BYTES_OF(name)));
    }
    return ok();
}

static err drop_one(struct kv_txn *txn, struct dropped *item, u64 deadline_max)
{
    struct shelf_entry entry;
    u8 packed[FRAGMENT_KEY_BYTES];
    err e = entry_load(txn, &item->key, &entry);
    if (is_err(e, ERR_NOT_FOUND) || (is_ok(e) && entry.deadline > deadline_max)) {
        return ok();
    }
    TRY(e);
    item->gone = true;
    item->was_open = entry_is_open(&entry);
    item->place = entry.place;
    item->length = entry_length(&entry);
    item->who = entry.who;
    fragment_key_pack(packed, &item->key);
    TRY(kv_delete(txn, INDEX_FRAGMENTS, BYTES_OF(packed)));
    TRY(set_open(txn, &item->key, false));
    if (entry.state == ENTRY_HELD) {
        TRY(set_position(txn, entry.position, NULL));
    }
    if (entry.place == PLACE_INDEX) {
        TRY(drop_pieces(txn, &item->key, item->length));
    }
    return totals_add(txn, entry.place, -(i64)item->length, -1);
}

static err run_drops(struct kv_txn *txn, void *arg)
{
    struct drop_job *job = arg;
    for (size_t i = 0; i < job->count; i++) {
        if (job->items[i].locked) {
            TRY(drop_one(txn, &job->items[i], job->deadline_max));
        }
    }
    return ok();
}

static void run_unlinks(void *arg)
{
    struct drop_job *job = arg;
    for (size_t i = 0; i < job->count; i++) {
        if (job->items[i].path[0] != 0) {
            IGNORE(file_remove(job->items[i].path)); /* the sweep finds what is left */
        }
    }
}

static void account_dropped(struct shelf *shelf, struct dropped *item)
{
    struct disk *disk = shelf_disk_at(shelf, item->place);
    shelf->totals[item->place].bytes -= item->length;
    shelf->totals[item->place].fragments--;
    if (item->was_open) {
        shelf_count_open(shelf, &item->who, item->length, false);
    }
    if (disk != NULL) {
        disk_fragment_path(disk, &item->key, item->path);
    }
}

err shelf_drop(struct shelf *shelf, const struct fragment_key *keys, size_t count, u64 deadline_max,
               size_t *ret_dropped)
{
    assert_that(count <= SHELF_CHANGES_MAX);
    struct dropped *items = mem_alloc_array(count, sizeof *items);
    struct drop_job job = {.items = items, .count = count, .deadline_max = deadline_max};
    size_t dropped = 0;
    for (size_t i = 0; i < count; i++) {
        items[i].key = keys[i];
        items[i].locked = shelf_lock(shelf, &keys[i]);
    }
    err e = shelf_write(shelf, run_drops, &job);
    for (size_t i = 0; is_ok(e) && i < count; i++) {
        if (items[i].gone) {
            account_dropped(shelf, &items[i]);
            dropped++;
        }
    }
    if (dropped > 0) {
        worker_run(shelf->loop, run_unlinks, &job);
    }
    for (size_t i = 0; i < count; i++) {
        if (items[i].locked) {
            shelf_unlock(shelf, &keys[i]);
        }
    }
    mem_free(items);
    if (is_ok(e) && ret_dropped != NULL) {
        *ret_dropped = dropped;
    }
    return e;
}

/* ---- sweep ---- */

struct sweep {
    struct index *index;
    const struct disk *disk;
    const char *folder;
    struct fragment_key *found; /* files whose entry is not here */
    size_t count;
};

struct claim {
    struct fragment_key key;
    u8 place;
    bool claimed;
};

static err run_claim(struct kv_txn *txn, void *arg)
{
    struct claim *claim = arg;
    struct shelf_entry entry;
    err e = entry_load(txn, &claim->key, &entry);
    claim->claimed = is_ok(e) && entry.place == claim->place;
    return is_err(e, ERR_NOT_FOUND) ? ok() : e;
}

static err note_file(void *ctx, const char *name)
{
    struct sweep *sweep = ctx;
    struct claim claim = {.place = sweep->disk->place};
    if (!fragment_key_parse(&claim.key, bytes_str(name)) || sweep->count == SHELF_CHANGES_MAX) {
        return ok();
    }
    TRY(index_read(sweep->index, run_claim, &claim));
    if (!claim.claimed) {
        sweep->found[sweep->count++] = claim.key;
    }
    return ok();
}

static void run_sweep(void *arg)
{
    struct sweep *sweep = arg;
    IGNORE(dir_each(sweep->folder, note_file, sweep)); /* the folder may not exist */
}

static void remove_unclaimed(struct shelf *shelf, const struct disk *disk,
                             const struct fragment_key *key)
{
    char path[PATH_BYTES_MAX];
    struct claim claim = {.key = *key, .place = disk->place};
    if (!shelf_lock(shelf, key)) {
        return; /* it is just being committed */
    }
    if (is_ok(index_read(shelf->index, run_claim, &claim)) && !claim.claimed) {
        disk_fragment_path(disk, key, path);
        log_info("storage", "removing %s: no entry names it", path);
        IGNORE(file_remove(path)); /* next time, then */
    }
    shelf_unlock(shelf, key);
}

err shelf_sweep(struct shelf *shelf, u8 folder)
{
    struct fragment_key *found = mem_alloc_array(SHELF_CHANGES_MAX, sizeof *found);
    for (size_t i = 0; i < shelf->disk_count; i++) {
        const struct disk *disk = &shelf->disks[i];
        char path[PATH_BYTES_MAX];
        if (disk->state == DISK_ABSENT) {
            continue;
        }
        int len = snprintf(path, sizeof path, "%s/fragments/%02x", disk->path, folder);
        assert_that(len > 0 && len < PATH_BYTES_MAX);
        struct sweep sweep = {.index = shelf->index, .disk = disk, .folder = path, .found = found};
        worker_run(shelf->loop, run_sweep, &sweep);
        for (size_t k = 0; k < sweep.count; k++) {
            remove_unclaimed(shelf, disk, &found[k]);
        }
    }
    mem_free(found);
    return ok();
}

#include "storage/shelf.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "storage/kinds.h"
#include "storage/shelf_internal.h"

#include <stdio.h>

#define RESERVE_BYTES_DEFAULT MIB(64)
#define INDEX_BYTES_EXTRA GIB(1)
#define INDEX_BYTES_MAX (GIB(1024) * 8) /* address space, not disk */
#define TOTALS_BYTES (4 + PLACES * 16)
#define INDEX_ROOM_BYTES MIB(1) /* with less free, a failed write is for want of space */
#define META_TOTALS "totals"
#define META_DISKS "disks"
#define META_PROBE "probe"

/* ---- records of the index ---- */

err entry_load(struct kv_txn *txn, const struct fragment_key *key, struct shelf_entry *ret_entry)
{
    u8 packed[FRAGMENT_KEY_BYTES];
    bytes value;
    fragment_key_pack(packed, key);
    TRY(kv_get(txn, INDEX_FRAGMENTS, BYTES_OF(packed), &value));
    return is_ok(entry_read(value, ret_entry)) ? ok() : fail(ERR_INTEGRITY);
}

err entry_store(struct kv_txn *txn, const struct shelf_entry *entry)
{
    u8 packed[FRAGMENT_KEY_BYTES];
    struct buf record;
    struct fragment_key key = entry_key(entry);
    fragment_key_pack(packed, &key);
    buf_init(&record, ENTRY_BYTES_MAX);
    entry_write(&record, entry);
    err e = buf_done(&record);
    if (is_ok(e)) {
        e = kv_put(txn, INDEX_FRAGMENTS, BYTES_OF(packed), buf_bytes(&record));
    }
    buf_free(&record);
    return e;
}

void piece_key(u8 out[PIECE_KEY_BYTES], const struct fragment_key *key, u8 piece)
{
    fragment_key_pack(out, key);
    out[FRAGMENT_KEY_BYTES] = piece;
}

#define PAGE_BYTES 4096
#define PAGE_HEAD_BYTES 16     /* of the first page of a large value */
#define PIECE_ALONE_BYTES 3000 /* from here on a page of its own costs less than sharing */
#define PIECE_SMALL_BYTES 500

u32 piece_length(u32 length, u32 at)
{
    if (at != 0 || length <= PIECE_ALONE_BYTES) {
        return (u32)min_u64(PIECE_SMALL_BYTES, length - at);
    }
    u32 pages = (length + PAGE_HEAD_BYTES) / PAGE_BYTES;
    u32 whole = pages > 0 ? pages * PAGE_BYTES - PAGE_HEAD_BYTES : 0;
    return length - whole > PIECE_ALONE_BYTES ? length : whole;
}

static err totals_read(struct kv_txn *txn, struct place_totals totals[PLACES])
{
    bytes value;
    struct reader reader;
    memset(totals, 0, PLACES * sizeof *totals);
    err e = kv_get(txn, INDEX_META, bytes_str(META_TOTALS), &value);
    if (is_err(e, ERR_NOT_FOUND)) {
        return ok();
    }
    TRY(e);
    reader_init(&reader, value);
    read_head(&reader, KIND_STORE_TOTALS, 1);
    for (size_t i = 0; i < PLACES; i++) {
        totals[i].bytes = read_be64(&reader);
        totals[i].fragments = read_be64(&reader);
    }
    return is_ok(reader_done(&reader)) ? ok() : fail(ERR_INTEGRITY);
}

err totals_add(struct kv_txn *txn, u8 place, i64 bytes_added, i64 fragments)
{
    struct place_totals totals[PLACES];
    struct buf record;
    TRY(totals_read(txn, totals));
    totals[place].bytes += (u64)bytes_added;
    totals[place].fragments += (u64)fragments;
    buf_init(&record, TOTALS_BYTES);
    write_head(&record, KIND_STORE_TOTALS, 1);
    for (size_t i = 0; i < PLACES; i++) {
        buf_put_be64(&record, totals[i].bytes);
        buf_put_be64(&record, totals[i].fragments);
    }
    err e = buf_done(&record);
    if (is_ok(e)) {
        e = kv_put(txn, INDEX_META, bytes_str(META_TOTALS), buf_bytes(&record));
    }
    buf_free(&record);
    return e;
}

/* ---- faults ---- */

struct disk *shelf_disk_at(struct shelf *shelf, u8 place)
{
    if (place >= shelf->disk_count || shelf->disks[place].state == DISK_ABSENT) {
        return NULL;
    }
    return &shelf->disks[place];
}

void shelf_blame_index(struct shelf *shelf, err fault)
{
    enum disk_state state = shelf->index_state;
    if (is_ok(fault)) {
        state = DISK_FINE;
    } else if (is_err(fault, ERR_NO_SPACE)) {
        state = DISK_FULL;
    } else if (is_err(fault, ERR_IO)) {
        state = DISK_FAILING;
    }
    if (state != shelf->index_state) {
        shelf->index_state = state;
        if (state == DISK_FINE) {
            log_info("storage", "the index can be written again");
        } else {
            log_error("storage", "the index cannot be written, its disk is %s",
                      disk_state_name(state));
        }
    }
}

struct room_question {
    const char *path;
    u64 free_bytes;
};

static void run_room(void *arg)
{
    struct room_question *question = arg;
    u64 total;
    if (!is_ok(dir_space(question->path, &question->free_bytes, &total))) {
        question->free_bytes = UINT64_MAX;
    }
}

/* The store reports a write that was cut short by a full disk as a failure of the disk. */
static err name_index_fault(struct shelf *shelf, err fault)
{
    struct room_question question = {.path = shelf->index_path};
    if (!is_err(fault, ERR_IO)) {
        return fault;
    }
    worker_run(shelf->loop, run_room, &question);
    return question.free_bytes < INDEX_ROOM_BYTES ? fail(ERR_NO_SPACE) : fault;
}

err shelf_write(struct shelf *shelf, index_fn *fn, void *arg)
{
    err e = name_index_fault(shelf, index_write(shelf->index, fn, arg));
    shelf_blame_index(shelf, e);
    return e;
}

static err put_probe(struct kv_txn *txn, void *arg)
{
    return kv_put(txn, INDEX_META, bytes_str(META_PROBE), BYTES_OF(*(u64 *)arg));
}

static void try_unplaced(struct shelf *shelf);

void shelf_probe(struct shelf *shelf)
{
    try_unplaced(shelf);
    for (size_t i = 0; i < shelf->disk_count; i++) {
        disk_probe(&shelf->disks[i], shelf->loop, shelf->reserve_bytes);
    }
    if (shelf->index_state != DISK_FINE) {
        u64 now = loop_wall_ms(shelf->loop);
        IGNORE(shelf_write(shelf, put_probe, &now)); /* the state says how it went */
    }
}

/* ---- accounts ---- */

void shelf_count_open(struct shelf *shelf, const struct address *who, u64 length, bool begins)
{
    struct quota *quota = map_get(&shelf->quotas, BYTES_OF(*who));
    if (begins) {
        if (quota == NULL) {
            quota = MEM_NEW(struct quota);
            map_put(&shelf->quotas, BYTES_OF(*who), quota);
        }
        quota->open_bytes += length;
        shelf->open_bytes += length;
        shelf->open_fragments++;
        return;
    }
    assert_that(quota != NULL && quota->open_bytes >= length && shelf->open_fragments > 0);
    quota->open_bytes -= length;
    shelf->open_bytes -= length;
    shelf->open_fragments--;
    if (quota->open_bytes == 0) {
        mem_free(map_remove(&shelf->quotas, BYTES_OF(*who)));
    }
}

bool shelf_lock(struct shelf *shelf, const struct fragment_key *key)
{
    u8 packed[FRAGMENT_KEY_BYTES];
    fragment_key_pack(packed, key);
    if (map_get(&shelf->busy, BYTES_OF(packed)) != NULL) {
        return false;
    }
    map_put(&shelf->busy, BYTES_OF(packed), shelf);
    return true;
}

void shelf_unlock(struct shelf *shelf, const struct fragment_key *key)
{
    u8 packed[FRAGMENT_KEY_BYTES];
    fragment_key_pack(packed, key);
    map_remove(&shelf->busy, BYTES_OF(packed));
}

struct shelf_totals shelf_totals(const struct shelf *shelf)
{
    struct shelf_totals totals = {
        .open_bytes = shelf->open_bytes,
        .open_fragments = shelf->open_fragments,
        .reserved_bytes = shelf->reserved_bytes,
        .capacity_bytes = shelf->capacity_bytes,
    };
    for (size_t i = 0; i < PLACES; i++) {
        totals.bytes += shelf->totals[i].bytes;
        totals.fragments += shelf->totals[i].fragments;
    }
    for (size_t i = 0; i < shelf->disk_count; i++) {
        const struct disk *disk = &shelf->disks[i];
        if (disk->state == DISK_FINE && disk->free_bytes > shelf->reserve_bytes) {
            totals.free_bytes += disk->free_bytes - shelf->reserve_bytes;
        }
    }
    return totals;
}

u64 shelf_open_bytes(const struct shelf *shelf, const struct address *who)
{
    const struct quota *quota = map_get(&shelf->quotas, BYTES_OF(*who));
    return quota != NULL ? quota->open_bytes : 0;
}

size_t shelf_disk_count(const struct shelf *shelf) { return shelf->disk_count; }

const struct disk *shelf_disk(const struct shelf *shelf, size_t i)
{
    assert_that(i < shelf->disk_count);
    return &shelf->disks[i];
}

void shelf_place_totals(const struct shelf *shelf, u8 place, u64 *ret_bytes, u64 *ret_fragments)
{
    assert_that(place < PLACES);
    *ret_bytes = shelf->totals[place].bytes;
    *ret_fragments = shelf->totals[place].fragments;
}

enum disk_state shelf_index_state(const struct shelf *shelf) { return shelf->index_state; }
u64 shelf_index_commits(const struct shelf *shelf) { return index_commits(shelf->index); }

/* ---- finding ---- */

struct find_query {
    struct fragment_key key;
    struct shelf_entry entry;
};

static err run_find(struct kv_txn *txn, void *arg)
{
    struct find_query *query = arg;
    return entry_load(txn, &query->key, &query->entry);
}

err shelf_find(struct shelf *shelf, const struct fragment_key *key, struct shelf_entry *ret_entry)
{
    struct find_query query = {.key = *key};
    TRY(index_read(shelf->index, run_find, &query));
    *ret_entry = query.entry;
    return ok();
}

struct list_query {
    enum index_table table;
    struct fragment_key after;
    bool from_start;
    struct shelf_entry *entries;
    size_t cap;
    size_t count;
};

/* One entry of the cursor's table; the open table holds keys only. */
static err list_one(struct kv_txn *txn, struct list_query *query, bytes key, bytes value)
{
    struct shelf_entry *entry = &query->entries[query->count];
    if (query->table == INDEX_FRAGMENTS) {
        TRY(entry_read(value, entry));
    } else {
        struct fragment_key name;
        if (!fragment_key_unpack(&name, key)) {
            return fail(ERR_INTEGRITY);
        }
        TRY(entry_load(txn, &name, entry));
    }
    query->count++;
    return ok();
}

static err list_entries(struct kv_txn *txn, struct kv_cursor *cursor, struct list_query *query)
{
    u8 packed[FRAGMENT_KEY_BYTES];
    bytes start = bytes_make(packed, query->from_start ? 0 : sizeof packed);
    bytes key;
    bytes value;
    fragment_key_pack(packed, &query->after);
    err e = kv_seek(cursor, start, &key, &value);
    if (is_ok(e) && start.len != 0 && bytes_eq(key, start)) {
        e = kv_next(cursor, &key, &value);
    }
    while (is_ok(e) && query->count < query->cap) {
        TRY(list_one(txn, query, key, value));
        e = kv_next(cursor, &key, &value);
    }
    return is_err(e, ERR_NOT_FOUND) ? ok() : e;
}

static err run_list(struct kv_txn *txn, void *arg)
{
    struct list_query *query = arg;
    struct kv_cursor *cursor;
    TRY(kv_cursor_open(txn, query->table, &cursor));
    err e = list_entries(txn, cursor, query);
    kv_cursor_close(cursor);
    return e;
}

static err list_table(struct shelf *shelf, enum index_table table, const struct fragment_key *after,
                      struct shelf_entry *ret, size_t cap, size_t *ret_count)
{
    struct list_query query = {
        .table = table, .from_start = after == NULL, .entries = ret, .cap = cap};
    if (after != NULL) {
        query.after = *after;
    }
    TRY(index_read_worker(shelf->index, run_list, &query));
    *ret_count = query.count;
    return ok();
}

err shelf_list(struct shelf *shelf, const struct fragment_key *after, struct shelf_entry *ret,
               size_t cap, size_t *ret_count)
{
    return list_table(shelf, INDEX_FRAGMENTS, after, ret, cap, ret_count);
}

err shelf_list_open(struct shelf *shelf, const struct fragment_key *after, struct shelf_entry *ret,
                    size_t cap, size_t *ret_count)
{
    return list_table(shelf, INDEX_OPEN, after, ret, cap, ret_count);
}

static bool same_segment(const struct segment_key *a, const struct segment_key *b)
{
    return a->territory == b->territory && a->gateway == b->gateway && a->number == b->number;
}

static err find_segment(struct kv_txn *txn, struct kv_cursor *cursor, struct find_query *query)
{
    u8 packed[FRAGMENT_KEY_BYTES];
    bytes key;
    bytes value;
    (void)txn;
    fragment_key_pack(packed, &query->key);
    TRY(kv_seek(cursor, BYTES_OF(packed), &key, &value));
    TRY(entry_read(value, &query->entry));
    return same_segment(&query->entry.seal.key, &query->key.segment) ? ok() : fail(ERR_NOT_FOUND);
}

static err run_find_segment(struct kv_txn *txn, void *arg)
{
    struct kv_cursor *cursor;
    TRY(kv_cursor_open(txn, INDEX_FRAGMENTS, &cursor));
    err e = find_segment(txn, cursor, arg);
    kv_cursor_close(cursor);
    return e;
}

err shelf_find_segment(struct shelf *shelf, const struct segment_key *key,
                       struct shelf_entry *ret_entry)
{
    struct find_query query = {.key = {.segment = *key, .index = 0}};
    TRY(index_read(shelf->index, run_find_segment, &query));
    *ret_entry = query.entry;
    return ok();
}

struct at_query {
    u32 position;
    struct fragment_key key;
};

static err run_at(struct kv_txn *txn, void *arg)
{
    struct at_query *query = arg;
    u8 position[4];
    bytes value;
    store_be32(position, query->position);
    TRY(kv_get(txn, INDEX_HELD, BYTES_OF(position), &value));
    return fragment_key_unpack(&query->key, value) ? ok() : fail(ERR_INTEGRITY);
}

err shelf_at(struct shelf *shelf, u32 position, struct fragment_key *ret_key)
{
    struct at_query query = {.position = position};
    TRY(index_read(shelf->index, run_at, &query));
    *ret_key = query.key;
    return ok();
}

/* ---- notes ---- */

struct note {
    const char *name;
    bytes value;
    struct arena *arena;
};

static err run_note_put(struct kv_txn *txn, void *arg)
{
    const struct note *note = arg;
    return kv_put(txn, INDEX_META, bytes_str(note->name), note->value);
}

static err run_note_get(struct kv_txn *txn, void *arg)
{
    struct note *note = arg;
    bytes value;
    TRY(kv_get(txn, INDEX_META, bytes_str(note->name), &value));
    note->value = arena_copy(note->arena, value);
    return note->value.data != NULL ? ok() : fail(ERR_LIMIT);
}

err shelf_note_put(struct shelf *shelf, const char *name, bytes value)
{
    struct note note = {.name = name, .value = value};
    return shelf_write(shelf, run_note_put, &note);
}

err shelf_note_get(struct shelf *shelf, const char *name, struct arena *arena, bytes *ret_value)
{
    struct note note = {.name = name, .arena = arena};
    TRY(index_read(shelf->index, run_note_get, &note));
    *ret_value = note.value;
    return ok();
}

/* ---- opening ---- */

struct prepare {
    const char *path;
    u8 random[16];
    char id[DISK_ID_CHARS + 1];
    bool fresh;
    err result;
};

static void run_prepare(void *arg)
{
    struct prepare *prepare = arg;
    prepare->result = disk_prepare(prepare->path, prepare->random, prepare->id, &prepare->fresh);
}

static err load_disks(struct kv_txn *txn, void *arg)
{
    struct shelf *shelf = arg;
    bytes value;
    struct reader reader;
    err e = kv_get(txn, INDEX_META, bytes_str(META_DISKS), &value);
    if (is_err(e, ERR_NOT_FOUND)) {
        return ok();
    }
    TRY(e);
    reader_init(&reader, value);
    read_head(&reader, KIND_STORE_DISKS, 1);
    size_t count = min_size(read_u8(&reader), DISKS_MAX);
    for (size_t i = 0; i < count; i++) {
        struct disk *disk = &shelf->disks[i];
        read_fixed(&reader, disk->id, DISK_ID_CHARS);
        disk->place = (u8)i;
        disk->state = DISK_ABSENT;
        disk->since_ms = loop_now_ms(shelf->loop);
    }
    shelf->disk_count = count;
    return is_ok(reader_done(&reader)) ? ok() : fail(ERR_INTEGRITY);
}

static err store_disks(struct kv_txn *txn, void *arg)
{
    const struct shelf *shelf = arg;
    struct buf record;
    buf_init(&record, 5 + DISKS_MAX * DISK_ID_CHARS);
    write_head(&record, KIND_STORE_DISKS, 1);
    buf_put_u8(&record, (u8)shelf->disk_count);
    for (size_t i = 0; i < shelf->disk_count; i++) {
        buf_put(&record, bytes_make(shelf->disks[i].id, DISK_ID_CHARS));
    }
    err e = buf_done(&record);
    if (is_ok(e)) {
        e = kv_put(txn, INDEX_META, bytes_str(META_DISKS), buf_bytes(&record));
    }
    buf_free(&record);
    return e;
}

/* The place of a disk: by its id, so that paths may change their order; a new one goes last. */
static err place_disk(struct shelf *shelf, const char *path, const char *id, bool *ret_added)
{
    size_t i = 0;
    while (i < shelf->disk_count && strcmp(shelf->disks[i].id, id) != 0) {
        i++;
    }
    if (i == DISKS_MAX) {
        log_error("storage", "no more than %d disks, old ones included", DISKS_MAX);
        return fail(ERR_LIMIT);
    }
    struct disk *disk = &shelf->disks[i];
    if (i < shelf->disk_count && disk->path != NULL) {
        log_error("storage", "%s and %s are the same disk", disk->path, path);
        return fail(ERR_USAGE);
    }
    if (i == shelf->disk_count) {
        shelf->disk_count++;
        memcpy(disk->id, id, sizeof disk->id);
        *ret_added = true;
    }
    disk->path = mem_strdup(path);
    disk->place = (u8)i;
    disk->state = DISK_FINE;
    disk->since_ms = loop_now_ms(shelf->loop);
    return ok();
}

static err prepare_disk(struct shelf *shelf, struct prepare *prepare)
{
    loop_random(shelf->loop, prepare->random, sizeof prepare->random);
    worker_run(shelf->loop, run_prepare, prepare);
    return prepare->result;
}

static err open_disks(struct shelf *shelf, const struct shelf_options *options)
{
    bool added = false;
    for (size_t i = 0; i < options->path_count; i++) {
        struct prepare prepare = {.path = options->paths[i]};
        err e = prepare_disk(shelf, &prepare);
        if (is_ok(e)) {
            TRY(place_disk(shelf, options->paths[i], prepare.id, &added));
        } else {
            log_error("storage", "disk %s cannot be used: %s", options->paths[i], err_text(e));
            shelf->unplaced[shelf->unplaced_count++] = mem_strdup(options->paths[i]);
        }
    }
    for (size_t i = 0; i < shelf->disk_count; i++) {
        if (shelf->disks[i].state == DISK_ABSENT && shelf->totals[i].fragments > 0) {
            log_error("storage", "disk %s with %llu fragments is absent", shelf->disks[i].id,
                      (unsigned long long)shelf->totals[i].fragments);
        }
    }
    return added ? shelf_write(shelf, store_disks, shelf) : ok();
}

/* It takes no fragments before the index knows it. */
static err place_late(struct shelf *shelf, const struct prepare *prepare)
{
    bool added = false;
    TRY(place_disk(shelf, prepare->path, prepare->id, &added));
    struct disk *disk = &shelf->disks[shelf->disk_count - 1];
    if (!added) {
        return ok();
    }
    disk->state = DISK_FAILING; /* until it is probed */
    err e = shelf_write(shelf, store_disks, shelf);
    if (!is_ok(e)) {
        mem_free(disk->path);
        *disk = (struct disk){0};
        shelf->disk_count--;
    }
    return e;
}

/* A disk that was full or failing when we started comes into use when it works again. */
static void try_unplaced(struct shelf *shelf)
{
    for (size_t i = 0; i < shelf->unplaced_count;) {
        struct prepare prepare = {.path = shelf->unplaced[i]};
        err e = prepare_disk(shelf, &prepare);
        if (is_ok(e)) {
            e = place_late(shelf, &prepare);
        }
        if (!is_ok(e)) {
            i++;
            continue;
        }
        log_info("storage", "disk %s can be used now", prepare.path);
        mem_free(shelf->unplaced[i]);
        shelf->unplaced[i] = shelf->unplaced[--shelf->unplaced_count];
    }
}

static err load_totals(struct kv_txn *txn, void *arg)
{
    struct shelf *shelf = arg;
    return totals_read(txn, shelf->totals);
}

static err count_open_entries(struct shelf *shelf)
{
    enum { BATCH = 64 };
    struct shelf_entry *entries = mem_alloc_array(BATCH, sizeof *entries);
    struct fragment_key last;
    size_t count = BATCH;
    err e = ok();
    for (bool first = true; is_ok(e) && count == BATCH; first = false) {
        e = shelf_list_open(shelf, first ? NULL : &last, entries, BATCH, &count);
        for (size_t i = 0; is_ok(e) && i < count; i++) {
            shelf_count_open(shelf, &entries[i].who, entry_length(&entries[i]), true);
            last = entry_key(&entries[i]);
        }
    }
    mem_free(entries);
    return e;
}

static err open_steps(struct shelf *shelf, const struct shelf_options *options)
{
    char path[PATH_BYTES_MAX];
    u64 size = min_u64(INDEX_BYTES_MAX, shelf->capacity_bytes) * 2 + INDEX_BYTES_EXTRA;
    path_join(path, options->paths[0], "index");
    shelf->index_path = mem_strdup(path);
    TRY(index_open(shelf->loop, path, size, &shelf->index));
    TRY(index_read(shelf->index, load_totals, shelf));
    TRY(index_read(shelf->index, load_disks, shelf));
    TRY(open_disks(shelf, options));
    TRY(count_open_entries(shelf));
    TRY(shelf_copies_load(shelf));
    shelf_probe(shelf);
    return ok();
}

err shelf_open(struct loop *loop, const struct shelf_options *options, struct shelf **ret_shelf)
{
    assert_that(options->path_count >= 1 && options->path_count <= DISKS_MAX);
    struct shelf *shelf = MEM_NEW(struct shelf);
    shelf->loop = loop;
    shelf->capacity_bytes = options->capacity_bytes;
    shelf->reserve_bytes =
        options->reserve_bytes != 0 ? options->reserve_bytes : RESERVE_BYTES_DEFAULT;
    map_init(&shelf->quotas);
    map_init(&shelf->busy);
    err e = open_steps(shelf, options);
    if (!is_ok(e)) {
        shelf_close(shelf);
        return e;
    }
    *ret_shelf = shelf;
    return ok();
}

void shelf_close(struct shelf *shelf)
{
    if (shelf == NULL) {
        return;
    }
    index_close(shelf->index);
    for (size_t i = 0; i < shelf->disk_count; i++) {
        mem_free(shelf->disks[i].path);
    }
    for (size_t i = 0; i < shelf->unplaced_count; i++) {
        mem_free(shelf->unplaced[i]);
    }
    map_each (entry, &shelf->quotas) {
        mem_free(entry->value);
    }
    map_free(&shelf->quotas);
    map_free(&shelf->busy);
    mem_free(shelf->index_path);
    mem_free(shelf);
}

/* shelf_writer.c: a fragment on its way in. */
#include "storage/shelf_internal.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "crypto/merkle.h"

#define SPILL_BYTES KIB(4)
#define BATCH_RUNS 3 /* hashed and written in one trip to a worker */

struct shelf_writer {
    struct shelf *shelf;
    struct fragment_key key;
    u32 length;   /* so far */
    u32 runs;     /* hashed */
    u32 filled;   /* bytes in `bytes` */
    u64 granted;  /* room handed out and not yet taken */
    u64 reserved; /* of the shelf's capacity, granted included */
    bool rooted;
    bool over;         /* a byte came for which there is no room */
    struct disk *disk; /* NULL: all of it is in `bytes` */
    struct file *file;
    u64 serial;
    struct hash roots[RUNS_MAX];
    /* From the first run that is not hashed. Runs are flushed when a byte beyond them has come, not
     * before: whether there is one is known only after room for it was given, and what ends with
     * the first run stays in the index. */
    u8 *bytes;
    size_t cap; /* one run's to begin with, for what is short; then BATCH_RUNS */
};

static void reserve(struct shelf_writer *writer, u64 len)
{
    writer->reserved += len;
    writer->shelf->reserved_bytes += len;
}

static void release(struct shelf_writer *writer, u64 len)
{
    assert_that(len <= writer->reserved);
    writer->reserved -= len;
    writer->shelf->reserved_bytes -= len;
}

static u64 capacity_left(const struct shelf *shelf)
{
    u64 used = shelf->reserved_bytes;
    for (size_t i = 0; i < PLACES; i++) {
        used += shelf->totals[i].bytes;
    }
    return used < shelf->capacity_bytes ? shelf->capacity_bytes - used : 0;
}

static err state_fault(enum disk_state state)
{
    switch (state) {
    case DISK_FINE:
        return ok();
    case DISK_FULL:
        return fail(ERR_NO_SPACE);
    case DISK_FAILING:
    case DISK_ABSENT:
        return fail(ERR_IO);
    }
    unreachable_case();
}

/* The disk that takes the next file: of those that are fine the one with the most room. */
static err choose_disk(struct shelf *shelf, struct disk **ret_disk)
{
    struct disk *best = NULL;
    bool full = false;
    for (size_t i = 0; i < shelf->disk_count; i++) {
        struct disk *disk = &shelf->disks[i];
        if (disk->state == DISK_FINE && (best == NULL || disk->free_bytes > best->free_bytes)) {
            best = disk;
        }
        full = full || disk->state == DISK_FULL;
    }
    if (best == NULL) {
        return fail(full ? ERR_NO_SPACE : ERR_IO);
    }
    *ret_disk = best;
    return ok();
}

err shelf_writer_open(struct shelf *shelf, const struct fragment_key *key,
                      struct shelf_writer **ret_writer)
{
    struct disk *disk;
    TRY(state_fault(shelf->index_state));
    TRY(choose_disk(shelf, &disk));
    if (capacity_left(shelf) == 0) {
        return fail(ERR_NO_SPACE);
    }
    struct shelf_writer *writer = MEM_NEW(struct shelf_writer);
    writer->shelf = shelf;
    writer->key = *key;
    writer->cap = RUN_BYTES + SPILL_BYTES;
    writer->bytes = mem_alloc(writer->cap);
    *ret_writer = writer;
    return ok();
}

u32 shelf_writer_length(const struct shelf_writer *writer) { return writer->length; }

/* ---- runs: hashed and written on a worker ---- */

struct run_job {
    struct shelf_writer *writer;
    u32 count;
    char path[PATH_BYTES_MAX]; /* of the file, if it has to be made */
    err result;
};

static void run_flush(void *arg)
{
    struct run_job *job = arg;
    struct shelf_writer *writer = job->writer;
    bytes runs = bytes_make(writer->bytes, job->count * RUN_BYTES);
    job->result = ok();
    for (u32 i = 0; i < job->count; i++) {
        run_root(&writer->roots[writer->runs + i], bytes_slice(runs, i * RUN_BYTES, RUN_BYTES));
    }
    if (writer->file == NULL) {
        job->result = file_open(job->path, FILE_CREATE_NEW, &writer->file);
    }
    if (is_ok(job->result)) {
        job->result = file_write_at(writer->file, (u64)writer->runs * RUN_BYTES, runs);
    }
}

struct discard_job {
    struct file *file;
    char path[PATH_BYTES_MAX];
    bool remove;
};

static void run_discard(void *arg)
{
    struct discard_job *job = arg;
    file_close(job->file);
    if (job->remove) {
        IGNORE(file_remove(job->path)); /* or the next start does */
    }
}

/* Closes the incoming file, and removes it unless it has been adopted. */
static void discard_file(struct shelf_writer *writer)
{
    struct discard_job job = {.file = writer->file, .remove = writer->serial != UINT64_MAX};
    if (job.remove) {
        disk_incoming_path(writer->disk, writer->serial, job.path);
    }
    worker_run(writer->shelf->loop, run_discard, &job);
    writer->file = NULL;
    writer->disk = NULL;
}

static err flush_once(struct shelf_writer *writer, u32 count)
{
    struct shelf *shelf = writer->shelf;
    struct run_job job = {.writer = writer, .count = count};
    if (writer->disk == NULL) {
        TRY(choose_disk(shelf, &writer->disk));
        writer->serial = shelf->next_serial++;
        disk_incoming_path(writer->disk, writer->serial, job.path);
    }
    worker_run(shelf->loop, run_flush, &job);
    err e = is_err(job.result, ERR_NOT_FOUND) ? fail(ERR_IO) : job.result; /* a folder vanished */
    disk_blame(writer->disk, shelf->loop, e);
    return e;
}

/* flush: all runs but the last, which stays. While nothing has been written another disk may take
 * over. */
static err flush(struct shelf_writer *writer)
{
    u32 count = (writer->filled - 1) / (u32)RUN_BYTES;
    if (writer->runs + count >= RUNS_MAX) {
        return fail(ERR_LIMIT);
    }
    err e = flush_once(writer, count);
    while (!is_ok(e) && writer->runs == 0 && writer->disk != NULL &&
           writer->disk->state != DISK_FINE) {
        discard_file(writer);
        e = flush_once(writer, count);
    }
    TRY(e);
    writer->runs += count;
    writer->filled -= count * (u32)RUN_BYTES;
    memmove(writer->bytes, writer->bytes + count * RUN_BYTES, writer->filled);
    return ok();
}

static void grow(struct shelf_writer *writer)
{
    writer->cap = BATCH_RUNS * RUN_BYTES + SPILL_BYTES;
    writer->bytes = mem_resize(writer->bytes, writer->cap);
}

err shelf_writer_room(struct shelf_writer *writer, u8 **ret_at, size_t *ret_cap)
{
    assert_that(!writer->rooted && writer->granted == 0);
    if (writer->length > FRAGMENT_BYTES_MAX) {
        return fail(ERR_LIMIT);
    }
    if (writer->over) {
        return fail(ERR_NO_SPACE);
    }
    if (writer->filled > BATCH_RUNS * RUN_BYTES) {
        TRY(flush(writer));
    } else if (writer->filled > RUN_BYTES && writer->cap < BATCH_RUNS * RUN_BYTES) {
        grow(writer);
    }
    u64 cap = min_u64(writer->cap - writer->filled, capacity_left(writer->shelf));
    writer->granted = cap;
    reserve(writer, cap);
    *ret_at = writer->bytes + writer->filled;
    *ret_cap = cap > 0 ? (size_t)cap : 1; /* if no room is left, nothing may come any more */
    return ok();
}

void shelf_writer_took(struct shelf_writer *writer, size_t len)
{
    writer->over = len > writer->granted;
    if (!writer->over) {
        release(writer, writer->granted - len);
        writer->filled += (u32)len;
        writer->length += (u32)len;
    }
    writer->granted = 0;
}

static void run_root_job(void *arg)
{
    struct shelf_writer *writer = arg;
    run_root(&writer->roots[writer->runs], bytes_make(writer->bytes, writer->filled));
}

err shelf_writer_root(struct shelf_writer *writer, struct hash *ret_root)
{
    assert_that(writer->length > 0 && !writer->rooted);
    if (writer->over) {
        return fail(ERR_NO_SPACE);
    }
    if (writer->length > FRAGMENT_BYTES_MAX) {
        return fail(ERR_LIMIT);
    }
    if (writer->filled > RUN_BYTES) {
        TRY(flush(writer));
    }
    worker_run(writer->shelf->loop, run_root_job, writer);
    writer->rooted = true;
    merkle_root(ret_root, writer->roots, writer->runs + 1);
    return ok();
}

/* ---- commit ---- */

struct put_job {
    const struct shelf_entry *entry;
    bytes inline_data;
    u32 length;
};

static err put_pieces(struct kv_txn *txn, const struct fragment_key *key, bytes data)
{
    u8 name[PIECE_KEY_BYTES];
    u8 piece = 0;
    for (u32 at = 0, len; at < data.len; at += len) {
        len = piece_length((u32)data.len, at);
        piece_key(name, key, piece++);
        TRY(kv_put(txn, INDEX_PIECES, BYTES_OF(name), bytes_slice(data, at, len)));
    }
    return ok();
}

static err run_put(struct kv_txn *txn, void *arg)
{
    const struct put_job *job = arg;
    const struct fragment_key key = entry_key(job->entry);
    u8 packed[FRAGMENT_KEY_BYTES];
    fragment_key_pack(packed, &key);
    TRY(entry_store(txn, job->entry));
    TRY(put_pieces(txn, &key, job->inline_data));
    TRY(kv_put(txn, INDEX_OPEN, BYTES_OF(packed), bytes_make(NULL, 0)));
    return totals_add(txn, job->entry->place, job->length, 1);
}

struct file_job {
    struct shelf_writer *writer;
    char incoming[PATH_BYTES_MAX];
    char final[PATH_BYTES_MAX];
    bool make_folder;
    err result;
};

static err finish_file(struct file_job *job)
{
    struct shelf_writer *writer = job->writer;
    u64 at = (u64)writer->runs * RUN_BYTES;
    bytes roots = bytes_make(writer->roots, (writer->runs + 1) * sizeof writer->roots[0]);
    TRY(file_write_at(writer->file, at, bytes_make(writer->bytes, writer->filled)));
    TRY(file_write_at(writer->file, writer->length, roots));
    TRY(file_sync(writer->file));
    return disk_adopt(job->incoming, job->final, job->make_folder);
}

static void run_finish_file(void *arg)
{
    struct file_job *job = arg;
    job->result = finish_file(job);
}

static void run_remove_file(void *arg) { IGNORE(file_remove(arg)); /* the sweep finds it later */ }

static err store_file(struct shelf_writer *writer, struct file_job *job)
{
    struct disk *disk = writer->disk;
    bool *folder_known = &disk->folders[disk_folder_of(&writer->key)];
    disk_incoming_path(disk, writer->serial, job->incoming);
    disk_fragment_path(disk, &writer->key, job->final);
    job->make_folder = !*folder_known;
    worker_run(writer->shelf->loop, run_finish_file, job);
    *folder_known = is_ok(job->result);
    err e = is_err(job->result, ERR_NOT_FOUND) ? fail(ERR_IO) : job->result; /* a folder vanished */
    disk_blame(disk, writer->shelf->loop, e);
    return e;
}

/* Under the key's lock, and nothing is there yet. */
static err commit_new(struct shelf_writer *writer, const struct shelf_entry *wanted)
{
    struct shelf *shelf = writer->shelf;
    struct shelf_entry entry = *wanted;
    struct file_job file = {.writer = writer};
    struct put_job put = {.entry = &entry, .length = writer->length};
    entry.place = writer->disk != NULL ? writer->disk->place : PLACE_INDEX;
    entry.state = ENTRY_OPEN;
    entry.position = POSITION_NONE;
    if (writer->disk == NULL) { /* at most one run */
        put.inline_data = bytes_make(writer->bytes, writer->filled);
    } else {
        TRY(store_file(writer, &file));
    }
    err e = shelf_write(shelf, run_put, &put);
    if (!is_ok(e) && writer->disk != NULL) {
        worker_run(shelf->loop, run_remove_file, file.final);
    }
    TRY(e);
    writer->serial = UINT64_MAX; /* the incoming name is gone */
    shelf->totals[entry.place].bytes += writer->length;
    shelf->totals[entry.place].fragments++;
    shelf_count_open(shelf, &entry.who, writer->length, true);
    return ok();
}

static bool same_seal(const struct segment_seal *a, const struct segment_seal *b)
{
    struct hash id_a;
    struct hash id_b;
    segment_seal_id(a, &id_a);
    segment_seal_id(b, &id_b);
    return hash_eq(&id_a, &id_b);
}

static err renew(struct shelf *shelf, const struct fragment_key *key, u64 deadline)
{
    const struct shelf_change change = {.kind = SHELF_RENEW, .key = *key, .deadline = deadline};
    size_t applied;
    TRY(shelf_change(shelf, &change, 1, &applied));
    return applied == 1 ? ok() : fail(ERR_BUSY);
}

static err commit_locked(struct shelf_writer *writer, const struct shelf_entry *entry)
{
    struct shelf_entry there;
    err e = shelf_find(writer->shelf, &writer->key, &there);
    if (is_err(e, ERR_NOT_FOUND)) {
        return commit_new(writer, entry);
    }
    TRY(e);
    if (!same_seal(&there.seal, &entry->seal)) {
        return fail(ERR_CONFLICT);
    }
    return renew(writer->shelf, &writer->key, entry->deadline);
}

err shelf_writer_commit(struct shelf_writer *writer, const struct shelf_entry *entry)
{
    struct fragment_key key = entry_key(entry);
    assert_that(writer->rooted && fragment_key_eq(&key, &writer->key) &&
                entry_length(entry) == writer->length);
    err e = fail(ERR_BUSY);
    if (shelf_lock(writer->shelf, &key)) {
        e = commit_locked(writer, entry);
        shelf_unlock(writer->shelf, &key);
    }
    shelf_writer_abort(writer);
    return e;
}

void shelf_writer_abort(struct shelf_writer *writer)
{
    if (writer == NULL) {
        return;
    }
    release(writer, writer->reserved);
    if (writer->disk != NULL) {
        discard_file(writer);
    }
    mem_free(writer->bytes);
    mem_free(writer);
}

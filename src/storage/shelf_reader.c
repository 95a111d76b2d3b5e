/* shelf_reader.c: runs of a fragment with their proofs. */
#include "storage/shelf_internal.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "crypto/merkle.h"

struct shelf_reader {
    struct shelf *shelf;
    struct shelf_entry entry;
    u32 length;
    u32 runs;
    struct disk *disk; /* NULL: data is here */
    struct file *file;
    u8 *data;
    struct hash roots[RUNS_MAX];
};

/* ---- opening ---- */

struct pieces_query {
    struct shelf_reader *reader;
    struct fragment_key key;
};

static err run_pieces(struct kv_txn *txn, void *arg)
{
    const struct pieces_query *query = arg;
    struct shelf_reader *reader = query->reader;
    u8 name[PIECE_KEY_BYTES];
    u8 piece = 0;
    for (u32 at = 0, len; at < reader->length; at += len) {
        bytes value;
        len = piece_length(reader->length, at);
        piece_key(name, &query->key, piece++);
        TRY(kv_get(txn, INDEX_PIECES, BYTES_OF(name), &value));
        if (value.len != len) {
            return fail(ERR_INTEGRITY);
        }
        memcpy(reader->data + at, value.data, value.len);
    }
    return ok();
}

static err load_inline(struct shelf_reader *reader)
{
    if (reader->length > INLINE_BYTES_MAX) {
        return fail(ERR_INTEGRITY);
    }
    reader->data = mem_alloc(reader->length);
    struct pieces_query query = {.reader = reader, .key = entry_key(&reader->entry)};
    TRY(index_read(reader->shelf->index, run_pieces, &query));
    reader->roots[0] = *entry_root(&reader->entry);
    return ok();
}

static err load_file(struct shelf_reader *reader)
{
    char path[PATH_BYTES_MAX];
    struct hash root;
    const struct fragment_key key = entry_key(&reader->entry);
    disk_fragment_path(reader->disk, &key, path);
    TRY(file_open(path, FILE_READ, &reader->file));
    TRY(file_read_at(reader->file, reader->length, reader->roots,
                     reader->runs * sizeof reader->roots[0]));
    merkle_root(&root, reader->roots, reader->runs);
    return hash_eq(&root, entry_root(&reader->entry)) ? ok() : fail(ERR_INTEGRITY);
}

struct open_job {
    struct shelf_reader *reader;
    err result;
};

static void run_open(void *arg)
{
    struct open_job *job = arg;
    struct shelf_reader *reader = job->reader;
    job->result = reader->disk != NULL ? load_file(reader) : load_inline(reader);
}

/* What a fault of a read means, once it is known whether the entry is still there. */
static err judge(struct shelf *shelf, const struct fragment_key *key, struct disk *disk, err e)
{
    struct shelf_entry entry;
    if (disk != NULL) {
        disk_blame(disk, shelf->loop, e);
    }
    if (is_err(e, ERR_IO)) {
        return e;
    }
    return is_ok(shelf_find(shelf, key, &entry)) ? fail(ERR_INTEGRITY) : fail(ERR_NOT_FOUND);
}

static err open_reader(struct shelf_reader *reader, const struct fragment_key *key)
{
    struct shelf *shelf = reader->shelf;
    TRY(shelf_find(shelf, key, &reader->entry));
    reader->length = entry_length(&reader->entry);
    reader->runs = run_count(reader->length);
    if (reader->entry.place != PLACE_INDEX) {
        reader->disk = shelf_disk_at(shelf, reader->entry.place);
        if (reader->disk == NULL) {
            return fail(ERR_NOT_FOUND);
        }
    }
    struct open_job job = {.reader = reader};
    worker_run(shelf->loop, run_open, &job);
    return is_ok(job.result) ? ok() : judge(shelf, key, reader->disk, job.result);
}

err shelf_reader_open(struct shelf *shelf, const struct fragment_key *key,
                      struct shelf_reader **ret_reader)
{
    struct shelf_reader *reader = MEM_NEW(struct shelf_reader);
    reader->shelf = shelf;
    err e = open_reader(reader, key);
    if (!is_ok(e)) {
        shelf_reader_close(reader);
        return e;
    }
    *ret_reader = reader;
    return ok();
}

const struct shelf_entry *shelf_reader_entry(const struct shelf_reader *reader)
{
    return &reader->entry;
}

void shelf_reader_close(struct shelf_reader *reader)
{
    if (reader != NULL) {
        file_close(reader->file);
        mem_free(reader->data);
        mem_free(reader);
    }
}

/* ---- runs ---- */

struct run_job {
    struct shelf_reader *reader;
    u32 run;
    u8 *out;
    size_t len;
    struct hash *path; /* NULL: no proof wanted */
    size_t path_len;
    bool check;
    err result;
};

static err read_run(struct run_job *job)
{
    struct shelf_reader *reader = job->reader;
    struct hash root;
    u64 offset = (u64)job->run * RUN_BYTES;
    if (reader->file != NULL) {
        TRY(file_read_at(reader->file, offset, job->out, job->len));
    } else {
        memcpy(job->out, reader->data + offset, job->len);
    }
    if (job->path != NULL) {
        job->path_len = merkle_range_proof(job->path, reader->roots, reader->runs, job->run, 1);
    }
    if (job->check) {
        run_root(&root, bytes_make(job->out, job->len));
        return hash_eq(&root, &reader->roots[job->run]) ? ok() : fail(ERR_INTEGRITY);
    }
    return ok();
}

static void run_read(void *arg)
{
    struct run_job *job = arg;
    job->result = read_run(job);
}

static err do_run(struct run_job *job)
{
    struct shelf_reader *reader = job->reader;
    assert_that(job->run < reader->runs);
    job->len = run_length(reader->length, job->run);
    worker_run(reader->shelf->loop, run_read, job);
    if (is_ok(job->result)) {
        return ok();
    }
    const struct fragment_key key = entry_key(&reader->entry);
    return judge(reader->shelf, &key, reader->disk, job->result);
}

err shelf_reader_run(struct shelf_reader *reader, u32 run, u8 *out, size_t *ret_len,
                     struct hash *ret_path, size_t *ret_path_len)
{
    struct run_job job = {.reader = reader, .run = run, .out = out, .path = ret_path};
    TRY(do_run(&job));
    *ret_len = job.len;
    if (ret_path != NULL) {
        *ret_path_len = job.path_len;
    }
    return ok();
}

err shelf_reader_check(struct shelf_reader *reader, u32 run)
{
    u8 *data = mem_alloc(RUN_BYTES);
    struct run_job job = {.reader = reader, .run = run, .out = data, .check = true};
    err e = do_run(&job);
    mem_free(data);
    return e;
}

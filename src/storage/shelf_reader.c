/* shelf_reader.c: runs of a fragment with their proofs. */
#include "storage/shelf_internal.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "crypto/merkle.h"
#include "data/fragment_writer.h"

#define AHEAD_RUNS 3 /* in one trip to a worker */

/* A run that has been read, with room for what its sender puts before it. */
struct ahead {
    u8 bytes[SHELF_RUN_HEADROOM + RUN_BYTES];
    struct hash path[FRAGMENT_PATH_MAX];
    size_t path_len;
};

struct shelf_reader {
    struct shelf *shelf;
    struct shelf_entry entry;
    u32 length;
    u32 runs;
    struct disk *disk; /* NULL: data is here */
    struct file *file;
    u8 *data;
    u32 planned_end;
    struct ahead *ahead;
    u32 ahead_cap;
    u32 ahead_first;
    u32 ahead_count;
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
        mem_free(reader->ahead);
        mem_free(reader);
    }
}

/* ---- runs ---- */

static err read_run(const struct shelf_reader *reader, u32 run, u8 *out)
{
    u64 offset = (u64)run * RUN_BYTES;
    size_t len = run_length(reader->length, run);
    if (reader->file != NULL) {
        return file_read_at(reader->file, offset, out, len);
    }
    memcpy(out, reader->data + offset, len);
    return ok();
}

struct ahead_job {
    struct shelf_reader *reader;
    u32 first;
    u32 wanted;
    u32 count; /* that were read */
    err result;
};

/* A fault behind the first run is left to the call that asks for that run. */
static void run_read_ahead(void *arg)
{
    struct ahead_job *job = arg;
    struct shelf_reader *reader = job->reader;
    job->result = ok();
    for (job->count = 0; job->count < job->wanted && is_ok(job->result); job->count++) {
        struct ahead *ahead = &reader->ahead[job->count];
        u32 run = job->first + job->count;
        job->result = read_run(reader, run, ahead->bytes + SHELF_RUN_HEADROOM);
        ahead->path_len = merkle_range_proof(ahead->path, reader->roots, reader->runs, run, 1);
    }
    job->count -= !is_ok(job->result);
}

static err read_ahead(struct shelf_reader *reader, u32 run)
{
    const struct fragment_key key = entry_key(&reader->entry);
    struct ahead_job job = {.reader = reader, .first = run, .wanted = 1};
    if (run < reader->planned_end) {
        job.wanted = (u32)min_u64(AHEAD_RUNS, reader->planned_end - run);
    }
    if (reader->ahead_cap < job.wanted) {
        mem_free(reader->ahead);
        reader->ahead = mem_alloc_array(job.wanted, sizeof *reader->ahead);
        reader->ahead_cap = job.wanted;
    }
    worker_run(reader->shelf->loop, run_read_ahead, &job);
    reader->ahead_first = run;
    reader->ahead_count = job.count;
    return job.count > 0 ? ok() : judge(reader->shelf, &key, reader->disk, job.result);
}

void shelf_reader_plan(struct shelf_reader *reader, u32 end)
{
    assert_that(end <= reader->runs);
    reader->planned_end = end;
}

err shelf_reader_run(struct shelf_reader *reader, u32 run, struct shelf_run *ret_run)
{
    assert_that(run < reader->runs);
    if (run < reader->ahead_first || run >= reader->ahead_first + reader->ahead_count) {
        reader->ahead_count = 0;
        TRY(read_ahead(reader, run));
    }
    struct ahead *ahead = &reader->ahead[run - reader->ahead_first];
    *ret_run = (struct shelf_run){.data = ahead->bytes + SHELF_RUN_HEADROOM,
                                  .len = run_length(reader->length, run),
                                  .path = ahead->path,
                                  .path_len = ahead->path_len};
    return ok();
}

struct check_job {
    struct shelf_reader *reader;
    u32 run;
    u8 *data;
    err result;
};

static void run_check(void *arg)
{
    struct check_job *job = arg;
    struct shelf_reader *reader = job->reader;
    struct hash root;
    job->result = read_run(reader, job->run, job->data);
    run_root(&root, bytes_make(job->data, run_length(reader->length, job->run)));
    if (is_ok(job->result) && !hash_eq(&root, &reader->roots[job->run])) {
        job->result = fail(ERR_INTEGRITY);
    }
}

err shelf_reader_check(struct shelf_reader *reader, u32 run)
{
    const struct fragment_key key = entry_key(&reader->entry);
    struct check_job job = {.reader = reader, .run = run};
    assert_that(run < reader->runs);
    job.data = mem_alloc(RUN_BYTES);
    worker_run(reader->shelf->loop, run_check, &job);
    mem_free(job.data);
    return is_ok(job.result) ? ok() : judge(reader->shelf, &key, reader->disk, job.result);
}

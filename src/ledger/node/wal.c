#include "ledger/node/wal.h"

#include "base/log.h"
#include "base/mem.h"
#include "codec/record.h"
#include "crypto/hash.h"
#include "ledger/node/kinds.h"

#define WAL_VERSION 1
#define WAL_SLOTS 2

struct wal {
    struct file *file;
    struct buf entry;
};

static err sync_parent(const char *path)
{
    char parent[PATH_BYTES_MAX];
    path_parent(parent, path);
    return dir_sync(parent);
}

err wal_open(const char *path, struct wal **ret_wal)
{
    struct file *file;
    TRY(file_open(path, FILE_CREATE, &file));
    err e = sync_parent(path);
    if (!is_ok(e)) {
        file_close(file);
        return e;
    }
    struct wal *wal = MEM_NEW(struct wal);
    wal->file = file;
    buf_init(&wal->entry, WAL_SLOT_BYTES);
    *ret_wal = wal;
    return ok();
}

void wal_close(struct wal *wal)
{
    if (wal != NULL) {
        file_close(wal->file);
        buf_free(&wal->entry);
        mem_free(wal);
    }
}

/* Over everything but itself. */
static void entry_digest(struct hash *out, bytes head, bytes record)
{
    const struct bytes parts[] = {head, record};
    sha256_parts(out, parts, COUNT_OF(parts));
}

static err decode_block(struct arena *arena, u64 height, bytes record, struct decided *ret_decided)
{
    struct decided decided;
    bool consistent;
    if (!is_ok(decided_decode(arena, record, &decided)) || decided.header.height != height) {
        return fail(ERR_INTEGRITY);
    }
    TRY(decided_consistent(&decided, &consistent));
    if (!consistent) {
        return fail(ERR_INTEGRITY);
    }
    *ret_decided = decided;
    return ok();
}

err wal_entry_decode(struct arena *arena, bytes slot, struct decided *ret_decided)
{
    struct reader reader;
    struct hash digest;
    if (slot.len < WAL_HEAD_BYTES) {
        return fail(ERR_NOT_FOUND);
    }
    bytes head = bytes_slice(slot, 0, WAL_HEAD_BYTES - sizeof digest.b);
    reader_init(&reader, slot);
    read_head(&reader, KIND_DECIDED_ENTRY, WAL_VERSION);
    u32 length = read_be32(&reader);
    u64 height = read_be64(&reader);
    struct hash stored = read_hash(&reader);
    if (reader.failed || length > reader.left || length > DECIDED_BYTES_MAX) {
        return fail(ERR_NOT_FOUND);
    }
    bytes record = read_bytes(&reader, length);
    entry_digest(&digest, head, record);
    if (!hash_eq(&digest, &stored)) {
        return fail(ERR_NOT_FOUND);
    }
    return decode_block(arena, height, record, ret_decided);
}

static err read_slot(struct wal *wal, u64 slot, struct arena *arena, struct decided *ret_decided)
{
    u8 *data = arena_alloc(arena, WAL_SLOT_BYTES);
    size_t len = 0;
    if (data == NULL) {
        return fail(ERR_LIMIT);
    }
    while (len < WAL_SLOT_BYTES) {
        size_t got;
        TRY(file_read_some(wal->file, slot * WAL_SLOT_BYTES + len, data + len, WAL_SLOT_BYTES - len,
                           &got));
        if (got == 0) {
            break;
        }
        len += got;
    }
    return wal_entry_decode(arena, bytes_make(data, len), ret_decided);
}

err wal_last(struct wal *wal, struct arena *arena, struct decided *ret_decided)
{
    struct decided last;
    bool found = false;
    for (u64 slot = 0; slot < WAL_SLOTS; slot++) {
        struct decided decided;
        err e = read_slot(wal, slot, arena, &decided);
        if (is_err(e, ERR_NOT_FOUND)) {
            continue;
        }
        if (is_err(e, ERR_INTEGRITY)) {
            log_error("node", "the log of decided blocks holds an entry that is no block");
        }
        TRY(e);
        if (!found || decided.header.height > last.header.height) {
            last = decided;
            found = true;
        }
    }
    if (!found) {
        return fail(ERR_NOT_FOUND);
    }
    *ret_decided = last;
    return ok();
}

/* The record comes first into the buffer, because the head carries its length and digest. */
static err make_entry(struct buf *entry, const struct decided *decided)
{
    struct hash digest;
    struct buf record;
    buf_init(&record, DECIDED_BYTES_MAX);
    decided_encode(&record, decided);
    err e = buf_done(&record);
    if (is_ok(e)) {
        buf_clear(entry);
        write_head(entry, KIND_DECIDED_ENTRY, WAL_VERSION);
        buf_put_be32(entry, (u32)record.len);
        buf_put_be64(entry, decided->header.height);
        entry_digest(&digest, buf_bytes(entry), buf_bytes(&record));
        write_hash(entry, &digest);
        buf_put(entry, buf_bytes(&record));
        e = buf_done(entry);
    }
    buf_free(&record);
    return e;
}

err wal_write(struct wal *wal, const struct decided *decided)
{
    u64 slot = decided->header.height % WAL_SLOTS;
    TRY(make_entry(&wal->entry, decided));
    TRY(file_write_at(wal->file, slot * WAL_SLOT_BYTES, buf_bytes(&wal->entry)));
    return file_sync(wal->file);
}

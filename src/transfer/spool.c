#include "transfer/spool.h"

#include "base/log.h"

#include <stdio.h>

void spool_path(char out[PATH_BYTES_MAX], const char *dir, const struct segment_key *key)
{
    char name[80];
    snprintf(name, sizeof name, "%llu.%u.%llu", (unsigned long long)key->territory, key->gateway,
             (unsigned long long)key->number);
    path_join(out, dir, name);
}

err spool_create(struct spool *spool, const char *dir, const struct segment_key *key)
{
    spool_path(spool->path, dir, key);
    TRY(file_open(spool->path, FILE_CREATE, &spool->file));
    return file_truncate(spool->file, 0);
}

err spool_write(struct spool *spool, u32 offset, bytes in)
{
    return file_write_at(spool->file, SPOOL_HEAD_BYTES + offset, in);
}

err spool_seal(struct spool *spool, const struct segment_seal *seal)
{
    struct buf head;
    buf_init(&head, SPOOL_HEAD_BYTES);
    segment_seal_write(&head, seal);
    err e = buf_done(&head);
    if (is_ok(e)) {
        e = file_write_at(spool->file, 0, buf_bytes(&head));
    }
    buf_free(&head);
    return e;
}

static err check_seal(struct spool *spool, const struct segment_seal *seal)
{
    u8 head[SPOOL_HEAD_BYTES];
    struct buf expected;
    size_t len;
    TRY(file_read_some(spool->file, 0, head, sizeof head, &len));
    buf_init(&expected, SPOOL_HEAD_BYTES);
    segment_seal_write(&expected, seal);
    bool same =
        len >= expected.len && bytes_eq(bytes_make(head, expected.len), buf_bytes(&expected));
    buf_free(&expected);
    return same ? ok() : fail(ERR_NOT_FOUND);
}

err spool_open(struct spool *spool, const char *dir, const struct segment_seal *seal)
{
    spool_path(spool->path, dir, &seal->key);
    if (!file_exists(spool->path)) {
        return fail(ERR_NOT_FOUND);
    }
    TRY(file_open(spool->path, FILE_READ, &spool->file));
    err e = check_seal(spool, seal);
    if (!is_ok(e)) {
        spool_close(spool);
    }
    return e;
}

err spool_read(struct spool *spool, u32 offset, void *out, size_t len)
{
    return file_read_at(spool->file, SPOOL_HEAD_BYTES + offset, out, len);
}

void spool_close(struct spool *spool)
{
    if (spool->file != NULL) {
        file_close(spool->file);
        spool->file = NULL;
    }
}

void spool_remove(const char *dir, const struct segment_key *key)
{
    char path[PATH_BYTES_MAX];
    spool_path(path, dir, key);
    if (file_exists(path)) {
        IGNORE(file_remove(path)); /* an orphan costs space only; the next start sweeps it */
    }
}

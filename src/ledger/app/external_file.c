/* external_file.c: blocks one after another out of a file, as geth exports them. */
#include "base/log.h"
#include "base/mem.h"
#include "ledger/app/external.h"
#include "ledger/app/internal.h"
#include "os/file.h"

#define RLP_HEAD_BYTES 9u

struct chain_file {
    struct file *file;
    u64 size;
    u64 at;
    u8 *block; /* room for one */
};

/* The length of the list that begins at the front of `head`, prefix and all; false if there is no
 * list. Only the prefix has to be there. */
static bool list_length(bytes head, u64 *ret_len)
{
    if (head.len == 0 || head.data[0] < 0xc0) {
        return false;
    }
    if (head.data[0] < 0xf8) {
        *ret_len = (u64)(head.data[0] - 0xc0) + 1;
        return true;
    }
    size_t bytes_of_len = (size_t)(head.data[0] - 0xf7);
    u64 len = 0;
    if (head.len < 1 + bytes_of_len) {
        return false;
    }
    for (size_t i = 1; i <= bytes_of_len; i++) {
        len = len << 8 | head.data[i];
    }
    return add_u64(ret_len, len, 1 + bytes_of_len);
}

/* The next block of the file; ERR_MALFORMED: no list, cut off, or too large. */
static err next_block(struct chain_file *chain, bytes *ret_block)
{
    u8 head[RLP_HEAD_BYTES];
    u64 left = chain->size - chain->at;
    u64 len;
    size_t head_len = (size_t)min_u64(left, sizeof head);
    TRY(file_read_at(chain->file, chain->at, head, head_len));
    if (!list_length(bytes_make(head, head_len), &len) || len > left ||
        len > EXTERNAL_BLOCK_BYTES_MAX) {
        return fail(ERR_MALFORMED);
    }
    TRY(file_read_at(chain->file, chain->at, chain->block, (size_t)len));
    chain->at += len;
    *ret_block = bytes_make(chain->block, (size_t)len);
    return ok();
}

static err import_next(struct app *app, struct chain_file *chain, struct app_import *import)
{
    u64 before = app->info.height;
    bytes block;
    err e = next_block(chain, &block);
    if (is_err(e, ERR_MALFORMED)) {
        import->wrong = "malformed: no block of at most 16 MiB";
        return ok();
    }
    TRY(e);
    TRY(app_import_block(app, block, &import->wrong));
    if (import->wrong == NULL) {
        import->blocks += app->info.height - before;
        import->known += app->info.height == before;
    }
    return ok();
}

static err import_all(struct app *app, struct chain_file *chain, bool (*stop)(void *ctx), void *ctx,
                      struct app_import *import)
{
    while (chain->at < chain->size && import->wrong == NULL) {
        if (stop != NULL && stop(ctx)) {
            return fail(ERR_CANCELLED);
        }
        TRY(import_next(app, chain, import));
    }
    if (import->wrong != NULL) {
        import->place = import->blocks + import->known + 1;
        log_error("app", "block %llu of the file is not valid: %s",
                  (unsigned long long)import->place, import->wrong);
    }
    return ok();
}

err app_import_file(struct app *app, const char *path, bool (*stop)(void *ctx), void *ctx,
                    struct app_import *ret_import)
{
    struct chain_file chain = {0};
    struct app_import import = {0};
    TRY(file_open(path, FILE_READ, &chain.file));
    chain.block = mem_alloc(EXTERNAL_BLOCK_BYTES_MAX);
    err e = file_size(chain.file, &chain.size);
    if (is_ok(e)) {
        e = import_all(app, &chain, stop, ctx, &import);
    }
    mem_free(chain.block);
    file_close(chain.file);
    *ret_import = import;
    return e;
}

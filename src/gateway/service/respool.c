/* respool.c: a spool file that is gone is read back from the holders, so that an answered segment
 * can be given to new holders although the ledger does not know it yet. */
#include "gateway/service/internal.h"

#include "base/log.h"
#include "base/mem.h"
#include "transfer/spool.h"

#define PIECE_BYTES MIB(1)

struct respool {
    struct spool spool;
    const struct segment_seal *seal;
    const char *dir;
    u8 *piece;
    size_t len;
    u32 offset;
    err result;
};

static void create_run(void *arg)
{
    struct respool *r = arg;
    r->result = spool_create(&r->spool, r->dir, &r->seal->key);
}

static void write_run(void *arg)
{
    struct respool *r = arg;
    r->result = spool_write(&r->spool, r->offset, bytes_make(r->piece, r->len));
}

static void seal_run(void *arg)
{
    struct respool *r = arg;
    r->result = spool_seal(&r->spool, r->seal);
}

static err copy_pieces(struct gateway *gateway, struct respool *r, struct segment_get *get,
                       u64 deadline_ms)
{
    for (;;) {
        TRY(segment_get_next(get, r->piece, PIECE_BYTES, deadline_ms, &r->len));
        if (r->len == 0) {
            break;
        }
        worker_run(gateway->loop, write_run, r);
        TRY(r->result);
        r->offset += (u32)r->len;
    }
    if (r->offset != r->seal->length) {
        return fail(ERR_INTEGRITY);
    }
    worker_run(gateway->loop, seal_run, r);
    return r->result;
}

static err fill(struct gateway *gateway, struct respool *r, u64 deadline_ms)
{
    struct segment_get *get;
    worker_run(gateway->loop, create_run, r);
    TRY(r->result);
    TRY(segment_get_open(gateway->source, &r->seal->key, 0, r->seal->length, deadline_ms, &get));
    r->piece = mem_alloc(PIECE_BYTES);
    err e = copy_pieces(gateway, r, get, deadline_ms);
    mem_free(r->piece);
    segment_get_close(get);
    return e;
}

err respool(struct gateway *gateway, const struct segment_seal *seal, u64 deadline_ms)
{
    struct respool r = {.seal = seal, .dir = gateway->spool_dir};
    if (is_ok(spool_open(&r.spool, r.dir, seal))) {
        spool_close(&r.spool);
        return fail(ERR_EXISTS);
    }
    err e = fill(gateway, &r, deadline_ms);
    spool_close(&r.spool);
    if (!is_ok(e)) {
        spool_remove(r.dir, &seal->key);
        return e;
    }
    log_info("gateway", "segment %llu.%u.%llu is in the spool again",
             (unsigned long long)seal->key.territory, seal->key.gateway,
             (unsigned long long)seal->key.number);
    return ok();
}

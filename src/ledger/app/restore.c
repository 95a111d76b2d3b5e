#include "ledger/app/restore.h"

#include "base/log.h"
#include "base/mem.h"
#include "codec/record.h"
#include "crypto/hash.h"
#include "ledger/app/internal.h"
#include "ledger/block/kinds.h"
#include "os/file.h"

#include <stdio.h>
#include <stdlib.h>

#define SNAPSHOT_VERSION 1
#define SNAPSHOTS_KEPT 2
#define BLOCK_FILE "block"
#define UNFINISHED "unfinished"
#define BLOCK_FILE_BYTES_MAX MIB(300)
#define PARTS_MAX 10000000u

struct app_snapshot {
    char parent[PATH_BYTES_MAX];
    char dir[PATH_BYTES_MAX]; /* while it is unfinished */
    struct snapshot_writer *writer;
    struct arena arena;
    struct state_block block;
    u32 part_count;
};

static void part_path(char out[PATH_BYTES_MAX], const char *dir, u32 i)
{
    char name[24];
    snprintf(name, sizeof name, "%06u.part", i);
    path_join(out, dir, name);
}

/* --- writing --- */

static err load_block(struct app *app, struct arena *arena, struct state_block *block)
{
    struct state_view *view;
    u64 height = app->info.height;
    TRY(state_view_open(app->state, height, &view));
    err e = state_view_block(view, STATE_HEADER, height, arena, &block->header);
    if (is_ok(e)) {
        e = state_view_block(view, STATE_CONSENSUS, height, arena, &block->consensus);
    }
    if (is_ok(e)) {
        e = state_view_block(view, STATE_BODY, height, arena, &block->body);
    }
    if (is_ok(e)) {
        e = state_view_block(view, STATE_RECEIPTS, height, arena, &block->receipts);
    }
    state_view_close(view);
    block->height = height;
    block->hash = app->info.app_hash;
    return e;
}

static err begin(struct app *app, struct app_snapshot *snapshot)
{
    TRY(dir_make(snapshot->parent));
    TRY(dir_remove_all(snapshot->dir));
    TRY(dir_make(snapshot->dir));
    TRY(load_block(app, &snapshot->arena, &snapshot->block));
    return snapshot_writer_open(app->state, &snapshot->writer);
}

err app_snapshot_begin(struct app *app, const char *parent, struct app_snapshot **ret_snapshot)
{
    struct app_snapshot *snapshot = MEM_NEW(struct app_snapshot);
    snprintf(snapshot->parent, sizeof snapshot->parent, "%s", parent);
    path_join(snapshot->dir, parent, UNFINISHED);
    arena_init(&snapshot->arena, BLOCK_FILE_BYTES_MAX);
    err e = begin(app, snapshot);
    if (!is_ok(e)) {
        app_snapshot_free(snapshot);
        return e;
    }
    *ret_snapshot = snapshot;
    return ok();
}

u64 app_snapshot_height(const struct app_snapshot *snapshot) { return snapshot->block.height; }

void app_snapshot_free(struct app_snapshot *snapshot)
{
    if (snapshot != NULL) {
        snapshot_writer_close(snapshot->writer);
        arena_free(&snapshot->arena);
        mem_free(snapshot);
    }
}

static err write_block_file(const struct app_snapshot *snapshot)
{
    const struct state_block *block = &snapshot->block;
    char path[PATH_BYTES_MAX];
    struct buf record;
    buf_init(&record, BLOCK_FILE_BYTES_MAX);
    write_head(&record, KIND_SNAPSHOT_BLOCK, SNAPSHOT_VERSION);
    buf_put_be64(&record, block->height);
    buf_put_be32(&record, snapshot->part_count);
    write_str32(&record, block->header);
    write_str32(&record, block->consensus);
    write_str32(&record, block->body);
    write_str32(&record, block->receipts);
    path_join(path, snapshot->dir, BLOCK_FILE);
    err e = buf_done(&record);
    if (is_ok(e)) {
        e = file_replace(path, buf_bytes(&record));
    }
    buf_free(&record);
    return e;
}

/* Names of finished snapshots are heights. */
struct heights {
    u64 newest[SNAPSHOTS_KEPT];
    const char *parent;
};

static bool parse_height(const char *name, u64 *ret_height)
{
    char *end;
    *ret_height = strtoull(name, &end, 10);
    return name[0] >= '0' && name[0] <= '9' && *end == '\0';
}

static err note_height(void *ctx, const char *name)
{
    struct heights *heights = ctx;
    u64 height;
    if (parse_height(name, &height)) {
        for (size_t i = 0; i < SNAPSHOTS_KEPT; i++) {
            if (height > heights->newest[i]) {
                u64 moved = heights->newest[i];
                heights->newest[i] = height;
                height = moved;
            }
        }
    }
    return ok();
}

static err drop_old(void *ctx, const char *name)
{
    const struct heights *heights = ctx;
    char path[PATH_BYTES_MAX];
    u64 height;
    if (!parse_height(name, &height) || height >= heights->newest[SNAPSHOTS_KEPT - 1]) {
        return ok();
    }
    path_join(path, heights->parent, name);
    return dir_remove_all(path);
}

static err finish(struct app_snapshot *snapshot)
{
    struct heights heights = {.parent = snapshot->parent};
    char path[PATH_BYTES_MAX];
    char name[24];
    snprintf(name, sizeof name, "%llu", (unsigned long long)snapshot->block.height);
    path_join(path, snapshot->parent, name);
    TRY(write_block_file(snapshot));
    TRY(dir_sync(snapshot->dir));
    TRY(dir_remove_all(path));
    TRY(file_rename(snapshot->dir, path));
    TRY(dir_sync(snapshot->parent));
    TRY(dir_each(snapshot->parent, note_height, &heights));
    return dir_each(snapshot->parent, drop_old, &heights);
}

err app_snapshot_step(struct app_snapshot *snapshot, bool *ret_done)
{
    char path[PATH_BYTES_MAX];
    struct buf part;
    bool more;
    *ret_done = false;
    buf_init(&part, SNAPSHOT_PART_BYTES_MAX);
    err e = snapshot_writer_next(snapshot->writer, &part, &more);
    if (is_ok(e) && more) {
        part_path(path, snapshot->dir, snapshot->part_count);
        e = file_replace(path, buf_bytes(&part));
        snapshot->part_count++;
    }
    buf_free(&part);
    TRY(e);
    *ret_done = !more;
    return more ? ok() : finish(snapshot);
}

/* --- restoring --- */

struct restoring {
    struct app *app;
    const char *folder;
    struct arena arena;
    struct state_block block;
    struct block_header header;
    u32 part_count;
};

static err refuse(const char *why)
{
    log_error("app", "the snapshot is refused: %s", why);
    return fail(ERR_REFUSED);
}

static err read_block_file(struct restoring *r)
{
    char path[PATH_BYTES_MAX];
    struct reader reader;
    bytes record;
    path_join(path, r->folder, BLOCK_FILE);
    TRY(file_load(path, &r->arena, &record));
    reader_init(&reader, record);
    read_head(&reader, KIND_SNAPSHOT_BLOCK, SNAPSHOT_VERSION);
    r->block.height = read_be64(&reader);
    r->part_count = read_be32(&reader);
    r->block.header = read_str32(&reader, BLOCK_HEADER_BYTES_MAX);
    r->block.consensus = read_str32(&reader, 2 * CONSENSUS_RECORD_BYTES_MAX);
    r->block.body = read_str32(&reader, BLOCK_BODY_BYTES_MAX);
    r->block.receipts = read_str32(&reader, BLOCK_FILE_BYTES_MAX);
    bool good = is_ok(reader_done(&reader)) && r->part_count <= PARTS_MAX &&
                is_ok(block_header_decode(r->block.header, &r->header));
    return good ? ok() : refuse("its block file is damaged");
}

/* The hashes of a body's transactions, for the index; false: the roots are not the header's. */
static err check_body(struct restoring *r, bool *ret_good)
{
    struct block_txs txs;
    struct receipt *receipts;
    struct hash txs_root;
    struct hash receipts_of;
    size_t count;
    *ret_good = false;
    if (!is_ok(block_body_decode(&r->arena, r->block.body, &txs)) ||
        !is_ok(receipts_decode(&r->arena, r->block.receipts, &receipts, &count))) {
        return ok();
    }
    TRY(block_txs_root(&txs, &txs_root));
    TRY(receipts_root(receipts, count, &receipts_of));
    struct hash *hashes = ARENA_ARRAY(&r->arena, struct hash, txs.count + 1);
    if (hashes == NULL) {
        return fail(ERR_LIMIT);
    }
    for (size_t i = 0; i < txs.count; i++) {
        tx_hash(&hashes[i], txs.items[i]);
    }
    r->block.tx_hashes = hashes;
    r->block.tx_count = txs.count;
    *ret_good = count == txs.count && hash_eq(&txs_root, &r->header.txs_root) &&
                hash_eq(&receipts_of, &r->header.receipts_root);
    return ok();
}

/* The seats have decided the consensus header that goes with the block. */
static bool consensus_fits(const struct restoring *r)
{
    struct consensus_header header;
    struct certificate certificate;
    struct hash id;
    if (!is_ok(consensus_part_decode(r->block.consensus, &header, &certificate))) {
        return false;
    }
    consensus_header_id(&id, &header);
    return header.height == r->block.height && certificate.height == header.height &&
           hash_eq(&id, &certificate.block_id) &&
           consensus_eth_time(header.time_ms) == r->header.time &&
           hash_eq(&header.parent_hash, &r->header.parent_hash) &&
           certificate_valid(&certificate, r->app->genesis->chain_id, &r->app->genesis->seats);
}

static err check_block(struct restoring *r, const struct hash *trusted)
{
    bool good;
    keccak256(&r->block.hash, r->block.header);
    if (!hash_eq(&r->block.hash, trusted) || r->header.number != r->block.height) {
        return refuse("its block is not the trusted one");
    }
    TRY(check_body(r, &good));
    if (!good) {
        return refuse("transactions or receipts are not those of its block");
    }
    return consensus_fits(r) ? ok() : refuse("its block was not decided by the seats");
}

static err read_parts(struct restoring *r, struct snapshot_reader *reader)
{
    for (u32 i = 0; i < r->part_count; i++) {
        char path[PATH_BYTES_MAX];
        struct arena arena;
        enum snapshot_verdict verdict;
        bytes part;
        part_path(path, r->folder, i);
        arena_init(&arena, SNAPSHOT_PART_BYTES_MAX + KIB(4));
        err e = file_load(path, &arena, &part);
        if (is_ok(e)) {
            e = snapshot_reader_part(reader, part, &verdict);
        }
        arena_free(&arena);
        if (is_err(e, ERR_NOT_FOUND) || is_err(e, ERR_LIMIT) ||
            (is_ok(e) && verdict != SNAPSHOT_ACCEPTED)) {
            log_error("app", "part %s is missing or wrong", path);
            return refuse("a part is missing or wrong");
        }
        TRY(e);
    }
    return ok();
}

static err restore(struct restoring *r, const struct hash *trusted)
{
    const struct state_meta meta = {.name = "genesis", .value = BYTES_OF(r->app->genesis_hash)};
    struct snapshot_reader *reader;
    if (!state_is_new(r->app->state)) {
        return fail(ERR_EXISTS);
    }
    TRY(read_block_file(r));
    TRY(check_block(r, trusted));
    TRY(snapshot_reader_open(r->app->state, &r->header.state_root, &reader));
    err e = read_parts(r, reader);
    if (is_ok(e)) {
        e = snapshot_reader_finish(reader, &r->block, &meta, 1);
    }
    snapshot_reader_close(reader);
    return is_err(e, ERR_INTEGRITY) ? refuse("parts are missing") : e;
}

err app_restore(const struct app_options *options, const char *folder, const struct hash *trusted)
{
    struct restoring r = {.folder = folder};
    TRY(app_open_store(options, &r.app));
    arena_init(&r.arena, 2 * BLOCK_FILE_BYTES_MAX);
    err e = restore(&r, trusted);
    arena_free(&r.arena);
    app_close(r.app);
    return e;
}

#include "cli/direct.h"

#include "base/log.h"
#include "base/mem.h"
#include "cli/keyfile.h"
#include "cli/passphrase.h"
#include "crypto/hash.h"
#include "data/bucket_name.h"
#include "gateway/journal/record.h"
#include "ledger/modules/bucket_layout.h"

#define READ_MS 120000
#define BATCH_CHUNKS 16
#define RECORD_ARENA_BYTES (2 * JOURNAL_RECORD_BYTES_MAX + KIB(64))
#define TABLE_ARENA_BYTES MIB(32)
#define WALK_RECORDS_MAX 1000000

/* ---- opening ---- */

static u64 read_deadline(const struct direct *direct)
{
    return loop_now_ms(direct->client->loop) + READ_MS;
}

static err owner_secret(struct client *client, struct secp_secret *ret)
{
    const char *path = client_options.key;
    if (path == NULL) {
        path = client_setting(client, "owner", "key_file");
    }
    return path != NULL ? key_load(path, ret) : fail(ERR_USAGE);
}

err direct_open(struct direct *direct, struct client *client, const struct master_key *master)
{
    struct loop *loop = client->loop;
    *direct = (struct direct){.client = client};
    if (master != NULL) {
        direct->master = *master;
    }
    direct->who.chain_id = chain_id(client->chain);
    TRY(owner_secret(client, &direct->who.secret));
    TRY(http_client_new(loop, &(struct http_client_options){0}, &direct->http));
    TRY(directory_open(loop, client->chain, client_deadline(client), &direct->directory));
    const struct segment_source_options options = {
        .loop = loop,
        .chain = client->chain,
        .directory = direct->directory,
        .http = direct->http,
        .who = &direct->who,
    };
    return segment_source_new(&options, &direct->source);
}

void direct_close(struct direct *direct)
{
    if (direct->http != NULL) {
        http_client_cancel(direct->http); /* what hangs ends at once */
    }
    if (direct->source != NULL) {
        segment_source_free(direct->source);
    }
    if (direct->directory != NULL) {
        directory_close(direct->directory);
    }
    if (direct->http != NULL) {
        http_client_free(direct->http);
    }
    secp_secret_wipe(&direct->who.secret);
    mem_wipe(&direct->master, sizeof direct->master);
}

/* ---- buckets ---- */

struct owned_view {
    struct address owner;
    u32 i;
    u32 count;
    struct hash bucket;
    struct bucket_record record;
    bool found;
    u8 name[BUCKET_NAME_BYTES_MAX];
    size_t name_len;
};

static err read_count(void *ctx, const struct slot_source *slots)
{
    struct owned_view *view = ctx;
    return bucket_owned_count(slots, &view->owner, &view->count);
}

static err read_bucket(void *ctx, const struct slot_source *slots)
{
    struct owned_view *view = ctx;
    TRY(bucket_owned(slots, &view->owner, view->i, &view->bucket));
    err record = bucket_load(slots, &view->bucket, &view->record, &view->found);
    err name = bucket_name(slots, &view->bucket, view->name, &view->name_len);
    TRY(record);
    return name;
}

static bool is_named(const struct direct *direct, const struct owned_view *view, const char *name,
                     struct territory_key *ret_key)
{
    char found[BUCKET_NAME_CHARS_MAX + 1];
    territory_key_derive(ret_key, &direct->master, view->record.territory);
    return bucket_name_open(found, ret_key, &view->bucket,
                            bytes_make(view->name, view->name_len)) &&
           strcmp(found, name) == 0;
}

static err find_bucket(struct direct *direct, struct owned_view *view, const char *name,
                       struct direct_bucket *ret)
{
    struct client *client = direct->client;
    TRY(chain_view(client->chain, read_count, view, client_deadline(client)));
    for (view->i = 0; view->i < view->count; view->i++) {
        TRY(chain_view(client->chain, read_bucket, view, client_deadline(client)));
        if (view->found && !view->record.removed && is_named(direct, view, name, &ret->key)) {
            ret->id = view->bucket;
            ret->territory = view->record.territory;
            ret->head = view->record.head.hash;
            ret->head_at = view->record.head.locator;
            return ok();
        }
    }
    return fail(ERR_NOT_FOUND);
}

err direct_bucket(struct direct *direct, const char *name, struct direct_bucket *ret_bucket)
{
    struct owned_view *view = MEM_NEW(struct owned_view);
    secp_address_of_secret(&view->owner, &direct->who.secret);
    err e = find_bucket(direct, view, name, ret_bucket);
    mem_free(view);
    return e;
}

/* ---- bytes of segments ---- */

static err read_locator(struct direct *direct, u64 territory, const struct locator *at, u32 skip,
                        u8 *out, size_t len)
{
    const struct segment_key key = {
        .territory = territory, .gateway = at->gateway, .number = at->number};
    struct segment_get *get;
    size_t done = 0;
    TRY(segment_get_open(direct->source, &key, at->offset + skip, (u32)len, read_deadline(direct),
                         &get));
    err e = ok();
    while (is_ok(e) && done < len) {
        size_t got = 0;
        e = segment_get_next(get, out + done, len - done, read_deadline(direct), &got);
        if (is_ok(e) && got == 0) {
            e = fail(ERR_INTEGRITY);
        }
        done += got;
    }
    segment_get_close(get);
    return e;
}

/* ---- objects ---- */

struct object_read {
    struct direct *direct;
    const struct direct_bucket *bucket;
    const struct manifest_extent *extent;
    struct extent_cipher cipher;
    struct segment_get *get;
    u64 at;   /* next byte of the sealed stream that `get` gives */
    u64 left; /* in the piece that `get` reads */
    u8 *sealed;
    u8 *plain;
};

/* Exactly len sealed bytes from `offset`. Pieces are read to their ends, so a stream is read once.
 */
static err read_sealed(struct object_read *read, u64 offset, u8 *out, size_t len)
{
    while (len > 0) {
        size_t got;
        if (read->get == NULL || read->at != offset || read->left == 0) {
            struct locator piece = manifest_piece_find(read->extent, offset);
            const struct segment_key key = {read->bucket->territory, piece.gateway, piece.number};
            segment_get_close(read->get);
            read->get = NULL;
            TRY(segment_get_open(read->direct->source, &key, piece.offset, piece.length,
                                 read_deadline(read->direct), &read->get));
            read->at = offset;
            read->left = piece.length;
        }
        TRY(segment_get_next(read->get, out, len, read_deadline(read->direct), &got));
        if (got == 0) {
            return fail(ERR_INTEGRITY);
        }
        out += got;
        len -= got;
        offset += got;
        read->at += got;
        read->left -= got;
    }
    return ok();
}

/* Chunks [chunk, chunk + count) in clear into read->plain. */
static err open_chunks(struct object_read *read, u64 chunk, size_t count, size_t *ret_len)
{
    u64 plain_length = read->extent->plain_length;
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        total += extent_chunk_sealed_bytes(plain_length, chunk + i);
    }
    TRY(read_sealed(read, extent_chunk_offset(chunk), read->sealed, total));
    const u8 *in = read->sealed;
    u8 *out = read->plain;
    for (size_t i = 0; i < count; i++) {
        size_t len = extent_chunk_sealed_bytes(plain_length, chunk + i);
        if (!extent_open_chunk(&read->cipher, out, chunk + i, bytes_make(in, len))) {
            log_error("direct", "a chunk is not authentic");
            return fail(ERR_INTEGRITY);
        }
        in += len;
        out += len - AEAD_TAG_BYTES;
    }
    *ret_len = (size_t)(out - read->plain);
    return ok();
}

static err read_chunks(struct object_read *read, direct_sink *sink, void *ctx)
{
    const struct manifest_extent *extent = read->extent;
    u64 at = extent->slice_offset;
    u64 end = extent->slice_offset + extent->slice_length;
    while (at < end) {
        u64 chunk = at / EXTENT_CHUNK_BYTES;
        u64 chunk_end = (end - 1) / EXTENT_CHUNK_BYTES + 1;
        size_t count = (size_t)min_u64(chunk_end - chunk, BATCH_CHUNKS);
        size_t len;
        TRY(open_chunks(read, chunk, count, &len));
        size_t skip = (size_t)(at - chunk * EXTENT_CHUNK_BYTES);
        size_t take = (size_t)min_u64(len - skip, end - at);
        TRY(sink(ctx, bytes_make(read->plain + skip, take)));
        at += take;
    }
    return ok();
}

static err read_extent(struct object_read *read, direct_sink *sink, void *ctx)
{
    u8 header[EXTENT_HEADER_BYTES];
    TRY(read_sealed(read, 0, header, sizeof header));
    if (!extent_cipher_open(&read->cipher, &read->extent->file_key, &read->bucket->id,
                            &read->extent->id, header)) {
        log_error("direct", "an extent does not open with its key");
        return fail(ERR_INTEGRITY);
    }
    err e = read_chunks(read, sink, ctx);
    extent_cipher_free(&read->cipher);
    return e;
}

err direct_read(struct direct *direct, const struct direct_bucket *bucket,
                const struct manifest *manifest, direct_sink *sink, void *ctx)
{
    if (manifest->is_inline) {
        return manifest->size > 0 ? sink(ctx, manifest->inline_data) : ok();
    }
    struct object_read read = {.direct = direct, .bucket = bucket};
    read.sealed = mem_alloc(BATCH_CHUNKS * EXTENT_SEALED_CHUNK_BYTES);
    read.plain = mem_alloc(BATCH_CHUNKS * EXTENT_CHUNK_BYTES);
    err e = ok();
    for (u16 i = 0; is_ok(e) && i < manifest->extent_count; i++) {
        read.extent = &manifest->extents[i];
        segment_get_close(read.get);
        read.get = NULL;
        e = read.extent->slice_length > 0 ? read_extent(&read, sink, ctx) : ok();
    }
    segment_get_close(read.get);
    mem_wipe(read.plain, BATCH_CHUNKS * EXTENT_CHUNK_BYTES);
    mem_free(read.plain);
    mem_free(read.sealed);
    return e;
}

/* ---- the journal ---- */

struct search {
    struct direct *direct;
    const struct direct_bucket *bucket;
    const struct direct_visit *visit;
};

static err search_ops(struct search *search, u64 sequence, bytes ops)
{
    struct journal_op op;
    while (ops.len > 0) {
        TRY(journal_op_next(&ops, &op));
        TRY(search->visit->op(search->visit->ctx, sequence, &op));
    }
    return ok();
}

static bool search_done(const struct search *search)
{
    return search->visit->done != NULL && search->visit->done(search->visit->ctx);
}

/* read_record: the record behind a head, opened. */
static err read_record(const struct search *search, const struct journal_head *head,
                       struct arena *arena, struct journal_record *ret_record, bytes *ret_body)
{
    const struct direct_bucket *bucket = search->bucket;
    struct secp_secret label;
    u32 len = head->locator.length;
    u8 *raw = len <= JOURNAL_RECORD_BYTES_MAX ? arena_alloc(arena, len) : NULL;
    if (raw == NULL) {
        return fail(ERR_MALFORMED);
    }
    TRY(read_locator(search->direct, bucket->territory, &head->locator, 0, raw, len));
    bytes in = bytes_make(raw, len);
    TRY(journal_record_peek(in, ret_record));
    label_secret_derive(&label, &bucket->key, &bucket->id, ret_record->label_version);
    err e = journal_record_open(in, &head->hash, &label, arena, ret_record, ret_body);
    secp_secret_wipe(&label);
    TRY(e);
    return hash_eq(&ret_record->bucket, &bucket->id) ? ok() : fail(ERR_INTEGRITY);
}

static bool may_have(const struct journal_kept *kept, bytes key)
{
    u32 mark = journal_key_mark(key);
    bool found = key.data == NULL;
    for (size_t i = 0; !found && i < kept->live.len / JOURNAL_LIVE_BYTES; i++) {
        found = journal_live_at(kept, i).mark == mark;
    }
    return found;
}

static err visit_live(const struct search *search, const struct journal_kept *kept, bytes ops)
{
    size_t at = 0;
    u32 next = 0;
    struct journal_op op;
    err e = journal_kept_next(kept, &ops, &at, &next, &op);
    while (is_ok(e)) {
        TRY(search->visit->op(search->visit->ctx, 0, &op));
        e = journal_kept_next(kept, &ops, &at, &next, &op);
    }
    return is_err(e, ERR_NOT_FOUND) ? ok() : e;
}

/* search_kept: the live objects of a record that the table only names. */
static err search_kept(const struct search *search, bytes in)
{
    struct journal_kept kept;
    struct journal_record record;
    struct arena arena;
    bytes body;
    TRY(journal_kept_read(&kept, in));
    if (!may_have(&kept, search->visit->key)) {
        return ok();
    }
    arena_init(&arena, RECORD_ARENA_BYTES);
    err e = read_record(search, &kept.head, &arena, &record, &body);
    if (is_ok(e) && (record.kind != JOURNAL_COMMIT || record.sequence != kept.sequence)) {
        e = fail(ERR_INTEGRITY);
    }
    if (is_ok(e)) {
        e = visit_live(search, &kept, body);
    }
    arena_free(&arena);
    return e;
}

static err visit_table_op(const struct search *search, const struct journal_op *op)
{
    return op->kind == JOURNAL_KEPT ? search_kept(search, op->value)
                                    : search->visit->op(search->visit->ctx, 0, op);
}

struct table_search {
    struct search *search;
    struct buf waiting;
};

static err search_table_piece(void *ctx, bytes piece)
{
    struct table_search *table = ctx;
    buf_put(&table->waiting, piece);
    TRY(buf_done(&table->waiting));
    bytes rest = buf_bytes(&table->waiting);
    struct journal_op op;
    bytes before = rest;
    while (rest.len > 0 && is_ok(journal_op_next(&rest, &op))) {
        TRY(visit_table_op(table->search, &op));
        before = rest;
    }
    buf_consume(&table->waiting, table->waiting.len - before.len);
    return ok();
}

static err search_table(struct search *search, const struct journal_snapshot *snapshot)
{
    struct arena arena;
    struct manifest manifest;
    struct table_search table = {.search = search};
    arena_init(&arena, TABLE_ARENA_BYTES);
    buf_init(&table.waiting, MANIFEST_BYTES_MAX + MIB(4));
    err e = manifest_read(&manifest, &arena, snapshot->table);
    if (is_ok(e)) {
        e = direct_read(search->direct, search->bucket, &manifest, search_table_piece, &table);
    }
    if (is_ok(e) && table.waiting.len > 0) {
        e = fail(ERR_INTEGRITY); /* the table ends inside an operation */
    }
    buf_free(&table.waiting);
    arena_free(&arena);
    return e;
}

struct walk {
    struct journal_head head;
    u64 sequence; /* of the record that was read last; 0: none */
    bool has_snapshot;
    struct journal_snapshot snapshot;
    struct arena snapshot_arena; /* what snapshot.table borrows */
};

static err note_snapshot(struct walk *walk, bytes body)
{
    bytes kept = arena_copy(&walk->snapshot_arena, body);
    if (kept.data == NULL) {
        return fail(ERR_LIMIT);
    }
    TRY(journal_snapshot_read(&walk->snapshot, kept));
    walk->has_snapshot = true;
    return ok();
}

/* Reads the record that the walk is at, and goes to the one before it. */
static err step_in(struct search *search, struct walk *walk, struct arena *arena)
{
    struct journal_record record;
    bytes body;
    TRY(read_record(search, &walk->head, arena, &record, &body));
    if (walk->sequence != 0 && record.sequence + 1 != walk->sequence) {
        return fail(ERR_INTEGRITY);
    }
    walk->sequence = record.sequence;
    walk->head = record.previous;
    switch (record.kind) {
    case JOURNAL_COMMIT:
        return search_ops(search, record.sequence, body);
    case JOURNAL_SNAPSHOT:
        return walk->has_snapshot ? ok() : note_snapshot(walk, body);
    case JOURNAL_ENVELOPE:
        return ok();
    }
    return fail(ERR_MALFORMED);
}

static err step_back(struct search *search, struct walk *walk)
{
    struct arena arena;
    arena_init(&arena, RECORD_ARENA_BYTES);
    err e = step_in(search, walk, &arena);
    arena_free(&arena);
    return e;
}

static err walk_back(struct search *search, struct walk *walk)
{
    for (u64 i = 0; !search_done(search) && i < WALK_RECORDS_MAX; i++) {
        if (walk->has_snapshot && hash_eq(&walk->head.hash, &walk->snapshot.base.hash)) {
            return search_table(search, &walk->snapshot);
        }
        if (hash_is_zero(&walk->head.hash)) {
            return ok();
        }
        TRY(step_back(search, walk));
    }
    return search_done(search) ? ok() : fail(ERR_LIMIT);
}

err direct_walk(struct direct *direct, const struct direct_bucket *bucket,
                const struct direct_visit *visit)
{
    struct search search = {.direct = direct, .bucket = bucket, .visit = visit};
    struct walk walk = {.head = {.hash = bucket->head, .locator = bucket->head_at}};
    arena_init(&walk.snapshot_arena, JOURNAL_RECORD_BYTES_MAX + KIB(64));
    err e = walk_back(&search, &walk);
    arena_free(&walk.snapshot_arena);
    return e;
}

/* ---- one object ---- */

enum verdict { UNDECIDED, IS_THERE, IS_GONE };

struct finding {
    bytes key;
    struct arena *arena; /* of the answer */
    enum verdict verdict;
    bytes manifest; /* in arena, if IS_THERE */
};

static bool is_decided(void *ctx) { return ((struct finding *)ctx)->verdict != UNDECIDED; }

/* The last operation on the key in the newest record that has one decides. */
static err look_at(void *ctx, u64 sequence, const struct journal_op *op)
{
    struct finding *finding = ctx;
    (void)sequence;
    if (!bytes_eq(op->key, finding->key)) {
        return ok();
    }
    if (op->kind == JOURNAL_DELETE) {
        finding->verdict = IS_GONE;
    } else if (op->kind == JOURNAL_PUT) {
        finding->manifest = arena_copy(finding->arena, op->value);
        finding->verdict = IS_THERE;
        return finding->manifest.data != NULL ? ok() : fail(ERR_LIMIT);
    }
    return ok();
}

err direct_find(struct direct *direct, const struct direct_bucket *bucket, bytes key,
                struct arena *arena, struct manifest *ret_manifest)
{
    struct finding finding = {.key = key, .arena = arena, .verdict = UNDECIDED};
    const struct direct_visit visit = {
        .ctx = &finding, .op = look_at, .done = is_decided, .key = key};
    TRY(direct_walk(direct, bucket, &visit));
    return finding.verdict == IS_THERE ? manifest_read(ret_manifest, arena, finding.manifest)
                                       : fail(ERR_NOT_FOUND);
}

/* ---- the envelope: without any key but the account's ---- */

struct system_view {
    struct hash bucket;
    struct bucket_record record;
    bool found;
};

static err read_system(void *ctx, const struct slot_source *slots)
{
    struct system_view *view = ctx;
    return bucket_load(slots, &view->bucket, &view->record, &view->found);
}

/* What head parts say is believed because the hash of the whole record is. */
static err clear_step(struct direct *direct, const struct system_view *view, struct walk *walk,
                      struct arena *arena, bytes *ret_body)
{
    struct journal_record record;
    struct hash hash;
    u32 len = walk->head.locator.length;
    u8 *raw = len <= JOURNAL_RECORD_BYTES_MAX ? arena_alloc(arena, len) : NULL;
    if (raw == NULL) {
        return fail(ERR_MALFORMED);
    }
    TRY(read_locator(direct, view->record.territory, &walk->head.locator, 0, raw, len));
    bytes in = bytes_make(raw, len);
    sha256(&hash, in);
    if (!hash_eq(&hash, &walk->head.hash)) {
        return fail(ERR_INTEGRITY);
    }
    TRY(journal_record_peek(in, &record));
    if (!hash_eq(&record.bucket, &view->bucket) ||
        (walk->sequence != 0 && record.sequence + 1 != walk->sequence)) {
        return fail(ERR_INTEGRITY);
    }
    walk->sequence = record.sequence;
    walk->head = record.previous;
    return record.kind == JOURNAL_ENVELOPE
               ? journal_record_open(in, &hash, NULL, arena, &record, ret_body)
               : ok();
}

static err envelope_step(struct direct *direct, const struct system_view *view, struct walk *walk,
                         struct envelope *ret_envelope, bool *ret_found)
{
    struct arena arena;
    bytes body = {NULL, 0};
    arena_init(&arena, RECORD_ARENA_BYTES);
    err e = clear_step(direct, view, walk, &arena, &body);
    if (is_ok(e) && body.data != NULL) {
        *ret_found = body.len == sizeof ret_envelope->b && envelope_valid(body);
        e = *ret_found ? ok() : fail(ERR_MALFORMED);
    }
    if (is_ok(e) && *ret_found) {
        memcpy(ret_envelope->b, body.data, body.len);
    }
    arena_free(&arena);
    return e;
}

err direct_envelope(struct direct *direct, struct envelope *ret_envelope)
{
    struct client *client = direct->client;
    struct system_view view = {.found = false};
    struct address owner;
    struct hash salt;
    bool found = false;
    secp_address_of_secret(&owner, &direct->who.secret);
    system_bucket_salt(&salt);
    bucket_id(&view.bucket, &owner, &salt);
    TRY(chain_view(client->chain, read_system, &view, client_deadline(client)));
    if (!view.found || view.record.removed) {
        return fail(ERR_NOT_FOUND);
    }
    struct walk walk = {
        .head = {.hash = view.record.head.hash, .locator = view.record.head.locator}};
    for (u64 i = 0; !found && i < WALK_RECORDS_MAX; i++) {
        if (hash_is_zero(&walk.head.hash)) {
            return fail(ERR_NOT_FOUND);
        }
        TRY(envelope_step(direct, &view, &walk, ret_envelope, &found));
    }
    return found ? ok() : fail(ERR_LIMIT);
}

err direct_master(struct client *client, const char *passphrase_file, struct master_key *ret_master)
{
    struct direct direct;
    struct envelope envelope;
    struct passphrase passphrase;
    err e = direct_open(&direct, client, NULL);
    if (is_ok(e)) {
        e = direct_envelope(&direct, &envelope);
    }
    direct_close(&direct);
    if (!is_ok(e)) {
        return client_fail(client, e, "see: cairn gateway envelope --help",
                           "no envelope of a master key can be read from the network: %s",
                           err_text(e));
    }
    TRY(passphrase_get(&passphrase, passphrase_file, false));
    e = envelope_open(ret_master, BYTES_OF(envelope), passphrase_bytes(&passphrase));
    passphrase_wipe(&passphrase);
    return is_ok(e)
               ? e
               : client_fail(client, e, NULL, "the envelope does not open: %s",
                             is_err(e, ERR_INTEGRITY) ? "the passphrase is wrong" : err_text(e));
}

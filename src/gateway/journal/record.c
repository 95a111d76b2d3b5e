#include "gateway/journal/record.h"

#include "base/assert.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "data/kinds.h"
#include "gateway/journal/kinds.h"

#define JOURNAL_VERSION 1
#define SNAPSHOT_VERSION 1
#define UPLOAD_ID_BYTES 16
#define MANIFEST_FLAGS_AT 4 /* docs/formats/manifest.md: kind, version, flags, size */
#define MANIFEST_FLAG_INLINE 1
#define MANIFEST_SIZE_AT 5

void journal_head_write(struct buf *out, const struct journal_head *head)
{
    write_hash(out, &head->hash);
    locator_write(out, &head->locator);
}

struct journal_head journal_head_read(struct reader *in)
{
    struct journal_head head;
    head.hash = read_hash(in);
    head.locator = locator_read(in);
    return head;
}

static void write_record_head(struct buf *out, const struct journal_record *record,
                              const struct wrapped_key *wrapped)
{
    write_head(out, KIND_JOURNAL, JOURNAL_VERSION);
    buf_put_u8(out, (u8)record->kind);
    write_hash(out, &record->bucket);
    buf_put_be64(out, record->sequence);
    journal_head_write(out, &record->previous);
    locator_write(out, &record->snapshot);
    buf_put_be32(out, record->label_version);
    buf_put(out, BYTES_OF(*wrapped));
}

static bool record_valid(const struct journal_record *record)
{
    bool is_first = record->sequence == 1;
    bool kind_known = record->kind >= JOURNAL_COMMIT && record->kind <= JOURNAL_ENVELOPE;
    return kind_known && record->sequence >= 1 && is_first == hash_is_zero(&record->previous.hash);
}

/* body_nonce: that of the wrapped key. The keys differ and each is used once. */
static const u8 *body_nonce(const struct wrapped_key *wrapped)
{
    return wrapped->b + UMBRAL_CAPSULE_BYTES;
}

static void put_body(struct buf *out, size_t head_at, const struct wrapped_key *wrapped,
                     const struct aead_key *key, bytes ops)
{
    u8 *body = buf_extend(out, ops.len + AEAD_TAG_BYTES);
    if (body != NULL) {
        bytes head = bytes_make(out->data + head_at, JOURNAL_RECORD_HEAD_BYTES);
        xchacha_seal(body, key, body_nonce(wrapped), head, ops);
    }
}

err journal_record_seal(struct buf *out, const struct journal_record *record, bytes ops,
                        const struct secp_public *label, const u8 random[JOURNAL_RANDOM_BYTES])
{
    struct wrapped_key wrapped = {{0}};
    struct aead_key key;
    size_t at = out->len;
    bool in_clear = record->kind == JOURNAL_ENVELOPE;
    assert_that(record_valid(record));
    if (ops.len > JOURNAL_RECORD_BYTES_MAX - JOURNAL_RECORD_OVERHEAD) {
        return fail(ERR_LIMIT);
    }
    memcpy(key.b, random + WRAPPED_KEY_RANDOM_BYTES, sizeof key.b);
    if (!in_clear &&
        !record_key_wrap(&wrapped, &key, label, &record->bucket, record->label_version, random)) {
        return fail(ERR_FAILED);
    }
    write_record_head(out, record, &wrapped);
    if (in_clear) {
        buf_put(out, ops);
    } else {
        put_body(out, at, &wrapped, &key, ops);
    }
    mem_wipe(&key, sizeof key);
    if (out->failed) {
        out->len = at;
    }
    return buf_done(out);
}

static err read_record_head(struct reader *reader, struct journal_record *ret_record,
                            struct wrapped_key *ret_wrapped)
{
    struct journal_record record;
    read_head(reader, KIND_JOURNAL, JOURNAL_VERSION);
    record.kind = (enum journal_kind)read_u8(reader);
    record.bucket = read_hash(reader);
    record.sequence = read_be64(reader);
    record.previous = journal_head_read(reader);
    record.snapshot = locator_read(reader);
    record.label_version = read_be32(reader);
    read_fixed(reader, ret_wrapped->b, sizeof ret_wrapped->b);
    if (reader->failed || !record_valid(&record)) {
        return fail(ERR_MALFORMED);
    }
    *ret_record = record;
    return ok();
}

err journal_record_peek(bytes in, struct journal_record *ret_record)
{
    struct reader reader;
    struct wrapped_key wrapped;
    if (in.len > JOURNAL_RECORD_BYTES_MAX) {
        return fail(ERR_MALFORMED);
    }
    reader_init(&reader, in);
    return read_record_head(&reader, ret_record, &wrapped);
}

static err open_body(bytes in, const struct journal_record *record,
                     const struct wrapped_key *wrapped, const struct secp_secret *label,
                     struct arena *arena, bytes *ret_ops)
{
    struct aead_key key;
    bytes head = bytes_slice(in, 0, JOURNAL_RECORD_HEAD_BYTES);
    bytes body = bytes_slice(in, JOURNAL_RECORD_HEAD_BYTES, in.len - JOURNAL_RECORD_HEAD_BYTES);
    if (record->kind == JOURNAL_ENVELOPE) {
        *ret_ops = arena_copy(arena, body);
        return ret_ops->data != NULL ? ok() : fail(ERR_LIMIT);
    }
    if (body.len < AEAD_TAG_BYTES) {
        return fail(ERR_MALFORMED);
    }
    u8 *plain = arena_alloc(arena, body.len - AEAD_TAG_BYTES);
    if (plain == NULL) {
        return fail(ERR_LIMIT);
    }
    if (label == NULL ||
        !record_key_unwrap(&key, wrapped, label, &record->bucket, record->label_version)) {
        return fail(ERR_INTEGRITY);
    }
    bool authentic = xchacha_open(plain, &key, body_nonce(wrapped), head, body);
    mem_wipe(&key, sizeof key);
    if (!authentic) {
        return fail(ERR_INTEGRITY);
    }
    *ret_ops = bytes_make(plain, body.len - AEAD_TAG_BYTES);
    return ok();
}

err journal_record_open(bytes in, const struct hash *expected, const struct secp_secret *label,
                        struct arena *arena, struct journal_record *ret_record, bytes *ret_ops)
{
    struct reader reader;
    struct journal_record record;
    struct wrapped_key wrapped;
    struct hash hash;
    if (in.len > JOURNAL_RECORD_BYTES_MAX) {
        return fail(ERR_MALFORMED);
    }
    sha256(&hash, in);
    if (expected != NULL && !hash_eq(&hash, expected)) {
        return fail(ERR_INTEGRITY);
    }
    reader_init(&reader, in);
    TRY(read_record_head(&reader, &record, &wrapped));
    TRY(open_body(in, &record, &wrapped, label, arena, ret_ops));
    *ret_record = record;
    return ok();
}

static bool has_key(enum journal_op_kind kind)
{
    return kind == JOURNAL_PUT || kind == JOURNAL_DELETE || kind == JOURNAL_UPLOAD ||
           kind == JOURNAL_CONFIG;
}

static bool has_value(enum journal_op_kind kind)
{
    return kind == JOURNAL_PUT || kind == JOURNAL_UPLOAD || kind == JOURNAL_PART ||
           kind == JOURNAL_CONFIG || kind == JOURNAL_KEPT;
}

static bool has_upload(enum journal_op_kind kind)
{
    return kind == JOURNAL_UPLOAD || kind == JOURNAL_PART || kind == JOURNAL_UPLOAD_END;
}

bool journal_op_valid(const struct journal_op *op)
{
    size_t key_max =
        op->kind == JOURNAL_CONFIG ? JOURNAL_CONFIG_NAME_BYTES_MAX : JOURNAL_KEY_BYTES_MAX;
    bool kind_known = op->kind >= JOURNAL_PUT && op->kind <= JOURNAL_KEPT;
    bool key_fits = !has_key(op->kind) || (op->key.len >= 1 && op->key.len <= key_max);
    bool value_fits = !has_value(op->kind) || op->value.len <= MANIFEST_BYTES_MAX;
    bool part_fits = op->kind != JOURNAL_PART || (op->part >= 1 && op->part <= JOURNAL_PARTS_MAX);
    struct journal_kept kept;
    bool kept_sound = op->kind != JOURNAL_KEPT || is_ok(journal_kept_read(&kept, op->value));
    return kind_known && key_fits && value_fits && part_fits && kept_sound;
}

void journal_op_write(struct buf *out, const struct journal_op *op)
{
    assert_that(journal_op_valid(op));
    buf_put_u8(out, (u8)op->kind);
    buf_put_be64(out, op->time_ms);
    if (has_upload(op->kind)) {
        buf_put(out, BYTES_OF(op->upload));
    }
    if (has_key(op->kind)) {
        write_str16(out, op->key);
    }
    if (op->kind == JOURNAL_PART) {
        buf_put_be32(out, op->part);
    }
    if (has_value(op->kind)) {
        write_str32(out, op->value);
    }
}

err journal_op_next(bytes *ops, struct journal_op *ret_op)
{
    struct reader reader;
    struct journal_op op = {0};
    reader_init(&reader, *ops);
    op.kind = (enum journal_op_kind)read_u8(&reader);
    op.time_ms = read_be64(&reader);
    if (has_upload(op.kind)) {
        read_fixed(&reader, op.upload, UPLOAD_ID_BYTES);
    }
    if (has_key(op.kind)) {
        op.key = read_str16(&reader, JOURNAL_KEY_BYTES_MAX);
    }
    if (op.kind == JOURNAL_PART) {
        op.part = read_be32(&reader);
    }
    if (has_value(op.kind)) {
        op.value = read_str32(&reader, MANIFEST_BYTES_MAX);
    }
    if (reader.failed || !journal_op_valid(&op)) {
        return fail(ERR_MALFORMED);
    }
    *ops = bytes_slice(*ops, ops->len - reader.left, reader.left);
    *ret_op = op;
    return ok();
}

u64 journal_op_inline(const struct journal_op *op)
{
    bytes manifest = op->value;
    bool is_inline = op->kind == JOURNAL_PUT && manifest.len >= MANIFEST_SIZE_AT + 8 &&
                     load_be16(manifest.data) == KIND_MANIFEST &&
                     (manifest.data[MANIFEST_FLAGS_AT] & MANIFEST_FLAG_INLINE) != 0;
    return is_inline ? load_be64(manifest.data + MANIFEST_SIZE_AT) : 0;
}

/* ---- what a table leaves where it is ---- */

u32 journal_key_mark(bytes key)
{
    struct hash hash;
    sha256(&hash, key);
    return load_be32(hash.b);
}

void journal_live_write(struct buf *out, const struct journal_live *live)
{
    buf_put_be16(out, live->ordinal);
    buf_put_be32(out, live->mark);
}

struct journal_live journal_live_at(const struct journal_kept *kept, size_t i)
{
    const u8 *at = kept->live.data + i * JOURNAL_LIVE_BYTES;
    assert_that((i + 1) * JOURNAL_LIVE_BYTES <= kept->live.len);
    return (struct journal_live){.ordinal = load_be16(at), .mark = load_be32(at + 2)};
}

static bool live_sound(const struct journal_kept *kept)
{
    size_t count = kept->live.len / JOURNAL_LIVE_BYTES;
    if (count == 0 || kept->live.len % JOURNAL_LIVE_BYTES != 0) {
        return false;
    }
    for (size_t i = 1; i < count; i++) {
        if (journal_live_at(kept, i).ordinal <= journal_live_at(kept, i - 1).ordinal) {
            return false;
        }
    }
    return true;
}

void journal_kept_write(struct buf *out, const struct journal_kept *kept)
{
    assert_that(live_sound(kept));
    journal_head_write(out, &kept->head);
    buf_put_be64(out, kept->sequence);
    write_str32(out, kept->live);
}

err journal_kept_read(struct journal_kept *ret, bytes in)
{
    struct reader reader;
    struct journal_kept kept;
    reader_init(&reader, in);
    kept.head = journal_head_read(&reader);
    kept.sequence = read_be64(&reader);
    kept.live = read_str32(&reader, JOURNAL_OPS_MAX * JOURNAL_LIVE_BYTES);
    TRY(reader_done(&reader));
    if (kept.sequence == 0 || hash_is_zero(&kept.head.hash) || !live_sound(&kept)) {
        return fail(ERR_MALFORMED);
    }
    *ret = kept;
    return ok();
}

err journal_kept_next(const struct journal_kept *kept, bytes *ops, size_t *at, u32 *ordinal,
                      struct journal_op *ret_op)
{
    if (*at == kept->live.len / JOURNAL_LIVE_BYTES) {
        return fail(ERR_NOT_FOUND);
    }
    struct journal_live live = journal_live_at(kept, *at);
    struct journal_op op;
    do {
        if (ops->len == 0 || !is_ok(journal_op_next(ops, &op))) {
            return fail(ERR_INTEGRITY);
        }
    } while ((*ordinal)++ != live.ordinal);
    if (op.kind != JOURNAL_PUT || journal_key_mark(op.key) != live.mark) {
        return fail(ERR_INTEGRITY);
    }
    *at += 1;
    *ret_op = op;
    return ok();
}

void journal_snapshot_write(struct buf *out, const struct journal_snapshot *snapshot)
{
    write_head(out, KIND_SNAPSHOT_BODY, SNAPSHOT_VERSION);
    journal_head_write(out, &snapshot->base);
    buf_put_be64(out, snapshot->base_sequence);
    buf_put_be64(out, snapshot->entries);
    write_str32(out, snapshot->table);
}

err journal_snapshot_read(struct journal_snapshot *ret, bytes in)
{
    struct reader reader;
    struct journal_snapshot snapshot;
    reader_init(&reader, in);
    read_head(&reader, KIND_SNAPSHOT_BODY, SNAPSHOT_VERSION);
    snapshot.base = journal_head_read(&reader);
    snapshot.base_sequence = read_be64(&reader);
    snapshot.entries = read_be64(&reader);
    snapshot.table = read_str32(&reader, MANIFEST_BYTES_MAX);
    TRY(reader_done(&reader));
    *ret = snapshot;
    return ok();
}

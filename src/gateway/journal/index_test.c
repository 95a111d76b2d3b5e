#include "gateway/journal/index.h"

#include "base/mem.h"
#include "base/prng.h"
#include "os/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define MODEL_MAX 600
#define UPLOADS_MAX 12
#define ROUNDS 400

static char root[] = "/tmp/cairn-index-test-XXXXXX";
static const struct aead_key test_key = {{9, 9, 9}};

static struct index *open_index(const char *name)
{
    char path[PATH_BYTES_MAX];
    struct index *index;
    path_join(path, root, name);
    assert_true(is_ok(index_store_open(path, MIB(256), &test_key, &index)));
    return index;
}

static struct index_view *open_view(struct index *index)
{
    struct index_view *view;
    assert_true(is_ok(index_view_open(index, &view)));
    return view;
}

static struct index_bucket make_bucket(u8 i, const char *name)
{
    struct index_bucket bucket = {.territory = 3, .label_version = 1, .created_ms = 1000U + i};
    memset(bucket.id.b, i, sizeof bucket.id.b);
    memset(bucket.owner.b, 0x70 + i, sizeof bucket.owner.b);
    memcpy(bucket.name, name, strlen(name));
    return bucket;
}

static void put_bucket(struct index *index, const struct index_bucket *bucket)
{
    struct index_update update = {.put_bucket = bucket};
    assert_true(is_ok(index_apply(index, &update, NULL)));
}

static err apply_ops(struct index *index, const struct hash *bucket, u64 sequence, bytes ops)
{
    struct index_update_record record = {.bucket = *bucket, .sequence = sequence, .ops = ops};
    struct index_update update = {.records = &record, .record_count = 1};
    store_be64(record.head.hash.b, sequence);
    record.head.locator =
        (struct locator){.gateway = 1, .number = sequence, .length = 100 + (u32)ops.len};
    return index_apply(index, &update, NULL);
}

static void write_inline_manifest(struct buf *out, u64 size, u64 tag)
{
    static const u8 content[MANIFEST_INLINE_BYTES_MAX] = {1};
    struct manifest manifest = {.size = size, .mtime_ms = tag, .etag = bytes_str("e")};
    buf_clear(out);
    manifest.is_inline = true;
    manifest.inline_data = bytes_make(content, size);
    manifest_write(out, &manifest);
}

static void write_manifest(struct buf *out, u64 size, u64 tag)
{
    struct manifest_extent extent = {0};
    struct locator piece = {.gateway = 1, .number = tag, .offset = 0};
    struct manifest manifest = {.size = size, .mtime_ms = tag, .etag = bytes_str("e")};
    buf_clear(out);
    extent.plain_length = size;
    extent.slice_length = size;
    piece.length = (u32)extent_sealed_length(size);
    extent.pieces = &piece;
    extent.piece_count = 1;
    manifest.extents = &extent;
    manifest.extent_count = 1;
    manifest_write(out, &manifest);
}

/* ---- the naive model: arrays, sorted when looked at ---- */

struct model_object {
    u8 key[JOURNAL_KEY_BYTES_MAX];
    size_t key_len;
    u64 size;
    u64 tag;
};

struct model_upload {
    u8 id[16];
    u8 key[JOURNAL_KEY_BYTES_MAX];
    size_t key_len;
    u64 parts; /* bits: part numbers 1..63 */
    bool is_there;
};

struct model {
    bytes records[ROUNDS + 1]; /* bodies, by sequence; owned */
    struct model_object objects[MODEL_MAX];
    size_t object_count;
    struct model_upload uploads[UPLOADS_MAX];
    u64 document; /* 0: none */
};

static bytes model_key(const struct model_object *o) { return bytes_make(o->key, o->key_len); }

static size_t model_find(const struct model *model, bytes key)
{
    size_t i = 0;
    while (i < model->object_count && !bytes_eq(model_key(&model->objects[i]), key)) {
        i++;
    }
    return i;
}

static int by_key(const void *a, const void *b) { return bytes_cmp(model_key(a), model_key(b)); }

/* random_key: few alphabets and long shared prefixes, so that chunks, links and zero bytes occur.
 */
static size_t random_key(struct prng *rng, u8 out[JOURNAL_KEY_BYTES_MAX])
{
    static const size_t lengths[] = {1,   2,    3,    500,  501,  502, 503,
                                     504, 1003, 1004, 1005, 1006, 1024};
    size_t len = lengths[prng_below(rng, COUNT_OF(lengths))];
    memset(out, prng_chance(rng, 1, 2) ? 'a' : 0, len);
    for (size_t i = 0; i < 2; i++) {
        size_t at = prng_chance(rng, 1, 2) ? len - 1 - prng_below(rng, min_u64(len, 4))
                                           : prng_below(rng, len);
        out[at] = (u8)(prng_below(rng, 4) * 85);
    }
    return len;
}

static void random_put(struct prng *rng, struct model *model, struct buf *ops, struct buf *manifest)
{
    struct model_object object = {.size = prng_below(rng, 5000), .tag = prng_u64(rng) >> 20};
    object.key_len = random_key(rng, object.key);
    size_t at = model_find(model, model_key(&object));
    if (at == MODEL_MAX) {
        return;
    }
    model->objects[at] = object;
    model->object_count = max_size(model->object_count, at + 1);
    if (object.size <= MANIFEST_INLINE_BYTES_MAX && prng_chance(rng, 1, 2)) {
        write_inline_manifest(manifest, object.size, object.tag);
    } else {
        write_manifest(manifest, object.size, object.tag);
    }
    struct journal_op op = {
        .kind = JOURNAL_PUT, .key = model_key(&object), .value = buf_bytes(manifest)};
    journal_op_write(ops, &op);
}

static void random_delete(struct prng *rng, struct model *model, struct buf *ops)
{
    u8 key[JOURNAL_KEY_BYTES_MAX];
    size_t len = random_key(rng, key);
    if (model->object_count > 0 && prng_chance(rng, 3, 4)) {
        struct model_object *one = &model->objects[prng_below(rng, model->object_count)];
        len = one->key_len;
        memcpy(key, one->key, len);
    }
    size_t at = model_find(model, bytes_make(key, len));
    if (at < model->object_count) {
        model->objects[at] = model->objects[--model->object_count];
    }
    struct journal_op op = {.kind = JOURNAL_DELETE, .key = bytes_make(key, len)};
    journal_op_write(ops, &op);
}

static void random_upload(struct prng *rng, struct model *model, struct buf *ops)
{
    struct model_upload *upload = &model->uploads[prng_below(rng, UPLOADS_MAX)];
    struct journal_op op = {.value = bytes_str("v"), .time_ms = 7};
    if (!upload->is_there) {
        prng_fill(rng, upload->id, sizeof upload->id);
        upload->key_len = random_key(rng, upload->key);
        upload->parts = 0;
        op.kind = JOURNAL_UPLOAD;
    } else if (prng_chance(rng, 1, 4)) {
        op.kind = JOURNAL_UPLOAD_END;
    } else {
        op.kind = JOURNAL_PART;
        op.part = (u32)prng_below(rng, 63) + 1;
        upload->parts |= (u64)1 << op.part;
    }
    upload->is_there = op.kind != JOURNAL_UPLOAD_END;
    memcpy(op.upload, upload->id, sizeof op.upload);
    op.key = bytes_make(upload->key, upload->key_len);
    journal_op_write(ops, &op);
}

static void random_document(struct prng *rng, struct model *model, struct buf *ops)
{
    u8 value[8];
    model->document = prng_chance(rng, 1, 3) ? 0 : prng_u64(rng) | 1;
    store_be64(value, model->document);
    struct journal_op op = {.kind = JOURNAL_CONFIG,
                            .key = bytes_str("document"),
                            .value = bytes_make(value, model->document == 0 ? 0 : 8)};
    journal_op_write(ops, &op);
}

static void random_ops(struct prng *rng, struct model *model, struct buf *ops, struct buf *manifest)
{
    size_t count = prng_below(rng, 16);
    for (size_t i = 0; i < count; i++) {
        u64 dice = prng_below(rng, 20);
        if (dice < 9) {
            random_put(rng, model, ops, manifest);
        } else if (dice < 15) {
            random_delete(rng, model, ops);
        } else if (dice < 19) {
            random_upload(rng, model, ops);
        } else {
            random_document(rng, model, ops);
        }
    }
}

static void check_objects(struct index_view *view, const struct hash *bucket, struct model *model)
{
    struct index_scan *scan;
    bytes key;
    bytes value;
    struct arena arena;
    u64 size = 0;
    arena_init(&arena, MIB(64));
    qsort(model->objects, model->object_count, sizeof model->objects[0], by_key);
    assert_true(is_ok(index_scan_open(view, bucket, &scan)));
    err e = index_scan_seek(scan, bytes_make(NULL, 0), &key, &value);
    for (size_t i = 0; i < model->object_count; i++) {
        struct manifest manifest;
        assert_true(is_ok(e));
        assert_true(bytes_eq(key, model_key(&model->objects[i])));
        assert_true(is_ok(manifest_read(&manifest, &arena, value)));
        assert_int_equal(manifest.size, model->objects[i].size);
        assert_int_equal(manifest.mtime_ms, model->objects[i].tag);
        size += manifest.size;
        e = index_scan_next(scan, &key, &value);
    }
    assert_true(is_err(e, ERR_NOT_FOUND));
    index_scan_close(scan);
    arena_free(&arena);
    struct index_bucket found;
    assert_true(is_ok(index_bucket_by_id(view, bucket, &found)));
    assert_int_equal(found.object_count, model->object_count);
    assert_int_equal(found.byte_count, size);
}

static void check_seeks(struct prng *rng, struct index_view *view, const struct hash *bucket,
                        const struct model *model)
{
    struct index_scan *scan;
    assert_true(is_ok(index_scan_open(view, bucket, &scan)));
    for (int i = 0; i < 20; i++) {
        u8 wanted[JOURNAL_KEY_BYTES_MAX];
        size_t len = random_key(rng, wanted);
        bytes key;
        bytes value;
        size_t at = 0;
        while (at < model->object_count &&
               bytes_cmp(model_key(&model->objects[at]), bytes_make(wanted, len)) < 0) {
            at++;
        }
        err e = index_scan_seek(scan, bytes_make(wanted, len), &key, &value);
        assert_true(at < model->object_count ? is_ok(e) : is_err(e, ERR_NOT_FOUND));
        if (is_ok(e)) {
            assert_true(bytes_eq(key, model_key(&model->objects[at])));
            e = index_scan_next(scan, &key, &value);
            assert_true(at + 1 < model->object_count ? is_ok(e) : is_err(e, ERR_NOT_FOUND));
            assert_true(!is_ok(e) || bytes_eq(key, model_key(&model->objects[at + 1])));
        }
        bool is_there = model_find(model, bytes_make(wanted, len)) < model->object_count;
        e = index_object(view, bucket, bytes_make(wanted, len), &value);
        assert_true(is_there ? is_ok(e) : is_err(e, ERR_NOT_FOUND));
    }
    index_scan_close(scan);
}

struct upload_check {
    struct index_view *view;
    const struct hash *bucket;
    const struct model *model;
    u8 last[JOURNAL_KEY_BYTES_MAX];
    size_t last_len;
    size_t seen;
    u64 parts;
};

static err see_part(void *ctx, u32 part, u64 time_ms, bytes manifest)
{
    struct upload_check *check = ctx;
    assert_int_equal(time_ms, 7);
    assert_true(bytes_eq_str(manifest, "v"));
    assert_true(check->parts >> part == 0); /* ascending */
    check->parts |= (u64)1 << part;
    return ok();
}

static err see_upload(void *ctx, bytes key, const u8 upload[16], u64 time_ms)
{
    struct upload_check *check = ctx;
    const struct model_upload *found = NULL;
    bytes its_key;
    bytes manifest;
    u64 its_time;
    for (size_t i = 0; i < UPLOADS_MAX; i++) {
        if (memcmp(check->model->uploads[i].id, upload, 16) == 0) {
            found = &check->model->uploads[i];
        }
    }
    assert_non_null(found);
    assert_true(found->is_there && time_ms == 7);
    assert_true(bytes_eq(key, bytes_make(found->key, found->key_len)));
    assert_true(check->seen == 0 || bytes_cmp(bytes_make(check->last, check->last_len), key) <= 0);
    memcpy(check->last, key.data, key.len);
    check->last_len = key.len;
    check->seen++;
    assert_true(
        is_ok(index_upload(check->view, check->bucket, upload, &its_key, &manifest, &its_time)));
    assert_true(bytes_eq(its_key, bytes_make(found->key, found->key_len)));
    check->parts = 0;
    assert_true(is_ok(index_part_each(check->view, check->bucket, upload, see_part, check)));
    assert_int_equal(check->parts, found->parts);
    return ok();
}

static void check_uploads(struct index_view *view, const struct hash *bucket,
                          const struct model *model)
{
    struct upload_check check = {.view = view, .bucket = bucket, .model = model};
    size_t expected = 0;
    bytes value;
    for (size_t i = 0; i < UPLOADS_MAX; i++) {
        expected += model->uploads[i].is_there;
    }
    assert_true(is_ok(index_upload_each(view, bucket, see_upload, &check)));
    assert_int_equal(check.seen, expected);
    err e = index_config(view, bucket, bytes_str("document"), &value);
    assert_true(model->document == 0 ? is_err(e, ERR_NOT_FOUND)
                                     : is_ok(e) && load_be64(value.data) == model->document);
}

static void check_all(struct prng *rng, struct index *index, const struct hash *bucket,
                      struct model *model)
{
    struct index_view *view = open_view(index);
    check_objects(view, bucket, model);
    check_seeks(rng, view, bucket, model);
    check_uploads(view, bucket, model);
    index_view_close(view);
}

static void keep_record(struct model *model, u64 sequence, bytes body)
{
    u8 *copy = mem_alloc(max_size(body.len, 1));
    memcpy(copy, body.data, body.len);
    model->records[sequence] = bytes_make(copy, body.len);
}

/* Operations of a table, and apart from them what it only names. */
struct table {
    struct buf ops;
    struct buf kept;
    size_t kept_count;
    size_t inline_copied;
};

static err collect_op(void *ctx, const struct journal_op *op)
{
    struct table *table = ctx;
    struct manifest manifest;
    struct arena arena;
    arena_init(&arena, MIB(1));
    if (op->kind == JOURNAL_PUT && is_ok(manifest_read(&manifest, &arena, op->value))) {
        table->inline_copied += manifest.is_inline && manifest.size >= 64;
    }
    arena_free(&arena);
    table->kept_count += op->kind == JOURNAL_KEPT;
    journal_op_write(op->kind == JOURNAL_KEPT ? &table->kept : &table->ops, op);
    return ok();
}

static void apply_table(struct index *index, const struct hash *to, const struct table *table,
                        const struct model *model)
{
    bytes kept = buf_bytes(&table->kept);
    struct index_update_record record = {
        .bucket = *to, .clear = true, .ops = buf_bytes(&table->ops)};
    struct index_update update = {.records = &record, .record_count = 1};
    assert_true(is_ok(index_apply(index, &update, NULL)));
    while (kept.len > 0) {
        struct journal_op op;
        struct journal_kept it;
        assert_true(is_ok(journal_op_next(&kept, &op)));
        assert_true(is_ok(journal_kept_read(&it, op.value)));
        assert_in_range(it.sequence, 1, ROUNDS);
        assert_int_equal(load_be64(it.head.hash.b), it.sequence);
        record = (struct index_update_record){
            .bucket = *to, .ops = model->records[it.sequence], .kept = &it};
        assert_true(is_ok(index_apply(index, &update, NULL)));
    }
}

/* A dump, applied to another bucket, gives the same bucket, and the same dump once more. */
static void check_dump(struct prng *rng, struct index *index, const struct hash *from,
                       const struct hash *to, struct model *model, struct table *ret_table)
{
    struct table again = {0};
    struct index_view *view = open_view(index);
    *ret_table = (struct table){0};
    buf_init(&ret_table->ops, MIB(32));
    buf_init(&ret_table->kept, MIB(32));
    buf_init(&again.ops, MIB(32));
    buf_init(&again.kept, MIB(32));
    assert_true(is_ok(index_dump(view, from, collect_op, ret_table)));
    index_view_close(view);
    apply_table(index, to, ret_table, model);
    check_all(rng, index, to, model);
    view = open_view(index);
    assert_true(is_ok(index_dump(view, to, collect_op, &again)));
    index_view_close(view);
    assert_true(bytes_eq(buf_bytes(&again.ops), buf_bytes(&ret_table->ops)));
    assert_true(bytes_eq(buf_bytes(&again.kept), buf_bytes(&ret_table->kept)));
    buf_free(&ret_table->ops);
    buf_free(&ret_table->kept);
    buf_free(&again.ops);
    buf_free(&again.kept);
}

static void the_index_behaves_like_the_model(void **state)
{
    (void)state;
    struct prng rng;
    struct model *model = MEM_NEW(struct model);
    struct buf ops;
    struct buf manifest;
    struct index_bucket bucket = make_bucket(1, "photos");
    struct index_bucket copy = make_bucket(2, "copy");
    struct index *index = open_index("model");
    prng_init(&rng, 20240607);
    buf_init(&ops, MIB(8));
    buf_init(&manifest, MIB(1));
    put_bucket(index, &bucket);
    put_bucket(index, &copy);
    size_t kept = 0;
    size_t copied = 0;
    for (u64 round = 1; round <= ROUNDS; round++) {
        buf_clear(&ops);
        random_ops(&rng, model, &ops, &manifest);
        keep_record(model, round, buf_bytes(&ops));
        assert_true(is_ok(apply_ops(index, &bucket.id, round, buf_bytes(&ops))));
        if (round % 20 == 0) {
            index_store_close(index);
            index = open_index("model");
            check_all(&rng, index, &bucket.id, model);
        }
        if (round % 100 == 0) {
            struct table table;
            check_dump(&rng, index, &bucket.id, &copy.id, model, &table);
            kept += table.kept_count;
            copied += table.inline_copied;
        }
    }
    assert_true(kept > 0 && copied > 0); /* both ways were taken */
    struct index_update drop = {.drop_bucket = &bucket.id};
    assert_true(is_ok(index_apply(index, &drop, NULL)));
    struct index_view *view = open_view(index);
    struct index_bucket found;
    assert_true(is_err(index_bucket_by_id(view, &bucket.id, &found), ERR_NOT_FOUND));
    assert_true(is_err(index_bucket_by_name(view, bytes_str("photos"), &found), ERR_NOT_FOUND));
    index_view_close(view);
    check_all(&rng, index, &copy.id, model);
    buf_free(&ops);
    buf_free(&manifest);
    index_store_close(index);
    for (size_t i = 1; i <= ROUNDS; i++) {
        mem_free((void *)(uintptr_t)model->records[i].data);
    }
    mem_free(model);
}

/* What a table says of another record is not believed: it must be there, a put, of that key. */
static void a_table_cannot_lie_about_a_record(void **state)
{
    (void)state;
    struct buf ops;
    struct buf live;
    struct index_bucket bucket = make_bucket(9, "lies");
    struct index *index = open_index("lies");
    const struct journal_op puts[] = {
        {.kind = JOURNAL_PUT, .key = bytes_str("a"), .value = bytes_str("m")},
        {.kind = JOURNAL_DELETE, .key = bytes_str("b")},
    };
    const struct journal_live lies[] = {
        {.ordinal = 0, .mark = journal_key_mark(bytes_str("b"))}, /* another key */
        {.ordinal = 1, .mark = journal_key_mark(bytes_str("b"))}, /* no put */
        {.ordinal = 2, .mark = 0},                                /* not there */
    };
    struct journal_kept kept = {.sequence = 4};
    struct index_update_record record = {.bucket = bucket.id, .kept = &kept};
    struct index_update update = {.records = &record, .record_count = 1};
    put_bucket(index, &bucket);
    buf_init(&ops, 4096);
    buf_init(&live, 4096);
    journal_op_write(&ops, &puts[0]);
    journal_op_write(&ops, &puts[1]);
    record.ops = buf_bytes(&ops);
    for (size_t i = 0; i < COUNT_OF(lies); i++) {
        buf_clear(&live);
        journal_live_write(&live, &lies[i]);
        kept.live = buf_bytes(&live);
        assert_true(is_err(index_apply(index, &update, NULL), ERR_INTEGRITY));
    }
    /* A commit cannot name another record at all. */
    buf_clear(&live);
    buf_clear(&ops);
    store_be64(kept.head.hash.b, 4);
    journal_live_write(&live, &lies[0]);
    kept.live = buf_bytes(&live);
    struct buf body;
    buf_init(&body, 4096);
    journal_kept_write(&body, &kept);
    struct journal_op op = {.kind = JOURNAL_KEPT, .value = buf_bytes(&body)};
    journal_op_write(&ops, &op);
    assert_true(is_err(apply_ops(index, &bucket.id, 1, buf_bytes(&ops)), ERR_MALFORMED));
    buf_free(&body);
    buf_free(&ops);
    buf_free(&live);
    index_store_close(index);
}

static err note_name(void *ctx, const struct index_bucket *bucket)
{
    struct buf *names = ctx;
    buf_format(names, "%s ", bucket->name);
    return ok();
}

static void buckets_have_names(void **state)
{
    (void)state;
    struct index *index = open_index("names");
    struct index_bucket a = make_bucket(1, "b-two");
    struct index_bucket b = make_bucket(2, "a-one");
    struct index_bucket system = make_bucket(3, ".system");
    struct index_bucket other = make_bucket(4, ".system");
    struct index_bucket later = make_bucket(5, "b-two");
    struct index_bucket found;
    struct buf names;
    put_bucket(index, &later);
    put_bucket(index, &a);
    put_bucket(index, &b);
    put_bucket(index, &system);
    put_bucket(index, &other);
    struct index_view *view = open_view(index);
    buf_init(&names, 1000);
    assert_true(is_ok(index_bucket_each(view, note_name, &names)));
    assert_true(bytes_eq_str(buf_bytes(&names), "a-one b-two b-two "));
    buf_clear(&names);
    assert_true(is_ok(index_system_each(view, note_name, &names)));
    assert_true(bytes_eq_str(buf_bytes(&names), ".system .system "));
    assert_true(is_ok(index_bucket_by_name(view, bytes_str("b-two"), &found)));
    assert_true(hash_eq(&found.id, &a.id)); /* the older one */
    assert_true(is_err(index_bucket_by_name(view, bytes_str("b-tw"), &found), ERR_NOT_FOUND));
    assert_true(is_err(index_bucket_by_name(view, bytes_str(""), &found), ERR_NOT_FOUND));
    index_view_close(view);
    /* What is replaced keeps its contents and head. */
    struct buf ops;
    buf_init(&ops, 1000);
    struct journal_op op = {.kind = JOURNAL_PUT, .key = bytes_str("k"), .value = bytes_str("v")};
    journal_op_write(&ops, &op);
    assert_true(is_ok(apply_ops(index, &a.id, 8, buf_bytes(&ops))));
    a.policy = 1;
    put_bucket(index, &a);
    view = open_view(index);
    assert_true(is_ok(index_bucket_by_id(view, &a.id, &found)));
    assert_true(found.policy == 1 && found.object_count == 1 && found.sequence == 8);
    index_view_close(view);
    buf_free(&ops);
    buf_free(&names);
    index_store_close(index);
}

struct pending_log {
    size_t count;
    struct index_pending last;
    char segments[64];
};

static err note_pending(void *ctx, const struct index_pending *pending)
{
    struct pending_log *log = ctx;
    assert_true(log->count == 0 || log->last.id < pending->id);
    log->count++;
    log->last = *pending;
    snprintf(log->segments, sizeof log->segments, "%.*s", (int)pending->segments.len,
             (const char *)pending->segments.data);
    return ok();
}

static struct pending_log read_log(struct index *index)
{
    struct pending_log log = {0};
    struct index_view *view = open_view(index);
    assert_true(is_ok(index_pending_each(view, note_pending, &log)));
    index_view_close(view);
    return log;
}

static void a_commit_and_its_log_are_one(void **state)
{
    (void)state;
    struct index *index = open_index("log");
    struct index_bucket bucket = make_bucket(1, "photos");
    struct index_pending pending = {.raw_tx = bytes_str("raw"),
                                    .submitted_ms = 5,
                                    .segments = bytes_str("s"),
                                    .heads = bytes_str("h")};
    struct buf ops;
    u64 id = 0;
    u64 second = 0;
    buf_init(&ops, 1000);
    struct journal_op op = {.kind = JOURNAL_PUT, .key = bytes_str("k"), .value = bytes_str("v")};
    journal_op_write(&ops, &op);
    put_bucket(index, &bucket);
    struct index_update_record record = {
        .bucket = bucket.id, .sequence = 1, .ops = buf_bytes(&ops)};
    struct index_update update = {.records = &record, .record_count = 1, .pending = &pending};
    assert_true(is_ok(index_apply(index, &update, &id)));
    assert_true(is_ok(index_apply(index, &update, &second)));
    assert_true(id != 0 && second > id);
    /* A fault in the second of two records takes everything back. */
    struct index_update_record two[2] = {record, record};
    u8 damaged[] = {JOURNAL_PUT, 0, 0};
    struct index_update bad = {.records = two, .record_count = 2, .pending = &pending};
    two[0].sequence = 99;
    two[1].ops = BYTES_OF(damaged);
    assert_true(is_err(index_apply(index, &bad, NULL), ERR_MALFORMED));
    memset(two[1].bucket.b, 0xee, 32);
    assert_true(is_err(index_apply(index, &bad, NULL), ERR_NOT_FOUND));
    index_store_close(index);
    index = open_index("log");
    struct pending_log log = read_log(index);
    assert_int_equal(log.count, 2);
    assert_int_equal(log.last.id, second);
    struct index_view *view = open_view(index);
    struct index_bucket found;
    assert_true(is_ok(index_bucket_by_id(view, &bucket.id, &found)));
    assert_int_equal(found.sequence, 1);
    index_view_close(view);
    assert_true(is_ok(index_pending_update(index, second, bytes_str("changed"))));
    assert_string_equal(read_log(index).segments, "changed");
    pending.id = second;
    pending.segments = bytes_str("again");
    assert_true(is_ok(index_pending_replace(index, &pending)));
    assert_string_equal(read_log(index).segments, "again");
    pending.id = 12345;
    assert_true(is_err(index_pending_replace(index, &pending), ERR_NOT_FOUND));
    assert_true(is_err(index_pending_update(index, 12345, bytes_str("")), ERR_NOT_FOUND));
    assert_true(is_ok(index_pending_remove(index, second)));
    assert_true(is_ok(index_pending_remove(index, id)));
    assert_int_equal(read_log(index).count, 0);
    buf_free(&ops);
    index_store_close(index);
}

static void numbers_are_given_once(void **state)
{
    (void)state;
    struct index *index = open_index("numbers");
    u64 first;
    assert_true(is_ok(index_number_reserve(index, 3, 0, 8, &first)) && first == 0);
    assert_true(is_ok(index_number_reserve(index, 3, 5, 8, &first)) && first == 8);
    assert_true(is_ok(index_number_reserve(index, 4, 100, 1, &first)) && first == 100);
    index_store_close(index);
    index = open_index("numbers");
    assert_true(is_ok(index_number_reserve(index, 3, 40, 1, &first)) && first == 40);
    assert_true(is_ok(index_number_reserve(index, 3, 0, 1, &first)) && first == 41);
    struct index_view *view = open_view(index);
    assert_true(is_ok(index_number_next(view, 3, &first)) && first == 42);
    assert_true(is_ok(index_number_next(view, 77, &first)) && first == 0);
    index_view_close(view);
    index_store_close(index);
}

static void the_key_is_checked_and_values_are_not_in_clear(void **state)
{
    (void)state;
    char path[PATH_BYTES_MAX];
    struct index *index = open_index("sealed");
    struct index_bucket bucket = make_bucket(1, "photos");
    struct aead_key other = {{1}};
    struct buf ops;
    struct arena arena;
    bytes file;
    buf_init(&ops, 1000);
    struct journal_op op = {.kind = JOURNAL_CONFIG,
                            .key = bytes_str("user/AK"),
                            .value = bytes_str("a secret that must not be on the disk")};
    journal_op_write(&ops, &op);
    put_bucket(index, &bucket);
    assert_true(is_ok(apply_ops(index, &bucket.id, 1, buf_bytes(&ops))));
    index_store_close(index);
    path_join(path, root, "sealed");
    assert_true(is_err(index_store_open(path, MIB(256), &other, &index), ERR_INTEGRITY));
    assert_true(is_err(index_store_open(path, MIB(256), NULL, &index), ERR_INTEGRITY));
    path_join(path, root, "sealed/data.mdb");
    arena_init(&arena, MIB(64));
    assert_true(is_ok(file_load(path, &arena, &file)));
    assert_true(bytes_find(file, bytes_str("user/AK")) != SIZE_MAX);
    assert_true(bytes_find(file, bytes_str("must not be on")) == SIZE_MAX);
    arena_free(&arena);
    buf_free(&ops);
}

static int make_root(void **state)
{
    (void)state;
    return mkdtemp(root) == NULL;
}

static int drop_root(void **state)
{
    (void)state;
    return is_ok(dir_remove_all(root)) ? 0 : 1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_index_behaves_like_the_model),
        cmocka_unit_test(a_table_cannot_lie_about_a_record),
        cmocka_unit_test(buckets_have_names),
        cmocka_unit_test(a_commit_and_its_log_are_one),
        cmocka_unit_test(numbers_are_given_once),
        cmocka_unit_test(the_key_is_checked_and_values_are_not_in_clear),
    };
    return cmocka_run_group_tests(tests, make_root, drop_root);
}

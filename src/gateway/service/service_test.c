/* Uploads, windows, commits and settling over the world of testing_world.h. */
#include "gateway/service/testing_world.h"

#include "base/prng.h"

/* ---- helpers ---- */

struct put {
    struct upload *upload;
    struct manifest_extent extent;
    struct arena arena;
    struct buf manifest;
};

static err put_bytes(struct world *w, struct put *put, bytes content, u64 hint)
{
    enum service_verdict verdict;
    arena_init(&put->arena, MIB(4));
    buf_init(&put->manifest, MIB(1));
    TRY(upload_begin(w->gateway, &w->bucket, hint, world_in(w, 5000), &put->upload, &verdict));
    assert_int_equal(verdict, SERVICE_OK);
    while (content.len > 0) {
        size_t part = min_size(content.len, 100000);
        TRY(upload_write(put->upload, bytes_slice(content, 0, part), world_in(w, 5000)));
        content = bytes_slice(content, part, content.len - part);
    }
    TRY(upload_finish(put->upload, &put->arena, world_in(w, 5000), &put->extent));
    struct manifest manifest = {.size = put->extent.plain_length,
                                .mtime_ms = 1,
                                .extents = &put->extent,
                                .extent_count = 1};
    manifest_write(&put->manifest, &manifest);
    return ok();
}

static void put_free(struct put *put)
{
    upload_free(put->upload);
    buf_free(&put->manifest);
    arena_free(&put->arena);
}

static err commit_op(struct world *w, const struct journal_op *op, struct put *put,
                     bool (*condition)(void *ctx, bytes current), bool wait_final,
                     enum service_verdict *ret_verdict)
{
    struct upload *const uploads[] = {put != NULL ? put->upload : NULL};
    struct change change = {.bucket = &w->bucket,
                            .ops = op,
                            .op_count = 1,
                            .condition = condition,
                            .uploads = uploads,
                            .upload_count = put != NULL ? 1 : 0,
                            .wait_final = wait_final};
    return change_commit(w->gateway, &change, world_in(w, 10000), ret_verdict);
}

static enum service_verdict put_object(struct world *w, const char *key, bytes content, u64 hint)
{
    struct put put = {0};
    enum service_verdict verdict = SERVICE_UNAVAILABLE;
    assert_true(is_ok(put_bytes(w, &put, content, hint)));
    struct journal_op op = {
        .kind = JOURNAL_PUT, .key = bytes_str(key), .value = buf_bytes(&put.manifest)};
    assert_true(is_ok(commit_op(w, &op, &put, NULL, false, &verdict)));
    put_free(&put);
    return verdict;
}

static bool object_there(struct world *w, const char *key)
{
    struct index_view *view;
    bytes manifest;
    assert_true(is_ok(index_view_open(w->gateway->index, &view)));
    err e = index_object(view, &w->bucket.id, bytes_str(key), &manifest);
    index_view_close(view);
    assert_true(is_ok(e) || is_err(e, ERR_NOT_FOUND));
    return is_ok(e);
}

/* sealed_stream: the extent's bytes, put together from the segments. */
static void sealed_stream(struct world *w, const struct manifest_extent *extent, struct buf *out)
{
    for (u32 i = 0; i < extent->piece_count; i++) {
        struct segment_key key = {WORLD_TERRITORY, 1, extent->pieces[i].number};
        struct world_segment *segment = world_find(w, &key);
        assert_non_null(segment);
        assert_true(extent->pieces[i].offset + extent->pieces[i].length <= segment->seal.length);
        buf_put(out,
                bytes_make(segment->content + extent->pieces[i].offset, extent->pieces[i].length));
    }
    assert_int_equal(out->len, extent_sealed_length(extent->plain_length));
}

static void check_content(struct world *w, const char *key, bytes expected)
{
    struct index_view *view;
    struct manifest manifest;
    struct arena arena;
    struct extent_cipher cipher;
    struct buf stream;
    bytes encoded;
    u8 plain[EXTENT_CHUNK_BYTES];
    arena_init(&arena, MIB(4));
    buf_init(&stream, MIB(128));
    assert_true(is_ok(index_view_open(w->gateway->index, &view)));
    assert_true(is_ok(index_object(view, &w->bucket.id, bytes_str(key), &encoded)));
    assert_true(is_ok(manifest_read(&manifest, &arena, encoded)));
    assert_int_equal(manifest.size, expected.len);
    const struct manifest_extent *extent = &manifest.extents[0];
    sealed_stream(w, extent, &stream);
    assert_true(
        extent_cipher_open(&cipher, &extent->file_key, &w->bucket.id, &extent->id, stream.data));
    for (u64 chunk = 0; chunk <= expected.len / EXTENT_CHUNK_BYTES; chunk++) {
        size_t len = extent_chunk_sealed_bytes(expected.len, chunk);
        assert_true(extent_open_chunk(&cipher, plain, chunk,
                                      bytes_make(stream.data + extent_chunk_offset(chunk), len)));
        assert_true(
            bytes_eq(bytes_make(plain, len - AEAD_TAG_BYTES),
                     bytes_slice(expected, chunk * EXTENT_CHUNK_BYTES, len - AEAD_TAG_BYTES)));
    }
    extent_cipher_free(&cipher);
    index_view_close(view);
    buf_free(&stream);
    arena_free(&arena);
}

static bool only_if_absent(void *ctx, bytes current)
{
    (void)ctx;
    return current.data == NULL;
}

static u8 *random_bytes(size_t len, u64 seed)
{
    struct prng rng;
    u8 *content = mem_alloc(len + 1);
    prng_init(&rng, seed);
    prng_fill(&rng, content, len);
    return content;
}

/* ---- tests: bodies run in a fiber ---- */

static void objects_of_all_sizes_arrive(struct world *w)
{
    static const size_t sizes[] = {0,      1,      16383,   16384,   16385,
                                   131072, 131073, 1048576, 1200000, 5000000};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        u8 *content = random_bytes(sizes[i], i);
        bytes in = bytes_make(content, sizes[i]);
        assert_int_equal(put_object(w, "known", in, sizes[i]), SERVICE_OK);
        check_content(w, "known", in);
        assert_int_equal(put_object(w, "unknown", in, HTTP_UNKNOWN_LENGTH), SERVICE_OK);
        check_content(w, "unknown", in);
        mem_free(content);
    }
    world_settle(w);
    assert_int_equal(w->gateway->buffers.available, w->gateway->buffers.total);
}

static void a_long_object_spans_segments(struct world *w)
{
    size_t len = 75000000;
    u8 *content = random_bytes(len, 1);
    assert_int_equal(put_object(w, "long", bytes_make(content, len), len), SERVICE_OK);
    check_content(w, "long", bytes_make(content, len));
    assert_true(w->sealed_count >= 3);
    world_settle(w);
    for (size_t i = 0; i < w->sealed_count; i++) {
        assert_int_equal(w->sealed[i].record.n, 6); /* all registered */
    }
    mem_free(content);
}

struct writer {
    struct world *w;
    struct group *group;
    int i;
    enum service_verdict verdict;
    bool conditional;
};

static void write_one(void *arg)
{
    struct writer *writer = arg;
    char key[32];
    u8 content[5000];
    struct put put = {0};
    memset(content, writer->i, sizeof content);
    snprintf(key, sizeof key, writer->conditional ? "same" : "key-%d", writer->i);
    assert_true(is_ok(put_bytes(writer->w, &put, BYTES_OF(content), sizeof content)));
    struct journal_op op = {
        .kind = JOURNAL_PUT, .key = bytes_str(key), .value = buf_bytes(&put.manifest)};
    assert_true(is_ok(commit_op(writer->w, &op, &put, writer->conditional ? only_if_absent : NULL,
                                false, &writer->verdict)));
    put_free(&put);
}

static void run_writers(struct world *w, struct writer *writers, int count, bool conditional)
{
    struct group group;
    group_init(&group);
    for (int i = 0; i < count; i++) {
        writers[i] = (struct writer){.w = w, .i = i, .conditional = conditional};
        assert_true(is_ok(group_start(w->loop, &group, "writer", write_one, &writers[i])));
    }
    group_wait(w->loop, &group);
}

static void small_objects_share_segments_and_commits(struct world *w)
{
    struct writer writers[60];
    w->gateway->window_min_ms = 20;
    run_writers(w, writers, 60, false);
    for (int i = 0; i < 60; i++) {
        char key[32];
        u8 content[5000];
        memset(content, i, sizeof content);
        snprintf(key, sizeof key, "key-%d", i);
        assert_int_equal(writers[i].verdict, SERVICE_OK);
        check_content(w, key, BYTES_OF(content));
    }
    world_settle(w);
    assert_true(w->tx_count < 20 && w->sealed_count < 20);
}

#define RETURNING_ROUNDS 6

static void write_again_and_again(void *arg)
{
    struct writer *writer = arg;
    char key[32];
    u8 content[100] = {1};
    snprintf(key, sizeof key, "again-%d", writer->i);
    for (int round = 0; round < RETURNING_ROUNDS; round++) {
        assert_int_equal(put_object(writer->w, key, BYTES_OF(content), sizeof content), SERVICE_OK);
    }
}

/* Sixteen clients that write one object after the other are in step: a window waits for them. */
static void clients_that_come_again_share_commits(struct world *w)
{
    struct writer writers[16];
    struct group group;
    group_init(&group);
    w->gateway->window_min_ms = 50;
    for (int i = 0; i < 16; i++) {
        writers[i] = (struct writer){.w = w, .i = i};
        assert_true(
            is_ok(group_start(w->loop, &group, "writer", write_again_and_again, &writers[i])));
    }
    group_wait(w->loop, &group);
    world_settle(w);
    assert_true(w->tx_count < 4 * RETURNING_ROUNDS);
}

/* Long uploads leave their lanes to small ones, while those open lanes of their own. */
static void mixed_run(void *arg)
{
    struct writer *writer = arg;
    size_t len = writer->i % 2 == 0 ? 1200000 : 3000;
    u8 *content = random_bytes(len, (u64)writer->i);
    char key[32];
    snprintf(key, sizeof key, "mixed-%d", writer->i);
    for (int round = 0; round < 6; round++) {
        assert_int_equal(put_object(writer->w, key, bytes_make(content, len), len), SERVICE_OK);
    }
    mem_free(content);
}

static void long_and_small_uploads_get_on(struct world *w)
{
    struct writer writers[12];
    struct group group;
    w->slow_opens = true;
    group_init(&group);
    for (int i = 0; i < 12; i++) {
        writers[i] = (struct writer){.w = w, .i = i};
        assert_true(is_ok(group_start(w->loop, &group, "mixed", mixed_run, &writers[i])));
    }
    group_wait(w->loop, &group);
    world_settle(w);
    assert_int_equal(w->gateway->buffers.available, w->gateway->buffers.total);
}

static void one_of_many_conditional_writers_wins(struct world *w)
{
    struct writer writers[30];
    int won = 0;
    run_writers(w, writers, 30, true);
    for (int i = 0; i < 30; i++) {
        assert_true(writers[i].verdict == SERVICE_OK ||
                    writers[i].verdict == SERVICE_PRECONDITION_FAILED);
        won += writers[i].verdict == SERVICE_OK;
    }
    assert_int_equal(won, 1);
    world_settle(w);
}

static void faults_before_the_log_leave_no_trace(struct world *w)
{
    u8 content[5000] = {1};
    struct put put = {0};
    enum service_verdict verdict;
    w->seal_faults = 1;
    assert_int_equal(put_object(w, "a", BYTES_OF(content), 5000), SERVICE_UNAVAILABLE);
    assert_false(object_there(w, "a"));
    w->sign_faults = 1;
    assert_int_equal(put_object(w, "b", BYTES_OF(content), 5000), SERVICE_UNAVAILABLE);
    assert_false(object_there(w, "b"));
    w->open_faults = 1;
    assert_true(is_err(put_bytes(w, &put, BYTES_OF(content), 5000), ERR_REFUSED));
    assert_int_equal(upload_verdict(put.upload), SERVICE_NO_PROVIDERS);
    put_free(&put);
    w->write_faults = 1;
    assert_true(is_err(put_bytes(w, &put, BYTES_OF(content), 5000), ERR_NETWORK));
    put_free(&put);
    /* The one after it is fine, and sees none of the others. */
    assert_int_equal(put_object(w, "c", BYTES_OF(content), 5000), SERVICE_OK);
    assert_true(object_there(w, "c") && !object_there(w, "a") && !object_there(w, "b"));
    struct index_bucket bucket;
    struct index_view *view;
    assert_true(is_ok(index_view_open(w->gateway->index, &view)));
    assert_true(is_ok(index_bucket_by_id(view, &w->bucket.id, &bucket)));
    assert_int_equal(bucket.sequence, 1);
    index_view_close(view);
    world_settle(w);
    assert_true(hash_eq(world_head(w, &w->bucket.id), &bucket.head.hash));
    (void)verdict;
}

static void uploads_and_parts_are_checked_at_the_commit(struct world *w)
{
    u8 id[16] = {1, 2, 3};
    enum service_verdict verdict;
    struct journal_op part = {.kind = JOURNAL_PART, .part = 1, .value = bytes_str("m")};
    struct journal_op begin = {
        .kind = JOURNAL_UPLOAD, .key = bytes_str("k"), .value = bytes_str("m")};
    struct journal_op end = {.kind = JOURNAL_UPLOAD_END};
    memcpy(part.upload, id, 16);
    memcpy(begin.upload, id, 16);
    memcpy(end.upload, id, 16);
    assert_true(is_ok(commit_op(w, &part, NULL, NULL, false, &verdict)));
    assert_int_equal(verdict, SERVICE_NO_SUCH_UPLOAD);
    assert_true(is_ok(commit_op(w, &begin, NULL, NULL, false, &verdict)));
    assert_int_equal(verdict, SERVICE_OK);
    assert_true(is_ok(commit_op(w, &part, NULL, NULL, false, &verdict)));
    assert_int_equal(verdict, SERVICE_OK);
    assert_true(is_ok(commit_op(w, &end, NULL, NULL, false, &verdict)));
    assert_int_equal(verdict, SERVICE_OK);
    assert_true(is_ok(commit_op(w, &end, NULL, NULL, false, &verdict)));
    assert_int_equal(verdict, SERVICE_NO_SUCH_UPLOAD);
    struct index_bucket nobody = world_bucket(0x77, "none");
    struct change change = {.bucket = &nobody, .ops = &begin, .op_count = 1};
    assert_true(is_ok(change_commit(w->gateway, &change, world_in(w, 5000), &verdict)));
    assert_int_equal(verdict, SERVICE_NO_SUCH_BUCKET);
    nobody.territory = 12345;
    assert_true(is_ok(change_commit(w->gateway, &change, world_in(w, 5000), &verdict)));
    assert_int_equal(verdict, SERVICE_ACCESS_DENIED);
    world_settle(w);
}

static void strong_changes_wait_for_the_ledger(struct world *w)
{
    enum service_verdict verdict = SERVICE_UNAVAILABLE;
    struct journal_op op = {
        .kind = JOURNAL_CONFIG, .key = bytes_str("doc"), .value = bytes_str("v")};
    struct change change = {.bucket = &w->bucket, .ops = &op, .op_count = 1, .wait_final = true};
    w->hold_receipts = true;
    err e = change_commit(w->gateway, &change, world_in(w, 300), &verdict);
    assert_true(is_err(e, ERR_TIMEOUT));
    w->hold_receipts = false;
    op.value = bytes_str("w");
    assert_true(is_ok(change_commit(w->gateway, &change, world_in(w, 10000), &verdict)));
    assert_int_equal(verdict, SERVICE_OK);
    assert_int_equal(w->gateway->settle.unfinal, 0);
    world_settle(w);
}

static void without_copies_the_ledger_must_show_it(struct world *w)
{
    enum service_verdict verdict = SERVICE_UNAVAILABLE;
    struct journal_op op = {
        .kind = JOURNAL_CONFIG, .key = bytes_str("doc"), .value = bytes_str("v")};
    struct change change = {.bucket = &w->bucket, .ops = &op, .op_count = 1};
    w->no_copies = true;
    w->hold_receipts = true;
    assert_true(
        is_err(change_commit(w->gateway, &change, world_in(w, 200), &verdict), ERR_TIMEOUT));
    w->hold_receipts = false;
    assert_true(is_ok(change_commit(w->gateway, &change, world_in(w, 10000), &verdict)));
    assert_int_equal(verdict, SERVICE_OK);
    world_settle(w);
}

static void refused_segments_are_issued_again(struct world *w)
{
    u8 content[5000] = {2};
    w->refuse_segments = 2;
    for (int i = 0; i < 5; i++) {
        char key[32];
        snprintf(key, sizeof key, "r-%d", i);
        assert_int_equal(put_object(w, key, BYTES_OF(content), 5000), SERVICE_OK);
    }
    world_settle(w);
    struct index_bucket bucket;
    struct index_view *view;
    assert_true(is_ok(index_view_open(w->gateway->index, &view)));
    assert_true(is_ok(index_bucket_by_id(view, &w->bucket.id, &bucket)));
    index_view_close(view);
    assert_int_equal(bucket.sequence, 5);
    assert_true(hash_eq(world_head(w, &w->bucket.id), &bucket.head.hash));
    assert_int_equal(w->reissued, 2);
    for (size_t i = 0; i < w->sealed_count; i++) {
        assert_int_equal(w->sealed[i].record.n, 6);
    }
}

static void a_head_that_somebody_else_moved_is_a_conflict(struct world *w)
{
    enum service_verdict verdict = SERVICE_OK;
    u8 content[5000] = {7};
    assert_int_equal(put_object(w, "mine", BYTES_OF(content), 5000), SERVICE_OK);
    world_settle(w);
    memset(world_head(w, &w->bucket.id)->b, 0xee, 32);
    struct journal_op op = {.kind = JOURNAL_DELETE, .key = bytes_str("mine")};
    assert_true(is_ok(commit_op(w, &op, NULL, NULL, true, &verdict)));
    assert_int_equal(verdict, SERVICE_CONFLICT);
    world_settle(w); /* it is not tried for ever */
}

static void missing_holders_are_placed(struct world *w)
{
    u8 content[5000] = {3};
    w->missing_holders = 2;
    assert_int_equal(put_object(w, "m", BYTES_OF(content), 5000), SERVICE_OK);
    w->missing_holders = 0;
    world_settle(w);
    assert_true(w->placed >= 1 && w->completions >= 1);
    for (size_t i = 0; i < w->sealed_count; i++) {
        assert_int_equal(segment_holder_count(&w->sealed[i].record), 6);
    }
}

static void a_restart_finishes_what_was_answered(struct world *w)
{
    u8 content[5000] = {4};
    w->lose_submits = 1000; /* the ledger hears nothing */
    for (int i = 0; i < 4; i++) {
        char key[32];
        snprintf(key, sizeof key, "k-%d", i);
        assert_int_equal(put_object(w, key, BYTES_OF(content), 5000), SERVICE_OK);
    }
    assert_int_equal(w->tx_count, 0);
    assert_int_equal(world_holds(w), 4);
    w->lose_submits = 4;
    world_restart(w);
    assert_int_equal(world_holds(w), 4); /* nobody gets their nonces, whatever the ledger knows */
    w->lose_submits = 0;
    for (int i = 0; i < 4; i++) {
        char key[32];
        snprintf(key, sizeof key, "k-%d", i);
        check_content(w, key, BYTES_OF(content));
    }
    world_settle(w);
    assert_int_equal(w->tx_count, 4);
    assert_int_equal(put_object(w, "after", BYTES_OF(content), 5000), SERVICE_OK);
    world_settle(w);
    struct index_bucket bucket;
    struct index_view *view;
    assert_true(is_ok(index_view_open(w->gateway->index, &view)));
    assert_true(is_ok(index_bucket_by_id(view, &w->bucket.id, &bucket)));
    index_view_close(view);
    assert_true(hash_eq(world_head(w, &w->bucket.id), &bucket.head.hash));
}

/* The gateway dies between the block and its receipt: the log's transaction is in there. */
static void a_restart_after_the_block_signs_nothing_again(struct world *w)
{
    u8 content[5000] = {4};
    w->hold_receipts = true;
    assert_int_equal(put_object(w, "b", BYTES_OF(content), 5000), SERVICE_OK);
    assert_int_equal(w->tx_count, 1);
    assert_int_equal(w->nonce, 1);
    world_restart(w);
    assert_int_equal(world_holds(w), 1);
    assert_int_equal(put_object(w, "later", BYTES_OF(content), 5000), SERVICE_OK);
    w->hold_receipts = false;
    world_settle(w);
    assert_int_equal(w->tx_count, 2);
    assert_int_equal(w->nonce, 2);
    assert_int_equal(w->fills, 0);
    assert_true(object_there(w, "b") && object_there(w, "later"));
}

static void a_taken_nonce_is_signed_again(struct world *w)
{
    u8 content[5000] = {5};
    w->lose_submits = 1;
    w->hold_receipts = true;
    assert_int_equal(put_object(w, "n", BYTES_OF(content), 5000), SERVICE_OK);
    w->lose_submits = 0;
    w->nonce = 1; /* somebody else's transaction had the nonce */
    w->next_nonce = 1;
    w->hold_receipts = false;
    world_settle(w);
    assert_int_equal(w->tx_count, 1);
    assert_true(hash_eq(&w->last_copied, &w->txs[0].hash)); /* as it is now */
    assert_int_equal(w->sealed[0].record.n, 6);
}

/* Signed again while the log cannot be written: it stays what the log says, and its nonce, too. */
static void a_signature_that_cannot_be_logged_is_none(struct world *w)
{
    u8 content[5000] = {6};
    w->lose_submits = 1000;
    assert_int_equal(put_object(w, "s", BYTES_OF(content), 5000), SERVICE_OK);
    struct unsettled *entry = list_entry(w->gateway->settle.entries.next, struct unsettled, node);
    struct hash logged = entry->tx;
    w->nonce = 1;      /* somebody else's transaction had the nonce */
    entry->id += 1000; /* the log does not know it */
    entry->facts.nonce_since_ms = 0;
    u64 end = world_in(w, 15000);
    while (entry->facts.attempts == 0 && loop_now_ms(w->loop) < end) {
        event_wake_all(&w->gateway->settle.wake);
        assert_true(is_ok(fiber_sleep(w->loop, world_in(w, 20))));
    }
    assert_true(entry->facts.attempts > 0);
    assert_true(hash_eq(&entry->tx, &logged));
    assert_int_equal(entry->facts.nonce, 0);
    assert_int_equal(world_holds(w), 1);
    entry->id -= 1000;
    w->lose_submits = 0;
    world_settle(w);
    assert_int_equal(w->tx_count, 1);
}

static void a_lost_transaction_leaves_no_gap(struct world *w)
{
    u8 content[5000] = {5};
    w->next_nonce = 2; /* two transactions of others were signed and never got there */
    assert_int_equal(put_object(w, "g", BYTES_OF(content), 5000), SERVICE_OK);
    assert_int_equal(w->tx_count, 0);
    list_for (it, &w->gateway->settle.entries) { /* some time passes */
        struct unsettled *entry = list_entry(it, struct unsettled, node);
        while (entry->facts.gap_since_ms == 0) {
            event_wake_all(&w->gateway->settle.wake);
            assert_true(is_ok(fiber_sleep(w->loop, world_in(w, 5))));
        }
        entry->facts.gap_since_ms -= min_u64(entry->facts.gap_since_ms - 1, SETTLE_GAP_MS);
        entry->facts.submitted_ms = 0;
    }
    world_settle(w);
    assert_int_equal(w->fills, 1);
    assert_int_equal(w->tx_count, 1);
}

static void numbers_of_given_up_segments_are_used_again(struct world *w)
{
    enum service_verdict verdict;
    u8 *content = random_bytes(2000000, 9);
    for (int i = 0; i < 20; i++) {
        struct upload *upload;
        assert_true(is_ok(
            upload_begin(w->gateway, &w->bucket, 2000000, world_in(w, 5000), &upload, &verdict)));
        assert_true(is_ok(upload_write(upload, bytes_make(content, 1500000), world_in(w, 5000))));
        upload_free(upload); /* the client went away */
    }
    assert_int_equal(put_object(w, "x", bytes_make(content, 2000000), 2000000), SERVICE_OK);
    world_settle(w);
    for (size_t i = 0; i < w->sealed_count; i++) {
        assert_true(w->sealed[i].key.number < 8);
    }
    mem_free(content);
}

static void an_empty_bucket_lets_go_of_its_journal(struct world *w)
{
    u8 content[100] = {6};
    enum service_verdict verdict;
    struct territory *territory = territory_get(w->gateway, WORLD_TERRITORY);
    assert_int_equal(put_object(w, "x", BYTES_OF(content), 100), SERVICE_OK);
    struct commit_request *request = commit_request_new();
    request->bucket = w->bucket.id;
    request->drop = true;
    request->wait_final = true;
    assert_true(is_ok(commit_run(territory, request, world_in(w, 10000), &verdict)));
    assert_int_equal(verdict, SERVICE_BUCKET_NOT_EMPTY);
    struct journal_op op = {.kind = JOURNAL_DELETE, .key = bytes_str("x")};
    assert_true(is_ok(commit_op(w, &op, NULL, NULL, false, &verdict)));
    request = commit_request_new();
    request->bucket = w->bucket.id;
    request->drop = true;
    request->wait_final = true;
    assert_true(is_ok(commit_run(territory, request, world_in(w, 10000), &verdict)));
    assert_int_equal(verdict, SERVICE_OK);
    assert_true(hash_is_zero(world_head(w, &w->bucket.id)));
    world_settle(w);
}

static void too_much_that_is_open_slows_down(struct world *w)
{
    struct upload *upload;
    enum service_verdict verdict;
    w->gateway->settle.unfinal_bytes += GIB(2);
    assert_true(
        is_ok(upload_begin(w->gateway, &w->bucket, 10, world_in(w, 1000), &upload, &verdict)));
    assert_int_equal(verdict, SERVICE_SLOW_DOWN);
    w->gateway->settle.unfinal_bytes -= GIB(2);
    struct territory *territory = territory_get(w->gateway, WORLD_TERRITORY);
    territory->room_bytes = 5;
    assert_true(
        is_ok(upload_begin(w->gateway, &w->bucket, 10, world_in(w, 1000), &upload, &verdict)));
    assert_int_equal(verdict, SERVICE_QUOTA_EXCEEDED);
    territory->usable = false;
    assert_true(
        is_ok(upload_begin(w->gateway, &w->bucket, 10, world_in(w, 1000), &upload, &verdict)));
    assert_int_equal(verdict, SERVICE_UNAVAILABLE);
}

/* ---- running them ---- */

struct running {
    struct loop *loop;
    void (*body)(struct world *w);
};

static void run_body(void *arg)
{
    struct running *running = arg;
    struct world *w = world_new(running->loop);
    running->body(w);
    world_free(w);
    loop_stop(running->loop);
}

static void in_world(void (*body)(struct world *w))
{
    struct running running = {.body = body};
    assert_true(is_ok(loop_open(&running.loop, 2)));
    assert_true(is_ok(fiber_start(running.loop, "test", run_body, &running)));
    loop_run(running.loop);
    loop_close(running.loop);
}

#define WORLD_TEST(name)                                                                           \
    static void test_##name(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        in_world(name);                                                                            \
    }

WORLD_TEST(objects_of_all_sizes_arrive)
WORLD_TEST(a_long_object_spans_segments)
WORLD_TEST(small_objects_share_segments_and_commits)
WORLD_TEST(clients_that_come_again_share_commits)
WORLD_TEST(long_and_small_uploads_get_on)
WORLD_TEST(one_of_many_conditional_writers_wins)
WORLD_TEST(faults_before_the_log_leave_no_trace)
WORLD_TEST(uploads_and_parts_are_checked_at_the_commit)
WORLD_TEST(strong_changes_wait_for_the_ledger)
WORLD_TEST(without_copies_the_ledger_must_show_it)
WORLD_TEST(refused_segments_are_issued_again)
WORLD_TEST(a_head_that_somebody_else_moved_is_a_conflict)
WORLD_TEST(missing_holders_are_placed)
WORLD_TEST(a_restart_finishes_what_was_answered)
WORLD_TEST(a_restart_after_the_block_signs_nothing_again)
WORLD_TEST(a_taken_nonce_is_signed_again)
WORLD_TEST(a_signature_that_cannot_be_logged_is_none)
WORLD_TEST(a_lost_transaction_leaves_no_gap)
WORLD_TEST(numbers_of_given_up_segments_are_used_again)
WORLD_TEST(an_empty_bucket_lets_go_of_its_journal)
WORLD_TEST(too_much_that_is_open_slows_down)

int main(void)
{
    struct hash seed = {{1}};
    crypto_init(&seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_objects_of_all_sizes_arrive),
        cmocka_unit_test(test_a_long_object_spans_segments),
        cmocka_unit_test(test_small_objects_share_segments_and_commits),
        cmocka_unit_test(test_clients_that_come_again_share_commits),
        cmocka_unit_test(test_long_and_small_uploads_get_on),
        cmocka_unit_test(test_one_of_many_conditional_writers_wins),
        cmocka_unit_test(test_faults_before_the_log_leave_no_trace),
        cmocka_unit_test(test_uploads_and_parts_are_checked_at_the_commit),
        cmocka_unit_test(test_strong_changes_wait_for_the_ledger),
        cmocka_unit_test(test_without_copies_the_ledger_must_show_it),
        cmocka_unit_test(test_refused_segments_are_issued_again),
        cmocka_unit_test(test_a_head_that_somebody_else_moved_is_a_conflict),
        cmocka_unit_test(test_missing_holders_are_placed),
        cmocka_unit_test(test_a_restart_finishes_what_was_answered),
        cmocka_unit_test(test_a_restart_after_the_block_signs_nothing_again),
        cmocka_unit_test(test_a_taken_nonce_is_signed_again),
        cmocka_unit_test(test_a_signature_that_cannot_be_logged_is_none),
        cmocka_unit_test(test_a_lost_transaction_leaves_no_gap),
        cmocka_unit_test(test_numbers_of_given_up_segments_are_used_again),
        cmocka_unit_test(test_an_empty_bucket_lets_go_of_its_journal),
        cmocka_unit_test(test_too_much_that_is_open_slows_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "gateway/service/window.h"

#include "base/assert.h"
#include "base/mem.h"
#include "crypto/hash.h"

#define WINDOW_ARENA_BYTES MIB(24)
#define OPS_BYTES_MAX (JOURNAL_RECORD_BYTES_MAX - JOURNAL_RECORD_OVERHEAD)
#define OVERLAY_KEY_BYTES_MAX (1 + JOURNAL_KEY_BYTES_MAX)
#define RECORDS_MAX (3 * WINDOW_BUCKETS_MAX) /* snapshot, envelope, operations */

/* What an earlier request of the window did to a key or an upload. */
struct overlay {
    bool exists;
    bytes manifest; /* of a key */
};

enum taking {
    TAKING_NOW,
    TAKING_LATER,
    TAKING_REFUSED, /* answered */
};

err window_open(struct territory *territory, struct window *ret_window)
{
    struct window window = {.territory = territory};
    TRY(index_view_open(territory->gateway->index, &window.view));
    arena_init(&window.arena, WINDOW_ARENA_BYTES);
    window.buckets = mem_alloc_array(WINDOW_BUCKETS_MAX, sizeof *window.buckets);
    window.records = mem_alloc_array(RECORDS_MAX, sizeof *window.records);
    window.lanes = mem_alloc_array(RECORDS_MAX + 1, sizeof *window.lanes);
    *ret_window = window;
    list_init(&ret_window->requests);
    return ok();
}

void window_close(struct window *window)
{
    index_view_close(window->view);
    for (size_t i = 0; i < window->bucket_count; i++) {
        buf_free(&window->buckets[i].ops);
        map_free(&window->buckets[i].overlay);
    }
    for (size_t i = 0; i < window->lane_count; i++) {
        lane_unref(window->lanes[i]);
    }
    mem_free(window->buckets);
    mem_free(window->records);
    mem_free(window->lanes);
    arena_free(&window->arena);
}

/* ---- requests ---- */

struct commit_request *commit_request_new(void)
{
    struct commit_request *request = MEM_NEW(struct commit_request);
    list_init(&request->node);
    event_init(&request->done);
    request->references = 1;
    return request;
}

static void request_unref(struct commit_request *request)
{
    if (--request->references == 0) {
        mem_free(request);
    }
}

void commit_answer(struct commit_request *request, enum service_verdict verdict, err fault)
{
    list_remove(&request->node);
    request->answered = true;
    request->verdict = verdict;
    request->fault = fault;
    event_wake_all(&request->done);
    request_unref(request);
}

static void note_arrival(struct territory *territory)
{
    u64 now = loop_now_ms(territory->gateway->loop);
    if (territory->arrived++ == 0) {
        territory->first_request_ms = now;
    }
    territory->last_request_ms = now;
}

err commit_run(struct territory *territory, struct commit_request *request, u64 deadline_ms,
               enum service_verdict *ret_verdict)
{
    struct gateway *gateway = territory->gateway;
    err e = ok();
    request->references++; /* the committer's */
    list_push_back(&territory->requests, &request->node);
    note_arrival(territory);
    event_wake_all(&territory->work);
    while (!request->answered && is_ok(e)) {
        e = event_wait(gateway->loop, &request->done, deadline_ms);
    }
    if (request->answered) {
        *ret_verdict = request->verdict;
        e = request->fault;
    } else if (!request->taken) {
        list_remove(&request->node);
        request_unref(request);
    }
    request_unref(request);
    return e;
}

/* ---- taking ---- */

static size_t overlay_key(u8 out[OVERLAY_KEY_BYTES_MAX], u8 kind, bytes key)
{
    out[0] = kind;
    memcpy(out + 1, key.data, key.len);
    return 1 + key.len;
}

static const struct overlay *overlay_get(const struct window_bucket *bucket, u8 kind, bytes key)
{
    u8 packed[OVERLAY_KEY_BYTES_MAX];
    return map_get(&bucket->overlay, bytes_make(packed, overlay_key(packed, kind, key)));
}

static bool overlay_put(struct window *window, struct window_bucket *bucket, u8 kind, bytes key,
                        struct overlay value)
{
    u8 packed[OVERLAY_KEY_BYTES_MAX];
    struct overlay *kept = ARENA_NEW(&window->arena, struct overlay);
    if (kept == NULL) {
        return false;
    }
    *kept = value;
    (void)map_put(&bucket->overlay, bytes_make(packed, overlay_key(packed, kind, key)), kept);
    return true;
}

static struct window_bucket *find_bucket(struct window *window, const struct hash *id)
{
    for (size_t i = 0; i < window->bucket_count; i++) {
        if (hash_eq(&window->buckets[i].it.id, id)) {
            return &window->buckets[i];
        }
    }
    return NULL;
}

/* bucket_of: TAKING_LATER: the window has no room for another bucket. */
static enum taking bucket_of(struct window *window, struct commit_request *request,
                             struct window_bucket **ret_bucket)
{
    struct index_bucket it;
    bool dropping =
        map_get(&window->territory->dropping, BYTES_OF(request->bucket)) != NULL && !request->drop;
    struct window_bucket *bucket = find_bucket(window, &request->bucket);
    if (bucket != NULL && !dropping && !bucket->drop) {
        *ret_bucket = bucket;
        return TAKING_NOW;
    }
    if (bucket == NULL && window->bucket_count == WINDOW_BUCKETS_MAX) {
        return TAKING_LATER;
    }
    err e = dropping || bucket != NULL ? fail(ERR_NOT_FOUND)
                                       : index_bucket_by_id(window->view, &request->bucket, &it);
    if (!is_ok(e)) {
        bool gone = is_err(e, ERR_NOT_FOUND);
        commit_answer(request, gone ? SERVICE_NO_SUCH_BUCKET : SERVICE_UNAVAILABLE,
                      gone ? ok() : e);
        return TAKING_REFUSED;
    }
    bucket = &window->buckets[window->bucket_count++];
    *bucket = (struct window_bucket){.it = it, .old_head = it.head};
    buf_init(&bucket->ops, OPS_BYTES_MAX);
    map_init(&bucket->overlay);
    *ret_bucket = bucket;
    return TAKING_NOW;
}

/* lanes_ready: the bytes of the change are durable, or go into the lane that this window seals. */
static enum taking lanes_ready(const struct window *window, struct commit_request *request)
{
    const struct change *change = request->change;
    for (size_t i = 0; i < change->upload_count; i++) {
        size_t count;
        struct lane *const *lanes = upload_lanes(change->uploads[i], &count);
        for (size_t j = 0; j < count; j++) {
            switch (lanes[j]->state) {
            case LANE_SEALED:
            case LANE_LOGGED:
                continue;
            case LANE_OPEN:
                if (lanes[j] == window->territory->shared) {
                    continue;
                }
                return TAKING_LATER;
            case LANE_SEALING:
                return TAKING_LATER;
            case LANE_FAILED:
                commit_answer(request, SERVICE_UNAVAILABLE, ok());
                return TAKING_REFUSED;
            }
        }
    }
    return TAKING_NOW;
}

static err current_manifest(struct window *window, struct window_bucket *bucket, bytes key,
                            bytes *ret_manifest)
{
    const struct overlay *changed = overlay_get(bucket, 'k', key);
    *ret_manifest = bytes_make(NULL, 0);
    if (changed != NULL) {
        *ret_manifest = changed->exists ? changed->manifest : *ret_manifest;
        return ok();
    }
    err e = index_object(window->view, &bucket->it.id, key, ret_manifest);
    return is_err(e, ERR_NOT_FOUND) ? ok() : e;
}

static err upload_exists(struct window *window, struct window_bucket *bucket, const u8 upload[16],
                         bool *ret_exists)
{
    bytes key;
    bytes manifest;
    u64 time_ms;
    const struct overlay *changed = overlay_get(bucket, 'u', bytes_make(upload, 16));
    if (changed != NULL) {
        *ret_exists = changed->exists;
        return ok();
    }
    err e = index_upload(window->view, &bucket->it.id, upload, &key, &manifest, &time_ms);
    *ret_exists = is_ok(e);
    return is_err(e, ERR_NOT_FOUND) ? ok() : e;
}

/* check_change: conditions and uploads; *ret_verdict SERVICE_OK: it may go in. */
static err check_change(struct window *window, struct window_bucket *bucket,
                        const struct change *change, enum service_verdict *ret_verdict)
{
    *ret_verdict = SERVICE_OK;
    if (change->condition != NULL && change->op_count > 0) {
        bytes manifest;
        TRY(current_manifest(window, bucket, change->ops[0].key, &manifest));
        if (!change->condition(change->condition_ctx, manifest)) {
            *ret_verdict = SERVICE_PRECONDITION_FAILED;
            return ok();
        }
    }
    for (size_t i = 0; i < change->op_count; i++) {
        const struct journal_op *op = &change->ops[i];
        bool exists = true;
        assert_that(journal_op_valid(op));
        if (op->kind == JOURNAL_PART || op->kind == JOURNAL_UPLOAD_END) {
            TRY(upload_exists(window, bucket, op->upload, &exists));
        }
        if (!exists) {
            *ret_verdict = SERVICE_NO_SUCH_UPLOAD;
        }
    }
    return ok();
}

static bool remember(struct window *window, struct window_bucket *bucket,
                     const struct journal_op *op)
{
    struct overlay value = {0};
    switch (op->kind) {
    case JOURNAL_PUT:
        value.exists = true;
        value.manifest = arena_copy(&window->arena, op->value);
        return value.manifest.data != NULL && overlay_put(window, bucket, 'k', op->key, value);
    case JOURNAL_DELETE:
        return overlay_put(window, bucket, 'k', op->key, value);
    case JOURNAL_UPLOAD:
        value.exists = true;
        return overlay_put(window, bucket, 'u', BYTES_OF(op->upload), value);
    case JOURNAL_UPLOAD_END:
        return overlay_put(window, bucket, 'u', BYTES_OF(op->upload), value);
    case JOURNAL_PART:
    case JOURNAL_CONFIG:
        return true;
    case JOURNAL_KEPT:
        break; /* in tables only */
    }
    unreachable_case();
}

/* fits: the record and the window's memory have room for all of it. */
static bool fits(const struct window *window, const struct window_bucket *bucket,
                 const struct change *change, u64 *ret_bytes)
{
    u64 total = 0;
    for (size_t i = 0; i < change->op_count; i++) {
        total += change->ops[i].key.len + change->ops[i].value.len + 64;
    }
    *ret_bytes = total;
    u64 memory = total + change->op_count * (sizeof(struct overlay) + 64);
    bool window_is_full =
        window->request_count > 0 && total + window->ops_bytes > WINDOW_OPS_BYTES_MAX;
    return !window_is_full && total <= OPS_BYTES_MAX - bucket->ops.len &&
           change->op_count <= JOURNAL_OPS_MAX - bucket->op_count &&
           memory <= window->arena.limit_bytes - window->arena.used_bytes;
}

static void add_change(struct window *window, struct window_bucket *bucket,
                       const struct change *change)
{
    size_t before = bucket->ops.len;
    for (size_t i = 0; i < change->op_count; i++) {
        journal_op_write(&bucket->ops, &change->ops[i]);
        bucket->inline_bytes += journal_op_inline(&change->ops[i]);
        bool remembered = remember(window, bucket, &change->ops[i]);
        assert_that(remembered); /* fits() counted it */
    }
    window->ops_bytes += bucket->ops.len - before;
    bucket->op_count += change->op_count;
    bucket->touched = bucket->touched || change->op_count > 0;
    assert_that(is_ok(buf_done(&bucket->ops)));
}

static enum taking take_change(struct window *window, struct window_bucket *bucket,
                               struct commit_request *request)
{
    enum service_verdict verdict;
    u64 total;
    enum taking ready = lanes_ready(window, request);
    if (ready != TAKING_NOW) {
        return ready;
    }
    if (!fits(window, bucket, request->change, &total)) {
        if (total <= OPS_BYTES_MAX && request->change->op_count <= JOURNAL_OPS_MAX &&
            window->request_count > 0) {
            return TAKING_LATER;
        }
        commit_answer(request, SERVICE_UNAVAILABLE, fail(ERR_LIMIT));
        return TAKING_REFUSED;
    }
    err e = check_change(window, bucket, request->change, &verdict);
    if (!is_ok(e) || verdict != SERVICE_OK) {
        commit_answer(request, is_ok(e) ? verdict : SERVICE_UNAVAILABLE, e);
        return TAKING_REFUSED;
    }
    add_change(window, bucket, request->change);
    return TAKING_NOW;
}

/* take_drop: a bucket goes alone: nothing before it in the window, nothing after. */
static enum taking take_drop(struct window_bucket *bucket, struct commit_request *request)
{
    if (bucket->touched || bucket->snapshot.len > 0) {
        return TAKING_LATER;
    }
    if (bucket->it.object_count != 0) {
        commit_answer(request, SERVICE_BUCKET_NOT_EMPTY, ok());
        return TAKING_REFUSED;
    }
    bucket->drop = true;
    bucket->touched = true;
    return TAKING_NOW;
}

/* take_envelope: with the operations of the request, or not at all. */
static enum taking take_envelope(struct window *window, struct window_bucket *bucket,
                                 struct commit_request *request)
{
    bytes body = arena_copy(&window->arena, request->envelope);
    if (bucket->envelope.len > 0 || body.data == NULL) {
        return TAKING_LATER;
    }
    enum taking taking = take_change(window, bucket, request);
    if (taking == TAKING_NOW) {
        bucket->envelope = body;
    }
    return taking;
}

/* repeat_envelope: behind every snapshot, so that it is found without a long walk, and without the
 * records that the snapshot replaces. */
static err repeat_envelope(struct window *window, struct window_bucket *bucket)
{
    bytes body;
    if (bucket->envelope.len > 0) {
        return ok();
    }
    err e = index_config(window->view, &bucket->it.id, bytes_str(ENVELOPE_NAME), &body);
    if (is_err(e, ERR_NOT_FOUND)) {
        return ok();
    }
    TRY(e);
    bucket->envelope = arena_copy(&window->arena, body);
    return bucket->envelope.data != NULL ? ok() : fail(ERR_LIMIT);
}

static enum taking take_snapshot(struct window *window, struct window_bucket *bucket,
                                 struct commit_request *request)
{
    enum taking ready = lanes_ready(window, request);
    if (ready != TAKING_NOW) {
        return ready;
    }
    bytes body = arena_copy(&window->arena, request->snapshot);
    if (bucket->snapshot.len > 0 || body.data == NULL) {
        return TAKING_LATER;
    }
    err e = repeat_envelope(window, bucket);
    if (!is_ok(e)) {
        commit_answer(request, SERVICE_UNAVAILABLE, e);
        return TAKING_REFUSED;
    }
    bucket->snapshot = body;
    bucket->snapshot_cost = request->snapshot_cost;
    bucket->touched = true;
    return TAKING_NOW;
}

static void take(struct window *window, struct commit_request *request)
{
    struct window_bucket *bucket;
    enum taking taking = bucket_of(window, request, &bucket);
    if (taking == TAKING_NOW) {
        taking = request->drop               ? take_drop(bucket, request)
                 : request->snapshot.len > 0 ? take_snapshot(window, bucket, request)
                 : request->envelope.len > 0 ? take_envelope(window, bucket, request)
                                             : take_change(window, bucket, request);
    }
    if (taking != TAKING_NOW) {
        return;
    }
    request->wait_final =
        request->wait_final || (bucket->it.policy & (BUCKET_STRONG | BUCKET_FINALITY_CHAIN)) != 0;
    request->taken = true;
    request->change = NULL;
    list_remove(&request->node);
    list_push_back(&window->requests, &request->node);
    window->request_count++;
}

void window_take_all(struct window *window)
{
    list_for_safe (it, &window->territory->requests) {
        if (window->request_count == WINDOW_REQUESTS_MAX) {
            break;
        }
        take(window, list_entry(it, struct commit_request, node));
    }
    index_view_close(window->view);
    window->view = NULL;
    struct lane *shared = window->territory->shared;
    if (shared != NULL && window->request_count > 0) { /* taken requests may have bytes in it */
        lane_ref(shared);
        window->lanes[window->lane_count++] = shared;
    }
}

/* ---- records ---- */

struct record_job {
    const struct journal_record *record;
    bytes body;
    const struct secp_secret *label;
    u8 random[JOURNAL_RANDOM_BYTES];
    struct buf *out;
    struct hash hash;
    err result;
};

static void seal_record(void *arg)
{
    struct record_job *job = arg;
    struct secp_public label;
    secp_public_of(&label, job->label);
    job->result = journal_record_seal(job->out, job->record, job->body, &label, job->random);
    if (is_ok(job->result)) {
        sha256(&job->hash, buf_bytes(job->out));
    }
}

static err append_record(struct window *window, bytes record, u64 deadline_ms,
                         struct locator *ret_locator)
{
    struct lane *lane;
    TRY(packer_append(window->territory, record, deadline_ms, ret_locator, &lane));
    window->lanes[window->lane_count++] = lane;
    return ok();
}

static err put_record(struct window *window, struct window_bucket *bucket, enum journal_kind kind,
                      bytes body, u64 deadline_ms)
{
    struct loop *loop = window->territory->gateway->loop;
    struct index_bucket *it = &bucket->it;
    struct journal_record record = {.kind = kind,
                                    .bucket = it->id,
                                    .sequence = it->sequence + 1,
                                    .previous = it->head,
                                    .snapshot = it->snapshot,
                                    .label_version = it->label_version};
    struct secp_secret label;
    struct buf out;
    struct locator locator;
    struct record_job job = {.record = &record, .body = body, .label = &label, .out = &out};
    bucket_label_secret(window->territory, it, &label);
    loop_random(loop, job.random, sizeof job.random);
    buf_init(&out, JOURNAL_RECORD_BYTES_MAX);
    worker_run(loop, seal_record, &job);
    secp_secret_wipe(&label);
    mem_wipe(job.random, sizeof job.random);
    err e = job.result;
    if (is_ok(e)) {
        e = append_record(window, buf_bytes(&out), deadline_ms, &locator);
    }
    size_t stored = out.len;
    buf_free(&out);
    TRY(e);
    gateway_count_journal(window->territory->gateway, stored,
                          kind == JOURNAL_COMMIT ? bucket->inline_bytes : 0);
    it->head = (struct journal_head){.hash = job.hash, .locator = locator};
    it->sequence++;
    struct index_update_record *update = &window->records[window->record_count++];
    *update =
        (struct index_update_record){.bucket = it->id, .head = it->head, .sequence = it->sequence};
    if (kind == JOURNAL_SNAPSHOT) {
        it->snapshot = locator;
        update->snapshot = locator;
        update->snapshot_cost = bucket->snapshot_cost;
        it->snapshot_cost = bucket->snapshot_cost;
    } else if (kind == JOURNAL_COMMIT) {
        update->ops = body;
    }
    return ok();
}

static void drop_records(struct window *window, struct window_bucket *bucket)
{
    bucket->it.head = (struct journal_head){0};
    bucket->it.sequence = 0;
    window->records[window->record_count++] =
        (struct index_update_record){.bucket = bucket->it.id, .clear = true};
}

err window_write_records(struct window *window, u64 deadline_ms)
{
    for (size_t i = 0; i < window->bucket_count; i++) {
        struct window_bucket *bucket = &window->buckets[i];
        if (bucket->snapshot.len > 0) {
            TRY(put_record(window, bucket, JOURNAL_SNAPSHOT, bucket->snapshot, deadline_ms));
        }
        if (bucket->envelope.len > 0) {
            TRY(put_record(window, bucket, JOURNAL_ENVELOPE, bucket->envelope, deadline_ms));
        }
        if (bucket->ops.len > 0) {
            TRY(put_record(window, bucket, JOURNAL_COMMIT, buf_bytes(&bucket->ops), deadline_ms));
        }
        if (bucket->drop) {
            drop_records(window, bucket);
        }
    }
    return ok();
}

size_t window_heads(const struct window *window, struct head_move *ret_heads)
{
    size_t count = 0;
    for (size_t i = 0; i < window->bucket_count; i++) {
        const struct window_bucket *bucket = &window->buckets[i];
        if (bucket->touched && !hash_eq(&bucket->old_head.hash, &bucket->it.head.hash)) {
            ret_heads[count++] = (struct head_move){.bucket = bucket->it.id,
                                                    .old_head = bucket->old_head.hash,
                                                    .head = bucket->it.head,
                                                    .sequence = bucket->it.sequence};
        }
    }
    return count;
}

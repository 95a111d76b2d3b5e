#include "sim/workload.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

#define OP_MS 30000
#define READ_BYTES KIB(64)
#define ARENA_BYTES MIB(4)
#define RETRY_MS 500

struct client {
    struct workload *workload;
    unsigned number;
    bool running; /* in the gateway's present process */
};

struct workload {
    struct world *world;
    struct workload_options options;
    struct promises promises;
    struct client clients[CLIENTS_MAX];
    u64 done;
    bool quiesce;
    bool has_bucket;
};

/* ---- looking ---- */

static u64 deadline_of(const struct role *gateway) { return loop_now_ms(gateway->process) + OP_MS; }

static err find_bucket(const struct role *gateway, struct index_bucket *ret_bucket)
{
    struct index_view *view;
    TRY(index_view_open(gateway_index(gateway->gateway), &view));
    err e = index_bucket_by_name(view, bytes_str(WORLD_BUCKET), ret_bucket);
    index_view_close(view);
    return e;
}

static err load_manifest(const struct role *gateway, const struct hash *bucket, const char *key,
                         struct arena *arena, bytes *ret_encoded)
{
    struct index_view *view;
    bytes encoded;
    TRY(index_view_open(gateway_index(gateway->gateway), &view));
    err e = index_object(view, bucket, bytes_str(key), &encoded);
    if (is_ok(e)) {
        *ret_encoded = arena_copy(arena, encoded);
    }
    index_view_close(view);
    return e;
}

/* What the index says of a key now; VERSION_ABSENT: there is none. */
static err look(const struct workload *workload, const struct role *gateway,
                const struct hash *bucket, const struct promise *p, struct arena *arena,
                struct manifest *ret_manifest, u64 *ret_version)
{
    bytes encoded;
    u64 version = VERSION_ABSENT;
    err e = load_manifest(gateway, bucket, p->key, arena, &encoded);
    if (is_ok(e)) {
        scenario_check(is_ok(manifest_read(ret_manifest, arena, encoded)));
        version = promises_version(&workload->promises, ret_manifest);
    } else if (!is_err(e, ERR_NOT_FOUND)) {
        return e;
    }
    promise_check(p, version);
    *ret_version = version;
    return ok();
}

/* ---- reading ---- */

static void check_bytes(u64 version, u64 offset, bytes got)
{
    static u8 expected[READ_BYTES];
    content_fill(version, offset, expected, got.len);
    if (!bytes_eq(got, bytes_make(expected, got.len))) {
        scenario_fail("wrong bytes of version %llu at %llu", (unsigned long long)version,
                      (unsigned long long)offset);
    }
}

static err drain_reader(const struct role *gateway, struct object_reader *reader, u64 version,
                        u64 offset, u64 length)
{
    u8 *piece = mem_alloc(READ_BYTES);
    size_t len = 1;
    u64 at = 0;
    err e = ok();
    while (len > 0) {
        e = object_read(reader, piece, 1 + sim_below(READ_BYTES), deadline_of(gateway), &len);
        if (!is_ok(e)) {
            break;
        }
        scenario_check(at + len <= length);
        check_bytes(version, offset + at, bytes_make(piece, len));
        at += len;
    }
    mem_free(piece);
    scenario_check(!is_ok(e) || at == length);
    return e;
}

static err read_range(const struct role *gateway, const struct hash *bucket,
                      const struct manifest *manifest, u64 version, u64 offset, u64 length)
{
    struct object_reader *reader;
    if (manifest->is_inline) {
        scenario_check(manifest->inline_data.len == manifest->size);
        check_bytes(version, offset, bytes_slice(manifest->inline_data, offset, length));
        return ok();
    }
    if (length == 0) {
        return ok();
    }
    TRY(object_open(gateway->gateway, bucket, manifest, offset, length, deadline_of(gateway),
                    &reader));
    err e = drain_reader(gateway, reader, version, offset, length);
    object_close(reader);
    return e;
}

static err read_key(const struct workload *workload, const struct role *gateway,
                    const struct promise *p, bool whole, u64 *ret_version)
{
    struct index_bucket bucket;
    struct arena arena;
    struct manifest manifest;
    TRY(find_bucket(gateway, &bucket));
    arena_init(&arena, ARENA_BYTES);
    err e = look(workload, gateway, &bucket.id, p, &arena, &manifest, ret_version);
    if (is_ok(e) && *ret_version != VERSION_ABSENT) {
        u64 offset = whole ? 0 : sim_below(manifest.size + 1);
        u64 length = whole ? manifest.size : sim_below(manifest.size - offset + 1);
        e = read_range(gateway, &bucket.id, &manifest, *ret_version, offset, length);
    }
    arena_free(&arena);
    return e;
}

/* ---- writing ---- */

struct put {
    const struct role *gateway;
    struct index_bucket bucket;
    struct arena arena;
    struct content content;
    struct manifest manifest;
    struct manifest_extent extents[3];
    char etag[VERSION_ETAG_BYTES + 1];
    struct upload *uploads[3];
    enum service_verdict verdict;
};

static err write_extent(struct put *put, struct upload *upload, u64 version, u64 offset, u64 size)
{
    u8 *piece = mem_alloc(READ_BYTES);
    err e = ok();
    for (u64 at = 0; is_ok(e) && at < size;) {
        u64 len = min_u64(1 + sim_below(READ_BYTES), size - at);
        content_fill(version, offset + at, piece, len);
        e = upload_write(upload, bytes_make(piece, len), deadline_of(put->gateway));
        at += len;
    }
    mem_free(piece);
    return e;
}

static err put_extent(struct put *put, unsigned i, u64 version, u64 offset)
{
    u64 size = put->content.sizes[i];
    TRY(upload_begin(put->gateway->gateway, &put->bucket,
                     sim_chance(1, 4) ? HTTP_UNKNOWN_LENGTH : size, deadline_of(put->gateway),
                     &put->uploads[i], &put->verdict));
    if (put->verdict != SERVICE_OK) {
        put->uploads[i] = NULL;
        return fail(ERR_REFUSED);
    }
    TRY(write_extent(put, put->uploads[i], version, offset, size));
    TRY(upload_finish(put->uploads[i], &put->arena, deadline_of(put->gateway), &put->extents[i]));
    put->extents[i].slice_offset = 0;
    put->extents[i].slice_length = put->extents[i].plain_length;
    scenario_check(put->extents[i].plain_length == size);
    return ok();
}

static err put_content(struct put *put, u64 version)
{
    struct manifest *manifest = &put->manifest;
    content_etag(version, put->etag);
    *manifest = (struct manifest){.size = put->content.size,
                                  .mtime_ms = loop_wall_ms(put->gateway->process),
                                  .etag = bytes_make(put->etag, VERSION_ETAG_BYTES),
                                  .is_inline = put->content.is_inline};
    if (put->content.is_inline) {
        u8 *data = arena_alloc(&put->arena, put->content.size + 1);
        content_fill(version, 0, data, put->content.size);
        manifest->inline_data = bytes_make(data, put->content.size);
        return ok();
    }
    u64 offset = 0;
    for (unsigned i = 0; i < put->content.count; i++) {
        TRY(put_extent(put, i, version, offset));
        offset += put->content.sizes[i];
    }
    manifest->extents = put->extents;
    manifest->extent_count = (u16)put->content.count;
    return ok();
}

static err commit(const struct role *gateway, const struct index_bucket *bucket, struct promise *p,
                  const struct journal_op *op, struct put *put)
{
    enum service_verdict verdict = SERVICE_OK;
    const struct change change = {
        .bucket = bucket,
        .ops = op,
        .op_count = 1,
        .uploads = put != NULL ? put->uploads : NULL,
        .upload_count = put == NULL || put->content.is_inline ? 0 : put->content.count,
        .wait_final = sim_chance(1, 20)};
    err e = change_commit(gateway->gateway, &change, deadline_of(gateway), &verdict);
    if (is_ok(e) && verdict == SERVICE_OK) {
        promise_keep(p);
        return ok();
    }
    /* Whether a change that was answered with a fault happened, its client cannot know. */
    promise_doubt(p);
    return is_ok(e) ? fail(ERR_REFUSED) : e;
}

static err put_version(struct put *put, struct promise *p, u64 version)
{
    struct buf encoded;
    TRY(put_content(put, version));
    buf_init(&encoded, MIB(1));
    manifest_write(&encoded, &put->manifest);
    scenario_check(is_ok(buf_done(&encoded)));
    const struct journal_op op = {.kind = JOURNAL_PUT,
                                  .key = bytes_str(p->key),
                                  .time_ms = put->manifest.mtime_ms,
                                  .value = buf_bytes(&encoded)};
    promise_begin(p, version);
    err e = commit(put->gateway, &put->bucket, p, &op, put);
    buf_free(&encoded);
    return e;
}

static err put_key(struct workload *workload, const struct role *gateway, struct promise *p)
{
    u64 version = promises_new_version(&workload->promises);
    struct put *put = MEM_NEW(struct put);
    put->gateway = gateway;
    put->content = content_of(&workload->promises, version);
    arena_init(&put->arena, ARENA_BYTES);
    err e = find_bucket(gateway, &put->bucket);
    if (is_ok(e)) {
        e = put_version(put, p, version);
    }
    for (unsigned i = 0; i < COUNT_OF(put->uploads); i++) {
        if (put->uploads[i] != NULL) {
            upload_free(put->uploads[i]);
        }
    }
    arena_free(&put->arena);
    mem_free(put);
    workload->world->counters->puts += is_ok(e);
    return e;
}

static err delete_key(struct workload *workload, const struct role *gateway, struct promise *p)
{
    struct index_bucket bucket;
    const struct journal_op op = {.kind = JOURNAL_DELETE,
                                  .key = bytes_str(p->key),
                                  .time_ms = loop_wall_ms(gateway->process)};
    TRY(find_bucket(gateway, &bucket));
    promise_begin(p, VERSION_ABSENT);
    TRY(commit(gateway, &bucket, p, &op, NULL));
    workload->world->counters->deletes++;
    return ok();
}

/* ---- a client ---- */

static err work_once(struct workload *workload, const struct role *gateway, struct promise *p)
{
    u64 draw = sim_below(20);
    u64 seen;
    u64 digest;
    if (draw < 9) {
        return put_key(workload, gateway, p);
    }
    if (draw < 12) {
        return delete_key(workload, gateway, p);
    }
    if (draw < 14) {
        struct index_bucket bucket;
        TRY(find_bucket(gateway, &bucket));
        return promises_check_listing(&workload->promises, gateway_index(gateway->gateway),
                                      &bucket.id, &digest);
    }
    TRY(read_key(workload, gateway, p, sim_chance(1, 2), &seen));
    workload->world->counters->gets++;
    return ok();
}

static bool goes_on(const struct workload *workload, const struct role *gateway)
{
    return !workload->quiesce && !gateway->stopping && !loop_stopping(gateway->process);
}

static void client_run(void *arg)
{
    struct client *client = arg;
    struct workload *workload = client->workload;
    const struct role *gateway = world_gateway(workload->world);
    struct loop *loop = gateway->process;
    while (goes_on(workload, gateway)) {
        u64 pause = sim_below(workload->options.think_max_ms + 1);
        if (!is_ok(fiber_sleep(loop, loop_now_ms(loop) + pause)) || !goes_on(workload, gateway)) {
            break;
        }
        struct promise *p =
            &workload->promises.of[client->number][sim_below(workload->options.keys)];
        err e = work_once(workload, gateway, p);
        workload->done += is_ok(e);
        if (!is_ok(e)) {
            log_info("sim", "client %u: %s: %s", client->number, p->key, err_text(e));
        }
    }
    client->running = false;
}

static err make_bucket(struct workload *workload, const struct role *gateway)
{
    struct gateway_user user = {.owner = workload->world->owner_address};
    enum service_verdict verdict = SERVICE_OK;
    TRY(bucket_create(gateway->gateway, &user, bytes_str(WORLD_BUCKET), (bytes){0},
                      deadline_of(gateway), &verdict));
    return verdict == SERVICE_OK || verdict == SERVICE_BUCKET_OWNED ? ok() : fail(ERR_REFUSED);
}

static void clients_run(void *arg)
{
    struct workload *workload = arg;
    struct role *gateway = world_gateway(workload->world);
    struct loop *loop = gateway->process;
    while (!workload->has_bucket && goes_on(workload, gateway)) {
        workload->has_bucket = is_ok(make_bucket(workload, gateway));
        IGNORE(fiber_sleep(loop, loop_now_ms(loop) + RETRY_MS)); /* ended by goes_on() */
    }
    for (unsigned i = 0; i < workload->options.clients && goes_on(workload, gateway); i++) {
        workload->clients[i].running =
            is_ok(group_start(loop, gateway->clients, "client", client_run, &workload->clients[i]));
    }
}

/* The former process is gone: what was being done in it may have happened. */
static void serving(struct role *gateway)
{
    struct workload *workload = gateway->world->workload;
    for (unsigned c = 0; c < workload->options.clients; c++) {
        workload->clients[c].running = false;
        for (unsigned k = 0; k < workload->options.keys; k++) {
            promise_doubt(&workload->promises.of[c][k]);
        }
    }
    if (!workload->quiesce) {
        IGNORE(group_start(gateway->process, gateway->clients, "clients", clients_run, workload));
    }
}

struct workload *workload_new(struct world *world, const struct workload_options *options)
{
    struct workload *workload = calloc(1, sizeof *workload);
    assert_that(workload != NULL);
    workload->world = world;
    workload->options = *options;
    promises_init(&workload->promises, options->clients, options->keys, options->large_bytes_max);
    for (unsigned i = 0; i < options->clients; i++) {
        workload->clients[i] = (struct client){.workload = workload, .number = i};
    }
    world->workload = workload;
    world->serving = serving;
    return workload;
}

void workload_quiesce(struct workload *workload) { workload->quiesce = true; }

bool workload_is_quiet(const struct workload *workload)
{
    for (unsigned i = 0; i < workload->options.clients; i++) {
        if (workload->clients[i].running) {
            return false;
        }
    }
    return workload->quiesce;
}

u64 workload_done(const struct workload *workload) { return workload->done; }

/* ---- verifying ---- */

err workload_verify(struct workload *workload, struct role *gateway, u64 *ret_digest)
{
    struct index_bucket bucket;
    TRY(find_bucket(gateway, &bucket));
    TRY(promises_check_listing(&workload->promises, gateway_index(gateway->gateway), &bucket.id,
                               ret_digest));
    for (unsigned c = 0; c < workload->options.clients; c++) {
        for (unsigned k = 0; k < workload->options.keys; k++) {
            struct promise *p = &workload->promises.of[c][k];
            u64 version;
            TRY(read_key(workload, gateway, p, true, &version));
            promise_settle(p, version);
        }
    }
    return ok();
}

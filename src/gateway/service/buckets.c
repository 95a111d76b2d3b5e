/* buckets.c: creating and deleting, on chain and in the index. */
#include "gateway/service/buckets.h"

#include "base/log.h"
#include "base/mem.h"
#include "crypto/hash.h"

#define FIRST_LABEL_VERSION 1

/* ---- the index ---- */

struct update_job {
    struct index *index;
    struct index_update update;
    err result;
};

static void update_run(void *arg)
{
    struct update_job *job = arg;
    job->result = index_apply(job->index, &job->update, NULL);
}

static err update_index(struct gateway *gateway, const struct index_update *update)
{
    struct update_job job = {.index = gateway->index, .update = *update};
    worker_run(gateway->loop, update_run, &job);
    return job.result;
}

static err find_by_name(struct gateway *gateway, bytes name, struct index_bucket *ret)
{
    struct index_view *view;
    TRY(index_view_open(gateway->index, &view));
    err e = index_bucket_by_name(view, name, ret);
    index_view_close(view);
    return e;
}

static err find_by_id(struct gateway *gateway, const struct hash *id, struct index_bucket *ret)
{
    struct index_view *view;
    TRY(index_view_open(gateway->index, &view));
    err e = index_bucket_by_id(view, id, ret);
    index_view_close(view);
    return e;
}

err bucket_adopt(struct gateway *gateway, const struct territory *territory,
                 const struct hash *bucket, const struct bucket_record *record, bytes sealed_name,
                 struct index_bucket *ret_bucket)
{
    struct index_bucket wanted = {.id = *bucket,
                                  .owner = record->owner,
                                  .territory = record->territory,
                                  .label_version = record->label_version,
                                  .created_ms = record->created * 1000,
                                  .policy = record->policy};
    if (!bucket_name_open(wanted.name, &territory->key, bucket, sealed_name)) {
        return fail(ERR_INTEGRITY);
    }
    struct index_bucket found;
    err e = find_by_id(gateway, bucket, &found);
    bool same = is_ok(e) && found.label_version == wanted.label_version &&
                found.policy == wanted.policy && found.territory == wanted.territory;
    if (!is_ok(e) && !is_err(e, ERR_NOT_FOUND)) {
        return e;
    }
    if (!same) {
        struct index_update update = {.put_bucket = &wanted};
        TRY(update_index(gateway, &update));
    }
    return find_by_id(gateway, bucket, ret_bucket);
}

err bucket_forget(struct gateway *gateway, const struct hash *bucket)
{
    struct index_bucket found;
    err e = find_by_id(gateway, bucket, &found);
    if (is_err(e, ERR_NOT_FOUND)) {
        return ok();
    }
    TRY(e);
    u64 *when = MEM_NEW(u64);
    *when = loop_now_ms(gateway->loop);
    mem_free(map_put(&gateway->gone, BYTES_OF(*bucket), when));
    struct index_update update = {.drop_bucket = bucket};
    return update_index(gateway, &update);
}

/* ---- creating ---- */

struct made_view {
    struct hash bucket;
    struct bucket_record record;
    bool found;
    u8 name[BUCKET_NAME_BYTES_MAX];
    size_t name_len;
};

static err read_made(void *ctx, const struct slot_source *slots)
{
    struct made_view *view = ctx;
    err record = bucket_load(slots, &view->bucket, &view->record, &view->found);
    err name = bucket_name(slots, &view->bucket, view->name, &view->name_len);
    TRY(record);
    return name;
}

/* adopt_made: once the head that shows it is here. */
static err adopt_made(struct gateway *gateway, const struct territory *territory,
                      const struct hash *bucket, u64 deadline_ms, struct index_bucket *ret_bucket)
{
    struct made_view *view = MEM_NEW(struct made_view);
    view->bucket = *bucket;
    err e = chain_view(gateway->chain, read_made, view, deadline_ms);
    if (is_ok(e) && (!view->found || view->record.removed)) {
        e = fail(ERR_NOT_FOUND);
    }
    if (is_ok(e)) {
        e = bucket_adopt(gateway, territory, bucket, &view->record,
                         bytes_make(view->name, view->name_len), ret_bucket);
    }
    mem_free(view);
    return e;
}

static err send_create(struct gateway *gateway, const struct territory *territory, bytes name,
                       const struct hash *salt, u64 deadline_ms, struct hash *ret_bucket)
{
    u8 nonce[24];
    u8 sealed[SEALED_BUCKET_NAME_BYTES];
    struct secp_secret secret;
    struct secp_public label;
    struct arena arena;
    struct chain_receipt receipt;
    bucket_id(ret_bucket, &territory->owner, salt);
    loop_random(gateway->loop, nonce, sizeof nonce);
    bucket_name_seal(sealed, &territory->key, ret_bucket, name, nonce);
    label_secret_derive(&secret, &territory->key, ret_bucket, FIRST_LABEL_VERSION);
    secp_public_of(&label, &secret);
    secp_secret_wipe(&secret);
    const struct abi_value args[] = {
        abi_address(&territory->owner), abi_hash(salt),
        abi_u64(territory->id),         abi_bytes(BYTES_OF(sealed)),
        abi_bytes(BYTES_OF(label)),     abi_u64(0),
    };
    arena_init(&arena, CALL_ARENA_BYTES);
    err e = ledger_send(gateway, MODULE_BUCKET, BUCKET_CREATE, args, &arena, deadline_ms, &receipt);
    arena_free(&arena);
    return e;
}

/* create: on chain and then here. */
static err create(struct gateway *gateway, const struct territory *territory, bytes name,
                  const struct hash *salt, u64 deadline_ms, struct index_bucket *ret_bucket)
{
    struct hash bucket;
    TRY(send_create(gateway, territory, name, salt, deadline_ms, &bucket));
    return adopt_made(gateway, territory, &bucket, deadline_ms, ret_bucket);
}

/* ---- which one ---- */

#define ROUNDS_PER_VIEW 8
#define ROUNDS_MAX 4096

/* Where a bucket of some name is on the ledger, or would be. */
struct place_view {
    struct address owner;
    struct territory_key key;
    bytes name;
    u32 first; /* round */
    struct hash salts[ROUNDS_PER_VIEW];
    struct hash ids[ROUNDS_PER_VIEW];
    struct bucket_record records[ROUNDS_PER_VIEW];
    bool found[ROUNDS_PER_VIEW];
};

static err read_places(void *ctx, const struct slot_source *slots)
{
    struct place_view *view = ctx;
    err first_fault = ok();
    for (u32 i = 0; i < ROUNDS_PER_VIEW; i++) {
        err e = bucket_load(slots, &view->ids[i], &view->records[i], &view->found[i]);
        first_fault = is_ok(first_fault) ? e : first_fault;
    }
    return first_fault;
}

/* *ret_i: the first round whose bucket is there, or free. */
static err look_for_place(struct gateway *gateway, struct place_view *view, u64 deadline_ms,
                          u32 *ret_i)
{
    for (view->first = 0; view->first < ROUNDS_MAX; view->first += ROUNDS_PER_VIEW) {
        for (u32 i = 0; i < ROUNDS_PER_VIEW; i++) {
            bucket_salt(&view->salts[i], &view->key, view->name, view->first + i);
            bucket_id(&view->ids[i], &view->owner, &view->salts[i]);
        }
        TRY(chain_view(gateway->chain, read_places, view, deadline_ms));
        for (u32 i = 0; i < ROUNDS_PER_VIEW; i++) {
            if (!view->found[i] || !view->records[i].removed) {
                *ret_i = i;
                return ok();
            }
        }
    }
    return fail(ERR_LIMIT);
}

/* create_once: a bucket that an earlier attempt left on the ledger is taken over, so that there are
 * never two. One that has content came from another gateway: it will be shown when it was read. */
static err create_once(struct gateway *gateway, const struct territory *territory, bytes name,
                       u64 deadline_ms, enum service_verdict *ret_verdict)
{
    struct place_view *view = MEM_NEW(struct place_view);
    struct index_bucket made;
    u32 i = 0;
    view->owner = territory->owner;
    view->key = territory->key;
    view->name = name;
    err e = look_for_place(gateway, view, deadline_ms, &i);
    *ret_verdict = SERVICE_OK;
    if (is_ok(e) && !view->found[i]) {
        e = create(gateway, territory, name, &view->salts[i], deadline_ms, &made);
    } else if (is_ok(e) && hash_is_zero(&view->records[i].head.hash)) {
        e = adopt_made(gateway, territory, &view->ids[i], deadline_ms, &made);
    } else if (is_ok(e)) {
        *ret_verdict = SERVICE_BUCKET_OWNED;
    }
    mem_wipe(view, sizeof *view);
    mem_free(view);
    return e;
}

/* ---- territories of an owner ---- */

static struct territory *default_territory(const struct gateway *gateway,
                                           const struct address *owner)
{
    struct territory *any = NULL;
    map_each (it, &gateway->territories) {
        struct territory *territory = it->value;
        if (!address_eq(&territory->owner, owner) || !territory->usable) {
            continue;
        }
        if (territory->is_default) {
            return territory;
        }
        any = any == NULL || territory->id < any->id ? territory : any;
    }
    return any;
}

static struct territory *named_territory(const struct gateway *gateway, const struct address *owner,
                                         bytes name)
{
    u64 id;
    if (name.len == 0) {
        return default_territory(gateway, owner);
    }
    struct territory *territory = parse_u64(&id, name) ? territory_get(gateway, id) : NULL;
    return territory != NULL && address_eq(&territory->owner, owner) ? territory : NULL;
}

err system_bucket(struct gateway *gateway, const struct address *owner, u64 deadline_ms,
                  struct index_bucket *ret_bucket)
{
    struct hash salt;
    struct hash id;
    system_bucket_salt(&salt);
    bucket_id(&id, owner, &salt);
    err e = find_by_id(gateway, &id, ret_bucket);
    if (!is_err(e, ERR_NOT_FOUND)) {
        return e;
    }
    struct territory *territory = default_territory(gateway, owner);
    if (territory == NULL) {
        return fail(ERR_NOT_FOUND);
    }
    e = adopt_made(gateway, territory, &id, deadline_ms, ret_bucket);
    if (is_err(e, ERR_NOT_FOUND)) {
        e = create(gateway, territory, bytes_str(SYSTEM_BUCKET_NAME), &salt, deadline_ms,
                   ret_bucket);
    }
    return e;
}

/* ---- the calls ---- */

static err name_is_taken(struct gateway *gateway, const struct gateway_user *user, bytes name,
                         enum service_verdict *ret_verdict)
{
    struct index_bucket found;
    err e = find_by_name(gateway, name, &found);
    if (is_ok(e)) {
        *ret_verdict =
            address_eq(&found.owner, &user->owner) ? SERVICE_BUCKET_OWNED : SERVICE_BUCKET_EXISTS;
        return ok();
    }
    *ret_verdict = map_get(&gateway->creating, name) != NULL ? SERVICE_CONFLICT : SERVICE_OK;
    return is_err(e, ERR_NOT_FOUND) ? ok() : e;
}

static enum service_verdict verdict_of(err e)
{
    return is_err(e, ERR_REFUSED)    ? SERVICE_ACCESS_DENIED
           : is_err(e, ERR_NO_SPACE) ? SERVICE_NO_SPACE
                                     : SERVICE_UNAVAILABLE;
}

err bucket_create(struct gateway *gateway, const struct gateway_user *user, bytes name,
                  bytes territory_name, u64 deadline_ms, enum service_verdict *ret_verdict)
{
    if (name.len == 0 || name.len > BUCKET_NAME_CHARS_MAX || name.data[0] == '.') {
        return fail(ERR_USAGE);
    }
    TRY(name_is_taken(gateway, user, name, ret_verdict));
    if (*ret_verdict != SERVICE_OK) {
        return ok();
    }
    struct territory *territory = named_territory(gateway, &user->owner, territory_name);
    if (territory == NULL && territory_name.len > 0) {
        return fail(ERR_NOT_FOUND);
    }
    if (territory == NULL || (territory->scope & SCOPE_CREATE) == 0) {
        *ret_verdict = SERVICE_ACCESS_DENIED;
        return ok();
    }
    if (gateway->closing || gateway->draining || !gateway->ready) {
        *ret_verdict = SERVICE_UNAVAILABLE;
        return ok();
    }
    (void)map_put(&gateway->creating, name, territory);
    err e = create_once(gateway, territory, name, deadline_ms, ret_verdict);
    (void)map_remove(&gateway->creating, name);
    if (is_err(e, ERR_CANCELLED)) {
        return e;
    }
    *ret_verdict = is_ok(e) ? *ret_verdict : verdict_of(e);
    return ok();
}

static err send_remove(struct gateway *gateway, const struct hash *bucket, u64 deadline_ms)
{
    struct arena arena;
    struct chain_receipt receipt;
    const struct abi_value args[] = {abi_hash(bucket)};
    arena_init(&arena, CALL_ARENA_BYTES);
    err e = ledger_send(gateway, MODULE_BUCKET, BUCKET_REMOVE, args, &arena, deadline_ms, &receipt);
    arena_free(&arena);
    return e;
}

/* empty_head: the journal's head goes to zero if the bucket is empty at that moment. */
static err empty_head(struct territory *territory, const struct hash *bucket, u64 deadline_ms,
                      enum service_verdict *ret_verdict)
{
    struct commit_request *request = commit_request_new();
    request->bucket = *bucket;
    request->drop = true;
    request->wait_final = true;
    return commit_run(territory, request, deadline_ms, ret_verdict);
}

static err delete_steps(struct gateway *gateway, struct territory *territory,
                        const struct index_bucket *bucket, u64 deadline_ms,
                        enum service_verdict *ret_verdict)
{
    TRY(empty_head(territory, &bucket->id, deadline_ms, ret_verdict));
    if (*ret_verdict != SERVICE_OK) {
        return ok();
    }
    err e = send_remove(gateway, &bucket->id, deadline_ms);
    if (is_ok(e)) {
        e = bucket_forget(gateway, &bucket->id);
    }
    if (is_err(e, ERR_CANCELLED)) {
        return e;
    }
    *ret_verdict = is_ok(e) ? SERVICE_OK : verdict_of(e);
    return ok();
}

err bucket_delete(struct gateway *gateway, const struct gateway_user *user, bytes name,
                  u64 deadline_ms, enum service_verdict *ret_verdict)
{
    struct index_bucket bucket;
    err e = find_by_name(gateway, name, &bucket);
    if (is_err(e, ERR_NOT_FOUND)) {
        *ret_verdict = SERVICE_NO_SUCH_BUCKET;
        return ok();
    }
    TRY(e);
    struct territory *territory = territory_get(gateway, bucket.territory);
    bool allowed = territory != NULL && address_eq(&bucket.owner, &user->owner) &&
                   (territory->scope & SCOPE_REMOVE) != 0 && (territory->scope & SCOPE_WRITE) != 0;
    if (!allowed) {
        *ret_verdict = SERVICE_ACCESS_DENIED;
        return ok();
    }
    if (bucket.object_count != 0) {
        *ret_verdict = SERVICE_BUCKET_NOT_EMPTY;
        return ok();
    }
    if (gateway->closing || gateway->draining) {
        *ret_verdict = SERVICE_UNAVAILABLE;
        return ok();
    }
    if (map_get(&territory->dropping, BYTES_OF(bucket.id)) != NULL) {
        *ret_verdict = SERVICE_CONFLICT;
        return ok();
    }
    (void)map_put(&territory->dropping, BYTES_OF(bucket.id), territory);
    e = delete_steps(gateway, territory, &bucket, deadline_ms, ret_verdict);
    (void)map_remove(&territory->dropping, BYTES_OF(bucket.id));
    return e;
}

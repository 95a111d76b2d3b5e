/* accounts.c: what the system bucket of an owner has: S3 users, as documents "user/ACCESSKEY", and
 * the envelope of his master key. */
#include "gateway/service/buckets.h"

#include "base/log.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "gateway/journal/kinds.h"

#define USER_VERSION 1
#define USER_BYTES_MAX 2048

static void user_write(struct buf *out, const struct gateway_user *user)
{
    write_head(out, KIND_USER, USER_VERSION);
    write_str16(out, bytes_str(user->id));
    write_str16(out, bytes_str(user->display_name));
    write_str16(out, bytes_str(user->email));
    write_str16(out, bytes_str(user->tenant));
    write_str16(out, bytes_str(user->access_key));
    write_str16(out, bytes_str(user->secret_key));
}

static void read_text(struct reader *in, char *out, size_t cap)
{
    bytes text = read_str16(in, cap - 1);
    if (text.len > 0 && memchr(text.data, 0, text.len) != NULL) {
        in->failed = true;
    }
    memcpy(out, text.data != NULL ? text.data : (const u8 *)"", text.len);
    out[text.len] = '\0';
}

err gateway_user_read(struct gateway_user *ret_user, const struct address *owner, bytes in)
{
    struct reader reader;
    struct gateway_user user = {.owner = *owner};
    reader_init(&reader, in);
    read_head(&reader, KIND_USER, USER_VERSION);
    read_text(&reader, user.id, sizeof user.id);
    read_text(&reader, user.display_name, sizeof user.display_name);
    read_text(&reader, user.email, sizeof user.email);
    read_text(&reader, user.tenant, sizeof user.tenant);
    read_text(&reader, user.access_key, sizeof user.access_key);
    read_text(&reader, user.secret_key, sizeof user.secret_key);
    TRY(reader_done(&reader));
    *ret_user = user;
    mem_wipe(&user, sizeof user);
    return ok();
}

/* name_of: false: no access key of ours is that long. */
static bool name_of(char out[JOURNAL_CONFIG_NAME_BYTES_MAX], bytes access_key, bytes *ret_name)
{
    size_t prefix = sizeof USER_NAME_PREFIX - 1;
    if (access_key.len == 0 || access_key.len >= sizeof((struct gateway_user *)0)->access_key) {
        return false;
    }
    memcpy(out, USER_NAME_PREFIX, prefix);
    memcpy(out + prefix, access_key.data, access_key.len);
    *ret_name = bytes_make(out, prefix + access_key.len);
    return true;
}

struct search {
    struct index_view *view;
    bytes name;
    struct gateway_user *user;
    bool found;
};

static err look_in(void *ctx, const struct index_bucket *bucket)
{
    struct search *search = ctx;
    bytes document;
    if (search->found) {
        return ok();
    }
    err e = index_config(search->view, &bucket->id, search->name, &document);
    if (is_err(e, ERR_NOT_FOUND)) {
        return ok();
    }
    TRY(e);
    TRY(gateway_user_read(search->user, &bucket->owner, document));
    search->found = true;
    return ok();
}

err gateway_user_find(struct gateway *gateway, bytes access_key, struct gateway_user *ret_user)
{
    char name[JOURNAL_CONFIG_NAME_BYTES_MAX];
    struct search search = {.user = ret_user};
    if (!name_of(name, access_key, &search.name)) {
        return fail(ERR_NOT_FOUND);
    }
    TRY(index_view_open(gateway->index, &search.view));
    err e = index_system_each(search.view, look_in, &search);
    index_view_close(search.view);
    TRY(e);
    return search.found ? ok() : fail(ERR_NOT_FOUND);
}

static err fault_of(enum service_verdict verdict)
{
    switch (verdict) {
    case SERVICE_OK:
        return ok();
    case SERVICE_NO_SPACE:
        return fail(ERR_NO_SPACE);
    case SERVICE_SLOW_DOWN:
    case SERVICE_UNAVAILABLE:
    case SERVICE_NO_PROVIDERS:
        return fail(ERR_BUSY);
    case SERVICE_NO_SUCH_BUCKET:
    case SERVICE_NO_SUCH_KEY:
    case SERVICE_NO_SUCH_UPLOAD:
    case SERVICE_BUCKET_EXISTS:
    case SERVICE_BUCKET_OWNED:
    case SERVICE_BUCKET_NOT_EMPTY:
    case SERVICE_PRECONDITION_FAILED:
    case SERVICE_CONFLICT:
    case SERVICE_QUOTA_EXCEEDED:
    case SERVICE_ACCESS_DENIED:
        return fail(ERR_REFUSED);
    }
    unreachable_case();
}

/* put_document: answered when it is durable. */
static err put_document(struct gateway *gateway, const struct index_bucket *bucket, bytes name,
                        bytes document, u64 deadline_ms)
{
    struct journal_op op = {.kind = JOURNAL_CONFIG,
                            .key = name,
                            .time_ms = loop_wall_ms(gateway->loop),
                            .value = document};
    struct change change = {.bucket = bucket, .ops = &op, .op_count = 1};
    enum service_verdict verdict;
    TRY(change_commit(gateway, &change, deadline_ms, &verdict));
    return fault_of(verdict);
}

static bool texts_fit(const struct gateway_user *user)
{
    const struct {
        const char *text;
        size_t cap;
    } texts[] = {{user->id, sizeof user->id},
                 {user->display_name, sizeof user->display_name},
                 {user->email, sizeof user->email},
                 {user->tenant, sizeof user->tenant},
                 {user->access_key, sizeof user->access_key},
                 {user->secret_key, sizeof user->secret_key}};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        if (memchr(texts[i].text, 0, texts[i].cap) == NULL) {
            return false;
        }
    }
    return user->access_key[0] != '\0' && user->secret_key[0] != '\0' && user->id[0] != '\0';
}

err gateway_user_add(struct gateway *gateway, const struct gateway_user *user, u64 deadline_ms)
{
    char name[JOURNAL_CONFIG_NAME_BYTES_MAX];
    struct gateway_user other;
    struct index_bucket bucket;
    struct buf document;
    bytes key;
    if (!texts_fit(user) || !name_of(name, bytes_str(user->access_key), &key)) {
        return fail(ERR_USAGE);
    }
    err e = gateway_user_find(gateway, bytes_str(user->access_key), &other);
    mem_wipe(&other, sizeof other);
    if (!is_err(e, ERR_NOT_FOUND)) {
        return is_ok(e) ? fail(ERR_EXISTS) : e;
    }
    TRY(system_bucket(gateway, &user->owner, deadline_ms, &bucket));
    buf_init(&document, USER_BYTES_MAX);
    user_write(&document, user);
    e = buf_done(&document);
    if (is_ok(e)) {
        e = put_document(gateway, &bucket, key, buf_bytes(&document), deadline_ms);
    }
    if (document.data != NULL) {
        mem_wipe(document.data, document.cap);
    }
    buf_free(&document);
    return e;
}

/* ---- the envelope ---- */

err gateway_envelope_find(struct gateway *gateway, const struct address *owner,
                          struct envelope *ret_envelope)
{
    struct hash salt;
    struct hash id;
    struct index_view *view;
    bytes document;
    system_bucket_salt(&salt);
    bucket_id(&id, owner, &salt);
    TRY(index_view_open(gateway->index, &view));
    err e = index_config(view, &id, bytes_str(ENVELOPE_NAME), &document);
    if (is_ok(e) && document.len != sizeof ret_envelope->b) {
        e = fail(ERR_NOT_FOUND);
    }
    if (is_ok(e)) {
        memcpy(ret_envelope->b, document.data, document.len);
    }
    index_view_close(view);
    return e;
}

/* put_envelope: the record in clear and the document, together. */
static err put_envelope(struct gateway *gateway, const struct index_bucket *bucket, bytes envelope,
                        u64 deadline_ms)
{
    struct territory *territory = territory_get(gateway, bucket->territory);
    struct journal_op op = {.kind = JOURNAL_CONFIG,
                            .key = bytes_str(ENVELOPE_NAME),
                            .time_ms = loop_wall_ms(gateway->loop),
                            .value = envelope};
    struct change change = {.bucket = bucket, .ops = &op, .op_count = 1};
    enum service_verdict verdict;
    if (territory == NULL || (territory->scope & SCOPE_WRITE) == 0) {
        return fail(ERR_REFUSED);
    }
    if (gateway->closing || !territory->usable) {
        return fail(ERR_BUSY);
    }
    struct commit_request *request = commit_request_new();
    request->change = &change;
    request->bucket = bucket->id;
    request->envelope = envelope;
    TRY(commit_run(territory, request, deadline_ms, &verdict));
    return fault_of(verdict);
}

err gateway_envelope_put(struct gateway *gateway, const struct address *owner, bytes envelope,
                         u64 deadline_ms)
{
    struct envelope found;
    struct index_bucket bucket;
    if (!envelope_valid(envelope)) {
        return fail(ERR_MALFORMED);
    }
    err e = gateway_envelope_find(gateway, owner, &found);
    if (is_ok(e) && bytes_eq(BYTES_OF(found), envelope)) {
        return ok();
    }
    if (!is_ok(e) && !is_err(e, ERR_NOT_FOUND)) {
        return e;
    }
    TRY(system_bucket(gateway, owner, deadline_ms, &bucket));
    return put_envelope(gateway, &bucket, envelope, deadline_ms);
}

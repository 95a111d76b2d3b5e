/* delete.c: DeleteObject and DeleteObjects. Deleting what is absent succeeds. */
#include "gateway/front/front.h"

static struct journal_op delete_op(struct front_call *call, bytes key)
{
    return (struct journal_op){.kind = JOURNAL_DELETE, .key = key, .time_ms = front_now_ms(call)};
}

static enum s3_code delete_key(struct front_call *call, const struct index_bucket *bucket,
                               bytes key, const struct s3_conditions *conditions)
{
    struct front_object object;
    bool exists;
    S3_TRY(front_object_find(call, &bucket->id, key, &object, &exists));
    struct s3_current current = front_current(&object, exists);
    S3_TRY(s3_conditions_delete(conditions, &current, &call->error));
    if (!exists) {
        return S3_OK;
    }
    struct journal_op op = delete_op(call, key);
    struct front_change change = {
        .bucket = bucket, .ops = &op, .op_count = 1, .conditions = conditions, .is_delete = true};
    return front_commit(call, &change);
}

enum s3_code front_delete_object(struct front_call *call)
{
    struct index_bucket bucket;
    struct s3_conditions conditions;
    S3_TRY(front_bucket(call, &bucket));
    S3_TRY(s3_conditions_parse(&call->request, call->now_s, &conditions, &call->error));
    S3_TRY(front_version_check(call, call->request.version_id));
    S3_TRY(delete_key(call, &bucket, call->request.key, &conditions));
    return front_reply_empty(call, 204);
}

/* ---- many ---- */

struct batch {
    struct front_call *call;
    const struct index_bucket *bucket;
    const struct s3_delete *wanted;
    struct s3_delete_outcome *outcomes;
    struct journal_op *ops;
    size_t op_count;
};

static void note(struct batch *batch, size_t i, enum s3_code code)
{
    struct s3_error *error = &batch->call->error;
    batch->outcomes[i].code = code;
    batch->outcomes[i].message = code != S3_OK ? s3_error_message(error) : NULL;
    s3_error_init(error, batch->call->arena);
}

static enum s3_code check_item(struct batch *batch, const struct s3_delete_item *item)
{
    S3_TRY(s3_key_check(item->key, &batch->call->error));
    return front_version_check(batch->call, item->version_id);
}

/* sort_out: keys that cannot be deleted get their refusal, conditional ones are done alone, the
 * others become one change. */
static void sort_out(struct batch *batch)
{
    for (size_t i = 0; i < batch->wanted->count; i++) {
        const struct s3_delete_item *item = &batch->wanted->items[i];
        batch->outcomes[i] =
            (struct s3_delete_outcome){.key = item->key, .version_id = item->version_id};
        enum s3_code code = check_item(batch, item);
        if (code == S3_OK && front_conditions_any(&item->conditions)) {
            code = delete_key(batch->call, batch->bucket, item->key, &item->conditions);
        } else if (code == S3_OK) {
            batch->ops[batch->op_count++] = delete_op(batch->call, item->key);
        }
        note(batch, i, code);
    }
}

static enum s3_code run_batch(struct batch *batch)
{
    sort_out(batch);
    if (batch->op_count == 0) {
        return S3_OK;
    }
    struct front_change change = {
        .bucket = batch->bucket, .ops = batch->ops, .op_count = batch->op_count};
    return front_commit(batch->call, &change);
}

static enum s3_code read_delete(struct front_call *call, struct s3_delete *ret_delete)
{
    struct s3_integrity declared;
    bytes body;
    S3_TRY(front_read_xml(call, &body, &declared));
    S3_TRY(s3_integrity_require(&declared, &call->error));
    return s3_body_delete(call->arena, body, call->now_s, ret_delete, &call->error);
}

enum s3_code front_delete_objects(struct front_call *call)
{
    struct index_bucket bucket;
    struct s3_delete wanted;
    struct buf xml;
    S3_TRY(front_bucket(call, &bucket));
    S3_TRY(read_delete(call, &wanted));
    struct batch batch = {.call = call, .bucket = &bucket, .wanted = &wanted};
    batch.outcomes = ARENA_ARRAY(call->arena, struct s3_delete_outcome, wanted.count);
    batch.ops = ARENA_ARRAY(call->arena, struct journal_op, wanted.count);
    if (batch.outcomes == NULL || batch.ops == NULL) {
        return s3_refuse(&call->error, S3_ERR_SLOW_DOWN);
    }
    S3_TRY(run_batch(&batch));
    front_xml_init(&xml);
    s3_reply_delete(&xml, batch.outcomes, wanted.count, wanted.quiet);
    return front_reply_xml(call, &xml);
}

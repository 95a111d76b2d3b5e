#include "storage/index.h"

#include "base/list.h"
#include "base/mem.h"

struct index {
    struct loop *loop;
    struct kv *kv;
    struct list queue; /* of index_op, waiting for the next batch */
    bool busy;         /* somebody leads */
    u64 commits;
};

struct index_op {
    struct list node;
    index_fn *fn;
    void *arg;
    err result;
    bool lead; /* woken to lead the next batch, of which it is the first */
    /* One member, which is the leader's promise to wake us: unlike an event, waiting for a group is
     * not cut short when the loop stops, and the leader uses our stack until then. */
    struct group answered;
};

struct index_batch {
    struct kv *kv;
    struct index_op *ops[INDEX_BATCH_MAX];
    size_t count;
};

err index_open(struct loop *loop, const char *dir, u64 size_max_bytes, struct index **ret_index)
{
    const struct kv_options options = {.table_count = INDEX_TABLES,
                                       .size_max_bytes = size_max_bytes};
    struct kv *kv;
    TRY(kv_open(dir, &options, &kv));
    struct index *index = MEM_NEW(struct index);
    index->loop = loop;
    index->kv = kv;
    list_init(&index->queue);
    *ret_index = index;
    return ok();
}

void index_close(struct index *index)
{
    if (index != NULL) {
        kv_close(index->kv);
        mem_free(index);
    }
}

static void fail_batch(struct index_batch *batch, err e)
{
    for (size_t i = 0; i < batch->count; i++) {
        if (is_ok(batch->ops[i]->result)) {
            batch->ops[i]->result = e;
        }
    }
}

static void run_batch(void *arg)
{
    struct index_batch *batch = arg;
    struct kv_txn *txn;
    err e = kv_begin_write(batch->kv, &txn);
    if (is_ok(e)) {
        for (size_t i = 0; i < batch->count; i++) {
            batch->ops[i]->result = batch->ops[i]->fn(txn, batch->ops[i]->arg);
        }
        e = kv_commit(txn);
    }
    if (!is_ok(e)) {
        fail_batch(batch, e);
    }
}

static struct index_op *pop(struct index *index)
{
    struct index_op *op = list_entry(index->queue.next, struct index_op, node);
    list_remove(&op->node);
    return op;
}

static void answer(struct index_op *op)
{
    op->answered.running = 0;
    event_wake_all(&op->answered.changed);
}

static void lead(struct index *index, struct index_op *own)
{
    struct index_batch batch = {.kv = index->kv, .ops = {own}, .count = 1};
    while (!list_empty(&index->queue) && batch.count < INDEX_BATCH_MAX) {
        batch.ops[batch.count++] = pop(index);
    }
    worker_run(index->loop, run_batch, &batch);
    index->commits++;
    for (size_t i = 1; i < batch.count; i++) {
        answer(batch.ops[i]);
    }
    if (list_empty(&index->queue)) {
        index->busy = false;
        return;
    }
    struct index_op *next = pop(index);
    next->lead = true;
    answer(next);
}

err index_write(struct index *index, index_fn *fn, void *arg)
{
    struct index_op op = {.fn = fn, .arg = arg};
    if (index->busy) {
        group_init(&op.answered);
        op.answered.running = 1;
        list_push_back(&index->queue, &op.node);
        group_wait(index->loop, &op.answered);
        if (!op.lead) {
            return op.result;
        }
    }
    index->busy = true;
    lead(index, &op);
    return op.result;
}

err index_read(struct index *index, index_fn *fn, void *arg)
{
    struct kv_txn *txn;
    TRY(kv_begin_read(index->kv, &txn));
    err e = fn(txn, arg);
    kv_abort(txn);
    return e;
}

struct index_query {
    struct index *index;
    index_fn *fn;
    void *arg;
    err result;
};

static void run_query(void *arg)
{
    struct index_query *query = arg;
    query->result = index_read(query->index, query->fn, query->arg);
}

err index_read_worker(struct index *index, index_fn *fn, void *arg)
{
    struct index_query query = {.index = index, .fn = fn, .arg = arg};
    worker_run(index->loop, run_query, &query);
    return query.result;
}

u64 index_commits(const struct index *index) { return index->commits; }

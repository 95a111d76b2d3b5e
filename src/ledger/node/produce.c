/* produce.c: makes blocks: the host of the consensus engine. */
#include "base/assert.h"
#include "base/log.h"
#include "ledger/node/internal.h"

/* One step on a worker thread. */
struct job {
    struct node *node;
    u64 height;  /* preparing */
    u64 time_ms; /* preparing */
    struct hash txs_root;
    size_t tx_count;
    err e;
};

static void prepare_block(void *arg)
{
    struct job *job = arg;
    struct node *node = job->node;
    const struct app_prepare request = {
        .height = job->height,
        .time_ms = job->time_ms,
        .proposer = node->engine.options.seats.items[0],
        .bytes_max = APP_TXS_BYTES_MAX,
    };
    struct block_txs txs;
    job->e = app_table()->prepare_proposal(node->app, &request, &node->block, &txs);
    if (is_ok(job->e)) {
        node->decided.txs = txs;
        job->e = block_txs_root(&txs, &job->txs_root);
    }
}

static void log_block(void *arg)
{
    struct job *job = arg;
    job->e = wal_write(job->node->wal, &job->node->decided);
}

static err finalize(struct node *node, size_t *ret_tx_count)
{
    struct app_finalized finalized;
    enum app_verdict verdict;
    TRY(app_table()->finalize_block(node->app, &node->decided, &finalized, &verdict));
    if (verdict != APP_ACCEPT) {
        log_error("node", "the decided block %llu cannot be executed (verdict %d)",
                  (unsigned long long)node->decided.header.height, (int)verdict);
        return fail(ERR_INTEGRITY);
    }
    *ret_tx_count = finalized.tx_count;
    return app_table()->commit(node->app);
}

static void execute_block(void *arg)
{
    struct job *job = arg;
    job->e = finalize(job->node, &job->tx_count);
}

/* While a worker has the application, no RPC call touches it. */
static err run_exclusively(struct job *job, worker_fn *fn)
{
    struct node *node = job->node;
    rpc_pause(node->rpc);
    worker_run(node->loop, fn, job);
    rpc_resume(node->rpc);
    return job->e;
}

/* --- effects --- */

static err do_prepare(struct node *node, const struct single_effect *effect,
                      struct single_event *ret_event)
{
    struct job job = {.node = node, .height = effect->height, .time_ms = effect->time_ms};
    arena_free(&node->block);
    TRY(run_exclusively(&job, prepare_block));
    *ret_event = (struct single_event){.kind = SINGLE_EV_PREPARED, .txs_root = job.txs_root};
    return ok();
}

static err do_log(struct node *node, const struct single_effect *effect,
                  struct single_event *ret_event)
{
    struct job job = {.node = node};
    node->decided.header = effect->header;
    node->decided.certificate = effect->certificate;
    worker_run(node->loop, log_block, &job);
    *ret_event = (struct single_event){.kind = SINGLE_EV_LOGGED};
    return job.e;
}

static struct single_head head_of(const struct app_info *info)
{
    return (struct single_head){.height = info->height,
                                .time_ms = info->time_ms,
                                .id = info->consensus_id,
                                .block_hash = info->app_hash,
                                .params_hash = info->params_hash};
}

static err do_execute(struct node *node, const struct single_effect *effect,
                      struct single_event *ret_event)
{
    struct job job = {.node = node};
    u64 begin_ms = loop_now_ms(node->loop);
    assert_that(node->decided.header.height == effect->height);
    TRY(run_exclusively(&job, execute_block));
    struct app_info info = app_info_now(node->app);
    node->last_commit_ms = loop_now_ms(node->loop);
    node->status.txs += job.tx_count;
    node->status.last_block_ms = node->last_commit_ms - begin_ms;
    node_note_head(node);
    rpc_advanced(node->rpc);
    node_snapshot_due(node);
    log_debug("node", "block %llu with %zu transactions in %llu ms",
              (unsigned long long)info.height, job.tx_count,
              (unsigned long long)node->status.last_block_ms);
    *ret_event = (struct single_event){.kind = SINGLE_EV_COMMITTED,
                                       .transactions_waiting = pool_waiting(app_pool(node->app)),
                                       .head = head_of(&info)};
    return ok();
}

/* Until the engine's deadline, or until a transaction comes. */
static err do_wait(struct node *node, struct single_event *ret_event)
{
    err e = event_wait(node->loop, &node->wake, single_deadline(&node->engine));
    if (!is_ok(e) && !is_err(e, ERR_TIMEOUT)) {
        return e;
    }
    *ret_event = (struct single_event){.kind = SINGLE_EV_WAITING,
                                       .transactions_waiting = pool_waiting(app_pool(node->app))};
    return ok();
}

static err do_effect(struct node *node, const struct single_effect *effect,
                     struct single_event *ret_event)
{
    switch (effect->kind) {
    case SINGLE_FX_NONE:
        return do_wait(node, ret_event);
    case SINGLE_FX_PREPARE:
        return do_prepare(node, effect, ret_event);
    case SINGLE_FX_LOG:
        return do_log(node, effect, ret_event);
    case SINGLE_FX_EXECUTE:
        return do_execute(node, effect, ret_event);
    }
    unreachable_case();
}

void node_produce(void *arg)
{
    struct node *node = arg;
    struct single_event event = {.kind = SINGLE_EV_TIME};
    err e = ok();
    while (is_ok(e) && !node->stopping && !loop_stopping(node->loop)) {
        event.mono_ms = loop_now_ms(node->loop);
        event.wall_ms = loop_wall_ms(node->loop);
        struct single_effect effect = single_step(&node->engine, &event);
        e = do_effect(node, &effect, &event);
    }
    if (!is_ok(e) && !is_err(e, ERR_CANCELLED)) {
        log_error("node", "cannot go on at height %llu: %s",
                  (unsigned long long)node->status.height, err_text(e));
        node->fault = e;
        event_wake_all(&node->ended);
    }
}

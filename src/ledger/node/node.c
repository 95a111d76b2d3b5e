#include "ledger/node/node.h"

#include "base/log.h"
#include "base/mem.h"
#include "ledger/modules/modules.h"
#include "ledger/node/internal.h"
#include "os/file.h"

#define STATE_DIR "state"
#define LOG_FILE "decided"
#define CLIENT_VERSION "cairn/0.1.0"
#define LATE_MS 10000 /* without a block beyond the interval: not ready */
#define WAL_ARENA_BYTES (4 * WAL_SLOT_BYTES + MIB(4))

/* --- watching --- */

void node_note_head(struct node *node)
{
    struct app_info info = app_info_now(node->app);
    node->status.height = info.height;
    node->status.time_ms = info.time_ms;
    node->status.block_hash = info.app_hash;
    pool_counts(app_pool(node->app), &node->status.pool_ready, &node->status.pool_queued);
}

static void metrics_init(struct node_metrics *m)
{
    m->height = metrics_gauge(&m->all, "cairn_node_height", "height of the last block");
    m->txs = metrics_counter(&m->all, "cairn_node_transactions", "transactions included");
    m->pool_ready = metrics_gauge(&m->all, "cairn_node_pool_ready", "transactions that wait");
    m->pool_queued =
        metrics_gauge(&m->all, "cairn_node_pool_queued", "transactions behind a nonce gap");
    m->block_ms = metrics_gauge(&m->all, "cairn_node_block_ms",
                                "time to execute and commit the last block, milliseconds");
    m->rpc_calls = metrics_counter(&m->all, "cairn_rpc_calls", "JSON-RPC calls");
    m->rpc_failures =
        metrics_counter(&m->all, "cairn_rpc_failures", "JSON-RPC calls answered with an error");
    m->rpc_filters = metrics_gauge(&m->all, "cairn_rpc_filters", "installed filters");
}

static void refresh_metrics(void *ctx)
{
    struct node *node = ctx;
    struct rpc_counts counts = rpc_counts(node->rpc);
    *node->metrics.height = node->status.height;
    *node->metrics.txs = node->status.txs;
    *node->metrics.pool_ready = node->status.pool_ready;
    *node->metrics.pool_queued = node->status.pool_queued;
    *node->metrics.block_ms = node->status.last_block_ms;
    *node->metrics.rpc_calls = counts.calls;
    *node->metrics.rpc_failures = counts.failures;
    *node->metrics.rpc_filters = counts.filters;
}

static bool health(void *ctx, struct buf *out)
{
    const struct node *node = ctx;
    u64 age_ms = loop_now_ms(node->loop) - node->last_commit_ms;
    bool ready = is_ok(node->fault) && node->status.height > 0 &&
                 age_ms <= node->empty_interval_ms + LATE_MS;
    buf_format(out, "{\"ready\":%s,\"height\":%llu,\"age_ms\":%llu}", ready ? "true" : "false",
               (unsigned long long)node->status.height, (unsigned long long)age_ms);
    return ready;
}

static void on_submitted(void *ctx)
{
    struct node *node = ctx;
    event_wake_all(&node->wake);
}

/* --- opening --- */

/* Begins with a snapshot where there is no state yet; a restart finds what was restored. */
static err restore(const struct node_options *options, const struct app_options *app)
{
    if (options->restore_from == NULL) {
        return ok();
    }
    err e = app_restore(app, options->restore_from, &options->restore_hash);
    if (is_err(e, ERR_EXISTS)) {
        return ok();
    }
    TRY(e);
    log_info("node", "restored from %s", options->restore_from);
    return ok();
}

static err open_app(struct node *node, const struct node_options *options)
{
    char dir[PATH_BYTES_MAX];
    struct arena arena;
    bytes genesis;
    path_join(dir, options->data_dir, STATE_DIR);
    arena_init(&arena, GENESIS_BYTES_MAX + KIB(4));
    err e = file_load(options->genesis_path, &arena, &genesis);
    if (!is_ok(e)) {
        log_error("node", "cannot read the genesis %s: %s", options->genesis_path, err_text(e));
    } else {
        const struct app_options app = {.dir = dir,
                                        .genesis = genesis,
                                        .history_blocks = options->history_blocks,
                                        .is_archive = options->is_archive,
                                        .no_sync = options->no_sync};
        e = restore(options, &app);
        if (is_ok(e)) {
            e = app_open(&app, &node->app);
        }
    }
    arena_free(&arena);
    return e;
}

/* What the log says about the block after the state's. ERR_NOT_FOUND: nothing. */
static err find_logged(struct node *node, const struct app_info *info)
{
    TRY(wal_last(node->wal, &node->block, &node->decided));
    const struct consensus_header *logged = &node->decided.header;
    struct hash id;
    consensus_header_id(&id, logged);
    bool same_head = logged->height == info->height && hash_eq(&id, &info->consensus_id);
    bool is_next = logged->height == info->height + 1 &&
                   hash_eq(&logged->parent_id, &info->consensus_id) &&
                   hash_eq(&logged->parent_hash, &info->app_hash);
    if (logged->chain_id != info->chain_id || !(same_head || is_next)) {
        log_error("node",
                  "the log has decided block %llu, the state is at block %llu and does not fit: "
                  "was a folder replaced by an older copy?",
                  (unsigned long long)logged->height, (unsigned long long)info->height);
        return fail(ERR_INTEGRITY);
    }
    return is_next ? ok() : fail(ERR_NOT_FOUND);
}

static err open_engine(struct node *node, const struct node_options *options)
{
    const struct genesis *genesis = app_genesis(node->app);
    struct app_info info = app_info_now(node->app);
    struct single_options engine = {
        .chain_id = info.chain_id,
        .interval_ms = options->interval_ms ? options->interval_ms : genesis->interval_ms,
        .empty_interval_ms =
            options->empty_interval_ms ? options->empty_interval_ms : genesis->empty_interval_ms,
        .secret = *options->secret,
        .seats = info.seats,
    };
    struct single_head head = {.height = info.height,
                               .time_ms = info.time_ms,
                               .id = info.consensus_id,
                               .block_hash = info.app_hash,
                               .params_hash = info.params_hash};
    struct address own;
    secp_address_of_secret(&own, options->secret);
    if (info.seats.count != 1 || !address_eq(&own, &info.seats.items[0])) {
        log_error("node", "the key holds no seat, or the genesis names more than one");
        return fail(ERR_USAGE);
    }
    if (engine.interval_ms > engine.empty_interval_ms) {
        log_error("node", "the interval of empty blocks is shorter than that of full ones");
        return fail(ERR_USAGE);
    }
    err e = find_logged(node, &info);
    bool replays = is_ok(e);
    if (!replays && !is_err(e, ERR_NOT_FOUND)) {
        return e;
    }
    if (replays) {
        log_info("node", "block %llu was decided before: executing it",
                 (unsigned long long)info.height + 1);
    }
    single_init(&node->engine, &engine, &head, replays ? &node->decided.header : NULL,
                replays ? &node->decided.certificate : NULL, loop_now_ms(node->loop));
    secp_secret_wipe(&engine.secret);
    node->empty_interval_ms = engine.empty_interval_ms;
    return ok();
}

static err open_servers(struct node *node, const struct node_options *options)
{
    const struct rpc_options rpc = {.app = node->app,
                                    .loop = node->loop,
                                    .version = CLIENT_VERSION,
                                    .submitted = on_submitted,
                                    .ctx = node};
    rpc_new(&rpc, &node->rpc);
    const struct rpc_server_options server = {.rpc = node->rpc,
                                              .host = options->rpc_host,
                                              .port = options->rpc_port,
                                              .has_ws_port = options->has_ws_port,
                                              .ws_port = options->ws_port,
                                              .hosts = options->rpc_hosts,
                                              .host_count = options->rpc_host_count,
                                              .cors_origin = options->cors_origin,
                                              .rate = options->rpc_rate};
    TRY(rpc_server_start(node->loop, &server, &node->rpc_server));
    if (options->metrics_host == NULL) {
        return ok();
    }
    const struct metrics_http_options metrics = {.host = options->metrics_host,
                                                 .port = options->metrics_port,
                                                 .metrics = &node->metrics.all,
                                                 .health = health,
                                                 .refresh = refresh_metrics,
                                                 .ctx = node};
    return metrics_http_start(node->loop, &metrics, &node->metrics_http);
}

static err open_node(struct node *node, const struct node_options *options)
{
    char path[PATH_BYTES_MAX];
    native_tables_init(native_modules_all, native_modules_count);
    TRY(dir_make(options->data_dir));
    TRY(open_app(node, options));
    path_join(path, options->data_dir, LOG_FILE);
    TRY(wal_open(path, &node->wal));
    TRY(open_engine(node, options));
    node_note_head(node);
    node->last_commit_ms = loop_now_ms(node->loop);
    TRY(open_servers(node, options));
    return group_start(node->loop, &node->fibers, "blocks", node_produce, node);
}

err node_start(struct loop *loop, const struct node_options *options, struct node **ret_node)
{
    struct node *node = MEM_NEW(struct node);
    node->loop = loop;
    node->data_dir = options->data_dir;
    node->snapshot_blocks = options->snapshot_blocks;
    arena_init(&node->block, max_u64(NODE_BLOCK_BYTES_MAX, WAL_ARENA_BYTES));
    group_init(&node->fibers);
    event_init(&node->wake);
    event_init(&node->ended);
    metrics_init(&node->metrics);
    err e = open_node(node, options);
    if (!is_ok(e)) {
        node_stop(node);
        return e;
    }
    log_info("node", "chain %llu at block %llu, RPC on %s:%u",
             (unsigned long long)app_info_now(node->app).chain_id,
             (unsigned long long)node->status.height, options->rpc_host, node_rpc_port(node));
    *ret_node = node;
    return ok();
}

/* --- ending --- */

static void begin_stop(struct node *node)
{
    node->stopping = true;
    event_wake_all(&node->wake);
    if (node->rpc != NULL) {
        rpc_stop_waiting(node->rpc);
    }
}

void node_drain(struct node *node, u64 deadline_ms)
{
    begin_stop(node);
    if (!is_ok(rpc_server_drain(node->rpc_server, deadline_ms))) {
        log_warn("node", "some RPC calls were cut");
    }
}

void node_stop(struct node *node)
{
    if (node == NULL) {
        return;
    }
    begin_stop(node);
    fiber_yield(node->loop); /* who waits for node_ended() lets go of it */
    rpc_server_close(node->rpc_server);
    metrics_http_close(node->metrics_http);
    group_wait(node->loop, &node->fibers);
    rpc_free(node->rpc);
    wal_close(node->wal);
    app_close(node->app);
    secp_secret_wipe(&node->engine.options.secret);
    arena_free(&node->block);
    mem_free(node);
}

u16 node_rpc_port(const struct node *node) { return rpc_server_port(node->rpc_server); }

u16 node_ws_port(const struct node *node) { return rpc_server_ws_port(node->rpc_server); }

u16 node_metrics_port(const struct node *node)
{
    return node->metrics_http != NULL ? metrics_http_port(node->metrics_http) : 0;
}

struct node_status node_status(const struct node *node) { return node->status; }

struct event *node_ended(struct node *node) { return &node->ended; }

err node_fault(const struct node *node) { return node->fault; }

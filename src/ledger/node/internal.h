/* internal.h: what the files of ledger/node share. */
#ifndef LEDGER_NODE_INTERNAL_H
#define LEDGER_NODE_INTERNAL_H

#include "ledger/app/restore.h"
#include "ledger/consensus/single.h"
#include "ledger/node/node.h"
#include "ledger/node/wal.h"
#include "net/metrics_http.h"

/* Transactions of one block: copies, the array over them, and what preparing takes. */
#define NODE_BLOCK_BYTES_MAX MIB(64)

struct node_metrics {
    struct metrics all;
    u64 *height;
    u64 *txs;
    u64 *pool_ready;
    u64 *pool_queued;
    u64 *block_ms;
    u64 *rpc_calls;
    u64 *rpc_failures;
    u64 *rpc_filters;
};

struct node {
    struct loop *loop;
    struct app *app;
    struct wal *wal;
    struct rpc *rpc;
    struct rpc_server *rpc_server;
    struct metrics_http *metrics_http;
    struct node_metrics metrics;
    struct node_status status;
    u64 empty_interval_ms;
    u64 snapshot_blocks; /* 0: none */
    const char *data_dir;
    struct app_snapshot *snapshot; /* being written */
    u64 last_commit_ms;            /* monotonic */

    struct single engine;
    struct arena block;     /* of `decided` */
    struct decided decided; /* the block under way */

    struct group fibers;
    struct event wake;  /* a transaction came, or the node stops */
    struct event ended; /* `fault` is set */
    err fault;
    bool stopping;
};

/* produce.c: the fiber that does what the engine asks for; arg is the node. */
void node_produce(void *arg);
/* node_snapshot_due: snapshots.c: begins one in a fiber of its own if the head's height asks for
 * it; the application must not be at work. */
void node_snapshot_due(struct node *node);
/* node_note_head: status from the application, which must not be at work. */
void node_note_head(struct node *node);

#endif

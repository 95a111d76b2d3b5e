/* node.h: the ledger node: the role that keeps the chain.
 *
 * It holds the application (state, pool), the consensus engine with its one seat, and serves
 * JSON-RPC. The engine is pure; one fiber does what it asks for: PREPARE and EXECUTE on a worker
 * thread, during which RPC calls wait, and LOG into the log of decided blocks (wal.h), which is
 * durable before anything of the block can be seen. A fault of the disk ends the role: it never
 * guesses.
 *
 * kill -9 at any instant: after a restart the state is exactly at some height; a block that was
 * decided (in the log) but not committed is executed again, to the same result, and no second block
 * is signed for its height. Waiting transactions are forgotten; clients send them again.
 *
 * Data folder: state/ (LMDB), decided (the log), snapshots/HEIGHT/ (app/restore.h). The genesis
 * file is read at every start and must be the same.
 */
#ifndef LEDGER_NODE_NODE_H
#define LEDGER_NODE_NODE_H

#include "crypto/sign.h"
#include "ledger/app/app.h"
#include "ledger/rpc/rpc_server.h"
#include "os/loop.h"

struct node;

struct node_options {
    const char *data_dir; /* made if absent */
    const char *genesis_path;
    const struct secp_secret *secret; /* of the seat; copied */
    const char *rpc_host;
    u16 rpc_port;                 /* 0 picks one */
    bool has_ws_port;             /* a second port of the same, for WebSockets */
    u16 ws_port;                  /* 0 picks one */
    const char *const *rpc_hosts; /* further names that a Host header may have */
    size_t rpc_host_count;
    const char *cors_origin;  /* NULL: "*"; "": no page may ask */
    u64 rpc_rate;             /* credits a second of one client (rpc/limits.h); 0: no limits */
    const char *metrics_host; /* NULL: no metrics and health */
    u16 metrics_port;         /* 0 picks one */
    u64 interval_ms;          /* least time between blocks with transactions; 0: of the genesis */
    u64 empty_interval_ms;    /* time to an empty block; 0: of the genesis */
    u32 history_blocks;       /* whose states can be read; 0: default of state.h */
    bool is_archive;          /* every state can be read; chosen when the store is made */
    u64 snapshot_blocks;      /* a snapshot every so many blocks; 0: none */
    const char *restore_from; /* folder of a snapshot to begin with, if there is no state yet */
    struct hash restore_hash; /* of its block's Ethereum header, from somebody who is trusted */
    bool no_sync;             /* simulation and tests only */
};

struct node_status {
    u64 height;
    u64 time_ms; /* of the last block */
    struct hash block_hash;
    u64 txs; /* included since the start */
    size_t pool_ready;
    size_t pool_queued;
    u64 last_block_ms; /* what the last block took to execute and commit */
};

/* node_start: in a fiber. Opens everything (the genesis is executed on a new folder), listens, and
 * produces blocks in fibers of the loop. Needs crypto_init(); the strings in options must outlive
 * the node. ERR_USAGE: genesis or key wrong (the key holds no seat); ERR_REFUSED: the folder
 * belongs to another genesis; ERR_BUSY: another process has it; ERR_EXISTS: a port is in use;
 * ERR_INTEGRITY: the log does not fit the state. */
err node_start(struct loop *loop, const struct node_options *options, struct node **ret_node);
/* node_drain: no new connections and no new block; waits for running calls until the deadline. */
void node_drain(struct node *node, u64 deadline_ms);
/* node_stop: in a fiber, also when the loop is stopping. Waits for the step under way and frees.
 * Nobody may wait for node_ended() any more, unless the loop is stopping. NULL is fine. */
void node_stop(struct node *node);

u16 node_rpc_port(const struct node *node);
u16 node_ws_port(const struct node *node);      /* that of JSON-RPC if there is no other */
u16 node_metrics_port(const struct node *node); /* 0: none */
struct node_status node_status(const struct node *node);
/* node_ended: woken when the role cannot go on; node_fault() then tells why (ok() before). */
struct event *node_ended(struct node *node);
err node_fault(const struct node *node);

#endif

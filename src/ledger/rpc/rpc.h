/* rpc.h: Ethereum's JSON-RPC over the application, without any socket.
 *
 * rpc_answer() takes the text of a request or of a batch and appends the text of the answer. Every
 * method is a row of one table (methods.c): name, number of parameters, function. A function takes
 * the application and its parameters and gives a JSON value, or refuses with one of Ethereum's
 * error codes; so methods are tested without a network. rpc_server.h puts HTTP in front.
 *
 * All of it runs on the loop thread and does not wait, with two exceptions: cairn_head waits for
 * the next certified head, and between rpc_pause() and rpc_resume() (the host executes a block on a
 * worker thread) calls wait before they touch the application.
 *
 * "latest", "safe" and "finalized" are the same block: a decided block is final. "pending" reads
 * the state of the latest block, with the pool's nonces.
 *
 * Everything is bounded: body, batch, structure of the text, memory of a call, answer, range and
 * number of logs, filters. Past a limit the answer is an error that names it.
 */
#ifndef LEDGER_RPC_RPC_H
#define LEDGER_RPC_RPC_H

#include "base/buf.h"
#include "ledger/app/app.h"
#include "os/loop.h"

#define RPC_BODY_BYTES_MAX MIB(4)
#define RPC_TOKENS_MAX 65536u /* commas, colons and brackets of a body: bounds the parsed form */
#define RPC_BATCH_MAX 256
#define RPC_BATCH_MAX_MS 10000 /* calls that have not begun by then are refused */
#define RPC_REPLY_BYTES_MAX MIB(16)
#define RPC_REQUEST_BYTES_MAX MIB(128) /* memory of one call */
#define RPC_HEAD_WAIT_MAX_MS 10000
#define RPC_PROOF_SLOTS_MAX 1024
#define RPC_LOG_BLOCKS_MAX 10000 /* searched by one eth_getLogs */
#define RPC_LOGS_MAX 10000       /* in one answer */
#define RPC_LOG_CHOICES_MAX 1024 /* addresses and topics of one filter together */
#define RPC_FEE_BLOCKS_MAX 1024
#define RPC_FEE_PERCENTILES_MAX 100
#define RPC_FILTERS_MAX 1024
#define RPC_FILTER_BYTES_MAX KIB(64)
#define RPC_FILTER_IDLE_MS 300000
#define RPC_RECENT_TXS 8192           /* remembered for filters of pending transactions */
#define RPC_SUBSCRIPTIONS_MAX 64      /* of one session */
#define RPC_LARGE_ROUNDS_MAX 4        /* notifications of more than 64 KiB under way */
#define RPC_SUBSCRIPTION_LAG_MAX 1024 /* blocks that a session may be behind */

struct rpc;

struct rpc_options {
    struct app *app;           /* borrowed */
    struct loop *loop;         /* NULL (tests): nothing waits and filters do not age */
    const char *version;       /* answer of web3_clientVersion; borrowed */
    void (*submitted)(void *); /* a transaction came into the pool; may be NULL */
    void *ctx;
};

struct rpc_counts {
    u64 calls;    /* methods run, also those that failed */
    u64 failures; /* answers with an error */
    u64 filters;  /* open now */
    u64 sessions; /* open now */
    u64 subscriptions;
};

void rpc_new(const struct rpc_options *options, struct rpc **ret_rpc);
/* rpc_free: no call may be running. NULL is fine. */
void rpc_free(struct rpc *rpc);

/* rpc_answer: `body` is what a client sent. Appends nothing if there is nothing to answer (only
 * notifications). May park the fiber if there is a loop. */
void rpc_answer(struct rpc *rpc, bytes body, struct buf *out);
/* rpc_answer_failure: the answer to a request that could not even be read. */
void rpc_answer_failure(struct buf *out, int code, const char *message);

/* A session is a connection that can take messages at any time: what eth_subscribe needs. Its
 * notifications are made by a fiber of its own, one block or a few transactions at a time, read
 * from the chain when the ones before have left: nothing queues up for a slow client, and one that
 * falls RPC_SUBSCRIPTION_LAG_MAX blocks behind is dropped. Needs options.loop. */
struct rpc_session;
struct rpc_client;

struct rpc_session_options {
    struct rpc_client *client; /* who pays for its calls (limits.h); NULL: not limited */
    /* A message for the client; may park the fiber. A fault ends the notifications. */
    err (*send)(void *ctx, bytes text);
    /* Notifications have ended: the connection should be closed. From the session's fiber. */
    void (*dropped)(void *ctx, const char *reason);
    void *ctx;
};

void rpc_session_open(struct rpc *rpc, const struct rpc_session_options *options,
                      struct rpc_session **ret_session);
/* rpc_session_answer: as rpc_answer(), for a session's client. One at a time. */
void rpc_session_answer(struct rpc_session *session, bytes body, struct buf *out);
/* rpc_session_answered: the answer has left; what it subscribed to begins now. */
void rpc_session_answered(struct rpc_session *session);
/* rpc_session_close: waits for the session's fiber; send() must not hang for ever. */
void rpc_session_close(struct rpc_session *session);

/* rpc_pause: from now on no method touches the application. rpc_resume: they go on. */
void rpc_pause(struct rpc *rpc);
void rpc_resume(struct rpc *rpc);
/* rpc_advanced: the application has committed a block. */
void rpc_advanced(struct rpc *rpc);
/* rpc_stop_waiting: from now on no call waits for something to happen (the node drains). */
void rpc_stop_waiting(struct rpc *rpc);
struct rpc_counts rpc_counts(const struct rpc *rpc);

#endif

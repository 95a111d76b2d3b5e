/* internal.h: what the files of ledger/rpc share. */
#ifndef LEDGER_RPC_INTERNAL_H
#define LEDGER_RPC_INTERNAL_H

#include "base/list.h"
#include "base/map.h"
#include "codec/json.h"
#include "ledger/rpc/limits.h"
#include "ledger/rpc/rpc.h"

/* Error codes of JSON-RPC 2.0, EIP-1474 and geth. */
enum rpc_code {
    RPC_REVERTED = 3,
    RPC_NOT_YET = 4, /* EIP-7966 */
    RPC_PARSE_ERROR = -32700,
    RPC_INVALID_REQUEST = -32600,
    RPC_METHOD_NOT_FOUND = -32601,
    RPC_INVALID_PARAMS = -32602,
    RPC_INTERNAL = -32603,
    RPC_SERVER = -32000,
    RPC_LIMIT = -32005,
};

#define RPC_HASH_TEXT_LEN 66 /* "0x" and 64 digits */

/* Who asks, and how. */
struct rpc_asker {
    struct rpc_session *session; /* NULL: takes no notifications */
    struct rpc_client *client;   /* NULL: not limited */
    bool may_wait;
};

struct rpc {
    struct rpc_options options;
    bool paused;
    bool draining;
    struct event resumed;
    struct event advanced;
    struct map filters; /* id (8 bytes) → struct rpc_filter */
    u64 next_filter;
    struct hash recent[RPC_RECENT_TXS]; /* ring of submitted transactions */
    u64 recent_count;                   /* ever */
    struct list sessions;
    struct gate rounds; /* of notifications that are large */
    struct rpc_counts counts;
};

/* One call. The first failure stays. */
struct rpc_request {
    struct rpc *rpc;
    struct app *app;
    const json_t *params;        /* array */
    bool may_wait;               /* not in a batch */
    struct rpc_session *session; /* NULL: whoever asks takes no notifications */
    struct arena arena;
    struct state_view *view; /* of rpc_view(); closed after the call */
    int code;                /* 0: no failure */
    const char *message;
    json_t *data; /* of the failure; owned */
};

/* A method returns a new reference, or NULL after rpc_refuse(). */
typedef json_t *rpc_method_fn(struct rpc_request *r);

struct rpc_method {
    const char *name;
    u8 params_min;
    u8 params_max;
    rpc_method_fn *run;
};

/* methods.c. rpc_method_find: NULL if there is none. */
const struct rpc_method *rpc_method_find(const char *name);

/* rpc.c. rpc_answer_to: as rpc_answer(); may_wait of the asker says nothing. */
void rpc_answer_to(struct rpc *rpc, struct rpc_asker asker, bytes body, struct buf *out);

/* --- request.c: failures, parameters, views --- */

/* rpc_refuse: latches the failure; always NULL. */
json_t *rpc_refuse(struct rpc_request *r, enum rpc_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* rpc_fine: true for ok(); a fault becomes an internal error (logged), ERR_LIMIT a limit. */
bool rpc_fine(struct rpc_request *r, err e);
/* rpc_fault: the same for a fault found here; always false. */
static inline bool rpc_fault(struct rpc_request *r, enum err_code code)
{
    (void)rpc_fine(r, fail(code));
    return false;
}
/* rpc_enter: waits while the application is not to be touched; false: the node stops. */
bool rpc_enter(struct rpc_request *r);

/* Parameter i; NULL if absent or null. The readers below refuse what is wrong. */
const json_t *rpc_param(const struct rpc_request *r, size_t i);
bool rpc_read_address(struct rpc_request *r, size_t i, struct address *ret);
bool rpc_read_hash(struct rpc_request *r, size_t i, struct hash *ret);
bool rpc_read_quantity(struct rpc_request *r, size_t i, u64 *ret);
bool rpc_read_flag(struct rpc_request *r, size_t i, bool *ret); /* absent: false */
/* rpc_read_slot: a storage key of at most 32 bytes, leading zeros optional. */
bool rpc_read_slot(struct rpc_request *r, const json_t *value, struct hash *ret);

struct rpc_block {
    u64 height;
    bool is_found;
    bool is_pending;
};
/* rpc_find_block: a number, a tag, a hash or an EIP-1898 object; absent: latest. */
bool rpc_find_block(struct rpc_request *r, const json_t *value, struct rpc_block *ret);
/* rpc_read_block: of parameter i; refuses a block that does not exist. */
bool rpc_read_block(struct rpc_request *r, size_t i, struct rpc_block *ret);
/* rpc_read_block_hash: parameter i is a hash, and nothing else. */
bool rpc_read_block_hash(struct rpc_request *r, size_t i, struct rpc_block *ret);

/* rpc_view: the state after a height, open until the call ends or another height is asked for.
 * NULL: refused (no longer kept). rpc_chain_view: for blocks and transactions, whatever its height.
 */
struct state_view *rpc_view(struct rpc_request *r, u64 height);
struct state_view *rpc_chain_view(struct rpc_request *r);
void rpc_view_close(struct rpc_request *r);
u64 rpc_head(const struct rpc_request *r);

/* --- blocks.c: stored blocks --- */

struct rpc_block_data {
    struct block_header header;
    struct hash hash;
    struct block_body body;
    struct receipt *receipts;
};
bool rpc_load_header(struct rpc_request *r, u64 height, struct rpc_block_data *ret);
bool rpc_load_txs(struct rpc_request *r, u64 height, struct rpc_block_data *ret);
/* rpc_load_receipts: after rpc_load_txs(). */
bool rpc_load_receipts(struct rpc_request *r, u64 height, struct rpc_block_data *ret);
/* rpc_receipt_of: null if the transaction is in no block; NULL: refused. */
json_t *rpc_receipt_of(struct rpc_request *r, const struct hash *hash);
/* rpc_block_size: of the whole block's encoding. */
u64 rpc_block_size(const struct block_header *header, const struct block_body *body);
/* rpc_decode_tx: a stored transaction; its access list lies in the call's arena. */
bool rpc_decode_tx(struct rpc_request *r, bytes raw, struct tx *ret);

/* --- forms.c: JSON forms --- */

/* Takes over the value. */
void rpc_put(json_t *object, const char *key, json_t *value);
json_t *rpc_json_u256(struct u256 value);
json_t *rpc_json_hash(const struct hash *hash);
json_t *rpc_json_address(const struct address *address);
/* rpc_json_access: the access list of a transaction. */
json_t *rpc_json_access(const struct tx *tx);

/* Where a transaction is; block NULL: in the pool. */
struct rpc_place {
    const struct rpc_block_data *block;
    size_t index;
};
/* NULL: refused. sender NULL: recovered from the signature. */
json_t *rpc_json_tx(struct rpc_request *r, bytes raw, const struct address *sender,
                    const struct rpc_place *place);
/* rpc_json_decoded_tx: the same of one that is decoded, with its hash and sender. */
json_t *rpc_json_decoded_tx(const struct tx *tx, const struct hash *hash,
                            const struct address *from, const struct rpc_place *place);
json_t *rpc_json_receipt(struct rpc_request *r, const struct rpc_place *place);
/* log_index counts in the block. */
json_t *rpc_json_log(const struct journal_log *log, const struct rpc_place *place,
                     const struct hash *tx_hash, u64 log_index);
/* Of a block without its body. is_pending: hash, nonce and miner are null. */
json_t *rpc_json_header(const struct block_header *header, const struct hash *hash,
                        bool is_pending);
/* rpc_put_body: uncles, and withdrawals from Shanghai on; not the transactions. */
void rpc_put_body(json_t *block, const struct block_header *header, const struct block_body *body);
json_t *rpc_json_withdrawals(const struct block_body *body);

/* --- node_methods.c --- */

/* rpc_put_certified: height, header, and the consensus header of the next height with its
 * certificate. */
bool rpc_put_certified(struct rpc_request *r, json_t *object, u64 height);

/* --- logs.c --- */

struct rpc_topics {
    struct hash *items;
    size_t count; /* 0: any */
};
struct rpc_log_filter {
    bool has_hash;
    struct hash hash;
    const json_t *from; /* as given; NULL: latest */
    const json_t *to;
    struct address *addresses;
    size_t address_count; /* 0: any */
    struct rpc_topics topics[JOURNAL_TOPICS_MAX];
    size_t topic_count;
};
/* rpc_read_log_filter: `value` is the filter object, which must outlive the result; arrays lie in
 * arena. */
bool rpc_read_log_filter(struct rpc_request *r, const json_t *value, struct arena *arena,
                         struct rpc_log_filter *ret);
/* rpc_find_logs: appends the matching logs of [from, to] to `array`. */
bool rpc_find_logs(struct rpc_request *r, const struct rpc_log_filter *filter, u64 from, u64 to,
                   json_t *array);
/* rpc_filtered_logs: of the filter's own range. NULL: refused. */
json_t *rpc_filtered_logs(struct rpc_request *r, const struct rpc_log_filter *filter);

/* --- filters.c --- */

void rpc_filters_free(struct rpc *rpc);
/* rpc_note_submitted: for filters of pending transactions. */
void rpc_note_submitted(struct rpc *rpc, const struct hash *tx);

/* --- subscriptions.c --- */

/* rpc_sessions_wake: there may be something to notify of. */
void rpc_sessions_wake(struct rpc *rpc);

#endif

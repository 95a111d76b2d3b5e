/* chain.h: a role's view of the ledger. Roles see the chain only through this header.
 *
 * It keeps the newest finalised head: a consensus header whose seat signatures check against the
 * seats of the genesis, and the Ethereum header that it commits to. Module records are read by
 * eth_getProof and checked against that header's state root, receipts are proven the same way; so a
 * lying ledger node can keep things back but not deceive. (Two answers are taken on trust, and can
 * only waste time: the estimate of gas, and the next nonce.) With several urls the nodes are tried
 * in turn; one that lies, stalls or falls behind is passed over. Transactions are signed here.
 *
 * First over JSON-RPC, later over the light client; nothing above changes. Reads of records use the
 * layout functions of ledger/modules (X_layout.h), which take a slot_source: chain_view() runs such
 * a function again and again, fetching every slot it missed in one batch, until it misses none.
 *
 * Every call may park the fiber, and ends by its deadline, or soon after loop_stop() with
 * ERR_CANCELLED. Any number of fibers may use one chain.
 */
#ifndef CHAIN_CHAIN_H
#define CHAIN_CHAIN_H

#include "crypto/sign.h"
#include "ledger/exec/slots.h"
#include "ledger/exec/u256.h"
#include "net/http.h"
#include "os/loop.h"

#define CHAIN_LOGS_MAX 4096
#define CHAIN_RAW_TX_BYTES_MAX KIB(128)

struct chain;

struct chain_options {
    const char *const *rpc_urls; /* http, tried in turn; 1 to 16; copied */
    size_t rpc_url_count;
    const char *genesis_path; /* chain id and seats; read once */
};

struct chain_head {
    u64 height;
    u64 time;         /* seconds */
    struct hash hash; /* of the Ethereum header */
    struct hash state_root;
    u64 base_fee;
};

/* chain_open: starts following; waits for the first checked head until the deadline. ERR_USAGE:
 * urls or genesis file; ERR_INTEGRITY, without waiting: every node is of another chain, or its
 * signatures do not check; at the deadline the last fault, such as ERR_NETWORK, ERR_MALFORMED,
 * ERR_TIMEOUT. */
err chain_open(struct loop *loop, const struct chain_options *options, u64 deadline_ms,
               struct chain **ret_chain);
/* chain_close: after loop_stop() or when no call is running. Does not wait for any node. NULL is
 * fine. */
void chain_close(struct chain *chain);
u64 chain_id(const struct chain *chain);
/* chain_head: the newest checked head, from memory. */
struct chain_head chain_head(const struct chain *chain);
/* chain_wait: until the head is higher than `height`. */
err chain_wait(struct chain *chain, u64 height, u64 deadline_ms);
/* chain_healthy: the last successful poll is less than 10 s ago. */
bool chain_healthy(const struct chain *chain);

/* chain_view: fn reads records through the source; it is called several times, so it must only
 * overwrite its outputs, and it must not wait. All it reads is of one head, the newest at the
 * beginning or a later one; what is known of a storage root is not fetched again. The result is
 * that of the last call of fn, which had all it asked for. ERR_INTEGRITY: a proof did not check;
 * ERR_LIMIT: too many slots (some 60,000) or modules (16). */
typedef err chain_view_fn(void *ctx, const struct slot_source *slots);
err chain_view(struct chain *chain, chain_view_fn *fn, void *ctx, u64 deadline_ms);

/* chain_balance: proven, at the newest head. */
err chain_balance(struct chain *chain, const struct address *account, struct u256 *ret_wei,
                  u64 deadline_ms);

/* chain_nonce: how many transactions of the account are in final blocks, proven. */
err chain_nonce(struct chain *chain, const struct address *account, u64 *ret_nonce,
                u64 deadline_ms);

/* An account that signs transactions; keeps its nonce, so one per key and process. */
struct chain_account;
err chain_account_open(struct chain *chain, const struct secp_secret *secret,
                       struct chain_account **ret_account);
void chain_account_close(struct chain_account *account); /* wipes the key */
/* chain_account_resync: before the next signature the ledger is asked which nonce it wants; after a
 * signed transaction was dropped for good. If nobody holds that one, it is given out next. */
void chain_account_resync(struct chain_account *account);
/* chain_account_hold: this nonce belongs to a signed transaction that somebody keeps and submits
 * until it is in a block, although the ledger's pool may have forgotten it: no signature takes it.
 * As often as it is held it must be released. */
void chain_account_hold(struct chain_account *account, u64 nonce);
bool chain_account_holds(const struct chain_account *account, u64 nonce);
/* chain_account_release: its transaction is in a block, or was given up (then with a resync). */
void chain_account_release(struct chain_account *account, u64 nonce);
struct address chain_account_address(const struct chain_account *account);

struct chain_call {
    bool is_create; /* input is creation code; `to` means nothing */
    struct address to;
    struct u256 value;
    bytes input;
    u64 gas_limit; /* 0: estimated, plus a quarter */
};

/* chain_estimate: a limit for call->gas_limit: what the ledger says, plus a quarter. ERR_REFUSED:
 * it says that the call would revert (reason in the log). */
err chain_estimate(struct chain_account *account, const struct chain_call *call, u64 deadline_ms,
                   u64 *ret_gas);
/* chain_sign: a signed transaction (type 2) with the account's next nonce. The bytes are the
 * caller's duty from here on: unless they get into a block, later nonces wait. ret_raw lives in
 * arena. ERR_REFUSED: the estimate says that it would revert (reason in the log); it knows nothing
 * of transactions that are not in a block yet, so calls that build on one another need a gas_limit.
 * After a fault no nonce was taken. */
err chain_sign(struct chain_account *account, const struct chain_call *call, struct arena *arena,
               u64 deadline_ms, bytes *ret_raw, struct hash *ret_hash);
/* chain_sign_hold: the same, and its nonce is held from then on, for the caller to release. */
err chain_sign_hold(struct chain_account *account, const struct chain_call *call,
                    struct arena *arena, u64 deadline_ms, bytes *ret_raw, struct hash *ret_hash,
                    u64 *ret_nonce);
/* chain_sign_at: with a nonce of the caller's choice, at once; which one is next stays as it is.
 * call->gas_limit is not 0. ERR_LIMIT: too large. */
err chain_sign_at(const struct chain_account *account, const struct chain_call *call, u64 nonce,
                  struct arena *arena, bytes *ret_raw, struct hash *ret_hash);
/* chain_created_address: of the contract that a creation with that nonce makes. */
struct address chain_created_address(const struct address *creator, u64 nonce);
/* chain_submit_raw: known already counts as ok. ERR_REFUSED: the pool refused it for good.
 * ERR_CONFLICT: its nonce is used, maybe by itself (ask for the receipt). ERR_BUSY: not now: the
 * pool is full, too many of the account wait in it, or its base fee is above the transaction's. */
err chain_submit_raw(struct chain *chain, bytes raw, u64 deadline_ms);

struct chain_log {
    struct address address;
    struct hash topics[4];
    u8 topic_count;
    bytes data;
    u64 height;
    u32 index; /* in the block; 0 in receipts */
    struct hash tx;
};

struct chain_receipt {
    u64 height;
    bool success;
    u64 gas_used;
    const struct chain_log *logs;
    size_t log_count;
};

/* chain_receipt_of: proven. ERR_NOT_FOUND while it is not final. From then on chain_head() is not
 * below its block. */
err chain_receipt_of(struct chain *chain, const struct hash *tx, struct arena *arena,
                     u64 deadline_ms, struct chain_receipt *ret_receipt);
/* chain_await: until final, or ERR_TIMEOUT. */
err chain_await(struct chain *chain, const struct hash *tx, struct arena *arena, u64 deadline_ms,
                struct chain_receipt *ret_receipt);
/* chain_send: sign, submit (again now and then), await. Fibers may send at once; their nonces are
 * in the order of submission. ERR_REFUSED if it reverted or the ledger would not have it;
 * ERR_CONFLICT: its nonce went to another transaction; ERR_TIMEOUT: it may still get into a
 * block. */
err chain_send(struct chain_account *account, const struct chain_call *call, struct arena *arena,
               u64 deadline_ms, struct chain_receipt *ret_receipt);

/* chain_logs: logs of one address in (from, to], final blocks only, oldest first. Not proven: a
 * node may leave some out or invent them; for looking around, not for decisions. ERR_LIMIT: more
 * than CHAIN_LOGS_MAX; ERR_REFUSED: more than the node searches at once (10,000 blocks). */
err chain_logs(struct chain *chain, const struct address *address, u64 from, u64 to,
               struct arena *arena, u64 deadline_ms, const struct chain_log **ret_logs,
               size_t *ret_count);

#endif

/* block.h: Ethereum blocks: header, body, receipts, in the forms of every fork.
 *
 * The headers that this ledger makes have the 21 fields of Prague and Osaka (block_header_init).
 * Fixed are: no ommers, difficulty 0, nonce 0, no withdrawals, no blob gas, parent beacon root
 * zero, no requests. prev_randao (mixHash) is the id of the consensus header of the height before,
 * which carries the hash of the Ethereum header before that: the two chains of headers hold each
 * other. The state root is the one *after* the block; the hash of the header is what JSON-RPC calls
 * the block's hash. Imported Ethereum chains (ledger/ethereum) have the older forms too: forks only
 * ever added fields at the end, so the form is the number of fields.
 *
 * A body is what follows the header in Ethereum's block encoding: a list of transactions, and in
 * imported chains a list of ommers and, from Shanghai on, one of withdrawals. Bodies of our own
 * blocks are the list of transactions alone. Receipts before Byzantium hold the state root after
 * their transaction, later ones whether it succeeded.
 *
 * Transactions are kept in their canonical form (exec/tx.h); in a body a legacy one is an RLP list
 * and a typed one an RLP string, as in Ethereum's block encoding. Roots of transactions and
 * receipts are tries over rlp(index).
 *
 * Decoders take bytes from disk and from other nodes: strict, canonical, bounded.
 */
#ifndef LEDGER_BLOCK_BLOCK_H
#define LEDGER_BLOCK_BLOCK_H

#include "base/arena.h"
#include "base/buf.h"
#include "ledger/exec/journal.h"
#include "ledger/exec/u256.h"

#define BLOCK_EXTRA_BYTES_MAX 32
#define BLOCK_HEADER_BYTES_MAX 1024
#define BLOCK_BODY_BYTES_MAX MIB(2)
#define BLOCK_TXS_MAX 16384
#define BLOCK_BLOOM_BYTES 256
#define BLOCK_GAS_LIMIT_MIN 5000
#define BLOCK_OMMERS_MAX 2
#define BLOCK_WITHDRAWALS_MAX 65536 /* far above the 16 of Ethereum's consensus layer */

struct bloom {
    u8 b[BLOCK_BLOOM_BYTES];
};

/* How many fields a header has. */
enum block_form {
    BLOCK_FRONTIER = 15,
    BLOCK_LONDON = 16,   /* with base_fee */
    BLOCK_SHANGHAI = 17, /* with withdrawals_root */
    BLOCK_CANCUN = 20,   /* with blob_gas_used, excess_blob_gas, parent_beacon_root */
    BLOCK_PRAGUE = 21,   /* with requests_hash */
};

struct block_header {
    enum block_form form; /* fields that it does not have are zero */
    struct hash parent_hash;
    struct hash ommers_hash;
    struct address coinbase;
    struct hash state_root;
    struct hash txs_root;
    struct hash receipts_root;
    struct bloom bloom;
    u64 difficulty;
    u64 number;
    u64 gas_limit;
    u64 gas_used;
    u64 time; /* seconds since 1970 */
    u8 extra[BLOCK_EXTRA_BYTES_MAX];
    u8 extra_len;
    struct hash prev_randao; /* mixHash; before Paris part of the proof of work */
    u8 nonce[8];
    struct u256 base_fee;
    struct hash withdrawals_root;
    u64 blob_gas_used;
    u64 excess_blob_gas;
    struct hash parent_beacon_root;
    struct hash requests_hash;
};

/* block_header_init: the fixed fields of our own headers, everything else zero. */
void block_header_init(struct block_header *header);
void block_header_encode(struct buf *out, const struct block_header *header);
/* block_header_decode: any form. */
err block_header_decode(bytes in, struct block_header *ret_header);
void block_header_hash(struct hash *out, const struct block_header *header);

/* Raw transactions in block order; borrowed. */
struct block_txs {
    bytes *items;
    size_t count;
};

/* block_body_encode: RLP list of the transactions. */
void block_body_encode(struct buf *out, const struct block_txs *txs);
/* block_body_decode: items borrow from `in` (type byte and all, ready for tx_decode), the array
 * lies in arena. The transactions themselves are not looked into. ERR_LIMIT: arena, or too many. */
err block_body_decode(struct arena *arena, bytes in, struct block_txs *ret_txs);
/* block_txs_root: transactionsRoot. */
err block_txs_root(const struct block_txs *txs, struct hash *ret_root);

/* EIP-4895. The amount is in Gwei. */
struct block_withdrawal {
    u64 index;
    u64 validator;
    struct address address;
    u64 amount_gwei;
};

/* A whole body. Arrays lie in an arena, the rest is borrowed. */
struct block_body {
    struct block_txs txs;
    bytes ommers; /* payload of the list of headers */
    struct block_header ommer_headers[BLOCK_OMMERS_MAX];
    size_t ommer_count;
    bool is_own; /* a list of transactions alone, as our own blocks are kept */
    bool has_withdrawals;
    struct block_withdrawal *withdrawals;
    size_t withdrawal_count;
};
/* block_full_body_encode / _decode: the list of transactions, and unless is_own the list of ommers,
 * and the list of withdrawals if there is one. */
void block_full_body_encode(struct buf *out, const struct block_body *body);
err block_full_body_decode(struct arena *arena, bytes in, struct block_body *ret_body);
/* block_withdrawals_root: withdrawalsRoot. */
err block_withdrawals_root(const struct block_body *body, struct hash *ret_root);
/* block_ommers_hash: sha3Uncles. */
void block_ommers_hash(struct hash *out, const struct block_body *body);
/* block_encode: the whole Ethereum block (debug_getRawBlock): [header, transactions, ommers], from
 * Shanghai on with withdrawals. */
void block_encode(struct buf *out, const struct block_header *header,
                  const struct block_body *body);
/* block_decode: strict; *ret_header_raw borrows the header's encoding. The body's lists match the
 * header's form (withdrawals exactly from Shanghai on). */
err block_decode(struct arena *arena, bytes in, struct block_header *ret_header,
                 bytes *ret_header_raw, struct block_body *ret_body);

struct receipt {
    u8 type;       /* of the transaction */
    bool has_root; /* before Byzantium: root instead of success */
    bool success;
    struct hash root; /* of the state after the transaction */
    u64 cumulative_gas;
    struct bloom bloom;
    const struct journal_log *logs;
    size_t log_count;
};

/* receipt_init: computes the bloom; logs are borrowed. */
void receipt_init(struct receipt *receipt, u8 type, bool success, u64 cumulative_gas,
                  const struct journal_log *logs, size_t log_count);
/* receipt_encode: consensus form, with the type byte (what receiptsRoot is over). */
void receipt_encode(struct buf *out, const struct receipt *receipt);
err receipt_decode(struct arena *arena, bytes in, struct receipt *ret_receipt);
/* receipts_encode / receipts_decode: RLP list, typed ones as strings. */
void receipts_encode(struct buf *out, const struct receipt *receipts, size_t count);
err receipts_decode(struct arena *arena, bytes in, struct receipt **ret_receipts,
                    size_t *ret_count);
err receipts_root(const struct receipt *receipts, size_t count, struct hash *ret_root);

/* Blooms (yellow paper 4.3.1): three of 2048 bits per address and topic. */
void bloom_add(struct bloom *bloom, bytes item);
void bloom_join(struct bloom *bloom, const struct bloom *other);
bool bloom_may_have(const struct bloom *bloom, bytes item);

/* block_base_fee: of the block after `parent` (EIP-1559, elasticity 2, 1/8 per block), at least
 * `floor`. */
struct u256 block_base_fee(const struct block_header *parent, struct u256 floor);

#endif

/* block.h: Ethereum blocks as this ledger makes them: header, transactions, receipts.
 *
 * The header has the 21 fields of Prague and Osaka. Fixed are: no ommers, difficulty 0, nonce 0, no
 * withdrawals, no blob gas, parent beacon root zero, no requests. prev_randao (mixHash) is the id
 * of the consensus header of the height before, which carries the hash of the Ethereum header
 * before that: the two chains of headers hold each other. The state root is the one *after* the
 * block; the hash of the header is what JSON-RPC calls the block's hash.
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

struct bloom {
    u8 b[BLOCK_BLOOM_BYTES];
};

struct block_header {
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
    struct hash prev_randao;
    u8 nonce[8];
    struct u256 base_fee;
    struct hash withdrawals_root;
    u64 blob_gas_used;
    u64 excess_blob_gas;
    struct hash parent_beacon_root;
    struct hash requests_hash;
};

/* block_header_init: the fixed fields, everything else zero. */
void block_header_init(struct block_header *header);
void block_header_encode(struct buf *out, const struct block_header *header);
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
/* block_encode: the whole Ethereum block [header, transactions, [], []] (debug_getRawBlock). */
void block_encode(struct buf *out, const struct block_header *header, const struct block_txs *txs);

struct receipt {
    u8 type; /* of the transaction */
    bool success;
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

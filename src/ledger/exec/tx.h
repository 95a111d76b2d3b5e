/* tx.h: Ethereum transactions of types 0 to 4.
 *
 * Type 0 is the legacy form, with EIP-155 replay protection or (decoded, but refused by the pool)
 * without; type 1 carries an access list (EIP-2930); type 2 has a priority fee as well (EIP-1559);
 * type 3 names blobs by their hashes and pays for them (EIP-4844; this is the form inside a block,
 * without the blobs); type 4 carries authorizations by which accounts delegate to code (EIP-7702).
 *
 * Decoding is strict: canonical RLP, no trailing bytes, integers in range, parity 0 or 1, r and s
 * below the group order. What depends on the rules of a fork (which types there are, low s, chain
 * ids, gas, limits) is tx_check()'s. Under all rules since Homestead there is one encoding for each
 * transaction, so its hash is an identity.
 *
 * What is wrong with a transaction is a verdict, not a fault. The texts of verdicts that Ethereum
 * clients know are geth's, because wallets match on them.
 */
#ifndef LEDGER_EXEC_TX_H
#define LEDGER_EXEC_TX_H

#include "base/arena.h"
#include "base/buf.h"
#include "crypto/sign.h"
#include "ledger/exec/fork.h"
#include "ledger/exec/u256.h"

#define TX_BYTES_MAX KIB(128)     /* of the pool and of our blocks, no rule of Ethereum */
#define TX_BLOB_GAS ((u64)131072) /* per blob (EIP-4844) */
/* An arena with this much left is never too small for one tx_decode(): an authorization of 27 bytes
 * becomes one of 136. */
#define TX_DECODE_BYTES (6 * TX_BYTES_MAX)

#define TX_VERDICT_TABLE(X)                                                                        \
    X(VALID, "valid")                                                                              \
    X(TOO_LARGE, "oversized data")                                                                 \
    X(MALFORMED, "malformed transaction")                                                          \
    X(TYPE_UNSUPPORTED, "transaction type not supported")                                          \
    X(BLOBS_REFUSED, "transaction type not supported: this network takes no blobs (type 3)")       \
    X(SIGNATURE_INVALID, "invalid sender")                                                         \
    X(UNPROTECTED, "only replay-protected (EIP-155) transactions allowed")                         \
    X(CHAIN_ID_WRONG, "invalid chain id for signer")                                               \
    X(GAS_ABOVE_CAP, "transaction gas limit too high")                                             \
    X(GAS_ABOVE_BLOCK, "exceeds block gas limit")                                                  \
    X(GAS_BELOW_INTRINSIC, "intrinsic gas too low")                                                \
    X(GAS_BELOW_FLOOR, "insufficient gas for floor data gas cost")                                 \
    X(INIT_CODE_TOO_LARGE, "max initcode size exceeded")                                           \
    X(TIP_ABOVE_FEE, "max priority fee per gas higher than max fee per gas")                       \
    X(FEE_BELOW_BASE, "max fee per gas less than block base fee")                                  \
    X(BLOB_FEE_BELOW_BASE, "max fee per blob gas less than block blob gas fee")                    \
    X(BLOB_CREATE, "blob transaction of type create")                                              \
    X(BLOBS_MISSING, "blob transaction missing blob hashes")                                       \
    X(BLOBS_TOO_MANY, "blob transaction has too many blobs")                                       \
    X(BLOB_VERSION_WRONG, "blob has invalid hash version")                                         \
    X(AUTHORIZATION_CREATE, "EIP-7702 transaction cannot be used to create contract")              \
    X(AUTHORIZATIONS_MISSING, "EIP-7702 transaction with empty auth list")                         \
    X(NONCE_TOO_LOW, "nonce too low")                                                              \
    X(NONCE_TOO_HIGH, "nonce too high")                                                            \
    X(NONCE_MAX, "nonce has max value")                                                            \
    X(INSUFFICIENT_FUNDS, "insufficient funds for gas * price + value")                            \
    X(SENDER_HAS_CODE, "sender not an eoa")                                                        \
    X(ALREADY_KNOWN, "already known")                                                              \
    X(UNDERPRICED, "transaction underpriced")                                                      \
    X(REPLACEMENT_UNDERPRICED, "replacement transaction underpriced")                              \
    X(ACCOUNT_LIMIT, "account limit of the transaction pool reached")                              \
    X(DELEGATED_LIMIT, "in-flight transaction limit reached for delegated accounts")               \
    X(DELEGATED_GAP, "gapped-nonce tx from delegated accounts")                                    \
    X(AUTHORITY_RESERVED, "authority already reserved")                                            \
    X(POOL_FULL, "txpool is full")

enum tx_verdict {
#define TX_VERDICT_ENUM(name, text) TX_##name,
    TX_VERDICT_TABLE(TX_VERDICT_ENUM)
#undef TX_VERDICT_ENUM
};

const char *tx_verdict_text(enum tx_verdict verdict);

enum tx_type {
    TX_LEGACY = 0,
    TX_ACCESS_LIST = 1,
    TX_DYNAMIC_FEE = 2,
    TX_BLOB = 3,
    TX_SET_CODE = 4,
};
#define TX_TYPE_COUNT 5

struct tx_access {
    struct address address;
    struct hash *slots;
    size_t slot_count;
};

/* One EIP-7702 authorization: "my account runs the code of `address`". Kept as given: a wrong one
 * does not make the transaction invalid, it only has no effect. */
struct tx_authorization {
    struct u256 chain_id; /* 0: any chain */
    struct address address;
    u64 nonce;
    u8 parity; /* as given, 0..255 */
    u8 r[32];
    u8 s[32];
};

struct tx {
    enum tx_type type;
    bool has_chain_id; /* false only for legacy transactions before EIP-155 */
    u64 chain_id;
    u64 nonce;
    struct u256 max_fee;      /* types 0 and 1: gasPrice */
    struct u256 max_priority; /* types 0 and 1: gasPrice */
    u64 gas_limit;
    bool is_create; /* `to` is zero then */
    struct address to;
    struct u256 value;
    bytes input;
    struct tx_access *access;
    size_t access_count;
    struct u256 max_blob_fee; /* type 3: per unit of blob gas */
    struct hash *blob_hashes; /* type 3: versioned hashes */
    size_t blob_count;
    struct tx_authorization *authorizations; /* type 4 */
    size_t authorization_count;
    struct secp_signature signature; /* r ‖ s ‖ parity */
};

/* tx_decode: `raw` is the canonical form (RLP, or type byte and RLP), at most TX_BYTES_MAX; input
 * borrows from it, the lists lie in arena. TX_VALID, TX_TOO_LARGE, TX_TYPE_UNSUPPORTED,
 * TX_MALFORMED, or TX_SIGNATURE_INVALID (r or s zero or not below the group order). */
enum tx_verdict tx_decode(struct arena *arena, bytes raw, struct tx *ret_tx);
/* tx_decode_within: with another limit than TX_BYTES_MAX, for blocks of other chains. The arena
 * needs up to 6 * bytes_max. */
enum tx_verdict tx_decode_within(struct arena *arena, bytes raw, size_t bytes_max,
                                 struct tx *ret_tx);
/* tx_encode: appends the canonical form. */
void tx_encode(struct buf *out, const struct tx *tx);
/* tx_hash: keccak256 of the canonical form. */
void tx_hash(struct hash *out, bytes raw);
/* tx_signing_hash: what the sender signs. */
void tx_signing_hash(struct hash *out, const struct tx *tx);
/* tx_sign: fills tx->signature. */
void tx_sign(struct tx *tx, const struct secp_secret *secret);
/* tx_sender: recovers the sender (about 70 µs), whatever s is; false: TX_SIGNATURE_INVALID. */
MUST_USE bool tx_sender(const struct tx *tx, struct address *ret_sender);

/* tx_signature_is_low: s at most half the group order (EIP-2). */
bool tx_signature_is_low(const struct tx *tx);

/* tx_authority: who signed an authorization; false if nobody did: parity above 1, r or s out of
 * range, high s, or no such key. Chain id and nonce are the executor's to check. */
MUST_USE bool tx_authority(const struct tx_authorization *authorization,
                           struct address *ret_authority);
/* tx_authorization_sign: fills parity, r and s. */
void tx_authorization_sign(struct tx_authorization *authorization,
                           const struct secp_secret *secret);

/* What a chain allows at a block. */
struct tx_rules {
    enum fork fork;
    u64 chain_id;
    u64 block_gas_limit;
    u64 blob_gas_max;     /* of a block; 0: no blobs here (TX_BLOBS_REFUSED) */
    u64 blobs_per_tx_max; /* 0: as many as a block takes (before EIP-7594) */
};
/* tx_rules_ours: Osaka without blobs: this ledger's own rules. */
struct tx_rules tx_rules_ours(u64 chain_id, u64 block_gas_limit);

/* tx_intrinsic_gas: before any work: EIP-2, 2028, 2930, 3860, 7702. tx_floor_gas: EIP-7623, 0
 * before Prague. */
u64 tx_intrinsic_gas(const struct tx *tx, enum fork fork);
u64 tx_floor_gas(const struct tx *tx, enum fork fork);
/* tx_blob_gas: of all its blobs; 0 but for type 3. */
u64 tx_blob_gas(const struct tx *tx);
/* tx_cost: the most that it can take from its sender: gas limit * max_fee + blob gas *
 * max_blob_fee + value; false if that is beyond 256 bits. */
MUST_USE bool tx_cost(const struct tx *tx, struct u256 *ret_cost);
/* tx_price: what a unit of gas costs the sender at this base fee, and the part of it that is the
 * proposer's; false if max_fee is below the base fee. Before London the base fee is 0. */
MUST_USE bool tx_price(const struct tx *tx, struct u256 base_fee, struct u256 *ret_price,
                       struct u256 *ret_tip);
/* tx_check: all that can be said without any state: type, low s, chain, gas limits, intrinsic gas
 * and floor, init code, tip, blobs, authorizations, nonce maximum (EIP-2681), a fee that fits 256
 * bits (the whole cost is compared with the balance, which needs state). Legacy transactions
 * without chain id pass. */
enum tx_verdict tx_check(const struct tx *tx, const struct tx_rules *rules);

#endif

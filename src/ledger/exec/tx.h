/* tx.h: Ethereum transactions of types 0, 1 and 2.
 *
 * Type 0 is the legacy form, with EIP-155 replay protection or (decoded, but refused by the pool)
 * without; type 1 carries an access list (EIP-2930); type 2 has a priority fee as well (EIP-1559).
 * Decoding is strict: canonical RLP, no trailing bytes, integers in range, low s (EIP-2), parity 0
 * or 1. So there is one encoding for each transaction and its hash is an identity.
 *
 * What is wrong with a transaction is a verdict, not a fault. The texts of verdicts that Ethereum
 * clients know are geth's, because wallets match on them.
 */
#ifndef LEDGER_EXEC_TX_H
#define LEDGER_EXEC_TX_H

#include "base/arena.h"
#include "base/buf.h"
#include "crypto/sign.h"
#include "ledger/exec/u256.h"

#define TX_BYTES_MAX KIB(128)
/* An arena with this much left is never too small for one tx_decode(). */
#define TX_DECODE_BYTES (4 * TX_BYTES_MAX)

#define TX_VERDICT_TABLE(X)                                                                        \
    X(VALID, "valid")                                                                              \
    X(TOO_LARGE, "oversized data")                                                                 \
    X(MALFORMED, "malformed transaction")                                                          \
    X(TYPE_UNSUPPORTED, "transaction type not supported")                                          \
    X(SIGNATURE_INVALID, "invalid sender")                                                         \
    X(UNPROTECTED, "only replay-protected (EIP-155) transactions allowed")                         \
    X(CHAIN_ID_WRONG, "invalid chain id for signer")                                               \
    X(GAS_ABOVE_CAP, "transaction gas limit too high")                                             \
    X(GAS_ABOVE_BLOCK, "exceeds block gas limit")                                                  \
    X(GAS_BELOW_INTRINSIC, "intrinsic gas too low")                                                \
    X(GAS_BELOW_FLOOR, "insufficient gas for floor data gas cost")                                 \
    X(TIP_ABOVE_FEE, "max priority fee per gas higher than max fee per gas")                       \
    X(FEE_BELOW_BASE, "max fee per gas less than block base fee")                                  \
    X(NONCE_TOO_LOW, "nonce too low")                                                              \
    X(NONCE_TOO_HIGH, "nonce too high")                                                            \
    X(NONCE_MAX, "nonce has max value")                                                            \
    X(INSUFFICIENT_FUNDS, "insufficient funds for gas * price + value")                            \
    X(SENDER_HAS_CODE, "sender not an eoa")                                                        \
    X(CODE_UNSUPPORTED, "contract code is not executed yet")                                       \
    X(ALREADY_KNOWN, "already known")                                                              \
    X(UNDERPRICED, "transaction underpriced")                                                      \
    X(REPLACEMENT_UNDERPRICED, "replacement transaction underpriced")                              \
    X(ACCOUNT_LIMIT, "account limit of the transaction pool reached")                              \
    X(POOL_FULL, "txpool is full")

enum tx_verdict {
#define TX_VERDICT_ENUM(name, text) TX_##name,
    TX_VERDICT_TABLE(TX_VERDICT_ENUM)
#undef TX_VERDICT_ENUM
};

const char *tx_verdict_text(enum tx_verdict verdict);

enum tx_type { TX_LEGACY = 0, TX_ACCESS_LIST = 1, TX_DYNAMIC_FEE = 2 };

struct tx_access {
    struct address address;
    struct hash *slots;
    size_t slot_count;
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
    struct secp_signature signature; /* r ‖ s ‖ parity */
};

/* tx_decode: `raw` is the canonical form (RLP, or type byte and RLP); input borrows from it, the
 * access list lies in arena. TX_VALID, TX_TOO_LARGE, TX_TYPE_UNSUPPORTED, TX_MALFORMED, or
 * TX_SIGNATURE_INVALID (r or s zero or not below the group order, high s). */
enum tx_verdict tx_decode(struct arena *arena, bytes raw, struct tx *ret_tx);
/* tx_encode: appends the canonical form. */
void tx_encode(struct buf *out, const struct tx *tx);
/* tx_hash: keccak256 of the canonical form. */
void tx_hash(struct hash *out, bytes raw);
/* tx_signing_hash: what the sender signs. */
void tx_signing_hash(struct hash *out, const struct tx *tx);
/* tx_sign: fills tx->signature. */
void tx_sign(struct tx *tx, const struct secp_secret *secret);
/* tx_sender: recovers the sender (about 70 µs); false: TX_SIGNATURE_INVALID. */
MUST_USE bool tx_sender(const struct tx *tx, struct address *ret_sender);

/* tx_intrinsic_gas: EIP-2028, 2930, 3860. tx_floor_gas: EIP-7623. UINT64_MAX if beyond 64 bits. */
u64 tx_intrinsic_gas(const struct tx *tx);
u64 tx_floor_gas(const struct tx *tx);
/* tx_price: what a unit of gas costs the sender at this base fee, and the part of it that is the
 * proposer's; false if max_fee is below the base fee. */
MUST_USE bool tx_price(const struct tx *tx, struct u256 base_fee, struct u256 *ret_price,
                       struct u256 *ret_tip);
/* tx_check: all that can be said without any state: chain, gas limits against a block of
 * block_gas_limit, intrinsic gas and floor, tip, nonce maximum, a price that fits 256 bits, and
 * that it runs no code of its own (a creation is TX_CODE_UNSUPPORTED). Legacy transactions without
 * chain id pass. */
enum tx_verdict tx_check(const struct tx *tx, u64 chain_id, u64 block_gas_limit);

#endif

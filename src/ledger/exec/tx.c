#include "ledger/exec/tx.h"

#include "base/assert.h"
#include "ledger/exec/gas.h"

#define INIT_CODE_BYTES_MAX 49152u /* EIP-3860 */
#define BLOB_HASH_VERSION 1u       /* EIP-4844: the first byte of a KZG commitment's hash */

const char *tx_verdict_text(enum tx_verdict verdict)
{
    static const char *const texts[] = {
#define TX_VERDICT_TEXT(name, text) text,
        TX_VERDICT_TABLE(TX_VERDICT_TEXT)
#undef TX_VERDICT_TEXT
    };
    assert_that((size_t)verdict < COUNT_OF(texts));
    return texts[verdict];
}

/* --- prices --- */

static u64 zero_bytes(bytes input)
{
    u64 zeros = 0;
    for (size_t i = 0; i < input.len; i++) {
        zeros += input.data[i] == 0;
    }
    return zeros;
}

static u64 input_gas(bytes input, enum fork fork)
{
    u64 zeros = zero_bytes(input);
    u64 byte = fork >= FORK_ISTANBUL ? GAS_TX_BYTE : GAS_TX_BYTE_FRONTIER;
    return zeros * GAS_TX_ZERO_BYTE + (input.len - zeros) * byte;
}

static u64 create_gas(const struct tx *tx, enum fork fork)
{
    u64 gas = 0;
    if (tx->is_create && fork >= FORK_HOMESTEAD) {
        gas += GAS_TX_CREATE;
    }
    if (tx->is_create && fork >= FORK_SHANGHAI) {
        gas += ceil_div(tx->input.len, 32) * GAS_TX_INIT_WORD;
    }
    return gas;
}

/* Lengths are bounded by memory, so none of these sums comes near 64 bits. */
u64 tx_intrinsic_gas(const struct tx *tx, enum fork fork)
{
    u64 gas = GAS_TX + input_gas(tx->input, fork) + create_gas(tx, fork);
    for (size_t i = 0; i < tx->access_count; i++) {
        gas += GAS_TX_ACCESS_ADDRESS + tx->access[i].slot_count * GAS_TX_ACCESS_SLOT;
    }
    return gas + tx->authorization_count * GAS_TX_AUTHORIZATION;
}

u64 tx_floor_gas(const struct tx *tx, enum fork fork)
{
    if (fork < FORK_PRAGUE) {
        return 0;
    }
    u64 zeros = zero_bytes(tx->input);
    u64 tokens = zeros + (tx->input.len - zeros) * GAS_TX_TOKENS_PER_BYTE;
    return GAS_TX + tokens * GAS_TX_FLOOR_PER_TOKEN;
}

u64 tx_blob_gas(const struct tx *tx) { return tx->blob_count * TX_BLOB_GAS; }

bool tx_cost(const struct tx *tx, struct u256 *ret_cost)
{
    struct u256 gas;
    struct u256 blobs;
    struct u256 sum;
    bool fits = u256_mul_u64(&gas, tx->max_fee, tx->gas_limit) &&
                u256_mul_u64(&blobs, tx->max_blob_fee, tx_blob_gas(tx)) &&
                u256_add(&sum, gas, blobs) && u256_add(&sum, sum, tx->value);
    if (fits) {
        *ret_cost = sum;
    }
    return fits;
}

bool tx_price(const struct tx *tx, struct u256 base_fee, struct u256 *ret_price,
              struct u256 *ret_tip)
{
    struct u256 room;
    if (!u256_sub(&room, tx->max_fee, base_fee)) {
        return false;
    }
    struct u256 tip = u256_cmp(room, tx->max_priority) < 0 ? room : tx->max_priority;
    struct u256 price;
    bool fits = u256_add(&price, base_fee, tip);
    assert_that(fits);
    *ret_price = price;
    *ret_tip = tip;
    return true;
}

/* --- what can be said without state --- */

struct tx_rules tx_rules_ours(u64 chain_id, u64 block_gas_limit)
{
    return (struct tx_rules){
        .fork = FORK_OSAKA, .chain_id = chain_id, .block_gas_limit = block_gas_limit};
}

static enum tx_verdict check_type(const struct tx *tx, const struct tx_rules *rules)
{
    static const enum fork since[TX_TYPE_COUNT] = {
        [TX_LEGACY] = FORK_FRONTIER, [TX_ACCESS_LIST] = FORK_BERLIN, [TX_DYNAMIC_FEE] = FORK_LONDON,
        [TX_BLOB] = FORK_CANCUN,     [TX_SET_CODE] = FORK_PRAGUE,
    };
    assert_that((size_t)tx->type < TX_TYPE_COUNT);
    if (rules->fork < since[tx->type]) {
        return TX_TYPE_UNSUPPORTED;
    }
    return tx->type == TX_BLOB && rules->blob_gas_max == 0 ? TX_BLOBS_REFUSED : TX_VALID;
}

/* High s is malleable (EIP-2, Homestead); chain ids in v came with EIP-155 (Spurious Dragon). */
static enum tx_verdict check_signer(const struct tx *tx, const struct tx_rules *rules)
{
    if (rules->fork >= FORK_HOMESTEAD && !tx_signature_is_low(tx)) {
        return TX_SIGNATURE_INVALID;
    }
    if (tx->has_chain_id && rules->fork < FORK_SPURIOUS) {
        return TX_SIGNATURE_INVALID;
    }
    return tx->has_chain_id && tx->chain_id != rules->chain_id ? TX_CHAIN_ID_WRONG : TX_VALID;
}

static enum tx_verdict check_gas(const struct tx *tx, const struct tx_rules *rules)
{
    if (tx->gas_limit > rules->block_gas_limit) {
        return TX_GAS_ABOVE_BLOCK;
    }
    if (rules->fork >= FORK_OSAKA && tx->gas_limit > GAS_TX_MAX) {
        return TX_GAS_ABOVE_CAP;
    }
    if (rules->fork >= FORK_SHANGHAI && tx->is_create && tx->input.len > INIT_CODE_BYTES_MAX) {
        return TX_INIT_CODE_TOO_LARGE;
    }
    if (tx->gas_limit < tx_intrinsic_gas(tx, rules->fork)) {
        return TX_GAS_BELOW_INTRINSIC;
    }
    return tx->gas_limit < tx_floor_gas(tx, rules->fork) ? TX_GAS_BELOW_FLOOR : TX_VALID;
}

static enum tx_verdict check_blobs(const struct tx *tx, const struct tx_rules *rules)
{
    u64 per_tx =
        rules->blobs_per_tx_max != 0 ? rules->blobs_per_tx_max : rules->blob_gas_max / TX_BLOB_GAS;
    if (tx->is_create) {
        return TX_BLOB_CREATE;
    }
    if (tx->blob_count == 0) {
        return TX_BLOBS_MISSING;
    }
    if (tx->blob_count > per_tx || tx_blob_gas(tx) > rules->blob_gas_max) {
        return TX_BLOBS_TOO_MANY;
    }
    for (size_t i = 0; i < tx->blob_count; i++) {
        if (tx->blob_hashes[i].b[0] != BLOB_HASH_VERSION) {
            return TX_BLOB_VERSION_WRONG;
        }
    }
    return TX_VALID;
}

static enum tx_verdict check_parts(const struct tx *tx, const struct tx_rules *rules)
{
    if (tx->type == TX_BLOB) {
        return check_blobs(tx, rules);
    }
    if (tx->type == TX_SET_CODE && tx->is_create) {
        return TX_AUTHORIZATION_CREATE;
    }
    return tx->type == TX_SET_CODE && tx->authorization_count == 0 ? TX_AUTHORIZATIONS_MISSING
                                                                   : TX_VALID;
}

enum tx_verdict tx_check(const struct tx *tx, const struct tx_rules *rules)
{
    static enum tx_verdict (*const checks[])(const struct tx *, const struct tx_rules *) = {
        check_type, check_signer, check_parts, check_gas};
    struct u256 cost;
    for (size_t i = 0; i < COUNT_OF(checks); i++) {
        enum tx_verdict verdict = checks[i](tx, rules);
        if (verdict != TX_VALID) {
            return verdict;
        }
    }
    if (u256_cmp(tx->max_priority, tx->max_fee) > 0) {
        return TX_TIP_ABOVE_FEE;
    }
    if (tx->nonce == UINT64_MAX) {
        return TX_NONCE_MAX;
    }
    bool fits = u256_mul_u64(&cost, tx->max_fee, tx->gas_limit);
    return fits ? TX_VALID : TX_INSUFFICIENT_FUNDS; /* nobody has that much */
}

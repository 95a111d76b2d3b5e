#include "ledger/pool/pool.h"

/* Whose delegations the transaction would set here: those for this chain or any that somebody
 * signed. Nonces are the executor's to check. */
static err recover_authorities(const struct pool_options *options, struct arena *arena,
                               struct pool_checked *checked)
{
    const struct tx *tx = &checked->tx;
    if (tx->authorization_count == 0) {
        return ok();
    }
    checked->authorities = ARENA_ARRAY(arena, struct address, tx->authorization_count);
    if (checked->authorities == NULL) {
        return fail(ERR_LIMIT);
    }
    for (size_t i = 0; i < tx->authorization_count; i++) {
        const struct tx_authorization *authorization = &tx->authorizations[i];
        struct u256 ours = u256_from_u64(options->chain_id);
        bool is_for_here =
            u256_is_zero(authorization->chain_id) || u256_cmp(authorization->chain_id, ours) == 0;
        if (is_for_here &&
            tx_authority(authorization, &checked->authorities[checked->authority_count])) {
            checked->authority_count++;
        }
    }
    return ok();
}

enum tx_verdict pool_check(const struct pool_options *options, struct arena *arena, bytes raw,
                           struct pool_checked *ret_checked)
{
    struct pool_checked checked = {.raw = raw};
    tx_hash(&checked.hash, raw);
    ret_checked->hash = checked.hash;
    if (raw.len > 0 && raw.data[0] == TX_BLOB) {
        return TX_BLOBS_REFUSED; /* in either form, with its blobs or without */
    }
    enum tx_verdict verdict = tx_decode(arena, raw, &checked.tx);
    if (verdict != TX_VALID) {
        return verdict;
    }
    if (!checked.tx.has_chain_id) {
        return TX_UNPROTECTED;
    }
    struct tx_rules rules = tx_rules_ours(options->chain_id, options->block_gas_limit);
    verdict = tx_check(&checked.tx, &rules);
    if (verdict != TX_VALID) {
        return verdict;
    }
    if (u256_cmp(checked.tx.max_priority, options->tip_min) < 0) {
        return TX_UNDERPRICED;
    }
    if (!tx_cost(&checked.tx, &checked.cost)) {
        return TX_INSUFFICIENT_FUNDS;
    }
    if (!tx_sender(&checked.tx, &checked.sender)) {
        return TX_SIGNATURE_INVALID;
    }
    if (!is_ok(recover_authorities(options, arena, &checked))) {
        return TX_TOO_LARGE;
    }
    *ret_checked = checked;
    return TX_VALID;
}

/* account.c: signing and sending transactions. */
#include "chain/internal.h"

#include "base/log.h"
#include "base/mem.h"
#include "ledger/exec/tx.h"

#define SUBMIT_AGAIN_MS 3000
#define PRIORITY_FEE_WEI 1000000u
#define NONCE_UNKNOWN UINT64_MAX

struct chain_account {
    struct chain *chain;
    struct secp_secret secret;
    struct address address;
    u64 next_nonce;
    struct gate signing; /* one at a time: estimate, then take the nonce */
};

static err pending_nonce(struct chain_account *account, u64 deadline_ms, u64 *ret_nonce)
{
    json_t *answer;
    json_t *params = json_pack("[o, s]", json_data(BYTES_OF(account->address)), "pending");
    TRY(rpc_call(&account->chain->rpc, "eth_getTransactionCount", params, deadline_ms, NULL,
                 &answer));
    bool fine = json_read_quantity(answer, ret_nonce);
    json_decref(answer);
    return fine ? ok() : fail(ERR_MALFORMED);
}

err chain_account_open(struct chain *chain, const struct secp_secret *secret,
                       struct chain_account **ret_account)
{
    struct chain_account *account = MEM_NEW(struct chain_account);
    account->chain = chain;
    account->secret = *secret;
    account->next_nonce = NONCE_UNKNOWN;
    secp_address_of_secret(&account->address, secret);
    gate_init(&account->signing, 1);
    *ret_account = account;
    return ok();
}

void chain_account_close(struct chain_account *account)
{
    if (account != NULL) {
        secp_secret_wipe(&account->secret);
        mem_free(account);
    }
}

struct address chain_account_address(const struct chain_account *account)
{
    return account->address;
}

static err estimate(struct chain_account *account, const struct chain_call *call, u64 deadline_ms,
                    u64 *ret_gas)
{
    u8 value[32];
    u256_to_be(value, call->value);
    json_t *request = json_pack("{s:o, s:o, s:o, s:o}", "from", json_data(BYTES_OF(account->address)),
                                "to", json_data(BYTES_OF(call->to)), "value",
                                json_quantity256(value), "data", json_data(call->input));
    json_t *answer;
    struct rpc_error error;
    err e = rpc_call(&account->chain->rpc, "eth_estimateGas", json_pack("[o]", request),
                     deadline_ms, &error, &answer);
    if (is_err(e, ERR_REFUSED)) {
        log_warn("chain", "the ledger would refuse the call: %s", error.message);
    }
    TRY(e);
    u64 gas;
    bool fine = json_read_quantity(answer, &gas);
    json_decref(answer);
    if (!fine) {
        return fail(ERR_MALFORMED);
    }
    *ret_gas = gas + gas / 4;
    return ok();
}

static void make_tx(const struct chain_account *account, const struct chain_call *call, u64 gas,
                    u64 nonce, struct tx *ret_tx)
{
    u64 base_fee = account->chain->head.base_fee;
    *ret_tx = (struct tx){
        .type = TX_DYNAMIC_FEE,
        .has_chain_id = true,
        .chain_id = account->chain->chain_id,
        .nonce = nonce,
        .max_priority = u256_from_u64(PRIORITY_FEE_WEI),
        .max_fee = u256_from_u64(base_fee * 4 + PRIORITY_FEE_WEI),
        .gas_limit = gas,
        .to = call->to,
        .value = call->value,
        .input = call->input,
    };
    tx_sign(ret_tx, &account->secret);
}

static err sign_locked(struct chain_account *account, const struct chain_call *call,
                       struct arena *arena, u64 deadline_ms, bytes *ret_raw, struct hash *ret_hash)
{
    u64 gas = call->gas_limit;
    if (gas == 0) {
        TRY(estimate(account, call, deadline_ms, &gas));
    }
    if (account->next_nonce == NONCE_UNKNOWN) {
        TRY(pending_nonce(account, deadline_ms, &account->next_nonce));
    }
    struct tx tx;
    struct buf raw;
    make_tx(account, call, gas, account->next_nonce, &tx);
    buf_init(&raw, CHAIN_RAW_TX_BYTES_MAX);
    tx_encode(&raw, &tx);
    err e = buf_done(&raw);
    if (is_ok(e)) {
        *ret_raw = arena_copy(arena, buf_bytes(&raw));
        e = ret_raw->data != NULL ? ok() : fail(ERR_LIMIT);
    }
    buf_free(&raw);
    TRY(e);
    tx_hash(ret_hash, *ret_raw);
    account->next_nonce++;
    return ok();
}

err chain_sign(struct chain_account *account, const struct chain_call *call, struct arena *arena,
               u64 deadline_ms, bytes *ret_raw, struct hash *ret_hash)
{
    TRY(gate_enter(account->chain->loop, &account->signing, 1, deadline_ms));
    err e = sign_locked(account, call, arena, deadline_ms, ret_raw, ret_hash);
    gate_leave(&account->signing, 1);
    return e;
}

void chain_account_resync(struct chain_account *account) { account->next_nonce = NONCE_UNKNOWN; }

err chain_submit_raw(struct chain *chain, bytes raw, u64 deadline_ms)
{
    json_t *answer;
    struct rpc_error error;
    err e = rpc_call(&chain->rpc, "eth_sendRawTransaction", json_pack("[o]", json_data(raw)),
                     deadline_ms, &error, &answer);
    if (is_err(e, ERR_REFUSED)) {
        if (bytes_eq_str(bytes_str(error.message), "already known")) {
            return ok();
        }
        log_debug("chain", "transaction refused: %s", error.message);
    }
    TRY(e);
    json_decref(answer);
    return ok();
}

/* Submits again now and then: a ledger node that restarts forgets its pool. */
static err submit_and_await(struct chain *chain, bytes raw, const struct hash *hash,
                            struct arena *arena, u64 deadline_ms, struct chain_receipt *ret)
{
    for (bool first = true;; first = false) {
        u64 call_deadline = min_u64(deadline_ms, chain_deadline(chain, CHAIN_CALL_TIMEOUT_MS));
        err submitted = chain_submit_raw(chain, raw, call_deadline);
        if (first && is_err(submitted, ERR_REFUSED)) {
            return submitted;
        }
        u64 round = min_u64(deadline_ms, chain_deadline(chain, SUBMIT_AGAIN_MS));
        err e = chain_await(chain, hash, arena, round, ret);
        if (!is_err(e, ERR_TIMEOUT) || round == deadline_ms) {
            return e;
        }
    }
}

err chain_send(struct chain_account *account, const struct chain_call *call, struct arena *arena,
               u64 deadline_ms, struct chain_receipt *ret_receipt)
{
    bytes raw;
    struct hash hash;
    TRY(chain_sign(account, call, arena, deadline_ms, &raw, &hash));
    err e = submit_and_await(account->chain, raw, &hash, arena, deadline_ms, ret_receipt);
    if (!is_ok(e)) {
        chain_account_resync(account);
        return e;
    }
    return ret_receipt->success ? ok() : fail(ERR_REFUSED);
}

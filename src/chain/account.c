/* account.c: signing and sending transactions.
 *
 * Nonces are given out in order by one fiber at a time. chain_send() also submits for the first
 * time in its turn, so that a refusal leaves no gap: the nonce is taken back before anyone got the
 * next. What was submitted once, or may have been, is submitted again until there is a receipt, for
 * ledger nodes forget their pools when they restart; until then its nonce is *held*.
 *
 * When something was given up, its nonce may be missing for good, or not. Then (`stale`) the ledger
 * is asked before the next signature: a nonce that it misses and that nobody here holds is given
 * out first. While the ledger is away signatures go on at the end, as what they are for may not
 * need it.
 */
#include "chain/internal.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "codec/rlp.h"
#include "crypto/hash.h"
#include "ledger/exec/gas.h"
#include "ledger/exec/tx.h"

#define SUBMIT_AGAIN_MS 3000
#define RESYNC_MS RPC_QUIET_MS       /* signing goes on without an answer */
#define SUBMIT_FIRST_MS RPC_QUIET_MS /* others wait for their nonces that long at most */
#define NONCE_TAKEN_MS 4000          /* the nonce is used and no receipt turns up */
#define PRIORITY_FEE_WEI 1000000u
#define BASE_FEE_FACTOR 4u
#define NONCE_UNKNOWN UINT64_MAX
#define NONCE_LAST (UINT64_MAX - 2) /* EIP-2681 */
#define SMALL_ANSWER_BYTES_MAX KIB(64)

struct chain_account {
    struct chain *chain;
    struct secp_secret secret;
    struct address address;
    u64 next_nonce;      /* behind all that were given out; NONCE_UNKNOWN: not asked yet */
    bool stale;          /* some before it may be missing; or it is used already */
    u64 resyncs;         /* how often it was asked for */
    struct list held;    /* struct held */
    struct gate signing; /* one at a time takes a nonce */
};

struct held {
    struct list node;
    u64 nonce;
};

err chain_account_open(struct chain *chain, const struct secp_secret *secret,
                       struct chain_account **ret_account)
{
    struct chain_account *account = MEM_NEW(struct chain_account);
    account->chain = chain;
    account->secret = *secret;
    account->next_nonce = NONCE_UNKNOWN;
    list_init(&account->held);
    secp_address_of_secret(&account->address, secret);
    gate_init(&account->signing, 1);
    *ret_account = account;
    return ok();
}

void chain_account_close(struct chain_account *account)
{
    if (account != NULL) {
        secp_secret_wipe(&account->secret);
        list_for_safe (it, &account->held) {
            list_remove(it);
            mem_free(list_entry(it, struct held, node));
        }
        mem_free(account);
    }
}

struct address chain_account_address(const struct chain_account *account)
{
    return account->address;
}

void chain_account_resync(struct chain_account *account)
{
    account->stale = true;
    account->resyncs++;
}

void chain_account_hold(struct chain_account *account, u64 nonce)
{
    struct held *held = MEM_NEW(struct held);
    held->nonce = nonce;
    list_push_back(&account->held, &held->node);
    if (account->next_nonce != NONCE_UNKNOWN && nonce <= NONCE_LAST) {
        account->next_nonce = max_u64(account->next_nonce, nonce + 1);
    }
}

static struct held *find_held(const struct chain_account *account, u64 nonce)
{
    list_for (it, &account->held) {
        struct held *held = list_entry(it, struct held, node);
        if (held->nonce == nonce) {
            return held;
        }
    }
    return NULL;
}

bool chain_account_holds(const struct chain_account *account, u64 nonce)
{
    return find_held(account, nonce) != NULL;
}

void chain_account_release(struct chain_account *account, u64 nonce)
{
    struct held *held = find_held(account, nonce);
    assert_that(held != NULL);
    list_remove(&held->node);
    mem_free(held);
}

/* The nonce behind all that are held. */
static u64 behind_held(const struct chain_account *account)
{
    u64 behind = 0;
    list_for (it, &account->held) {
        u64 nonce = list_entry(it, struct held, node)->nonce;
        behind = nonce <= NONCE_LAST ? max_u64(behind, nonce + 1) : behind;
    }
    return behind;
}

/* ---- small questions ---- */

static err read_u64(void *ctx, const json_t *answer)
{
    u64 *ret = ctx;
    return json_read_quantity(answer, ret) ? ok() : fail(ERR_MALFORMED);
}

static err ask_u64(struct chain *chain, const char *method, json_t *params, u64 deadline_ms,
                   struct rpc_error *ret_error, u64 *ret)
{
    const struct rpc_request request = {
        .method = method,
        .params = params,
        .answer_bytes_max = SMALL_ANSWER_BYTES_MAX,
        .deadline_ms = deadline_ms,
        .read = read_u64,
        .ctx = ret,
    };
    return rpc_call(&chain->rpc, &request, ret_error);
}

/* The nonce behind what waits in the node's pool. An answer from before a resync says nothing. */
static err ask_nonce(const struct chain_account *account, u64 deadline_ms, u64 *ret_nonce)
{
    u64 resyncs;
    do {
        resyncs = account->resyncs;
        json_t *params = json_pack("[o, s]", json_data(BYTES_OF(account->address)), "pending");
        TRY(ask_u64(account->chain, "eth_getTransactionCount", params, deadline_ms, NULL,
                    ret_nonce));
        if (*ret_nonce > NONCE_LAST) {
            return fail(ERR_MALFORMED);
        }
    } while (account->resyncs != resyncs);
    return ok();
}

/* In the gate: which nonce the next signature gets. */
static err choose_nonce(struct chain_account *account, u64 deadline_ms, u64 *ret_nonce)
{
    bool is_known = account->next_nonce != NONCE_UNKNOWN;
    u64 pending;
    *ret_nonce = account->next_nonce;
    if (is_known && !(account->stale && chain_healthy(account->chain))) {
        return ok();
    }
    u64 limit_ms = is_known ? chain_deadline(account->chain, RESYNC_MS) : deadline_ms;
    err e = ask_nonce(account, min_u64(deadline_ms, limit_ms), &pending);
    if (!is_ok(e)) {
        return is_known && !is_err(e, ERR_CANCELLED) ? ok() : e;
    }
    u64 given = is_known ? account->next_nonce : behind_held(account);
    bool gap = pending < given && !chain_account_holds(account, pending);
    account->next_nonce = max_u64(given, pending);
    account->stale = gap; /* there may be more than one */
    *ret_nonce = gap ? pending : account->next_nonce;
    return ok();
}

err chain_estimate(struct chain_account *account, const struct chain_call *call, u64 deadline_ms,
                   u64 *ret_gas)
{
    u8 value[32];
    struct rpc_error error;
    u64 gas;
    u256_to_be(value, call->value);
    json_t *request = json_pack("{s:o, s:o, s:o}", "from", json_data(BYTES_OF(account->address)),
                                "value", json_quantity256(value), "data", json_data(call->input));
    if (!call->is_create) {
        json_object_set_new(request, "to", json_data(BYTES_OF(call->to)));
    }
    err e = ask_u64(account->chain, "eth_estimateGas", json_pack("[o]", request), deadline_ms,
                    &error, &gas);
    if (is_err(e, ERR_REFUSED)) {
        log_warn("chain", "the ledger would refuse the call: %s", error.message);
    }
    TRY(e);
    if (gas > GAS_TX_MAX) {
        return fail(ERR_MALFORMED);
    }
    *ret_gas = min_u64(gas + gas / 4, GAS_TX_MAX);
    return ok();
}

/* ---- signing ---- */

static void make_tx(const struct chain_account *account, const struct chain_call *call, u64 gas,
                    u64 nonce, struct tx *ret_tx)
{
    struct u256 tip = u256_from_u64(PRIORITY_FEE_WEI);
    struct u256 max_fee = u256_from_u64(account->chain->head.base_fee);
    bool fits =
        u256_mul_u64(&max_fee, max_fee, BASE_FEE_FACTOR) && u256_add(&max_fee, max_fee, tip);
    assert_that(fits); /* of two 64 bit numbers */
    *ret_tx = (struct tx){
        .type = TX_DYNAMIC_FEE,
        .has_chain_id = true,
        .chain_id = account->chain->trust.chain_id,
        .nonce = nonce,
        .max_priority = tip,
        .max_fee = max_fee,
        .gas_limit = gas,
        .is_create = call->is_create,
        .to = call->is_create ? (struct address){{0}} : call->to,
        .value = call->value,
        .input = call->input,
    };
    tx_sign(ret_tx, &account->secret);
}

static err sign_with(const struct chain_account *account, const struct chain_call *call, u64 gas,
                     u64 nonce, struct arena *arena, bytes *ret_raw, struct hash *ret_hash)
{
    struct tx tx;
    struct buf out;
    make_tx(account, call, gas, nonce, &tx);
    buf_init(&out, CHAIN_RAW_TX_BYTES_MAX);
    tx_encode(&out, &tx);
    err e = buf_done(&out);
    bytes raw = is_ok(e) ? arena_copy(arena, buf_bytes(&out)) : (bytes){0};
    buf_free(&out);
    if (raw.data == NULL) {
        return fail(ERR_LIMIT);
    }
    tx_hash(ret_hash, raw);
    *ret_raw = raw;
    return ok();
}

/* In the gate: takes the next nonce, and holds it. */
static err sign(struct chain_account *account, const struct chain_call *call, u64 gas,
                struct arena *arena, u64 deadline_ms, bytes *ret_raw, struct hash *ret_hash,
                u64 *ret_nonce)
{
    u64 nonce;
    TRY(choose_nonce(account, deadline_ms, &nonce));
    TRY(sign_with(account, call, gas, nonce, arena, ret_raw, ret_hash));
    chain_account_hold(account, nonce);
    *ret_nonce = nonce;
    return ok();
}

err chain_sign_hold(struct chain_account *account, const struct chain_call *call,
                    struct arena *arena, u64 deadline_ms, bytes *ret_raw, struct hash *ret_hash,
                    u64 *ret_nonce)
{
    u64 gas = call->gas_limit;
    if (gas == 0) {
        TRY(chain_estimate(account, call, deadline_ms, &gas));
    }
    TRY(gate_enter(account->chain->loop, &account->signing, 1, deadline_ms));
    err e = sign(account, call, gas, arena, deadline_ms, ret_raw, ret_hash, ret_nonce);
    gate_leave(&account->signing, 1);
    return e;
}

err chain_sign(struct chain_account *account, const struct chain_call *call, struct arena *arena,
               u64 deadline_ms, bytes *ret_raw, struct hash *ret_hash)
{
    u64 nonce;
    TRY(chain_sign_hold(account, call, arena, deadline_ms, ret_raw, ret_hash, &nonce));
    chain_account_release(account, nonce);
    return ok();
}

err chain_sign_at(const struct chain_account *account, const struct chain_call *call, u64 nonce,
                  struct arena *arena, bytes *ret_raw, struct hash *ret_hash)
{
    assert_that(call->gas_limit != 0);
    return sign_with(account, call, call->gas_limit, nonce, arena, ret_raw, ret_hash);
}

struct address chain_created_address(const struct address *creator, u64 nonce)
{
    struct buf list;
    struct hash hash;
    struct address out;
    buf_init(&list, KIB(1));
    size_t begin = rlp_list_begin(&list);
    rlp_put_bytes(&list, BYTES_OF(*creator));
    rlp_put_u64(&list, nonce);
    rlp_list_end(&list, begin);
    keccak256(&hash, buf_bytes(&list));
    buf_free(&list);
    memcpy(out.b, hash.b + 12, sizeof out.b);
    return out;
}

/* ---- submitting ---- */

static err read_anything(void *ctx, const json_t *answer)
{
    (void)ctx;
    (void)answer; /* the hash is ours to know */
    return ok();
}

/* What the pool says, as far as it matters here. */
enum submission {
    SUBMITTED,    /* it waits in the pool */
    SUBMIT_LATER, /* not now: the pool is full, or too many of this account wait in it */
    SUBMIT_TAKEN, /* its nonce is used, maybe by itself */
    SUBMIT_NEVER, /* refused for good */
};

static bool says(const struct rpc_error *error, enum tx_verdict verdict)
{
    return strcmp(error->message, tx_verdict_text(verdict)) == 0;
}

static enum submission submission_of(const struct rpc_error *error)
{
    static const enum tx_verdict later[] = {TX_POOL_FULL, TX_ACCOUNT_LIMIT, TX_NONCE_TOO_HIGH,
                                            TX_FEE_BELOW_BASE};
    if (says(error, TX_ALREADY_KNOWN)) {
        return SUBMITTED;
    }
    if (says(error, TX_NONCE_TOO_LOW) || says(error, TX_REPLACEMENT_UNDERPRICED)) {
        return SUBMIT_TAKEN;
    }
    for (size_t i = 0; i < COUNT_OF(later); i++) {
        if (says(error, later[i])) {
            return SUBMIT_LATER;
        }
    }
    return SUBMIT_NEVER;
}

static err submit(struct chain *chain, bytes raw, u64 deadline_ms, enum submission *ret)
{
    struct rpc_error error;
    const struct rpc_request request = {
        .method = "eth_sendRawTransaction",
        .params = json_pack("[o]", json_data(raw)),
        .answer_bytes_max = SMALL_ANSWER_BYTES_MAX,
        .deadline_ms = deadline_ms,
        .read = read_anything,
    };
    err e = rpc_call(&chain->rpc, &request, &error);
    if (is_err(e, ERR_REFUSED)) {
        *ret = submission_of(&error);
        if (*ret == SUBMIT_NEVER) {
            log_warn("chain", "the ledger refused a transaction: %s", error.message);
        } else if (*ret != SUBMITTED) {
            log_debug("chain", "transaction refused for now: %s", error.message);
        }
        return ok();
    }
    TRY(e);
    *ret = SUBMITTED;
    return ok();
}

err chain_submit_raw(struct chain *chain, bytes raw, u64 deadline_ms)
{
    enum submission submission;
    TRY(submit(chain, raw, deadline_ms, &submission));
    switch (submission) {
    case SUBMITTED:
        return ok();
    case SUBMIT_LATER:
        return fail(ERR_BUSY);
    case SUBMIT_TAKEN:
        return fail(ERR_CONFLICT);
    case SUBMIT_NEVER:
        return fail(ERR_REFUSED);
    }
    unreachable_case();
}

/* ---- sending ---- */

struct sending {
    struct chain_account *account;
    struct arena *arena;
    u64 deadline_ms;
    bytes raw;
    struct hash hash;
    u64 nonce;    /* held */
    u64 taken_ms; /* since when its nonce is known to be used; 0: it is not */
};

/* give_back: a nonce that was never used; the last one given out can simply be given out again. */
static void give_back(struct chain_account *account, u64 nonce)
{
    if (account->next_nonce == nonce + 1) {
        account->next_nonce = nonce;
    } else {
        chain_account_resync(account);
    }
}

/* In the gate: signs and submits once. A transaction that is refused for good never was: its nonce
 * is the next one's. If it is not known whether it got there, it stays. */
static err sign_and_submit(struct sending *sending, const struct chain_call *call, u64 gas)
{
    struct chain_account *account = sending->account;
    enum submission submission;
    TRY(sign(account, call, gas, sending->arena, sending->deadline_ms, &sending->raw,
             &sending->hash, &sending->nonce));
    u64 first_ms = min_u64(sending->deadline_ms, chain_deadline(account->chain, SUBMIT_FIRST_MS));
    err e = submit(account->chain, sending->raw, first_ms, &submission);
    if (is_ok(e) && submission == SUBMIT_NEVER) {
        give_back(account, sending->nonce);
        e = fail(ERR_REFUSED);
    } else if (is_ok(e) && submission == SUBMIT_TAKEN) {
        chain_account_resync(account); /* so that the next one does not take a used one, too */
        sending->taken_ms = loop_now_ms(account->chain->loop);
    } else if (!is_err(e, ERR_CANCELLED)) {
        e = ok();
    }
    if (!is_ok(e)) {
        chain_account_release(account, sending->nonce);
    }
    return e;
}

static err submit_again(struct sending *sending)
{
    struct chain *chain = sending->account->chain;
    u64 call_ms = min_u64(sending->deadline_ms, chain_deadline(chain, CHAIN_CALL_TIMEOUT_MS));
    enum submission submission;
    err e = submit(chain, sending->raw, call_ms, &submission);
    if (!is_ok(e)) {
        return is_err(e, ERR_CANCELLED) ? e : ok(); /* the next round may get through */
    }
    if (submission != SUBMIT_TAKEN) {
        sending->taken_ms = 0;
    } else if (sending->taken_ms == 0) {
        sending->taken_ms = loop_now_ms(chain->loop);
    }
    return ok();
}

/* Until there is a receipt, or the nonce is another transaction's. */
static err await_and_resubmit(struct sending *sending, struct chain_receipt *ret)
{
    struct chain *chain = sending->account->chain;
    for (;;) {
        u64 round_ms = min_u64(sending->deadline_ms, chain_deadline(chain, SUBMIT_AGAIN_MS));
        err e = chain_await(chain, &sending->hash, sending->arena, round_ms, ret);
        u64 now_ms = loop_now_ms(chain->loop);
        if (!is_err(e, ERR_TIMEOUT) || now_ms >= sending->deadline_ms) {
            return e;
        }
        if (sending->taken_ms != 0 && now_ms - sending->taken_ms >= NONCE_TAKEN_MS) {
            return fail(ERR_CONFLICT);
        }
        TRY(submit_again(sending));
    }
}

static void log_revert(const struct hash *hash, u64 height)
{
    char text[2 * sizeof hash->b + 1];
    hex_encode(text, sizeof text, BYTES_OF(*hash));
    log_warn("chain", "transaction 0x%s was reverted in block %llu", text,
             (unsigned long long)height);
}

err chain_send(struct chain_account *account, const struct chain_call *call, struct arena *arena,
               u64 deadline_ms, struct chain_receipt *ret_receipt)
{
    struct sending sending = {.account = account, .arena = arena, .deadline_ms = deadline_ms};
    u64 gas = call->gas_limit;
    if (gas == 0) {
        TRY(chain_estimate(account, call, deadline_ms, &gas));
    }
    TRY(gate_enter(account->chain->loop, &account->signing, 1, deadline_ms));
    err e = sign_and_submit(&sending, call, gas);
    gate_leave(&account->signing, 1);
    TRY(e);
    e = await_and_resubmit(&sending, ret_receipt);
    chain_account_release(account, sending.nonce);
    if (!is_ok(e)) {
        chain_account_resync(account);
        return e;
    }
    if (!ret_receipt->success) {
        log_revert(&sending.hash, ret_receipt->height);
        return fail(ERR_REFUSED);
    }
    return ok();
}

/* testing_stage.h: a few accounts in memory and an executor on them, for tests of ledger/evm.
 *
 * Code is written in hexadecimal. Everything runs on one journal until the stage is freed.
 */
#ifndef LEDGER_EVM_TESTING_STAGE_H
#define LEDGER_EVM_TESTING_STAGE_H

#include "base/mem.h"
#include "crypto/hash.h"
#include "ledger/evm/execute.h"
#include "tests/support/check.h"

#undef fail /* cmocka's; err.h's is meant */

#define STAGE_ACCOUNTS_MAX 16
#define STAGE_BYTES MIB(256)
#define STAGE_BALANCE 1000000000000000000u
#define STAGE_CODE_BYTES_MAX KIB(64)
#define STAGE_SLOT 7 /* of every account with code: holds STAGE_WORD */
#define STAGE_WORD 70

struct stage_account {
    struct address address;
    struct account account;
    u8 code[STAGE_CODE_BYTES_MAX];
    size_t code_len;
};

struct stage {
    struct stage_account accounts[STAGE_ACCOUNTS_MAX];
    size_t count;
    struct journal journal;
    struct block_env env;
    struct executor executor;
    struct arena arena;
    struct address user; /* has STAGE_BALANCE */
};

static inline struct address stage_address(u8 n)
{
    return (struct address){{[0] = 0xee, [19] = n}};
}

static inline struct stage_account *stage_find(struct stage *stage, const struct address *address)
{
    for (size_t i = 0; i < stage->count; i++) {
        if (address_eq(&stage->accounts[i].address, address)) {
            return &stage->accounts[i];
        }
    }
    return NULL;
}

static inline err stage_source_account(void *ctx, const struct address *address,
                                       struct account *ret_account)
{
    const struct stage_account *found = stage_find(ctx, address);
    *ret_account = found != NULL ? found->account : account_none();
    return ok();
}

static inline err stage_source_slot(void *ctx, const struct address *address,
                                    const struct hash *slot, struct word *ret_word)
{
    const struct stage_account *found = stage_find(ctx, address);
    static const struct hash filled = {{[31] = STAGE_SLOT}};
    *ret_word = (struct word){{0}};
    if (found != NULL && found->code_len > 0 && hash_eq(slot, &filled)) {
        ret_word->b[31] = STAGE_WORD;
    }
    return ok();
}

static inline err stage_source_code(void *ctx, const struct hash *code_hash, struct arena *arena,
                                    bytes *ret_code)
{
    struct stage *stage = ctx;
    for (size_t i = 0; i < stage->count; i++) {
        struct stage_account *account = &stage->accounts[i];
        if (hash_eq(&account->account.code_hash, code_hash)) {
            *ret_code = arena_copy(arena, bytes_make(account->code, account->code_len));
            return ok();
        }
    }
    return fail(ERR_INTEGRITY);
}

static inline struct stage_account *stage_add(struct stage *stage, const struct address *address,
                                              bytes code)
{
    assert_true(stage->count < STAGE_ACCOUNTS_MAX && code.len <= STAGE_CODE_BYTES_MAX);
    struct stage_account *account = &stage->accounts[stage->count++];
    account->address = *address;
    account->account = account_none();
    account->account.nonce = 1;
    account->code_len = code.len;
    if (code.len > 0) {
        memcpy(account->code, code.data, code.len);
        keccak256(&account->account.code_hash, code);
    }
    return account;
}

/* stage_contract: code in hexadecimal at stage_address(n), before anything has run. */
static inline struct address stage_contract(struct stage *stage, u8 n, const char *hex)
{
    u8 code[STAGE_CODE_BYTES_MAX];
    struct address address = stage_address(n);
    size_t len = unhex(code, sizeof code, hex);
    stage_add(stage, &address, bytes_make(code, len));
    return address;
}

static inline struct stage *stage_new(enum fork fork)
{
    struct stage *stage = mem_alloc(sizeof *stage);
    struct state_source source = {.ctx = stage,
                                  .account = stage_source_account,
                                  .slot = stage_source_slot,
                                  .code = stage_source_code};
    stage->env = (struct block_env){
        .fork = fork,
        .chain_id = 7,
        .height = 1000,
        .time = 5000,
        .gas_limit = UINT64_MAX / 2,
        .coinbase = {{[19] = 0xcb}},
        .base_fee = u256_from_u64(11),
        .prev_randao = {{[31] = 0x99}},
        .difficulty = u256_from_u64(0x77),
        .parent_hash = {{[0] = 0xfa}},
        .blob_base_fee = u256_from_u64(3),
    };
    journal_init(&stage->journal, &source, STAGE_BYTES);
    executor_init(&stage->executor, &stage->journal, &stage->env);
    arena_init(&stage->arena, STAGE_BYTES);
    stage->user = stage_address(0xff);
    stage_add(stage, &stage->user, bytes_str(""))->account.balance = u256_from_u64(STAGE_BALANCE);
    return stage;
}

static inline void stage_free(struct stage *stage)
{
    journal_free(&stage->journal);
    arena_free(&stage->arena);
    mem_free(stage);
}

/* stage_run: a call by the user; the gas is that of the frame, without what is intrinsic. */
static inline struct exec_result stage_run(struct stage *stage, struct address to, u64 value,
                                           u64 gas, bytes input)
{
    struct exec_result result;
    struct tx shape = {.input = input};
    struct call_request request = {
        .from = stage->user,
        .to = to,
        .value = u256_from_u64(value),
        .gas_limit = gas + tx_intrinsic_gas(&shape, stage->env.fork),
        .input = input,
    };
    err e = execute_call(&stage->executor, &request, &stage->arena, &result);
    assert_int_equal(e.code, ERR_OK);
    assert_int_equal(result.verdict, TX_VALID);
    return result;
}

/* stage_gas: what the frame itself spent, refunds not counted. */
static inline u64 stage_gas(const struct stage *stage, const struct exec_result *result,
                            bytes input)
{
    struct tx shape = {.input = input};
    return result->gas_used + result->gas_refunded - tx_intrinsic_gas(&shape, stage->env.fork);
}

#endif

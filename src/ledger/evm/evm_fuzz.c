/* Random code in a random environment. Byte 0: the fork; 1: whether the outermost call is static-
 * like (a transaction or a creation); 2, 3: the value; 4: gas in units of 4,096; then one contract
 * of at most 96 bytes, and the rest another one that the first can call (0x…02), both of them with
 * a slot and some wei. What must hold whatever the code does:
 *
 * - nothing crashes or leaks, and the machine ends;
 * - gas never grows: not from instruction to instruction but for what a call gives back, and no
 *   frame spends more than it was given;
 * - a frame that fails leaves the journal as it was when it began (a copy of what a failed
 * outermost frame changed is empty but for the sender);
 * - wei are never made: the sum over all accounts does not grow;
 * - the same input gives the same result again. */
#include "base/assert.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/sign.h"
#include "ledger/evm/execute.h"

#define HEAD_BYTES 5
#define FIRST_CODE_BYTES 96
#define GAS_UNIT 4096u
#define JOURNAL_BYTES MIB(128)
#define START_WEI 1000000u

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

struct input {
    enum fork fork;
    bool is_create;
    u64 value;
    u64 gas;
    bytes code[2];
    struct hash code_hash[2];
};

struct watch {
    u64 given[1100];
    u64 last[1100];
    unsigned depth;
};

struct outcome {
    struct exec_result result;
    struct hash state; /* over all changes */
    u64 logs;
};

static struct address contract_address(size_t i)
{
    return (struct address){{[18] = 0x10, [19] = (u8)(i + 1)}};
}

static struct address user_address(void) { return (struct address){{[0] = 1}}; }

/* --- the state: two contracts and a user --- */

static err source_account(void *ctx, const struct address *address, struct account *ret_account)
{
    const struct input *in = ctx;
    struct address user = user_address();
    *ret_account = account_none();
    for (size_t i = 0; i < 2; i++) {
        struct address contract = contract_address(i);
        if (address_eq(address, &contract)) {
            ret_account->balance = u256_from_u64(START_WEI);
            ret_account->nonce = 1;
            ret_account->code_hash = in->code_hash[i];
        }
    }
    if (address_eq(address, &user)) {
        ret_account->balance = u256_from_u64(START_WEI);
    }
    return ok();
}

static err source_slot(void *ctx, const struct address *address, const struct hash *slot,
                       struct word *ret_word)
{
    struct address contract = contract_address(0);
    (void)ctx;
    *ret_word = (struct word){{0}};
    ret_word->b[31] = address_eq(address, &contract) && slot->b[31] < 4 ? 9 : 0;
    return ok();
}

static err source_code(void *ctx, const struct hash *code_hash, struct arena *arena,
                       bytes *ret_code)
{
    const struct input *in = ctx;
    *ret_code = arena_copy(arena, in->code[hash_eq(code_hash, &in->code_hash[0]) ? 0 : 1]);
    return ret_code->data != NULL ? ok() : fail(ERR_LIMIT);
}

/* --- what must hold while it runs --- */

static void watch_enter(void *ctx, const struct evm_enter *enter)
{
    struct watch *watch = ctx;
    assert_that(enter->depth < COUNT_OF(watch->given));
    watch->given[enter->depth] = enter->gas;
    watch->last[enter->depth] = enter->gas;
}

static void watch_exit(void *ctx, const struct evm_exit *ended)
{
    struct watch *watch = ctx;
    assert_that(ended->gas_used <= watch->given[ended->depth]);
    assert_that(ended->status != EVM_RUNNING && ended->status < EVM_CALLING);
}

static err watch_step(void *ctx, const struct evm_step *step)
{
    struct watch *watch = ctx;
    assert_that(step->gas <= watch->last[step->depth]);
    assert_that(step->stack_count <= EVM_STACK_MAX && step->memory.len % 32 == 0);
    watch->last[step->depth] = step->gas;
    return ok();
}

/* --- running --- */

/* What all changed accounts have less what they had; must not be positive. */
static void check_wei(const struct state_changes *changes)
{
    struct u256 before = u256_from_u64(0);
    struct u256 after = u256_from_u64(0);
    for (size_t i = 0; i < changes->account_count; i++) {
        before = word_add(before, changes->accounts[i].former.balance);
        after = word_add(after, changes->accounts[i].account.balance);
    }
    assert_that(u256_cmp(after, before) <= 0);
}

static void hash_changes(const struct state_changes *changes, struct hash *ret)
{
    *ret = (struct hash){{0}};
    for (size_t i = 0; i < changes->account_count; i++) {
        struct account account = changes->accounts[i].account;
        bytes parts[] = {BYTES_OF(*ret), BYTES_OF(account.nonce), BYTES_OF(account.balance),
                         BYTES_OF(account.code_hash)};
        keccak256_parts(ret, parts, COUNT_OF(parts));
    }
    for (size_t i = 0; i < changes->slot_count; i++) {
        bytes parts[] = {BYTES_OF(*ret), BYTES_OF(changes->slots[i].slot),
                         BYTES_OF(changes->slots[i].word)};
        keccak256_parts(ret, parts, COUNT_OF(parts));
    }
}

static void run(const struct input *in, bool is_watched, struct outcome *ret)
{
    struct block_env env = {.fork = in->fork,
                            .chain_id = 1,
                            .height = 300,
                            .gas_limit = UINT64_MAX / 2,
                            .blob_base_fee = u256_from_u64(1)};
    struct state_source source = {.ctx = (void *)(uintptr_t)in,
                                  .account = source_account,
                                  .slot = source_slot,
                                  .code = source_code};
    struct watch *watch = MEM_NEW(struct watch);
    struct evm_tracer tracer = {
        .ctx = watch, .enter = watch_enter, .exit = watch_exit, .step = watch_step};
    struct journal journal;
    struct executor executor;
    struct arena arena;
    struct state_changes changes;
    struct tx shape = {.is_create = in->is_create, .input = in->code[1]};
    struct call_request request = {
        .from = user_address(),
        .to = in->is_create ? (struct address){{0}} : contract_address(0),
        .is_create = in->is_create,
        .value = u256_from_u64(in->value),
        .gas_limit =
            in->gas + max_u64(tx_intrinsic_gas(&shape, in->fork), tx_floor_gas(&shape, in->fork)),
        .input = in->code[1],
    };
    journal_init(&journal, &source, JOURNAL_BYTES);
    arena_init(&arena, JOURNAL_BYTES);
    executor_init(&executor, &journal, &env);
    executor.tracer = is_watched ? &tracer : NULL;
    err e = execute_call(&executor, &request, &arena, &ret->result);
    assert_that(is_ok(e));
    e = journal_changes(&journal, &arena, &changes);
    assert_that(is_ok(e));
    ret->logs = journal.log_count;
    check_wei(&changes);
    hash_changes(&changes, &ret->state);
    if (ret->result.verdict == TX_VALID) {
        assert_that(ret->result.gas_used <= request.gas_limit);
        if (!ret->result.success) {
            assert_that(changes.slot_count == 0 && journal.log_count == 0);
            assert_that(changes.account_count <= 1 + (in->fork < FORK_SPURIOUS));
        }
    }
    ret->result.output = bytes_make("", 0);
    arena_free(&arena);
    journal_free(&journal);
    mem_free(watch);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    const struct hash seed = {{1}};
    struct outcome first = {0};
    struct outcome second = {0};
    crypto_init(&seed);
    if (size < HEAD_BYTES) {
        return 0;
    }
    bytes code = bytes_make(data + HEAD_BYTES, size - HEAD_BYTES);
    size_t split = min_size(code.len, FIRST_CODE_BYTES);
    struct input in = {
        .fork = (enum fork)(data[0] % FORK_COUNT),
        .is_create = data[1] % 4 == 0,
        .value = load_be16(data + 2),
        .gas = (u64)data[4] * GAS_UNIT,
        .code = {bytes_slice(code, 0, split), bytes_slice(code, split, code.len - split)},
    };
    keccak256(&in.code_hash[0], in.code[0]);
    keccak256(&in.code_hash[1], in.code[1]);
    run(&in, true, &first);
    run(&in, false, &second);
    assert_that(first.result.verdict == second.result.verdict);
    assert_that(first.result.status == second.result.status);
    assert_that(first.result.gas_used == second.result.gas_used);
    assert_that(first.logs == second.logs && hash_eq(&first.state, &second.state));
    return 0;
}

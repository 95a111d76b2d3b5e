/* evm.c: millions of gas a second of the interpreter, by workload: gas is a poor measure of work,
 * so no figure means anything without its workload. One thread, everything in memory; journal, gas
 * accounting and code analysis included, signatures and tries not. Time is the thread's own (CPU),
 * because other processes are none of the interpreter's business.
 *
 * The figures to compare with are revm's (anvil 1.5, eth_call, one thread) on the machine where
 * this project began: arithmetic 413, mulmod and addmod 308, mapping reads 114 Mgas/s.
 */
#include "base/mem.h"
#include "bench/anvil.h"
#include "bench/bench.h"
#include "crypto/hash.h"
#include "ledger/evm/execute.h"
#include "os/heap.h"

#include <time.h>

#define LOOP_GAS 200000000u
#define JOURNAL_BYTES GIB(1)
#define SECONDS 0.5 /* of each measurement */
#define RUNS_MIN 2
#define RUNS_MAX 8
#define TRANSFER_GAS 200000u
#define TRANSFERS 2000

/* counter = 2^31; do { f(counter) … } while (--counter) */
static const u8 arithmetic[] = {
    0x63, 0x7f, 0xff, 0xff, 0xff, /* PUSH4 */
    0x5b,                         /* JUMPDEST, 5 */
    0x80, 0x60, 0x03, 0x02,       /* DUP1 PUSH1 3 MUL */
    0x60, 0x07, 0x01,             /* PUSH1 7 ADD */
    0x81, 0x18,                   /* DUP2 XOR */
    0x60, 0x0b, 0x90, 0x03,       /* PUSH1 11 SWAP1 SUB */
    0x50,                         /* POP */
    0x60, 0x01, 0x90, 0x03,       /* PUSH1 1 SWAP1 SUB */
    0x80, 0x60, 0x05, 0x57,       /* DUP1 PUSH1 5 JUMPI */
};

/* x = x * x mod m; x = x + x mod m, 256 bits wide: m = NOT(0xff…) and so on. */
static const u8 modular[] = {
    0x60, 0xbc, 0x19,       /* PUSH1 NOT: the modulus 2^256 - 189 */
    0x60, 0x05, 0x19,       /* PUSH1 NOT: x */
    0x5b,                   /* JUMPDEST, 6 */
    0x81, 0x81, 0x82, 0x09, /* DUP2 DUP2 DUP3 MULMOD */
    0x90, 0x50,             /* SWAP1 POP */
    0x81, 0x81, 0x82, 0x08, /* DUP2 DUP2 DUP3 ADDMOD */
    0x90, 0x50,             /* SWAP1 POP */
    0x60, 0x06, 0x56,       /* PUSH1 6 JUMP */
};

/* keccak256 of 32 bytes, again and again. */
static const u8 keccak_short[] = {
    0x5b,                               /* JUMPDEST */
    0x60, 0x20, 0x5f, 0x20, 0x5f, 0x52, /* PUSH1 32 PUSH0 KECCAK256 PUSH0 MSTORE */
    0x5f, 0x56,                         /* PUSH0 JUMP */
};

/* keccak256 of 1 KiB. */
static const u8 keccak_long[] = {
    0x5b,                                     /* JUMPDEST */
    0x61, 0x04, 0x00, 0x5f, 0x20, 0x5f, 0x52, /* PUSH2 1024 PUSH0 KECCAK256 PUSH0 MSTORE */
    0x5f, 0x56,                               /* PUSH0 JUMP */
};

/* mapping(uint8 => uint256): reads of 256 slots, over and over. */
static const u8 mapping_reads[] = {
    0x5f,                               /* PUSH0: key */
    0x5b,                               /* JUMPDEST, 1 */
    0x80, 0x60, 0xff, 0x16, 0x5f, 0x52, /* DUP1 PUSH1 255 AND PUSH0 MSTORE */
    0x60, 0x40, 0x5f, 0x20, 0x54, 0x50, /* PUSH1 64 PUSH0 KECCAK256 SLOAD POP */
    0x60, 0x01, 0x01,                   /* PUSH1 1 ADD */
    0x60, 0x01, 0x56,                   /* PUSH1 1 JUMP */
};

/* A new slot each time. */
static const u8 cold_stores[] = {
    0x5f,             /* PUSH0 */
    0x5b,             /* JUMPDEST, 1 */
    0x60, 0x01, 0x01, /* PUSH1 1 ADD */
    0x80, 0x80, 0x55, /* DUP1 DUP1 SSTORE */
    0x60, 0x01, 0x56, /* PUSH1 1 JUMP */
};

/* Calls of an account without code. */
static const u8 calls[] = {
    0x5b,                                     /* JUMPDEST */
    0x5f, 0x5f, 0x5f, 0x5f, 0x5f, 0x60, 0xaa, /* PUSH0 … PUSH1 0xaa */
    0x5a, 0xf1, 0x50,                         /* GAS CALL POP */
    0x5f, 0x56,                               /* PUSH0 JUMP */
};

/* transfer(to, amount) of a token: balances in keccak256(account ‖ 0), Transfer event. Call data:
 * to and amount, 32 bytes each. */
static const u8 token[] = {
    0x33, 0x5f, 0x52, 0x60, 0x40, 0x5f, 0x20, /* the slot of CALLER */
    0x80, 0x54, 0x60, 0x20, 0x35,             /* DUP1 SLOAD; the amount */
    0x80, 0x82, 0x10, 0x60, 0x57, 0x57,       /* DUP1 DUP3 LT PUSH1 87 JUMPI: too little */
    0x80, 0x91, 0x03, 0x82, 0x55,             /* DUP1 SWAP2 SUB DUP3 SSTORE */
    0x5f, 0x35, 0x80, 0x5f, 0x52,             /* the receiver, to memory */
    0x60, 0x40, 0x5f, 0x20, 0x80, 0x54,       /* its slot; DUP1 SLOAD */
    0x83, 0x01, 0x90, 0x55,                   /* DUP4 ADD SWAP1 SSTORE */
    0x90, 0x5f, 0x52, 0x33,                   /* SWAP1 PUSH0 MSTORE CALLER */
    0x7f, 0xdd, 0xf2, 0x52, 0xad, 0x1b, 0xe2, 0xc8, 0x9b, 0x69, 0xc2, /* Transfer(…) */
    0xb0, 0x68, 0xfc, 0x37, 0x8d, 0xaa, 0x95, 0x2b, 0xa7, 0xf1, 0x63, /* … */
    0xc4, 0xa1, 0x16, 0x28, 0xf5, 0x5a, 0x4d, 0xf5, 0x23, 0xb3, 0xef, /* … */
    0x60, 0x20, 0x5f, 0xa3,                                           /* PUSH1 32 PUSH0 LOG3 */
    0x60, 0x01, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3,                   /* return true */
    0x5b, 0x5f, 0x5f, 0xfd,                                           /* 87: REVERT */
};

static double cpu_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

struct world {
    bytes code;
    struct hash code_hash;
    struct journal journal;
    struct block_env env;
    struct executor executor;
    struct evm_codes codes;
};

static const struct address contract = {{[0] = 0xc0, [19] = 1}};
static const struct address sender = {{[0] = 0xaa, [19] = 2}};

static err source_account(void *ctx, const struct address *address, struct account *ret_account)
{
    const struct world *world = ctx;
    *ret_account = account_none();
    if (address_eq(address, &contract)) {
        ret_account->nonce = 1;
        ret_account->code_hash = world->code_hash;
    }
    if (address_eq(address, &sender)) {
        ret_account->balance = u256_from_u64(UINT64_MAX);
    }
    return ok();
}

/* Every account is rich in tokens. */
static err source_slot(void *ctx, const struct address *address, const struct hash *slot,
                       struct word *ret_word)
{
    const struct world *world = ctx;
    (void)address;
    (void)slot;
    *ret_word = (struct word){{0}};
    ret_word->b[20] = world->code.data == token;
    return ok();
}

static err source_code(void *ctx, const struct hash *code_hash, struct arena *arena,
                       bytes *ret_code)
{
    const struct world *world = ctx;
    (void)code_hash;
    *ret_code = arena_copy(arena, world->code);
    return ret_code->data != NULL ? ok() : fail(ERR_LIMIT);
}

static void world_init(struct world *world, bytes code)
{
    *world = (struct world){.code = code};
    keccak256(&world->code_hash, code);
    world->env = (struct block_env){
        .fork = FORK_OSAKA, .chain_id = 1, .height = 1, .time = 1, .gas_limit = UINT64_MAX / 2};
    struct state_source source = {
        .ctx = world, .account = source_account, .slot = source_slot, .code = source_code};
    journal_init(&world->journal, &source, JOURNAL_BYTES);
    evm_codes_init(&world->codes, EVM_CODES_BYTES);
    executor_init(&world->executor, &world->journal, &world->env);
    world->executor.codes = &world->codes;
}

static void world_free(struct world *world)
{
    journal_free(&world->journal);
    evm_codes_free(&world->codes);
}

/* One run until the gas is used up; gas a second, or 0 if it did not go as it should. */
static double run_loop(bytes code)
{
    struct world world;
    struct arena arena;
    struct exec_result result;
    world_init(&world, code);
    arena_init(&arena, MIB(1));
    struct call_request request = {.from = sender, .to = contract, .gas_limit = LOOP_GAS};
    double begin = cpu_seconds();
    err e = execute_call(&world.executor, &request, &arena, &result);
    double seconds = cpu_seconds() - begin;
    arena_free(&arena);
    world_free(&world);
    return is_ok(e) && result.status == EVM_OUT_OF_GAS ? LOOP_GAS / seconds : 0;
}

/* The best of several runs: what disturbs only makes it slower. */
static double best_of(double (*speed)(void *ctx, bytes code), void *ctx, bytes code)
{
    double best = 0;
    double begin = cpu_seconds();
    for (int i = 0; i < RUNS_MAX && (i < RUNS_MIN || cpu_seconds() - begin < SECONDS); i++) {
        double now = speed(ctx, code);
        if (now <= 0) {
            return 0;
        }
        best = now > best ? now : best;
    }
    return best;
}

static double our_speed(void *ctx, bytes code)
{
    (void)ctx;
    return run_loop(code);
}

static double anvil_speed(void *ctx, bytes code)
{
    return anvil_gas_per_second(ctx, code, LOOP_GAS);
}

static bool measure_loop(struct bench *bench, struct anvil *anvil, const char *name, bytes code)
{
    double ours = best_of(our_speed, NULL, code);
    double theirs = anvil != NULL ? best_of(anvil_speed, anvil, code) : 0;
    struct bench_result result = {.name = name, .value = ours / 1e6, .unit = "Mgas/s"};
    if (theirs > 0) {
        result.limit = theirs / 1e6;
        result.limit_name = "anvil (revm)";
        result.bar = 1.0;
    }
    bench_add(bench, &result);
    return ours > 0;
}

static bool transfer(struct world *world, u64 nonce, u64 *ret_gas)
{
    u8 input[64] = {0};
    struct exec_result result;
    struct arena arena;
    store_be32(input + 28, (u32)nonce);
    input[63] = 1;
    struct tx tx = {.type = TX_DYNAMIC_FEE,
                    .has_chain_id = true,
                    .chain_id = 1,
                    .nonce = nonce,
                    .gas_limit = TRANSFER_GAS,
                    .to = contract,
                    .input = BYTES_OF(input)};
    arena_init(&arena, MIB(1));
    err e = execute_tx(&world->executor, &tx, &sender, &arena, &result);
    arena_free(&arena);
    *ret_gas += result.gas_used;
    return is_ok(e) && result.verdict == TX_VALID && result.success;
}

/* A block of token transfers from one account to many. */
static bool measure_transfers(struct bench *bench)
{
    struct world world;
    u64 gas = 0;
    bool good = true;
    world_init(&world, BYTES_OF(token));
    double begin = cpu_seconds();
    for (u64 i = 0; i < TRANSFERS && good; i++) {
        good = transfer(&world, i, &gas);
    }
    double seconds = cpu_seconds() - begin;
    world_free(&world);
    bench_add(bench, &(struct bench_result){
                         .name = "token transfers", .value = TRANSFERS / seconds, .unit = "tx/s"});
    bench_add(bench, &(struct bench_result){.name = "token transfers",
                                            .value = (double)gas / seconds / 1e6,
                                            .unit = "Mgas/s"});
    return good;
}

bool bench_evm(struct bench *bench, int argc, char **argv)
{
    static const struct {
        const char *name;
        bytes code;
    } loops[] = {
        {"arithmetic", {arithmetic, sizeof arithmetic}},
        {"mulmod and addmod", {modular, sizeof modular}},
        {"keccak of 32 bytes", {keccak_short, sizeof keccak_short}},
        {"keccak of 1 KiB", {keccak_long, sizeof keccak_long}},
        {"mapping reads, warm", {mapping_reads, sizeof mapping_reads}},
        {"stores, cold", {cold_stores, sizeof cold_stores}},
        {"calls, no code", {calls, sizeof calls}},
    };
    bool good = true;
    (void)argc;
    (void)argv;
    heap_keep(HEAP_KEPT_BYTES); /* as the ledger node does */
    struct anvil *anvil = anvil_start();
    for (size_t i = 0; i < COUNT_OF(loops) && good; i++) {
        good = measure_loop(bench, anvil, loops[i].name, loops[i].code);
    }
    anvil_stop(anvil);
    return good && measure_transfers(bench);
}

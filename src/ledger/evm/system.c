/* What the ledger itself runs: the beginning of a block, and genesis. */
#include "base/assert.h"
#include "base/log.h"
#include "ledger/evm/execute.h"
#include "ledger/exec/native.h"

#define BEGIN_BLOCK_GAS (UINT64_MAX / 2)

/* What a native module's address holds, so that callers that look for code find some: PUSH1 0 PUSH1
 * 0 REVERT. */
static const u8 native_code[5] = {0x60, 0x00, 0x60, 0x00, 0xfd};

/* EIP-2935: address and runtime code of the history contract, as the EIP gives them. */
static const u8 history_code[] = {
    0x33, 0x73, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0x14, 0x60, 0x46, 0x57, 0x60, 0x20,
    0x36, 0x03, 0x60, 0x42, 0x57, 0x5f, 0x35, 0x60, 0x01, 0x43, 0x03, 0x81, 0x11, 0x60,
    0x42, 0x57, 0x61, 0x1f, 0xff, 0x81, 0x43, 0x03, 0x11, 0x60, 0x42, 0x57, 0x61, 0x1f,
    0xff, 0x90, 0x06, 0x54, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3, 0x5b, 0x5f, 0x5f, 0xfd,
    0x5b, 0x5f, 0x35, 0x61, 0x1f, 0xff, 0x60, 0x01, 0x43, 0x03, 0x06, 0x55, 0x00,
};

struct address history_address(void)
{
    return (struct address){{0x00, 0x00, 0xf9, 0x08, 0x27, 0xf1, 0xc5, 0x3a, 0x10, 0xcb,
                             0x7a, 0x02, 0x33, 0x5b, 0x17, 0x53, 0x20, 0x00, 0x29, 0x35}};
}

/* A frame that the ledger itself opens in a module: no caller, no value, gas without limit. */
static struct frame system_frame(struct executor *executor, const struct native_module *module,
                                 struct arena *arena)
{
    journal_begin_tx(executor->journal);
    return (struct frame){
        .journal = executor->journal,
        .block = executor->env,
        .arena = arena,
        .kind = CALL_PLAIN,
        .self = native_address(module->number),
        .gas_left = BEGIN_BLOCK_GAS,
    };
}

static err begin_module(struct executor *executor, const struct native_module *module,
                        struct arena *arena)
{
    struct frame frame = system_frame(executor, module, arena);
    size_t snapshot = journal_snapshot(executor->journal);
    TRY(module->begin_block(&frame));
    TRY(journal_fault(executor->journal));
    if (!frame_running(&frame)) {
        log_warn("exec", "begin_block of module %s reverted at height %llu", module->name,
                 (unsigned long long)executor->env->height);
        journal_revert(executor->journal, snapshot);
    }
    return journal_end_tx(executor->journal, true);
}

/* The history contract is called without a tracer and outside any transaction. */
static err begin_history(struct executor *executor, struct arena *arena)
{
    struct address history = history_address();
    struct account account;
    struct exec_result result;
    TRY(journal_account(executor->journal, &history, &account));
    if (!account_has_code(&account)) {
        return ok();
    }
    return execute_system_call(executor, &history, BYTES_OF(executor->env->parent_hash), arena,
                               &result);
}

err execute_begin_block(struct executor *executor)
{
    struct arena arena;
    arena_init(&arena, EXEC_TX_BYTES_MAX);
    err e = begin_history(executor, &arena);
    arena_free(&arena);
    for (size_t i = 0; i < native_count() && is_ok(e); i++) {
        const struct native_module *module = native_at(i);
        if (module->begin_block != NULL) {
            e = begin_module(executor, module, &arena);
            arena_free(&arena);
        }
    }
    return e;
}

static err genesis_module(struct executor *executor, const struct native_module *module,
                          const void *config, struct arena *arena)
{
    struct frame frame = system_frame(executor, module, arena);
    TRY(journal_set_nonce(executor->journal, &frame.self, 1));
    TRY(journal_set_code(executor->journal, &frame.self,
                         bytes_make(native_code, sizeof native_code)));
    if (module->genesis == NULL) {
        return ok();
    }
    TRY(module->genesis(&frame, config));
    TRY(journal_fault(executor->journal));
    TRY(journal_end_tx(executor->journal, true));
    return frame_running(&frame) ? ok() : fail(ERR_USAGE);
}

err execute_genesis(struct executor *executor, const struct native_module *module,
                    const void *config)
{
    struct arena arena;
    arena_init(&arena, EXEC_TX_BYTES_MAX);
    err e = genesis_module(executor, module, config, &arena);
    arena_free(&arena);
    return e;
}

err execute_genesis_history(struct executor *executor)
{
    struct address history = history_address();
    TRY(journal_set_nonce(executor->journal, &history, 1));
    return journal_set_code(executor->journal, &history,
                            bytes_make(history_code, sizeof history_code));
}

#include "storage/provider_call.h"

#include "base/assert.h"
#include "ledger/exec/native.h"
#include "ledger/modules/layout.h"

#define CALL_ARENA_BYTES MIB(2)
#define CALL_INPUT_MAX KIB(64)

static err send(struct chain_account *account, struct arena *arena, const char *signature,
                const struct abi_value *values, struct buf *input, u64 deadline_ms)
{
    struct abi_entry entry;
    struct chain_receipt receipt;
    assert_that(is_ok(abi_parse(arena, signature, &entry)));
    abi_encode_call(input, &entry, values);
    TRY(buf_done(input));
    const struct chain_call call = {.to = native_address(MODULE_PROVIDER),
                                    .input = buf_bytes(input)};
    return chain_send(account, &call, arena, deadline_ms, &receipt);
}

err provider_call(struct chain_account *account, const char *signature,
                  const struct abi_value *values, u64 deadline_ms)
{
    struct arena arena;
    struct buf input;
    arena_init(&arena, CALL_ARENA_BYTES);
    buf_init(&input, CALL_INPUT_MAX);
    err e = send(account, &arena, signature, values, &input, deadline_ms);
    buf_free(&input);
    arena_free(&arena);
    return e;
}

#include "storage/provider_call.h"

#include "ledger/exec/native.h"
#include "ledger/modules/layout.h"

#define CALL_ARENA_BYTES MIB(2)
#define CALL_INPUT_MAX KIB(64)

static err send(struct chain_account *account, struct buf *input, u64 gas_limit, u64 deadline_ms)
{
    struct arena arena;
    struct chain_receipt receipt;
    TRY(buf_done(input));
    const struct chain_call call = {
        .to = native_address(MODULE_PROVIDER), .input = buf_bytes(input), .gas_limit = gas_limit};
    arena_init(&arena, CALL_ARENA_BYTES);
    err e = chain_send(account, &call, &arena, deadline_ms, &receipt);
    arena_free(&arena);
    return e;
}

err provider_call(struct chain_account *account, const char *signature,
                  const struct abi_value *values, u64 gas_limit, u64 deadline_ms)
{
    struct buf input;
    buf_init(&input, CALL_INPUT_MAX);
    module_encode(&input, signature, values);
    err e = send(account, &input, gas_limit, deadline_ms);
    buf_free(&input);
    return e;
}

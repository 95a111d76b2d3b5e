#include "chain/module_call.h"

#include "base/assert.h"
#include "ledger/exec/native.h"

#define SIGNATURE_ARENA_BYTES KIB(64)

/* Signatures are constants of the program: one that does not parse is a bug. */
static void parse(struct arena *arena, const char *signature, struct abi_entry *ret_entry)
{
    arena_init(arena, SIGNATURE_ARENA_BYTES);
    err e = abi_parse(arena, signature, ret_entry);
    assert_that(is_ok(e));
}

void module_encode(struct buf *out, const char *signature, const struct abi_value *args)
{
    struct arena arena;
    struct abi_entry entry;
    parse(&arena, signature, &entry);
    abi_encode_call(out, &entry, args);
    arena_free(&arena);
}

err module_send(struct chain_account *account, u32 module, const char *signature,
                const struct abi_value *args, struct u256 value, struct arena *arena,
                u64 deadline_ms, struct chain_receipt *ret_receipt)
{
    struct buf input;
    buf_init(&input, CHAIN_RAW_TX_BYTES_MAX);
    module_encode(&input, signature, args);
    err e = buf_done(&input);
    if (is_ok(e)) {
        const struct chain_call call = {
            .to = native_address(module), .value = value, .input = buf_bytes(&input)};
        e = chain_send(account, &call, arena, deadline_ms, ret_receipt);
    }
    buf_free(&input);
    return e;
}

const struct chain_log *module_find_log(const struct chain_receipt *receipt, u32 module,
                                        const char *event_signature, struct arena *arena,
                                        struct abi_value *ret_values)
{
    struct arena signature_arena;
    struct abi_entry event;
    const struct address address = native_address(module);
    const struct chain_log *found = NULL;
    parse(&signature_arena, event_signature, &event);
    for (size_t i = 0; found == NULL && i < receipt->log_count; i++) {
        const struct chain_log *log = &receipt->logs[i];
        if (address_eq(&log->address, &address) &&
            is_ok(abi_decode_event(arena, &event, log->topics, log->topic_count, log->data,
                                   ret_values))) {
            found = log;
        }
    }
    arena_free(&signature_arena);
    return found;
}

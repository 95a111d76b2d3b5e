/* vault_module.h: a small native module for tests: numbers behind keys, deposits, payments.
 *
 * It does one of everything that a module can do (store, load, log, pay, charge, revert,
 * begin_block, genesis), so that the executor, the application and the node can be tested without
 * the real ones.
 */
#ifndef TESTS_SUPPORT_VAULT_MODULE_H
#define TESTS_SUPPORT_VAULT_MODULE_H

#include "ledger/exec/native.h"

#include <jansson.h>

#define VAULT_NUMBER 4000
#define VAULT_SLOT_BLOCKS 0 /* counted by begin_block */
#define VAULT_SLOT_START 1  /* from genesis */
#define VAULT_MAP 2
#define VAULT_SET_GAS 1000

enum vault_function { VAULT_SET, VAULT_GET, VAULT_DEPOSIT, VAULT_PAY, VAULT_FAIL, VAULT_BURN };

static inline struct hash vault_slot(u64 key)
{
    u8 be[8];
    store_be64(be, key);
    return slot_of_map(VAULT_MAP, BYTES_OF(be));
}

static inline struct word vault_word(u64 value)
{
    struct word word = {{0}};
    store_be64(word.b + 24, value);
    return word;
}

extern const struct native_module vault_module;

static inline err vault_set(struct frame *frame, const struct abi_value *args,
                            struct abi_value *returns)
{
    (void)returns;
    struct hash slot = vault_slot(abi_as_u64(&args[0]));
    struct word word = vault_word(abi_as_u64(&args[1]));
    TRY(frame_store(frame, &slot, &word));
    native_emit(frame, &vault_module, 0, args);
    return ok();
}

static inline err vault_get(struct frame *frame, const struct abi_value *args,
                            struct abi_value *returns)
{
    struct hash slot = vault_slot(abi_as_u64(&args[0]));
    struct word word;
    TRY(frame_load(frame, &slot, &word));
    returns[0] = abi_u64(load_be64(word.b + 24));
    return ok();
}

static inline err vault_deposit(struct frame *frame, const struct abi_value *args,
                                struct abi_value *returns)
{
    (void)frame;
    (void)args;
    (void)returns;
    return ok();
}

static inline err vault_pay(struct frame *frame, const struct abi_value *args,
                            struct abi_value *returns)
{
    (void)returns;
    struct address to = abi_as_address(&args[0]);
    return frame_pay(frame, &to, u256_from_be(args[1].word));
}

/* Changes everything it can, then refuses. */
static inline err vault_fail(struct frame *frame, const struct abi_value *args,
                             struct abi_value *returns)
{
    struct abi_value set[2] = {abi_u64(7), abi_u64(7)};
    TRY(vault_set(frame, set, returns));
    TRY(frame_pay(frame, &frame->caller, u256_from_u64(1)));
    char reason[64] = {0};
    memcpy(reason, args[0].data.data, min_size(args[0].data.len, sizeof reason - 1));
    frame_revert(frame, reason);
    return ok();
}

static inline err vault_burn(struct frame *frame, const struct abi_value *args,
                             struct abi_value *returns)
{
    (void)returns;
    (void)frame_charge(frame, abi_as_u64(&args[0]));
    return ok();
}

static inline err vault_begin_block(struct frame *frame)
{
    struct hash slot = slot_number(VAULT_SLOT_BLOCKS);
    struct word word;
    TRY(frame_load(frame, &slot, &word));
    word = vault_word(load_be64(word.b + 24) + 1);
    return frame_store(frame, &slot, &word);
}

static inline err vault_genesis(struct frame *frame, const void *config)
{
    const json_t *start = json_object_get(config, "start");
    if (start == NULL) {
        return ok();
    }
    if (!json_is_integer(start)) {
        return fail(ERR_USAGE);
    }
    struct hash slot = slot_number(VAULT_SLOT_START);
    struct word word = vault_word((u64)json_integer_value(start));
    return frame_store(frame, &slot, &word);
}

static const struct native_function vault_functions[] = {
    [VAULT_SET] = {"set(uint64 key, uint64 value)", vault_set, 0, VAULT_SET_GAS, "Stores."},
    [VAULT_GET] = {"get(uint64 key) returns (uint64 value)", vault_get, NATIVE_VIEW, 10, "Loads."},
    [VAULT_DEPOSIT] = {"deposit()", vault_deposit, NATIVE_PAYABLE, 10, "Takes value."},
    [VAULT_PAY] = {"pay(address to, uint256 amount)", vault_pay, 0, 10, "Pays out."},
    [VAULT_FAIL] = {"fail(string reason)", vault_fail, 0, 10, "Changes things and refuses."},
    [VAULT_BURN] = {"burn(uint64 gas)", vault_burn, NATIVE_VIEW, 10, "Uses up gas."},
};

static const struct native_event vault_events[] = {
    {"Set(uint64 indexed key, uint64 value)", "A number was stored."},
};

const struct native_module vault_module = {
    .name = "vault",
    .number = VAULT_NUMBER,
    .version = 1,
    .doc = "For tests.",
    .functions = vault_functions,
    .function_count = COUNT_OF(vault_functions),
    .events = vault_events,
    .event_count = COUNT_OF(vault_events),
    .begin_block = vault_begin_block,
    .genesis = vault_genesis,
};

static inline void vault_init(void)
{
    static const struct native_module *const all[] = {&vault_module};
    native_tables_init(all, COUNT_OF(all));
}

/* vault_call: the encoded call of a function; values in table order. Borrowed from `out`. */
static inline bytes vault_call(struct buf *out, enum vault_function function,
                               const struct abi_value *values)
{
    buf_clear(out);
    abi_encode_call(out, native_function_abi(&vault_module, function), values);
    return buf_bytes(out);
}

#endif

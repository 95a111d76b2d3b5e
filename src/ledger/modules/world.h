/* world.h: a chain of native modules in memory, for tests and fuzz targets.
 *
 * One journal over an empty state; blocks are begun by world_block(), calls are transactions of
 * their own: a call that does not succeed is undone. world_hash() is a digest of everything that
 * was changed, to show that a refused call changed nothing.
 */
#ifndef LEDGER_MODULES_WORLD_H
#define LEDGER_MODULES_WORLD_H

#include "base/assert.h"
#include "crypto/hash.h"
#include "crypto/sign.h"
#include "ledger/exec/journal.h"
#include "ledger/modules/beacon_layout.h"
#include "ledger/modules/bucket_layout.h"
#include "ledger/modules/modules.h"
#include "ledger/modules/params_layout.h"
#include "ledger/modules/provider_layout.h"
#include "ledger/modules/registry_layout.h"
#include "ledger/modules/segment_layout.h"
#include "ledger/modules/territory_layout.h"

#include <jansson.h>

#define WORLD_GAS 15000000u
#define WORLD_CHAIN_ID 7200
#define WORLD_START 1700000000u

struct world {
    struct journal journal;
    struct arena arena; /* outputs of calls */
    struct block_env block;
    /* Of the last call. */
    enum frame_status status;
    u64 gas_used;
    bytes output;
    struct abi_value *returns;
    /* How the next calls are made. */
    u64 gas;
    struct u256 value;
    enum call_kind kind;
    bool is_dry; /* what a call did is undone even if it succeeded */
};

static inline err world_no_account(void *ctx, const struct address *address,
                                   struct account *ret_account)
{
    (void)ctx;
    (void)address;
    *ret_account = account_none();
    return ok();
}

static inline err world_no_slot(void *ctx, const struct address *address, const struct hash *slot,
                                struct word *ret_word)
{
    (void)ctx;
    (void)address;
    (void)slot;
    *ret_word = (struct word){{0}};
    return ok();
}

static inline err world_no_code(void *ctx, const struct hash *hash, struct arena *arena,
                                bytes *ret_code)
{
    (void)ctx;
    (void)hash;
    (void)arena;
    (void)ret_code;
    return fail(ERR_NOT_FOUND);
}

static inline void world_check(err e) { assert_that(is_ok(e)); }

/* world_person: the key and account number i; the same in every world. */
static inline struct secp_secret world_secret(u32 i)
{
    struct secp_secret secret = {{0}};
    secret.b[0] = 1;
    store_be32(secret.b + 28, i + 1);
    return secret;
}

static inline struct address world_person(u32 i)
{
    struct secp_secret secret = world_secret(i);
    struct address address;
    secp_address_of_secret(&address, &secret);
    return address;
}

static inline err world_load(void *ctx, const struct address *account, const struct hash *slot,
                             struct word *ret_word)
{
    return journal_load(&((struct world *)ctx)->journal, account, slot, ret_word);
}

/* world_slots: what a role would read. */
static inline struct slot_source world_slots(struct world *world)
{
    return (struct slot_source){.ctx = world, .load = world_load};
}

static inline struct frame world_frame(struct world *world, u32 module, struct arena *arena)
{
    return (struct frame){.journal = &world->journal,
                          .block = &world->block,
                          .arena = arena,
                          .self = native_address(module),
                          .gas_left = UINT64_MAX};
}

/* world_block: begins the next block, `seconds` after the last one. */
static inline void world_block(struct world *world, u64 seconds)
{
    u8 number[8];
    store_be64(number, world->block.height);
    keccak256(&world->block.parent_hash, BYTES_OF(number));
    world->block.height++;
    world->block.time += seconds;
    for (size_t i = 0; i < native_count(); i++) {
        const struct native_module *module = native_at(i);
        if (module->begin_block != NULL) {
            struct arena arena;
            arena_init(&arena, MIB(1));
            journal_begin_tx(&world->journal);
            struct frame frame = world_frame(world, module->number, &arena);
            world_check(module->begin_block(&frame));
            assert_that(frame_running(&frame));
            arena_free(&arena);
        }
    }
}

static inline void world_blocks(struct world *world, size_t count, u64 seconds)
{
    for (size_t i = 0; i < count; i++) {
        world_block(world, seconds);
    }
}

/* world_genesis: runs the genesis function of a module with a JSON text. */
static inline err world_genesis(struct world *world, const struct native_module *module,
                                const char *json)
{
    struct arena arena;
    arena_init(&arena, MIB(1));
    json_t *config = json_loads(json, 0, NULL);
    assert_that(config != NULL);
    journal_begin_tx(&world->journal);
    struct frame frame = world_frame(world, module->number, &arena);
    err e = module->genesis(&frame, config);
    json_decref(config);
    arena_free(&arena);
    return e;
}

/* world_init: devnet parameters with person 0 as governance, at the third block. */
static inline void world_init(struct world *world)
{
    static const struct state_source empty = {
        .account = world_no_account, .slot = world_no_slot, .code = world_no_code};
    struct hash seed = {{1}};
    crypto_init(&seed);
    native_tables_init(native_modules_all, native_modules_count);
    *world = (struct world){.gas = WORLD_GAS};
    arena_init(&world->arena, MIB(64));
    journal_init(&world->journal, &empty, MIB(256));
    world->block = (struct block_env){
        .fork = FORK_OSAKA, .chain_id = WORLD_CHAIN_ID, .time = WORLD_START, .gas_limit = 60000000};
    struct address governance = world_person(0);
    struct buf config;
    buf_init(&config, 256);
    buf_put_str(&config, "{\"profile\": \"devnet\", \"governance\": \"0x");
    buf_put_hex(&config, BYTES_OF(governance.b));
    buf_put(&config, bytes_make("\"}", 3)); /* with the final zero */
    world_check(world_genesis(world, &registry_module, "{}"));
    world_check(world_genesis(world, &params_module, (const char *)config.data));
    buf_free(&config);
    world_blocks(world, 3, 1);
}

static inline void world_free(struct world *world)
{
    journal_free(&world->journal);
    arena_free(&world->arena);
}

/* world_hash: over all changes since the beginning. */
static inline struct hash world_hash(struct world *world)
{
    struct arena arena;
    struct state_changes changes;
    struct hash hash = {{0}};
    arena_init(&arena, MIB(64));
    world_check(journal_changes(&world->journal, &arena, &changes));
    for (size_t i = 0; i < changes.slot_count; i++) {
        struct bytes parts[] = {BYTES_OF(hash), BYTES_OF(changes.slots[i].address),
                                BYTES_OF(changes.slots[i].slot), BYTES_OF(changes.slots[i].word)};
        keccak256_parts(&hash, parts, COUNT_OF(parts));
    }
    for (size_t i = 0; i < changes.account_count; i++) {
        struct bytes parts[] = {BYTES_OF(hash), BYTES_OF(changes.accounts[i].address),
                                BYTES_OF(changes.accounts[i].account)};
        keccak256_parts(&hash, parts, COUNT_OF(parts));
    }
    arena_free(&arena);
    return hash;
}

/* world_call_raw: input as it is. The caller's value appears from nowhere; a call that fails gives
 * it back there. */
static inline void world_call_raw(struct world *world, u32 module, const struct address *caller,
                                  bytes input)
{
    journal_begin_tx(&world->journal);
    size_t snapshot = journal_snapshot(&world->journal);
    struct frame frame = world_frame(world, module, &world->arena);
    frame.caller = *caller;
    frame.kind = world->kind;
    frame.is_static = world->kind == CALL_STATIC;
    frame.value = world->value;
    frame.gas_left = world->gas;
    frame.input = input;
    world_check(journal_credit(&world->journal, &frame.self, frame.value));
    world_check(native_call(&frame));
    if (frame.status != FRAME_RUNNING || world->is_dry) {
        journal_revert(&world->journal, snapshot);
    }
    world->status = frame.status;
    world->gas_used = world->gas - frame.gas_left;
    world->output = frame.output;
}

static inline size_t world_function(const struct native_module *module, const char *name)
{
    for (size_t i = 0; i < module->function_count; i++) {
        if (strcmp(native_function_abi(module, i)->name, name) == 0) {
            return i;
        }
    }
    unreachable_case();
}

/* world_call: true if it succeeded; world->returns then holds the decoded outputs. */
static inline bool world_call(struct world *world, const struct native_module *module,
                              const char *name, const struct address *caller,
                              const struct abi_value *args)
{
    const struct abi_entry *entry = native_function_abi(module, world_function(module, name));
    struct buf input;
    buf_init(&input, MIB(1));
    abi_encode_call(&input, entry, args);
    world_check(buf_done(&input));
    world_call_raw(world, module->number, caller, buf_bytes(&input));
    buf_free(&input);
    if (world->status != FRAME_RUNNING) {
        return false;
    }
    world->returns = ARENA_ARRAY(&world->arena, struct abi_value, entry->output_count + 1);
    assert_that(world->returns != NULL);
    world_check(abi_decode(&world->arena, entry->outputs, entry->output_count, world->output,
                           world->returns));
    return true;
}

/* world_reason: text of the last refusal; "" if there is none. */
static inline const char *world_reason(struct world *world)
{
    static const u8 selector[] = {0x08, 0xc3, 0x79, 0xa0};
    if (world->status != FRAME_REVERTED || world->output.len < 68 ||
        memcmp(world->output.data, selector, sizeof selector) != 0) {
        return "";
    }
    size_t len = (size_t)load_be64(world->output.data + 60);
    assert_that(len <= world->output.len - 68);
    char *text = arena_str(&world->arena, bytes_make(world->output.data + 68, len));
    assert_that(text != NULL);
    return text;
}

/* world_logs: how many logs of an event the last call left; *ret_values (may be NULL) are those of
 * the last one. */
static inline size_t world_logs(struct world *world, const struct native_module *module,
                                const char *name, struct abi_value **ret_values)
{
    size_t count = 0;
    for (size_t i = 0; i < world->journal.log_count; i++) {
        const struct journal_log *log = &world->journal.logs[i];
        for (size_t j = 0; j < module->event_count; j++) {
            const struct abi_entry *entry = native_event_abi(module, j);
            if (strcmp(entry->name, name) != 0 || !hash_eq(&log->topics[0], &entry->topic)) {
                continue;
            }
            count++;
            if (ret_values != NULL) {
                *ret_values = ARENA_ARRAY(&world->arena, struct abi_value, entry->input_count + 1);
                assert_that(*ret_values != NULL);
                world_check(abi_decode_event(&world->arena, entry, log->topics, log->topic_count,
                                             log->data, *ret_values));
            }
        }
    }
    return count;
}

static inline u64 world_now(struct world *world)
{
    struct slot_source source = world_slots(world);
    u64 now;
    world_check(beacon_now(&source, &now));
    return now;
}

/* world_set_param: by governance. */
static inline void world_set_param(struct world *world, const char *name, u64 value)
{
    struct address governance = world_person(0);
    struct abi_value args[] = {abi_bytes(bytes_str(name)), abi_u64(value)};
    assert_that(world_call(world, &params_module, "set", &governance, args));
}

/* world_add_provider: person `i` as provider with person `i` as receipt signer, of the operator
 * `operator_` (a person), in the /24 number `prefix`. Returns its number. */
static inline u32 world_add_provider(struct world *world, u32 i, u32 operator_, u32 prefix,
                                     u64 announced)
{
    struct address account = world_person(i);
    struct address operator_account = world_person(operator_);
    struct secp_secret operator_secret = world_secret(operator_);
    struct hash digest;
    struct secp_signature consent;
    provider_consent_digest(&digest, WORLD_CHAIN_ID, &account);
    secp_sign(&consent, &operator_secret, &digest);
    bytes signature = i == operator_ ? bytes_make("", 0) : BYTES_OF(consent.b);
    struct abi_value args[] = {abi_address(&operator_account),
                               abi_bytes(signature),
                               abi_u64(276),
                               abi_u64((u64)4 << 56 | prefix),
                               abi_bytes(bytes_str("http://127.0.1.1:9000")),
                               abi_address(&account),
                               abi_u64(GIB(64)),
                               abi_u64(announced)};
    assert_that(world_call(world, &provider_module, "register", &account, args));
    return (u32)abi_as_u64(&world->returns[0]);
}

/* world_lease: a territory of person `owner`. */
static inline u64 world_lease(struct world *world, u32 owner, u64 size, enum redundancy redundancy)
{
    struct address account = world_person(owner);
    struct abi_value args[] = {abi_u64(size), abi_u64((u64)redundancy), abi_u64(86400),
                               abi_bytes(bytes_make("", 0))};
    world->value = u256_from_u64(1000000000000000000u);
    assert_that(world_call(world, &territory_module, "lease", &account, args));
    world->value = u256_from_u64(0);
    return abi_as_u64(&world->returns[0]);
}

static inline u32 world_add_gateway(struct world *world, u32 i)
{
    struct address account = world_person(i);
    struct hash key = {{7}};
    struct abi_value args[] = {abi_bytes(bytes_str("http://127.0.0.1:9000")), abi_hash(&key)};
    assert_that(world_call(world, &bucket_module, "registerGateway", &account, args));
    return (u32)abi_as_u64(&world->returns[0]);
}

static inline bool world_authorise(struct world *world, u32 owner, u64 territory, u32 gateway,
                                   u32 scope, u64 quota)
{
    struct address account = world_person(owner);
    struct abi_value args[] = {
        abi_u64(territory),
        abi_u64(gateway),
        abi_u64(scope),
        abi_u64(quota),
        abi_u64(world->block.time + 1000000),
        abi_bytes(bytes_str("sealed")),
    };
    return world_call(world, &bucket_module, "authorise", &account, args);
}

static inline bool world_create_bucket(struct world *world, u32 caller, u32 owner, u64 territory,
                                       u8 salt, struct hash *ret_bucket)
{
    struct address caller_account = world_person(caller);
    struct address account = world_person(owner);
    struct hash salt_hash = {{salt}};
    struct secp_secret secret = world_secret(90);
    struct secp_public label;
    secp_public_of(&label, &secret);
    struct abi_value args[] = {abi_address(&account),        abi_hash(&salt_hash),
                               abi_u64(territory),           abi_bytes(bytes_str("encrypted name")),
                               abi_bytes(BYTES_OF(label.b)), abi_u64(0)};
    bucket_id(ret_bucket, &account, &salt_hash);
    return world_call(world, &bucket_module, "create", &caller_account, args);
}

/* world_entry: a segment of made-up roots without receipts. */
static inline struct segment_entry world_entry(u64 number, u64 epoch, enum redundancy redundancy,
                                               u32 length)
{
    struct segment_entry entry = {
        .number = number, .epoch = epoch, .class_number = redundancy, .length = length};
    for (u8 i = 0; i < redundancy_n(redundancy_find((u8)redundancy)); i++) {
        u8 text[9] = {i};
        store_be64(text + 1, number);
        sha256(&entry.roots[i], BYTES_OF(text));
    }
    return entry;
}

/* world_sign: the receipt of fragment `index` by person `signer`, appended to the entry; indexes in
 * ascending order. */
static inline void world_sign(struct world *world, struct segment_entry *entry, u64 territory,
                              u32 gateway, u8 index, u32 provider, u16 draw, u32 signer,
                              u64 deadline)
{
    const struct redundancy_info *r = redundancy_find((u8)entry->class_number);
    struct segment_shape shape;
    assert_that(segment_shape_of(&shape, r, entry->length));
    struct receipt_terms terms = {.chain_id = world->block.chain_id,
                                  .key = {territory, gateway, entry->number},
                                  .index = index,
                                  .root = entry->roots[index],
                                  .length = shape.fragment_length,
                                  .deadline = deadline};
    struct secp_secret secret = world_secret(signer);
    struct hash digest;
    segment_id(&terms.segment, entry->class_number, entry->length, entry->roots, redundancy_n(r));
    receipt_digest(&digest, &terms);
    struct holder_receipt *receipt = &entry->receipts[entry->receipt_count++];
    *receipt = (struct holder_receipt){
        .index = index, .provider = provider, .draw = draw, .deadline = deadline};
    secp_sign(&receipt->signature, &secret, &digest);
}

struct world_head {
    struct hash bucket;
    struct hash old_head;
    struct hash new_head;
    struct locator locator;
};

/* world_commit: entries, then heads. */
static inline bool world_commit(struct world *world, u32 caller, u64 territory,
                                const struct segment_entry *entries, size_t entry_count,
                                const struct world_head *heads, size_t head_count)
{
    struct address account = world_person(caller);
    struct buf segments;
    struct abi_value items[8];
    struct abi_value parts[8][4];
    assert_that(head_count <= COUNT_OF(items));
    buf_init(&segments, MIB(1));
    for (size_t i = 0; i < entry_count; i++) {
        segment_entry_write(&segments, &entries[i]);
    }
    for (size_t i = 0; i < head_count; i++) {
        struct buf locator;
        buf_init(&locator, 64);
        locator_write(&locator, &heads[i].locator);
        parts[i][0] = abi_hash(&heads[i].bucket);
        parts[i][1] = abi_hash(&heads[i].old_head);
        parts[i][2] = abi_hash(&heads[i].new_head);
        parts[i][3] = abi_fixed(buf_bytes(&locator));
        items[i] = abi_tuple(parts[i], 4);
        buf_free(&locator);
    }
    struct abi_value args[] = {abi_u64(territory), abi_bytes(buf_bytes(&segments)),
                               abi_array(items, head_count)};
    bool is_done = world_call(world, &segment_module, "commit", &account, args);
    buf_free(&segments);
    return is_done;
}

/* world_last_reason: reason of the last SegmentRefused log; NONE if there is none. */
static inline enum segment_reason world_last_reason(struct world *world, const char *event,
                                                    size_t at)
{
    struct abi_value *values;
    if (world_logs(world, &segment_module, event, &values) == 0) {
        return SEGMENT_REASON_NONE;
    }
    return (enum segment_reason)abi_as_u64(&values[at]);
}

#define WORLD_REFUSED(world) world_last_reason((world), "SegmentRefused", 3)
#define WORLD_SKIPPED(world) world_last_reason((world), "ReceiptSkipped", 5)
#define WORLD_HEAD_REFUSED(world) world_last_reason((world), "HeadRefused", 3)

#endif

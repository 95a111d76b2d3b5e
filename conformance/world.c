#include "conformance/world.h"

#include "codec/rlp.h"
#include "conformance/fields.h"
#include "crypto/hash.h"
#include "ledger/exec/trie.h"

void world_init(struct world *world)
{
    arena_init(&world->arena, WORLD_BYTES_MAX);
    map_init(&world->accounts);
    map_init(&world->codes);
}

void world_free(struct world *world)
{
    map_each (it, &world->accounts) {
        struct world_account *account = it->value;
        map_free(&account->slots);
    }
    map_free(&world->accounts);
    map_free(&world->codes);
    arena_free(&world->arena);
}

static struct world_account *account_find(const struct world *world, const struct address *address)
{
    return map_get(&world->accounts, BYTES_OF(*address));
}

static struct world_account *account_make(struct world *world, const struct address *address)
{
    struct world_account *account = account_find(world, address);
    if (account == NULL) {
        account = ARENA_NEW(&world->arena, struct world_account);
        if (account == NULL) {
            return NULL;
        }
        account->address = *address;
        account->account = account_none();
        map_init(&account->slots);
        map_put(&world->accounts, BYTES_OF(*address), account);
    }
    return account;
}

static err put_slot(struct world *world, struct world_account *account, const struct hash *slot,
                    const struct word *word)
{
    static const struct word zero;
    if (memcmp(word, &zero, sizeof zero) == 0) {
        map_remove(&account->slots, BYTES_OF(*slot));
        return ok();
    }
    struct world_slot *entry = ARENA_NEW(&world->arena, struct world_slot);
    if (entry == NULL) {
        return fail(ERR_LIMIT);
    }
    *entry = (struct world_slot){.slot = *slot, .word = *word};
    map_put(&account->slots, BYTES_OF(*slot), entry);
    return ok();
}

static err put_code(struct world *world, const struct hash *hash, bytes code)
{
    struct bytes *entry = ARENA_NEW(&world->arena, struct bytes);
    if (entry == NULL) {
        return fail(ERR_LIMIT);
    }
    *entry = arena_copy(&world->arena, code);
    if (entry->data == NULL) {
        return fail(ERR_LIMIT);
    }
    map_put(&world->codes, BYTES_OF(*hash), entry);
    return ok();
}

/* --- from JSON --- */

static err fill_storage(struct world *world, struct world_account *account, const json_t *storage)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)storage, name, value)
    {
        struct u256 slot;
        struct u256 word;
        struct hash slot_bytes;
        struct word word_bytes;
        json_t *key = json_string(name);
        bool is_number = fields_u256(key, &slot) && fields_u256(value, &word);
        json_decref(key);
        if (!is_number) {
            return fail(ERR_MALFORMED);
        }
        u256_to_be(slot_bytes.b, slot);
        u256_to_be(word_bytes.b, word);
        TRY(put_slot(world, account, &slot_bytes, &word_bytes));
    }
    return ok();
}

static err fill_account(struct world *world, const char *name, const json_t *fields)
{
    struct address address;
    bytes code;
    if (!hex_decode_0x(address.b, sizeof address.b, bytes_str(name))) {
        return fail(ERR_MALFORMED);
    }
    struct world_account *account = account_make(world, &address);
    if (account == NULL) {
        return fail(ERR_LIMIT);
    }
    if (!fields_u256(json_object_get(fields, "balance"), &account->account.balance) ||
        !fields_u64(json_object_get(fields, "nonce"), &account->account.nonce) ||
        !fields_bytes(json_object_get(fields, "code"), &world->arena, &code)) {
        return fail(ERR_MALFORMED);
    }
    account->account.exists = true;
    if (code.len > 0) {
        keccak256(&account->account.code_hash, code);
        TRY(put_code(world, &account->account.code_hash, code));
    }
    return fill_storage(world, account, json_object_get(fields, "storage"));
}

err world_fill(struct world *world, const json_t *accounts)
{
    const char *name;
    json_t *fields;
    if (!json_is_object(accounts)) {
        return fail(ERR_MALFORMED);
    }
    json_object_foreach((json_t *)accounts, name, fields)
    {
        TRY(fill_account(world, name, fields));
    }
    return ok();
}

/* --- as a source --- */

static err source_account(void *ctx, const struct address *address, struct account *ret_account)
{
    const struct world_account *account = account_find(ctx, address);
    *ret_account = account != NULL ? account->account : account_none();
    return ok();
}

static err source_slot(void *ctx, const struct address *address, const struct hash *slot,
                       struct word *ret_word)
{
    const struct world_account *account = account_find(ctx, address);
    const struct world_slot *entry =
        account != NULL ? map_get(&account->slots, BYTES_OF(*slot)) : NULL;
    *ret_word = entry != NULL ? entry->word : (struct word){{0}};
    return ok();
}

static err source_code(void *ctx, const struct hash *code_hash, struct arena *arena,
                       bytes *ret_code)
{
    const struct world *world = ctx;
    const struct bytes *code = map_get(&world->codes, BYTES_OF(*code_hash));
    if (code == NULL) {
        return fail(ERR_INTEGRITY);
    }
    *ret_code = arena_copy(arena, *code);
    return ret_code->data != NULL ? ok() : fail(ERR_LIMIT);
}

static err source_slots(void *ctx, const struct address *address, struct slot_visitor visitor)
{
    const struct world_account *account = account_find(ctx, address);
    if (account == NULL) {
        return ok();
    }
    map_each (it, &account->slots) {
        const struct world_slot *entry = it->value;
        TRY(visitor.visit(visitor.ctx, &entry->slot));
    }
    return ok();
}

struct state_source world_source(struct world *world)
{
    return (struct state_source){.ctx = world,
                                 .account = source_account,
                                 .slot = source_slot,
                                 .code = source_code,
                                 .slots = source_slots};
}

/* --- changes and root --- */

static err apply_account(struct world *world, const struct account_change *change)
{
    struct world_account *account = account_make(world, &change->address);
    if (account == NULL) {
        return fail(ERR_LIMIT);
    }
    account->account = change->account;
    if (!change->account.exists) {
        map_free(&account->slots);
        map_remove(&world->accounts, BYTES_OF(change->address));
    }
    return ok();
}

err world_apply(struct world *world, const struct state_changes *changes)
{
    for (size_t i = 0; i < changes->code_count; i++) {
        TRY(put_code(world, &changes->codes[i].hash, changes->codes[i].code));
    }
    for (size_t i = 0; i < changes->slot_count; i++) {
        const struct slot_change *change = &changes->slots[i];
        struct world_account *account = account_make(world, &change->address);
        if (account == NULL) {
            return fail(ERR_LIMIT);
        }
        TRY(put_slot(world, account, &change->slot, &change->word));
    }
    for (size_t i = 0; i < changes->account_count; i++) {
        TRY(apply_account(world, &changes->accounts[i]));
    }
    return ok();
}

static err storage_root(const struct world_account *account, struct arena *arena,
                        struct hash *ret_root)
{
    struct trie trie;
    struct hash empty = account_empty_root();
    struct buf value;
    trie_init(&trie, arena, NULL, &empty);
    buf_init(&value, 64);
    err e = ok();
    map_each (it, &account->slots) {
        const struct world_slot *entry = it->value;
        struct hash key;
        keccak256(&key, BYTES_OF(entry->slot));
        buf_clear(&value);
        rlp_put_uint256(&value, entry->word.b);
        if (is_ok(e)) {
            e = trie_put(&trie, BYTES_OF(key), buf_bytes(&value));
        }
    }
    buf_free(&value);
    TRY(e);
    return trie_root(&trie, ret_root);
}

static err put_account(struct trie *trie, const struct world_account *account)
{
    struct hash root;
    struct hash key;
    struct buf value;
    TRY(storage_root(account, trie->arena, &root));
    keccak256(&key, BYTES_OF(account->address));
    buf_init(&value, ACCOUNT_RLP_BYTES_MAX);
    account_encode(&value, &account->account, &root);
    err e = trie_put(trie, BYTES_OF(key), buf_bytes(&value));
    buf_free(&value);
    return e;
}

err world_root(const struct world *world, struct hash *ret_root)
{
    struct arena arena;
    struct trie trie;
    struct hash empty = account_empty_root();
    err e = ok();
    arena_init(&arena, WORLD_BYTES_MAX);
    trie_init(&trie, &arena, NULL, &empty);
    map_each (it, &world->accounts) {
        if (is_ok(e)) {
            e = put_account(&trie, it->value);
        }
    }
    if (is_ok(e)) {
        e = trie_root(&trie, ret_root);
    }
    arena_free(&arena);
    return e;
}

/* --- differences --- */

static void put_word(struct buf *out, const u8 word[32])
{
    size_t zeros = 0;
    while (zeros < 31 && word[zeros] == 0) {
        zeros++;
    }
    buf_put_str(out, "0x");
    buf_put_hex(out, bytes_make(word + zeros, 32 - zeros));
}

static void diff_slot(struct buf *out, const struct hash *slot, const struct world_slot *is,
                      const struct world_slot *expected)
{
    static const struct world_slot none;
    const struct world_slot *a = is != NULL ? is : &none;
    const struct world_slot *b = expected != NULL ? expected : &none;
    if (memcmp(&a->word, &b->word, sizeof a->word) != 0) {
        buf_put_str(out, "\n         slot ");
        put_word(out, slot->b);
        buf_put_str(out, ": ");
        put_word(out, a->word.b);
        buf_put_str(out, ", not ");
        put_word(out, b->word.b);
    }
}

static void diff_slots(struct buf *out, const struct world_account *is,
                       const struct world_account *expected)
{
    map_each (it, &is->slots) {
        const struct world_slot *slot = it->value;
        diff_slot(out, &slot->slot, slot, map_get(&expected->slots, BYTES_OF(slot->slot)));
    }
    map_each (it, &expected->slots) {
        const struct world_slot *slot = it->value;
        if (map_get(&is->slots, BYTES_OF(slot->slot)) == NULL) {
            diff_slot(out, &slot->slot, NULL, slot);
        }
    }
}

static void diff_account(struct buf *out, const struct world_account *is,
                         const struct world_account *expected)
{
    char left[80];
    char right[80];
    buf_put_str(out, "\n       ");
    buf_put_hex(out, BYTES_OF(is->address));
    if (is->account.nonce != expected->account.nonce) {
        buf_format(out, "\n         nonce: %llu, not %llu", (unsigned long long)is->account.nonce,
                   (unsigned long long)expected->account.nonce);
    }
    if (u256_cmp(is->account.balance, expected->account.balance) != 0) {
        u256_decimal(left, is->account.balance);
        u256_decimal(right, expected->account.balance);
        buf_format(out, "\n         balance: %s, not %s", left, right);
    }
    if (!hash_eq(&is->account.code_hash, &expected->account.code_hash)) {
        buf_put_str(out, "\n         other code");
    }
    diff_slots(out, is, expected);
}

static bool account_same(const struct world_account *a, const struct world_account *b)
{
    struct buf none;
    buf_init(&none, KIB(1));
    diff_slots(&none, a, b);
    bool is_same = none.len == 0 && account_eq(&a->account, &b->account);
    buf_free(&none);
    return is_same;
}

void world_diff(struct buf *out, const struct world *is, const struct world *expected)
{
    map_each (it, &is->accounts) {
        const struct world_account *account = it->value;
        const struct world_account *other = account_find(expected, &account->address);
        if (other == NULL) {
            buf_put_str(out, "\n       too much: ");
            buf_put_hex(out, BYTES_OF(account->address));
        } else if (!account_same(account, other)) {
            diff_account(out, account, other);
        }
    }
    map_each (it, &expected->accounts) {
        const struct world_account *account = it->value;
        if (account_find(is, &account->address) == NULL) {
            buf_put_str(out, "\n       missing: ");
            buf_put_hex(out, BYTES_OF(account->address));
        }
    }
}

#include "ledger/app/genesis.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "ledger/exec/native.h"

#include <stdlib.h>

#define GENESIS_VERSION 1
#define GENESIS_ARENA_BYTES MIB(128)
#define DEFAULT_GAS_LIMIT 60000000u
#define GAS_LIMIT_MAX 1000000000u
#define DEFAULT_BASE_FEE 1000000000u
#define DEFAULT_BASE_FEE_FLOOR 1000000u
#define DEFAULT_INTERVAL_MS 200u
#define DEFAULT_EMPTY_INTERVAL_MS 6000u
#define INTERVAL_MS_MAX 3600000u
#define TIME_MAX 253402300799u /* the last second of the year 9999 */
#define CODE_BYTES_MAX 24576u  /* EIP-170 */

static err bad(const char *member)
{
    log_error("genesis", "genesis.json: \"%s\" is wrong or missing", member);
    return fail(ERR_USAGE);
}

static err check_members(const json_t *object, const char *const *known, size_t count)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value)
    {
        size_t i = 0;
        while (i < count && strcmp(known[i], key) != 0) {
            i++;
        }
        if (i == count) {
            return bad(key);
        }
    }
    return ok();
}

/* An integer in [low, high]; `fallback` if absent, which must then be in the range too. */
static err read_int(const json_t *object, const char *key, u64 low, u64 high, u64 fallback,
                    u64 *ret)
{
    const json_t *value = json_object_get(object, key);
    u64 number = fallback;
    if (value != NULL) {
        if (!json_is_integer(value) || json_integer_value(value) < 0) {
            return bad(key);
        }
        number = (u64)json_integer_value(value);
    }
    if (number < low || number > high) {
        return bad(key);
    }
    *ret = number;
    return ok();
}

/* Wei: decimal text or a hex quantity. */
static bool parse_amount(const json_t *value, struct u256 *ret)
{
    const char *text = json_string_value(value);
    u8 word[32];
    if (text == NULL) {
        return false;
    }
    if (strncmp(text, "0x", 2) != 0) {
        return u256_parse_decimal(ret, bytes_str(text));
    }
    if (!json_read_quantity256(value, word)) {
        return false;
    }
    *ret = u256_from_be(word);
    return true;
}

static err read_amount(const json_t *object, const char *key, u64 fallback, struct u256 *ret)
{
    const json_t *value = json_object_get(object, key);
    *ret = u256_from_u64(fallback);
    return value == NULL || parse_amount(value, ret) ? ok() : bad(key);
}

static int by_address(const void *a, const void *b) { return memcmp(a, b, sizeof(struct address)); }

static err read_seats(const json_t *root, struct seats *seats)
{
    const json_t *list = json_object_get(root, "seats");
    size_t count = json_array_size(list);
    if (count == 0 || count > SEATS_MAX) {
        return bad("seats");
    }
    for (size_t i = 0; i < count; i++) {
        if (!json_read_fixed(json_array_get(list, i), seats->items[i].b,
                             sizeof seats->items[i].b)) {
            return bad("seats");
        }
    }
    qsort(seats->items, count, sizeof seats->items[0], by_address);
    for (size_t i = 1; i < count; i++) {
        if (address_eq(&seats->items[i - 1], &seats->items[i])) {
            return bad("seats");
        }
    }
    seats->count = count;
    return ok();
}

static err read_storage(struct genesis *genesis, const json_t *object,
                        struct genesis_account *account)
{
    const char *key;
    json_t *value;
    const json_t *storage = json_object_get(object, "storage");
    if (storage == NULL) {
        return ok();
    }
    account->slots =
        ARENA_ARRAY(&genesis->arena, struct genesis_slot, json_object_size(storage) + 1);
    if (!json_is_object(storage) || account->slots == NULL) {
        return bad("storage");
    }
    json_object_foreach((json_t *)storage, key, value)
    {
        struct genesis_slot *slot = &account->slots[account->slot_count++];
        if (!hex_decode_0x(slot->slot.b, sizeof slot->slot.b, bytes_str(key)) ||
            !json_read_fixed(value, slot->word.b, sizeof slot->word.b)) {
            return bad("storage");
        }
    }
    return ok();
}

static err read_account(struct genesis *genesis, const char *key, const json_t *object,
                        struct genesis_account *account)
{
    static const char *const members[] = {"balance", "nonce", "code", "storage"};
    const json_t *code = json_object_get(object, "code");
    if (!json_is_object(object) ||
        !hex_decode_0x(account->address.b, sizeof account->address.b, bytes_str(key))) {
        return bad(key);
    }
    TRY(check_members(object, members, COUNT_OF(members)));
    TRY(read_amount(object, "balance", 0, &account->balance));
    TRY(read_int(object, "nonce", 0, INT64_MAX, 0, &account->nonce));
    if (code != NULL && (!json_read_data(code, &genesis->arena, &account->code) ||
                         account->code.len > CODE_BYTES_MAX)) {
        return bad("code");
    }
    TRY(read_storage(genesis, object, account));
    if (account->slot_count > 0 && account->code.len == 0) {
        return bad("storage"); /* only code can own storage */
    }
    return ok();
}

static int by_account_address(const void *a, const void *b)
{
    const struct genesis_account *left = a;
    const struct genesis_account *right = b;
    return memcmp(left->address.b, right->address.b, sizeof left->address.b);
}

/* No account twice (keys may differ in case), none in a module's place, a sum below 2^256. */
static err check_alloc(const struct genesis *genesis)
{
    struct u256 sum = {{0}};
    for (size_t i = 0; i < genesis->account_count; i++) {
        const struct genesis_account *account = &genesis->accounts[i];
        if (i > 0 && address_eq(&account[-1].address, &account->address)) {
            return bad("alloc");
        }
        bool in_place =
            native_find(&account->address) != NULL && (account->code.len > 0 || account->nonce > 0);
        if (in_place || !u256_add(&sum, sum, account->balance)) {
            return bad("alloc");
        }
    }
    return ok();
}

static err read_alloc(struct genesis *genesis, const json_t *root)
{
    const json_t *alloc = json_object_get(root, "alloc");
    const char *key;
    json_t *value;
    if (!json_is_object(alloc)) {
        return bad("alloc");
    }
    genesis->accounts =
        ARENA_ARRAY(&genesis->arena, struct genesis_account, json_object_size(alloc) + 1);
    if (genesis->accounts == NULL) {
        return fail(ERR_LIMIT);
    }
    json_object_foreach((json_t *)alloc, key, value)
    {
        struct genesis_account *account = &genesis->accounts[genesis->account_count];
        TRY(read_account(genesis, key, value, account));
        genesis->account_count++;
    }
    if (genesis->account_count > 1) {
        qsort(genesis->accounts, genesis->account_count, sizeof genesis->accounts[0],
              by_account_address);
    }
    return check_alloc(genesis);
}

static err read_modules(struct genesis *genesis, const json_t *root)
{
    const json_t *modules = json_object_get(root, "modules");
    const char *key;
    json_t *value;
    if (modules != NULL && !json_is_object(modules)) {
        return bad("modules");
    }
    genesis->modules = modules != NULL ? json_deep_copy(modules) : json_object();
    assert_that(genesis->modules != NULL);
    json_object_foreach(genesis->modules, key, value)
    {
        bool known = false;
        for (size_t i = 0; i < native_count(); i++) {
            known |= strcmp(native_at(i)->name, key) == 0;
        }
        if (!known || !json_is_object(value)) {
            return bad(key);
        }
    }
    return ok();
}

static err read_genesis(struct genesis *genesis, const json_t *root)
{
    static const char *const members[] = {
        "version",     "chain_id",          "time",  "gas_limit", "base_fee", "base_fee_floor",
        "interval_ms", "empty_interval_ms", "seats", "alloc",     "modules"};
    u64 version;
    if (!json_is_object(root)) {
        return bad("the whole");
    }
    TRY(check_members(root, members, COUNT_OF(members)));
    TRY(read_int(root, "version", GENESIS_VERSION, GENESIS_VERSION, 0, &version));
    TRY(read_int(root, "chain_id", 1, INT64_MAX / 4, 0, &genesis->chain_id));
    TRY(read_int(root, "time", 1, TIME_MAX, 0, &genesis->time));
    TRY(read_int(root, "gas_limit", BLOCK_GAS_LIMIT_MIN, GAS_LIMIT_MAX, DEFAULT_GAS_LIMIT,
                 &genesis->gas_limit));
    TRY(read_int(root, "interval_ms", 1, INTERVAL_MS_MAX, DEFAULT_INTERVAL_MS,
                 &genesis->interval_ms));
    TRY(read_int(root, "empty_interval_ms", genesis->interval_ms, INTERVAL_MS_MAX,
                 DEFAULT_EMPTY_INTERVAL_MS, &genesis->empty_interval_ms));
    TRY(read_amount(root, "base_fee", DEFAULT_BASE_FEE, &genesis->base_fee));
    TRY(read_amount(root, "base_fee_floor", DEFAULT_BASE_FEE_FLOOR, &genesis->base_fee_floor));
    if (u256_cmp(genesis->base_fee, genesis->base_fee_floor) < 0) {
        return bad("base_fee");
    }
    TRY(read_seats(root, &genesis->seats));
    TRY(read_alloc(genesis, root));
    return read_modules(genesis, root);
}

err genesis_parse(bytes text, struct genesis **ret_genesis)
{
    json_t *root;
    err parsed = json_parse(text, GENESIS_BYTES_MAX, &root);
    if (!is_ok(parsed)) {
        log_error("genesis", "genesis.json is no JSON text, or too long");
        return parsed;
    }
    struct genesis *genesis = MEM_NEW(struct genesis);
    arena_init(&genesis->arena, GENESIS_ARENA_BYTES);
    err e = read_genesis(genesis, root);
    json_decref(root);
    if (!is_ok(e)) {
        genesis_free(genesis);
        return e;
    }
    *ret_genesis = genesis;
    return ok();
}

void genesis_free(struct genesis *genesis)
{
    if (genesis != NULL) {
        json_decref(genesis->modules);
        arena_free(&genesis->arena);
        mem_free(genesis);
    }
}

#include "ledger/exec/tx.h"

#include "base/mem.h"
#include "base/prng.h"
#include "codec/json.h"
#include "ledger/exec/gas.h"
#include "tests/support/vectors.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define ARENA_BYTES MIB(64)

/* Forks whose rules for types 0 to 2 are ours, up to what tx_check() adds (Osaka). */
static const char *const forks[] = {"London", "Paris", "Shanghai", "Cancun", "Prague"};

struct totals {
    size_t accepted;
    size_t refused;
    size_t skipped;
};

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static u64 intrinsic_of(const json_t *result)
{
    u64 gas;
    const char *text = text_of(result, "intrinsicGas");
    assert_non_null(text);
    gas = strtoull(text, NULL, 16);
    return gas;
}

/* What a fork before Osaka can refuse, in terms of our verdicts; the vectors are for chain 1. A
 * creation is well formed. */
static enum tx_verdict verdict_of(const struct tx *tx)
{
    if (tx->has_chain_id && tx->chain_id != 1) {
        return TX_CHAIN_ID_WRONG;
    }
    if (u256_cmp(tx->max_priority, tx->max_fee) > 0) {
        return TX_TIP_ABOVE_FEE;
    }
    if (tx->gas_limit < tx_intrinsic_gas(tx)) {
        return TX_GAS_BELOW_INTRINSIC;
    }
    if (tx->nonce == UINT64_MAX) {
        return TX_NONCE_MAX;
    }
    struct u256 cost;
    if (!u256_mul_u64(&cost, tx->max_fee, tx->gas_limit)) {
        return TX_INSUFFICIENT_FUNDS;
    }
    return tx->is_create && tx->input.len > 49152 ? TX_TOO_LARGE : TX_VALID;
}

static void check_accepted(const char *name, const struct tx *tx, bytes raw, const json_t *result)
{
    struct hash hash;
    struct hash expected_hash;
    struct address sender;
    struct address expected;
    if (!hex_decode_0x(expected_hash.b, 32, bytes_str(text_of(result, "hash"))) ||
        !hex_decode_0x(expected.b, 20, bytes_str(text_of(result, "sender")))) {
        fail_msg("%s: no hash or sender", name);
    }
    tx_hash(&hash, raw);
    assert_true(tx_sender(tx, &sender));
    if (!hash_eq(&hash, &expected_hash) || !address_eq(&sender, &expected)) {
        fail_msg("%s: other hash or sender", name);
    }
    assert_int_equal(tx_intrinsic_gas(tx), intrinsic_of(result));
    struct buf again;
    buf_init(&again, MIB(2));
    tx_encode(&again, tx);
    assert_true(bytes_eq(buf_bytes(&again), raw));
    buf_free(&again);
}

/* London has no price on init code words yet (EIP-3860 came with Shanghai). */
static bool same_rules(const char *fork, const struct tx *tx)
{
    bool early = strcmp(fork, "London") == 0 || strcmp(fork, "Paris") == 0;
    return !(early && tx->is_create);
}

static void check_fork(const char *name, const char *fork, bytes raw, const json_t *result,
                       struct totals *totals)
{
    struct arena arena;
    struct tx tx = {0};
    struct address sender;
    bool expected = json_object_get(result, "exception") == NULL;
    arena_init(&arena, ARENA_BYTES);
    enum tx_verdict verdict = tx_decode(&arena, raw, &tx);
    if (verdict == TX_TOO_LARGE || (verdict == TX_VALID && !same_rules(fork, &tx))) {
        totals->skipped++; /* a limit of the pool, not of the protocol; or an older rule */
        arena_free(&arena);
        return;
    }
    if (verdict == TX_VALID) {
        verdict = tx_sender(&tx, &sender) ? verdict_of(&tx) : TX_SIGNATURE_INVALID;
    }
    if ((verdict == TX_VALID) != expected) {
        fail_msg("%s (%s): %s", name, fork, tx_verdict_text(verdict));
    }
    if (expected) {
        check_accepted(name, &tx, raw, result);
        totals->accepted++;
    } else {
        totals->refused++;
    }
    arena_free(&arena);
}

static void check_case(const char *name, const json_t *object, struct totals *totals)
{
    struct arena arena;
    bytes raw;
    arena_init(&arena, ARENA_BYTES);
    if (json_read_data(json_object_get(object, "txbytes"), &arena, &raw)) {
        for (size_t i = 0; i < COUNT_OF(forks); i++) {
            const json_t *result = json_object_get(json_object_get(object, "result"), forks[i]);
            if (result != NULL) {
                check_fork(name, forks[i], raw, result, totals);
            }
        }
    } else {
        totals->skipped++;
    }
    arena_free(&arena);
}

static void check_dir(const char *path, struct totals *totals)
{
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char file[VECTORS_PATH_MAX];
        const char *name;
        json_t *object;
        if (entry->d_name[0] == '.') {
            continue;
        }
        vectors_format(file, "%s/%s", path, entry->d_name);
        json_t *root = json_load_file(file, 0, NULL);
        assert_non_null(root);
        json_object_foreach(root, name, object) { check_case(name, object, totals); }
        json_decref(root);
    }
    closedir(dir);
}

static void public_vectors(void **state)
{
    (void)state;
    static const char *const dirs[] = {"ttAddress", "ttData",    "ttEIP1559",   "ttEIP2028",
                                       "ttEIP2930", "ttEIP3860", "ttGasLimit",  "ttGasPrice",
                                       "ttNonce",   "ttRSValue", "ttSignature", "ttVValue",
                                       "ttValue",   "ttWrongRLP"};
    struct vectors vectors;
    struct totals totals = {0};
    VECTORS_NEED("ethereum-basic");
    vectors_open(&vectors, "ethereum-basic");
    for (size_t i = 0; i < COUNT_OF(dirs); i++) {
        char path[VECTORS_PATH_MAX];
        vectors_format(path, "%s/ethereum-basic/TransactionTests/%s", vectors.dir, dirs[i]);
        check_dir(path, &totals);
    }
    vectors_close(&vectors);
    print_message("transaction results: %zu accepted, %zu refused, %zu skipped\n", totals.accepted,
                  totals.refused, totals.skipped);
    assert_true(totals.accepted > 100 && totals.refused > 400);
}

/* --- our own --- */

static struct tx random_tx(struct prng *prng, struct arena *arena)
{
    static const enum tx_type types[] = {TX_LEGACY, TX_ACCESS_LIST, TX_DYNAMIC_FEE};
    struct tx tx = {.type = types[prng_below(prng, 3)],
                    .has_chain_id = true,
                    .chain_id = prng_u64(prng) >> (2 + prng_below(prng, 62)),
                    .nonce = prng_u64(prng) >> prng_below(prng, 64),
                    .gas_limit = prng_u64(prng) >> prng_below(prng, 64),
                    .is_create = prng_chance(prng, 1, 4)};
    u8 *input = arena_alloc(arena, 200);
    prng_fill(prng, input, 200);
    tx.input = bytes_make(input, prng_below(prng, 200));
    prng_fill(prng, &tx.value, sizeof tx.value);
    prng_fill(prng, &tx.max_fee, sizeof tx.max_fee / 2);
    tx.max_priority = tx.max_fee;
    if (!tx.is_create) {
        prng_fill(prng, tx.to.b, sizeof tx.to.b);
    }
    if (tx.type == TX_DYNAMIC_FEE) {
        tx.max_priority = u256_from_u64(prng_u64(prng));
    }
    if (tx.type == TX_LEGACY) {
        tx.has_chain_id = prng_chance(prng, 1, 2);
        tx.chain_id = tx.has_chain_id ? tx.chain_id : 0;
        return tx;
    }
    tx.access_count = prng_below(prng, 4);
    tx.access = ARENA_ARRAY(arena, struct tx_access, tx.access_count + 1);
    for (size_t i = 0; i < tx.access_count; i++) {
        prng_fill(prng, tx.access[i].address.b, 20);
        tx.access[i].slot_count = prng_below(prng, 3);
        tx.access[i].slots = ARENA_ARRAY(arena, struct hash, 3);
        prng_fill(prng, tx.access[i].slots, 3 * sizeof(struct hash));
    }
    return tx;
}

static void signed_transactions_come_back(void **state)
{
    (void)state;
    struct prng prng;
    struct secp_secret secret;
    struct address signer;
    u8 key[32] = {[5] = 9};
    prng_init(&prng, 5);
    assert_true(secp_secret_from(&secret, key));
    secp_address_of_secret(&signer, &secret);
    for (int i = 0; i < 200; i++) {
        struct arena arena;
        struct buf raw;
        struct buf again;
        struct tx back;
        struct address sender;
        arena_init(&arena, ARENA_BYTES);
        buf_init(&raw, MIB(1));
        buf_init(&again, MIB(1));
        struct tx tx = random_tx(&prng, &arena);
        tx_sign(&tx, &secret);
        tx_encode(&raw, &tx);
        assert_int_equal(tx_decode(&arena, buf_bytes(&raw), &back), TX_VALID);
        assert_int_equal(back.type, tx.type);
        assert_int_equal(back.nonce, tx.nonce);
        assert_int_equal(back.chain_id, tx.chain_id);
        assert_true(tx_sender(&back, &sender));
        assert_true(address_eq(&sender, &signer));
        tx_encode(&again, &back);
        assert_true(bytes_eq(buf_bytes(&raw), buf_bytes(&again)));
        for (size_t cut = 0; cut < raw.len; cut += 1 + raw.len / 17) {
            assert_int_not_equal(tx_decode(&arena, bytes_make(raw.data, cut), &back), TX_VALID);
        }
        buf_put_u8(&raw, 0);
        assert_int_not_equal(tx_decode(&arena, buf_bytes(&raw), &back), TX_VALID);
        buf_free(&raw);
        buf_free(&again);
        arena_free(&arena);
    }
}

static void hostile_bytes(void **state)
{
    (void)state;
    struct arena arena;
    struct tx tx;
    static const u8 type3[] = {3, 0xc0};
    static const u8 type4[] = {4, 0xc0};
    static const u8 type0[] = {0, 0xc0};
    static const u8 empty_list[] = {0xc0};
    static const u8 typed_empty[] = {2, 0xc0};
    static const u8 string[] = {0x83, 1, 2, 3};
    u8 *large = mem_alloc(TX_BYTES_MAX + 1);
    large[0] = 2;
    arena_init(&arena, ARENA_BYTES);
    assert_int_equal(tx_decode(&arena, bytes_make(NULL, 0), &tx), TX_MALFORMED);
    assert_int_equal(tx_decode(&arena, BYTES_OF(type3), &tx), TX_TYPE_UNSUPPORTED);
    assert_int_equal(tx_decode(&arena, BYTES_OF(type4), &tx), TX_TYPE_UNSUPPORTED);
    assert_int_equal(tx_decode(&arena, BYTES_OF(type0), &tx), TX_TYPE_UNSUPPORTED);
    assert_int_equal(tx_decode(&arena, BYTES_OF(empty_list), &tx), TX_MALFORMED);
    assert_int_equal(tx_decode(&arena, BYTES_OF(typed_empty), &tx), TX_MALFORMED);
    assert_int_equal(tx_decode(&arena, BYTES_OF(string), &tx), TX_MALFORMED);
    assert_int_equal(tx_decode(&arena, bytes_make(large, TX_BYTES_MAX + 1), &tx), TX_TOO_LARGE);
    mem_free(large);
    arena_free(&arena);
}

static void checks_without_state(void **state)
{
    (void)state;
    u8 input[100] = {0};
    struct tx tx = {.type = TX_DYNAMIC_FEE,
                    .has_chain_id = true,
                    .chain_id = 7,
                    .max_fee = u256_from_u64(10),
                    .max_priority = u256_from_u64(10),
                    .gas_limit = 21000};
    assert_int_equal(tx_check(&tx, 7, 30000000), TX_VALID);
    assert_int_equal(tx_check(&tx, 8, 30000000), TX_CHAIN_ID_WRONG);
    assert_int_equal(tx_check(&tx, 7, 20999), TX_GAS_ABOVE_BLOCK);
    tx.max_priority = u256_from_u64(11);
    assert_int_equal(tx_check(&tx, 7, 30000000), TX_TIP_ABOVE_FEE);
    tx.max_priority = u256_from_u64(1);
    tx.gas_limit = GAS_TX_MAX + 1;
    assert_int_equal(tx_check(&tx, 7, 30000000), TX_GAS_ABOVE_CAP);
    tx.gas_limit = 21000;
    tx.input = BYTES_OF(input);
    input[0] = 1;
    /* 99 zeros and one other: 4 * 99 + 16 intrinsic, 10 * (99 + 4) floor. */
    assert_int_equal(tx_intrinsic_gas(&tx), 21000 + 412);
    assert_int_equal(tx_floor_gas(&tx), 21000 + 1030);
    assert_int_equal(tx_check(&tx, 7, 30000000), TX_GAS_BELOW_INTRINSIC);
    tx.gas_limit = 21412;
    assert_int_equal(tx_check(&tx, 7, 30000000), TX_GAS_BELOW_FLOOR);
    tx.gas_limit = 22030;
    assert_int_equal(tx_check(&tx, 7, 30000000), TX_VALID);
    tx.nonce = UINT64_MAX;
    assert_int_equal(tx_check(&tx, 7, 30000000), TX_NONCE_MAX);
    tx.nonce = 0;
    memset(&tx.max_fee, 0xff, sizeof tx.max_fee);
    assert_int_equal(tx_check(&tx, 7, 30000000), TX_INSUFFICIENT_FUNDS);
}

static void prices(void **state)
{
    (void)state;
    struct u256 price;
    struct u256 tip;
    struct tx tx = {.max_fee = u256_from_u64(100), .max_priority = u256_from_u64(7)};
    assert_true(tx_price(&tx, u256_from_u64(50), &price, &tip));
    assert_int_equal(price.limb[0], 57);
    assert_int_equal(tip.limb[0], 7);
    assert_true(tx_price(&tx, u256_from_u64(97), &price, &tip));
    assert_int_equal(price.limb[0], 100);
    assert_int_equal(tip.limb[0], 3);
    assert_true(tx_price(&tx, u256_from_u64(100), &price, &tip));
    assert_int_equal(tip.limb[0], 0);
    assert_false(tx_price(&tx, u256_from_u64(101), &price, &tip));
}

static int setup(void **state)
{
    (void)state;
    struct hash seed = {{1}};
    crypto_init(&seed);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signed_transactions_come_back),
        cmocka_unit_test(hostile_bytes),
        cmocka_unit_test(checks_without_state),
        cmocka_unit_test(prices),
        cmocka_unit_test(public_vectors),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}

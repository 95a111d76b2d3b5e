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

#define RAW_BYTES_MAX MIB(4)

static const struct {
    const char *name;
    enum fork fork;
} forks[] = {
    {"Frontier", FORK_FRONTIER},   {"Homestead", FORK_HOMESTEAD},
    {"EIP150", FORK_TANGERINE},    {"EIP158", FORK_SPURIOUS},
    {"Byzantium", FORK_BYZANTIUM}, {"Constantinople", FORK_CONSTANTINOPLE},
    {"Istanbul", FORK_ISTANBUL},   {"Berlin", FORK_BERLIN},
    {"London", FORK_LONDON},       {"Paris", FORK_PARIS},
    {"Shanghai", FORK_SHANGHAI},   {"Cancun", FORK_CANCUN},
    {"Prague", FORK_PRAGUE},       {"ConstantinopleFix", FORK_PETERSBURG},
};

struct totals {
    size_t accepted;
    size_t refused;
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

static void check_accepted(const char *name, const struct tx *tx, enum fork fork, bytes raw,
                           const json_t *result)
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
    assert_int_equal(tx_intrinsic_gas(tx, fork), intrinsic_of(result));
    struct buf again;
    buf_init(&again, MIB(2));
    tx_encode(&again, tx);
    assert_true(bytes_eq(buf_bytes(&again), raw));
    buf_free(&again);
}

static void check_fork(const char *name, size_t index, bytes raw, const json_t *result,
                       struct totals *totals)
{
    struct arena arena;
    struct tx tx = {0};
    struct address sender;
    struct tx_rules rules = {
        .fork = forks[index].fork, .chain_id = 1, .block_gas_limit = UINT64_MAX};
    bool expected = json_object_get(result, "exception") == NULL;
    arena_init(&arena, ARENA_BYTES);
    enum tx_verdict verdict = tx_decode_within(&arena, raw, RAW_BYTES_MAX, &tx);
    if (verdict == TX_VALID) {
        verdict = tx_check(&tx, &rules);
    }
    if (verdict == TX_VALID && !tx_sender(&tx, &sender)) {
        verdict = TX_SIGNATURE_INVALID;
    }
    if ((verdict == TX_VALID) != expected) {
        fail_msg("%s (%s): %s", name, forks[index].name, tx_verdict_text(verdict));
    }
    if (expected) {
        check_accepted(name, &tx, forks[index].fork, raw, result);
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
    const json_t *results = json_object_get(object, "result");
    arena_init(&arena, ARENA_BYTES);
    assert_true(json_read_data(json_object_get(object, "txbytes"), &arena, &raw));
    size_t known = 0;
    for (size_t i = 0; i < COUNT_OF(forks); i++) {
        const json_t *result = json_object_get(results, forks[i].name);
        if (result != NULL) {
            check_fork(name, i, raw, result, totals);
            known++;
        }
    }
    assert_int_equal(known, json_object_size(results));
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
    /* Counted in vectors/README.md. */
    assert_int_equal(totals.accepted + totals.refused, 2665);
    assert_int_equal(totals.refused, 2059);
}

/* --- our own --- */

/* What types 3 and 4 have behind the access list. */
static void random_tail(struct prng *prng, struct arena *arena, struct tx *tx)
{
    if (tx->type == TX_BLOB) {
        tx->max_blob_fee = u256_from_u64(prng_u64(prng));
        tx->blob_count = prng_below(prng, 4);
        tx->blob_hashes = ARENA_ARRAY(arena, struct hash, 4);
        prng_fill(prng, tx->blob_hashes, 4 * sizeof(struct hash));
    } else if (tx->type == TX_SET_CODE) {
        tx->authorization_count = prng_below(prng, 4);
        tx->authorizations = ARENA_ARRAY(arena, struct tx_authorization, 4);
        prng_fill(prng, tx->authorizations, 4 * sizeof(struct tx_authorization));
    }
}

static struct tx random_tx(struct prng *prng, struct arena *arena)
{
    struct tx tx = {.type = (enum tx_type)prng_below(prng, TX_TYPE_COUNT),
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
    if (tx.type >= TX_DYNAMIC_FEE) {
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
    random_tail(prng, arena, &tx);
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
    static const u8 type5[] = {5, 0xc0};
    static const u8 type0[] = {0, 0xc0};
    static const u8 empty_list[] = {0xc0};
    static const u8 typed_empty[] = {2, 0xc0};
    static const u8 string[] = {0x83, 1, 2, 3};
    u8 *large = mem_alloc(TX_BYTES_MAX + 1);
    large[0] = 2;
    arena_init(&arena, ARENA_BYTES);
    assert_int_equal(tx_decode(&arena, bytes_make(NULL, 0), &tx), TX_MALFORMED);
    assert_int_equal(tx_decode(&arena, BYTES_OF(type3), &tx), TX_MALFORMED);
    assert_int_equal(tx_decode(&arena, BYTES_OF(type4), &tx), TX_MALFORMED);
    assert_int_equal(tx_decode(&arena, BYTES_OF(type5), &tx), TX_TYPE_UNSUPPORTED);
    assert_int_equal(tx_decode(&arena, BYTES_OF(type0), &tx), TX_TYPE_UNSUPPORTED);
    assert_int_equal(tx_decode(&arena, BYTES_OF(empty_list), &tx), TX_MALFORMED);
    assert_int_equal(tx_decode(&arena, BYTES_OF(typed_empty), &tx), TX_MALFORMED);
    assert_int_equal(tx_decode(&arena, BYTES_OF(string), &tx), TX_MALFORMED);
    assert_int_equal(tx_decode(&arena, bytes_make(large, TX_BYTES_MAX + 1), &tx), TX_TOO_LARGE);
    mem_free(large);
    arena_free(&arena);
}

static enum tx_verdict check(const struct tx *tx, enum fork fork, u64 chain_id, u64 gas_limit)
{
    struct tx_rules rules = {.fork = fork,
                             .chain_id = chain_id,
                             .block_gas_limit = gas_limit,
                             .blob_gas_max = 9 * TX_BLOB_GAS,
                             .blobs_per_tx_max = 6};
    return tx_check(tx, &rules);
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
    assert_int_equal(check(&tx, FORK_OSAKA, 7, 30000000), TX_VALID);
    assert_int_equal(check(&tx, FORK_OSAKA, 8, 30000000), TX_CHAIN_ID_WRONG);
    assert_int_equal(check(&tx, FORK_OSAKA, 7, 20999), TX_GAS_ABOVE_BLOCK);
    tx.max_priority = u256_from_u64(11);
    assert_int_equal(check(&tx, FORK_OSAKA, 7, 30000000), TX_TIP_ABOVE_FEE);
    tx.max_priority = u256_from_u64(1);
    tx.gas_limit = GAS_TX_MAX + 1;
    assert_int_equal(check(&tx, FORK_OSAKA, 7, 30000000), TX_GAS_ABOVE_CAP);
    tx.gas_limit = 21000;
    tx.input = BYTES_OF(input);
    input[0] = 1;
    /* 99 zeros and one other: 4 * 99 + 16 intrinsic, 10 * (99 + 4) floor. */
    assert_int_equal(tx_intrinsic_gas(&tx, FORK_OSAKA), 21000 + 412);
    assert_int_equal(tx_floor_gas(&tx, FORK_OSAKA), 21000 + 1030);
    assert_int_equal(check(&tx, FORK_OSAKA, 7, 30000000), TX_GAS_BELOW_INTRINSIC);
    tx.gas_limit = 21412;
    assert_int_equal(check(&tx, FORK_OSAKA, 7, 30000000), TX_GAS_BELOW_FLOOR);
    tx.gas_limit = 22030;
    assert_int_equal(check(&tx, FORK_OSAKA, 7, 30000000), TX_VALID);
    tx.nonce = UINT64_MAX;
    assert_int_equal(check(&tx, FORK_OSAKA, 7, 30000000), TX_NONCE_MAX);
    tx.nonce = 0;
    memset(&tx.max_fee, 0xff, sizeof tx.max_fee);
    assert_int_equal(check(&tx, FORK_OSAKA, 7, 30000000), TX_INSUFFICIENT_FUNDS);
}

/* A transaction that is fine at Osaka, of any type, for chain 7. */
static struct tx fine_tx(enum tx_type type)
{
    static struct hash blobs[10];
    static struct tx_authorization authorizations[3];
    for (size_t i = 0; i < COUNT_OF(blobs); i++) {
        blobs[i].b[0] = 1;
    }
    struct tx tx = {.type = type,
                    .has_chain_id = true,
                    .chain_id = 7,
                    .max_fee = u256_from_u64(10),
                    .max_priority = u256_from_u64(10),
                    .gas_limit = 200000};
    if (type == TX_BLOB) {
        tx.blob_hashes = blobs;
        tx.blob_count = 6;
        tx.max_blob_fee = u256_from_u64(1);
    } else if (type == TX_SET_CODE) {
        tx.authorizations = authorizations;
        tx.authorization_count = 3;
    }
    return tx;
}

static void forks_know_their_types(void **state)
{
    (void)state;
    static const enum fork since[TX_TYPE_COUNT] = {FORK_SPURIOUS, FORK_BERLIN, FORK_LONDON,
                                                   FORK_CANCUN, FORK_PRAGUE};
    for (int type = 0; type < TX_TYPE_COUNT; type++) {
        struct tx tx = fine_tx((enum tx_type)type);
        for (int fork = 0; fork < FORK_COUNT; fork++) {
            enum tx_verdict old = type == 0 ? TX_SIGNATURE_INVALID : TX_TYPE_UNSUPPORTED;
            assert_int_equal(check(&tx, (enum fork)fork, 7, 30000000),
                             (enum fork)fork >= since[type] ? TX_VALID : old);
        }
    }
    struct tx blob = fine_tx(TX_BLOB);
    struct tx_rules ours = tx_rules_ours(7, 30000000);
    assert_int_equal(tx_check(&blob, &ours), TX_BLOBS_REFUSED);
    struct tx set_code = fine_tx(TX_SET_CODE);
    assert_int_equal(tx_check(&set_code, &ours), TX_VALID);
}

static void blobs_are_checked(void **state)
{
    (void)state;
    struct tx tx = fine_tx(TX_BLOB);
    struct u256 cost;
    assert_int_equal(tx_blob_gas(&tx), 6 * 131072);
    assert_true(tx_cost(&tx, &cost));
    assert_int_equal(cost.limb[0], 200000 * 10 + 6 * 131072);
    tx.is_create = true;
    assert_int_equal(check(&tx, FORK_OSAKA, 7, 30000000), TX_BLOB_CREATE);
    tx.is_create = false;
    tx.blob_count = 0;
    assert_int_equal(check(&tx, FORK_OSAKA, 7, 30000000), TX_BLOBS_MISSING);
    tx.blob_count = 7;
    assert_int_equal(check(&tx, FORK_OSAKA, 7, 30000000), TX_BLOBS_TOO_MANY);
    tx.blob_count = 10; /* more than a block takes */
    struct tx_rules prague = {.fork = FORK_PRAGUE,
                              .chain_id = 7,
                              .block_gas_limit = 30000000,
                              .blob_gas_max = 9 * TX_BLOB_GAS};
    assert_int_equal(tx_check(&tx, &prague), TX_BLOBS_TOO_MANY);
    tx.blob_count = 9;
    assert_int_equal(tx_check(&tx, &prague), TX_VALID);
    tx.blob_hashes[8].b[0] = 2;
    assert_int_equal(tx_check(&tx, &prague), TX_BLOB_VERSION_WRONG);
    tx.blob_count = 1;
    memset(&tx.max_blob_fee, 0xff, sizeof tx.max_blob_fee);
    assert_false(tx_cost(&tx, &cost));
}

static void authorizations_are_checked(void **state)
{
    (void)state;
    struct secp_secret secret;
    struct address signer;
    struct address authority;
    u8 key[32] = {[3] = 4};
    struct tx tx = fine_tx(TX_SET_CODE);
    assert_int_equal(tx_intrinsic_gas(&tx, FORK_PRAGUE), 21000 + 3 * 25000);
    tx.is_create = true;
    assert_int_equal(check(&tx, FORK_OSAKA, 7, 30000000), TX_AUTHORIZATION_CREATE);
    tx.is_create = false;
    tx.authorization_count = 0;
    assert_int_equal(check(&tx, FORK_OSAKA, 7, 30000000), TX_AUTHORIZATIONS_MISSING);

    assert_true(secp_secret_from(&secret, key));
    secp_address_of_secret(&signer, &secret);
    struct tx_authorization good = {
        .chain_id = u256_from_u64(7), .address = {{9}}, .nonce = UINT64_MAX};
    tx_authorization_sign(&good, &secret);
    assert_true(tx_authority(&good, &authority));
    assert_true(address_eq(&authority, &signer));
    struct tx_authorization bad = good;
    bad.parity = good.parity + 27;
    assert_false(tx_authority(&bad, &authority));
    bad = good;
    bad.nonce--;
    assert_true(!tx_authority(&bad, &authority) || !address_eq(&authority, &signer));
    bad = good;
    memset(bad.r, 0, sizeof bad.r);
    assert_false(tx_authority(&bad, &authority));
    bad = good;
    memset(bad.s, 0xff, sizeof bad.s);
    assert_false(tx_authority(&bad, &authority));
    bad = good;
    memset(bad.s, 0, sizeof bad.s);
    bad.s[0] = 0x7f; /* half the order is 7fffffff ffffffff ffffffff ffffffff 5d… */
    assert_true(tx_authority(&bad, &authority));
    bad.s[0] = 0x80;
    assert_false(tx_authority(&bad, &authority));
}

static void high_s_is_of_frontier(void **state)
{
    (void)state;
    struct tx tx = fine_tx(TX_LEGACY);
    tx.has_chain_id = false;
    tx.signature.b[32] = 0x80;
    assert_false(tx_signature_is_low(&tx));
    assert_int_equal(check(&tx, FORK_FRONTIER, 7, 30000000), TX_VALID);
    assert_int_equal(check(&tx, FORK_HOMESTEAD, 7, 30000000), TX_SIGNATURE_INVALID);
    assert_int_equal(check(&tx, FORK_OSAKA, 7, 30000000), TX_SIGNATURE_INVALID);
}

static void old_gas(void **state)
{
    (void)state;
    static const u8 input[] = {0, 1, 2};
    struct tx tx = {.is_create = true, .input = BYTES_OF(input)};
    assert_int_equal(tx_intrinsic_gas(&tx, FORK_FRONTIER), 21000 + 4 + 2 * 68);
    assert_int_equal(tx_intrinsic_gas(&tx, FORK_HOMESTEAD), 53000 + 4 + 2 * 68);
    assert_int_equal(tx_intrinsic_gas(&tx, FORK_PETERSBURG), 53000 + 4 + 2 * 68);
    assert_int_equal(tx_intrinsic_gas(&tx, FORK_ISTANBUL), 53000 + 4 + 2 * 16);
    assert_int_equal(tx_intrinsic_gas(&tx, FORK_SHANGHAI), 53002 + 4 + 2 * 16);
    assert_int_equal(tx_floor_gas(&tx, FORK_CANCUN), 0);
    assert_int_equal(tx_floor_gas(&tx, FORK_PRAGUE), 21000 + 10 + 2 * 40);
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
        cmocka_unit_test(forks_know_their_types),
        cmocka_unit_test(blobs_are_checked),
        cmocka_unit_test(authorizations_are_checked),
        cmocka_unit_test(high_s_is_of_frontier),
        cmocka_unit_test(old_gas),
        cmocka_unit_test(prices),
        cmocka_unit_test(public_vectors),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}

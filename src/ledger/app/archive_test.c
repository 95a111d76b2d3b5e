/* The example of contracts/examples as it is deployed: compiled Solidity that leases a territory,
 * owns a bucket and sells access, through blocks and over a restart. */
#include "ledger/app/dry.h"

#include "codec/abi.h"
#include "ledger/evm/vm.h"
#include "ledger/modules/modules.h"
#include "tests/support/check.h"
#include "tests/support/test_ledger.h"

#include <jansson.h>

#define COMPILED "contracts/build/PaywalledArchive.json"
#define SIZE_BYTES MIB(1)
#define LEASE_SECONDS (30u * 86400u)
#define PERIOD_SECONDS 3600u
#define PRICE_WEI 1000000000000000u /* of a period */
#define TERRITORY_MODULE 5
#define BUCKET_MODULE 6
#define CODE_BYTES_MAX KIB(64)

static struct test_ledger ledger;
static struct arena arena;
static struct address archive;
static u64 nonce;
static u64 lease_wei;

static int setup(void **state)
{
    (void)state;
    const struct hash seed = {{7}};
    crypto_init(&seed);
    native_tables_init(native_modules_all, native_modules_count);
    arena_init(&arena, MIB(64));
    test_ledger_make(&ledger, "{\"params\":{\"profile\":\"devnet\"}}", "");
    test_ledger_open(&ledger);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    test_ledger_remove(&ledger);
    arena_free(&arena);
    return 0;
}

/* Encodes a call of `signature`, in the arena. */
static bytes encode(const char *signature, const struct abi_value *values,
                    struct abi_entry *ret_entry)
{
    struct buf out;
    test_ok(abi_parse(&arena, signature, ret_entry));
    buf_init(&out, KIB(4));
    abi_encode_call(&out, ret_entry, values);
    test_ok(buf_done(&out));
    bytes copy = arena_copy(&arena, buf_bytes(&out));
    buf_free(&out);
    return copy;
}

/* ask: a call at the head that succeeds; its answers. */
static const struct abi_value *ask(const struct address *to, const char *signature,
                                   const struct abi_value *values)
{
    struct abi_entry entry;
    struct exec_result result;
    struct abi_value *answers = ARENA_ARRAY(&arena, struct abi_value, ABI_PARAMS_MAX);
    const struct app_call_options options = {.height = app_info_now(ledger.app).height};
    const struct call_request request = {
        .from = ledger.user_address, .to = *to, .input = encode(signature, values, &entry)};
    assert_non_null(answers);
    test_ok(app_call(ledger.app, &options, &request, &arena, &result));
    assert_true(result.verdict == TX_VALID && result.success);
    test_ok(abi_decode(&arena, entry.outputs, entry.output_count, result.output, answers));
    return answers;
}

static u64 balance_of(const struct address *address)
{
    struct app_dry dry;
    struct account account;
    u64 wei;
    test_ok(app_dry_after(ledger.app, app_info_now(ledger.app).height, &dry));
    test_ok(journal_account(&dry.journal, address, &account));
    assert_true(u256_to_u64(&wei, account.balance));
    app_dry_close(&dry);
    return wei;
}

/* send: a transaction of the user in a block of its own. Whether it did what it should is asked
 * afterwards. */
static void send(const struct address *to, u64 value, bytes input)
{
    struct tx tx = test_tx(nonce++, to != NULL ? to : &(struct address){{0}}, value, input);
    struct buf raw;
    struct hash hash;
    enum tx_verdict verdict;
    tx.is_create = to == NULL;
    tx.gas_limit = 5000000;
    test_sign(&raw, &tx, &ledger.user);
    test_ok(app_submit(ledger.app, buf_bytes(&raw), &hash, &verdict));
    assert_int_equal(verdict, TX_VALID);
    buf_free(&raw);
    assert_int_equal(test_block(&ledger), 1);
}

static void send_call(u64 value, const char *signature, const struct abi_value *values)
{
    struct abi_entry entry;
    send(&archive, value, encode(signature, values, &entry));
}

/* The creation code from the compiler, with the constructor's arguments behind it. */
static bytes creation_code(void)
{
    static const char constructor[] = "constructor(uint64 size, uint64 time, uint256 price, "
                                      "uint64 period, bytes name, bytes label)";
    struct secp_public label;
    json_t *root = json_load_file(COMPILED, 0, NULL);
    const char *code = json_string_value(json_object_get(root, "bytecode"));
    struct abi_entry entry;
    struct buf out;
    u8 raw[CODE_BYTES_MAX];
    assert_non_null(code);
    size_t len = unhex(raw, sizeof raw, code + 2);
    json_decref(root);
    secp_public_of(&label, &ledger.user);
    const struct abi_value values[] = {
        abi_u64(SIZE_BYTES),     abi_u64(LEASE_SECONDS),        abi_u64(PRICE_WEI),
        abi_u64(PERIOD_SECONDS), abi_bytes(bytes_str("films")), abi_bytes(BYTES_OF(label))};
    test_ok(abi_parse(&arena, constructor, &entry));
    buf_init(&out, CODE_BYTES_MAX);
    buf_put(&out, bytes_make(raw, len));
    abi_encode(&out, entry.inputs, entry.input_count, values);
    test_ok(buf_done(&out));
    bytes copy = arena_copy(&arena, buf_bytes(&out));
    buf_free(&out);
    return copy;
}

static void opens(void **state)
{
    (void)state;
    struct address territory = native_address(TERRITORY_MODULE);
    const struct abi_value wanted[] = {abi_u64(SIZE_BYTES), abi_u64(1), abi_u64(LEASE_SECONDS)};
    const struct abi_value *price =
        ask(&territory, "price(uint64 a, uint8 b, uint64 c) returns (uint64)", wanted);
    lease_wei = abi_as_u64(&price[0]);
    assert_true(lease_wei > 0);
    /* Not enough: nothing is made, not even the territory. */
    archive = evm_create_address(&ledger.user_address, nonce);
    send(NULL, lease_wei - 1, creation_code());
    assert_int_equal(abi_as_u64(ask(&territory, "count() returns (uint64)", NULL)), 0);
    assert_int_equal(balance_of(&archive), 0);
    archive = evm_create_address(&ledger.user_address, nonce);
    send(NULL, lease_wei + 7, creation_code());
    assert_int_equal(abi_as_u64(ask(&territory, "count() returns (uint64)", NULL)), 1);
    assert_int_equal(balance_of(&archive), 7);
}

static void owns_territory_and_bucket(void **state)
{
    (void)state;
    struct address territories = native_address(TERRITORY_MODULE);
    struct address buckets = native_address(BUCKET_MODULE);
    u64 number = abi_as_u64(ask(&archive, "territory() returns (uint64)", NULL));
    const struct abi_value *leased =
        ask(&territories,
            "get(uint64 a) returns (address o, uint8 r, uint8 s, uint64 z, uint64 u, uint64 e, "
            "uint256 p, bytes policy)",
            &(struct abi_value){.word = {[31] = (u8)number}});
    struct address owner = abi_as_address(&leased[0]);
    assert_true(address_eq(&owner, &archive));
    assert_int_equal(abi_as_u64(&leased[3]), SIZE_BYTES);
    const struct abi_value *bucket = ask(&archive, "bucket() returns (bytes32)", NULL);
    const struct abi_value *record =
        ask(&buckets,
            "get(bytes32 b) returns (address o, uint64 t, uint8 p, bool r, bytes32 h, bytes20 l, "
            "uint64 m, uint64 c, uint32 v, bytes k, bytes n)",
            bucket);
    owner = abi_as_address(&record[0]);
    assert_true(address_eq(&owner, &archive));
    assert_int_equal(abi_as_u64(&record[1]), number);
    assert_true(bytes_eq_str(record[10].data, "films"));
}

static bool has_access(void)
{
    const struct abi_value reader = abi_address(&ledger.user_address);
    return abi_as_bool(ask(&archive, "hasAccess(address a) returns (bool)", &reader));
}

static void sells(void **state)
{
    (void)state;
    static const u8 key[33] = {2};
    struct abi_value arguments[] = {abi_u64(3), abi_bytes(BYTES_OF(key))};
    assert_false(has_access());
    send_call(3 * PRICE_WEI - 1, "subscribe(uint64 n, bytes k)", arguments);
    assert_false(has_access());
    assert_int_equal(balance_of(&archive), 7);
    send_call(3 * PRICE_WEI, "subscribe(uint64 n, bytes k)", arguments);
    assert_true(has_access());
    assert_int_equal(balance_of(&archive), 7 + 3 * PRICE_WEI);
    /* A number of periods whose price does not fit. */
    arguments[0] = abi_u64(UINT64_MAX);
    send_call(0, "subscribe(uint64 n, bytes k)", arguments);
    assert_int_equal(balance_of(&archive), 7 + 3 * PRICE_WEI);
}

static void extends_and_restarts(void **state)
{
    (void)state;
    const struct abi_value day = abi_u64(86400);
    u64 before = abi_as_u64(ask(&archive, "expires() returns (uint64)", NULL));
    u64 earned = balance_of(&archive);
    send_call(0, "extend(uint64 t)", &day);
    assert_int_equal(abi_as_u64(ask(&archive, "expires() returns (uint64)", NULL)), before + 86400);
    u64 left = balance_of(&archive);
    assert_true(left < earned);
    test_ledger_close(&ledger);
    test_ledger_open(&ledger);
    assert_int_equal(abi_as_u64(ask(&archive, "expires() returns (uint64)", NULL)), before + 86400);
    assert_int_equal(balance_of(&archive), left);
    assert_true(has_access());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens),
        cmocka_unit_test(owns_territory_and_bucket),
        cmocka_unit_test(sells),
        cmocka_unit_test(extends_and_restarts),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

/* Leases, authorisations and sealed keys, on a real ledger. */
#include "owner/owner.h"

#include "ledger/modules/bucket_layout.h"
#include "ledger/modules/territory_layout.h"
#include "tests/support/live_ledger.h"

#define DAY 86400u

/* ---- sealed keys, without a ledger ---- */

static const struct master_key master = {{1, 2, 3}};

struct box {
    struct x_secret secret;
    struct x_public public;
};

static struct box make_box(u8 seed)
{
    struct box box = {.secret = {{9, seed, 9}}};
    x_public_of(&box.public, &box.secret);
    return box;
}

static void seal(u8 out[OWNER_SEALED_KEY_BYTES], const struct box *to, bytes content, u64 chain,
                 u64 territory, u32 gateway)
{
    static const u8 random[56] = {7};
    u8 context[OWNER_CONTEXT_BYTES];
    owner_seal_context(context, chain, territory, gateway);
    assert_true(box_seal(out, &to->public, BYTES_OF(context), content, random));
}

static void refused(bytes sealed, const struct box *box, u64 chain, u64 territory, u32 gateway)
{
    struct territory_key key = {{0xee}};
    const struct territory_key before = key;
    err e = owner_open_sealed(&key, sealed, &box->secret, chain, territory, gateway);
    assert_int_equal(e.code, ERR_INTEGRITY);
    assert_memory_equal(&key, &before, sizeof key);
}

static void the_context_is_packed(void **state)
{
    (void)state;
    u8 context[OWNER_CONTEXT_BYTES];
    static const u8 expected[] = "cairn territory key v1"
                                 "\0\0\0\0\0\0\x1c\x20"
                                 "\1\2\3\4\5\6\7\x08"
                                 "\0\0\0\x2a";
    owner_seal_context(context, 7200, 0x0102030405060708u, 42);
    assert_int_equal(sizeof context, sizeof expected - 1);
    assert_memory_equal(context, expected, sizeof context);
}

static void a_key_opens_in_its_context_only(void **state)
{
    (void)state;
    struct territory_key key;
    struct territory_key got;
    struct box box = make_box(1);
    struct box other = make_box(2);
    u8 sealed[OWNER_SEALED_KEY_BYTES];
    territory_key_derive(&key, &master, 5);
    seal(sealed, &box, BYTES_OF(key), 7200, 5, 3);
    test_ok(owner_open_sealed(&got, BYTES_OF(sealed), &box.secret, 7200, 5, 3));
    assert_memory_equal(&got, &key, sizeof key);
    refused(BYTES_OF(sealed), &other, 7200, 5, 3);
    refused(BYTES_OF(sealed), &box, 7201, 5, 3);
    refused(BYTES_OF(sealed), &box, 7200, 6, 3);
    refused(BYTES_OF(sealed), &box, 7200, 5, 4);
    refused(BYTES_OF(sealed), &box, 7200, 3, 5);
    for (size_t len = 0; len < sizeof sealed; len++) {
        refused(bytes_make(sealed, len), &box, 7200, 5, 3);
    }
    for (size_t bit = 0; bit < 8 * sizeof sealed; bit++) {
        bool is_ignored = bit == 8 * 31 + 7; /* RFC 7748: the top bit of a public key */
        sealed[bit / 8] ^= (u8)(1u << bit % 8);
        if (!is_ignored) {
            refused(BYTES_OF(sealed), &box, 7200, 5, 3);
        }
        sealed[bit / 8] ^= (u8)(1u << bit % 8);
    }
    test_ok(owner_open_sealed(&got, BYTES_OF(sealed), &box.secret, 7200, 5, 3));
}

static void a_content_of_another_length(void **state)
{
    (void)state;
    struct box box = make_box(1);
    u8 content[33] = {0};
    u8 sealed[sizeof content + SEAL_OVERHEAD_BYTES];
    seal(sealed, &box, bytes_make(content, 31), 7200, 5, 3);
    refused(bytes_make(sealed, 31 + SEAL_OVERHEAD_BYTES), &box, 7200, 5, 3);
    seal(sealed, &box, BYTES_OF(content), 7200, 5, 3);
    refused(BYTES_OF(sealed), &box, 7200, 5, 3);
}

/* ---- on a ledger ---- */

struct reading {
    u64 territory;
    struct territory_record territory_record;
    struct territory_owner owner;
    struct address owner_address;
    struct authorisation_key key;
    struct authorisation authorisation;
    u8 sealed[SEALED_KEY_BYTES_MAX];
    size_t sealed_len;
    bool found;
    bool authorised;
};

static err read_all(void *ctx, const struct slot_source *slots)
{
    struct reading *reading = ctx;
    err first =
        territory_load(slots, reading->territory, &reading->territory_record, &reading->found);
    err second = territory_owner_load(slots, &reading->owner_address, &reading->owner);
    err third =
        authorisation_load(slots, &reading->key, &reading->authorisation, &reading->authorised);
    err fourth =
        authorisation_sealed_key(slots, &reading->key, reading->sealed, &reading->sealed_len);
    TRY(first);
    TRY(second);
    TRY(third);
    return fourth;
}

static void read_for(struct live *live, u64 territory, u32 gateway, struct reading *reading)
{
    *reading = (struct reading){.territory = territory,
                                .owner_address = live->ledger.user_address,
                                .key = {live->ledger.user_address, territory, gateway}};
    test_ok(chain_view(live->chain, read_all, reading, live_soon(live)));
}

static struct secp_secret secret_of(u8 seed)
{
    u8 raw[32] = {[31] = seed};
    struct secp_secret secret;
    assert_true(secp_secret_from(&secret, raw));
    return secret;
}

/* A gateway with an account of its own, paid by the user. */
static u32 register_gateway(struct live *live, struct chain_account *user, u8 seed,
                            const struct x_public *key)
{
    struct secp_secret secret = secret_of(seed);
    struct chain_account *gateway = live_account(live, &secret);
    const struct chain_call gift = {.to = chain_account_address(gateway),
                                    .value = u256_from_u64((u64)1000000000000000000u)};
    struct hash box_key;
    struct chain_receipt receipt;
    struct abi_value values[ABI_PARAMS_MAX];
    memcpy(box_key.b, key->b, sizeof box_key.b);
    const struct abi_value args[] = {abi_bytes(bytes_str("http://127.0.0.1:1")),
                                     abi_word(box_key.b)};
    test_ok(chain_send(user, &gift, &live->arena, live_soon(live), &receipt));
    test_ok(module_send(gateway, MODULE_BUCKET, BUCKET_REGISTER_GATEWAY, args, u256_from_u64(0),
                        &live->arena, live_soon(live), &receipt));
    assert_non_null(
        module_find_log(&receipt, MODULE_BUCKET, BUCKET_EV_GATEWAY, &live->arena, values));
    chain_account_close(gateway);
    return (u32)abi_as_u64(&values[0]);
}

static void leases(struct live *live)
{
    struct chain_account *user = live_account(live, &live->ledger.user);
    struct secp_secret poor_secret = secret_of(77);
    struct chain_account *poor = live_account(live, &poor_secret);
    struct reading reading;
    u64 first = 0;
    u64 second = 0;
    test_ok(owner_lease(live->chain, user, GIB(10), RS_4_8, DAY, live_soon(live), &first));
    test_ok(owner_lease(live->chain, user, GIB(20), RS_4_8, 2 * DAY, live_soon(live), &second));
    assert_int_equal(first, 1);
    assert_int_equal(second, 2);
    read_for(live, second, 1, &reading);
    assert_true(reading.found);
    assert_false(reading.authorised);
    assert_int_equal(reading.territory_record.size, GIB(20));
    assert_int_equal(reading.territory_record.class_number, RS_4_8);
    assert_true(address_eq(&reading.territory_record.owner, &live->ledger.user_address));
    assert_false(u256_is_zero(reading.territory_record.paid));
    assert_int_equal(reading.owner.count, 2);
    assert_int_equal(reading.owner.default_territory, first);
    /* Too little, too long, and no money. */
    u64 none = 99;
    err e = owner_lease(live->chain, user, 1, RS_4_8, 1, live_soon(live), &none);
    assert_int_equal(e.code, ERR_REFUSED);
    e = owner_lease(live->chain, user, UINT64_MAX, RS_4_8, UINT64_MAX, live_soon(live), &none);
    assert_int_equal(e.code, ERR_REFUSED);
    e = owner_lease(live->chain, poor, GIB(10), RS_4_8, DAY, live_soon(live), &none);
    assert_int_equal(e.code, ERR_REFUSED);
    e = owner_lease(live->chain, user, GIB(10), RS_4_8, DAY, 0, &none);
    assert_int_equal(e.code, ERR_TIMEOUT);
    assert_int_equal(none, 99);
    chain_account_close(poor);
    chain_account_close(user);
}

static struct owner_grant grant_of(u64 territory, u32 gateway)
{
    return (struct owner_grant){.territory = territory,
                                .gateway = gateway,
                                .scope = SCOPE_READ | SCOPE_WRITE,
                                .quota_bytes = GIB(1),
                                .expires = TEST_GENESIS_TIME + 1000 * (u64)DAY};
}

static void a_gateway_gets_the_key(struct live *live)
{
    struct chain_account *user = live_account(live, &live->ledger.user);
    struct box box = make_box(1);
    struct box other = make_box(2);
    struct territory_key expected;
    struct territory_key key;
    struct reading reading;
    u64 territory;
    u32 gateway = register_gateway(live, user, 50, &box.public);
    test_ok(owner_lease(live->chain, user, GIB(10), RS_4_8, DAY, live_soon(live), &territory));
    struct owner_grant grant = grant_of(territory, gateway);
    grant.expires = loop_wall_ms(live->loop) / 1000 + DAY;
    test_ok(owner_authorise(live->chain, live->loop, user, &master, &grant, live_soon(live)));
    read_for(live, territory, gateway, &reading);
    assert_true(reading.authorised);
    assert_int_equal(reading.authorisation.scope, SCOPE_READ | SCOPE_WRITE);
    assert_int_equal(reading.authorisation.quota, GIB(1));
    assert_int_equal(reading.authorisation.expires, grant.expires);
    assert_int_equal(reading.sealed_len, OWNER_SEALED_KEY_BYTES);
    bytes sealed = bytes_make(reading.sealed, reading.sealed_len);
    u64 chain = chain_id(live->chain);
    territory_key_derive(&expected, &master, territory);
    test_ok(owner_open_sealed(&key, sealed, &box.secret, chain, territory, gateway));
    assert_memory_equal(&key, &expected, sizeof key);
    refused(sealed, &other, chain, territory, gateway);
    refused(sealed, &box, chain, territory, gateway + 1);

    test_ok(owner_revoke(user, territory, gateway, live_soon(live)));
    read_for(live, territory, gateway, &reading);
    assert_int_equal(reading.authorisation.scope, 0);
    err e = owner_revoke(user, territory, gateway, live_soon(live));
    assert_int_equal(e.code, ERR_REFUSED);
    /* Given again, it is sealed anew. */
    u8 before[OWNER_SEALED_KEY_BYTES];
    memcpy(before, sealed.data, sizeof before);
    test_ok(owner_authorise(live->chain, live->loop, user, &master, &grant, live_soon(live)));
    read_for(live, territory, gateway, &reading);
    assert_memory_not_equal(before, reading.sealed, sizeof before);
    test_ok(owner_open_sealed(&key, bytes_make(reading.sealed, reading.sealed_len), &box.secret,
                              chain, territory, gateway));
    assert_memory_equal(&key, &expected, sizeof key);
    chain_account_close(user);
}

static void wrong_grants(struct live *live)
{
    struct chain_account *user = live_account(live, &live->ledger.user);
    struct box box = make_box(1);
    const struct x_public weak = {{1}}; /* of low order: the secret would be known to everybody */
    u64 territory;
    u32 gateway = register_gateway(live, user, 50, &box.public);
    u32 weak_gateway = register_gateway(live, user, 51, &weak);
    test_ok(owner_lease(live->chain, user, GIB(10), RS_4_8, DAY, live_soon(live), &territory));
    struct {
        struct owner_grant grant;
        enum err_code expected;
    } cases[] = {
        {grant_of(territory, 99), ERR_NOT_FOUND},         {grant_of(territory, 0), ERR_NOT_FOUND},
        {grant_of(territory, weak_gateway), ERR_REFUSED}, {grant_of(0, gateway), ERR_USAGE},
        {grant_of(territory + 1, gateway), ERR_REFUSED},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        err e = owner_authorise(live->chain, live->loop, user, &master, &cases[i].grant,
                                live_soon(live));
        assert_int_equal(e.code, cases[i].expected);
    }
    struct owner_grant grant = grant_of(territory, gateway);
    grant.scope = 1 << 20;
    err e = owner_authorise(live->chain, live->loop, user, &master, &grant, live_soon(live));
    assert_int_equal(e.code, ERR_REFUSED);
    /* A gateway that has retired gets no keys any more. */
    struct secp_secret secret = secret_of(50);
    struct chain_account *retiring = live_account(live, &secret);
    struct chain_receipt receipt;
    test_ok(module_send(retiring, MODULE_BUCKET, BUCKET_RETIRE_GATEWAY, NULL, u256_from_u64(0),
                        &live->arena, live_soon(live), &receipt));
    grant = grant_of(territory, gateway);
    e = owner_authorise(live->chain, live->loop, user, &master, &grant, live_soon(live));
    assert_int_equal(e.code, ERR_NOT_FOUND);
    chain_account_close(retiring);
    chain_account_close(user);
}

static void nobody_stores_yet(struct live *live)
{
    size_t count = 99;
    test_ok(chain_view(live->chain, owner_eligible_view, &count, live_soon(live)));
    assert_int_equal(count, 0);
}

LIVE_TEST(leases)
LIVE_TEST(a_gateway_gets_the_key)
LIVE_TEST(wrong_grants)
LIVE_TEST(nobody_stores_yet)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_context_is_packed),
        cmocka_unit_test(a_key_opens_in_its_context_only),
        cmocka_unit_test(a_content_of_another_length),
        cmocka_unit_test(test_leases),
        cmocka_unit_test(test_a_gateway_gets_the_key),
        cmocka_unit_test(test_wrong_grants),
        cmocka_unit_test(test_nobody_stores_yet),
    };
    live_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

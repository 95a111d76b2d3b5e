#include "ledger/app/genesis.h"

#include "tests/support/vault_module.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#undef fail /* cmocka's; err.h's is meant */

#define SEAT "\"0x00000000000000000000000000000000000000a1\""
#define OTHER "\"0x00000000000000000000000000000000000000B2\""

static err parse(const char *text, struct genesis **ret_genesis)
{
    return genesis_parse(bytes_str(text), ret_genesis);
}

static void defaults_and_order(void **state)
{
    (void)state;
    struct genesis *genesis;
    assert_true(is_ok(parse("{\"version\":1,\"chain_id\":5,\"time\":100,\"seats\":[" OTHER "," SEAT
                            "],\"alloc\":{" OTHER ":{\"balance\":\"0x10\"}," SEAT
                            ":{\"balance\":\"17\",\"nonce\":3}}}",
                            &genesis)));
    assert_int_equal(genesis->chain_id, 5);
    assert_int_equal(genesis->gas_limit, 60000000);
    assert_int_equal(genesis->interval_ms, 200);
    assert_int_equal(genesis->empty_interval_ms, 6000);
    assert_int_equal(genesis->seats.count, 2);
    assert_int_equal(genesis->seats.items[0].b[19], 0xa1); /* ascending */
    assert_int_equal(genesis->account_count, 2);
    assert_int_equal(genesis->accounts[0].balance.limb[0], 17);
    assert_int_equal(genesis->accounts[0].nonce, 3);
    assert_int_equal(genesis->accounts[1].balance.limb[0], 16);
    genesis_free(genesis);
}

/* Each is refused: a wrong member, a missing one, an unknown one, or amounts that do not fit. */
static void wrong_files_are_refused(void **state)
{
    (void)state;
    static const char *const parts[] = {
        "\"version\":2,\"chain_id\":5,\"time\":1,\"seats\":[" SEAT "],\"alloc\":{}",
        "\"version\":1,\"chain_id\":0,\"time\":1,\"seats\":[" SEAT "],\"alloc\":{}",
        "\"version\":1,\"chain_id\":\"5\",\"time\":1,\"seats\":[" SEAT "],\"alloc\":{}",
        "\"version\":1,\"chain_id\":-5,\"time\":1,\"seats\":[" SEAT "],\"alloc\":{}",
        "\"version\":1,\"chain_id\":5,\"seats\":[" SEAT "],\"alloc\":{}",
        "\"version\":1,\"chain_id\":5,\"time\":1,\"seats\":[],\"alloc\":{}",
        "\"version\":1,\"chain_id\":5,\"time\":1,\"seats\":[\"0x12\"],\"alloc\":{}",
        "\"version\":1,\"chain_id\":5,\"time\":1,\"seats\":[" SEAT "," SEAT "],\"alloc\":{}",
        "\"version\":1,\"chain_id\":5,\"time\":1,\"seats\":[" SEAT "]",
        "\"version\":1,\"chain_id\":5,\"time\":1,\"seats\":[" SEAT "],\"alloc\":[]",
        "\"version\":1,\"chain_id\":5,\"time\":1,\"seats\":[" SEAT "],\"alloc\":{},\"gaslimit\":1",
        "\"version\":1,\"chain_id\":5,\"time\":1,\"seats\":[" SEAT
        "],\"alloc\":{},\"gas_limit\":100",
        "\"version\":1,\"chain_id\":5,\"time\":1,\"seats\":[" SEAT
        "],\"alloc\":{},\"base_fee\":\"1\"",
        "\"version\":1,\"chain_id\":5,\"time\":1,\"seats\":[" SEAT
        "],\"alloc\":{},\"interval_ms\":7000",
        "\"version\":1,\"chain_id\":5,\"time\":1,\"seats\":[" SEAT
        "],\"alloc\":{},\"modules\":{\"nothing\":{}}",
        "\"version\":1,\"chain_id\":5,\"time\":1,\"seats\":[" SEAT
        "],\"alloc\":{},\"modules\":{\"vault\":3}",
        "\"version\":1,\"chain_id\":5,\"time\":1,\"seats\":[" SEAT
        "],\"alloc\":{\"0x12\":{\"balance\":\"1\"}}",
        "\"version\":1,\"chain_id\":5,\"time\":1,\"seats\":[" SEAT "],\"alloc\":{" SEAT
        ":{\"balance\":\"-1\"}}",
        "\"version\":1,\"chain_id\":5,\"time\":1,\"seats\":[" SEAT "],\"alloc\":{" SEAT
        ":{\"balance\":\"1.5\"}}",
        "\"version\":1,\"chain_id\":5,\"time\":1,\"seats\":[" SEAT "],\"alloc\":{" SEAT
        ":{\"money\":\"1\"}}",
        "\"version\":1,\"chain_id\":5,\"time\":1,\"seats\":[" SEAT "],\"alloc\":{" SEAT
        ":{\"storage\":{}}," OTHER ":{\"storage\":{\"0x01\":\"0x02\"}}}",
        /* the same account in two spellings */
        "\"version\":1,\"chain_id\":5,\"time\":1,\"seats\":[" SEAT "],\"alloc\":{" OTHER
        ":{},\"0x00000000000000000000000000000000000000b2\":{}}",
        /* in a module's place */
        "\"version\":1,\"chain_id\":5,\"time\":1,\"seats\":[" SEAT
        "],\"alloc\":{\"0x00000000000000000000000000000000ca1a0fa0\":{\"code\":\"0x60\"}}",
        /* together more than 2^256 - 1 */
        "\"version\":1,\"chain_id\":5,\"time\":1,\"seats\":[" SEAT "],\"alloc\":{" SEAT
        ":{\"balance\":"
        "\"0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff\"}," OTHER
        ":{\"balance\":\"1\"}}",
    };
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        char text[1024];
        struct genesis *genesis;
        snprintf(text, sizeof text, "{%s}", parts[i]);
        err e = parse(text, &genesis);
        if (!is_err(e, ERR_USAGE)) {
            print_error("%s\n", text);
        }
        assert_int_equal(e.code, ERR_USAGE);
    }
    struct genesis *genesis;
    assert_int_equal(parse("{", &genesis).code, ERR_MALFORMED);
    assert_int_equal(parse("[]", &genesis).code, ERR_USAGE);
    assert_int_equal(parse("{\"version\":1,\"version\":1}", &genesis).code, ERR_MALFORMED);
}

static int setup(void **state)
{
    (void)state;
    vault_init();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_and_order),
        cmocka_unit_test(wrong_files_are_refused),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}

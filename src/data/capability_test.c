#include "data/capability.h"

#include "base/prng.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define NOW 1700000000u

static struct secp_secret secret;

static struct capability sample(void)
{
    struct capability it = {.chain_id = 77,
                            .holder = 5,
                            .ops = CAPABILITY_READ | CAPABILITY_WRITE,
                            .key = {10, 11, 12},
                            .fragment = 3,
                            .valid_until = NOW + 60,
                            .nonce = {1, 2, 3}};
    capability_sign(&it, &secret);
    return it;
}

static struct capability_request request_for(enum capability_op op)
{
    return (struct capability_request){
        .chain_id = 77, .holder = 5, .op = op, .key = {10, 11, 12}, .fragment = 3, .now = NOW};
}

static void round_trip(void **state)
{
    (void)state;
    struct capability it = sample();
    struct capability back;
    struct address who;
    char header[CAPABILITY_HEADER_BYTES + 1];
    capability_header(header, &it);
    assert_int_equal(strlen(header), CAPABILITY_HEADER_BYTES);
    assert_memory_equal(header, "Cairn ", 6);
    assert_int_equal(capability_parse(&back, bytes_str(header)), CAPABILITY_OK);
    assert_int_equal(capability_verify(&back), CAPABILITY_OK);
    secp_address_of_secret(&who, &secret);
    assert_true(address_eq(&back.who, &who));
    assert_true(back.chain_id == 77 && back.holder == 5 && back.ops == 3 && back.fragment == 3);
    assert_true(back.key.territory == 10 && back.key.gateway == 11 && back.key.number == 12);
    assert_true(back.valid_until == NOW + 60);
    assert_memory_equal(back.nonce, it.nonce, sizeof it.nonce);
    header[0] = 'c';
    header[1] = 'A';
    header[4] = 'N';
    assert_int_equal(capability_parse(&back, bytes_str(header)), CAPABILITY_OK);
}

static void headers_that_are_none(void **state)
{
    (void)state;
    struct capability it = sample();
    struct capability back = {.chain_id = 1};
    char header[CAPABILITY_HEADER_BYTES + 2] = {0};
    capability_header(header, &it);
    for (size_t len = 0; len < CAPABILITY_HEADER_BYTES; len++) {
        assert_int_equal(capability_parse(&back, bytes_make(header, len)), CAPABILITY_MALFORMED);
    }
    assert_int_equal(capability_parse(&back, bytes_make(header, CAPABILITY_HEADER_BYTES + 1)),
                     CAPABILITY_MALFORMED);
    static const struct {
        size_t at;
        char c;
    } table[] = {{0, 'B'}, {5, '_'}, {6, ' '}, {50, '='}, {50, '-'}, {201, '='}, {100, '\0'}};
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        char bad[CAPABILITY_HEADER_BYTES];
        memcpy(bad, header, sizeof bad);
        bad[table[i].at] = table[i].c;
        assert_int_equal(capability_parse(&back, BYTES_OF(bad)), CAPABILITY_MALFORMED);
    }
    assert_int_equal(back.chain_id, 1);
}

static void records_that_are_none(void **state)
{
    (void)state;
    struct capability it = sample();
    struct capability back;
    u8 packed[CAPABILITY_BYTES + 1] = {0};
    capability_encode(packed, &it);
    assert_int_equal(capability_decode(&back, bytes_make(packed, CAPABILITY_BYTES)), CAPABILITY_OK);
    assert_int_equal(capability_decode(&back, bytes_make(packed, CAPABILITY_BYTES - 1)),
                     CAPABILITY_MALFORMED);
    assert_int_equal(capability_decode(&back, BYTES_OF(packed)), CAPABILITY_MALFORMED);
    static const struct {
        size_t at;
        u8 value;
    } table[] = {{0, 9}, {1, 9}, {3, 2}, {36, 0}, {36, 16}, {36, 0xff}, {57, 30}, {57, 0xfe}};
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        u8 bad[CAPABILITY_BYTES];
        memcpy(bad, packed, sizeof bad);
        bad[table[i].at] = table[i].value;
        assert_int_equal(capability_decode(&back, BYTES_OF(bad)), CAPABILITY_MALFORMED);
    }
}

/* No bit of a capability can be changed. */
static void every_bit_is_signed(void **state)
{
    (void)state;
    struct capability it = sample();
    u8 packed[CAPABILITY_BYTES];
    capability_encode(packed, &it);
    for (size_t at = 0; at < CAPABILITY_BYTES; at++) {
        struct capability back;
        u8 bit = (u8)(1 << at % 8);
        packed[at] ^= bit;
        if (capability_decode(&back, BYTES_OF(packed)) == CAPABILITY_OK) {
            assert_int_equal(capability_verify(&back), CAPABILITY_BAD_SIGNATURE);
        }
        packed[at] ^= bit;
    }
}

static void signed_by_another(void **state)
{
    (void)state;
    struct capability it = sample();
    struct secp_secret other;
    u8 raw[32] = {9};
    assert_true(secp_secret_from(&other, raw));
    struct address who = it.who;
    capability_sign(&it, &other);
    assert_int_equal(capability_verify(&it), CAPABILITY_OK);
    it.who = who;
    assert_int_equal(capability_verify(&it), CAPABILITY_BAD_SIGNATURE);
}

static void what_is_allowed(void **state)
{
    (void)state;
    struct capability it = sample();
    struct capability_request request = request_for(CAPABILITY_READ);
    assert_int_equal(capability_allows(&it, &request), CAPABILITY_OK);
    request.op = CAPABILITY_WRITE;
    assert_int_equal(capability_allows(&it, &request), CAPABILITY_OK);
    request.op = CAPABILITY_INVENTORY;
    assert_int_equal(capability_allows(&it, &request), CAPABILITY_WRONG_OP);
    request.op = CAPABILITY_ADMIN;
    assert_int_equal(capability_allows(&it, &request), CAPABILITY_WRONG_OP);
    it.fragment = CAPABILITY_ALL_FRAGMENTS;
    request = request_for(CAPABILITY_READ);
    request.fragment = 29;
    assert_int_equal(capability_allows(&it, &request), CAPABILITY_OK);
    it.ops = CAPABILITY_INVENTORY;
    request.op = CAPABILITY_INVENTORY;
    request.key.number = 999; /* not looked at */
    assert_int_equal(capability_allows(&it, &request), CAPABILITY_OK);
}

static void what_is_not(void **state)
{
    (void)state;
    struct capability it = sample();
    struct capability_request good = request_for(CAPABILITY_READ);
    struct capability_request bad[10];
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        bad[i] = good;
    }
    bad[0].chain_id++;
    bad[1].holder++;
    bad[2].now = NOW + 61;
    bad[3].now = UINT64_MAX;
    bad[4].now = NOW + 60 - CAPABILITY_TTL_SECONDS_MAX - 1;
    bad[5].key.territory++;
    bad[6].key.gateway++;
    bad[7].key.number++;
    bad[8].fragment++;
    bad[9].now = 0;
    static const enum capability_verdict expected[] = {
        CAPABILITY_WRONG_CHAIN,    CAPABILITY_WRONG_HOLDER,   CAPABILITY_EXPIRED,
        CAPABILITY_EXPIRED,        CAPABILITY_TOO_LONG,       CAPABILITY_WRONG_FRAGMENT,
        CAPABILITY_WRONG_FRAGMENT, CAPABILITY_WRONG_FRAGMENT, CAPABILITY_WRONG_FRAGMENT,
        CAPABILITY_TOO_LONG};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_int_equal(capability_allows(&it, &bad[i]), expected[i]);
    }
    good.now = NOW + 60; /* the last second */
    assert_int_equal(capability_allows(&it, &good), CAPABILITY_OK);
    it.valid_until = UINT64_MAX;
    assert_int_equal(capability_allows(&it, &good), CAPABILITY_TOO_LONG);
}

static void verdicts_have_names(void **state)
{
    (void)state;
    for (int verdict = CAPABILITY_OK; verdict <= CAPABILITY_WRONG_FRAGMENT; verdict++) {
        assert_true(strlen(capability_verdict_name((enum capability_verdict)verdict)) > 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(headers_that_are_none),
        cmocka_unit_test(records_that_are_none),
        cmocka_unit_test(every_bit_is_signed),
        cmocka_unit_test(signed_by_another),
        cmocka_unit_test(what_is_allowed),
        cmocka_unit_test(what_is_not),
        cmocka_unit_test(verdicts_have_names),
    };
    struct hash seed = {{3}};
    u8 raw[32] = {0x11, 0x22};
    crypto_init(&seed);
    if (!secp_secret_from(&secret, raw)) {
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}

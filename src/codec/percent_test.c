#include "codec/percent.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void check_decode(const char *in, bool plus_is_space, const char *want)
{
    struct arena arena;
    arena_init(&arena, 4096);
    bytes out = {0};
    err e = percent_decode(&arena, bytes_str(in), plus_is_space, &out);
    if (want == NULL) {
        assert_true(is_err(e, ERR_MALFORMED));
        assert_null(out.data);
    } else {
        assert_true(is_ok(e));
        assert_true(bytes_eq_str(out, want));
    }
    arena_free(&arena);
}

static void test_decode(void **state)
{
    (void)state;
    check_decode("", false, "");
    check_decode("plain/path-._~", false, "plain/path-._~");
    check_decode("a%20b%2Fc%2fd", false, "a b/c/d");
    check_decode("a+b", false, "a+b");
    check_decode("a+b%2B", true, "a b+");
    check_decode("%C3%A4", false, "\xC3\xA4");
    check_decode("%2525", false, "%25"); /* once, not until nothing is left */
}

static void test_decode_refuses_broken_escapes(void **state)
{
    (void)state;
    static const char *const broken[] = {"%",   "%4",   "a%",  "a%4", "%zz", "%4g",
                                         "%g4", "%%41", "% 1", "%-1", "%+1", "ok%41%"};
    for (size_t i = 0; i < COUNT_OF(broken); i++) {
        check_decode(broken[i], true, NULL);
    }
}

static void test_decode_limit(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 4);
    bytes out;
    assert_true(is_err(percent_decode(&arena, bytes_str("12345"), false, &out), ERR_LIMIT));
    arena_free(&arena);
}

static void test_encode(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 4096);
    percent_encode(&out, bytes_str("a b/c+d~%\xC3\xA4*"), false);
    assert_true(bytes_eq_str(buf_bytes(&out), "a%20b%2Fc%2Bd~%25%C3%A4%2A"));
    buf_clear(&out);
    percent_encode(&out, bytes_str("/a b/"), true);
    assert_true(bytes_eq_str(buf_bytes(&out), "/a%20b/"));
    buf_free(&out);
}

static void test_round_trip_of_every_byte(void **state)
{
    (void)state;
    u8 all[256];
    for (size_t i = 0; i < sizeof all; i++) {
        all[i] = (u8)i;
    }
    struct buf out;
    struct arena arena;
    buf_init(&out, 4096);
    arena_init(&arena, 4096);
    percent_encode(&out, BYTES_OF(all), false);
    bytes back = {0};
    assert_true(is_ok(percent_decode(&arena, buf_bytes(&out), true, &back)));
    assert_true(bytes_eq(back, BYTES_OF(all)));
    buf_free(&out);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decode),
        cmocka_unit_test(test_decode_refuses_broken_escapes),
        cmocka_unit_test(test_decode_limit),
        cmocka_unit_test(test_encode),
        cmocka_unit_test(test_round_trip_of_every_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

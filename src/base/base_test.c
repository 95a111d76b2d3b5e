#include "base/arena.h"
#include "base/buf.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/prng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void checked_arithmetic(void **state)
{
    (void)state;
    u64 r = 7;
    assert_false(add_u64(&r, UINT64_MAX, 1));
    assert_false(sub_u64(&r, 1, 2));
    assert_false(mul_u64(&r, UINT64_MAX, 2));
    assert_int_equal(r, 7);
    assert_true(add_u64(&r, UINT64_MAX - 1, 1));
    assert_true(r == UINT64_MAX);
}

static void hex_and_base64(void **state)
{
    (void)state;
    u8 out[8];
    char text[32];
    assert_true(hex_decode_0x(out, 4, bytes_str("0xDEADbeef")));
    assert_memory_equal(out, "\xde\xad\xbe\xef", 4);
    assert_false(hex_decode(out, 4, bytes_str("deadbee")));
    assert_false(hex_decode(out, 2, bytes_str("deadbe")));
    assert_false(hex_decode(out, 2, bytes_str("dezd")));
    /* RFC 4648 section 10 */
    static const char *const plain[] = {"", "f", "fo", "foo", "foob", "fooba", "foobar"};
    static const char *const coded[] = {"",         "Zg==",     "Zm8=",    "Zm9v",
                                        "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
    for (size_t i = 0; i < COUNT_OF(plain); i++) {
        size_t len;
        base64_encode(text, sizeof text, bytes_str(plain[i]));
        assert_string_equal(text, coded[i]);
        assert_true(base64_decode(out, sizeof out, bytes_str(coded[i]), &len));
        assert_int_equal(len, strlen(plain[i]));
        assert_memory_equal(out, plain[i], len);
    }
    size_t len;
    assert_false(base64_decode(out, sizeof out, bytes_str("Zh=="), &len));
    assert_false(base64_decode(out, sizeof out, bytes_str("Z==="), &len));
    assert_false(base64_decode(out, sizeof out, bytes_str("Zm=v"), &len));
}

static void numbers(void **state)
{
    (void)state;
    u64 v = 1;
    assert_true(parse_u64(&v, bytes_str("18446744073709551615")));
    assert_true(v == UINT64_MAX);
    assert_false(parse_u64(&v, bytes_str("18446744073709551616")));
    assert_false(parse_u64(&v, bytes_str("")));
    assert_false(parse_u64(&v, bytes_str("01")));
    assert_false(parse_u64(&v, bytes_str("+1")));
    assert_false(parse_u64(&v, bytes_str("-1")));
}

static void arena_is_bounded(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 10000);
    u8 *a = arena_alloc(&arena, 9000);
    assert_non_null(a);
    a[8999] = 1;
    assert_null(arena_alloc(&arena, 1001));
    assert_non_null(arena_alloc(&arena, 1000));
    assert_null(arena_alloc(&arena, SIZE_MAX));
    arena_free(&arena);
    assert_string_equal(arena_format(&arena, "%d-%s", 5, "x"), "5-x");
    arena_free(&arena);
}

static void buf_latches(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 8);
    buf_put_be32(&buf, 0x01020304);
    buf_put_str(&buf, "abcd");
    assert_true(is_ok(buf_done(&buf)));
    assert_memory_equal(buf.data, "\1\2\3\4abcd", 8);
    buf_put_u8(&buf, 1);
    assert_true(is_err(buf_done(&buf), ERR_LIMIT));
    buf_clear(&buf);
    buf_format(&buf, "%d", 1234567);
    buf_consume(&buf, 5);
    assert_true(bytes_eq_str(buf_bytes(&buf), "67"));
    buf_free(&buf);
}

static void map_keeps_order(void **state)
{
    (void)state;
    struct map map;
    map_init(&map);
    static int values[1000];
    for (int i = 0; i < 1000; i++) {
        assert_null(map_put(&map, BYTES_OF(i), &values[i]));
    }
    for (int i = 0; i < 1000; i += 2) {
        assert_ptr_equal(map_remove(&map, BYTES_OF(i)), &values[i]);
        assert_null(map_get(&map, BYTES_OF(i)));
    }
    int expected = 1;
    map_each (entry, &map) {
        assert_ptr_equal(entry->value, &values[expected]);
        expected += 2;
    }
    assert_int_equal(expected, 1001);
    map_free(&map);
}

static void prng_repeats(void **state)
{
    (void)state;
    struct prng a;
    struct prng b;
    prng_init(&a, 42);
    prng_init(&b, 42);
    for (int i = 0; i < 100; i++) {
        assert_true(prng_u64(&a) == prng_u64(&b));
        assert_true(prng_below(&a, 10) < 10);
        prng_below(&b, 10);
    }
}

static void order_of_bytes(void **state)
{
    (void)state;
    assert_true(bytes_cmp(bytes_str("a"), bytes_str("ab")) < 0);
    assert_true(bytes_cmp(bytes_str("\xff"), bytes_str("a")) > 0);
    assert_true(bytes_cmp(bytes_str(""), bytes_str("")) == 0);
    assert_true(bytes_eq_nocase(bytes_str("Content-Length"), bytes_str("content-LENGTH")));
    assert_int_equal(bytes_find(bytes_str("abcabd"), bytes_str("abd")), 3);
    assert_true(bytes_find(bytes_str("ab"), bytes_str("abc")) == SIZE_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checked_arithmetic),
        cmocka_unit_test(hex_and_base64),
        cmocka_unit_test(numbers),
        cmocka_unit_test(arena_is_bounded),
        cmocka_unit_test(buf_latches),
        cmocka_unit_test(map_keeps_order),
        cmocka_unit_test(prng_repeats),
        cmocka_unit_test(order_of_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "codec/json.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define TEXT_MAX 100000

static err parse(bytes text)
{
    json_t *value;
    TRY(json_parse(text, TEXT_MAX, &value));
    json_decref(value);
    return ok();
}

static void writes_what_it_read(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{\"b\":1,\"a\":[true,null,-3,\"x\"]}",
        "[]",
        "{}",
        "\"\"",
        "7",
        "null",
        "\"\xc3\xbc\"",
        "9223372036854775807",
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        json_t *value;
        struct buf buf;
        buf_init(&buf, 1000);
        assert_true(is_ok(json_parse(bytes_str(texts[i]), TEXT_MAX, &value)));
        json_write(&buf, value);
        assert_true(bytes_eq_str(buf_bytes(&buf), texts[i]));
        json_decref(value);
        buf_free(&buf);
    }
}

static void writes_lines_for_people(void **state)
{
    (void)state;
    json_t *value;
    struct buf buf;
    buf_init(&buf, 1000);
    assert_true(is_ok(json_parse(bytes_str("{\"b\":[1],\"a\":{}}"), TEXT_MAX, &value)));
    json_write_lines(&buf, value);
    assert_true(bytes_eq_str(buf_bytes(&buf), "{\n  \"b\": [\n    1\n  ],\n  \"a\": {}\n}"));
    json_decref(value);
    buf_free(&buf);
}

static void malformed_text_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        " ",
        "{",
        "[1,]",
        "{\"a\":1,\"a\":2}",
        "[1] 2",
        "[1]]",
        "\"\\u0000\"",
        "\"\xff\"",
        "\"\\ud800\"",
        "'a'",
        "01",
        "1e999",
        "NaN",
        "9223372036854775808",
        "{\"a\" 1}",
        "{1:2}",
        "\"\n\"",
        "// x\n1",
        "\"abc",
        "[\"]\"",
        "\xef\xbb\xbf[]",
        "\"\xc0\x80\"",
        "tru",
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        assert_true(is_err(parse(bytes_str(texts[i])), ERR_MALFORMED));
    }
    assert_true(is_err(parse(bytes_make("[1]\0", 4)), ERR_MALFORMED));
    assert_true(is_err(parse(bytes_make("\"a\0b\"", 5)), ERR_MALFORMED));
}

/* nested: depth arrays around the text inside. */
static err parse_nested(size_t depth, char open, const char *inside, char close)
{
    struct buf buf;
    buf_init(&buf, TEXT_MAX);
    for (size_t i = 0; i < depth; i++) {
        buf_put_u8(&buf, (u8)open);
    }
    buf_put_str(&buf, inside);
    for (size_t i = 0; i < depth; i++) {
        buf_put_u8(&buf, (u8)close);
    }
    err e = parse(buf_bytes(&buf));
    buf_free(&buf);
    return e;
}

static void depth_is_limited(void **state)
{
    (void)state;
    assert_true(is_ok(parse_nested(JSON_DEPTH_MAX, '[', "", ']')));
    assert_true(is_err(parse_nested(JSON_DEPTH_MAX + 1, '[', "", ']'), ERR_MALFORMED));
    assert_true(is_err(parse_nested(40000, '[', "", ']'), ERR_MALFORMED));
    /* brackets inside strings are no depth, and an escaped quote does not end one */
    assert_true(is_ok(parse_nested(JSON_DEPTH_MAX, '[', "\"[[{{\\\"[[{{\"", ']')));
    assert_true(is_err(parse_nested(JSON_DEPTH_MAX, '[', "\"\\\\\",[]", ']'), ERR_MALFORMED));
}

static void length_is_limited(void **state)
{
    (void)state;
    json_t *value = NULL;
    assert_true(is_err(json_parse(bytes_str("[1,2]"), 4, &value), ERR_LIMIT));
    assert_null(value);
    assert_true(is_ok(json_parse(bytes_str("[1,2]"), 5, &value)));
    struct buf buf;
    buf_init(&buf, 4);
    json_write(&buf, value);
    assert_true(is_err(buf_done(&buf), ERR_LIMIT));
    buf_free(&buf);
    json_decref(value);
}

static void check_quantity(u64 v, const char *text)
{
    json_t *value = json_quantity(v);
    u64 back = ~v;
    assert_string_equal(json_string_value(value), text);
    assert_true(json_read_quantity(value, &back));
    assert_true(back == v);
    json_decref(value);
}

static void quantities(void **state)
{
    (void)state;
    check_quantity(0, "0x0");
    check_quantity(1, "0x1");
    check_quantity(0x1f, "0x1f");
    check_quantity(0x400, "0x400");
    check_quantity(UINT64_MAX, "0xffffffffffffffff");
    static const char *const bad[] = {
        "",
        "0",
        "0x",
        "0x00",
        "0x01",
        "0X1",
        "1",
        "0xg",
        "0x 1",
        "-0x1",
        " 0x1",
        "0x1 ",
        "0x10000000000000000",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        json_t *value = json_string(bad[i]);
        u64 v = 5;
        assert_false(json_read_quantity(value, &v));
        assert_true(v == 5);
        json_decref(value);
    }
    u64 v;
    json_t *number = json_integer(1);
    assert_false(json_read_quantity(number, &v));
    assert_false(json_read_quantity(NULL, &v));
    json_decref(number);
}

static void quantities_of_256_bits(void **state)
{
    (void)state;
    u8 word[32] = {0};
    u8 back[32];
    u64 v;
    json_t *value = json_quantity256(word);
    assert_string_equal(json_string_value(value), "0x0");
    json_decref(value);
    word[0] = 0x0a;
    value = json_quantity256(word);
    assert_int_equal(json_string_length(value), 2 + 63);
    assert_true(json_read_quantity256(value, back));
    assert_memory_equal(word, back, 32);
    assert_false(json_read_quantity(value, &v));
    json_decref(value);
    value = json_string("0x10000000000000000000000000000000000000000000000000000000000000000");
    assert_int_equal(json_string_length(value), 2 + 65);
    assert_false(json_read_quantity256(value, back));
    json_decref(value);
}

static void data(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 4);
    bytes out;
    u8 fixed[3];
    json_t *value = json_data(bytes_make("\x01\xab\x00", 3));
    assert_string_equal(json_string_value(value), "0x01ab00");
    assert_true(json_read_data(value, &arena, &out));
    assert_true(bytes_eq(out, bytes_make("\x01\xab\x00", 3)));
    assert_false(json_read_data(value, &arena, &out)); /* the arena is full */
    assert_true(json_read_fixed(value, fixed, 3));
    assert_memory_equal(fixed, "\x01\xab\x00", 3);
    assert_false(json_read_fixed(value, fixed, 2));
    json_decref(value);
    arena_free(&arena);
    value = json_data(bytes_make(NULL, 0));
    assert_string_equal(json_string_value(value), "0x");
    assert_true(json_read_data(value, &arena, &out));
    assert_int_equal(out.len, 0);
    json_decref(value);
    static const char *const bad[] = {"", "0", "ab", "0xa", "0xabc", "0xgg", "0Xab", "0xab "};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        value = json_string(bad[i]);
        assert_false(json_read_data(value, &arena, &out));
        json_decref(value);
    }
    arena_free(&arena);
}

static void members_as_text(void **state)
{
    (void)state;
    json_t *value;
    assert_true(is_ok(json_parse(bytes_str("{\"a\":\"x\",\"b\":1}"), TEXT_MAX, &value)));
    assert_string_equal(json_read_str(value, "a"), "x");
    assert_null(json_read_str(value, "b"));
    assert_null(json_read_str(value, "c"));
    assert_null(json_read_str(json_object_get(value, "b"), "c"));
    assert_null(json_read_str(NULL, "c"));
    json_decref(value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_what_it_read),       cmocka_unit_test(writes_lines_for_people),
        cmocka_unit_test(malformed_text_is_refused), cmocka_unit_test(depth_is_limited),
        cmocka_unit_test(length_is_limited),         cmocka_unit_test(quantities),
        cmocka_unit_test(quantities_of_256_bits),    cmocka_unit_test(data),
        cmocka_unit_test(members_as_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "codec/rlp.h"

#include "tests/support/vectors.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define OUT_MAX KIB(64)
#define DECIMAL_MAX 80

/* Public vectors (ethereum/tests, RLPTests) */

/* put_decimal: an integer of up to 40 bytes; one of the vectors has 33. */
static void put_decimal(struct buf *out, const char *digits)
{
    u8 word[40] = {0};
    assert_true(strlen(digits) < DECIMAL_MAX);
    for (const char *at = digits; *at != '\0'; at++) {
        u32 carry = (u32)(*at - '0');
        for (size_t i = sizeof word; i-- > 0;) {
            carry += (u32)word[i] * 10;
            word[i] = (u8)carry;
            carry >>= 8;
        }
        assert_int_equal(carry, 0);
    }
    size_t zeros = 0;
    while (zeros < sizeof word && word[zeros] == 0) {
        zeros++;
    }
    rlp_put_bytes(out, bytes_make(word + zeros, sizeof word - zeros));
}

/* put_value: the vectors nest a few levels only. */
static void put_value(struct buf *out, const json_t *value)
{
    if (json_is_integer(value)) {
        rlp_put_u64(out, (u64)json_integer_value(value));
    } else if (json_is_string(value) && json_string_value(value)[0] == '#') {
        put_decimal(out, json_string_value(value) + 1);
    } else if (json_is_string(value)) {
        rlp_put_bytes(out, bytes_make(json_string_value(value), json_string_length(value)));
    } else {
        assert_true(json_is_array(value));
        size_t begin = rlp_list_begin(out);
        for (size_t i = 0; i < json_array_size(value); i++) {
            put_value(out, json_array_get(value, i));
        }
        rlp_list_end(out, begin);
    }
}

static void check_case(const char *name, const json_t *object)
{
    const char *text = vectors_text(object, "out");
    bytes digits = bytes_str(strncmp(text, "0x", 2) == 0 ? text + 2 : text);
    u8 *coded = mem_alloc(digits.len / 2);
    assert_true(hex_decode(coded, digits.len / 2, digits));
    bytes in = bytes_make(coded, digits.len / 2);
    const char *word = json_string_value(json_object_get(object, "in"));
    struct rlp_item item;
    bool is_invalid = word != NULL && strcmp(word, "INVALID") == 0;
    if (is_ok(rlp_single(in, &item)) == is_invalid) {
        fail_msg("%s", name);
    }
    if (!is_invalid && (word == NULL || strcmp(word, "VALID") != 0)) {
        struct buf out;
        buf_init(&out, OUT_MAX);
        put_value(&out, json_object_get(object, "in"));
        if (!bytes_eq(buf_bytes(&out), in)) {
            fail_msg("%s", name);
        }
        buf_free(&out);
    }
    mem_free(coded);
}

static void public_vectors(void **state)
{
    (void)state;
    static const char *const files[] = {"ethereum-basic/RLPTests/rlptest.json",
                                        "ethereum-basic/RLPTests/invalidRLPTest.json",
                                        "ethereum-basic/RLPTests/RandomRLPTests/example.json"};
    struct vectors vectors;
    size_t count = 0;
    VECTORS_NEED("ethereum-basic");
    vectors_open(&vectors, "ethereum-basic");
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        char path[VECTORS_PATH_MAX];
        vectors_format(path, "%s/%s", vectors.dir, files[i]);
        json_t *root = json_load_file(path, JSON_ALLOW_NUL, NULL);
        assert_non_null(root);
        const char *name;
        json_t *object;
        json_object_foreach(root, name, object)
        {
            check_case(name, object);
            count++;
        }
        json_decref(root);
    }
    vectors_close(&vectors);
    assert_int_equal(count, 55);
}

/* Our own */

static void typed_reads(void **state)
{
    (void)state;
    struct buf out;
    u8 word[32] = {[30] = 1, [31] = 2};
    u8 back[32];
    u8 fixed[3];
    buf_init(&out, 1000);
    size_t begin = rlp_list_begin(&out);
    rlp_put_u64(&out, 0);
    rlp_put_u64(&out, 0x7f);
    rlp_put_u64(&out, UINT64_MAX);
    rlp_put_uint256(&out, word);
    rlp_put_bytes(&out, bytes_str("abc"));
    rlp_put_bytes(&out, bytes_str("abcd"));
    rlp_list_end(&out, rlp_list_begin(&out));
    rlp_list_end(&out, begin);
    struct rlp_item item;
    assert_true(is_ok(rlp_single(buf_bytes(&out), &item)));
    assert_true(item.is_list);
    bytes in = item.payload;
    u64 v;
    bytes text;
    assert_true(is_ok(rlp_next_u64(&in, &v)) && v == 0);
    assert_true(is_ok(rlp_next_u64(&in, &v)) && v == 0x7f);
    assert_true(is_ok(rlp_next_u64(&in, &v)) && v == UINT64_MAX);
    assert_true(is_ok(rlp_next_uint256(&in, back)));
    assert_memory_equal(word, back, 32);
    assert_true(is_ok(rlp_next_fixed(&in, fixed, 3)));
    assert_memory_equal(fixed, "abc", 3);
    assert_false(is_ok(rlp_next_bytes(&in, 3, &text)));
    assert_true(is_ok(rlp_next_bytes(&in, 4, &text)));
    assert_true(bytes_eq_str(text, "abcd"));
    assert_true(is_ok(rlp_next_list(&in, &text)));
    assert_int_equal(text.len, 0);
    assert_int_equal(in.len, 0);
    assert_false(is_ok(rlp_next_u64(&in, &v)));
    buf_free(&out);
}

static void integers_are_minimal(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\x00",                                     /* zero is the empty string */
        "\x82\x00\x80",                             /* leading zero */
        "\x89\x01\x00\x00\x00\x00\x00\x00\x00\x00", /* 65 bits */
        "\xc0",                                     /* a list */
        "\xc1\x05",
    };
    static const size_t lens[] = {1, 3, 10, 1, 2};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        bytes in = bytes_make(bad[i], lens[i]);
        u64 v = 77;
        assert_true(is_err(rlp_next_u64(&in, &v), ERR_MALFORMED));
        assert_true(v == 77);
        assert_true(in.len == lens[i] && in.data == (const u8 *)bad[i]);
    }
    u8 coded[34] = {0xa1, 1};
    u8 word[32];
    bytes in = BYTES_OF(coded);
    assert_false(is_ok(rlp_next_uint256(&in, word)));
    coded[0] = 0xa0;
    in = bytes_make(coded, 33);
    assert_true(is_ok(rlp_next_uint256(&in, word)));
}

static void failures_change_nothing(void **state)
{
    (void)state;
    u8 fixed[3] = {9, 9, 9};
    bytes payload = bytes_make(NULL, 0);
    bytes in = bytes_str("\x83"
                         "ab"); /* cut */
    assert_false(is_ok(rlp_next_fixed(&in, fixed, 3)));
    assert_false(is_ok(rlp_next_list(&in, &payload)));
    assert_int_equal(in.len, 3);
    in = bytes_str("\x82"
                   "ab");
    assert_false(is_ok(rlp_next_fixed(&in, fixed, 3)));
    assert_false(is_ok(rlp_next_list(&in, &payload)));
    assert_int_equal(in.len, 3);
    in = bytes_str("\xc1"
                   "a");
    assert_false(is_ok(rlp_next_fixed(&in, fixed, 1)));
    assert_false(is_ok(rlp_next_bytes(&in, 9, &payload)));
    assert_int_equal(in.len, 2);
    assert_memory_equal(fixed, "\x09\x09\x09", 3);
    assert_null(payload.data);
}

static void single_looks_inside(void **state)
{
    (void)state;
    struct rlp_item item;
    bytes in = bytes_str("\xc2\x81\x05"); /* the list is fine, its item is not */
    assert_false(is_ok(rlp_single(in, &item)));
    assert_true(is_ok(rlp_next(&in, &item)));
    assert_false(is_ok(rlp_single(bytes_str("\xc1\x05\x05"), &item)));
    assert_false(is_ok(rlp_single(bytes_str("\xc3\xc2\x05"), &item)));
    /* an inner list may not reach over the end of the outer one */
    assert_false(is_ok(rlp_single(bytes_str("\xc3\xc1\xc2\x05"), &item)));
    assert_false(is_ok(rlp_single(bytes_str("\xc4\xc1\xc1\x05\x05"), &item)));
    assert_true(is_ok(rlp_single(bytes_str("\xc4\xc1\x05\xc1\x05"), &item)));
}

/* nested: depth lists inside each other, then `behind` as the last item of each. */
static void put_nested(struct buf *out, size_t depth, u8 behind)
{
    static size_t begins[RLP_DEPTH_MAX + 1];
    for (size_t i = 0; i < depth; i++) {
        begins[i] = rlp_list_begin(out);
    }
    for (size_t i = depth; i-- > 0;) {
        buf_put_u8(out, behind);
        rlp_list_end(out, begins[i]);
    }
}

static void depth_is_limited(void **state)
{
    (void)state;
    struct rlp_item item;
    struct buf out;
    buf_init(&out, OUT_MAX);
    put_nested(&out, RLP_DEPTH_MAX, 0x05);
    assert_true(is_ok(rlp_single(buf_bytes(&out), &item)));
    buf_clear(&out);
    put_nested(&out, RLP_DEPTH_MAX + 1, 0x05);
    assert_false(is_ok(rlp_single(buf_bytes(&out), &item)));
    buf_clear(&out);
    put_nested(&out, RLP_DEPTH_MAX, 0x81); /* a cut string everywhere */
    assert_false(is_ok(rlp_single(buf_bytes(&out), &item)));
    buf_free(&out);
}

static void long_forms(void **state)
{
    (void)state;
    static u8 content[70000];
    static const size_t lens[] = {55, 56, 255, 256, 65535, 65536};
    static const u8 strings[] = {0xb7, 0xb8, 0xb8, 0xb9, 0xb9, 0xba};
    static const u8 lists[] = {0xf7, 0xf8, 0xf8, 0xf9, 0xf9, 0xfa};
    for (size_t i = 0; i < COUNT_OF(lens); i++) {
        struct rlp_item item;
        struct buf out;
        buf_init(&out, 2 * OUT_MAX);
        rlp_put_bytes(&out, bytes_make(content, lens[i]));
        assert_int_equal(out.data[0], strings[i]);
        assert_true(is_ok(rlp_single(buf_bytes(&out), &item)));
        assert_true(item.payload.len == lens[i] && !item.is_list);
        buf_clear(&out);
        size_t begin = rlp_list_begin(&out);
        buf_put(&out, bytes_make(content, lens[i]));
        rlp_list_end(&out, begin);
        assert_int_equal(out.data[0], lists[i]);
        assert_true(is_ok(rlp_single(buf_bytes(&out), &item)));
        assert_true(item.payload.len == lens[i] && item.is_list);
        buf_free(&out);
    }
}

static void full_buffers_latch(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 4);
    size_t begin = rlp_list_begin(&out);
    rlp_put_bytes(&out, bytes_str("abc"));
    rlp_list_end(&out, begin); /* no room for the prefix */
    rlp_list_end(&out, begin);
    assert_true(is_err(buf_done(&out), ERR_LIMIT));
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(typed_reads),         cmocka_unit_test(integers_are_minimal),
        cmocka_unit_test(single_looks_inside), cmocka_unit_test(failures_change_nothing),
        cmocka_unit_test(depth_is_limited),    cmocka_unit_test(long_forms),
        cmocka_unit_test(full_buffers_latch),  cmocka_unit_test(public_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

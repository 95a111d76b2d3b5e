#include "codec/record.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define KIND 0x0102
#define VERSION 3

static void write_sample(struct buf *out)
{
    struct hash hash;
    struct address address;
    memset(hash.b, 0xaa, sizeof hash.b);
    memset(address.b, 0xbb, sizeof address.b);
    write_head(out, KIND, VERSION);
    buf_put_u8(out, 7);
    buf_put_be16(out, 0x1234);
    buf_put_be32(out, 0x12345678);
    buf_put_be64(out, 0x123456789abcdef0);
    write_hash(out, &hash);
    write_address(out, &address);
    write_str16(out, bytes_str("short"));
    write_str32(out, bytes_str("longer"));
    buf_put_str(out, "xyz");
}

/* read_sample: what write_sample() wrote; the values are checked only if nothing failed. */
static err read_sample(bytes in)
{
    struct reader reader;
    u8 fixed[2];
    reader_init(&reader, in);
    read_head(&reader, KIND, VERSION);
    u8 a = read_u8(&reader);
    u16 b = read_be16(&reader);
    u32 c = read_be32(&reader);
    u64 d = read_be64(&reader);
    struct hash hash = read_hash(&reader);
    struct address address = read_address(&reader);
    bytes e = read_str16(&reader, 5);
    bytes f = read_str32(&reader, 6);
    bytes g = read_bytes(&reader, 1);
    read_fixed(&reader, fixed, sizeof fixed);
    TRY(reader_done(&reader));
    assert_int_equal(a, 7);
    assert_int_equal(b, 0x1234);
    assert_int_equal(c, 0x12345678);
    assert_true(d == 0x123456789abcdef0);
    assert_int_equal(hash.b[0] + hash.b[31], 2 * 0xaa);
    assert_int_equal(address.b[0] + address.b[19], 2 * 0xbb);
    assert_true(bytes_eq_str(e, "short"));
    assert_true(bytes_eq_str(f, "longer"));
    assert_true(bytes_eq_str(g, "x"));
    assert_memory_equal(fixed, "yz", 2);
    return ok();
}

static void round_trip(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 1000);
    write_sample(&buf);
    assert_true(is_ok(buf_done(&buf)));
    assert_memory_equal(buf.data, "\x01\x02\x00\x03\x07\x12\x34\x12\x34\x56\x78\x12", 12);
    assert_true(is_ok(read_sample(buf_bytes(&buf))));
    buf_free(&buf);
}

static void every_cut_and_any_tail_is_refused(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 1000);
    write_sample(&buf);
    for (size_t len = 0; len < buf.len; len++) {
        assert_true(is_err(read_sample(bytes_make(buf.data, len)), ERR_MALFORMED));
    }
    buf_put_u8(&buf, 0);
    assert_true(is_err(read_sample(buf_bytes(&buf)), ERR_MALFORMED));
    buf_free(&buf);
}

static void other_kinds_and_versions_are_refused(void **state)
{
    (void)state;
    static const u16 heads[][2] = {
        {KIND, VERSION + 1}, {KIND, VERSION - 1}, {KIND + 1, VERSION}, {0, 0}};
    for (size_t i = 0; i < COUNT_OF(heads); i++) {
        struct buf buf;
        struct reader reader;
        buf_init(&buf, 4);
        write_head(&buf, heads[i][0], heads[i][1]);
        reader_init(&reader, buf_bytes(&buf));
        read_head(&reader, KIND, VERSION);
        assert_true(is_err(reader_done(&reader), ERR_MALFORMED));
        buf_free(&buf);
    }
}

static void lengths_have_a_maximum(void **state)
{
    (void)state;
    struct reader reader;
    reader_init(&reader, bytes_make("\0\3abc", 5));
    assert_int_equal(read_str16(&reader, 2).len, 0);
    assert_true(reader.failed);
    reader_init(&reader, bytes_make("\xff\xff\xff\xff_", 5));
    assert_int_equal(read_str32(&reader, SIZE_MAX).len, 0);
    assert_true(reader.failed);
    reader_init(&reader, bytes_make("\0\0", 2));
    bytes empty = read_str16(&reader, 0);
    assert_int_equal(empty.len, 0);
    assert_non_null(empty.data);
    assert_true(is_ok(reader_done(&reader)));
    reader_init(&reader, bytes_make("ab", 2));
    assert_int_equal(read_bytes(&reader, SIZE_MAX).len, 0);
    assert_true(reader.failed);
}

static void failure_latches(void **state)
{
    (void)state;
    struct reader reader;
    u8 fixed[3] = {1, 2, 3};
    reader_init(&reader, bytes_make("abcd", 4));
    assert_true(read_be64(&reader) == 0);
    /* Four bytes are left, but nothing comes any more. */
    assert_int_equal(read_u8(&reader), 0);
    assert_int_equal(read_be16(&reader), 0);
    assert_int_equal(read_be32(&reader), 0);
    read_fixed(&reader, fixed, sizeof fixed);
    assert_memory_equal(fixed, "\0\0\0", 3);
    struct hash hash = read_hash(&reader);
    assert_true(hash_is_zero(&hash));
    assert_null(read_bytes(&reader, 0).data);
    assert_true(is_err(reader_done(&reader), ERR_MALFORMED));
}

static void empty_input(void **state)
{
    (void)state;
    struct reader reader;
    reader_init(&reader, bytes_make(NULL, 0));
    assert_non_null(read_bytes(&reader, 0).data);
    read_fixed(&reader, NULL, 0);
    assert_true(is_ok(reader_done(&reader)));
    assert_int_equal(read_u8(&reader), 0);
    assert_false(is_ok(reader_done(&reader)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(every_cut_and_any_tail_is_refused),
        cmocka_unit_test(other_kinds_and_versions_are_refused),
        cmocka_unit_test(lengths_have_a_maximum),
        cmocka_unit_test(failure_latches),
        cmocka_unit_test(empty_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

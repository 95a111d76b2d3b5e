#include "gateway/s3/chunked.h"
#include "gateway/s3/testing.h"
#include "gateway/s3/text.h"

#include "tests/support/check.h"

/* A body in the making: chunks, signed if the mode wants it. */
struct body {
    struct testing_request t;
    struct s3_auth auth;
    struct s3_signing chain;
    struct buf bytes;
    u64 length; /* declared */
};

static void body_init(struct body *b, enum s3_payload payload, u64 length, const char *trailer)
{
    memset(b, 0, sizeof *b);
    testing_init(&b->t);
    buf_init(&b->bytes, MIB(8));
    b->length = length;
    b->auth.payload = payload;
    memset(b->auth.signing.key.b, 7, 32);
    memcpy(b->auth.signing.date, "20231114T221320Z", 17);
    memset(b->auth.signing.signature, '0', 64);
    b->auth.signing.scope = bytes_str("20231114/cairn-1/s3/aws4_request");
    b->chain = b->auth.signing;
    if (trailer != NULL) {
        testing_header(&b->t, "x-amz-trailer", trailer);
    }
    assert_int_equal(testing_parse(&b->t, "PUT", "/bucket/key"), S3_OK);
}

static void body_free(struct body *b)
{
    buf_free(&b->bytes);
    testing_free(&b->t);
}

static void sign_text(struct body *b, const char *algorithm, const char *middle, bytes data)
{
    struct buf text;
    struct hash hash;
    sha256(&hash, data);
    buf_init(&text, KIB(4));
    buf_format(&text, "%s\n%s\n%s\n%s\n%s", algorithm, b->chain.date,
               "20231114/cairn-1/s3/aws4_request", b->chain.signature, middle);
    buf_put_hex(&text, BYTES_OF(hash));
    s3_sign(b->chain.signature, &b->chain.key, buf_bytes(&text));
    buf_free(&text);
}

/* put_chunk: with its data ('x' * len) and the CRLF behind it. */
static void put_chunk(struct body *b, size_t len)
{
    u8 *data = arena_alloc(&b->t.arena, len + 1);
    memset(data, 'x', len);
    buf_format(&b->bytes, "%zx", len);
    if (b->auth.payload != S3_PAYLOAD_CHUNKED_UNSIGNED) {
        sign_text(b, "AWS4-HMAC-SHA256-PAYLOAD",
                  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n",
                  bytes_make(data, len));
        buf_format(&b->bytes, ";chunk-signature=%s", b->chain.signature);
    }
    buf_put_str(&b->bytes, "\r\n");
    buf_put(&b->bytes, bytes_make(data, len));
    buf_put_str(&b->bytes, len > 0 ? "\r\n" : "");
}

static void put_text(struct body *b, const char *text) { buf_put_str(&b->bytes, text); }

static const char *sign_trailer(struct body *b, const char *lines)
{
    sign_text(b, "AWS4-HMAC-SHA256-TRAILER", "", bytes_str(lines));
    return b->chain.signature;
}

struct outcome {
    enum s3_code code;
    u64 len;
    u64 spans;
    char trailer[64]; /* x-amz-checksum-crc32 */
};

static void feed(struct body *b, struct s3_chunked *chunked, bytes piece, struct outcome *out)
{
    while (piece.len > 0 && out->code == S3_OK) {
        bytes data;
        out->code = s3_chunked_next(chunked, &piece, &data, &b->t.error);
        for (size_t i = 0; out->code == S3_OK && i < data.len; i++) {
            assert_int_equal(data.data[i], 'x');
        }
        out->len += out->code == S3_OK ? data.len : 0;
        out->spans += out->code == S3_OK && data.len > 0;
    }
}

static struct outcome run(struct body *b, size_t step)
{
    struct outcome out = {0};
    struct s3_chunked chunked;
    s3_chunked_init(&chunked, &b->t.request, &b->auth, b->length);
    for (bytes left = buf_bytes(&b->bytes); left.len > 0 && out.code == S3_OK;) {
        bytes piece = bytes_slice(left, 0, min_size(step, left.len));
        left = s3_tail(left, piece.len);
        feed(b, &chunked, piece, &out);
    }
    if (out.code == S3_OK) {
        out.code = s3_chunked_finish(&chunked, &b->t.error);
    }
    bytes trailer = s3_chunked_trailer(&chunked, "x-amz-checksum-crc32");
    if (trailer.len > 0 && trailer.len < sizeof out.trailer) {
        memcpy(out.trailer, trailer.data, trailer.len);
    }
    s3_chunked_free(&chunked);
    return out;
}

/* expect: the same verdict however the bytes are cut. */
static void expect(struct body *b, enum s3_code code)
{
    static const size_t steps[] = {MIB(8), 1, 2, 3, 17, 4096};
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        struct outcome out = run(b, steps[i]);
        if (out.code != code) {
            print_error("step %zu: %s, expected %s\n", steps[i], s3_code_name(out.code),
                        s3_code_name(code));
        }
        assert_int_equal(out.code, code);
        if (code == S3_OK) {
            assert_true(out.len == b->length);
        }
    }
}

/* ---- good bodies ---- */

static void signed_bodies(void **state)
{
    (void)state;
    static const size_t sizes[][3] = {{0}, {1}, {8191}, {8192, 1}, {65536, 65536, 1024}};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct body b;
        u64 total = sizes[i][0] + sizes[i][1] + sizes[i][2];
        body_init(&b, S3_PAYLOAD_CHUNKED, total, NULL);
        for (size_t k = 0; k < 3 && sizes[i][k] > 0; k++) {
            put_chunk(&b, sizes[i][k]);
        }
        put_chunk(&b, 0);
        put_text(&b, "\r\n");
        expect(&b, S3_OK);
        body_free(&b);
    }
}

static void data_is_not_copied(void **state)
{
    (void)state;
    struct body b;
    body_init(&b, S3_PAYLOAD_CHUNKED_UNSIGNED, MIB(4), NULL);
    put_chunk(&b, MIB(4));
    put_chunk(&b, 0);
    put_text(&b, "\r\n");
    assert_int_equal(run(&b, MIB(8)).spans, 1);
    body_free(&b);
}

static void unsigned_trailer(void **state)
{
    (void)state;
    struct body b;
    body_init(&b, S3_PAYLOAD_CHUNKED_UNSIGNED, 5, "x-amz-checksum-crc32");
    put_chunk(&b, 5);
    put_chunk(&b, 0);
    put_text(&b, "X-Amz-Checksum-CRC32:  AAAAAA== \r\n\r\n");
    expect(&b, S3_OK);
    assert_string_equal(run(&b, 100).trailer, "AAAAAA==");
    body_free(&b);
}

static void signed_trailer(void **state)
{
    (void)state;
    static const char *const layouts[] = {
        "x-amz-checksum-crc32:AAAAAA==\r\nx-amz-trailer-signature:",
        /* as minio-go writes it */
        "x-amz-checksum-crc32:AAAAAA==\n\r\nx-amz-trailer-signature:",
    };
    for (size_t i = 0; i < COUNT_OF(layouts); i++) {
        struct body b;
        body_init(&b, S3_PAYLOAD_CHUNKED_TRAILER, 9000, "x-amz-checksum-crc32");
        put_chunk(&b, 9000);
        put_chunk(&b, 0);
        const char *signature = sign_trailer(&b, "x-amz-checksum-crc32:AAAAAA==\n");
        put_text(&b, layouts[i]);
        put_text(&b, signature);
        put_text(&b, "\r\n\r\n");
        expect(&b, S3_OK);
        body_free(&b);
    }
}

/* ---- bad ones ---- */

static void truncated_anywhere(void **state)
{
    (void)state;
    struct body b;
    body_init(&b, S3_PAYLOAD_CHUNKED_TRAILER, 20, "x-amz-checksum-crc32");
    put_chunk(&b, 20);
    put_chunk(&b, 0);
    const char *signature = sign_trailer(&b, "x-amz-checksum-crc32:AAAAAA==\n");
    put_text(&b, "x-amz-checksum-crc32:AAAAAA==\r\nx-amz-trailer-signature:");
    put_text(&b, signature);
    put_text(&b, "\r\n\r\n");
    size_t whole = b.bytes.len;
    for (size_t len = 0; len < whole; len++) {
        b.bytes.len = len;
        assert_int_equal(run(&b, MIB(1)).code, S3_ERR_INCOMPLETE_BODY);
    }
    b.bytes.len = whole;
    assert_int_equal(run(&b, MIB(1)).code, S3_OK);
    body_free(&b);
}

static void flipped_anywhere(void **state)
{
    (void)state;
    struct body b;
    body_init(&b, S3_PAYLOAD_CHUNKED, 20, NULL);
    put_chunk(&b, 20);
    put_chunk(&b, 0);
    put_text(&b, "\r\n");
    for (size_t i = 0; i < b.bytes.len; i++) {
        bool data = b.bytes.data[i] == 'x';
        b.bytes.data[i] ^= 0x04;
        if (!data) { /* feed() insists on 'x' */
            assert_int_not_equal(run(&b, MIB(1)).code, S3_OK);
        }
        b.bytes.data[i] ^= 0x04;
    }
    expect(&b, S3_OK);
    body_free(&b);
}

static void chunks_out_of_order(void **state)
{
    (void)state;
    struct body b;
    body_init(&b, S3_PAYLOAD_CHUNKED, 8192 + 8193, NULL);
    put_chunk(&b, 8192);
    size_t first = b.bytes.len;
    put_chunk(&b, 8193);
    size_t second = b.bytes.len - first;
    u8 *copy = arena_alloc(&b.t.arena, b.bytes.len);
    memcpy(copy, b.bytes.data + first, second);
    memcpy(copy + second, b.bytes.data, first);
    memcpy(b.bytes.data, copy, b.bytes.len);
    expect(&b, S3_ERR_SIGNATURE_MISMATCH);
    body_free(&b);
}

struct raw_case {
    enum s3_payload payload;
    u64 length;
    const char *trailer;
    const char *body;
    enum s3_code code;
};

#define U S3_PAYLOAD_CHUNKED_UNSIGNED
#define CRC "x-amz-checksum-crc32"

static void raw_bodies(void **state)
{
    (void)state;
    static const struct raw_case cases[] = {
        {U, 3, NULL, "3\r\nxxx\r\n0\r\n\r\n", S3_OK},
        {U, 3, NULL, "0003\r\nxxx\r\n000\r\n\r\n", S3_OK},
        {U, 0, NULL, "0\r\n\r\n", S3_OK},
        {U, 16, NULL, "10\r\nxxxxxxxxxxxxxxxx\r\n0\r\n\r\n", S3_OK},
        {U, 10, NULL, "A\r\nxxxxxxxxxx\r\n0\r\n\r\n", S3_OK},
        /* lengths */
        {U, 4, NULL, "3\r\nxxx\r\n0\r\n\r\n", S3_ERR_INCOMPLETE_BODY},
        {U, 2, NULL, "3\r\nxxx\r\n0\r\n\r\n", S3_ERR_INCOMPLETE_BODY},
        {U, 3, NULL, "ffffffffffffffff\r\nxxx", S3_ERR_INCOMPLETE_BODY},
        {U, 3, NULL, "00000000000000003\r\nxxx\r\n0\r\n\r\n", S3_ERR_INCOMPLETE_BODY},
        {U, 3, NULL, "1\r\nx\r\n2\r\nxx\r\n0\r\n\r\n", S3_ERR_INVALID_CHUNK_SIZE},
        /* frames */
        {U, 3, NULL, "3\nxxx\r\n0\r\n\r\n", S3_ERR_INCOMPLETE_BODY},
        {U, 3, NULL, "3\r\nxxx0\r\n\r\n", S3_ERR_INCOMPLETE_BODY},
        {U, 3, NULL, "3\r\nxxx\n0\r\n\r\n", S3_ERR_INCOMPLETE_BODY},
        {U, 3, NULL, "3\r\nxxx\rx", S3_ERR_INCOMPLETE_BODY},
        {U, 3, NULL, "\r\nxxx", S3_ERR_INCOMPLETE_BODY},
        {U, 3, NULL, " 3\r\nxxx\r\n0\r\n\r\n", S3_ERR_INCOMPLETE_BODY},
        {U, 3, NULL, "3 \r\nxxx\r\n0\r\n\r\n", S3_ERR_INCOMPLETE_BODY},
        {U, 3, NULL, "-3\r\nxxx\r\n0\r\n\r\n", S3_ERR_INCOMPLETE_BODY},
        {U, 3, NULL, "0x3\r\nxxx\r\n0\r\n\r\n", S3_ERR_INCOMPLETE_BODY},
        {U, 3, NULL, "3;a=b\r\nxxx\r\n0\r\n\r\n", S3_ERR_INCOMPLETE_BODY},
        {U, 3, NULL, "3\r\nxxx\r\n0\r\n\r\n0\r\n\r\n", S3_ERR_INCOMPLETE_BODY},
        {U, 3, NULL, "xxx", S3_ERR_INCOMPLETE_BODY},
        {U, 3, NULL, "", S3_ERR_INCOMPLETE_BODY},
        /* trailers */
        {U, 0, CRC, "0\r\n" CRC ":AAAAAA==\r\n\r\n", S3_OK},
        {U, 0, CRC, "0\r\n" CRC ":AAAAAA==\n\n", S3_OK},
        {U, 0, CRC, "0\r\n\r\n", S3_ERR_MALFORMED_TRAILER},
        {U, 0, NULL, "0\r\n" CRC ":AAAAAA==\r\n\r\n", S3_ERR_MALFORMED_TRAILER},
        {U, 0, CRC, "0\r\nx-amz-checksum-sha1:AAAA\r\n\r\n", S3_ERR_MALFORMED_TRAILER},
        {U, 0, CRC, "0\r\n" CRC ":a\r\n" CRC ":b\r\n\r\n", S3_ERR_MALFORMED_TRAILER},
        {U, 0, CRC, "0\r\n" CRC "\r\n\r\n", S3_ERR_MALFORMED_TRAILER},
        {U, 0, CRC, "0\r\n:value\r\n\r\n", S3_ERR_MALFORMED_TRAILER},
        {U, 0, CRC, "0\r\n" CRC " :value\r\n\r\n", S3_ERR_MALFORMED_TRAILER},
        {U, 0, CRC, "0\r\nx-amz-trailer-signature:00\r\n\r\n", S3_ERR_MALFORMED_TRAILER},
        {U, 0, CRC, "0\r\n" CRC ":AAAAAA==\r\n", S3_ERR_INCOMPLETE_BODY},
        {U, 0, CRC, "0\r\n" CRC ":AAAAAA==", S3_ERR_INCOMPLETE_BODY},
        /* signed modes without signatures */
        {S3_PAYLOAD_CHUNKED, 3, NULL, "3\r\nxxx\r\n0\r\n\r\n", S3_ERR_SIGNATURE_MISMATCH},
        {S3_PAYLOAD_CHUNKED, 0, NULL, "0;chunk-signature=00\r\n\r\n", S3_ERR_SIGNATURE_MISMATCH},
        {S3_PAYLOAD_CHUNKED, 0, NULL,
         "0;chunk-signature="
         "0000000000000000000000000000000000000000000000000000000000000000\r\n\r\n",
         S3_ERR_SIGNATURE_MISMATCH},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct body b;
        body_init(&b, cases[i].payload, cases[i].length, cases[i].trailer);
        put_text(&b, cases[i].body);
        if (run(&b, 1).code != cases[i].code) {
            print_error("case %zu: %s\n", i, cases[i].body);
        }
        expect(&b, cases[i].code);
        body_free(&b);
    }
}

static void signed_trailer_attacks(void **state)
{
    (void)state;
    for (int attack = 0; attack < 5; attack++) {
        struct body b;
        body_init(&b, S3_PAYLOAD_CHUNKED_TRAILER, 3, CRC);
        put_chunk(&b, 3);
        put_chunk(&b, 0);
        const char *signature = sign_trailer(&b, CRC ":AAAAAA==\n");
        put_text(&b, attack == 0 ? CRC ":AAAAAQ==\r\n" : CRC ":AAAAAA==\r\n");
        if (attack != 1) {
            put_text(&b, "x-amz-trailer-signature:");
            put_text(&b, attack == 2 ? "00" : signature);
            put_text(&b, "\r\n");
        }
        put_text(&b, attack == 3 ? CRC ":AAAAAA==\r\n" : "");
        put_text(&b, attack == 4 ? "x-amz-trailer-signature:0\r\n" : "");
        put_text(&b, "\r\n\r\n");
        enum s3_code code = run(&b, 5).code;
        assert_int_equal(code, attack == 0 ? S3_ERR_SIGNATURE_MISMATCH : S3_ERR_MALFORMED_TRAILER);
        body_free(&b);
    }
}

static void bounds(void **state)
{
    (void)state;
    struct body b;
    body_init(&b, U, 3, NULL);
    for (int i = 0; i < 2000; i++) {
        put_text(&b, "0");
    }
    expect(&b, S3_ERR_INCOMPLETE_BODY);
    body_free(&b);

    body_init(&b, U, 0, CRC ",a,b,c,d,e,f,g,h,i,j");
    put_text(&b, "0\r\na:1\r\nb:1\r\nc:1\r\nd:1\r\ne:1\r\nf:1\r\ng:1\r\nh:1\r\ni:1\r\n\r\n");
    expect(&b, S3_ERR_MALFORMED_TRAILER);
    body_free(&b);
}

static void small_chunk_is_named(void **state)
{
    (void)state;
    struct body b;
    body_init(&b, U, 8192 + 100 + 1, NULL);
    put_chunk(&b, 8192);
    put_chunk(&b, 100);
    put_chunk(&b, 1);
    put_chunk(&b, 0);
    expect(&b, S3_ERR_INVALID_CHUNK_SIZE);
    assert_true(bytes_eq_str(s3_error_find(&b.t.error, "Chunk"), "2"));
    assert_true(bytes_eq_str(s3_error_find(&b.t.error, "BadChunkSize"), "100"));
    body_free(&b);
}

static void lengths(void **state)
{
    (void)state;
    struct testing_request t;
    u64 length = 0;
    testing_init(&t);
    assert_int_equal(testing_parse(&t, "PUT", "/bucket/key"), S3_OK);
    assert_int_equal(s3_body_length(&t.request, S3_PAYLOAD_UNSIGNED, true, 7, &length, &t.error),
                     S3_OK);
    assert_true(length == 7);
    assert_int_equal(s3_body_length(&t.request, S3_PAYLOAD_UNSIGNED, false, 0, &length, &t.error),
                     S3_ERR_MISSING_CONTENT_LENGTH);
    assert_int_equal(s3_body_length(&t.request, S3_PAYLOAD_CHUNKED, true, 7, &length, &t.error),
                     S3_ERR_MISSING_CONTENT_LENGTH);
    static const struct {
        const char *text;
        enum s3_code code;
    } cases[] = {{"66560", S3_OK},
                 {"-1", S3_ERR_INVALID_ARGUMENT},
                 {"", S3_ERR_INVALID_ARGUMENT},
                 {"1e3", S3_ERR_INVALID_ARGUMENT},
                 {"99999999999999999999", S3_ERR_INVALID_ARGUMENT}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        testing_set(&t, "x-amz-decoded-content-length", cases[i].text);
        assert_int_equal(testing_parse(&t, "PUT", "/bucket/key"), S3_OK);
        assert_int_equal(
            s3_body_length(&t.request, S3_PAYLOAD_CHUNKED, false, 0, &length, &t.error),
            cases[i].code);
    }
    testing_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signed_bodies),          cmocka_unit_test(data_is_not_copied),
        cmocka_unit_test(unsigned_trailer),       cmocka_unit_test(signed_trailer),
        cmocka_unit_test(truncated_anywhere),     cmocka_unit_test(flipped_anywhere),
        cmocka_unit_test(chunks_out_of_order),    cmocka_unit_test(raw_bodies),
        cmocka_unit_test(signed_trailer_attacks), cmocka_unit_test(bounds),
        cmocka_unit_test(small_chunk_is_named),   cmocka_unit_test(lengths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

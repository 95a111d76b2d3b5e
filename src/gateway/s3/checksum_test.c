#include "gateway/s3/checksum.h"
#include "gateway/s3/testing.h"

#include "tests/support/check.h"

#define ALGORITHMS "x-amz-sdk-checksum-algorithm"

/* declared: what the headers, pairs of name and value ended by NULL, say about a PUT. */
static enum s3_code declared(struct testing_request *t, const char *const *headers,
                             enum s3_payload payload, struct s3_integrity *ret)
{
    struct s3_auth auth = {.payload = payload};
    sha256(&auth.payload_sha256, bytes_str("hello"));
    t->header_count = 0;
    for (size_t i = 0; headers[i] != NULL; i += 2) {
        testing_header(t, headers[i], headers[i + 1]);
    }
    assert_int_equal(testing_parse(t, "PUT", "/bucket/key"), S3_OK);
    return s3_integrity_parse(&t->request, &auth, ret, &t->error);
}

struct declaration {
    const char *headers[9];
    enum s3_payload payload;
    enum s3_code parsed;
    const char *trailer;
    enum s3_code verified; /* of the body "hello" */
};

/* Checksums of "hello" by Python's zlib, hashlib and a bitwise CRC64/NVME and CRC32C. */
#define CRC32_HELLO "NhCmhg=="
#define CRC32C_HELLO "mnG7TA=="
#define SHA1_HELLO "qvTGHdzF6KLavt4PO0gs2a6pQ00="
#define SHA256_HELLO "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="
#define MD5_HELLO "XUFAKrxLKna5cZ2REBfFkg=="
#define P S3_PAYLOAD_UNSIGNED
#define T S3_PAYLOAD_CHUNKED_UNSIGNED

static const struct declaration declaration_cases[] = {
    {{NULL}, P, S3_OK, NULL, S3_OK},
    {{"Content-MD5", MD5_HELLO, NULL}, P, S3_OK, NULL, S3_OK},
    {{"Content-MD5", "rL0Y20xC+Fzt72VPzMSk2A==", NULL}, P, S3_OK, NULL, S3_ERR_BAD_DIGEST},
    {{"Content-MD5", "YWJyYWNhZGFicmE=", NULL}, P, S3_ERR_INVALID_DIGEST, NULL, S3_OK},
    {{"Content-MD5", "", NULL}, P, S3_ERR_INVALID_DIGEST, NULL, S3_OK},
    {{"Content-MD5", "not base64 at all", NULL}, P, S3_ERR_INVALID_DIGEST, NULL, S3_OK},
    {{NULL}, S3_PAYLOAD_HASH, S3_OK, NULL, S3_OK},
    {{"x-amz-checksum-crc32", CRC32_HELLO, NULL}, P, S3_OK, NULL, S3_OK},
    {{"x-amz-checksum-crc32c", CRC32C_HELLO, NULL}, P, S3_OK, NULL, S3_OK},
    {{"X-Amz-Checksum-SHA1", SHA1_HELLO, NULL}, P, S3_OK, NULL, S3_OK},
    {{"x-amz-checksum-sha256", SHA256_HELLO, NULL}, P, S3_OK, NULL, S3_OK},
    {{"x-amz-checksum-sha256", SHA256_HELLO, NULL}, S3_PAYLOAD_HASH, S3_OK, NULL, S3_OK},
    {{"x-amz-checksum-crc32", CRC32C_HELLO, NULL}, P, S3_OK, NULL, S3_ERR_BAD_DIGEST},
    {{"x-amz-checksum-sha256", "bad", NULL}, P, S3_ERR_BAD_DIGEST, NULL, S3_OK},
    {{"x-amz-checksum-crc32", SHA1_HELLO, NULL}, P, S3_ERR_BAD_DIGEST, NULL, S3_OK},
    {{"x-amz-checksum-crc32", CRC32_HELLO "-2", NULL}, P, S3_OK, NULL, S3_ERR_BAD_DIGEST},
    {{"x-amz-checksum-crc32", CRC32_HELLO, "x-amz-checksum-sha1", SHA1_HELLO, NULL},
     P,
     S3_ERR_INVALID_REQUEST,
     NULL,
     S3_OK},
    {{"x-amz-checksum-crc32", CRC32_HELLO, "x-amz-checksum-crc32", CRC32_HELLO, NULL},
     P,
     S3_ERR_INVALID_REQUEST,
     NULL,
     S3_OK},
    {{"x-amz-checksum-xxhash", "AAAA", NULL}, P, S3_ERR_INVALID_REQUEST, NULL, S3_OK},
    {{"x-amz-checksum-mode", "ENABLED", "x-amz-checksum-type", "FULL_OBJECT",
      "x-amz-checksum-algorithm", "CRC32", NULL},
     P,
     S3_OK,
     NULL,
     S3_OK},
    /* the SDK's own header */
    {{ALGORITHMS, "CRC32", "x-amz-checksum-crc32", CRC32_HELLO, NULL}, P, S3_OK, NULL, S3_OK},
    {{ALGORITHMS, "crc32", "x-amz-checksum-crc32", CRC32_HELLO, NULL}, P, S3_OK, NULL, S3_OK},
    {{ALGORITHMS, "CRC32", "x-amz-checksum-sha1", SHA1_HELLO, NULL},
     P,
     S3_ERR_INVALID_REQUEST,
     NULL,
     S3_OK},
    {{ALGORITHMS, "CRC32", NULL}, P, S3_ERR_INVALID_REQUEST, NULL, S3_OK},
    {{ALGORITHMS, "CRC7", "x-amz-checksum-crc32", CRC32_HELLO, NULL},
     P,
     S3_ERR_INVALID_REQUEST,
     NULL,
     S3_OK},
    {{ALGORITHMS, "CRC32", "x-amz-trailer", "x-amz-checksum-crc32", NULL},
     T,
     S3_OK,
     CRC32_HELLO,
     S3_OK},
    /* trailers */
    {{"x-amz-trailer", "x-amz-checksum-crc32", NULL}, T, S3_OK, CRC32_HELLO, S3_OK},
    {{"x-amz-trailer", "X-Amz-Checksum-Sha256", NULL}, T, S3_OK, SHA256_HELLO, S3_OK},
    {{"x-amz-trailer", "x-amz-checksum-crc32", NULL}, T, S3_OK, CRC32C_HELLO, S3_ERR_BAD_DIGEST},
    {{"x-amz-trailer", "x-amz-checksum-crc32", NULL}, T, S3_OK, "???", S3_ERR_BAD_DIGEST},
    {{"x-amz-trailer", "x-amz-checksum-crc32", NULL}, T, S3_OK, NULL, S3_ERR_MALFORMED_TRAILER},
    {{"x-amz-trailer", "x-amz-meta-a", NULL}, T, S3_ERR_INVALID_REQUEST, NULL, S3_OK},
    {{"x-amz-trailer", "x-amz-checksum-crc32", "x-amz-checksum-crc32", CRC32_HELLO, NULL},
     T,
     S3_ERR_INVALID_REQUEST,
     NULL,
     S3_OK},
    {{"x-amz-trailer", "x-amz-checksum-crc32", NULL}, P, S3_OK, NULL, S3_OK},
};

static void declarations(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(declaration_cases); i++) {
        struct testing_request t;
        struct s3_integrity integrity;
        testing_init(&t);
        enum s3_code code =
            declared(&t, declaration_cases[i].headers, declaration_cases[i].payload, &integrity);
        if (code != declaration_cases[i].parsed) {
            print_error("case %zu: %s\n", i, s3_code_name(code));
        }
        assert_int_equal(code, declaration_cases[i].parsed);
        if (code == S3_OK) {
            bytes trailer = {NULL, 0};
            trailer = declaration_cases[i].trailer != NULL ? bytes_str(declaration_cases[i].trailer)
                                                           : trailer;
            assert_int_equal(s3_verify_whole(&integrity, bytes_str("hello"), trailer, &t.error),
                             declaration_cases[i].verified);
        }
        testing_free(&t);
    }
}

static void details_of_mismatches(void **state)
{
    (void)state;
    struct testing_request t;
    struct s3_integrity integrity;
    static const char *const none[] = {NULL};
    static const char *const md5_header[] = {"Content-MD5", MD5_HELLO, NULL};
    testing_init(&t);
    assert_int_equal(declared(&t, none, S3_PAYLOAD_HASH, &integrity), S3_OK);
    assert_int_equal(s3_verify_whole(&integrity, bytes_str("hellp"), bytes_str(""), &t.error),
                     S3_ERR_SHA256_MISMATCH);
    assert_true(bytes_eq_str(s3_error_find(&t.error, "ClientComputedContentSHA256"),
                             "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"));
    assert_int_equal(s3_error_find(&t.error, "S3ComputedContentSHA256").len, 64);
    assert_int_equal(declared(&t, md5_header, P, &integrity), S3_OK);
    assert_int_equal(s3_verify_whole(&integrity, bytes_str("hellp"), bytes_str(""), &t.error),
                     S3_ERR_BAD_DIGEST);
    assert_true(bytes_eq_str(s3_error_find(&t.error, "ExpectedDigest"), MD5_HELLO));
    assert_int_equal(s3_error_find(&t.error, "CalculatedDigest").len, 24);
    testing_free(&t);
}

static void required_integrity(void **state)
{
    (void)state;
    struct testing_request t;
    testing_init(&t);
    struct s3_integrity none = {0};
    struct s3_integrity md5_given = {.has_md5 = true};
    struct s3_integrity crc_given = {.expected = {.algorithm = S3_ALGORITHM_CRC32}};
    assert_int_equal(s3_integrity_require(&none, &t.error), S3_ERR_INVALID_REQUEST);
    assert_int_equal(s3_integrity_require(&md5_given, &t.error), S3_OK);
    assert_int_equal(s3_integrity_require(&crc_given, &t.error), S3_OK);
    testing_free(&t);
}

static struct s3_verified verify(enum s3_algorithm algorithm, bytes body, size_t step)
{
    struct s3_integrity none = {0};
    struct s3_verifier verifier;
    struct s3_verified verified;
    struct s3_error error;
    s3_error_init(&error, NULL);
    s3_verifier_init(&verifier, &none, algorithm);
    for (size_t i = 0; i < body.len; i += step) {
        s3_verifier_update(&verifier, bytes_slice(body, i, min_size(step, body.len - i)));
    }
    assert_int_equal(s3_verifier_finish(&verifier, (bytes){NULL, 0}, &verified, &error), S3_OK);
    s3_verifier_free(&verifier);
    return verified;
}

static void check_text(const struct s3_checksum *checksum, const char *expected)
{
    char text[S3_CHECKSUM_TEXT_BYTES];
    struct s3_checksum again;
    s3_checksum_write(text, checksum);
    assert_string_equal(text, expected);
    assert_true(s3_checksum_read(&again, checksum->algorithm, bytes_str(text)));
    assert_true(s3_checksum_eq(&again, checksum));
}

/* Check values of the catalogue of CRCs ("123456789"), and of the S3 test suites for 1,024 'A'. */
static void known_values(void **state)
{
    (void)state;
    u8 as[1024];
    memset(as, 'A', sizeof as);
    bytes digits = bytes_str("123456789");
    struct s3_verified v = verify(S3_ALGORITHM_CRC32, digits, 2);
    check_hex(bytes_make(v.checksum.b, 4), "cbf43926");
    v = verify(S3_ALGORITHM_CRC32C, digits, 4);
    check_hex(bytes_make(v.checksum.b, 4), "e3069283");
    v = verify(S3_ALGORITHM_NONE, digits, 3);
    assert_int_equal(v.checksum.algorithm, S3_ALGORITHM_CRC64NVME);
    assert_int_equal(v.checksum.type, S3_CHECKSUM_FULL_OBJECT);
    check_hex(bytes_make(v.checksum.b, 8), "ae8b14860a799888");
    assert_true(v.size == 9);
    v = verify(S3_ALGORITHM_SHA256, BYTES_OF(as), 100);
    check_text(&v.checksum, "arcu6553sHVAiX4MjW0j7I7vD4w6R+Gz9Ok0Q9lTa+0=");
    v = verify(S3_ALGORITHM_CRC64NVME, BYTES_OF(as), 1000);
    check_text(&v.checksum, "Qeh8oXvGiSo=");
    v = verify(S3_ALGORITHM_SHA1, bytes_str("hello"), 1);
    check_text(&v.checksum, SHA1_HELLO);
}

/* A part may be declared with another algorithm than the one its upload keeps. */
static void both_algorithms_run(void **state)
{
    (void)state;
    struct testing_request t;
    struct s3_verifier verifier;
    struct s3_verified verified;
    struct s3_integrity integrity = {.has_sha256 = true};
    testing_init(&t);
    sha256(&integrity.sha256, bytes_str("hello"));
    assert_true(s3_checksum_read(&integrity.expected, S3_ALGORITHM_CRC32, bytes_str(CRC32_HELLO)));
    s3_verifier_init(&verifier, &integrity, S3_ALGORITHM_CRC64NVME);
    s3_verifier_update(&verifier, bytes_str("hello"));
    assert_int_equal(s3_verifier_finish(&verifier, bytes_str(""), &verified, &t.error), S3_OK);
    s3_verifier_free(&verifier);
    assert_int_equal(verified.checksum.algorithm, S3_ALGORITHM_CRC64NVME);
    assert_int_equal(verified.declared.algorithm, S3_ALGORITHM_CRC32);
    check_text(&verified.declared, CRC32_HELLO);
    testing_free(&t);
}

/* ---- multipart ---- */

struct whole_case {
    enum s3_algorithm algorithm;
    enum s3_checksum_type type;
    const char *part[3]; /* of 5 MiB of 'A', 'B', 'C' */
    const char *whole;
};

/* Values of the public test suite ceph/s3-tests (test_multipart_use_cksum_helper_*). */
static const struct whole_case wholes[] = {
    {S3_ALGORITHM_SHA256,
     S3_CHECKSUM_COMPOSITE,
     {"275VF5loJr1YYawit0XSHREhkFXYkkPKGuoK0x9VKxI=",
      "mrHwOfjTL5Zwfj74F05HOQGLdUb7E5szdCbxgUSq6NM=",
      "Vw7oB/nKQ5xWb3hNgbyfkvDiivl+U+/Dft48nfJfDow="},
     "uWBwpe1dxI4Vw8Gf0X9ynOdw/SS6VBzfWm9giiv1sf4=-3"},
    {S3_ALGORITHM_CRC64NVME,
     S3_CHECKSUM_FULL_OBJECT,
     {"L/E4WYn8v98=", "xW1l19VobYM=", "cK5MnNaWrW4="},
     "i+6LR0y3eFo="},
    {S3_ALGORITHM_CRC32, S3_CHECKSUM_FULL_OBJECT, {"JRTCyQ==", "QoZTGg==", "YAgjqw=="}, "WgDhBQ=="},
    {S3_ALGORITHM_CRC32C,
     S3_CHECKSUM_FULL_OBJECT,
     {"MDaLrw==", "TH4EZg==", "Z7mBIQ=="},
     "xU+Krw=="},
};

static void whole_objects(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(wholes); i++) {
        const struct whole_case *c = &wholes[i];
        struct s3_checksum_plan plan = {c->algorithm, c->type, true};
        struct s3_part_checksum parts[3];
        struct s3_checksum whole;
        for (size_t k = 0; k < 3; k++) {
            assert_true(s3_checksum_read(&parts[k].checksum, c->algorithm, bytes_str(c->part[k])));
            parts[k].size = MIB(5);
        }
        s3_checksum_combine(&plan, parts, 3, &whole);
        assert_int_equal(whole.type, c->type);
        check_text(&whole, c->whole);
    }
}

static void combined_equals_streamed(void **state)
{
    (void)state;
    static const enum s3_algorithm algorithms[] = {S3_ALGORITHM_CRC32, S3_ALGORITHM_CRC32C,
                                                   S3_ALGORITHM_CRC64NVME};
    bytes body = bytes_str("a body that is cut into three parts, the last of them empty");
    for (size_t i = 0; i < COUNT_OF(algorithms); i++) {
        struct s3_checksum_plan plan = {algorithms[i], S3_CHECKSUM_FULL_OBJECT, true};
        struct s3_part_checksum parts[3];
        bytes cuts[3] = {bytes_slice(body, 0, 20), bytes_slice(body, 20, body.len - 20),
                         bytes_slice(body, 0, 0)};
        for (size_t k = 0; k < 3; k++) {
            parts[k] =
                (struct s3_part_checksum){verify(algorithms[i], cuts[k], 7).checksum, cuts[k].len};
        }
        struct s3_checksum whole;
        s3_checksum_combine(&plan, parts, 3, &whole);
        struct s3_checksum streamed = verify(algorithms[i], body, 11).checksum;
        assert_true(s3_checksum_eq(&whole, &streamed));
    }
}

static void plans(void **state)
{
    (void)state;
    static const struct {
        const char *algorithm;
        const char *type;
        enum s3_code code;
        enum s3_algorithm want;
        enum s3_checksum_type want_type;
    } cases[] = {
        {NULL, NULL, S3_OK, S3_ALGORITHM_CRC64NVME, S3_CHECKSUM_FULL_OBJECT},
        {"CRC32", NULL, S3_OK, S3_ALGORITHM_CRC32, S3_CHECKSUM_COMPOSITE},
        {"CRC32", "FULL_OBJECT", S3_OK, S3_ALGORITHM_CRC32, S3_CHECKSUM_FULL_OBJECT},
        {"CRC32C", "COMPOSITE", S3_OK, S3_ALGORITHM_CRC32C, S3_CHECKSUM_COMPOSITE},
        {"CRC64NVME", NULL, S3_OK, S3_ALGORITHM_CRC64NVME, S3_CHECKSUM_FULL_OBJECT},
        {"SHA256", NULL, S3_OK, S3_ALGORITHM_SHA256, S3_CHECKSUM_COMPOSITE},
        {"sha1", "composite", S3_OK, S3_ALGORITHM_SHA1, S3_CHECKSUM_COMPOSITE},
        {"CRC64NVME", "COMPOSITE", S3_ERR_INVALID_REQUEST, 0, 0},
        {"SHA1", "FULL_OBJECT", S3_ERR_INVALID_REQUEST, 0, 0},
        {"SHA256", "FULL_OBJECT", S3_ERR_INVALID_REQUEST, 0, 0},
        {"MD4", NULL, S3_ERR_INVALID_REQUEST, 0, 0},
        {"CRC32", "HALF", S3_ERR_INVALID_REQUEST, 0, 0},
        {NULL, "FULL_OBJECT", S3_ERR_INVALID_REQUEST, 0, 0},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct testing_request t;
        struct s3_checksum_plan plan;
        testing_init(&t);
        if (cases[i].algorithm != NULL) {
            testing_header(&t, "x-amz-checksum-algorithm", cases[i].algorithm);
        }
        if (cases[i].type != NULL) {
            testing_header(&t, "x-amz-checksum-type", cases[i].type);
        }
        assert_int_equal(testing_parse(&t, "POST", "/bucket/key?uploads"), S3_OK);
        enum s3_code code = s3_checksum_plan_parse(&t.request, &plan, &t.error);
        assert_int_equal(code, cases[i].code);
        if (code == S3_OK) {
            assert_int_equal(plan.algorithm, cases[i].want);
            assert_int_equal(plan.type, cases[i].want_type);
            assert_int_equal(plan.asked, cases[i].algorithm != NULL);
        }
        testing_free(&t);
    }
}

static void parts_of_plans(void **state)
{
    (void)state;
    struct testing_request t;
    testing_init(&t);
    struct s3_checksum_plan asked = {S3_ALGORITHM_SHA256, S3_CHECKSUM_COMPOSITE, true};
    struct s3_checksum_plan silent = {S3_ALGORITHM_CRC64NVME, S3_CHECKSUM_FULL_OBJECT, false};
    struct s3_integrity none = {0};
    struct s3_integrity crc = {.expected = {.algorithm = S3_ALGORITHM_CRC32}};
    assert_int_equal(s3_checksum_part_check(&asked, &none, &t.error), S3_OK);
    assert_int_equal(s3_checksum_part_check(&silent, &crc, &t.error), S3_OK);
    assert_int_equal(s3_checksum_part_check(&asked, &crc, &t.error), S3_ERR_INVALID_REQUEST);
    assert_non_null(strstr(s3_error_message(&t.error), "expected checksum Type: SHA256"));
    testing_free(&t);
}

static void bad_texts(void **state)
{
    (void)state;
    static const char *const bad[] = {"",           "=",
                                      "NhCmhg",     "NhCmhg==-",
                                      "NhCmhg==-0", "NhCmhg==-10001",
                                      "NhCmhg==-x", "NhCmhg==-1-1",
                                      "AAAAAAA=",   "NhCmhh=="};
    struct s3_checksum checksum;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_false(s3_checksum_read(&checksum, S3_ALGORITHM_CRC32, bytes_str(bad[i])));
    }
    assert_true(s3_checksum_read(&checksum, S3_ALGORITHM_CRC32, bytes_str("NhCmhg==-10000")));
    assert_int_equal(checksum.part_count, 10000);
}

/* ---- ETags ---- */

static void etags(void **state)
{
    (void)state;
    char etag[S3_ETAG_TEXT_BYTES];
    u8 digest_bytes[16];
    md5(digest_bytes, bytes_str("hello"));
    s3_etag_single(etag, digest_bytes);
    assert_string_equal(etag, "\"5d41402abc4b2a76b9719d911017c592\"");
    s3_etag_multipart(etag, digest_bytes, 1);
    assert_string_equal(etag, "\"62109206880d38a4010a98e11243924a-1\"");
    assert_true(s3_etag_eq(bytes_str("\"abc\""), bytes_str("abc")));
    assert_true(s3_etag_eq(bytes_str(" W/\"abc\" "), bytes_str("\"abc\"")));
    assert_false(s3_etag_eq(bytes_str("abc"), bytes_str("\"abd\"")));
    assert_int_equal(s3_etag_strip(bytes_str("\"")).len, 1);
    assert_int_equal(s3_etag_strip(bytes_str("\"\"")).len, 0);
}

/* The ETag of three parts of 5 MiB in ceph/s3-tests. */
static void multipart_etag(void **state)
{
    (void)state;
    u8 md5s[3 * 16];
    char etag[S3_ETAG_TEXT_BYTES];
    u8 *part = test_malloc(MIB(5));
    for (size_t i = 0; i < 3; i++) {
        memset(part, "ABC"[i], MIB(5));
        md5(md5s + i * 16, bytes_make(part, MIB(5)));
    }
    test_free(part);
    s3_etag_multipart(etag, md5s, 3);
    assert_string_equal(etag, "\"b2add96cc9702bbf4efb0ccdfc6b7747-3\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(declarations),
        cmocka_unit_test(details_of_mismatches),
        cmocka_unit_test(required_integrity),
        cmocka_unit_test(known_values),
        cmocka_unit_test(both_algorithms_run),
        cmocka_unit_test(whole_objects),
        cmocka_unit_test(combined_equals_streamed),
        cmocka_unit_test(plans),
        cmocka_unit_test(parts_of_plans),
        cmocka_unit_test(bad_texts),
        cmocka_unit_test(etags),
        cmocka_unit_test(multipart_etag),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

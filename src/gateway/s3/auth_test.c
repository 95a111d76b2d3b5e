#include "gateway/s3/testing.h"

#include "tests/support/check.h"

#include <string.h>

#define EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define NOW 1700000000 /* 2023-11-14T22:13:20Z */
#define BASIC_NOW "20231114T221320Z"
#define SIGNED "host;x-amz-content-sha256;x-amz-date"

static bool lookup(void *ctx, bytes access_key, struct s3_secret *ret_secret)
{
    (void)ctx;
    *ret_secret = testing_secret("very secret");
    return bytes_eq_str(access_key, "AKID");
}

static struct s3_auth_config config(void)
{
    return (struct s3_auth_config){.region = "cairn-1", .now_s = NOW, .lookup = lookup};
}

static const struct testing_signer signer = {
    .access_key = "AKID",
    .secret = "very secret",
    .region = "cairn-1",
    .service = "s3",
    .time_s = NOW,
    .signed_headers = SIGNED,
    .payload = EMPTY_SHA256,
    .expires_s = 3600,
};

static struct testing_signer presigner(void)
{
    struct testing_signer s = signer;
    s.signed_headers = "host";
    s.payload = "UNSIGNED-PAYLOAD";
    return s;
}

static void begin(struct testing_request *t)
{
    testing_init(t);
    testing_header(t, "Host", "127.0.0.1:9000");
}

static void begin_header(struct testing_request *t)
{
    begin(t);
    testing_header(t, "X-Amz-Date", BASIC_NOW);
    testing_header(t, "x-amz-content-sha256", EMPTY_SHA256);
}

static enum s3_code check_with(struct testing_request *t, const struct s3_auth_config *c,
                               struct s3_auth *ret_auth)
{
    return s3_auth_check(&t->arena, &t->request, c, ret_auth, &t->error);
}

static enum s3_code check(struct testing_request *t)
{
    struct s3_auth auth;
    struct s3_auth_config c = config();
    return check_with(t, &c, &auth);
}

static bool message_has(const struct testing_request *t, const char *part)
{
    return strstr(s3_error_message(&t->error), part) != NULL;
}

static bool field_is(const struct testing_request *t, const char *name, const char *value)
{
    return bytes_eq_str(s3_error_find(&t->error, name), value);
}

/* ---- what is accepted ---- */

static void header_form(void **state)
{
    (void)state;
    struct testing_request t;
    struct s3_auth auth;
    struct s3_auth_config c = config();
    begin_header(&t);
    assert_int_equal(testing_sign(&t, &signer, "GET", "/bucket/key"), S3_OK);
    assert_int_equal(check_with(&t, &c, &auth), S3_OK);
    assert_int_equal(auth.kind, S3_AUTH_HEADER);
    assert_int_equal(auth.payload, S3_PAYLOAD_HASH);
    check_hex(BYTES_OF(auth.payload_sha256), EMPTY_SHA256);
    assert_true(bytes_eq_str(auth.access_key, "AKID"));
    assert_true(bytes_eq_str(auth.signing.scope, "20231114/cairn-1/s3/aws4_request"));
    assert_string_equal(auth.signing.date, BASIC_NOW);
    s3_auth_wipe(&auth);
    assert_true(hash_is_zero(&auth.signing.key));
    testing_free(&t);
}

/* Whatever way the client writes a path or a query, what it signs is the canonical form. */
static void client_encodings(void **state)
{
    (void)state;
    static const char *const targets[] = {
        "/bucket/a~b%7Ec",
        "/bucket/it's(x)!*@+,=:;&$",
        "/bucket/%61%2f%2F//../.",
        "/bucket/\xE2\x82\xAC%e2%82%ac",
        "/bucket/a%20b%00",
        "/bucket?prefix=a%20b+c&delimiter=/&list-type=2&encoding-type=url",
        "/bucket?b=1&a=2&a=1&prefix=%7E~",
        "/bucket?acl",
        "/bucket?acl=",
        "/bucket?prefix=a=b==",
        "/bucket?z-=1&z=2&z0=3&z.=4",
    };
    for (size_t i = 0; i < COUNT_OF(targets); i++) {
        struct testing_request t;
        begin_header(&t);
        assert_int_equal(testing_sign(&t, &signer, "GET", targets[i]), S3_OK);
        assert_int_equal(check(&t), S3_OK);
        testing_free(&t);
    }
}

static void canonical_query_order(void **state)
{
    (void)state;
    struct testing_request t;
    struct buf out;
    begin(&t);
    buf_init(&out, KIB(4));
    assert_int_equal(testing_parse(&t, "GET", "/bucket?b=2&a-=x&a=1&acl&a=%2B&a=~"), S3_OK);
    assert_true(
        is_ok(s3_canonical_query(&t.arena, t.request.query, t.request.query_count, NULL, &out)));
    assert_true(bytes_eq_str(buf_bytes(&out), "a=%2B&a=1&a=~&a-=x&acl=&b=2"));
    buf_free(&out);
    testing_free(&t);
}

static void header_values_are_folded(void **state)
{
    (void)state;
    struct testing_request t;
    struct testing_signer s = signer;
    begin_header(&t);
    s.signed_headers = "host;x-amz-content-sha256;x-amz-date;x-amz-meta-a";
    testing_header(&t, "x-amz-meta-a", "one   two \t three");
    testing_header(&t, "X-Amz-Meta-A", "four");
    assert_int_equal(testing_sign(&t, &s, "PUT", "/bucket/key"), S3_OK);
    assert_int_equal(check(&t), S3_OK);
    testing_set(&t, "x-amz-meta-a", "one two three");
    assert_int_equal(testing_parse(&t, "PUT", "/bucket/key"), S3_OK);
    assert_int_equal(check(&t), S3_OK);
    testing_set(&t, "x-amz-meta-a", "onetwo three");
    assert_int_equal(testing_parse(&t, "PUT", "/bucket/key"), S3_OK);
    assert_int_equal(check(&t), S3_ERR_SIGNATURE_MISMATCH);
    testing_free(&t);
}

static void other_dates(void **state)
{
    (void)state;
    struct testing_request t;
    struct testing_signer s = signer;
    s.signed_headers = "date;host;x-amz-content-sha256";
    begin(&t);
    testing_header(&t, "Date", "Tue, 14 Nov 2023 22:13:20 GMT");
    testing_header(&t, "x-amz-content-sha256", EMPTY_SHA256);
    assert_int_equal(testing_sign(&t, &s, "GET", "/bucket/key"), S3_OK);
    assert_int_equal(check(&t), S3_OK);
    testing_free(&t);

    begin_header(&t);
    testing_set(&t, "X-Amz-Date", "Tue, 14 Nov 2023 22:13:20 +0000");
    testing_header(&t, "Date", "Tue, 14 Nov 1950 22:13:20 GMT");
    assert_int_equal(testing_sign(&t, &signer, "GET", "/bucket/key"), S3_OK);
    assert_int_equal(check(&t), S3_OK);
    testing_free(&t);
}

static void keys_with_slashes(void **state)
{
    (void)state;
    struct testing_request t;
    struct testing_signer s = signer;
    s.access_key = "some/other/AKID";
    begin_header(&t);
    assert_int_equal(testing_sign(&t, &s, "GET", "/bucket/key"), S3_OK);
    assert_int_equal(check(&t), S3_ERR_INVALID_ACCESS_KEY);
    assert_true(field_is(&t, "AWSAccessKeyId", "some/other/AKID"));
    testing_free(&t);
}

static void anonymous(void **state)
{
    (void)state;
    struct testing_request t;
    struct s3_auth auth;
    struct s3_auth_config c = config();
    begin(&t);
    testing_header(&t, "Authorization", "");
    assert_int_equal(testing_parse(&t, "GET", "/bucket/key"), S3_OK);
    assert_int_equal(check_with(&t, &c, &auth), S3_OK);
    assert_int_equal(auth.kind, S3_AUTH_ANONYMOUS);
    assert_int_equal(auth.payload, S3_PAYLOAD_UNSIGNED);
    assert_int_equal(auth.access_key.len, 0);
    testing_header(&t, "x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER");
    assert_int_equal(testing_parse(&t, "PUT", "/bucket/key"), S3_OK);
    assert_int_equal(check_with(&t, &c, &auth), S3_OK);
    assert_int_equal(auth.payload, S3_PAYLOAD_CHUNKED_UNSIGNED);
    testing_set(&t, "x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD");
    assert_int_equal(testing_parse(&t, "PUT", "/bucket/key"), S3_OK);
    assert_int_equal(check(&t), S3_ERR_INVALID_REQUEST);
    testing_free(&t);
}

/* ---- tampering ---- */

static void tampered_requests(void **state)
{
    (void)state;
    static const struct {
        const char *method;
        const char *target;
    } changed[] = {
        {"DELETE", "/bucket/key?versionId=1"},    {"GET", "/bucket/kez?versionId=1"},
        {"GET", "/bucket/key?versionId=2"},       {"GET", "/bucket/key"},
        {"GET", "/bucket/key?versionId=1&x-a=b"},
    };
    for (size_t i = 0; i < COUNT_OF(changed); i++) {
        struct testing_request t;
        begin_header(&t);
        assert_int_equal(testing_sign(&t, &signer, "GET", "/bucket/key?versionId=1"), S3_OK);
        assert_int_equal(check(&t), S3_OK);
        assert_int_equal(testing_parse(&t, changed[i].method, changed[i].target), S3_OK);
        assert_int_equal(check(&t), S3_ERR_SIGNATURE_MISMATCH);
        assert_true(field_is(&t, "AWSAccessKeyId", "AKID"));
        assert_non_null(s3_error_find(&t.error, "SignatureProvided").data);
        assert_non_null(s3_error_find(&t.error, "StringToSign").data);
        assert_non_null(s3_error_find(&t.error, "StringToSignBytes").data);
        assert_non_null(s3_error_find(&t.error, "CanonicalRequest").data);
        assert_non_null(s3_error_find(&t.error, "CanonicalRequestBytes").data);
        testing_free(&t);
    }
}

static void tampered_headers(void **state)
{
    (void)state;
    struct testing_request t;
    begin_header(&t);
    assert_int_equal(testing_sign(&t, &signer, "GET", "/bucket/key"), S3_OK);
    testing_set(&t, "Host", "127.0.0.1:9001");
    assert_int_equal(testing_parse(&t, "GET", "/bucket/key"), S3_OK);
    assert_int_equal(check(&t), S3_ERR_SIGNATURE_MISMATCH);
    testing_free(&t);

    struct testing_signer wrong = signer;
    wrong.secret = "very secres";
    begin_header(&t);
    assert_int_equal(testing_sign(&t, &wrong, "GET", "/bucket/key"), S3_OK);
    assert_int_equal(check(&t), S3_ERR_SIGNATURE_MISMATCH);
    testing_free(&t);
}

static void unsigned_headers(void **state)
{
    (void)state;
    static const struct {
        const char *signed_headers;
        const char *missing;
    } cases[] = {
        {"x-amz-content-sha256;x-amz-date", "host"},
        {"host;x-amz-date", "x-amz-content-sha256"},
        {"host", "X-Amz-Date, x-amz-content-sha256"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct testing_request t;
        struct testing_signer s = signer;
        s.signed_headers = cases[i].signed_headers;
        begin_header(&t);
        assert_int_equal(testing_sign(&t, &s, "GET", "/bucket/key"), S3_OK);
        assert_int_equal(check(&t), S3_ERR_ACCESS_DENIED);
        assert_true(field_is(&t, "HeadersNotSigned", cases[i].missing));
        testing_free(&t);
    }
    struct testing_request t;
    begin_header(&t);
    testing_header(&t, "x-amz-acl", "public-read");
    testing_header(&t, "X-Amz-Cf-Id", "added by a CDN");
    testing_header(&t, "Accept-Encoding", "gzip");
    assert_int_equal(testing_sign(&t, &signer, "PUT", "/bucket/key"), S3_OK);
    assert_int_equal(check(&t), S3_ERR_ACCESS_DENIED);
    assert_true(field_is(&t, "HeadersNotSigned", "x-amz-acl"));
    testing_free(&t);
}

/* ---- malformed headers ---- */

struct malformed {
    const char *header;
    enum s3_code code;
    const char *message;
};

#define CREDENTIAL "Credential=AKID/20231114/cairn-1/s3/aws4_request"
#define SIGNED_PART "SignedHeaders=" SIGNED
#define A "AWS4-HMAC-SHA256 "
#define ZEROS "Signature=0000000000000000000000000000000000000000000000000000000000000000"
#define CRED(text) A "Credential=" text "," SIGNED_PART "," ZEROS

static void malformed_headers(void **state)
{
    (void)state;
    static const struct malformed cases[] = {
        {"AWS AKID:c2lnbmF0dXJl", S3_ERR_INVALID_REQUEST, "Please use AWS4-HMAC-SHA256"},
        {"AWS4-ECDSA-P256-SHA256 " CREDENTIAL, S3_ERR_NOT_IMPLEMENTED, "ECDSA"},
        {"Basic dXNlcjpwYXNz", S3_ERR_INVALID_ARGUMENT, "Unsupported Authorization Type"},
        {"Bearer x", S3_ERR_INVALID_ARGUMENT, "Unsupported"},
        {"AWS4-HMAC-SHA256", S3_ERR_AUTH_HEADER_MALFORMED, "missing Credential"},
        {A SIGNED_PART "," ZEROS, S3_ERR_AUTH_HEADER_MALFORMED, "missing Credential"},
        {A CREDENTIAL "," ZEROS, S3_ERR_AUTH_HEADER_MALFORMED, "missing SignedHeaders"},
        {A CREDENTIAL "," SIGNED_PART, S3_ERR_AUTH_HEADER_MALFORMED, "missing Signature"},
        {A CREDENTIAL "," CREDENTIAL "," SIGNED_PART "," ZEROS, S3_ERR_AUTH_HEADER_MALFORMED,
         "component"},
        {A CREDENTIAL "," SIGNED_PART "," ZEROS ",x=y", S3_ERR_AUTH_HEADER_MALFORMED, "\"x=y\""},
        {A CREDENTIAL ",SignedHeaders," ZEROS, S3_ERR_AUTH_HEADER_MALFORMED, "component"},
        {A CREDENTIAL ",," SIGNED_PART "," ZEROS, S3_ERR_AUTH_HEADER_MALFORMED, "component"},
        {CRED("AKID"), S3_ERR_AUTH_HEADER_MALFORMED, "the Credential is mal-formed"},
        {CRED("AKID/20231114/cairn-1/aws4_request"), S3_ERR_AUTH_HEADER_MALFORMED,
         "the Credential is mal-formed"},
        {CRED("/20231114/cairn-1/s3/aws4_request"), S3_ERR_AUTH_HEADER_MALFORMED,
         "the Credential is mal-formed"},
        {CRED("AKID/2023111/cairn-1/s3/aws4_request"), S3_ERR_AUTH_HEADER_MALFORMED,
         "incorrect date format"},
        {CRED("AKID/2023111x/cairn-1/s3/aws4_request"), S3_ERR_AUTH_HEADER_MALFORMED,
         "incorrect date format"},
        {CRED("AKID/20231114/cairn-1/s3/aws4"), S3_ERR_AUTH_HEADER_MALFORMED,
         "incorrect terminal \"aws4\""},
        {CRED("AKID/20231114/cairn-1/ec2/aws4_request"), S3_ERR_AUTH_HEADER_MALFORMED,
         "incorrect service \"ec2\""},
        {CRED("AKID/20231114/us-east-1/s3/aws4_request"), S3_ERR_AUTH_HEADER_MALFORMED,
         "the region 'us-east-1' is wrong; expecting 'cairn-1'"},
        {CRED("AKID/20231113/cairn-1/s3/aws4_request"), S3_ERR_AUTH_HEADER_MALFORMED,
         "not the same as X-Amz-Date"},
        {CRED("OTHER/20231114/cairn-1/s3/aws4_request"), S3_ERR_INVALID_ACCESS_KEY, "access key"},
        {CRED("AKID/20231114/cairn-1/s3/aws4_request"), S3_ERR_SIGNATURE_MISMATCH, "signature"},
        {A CREDENTIAL "," SIGNED_PART ",Signature=", S3_ERR_SIGNATURE_MISMATCH, "signature"},
        {A CREDENTIAL "," SIGNED_PART ",Signature=zz", S3_ERR_SIGNATURE_MISMATCH, "signature"},
        {A CREDENTIAL ",SignedHeaders=," ZEROS, S3_ERR_ACCESS_DENIED, "not signed"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct testing_request t;
        begin_header(&t);
        testing_header(&t, "Authorization", cases[i].header);
        assert_int_equal(testing_parse(&t, "GET", "/bucket/key"), S3_OK);
        enum s3_code code = check(&t);
        if (code != cases[i].code || !message_has(&t, cases[i].message)) {
            print_error("%s: %s %s\n", cases[i].header, s3_code_name(code),
                        s3_error_message(&t.error));
        }
        assert_int_equal(code, cases[i].code);
        assert_true(message_has(&t, cases[i].message));
        testing_free(&t);
    }
}

static void wrong_region_names_ours(void **state)
{
    (void)state;
    struct testing_request t;
    struct testing_signer s = signer;
    s.region = "us-east-1";
    begin_header(&t);
    assert_int_equal(testing_sign(&t, &s, "GET", "/bucket"), S3_OK);
    assert_int_equal(check(&t), S3_ERR_AUTH_HEADER_MALFORMED);
    assert_true(field_is(&t, "Region", "cairn-1"));
    testing_free(&t);
    begin(&t);
    s = presigner();
    s.region = "us-east-1";
    assert_int_equal(testing_presign(&t, &s, "GET", "/bucket/key"), S3_OK);
    assert_int_equal(check(&t), S3_ERR_AUTH_QUERY_PARAMETERS);
    assert_true(field_is(&t, "Region", "cairn-1"));
    testing_free(&t);
}

static void missing_dates(void **state)
{
    (void)state;
    struct testing_request t;
    begin_header(&t);
    assert_int_equal(testing_sign(&t, &signer, "GET", "/bucket/key"), S3_OK);
    testing_set(&t, "X-Amz-Date", "yesterday");
    assert_int_equal(testing_parse(&t, "GET", "/bucket/key"), S3_OK);
    assert_int_equal(check(&t), S3_ERR_ACCESS_DENIED);
    assert_true(message_has(&t, "valid Date or x-amz-date"));
    testing_remove(&t, "X-Amz-Date");
    assert_int_equal(testing_parse(&t, "GET", "/bucket/key"), S3_OK);
    assert_int_equal(check(&t), S3_ERR_ACCESS_DENIED);
    testing_free(&t);
}

static void clock_skew(void **state)
{
    (void)state;
    static const struct {
        i64 offset;
        enum s3_code code;
    } cases[] = {
        {900, S3_OK},
        {-900, S3_OK},
        {901, S3_ERR_REQUEST_TIME_SKEWED},
        {-901, S3_ERR_REQUEST_TIME_SKEWED},
        {-86400 * 365, S3_ERR_REQUEST_TIME_SKEWED},
        {(i64)86400 * 365 * 7000, S3_ERR_REQUEST_TIME_SKEWED},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct testing_request t;
        struct testing_signer s = signer;
        char date[S3_BASIC_DATE_BYTES];
        s.time_s = NOW + cases[i].offset;
        s3_date_write_basic(date, s.time_s);
        begin_header(&t);
        testing_set(&t, "X-Amz-Date", date);
        assert_int_equal(testing_sign(&t, &s, "GET", "/bucket/key"), S3_OK);
        assert_int_equal(check(&t), cases[i].code);
        if (cases[i].code != S3_OK) {
            assert_true(field_is(&t, "RequestTime", date));
            assert_true(field_is(&t, "ServerTime", "2023-11-14T22:13:20.000Z"));
            assert_true(field_is(&t, "MaxAllowedSkewMilliseconds", "900000"));
        }
        testing_free(&t);
    }
}

static void extreme_dates(void **state)
{
    (void)state;
    static const char *const dates[] = {"99991231T235960Z", "00010101T000000Z", "99991231T235959Z"};
    for (size_t i = 0; i < COUNT_OF(dates); i++) {
        struct testing_request t;
        begin_header(&t);
        testing_set(&t, "X-Amz-Date", dates[i]);
        testing_header(&t, "Authorization",
                       arena_format(&t.arena,
                                    A "Credential=AKID/%.8s/cairn-1/s3/aws4_request," SIGNED_PART
                                      "," ZEROS,
                                    dates[i]));
        assert_int_equal(testing_parse(&t, "GET", "/bucket/key"), S3_OK);
        assert_int_equal(check(&t), S3_ERR_REQUEST_TIME_SKEWED);
        testing_free(&t);
    }
}

/* ---- payloads ---- */

static void payloads(void **state)
{
    (void)state;
    static const struct {
        const char *value; /* NULL: no header */
        enum s3_code code;
        enum s3_payload payload;
    } cases[] = {
        {EMPTY_SHA256, S3_OK, S3_PAYLOAD_HASH},
        {"UNSIGNED-PAYLOAD", S3_OK, S3_PAYLOAD_UNSIGNED},
        {"STREAMING-UNSIGNED-PAYLOAD-TRAILER", S3_OK, S3_PAYLOAD_CHUNKED_UNSIGNED},
        {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", S3_OK, S3_PAYLOAD_CHUNKED},
        {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", S3_OK, S3_PAYLOAD_CHUNKED_TRAILER},
        {"STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", S3_ERR_NOT_IMPLEMENTED, 0},
        {"STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER", S3_ERR_NOT_IMPLEMENTED, 0},
        {"STREAMING-OTHER", S3_ERR_INVALID_ARGUMENT, 0},
        {"unsigned-payload", S3_ERR_INVALID_ARGUMENT, 0},
        {"e3b0c442", S3_ERR_INVALID_ARGUMENT, 0},
        {"", S3_ERR_INVALID_ARGUMENT, 0},
        {NULL, S3_ERR_INVALID_REQUEST, 0},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct testing_request t;
        struct s3_auth auth;
        struct s3_auth_config c = config();
        struct testing_signer s = signer;
        begin_header(&t);
        s.payload = cases[i].value != NULL ? cases[i].value : EMPTY_SHA256;
        testing_set(&t, "x-amz-content-sha256", s.payload);
        if (cases[i].value == NULL) {
            testing_remove(&t, "x-amz-content-sha256");
        }
        assert_int_equal(testing_sign(&t, &s, "PUT", "/bucket/key"), S3_OK);
        enum s3_code code = check_with(&t, &c, &auth);
        assert_int_equal(code, cases[i].code);
        if (code == S3_OK) {
            assert_int_equal(auth.payload, cases[i].payload);
        }
        testing_free(&t);
    }
}

static void unsigned_payload_policy(void **state)
{
    (void)state;
    struct testing_request t;
    struct s3_auth auth;
    struct s3_auth_config c = config();
    struct testing_signer s = signer;
    s.payload = "UNSIGNED-PAYLOAD";
    c.unsigned_needs_tls = true;
    begin_header(&t);
    testing_set(&t, "x-amz-content-sha256", s.payload);
    assert_int_equal(testing_sign(&t, &s, "PUT", "/bucket/key"), S3_OK);
    assert_int_equal(check_with(&t, &c, &auth), S3_ERR_INVALID_REQUEST);
    t.request.encrypted = true;
    assert_int_equal(check_with(&t, &c, &auth), S3_OK);
    testing_free(&t);
}

/* ---- presigned ---- */

static void presigned_form(void **state)
{
    (void)state;
    struct testing_request t;
    struct s3_auth auth;
    struct s3_auth_config c = config();
    struct testing_signer s = presigner();
    begin(&t);
    assert_int_equal(testing_presign(&t, &s, "GET", "/bucket/a%20key?response-content-type=x%2Fy"),
                     S3_OK);
    assert_int_equal(check_with(&t, &c, &auth), S3_OK);
    assert_int_equal(auth.kind, S3_AUTH_PRESIGNED);
    assert_int_equal(auth.payload, S3_PAYLOAD_UNSIGNED);
    testing_free(&t);

    /* A PUT whose payload hash is signed, in the header or hoisted into the query. */
    begin(&t);
    s.payload = EMPTY_SHA256;
    s.signed_headers = "host;x-amz-content-sha256";
    testing_header(&t, "x-amz-content-sha256", EMPTY_SHA256);
    assert_int_equal(testing_presign(&t, &s, "PUT", "/bucket/key"), S3_OK);
    assert_int_equal(check_with(&t, &c, &auth), S3_OK);
    assert_int_equal(auth.payload, S3_PAYLOAD_HASH);
    testing_free(&t);
    begin(&t);
    s.signed_headers = "host";
    s.payload = "UNSIGNED-PAYLOAD";
    assert_int_equal(
        testing_presign(&t, &s, "GET", "/bucket/key?X-Amz-Content-Sha256=UNSIGNED-PAYLOAD"), S3_OK);
    assert_int_equal(check_with(&t, &c, &auth), S3_OK);
    testing_free(&t);

    begin(&t);
    s = presigner();
    testing_header(&t, "x-amz-meta-a", "not signed");
    assert_int_equal(testing_presign(&t, &s, "PUT", "/bucket/key"), S3_OK);
    assert_int_equal(check(&t), S3_ERR_ACCESS_DENIED);
    testing_free(&t);
}

static void presigned_times(void **state)
{
    (void)state;
    static const struct {
        i64 offset;
        u64 expires;
        enum s3_code code;
    } cases[] = {
        {0, 1, S3_OK},
        {0, 604800, S3_OK},
        {0, 0, S3_ERR_AUTH_QUERY_EXPIRES},
        {0, 604801, S3_ERR_AUTH_QUERY_EXPIRES},
        {-100, 100, S3_OK},
        {-101, 100, S3_ERR_ACCESS_DENIED},
        {900, 100, S3_OK},
        {901, 100, S3_ERR_ACCESS_DENIED},
        {-604800, 604800, S3_OK},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct testing_request t;
        struct testing_signer s = presigner();
        s.time_s = NOW + cases[i].offset;
        s.expires_s = cases[i].expires;
        begin(&t);
        assert_int_equal(testing_presign(&t, &s, "GET", "/bucket/key"), S3_OK);
        assert_int_equal(check(&t), cases[i].code);
        assert_true(cases[i].code == S3_OK || s3_code_status(cases[i].code) == 403);
        if (cases[i].offset == -101) {
            assert_true(message_has(&t, "Request has expired"));
            assert_true(field_is(&t, "X-Amz-Expires", "100"));
            assert_true(field_is(&t, "Expires", "2023-11-14T22:13:19.000Z"));
            assert_true(field_is(&t, "ServerTime", "2023-11-14T22:13:20.000Z"));
        }
        testing_free(&t);
    }
}

static void presigned_parameters(void **state)
{
    (void)state;
    static const struct {
        const char *query;
        enum s3_code code;
        const char *message;
    } cases[] = {
#define Q_ALGORITHM "X-Amz-Algorithm=AWS4-HMAC-SHA256&"
#define Q_CREDENTIAL "X-Amz-Credential=AKID/20231114/cairn-1/s3/aws4_request&"
#define Q_DATE "X-Amz-Date=" BASIC_NOW "&"
#define Q_EXPIRES "X-Amz-Expires=60&"
#define Q_HEADERS "X-Amz-SignedHeaders=host&"
#define Q_SIGNATURE "X-Amz-Signature=00"
        {Q_CREDENTIAL Q_DATE Q_EXPIRES Q_HEADERS Q_SIGNATURE, S3_ERR_AUTH_QUERY_PARAMETERS,
         "requires the X-Amz-Algorithm"},
        {Q_ALGORITHM Q_DATE Q_EXPIRES Q_HEADERS Q_SIGNATURE, S3_ERR_AUTH_QUERY_PARAMETERS,
         "requires the X-Amz-Algorithm"},
        {Q_ALGORITHM Q_CREDENTIAL Q_EXPIRES Q_HEADERS Q_SIGNATURE, S3_ERR_AUTH_QUERY_PARAMETERS,
         "requires the X-Amz-Algorithm"},
        {Q_ALGORITHM Q_CREDENTIAL Q_DATE Q_HEADERS Q_SIGNATURE, S3_ERR_AUTH_QUERY_PARAMETERS,
         "requires the X-Amz-Algorithm"},
        {Q_ALGORITHM Q_CREDENTIAL Q_DATE Q_EXPIRES Q_SIGNATURE, S3_ERR_AUTH_QUERY_PARAMETERS,
         "requires the X-Amz-Algorithm"},
        {Q_ALGORITHM Q_CREDENTIAL Q_DATE Q_EXPIRES Q_HEADERS, S3_ERR_AUTH_QUERY_PARAMETERS,
         "requires the X-Amz-Algorithm"},
        {"X-Amz-Algorithm=AWS4&" Q_CREDENTIAL Q_DATE Q_EXPIRES Q_HEADERS Q_SIGNATURE,
         S3_ERR_AUTH_QUERY_PARAMETERS, "only supports"},
        {"X-Amz-Algorithm=AWS4-ECDSA-P256-SHA256&" Q_CREDENTIAL Q_DATE Q_EXPIRES Q_HEADERS
             Q_SIGNATURE,
         S3_ERR_NOT_IMPLEMENTED, "ECDSA"},
        {Q_ALGORITHM "X-Amz-Credential=AKID&" Q_DATE Q_EXPIRES Q_HEADERS Q_SIGNATURE,
         S3_ERR_AUTH_QUERY_PARAMETERS, "the Credential is mal-formed"},
        {Q_ALGORITHM Q_CREDENTIAL "X-Amz-Date=today&" Q_EXPIRES Q_HEADERS Q_SIGNATURE,
         S3_ERR_AUTH_QUERY_PARAMETERS, "ISO8601"},
        {Q_ALGORITHM Q_CREDENTIAL Q_DATE "X-Amz-Expires=soon&" Q_HEADERS Q_SIGNATURE,
         S3_ERR_AUTH_QUERY_PARAMETERS, "should be a number"},
        {Q_ALGORITHM Q_CREDENTIAL Q_DATE "X-Amz-Expires=-7&" Q_HEADERS Q_SIGNATURE,
         S3_ERR_AUTH_QUERY_EXPIRES, "non-negative"},
        {Q_ALGORITHM Q_CREDENTIAL Q_DATE
         "X-Amz-Expires=99999999999999999999999&" Q_HEADERS Q_SIGNATURE,
         S3_ERR_AUTH_QUERY_PARAMETERS, "should be a number"},
        {Q_ALGORITHM Q_CREDENTIAL Q_DATE Q_EXPIRES Q_HEADERS Q_SIGNATURE, S3_ERR_SIGNATURE_MISMATCH,
         "signature"},
        {Q_ALGORITHM Q_CREDENTIAL Q_DATE Q_EXPIRES Q_HEADERS
         "X-Amz-Security-Token=abc&" Q_SIGNATURE,
         S3_ERR_INVALID_TOKEN, "token"},
        {"AWSAccessKeyId=AKID&Expires=1&Signature=x", S3_ERR_INVALID_REQUEST,
         "Please use AWS4-HMAC-SHA256"},
        {"Signature=x", S3_ERR_INVALID_REQUEST, "Please use AWS4-HMAC-SHA256"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct testing_request t;
        begin(&t);
        assert_int_equal(
            testing_parse(&t, "GET", arena_format(&t.arena, "/bucket/key?%s", cases[i].query)),
            S3_OK);
        enum s3_code code = check(&t);
        assert_int_equal(code, cases[i].code);
        assert_true(message_has(&t, cases[i].message));
        testing_free(&t);
    }
}

static void one_mechanism_only(void **state)
{
    (void)state;
    struct testing_request t;
    struct testing_signer s = presigner();
    begin(&t);
    testing_header(&t, "Authorization", "AWS4-HMAC-SHA256 x");
    assert_int_equal(testing_presign(&t, &s, "GET", "/bucket/key"), S3_OK);
    assert_int_equal(check(&t), S3_ERR_INVALID_ARGUMENT);
    assert_true(message_has(&t, "Only one auth mechanism allowed"));
    testing_free(&t);
}

static void session_tokens(void **state)
{
    (void)state;
    struct testing_request t;
    struct testing_signer s = signer;
    s.signed_headers = SIGNED ";x-amz-security-token";
    begin_header(&t);
    testing_header(&t, "x-amz-security-token", "token");
    assert_int_equal(testing_sign(&t, &s, "GET", "/bucket/key"), S3_OK);
    assert_int_equal(check(&t), S3_ERR_INVALID_TOKEN);
    testing_free(&t);
}

static void many_signed_headers(void **state)
{
    (void)state;
    struct testing_request t;
    struct buf names;
    begin_header(&t);
    buf_init(&names, KIB(64));
    buf_put_str(&names, SIGNED);
    for (int i = 0; i < S3_SIGNED_HEADERS_MAX; i++) {
        buf_put_str(&names, ";a");
    }
    buf_put_u8(&names, 0);
    struct testing_signer s = signer;
    s.signed_headers = (const char *)names.data;
    assert_int_equal(testing_sign(&t, &s, "GET", "/bucket/key"), S3_OK);
    assert_int_equal(check(&t), S3_ERR_AUTH_HEADER_MALFORMED);
    buf_free(&names);
    testing_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header_form),
        cmocka_unit_test(client_encodings),
        cmocka_unit_test(canonical_query_order),
        cmocka_unit_test(header_values_are_folded),
        cmocka_unit_test(other_dates),
        cmocka_unit_test(keys_with_slashes),
        cmocka_unit_test(anonymous),
        cmocka_unit_test(tampered_requests),
        cmocka_unit_test(tampered_headers),
        cmocka_unit_test(unsigned_headers),
        cmocka_unit_test(malformed_headers),
        cmocka_unit_test(wrong_region_names_ours),
        cmocka_unit_test(missing_dates),
        cmocka_unit_test(clock_skew),
        cmocka_unit_test(extreme_dates),
        cmocka_unit_test(payloads),
        cmocka_unit_test(unsigned_payload_policy),
        cmocka_unit_test(presigned_form),
        cmocka_unit_test(presigned_times),
        cmocka_unit_test(presigned_parameters),
        cmocka_unit_test(one_mechanism_only),
        cmocka_unit_test(session_tokens),
        cmocka_unit_test(many_signed_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

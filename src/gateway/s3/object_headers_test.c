#include "gateway/s3/object_headers.h"
#include "gateway/s3/testing.h"

#include "tests/support/check.h"

#include <string.h>

static void begin(struct testing_request *t, const char *method, const char *target,
                  const char *const *headers)
{
    testing_init(t);
    for (size_t i = 0; headers[i] != NULL; i += 2) {
        testing_header(t, headers[i], headers[i + 1]);
    }
    assert_int_equal(testing_parse(t, method, target), S3_OK);
}

static bool has(const struct s3_stored_headers *headers, const char *name, const char *value)
{
    return bytes_eq_str(s3_stored_headers_find(headers, name), value);
}

static void kept_headers(void **state)
{
    (void)state;
    static const char *const headers[] = {"Content-Type",
                                          "text/plain",
                                          "Cache-Control",
                                          "max-age=5",
                                          "Content-Disposition",
                                          "attachment; filename=\"a b\"",
                                          "Content-Language",
                                          "de, en",
                                          "Expires",
                                          "Thu, 01 Dec 2094 16:00:00 GMT",
                                          "X-Amz-Storage-Class",
                                          "REDUCED_REDUNDANCY",
                                          "X-Amz-Meta-Mtime",
                                          "1.5",
                                          "x-amz-meta-EMPTY",
                                          "",
                                          "x-amz-meta-mtime",
                                          "2.5",
                                          "x-amz-meta-utf8",
                                          "caf\xC3\xA9",
                                          "Authorization",
                                          "no",
                                          "x-amz-acl",
                                          "private",
                                          "User-Agent",
                                          "no",
                                          NULL};
    struct testing_request t;
    struct s3_stored_headers stored;
    begin(&t, "PUT", "/bucket/key", headers);
    assert_int_equal(s3_stored_headers_parse(&t.arena, &t.request, &stored, &t.error), S3_OK);
    assert_int_equal(stored.count, 9);
    assert_true(has(&stored, "content-type", "text/plain"));
    assert_true(has(&stored, "cache-control", "max-age=5"));
    assert_true(has(&stored, "content-language", "de, en"));
    assert_true(has(&stored, "x-amz-storage-class", "REDUCED_REDUNDANCY"));
    assert_true(has(&stored, "x-amz-meta-mtime", "1.5,2.5"));
    assert_true(has(&stored, "x-amz-meta-empty", ""));
    assert_true(has(&stored, "x-amz-meta-utf8", "caf\xC3\xA9"));
    assert_null(s3_stored_headers_find(&stored, "authorization").data);
    assert_true(bytes_eq_str(s3_storage_class(&stored), "REDUCED_REDUNDANCY"));
    testing_free(&t);
}

static void content_encodings(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        const char *out; /* NULL: not stored */
    } cases[] = {
        {"gzip", "gzip"},
        {"deflate, gzip", "deflate, gzip"},
        {"gzip, aws-chunked", "gzip"},
        {"aws-chunked, gzip", "gzip"},
        {"aws-chunked", NULL},
        {"AWS-Chunked", NULL},
        {"aws-chunked, aws-chunked", NULL},
        {"a,aws-chunked,b", "a, b"},
        {"aws-chunkedx", "aws-chunkedx"},
        {"", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *headers[] = {"Content-Encoding", cases[i].in, NULL};
        struct testing_request t;
        struct s3_stored_headers stored;
        begin(&t, "PUT", "/bucket/key", headers);
        assert_int_equal(s3_stored_headers_parse(&t.arena, &t.request, &stored, &t.error), S3_OK);
        bytes value = s3_stored_headers_find(&stored, "content-encoding");
        assert_int_equal(value.data != NULL, cases[i].out != NULL);
        if (cases[i].out != NULL) {
            assert_true(bytes_eq_str(value, cases[i].out));
        }
        assert_true(has(&stored, "content-type", "binary/octet-stream"));
        testing_free(&t);
    }
}

static void metadata_limit(void **state)
{
    (void)state;
    char value[2048];
    memset(value, 'm', sizeof value);
    value[2047] = 0;
    const char *headers[] = {"x-amz-meta-a", value, NULL};
    struct testing_request t;
    struct s3_stored_headers stored;
    begin(&t, "PUT", "/bucket/key", headers); /* 1 + 2047 */
    assert_int_equal(s3_stored_headers_parse(&t.arena, &t.request, &stored, &t.error), S3_OK);
    testing_header(&t, "x-amz-meta-b", "");
    assert_int_equal(testing_parse(&t, "PUT", "/bucket/key"), S3_OK);
    assert_int_equal(s3_stored_headers_parse(&t.arena, &t.request, &stored, &t.error),
                     S3_ERR_METADATA_TOO_LARGE);
    assert_true(bytes_eq_str(s3_error_find(&t.error, "Size"), "2049"));
    assert_true(bytes_eq_str(s3_error_find(&t.error, "MaxSizeAllowed"), "2048"));
    testing_free(&t);
}

static void refused_values(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *value;
        enum s3_code code;
    } cases[] = {
        {"x-amz-meta-a",
         "a\x01"
         "b",
         S3_ERR_INVALID_ARGUMENT},
        {"x-amz-meta-a", "a\r\nSet-Cookie: b", S3_ERR_INVALID_ARGUMENT},
        {"Content-Type", "a\x7F", S3_ERR_INVALID_ARGUMENT},
        {"x-amz-meta-a", "tab\tis fine", S3_OK},
        {"x-amz-storage-class", "FAST", S3_ERR_INVALID_STORAGE_CLASS},
        {"x-amz-storage-class", "standard", S3_ERR_INVALID_STORAGE_CLASS},
        {"x-amz-storage-class", "GLACIER_IR", S3_OK},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *headers[] = {cases[i].name, cases[i].value, NULL};
        struct testing_request t;
        struct s3_stored_headers stored;
        begin(&t, "PUT", "/bucket/key", headers);
        assert_int_equal(s3_stored_headers_parse(&t.arena, &t.request, &stored, &t.error),
                         cases[i].code);
        testing_free(&t);
    }
}

static void what_is_not_done(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *value;
        enum s3_code code;
    } cases[] = {
        {"x-amz-acl", "private", S3_OK},
        {"x-amz-acl", "bucket-owner-full-control", S3_OK},
        {"x-amz-acl", "public-read", S3_ERR_ACL_NOT_SUPPORTED},
        {"x-amz-acl", "public-ready", S3_ERR_INVALID_ARGUMENT},
        {"X-Amz-Grant-Read", "id=1", S3_ERR_ACL_NOT_SUPPORTED},
        {"x-amz-server-side-encryption", "AES256", S3_OK},
        {"x-amz-server-side-encryption", "aws:kms", S3_ERR_NOT_IMPLEMENTED},
        {"x-amz-server-side-encryption", "ROT13", S3_ERR_INVALID_ENCRYPTION},
        {"x-amz-server-side-encryption-customer-algorithm", "AES256", S3_ERR_NOT_IMPLEMENTED},
        {"x-amz-server-side-encryption-customer-key", "k", S3_ERR_NOT_IMPLEMENTED},
        {"x-amz-copy-source-server-side-encryption-customer-key", "k", S3_ERR_NOT_IMPLEMENTED},
        {"x-amz-tagging", "a=b", S3_ERR_NOT_IMPLEMENTED},
        {"x-amz-tagging", "", S3_OK},
        {"x-amz-website-redirect-location", "/x", S3_ERR_NOT_IMPLEMENTED},
        {"x-amz-write-offset-bytes", "5", S3_ERR_NOT_IMPLEMENTED},
        {"x-amz-mfa", "1 2", S3_ERR_NOT_IMPLEMENTED},
        {"x-amz-object-lock-mode", "GOVERNANCE", S3_ERR_INVALID_REQUEST},
        {"x-amz-bucket-object-lock-enabled", "true", S3_ERR_NOT_IMPLEMENTED},
        {"x-amz-bucket-object-lock-enabled", "false", S3_OK},
        {"x-amz-expected-bucket-owner", "me", S3_OK},
        {"x-amz-request-payer", "requester", S3_OK},
        {"x-amz-meta-tagging", "x", S3_OK},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *headers[] = {cases[i].name, cases[i].value, NULL};
        struct testing_request t;
        begin(&t, "PUT", "/bucket/key", headers);
        enum s3_code code = s3_object_headers_check(&t.request, &t.error);
        assert_int_equal(code, cases[i].code);
        if (code == S3_ERR_NOT_IMPLEMENTED) {
            assert_true(bytes_eq_str(s3_error_find(&t.error, "Header"), cases[i].name));
        }
        testing_free(&t);
    }
}

static void overrides(void **state)
{
    (void)state;
    static const char *const none[] = {NULL};
    struct s3_header items[] = {{bytes_str("content-type"), bytes_str("a/b")},
                                {bytes_str("x-amz-storage-class"), bytes_str("STANDARD")},
                                {bytes_str("x-amz-meta-a"), bytes_str("1")}};
    struct s3_stored_headers stored = {items, COUNT_OF(items)};
    struct s3_stored_headers reply;
    struct testing_request t;
    begin(&t, "GET",
          "/bucket/key?response-content-type=c%2Fd&response-expires=soon&"
          "response-content-disposition=attachment%3B%20filename%3Dx",
          none);
    assert_int_equal(
        s3_reply_headers(&t.arena, &t.request, S3_AUTH_PRESIGNED, &stored, &reply, &t.error),
        S3_OK);
    assert_int_equal(reply.count, 4);
    assert_true(has(&reply, "content-type", "c/d"));
    assert_true(has(&reply, "expires", "soon"));
    assert_true(has(&reply, "content-disposition", "attachment; filename=x"));
    assert_true(has(&reply, "x-amz-meta-a", "1"));
    assert_int_equal(
        s3_reply_headers(&t.arena, &t.request, S3_AUTH_ANONYMOUS, &stored, &reply, &t.error),
        S3_ERR_INVALID_REQUEST);
    testing_free(&t);

    begin(&t, "GET", "/bucket/key?response-content-type=a%0D%0ASet-Cookie:b", none);
    assert_int_equal(
        s3_reply_headers(&t.arena, &t.request, S3_AUTH_HEADER, &stored, &reply, &t.error),
        S3_ERR_INVALID_ARGUMENT);
    testing_free(&t);
}

static const struct {
    const char *headers[9];
    bool same;
    enum s3_code code;
    const char *type;
    const char *class;
    const char *meta; /* NULL: none */
} copy_cases[] = {
    {{NULL}, false, S3_OK, "a/b", "STANDARD", "1"},
    {{"x-amz-metadata-directive", "COPY", "x-amz-meta-a", "2", NULL},
     false,
     S3_OK,
     "a/b",
     "STANDARD",
     "1"},
    {{"x-amz-metadata-directive", "REPLACE", NULL},
     false,
     S3_OK,
     "binary/octet-stream",
     "STANDARD",
     NULL},
    {{"x-amz-metadata-directive", "REPLACE", "x-amz-meta-a", "2", "Content-Type", "c/d", NULL},
     true,
     S3_OK,
     "c/d",
     "STANDARD",
     "2"},
    {{"x-amz-storage-class", "STANDARD_IA", NULL}, true, S3_OK, "a/b", "STANDARD_IA", "1"},
    {{"x-amz-storage-class", "GLACIER", NULL}, true, S3_ERR_INVALID_REQUEST, NULL, NULL, NULL},
    {{NULL}, true, S3_ERR_INVALID_REQUEST, NULL, NULL, NULL},
    {{"x-amz-metadata-directive", "MERGE", NULL}, false, S3_ERR_INVALID_ARGUMENT, NULL, NULL, NULL},
    {{"x-amz-tagging-directive", "MERGE", NULL}, false, S3_ERR_INVALID_ARGUMENT, NULL, NULL, NULL},
    {{"x-amz-storage-class", "FAST", NULL}, false, S3_ERR_INVALID_STORAGE_CLASS, NULL, NULL, NULL},
};

static void copies(void **state)
{
    (void)state;
    struct s3_header items[] = {{bytes_str("content-type"), bytes_str("a/b")},
                                {bytes_str("x-amz-storage-class"), bytes_str("GLACIER")},
                                {bytes_str("x-amz-meta-a"), bytes_str("1")}};
    struct s3_stored_headers source = {items, COUNT_OF(items)};
    for (size_t i = 0; i < COUNT_OF(copy_cases); i++) {
        struct testing_request t;
        struct s3_stored_headers copy;
        begin(&t, "PUT", "/bucket/key", copy_cases[i].headers);
        enum s3_code code =
            s3_copy_headers(&t.arena, &t.request, &source, copy_cases[i].same, &copy, &t.error);
        assert_int_equal(code, copy_cases[i].code);
        if (code == S3_OK) {
            assert_true(has(&copy, "content-type", copy_cases[i].type));
            assert_true(bytes_eq_str(s3_storage_class(&copy), copy_cases[i].class));
            assert_int_equal(s3_stored_headers_find(&copy, "x-amz-meta-a").data != NULL,
                             copy_cases[i].meta != NULL);
            assert_true(copy_cases[i].meta == NULL ||
                        has(&copy, "x-amz-meta-a", copy_cases[i].meta));
        }
        testing_free(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kept_headers),     cmocka_unit_test(content_encodings),
        cmocka_unit_test(metadata_limit),   cmocka_unit_test(refused_values),
        cmocka_unit_test(what_is_not_done), cmocka_unit_test(overrides),
        cmocka_unit_test(copies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

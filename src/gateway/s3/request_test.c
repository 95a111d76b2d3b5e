#include "gateway/s3/names.h"
#include "gateway/s3/testing.h"

#include "tests/support/check.h"

struct request_case {
    const char *method;
    const char *host;
    const char *target;
    enum s3_code code;
    enum s3_op op;
    const char *bucket;
    const char *key;
};

#define PATH_HOST "127.0.0.1:9000"
#define GOOD(method, target, op, bucket, key)                                                      \
    {                                                                                              \
        method, PATH_HOST, target, S3_OK, S3_OP_##op, bucket, key                                  \
    }
#define BAD(method, target, code)                                                                  \
    {                                                                                              \
        method, PATH_HOST, target, S3_ERR_##code, S3_OP_NONE, NULL, NULL                           \
    }
#define VHOST(host, target, op, bucket, key)                                                       \
    {                                                                                              \
        "GET", host, target, S3_OK, S3_OP_##op, bucket, key                                        \
    }

static const struct request_case cases[] = {
    /* every operation */
    GOOD("GET", "/", LIST_BUCKETS, "", ""),
    GOOD("GET", "/?x-id=ListBuckets&max-buckets=3", LIST_BUCKETS, "", ""),
    GOOD("PUT", "/bucket", CREATE_BUCKET, "bucket", ""),
    GOOD("PUT", "/bucket/", CREATE_BUCKET, "bucket", ""),
    GOOD("HEAD", "/bucket", HEAD_BUCKET, "bucket", ""),
    GOOD("DELETE", "/bucket", DELETE_BUCKET, "bucket", ""),
    GOOD("GET", "/bucket?location", GET_BUCKET_LOCATION, "bucket", ""),
    GOOD("GET", "/bucket?location=", GET_BUCKET_LOCATION, "bucket", ""),
    GOOD("GET", "/bucket", LIST_OBJECTS, "bucket", ""),
    GOOD("GET", "/bucket?prefix=a&delimiter=%2F", LIST_OBJECTS, "bucket", ""),
    GOOD("GET", "/bucket?list-type=1", LIST_OBJECTS, "bucket", ""),
    GOOD("GET", "/bucket?list-type=2&prefix=", LIST_OBJECTS_V2, "bucket", ""),
    GOOD("GET", "/bucket?versions&key-marker=a&version-id-marker=null", LIST_OBJECT_VERSIONS,
         "bucket", ""),
    GOOD("GET", "/bucket?uploads", LIST_MULTIPART_UPLOADS, "bucket", ""),
    GOOD("POST", "/bucket?delete", DELETE_OBJECTS, "bucket", ""),
    GOOD("GET", "/bucket?acl", GET_BUCKET_ACL, "bucket", ""),
    GOOD("PUT", "/bucket?acl", PUT_BUCKET_ACL, "bucket", ""),
    GOOD("GET", "/bucket?versioning", GET_BUCKET_VERSIONING, "bucket", ""),
    GOOD("GET", "/bucket?policy", GET_BUCKET_POLICY, "bucket", ""),
    GOOD("GET", "/bucket?policyStatus", GET_BUCKET_POLICY_STATUS, "bucket", ""),
    GOOD("GET", "/bucket?cors", GET_BUCKET_CORS, "bucket", ""),
    GOOD("GET", "/bucket?encryption", GET_BUCKET_ENCRYPTION, "bucket", ""),
    GOOD("GET", "/bucket?lifecycle", GET_BUCKET_LIFECYCLE, "bucket", ""),
    GOOD("GET", "/bucket?logging", GET_BUCKET_LOGGING, "bucket", ""),
    GOOD("GET", "/bucket?notification", GET_BUCKET_NOTIFICATION, "bucket", ""),
    GOOD("GET", "/bucket?object-lock", GET_BUCKET_OBJECT_LOCK, "bucket", ""),
    GOOD("GET", "/bucket?ownershipControls", GET_BUCKET_OWNERSHIP, "bucket", ""),
    GOOD("GET", "/bucket?publicAccessBlock", GET_BUCKET_PUBLIC_ACCESS_BLOCK, "bucket", ""),
    GOOD("GET", "/bucket?replication", GET_BUCKET_REPLICATION, "bucket", ""),
    GOOD("GET", "/bucket?requestPayment", GET_BUCKET_REQUEST_PAYMENT, "bucket", ""),
    GOOD("GET", "/bucket?tagging", GET_BUCKET_TAGGING, "bucket", ""),
    GOOD("GET", "/bucket?website", GET_BUCKET_WEBSITE, "bucket", ""),
    GOOD("GET", "/bucket?accelerate", GET_BUCKET_ACCELERATE, "bucket", ""),
    GOOD("DELETE", "/bucket?policy", DELETE_BUCKET_POLICY, "bucket", ""),
    GOOD("DELETE", "/bucket?lifecycle", DELETE_BUCKET_LIFECYCLE, "bucket", ""),
    GOOD("PUT", "/bucket/key", PUT_OBJECT, "bucket", "key"),
    GOOD("PUT", "/bucket/key?x-id=PutObject", PUT_OBJECT, "bucket", "key"),
    GOOD("GET", "/bucket/key", GET_OBJECT, "bucket", "key"),
    GOOD("GET", "/bucket/key?versionId=null", GET_OBJECT, "bucket", "key"),
    GOOD("GET", "/bucket/key?cache-buster=17", GET_OBJECT, "bucket", "key"),
    GOOD("GET", "/bucket/key?response-content-type=a%2Fb", GET_OBJECT, "bucket", "key"),
    GOOD("GET", "/bucket/key?partNumber=3", GET_OBJECT, "bucket", "key"),
    GOOD("HEAD", "/bucket/key", HEAD_OBJECT, "bucket", "key"),
    GOOD("DELETE", "/bucket/key", DELETE_OBJECT, "bucket", "key"),
    GOOD("POST", "/bucket/key?uploads", CREATE_MULTIPART_UPLOAD, "bucket", "key"),
    GOOD("PUT", "/bucket/key?uploadId=u&partNumber=1", UPLOAD_PART, "bucket", "key"),
    GOOD("PUT", "/bucket/key?partNumber=10000&uploadId=u", UPLOAD_PART, "bucket", "key"),
    GOOD("POST", "/bucket/key?uploadId=u", COMPLETE_MULTIPART_UPLOAD, "bucket", "key"),
    GOOD("DELETE", "/bucket/key?uploadId=u", ABORT_MULTIPART_UPLOAD, "bucket", "key"),
    GOOD("GET", "/bucket/key?uploadId=u&max-parts=5", LIST_PARTS, "bucket", "key"),
    GOOD("GET", "/bucket/key?acl", GET_OBJECT_ACL, "bucket", "key"),
    GOOD("PUT", "/bucket/key?acl", PUT_OBJECT_ACL, "bucket", "key"),
    GOOD("GET", "/bucket/key?tagging", GET_OBJECT_TAGGING, "bucket", "key"),
    GOOD("DELETE", "/bucket/key?tagging", DELETE_OBJECT_TAGGING, "bucket", "key"),
    GOOD("GET", "/bucket/key?legal-hold", GET_OBJECT_LEGAL_HOLD, "bucket", "key"),
    GOOD("GET", "/bucket/key?retention", GET_OBJECT_RETENTION, "bucket", "key"),
    GOOD("OPTIONS", "/bucket/key", PREFLIGHT, "bucket", "key"),
    GOOD("OPTIONS", "*", PREFLIGHT, "", ""),
    /* keys are names, not paths */
    GOOD("GET", "/bucket//key", GET_OBJECT, "bucket", "/key"),
    GOOD("GET", "/bucket/a//b/", GET_OBJECT, "bucket", "a//b/"),
    GOOD("GET", "/bucket/..", GET_OBJECT, "bucket", ".."),
    GOOD("GET", "/bucket/../other/x", GET_OBJECT, "bucket", "../other/x"),
    GOOD("GET", "/bucket/./.", GET_OBJECT, "bucket", "./."),
    GOOD("GET", "/bucket/a+b%20c%2Bd", GET_OBJECT, "bucket", "a+b c+d"),
    GOOD("GET", "/bucket/a%2Fb%3Fc%23d", GET_OBJECT, "bucket", "a/b?c#d"),
    GOOD("GET", "/bucket/%E2%82%AC", GET_OBJECT, "bucket", "\xE2\x82\xAC"),
    GOOD("GET", "/bucket/\xE2\x82\xAC", GET_OBJECT, "bucket", "\xE2\x82\xAC"),
    GOOD("GET", "/buc%6Bet/key", GET_OBJECT, "bucket", "key"),
    GOOD("GET", "http://127.0.0.1:9000/bucket/key", GET_OBJECT, "bucket", "key"),
    GOOD("GET", "http://127.0.0.1:9000", LIST_BUCKETS, "", ""),
    GOOD("GET", "/bucket/key?&&x-id=a&", GET_OBJECT, "bucket", "key"),
    /* virtual-host style */
    VHOST("bucket.s3.example.org", "/", LIST_OBJECTS, "bucket", ""),
    VHOST("bucket.s3.example.org:9000", "/key/x", GET_OBJECT, "bucket", "key/x"),
    VHOST("BUCKET.S3.Example.ORG.", "/key", GET_OBJECT, "bucket", "key"),
    VHOST("a.dotted.bucket.s3.example.org", "/key", GET_OBJECT, "a.dotted.bucket", "key"),
    VHOST("bucket.localhost:80", "/other/key", GET_OBJECT, "bucket", "other/key"),
    VHOST("s3.example.org", "/bucket/key", GET_OBJECT, "bucket", "key"),
    VHOST("localhost", "/", LIST_BUCKETS, "", ""),
    VHOST("buckets3.example.org", "/bucket/key", GET_OBJECT, "bucket", "key"),
    VHOST("bucket.s3.example.org", "//key", GET_OBJECT, "bucket", "/key"),
    VHOST("[::1]:9000", "/bucket/key", GET_OBJECT, "bucket", "key"),
    {"GET", "Bad_Name.localhost", "/", S3_ERR_INVALID_BUCKET_NAME, S3_OP_NONE, NULL, NULL},
    /* sub-resources that are not done, or not known, are never the plain operation */
    BAD("PUT", "/bucket?policy", NOT_IMPLEMENTED),
    BAD("PUT", "/bucket?versioning", NOT_IMPLEMENTED),
    BAD("PUT", "/bucket/key?policy", NOT_IMPLEMENTED),
    BAD("PUT", "/bucket/key?tagging", NOT_IMPLEMENTED),
    BAD("PUT", "/bucket/key?retention", NOT_IMPLEMENTED),
    BAD("GET", "/bucket/key?torrent", NOT_IMPLEMENTED),
    BAD("GET", "/bucket/key?attributes", NOT_IMPLEMENTED),
    BAD("POST", "/bucket/key?select&select-type=2", NOT_IMPLEMENTED),
    BAD("POST", "/bucket/key?restore", NOT_IMPLEMENTED),
    BAD("GET", "/bucket?analytics&id=1", NOT_IMPLEMENTED),
    BAD("GET", "/bucket?foo", NOT_IMPLEMENTED),
    BAD("GET", "/bucket/key?foo=", NOT_IMPLEMENTED),
    BAD("PUT", "/bucket/key?foo=bar", NOT_IMPLEMENTED),
    BAD("DELETE", "/bucket?foo=bar", NOT_IMPLEMENTED),
    BAD("DELETE", "/bucket?versions", NOT_IMPLEMENTED),
    BAD("HEAD", "/bucket?acl", NOT_IMPLEMENTED),
    BAD("PUT", "/bucket/key?uploads", NOT_IMPLEMENTED),
    BAD("GET", "/bucket/key?Policy", NOT_IMPLEMENTED),
    BAD("GET", "/?usage", NOT_IMPLEMENTED),
    BAD("POST", "/bucket", NOT_IMPLEMENTED),
    BAD("GET", "/bucket?acl&policy", INVALID_ARGUMENT),
    BAD("GET", "/bucket?list-type=3", INVALID_ARGUMENT),
    /* methods */
    BAD("POST", "/", METHOD_NOT_ALLOWED),
    BAD("PUT", "/", METHOD_NOT_ALLOWED),
    BAD("DELETE", "/", METHOD_NOT_ALLOWED),
    BAD("POST", "/bucket/key", METHOD_NOT_ALLOWED),
    BAD("PATCH", "/bucket/key", METHOD_NOT_ALLOWED),
    BAD("get", "/bucket/key", METHOD_NOT_ALLOWED),
    BAD("", "/bucket/key", METHOD_NOT_ALLOWED),
    /* parts */
    BAD("PUT", "/bucket/key?uploadId=u", INVALID_ARGUMENT),
    BAD("PUT", "/bucket/key?partNumber=1", INVALID_ARGUMENT),
    BAD("PUT", "/bucket/key?partNumber=0&uploadId=u", INVALID_ARGUMENT),
    BAD("PUT", "/bucket/key?partNumber=10001&uploadId=u", INVALID_ARGUMENT),
    BAD("PUT", "/bucket/key?partNumber=-1&uploadId=u", INVALID_ARGUMENT),
    BAD("PUT", "/bucket/key?partNumber=one&uploadId=u", INVALID_ARGUMENT),
    BAD("PUT", "/bucket/key?partNumber=99999999999999999999&uploadId=u", INVALID_ARGUMENT),
    BAD("GET", "/bucket/key?partNumber=0", INVALID_ARGUMENT),
    BAD("DELETE", "/bucket/key?uploadId=", INVALID_ARGUMENT),
    /* URIs */
    BAD("GET", "/bucket/%", INVALID_URI),
    BAD("GET", "/bucket/%2", INVALID_URI),
    BAD("GET", "/bucket/%zz", INVALID_URI),
    BAD("GET", "/bucket/%FF", INVALID_URI),
    BAD("GET", "/bucket/%C0%AF", INVALID_URI),
    BAD("GET", "/bucket/%ED%A0%80", INVALID_URI),
    BAD("GET", "/bucket/%F4%90%80%80", INVALID_URI),
    BAD("GET", "/bucket/%E2%82", INVALID_URI),
    BAD("GET", "/bucket?prefix=%FF", INVALID_URI),
    BAD("GET", "/bucket?prefix=%4", INVALID_URI),
    BAD("GET", "bucket/key", INVALID_URI),
    BAD("GET", "", INVALID_URI),
    BAD("GET", "*", INVALID_URI),
    BAD("GET", "?prefix=a", INVALID_URI),
    /* bucket names */
    BAD("GET", "//key", INVALID_BUCKET_NAME),
    BAD("GET", "/ab/key", INVALID_BUCKET_NAME),
    BAD("GET", "/Bucket/key", INVALID_BUCKET_NAME),
    BAD("GET", "/../key", INVALID_BUCKET_NAME),
    BAD("PUT", "/192.168.5.4", INVALID_BUCKET_NAME),
};

static void check_case(const struct request_case *c)
{
    struct testing_request t;
    testing_init(&t);
    testing_header(&t, "Host", c->host);
    enum s3_code code = testing_parse(&t, c->method, c->target);
    if (code != c->code || t.request.op != c->op) {
        print_error("%s %s: %s %s\n", c->method, c->target, s3_code_name(code),
                    s3_op_name(t.request.op));
    }
    assert_int_equal(code, c->code);
    assert_int_equal(t.request.op, c->op);
    if (code == S3_OK) {
        assert_true(bytes_eq_str(t.request.bucket, c->bucket));
        assert_true(bytes_eq_str(t.request.key, c->key));
    } else {
        assert_int_equal(t.error.code, code);
    }
    testing_free(&t);
}

static void table(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        check_case(&cases[i]);
    }
}

static void key_lengths(void **state)
{
    (void)state;
    char target[2 + 7 + 1100] = "/bucket/";
    memset(target + 8, 'k', 1025);
    struct testing_request t;
    testing_init(&t);
    assert_int_equal(testing_parse(&t, "PUT", target), S3_ERR_KEY_TOO_LONG);
    assert_true(bytes_eq_str(s3_error_find(&t.error, "Size"), "1025"));
    assert_true(bytes_eq_str(s3_error_find(&t.error, "MaxSizeAllowed"), "1024"));
    target[8 + 1024] = 0;
    assert_int_equal(testing_parse(&t, "PUT", target), S3_OK);
    assert_int_equal(t.request.key.len, 1024);
    testing_free(&t);
}

static void zero_bytes_in_keys(void **state)
{
    (void)state;
    struct testing_request t;
    testing_init(&t);
    assert_int_equal(testing_parse(&t, "PUT", "/bucket/a%00b"), S3_OK);
    assert_int_equal(t.request.key.len, 3);
    assert_memory_equal(t.request.key.data, "a\0b", 3);
    testing_free(&t);
}

static void query_is_decoded(void **state)
{
    (void)state;
    struct testing_request t;
    testing_init(&t);
    assert_int_equal(
        testing_parse(&t, "GET", "/bucket?prefix=a+b%2Bc&delimiter==&marker&prefix=second"), S3_OK);
    assert_true(bytes_eq_str(s3_query_find(&t.request, "prefix"), "a b+c"));
    assert_true(bytes_eq_str(s3_query_find(&t.request, "delimiter"), "="));
    assert_true(bytes_eq_str(s3_query_find(&t.request, "marker"), ""));
    assert_non_null(s3_query_find(&t.request, "marker").data);
    assert_null(s3_query_find(&t.request, "max-keys").data);
    assert_int_equal(t.request.query_count, 4);
    assert_false(t.request.query[2].has_value);
    testing_free(&t);
}

static void too_many_parameters(void **state)
{
    (void)state;
    char target[16 + 4 * S3_QUERY_ITEMS_MAX] = "/bucket?";
    for (size_t i = 0; i < S3_QUERY_ITEMS_MAX; i++) {
        memcpy(target + 8 + i * 3, "a=&", 4);
    }
    struct testing_request t;
    testing_init(&t);
    assert_int_equal(testing_parse(&t, "GET", target), S3_ERR_INVALID_URI);
    testing_free(&t);
}

struct source_case {
    const char *value;
    const char *bucket; /* NULL: InvalidArgument */
    const char *key;
    const char *version;
};

static void copy_sources(void **state)
{
    (void)state;
    static const struct source_case sources[] = {
        {"/bucket/key", "bucket", "key", NULL},
        {"bucket/key", "bucket", "key", NULL},
        {"bucket/a%20b%2Bc+d/e", "bucket", "a b+c+d/e", NULL},
        {"bucket%2Fkey", "bucket", "key", NULL},
        {"%2Fbucket%2Fkey", "bucket", "key", NULL},
        {"bucket/key?versionId=null", "bucket", "key", "null"},
        {"bucket/key%3FversionId=x", "bucket", "key?versionId=x", NULL},
        {"bucket/../up", "bucket", "../up", NULL},
        {"bucket//key", "bucket", "/key", NULL},
        {"bucket", NULL, NULL, NULL},
        {"bucket/", NULL, NULL, NULL},
        {"", NULL, NULL, NULL},
        {"/", NULL, NULL, NULL},
        {"B/key", NULL, NULL, NULL},
        {"bucket/%zz", NULL, NULL, NULL},
        {"bucket/%FF", NULL, NULL, NULL},
    };
    for (size_t i = 0; i < COUNT_OF(sources); i++) {
        struct testing_request t;
        struct s3_copy_source source;
        testing_init(&t);
        testing_header(&t, "X-Amz-Copy-Source", sources[i].value);
        assert_int_equal(testing_parse(&t, "PUT", "/dest/key"), S3_OK);
        assert_int_equal(t.request.op, S3_OP_COPY_OBJECT);
        enum s3_code code = s3_copy_source_parse(&t.arena, &t.request, &source, &t.error);
        if (sources[i].bucket == NULL) {
            assert_int_equal(code, S3_ERR_INVALID_ARGUMENT);
        } else {
            assert_int_equal(code, S3_OK);
            assert_true(bytes_eq_str(source.bucket, sources[i].bucket));
            assert_true(bytes_eq_str(source.key, sources[i].key));
            assert_int_equal(source.version_id.data != NULL, sources[i].version != NULL);
        }
        testing_free(&t);
    }
}

static void copies_need_put(void **state)
{
    (void)state;
    struct testing_request t;
    testing_init(&t);
    testing_header(&t, "x-amz-copy-source", "bucket/key");
    assert_int_equal(testing_parse(&t, "PUT", "/dest/key?uploadId=u&partNumber=2"), S3_OK);
    assert_int_equal(t.request.op, S3_OP_UPLOAD_PART_COPY);
    assert_int_equal(t.request.part_number, 2);
    assert_int_equal(testing_parse(&t, "GET", "/dest/key"), S3_ERR_INVALID_ARGUMENT);
    assert_int_equal(testing_parse(&t, "PUT", "/dest"), S3_ERR_INVALID_ARGUMENT);
    assert_true(bytes_eq_str(s3_error_find(&t.error, "ArgumentName"), "x-amz-copy-source"));
    testing_free(&t);
}

static void preflights(void **state)
{
    (void)state;
    struct testing_request t;
    testing_init(&t);
    assert_int_equal(testing_parse(&t, "OPTIONS", "/bucket/key"), S3_OK);
    assert_int_equal(s3_preflight_refuse(&t.request, &t.error), S3_ERR_BAD_REQUEST);
    testing_header(&t, "Origin", "http://example.org");
    testing_header(&t, "Access-Control-Request-Method", "PUT");
    assert_int_equal(testing_parse(&t, "OPTIONS", "/bucket/key"), S3_OK);
    assert_int_equal(s3_preflight_refuse(&t.request, &t.error), S3_ERR_ACCESS_FORBIDDEN);
    assert_int_equal(s3_code_status(t.error.code), 403);
    assert_true(bytes_eq_str(s3_error_find(&t.error, "Method"), "PUT"));
    assert_true(bytes_eq_str(s3_error_find(&t.error, "ResourceType"), "OBJECT"));
    testing_free(&t);
}

static void version_ids(void **state)
{
    (void)state;
    struct testing_request t;
    bytes key = bytes_str("key");
    testing_init(&t);
    assert_int_equal(s3_version_check(key, (bytes){NULL, 0}, &t.error), S3_OK);
    assert_int_equal(s3_version_check(key, bytes_str("null"), &t.error), S3_OK);
    assert_int_equal(s3_version_check(key, bytes_str(""), &t.error), S3_ERR_INVALID_ARGUMENT);
    assert_int_equal(s3_version_check(key, bytes_str("v1"), &t.error), S3_ERR_NO_SUCH_VERSION);
    assert_true(bytes_eq_str(s3_error_find(&t.error, "VersionId"), "v1"));
    testing_free(&t);
}

static void object_urls(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        const char *target;
        const char *url;
    } urls[] = {
        {"h:9000", "/bucket/a%20b/c", "http://h:9000/bucket/a%20b/c"},
        {"bucket.localhost", "/a+b", "http://bucket.localhost/a%2Bb"},
    };
    for (size_t i = 0; i < COUNT_OF(urls); i++) {
        struct testing_request t;
        struct buf out;
        testing_init(&t);
        buf_init(&out, KIB(4));
        testing_header(&t, "Host", urls[i].host);
        assert_int_equal(testing_parse(&t, "GET", urls[i].target), S3_OK);
        s3_put_object_url(&out, &t.request);
        assert_true(bytes_eq_str(buf_bytes(&out), urls[i].url));
        buf_free(&out);
        testing_free(&t);
    }
}

static void bucket_names(void **state)
{
    (void)state;
    static const char *const good[] = {
        "abc",  "a.b.c",   "my-bucket", "1bucket",   "bucket-1.with.dots",
        "a--b", "192.168", "0.0.0.0.0", "foo1.2.3.4"};
    static const char *const bad[] = {"",         "a",         "ab",       "-abc",    "abc-",
                                      ".abc",     "abc.",      "a..b",     "a.-b",    "a-.b",
                                      "foo_bar",  "Foo",       "foo bar",  "1.2.3.4", "xn--foo",
                                      "sthree-x", "x-s3alias", "x--ol-s3", "foo/bar", "foo\xC3\xA4",
                                      "x--x-s3",  "foo.mrap",  "a.b..c"};
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        assert_true(s3_bucket_name_valid(bytes_str(good[i])));
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_false(s3_bucket_name_valid(bytes_str(bad[i])));
    }
    char name[65];
    memset(name, 'a', sizeof name);
    assert_true(s3_bucket_name_valid(bytes_make(name, 63)));
    assert_false(s3_bucket_name_valid(bytes_make(name, 64)));
}

static void operations_have_rows(void **state)
{
    (void)state;
    for (int op = S3_OP_NONE; op < S3_OP_COUNT; op++) {
        assert_non_null(s3_op_name((enum s3_op)op));
    }
    assert_int_equal(s3_op_body(S3_OP_PUT_OBJECT), S3_BODY_STREAM);
    assert_int_equal(s3_op_body(S3_OP_DELETE_OBJECTS), S3_BODY_XML);
    assert_int_equal(s3_op_level(S3_OP_LIST_PARTS), S3_LEVEL_OBJECT);
}

static void error_xml(void **state)
{
    (void)state;
    struct testing_request t;
    testing_init(&t);
    assert_int_equal(testing_parse(&t, "PUT", "/bucket/key?partNumber=%3Cx%3E&uploadId=u"),
                     S3_ERR_INVALID_ARGUMENT);
    struct buf out;
    buf_init(&out, KIB(64));
    s3_error_write(&out, &t.error, bytes_str("/bucket/key"), bytes_str("ID1"), bytes_str("HOST"));
    buf_put_u8(&out, 0);
    const char *text = (const char *)out.data;
    assert_non_null(strstr(text, "<Error><Code>InvalidArgument</Code><Message>Part number"));
    assert_non_null(strstr(text, "<ArgumentName>partNumber</ArgumentName>"));
    assert_non_null(strstr(text, "<ArgumentValue>&lt;x&gt;</ArgumentValue>"));
    assert_non_null(strstr(text, "<Resource>/bucket/key</Resource><RequestId>ID1</RequestId>"
                                 "<HostId>HOST</HostId></Error>"));
    buf_free(&out);
    testing_free(&t);
}

static void error_table(void **state)
{
    (void)state;
    for (int code = S3_OK + 1; code < S3_CODE_COUNT; code++) {
        int status = s3_code_status((enum s3_code)code);
        assert_true(status == 304 || (status >= 400 && status <= 599));
        assert_true(strlen(s3_code_name((enum s3_code)code)) > 3);
        assert_true(strlen(s3_code_message((enum s3_code)code)) > 3);
    }
    assert_int_equal(s3_code_status(S3_ERR_NO_SUCH_KEY), 404);
    assert_string_equal(s3_code_name(S3_ERR_NO_SUCH_KEY), "NoSuchKey");
    assert_int_equal(s3_code_of_fault(ok()), S3_OK);
    assert_int_equal(s3_code_of_fault((err){ERR_NO_SPACE}), S3_ERR_INSUFFICIENT_STORAGE);
    assert_int_equal(s3_code_of_fault((err){ERR_INTEGRITY}), S3_ERR_INTERNAL);
}

/* A full arena must lose details, never the code. */
static void errors_survive_a_full_arena(void **state)
{
    (void)state;
    struct arena arena;
    struct s3_error error;
    arena_init(&arena, 16);
    s3_error_init(&error, &arena);
    assert_int_equal(s3_refuse_text(&error, S3_ERR_INVALID_REQUEST, "much longer than the arena"),
                     S3_ERR_INVALID_REQUEST);
    assert_string_equal(s3_error_message(&error), "Invalid Request");
    s3_error_add_str(&error, "Field", "a value that does not fit");
    assert_null(s3_error_find(&error, "Field").data);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table),
        cmocka_unit_test(key_lengths),
        cmocka_unit_test(zero_bytes_in_keys),
        cmocka_unit_test(query_is_decoded),
        cmocka_unit_test(too_many_parameters),
        cmocka_unit_test(copy_sources),
        cmocka_unit_test(copies_need_put),
        cmocka_unit_test(preflights),
        cmocka_unit_test(version_ids),
        cmocka_unit_test(object_urls),
        cmocka_unit_test(bucket_names),
        cmocka_unit_test(operations_have_rows),
        cmocka_unit_test(error_xml),
        cmocka_unit_test(error_table),
        cmocka_unit_test(errors_survive_a_full_arena),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

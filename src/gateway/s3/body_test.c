#include "codec/xml.h"
#include "gateway/s3/reply.h"
#include "gateway/s3/testing.h"

#include "tests/support/check.h"

#include <string.h>

#define NOW 784111777
#define NS " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""

static void create_bucket_bodies(void **state)
{
    (void)state;
#define C(inner) "<CreateBucketConfiguration" NS ">" inner "</CreateBucketConfiguration>"
    static const struct {
        const char *body;
        enum s3_code code;
        const char *location; /* NULL: none */
    } cases[] = {
        {"", S3_OK, NULL},
        {" \r\n", S3_OK, NULL},
        {C(""), S3_OK, NULL},
        {C("<LocationConstraint/>"), S3_OK, NULL},
        {C("<LocationConstraint>eu-west-1</LocationConstraint>"), S3_OK, "eu-west-1"},
        {C("<LocationConstraint> my-territory\n</LocationConstraint>"), S3_OK, "my-territory"},
        {"<CreateBucketConfiguration><LocationConstraint>x</LocationConstraint>"
         "</CreateBucketConfiguration>",
         S3_OK, "x"},
        {C("<Tags><Tag><Key>a</Key><Value>b</Value></Tag></Tags>"), S3_ERR_NOT_IMPLEMENTED, NULL},
        {C("<Bucket><Type>Directory</Type></Bucket>"), S3_ERR_NOT_IMPLEMENTED, NULL},
        {"<Other/>", S3_ERR_MALFORMED_XML, NULL},
        {"<CreateBucketConfiguration>", S3_ERR_MALFORMED_XML, NULL},
        {"{}", S3_ERR_MALFORMED_XML, NULL},
        {"<!DOCTYPE a [<!ENTITY b \"c\">]>" C(""), S3_ERR_MALFORMED_XML, NULL},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct testing_request t;
        bytes location;
        testing_init(&t);
        assert_int_equal(
            s3_body_create_bucket(&t.arena, bytes_str(cases[i].body), &location, &t.error),
            cases[i].code);
        if (cases[i].code == S3_OK) {
            assert_int_equal(location.data != NULL, cases[i].location != NULL);
            assert_true(location.data == NULL || bytes_eq_str(location, cases[i].location));
        }
        testing_free(&t);
    }
}

static void delete_bodies(void **state)
{
    (void)state;
#define D(inner) "<Delete" NS ">" inner "</Delete>"
#define O(inner) "<Object>" inner "</Object>"
    static const struct {
        const char *body;
        enum s3_code code;
        size_t count;
        bool quiet;
    } cases[] = {
        {D(O("<Key>a</Key>")), S3_OK, 1, false},
        {D(O("<Key>a</Key>") "<Quiet>true</Quiet>"), S3_OK, 1, true},
        {D("<Quiet>false</Quiet>" O("<Key>a</Key>") O("<Key>b</Key>")), S3_OK, 2, false},
        {D(O("<Key></Key>")), S3_OK, 1, false}, /* refused per key */
        {D(O("<Key>a</Key><VersionId>null</VersionId><ETag>&quot;e&quot;</ETag><Size>3</Size>"
             "<LastModifiedTime>Sun, 06 Nov 1994 08:49:37 GMT</LastModifiedTime>")),
         S3_OK, 1, false},
        {D(O("<Key>a</Key><LastModifiedTime>1994-11-06T08:49:37.000Z</LastModifiedTime>")), S3_OK,
         1, false},
        {D(""), S3_ERR_MALFORMED_XML, 0, false},
        {D(O("")), S3_ERR_MALFORMED_XML, 0, false},
        {D(O("<VersionId>1</VersionId>")), S3_ERR_MALFORMED_XML, 0, false},
        {D(O("<Key>a</Key>") "<Quiet>maybe</Quiet>"), S3_ERR_MALFORMED_XML, 0, false},
        {D(O("<Key>a</Key><Size>three</Size>")), S3_ERR_MALFORMED_XML, 0, false},
        {D(O("<Key>a</Key><LastModifiedTime>soon</LastModifiedTime>")), S3_ERR_MALFORMED_XML, 0,
         false},
        {"", S3_ERR_MALFORMED_XML, 0, false},
        {"<delete/>", S3_ERR_MALFORMED_XML, 0, false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct testing_request t;
        struct s3_delete result;
        testing_init(&t);
        assert_int_equal(s3_body_delete(&t.arena, bytes_str(cases[i].body), NOW, &result, &t.error),
                         cases[i].code);
        if (cases[i].code == S3_OK) {
            assert_int_equal(result.count, cases[i].count);
            assert_int_equal(result.quiet, cases[i].quiet);
        }
        testing_free(&t);
    }
}

static void delete_details(void **state)
{
    (void)state;
    struct testing_request t;
    struct s3_delete result;
    testing_init(&t);
    assert_int_equal(
        s3_body_delete(&t.arena,
                       bytes_str(D(O("<Key> a&amp;\xE2\x82\xAC/../ </Key><VersionId>null"
                                     "</VersionId><ETag>\"e\"</ETag><Size>3</Size>"))),
                       NOW, &result, &t.error),
        S3_OK);
    const struct s3_delete_item *item = &result.items[0];
    assert_true(bytes_eq_str(item->key, " a&\xE2\x82\xAC/../ "));
    assert_true(bytes_eq_str(item->version_id, "null"));
    struct s3_current current = {true, bytes_str("\"e\""), 0, 3};
    assert_int_equal(s3_conditions_delete(&item->conditions, &current, &t.error), S3_OK);
    current.size = 4;
    assert_int_equal(s3_conditions_delete(&item->conditions, &current, &t.error),
                     S3_ERR_PRECONDITION_FAILED);
    testing_free(&t);
}

static enum s3_code delete_many(size_t count)
{
    struct testing_request t;
    struct s3_delete result;
    struct buf body;
    testing_init(&t);
    buf_init(&body, MIB(1));
    buf_put_str(&body, "<Delete>");
    for (size_t i = 0; i < count; i++) {
        buf_format(&body, "<Object><Key>key-%zu</Key></Object>", i);
    }
    buf_put_str(&body, "</Delete>");
    enum s3_code code = s3_body_delete(&t.arena, buf_bytes(&body), NOW, &result, &t.error);
    buf_free(&body);
    testing_free(&t);
    return code;
}

static void limits(void **state)
{
    (void)state;
    assert_int_equal(delete_many(1000), S3_OK);
    assert_int_equal(delete_many(1001), S3_ERR_MALFORMED_XML);
    struct testing_request t;
    struct s3_complete complete;
    testing_init(&t);
    u8 *big = test_calloc(1, S3_BODY_XML_BYTES_MAX + 1);
    assert_int_equal(
        s3_body_complete(&t.arena, bytes_make(big, S3_BODY_XML_BYTES_MAX + 1), &complete, &t.error),
        S3_ERR_MAX_MESSAGE_LENGTH);
    test_free(big);
    testing_free(&t);
}

static void complete_bodies(void **state)
{
    (void)state;
#define M(inner) "<CompleteMultipartUpload" NS ">" inner "</CompleteMultipartUpload>"
#define PART(n, e) "<Part><PartNumber>" n "</PartNumber><ETag>" e "</ETag></Part>"
    static const struct {
        const char *body;
        enum s3_code code;
        size_t count;
    } cases[] = {
        {M(PART("1", "abc")), S3_OK, 1},
        {M(PART("1", "\"abc\"")), S3_OK, 1},
        {M(PART("1", "&quot;abc&quot;") PART("10000", "abc")), S3_OK, 2},
        {M("<Part><ETag>abc</ETag><PartNumber> 2 </PartNumber><Size>9</Size></Part>"), S3_OK, 1},
        {M("<Part><PartNumber>1</PartNumber><ETag>abc</ETag>"
           "<ChecksumCRC32>NhCmhg==</ChecksumCRC32></Part>"),
         S3_OK, 1},
        {M("<Part><PartNumber>1</PartNumber><ETag>abc</ETag>"
           "<ChecksumCRC32>bad</ChecksumCRC32></Part>"),
         S3_ERR_INVALID_PART, 0},
        {M("<Part><PartNumber>1</PartNumber><ETag>abc</ETag>"
           "<ChecksumCRC32>NhCmhg==</ChecksumCRC32><ChecksumCRC32C>NhCmhg==</ChecksumCRC32C>"
           "</Part>"),
         S3_ERR_INVALID_PART, 0},
        {M(""), S3_ERR_MALFORMED_XML, 0},
        {M("<Part><PartNumber>1</PartNumber></Part>"), S3_ERR_MALFORMED_XML, 0},
        {M("<Part><ETag>abc</ETag></Part>"), S3_ERR_MALFORMED_XML, 0},
        {M(PART("one", "abc")), S3_ERR_MALFORMED_XML, 0},
        {M(PART("", "abc")), S3_ERR_MALFORMED_XML, 0},
        {M(PART("-1", "abc")), S3_ERR_MALFORMED_XML, 0},
        {M(PART("0", "abc")), S3_ERR_INVALID_ARGUMENT, 0},
        {M(PART("10001", "abc")), S3_ERR_INVALID_ARGUMENT, 0},
        {"", S3_ERR_MALFORMED_XML, 0},
        {"<CompleteMultipartUpload><Part>", S3_ERR_MALFORMED_XML, 0},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct testing_request t;
        struct s3_complete result;
        testing_init(&t);
        assert_int_equal(s3_body_complete(&t.arena, bytes_str(cases[i].body), &result, &t.error),
                         cases[i].code);
        if (cases[i].code == S3_OK) {
            assert_int_equal(result.count, cases[i].count);
            assert_true(bytes_eq_str(result.parts[0].etag, "abc"));
        }
        testing_free(&t);
    }
}

static void acl_bodies(void **state)
{
    (void)state;
#define ACL(owner, grants)                                                                         \
    "<AccessControlPolicy" NS "><Owner><ID>" owner "</ID></Owner><AccessControlList>" grants       \
    "</AccessControlList></AccessControlPolicy>"
#define GRANT(who, what)                                                                           \
    "<Grant><Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" "                     \
    "xsi:type=\"CanonicalUser\"><ID>" who "</ID></Grantee><Permission>" what                       \
    "</Permission></Grant>"
    static const struct {
        const char *body;
        enum s3_code code;
    } cases[] = {
        {"", S3_OK},
        {ACL("me", GRANT("me", "FULL_CONTROL")), S3_OK},
        {ACL("me", GRANT("me", "FULL_CONTROL") GRANT("you", "READ")), S3_ERR_ACL_NOT_SUPPORTED},
        {ACL("me", GRANT("you", "FULL_CONTROL")), S3_ERR_ACL_NOT_SUPPORTED},
        {ACL("me", GRANT("me", "READ")), S3_ERR_ACL_NOT_SUPPORTED},
        {ACL("me", ""), S3_ERR_ACL_NOT_SUPPORTED},
        {ACL("you", GRANT("me", "FULL_CONTROL")), S3_ERR_ACCESS_DENIED},
        {ACL("me", GRANT("me", "EVERYTHING")), S3_ERR_MALFORMED_XML},
        {ACL("me", "<Grant><Permission>READ</Permission></Grant>"), S3_ERR_MALFORMED_XML},
        {"<AccessControlPolicy/>", S3_ERR_MALFORMED_XML},
        {"<x/>", S3_ERR_MALFORMED_XML},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct testing_request t;
        testing_init(&t);
        assert_int_equal(s3_body_acl(&t.arena, bytes_str(cases[i].body), bytes_str("me"), &t.error),
                         cases[i].code);
        testing_free(&t);
    }
}

/* What we write as an ACL is accepted when it is sent back. */
static void acl_round_trip(void **state)
{
    (void)state;
    struct testing_request t;
    struct buf out;
    struct s3_owner owner = {bytes_str("<me>"), bytes_str("Me & \"Co\"")};
    testing_init(&t);
    buf_init(&out, KIB(4));
    s3_reply_acl(&out, &owner);
    assert_int_equal(s3_body_acl(&t.arena, buf_bytes(&out), owner.id, &t.error), S3_OK);
    buf_free(&out);
    testing_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(create_bucket_bodies), cmocka_unit_test(delete_bodies),
        cmocka_unit_test(delete_details),       cmocka_unit_test(limits),
        cmocka_unit_test(complete_bodies),      cmocka_unit_test(acl_bodies),
        cmocka_unit_test(acl_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

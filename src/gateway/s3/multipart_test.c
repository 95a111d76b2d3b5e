#include "codec/xml.h"
#include "gateway/s3/reply.h"
#include "gateway/s3/testing.h"

#include "tests/support/check.h"

#include <string.h>

/* An upload of three parts with recognisable ETags: number n has 16 bytes of n. */
struct upload {
    struct testing_request t;
    struct s3_stored_part stored[3];
    struct s3_complete complete;
    struct s3_complete_part named[3];
    struct s3_checksum_plan plan;
    struct s3_completed completed;
};

#define ETAG_1 "01010101010101010101010101010101"
#define ETAG_2 "02020202020202020202020202020202"
#define ETAG_5 "05050505050505050505050505050505"

static void upload_init(struct upload *u)
{
    static const u32 numbers[] = {1, 2, 5};
    static const char *const etags[] = {ETAG_1, ETAG_2, ETAG_5};
    memset(u, 0, sizeof *u);
    testing_init(&u->t);
    u->plan = (struct s3_checksum_plan){S3_ALGORITHM_CRC32, S3_CHECKSUM_FULL_OBJECT, true};
    for (size_t i = 0; i < 3; i++) {
        u->stored[i] = (struct s3_stored_part){
            .number = numbers[i],
            .size = i == 2 ? 1 : MIB(5),
            .checksum = {.algorithm = S3_ALGORITHM_CRC32, .b = {(u8)i, 1, 2, 3}}};
        memset(u->stored[i].md5, (int)numbers[i], 16);
        u->named[i] = (struct s3_complete_part){.number = numbers[i], .etag = bytes_str(etags[i])};
    }
    u->complete = (struct s3_complete){u->named, 3};
}

static enum s3_code upload_check(struct upload *u)
{
    assert_int_equal(testing_parse(&u->t, "POST", "/bucket/key?uploadId=up"), S3_OK);
    struct s3_complete_input input = {.request = &u->t.request,
                                      .complete = &u->complete,
                                      .plan = &u->plan,
                                      .stored = u->stored,
                                      .stored_count = 3,
                                      .min_bytes = S3_PART_BYTES_MIN};
    return s3_complete_check(&u->t.arena, &input, &u->completed, &u->t.error);
}

static bool field_is(const struct upload *u, const char *name, const char *value)
{
    return bytes_eq_str(s3_error_find(&u->t.error, name), value);
}

static void complete_succeeds(void **state)
{
    (void)state;
    struct upload u;
    char etag[S3_ETAG_TEXT_BYTES];
    upload_init(&u);
    assert_int_equal(upload_check(&u), S3_OK);
    assert_true(u.completed.size == MIB(10) + 1);
    assert_int_equal(u.completed.count, 3);
    assert_int_equal(u.completed.parts[2]->number, 5);
    /* md5(16 × 01, 16 × 02, 16 × 05) by Python's hashlib */
    assert_string_equal(u.completed.etag, "\"7b766091df3deca3ae255f87b11470be-3\"");
    /* A repeat gets the same ETag from the request alone. */
    assert_true(s3_complete_etag(&u.t.arena, &u.complete, etag));
    assert_string_equal(etag, u.completed.etag);
    testing_free(&u.t);
    /* Parts that are not named are left out. */
    upload_init(&u);
    u.complete.count = 1;
    assert_int_equal(upload_check(&u), S3_OK);
    assert_true(u.completed.size == MIB(5));
    testing_free(&u.t);
}

static void complete_refuses(void **state)
{
    (void)state;
    struct upload u;
    upload_init(&u);
    u.named[1].number = 1;
    assert_int_equal(upload_check(&u), S3_ERR_INVALID_PART_ORDER);
    u.named[0].number = 2;
    u.named[0].etag = u.named[1].etag;
    assert_int_equal(upload_check(&u), S3_ERR_INVALID_PART_ORDER);
    testing_free(&u.t);

    upload_init(&u);
    u.named[2].number = 9999;
    assert_int_equal(upload_check(&u), S3_ERR_INVALID_PART);
    assert_true(field_is(&u, "UploadId", "up"));
    assert_true(field_is(&u, "PartNumber", "9999"));
    assert_true(field_is(&u, "ETag", ETAG_5));
    testing_free(&u.t);

    upload_init(&u);
    u.named[0].etag = bytes_str("ffffffffffffffffffffffffffffffff");
    assert_int_equal(upload_check(&u), S3_ERR_INVALID_PART);
    u.named[0].etag = bytes_str("not an etag");
    assert_int_equal(upload_check(&u), S3_ERR_INVALID_PART);
    char etag[S3_ETAG_TEXT_BYTES];
    assert_false(s3_complete_etag(&u.t.arena, &u.complete, etag));
    testing_free(&u.t);

    upload_init(&u);
    u.stored[1].size = MIB(5) - 1;
    assert_int_equal(upload_check(&u), S3_ERR_ENTITY_TOO_SMALL);
    assert_true(field_is(&u, "ProposedSize", "5242879"));
    assert_true(field_is(&u, "MinSizeAllowed", "5242880"));
    assert_true(field_is(&u, "PartNumber", "2"));
    testing_free(&u.t);
}

static void complete_sizes(void **state)
{
    (void)state;
    static const struct {
        const char *size;
        enum s3_code code;
    } cases[] = {{"10485761", S3_OK},
                 {"10485760", S3_ERR_INVALID_REQUEST},
                 {"-1", S3_ERR_INVALID_REQUEST},
                 {"ten", S3_ERR_INVALID_REQUEST}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct upload u;
        upload_init(&u);
        testing_header(&u.t, "x-amz-mp-object-size", cases[i].size);
        assert_int_equal(upload_check(&u), cases[i].code);
        testing_free(&u.t);
    }
    struct upload u;
    upload_init(&u);
    u.stored[0].size = S3_OBJECT_BYTES_MAX;
    assert_int_equal(upload_check(&u), S3_ERR_ENTITY_TOO_LARGE);
    u.stored[0].size = UINT64_MAX;
    assert_int_equal(upload_check(&u), S3_ERR_ENTITY_TOO_LARGE);
    testing_free(&u.t);
}

static void complete_checksums(void **state)
{
    (void)state;
    struct upload u;
    char text[S3_CHECKSUM_TEXT_BYTES];
    upload_init(&u);
    assert_int_equal(upload_check(&u), S3_OK);
    s3_checksum_write(text, &u.completed.checksum);
    testing_header(&u.t, "x-amz-checksum-crc32", text);
    assert_int_equal(upload_check(&u), S3_OK);
    testing_header(&u.t, "x-amz-checksum-type", "COMPOSITE");
    assert_int_equal(upload_check(&u), S3_ERR_INVALID_REQUEST);
    testing_set(&u.t, "x-amz-checksum-type", "FULL_OBJECT");
    assert_int_equal(upload_check(&u), S3_OK);
    testing_set(&u.t, "x-amz-checksum-crc32", "bad");
    assert_int_equal(upload_check(&u), S3_ERR_BAD_DIGEST);
    testing_set(&u.t, "x-amz-checksum-crc32", "AAAAAA==");
    assert_int_equal(upload_check(&u), S3_ERR_BAD_DIGEST);
    testing_remove(&u.t, "x-amz-checksum-crc32");
    u.named[1].checksum = u.stored[1].checksum;
    assert_int_equal(upload_check(&u), S3_OK);
    u.named[1].checksum.b[0] ^= 1;
    assert_int_equal(upload_check(&u), S3_ERR_INVALID_PART);
    u.named[1].checksum.algorithm = S3_ALGORITHM_SHA1;
    assert_int_equal(upload_check(&u), S3_ERR_INVALID_PART);
    testing_free(&u.t);
}

static void upload_ids(void **state)
{
    (void)state;
    struct testing_request t;
    struct s3_upload_id id = {{1, 2, 255}};
    struct s3_upload_id again;
    char text[S3_UPLOAD_ID_TEXT_BYTES];
    testing_init(&t);
    s3_upload_id_write(text, &id);
    assert_string_equal(text, "0102ff00000000000000000000000000");
    assert_int_equal(s3_upload_id_read(&again, bytes_str(text), &t.error), S3_OK);
    assert_memory_equal(&id, &again, sizeof id);
    static const char *const bad[] = {"", "abc", "0102ff0000000000000000000000000",
                                      "0102ff000000000000000000000000000", "../../x"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_int_equal(s3_upload_id_read(&again, bytes_str(bad[i]), &t.error),
                         S3_ERR_NO_SUCH_UPLOAD);
        assert_true(bytes_eq_str(s3_error_find(&t.error, "UploadId"), bad[i]));
    }
    testing_free(&t);
}

static void sizes(void **state)
{
    (void)state;
    struct testing_request t;
    testing_init(&t);
    assert_int_equal(s3_size_check(S3_PUT_BYTES_MAX, S3_PUT_BYTES_MAX, &t.error), S3_OK);
    assert_int_equal(s3_size_check(S3_PUT_BYTES_MAX + 1, S3_PUT_BYTES_MAX, &t.error),
                     S3_ERR_ENTITY_TOO_LARGE);
    assert_true(bytes_eq_str(s3_error_find(&t.error, "ProposedSize"), "5368709121"));
    assert_true(bytes_eq_str(s3_error_find(&t.error, "MaxSizeAllowed"), "5368709120"));
    testing_free(&t);
}

static void part_ranges(void **state)
{
    (void)state;
    static const u64 parts[] = {10, 20, 3};
    static const struct {
        const char *target;
        size_t count;
        enum s3_code code;
        u64 offset;
        u64 len;
    } cases[] = {
        {"/bucket/key?partNumber=1", 3, S3_OK, 0, 10},
        {"/bucket/key?partNumber=3", 3, S3_OK, 30, 3},
        {"/bucket/key?partNumber=4", 3, S3_ERR_INVALID_PART, 0, 0},
        {"/bucket/key?partNumber=1", 0, S3_OK, 0, 33},
        {"/bucket/key?partNumber=2", 0, S3_ERR_INVALID_PART, 0, 0},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct testing_request t;
        u64 offset = 0;
        u64 len = 0;
        testing_init(&t);
        assert_int_equal(testing_parse(&t, "GET", cases[i].target), S3_OK);
        assert_int_equal(
            s3_part_range(&t.request, parts, cases[i].count, 33, &offset, &len, &t.error),
            cases[i].code);
        assert_true(offset == cases[i].offset && len == cases[i].len);
        testing_header(&t, "Range", "bytes=0-1");
        assert_int_equal(testing_parse(&t, "GET", cases[i].target), S3_OK);
        assert_int_equal(
            s3_part_range(&t.request, parts, cases[i].count, 33, &offset, &len, &t.error),
            S3_ERR_INVALID_REQUEST);
        testing_free(&t);
    }
}

/* ---- answers ---- */

struct answer {
    struct arena arena;
    struct buf out;
    const struct xml_node *root;
    const char *text;
};

static void answer_init(struct answer *a)
{
    arena_init(&a->arena, MIB(4));
    buf_init(&a->out, MIB(1));
}

/* answer_parse: every answer is XML that our own reader takes. */
static void answer_parse(struct answer *a, const char *root)
{
    struct xml_node *node;
    assert_true(is_ok(buf_done(&a->out)));
    assert_true(is_ok(xml_parse(&a->arena, buf_bytes(&a->out), &node)));
    assert_string_equal(node->name, root);
    a->root = node;
    a->text = arena_str(&a->arena, buf_bytes(&a->out));
}

static void answer_free(struct answer *a)
{
    buf_free(&a->out);
    arena_free(&a->arena);
}

static const struct s3_owner owner = {{(const u8 *)"me", 2}, {(const u8 *)"Me & Co", 7}};

static void bucket_answers(void **state)
{
    (void)state;
    struct answer a;
    struct s3_bucket_info buckets[] = {{bytes_str("one"), 784111777042, "cairn-1"},
                                       {bytes_str("two"), 0, "cairn-1"}};
    struct s3_buckets_params params = {.max = 10000};
    answer_init(&a);
    s3_reply_buckets(&a.out, &params, &owner, buckets, 2, false);
    answer_parse(&a, "ListAllMyBucketsResult");
    assert_non_null(strstr(a.text, "<Bucket><Name>one</Name><CreationDate>"
                                   "1994-11-06T08:49:37.042Z</CreationDate></Bucket>"));
    assert_null(strstr(a.text, "ContinuationToken"));
    answer_free(&a);

    answer_init(&a);
    params.paged = true;
    params.prefix = bytes_str("o");
    s3_reply_buckets(&a.out, &params, &owner, buckets, 1, true);
    answer_parse(&a, "ListAllMyBucketsResult");
    assert_non_null(strstr(a.text, "<BucketRegion>cairn-1</BucketRegion>"));
    assert_non_null(strstr(a.text, "<Prefix>o</Prefix>"));
    struct testing_request t;
    bytes token = xml_child_text(a.root, "ContinuationToken");
    testing_init(&t);
    assert_int_equal(testing_parse(&t, "GET",
                                   arena_format(&t.arena, "/?max-buckets=1&continuation-token=%.*s",
                                                (int)token.len, (const char *)token.data)),
                     S3_OK);
    assert_int_equal(s3_buckets_parse(&t.arena, &t.request, &params, &t.error), S3_OK);
    assert_true(bytes_eq_str(params.after, "one"));
    assert_int_equal(params.max, 1);
    testing_free(&t);
    answer_free(&a);
}

static void bad_bucket_pages(void **state)
{
    (void)state;
    static const char *const targets[] = {"/?max-buckets=0", "/?max-buckets=10001",
                                          "/?max-buckets=-1", "/?max-buckets=x",
                                          "/?continuation-token=rubbish"};
    for (size_t i = 0; i < COUNT_OF(targets); i++) {
        struct testing_request t;
        struct s3_buckets_params params;
        testing_init(&t);
        assert_int_equal(testing_parse(&t, "GET", targets[i]), S3_OK);
        assert_int_equal(s3_buckets_parse(&t.arena, &t.request, &params, &t.error),
                         S3_ERR_INVALID_ARGUMENT);
        testing_free(&t);
    }
}

static void locations(void **state)
{
    (void)state;
    struct answer a;
    answer_init(&a);
    s3_reply_location(&a.out, "us-east-1");
    answer_parse(&a, "LocationConstraint");
    assert_int_equal(a.root->text.len, 0);
    answer_free(&a);
    answer_init(&a);
    s3_reply_location(&a.out, "cairn-1");
    answer_parse(&a, "LocationConstraint");
    assert_true(bytes_eq_str(a.root->text, "cairn-1"));
    answer_free(&a);
}

static void object_answers(void **state)
{
    (void)state;
    struct answer a;
    struct s3_checksum crc = {.algorithm = S3_ALGORITHM_CRC32, .b = {0x36, 0x10, 0xa6, 0x86}};
    struct s3_checksum none = {0};
    answer_init(&a);
    s3_reply_copy(&a.out, false, bytes_str("\"e\""), 784111777000, &crc);
    answer_parse(&a, "CopyObjectResult");
    assert_true(bytes_eq_str(xml_child_text(a.root, "ETag"), "\"e\""));
    assert_true(bytes_eq_str(xml_child_text(a.root, "ChecksumCRC32"), "NhCmhg=="));
    assert_true(bytes_eq_str(xml_child_text(a.root, "ChecksumType"), "FULL_OBJECT"));
    answer_free(&a);
    answer_init(&a);
    s3_reply_copy(&a.out, true, bytes_str("\"e\""), 0, &none);
    answer_parse(&a, "CopyPartResult");
    assert_null(xml_child(a.root, "ChecksumType"));
    answer_free(&a);

    struct s3_delete_outcome outcomes[] = {
        {bytes_str("a<b"), {NULL, 0}, S3_OK, NULL},
        {bytes_str("c"), bytes_str("null"), S3_ERR_ACCESS_DENIED, NULL},
        {bytes_str("d"), {NULL, 0}, S3_ERR_KEY_TOO_LONG, "way too long"},
    };
    for (int quiet = 0; quiet < 2; quiet++) {
        answer_init(&a);
        s3_reply_delete(&a.out, outcomes, COUNT_OF(outcomes), quiet == 1);
        answer_parse(&a, "DeleteResult");
        assert_int_equal(strstr(a.text, "<Deleted><Key>a&lt;b</Key></Deleted>") != NULL,
                         quiet == 0);
        assert_non_null(strstr(a.text, "<Error><Key>c</Key><VersionId>null</VersionId>"
                                       "<Code>AccessDenied</Code><Message>Access Denied"));
        assert_non_null(strstr(a.text, "<Message>way too long</Message>"));
        answer_free(&a);
    }
}

static void upload_answers(void **state)
{
    (void)state;
    struct answer a;
    struct s3_checksum sha = {
        .algorithm = S3_ALGORITHM_SHA1, .type = S3_CHECKSUM_COMPOSITE, .part_count = 3};
    answer_init(&a);
    s3_reply_create_upload(&a.out, bytes_str("bucket"), bytes_str("k&k"), bytes_str("up"));
    answer_parse(&a, "InitiateMultipartUploadResult");
    assert_true(bytes_eq_str(xml_child_text(a.root, "Key"), "k&k"));
    assert_true(bytes_eq_str(xml_child_text(a.root, "UploadId"), "up"));
    answer_free(&a);
    answer_init(&a);
    s3_reply_complete(&a.out, bytes_str("http://h/bucket/k"), bytes_str("bucket"), bytes_str("k"),
                      bytes_str("\"e-3\""), &sha);
    answer_parse(&a, "CompleteMultipartUploadResult");
    assert_true(
        bytes_eq_str(xml_child_text(a.root, "ChecksumSHA1"), "AAAAAAAAAAAAAAAAAAAAAAAAAAA=-3"));
    assert_true(bytes_eq_str(xml_child_text(a.root, "ChecksumType"), "COMPOSITE"));
    answer_free(&a);
}

static void part_lists(void **state)
{
    (void)state;
    static const struct {
        const char *target;
        const char *numbers;
        const char *truncated;
        const char *next;
    } cases[] = {
        {"/bucket/key?uploadId=up", "125", "false", "5"},
        {"/bucket/key?uploadId=up&max-parts=2", "12", "true", "2"},
        {"/bucket/key?uploadId=up&max-parts=2&part-number-marker=2", "5", "false", "5"},
        {"/bucket/key?uploadId=up&part-number-marker=3", "5", "false", "5"},
        {"/bucket/key?uploadId=up&part-number-marker=5", "", "false", "0"},
        {"/bucket/key?uploadId=up&max-parts=0", "", "false", "0"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct upload u;
        struct answer a;
        struct s3_parts_params params;
        char numbers[8] = "";
        size_t count = 0;
        upload_init(&u);
        answer_init(&a);
        assert_int_equal(testing_parse(&u.t, "GET", cases[i].target), S3_OK);
        assert_int_equal(s3_parts_parse(&u.t.request, &params, &u.t.error), S3_OK);
        struct s3_parts_info info = {.bucket = bytes_str("bucket"),
                                     .key = bytes_str("key"),
                                     .upload_id = bytes_str("up"),
                                     .owner = owner,
                                     .storage_class = bytes_str("STANDARD"),
                                     .plan = u.plan,
                                     .parts = u.stored,
                                     .count = 3};
        s3_reply_parts(&a.out, &params, &info);
        answer_parse(&a, "ListPartsResult");
        for (const struct xml_node *it = a.root->first_child; it != NULL; it = it->next) {
            if (strcmp(it->name, "Part") == 0) {
                numbers[count++] = (char)xml_child_text(it, "PartNumber").data[0];
                assert_true(xml_child_text(it, "ChecksumCRC32").len == 8);
            }
        }
        assert_string_equal(numbers, cases[i].numbers);
        assert_true(bytes_eq_str(xml_child_text(a.root, "IsTruncated"), cases[i].truncated));
        assert_true(bytes_eq_str(xml_child_text(a.root, "NextPartNumberMarker"), cases[i].next));
        answer_free(&a);
        testing_free(&u.t);
    }
}

static void fixed_answers(void **state)
{
    (void)state;
    struct s3_fixed fixed;
    int count = 0;
    for (int op = S3_OP_NONE; op < S3_OP_COUNT; op++) {
        if (!s3_fixed_answer((enum s3_op)op, &fixed)) {
            continue;
        }
        count++;
        if (fixed.body != NULL) {
            struct arena arena;
            struct xml_node *root;
            arena_init(&arena, KIB(64));
            assert_true(is_ok(xml_parse(&arena, bytes_str(fixed.body), &root)));
            arena_free(&arena);
        }
        assert_true(fixed.code != S3_OK ? fixed.body == NULL
                                        : fixed.status == (fixed.body != NULL ? 200 : 204));
    }
    assert_int_equal(count, 29);
    assert_true(s3_fixed_answer(S3_OP_GET_BUCKET_POLICY, &fixed));
    assert_int_equal(fixed.code, S3_ERR_NO_SUCH_BUCKET_POLICY);
    assert_false(s3_fixed_answer(S3_OP_PUT_OBJECT, &fixed));
    assert_false(s3_fixed_answer(S3_OP_GET_BUCKET_ACL, &fixed));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(complete_succeeds), cmocka_unit_test(complete_refuses),
        cmocka_unit_test(complete_sizes),    cmocka_unit_test(complete_checksums),
        cmocka_unit_test(upload_ids),        cmocka_unit_test(sizes),
        cmocka_unit_test(part_ranges),       cmocka_unit_test(bucket_answers),
        cmocka_unit_test(bad_bucket_pages),  cmocka_unit_test(locations),
        cmocka_unit_test(object_answers),    cmocka_unit_test(upload_answers),
        cmocka_unit_test(part_lists),        cmocka_unit_test(fixed_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

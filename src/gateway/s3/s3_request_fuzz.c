/* Requests as text: whatever is accepted has a valid bucket and key, and every reader of headers
 * and parameters survives it. */
#include "base/assert.h"
#include "gateway/s3/listing.h"
#include "gateway/s3/names.h"
#include "gateway/s3/object_headers.h"
#include "gateway/s3/range.h"
#include "gateway/s3/reply.h"
#include "gateway/s3/testing.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

#define NOW 1700000000

static void check_located(const struct s3_request *request)
{
    assert_that(request->op > S3_OP_NONE && request->op < S3_OP_COUNT);
    if (request->op == S3_OP_PREFLIGHT) {
        return;
    }
    assert_that(s3_op_level(request->op) == request->level);
    assert_that((request->bucket.len > 0) == (request->level != S3_LEVEL_SERVICE));
    assert_that(request->bucket.len == 0 || s3_bucket_name_valid(request->bucket));
    assert_that((request->key.len > 0) == (request->level == S3_LEVEL_OBJECT));
    assert_that(request->key.len <= S3_KEY_BYTES_MAX && s3_utf8_valid(request->key));
    assert_that(request->part_number <= S3_PART_NUMBER_MAX);
}

/* use: a verdict that must be sound but may be any. */
static void use(enum s3_code code) { assert_that((unsigned)code < S3_CODE_COUNT); }

static void read_everything(struct testing_request *t)
{
    struct s3_auth auth = {.payload = S3_PAYLOAD_CHUNKED_UNSIGNED};
    struct s3_stored_headers stored = {0};
    struct s3_stored_headers reply;
    struct s3_integrity integrity;
    struct s3_checksum_plan plan;
    struct s3_conditions conditions;
    struct s3_copy_source source;
    struct s3_range range;
    use(s3_stored_headers_parse(&t->arena, &t->request, &stored, &t->error));
    use(s3_object_headers_check(&t->request, &t->error));
    use(s3_reply_headers(&t->arena, &t->request, S3_AUTH_HEADER, &stored, &reply, &t->error));
    use(s3_copy_headers(&t->arena, &t->request, &stored, true, &reply, &t->error));
    use(s3_integrity_parse(&t->request, &auth, &integrity, &t->error));
    use(s3_checksum_plan_parse(&t->request, &plan, &t->error));
    use(s3_conditions_parse(&t->request, NOW, &conditions, &t->error));
    struct s3_current current = {true, bytes_str("\"e\""), 1, 1};
    use(s3_conditions_read(&conditions, &current, &t->error));
    use(s3_copy_source_parse(&t->arena, &t->request, &source, &t->error));
    if (s3_range_parse(&t->request, 1000, current.etag, 1, NOW, &range, &t->error) == S3_OK) {
        assert_that(range.offset <= 1000 && range.len <= 1000 - range.offset);
    }
    if (s3_range_copy_parse(&t->request, 1000, &range, &t->error) == S3_OK) {
        assert_that(range.offset <= 1000 && range.len <= 1000 - range.offset);
    }
}

static void read_parameters(struct testing_request *t)
{
    struct s3_list_params list;
    struct s3_buckets_params buckets;
    struct s3_parts_params parts;
    use(s3_buckets_parse(&t->arena, &t->request, &buckets, &t->error));
    use(s3_parts_parse(&t->request, &parts, &t->error));
    enum s3_op op = t->request.op;
    if ((op == S3_OP_LIST_OBJECTS || op == S3_OP_LIST_OBJECTS_V2 ||
         op == S3_OP_LIST_OBJECT_VERSIONS || op == S3_OP_LIST_MULTIPART_UPLOADS) &&
        s3_list_parse(&t->arena, &t->request, &list, &t->error) == S3_OK) {
        assert_that(list.max <= S3_LIST_ENTRIES_MAX);
    }
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct testing_request t;
    testing_init(&t);
    enum s3_code code = testing_from_text(&t, bytes_make(data, size));
    if (code == S3_OK) {
        check_located(&t.request);
        read_parameters(&t);
    } else {
        struct buf out;
        assert_that(t.error.code == code && t.request.op == S3_OP_NONE);
        buf_init(&out, MIB(1));
        s3_error_write(&out, &t.error, t.request.path, bytes_str("id"), bytes_str("host"));
        buf_free(&out);
    }
    read_everything(&t);
    testing_free(&t);
    return 0;
}

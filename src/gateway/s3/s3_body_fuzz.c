/* XML bodies: byte 0 chooses the document. What is accepted is within its limits. */
#include "base/assert.h"
#include "gateway/s3/body.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void check_delete(struct arena *arena, bytes body, struct s3_error *error)
{
    struct s3_delete result;
    if (s3_body_delete(arena, body, 1700000000, &result, error) == S3_OK) {
        assert_that(result.count >= 1 && result.count <= S3_DELETE_KEYS_MAX);
        for (size_t i = 0; i < result.count; i++) {
            assert_that(result.items[i].key.data != NULL);
        }
    }
}

static void check_complete(struct arena *arena, bytes body, struct s3_error *error)
{
    struct s3_complete result;
    if (s3_body_complete(arena, body, &result, error) == S3_OK) {
        assert_that(result.count >= 1 && result.count <= S3_COMPLETE_PARTS_MAX);
        for (size_t i = 0; i < result.count; i++) {
            assert_that(result.parts[i].number >= 1);
            assert_that(result.parts[i].number <= S3_PART_NUMBER_MAX);
            assert_that(result.parts[i].etag.data != NULL);
        }
    }
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    struct arena arena;
    struct s3_error error;
    bytes location;
    bytes body = bytes_make(data + 1, size - 1);
    arena_init(&arena, MIB(16));
    s3_error_init(&error, &arena);
    switch (data[0] % 4) {
    case 0:
        check_delete(&arena, body, &error);
        break;
    case 1:
        check_complete(&arena, body, &error);
        break;
    case 2:
        if (s3_body_create_bucket(&arena, body, &location, &error) != S3_OK) {
            assert_that(error.code != S3_OK);
        }
        break;
    case 3:
        if (s3_body_acl(&arena, body, bytes_str("me"), &error) != S3_OK) {
            assert_that(error.code != S3_OK);
        }
        break;
    }
    arena_free(&arena);
    return 0;
}

/* Signed requests as text. Nobody can guess the key, so nothing but an unsigned request (and the
 * signed ones that the corpus starts with) may pass; and changing one byte of the query of what
 * passes must not pass again. */
#include "base/assert.h"
#include "gateway/s3/chunked.h"
#include "gateway/s3/testing.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static bool lookup(void *ctx, bytes access_key, struct s3_secret *ret_secret)
{
    (void)ctx;
    *ret_secret = testing_secret("fuzz");
    return bytes_eq_str(access_key, "AKID");
}

static bool marks_signature(const struct s3_request *request)
{
    return s3_header_find(request, "authorization").len > 0 ||
           s3_query_find(request, "X-Amz-Signature").data != NULL;
}

static void check_signed(struct testing_request *t, const struct s3_auth_config *config)
{
    struct s3_auth auth;
    struct s3_request other = t->request;
    other.path = bytes_str("/another/path");
    assert_that(s3_auth_check(&t->arena, &other, config, &auth, &t->error) ==
                S3_ERR_SIGNATURE_MISMATCH);
    other = t->request;
    other.method_text = bytes_str("OTHER");
    assert_that(s3_auth_check(&t->arena, &other, config, &auth, &t->error) ==
                S3_ERR_SIGNATURE_MISMATCH);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct testing_request t;
    struct s3_auth auth;
    struct s3_auth_config config = {.region = "cairn-1", .now_s = 1700000000, .lookup = lookup};
    testing_init(&t);
    if (testing_from_text(&t, bytes_make(data, size)) == S3_OK) {
        enum s3_code code = s3_auth_check(&t.arena, &t.request, &config, &auth, &t.error);
        assert_that((unsigned)code < S3_CODE_COUNT);
        if (code == S3_OK && auth.kind == S3_AUTH_ANONYMOUS) {
            assert_that(!marks_signature(&t.request));
        } else if (code == S3_OK) {
            assert_that(bytes_eq_str(auth.access_key, "AKID"));
            check_signed(&t, &config);
        } else {
            assert_that(t.error.code == code);
        }
    }
    testing_free(&t);
    return 0;
}

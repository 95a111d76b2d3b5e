/* aws-chunked bodies: byte 0 chooses the mode, bytes 1 and 2 the declared length. However the rest
 * is cut, the verdict and the data are the same, and never more data than declared. */
#include "base/assert.h"
#include "gateway/s3/chunked.h"
#include "gateway/s3/testing.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

struct outcome {
    enum s3_code code;
    struct hash hash;
    u64 len;
};

static struct outcome decode(struct testing_request *t, const struct s3_auth *auth, u64 length,
                             bytes body, size_t step)
{
    struct outcome out = {0};
    struct s3_chunked chunked;
    struct digest digest;
    digest_init(&digest, DIGEST_SHA256);
    s3_chunked_init(&chunked, &t->request, auth, length);
    while (body.len > 0 && out.code == S3_OK) {
        bytes piece = bytes_slice(body, 0, min_size(step, body.len));
        body = s3_tail(body, piece.len);
        while (piece.len > 0 && out.code == S3_OK) {
            bytes span;
            out.code = s3_chunked_next(&chunked, &piece, &span, &t->error);
            if (out.code == S3_OK) {
                digest_update(&digest, span);
                out.len += span.len;
            }
        }
    }
    out.code = out.code == S3_OK ? s3_chunked_finish(&chunked, &t->error) : out.code;
    assert_that(out.len <= length);
    assert_that(out.code != S3_OK || out.len == length);
    digest_final(&digest, out.hash.b);
    s3_chunked_free(&chunked);
    return out;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    static const enum s3_payload modes[] = {S3_PAYLOAD_CHUNKED_UNSIGNED, S3_PAYLOAD_CHUNKED,
                                            S3_PAYLOAD_CHUNKED_TRAILER};
    if (size < 3) {
        return 0;
    }
    struct testing_request t;
    struct s3_auth auth = {.payload = modes[data[0] % COUNT_OF(modes)]};
    auth.signing.scope = bytes_str("20231114/cairn-1/s3/aws4_request");
    testing_init(&t);
    if (data[0] >= 3) {
        testing_header(&t, "x-amz-trailer", "x-amz-checksum-crc32");
    }
    if (testing_parse(&t, "PUT", "/bucket/key") == S3_OK) {
        bytes body = bytes_make(data + 3, size - 3);
        u64 length = load_be16(data + 1);
        struct outcome whole = decode(&t, &auth, length, body, SIZE_MAX);
        struct outcome single = decode(&t, &auth, length, body, 1);
        struct outcome cut = decode(&t, &auth, length, body, 7);
        assert_that(whole.code == single.code && whole.code == cut.code);
        assert_that(whole.len == single.len && hash_eq(&whole.hash, &single.hash));
        assert_that(whole.len == cut.len && hash_eq(&whole.hash, &cut.hash));
    }
    testing_free(&t);
    return 0;
}

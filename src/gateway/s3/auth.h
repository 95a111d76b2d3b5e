/* auth.h: AWS Signature Version 4, as S3 uses it.
 *
 * A request is signed in the Authorization header, or in the query ("presigned"), or not at all.
 * s3_auth_check() builds the canonical request from what arrived, compares the signature in
 * constant time, and says who signed and how the payload is protected. What the client sent is
 * never trusted for canonical form: path and query were decoded once by request.h and are encoded
 * again here (no path normalisation, "/" kept in the path, parameters sorted by encoded name and
 * value).
 *
 * Refused with the code and fields of S3: malformed credentials and wrong scope, skew of more than
 * 15 minutes, expired or not yet valid URLs, unknown keys, headers that must be signed and are not
 * (host and every x-amz-*), wrong signatures (with the strings we signed, so that authors of
 * clients can compare), signature version 2 and the elliptic-curve variant.
 *
 * Secrets come from the caller's lookup and are wiped before return. The signing key that chunk
 * signatures need stays in the result; call s3_auth_wipe() when the request is done.
 *
 * Source: Amazon S3 API reference, "Authenticating Requests (AWS Signature Version 4)".
 */
#ifndef GATEWAY_S3_AUTH_H
#define GATEWAY_S3_AUTH_H

#include "gateway/s3/date.h"
#include "gateway/s3/request.h"

#define S3_SKEW_MAX_S 900
#define S3_PRESIGN_MAX_S 604800
#define S3_SECRET_BYTES_MAX 128
#define S3_ACCESS_KEY_BYTES_MAX 128
#define S3_SIGNED_HEADERS_MAX 128
#define S3_CANONICAL_BYTES_MAX KIB(128)
#define S3_SIGNATURE_CHARS 64

struct s3_secret {
    u8 b[S3_SECRET_BYTES_MAX];
    size_t len; /* 1..S3_SECRET_BYTES_MAX */
};

/* s3_secret_lookup: false: no such access key. */
typedef bool s3_secret_lookup(void *ctx, bytes access_key, struct s3_secret *ret_secret);

struct s3_auth_config {
    const char *region; /* the only one accepted in scopes */
    i64 now_s;          /* the present */
    s3_secret_lookup *lookup;
    void *ctx;
    bool unsigned_needs_tls; /* policy: refuse unsigned payloads in signed plain-http requests */
};

enum s3_auth_kind { S3_AUTH_ANONYMOUS, S3_AUTH_HEADER, S3_AUTH_PRESIGNED };

/* How the body is protected: x-amz-content-sha256. */
enum s3_payload {
    S3_PAYLOAD_UNSIGNED,         /* UNSIGNED-PAYLOAD, or nothing said */
    S3_PAYLOAD_HASH,             /* 64 hex digits: payload_sha256 */
    S3_PAYLOAD_CHUNKED_UNSIGNED, /* STREAMING-UNSIGNED-PAYLOAD-TRAILER */
    S3_PAYLOAD_CHUNKED,          /* STREAMING-AWS4-HMAC-SHA256-PAYLOAD */
    S3_PAYLOAD_CHUNKED_TRAILER,  /* STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER */
};

/* What signs the chunks of a body: each signature covers the one before. */
struct s3_signing {
    struct hash key;                        /* secret */
    char date[S3_BASIC_DATE_BYTES];         /* x-amz-date */
    bytes scope;                            /* "20130524/us-east-1/s3/aws4_request", in the arena */
    char signature[S3_SIGNATURE_CHARS + 1]; /* of the request: the seed */
};

struct s3_auth {
    enum s3_auth_kind kind;
    bytes access_key; /* empty: anonymous; in the arena */
    enum s3_payload payload;
    struct hash payload_sha256;
    struct s3_signing signing; /* zero for anonymous */
};

/* s3_auth_check: *ret_auth is filled only on S3_OK. Scratch and results live in arena. Refusals:
 * AccessDenied, AuthorizationHeaderMalformed, AuthorizationQueryParametersError,
 * InvalidAccessKeyId, InvalidArgument, InvalidRequest, InvalidToken, NotImplemented,
 * RequestTimeTooSkewed, SignatureDoesNotMatch. */
MUST_USE enum s3_code s3_auth_check(struct arena *arena, const struct s3_request *request,
                                    const struct s3_auth_config *config, struct s3_auth *ret_auth,
                                    struct s3_error *error);
void s3_auth_wipe(struct s3_auth *auth);
/* s3_payload_chunked: the body is aws-chunked. */
bool s3_payload_chunked(enum s3_payload payload);

/* ---- building blocks, for chunk signatures and for clients of our own ---- */

/* s3_signing_key: HMAC chain over date (8 digits), region, service, "aws4_request". */
void s3_signing_key(struct hash *out, const struct s3_secret *secret, bytes date, bytes region,
                    bytes service);
/* s3_sign: lower-case hex of HMAC-SHA256 and a zero. */
void s3_sign(char out[S3_SIGNATURE_CHARS + 1], const struct hash *key, bytes string_to_sign);
/* s3_canonical_query: parameters encoded and sorted; the one named `skip` (may be NULL) is left
 * out. Scratch in arena; ERR_LIMIT. */
err s3_canonical_query(struct arena *arena, const struct s3_query_item *items, size_t count,
                       const char *skip, struct buf *out);

/* The parts of a canonical request; `uri` and `query` are already in canonical form. */
struct s3_canonical {
    bytes method;
    bytes uri;
    bytes query;
    const struct s3_header *headers; /* all that arrived, host among them */
    size_t header_count;
    bytes signed_headers; /* "host;x-amz-date" */
    bytes payload_hash;   /* as text */
};
void s3_canonical_request(const struct s3_canonical *parts, struct buf *out);
/* s3_string_to_sign: "AWS4-HMAC-SHA256", date, scope, hash of the canonical request. */
void s3_string_to_sign(bytes date, bytes scope, bytes canonical_request, struct buf *out);

#endif

/* checksum.h: what a client says about the bytes it sends, checked while they stream by; ETags.
 *
 * A body may be covered by Content-MD5, by x-amz-content-sha256, and by one x-amz-checksum-* given
 * in a header or promised for the trailer. s3_integrity_parse() reads what is declared,
 * `struct s3_verifier` runs over the bytes once and computes what is needed: MD5 always (it is the
 * ETag), the declared algorithm, or CRC64NVME if none is declared, so that every object has a
 * checksum of its whole content.
 *
 * Multipart: a COMPOSITE checksum is the checksum of the parts' checksums, written with "-N"; a
 * FULL_OBJECT one is the checksum of the whole content, combined from those of the parts (CRCs
 * only). CRC64NVME is always FULL_OBJECT, SHA-1 and SHA-256 always COMPOSITE, CRC32 and CRC32C may
 * be either.
 *
 * Source: Amazon S3 user guide, "Checking object integrity".
 */
#ifndef GATEWAY_S3_CHECKSUM_H
#define GATEWAY_S3_CHECKSUM_H

#include "crypto/hash.h"
#include "gateway/s3/auth.h"

/* X(name, text, header, XML element, bytes) */
#define S3_ALGORITHM_TABLE(X)                                                                      \
    X(CRC32, "CRC32", "x-amz-checksum-crc32", "ChecksumCRC32", 4)                                  \
    X(CRC32C, "CRC32C", "x-amz-checksum-crc32c", "ChecksumCRC32C", 4)                              \
    X(CRC64NVME, "CRC64NVME", "x-amz-checksum-crc64nvme", "ChecksumCRC64NVME", 8)                  \
    X(SHA1, "SHA1", "x-amz-checksum-sha1", "ChecksumSHA1", 20)                                     \
    X(SHA256, "SHA256", "x-amz-checksum-sha256", "ChecksumSHA256", 32)

enum s3_algorithm {
    S3_ALGORITHM_NONE,
#define S3_ALGORITHM_ENUM(name, text, header, element, bytes_) S3_ALGORITHM_##name,
    S3_ALGORITHM_TABLE(S3_ALGORITHM_ENUM)
#undef S3_ALGORITHM_ENUM
        S3_ALGORITHM_COUNT
};

enum s3_checksum_type { S3_CHECKSUM_FULL_OBJECT, S3_CHECKSUM_COMPOSITE };

#define S3_CHECKSUM_BYTES_MAX 32
#define S3_CHECKSUM_TEXT_BYTES 56 /* base64, "-10000" and a zero */

struct s3_checksum {
    enum s3_algorithm algorithm; /* S3_ALGORITHM_NONE: there is none */
    enum s3_checksum_type type;
    u32 part_count;              /* composite ones: N of "-N"; else 0 */
    u8 b[S3_CHECKSUM_BYTES_MAX]; /* big endian, s3_algorithm_bytes() of it */
};

size_t s3_algorithm_bytes(enum s3_algorithm algorithm);
const char *s3_algorithm_text(enum s3_algorithm algorithm);    /* "CRC32C" */
const char *s3_algorithm_header(enum s3_algorithm algorithm);  /* "x-amz-checksum-crc32c" */
const char *s3_algorithm_element(enum s3_algorithm algorithm); /* "ChecksumCRC32C" */
const char *s3_checksum_type_text(enum s3_checksum_type type); /* "FULL_OBJECT" */
/* s3_algorithm_parse: "crc32c", any case; S3_ALGORITHM_NONE if it is no algorithm of ours. */
enum s3_algorithm s3_algorithm_parse(bytes text);

/* s3_checksum_wanted: x-amz-checksum-mode: ENABLED, the only way to get it back from GET and HEAD.
 */
bool s3_checksum_wanted(const struct s3_request *request);
/* s3_checksum_write: base64, with "-N" for composite ones. */
void s3_checksum_write(char out[S3_CHECKSUM_TEXT_BYTES], const struct s3_checksum *checksum);
/* s3_checksum_read: base64 of exactly the algorithm's length, and "-N" or nothing. */
MUST_USE bool s3_checksum_read(struct s3_checksum *ret_checksum, enum s3_algorithm algorithm,
                               bytes text);
bool s3_checksum_eq(const struct s3_checksum *a, const struct s3_checksum *b);

/* ---- one body ---- */

struct s3_integrity {
    bool has_md5;
    u8 md5[16];
    bool has_sha256; /* x-amz-content-sha256 */
    struct hash sha256;
    struct s3_checksum expected; /* algorithm NONE: nothing declared */
    bool in_trailer;             /* the value comes behind the body */
};

/* s3_integrity_parse: `payload` as auth.h found it. Refusals: InvalidDigest, InvalidRequest (two
 * algorithms, an unknown one, a trailer that is no checksum), BadDigest for a value that is not one
 * of its algorithm. */
MUST_USE enum s3_code s3_integrity_parse(const struct s3_request *request,
                                         const struct s3_auth *auth,
                                         struct s3_integrity *ret_integrity,
                                         struct s3_error *error);
/* s3_integrity_require: for operations that must not act on a damaged body (DeleteObjects …):
 * InvalidRequest unless MD5, a checksum or a payload hash covers it. */
MUST_USE enum s3_code s3_integrity_require(const struct s3_integrity *integrity,
                                           struct s3_error *error);

/* One algorithm running over a body. */
struct s3_summer {
    enum s3_algorithm algorithm;
    u64 crc;
    struct digest digest; /* SHA-1 and SHA-256 */
};

#define S3_SUMMERS_MAX 3 /* of the object, declared, payload hash */

struct s3_verifier {
    struct s3_integrity declared;
    struct s3_summer summers[S3_SUMMERS_MAX]; /* each algorithm once; [0] is the object's */
    size_t summer_count;
    struct digest md5;
    u64 size;
};

struct s3_verified {
    u64 size;
    u8 md5[16];
    struct s3_checksum checksum; /* FULL_OBJECT, of the verifier's algorithm */
    struct s3_checksum declared; /* what the client declared and was found right; or NONE */
};

/* s3_verifier_init: `algorithm` is the one whose value the object (or the part of an upload) keeps;
 * NONE: the declared one, else CRC64NVME. What is declared is checked in any case. */
void s3_verifier_init(struct s3_verifier *verifier, const struct s3_integrity *declared,
                      enum s3_algorithm algorithm);
void s3_verifier_update(struct s3_verifier *verifier, bytes in);
/* s3_verifier_finish: `trailer` is the value promised for the trailer (data NULL: not sent).
 * Releases what init took. Refusals: XAmzContentSHA256Mismatch, BadDigest, MalformedTrailerError.
 */
MUST_USE enum s3_code s3_verifier_finish(struct s3_verifier *verifier, bytes trailer,
                                         struct s3_verified *ret_verified, struct s3_error *error);
/* s3_verifier_free: for bodies that never came to their end; safe after finish. */
void s3_verifier_free(struct s3_verifier *verifier);
/* s3_verify_whole: init, update, finish over a body that is in memory. */
MUST_USE enum s3_code s3_verify_whole(const struct s3_integrity *declared, bytes body,
                                      bytes trailer, struct s3_error *error);

/* ---- multipart ---- */

/* What an upload was created with (x-amz-checksum-algorithm, x-amz-checksum-type). */
struct s3_checksum_plan {
    enum s3_algorithm algorithm; /* never NONE: CRC64NVME if the client did not say */
    enum s3_checksum_type type;
    bool asked; /* the client named it: then it is shown in answers */
};

/* s3_checksum_plan_parse: for CreateMultipartUpload, and CopyObject's x-amz-checksum-algorithm.
 * InvalidRequest for unknown algorithms and pairs that do not exist. */
MUST_USE enum s3_code s3_checksum_plan_parse(const struct s3_request *request,
                                             struct s3_checksum_plan *ret_plan,
                                             struct s3_error *error);
/* s3_checksum_part_check: a part declared with another algorithm than its upload: InvalidRequest.
 */
MUST_USE enum s3_code s3_checksum_part_check(const struct s3_checksum_plan *plan,
                                             const struct s3_integrity *declared,
                                             struct s3_error *error);

struct s3_part_checksum {
    struct s3_checksum checksum; /* of the plan's algorithm */
    u64 size;
};
/* s3_checksum_combine: of the whole object, from its parts in order (count >= 1). */
void s3_checksum_combine(const struct s3_checksum_plan *plan, const struct s3_part_checksum *parts,
                         size_t count, struct s3_checksum *ret_checksum);

/* ---- ETags ---- */

#define S3_ETAG_TEXT_BYTES 42 /* quotes, 32 digits, "-10000", and a zero */

/* s3_etag_single: "\"hex of md5\"". */
void s3_etag_single(char out[S3_ETAG_TEXT_BYTES], const u8 md5[16]);
/* s3_etag_multipart: "\"hex of md5 of the parts' md5s-N\"". `md5s` is count * 16 bytes. */
void s3_etag_multipart(char out[S3_ETAG_TEXT_BYTES], const u8 *md5s, size_t count);
/* s3_etag_strip: without W/ and without quotes. */
bytes s3_etag_strip(bytes etag);
/* s3_etag_eq: equal after s3_etag_strip. */
bool s3_etag_eq(bytes a, bytes b);

#endif

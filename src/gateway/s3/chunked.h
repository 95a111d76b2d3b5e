/* chunked.h: aws-chunked bodies, decoded as they arrive.
 *
 * A body is a row of chunks "HEX[;chunk-signature=…]CRLF data CRLF", ended by one of size zero and,
 * in the TRAILER modes, by "name:value" lines. In the signed modes every chunk's signature covers
 * the signature before it, starting from that of the request, and the trailer has one of its own.
 * The body may itself travel in HTTP chunks; that is the HTTP server's business.
 *
 * The decoder owns a few hundred bytes and the trailer buffer, whatever the body's size. Data is
 * not copied: s3_chunked_next() hands out ranges of its input. A chunk's data is therefore seen
 * before its signature is checked: nothing may be committed before s3_chunked_finish() says S3_OK.
 *
 * Bounds: sizes are checked against the declared x-amz-decoded-content-length before any data of
 * the chunk is let through; a chunk line has at most 1 KiB, the trailer 4 KiB and 8 lines; chunks
 * other than the last hold at least 8 KiB.
 *
 * Trailer lines may end in LF alone, and one empty line may stand before x-amz-trailer-signature:
 * minio-go (restic, mc) writes "name:value LF CRLF x-amz-trailer-signature:… CRLF CRLF".
 *
 * Source: Amazon S3 API reference, "Signature calculations … transferring payload in multiple
 * chunks" and "… including trailing headers".
 */
#ifndef GATEWAY_S3_CHUNKED_H
#define GATEWAY_S3_CHUNKED_H

#include "crypto/hash.h"
#include "gateway/s3/auth.h"

#define S3_CHUNK_BYTES_MIN 8192 /* all but the last */
#define S3_CHUNK_LINE_BYTES_MAX 1024
#define S3_TRAILER_BYTES_MAX 4096
#define S3_TRAILERS_MAX 8

enum s3_chunked_state {
    S3_CHUNKED_LINE, /* in "HEX;…" */
    S3_CHUNKED_DATA,
    S3_CHUNKED_END,     /* in the CRLF behind data */
    S3_CHUNKED_TRAILER, /* behind the chunk of size zero */
    S3_CHUNKED_DONE,
    S3_CHUNKED_FAILED,
};

struct s3_trailer {
    u16 name_at; /* into trailer_bytes; lower case */
    u16 name_len;
    u16 value_at;
    u16 value_len;
};

struct s3_chunked {
    enum s3_chunked_state state;
    enum s3_payload payload;
    struct s3_signing signing; /* signature: of the chunk before */
    struct digest hash;        /* of the current chunk's data; signed modes */
    bool hash_running;
    bytes announced; /* x-amz-trailer */
    u64 length;      /* x-amz-decoded-content-length */
    u64 decoded;
    u64 chunk_left;
    u64 chunk_bytes;
    u64 chunk_number; /* from 1 */
    size_t end_seen;  /* of CRLF */
    u8 line[S3_CHUNK_LINE_BYTES_MAX];
    size_t line_len;
    char chunk_signature[S3_SIGNATURE_CHARS];
    struct s3_trailer trailers[S3_TRAILERS_MAX];
    size_t trailer_count;
    u8 trailer_bytes[S3_TRAILER_BYTES_MAX];
    size_t trailer_len;
    bool trailer_signed;
    bool blank_seen;
};

/* s3_body_length: bytes of object data that the request announces: x-amz-decoded-content-length if
 * the payload is aws-chunked, else the Content-Length that the HTTP server found. Refusals:
 * MissingContentLength, InvalidArgument. */
MUST_USE enum s3_code s3_body_length(const struct s3_request *request, enum s3_payload payload,
                                     bool has_content_length, u64 content_length, u64 *ret_length,
                                     struct s3_error *error);

/* s3_chunked_init: auth->payload is one of the chunked kinds; `length` from s3_body_length().
 * Borrows auth's scope and the request's x-amz-trailer. */
void s3_chunked_init(struct s3_chunked *chunked, const struct s3_request *request,
                     const struct s3_auth *auth, u64 length);
/* s3_chunked_free: also wipes the signing key. Needed after init, in every state. */
void s3_chunked_free(struct s3_chunked *chunked);
/* s3_chunked_next: takes bytes off the front of *in and stops at the first data, *ret_data, a range
 * of what was taken; empty: all input is used up. Call until *in is empty. Refusals:
 * IncompleteBody, InvalidChunkSizeError, MalformedTrailerError, SignatureDoesNotMatch; they latch.
 */
MUST_USE enum s3_code s3_chunked_next(struct s3_chunked *chunked, bytes *in, bytes *ret_data,
                                      struct s3_error *error);
/* s3_chunked_finish: after the last input: IncompleteBody unless everything has been seen. */
MUST_USE enum s3_code s3_chunked_finish(struct s3_chunked *chunked, struct s3_error *error);
/* s3_chunked_trailer: value of a trailer (lower-case name); data NULL if absent. */
bytes s3_chunked_trailer(const struct s3_chunked *chunked, const char *name);

#endif

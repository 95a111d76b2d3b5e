/* s3_client.h: a small S3 client of our own, for the client verbs and for measurements.
 *
 * Path-style requests signed with AWS Signature Version 4 in the header. Without a payload hash
 * bodies go out as UNSIGNED-PAYLOAD; whoever uploads compares the ETag.
 */
#ifndef GATEWAY_CLIENT_S3_CLIENT_H
#define GATEWAY_CLIENT_S3_CLIENT_H

#include "base/arena.h"
#include "net/http.h"

#define S3_CLIENT_KEY_BYTES_MAX 1024
#define S3_CLIENT_BUCKET_BYTES_MAX 63
#define S3_CLIENT_QUERY_MAX 8
#define S3_CLIENT_HEADERS_MAX 8
#define S3_CLIENT_IDLE_MS 120000 /* without a byte, of one call */

struct s3_client {
    struct loop *loop;
    struct http_client *http;
    struct tls_context *tls;
    const char *endpoint; /* all borrowed */
    const char *region;
    const char *access_key;
    const char *secret_key;
};

/* What a gateway answered in place of success. */
struct s3_failure {
    int status;
    char code[64];
    char message[256];
};

struct s3_item {
    const char *name;
    bytes value;
};

struct s3_call {
    const char *method;
    const char *bucket; /* NULL: the service itself */
    bytes key;          /* empty: the bucket itself */
    struct s3_item query[S3_CLIENT_QUERY_MAX];
    size_t query_count;
    struct s3_item
        headers[S3_CLIENT_HEADERS_MAX]; /* lower-case names; x-amz-* and x-cairn-* signed */
    size_t header_count;
    u64 body_length;
    const char *payload_hash; /* SHA-256 of the body in hex, signed; NULL: not signed */
};

/* s3_open: sends the head; the body goes by http_call_write(). */
err s3_open(struct s3_client *s3, const struct s3_call *call, struct http_call **ret_http);
/* s3_answer: waits for the head of the answer. Below 300: ok. Else reads the XML into *failure and
 * returns ERR_NOT_FOUND, ERR_REFUSED, ERR_BUSY or ERR_FAILED. */
err s3_answer(struct s3_client *s3, struct http_call *http, struct s3_failure *failure);
/* s3_simple: a call with a small body both ways; *ret_body lives in arena. An error that comes in
 * the body of a 200 (a long copy or completion) is as one with its own status. */
err s3_simple(struct s3_client *s3, const struct s3_call *call, bytes body, struct arena *arena,
              struct s3_failure *failure, bytes *ret_body);

/* s3_split: "bucket/key", "s3://bucket/key", "bucket". *ret_key borrows from text. False: no bucket
 * name, or a key that is too long. */
MUST_USE bool s3_split(const char *text, char ret_bucket[S3_CLIENT_BUCKET_BYTES_MAX + 1],
                       bytes *ret_key);

#endif

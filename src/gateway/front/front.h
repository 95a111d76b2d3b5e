/* front.h: what the files of the front end share: one request being served, and the steps that
 * operations have in common. Private to this folder.
 *
 * An operation is a function `enum s3_code op(struct front_call *)`. S3_OK: it has answered. Any
 * other code has its details in call->error and becomes the XML answer, unless an answer has begun
 * already (then the connection is cut, which is how HTTP/1.1 says that a body is not whole; but an
 * answer that front_patience began takes the error as its document).
 *
 * Ranges and arrays live in call->arena, which ends with the request. What must be released in
 * between (uploads, readers, views) is released by the function that took it.
 */
#ifndef GATEWAY_FRONT_FRONT_H
#define GATEWAY_FRONT_FRONT_H

#include "gateway/front/s3_server.h"
#include "gateway/s3/body.h"
#include "gateway/s3/checksum.h"
#include "gateway/s3/chunked.h"
#include "gateway/s3/conditions.h"
#include "gateway/s3/listing.h"
#include "gateway/s3/multipart.h"
#include "gateway/s3/object_headers.h"
#include "gateway/s3/range.h"
#include "gateway/s3/reply.h"

#define FRONT_PIECE_BYTES KIB(256)  /* of a body, on its way in or out */
#define FRONT_ON_LOOP_BYTES KIB(16) /* as much is hashed without a worker */
#define FRONT_XML_BYTES_MAX MIB(16) /* of an answer */
#define FRONT_ARENA_BYTES MIB(64)   /* of a request; a Complete of 10,000 parts takes the most */
#define FRONT_SHARED_SLICES_MAX 64  /* more slices in one copied part: it is written again */
#define FRONT_REQUEST_ID_BYTES 17   /* 16 digits and a zero */
#define FRONT_HOST_ID_BYTES 33
#define FRONT_LARGE_BODIES_MAX 4 /* XML bodies over 64 KiB that are in memory at once */

struct front_counters {
    u64 *requests;
    u64 *refused; /* 4xx */
    u64 *failed;  /* 5xx */
    u64 *bytes_in;
    u64 *bytes_out;
};

struct front {
    struct loop *loop;
    struct front_service service;
    struct http_server *http;  /* NULL: not served */
    struct http_server *https; /* NULL: not served */
    struct tls_context *tls;
    char *region;
    bytes *domains;
    size_t domain_count;
    bool unsigned_needs_tls;
    size_t uploads_max;
    size_t uploads;
    u64 service_timeout_ms;
    u64 blank_ms;
    u64 patient_timeout_ms;
    u64 part_bytes_min;
    struct gate large_bodies;
    struct list ending; /* struct front_ending: uploads being completed or aborted */
    struct event ended;
    struct front_counters counters;
    u64 uncounted; /* where counters point without metrics */
};

struct front_call {
    struct front *front;
    struct http_exchange *exchange;
    const struct http_request *http;
    struct arena *arena;
    struct s3_request request;
    struct s3_auth auth;
    struct s3_error error;
    struct gateway_user user; /* who signed; its secret is wiped once that is known */
    bool has_user;
    i64 now_s;
    int status;     /* of the answer, for counters; 0: none yet */
    bool patient;   /* the client is kept waiting: front_patience_begin() */
    bool kept_busy; /* 200 and an XML declaration have been sent; the document may be an error */
    char request_id[FRONT_REQUEST_ID_BYTES];
    char host_id[FRONT_HOST_ID_BYTES];
};

/* ---- call.c: one request ---- */

/* front_serve, front_refuse: http_handler and http_refuse; ctx is the front. */
void front_serve(void *ctx, struct http_exchange *exchange);
void front_refuse(void *ctx, struct http_exchange *exchange, int status, const char *reason);

/* front_deadline: for one step of the service, from now. */
u64 front_deadline(const struct front_call *call);
u64 front_now_ms(const struct front_call *call); /* wall clock */
/* front_fault: a fault of the service or index; logs it. front_body_fault: of the client's
 * body. Never S3_OK. */
enum s3_code front_fault(struct front_call *call, err fault, const char *step);
enum s3_code front_body_fault(struct front_call *call, err fault);
/* front_verdict: S3_OK for SERVICE_OK. */
enum s3_code front_verdict(struct front_call *call, enum service_verdict verdict);
/* front_step: the fault, else the verdict. */
enum s3_code front_step(struct front_call *call, err fault, enum service_verdict verdict,
                        const char *step);

/* front_header: of the answer; left out if it could not stand in one. */
void front_header(struct front_call *call, const char *name, bytes value);
void front_header_str(struct front_call *call, const char *name, const char *value);
void front_header_u64(struct front_call *call, const char *name, u64 value);
void front_header_checksum(struct front_call *call, const struct s3_checksum *checksum);
/* front_reply_empty: a status without a body. front_reply_xml: 200; frees xml. */
enum s3_code front_reply_empty(struct front_call *call, int status);
enum s3_code front_reply_xml(struct front_call *call, struct buf *xml);
void front_xml_init(struct buf *xml);
struct s3_owner front_owner(const struct front_call *call);

/* ---- patience.c: answers that take long ---- */

/* CopyObject, UploadPartCopy and CompleteMultipartUpload may take minutes. So that nobody on the
 * way hangs up, S3 then answers 200 at once, an XML declaration, and a blank now and then; what
 * becomes of it is in the document, an error, too. Here that begins after blank_ms, so refusals
 * that are found soon have their own status. From begin to end the steps of the service may take
 * patient_timeout_ms, and the operation must not touch the exchange. */
struct front_patience {
    struct front_call *call;
    bool over;
    struct event ended;
    struct group fibers;
};
void front_patience_begin(struct front_patience *patience, struct front_call *call);
void front_patience_end(struct front_patience *patience);
/* front_finish_busy: the document of an answer that has begun (call->kept_busy). */
void front_finish_busy(struct front_call *call, bytes xml);

/* ---- object.c: buckets, objects, manifests ---- */

/* front_bucket_find: of the caller: NoSuchBucket, AccessDenied. */
enum s3_code front_bucket_find(struct front_call *call, bytes name,
                               struct index_bucket *ret_bucket);
/* front_bucket: the request's own. */
enum s3_code front_bucket(struct front_call *call, struct index_bucket *ret_bucket);

struct front_object {
    struct manifest manifest;
    struct s3_stored_headers headers;
    bytes etag; /* with quotes */
    struct s3_checksum checksum;
};
/* front_object_find: NoSuchKey, with *ret_exists the absence is no refusal (ret_exists may be
 * NULL). The manifest is a copy. */
enum s3_code front_object_find(struct front_call *call, const struct hash *bucket, bytes key,
                               struct front_object *ret_object, bool *ret_exists);
/* front_object_read: from an encoded manifest, which is borrowed. */
err front_object_read(struct arena *arena, bytes encoded, struct front_object *ret_object);
struct s3_current front_current(const struct front_object *object, bool exists);
/* front_version_check: there is one version of every object, "null". NoSuchVersion. */
enum s3_code front_version_check(struct front_call *call, bytes version_id);

enum manifest_checksum front_manifest_algorithm(enum s3_algorithm algorithm);
enum s3_algorithm front_algorithm(enum manifest_checksum kind);
/* front_manifest_sum: checksum into the manifest. */
void front_manifest_sum(struct manifest *manifest, const struct s3_checksum *checksum);
/* front_manifest_headers: into the manifest, strings borrowed. ERR_LIMIT. */
err front_manifest_headers(struct front_call *call, struct manifest *manifest,
                           const struct s3_stored_headers *headers);
/* front_manifest_encode: into the arena; a manifest that breaks a limit is EntityTooLarge. */
enum s3_code front_manifest_encode(struct front_call *call, const struct manifest *manifest,
                                   bytes *ret_encoded);

/* front_commit: ops, durable; conditions may be NULL (else they are held against the object of
 * ops[0] in the moment of the commit); upload may be NULL. */
struct front_change {
    const struct index_bucket *bucket;
    const struct journal_op *ops;
    size_t op_count;
    const struct s3_conditions *conditions;
    bool is_delete; /* which conditions apply */
    struct upload *upload;
};
enum s3_code front_commit(struct front_call *call, const struct front_change *change);
/* front_conditions_any: whether there is anything to check. */
bool front_conditions_any(const struct s3_conditions *conditions);

/* ---- receive.c: bodies ---- */

/* front_admit: counts an upload in, or SlowDown; front_release: out again. */
enum s3_code front_admit(struct front_call *call);
void front_release(struct front_call *call);

/* What the bytes of a body (or of a copy) became. */
struct front_content {
    struct s3_verified verified;
    bool is_inline;
    bytes inline_data;
    struct manifest_extent extent;
    struct upload *upload; /* NULL if inline; free it when its commit is done */
};
void front_content_free(struct front_call *call, struct front_content *content);
/* front_content_manifest: size, ETag, checksum and content into a manifest; times and headers are
 * the caller's. */
enum s3_code front_content_manifest(struct front_call *call, const struct front_content *content,
                                    struct manifest *ret_manifest);

struct front_receive_options {
    const struct index_bucket *bucket;
    const struct s3_integrity *declared;
    enum s3_algorithm algorithm; /* to be kept; NONE: as s3_verifier_init() chooses */
    bool may_inline;
};
/* front_receive: the request's body, checked, in the service but not yet anybody's. */
enum s3_code front_receive(struct front_call *call, const struct front_receive_options *options,
                           struct front_content *ret_content);
/* front_read_xml: the whole body in memory, checked; `declared` is filled. */
enum s3_code front_read_xml(struct front_call *call, bytes *ret_body,
                            struct s3_integrity *ret_declared);

/* A range of an object, read to be hashed, and written again if `bucket` is not NULL. */
struct front_transfer {
    const struct hash *source_bucket;
    const struct manifest *source;
    u64 offset;
    u64 length;
    enum s3_algorithm algorithm;
    const struct index_bucket *bucket; /* NULL: only hashed, content has no bytes */
};
enum s3_code front_transfer(struct front_call *call, const struct front_transfer *transfer,
                            struct front_content *ret_content);

/* ---- operations ---- */

enum s3_code front_put_object(struct front_call *call);
enum s3_code front_get_object(struct front_call *call); /* and HeadObject */
enum s3_code front_list_buckets(struct front_call *call);
enum s3_code front_list_objects(struct front_call *call); /* V1, V2, versions */
enum s3_code front_list_uploads(struct front_call *call);
enum s3_code front_copy_object(struct front_call *call);
enum s3_code front_copy_part(struct front_call *call);
enum s3_code front_create_upload(struct front_call *call);
enum s3_code front_upload_part(struct front_call *call);
enum s3_code front_complete_upload(struct front_call *call);
enum s3_code front_abort_upload(struct front_call *call);
enum s3_code front_list_parts(struct front_call *call);
enum s3_code front_delete_object(struct front_call *call);
enum s3_code front_delete_objects(struct front_call *call);
enum s3_code front_create_bucket(struct front_call *call);
enum s3_code front_head_bucket(struct front_call *call);
enum s3_code front_delete_bucket(struct front_call *call);
enum s3_code front_misc(struct front_call *call); /* location, ACLs, fixed answers */

/* ---- multipart.c, for copy.c ---- */

struct front_upload {
    struct s3_upload_id id;
    bytes key;
    struct s3_stored_headers headers;
    struct s3_checksum_plan plan;
    u64 created_ms;
};
/* front_upload_find: the upload that the request names; NoSuchUpload. */
enum s3_code front_upload_find(struct front_call *call, const struct hash *bucket,
                               struct front_upload *ret_upload);
/* front_part_commit: the part's manifest becomes part `request.part_number` of the upload. */
enum s3_code front_part_commit(struct front_call *call, const struct index_bucket *bucket,
                               const struct front_upload *upload, const struct manifest *manifest,
                               struct upload *content);

#endif

/* s3_server.h: S3 over HTTP: the front end of a gateway.
 *
 * A request goes through four hands: net/http (framing), gateway/s3 (what is asked, by whom, and is
 * it allowed to be asked like that: pure), this folder (which bucket, which object, in which
 * order), and the object service (bytes and journal). Everything of one request runs in the fiber
 * of its connection, from head to answer, and reads as one function per operation:
 *
 *   handler (s3_server.c) → parse, authenticate (call.c) → put.c, get.c, list.c, … → service
 *
 * Nothing of a body is asked for before the signature, the bucket, the conditions and the limits
 * have been looked at: a refused client that sent "Expect: 100-continue" never sends its data.
 * Nothing of a body becomes visible before all of it has been checked.
 *
 * The service is a table of functions, so that tests put a small store behind a real server.
 * All refusals are XML, those of the HTTP parser included. docs/protocols/s3.md says what is
 * spoken.
 */
#ifndef GATEWAY_FRONT_S3_SERVER_H
#define GATEWAY_FRONT_S3_SERVER_H

#include "gateway/service/gateway.h"
#include "net/http.h"

struct front;

/* The calls of gateway.h and index.h that the front end makes. */
struct front_service {
    void *ctx;
    err (*user_find)(void *ctx, bytes access_key, struct gateway_user *ret_user);
    err (*bucket_create)(void *ctx, const struct gateway_user *user, bytes name, bytes territory,
                         u64 deadline_ms, enum service_verdict *ret_verdict);
    err (*bucket_delete)(void *ctx, const struct gateway_user *user, bytes name, u64 deadline_ms,
                         enum service_verdict *ret_verdict);
    struct index *(*index)(void *ctx);
    err (*upload_begin)(void *ctx, const struct index_bucket *bucket, u64 expected_bytes,
                        u64 deadline_ms, struct upload **ret_upload,
                        enum service_verdict *ret_verdict);
    err (*upload_write)(struct upload *upload, bytes in, u64 deadline_ms);
    err (*upload_finish)(struct upload *upload, struct arena *arena, u64 deadline_ms,
                         struct manifest_extent *ret_extent);
    enum service_verdict (*upload_verdict)(const struct upload *upload);
    void (*upload_free)(struct upload *upload);
    err (*change_commit)(void *ctx, const struct change *change, u64 deadline_ms,
                         enum service_verdict *ret_verdict);
    err (*object_open)(void *ctx, const struct hash *bucket, const struct manifest *manifest,
                       u64 offset, u64 length, u64 deadline_ms, struct object_reader **ret_reader);
    err (*object_read)(struct object_reader *reader, void *out, size_t cap, u64 deadline_ms,
                       size_t *ret_len);
    void (*object_close)(struct object_reader *reader);
    err (*object_stat)(void *ctx, const struct hash *bucket, const struct manifest *manifest,
                       u64 deadline_ms, enum object_durability *ret_state,
                       u32 *ret_missing_holders);
};

/* front_service_of_gateway: the real thing. `gateway` is borrowed. */
void front_service_of_gateway(struct front_service *ret_service, struct gateway *gateway);

struct front_options {
    const struct front_service *service; /* copied */
    const char *http_host;               /* NULL: no plain http */
    u16 http_port;                       /* 0 picks one */
    const char *https_host;              /* NULL: no https */
    u16 https_port;                      /* 0 picks one */
    const char *cert_path;               /* PEM chain and key, for https */
    const char *key_path;
    const char *const *domains; /* for virtual-host style: "s3.example.org"; copied */
    size_t domain_count;
    const char *region;      /* NULL: "cairn"; the only one accepted in signatures */
    struct metrics *metrics; /* NULL: none; borrowed */
    bool unsigned_needs_tls; /* refuse UNSIGNED-PAYLOAD over plain http */
    size_t connections_max;  /* 0: 1024 on each port */
    size_t uploads_max;      /* 0: 256 bodies received or copied at once, then SlowDown */
    u64 service_timeout_ms;  /* 0: 60 s for one step of the service */
    u64 blank_ms;            /* 0: 10 s; see front_patience in front.h */
    u64 patient_timeout_ms;  /* 0: 30 min for one step while the client is kept waiting */
    u64 body_timeout_ms;     /* 0: 30 s without a byte of a body */
    u64 part_bytes_min;      /* 0: 5 MiB, as S3 has it */
};

/* front_start: listens and serves; called in a fiber. ERR_EXISTS: a port is in use; ERR_USAGE:
 * certificate or key. */
err front_start(struct loop *loop, const struct front_options *options, struct front **ret_front);
/* front_http_port, front_https_port: what is listened on; 0: not. */
u16 front_http_port(const struct front *front);
u16 front_https_port(const struct front *front);
/* front_drain: no new connections, waits for running requests until the deadline. */
void front_drain(struct front *front, u64 deadline_ms);
/* front_stop: when drained, or after loop_run() has returned; NULL is fine. */
void front_stop(struct front *front);

#endif

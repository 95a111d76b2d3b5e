/* gateway.h: the object service behind S3: buckets, objects, uploads, without any HTTP.
 *
 * One upload, as a path through files: upload.c (plain bytes → extent chunks) → packer.c (extents →
 * lanes of open segments) → transfer/segment_put.c (rows → holders, receipts) → committer.c (window
 * → journal records, one signed commit, index, three copies, 200) → settle.c (chain shows it, late
 * holders, spool). One read: object.c (manifest → pieces) → transfer/segment_get.c → extent chunks.
 *
 * All calls run in fibers of the gateway's loop. Verdicts that S3 names (no such bucket,
 * precondition failed) are `enum service_verdict`; faults are err.
 */
#ifndef GATEWAY_SERVICE_GATEWAY_H
#define GATEWAY_SERVICE_GATEWAY_H

#include "base/metrics.h"
#include "chain/chain.h"
#include "data/keys.h"
#include "gateway/journal/index.h"
#include "transfer/segment_get.h"
#include "transfer/segment_put.h"

struct gateway;

struct gateway_options {
    const char *data_dir;
    const struct chain_options *chain;
    const struct secp_secret *account; /* pays gas, signs capabilities */
    const struct x_secret *box;        /* opens sealed territory keys */
    u64 spool_bytes_max;               /* 0: 4 GiB of answered, unfinal bytes, then 503 */
    u64 memory_bytes_max;              /* 0: 148 MiB for buffers of uploads and reads */
    u64 window_min_ms;                 /* 0: 50 */
    u64 window_max_ms;                 /* 0: 1000 */
    u64 snapshot_cost_min; /* 0: 8 MiB: cost of reading a journal's tail that makes a snapshot due
                            */
};

enum service_verdict {
    SERVICE_OK,
    SERVICE_NO_SUCH_BUCKET,
    SERVICE_NO_SUCH_KEY,
    SERVICE_NO_SUCH_UPLOAD,
    SERVICE_BUCKET_EXISTS, /* another owner's */
    SERVICE_BUCKET_OWNED,  /* already the caller's */
    SERVICE_BUCKET_NOT_EMPTY,
    SERVICE_PRECONDITION_FAILED,
    SERVICE_CONFLICT,
    SERVICE_QUOTA_EXCEEDED,
    SERVICE_SLOW_DOWN,
    SERVICE_NO_PROVIDERS, /* too few eligible storage nodes; counts in `detail` */
    SERVICE_ACCESS_DENIED,
    SERVICE_UNAVAILABLE, /* chain or too many holders unreachable */
    SERVICE_NO_SPACE,    /* this gateway's disk */
};

/* gateway_open: opens index and spool, follows the chain, opens the territories it is authorised
 * for, replays the write-ahead log, catches up every bucket's journal; runs a watcher. With an
 * empty data_dir all of it comes from chain and network. ERR_REFUSED: the account is no gateway;
 * ERR_BUSY: another process has data_dir; ERR_NETWORK, ERR_TIMEOUT: no ledger node. */
err gateway_open(struct loop *loop, const struct gateway_options *options, struct metrics *metrics,
                 struct gateway **ret_gateway);
/* gateway_drain: waits until what was answered is final, or the deadline. */
void gateway_drain(struct gateway *gateway, u64 deadline_ms);
void gateway_close(struct gateway *gateway);
struct chain *gateway_chain(struct gateway *gateway);
struct directory *gateway_directory(struct gateway *gateway);
struct segment_source *gateway_source(struct gateway *gateway);

/* ---- accounts: S3 keys live in the owner's system bucket ---- */
struct gateway_user {
    struct address owner;
    char id[65];
    char display_name[65];
    char email[255];
    char tenant[65];
    char access_key[129];
    char secret_key[129];
};
#define USER_NAME_PREFIX "user/" /* and the access key: the name of a user's document */
/* gateway_user_read: a user's document (docs/formats/system-bucket.md). ERR_MALFORMED. */
err gateway_user_read(struct gateway_user *ret_user, const struct address *owner, bytes in);
/* gateway_user_find: constant memory; ERR_NOT_FOUND. */
err gateway_user_find(struct gateway *gateway, bytes access_key, struct gateway_user *ret_user);
/* gateway_user_add: makes the owner's system bucket if there is none. ERR_EXISTS: the access key is
 * taken; ERR_NOT_FOUND: the owner has no territory here. */
err gateway_user_add(struct gateway *gateway, const struct gateway_user *user, u64 deadline_ms);

/* gateway_envelope_put: keeps the envelope of an owner's master key (data/keys.h) in the network:
 * an unsealed record of his system bucket, its first one if the bucket is made for it. Another
 * envelope than the one that is there comes on top and counts from then on (a new passphrase).
 * ERR_MALFORMED: it is none; otherwise as gateway_user_add(). */
err gateway_envelope_put(struct gateway *gateway, const struct address *owner, bytes envelope,
                         u64 deadline_ms);
/* gateway_envelope_find: the one that counts. ERR_NOT_FOUND. */
err gateway_envelope_find(struct gateway *gateway, const struct address *owner,
                          struct envelope *ret_envelope);

/* ---- buckets ---- */
/* bucket_create: in the owner's default territory, or the one that territory_name (a decimal
 * number) names; ERR_NOT_FOUND: he has none of that name here. Final on chain when it returns. */
err bucket_create(struct gateway *gateway, const struct gateway_user *user, bytes name,
                  bytes territory_name, u64 deadline_ms, enum service_verdict *ret_verdict);
err bucket_delete(struct gateway *gateway, const struct gateway_user *user, bytes name,
                  u64 deadline_ms, enum service_verdict *ret_verdict);
/* Looking up buckets and objects, listing: index.h on a view of gateway_index(). */
struct index *gateway_index(struct gateway *gateway);

/* ---- writing ---- */
struct upload; /* one extent being written */

/* upload_begin: expected_bytes is a hint (HTTP_UNKNOWN_LENGTH if unknown). Verdicts SLOW_DOWN,
 * NO_PROVIDERS, QUOTA_EXCEEDED, NO_SPACE come before the first byte is read. */
err upload_begin(struct gateway *gateway, const struct index_bucket *bucket, u64 expected_bytes,
                 u64 deadline_ms, struct upload **ret_upload, enum service_verdict *ret_verdict);
/* upload_write: plain bytes in order; parks for back-pressure. */
err upload_write(struct upload *upload, bytes in, u64 deadline_ms);
u64 upload_length(const struct upload *upload);
/* upload_verdict: why upload_write() or upload_finish() failed, in words of S3: NO_PROVIDERS,
 * NO_SPACE or UNAVAILABLE. */
enum service_verdict upload_verdict(const struct upload *upload);
/* upload_finish: the extent's last chunk is on its way; *ret_extent (in arena) names its pieces. */
err upload_finish(struct upload *upload, struct arena *arena, u64 deadline_ms,
                  struct manifest_extent *ret_extent);
/* upload_free: at any time; an unfinished extent leaves only unreferenced bytes. */
void upload_free(struct upload *upload);

/* A change to a bucket: any number of journal operations that become visible together. */
struct change {
    const struct index_bucket *bucket;
    const struct journal_op *ops;
    size_t op_count;
    /* Condition on the current object of ops[0].key, checked atomically with the commit:
     * NULL none; the function sees the current manifest (data NULL: no object) and says whether it
     * holds. */
    bool (*condition)(void *ctx, bytes current_manifest);
    void *condition_ctx;
    struct upload *const *uploads; /* whose segments must be durable first (already finished) */
    size_t upload_count;
    bool wait_final; /* answer only when the head move is final on chain */
};
/* change_commit: waits until the change is durable (quorum receipts, index and log synced, three
 * holders have the signed commit), or also final. */
err change_commit(struct gateway *gateway, const struct change *change, u64 deadline_ms,
                  enum service_verdict *ret_verdict);

/* ---- reading ---- */
struct object_reader;
/* object_open: [offset, offset + length) of the plain object behind a manifest, which stays the
 * caller's and must live until object_close(). */
err object_open(struct gateway *gateway, const struct hash *bucket, const struct manifest *manifest,
                u64 offset, u64 length, u64 deadline_ms, struct object_reader **ret_reader);
/* object_read: next 1..cap plain bytes; 0: done. Verified and decrypted. */
err object_read(struct object_reader *reader, void *out, size_t cap, u64 deadline_ms,
                size_t *ret_len);
void object_close(struct object_reader *reader);

enum object_durability { OBJECT_PENDING, OBJECT_DURABLE, OBJECT_COMPLETE };
/* object_stat: state of all segments behind the manifest; missing_holders may be NULL. Of what is
 * inline the journal record counts, and that is durable as soon as it is answered. */
err object_stat(struct gateway *gateway, const struct hash *bucket, const struct manifest *manifest,
                u64 deadline_ms, enum object_durability *ret_state, u32 *ret_missing_holders);

#endif

/* internal.h: what the files of the object service share.
 *
 * Who owns what: a gateway has territories (one per authorisation with a key), each with one
 * committer fiber, one shared lane and a queue of requests. A lane is one open segment. Uploads
 * hold the lanes that their bytes went into until those are in the write-ahead log. Unsettled
 * entries (settle.h) are commits in the log whose segments are not all final and complete.
 *
 * All of it runs in fibers of one loop, so between two waits everything is consistent. What goes
 * out (segments, transactions) goes through `struct ports`, which tests replace.
 */
#ifndef GATEWAY_SERVICE_INTERNAL_H
#define GATEWAY_SERVICE_INTERNAL_H

#include "base/map.h"
#include "chain/module_call.h"
#include "gateway/service/gateway.h"
#include "gateway/service/settle.h"
#include "ledger/modules/bucket_layout.h"
#include "ledger/modules/segment_layout.h"
#include "os/file.h"
#include "watch/watch.h"

#define LANE_TIMEOUT_MS 60000   /* to open or seal a segment */
#define LEDGER_TIMEOUT_MS 15000 /* of one call */
#define COMMIT_COPIES 3
#define CALL_ARENA_BYTES MIB(1)

/* What a commit needs from the ledger and the network. ctx is the gateway, or a test. */
struct ports {
    void *ctx;
    err (*lane_open)(void *ctx, const struct segment_key *key, enum redundancy class_number,
                     u64 deadline_ms, struct segment_put **ret_put);
    err (*lane_write)(struct segment_put *put, bytes in, u64 deadline_ms);
    err (*lane_seal)(struct segment_put *put, u64 deadline_ms, struct segment_entry *ret_entry,
                     struct segment_seal *ret_seal);
    err (*lane_late)(struct segment_put *put, u64 deadline_ms, struct segment_entry *ret_late);
    bool (*lane_passed)(const struct segment_put *put);
    void (*lane_free)(struct segment_put *put);
    /* A segment has been sealed: readable from now on. */
    void (*lane_sealed)(void *ctx, const struct segment_entry *entry,
                        const struct segment_seal *seal);
    /* ticket_next: the lowest segment number of a territory that the ledger has not seen used. */
    err (*ticket_next)(void *ctx, u64 territory, u64 deadline_ms, u64 *ret_next);
    /* sign: a call to module 7 (segment); its nonce is held: nobody else gets it. unsign: what was
     * signed with it will never be sent. */
    err (*sign)(void *ctx, bytes input, u64 gas, struct arena *arena, u64 deadline_ms,
                bytes *ret_raw, struct hash *ret_tx);
    void (*unsign)(void *ctx, u64 nonce);
    /* hold: as sign() does, for a commit that was found in the log. release: the ledger has it. */
    void (*hold)(void *ctx, u64 nonce);
    void (*release)(void *ctx, u64 nonce);
    /* fill: sends transactions that do nothing with the nonces from `first` to below `end` that
     * nobody holds; those that the ledger has in its pool stay as they are. */
    err (*fill)(void *ctx, u64 first, u64 end, u64 deadline_ms);
    /* submit: raw need not outlive the first wait. ERR_CONFLICT: its nonce is used, maybe by
     * itself. */
    err (*submit)(void *ctx, bytes raw, u64 deadline_ms);
    /* copies: gives the transaction to holders until COMMIT_COPIES acknowledged; how many did. */
    size_t (*copies)(void *ctx, bytes raw, const u32 *providers, size_t count, u64 deadline_ms);
    err (*receipt)(void *ctx, const struct hash *tx, struct arena *arena, u64 deadline_ms,
                   struct chain_receipt *ret_receipt);
    u64 (*height)(void *ctx); /* of the newest final block */
    /* nonce: transactions of the account in final blocks. */
    err (*nonce)(void *ctx, u64 deadline_ms, u64 *ret_nonce);
    err (*segment)(void *ctx, const struct segment_key *key, u64 deadline_ms,
                   struct segment_record *ret_record, bool *ret_found);
    /* head: of a bucket, now; found false: there is no such bucket (any more). */
    err (*head)(void *ctx, const struct hash *bucket, u64 deadline_ms, struct hash *ret_head,
                bool *ret_found);
    /* reissue: *entry has the former receipts of a segment that is not registered; it gets fresh
     * ones under the open epoch. */
    err (*reissue)(void *ctx, const struct segment_seal *seal, u64 deadline_ms,
                   struct segment_entry *entry);
    /* place: receipts of new holders for what a registered segment lacks. */
    err (*place)(void *ctx, const struct segment_seal *seal, const struct segment_record *record,
                 u64 deadline_ms, struct segment_entry *ret_late);
    /* call: signs, submits and awaits a call to module 7 that needs no log entry. */
    err (*call)(void *ctx, bytes input, u64 deadline_ms);
    void (*spool_done)(void *ctx, const struct segment_key *key);
};

struct territory;

enum lane_state {
    LANE_OPEN,
    LANE_SEALING,
    LANE_SEALED, /* a quorum of receipts is in; waits for its commit */
    LANE_LOGGED, /* in the write-ahead log */
    LANE_FAILED,
};

struct lane {
    struct list node; /* in territory->sealed while LANE_SEALED */
    struct territory *territory;
    struct segment_put *put;
    struct segment_key key;
    enum lane_state state;
    size_t references;
    u64 memory;          /* of gateway->lane_memory */
    struct gate writing; /* one writer at a time */
    bool seal_tried;
    u32 length;
    struct segment_entry entry;
    struct segment_seal seal;
    u64 sealed_ms;
    err fault;
    struct event changed; /* state */
};

/* Segment numbers that may be used again: their lanes ended before anything was sealed. */
#define FREE_NUMBERS_MAX 256

struct territory {
    struct gateway *gateway;
    u64 id;
    struct address owner;
    struct territory_key key;
    enum redundancy class_number;
    bool usable;     /* lease and authorisation are in force */
    bool is_default; /* of its owner */
    u32 scope;
    u64 room_bytes; /* what lease and quota leave, as of the last look at the ledger */
    struct gate numbering;
    u64 next_number;
    u64 end_number;
    u64 free_numbers[FREE_NUMBERS_MAX]; /* a ring */
    size_t free_first;
    size_t free_count;
    struct gate opening;
    struct lane *shared;
    struct list sealed;
    size_t sealed_count;
    struct list requests;
    struct event work;   /* requests, sealed, closing */
    struct map dropping; /* ids of buckets that are being deleted */
    u64 last_commit_ms;
    /* Requests since the last window was closed; how many may come until the next is. */
    size_t arrived;
    size_t expected;
    u64 free_ms; /* when the last window was done */
    u64 first_request_ms;
    u64 last_request_ms;
    u64 unfinal;     /* entries of this territory */
    u64 orphans_end; /* numbers below were given out before this process began */
    bool is_fresh;   /* the index has never given out a number of it */
};

struct gateway {
    struct loop *loop;
    struct ports ports;
    struct index *index;
    struct settle settle;
    u32 number; /* in the gateway registry */
    u64 spool_bytes_max;
    u64 window_min_ms;
    u64 window_max_ms;
    u64 snapshot_cost_min;
    char spool_dir[PATH_BYTES_MAX];
    struct gate buffers;     /* bytes of uploads and reads */
    struct gate lane_memory; /* bytes of open segments */
    struct gate signing;
    struct map territories;  /* id u64 big-endian → struct territory */
    struct map creating;     /* names of buckets that are being made */
    struct map snapshotting; /* ids of buckets whose snapshot is being written */
    struct map gone;         /* ids of removed buckets → when (u64 *): a view may be older */
    struct group fibers;
    bool ready; /* the log has been replayed: commits may be signed */
    bool closing;
    bool draining;
    struct event stop; /* closing */
    /* Only behind the real ports: */
    struct chain *chain;
    struct chain_account *account;
    struct directory *directory;
    struct http_client *http;
    struct store_identity who;
    struct segment_source *source;
    struct watch *watch;
    struct group holders; /* fibers of segment_put */
    struct x_secret box;
    u64 *metric_commits;
    u64 *metric_journal; /* NULL without metrics, like all of these */
    u64 *metric_inline;
    u64 *metric_unfinal;
    u64 *metric_unfinal_bytes;
};

static inline u64 gateway_in(const struct gateway *gateway, u64 ms)
{
    return loop_now_ms(gateway->loop) + ms;
}
/* gateway_pause: false: the gateway is closing. */
bool gateway_pause(struct gateway *gateway, u64 ms);
/* gateway_count_journal: for metrics: bytes of records or tables, and how much of it is content. */
void gateway_count_journal(struct gateway *gateway, u64 bytes_stored, u64 inline_bytes);
/* gateway_init: empty, with everything that needs no disk or network. */
void gateway_init(struct gateway *gateway, struct loop *loop);

/* territories.c */
struct territory *territory_new(struct gateway *gateway, u64 id);
struct territory *territory_get(const struct gateway *gateway, u64 id);
void territories_free(struct gateway *gateway);
/* territory_number: a segment number that was never used; parks on the disk now and then. */
err territory_number(struct territory *territory, u64 deadline_ms, u64 *ret_number);
void territory_give_back(struct territory *territory, u64 number);
/* territories_refresh: reads all authorisations; opens new territories. */
err territories_refresh(struct gateway *gateway, u64 deadline_ms);
void bucket_label_secret(const struct territory *territory, const struct index_bucket *bucket,
                         struct secp_secret *ret_secret);

/* packer.c */
/* lane_new: number NULL: a fresh one. */
err lane_new(struct territory *territory, const u64 *number, u64 deadline_ms,
             struct lane **ret_lane);
void lane_ref(struct lane *lane);
void lane_unref(struct lane *lane);
/* lane_write: by the only one who has the lane, or who is in lane->writing. A fault ends the lane.
 */
err lane_write(struct lane *lane, bytes in, u64 deadline_ms);
/* lane_seal: until it is SEALED or FAILED; returns its fault. */
err lane_seal(struct lane *lane, u64 deadline_ms);
/* lane_seal_later: the same in a fiber of its own. */
void lane_seal_later(struct lane *lane);
u32 lane_room(const struct lane *lane);
bool lane_passed(const struct lane *lane);
/* packer_append: bytes that stay together, into the shared lane; in.len <= SEGMENT_BYTES_MAX.
 * *ret_lane is referenced for the caller. */
err packer_append(struct territory *territory, bytes in, u64 deadline_ms,
                  struct locator *ret_locator, struct lane **ret_lane);
/* packer_detach: the shared lane, if any, no longer shared; the reference goes to the caller. */
struct lane *packer_detach(struct territory *territory);
/* packer_retire: a streaming upload is done with its lane: it is shared from now on, or sealed.
 * Takes over the caller's reference. */
void packer_retire(struct territory *territory, struct lane *lane);

/* upload.c */
/* upload_lanes: the lanes that its bytes are in, but for those that were in the log already when it
 * last looked. */
struct lane *const *upload_lanes(const struct upload *upload, size_t *ret_count);

/* committer.c */
struct commit_request {
    struct list node;
    const struct change *change; /* borrowed until taken; NULL for drop */
    struct hash bucket;
    bool drop;         /* the head goes to zero: the bucket is about to be removed */
    bytes snapshot;    /* body of a snapshot record, in place of operations */
    u64 snapshot_cost; /* of reading it */
    bytes envelope;    /* goes before the operations of `change`, as a record in clear */
    bool wait_final;
    bool taken;
    bool answered;
    enum service_verdict verdict;
    err fault;
    size_t references;
    struct event done;
};
/* commit_run: queues a request and waits for its answer. */
err commit_run(struct territory *territory, struct commit_request *request, u64 deadline_ms,
               enum service_verdict *ret_verdict);
struct commit_request *commit_request_new(void);
void committer_run(void *territory);
/* commit_calldata: one segment.commit call. heads may be empty. */
void commit_calldata(struct buf *out, u64 territory, bytes segments, const struct head_move *heads,
                     size_t head_count);
u64 commit_gas(size_t segments, size_t receipts, size_t heads, size_t calldata_bytes);

/* accounts.c */
/* ENVELOPE_NAME: the configuration document of a system bucket that has its envelope. */
#define ENVELOPE_NAME "envelope"

/* settle_run.c */
void settle_run(void *gateway);
/* settle_submit: a commit that was just logged goes to the ledger, in a fiber of its own: neither
 * its answer nor the next signature waits for that. */
void settle_submit(struct gateway *gateway, struct unsettled *entry);
/* entry_in_raw: the receipts of a segment, as the transaction last signed has them. ERR_NOT_FOUND:
 * it does not have that segment. */
err entry_in_raw(const struct unsettled *entry, u64 number, struct segment_entry *ret);
err settle_replay(struct gateway *gateway);
void settle_free(struct gateway *gateway);

/* copies.c */
/* copies_spread: the transaction as it is now (it may be signed again meanwhile) to holders until
 * COMMIT_COPIES acknowledged; how many did. */
size_t copies_spread(struct gateway *gateway, const struct unsettled *entry, const u32 *providers,
                     size_t count);
/* copies_again: the same for one that was signed again, in a fiber of its own. */
void copies_again(struct gateway *gateway, struct unsettled *entry);

/* snapshot.c */
/* snapshot_consider: starts one in the background if the bucket's journal has grown enough. */
void snapshot_consider(struct gateway *gateway, const struct index_bucket *bucket);

/* catchup.c */
/* catchup_all: at the start: every bucket's index is what its journal says. A bucket that cannot be
 * read is left out of the index, and found again by catchup_new(). */
err catchup_all(struct gateway *gateway);
/* catchup_new: takes in buckets that the index does not have, lets go of removed ones. */
err catchup_new(struct gateway *gateway);

/* orphans.c */
/* orphans_run: fills segment numbers that a crash left unused (a fiber; arg: struct territory). */
void orphans_run(void *territory);

/* ledger.c */
struct ports ledger_ports(struct gateway *gateway);

/* respool.c */
/* respool: makes the spool file of an answered segment again, from its holders. ERR_EXISTS: it is
 * there. */
err respool(struct gateway *gateway, const struct segment_seal *seal, u64 deadline_ms);
/* ledger_send: like module_send(), in line with all other transactions of this gateway. */
err ledger_send(struct gateway *gateway, u32 module, const char *signature,
                const struct abi_value *args, struct arena *arena, u64 deadline_ms,
                struct chain_receipt *ret_receipt);

#endif

/* direct.h: an owner reads his objects without any gateway.
 *
 * The ledger names his buckets and their heads; the journal's records and the objects' bytes come
 * from the storage nodes, to which the owner shows his own signature; all keys come from his master
 * key. A record is believed by its hash, a segment by its id, both on the ledger, a chunk by its
 * tag.
 *
 * Finding a key walks the journal back from the head: the first operation on the key decides. At
 * the base of the newest snapshot the rest is looked up in the snapshot's table.
 */
#ifndef CLI_DIRECT_H
#define CLI_DIRECT_H

#include "cli/client.h"
#include "data/keys.h"
#include "data/manifest.h"
#include "gateway/journal/record.h"
#include "transfer/segment_get.h"

struct direct {
    struct client *client;
    struct master_key master;
    struct store_identity who;
    struct directory *directory;
    struct http_client *http;
    struct segment_source *source;
};

struct direct_bucket {
    struct hash id;
    u64 territory;
    struct hash head;
    struct locator head_at;
    struct territory_key key;
};

/* direct_open: client must have its chain. master NULL: only direct_envelope() can be used. */
err direct_open(struct direct *direct, struct client *client, const struct master_key *master);
/* direct_close: in any case, also after direct_open() failed. */
void direct_close(struct direct *direct);
/* direct_bucket: ERR_NOT_FOUND: the owner has no bucket of that name. */
err direct_bucket(struct direct *direct, const char *name, struct direct_bucket *ret_bucket);
/* direct_find: the newest version of an object; *ret_manifest lives in arena. ERR_NOT_FOUND. */
err direct_find(struct direct *direct, const struct direct_bucket *bucket, bytes key,
                struct arena *arena, struct manifest *ret_manifest);
/* direct_walk: the operations of a bucket's journal, newest record first, in order within a record;
 * at the end those of the snapshot's table with sequence 0. op is borrowed during the call. */
struct direct_visit {
    void *ctx;
    err (*op)(void *ctx, u64 sequence, const struct journal_op *op);
    bool (*done)(void *ctx); /* asked before each record; NULL: to the end */
    bytes key; /* the only one that matters: what cannot have it may be left out; NULL: all */
};
err direct_walk(struct direct *direct, const struct direct_bucket *bucket,
                const struct direct_visit *visit);
/* direct_envelope: the envelope of the owner's master key, from the unsealed records of his system
 * bucket. ERR_NOT_FOUND: none was ever put there. */
err direct_envelope(struct direct *direct, struct envelope *ret_envelope);
/* direct_master: the master key out of that envelope; the passphrase is the first line of a file,
 * or asked for (NULL). Faults are said (client_fail). */
err direct_master(struct client *client, const char *passphrase_file,
                  struct master_key *ret_master);
/* direct_read: the whole object in order, in pieces of at most 256 KiB. */
typedef err direct_sink(void *ctx, bytes piece);
err direct_read(struct direct *direct, const struct direct_bucket *bucket,
                const struct manifest *manifest, direct_sink *sink, void *ctx);

#endif

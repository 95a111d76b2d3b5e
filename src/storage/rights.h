/* rights.h: who may ask a storage node for what.
 *
 * A capability (data/capability.h) says that its signer wants something of this node; whether the
 * signer is somebody is asked here. In production the chain answers, in unit tests whoever fills
 * the struct. A grant may name the id of the segment as the chain knows it: what is written must
 * then be of that segment.
 */
#ifndef STORAGE_RIGHTS_H
#define STORAGE_RIGHTS_H

#include "chain/chain.h"
#include "data/segment.h"

enum store_right {
    RIGHT_READ,      /* a segment's fragments */
    RIGHT_WRITE,     /* put, renew or give up a fragment of it */
    RIGHT_COMMIT,    /* leave a copy of a commit here */
    RIGHT_INVENTORY, /* list what is here */
};

struct store_grant {
    bool allowed;
    const char *reason; /* static: why not, for the answer */
    bool has_id;
    struct hash id; /* of the segment, valid if has_id */
};

struct store_rights {
    void *ctx;
    /* key is NULL for rights that are about no segment. A fault: it cannot be told now. Parks. */
    err (*check)(void *ctx, enum store_right right, const struct address *who,
                 const struct segment_key *key, struct store_grant *ret_grant);
    /* Block time of the newest head: what deadlines of receipts are counted from. */
    u64 (*time)(void *ctx);
};

/* Rights by the chain.
 *
 * WRITE: the gateway of the key, active and authorised to write in the territory; or whoever may
 * repair this segment now. READ: the owner, a gateway authorised to read or write there, whoever
 * may repair it. COMMIT: any active gateway. INVENTORY: the provider itself, its operator, any
 * active gateway. Answers are remembered for a few seconds, so that an upload of many fragments
 * costs one look at the chain. */
struct chain_rights;

struct chain_rights *chain_rights_new(struct loop *loop, struct chain *chain, u32 provider);
void chain_rights_free(struct chain_rights *rights); /* NULL is fine */
struct store_rights chain_rights_table(struct chain_rights *rights);

#endif

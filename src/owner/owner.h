/* owner.h: what an owner does with his keys: lease space, let gateways act, take that back.
 *
 * Used by the command line, the devnet and the simulator; needs only the ledger. The territory key
 * that a gateway gets is sealed to the gateway's registered X25519 key (crypto/cipher.h) with the
 * context "cairn territory key v1" ‖ chain id u64 ‖ territory u64 ‖ gateway u32, so it opens for no
 * other purpose. Every call waits until its transaction is final.
 */
#ifndef OWNER_OWNER_H
#define OWNER_OWNER_H

#include "chain/module_call.h"
#include "data/class.h"
#include "data/keys.h"

#define OWNER_SEALED_KEY_BYTES (32 + SEAL_OVERHEAD_BYTES)
#define OWNER_CONTEXT_BYTES (22 + 8 + 8 + 4)

/* owner_eligible_view: for chain_view(); *count (a size_t) gets the number of storage nodes that
 * take fragments now: what redundancy_default() asks for. */
err owner_eligible_view(void *count, const struct slot_source *slots);
/* owner_lease: pays the ledger's price; the first territory is the owner's default.
 * ERR_REFUSED: not enough wei, or outside the limits (reason in the log). */
err owner_lease(struct chain *chain, struct chain_account *owner, u64 size_bytes,
                enum redundancy class_number, u64 duration_s, u64 deadline_ms, u64 *ret_territory);

struct owner_grant {
    u64 territory;
    u32 gateway; /* registry index */
    u32 scope;   /* bits of enum authorisation_scope */
    u64 quota_bytes;
    u64 expires; /* unix seconds */
};

/* owner_authorise: gives the gateway the territory key and the scopes; again: new scopes, quota and
 * expiry. ERR_NOT_FOUND: no such gateway, or it has retired; ERR_REFUSED: by the ledger (reason in
 * the log), or the gateway registered a key that gives everything away; ERR_USAGE: territory 0. */
err owner_authorise(struct chain *chain, struct loop *loop, struct chain_account *owner,
                    const struct master_key *master, const struct owner_grant *grant,
                    u64 deadline_ms);
/* owner_revoke: takes the scopes back. The key stays known to the gateway. ERR_REFUSED: it has
 * none.
 */
err owner_revoke(struct chain_account *owner, u64 territory, u32 gateway, u64 deadline_ms);

/* owner_seal_context: what a sealed territory key is bound to. */
void owner_seal_context(u8 out[OWNER_CONTEXT_BYTES], u64 chain_id, u64 territory, u32 gateway);
/* owner_open_sealed: the gateway's side. ERR_INTEGRITY: not for this key and context; *ret_key is
 * as before. */
err owner_open_sealed(struct territory_key *ret_key, bytes sealed, const struct x_secret *box,
                      u64 chain_id, u64 territory, u32 gateway);

#endif

/* nonces.h: which write capabilities were used already. Pure.
 *
 * Two generations of a hash set: when the newer one is half full it becomes the older one. So the
 * last NONCES_KEPT uses at least are remembered, in constant memory. What is forgotten could be
 * replayed until it expires; all writes are idempotent for the same bytes, so a replay renews a
 * promise at worst.
 */
#ifndef STORAGE_NONCES_H
#define STORAGE_NONCES_H

#include "base/int.h"

#define NONCES_KEPT 16384
#define NONCE_SLOTS (2 * NONCES_KEPT)

struct nonces {
    u64 *slots[2]; /* NONCE_SLOTS each, owned; zero: empty */
    size_t newer;  /* which of the two takes new ones */
    size_t used;   /* in that one */
};

void nonces_init(struct nonces *nonces);
void nonces_free(struct nonces *nonces);
/* nonces_use: false if it was used before. The nonce is random: its halves, folded, are its name.
 */
MUST_USE bool nonces_use(struct nonces *nonces, const u8 nonce[16]);

#endif

/* bls12_381_pairing.h: the optimal ate pairing of BLS12-381.
 *
 * Internal to the curve's own files. A product of pairings is one Miller loop over all pairs (they
 * share the squarings, in groups of PAIRING_GROUP, so that no memory is allocated) and one final
 * exponentiation. The value is the usual pairing cubed, which keeps bilinearity and the question
 * "is it one" (3 does not divide r) and makes the hard part cheap: Hayashida, Hayasaka, Teruya,
 * "Efficient final exponentiation via cyclotomic structure", 2020.
 */
#ifndef CRYPTO_BLS12_381_PAIRING_H
#define CRYPTO_BLS12_381_PAIRING_H

#include "crypto/bls12_381_point.h"
#include "crypto/bls12_381_tower.h"

#define PAIRING_GROUP 16

/* pairing: a product in the making. pairing_init, any number of pairing_add, then pairing_finish.
 */
struct pairing {
    struct fp12 product; /* of Miller loops that are done */
    struct g1_affine p[PAIRING_GROUP];
    struct g2_affine q[PAIRING_GROUP];
    size_t waiting;
};

void pairing_init(struct pairing *pairing);
/* pairing_add: both points must be in their subgroups; a pair with an infinite one adds nothing. */
void pairing_add(struct pairing *pairing, const struct g1_affine *p, const struct g2_affine *q);
/* pairing_finish: ∏ e(p, q)³; one for no pairs. */
void pairing_finish(struct fp12 *out, struct pairing *pairing);

#endif

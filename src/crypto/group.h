/* group.h: the group of secp256k1 and its scalars, for protocols above signatures (Umbral).
 *
 * Points are 33-byte compressed (struct secp_public) and never the neutral element; scalars are
 * big-endian in [1, n - 1] (struct secp_secret). Whatever would leave these sets returns false: for
 * random inputs that has probability 2^-256, for hostile ones it is the refusal. Everything is
 * constant time in scalars except group_mul_public(). Built on libsecp256k1 alone.
 */
#ifndef CRYPTO_GROUP_H
#define CRYPTO_GROUP_H

#include "crypto/sign.h"

/* scalar_add, scalar_mul: mod n; out may be an input. */
MUST_USE bool scalar_add(struct secp_secret *out, const struct secp_secret *a,
                         const struct secp_secret *b);
MUST_USE bool scalar_mul(struct secp_secret *out, const struct secp_secret *a,
                         const struct secp_secret *b);
/* scalar_negate: n - a. */
void scalar_negate(struct secp_secret *out, const struct secp_secret *a);
/* scalar_reduce: a 384-bit big-endian number mod (n - 1), plus 1: never zero, and uniform to 2^-127
 * if `wide` is. */
void scalar_reduce(struct secp_secret *out, const u8 wide[48]);
/* scalar_hash: SHA-256(be32(len dst) ‖ dst ‖ parts), a 256-bit number reduced as above. */
void scalar_hash(struct secp_secret *out, const char *dst, const struct bytes *parts, size_t count);

/* group_add: false also for what is no point. */
MUST_USE bool group_add(struct secp_public *out, const struct secp_public *a,
                        const struct secp_public *b);
/* group_mul: scalar times point. */
MUST_USE bool group_mul(struct secp_public *out, const struct secp_public *point,
                        const struct secp_secret *scalar);
/* group_mul_public: the same, a little faster, and leaks the scalar through time. */
MUST_USE bool group_mul_public(struct secp_public *out, const struct secp_public *point,
                               const struct secp_secret *scalar);

#endif

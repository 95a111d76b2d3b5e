/* blake2f.h: the compression function of BLAKE2b with a free number of rounds (RFC 7693 3.2, as
 * EIP-152 exposes it).
 *
 * For the BLAKE2F precompile only: it makes no hash by itself. Time grows with `rounds`, which the
 * caller has had paid.
 */
#ifndef CRYPTO_BLAKE2F_H
#define CRYPTO_BLAKE2F_H

#include "base/int.h"

/* blake2f: updates h by the block m; t is the byte counter, low word first. */
void blake2f(u64 h[8], const u64 m[16], const u64 t[2], bool is_final, u32 rounds);

#endif

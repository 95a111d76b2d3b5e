/* prng.h: a small deterministic generator (xoshiro256**, seeded by splitmix64; Blackman & Vigna).
 *
 * For simulation, tests, jitter and sampling. Never for keys: those come from os/entropy.h.
 */
#ifndef BASE_PRNG_H
#define BASE_PRNG_H

#include "base/int.h"

struct prng {
    u64 s[4];
};

void prng_init(struct prng *prng, u64 seed);
u64 prng_u64(struct prng *prng);
/* prng_below: uniform in [0, bound), bound > 0. */
u64 prng_below(struct prng *prng, u64 bound);
/* prng_chance: true with probability numerator / denominator. */
bool prng_chance(struct prng *prng, u64 numerator, u64 denominator);
void prng_fill(struct prng *prng, void *out, size_t len);

#endif

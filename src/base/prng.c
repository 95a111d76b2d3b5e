#include "base/prng.h"

#include "base/assert.h"

static u64 rotl(u64 x, unsigned k) { return x << k | x >> (64 - k); }

static u64 splitmix64(u64 *state)
{
    u64 z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

void prng_init(struct prng *prng, u64 seed)
{
    for (size_t i = 0; i < COUNT_OF(prng->s); i++) {
        prng->s[i] = splitmix64(&seed);
    }
}

u64 prng_u64(struct prng *prng)
{
    u64 *s = prng->s;
    u64 result = rotl(s[1] * 5, 7) * 9;
    u64 t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

u64 prng_below(struct prng *prng, u64 bound)
{
    assert_that(bound > 0);
    return (u64)((u128)prng_u64(prng) * bound >> 64);
}

bool prng_chance(struct prng *prng, u64 numerator, u64 denominator)
{
    return prng_below(prng, denominator) < numerator;
}

void prng_fill(struct prng *prng, void *out, size_t len)
{
    u8 *p = out;
    while (len > 0) {
        u64 v = prng_u64(prng);
        size_t n = min_size(len, sizeof v);
        memcpy(p, &v, n);
        p += n;
        len -= n;
    }
}

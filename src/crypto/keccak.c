/* Keccak-256: Keccak[c = 512] of the FIPS 202 permutation with the original padding 0x01 … 0x80,
 * as Ethereum uses it. */
#include "crypto/hash.h"

#define LANES 25
#define RATE_BYTES 136
#define ROUNDS 24

/* FIPS 202, 3.2.5 (iota). */
static const u64 round_constants[ROUNDS] = {
    0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000,
    0x000000000000808b, 0x0000000080000001, 0x8000000080008081, 0x8000000000008009,
    0x000000000000008a, 0x0000000000000088, 0x0000000080008009, 0x000000008000000a,
    0x000000008000808b, 0x800000000000008b, 0x8000000000008089, 0x8000000000008003,
    0x8000000000008002, 0x8000000000000080, 0x000000000000800a, 0x800000008000000a,
    0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
};

struct sponge {
    u64 lanes[LANES];
    size_t filled; /* bytes of the current block already absorbed, below RATE_BYTES */
};

static inline u64 rotate(u64 v, unsigned by) { return v << by | v >> ((64 - by) & 63); }

/* chi of one row. */
static inline void keccak_row(u64 *out, u64 b0, u64 b1, u64 b2, u64 b3, u64 b4)
{
    out[0] = b0 ^ (~b1 & b2);
    out[1] = b1 ^ (~b2 & b3);
    out[2] = b2 ^ (~b3 & b4);
    out[3] = b3 ^ (~b4 & b0);
    out[4] = b4 ^ (~b0 & b1);
}

/* One round from `a` to `e`; rho and pi are in the rotations and the order of the operands. */
__attribute__((always_inline)) static inline void keccak_round(u64 *e, const u64 *a, u64 constant)
{
    u64 c0 = a[0] ^ a[5] ^ a[10] ^ a[15] ^ a[20];
    u64 c1 = a[1] ^ a[6] ^ a[11] ^ a[16] ^ a[21];
    u64 c2 = a[2] ^ a[7] ^ a[12] ^ a[17] ^ a[22];
    u64 c3 = a[3] ^ a[8] ^ a[13] ^ a[18] ^ a[23];
    u64 c4 = a[4] ^ a[9] ^ a[14] ^ a[19] ^ a[24];
    u64 d0 = c4 ^ rotate(c1, 1);
    u64 d1 = c0 ^ rotate(c2, 1);
    u64 d2 = c1 ^ rotate(c3, 1);
    u64 d3 = c2 ^ rotate(c4, 1);
    u64 d4 = c3 ^ rotate(c0, 1);

    keccak_row(e, a[0] ^ d0, rotate(a[6] ^ d1, 44), rotate(a[12] ^ d2, 43), rotate(a[18] ^ d3, 21),
               rotate(a[24] ^ d4, 14));
    e[0] ^= constant;
    keccak_row(e + 5, rotate(a[3] ^ d3, 28), rotate(a[9] ^ d4, 20), rotate(a[10] ^ d0, 3),
               rotate(a[16] ^ d1, 45), rotate(a[22] ^ d2, 61));
    keccak_row(e + 10, rotate(a[1] ^ d1, 1), rotate(a[7] ^ d2, 6), rotate(a[13] ^ d3, 25),
               rotate(a[19] ^ d4, 8), rotate(a[20] ^ d0, 18));
    keccak_row(e + 15, rotate(a[4] ^ d4, 27), rotate(a[5] ^ d0, 36), rotate(a[11] ^ d1, 10),
               rotate(a[17] ^ d2, 15), rotate(a[23] ^ d3, 56));
    keccak_row(e + 20, rotate(a[2] ^ d2, 62), rotate(a[8] ^ d3, 55), rotate(a[14] ^ d4, 39),
               rotate(a[15] ^ d0, 41), rotate(a[21] ^ d1, 2));
}

__attribute__((always_inline)) static inline void keccak_rounds(u64 *lanes)
{
    u64 other[LANES];
    for (size_t i = 0; i < ROUNDS; i += 2) {
        keccak_round(other, lanes, round_constants[i]);
        keccak_round(lanes, other, round_constants[i + 1]);
    }
}

#if defined(__x86_64__)
/* The same C with the instructions for "and not" and for rotation into another register: a seventh
 * faster where the processor has them. */
__attribute__((target("bmi,bmi2"))) static void keccak_permute_bmi(u64 *lanes)
{
    keccak_rounds(lanes);
}

static void keccak_permute(u64 *lanes)
{
    if (__builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2")) {
        keccak_permute_bmi(lanes);
    } else {
        keccak_rounds(lanes);
    }
}
#else
static void keccak_permute(u64 *lanes) { keccak_rounds(lanes); }
#endif

static void absorb_byte(struct sponge *sponge, u8 byte)
{
    sponge->lanes[sponge->filled / 8] ^= (u64)byte << (8 * (sponge->filled % 8));
    sponge->filled++;
    if (sponge->filled == RATE_BYTES) {
        keccak_permute(sponge->lanes);
        sponge->filled = 0;
    }
}

static void absorb_block(struct sponge *sponge, const u8 *block)
{
    for (size_t i = 0; i < RATE_BYTES / 8; i++) {
        sponge->lanes[i] ^= load_le64(block + 8 * i);
    }
    keccak_permute(sponge->lanes);
}

static void absorb(struct sponge *sponge, bytes in)
{
    size_t pos = 0;
    while (pos < in.len) {
        if (sponge->filled == 0 && in.len - pos >= RATE_BYTES) {
            absorb_block(sponge, in.data + pos);
            pos += RATE_BYTES;
        } else if (sponge->filled % 8 == 0 && in.len - pos >= 8 &&
                   sponge->filled < RATE_BYTES - 8) {
            sponge->lanes[sponge->filled / 8] ^= load_le64(in.data + pos);
            sponge->filled += 8;
            pos += 8;
        } else {
            absorb_byte(sponge, in.data[pos]);
            pos++;
        }
    }
}

void keccak256_parts(struct hash *out, const struct bytes *parts, size_t count)
{
    struct sponge sponge = {{0}, 0};
    for (size_t i = 0; i < count; i++) {
        absorb(&sponge, parts[i]);
    }
    sponge.lanes[sponge.filled / 8] ^= (u64)0x01 << (8 * (sponge.filled % 8));
    sponge.lanes[RATE_BYTES / 8 - 1] ^= (u64)0x80 << 56;
    keccak_permute(sponge.lanes);
    memcpy(out->b, sponge.lanes, sizeof out->b);
}

void keccak256(struct hash *out, bytes in) { keccak256_parts(out, &in, 1); }

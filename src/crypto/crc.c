/* CRC-32 (IEEE 802.3), CRC-32C (Castagnoli) and CRC-64/NVME, all reflected, all with initial value
 * and final XOR of all ones, so that 0 is both the checksum of nothing and the value to start from.
 *
 * In the reflected form bit 63 (or 31) of a word is the coefficient of x^0 and bit 0 that of the
 * highest power; multiplying by x is a shift to the right. */
#include "crypto/hash.h"

#include <isa-l/crc.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define POLY_CRC32 0xEDB88320U
#define POLY_CRC32C 0x82F63B78U
#define POLY_CRC64NVME 0x9A6C9329AC4BC9B5U

/* CRC-64 of one byte `i` followed by seven, six, … zero bytes is linear in the bits of `i`. The
 * eight constants of a row are those of its bits 0 to 7; the preprocessor makes the tables. */
#define ROW_ENTRY(i, b0, b1, b2, b3, b4, b5, b6, b7)                                               \
    (((i)&1 ? (b0) : 0) ^ ((i)&2 ? (b1) : 0) ^ ((i)&4 ? (b2) : 0) ^ ((i)&8 ? (b3) : 0) ^           \
     ((i)&16 ? (b4) : 0) ^ ((i)&32 ? (b5) : 0) ^ ((i)&64 ? (b6) : 0) ^ ((i)&128 ? (b7) : 0))
#define ROW_4(i, ...)                                                                              \
    ROW_ENTRY(i, __VA_ARGS__), ROW_ENTRY((i) + 1, __VA_ARGS__), ROW_ENTRY((i) + 2, __VA_ARGS__),   \
        ROW_ENTRY((i) + 3, __VA_ARGS__)
#define ROW_16(i, ...)                                                                             \
    ROW_4(i, __VA_ARGS__), ROW_4((i) + 4, __VA_ARGS__), ROW_4((i) + 8, __VA_ARGS__),               \
        ROW_4((i) + 12, __VA_ARGS__)
#define ROW_64(i, ...)                                                                             \
    ROW_16(i, __VA_ARGS__), ROW_16((i) + 16, __VA_ARGS__), ROW_16((i) + 32, __VA_ARGS__),          \
        ROW_16((i) + 48, __VA_ARGS__)
#define ROW(...)                                                                                   \
    {                                                                                              \
        ROW_64(0, __VA_ARGS__), ROW_64(64, __VA_ARGS__), ROW_64(128, __VA_ARGS__),                 \
            ROW_64(192, __VA_ARGS__)                                                               \
    }

static const u64 crc64_rows[8][256] = {
    ROW(0x7f6ef0c830358979, 0xfedde190606b12f2, 0xc962e5739841b68f, 0xa61cecb46814fe75,
        0x78e0ff3b88be6f81, 0xf1c1fe77117cdf02, 0xd75adabd7a6e2d6f, 0x9a6c9329ac4bc9b5),
    ROW(0x8776a97d73bddf69, 0x3a3474a9bfec2db9, 0x7468e9537fd85b72, 0xe8d1d2a6ffb0b6e4,
        0xe57a831ea7f6fea3, 0xfe2c206e177a6e2d, 0xc881668f76634f31, 0xa5dbeb4db4510d09),
    ROW(0xff6e4e1f4e4038be, 0xca05ba6dc417e217, 0xa0d25288d0b85745, 0x757d8342f9e73de1,
        0xeafb0685f3ce7bc2, 0xe12f2b58bf0b64ef, 0xf68770e226815ab5, 0xd9d7c79715952601),
    ROW(0x8211147cbaf96306, 0x30fb0eaa2d655567, 0x61f61d545acaaace, 0xc3ec3aa8b595559c,
        0xb301530233bd3853, 0x52db80573fede3cd, 0xa5b700ae7fdbc79a, 0x7fb7270fa7201c5f),
    ROW(0x373d15f784905d1e, 0x6e7a2bef0920ba3c, 0xdcf457de12417478, 0x8d3189ef7c157b9b,
        0x2eba358da0bd645d, 0x5d746b1b417ac8ba, 0xbae8d63682f59174, 0x41088a3e5d7cb183),
    ROW(0xe9742a79ef04a5d4, 0xe63172a0869ed8c3, 0xf8bbc31255aa22ed, 0xc5aea077f3c3d6b1,
        0xbf8466bcbf103e09, 0x4bd1eb2a26b7ef79, 0x97a3d6544d6fdef2, 0x1b9e8afbc2482e8f),
    ROW(0xfc5d27f6bf353971, 0xcc6369be26fde189, 0xac1ff52f156c5079, 0x6ce6cc0d724f3399,
        0xd9cd981ae49e6732, 0x8742166691ab5d0f, 0x3a5d0a9e7bc12975, 0x74ba153cf78252ea),
    ROW(0x21e9761e252621ac, 0x43d2ec3c4a4c4358, 0x87a5d878949886b0, 0x3b9296a271a69e0b,
        0x77252d44e34d3c16, 0xee4a5a89c69a782c, 0xe84d9340d5a36333, 0xe44200d2f3d1550d),
};

u32 crc32_update(u32 crc, bytes in)
{
    return in.len == 0 ? crc : crc32_gzip_refl(crc, in.data, in.len);
}

u32 crc32c_update(u32 crc, bytes in)
{
    u32 state = ~crc;
    for (size_t pos = 0; pos < in.len;) {
        size_t piece = min_size(in.len - pos, MIB(512)); /* ISA-L takes the length as an int */
        /* The cast drops const only because the old interface lacks it. */
        state = crc32_iscsi((unsigned char *)(uintptr_t)(in.data + pos), (int)piece, state);
        pos += piece;
    }
    return ~state;
}

/* crc64_table: raw state (no inversion) over `len` bytes, eight at a time. */
static u64 crc64_table(u64 state, const u8 *data, size_t len)
{
    for (; len >= 8; data += 8, len -= 8) {
        u64 word = state ^ load_le64(data);
        state = 0;
        for (size_t i = 0; i < 8; i++) {
            state ^= crc64_rows[7 - i][word >> (8 * i) & 0xff];
        }
    }
    for (; len > 0; data++, len--) {
        state = crc64_rows[0][(state ^ *data) & 0xff] ^ state >> 8;
    }
    return state;
}

#if defined(__x86_64__)
/* The polynomial of a 128-bit lane moved forward by `distance` bits, plus `next`. keys holds
 * x^(distance + 63) mod P for the first eight bytes and x^(distance - 1) mod P for the others; the
 * exponents are one short because the carry-less product of reflected words is shifted by one. */
__attribute__((target("pclmul,sse2"))) static inline __m128i fold(__m128i lane, __m128i keys,
                                                                  __m128i next)
{
    __m128i low = _mm_clmulepi64_si128(lane, keys, 0x00);
    __m128i high = _mm_clmulepi64_si128(lane, keys, 0x11);
    return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

/* crc64_fold: four lanes over whole 64-byte blocks (at least one), then down to one lane, whose 16
 * bytes have the remainder of all the input. */
__attribute__((target("pclmul,sse2"))) static u64 crc64_fold(u64 state, const u8 *data, size_t len)
{
    const __m128i by_512 = _mm_set_epi64x((i64)0x62242240ace5045a, (i64)0x0c32cdb31e18a84a);
    const __m128i by_128 = _mm_set_epi64x((i64)0x21e9761e252621ac, (i64)0xeadc41fd2ba3d420);
    __m128i lane[4];
    for (size_t i = 0; i < 4; i++) {
        lane[i] = _mm_loadu_si128((const __m128i_u *)(const void *)(data + 16 * i));
    }
    lane[0] = _mm_xor_si128(lane[0], _mm_set_epi64x(0, (i64)state));
    for (size_t pos = 64; pos < len; pos += 64) {
        for (size_t i = 0; i < 4; i++) {
            lane[i] = fold(lane[i], by_512,
                           _mm_loadu_si128((const __m128i_u *)(const void *)(data + pos + 16 * i)));
        }
    }
    for (size_t i = 1; i < 4; i++) {
        lane[i] = fold(lane[i - 1], by_128, lane[i]);
    }
    u8 rest[16];
    _mm_storeu_si128((__m128i_u *)(void *)rest, lane[3]);
    return crc64_table(0, rest, sizeof rest);
}
#endif

u64 crc64nvme_update(u64 crc, bytes in)
{
    u64 state = ~crc;
    size_t done = 0;
#if defined(__x86_64__)
    if (in.len >= 64 && __builtin_cpu_supports("pclmul")) {
        done = in.len - in.len % 64;
        state = crc64_fold(state, in.data, done);
    }
#endif
    if (done < in.len) {
        state = crc64_table(state, in.data + done, in.len - done);
    }
    return ~state;
}

/* crc_multiply: a·b mod the reflected polynomial of `width` bits. */
static u64 crc_multiply(u64 a, u64 b, u64 poly, unsigned width)
{
    u64 product = 0;
    for (unsigned i = width; i-- > 0;) {
        product ^= (a >> i & 1) != 0 ? b : 0;
        b = b >> 1 ^ ((b & 1) != 0 ? poly : 0);
    }
    return product;
}

/* crc_combine: a·x^(8·len_b) + b. The inversions at both ends cancel out. */
static u64 crc_combine(u64 a, u64 b, u64 len_b, u64 poly, unsigned width)
{
    u64 power = (u64)1 << (width - 1 - 8); /* x^8, then squared for each bit of the length */
    for (; len_b != 0; len_b >>= 1) {
        if ((len_b & 1) != 0) {
            a = crc_multiply(a, power, poly, width);
        }
        power = crc_multiply(power, power, poly, width);
    }
    return a ^ b;
}

u32 crc32_combine(u32 a, u32 b, u64 len_b) { return (u32)crc_combine(a, b, len_b, POLY_CRC32, 32); }

u32 crc32c_combine(u32 a, u32 b, u64 len_b)
{
    return (u32)crc_combine(a, b, len_b, POLY_CRC32C, 32);
}

u64 crc64nvme_combine(u64 a, u64 b, u64 len_b)
{
    return crc_combine(a, b, len_b, POLY_CRC64NVME, 64);
}

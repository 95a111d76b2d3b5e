/* int.h: fixed-width integer names, checked arithmetic, byte order.
 *
 * Every number that comes from outside (a length, an offset, an amount) is combined with others
 * only through the checked functions below: they return false on overflow and leave *ret
 * untouched. Loads and stores take unaligned pointers.
 */
#ifndef BASE_INT_H
#define BASE_INT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t i32;
typedef int64_t i64;
__extension__ typedef unsigned __int128 u128;

#define MUST_USE __attribute__((warn_unused_result))
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define KIB(n) ((u64)(n) << 10)
#define MIB(n) ((u64)(n) << 20)
#define GIB(n) ((u64)(n) << 30)

/* add_u64 etc. store the result in *ret; false means overflow. */
static inline MUST_USE bool add_u64(u64 *ret, u64 a, u64 b)
{
    u64 r;
    if (__builtin_add_overflow(a, b, &r)) {
        return false;
    }
    *ret = r;
    return true;
}

static inline MUST_USE bool sub_u64(u64 *ret, u64 a, u64 b)
{
    if (a < b) {
        return false;
    }
    *ret = a - b;
    return true;
}

static inline MUST_USE bool mul_u64(u64 *ret, u64 a, u64 b)
{
    u64 r;
    if (__builtin_mul_overflow(a, b, &r)) {
        return false;
    }
    *ret = r;
    return true;
}

static inline u64 min_u64(u64 a, u64 b) { return a < b ? a : b; }
static inline u64 max_u64(u64 a, u64 b) { return a > b ? a : b; }
static inline size_t min_size(size_t a, size_t b) { return a < b ? a : b; }
static inline size_t max_size(size_t a, size_t b) { return a > b ? a : b; }

/* ceil_div: a / b rounded up; b > 0. */
static inline u64 ceil_div(u64 a, u64 b) { return a / b + (a % b != 0); }

static inline u16 load_be16(const void *p)
{
    u16 v;
    memcpy(&v, p, sizeof v);
    return __builtin_bswap16(v);
}

static inline u32 load_be32(const void *p)
{
    u32 v;
    memcpy(&v, p, sizeof v);
    return __builtin_bswap32(v);
}

static inline u64 load_be64(const void *p)
{
    u64 v;
    memcpy(&v, p, sizeof v);
    return __builtin_bswap64(v);
}

static inline u32 load_le32(const void *p)
{
    u32 v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline u64 load_le64(const void *p)
{
    u64 v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline void store_be16(void *p, u16 v)
{
    v = __builtin_bswap16(v);
    memcpy(p, &v, sizeof v);
}

static inline void store_be32(void *p, u32 v)
{
    v = __builtin_bswap32(v);
    memcpy(p, &v, sizeof v);
}

static inline void store_be64(void *p, u64 v)
{
    v = __builtin_bswap64(v);
    memcpy(p, &v, sizeof v);
}

static inline void store_le32(void *p, u32 v) { memcpy(p, &v, sizeof v); }
static inline void store_le64(void *p, u64 v) { memcpy(p, &v, sizeof v); }

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "byte order helpers assume little endian");

#endif

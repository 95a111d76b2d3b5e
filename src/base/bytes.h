/* bytes.h: borrowed byte ranges, fixed-size words, hexadecimal.
 *
 * `struct bytes` borrows: it never owns what it points to. Fixed-size values that the whole system
 * talks about (a 32-byte hash, a 20-byte account address) are structs, so that they can be copied,
 * compared and returned and cannot be confused with one another.
 */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include "base/err.h"
#include "base/int.h"

struct bytes {
    const u8 *data;
    size_t len;
};
typedef struct bytes bytes;

struct hash {
    u8 b[32];
};

struct address {
    u8 b[20];
};

#define BYTES_OF(object) ((struct bytes){(const u8 *)&(object), sizeof(object)})

static inline bytes bytes_make(const void *data, size_t len)
{
    return (bytes){(const u8 *)data, len};
}

/* bytes_str: the characters of a C string, without the final zero. */
static inline bytes bytes_str(const char *s) { return (bytes){(const u8 *)s, strlen(s)}; }

static inline bool bytes_eq(bytes a, bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* bytes_cmp: lexicographic order of unsigned bytes; a prefix sorts first. */
int bytes_cmp(bytes a, bytes b);
/* bytes_slice: [offset, offset + len), which must lie inside b. */
bytes bytes_slice(bytes b, size_t offset, size_t len);
bool bytes_starts_with(bytes b, bytes prefix);
bool bytes_ends_with(bytes b, bytes suffix);
bool bytes_eq_str(bytes a, const char *s);
/* bytes_eq_nocase: equal but for the case of ASCII letters. */
bool bytes_eq_nocase(bytes a, bytes b);
/* bytes_find: index of the first `needle`, or SIZE_MAX. */
size_t bytes_find(bytes b, bytes needle);

static inline bool hash_eq(const struct hash *a, const struct hash *b)
{
    return memcmp(a->b, b->b, sizeof a->b) == 0;
}

static inline bool hash_is_zero(const struct hash *h)
{
    static const struct hash zero;
    return hash_eq(h, &zero);
}

static inline bool address_eq(const struct address *a, const struct address *b)
{
    return memcmp(a->b, b->b, sizeof a->b) == 0;
}

static inline bool address_is_zero(const struct address *a)
{
    static const struct address zero;
    return address_eq(a, &zero);
}

/* hex_encode: writes 2 * in.len lower-case digits and a final zero; out_cap must hold them. */
void hex_encode(char *out, size_t out_cap, bytes in);
/* hex_decode: exactly out_len bytes from 2 * out_len digits, either case, no prefix. */
MUST_USE bool hex_decode(u8 *out, size_t out_len, bytes digits);
/* hex_decode_0x: as hex_decode, after a mandatory "0x". */
MUST_USE bool hex_decode_0x(u8 *out, size_t out_len, bytes text);

/* base64_encode / base64_decode: RFC 4648 with padding. *ret_len is what was written;
 * false: the text is not canonical base64 or does not fit cap. */
size_t base64_encoded_len(size_t len);
void base64_encode(char *out, size_t cap, bytes in);
MUST_USE bool base64_decode(u8 *out, size_t cap, bytes text, size_t *ret_len);

/* parse_u64: decimal digits only, no sign, no leading zero except "0", checked. */
MUST_USE bool parse_u64(u64 *ret, bytes digits);

#endif

#include "base/bytes.h"

#include "base/assert.h"

int bytes_cmp(bytes a, bytes b)
{
    size_t shared = min_size(a.len, b.len);
    int order = shared ? memcmp(a.data, b.data, shared) : 0;
    if (order != 0) {
        return order;
    }
    return a.len < b.len ? -1 : a.len > b.len;
}

bytes bytes_slice(bytes b, size_t offset, size_t len)
{
    assert_that(offset <= b.len && len <= b.len - offset);
    return bytes_make(b.data ? b.data + offset : NULL, len);
}

bool bytes_starts_with(bytes b, bytes prefix)
{
    return b.len >= prefix.len && bytes_eq(bytes_slice(b, 0, prefix.len), prefix);
}

bool bytes_ends_with(bytes b, bytes suffix)
{
    return b.len >= suffix.len && bytes_eq(bytes_slice(b, b.len - suffix.len, suffix.len), suffix);
}

bool bytes_eq_str(bytes a, const char *s) { return bytes_eq(a, bytes_str(s)); }

static u8 ascii_lower(u8 c) { return c >= 'A' && c <= 'Z' ? (u8)(c + 32) : c; }

bool bytes_eq_nocase(bytes a, bytes b)
{
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (ascii_lower(a.data[i]) != ascii_lower(b.data[i])) {
            return false;
        }
    }
    return true;
}

size_t bytes_find(bytes b, bytes needle)
{
    for (size_t i = 0; needle.len <= b.len && i <= b.len - needle.len; i++) {
        if (bytes_eq(bytes_slice(b, i, needle.len), needle)) {
            return i;
        }
    }
    return SIZE_MAX;
}

void hex_encode(char *out, size_t out_cap, bytes in)
{
    static const char digits[] = "0123456789abcdef";
    assert_that(out_cap / 2 >= in.len && out_cap > 2 * in.len);
    for (size_t i = 0; i < in.len; i++) {
        out[2 * i] = digits[in.data[i] >> 4];
        out[2 * i + 1] = digits[in.data[i] & 15];
    }
    out[2 * in.len] = '\0';
}

static int hex_value(u8 c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool hex_decode(u8 *out, size_t out_len, bytes digits)
{
    if (digits.len / 2 != out_len || digits.len % 2 != 0) {
        return false;
    }
    for (size_t i = 0; i < digits.len; i++) {
        if (hex_value(digits.data[i]) < 0) {
            return false;
        }
    }
    for (size_t i = 0; i < out_len; i++) {
        out[i] = (u8)(hex_value(digits.data[2 * i]) << 4 | hex_value(digits.data[2 * i + 1]));
    }
    return true;
}

bool hex_decode_0x(u8 *out, size_t out_len, bytes text)
{
    if (!bytes_starts_with(text, bytes_str("0x"))) {
        return false;
    }
    return hex_decode(out, out_len, bytes_slice(text, 2, text.len - 2));
}

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t base64_encoded_len(size_t len) { return (len + 2) / 3 * 4; }

void base64_encode(char *out, size_t cap, bytes in)
{
    assert_that(cap > base64_encoded_len(in.len));
    size_t o = 0;
    for (size_t i = 0; i < in.len; i += 3) {
        u32 left = (u32)min_size(in.len - i, 3);
        u32 v = (u32)in.data[i] << 16;
        v |= left > 1 ? (u32)in.data[i + 1] << 8 : 0;
        v |= left > 2 ? (u32)in.data[i + 2] : 0;
        out[o++] = base64_digits[v >> 18];
        out[o++] = base64_digits[v >> 12 & 63];
        out[o++] = left > 1 ? base64_digits[v >> 6 & 63] : '=';
        out[o++] = left > 2 ? base64_digits[v & 63] : '=';
    }
    out[o] = '\0';
}

static int base64_value(u8 c)
{
    const char *at = c ? strchr(base64_digits, c) : NULL;
    return at ? (int)(at - base64_digits) : -1;
}

bool base64_decode(u8 *out, size_t cap, bytes text, size_t *ret_len)
{
    if (text.len % 4 != 0) {
        return false;
    }
    size_t pad = 0;
    while (pad < 2 && pad < text.len && text.data[text.len - 1 - pad] == '=') {
        pad++;
    }
    size_t len = text.len / 4 * 3 - pad;
    if (len > cap) {
        return false;
    }
    u32 v = 0;
    size_t o = 0;
    for (size_t i = 0; i < text.len; i++) {
        int digit = i < text.len - pad ? base64_value(text.data[i]) : 0;
        if (digit < 0) {
            return false;
        }
        v = v << 6 | (u32)digit;
        if (i % 4 == 3) {
            for (size_t byte = 0; byte < 3; byte++) {
                u8 value = (u8)(v >> (16 - 8 * byte));
                if (o < len) {
                    out[o++] = value;
                } else if (value != 0) {
                    return false; /* bits that the padding says are absent */
                }
            }
            v = 0;
        }
    }
    *ret_len = len;
    return true;
}

bool parse_u64(u64 *ret, bytes digits)
{
    if (digits.len == 0 || digits.len > 20 || (digits.len > 1 && digits.data[0] == '0')) {
        return false;
    }
    u64 v = 0;
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9' || !mul_u64(&v, v, 10) ||
            !add_u64(&v, v, (u64)(digits.data[i] - '0'))) {
            return false;
        }
    }
    *ret = v;
    return true;
}

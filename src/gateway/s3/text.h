/* text.h: taking header values apart. All ranges are borrowed. */
#ifndef GATEWAY_S3_TEXT_H
#define GATEWAY_S3_TEXT_H

#include "base/bytes.h"

/* s3_trim: without spaces and tabs at both ends. */
static inline bytes s3_trim(bytes in)
{
    while (in.len > 0 && (in.data[0] == ' ' || in.data[0] == '\t')) {
        in = bytes_slice(in, 1, in.len - 1);
    }
    while (in.len > 0 && (in.data[in.len - 1] == ' ' || in.data[in.len - 1] == '\t')) {
        in.len--;
    }
    return in;
}

/* s3_tail: from `from` to the end; empty past it. */
static inline bytes s3_tail(bytes in, size_t from)
{
    size_t start = min_size(from, in.len);
    return bytes_slice(in, start, in.len - start);
}

/* s3_find_byte: index of the first `byte`, or in.len. */
static inline size_t s3_find_byte(bytes in, u8 byte)
{
    const u8 *at = in.len == 0 ? NULL : (const u8 *)memchr(in.data, byte, in.len);
    return at == NULL ? in.len : (size_t)(at - in.data);
}

/* s3_cut: takes what stands before the first `mark` off *in, and the mark; everything if there is
 * none. */
static inline bytes s3_cut(bytes *in, u8 mark)
{
    size_t at = s3_find_byte(*in, mark);
    bytes head = bytes_slice(*in, 0, at);
    *in = s3_tail(*in, at + 1);
    return head;
}

static inline u8 s3_lower(u8 c) { return c >= 'A' && c <= 'Z' ? (u8)(c + 32) : c; }

/* s3_in_list: a comma-separated list holds this word, any case. */
static inline bool s3_in_list(bytes list, bytes word)
{
    while (list.len > 0) {
        if (bytes_eq_nocase(s3_trim(s3_cut(&list, ',')), word)) {
            return true;
        }
    }
    return false;
}

#define S3_DECIMAL_BYTES 21 /* of 2^64 - 1, and a zero */

/* s3_write_decimal: digits and a zero; returns the number of digits. */
static inline size_t s3_write_decimal(char *out, u64 v)
{
    char reversed[S3_DECIMAL_BYTES];
    size_t len = 0;
    do {
        reversed[len++] = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    for (size_t i = 0; i < len; i++) {
        out[i] = reversed[len - 1 - i];
    }
    out[len] = 0;
    return len;
}

/* s3_append: copies a C string and its zero to out + at; returns the new length. */
static inline size_t s3_append(char *out, size_t at, const char *text)
{
    size_t len = strlen(text);
    memcpy(out + at, text, len + 1);
    return at + len;
}

#endif

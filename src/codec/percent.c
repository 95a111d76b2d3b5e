#include "codec/percent.h"

static int hex_value(u8 c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool is_unreserved(u8 c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

/* decode_escape: the byte of the escape at in[at], or -1. */
static int decode_escape(bytes in, size_t at)
{
    if (in.len - at < 3) {
        return -1;
    }
    int high = hex_value(in.data[at + 1]);
    int low = hex_value(in.data[at + 2]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

err percent_decode(struct arena *arena, bytes in, bool plus_is_space, bytes *ret_out)
{
    u8 *out = arena_alloc(arena, in.len);
    if (out == NULL) {
        return fail(ERR_LIMIT);
    }
    size_t len = 0;
    for (size_t i = 0; i < in.len; i++) {
        u8 c = in.data[i];
        if (c == '%') {
            int v = decode_escape(in, i);
            if (v < 0) {
                return fail(ERR_MALFORMED);
            }
            out[len++] = (u8)v;
            i += 2;
        } else {
            out[len++] = c == '+' && plus_is_space ? ' ' : c;
        }
    }
    *ret_out = bytes_make(out, len);
    return ok();
}

void percent_encode(struct buf *out, bytes in, bool keep_slash)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < in.len; i++) {
        u8 c = in.data[i];
        if (is_unreserved(c) || (c == '/' && keep_slash)) {
            buf_put_u8(out, c);
        } else {
            u8 escape[3] = {'%', (u8)digits[c >> 4], (u8)digits[c & 15]};
            buf_put(out, BYTES_OF(escape));
        }
    }
}

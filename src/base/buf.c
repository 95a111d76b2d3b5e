#include "base/buf.h"

#include "base/assert.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>

void buf_init(struct buf *buf, size_t limit) { *buf = (struct buf){.limit = limit}; }

void buf_free(struct buf *buf)
{
    mem_free(buf->data);
    *buf = (struct buf){.limit = buf->limit};
}

void buf_clear(struct buf *buf)
{
    buf->len = 0;
    buf->failed = false;
}

u8 *buf_extend(struct buf *buf, size_t len)
{
    if (buf->failed || len > buf->limit || buf->len > buf->limit - len) {
        buf->failed = true;
        return NULL;
    }
    if (buf->cap - buf->len < len || buf->data == NULL) {
        size_t cap = max_size(max_size(buf->cap * 2, buf->len + len), 64);
        buf->cap = max_size(min_size(cap, buf->limit), buf->len + len);
        buf->data = mem_resize(buf->data, buf->cap);
    }
    u8 *at = buf->data + buf->len;
    buf->len += len;
    return at;
}

void buf_put(struct buf *buf, bytes in)
{
    u8 *at = buf_extend(buf, in.len);
    if (at != NULL && in.len != 0) {
        memcpy(at, in.data, in.len);
    }
}

void buf_put_u8(struct buf *buf, u8 v) { buf_put(buf, bytes_make(&v, 1)); }

void buf_put_be16(struct buf *buf, u16 v)
{
    u8 b[2];
    store_be16(b, v);
    buf_put(buf, BYTES_OF(b));
}

void buf_put_be32(struct buf *buf, u32 v)
{
    u8 b[4];
    store_be32(b, v);
    buf_put(buf, BYTES_OF(b));
}

void buf_put_be64(struct buf *buf, u64 v)
{
    u8 b[8];
    store_be64(b, v);
    buf_put(buf, BYTES_OF(b));
}

void buf_put_str(struct buf *buf, const char *s) { buf_put(buf, bytes_str(s)); }

void buf_put_hex(struct buf *buf, bytes in)
{
    for (size_t i = 0; i < in.len; i++) {
        char digits[3];
        hex_encode(digits, sizeof digits, bytes_slice(in, i, 1));
        buf_put(buf, bytes_make(digits, 2));
    }
}

void buf_format(struct buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    assert_that(len >= 0);
    u8 *at = buf_extend(buf, (size_t)len + 1);
    if (at != NULL) {
        va_start(args, format);
        vsnprintf((char *)at, (size_t)len + 1, format, args);
        va_end(args);
        buf->len--;
    }
}

void buf_consume(struct buf *buf, size_t len)
{
    assert_that(len <= buf->len);
    buf->len -= len;
    if (buf->len != 0) {
        memmove(buf->data, buf->data + len, buf->len);
    }
}

err buf_done(const struct buf *buf) { return buf->failed ? fail(ERR_LIMIT) : ok(); }

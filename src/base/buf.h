/* buf.h: a growable byte buffer with a limit.
 *
 * Writers append without looking at each result: the first append past the limit latches `failed`,
 * later ones do nothing, and buf_done() reports it once at the end.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/bytes.h"

struct buf {
    u8 *data; /* owned */
    size_t len;
    size_t cap;
    size_t limit;
    bool failed;
};

void buf_init(struct buf *buf, size_t limit);
void buf_free(struct buf *buf);
/* buf_clear: length 0, failure forgotten, memory kept. */
void buf_clear(struct buf *buf);
void buf_put(struct buf *buf, bytes in);
void buf_put_u8(struct buf *buf, u8 v);
void buf_put_be16(struct buf *buf, u16 v);
void buf_put_be32(struct buf *buf, u32 v);
void buf_put_be64(struct buf *buf, u64 v);
void buf_put_str(struct buf *buf, const char *s);
void buf_put_hex(struct buf *buf, bytes in);
void buf_format(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* buf_extend: room for len more bytes, already counted in buf->len; NULL once failed. */
u8 *buf_extend(struct buf *buf, size_t len);
/* buf_consume: drops the first len bytes (len <= buf->len). */
void buf_consume(struct buf *buf, size_t len);
/* buf_done: ERR_LIMIT if any append failed. */
err buf_done(const struct buf *buf);
static inline bytes buf_bytes(const struct buf *buf) { return bytes_make(buf->data, buf->len); }

#endif

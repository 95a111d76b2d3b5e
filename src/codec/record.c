#include "codec/record.h"

#include "base/assert.h"

/* take: the next len bytes, or NULL once anything failed. len 0 gives a non-NULL pointer. */
static const u8 *take(struct reader *reader, size_t len)
{
    static const u8 nothing[1];
    if (reader->failed || len > reader->left) {
        reader->failed = true;
        return NULL;
    }
    if (len == 0) {
        return reader->at != NULL ? reader->at : nothing;
    }
    const u8 *at = reader->at;
    reader->at += len;
    reader->left -= len;
    return at;
}

void reader_init(struct reader *reader, bytes in)
{
    *reader = (struct reader){.at = in.data, .left = in.len};
}

u8 read_u8(struct reader *reader)
{
    const u8 *at = take(reader, 1);
    return at != NULL ? *at : 0;
}

u16 read_be16(struct reader *reader)
{
    const u8 *at = take(reader, 2);
    return at != NULL ? load_be16(at) : 0;
}

u32 read_be32(struct reader *reader)
{
    const u8 *at = take(reader, 4);
    return at != NULL ? load_be32(at) : 0;
}

u64 read_be64(struct reader *reader)
{
    const u8 *at = take(reader, 8);
    return at != NULL ? load_be64(at) : 0;
}

void read_fixed(struct reader *reader, void *out, size_t len)
{
    const u8 *at = take(reader, len);
    if (len == 0) {
        return;
    }
    if (at != NULL) {
        memcpy(out, at, len);
    } else {
        memset(out, 0, len);
    }
}

struct hash read_hash(struct reader *reader)
{
    struct hash hash;
    read_fixed(reader, hash.b, sizeof hash.b);
    return hash;
}

struct address read_address(struct reader *reader)
{
    struct address address;
    read_fixed(reader, address.b, sizeof address.b);
    return address;
}

bytes read_bytes(struct reader *reader, size_t len)
{
    const u8 *at = take(reader, len);
    return bytes_make(at, at != NULL ? len : 0);
}

static bytes read_limited(struct reader *reader, size_t len, size_t max)
{
    if (len > max) {
        reader->failed = true;
    }
    return read_bytes(reader, len);
}

bytes read_str16(struct reader *reader, size_t max)
{
    return read_limited(reader, read_be16(reader), max);
}

bytes read_str32(struct reader *reader, size_t max)
{
    return read_limited(reader, read_be32(reader), max);
}

void read_head(struct reader *reader, u16 kind, u16 version)
{
    u16 its_kind = read_be16(reader);
    u16 its_version = read_be16(reader);
    if (its_kind != kind || its_version != version) {
        reader->failed = true;
    }
}

err reader_done(const struct reader *reader)
{
    return reader->failed || reader->left != 0 ? fail(ERR_MALFORMED) : ok();
}

void write_head(struct buf *out, u16 kind, u16 version)
{
    buf_put_be16(out, kind);
    buf_put_be16(out, version);
}

void write_hash(struct buf *out, const struct hash *hash) { buf_put(out, BYTES_OF(*hash)); }

void write_address(struct buf *out, const struct address *address)
{
    buf_put(out, BYTES_OF(*address));
}

void write_str16(struct buf *out, bytes in)
{
    assert_that(in.len <= UINT16_MAX);
    buf_put_be16(out, (u16)in.len);
    buf_put(out, in);
}

void write_str32(struct buf *out, bytes in)
{
    assert_that(in.len <= UINT32_MAX);
    buf_put_be32(out, (u32)in.len);
    buf_put(out, in);
}

/* record.h: Cairn's own records: bounded readers and writers of binary fields.
 *
 * A record is a sequence of fixed-order fields in big-endian order: integers of 1, 2, 4, 8 bytes,
 * fixed byte strings, and strings with a 2- or 4-byte length. Every stored or sent record starts
 * with a u16 kind and a u16 version (docs/formats). Reading past the end, a length over the
 * caller's maximum, or trailing bytes latch `failed`; values read after that are zero or empty.
 * Check reader_done() once at the end.
 */
#ifndef CODEC_RECORD_H
#define CODEC_RECORD_H

#include "base/arena.h"
#include "base/buf.h"

struct reader {
    const u8 *at;
    size_t left;
    bool failed;
};

void reader_init(struct reader *reader, bytes in);
u8 read_u8(struct reader *reader);
u16 read_be16(struct reader *reader);
u32 read_be32(struct reader *reader);
u64 read_be64(struct reader *reader);
/* read_fixed: copies len bytes (zeros on failure). */
void read_fixed(struct reader *reader, void *out, size_t len);
struct hash read_hash(struct reader *reader);
struct address read_address(struct reader *reader);
/* read_bytes: borrows exactly len bytes. */
bytes read_bytes(struct reader *reader, size_t len);
/* read_str16 / read_str32: length-prefixed, at most max bytes, borrowed. */
bytes read_str16(struct reader *reader, size_t max);
bytes read_str32(struct reader *reader, size_t max);
/* read_head: kind and version must be exactly these. */
void read_head(struct reader *reader, u16 kind, u16 version);
/* reader_done: ERR_MALFORMED if anything failed or bytes are left. */
err reader_done(const struct reader *reader);

void write_head(struct buf *out, u16 kind, u16 version);
void write_hash(struct buf *out, const struct hash *hash);
void write_address(struct buf *out, const struct address *address);
void write_str16(struct buf *out, bytes in); /* in.len <= 65535 */
void write_str32(struct buf *out, bytes in);

#endif

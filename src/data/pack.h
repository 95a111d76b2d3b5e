/* pack.h: fixed-size byte layouts on the stack.
 *
 * Digests are taken over packed big-endian fields whose total size is known when the program is
 * compiled. A packer fills a caller's array of exactly that size without touching the heap; going
 * past the end, or stopping short of it, is a bug.
 */
#ifndef DATA_PACK_H
#define DATA_PACK_H

#include "base/assert.h"
#include "base/bytes.h"

struct packer {
    u8 *at;
    size_t left;
};

/* packer_make: over the len bytes at out, borrowed. */
static inline struct packer packer_make(u8 *out, size_t len)
{
    return (struct packer){.at = out, .left = len};
}

/* pack_room: the next len bytes, to be filled by the caller. */
static inline u8 *pack_room(struct packer *packer, size_t len)
{
    assert_that(len <= packer->left);
    u8 *at = packer->at;
    packer->at += len;
    packer->left -= len;
    return at;
}

static inline void pack_u8(struct packer *packer, u8 v) { *pack_room(packer, 1) = v; }
static inline void pack_be16(struct packer *packer, u16 v) { store_be16(pack_room(packer, 2), v); }
static inline void pack_be32(struct packer *packer, u32 v) { store_be32(pack_room(packer, 4), v); }
static inline void pack_be64(struct packer *packer, u64 v) { store_be64(pack_room(packer, 8), v); }

static inline void pack_bytes(struct packer *packer, bytes in)
{
    u8 *at = pack_room(packer, in.len);
    if (in.len > 0) {
        memcpy(at, in.data, in.len);
    }
}

/* pack_done: the layout was filled exactly. */
static inline void pack_done(const struct packer *packer) { assert_that(packer->left == 0); }

#endif

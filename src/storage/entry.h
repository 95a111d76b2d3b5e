/* entry.h: what a storage node knows about one fragment. Pure.
 *
 * An entry is one record of the index: the segment's seal (key, class, length, all roots), which
 * fragment of it this is, where its bytes are, and what was promised about it:
 *
 *   OPEN       a receipt was given; until its deadline the bytes must stay
 *   ABANDONED  the gateway wants no receipt any more, but one that was given may still be used;
 *              kept like OPEN until the deadline, never renewed
 *   HELD       the chain lists this node as the holder, at `position` of the provider's list
 *
 *   (none) ──put──► OPEN ──chain──► HELD ──chain──► gone, some epochs later
 *                    │ ▲              │
 *                    │ └──────────────┘ taken off the list while a newer receipt is out
 *                    └──deadline──► gone
 *
 * The bytes of a fragment of up to one run (64 KiB) lie inside the index, longer ones in a file on
 * one of the disks: data, then the roots of its runs. Layout: docs/formats/store.md.
 */
#ifndef STORAGE_ENTRY_H
#define STORAGE_ENTRY_H

#include "transfer/seal.h"

#define RUN_BYTES UNIT_BYTES /* of one frame of a read, and one node of the tree that is kept */
#define RUNS_MAX (FRAGMENT_BYTES_MAX / RUN_BYTES)
#define FRAGMENT_KEY_BYTES 21
#define FRAGMENT_NAME_MAX 56 /* "TERRITORY.GATEWAY.NUMBER.INDEX" with the final zero */
#define DISKS_MAX 16
#define PLACE_INDEX DISKS_MAX /* inside the index; lower numbers are disks */
#define PLACES (DISKS_MAX + 1)
#define ENTRY_BYTES_MAX (48 + SEAL_BYTES_MAX)
#define POSITION_NONE UINT32_MAX

struct fragment_key {
    struct segment_key segment;
    u8 index;
};

enum entry_state { ENTRY_OPEN = 1, ENTRY_HELD = 2, ENTRY_ABANDONED = 3 };

struct shelf_entry {
    struct segment_seal seal;
    u8 index;
    enum entry_state state;
    u8 place;           /* disk number or PLACE_INDEX */
    u32 position;       /* HELD: in the provider's list; else POSITION_NONE */
    u64 deadline;       /* of the newest receipt, unix seconds */
    u64 added;          /* block time of the first receipt */
    struct address who; /* whose open-receipt quota it counts against */
};

/* entry_key / entry_length: of the fragment. entry_root: its Merkle root. */
struct fragment_key entry_key(const struct shelf_entry *entry);
u32 entry_length(const struct shelf_entry *entry);
static inline const struct hash *entry_root(const struct shelf_entry *entry)
{
    return &entry->seal.roots[entry->index];
}
/* entry_is_open: counts against somebody's quota. */
static inline bool entry_is_open(const struct shelf_entry *entry)
{
    return entry->state != ENTRY_HELD;
}

void entry_write(struct buf *out, const struct shelf_entry *entry);
/* entry_read: ERR_MALFORMED for anything that entry_write() does not make. */
err entry_read(bytes in, struct shelf_entry *ret_entry);

bool fragment_key_eq(const struct fragment_key *a, const struct fragment_key *b);
/* The index's key: big-endian, so that it sorts by territory, gateway, number, index. */
void fragment_key_pack(u8 out[FRAGMENT_KEY_BYTES], const struct fragment_key *key);
MUST_USE bool fragment_key_unpack(struct fragment_key *ret, bytes in);
/* "7.1.42.3": in URLs, file names and logs. fragment_key_parse takes nothing else. */
void fragment_key_name(char out[FRAGMENT_NAME_MAX], const struct fragment_key *key);
MUST_USE bool fragment_key_parse(struct fragment_key *ret, bytes text);
/* segment_key_parse: "7.1.42". */
MUST_USE bool segment_key_parse(struct segment_key *ret, bytes text);

/* run_root: subtree over the leaves of one run: 1..RUN_BYTES bytes. The fragment's root is
 * merkle_root() over its runs, because a run is a whole subtree of the RFC 6962 tree. */
void run_root(struct hash *ret_root, bytes run);
static inline u32 run_count(u32 length) { return (u32)ceil_div(length, RUN_BYTES); }
static inline u32 run_length(u32 length, u32 run)
{
    return (u32)min_u64(RUN_BYTES, length - (u64)run * RUN_BYTES);
}

#endif

/* layout.h: what the storage layouts of all native modules share.
 *
 * Every X_layout.h here publishes the records of one module and readers over a `struct
 * slot_source`: the same code runs inside a call frame, in a role over proven slots, and in tests.
 * Readers are pure and restartable: nothing is kept between calls, outputs are written only on
 * success. When a record spans several words a reader asks for all of them even if one fails, and
 * returns the first fault; so a source that answers ERR_BUSY for slots it does not have yet, and
 * fetches what was asked for, gets by with two or three rounds.
 *
 * Layout rules: scalars at slot_number(n); map entries at slot_of_map(base, key), key big-endian
 * and packed; records in consecutive words; fields big-endian from the left of a word. A byte
 * string
 * ("blob") starts with its length (u16), 30 bytes follow in the first word and 32 in each next.
 *
 * Two clocks. Block time is the header's. *Chain time* is block time minus all pauses: a gap of
 * more than params.clock_gap_s between two blocks does not count. Everything stored here that is
 * called a time is chain time (beacon_now()) unless it says "block time"; so deadlines move with a
 * pause.
 */
#ifndef LEDGER_MODULES_LAYOUT_H
#define LEDGER_MODULES_LAYOUT_H

#include "ledger/exec/slots.h"

enum module_number {
    MODULE_REGISTRY = 1,
    MODULE_PARAMS = 2,
    MODULE_BEACON = 3,
    MODULE_TERRITORY = 5,
    MODULE_BUCKET = 6,
    MODULE_SEGMENT = 7,
    MODULE_PROVIDER = 8,
};

#define BLOB_BYTES_MAX 1024

/* word_get / word_put: a big-endian field of len <= 8 bytes at byte `at`. */
u64 word_get(const struct word *word, size_t at, size_t len);
void word_put(struct word *word, size_t at, size_t len, u64 value);
struct address word_address(const struct word *word, size_t at);
void word_put_address(struct word *word, size_t at, const struct address *address);
bool word_is_zero(const struct word *word);

/* layout_words: `count` consecutive words of a module from `first` on. */
err layout_words(const struct slot_source *source, enum module_number module,
                 const struct hash *first, struct word *ret_words, size_t count);
/* layout_blob: the byte string at `slot`; at most cap bytes go to out (ERR_LIMIT if it is longer).
 */
err layout_blob(const struct slot_source *source, enum module_number module,
                const struct hash *slot, u8 *out, size_t cap, size_t *ret_len);

/* Packed keys of maps, at most 32 bytes. */
struct layout_key {
    u8 b[32];
    u8 len;
};
struct layout_key layout_key_none(void);
void layout_key_u64(struct layout_key *key, u64 value, size_t len);
void layout_key_address(struct layout_key *key, const struct address *address);
struct hash layout_map(u64 base, const struct layout_key *key);
/* Common keys: one number of `len` bytes; an account; an account and an item number (4 bytes). */
struct hash layout_map_u64(u64 base, u64 value, size_t len);
struct hash layout_map_address(u64 base, const struct address *address);
struct hash layout_map_item(u64 base, const struct address *address, u32 i);

#endif

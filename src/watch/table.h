/* table.h: the segments as the ledger had them when they were last read. Internal to src/watch.
 *
 * One entry a segment, found by serial or by key. The ledger's logs mark entries as dirty, those
 * are read again; so a pass costs what has changed, not what is there. Of a ledger with more
 * segments than TABLE_SEGMENTS_MAX the table holds a window of serials, which moves on pass by
 * pass.
 */
#ifndef WATCH_TABLE_H
#define WATCH_TABLE_H

#include "base/map.h"
#include "ledger/modules/segment_layout.h"

#define TABLE_SEGMENTS_MAX 200000

struct tracked {
    u64 serial;
    struct segment_key key;
    u64 committed;
    u64 changed;
    u64 retry_ms; /* no repair before */
    u32 length;
    u8 class_number;
    u8 n;
    u8 flags;
    u8 failures; /* in a row */
    bool dirty;
    bool busy;                       /* a repair of it is under way */
    bool unreadable;                 /* that was said already */
    struct segment_holder holders[]; /* n */
};

struct table {
    u64 first;              /* lowest serial of the window */
    struct tracked **items; /* by serial - first; NULL: not there (any more) */
    size_t count;           /* of items that were read */
    size_t cap;
    struct map keys; /* packed key → struct tracked */
};

void table_init(struct table *table);
void table_free(struct table *table);
/* table_next: the serial after the last one read. table_full: the window is. */
static inline u64 table_next(const struct table *table) { return table->first + table->count; }
static inline bool table_full(const struct table *table)
{
    return table->count == TABLE_SEGMENTS_MAX;
}
/* table_put: what was read of a serial in the window or just behind it; record NULL: purged. What
 * is known beside the record stays. */
void table_put(struct table *table, u64 serial, const struct segment_key *key,
               const struct segment_record *record);
struct tracked *table_get(const struct table *table, u64 serial);
struct tracked *table_find(const struct table *table, const struct segment_key *key);
/* table_move: forgets all; the window begins at `first`. */
void table_move(struct table *table, u64 first);
/* tracked_record: what holder_status_of() wants. */
void tracked_record(const struct tracked *tracked, struct segment_record *ret_record);

#endif

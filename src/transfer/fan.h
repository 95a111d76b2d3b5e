/* fan.h: the rows of a segment on their way to many holders at once. Internal to src/transfer.
 *
 * One fiber per holder sends the units of its fragment, row after row, then the seal, and gets a
 * receipt. At most FAN_ROWS rows are in memory that somebody still has to send; a new one waits for
 * the slowest live holder. A holder that takes nothing for the stall time is given up. Its fiber
 * may hang in a write until that write's own deadline; until then it keeps the one row that it
 * sends from and the fan, so whoever made the fan may go away before.
 *
 *   fan_new → fan_add… → (fan_open_row → fill the memory → fan_push_row)… → fan_end → fan_wait
 *           → fan_receipts → fan_free (at any time)
 */
#ifndef TRANSFER_FAN_H
#define TRANSFER_FAN_H

#include "transfer/store_client.h"

#define FAN_ROWS 2
#define FAN_STALL_TIMEOUT_MS 10000

struct fan;

struct fan_options {
    struct loop *loop;
    struct directory *directory;
    struct http_client *http;
    const struct store_identity *who;
    struct segment_key key;
    size_t row_bytes;     /* of memory for a row */
    u64 stall_timeout_ms; /* 0: FAN_STALL_TIMEOUT_MS */
    struct group *fibers; /* waited for before closing what is named here */
};

struct fan *fan_new(const struct fan_options *options);
/* fan_add: starts a fiber for one holder; before the first row. */
err fan_add(struct fan *fan, u8 index, const struct placement_holder *drawn);
/* fan_live: holders that go on or have given their receipt. fan_sending: that go on. */
u8 fan_live(const struct fan *fan);
u8 fan_sending(const struct fan *fan);
/* fan_open_row: waits for room, then gives 64-byte aligned memory of row_bytes (not zeroed) for the
 * next row. Stalled holders are given up while more than `keep` are live. */
err fan_open_row(struct fan *fan, u8 keep, u64 deadline_ms, u8 **ret_memory);
/* fan_push_row: units[i] is the unit of fragment i, inside the open row's memory; only those of
 * added holders are looked at. */
void fan_push_row(struct fan *fan, u8 *const units[FRAGMENTS_MAX], u32 unit_bytes);
/* fan_end: no row follows; the holders get the seal. */
void fan_end(struct fan *fan, const struct segment_seal *seal);
/* fan_wait: until no holder goes on, or `enough` receipts are in and a grace for those that are
 * nearly done has passed, or the deadline; all three are ok. ERR_CANCELLED. */
err fan_wait(struct fan *fan, u8 enough, u64 deadline_ms);
/* fan_wait_quorum: the same for a quorum; once too few are left for one, nobody goes on: who is
 * left may hang, and the fragments are better drawn anew. */
err fan_wait_quorum(struct fan *fan, u8 quorum, u64 deadline_ms);
/* fan_receipts: appends the receipts that were not asked for before to an entry's. */
void fan_receipts(struct fan *fan, struct segment_entry *entry);
/* fan_bytes: of fragments that left so far, those of failed holders included. */
u64 fan_bytes(const struct fan *fan);
/* fan_failure: why the holder that failed last did; ok: none did. */
err fan_failure(const struct fan *fan);
/* fan_conflict: a holder has other bytes under this key, from before a crash. */
bool fan_conflict(const struct fan *fan);
/* fan_free: stops what still runs, without waiting for it. NULL is fine. */
void fan_free(struct fan *fan);

#endif

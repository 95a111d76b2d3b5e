/* state.h: what the handlers of native modules share for writing: words, blobs, time, tables.
 *
 * Only code that runs inside a frame includes this. Every write goes through frame_store_other()
 * with the address of the module that owns the record, so helpers work in any module's frame; which
 * module writes into which other one is listed in README.md.
 */
#ifndef LEDGER_MODULES_STATE_H
#define LEDGER_MODULES_STATE_H

#include "ledger/exec/native.h"
#include "ledger/modules/layout.h"

/* state_store: `count` consecutive words of a module from `first` on. */
err state_store(struct frame *frame, enum module_number module, const struct hash *first,
                const struct word *words, size_t count);
/* state_store_u64: one word that holds `value` in its first `len` bytes. */
err state_store_u64(struct frame *frame, enum module_number module, const struct hash *slot,
                    u64 value, size_t len);
err state_load_u64(const struct slot_source *source, enum module_number module,
                   const struct hash *slot, size_t len, u64 *ret_value);
/* state_store_blob: replaces the byte string at `slot`; in.len <= BLOB_BYTES_MAX. */
err state_store_blob(struct frame *frame, enum module_number module, const struct hash *slot,
                     bytes in);

/* The clocks of this block; loads one slot. */
struct state_time {
    u64 block; /* block time */
    u64 now;   /* chain time */
    u64 paused_s;
    u64 epoch;
};
err state_time(struct frame *frame, struct state_time *ret_time);

/* require: reverts with the reason unless `condition`; returns whether the frame still runs. */
bool require(struct frame *frame, bool condition, const char *reason);

/* Makers of return values. state_bytes copies into the frame's arena. */
err state_bytes(struct frame *frame, bytes in, struct abi_value *ret_value);

#endif

/* beacon_state.h: words of the beacon's records, and what other modules ask it to remember. */
#ifndef LEDGER_MODULES_BEACON_STATE_H
#define LEDGER_MODULES_BEACON_STATE_H

#include "ledger/exec/frame.h"
#include "ledger/modules/beacon_layout.h"

void beacon_unpack(struct beacon_state *ret_state, const struct word words[2]);
void beacon_pack(struct word ret_words[2], const struct beacon_state *state);
void beacon_epoch_pack(struct word ret_words[2], const struct beacon_epoch *epoch);
struct hash beacon_epoch_slot(u64 epoch);
struct hash beacon_output_slot(u64 height);
struct hash beacon_kept_slot(u64 height);
bool beacon_is_awaited(const struct word *kept);

/* beacon_keep_output: the output of `height` (this block or a later one) will be kept for good. */
err beacon_keep_output(struct frame *frame, u64 height);

#endif

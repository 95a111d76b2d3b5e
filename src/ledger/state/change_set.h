/* change_set.h: what one block changed, with the values it found; for the files of ledger/state
 * only.
 *
 * One value per height in TABLE_CHANGES: the number of entries, where each begins, and the entries
 * in ascending order of their keys, so that one is found by bisection in place. Reading the past
 * asks the change sets above a height; pruning drops one value.
 */
#ifndef LEDGER_STATE_CHANGE_SET_H
#define LEDGER_STATE_CHANGE_SET_H

#include "ledger/state/pending.h"

#define CHANGE_SET_BYTES_MAX GIB(1)

/* change_set_encode: appends the former values of everything in `pending`. */
void change_set_encode(struct buf *out, const struct state_pending *pending);
/* change_set_count / change_set_entry: entries in order of their keys (key_change()); an empty
 * former value: it was not there. Borrowed. ERR_INTEGRITY. */
err change_set_count(bytes set, size_t *ret_count);
err change_set_entry(bytes set, size_t i, bytes *ret_key, bytes *ret_former);
/* change_set_find: the former value of a key; data NULL: the block did not change it. */
err change_set_find(bytes set, bytes key, bytes *ret_former);

#endif

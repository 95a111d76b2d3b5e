/* draw.h: a segment's ticket and who it names, from proven chain state and the directory. */
#ifndef TRANSFER_DRAW_H
#define TRANSFER_DRAW_H

#include "ledger/modules/segment_layout.h"
#include "transfer/directory.h"

struct draw {
    struct segment_key key;
    const struct redundancy_info *info;
    struct ticket_seed seed;
    u8 per_operator;
    u8 per_prefix;
};

/* draw_open: the ticket of a new segment. ERR_BUSY: no seed yet for this pair, wait for a block. */
err draw_open(struct chain *chain, const struct segment_key *key, enum redundancy class_number,
              u64 deadline_ms, struct draw *ret_draw);
/* draw_open_repair: for complete and repair, where the seed is that of the open epoch. */
err draw_open_repair(struct chain *chain, const struct segment_key *key,
                     enum redundancy class_number, u64 deadline_ms, struct draw *ret_draw);
/* draw_passed: the ticket's epoch is no longer the open one; a segment under it should be sealed.
 * Never in a small network, where any epoch will do. */
err draw_passed(struct chain *chain, const struct draw *draw, u64 deadline_ms, bool *ret_passed);
/* draw_choose: up to `count` holders beside those in `taken`, reachable ones; if those are fewer
 * than `enough`, the others are tried, too. */
struct draw_wish {
    u8 count;
    u8 enough;
    const struct placement_holder *taken;
    size_t taken_count;
};
err draw_choose(struct chain *chain, const struct directory *directory, const struct draw *draw,
                const struct draw_wish *wish, u64 deadline_ms,
                struct placement_holder ret_holders[FRAGMENTS_MAX], size_t *ret_count);
/* draw_index_of: which draw names this provider; false: none does (large networks only). */
err draw_index_of(struct chain *chain, const struct directory *directory, const struct draw *draw,
                  u32 provider, u64 deadline_ms, u16 *ret_index, bool *ret_found);

#endif

/* placement.h: holders are drawn from chain randomness, not chosen.
 *
 * A ticket is (epoch seed, territory, gateway, number). Draw j of a ticket is
 *   SHA-256("cairn draw v1" ‖ seed ‖ territory u64 ‖ gateway u32 ‖ number u64 ‖ j u16),
 * its first 16 bytes (big-endian) scaled to [0, total weight): the provider whose prefix-sum
 * interval holds that point is drawn. Draws are made with replacement; a provider that is already
 * taken, or that would break a cap, is passed over. Valid draw indexes are j < ⌈4n/3⌉ for n
 * fragments; with fewer than 4n eligible providers, any eligible provider may serve and only
 * the caps apply.
 *
 * Caps: at most ⌈m/3⌉ holders of one segment per operator and per address prefix, parameters.
 */
#ifndef DATA_PLACEMENT_H
#define DATA_PLACEMENT_H

#include "data/segment.h"

/* placement_point: draw j's position in [0, total). total > 0. */
u64 placement_point(const struct hash *seed, const struct segment_key *key, u16 draw, u64 total);
/* placement_draws_max: ⌈4n/3⌉. placement_small: fewer than 4n eligible. */
u16 placement_draws_max(u8 n);
/* placement_cap: ⌈m/3⌉, the default cap per operator and per prefix. */
u8 placement_cap(u8 m);
static inline bool placement_small(size_t eligible, u8 n) { return eligible < (size_t)4 * n; }

struct placement_candidate {
    u32 provider;  /* registry index */
    u64 weight;    /* > 0: eligible */
    u32 operator_; /* equal numbers: same operator */
    u32 prefix;    /* equal numbers: same /24 or /48 */
};

/* placement_total: sum of the weights (a sum past 64 bits is a bug: weights are bytes). */
u64 placement_total(const struct placement_candidate *candidates, size_t candidate_count,
                    size_t *ret_eligible);
/* placement_lookup: position of the candidate whose interval of the prefix sum holds `point`, which
 * is below the total. */
size_t placement_lookup(const struct placement_candidate *candidates, size_t candidate_count,
                        u64 point);

#define PLACEMENT_SMALL_DRAWS_MAX 4096
#define PLACEMENT_NOT_DRAWN UINT16_MAX /* a holder of a small network that no draw reached */

struct placement_holder {
    u32 provider;
    u16 draw;
};

struct placement_rules {
    u8 count;        /* holders wanted */
    u8 n;            /* of the class */
    u8 per_operator; /* cap */
    u8 per_prefix;
};

/* placement_choose: fills ret_holders with up to rules->count holders in draw order, skipping
 * providers in `taken` (those count for the caps) and those for which usable[i] is false
 * (unreachable now; may be NULL). In a small network draws continue past the maximum until every
 * eligible provider was seen, at most PLACEMENT_SMALL_DRAWS_MAX; who is still unseen follows in
 * registry order with draw PLACEMENT_NOT_DRAWN. Candidates are in registry order. Returns how many
 * were found; fewer than wanted if draws, caps or providers run out. */
size_t placement_choose(struct placement_holder *ret_holders, const struct placement_rules *rules,
                        const struct hash *seed, const struct segment_key *key,
                        const struct placement_candidate *candidates, size_t candidate_count,
                        const bool *usable, const struct placement_holder *taken,
                        size_t taken_count);

#endif

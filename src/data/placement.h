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
static inline bool placement_small(size_t eligible, u8 n) { return eligible < (size_t)4 * n; }

struct placement_candidate {
    u32 provider;   /* registry index */
    u64 weight;     /* > 0: eligible */
    u32 operator_;  /* equal numbers: same operator */
    u32 prefix;     /* equal numbers: same /24 or /48 */
};

struct placement_holder {
    u32 provider;
    u16 draw;
};

struct placement_rules {
    u8 count;          /* holders wanted */
    u8 n;              /* of the class */
    u8 per_operator;   /* cap */
    u8 per_prefix;
};

/* placement_choose: fills ret_holders with up to rules->count holders in draw order, skipping
 * providers in `taken` (those count for the caps) and those for which usable[i] is false (unreachable
 * now; may be NULL). In a small network draws continue past the maximum until every eligible provider
 * was seen. Candidates are in registry order. Returns how many were found. */
size_t placement_choose(struct placement_holder *ret_holders, const struct placement_rules *rules,
                        const struct hash *seed, const struct segment_key *key,
                        const struct placement_candidate *candidates, size_t candidate_count,
                        const bool *usable, const struct placement_holder *taken,
                        size_t taken_count);

#endif

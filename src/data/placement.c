#include "data/placement.h"

#include "base/assert.h"
#include "crypto/hash.h"
#include "data/pack.h"

#define DRAW_DOMAIN "cairn draw v1"
#define DRAW_PACKED_BYTES (sizeof DRAW_DOMAIN - 1 + 32 + 8 + 4 + 8 + 2)
#define SMALL_ELIGIBLE_MAX (4 * FRAGMENTS_MAX)

u64 placement_point(const struct hash *seed, const struct segment_key *key, u16 draw, u64 total)
{
    assert_that(total > 0);
    u8 packed[DRAW_PACKED_BYTES];
    struct packer packer = packer_make(packed, sizeof packed);
    pack_bytes(&packer, bytes_str(DRAW_DOMAIN));
    pack_bytes(&packer, BYTES_OF(*seed));
    pack_be64(&packer, key->territory);
    pack_be32(&packer, key->gateway);
    pack_be64(&packer, key->number);
    pack_be16(&packer, draw);
    pack_done(&packer);
    struct hash digest;
    sha256(&digest, BYTES_OF(packed));
    /* ⌊x · total / 2^128⌋ for the 128-bit x, in two halves. */
    u128 high = (u128)load_be64(digest.b) * total;
    u128 low = (u128)load_be64(digest.b + 8) * total;
    return (u64)((high + (low >> 64)) >> 64);
}

u16 placement_draws_max(u8 n) { return (u16)ceil_div((u64)4 * n, 3); }

u8 placement_cap(u8 m) { return (u8)ceil_div(m, 3); }

u64 placement_total(const struct placement_candidate *candidates, size_t candidate_count,
                    size_t *ret_eligible)
{
    u64 total = 0;
    size_t eligible = 0;
    for (size_t i = 0; i < candidate_count; i++) {
        assert_that(add_u64(&total, total, candidates[i].weight));
        eligible += candidates[i].weight > 0;
    }
    *ret_eligible = eligible;
    return total;
}

size_t placement_lookup(const struct placement_candidate *candidates, size_t candidate_count,
                        u64 point)
{
    u64 before = 0;
    for (size_t i = 0; i < candidate_count; i++) {
        if (point - before < candidates[i].weight) {
            return i;
        }
        before += candidates[i].weight;
    }
    unreachable_case(); /* the point lies below the total */
}

/* One choice in the making. Holders taken before and holders chosen now are candidates' positions,
 * because caps are counted over their operators and prefixes. */
struct choice {
    const struct placement_rules *rules;
    const struct placement_candidate *candidates;
    size_t candidate_count;
    const bool *usable;
    size_t taken[FRAGMENTS_MAX];
    size_t taken_count;
    struct placement_holder *ret_holders;
    size_t found;
};

static void choice_take(struct choice *choice, size_t candidate)
{
    assert_that(choice->taken_count < FRAGMENTS_MAX);
    choice->taken[choice->taken_count++] = candidate;
}

/* A holder that left the registry since it was taken has no operator any more: it counts nowhere.
 */
static void choice_take_earlier(struct choice *choice, const struct placement_holder *taken,
                                size_t taken_count)
{
    assert_that(taken_count <= FRAGMENTS_MAX);
    for (size_t t = 0; t < taken_count; t++) {
        for (size_t i = 0; i < choice->candidate_count; i++) {
            if (choice->candidates[i].provider == taken[t].provider) {
                choice_take(choice, i);
                break;
            }
        }
    }
}

static bool choice_allows(const struct choice *choice, size_t candidate)
{
    const struct placement_candidate *it = &choice->candidates[candidate];
    size_t same_operator = 0;
    size_t same_prefix = 0;
    if (choice->usable != NULL && !choice->usable[candidate]) {
        return false;
    }
    for (size_t i = 0; i < choice->taken_count; i++) {
        const struct placement_candidate *other = &choice->candidates[choice->taken[i]];
        if (choice->taken[i] == candidate) {
            return false;
        }
        same_operator += other->operator_ == it->operator_;
        same_prefix += other->prefix == it->prefix;
    }
    return same_operator < choice->rules->per_operator && same_prefix < choice->rules->per_prefix;
}

static bool choice_full(const struct choice *choice)
{
    return choice->found >= choice->rules->count || choice->taken_count >= FRAGMENTS_MAX;
}

static void choice_offer(struct choice *choice, size_t candidate, u16 draw)
{
    if (!choice_full(choice) && choice_allows(choice, candidate)) {
        choice->ret_holders[choice->found++] = (struct placement_holder){
            .provider = choice->candidates[candidate].provider, .draw = draw};
        choice_take(choice, candidate);
    }
}

/* In a small network any eligible provider is valid, so draws go on until each was seen once. Very
 * unequal weights would make that endless: after a bounded number of draws those still unseen are
 * offered in registry order. */
static void choose_small(struct choice *choice, const struct hash *seed,
                         const struct segment_key *key, u64 total, size_t eligible)
{
    size_t seen[SMALL_ELIGIBLE_MAX];
    size_t seen_count = 0;
    for (u16 draw = 0; draw < PLACEMENT_SMALL_DRAWS_MAX && seen_count < eligible; draw++) {
        size_t at = placement_lookup(choice->candidates, choice->candidate_count,
                                     placement_point(seed, key, draw, total));
        bool is_new = true;
        for (size_t i = 0; i < seen_count; i++) {
            is_new = is_new && seen[i] != at;
        }
        if (is_new) {
            seen[seen_count++] = at;
            choice_offer(choice, at, draw);
        }
        if (choice_full(choice)) {
            return;
        }
    }
    for (size_t i = 0; i < choice->candidate_count; i++) {
        if (choice->candidates[i].weight > 0) {
            choice_offer(choice, i, PLACEMENT_NOT_DRAWN);
        }
    }
}

static void choose_large(struct choice *choice, const struct hash *seed,
                         const struct segment_key *key, u64 total)
{
    for (u16 draw = 0; draw < placement_draws_max(choice->rules->n); draw++) {
        size_t at = placement_lookup(choice->candidates, choice->candidate_count,
                                     placement_point(seed, key, draw, total));
        choice_offer(choice, at, draw);
    }
}

size_t placement_choose(struct placement_holder *ret_holders, const struct placement_rules *rules,
                        const struct hash *seed, const struct segment_key *key,
                        const struct placement_candidate *candidates, size_t candidate_count,
                        const bool *usable, const struct placement_holder *taken,
                        size_t taken_count)
{
    struct choice choice = {
        .rules = rules,
        .candidates = candidates,
        .candidate_count = candidate_count,
        .usable = usable,
        .ret_holders = ret_holders,
    };
    size_t eligible;
    u64 total = placement_total(candidates, candidate_count, &eligible);
    assert_that(rules->n <= FRAGMENTS_MAX && rules->count <= rules->n);
    if (total == 0) {
        return 0;
    }
    choice_take_earlier(&choice, taken, taken_count);
    if (placement_small(eligible, rules->n)) {
        choose_small(&choice, seed, key, total, eligible);
    } else {
        choose_large(&choice, seed, key, total);
    }
    return choice.found;
}

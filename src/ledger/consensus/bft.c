#include "ledger/consensus/bft.h"

#include "base/assert.h"

/* What a rule has done: the rules run until none does anything. */
enum progress { NOTHING, SOMETHING };

struct bft_options bft_options_default(u64 chain_id, const struct seats *seats, u32 own)
{
    struct bft_options options = {.chain_id = chain_id,
                                  .seats = *seats,
                                  .own = own,
                                  .propose_ms = 1000,
                                  .vote_ms = 500,
                                  .propose_more_ms = 500,
                                  .vote_more_ms = 250};
    for (u8 i = 0; i < SEATS_MAX; i++) {
        options.proposers[i] = i;
    }
    return options;
}

void bft_init(struct bft *bft, const struct bft_options *options, u64 height)
{
    assert_that(options->seats.count >= 1 && options->seats.count <= SEATS_MAX);
    assert_that(options->own == BFT_NOBODY || options->own < options->seats.count);
    *bft = (struct bft){.options = *options,
                        .height = height,
                        .locked_round = VOTE_NO_ROUND,
                        .foreign_round = VOTE_NO_ROUND,
                        .valid_round = VOTE_NO_ROUND,
                        .propose_deadline_ms = UINT64_MAX,
                        .prevote_deadline_ms = UINT64_MAX,
                        .precommit_deadline_ms = UINT64_MAX};
    for (size_t i = 0; i < SEATS_MAX; i++) {
        bft->seen_round[i] = VOTE_NO_ROUND;
    }
}

static size_t seat_count(const struct bft *bft) { return bft->options.seats.count; }
static size_t quorum(const struct bft *bft) { return seats_quorum(&bft->options.seats); }
static size_t faulty_max(const struct bft *bft) { return (seat_count(bft) - 1) / 3; }

u32 bft_proposer(const struct bft *bft, u32 round)
{
    return bft->options.proposers[(bft->height + round) % seat_count(bft)];
}

/* --- rounds and votes --- */

static struct bft_round *round_find(const struct bft *bft, u32 round)
{
    const struct bft_round *kept = &bft->rounds[round % BFT_ROUNDS_KEPT];
    return kept->is_used && kept->round == round ? (struct bft_round *)kept : NULL;
}

const struct bft_round *bft_round_of(const struct bft *bft, u32 round)
{
    return round_find(bft, round);
}

/* The round's slot, taken from an older round if need be; NULL: the slot belongs to a later one. */
static struct bft_round *round_get(struct bft *bft, u32 round)
{
    struct bft_round *kept = &bft->rounds[round % BFT_ROUNDS_KEPT];
    if (kept->is_used && kept->round > round) {
        return NULL;
    }
    if (!kept->is_used || kept->round != round) {
        *kept = (struct bft_round){.is_used = true, .round = round};
    }
    return kept;
}

static const struct bft_ballot *ballots(const struct bft_round *round, enum vote_kind kind)
{
    return kind == VOTE_PREVOTE ? round->prevotes : round->precommits;
}

static size_t count_all(const struct bft *bft, const struct bft_round *round, enum vote_kind kind)
{
    size_t count = 0;
    for (size_t i = 0; i < seat_count(bft); i++) {
        count += ballots(round, kind)[i].is_cast;
    }
    return count;
}

static size_t count_for(const struct bft *bft, const struct bft_round *round, enum vote_kind kind,
                        const struct hash *block_id, u32 valid_round)
{
    size_t count = 0;
    for (size_t i = 0; i < seat_count(bft); i++) {
        const struct bft_ballot *ballot = &ballots(round, kind)[i];
        count += ballot->is_cast && hash_eq(&ballot->vote.block_id, block_id) &&
                 ballot->vote.valid_round == valid_round;
    }
    return count;
}

/* A quorum of prevotes for a block, all with one valid_round, whichever. */
static bool has_polka(const struct bft *bft, u32 round, const struct hash *block_id)
{
    const struct bft_round *kept = round_find(bft, round);
    for (size_t i = 0; kept != NULL && i < seat_count(bft); i++) {
        const struct bft_ballot *ballot = &kept->prevotes[i];
        if (ballot->is_cast && hash_eq(&ballot->vote.block_id, block_id) &&
            count_for(bft, kept, VOTE_PREVOTE, block_id, ballot->vote.valid_round) >= quorum(bft)) {
            return true;
        }
    }
    return false;
}

bool bft_certificate(const struct bft *bft, u32 round, const struct hash *block_id,
                     struct certificate *ret_certificate)
{
    const struct bft_round *kept = round_find(bft, round);
    if (kept == NULL ||
        count_for(bft, kept, VOTE_PRECOMMIT, block_id, VOTE_NO_ROUND) < quorum(bft)) {
        return false;
    }
    struct certificate certificate = {.height = bft->height, .round = round, .block_id = *block_id};
    for (u8 i = 0; i < seat_count(bft); i++) {
        const struct bft_ballot *ballot = &kept->precommits[i];
        if (ballot->is_cast && hash_eq(&ballot->vote.block_id, block_id)) {
            certificate.items[certificate.count].seat = i;
            certificate.items[certificate.count++].signature = ballot->signature;
        }
    }
    *ret_certificate = certificate;
    return true;
}

bool bft_polka_fits(const struct bft_polka *polka, const struct seats *seats,
                    const struct hash *block_id, u32 valid_round)
{
    for (size_t i = 0; i < polka->count; i++) {
        if (polka->items[i].seat >= seats->count ||
            (i > 0 && polka->items[i].seat <= polka->items[i - 1].seat)) {
            return false;
        }
    }
    return polka->count >= seats_quorum(seats) && polka->round == valid_round &&
           hash_eq(&polka->block_id, block_id);
}

struct vote bft_polka_vote(const struct bft_polka *polka, u64 chain_id, u64 height)
{
    return (struct vote){.kind = VOTE_PREVOTE,
                         .chain_id = chain_id,
                         .height = height,
                         .round = polka->round,
                         .block_id = polka->block_id,
                         .valid_round = polka->valid_round};
}

/* The prevotes of a round for its proposal. */
static void polka_collect(const struct bft *bft, const struct bft_round *round,
                          struct bft_polka *polka)
{
    const struct bft_proposal *proposal = &round->proposal;
    *polka = (struct bft_polka){.round = round->round,
                                .block_id = proposal->block_id,
                                .valid_round = proposal->valid_round};
    for (u8 i = 0; i < seat_count(bft); i++) {
        const struct bft_ballot *ballot = &round->prevotes[i];
        if (ballot->is_cast && hash_eq(&ballot->vote.block_id, &proposal->block_id) &&
            ballot->vote.valid_round == proposal->valid_round) {
            polka->items[polka->count].seat = i;
            polka->items[polka->count++].signature = ballot->signature;
        }
    }
}

/* --- effects --- */

static struct bft_effect *effect_add(struct bft_effects *effects, enum bft_effect_kind kind)
{
    assert_that(effects->count < BFT_EFFECTS_MAX);
    struct bft_effect *effect = &effects->items[effects->count++];
    *effect = (struct bft_effect){.kind = kind, .valid_round = VOTE_NO_ROUND};
    return effect;
}

static void cast(struct bft *bft, struct bft_effects *effects, enum vote_kind kind,
                 const struct hash *block_id, u32 valid_round)
{
    if (bft->options.own == BFT_NOBODY) {
        return;
    }
    struct bft_effect *effect = effect_add(effects, BFT_FX_CAST);
    effect->round = bft->round;
    effect->vote = (struct vote){.kind = kind,
                                 .chain_id = bft->options.chain_id,
                                 .height = bft->height,
                                 .round = bft->round,
                                 .block_id = *block_id,
                                 .valid_round = valid_round};
}

static void cast_nil(struct bft *bft, struct bft_effects *effects, enum vote_kind kind)
{
    const struct hash nil = {{0}};
    cast(bft, effects, kind, &nil, VOTE_NO_ROUND);
}

static u64 timeout_at(u64 now_ms, u32 first_ms, u32 more_ms, u32 round)
{
    return now_ms + min_u64(BFT_TIMEOUT_MAX_MS, first_ms + (u64)more_ms * round);
}

/* L11 */
static void start_round(struct bft *bft, u32 round, u64 now_ms, struct bft_effects *effects)
{
    const struct bft_options *options = &bft->options;
    bft->round = round;
    bft->step = BFT_PROPOSE;
    bft->propose_deadline_ms =
        timeout_at(now_ms, options->propose_ms, options->propose_more_ms, round);
    bft->prevote_deadline_ms = UINT64_MAX;
    bft->precommit_deadline_ms = UINT64_MAX;
    effect_add(effects, BFT_FX_ROUND)->round = round;
    if (options->own != BFT_NOBODY && bft_proposer(bft, round) == options->own) {
        struct bft_effect *effect = effect_add(effects, BFT_FX_PROPOSE);
        effect->round = round;
        effect->block_id = bft->valid_id;
        effect->valid_round = bft->valid_round;
    }
}

static void enter_prevote(struct bft *bft)
{
    bft->step = BFT_PREVOTE;
    bft->propose_deadline_ms = UINT64_MAX;
}

static void enter_precommit(struct bft *bft)
{
    bft->step = BFT_PRECOMMIT;
    bft->prevote_deadline_ms = UINT64_MAX;
}

/* --- the rules, by the lines of the paper --- */

/* Whether a proposal that points to valid_round may be followed by who has precommitted something
 * else in `round`. */
static bool frees(u32 valid_round, u32 round)
{
    return round == VOTE_NO_ROUND || (valid_round != VOTE_NO_ROUND && round <= valid_round);
}

/* L22 and L28: the proposal of this round. Without a newer polka it must be what we are locked on;
 * with one, the lock may be older than the polka. */
static enum progress rule_proposal(struct bft *bft, struct bft_effects *effects)
{
    const struct bft_round *round = round_find(bft, bft->round);
    if (bft->step != BFT_PROPOSE || round == NULL || !round->proposal.is_known) {
        return NOTHING;
    }
    const struct bft_proposal *proposal = &round->proposal;
    bool is_old = proposal->valid_round != VOTE_NO_ROUND;
    if (is_old && proposal->polka.count == 0 &&
        !has_polka(bft, proposal->valid_round, &proposal->block_id)) {
        return NOTHING; /* its polka may still come */
    }
    bool free = frees(proposal->valid_round, bft->locked_round);
    bool same = hash_eq(&bft->locked_id, &proposal->block_id) &&
                frees(proposal->valid_round, bft->foreign_round);
    bool good = proposal->is_valid && (free || same);
    enter_prevote(bft);
    if (good) {
        cast(bft, effects, VOTE_PREVOTE, &proposal->block_id, proposal->valid_round);
    } else {
        cast_nil(bft, effects, VOTE_PREVOTE);
    }
    return SOMETHING;
}

/* L34 */
static enum progress rule_prevotes(struct bft *bft, u64 now_ms)
{
    struct bft_round *round = round_find(bft, bft->round);
    if (bft->step != BFT_PREVOTE || round == NULL || round->prevotes_timed ||
        count_all(bft, round, VOTE_PREVOTE) < quorum(bft)) {
        return NOTHING;
    }
    round->prevotes_timed = true;
    bft->prevote_deadline_ms =
        timeout_at(now_ms, bft->options.vote_ms, bft->options.vote_more_ms, bft->round);
    return SOMETHING;
}

/* L36: a polka for the proposal. In step prevote it is locked; it is remembered in any case. */
static enum progress rule_polka(struct bft *bft, struct bft_effects *effects)
{
    struct bft_round *round = round_find(bft, bft->round);
    bool voted = bft->step == BFT_PREVOTE || bft->step == BFT_PRECOMMIT;
    if (!voted || round == NULL || round->polka_seen || !round->proposal.is_known ||
        !round->proposal.is_valid ||
        count_for(bft, round, VOTE_PREVOTE, &round->proposal.block_id,
                  round->proposal.valid_round) < quorum(bft)) {
        return NOTHING;
    }
    round->polka_seen = true;
    bft->valid_id = round->proposal.block_id;
    bft->valid_round = bft->round;
    polka_collect(bft, round, &bft->valid_polka);
    if (bft->step == BFT_PREVOTE) {
        if (!hash_eq(&bft->locked_id, &round->proposal.block_id)) {
            bft->foreign_round = bft->locked_round;
        }
        bft->locked_id = round->proposal.block_id;
        bft->locked_round = bft->round;
        enter_precommit(bft);
        cast(bft, effects, VOTE_PRECOMMIT, &bft->locked_id, VOTE_NO_ROUND);
    }
    return SOMETHING;
}

/* L44 */
static enum progress rule_nil_polka(struct bft *bft, struct bft_effects *effects)
{
    const struct bft_round *round = round_find(bft, bft->round);
    const struct hash nil = {{0}};
    if (bft->step != BFT_PREVOTE || round == NULL ||
        count_for(bft, round, VOTE_PREVOTE, &nil, VOTE_NO_ROUND) < quorum(bft)) {
        return NOTHING;
    }
    enter_precommit(bft);
    cast_nil(bft, effects, VOTE_PRECOMMIT);
    return SOMETHING;
}

/* L47 */
static enum progress rule_precommits(struct bft *bft, u64 now_ms)
{
    struct bft_round *round = round_find(bft, bft->round);
    if (round == NULL || round->precommits_timed ||
        count_all(bft, round, VOTE_PRECOMMIT) < quorum(bft)) {
        return NOTHING;
    }
    round->precommits_timed = true;
    bft->precommit_deadline_ms =
        timeout_at(now_ms, bft->options.vote_ms, bft->options.vote_more_ms, bft->round);
    return SOMETHING;
}

/* Whether the host has the block, from the proposal of any round, and it is valid. */
static bool block_is_known(const struct bft *bft, const struct hash *block_id)
{
    for (size_t i = 0; i < BFT_ROUNDS_KEPT; i++) {
        const struct bft_round *round = &bft->rounds[i];
        if (round->is_used && round->proposal.is_known && round->proposal.is_valid &&
            hash_eq(&round->proposal.block_id, block_id)) {
            return true;
        }
    }
    return false;
}

/* L49: a quorum of precommits for a block of any round. */
static enum progress rule_decide(struct bft *bft, struct bft_effects *effects)
{
    for (size_t i = 0; i < BFT_ROUNDS_KEPT; i++) {
        const struct bft_round *round = &bft->rounds[i];
        for (size_t j = 0; round->is_used && j < seat_count(bft); j++) {
            const struct bft_ballot *ballot = &round->precommits[j];
            const struct hash *block_id = &ballot->vote.block_id;
            if (!ballot->is_cast || hash_is_zero(block_id) || !block_is_known(bft, block_id) ||
                count_for(bft, round, VOTE_PRECOMMIT, block_id, VOTE_NO_ROUND) < quorum(bft)) {
                continue;
            }
            struct bft_effect *effect = effect_add(effects, BFT_FX_DECIDE);
            effect->round = round->round;
            effect->block_id = *block_id;
            bft->step = BFT_DECIDED;
            return SOMETHING;
        }
    }
    return NOTHING;
}

/* L55: f + 1 seats are in a later round, so at least one correct one is. */
static enum progress rule_skip(struct bft *bft, u64 now_ms, struct bft_effects *effects)
{
    u32 best = bft->round;
    for (size_t i = 0; i < seat_count(bft); i++) {
        u32 candidate = bft->seen_round[i];
        size_t there = 0;
        for (size_t j = 0; candidate != VOTE_NO_ROUND && j < seat_count(bft); j++) {
            there += bft->seen_round[j] != VOTE_NO_ROUND && bft->seen_round[j] >= candidate;
        }
        if (there > faulty_max(bft) && candidate != VOTE_NO_ROUND && candidate > best) {
            best = candidate;
        }
    }
    if (best == bft->round) {
        return NOTHING;
    }
    start_round(bft, best, now_ms, effects);
    return SOMETHING;
}

/* L57, L61, L65 */
static enum progress rule_timeouts(struct bft *bft, u64 now_ms, struct bft_effects *effects)
{
    if (bft->precommit_deadline_ms <= now_ms) {
        start_round(bft, bft->round + 1, now_ms, effects);
        return SOMETHING;
    }
    if (bft->step == BFT_PROPOSE && bft->propose_deadline_ms <= now_ms) {
        enter_prevote(bft);
        cast_nil(bft, effects, VOTE_PREVOTE);
        return SOMETHING;
    }
    if (bft->step == BFT_PREVOTE && bft->prevote_deadline_ms <= now_ms) {
        enter_precommit(bft);
        cast_nil(bft, effects, VOTE_PRECOMMIT);
        return SOMETHING;
    }
    return NOTHING;
}

static enum progress run_rules(struct bft *bft, u64 now_ms, struct bft_effects *effects)
{
    if (bft->step == BFT_DECIDED) {
        return NOTHING;
    }
    if (rule_decide(bft, effects) || rule_skip(bft, now_ms, effects) ||
        rule_proposal(bft, effects) || rule_polka(bft, effects) || rule_nil_polka(bft, effects) ||
        rule_prevotes(bft, now_ms) || rule_precommits(bft, now_ms)) {
        return SOMETHING;
    }
    return rule_timeouts(bft, now_ms, effects);
}

/* --- events --- */

static void report(struct bft *bft, struct bft_effects *effects, u32 seat,
                   const struct bft_ballot *one, const struct bft_ballot *other)
{
    enum guilt guilt = evidence_guilt(&one->vote, &other->vote);
    if (guilt == GUILT_NONE || (bft->reported & 1u << seat) != 0) {
        return;
    }
    bft->reported |= 1u << seat;
    struct bft_effect *effect = effect_add(effects, BFT_FX_EVIDENCE);
    effect->seat = seat;
    effect->guilt = guilt;
    effect->vote = one->vote;
    effect->other = other->vote;
    effect->signature = one->signature;
    effect->other_signature = other->signature;
}

/* Holds a new ballot against all that is kept of its seat. */
static void find_guilt(struct bft *bft, struct bft_effects *effects, u32 seat,
                       const struct bft_ballot *ballot)
{
    for (size_t i = 0; i < BFT_ROUNDS_KEPT; i++) {
        const struct bft_round *round = &bft->rounds[i];
        if (round->is_used && round->prevotes[seat].is_cast) {
            report(bft, effects, seat, &round->prevotes[seat], ballot);
        }
        if (round->is_used && round->precommits[seat].is_cast) {
            report(bft, effects, seat, &round->precommits[seat], ballot);
        }
    }
}

static bool vote_fits(const struct bft *bft, u32 seat, const struct vote *vote)
{
    bool shaped = vote->kind == VOTE_PREVOTE ||
                  (vote->kind == VOTE_PRECOMMIT && vote->valid_round == VOTE_NO_ROUND);
    bool nil_fits = !hash_is_zero(&vote->block_id) || vote->valid_round == VOTE_NO_ROUND;
    bool round_fits = vote->round != VOTE_NO_ROUND &&
                      (vote->valid_round == VOTE_NO_ROUND || vote->valid_round < vote->round);
    return seat < seat_count(bft) && vote->chain_id == bft->options.chain_id &&
           vote->height == bft->height && shaped && nil_fits && round_fits;
}

/* The first vote of a seat in a round counts; a second, different one is only evidence. */
static void take_vote(struct bft *bft, const struct bft_event *event, struct bft_effects *effects)
{
    const struct vote *vote = &event->vote;
    struct bft_ballot ballot = {.is_cast = true, .vote = *vote, .signature = event->signature};
    if (!vote_fits(bft, event->seat, vote)) {
        return;
    }
    u32 *seen = &bft->seen_round[event->seat];
    if (*seen == VOTE_NO_ROUND || *seen < vote->round) {
        *seen = vote->round;
    }
    find_guilt(bft, effects, event->seat, &ballot);
    if (vote->round > bft->round && vote->round - bft->round > BFT_ROUNDS_AHEAD) {
        return;
    }
    struct bft_round *round = round_get(bft, vote->round);
    if (round == NULL) {
        return;
    }
    struct bft_ballot *kept = vote->kind == VOTE_PREVOTE ? &round->prevotes[event->seat]
                                                         : &round->precommits[event->seat];
    if (!kept->is_cast) {
        *kept = ballot;
    }
}

static void take_proposal(struct bft *bft, const struct bft_event *event)
{
    bool fits = event->seat < seat_count(bft) && event->round != VOTE_NO_ROUND &&
                event->seat == bft_proposer(bft, event->round) && !hash_is_zero(&event->block_id) &&
                (event->valid_round == VOTE_NO_ROUND || event->valid_round < event->round);
    bool near = event->round <= bft->round || event->round - bft->round <= BFT_ROUNDS_AHEAD;
    struct bft_round *round = fits && near ? round_get(bft, event->round) : NULL;
    if (round != NULL && !round->proposal.is_known) {
        round->proposal = (struct bft_proposal){.is_known = true,
                                                .is_valid = event->is_valid,
                                                .block_id = event->block_id,
                                                .valid_round = event->valid_round};
        if (bft_polka_fits(&event->polka, &bft->options.seats, &event->block_id,
                           event->valid_round)) {
            round->proposal.polka = event->polka;
        }
    }
}

void bft_start(struct bft *bft, u64 now_ms, struct bft_effects *ret_effects)
{
    ret_effects->count = 0;
    start_round(bft, 0, now_ms, ret_effects);
    while (run_rules(bft, now_ms, ret_effects) == SOMETHING) {
    }
}

void bft_step(struct bft *bft, const struct bft_event *event, struct bft_effects *ret_effects)
{
    ret_effects->count = 0;
    switch (event->kind) {
    case BFT_EV_TIME:
        break;
    case BFT_EV_PROPOSAL:
        take_proposal(bft, event);
        break;
    case BFT_EV_VOTE:
        take_vote(bft, event, ret_effects);
        break;
    }
    while (run_rules(bft, event->now_ms, ret_effects) == SOMETHING) {
    }
}

u64 bft_deadline(const struct bft *bft)
{
    if (bft->step == BFT_DECIDED) {
        return UINT64_MAX;
    }
    u64 deadline = bft->precommit_deadline_ms;
    if (bft->step == BFT_PROPOSE) {
        deadline = min_u64(deadline, bft->propose_deadline_ms);
    }
    if (bft->step == BFT_PREVOTE) {
        deadline = min_u64(deadline, bft->prevote_deadline_ms);
    }
    return deadline;
}

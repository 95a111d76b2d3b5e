/* consensus_check.c: what must hold whatever happens. */
#include "base/mem.h"
#include "sim/consensus.h"

/* A vote that a correct node has seen, or has in a certificate. */
struct seen {
    struct vote vote;
    u32 seat;
};

static struct {
    struct hash ids[CONSENSUS_HEIGHTS_MAX]; /* decided by correct nodes */
    bool is_decided[CONSENSUS_HEIGHTS_MAX];
    struct {
        struct seen *items;
        size_t count;
        size_t cap;
    } heights[CONSENSUS_HEIGHTS_MAX];
} checks;

void check_reset(void)
{
    for (size_t i = 0; i < CONSENSUS_HEIGHTS_MAX; i++) {
        mem_free(checks.heights[i].items);
    }
    memset(&checks, 0, sizeof checks);
}

/* A correct seat never signs two votes that prove anything against it. */
void check_signed(struct node *node, const struct vote *vote)
{
    if (!is_correct(node)) {
        return;
    }
    for (size_t i = 0; i < node->own_count; i++) {
        enum guilt guilt = evidence_guilt(&node->own_votes[i], vote);
        if (guilt != GUILT_NONE) {
            scenario_fail("correct seat %u is guilty (%d) at height %llu, rounds %u and %u",
                          node->seat, (int)guilt, (unsigned long long)vote->height,
                          node->own_votes[i].round, vote->round);
        }
    }
    if (node->own_count < COUNT_OF(node->own_votes)) {
        node->own_votes[node->own_count++] = *vote;
    }
}

static bool same_vote(const struct vote *a, const struct vote *b)
{
    return a->kind == b->kind && a->round == b->round && hash_eq(&a->block_id, &b->block_id) &&
           a->valid_round == b->valid_round;
}

void check_seen(const struct vote *vote, u32 seat)
{
    if (vote->height >= CONSENSUS_HEIGHTS_MAX) {
        return;
    }
    struct seen *items = checks.heights[vote->height].items;
    size_t *count = &checks.heights[vote->height].count;
    size_t *cap = &checks.heights[vote->height].cap;
    for (size_t i = 0; i < *count; i++) {
        if (items[i].seat == seat && same_vote(&items[i].vote, vote)) {
            return;
        }
    }
    if (*count == *cap) {
        *cap = *cap == 0 ? 64 : *cap * 2;
        items = mem_resize(items, *cap * sizeof *items);
        checks.heights[vote->height].items = items;
    }
    items[(*count)++] = (struct seen){.vote = *vote, .seat = seat};
}

static void certificate_seen(const struct certificate *certificate)
{
    for (size_t i = 0; i < certificate->count; i++) {
        const struct vote vote = {.kind = VOTE_PRECOMMIT,
                                  .chain_id = 1,
                                  .height = certificate->height,
                                  .round = certificate->round,
                                  .block_id = certificate->block_id,
                                  .valid_round = VOTE_NO_ROUND};
        check_seen(&vote, certificate->items[i].seat);
    }
}

/* Seats that the votes of a height prove guilty, one bit each. */
static u32 guilty_at(u64 height)
{
    const struct seen *items = checks.heights[height].items;
    u32 guilty = 0;
    for (size_t i = 0; i < checks.heights[height].count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (items[i].seat == items[j].seat &&
                evidence_guilt(&items[i].vote, &items[j].vote) != GUILT_NONE) {
                guilty |= 1u << items[i].seat;
            }
        }
    }
    return guilty;
}

/* Two blocks at one height: only with more than f faulty seats, and then f + 1 are named. */
static void check_disagreement(const struct node *node, u64 height)
{
    size_t faulty_max = (consensus->seat_count - 1) / 3;
    u32 guilty = guilty_at(height);
    size_t named = 0;
    if (consensus->faulty <= faulty_max) {
        scenario_fail("node %u decides another block at height %llu", node->index,
                      (unsigned long long)height);
    }
    for (u32 seat = 0; seat < consensus->seat_count; seat++) {
        bool is_named = (guilty & 1u << seat) != 0;
        named += is_named;
        if (is_named && consensus->faults[seat] == FAULT_NONE) {
            scenario_fail("correct seat %u is named guilty", seat);
        }
    }
    if (named < faulty_max + 1) {
        scenario_fail("disagreement at height %llu, but only %zu seats are named",
                      (unsigned long long)height, named);
    }
    consensus->disagreed = true;
}

void check_decided(const struct node *node, const struct certificate *certificate)
{
    const struct hash *block_id = &certificate->block_id;
    u64 height = certificate->height;
    if (!is_correct(node)) {
        return;
    }
    scenario_check(height < CONSENSUS_HEIGHTS_MAX);
    certificate_seen(certificate);
    if (!block_is_valid(block_id) && consensus->faulty <= (consensus->seat_count - 1) / 3) {
        scenario_fail("node %u decides an invalid block", node->index);
    }
    if (!checks.is_decided[height]) {
        checks.is_decided[height] = true;
        checks.ids[height] = *block_id;
        consensus->counters->blocks++;
    } else if (!hash_eq(&checks.ids[height], block_id)) {
        check_disagreement(node, height);
    }
    if (height > consensus->height_max) {
        consensus->height_max = height;
    }
    sim_note(height);
    sim_note(load_be64(block_id->b));
}

void check_evidence(const struct node *node, const struct bft_effect *effect)
{
    if (!is_correct(node)) {
        return;
    }
    if (consensus->faults[effect->seat] == FAULT_NONE) {
        scenario_fail("evidence against the correct seat %u", effect->seat);
    }
    consensus->proofs++;
}

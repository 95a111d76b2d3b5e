#include "ledger/consensus/evidence.h"

/* NO_ROUND is before every round. */
static bool round_before(u32 a, u32 b)
{
    return a == VOTE_NO_ROUND ? b != VOTE_NO_ROUND : b != VOTE_NO_ROUND && a < b;
}

static bool is_equivocation(const struct vote *a, const struct vote *b)
{
    return a->kind == b->kind && a->round == b->round &&
           (!hash_eq(&a->block_id, &b->block_id) || a->valid_round != b->valid_round);
}

static bool is_amnesia(const struct vote *precommit, const struct vote *prevote)
{
    return precommit->kind == VOTE_PRECOMMIT && prevote->kind == VOTE_PREVOTE &&
           !hash_is_zero(&precommit->block_id) && !hash_is_zero(&prevote->block_id) &&
           !hash_eq(&precommit->block_id, &prevote->block_id) &&
           round_before(precommit->round, prevote->round) &&
           round_before(prevote->valid_round, precommit->round);
}

enum guilt evidence_guilt(const struct vote *a, const struct vote *b)
{
    if (a->chain_id != b->chain_id || a->height != b->height) {
        return GUILT_NONE;
    }
    if (is_equivocation(a, b)) {
        return GUILT_EQUIVOCATION;
    }
    return is_amnesia(a, b) || is_amnesia(b, a) ? GUILT_AMNESIA : GUILT_NONE;
}

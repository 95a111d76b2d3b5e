/* evidence.h: what two signed votes of one seat prove about it. Pure.
 *
 * A correct seat signs at most one prevote and one precommit a round. And having precommitted a
 * block, it prevotes another one later in the height only if the proposal points to a newer polka:
 * prevotes carry the proposal's valid_round, so breaking that rule (amnesia) shows in two votes of
 * the same seat. If two blocks are ever decided at one height, the votes in their certificates and
 * polkas name at least f + 1 seats this way, and never a correct one.
 *
 * Source: "Accountable Tendermint" (Informal Systems, malachite, specs/consensus/accountable-tm).
 */
#ifndef LEDGER_CONSENSUS_EVIDENCE_H
#define LEDGER_CONSENSUS_EVIDENCE_H

#include "ledger/block/consensus.h"

enum guilt {
    GUILT_NONE,
    GUILT_EQUIVOCATION, /* two different votes of one kind in one round */
    GUILT_AMNESIA,      /* a precommit, and a later prevote that forgets it */
};

/* evidence_guilt: of whoever signed both votes. The order does not matter. Votes of different
 * chains or heights prove nothing. */
enum guilt evidence_guilt(const struct vote *a, const struct vote *b);

#endif

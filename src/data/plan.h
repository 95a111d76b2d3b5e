/* plan.h: durability arithmetic: what a class promises on a given network, honestly.
 *
 * Three questions. With repair: a birth-death chain over the number of missing fragments, each
 * holder leaving at a rate λ, each missing fragment rebuilt at a rate μ once `repair_from` are
 * missing; the segment is gone when more than m are. Without repair: the chance that more than m of
 * n holders leave within the time. All at once: f of the N nodes vanish together, holders being
 * drawn without replacement (hypergeometric), or from a network without end (binomial).
 *
 * Independent churn is not the risk, correlated loss is, and above f = m / n no code helps: say so.
 * Doubles: these are estimates for people, nothing that consensus sees. Source of the model:
 * Markov chains of MDS codes as in the erasure coding literature.
 */
#ifndef DATA_PLAN_H
#define DATA_PLAN_H

#include "data/class.h"

#define PLAN_HOURS_PER_YEAR (365.25 * 24)

struct plan_network {
    double churn_per_year; /* λ: departures per node and year, > 0 */
    double repair_hours;   /* 1/μ, detection included; > 0 */
    u8 repair_from;        /* missing fragments from which repair runs: 1 = at once */
};

/* plan_mttdl_years: mean time until a segment with k of n is lost; INFINITY past the range of a
 * double. 1 <= k <= n <= 255, repair_from >= 1. */
double plan_mttdl_years(u8 k, u8 n, const struct plan_network *network);
/* plan_annual_loss: P(a segment is lost within a year) with repair. Relative precision holds for
 * tiny values too. */
double plan_annual_loss(u8 k, u8 n, const struct plan_network *network);
/* plan_unrepaired_loss: P(lost within `years`) if nobody repairs. */
double plan_unrepaired_loss(u8 k, u8 n, double churn_per_year, double years);
/* plan_mass_loss: P(a segment is lost) when `gone` of `nodes` nodes vanish at once; n <= nodes,
 * gone <= nodes. */
double plan_mass_loss(u8 k, u8 n, u64 nodes, u64 gone);
/* plan_mass_loss_endless: the same for a fraction of a network without end. */
double plan_mass_loss_endless(u8 k, u8 n, double fraction);
/* plan_survivable_nodes: how many nodes may vanish at once, whichever they are, so that no segment
 * is lost: m if every node may hold a fragment of the same segment. For n == nodes this is all that
 * the code promises; for larger networks more may vanish with the odds of plan_mass_loss(). */
static inline u8 plan_survivable_nodes(const struct redundancy_info *r) { return r->m; }

#endif

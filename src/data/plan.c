#include "data/plan.h"

#include "base/assert.h"

#include <math.h>

double plan_mttdl_years(u8 k, u8 n, const struct plan_network *network)
{
    assert_that(k >= 1 && k <= n && network->repair_from >= 1);
    assert_that(network->churn_per_year > 0 && network->repair_hours > 0);
    double leave = network->churn_per_year;
    double rebuild = PLAN_HOURS_PER_YEAR / network->repair_hours;
    double total = 0;
    double step = 0; /* mean time from i missing to i + 1 missing for the first time */
    for (u32 i = 0; i + k <= n; i++) {
        double down = (n - i) * leave;
        double up = i >= network->repair_from ? i * rebuild : 0;
        step = 1 / down + up / down * step;
        total += step;
    }
    return total;
}

double plan_annual_loss(u8 k, u8 n, const struct plan_network *network)
{
    return -expm1(-1 / plan_mttdl_years(k, n, network));
}

/* log_choose: ln of the binomial coefficient, computed so that C(n, 0) and C(n, n) are exact. */
static double log_choose(double n, double k)
{
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1);
}

/* binomial_tail: P(more than n - k of n happen), each with chance p. */
static double binomial_tail(u8 k, u8 n, double p)
{
    if (p <= 0) {
        return 0;
    }
    if (p >= 1) {
        return 1;
    }
    double sum = 0;
    for (u32 lost = n - k + 1u; lost <= n; lost++) {
        sum += exp(log_choose(n, lost) + lost * log(p) + (n - lost) * log1p(-p));
    }
    return fmin(sum, 1);
}

double plan_unrepaired_loss(u8 k, u8 n, double churn_per_year, double years)
{
    assert_that(k >= 1 && k <= n);
    return binomial_tail(k, n, -expm1(-churn_per_year * years));
}

double plan_mass_loss_endless(u8 k, u8 n, double fraction)
{
    assert_that(k >= 1 && k <= n);
    return binomial_tail(k, n, fraction);
}

double plan_mass_loss(u8 k, u8 n, u64 nodes, u64 gone)
{
    assert_that(k >= 1 && k <= n && n <= nodes && gone <= nodes);
    u64 alive = nodes - gone;
    double all = log_choose((double)nodes, n);
    double sum = 0;
    for (u32 lost = n - k + 1u; lost <= n; lost++) {
        if (lost <= gone && n - lost <= alive) {
            sum += exp(log_choose((double)gone, lost) + log_choose((double)alive, n - lost) - all);
        }
    }
    return fmin(sum, 1);
}

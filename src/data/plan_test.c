#include "data/plan.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* near: a figure that was printed with one or two digits. */
static void near(double computed, double printed, double tolerance)
{
    assert_true(computed > printed * (1 - tolerance) && computed < printed * (1 + tolerance));
}

/* Annual loss for (4,12) (4,8) (8,12) (8,24) (10,30) and three copies. */
static void annual_loss(void **state)
{
    (void)state;
    static const struct {
        u8 k, n;
    } codes[] = {{4, 12}, {4, 8}, {8, 12}, {8, 24}, {10, 30}, {1, 3}};
    static const struct {
        double churn, hours, loss[6];
    } table[] = {
        {0.2, 24, {3e-24, 5e-12, 7e-11, 8e-47, 4e-58, 2e-7}},
        {1.0, 24, {6e-18, 1.5e-8, 2e-7, 6e-35, 2e-43, 2e-5}},
        {1.0, 168, {3e-11, 3e-5, 4e-4, 1e-21, 8e-27, 1e-3}},
        {3.0, 168, {4e-7, 6e-3, 6e-2, 6e-14, 3e-17, 2e-2}},
    };
    for (size_t row = 0; row < COUNT_OF(table); row++) {
        struct plan_network network = {table[row].churn, table[row].hours, 1};
        for (size_t i = 0; i < COUNT_OF(codes); i++) {
            double loss = plan_annual_loss(codes[i].k, codes[i].n, &network);
            near(loss, table[row].loss[i], 0.25);
        }
    }
}

static void mass_loss(void **state)
{
    (void)state;
    static const struct {
        u8 k, n;
        double third, half, two_thirds;
    } table[] = {
        {4, 12, 3.6e-3, 7.3e-2, 0.37},
        {10, 30, 3.7e-5, 2.1e-2, 0.40},
        {20, 60, 2.4e-8, 3.1e-3, 0.41},
        {29, 80, 4.8e-9, 4.8e-3, 0.63},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        near(plan_mass_loss_endless(table[i].k, table[i].n, 0.33), table[i].third, 0.03);
        near(plan_mass_loss_endless(table[i].k, table[i].n, 0.5), table[i].half, 0.03);
        near(plan_mass_loss_endless(table[i].k, table[i].n, 0.66), table[i].two_thirds, 0.03);
        /* a million nodes are nearly endless */
        near(plan_mass_loss(table[i].k, table[i].n, 1000000, 500000), table[i].half, 0.03);
    }
}

static void mass_loss_of_small_networks(void **state)
{
    (void)state;
    /* 12 nodes hold all 12 fragments: 8 may go, whichever they are, 9 never */
    assert_true(plan_mass_loss(4, 12, 12, 8) == 0);
    near(plan_mass_loss(4, 12, 12, 9), 1, 1e-9);
    near(plan_mass_loss(4, 12, 12, 12), 1, 1e-9);
    assert_true(plan_mass_loss(4, 12, 12, 0) == 0);
    /* by hand: 2 of 3 fragments needed, 4 nodes, 2 gone: lost if both gone ones hold one:
     * C(2,2) C(2,1) / C(4,3) = 1/2 */
    near(plan_mass_loss(2, 3, 4, 2), 0.5, 1e-9);
    assert_true(plan_mass_loss_endless(4, 12, 0) == 0);
    near(plan_mass_loss_endless(4, 12, 1), 1, 1e-12);
    assert_int_equal(plan_survivable_nodes(redundancy_find(RS_4_8)), 8);
}

static void mean_time_by_hand(void **state)
{
    (void)state;
    /* one copy: 1/λ; two copies without repair in reach: 1/2λ + 1/λ */
    struct plan_network network = {2.0, 24, 255};
    near(plan_mttdl_years(1, 1, &network), 0.5, 1e-12);
    near(plan_mttdl_years(1, 2, &network), 0.75, 1e-12);
    /* two copies with repair: (3λ + μ) / 2λ² */
    network.repair_from = 1;
    double rebuild = PLAN_HOURS_PER_YEAR / 24;
    near(plan_mttdl_years(1, 2, &network), (3 * 2.0 + rebuild) / (2 * 2.0 * 2.0), 1e-12);
}

static void later_repair_is_worse(void **state)
{
    (void)state;
    double before = 0;
    for (u8 from = 1; from <= 8; from++) {
        struct plan_network network = {1.0, 24, from};
        double loss = plan_annual_loss(4, 12, &network);
        assert_true(loss > before);
        before = loss;
    }
    assert_true(before < plan_unrepaired_loss(4, 12, 1.0, 1));
}

static void without_repair(void **state)
{
    (void)state;
    double gone = 1 - exp(-1);
    near(plan_unrepaired_loss(1, 1, 1.0, 1), gone, 1e-12);
    near(plan_unrepaired_loss(1, 3, 0.5, 2), gone * gone * gone, 1e-12);
    assert_true(plan_unrepaired_loss(4, 12, 1.0, 0) == 0);
    assert_true(plan_unrepaired_loss(4, 12, 1.0, 100) > 0.999);
    assert_true(isfinite(plan_unrepaired_loss(10, 30, 1e-9, 1)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(annual_loss),
        cmocka_unit_test(mass_loss),
        cmocka_unit_test(mass_loss_of_small_networks),
        cmocka_unit_test(mean_time_by_hand),
        cmocka_unit_test(later_repair_is_worse),
        cmocka_unit_test(without_repair),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

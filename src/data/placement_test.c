#include "data/placement.h"

#include "base/prng.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define NODES_MAX 400

static const struct hash seed = {{0x5e, 0xed}};

/* network: provider numbers from 1, all of weight 1000, an operator and a prefix each. */
static void network(struct placement_candidate *ret, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ret[i] = (struct placement_candidate){
            .provider = (u32)i + 1, .weight = 1000, .operator_ = (u32)i, .prefix = (u32)i};
    }
}

static struct placement_rules rules_of(u8 class_number)
{
    const struct redundancy_info *r = redundancy_find(class_number);
    u8 n = redundancy_n(r);
    return (struct placement_rules){n, n, placement_cap(r->m), placement_cap(r->m)};
}

static void draws_and_caps(void **state)
{
    (void)state;
    assert_int_equal(placement_draws_max(12), 16);
    assert_int_equal(placement_draws_max(30), 40);
    assert_int_equal(placement_draws_max(6), 8);
    assert_int_equal(placement_draws_max(7), 10);
    assert_int_equal(placement_cap(8), 3);
    assert_int_equal(placement_cap(20), 7);
    assert_int_equal(placement_cap(4), 2);
    assert_true(placement_small(47, 12));
    assert_false(placement_small(48, 12));
}

static void points_are_below_the_total(void **state)
{
    (void)state;
    static const u64 totals[] = {1, 2, 3, 1000, (u64)1 << 40, UINT64_MAX};
    for (size_t t = 0; t < COUNT_OF(totals); t++) {
        for (u16 draw = 0; draw < 200; draw++) {
            struct segment_key key = {1, 2, t};
            assert_true(placement_point(&seed, &key, draw, totals[t]) < totals[t]);
        }
    }
}

static void every_input_moves_the_point(void **state)
{
    (void)state;
    const struct segment_key key = {1, 2, 3};
    const struct segment_key others[] = {{2, 2, 3}, {1, 3, 3}, {1, 2, 4}};
    struct hash other_seed = seed;
    u64 point = placement_point(&seed, &key, 0, UINT64_MAX);
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        assert_true(placement_point(&seed, &others[i], 0, UINT64_MAX) != point);
    }
    assert_true(placement_point(&seed, &key, 1, UINT64_MAX) != point);
    other_seed.b[31] ^= 1;
    assert_true(placement_point(&other_seed, &key, 0, UINT64_MAX) != point);
}

/* Chi-square over 16 equal cells, 16,000 draws: 15 degrees of freedom, 37.7 is the 0.1 % point; the
 * draws are fixed, so this either holds for ever or is a fault. */
static void points_are_uniform(void **state)
{
    (void)state;
    u32 cells[16] = {0};
    for (u64 number = 0; number < 1000; number++) {
        for (u16 draw = 0; draw < 16; draw++) {
            struct segment_key key = {9, 1, number};
            cells[placement_point(&seed, &key, draw, 16000) / 1000]++;
        }
    }
    u64 sum_of_squares = 0;
    for (size_t i = 0; i < 16; i++) {
        i64 off = (i64)cells[i] - 1000;
        sum_of_squares += (u64)(off * off);
    }
    assert_true(sum_of_squares < 37700); /* divided by 1,000 expected */
    assert_true(sum_of_squares > 2000);
}

/* Holders are chosen in proportion to weight: every fifth node is four times as heavy. */
static void weights_count(void **state)
{
    (void)state;
    struct placement_candidate nodes[200];
    struct placement_rules rules = rules_of(RS_2_4);
    u64 heavy = 0;
    u64 all = 0;
    network(nodes, 200);
    for (size_t i = 0; i < 200; i += 5) {
        nodes[i].weight = 4000;
    }
    for (u64 number = 0; number < 2000; number++) {
        struct placement_holder holders[6];
        struct segment_key key = {1, 1, number};
        size_t found = placement_choose(holders, &rules, &seed, &key, nodes, 200, NULL, NULL, 0);
        for (size_t i = 0; i < found; i++) {
            heavy += holders[i].provider % 5 == 1;
            all++;
        }
    }
    assert_true(all > 11990); /* 6 of 8 draws nearly always suffice */
    assert_true(heavy * 100 > all * 48 && heavy * 100 < all * 52);
}

static void check_rules(const struct placement_candidate *nodes, size_t node_count,
                        const struct placement_holder *holders, size_t found,
                        const struct placement_rules *rules)
{
    u8 operators[NODES_MAX] = {0};
    u8 prefixes[NODES_MAX] = {0};
    for (size_t i = 0; i < found; i++) {
        size_t at = holders[i].provider - 1;
        assert_true(at < node_count && nodes[at].weight > 0);
        for (size_t j = 0; j < i; j++) {
            assert_int_not_equal(holders[i].provider, holders[j].provider);
        }
        assert_true(++operators[nodes[at].operator_] <= rules->per_operator);
        assert_true(++prefixes[nodes[at].prefix] <= rules->per_prefix);
    }
}

static void large_networks_keep_to_the_draws(void **state)
{
    (void)state;
    static const u8 class_numbers[] = {RS_4_8, RS_10_20, RS_8_4, RS_2_4};
    struct placement_candidate nodes[NODES_MAX];
    struct prng prng;
    prng_init(&prng, 4);
    network(nodes, NODES_MAX);
    for (size_t i = 0; i < NODES_MAX; i++) {
        nodes[i].weight = prng_below(&prng, 5) == 0 ? 0 : 1 + prng_below(&prng, 1000000);
        nodes[i].operator_ = (u32)prng_below(&prng, 12);
        nodes[i].prefix = (u32)prng_below(&prng, 25);
    }
    for (size_t c = 0; c < COUNT_OF(class_numbers); c++) {
        struct placement_rules rules = rules_of(class_numbers[c]);
        for (u64 number = 0; number < 100; number++) {
            struct placement_holder holders[FRAGMENTS_MAX];
            struct segment_key key = {3, 4, number};
            size_t eligible;
            u64 total = placement_total(nodes, NODES_MAX, &eligible);
            size_t found =
                placement_choose(holders, &rules, &seed, &key, nodes, NODES_MAX, NULL, NULL, 0);
            check_rules(nodes, NODES_MAX, holders, found, &rules);
            for (size_t i = 0; i < found; i++) { /* what the chain checks */
                assert_true(holders[i].draw < placement_draws_max(rules.n));
                u64 point = placement_point(&seed, &key, holders[i].draw, total);
                size_t at = placement_lookup(nodes, NODES_MAX, point);
                assert_int_equal(nodes[at].provider, holders[i].provider);
                assert_true(i == 0 || holders[i].draw > holders[i - 1].draw);
            }
        }
    }
}

static void lookup_at_the_borders(void **state)
{
    (void)state;
    struct placement_candidate nodes[4];
    network(nodes, 4);
    nodes[0].weight = 0;
    nodes[2].weight = 0;
    assert_int_equal(placement_lookup(nodes, 4, 0), 1);
    assert_int_equal(placement_lookup(nodes, 4, 999), 1);
    assert_int_equal(placement_lookup(nodes, 4, 1000), 3);
    assert_int_equal(placement_lookup(nodes, 4, 1999), 3);
}

/* The devnet: 12 nodes of 6 operators take a whole rs-4-8 segment. */
static void twelve_nodes_take_everything(void **state)
{
    (void)state;
    struct placement_candidate nodes[12];
    struct placement_rules rules = rules_of(RS_4_8);
    network(nodes, 12);
    for (size_t i = 0; i < 12; i++) {
        nodes[i].operator_ = (u32)i / 2;
    }
    for (u64 number = 0; number < 200; number++) {
        struct placement_holder holders[12];
        struct segment_key key = {1, 1, number};
        size_t found = placement_choose(holders, &rules, &seed, &key, nodes, 12, NULL, NULL, 0);
        assert_int_equal(found, 12);
        check_rules(nodes, 12, holders, found, &rules);
    }
}

/* A weight of one byte beside 2^40 is hardly ever drawn, yet may serve. */
static void light_nodes_are_reached(void **state)
{
    (void)state;
    struct placement_candidate nodes[6];
    struct placement_rules rules = rules_of(RS_2_4);
    struct placement_holder holders[6];
    struct segment_key key = {1, 1, 1};
    network(nodes, 6);
    nodes[3].weight = (u64)1 << 40;
    size_t found = placement_choose(holders, &rules, &seed, &key, nodes, 6, NULL, NULL, 0);
    assert_int_equal(found, 6);
    check_rules(nodes, 6, holders, found, &rules);
    assert_int_equal(holders[0].provider, 4);
    assert_int_equal(holders[5].draw, PLACEMENT_NOT_DRAWN);
}

static void caps_hold_in_small_networks(void **state)
{
    (void)state;
    struct placement_candidate nodes[20];
    struct placement_rules rules = rules_of(RS_4_8); /* 3 per operator */
    struct placement_holder holders[12];
    struct segment_key key = {1, 1, 7};
    network(nodes, 20);
    for (size_t i = 0; i < 20; i++) {
        nodes[i].operator_ = (u32)(i % 2);
    }
    size_t found = placement_choose(holders, &rules, &seed, &key, nodes, 20, NULL, NULL, 0);
    assert_int_equal(found, 6);
    check_rules(nodes, 20, holders, found, &rules);
}

static void unusable_and_taken_nodes(void **state)
{
    (void)state;
    struct placement_candidate nodes[14];
    struct placement_rules rules = rules_of(RS_4_8);
    struct placement_holder holders[12];
    struct placement_holder taken[10];
    bool usable[14];
    struct segment_key key = {1, 1, 8};
    network(nodes, 14);
    for (size_t i = 0; i < 14; i++) {
        usable[i] = i != 3;
    }
    for (size_t i = 0; i < 9; i++) {
        taken[i] = (struct placement_holder){(u32)i + 5, 0};
    }
    taken[9] = (struct placement_holder){999, 0}; /* left the registry */
    rules.count = 3;
    size_t found = placement_choose(holders, &rules, &seed, &key, nodes, 14, usable, taken, 10);
    assert_int_equal(found, 3); /* 1, 2, 3 and 14 remain */
    for (size_t i = 0; i < found; i++) {
        u32 provider = holders[i].provider;
        assert_true(provider <= 3 || provider == 14);
    }
    /* holders already taken use up their operator's cap */
    for (size_t i = 0; i < 14; i++) {
        nodes[i].operator_ = i >= 4 && i < 7 ? 50 : (u32)i;
    }
    nodes[0].operator_ = 50;
    nodes[1].operator_ = 50;
    found = placement_choose(holders, &rules, &seed, &key, nodes, 14, usable, taken, 10);
    assert_int_equal(found, 2);
}

static void nobody_to_choose_from(void **state)
{
    (void)state;
    struct placement_candidate nodes[5];
    struct placement_rules rules = rules_of(RS_2_4);
    struct placement_holder holders[6];
    struct segment_key key = {1, 1, 9};
    assert_int_equal(placement_choose(holders, &rules, &seed, &key, NULL, 0, NULL, NULL, 0), 0);
    network(nodes, 5);
    for (size_t i = 0; i < 5; i++) {
        nodes[i].weight = 0;
    }
    assert_int_equal(placement_choose(holders, &rules, &seed, &key, nodes, 5, NULL, NULL, 0), 0);
    network(nodes, 5);
    assert_int_equal(placement_choose(holders, &rules, &seed, &key, nodes, 5, NULL, NULL, 0), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_and_caps),
        cmocka_unit_test(points_are_below_the_total),
        cmocka_unit_test(every_input_moves_the_point),
        cmocka_unit_test(points_are_uniform),
        cmocka_unit_test(weights_count),
        cmocka_unit_test(large_networks_keep_to_the_draws),
        cmocka_unit_test(lookup_at_the_borders),
        cmocka_unit_test(twelve_nodes_take_everything),
        cmocka_unit_test(light_nodes_are_reached),
        cmocka_unit_test(caps_hold_in_small_networks),
        cmocka_unit_test(unusable_and_taken_nodes),
        cmocka_unit_test(nobody_to_choose_from),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

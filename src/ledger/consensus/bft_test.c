/* The engine's rules as tables: events of four seats in, the effects of seat 3 out, as text.
 *
 * An event is "p0 r1 A v0" (proposal of seat 0 for round 1, block A, valid_round 0), "i0 r0 A" (an
 * invalid one), "v2 r0 A" (prevote of seat 2), "c2 r0 A" (precommit), "t700" (time); "-" is nil.
 * The proposer of round r is seat (height + r) mod 4, with height 4: seat r mod 4. */
#include "ledger/consensus/bft.h"

#include "base/prng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define OWN 3
#define HEIGHT 4
#define TEXT_MAX 2000

struct table {
    struct bft bft;
    u64 now_ms;
    char text[TEXT_MAX];
};

static struct hash id_of(char name)
{
    struct hash id = {{0}};
    if (name != '-') {
        id.b[0] = (u8)name;
    }
    return id;
}

static char name_of(const struct hash *id) { return id->b[0] == 0 ? '-' : (char)id->b[0]; }

__attribute__((format(printf, 2, 3))) static void say(struct table *table, const char *format, ...)
{
    size_t len = strlen(table->text);
    va_list args;
    va_start(args, format);
    vsnprintf(table->text + len, sizeof table->text - len, format, args);
    va_end(args);
}

static void say_round(struct table *table, u32 round)
{
    if (round != VOTE_NO_ROUND) {
        say(table, " v%u", round);
    }
}

static void step(struct table *table, const struct bft_event *event);

static void done(struct table *table, const struct bft_effects *effects)
{
    for (size_t i = 0; i < effects->count; i++) {
        const struct bft_effect *effect = &effects->items[i];
        switch (effect->kind) {
        case BFT_FX_ROUND:
            say(table, "round %u; ", effect->round);
            break;
        case BFT_FX_PROPOSE:
            say(table, "propose %c", name_of(&effect->block_id));
            say_round(table, effect->valid_round);
            say(table, "; ");
            break;
        case BFT_FX_CAST:
            say(table, "%s %c", effect->vote.kind == VOTE_PREVOTE ? "prevote" : "precommit",
                name_of(&effect->vote.block_id));
            say_round(table, effect->vote.valid_round);
            say(table, "; ");
            break;
        case BFT_FX_DECIDE:
            say(table, "decide %c in %u; ", name_of(&effect->block_id), effect->round);
            break;
        case BFT_FX_EVIDENCE:
            say(table, "seat %u %s; ", effect->seat,
                effect->guilt == GUILT_AMNESIA ? "forgets" : "equivocates");
            break;
        }
    }
    for (size_t i = 0; i < effects->count; i++) {
        if (effects->items[i].kind == BFT_FX_CAST) {
            const struct bft_event own = {.kind = BFT_EV_VOTE,
                                          .now_ms = table->now_ms,
                                          .seat = OWN,
                                          .vote = effects->items[i].vote};
            step(table, &own);
        }
    }
}

static void step(struct table *table, const struct bft_event *event)
{
    struct bft_effects effects;
    bft_step(&table->bft, event, &effects);
    done(table, &effects);
}

/* One event from its text. */
static void play(struct table *table, const char *text)
{
    struct bft_event event = {.now_ms = table->now_ms, .valid_round = VOTE_NO_ROUND};
    char kind = text[0];
    unsigned seat = 0;
    unsigned round = 0;
    unsigned valid = 0;
    char name = '-';
    if (kind == 't') {
        table->now_ms = strtoull(text + 1, NULL, 10);
        event.now_ms = table->now_ms;
        event.kind = BFT_EV_TIME;
        step(table, &event);
        return;
    }
    int fields = sscanf(text + 1, "%u r%u %c v%u", &seat, &round, &name, &valid);
    assert_true(fields >= 3);
    event.seat = seat;
    if (kind == 'p' || kind == 'i') {
        event.kind = BFT_EV_PROPOSAL;
        event.round = round;
        event.block_id = id_of(name);
        event.valid_round = fields == 4 ? valid : VOTE_NO_ROUND;
        event.is_valid = kind == 'p';
    } else {
        event.kind = BFT_EV_VOTE;
        event.vote = (struct vote){.kind = kind == 'v' ? VOTE_PREVOTE : VOTE_PRECOMMIT,
                                   .chain_id = 1,
                                   .height = HEIGHT,
                                   .round = round,
                                   .block_id = id_of(name),
                                   .valid_round = fields == 4 ? valid : VOTE_NO_ROUND};
    }
    step(table, &event);
}

static struct bft_options four_seats(void)
{
    struct seats seats = {.count = 4};
    for (size_t i = 0; i < 4; i++) {
        seats.items[i].b[0] = (u8)i;
    }
    return bft_options_default(1, &seats, OWN);
}

static void begin(struct table *table)
{
    struct bft_options options = four_seats();
    struct bft_effects effects;
    *table = (struct table){.now_ms = 0};
    bft_init(&table->bft, &options, HEIGHT);
    bft_start(&table->bft, 0, &effects);
    done(table, &effects);
    table->text[0] = '\0'; /* "round 0" */
}

/* `events` are separated by commas. */
static void expect(const char *events, const char *effects)
{
    struct table table;
    char copy[TEXT_MAX];
    char *rest = copy;
    char *event;
    snprintf(copy, sizeof copy, "%s", events);
    begin(&table);
    while ((event = strsep(&rest, ",")) != NULL) {
        play(&table, event + strspn(event, " "));
    }
    assert_string_equal(table.text, effects);
}

static void three_steps_decide(void **state)
{
    (void)state;
    expect("p0 r0 A, v0 r0 A, v1 r0 A, c0 r0 A, c1 r0 A",
           "prevote A; precommit A; decide A in 0; ");
    /* Votes may come before the proposal. */
    expect("v0 r0 A, v1 r0 A, c0 r0 A, c1 r0 A, p0 r0 A",
           "prevote A; precommit A; decide A in 0; ");
    /* A quorum of others is enough. */
    expect("c0 r0 A, c1 r0 A, c2 r0 A, p0 r0 A", "decide A in 0; ");
}

static void timeouts_lead_to_the_next_round(void **state)
{
    (void)state;
    expect("t999", "");
    expect("t1000", "prevote -; ");
    expect("t1000, v0 r0 -, v1 r0 -", "prevote -; precommit -; ");        /* L44 */
    expect("t1000, v0 r0 A, v1 r0 -, t1500", "prevote -; precommit -; "); /* L34, L61 */
    expect("t1000, v0 r0 A, v1 r0 -, t1499", "prevote -; ");
    expect("t1000, v0 r0 -, v1 r0 -, c0 r0 -, c1 r0 -, t1500",
           "prevote -; precommit -; round 1; "); /* L47, L65 */
    /* Later rounds wait longer: round 1 proposes for 1,500 ms. */
    expect("t1000, v0 r0 -, v1 r0 -, c0 r0 -, c1 r0 -, t1500, t2999",
           "prevote -; precommit -; round 1; ");
    expect("t1000, v0 r0 -, v1 r0 -, c0 r0 -, c1 r0 -, t1500, t3000",
           "prevote -; precommit -; round 1; prevote -; ");
}

static void invalid_and_foreign_proposals(void **state)
{
    (void)state;
    expect("i0 r0 A", "prevote -; ");
    expect("p1 r0 A", "");                     /* not its turn */
    expect("p0 r0 -", "");                     /* nil is no block */
    expect("p0 r0 A, p0 r0 B", "prevote A; "); /* the first counts */
    expect("p3 r7 A", "");                     /* too far ahead */
    /* An invalid block is never locked nor decided, whatever others say. */
    expect("i0 r0 A, v0 r0 A, v1 r0 A, v2 r0 A, c0 r0 A, c1 r0 A, c2 r0 A", "prevote -; ");
}

/* L22: locked on A, a new block B without a polka gets nil, and A itself a prevote. */
static void a_lock_holds(void **state)
{
    (void)state;
    const char *lock = "p0 r0 A, v0 r0 A, v1 r0 A, c0 r0 -, c1 r0 -, t500, ";
    char events[400];
    snprintf(events, sizeof events, "%sp1 r1 B", lock);
    expect(events, "prevote A; precommit A; round 1; prevote -; ");
    snprintf(events, sizeof events, "%sp1 r1 A", lock);
    expect(events, "prevote A; precommit A; round 1; prevote A; ");
    /* A nil polka does not unlock. */
    snprintf(events, sizeof events, "%sp1 r1 B, v0 r1 -, v1 r1 -, c0 r1 -, c1 r1 -, t1250, p2 r2 C",
             lock);
    expect(events, "prevote A; precommit A; round 1; prevote -; precommit -; round 2; prevote -; ");
}

/* L28: a polka that is newer than the lock frees it, an older one does not. */
static void newer_polkas_unlock(void **state)
{
    (void)state;
    const char *lock = "p0 r0 A, v0 r0 A, v1 r0 A, c0 r0 -, c1 r0 -, t500, "
                       "p1 r1 B, v0 r1 B, v1 r1 B, v2 r1 B, c0 r1 -, c1 r1 -, t1250, ";
    char events[400];
    snprintf(events, sizeof events, "%sp2 r2 B v1", lock);
    expect(events, "prevote A; precommit A; round 1; prevote -; precommit B; round 2; "
                   "prevote B v1; ");
    /* Here the own node has not voted for B but saw its polka: L36 locks B, so A is refused. */
    snprintf(events, sizeof events, "%sp2 r2 A v0", lock);
    expect(events, "prevote A; precommit A; round 1; prevote -; precommit B; round 2; "
                   "prevote -; ");
    /* The polka that a proposal points to must be there. */
    expect("c0 r0 -, c1 r0 -, c2 r0 -, t500, p1 r1 B v0", "round 1; ");
    expect("c0 r0 -, c1 r0 -, c2 r0 -, t500, p1 r1 B v0, v0 r0 B, v1 r0 B, v2 r0 B",
           "round 1; prevote B v0; ");
}

/* Locked on A, then by a polka on B: a proposal of B that points to nothing newer than the
 * precommit of A would make a prevote that looks like amnesia, so it gets none. */
static void the_correct_never_look_guilty(void **state)
{
    (void)state;
    const char *locks = "p0 r0 A, v0 r0 A, v1 r0 A, c0 r0 -, c1 r0 -, t500, "
                        "p1 r1 B, v0 r1 B, v1 r1 B, v2 r1 B, c0 r1 -, c1 r1 -, t1250, ";
    char events[400];
    snprintf(events, sizeof events, "%sp2 r2 B", locks);
    expect(events, "prevote A; precommit A; round 1; prevote -; precommit B; round 2; "
                   "prevote -; ");
    snprintf(events, sizeof events, "%sp2 r2 B v1", locks);
    expect(events, "prevote A; precommit A; round 1; prevote -; precommit B; round 2; "
                   "prevote B v1; ");
}

/* A polka seen only after the precommit is remembered and proposed again ("hidden lock"). */
static void late_polkas_are_proposed_again(void **state)
{
    (void)state;
    expect("p0 r0 A, v0 r0 A, v1 r0 -, t500, v2 r0 A, c0 r0 -, c1 r0 -, t1000, "
           "c0 r1 -, c1 r1 -, c2 r1 -, t1750, c0 r2 -, c1 r2 -, c2 r2 -, t2750",
           "prevote A; precommit -; round 1; round 2; round 3; propose A v0; ");
}

/* Prevotes for one block that point to different rounds are no polka together. */
static void polkas_agree_in_the_valid_round(void **state)
{
    (void)state;
    expect("c0 r0 -, c1 r0 -, c2 r0 -, t500, p1 r1 A, v0 r1 A v0, v1 r1 A v0",
           "round 1; prevote A; ");
    expect("c0 r0 -, c1 r0 -, c2 r0 -, t500, p1 r1 A, v0 r1 A v0, v1 r1 A, v2 r1 A",
           "round 1; prevote A; precommit A; ");
}

/* L49 for a past round, L55 for a later one. */
static void other_rounds_count(void **state)
{
    (void)state;
    expect("p0 r0 A, v0 r0 -, v1 r0 -, c0 r0 A, c1 r0 -, t500, t1000, c1 r1 -, c2 r1 -, c2 r0 A",
           "prevote A; precommit -; round 1; ");
    expect("p0 r0 A, v0 r0 A, v1 r0 A, c0 r0 -, c1 r0 -, t500, c2 r0 A, p1 r1 B",
           "prevote A; precommit A; round 1; prevote -; ");
    expect("v0 r2 A, v1 r1 A", "round 1; ");
    expect("v0 r2 A, v1 r2 B", "round 2; ");
    expect("v0 r2 A, c0 r2 A", "");          /* one seat is no f + 1 */
    expect("v0 r9 A, v1 r9 A", "round 9; "); /* however far */
    expect("c0 r0 -, c1 r0 -, c2 r0 -, t500, p0 r0 A, c0 r0 A, c1 r0 A, c2 r0 A",
           "round 1; seat 0 equivocates; seat 1 equivocates; seat 2 equivocates; ");
    expect("p0 r0 A, c0 r0 A, c1 r0 -, c2 r0 -, t500, v0 r1 -, v1 r1 -, c2 r1 -",
           "prevote A; round 1; ");
}

static void a_past_round_decides(void **state)
{
    (void)state;
    expect("p0 r0 A, v0 r0 A, v1 r0 A, c0 r0 A, v1 r1 -, v2 r1 -, c2 r0 A",
           "prevote A; precommit A; round 1; decide A in 0; ");
}

static void the_guilty_are_named(void **state)
{
    (void)state;
    expect("v0 r0 A, v0 r0 B", "seat 0 equivocates; ");
    expect("v0 r0 A, v0 r0 A", "");
    expect("v0 r0 A, v0 r0 -, v0 r0 B", "seat 0 equivocates; "); /* once */
    expect("c1 r0 A, c1 r0 -", "seat 1 equivocates; ");
    /* A precommit for A in round 0, and a prevote for B in round 1 that points to nothing newer. */
    expect("c2 r0 A, v2 r1 B", "seat 2 forgets; ");
    expect("v2 r1 B, c2 r0 A", "seat 2 forgets; ");
    expect("c2 r0 A, v2 r1 B v0", ""); /* a polka of that very round is newer than the lock */
    expect("c2 r1 A, v2 r2 B v0", "seat 2 forgets; ");
    expect("c2 r0 A, v2 r1 A", "");
    expect("c2 r0 A, v2 r1 -", "");
    expect("c2 r0 -, v2 r1 B", "");
}

static void assert_same_ballots(const struct bft_ballot *a, const struct bft_ballot *b)
{
    for (size_t i = 0; i < SEATS_MAX; i++) {
        assert_int_equal(a[i].is_cast, b[i].is_cast);
        assert_int_equal(a[i].vote.round, b[i].vote.round);
        assert_int_equal(a[i].vote.valid_round, b[i].vote.valid_round);
        assert_true(hash_eq(&a[i].vote.block_id, &b[i].vote.block_id));
    }
}

/* Field by field: what lies between them may be anything. */
static void assert_same(const struct bft *a, const struct bft *b)
{
    assert_int_equal(a->round, b->round);
    assert_int_equal(a->step, b->step);
    assert_true(hash_eq(&a->locked_id, &b->locked_id) && hash_eq(&a->valid_id, &b->valid_id));
    assert_int_equal(a->locked_round, b->locked_round);
    assert_int_equal(a->valid_round, b->valid_round);
    assert_int_equal(a->valid_polka.count, b->valid_polka.count);
    assert_true(bft_deadline(a) == bft_deadline(b));
    assert_int_equal(a->reported, b->reported);
    assert_memory_equal(a->seen_round, b->seen_round, sizeof a->seen_round);
    for (size_t i = 0; i < BFT_ROUNDS_KEPT; i++) {
        const struct bft_round *left = &a->rounds[i];
        const struct bft_round *right = &b->rounds[i];
        assert_int_equal(left->is_used, right->is_used);
        assert_int_equal(left->round, right->round);
        assert_int_equal(left->proposal.is_known, right->proposal.is_known);
        assert_true(hash_eq(&left->proposal.block_id, &right->proposal.block_id));
        assert_same_ballots(left->prevotes, right->prevotes);
        assert_same_ballots(left->precommits, right->precommits);
    }
}

/* Whatever comes in, nothing breaks; a seat that does not exist, another chain or height, votes of
 * a shape that no correct seat makes change nothing. */
static void nonsense_changes_nothing(void **state)
{
    (void)state;
    struct bft_event bad[8];
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        bad[i] = (struct bft_event){.kind = BFT_EV_VOTE, .seat = 0};
        bad[i].vote = (struct vote){.kind = VOTE_PREVOTE,
                                    .chain_id = 1,
                                    .height = HEIGHT,
                                    .round = 1,
                                    .block_id = id_of('A'),
                                    .valid_round = VOTE_NO_ROUND};
    }
    bad[0].seat = 4;
    bad[1].seat = UINT32_MAX;
    bad[2].vote.chain_id = 2;
    bad[3].vote.height = HEIGHT + 1;
    bad[4].vote.valid_round = 1;       /* not before its own round */
    bad[5].vote.round = VOTE_NO_ROUND; /* no round at all */
    bad[6].vote.block_id = id_of('-'); /* nil that points to a polka */
    bad[6].vote.valid_round = 0;
    bad[7].vote.kind = VOTE_PRECOMMIT; /* a precommit that points to one */
    bad[7].vote.valid_round = 0;
    struct table table;
    begin(&table);
    struct bft before = table.bft;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        step(&table, &bad[i]);
        assert_same(&before, &table.bft);
    }
    assert_string_equal(table.text, "");
}

/* The same events give the same state and effects. */
static void replaying_gives_the_same(void **state)
{
    (void)state;
    struct prng prng;
    prng_init(&prng, 11);
    for (int run = 0; run < 200; run++) {
        struct table one;
        struct table two;
        begin(&one);
        begin(&two);
        for (int i = 0; i < 80; i++) {
            struct bft_event event = {.kind = (enum bft_event_kind)prng_below(&prng, 3),
                                      .seat = (u32)prng_below(&prng, 5),
                                      .round = (u32)prng_below(&prng, 20),
                                      .block_id = id_of("AB-"[prng_below(&prng, 3)]),
                                      .valid_round = VOTE_NO_ROUND,
                                      .is_valid = prng_below(&prng, 4) > 0};
            one.now_ms += prng_below(&prng, 400);
            event.now_ms = two.now_ms = one.now_ms;
            event.vote = (struct vote){.kind = prng_below(&prng, 2) ? VOTE_PREVOTE : VOTE_PRECOMMIT,
                                       .chain_id = 1,
                                       .height = HEIGHT,
                                       .round = (u32)prng_below(&prng, 4),
                                       .block_id = event.block_id,
                                       .valid_round = VOTE_NO_ROUND};
            step(&one, &event);
            step(&two, &event);
            assert_string_equal(one.text, two.text);
            one.text[0] = two.text[0] = '\0';
        }
        assert_same(&one.bft, &two.bft);
    }
}

static void one_seat_decides_alone(void **state)
{
    (void)state;
    struct bft_options options = four_seats();
    struct table table = {.now_ms = 0};
    struct bft_effects effects;
    options.seats.count = 1;
    options.own = 0;
    bft_init(&table.bft, &options, HEIGHT);
    bft_start(&table.bft, 0, &effects);
    assert_int_equal(effects.count, 2);
    assert_int_equal(effects.items[1].kind, BFT_FX_PROPOSE);
    struct bft_event event = {.kind = BFT_EV_PROPOSAL,
                              .block_id = id_of('A'),
                              .valid_round = VOTE_NO_ROUND,
                              .is_valid = true};
    bft_step(&table.bft, &event, &effects);
    for (int i = 0; i < 2; i++) { /* prevote, precommit */
        assert_int_equal(effects.items[0].kind, BFT_FX_CAST);
        struct bft_event own = {.kind = BFT_EV_VOTE, .vote = effects.items[0].vote};
        bft_step(&table.bft, &own, &effects);
    }
    assert_int_equal(effects.items[0].kind, BFT_FX_DECIDE);
    assert_true(bft_deadline(&table.bft) == UINT64_MAX);
    struct certificate certificate;
    assert_true(bft_certificate(&table.bft, 0, &event.block_id, &certificate));
    assert_int_equal(certificate.count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_steps_decide),
        cmocka_unit_test(timeouts_lead_to_the_next_round),
        cmocka_unit_test(invalid_and_foreign_proposals),
        cmocka_unit_test(a_lock_holds),
        cmocka_unit_test(newer_polkas_unlock),
        cmocka_unit_test(the_correct_never_look_guilty),
        cmocka_unit_test(late_polkas_are_proposed_again),
        cmocka_unit_test(polkas_agree_in_the_valid_round),
        cmocka_unit_test(other_rounds_count),
        cmocka_unit_test(a_past_round_decides),
        cmocka_unit_test(the_guilty_are_named),
        cmocka_unit_test(nonsense_changes_nothing),
        cmocka_unit_test(replaying_gives_the_same),
        cmocka_unit_test(one_seat_decides_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

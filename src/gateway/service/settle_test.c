/* The decisions of settling as golden traces, and the log's fields there and back. */
#include "gateway/service/settle.h"

#include "base/mem.h"
#include "base/prng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* A tiny life: at every tick the step is asked, and what it wants is done at once by `react`. */
struct life {
    struct settle_facts facts;
    struct buf trace;
    enum settle_action last;
    u64 submits;
};

static struct life life_begin(void)
{
    struct life life = {.facts = {.now_ms = 1000,
                                  .born_ms = 1000,
                                  .is_oldest = true,
                                  .nonce = 5,
                                  .nonce_known = true,
                                  .account_nonce = 5}};
    buf_init(&life.trace, KIB(16));
    life.last = SETTLE_WAIT;
    return life;
}

static void react(struct life *life, enum settle_action action)
{
    struct settle_facts *f = &life->facts;
    if (action == SETTLE_SUBMIT) {
        f->submitted_ms = f->now_ms;
        life->submits++;
    } else if (action == SETTLE_FILL_GAP) {
        f->filled_ms = f->now_ms;
    } else if (action == SETTLE_SIGN_AGAIN || action == SETTLE_ISSUE_AGAIN) {
        f->attempts++;
        f->attempted_ms = f->now_ms;
        f->born_ms = f->now_ms;
        f->submitted_ms = 0;
        f->nonce = f->account_nonce;
        f->nonce_since_ms = 0;
        if (action == SETTLE_ISSUE_AGAIN) {
            f->is_final = true; /* refused again at once */
        }
    } else if (action == SETTLE_COMPLETE) {
        f->completions++;
        f->completed_ms = f->now_ms;
    }
}

/* run: in steps of 500 ms; writes "seconds.tenths action" for everything but waiting. */
static void run(struct life *life, u64 until_ms)
{
    while (life->facts.now_ms < until_ms) {
        u64 next_ms;
        enum settle_action action = settle_step(&life->facts, &next_ms);
        if (action != SETTLE_WAIT) {
            buf_format(
                &life->trace, "%llu.%llu %s, ", (unsigned long long)(life->facts.now_ms / 1000),
                (unsigned long long)(life->facts.now_ms / 100 % 10), settle_action_name(action));
            react(life, action);
        } else {
            assert_true(next_ms > life->facts.now_ms);
        }
        life->last = action;
        life->facts.now_ms += 500;
    }
}

static void expect(struct life *life, const char *trace)
{
    bytes got = buf_bytes(&life->trace);
    if (!bytes_eq_str(got, trace)) {
        print_error("got:  %.*s\nwant: %s\n", (int)got.len, (const char *)got.data, trace);
        fail();
    }
    buf_free(&life->trace);
}

static void a_commit_that_goes_through(void **state)
{
    (void)state;
    struct life life = life_begin();
    run(&life, 5000);
    life.facts.is_final = true;
    life.facts.completed_ms = life.facts.now_ms;
    run(&life, 5500);
    expect(&life, "1.0 submit, 4.0 submit, 5.0 remove, ");
}

static void a_ledger_that_is_away(void **state)
{
    (void)state;
    struct life life = life_begin();
    life.facts.nonce_known = false;
    run(&life, 61000);
    assert_int_equal(life.submits, 20);
    buf_free(&life.trace);
}

static void a_nonce_that_another_took(void **state)
{
    (void)state;
    struct life life = life_begin();
    run(&life, 2000);
    life.facts.account_nonce = 6;
    life.facts.nonce_since_ms = 2000;
    run(&life, 7000);
    expect(&life, "1.0 submit, 4.0 submit, 6.0 sign again, 6.5 submit, ");
}

static void a_gap_before_the_oldest(void **state)
{
    (void)state;
    struct life life = life_begin();
    settle_note_nonce(&life.facts, true, 4, true);
    run(&life, 5000);
    settle_note_nonce(&life.facts, true, 5, true);
    run(&life, 12000);
    expect(&life, "1.0 submit, 4.0 fill gap, 4.5 submit, 7.5 submit, 10.5 submit, ");
    life = life_begin();
    settle_note_nonce(&life.facts, true, 4, false); /* the one before it fills the gap */
    run(&life, 12500);
    expect(&life, "1.0 submit, 4.0 submit, 7.0 submit, 10.0 submit, ");
}

/* A commit that waited long, behind others that were final at last, gives what lies between the
 * same time as if it were new. */
static void a_gap_counts_from_when_it_is_seen(void **state)
{
    (void)state;
    struct life life = life_begin();
    life.facts.account_nonce = 2;
    settle_note_nonce(&life.facts, true, 2, false);
    run(&life, 30000);
    buf_clear(&life.trace);
    settle_note_nonce(&life.facts, true, 4, true); /* the one before 4 is final */
    run(&life, 35000);
    settle_note_nonce(&life.facts, false, 0, true); /* nothing is known for a while */
    run(&life, 38000);
    settle_note_nonce(&life.facts, true, 4, true);
    run(&life, 39500);
    settle_note_nonce(&life.facts, true, 4, true);
    assert_int_equal(life.facts.gap_since_ms, 38000);
    run(&life, 43500);
    expect(&life, "31.0 submit, 33.0 fill gap, 34.0 submit, 37.0 submit, 40.0 submit, "
                  "41.0 fill gap, 43.0 submit, ");
}

/* As long as the nonce moves, others are still getting through. */
static void no_gap_while_the_nonce_moves(void **state)
{
    (void)state;
    struct life life = life_begin();
    life.facts.nonce = 50;
    for (u64 i = 0; i < 40; i++) {
        settle_note_nonce(&life.facts, true, i, true);
        run(&life, life.facts.now_ms + 2500);
    }
    assert_int_equal(life.facts.filled_ms, 0);
    buf_free(&life.trace);
}

static void a_nonce_beyond_counts_from_when_it_is_seen(void **state)
{
    (void)state;
    struct life life = life_begin();
    life.facts.now_ms = 7000;
    settle_note_nonce(&life.facts, true, 6, true);
    assert_int_equal(life.facts.nonce_since_ms, 7000);
    life.facts.now_ms = 9000;
    settle_note_nonce(&life.facts, true, 8, true);
    assert_int_equal(life.facts.nonce_since_ms, 7000);
    settle_note_nonce(&life.facts, true, 5, true); /* signed again */
    assert_int_equal(life.facts.nonce_since_ms, 0);
    buf_free(&life.trace);
}

static void refusals_are_retried_with_pauses(void **state)
{
    (void)state;
    struct life life = life_begin();
    life.facts.is_final = true;
    life.facts.refused = true;
    run(&life, 40000);
    expect(&life, "1.0 issue again, 2.0 issue again, 4.0 issue again, 8.0 issue again, "
                  "16.0 issue again, 32.0 issue again, ");
}

static void holders_are_placed_until_all_are_there(void **state)
{
    (void)state;
    struct life life = life_begin();
    life.facts.is_final = true;
    life.facts.missing = 2;
    life.facts.completed_ms = 1000;
    run(&life, 10000);
    life.facts.completing = true;
    run(&life, 60000);
    life.facts.completing = false;
    life.facts.missing = 0;
    run(&life, 60500);
    expect(&life, "3.0 complete, 5.0 complete, 9.0 complete, 60.0 remove, ");
}

static void placing_is_given_up_after_an_hour(void **state)
{
    (void)state;
    struct life life = life_begin();
    life.facts.is_final = true;
    life.facts.missing = 1;
    life.facts.completed_ms = life.facts.now_ms = 1000 + SETTLE_GIVE_UP_MS - 500;
    run(&life, life.facts.now_ms + 1000);
    assert_int_equal(life.last, SETTLE_REMOVE);
    buf_free(&life.trace);
}

/* Whatever the facts: a refused commit is never removed, a final one never submitted. */
static void hostile_facts_lose_nothing(void **state)
{
    (void)state;
    struct prng rng;
    prng_init(&rng, 11);
    for (int i = 0; i < 20000; i++) {
        struct settle_facts f = {.now_ms = prng_below(&rng, 10000000),
                                 .is_oldest = prng_chance(&rng, 1, 2),
                                 .nonce = prng_below(&rng, 4),
                                 .nonce_known = prng_chance(&rng, 1, 2),
                                 .account_nonce = prng_below(&rng, 4),
                                 .is_final = prng_chance(&rng, 1, 2),
                                 .refused = prng_chance(&rng, 1, 2),
                                 .attempts = (u32)prng_below(&rng, 100),
                                 .missing = (u32)prng_below(&rng, 3),
                                 .completing = prng_chance(&rng, 1, 4),
                                 .completions = (u32)prng_below(&rng, 100)};
        u64 next_ms;
        f.born_ms = prng_below(&rng, f.now_ms + 1);
        f.submitted_ms = prng_below(&rng, f.now_ms + 1);
        f.attempted_ms = prng_below(&rng, f.now_ms + 1);
        f.completed_ms = prng_below(&rng, f.now_ms + 1);
        enum settle_action action = settle_step(&f, &next_ms);
        assert_false(action == SETTLE_REMOVE && (!f.is_final || f.refused || f.completing));
        assert_false(f.is_final && (action == SETTLE_SUBMIT || action == SETTLE_SIGN_AGAIN ||
                                    action == SETTLE_FILL_GAP));
        assert_false(!f.is_final && (action == SETTLE_COMPLETE || action == SETTLE_ISSUE_AGAIN));
        assert_true(action != SETTLE_WAIT || next_ms > f.now_ms);
    }
}

/* ---- entries ---- */

static struct unsettled *sample_entry(void)
{
    struct hash tx = {{7}};
    struct unsettled *entry = unsettled_new(3, bytes_str("raw"), &tx, 2, 1);
    for (size_t i = 0; i < 2; i++) {
        struct unsettled_segment *segment = &entry->segments[i];
        segment->seal.key = (struct segment_key){3, 1, 40 + i};
        segment->seal.class_number = RS_2_4;
        segment->seal.length = (u32)(1000 + i);
        memset(segment->seal.roots, (int)i + 1, sizeof segment->seal.roots[0] * 6);
        segment->have = 0x2f;
        segment->registered = i == 1;
        entry->bytes += segment->seal.length;
    }
    memset(entry->heads[0].move.bucket.b, 9, 32);
    memset(entry->heads[0].move.head.hash.b, 8, 32);
    entry->heads[0].move.sequence = 77;
    entry->heads[0].moved = true;
    return entry;
}

static void entries_come_back_from_the_log(void **state)
{
    (void)state;
    struct unsettled *entry = sample_entry();
    struct unsettled *back;
    struct buf segments;
    struct buf heads;
    buf_init(&segments, KIB(16));
    buf_init(&heads, KIB(16));
    unsettled_write_segments(&segments, entry);
    unsettled_write_heads(&heads, entry);
    struct index_pending pending = {.id = 12,
                                    .tx = entry->tx,
                                    .raw_tx = bytes_make(entry->raw, entry->raw_len),
                                    .segments = buf_bytes(&segments),
                                    .heads = buf_bytes(&heads)};
    assert_true(is_ok(unsettled_read(&pending, &back)));
    assert_int_equal(back->id, 12);
    assert_int_equal(back->territory, 3);
    assert_int_equal(back->bytes, 2001);
    assert_int_equal(back->segment_count, 2);
    assert_int_equal(back->segments[1].seal.key.number, 41);
    assert_true(back->segments[1].registered && !back->segments[0].registered);
    assert_int_equal(back->heads[0].move.sequence, 77);
    assert_true(back->heads[0].moved && !back->heads[0].lost);
    assert_int_equal(back->raw_len, 3);
    for (size_t len = 0; len < segments.len; len++) {
        struct unsettled *none;
        pending.segments = bytes_make(segments.data, len);
        assert_true(is_err(unsettled_read(&pending, &none), ERR_MALFORMED));
    }
    pending.segments = buf_bytes(&segments);
    for (size_t len = 0; len < heads.len; len++) {
        struct unsettled *none;
        pending.heads = bytes_make(heads.data, len);
        assert_true(is_err(unsettled_read(&pending, &none), ERR_MALFORMED));
    }
    unsettled_unref(back);
    unsettled_unref(entry);
    buf_free(&segments);
    buf_free(&heads);
}

static void uploads_wait_while_too_much_is_open(void **state)
{
    (void)state;
    struct settle settle;
    settle_init(&settle);
    assert_false(settle_overloaded(&settle, 100000, 4096));
    struct unsettled *entry = sample_entry();
    entry->facts.born_ms = 1000;
    settle_add(&settle, entry);
    assert_false(settle_overloaded(&settle, 1000 + SETTLE_OLDEST_MS, 4096));
    assert_true(settle_overloaded(&settle, 1001 + SETTLE_OLDEST_MS, 4096));
    entry->facts.is_final = true;
    assert_false(settle_overloaded(&settle, 1001 + SETTLE_OLDEST_MS, 4096));
    settle.unfinal_bytes = 4097;
    assert_true(settle_overloaded(&settle, 1000, 4096));
    struct segment_key key = {3, 1, 41};
    struct unsettled *found;
    assert_true(settle_find_segment(&settle, &key, &found) == &entry->segments[1]);
    key.number = 42;
    assert_null(settle_find_segment(&settle, &key, &found));
    settle_remove(&settle, entry);
    assert_int_equal(settle.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_commit_that_goes_through),
        cmocka_unit_test(a_ledger_that_is_away),
        cmocka_unit_test(a_nonce_that_another_took),
        cmocka_unit_test(a_gap_before_the_oldest),
        cmocka_unit_test(a_gap_counts_from_when_it_is_seen),
        cmocka_unit_test(no_gap_while_the_nonce_moves),
        cmocka_unit_test(a_nonce_beyond_counts_from_when_it_is_seen),
        cmocka_unit_test(refusals_are_retried_with_pauses),
        cmocka_unit_test(holders_are_placed_until_all_are_there),
        cmocka_unit_test(placing_is_given_up_after_an_hour),
        cmocka_unit_test(hostile_facts_lose_nothing),
        cmocka_unit_test(entries_come_back_from_the_log),
        cmocka_unit_test(uploads_wait_while_too_much_is_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

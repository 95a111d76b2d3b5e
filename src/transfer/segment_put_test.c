/* Uploads to storage nodes that are well, slow, full, dead or lying. */
#include "tests/support/transfer_world.h"

#include <sys/stat.h>
#include <unistd.h>

static bool spool_exists(const struct transfer_world *w, const struct segment_key *key)
{
    char path[PATH_BYTES_MAX];
    spool_path(path, w->dir, key);
    return file_exists(path);
}

/* ---- all well ---- */

static void round_trips_fn(struct transfer_world *w)
{
    const u32 row = redundancy_find((u8)w->class_number)->k * (u32)UNIT_BYTES;
    const u32 lengths[] = {1, 63, 64, 4096, UNIT_BYTES, row - 1, row, row + 1, 3 * row + 12345};
    for (size_t i = 0; i < COUNT_OF(lengths); i++) {
        struct test_segment *s = ts_store(w, lengths[i]);
        test_ok(ts_read(w, s, 0, lengths[i]));
        assert_true(spool_exists(w, &s->key));
        spool_remove(w->dir, &s->key);
        assert_false(spool_exists(w, &s->key));
        ts_free(s);
    }
    scene_check(&w->chain.scene);
}

static void round_trips(void **state)
{
    (void)state;
    TW_RUN(round_trips_fn, .class_number = RS_2_4, .providers = 6);
    TW_RUN(round_trips_fn, .class_number = RS_4_8, .providers = 13);
    TW_RUN(round_trips_fn, .class_number = RS_8_4, .providers = 14);
}

static void draws_of_a_large_network_fn(struct transfer_world *w)
{
    for (u32 i = 0; i < 6; i++) {
        struct test_segment *s = ts_make(w, 5000 + i);
        test_ok(ts_open(w, s));
        test_ok(ts_write(w, s));
        test_ok(ts_seal(w, s));
        assert_true(s->entry.epoch != 0);
        assert_true(s->entry.receipt_count >= 4);
        assert_int_equal(ts_commit(w, s), s->entry.receipt_count);
        test_ok(ts_read(w, s, 17, 4000));
        ts_free(s);
        fake_block(&w->chain, 4);
    }
}

static void draws_of_a_large_network(void **state)
{
    (void)state;
    TW_RUN(draws_of_a_large_network_fn, .class_number = RS_2_4, .providers = 26);
}

/* ---- some not well ---- */

static void put_with_faults(struct transfer_world *w, u32 length, u32 count, enum fake_fault fault,
                            struct test_segment **ret_segment)
{
    struct test_segment *s = ts_make(w, length);
    for (u32 i = 1; i <= count; i++) {
        fake_set_fault(store_of(w, i), fault);
    }
    test_ok(ts_open(w, s));
    test_ok(ts_write(w, s));
    test_ok(ts_seal(w, s));
    *ret_segment = s;
}

static void faults_fn(struct transfer_world *w)
{
    static const enum fake_fault faults[] = {FAKE_DIE,        FAKE_STALL,  FAKE_HANG,
                                             FAKE_NO_RECEIPT, FAKE_REFUSE, FAKE_BAD_RECEIPT};
    for (size_t i = 0; i < COUNT_OF(faults); i++) {
        struct test_segment *s;
        u64 begin_ms = loop_now_ms(w->loop);
        put_with_faults(w, MIB(5), 3, faults[i], &s);
        assert_int_equal(s->entry.receipt_count, 9);
        assert_true(loop_now_ms(w->loop) - begin_ms < 4000);
        for (u32 p = 1; p <= 3; p++) {
            for (u8 r = 0; r < s->entry.receipt_count; r++) {
                assert_true(s->entry.receipts[r].provider != p);
            }
            fake_set_fault(store_of(w, p), FAKE_FINE);
            directory_praise(w->directory, p, 1);
        }
        assert_int_equal(ts_commit(w, s), 9);
        test_ok(ts_read(w, s, 0, s->length));
        ts_free(s);
    }
}

/* Up to n - quorum bad holders cost nothing but their share. */
static void three_of_twelve_fail(void **state)
{
    (void)state;
    TW_RUN(faults_fn, .stall_timeout_ms = 500);
}

static void down_fn(struct transfer_world *w)
{
    struct test_segment *s = ts_make(w, MIB(1));
    struct provider_view view;
    for (u32 p = 1; p <= 4; p++) {
        fake_stop(store_of(w, p));
    }
    test_ok(ts_open(w, s));
    test_ok(ts_write(w, s));
    test_ok(ts_seal(w, s));
    assert_int_equal(s->entry.receipt_count, 8);
    assert_int_equal(ts_commit(w, s), 8);
    test_ok(directory_get(w->directory, 1, &view));
    assert_false(view.reachable);
    ts_free(s);
    /* The next one does not even try them. */
    s = ts_make(w, 70000);
    test_ok(ts_open(w, s));
    test_ok(ts_write(w, s));
    test_ok(ts_seal(w, s));
    assert_int_equal(s->entry.receipt_count, 8);
    ts_free(s);
    for (u32 p = 1; p <= 4; p++) {
        fake_start(store_of(w, p));
    }
}

static void four_of_twelve_are_down(void **state)
{
    (void)state;
    TW_RUN(down_fn);
}

/* More than n - quorum of the drawn holders fail: others take over from the spool. */
static void top_up_fn(struct transfer_world *w)
{
    static const enum fake_fault faults[] = {FAKE_DIE, FAKE_STALL, FAKE_NO_RECEIPT, FAKE_REFUSE};
    for (size_t i = 0; i < COUNT_OF(faults); i++) {
        struct test_segment *s;
        put_with_faults(w, MIB(3) + 5, 9, faults[i], &s);
        assert_true(s->entry.receipt_count >= 8);
        for (u8 r = 0; r < s->entry.receipt_count; r++) {
            assert_true(s->entry.receipts[r].provider > 9);
            assert_true(r == 0 || s->entry.receipts[r].index > s->entry.receipts[r - 1].index);
        }
        assert_int_equal(ts_commit(w, s), s->entry.receipt_count);
        for (u32 p = 1; p <= 9; p++) {
            fake_set_fault(store_of(w, p), FAKE_FINE);
            directory_praise(w->directory, p, 1);
        }
        test_ok(ts_read(w, s, 0, s->length));
        struct segment_entry late;
        test_ok(segment_put_late(s->put, soon(w), &late));
        for (u8 r = 0; r < late.receipt_count; r++) {
            assert_null(holder_of(w, s, late.receipts[r].index)); /* nobody whose place is taken */
        }
        ts_free(s);
    }
}

static void nine_of_eighteen_fail(void **state)
{
    (void)state;
    TW_RUN(top_up_fn, .providers = 18, .stall_timeout_ms = 400);
}

static void too_few_fn(struct transfer_world *w)
{
    struct test_segment *s = ts_make(w, 100000);
    for (u32 i = 1; i <= 5; i++) {
        fake_set_fault(store_of(w, i), FAKE_REFUSE);
    }
    u64 begin_ms = loop_now_ms(w->loop);
    test_ok(ts_open(w, s));
    test_ok(ts_write(w, s));
    test_err(ts_seal(w, s), ERR_NETWORK);
    assert_true(loop_now_ms(w->loop) - begin_ms < 50000);
    ts_free(s);
}

static void five_of_twelve_fail(void **state)
{
    (void)state;
    TW_RUN(too_few_fn, .stall_timeout_ms = 300);
}

/* Other bytes under the same key, from before a crash: no use in asking on; another number it must
 * be. As long as a quorum is there it does not matter. */
static void conflict_fn(struct transfer_world *w)
{
    struct test_segment *s;
    put_with_faults(w, 100000, 4, FAKE_CONFLICT, &s);
    ts_free(s);
    s = ts_make(w, 100000);
    fake_set_fault(store_of(w, 5), FAKE_CONFLICT);
    test_ok(ts_open(w, s));
    test_ok(ts_write(w, s));
    test_err(ts_seal(w, s), ERR_CONFLICT);
    ts_free(s);
}

static void other_bytes_are_under_the_key(void **state)
{
    (void)state;
    TW_RUN(conflict_fn, .stall_timeout_ms = 20000);
}

static void no_providers_fn(struct transfer_world *w)
{
    struct test_segment *s = ts_make(w, 1);
    test_err(ts_open(w, s), ERR_REFUSED);
    assert_false(spool_exists(w, &s->key));
    ts_free(s);
}

static void too_few_providers(void **state)
{
    (void)state;
    TW_RUN(no_providers_fn, .providers = 7);
}

/* ---- late holders ---- */

static void late_fn(struct transfer_world *w)
{
    struct test_segment *s;
    struct segment_entry late;
    u64 begin_ms = loop_now_ms(w->loop);
    put_with_faults(w, 200000, 2, FAKE_LATE, &s);
    assert_int_equal(s->entry.receipt_count, 10);
    assert_true(loop_now_ms(w->loop) - begin_ms < FAKE_LATE_MS - 500);
    test_ok(segment_put_late(s->put, soon(w), &late));
    assert_int_equal(late.receipt_count, 2);
    assert_int_equal(late.number, s->entry.number);
    assert_memory_equal(late.roots, s->entry.roots, sizeof late.roots);
    test_ok(segment_put_late(s->put, soon(w), &late));
    assert_int_equal(late.receipt_count, 0);
    ts_free(s);
}

static void late_receipts(void **state)
{
    (void)state;
    TW_RUN(late_fn);
}

/* ---- after the answer ---- */

static bool complete(struct transfer_world *w, const struct segment_entry *entry)
{
    struct address account = world_person(GATEWAY);
    struct buf packed;
    buf_init(&packed, KIB(64));
    segment_entry_write(&packed, entry);
    struct abi_value args[] = {abi_u64(w->chain.scene.territory), abi_bytes(buf_bytes(&packed))};
    bool is_done = world_call(&w->chain.scene.world, &segment_module, "complete", &account, args);
    buf_free(&packed);
    return is_done;
}

static err resend(struct transfer_world *w, const struct test_segment *s,
                  struct segment_entry *ret_late)
{
    struct segment_put_options options = put_options(w);
    struct segment_record record;
    struct placement_holder holders[FRAGMENTS_MAX];
    u8 missing[FRAGMENTS_MAX];
    u8 missing_count = 0;
    size_t count = 0;
    assert_true(scene_load(&w->chain.scene, s->key.number, &record));
    for (u8 i = 0; i < record.n; i++) {
        if (record.holders[i].provider == 0) {
            missing[missing_count++] = i;
        } else {
            holders[count++] = (struct placement_holder){record.holders[i].provider, 0};
        }
    }
    return segment_put_resend(&options, &s->seal, holders, count, missing, missing_count, soon(w),
                              ret_late);
}

static void resend_fn(struct transfer_world *w)
{
    struct test_segment *s;
    struct segment_entry late;
    struct segment_record record;
    put_with_faults(w, MIB(2) + 77, 4, FAKE_REFUSE, &s);
    assert_int_equal(ts_commit(w, s), 8);
    /* Half of them are well again. */
    for (u32 p = 1; p <= 2; p++) {
        fake_set_fault(store_of(w, p), FAKE_FINE);
        directory_praise(w->directory, p, 1);
    }
    fake_block(&w->chain, 3);
    test_ok(resend(w, s, &late));
    assert_int_equal(late.receipt_count, 2);
    assert_true(complete(w, &late));
    for (u32 p = 3; p <= 4; p++) {
        fake_set_fault(store_of(w, p), FAKE_FINE);
        directory_praise(w->directory, p, 1);
    }
    test_ok(resend(w, s, &late));
    assert_true(complete(w, &late));
    assert_true(scene_load(&w->chain.scene, s->key.number, &record));
    assert_int_equal(segment_holder_count(&record), 12);
    assert_true((record.flags & SEGMENT_COMPLETE) != 0);
    scene_check(&w->chain.scene);
    ts_free(s);
}

static void resend_from_the_spool(void **state)
{
    (void)state;
    TW_RUN(resend_fn);
}

/* A crash left zeros in the file, or only a part of it: no holder is asked to sign that. */
static void torn_spool_fn(struct transfer_world *w)
{
    for (u32 i = 0; i < 3; i++) {
        struct test_segment *s;
        struct segment_entry late;
        char path[PATH_BYTES_MAX];
        u64 receipts = 0;
        put_with_faults(w, MIB(1), 2, FAKE_REFUSE, &s);
        assert_int_equal(ts_commit(w, s), 10);
        spool_path(path, w->dir, &s->key);
        struct file *file;
        static const u8 zeros[4096];
        test_ok(file_open(path, FILE_WRITE, &file));
        switch (i) {
        case 0:
            test_ok(file_write_at(file, SPOOL_HEAD_BYTES + 600000, BYTES_OF(zeros)));
            break;
        case 1:
            test_ok(file_truncate(file, SPOOL_HEAD_BYTES + 700000));
            break;
        default:
            test_ok(file_write_at(file, 0, BYTES_OF(zeros)));
        }
        file_close(file);
        for (u32 p = 1; p <= 2; p++) {
            fake_set_fault(store_of(w, p), FAKE_FINE);
            directory_praise(w->directory, p, 1);
            receipts += store_of(w, p)->puts;
        }
        test_err(resend(w, s, &late), ERR_NOT_FOUND);
        assert_int_equal(store_of(w, 1)->puts + store_of(w, 2)->puts, receipts);
        assert_true(i == 2 || !spool_exists(w, &s->key));
        test_err(resend(w, s, &late), ERR_NOT_FOUND);
        struct provider_view view;
        test_ok(directory_get(w->directory, 1, &view));
        assert_true(view.reachable && view.lies == 0); /* not its fault */
        ts_free(s);
    }
}

static void torn_spool(void **state)
{
    (void)state;
    TW_RUN(torn_spool_fn);
}

/* The commit came too late: fresh receipts under a newer epoch, from those the new draw names. */
static void reissue_fn(struct transfer_world *w)
{
    struct test_segment *s = ts_make(w, 300000);
    struct segment_put_options options = put_options(w);
    test_ok(ts_open(w, s));
    test_ok(ts_write(w, s));
    assert_false(segment_put_passed(s->put));
    test_ok(ts_seal(w, s));
    u64 epoch = s->entry.epoch;
    for (u32 i = 0; i < 12; i++) {
        fake_block(&w->chain, 10);
    }
    nap(w, 600);
    bool large = w->providers >= 24;
    assert_int_equal(segment_put_passed(s->put), large);
    world_blocks(&w->chain.scene.world, 1, large ? 1 : RECEIPT_TTL_SECONDS);
    test_ok(directory_refresh(w->directory, soon(w)));
    assert_int_equal(ts_commit(w, s), 0);
    options.key = s->key;
    test_ok(segment_put_reissue(&options, &s->seal, soon(w), &s->entry));
    assert_true(s->entry.epoch > epoch || !large);
    assert_true(ts_commit(w, s) >= redundancy_quorum(redundancy_find(RS_2_4)));
    test_ok(ts_read(w, s, 0, s->length));
    ts_free(s);
}

static void reissue(void **state)
{
    (void)state;
    TW_RUN(reissue_fn, .class_number = RS_2_4, .providers = 6);
    TW_RUN(reissue_fn, .class_number = RS_2_4, .providers = 25);
}

static void reissue_with_losses_fn(struct transfer_world *w)
{
    struct test_segment *s = ts_make(w, 300000);
    struct segment_put_options options = put_options(w);
    test_ok(ts_open(w, s));
    test_ok(ts_write(w, s));
    test_ok(ts_seal(w, s));
    fake_stop(store_of(w, 1));
    fake_forget(store_of(w, 2));
    fake_set_fault(store_of(w, 3), FAKE_HANG);
    fake_set_fault(store_of(w, 4), FAKE_BAD_RECEIPT);
    options.key = s->key;
    u64 begin_ms = loop_now_ms(w->loop);
    test_ok(segment_put_reissue(&options, &s->seal, soon(w), &s->entry));
    assert_true(loop_now_ms(w->loop) - begin_ms < 8000);
    assert_true(ts_commit(w, s) >= 8);
    fake_start(store_of(w, 1));
    ts_free(s);
}

static void reissue_with_losses(void **state)
{
    (void)state;
    TW_RUN(reissue_with_losses_fn);
}

/* ---- ends ---- */

static void freed_early_fn(struct transfer_world *w)
{
    for (u32 i = 1; i <= 4; i++) {
        fake_set_fault(store_of(w, i), i % 2 ? FAKE_STALL : FAKE_HANG);
    }
    for (u32 length = 0; length < 3; length++) {
        struct test_segment *s = ts_make(w, (u32)(MIB(1) + length * MIB(2)));
        test_ok(ts_open(w, s));
        if (length != 0) {
            test_ok(ts_write(w, s));
        }
        ts_free(s);
    }
    assert_true(w->fibers.running > 0); /* they hang; the loop's end sets them free */
}

static void freed_while_holders_hang(void **state)
{
    (void)state;
    TW_RUN(freed_early_fn, .stall_timeout_ms = 300);
}

static void hanging_ends_fn(struct transfer_world *w)
{
    struct test_segment *s = ts_make(w, MIB(3));
    for (u32 i = 1; i <= 3; i++) {
        fake_set_fault(store_of(w, i), FAKE_STALL);
    }
    test_ok(ts_open(w, s));
    test_ok(ts_write(w, s));
    test_ok(ts_seal(w, s));
    ts_free(s);
    group_wait(w->loop, &w->fibers); /* within twice the stall time */
}

static void hanging_holders_end(void **state)
{
    (void)state;
    TW_RUN(hanging_ends_fn, .stall_timeout_ms = 300);
}

struct stopper {
    struct transfer_world *w;
    bool done;
};

static void stop_soon(void *arg)
{
    struct stopper *stopper = arg;
    nap(stopper->w, 100);
    loop_stop(stopper->w->loop);
    stopper->done = true;
}

static void stopped_fn(struct transfer_world *w)
{
    struct stopper stopper = {.w = w};
    struct test_segment *s = ts_make(w, SEGMENT_BYTES_MAX);
    for (u32 i = 1; i <= 12; i++) {
        fake_set_fault(store_of(w, i), FAKE_STALL);
    }
    test_ok(fiber_start(w->loop, "stopper", stop_soon, &stopper));
    test_ok(ts_open(w, s));
    test_err(ts_write(w, s), ERR_CANCELLED);
    assert_true(stopper.done);
    ts_free(s);
}

static void the_loop_stops(void **state)
{
    (void)state;
    TW_RUN(stopped_fn);
}

/* A deadline is kept even if nobody moves. */
static void deadline_fn(struct transfer_world *w)
{
    struct test_segment *s = ts_make(w, SEGMENT_BYTES_MAX);
    for (u32 i = 1; i <= 12; i++) {
        fake_set_fault(store_of(w, i), FAKE_STALL);
    }
    test_ok(ts_open(w, s));
    u64 begin_ms = loop_now_ms(w->loop);
    err e = segment_put_write(s->put, bytes_make(s->plain, s->length), begin_ms + 400);
    test_err(e, ERR_TIMEOUT);
    assert_true(loop_now_ms(w->loop) - begin_ms < 1000);
    ts_free(s);
}

static void deadlines(void **state)
{
    (void)state;
    TW_RUN(deadline_fn);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trips),
        cmocka_unit_test(draws_of_a_large_network),
        cmocka_unit_test(three_of_twelve_fail),
        cmocka_unit_test(four_of_twelve_are_down),
        cmocka_unit_test(nine_of_eighteen_fail),
        cmocka_unit_test(five_of_twelve_fail),
        cmocka_unit_test(other_bytes_are_under_the_key),
        cmocka_unit_test(too_few_providers),
        cmocka_unit_test(late_receipts),
        cmocka_unit_test(resend_from_the_spool),
        cmocka_unit_test(torn_spool),
        cmocka_unit_test(reissue),
        cmocka_unit_test(reissue_with_losses),
        cmocka_unit_test(freed_while_holders_hang),
        cmocka_unit_test(hanging_holders_end),
        cmocka_unit_test(the_loop_stops),
        cmocka_unit_test(deadlines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

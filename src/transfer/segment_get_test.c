/* Reads from holders that are well, slow, gone or lying; rebuilding. */
#include "tests/support/transfer_world.h"

static u64 bytes_served(struct transfer_world *w)
{
    u64 sum = 0;
    for (u32 i = 0; i < w->stores.count; i++) {
        sum += w->stores.items[i].bytes_out;
    }
    return sum;
}

static u32 stores_asked(struct transfer_world *w)
{
    u32 count = 0;
    for (u32 i = 0; i < w->stores.count; i++) {
        count += w->stores.items[i].gets != 0;
        w->stores.items[i].gets = 0;
    }
    return count;
}

/* All is forgotten that was learned of the holders. */
static void pardon(struct transfer_world *w)
{
    segment_source_free(w->source);
    directory_close(w->directory);
    test_ok(directory_open(w->loop, &w->chain, soon(w), &w->directory));
    test_ok(segment_source_new(&(struct segment_source_options){.loop = w->loop,
                                                                .chain = &w->chain,
                                                                .directory = w->directory,
                                                                .http = w->http,
                                                                .who = &w->who,
                                                                .hedge_ms = w->hedge_ms},
                               &w->source));
}

static void heal(struct transfer_world *w)
{
    for (u32 p = 1; p <= w->stores.count; p++) {
        fake_set_fault(store_of(w, p), FAKE_FINE);
    }
    pardon(w);
}

/* ---- all well ---- */

static void ranges_fn(struct transfer_world *w)
{
    const u32 row = redundancy_find((u8)w->class_number)->k * (u32)UNIT_BYTES;
    const u32 unit = UNIT_BYTES;
    struct test_segment *s = ts_store(w, 3 * row + 2 * unit + 1234);
    const u32 end = s->length;
    const u32 ranges[][2] = {
        {0, 1},
        {0, unit},
        {unit - 1, 2},
        {unit, unit},
        {row - 1, 1},
        {row - 1, 2},
        {row, row},
        {row - unit, 2 * unit},
        {5, row},
        {2 * row + 7, 1},
        {3 * row, end - 3 * row},
        {end - 1, 1},
        {3 * row - 1, 2},
        {0, end},
        {unit + 1, end - unit - 1},
        {3 * row + 1, 100},
        {end - 5000, 5000},
    };
    for (size_t i = 0; i < COUNT_OF(ranges); i++) {
        test_ok(ts_read(w, s, ranges[i][0], ranges[i][1]));
    }
    struct segment_get *get;
    test_err(segment_get_open(w->source, &s->key, end, 1, soon(w), &get), ERR_MALFORMED);
    test_err(segment_get_open(w->source, &s->key, 0, end + 1, soon(w), &get), ERR_MALFORMED);
    test_err(segment_get_open(w->source, &s->key, UINT32_MAX, 2, soon(w), &get), ERR_MALFORMED);
    test_err(segment_get_open(w->source, &s->key, 0, 0, soon(w), &get), ERR_MALFORMED);
    s->key.number++;
    test_err(segment_get_open(w->source, &s->key, 0, 1, soon(w), &get), ERR_NOT_FOUND);
    ts_free(s);
}

static void ranges(void **state)
{
    (void)state;
    TW_RUN(ranges_fn, .class_number = RS_2_4, .providers = 6);
    TW_RUN(ranges_fn, .class_number = RS_4_8);
    TW_RUN(ranges_fn, .class_number = RS_8_4);
    TW_RUN(ranges_fn, .class_number = RS_10_20, .providers = 30);
}

/* A small range touches one holder, a large one the k data holders, each byte once. */
static void economy_fn(struct transfer_world *w)
{
    struct test_segment *s = ts_store(w, MIB(3));
    test_ok(ts_read(w, s, 0, 100));
    assert_int_equal(stores_asked(w), 1);
    assert_int_equal(bytes_served(w), UNIT_BYTES);
    test_ok(ts_read(w, s, 0, s->length));
    assert_int_equal(stores_asked(w), 4);
    assert_int_equal(bytes_served(w), UNIT_BYTES + s->length);
    u32 seals = 0;
    for (u32 p = 1; p <= 12; p++) {
        seals += store_of(w, p)->seals;
    }
    assert_true(seals <= 2); /* asked once, then remembered */
    u64 views = w->chain.views;
    test_ok(ts_read(w, s, 12345, 1000000));
    assert_int_equal(w->chain.views, views);
    ts_free(s);
}

static void economy(void **state)
{
    (void)state;
    TW_RUN(economy_fn);
}

/* One read after the other goes over the same connections, also if the end of an answer is late. */
static void thrift_fn(struct transfer_world *w)
{
    struct test_segment *s = ts_store(w, MIB(1));
    u32 connections[2] = {0};
    w->hedge_ms = 5000; /* nobody but the four is asked */
    heal(w);
    for (u32 p = 1; p <= w->stores.count; p++) {
        fake_set_fault(store_of(w, p), FAKE_END_LATER);
    }
    for (unsigned i = 0; i < 6; i++) {
        test_ok(ts_read(w, s, 0, s->length));
        test_ok(fiber_sleep(w->loop, loop_now_ms(w->loop) + 150));
        connections[i > 0] = 0;
        for (u32 p = 1; p <= w->stores.count; p++) {
            connections[i > 0] += store_of(w, p)->connections;
        }
    }
    assert_true(connections[1] - connections[0] < 10); /* of 20 answers, on the busiest machine */
    ts_free(s);
}

static void thrift(void **state)
{
    (void)state;
    TW_RUN(thrift_fn);
}

/* ---- not so well ---- */

static void faults_fn(struct transfer_world *w)
{
    static const enum fake_fault faults[] = {FAKE_WRONG_BYTES, FAKE_WRONG_ONCE, FAKE_WRONG_PATH,
                                             FAKE_TRUNCATE,    FAKE_DIE,        FAKE_STALL,
                                             FAKE_HANG,        FAKE_SLOW,       FAKE_FORGOT};
    struct test_segment *s = ts_store(w, MIB(2) + 777);
    for (size_t i = 0; i < COUNT_OF(faults); i++) {
        for (u8 count = 1; count <= 8; count = (u8)(count * 2)) {
            /* The data fragments' holders first: the worst choice. */
            for (u8 f = 0; f < count; f++) {
                fake_set_fault(holder_of(w, s, f), faults[i]);
            }
            pardon(w);
            u64 begin_ms = loop_now_ms(w->loop);
            test_ok(ts_read(w, s, 0, s->length));
            assert_true(loop_now_ms(w->loop) - begin_ms < 6000);
            begin_ms = loop_now_ms(w->loop);
            test_ok(ts_read(w, s, 70000, 10));
            assert_true(loop_now_ms(w->loop) - begin_ms < 10000);
            for (u8 f = 0; f < count; f++) {
                struct provider_view view;
                test_ok(directory_get(w->directory, holder_of(w, s, f)->number, &view));
                bool lies = faults[i] == FAKE_WRONG_BYTES && f < 4;
                assert_true(!lies || (view.lies != 0 && !view.trusted && !view.reachable));
            }
            heal(w);
        }
    }
    ts_free(s);
}

static void any_eight_of_twelve_misbehave(void **state)
{
    (void)state;
    TW_RUN(faults_fn, .hedge_ms = 250);
}

/* Every holder in turn lies in one byte: what comes out is right, always. */
static void every_liar_fn(struct transfer_world *w)
{
    struct test_segment *s = ts_store(w, MIB(1));
    for (u8 f = 0; f < 6; f++) {
        fake_set_fault(holder_of(w, s, f), FAKE_WRONG_ONCE);
        fake_set_fault(holder_of(w, s, (u8)((f + 1) % 6)), FAKE_WRONG_BYTES);
        pardon(w);
        test_ok(ts_read(w, s, 0, s->length));
        heal(w);
    }
    for (u8 f = 0; f < 5; f++) {
        fake_set_fault(holder_of(w, s, f), FAKE_WRONG_BYTES);
    }
    test_err(ts_read(w, s, 0, s->length), ERR_NETWORK);
    ts_free(s);
}

static void every_liar(void **state)
{
    (void)state;
    TW_RUN(every_liar_fn, .class_number = RS_2_4, .providers = 6);
}

/* rs-8-4: all but one of what is left is needed; lanes that ended early must begin again. */
static void narrow_fn(struct transfer_world *w)
{
    const u32 row = 8 * (u32)UNIT_BYTES;
    struct test_segment *s = ts_store(w, 3 * row);
    for (u8 f = 0; f < 4; f++) {
        fake_set_fault(holder_of(w, s, f), FAKE_WRONG_ONCE); /* of the last row */
    }
    pardon(w);
    test_ok(ts_read(w, s, 5, 2 * row + 3 * (u32)UNIT_BYTES));
    heal(w);
    for (u8 f = 1; f < 5; f++) {
        fake_set_fault(holder_of(w, s, f), FAKE_WRONG_ONCE);
    }
    pardon(w);
    test_ok(ts_read(w, s, 5, 2 * row + 2 * (u32)UNIT_BYTES));
    ts_free(s);
}

static void eight_of_twelve_are_needed(void **state)
{
    (void)state;
    TW_RUN(narrow_fn, .class_number = RS_8_4);
}

static void too_few_fn(struct transfer_world *w)
{
    static const enum fake_fault faults[] = {FAKE_FORGOT, FAKE_WRONG_BYTES, FAKE_DIE, FAKE_STALL};
    struct test_segment *s = ts_store(w, MIB(2));
    test_ok(ts_read(w, s, 0, 1)); /* the roots are known */
    for (size_t i = 0; i < COUNT_OF(faults); i++) {
        for (u8 f = 0; f < 9; f++) {
            fake_set_fault(holder_of(w, s, f), faults[i]);
        }
        u64 begin_ms = loop_now_ms(w->loop);
        test_err(ts_read(w, s, 0, s->length), ERR_NETWORK);
        assert_true(loop_now_ms(w->loop) - begin_ms < 20000);
        heal(w);
        test_ok(ts_read(w, s, 0, 1));
    }
    for (u32 p = 1; p <= 12; p++) {
        fake_stop(store_of(w, p));
    }
    u64 begin_ms = loop_now_ms(w->loop);
    test_err(ts_read(w, s, 0, s->length), ERR_NETWORK);
    pardon(w);
    test_err(ts_read(w, s, 0, 10), ERR_NETWORK); /* not even the roots */
    assert_true(loop_now_ms(w->loop) - begin_ms < 10000);
    for (u32 p = 1; p <= 12; p++) {
        fake_start(store_of(w, p));
        directory_praise(w->directory, p, 1);
    }
    test_ok(ts_read(w, s, 0, s->length));
    ts_free(s);
}

static void fewer_than_k_are_left(void **state)
{
    (void)state;
    TW_RUN(too_few_fn, .hedge_ms = 200);
}

static void seals_fn(struct transfer_world *w)
{
    struct test_segment *s = ts_store(w, 5000);
    for (u32 p = 1; p <= 8; p++) {
        fake_set_fault(store_of(w, p), p % 2 ? FAKE_WRONG_SEAL : FAKE_HANG);
    }
    u64 begin_ms = loop_now_ms(w->loop);
    test_ok(ts_read(w, s, 0, s->length));
    assert_true(loop_now_ms(w->loop) - begin_ms < 6000);
    ts_free(s);
}

static void wrong_roots(void **state)
{
    (void)state;
    TW_RUN(seals_fn, .hedge_ms = 200);
}

/* A holder that is slow once gets help, and nobody is accused. */
static void hedge_fn(struct transfer_world *w)
{
    struct test_segment *s = ts_store(w, MIB(1));
    struct provider_view view;
    fake_set_fault(holder_of(w, s, 2), FAKE_HANG);
    u64 begin_ms = loop_now_ms(w->loop);
    test_ok(ts_read(w, s, 0, s->length));
    assert_true(loop_now_ms(w->loop) - begin_ms < 4000);
    test_ok(directory_get(w->directory, holder_of(w, s, 2)->number, &view));
    assert_true(view.stalls == 0 && view.lies == 0);
    ts_free(s);
}

static void hedging(void **state)
{
    (void)state;
    TW_RUN(hedge_fn, .hedge_ms = 150);
}

/* A reader that dawdles is no reason to ask others, or to accuse anybody. */
static void dawdle_fn(struct transfer_world *w)
{
    struct test_segment *s = ts_store(w, MIB(2));
    struct segment_get *get;
    u8 *out = mem_alloc(s->length);
    size_t len;
    test_ok(segment_get_open(w->source, &s->key, 0, s->length, soon(w), &get));
    for (u32 at = 0; at < s->length; at += (u32)len) {
        if (at % (4 * UNIT_BYTES) == 0) {
            nap(w, at == 4 * UNIT_BYTES ? 11000 : 150); /* the long one parks the lanes */
        }
        test_ok(segment_get_next(get, out + at, s->length - at, soon(w), &len));
        assert_true(len != 0);
    }
    assert_memory_equal(out, s->plain, s->length);
    for (u8 f = 0; f < 12; f++) {
        assert_true(f < 4 || holder_of(w, s, f)->gets == 0);
    }
    segment_get_close(get);
    mem_free(out);
    ts_free(s);
}

static void slow_readers(void **state)
{
    (void)state;
    TW_RUN(dawdle_fn, .hedge_ms = 100);
}

/* ---- what the process knows beside the chain ---- */

static void hint_fn(struct transfer_world *w)
{
    struct test_segment *s = ts_make(w, 300000);
    struct segment_get *get;
    test_ok(ts_open(w, s));
    test_ok(ts_write(w, s));
    test_ok(ts_seal(w, s));
    test_err(segment_get_open(w->source, &s->key, 0, 1, soon(w), &get), ERR_NOT_FOUND);
    segment_source_hint(w->source, &s->entry, &s->seal);
    test_ok(ts_read(w, s, 0, s->length));
    /* Also while its holders fail and the chain does not show it. */
    for (u8 f = 0; f < 4; f++) {
        fake_set_fault(holder_of(w, s, f), FAKE_DIE);
    }
    test_ok(ts_read(w, s, 0, s->length));
    ts_commit(w, s);
    test_ok(ts_read(w, s, 0, s->length));
    ts_free(s);
}

static void before_the_commit(void **state)
{
    (void)state;
    TW_RUN(hint_fn);
}

static void mute_fn(struct transfer_world *w)
{
    struct test_segment *s = ts_store(w, 300000);
    struct segment_get *get;
    w->chain.mute = true;
    u64 begin_ms = loop_now_ms(w->loop);
    test_err(segment_get_open(w->source, &s->key, 0, 1, begin_ms + 300, &get), ERR_TIMEOUT);
    assert_true(loop_now_ms(w->loop) - begin_ms < 4000);
    w->chain.mute = false;
    test_ok(ts_read(w, s, 0, 1000));
    w->chain.mute = true; /* what is known does not need it */
    test_ok(ts_read(w, s, 0, s->length));
    ts_free(s);
}

static void no_ledger_node(void **state)
{
    (void)state;
    TW_RUN(mute_fn);
}

/* ---- rebuilding ---- */

static void declare_lost(struct transfer_world *w, u32 provider, const struct test_segment *s,
                         u8 index)
{
    struct address account = world_person(FIRST_PROVIDER + provider - 1);
    struct abi_value parts[] = {abi_u64(s->key.territory), abi_u64(s->key.gateway),
                                abi_u64(s->key.number), abi_u64(index)};
    struct abi_value item = abi_tuple(parts, 4);
    struct abi_value args[] = {abi_array(&item, 1)};
    assert_true(world_call(&w->chain.scene.world, &provider_module, "declareLost", &account, args));
}

static bool repair(struct transfer_world *w, const struct rebuild_result *result)
{
    struct address account = world_person(GATEWAY);
    struct segment_entry entry = {.number = result->seal.key.number,
                                  .epoch = result->epoch,
                                  .class_number = result->seal.class_number,
                                  .length = result->seal.length,
                                  .receipt_count = result->count};
    struct buf packed;
    struct abi_value olds[FRAGMENTS_MAX];
    memcpy(entry.roots, result->seal.roots, sizeof entry.roots);
    memcpy(entry.receipts, result->receipts, sizeof entry.receipts);
    for (u8 i = 0; i < result->count; i++) {
        olds[i] = abi_u64(0);
    }
    buf_init(&packed, KIB(64));
    segment_entry_write(&packed, &entry);
    struct abi_value args[] = {abi_u64(result->seal.key.territory),
                               abi_u64(result->seal.key.gateway), abi_bytes(buf_bytes(&packed)),
                               abi_array(olds, result->count)};
    bool is_done = world_call(&w->chain.scene.world, &segment_module, "repair", &account, args);
    buf_free(&packed);
    return is_done;
}

/* Loses fragments 0..count-1 on disk and on chain. */
static void lose(struct transfer_world *w, const struct test_segment *s, u8 count, u8 *wanted)
{
    for (u8 f = 0; f < count; f++) {
        struct fake_store *store = holder_of(w, s, f);
        wanted[f] = f;
        fake_forget(store);
        declare_lost(w, store->number, s, f);
    }
    fake_block(&w->chain, 40);
    test_ok(directory_refresh(w->directory, soon(w)));
}

static void rebuild_fn(struct transfer_world *w)
{
    const struct redundancy_info *info = redundancy_find((u8)w->class_number);
    u8 lost = (u8)(info->m / 2);
    struct test_segment *s = ts_store(w, MIB(2) + 333);
    struct segment_record record;
    struct rebuild_result result;
    u8 wanted[FRAGMENTS_MAX];
    u32 fragment = segment_seal_shape(&s->seal).fragment_length;
    lose(w, s, lost, wanted);
    test_ok(segment_rebuild(w->source, &s->key, wanted, lost, soon(w), &result));
    assert_int_equal(result.count, lost);
    assert_int_equal(result.bytes_written, (u64)lost * fragment);
    assert_int_equal(result.bytes_read, (u64)info->k * fragment);
    assert_true(repair(w, &result));
    assert_true(scene_load(&w->chain.scene, s->key.number, &record));
    assert_int_equal(segment_holder_count(&record), redundancy_n(info));
    for (u8 f = 0; f < lost; f++) {
        struct fake_fragment *there =
            fake_find(store_of(w, record.holders[f].provider), &s->key, f);
        assert_non_null(there);
    }
    scene_check(&w->chain.scene);
    pardon(w);
    test_ok(ts_read(w, s, 0, s->length));
    ts_free(s);
}

static void rebuilding(void **state)
{
    (void)state;
    TW_RUN(rebuild_fn, .class_number = RS_4_8, .providers = 13);
    TW_RUN(rebuild_fn, .class_number = RS_2_4, .providers = 8);
    TW_RUN(rebuild_fn, .class_number = RS_8_4, .providers = 12);
}

/* ---- records that were read before a repair ---- */

/* Another reader with a memory of its own. */
static struct segment_source *other_source(struct transfer_world *w)
{
    struct segment_source *other;
    test_ok(segment_source_new(&(struct segment_source_options){.loop = w->loop,
                                                                .chain = &w->chain,
                                                                .directory = w->directory,
                                                                .http = w->http,
                                                                .who = &w->who,
                                                                .hedge_ms = w->hedge_ms},
                               &other));
    return other;
}

static err read_by(struct transfer_world *w, struct segment_source *source,
                   const struct test_segment *s)
{
    struct segment_source *own = w->source;
    w->source = source;
    err e = ts_read(w, s, 0, s->length);
    w->source = own;
    return e;
}

/* Fragments [first, first + 4) are lost and rebuilt elsewhere; the ledger shows it. */
static void move_four(struct transfer_world *w, const struct test_segment *s, u8 first)
{
    struct segment_record record;
    struct rebuild_result result;
    u8 wanted[4];
    assert_true(scene_load(&w->chain.scene, s->key.number, &record));
    for (u8 i = 0; i < 4; i++) {
        u32 provider = record.holders[first + i].provider;
        wanted[i] = (u8)(first + i);
        fake_forget(store_of(w, provider));
        declare_lost(w, provider, s, wanted[i]);
    }
    fake_block(&w->chain, 40);
    test_ok(directory_refresh(w->directory, soon(w)));
    test_ok(segment_rebuild(w->source, &s->key, wanted, 4, soon(w), &result));
    assert_int_equal(result.count, 4);
    assert_true(repair(w, &result));
}

static void all_moved_fn(struct transfer_world *w)
{
    struct test_segment *s = ts_store(w, MIB(3) + 11);
    struct segment_source *other = other_source(w);
    test_ok(read_by(w, other, s));
    for (u8 first = 0; first < 12; first = (u8)(first + 4)) {
        move_four(w, s, first);
    }
    test_ok(read_by(w, other, s)); /* not one of the holders it knows is one any more */
    segment_source_free(other);
    ts_free(s);
}

static void every_holder_has_changed(void **state)
{
    (void)state;
    TW_RUN(all_moved_fn, .providers = 40);
}

/* A reader begins between two repairs, and goes on while the second one takes its holders away. */
static void moved_on_the_way_fn(struct transfer_world *w)
{
    struct test_segment *s = ts_store(w, MIB(16));
    struct segment_source *other = other_source(w);
    struct segment_get *get;
    u8 *out = mem_alloc(s->length);
    u32 at = 0;
    size_t len = 1;
    test_ok(read_by(w, other, s));
    move_four(w, s, 8);
    test_ok(segment_get_open(other, &s->key, 0, s->length, soon(w), &get));
    while (len != 0) {
        test_ok(segment_get_next(get, out + at, min_size(s->length - at, MIB(1)), soon(w), &len));
        at += (u32)len;
        if (at == MIB(1) * 4 && len != 0) {
            for (u8 f = 0; f < 8; f++) { /* their connections break */
                fake_stop(holder_of(w, s, f));
            }
            nap(w, 50);
            for (u8 f = 0; f < 8; f++) {
                fake_start(holder_of(w, s, f));
                directory_praise(w->directory, holder_of(w, s, f)->number, 1);
            }
            move_four(w, s, 0);
            move_four(w, s, 4);
        }
    }
    assert_int_equal(at, s->length);
    assert_memory_equal(out, s->plain, at);
    segment_get_close(get);
    mem_free(out);
    segment_source_free(other);
    ts_free(s);
}

static void holders_change_on_the_way(void **state)
{
    (void)state;
    TW_RUN(moved_on_the_way_fn, .providers = 40);
}

struct late_repair {
    struct transfer_world *w;
    struct rebuild_result result;
};

static void late_repair_run(void *arg)
{
    struct late_repair *late = arg;
    nap(late->w, 1500);
    assert_true(repair(late->w, &late->result));
}

/* Old holders have let go; the block that names the new ones is on its way. And the reader has seen
 * the fragments as held by nobody. */
static void not_shown_yet_fn(struct transfer_world *w)
{
    struct test_segment *s = ts_store(w, MIB(2) + 5);
    struct late_repair late = {.w = w};
    u8 wanted[4];
    lose(w, s, 4, wanted);
    struct segment_source *other = other_source(w);
    test_ok(read_by(w, other, s));
    test_ok(segment_rebuild(w->source, &s->key, wanted, 4, soon(w), &late.result));
    assert_int_equal(late.result.count, 4);
    for (u8 f = 4; f < 12; f++) {
        fake_forget(holder_of(w, s, f));
    }
    test_ok(group_start(w->loop, &w->fibers, "repair", late_repair_run, &late));
    test_ok(read_by(w, other, s));
    group_wait(w->loop, &w->fibers);
    segment_source_free(other);
    ts_free(s);
}

static void the_ledger_shows_a_repair_late(void **state)
{
    (void)state;
    TW_RUN(not_shown_yet_fn, .providers = 40);
}

/* Who says it has nothing, and never did anybody repair: an error within seconds. */
static void gone_for_good_fn(struct transfer_world *w)
{
    struct test_segment *s = ts_store(w, MIB(2));
    test_ok(ts_read(w, s, 0, s->length));
    for (u8 f = 0; f < 9; f++) {
        fake_forget(holder_of(w, s, f));
    }
    u64 begin_ms = loop_now_ms(w->loop);
    test_err(ts_read(w, s, 0, s->length), ERR_NETWORK);
    assert_true(loop_now_ms(w->loop) - begin_ms < 10000);
    ts_free(s);
}

static void nobody_has_it_any_more(void **state)
{
    (void)state;
    TW_RUN(gone_for_good_fn);
}

/* Holders that registered after the directory was read. */
static void newcomers_fn(struct transfer_world *w)
{
    struct test_segment *s = ts_store(w, MIB(2));
    struct segment_source *other = other_source(w);
    struct directory *own = w->directory;
    struct directory *old;
    test_ok(directory_open(w->loop, &w->chain, soon(w), &old));
    segment_source_free(other);
    w->directory = old;
    other = other_source(w);
    w->directory = own;
    test_ok(read_by(w, other, s));
    for (u32 i = 0; i < 28; i++) {
        tw_add_provider(w);
    }
    for (u32 i = 0; i < 5; i++) {
        fake_block(&w->chain, 10);
    }
    test_ok(directory_refresh(w->directory, soon(w)));
    for (u8 first = 0; first < 12; first = (u8)(first + 4)) {
        move_four(w, s, first);
    }
    test_ok(read_by(w, other, s));
    segment_source_free(other);
    directory_close(old);
    ts_free(s);
}

static void new_holders_are_newcomers(void **state)
{
    (void)state;
    TW_RUN(newcomers_fn);
}

/* The ones that serve lie or die on the way, so do some of the new holders. */
static void rebuild_faults_fn(struct transfer_world *w)
{
    struct test_segment *s = ts_store(w, MIB(2));
    struct rebuild_result result;
    u8 wanted[FRAGMENTS_MAX];
    lose(w, s, 4, wanted);
    fake_set_fault(holder_of(w, s, 4), FAKE_WRONG_ONCE);
    fake_set_fault(holder_of(w, s, 5), FAKE_DIE);
    fake_set_fault(holder_of(w, s, 6), FAKE_STALL);
    u32 bad = 0;
    for (u32 p = 1; p <= w->stores.count && bad < 2; p++) {
        if (store_of(w, p)->fragment_count == 0) {
            fake_set_fault(store_of(w, p), bad++ ? FAKE_REFUSE : FAKE_DIE);
        }
    }
    test_ok(segment_rebuild(w->source, &s->key, wanted, 4, soon(w), &result));
    assert_true(result.count >= 2);
    assert_true(repair(w, &result));
    heal(w);
    test_ok(ts_read(w, s, 0, s->length));
    ts_free(s);
}

static void rebuilding_with_faults(void **state)
{
    (void)state;
    TW_RUN(rebuild_faults_fn, .providers = 16, .hedge_ms = 200);
}

static void rebuild_too_few_fn(struct transfer_world *w)
{
    struct test_segment *s = ts_store(w, MIB(1));
    struct rebuild_result result;
    u8 wanted[FRAGMENTS_MAX];
    lose(w, s, 9, wanted);
    test_err(segment_rebuild(w->source, &s->key, wanted, 9, soon(w), &result), ERR_NETWORK);
    s->key.number = 77;
    test_err(segment_rebuild(w->source, &s->key, wanted, 9, soon(w), &result), ERR_NOT_FOUND);
    ts_free(s);
}

static void rebuilding_without_enough(void **state)
{
    (void)state;
    TW_RUN(rebuild_too_few_fn);
}

/* Whoever sealed this did not encode it: nobody else is accused, nothing is signed. */
static void no_codeword_fn(struct transfer_world *w)
{
    struct test_segment *s = ts_store(w, 100000);
    struct rebuild_result result;
    u8 wanted[FRAGMENTS_MAX];
    /* The holder of fragment 5 got other bytes, whose root is in the seal and in the id on chain.
     */
    struct fake_fragment *bad = fake_find(holder_of(w, s, 5), &s->key, 5);
    bad->data[100] ^= 1;
    fake_index(bad);
    merkle_root(&s->seal.roots[5], bad->leaves, bad->leaf_count);
    s->entry.number = s->seal.key.number = s->key.number = w->next_number++;
    s->entry.roots[5] = s->seal.roots[5];
    for (u8 f = 0; f < 12; f++) {
        struct fake_store *store = holder_of(w, s, f);
        struct fake_fragment *fragment = store->fragments[0];
        fragment->seal = s->seal;
        struct receipt_terms terms =
            segment_seal_terms(&s->seal, WORLD_CHAIN_ID, f, s->entry.receipts[f].deadline);
        struct hash digest;
        receipt_digest(&digest, &terms);
        secp_sign(&s->entry.receipts[f].signature, &store->secret, &digest);
    }
    assert_int_equal(ts_commit(w, s), 12);
    lose(w, s, 4, wanted);
    err e = segment_rebuild(w->source, &s->key, wanted, 4, soon(w), &result);
    bool used = !is_ok(e);
    for (u32 i = 0; i < 8 && !used; i++) { /* until fragment 5 is among the k */
        fake_set_fault(holder_of(w, s, (u8)(6 + i % 6)), FAKE_FORGOT);
        e = segment_rebuild(w->source, &s->key, wanted, 4, soon(w), &result);
        used = !is_ok(e);
    }
    test_err(e, ERR_INTEGRITY);
    for (u32 p = 1; p <= 12; p++) {
        struct provider_view view;
        test_ok(directory_get(w->directory, p, &view));
        assert_int_equal(view.lies, 0);
    }
    ts_free(s);
}

static void not_a_codeword(void **state)
{
    (void)state;
    TW_RUN(no_codeword_fn);
}

/* ---- ends ---- */

static void closed_early_fn(struct transfer_world *w)
{
    struct test_segment *s = ts_store(w, MIB(4));
    u8 byte;
    size_t len;
    for (u32 i = 0; i < 3; i++) {
        struct segment_get *get;
        fake_set_fault(holder_of(w, s, 1), i == 1 ? FAKE_STALL : i == 2 ? FAKE_HANG : FAKE_FINE);
        test_ok(segment_get_open(w->source, &s->key, 3, s->length - 3, soon(w), &get));
        if (i != 0) {
            test_ok(segment_get_next(get, &byte, 1, soon(w), &len));
            assert_int_equal(byte, s->plain[3]);
        }
        segment_get_close(get);
    }
    struct segment_get *get; /* and one that waits when the loop stops */
    for (u8 f = 0; f < 12; f++) {
        fake_set_fault(holder_of(w, s, f), FAKE_HANG);
    }
    test_ok(segment_get_open(w->source, &s->key, 0, 10, soon(w), &get));
    test_err(segment_get_next(get, &byte, 1, loop_now_ms(w->loop) + 300, &len), ERR_TIMEOUT);
    segment_get_close(get);
    segment_get_close(NULL);
    ts_free(s);
}

static void closed_while_lanes_hang(void **state)
{
    (void)state;
    TW_RUN(closed_early_fn, .hedge_ms = 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges),
        cmocka_unit_test(economy),
        cmocka_unit_test(thrift),
        cmocka_unit_test(any_eight_of_twelve_misbehave),
        cmocka_unit_test(every_liar),
        cmocka_unit_test(eight_of_twelve_are_needed),
        cmocka_unit_test(fewer_than_k_are_left),
        cmocka_unit_test(wrong_roots),
        cmocka_unit_test(hedging),
        cmocka_unit_test(slow_readers),
        cmocka_unit_test(before_the_commit),
        cmocka_unit_test(no_ledger_node),
        cmocka_unit_test(every_holder_has_changed),
        cmocka_unit_test(holders_change_on_the_way),
        cmocka_unit_test(the_ledger_shows_a_repair_late),
        cmocka_unit_test(nobody_has_it_any_more),
        cmocka_unit_test(new_holders_are_newcomers),
        cmocka_unit_test(rebuilding),
        cmocka_unit_test(rebuilding_with_faults),
        cmocka_unit_test(rebuilding_without_enough),
        cmocka_unit_test(not_a_codeword),
        cmocka_unit_test(closed_while_lanes_hang),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Watchers over segments that lose holders. The test makes the blocks, and so the ledger's time. */
#include "watch/watch.h"

#include "tests/support/transfer_world.h"

#define WATCHERS 3

struct watchers {
    struct chain_account accounts[WATCHERS];
    struct watch *items[WATCHERS];
    size_t count;
};

static struct watch *start_watch(struct transfer_world *w, struct watchers *all, u32 person)
{
    struct chain_account *account = &all->accounts[all->count];
    struct watch **watch = &all->items[all->count++];
    *account = (struct chain_account){.chain = &w->chain, .person = person};
    const struct watch_options options = {.loop = w->loop,
                                          .chain = &w->chain,
                                          .directory = w->directory,
                                          .source = w->source,
                                          .account = account,
                                          .scan_pause_ms = 20};
    test_ok(watch_start(&options, watch));
    return *watch;
}

static void stop_watches(struct watchers *all)
{
    for (size_t i = 0; i < all->count; i++) {
        watch_stop(all->items[i]);
    }
    all->count = 0;
}

/* The ledger's clock stands still over long gaps between blocks. */
static void pass(struct transfer_world *w, u64 seconds)
{
    for (; seconds > 4; seconds -= 4) {
        fake_block(&w->chain, 4);
    }
    fake_block(&w->chain, seconds);
}

static u64 assign_of(struct transfer_world *w)
{
    struct slot_source slots = world_slots(&w->chain.scene.world);
    struct holder_clock clock;
    world_check(holder_clock_load(&slots, &clock));
    return clock.repair_assign;
}

/* Two whole passes from now. */
static void await_scans(struct transfer_world *w, const struct watch *watch)
{
    u64 until_ms = soon(w);
    u64 scans = watch_status(watch).scans + 2;
    while (watch_status(watch).scans < scans) {
        assert_true(loop_now_ms(w->loop) < until_ms);
        nap(w, 10);
    }
}

#define AWAIT(w, condition)                                                                        \
    do {                                                                                           \
        u64 until_ = soon(w);                                                                      \
        while (!(condition)) {                                                                     \
            assert_true(loop_now_ms((w)->loop) < until_);                                          \
            nap((w), 10);                                                                          \
        }                                                                                          \
    } while (0)

static u8 holders_of(struct transfer_world *w, const struct test_segment *s)
{
    struct segment_record record;
    assert_true(scene_load(&w->chain.scene, s->key.number, &record));
    return segment_holder_count(&record);
}

static void by_provider(struct transfer_world *w, u32 provider, const char *name,
                        const struct abi_value *args)
{
    struct address account = world_person(FIRST_PROVIDER + provider - 1);
    assert_true(world_call(&w->chain.scene.world, &provider_module, name, &account, args));
    fake_record(&w->chain);
}

/* lose: the holder of a fragment has lost it and says so. */
static void lose(struct transfer_world *w, const struct test_segment *s, u8 index)
{
    struct segment_record record;
    assert_true(scene_load(&w->chain.scene, s->key.number, &record));
    u32 provider = record.holders[index].provider;
    struct abi_value parts[] = {abi_u64(s->key.territory), abi_u64(s->key.gateway),
                                abi_u64(s->key.number), abi_u64(index)};
    struct abi_value item = abi_tuple(parts, 4);
    struct abi_value args[] = {abi_array(&item, 1)};
    by_provider(w, provider, "declareLost", args);
    struct fake_store *store = store_of(w, provider);
    for (size_t i = 0; i < store->fragment_count; i++) {
        struct fake_fragment *fragment = store->fragments[i];
        if (fake_same_key(&fragment->seal.key, &s->key) && fragment->index == index) {
            store->fragments[i] = store->fragments[--store->fragment_count];
            fake_fragment_free(fragment);
        }
    }
}

/* ---- tests ---- */

/* At the threshold: repaired soon, at the price of k fragments read for m / 2 written. */
static void urgent_fn(struct transfer_world *w)
{
    struct watchers all = {.count = 0};
    struct test_segment *s = ts_store(w, MIB(2));
    struct watch *watch = start_watch(w, &all, GATEWAY);
    await_scans(w, watch);
    assert_int_equal(watch_status(watch).segments, 1);
    assert_int_equal(watch_status(watch).incomplete, 0);
    for (u8 f = 0; f < 4; f++) {
        lose(w, s, f);
    }
    fake_block(&w->chain, 1);
    await_scans(w, watch);
    assert_int_equal(watch_status(watch).urgent, 1);
    assert_int_equal(watch_status(watch).restored, 0); /* more of the same failure may show */
    pass(w, assign_of(w) / 10);
    AWAIT(w, watch_status(watch).restored == 4);
    assert_int_equal(holders_of(w, s), 12);
    struct watch_status status = watch_status(watch);
    u64 moved = status.bytes_read + status.bytes_written;
    assert_true(10 * moved <= 21 * status.bytes_restored);
    assert_int_equal(status.repairs, 1);
    await_scans(w, watch);
    assert_int_equal(watch_status(watch).incomplete, 0);
    test_ok(ts_read(w, s, 0, s->length));
    scene_check(&w->chain.scene);
    stop_watches(&all);
    ts_free(s);
}

static void urgent_repair(void **state)
{
    (void)state;
    TW_RUN(urgent_fn, .providers = 14);
}

/* One of twelve is missing: that can wait. */
static void top_up_fn(struct transfer_world *w)
{
    struct watchers all = {.count = 0};
    struct test_segment *s = ts_store(w, 300000);
    struct watch *watch = start_watch(w, &all, GATEWAY);
    lose(w, s, 7);
    for (u32 i = 0; i < 3; i++) {
        pass(w, assign_of(w) / 2);
        await_scans(w, watch);
        assert_int_equal(watch_status(watch).restored, 0);
        assert_int_equal(watch_status(watch).incomplete, 1);
        assert_int_equal(watch_status(watch).urgent, 0);
    }
    pass(w, assign_of(w));
    AWAIT(w, watch_status(watch).restored == 1);
    assert_int_equal(holders_of(w, s), 12);
    stop_watches(&all);
    ts_free(s);
}

static void unhurried_top_up(void **state)
{
    (void)state;
    TW_RUN(top_up_fn, .providers = 14);
}

/* Many segments lose the same holders: the worst first, many in one transaction, and no top-up
 * while something is urgent. */
#define MANY 24
static void many_fn(struct transfer_world *w)
{
    struct watchers all = {.count = 0};
    struct test_segment *s[MANY];
    for (u32 i = 0; i < MANY; i++) {
        s[i] = ts_store(w, 20000 + i);
        segment_put_free(s[i]->put);
        s[i]->put = NULL;
    }
    for (u32 i = 0; i < MANY; i++) {
        u8 lost = i == 5 ? 7 : 4;
        for (u8 f = 0; f < lost; f++) {
            lose(w, s[i], f);
        }
    }
    pass(w, assign_of(w) / 10);
    w->chain.sends = 0;
    struct watch *watch = start_watch(w, &all, GATEWAY);
    AWAIT(w, watch_status(watch).restored == 4 * MANY + 3);
    assert_true(w->chain.sends <= MANY / 2);
    for (u32 i = 0; i < MANY; i++) {
        assert_int_equal(holders_of(w, s[i]), 12);
        test_ok(ts_read(w, s[i], 0, s[i]->length));
    }
    /* The one that was nearest to loss was among the first two: two are rebuilt at once. */
    struct hash topic = native_event_abi(&segment_module, SEGMENT_EVENT_HOLDER)->topic;
    u64 first[3] = {UINT64_MAX, UINT64_MAX, UINT64_MAX};
    size_t count = 0;
    for (size_t i = 0; i < w->chain.log_count && count < 2; i++) {
        const struct chain_log *log = &w->chain.logs[i];
        u64 number = load_be64(log->topics[3].b + 24);
        if (hash_eq(&log->topics[0], &topic) && (count == 0 || first[count - 1] != number)) {
            first[count++] = number;
        }
    }
    assert_true(first[0] == s[5]->key.number || first[1] == s[5]->key.number);
    scene_check(&w->chain.scene);
    stop_watches(&all);
    for (u32 i = 0; i < MANY; i++) {
        ts_free(s[i]);
    }
}

static void many_at_once(void **state)
{
    (void)state;
    TW_RUN(many_fn, .providers = 20);
}

/* Fewer than k are left: said, not tried. */
static void unreadable_fn(struct transfer_world *w)
{
    struct watchers all = {.count = 0};
    struct test_segment *s = ts_store(w, 50000);
    struct watch *watch = start_watch(w, &all, GATEWAY);
    for (u8 f = 0; f < 9; f++) {
        lose(w, s, f);
    }
    pass(w, 1000);
    await_scans(w, watch);
    assert_int_equal(watch_status(watch).unreadable, 1);
    u64 sends = w->chain.sends;
    await_scans(w, watch);
    assert_int_equal(watch_status(watch).restored, 0);
    assert_int_equal(watch_status(watch).bytes_read, 0);
    assert_int_equal(w->chain.sends, sends);
    stop_watches(&all);
    ts_free(s);
}

static void too_few_left(void **state)
{
    (void)state;
    TW_RUN(unreadable_fn);
}

/* A provider drains: its fragments are copied, not decoded. */
static void drain_fn(struct transfer_world *w)
{
    struct watchers all = {.count = 0};
    struct test_segment *s = ts_store(w, MIB(1));
    u32 provider = holder_of(w, s, 9)->number;
    by_provider(w, provider, "drain", NULL);
    pass(w, assign_of(w) / 10 + 1);
    struct watch *watch = start_watch(w, &all, GATEWAY);
    AWAIT(w, watch_status(watch).restored == 1);
    struct segment_record record;
    assert_true(scene_load(&w->chain.scene, s->key.number, &record));
    assert_true(record.holders[9].provider != provider && record.holders[9].provider != 0);
    struct watch_status status = watch_status(watch);
    assert_int_equal(status.bytes_read + status.bytes_written, 2 * status.bytes_restored);
    stop_watches(&all);
    ts_free(s);
}

static void draining(void **state)
{
    (void)state;
    TW_RUN(drain_fn, .providers = 14);
}

/* Two watchers, one job: the other one stays away, or loses without harm. */
static void two_fn(struct transfer_world *w)
{
    struct watchers all = {.count = 0};
    struct address stranger = world_person(STRANGER);
    assert_true(
        world_call(&w->chain.scene.world, &segment_module, "registerWatcher", &stranger, NULL));
    struct test_segment *s[4];
    for (u32 i = 0; i < 4; i++) {
        s[i] = ts_store(w, 100000);
    }
    struct watch *first = start_watch(w, &all, GATEWAY);
    struct watch *second = start_watch(w, &all, STRANGER);
    for (u32 i = 0; i < 4; i++) {
        for (u8 f = 0; f < 4; f++) {
            lose(w, s[i], f);
        }
    }
    pass(w, assign_of(w) / 10 + 1);
    AWAIT(w, watch_status(first).restored + watch_status(second).restored == 16);
    for (u32 i = 0; i < 6; i++) {
        pass(w, assign_of(w));
        await_scans(w, first);
        await_scans(w, second);
    }
    u64 moved = watch_status(first).bytes_read + watch_status(first).bytes_written +
                watch_status(second).bytes_read + watch_status(second).bytes_written;
    u64 restored = watch_status(first).bytes_restored + watch_status(second).bytes_restored;
    assert_true(moved <= 3 * restored);
    scene_check(&w->chain.scene);
    stop_watches(&all);
    for (u32 i = 0; i < 4; i++) {
        assert_int_equal(holders_of(w, s[i]), 12);
        ts_free(s[i]);
    }
}

static void two_watchers(void **state)
{
    (void)state;
    TW_RUN(two_fn, .providers = 16);
}

/* The new holders refuse at first; the watcher comes back, but not at once and always. */
static void backoff_fn(struct transfer_world *w)
{
    struct watchers all = {.count = 0};
    struct test_segment *s = ts_store(w, 100000);
    for (u32 p = 1; p <= w->stores.count; p++) {
        fake_set_fault(store_of(w, p), FAKE_REFUSE);
    }
    for (u8 f = 0; f < 4; f++) {
        lose(w, s, f);
    }
    pass(w, 100);
    struct watch *watch = start_watch(w, &all, GATEWAY);
    await_scans(w, watch);
    nap(w, 1000);
    u32 gets = 0;
    for (u32 p = 1; p <= w->stores.count; p++) {
        gets += store_of(w, p)->gets;
        fake_set_fault(store_of(w, p), FAKE_FINE);
    }
    assert_true(gets <= 4);
    AWAIT(w, watch_status(watch).restored == 4);
    assert_int_equal(holders_of(w, s), 12);
    stop_watches(&all);
    ts_free(s);
}

static void refused_at_first(void **state)
{
    (void)state;
    TW_RUN(backoff_fn, .providers = 16);
}

/* A ledger node that tells no logs, or leaves some out: records are read again all the same. */
static void no_logs_fn(struct transfer_world *w)
{
    struct watchers all = {.count = 0};
    struct test_segment *s = ts_store(w, 100000);
    struct watch *watch = start_watch(w, &all, GATEWAY);
    await_scans(w, watch);
    w->chain.no_logs = true;
    for (u8 f = 0; f < 4; f++) {
        lose(w, s, f);
    }
    pass(w, 100);
    AWAIT(w, watch_status(watch).restored == 4);
    w->chain.no_logs = false;
    for (u8 f = 4; f < 8; f++) {
        lose(w, s, f);
    }
    w->chain.log_count = 0; /* left out */
    pass(w, 100);
    AWAIT(w, watch_status(watch).restored == 8);
    w->chain.mute = true; /* and one that says nothing at all for a while */
    nap(w, 300);
    for (u8 f = 8; f < 12; f++) {
        lose(w, s, f);
    }
    pass(w, 100);
    w->chain.mute = false;
    fake_block(&w->chain, 1);
    AWAIT(w, watch_status(watch).restored == 12);
    stop_watches(&all);
    ts_free(s);
}

static void unreliable_ledger_node(void **state)
{
    (void)state;
    TW_RUN(no_logs_fn, .providers = 16);
}

/* Silent providers lose their place: in segments, and in the draws. */
static void late_fn(struct transfer_world *w)
{
    struct watchers all = {.count = 0};
    world_set_param(&w->chain.scene.world, "heartbeat_due_s", 10);
    world_set_param(&w->chain.scene.world, "heartbeat_late_s", 20);
    for (u32 p = 1; p <= w->stores.count; p++) {
        by_provider(w, p, "heartbeat", NULL);
    }
    struct test_segment *s = ts_store(w, 100000);
    bool silent[FAKE_STORES_MAX + 1] = {false};
    for (u8 f = 0; f < 4; f++) {
        struct fake_store *store = holder_of(w, s, f);
        silent[store->number] = true;
        fake_stop(store);
    }
    struct watch *watch = start_watch(w, &all, GATEWAY);
    for (u32 i = 0; i < 15; i++) {
        pass(w, 4);
        for (u32 p = 1; p <= w->stores.count; p++) {
            if (!silent[p]) {
                by_provider(w, p, "heartbeat", NULL);
            }
        }
        await_scans(w, watch);
    }
    AWAIT(w, watch_status(watch).restored == 4);
    assert_int_equal(holders_of(w, s), 12);
    for (u32 p = 1; p <= w->stores.count; p++) {
        assert_int_equal(scene_provider(&w->chain.scene, p).out_of_tree, silent[p]);
        if (silent[p]) {
            fake_start(store_of(w, p));
        }
    }
    stop_watches(&all);
    ts_free(s);
}

static void late_providers(void **state)
{
    (void)state;
    TW_RUN(late_fn, .providers = 16);
}

/* Stopped in the middle of a rebuild, and by the end of the loop. */
static void stop_fn(struct transfer_world *w)
{
    struct watchers all = {.count = 0};
    struct test_segment *s = ts_store(w, MIB(4));
    for (u8 f = 0; f < 4; f++) {
        lose(w, s, f);
    }
    for (u32 p = 1; p <= w->stores.count; p++) {
        fake_set_fault(store_of(w, p), FAKE_SLOW);
    }
    pass(w, 100);
    struct watch *watch = start_watch(w, &all, GATEWAY);
    await_scans(w, watch);
    nap(w, 100);
    stop_watches(&all);
    watch = start_watch(w, &all, GATEWAY);
    await_scans(w, watch);
    nap(w, 100);
    loop_stop(w->loop);
    stop_watches(&all);
    watch_stop(NULL);
    ts_free(s);
}

static void stopping(void **state)
{
    (void)state;
    TW_RUN(stop_fn, .providers = 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urgent_repair),    cmocka_unit_test(unhurried_top_up),
        cmocka_unit_test(many_at_once),     cmocka_unit_test(too_few_left),
        cmocka_unit_test(draining),         cmocka_unit_test(two_watchers),
        cmocka_unit_test(refused_at_first), cmocka_unit_test(unreliable_ledger_node),
        cmocka_unit_test(late_providers),   cmocka_unit_test(stopping),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

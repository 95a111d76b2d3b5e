#include "base/mem.h"
#include "base/prng.h"
#include "os/fiber_context.h"
#include "os/loop.h"
#include "os/timers.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static struct loop *open_loop(unsigned workers)
{
    struct loop *loop;
    assert_true(is_ok(loop_open(&loop, workers)));
    return loop;
}

/* Runs one fiber and whatever it starts; the loop stops when `group` is empty. */
struct world {
    struct loop *loop;
    struct group group;
    fiber_fn *fn;
    void *arg;
};

static void world_main(void *arg)
{
    struct world *world = arg;
    world->fn(world);
    group_wait(world->loop, &world->group);
    loop_stop(world->loop);
}

static void run_world(fiber_fn *fn, void *arg, unsigned workers)
{
    struct world world = {.loop = open_loop(workers), .fn = fn, .arg = arg};
    group_init(&world.group);
    assert_true(is_ok(fiber_start(world.loop, "world", world_main, &world)));
    loop_run(world.loop);
    loop_close(world.loop);
}

static void spawn(struct world *world, fiber_fn *fn, void *arg)
{
    assert_true(is_ok(group_start(world->loop, &world->group, "test", fn, arg)));
}

/* --- timers --- */

static void timers_come_out_in_order(void **state)
{
    (void)state;
    enum { COUNT = 500 };
    static struct timer items[COUNT];
    struct timers timers;
    struct prng prng;
    timers_init(&timers);
    prng_init(&prng, 7);
    for (size_t i = 0; i < COUNT; i++) {
        timers_arm(&timers, &items[i], prng_below(&prng, 50));
    }
    for (size_t i = 0; i < COUNT; i += 3) {
        timers_disarm(&timers, &items[i]);
        timers_disarm(&timers, &items[i]);
    }
    const struct timer *last = NULL;
    struct timer *timer;
    size_t popped = 0;
    assert_true(timers_next(&timers) <= 49);
    while ((timer = timers_pop_due(&timers, 49)) != NULL) {
        assert_true((size_t)(timer - items) % 3 != 0);
        assert_true(last == NULL || last->deadline_ms < timer->deadline_ms ||
                    (last->deadline_ms == timer->deadline_ms && last < timer));
        last = timer;
        popped++;
    }
    assert_int_equal(popped, COUNT - (COUNT + 2) / 3);
    assert_true(timers_next(&timers) == UINT64_MAX);
    timers_free(&timers);
}

struct sleeper {
    struct world *world;
    u64 deadline_ms;
    unsigned *order;
    unsigned rank;
};

static void sleep_and_note(void *arg)
{
    struct sleeper *s = arg;
    assert_true(is_ok(fiber_sleep(s->world->loop, s->deadline_ms)));
    assert_true(loop_now_ms(s->world->loop) >= s->deadline_ms);
    s->rank = (*s->order)++;
}

static void sleep_in_order(void *arg)
{
    struct world *world = arg;
    static const u8 delays[] = {30, 10, 20, 10, 0, 40};
    static const u8 ranks[] = {4, 1, 3, 2, 0, 5};
    struct sleeper sleepers[COUNT_OF(delays)];
    unsigned order = 0;
    u64 now = loop_now_ms(world->loop);
    for (size_t i = 0; i < COUNT_OF(delays); i++) {
        sleepers[i] =
            (struct sleeper){.world = world, .deadline_ms = now + 5 + delays[i], .order = &order};
        spawn(world, sleep_and_note, &sleepers[i]);
    }
    group_wait(world->loop, &world->group);
    for (size_t i = 0; i < COUNT_OF(delays); i++) {
        assert_int_equal(sleepers[i].rank, ranks[i]);
    }
    /* A deadline in the past lets the others run and is no fault. */
    assert_true(is_ok(fiber_sleep(world->loop, 0)));
}

static void sleepers_wake_in_order(void **state)
{
    (void)state;
    run_world(sleep_in_order, NULL, 1);
}

/* --- switching --- */

struct pair {
    struct loop *loop;
    struct event turned;
    unsigned turns;
};

struct player {
    struct pair *pair;
    unsigned side;
};

static void play(void *arg)
{
    struct player *player = arg;
    struct pair *pair = player->pair;
    double local = player->side + 0.5; /* lives across switches in registers or on the stack */
    while (pair->turns < 100) {
        while (pair->turns % 2 != player->side && pair->turns < 100) {
            assert_true(is_ok(event_wait(pair->loop, &pair->turned, DEADLINE_NONE)));
        }
        pair->turns++;
        event_wake_all(&pair->turned);
        assert_true(local == player->side + 0.5);
    }
}

static void ping_pong(void *arg)
{
    enum { PAIRS = 2000 };
    struct world *world = arg;
    struct pair *pairs = mem_alloc_array(PAIRS, sizeof *pairs);
    struct player *players = mem_alloc_array(2 * PAIRS, sizeof *players);
    for (size_t i = 0; i < PAIRS; i++) {
        pairs[i].loop = world->loop;
        event_init(&pairs[i].turned);
        for (unsigned side = 0; side < 2; side++) {
            players[2 * i + side] = (struct player){.pair = &pairs[i], .side = side};
            spawn(world, play, &players[2 * i + side]);
        }
    }
    group_wait(world->loop, &world->group);
    for (size_t i = 0; i < PAIRS; i++) {
        assert_true(pairs[i].turns >= 100);
    }
    mem_free(players);
    mem_free(pairs);
}

static void thousands_play_ping_pong(void **state)
{
    (void)state;
    run_world(ping_pong, NULL, 1);
}

static void end_at_once(void *arg) { ++*(unsigned *)arg; }

static void start_too_many(void *arg)
{
    struct world *world = arg;
    unsigned ran = 0;
    unsigned started = 0;
    err e;
    while (is_ok(e = group_start(world->loop, &world->group, "many", end_at_once, &ran))) {
        started++;
    }
    assert_true(is_err(e, ERR_LIMIT));
    assert_int_equal(started, FIBERS_MAX - 1);
    group_wait(world->loop, &world->group);
    assert_int_equal(ran, started);
    spawn(world, end_at_once, &ran); /* there is room again */
    group_wait(world->loop, &world->group);
}

static void fibers_are_limited(void **state)
{
    (void)state;
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
    skip(); /* it maps much of its own for every fiber, and the kernel limits mappings */
#endif
#endif
    run_world(start_too_many, NULL, 1);
}

struct context_pair {
    struct fiber_context main;
    struct fiber_context other;
    u64 switches;
};

static void switch_back(void *arg)
{
    struct context_pair *pair = arg;
    for (;;) {
        pair->switches++;
        fiber_context_switch(&pair->other, &pair->main);
    }
}

static void a_switch_is_cheap(void **state)
{
    (void)state;
    enum { ROUNDS = 100000 };
    struct fiber_stacks stacks;
    struct context_pair pair = {0};
    struct timespec before;
    struct timespec after;
    fiber_stacks_init(&stacks);
    fiber_context_init_thread(&pair.main);
    assert_true(fiber_context_init(&pair.other, &stacks, switch_back, &pair));
    clock_gettime(CLOCK_MONOTONIC, &before);
    for (int i = 0; i < ROUNDS; i++) {
        fiber_context_switch(&pair.main, &pair.other);
    }
    clock_gettime(CLOCK_MONOTONIC, &after);
    assert_int_equal(pair.switches, ROUNDS);
    double ns =
        (double)(after.tv_sec - before.tv_sec) * 1e9 + (double)(after.tv_nsec - before.tv_nsec);
    printf("one switch: %.1f ns; stack touched: %zu bytes\n", ns / (2 * ROUNDS),
           fiber_context_touched(&pair.other));
    assert_true(fiber_context_touched(&pair.other) <= 64 * 1024);
    fiber_context_free(&pair.other, &stacks);
    fiber_stacks_free(&stacks);
}

/* Sums over a large frame, so that the deep pages are touched. */
static u64 use_stack(void)
{
    volatile u8 deep[128 * 1024];
    u64 sum = 0;
    for (size_t i = 0; i < sizeof deep; i += 512) {
        deep[i] = (u8)i;
        sum += deep[i];
    }
    return sum;
}

static void dive(void *arg) { *(u64 *)arg += use_stack(); }

static void deep_stacks(void *arg)
{
    struct world *world = arg;
    u64 sums[8] = {0};
    for (int round = 0; round < 8; round++) {
        for (size_t i = 0; i < COUNT_OF(sums); i++) {
            spawn(world, dive, &sums[i]);
        }
        group_wait(world->loop, &world->group);
    }
    for (size_t i = 1; i < COUNT_OF(sums); i++) {
        assert_true(sums[i] == sums[0]);
    }
}

static void stacks_are_reused(void **state)
{
    (void)state;
    run_world(deep_stacks, NULL, 1);
}

static volatile u8 overflow_sink;

static void overflow(void *arg)
{
    volatile u8 frame[1024];
    frame[0] = *(u8 *)arg;
    if (overflow_sink == 0) {
        overflow((void *)(uintptr_t)frame); /* until the stack ends */
    }
    overflow_sink = frame[0];
}

static void overflow_world(void *arg)
{
    u8 byte = 1;
    (void)arg;
    overflow(&byte);
}

static void overflow_hits_the_guard(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL);
        run_world(overflow_world, NULL, 1);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

/* --- events, gates, groups --- */

struct waiter {
    struct world *world;
    struct event *event;
    u64 deadline_ms;
    err result;
    bool done;
};

static void wait_event(void *arg)
{
    struct waiter *w = arg;
    w->result = event_wait(w->world->loop, w->event, w->deadline_ms);
    w->done = true;
}

static void wake_one_by_one(void *arg)
{
    struct world *world = arg;
    struct event event;
    struct waiter waiters[3];
    event_init(&event);
    for (size_t i = 0; i < 3; i++) {
        waiters[i] = (struct waiter){.world = world, .event = &event, .deadline_ms = DEADLINE_NONE};
        spawn(world, wait_event, &waiters[i]);
    }
    event_wake_one(&event); /* nobody waits yet: not remembered */
    fiber_yield(world->loop);
    for (size_t i = 0; i < 3; i++) {
        event_wake_one(&event);
        fiber_yield(world->loop);
        for (size_t j = 0; j < 3; j++) {
            assert_true(waiters[j].done == (j <= i));
        }
    }
    assert_true(is_err(event_wait(world->loop, &event, 0), ERR_TIMEOUT));
    u64 soon = loop_now_ms(world->loop) + 10;
    assert_true(is_err(event_wait(world->loop, &event, soon), ERR_TIMEOUT));
    assert_true(loop_now_ms(world->loop) >= soon);
    assert_true(list_empty(&event.waiters));
}

static void events_wake_in_order(void **state)
{
    (void)state;
    run_world(wake_one_by_one, NULL, 1);
}

/* The wake and the deadline come in the same turn: the wake must not be lost. */
static void wake_beats_deadline(void *arg)
{
    struct world *world = arg;
    struct event event;
    event_init(&event);
    struct waiter w = {
        .world = world, .event = &event, .deadline_ms = loop_now_ms(world->loop) + 5};
    spawn(world, wait_event, &w);
    fiber_yield(world->loop);
    while (loop_now_ms(world->loop) <= w.deadline_ms) {
    }
    event_wake_one(&event);
    group_wait(world->loop, &world->group);
    assert_true(w.done && is_ok(w.result));
}

static void a_wake_is_never_lost(void **state)
{
    (void)state;
    run_world(wake_beats_deadline, NULL, 1);
}

struct visitor {
    struct world *world;
    struct gate *gate;
    u64 wanted;
    u64 deadline_ms;
    char *log;
    char name;
    err result;
};

static void visit(void *arg)
{
    struct visitor *v = arg;
    v->result = gate_enter(v->world->loop, v->gate, v->wanted, v->deadline_ms);
    size_t len = strlen(v->log);
    v->log[len] = v->name;
    v->log[len + 1] = 0;
}

static void gate_in_order(void *arg)
{
    struct world *world = arg;
    struct gate gate;
    char log[16] = "";
    static const u8 wanted[] = {4, 1, 1};
    struct visitor v[3];
    gate_init(&gate, 4);
    assert_true(is_ok(gate_enter(world->loop, &gate, 2, DEADLINE_NONE)));
    for (size_t i = 0; i < 3; i++) {
        v[i] = (struct visitor){.world = world,
                                .gate = &gate,
                                .wanted = wanted[i],
                                .deadline_ms = DEADLINE_NONE,
                                .log = log,
                                .name = (char)('a' + i)};
        spawn(world, visit, &v[i]);
    }
    fiber_yield(world->loop);
    fiber_yield(world->loop);
    assert_string_equal(log, ""); /* b and c would fit but must not overtake a */
    gate_leave(&gate, 2);
    fiber_yield(world->loop);
    assert_string_equal(log, "a");
    gate_leave(&gate, 4);
    group_wait(world->loop, &world->group);
    assert_string_equal(log, "abc");
    gate_leave(&gate, 2);
    assert_int_equal(gate.available, 4);
}

static void gates_are_fair(void **state)
{
    (void)state;
    run_world(gate_in_order, NULL, 1);
}

static void gate_after_timeout(void *arg)
{
    struct world *world = arg;
    struct gate gate;
    char log[16] = "";
    gate_init(&gate, 3);
    assert_true(is_ok(gate_enter(world->loop, &gate, 2, DEADLINE_NONE)));
    struct visitor large = {.world = world,
                            .gate = &gate,
                            .wanted = 3,
                            .deadline_ms = loop_now_ms(world->loop) + 10,
                            .log = log,
                            .name = 'L'};
    struct visitor small = large;
    small.wanted = 1;
    small.name = 's';
    small.deadline_ms = DEADLINE_NONE;
    spawn(world, visit, &large);
    spawn(world, visit, &small);
    group_wait(world->loop, &world->group);
    /* The large one gave up, and the one behind it got in without anybody leaving. */
    assert_string_equal(log, "Ls");
    assert_true(is_err(large.result, ERR_TIMEOUT) && is_ok(small.result));
    gate_leave(&gate, 3);
    assert_int_equal(gate.available, 3);
}

static void a_gate_survives_those_who_give_up(void **state)
{
    (void)state;
    run_world(gate_after_timeout, NULL, 1);
}

/* --- stopping --- */

struct stopped {
    struct loop *loop;
    struct event event;
    struct gate gate;
    struct group group;
    unsigned cancelled;
    unsigned worked;
};

static void count_cancelled(struct stopped *s, err e)
{
    assert_true(is_err(e, ERR_CANCELLED));
    s->cancelled++;
}

static void wait_event_for_ever(void *arg)
{
    struct stopped *s = arg;
    count_cancelled(s, event_wait(s->loop, &s->event, DEADLINE_NONE));
    count_cancelled(s, event_wait(s->loop, &s->event, DEADLINE_NONE));
}

static void sleep_for_long(void *arg)
{
    struct stopped *s = arg;
    count_cancelled(s, fiber_sleep(s->loop, loop_now_ms(s->loop) + 1000000));
    count_cancelled(s, fiber_sleep(s->loop, 0));
}

static void gate_for_ever(void *arg)
{
    struct stopped *s = arg;
    count_cancelled(s, gate_enter(s->loop, &s->gate, 1, DEADLINE_NONE));
}

static void slow_work(void *arg)
{
    usleep(20000);
    ++*(unsigned *)arg;
}

static void work_to_the_end(void *arg)
{
    struct stopped *s = arg;
    worker_run(s->loop, slow_work, &s->worked);
    worker_run(s->loop, slow_work, &s->worked); /* after the stop */
    assert_true(loop_stopping(s->loop));
}

static void stop_soon(void *arg)
{
    struct stopped *s = arg;
    static fiber_fn *const members[] = {wait_event_for_ever, sleep_for_long, gate_for_ever,
                                        work_to_the_end};
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        assert_true(is_ok(group_start(s->loop, &s->group, "member", members[i], s)));
    }
    assert_true(is_ok(fiber_sleep(s->loop, loop_now_ms(s->loop) + 5)));
    loop_stop(s->loop);
    group_wait(s->loop, &s->group);
    assert_int_equal(s->cancelled, 5);
    assert_int_equal(s->worked, 2);
}

static void stop_cancels_every_wait(void **state)
{
    (void)state;
    struct stopped s = {.loop = open_loop(2)};
    event_init(&s.event);
    gate_init(&s.gate, 1);
    s.gate.available = 0;
    group_init(&s.group);
    assert_true(is_ok(fiber_start(s.loop, "stop", stop_soon, &s)));
    loop_run(s.loop);
    loop_close(s.loop);
}

static void stop_loop(void *arg) { loop_stop(arg); }

static void raise_later(void *arg)
{
    struct loop *loop = arg;
    assert_true(is_ok(fiber_sleep(loop, loop_now_ms(loop) + 5)));
    kill(getpid(), SIGTERM);
    assert_true(is_err(fiber_sleep(loop, DEADLINE_NONE), ERR_CANCELLED));
}

static void a_signal_stops(void **state)
{
    (void)state;
    struct loop *loop = open_loop(1);
    loop_stop_on_signals(loop, stop_loop, loop);
    assert_true(is_ok(fiber_start(loop, "raise", raise_later, loop)));
    loop_run(loop);
    loop_close(loop);
}

static void never_stop(void *arg) { (void)arg; }

static void raise_twice(void *arg)
{
    struct loop *loop = arg;
    kill(getpid(), SIGINT);
    IGNORE(fiber_sleep(loop, loop_now_ms(loop) + 50)); /* the first is taken meanwhile */
    kill(getpid(), SIGINT);
    IGNORE(fiber_sleep(loop, loop_now_ms(loop) + 5000));
}

static void a_second_signal_kills(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct loop *loop = open_loop(1);
        loop_stop_on_signals(loop, never_stop, loop);
        IGNORE(fiber_start(loop, "raise", raise_twice, loop));
        loop_run(loop);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
}

/* --- workers --- */

struct meeting {
    struct world *world;
    unsigned *present; /* changed by worker threads */
    unsigned expected;
    bool met;
};

/* Returns only if as many others are in here at the same time. */
static void meet(void *arg)
{
    struct meeting *m = arg;
    __atomic_add_fetch(m->present, 1, __ATOMIC_SEQ_CST);
    for (int i = 0; i < 5000 && !m->met; i++) {
        m->met = __atomic_load_n(m->present, __ATOMIC_SEQ_CST) >= m->expected;
        usleep(1000);
    }
}

static void meet_in_worker(void *arg)
{
    struct meeting *m = arg;
    worker_run(m->world->loop, meet, m);
}

static void work_in_parallel(void *arg)
{
    struct world *world = arg;
    unsigned present = 0;
    struct meeting meetings[4];
    for (size_t i = 0; i < 4; i++) {
        meetings[i] = (struct meeting){.world = world, .present = &present, .expected = 4};
        spawn(world, meet_in_worker, &meetings[i]);
    }
    group_wait(world->loop, &world->group);
    for (size_t i = 0; i < 4; i++) {
        assert_true(meetings[i].met);
    }
}

static void workers_run_in_parallel(void **state)
{
    (void)state;
    run_world(work_in_parallel, NULL, 4);
}

static void add_one(void *arg) { ++*(u64 *)arg; }

struct adder {
    struct world *world;
    u64 sum;
};

static void add_many(void *arg)
{
    struct adder *adder = arg;
    for (int i = 0; i < 10; i++) {
        worker_run(adder->world->loop, add_one, &adder->sum);
    }
}

static void work_much(void *arg)
{
    enum { FIBERS = 300 };
    struct world *world = arg;
    static struct adder adders[FIBERS];
    for (size_t i = 0; i < FIBERS; i++) {
        adders[i] = (struct adder){.world = world};
        spawn(world, add_many, &adders[i]);
    }
    group_wait(world->loop, &world->group);
    for (size_t i = 0; i < FIBERS; i++) {
        assert_int_equal(adders[i].sum, 10);
    }
}

static void workers_take_more_than_they_are(void **state)
{
    (void)state;
    run_world(work_much, NULL, 3);
    struct loop *loop = open_loop(1);
    u64 sum = 0;
    worker_run(loop, add_one, &sum); /* outside fibers: at once */
    assert_int_equal(sum, 1);
    loop_close(loop);
}

static void clocks_and_entropy(void **state)
{
    (void)state;
    struct loop *loop = open_loop(1);
    u8 a[600] = {0};
    u8 b[600] = {0};
    u64 now = loop_now_ms(loop);
    loop_random(loop, a, sizeof a);
    loop_random(loop, b, sizeof b);
    loop_random(loop, b, 0);
    assert_memory_not_equal(a, b, sizeof a);
    assert_memory_not_equal(a + 568, b + 568, 32);
    assert_true(loop_now_ms(loop) >= now);
    assert_true(loop_wall_ms(loop) > 1700000000000);
    loop_stop(loop);
    loop_run(loop); /* nothing to do */
    loop_close(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_come_out_in_order),
        cmocka_unit_test(sleepers_wake_in_order),
        cmocka_unit_test(thousands_play_ping_pong),
        cmocka_unit_test(fibers_are_limited),
        cmocka_unit_test(a_switch_is_cheap),
        cmocka_unit_test(stacks_are_reused),
        cmocka_unit_test(overflow_hits_the_guard),
        cmocka_unit_test(events_wake_in_order),
        cmocka_unit_test(a_wake_is_never_lost),
        cmocka_unit_test(gates_are_fair),
        cmocka_unit_test(a_gate_survives_those_who_give_up),
        cmocka_unit_test(stop_cancels_every_wait),
        cmocka_unit_test(a_signal_stops),
        cmocka_unit_test(a_second_signal_kills),
        cmocka_unit_test(workers_run_in_parallel),
        cmocka_unit_test(workers_take_more_than_they_are),
        cmocka_unit_test(clocks_and_entropy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

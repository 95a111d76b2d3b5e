#include "ledger/consensus/single.h"

#include "base/buf.h"
#include "base/prng.h"
#include "crypto/hash.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define CHAIN_ID 7200
#define START_MONO 1000000u
#define GENESIS_MS 1767225600000u

/* A host that answers at once, and writes what happens into a text. */
struct host {
    struct single single;
    struct single_options options;
    u64 mono_ms;
    u64 wall_ms;
    bool waiting;
    struct buf trace;
    struct consensus_header logged;
    struct certificate certificate;
    bool has_log;
    u64 executed;
};

static struct single_head genesis_head(void)
{
    return (struct single_head){
        .height = 0, .time_ms = GENESIS_MS, .block_hash = {{0xe0}}, .params_hash = {{0xaa}}};
}

static void host_init(struct host *host)
{
    u8 key[32] = {[31] = 1};
    struct single_head head = genesis_head();
    *host = (struct host){.mono_ms = START_MONO, .wall_ms = GENESIS_MS + 500};
    host->options = (struct single_options){
        .chain_id = CHAIN_ID, .interval_ms = 200, .empty_interval_ms = 6000};
    assert_true(secp_secret_from(&host->options.secret, key));
    secp_address_of_secret(&host->options.seats.items[0], &host->options.secret);
    host->options.seats.count = 1;
    buf_init(&host->trace, KIB(64));
    single_init(&host->single, &host->options, &head, NULL, NULL, host->mono_ms);
}

static struct single_event event_of(const struct host *host, enum single_event_kind kind)
{
    return (struct single_event){.kind = kind,
                                 .mono_ms = host->mono_ms,
                                 .wall_ms = host->wall_ms,
                                 .transactions_waiting = host->waiting};
}

/* The Ethereum block hash in this host is made up from the height. */
static struct single_head head_after(const struct consensus_header *header)
{
    struct single_head head = {.height = header->height,
                               .time_ms = header->time_ms,
                               .block_hash = {{0xe0, (u8)header->height}},
                               .params_hash = {{0xaa}}};
    consensus_header_id(&head.id, header);
    return head;
}

static void trace(struct host *host, const char *what, const struct single_effect *effect)
{
    buf_format(&host->trace, "%6llu %s %llu @%lld\n",
               (unsigned long long)(host->mono_ms - START_MONO), what,
               (unsigned long long)effect->height, (long long)(effect->time_ms - GENESIS_MS));
}

/* Does what an effect asks; the answer's effect comes back. */
static struct single_effect host_do(struct host *host, const struct single_effect *effect)
{
    struct single_event answer = event_of(host, SINGLE_EV_TIME);
    switch (effect->kind) {
    case SINGLE_FX_NONE:
        break;
    case SINGLE_FX_PREPARE:
        trace(host, "prepare", effect);
        answer.kind = SINGLE_EV_PREPARED;
        answer.txs_root = (struct hash){{host->waiting ? 2 : 1}};
        break;
    case SINGLE_FX_LOG:
        trace(host, "log", effect);
        host->logged = effect->header;
        host->certificate = effect->certificate;
        host->has_log = true;
        answer.kind = SINGLE_EV_LOGGED;
        break;
    case SINGLE_FX_EXECUTE:
        trace(host, "execute", effect);
        assert_true(host->has_log); /* nothing is executed that is not in the log */
        assert_true(certificate_valid(&effect->certificate, CHAIN_ID, &host->options.seats));
        host->executed = effect->height;
        host->waiting = false;
        answer.kind = SINGLE_EV_COMMITTED;
        answer.transactions_waiting = false;
        answer.head = head_after(&effect->header);
        break;
    }
    return single_step(&host->single, &answer);
}

static void host_event(struct host *host, enum single_event_kind kind)
{
    struct single_event event = event_of(host, kind);
    struct single_effect effect = single_step(&host->single, &event);
    while (effect.kind != SINGLE_FX_NONE) {
        effect = host_do(host, &effect);
    }
}

/* Lets the clocks run until `mono`, waking the engine at its deadlines. */
static void host_run(struct host *host, u64 until_ms)
{
    u64 until = START_MONO + until_ms;
    for (int i = 0; i < 10000; i++) {
        u64 deadline = single_deadline(&host->single);
        u64 next = deadline < host->mono_ms ? host->mono_ms : deadline;
        if (next > until) {
            break;
        }
        host->wall_ms += next - host->mono_ms;
        host->mono_ms = next;
        host_event(host, SINGLE_EV_TIME);
    }
    assert_true(single_deadline(&host->single) > until); /* it does not spin */
    host->wall_ms += until - host->mono_ms;
    host->mono_ms = until;
}

static void host_submit(struct host *host)
{
    host->waiting = true;
    host_event(host, SINGLE_EV_WAITING);
}

static void assert_trace(struct host *host, const char *expected)
{
    buf_put_u8(&host->trace, 0);
    assert_string_equal((const char *)host->trace.data, expected);
    buf_free(&host->trace);
}

/* Empty blocks every six seconds; one with a transaction as soon as 200 ms have passed and the
 * second is another. (mono since start, effect, height, block time since genesis) */
static void golden(void **state)
{
    (void)state;
    struct host host;
    host_init(&host);
    host_run(&host, 6500);
    host_submit(&host); /* 0.5 s after the block at 6000, whose time is 6500: in second 7 */
    host_run(&host, 6700);
    host_submit(&host);
    host_run(&host, 9400);
    host_submit(&host);
    host_run(&host, 16000);
    assert_trace(&host, "  6000 prepare 1 @6500\n"
                        "  6000 log 1 @6500\n"
                        "  6000 execute 1 @6500\n"
                        "  6500 prepare 2 @7000\n"
                        "  6500 log 2 @7000\n"
                        "  6500 execute 2 @7000\n"
                        "  7500 prepare 3 @8000\n"
                        "  7500 log 3 @8000\n"
                        "  7500 execute 3 @8000\n"
                        "  9400 prepare 4 @9900\n"
                        "  9400 log 4 @9900\n"
                        "  9400 execute 4 @9900\n"
                        " 15400 prepare 5 @15900\n"
                        " 15400 log 5 @15900\n"
                        " 15400 execute 5 @15900\n");
}

/* The clock is set back by an hour: blocks go on, a second of real time apart at least, and block
 * time never goes back. Then it is set forward again. */
static void clock_jumps(void **state)
{
    (void)state;
    struct host host;
    host_init(&host);
    host_run(&host, 6100);
    host.wall_ms -= 3600000;
    host_submit(&host);
    host_run(&host, 7000);
    host_submit(&host);
    host_run(&host, 8500);
    host.wall_ms += 7200000;
    host_submit(&host);
    host_run(&host, 8600);
    assert_trace(&host, "  6000 prepare 1 @6500\n"
                        "  6000 log 1 @6500\n"
                        "  6000 execute 1 @6500\n"
                        "  7000 prepare 2 @7000\n"
                        "  7000 log 2 @7000\n"
                        "  7000 execute 2 @7000\n"
                        "  8000 prepare 3 @8000\n"
                        "  8000 log 3 @8000\n"
                        "  8000 execute 3 @8000\n"
                        "  8500 prepare 4 @3609000\n"
                        "  8500 log 4 @3609000\n"
                        "  8500 execute 4 @3609000\n");
}

static void a_logged_block_is_executed_not_signed_again(void **state)
{
    (void)state;
    struct host host;
    struct single_head head = genesis_head();
    host_init(&host);
    host_run(&host, 5999);
    host.mono_ms += 1;
    host.wall_ms += 1;
    struct single_event time = event_of(&host, SINGLE_EV_TIME);
    struct single_effect prepare = single_step(&host.single, &time);
    assert_int_equal(prepare.kind, SINGLE_FX_PREPARE);
    struct single_event prepared = event_of(&host, SINGLE_EV_PREPARED);
    prepared.txs_root.b[0] = 9;
    struct single_effect log = single_step(&host.single, &prepared);
    assert_int_equal(log.kind, SINGLE_FX_LOG);
    assert_int_equal(single_deadline(&host.single), UINT64_MAX);
    /* The host dies after the log is durable, and starts again later. */
    host.has_log = true;
    host.mono_ms += 5000;
    host.wall_ms += 5000;
    single_init(&host.single, &host.options, &head, &log.header, &log.certificate, host.mono_ms);
    assert_true(single_deadline(&host.single) <= host.mono_ms);
    time = event_of(&host, SINGLE_EV_TIME);
    struct single_effect execute = single_step(&host.single, &time);
    assert_int_equal(execute.kind, SINGLE_FX_EXECUTE);
    assert_memory_equal(execute.certificate.items[0].signature.b,
                        log.certificate.items[0].signature.b, 65);
    assert_int_equal(execute.header.time_ms, log.header.time_ms);
    struct single_event committed = event_of(&host, SINGLE_EV_COMMITTED);
    committed.head = head_after(&execute.header);
    assert_int_equal(single_step(&host.single, &committed).kind, SINGLE_FX_NONE);
    host_run(&host, 20000);
    assert_int_equal(host.executed, 2); /* at 17.0 s: six seconds after the restart at 11.0 s */
    buf_free(&host.trace);
}

/* Whatever the clocks and the load do: heights follow, block seconds rise, one signature a height.
 */
static void random_hosts_keep_the_rules(void **state)
{
    (void)state;
    for (u64 seed = 1; seed <= 20; seed++) {
        struct host host;
        struct prng prng;
        u64 last_second = GENESIS_MS / 1000;
        u64 last_height = 0;
        u64 last_mono = 0;
        prng_init(&prng, seed);
        host_init(&host);
        for (int step = 0; step < 100; step++) {
            u64 pause = prng_below(&prng, 900);
            host.mono_ms += pause;
            host.wall_ms += prng_chance(&prng, 1, 10) ? prng_below(&prng, 5000) : pause;
            host.wall_ms -= prng_chance(&prng, 1, 10) ? prng_below(&prng, 20000) : 0;
            if (prng_chance(&prng, 1, 2)) {
                host.waiting = true;
            }
            host_event(&host, SINGLE_EV_WAITING);
            if (host.executed == last_height) {
                continue;
            }
            assert_int_equal(host.executed, last_height + 1);
            u64 second = consensus_eth_time(host.logged.time_ms);
            assert_true(second > last_second);
            assert_true(last_mono == 0 || host.mono_ms >= last_mono + 200);
            last_height = host.executed;
            last_second = second;
            last_mono = host.mono_ms;
        }
        assert_true(last_height > 5);
        buf_free(&host.trace);
    }
}

static int setup(void **state)
{
    (void)state;
    struct hash seed = {{1}};
    crypto_init(&seed);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden),
        cmocka_unit_test(clock_jumps),
        cmocka_unit_test(a_logged_block_is_executed_not_signed_again),
        cmocka_unit_test(random_hosts_keep_the_rules),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}

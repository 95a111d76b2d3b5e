/* The real ports over ledger nodes that hang, forget, or know the key from elsewhere: nonces. */
#include "chain/testing.h"
#include "gateway/service/internal.h"

#include "ledger/exec/tx.h"

struct bench {
    struct chain_world *world;
    struct gateway gateway;
    struct ports ports;
};

static void bench_open(struct bench *bench, struct chain_world *world)
{
    *bench = (struct bench){.world = world};
    world_open(world, 1);
    bench->gateway.loop = world->loop;
    bench->gateway.chain = world->chain;
    gate_init(&bench->gateway.signing, 1);
    test_ok(chain_account_open(world->chain, &world->ledger.ledger.user, &bench->gateway.account));
    bench->ports = ledger_ports(&bench->gateway);
}

static void bench_close(struct bench *bench)
{
    chain_account_close(bench->gateway.account);
    world_close(bench->world);
}

static u64 nonce_of(struct chain_world *world, bytes raw)
{
    struct tx tx;
    assert_int_equal(tx_decode(&world->arena, raw, &tx), TX_VALID);
    return tx.nonce;
}

/* A commit, as far as the ledger here can tell: 100,000 gas for nothing. */
static u64 sign_commit(struct bench *bench, bytes *ret_raw, struct hash *ret_tx)
{
    struct chain_world *world = bench->world;
    test_ok(bench->ports.sign(&bench->gateway, bytes_str("commit"), 100000, &world->arena,
                              in_ms(world, 1000), ret_raw, ret_tx));
    return nonce_of(world, *ret_raw);
}

static u64 final_nonce(struct chain_world *world)
{
    u64 nonce;
    test_ok(chain_nonce(world->chain, &world->ledger.ledger.user_address, &nonce, soon(world)));
    return nonce;
}

/* ---- a transaction that is in no log, in a fiber of its own ---- */

struct sender {
    struct bench *bench;
    u64 key;
    u64 patience_ms;
    err result;
    bool ended;
};

static void send_run(void *arg)
{
    struct sender *sender = arg;
    struct chain_world *world = sender->bench->world;
    struct chain_receipt receipt;
    const struct abi_value args[] = {abi_u64(sender->key), abi_u64(1)};
    sender->result = ledger_send(&sender->bench->gateway, VAULT_NUMBER,
                                 vault_module.functions[VAULT_SET].signature, args, &world->arena,
                                 in_ms(world, sender->patience_ms), &receipt);
    sender->ended = true;
}

static void send_start(struct sender *sender, struct bench *bench, u64 key, u64 patience_ms)
{
    *sender = (struct sender){.bench = bench, .key = key, .patience_ms = patience_ms};
    test_ok(group_start(bench->world->loop, &bench->world->fibers, "send", send_run, sender));
    test_ok(fiber_sleep(bench->world->loop, in_ms(bench->world, 100)));
}

static err send_end(struct sender *sender)
{
    while (!sender->ended) {
        test_ok(fiber_sleep(sender->bench->world->loop, in_ms(sender->bench->world, 20)));
    }
    return sender->result;
}

/* Nobody who commits waits for the ledger's answers to others. */
static void the_gate_is_free(struct bench *bench)
{
    struct chain_world *world = bench->world;
    u64 begin_ms = loop_now_ms(world->loop);
    test_ok(gate_enter(world->loop, &bench->gateway.signing, 1, in_ms(world, 1000)));
    gate_leave(&bench->gateway.signing, 1);
    assert_true(loop_now_ms(world->loop) - begin_ms < 500);
}

static void an_estimate_that_hangs(struct chain_world *world)
{
    struct bench bench;
    struct sender sender;
    struct hash tx;
    bytes raw;
    bench_open(&bench, world);
    fake_be(&world->fakes[0], (struct fake){.method = "eth_estimateGas", .mute = true});
    send_start(&sender, &bench, 1, 1500);
    the_gate_is_free(&bench);
    assert_int_equal(sign_commit(&bench, &raw, &tx), 0);
    same_err(send_end(&sender), ERR_TIMEOUT);
    bench_close(&bench);
}

static void a_submission_that_hangs(struct chain_world *world)
{
    struct bench bench;
    struct sender sender;
    struct hash tx;
    bytes raw;
    world_mine(world);
    bench_open(&bench, world);
    fake_be(&world->fakes[0], (struct fake){.method = "eth_sendRawTransaction", .mute = true});
    send_start(&sender, &bench, 1, 15000);
    the_gate_is_free(&bench);
    assert_int_equal(sign_commit(&bench, &raw, &tx), 1); /* 0 is on its way, for all we know */
    fake_be_honest(&world->fakes[0]);
    test_ok(bench.ports.submit(&bench.gateway, raw, soon(world)));
    test_ok(send_end(&sender)); /* asked again */
    vault_is(world, 1, 1);
    bench_close(&bench);
}

/* ---- nonces ---- */

static void what_was_signed_keeps_its_nonce(struct chain_world *world)
{
    struct bench bench;
    struct sender sender;
    struct hash tx;
    bytes commit;
    bytes raw;
    world_mine(world);
    bench_open(&bench, world);
    assert_int_equal(sign_commit(&bench, &commit, &tx), 0);
    send_start(&sender, &bench, 1, 300);
    same_err(send_end(&sender), ERR_TIMEOUT); /* it waits in the pool, behind the commit */
    assert_int_equal(sign_commit(&bench, &raw, &tx), 2);
    bench.ports.unsign(&bench.gateway, 2); /* the log was full */
    test_ok(bench.ports.submit(&bench.gateway, commit, soon(world)));
    while (final_nonce(world) < 2) {
        test_ok(fiber_sleep(world->loop, in_ms(world, 20)));
    }
    bench.ports.release(&bench.gateway, 0);
    assert_int_equal(sign_commit(&bench, &raw, &tx), 2);
    bench_close(&bench);
}

static void nonces_of_the_log_are_held(struct chain_world *world)
{
    struct bench bench;
    struct hash tx;
    bytes raw;
    bench_open(&bench, world);
    for (u64 nonce = 0; nonce < 3; nonce++) { /* found in the log; the ledger forgot them all */
        bench.ports.hold(&bench.gateway, nonce);
    }
    assert_int_equal(sign_commit(&bench, &raw, &tx), 3);
    bench_close(&bench);
}

static void a_nonce_that_somebody_else_took(struct chain_world *world)
{
    struct bench bench;
    struct sender sender;
    struct hash tx;
    bytes raw;
    world_mine(world);
    bench_open(&bench, world);
    send_start(&sender, &bench, 1, 15000);
    test_ok(send_end(&sender));
    world->ledger.nonce = 1;
    rpc_send_set(&world->ledger, 5, 55); /* nonce 1, behind the gateway's back */
    while (final_nonce(world) < 2) {
        test_ok(fiber_sleep(world->loop, in_ms(world, 20)));
    }
    u64 commit_nonce = sign_commit(&bench, &raw, &tx);
    assert_int_equal(commit_nonce, 1);
    same_err(bench.ports.submit(&bench.gateway, raw, soon(world)), ERR_CONFLICT);
    bench.ports.unsign(&bench.gateway, commit_nonce);
    assert_int_equal(sign_commit(&bench, &raw, &tx), 2);
    bench_close(&bench);
}

/* ---- gaps ---- */

struct pool_look {
    u64 nonces; /* bit n: nonce n waits */
    struct hash of_two;
};

static bool look_at(void *ctx, const struct pool_tx *tx)
{
    struct pool_look *look = ctx;
    look->nonces |= 1ull << tx->nonce;
    look->of_two = tx->nonce == 2 ? tx->hash : look->of_two;
    return true;
}

static struct pool_look pool_now(struct chain_world *world)
{
    struct pool_look look = {0};
    pool_each(app_pool(world->ledger.ledger.app), look_at, &look);
    return look;
}

static void gaps_are_filled_and_nothing_else(struct chain_world *world)
{
    struct bench bench;
    struct hash hashes[4];
    bytes raws[4];
    bench_open(&bench, world);
    for (u64 i = 0; i < 4; i++) {
        assert_int_equal(sign_commit(&bench, &raws[i], &hashes[i]), i);
    }
    test_ok(bench.ports.submit(&bench.gateway, raws[2], soon(world)));
    bench.ports.release(&bench.gateway, 0); /* lost and given up */
    bench.ports.release(&bench.gateway, 2); /* given up, and yet in the pool */
    test_ok(bench.ports.fill(&bench.gateway, 0, 4, soon(world)));
    struct pool_look look = pool_now(world);
    assert_int_equal(look.nonces, 1 << 0 | 1 << 2);               /* 1 and 3 are somebody's */
    assert_true(hash_eq(&look.of_two, &hashes[2]));               /* not replaced */
    test_ok(bench.ports.fill(&bench.gateway, 0, 4, soon(world))); /* there is nothing more to do */
    for (u64 i = 1; i < 4; i += 2) {
        test_ok(bench.ports.submit(&bench.gateway, raws[i], soon(world)));
    }
    world_mine(world);
    while (final_nonce(world) < 4) {
        test_ok(fiber_sleep(world->loop, in_ms(world, 20)));
    }
    test_ok(bench.ports.fill(&bench.gateway, 0, 4, soon(world))); /* nonces that are used already */
    assert_int_equal(pool_now(world).nonces, 0);
    assert_int_equal(final_nonce(world), 4);
    bench_close(&bench);
}

static void filling_without_a_ledger_is_a_fault(struct chain_world *world)
{
    struct bench bench;
    struct hash tx;
    bytes raw;
    bench_open(&bench, world);
    assert_int_equal(sign_commit(&bench, &raw, &tx), 0);
    assert_int_equal(sign_commit(&bench, &raw, &tx), 1);
    bench.ports.release(&bench.gateway, 0);
    fake_be(&world->fakes[0], (struct fake){.mute = true});
    same_err(bench.ports.fill(&bench.gateway, 0, 1, in_ms(world, 300)), ERR_TIMEOUT);
    assert_false(chain_account_holds(bench.gateway.account, 0)); /* to be filled another time */
    fake_be_honest(&world->fakes[0]);
    test_ok(bench.ports.fill(&bench.gateway, 0, 1, soon(world)));
    assert_int_equal(pool_now(world).nonces, 1);
    bench_close(&bench);
}

WORLD_TEST(an_estimate_that_hangs)
WORLD_TEST(a_submission_that_hangs)
WORLD_TEST(what_was_signed_keeps_its_nonce)
WORLD_TEST(nonces_of_the_log_are_held)
WORLD_TEST(a_nonce_that_somebody_else_took)
WORLD_TEST(gaps_are_filled_and_nothing_else)
WORLD_TEST(filling_without_a_ledger_is_a_fault)

int main(void)
{
    const struct hash seed = {{7}};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_estimate_that_hangs),
        cmocka_unit_test(test_a_submission_that_hangs),
        cmocka_unit_test(test_what_was_signed_keeps_its_nonce),
        cmocka_unit_test(test_nonces_of_the_log_are_held),
        cmocka_unit_test(test_a_nonce_that_somebody_else_took),
        cmocka_unit_test(test_gaps_are_filled_and_nothing_else),
        cmocka_unit_test(test_filling_without_a_ledger_is_a_fault),
    };
    crypto_init(&seed);
    vault_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

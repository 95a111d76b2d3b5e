/* Transactions: nonces, pipelines, refusals, a ledger that forgets, and the ends of calls. */
#include "base/log.h"
#include "chain/module_call.h"
#include "chain/testing.h"

static struct chain_account *open_account(struct chain_world *world)
{
    struct chain_account *account;
    test_ok(chain_account_open(world->chain, &world->ledger.ledger.user, &account));
    struct address self = chain_account_address(account);
    assert_true(address_eq(&self, &world->ledger.ledger.user_address));
    return account;
}

static struct chain_call transfer(u8 to, u64 wei)
{
    return (struct chain_call){.to = {{0x77, to}}, .value = u256_from_u64(wei), .gas_limit = 21000};
}

static u64 balance_of(struct chain_world *world, u8 friend)
{
    struct u256 wei;
    struct address address = {{0x77, friend}};
    u64 small;
    test_ok(chain_balance(world->chain, &address, &wei, soon(world)));
    assert_true(u256_to_u64(&small, wei));
    return small;
}

static u64 final_nonce(struct chain_world *world)
{
    u64 nonce;
    test_ok(chain_nonce(world->chain, &world->ledger.ledger.user_address, &nonce, soon(world)));
    return nonce;
}

/* ---- one after the other ---- */

static void a_call_is_final(struct chain_world *world)
{
    struct chain_receipt receipt;
    struct abi_value values[2];
    const struct chain_call call = set_call(world, 5, 55);
    world_mine(world);
    world_open(world, 1);
    struct chain_account *account = open_account(world);
    test_ok(chain_send(account, &call, &world->arena, soon(world), &receipt));
    assert_true(receipt.success);
    assert_true(receipt.height <= chain_head(world->chain).height);
    assert_int_equal(receipt.log_count, 1);
    const struct chain_log *log = module_find_log(
        &receipt, VAULT_NUMBER, vault_module.events[0].signature, &world->arena, values);
    assert_ptr_equal(log, &receipt.logs[0]);
    assert_int_equal(abi_as_u64(&values[0]), 5);
    assert_int_equal(abi_as_u64(&values[1]), 55);
    assert_null(module_find_log(&receipt, VAULT_NUMBER, "Other(uint64 x)", &world->arena, values));
    assert_null(module_find_log(&receipt, VAULT_NUMBER + 1, vault_module.events[0].signature,
                                &world->arena, values));
    vault_is(world, 5, 55);

    const struct abi_value args[] = {abi_u64(6), abi_u64(66)};
    test_ok(module_send(account, VAULT_NUMBER, vault_module.functions[VAULT_SET].signature, args,
                        u256_from_u64(0), &world->arena, soon(world), &receipt));
    vault_is(world, 6, 66);
    assert_int_equal(final_nonce(world), 2);
    chain_account_close(account);
    chain_account_close(NULL);
}

static void signed_submitted_awaited(struct chain_world *world)
{
    struct chain_receipt receipt;
    struct hash hashes[3];
    bytes raws[3];
    world_open(world, 1);
    struct chain_account *account = open_account(world);
    for (size_t i = 0; i < 3; i++) {
        struct chain_call call = transfer(1, 10 + i);
        test_ok(chain_sign(account, &call, &world->arena, soon(world), &raws[i], &hashes[i]));
    }
    /* The order of submission does not matter: later nonces wait in the pool. */
    for (size_t i = 3; i-- > 0;) {
        test_ok(chain_submit_raw(world->chain, raws[i], soon(world)));
        test_ok(chain_submit_raw(world->chain, raws[i], soon(world))); /* known is fine */
    }
    same_err(chain_receipt_of(world->chain, &hashes[0], &world->arena, soon(world), &receipt),
             ERR_NOT_FOUND);
    world_blocks(world, 1); /* in a block, which nothing certifies yet */
    same_err(chain_receipt_of(world->chain, &hashes[0], &world->arena, soon(world), &receipt),
             ERR_NOT_FOUND);
    same_err(chain_await(world->chain, &hashes[0], &world->arena, in_ms(world, 100), &receipt),
             ERR_TIMEOUT);
    world_blocks(world, 1);
    u64 used = 0;
    for (size_t i = 0; i < 3; i++) {
        test_ok(chain_await(world->chain, &hashes[i], &world->arena, soon(world), &receipt));
        assert_true(receipt.success);
        used += receipt.gas_used == 21000;
    }
    assert_int_equal(used, 3);
    assert_int_equal(balance_of(world, 1), 33);
    /* nonce too low */
    same_err(chain_submit_raw(world->chain, raws[0], soon(world)), ERR_CONFLICT);
    chain_account_close(account);
}

/* A receipt that is proven moves the head along, even if the follower has not seen it. */
static json_t *say_null(struct fake *fake, json_t *result)
{
    (void)fake;
    (void)result;
    return json_null();
}

static void a_receipt_brings_its_head(struct chain_world *world)
{
    struct chain_receipt receipt;
    world_open(world, 1);
    fake_be(&world->fakes[0], (struct fake){.method = "cairn_head", .twist = say_null});
    struct hash tx = rpc_send_set(&world->ledger, 5, 55);
    world_blocks(world, 2);
    test_ok(chain_receipt_of(world->chain, &tx, &world->arena, soon(world), &receipt));
    assert_int_equal(chain_head(world->chain).height, receipt.height);
    vault_is(world, 5, 55);
}

/* ---- refusals ---- */

static struct chain_call failing_call(struct chain_world *world)
{
    struct buf out;
    const struct abi_value args[] = {abi_bytes(bytes_str("not today"))};
    buf_init(&out, KIB(4));
    bytes input = arena_copy(&world->arena, vault_call(&out, VAULT_FAIL, args));
    buf_free(&out);
    return (struct chain_call){.to = native_address(VAULT_NUMBER), .input = input};
}

static bool saw_reason;

static void look_for_reason(void *ctx, enum log_level level, const char *module,
                            const char *message)
{
    (void)ctx;
    (void)level;
    (void)module;
    saw_reason = saw_reason || strstr(message, "not today") != NULL;
}

/* The vault pays something before it refuses. */
static void fill_vault(struct chain_world *world)
{
    struct buf out;
    const struct address vault = native_address(VAULT_NUMBER);
    buf_init(&out, KIB(4));
    rpc_send(&world->ledger, test_tx(0, &vault, 1000, vault_call(&out, VAULT_DEPOSIT, NULL)));
    buf_free(&out);
    world_blocks(world, 2);
}

static void refused_calls_take_no_nonce(struct chain_world *world)
{
    struct chain_receipt receipt = {0};
    struct chain_call failing = failing_call(world);
    const struct chain_call good = set_call(world, 5, 55);
    bytes raw;
    struct hash hash;
    fill_vault(world);
    world_mine(world);
    world_open(world, 1);
    struct chain_account *account = open_account(world);
    log_set_sink(look_for_reason, NULL);
    saw_reason = false;
    same_err(chain_send(account, &failing, &world->arena, soon(world), &receipt), ERR_REFUSED);
    assert_true(saw_reason);
    log_set_sink(NULL, NULL);
    same_err(chain_sign(account, &failing, &world->arena, soon(world), &raw, &hash), ERR_REFUSED);
    /* More than anybody has: the pool refuses it for good. */
    struct chain_call rich = transfer(2, 1);
    rich.value = (struct u256){{0, 0, 1, 0}};
    same_err(chain_send(account, &rich, &world->arena, soon(world), &receipt), ERR_REFUSED);
    test_ok(chain_send(account, &good, &world->arena, soon(world), &receipt));
    assert_int_equal(final_nonce(world), 2);
    /* With a limit given nobody asks before: it gets into a block and reverts there. */
    failing.gas_limit = 100000;
    same_err(chain_send(account, &failing, &world->arena, soon(world), &receipt), ERR_REFUSED);
    assert_false(receipt.success);
    assert_int_equal(receipt.log_count, 0);
    assert_int_equal(final_nonce(world), 3);
    test_ok(chain_send(account, &good, &world->arena, soon(world), &receipt));
    chain_account_close(account);
}

static void what_does_not_fit(struct chain_world *world)
{
    struct chain_receipt receipt;
    struct arena small;
    u8 *input = mem_alloc(CHAIN_RAW_TX_BYTES_MAX);
    struct chain_call call = {
        .to = {{1}}, .input = bytes_make(input, CHAIN_RAW_TX_BYTES_MAX), .gas_limit = 1000000};
    world_mine(world);
    world_open(world, 1);
    struct chain_account *account = open_account(world);
    same_err(chain_send(account, &call, &world->arena, soon(world), &receipt), ERR_LIMIT);
    call = transfer(1, 1);
    arena_init(&small, 50);
    same_err(chain_send(account, &call, &small, soon(world), &receipt), ERR_LIMIT);
    arena_free(&small);
    test_ok(chain_send(account, &call, &world->arena, soon(world), &receipt));
    assert_int_equal(final_nonce(world), 1);
    chain_account_close(account);
    mem_free(input);
}

/* ---- many at once ---- */

struct sender {
    struct chain_world *world;
    struct chain_account *account;
    struct chain_call call;
    err result;
    struct chain_receipt receipt;
};

static void send_one(void *arg)
{
    struct sender *sender = arg;
    sender->result = chain_send(sender->account, &sender->call, &sender->world->arena,
                                soon(sender->world), &sender->receipt);
}

static void start_sender(struct sender *sender, struct chain_world *world,
                         struct chain_account *account, struct chain_call call)
{
    *sender = (struct sender){.world = world, .account = account, .call = call};
    test_ok(group_start(world->loop, &world->fibers, "sender", send_one, sender));
}

static void many_fibers_one_account(struct chain_world *world)
{
    static struct sender senders[40];
    world_open(world, 1);
    struct chain_account *account = open_account(world);
    for (size_t i = 0; i < COUNT_OF(senders); i++) {
        struct chain_call call = i % 2 == 0 ? transfer(1, 1) : set_call(world, i, 100 + i);
        if (i % 10 == 7) {
            call = transfer(2, 1);
            call.value = (struct u256){{0, 0, 1, 0}}; /* refused for good, in between */
        } else if (i % 10 == 3) {
            call = failing_call(world); /* refused by the estimate */
        }
        start_sender(&senders[i], world, account, call);
    }
    world_mine(world);
    while (world->fibers.running > 1) {
        test_ok(fiber_sleep(world->loop, in_ms(world, 20)));
    }
    for (size_t i = 0; i < COUNT_OF(senders); i++) {
        bool refused = i % 10 == 7 || i % 10 == 3;
        same_err(senders[i].result, refused ? ERR_REFUSED : ERR_OK);
    }
    assert_int_equal(final_nonce(world), 32);
    assert_int_equal(balance_of(world, 1), 20);
    vault_is(world, 9, 109);
    chain_account_close(account);
}

/* The pool takes 64 of one account: the rest is told to come later, and does. */
static void more_than_the_pool_takes(struct chain_world *world)
{
    static struct sender senders[90];
    bytes raw;
    struct hash hash;
    struct chain_call call = transfer(1, 1);
    world_open(world, 1);
    struct chain_account *account = open_account(world);
    for (size_t i = 0; i < COUNT_OF(senders); i++) {
        start_sender(&senders[i], world, account, transfer(1, 1));
    }
    test_ok(fiber_sleep(world->loop, in_ms(world, 1500)));
    test_ok(chain_sign(account, &call, &world->arena, soon(world), &raw, &hash));
    same_err(chain_submit_raw(world->chain, raw, soon(world)), ERR_BUSY);
    world_mine(world);
    while (world->fibers.running > 1) {
        test_ok(fiber_sleep(world->loop, in_ms(world, 20)));
    }
    for (size_t i = 0; i < COUNT_OF(senders); i++) {
        test_ok(senders[i].result);
    }
    assert_int_equal(final_nonce(world), COUNT_OF(senders));
    test_ok(chain_submit_raw(world->chain, raw, soon(world)));
    chain_account_close(account);
}

/* ---- a ledger that forgets, and nonces that are taken ---- */

static bool note_hash(void *ctx, const struct pool_tx *tx)
{
    struct hash *hash = ctx;
    *hash = tx->hash;
    return false;
}

static size_t forget_all(struct chain_world *world)
{
    struct pool *pool = app_pool(world->ledger.ledger.app);
    size_t count = 0;
    while (pool->by_hash.count > 0) {
        struct hash hash;
        pool_each(pool, note_hash, &hash);
        pool_drop(pool, &hash);
        count++;
    }
    return count;
}

static void forgotten_transactions_are_sent_again(struct chain_world *world)
{
    struct sender senders[5];
    world_open(world, 1);
    struct chain_account *account = open_account(world);
    for (size_t i = 0; i < COUNT_OF(senders); i++) {
        start_sender(&senders[i], world, account, transfer(1, 1));
    }
    test_ok(fiber_sleep(world->loop, in_ms(world, 300)));
    assert_int_equal(forget_all(world), COUNT_OF(senders));
    world_blocks(world, 2);
    assert_int_equal(final_nonce(world), 0);
    world_mine(world);
    while (world->fibers.running > 1) {
        test_ok(fiber_sleep(world->loop, in_ms(world, 20)));
    }
    for (size_t i = 0; i < COUNT_OF(senders); i++) {
        test_ok(senders[i].result);
    }
    assert_int_equal(balance_of(world, 1), COUNT_OF(senders));
    chain_account_close(account);
}

/* Somebody else used the key: the nonce of ours is taken. */
static void a_taken_nonce_is_a_conflict(struct chain_world *world)
{
    struct chain_receipt receipt;
    struct sender sender;
    const struct chain_call call = transfer(1, 1);
    world_mine(world);
    world_open(world, 1);
    struct chain_account *account = open_account(world);
    test_ok(chain_send(account, &call, &world->arena, soon(world), &receipt));
    world->ledger.nonce = 1;
    rpc_send_set(&world->ledger, 5, 55); /* nonce 1, which is ours in our mind */
    world_blocks(world, 2);
    u64 begin_ms = loop_now_ms(world->loop);
    start_sender(&sender, world, account, call);
    test_ok(fiber_sleep(world->loop, in_ms(world, 100)));
    test_ok(chain_send(account, &call, &world->arena, soon(world), &receipt)); /* has found out */
    while (world->fibers.running > 1) {
        test_ok(fiber_sleep(world->loop, in_ms(world, 20)));
    }
    same_err(sender.result, ERR_CONFLICT);
    assert_in_range(loop_now_ms(world->loop) - begin_ms, 3000, 12000);
    test_ok(chain_send(account, &call, &world->arena, soon(world), &receipt));
    assert_int_equal(balance_of(world, 1), 3);
    chain_account_close(account);
}

/* A signed transaction that is given up leaves a gap; after a resync the next one fills it. */
static void a_resync_fills_the_gap(struct chain_world *world)
{
    struct chain_receipt receipt;
    struct chain_call call = transfer(1, 1);
    bytes raw;
    bytes later;
    struct hash hash;
    world_mine(world);
    world_open(world, 1);
    struct chain_account *account = open_account(world);
    test_ok(chain_sign(account, &call, &world->arena, soon(world), &raw, &hash)); /* never sent */
    test_ok(chain_sign(account, &call, &world->arena, soon(world), &later, &hash));
    test_ok(chain_submit_raw(world->chain, later, soon(world)));
    same_err(chain_await(world->chain, &hash, &world->arena, in_ms(world, 300), &receipt),
             ERR_TIMEOUT);
    chain_account_resync(account);
    test_ok(chain_send(account, &call, &world->arena, soon(world), &receipt));
    test_ok(chain_await(world->chain, &hash, &world->arena, soon(world), &receipt));
    assert_int_equal(final_nonce(world), 2);
    /* A call that timed out asks for its nonce again by itself. */
    fake_be(&world->fakes[0], (struct fake){.method = "eth_sendRawTransaction", .mute = true});
    same_err(chain_send(account, &call, &world->arena, in_ms(world, 200), &receipt), ERR_TIMEOUT);
    fake_be_honest(&world->fakes[0]);
    test_ok(chain_send(account, &call, &world->arena, soon(world), &receipt));
    assert_int_equal(final_nonce(world), 3);
    chain_account_close(account);
}

/* What is held keeps its nonce, although the ledger has never heard of it, or has forgotten it. */
static void held_nonces_are_not_given_out(struct chain_world *world)
{
    struct chain_call call = transfer(1, 1);
    u64 nonces[3];
    bytes raws[3];
    struct hash hash;
    world_open(world, 1);
    struct chain_account *account = open_account(world);
    chain_account_hold(account, 1); /* found in a log, before anything was asked */
    for (size_t i = 0; i < COUNT_OF(nonces); i++) {
        chain_account_resync(account);
        test_ok(chain_sign_hold(account, &call, &world->arena, soon(world), &raws[i], &hash,
                                &nonces[i]));
    }
    assert_int_equal(nonces[0], 0); /* the ledger misses it and nobody has it */
    assert_int_equal(nonces[1], 2);
    assert_int_equal(nonces[2], 3);
    chain_account_release(account, nonces[0]);
    assert_false(chain_account_holds(account, 0));
    assert_true(chain_account_holds(account, 1) && chain_account_holds(account, 2));
    chain_account_resync(account);
    test_ok(
        chain_sign_hold(account, &call, &world->arena, soon(world), &raws[0], &hash, &nonces[0]));
    assert_int_equal(nonces[0], 0); /* given up, so it is missing again */
    chain_account_close(account);
}

/* Gaps are closed one after the other, lowest first; then signatures go on at the end. */
static void every_gap_is_given_out_once(struct chain_world *world)
{
    static const u64 expected[] = {0, 1, 3, 5, 6};
    struct chain_call call = transfer(1, 1);
    struct chain_receipt receipt;
    u64 nonce;
    bytes raw;
    struct hash hash;
    world_open(world, 1);
    struct chain_account *account = open_account(world);
    for (u64 held = 2; held <= 4; held += 2) { /* 2 and 4 wait in the pool */
        test_ok(chain_sign_at(account, &call, held, &world->arena, &raw, &hash));
        test_ok(chain_submit_raw(world->chain, raw, soon(world)));
        chain_account_hold(account, held);
    }
    chain_account_resync(account);
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        test_ok(chain_sign_hold(account, &call, &world->arena, soon(world), &raw, &hash, &nonce));
        assert_int_equal(nonce, expected[i]);
        test_ok(chain_submit_raw(world->chain, raw, soon(world)));
        if (nonce < 5) {
            chain_account_resync(account); /* as after one that was given up */
        }
    }
    world_mine(world);
    test_ok(chain_await(world->chain, &hash, &world->arena, soon(world), &receipt));
    assert_int_equal(final_nonce(world), 7);
    chain_account_close(account);
}

/* While the ledger is away nothing waits long for the nonce that it would like best. */
static void signing_goes_on_without_the_ledger(struct chain_world *world)
{
    struct chain_call call = transfer(1, 1);
    bytes raw;
    struct hash hash;
    u64 nonce;
    world_open(world, 1);
    struct chain_account *account = open_account(world);
    test_ok(chain_sign_hold(account, &call, &world->arena, soon(world), &raw, &hash, &nonce));
    assert_int_equal(nonce, 0);
    fake_be(&world->fakes[0], (struct fake){.mute = true});
    chain_account_resync(account);
    u64 begin_ms = loop_now_ms(world->loop);
    test_ok(chain_sign_hold(account, &call, &world->arena, soon(world), &raw, &hash, &nonce));
    assert_int_equal(nonce, 1);
    assert_true(loop_now_ms(world->loop) - begin_ms < 4000);
    chain_account_close(account);
    /* One that never knew a nonce must wait for it. */
    account = open_account(world);
    same_err(chain_sign_hold(account, &call, &world->arena, in_ms(world, 300), &raw, &hash, &nonce),
             ERR_TIMEOUT);
    chain_account_close(account);
}

/* An estimate that hangs is in nobody's way. */
struct estimating {
    struct chain_world *world;
    struct chain_account *account;
    err result;
};

static void estimate_slowly(void *arg)
{
    struct estimating *estimating = arg;
    struct chain_call call = transfer(1, 1);
    bytes raw;
    struct hash hash;
    call.gas_limit = 0;
    estimating->result = chain_sign(estimating->account, &call, &estimating->world->arena,
                                    in_ms(estimating->world, 1500), &raw, &hash);
}

static void an_estimate_holds_no_one_up(struct chain_world *world)
{
    struct estimating estimating = {.world = world};
    struct chain_call call = transfer(1, 1);
    struct chain_receipt receipt;
    world_mine(world);
    world_open(world, 1);
    estimating.account = open_account(world);
    fake_be(&world->fakes[0], (struct fake){.method = "eth_estimateGas", .mute = true});
    test_ok(group_start(world->loop, &world->fibers, "estimate", estimate_slowly, &estimating));
    test_ok(fiber_sleep(world->loop, in_ms(world, 20)));
    u64 begin_ms = loop_now_ms(world->loop);
    test_ok(chain_send(estimating.account, &call, &world->arena, soon(world), &receipt));
    assert_true(loop_now_ms(world->loop) - begin_ms < 1200);
    while (world->fibers.running > 1) {
        test_ok(fiber_sleep(world->loop, in_ms(world, 20)));
    }
    same_err(estimating.result, ERR_TIMEOUT);
    chain_account_close(estimating.account);
}

/* An answer about the nonce that was under way when a resync was asked for is stale. */
static void sign_one(void *arg)
{
    struct sender *sender = arg;
    bytes raw;
    struct hash hash;
    sender->result = chain_sign(sender->account, &sender->call, &sender->world->arena,
                                soon(sender->world), &raw, &hash);
}

static void a_resync_outdates_answers(struct chain_world *world)
{
    struct sender sender = {.world = world, .call = transfer(1, 1)};
    world_open(world, 1);
    sender.account = open_account(world);
    fake_be(&world->fakes[0], (struct fake){.method = "eth_getTransactionCount", .delay_ms = 100});
    test_ok(group_start(world->loop, &world->fibers, "sign", sign_one, &sender));
    test_ok(fiber_sleep(world->loop, in_ms(world, 50)));
    chain_account_resync(sender.account);
    fake_be_honest(&world->fakes[0]);
    group_wait(world->loop, &world->fibers);
    test_ok(sender.result);
    assert_true(world->fakes[0].calls >= 1); /* it was asked again */
    chain_account_close(sender.account);
}

static json_t *say_maximum(struct fake *fake, json_t *result)
{
    (void)fake;
    (void)result;
    return json_quantity(UINT64_MAX);
}

static void absurd_numbers(struct chain_world *world)
{
    struct chain_receipt receipt;
    struct chain_call call = transfer(1, 1);
    world_mine(world);
    world_open(world, 1);
    struct chain_account *account = open_account(world);
    struct fake *node = &world->fakes[0];
    fake_be(node, (struct fake){.method = "eth_getTransactionCount", .twist = say_maximum});
    same_err(chain_send(account, &call, &world->arena, soon(world), &receipt), ERR_MALFORMED);
    call.gas_limit = 0;
    fake_be(node, (struct fake){.method = "eth_estimateGas", .twist = say_maximum});
    same_err(chain_send(account, &call, &world->arena, soon(world), &receipt), ERR_MALFORMED);
    fake_be_honest(node);
    test_ok(chain_send(account, &call, &world->arena, soon(world), &receipt));
    chain_account_close(account);
}

/* ---- logs ---- */

static void logs_of_final_blocks(struct chain_world *world)
{
    const struct address vault = native_address(VAULT_NUMBER);
    const struct address nobody = {{1}};
    const struct chain_log *logs;
    size_t count;
    u64 first = world_height(world) + 1;
    for (u64 i = 0; i < 3; i++) {
        rpc_send_set(&world->ledger, i, i);
        rpc_send_set(&world->ledger, 10 + i, i);
        world_blocks(world, 1);
    }
    world_open(world, 1); /* the third is not final yet */
    test_ok(
        chain_logs(world->chain, &vault, 0, UINT64_MAX, &world->arena, soon(world), &logs, &count));
    assert_int_equal(count, 4);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(logs[i].height, first + i / 2);
        assert_int_equal(logs[i].index, i % 2);
        assert_int_equal(load_be64(logs[i].topics[1].b + 24), i / 2 + i % 2 * 10);
        assert_int_equal(logs[i].topic_count, 2);
    }
    test_ok(chain_logs(world->chain, &vault, first, first + 1, &world->arena, soon(world), &logs,
                       &count));
    assert_int_equal(count, 2);
    test_ok(chain_logs(world->chain, &nobody, 0, first, &world->arena, soon(world), &logs, &count));
    assert_int_equal(count, 0);
    size_t calls = world->fakes[0].calls;
    test_ok(chain_logs(world->chain, &vault, 50, 60, &world->arena, soon(world), &logs, &count));
    test_ok(chain_logs(world->chain, &vault, UINT64_MAX, UINT64_MAX, &world->arena, soon(world),
                       &logs, &count));
    assert_int_equal(count, 0);
    assert_int_equal(world->fakes[0].calls, calls);
}

/* ---- ends ---- */

static void closing_is_quick(struct chain_world *world)
{
    for (unsigned kind = 0; kind < 4; kind++) {
        world_open(world, 2); /* its follower waits at the node */
        fake_be(
            &world->fakes[0],
            (struct fake){.mute = kind == 1, .stall = kind == 2, .status = kind == 3 ? 500 : 0});
        world_blocks(world, kind == 0 ? 0 : 1); /* the next question meets the lie */
        test_ok(fiber_sleep(world->loop, in_ms(world, 50)));
        u64 begin_ms = loop_now_ms(world->loop);
        world_close(world);
        assert_true(loop_now_ms(world->loop) - begin_ms < 1000); /* a poll takes 5 s */
        fake_be_honest(&world->fakes[0]);
    }
    chain_close(NULL);
}

struct parked {
    struct chain_world *world;
    unsigned kind;
    bool ended;
};

static err park(struct chain_world *world, struct chain_account *account, unsigned kind)
{
    struct chain_call call = transfer(1, 1);
    struct chain_receipt receipt;
    struct hash hash = {{1}};
    struct u256 wei;
    bytes raw;
    u64 value;
    switch (kind) {
    case 0:
        return vault_value(world, 7, DEADLINE_NONE, &value);
    case 1:
        return chain_send(account, &call, &world->arena, DEADLINE_NONE, &receipt);
    case 2:
        return chain_await(world->chain, &hash, &world->arena, DEADLINE_NONE, &receipt);
    case 3:
        return chain_wait(world->chain, 1000000, DEADLINE_NONE);
    case 4:
        call.gas_limit = 0;
        return chain_sign(account, &call, &world->arena, DEADLINE_NONE, &raw, &hash);
    default:
        return chain_balance(world->chain, &call.to, &wei, DEADLINE_NONE);
    }
}

static void park_until_the_end(void *arg)
{
    struct parked *parked = arg;
    struct chain_account *account = open_account(parked->world);
    same_err(park(parked->world, account, parked->kind), ERR_CANCELLED);
    chain_account_close(account);
    parked->ended = true;
}

static void stopping_ends_every_call(struct chain_world *world)
{
    struct parked parked[12];
    world_open(world, 2);
    fake_be(&world->fakes[0], (struct fake){.mute = true});
    fake_be(&world->fakes[1], (struct fake){.stall = true});
    for (unsigned i = 0; i < COUNT_OF(parked); i++) {
        parked[i] = (struct parked){.world = world, .kind = i % 6};
        test_ok(group_start(world->loop, &world->fibers, "parked", park_until_the_end, &parked[i]));
    }
    test_ok(fiber_sleep(world->loop, in_ms(world, 200)));
    u64 begin_ms = loop_now_ms(world->loop);
    loop_stop(world->loop);
    group_wait(world->loop, &world->fibers);
    world_close(world);
    assert_true(loop_now_ms(world->loop) - begin_ms < 1500);
    for (size_t i = 0; i < COUNT_OF(parked); i++) {
        assert_true(parked[i].ended);
    }
}

static void deadlines_in_the_past(struct chain_world *world)
{
    struct chain_account *account;
    struct chain_receipt receipt;
    struct hash hash = {{1}};
    struct u256 wei;
    struct chain_call call = transfer(1, 1);
    u64 value;
    world_open(world, 2);
    account = open_account(world);
    u64 past = loop_now_ms(world->loop) - 1;
    same_err(vault_value(world, 3, past, &value), ERR_TIMEOUT);
    same_err(chain_balance(world->chain, &call.to, &wei, past), ERR_TIMEOUT);
    same_err(chain_await(world->chain, &hash, &world->arena, past, &receipt), ERR_TIMEOUT);
    same_err(chain_send(account, &call, &world->arena, past, &receipt), ERR_TIMEOUT);
    same_err(chain_send(account, &call, &world->arena, 0, &receipt), ERR_TIMEOUT);
    world_close(world);
    same_err(world_try_open(world, 1, past), ERR_TIMEOUT);
    chain_account_close(account);
}

WORLD_TEST(a_call_is_final)
WORLD_TEST(signed_submitted_awaited)
WORLD_TEST(a_receipt_brings_its_head)
WORLD_TEST(refused_calls_take_no_nonce)
WORLD_TEST(what_does_not_fit)
WORLD_TEST(many_fibers_one_account)
WORLD_TEST(more_than_the_pool_takes)
WORLD_TEST(forgotten_transactions_are_sent_again)
WORLD_TEST(a_taken_nonce_is_a_conflict)
WORLD_TEST(a_resync_fills_the_gap)
WORLD_TEST(held_nonces_are_not_given_out)
WORLD_TEST(every_gap_is_given_out_once)
WORLD_TEST(signing_goes_on_without_the_ledger)
WORLD_TEST(an_estimate_holds_no_one_up)
WORLD_TEST(a_resync_outdates_answers)
WORLD_TEST(absurd_numbers)
WORLD_TEST(logs_of_final_blocks)
WORLD_TEST(closing_is_quick)
WORLD_TEST(stopping_ends_every_call)
WORLD_TEST(deadlines_in_the_past)

int main(void)
{
    const struct hash seed = {{7}};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_call_is_final),
        cmocka_unit_test(test_signed_submitted_awaited),
        cmocka_unit_test(test_a_receipt_brings_its_head),
        cmocka_unit_test(test_refused_calls_take_no_nonce),
        cmocka_unit_test(test_what_does_not_fit),
        cmocka_unit_test(test_many_fibers_one_account),
        cmocka_unit_test(test_more_than_the_pool_takes),
        cmocka_unit_test(test_forgotten_transactions_are_sent_again),
        cmocka_unit_test(test_a_taken_nonce_is_a_conflict),
        cmocka_unit_test(test_a_resync_fills_the_gap),
        cmocka_unit_test(test_held_nonces_are_not_given_out),
        cmocka_unit_test(test_every_gap_is_given_out_once),
        cmocka_unit_test(test_signing_goes_on_without_the_ledger),
        cmocka_unit_test(test_an_estimate_holds_no_one_up),
        cmocka_unit_test(test_a_resync_outdates_answers),
        cmocka_unit_test(test_absurd_numbers),
        cmocka_unit_test(test_logs_of_final_blocks),
        cmocka_unit_test(test_closing_is_quick),
        cmocka_unit_test(test_stopping_ends_every_call),
        cmocka_unit_test(test_deadlines_in_the_past),
    };
    crypto_init(&seed);
    vault_init();
    cmocka_set_test_filter(getenv("FILTER"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "ledger/pool/pool.h"

#include "base/mem.h"
#include "base/prng.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#undef fail /* cmocka's; err.h's is meant */

#define CHAIN_ID 7
#define USERS 12
#define GAS_LIMIT 30000000

static void assert_ok(err e) { assert_int_equal(e.code, ERR_OK); }

/* Users with a balance and a nonce, and a pool. */
struct world {
    struct pool pool;
    struct secp_secret secrets[USERS];
    struct address addresses[USERS];
    struct account accounts[USERS];
    struct state_source source;
    bool broken;
};

static err source_account(void *ctx, const struct address *address, struct account *ret_account)
{
    struct world *world = ctx;
    *ret_account = account_none();
    for (size_t i = 0; i < USERS; i++) {
        if (address_eq(address, &world->addresses[i])) {
            *ret_account = world->accounts[i];
        }
    }
    return world->broken ? fail(ERR_IO) : ok();
}

/* Code hashes that begin with DELEGATED are of delegations, all others of contracts. */
#define DELEGATED 0xde

static err source_code(void *ctx, const struct hash *code_hash, struct arena *arena,
                       bytes *ret_code)
{
    static const u8 delegation[23] = {0xef, 0x01, 0x00, 0x55};
    static const u8 contract[23] = {0x60, 0x00};
    (void)ctx;
    *ret_code =
        arena_copy(arena, code_hash->b[0] == DELEGATED ? BYTES_OF(delegation) : BYTES_OF(contract));
    return ok();
}

static struct pool_options small_options(void)
{
    struct pool_options options = pool_options_default(CHAIN_ID, GAS_LIMIT);
    options.txs_max = 40;
    options.account_txs_max = 8;
    options.account_queued_max = 3;
    return options;
}

static struct world *world_new(const struct pool_options *options)
{
    struct world *world = MEM_NEW(struct world);
    pool_init(&world->pool, options);
    world->pool.base_fee = u256_from_u64(10);
    for (size_t i = 0; i < USERS; i++) {
        u8 key[32] = {[31] = (u8)(i + 1)};
        assert_true(secp_secret_from(&world->secrets[i], key));
        secp_address_of_secret(&world->addresses[i], &world->secrets[i]);
        world->accounts[i] = account_none();
        world->accounts[i].balance = u256_from_u64(1000000000000);
    }
    world->source =
        (struct state_source){.ctx = world, .account = source_account, .code = source_code};
    return world;
}

static void world_free(struct world *world)
{
    pool_free(&world->pool);
    mem_free(world);
}

static struct tx make_tx(u64 nonce, u64 tip)
{
    return (struct tx){.type = TX_DYNAMIC_FEE,
                       .has_chain_id = true,
                       .chain_id = CHAIN_ID,
                       .nonce = nonce,
                       .max_fee = u256_from_u64(1000 + tip),
                       .max_priority = u256_from_u64(tip),
                       .gas_limit = 21000,
                       .to = {{9}}};
}

static enum tx_verdict add_tx(struct world *world, size_t user, struct tx tx)
{
    struct buf raw;
    struct hash hash;
    enum tx_verdict verdict;
    buf_init(&raw, KIB(4));
    tx_sign(&tx, &world->secrets[user]);
    tx_encode(&raw, &tx);
    assert_ok(pool_add(&world->pool, &world->source, buf_bytes(&raw), &hash, &verdict));
    buf_free(&raw);
    return verdict;
}

static enum tx_verdict add(struct world *world, size_t user, u64 nonce, u64 tip)
{
    return add_tx(world, user, make_tx(nonce, tip));
}

static size_t user_of(const struct world *world, const struct address *address)
{
    size_t i = 0;
    while (!address_eq(address, &world->addresses[i])) {
        i++;
    }
    return i;
}

static void nonce_gaps_wait(void **state)
{
    (void)state;
    struct pool_options options = small_options();
    struct world *world = world_new(&options);
    const struct pool_tx *txs[16];
    size_t ready;
    size_t queued;
    u64 next;
    assert_false(pool_next_nonce(&world->pool, &world->addresses[0], &next));
    assert_int_equal(add(world, 0, 2, 5), TX_VALID);
    assert_int_equal(add(world, 0, 1, 5), TX_VALID);
    pool_counts(&world->pool, &ready, &queued);
    assert_int_equal(ready, 0);
    assert_int_equal(queued, 2);
    assert_false(pool_waiting(&world->pool));
    assert_int_equal(pool_take(&world->pool, txs, 16, GAS_LIMIT, MIB(1)), 0);
    assert_int_equal(add(world, 0, 0, 5), TX_VALID);
    pool_counts(&world->pool, &ready, &queued);
    assert_int_equal(ready, 3);
    assert_int_equal(queued, 0);
    assert_true(pool_next_nonce(&world->pool, &world->addresses[0], &next));
    assert_int_equal(next, 3);
    assert_int_equal(pool_take(&world->pool, txs, 16, GAS_LIMIT, MIB(1)), 3);
    for (u64 i = 0; i < 3; i++) {
        assert_int_equal(txs[i]->nonce, i);
    }
    world_free(world);
}

static void replacement_needs_ten_percent(void **state)
{
    (void)state;
    struct pool_options options = small_options();
    struct world *world = world_new(&options);
    struct tx tx = make_tx(0, 100);
    tx.max_fee = u256_from_u64(1000);
    assert_int_equal(add_tx(world, 0, tx), TX_VALID);
    assert_int_equal(add_tx(world, 0, tx), TX_ALREADY_KNOWN);
    tx.max_fee = u256_from_u64(1099);
    tx.max_priority = u256_from_u64(110);
    assert_int_equal(add_tx(world, 0, tx), TX_REPLACEMENT_UNDERPRICED);
    tx.max_fee = u256_from_u64(1100);
    tx.max_priority = u256_from_u64(109);
    assert_int_equal(add_tx(world, 0, tx), TX_REPLACEMENT_UNDERPRICED);
    tx.max_priority = u256_from_u64(110);
    assert_int_equal(add_tx(world, 0, tx), TX_VALID);
    assert_int_equal(world->pool.by_hash.count, 1);
    world_free(world);
}

static void limits_of_an_account(void **state)
{
    (void)state;
    struct pool_options options = small_options();
    struct world *world = world_new(&options);
    assert_int_equal(add(world, 0, 8, 1), TX_NONCE_TOO_HIGH);
    for (u64 i = 2; i < 5; i++) {
        assert_int_equal(add(world, 0, i, 1), TX_VALID);
    }
    assert_int_equal(add(world, 0, 5, 1), TX_ACCOUNT_LIMIT); /* three are queued already */
    assert_int_equal(add(world, 0, 0, 1), TX_VALID);
    assert_int_equal(add(world, 0, 1, 1), TX_VALID);
    for (u64 i = 5; i < 8; i++) {
        assert_int_equal(add(world, 0, i, 1), TX_VALID);
    }
    assert_int_equal(add(world, 0, 8, 1), TX_NONCE_TOO_HIGH);
    assert_int_equal(add(world, 0, 7, 200), TX_VALID); /* a replacement is no addition */
    world_free(world);
}

static void form_and_state_are_checked(void **state)
{
    (void)state;
    struct pool_options options = small_options();
    options.tip_min = u256_from_u64(3);
    struct world *world = world_new(&options);
    struct hash hash;
    enum tx_verdict verdict;
    struct tx tx = make_tx(0, 2);
    assert_int_equal(add_tx(world, 0, tx), TX_UNDERPRICED);
    tx = make_tx(0, 5);
    tx.chain_id = 8;
    assert_int_equal(add_tx(world, 0, tx), TX_CHAIN_ID_WRONG);
    tx = make_tx(0, 5);
    tx.type = TX_LEGACY;
    tx.max_priority = tx.max_fee;
    tx.has_chain_id = false;
    tx.chain_id = 0;
    assert_int_equal(add_tx(world, 0, tx), TX_UNPROTECTED);
    tx = make_tx(0, 5);
    tx.gas_limit = 20000;
    assert_int_equal(add_tx(world, 0, tx), TX_GAS_BELOW_INTRINSIC);
    tx = make_tx(0, 5);
    struct hash blob = {{1}};
    tx.type = TX_BLOB;
    tx.blob_hashes = &blob;
    tx.blob_count = 1;
    assert_int_equal(add_tx(world, 0, tx), TX_BLOBS_REFUSED);
    /* With its blobs, as wallets send it, it is another form and larger than anything else. */
    u8 *sidecar = mem_alloc(KIB(200));
    sidecar[0] = TX_BLOB;
    assert_ok(
        pool_add(&world->pool, &world->source, bytes_make(sidecar, KIB(200)), &hash, &verdict));
    assert_int_equal(verdict, TX_BLOBS_REFUSED);
    mem_free(sidecar);
    world->accounts[1].code_hash = (struct hash){{1}};
    assert_int_equal(add(world, 1, 0, 5), TX_SENDER_HAS_CODE);
    world->accounts[0].nonce = 4;
    assert_int_equal(add(world, 0, 3, 5), TX_NONCE_TOO_LOW);
    assert_ok(pool_add(&world->pool, &world->source, bytes_str("\x02\xc0"), &hash, &verdict));
    assert_int_equal(verdict, TX_MALFORMED);
    world->broken = true;
    struct buf raw;
    buf_init(&raw, KIB(1));
    tx = make_tx(4, 5);
    tx_sign(&tx, &world->secrets[0]);
    tx_encode(&raw, &tx);
    assert_int_equal(pool_add(&world->pool, &world->source, buf_bytes(&raw), &hash, &verdict).code,
                     ERR_IO);
    buf_free(&raw);
    assert_int_equal(world->pool.by_hash.count, 0);
    world_free(world);
}

/* The balance must cover everything that waits, not each alone. */
static void funds_are_summed(void **state)
{
    (void)state;
    struct pool_options options = small_options();
    struct world *world = world_new(&options);
    world->accounts[0].balance = u256_from_u64(21000 * 1001 * 2 + 5);
    assert_int_equal(add(world, 0, 0, 1), TX_VALID);
    assert_int_equal(add(world, 0, 1, 1), TX_VALID);
    assert_int_equal(add(world, 0, 2, 1), TX_INSUFFICIENT_FUNDS);
    struct tx tx = make_tx(1, 2);
    tx.max_fee = u256_from_u64(1200);
    assert_int_equal(add_tx(world, 0, tx),
                     TX_INSUFFICIENT_FUNDS); /* dearer than what it replaces */
    world_free(world);
}

static void best_tips_first(void **state)
{
    (void)state;
    struct pool_options options = small_options();
    struct world *world = world_new(&options);
    const struct pool_tx *txs[16];
    static const struct {
        size_t user;
        u64 nonce;
        u64 tip;
    } in[] = {{0, 0, 5}, {0, 1, 50}, {1, 0, 20}, {2, 0, 20}, {3, 0, 1}, {1, 1, 3}};
    static const struct {
        size_t user;
        u64 nonce;
    } out[] = {{1, 0}, {2, 0}, {0, 0}, {0, 1}, {1, 1}, {3, 0}};
    for (size_t i = 0; i < COUNT_OF(in); i++) {
        assert_int_equal(add(world, in[i].user, in[i].nonce, in[i].tip), TX_VALID);
    }
    assert_int_equal(pool_take(&world->pool, txs, 16, GAS_LIMIT, MIB(1)), COUNT_OF(out));
    for (size_t i = 0; i < COUNT_OF(out); i++) {
        assert_int_equal(user_of(world, &txs[i]->sender), out[i].user);
        assert_int_equal(txs[i]->nonce, out[i].nonce);
    }
    assert_int_equal(pool_take(&world->pool, txs, 2, GAS_LIMIT, MIB(1)), 2);
    assert_int_equal(pool_take(&world->pool, txs, 16, 3 * 21000 + 1, MIB(1)), 3);
    assert_int_equal(pool_take(&world->pool, txs, 16, GAS_LIMIT, 2 * txs[0]->raw.len), 2);
    /* At a higher base fee those that do not pay it stay. */
    world->pool.base_fee = u256_from_u64(1010);
    assert_int_equal(pool_take(&world->pool, txs, 16, GAS_LIMIT, MIB(1)), 2);
    assert_int_equal(txs[0]->max_priority.limb[0], 20);
    world->pool.base_fee = u256_from_u64(5000);
    assert_false(pool_waiting(&world->pool));
    world_free(world);
}

static void blocks_clear_the_pool(void **state)
{
    (void)state;
    struct pool_options options = small_options();
    struct world *world = world_new(&options);
    for (u64 i = 0; i < 5; i++) {
        assert_int_equal(add(world, 0, i, 5), TX_VALID);
        assert_int_equal(add(world, 1, i, 5), TX_VALID);
    }
    world->accounts[0].nonce = 3;
    world->accounts[1].balance = u256_from_u64(100); /* spent: nothing is affordable any more */
    assert_ok(pool_advance(&world->pool, &world->source, u256_from_u64(10)));
    size_t ready;
    size_t queued;
    pool_counts(&world->pool, &ready, &queued);
    assert_int_equal(ready, 2);
    assert_int_equal(queued, 0);
    world->accounts[0].nonce = 5;
    assert_ok(pool_advance(&world->pool, &world->source, u256_from_u64(10)));
    assert_int_equal(world->pool.by_hash.count, 0);
    assert_int_equal(world->pool.by_sender.count, 0);
    assert_int_equal(world->pool.bytes, 0);
    world_free(world);
}

static void a_full_pool_keeps_what_pays(void **state)
{
    (void)state;
    struct pool_options options = small_options();
    options.txs_max = 8;
    struct world *world = world_new(&options);
    for (size_t user = 0; user < 8; user++) {
        assert_int_equal(add(world, user, 0, 10 + user), TX_VALID);
    }
    assert_int_equal(add(world, 8, 0, 10), TX_POOL_FULL);
    assert_int_equal(add(world, 8, 0, 9), TX_POOL_FULL);
    assert_int_equal(add(world, 8, 0, 11), TX_VALID); /* user 0 goes */
    assert_null(map_get(&world->pool.by_sender, BYTES_OF(world->addresses[0])));
    assert_int_equal(add(world, 9, 1, 1000), TX_POOL_FULL); /* queued: never over ready ones */
    assert_int_equal(add(world, 7, 1, 1000), TX_VALID);
    assert_int_equal(world->pool.by_hash.count, 8);
    world_free(world);
}

/* A dear last transaction does not protect the cheap ones before it: nobody gets it without them.
 */
static void a_dear_tail_protects_nothing(void **state)
{
    (void)state;
    struct pool_options options = small_options();
    options.txs_max = 8;
    struct world *world = world_new(&options);
    for (u64 i = 0; i < 7; i++) {
        assert_int_equal(add(world, 0, i, 1), TX_VALID);
    }
    assert_int_equal(add(world, 0, 7, 900), TX_VALID);
    for (size_t user = 1; user < 9; user++) {
        assert_int_equal(add(world, user, 0, 2), TX_VALID);
    }
    assert_null(map_get(&world->pool.by_sender, BYTES_OF(world->addresses[0])));
    assert_int_equal(add(world, 9, 0, 2), TX_POOL_FULL); /* the same is not more */
    world_free(world);
}

/* What cannot pay the next base fee goes before what can, however large its tip. */
static void what_cannot_pay_goes_first(void **state)
{
    (void)state;
    struct pool_options options = small_options();
    options.txs_max = 2;
    struct world *world = world_new(&options);
    assert_int_equal(add(world, 0, 0, 1000), TX_VALID); /* max_fee 2000 */
    assert_int_equal(add(world, 1, 0, 1), TX_VALID);
    world->pool.options.txs_max = 2;
    struct tx rich = make_tx(0, 1);
    rich.max_fee = u256_from_u64(9000);
    assert_ok(pool_advance(&world->pool, &world->source, u256_from_u64(5000)));
    assert_int_equal(add_tx(world, 2, rich), TX_VALID); /* user 1: the lowest max_fee */
    assert_null(map_get(&world->pool.by_sender, BYTES_OF(world->addresses[1])));
    assert_int_equal(add_tx(world, 3, rich),
                     TX_VALID); /* user 0: its tip of 1000 is out of reach */
    assert_null(map_get(&world->pool.by_sender, BYTES_OF(world->addresses[0])));
    assert_int_equal(add(world, 4, 0, 3000), TX_POOL_FULL); /* 4000 < 5000 */
    world_free(world);
}

/* A large transaction that does not get in after all evicts nobody on its way. */
static void nothing_is_evicted_for_a_refused_one(void **state)
{
    (void)state;
    struct pool_options options = small_options();
    struct world *world = world_new(&options);
    size_t each;
    assert_int_equal(add(world, 0, 0, 1), TX_VALID);
    each = world->pool.bytes;
    assert_int_equal(add(world, 0, 1, 1), TX_VALID);
    for (size_t user = 1; user < 5; user++) {
        assert_int_equal(add(world, user, 0, user < 3 ? 2 : 50), TX_VALID);
    }
    world->pool.options.bytes_max = world->pool.bytes;
    struct tx large = make_tx(0, 20);
    u8 *input = mem_alloc(5 * each);
    large.input = bytes_make(input, 4 * each);
    large.gas_limit = 500000;
    assert_int_equal(add_tx(world, 6, large), TX_POOL_FULL);
    assert_int_equal(world->pool.by_hash.count, 6);
    assert_int_equal(world->pool.ready_count, 6);
    large.max_priority = u256_from_u64(60);
    large.max_fee = u256_from_u64(1060);
    assert_int_equal(add_tx(world, 6, large), TX_VALID);
    assert_true(world->pool.by_hash.count < 6);
    assert_true(world->pool.bytes <= world->pool.options.bytes_max);
    mem_free(input);
    world_free(world);
}

/* Replacing takes no place of anybody else. */
static void a_replacement_needs_no_room(void **state)
{
    (void)state;
    struct pool_options options = small_options();
    options.txs_max = 2;
    struct world *world = world_new(&options);
    assert_int_equal(add(world, 0, 0, 100), TX_VALID);
    assert_int_equal(add(world, 1, 0, 1), TX_VALID);
    assert_int_equal(add(world, 0, 0, 300), TX_VALID);
    assert_int_equal(world->pool.by_hash.count, 2);
    assert_non_null(map_get(&world->pool.by_sender, BYTES_OF(world->addresses[1])));
    world_free(world);
}

static void queued_ones_expire(void **state)
{
    (void)state;
    struct pool_options options = small_options();
    options.queued_blocks_max = 3;
    struct world *world = world_new(&options);
    struct u256 fee = u256_from_u64(10);
    assert_int_equal(add(world, 0, 0, 5), TX_VALID);
    assert_int_equal(add(world, 0, 2, 5), TX_VALID);
    for (int i = 0; i < 3; i++) {
        assert_ok(pool_advance(&world->pool, &world->source, fee));
    }
    assert_int_equal(world->pool.by_hash.count, 2);
    assert_ok(pool_advance(&world->pool, &world->source, fee));
    assert_int_equal(world->pool.by_hash.count, 1); /* the ready one stays */
    for (int i = 0; i < 9; i++) {
        assert_ok(pool_advance(&world->pool, &world->source, fee));
    }
    assert_int_equal(world->pool.by_hash.count, 1);
    world_free(world);
}

/* --- EIP-7702 --- */

static struct tx delegating_tx(struct world *world, u64 nonce, struct tx_authorization *space,
                               size_t authority, u64 chain_id)
{
    struct tx tx = make_tx(nonce, 5);
    *space = (struct tx_authorization){.chain_id = u256_from_u64(chain_id), .address = {{7}}};
    tx_authorization_sign(space, &world->secrets[authority]);
    tx.type = TX_SET_CODE;
    tx.authorizations = space;
    tx.authorization_count = 1;
    tx.gas_limit = 100000;
    return tx;
}

static void delegated_accounts_have_one(void **state)
{
    (void)state;
    struct pool_options options = small_options();
    struct world *world = world_new(&options);
    world->accounts[0].code_hash = (struct hash){{DELEGATED}};
    assert_int_equal(add(world, 0, 1, 5), TX_DELEGATED_GAP);
    assert_int_equal(add(world, 0, 0, 5), TX_VALID);
    assert_int_equal(add(world, 0, 1, 5), TX_DELEGATED_LIMIT);
    assert_int_equal(add(world, 0, 0, 500), TX_VALID); /* a replacement */
    assert_int_equal(world->pool.by_hash.count, 1);
    world_free(world);
}

static void delegations_that_wait_count(void **state)
{
    (void)state;
    struct pool_options options = small_options();
    struct world *world = world_new(&options);
    struct tx_authorization space;
    /* User 1 signed for user 0's transaction: from now on he has one. */
    assert_int_equal(add_tx(world, 0, delegating_tx(world, 0, &space, 1, CHAIN_ID)), TX_VALID);
    assert_int_equal(add(world, 1, 0, 5), TX_VALID);
    assert_int_equal(add(world, 1, 1, 5), TX_DELEGATED_LIMIT);
    /* User 2 has two already. */
    assert_int_equal(add(world, 2, 0, 5), TX_VALID);
    assert_int_equal(add(world, 2, 1, 5), TX_VALID);
    assert_int_equal(add_tx(world, 0, delegating_tx(world, 1, &space, 2, 0)),
                     TX_AUTHORITY_RESERVED);
    /* For another chain, or signed by nobody, it means nothing. */
    assert_int_equal(add_tx(world, 0, delegating_tx(world, 1, &space, 2, CHAIN_ID + 1)), TX_VALID);
    struct tx tx = delegating_tx(world, 2, &space, 2, CHAIN_ID);
    space.parity = 9;
    assert_int_equal(add_tx(world, 0, tx), TX_VALID);
    assert_int_equal(world->pool.authorities.count, 1);
    /* Once it is in a block nothing waits for user 1. */
    world->accounts[0].nonce = 1;
    assert_ok(pool_advance(&world->pool, &world->source, u256_from_u64(10)));
    assert_int_equal(world->pool.authorities.count, 0);
    assert_int_equal(add(world, 1, 1, 5), TX_VALID);
    world_free(world);
}

/* The most authorizations that fit a transaction's bytes, all malformed signatures: the arena of a
 * check is large enough, and gas refuses them. */
static void many_authorizations(void **state)
{
    (void)state;
    struct pool_options options = small_options();
    struct world *world = world_new(&options);
    size_t count = (TX_BYTES_MAX - 300) / 27;
    struct tx_authorization *list = mem_alloc_array(count, sizeof *list);
    struct tx tx = make_tx(0, 5);
    struct buf raw;
    struct hash hash;
    enum tx_verdict verdict;
    tx.type = TX_SET_CODE;
    tx.authorizations = list;
    tx.authorization_count = count;
    tx.gas_limit = GAS_LIMIT / 2;
    buf_init(&raw, TX_BYTES_MAX);
    tx_sign(&tx, &world->secrets[0]);
    tx_encode(&raw, &tx);
    assert_ok(buf_done(&raw));
    assert_true(raw.len > TX_BYTES_MAX - 600);
    assert_ok(pool_add(&world->pool, &world->source, buf_bytes(&raw), &hash, &verdict));
    assert_int_equal(verdict, TX_GAS_BELOW_INTRINSIC); /* it was decoded */
    buf_free(&raw);
    mem_free(list);
    world_free(world);
}

static void dropping_makes_followers_wait(void **state)
{
    (void)state;
    struct pool_options options = small_options();
    struct world *world = world_new(&options);
    const struct pool_tx *txs[4];
    for (u64 i = 0; i < 3; i++) {
        assert_int_equal(add(world, 0, i, 5), TX_VALID);
    }
    assert_int_equal(pool_take(&world->pool, txs, 4, GAS_LIMIT, MIB(1)), 3);
    struct hash second = txs[1]->hash;
    assert_non_null(pool_get(&world->pool, &second));
    pool_drop(&world->pool, &second);
    pool_drop(&world->pool, &second); /* again: nothing */
    assert_null(pool_get(&world->pool, &second));
    assert_int_equal(pool_take(&world->pool, txs, 4, GAS_LIMIT, MIB(1)), 1);
    world_free(world);
}

/* --- invariants under random use --- */

struct counting {
    size_t count;
    size_t ready;
    size_t bytes;
    u64 last_arrival;
};

static bool count_tx(void *ctx, const struct pool_tx *tx)
{
    struct counting *counting = ctx;
    assert_true(counting->count == 0 || tx->arrival > counting->last_arrival);
    counting->last_arrival = tx->arrival;
    counting->count++;
    counting->ready += tx->is_ready;
    counting->bytes += tx->raw.len + sizeof *tx;
    return true;
}

/* In any order. */
static bool count_any(void *ctx, const struct pool_tx *tx)
{
    struct counting *counting = ctx;
    counting->count++;
    counting->ready += tx->is_ready;
    counting->bytes += tx->raw.len + sizeof *tx;
    return true;
}

static void check_pool(struct world *world)
{
    struct pool *pool = &world->pool;
    struct counting counting = {0};
    const struct pool_tx *txs[64];
    u64 next[USERS];
    pool_each(pool, count_tx, &counting);
    assert_int_equal(counting.count, pool->by_hash.count);
    assert_int_equal(counting.ready, pool->ready_count);
    assert_true(counting.bytes <= pool->bytes && pool->bytes <= pool->options.bytes_max);
    assert_int_equal(pool->weakest_count, pool->by_sender.count);
    assert_true(counting.count <= pool->options.txs_max);
    for (size_t i = 0; i < USERS; i++) {
        next[i] = world->accounts[i].nonce;
    }
    size_t taken = pool_take(pool, txs, 64, UINT64_MAX, SIZE_MAX);
    for (size_t i = 0; i < taken; i++) {
        size_t user = user_of(world, &txs[i]->sender);
        assert_int_equal(txs[i]->nonce, next[user]); /* no gap, no nonce before its predecessor */
        next[user]++;
    }
}

static void random_use_keeps_the_invariants(void **state)
{
    (void)state;
    for (u64 seed = 1; seed <= 3; seed++) {
        struct pool_options options = small_options();
        options.txs_max = 20;
        struct world *world = world_new(&options);
        struct prng prng;
        prng_init(&prng, seed);
        for (int step = 0; step < 400; step++) {
            size_t user = prng_below(&prng, USERS);
            u64 ahead = prng_below(&prng, 5);
            if (prng_chance(&prng, 1, 20)) {
                world->accounts[user].nonce += prng_below(&prng, 3);
                assert_ok(pool_advance(&world->pool, &world->source, u256_from_u64(10)));
            } else {
                (void)add(world, user, world->accounts[user].nonce + ahead,
                          1 + prng_below(&prng, 40));
            }
            check_pool(world);
        }
        world_free(world);
    }
}

/* --- spam --- */

#define SPAM_ACCOUNTS 40000
#define SPAM_TXS_MAX 2000
#define SPAM_BYTES_MAX MIB(2)

static err rich_account(void *ctx, const struct address *address, struct account *ret_account)
{
    (void)ctx;
    (void)address;
    *ret_account = account_none();
    ret_account->balance = u256_from_u64(UINT64_MAX);
    return ok();
}

static struct address address_of_number(u64 number)
{
    struct address address = {{0}};
    store_be64(address.b + 12, number);
    return address;
}

/* As if it had been checked: recovering 40,000 signatures would take seconds. */
static struct pool_checked spam_tx(u64 number, u64 account, u64 nonce, u64 tip, bytes raw)
{
    struct pool_checked checked = {
        .tx = make_tx(nonce, tip), .raw = raw, .sender = address_of_number(account)};
    checked.tx.max_fee = u256_from_u64(1000000);
    checked.cost = u256_from_u64(21000 * (u64)1000000);
    store_be64(checked.hash.b, number);
    return checked;
}

struct lowest {
    u64 tip;
};

static bool find_lowest(void *ctx, const struct pool_tx *tx)
{
    struct lowest *lowest = ctx;
    lowest->tip = min_u64(lowest->tip, tx->max_priority.limb[0]);
    return true;
}

/* Far more accounts than there is room for: what stays is what pays most, whatever the order, and
 * what it takes of the heap is what the pool says it takes. */
static void spam_stays_within_memory(void **state)
{
    (void)state;
    struct pool_options options = pool_options_default(CHAIN_ID, GAS_LIMIT);
    struct state_source source = {.account = rich_account, .code = source_code};
    struct pool pool;
    struct prng prng;
    struct lowest lowest = {.tip = UINT64_MAX};
    u8 raw[4096];
    options.txs_max = SPAM_TXS_MAX;
    options.bytes_max = SPAM_BYTES_MAX;
    prng_init(&prng, 3);
    prng_fill(&prng, raw, sizeof raw);
    size_t before = mallinfo2().uordblks;
    pool_init(&pool, &options);
    for (u64 i = 0; i < SPAM_ACCOUNTS; i++) {
        enum tx_verdict verdict;
        u64 tip = 1 + (i * 7919) % SPAM_ACCOUNTS; /* each tip once */
        struct pool_checked checked = spam_tx(i, i, 0, tip, bytes_make(raw, 110));
        assert_ok(pool_admit(&pool, &source, &checked, &verdict));
        assert_true(verdict == TX_VALID || verdict == TX_POOL_FULL);
        assert_true(pool.by_hash.count <= SPAM_TXS_MAX && pool.bytes <= SPAM_BYTES_MAX);
    }
    assert_int_equal(pool.by_hash.count, SPAM_TXS_MAX);
    pool_each(&pool, find_lowest, &lowest);
    assert_int_equal(lowest.tip, SPAM_ACCOUNTS - SPAM_TXS_MAX + 1);
    size_t used = mallinfo2().uordblks - before; /* 0 under a sanitizer's allocator */
    assert_true(used <= pool.bytes + KIB(128));
    pool_free(&pool);
}

/* Every kind of abuse at once: gaps, replacements, long chains, large inputs, evictions, blocks. */
static void mixed_spam(void **state)
{
    (void)state;
    struct pool_options options = pool_options_default(CHAIN_ID, GAS_LIMIT);
    struct state_source source = {.account = rich_account, .code = source_code};
    struct pool pool;
    struct prng prng;
    u8 raw[4096];
    options.txs_max = 500;
    options.bytes_max = KIB(700);
    prng_init(&prng, 4);
    prng_fill(&prng, raw, sizeof raw);
    pool_init(&pool, &options);
    for (u64 i = 0; i < 30000; i++) {
        enum tx_verdict verdict;
        struct counting counting = {0};
        bytes bytes_of_it =
            bytes_make(raw, 1 + prng_below(&prng, prng_chance(&prng, 1, 8) ? 4096 : 200));
        struct pool_checked checked = spam_tx(i, prng_below(&prng, 90), prng_below(&prng, 70),
                                              prng_below(&prng, 1000), bytes_of_it);
        assert_ok(pool_admit(&pool, &source, &checked, &verdict));
        assert_true(pool.by_hash.count <= options.txs_max && pool.bytes <= options.bytes_max);
        if (i % 500 == 0) {
            assert_ok(pool_advance(&pool, &source, u256_from_u64(prng_below(&prng, 2000))));
            pool_each_by_sender(&pool, count_any, &counting);
            assert_int_equal(counting.count, pool.by_hash.count);
            assert_int_equal(counting.ready, pool.ready_count);
            assert_true(counting.bytes <= pool.bytes);
        }
    }
    pool_free(&pool);
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
        cmocka_unit_test(nonce_gaps_wait),
        cmocka_unit_test(replacement_needs_ten_percent),
        cmocka_unit_test(limits_of_an_account),
        cmocka_unit_test(form_and_state_are_checked),
        cmocka_unit_test(funds_are_summed),
        cmocka_unit_test(best_tips_first),
        cmocka_unit_test(blocks_clear_the_pool),
        cmocka_unit_test(a_full_pool_keeps_what_pays),
        cmocka_unit_test(a_dear_tail_protects_nothing),
        cmocka_unit_test(what_cannot_pay_goes_first),
        cmocka_unit_test(nothing_is_evicted_for_a_refused_one),
        cmocka_unit_test(a_replacement_needs_no_room),
        cmocka_unit_test(queued_ones_expire),
        cmocka_unit_test(delegated_accounts_have_one),
        cmocka_unit_test(delegations_that_wait_count),
        cmocka_unit_test(many_authorizations),
        cmocka_unit_test(dropping_makes_followers_wait),
        cmocka_unit_test(random_use_keeps_the_invariants),
        cmocka_unit_test(spam_stays_within_memory),
        cmocka_unit_test(mixed_spam),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}

/* Transactions from anyone: what decodes encodes to the same bytes, and recovering its sender and
 * checking it does no harm. */
#include "base/assert.h"
#include "ledger/exec/tx.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

/* Every fork's rules: none asks less gas than an empty transaction, and what one that knows no
 * blobs or authorizations accepts has none. */
static void check_all(const struct tx *tx)
{
    struct address authority;
    for (int fork = 0; fork < FORK_COUNT; fork++) {
        struct tx_rules rules = {.fork = (enum fork)fork,
                                 .chain_id = tx->chain_id,
                                 .block_gas_limit = 30000000,
                                 .blob_gas_max = 9 * TX_BLOB_GAS};
        assert_that(tx_intrinsic_gas(tx, rules.fork) >= 21000);
        enum tx_verdict verdict = tx_check(tx, &rules);
        assert_that(verdict != TX_VALID || rules.fork >= FORK_CANCUN || tx->blob_count == 0);
        assert_that(verdict != TX_VALID || rules.fork >= FORK_PRAGUE ||
                    tx->authorization_count == 0);
    }
    for (size_t i = 0; i < min_u64(tx->authorization_count, 4); i++) {
        if (tx_authority(&tx->authorizations[i], &authority)) {
            assert_that(!address_is_zero(&authority));
        }
    }
}

static void use(const struct tx *tx, bytes raw)
{
    struct buf again;
    struct address sender;
    struct u256 price;
    struct u256 tip;
    buf_init(&again, 2 * TX_BYTES_MAX);
    tx_encode(&again, tx);
    assert_that(is_ok(buf_done(&again)));
    assert_that(bytes_eq(buf_bytes(&again), raw));
    buf_free(&again);
    check_all(tx);
    bool pays = tx_price(tx, u256_from_u64(7), &price, &tip);
    assert_that(!pays || u256_cmp(price, tx->max_fee) <= 0);
    if (tx_sender(tx, &sender)) {
        assert_that(!address_is_zero(&sender));
    }
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    static bool ready;
    struct hash seed = {{1}};
    struct arena arena;
    struct tx tx;
    if (!ready) {
        crypto_init(&seed);
        ready = true;
    }
    bytes raw = bytes_make(data, size);
    arena_init(&arena, TX_DECODE_BYTES);
    if (tx_decode(&arena, raw, &tx) == TX_VALID) {
        use(&tx, raw);
    }
    arena_free(&arena);
    return 0;
}

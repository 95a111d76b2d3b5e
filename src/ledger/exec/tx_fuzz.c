/* Transactions from anyone: what decodes encodes to the same bytes, and recovering its sender and
 * checking it does no harm. */
#include "base/assert.h"
#include "ledger/exec/tx.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

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
    assert_that(tx_intrinsic_gas(tx) >= 21000 && tx_floor_gas(tx) >= 21000);
    (void)tx_check(tx, 1, 30000000);
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

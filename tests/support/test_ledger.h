/* test_ledger.h: an application with one seat in a temporary folder, whose blocks a test makes.
 *
 * Fixed keys: the seat has secret 1, the user (rich) secret 2. Header only, for cmocka tests; the
 * native tables must be initialised before.
 */
#ifndef TESTS_SUPPORT_TEST_LEDGER_H
#define TESTS_SUPPORT_TEST_LEDGER_H

#include "ledger/app/app.h"
#include "os/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#undef fail /* cmocka's; err.h's is meant */

#define TEST_CHAIN_ID 7200
#define TEST_GENESIS_TIME 1767225600u
#define TEST_GWEI 1000000000u
#define TEST_FUNDS "1000000000000000000000"

struct test_ledger {
    char dir[64];       /* removed at the end */
    char data_dir[128]; /* holds state/; dir unless a test says otherwise */
    char genesis[2048];
    struct app *app; /* NULL: closed */
    struct secp_secret seat;
    struct secp_secret user;
    struct address seat_address;
    struct address user_address;
};

static inline void test_ok(err e) { assert_string_equal(err_name(e), "OK"); }

static inline void test_hex_address(char out[43], const struct address *address)
{
    out[0] = '0';
    out[1] = 'x';
    hex_encode(out + 2, 41, BYTES_OF(*address));
}

/* Keys, folder and genesis text; `modules` is the JSON of its section, `accounts` more entries of
 * alloc with a comma in front, or "". */
static inline void test_ledger_make(struct test_ledger *ledger, const char *modules,
                                    const char *accounts)
{
    u8 seat[32] = {[31] = 1};
    u8 user[32] = {[31] = 2};
    char seat_hex[43];
    char user_hex[43];
    *ledger = (struct test_ledger){0};
    assert_true(secp_secret_from(&ledger->seat, seat));
    assert_true(secp_secret_from(&ledger->user, user));
    secp_address_of_secret(&ledger->seat_address, &ledger->seat);
    secp_address_of_secret(&ledger->user_address, &ledger->user);
    test_hex_address(seat_hex, &ledger->seat_address);
    test_hex_address(user_hex, &ledger->user_address);
    snprintf(ledger->genesis, sizeof ledger->genesis,
             "{\"version\":1,\"chain_id\":%d,\"time\":%u,\"interval_ms\":200,"
             "\"empty_interval_ms\":1000,\"seats\":[\"%s\"],"
             "\"alloc\":{\"%s\":{\"balance\":\"" TEST_FUNDS "\"}%s},\"modules\":%s}",
             TEST_CHAIN_ID, TEST_GENESIS_TIME, seat_hex, user_hex, accounts, modules);
    snprintf(ledger->dir, sizeof ledger->dir, "/tmp/cairn-ledger-XXXXXX");
    assert_non_null(mkdtemp(ledger->dir));
    snprintf(ledger->data_dir, sizeof ledger->data_dir, "%s", ledger->dir);
}

static inline void test_ledger_open(struct test_ledger *ledger)
{
    char dir[PATH_BYTES_MAX];
    path_join(dir, ledger->data_dir, "state");
    struct app_options options = {
        .dir = dir, .genesis = bytes_str(ledger->genesis), .no_sync = true};
    test_ok(app_open(&options, &ledger->app));
}

static inline void test_ledger_close(struct test_ledger *ledger)
{
    app_close(ledger->app);
    ledger->app = NULL;
}

static inline void test_ledger_remove(struct test_ledger *ledger)
{
    test_ledger_close(ledger);
    test_ok(dir_remove_all(ledger->dir));
}

/* A type 2 call; change what should differ. */
static inline struct tx test_tx(u64 nonce, const struct address *to, u64 value, bytes input)
{
    return (struct tx){.type = TX_DYNAMIC_FEE,
                       .has_chain_id = true,
                       .chain_id = TEST_CHAIN_ID,
                       .nonce = nonce,
                       .max_fee = u256_from_u64(2 * (u64)TEST_GWEI),
                       .max_priority = u256_from_u64(TEST_GWEI / 10),
                       .gas_limit = 200000,
                       .to = *to,
                       .value = u256_from_u64(value),
                       .input = input};
}

/* Signs and encodes into raw, which is initialised here. */
static inline void test_sign(struct buf *raw, struct tx *tx, const struct secp_secret *secret)
{
    buf_init(raw, KIB(256));
    tx_sign(tx, secret);
    tx_encode(raw, tx);
    test_ok(buf_done(raw));
}

/* The block over txs on top of the app's head, decided and signed by the seat. */
static inline struct decided test_decide(const struct test_ledger *ledger,
                                         const struct block_txs *txs, u64 time_ms)
{
    struct app_info info = app_info_now(ledger->app);
    struct decided decided = {.txs = *txs};
    struct consensus_header *header = &decided.header;
    struct hash digest;
    *header = (struct consensus_header){.chain_id = TEST_CHAIN_ID,
                                        .height = info.height + 1,
                                        .time_ms = time_ms,
                                        .parent_id = info.consensus_id,
                                        .parent_hash = info.app_hash,
                                        .params_hash = info.params_hash,
                                        .proposer = ledger->seat_address};
    test_ok(block_txs_root(txs, &header->txs_root));
    seats_hash(&header->seats_hash, &info.seats);
    seats_hash(&header->next_seats_hash, &info.next_seats);
    struct vote vote = {.kind = VOTE_PRECOMMIT,
                        .chain_id = TEST_CHAIN_ID,
                        .height = header->height,
                        .valid_round = VOTE_NO_ROUND};
    consensus_header_id(&vote.block_id, header);
    vote_digest(&digest, &vote);
    decided.certificate =
        (struct certificate){.height = header->height, .block_id = vote.block_id, .count = 1};
    secp_sign(&decided.certificate.items[0].signature, &ledger->seat, &digest);
    return decided;
}

/* The next block from the pool, a second after the last. Returns the number of transactions. */
static inline size_t test_block(struct test_ledger *ledger)
{
    const struct app_table *table = app_table();
    struct app_info info = app_info_now(ledger->app);
    struct app_prepare request = {.height = info.height + 1,
                                  .time_ms = info.time_ms + 1000,
                                  .proposer = ledger->seat_address,
                                  .bytes_max = APP_TXS_BYTES_MAX};
    struct arena arena;
    struct block_txs txs;
    struct app_finalized finalized;
    enum app_verdict verdict;
    arena_init(&arena, MIB(64));
    test_ok(table->prepare_proposal(ledger->app, &request, &arena, &txs));
    struct decided decided = test_decide(ledger, &txs, request.time_ms);
    test_ok(table->finalize_block(ledger->app, &decided, &finalized, &verdict));
    assert_int_equal(verdict, APP_ACCEPT);
    test_ok(table->commit(ledger->app));
    arena_free(&arena);
    return finalized.tx_count;
}

#endif

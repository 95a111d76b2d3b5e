/* ledger.h: a ledger with one seat in a temporary folder, whose blocks the test decides itself.
 *
 * It goes through the application table as an engine does: prepare, process, finalize, commit. The
 * only module is the vault. The user is rich, the seat owns nothing.
 */
#ifndef TESTS_SUPPORT_LEDGER_H
#define TESTS_SUPPORT_LEDGER_H

#include "crypto/hash.h"
#include "ledger/app/app.h"
#include "os/file.h"
#include "tests/support/vault_module.h"

#include <stdio.h>
#include <stdlib.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#undef fail /* cmocka's; err.h's is meant */

#define CHAIN_ID 7200
#define GENESIS_TIME 1767225600
#define GWEI 1000000000u

static inline void assert_ok(err e) { assert_int_equal(e.code, ERR_OK); }

struct ledger {
    char dir[64];
    struct app *app;
    struct secp_secret seat;
    struct secp_secret user;
    struct address seat_address;
    struct address user_address;
    char genesis[2048];
    bool sync; /* commits are durable, as in a real node */
};

static inline void assert_same_info(const struct app_info *a, const struct app_info *b)
{
    assert_int_equal(a->height, b->height);
    assert_int_equal(a->time_ms, b->time_ms);
    assert_true(hash_eq(&a->app_hash, &b->app_hash));
    assert_true(hash_eq(&a->consensus_id, &b->consensus_id));
    assert_true(hash_eq(&a->params_hash, &b->params_hash));
}

static inline void hex_of(char out[43], const struct address *address)
{
    out[0] = '0';
    out[1] = 'x';
    hex_encode(out + 2, 41, BYTES_OF(*address));
}

static inline void ledger_open(struct ledger *ledger)
{
    struct app_options options = {
        .dir = ledger->dir, .genesis = bytes_str(ledger->genesis), .no_sync = !ledger->sync};
    assert_ok(app_open(&options, &ledger->app));
}

static inline void ledger_init(struct ledger *ledger)
{
    u8 seat[32] = {[31] = 1};
    u8 user[32] = {[31] = 2};
    char seat_hex[43];
    char user_hex[43];
    *ledger = (struct ledger){0};
    assert_true(secp_secret_from(&ledger->seat, seat));
    assert_true(secp_secret_from(&ledger->user, user));
    secp_address_of_secret(&ledger->seat_address, &ledger->seat);
    secp_address_of_secret(&ledger->user_address, &ledger->user);
    hex_of(seat_hex, &ledger->seat_address);
    hex_of(user_hex, &ledger->user_address);
    snprintf(ledger->genesis, sizeof ledger->genesis,
             "{\"version\":1,\"chain_id\":%d,\"time\":%d,\"seats\":[\"%s\"],"
             "\"alloc\":{\"%s\":{\"balance\":\"1000000000000000000000\"},"
             "\"0x00000000000000000000000000000000000000cc\":"
             "{\"code\":\"0x6000\",\"nonce\":1,\"storage\":"
             "{\"0x0000000000000000000000000000000000000000000000000000000000000001\":"
             "\"0x0000000000000000000000000000000000000000000000000000000000000005\"}}},"
             "\"modules\":{\"vault\":{\"start\":42}}}",
             CHAIN_ID, GENESIS_TIME, seat_hex, user_hex);
    snprintf(ledger->dir, sizeof ledger->dir, "/tmp/cairn-app-XXXXXX");
    assert_non_null(mkdtemp(ledger->dir));
    ledger_open(ledger);
}

static inline void ledger_free(struct ledger *ledger)
{
    app_close(ledger->app);
    assert_ok(dir_remove_all(ledger->dir));
}

static inline struct tx call_tx(u64 nonce, const struct address *to, u64 value, bytes input)
{
    return (struct tx){.type = TX_DYNAMIC_FEE,
                       .has_chain_id = true,
                       .chain_id = CHAIN_ID,
                       .nonce = nonce,
                       .max_fee = u256_from_u64(2 * (u64)GWEI),
                       .max_priority = u256_from_u64(GWEI / 10),
                       .gas_limit = 200000,
                       .to = *to,
                       .value = u256_from_u64(value),
                       .input = input};
}

static inline enum tx_verdict submit_as(struct ledger *ledger, struct tx *tx,
                                        const struct secp_secret *secret, struct hash *ret_hash)
{
    struct buf raw;
    enum tx_verdict verdict;
    struct hash hash;
    buf_init(&raw, KIB(256));
    tx_sign(tx, secret);
    tx_encode(&raw, tx);
    assert_ok(app_submit(ledger->app, buf_bytes(&raw), &hash, &verdict));
    buf_free(&raw);
    if (ret_hash != NULL) {
        *ret_hash = hash;
    }
    return verdict;
}

static inline enum tx_verdict submit(struct ledger *ledger, struct tx tx)
{
    return submit_as(ledger, &tx, &ledger->user, NULL);
}

/* The consensus header over txs at the next height, signed. */
static inline struct decided decide(const struct ledger *ledger, const struct block_txs *txs,
                                    u64 time_ms)
{
    struct app_info info = app_info_now(ledger->app);
    struct decided decided = {.txs = *txs};
    struct consensus_header *header = &decided.header;
    struct hash digest;
    *header = (struct consensus_header){.chain_id = CHAIN_ID,
                                        .height = info.height + 1,
                                        .time_ms = time_ms,
                                        .parent_id = info.consensus_id,
                                        .parent_hash = info.app_hash,
                                        .params_hash = info.params_hash,
                                        .proposer = ledger->seat_address};
    assert_ok(block_txs_root(txs, &header->txs_root));
    seats_hash(&header->seats_hash, &info.seats);
    seats_hash(&header->next_seats_hash, &info.next_seats);
    struct vote vote = {.kind = VOTE_PRECOMMIT,
                        .chain_id = CHAIN_ID,
                        .height = header->height,
                        .valid_round = VOTE_NO_ROUND};
    consensus_header_id(&vote.block_id, header);
    vote_digest(&digest, &vote);
    decided.certificate =
        (struct certificate){.height = header->height, .block_id = vote.block_id, .count = 1};
    secp_sign(&decided.certificate.items[0].signature, &ledger->seat, &digest);
    return decided;
}

/* Prepares, processes, finalizes and commits the next block, a second after the last. */
static inline struct app_finalized next_block(struct ledger *ledger)
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
    assert_ok(table->prepare_proposal(ledger->app, &request, &arena, &txs));
    struct decided decided = decide(ledger, &txs, request.time_ms);
    assert_ok(table->process_proposal(ledger->app, &decided.header, &txs, &verdict));
    assert_int_equal(verdict, APP_ACCEPT);
    assert_ok(table->finalize_block(ledger->app, &decided, &finalized, &verdict));
    assert_int_equal(verdict, APP_ACCEPT);
    assert_ok(table->commit(ledger->app));
    arena_free(&arena);
    return finalized;
}

#endif

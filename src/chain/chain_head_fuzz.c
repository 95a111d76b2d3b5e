/* Answers of a ledger node, as text: whatever is believed is the truth.
 *
 * The roots, keys and seats are those of the seeds (the ledger of tests/support/rpc_world.h after a
 * block of 29 calls), so the truth is known: a head, an account's slots and a receipt that check
 * are those of the seeds, or somebody has found a collision or a hole.
 */
#include "base/assert.h"
#include "base/mem.h"
#include "chain/check.h"
#include "chain/rpc.h"
#include "crypto/sign.h"
#include "ledger/exec/native.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

#define ANSWER_BYTES_MAX MIB(1)
#define CHAIN 7200
#define HEIGHT 4
#define VAULT 4000
#define SEAT "7e5f4552091a69125d5dfcb7b8c2659029395bdf"
#define HEAD_HASH "22113796c90fd9429fd102a8818257c2c37700cb9c1f4ba43ad290911a6014f5"
#define STATE_ROOT "5520579cc138d1f60ce9576a7ad831926101dc34d883d808f884240020f3e33a"
#define TX "01eebecbd542b03432deafd6fc4a734fca17b454895f0047a979b68c67da519b"
#define SLOT_SET "679795a0195a1b76cdebb7c51d74e058aee92919b8c3389af86ef24535e8a28c"
#define SLOT_EMPTY "bc6c1f91b17128ba903b0be226b5fb5b009a55e8b23666800eb4844beaeb2745"
#define SLOT_VALUE 12

static struct hash known(const char *digits)
{
    struct hash hash;
    bool fine = hex_decode(hash.b, sizeof hash.b, bytes_str(digits));
    assert_that(fine);
    return hash;
}

static struct chain_trust make_trust(void)
{
    struct chain_trust trust = {.chain_id = CHAIN, .seats.count = 1};
    bool fine = hex_decode(trust.seats.items[0].b, 20, bytes_str(SEAT));
    assert_that(fine);
    return trust;
}

static void try_head(const struct chain_trust *trust, const json_t *result)
{
    struct chain_head head;
    if (is_ok(check_head(trust, result, &head))) {
        struct hash hash = known(HEAD_HASH);
        assert_that(head.height == HEIGHT && hash_eq(&head.hash, &hash));
    }
}

static void try_proof(const json_t *result)
{
    const struct hash root = known(STATE_ROOT);
    const struct hash slots[] = {known(SLOT_SET), known(SLOT_EMPTY)};
    struct account account;
    struct hash storage_root;
    struct word words[2];
    struct proof_query query = {.state_root = &root, .slots = slots};
    query.account = native_address(VAULT);
    for (query.slot_count = 0; query.slot_count <= COUNT_OF(slots); query.slot_count++) {
        memset(words, 0xee, sizeof words);
        if (is_ok(check_proof(&query, result, &account, &storage_root, words))) {
            assert_that(account.nonce == 1);
            assert_that(query.slot_count < 1 || load_be64(words[0].b + 24) == SLOT_VALUE);
            assert_that(query.slot_count < 2 || load_be64(words[1].b + 24) == 0);
        }
    }
}

static void try_receipt(const struct chain_trust *trust, const json_t *result, struct arena *arena)
{
    const struct hash tx = known(TX);
    struct chain_receipt receipt;
    struct chain_head head;
    if (is_ok(check_receipt(trust, &tx, result, arena, &receipt, &head))) {
        assert_that(receipt.success && receipt.height == HEIGHT && receipt.log_count == 1);
        assert_that(load_be64(receipt.logs[0].topics[1].b + 24) == 2);
        assert_that(head.height == HEIGHT);
    }
}

static void try_logs(const json_t *result, struct arena *arena)
{
    const struct log_query query = {.address = native_address(VAULT), .from = 1, .to = HEIGHT};
    const struct chain_log *logs;
    size_t count;
    if (is_ok(check_logs(&query, result, arena, &logs, &count))) {
        for (size_t i = 0; i < count; i++) {
            assert_that(address_eq(&logs[i].address, &query.address));
            assert_that(logs[i].height >= query.from && logs[i].height <= query.to);
        }
    }
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    static bool ready;
    const struct hash seed = {{1}};
    const struct chain_trust trust = make_trust();
    struct chain_trust genesis;
    struct rpc_error error;
    struct arena arena;
    json_t *result;
    if (!ready) {
        crypto_init(&seed);
        ready = true;
    }
    IGNORE(check_genesis(bytes_make(data, size), &genesis)); /* any answer will do */
    if (!is_ok(rpc_read_answer(bytes_make(data, size), 1, ANSWER_BYTES_MAX, &error, &result))) {
        return 0;
    }
    arena_init(&arena, MIB(16));
    try_head(&trust, result);
    try_proof(result);
    try_receipt(&trust, result, &arena);
    try_logs(result, &arena);
    arena_free(&arena);
    json_decref(result);
    return 0;
}

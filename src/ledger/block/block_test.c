#include "ledger/block/block.h"

#include "codec/json.h"
#include "codec/rlp.h"
#include "crypto/hash.h"
#include "ledger/exec/account.h"
#include "ledger/exec/proof.h"
#include "tests/support/check.h"
#include "tests/support/vectors.h"

#define ARENA_BYTES MIB(64)

static void assert_ok(err e) { assert_int_equal(e.code, ERR_OK); }

/* --- public vectors: the chain of execution-apis, Frontier to Osaka --- */

static bytes load_chain(struct vectors *vectors, struct arena *arena)
{
    char path[VECTORS_PATH_MAX];
    vectors_format(path, "%s/rpc-compat/tests/chain.rlp", vectors->dir);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    u8 *data = arena_alloc(arena, MIB(1));
    size_t len = fread(data, 1, MIB(1), file);
    fclose(file);
    return bytes_make(data, len);
}

/* One block of the chain: its encodings and roots against what its header says. */
static void check_block(struct arena *arena, const struct rlp_item *block,
                        struct block_header *ret_header, struct hash *ret_hash)
{
    struct block_body body;
    struct hash root;
    struct buf again;
    bytes header_raw;
    assert_ok(block_decode(arena, block->raw, ret_header, &header_raw, &body));
    keccak256(ret_hash, header_raw);
    block_header_hash(&root, ret_header);
    assert_true(hash_eq(&root, ret_hash));
    buf_init(&again, MIB(1));
    block_encode(&again, ret_header, &body);
    assert_true(bytes_eq(buf_bytes(&again), block->raw));
    assert_ok(block_txs_root(&body.txs, &root));
    assert_true(hash_eq(&root, &ret_header->txs_root));
    block_ommers_hash(&root, &body);
    assert_true(hash_eq(&root, &ret_header->ommers_hash));
    if (ret_header->form >= BLOCK_SHANGHAI) {
        assert_ok(block_withdrawals_root(&body, &root));
        assert_true(hash_eq(&root, &ret_header->withdrawals_root));
    }
    buf_free(&again);
}

/* Shortened or lengthened anywhere, a block is refused. */
static void check_cuts(struct arena *arena, bytes block)
{
    struct block_header header;
    struct block_body body;
    bytes header_raw;
    for (size_t len = 0; len < block.len; len += 7) {
        bytes cut = bytes_slice(block, 0, len);
        assert_false(is_ok(block_decode(arena, cut, &header, &header_raw, &body)));
    }
    u8 *longer = arena_alloc(arena, block.len + 1);
    memcpy(longer, block.data, block.len);
    bytes in = bytes_make(longer, block.len + 1);
    assert_false(is_ok(block_decode(arena, in, &header, &header_raw, &body)));
}

static void public_chain(void **state)
{
    (void)state;
    struct vectors vectors;
    struct arena arena;
    struct hash parent = {{0}};
    struct block_header last = {0};
    size_t forms[BLOCK_PRAGUE + 1] = {0};
    size_t blocks = 0;
    arena_init(&arena, ARENA_BYTES);
    VECTORS_NEED("rpc-compat");
    vectors_open(&vectors, "rpc-compat");
    bytes chain = load_chain(&vectors, &arena);
    vectors_close(&vectors);
    while (chain.len > 0) {
        struct rlp_item block;
        struct block_header header;
        struct hash hash;
        assert_ok(rlp_next(&chain, &block));
        check_block(&arena, &block, &header, &hash);
        assert_true(blocks == 0 || hash_eq(&header.parent_hash, &parent));
        if (last.form >= BLOCK_LONDON) { /* base fee as EIP-1559 has it */
            struct u256 fee = block_base_fee(&last, u256_from_u64(0));
            assert_int_equal(u256_cmp(fee, header.base_fee), 0);
        }
        if (forms[header.form] == 0) {
            check_cuts(&arena, block.raw);
        }
        parent = hash;
        last = header;
        forms[header.form]++;
        blocks++;
    }
    assert_int_equal(blocks, 54);
    assert_int_equal(forms[BLOCK_FRONTIER], 26);
    assert_int_equal(forms[BLOCK_LONDON], 12);
    assert_int_equal(forms[BLOCK_SHANGHAI], 3);
    assert_int_equal(forms[BLOCK_CANCUN], 3);
    assert_int_equal(forms[BLOCK_PRAGUE], 10);
    arena_free(&arena);
}

/* --- public vectors: the receipts of the chain's last block, from its eth_getBlockReceipts --- */

static struct block_header last_header(bytes chain)
{
    struct rlp_item block = {0};
    struct rlp_item header;
    struct block_header decoded;
    while (chain.len > 0) {
        assert_ok(rlp_next(&chain, &block));
    }
    assert_ok(rlp_next(&block.payload, &header));
    assert_ok(block_header_decode(header.raw, &decoded));
    return decoded;
}

static json_t *load_answer(struct vectors *vectors, const char *name)
{
    char path[VECTORS_PATH_MAX];
    char line[16384];
    json_t *answer = NULL;
    vectors_format(path, "%s/rpc-compat/tests/%s", vectors->dir, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "<< ", 3) == 0) {
            answer = json_loads(line + 3, 0, NULL);
        }
    }
    fclose(file);
    assert_non_null(answer);
    return answer;
}

static u64 quantity(const json_t *object, const char *key)
{
    u64 v;
    assert_true(json_read_quantity(json_object_get(object, key), &v));
    return v;
}

static void read_log(struct arena *arena, const json_t *object, struct journal_log *log)
{
    const json_t *topics = json_object_get(object, "topics");
    *log = (struct journal_log){.topic_count = json_array_size(topics)};
    assert_true(json_read_fixed(json_object_get(object, "address"), log->address.b, 20));
    assert_true(log->topic_count <= JOURNAL_TOPICS_MAX);
    for (size_t i = 0; i < log->topic_count; i++) {
        assert_true(json_read_fixed(json_array_get(topics, i), log->topics[i].b, 32));
    }
    assert_true(json_read_data(json_object_get(object, "data"), arena, &log->data));
}

static void read_receipt(struct arena *arena, const json_t *object, struct receipt *receipt)
{
    const json_t *list = json_object_get(object, "logs");
    size_t count = json_array_size(list);
    struct journal_log *logs = ARENA_ARRAY(arena, struct journal_log, count + 1);
    struct bloom bloom;
    for (size_t i = 0; i < count; i++) {
        read_log(arena, json_array_get(list, i), &logs[i]);
    }
    receipt_init(receipt, (u8)quantity(object, "type"), quantity(object, "status") == 1,
                 quantity(object, "cumulativeGasUsed"), logs, count);
    assert_true(json_read_fixed(json_object_get(object, "logsBloom"), bloom.b, sizeof bloom.b));
    assert_memory_equal(bloom.b, receipt->bloom.b, sizeof bloom.b);
}

static void public_receipts(void **state)
{
    (void)state;
    struct vectors vectors;
    struct arena arena;
    struct receipt receipts[8];
    struct bloom all = {{0}};
    struct hash root;
    arena_init(&arena, ARENA_BYTES);
    VECTORS_NEED("rpc-compat");
    vectors_open(&vectors, "rpc-compat");
    struct block_header header = last_header(load_chain(&vectors, &arena));
    json_t *answer = load_answer(&vectors, "eth_getBlockReceipts/get-block-receipts-latest.io");
    vectors_close(&vectors);
    const json_t *list = json_object_get(answer, "result");
    size_t count = json_array_size(list);
    assert_int_equal(count, 4);
    for (size_t i = 0; i < count; i++) {
        read_receipt(&arena, json_array_get(list, i), &receipts[i]);
        bloom_join(&all, &receipts[i].bloom);
    }
    json_decref(answer);
    assert_ok(receipts_root(receipts, count, &root));
    assert_true(hash_eq(&root, &header.receipts_root));
    assert_memory_equal(all.b, header.bloom.b, sizeof all.b);
    assert_int_equal(receipts[count - 1].cumulative_gas, header.gas_used);
    arena_free(&arena);
}

/* --- public vectors: eth_getProof at the chain's head --- */

static size_t read_nodes(struct arena *arena, const json_t *list, bytes nodes[PROOF_NODES_MAX])
{
    size_t count = json_array_size(list);
    assert_true(count <= PROOF_NODES_MAX);
    for (size_t i = 0; i < count; i++) {
        assert_true(json_read_data(json_array_get(list, i), arena, &nodes[i]));
    }
    return count;
}

/* Slots and values come as quantities or as 32 bytes. */
static void read_word(const json_t *value, u8 out[32])
{
    if (!json_read_quantity256(value, out)) {
        assert_true(json_read_fixed(value, out, 32));
    }
}

static void check_slot_proof(struct arena *arena, const struct hash *storage_root,
                             const json_t *object)
{
    bytes nodes[PROOF_NODES_MAX];
    struct hash slot;
    struct word expected;
    struct word word;
    size_t count = read_nodes(arena, json_object_get(object, "proof"), nodes);
    read_word(json_object_get(object, "key"), slot.b);
    read_word(json_object_get(object, "value"), expected.b);
    assert_int_not_equal(proof_slot(storage_root, &slot, nodes, count, &word), PROOF_INVALID);
    assert_memory_equal(word.b, expected.b, sizeof word.b);
}

static void check_proof(struct arena *arena, const struct hash *root, const json_t *answer)
{
    const json_t *result = json_object_get(answer, "result");
    const json_t *slots = json_object_get(result, "storageProof");
    bytes nodes[PROOF_NODES_MAX];
    struct address address;
    struct account account;
    struct hash storage_root;
    struct hash expected;
    u8 balance[32];
    size_t count = read_nodes(arena, json_object_get(result, "accountProof"), nodes);
    assert_true(json_read_fixed(json_object_get(result, "address"), address.b, 20));
    assert_int_equal(proof_account(root, &address, nodes, count, &account, &storage_root),
                     PROOF_PRESENT);
    assert_int_equal(account.nonce, quantity(result, "nonce"));
    read_word(json_object_get(result, "balance"), balance);
    assert_int_equal(u256_cmp(account.balance, u256_from_be(balance)), 0);
    assert_true(json_read_fixed(json_object_get(result, "codeHash"), expected.b, 32));
    assert_true(hash_eq(&account.code_hash, &expected));
    assert_true(json_read_fixed(json_object_get(result, "storageHash"), expected.b, 32));
    assert_true(hash_eq(&storage_root, &expected));
    for (size_t i = 0; i < json_array_size(slots); i++) {
        check_slot_proof(arena, &storage_root, json_array_get(slots, i));
    }
}

static void public_proofs(void **state)
{
    (void)state;
    static const char *const names[] = {"eth_getProof/get-account-proof-latest.io",
                                        "eth_getProof/get-account-proof-blockhash.io",
                                        "eth_getProof/get-account-proof-with-storage.io"};
    struct vectors vectors;
    struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    VECTORS_NEED("rpc-compat");
    vectors_open(&vectors, "rpc-compat");
    struct block_header header = last_header(load_chain(&vectors, &arena));
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        json_t *answer = load_answer(&vectors, names[i]);
        check_proof(&arena, &header.state_root, answer);
        json_decref(answer);
    }
    vectors_close(&vectors);
    arena_free(&arena);
}

/* --- headers --- */

static struct block_header sample_header(void)
{
    struct block_header header;
    block_header_init(&header);
    header.number = 7;
    header.gas_limit = 30000000;
    header.gas_used = 21000;
    header.time = 1767225601;
    header.base_fee = u256_from_u64(1000000000);
    header.extra_len = 3;
    memcpy(header.extra, "abc", 3);
    return header;
}

static void header_round_trip_and_every_cut(void **state)
{
    (void)state;
    struct block_header header = sample_header();
    struct block_header back;
    struct buf raw;
    buf_init(&raw, KIB(4));
    block_header_encode(&raw, &header);
    assert_ok(block_header_decode(buf_bytes(&raw), &back));
    struct hash a;
    struct hash b;
    block_header_hash(&a, &header);
    block_header_hash(&b, &back);
    assert_true(hash_eq(&a, &b));
    for (size_t cut = 0; cut < raw.len; cut++) {
        assert_int_equal(block_header_decode(bytes_make(raw.data, cut), &back).code, ERR_MALFORMED);
    }
    buf_put_u8(&raw, 0);
    assert_int_equal(block_header_decode(buf_bytes(&raw), &back).code, ERR_MALFORMED);
    buf_free(&raw);
}

static void base_fee_moves_by_an_eighth(void **state)
{
    (void)state;
    struct block_header parent = sample_header();
    struct u256 floor = u256_from_u64(5);
    parent.base_fee = u256_from_u64(1000);
    parent.gas_limit = 30000000;
    static const struct {
        u64 gas_used;
        u64 fee;
    } cases[] = {{15000000, 1000}, {30000000, 1125}, {0, 875}, {7500000, 938}, {15000001, 1001}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        parent.gas_used = cases[i].gas_used;
        assert_int_equal(block_base_fee(&parent, floor).limb[0], cases[i].fee);
    }
    parent.gas_used = 0;
    parent.base_fee = u256_from_u64(5);
    assert_int_equal(block_base_fee(&parent, floor).limb[0], 5);
    parent.base_fee = u256_from_u64(0);
    assert_int_equal(block_base_fee(&parent, floor).limb[0], 5);
    memset(&parent.base_fee, 0xff, sizeof parent.base_fee);
    parent.gas_used = 30000000; /* absurd, but no overflow */
    assert_int_equal(u256_cmp(block_base_fee(&parent, floor), parent.base_fee), 0);
}

/* --- receipts --- */

static void receipts_come_back(void **state)
{
    (void)state;
    struct arena arena;
    struct journal_log logs[3] = {
        {.address = {{1}}, .topic_count = 0, .data = bytes_str("")},
        {.address = {{2}}, .topics = {{{3}}, {{4}}}, .topic_count = 2, .data = bytes_str("hello")},
        {.address = {{5}}, .topics = {{{6}}}, .topic_count = 1, .data = bytes_str("x")},
    };
    struct receipt receipts[3];
    struct receipt *back;
    struct buf raw;
    struct hash root;
    struct hash root_again;
    size_t count;
    arena_init(&arena, ARENA_BYTES);
    buf_init(&raw, MIB(1));
    receipt_init(&receipts[0], 0, true, 21000, NULL, 0);
    receipt_init(&receipts[1], 2, true, 60000, logs, 2);
    receipt_init(&receipts[2], 1, false, 90000, &logs[2], 1);
    receipts_encode(&raw, receipts, 3);
    assert_ok(buf_done(&raw));
    assert_ok(receipts_decode(&arena, buf_bytes(&raw), &back, &count));
    assert_int_equal(count, 3);
    assert_int_equal(back[1].log_count, 2);
    assert_int_equal(back[1].logs[1].topic_count, 2);
    assert_true(bytes_eq_str(back[1].logs[1].data, "hello"));
    assert_memory_equal(back[1].bloom.b, receipts[1].bloom.b, BLOCK_BLOOM_BYTES);
    assert_true(back[0].success && !back[2].success);
    assert_ok(receipts_root(receipts, 3, &root));
    assert_ok(receipts_root(back, 3, &root_again));
    assert_true(hash_eq(&root, &root_again));
    for (size_t cut = 0; cut < raw.len; cut++) {
        assert_false(is_ok(receipts_decode(&arena, bytes_make(raw.data, cut), &back, &count)));
    }
    buf_free(&raw);
    arena_free(&arena);
}

static void blooms_have_three_bits(void **state)
{
    (void)state;
    struct bloom bloom = {{0}};
    struct bloom other = {{0}};
    struct address address;
    size_t bits = 0;
    memset(address.b, 0x22, sizeof address.b);
    bloom_add(&bloom, BYTES_OF(address));
    for (size_t i = 0; i < sizeof bloom.b; i++) {
        bits += (size_t)__builtin_popcount(bloom.b[i]);
    }
    assert_true(bits >= 1 && bits <= 3);
    assert_true(bloom_may_have(&bloom, BYTES_OF(address)));
    assert_false(bloom_may_have(&other, BYTES_OF(address)));
    bloom_join(&other, &bloom);
    assert_true(bloom_may_have(&other, BYTES_OF(address)));
    address.b[0] = 0x23;
    assert_false(bloom_may_have(&bloom, BYTES_OF(address)));
}

static void body_refuses_what_is_no_transaction(void **state)
{
    (void)state;
    struct arena arena;
    struct block_txs txs;
    static const u8 string_of_one[] = {0xc1, 0x05}; /* a string shorter than an envelope */
    static const u8 string_list[] = {0xc4, 0x83, 0xc1, 0x01, 0x02}; /* a list inside a string */
    static const u8 not_a_list[] = {0x83, 1, 2, 3};
    static const u8 empty[] = {0xc0};
    arena_init(&arena, ARENA_BYTES);
    assert_false(is_ok(block_body_decode(&arena, BYTES_OF(string_of_one), &txs)));
    assert_false(is_ok(block_body_decode(&arena, BYTES_OF(string_list), &txs)));
    assert_false(is_ok(block_body_decode(&arena, BYTES_OF(not_a_list), &txs)));
    assert_ok(block_body_decode(&arena, BYTES_OF(empty), &txs));
    assert_int_equal(txs.count, 0);
    struct buf raw;
    buf_init(&raw, MIB(1));
    size_t list = rlp_list_begin(&raw);
    for (size_t i = 0; i <= BLOCK_TXS_MAX; i++) {
        rlp_put_bytes(&raw, bytes_str("\x02\xc0"));
    }
    rlp_list_end(&raw, list);
    assert_int_equal(block_body_decode(&arena, buf_bytes(&raw), &txs).code, ERR_LIMIT);
    buf_free(&raw);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header_round_trip_and_every_cut),
        cmocka_unit_test(base_fee_moves_by_an_eighth),
        cmocka_unit_test(receipts_come_back),
        cmocka_unit_test(blooms_have_three_bits),
        cmocka_unit_test(body_refuses_what_is_no_transaction),
        cmocka_unit_test(public_chain),
        cmocka_unit_test(public_receipts),
        cmocka_unit_test(public_proofs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

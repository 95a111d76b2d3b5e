/* The methods, each over a small chain: block 1 has a transfer and a set, block 2 nothing, block 3
 * a set, a failing call and a legacy transfer. */
#include "tests/support/rpc_world.h"

#include "crypto/hash.h"
#include "ledger/exec/proof.h"

#include <string.h>

#define VAULT "0x00000000000000000000000000000000ca1a0fa0"
#define FRIEND "0x0900000000000000000000000000000000000000"
#define NOBODY "0xc1cadaffffffffffffffffffffffffffffffffff"
#define NO_HASH "0x00000000000000000000000000000000000000000000000000000000deadbeef"
#define ZERO_WORD "0x0000000000000000000000000000000000000000000000000000000000000000"

static struct rpc_world world;
static struct {
    struct hash transfer;
    struct hash set;
    struct hash set_later;
    struct hash failing;
    struct hash legacy;
    struct hash blocks[4];
} chain;

static struct hash send_failing(void)
{
    struct buf call;
    struct address vault = native_address(VAULT_NUMBER);
    const struct abi_value args[] = {abi_bytes(bytes_str("not today"))};
    buf_init(&call, KIB(4));
    struct hash hash = rpc_send(&world, test_tx(0, &vault, 0, vault_call(&call, VAULT_FAIL, args)));
    buf_free(&call);
    return hash;
}

static struct hash send_legacy(void)
{
    struct address friend = {{9}};
    struct tx tx = test_tx(0, &friend, 1, bytes_str(""));
    tx.type = TX_LEGACY;
    tx.gas_limit = 21000;
    tx.max_priority = tx.max_fee;
    return rpc_send(&world, tx);
}

static void make_block(size_t i)
{
    test_block(&world.ledger);
    chain.blocks[i] = app_info_now(world.ledger.app).app_hash;
}

static int open_world(void **state)
{
    (void)state;
    struct address friend = {{9}};
    rpc_world_init(&world, NULL);
    chain.blocks[0] = app_info_now(world.ledger.app).app_hash;
    chain.transfer = rpc_send(&world, test_tx(0, &friend, 1000, bytes_str("")));
    chain.set = rpc_send_set(&world, 5, 77);
    make_block(1);
    make_block(2);
    chain.set_later = rpc_send_set(&world, 6, 78);
    chain.failing = send_failing();
    chain.legacy = send_legacy();
    make_block(3);
    assert_int_equal(world.submitted, 5);
    return 0;
}

static int close_world(void **state)
{
    (void)state;
    rpc_world_free(&world);
    return 0;
}

static const char *hex(const struct hash *hash) { return rpc_hex(BYTES_OF(*hash)); }

static void about_the_node(void **state)
{
    (void)state;
    rpc_expect(&world, "eth_chainId", "\"0x1c20\"", " ");
    rpc_expect(&world, "net_version", "\"7200\"", " ");
    rpc_expect(&world, "eth_blockNumber", "\"0x3\"", " ");
    rpc_expect(&world, "eth_accounts", "[]", " ");
    rpc_expect(&world, "eth_syncing", "false", " ");
    rpc_expect(&world, "net_listening", "true", " ");
    rpc_expect(&world, "net_peerCount", "\"0x0\"", " ");
    rpc_expect(&world, "web3_clientVersion", "\"cairn/test\"", " ");
    rpc_expect(&world, "web3_sha3",
               "\"0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470\"", "\"0x\"");
    rpc_expect_error(&world, "web3_sha3", -32602, "invalid argument 0", "\"0x1\"");
    rpc_expect_error(&world, "web3_sha3", -32602, "invalid argument 0", "7");
}

static void accounts(void **state)
{
    (void)state;
    rpc_expect(&world, "eth_getBalance", "\"0x3e9\"", "\"" FRIEND "\"");
    rpc_expect(&world, "eth_getBalance", "\"0x3e8\"", "\"" FRIEND "\",\"0x2\"");
    rpc_expect(&world, "eth_getBalance", "\"0x0\"", "\"" FRIEND "\",\"0x0\"");
    rpc_expect(&world, "eth_getBalance", "\"0x0\"", "\"" NOBODY "\",\"latest\"");
    const char *user = rpc_hex(BYTES_OF(world.ledger.user_address));
    rpc_expect(&world, "eth_getTransactionCount", "\"0x5\"", "\"%s\"", user);
    rpc_expect(&world, "eth_getTransactionCount", "\"0x2\"", "\"%s\",\"0x2\"", user);
    rpc_expect(&world, "eth_getTransactionCount", "\"0x5\"", "\"%s\",\"pending\"", user);
    send_legacy();
    rpc_expect(&world, "eth_getTransactionCount", "\"0x6\"", "\"%s\",\"pending\"", user);
    rpc_expect(&world, "eth_getTransactionCount", "\"0x5\"", "\"%s\",\"latest\"", user);
    rpc_expect(&world, "eth_getCode", "\"0x6000\"", "\"" DUMMY "\"");
    rpc_expect(&world, "eth_getCode", "\"0x60006000fd\"", "\"" VAULT "\"");
    rpc_expect(&world, "eth_getCode", "\"0x\"", "\"" NOBODY "\"");
}

static void storage(void **state)
{
    (void)state;
    struct hash slot = vault_slot(5);
    const char *word = "\"0x000000000000000000000000000000000000000000000000000000000000004d\"";
    rpc_expect(&world, "eth_getStorageAt", word, "\"" VAULT "\",\"%s\"", hex(&slot));
    rpc_expect(&world, "eth_getStorageAt", "\"" ZERO_WORD "\"", "\"" VAULT "\",\"%s\",\"0x0\"",
               hex(&slot));
    rpc_expect(&world, "eth_getStorageAt",
               "\"0x000000000000000000000000000000000000000000000000000000000000002a\"",
               "\"" VAULT "\",\"0x1\"");
    rpc_expect(&world, "eth_getStorageAt", "\"" ZERO_WORD "\"", "\"" NOBODY "\",\"0x00\"");
    rpc_expect_error(&world, "eth_getStorageAt", -32602, "invalid hex in storage key",
                     "\"" VAULT "\",\"0xasdf\",\"latest\"");
    rpc_expect_error(&world, "eth_getStorageAt", -32602, "storage key too long",
                     "\"" VAULT "\",\"" ZERO_WORD "0\",\"latest\"");
    rpc_expect_error(&world, "eth_getStorageAt", -32602, "a storage key is",
                     "\"" VAULT "\",\"0x\"");
    rpc_expect_error(&world, "eth_getStorageAt", -32602, "a storage key is", "\"" VAULT "\",1");
}

/* --- proofs --- */

static size_t read_nodes(const json_t *array, struct arena *arena, bytes *nodes)
{
    size_t count = json_array_size(array);
    assert_true(json_is_array(array) && count <= PROOF_NODES_MAX);
    for (size_t i = 0; i < count; i++) {
        assert_true(json_read_data(json_array_get(array, i), arena, &nodes[i]));
    }
    return count;
}

static void check_proof(u64 height, u64 expected)
{
    struct block_header header;
    struct arena arena;
    bytes nodes[PROOF_NODES_MAX];
    struct account account;
    struct hash root;
    struct word word;
    struct hash slot = vault_slot(5);
    struct address vault = native_address(VAULT_NUMBER);
    arena_init(&arena, MIB(1));
    json_t *proof = rpc_ask(&world, "eth_getProof", "\"" VAULT "\",[\"%s\",\"0x99\"],\"0x%x\"",
                            hex(&slot), (unsigned)height);
    test_ok(app_header(world.ledger.app, height, &header));
    size_t count = read_nodes(json_object_get(proof, "accountProof"), &arena, nodes);
    assert_int_equal(proof_account(&header.state_root, &vault, nodes, count, &account, &root),
                     PROOF_PRESENT);
    rpc_is(proof, "storageHash", hex(&root));
    rpc_is(proof, "nonce", "0x1");
    const json_t *items = json_object_get(proof, "storageProof");
    count = read_nodes(json_object_get(json_array_get(items, 0), "proof"), &arena, nodes);
    rpc_is(json_array_get(items, 0), "key", hex(&slot));
    enum proof_verdict verdict = proof_slot(&root, &slot, nodes, count, &word);
    assert_int_equal(verdict, expected != 0 ? PROOF_PRESENT : PROOF_ABSENT);
    assert_int_equal(load_be64(word.b + 24), expected);
    rpc_is(json_array_get(items, 1), "key", "0x99");
    rpc_is(json_array_get(items, 1), "value", "0x0");
    struct hash absent = slot_number(0x99);
    count = read_nodes(json_object_get(json_array_get(items, 1), "proof"), &arena, nodes);
    assert_int_equal(proof_slot(&root, &absent, nodes, count, &word), PROOF_ABSENT);
    json_decref(proof);
    arena_free(&arena);
}

static void proofs(void **state)
{
    (void)state;
    check_proof(3, 77);
    check_proof(2, 77);
    check_proof(0, 0);
    json_t *proof = rpc_ask(&world, "eth_getProof", "\"" NOBODY "\",[]");
    rpc_is(proof, "balance", "0x0");
    rpc_is(proof, "codeHash", "0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470");
    rpc_is(proof, "storageHash",
           "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421");
    json_decref(proof);
    rpc_expect_error(&world, "eth_getProof", -32602, "storage keys are", "\"" VAULT "\",\"0x0\"");
    rpc_expect_error(&world, "eth_getProof", -32602, "storage keys are", "\"" VAULT "\",null");
    rpc_expect_error(&world, "eth_getProof", -32602, "a storage key is", "\"" VAULT "\",[1]");
    rpc_expect_error(&world, "eth_getProof", -32000, "header not found",
                     "\"" VAULT "\",[],\"0x99\"");
}

/* --- blocks --- */

static void blocks(void **state)
{
    (void)state;
    json_t *block = rpc_ask(&world, "eth_getBlockByNumber", "\"0x1\",true");
    json_t *same = rpc_ask(&world, "eth_getBlockByHash", "\"%s\",true", hex(&chain.blocks[1]));
    assert_true(json_equal(block, same));
    json_decref(same);
    rpc_is(block, "hash", hex(&chain.blocks[1]));
    rpc_is(block, "parentHash", hex(&chain.blocks[0]));
    rpc_is(block, "number", "0x1");
    rpc_is(block, "difficulty", "0x0");
    rpc_is(block, "nonce", "0x0000000000000000");
    rpc_is(block, "miner", rpc_hex(BYTES_OF(world.ledger.seat_address)));
    const json_t *txs = json_object_get(block, "transactions");
    assert_int_equal(json_array_size(txs), 2);
    rpc_is(json_array_get(txs, 0), "hash", hex(&chain.transfer));
    rpc_is(json_array_get(txs, 1), "transactionIndex", "0x1");
    json_decref(block);
    block = rpc_ask(&world, "eth_getBlockByNumber", "\"0x3\"");
    txs = json_object_get(block, "transactions");
    assert_int_equal(json_array_size(txs), 3);
    assert_string_equal(json_string_value(json_array_get(txs, 0)), hex(&chain.set_later));
    json_decref(block);
    block = rpc_ask(&world, "eth_getBlockByNumber", "\"pending\",false");
    rpc_is(block, "number", "0x4");
    rpc_is(block, "parentHash", hex(&chain.blocks[3]));
    assert_true(json_is_null(json_object_get(block, "hash")));
    json_decref(block);
    rpc_expect(&world, "eth_getBlockByNumber", "null", "\"0x99\",true");
    rpc_expect(&world, "eth_getBlockByHash", "null", "\"" NO_HASH "\",true");
    rpc_expect_error(&world, "eth_getBlockByNumber", -32602, "invalid argument 1", "\"0x1\",1");
    rpc_expect_error(&world, "eth_getBlockByHash", -32602, "invalid argument 0", "\"0x1\",true");
}

/* The hash in the answer is that of the header that its fields give: nothing is left out. */
static void the_header_is_whole(void **state)
{
    (void)state;
    json_t *raw = rpc_ask(&world, "debug_getRawHeader", "\"0x3\"");
    struct arena arena;
    struct block_header header;
    struct hash hash;
    bytes encoded;
    arena_init(&arena, KIB(4));
    assert_true(json_read_data(raw, &arena, &encoded));
    keccak256(&hash, encoded);
    assert_true(hash_eq(&hash, &chain.blocks[3]));
    test_ok(block_header_decode(encoded, &header));
    json_t *block = rpc_ask(&world, "eth_getBlockByNumber", "\"0x3\"");
    rpc_is(block, "stateRoot", hex(&header.state_root));
    rpc_is(block, "transactionsRoot", hex(&header.txs_root));
    rpc_is(block, "receiptsRoot", hex(&header.receipts_root));
    rpc_is(block, "mixHash", hex(&header.prev_randao));
    struct bloom bloom;
    assert_true(json_read_fixed(json_object_get(block, "logsBloom"), bloom.b, sizeof bloom.b));
    assert_memory_equal(bloom.b, header.bloom.b, sizeof bloom.b);
    json_t *whole = rpc_ask(&world, "debug_getRawBlock", "\"0x3\"");
    size_t bytes_ = (json_string_length(whole) - 2) / 2;
    u64 size;
    assert_true(json_read_quantity(json_object_get(block, "size"), &size));
    assert_int_equal(size, bytes_);
    json_decref(whole);
    json_decref(block);
    json_decref(raw);
    arena_free(&arena);
}

static void counts(void **state)
{
    (void)state;
    rpc_expect(&world, "eth_getBlockTransactionCountByNumber", "\"0x2\"", "\"0x1\"");
    rpc_expect(&world, "eth_getBlockTransactionCountByNumber", "\"0x0\"", "\"earliest\"");
    rpc_expect(&world, "eth_getBlockTransactionCountByNumber", "null", "\"0x44\"");
    rpc_expect(&world, "eth_getBlockTransactionCountByHash", "\"0x3\"", "\"%s\"",
               hex(&chain.blocks[3]));
    rpc_expect(&world, "eth_getBlockTransactionCountByHash", "null", "\"" NO_HASH "\"");
    rpc_expect(&world, "eth_getUncleCountByBlockNumber", "\"0x0\"", "\"latest\"");
    rpc_expect(&world, "eth_getUncleCountByBlockNumber", "null", "\"0x44\"");
    rpc_expect(&world, "eth_getUncleCountByBlockHash", "\"0x0\"", "\"%s\"", hex(&chain.blocks[3]));
    rpc_expect(&world, "eth_getUncleCountByBlockHash", "null", "\"" NO_HASH "\"");
    rpc_expect(&world, "eth_getUncleByBlockNumberAndIndex", "null", "\"0x1\",\"0x0\"");
    rpc_expect(&world, "eth_getUncleByBlockHashAndIndex", "null", "\"" NO_HASH "\",\"0x0\"");
}

/* --- transactions --- */

static void transactions(void **state)
{
    (void)state;
    json_t *tx = rpc_ask(&world, "eth_getTransactionByHash", "\"%s\"", hex(&chain.set));
    json_t *by_number =
        rpc_ask(&world, "eth_getTransactionByBlockNumberAndIndex", "\"0x1\",\"0x1\"");
    json_t *by_hash = rpc_ask(&world, "eth_getTransactionByBlockHashAndIndex", "\"%s\",\"0x1\"",
                              hex(&chain.blocks[1]));
    assert_true(json_equal(tx, by_number) && json_equal(tx, by_hash));
    rpc_is(tx, "from", rpc_hex(BYTES_OF(world.ledger.user_address)));
    rpc_is(tx, "to", VAULT);
    rpc_is(tx, "type", "0x2");
    rpc_is(tx, "nonce", "0x1");
    rpc_is(tx, "chainId", "0x1c20");
    rpc_is(tx, "maxFeePerGas", "0x77359400");
    rpc_is(tx, "maxPriorityFeePerGas", "0x5f5e100");
    rpc_is(tx, "blockNumber", "0x1");
    assert_true(json_is_array(json_object_get(tx, "accessList")));
    json_decref(tx);
    json_decref(by_number);
    json_decref(by_hash);
    tx = rpc_ask(&world, "eth_getTransactionByHash", "\"%s\"", hex(&chain.legacy));
    rpc_is(tx, "type", "0x0");
    rpc_is(tx, "gasPrice", "0x77359400");
    u64 v;
    assert_true(json_read_quantity(json_object_get(tx, "v"), &v));
    assert_true(v == 35 + 2 * TEST_CHAIN_ID || v == 36 + 2 * TEST_CHAIN_ID);
    assert_null(json_object_get(tx, "yParity"));
    json_decref(tx);
    rpc_expect(&world, "eth_getTransactionByHash", "null", "\"" NO_HASH "\"");
    rpc_expect(&world, "eth_getTransactionByBlockNumberAndIndex", "null", "\"0x1\",\"0x2\"");
    rpc_expect(&world, "eth_getTransactionByBlockNumberAndIndex", "null",
               "\"0x1\",\"0xffffffffffffffff\"");
    rpc_expect(&world, "eth_getTransactionByBlockNumberAndIndex", "null", "\"0x99\",\"0x0\"");
    rpc_expect(&world, "eth_getTransactionByBlockHashAndIndex", "null", "\"" NO_HASH "\",\"0x0\"");
    rpc_expect_error(&world, "eth_getTransactionByHash", -32602, "invalid argument 0", "\"0x1\"");
}

static void waiting_transactions(void **state)
{
    (void)state;
    struct hash hash = send_legacy();
    json_t *tx = rpc_ask(&world, "eth_getTransactionByHash", "\"%s\"", hex(&hash));
    assert_true(json_is_null(json_object_get(tx, "blockHash")));
    assert_true(json_is_null(json_object_get(tx, "blockNumber")));
    assert_true(json_is_null(json_object_get(tx, "transactionIndex")));
    json_decref(tx);
    rpc_expect(&world, "eth_getTransactionReceipt", "null", "\"%s\"", hex(&hash));
    rpc_expect(&world, "txpool_status", "{\"pending\":\"0x1\",\"queued\":\"0x0\"}", " ");
    world.nonce++;
    send_legacy();
    rpc_expect(&world, "txpool_status", "{\"pending\":\"0x1\",\"queued\":\"0x1\"}", " ");
    json_t *content = rpc_ask(&world, "txpool_content", " ");
    assert_int_equal(json_object_size(json_object_get(content, "pending")), 1);
    assert_int_equal(json_object_size(json_object_get(content, "queued")), 1);
    json_decref(content);
    const char *user = rpc_hex(BYTES_OF(world.ledger.user_address));
    content = rpc_ask(&world, "txpool_contentFrom", "\"%s\"", user);
    assert_non_null(json_object_get(json_object_get(content, "pending"), "5"));
    assert_non_null(json_object_get(json_object_get(content, "queued"), "7"));
    json_decref(content);
    content = rpc_ask(&world, "txpool_inspect", " ");
    const char *line = json_string_value(
        json_object_get(json_object_get(json_object_get(content, "queued"), user), "7"));
    assert_non_null(line);
    assert_true(bytes_find(bytes_str(line), bytes_str(" wei + ")) != SIZE_MAX);
    json_decref(content);
    rpc_expect(&world, "txpool_contentFrom", "{\"pending\":{},\"queued\":{}}", "\"" NOBODY "\"");
}

static void receipts(void **state)
{
    (void)state;
    json_t *receipt = rpc_ask(&world, "eth_getTransactionReceipt", "\"%s\"", hex(&chain.transfer));
    rpc_is(receipt, "status", "0x1");
    rpc_is(receipt, "gasUsed", "0x5208");
    rpc_is(receipt, "cumulativeGasUsed", "0x5208");
    rpc_is(receipt, "type", "0x2");
    assert_true(json_is_null(json_object_get(receipt, "contractAddress")));
    json_decref(receipt);
    receipt = rpc_ask(&world, "eth_getTransactionReceipt", "\"%s\"", hex(&chain.failing));
    rpc_is(receipt, "status", "0x0");
    rpc_is(receipt, "transactionIndex", "0x1");
    assert_int_equal(json_array_size(json_object_get(receipt, "logs")), 0);
    json_decref(receipt);
    receipt = rpc_ask(&world, "eth_getTransactionReceipt", "\"%s\"", hex(&chain.set_later));
    const json_t *log = json_array_get(json_object_get(receipt, "logs"), 0);
    rpc_is(log, "address", VAULT);
    rpc_is(log, "transactionHash", hex(&chain.set_later));
    rpc_is(log, "blockHash", hex(&chain.blocks[3]));
    rpc_is(log, "logIndex", "0x0");
    json_t *all = rpc_ask(&world, "eth_getBlockReceipts", "\"0x3\"");
    assert_int_equal(json_array_size(all), 3);
    assert_true(json_equal(json_array_get(all, 0), receipt));
    json_decref(all);
    json_decref(receipt);
    rpc_expect(&world, "eth_getBlockReceipts", "[]", "\"earliest\"");
    rpc_expect(&world, "eth_getBlockReceipts", "null", "\"0x99\"");
    rpc_expect(&world, "eth_getBlockReceipts", "null", "\"" NO_HASH "\"");
    rpc_expect(&world, "eth_getTransactionReceipt", "null", "\"" NO_HASH "\"");
}

/* Gas and fees add up: what the sender lost is value plus gas at the effective price. */
static void receipts_add_up(void **state)
{
    (void)state;
    u64 spent = 1000 + 1;
    const struct hash *txs[] = {&chain.transfer, &chain.set, &chain.set_later, &chain.failing,
                                &chain.legacy};
    for (size_t i = 0; i < COUNT_OF(txs); i++) {
        json_t *receipt = rpc_ask(&world, "eth_getTransactionReceipt", "\"%s\"", hex(txs[i]));
        u64 gas;
        u64 price;
        assert_true(json_read_quantity(json_object_get(receipt, "gasUsed"), &gas));
        assert_true(json_read_quantity(json_object_get(receipt, "effectiveGasPrice"), &price));
        spent += gas * price;
        json_decref(receipt);
    }
    struct u256 funds;
    struct u256 left;
    char expected[80];
    assert_true(u256_parse_decimal(&funds, bytes_str(TEST_FUNDS)));
    assert_true(u256_sub(&left, funds, u256_from_u64(spent)));
    json_t *balance =
        rpc_ask(&world, "eth_getBalance", "\"%s\"", rpc_hex(BYTES_OF(world.ledger.user_address)));
    u8 word[32];
    assert_true(json_read_quantity256(balance, word));
    u256_decimal(expected, left);
    char got[80];
    u256_decimal(got, u256_from_be(word));
    assert_string_equal(got, expected);
    json_decref(balance);
}

static void raw_forms(void **state)
{
    (void)state;
    json_t *raw = rpc_ask(&world, "debug_getRawTransaction", "\"%s\"", hex(&chain.legacy));
    struct arena arena;
    struct hash hash;
    bytes text;
    arena_init(&arena, KIB(4));
    assert_true(json_read_data(raw, &arena, &text));
    tx_hash(&hash, text);
    assert_true(hash_eq(&hash, &chain.legacy));
    json_decref(raw);
    arena_free(&arena);
    raw = rpc_ask(&world, "debug_getRawReceipts", "\"0x3\"");
    assert_int_equal(json_array_size(raw), 3);
    json_decref(raw);
    rpc_expect(&world, "debug_getRawTransaction", "null", "\"" NO_HASH "\"");
    rpc_expect_error(&world, "debug_getRawBlock", -32602, "invalid block", "\"2\"");
    rpc_expect_error(&world, "debug_getRawHeader", -32602, "invalid block", "\"2\"");
    rpc_expect_error(&world, "debug_getRawReceipts", -32602, "invalid block", "\"2\"");
    rpc_expect_error(&world, "debug_getRawTransaction", -32602, "invalid argument 0",
                     "\"1000000000000000000000000000000000000000000000000000000000000001\"");
}

/* --- logs --- */

static void expect_logs(size_t count, const char *filter)
{
    json_t *logs = rpc_ask(&world, "eth_getLogs", "%s", filter);
    assert_int_equal(json_array_size(logs), count);
    json_decref(logs);
}

static void logs(void **state)
{
    (void)state;
    char filter[400];
    struct hash topic = native_event_abi(&vault_module, 0)->topic;
    expect_logs(1, "{}"); /* latest only */
    expect_logs(2, "{\"fromBlock\":\"earliest\"}");
    expect_logs(2, "{\"fromBlock\":\"0x0\",\"toBlock\":\"latest\",\"address\":\"" VAULT "\"}");
    expect_logs(2, "{\"fromBlock\":\"0x0\",\"address\":[\"" DUMMY "\",\"" VAULT "\"]}");
    expect_logs(0, "{\"fromBlock\":\"0x0\",\"address\":\"" DUMMY "\"}");
    expect_logs(1, "{\"fromBlock\":\"0x0\",\"toBlock\":\"0x2\"}");
    expect_logs(0, "{\"fromBlock\":\"0x2\",\"toBlock\":\"0x2\"}");
    snprintf(filter, sizeof filter, "{\"fromBlock\":\"0x0\",\"topics\":[\"%s\"]}", hex(&topic));
    expect_logs(2, filter);
    struct hash key = slot_number(6);
    snprintf(filter, sizeof filter, "{\"fromBlock\":\"0x0\",\"topics\":[null,\"%s\"]}", hex(&key));
    expect_logs(1, filter);
    snprintf(filter, sizeof filter, "{\"fromBlock\":\"0x0\",\"topics\":[[],[\"%s\",\"%s\"]]}",
             hex(&topic), hex(&key));
    expect_logs(1, filter);
    snprintf(filter, sizeof filter, "{\"fromBlock\":\"0x0\",\"topics\":[\"%s\"]}", hex(&key));
    expect_logs(0, filter);
    expect_logs(0, "{\"fromBlock\":\"0x0\",\"topics\":[null,null,null]}");
    snprintf(filter, sizeof filter, "{\"blockHash\":\"%s\"}", hex(&chain.blocks[1]));
    expect_logs(1, filter);
}

static void wrong_log_filters(void **state)
{
    (void)state;
    const char *bad[] = {
        "7",
        "{\"address\":7}",
        "{\"address\":[7]}",
        "{\"topics\":{}}",
        "{\"topics\":[7]}",
        "{\"topics\":[[7]]}",
        "{\"topics\":[null,null,null,null,null]}",
        "{\"fromBlock\":\"x\"}",
        "{\"blockHash\":\"0x1\"}",
        "{\"blockHash\":\"" NO_HASH "\",\"fromBlock\":\"0x1\"}",
        "{\"fromBlock\":\"0x3\",\"toBlock\":\"0x2\"}",
        "{\"fromBlock\":\"0x1\",\"toBlock\":\"0x99\"}",
        "{\"fromBlock\":\"0x98\",\"toBlock\":\"0x99\"}",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        rpc_expect_error(&world, "eth_getLogs", -32602, "", "%s", bad[i]);
    }
    rpc_expect_error(&world, "eth_getLogs", -32000, "unknown block",
                     "{\"blockHash\":\"" NO_HASH "\"}");
}

/* --- calls --- */

static const char *calldata(enum vault_function function, const struct abi_value *args)
{
    static struct buf call;
    buf_init(&call, KIB(4));
    bytes encoded = vault_call(&call, function, args);
    static char text[2 + 2 * 512 + 1];
    assert_true(encoded.len <= 512);
    text[0] = '0';
    text[1] = 'x';
    hex_encode(text + 2, sizeof text - 2, encoded);
    buf_free(&call);
    return text;
}

static void calls(void **state)
{
    (void)state;
    const struct abi_value key[] = {abi_u64(5)};
    const char *result = "\"0x000000000000000000000000000000000000000000000000000000000000004d\"";
    const char *get = calldata(VAULT_GET, key);
    rpc_expect(&world, "eth_call", result, "{\"to\":\"" VAULT "\",\"data\":\"%s\"}", get);
    rpc_expect(&world, "eth_call", result, "{\"to\":\"" VAULT "\",\"input\":\"%s\"},\"latest\"",
               get);
    rpc_expect(&world, "eth_call", result,
               "{\"to\":\"" VAULT "\",\"data\":\"%s\",\"from\":null,\"gasPrice\":\"0x0\"},\"0x1\","
               "{},null",
               get);
    rpc_expect(&world, "eth_call", "\"" ZERO_WORD "\"",
               "{\"to\":\"" VAULT "\",\"data\":\"%s\"},\"0x0\"", get);
    rpc_expect(&world, "eth_call", "\"0x\"", "{\"to\":\"" NOBODY "\"}");
    rpc_expect(&world, "eth_call", "\"0x\"", "{\"to\":\"" DUMMY "\"}");
    rpc_expect_error(&world, "eth_call", -32000, "invalid opcode", "{\"data\":\"0xfe\"}");
    /* Init code that returns one byte, which would be the contract's code. */
    rpc_expect(&world, "eth_call", "\"0x00\"", "{\"data\":\"0x60015ff3\"}");
    rpc_expect_error(&world, "eth_call", -32000, "insufficient funds",
                     "{\"to\":\"" VAULT "\",\"from\":\"" NOBODY "\",\"value\":\"0x1\"}");
    rpc_expect_error(&world, "eth_call", -32000, "out of gas",
                     "{\"to\":\"" VAULT "\",\"gas\":\"0x5800\",\"data\":\"%s\"}", get);
    const struct abi_value burn[] = {abi_u64(1000000000)};
    rpc_expect_error(&world, "eth_call", -32000, "out of gas",
                     "{\"to\":\"" VAULT "\",\"data\":\"%s\"}", calldata(VAULT_BURN, burn));
}

static void reverts_carry_their_reason(void **state)
{
    (void)state;
    const struct abi_value args[] = {abi_bytes(bytes_str("not today"))};
    const char *methods[] = {"eth_call", "eth_estimateGas"};
    struct address vault = native_address(VAULT_NUMBER);
    struct buf deposit;
    buf_init(&deposit, KIB(1));
    rpc_send(&world, test_tx(0, &vault, 5, vault_call(&deposit, VAULT_DEPOSIT, NULL)));
    make_block(3);
    buf_free(&deposit);
    const char *call = calldata(VAULT_FAIL, args);
    for (size_t i = 0; i < COUNT_OF(methods); i++) {
        char request[2048];
        snprintf(request, sizeof request,
                 "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":[{\"to\":\"" VAULT
                 "\",\"data\":\"%s\"}]}",
                 methods[i], call);
        json_t *answer = rpc_text(&world, request);
        const json_t *error = json_object_get(answer, "error");
        assert_int_equal(json_integer_value(json_object_get(error, "code")), 3);
        rpc_is(error, "message", "execution reverted: not today");
        rpc_is(error, "data",
               "0x08c379a0"
               "0000000000000000000000000000000000000000000000000000000000000020"
               "0000000000000000000000000000000000000000000000000000000000000009"
               "6e6f7420746f6461790000000000000000000000000000000000000000000000");
        json_decref(answer);
    }
}

static void wrong_calls(void **state)
{
    (void)state;
    const char *bad[] = {
        "7",
        "{\"to\":7}",
        "{\"to\":\"0x12\"}",
        "{\"to\":\"" VAULT "\",\"gas\":1}",
        "{\"to\":\"" VAULT "\",\"value\":\"1\"}",
        "{\"to\":\"" VAULT "\",\"data\":\"0x1\"}",
        "{\"to\":\"" VAULT "\",\"data\":\"0x11\",\"input\":\"0x12\"}",
        "{\"to\":\"" VAULT "\",\"gasPrice\":\"0x1\",\"maxFeePerGas\":\"0x1\"}",
        "{\"to\":\"" VAULT "\",\"chainId\":\"0x1\"}",
        "{\"to\":\"" VAULT "\",\"accessList\":7}",
        "{\"to\":\"" VAULT "\",\"accessList\":[{\"address\":\"" VAULT "\",\"storageKeys\":7}]}",
        "{\"to\":\"" VAULT "\",\"blobVersionedHashes\":[\"0x01\"]}",
        "{\"to\":\"" VAULT "\",\"blobs\":[]}",
        "{\"to\":\"" VAULT "\",\"authorizationList\":[{}]}",
        "{\"to\":\"" VAULT "\"},\"latest\",7",
        "{\"to\":\"" VAULT "\"},\"latest\",{\"0x12\":{}}",
        "{\"to\":\"" VAULT "\"},\"latest\",{\"" VAULT "\":{\"balance\":\"1\"}}",
        "{\"to\":\"" VAULT "\"},\"latest\",{\"" VAULT "\":{\"code\":\"0x1\"}}",
        "{\"to\":\"" VAULT "\"},\"latest\",{\"" VAULT "\":{\"state\":{},\"stateDiff\":{}}}",
        "{\"to\":\"" VAULT "\"},\"latest\",{\"" VAULT "\":{\"state\":{\"0x1\":\"0x2\"}}}",
        "{\"to\":\"" VAULT "\"},\"latest\",{},{\"number\":7}",
        "{\"to\":\"" VAULT "\"},\"latest\",{},{\"feeRecipient\":\"0x\"}",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        rpc_expect_error(&world, "eth_call", -32602, "", "%s", bad[i]);
        rpc_expect_error(&world, "eth_estimateGas", -32602, "", "%s", bad[i]);
    }
    rpc_expect_error(&world, "eth_call", -32000, "header not found",
                     "{\"to\":\"" VAULT "\"},\"0x99\"");
}

/* An account with code that only the block after the head lets through: NUMBER PUSH n EQ JUMPI. */
#define ONLY_WITH_CODE "{\"to\":\"" NOBODY "\"},\"latest\",{\"" NOBODY "\":{\"code\":\"%s\"}}"
static void estimate_in_next_block(void)
{
    u64 height;
    json_t *head = rpc_ask(&world, "eth_blockNumber", " ");
    assert_true(json_read_quantity(head, &height));
    json_decref(head);
    for (u64 number = height; number <= height + 2; number++) {
        char code[40];
        snprintf(code, sizeof code, "0x4360%02x14600a575f5ffd5b00", (unsigned)number & 0xff);
        if (number == height + 1) {
            json_decref(rpc_ask(&world, "eth_estimateGas", ONLY_WITH_CODE, code));
        } else {
            rpc_expect_error(&world, "eth_estimateGas", 3, "execution reverted", ONLY_WITH_CODE,
                             code);
        }
    }
}

static void estimates(void **state)
{
    estimate_in_next_block();
    (void)state;
    const char *user = rpc_hex(BYTES_OF(world.ledger.user_address));
    rpc_expect(&world, "eth_estimateGas", "\"0x5208\"",
               "{\"from\":\"%s\",\"to\":\"" NOBODY "\",\"value\":\"0x1\"}", user);
    rpc_expect(&world, "eth_estimateGas", "\"0x62d4\"",
               "{\"to\":\"" NOBODY "\",\"accessList\":[{\"address\":\"" VAULT
               "\",\"storageKeys\":[\"" ZERO_WORD "\"]}]}");
    rpc_expect_error(&world, "eth_estimateGas", -32000, "insufficient funds",
                     "{\"from\":\"" NOBODY "\",\"to\":\"" FRIEND "\",\"value\":\"0x1\"}");
    /* 53,000, two bytes of data and a word of init code, PUSH1. */
    rpc_expect(&world, "eth_estimateGas", "\"0xcf2d\"", "{\"from\":\"%s\",\"data\":\"0x6001\"}",
               user);
    const struct abi_value set[] = {abi_u64(9), abi_u64(9)};
    json_t *gas =
        rpc_ask(&world, "eth_estimateGas", "{\"from\":\"%s\",\"to\":\"" VAULT "\",\"data\":\"%s\"}",
                user, calldata(VAULT_SET, set));
    struct tx tx = test_tx(0, &(struct address){{0}}, 0, bytes_str(""));
    u64 limit;
    assert_true(json_read_quantity(gas, &limit));
    struct buf call;
    buf_init(&call, KIB(1));
    tx.to = native_address(VAULT_NUMBER);
    tx.input = vault_call(&call, VAULT_SET, set);
    tx.gas_limit = limit;
    struct hash hash = rpc_send(&world, tx);
    make_block(3);
    json_t *receipt = rpc_ask(&world, "eth_getTransactionReceipt", "\"%s\"", hex(&hash));
    rpc_is(receipt, "status", "0x1");
    json_decref(receipt);
    json_decref(gas);
    buf_free(&call);
}

/* --- sending --- */

static void refuse_tx(struct tx tx, const char *message)
{
    struct buf raw;
    char *text = test_malloc(KIB(8));
    test_sign(&raw, &tx, &world.ledger.user);
    hex_encode(text, KIB(8), buf_bytes(&raw));
    rpc_expect_error(&world, "eth_sendRawTransaction", -32000, message, "\"0x%s\"", text);
    test_free(text);
    buf_free(&raw);
}

static void refused_transactions(void **state)
{
    (void)state;
    struct address friend = {{9}};
    struct tx good = test_tx(world.nonce, &friend, 1, bytes_str(""));
    struct tx tx = good;
    size_t before = world.submitted;
    tx.nonce = 0;
    refuse_tx(tx, "nonce too low");
    tx = good;
    tx.chain_id = 1;
    refuse_tx(tx, "invalid chain id for signer");
    tx = good;
    tx.gas_limit = 20000;
    refuse_tx(tx, "intrinsic gas too low");
    tx = good;
    assert_true(u256_parse_decimal(&tx.value, bytes_str(TEST_FUNDS)));
    refuse_tx(tx, "insufficient funds for gas * price + value");
    tx = good;
    tx.type = TX_BLOB;
    refuse_tx(tx, "transaction type not supported: this network takes no blobs (type 3)");
    assert_int_equal(world.submitted, before);
    send_legacy();
    world.nonce--;
    struct tx same = test_tx(world.nonce, &friend, 1, bytes_str(""));
    same.type = TX_LEGACY;
    same.gas_limit = 21000;
    same.max_priority = same.max_fee;
    refuse_tx(same, "already known");
    rpc_expect_error(&world, "eth_sendRawTransaction", -32000, "", "\"0x\"");
    rpc_expect_error(&world, "eth_sendRawTransaction", -32000, "", "\"0x02c0\"");
    rpc_expect_error(&world, "eth_sendRawTransaction", -32000, "transaction type not supported",
                     "\"0x05c0\"");
    rpc_expect_error(&world, "eth_sendRawTransaction", -32602, "invalid argument 0", "\"abc\"");
}

/* --- fees --- */

static void fees(void **state)
{
    (void)state;
    struct u256 base = app_pool(world.ledger.app)->base_fee;
    u64 base_fee;
    char expected[40];
    assert_true(u256_to_u64(&base_fee, base));
    snprintf(expected, sizeof expected, "\"0x%llx\"", (unsigned long long)base_fee);
    rpc_expect(&world, "eth_baseFee", expected, " ");
    rpc_expect(&world, "eth_blobBaseFee", "\"0x1\"", " ");
    rpc_expect(&world, "eth_maxPriorityFeePerGas", "\"0x5f5e100\"", " ");
    snprintf(expected, sizeof expected, "\"0x%llx\"", (unsigned long long)base_fee + 100000000);
    rpc_expect(&world, "eth_gasPrice", expected, " ");
}

static void fee_history(void **state)
{
    (void)state;
    json_t *history = rpc_ask(&world, "eth_feeHistory", "\"0x3\",\"latest\",[0,50.5,100]");
    rpc_is(history, "oldestBlock", "0x1");
    assert_int_equal(json_array_size(json_object_get(history, "baseFeePerGas")), 4);
    assert_int_equal(json_array_size(json_object_get(history, "gasUsedRatio")), 3);
    const json_t *rewards = json_object_get(history, "reward");
    assert_int_equal(json_array_size(rewards), 3);
    const json_t *row = json_array_get(rewards, 2);
    assert_string_equal(json_string_value(json_array_get(row, 0)), "0x5f5e100");
    u64 highest;
    assert_true(json_read_quantity(json_array_get(row, 2), &highest));
    assert_true(highest > 1000000000); /* the legacy transaction tips all of its price */
    assert_string_equal(json_string_value(json_array_get(json_array_get(rewards, 1), 0)), "0x0");
    json_decref(history);
    history = rpc_ask(&world, "eth_feeHistory", "100,\"0x2\"");
    rpc_is(history, "oldestBlock", "0x0");
    assert_null(json_object_get(history, "reward"));
    json_decref(history);
    rpc_expect_error(&world, "eth_feeHistory", -32602, "request beyond head", "\"0x1\",\"0x99\"");
    rpc_expect_error(&world, "eth_feeHistory", -32602, "", "\"0x0\",\"latest\"");
    rpc_expect_error(&world, "eth_feeHistory", -32602, "", "-1,\"latest\"");
    rpc_expect_error(&world, "eth_feeHistory", -32602, "", "\"0x1\",\"latest\",[50,10]");
    rpc_expect_error(&world, "eth_feeHistory", -32602, "", "\"0x1\",\"latest\",[101]");
    rpc_expect_error(&world, "eth_feeHistory", -32602, "", "\"0x1\",\"latest\",[\"1\"]");
}

/* --- cairn --- */

static void certified_heads(void **state)
{
    (void)state;
    struct arena arena;
    struct block_header header;
    struct consensus_header consensus;
    struct certificate certificate;
    struct hash hash;
    bytes encoded;
    arena_init(&arena, KIB(16));
    json_t *head = rpc_ask(&world, "cairn_head", "\"0x0\",\"0x0\"");
    rpc_is(head, "height", "0x2");
    assert_true(json_read_data(json_object_get(head, "header"), &arena, &encoded));
    test_ok(block_header_decode(encoded, &header));
    assert_int_equal(header.number, 2);
    block_header_hash(&hash, &header);
    assert_true(json_read_data(json_object_get(head, "consensus"), &arena, &encoded));
    test_ok(consensus_part_decode(encoded, &consensus, &certificate));
    assert_int_equal(consensus.height, 3);
    assert_true(hash_eq(&consensus.parent_hash, &hash));
    struct seats seats = app_info_now(world.ledger.app).seats;
    assert_true(certificate_valid(&certificate, TEST_CHAIN_ID, &seats));
    json_decref(head);
    rpc_expect(&world, "cairn_head", "null", "\"0x2\",\"0x1388\"");
    head = rpc_ask(&world, "cairn_head", " ");
    json_decref(head);
    rpc_expect_error(&world, "cairn_head", -32602, "invalid argument 0", "\"x\"");
    rpc_expect_error(&world, "cairn_head", -32602, "invalid argument 1", "\"0x1\",5");
    arena_free(&arena);
}

/* What the proofs prove is src/chain's to check, and its tests' (chain_hostile_test.c). */
static void proven_receipts(void **state)
{
    (void)state;
    rpc_expect(&world, "cairn_receipt", "null", "\"" NO_HASH "\"");
    rpc_expect(&world, "cairn_receipt", "null", "\"%s\"", hex(&chain.legacy)); /* in the head */
    rpc_expect_error(&world, "cairn_receipt", -32602, "invalid argument 0", "\"0x1\"");
    json_t *receipt = rpc_ask(&world, "cairn_receipt", "\"%s\"", hex(&chain.transfer));
    rpc_is(receipt, "index", "0x0");
    rpc_is(receipt, "height", "0x1");
    assert_true(json_array_size(json_object_get(receipt, "txProof")) >= 1);
    assert_true(json_array_size(json_object_get(receipt, "receiptProof")) >= 1);
    assert_null(json_object_get(receipt, "beforeProof"));
    json_decref(receipt);
    receipt = rpc_ask(&world, "cairn_receipt", "\"%s\"", hex(&chain.set));
    rpc_is(receipt, "index", "0x1");
    assert_true(json_array_size(json_object_get(receipt, "beforeProof")) >= 1);
    json_decref(receipt);
}

static void genesis_and_modules(void **state)
{
    (void)state;
    char expected[300];
    struct hash file = app_genesis_hash(world.ledger.app);
    snprintf(expected, sizeof expected,
             "{\"chainId\":\"0x1c20\",\"genesisHash\":\"%s\",\"blockHash\":\"%s\"}", hex(&file),
             hex(&chain.blocks[0]));
    rpc_expect(&world, "cairn_genesis", expected, " ");
    json_t *modules = rpc_ask(&world, "cairn_modules", " ");
    assert_int_equal(json_array_size(modules), 1);
    rpc_is(json_array_get(modules, 0), "name", "vault");
    rpc_is(json_array_get(modules, 0), "address", VAULT);
    rpc_is(json_array_get(modules, 0), "version", "0x1");
    assert_int_equal(strlen(json_read_str(json_array_get(modules, 0), "interfaceHash")), 66);
    json_decref(modules);
}

#define IN_WORLD(fn) cmocka_unit_test_setup_teardown(fn, open_world, close_world)

int main(void)
{
    const struct hash seed = {{7}};
    const struct CMUnitTest tests[] = {
        IN_WORLD(about_the_node),
        IN_WORLD(accounts),
        IN_WORLD(storage),
        IN_WORLD(proofs),
        IN_WORLD(blocks),
        IN_WORLD(the_header_is_whole),
        IN_WORLD(counts),
        IN_WORLD(transactions),
        IN_WORLD(waiting_transactions),
        IN_WORLD(receipts),
        IN_WORLD(receipts_add_up),
        IN_WORLD(raw_forms),
        IN_WORLD(logs),
        IN_WORLD(wrong_log_filters),
        IN_WORLD(calls),
        IN_WORLD(reverts_carry_their_reason),
        IN_WORLD(wrong_calls),
        IN_WORLD(estimates),
        IN_WORLD(refused_transactions),
        IN_WORLD(fees),
        IN_WORLD(fee_history),
        IN_WORLD(certified_heads),
        IN_WORLD(proven_receipts),
        IN_WORLD(genesis_and_modules),
    };
    crypto_init(&seed);
    vault_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

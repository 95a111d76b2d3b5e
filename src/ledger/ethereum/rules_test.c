#include "ledger/ethereum/rules.h"

#include "codec/rlp.h"
#include "ledger/ethereum/genesis.h"
#include "tests/support/check.h"
#include "tests/support/vectors.h"

#include <stdio.h>

#define ARENA_BYTES MIB(64)

static void assert_ok(err e) { assert_int_equal(e.code, ERR_OK); }

static struct eth_genesis *parse(const char *text)
{
    struct eth_genesis *genesis;
    assert_ok(eth_genesis_parse(bytes_str(text), &genesis));
    return genesis;
}

static void refuse(const char *text)
{
    struct eth_genesis *genesis;
    assert_int_equal(eth_genesis_parse(bytes_str(text), &genesis).code, ERR_USAGE);
}

/* --- the chain of execution-apis: 54 blocks, Frontier to Osaka --- */

struct chain {
    struct vectors vectors;
    struct arena arena;
    bytes rlp;
    struct eth_genesis *genesis;
};

static bytes load(struct chain *chain, const char *name)
{
    char path[VECTORS_PATH_MAX];
    vectors_format(path, "%s/rpc-compat/tests/%s", chain->vectors.dir, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    u8 *data = arena_alloc(&chain->arena, MIB(1));
    size_t len = fread(data, 1, MIB(1), file);
    fclose(file);
    return bytes_make(data, len);
}

static void open_chain(struct chain *chain)
{
    vectors_open(&chain->vectors, "rpc-compat");
    arena_init(&chain->arena, ARENA_BYTES);
    chain->rlp = load(chain, "chain.rlp");
    assert_ok(eth_genesis_parse(load(chain, "genesis.json"), &chain->genesis));
    /* the root that the genesis accounts give; app/external_test.c computes it */
    struct hash *root = &chain->genesis->header.state_root;
    unhex(root->b, sizeof root->b,
          "dc43f460541a253c0f64b6943ef83fa3bd601699a255622f088d46f7fde359fc");
    vectors_close(&chain->vectors);
}

static void close_chain(struct chain *chain)
{
    eth_genesis_free(chain->genesis);
    arena_free(&chain->arena);
}

/* Every field that the rules decide, made wrong. */
static void spoil(const struct chain_rules *rules, const struct block_header *parent,
                  const struct block_header *header)
{
    struct block_header wrong = *header;
    wrong.number++;
    assert_string_equal(rules_check_header(rules, parent, &wrong), "number");
    wrong = *header;
    wrong.parent_hash.b[31] ^= 1;
    assert_string_equal(rules_check_header(rules, parent, &wrong), "parent hash");
    wrong = *header;
    wrong.time = parent->time;
    assert_non_null(rules_check_header(rules, parent, &wrong));
    wrong = *header;
    wrong.gas_limit += wrong.gas_limit / 1024 + 1;
    assert_string_equal(rules_check_header(rules, parent, &wrong), "gas limit");
    wrong = *header;
    wrong.gas_used = wrong.gas_limit + 1;
    assert_string_equal(rules_check_header(rules, parent, &wrong), "gas used above the gas limit");
    wrong = *header;
    wrong.difficulty++;
    assert_non_null(rules_check_header(rules, parent, &wrong));
    wrong = *header;
    wrong.form = wrong.form == BLOCK_FRONTIER ? BLOCK_LONDON : BLOCK_FRONTIER;
    assert_non_null(rules_check_header(rules, parent, &wrong));
    if (header->form >= BLOCK_LONDON) {
        wrong = *header;
        wrong.base_fee.limb[0]++;
        assert_string_equal(rules_check_header(rules, parent, &wrong), "base fee");
    }
    if (header->form >= BLOCK_CANCUN) {
        wrong = *header;
        wrong.excess_blob_gas++;
        assert_string_equal(rules_check_header(rules, parent, &wrong), "excess blob gas");
        wrong = *header;
        wrong.blob_gas_used++;
        assert_string_equal(rules_check_header(rules, parent, &wrong), "blob gas used");
    }
}

static void public_headers(void **state)
{
    (void)state;
    static const u8 forks[54] = {FORK_HOMESTEAD, FORK_HOMESTEAD, FORK_TANGERINE, FORK_TANGERINE,
                                 FORK_TANGERINE};
    struct chain chain;
    VECTORS_NEED("rpc-compat");
    open_chain(&chain);
    const struct chain_rules *rules = &chain.genesis->rules;
    struct block_header parent = chain.genesis->header;
    struct hash genesis_hash;
    block_header_hash(&genesis_hash, &parent);
    check_hex(BYTES_OF(genesis_hash),
              "44fd89d504659cd58f48f4796b77a7e7012cf296a2409afa2f6c3cb99b5b3d99");
    for (size_t i = 0; i < 54; i++) {
        struct rlp_item block;
        struct block_header header;
        struct block_body body;
        bytes raw;
        assert_ok(rlp_next(&chain.rlp, &block));
        assert_ok(block_decode(&chain.arena, block.raw, &header, &raw, &body));
        assert_null(rules_check_header(rules, &parent, &header));
        if (i < 5) {
            assert_int_equal(rules_fork(rules, header.number, header.time), forks[i]);
        }
        spoil(rules, &parent, &header);
        parent = header;
    }
    assert_int_equal(chain.rlp.len, 0);
    assert_int_equal(rules_fork(rules, parent.number, parent.time), FORK_OSAKA);
    assert_int_equal(rules_fork(rules, 35, 350), FORK_LONDON);
    assert_int_equal(rules_fork(rules, 36, 360), FORK_PARIS);
    assert_int_equal(rules_blobs_at(rules, parent.time)->max, 21);
    assert_int_equal(rules_blobs_at(rules, 539)->max, 15);
    assert_null(rules_blobs_at(rules, 419));
    /* eth_config/get-config.io and eth_baseFee/get-current-basefee.io */
    assert_int_equal(rules_fork_id(rules, &genesis_hash, parent.number, parent.time), 0xe272ecbe);
    u64 fee;
    assert_true(u256_to_u64(&fee, rules_base_fee(rules, &parent)));
    assert_int_equal(fee, 0x16dfe9b);
    close_chain(&chain);
}

/* --- blob fees: EIP-4844's own examples and limits --- */

static u64 blob_fee(u64 excess, u64 fraction)
{
    struct rules_blobs blobs = {.target = 3, .max = 6, .fraction = fraction};
    u64 fee = 0;
    assert_true(u256_to_u64(&fee, rules_blob_base_fee(&blobs, excess)));
    return fee;
}

static void blob_fees(void **state)
{
    (void)state;
    assert_int_equal(blob_fee(0, 3338477), 1);
    assert_int_equal(blob_fee(2314057, 3338477), 1); /* tests of EIP-4844 in geth and EELS */
    assert_int_equal(blob_fee(2314058, 3338477), 2);
    assert_int_equal(blob_fee(10 * 1024 * 1024, 3338477), 23);
    struct rules_blobs blobs = {.target = 3, .max = 6, .fraction = 1};
    struct u256 most = rules_blob_base_fee(&blobs, UINT64_MAX);
    assert_int_equal(most.limb[3], UINT64_MAX); /* saturated, and soon */
    u64 one;
    assert_true(u256_to_u64(&one, rules_blob_base_fee(NULL, 12345)));
    assert_int_equal(one, 1);
}

/* EIP-7918: with a base fee far above the blob fee the excess does not fall. */
static void blob_reserve(void **state)
{
    (void)state;
    struct chain_rules rules = {.blobs = {{.time = 10, .target = 6, .max = 9, .fraction = 5007716}},
                                .blob_count = 1};
    struct block_header parent = {.form = BLOCK_PRAGUE,
                                  .excess_blob_gas = 8 * RULES_GAS_PER_BLOB,
                                  .blob_gas_used = 3 * RULES_GAS_PER_BLOB,
                                  .base_fee = u256_from_u64(1000000000)};
    rules.starts[FORK_OSAKA] = 100;
    assert_int_equal(rules_excess_blob_gas(&rules, &parent, 50), 5 * RULES_GAS_PER_BLOB);
    assert_int_equal(rules_excess_blob_gas(&rules, &parent, 100), 9 * RULES_GAS_PER_BLOB);
    parent.base_fee = u256_from_u64(1);
    assert_int_equal(rules_excess_blob_gas(&rules, &parent, 100), 5 * RULES_GAS_PER_BLOB);
    parent.excess_blob_gas = 0;
    assert_int_equal(rules_excess_blob_gas(&rules, &parent, 100), 0);
    parent.excess_blob_gas = UINT64_MAX;
    assert_int_equal(rules_excess_blob_gas(&rules, &parent, 100), 0); /* no wrap */
    assert_int_equal(rules_excess_blob_gas(&rules, &parent, 9), 0);   /* before Cancun */
}

/* --- our own chain --- */

static void own_rules(void **state)
{
    (void)state;
    struct chain_rules rules = rules_own(7200, u256_from_u64(1000000));
    assert_int_equal(rules_fork(&rules, 0, 0), FORK_OSAKA);
    assert_null(rules_blobs_at(&rules, UINT64_MAX));
    struct block_header parent;
    struct u256 reward = rules_reward(FORK_OSAKA);
    block_header_init(&parent);
    parent.gas_limit = 60000000;
    parent.base_fee = u256_from_u64(1000000);
    assert_int_equal(u256_cmp(rules_base_fee(&rules, &parent), u256_from_u64(1000000)), 0);
    assert_true(u256_is_zero(reward));
    u64 gwei;
    assert_true(u256_to_u64(&gwei, rules_reward(FORK_BYZANTIUM)));
    assert_int_equal(gwei, 3000000000000000000u);
}

/* --- genesis files --- */

#define REST "\"gasLimit\": \"0x5f5e100\", \"difficulty\": 131072, \"alloc\": {}}"

static void spellings(void **state)
{
    (void)state;
    struct eth_genesis *genesis =
        parse("{\"config\": {\"chainId\": \"17\", \"ethash\": {}, \"byzantiumBlock\": 5},"
              " \"gasLimit\": 5000, \"unknown\": 1, \"alloc\": {"
              "\"0x00000000000000000000000000000000000000ff\": {\"balance\": \"12\"},"
              "\"00000000000000000000000000000000000000aa\": {\"nonce\": 3, \"code\": \"0x00\","
              " \"storage\": {\"0x1\": \"02\"}, \"balance\": \"0x0010\"}}}");
    assert_int_equal(genesis->rules.chain_id, 17);
    assert_int_equal(genesis->rules.starts[FORK_HOMESTEAD], 5); /* left out: with the next one */
    assert_int_equal(genesis->rules.starts[FORK_ISTANBUL], RULES_NEVER);
    assert_int_equal(genesis->account_count, 2);
    assert_int_equal(genesis->accounts[0].address.b[19], 0xaa);
    assert_int_equal(genesis->accounts[0].balance.limb[0], 16);
    assert_int_equal(genesis->accounts[0].slots[0].word.b[31], 2);
    assert_int_equal(genesis->accounts[1].balance.limb[0], 12);
    assert_int_equal(genesis->header.form, BLOCK_FRONTIER);
    eth_genesis_free(genesis);
}

static void bad_files(void **state)
{
    (void)state;
    struct eth_genesis *genesis;
    assert_int_equal(eth_genesis_parse(bytes_str("{"), &genesis).code, ERR_MALFORMED);
    refuse("[]");
    refuse("{}");
    refuse("{\"config\": {}, \"alloc\": {}}"); /* no gas limit */
    refuse("{\"config\": {}, \"gasLimit\": 5000}");
    refuse("{\"config\": {\"chainId\": \"0x\"}, " REST);
    refuse("{\"config\": {\"chainId\": -1}, " REST);
    refuse("{\"config\": {\"homesteadBlock\": 9, \"eip150Block\": 8}, " REST);
    refuse("{\"config\": {\"shanghaiTime\": 9}, " REST); /* when was the merge? */
    refuse("{\"config\": {\"mergeNetsplitBlock\": 0, \"cancunTime\": 9}, " REST); /* no schedule */
    refuse("{\"config\": {\"mergeNetsplitBlock\": 0, \"cancunTime\": 9, \"blobSchedule\": "
           "{\"cancun\": {\"target\": 3, \"max\": 6, \"baseFeeUpdateFraction\": 0}}}, " REST);
    refuse("{\"config\": {\"mergeNetsplitBlock\": 0, \"cancunTime\": 9, \"blobSchedule\": "
           "{\"cancun\": {\"target\": 7, \"max\": 6, \"baseFeeUpdateFraction\": 9}}}, " REST);
    refuse("{\"config\": {\"daoForkBlock\": 1, \"daoForkSupport\": true}, " REST);
    refuse("{\"config\": {}, \"extraData\": \"0x"
           "000000000000000000000000000000000000000000000000000000000000000000\", " REST);
    refuse("{\"config\": {}, \"number\": 1, " REST);
    refuse("{\"config\": {}, \"coinbase\": \"0x00\", " REST);
    refuse("{\"config\": {}, \"gasLimit\": 5000, \"alloc\": {\"0xzz\": {}}}");
    refuse("{\"config\": {}, \"gasLimit\": 5000, \"alloc\": {"
           "\"00000000000000000000000000000000000000ff\": {},"
           "\"0x00000000000000000000000000000000000000FF\": {}}}"); /* one account twice */
    refuse("{\"config\": {}, \"gasLimit\": 5000, \"alloc\": {"
           "\"00000000000000000000000000000000000000ff\": {\"storage\": {\"0x\": \"0x1\"}}}}");
    refuse("{\"config\": {}, \"gasLimit\": 5000, \"alloc\": {"
           "\"00000000000000000000000000000000000000ff\": {\"balance\": \"0x1"
           "0000000000000000000000000000000000000000000000000000000000000000\"}}}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(public_headers), cmocka_unit_test(blob_fees),
        cmocka_unit_test(blob_reserve),   cmocka_unit_test(own_rules),
        cmocka_unit_test(spellings),      cmocka_unit_test(bad_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

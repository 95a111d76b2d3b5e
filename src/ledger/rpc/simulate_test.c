/* Overrides, access lists, traces and simulated blocks over our own chain: contracts come into
 * being by overrides, native modules are there. Imported chains: cairn-conformance rpc. */
#include "tests/support/rpc_world.h"

#include <string.h>

#define A "0xaa00000000000000000000000000000000000000"
#define B "0xbb00000000000000000000000000000000000000"
#define C "0xcc00000000000000000000000000000000000000"
#define RICH "0xdd00000000000000000000000000000000000000"
#define NOBODY "0xc1cadaffffffffffffffffffffffffffffffffff"
#define VAULT "0x00000000000000000000000000000000ca1a0fa0"
#define ZERO_WORD "0x0000000000000000000000000000000000000000000000000000000000000000"
#define WORD_1 "0x0000000000000000000000000000000000000000000000000000000000000001"
#define WORD_2 "0x0000000000000000000000000000000000000000000000000000000000000002"
#define WORD_42 "0x000000000000000000000000000000000000000000000000000000000000002a"

/* A calls B (and returns what B returns), calls C, which reverts, stores 2 in slot 1, logs topic 7.
 * B returns 42. */
#define CODE_A                                                                                     \
    "0x60206000600060006000"                                                                       \
    "73bb00000000000000000000000000000000000000"                                                   \
    "5af150"                                                                                       \
    "6000600060006000"                                                                             \
    "73cc00000000000000000000000000000000000000"                                                   \
    "5afa50"                                                                                       \
    "6002600155"                                                                                   \
    "600760006000a1"                                                                               \
    "60206000f3"
#define CODE_B "0x602a60005260206000f3"
#define CODE_C "0x60006000fd"
#define CODES                                                                                      \
    "\"" A "\":{\"code\":\"" CODE_A "\"},\"" B "\":{\"code\":\"" CODE_B "\"},\"" C                 \
    "\":{\"code\":\"" CODE_C "\"}"

static struct rpc_world world;
static struct hash set_tx;
static struct hash transfer_tx;

static int open_world(void **state)
{
    (void)state;
    struct address friend = {{9}};
    rpc_world_init(&world, NULL);
    set_tx = rpc_send_set(&world, 5, 77);
    transfer_tx = rpc_send(&world, test_tx(0, &friend, 1000, bytes_str("")));
    test_block(&world.ledger);
    test_block(&world.ledger);
    return 0;
}

static int close_world(void **state)
{
    (void)state;
    rpc_world_free(&world);
    return 0;
}

static const char *hash_text(const struct hash *hash)
{
    static char text[67];
    text[0] = '0';
    text[1] = 'x';
    hex_encode(text + 2, 65, BYTES_OF(*hash));
    return text;
}

/* Walks into a value: a number is an index, everything else a member. */
static const json_t *at(const json_t *value, const char *path)
{
    char copy[256];
    char *rest = copy;
    snprintf(copy, sizeof copy, "%s", path);
    for (char *part = strtok_r(copy, ".", &rest); part; part = strtok_r(NULL, ".", &rest)) {
        u64 index;
        value = parse_u64(&index, bytes_str(part)) ? json_array_get(value, (size_t)index)
                                                   : json_object_get(value, part);
    }
    return value;
}

static void is(const json_t *value, const char *path, const char *expected)
{
    rpc_same(at(value, path), expected);
}

/* --- overrides --- */

static void overrides(void **state)
{
    (void)state;
    rpc_expect(&world, "eth_call", "\"0x\"", "{\"to\":\"" B "\"}");
    rpc_expect(&world, "eth_call", "\"" WORD_42 "\"", "{\"to\":\"" A "\"},\"latest\",{" CODES "}");
    rpc_expect(&world, "eth_call", "\"0x\"", "{\"to\":\"" B "\"}"); /* nothing stayed */
    /* SLOAD(1) of a slot that is overridden: alone, and in place of all storage. */
    const char *load = "60015460005260206000f3";
    rpc_expect(&world, "eth_call", "\"" WORD_2 "\"",
               "{\"to\":\"" B "\"},\"latest\",{\"" B
               "\":{\"code\":\"0x%s\",\"stateDiff\":{\"" WORD_1 "\":\"" WORD_2 "\"}}}",
               load);
    rpc_expect(&world, "eth_call", "\"" WORD_2 "\"",
               "{\"to\":\"" B "\"},\"latest\",{\"" B "\":{\"code\":\"0x%s\",\"state\":{\"" WORD_1
               "\":\"" WORD_2 "\"}}}",
               load);
    /* A balance pays for a value; a block's number and time are what NUMBER and TIMESTAMP say. */
    rpc_expect_error(&world, "eth_call", -32000, "insufficient funds",
                     "{\"from\":\"" RICH "\",\"to\":\"" B "\",\"value\":\"0x5\"}");
    rpc_expect(&world, "eth_call", "\"0x\"",
               "{\"from\":\"" RICH "\",\"to\":\"" B "\",\"value\":\"0x5\"},\"latest\",{\"" RICH
               "\":{\"balance\":\"0x5\"}}");
    rpc_expect(&world, "eth_call", "\"" WORD_42 "\"",
               "{\"to\":\"" B "\"},\"latest\",{\"" B
               "\":{\"code\":\"0x4360005260206000f3\"}},{\"number\":\"0x2a\"}");
    rpc_expect(&world, "eth_call", "\"" WORD_42 "\"",
               "{\"to\":\"" B "\"},\"latest\",{\"" B
               "\":{\"code\":\"0x4260005260206000f3\"}},{\"time\":\"0x2a\"}");
    rpc_expect_error(&world, "eth_call", -32000, "account 0xaa",
                     "{\"to\":\"" A "\"},\"latest\",{\"" A "\":{\"movePrecompileToAddress\":\"" B
                     "\"}}");
    /* The identity contract, elsewhere, and no longer where it was. */
    rpc_expect(&world, "eth_call", "\"0x1234\"",
               "{\"to\":\"" B "\",\"input\":\"0x1234\"},\"latest\","
               "{\"0x0000000000000000000000000000000000000004\":{\"movePrecompileToAddress\":\"" B
               "\"}}");
    rpc_expect(&world, "eth_call", "\"0x\"",
               "{\"to\":\"0x0000000000000000000000000000000000000004\",\"input\":\"0x1234\"},"
               "\"latest\",{\"0x0000000000000000000000000000000000000004\":"
               "{\"movePrecompileToAddress\":\"" B "\"}}");
}

static void estimates_with_overrides(void **state)
{
    (void)state;
    json_t *gas = rpc_ask(&world, "eth_estimateGas", "{\"to\":\"" A "\"},\"latest\",{" CODES "}");
    /* Enough, and one less is not. */
    u64 enough;
    assert_true(json_read_quantity(gas, &enough));
    json_decref(gas);
    rpc_expect(&world, "eth_call", "\"" WORD_42 "\"",
               "{\"to\":\"" A "\",\"gas\":\"0x%llx\"},\"latest\",{" CODES "}",
               (unsigned long long)enough);
    rpc_expect_error(&world, "eth_call", -32000, "out of gas",
                     "{\"to\":\"" A "\",\"gas\":\"0x%llx\"},\"latest\",{" CODES "}",
                     (unsigned long long)enough - 1);
}

static void access_lists(void **state)
{
    (void)state;
    json_t *result =
        rpc_ask(&world, "eth_createAccessList", "{\"to\":\"" A "\"},\"latest\",{" CODES "}");
    is(result, "accessList.0", "{\"address\":\"" B "\",\"storageKeys\":[]}");
    is(result, "accessList.1", "{\"address\":\"" C "\",\"storageKeys\":[]}");
    is(result, "accessList.2", "{\"address\":\"" A "\",\"storageKeys\":[\"" WORD_1 "\"]}");
    assert_int_equal(json_array_size(at(result, "accessList")), 3);
    assert_null(at(result, "error"));
    json_decref(result);
    result = rpc_ask(&world, "eth_createAccessList", "{\"to\":\"" C "\"},\"latest\",{" CODES "}");
    is(result, "accessList", "[]");
    assert_non_null(at(result, "error")); /* it reverts, and the list is there all the same */
    json_decref(result);
}

/* --- traces --- */

static void call_trees(void **state)
{
    (void)state;
    json_t *result = rpc_ask(&world, "debug_traceCall",
                             "{\"from\":\"" RICH "\",\"to\":\"" A "\",\"gas\":\"0x30d40\"},"
                             "\"latest\",{\"tracer\":\"callTracer\",\"tracerConfig\":"
                             "{\"withLog\":true},\"stateOverrides\":{" CODES "}}");
    is(result, "type", "\"CALL\"");
    is(result, "from", "\"" RICH "\"");
    is(result, "gas", "\"0x30d40\"");
    is(result, "output", "\"" WORD_42 "\"");
    is(result, "calls.0.to", "\"" B "\"");
    is(result, "calls.0.output", "\"" WORD_42 "\"");
    is(result, "calls.0.from", "\"" A "\"");
    is(result, "calls.1.type", "\"STATICCALL\"");
    is(result, "calls.1.error", "\"execution reverted\"");
    assert_null(at(result, "calls.1.value"));
    is(result, "logs.0.position", "\"0x2\"");
    assert_int_equal(json_array_size(at(result, "calls")), 2);
    json_decref(result);
    result = rpc_ask(&world, "debug_traceCall",
                     "{\"to\":\"" A "\"},\"latest\",{\"tracer\":\"callTracer\",\"tracerConfig\":"
                     "{\"onlyTopCall\":true},\"stateOverrides\":{" CODES "}}");
    assert_null(at(result, "calls"));
    assert_null(at(result, "logs"));
    json_decref(result);
    /* A module is a call like any other. */
    result = rpc_ask(&world, "debug_traceTransaction",
                     "\"%s\",{\"tracer\":\"callTracer\",\"tracerConfig\":{\"withLog\":true}}",
                     hash_text(&set_tx));
    is(result, "to", "\"" VAULT "\"");
    is(result, "type", "\"CALL\"");
    assert_null(at(result, "error"));
    json_decref(result);
}

static void states_before_and_after(void **state)
{
    (void)state;
    json_t *result = rpc_ask(&world, "debug_traceCall",
                             "{\"from\":\"" RICH "\",\"to\":\"" A "\"},\"latest\","
                             "{\"tracer\":\"prestateTracer\",\"stateOverrides\":{" CODES ",\"" RICH
                             "\":{\"balance\":\"0x7\",\"nonce\":\"0x3\"}}}");
    is(result, RICH ".balance", "\"0x7\"");
    is(result, RICH ".nonce", "3");
    is(result, A ".code", "\"" CODE_A "\"");
    is(result, A ".storage." WORD_1, "\"" ZERO_WORD "\"");
    assert_non_null(at(result, B));
    assert_non_null(at(result, C));
    json_decref(result);
    result = rpc_ask(&world, "debug_traceCall",
                     "{\"from\":\"" RICH "\",\"to\":\"" A "\"},\"latest\","
                     "{\"tracer\":\"prestateTracer\",\"tracerConfig\":{\"diffMode\":true},"
                     "\"stateOverrides\":{" CODES ",\"" RICH
                     "\":{\"balance\":\"0x7\",\"nonce\":\"0x3\"}}}");
    is(result, "pre." RICH ".nonce", "3");
    is(result, "post." RICH, "{\"nonce\":4}");
    is(result, "post." A ".storage", "{\"" WORD_1 "\":\"" WORD_2 "\"}");
    assert_null(at(result, "pre." A ".storage")); /* it was zero */
    assert_null(at(result, "pre." B));            /* it did not change */
    assert_null(at(result, "post." B));
    json_decref(result);
    /* Who is paid for the first time was there with nothing; a new contract was not. */
    result = rpc_ask(&world, "debug_traceCall",
                     "{\"from\":\"" RICH "\",\"to\":\"" NOBODY "\",\"value\":\"0x1\"},\"latest\","
                     "{\"tracer\":\"prestateTracer\",\"tracerConfig\":{\"diffMode\":true},"
                     "\"stateOverrides\":{\"" RICH "\":{\"balance\":\"0x7\"}}}");
    is(result, "pre." NOBODY, "{\"balance\":\"0x0\"}");
    is(result, "post." NOBODY, "{\"balance\":\"0x1\"}");
    json_decref(result);
    result = rpc_ask(&world, "debug_traceCall",
                     "{\"from\":\"" RICH "\",\"input\":\"" CODE_B "\"},\"latest\","
                     "{\"tracer\":\"prestateTracer\",\"tracerConfig\":{\"diffMode\":true}}");
    assert_int_equal(json_object_size(at(result, "pre")), 1);  /* the sender */
    assert_int_equal(json_object_size(at(result, "post")), 2); /* and the contract */
    json_decref(result);
    /* A whole block: each transaction sees what the one before it left. */
    result =
        rpc_ask(&world, "debug_traceBlockByNumber",
                "\"0x1\",{\"tracer\":\"prestateTracer\",\"tracerConfig\":{\"diffMode\":true}}");
    assert_int_equal(json_array_size(result), 2);
    rpc_is(json_array_get(result, 0), "txHash", hash_text(&set_tx));
    rpc_is(json_array_get(result, 1), "txHash", hash_text(&transfer_tx));
    is(result, "1.result.post.0x0900000000000000000000000000000000000000.balance", "\"0x3e8\"");
    json_decref(result);
}

static void instructions(void **state)
{
    (void)state;
    json_t *result = rpc_ask(&world, "debug_traceCall",
                             "{\"to\":\"" A "\"},\"latest\",{\"enableMemory\":true,"
                             "\"enableReturnData\":true,\"stateOverrides\":{" CODES "}}");
    const json_t *logs = at(result, "structLogs");
    is(result, "failed", "false");
    is(result, "returnValue", "\"" WORD_42 "\"");
    is(result, "structLogs.0.op", "\"PUSH1\"");
    is(result, "structLogs.0.gasCost", "3");
    is(result, "structLogs.0.stack", "[]");
    bool seen_store = false;
    size_t deep = 0;
    for (size_t i = 0; i < json_array_size(logs); i++) {
        const json_t *step = json_array_get(logs, i);
        deep += json_integer_value(json_object_get(step, "depth")) == 2;
        if (strcmp(json_read_str(step, "op"), "SSTORE") == 0) {
            rpc_same(json_object_get(step, "storage"), "{\"" WORD_1 "\":\"" WORD_2 "\"}");
            rpc_same(json_object_get(step, "gasCost"), "22100"); /* cold, zero to not zero */
            seen_store = true;
        }
    }
    assert_true(seen_store);
    assert_int_equal(deep, 9); /* six of B, three of C */
    json_decref(result);
    result = rpc_ask(&world, "debug_traceCall",
                     "{\"to\":\"" A "\"},\"latest\",{\"limit\":3,\"disableStack\":true,"
                     "\"stateOverrides\":{" CODES "}}");
    assert_int_equal(json_array_size(at(result, "structLogs")), 3);
    assert_null(at(result, "structLogs.0.stack"));
    json_decref(result);
    /* The instruction that fails is the last one, whether it could begin or not. */
    static const char *const failing[] = {"fe", "01", "600160", "5bfe"};
    for (size_t i = 0; i < COUNT_OF(failing); i++) {
        bool stops = i == 2; /* PUSH1 past the end is a zero, then STOP */
        result = rpc_ask(&world, "debug_traceCall",
                         "{\"to\":\"" B "\"},\"latest\",{\"stateOverrides\":{\"" B
                         "\":{\"code\":\"0x%s\"}}}",
                         failing[i]);
        const json_t *steps = at(result, "structLogs");
        const json_t *last = json_array_get(steps, json_array_size(steps) - 1);
        assert_true((json_object_get(last, "error") != NULL) == !stops);
        rpc_same(at(result, "failed"), stops ? "false" : "true");
        json_decref(result);
    }
    /* An endless loop: JUMPDEST PUSH1 0 JUMP. It ends with its gas, or with the room for it. */
    rpc_expect_error(&world, "debug_traceCall", -32005, "the trace is larger",
                     "{\"to\":\"" B "\",\"gas\":\"0x2faf080\"},\"latest\",{\"stateOverrides\":{\"" B
                     "\":{\"code\":\"0x5b600056\"}}}");
    rpc_expect(&world, "debug_traceTransaction",
               "{\"gas\":21000,\"failed\":false,\"returnValue\":\"0x\",\"structLogs\":[]}",
               "\"%s\"", hash_text(&transfer_tx));
}

static void wrong_traces(void **state)
{
    (void)state;
    const char *hash = hash_text(&set_tx);
    rpc_expect_error(&world, "debug_traceTransaction", -32000, "transaction not found",
                     "\"" WORD_1 "\"");
    rpc_expect_error(&world, "debug_traceTransaction", -32602, "", "7");
    rpc_expect_error(&world, "debug_traceTransaction", -32602, "", "\"%s\",7", hash);
    rpc_expect_error(&world, "debug_traceTransaction", -32000, "there is no such tracer",
                     "\"%s\",{\"tracer\":\"{step: function() {}}\"}", hash);
    rpc_expect_error(&world, "debug_traceTransaction", -32602, "", "\"%s\",{\"disableStack\":7}",
                     hash);
    rpc_expect_error(&world, "debug_traceTransaction", -32602, "", "\"%s\",{\"limit\":-1}", hash);
    rpc_expect_error(&world, "debug_traceBlockByNumber", -32000, "genesis", "\"0x0\"");
    rpc_expect_error(&world, "debug_traceBlockByNumber", -32000, "block not found", "\"0x99\"");
    rpc_expect_error(&world, "debug_traceBlockByHash", -32000, "block not found", "\"" WORD_1 "\"");
    rpc_expect_error(&world, "debug_traceCall", -32602, "", "7");
    rpc_expect_error(&world, "debug_traceCall", -32000, "insufficient funds",
                     "{\"from\":\"" NOBODY "\",\"to\":\"" A "\",\"value\":\"0x1\"}");
}

/* --- simulated blocks --- */

static void simulated_blocks(void **state)
{
    (void)state;
    json_t *result =
        rpc_ask(&world, "eth_simulateV1",
                "{\"blockStateCalls\":[{\"stateOverrides\":{" CODES ",\"" RICH
                "\":{\"balance\":\"0x64\"}},\"calls\":[{\"from\":\"" RICH "\",\"to\":\"" A
                "\"},{\"from\":\"" RICH "\",\"to\":\"" NOBODY "\",\"value\":\"0x1\"}]},"
                "{\"calls\":[{\"to\":\"" C "\"}]}],\"traceTransfers\":true},\"latest\"");
    assert_int_equal(json_array_size(result), 2);
    is(result, "0.number", "\"0x3\"");
    is(result, "0.calls.0.returnData", "\"" WORD_42 "\"");
    is(result, "0.calls.0.logs.0.address", "\"" A "\"");
    is(result, "0.calls.1.logs.0.address", "\"0xeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee\"");
    is(result, "0.calls.1.logs.0.data", "\"" WORD_1 "\"");
    is(result, "0.calls.1.logs.0.logIndex", "\"0x1\"");
    is(result, "1.calls.0.status", "\"0x0\"");
    is(result, "1.calls.0.error.code", "3");
    assert_true(json_equal(at(result, "1.parentHash"), at(result, "0.hash")));
    assert_false(json_equal(at(result, "1.stateRoot"), at(result, "0.stateRoot")));
    json_decref(result);
    rpc_expect(&world, "eth_getBalance", "\"0x0\"", "\"" NOBODY "\""); /* nothing stayed */
    rpc_expect(&world, "eth_blockNumber", "\"0x2\"", " ");
}

/* Native modules run in simulated blocks, and their logs are there. */
static void simulated_modules(void **state)
{
    (void)state;
    struct buf call;
    char text[512];
    const struct abi_value args[] = {abi_u64(8), abi_u64(9)};
    buf_init(&call, KIB(4));
    bytes encoded = vault_call(&call, VAULT_SET, args);
    hex_encode(text, sizeof text, encoded);
    json_t *result = rpc_ask(
        &world, "eth_simulateV1",
        "{\"blockStateCalls\":[{\"calls\":[{\"to\":\"" VAULT "\",\"input\":\"0x%s\"}]}]}", text);
    is(result, "0.calls.0.status", "\"0x1\"");
    assert_int_equal(json_array_size(at(result, "0.calls.0.logs")), 1);
    json_decref(result);
    buf_free(&call);
}

static void wrong_simulations(void **state)
{
    (void)state;
    struct buf many;
    rpc_expect_error(&world, "eth_simulateV1", -32602, "", "7");
    rpc_expect_error(&world, "eth_simulateV1", -32602, "", "{}");
    rpc_expect_error(&world, "eth_simulateV1", -32602, "", "{\"blockStateCalls\":[]}");
    rpc_expect_error(&world, "eth_simulateV1", -32602, "", "{\"blockStateCalls\":[7]}");
    rpc_expect_error(&world, "eth_simulateV1", -32602, "", "{\"blockStateCalls\":[{\"calls\":7}]}");
    rpc_expect_error(&world, "eth_simulateV1", -32602, "",
                     "{\"blockStateCalls\":[{}],\"validation\":7}");
    rpc_expect_error(&world, "eth_simulateV1", -32602, "",
                     "{\"blockStateCalls\":[{\"calls\":[{\"to\":7}]}]}");
    rpc_expect_error(&world, "eth_simulateV1", -32000, "header not found",
                     "{\"blockStateCalls\":[{}]},\"0x99\"");
    rpc_expect_error(&world, "eth_simulateV1", -38020, "block numbers must be in order",
                     "{\"blockStateCalls\":[{\"blockOverrides\":{\"number\":\"0x2\"}}]}");
    rpc_expect_error(&world, "eth_simulateV1", -38021, "block timestamps must be in order",
                     "{\"blockStateCalls\":[{\"blockOverrides\":{\"time\":\"0x1\"}}]}");
    rpc_expect_error(&world, "eth_simulateV1", -38026, "too many blocks",
                     "{\"blockStateCalls\":[{\"blockOverrides\":{\"number\":"
                     "\"0xffffffffffffffff\"}}]}");
    rpc_expect_error(&world, "eth_simulateV1", -32602, "a block's time is too large",
                     "{\"blockStateCalls\":[{\"blockOverrides\":{\"time\":"
                     "\"0xffffffffffffffff\"}},{}]}");
    rpc_expect_error(&world, "eth_simulateV1", -38014, "insufficient funds",
                     "{\"blockStateCalls\":[{\"calls\":[{\"from\":\"" RICH "\",\"to\":\"" A
                     "\",\"value\":\"0x1\"}]}]}");
    rpc_expect_error(&world, "eth_simulateV1", -38013, "intrinsic gas too low",
                     "{\"blockStateCalls\":[{\"calls\":[{\"to\":\"" A "\",\"gas\":\"0x1\"}]}]}");
    rpc_expect_error(&world, "eth_simulateV1", -38015, "block gas limit reached",
                     "{\"blockStateCalls\":[{\"blockOverrides\":{\"gasLimit\":\"0x7530\"},"
                     "\"calls\":[{\"to\":\"" A "\",\"gas\":\"0x7531\"}]}]}");
    rpc_expect_error(&world, "eth_simulateV1", -38011, "nonce too high",
                     "{\"blockStateCalls\":[{\"calls\":[{\"from\":\"" RICH "\",\"to\":\"" A
                     "\",\"nonce\":\"0x5\"}]}],\"validation\":true}");
    rpc_expect_error(&world, "eth_simulateV1", -38010, "nonce too low",
                     "{\"blockStateCalls\":[{\"stateOverrides\":{\"" RICH
                     "\":{\"nonce\":\"0x6\"}},\"calls\":[{\"from\":\"" RICH "\",\"to\":\"" A
                     "\",\"nonce\":\"0x5\"}]}],\"validation\":true}");
    rpc_expect_error(&world, "eth_simulateV1", -38012, "max fee per gas less than block base fee",
                     "{\"blockStateCalls\":[{\"calls\":[{\"from\":\"" RICH "\",\"to\":\"" A
                     "\"}]}],\"validation\":true}");
    rpc_expect_error(&world, "eth_simulateV1", -32602, "max priority fee",
                     "{\"blockStateCalls\":[{\"calls\":[{\"from\":\"" RICH "\",\"to\":\"" A
                     "\",\"maxFeePerGas\":\"0x1\",\"maxPriorityFeePerGas\":\"0x2\"}]}]}");
    buf_init(&many, RPC_TEXT_MAX);
    for (size_t i = 0; i < 257; i++) {
        buf_put_str(&many, i == 0 ? "{}" : ",{}");
    }
    rpc_expect_error(&world, "eth_simulateV1", -38026, "too many blocks",
                     "{\"blockStateCalls\":[%.*s]}", (int)many.len, (const char *)many.data);
    buf_free(&many);
}

/* --- what the node says of itself --- */

static void about_the_rules(void **state)
{
    (void)state;
    json_t *result = rpc_ask(&world, "eth_config", " ");
    is(result, "current.chainId", "\"0x1c20\"");
    is(result, "next", "null");
    is(result, "current.systemContracts",
       "{\"HISTORY_STORAGE_ADDRESS\":\"0x0000f90827f1c53a10cb7a02335b175320002935\"}");
    assert_int_equal(json_object_size(at(result, "current.precompiles")), 18);
    json_decref(result);
    result = rpc_ask(&world, "eth_capabilities", " ");
    is(result, "head.number", "\"0x2\"");
    is(result, "blocks.oldestBlock", "\"0x0\"");
    json_decref(result);
    rpc_expect(&world, "eth_blobBaseFee", "\"0x1\"", " ");
    rpc_expect_error(&world, "testing_buildBlockV1", -32601, "only over an imported chain",
                     "\"" WORD_1 "\",{}");
    rpc_expect(&world, "eth_getStorageValues", "{\"" A "\":[\"" ZERO_WORD "\",\"" ZERO_WORD "\"]}",
               "{\"" A "\":[\"0x1\",\"" WORD_2 "\"]}");
    rpc_expect_error(&world, "eth_getStorageValues", -32602, "empty request", "{}");
    rpc_expect_error(&world, "eth_getStorageValues", -32602, "", "{\"0x1\":[]}");
    rpc_expect_error(&world, "eth_getStorageValues", -32602, "", "{\"" A "\":7}");
}

int main(void)
{
    const struct hash seed = {{1}};
#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, open_world, close_world)
    const struct CMUnitTest tests[] = {
        IN_WORLD(overrides),
        IN_WORLD(estimates_with_overrides),
        IN_WORLD(access_lists),
        IN_WORLD(call_trees),
        IN_WORLD(states_before_and_after),
        IN_WORLD(instructions),
        IN_WORLD(wrong_traces),
        IN_WORLD(simulated_blocks),
        IN_WORLD(simulated_modules),
        IN_WORLD(wrong_simulations),
        IN_WORLD(about_the_rules),
    };
    crypto_init(&seed);
    vault_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

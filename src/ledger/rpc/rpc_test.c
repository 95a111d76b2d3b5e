/* The protocol: requests, batches, failures, limits, filters, waiting. */
#include "tests/support/rpc_world.h"

#include <string.h>

static struct rpc_world world;

static int open_world(void **state)
{
    (void)state;
    rpc_world_init(&world, NULL);
    return 0;
}

static int close_world(void **state)
{
    (void)state;
    rpc_world_free(&world);
    return 0;
}

static void expect_text(const char *request, const char *expected)
{
    json_t *answer = rpc_text(&world, request);
    rpc_same(answer, expected);
    json_decref(answer);
}

#define ERROR_TEXT(id, code, message)                                                              \
    "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"error\":{\"code\":" code ",\"message\":\"" message "\"}" \
    "}"

static void requests(void **state)
{
    (void)state;
    expect_text("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_chainId\"}",
                "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"0x1c20\"}");
    expect_text("{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"method\":\"eth_chainId\",\"params\":[]}",
                "{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"result\":\"0x1c20\"}");
    expect_text("{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"eth_chainId\",\"params\":null}",
                "{\"jsonrpc\":\"2.0\",\"id\":null,\"result\":\"0x1c20\"}");
    expect_text("{\"jsonrpc\":\"2.0\",\"method\":\"eth_chainId\"}", "");
    expect_text("{\"jsonrpc\":\"2.0\",\"method\":\"nope\"}", "");
    expect_text("{\"jsonrpc\":\"2.0\",\"method\":\"eth_chainId\",\"params\":{}}", "");
}

static void malformed_requests(void **state)
{
    (void)state;
    expect_text("", ERROR_TEXT("null", "-32700", "parse error"));
    expect_text("{", ERROR_TEXT("null", "-32700", "parse error"));
    expect_text("{\"jsonrpc\":\"2.0\"}x", ERROR_TEXT("null", "-32700", "parse error"));
    expect_text("{\"id\":1,\"id\":2}", ERROR_TEXT("null", "-32700", "parse error"));
    expect_text("1", ERROR_TEXT("null", "-32600", "invalid request"));
    expect_text("\"x\"", ERROR_TEXT("null", "-32600", "invalid request"));
    expect_text("null", ERROR_TEXT("null", "-32600", "invalid request"));
    expect_text("{}", ERROR_TEXT("null", "-32600", "invalid request"));
    expect_text("{\"jsonrpc\":\"1.0\",\"id\":4,\"method\":\"eth_chainId\"}",
                ERROR_TEXT("4", "-32600", "invalid request"));
    expect_text("{\"id\":4,\"method\":\"eth_chainId\"}",
                ERROR_TEXT("4", "-32600", "invalid request"));
    expect_text("{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":7}",
                ERROR_TEXT("4", "-32600", "invalid request"));
    expect_text("{\"jsonrpc\":\"2.0\",\"id\":[1],\"method\":\"eth_chainId\"}",
                ERROR_TEXT("null", "-32600", "invalid request"));
    expect_text("{\"jsonrpc\":\"2.0\",\"id\":true,\"method\":\"eth_chainId\"}",
                ERROR_TEXT("null", "-32600", "invalid request"));
    expect_text("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"nope\"}",
                ERROR_TEXT("1", "-32601", "the method nope does not exist"));
    expect_text("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_chainId\",\"params\":{\"a\":1}}",
                ERROR_TEXT("1", "-32602", "params must be an array"));
    expect_text("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_chainId\",\"params\":[1]}",
                ERROR_TEXT("1", "-32602", "too many arguments, want at most 0"));
    expect_text("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_getBalance\"}",
                ERROR_TEXT("1", "-32602", "missing value for required argument 0"));
}

static void batches(void **state)
{
    (void)state;
    expect_text("[]", ERROR_TEXT("null", "-32600", "empty batch"));
    expect_text("[1,2]", "[" ERROR_TEXT("null", "-32600", "invalid request") "," ERROR_TEXT(
                             "null", "-32600", "invalid request") "]");
    expect_text("[{\"jsonrpc\":\"2.0\",\"method\":\"eth_chainId\"}]", "");
    expect_text("[{\"jsonrpc\":\"2.0\",\"method\":\"eth_chainId\"},"
                "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"eth_chainId\"},"
                "{\"jsonrpc\":\"2.0\",\"method\":\"eth_chainId\"},"
                "{\"jsonrpc\":\"2.0\",\"id\":8,\"method\":\"no\"}]",
                "[{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":\"0x1c20\"}," ERROR_TEXT(
                    "8", "-32601", "the method no does not exist") "]");
    expect_text("[[]]", "[" ERROR_TEXT("null", "-32600", "invalid request") "]");
}

static char *repeated(const char *prefix, const char *item, size_t count, const char *suffix)
{
    size_t cap = strlen(prefix) + count * strlen(item) + strlen(suffix) + 1;
    char *text = test_malloc(cap);
    size_t at = (size_t)snprintf(text, cap, "%s", prefix);
    for (size_t i = 0; i < count; i++) {
        at += (size_t)snprintf(text + at, cap - at, "%s", item);
    }
    snprintf(text + at, cap - at, "%s", suffix);
    return text;
}

static void limits(void **state)
{
    (void)state;
    char *text = repeated("[0", ",0", RPC_BATCH_MAX, "]");
    expect_text(text, ERROR_TEXT("null", "-32600", "batch too large"));
    test_free(text);
    text = repeated("[0", ",[]", RPC_TOKENS_MAX, "]");
    expect_text(text, ERROR_TEXT("null", "-32600", "request too large"));
    test_free(text);
    text = repeated("\"", "aaaaaaaa", RPC_BODY_BYTES_MAX / 8, "\"");
    expect_text(text, ERROR_TEXT("null", "-32600", "request too large"));
    test_free(text);
    text = repeated("", "[", 100, "");
    expect_text(text, ERROR_TEXT("null", "-32700", "parse error"));
    test_free(text);
    text = repeated("\"", ",", RPC_TOKENS_MAX + 1, "\""); /* inside a string */
    expect_text(text, ERROR_TEXT("null", "-32600", "invalid request"));
    test_free(text);
}

/* A batch whose answers do not fit: what does not is answered by errors, the whole stays JSON. */
static void large_answers(void **state)
{
    (void)state;
    const char *item = ",{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_getProof\",\"params\":["
                       "\"0x0000000000000000000000000000000000000fa0\",[\"0x1\"]]}";
    struct buf out;
    json_t *answer;
    char *text = repeated("[0", item, RPC_BATCH_MAX - 1, "]");
    buf_init(&out, KIB(100));
    rpc_answer(world.rpc, bytes_str(text), &out);
    test_ok(buf_done(&out));
    test_ok(json_parse(buf_bytes(&out), RPC_REPLY_BYTES_MAX, &answer));
    assert_int_equal(json_array_size(answer), RPC_BATCH_MAX);
    const json_t *last = json_array_get(answer, RPC_BATCH_MAX - 1);
    const json_t *code = json_object_get(json_object_get(last, "error"), "code");
    assert_int_equal(json_integer_value(code), -32005);
    assert_non_null(json_object_get(json_array_get(answer, 1), "result"));
    json_decref(answer);
    buf_free(&out);
    test_free(text);
}

static void block_parameters(void **state)
{
    (void)state;
    const char *good[] = {"\"latest\"",
                          "\"safe\"",
                          "\"finalized\"",
                          "\"pending\"",
                          "\"0x2\"",
                          "null",
                          "{\"blockNumber\":\"0x2\"}",
                          "{\"blockNumber\":\"latest\"}"};
    const char *bad[] = {"\"newest\"",
                         "\"0x02\"",
                         "\"2\"",
                         "2",
                         "\"0x\"",
                         "\"\"",
                         "true",
                         "[]",
                         "{}",
                         "\"0xzz\"",
                         "\"Latest\"",
                         "{\"blockNumber\":{}}",
                         "{\"blockHash\":\"0x12\"}",
                         "{\"blockHash\":\"0x2\",\"blockNumber\":\"0x2\"}",
                         "{\"blockNumber\":\"0x2\",\"requireCanonical\":1}",
                         "\"0x10000000000000000\""};
    const char *user = rpc_hex(BYTES_OF(world.ledger.user_address));
    test_block(&world.ledger);
    test_block(&world.ledger);
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        rpc_expect(&world, "eth_getBalance", "\"0x3635c9adc5dea00000\"", "\"%s\",%s", user,
                   good[i]);
    }
    rpc_expect(&world, "eth_getBalance", "\"0x3635c9adc5dea00000\"", "\"%s\"", user);
    rpc_expect(&world, "eth_getBalance", "\"0x3635c9adc5dea00000\"", "\"%s\",\"earliest\"", user);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        rpc_expect_error(&world, "eth_getBalance", -32602, "", "\"%s\",%s", user, bad[i]);
    }
    rpc_expect_error(&world, "eth_getBalance", -32000, "header not found", "\"%s\",\"0x3\"", user);
    struct hash head = app_info_now(world.ledger.app).app_hash;
    rpc_expect(&world, "eth_getBalance", "\"0x3635c9adc5dea00000\"",
               "\"%s\",{\"blockHash\":\"%s\",\"requireCanonical\":true}", user,
               rpc_hex(BYTES_OF(head)));
    rpc_expect(&world, "eth_getBalance", "\"0x3635c9adc5dea00000\"", "\"%s\",\"%s\"", user,
               rpc_hex(BYTES_OF(head)));
    head.b[0] ^= 1;
    rpc_expect_error(&world, "eth_getBalance", -32000, "header not found", "\"%s\",\"%s\"", user,
                     rpc_hex(BYTES_OF(head)));
}

static void address_parameters(void **state)
{
    (void)state;
    const char *bad[] = {"\"\"",
                         "\"0x\"",
                         "1",
                         "null",
                         "\"0x00000000000000000000000000000000000cc\"",
                         "\"00000000000000000000000000000000000000cc\"",
                         "\"0x00000000000000000000000000000000000000cc00\"",
                         "\"0x00000000000000000000000000000000000000cg\"",
                         "{}"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        rpc_expect_error(&world, "eth_getBalance", -32602, "invalid argument 0", "%s", bad[i]);
    }
}

/* --- filters --- */

static void expect_changes(const char *id, const char *expected)
{
    rpc_expect(&world, "eth_getFilterChanges", expected, "\"%s\"", id);
}

static void install(char id[24], const char *method, const char *params)
{
    json_t *result = rpc_ask(&world, method, "%s", params);
    snprintf(id, 24, "%s", json_string_value(result));
    json_decref(result);
}

static void block_filters(void **state)
{
    (void)state;
    char id[24];
    char expected[200];
    install(id, "eth_newBlockFilter", "");
    expect_changes(id, "[]");
    test_block(&world.ledger);
    struct hash first = app_info_now(world.ledger.app).app_hash;
    test_block(&world.ledger);
    struct hash second = app_info_now(world.ledger.app).app_hash;
    snprintf(expected, sizeof expected, "[\"%s\",\"%s\"]", rpc_hex(BYTES_OF(first)),
             rpc_hex(BYTES_OF(second)));
    expect_changes(id, expected);
    expect_changes(id, "[]");
    rpc_expect_error(&world, "eth_getFilterLogs", -32000, "filter not found", "\"%s\"", id);
    rpc_expect(&world, "eth_uninstallFilter", "true", "\"%s\"", id);
    rpc_expect(&world, "eth_uninstallFilter", "false", "\"%s\"", id);
    rpc_expect_error(&world, "eth_getFilterChanges", -32000, "filter not found", "\"%s\"", id);
}

static void pending_filters(void **state)
{
    (void)state;
    char id[24];
    char expected[100];
    install(id, "eth_newPendingTransactionFilter", "");
    expect_changes(id, "[]");
    struct hash hash = rpc_send_set(&world, 1, 2);
    snprintf(expected, sizeof expected, "[\"%s\"]", rpc_hex(BYTES_OF(hash)));
    expect_changes(id, expected);
    expect_changes(id, "[]");
}

static void log_filters(void **state)
{
    (void)state;
    char id[24];
    char other[24];
    install(id, "eth_newFilter", "{\"address\":\"0x00000000000000000000000000000000ca1a0fa0\"}");
    install(other, "eth_newFilter", "{\"address\":\"" DUMMY "\",\"topics\":[[null]]}");
    rpc_send_set(&world, 1, 2);
    test_block(&world.ledger);
    json_t *changes = rpc_ask(&world, "eth_getFilterChanges", "\"%s\"", id);
    assert_int_equal(json_array_size(changes), 1);
    rpc_is(json_array_get(changes, 0), "blockNumber", "0x1");
    json_decref(changes);
    expect_changes(id, "[]");
    expect_changes(other, "[]");
    json_t *logs = rpc_ask(&world, "eth_getFilterLogs", "\"%s\"", id);
    assert_int_equal(json_array_size(logs), 1);
    json_decref(logs);
    rpc_expect_error(&world, "eth_newFilter", -32602, "invalid filter", "7");
    rpc_expect_error(&world, "eth_newFilter", -32602, "invalid filter", "{\"topics\":7}");
    rpc_expect_error(&world, "eth_getFilterChanges", -32602, "", "7");
}

/* The longest unused one makes room. */
static void filters_are_bounded(void **state)
{
    (void)state;
    char first[24];
    char second[24];
    char id[24];
    install(first, "eth_newBlockFilter", "");
    install(second, "eth_newBlockFilter", "");
    for (size_t i = 0; i < RPC_FILTERS_MAX - 2; i++) {
        install(id, "eth_newBlockFilter", "");
    }
    expect_changes(first, "[]");
    install(id, "eth_newBlockFilter", "");
    assert_int_equal(rpc_counts(world.rpc).filters, RPC_FILTERS_MAX);
    expect_changes(first, "[]");
    rpc_expect_error(&world, "eth_getFilterChanges", -32000, "filter not found", "\"%s\"", second);
}

/* --- waiting --- */

struct waiting {
    struct loop *loop;
    struct rpc_world world;
    json_t *answer;
    u64 took_ms;
    struct group group;
};

static void ask_head(void *arg)
{
    struct waiting *w = arg;
    u64 begin_ms = loop_now_ms(w->loop);
    w->answer = rpc_ask(&w->world, "cairn_head", "\"0x0\",\"0x1388\"");
    w->took_ms = loop_now_ms(w->loop) - begin_ms;
}

static void pause_ms(struct waiting *w, u64 ms)
{
    test_ok(fiber_sleep(w->loop, loop_now_ms(w->loop) + ms));
}

static void waiting_main(void *arg)
{
    struct waiting *w = arg;
    rpc_world_init(&w->world, w->loop);
    test_ok(group_start(w->loop, &w->group, "asks", ask_head, w));
    pause_ms(w, 100);
    rpc_pause(w->world.rpc); /* a call in between waits, too */
    test_block(&w->world.ledger);
    test_block(&w->world.ledger);
    rpc_advanced(w->world.rpc);
    pause_ms(w, 100);
    assert_null(w->answer);
    rpc_resume(w->world.rpc);
    group_wait(w->loop, &w->group);
    rpc_is(w->answer, "height", "0x1");
    assert_true(w->took_ms >= 190 && w->took_ms < 3000);
    json_decref(w->answer);

    u64 begin_ms = loop_now_ms(w->loop);
    rpc_expect(&w->world, "cairn_head", "null", "\"0x1\",\"0x64\"");
    u64 took_ms = loop_now_ms(w->loop) - begin_ms;
    assert_true(took_ms >= 100 && took_ms < 3000);
    begin_ms = loop_now_ms(w->loop);
    json_t *batch = rpc_text(&w->world, "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"cairn_head\","
                                        "\"params\":[\"0x9\",\"0x1388\"]}]");
    assert_true(loop_now_ms(w->loop) - begin_ms < 2000);
    json_decref(batch);
    rpc_stop_waiting(w->world.rpc);
    rpc_expect(&w->world, "cairn_head", "null", "\"0x1\",\"0x1388\"");
    assert_true(loop_now_ms(w->loop) - begin_ms < 2000);
    rpc_world_free(&w->world);
    loop_stop(w->loop);
}

static void heads_are_awaited(void **state)
{
    (void)state;
    struct waiting *w = test_calloc(1, sizeof *w);
    group_init(&w->group);
    test_ok(loop_open(&w->loop, 1));
    test_ok(fiber_start(w->loop, "main", waiting_main, w));
    loop_run(w->loop);
    loop_close(w->loop);
    test_free(w);
}

#define IN_WORLD(fn) cmocka_unit_test_setup_teardown(fn, open_world, close_world)

int main(void)
{
    const struct hash seed = {{7}};
    const struct CMUnitTest tests[] = {
        IN_WORLD(requests),
        IN_WORLD(malformed_requests),
        IN_WORLD(batches),
        IN_WORLD(limits),
        IN_WORLD(large_answers),
        IN_WORLD(block_parameters),
        IN_WORLD(address_parameters),
        IN_WORLD(block_filters),
        IN_WORLD(pending_filters),
        IN_WORLD(log_filters),
        IN_WORLD(filters_are_bounded),
        cmocka_unit_test(heads_are_awaited),
    };
    crypto_init(&seed);
    vault_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

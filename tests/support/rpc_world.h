/* rpc_world.h: for the tests of ledger/rpc: calls over an application in a temporary folder. */
#ifndef TESTS_SUPPORT_RPC_WORLD_H
#define TESTS_SUPPORT_RPC_WORLD_H

#include "codec/json.h"
#include "ledger/rpc/rpc.h"
#include "tests/support/test_ledger.h"
#include "tests/support/vault_module.h"

#define RPC_TEXT_MAX KIB(64)
#define DUMMY "0x00000000000000000000000000000000000000cc" /* an account with code */

struct rpc_world {
    struct test_ledger ledger;
    struct rpc *rpc;
    size_t submitted; /* calls of the hook */
    u64 nonce;        /* of the user's next transaction */
};

static inline void rpc_world_submitted(void *ctx)
{
    struct rpc_world *world = ctx;
    world->submitted++;
}

static inline void rpc_world_init(struct rpc_world *world, struct loop *loop)
{
    *world = (struct rpc_world){0};
    test_ledger_make(&world->ledger, "{\"vault\":{\"start\":42}}",
                     ",\"" DUMMY "\":{\"code\":\"0x6000\",\"nonce\":1}");
    test_ledger_open(&world->ledger);
    const struct rpc_options options = {.app = world->ledger.app,
                                        .loop = loop,
                                        .version = "cairn/test",
                                        .submitted = rpc_world_submitted,
                                        .ctx = world};
    rpc_new(&options, &world->rpc);
}

static inline void rpc_world_free(struct rpc_world *world)
{
    rpc_free(world->rpc);
    test_ledger_remove(&world->ledger);
}

/* rpc_text: the answer to a text; NULL if there is none. New reference. */
static inline json_t *rpc_text(struct rpc_world *world, const char *text)
{
    struct buf out;
    json_t *answer = NULL;
    buf_init(&out, RPC_REPLY_BYTES_MAX);
    rpc_answer(world->rpc, bytes_str(text), &out);
    test_ok(buf_done(&out));
    if (out.len > 0) {
        test_ok(json_parse(buf_bytes(&out), RPC_REPLY_BYTES_MAX * 2, &answer));
    }
    buf_free(&out);
    return answer;
}

__attribute__((format(printf, 3, 0))) static inline json_t *
rpc_request(struct rpc_world *world, const char *method, const char *format, va_list args)
{
    char *text = test_malloc(2 * RPC_TEXT_MAX);
    char *params = test_malloc(RPC_TEXT_MAX);
    vsnprintf(params, RPC_TEXT_MAX, format, args);
    snprintf(text, 2 * RPC_TEXT_MAX,
             "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":[%s]}", method, params);
    json_t *answer = rpc_text(world, text);
    assert_non_null(answer);
    test_free(text);
    test_free(params);
    return answer;
}

/* rpc_same: the value is this JSON text. */
static inline void rpc_same(const json_t *value, const char *expected)
{
    struct buf text;
    buf_init(&text, RPC_REPLY_BYTES_MAX);
    if (value != NULL) {
        json_write(&text, value);
    }
    buf_put_u8(&text, 0);
    assert_string_equal((const char *)text.data, expected);
    buf_free(&text);
}

/* rpc_ask: the result of a call that must succeed. New reference. */
__attribute__((format(printf, 3, 4))) static inline json_t *
rpc_ask(struct rpc_world *world, const char *method, const char *params, ...)
{
    va_list args;
    va_start(args, params);
    json_t *answer = rpc_request(world, method, params, args);
    va_end(args);
    json_t *result = json_incref(json_object_get(answer, "result"));
    if (result == NULL) {
        rpc_same(json_object_get(answer, "error"), "no error");
    }
    json_decref(answer);
    return result;
}

/* rpc_expect: the result is this JSON text. */
__attribute__((format(printf, 4, 5))) static inline void rpc_expect(struct rpc_world *world,
                                                                    const char *method,
                                                                    const char *expected,
                                                                    const char *params, ...)
{
    va_list args;
    va_start(args, params);
    json_t *answer = rpc_request(world, method, params, args);
    va_end(args);
    rpc_same(json_object_get(answer, "result"), expected);
    json_decref(answer);
}

/* rpc_expect_error: the call is refused with this code; the message begins with `message`. */
__attribute__((format(printf, 5, 6))) static inline void
rpc_expect_error(struct rpc_world *world, const char *method, int code, const char *message,
                 const char *params, ...)
{
    va_list args;
    va_start(args, params);
    json_t *answer = rpc_request(world, method, params, args);
    va_end(args);
    json_t *error = json_object_get(answer, "error");
    const char *text = json_read_str(error, "message");
    assert_non_null(error);
    assert_null(json_object_get(answer, "result"));
    assert_int_equal(json_integer_value(json_object_get(error, "code")), code);
    if (strncmp(text, message, strlen(message)) != 0) {
        assert_string_equal(text, message);
    }
    json_decref(answer);
}

/* rpc_is: a member of an object is this text. */
static inline void rpc_is(const json_t *object, const char *key, const char *expected)
{
    const char *text = json_read_str(object, key);
    assert_string_equal(text != NULL ? text : "(no string)", expected);
}

/* rpc_send: sends the user's next transaction through eth_sendRawTransaction; `tx` needs no nonce.
 */
static inline struct hash rpc_send(struct rpc_world *world, struct tx tx)
{
    struct buf raw;
    struct hash hash;
    char *hex = test_malloc(RPC_TEXT_MAX);
    tx.nonce = world->nonce++;
    test_sign(&raw, &tx, &world->ledger.user);
    hex_encode(hex, RPC_TEXT_MAX, buf_bytes(&raw));
    json_t *result = rpc_ask(world, "eth_sendRawTransaction", "\"0x%s\"", hex);
    tx_hash(&hash, buf_bytes(&raw));
    struct hash answered;
    assert_true(json_read_fixed(result, answered.b, sizeof answered.b));
    assert_true(hash_eq(&hash, &answered));
    json_decref(result);
    test_free(hex);
    buf_free(&raw);
    return hash;
}

static inline struct hash rpc_send_set(struct rpc_world *world, u64 key, u64 value)
{
    struct buf call;
    struct address vault = native_address(VAULT_NUMBER);
    const struct abi_value args[] = {abi_u64(key), abi_u64(value)};
    buf_init(&call, KIB(4));
    struct hash hash = rpc_send(world, test_tx(0, &vault, 0, vault_call(&call, VAULT_SET, args)));
    buf_free(&call);
    return hash;
}

/* A hash or an address as "0x…", in a ring of static buffers. */
static inline const char *rpc_hex(bytes in)
{
    static char texts[8][2 + 2 * 64 + 1];
    static size_t next;
    char *text = texts[next++ % COUNT_OF(texts)];
    assert_true(in.len <= 64);
    text[0] = '0';
    text[1] = 'x';
    hex_encode(text + 2, sizeof texts[0] - 2, in);
    return text;
}

#endif

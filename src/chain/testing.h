/* testing.h: for the tests of src/chain: ledger nodes that lie, stall, or are honest.
 *
 * A world has one application, whose blocks the test makes, and up to FAKES_MAX HTTP servers in
 * front of the real RPC methods. Each may twist what it answers to one method or to all. Everything
 * runs on one loop; the test itself is a fiber of it.
 */
#ifndef CHAIN_TESTING_H
#define CHAIN_TESTING_H

#include "base/mem.h"
#include "chain/chain.h"
#include "crypto/hash.h"
#include "net/http.h"
#include "tests/support/rpc_world.h"

#include <string.h>

#define FAKES_MAX 3
#define SOON_MS 20000

struct fake {
    struct chain_world *world;
    struct http_server *server;
    /* How to answer wrongly; all zero: honestly. */
    const char *method;  /* only calls of this one; NULL: all */
    size_t honest_calls; /* so many of them are answered well before */
    u64 delay_ms;
    /* twist: a new result for the honest one (borrowed); NULL: an error object. */
    json_t *(*twist)(struct fake *fake, json_t *result);
    void (*spoil)(struct fake *fake, struct buf *text); /* changes the text of the answer */
    int status;                                         /* instead of 200 */
    bool mute;                                          /* no answer until the end of the test */
    bool stall;                                         /* half of one */
    u64 seed;                                           /* for twists */
    /* What was asked. */
    size_t calls; /* of any method */
    size_t proofs;
    size_t slots; /* in proofs */
    size_t receipts;
};

struct chain_world {
    struct rpc_world ledger;
    struct loop *loop;
    struct fake fakes[FAKES_MAX];
    struct event released; /* the mute ones end */
    bool ending;
    struct group fibers; /* of the test */
    bool mining;         /* blocks come by themselves */
    char genesis_path[128];
    struct chain *chain; /* NULL: closed */
    struct arena arena;
    void (*fn)(struct chain_world *world);
};

static inline u64 in_ms(const struct chain_world *world, u64 ms)
{
    return loop_now_ms(world->loop) + ms;
}

static inline u64 soon(const struct chain_world *world) { return in_ms(world, SOON_MS); }

static inline void same_err(err e, enum err_code code)
{
    assert_string_equal(err_name(e), err_name((err){(u8)code}));
}

/* ---- serving ---- */

static inline void fake_count(struct fake *fake, const json_t *request)
{
    const char *method = json_read_str(request, "method");
    fake->calls++;
    if (strcmp(method, "eth_getProof") == 0) {
        const json_t *params = json_object_get(request, "params");
        fake->proofs++;
        fake->slots += json_array_size(json_array_get(params, 1));
    }
    fake->receipts += strcmp(method, "cairn_receipt") == 0;
}

static inline bool fake_lies_about(struct fake *fake, const json_t *request)
{
    const char *method = json_read_str(request, "method");
    if (fake->method != NULL && strcmp(fake->method, method) != 0) {
        return false;
    }
    if (fake->honest_calls > 0) {
        fake->honest_calls--;
        return false;
    }
    return true;
}

static inline void fake_twist_text(struct fake *fake, const struct fake *how, struct buf *text)
{
    json_t *root;
    test_ok(json_parse(buf_bytes(text), RPC_REPLY_BYTES_MAX, &root));
    json_t *result = json_object_get(root, "result");
    if (result != NULL) {
        json_t *twisted = how->twist(fake, result);
        if (twisted != NULL) {
            json_object_set_new(root, "result", twisted);
        } else {
            json_object_del(root, "result");
            json_object_set_new(root, "error",
                                json_pack("{s:i, s:s}", "code", -32000, "message", "a lie\n\x1b["));
        }
    }
    buf_clear(text);
    json_write(text, root);
    json_decref(root);
}

static inline void fake_respond(const struct fake *how, struct http_exchange *exchange,
                                const struct buf *text)
{
    int status = how->status != 0 ? how->status : 200;
    if (!how->stall) {
        IGNORE(http_respond(exchange, status, buf_bytes(text)));
        return;
    }
    IGNORE(http_respond_begin(exchange, status, text->len));
    IGNORE(http_write(exchange, bytes_slice(buf_bytes(text), 0, text->len / 2)));
    IGNORE(event_wait(how->world->loop, &how->world->released, DEADLINE_NONE));
}

/* `how` is as it was when the question came. */
static inline void fake_answer(struct fake *fake, const struct fake *how,
                               struct http_exchange *exchange, bytes body)
{
    struct buf text;
    buf_init(&text, 2 * RPC_REPLY_BYTES_MAX);
    rpc_answer(fake->world->ledger.rpc, body, &text);
    if (how->delay_ms > 0) {
        IGNORE(fiber_sleep(fake->world->loop, in_ms(fake->world, how->delay_ms)));
    }
    if (how->twist != NULL) {
        fake_twist_text(fake, how, &text);
    }
    if (how->spoil != NULL) {
        how->spoil(fake, &text);
    }
    if (!fake->world->ending) {
        fake_respond(how, exchange, &text);
    }
    buf_free(&text);
}

static inline void fake_handle(void *ctx, struct http_exchange *exchange)
{
    struct fake *fake = ctx;
    bytes body;
    json_t *request;
    if (!is_ok(http_read_body_all(exchange, MIB(1), &body))) {
        return;
    }
    test_ok(json_parse(body, MIB(1), &request));
    fake_count(fake, request);
    struct fake how = {.world = fake->world};
    if (fake_lies_about(fake, request)) {
        how = *fake;
    }
    json_decref(request);
    if (how.mute) {
        IGNORE(event_wait(fake->world->loop, &fake->world->released, DEADLINE_NONE));
    } else {
        fake_answer(fake, &how, exchange, body);
    }
}

static inline void fake_start(struct chain_world *world, size_t i)
{
    struct fake *fake = &world->fakes[i];
    const struct http_server_options options = {
        .host = "127.0.0.1", .handler = fake_handle, .ctx = fake};
    fake->world = world;
    test_ok(http_server_start(world->loop, &options, &fake->server));
}

/* fake_be: takes over the lies, keeps the rest; counters begin at zero. */
static inline void fake_be(struct fake *fake, struct fake lies)
{
    lies.world = fake->world;
    lies.server = fake->server;
    *fake = lies;
}

static inline void fake_be_honest(struct fake *fake) { fake_be(fake, (struct fake){0}); }

/* ---- the world ---- */

/* world_blocks: so many blocks more. The state after a block is certified by the next one. */
static inline void world_blocks(struct chain_world *world, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        test_block(&world->ledger.ledger);
        rpc_advanced(world->ledger.rpc);
    }
}

static inline u64 world_height(const struct chain_world *world)
{
    return app_info_now(world->ledger.ledger.app).height;
}

/* world_catch_up: until the client has the newest head there is. */
static inline void world_catch_up(struct chain_world *world)
{
    u64 height = world_height(world) - 1;
    while (chain_head(world->chain).height < height) {
        test_ok(chain_wait(world->chain, chain_head(world->chain).height, soon(world)));
    }
}

static inline void world_miner(void *arg)
{
    struct chain_world *world = arg;
    while (world->mining && is_ok(fiber_sleep(world->loop, in_ms(world, 15)))) {
        world_blocks(world, 1);
    }
}

static inline void world_mine(struct chain_world *world)
{
    world->mining = true;
    test_ok(group_start(world->loop, &world->fibers, "miner", world_miner, world));
}

/* world_stop: no more blocks; waits for the fibers of the test. */
static inline void world_stop(struct chain_world *world)
{
    world->mining = false;
    group_wait(world->loop, &world->fibers);
}

static inline err world_try_open(struct chain_world *world, size_t fakes, u64 deadline_ms)
{
    char texts[FAKES_MAX][64];
    const char *urls[FAKES_MAX];
    const struct chain_options options = {
        .rpc_urls = urls, .rpc_url_count = fakes, .genesis_path = world->genesis_path};
    for (size_t i = 0; i < fakes; i++) {
        snprintf(texts[i], sizeof texts[i], "http://127.0.0.1:%u",
                 http_server_port(world->fakes[i].server));
        urls[i] = texts[i];
    }
    return chain_open(world->loop, &options, deadline_ms, &world->chain);
}

static inline void world_open(struct chain_world *world, size_t fakes)
{
    test_ok(world_try_open(world, fakes, soon(world)));
}

static inline void world_close(struct chain_world *world)
{
    chain_close(world->chain);
    world->chain = NULL;
}

static inline void world_main(void *arg)
{
    struct chain_world *world = arg;
    for (size_t i = 0; i < FAKES_MAX; i++) {
        fake_start(world, i);
    }
    world_blocks(world, 3); /* 2 is certified */
    world->fn(world);
    world_stop(world);
    world_close(world);
    world->ending = true;
    rpc_stop_waiting(world->ledger.rpc);
    event_wake_all(&world->released);
    loop_stop(world->loop);
}

static inline void world_run(void (*fn)(struct chain_world *world))
{
    struct chain_world *world = MEM_NEW(struct chain_world);
    world->fn = fn;
    test_ok(loop_open(&world->loop, 1));
    event_init(&world->released);
    group_init(&world->fibers);
    arena_init(&world->arena, MIB(64));
    rpc_world_init(&world->ledger, world->loop);
    snprintf(world->genesis_path, sizeof world->genesis_path, "%s/genesis.json",
             world->ledger.ledger.dir);
    test_ok(file_replace(world->genesis_path, bytes_str(world->ledger.ledger.genesis)));
    test_ok(fiber_start(world->loop, "test", world_main, world));
    loop_run(world->loop);
    for (size_t i = 0; i < FAKES_MAX; i++) {
        http_server_close(world->fakes[i].server);
    }
    rpc_world_free(&world->ledger);
    loop_close(world->loop);
    arena_free(&world->arena);
    mem_free(world);
}

#define WORLD_TEST(fn)                                                                             \
    static void test_##fn(void **state)                                                            \
    {                                                                                              \
        (void)state;                                                                               \
        world_run(fn);                                                                             \
    }

/* ---- reading the vault ---- */

/* Some keys of the vault, read by one view. */
struct vault_view {
    const u64 *keys;
    size_t count;
    u64 values[400];
    size_t runs;
};

static inline err vault_load(const struct slot_source *slots, u64 key, u64 *ret)
{
    const struct address vault = native_address(VAULT_NUMBER);
    struct hash slot = vault_slot(key);
    struct word word;
    TRY(slots->load(slots->ctx, &vault, &slot, &word));
    *ret = load_be64(word.b + 24);
    return ok();
}

static inline err vault_read(void *ctx, const struct slot_source *slots)
{
    struct vault_view *view = ctx;
    err result = ok();
    view->runs++;
    for (size_t i = 0; i < view->count; i++) {
        err e = vault_load(slots, view->keys[i], &view->values[i]);
        result = is_ok(e) ? result : e;
    }
    return result;
}

static inline err vault_value(struct chain_world *world, u64 key, u64 deadline_ms, u64 *ret)
{
    struct vault_view view = {.keys = &key, .count = 1};
    TRY(chain_view(world->chain, vault_read, &view, deadline_ms));
    *ret = view.values[0];
    return ok();
}

static inline void vault_is(struct chain_world *world, u64 key, u64 expected)
{
    u64 value;
    test_ok(vault_value(world, key, soon(world), &value));
    assert_int_equal(value, expected);
}

/* The call set(key, value), its input in the world's arena. */
static inline struct chain_call set_call(struct chain_world *world, u64 key, u64 value)
{
    struct buf out;
    const struct abi_value args[] = {abi_u64(key), abi_u64(value)};
    buf_init(&out, KIB(4));
    bytes input = arena_copy(&world->arena, vault_call(&out, VAULT_SET, args));
    buf_free(&out);
    return (struct chain_call){.to = native_address(VAULT_NUMBER), .input = input};
}

#endif

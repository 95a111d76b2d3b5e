/* transfer_world.h: fake chain, fake storage nodes, and what src/transfer needs beside them.
 *
 * One loop; the test runs in a fiber. Provider p is fake store p, person FIRST_PROVIDER + p - 1,
 * with an operator shared with its neighbour and a /24 of its own. Included by one file of a
 * program.
 */
#ifndef TESTS_SUPPORT_TRANSFER_WORLD_H
#define TESTS_SUPPORT_TRANSFER_WORLD_H

#include "base/prng.h"
#include "os/file.h"
#include "tests/support/fake_chain.h"
#include "tests/support/fake_stores.h"
#include "transfer/segment_get.h"
#include "transfer/segment_put.h"
#include "transfer/spool.h"

#include <stdlib.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#undef fail /* cmocka's; err.h's is meant */

#define SOON_MS 30000

struct transfer_world {
    struct chain chain;
    struct loop *loop;
    struct fake_stores stores;
    struct directory *directory;
    struct http_client *http;
    struct segment_source *source;
    struct store_identity who;
    struct group fibers;
    char dir[64];
    u64 stall_timeout_ms;
    u64 hedge_ms;
    u64 next_number;
    u32 providers;
    bool unchecked;
    enum redundancy class_number;
    void (*fn)(struct transfer_world *w);
};

static inline void test_ok(err e) { assert_string_equal(err_name(e), "OK"); }
static inline void test_err(err e, enum err_code code)
{
    assert_string_equal(err_name(e), err_name(fail(code)));
}

static inline u64 soon(const struct transfer_world *w) { return loop_now_ms(w->loop) + SOON_MS; }

static inline void nap(struct transfer_world *w, u64 ms)
{
    test_ok(fiber_sleep(w->loop, loop_now_ms(w->loop) + ms));
}

static inline struct fake_store *store_of(struct transfer_world *w, u32 provider)
{
    assert_that(provider >= 1 && provider <= w->stores.count);
    return &w->stores.items[provider - 1];
}

static inline u64 world_time(void *ctx)
{
    return ((struct transfer_world *)ctx)->chain.scene.world.block.time;
}

/* tw_add_provider: registers the next fake store. */
static inline void tw_add_provider(struct transfer_world *w)
{
    struct world *world = &w->chain.scene.world;
    u32 person = FIRST_PROVIDER + w->stores.count;
    u32 operator_ = FIRST_OPERATOR + w->stores.count / 2;
    struct secp_secret secret = world_secret(person);
    struct secp_secret operator_secret = world_secret(operator_);
    struct address account = world_person(person);
    struct address operator_account = world_person(operator_);
    struct fake_store *store = fake_add(&w->stores, &secret);
    struct hash digest;
    struct secp_signature consent;
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%u", store->port);
    provider_consent_digest(&digest, WORLD_CHAIN_ID, &account);
    secp_sign(&consent, &operator_secret, &digest);
    struct abi_value args[] = {abi_address(&operator_account),
                               abi_bytes(BYTES_OF(consent.b)),
                               abi_u64(276),
                               abi_u64((u64)4 << 56 | store->number),
                               abi_bytes(bytes_str(url)),
                               abi_address(&account),
                               abi_u64(GIB(64)),
                               abi_u64(GIB(32))};
    assert_true(world_call(world, &provider_module, "register", &account, args));
    assert_int_equal(abi_as_u64(&world->returns[0]), store->number);
    w->chain.scene.providers++;
}

static inline void tw_open(struct transfer_world *w)
{
    scene_init(&w->chain.scene, 0);
    w->chain.loop = w->loop;
    event_init(&w->chain.advanced);
    w->stores = (struct fake_stores){.loop = w->loop,
                                     .chain_id = WORLD_CHAIN_ID,
                                     .unchecked = w->unchecked,
                                     .time = world_time,
                                     .ctx = w};
    for (u32 i = 0; i < w->providers; i++) {
        tw_add_provider(w);
    }
    /* Tables of draws lag two epochs behind. */
    for (u32 i = 0; i < 5; i++) {
        fake_block(&w->chain, 10);
    }
    snprintf(w->dir, sizeof w->dir, "/tmp/cairn-transfer-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    w->who = (struct store_identity){WORLD_CHAIN_ID, world_secret(GATEWAY)};
    group_init(&w->fibers);
    test_ok(http_client_new(w->loop, &(struct http_client_options){0}, &w->http));
    test_ok(directory_open(w->loop, &w->chain, soon(w), &w->directory));
    test_ok(segment_source_new(&(struct segment_source_options){.loop = w->loop,
                                                                .chain = &w->chain,
                                                                .directory = w->directory,
                                                                .http = w->http,
                                                                .who = &w->who,
                                                                .hedge_ms = w->hedge_ms},
                               &w->source));
}

/* The loop stops first: what hangs at a store must unwind, not only what is well. */
static inline void tw_close(struct transfer_world *w)
{
    loop_stop(w->loop);
    group_wait(w->loop, &w->fibers);
    segment_source_free(w->source);
    directory_close(w->directory);
    fake_close(&w->stores);
    http_client_free(w->http);
    test_ok(dir_remove_all(w->dir));
    world_free(&w->chain.scene.world);
    arena_free(&w->chain.log_arena);
}

static inline void tw_main(void *arg)
{
    struct transfer_world *w = arg;
    tw_open(w);
    w->fn(w);
    tw_close(w);
}

/* TW_RUN(function, .field = value…): 12 providers and rs-4-8 unless told otherwise. */
#define TW_RUN(...)                                                                                \
    do {                                                                                           \
        struct transfer_world *w_ = MEM_NEW(struct transfer_world);                                \
        *w_ = (struct transfer_world){.fn = __VA_ARGS__};                                          \
        tw_run(w_);                                                                                \
    } while (0)

static inline void tw_run(struct transfer_world *w)
{
    w->providers = w->providers != 0 ? w->providers : 12;
    w->class_number = w->class_number != 0 ? w->class_number : RS_4_8;
    test_ok(loop_open(&w->loop, 2));
    test_ok(fiber_start(w->loop, "test", tw_main, w));
    loop_run(w->loop);
    loop_close(w->loop);
    mem_free(w);
}

/* ---- segments ---- */

static inline struct segment_put_options put_options(struct transfer_world *w)
{
    return (struct segment_put_options){
        .loop = w->loop,
        .chain = &w->chain,
        .directory = w->directory,
        .http = w->http,
        .who = &w->who,
        .spool_dir = w->dir,
        .key = {w->chain.scene.territory, w->chain.scene.gateway, w->next_number},
        .class_number = w->class_number,
        .stall_timeout_ms = w->stall_timeout_ms,
        .fibers = &w->fibers,
    };
}

/* A segment as the test knows it. */
struct test_segment {
    struct segment_key key;
    u32 length;
    u8 *plain;
    struct segment_entry entry;
    struct segment_seal seal;
    struct segment_put *put;
};

static inline struct test_segment *ts_make(struct transfer_world *w, u32 length)
{
    struct test_segment *s = MEM_NEW(struct test_segment);
    struct prng prng;
    prng_init(&prng, w->next_number + length);
    s->length = length;
    s->plain = mem_alloc(length);
    prng_fill(&prng, s->plain, length);
    return s;
}

static inline void ts_free(struct test_segment *s)
{
    segment_put_free(s->put);
    mem_free(s->plain);
    mem_free(s);
}

static inline err ts_open(struct transfer_world *w, struct test_segment *s)
{
    struct segment_put_options options = put_options(w);
    s->key = options.key;
    w->next_number++;
    return segment_put_open(&options, soon(w), &s->put);
}

/* In pieces of uneven sizes. */
static inline err ts_write(struct transfer_world *w, struct test_segment *s)
{
    u32 piece = 1;
    for (u32 at = 0; at < s->length;) {
        u32 len = (u32)min_u64(piece, s->length - at);
        TRY(segment_put_write(s->put, bytes_make(s->plain + at, len), soon(w)));
        at += len;
        piece = piece > 200000 ? 7 : piece * 3 + 1;
    }
    return ok();
}

static inline err ts_seal(struct transfer_world *w, struct test_segment *s)
{
    return segment_put_seal(s->put, soon(w), &s->entry, &s->seal);
}

/* ts_commit: to the ledger; how many holders it took. */
static inline u8 ts_commit(struct transfer_world *w, const struct test_segment *s)
{
    struct segment_record record;
    assert_true(scene_commit(&w->chain.scene, &s->entry));
    fake_record(&w->chain);
    if (!scene_load(&w->chain.scene, s->key.number, &record)) {
        return 0;
    }
    return segment_holder_count(&record);
}

/* segment_store: written, sealed and committed with all holders. */
static inline struct test_segment *ts_store(struct transfer_world *w, u32 length)
{
    struct test_segment *s = ts_make(w, length);
    test_ok(ts_open(w, s));
    test_ok(ts_write(w, s));
    test_ok(ts_seal(w, s));
    u8 n = redundancy_n(redundancy_find((u8)w->class_number));
    if (s->entry.receipt_count < n) { /* a slow machine */
        struct segment_entry late;
        test_ok(segment_put_late(s->put, soon(w), &late));
        for (u8 i = 0; i < late.receipt_count; i++) {
            u8 at = s->entry.receipt_count++;
            for (; at > 0 && s->entry.receipts[at - 1].index > late.receipts[i].index; at--) {
                s->entry.receipts[at] = s->entry.receipts[at - 1];
            }
            s->entry.receipts[at] = late.receipts[i];
        }
    }
    assert_int_equal(s->entry.receipt_count, n);
    assert_int_equal(ts_commit(w, s), n);
    return s;
}

static inline struct fake_store *holder_of(struct transfer_world *w, const struct test_segment *s,
                                           u8 index)
{
    for (u8 i = 0; i < s->entry.receipt_count; i++) {
        if (s->entry.receipts[i].index == index) {
            return store_of(w, s->entry.receipts[i].provider);
        }
    }
    return NULL;
}

/* ts_read: [from, from + length), compared byte by byte. */
static inline err ts_read(struct transfer_world *w, const struct test_segment *s, u32 from,
                          u32 length)
{
    struct segment_get *get;
    u8 *out = mem_alloc(length + 1);
    u32 at = 0;
    size_t len = 1;
    err e = segment_get_open(w->source, &s->key, from, length, soon(w), &get);
    if (!is_ok(e)) {
        mem_free(out);
        return e;
    }
    while (is_ok(e) && len != 0) {
        e = segment_get_next(get, out + at, min_size(length + 1 - at, 100000), soon(w), &len);
        at += is_ok(e) ? (u32)len : 0;
    }
    assert_memory_equal(out, s->plain + from, at); /* also before a fault */
    if (is_ok(e)) {
        assert_int_equal(at, length);
    }
    segment_get_close(get);
    mem_free(out);
    return e;
}

#endif

#include "base/mem.h"
#include "base/prng.h"
#include "data/capability.h"
#include "data/fragment_writer.h"
#include "ledger/exec/native.h"
#include "ledger/exec/tx.h"
#include "ledger/modules/layout.h"
#include "storage/api.h"
#include "storage/nonces.h"
#include "tests/support/check.h"
#include "transfer/store_client.h"

#include <stdio.h>
#include <stdlib.h>

#define CHAIN 4242
#define PROVIDER 7
#define BLOCK_TIME 1700000000
#define TIMEOUT_MS 5000

static char root[] = "/tmp/cairn-api-test-XXXXXX";

struct world {
    struct loop *loop;
    struct shelf *shelf;
    struct api *api;
    struct http_server *server;
    struct http_client *http;
    struct metrics metrics;
    struct secp_secret signer;
    struct store_identity who;
    struct provider_view holder;
    struct store_grant grant; /* what the fake rights answer */
    err grant_fault;
    enum store_right asked;
    u64 capacity;
    u64 quota;
    struct store_fault fault;
    const char *name;
    void (*fn)(struct world *world);
};

static err check_rights(void *ctx, enum store_right right, const struct address *who,
                        const struct segment_key *key, struct store_grant *ret_grant)
{
    struct world *world = ctx;
    (void)who;
    (void)key;
    world->asked = right;
    *ret_grant = world->grant;
    return world->grant_fault;
}

static u64 block_time(void *ctx)
{
    (void)ctx;
    return BLOCK_TIME;
}

static void handle(void *ctx, struct http_exchange *exchange)
{
    struct world *world = ctx;
    api_handle(world->api, exchange);
}

static void open_world(struct world *world)
{
    char path[PATH_BYTES_MAX];
    path_join(path, root, world->name);
    const char *paths[] = {path};
    world->signer.b[31] = 5;
    world->who.secret.b[31] = 9;
    world->who.chain_id = CHAIN;
    world->grant = (struct store_grant){.allowed = true};
    assert_true(is_ok(shelf_open(
        world->loop,
        &(struct shelf_options){
            .paths = paths, .path_count = 1, .capacity_bytes = world->capacity, .reserve_bytes = 1},
        &world->shelf)));
    world->api = api_new(&(struct api_options){.loop = world->loop,
                                               .shelf = world->shelf,
                                               .rights = {world, check_rights, block_time},
                                               .chain_id = CHAIN,
                                               .provider = PROVIDER,
                                               .signer = &world->signer,
                                               .open_bytes_max = world->quota,
                                               .fault = world->fault,
                                               .metrics = &world->metrics});
    const struct http_server_options server = {
        .host = "127.0.0.1", .handler = handle, .ctx = world, .body_timeout_ms = 1000};
    assert_true(is_ok(http_server_start(world->loop, &server, &world->server)));
    assert_true(is_ok(
        http_client_new(world->loop, &(struct http_client_options){.tls = NULL}, &world->http)));
    world->holder.index = PROVIDER;
    secp_address_of_secret(&world->holder.signer, &world->signer);
    snprintf(world->holder.url, sizeof world->holder.url, "http://127.0.0.1:%u",
             http_server_port(world->server));
}

static void world_main(void *arg)
{
    struct world *world = arg;
    open_world(world);
    world->fn(world);
    http_client_free(world->http);
    loop_stop(world->loop);
    http_server_close(world->server);
    api_free(world->api);
    shelf_close(world->shelf);
}

static void run_world(struct world *world)
{
    world->capacity = world->capacity != 0 ? world->capacity : GIB(1);
    world->quota = world->quota != 0 ? world->quota : GIB(1);
    assert_true(is_ok(loop_open(&world->loop, 2)));
    assert_true(is_ok(fiber_start(world->loop, "test", world_main, world)));
    loop_run(world->loop);
    loop_close(world->loop);
}

/* RUN(function, .field = value…) */
#define RUN(...)                                                                                   \
    do {                                                                                           \
        struct world *world_ = MEM_NEW(struct world);                                              \
        *world_ = (struct world){.name = __func__, .fn = __VA_ARGS__};                             \
        run_world(world_);                                                                         \
        mem_free(world_);                                                                          \
    } while (0)

static u64 deadline(const struct world *world) { return loop_now_ms(world->loop) + TIMEOUT_MS; }

/* ---- fragments ---- */

struct fragment {
    struct segment_seal seal;
    u8 index;
    u32 len;
    u8 *data;
};

static struct fragment *make_fragment(u64 number, u32 len)
{
    struct fragment *f = MEM_NEW(struct fragment);
    struct prng prng;
    struct fragment_writer writer;
    *f = (struct fragment){.index = 2, .len = len, .data = mem_alloc(len)};
    f->seal =
        (struct segment_seal){.key = {3, 1, number}, .class_number = RS_2_4, .length = 2 * len};
    prng_init(&prng, number + len);
    prng_fill(&prng, f->data, len);
    fragment_writer_init(&writer, NULL, 0);
    assert_true(is_ok(fragment_writer_add(&writer, bytes_make(f->data, len))));
    fragment_writer_finish(&writer, &f->seal.roots[f->index]);
    f->seal.roots[5].b[7] = (u8)number;
    return f;
}

static void free_fragment(struct fragment *f)
{
    mem_free(f->data);
    mem_free(f);
}

static err put(struct world *world, const struct fragment *f, const struct segment_seal *seal,
               struct holder_receipt *ret_receipt)
{
    struct store_upload *upload;
    TRY(store_put_open(world->http, &world->who, &world->holder, &f->seal.key, f->index,
                       deadline(world), &upload));
    for (u32 at = 0; at < f->len; at += 50000) {
        u32 n = (u32)min_u64(50000, f->len - at);
        err e = store_put_write(upload, bytes_make(f->data + at, n), deadline(world));
        if (!is_ok(e)) {
            break; /* the early answer tells why */
        }
    }
    return store_put_finish(upload, seal, deadline(world), ret_receipt);
}

static err get(struct world *world, const struct fragment *f, u32 from, u32 length)
{
    struct store_download *download = NULL;
    u8 *out = mem_alloc(UNIT_BYTES);
    u32 at = from;
    size_t len = 1;
    err e =
        store_get_open(world->http, &world->who, &world->holder, &f->seal.key, f->index,
                       &f->seal.roots[f->index], f->len, from, length, deadline(world), &download);
    while (is_ok(e) && len != 0) {
        e = store_get_next(download, out, deadline(world), &len);
        if (is_ok(e) && len != 0) {
            assert_memory_equal(out, f->data + at, len);
            at += (u32)len;
        }
    }
    if (is_ok(e)) {
        assert_int_equal(at, from + length);
    }
    store_get_close(download);
    mem_free(out);
    return e;
}

static void put_get_fn(struct world *world)
{
    static const u32 sizes[] = {64, 4096, UNIT_BYTES, UNIT_BYTES + 64, MIB(3) + 128};
    for (u64 i = 0; i < COUNT_OF(sizes); i++) {
        struct fragment *f = make_fragment(i, sizes[i]);
        struct holder_receipt receipt;
        struct segment_seal seal;
        struct hash id;
        segment_seal_id(&f->seal, &id);
        assert_int_equal(put(world, f, &f->seal, &receipt).code, ERR_OK);
        assert_int_equal(world->asked, RIGHT_WRITE);
        assert_int_equal(receipt.deadline, BLOCK_TIME + RECEIPT_TTL_SECONDS);
        assert_int_equal(put(world, f, &f->seal, &receipt).code, ERR_OK); /* again: renewed */
        assert_int_equal(store_renew(world->http, &world->who, &world->holder, &f->seal, f->index,
                                     deadline(world), &receipt)
                             .code,
                         ERR_OK);
        assert_int_equal(get(world, f, 0, f->len).code, ERR_OK);
        assert_int_equal(world->asked, RIGHT_READ);
        if (f->len > 2 * UNIT_BYTES) {
            assert_int_equal(get(world, f, UNIT_BYTES, UNIT_BYTES).code, ERR_OK);
            u32 tail = (u32)(f->len - 2 * UNIT_BYTES);
            assert_int_equal(get(world, f, 2 * UNIT_BYTES, tail).code, ERR_OK);
        }
        assert_int_equal(store_get_seal(world->http, &world->who, &world->holder, &f->seal.key, &id,
                                        deadline(world), &seal)
                             .code,
                         ERR_OK);
        assert_memory_equal(&seal, &f->seal, sizeof seal);
        free_fragment(f);
    }
    assert_int_equal(shelf_totals(world->shelf).fragments, COUNT_OF(sizes));
}

static void put_and_get(void **state)
{
    (void)state;
    RUN(put_get_fn);
}

/* The answer may come before what was received is discarded. */
static void expect_nothing(struct world *world)
{
    struct shelf_totals totals = shelf_totals(world->shelf);
    for (int i = 0; i < 100 && totals.reserved_bytes != 0; i++) {
        IGNORE(fiber_sleep(world->loop, loop_now_ms(world->loop) + 10));
        totals = shelf_totals(world->shelf);
    }
    assert_int_equal(totals.fragments, 0);
    assert_int_equal(totals.bytes, 0);
    assert_int_equal(totals.reserved_bytes, 0);
}

static void bad_seals_fn(struct world *world)
{
    struct fragment *f = make_fragment(1, 3 * UNIT_BYTES);
    struct holder_receipt receipt;
    struct segment_seal seal = f->seal;
    seal.roots[f->index].b[3] ^= 1; /* not the root of these bytes */
    assert_true(is_err(put(world, f, &seal, &receipt), ERR_REFUSED));
    seal = f->seal;
    seal.key.number++; /* another segment */
    assert_true(is_err(put(world, f, &seal, &receipt), ERR_REFUSED));
    seal = f->seal;
    seal.length += 64 * 4; /* another shape */
    assert_true(is_err(put(world, f, &seal, &receipt), ERR_REFUSED));
    expect_nothing(world);
    world->grant.has_id = true; /* the chain knows the segment by another id */
    assert_true(is_err(put(world, f, &f->seal, &receipt), ERR_CONFLICT));
    expect_nothing(world);
    segment_seal_id(&f->seal, &world->grant.id);
    assert_true(is_ok(put(world, f, &f->seal, &receipt)));
    free_fragment(f);
}

static void bad_seals(void **state)
{
    (void)state;
    RUN(bad_seals_fn);
}

static void conflicts_fn(struct world *world)
{
    struct fragment *f = make_fragment(1, 4096);
    struct fragment *other = make_fragment(1, 8192);
    struct holder_receipt receipt;
    assert_true(is_ok(put(world, f, &f->seal, &receipt)));
    assert_true(is_err(put(world, other, &other->seal, &receipt), ERR_CONFLICT));
    assert_true(is_err(store_renew(world->http, &world->who, &world->holder, &other->seal, 2,
                                   deadline(world), &receipt),
                       ERR_CONFLICT));
    other->seal.key.number = 77;
    assert_true(is_err(store_renew(world->http, &world->who, &world->holder, &other->seal, 2,
                                   deadline(world), &receipt),
                       ERR_NOT_FOUND));
    assert_true(is_ok(get(world, f, 0, f->len)));
    free_fragment(f);
    free_fragment(other);
}

static void conflicts(void **state)
{
    (void)state;
    RUN(conflicts_fn);
}

static void no_room_fn(struct world *world)
{
    struct fragment *big = make_fragment(1, 5 * UNIT_BYTES);
    struct fragment *fits = make_fragment(2, 4 * UNIT_BYTES);
    struct holder_receipt receipt;
    assert_true(is_err(put(world, big, &big->seal, &receipt), ERR_NO_SPACE));
    expect_nothing(world);
    assert_true(is_ok(put(world, fits, &fits->seal, &receipt)));
    assert_true(is_err(put(world, big, &big->seal, &receipt), ERR_NO_SPACE));
    free_fragment(big);
    free_fragment(fits);
}

static void no_room(void **state)
{
    (void)state;
    RUN(no_room_fn, .capacity = 4 * UNIT_BYTES);
}

static void quota_fn(struct world *world)
{
    struct fragment *f = make_fragment(1, 2 * UNIT_BYTES);
    struct fragment *g = make_fragment(2, UNIT_BYTES);
    struct holder_receipt receipt;
    assert_true(is_ok(put(world, f, &f->seal, &receipt)));
    assert_true(is_err(put(world, g, &g->seal, &receipt), ERR_REFUSED));
    const struct shelf_change hold = {
        .kind = SHELF_HOLD, .key = {f->seal.key, f->index}, .position = 0};
    assert_true(is_ok(shelf_change(world->shelf, &hold, 1, NULL)));
    assert_true(is_ok(put(world, g, &g->seal, &receipt)));
    free_fragment(f);
    free_fragment(g);
}

static void quotas(void **state)
{
    (void)state;
    RUN(quota_fn, .quota = UNIT_BYTES);
}

/* ---- raw requests ---- */

struct raw {
    const char *method;
    const char *path;
    const char *authorization; /* NULL: none */
    bytes body;
};

static int fetch(struct world *world, const struct raw *raw, bytes *ret_body, struct arena *arena)
{
    char url[512];
    int status = 0;
    bytes body;
    struct http_header header = {bytes_str("Authorization"),
                                 bytes_str(raw->authorization ? raw->authorization : "")};
    snprintf(url, sizeof url, "%s%s", world->holder.url, raw->path);
    const struct http_call_options options = {.method = raw->method,
                                              .url = url,
                                              .headers = &header,
                                              .header_count = raw->authorization != NULL,
                                              .body_length = raw->body.len,
                                              .deadline_ms = deadline(world)};
    assert_true(is_ok(http_fetch(world->http, &options, raw->body, arena, &status, &body)));
    if (ret_body != NULL) {
        *ret_body = body;
    }
    return status;
}

static int status_of(struct world *world, const char *method, const char *path, const char *auth)
{
    struct arena arena;
    arena_init(&arena, MIB(1));
    const struct raw raw = {method, path, auth, {NULL, 0}};
    int status = fetch(world, &raw, NULL, &arena);
    arena_free(&arena);
    return status;
}

static struct capability good_capability(struct world *world, u8 ops)
{
    struct capability capability = {.chain_id = CHAIN,
                                    .holder = PROVIDER,
                                    .ops = ops,
                                    .key = {3, 1, 1},
                                    .fragment = CAPABILITY_ALL_FRAGMENTS,
                                    .valid_until = loop_wall_ms(world->loop) / 1000 + 60};
    loop_random(world->loop, capability.nonce, sizeof capability.nonce);
    return capability;
}

static const char *header_of(struct world *world, struct capability capability)
{
    static char header[CAPABILITY_HEADER_BYTES + 1];
    capability_sign(&capability, &world->who.secret);
    capability_header(header, &capability);
    return header;
}

static const char *fresh(struct world *world, u8 ops)
{
    return header_of(world, good_capability(world, ops));
}

#define FRAGMENT_PATH "/v1/fragment/3.1.1/2"

static void capabilities_fn(struct world *world)
{
    struct fragment *f = make_fragment(1, 4096);
    struct holder_receipt receipt;
    struct capability c;
    assert_true(is_ok(put(world, f, &f->seal, &receipt)));
    assert_int_equal(status_of(world, "GET", FRAGMENT_PATH, NULL), 401);
    assert_int_equal(status_of(world, "GET", FRAGMENT_PATH, "Cairn nonsense"), 401);
    assert_int_equal(status_of(world, "GET", FRAGMENT_PATH, "Bearer abc"), 401);
    assert_int_equal(status_of(world, "GET", FRAGMENT_PATH, fresh(world, CAPABILITY_READ)), 200);
    assert_int_equal(status_of(world, "GET", FRAGMENT_PATH, fresh(world, CAPABILITY_WRITE)), 403);
    c = good_capability(world, CAPABILITY_READ);
    c.valid_until -= 120;
    assert_int_equal(status_of(world, "GET", FRAGMENT_PATH, header_of(world, c)), 403);
    c = good_capability(world, CAPABILITY_READ);
    c.valid_until += 2 * CAPABILITY_TTL_SECONDS_MAX;
    assert_int_equal(status_of(world, "GET", FRAGMENT_PATH, header_of(world, c)), 403);
    c = good_capability(world, CAPABILITY_READ);
    c.holder++;
    assert_int_equal(status_of(world, "GET", FRAGMENT_PATH, header_of(world, c)), 403);
    c = good_capability(world, CAPABILITY_READ);
    c.chain_id++;
    assert_int_equal(status_of(world, "GET", FRAGMENT_PATH, header_of(world, c)), 403);
    c = good_capability(world, CAPABILITY_READ);
    c.key.number++;
    assert_int_equal(status_of(world, "GET", FRAGMENT_PATH, header_of(world, c)), 403);
    c = good_capability(world, CAPABILITY_READ);
    c.fragment = 3;
    assert_int_equal(status_of(world, "GET", FRAGMENT_PATH, header_of(world, c)), 403);
    /* A forged signature: the header of one capability with a bit of the signature changed. */
    u8 packed[CAPABILITY_BYTES];
    char forged[CAPABILITY_HEADER_BYTES + 1] = "Cairn ";
    c = good_capability(world, CAPABILITY_READ);
    capability_sign(&c, &world->who.secret);
    capability_encode(packed, &c);
    packed[CAPABILITY_BYTES - 40] ^= 4;
    base64_encode(forged + 6, sizeof forged - 6, BYTES_OF(packed));
    assert_int_equal(status_of(world, "GET", FRAGMENT_PATH, forged), 403);
    /* Nobody. */
    world->grant = (struct store_grant){.reason = "nobody"};
    assert_int_equal(status_of(world, "GET", FRAGMENT_PATH, fresh(world, CAPABILITY_READ)), 403);
    world->grant_fault = (err){ERR_NETWORK};
    assert_int_equal(status_of(world, "GET", FRAGMENT_PATH, fresh(world, CAPABILITY_READ)), 503);
    free_fragment(f);
}

static void capabilities(void **state)
{
    (void)state;
    RUN(capabilities_fn);
}

static void a_write_counts_once_fn(struct world *world)
{
    struct fragment *f = make_fragment(1, 4096);
    struct holder_receipt receipt;
    struct shelf_entry entry;
    struct fragment_key key = {f->seal.key, f->index};
    assert_true(is_ok(put(world, f, &f->seal, &receipt)));
    char once[CAPABILITY_HEADER_BYTES + 1];
    memcpy(once, fresh(world, CAPABILITY_WRITE), sizeof once);
    assert_int_equal(status_of(world, "DELETE", FRAGMENT_PATH, once), 204);
    assert_true(is_ok(shelf_find(world->shelf, &key, &entry)));
    assert_int_equal(entry.state, ENTRY_ABANDONED); /* its receipt may still be used */
    assert_true(is_ok(put(world, f, &f->seal, &receipt)));
    assert_int_equal(status_of(world, "DELETE", FRAGMENT_PATH, once), 403);
    assert_true(is_ok(shelf_find(world->shelf, &key, &entry)));
    assert_int_equal(entry.state, ENTRY_OPEN);
    const struct shelf_change hold = {.kind = SHELF_HOLD, .key = key, .position = 0};
    assert_true(is_ok(shelf_change(world->shelf, &hold, 1, NULL)));
    const char *again = fresh(world, CAPABILITY_WRITE);
    assert_int_equal(status_of(world, "DELETE", FRAGMENT_PATH, again), 409);
    again = fresh(world, CAPABILITY_WRITE);
    assert_int_equal(status_of(world, "DELETE", "/v1/fragment/3.1.1/4", again), 404);
    free_fragment(f);
}

static void a_write_counts_once(void **state)
{
    (void)state;
    RUN(a_write_counts_once_fn);
}

static void bad_targets_fn(struct world *world)
{
    static const struct {
        const char *method;
        const char *path;
        int status;
    } cases[] = {
        {"GET", "/", 404},
        {"GET", "/v1", 404},
        {"GET", "/v1/", 404},
        {"GET", "/v2/fragment/3.1.1/2", 404},
        {"GET", "/v1/nothing", 404},
        {"GET", "/v1/fragment", 400},
        {"GET", "/v1/fragment/3.1.1", 400},
        {"GET", "/v1/fragment/3.1.1/", 400},
        {"GET", "/v1/fragment/3.1.1/30", 400},
        {"GET", "/v1/fragment/3.1/2", 400},
        {"GET", "/v1/fragment/3.1.1/2/4", 400},
        {"GET", "/v1/fragment/3.1.1/2/4/5/6", 404},
        {"GET", "/v1/fragment/..%2f..%2fetc/2", 400},
        {"GET", "/v1/fragment/99999999999999999999.1.1/2", 400},
        {"GET", "/v1/segment/3.1.1/2", 400},
        {"POST", "/v1/fragment/3.1.1/2", 405},
        {"GET", "/v1/commit", 405},
        {"GET", "/v1/fragment/3.1.1/2?from=1", 400},
        {"GET", "/v1/fragment/3.1.1/2?from=x", 400},
        {"GET", "/v1/fragment/3.1.1/2?from=131072", 416},
        {"GET", "/v1/fragment/3.1.1/2?length=0", 416},
        {"GET", "/v1/fragment/3.1.1/2?length=18446744073709551615", 200},
        {"GET", "/v1/fragment/3.1.1/3", 404},
        {"GET", "/v1/inventory?limit=0", 400},
        {"GET", "/v1/inventory?after=3.1.1", 400},
    };
    struct fragment *f = make_fragment(1, UNIT_BYTES + 64);
    struct holder_receipt receipt;
    assert_true(is_ok(put(world, f, &f->seal, &receipt)));
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *auth = fresh(world, CAPABILITY_READ | CAPABILITY_INVENTORY);
        int status = status_of(world, cases[i].method, cases[i].path, auth);
        if (status != cases[i].status) {
            print_message("%s %s: %d\n", cases[i].method, cases[i].path, status);
        }
        assert_int_equal(status, cases[i].status);
    }
    free_fragment(f);
}

static void bad_targets(void **state)
{
    (void)state;
    RUN(bad_targets_fn);
}

static void bad_bodies_fn(struct world *world)
{
    struct arena arena;
    u8 bits[512] = {0};
    arena_init(&arena, MIB(1));
    struct raw raw = {"PUT", FRAGMENT_PATH, fresh(world, CAPABILITY_WRITE), BYTES_OF(bits)};
    assert_int_equal(fetch(world, &raw, NULL, &arena), 400); /* no trailer */
    raw.authorization = fresh(world, CAPABILITY_WRITE);
    raw.body.len = 0;
    assert_int_equal(fetch(world, &raw, NULL, &arena), 400);
    raw =
        (struct raw){"POST", "/v1/receipt/3.1.1/2", fresh(world, CAPABILITY_WRITE), BYTES_OF(bits)};
    assert_int_equal(fetch(world, &raw, NULL, &arena), 400);
    raw = (struct raw){"POST", "/v1/commit", fresh(world, CAPABILITY_WRITE), BYTES_OF(bits)};
    assert_int_equal(fetch(world, &raw, NULL, &arena), 400);
    /* A client that goes away in the middle leaves nothing. */
    struct fragment *f = make_fragment(1, 4 * UNIT_BYTES);
    struct store_upload *upload;
    assert_true(is_ok(store_put_open(world->http, &world->who, &world->holder, &f->seal.key, 2,
                                     deadline(world), &upload)));
    assert_true(
        is_ok(store_put_write(upload, bytes_make(f->data, 3 * UNIT_BYTES), deadline(world))));
    store_put_abort(upload);
    expect_nothing(world);
    free_fragment(f);
    arena_free(&arena);
}

static void bad_bodies(void **state)
{
    (void)state;
    RUN(bad_bodies_fn);
}

static void inventory_fn(struct world *world)
{
    struct arena arena;
    bytes body;
    struct reader reader;
    arena_init(&arena, MIB(1));
    for (u64 i = 0; i < 5; i++) {
        struct fragment *f = make_fragment(i, 64 * (u32)(i + 1));
        struct holder_receipt receipt;
        assert_true(is_ok(put(world, f, &f->seal, &receipt)));
        free_fragment(f);
    }
    const struct raw raw = {"GET",
                            "/v1/inventory?after=3.1.1.2&limit=2",
                            fresh(world, CAPABILITY_INVENTORY),
                            {NULL, 0}};
    assert_int_equal(fetch(world, &raw, &body, &arena), 200);
    assert_int_equal(world->asked, RIGHT_INVENTORY);
    reader_init(&reader, body);
    read_head(&reader, 0x0307, 1);
    assert_int_equal(read_be32(&reader), 2);
    for (u64 number = 2; number < 4; number++) {
        assert_int_equal(read_be64(&reader), 3);
        assert_int_equal(read_be32(&reader), 1);
        assert_int_equal(read_be64(&reader), number);
        assert_int_equal(read_u8(&reader), 2);
        assert_int_equal(read_u8(&reader), ENTRY_OPEN);
        assert_int_equal(read_be32(&reader), 64 * (number + 1));
        (void)read_hash(&reader);
    }
    assert_true(is_ok(reader_done(&reader)));
    arena_free(&arena);
}

static void inventory(void **state)
{
    (void)state;
    RUN(inventory_fn);
}

/* ---- commit copies ---- */

static void make_tx(struct buf *out, u64 chain, u32 module, const struct secp_secret *secret)
{
    struct tx tx = {.type = TX_DYNAMIC_FEE,
                    .has_chain_id = true,
                    .chain_id = chain,
                    .gas_limit = 100000,
                    .to = native_address(module),
                    .input = bytes_str("some call")};
    tx_sign(&tx, secret);
    buf_init(out, KIB(4));
    tx_encode(out, &tx);
}

static err send_commit(struct world *world, u64 chain, u32 module, const struct secp_secret *secret)
{
    struct buf raw;
    make_tx(&raw, chain, module, secret);
    err e = store_send_commit(world->http, &world->who, &world->holder, buf_bytes(&raw),
                              deadline(world));
    buf_free(&raw);
    return e;
}

static void commits_fn(struct world *world)
{
    const struct secp_secret *own = &world->who.secret;
    assert_true(is_ok(send_commit(world, CHAIN, MODULE_SEGMENT, own)));
    assert_int_equal(world->asked, RIGHT_COMMIT);
    assert_true(is_ok(send_commit(world, CHAIN, MODULE_SEGMENT, own)));
    assert_int_equal(shelf_copy_count(world->shelf), 1);
    assert_true(is_err(send_commit(world, CHAIN + 1, MODULE_SEGMENT, own), ERR_REFUSED));
    assert_true(is_err(send_commit(world, CHAIN, MODULE_PROVIDER, own), ERR_REFUSED));
    assert_true(is_err(send_commit(world, CHAIN, MODULE_SEGMENT, &world->signer), ERR_REFUSED));
    assert_int_equal(shelf_copy_count(world->shelf), 1);
}

static void commits(void **state)
{
    (void)state;
    RUN(commits_fn);
}

/* ---- deliberate faults ---- */

static err read_faulty(struct world *world)
{
    struct fragment *f = make_fragment(1, 3 * UNIT_BYTES);
    struct holder_receipt receipt;
    assert_true(is_ok(put(world, f, &f->seal, &receipt)));
    err e = get(world, f, 0, f->len);
    free_fragment(f);
    return e;
}

static void wrong_bytes_fn(struct world *world)
{
    assert_true(is_err(read_faulty(world), ERR_INTEGRITY));
}

static void truncate_fn(struct world *world)
{
    err e = read_faulty(world);
    assert_true(is_err(e, ERR_INTEGRITY) || is_err(e, ERR_CLOSED));
}

static void stall_fn(struct world *world) { assert_true(is_err(read_faulty(world), ERR_TIMEOUT)); }

static void refuse_fn(struct world *world)
{
    struct fragment *f = make_fragment(1, 64);
    struct holder_receipt receipt;
    assert_true(is_err(put(world, f, &f->seal, &receipt), ERR_NO_SPACE));
    free_fragment(f);
}

static void faults(void **state)
{
    (void)state;
    enum store_fault_kind kind;
    assert_true(store_fault_parse(&kind, "wrong-bytes"));
    assert_int_equal(kind, FAULT_WRONG_BYTES);
    assert_false(store_fault_parse(&kind, "wrong"));
    RUN(wrong_bytes_fn, .fault = {.kind = FAULT_WRONG_BYTES});
    RUN(truncate_fn, .fault = {.kind = FAULT_TRUNCATE});
    RUN(stall_fn, .fault = {.kind = FAULT_STALL});
    RUN(refuse_fn, .fault = {.kind = FAULT_REFUSE});
}

/* ---- many at once ---- */

struct uploader {
    struct world *world;
    u64 number;
    err result;
};

static void upload(void *arg)
{
    struct uploader *uploader = arg;
    struct fragment *f = make_fragment(uploader->number, 4 * UNIT_BYTES);
    struct holder_receipt receipt;
    uploader->result = put(uploader->world, f, &f->seal, &receipt);
    if (is_ok(uploader->result)) {
        uploader->result = get(uploader->world, f, 0, f->len);
    }
    free_fragment(f);
}

static void many_fn(struct world *world)
{
    enum { COUNT = 64 };
    struct uploader uploaders[COUNT];
    struct group group;
    group_init(&group);
    for (u64 i = 0; i < COUNT; i++) {
        uploaders[i] = (struct uploader){world, i, {0}};
        assert_true(is_ok(group_start(world->loop, &group, "upload", upload, &uploaders[i])));
    }
    group_wait(world->loop, &group);
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(uploaders[i].result.code, ERR_OK);
    }
    assert_int_equal(shelf_totals(world->shelf).fragments, COUNT);
}

static void many_at_once(void **state)
{
    (void)state;
    RUN(many_fn);
}

static void nonces_are_remembered(void **state)
{
    (void)state;
    struct prng prng;
    u8 nonce[16];
    u8 first[16];
    struct nonces *nonces = MEM_NEW(struct nonces);
    prng_init(&prng, 1);
    nonces_init(nonces);
    prng_fill(&prng, first, sizeof first);
    assert_true(nonces_use(nonces, first));
    for (size_t i = 0; i < 5 * NONCES_KEPT; i++) {
        prng_fill(&prng, nonce, sizeof nonce);
        assert_true(nonces_use(nonces, nonce));
        assert_false(nonces_use(nonces, nonce));
        if (i < NONCES_KEPT) {
            assert_false(nonces_use(nonces, first));
        }
    }
    memset(nonce, 0, sizeof nonce);
    assert_true(nonces_use(nonces, nonce));
    assert_false(nonces_use(nonces, nonce));
    nonces_free(nonces);
    mem_free(nonces);
}

static int prepare(void **state)
{
    (void)state;
    struct hash seed = {{1}};
    crypto_init(&seed);
    return mkdtemp(root) == NULL;
}

static int clean(void **state)
{
    (void)state;
    return !is_ok(dir_remove_all(root));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nonces_are_remembered),
        cmocka_unit_test(put_and_get),
        cmocka_unit_test(bad_seals),
        cmocka_unit_test(conflicts),
        cmocka_unit_test(no_room),
        cmocka_unit_test(quotas),
        cmocka_unit_test(capabilities),
        cmocka_unit_test(a_write_counts_once),
        cmocka_unit_test(bad_targets),
        cmocka_unit_test(bad_bodies),
        cmocka_unit_test(inventory),
        cmocka_unit_test(commits),
        cmocka_unit_test(faults),
        cmocka_unit_test(many_at_once),
    };
    return cmocka_run_group_tests(tests, prepare, clean);
}

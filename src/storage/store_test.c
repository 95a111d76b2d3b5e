/* The role as a whole: six storage nodes and a ledger node in one process, over loopback. The test
 * plays the gateway with the calls of transfer/store_client.h. */
#include "base/log.h"
#include "base/mem.h"
#include "base/prng.h"
#include "chain/module_call.h"
#include "data/placement.h"
#include "data/segment_encoder.h"
#include "ledger/modules/bucket_layout.h"
#include "ledger/modules/modules.h"
#include "ledger/modules/segment_layout.h"
#include "ledger/modules/territory_layout.h"
#include "ledger/node/node.h"
#include "owner/owner.h"
#include "storage/entry.h"
#include "storage/store.h"
#include "tests/support/test_ledger.h"
#include "transfer/store_client.h"

#include <unistd.h>

#define STORES 6
#define SOON_MS 60000
#define CAPACITY MIB(64)
#define SEGMENT_BYTES (5 * UNIT_BYTES + 777)
#define MODULES "{\"params\":{\"profile\":\"devnet\"}}"

struct test_store {
    char dir[128];
    char host[32];
    struct secp_secret secret;
    struct address account;
    u16 port;
    struct store *store;
    u32 provider;
};

struct world {
    struct test_ledger ledger;
    struct loop *loop;
    struct node *node;
    struct chain *chain;
    struct chain_account *user;
    struct chain_account *gateway;
    struct store_identity who;
    struct http_client *http;
    char genesis_path[128];
    char url[64];
    struct test_store stores[STORES];
    u64 territory;
    u32 gateway_number;
    struct arena arena;
    struct segment_seal seal; /* of the newest segment */
    u8 *data;                 /* its fragments, one after another */
    void (*fn)(struct world *world);
};

static u64 soon(const struct world *world) { return loop_now_ms(world->loop) + SOON_MS; }

static void nap(struct world *world, u64 ms)
{
    test_ok(fiber_sleep(world->loop, loop_now_ms(world->loop) + ms));
}

/* Polls until the condition holds. */
#define AWAIT(world, condition)                                                                    \
    do {                                                                                           \
        u64 until_ = soon(world);                                                                  \
        while (!(condition)) {                                                                     \
            assert_true(loop_now_ms((world)->loop) < until_);                                      \
            nap(world, 50);                                                                        \
        }                                                                                          \
    } while (0)

/* ---- the network ---- */

static void start_store(struct world *world, size_t i)
{
    struct test_store *s = &world->stores[i];
    const char *paths[] = {s->dir};
    const char *urls[] = {world->url};
    const struct store_options options = {
        .paths = paths,
        .path_count = 1,
        .capacity_bytes = CAPACITY,
        .reserve_bytes = 1,
        .host = s->host,
        .port = s->port,
        .chain = {.rpc_urls = urls, .rpc_url_count = 1, .genesis_path = world->genesis_path},
        .account = s->secret,
        .signer = s->secret,
        .scrub_bytes_per_s = MIB(64),
        .scrub_pause_ms = 1000,
        .copy_delay_ms = 500,
    };
    test_ok(store_start(world->loop, &options, &s->store));
    s->port = store_port(s->store);
}

static void stop_store(struct world *world, size_t i)
{
    (void)world;
    store_stop(world->stores[i].store);
    world->stores[i].store = NULL;
}

static void send_wei(struct world *world, const struct address *to)
{
    struct chain_receipt receipt;
    struct u256 wei;
    assert_true(u256_mul_u64(&wei, u256_from_u64(1000000000000000000u), 10));
    const struct chain_call call = {.to = *to, .value = wei};
    test_ok(chain_send(world->user, &call, &world->arena, soon(world), &receipt));
}

static void register_store(struct world *world, size_t i)
{
    struct test_store *s = &world->stores[i];
    struct chain_account *account;
    char url[64];
    snprintf(url, sizeof url, "http://%s:%u", s->host, s->port);
    struct store_registration registration = {.operator_ = world->ledger.user_address,
                                              .endpoint = url,
                                              .signer = s->account,
                                              .capacity = CAPACITY,
                                              .announced = CAPACITY / 2};
    u32 again;
    if (i % 2 == 0) {
        registration.operator_ = s->account; /* its own */
    } else { /* its neighbour's: two nodes an operator is the cap of this class */
        const struct test_store *operator_ = &world->stores[i - 1];
        registration.operator_ = operator_->account;
        store_consent(&registration.consent, &operator_->secret, TEST_CHAIN_ID, &s->account);
    }
    test_ok(chain_account_open(world->chain, &s->secret, &account));
    if (i == 1) { /* another's consent is not enough */
        struct store_registration forged = registration;
        forged.operator_ = world->stores[2].account;
        err e = store_register(world->chain, account, &forged, soon(world), &again);
        assert_true(is_err(e, ERR_REFUSED));
    }
    test_ok(store_register(world->chain, account, &registration, soon(world), &s->provider));
    registration.region = 276;
    test_ok(store_register(world->chain, account, &registration, soon(world), &again));
    assert_int_equal(again, s->provider);
    chain_account_close(account);
}

struct joining {
    struct world *world;
    size_t i;
};

static void join(void *arg)
{
    const struct joining *joining = arg;
    struct world *world = joining->world;
    send_wei(world, &world->stores[joining->i].account);
    register_store(world, joining->i);
}

static void open_stores(struct world *world)
{
    struct joining joining[STORES];
    struct group group;
    for (size_t i = 0; i < STORES; i++) {
        struct test_store *s = &world->stores[i];
        snprintf(s->dir, sizeof s->dir, "%s/store%zu", world->ledger.dir, i);
        snprintf(s->host, sizeof s->host, "127.0.%zu.1", i + 1);
        s->secret.b[31] = (u8)(100 + i);
        secp_address_of_secret(&s->account, &s->secret);
        start_store(world, i);
    }
    nap(world, 500);
    assert_false(store_ready(world->stores[0].store));
    group_init(&group);
    for (size_t i = 0; i < STORES; i++) {
        joining[i] = (struct joining){world, i};
        test_ok(group_start(world->loop, &group, "join", join, &joining[i]));
    }
    group_wait(world->loop, &group);
    for (size_t i = 0; i < STORES; i++) {
        AWAIT(world, store_ready(world->stores[i].store));
        assert_int_equal(store_provider(world->stores[i].store), world->stores[i].provider);
    }
}

static void call(struct world *world, struct chain_account *account, u32 module,
                 const char *signature, const struct abi_value *args)
{
    struct chain_receipt receipt;
    test_ok(module_send(account, module, signature, args, u256_from_u64(0), &world->arena,
                        soon(world), &receipt));
}

static err read_gateway(void *ctx, const struct slot_source *slots)
{
    struct world *world = ctx;
    const struct address account = chain_account_address(world->gateway);
    return gateway_of(slots, &account, &world->gateway_number);
}

static void open_gateway(struct world *world)
{
    struct hash box = {{7}};
    struct address address;
    world->who.chain_id = TEST_CHAIN_ID;
    world->who.secret.b[31] = 77;
    secp_address_of_secret(&address, &world->who.secret);
    send_wei(world, &address);
    test_ok(chain_account_open(world->chain, &world->who.secret, &world->gateway));
    const struct abi_value registration[] = {abi_bytes(bytes_str("http://127.0.0.1:9000")),
                                             abi_hash(&box)};
    call(world, world->gateway, MODULE_BUCKET, BUCKET_REGISTER_GATEWAY, registration);
    test_ok(chain_view(world->chain, read_gateway, world, soon(world)));
    test_ok(owner_lease(world->chain, world->user, GIB(1), RS_2_4, 86400, soon(world),
                        &world->territory));
    const struct abi_value grant[] = {abi_u64(world->territory), abi_u64(world->gateway_number),
                                      abi_u64(SCOPE_ALL),        abi_u64(GIB(1)),
                                      abi_u64(UINT32_MAX),       abi_bytes(bytes_str("sealed"))};
    call(world, world->user, MODULE_BUCKET, BUCKET_AUTHORISE, grant);
}

static void open_network(struct world *world)
{
    const struct node_options node = {.data_dir = world->ledger.data_dir,
                                      .genesis_path = world->genesis_path,
                                      .secret = &world->ledger.seat,
                                      .rpc_host = "127.0.0.1",
                                      .interval_ms = 100,
                                      .empty_interval_ms = 300,
                                      .no_sync = true};
    test_ok(node_start(world->loop, &node, &world->node));
    snprintf(world->url, sizeof world->url, "http://127.0.0.1:%u", node_rpc_port(world->node));
    const char *urls[] = {world->url};
    const struct chain_options chain = {
        .rpc_urls = urls, .rpc_url_count = 1, .genesis_path = world->genesis_path};
    test_ok(chain_open(world->loop, &chain, soon(world), &world->chain));
    test_ok(chain_account_open(world->chain, &world->ledger.user, &world->user));
    test_ok(http_client_new(world->loop, &(struct http_client_options){0}, &world->http));
    open_stores(world);
    open_gateway(world);
}

static void close_network(struct world *world)
{
    for (size_t i = 0; i < STORES; i++) {
        stop_store(world, i);
    }
    chain_account_close(world->gateway);
    chain_account_close(world->user);
    http_client_free(world->http);
    chain_close(world->chain);
    node_stop(world->node);
}

static void world_main(void *arg)
{
    struct world *world = arg;
    open_network(world);
    world->fn(world);
    close_network(world);
    loop_stop(world->loop);
}

static void run_world(void (*fn)(struct world *world))
{
    struct world *world = MEM_NEW(struct world);
    world->fn = fn;
    arena_init(&world->arena, MIB(64));
    test_ledger_make(&world->ledger, MODULES, "");
    snprintf(world->genesis_path, sizeof world->genesis_path, "%s/genesis.json", world->ledger.dir);
    snprintf(world->ledger.data_dir, sizeof world->ledger.data_dir, "%s/node", world->ledger.dir);
    test_ok(file_replace(world->genesis_path, bytes_str(world->ledger.genesis)));
    test_ok(loop_open(&world->loop, 2));
    test_ok(fiber_start(world->loop, "world", world_main, world));
    loop_run(world->loop);
    loop_close(world->loop);
    test_ledger_remove(&world->ledger);
    arena_free(&world->arena);
    mem_free(world->data);
    mem_free(world);
}

/* ---- the gateway's part ---- */

static u32 fragment_bytes(const struct world *world)
{
    return segment_seal_shape(&world->seal).fragment_length;
}

static const u8 *fragment_data(const struct world *world, u8 index)
{
    return world->data + (size_t)index * fragment_bytes(world);
}

/* Encodes random bytes as segment `number` and keeps its fragments. */
static void encode(struct world *world, u64 number, u32 length)
{
    const struct redundancy_info *info = redundancy_find(RS_2_4);
    struct segment_encoder *encoder = MEM_NEW(struct segment_encoder);
    struct segment_row row;
    struct segment_shape shape;
    struct hash id;
    u8 *memory = mem_alloc(segment_row_footprint(info));
    u8 *plain = mem_alloc(length);
    struct prng prng;
    prng_init(&prng, number);
    prng_fill(&prng, plain, length);
    assert_true(segment_shape_of(&shape, info, length));
    mem_free(world->data);
    world->data = mem_alloc((size_t)shape.fragment_length * redundancy_n(info));
    segment_encoder_init(encoder, RS_2_4);
    segment_row_init(&row, memory);
    for (u32 at = 0; at < length;) {
        at += (u32)segment_encoder_fill(encoder, &row, bytes_make(plain + at, length - at));
        if (segment_encoder_row_ready(encoder, &row) || at == length) {
            segment_encoder_row(encoder, &row);
            for (u8 i = 0; i < redundancy_n(info); i++) {
                memcpy(world->data + (size_t)i * shape.fragment_length + row.fragment_offset,
                       row.units[i], row.unit_bytes);
            }
            segment_row_init(&row, memory);
        }
    }
    world->seal = (struct segment_seal){.key = {world->territory, world->gateway_number, number},
                                        .class_number = RS_2_4,
                                        .length = length};
    segment_encoder_finish(encoder, world->seal.roots, &shape, &id);
    mem_free(plain);
    mem_free(memory);
    mem_free(encoder);
}

static struct provider_view holder_of(const struct world *world, size_t i)
{
    const struct test_store *s = &world->stores[i];
    struct provider_view view = {.index = s->provider, .signer = s->account};
    snprintf(view.url, sizeof view.url, "http://%s:%u", s->host, s->port);
    return view;
}

static err put(struct world *world, size_t i, u8 index, struct holder_receipt *ret_receipt)
{
    const struct provider_view holder = holder_of(world, i);
    struct store_upload *upload;
    TRY(store_put_open(world->http, &world->who, &holder, &world->seal.key, index, soon(world),
                       &upload));
    IGNORE(store_put_write(upload, bytes_make(fragment_data(world, index), fragment_bytes(world)),
                           soon(world))); /* finish tells */
    TRY(store_put_finish(upload, &world->seal, soon(world), ret_receipt));
    ret_receipt->draw = PLACEMENT_NOT_DRAWN;
    return ok();
}

struct seed_view {
    struct world *world;
    struct ticket_seed seed;
    bool valid;
};

static err read_seed(void *ctx, const struct slot_source *slots)
{
    struct seed_view *view = ctx;
    const struct world *world = view->world;
    return segment_ticket_seed_now(slots, world->territory, world->gateway_number,
                                   chain_head(world->chain).time, &view->seed, &view->valid);
}

/* Places all fragments, fragment i at store i, and signs the commit. */
static void place(struct world *world, u64 number, u32 length, bytes *ret_raw,
                  struct hash *ret_hash)
{
    struct segment_entry entry = {.number = number, .class_number = RS_2_4, .length = length};
    struct seed_view seed = {.world = world};
    struct buf segments;
    struct buf input;
    encode(world, number, length);
    do {
        test_ok(chain_view(world->chain, read_seed, &seed, soon(world)));
        if (!seed.valid) {
            test_ok(chain_wait(world->chain, chain_head(world->chain).height, soon(world)));
        }
    } while (!seed.valid);
    entry.epoch = seed.seed.epoch;
    memcpy(entry.roots, world->seal.roots, sizeof entry.roots);
    for (u8 i = 0; i < STORES; i++) {
        test_ok(put(world, i, i, &entry.receipts[i]));
        entry.receipt_count++;
    }
    buf_init(&segments, KIB(16));
    buf_init(&input, KIB(64));
    segment_entry_write(&segments, &entry);
    const struct abi_value args[] = {abi_u64(world->territory), abi_bytes(buf_bytes(&segments)),
                                     abi_array(NULL, 0)};
    module_encode(&input, SEGMENT_COMMIT, args);
    const struct chain_call commit = {.to = native_address(MODULE_SEGMENT),
                                      .input = buf_bytes(&input)};
    test_ok(chain_sign(world->gateway, &commit, &world->arena, soon(world), ret_raw, ret_hash));
    buf_free(&segments);
    buf_free(&input);
}

struct record_view {
    struct segment_key key;
    struct segment_record record;
    bool found;
};

static err read_record(void *ctx, const struct slot_source *slots)
{
    struct record_view *view = ctx;
    return segment_load(slots, &view->key, &view->record, &view->found);
}

static struct record_view record_of(struct world *world)
{
    struct record_view view = {.key = world->seal.key};
    test_ok(chain_view(world->chain, read_record, &view, soon(world)));
    return view;
}

/* A number in GET /v1/status of a store: "name" or, for the object "chain", "chain.name". */
static i64 status_number(struct world *world, size_t i, const char *object, const char *name)
{
    char url[PROVIDER_URL_MAX + 16];
    struct arena arena;
    bytes body;
    int status;
    json_t *answer;
    const struct provider_view holder = holder_of(world, i);
    snprintf(url, sizeof url, "%s/v1/status", holder.url);
    arena_init(&arena, KIB(256));
    const struct http_call_options options = {
        .method = "GET", .url = url, .deadline_ms = soon(world)};
    test_ok(http_fetch(world->http, &options, bytes_make(NULL, 0), &arena, &status, &body));
    assert_int_equal(status, 200);
    test_ok(json_parse(body, KIB(256), &answer));
    const json_t *from = object != NULL ? json_object_get(answer, object) : answer;
    const json_t *value = json_object_get(from, name);
    i64 number = json_is_array(value) ? (i64)json_array_size(value) : json_integer_value(value);
    json_decref(answer);
    arena_free(&arena);
    return number;
}

static err read_back(struct world *world, size_t i, u8 index)
{
    const struct provider_view holder = holder_of(world, i);
    struct store_download *download = NULL;
    u8 *out = mem_alloc(UNIT_BYTES);
    size_t len = 1;
    u32 at = 0;
    u32 length = fragment_bytes(world);
    err e = store_get_open(world->http, &world->who, &holder, &world->seal.key, index,
                           &world->seal.roots[index], length, 0, length, soon(world), &download);
    while (is_ok(e) && len != 0) {
        e = store_get_next(download, out, soon(world), &len);
        if (is_ok(e)) {
            assert_memory_equal(out, fragment_data(world, index) + at, len);
            at += (u32)len;
        }
    }
    store_get_close(download);
    mem_free(out);
    return e;
}

/* ---- tests ---- */

static void commit_by_copies(struct world *world)
{
    bytes raw;
    struct hash hash;
    struct chain_receipt receipt;
    place(world, 0, SEGMENT_BYTES, &raw, &hash);
    for (size_t i = 0; i < STORES; i++) {
        test_ok(read_back(world, i, (u8)i)); /* before it is on chain */
        assert_int_equal(status_number(world, i, NULL, "open_fragments"), 1);
    }
    /* The gateway is gone; three holders have its commit. */
    for (size_t i = 0; i < 3; i++) {
        const struct provider_view holder = holder_of(world, i);
        test_ok(store_send_commit(world->http, &world->who, &holder, raw, soon(world)));
    }
    test_ok(chain_await(world->chain, &hash, &world->arena, soon(world), &receipt));
    assert_true(receipt.success);
    struct record_view view = record_of(world);
    assert_true(view.found);
    assert_int_equal(segment_holder_count(&view.record), STORES);
    for (size_t i = 0; i < STORES; i++) {
        AWAIT(world, status_number(world, i, NULL, "open_fragments") == 0);
        AWAIT(world, status_number(world, i, NULL, "commit_copies") == 0);
        assert_int_equal(status_number(world, i, NULL, "fragments"), 1);
        assert_int_equal(status_number(world, i, "chain", "live"), 1);
    }
}

static u32 holder_at(struct world *world, u8 index)
{
    struct record_view view = record_of(world);
    return view.record.holders[index].provider;
}

static void rot_is_declared(struct world *world)
{
    char path[PATH_BYTES_MAX];
    char name[FRAGMENT_NAME_MAX];
    const struct fragment_key key = {world->seal.key, 1};
    fragment_key_name(name, &key);
    snprintf(path, sizeof path, "%s/fragments/00/%s", world->stores[1].dir, name);
    assert_int_equal(truncate(path, 1000), 0);
    assert_int_equal(holder_at(world, 1), world->stores[1].provider);
    AWAIT(world, holder_at(world, 1) == 0);
    AWAIT(world, status_number(world, 1, NULL, "fragments") == 0);
    assert_int_equal(status_number(world, 1, "scrub", "rotten"), 1);
    assert_true(status_number(world, 1, NULL, "alarms") > 0);
    assert_int_equal(store_ready(world->stores[1].store), true);
}

static void an_empty_disk_is_declared(struct world *world)
{
    struct holder_receipt receipt;
    stop_store(world, 2);
    test_ok(dir_remove_all(world->stores[2].dir));
    start_store(world, 2);
    AWAIT(world, store_ready(world->stores[2].store));
    assert_int_equal(status_number(world, 2, "chain", "live"), 0);
    assert_true(is_err(read_back(world, 2, 2), ERR_NOT_FOUND));
    /* It takes fragments again at once. */
    encode(world, 1, 5000);
    test_ok(put(world, 2, 2, &receipt));
    encode(world, 0, SEGMENT_BYTES);
}

static void a_restart_keeps_all(struct world *world)
{
    stop_store(world, 3);
    assert_true(is_err(read_back(world, 3, 3), ERR_NETWORK));
    start_store(world, 3);
    AWAIT(world, store_ready(world->stores[3].store));
    assert_int_equal(status_number(world, 3, NULL, "fragments"), 1);
    assert_int_equal(status_number(world, 3, NULL, "open_fragments"), 0);
    test_ok(read_back(world, 3, 3));
}

/* Its index forgot one fragment that the chain counts on: the walk through the list finds it. */
static void a_missing_entry_is_declared(struct world *world)
{
    char from[PATH_BYTES_MAX];
    char aside[PATH_BYTES_MAX];
    bytes raw;
    struct hash hash;
    struct chain_receipt receipt;
    stop_store(world, 4);
    path_join(from, world->stores[4].dir, "index");
    path_join(aside, world->ledger.dir, "old-index");
    test_ok(file_rename(from, aside));
    start_store(world, 4); /* knows nothing: but live > 0, so all is lost */
    AWAIT(world, store_ready(world->stores[4].store));
    place(world, 2, 6400, &raw, &hash);
    test_ok(chain_submit_raw(world->chain, raw, soon(world)));
    test_ok(chain_await(world->chain, &hash, &world->arena, soon(world), &receipt));
    AWAIT(world, status_number(world, 4, NULL, "fragments") == 1);
    AWAIT(world, status_number(world, 4, NULL, "open_fragments") == 0);
    stop_store(world, 4);
    test_ok(dir_remove_all(from));
    test_ok(file_rename(aside, from)); /* the old one knows the old fragment, not the new */
    start_store(world, 4);
    AWAIT(world, store_ready(world->stores[4].store));
    AWAIT(world, holder_at(world, 4) == 0);
}

static void strangers_are_refused(struct world *world)
{
    struct holder_receipt receipt;
    struct store_identity honest = world->who;
    world->who.secret.b[30] = 1;
    assert_true(is_err(read_back(world, 3, 3), ERR_REFUSED));
    encode(world, 9, 5000);
    assert_true(is_err(put(world, 3, 3, &receipt), ERR_REFUSED));
    world->who = honest;
    world->seal.key.gateway++; /* another gateway's numbers */
    assert_true(is_err(put(world, 3, 3, &receipt), ERR_REFUSED));
    encode(world, 0, SEGMENT_BYTES);
}

static void heartbeats_keep_coming(struct world *world)
{
    i64 first = status_number(world, 5, "chain", "heartbeat");
    AWAIT(world, status_number(world, 5, "chain", "heartbeat") >= first + 6);
    assert_true(status_number(world, 5, "chain", "announced") > (i64)CAPACITY / 2);
    assert_int_equal(status_number(world, 5, NULL, "alarms"), 0);
}

static void a_life(struct world *world)
{
    commit_by_copies(world);
    strangers_are_refused(world);
    rot_is_declared(world);
    an_empty_disk_is_declared(world);
    a_restart_keeps_all(world);
    heartbeats_keep_coming(world);
    a_missing_entry_is_declared(world);
}

static void a_storage_node_lives(void **state)
{
    (void)state;
    run_world(a_life);
}

static int prepare(void **state)
{
    (void)state;
    struct hash seed = {{3}};
    enum log_level level;
    const char *word = getenv("CAIRN_LOG");
    if (word != NULL && log_level_parse(&level, word)) {
        log_set_level(level);
    }
    crypto_init(&seed);
    native_tables_init(native_modules_all, native_modules_count);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_storage_node_lives),
    };
    return cmocka_run_group_tests(tests, prepare, NULL);
}

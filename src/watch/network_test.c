/* Uploads, reads and repair over the real parts: a ledger node, nine storage nodes, their client
 * and a watcher, in one process over loopback. */
#include "base/prng.h"
#include "ledger/modules/bucket_layout.h"
#include "ledger/modules/segment_layout.h"
#include "ledger/modules/territory_layout.h"
#include "owner/owner.h"
#include "storage/store.h"
#include "tests/support/live_ledger.h"
#include "transfer/segment_get.h"
#include "transfer/segment_put.h"
#include "transfer/spool.h"
#include "watch/watch.h"

#define STORES 9
#define CAPACITY MIB(64)
#define SEGMENTS 5
#define SLOW_MS 90000

struct test_store {
    char dir[160];
    char host[32];
    struct secp_secret secret;
    struct address account;
    u16 port;
    struct store *store;
};

struct upload {
    struct segment_key key;
    u32 length;
    u8 *plain;
    struct segment_entry entry;
    struct segment_seal seal;
};

struct network {
    struct live *live;
    struct loop *loop;
    struct chain *chain;
    struct chain_account *user;
    struct chain_account *gateway;
    struct store_identity who;
    struct http_client *http;
    struct directory *directory;
    struct segment_source *source;
    struct watch *watch;
    struct group holders;
    struct test_store stores[STORES];
    u64 territory;
    u32 gateway_number;
    char spool_dir[160];
    struct upload uploads[SEGMENTS];
};

static u64 soon(const struct network *n) { return live_soon(n->live); }

#define AWAIT(n, condition)                                                                        \
    do {                                                                                           \
        u64 until_ = loop_now_ms((n)->loop) + SLOW_MS;                                             \
        while (!(condition)) {                                                                     \
            assert_true(loop_now_ms((n)->loop) < until_);                                          \
            test_ok(fiber_sleep((n)->loop, loop_now_ms((n)->loop) + 50));                          \
        }                                                                                          \
    } while (0)

/* ---- the network ---- */

static void start_store(struct network *n, size_t i)
{
    struct test_store *s = &n->stores[i];
    const char *paths[] = {s->dir};
    char url[64];
    const char *urls[] = {url};
    snprintf(url, sizeof url, "http://127.0.0.1:%u", n->live->port);
    const struct store_options options = {
        .paths = paths,
        .path_count = 1,
        .capacity_bytes = CAPACITY,
        .reserve_bytes = 1,
        .host = s->host,
        .port = s->port,
        .chain = {.rpc_urls = urls, .rpc_url_count = 1, .genesis_path = n->live->genesis_path},
        .account = s->secret,
        .signer = s->secret,
    };
    test_ok(store_start(n->loop, &options, &s->store));
    s->port = store_port(s->store);
}

static void stop_store(struct network *n, size_t i)
{
    store_stop(n->stores[i].store);
    n->stores[i].store = NULL;
}

static void send_wei(struct network *n, const struct address *to)
{
    struct chain_receipt receipt;
    struct u256 wei;
    assert_true(u256_mul_u64(&wei, u256_from_u64(1000000000000000000u), 10));
    const struct chain_call call = {.to = *to, .value = wei};
    test_ok(chain_send(n->user, &call, &n->live->arena, soon(n), &receipt));
}

/* A fiber for one of them. */
struct opening {
    struct network *n;
    size_t i;
};

static void open_store(void *arg)
{
    struct network *n = ((struct opening *)arg)->n;
    size_t i = ((struct opening *)arg)->i;
    struct test_store *s = &n->stores[i];
    struct chain_account *account;
    char url[64];
    u32 provider;
    snprintf(s->dir, sizeof s->dir, "%s/store%zu", n->live->ledger.dir, i);
    snprintf(s->host, sizeof s->host, "127.0.%zu.1", i + 1);
    s->secret.b[31] = (u8)(100 + i);
    secp_address_of_secret(&s->account, &s->secret);
    send_wei(n, &s->account);
    start_store(n, i);
    snprintf(url, sizeof url, "http://%s:%u", s->host, s->port);
    const struct store_registration registration = {.operator_ = s->account,
                                                    .endpoint = url,
                                                    .signer = s->account,
                                                    .capacity = CAPACITY,
                                                    .announced = CAPACITY / 2};
    test_ok(chain_account_open(n->chain, &s->secret, &account));
    test_ok(store_register(n->chain, account, &registration, soon(n), &provider));
    chain_account_close(account);
}

static void call(struct network *n, struct chain_account *account, u32 module,
                 const char *signature, const struct abi_value *args,
                 struct chain_receipt *ret_receipt)
{
    test_ok(module_send(account, module, signature, args, u256_from_u64(0), &n->live->arena,
                        soon(n), ret_receipt));
}

static err read_gateway(void *ctx, const struct slot_source *slots)
{
    struct network *n = ctx;
    const struct address account = chain_account_address(n->gateway);
    return gateway_of(slots, &account, &n->gateway_number);
}

static void open_gateway(struct network *n)
{
    struct hash box = {{7}};
    struct address address;
    struct chain_receipt receipt;
    n->who.chain_id = TEST_CHAIN_ID;
    n->who.secret.b[31] = 77;
    secp_address_of_secret(&address, &n->who.secret);
    send_wei(n, &address);
    n->gateway = live_account(n->live, &n->who.secret);
    const struct abi_value registration[] = {abi_bytes(bytes_str("http://127.0.0.1:9000")),
                                             abi_hash(&box)};
    call(n, n->gateway, MODULE_BUCKET, BUCKET_REGISTER_GATEWAY, registration, &receipt);
    test_ok(chain_view(n->chain, read_gateway, n, soon(n)));
    test_ok(owner_lease(n->chain, n->user, GIB(1), RS_2_4, 86400, soon(n), &n->territory));
    const struct abi_value grant[] = {abi_u64(n->territory), abi_u64(n->gateway_number),
                                      abi_u64(SCOPE_ALL),    abi_u64(GIB(1)),
                                      abi_u64(UINT32_MAX),   abi_bytes(bytes_str("sealed"))};
    call(n, n->user, MODULE_BUCKET, BUCKET_AUTHORISE, grant, &receipt);
}

static void open_network(struct network *n, struct live *live)
{
    *n = (struct network){.live = live, .loop = live->loop, .chain = live->chain};
    n->user = live_account(live, &live->ledger.user);
    struct opening openings[STORES];
    struct group group;
    group_init(&group);
    for (size_t i = 0; i < STORES; i++) {
        openings[i] = (struct opening){n, i};
        test_ok(group_start(n->loop, &group, "open", open_store, &openings[i]));
    }
    group_wait(n->loop, &group);
    open_gateway(n);
    for (size_t i = 0; i < STORES; i++) {
        AWAIT(n, store_ready(n->stores[i].store));
    }
    snprintf(n->spool_dir, sizeof n->spool_dir, "%s/spool", live->ledger.dir);
    test_ok(dir_make(n->spool_dir));
    group_init(&n->holders);
    test_ok(http_client_new(n->loop, &(struct http_client_options){0}, &n->http));
    test_ok(directory_open(n->loop, n->chain, soon(n), &n->directory));
    AWAIT(n, is_ok(directory_refresh(n->directory, soon(n))) &&
                 directory_eligible(n->directory) == STORES);
    test_ok(segment_source_new(&(struct segment_source_options){.loop = n->loop,
                                                                .chain = n->chain,
                                                                .directory = n->directory,
                                                                .http = n->http,
                                                                .who = &n->who},
                               &n->source));
}

static void close_network(struct network *n)
{
    watch_stop(n->watch);
    group_wait(n->loop, &n->holders);
    segment_source_free(n->source);
    directory_close(n->directory);
    for (size_t i = 0; i < STORES; i++) {
        stop_store(n, i);
    }
    http_client_free(n->http);
    chain_account_close(n->gateway);
    chain_account_close(n->user);
    for (size_t i = 0; i < SEGMENTS; i++) {
        mem_free(n->uploads[i].plain);
    }
}

/* ---- uploads ---- */

static struct segment_put_options put_options(struct network *n, u64 number)
{
    return (struct segment_put_options){
        .loop = n->loop,
        .chain = n->chain,
        .directory = n->directory,
        .http = n->http,
        .who = &n->who,
        .spool_dir = n->spool_dir,
        .key = {n->territory, n->gateway_number, number},
        .class_number = RS_2_4,
        .fibers = &n->holders,
    };
}

static void upload(struct network *n, u64 number, u32 length)
{
    struct upload *u = &n->uploads[number];
    struct segment_put_options options = put_options(n, number);
    struct segment_put *put;
    struct prng prng;
    *u = (struct upload){.key = options.key, .length = length, .plain = mem_alloc(length)};
    prng_init(&prng, number);
    prng_fill(&prng, u->plain, length);
    test_ok(segment_put_open(&options, soon(n), &put));
    test_ok(segment_put_write(put, bytes_make(u->plain, length), soon(n)));
    test_ok(segment_put_seal(put, soon(n), &u->entry, &u->seal));
    segment_source_hint(n->source, &u->entry, &u->seal);
    segment_put_free(put);
}

static err read_back(struct network *n, const struct upload *u, u32 from, u32 length)
{
    struct segment_get *get;
    u8 *out = mem_alloc(length);
    size_t len = 1;
    u32 at = 0;
    err e = segment_get_open(n->source, &u->key, from, length, soon(n), &get);
    if (is_ok(e)) {
        while (is_ok(e) && len != 0) {
            e = segment_get_next(get, out + at, length - at + (at == length), soon(n), &len);
            at += is_ok(e) ? (u32)len : 0;
        }
        assert_memory_equal(out, u->plain + from, at);
        segment_get_close(get);
    }
    assert_true(!is_ok(e) || at == length);
    mem_free(out);
    return e;
}

static void send_entry(struct network *n, const char *signature, const struct segment_entry *entry)
{
    struct chain_receipt receipt;
    struct buf packed;
    buf_init(&packed, KIB(16));
    segment_entry_write(&packed, entry);
    const struct abi_value args[] = {abi_u64(n->territory), abi_bytes(buf_bytes(&packed)),
                                     abi_array(NULL, 0)}; /* complete() takes the first two */
    call(n, n->gateway, MODULE_SEGMENT, signature, args, &receipt);
    buf_free(&packed);
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

static struct record_view record_of(struct network *n, const struct upload *u)
{
    struct record_view view = {.key = u->key};
    test_ok(chain_view(n->chain, read_record, &view, soon(n)));
    return view;
}

static u8 holders_of(struct network *n, const struct upload *u)
{
    struct record_view view = record_of(n, u);
    return view.found ? segment_holder_count(&view.record) : 0;
}

/* What has too few receipts gets the rest from the spool. */
static void complete(struct network *n, struct upload *u)
{
    struct segment_put_options options = put_options(n, u->key.number);
    struct record_view view = record_of(n, u);
    struct placement_holder holders[FRAGMENTS_MAX];
    struct segment_entry late;
    u8 missing[FRAGMENTS_MAX];
    u8 missing_count = 0;
    size_t count = 0;
    assert_true(view.found);
    for (u8 i = 0; i < view.record.n; i++) {
        if (view.record.holders[i].provider == 0) {
            missing[missing_count++] = i;
        } else {
            holders[count++] = (struct placement_holder){view.record.holders[i].provider, 0};
        }
    }
    if (missing_count != 0) {
        test_ok(segment_put_resend(&options, &u->seal, holders, count, missing, missing_count,
                                   soon(n), &late));
        send_entry(n, SEGMENT_COMPLETE_CALL, &late);
    }
    assert_int_equal(holders_of(n, u), 6);
}

static void uploads_and_reads(struct network *n)
{
    static const u32 lengths[SEGMENTS] = {1, 5000, 2 * UNIT_BYTES, MIB(1) + 17, MIB(3)};
    for (u32 i = 0; i < SEGMENTS; i++) {
        struct upload *u = &n->uploads[i];
        upload(n, i, lengths[i]);
        test_ok(read_back(n, u, 0, u->length)); /* before the ledger knows it */
        send_entry(n, SEGMENT_COMMIT, &u->entry);
        complete(n, u);
        test_ok(read_back(n, u, u->length / 2, u->length - u->length / 2));
    }
}

/* ---- losses ---- */

static bool is_running(const struct network *n, u32 provider)
{
    struct provider_view view;
    test_ok(directory_get(n->directory, provider, &view));
    for (size_t i = 0; i < STORES; i++) {
        if (address_eq(&n->stores[i].account, &view.operator_)) {
            return n->stores[i].store != NULL;
        }
    }
    return false;
}

static bool all_complete(struct network *n)
{
    for (u32 i = 0; i < SEGMENTS; i++) {
        struct record_view view = record_of(n, &n->uploads[i]);
        for (u8 f = 0; f < view.record.n; f++) {
            u32 provider = view.record.holders[f].provider;
            if (provider == 0 || !is_running(n, provider)) {
                return false;
            }
        }
    }
    return true;
}

/* Two of nine go for good: of a segment's six fragments at most two are lost. */
static void two_nodes_die(struct network *n)
{
    struct segment_source_options source = {.loop = n->loop,
                                            .chain = n->chain,
                                            .directory = n->directory,
                                            .http = n->http,
                                            .who = &n->who};
    stop_store(n, 0);
    stop_store(n, 1);
    for (u32 i = 0; i < SEGMENTS; i++) {
        test_ok(read_back(n, &n->uploads[i], 0, n->uploads[i].length));
    }
    const struct watch_options watch = {.loop = n->loop,
                                        .chain = n->chain,
                                        .directory = n->directory,
                                        .source = n->source,
                                        .account = n->gateway,
                                        .top_up_after_s = 5,
                                        .scan_pause_ms = 300};
    test_ok(watch_start(&watch, &n->watch));
    AWAIT(n, all_complete(n));
    struct watch_status status = watch_status(n->watch);
    assert_true(status.restored > 0 && status.unreadable == 0);
    watch_stop(n->watch);
    n->watch = NULL;
    segment_source_free(n->source); /* and what it remembers */
    test_ok(segment_source_new(&source, &n->source));
    for (u32 i = 0; i < SEGMENTS; i++) {
        test_ok(read_back(n, &n->uploads[i], 0, n->uploads[i].length));
    }
}

/* Another loses its disk: it says so, serves again at once, and its fragments are placed anew. */
static void a_disk_dies(struct network *n)
{
    const struct watch_options watch = {.loop = n->loop,
                                        .chain = n->chain,
                                        .directory = n->directory,
                                        .source = n->source,
                                        .account = n->gateway,
                                        .top_up_after_s = 5,
                                        .scan_pause_ms = 300};
    stop_store(n, 4);
    test_ok(dir_remove_all(n->stores[4].dir));
    start_store(n, 4);
    AWAIT(n, store_ready(n->stores[4].store));
    test_ok(watch_start(&watch, &n->watch));
    AWAIT(n, all_complete(n) && watch_status(n->watch).scans > 2 &&
                 watch_status(n->watch).incomplete == 0);
    for (u32 i = 0; i < SEGMENTS; i++) {
        test_ok(read_back(n, &n->uploads[i], 0, n->uploads[i].length));
    }
}

static void a_network_lives(struct live *live)
{
    struct network *n = MEM_NEW(struct network);
    open_network(n, live);
    uploads_and_reads(n);
    two_nodes_die(n);
    a_disk_dies(n);
    close_network(n);
    mem_free(n);
}

LIVE_TEST(a_network_lives)

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_network_lives)};
    live_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* live_ledger.h: a ledger node with the real modules and its client, on one loop over loopback.
 *
 * The test is a fiber. The node makes blocks by itself, quickly; it can be stopped and started
 * again on the same port.
 */
#ifndef TESTS_SUPPORT_LIVE_LEDGER_H
#define TESTS_SUPPORT_LIVE_LEDGER_H

#include "base/mem.h"
#include "chain/module_call.h"
#include "ledger/modules/modules.h"
#include "ledger/node/node.h"
#include "tests/support/test_ledger.h"

#include <string.h>

#define LIVE_SOON_MS 30000
#define LIVE_MODULES "{\"params\":{\"profile\":\"devnet\"}}"

struct live {
    struct test_ledger ledger;
    struct loop *loop;
    struct node *node;   /* NULL: stopped */
    struct chain *chain; /* NULL: closed */
    u16 port;            /* of the node, from its first start on */
    char genesis_path[128];
    struct group fibers; /* of the test */
    struct arena arena;
    void (*fn)(struct live *live);
};

static inline u64 live_in(const struct live *live, u64 ms) { return loop_now_ms(live->loop) + ms; }

static inline u64 live_soon(const struct live *live) { return live_in(live, LIVE_SOON_MS); }

static inline void live_start_node(struct live *live)
{
    const struct node_options options = {.data_dir = live->ledger.data_dir,
                                         .genesis_path = live->genesis_path,
                                         .secret = &live->ledger.seat,
                                         .rpc_host = "127.0.0.1",
                                         .rpc_port = live->port,
                                         .interval_ms = 40,
                                         .empty_interval_ms = 80,
                                         .no_sync = true};
    test_ok(node_start(live->loop, &options, &live->node));
    live->port = node_rpc_port(live->node);
}

static inline void live_stop_node(struct live *live)
{
    node_stop(live->node);
    live->node = NULL;
}

/* live_open_chain: first_url, if there is one, comes before the node's own. */
static inline void live_open_chain(struct live *live, const char *first_url)
{
    char url[64];
    const char *urls[2] = {first_url, url};
    size_t skip = first_url == NULL;
    snprintf(url, sizeof url, "http://127.0.0.1:%u", live->port);
    const struct chain_options options = {
        .rpc_urls = urls + skip, .rpc_url_count = 2 - skip, .genesis_path = live->genesis_path};
    test_ok(chain_open(live->loop, &options, live_soon(live), &live->chain));
}

static inline void live_close_chain(struct live *live)
{
    chain_close(live->chain);
    live->chain = NULL;
}

static inline struct chain_account *live_account(struct live *live,
                                                 const struct secp_secret *secret)
{
    struct chain_account *account;
    test_ok(chain_account_open(live->chain, secret, &account));
    return account;
}

static inline void live_main(void *arg)
{
    struct live *live = arg;
    live_start_node(live);
    live_open_chain(live, NULL);
    live->fn(live);
    group_wait(live->loop, &live->fibers);
    live_close_chain(live);
    live_stop_node(live);
    loop_stop(live->loop);
}

static inline void live_run(void (*fn)(struct live *live))
{
    struct live *live = MEM_NEW(struct live);
    live->fn = fn;
    arena_init(&live->arena, MIB(64));
    group_init(&live->fibers);
    test_ledger_make(&live->ledger, LIVE_MODULES, "");
    snprintf(live->genesis_path, sizeof live->genesis_path, "%s/genesis.json", live->ledger.dir);
    snprintf(live->ledger.data_dir, sizeof live->ledger.data_dir, "%s/node", live->ledger.dir);
    test_ok(file_replace(live->genesis_path, bytes_str(live->ledger.genesis)));
    test_ok(loop_open(&live->loop, 2));
    test_ok(fiber_start(live->loop, "test", live_main, live));
    loop_run(live->loop);
    loop_close(live->loop);
    test_ledger_remove(&live->ledger);
    arena_free(&live->arena);
    mem_free(live);
}

static inline void live_init(void)
{
    const struct hash seed = {{7}};
    crypto_init(&seed);
    native_tables_init(native_modules_all, native_modules_count);
}

#define LIVE_TEST(fn)                                                                              \
    static void test_##fn(void **state)                                                            \
    {                                                                                              \
        (void)state;                                                                               \
        live_run(fn);                                                                              \
    }

#endif

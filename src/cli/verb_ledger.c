/* verb_ledger.c: `cairn ledger`: chains of Ethereum, imported and served. */
#include "cli/verbs.h"

#include "base/log.h"
#include "ledger/app/external.h"
#include "ledger/ethereum/genesis.h"
#include "ledger/rpc/rpc_server.h"
#include "net/url.h"
#include "os/file.h"

#define LEDGER_WORKERS 2
#define DRAIN_MS 5000
#define CLIENT_VERSION "cairn/" CAIRN_VERSION

static struct {
    const char *dir;
    const char *genesis;
    const char *listen;
    const char *cors;
    struct flag_list hosts;
    u64 history;
    bool archive;
} options = {.dir = "chain", .genesis = "genesis.json"};

static const struct flag flags[] = {
    {"dir", FLAG_TEXT, &options.dir, "DIR", "the chain's folder (default chain)"},
    {"genesis", FLAG_TEXT, &options.genesis, "FILE", "genesis file in geth's form"},
    {"listen", FLAG_TEXT, &options.listen, "HOST:PORT", "serve JSON-RPC (default: do not)"},
    {"rpc-host", FLAG_LIST, &options.hosts, "NAME", "further name a Host header may have"},
    {"cors", FLAG_TEXT, &options.cors, "ORIGIN", "pages that may ask (default any, \"\" none)"},
    {"history", FLAG_NUMBER, &options.history, "BLOCKS", "whose states can be read"},
    {"archive", FLAG_BOOL, &options.archive, NULL, "keep every state; chosen with the folder"},
    {NULL, FLAG_BOOL, NULL, NULL, NULL},
};

struct chain {
    struct cli *cli;
    struct app *app;
    struct loop *loop;
    struct rpc *rpc;
    struct rpc_server *server;
    char host[URL_HOST_MAX];
    u16 port;
};

/* --- serving --- */

static err start(void *ctx, struct loop *loop)
{
    struct chain *chain = ctx;
    chain->loop = loop;
    const struct rpc_options rpc = {.app = chain->app, .loop = loop, .version = CLIENT_VERSION};
    rpc_new(&rpc, &chain->rpc);
    const struct rpc_server_options server = {.rpc = chain->rpc,
                                              .host = chain->host,
                                              .port = chain->port,
                                              .hosts = options.hosts.items,
                                              .host_count = options.hosts.count,
                                              .cors_origin = options.cors};
    err e = rpc_server_start(loop, &server, &chain->server);
    if (!is_ok(e)) {
        rpc_free(chain->rpc);
        return e;
    }
    log_info("ledger", "JSON-RPC on %s:%u", chain->host, rpc_server_port(chain->server));
    return ok();
}

static void drain(void *ctx)
{
    struct chain *chain = ctx;
    rpc_stop_waiting(chain->rpc);
    if (!is_ok(rpc_server_drain(chain->server, loop_now_ms(chain->loop) + DRAIN_MS))) {
        log_warn("ledger", "some RPC calls were cut");
    }
}

static void stop(void *ctx)
{
    struct chain *chain = ctx;
    rpc_server_close(chain->server);
    rpc_free(chain->rpc);
}

static int serve(struct chain *chain)
{
    const struct cli_service service = {
        .name = "ledger",
        .workers = LEDGER_WORKERS,
        .start = start,
        .drain = drain,
        .stop = stop,
        .ctx = chain,
    };
    err e = cli_serve(&service);
    return is_ok(e)
               ? 0
               : cli_fail(chain->cli, e, NULL, "cannot serve %s: %s", options.dir, err_text(e));
}

/* --- importing --- */

static err open_chain(struct chain *chain)
{
    struct arena arena;
    bytes genesis;
    arena_init(&arena, ETH_GENESIS_BYTES_MAX + KIB(4));
    err e = file_load(options.genesis, &arena, &genesis);
    if (is_ok(e)) {
        e = dir_make(options.dir);
    }
    if (is_ok(e)) {
        const struct app_options app = {.dir = options.dir,
                                        .genesis = genesis,
                                        .history_blocks = (u32)options.history,
                                        .is_archive = options.archive};
        e = app_open_external(&app, &chain->app);
    }
    arena_free(&arena);
    return e;
}

static int import_files(struct chain *chain)
{
    struct cli *cli = chain->cli;
    u64 blocks = 0;
    for (size_t i = 0; i < cli->positional_count; i++) {
        struct app_import import;
        const char *path = cli->positionals[i];
        err e = app_import_file(chain->app, path, NULL, NULL, &import);
        if (!is_ok(e)) {
            return cli_fail(cli, e, NULL, "cannot import %s: %s", path, err_text(e));
        }
        if (import.wrong != NULL) {
            return cli_fail(cli, fail(ERR_INTEGRITY), "the blocks before it are imported",
                            "block %llu of %s is not valid: %s", (unsigned long long)import.place,
                            path, import.wrong);
        }
        blocks += import.blocks;
    }
    struct state_head head = state_head(app_state(chain->app));
    char hash[2 * sizeof head.block_hash.b + 1];
    hex_encode(hash, sizeof hash, BYTES_OF(head.block_hash));
    cli_print(cli, "%llu blocks imported; head %llu 0x%s\n", (unsigned long long)blocks,
              (unsigned long long)head.height, hash);
    cli_print_json(cli, json_pack("{s:I, s:I, s:s}", "imported", (json_int_t)blocks, "height",
                                  (json_int_t)head.height, "hash", hash));
    return 0;
}

static int run_import(struct cli *cli)
{
    struct chain chain = {.cli = cli};
    if (!cli_parse(cli, 0, CLI_POSITIONALS_MAX)) {
        return 2;
    }
    if (options.listen != NULL && !cli_parse_endpoint(chain.host, &chain.port, options.listen)) {
        return cli_usage(cli, "--listen is HOST:PORT, not '%s'", options.listen);
    }
    err e = open_chain(&chain);
    if (!is_ok(e)) {
        return cli_fail(cli, e, "the log above says what is wrong",
                        "cannot open the chain of %s in %s: %s", options.genesis, options.dir,
                        err_text(e));
    }
    int status = import_files(&chain);
    if (status == 0 && options.listen != NULL) {
        status = serve(&chain);
    }
    app_close(chain.app);
    return status;
}

static const struct verb import_verb = {
    .name = "ledger import",
    .arguments = "[CHAIN.rlp…] [FLAGS]",
    .summary = "imports a chain of Ethereum, and serves it",
    .text = "CHAIN.rlp holds blocks one after another, as Ethereum's clients export them. Every\n"
            "block is executed by the rules of its fork, Frontier to Osaka, and everything that\n"
            "its header says is checked but the proof of work. An import may be repeated: blocks\n"
            "that are there are passed over. With --listen the chain is then served, read-only,\n"
            "until the process is told to end.",
    .examples = "  cairn ledger import --genesis genesis.json chain.rlp --dir chain\n"
                "  cairn ledger import --genesis genesis.json --dir chain --listen 127.0.0.1:8545",
    .flags = flags,
    .run = run_import,
};
static const struct verb *const parts[] = {&import_verb, NULL};

const struct verb verb_ledger = {
    .name = "ledger",
    .arguments = "import …",
    .summary = "chains of Ethereum, imported and served",
    .examples = "  cairn ledger import --genesis genesis.json chain.rlp --dir chain",
    .parts = parts,
};

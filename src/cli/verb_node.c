/* verb_node.c: `cairn node`: the ledger node. */
#include "cli/keyfile.h"
#include "cli/verbs.h"

#include "base/log.h"
#include "ledger/node/node.h"
#include "ledger/rpc/limits.h"
#include "net/url.h"
#include "os/heap.h"
#include "os/secret.h"

#define NODE_WORKERS 2
#define DRAIN_MS 5000

static struct {
    const char *config;
    const char *data;
    const char *genesis;
    const char *key;
    const char *listen;
    const char *metrics;
    const char *cors;
    struct flag_list hosts;
    u64 ws_port;
    u64 rpc_rate;
    u64 history;
    bool archive;
    u64 snapshots;
    const char *restore;
    const char *trust;
} options = {.data = "ledger",
             .genesis = "genesis.json",
             .listen = "127.0.0.1:9002",
             .rpc_rate = RPC_RATE_DEFAULT};

static const struct flag flags[] = {
    {"config", FLAG_TEXT, &options.config, "FILE", "JSON object of these flags"},
    {"data", FLAG_TEXT, &options.data, "DIR", "state and log (default ledger)"},
    {"genesis", FLAG_TEXT, &options.genesis, "FILE", "the beginning of the chain (genesis.json)"},
    {"key", FLAG_TEXT, &options.key, "FILE", "the seat's key, or $CREDENTIALS_DIRECTORY/seat"},
    {"listen", FLAG_TEXT, &options.listen, "HOST:PORT", "JSON-RPC (default 127.0.0.1:9002)"},
    {"ws-port", FLAG_NUMBER, &options.ws_port, "PORT",
     "a second port for WebSockets, which the first serves, too"},
    {"metrics", FLAG_TEXT, &options.metrics, "HOST:PORT", "/metrics and /health (default none)"},
    {"rpc-host", FLAG_LIST, &options.hosts, "NAME", "further name a Host header may have"},
    {"rpc-rate", FLAG_NUMBER, &options.rpc_rate, "CREDITS",
     "a second for each client, loopback aside (default 1000, 0 no limits)"},
    {"cors", FLAG_TEXT, &options.cors, "ORIGIN", "pages that may ask (default any, \"\" none)"},
    {"history", FLAG_NUMBER, &options.history, "BLOCKS", "whose states can be read"},
    {"snapshots", FLAG_NUMBER, &options.snapshots, "BLOCKS", "write one every so many blocks"},
    {"restore", FLAG_TEXT, &options.restore, "DIR", "begin with this snapshot, in a new folder"},
    {"trust", FLAG_TEXT, &options.trust, "HASH", "of the snapshot's block, from who you trust"},
    {"archive", FLAG_BOOL, &options.archive, NULL, "keep every state; chosen with the data folder"},
    {NULL, FLAG_BOOL, NULL, NULL, NULL},
};

struct role {
    struct node_options node_options;
    struct secp_secret secret;
    char rpc_host[URL_HOST_MAX];
    char metrics_host[URL_HOST_MAX];
    struct event ended;
    struct node *node;
    struct loop *loop;
    err fault;
};

static void watch_fault(void *arg)
{
    struct role *role = arg;
    while (is_ok(node_fault(role->node))) {
        if (!is_ok(event_wait(role->loop, node_ended(role->node), DEADLINE_NONE))) {
            return;
        }
    }
    event_wake_all(&role->ended);
}

static err start(void *ctx, struct loop *loop)
{
    struct role *role = ctx;
    role->loop = loop;
    heap_keep(HEAP_KEPT_BYTES);
    TRY(node_start(loop, &role->node_options, &role->node));
    log_info("node", "JSON-RPC on %s:%u", role->rpc_host, node_rpc_port(role->node));
    return fiber_start(loop, "fault", watch_fault, role);
}

static void drain(void *ctx)
{
    struct role *role = ctx;
    node_drain(role->node, loop_now_ms(role->loop) + DRAIN_MS);
}

static void stop(void *ctx)
{
    struct role *role = ctx;
    role->fault = node_fault(role->node);
    node_stop(role->node);
}

static bool parse_hash(struct hash *ret_hash, const char *text)
{
    bytes hex = bytes_str(text);
    return hex.len == 2 + 2 * sizeof ret_hash->b && bytes_starts_with(hex, bytes_str("0x")) &&
           hex_decode(ret_hash->b, sizeof ret_hash->b, bytes_slice(hex, 2, hex.len - 2));
}

static int check(struct cli *cli, struct role *role)
{
    if (options.config != NULL && !cli_config(cli, options.config)) {
        return 2;
    }
    if (!cli_parse_endpoint(role->rpc_host, &role->node_options.rpc_port, options.listen)) {
        return cli_usage(cli, "--listen is HOST:PORT, not '%s'", options.listen);
    }
    if (options.ws_port > UINT16_MAX) {
        return cli_usage(cli, "--ws-port is at most %d", UINT16_MAX);
    }
    if (options.metrics != NULL &&
        !cli_parse_endpoint(role->metrics_host, &role->node_options.metrics_port,
                            options.metrics)) {
        return cli_usage(cli, "--metrics is HOST:PORT, not '%s'", options.metrics);
    }
    if (options.restore != NULL &&
        (options.trust == NULL || !parse_hash(&role->node_options.restore_hash, options.trust))) {
        return cli_usage(cli, "--restore needs --trust HASH, 0x and 64 hex digits");
    }
    err e = key_of_role(options.key, "seat", &role->secret);
    return is_ok(e) ? 0
                    : cli_fail(cli, e, "see --key", "cannot read the seat's key: %s", err_text(e));
}

static int run(struct cli *cli)
{
    struct role role = {.fault = ok()};
    if (!cli_parse(cli, 0, 0)) {
        return 2;
    }
    process_harden();
    int status = check(cli, &role);
    if (status != 0) {
        return status;
    }
    event_init(&role.ended);
    role.node_options.data_dir = options.data;
    role.node_options.genesis_path = options.genesis;
    role.node_options.secret = &role.secret;
    role.node_options.rpc_host = role.rpc_host;
    role.node_options.has_ws_port = options.ws_port != 0;
    role.node_options.ws_port = (u16)options.ws_port;
    role.node_options.rpc_hosts = options.hosts.items;
    role.node_options.rpc_host_count = options.hosts.count;
    role.node_options.rpc_rate = options.rpc_rate;
    role.node_options.cors_origin = options.cors;
    role.node_options.metrics_host = options.metrics != NULL ? role.metrics_host : NULL;
    role.node_options.history_blocks = (u32)options.history;
    role.node_options.is_archive = options.archive;
    role.node_options.snapshot_blocks = options.snapshots;
    role.node_options.restore_from = options.restore;
    const struct cli_service service = {
        .name = "node",
        .workers = NODE_WORKERS,
        .start = start,
        .drain = drain,
        .stop = stop,
        .ended = &role.ended,
        .ctx = &role,
    };
    err e = cli_serve(&service);
    secp_secret_wipe(&role.secret);
    if (is_ok(e)) {
        e = role.fault;
    }
    return is_ok(e) ? 0
                    : cli_fail(cli, e, "the log says where it began",
                               "the ledger node in %s ended: %s", options.data, err_text(e));
}

const struct verb verb_node = {
    .name = "node",
    .arguments = "[FLAGS]",
    .summary = "runs a ledger node",
    .text = "Keeps the chain of a genesis file and serves Ethereum's JSON-RPC. Restarts by itself "
            "where\n"
            "it was, however it ended.",
    .examples = "  cairn node --genesis genesis.json --key seat.key --data /var/lib/cairn/ledger\n"
                "  cairn node --config node.json",
    .flags = flags,
    .run = run,
};

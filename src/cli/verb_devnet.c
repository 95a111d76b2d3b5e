/* verb_devnet.c: `cairn devnet`: a whole network on this machine, until Ctrl-C. */
#include "cli/client.h"
#include "cli/devnet.h"
#include "cli/verbs.h"

#include "base/log.h"
#include "base/mem.h"
#include "os/stream.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define START_MS 120000
#define STORES_MIN 6
#define PORTS_MIN 1024
#define PORTS_MAX 65000
#define DEVNET_WORKERS 1

static struct {
    const char *data;
    u64 nodes;
    u64 ports;
    u64 capacity;
    bool respawn;
    bool no_gateway;
} options = {.data = "devnet", .ports = DEVNET_PORTS_DEFAULT, .capacity = GIB(32)};

static const struct flag flags[] = {
    {"data", FLAG_TEXT, &options.data, "DIR", "where it lives; kept between runs (default devnet)"},
    {"nodes", FLAG_NUMBER, &options.nodes, "N", "storage nodes (default 12, or as before)"},
    {"ports", FLAG_NUMBER, &options.ports, "BASE", "first port (default 9000)"},
    {"capacity", FLAG_SIZE, &options.capacity, "SIZE", "each storage node offers (default 32GiB)"},
    {"respawn", FLAG_BOOL, &options.respawn, NULL, "start roles again that die"},
    {"no-gateway", FLAG_BOOL, &options.no_gateway, NULL, "only ledger and storage nodes"},
    {NULL, FLAG_BOOL, NULL, NULL, NULL},
};

/* ---- starting ---- */

/* A port that somebody has is found before anything is started, and named. */
static err check_port(struct devnet *devnet, const char *host, unsigned port)
{
    struct listener *listener;
    err e = listener_open(devnet->loop, host, (u16)port, &listener);
    if (!is_ok(e)) {
        log_error("devnet", "port %u of %s is not free (%s); see --ports", port, host, err_text(e));
        return e;
    }
    listener_close(listener);
    return ok();
}

static err check_ports(struct devnet *devnet)
{
    for (size_t i = 0; i < devnet->role_count; i++) {
        const struct devnet_role *role = &devnet->roles[i];
        TRY(check_port(devnet, role->host, role->port));
        TRY(check_port(devnet, role->host, role->metrics_port));
    }
    TRY(check_port(devnet, devnet_ledger(devnet)->host, devnet->ports + DEVNET_PORT_WS));
    return check_port(devnet, devnet_gateway(devnet)->host, devnet->ports + 1u);
}

static err start_network(struct devnet *devnet, u64 deadline_ms)
{
    cli_print(devnet->cli, "ledger…\n");
    TRY(devnet_start_role(devnet_ledger(devnet), deadline_ms));
    TRY(devnet_open_chain(devnet, deadline_ms));
    cli_print(devnet->cli, "registering %zu storage nodes and the gateway…\n",
              devnet->role_count - 2);
    TRY(devnet_register(devnet, deadline_ms));
    cli_print(devnet->cli, "storage nodes…\n");
    TRY(devnet_start_stores(devnet, deadline_ms));
    if (!options.no_gateway) {
        cli_print(devnet->cli, "gateway…\n");
        TRY(devnet_start_role(devnet_gateway(devnet), deadline_ms));
        TRY(devnet_add_user(devnet, deadline_ms));
    }
    TRY(devnet_publish(devnet));
    devnet->ready = true;
    return devnet_revive_start(devnet);
}

static void tell(const struct devnet *devnet)
{
    char path[PATH_BYTES_MAX];
    json_t *all = devnet_describe(devnet);
    const json_t *s3 = json_object_get(all, "s3");
    devnet_path(devnet, path, "devnet.json");
    cli_print(devnet->cli,
              "\nCairn runs: %zu processes, chain %llu\n"
              "  S3       %s  or  %s (CA %s)\n"
              "           access key %s   secret key %s   region %s\n"
              "  RPC      %s\n"
              "  all of it in %s; Ctrl-C stops it\n",
              devnet->role_count, (unsigned long long)chain_id(devnet->chain),
              json_read_str(s3, "http"), json_read_str(s3, "https"), json_read_str(s3, "ca_file"),
              json_read_str(s3, "access_key"), json_read_str(s3, "secret_key"),
              json_read_str(s3, "region"), json_read_str(all, "rpc"), path);
    cli_print_json(devnet->cli, all);
}

static err start(void *ctx, struct loop *loop)
{
    struct devnet *devnet = ctx;
    devnet->loop = loop;
    group_init(&devnet->fibers);
    err e = devnet_prepare(devnet);
    if (is_ok(e)) {
        devnet_unpublish(devnet); /* of a devnet that was killed */
        e = check_ports(devnet);
    }
    if (is_ok(e)) {
        e = start_network(devnet, loop_now_ms(loop) + START_MS);
    }
    if (is_ok(e)) {
        tell(devnet);
        return e;
    }
    devnet_stop_roles(devnet);
    loop_stop(loop);
    chain_close(devnet->chain);
    return e;
}

static void drain(void *ctx)
{
    struct devnet *devnet = ctx;
    cli_print(devnet->cli, "\nstopping…\n");
    devnet_unpublish(devnet);
    devnet_stop_roles(devnet);
}

static void stop(void *ctx)
{
    struct devnet *devnet = ctx;
    if (!devnet->stopping) { /* the loop was stopped before drain() could run */
        drain(devnet);
    }
    chain_close(devnet->chain);
}

/* ---- the verb ---- */

static int check_options(struct cli *cli, const struct devnet *devnet)
{
    unsigned before = devnet_stores_before(devnet);
    if (options.nodes == 0) {
        options.nodes = before > 0 ? before : DEVNET_STORES_DEFAULT;
    }
    if (options.nodes < STORES_MIN || options.nodes > DEVNET_STORES_MAX) {
        return cli_usage(cli, "--nodes is between %d and %d", STORES_MIN, DEVNET_STORES_MAX);
    }
    if (options.nodes < before) {
        return cli_usage(cli, "%s has %u storage nodes; they can only become more", devnet->dir,
                         before);
    }
    if (options.ports < PORTS_MIN || options.ports > PORTS_MAX) {
        return cli_usage(cli, "--ports is between %d and %d", PORTS_MIN, PORTS_MAX);
    }
    if (options.capacity < MIB(1)) {
        return cli_usage(cli, "--capacity is at least 1MiB");
    }
    return 0;
}

static err absolute_folder(const char *given, char out[PATH_BYTES_MAX])
{
    TRY(dir_make(given));
    char full[PATH_MAX];
    if (realpath(given, full) == NULL || strlen(full) > PATH_BYTES_MAX / 2) {
        return fail(ERR_IO);
    }
    snprintf(out, PATH_BYTES_MAX, "%s", full);
    return ok();
}

static void wipe(struct devnet *devnet)
{
    if (devnet->lock != NULL) {
        file_close(devnet->lock);
    }
    mem_wipe(devnet, sizeof *devnet);
    mem_free(devnet);
}

static int run(struct cli *cli)
{
    if (!cli_parse(cli, 0, 0)) {
        return 2;
    }
    struct devnet *devnet = MEM_NEW(struct devnet);
    devnet->cli = cli;
    err e = absolute_folder(options.data, devnet->dir);
    if (!is_ok(e)) {
        wipe(devnet);
        return cli_fail(cli, e, NULL, "cannot use the folder %s: %s", options.data, err_text(e));
    }
    int status = check_options(cli, devnet);
    if (status != 0) {
        wipe(devnet);
        return status;
    }
    devnet->ports = (u16)options.ports;
    devnet->capacity = options.capacity;
    devnet->respawn = options.respawn;
    devnet_plan(devnet, (unsigned)options.nodes);
    const struct cli_service service = {
        .name = "devnet",
        .workers = DEVNET_WORKERS,
        .start = start,
        .drain = drain,
        .stop = stop,
        .ctx = devnet,
    };
    e = cli_serve(&service);
    wipe(devnet);
    return is_ok(e) ? 0
                    : cli_fail(cli, e, "lines above say more; each role's log is in its folder",
                               "the devnet in %s did not start: %s", options.data, err_text(e));
}

/* ---- cairn devnet revive ---- */

static const char *revive_data = "devnet";

static const struct flag revive_flags[] = {
    {"data", FLAG_TEXT, &revive_data, "DIR", "the folder of the running devnet (default devnet)"},
    {NULL, FLAG_BOOL, NULL, NULL, NULL},
};

static int run_revive(struct cli *cli)
{
    char path[PATH_BYTES_MAX];
    struct buf names;
    if (!cli_parse(cli, 0, CLI_POSITIONALS_MAX)) {
        return 2;
    }
    path_join(path, revive_data, "devnet.json");
    if (!file_exists(path)) {
        return cli_fail(cli, fail(ERR_NOT_FOUND), "see --data", "no devnet runs in %s",
                        revive_data);
    }
    buf_init(&names, KIB(4));
    for (size_t i = 0; i < cli->positional_count; i++) {
        buf_format(&names, "%s\n", cli->positionals[i]);
    }
    path_join(path, revive_data, "revive");
    err e = buf_done(&names);
    if (is_ok(e)) {
        e = file_replace(path, buf_bytes(&names));
    }
    buf_free(&names);
    return is_ok(e) ? 0 : cli_fail(cli, e, NULL, "cannot write %s: %s", path, err_text(e));
}

/* ---- cairn devnet show ---- */

/* A step of "stores.3.pid": a member, or the item whose "i" is that number. */
static const json_t *step_into(const json_t *at, const char *word, size_t len)
{
    char name[64];
    if (len >= sizeof name) {
        return NULL;
    }
    snprintf(name, sizeof name, "%.*s", (int)len, word);
    if (!json_is_array(at)) {
        return json_object_get(at, name);
    }
    u64 wanted;
    size_t i;
    json_t *item;
    bool is_number = parse_u64(&wanted, bytes_str(name));
    json_array_foreach((json_t *)(uintptr_t)at, i, item)
    {
        const json_t *number = json_object_get(item, "i");
        u64 found = number != NULL ? (u64)json_integer_value(number) : i;
        if (is_number && found == wanted) {
            return item;
        }
    }
    return NULL;
}

static int show_member(struct cli *cli, const json_t *devnet, const char *path)
{
    const json_t *at = devnet;
    for (const char *word = path; at != NULL && *word != '\0';) {
        size_t len = strcspn(word, ".");
        at = step_into(at, word, len);
        word += len + (word[len] == '.');
    }
    if (at == NULL) {
        return cli_fail(cli, fail(ERR_NOT_FOUND), NULL, "devnet.json has no %s", path);
    }
    if (json_is_string(at)) {
        printf("%s\n", json_string_value(at));
        return 0;
    }
    json_dumpf(at, stdout, JSON_ENCODE_ANY | JSON_INDENT(2));
    putchar('\n');
    return 0;
}

static int run_show(struct cli *cli)
{
    struct client client;
    if (!cli_parse(cli, 0, CLI_POSITIONALS_MAX)) {
        return 2;
    }
    client_options.devnet = revive_data;
    err e = client_init(&client, cli);
    if (!is_ok(e)) {
        return cli_fail(cli, fail(ERR_NOT_FOUND), "see --data", "no devnet runs in %s",
                        revive_data);
    }
    int status = 0;
    for (size_t i = 0; status == 0 && i < cli->positional_count; i++) {
        status = show_member(cli, client.devnet, cli->positionals[i]);
    }
    if (cli->positional_count == 0) {
        status = show_member(cli, client.devnet, "");
    }
    json_decref(client.devnet);
    return status;
}

static const struct verb show_verb = {
    .name = "devnet show",
    .arguments = "[MEMBER…] [FLAGS]",
    .summary = "values of a running devnet's devnet.json, for scripts",
    .text = "MEMBER is a path; in a list a number picks the role of that number.",
    .examples = "  cairn devnet show s3.http\n  kill -9 $(cairn devnet show stores.3.pid)",
    .flags = revive_flags,
    .run = run_show,
};

static const struct verb revive_verb = {
    .name = "devnet revive",
    .arguments = "[ROLE…] [FLAGS]",
    .summary = "lets a running devnet start roles again that have died",
    .text = "ROLE is a name like store-3; without any, all dead ones are started.",
    .examples = "  cairn devnet revive store-3 store-4\n  cairn devnet revive --data /tmp/try",
    .flags = revive_flags,
    .run = run_revive,
};
static const struct verb *const parts[] = {&revive_verb, &show_verb, NULL};

const struct verb verb_devnet = {
    .name = "devnet",
    .arguments = "[FLAGS]",
    .summary = "runs a whole network on this machine",
    .text = "One ledger node, storage nodes of six operators on 127.0.I.1, one gateway, each a "
            "process\n"
            "of its own. DIR/devnet.json says where everything is, while it runs. What died stays "
            "dead\n"
            "(tests kill on purpose) unless --respawn or `cairn devnet revive` brings it back.\n"
            "Ports: BASE S3, +1 S3 over TLS, +2 RPC, +3 RPC over WebSocket, +30 and +31 data and "
            "metrics\n"
            "of storage nodes.",
    .examples = "  cairn devnet\n  cairn devnet --data /tmp/try --nodes 30 --ports 9300",
    .flags = flags,
    .run = run,
    .parts = parts,
};

#include "cli/client.h"

#include "base/log.h"
#include "cli/keyfile.h"
#include "os/file.h"

#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>

#define DEVNET_JSON_BYTES_MAX MIB(1)
#define DEVNET_JSON_DEFAULT "devnet/devnet.json"
#define MESSAGE_BYTES_MAX 512

struct client_options client_options;

/* The failure to print after the loop has ended. */
static struct {
    bool set;
    const char *hint;
    char message[MESSAGE_BYTES_MAX];
} failure;

static err load_devnet(const char *path, json_t **ret)
{
    struct arena arena;
    bytes text;
    char inside[PATH_BYTES_MAX];
    struct stat info;
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode)) {
        path_join(inside, path, "devnet.json");
        path = inside;
    }
    arena_init(&arena, DEVNET_JSON_BYTES_MAX);
    err e = file_load(path, &arena, &text);
    if (is_ok(e)) {
        e = json_parse(text, DEVNET_JSON_BYTES_MAX, ret);
    }
    arena_free(&arena);
    return e;
}

err client_init(struct client *client, struct cli *cli)
{
    *client = (struct client){.cli = cli};
    const char *path = client_options.devnet;
    if (path == NULL) {
        path = getenv("CAIRN_DEVNET");
    }
    if (path != NULL && path[0] != '\0') {
        return load_devnet(path, &client->devnet);
    }
    return file_exists(DEVNET_JSON_DEFAULT) ? load_devnet(DEVNET_JSON_DEFAULT, &client->devnet)
                                            : ok();
}

const char *client_setting(const struct client *client, const char *object, const char *member)
{
    const json_t *at = client->devnet;
    if (object != NULL) {
        at = json_object_get(at, object);
    }
    return at != NULL ? json_read_str(at, member) : NULL;
}

const char *client_rpc_url(const struct client *client)
{
    return client_options.rpc.count > 0 ? client_options.rpc.items[0]
                                        : client_setting(client, NULL, "rpc");
}

u64 client_deadline(const struct client *client)
{
    return loop_now_ms(client->loop) + CLIENT_CALL_MS;
}

err client_open(struct client *client, struct loop *loop)
{
    client->loop = loop;
    const char *from_devnet = client_setting(client, NULL, "rpc");
    struct chain_options options = {
        .rpc_urls = client_options.rpc.items,
        .rpc_url_count = client_options.rpc.count,
        .genesis_path = client_options.genesis,
    };
    if (options.rpc_url_count == 0 && from_devnet != NULL) {
        options.rpc_urls = &from_devnet;
        options.rpc_url_count = 1;
    }
    if (options.genesis_path == NULL) {
        options.genesis_path = client_setting(client, NULL, "genesis");
    }
    if (options.rpc_url_count == 0 || options.genesis_path == NULL) {
        return client_fail(client, fail(ERR_USAGE),
                           "run `cairn devnet`, or give --rpc and --genesis",
                           "no network is known");
    }
    err e = chain_open(loop, &options, client_deadline(client), &client->chain);
    return is_ok(e) ? e
                    : client_fail(client, e, NULL, "cannot follow the ledger at %s: %s",
                                  options.rpc_urls[0], err_text(e));
}

err client_account(struct client *client)
{
    const char *path = client_options.key;
    struct secp_secret secret;
    if (path == NULL) {
        path = client_setting(client, "owner", "key_file");
    }
    if (path == NULL) {
        return client_fail(client, fail(ERR_USAGE), "give --key FILE", "no account key is known");
    }
    err e = key_load(path, &secret);
    if (!is_ok(e)) {
        return client_fail(client, e, NULL, "cannot read the key %s: %s", path, err_text(e));
    }
    e = chain_account_open(client->chain, &secret, &client->account);
    secp_secret_wipe(&secret);
    return e;
}

void client_close(struct client *client)
{
    loop_stop(client->loop);
    chain_account_close(client->account);
    chain_close(client->chain);
    client->account = NULL;
    client->chain = NULL;
}

err client_fail(struct client *client, err e, const char *hint, const char *format, ...)
{
    va_list args;
    (void)client;
    va_start(args, format);
    vsnprintf(failure.message, sizeof failure.message, format, args);
    va_end(args);
    failure.hint = hint;
    failure.set = true;
    return e;
}

int client_report(const struct cli *cli, err e)
{
    return failure.set ? cli_fail(cli, e, failure.hint, "%s", failure.message)
                       : cli_fail(cli, e, NULL, "%s", err_text(e));
}

struct client_run {
    struct client client;
    err (*fn)(struct client *client);
    bool offline;
};

static err run_client(void *ctx, struct loop *loop)
{
    struct client_run *run = ctx;
    run->client.loop = loop;
    err e = run->offline ? ok() : client_open(&run->client, loop);
    if (is_ok(e)) {
        e = run->fn(&run->client);
    }
    client_close(&run->client);
    return e;
}

static int main_with(struct cli *cli, err (*fn)(struct client *client), bool offline)
{
    struct client_run run = {.fn = fn, .offline = offline};
    err e = client_init(&run.client, cli);
    if (!is_ok(e)) {
        return cli_fail(cli, e, "is the devnet running?", "cannot read devnet.json: %s",
                        err_text(e));
    }
    e = cli_run(run_client, &run);
    json_decref(run.client.devnet);
    return is_ok(e) ? 0 : client_report(cli, e);
}

int client_main(struct cli *cli, err (*fn)(struct client *client))
{
    return main_with(cli, fn, false);
}

int client_main_offline(struct cli *cli, err (*fn)(struct client *client))
{
    return main_with(cli, fn, true);
}

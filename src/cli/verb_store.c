/* verb_store.c: `cairn store`: the storage node and what its operator does. */
#include "cli/client.h"
#include "cli/keyfile.h"
#include "cli/verbs.h"

#include "base/log.h"
#include "base/mem.h"
#include "ledger/modules/provider_layout.h"
#include "net/url.h"
#include "os/secret.h"
#include "storage/store.h"

#include <stdlib.h>

#define STORE_WORKERS 2
#define STATUS_BYTES_MAX KIB(256)
#define STATUS_CALL_MS 5000

static struct {
    const char *config;
    struct flag_list paths;
    const char *listen;
    const char *metrics;
    u64 capacity;
    u64 reserve;
    u64 scrub_rate;
    json_t *fault;
    const char *operator_;
    const char *operator_key;
    const char *consent;
    u64 region;
    const char *endpoint;
    u64 announce;
} options = {.listen = "127.0.0.1:9030"};

/* One config file serves run, init and status: each has all flags. */
static const struct flag flags[] = {
    {"config", FLAG_TEXT, &options.config, "FILE", "JSON object of these flags"},
    {"path", FLAG_LIST, &options.paths, "DIR", "a disk; several may be given"},
    {"listen", FLAG_TEXT, &options.listen, "HOST:PORT", "data port (default 127.0.0.1:9030)"},
    {"metrics", FLAG_TEXT, &options.metrics, "HOST:PORT", "/metrics and /health"},
    {"capacity", FLAG_SIZE, &options.capacity, "SIZE", "of all disks, for fragments"},
    {"reserve", FLAG_SIZE, &options.reserve, "SIZE", "kept free on each disk (default 64MiB)"},
    {"scrub-rate", FLAG_SIZE, &options.scrub_rate, "SIZE", "read back per second (default 8MiB)"},
    {"endpoint", FLAG_TEXT, &options.endpoint, "URL", "how others reach it (default --listen)"},
    {"region", FLAG_NUMBER, &options.region, "CODE", "ISO 3166-1 numeric (default unknown)"},
    {"operator", FLAG_TEXT, &options.operator_, "ADDRESS", "who runs it (default the key itself)"},
    {"consent", FLAG_TEXT, &options.consent, "HEX", "the operator's, from `cairn store consent`"},
    {"operator-key", FLAG_TEXT, &options.operator_key, "FILE", "in place of these two"},
    {"announce", FLAG_SIZE, &options.announce, "SIZE", "offered at first (default --capacity)"},
    {"fault", FLAG_OBJECT, &options.fault, NULL, NULL},
    CLIENT_CHAIN_FLAGS,
    CLIENT_KEY_FLAG,
    {NULL, FLAG_BOOL, NULL, NULL, NULL},
};

static int read_options(struct cli *cli)
{
    if (!cli_parse(cli, 0, 0) || (options.config != NULL && !cli_config(cli, options.config))) {
        return 2;
    }
    return 0;
}

/* ---- run ---- */

struct role {
    struct store_options store_options;
    char host[URL_HOST_MAX];
    char metrics_host[URL_HOST_MAX];
    struct store *store;
};

static err start(void *ctx, struct loop *loop)
{
    struct role *role = ctx;
    TRY(store_start(loop, &role->store_options, &role->store));
    log_info("store", "data port %s:%u", role->host, store_port(role->store));
    return ok();
}

static void stop(void *ctx)
{
    struct role *role = ctx;
    store_stop(role->store);
}

static int read_fault(struct cli *cli, struct store_fault *ret)
{
    if (options.fault == NULL) {
        return 0;
    }
    const char *kind = json_read_str(options.fault, "kind");
    const json_t *percent = json_object_get(options.fault, "percent");
    if (kind == NULL || !store_fault_parse(&ret->kind, kind)) {
        return cli_usage(cli, "\"fault\" has no known \"kind\"");
    }
    ret->percent = (u32)json_integer_value(percent);
    return 0;
}

static int check_run(struct cli *cli, struct role *role)
{
    struct store_options *store = &role->store_options;
    if (options.paths.count == 0) {
        return cli_usage(cli, "--path DIR is needed");
    }
    if (options.capacity == 0) {
        return cli_usage(cli, "--capacity SIZE is needed");
    }
    if (client_options.rpc.count == 0 || client_options.genesis == NULL) {
        return cli_usage(cli, "--rpc URL and --genesis FILE are needed");
    }
    if (!cli_parse_endpoint(role->host, &store->port, options.listen)) {
        return cli_usage(cli, "--listen is HOST:PORT, not '%s'", options.listen);
    }
    if (options.metrics != NULL &&
        !cli_parse_endpoint(role->metrics_host, &store->metrics_port, options.metrics)) {
        return cli_usage(cli, "--metrics is HOST:PORT, not '%s'", options.metrics);
    }
    int status = read_fault(cli, &store->fault);
    if (status != 0) {
        return status;
    }
    err e = key_of_role(client_options.key, "store", &store->account);
    if (!is_ok(e)) {
        return cli_fail(cli, e, "see --key", "cannot read the node's key: %s", err_text(e));
    }
    key_derive_signer(&store->signer, &store->account);
    return 0;
}

static int run_run(struct cli *cli)
{
    int status = read_options(cli);
    if (status != 0) {
        return status;
    }
    process_harden();
    struct role *role = MEM_NEW(struct role);
    status = check_run(cli, role);
    if (status != 0) {
        mem_free(role);
        return status;
    }
    struct store_options *store = &role->store_options;
    store->paths = options.paths.items;
    store->path_count = options.paths.count;
    store->capacity_bytes = options.capacity;
    store->reserve_bytes = options.reserve;
    store->scrub_bytes_per_s = options.scrub_rate;
    store->host = role->host;
    store->metrics_host = options.metrics != NULL ? role->metrics_host : NULL;
    store->chain = (struct chain_options){client_options.rpc.items, client_options.rpc.count,
                                          client_options.genesis};
    const struct cli_service service = {
        .name = "store",
        .workers = STORE_WORKERS,
        .start = start,
        .stop = stop,
        .ctx = role,
    };
    err e = cli_serve(&service);
    secp_secret_wipe(&store->account);
    secp_secret_wipe(&store->signer);
    mem_free(role);
    return is_ok(e) ? 0
                    : cli_fail(cli, e, "the log says more", "the storage node did not start: %s",
                               err_text(e));
}

/* ---- init ---- */

static err consent_of(struct client *client, struct store_registration *registration,
                      const struct address *self)
{
    struct secp_secret operator_;
    registration->operator_ = *self;
    if (options.operator_key != NULL) {
        err e = key_load(options.operator_key, &operator_);
        if (!is_ok(e)) {
            return client_fail(client, e, NULL, "cannot read %s", options.operator_key);
        }
        secp_address_of_secret(&registration->operator_, &operator_);
        store_consent(&registration->consent, &operator_, chain_id(client->chain), self);
        secp_secret_wipe(&operator_);
        return ok();
    }
    if (options.operator_ == NULL) {
        return ok();
    }
    bool fine = hex_decode_0x(registration->operator_.b, 20, bytes_str(options.operator_)) &&
                options.consent != NULL &&
                hex_decode_0x(registration->consent.b, sizeof registration->consent.b,
                              bytes_str(options.consent));
    return fine ? ok()
                : client_fail(client, fail(ERR_USAGE), "see: cairn store consent --help",
                              "--operator and --consent do not fit");
}

static err init(struct client *client)
{
    struct store_registration registration = {
        .region = (u16)options.region,
        .capacity = options.capacity,
        .announced = options.announce != 0 ? options.announce : options.capacity,
        .endpoint = options.endpoint,
    };
    char url[URL_HOST_MAX + 16];
    struct secp_secret secret;
    struct secp_secret signer;
    u32 provider;
    if (registration.endpoint == NULL) {
        snprintf(url, sizeof url, "http://%s", options.listen);
        registration.endpoint = url;
    }
    err e = key_load(client_options.key, &secret);
    if (!is_ok(e)) {
        return client_fail(client, e, NULL, "cannot read the key %s", client_options.key);
    }
    key_derive_signer(&signer, &secret);
    secp_address_of_secret(&registration.signer, &signer);
    secp_secret_wipe(&signer);
    secp_secret_wipe(&secret);
    TRY(client_account(client));
    struct address self = chain_account_address(client->account);
    TRY(consent_of(client, &registration, &self));
    TRY(store_register(client->chain, client->account, &registration, client_deadline(client),
                       &provider));
    char address[43];
    key_address_text(address, &self);
    cli_print(client->cli, "provider %u: account %s at %s\n", provider, address,
              registration.endpoint);
    cli_print_json(client->cli, json_pack("{s:i, s:s, s:s}", "provider", (int)provider, "address",
                                          address, "endpoint", registration.endpoint));
    return ok();
}

static int run_init(struct cli *cli)
{
    int status = read_options(cli);
    if (status != 0) {
        return status;
    }
    if (client_options.key == NULL) {
        return cli_usage(cli, "--key FILE is needed: the node's own account");
    }
    if (options.capacity == 0) {
        return cli_usage(cli, "--capacity SIZE is needed");
    }
    return client_main(cli, init);
}

/* ---- consent ---- */

static err consent(struct client *client)
{
    struct secp_secret operator_;
    struct address provider;
    struct secp_signature signature;
    char digits[2 * sizeof signature.b + 1];
    if (!hex_decode_0x(provider.b, 20, bytes_str(client->cli->positionals[0]))) {
        return client_fail(client, fail(ERR_USAGE), NULL, "'%s' is no address",
                           client->cli->positionals[0]);
    }
    err e = key_load(client_options.key, &operator_);
    if (!is_ok(e)) {
        return client_fail(client, e, NULL, "cannot read the key %s", client_options.key);
    }
    store_consent(&signature, &operator_, chain_id(client->chain), &provider);
    secp_secret_wipe(&operator_);
    hex_encode(digits, sizeof digits, BYTES_OF(signature));
    cli_print(client->cli, "0x%s\n", digits);
    cli_print_json(client->cli, json_pack("{s:s+}", "consent", "0x", digits));
    return ok();
}

static int run_consent(struct cli *cli)
{
    if (!cli_parse(cli, 1, 1)) {
        return 2;
    }
    if (client_options.key == NULL) {
        return cli_usage(cli, "--key FILE is needed: the operator's");
    }
    return client_main(cli, consent);
}

/* ---- drain, exit, rejoin ---- */

static err (*state_call)(struct chain_account *account, u64 deadline_ms);

static err change_state(struct client *client)
{
    TRY(client_account(client));
    err e = state_call(client->account, client_deadline(client));
    if (!is_ok(e)) {
        return client_fail(client, e, NULL, "the ledger did not take it: %s", err_text(e));
    }
    cli_print(client->cli, "done\n");
    cli_print_json(client->cli, json_pack("{s:b}", "done", 1));
    return ok();
}

static int run_state(struct cli *cli, err (*call)(struct chain_account *account, u64 deadline_ms))
{
    int status = read_options(cli);
    if (status != 0) {
        return status;
    }
    if (client_options.key == NULL) {
        return cli_usage(cli, "--key FILE is needed: the node's own account");
    }
    state_call = call;
    return client_main(cli, change_state);
}

static int run_drain(struct cli *cli) { return run_state(cli, store_drain); }
static int run_exit(struct cli *cli) { return run_state(cli, store_exit); }
static int run_rejoin(struct cli *cli) { return run_state(cli, store_rejoin); }

/* ---- status ---- */

static void print_members(const struct cli *cli, const json_t *object)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        char before[64];
        snprintf(before, sizeof before, "%-16s ", key);
        cli_print_value(cli, before, value, false);
    }
}

static err fetch_status(void *ctx, struct loop *loop)
{
    struct cli *cli = ctx;
    char url[URL_HOST_MAX + 32];
    struct http_client *http;
    struct arena arena;
    bytes body;
    int code = 0;
    json_t *answer = NULL;
    snprintf(url, sizeof url, "http://%s/v1/status", options.listen);
    const struct http_call_options call = {
        .method = "GET", .url = url, .deadline_ms = loop_now_ms(loop) + STATUS_CALL_MS};
    TRY(http_client_new(loop, &(struct http_client_options){0}, &http));
    arena_init(&arena, STATUS_BYTES_MAX);
    err e = http_fetch(http, &call, bytes_str(""), &arena, &code, &body);
    if (is_ok(e)) {
        e = code == 200 ? json_parse(body, STATUS_BYTES_MAX, &answer) : fail(ERR_BUSY);
    }
    arena_free(&arena);
    loop_stop(loop);
    http_client_free(http);
    if (is_ok(e)) {
        print_members(cli, answer);
        cli_print_json(cli, answer);
    }
    return e;
}

static int run_status(struct cli *cli)
{
    int status = read_options(cli);
    if (status != 0) {
        return status;
    }
    err e = cli_run(fetch_status, cli);
    return is_ok(e)
               ? 0
               : cli_fail(cli, e, "is it running? see --listen and --config",
                          "no status from the storage node at %s: %s", options.listen, err_text(e));
}

/* ---- the verbs ---- */

static const struct flag consent_flags[] = {
    CLIENT_CHAIN_FLAGS,
    {"key", FLAG_TEXT, &client_options.key, "FILE", "the operator's key"},
    {NULL, FLAG_BOOL, NULL, NULL, NULL},
};

static const struct verb init_verb = {
    .name = "store init",
    .arguments = "--key FILE --capacity SIZE [FLAGS]",
    .summary = "registers a storage node on the ledger, or updates what changed",
    .examples =
        "  cairn store init --key store.key --capacity 4TiB --endpoint http://192.0.2.7:9030\n"
        "  cairn store init --config store.json --operator-key operator.key",
    .flags = flags,
    .run = run_init,
};
static const struct verb run_verb = {
    .name = "store run",
    .arguments = "--path DIR --capacity SIZE --key FILE [FLAGS]",
    .summary = "runs a storage node",
    .examples = "  cairn store run --config store.json\n"
                "  cairn store run --path /disk/a --path /disk/b --capacity 8TiB --key store.key "
                "--rpc http://127.0.0.1:9002 --genesis genesis.json",
    .flags = flags,
    .run = run_run,
};
static const struct verb status_verb = {
    .name = "store status",
    .arguments = "[FLAGS]",
    .summary = "what a running storage node says of itself",
    .examples = "  cairn store status --config store.json --json",
    .flags = flags,
    .run = run_status,
};
static const struct verb consent_verb = {
    .name = "store consent",
    .arguments = "PROVIDER-ADDRESS --key FILE",
    .summary = "an operator's consent that a node registers under it",
    .examples = "  cairn store consent 0x1234…abcd --key operator.key",
    .flags = consent_flags,
    .run = run_consent,
};
static const struct verb drain_verb = {
    .name = "store drain",
    .arguments = "--key FILE [FLAGS]",
    .summary = "takes nothing new; repair hands over what is there",
    .examples = "  cairn store drain --config store.json",
    .flags = flags,
    .run = run_drain,
};
static const struct verb exit_verb = {
    .name = "store exit",
    .arguments = "--key FILE [FLAGS]",
    .summary = "leaves the network, once drained",
    .examples = "  cairn store exit --config store.json",
    .flags = flags,
    .run = run_exit,
};
static const struct verb rejoin_verb = {
    .name = "store rejoin",
    .arguments = "--key FILE [FLAGS]",
    .summary = "active again after drain or exit",
    .examples = "  cairn store rejoin --config store.json",
    .flags = flags,
    .run = run_rejoin,
};

static const struct verb *const parts[] = {
    &init_verb, &run_verb, &status_verb, &consent_verb, &drain_verb, &exit_verb, &rejoin_verb, NULL,
};

const struct verb verb_store = {
    .name = "store",
    .arguments = "init|run|status|consent|drain|exit|rejoin …",
    .summary = "runs and manages a storage node",
    .text = "A storage node offers disk, one account each. `init` registers it, `run` serves. With "
            "its\n"
            "disk lost it may start empty under the same key: it declares the loss and is filled "
            "again.",
    .examples = "  cairn store init --config store.json\n  cairn store run --config store.json",
    .parts = parts,
};

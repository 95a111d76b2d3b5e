/* verb_watch.c: `cairn watch`: a watcher alone: repairs segments that lose holders. */
#include "cli/client.h"
#include "cli/keyfile.h"
#include "cli/verbs.h"

#include "base/log.h"
#include "base/mem.h"
#include "chain/module_call.h"
#include "ledger/modules/segment_layout.h"
#include "net/metrics_http.h"
#include "net/url.h"
#include "os/secret.h"
#include "watch/watch.h"

#define WATCH_WORKERS 2
#define OPEN_MS 60000
#define CALL_ARENA_BYTES MIB(1)
#define STATUS_EVERY_MS 2000

static struct {
    const char *config;
    const char *metrics;
    u64 jobs;
    bool no_register;
} options;

static const struct flag flags[] = {
    {"config", FLAG_TEXT, &options.config, "FILE", "JSON object of these flags"},
    {"metrics", FLAG_TEXT, &options.metrics, "HOST:PORT", "/metrics and /health"},
    {"jobs", FLAG_NUMBER, &options.jobs, "COUNT", "repairs at once (default 2)"},
    {"no-register", FLAG_BOOL, &options.no_register, NULL,
     "repair only what nobody else has in time"},
    CLIENT_CHAIN_FLAGS,
    CLIENT_KEY_FLAG,
    {NULL, FLAG_BOOL, NULL, NULL, NULL},
};

struct role {
    struct client client;
    struct store_identity who;
    struct metrics metrics;
    struct metrics_http *metrics_http;
    struct directory *directory;
    struct http_client *http;
    struct segment_source *source;
    struct watch *watch;
    struct group fibers;
};

static err read_secret(struct role *role)
{
    const char *path = client_options.key;
    if (path == NULL) {
        path = client_setting(&role->client, "owner", "key_file");
    }
    return key_of_role(path, "watch", &role->who.secret);
}

struct watcher_view {
    struct address account;
    bool found;
};

/* Registered watchers are few; gateways are watchers by themselves. */
static err read_watcher(void *ctx, const struct slot_source *slots)
{
    struct watcher_view *view = ctx;
    u32 count = 0;
    err result = ok();
    view->found = false;
    TRY(watcher_count(slots, &count));
    for (u32 i = 0; i < count; i++) {
        struct address account;
        err e = watcher_at(slots, i, &account);
        if (!is_ok(e)) {
            result = e;
        } else {
            view->found |= address_eq(&account, &view->account);
        }
    }
    return result;
}

static err register_watcher(struct client *client)
{
    struct watcher_view view = {.account = chain_account_address(client->account)};
    struct arena arena;
    struct chain_receipt receipt;
    TRY(chain_view(client->chain, read_watcher, &view, client_deadline(client)));
    if (view.found) {
        return ok();
    }
    arena_init(&arena, CALL_ARENA_BYTES);
    err e = module_send(client->account, MODULE_SEGMENT, SEGMENT_REGISTER_WATCHER, NULL,
                        u256_from_u64(0), &arena, client_deadline(client), &receipt);
    arena_free(&arena);
    return e;
}

static json_t *describe(const struct watch_status *status)
{
    return json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "scans", (json_int_t)status->scans,
        "segments", (json_int_t)status->segments, "incomplete", (json_int_t)status->incomplete,
        "urgent", (json_int_t)status->urgent, "unreadable", (json_int_t)status->unreadable,
        "repairs", (json_int_t)status->repairs, "restored", (json_int_t)status->restored,
        "bytes_read", (json_int_t)status->bytes_read, "bytes_written",
        (json_int_t)status->bytes_written, "bytes_restored", (json_int_t)status->bytes_restored);
}

/* A line whenever something has changed but the number of scans. */
static void report(void *arg)
{
    struct role *role = arg;
    struct loop *loop = role->client.loop;
    struct watch_status last = {.scans = 0};
    while (is_ok(fiber_sleep(loop, loop_now_ms(loop) + STATUS_EVERY_MS))) {
        struct watch_status now = watch_status(role->watch);
        bool first = last.scans == 0 && now.scans > 0;
        u64 scans = now.scans;
        now.scans = last.scans;
        if (first || memcmp(&now, &last, sizeof now) != 0) {
            now.scans = scans;
            cli_print(role->client.cli,
                      "%llu segments: %llu lack a holder, %llu urgent, %llu unreadable; "
                      "%llu fragments restored\n",
                      (unsigned long long)now.segments, (unsigned long long)now.incomplete,
                      (unsigned long long)now.urgent, (unsigned long long)now.unreadable,
                      (unsigned long long)now.restored);
            cli_print_json(role->client.cli, describe(&now));
        }
        now.scans = scans;
        last = now;
    }
}

static bool health(void *ctx, struct buf *out)
{
    const struct role *role = ctx;
    struct watch_status status = watch_status(role->watch);
    bool ready = chain_healthy(role->client.chain);
    json_t *object = describe(&status);
    json_object_set_new(object, "ready", json_boolean(ready));
    json_write(out, object);
    json_decref(object);
    return ready;
}

static err start_metrics(struct role *role)
{
    char host[URL_HOST_MAX];
    struct metrics_http_options http = {
        .host = host, .metrics = &role->metrics, .health = health, .ctx = role};
    if (options.metrics == NULL) {
        return ok();
    }
    if (!cli_parse_endpoint(host, &http.port, options.metrics)) {
        log_error("watch", "--metrics is HOST:PORT, not '%s'", options.metrics);
        return fail(ERR_USAGE);
    }
    return metrics_http_start(role->client.loop, &http, &role->metrics_http);
}

static void close_role(struct role *role)
{
    loop_stop(role->client.loop);
    metrics_http_close(role->metrics_http);
    if (role->watch != NULL) {
        watch_stop(role->watch);
    }
    group_wait(role->client.loop, &role->fibers);
    if (role->source != NULL) {
        segment_source_free(role->source);
    }
    if (role->directory != NULL) {
        directory_close(role->directory);
    }
    if (role->http != NULL) {
        http_client_free(role->http);
    }
    client_close(&role->client);
    secp_secret_wipe(&role->who.secret);
}

static err start_parts(struct role *role)
{
    struct client *client = &role->client;
    TRY(client_open(client, client->loop));
    TRY(client_account(client));
    TRY(read_secret(role));
    if (!options.no_register) {
        TRY(register_watcher(client));
    }
    role->who.chain_id = chain_id(client->chain);
    TRY(http_client_new(client->loop, &(struct http_client_options){0}, &role->http));
    TRY(directory_open(client->loop, client->chain, client_deadline(client), &role->directory));
    const struct segment_source_options source = {
        .loop = client->loop,
        .chain = client->chain,
        .directory = role->directory,
        .http = role->http,
        .who = &role->who,
    };
    TRY(segment_source_new(&source, &role->source));
    const struct watch_options watch = {
        .loop = client->loop,
        .chain = client->chain,
        .directory = role->directory,
        .source = role->source,
        .account = client->account,
        .metrics = &role->metrics,
        .jobs_max = (u32)options.jobs,
    };
    TRY(watch_start(&watch, &role->watch));
    TRY(start_metrics(role));
    return group_start(client->loop, &role->fibers, "report", report, role);
}

static err start(void *ctx, struct loop *loop)
{
    struct role *role = ctx;
    role->client.loop = loop;
    group_init(&role->fibers);
    err e = start_parts(role);
    if (!is_ok(e)) {
        close_role(role);
    }
    return e;
}

static void stop(void *ctx) { close_role(ctx); }

static int run(struct cli *cli)
{
    if (!cli_parse(cli, 0, 0) || (options.config != NULL && !cli_config(cli, options.config))) {
        return 2;
    }
    process_harden();
    struct role *role = MEM_NEW(struct role);
    err e = client_init(&role->client, cli);
    const struct cli_service service = {
        .name = "watch",
        .workers = WATCH_WORKERS,
        .start = start,
        .stop = stop,
        .ctx = role,
    };
    if (is_ok(e)) {
        e = cli_serve(&service);
    }
    json_decref(role->client.devnet);
    mem_free(role);
    return is_ok(e) ? 0 : client_report(cli, e);
}

const struct verb verb_watch = {
    .name = "watch",
    .arguments = "[FLAGS]",
    .summary = "watches over segments and repairs those that lose holders",
    .text = "Every gateway does the same. Registers the account as a watcher, so that repairs are "
            "assigned\n"
            "to it; the account pays the gas.",
    .examples =
        "  cairn watch --key watcher.key --rpc http://127.0.0.1:9002 --genesis genesis.json\n"
        "  cairn watch --json",
    .flags = flags,
    .run = run,
};

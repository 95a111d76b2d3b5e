/* verb_gateway_run.c: `cairn gateway run`: the gateway as a role. */
#include "cli/client.h"
#include "cli/gateway_flags.h"
#include "cli/keyfile.h"
#include "cli/user_drop.h"

#include "base/log.h"
#include "base/mem.h"
#include "gateway/front/s3_server.h"
#include "net/metrics_http.h"
#include "net/url.h"
#include "os/secret.h"

#define GATEWAY_WORKERS 3
#define OPEN_MS 30000
#define OPEN_RETRY_MS 1000
#define FRONT_DRAIN_MS 8000
#define FINAL_DRAIN_MS 10000
#define HEALTH_OWNERS_MAX 256

struct gateway_flags gateway_flags = {.data = "gateway", .http = "127.0.0.1:9000"};

struct role {
    struct loop *loop;
    struct cli *cli;
    struct gateway_options gateway_options;
    struct chain_options chain;
    struct front_options front_options;
    struct secp_secret account;
    struct x_secret box;
    char http_host[URL_HOST_MAX];
    char https_host[URL_HOST_MAX];
    char metrics_host[URL_HOST_MAX];
    u16 metrics_port;
    struct metrics metrics;
    struct metrics_http *metrics_http;
    struct gateway *gateway;
    struct front_service service;
    struct front *front;
    struct group fibers;
};

/* ---- health: {"ready","chain","owners":[{"owner","buckets","objects","heads"}]} ---- */

/* heads: the exclusive or of SHA-256(bucket ‖ head) of an owner's buckets: whoever reads the
 * ledger can tell whether this gateway has every bucket as it is there. */
struct owner_state {
    struct address owner;
    u64 buckets;
    u64 objects;
    struct hash heads;
};

struct owner_states {
    struct owner_state items[HEALTH_OWNERS_MAX];
    size_t count;
};

static err count_bucket(void *ctx, const struct index_bucket *bucket)
{
    struct owner_states *states = ctx;
    size_t i = 0;
    while (i < states->count && !address_eq(&states->items[i].owner, &bucket->owner)) {
        i++;
    }
    if (i == HEALTH_OWNERS_MAX) {
        return ok();
    }
    if (i == states->count) {
        states->items[states->count++] = (struct owner_state){.owner = bucket->owner};
    }
    states->items[i].buckets++;
    states->items[i].objects += bucket->object_count;
    gateway_heads_add(&states->items[i].heads, &bucket->id, &bucket->head.hash);
    return ok();
}

static err read_states(struct gateway *gateway, struct owner_states *states)
{
    struct index_view *view;
    TRY(index_view_open(gateway_index(gateway), &view));
    err e = index_bucket_each(view, count_bucket, states);
    if (is_ok(e)) {
        e = index_system_each(view, count_bucket, states);
    }
    index_view_close(view);
    return e;
}

static json_t *describe_owners(const struct owner_states *states)
{
    json_t *list = json_array();
    for (size_t i = 0; i < states->count; i++) {
        const struct owner_state *state = &states->items[i];
        json_array_append_new(list, json_pack("{s:o, s:I, s:I, s:o}", "owner",
                                              json_data(BYTES_OF(state->owner)), "buckets",
                                              (json_int_t)state->buckets, "objects",
                                              (json_int_t)state->objects, "heads",
                                              json_data(BYTES_OF(state->heads))));
    }
    return list;
}

static bool health(void *ctx, struct buf *out)
{
    struct role *role = ctx;
    bool ready = role->front != NULL && chain_healthy(gateway_chain(role->gateway));
    json_t *object = json_pack("{s:b, s:s}", "ready", ready, "phase",
                               role->front != NULL ? "serving" : "opening");
    if (role->front != NULL) {
        struct owner_states *states = MEM_NEW(struct owner_states);
        if (is_ok(read_states(role->gateway, states))) {
            json_object_set_new(object, "owners", describe_owners(states));
        }
        mem_free(states);
    }
    json_write(out, object);
    json_decref(object);
    return ready;
}

/* ---- start and stop ---- */

/* A ledger that is still starting is waited for. */
static err open_gateway(struct role *role)
{
    for (;;) {
        err e = gateway_open(role->loop, &role->gateway_options, &role->metrics, &role->gateway);
        if (!is_err(e, ERR_NETWORK) && !is_err(e, ERR_TIMEOUT) && !is_err(e, ERR_CLOSED)) {
            return e;
        }
        log_warn("gateway", "cannot open yet: %s", err_text(e));
        TRY(fiber_sleep(role->loop, loop_now_ms(role->loop) + OPEN_RETRY_MS));
    }
}

static err start_metrics(struct role *role)
{
    const struct metrics_http_options options = {
        .host = role->metrics_host,
        .port = role->metrics_port,
        .metrics = &role->metrics,
        .health = health,
        .ctx = role,
    };
    return gateway_flags.metrics == NULL
               ? ok()
               : metrics_http_start(role->loop, &options, &role->metrics_http);
}

static void close_role(struct role *role)
{
    loop_stop(role->loop);
    metrics_http_close(role->metrics_http);
    struct front *front = role->front;
    role->front = NULL;
    front_stop(front);
    group_wait(role->loop, &role->fibers);
    if (role->gateway != NULL) {
        gateway_close(role->gateway);
    }
}

static err start_parts(struct role *role)
{
    TRY(start_metrics(role));
    TRY(open_gateway(role));
    TRY(user_drop_start(role->loop, role->gateway, gateway_flags.data, &role->fibers));
    front_service_of_gateway(&role->service, role->gateway);
    role->front_options.service = &role->service;
    role->front_options.metrics = &role->metrics;
    return front_start(role->loop, &role->front_options, &role->front);
}

static err start(void *ctx, struct loop *loop)
{
    struct role *role = ctx;
    role->loop = loop;
    group_init(&role->fibers);
    err e = start_parts(role);
    if (!is_ok(e)) {
        close_role(role);
    }
    return e;
}

static void drain(void *ctx)
{
    struct role *role = ctx;
    front_drain(role->front, loop_now_ms(role->loop) + FRONT_DRAIN_MS);
    gateway_drain(role->gateway, loop_now_ms(role->loop) + FINAL_DRAIN_MS);
}

static void stop(void *ctx) { close_role(ctx); }

/* ---- the verb ---- */

static int check_endpoints(struct cli *cli, struct role *role)
{
    if (!cli_parse_endpoint(role->http_host, &role->front_options.http_port, gateway_flags.http)) {
        return cli_usage(cli, "--http is HOST:PORT, not '%s'", gateway_flags.http);
    }
    if (gateway_flags.https != NULL) {
        if (!cli_parse_endpoint(role->https_host, &role->front_options.https_port,
                                gateway_flags.https)) {
            return cli_usage(cli, "--https is HOST:PORT, not '%s'", gateway_flags.https);
        }
        if (gateway_flags.cert == NULL || gateway_flags.cert_key == NULL) {
            return cli_usage(cli, "--https needs --cert and --cert-key");
        }
        role->front_options.https_host = role->https_host;
    }
    if (gateway_flags.metrics != NULL &&
        !cli_parse_endpoint(role->metrics_host, &role->metrics_port, gateway_flags.metrics)) {
        return cli_usage(cli, "--metrics is HOST:PORT, not '%s'", gateway_flags.metrics);
    }
    if (client_options.rpc.count == 0 || client_options.genesis == NULL) {
        return cli_usage(cli, "--rpc URL and --genesis FILE are needed");
    }
    return 0;
}

static void fill_options(struct role *role)
{
    role->chain = (struct chain_options){client_options.rpc.items, client_options.rpc.count,
                                         client_options.genesis};
    role->gateway_options = (struct gateway_options){
        .data_dir = gateway_flags.data,
        .chain = &role->chain,
        .account = &role->account,
        .box = &role->box,
        .spool_bytes_max = gateway_flags.spool_max,
        .memory_bytes_max = gateway_flags.memory_max,
    };
    role->front_options.http_host = role->http_host;
    role->front_options.cert_path = gateway_flags.cert;
    role->front_options.key_path = gateway_flags.cert_key;
    role->front_options.domains = gateway_flags.domains.items;
    role->front_options.domain_count = gateway_flags.domains.count;
    role->front_options.region = gateway_flags.region;
}

static int serve(struct cli *cli, struct role *role)
{
    int status = check_endpoints(cli, role);
    if (status != 0) {
        return status;
    }
    err e = key_of_role(client_options.key, "gateway", &role->account);
    if (!is_ok(e)) {
        return cli_fail(cli, e, "see --key", "cannot read the gateway's key: %s", err_text(e));
    }
    key_derive_box(&role->box, &role->account);
    fill_options(role);
    const struct cli_service service = {
        .name = "gateway",
        .workers = GATEWAY_WORKERS,
        .start = start,
        .drain = drain,
        .stop = stop,
        .ctx = role,
    };
    e = cli_serve(&service);
    return is_ok(e) ? 0
                    : cli_fail(cli, e, "the log says more", "the gateway did not start: %s",
                               err_text(e));
}

int gateway_run(struct cli *cli)
{
    if (!cli_parse(cli, 0, 0) ||
        (gateway_flags.config != NULL && !cli_config(cli, gateway_flags.config))) {
        return 2;
    }
    process_harden();
    struct role *role = MEM_NEW(struct role);
    role->cli = cli;
    int status = serve(cli, role);
    mem_wipe(role, sizeof *role);
    mem_free(role);
    return status;
}

#include "storage/store.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "storage/store_internal.h"

#include <stdarg.h>
#include <stdio.h>

#define CONNECTIONS_MAX 1024
#define BODY_TIMEOUT_MS 120000
#define REQUEST_ARENA_BYTES MIB(2)
#define STATUS_BYTES_MAX KIB(64)
#define SCRUB_BYTES_PER_S MIB(8)
#define SCRUB_PAUSE_MS 60000
#define COPY_DELAY_MS 5000
#define DISK_ABSENT_MS 3600000

/* ---- alarms ---- */

const char *alarm_name(enum alarm_kind kind)
{
    switch (kind) {
    case ALARM_START:
        return "start";
    case ALARM_CHAIN:
        return "chain";
    case ALARM_HEARTBEAT:
        return "heartbeat";
    case ALARM_ROT:
        return "rot";
    case ALARM_LOST:
        return "lost";
    case ALARM_STATE:
        return "state";
    case ALARM_KINDS:
        break;
    }
    unreachable_case();
}

void alarm_raise(struct store *store, enum alarm_kind kind, const char *format, ...)
{
    struct alarm *alarm = &store->alarm[kind];
    char message[ALARM_MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    alarm->count++;
    if (alarm->active && strcmp(alarm->message, message) == 0) {
        return;
    }
    if (!alarm->active) {
        alarm->since_ms = loop_wall_ms(store->loop);
    }
    alarm->active = true;
    memcpy(alarm->message, message, sizeof message);
    log_error("storage", "alarm %s: %s", alarm_name(kind), message);
}

void alarm_clear(struct store *store, enum alarm_kind kind)
{
    if (store->alarm[kind].active) {
        store->alarm[kind].active = false;
        log_info("storage", "alarm %s is over", alarm_name(kind));
    }
}

const char *store_phase_name(enum store_phase phase)
{
    switch (phase) {
    case PHASE_DISKS:
        return "opening the disks";
    case PHASE_CHAIN:
        return "waiting for the ledger";
    case PHASE_REGISTERED:
        return "waiting to be registered";
    case PHASE_LOSS:
        return "declaring the loss of all fragments";
    case PHASE_READY:
        return "ready";
    case PHASE_REFUSED:
        return "refused: this folder belongs to another provider";
    }
    unreachable_case();
}

bool store_sleep(struct store *store, u64 ms)
{
    u64 deadline = store_deadline(store, ms);
    while (!store->stopping) {
        err e = event_wait(store->loop, &store->woken, deadline);
        if (is_err(e, ERR_TIMEOUT)) {
            return true;
        }
        if (!is_ok(e)) {
            return false;
        }
    }
    return false;
}

/* ---- HTTP ---- */

static void respond_json(struct http_exchange *exchange, int status, json_t *value)
{
    struct buf body;
    buf_init(&body, STATUS_BYTES_MAX);
    json_write(&body, value);
    json_decref(value);
    buf_put_str(&body, "\n");
    http_set_header_str(exchange, "Content-Type", "application/json");
    http_set_header_str(exchange, "Cache-Control", "no-store");
    bool fits = is_ok(buf_done(&body));
    IGNORE(http_respond(exchange, fits ? status : 500, fits ? buf_bytes(&body) : (bytes){0}));
    buf_free(&body);
}

static json_t *health_json(const struct store *store)
{
    return json_pack("{s:b, s:s, s:I}", "ready", store->phase == PHASE_READY, "phase",
                     store_phase_name(store->phase), "provider", (json_int_t)store->provider);
}

static bool is_get(const struct http_request *request, const char *target)
{
    return bytes_eq_str(request->target, target) &&
           (bytes_eq_str(request->method, "GET") || bytes_eq_str(request->method, "HEAD"));
}

static void handle(void *ctx, struct http_exchange *exchange)
{
    struct store *store = ctx;
    const struct http_request *request = http_request_of(exchange);
    if (is_get(request, "/health")) {
        respond_json(exchange, store->phase == PHASE_READY ? 200 : 503, health_json(store));
    } else if (is_get(request, "/v1/status")) {
        respond_json(exchange, 200, store_status(store));
    } else if (store->phase != PHASE_READY) {
        api_error(exchange, 503, "NotReady", store_phase_name(store->phase), "try again");
    } else {
        api_handle(store->api, exchange);
    }
}

static void refuse(void *ctx, struct http_exchange *exchange, int status, const char *reason)
{
    (void)ctx;
    api_error(exchange, status, "BadRequest", reason, NULL);
}

static bool health(void *ctx, struct buf *out)
{
    struct store *store = ctx;
    json_t *value = health_json(store);
    json_write(out, value);
    json_decref(value);
    return store->phase == PHASE_READY;
}

static err start_servers(struct store *store)
{
    const struct store_options *options = &store->options;
    const struct http_server_options data = {
        .host = options->host,
        .port = options->port,
        .handler = handle,
        .refuse = refuse,
        .ctx = store,
        .server_name = "cairn-store",
        .connections_max = CONNECTIONS_MAX,
        .body_timeout_ms = BODY_TIMEOUT_MS,
        .body_rate_min = 1, /* a fragment comes as slowly as its object's writer */
        .request_arena_bytes = REQUEST_ARENA_BYTES,
    };
    const struct metrics_http_options metrics = {
        .host = options->metrics_host,
        .port = options->metrics_port,
        .metrics = &store->metrics,
        .health = health,
        .refresh = store_refresh_gauges,
        .ctx = store,
    };
    TRY(http_server_start(store->loop, &data, &store->server));
    return metrics_http_start(store->loop, &metrics, &store->metrics_http);
}

/* ---- start and stop ---- */

static char **copy_strings(const char *const *strings, size_t count)
{
    char **copies = mem_alloc_array(count, sizeof *copies);
    for (size_t i = 0; i < count; i++) {
        copies[i] = mem_strdup(strings[i]);
    }
    return copies;
}

static void free_strings(const char *const *strings, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        mem_free((char *)(uintptr_t)strings[i]);
    }
    mem_free((void *)(uintptr_t)strings);
}

static void copy_options(struct store *store, const struct store_options *options)
{
    struct store_options *own = &store->options;
    *own = *options;
    own->paths = (const char *const *)copy_strings(options->paths, options->path_count);
    own->host = mem_strdup(options->host);
    own->metrics_host =
        mem_strdup(options->metrics_host != NULL ? options->metrics_host : options->host);
    own->chain.rpc_urls =
        (const char *const *)copy_strings(options->chain.rpc_urls, options->chain.rpc_url_count);
    own->chain.genesis_path = mem_strdup(options->chain.genesis_path);
    own->open_bytes_max = own->open_bytes_max != 0 ? own->open_bytes_max : own->capacity_bytes / 4;
    own->scrub_bytes_per_s =
        own->scrub_bytes_per_s != 0 ? own->scrub_bytes_per_s : SCRUB_BYTES_PER_S;
    own->scrub_pause_ms = own->scrub_pause_ms != 0 ? own->scrub_pause_ms : SCRUB_PAUSE_MS;
    own->copy_delay_ms = own->copy_delay_ms != 0 ? own->copy_delay_ms : COPY_DELAY_MS;
    own->disk_absent_ms = own->disk_absent_ms != 0 ? own->disk_absent_ms : DISK_ABSENT_MS;
}

static void free_store(struct store *store)
{
    struct store_options *own = &store->options;
    api_free(store->api);
    chain_rights_free(store->rights);
    chain_account_close(store->account);
    if (store->chain != NULL) {
        chain_close(store->chain);
    }
    shelf_close(store->shelf);
    free_strings(own->paths, own->path_count);
    free_strings(own->chain.rpc_urls, own->chain.rpc_url_count);
    mem_free((char *)(uintptr_t)own->host);
    mem_free((char *)(uintptr_t)own->metrics_host);
    mem_free((char *)(uintptr_t)own->chain.genesis_path);
    secp_secret_wipe(&own->account);
    secp_secret_wipe(&own->signer);
    mem_free(store);
}

static void make_metrics(struct store *store)
{
#define STORE_COUNTER_MAKE(field, name, help)                                                      \
    store->field = metrics_counter(&store->metrics, name, help);
#define STORE_GAUGE_MAKE(field, name, help)                                                        \
    store->field = metrics_gauge(&store->metrics, name, help);
    STORE_COUNTERS(STORE_COUNTER_MAKE)
    STORE_GAUGES(STORE_GAUGE_MAKE)
#undef STORE_COUNTER_MAKE
#undef STORE_GAUGE_MAKE
}

static bool options_sound(const struct store_options *options)
{
    bool paths = options->path_count >= 1 && options->path_count <= DISKS_MAX;
    bool capacity = options->capacity_bytes > 0 && options->capacity_bytes <= PROVIDER_CAPACITY_MAX;
    return paths && capacity && options->host != NULL && options->chain.rpc_url_count > 0 &&
           options->chain.genesis_path != NULL && options->fault.percent <= 100;
}

static void warn_of_fault(const struct store_fault *fault)
{
    if (fault->kind != FAULT_NONE) {
        log_warn("storage", "THIS NODE MISBEHAVES ON PURPOSE (a [fault] section is configured): "
                            "never run it with anybody's data");
    }
}

err store_start(struct loop *loop, const struct store_options *options, struct store **ret_store)
{
    if (!options_sound(options)) {
        log_error("storage", "paths, capacity, host, ledger urls or genesis are missing or wrong");
        return fail(ERR_USAGE);
    }
    struct store *store = MEM_NEW(struct store);
    store->loop = loop;
    copy_options(store, options);
    make_metrics(store);
    group_init(&store->fibers);
    event_init(&store->woken);
    warn_of_fault(&options->fault);
    err e = start_servers(store);
    if (is_ok(e)) {
        e = group_start(loop, &store->fibers, "store-start", store_start_fiber, store);
    }
    if (!is_ok(e)) {
        if (store->server != NULL) {
            IGNORE(http_server_drain(store->server, 0)); /* nothing was served yet */
            http_server_close(store->server);
        }
        metrics_http_close(store->metrics_http);
        free_store(store);
        return e;
    }
    *ret_store = store;
    return ok();
}

bool store_ready(const struct store *store) { return store->phase == PHASE_READY; }
u32 store_provider(const struct store *store) { return store->provider; }
u16 store_port(const struct store *store) { return http_server_port(store->server); }

u16 store_metrics_port(const struct store *store) { return metrics_http_port(store->metrics_http); }

void store_quiesce(struct store *store, u64 deadline_ms)
{
    IGNORE(http_server_drain(store->server, deadline_ms)); /* what is left is cut */
}

void store_stop(struct store *store)
{
    if (store == NULL) {
        return;
    }
    store->stopping = true;
    event_wake_all(&store->woken);
    http_server_close(store->server);
    group_wait(store->loop, &store->fibers);
    metrics_http_close(store->metrics_http);
    free_store(store);
}

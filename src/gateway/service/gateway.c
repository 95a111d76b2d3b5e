#include "gateway/service/gateway.h"

#include "base/log.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "gateway/service/internal.h"
#include "os/file.h"

#define SPOOL_BYTES_MAX GIB(4)
#define MEMORY_BYTES_MAX MIB(148) /* 64 open segments of rs-4-8 at once, and some */
#define WINDOW_MIN_MS 50
#define SNAPSHOT_COST_MIN MIB(8)
#define WINDOW_MAX_MS 1000
#define INDEX_BYTES_MAX GIB(64) /* address space, not disk */
#define OPEN_TIMEOUT_MS 60000
#define REFRESH_MS 5000
#define FOLLOW_MS 10000
#define CATCHUP_TRIES 5
#define CATCHUP_PAUSE_MS 3000
#define DRAIN_LOOK_MS 100

void gateway_init(struct gateway *gateway, struct loop *loop)
{
    gateway->loop = loop;
    gate_init(&gateway->signing, 1);
    map_init(&gateway->territories);
    map_init(&gateway->creating);
    map_init(&gateway->snapshotting);
    map_init(&gateway->gone);
    group_init(&gateway->fibers);
    group_init(&gateway->holders);
    event_init(&gateway->stop);
    settle_init(&gateway->settle);
}

bool gateway_pause(struct gateway *gateway, u64 ms)
{
    u64 until = gateway_in(gateway, ms);
    while (!gateway->closing && loop_now_ms(gateway->loop) < until) {
        if (is_err(event_wait(gateway->loop, &gateway->stop, until), ERR_CANCELLED)) {
            return false;
        }
    }
    return !gateway->closing;
}

struct chain *gateway_chain(struct gateway *gateway) { return gateway->chain; }

struct directory *gateway_directory(struct gateway *gateway) { return gateway->directory; }

struct segment_source *gateway_source(struct gateway *gateway) { return gateway->source; }

struct index *gateway_index(struct gateway *gateway) { return gateway->index; }

/* ---- following ---- */

/* The head moved: receipts may be there. */
static void heads_run(void *arg)
{
    struct gateway *gateway = arg;
    u64 height = chain_head(gateway->chain).height;
    while (!gateway->closing && !loop_stopping(gateway->loop)) {
        err e = chain_wait(gateway->chain, height, gateway_in(gateway, 1000));
        if (is_err(e, ERR_CANCELLED)) {
            return;
        }
        height = chain_head(gateway->chain).height;
        event_wake_all(&gateway->settle.wake);
    }
}

static void refresh_run(void *arg)
{
    struct gateway *gateway = arg;
    while (gateway_pause(gateway, REFRESH_MS)) {
        err e = directory_refresh(gateway->directory, gateway_in(gateway, LEDGER_TIMEOUT_MS));
        if (is_ok(e)) {
            e = territories_refresh(gateway, gateway_in(gateway, LEDGER_TIMEOUT_MS));
        }
        if (!is_ok(e) && !is_err(e, ERR_CANCELLED)) {
            log_debug("gateway", "the ledger cannot be read now: %s", err_text(e));
        }
    }
}

static void follow_run(void *arg)
{
    struct gateway *gateway = arg;
    while (gateway_pause(gateway, FOLLOW_MS)) {
        err e = catchup_new(gateway);
        if (!is_ok(e) && !is_err(e, ERR_CANCELLED)) {
            log_debug("gateway", "looking for new buckets: %s", err_text(e));
        }
    }
}

/* ---- opening ---- */

static void take_options(struct gateway *gateway, const struct gateway_options *options)
{
    u64 memory = options->memory_bytes_max ? options->memory_bytes_max : MEMORY_BYTES_MAX;
    gateway->spool_bytes_max =
        options->spool_bytes_max ? options->spool_bytes_max : SPOOL_BYTES_MAX;
    gateway->window_min_ms = options->window_min_ms ? options->window_min_ms : WINDOW_MIN_MS;
    gateway->window_max_ms = options->window_max_ms ? options->window_max_ms : WINDOW_MAX_MS;
    gateway->snapshot_cost_min =
        options->snapshot_cost_min ? options->snapshot_cost_min : SNAPSHOT_COST_MIN;
    gate_init(&gateway->buffers, memory / 4);
    gate_init(&gateway->lane_memory, memory - memory / 4);
    gateway->box = *options->box;
    gateway->who.secret = *options->account;
    gateway->ports = ledger_ports(gateway);
}

void gateway_count_journal(struct gateway *gateway, u64 bytes_stored, u64 inline_bytes)
{
    if (gateway->metric_journal != NULL) {
        *gateway->metric_journal += bytes_stored;
        *gateway->metric_inline += inline_bytes;
    }
}

static void take_metrics(struct gateway *gateway, struct metrics *metrics)
{
    if (metrics == NULL) {
        return;
    }
    gateway->metric_commits =
        metrics_counter(metrics, "cairn_gateway_commits", "Commits in the write-ahead log.");
    gateway->metric_journal =
        metrics_counter(metrics, "cairn_gateway_journal_bytes",
                        "Bytes of journal records and snapshots, before coding.");
    gateway->metric_inline =
        metrics_counter(metrics, "cairn_gateway_journal_content_bytes",
                        "Content of small objects in journal records and snapshots.");
    gateway->metric_unfinal = metrics_gauge(metrics, "cairn_gateway_unfinal_commits",
                                            "Answered commits that are not final on chain.");
    gateway->metric_unfinal_bytes = metrics_gauge(metrics, "cairn_gateway_unfinal_bytes",
                                                  "Bytes of segments in commits not final.");
}

/* The index opens with a key of this gateway's own: a disk alone tells file keys to nobody. */
static err open_files(struct gateway *gateway, const char *data_dir)
{
    char path[PATH_BYTES_MAX];
    struct aead_key key;
    TRY(dir_make(data_dir));
    path_join(gateway->spool_dir, data_dir, "spool");
    TRY(dir_make(gateway->spool_dir));
    path_join(path, data_dir, "index");
    hkdf_sha256(key.b, sizeof key.b, BYTES_OF(gateway->box), bytes_make(NULL, 0),
                bytes_str("cairn gateway index v1"));
    err e = index_store_open(path, INDEX_BYTES_MAX, &key, &gateway->index);
    mem_wipe(&key, sizeof key);
    return e;
}

struct self_view {
    struct address account;
    u32 gateway;
};

static err read_self(void *ctx, const struct slot_source *slots)
{
    struct self_view *view = ctx;
    return gateway_of(slots, &view->account, &view->gateway);
}

static err find_self(struct gateway *gateway, u64 deadline_ms)
{
    struct self_view view = {.account = chain_account_address(gateway->account)};
    TRY(chain_view(gateway->chain, read_self, &view, deadline_ms));
    if (view.gateway == 0) {
        log_error("gateway", "this account is not registered as a gateway");
        return fail(ERR_REFUSED);
    }
    gateway->number = view.gateway;
    return ok();
}

static err open_network(struct gateway *gateway, const struct gateway_options *options)
{
    u64 deadline_ms = gateway_in(gateway, OPEN_TIMEOUT_MS);
    struct http_client_options http = {0};
    TRY(chain_open(gateway->loop, options->chain, deadline_ms, &gateway->chain));
    gateway->who.chain_id = chain_id(gateway->chain);
    TRY(chain_account_open(gateway->chain, options->account, &gateway->account));
    TRY(http_client_new(gateway->loop, &http, &gateway->http));
    TRY(directory_open(gateway->loop, gateway->chain, deadline_ms, &gateway->directory));
    struct segment_source_options source = {.loop = gateway->loop,
                                            .chain = gateway->chain,
                                            .directory = gateway->directory,
                                            .http = gateway->http,
                                            .who = &gateway->who};
    TRY(segment_source_new(&source, &gateway->source));
    return find_self(gateway, deadline_ms);
}

static err start_fibers(struct gateway *gateway)
{
    TRY(group_start(gateway->loop, &gateway->fibers, "heads", heads_run, gateway));
    TRY(group_start(gateway->loop, &gateway->fibers, "refresh", refresh_run, gateway));
    return group_start(gateway->loop, &gateway->fibers, "follow", follow_run, gateway);
}

/* Holders may be starting together with this gateway, so a journal that cannot be read is tried
 * again for a while; a bucket that stays unreadable must not keep the others from service. */
static err catch_up(struct gateway *gateway)
{
    err e = catchup_all(gateway);
    for (int i = 0; i < CATCHUP_TRIES && !is_ok(e) && !is_err(e, ERR_CANCELLED); i++) {
        log_info("gateway", "not all journals can be read yet: %s", err_text(e));
        if (!gateway_pause(gateway, CATCHUP_PAUSE_MS)) {
            return fail(ERR_CANCELLED);
        }
        IGNORE(directory_refresh(gateway->directory, gateway_in(gateway, LEDGER_TIMEOUT_MS)));
        e = catchup_all(gateway);
    }
    return is_err(e, ERR_CANCELLED) ? e : ok();
}

static err open_service(struct gateway *gateway, struct metrics *metrics)
{
    struct watch_options watch = {.loop = gateway->loop,
                                  .chain = gateway->chain,
                                  .directory = gateway->directory,
                                  .source = gateway->source,
                                  .account = gateway->account,
                                  .metrics = metrics};
    TRY(territories_refresh(gateway, gateway_in(gateway, OPEN_TIMEOUT_MS)));
    TRY(settle_replay(gateway));
    TRY(start_fibers(gateway));
    TRY(catch_up(gateway));
    gateway->ready = true;
    /* Not before: catching up tells by the entries of the log whether a bucket is ahead of the
     * ledger, and settling takes entries out. */
    TRY(group_start(gateway->loop, &gateway->fibers, "settle", settle_run, gateway));
    return watch_start(&watch, &gateway->watch);
}

err gateway_open(struct loop *loop, const struct gateway_options *options, struct metrics *metrics,
                 struct gateway **ret_gateway)
{
    struct gateway *gateway = MEM_NEW(struct gateway);
    gateway_init(gateway, loop);
    take_options(gateway, options);
    take_metrics(gateway, metrics);
    err e = open_files(gateway, options->data_dir);
    if (is_ok(e)) {
        e = open_network(gateway, options);
    }
    if (is_ok(e)) {
        e = open_service(gateway, metrics);
    }
    if (!is_ok(e)) {
        gateway_close(gateway);
        return e;
    }
    log_info("gateway", "gateway %u serves %zu territories", gateway->number,
             gateway->territories.count);
    *ret_gateway = gateway;
    return ok();
}

/* ---- closing ---- */

static bool is_settled(const struct gateway *gateway)
{
    bool settled = gateway->settle.unfinal == 0;
    map_each (it, &gateway->territories) {
        const struct territory *territory = it->value;
        settled = settled && list_empty(&territory->requests) && territory->sealed_count == 0;
    }
    return settled;
}

void gateway_drain(struct gateway *gateway, u64 deadline_ms)
{
    gateway->draining = true;
    while (!is_settled(gateway) && loop_now_ms(gateway->loop) < deadline_ms) {
        u64 left = deadline_ms - loop_now_ms(gateway->loop);
        if (!gateway_pause(gateway, min_u64(left, DRAIN_LOOK_MS))) {
            return;
        }
    }
}

static void wake_all(struct gateway *gateway)
{
    event_wake_all(&gateway->stop);
    event_wake_all(&gateway->settle.wake);
    map_each (it, &gateway->territories) {
        struct territory *territory = it->value;
        event_wake_all(&territory->work);
    }
    list_for (it, &gateway->settle.entries) {
        event_wake_all(&list_entry(it, struct unsettled, node)->changed);
    }
}

static void free_maps(struct gateway *gateway)
{
    map_each (it, &gateway->gone) {
        mem_free(it->value);
    }
    map_free(&gateway->gone);
    map_free(&gateway->creating);
    map_free(&gateway->snapshotting);
}

void gateway_close(struct gateway *gateway)
{
    if (gateway == NULL) {
        return;
    }
    gateway->closing = true;
    wake_all(gateway);
    watch_stop(gateway->watch);
    group_wait(gateway->loop, &gateway->fibers);
    settle_free(gateway);
    territories_free(gateway);
    group_wait(gateway->loop, &gateway->holders);
    segment_source_free(gateway->source);
    directory_close(gateway->directory);
    if (gateway->http != NULL) {
        http_client_free(gateway->http);
    }
    chain_account_close(gateway->account);
    chain_close(gateway->chain);
    index_store_close(gateway->index);
    free_maps(gateway);
    mem_wipe(gateway, sizeof *gateway);
    mem_free(gateway);
}

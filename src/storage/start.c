/* start.c: from nothing to ready, step by step, each retried for as long as it takes. */
#include "storage/store_internal.h"

#include "base/log.h"
#include "ledger/modules/beacon_layout.h"
#include "ledger/modules/params_layout.h"
#include "storage/kinds.h"
#include "storage/provider_call.h"

#define RETRY_MS 2000
#define CHAIN_TRY_MS 10000
#define VIEW_TRY_MS 10000
#define CALL_TRY_MS 60000
#define IDENTITY_NOTE "identity"
#define IDENTITY_BYTES (4 + 8 + 4 + 20)

/* ---- the chain's opinion of us ---- */

struct self_view {
    u32 provider;
    struct provider_record record;
    bool found;
    u64 due;
    u64 late_after;
    u64 keep;
    struct beacon_state beacon;
};

static err read_self(void *ctx, const struct slot_source *slots)
{
    struct self_view *view = ctx;
    const err parts[] = {
        provider_load(slots, view->provider, &view->record, &view->found),
        params_load(slots, PARAM_HEARTBEAT_DUE_S, &view->due),
        provider_late_after(slots, &view->late_after),
        params_load(slots, PARAM_RELEASE_KEEP_EPOCHS, &view->keep),
        beacon_load(slots, &view->beacon),
    };
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        TRY(parts[i]);
    }
    return ok();
}

err store_refresh_self(struct store *store)
{
    struct self_view view = {.provider = store->provider};
    struct chain_head head = chain_head(store->chain);
    TRY(chain_view(store->chain, read_self, &view, store_deadline(store, VIEW_TRY_MS)));
    if (!view.found) {
        return fail(ERR_NOT_FOUND);
    }
    store->self = (struct store_self){
        .known = true,
        .height = head.height,
        .head_time = head.time,
        .record = view.record,
        .due_s = view.due,
        .late_after_s = view.late_after,
        .keep_epochs = view.keep,
        .epoch = view.beacon.epoch,
        .chain_now = beacon_chain_time(&view.beacon),
    };
    return ok();
}

/* ---- steps ---- */

static err open_shelf(struct store *store)
{
    const struct shelf_options options = {
        .paths = store->options.paths,
        .path_count = store->options.path_count,
        .capacity_bytes = store->options.capacity_bytes,
        .reserve_bytes = store->options.reserve_bytes,
    };
    return shelf_open(store->loop, &options, &store->shelf);
}

static err open_chain(struct store *store)
{
    TRY(chain_open(store->loop, &store->options.chain, store_deadline(store, CHAIN_TRY_MS),
                   &store->chain));
    return chain_account_open(store->chain, &store->options.account, &store->account);
}

struct number_view {
    struct address account;
    u32 provider;
};

static err read_number(void *ctx, const struct slot_source *slots)
{
    struct number_view *view = ctx;
    return provider_of(slots, &view->account, &view->provider);
}

static err find_provider(struct store *store)
{
    struct number_view view = {.account = chain_account_address(store->account)};
    TRY(chain_view(store->chain, read_number, &view, store_deadline(store, VIEW_TRY_MS)));
    if (view.provider == 0) {
        return fail(ERR_NOT_FOUND);
    }
    store->provider = view.provider;
    return store_refresh_self(store);
}

static void write_identity(const struct store *store, struct buf *out)
{
    struct address account = chain_account_address(store->account);
    buf_init(out, IDENTITY_BYTES);
    write_head(out, KIND_STORE_IDENTITY, 1);
    buf_put_be64(out, chain_id(store->chain));
    buf_put_be32(out, store->provider);
    write_address(out, &account);
}

/* The folder is ours, or becomes so. ERR_REFUSED: it is another's. */
static err check_identity(struct store *store)
{
    struct buf own;
    struct arena arena;
    bytes there;
    arena_init(&arena, KIB(1));
    write_identity(store, &own);
    err e = shelf_note_get(store->shelf, IDENTITY_NOTE, &arena, &there);
    if (is_err(e, ERR_NOT_FOUND)) {
        e = shelf_note_put(store->shelf, IDENTITY_NOTE, buf_bytes(&own));
    } else if (is_ok(e) && !bytes_eq(there, buf_bytes(&own))) {
        e = fail(ERR_REFUSED);
    }
    buf_free(&own);
    arena_free(&arena);
    return e;
}

/* Receipts signed by another key than the chain expects would all be void. */
static err check_signer(struct store *store)
{
    struct address signer;
    secp_address_of_secret(&signer, &store->options.signer);
    TRY(store_refresh_self(store));
    return address_eq(&signer, &store->self.record.signer) ? ok() : fail(ERR_REFUSED);
}

/* Nothing is here though the chain counts on us: say so before anything new is taken, because
 * receipts that we signed before are void from then on. */
static err declare_if_empty(struct store *store)
{
    const struct provider_record *record = &store->self.record;
    if (shelf_totals(store->shelf).fragments > 0 || record->live == 0 ||
        record->state == PROVIDER_EXITED) {
        return ok();
    }
    store->phase = PHASE_LOSS;
    log_warn("storage",
             "provider %u has an empty disk, the chain counts %u fragments: declaring "
             "them lost",
             store->provider, record->live);
    u32 live = record->live;
    TRY(provider_call(store->account, PROVIDER_DECLARE_LOST_ALL, NULL, PROVIDER_GAS,
                      store_deadline(store, CALL_TRY_MS)));
    *store->lost += live;
    alarm_raise(store, ALARM_LOST, "all %u fragments were lost with the disk", live);
    return store_refresh_self(store);
}

/* ---- the sequence ---- */

struct step {
    enum store_phase phase;
    err (*run)(struct store *store);
    const char *failing;
};

static const struct step steps[] = {
    {PHASE_DISKS, open_shelf, "the disks cannot be opened"},
    {PHASE_CHAIN, open_chain, "no ledger node answers with a certified head"},
    {PHASE_REGISTERED, find_provider, "this account is no provider yet: run cairn store init"},
    {PHASE_REGISTERED, check_identity, "the folder's identity cannot be read"},
    {PHASE_REGISTERED, check_signer,
     "the chain expects receipts signed by another key: run cairn store init"},
    {PHASE_REGISTERED, declare_if_empty, "the loss cannot be declared"},
};

/* False: the role stops, or must never serve. */
static bool run_step(struct store *store, const struct step *step)
{
    for (;;) {
        store->phase = step->phase;
        err e = step->run(store);
        if (is_ok(e)) {
            alarm_clear(store, ALARM_START);
            return true;
        }
        if (is_err(e, ERR_CANCELLED) || store->stopping) {
            return false;
        }
        if (step->run == check_identity && is_err(e, ERR_REFUSED)) {
            store->phase = PHASE_REFUSED;
            alarm_raise(store, ALARM_START, "the folder %s belongs to another provider or chain",
                        store->options.paths[0]);
            return false;
        }
        alarm_raise(store, ALARM_START, "%s (%s)", step->failing, err_text(e));
        if (!store_sleep(store, RETRY_MS)) {
            return false;
        }
    }
}

static void note_damage(void *ctx, const struct fragment_key *key)
{
    struct store *store = ctx;
    if (store->suspect_count < SUSPECTS_MAX) {
        store->suspects[store->suspect_count++] = *key;
    }
}

static void open_api(struct store *store)
{
    store->rights = chain_rights_new(store->loop, store->chain, store->provider);
    const struct api_options options = {
        .loop = store->loop,
        .shelf = store->shelf,
        .rights = chain_rights_table(store->rights),
        .chain_id = chain_id(store->chain),
        .provider = store->provider,
        .signer = &store->options.signer,
        .open_bytes_max = store->options.open_bytes_max,
        .fault = store->options.fault,
        .metrics = &store->metrics,
        .damaged = note_damage,
        .damaged_ctx = store,
    };
    store->api = api_new(&options);
}

static void start_duties(struct store *store)
{
    static const struct {
        const char *name;
        fiber_fn *fn;
    } duties[] = {{"store-heartbeat", heartbeat_fiber},
                  {"store-reconcile", reconcile_fiber},
                  {"store-scrub", scrub_fiber},
                  {"store-copies", copies_fiber},
                  {"store-disks", disks_fiber}};
    for (size_t i = 0; i < COUNT_OF(duties); i++) {
        err e = group_start(store->loop, &store->fibers, duties[i].name, duties[i].fn, store);
        if (!is_ok(e)) {
            log_error("storage", "cannot start %s: %s", duties[i].name, err_text(e));
        }
    }
}

void store_start_fiber(void *arg)
{
    struct store *store = arg;
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        if (!run_step(store, &steps[i])) {
            return;
        }
    }
    open_api(store);
    start_duties(store);
    store->phase = PHASE_READY;
    struct shelf_totals totals = shelf_totals(store->shelf);
    log_info("storage", "provider %u serves %llu fragments, %llu bytes, on port %u",
             store->provider, (unsigned long long)totals.fragments,
             (unsigned long long)totals.bytes, store_port(store));
}

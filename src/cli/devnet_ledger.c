/* devnet_ledger.c: what a devnet must have on its ledger; each step does only what is missing. */
#include "cli/devnet.h"

#include "base/log.h"
#include "base/mem.h"
#include "cli/envelope_drop.h"
#include "cli/user_drop.h"
#include "ledger/modules/bucket_layout.h"
#include "ledger/modules/territory_layout.h"
#include "owner/owner.h"
#include "storage/store.h"

#define CALL_ARENA_BYTES MIB(4)
#define LEASE_BYTES (1ull << 40)
#define LEASE_SECONDS (5ull * 365 * 86400)
#define RENEW_BEFORE_SECONDS (30ull * 86400)
#define GAS_MONEY_CRN 100
#define REGISTER_APART_MS 20

err devnet_open_chain(struct devnet *devnet, u64 deadline_ms)
{
    char url[DEVNET_URL_BYTES];
    char genesis[PATH_BYTES_MAX];
    const struct devnet_role *ledger = devnet_ledger(devnet);
    const char *urls[] = {url};
    devnet_url(url, "http", ledger->host, ledger->port);
    devnet_path(devnet, genesis, "genesis.json");
    const struct chain_options options = {urls, 1, genesis};
    err e = chain_open(devnet->loop, &options, deadline_ms, &devnet->chain);
    if (!is_ok(e)) {
        log_error("devnet", "cannot follow the ledger at %s: %s", url, err_text(e));
    }
    return e;
}

/* ---- storage nodes ---- */

/* Accounts of nodes that were added after the genesis have nothing yet. */
static err fund_role(struct devnet *devnet, struct chain_account *from,
                     const struct devnet_role *role, u64 deadline_ms)
{
    struct u256 balance;
    struct u256 wei;
    struct arena arena;
    struct chain_receipt receipt;
    TRY(chain_balance(devnet->chain, &role->address, &balance, deadline_ms));
    bool fits = u256_mul_u64(&wei, u256_from_u64(1000000000000000000u), GAS_MONEY_CRN);
    if (!fits || !u256_is_zero(balance)) {
        return ok();
    }
    const struct chain_call call = {.to = role->address, .value = wei};
    arena_init(&arena, CALL_ARENA_BYTES);
    err e = chain_send(from, &call, &arena, deadline_ms, &receipt);
    arena_free(&arena);
    return e;
}

static err register_store(struct devnet_role *role, u64 deadline_ms)
{
    const struct devnet *devnet = role->devnet;
    const struct devnet_account *operator_ = devnet_operator(role);
    struct store_registration registration = {
        .operator_ = operator_->address,
        .capacity = devnet->capacity,
        .announced = devnet->capacity,
    };
    char url[DEVNET_URL_BYTES];
    struct secp_secret signer;
    struct chain_account *account;
    devnet_url(url, "http", role->host, role->port);
    registration.endpoint = url;
    key_derive_signer(&signer, &role->secret);
    secp_address_of_secret(&registration.signer, &signer);
    secp_secret_wipe(&signer);
    store_consent(&registration.consent, &operator_->secret, chain_id(devnet->chain),
                  &role->address);
    TRY(chain_account_open(devnet->chain, &role->secret, &account));
    err e = store_register(devnet->chain, account, &registration, deadline_ms, &role->provider);
    chain_account_close(account);
    return e;
}

/* ---- all stores at once ---- */

struct registration {
    struct devnet_role *role;
    u64 deadline_ms;
    err result;
};

static void register_one(void *arg)
{
    struct registration *registration = arg;
    struct devnet_role *role = registration->role;
    /* One after another, so that on the ledger the nodes get their own numbers, most often. */
    registration->result = fiber_sleep(role->devnet->loop, loop_now_ms(role->devnet->loop) +
                                                               role->number * REGISTER_APART_MS);
    if (!is_ok(registration->result)) {
        return;
    }
    registration->result = register_store(registration->role, registration->deadline_ms);
    if (!is_ok(registration->result)) {
        log_error("devnet", "cannot register %s: %s", registration->role->name,
                  err_text(registration->result));
    }
}

static err fund_roles(struct devnet *devnet, u64 deadline_ms)
{
    struct chain_account *bank;
    TRY(chain_account_open(devnet->chain, &devnet->governance.secret, &bank));
    err e = ok();
    for (size_t i = 0; is_ok(e) && i < devnet->role_count; i++) {
        e = fund_role(devnet, bank, &devnet->roles[i], deadline_ms);
    }
    chain_account_close(bank);
    return e;
}

static err register_stores(struct devnet *devnet, u64 deadline_ms)
{
    struct registration registrations[DEVNET_ROLES_MAX];
    struct group group;
    size_t count = 0;
    err result = ok();
    group_init(&group);
    for (size_t i = 0; is_ok(result) && i < devnet->role_count; i++) {
        if (devnet_is_store(&devnet->roles[i])) {
            registrations[count] = (struct registration){&devnet->roles[i], deadline_ms, ok()};
            result =
                group_start(devnet->loop, &group, "register", register_one, &registrations[count]);
            count += is_ok(result);
        }
    }
    group_wait(devnet->loop, &group);
    for (size_t i = 0; is_ok(result) && i < count; i++) {
        result = registrations[i].result;
    }
    return result;
}

/* ---- the gateway ---- */

struct gateway_view_args {
    struct address account;
    u32 gateway; /* 0: none */
    u8 endpoint[GATEWAY_ENDPOINT_BYTES_MAX];
    size_t endpoint_len;
};

static err read_gateway(void *ctx, const struct slot_source *slots)
{
    struct gateway_view_args *view = ctx;
    view->endpoint_len = 0;
    TRY(gateway_of(slots, &view->account, &view->gateway));
    return view->gateway == 0
               ? ok()
               : gateway_endpoint(slots, view->gateway, view->endpoint, &view->endpoint_len);
}

static err send_gateway(const struct devnet_role *role, const char *signature, const char *url,
                        u64 deadline_ms)
{
    struct chain_account *account;
    struct x_secret box;
    struct x_public box_key;
    struct hash box_word;
    struct arena arena;
    struct chain_receipt receipt;
    key_derive_box(&box, &role->secret);
    x_public_of(&box_key, &box);
    memcpy(box_word.b, box_key.b, sizeof box_word.b);
    const struct abi_value args[] = {abi_bytes(bytes_str(url)), abi_hash(&box_word)};
    TRY(chain_account_open(role->devnet->chain, &role->secret, &account));
    arena_init(&arena, CALL_ARENA_BYTES);
    err e = module_send(account, MODULE_BUCKET, signature, args, u256_from_u64(0), &arena,
                        deadline_ms, &receipt);
    arena_free(&arena);
    chain_account_close(account);
    return e;
}

static err register_gateway(const struct devnet_role *role, u64 deadline_ms, u32 *ret_gateway)
{
    struct gateway_view_args view = {.account = role->address};
    struct chain *chain = role->devnet->chain;
    char url[DEVNET_URL_BYTES];
    devnet_url(url, "http", role->host, role->port);
    TRY(chain_view(chain, read_gateway, &view, deadline_ms));
    bool is_same = bytes_eq_str(bytes_make(view.endpoint, view.endpoint_len), url);
    if (view.gateway == 0 || !is_same) {
        const char *call = view.gateway == 0 ? BUCKET_REGISTER_GATEWAY : BUCKET_UPDATE_GATEWAY;
        TRY(send_gateway(role, call, url, deadline_ms));
        TRY(chain_view(chain, read_gateway, &view, deadline_ms));
    }
    *ret_gateway = view.gateway;
    return view.gateway != 0 ? ok() : fail(ERR_NOT_FOUND);
}

/* ---- the owner ---- */

struct owner_view_args {
    struct address owner;
    u32 gateway;
    u64 territory; /* 0: none */
    bool authorised;
    u64 expires;
};

static err read_owner(void *ctx, const struct slot_source *slots)
{
    struct owner_view_args *view = ctx;
    struct territory_owner owner;
    struct authorisation record;
    TRY(territory_owner_load(slots, &view->owner, &owner));
    view->territory = owner.default_territory;
    const struct authorisation_key key = {view->owner, owner.default_territory, view->gateway};
    bool found = false;
    TRY(authorisation_load(slots, &key, &record, &found));
    view->authorised = found && record.scope == SCOPE_ALL;
    view->expires = found ? record.expires : 0;
    return ok();
}

static err lease(struct devnet *devnet, struct chain_account *owner, u64 deadline_ms)
{
    struct owner_view_args view = {.owner = devnet->owner.address};
    enum redundancy class_number;
    size_t stores = devnet->role_count - 2;
    TRY(chain_view(devnet->chain, read_owner, &view, deadline_ms));
    devnet->territory = view.territory;
    if (view.territory != 0) {
        return ok();
    }
    if (!redundancy_default(&class_number, stores)) {
        log_error("devnet", "%zu storage nodes are too few for any redundancy class", stores);
        return fail(ERR_USAGE);
    }
    return owner_lease(devnet->chain, owner, LEASE_BYTES, class_number, LEASE_SECONDS, deadline_ms,
                       &devnet->territory);
}

static err authorise(struct devnet *devnet, struct chain_account *owner, u32 gateway,
                     u64 deadline_ms)
{
    struct owner_view_args view = {.owner = devnet->owner.address, .gateway = gateway};
    TRY(chain_view(devnet->chain, read_owner, &view, deadline_ms));
    u64 now = chain_head(devnet->chain).time;
    if (view.authorised && view.expires >= now + RENEW_BEFORE_SECONDS) {
        return ok();
    }
    const struct owner_grant grant = {
        .territory = devnet->territory,
        .gateway = gateway,
        .scope = SCOPE_ALL,
        .quota_bytes = LEASE_BYTES,
        .expires = now + LEASE_SECONDS,
    };
    return owner_authorise(devnet->chain, devnet->loop, owner, &devnet->master, &grant,
                           deadline_ms);
}

/* ---- all of it: stores, gateway and lease at once, then the authorisation ---- */

struct set_up {
    struct devnet *devnet;
    struct chain_account *owner;
    u64 deadline_ms;
    u32 gateway;
    err stores;
    err registered;
    err leased;
};

static void set_up_stores(void *arg)
{
    struct set_up *set_up = arg;
    set_up->stores = register_stores(set_up->devnet, set_up->deadline_ms);
}

static void set_up_gateway(void *arg)
{
    struct set_up *set_up = arg;
    set_up->registered =
        register_gateway(devnet_gateway(set_up->devnet), set_up->deadline_ms, &set_up->gateway);
}

static err set_up_all(struct set_up *set_up)
{
    struct loop *loop = set_up->devnet->loop;
    struct group group;
    group_init(&group);
    err stores = group_start(loop, &group, "stores", set_up_stores, set_up);
    err gateway = group_start(loop, &group, "gateway", set_up_gateway, set_up);
    set_up->leased = lease(set_up->devnet, set_up->owner, set_up->deadline_ms);
    group_wait(loop, &group);
    TRY(stores);
    TRY(gateway);
    TRY(set_up->stores);
    TRY(set_up->registered);
    TRY(set_up->leased);
    return authorise(set_up->devnet, set_up->owner, set_up->gateway, set_up->deadline_ms);
}

err devnet_register(struct devnet *devnet, u64 deadline_ms)
{
    struct set_up set_up = {.devnet = devnet, .deadline_ms = deadline_ms};
    TRY(fund_roles(devnet, deadline_ms));
    TRY(chain_account_open(devnet->chain, &devnet->owner.secret, &set_up.owner));
    err e = set_up_all(&set_up);
    chain_account_close(set_up.owner);
    if (!is_ok(e)) {
        log_error("devnet", "the ledger does not take what a devnet needs: %s", err_text(e));
    }
    return e;
}

static err add_envelope(struct devnet *devnet, const char *data)
{
    char path[PATH_BYTES_MAX];
    struct envelope envelope;
    devnet_path(devnet, path, DEVNET_ENVELOPE);
    TRY(envelope_text_read(path, "master", &envelope));
    return envelope_drop_leave(data, &devnet->owner.address, &envelope);
}

err devnet_add_user(struct devnet *devnet, u64 deadline_ms)
{
    char data[PATH_BYTES_MAX];
    struct gateway_user user = {.owner = devnet->owner.address, .id = "owner"};
    snprintf(user.display_name, sizeof user.display_name, "owner");
    snprintf(user.access_key, sizeof user.access_key, "%s", devnet->access_key);
    snprintf(user.secret_key, sizeof user.secret_key, "%s", devnet->secret_key);
    path_join(data, devnet_gateway(devnet)->dir, "data");
    err e = add_envelope(devnet, data);
    if (is_ok(e)) {
        e = user_drop_leave(data, &user);
    }
    if (is_ok(e)) {
        e = user_drop_await(devnet->loop, data, &user, deadline_ms);
    }
    mem_wipe(&user, sizeof user);
    if (!is_ok(e)) {
        log_error("devnet", "the gateway does not take the S3 user: %s", err_text(e));
    }
    return e;
}

/* setup.c: what must be on the ledger before a network can work, by the ways that operators have.
 */
#include "sim/world.h"

#include "base/assert.h"
#include "base/log.h"
#include "ledger/modules/bucket_layout.h"
#include "owner/owner.h"

#define SETUP_MS 120000
#define ARENA_BYTES MIB(1)
#define LEASE_BYTES GIB(16)
#define LEASE_SECONDS (365ull * 86400)

struct setup {
    struct world *world;
    struct loop *loop;
    struct chain *chain;
    u64 deadline_ms;
    bool done;
};

/* ---- stores ---- */

struct registration {
    struct setup *setup;
    struct role *role;
    err result;
};

static err register_store(struct setup *setup, struct role *role)
{
    struct chain_account *account;
    u32 provider;
    const struct store_registration registration = {
        .operator_ = role->address,
        .endpoint = role->url,
        .signer = role->address,
        .capacity = GIB(1),
        .announced = GIB(1),
    };
    TRY(chain_account_open(setup->chain, &role->secret, &account));
    err e = store_register(setup->chain, account, &registration, setup->deadline_ms, &provider);
    chain_account_close(account);
    return e;
}

static void register_one(void *arg)
{
    struct registration *registration = arg;
    registration->result = register_store(registration->setup, registration->role);
}

static err register_stores(struct setup *setup)
{
    struct registration all[WORLD_STORES_MAX];
    struct group group;
    unsigned count = setup->world->store_count;
    group_init(&group);
    for (unsigned i = 0; i < count; i++) {
        all[i] = (struct registration){setup, world_store(setup->world, i), ok()};
        TRY(group_start(setup->loop, &group, "register", register_one, &all[i]));
    }
    group_wait(setup->loop, &group);
    for (unsigned i = 0; i < count; i++) {
        TRY(all[i].result);
    }
    return ok();
}

/* ---- gateway and owner ---- */

static err register_gateway(struct setup *setup)
{
    const struct role *role = world_gateway(setup->world);
    struct chain_account *account;
    struct x_secret box;
    struct x_public box_key;
    struct hash box_word;
    struct arena arena;
    struct chain_receipt receipt;
    role_box(role, &box);
    x_public_of(&box_key, &box);
    memcpy(box_word.b, box_key.b, sizeof box_word.b);
    const struct abi_value args[] = {abi_bytes(bytes_str(role->url)), abi_hash(&box_word)};
    TRY(chain_account_open(setup->chain, &role->secret, &account));
    arena_init(&arena, ARENA_BYTES);
    err e = module_send(account, MODULE_BUCKET, BUCKET_REGISTER_GATEWAY, args, u256_from_u64(0),
                        &arena, setup->deadline_ms, &receipt);
    arena_free(&arena);
    chain_account_close(account);
    return e;
}

static err set_up_owner(struct setup *setup)
{
    struct world *world = setup->world;
    struct chain_account *owner;
    TRY(chain_account_open(setup->chain, &world->owner, &owner));
    err e = owner_lease(setup->chain, owner, LEASE_BYTES, world->class_number, LEASE_SECONDS,
                        setup->deadline_ms, &world->territory);
    if (is_ok(e)) {
        const struct owner_grant grant = {
            .territory = world->territory,
            .gateway = 1,
            .scope = SCOPE_ALL,
            .quota_bytes = LEASE_BYTES,
            .expires = chain_head(setup->chain).time + LEASE_SECONDS,
        };
        e = owner_authorise(setup->chain, setup->loop, owner, &world->master, &grant,
                            setup->deadline_ms);
    }
    chain_account_close(owner);
    return e;
}

static err set_up(struct setup *setup)
{
    setup->deadline_ms = loop_now_ms(setup->loop) + SETUP_MS;
    TRY(chain_open(setup->loop, &world_chain_options, setup->deadline_ms, &setup->chain));
    err e = register_stores(setup);
    if (is_ok(e)) {
        e = register_gateway(setup);
    }
    if (is_ok(e)) {
        e = set_up_owner(setup);
    }
    chain_close(setup->chain);
    return e;
}

static void set_up_run(void *arg)
{
    struct setup *setup = arg;
    err e = set_up(setup);
    if (!is_ok(e)) {
        scenario_fail("the network cannot be set up: %s", err_text(e));
    }
    setup->done = true;
}

static bool is_done(void *arg)
{
    const struct setup *setup = arg;
    return setup->done && sim_process_idle(setup->loop);
}

static bool are_up(void *arg) { return world_all_up(arg); }

void world_set_up(struct world *world)
{
    struct setup setup = {.world = world};
    role_start(world_ledger(world));
    setup.loop = sim_process_new("owner", world->owner_host, NULL, NULL);
    assert_that(is_ok(fiber_start(setup.loop, "set up", set_up_run, &setup)));
    sim_run(sim->now_ms + SETUP_MS, is_done, &setup);
    scenario_check(is_done(&setup));
    sim_kill(setup.loop, false);
    for (size_t i = 1; i < world->role_count; i++) {
        role_start(&world->roles[i]);
    }
    sim_run(sim->now_ms + SETUP_MS, are_up, world);
    scenario_check(are_up(world));
    world->is_set_up = true;
}

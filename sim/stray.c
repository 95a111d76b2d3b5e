#include "sim/stray.h"

#include "base/log.h"
#include "gateway/service/internal.h"
#include "ledger/exec/gas.h"

#define STRAY_MS 5000
#define STRAY_ARENA_BYTES KIB(64)

/* A transfer of nothing to oneself with the next nonce. */
static err sign_next(const struct gateway *gateway, const struct chain_call *call,
                     struct arena *arena, bytes *ret_raw, u64 *ret_nonce)
{
    struct hash tx;
    u64 deadline_ms = gateway_in(gateway, STRAY_MS);
    TRY(chain_sign_hold(gateway->account, call, arena, deadline_ms, ret_raw, &tx, ret_nonce));
    chain_account_release(gateway->account, *ret_nonce);
    return ok();
}

/* The next nonce is used properly, the one after it behind the gateway's back. */
static err take_one_ahead(const struct gateway *gateway, const struct chain_call *call,
                          struct arena *arena, bytes raw, u64 nonce)
{
    bytes ahead;
    struct hash tx;
    u64 deadline_ms = gateway_in(gateway, STRAY_MS);
    TRY(chain_sign_at(gateway->account, call, nonce + 1, arena, &ahead, &tx));
    TRY(chain_submit_raw(gateway->chain, raw, deadline_ms));
    return chain_submit_raw(gateway->chain, ahead, deadline_ms);
}

static void stray_run(const struct role *role, bool take)
{
    const struct gateway *gateway = role->gateway;
    const struct chain_call call = {.to = role->address, .gas_limit = GAS_TX};
    struct arena arena;
    bytes raw;
    u64 nonce;
    arena_init(&arena, STRAY_ARENA_BYTES);
    err e = sign_next(gateway, &call, &arena, &raw, &nonce);
    if (is_ok(e)) {
        e = take ? take_one_ahead(gateway, &call, &arena, raw, nonce) : ok();
        log_info("sim", "nonce %llu is %s: %s", (unsigned long long)nonce + take,
                 take ? "taken" : "lost", err_text(e));
    }
    arena_free(&arena);
}

static void lose_run(void *role) { stray_run(role, false); }

static void take_run(void *role) { stray_run(role, true); }

static void start(struct role *gateway, void (*run)(void *role))
{
    if (gateway->is_up && !gateway->stopping) {
        struct loop *former = sim_act_as(gateway->process);
        /* Not started: the process is about to end. */
        IGNORE(group_start(gateway->process, gateway->clients, "stray", run, gateway));
        sim_act_as(former);
    }
}

void stray_lose(struct role *gateway) { start(gateway, lose_run); }

void stray_take(struct role *gateway) { start(gateway, take_run); }

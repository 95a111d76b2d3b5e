#include "owner/owner.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "ledger/modules/beacon_layout.h"
#include "ledger/modules/bucket_layout.h"
#include "ledger/modules/params_layout.h"
#include "ledger/modules/provider_layout.h"
#include "ledger/modules/territory_layout.h"

#define SEAL_DOMAIN "cairn territory key v1"
#define CALL_ARENA_BYTES MIB(1)

_Static_assert(sizeof SEAL_DOMAIN - 1 + 8 + 8 + 4 == OWNER_CONTEXT_BYTES, "context is packed");

void owner_seal_context(u8 out[OWNER_CONTEXT_BYTES], u64 chain_id, u64 territory, u32 gateway)
{
    size_t at = sizeof SEAL_DOMAIN - 1;
    memcpy(out, SEAL_DOMAIN, at);
    store_be64(out + at, chain_id);
    store_be64(out + at + 8, territory);
    store_be32(out + at + 16, gateway);
}

err owner_open_sealed(struct territory_key *ret_key, bytes sealed, const struct x_secret *box,
                      u64 chain_id, u64 territory, u32 gateway)
{
    u8 context[OWNER_CONTEXT_BYTES];
    struct territory_key key;
    owner_seal_context(context, chain_id, territory, gateway);
    if (sealed.len != OWNER_SEALED_KEY_BYTES || !box_open(key.b, box, BYTES_OF(context), sealed)) {
        return fail(ERR_INTEGRITY);
    }
    *ret_key = key;
    mem_wipe(&key, sizeof key);
    return ok();
}

/* ---- leasing ---- */

err owner_eligible_view(void *count, const struct slot_source *slots)
{
    size_t *ret_count = count;
    size_t eligible = 0;
    u32 providers = 0;
    u64 late_after = 0;
    u64 now = 0;
    err result = ok();
    TRY(provider_count(slots, &providers));
    TRY(provider_late_after(slots, &late_after));
    TRY(beacon_now(slots, &now));
    /* All are asked for even if one is missing: a view then takes few rounds. */
    for (u32 i = 1; i <= providers; i++) {
        struct provider_record record;
        bool found = false;
        err e = provider_load(slots, i, &record, &found);
        if (!is_ok(e)) {
            result = e;
        } else {
            eligible += found && provider_eligible(&record, late_after, now);
        }
    }
    *ret_count = eligible;
    return result;
}

struct price_view {
    u64 size;
    enum redundancy class_number;
    u64 duration;
    struct u256 price;
};

static err read_price(void *ctx, const struct slot_source *slots)
{
    struct price_view *view = ctx;
    u64 price_per_tib_era;
    u64 era_seconds;
    err price = params_load(slots, PARAM_PRICE_PER_TIB_ERA, &price_per_tib_era);
    err era = params_load(slots, PARAM_ERA_SECONDS, &era_seconds);
    TRY(price);
    TRY(era);
    return territory_price(&view->price, view->size, view->class_number, view->duration,
                           price_per_tib_era, era_seconds)
               ? ok()
               : fail(ERR_LIMIT);
}

err owner_lease(struct chain *chain, struct chain_account *owner, u64 size_bytes,
                enum redundancy class_number, u64 duration_s, u64 deadline_ms, u64 *ret_territory)
{
    struct price_view view = {
        .size = size_bytes, .class_number = class_number, .duration = duration_s};
    TRY(chain_view(chain, read_price, &view, deadline_ms));
    struct arena arena;
    struct chain_receipt receipt;
    struct abi_value event[ABI_PARAMS_MAX];
    const struct abi_value args[] = {
        abi_u64(size_bytes),
        abi_u64(class_number),
        abi_u64(duration_s),
        abi_bytes(bytes_str("")),
    };
    arena_init(&arena, CALL_ARENA_BYTES);
    err e = module_send(owner, MODULE_TERRITORY, TERRITORY_LEASE, args, view.price, &arena,
                        deadline_ms, &receipt);
    if (is_ok(e)) {
        const struct chain_log *log =
            module_find_log(&receipt, MODULE_TERRITORY, TERRITORY_EV_LEASED, &arena, event);
        e = log != NULL ? ok() : fail(ERR_MALFORMED);
    }
    if (is_ok(e)) {
        *ret_territory = abi_as_u64(&event[0]);
    }
    arena_free(&arena);
    return e;
}

/* ---- authorising ---- */

struct gateway_view {
    u32 gateway;
    struct gateway_record record;
    bool found;
};

static err read_gateway(void *ctx, const struct slot_source *slots)
{
    struct gateway_view *view = ctx;
    return gateway_load(slots, view->gateway, &view->record, &view->found);
}

static err seal_key(struct chain *chain, struct loop *loop, const struct master_key *master,
                    const struct owner_grant *grant, const struct x_public *to,
                    u8 ret_sealed[OWNER_SEALED_KEY_BYTES])
{
    u8 random[56];
    u8 context[OWNER_CONTEXT_BYTES];
    struct territory_key key;
    loop_random(loop, random, sizeof random);
    owner_seal_context(context, chain_id(chain), grant->territory, grant->gateway);
    territory_key_derive(&key, master, grant->territory);
    bool sealed = box_seal(ret_sealed, to, BYTES_OF(context), BYTES_OF(key), random);
    mem_wipe(&key, sizeof key);
    mem_wipe(random, sizeof random);
    if (!sealed) {
        log_error("owner", "gateway %u registered a key that nothing can be sealed to",
                  grant->gateway);
        return fail(ERR_REFUSED);
    }
    return ok();
}

err owner_authorise(struct chain *chain, struct loop *loop, struct chain_account *owner,
                    const struct master_key *master, const struct owner_grant *grant,
                    u64 deadline_ms)
{
    struct gateway_view view = {.gateway = grant->gateway};
    u8 sealed[OWNER_SEALED_KEY_BYTES];
    if (grant->territory == 0) {
        log_error("owner", "a key is of one territory: grants for all of them cannot carry one");
        return fail(ERR_USAGE);
    }
    TRY(chain_view(chain, read_gateway, &view, deadline_ms));
    if (!view.found || !view.record.active) {
        return fail(ERR_NOT_FOUND);
    }
    TRY(seal_key(chain, loop, master, grant, &view.record.box_key, sealed));
    struct arena arena;
    struct chain_receipt receipt;
    const struct abi_value args[] = {
        abi_u64(grant->territory),   abi_u64(grant->gateway), abi_u64(grant->scope),
        abi_u64(grant->quota_bytes), abi_u64(grant->expires), abi_bytes(BYTES_OF(sealed)),
    };
    arena_init(&arena, CALL_ARENA_BYTES);
    err e = module_send(owner, MODULE_BUCKET, BUCKET_AUTHORISE, args, u256_from_u64(0), &arena,
                        deadline_ms, &receipt);
    arena_free(&arena);
    return e;
}

err owner_revoke(struct chain_account *owner, u64 territory, u32 gateway, u64 deadline_ms)
{
    struct arena arena;
    struct chain_receipt receipt;
    const struct abi_value args[] = {abi_u64(territory), abi_u64(gateway)};
    arena_init(&arena, CALL_ARENA_BYTES);
    err e = module_send(owner, MODULE_BUCKET, BUCKET_REVOKE, args, u256_from_u64(0), &arena,
                        deadline_ms, &receipt);
    arena_free(&arena);
    return e;
}

#include "transfer/draw.h"

#include "base/mem.h"
#include "ledger/modules/beacon_layout.h"
#include "ledger/modules/params_layout.h"

struct seed_view {
    struct segment_key key;
    bool repair;
    u64 block_time;
    struct ticket_seed seed;
    bool valid;
    u64 operator_divisor;
    u64 prefix_divisor;
};

static err read_repair_seed(const struct slot_source *slots, struct seed_view *view)
{
    struct beacon_state beacon;
    TRY(beacon_load(slots, &beacon));
    return segment_repair_seed(slots, beacon.epoch, &view->seed, &view->valid);
}

static err read_seed(void *ctx, const struct slot_source *slots)
{
    struct seed_view *view = ctx;
    err seed = view->repair ? read_repair_seed(slots, view)
                            : segment_ticket_seed_now(slots, view->key.territory, view->key.gateway,
                                                      view->block_time, &view->seed, &view->valid);
    err operator_cap = params_load(slots, PARAM_OPERATOR_CAP_DIVISOR, &view->operator_divisor);
    err prefix_cap = params_load(slots, PARAM_PREFIX_CAP_DIVISOR, &view->prefix_divisor);
    TRY(seed);
    TRY(operator_cap);
    return prefix_cap;
}

static err open_draw(struct chain *chain, const struct segment_key *key,
                     enum redundancy class_number, bool repair, u64 deadline_ms,
                     struct draw *ret_draw)
{
    struct seed_view view = {.key = *key, .repair = repair, .block_time = chain_head(chain).time};
    const struct redundancy_info *info = redundancy_find((u8)class_number);
    TRY(chain_view(chain, read_seed, &view, deadline_ms));
    if (!view.valid) {
        return fail(ERR_BUSY);
    }
    *ret_draw = (struct draw){
        .key = *key,
        .info = info,
        .seed = view.seed,
        .per_operator = (u8)ceil_div(info->m, view.operator_divisor),
        .per_prefix = (u8)ceil_div(info->m, view.prefix_divisor),
    };
    return ok();
}

err draw_open(struct chain *chain, const struct segment_key *key, enum redundancy class_number,
              u64 deadline_ms, struct draw *ret_draw)
{
    for (;;) {
        err e = open_draw(chain, key, class_number, false, deadline_ms, ret_draw);
        if (!is_err(e, ERR_BUSY)) {
            return e;
        }
        TRY(chain_wait(chain, chain_head(chain).height, deadline_ms));
    }
}

err draw_open_repair(struct chain *chain, const struct segment_key *key,
                     enum redundancy class_number, u64 deadline_ms, struct draw *ret_draw)
{
    return open_draw(chain, key, class_number, true, deadline_ms, ret_draw);
}

static err read_epoch(void *ctx, const struct slot_source *slots)
{
    struct beacon_state beacon;
    TRY(beacon_load(slots, &beacon));
    *(u64 *)ctx = beacon.epoch;
    return ok();
}

err draw_passed(struct chain *chain, const struct draw *draw, u64 deadline_ms, bool *ret_passed)
{
    u64 epoch;
    if (placement_small(draw->seed.eligible, redundancy_n(draw->info))) {
        *ret_passed = false;
        return ok();
    }
    TRY(chain_view(chain, read_epoch, &epoch, deadline_ms));
    *ret_passed = draw->seed.epoch != 0 && epoch > draw->seed.epoch;
    return ok();
}

/* Weights of the frozen table, which the ledger will check draws against. */
struct weights_view {
    u64 table_epoch;
    struct placement_candidate *candidates;
    size_t count;
};

static err read_weights(void *ctx, const struct slot_source *slots)
{
    struct weights_view *view = ctx;
    err first_fault = ok();
    for (size_t i = 0; i < view->count; i++) {
        bool found = false;
        u64 weight = 0;
        err e = provider_weight(slots, view->candidates[i].provider, view->table_epoch, &weight,
                                &found);
        view->candidates[i].weight = found ? weight : 0;
        first_fault = is_ok(first_fault) ? e : first_fault;
    }
    return first_fault;
}

/* Who may be drawn, in registry order; both arrays have directory_count() entries. */
struct candidates {
    size_t count;
    struct placement_candidate *items;
    bool *usable;
};

static void candidates_free(struct candidates *candidates)
{
    mem_free(candidates->items);
    mem_free(candidates->usable);
}

/* In a small network any eligible provider serves, so today's weights spread the load best. */
static err candidates_load(struct chain *chain, const struct directory *directory,
                           const struct draw *draw, u64 deadline_ms, struct candidates *candidates)
{
    candidates->count = directory_count(directory);
    candidates->items = mem_alloc_array(candidates->count, sizeof *candidates->items);
    candidates->usable = mem_alloc_array(candidates->count, sizeof *candidates->usable);
    for (size_t i = 0; i < candidates->count; i++) {
        candidates->items[i] = directory_candidate(directory, i);
    }
    if (placement_small(draw->seed.eligible, redundancy_n(draw->info))) {
        return ok();
    }
    struct weights_view view = {draw->seed.table_epoch, candidates->items, candidates->count};
    return chain_view(chain, read_weights, &view, deadline_ms);
}

static size_t choose(const struct directory *directory, const struct draw *draw,
                     const struct draw_wish *wish, bool reachable_only,
                     struct candidates *candidates,
                     struct placement_holder ret_holders[FRAGMENTS_MAX])
{
    const struct placement_rules rules = {
        .count = wish->count,
        .n = redundancy_n(draw->info),
        .per_operator = draw->per_operator,
        .per_prefix = draw->per_prefix,
    };
    for (size_t i = 0; i < candidates->count; i++) {
        struct provider_view provider = directory_at(directory, i);
        candidates->usable[i] = provider.weight != 0 && (provider.reachable || !reachable_only);
    }
    return placement_choose(ret_holders, &rules, &draw->seed.seed, &draw->key, candidates->items,
                            candidates->count, candidates->usable, wish->taken, wish->taken_count);
}

err draw_choose(struct chain *chain, const struct directory *directory, const struct draw *draw,
                const struct draw_wish *wish, u64 deadline_ms,
                struct placement_holder ret_holders[FRAGMENTS_MAX], size_t *ret_count)
{
    struct candidates candidates;
    err e = candidates_load(chain, directory, draw, deadline_ms, &candidates);
    if (is_ok(e)) {
        *ret_count = choose(directory, draw, wish, true, &candidates, ret_holders);
        if (*ret_count < wish->enough) {
            *ret_count = choose(directory, draw, wish, false, &candidates, ret_holders);
        }
    }
    candidates_free(&candidates);
    return e;
}

/* The first valid draw that names the provider. */
static bool find_draw(const struct draw *draw, const struct candidates *candidates, u32 provider,
                      u16 *ret_index)
{
    u8 n = redundancy_n(draw->info);
    size_t eligible;
    u64 total = placement_total(candidates->items, candidates->count, &eligible);
    for (u16 j = 0; total != 0 && j < placement_draws_max(n); j++) {
        u64 point = placement_point(&draw->seed.seed, &draw->key, j, total);
        size_t at = placement_lookup(candidates->items, candidates->count, point);
        if (candidates->items[at].provider == provider) {
            *ret_index = j;
            return true;
        }
    }
    return false;
}

err draw_index_of(struct chain *chain, const struct directory *directory, const struct draw *draw,
                  u32 provider, u64 deadline_ms, u16 *ret_index, bool *ret_found)
{
    struct candidates candidates;
    if (placement_small(draw->seed.eligible, redundancy_n(draw->info))) {
        *ret_index = PLACEMENT_NOT_DRAWN;
        *ret_found = true;
        return ok();
    }
    err e = candidates_load(chain, directory, draw, deadline_ms, &candidates);
    if (is_ok(e)) {
        *ret_found = find_draw(draw, &candidates, provider, ret_index);
    }
    candidates_free(&candidates);
    return e;
}

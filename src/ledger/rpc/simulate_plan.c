/* simulate_plan.c: eth_simulateV1's blocks as read, each with its number and time. */
#include "ledger/rpc/simulate.h"

#define BLOCK_SECONDS 12

static bool add_block(struct sim *sim, const struct sim_block *block)
{
    if (sim->count == SIM_BLOCKS_MAX) {
        rpc_refuse(sim->r, (enum rpc_code)SIM_TOO_MANY, "too many blocks");
        return false;
    }
    sim->blocks[sim->count++] = *block;
    return true;
}

/* Empty blocks up to the number that the client named. */
static bool fill_gap(struct sim *sim, u64 until, u64 *number, u64 *time)
{
    if (until - *number > SIM_BLOCKS_MAX) {
        rpc_refuse(sim->r, (enum rpc_code)SIM_TOO_MANY, "too many blocks");
        return false;
    }
    while (*number + 1 < until) {
        *number += 1;
        *time += BLOCK_SECONDS;
        struct sim_block empty = {.block = {.number = *number, .time = *time}};
        if (!add_block(sim, &empty)) {
            return false;
        }
    }
    return true;
}

static bool place_block(struct sim *sim, struct sim_block *block, u64 *number, u64 *time)
{
    struct rpc_block_overrides *own = &block->block;
    u64 at = own->has_number ? own->number : *number + 1;
    if (at <= *number) {
        rpc_refuse(sim->r, (enum rpc_code)SIM_NUMBER_ORDER,
                   "block numbers must be in order: %llu <= %llu", (unsigned long long)at,
                   (unsigned long long)*number);
        return false;
    }
    if (!fill_gap(sim, at, number, time)) {
        return false;
    }
    if (own->has_time && own->time <= *time) {
        rpc_refuse(sim->r, (enum rpc_code)SIM_TIME_ORDER,
                   "block timestamps must be in order: %llu <= %llu", (unsigned long long)own->time,
                   (unsigned long long)*time);
        return false;
    }
    own->number = at;
    if (!own->has_time && !add_u64(&own->time, *time, BLOCK_SECONDS)) {
        rpc_refuse(sim->r, RPC_INVALID_PARAMS, "a block's time is too large");
        return false;
    }
    *number = own->number;
    *time = own->time;
    return add_block(sim, block);
}

static bool read_block(struct sim *sim, const json_t *object, struct sim_block *ret)
{
    struct rpc_request *r = sim->r;
    const json_t *overrides = json_object_get(object, "blockOverrides");
    const json_t *state = json_object_get(object, "stateOverrides");
    const json_t *calls = json_object_get(object, "calls");
    *ret = (struct sim_block){0};
    if (!json_is_object(object) ||
        (calls != NULL && !json_is_null(calls) &&
         (!json_is_array(calls) || json_array_size(calls) > SIM_CALLS_MAX))) {
        rpc_refuse(r, RPC_INVALID_PARAMS, "a block of calls is an object with at most %d \"calls\"",
                   SIM_CALLS_MAX);
        return false;
    }
    ret->calls = json_is_array(calls) ? calls : NULL;
    return rpc_read_block_overrides(r, json_is_null(overrides) ? NULL : overrides, &ret->block) &&
           rpc_read_overrides(r, json_is_null(state) ? NULL : state, &ret->state);
}

bool rpc_sim_plan(struct sim *sim, const json_t *list)
{
    u64 number = sim->base.number;
    u64 time = sim->base.time;
    size_t count = json_array_size(list);
    if (!json_is_array(list) || count == 0) {
        rpc_refuse(sim->r, RPC_INVALID_PARAMS, "blockStateCalls is a list of at least one block");
        return false;
    }
    if (count > SIM_BLOCKS_MAX) {
        rpc_refuse(sim->r, (enum rpc_code)SIM_TOO_MANY, "too many blocks");
        return false;
    }
    sim->blocks = ARENA_ARRAY(&sim->r->arena, struct sim_block, SIM_BLOCKS_MAX);
    if (sim->blocks == NULL) {
        return rpc_fault(sim->r, ERR_LIMIT);
    }
    for (size_t i = 0; i < count; i++) {
        struct sim_block block;
        if (!read_block(sim, json_array_get(list, i), &block) ||
            !place_block(sim, &block, &number, &time)) {
            return false;
        }
    }
    return true;
}

#include "base/assert.h"
#include "ledger/app/internal.h"
#include "ledger/exec/gas.h"

#define HEADER_BYTES_MAX KIB(64)

err app_header(struct app *app, u64 height, struct block_header *ret_header)
{
    if (height == app->info.height) {
        *ret_header = app->head;
        return ok();
    }
    struct state_view *view;
    struct arena arena;
    bytes encoded;
    if (height > app->info.height) {
        return fail(ERR_NOT_FOUND);
    }
    TRY(state_view_open(app->state, app->info.height, &view));
    arena_init(&arena, HEADER_BYTES_MAX);
    err e = state_view_block(view, STATE_HEADER, height, &arena, &encoded);
    if (is_ok(e) && !is_ok(block_header_decode(encoded, ret_header))) {
        e = fail(ERR_INTEGRITY);
    }
    arena_free(&arena);
    state_view_close(view);
    return e;
}

err app_env_of(struct app *app, u64 height, struct block_env *ret_env)
{
    struct block_header header;
    TRY(app_header(app, height, &header));
    *ret_env = rules_env(&app->rules, &header);
    return ok();
}

err app_header_after(struct app *app, u64 height, u64 time, struct block_header *ret_header)
{
    struct block_header parent;
    TRY(app_header(app, height, &parent));
    rules_next_header(&app->rules, &parent, max_u64(time, parent.time + 1), ret_header);
    if (app->genesis != NULL) {
        ret_header->gas_limit = app->genesis->gas_limit;
        ret_header->coinbase = app->info.seats.items[0];
        ret_header->prev_randao = parent.prev_randao;
    }
    return ok();
}

err app_env_after(struct app *app, u64 height, u64 time, struct block_env *ret_env)
{
    struct block_header header;
    TRY(app_header_after(app, height, time, &header));
    *ret_env = rules_env(&app->rules, &header);
    return ok();
}

static err hash_of(void *ctx, u64 height, struct hash *ret_hash)
{
    struct hash hash = {{0}};
    err e = state_view_block_hash(ctx, height, &hash);
    if (is_ok(e) || is_err(e, ERR_NOT_FOUND)) {
        *ret_hash = hash;
        return ok();
    }
    return e;
}

struct block_hashes app_hashes(struct state_view *view)
{
    return (struct block_hashes){.ctx = view, .hash = hash_of};
}

/* One run on a view; the output is copied into `arena`. */
static err call_on(struct app *app, struct state_view *view, const struct block_env *env,
                   const struct call_request *request, struct arena *arena,
                   struct exec_result *ret_result)
{
    struct state_source source = state_view_source(view);
    struct journal journal;
    struct executor executor;
    struct arena scratch;
    struct exec_result result;
    journal_init(&journal, &source, APP_CALL_BYTES_MAX);
    arena_init(&scratch, EXEC_TX_BYTES_MAX);
    executor_init(&executor, &journal, env);
    executor.codes = &app->codes;
    err e = execute_call(&executor, request, &scratch, &result);
    if (is_ok(e)) {
        result.output = arena_copy(arena, result.output);
        e = result.output.data != NULL ? ok() : fail(ERR_LIMIT);
    }
    arena_free(&scratch);
    journal_free(&journal);
    if (is_ok(e)) {
        *ret_result = result;
    }
    return e;
}

err app_call(struct app *app, u64 height, const struct call_request *request, struct arena *arena,
             struct exec_result *ret_result)
{
    struct call_request bounded = *request;
    struct state_view *view;
    struct block_env env;
    if (bounded.gas_limit == 0 || bounded.gas_limit > APP_CALL_GAS_MAX) {
        bounded.gas_limit = APP_CALL_GAS_MAX;
    }
    TRY(app_env_of(app, height, &env));
    TRY(state_view_open(app->state, height, &view));
    env.hashes = app_hashes(view);
    err e = call_on(app, view, &env, &bounded, arena, ret_result);
    state_view_close(view);
    return e;
}

/* The highest gas limit worth trying: of a transaction, of the request, and what the sender can pay
 * if a price is named. */
static err estimate_cap(struct state_view *view, const struct call_request *request, u64 *ret_gas)
{
    u64 cap = request->gas_limit == 0 ? GAS_TX_MAX : min_u64(request->gas_limit, GAS_TX_MAX);
    u64 price;
    if (u256_to_u64(&price, request->max_fee) && price > 0) {
        struct account account;
        struct u256 left;
        u64 payable;
        TRY(state_view_account(view, &request->from, &account));
        if (!u256_sub(&left, account.balance, request->value)) {
            left = u256_from_u64(0);
        }
        if (u256_to_u64(&payable, u256_div_u64(left, price, NULL))) {
            cap = min_u64(cap, payable);
        }
    }
    *ret_gas = cap;
    return ok();
}

struct estimate {
    struct app *app;
    struct state_view *view;
    const struct block_env *env;
    struct call_request request;
    struct arena *arena;
};

static err try_gas(struct estimate *estimate, u64 gas, struct exec_result *ret_result,
                   bool *ret_works)
{
    estimate->request.gas_limit = gas;
    TRY(call_on(estimate->app, estimate->view, estimate->env, &estimate->request, estimate->arena,
                ret_result));
    *ret_works = ret_result->verdict == TX_VALID && ret_result->success;
    return ok();
}

/* The gas that the widest run took is enough unless something looks at what is left (the sentry of
 * SSTORE does): so it is tried first, and the search starts from there. */
static err search(struct estimate *estimate, u64 cap, struct exec_result *ret_result, u64 *ret_gas)
{
    struct exec_result result;
    bool works;
    TRY(try_gas(estimate, cap, ret_result, &works));
    if (!works) {
        return ok();
    }
    u64 enough = cap;
    u64 too_little = ret_result->gas_peak - 1;
    u64 gas = ret_result->gas_peak;
    while (enough - too_little > 1) {
        TRY(try_gas(estimate, gas, &result, &works));
        if (works) {
            enough = gas;
        } else {
            too_little = gas;
        }
        gas = too_little + (enough - too_little) / 2;
    }
    *ret_gas = enough;
    return ok();
}

err app_estimate(struct app *app, u64 height, const struct call_request *request,
                 struct arena *arena, struct exec_result *ret_result, u64 *ret_gas)
{
    struct block_env env;
    struct estimate estimate = {.app = app, .env = &env, .request = *request, .arena = arena};
    u64 cap;
    TRY(app_env_of(app, height, &env));
    TRY(state_view_open(app->state, height, &estimate.view));
    env.hashes = app_hashes(estimate.view);
    err e = estimate_cap(estimate.view, request, &cap);
    if (is_ok(e)) {
        e = search(&estimate, cap, ret_result, ret_gas);
    }
    state_view_close(estimate.view);
    return e;
}

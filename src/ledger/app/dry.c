#include "ledger/app/dry.h"

#include "base/assert.h"
#include "ledger/app/internal.h"
#include "ledger/ethereum/process.h"
#include "ledger/exec/gas.h"

#define BLOCK_ARENA_BYTES MIB(256)

static void dry_init(struct app *app, struct state_view *view, const struct block_env *env,
                     struct app_dry *dry)
{
    struct state_source source = state_view_source(view);
    *dry = (struct app_dry){.app = app, .view = view, .env = *env};
    dry->env.hashes = app_hashes(view);
    journal_init(&dry->journal, &source, APP_CALL_BYTES_MAX);
    executor_init(&dry->executor, &dry->journal, &dry->env);
    dry->executor.codes = &app->codes;
}

void app_dry_close(struct app_dry *dry)
{
    journal_free(&dry->journal);
    state_view_close(dry->view);
}

err app_dry_after(struct app *app, u64 height, struct app_dry *dry)
{
    struct state_view *view;
    struct block_env env;
    TRY(app_env_of(app, height, &env));
    TRY(state_view_open(app->state, height, &view));
    dry_init(app, view, &env, dry);
    return ok();
}

err app_dry_root(struct app_dry *dry, struct hash *ret_root)
{
    struct arena arena;
    struct state_changes changes;
    arena_init(&arena, APP_BLOCK_BYTES_MAX);
    err e = journal_changes(&dry->journal, &arena, &changes);
    if (is_ok(e)) {
        e = state_view_root(dry->view, &changes, ret_root);
    }
    arena_free(&arena);
    return e;
}

err app_dry_tx(struct app_dry *dry, bytes raw, struct arena *arena, struct exec_result *ret_result)
{
    struct tx tx;
    struct address sender;
    if (tx_decode_within(arena, raw, raw.len, &tx) != TX_VALID ||
        !app_sender(dry->app, &tx, raw, &sender)) {
        return fail(ERR_INTEGRITY); /* it was in a block */
    }
    return execute_tx(&dry->executor, &tx, &sender, arena, ret_result);
}

/* What comes before the transactions of a block. */
static err begin_block(struct app_dry *dry, const struct block_header *header)
{
    if (dry->app->genesis != NULL) {
        return execute_begin_block(&dry->executor);
    }
    return process_system_begin(&dry->executor, header);
}

static err run_until(struct app_dry *dry, u64 height, size_t index, struct arena *arena)
{
    struct block_body body;
    bytes encoded;
    TRY(state_view_block(dry->view, STATE_BODY, height, arena, &encoded));
    if (!is_ok(block_full_body_decode(arena, encoded, &body)) || index > body.txs.count) {
        return fail(ERR_INTEGRITY);
    }
    for (size_t i = 0; i < index; i++) {
        struct arena scratch;
        struct exec_result result;
        arena_init(&scratch, EXEC_TX_BYTES_MAX + 4 * body.txs.items[i].len);
        err e = app_dry_tx(dry, body.txs.items[i], &scratch, &result);
        arena_free(&scratch);
        TRY(e);
        if (result.verdict != TX_VALID) {
            return fail(ERR_INTEGRITY);
        }
    }
    return ok();
}

err app_dry_inside(struct app *app, u64 height, size_t index, struct app_dry *dry)
{
    struct state_view *view;
    struct block_header header;
    struct arena arena;
    assert_that(height > 0);
    TRY(app_header(app, height, &header));
    TRY(state_view_open(app->state, height - 1, &view));
    struct block_env env = rules_env(&app->rules, &header);
    dry_init(app, view, &env, dry);
    arena_init(&arena, BLOCK_ARENA_BYTES);
    err e = begin_block(dry, &header);
    if (is_ok(e)) {
        e = run_until(dry, height, index, &arena);
    }
    arena_free(&arena);
    if (!is_ok(e)) {
        app_dry_close(dry);
    }
    return e;
}

/* --- calls --- */

/* One run; the output is copied into `arena`. */
static err run_call(struct app *app, const struct app_call_options *options,
                    const struct call_request *request, struct arena *arena,
                    struct exec_result *ret_result)
{
    struct app_dry dry;
    struct arena scratch;
    struct exec_result result = {0};
    TRY(app_dry_after(app, options->height, &dry));
    arena_init(&scratch, EXEC_TX_BYTES_MAX);
    err e = options->prepare != NULL ? options->prepare(options->ctx, &dry) : ok();
    dry.executor.tracer = options->tracer;
    if (is_ok(e)) {
        e = execute_call(&dry.executor, request, &scratch, &result);
    }
    if (is_ok(e)) {
        result.output = arena_copy(arena, result.output);
        e = result.output.data != NULL ? ok() : fail(ERR_LIMIT);
    }
    arena_free(&scratch);
    app_dry_close(&dry);
    if (is_ok(e)) {
        *ret_result = result;
    }
    return e;
}

err app_call(struct app *app, const struct app_call_options *options,
             const struct call_request *request, struct arena *arena,
             struct exec_result *ret_result)
{
    struct call_request bounded = *request;
    if (bounded.gas_limit == 0 || bounded.gas_limit > APP_CALL_GAS_MAX) {
        bounded.gas_limit = APP_CALL_GAS_MAX;
    }
    return run_call(app, options, &bounded, arena, ret_result);
}

/* What the sender can pay for, if a price is named. */
static err payable_gas(struct app_dry *dry, const struct call_request *request, u64 *gas)
{
    struct account account;
    struct u256 left;
    u64 price;
    u64 payable;
    if (!u256_to_u64(&price, request->max_fee) || price == 0) {
        return ok();
    }
    TRY(journal_account(&dry->journal, &request->from, &account));
    if (!u256_sub(&left, account.balance, request->value)) {
        left = u256_from_u64(0);
    }
    if (u256_to_u64(&payable, u256_div_u64(left, price, NULL))) {
        *gas = min_u64(*gas, payable);
    }
    return ok();
}

/* The highest gas limit worth trying: of a transaction, of the request, and what can be paid. */
static err estimate_cap(struct app *app, const struct app_call_options *options,
                        const struct call_request *request, u64 *ret_gas)
{
    struct app_dry dry;
    TRY(app_dry_after(app, options->height, &dry));
    u64 most = dry.env.fork >= FORK_OSAKA ? GAS_TX_MAX : dry.env.gas_limit;
    u64 cap = request->gas_limit == 0 ? most : min_u64(request->gas_limit, most);
    err e = options->prepare != NULL ? options->prepare(options->ctx, &dry) : ok();
    if (is_ok(e)) {
        e = payable_gas(&dry, request, &cap);
    }
    app_dry_close(&dry);
    *ret_gas = cap;
    return e;
}

struct estimate {
    struct app *app;
    const struct app_call_options *options;
    struct call_request request;
    struct arena *arena;
};

static err try_gas(struct estimate *estimate, u64 gas, struct exec_result *ret_result,
                   bool *ret_works)
{
    estimate->request.gas_limit = gas;
    TRY(run_call(estimate->app, estimate->options, &estimate->request, estimate->arena,
                 ret_result));
    *ret_works = ret_result->verdict == TX_VALID && ret_result->success;
    return ok();
}

/* The gas that the widest run took is enough unless something looks at what is left (the sentry of
 * SSTORE does, and every call inside: it gets at most 63/64): so it is tried first, then that with
 * the 64th and the stipend, and the search starts from there. */
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
    u64 wider = gas + gas / 63 + GAS_CALL_STIPEND;
    for (size_t tries = 0; enough - too_little > 1; tries++) {
        TRY(try_gas(estimate, gas, &result, &works));
        if (works) {
            enough = gas;
        } else {
            too_little = gas;
        }
        gas = too_little + (enough - too_little) / 2;
        if (tries == 0 && !works && wider < enough) {
            gas = wider;
        }
    }
    *ret_gas = enough;
    return ok();
}

err app_estimate(struct app *app, const struct app_call_options *options,
                 const struct call_request *request, struct arena *arena,
                 struct exec_result *ret_result, u64 *ret_gas)
{
    struct estimate estimate = {
        .app = app, .options = options, .request = *request, .arena = arena};
    u64 cap;
    TRY(estimate_cap(app, options, request, &cap));
    return search(&estimate, cap, ret_result, ret_gas);
}

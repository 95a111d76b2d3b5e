/* dry.h: executions whose changes are forgotten: calls, estimates, traces, simulated blocks.
 *
 * A dry run is a journal over the state after some height, with an environment and an executor. It
 * begins either after a block (app_dry_after()) or inside one, before a transaction that is in it
 * (app_dry_inside()), for which the transactions before it are executed again. Whoever holds it may
 * change the journal and the environment as they like before they execute anything; nothing of it
 * can reach the store. One per call: it holds a read transaction.
 */
#ifndef LEDGER_APP_DRY_H
#define LEDGER_APP_DRY_H

#include "ledger/app/app.h"

struct app_dry {
    struct app *app;
    struct state_view *view;
    struct journal journal;
    struct block_env env;
    struct executor executor;
};

/* app_dry_after: on the state after `height`, in the environment of that block. ERR_NOT_FOUND:
 * not in the kept history. `dry` must not move; app_dry_close() it. */
err app_dry_after(struct app *app, u64 height, struct app_dry *dry);
/* app_dry_inside: on the state of block `height` before its transaction `index`, which may be the
 * number of its transactions; height > 0. Costs what these transactions cost. */
err app_dry_inside(struct app *app, u64 height, size_t index, struct app_dry *dry);
void app_dry_close(struct app_dry *dry);
/* app_dry_root: the state root with all that the journal changed. */
err app_dry_root(struct app_dry *dry, struct hash *ret_root);
/* app_dry_tx: executes a raw transaction that is in the block. */
err app_dry_tx(struct app_dry *dry, bytes raw, struct arena *arena, struct exec_result *ret_result);

/* What a call runs on. */
struct app_call_options {
    u64 height;
    /* Called on every dry run before the call is executed; may be NULL. */
    err (*prepare)(void *ctx, struct app_dry *dry);
    void *ctx;
    const struct evm_tracer *tracer; /* NULL: nobody watches */
};

/* app_call: runs a call and forgets its changes; the output lies in arena. gas_limit 0:
 * APP_CALL_GAS_MAX, and never more. ERR_NOT_FOUND: height not in the kept history. */
err app_call(struct app *app, const struct app_call_options *options,
             const struct call_request *request, struct arena *arena,
             struct exec_result *ret_result);
/* app_estimate: the least gas limit with which the call succeeds. result: of the last run; if
 * success is false there (or the verdict is not TX_VALID), *ret_gas is not set. */
err app_estimate(struct app *app, const struct app_call_options *options,
                 const struct call_request *request, struct arena *arena,
                 struct exec_result *ret_result, u64 *ret_gas);

#endif

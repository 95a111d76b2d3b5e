#include "chain/chain.h"

#include "base/log.h"
#include "base/mem.h"
#include "chain/internal.h"

#define HEALTHY_MS 10000
#define FIRST_HEAD_RETRY_MS 200

static err wait_for_first_head(struct chain *chain, u64 deadline_ms)
{
    err last = fail(ERR_TIMEOUT);
    for (;;) {
        err e = chain_fetch_head(chain, 0, 0, deadline_ms);
        if (is_ok(e) && chain->head.time != 0) {
            return e;
        }
        if (is_err(e, ERR_INTEGRITY) || is_err(e, ERR_CANCELLED)) {
            return e;
        }
        /* A fault says more than that the last attempt was cut short. */
        last = is_ok(e) || is_err(e, ERR_TIMEOUT) ? last : e;
        u64 again_ms = chain_deadline(chain, FIRST_HEAD_RETRY_MS);
        if (again_ms >= deadline_ms) {
            return last;
        }
        TRY(fiber_sleep(chain->loop, again_ms));
    }
}

err chain_open(struct loop *loop, const struct chain_options *options, u64 deadline_ms,
               struct chain **ret_chain)
{
    struct chain *chain = MEM_NEW(struct chain);
    chain->loop = loop;
    event_init(&chain->advanced);
    event_init(&chain->closed);
    group_init(&chain->followers);
    map_init(&chain->accounts);
    err e;
    TRY_GOTO(e, rpc_link_init(&chain->rpc, loop, options->rpc_urls, options->rpc_url_count),
             failed);
    TRY_GOTO(e, chain_read_genesis(chain, options->genesis_path), failed);
    TRY_GOTO(e, wait_for_first_head(chain, deadline_ms), failed);
    TRY_GOTO(e, group_start(loop, &chain->followers, "chain", chain_follow, chain), failed);
    *ret_chain = chain;
    return ok();
failed:
    rpc_link_free(&chain->rpc);
    mem_free(chain);
    return e;
}

void chain_close(struct chain *chain)
{
    if (chain == NULL) {
        return;
    }
    chain->closing = true;
    rpc_link_cancel(&chain->rpc);
    event_wake_all(&chain->closed);
    group_wait(chain->loop, &chain->followers);
    chain_views_free(chain);
    rpc_link_free(&chain->rpc);
    mem_free(chain);
}

u64 chain_id(const struct chain *chain) { return chain->trust.chain_id; }

struct chain_head chain_head(const struct chain *chain) { return chain->head; }

err chain_wait(struct chain *chain, u64 height, u64 deadline_ms)
{
    while (chain->head.height <= height) {
        TRY(event_wait(chain->loop, &chain->advanced, deadline_ms));
    }
    return ok();
}

bool chain_healthy(const struct chain *chain)
{
    return loop_now_ms(chain->loop) - chain->last_poll_ms < HEALTHY_MS;
}

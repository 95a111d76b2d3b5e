/* head.c: following the newest certified head. */
#include "chain/internal.h"

#include "base/log.h"
#include "os/file.h"

#define HEAD_ANSWER_BYTES_MAX KIB(64)
#define HEAD_MARGIN_MS RPC_QUIET_MS /* for a node to answer once it need not wait any more */
#define HEAD_RETRY_MS 500
/* So long without a new head, and the next node is followed. */
#define HEAD_STALE_MS 10000

err chain_read_genesis(struct chain *chain, const char *path)
{
    struct arena arena;
    bytes text;
    arena_init(&arena, CHECK_GENESIS_BYTES_MAX);
    err e = file_load(path, &arena, &text);
    if (is_ok(e)) {
        e = check_genesis(text, &chain->trust);
    }
    arena_free(&arena);
    if (is_err(e, ERR_USAGE)) {
        log_error("chain", "the genesis %s names no chain id or no seats", path);
    } else if (!is_ok(e)) {
        log_error("chain", "cannot read the genesis %s: %s", path, err_text(e));
    }
    return e;
}

void chain_adopt(struct chain *chain, const struct chain_head *head)
{
    if (head->height > chain->head.height || chain->head.time == 0) {
        chain->head = *head;
        chain->advanced_ms = loop_now_ms(chain->loop);
        event_wake_all(&chain->advanced);
    }
}

/* Null, or a certified head; one that is not above ours says as little as null. */
static err read_head(void *ctx, const json_t *answer)
{
    struct chain *chain = ctx;
    struct chain_head head;
    if (json_is_null(answer)) {
        return ok();
    }
    TRY(check_head(&chain->trust, answer, &head));
    chain_adopt(chain, &head);
    return ok();
}

err chain_fetch_head(struct chain *chain, u64 after, u64 wait_ms, u64 deadline_ms)
{
    const struct rpc_request request = {
        .method = "cairn_head",
        .params = json_pack("[o, o]", json_quantity(after), json_quantity(wait_ms)),
        .answer_bytes_max = HEAD_ANSWER_BYTES_MAX,
        .deadline_ms = deadline_ms,
        .wait_ms = wait_ms,
        .read = read_head,
        .ctx = chain,
    };
    TRY(rpc_call(&chain->rpc, &request, NULL));
    chain->last_poll_ms = loop_now_ms(chain->loop);
    return ok();
}

/* A node may be honest and stuck, or keep back what happens: another one may know more. */
static void avoid_stale_node(struct chain *chain)
{
    u64 now_ms = loop_now_ms(chain->loop);
    if (now_ms - chain->advanced_ms >= HEAD_STALE_MS && chain->rpc.url_count > 1) {
        log_warn("chain", "%s has had no block above %llu for %u s, trying another ledger node",
                 chain->rpc.urls[chain->rpc.preferred], (unsigned long long)chain->head.height,
                 HEAD_STALE_MS / 1000);
        rpc_link_avoid(&chain->rpc);
        chain->advanced_ms = now_ms; /* as long again for that one */
    }
}

void chain_follow(void *arg)
{
    struct chain *chain = arg;
    const u64 per_node_ms = CHAIN_HEAD_WAIT_MS + HEAD_MARGIN_MS;
    while (!chain->closing && !loop_stopping(chain->loop)) {
        u64 begin_ms = loop_now_ms(chain->loop);
        u64 before = chain->head.height;
        err e = chain_fetch_head(chain, before, CHAIN_HEAD_WAIT_MS,
                                 begin_ms + per_node_ms * chain->rpc.url_count);
        if (is_err(e, ERR_CANCELLED)) {
            return;
        }
        if (chain->head.height == before) {
            /* A node that answers at once, with a fault or nothing new, is not asked in a hurry. */
            IGNORE(event_wait(chain->loop, &chain->closed, begin_ms + HEAD_RETRY_MS));
            avoid_stale_node(chain);
        }
    }
}

/* logs.c: receipts and logs of final blocks. */
#include "chain/internal.h"

#define RECEIPT_POLL_MS 400
#define RECEIPT_ANSWER_BYTES_MAX MIB(8)
#define LOGS_ANSWER_BYTES_MAX MIB(16)

/* ---- receipts ---- */

struct receipt_call {
    const struct chain *chain;
    const struct hash *tx;
    struct arena *arena;
    struct chain_receipt receipt;
    struct chain_head head; /* of its block */
};

/* Null: in no block, or the block is not certified yet. */
static err read_receipt(void *ctx, const json_t *answer)
{
    struct receipt_call *call = ctx;
    if (json_is_null(answer)) {
        return fail(ERR_NOT_FOUND);
    }
    return check_receipt(&call->chain->trust, call->tx, answer, call->arena, &call->receipt,
                         &call->head);
}

err chain_receipt_of(struct chain *chain, const struct hash *tx, struct arena *arena,
                     u64 deadline_ms, struct chain_receipt *ret_receipt)
{
    struct receipt_call call = {.chain = chain, .tx = tx, .arena = arena};
    const struct rpc_request request = {
        .method = "cairn_receipt",
        .params = json_pack("[o]", json_data(BYTES_OF(*tx))),
        .answer_bytes_max = RECEIPT_ANSWER_BYTES_MAX,
        .deadline_ms = deadline_ms,
        .read = read_receipt,
        .ctx = &call,
    };
    TRY(rpc_call(&chain->rpc, &request, NULL));
    chain_adopt(chain, &call.head); /* what is read next shows what the transaction did */
    *ret_receipt = call.receipt;
    return ok();
}

err chain_await(struct chain *chain, const struct hash *tx, struct arena *arena, u64 deadline_ms,
                struct chain_receipt *ret_receipt)
{
    for (;;) {
        u64 height = chain->head.height;
        u64 call_deadline = min_u64(deadline_ms, chain_deadline(chain, CHAIN_CALL_TIMEOUT_MS));
        err e = chain_receipt_of(chain, tx, arena, call_deadline, ret_receipt);
        if (is_ok(e) || is_err(e, ERR_CANCELLED)) {
            return e;
        }
        if (loop_now_ms(chain->loop) >= deadline_ms) {
            return fail(ERR_TIMEOUT);
        }
        u64 poll = min_u64(deadline_ms, chain_deadline(chain, RECEIPT_POLL_MS));
        e = chain_wait(chain, height, poll);
        if (is_err(e, ERR_CANCELLED)) {
            return e;
        }
    }
}

/* ---- logs ---- */

struct logs_call {
    struct log_query query;
    struct arena *arena;
    const struct chain_log *logs;
    size_t count;
};

static err read_logs(void *ctx, const json_t *answer)
{
    struct logs_call *call = ctx;
    return check_logs(&call->query, answer, call->arena, &call->logs, &call->count);
}

err chain_logs(struct chain *chain, const struct address *address, u64 from, u64 to,
               struct arena *arena, u64 deadline_ms, const struct chain_log **ret_logs,
               size_t *ret_count)
{
    u64 last = min_u64(to, chain->head.height);
    struct logs_call call = {.query = {.address = *address, .from = from + 1, .to = last},
                             .arena = arena};
    if (from >= last) {
        *ret_logs = NULL;
        *ret_count = 0;
        return ok();
    }
    json_t *filter =
        json_pack("{s:o, s:o, s:o}", "address", json_data(BYTES_OF(*address)), "fromBlock",
                  json_quantity(from + 1), "toBlock", json_quantity(last));
    const struct rpc_request request = {
        .method = "eth_getLogs",
        .params = json_pack("[o]", filter),
        .answer_bytes_max = LOGS_ANSWER_BYTES_MAX,
        .deadline_ms = deadline_ms,
        .read = read_logs,
        .ctx = &call,
    };
    TRY(rpc_call(&chain->rpc, &request, NULL));
    *ret_logs = call.logs;
    *ret_count = call.count;
    return ok();
}

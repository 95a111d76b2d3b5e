/* logs.c: receipts and logs of final blocks. */
#include "chain/internal.h"

#include "base/log.h"

#define RECEIPT_POLL_MS 400

static bool read_log(const json_t *item, struct arena *arena, struct chain_log *ret_log)
{
    const json_t *topics = json_object_get(item, "topics");
    u64 index;
    *ret_log = (struct chain_log){.topic_count = (u8)json_array_size(topics)};
    if (json_array_size(topics) > COUNT_OF(ret_log->topics)) {
        return false;
    }
    for (size_t i = 0; i < ret_log->topic_count; i++) {
        if (!json_read_fixed(json_array_get(topics, i), ret_log->topics[i].b, 32)) {
            return false;
        }
    }
    if (!json_read_quantity(json_object_get(item, "logIndex"), &index) || index > UINT32_MAX) {
        return false;
    }
    ret_log->index = (u32)index;
    return json_read_fixed(json_object_get(item, "address"), ret_log->address.b, 20) &&
           json_read_data(json_object_get(item, "data"), arena, &ret_log->data) &&
           json_read_quantity(json_object_get(item, "blockNumber"), &ret_log->height) &&
           json_read_fixed(json_object_get(item, "transactionHash"), ret_log->tx.b, 32);
}

static err read_logs(const json_t *array, struct arena *arena, const struct chain_log **ret_logs,
                     size_t *ret_count)
{
    size_t count = json_array_size(array);
    if (!json_is_array(array)) {
        return fail(ERR_MALFORMED);
    }
    struct chain_log *logs = ARENA_ARRAY(arena, struct chain_log, count);
    if (logs == NULL) {
        return fail(ERR_LIMIT);
    }
    for (size_t i = 0; i < count; i++) {
        if (!read_log(json_array_get(array, i), arena, &logs[i])) {
            return fail(ERR_MALFORMED);
        }
    }
    *ret_logs = logs;
    *ret_count = count;
    return ok();
}

static err read_receipt(const json_t *answer, struct arena *arena, struct chain_receipt *ret)
{
    u64 status;
    if (!json_read_quantity(json_object_get(answer, "blockNumber"), &ret->height) ||
        !json_read_quantity(json_object_get(answer, "gasUsed"), &ret->gas_used) ||
        !json_read_quantity(json_object_get(answer, "status"), &status)) {
        return fail(ERR_MALFORMED);
    }
    ret->success = status == 1;
    return read_logs(json_object_get(answer, "logs"), arena, &ret->logs, &ret->log_count);
}

err chain_receipt_of(struct chain *chain, const struct hash *tx, struct arena *arena,
                     u64 deadline_ms, struct chain_receipt *ret_receipt)
{
    json_t *answer;
    json_t *params = json_pack("[o]", json_data(BYTES_OF(*tx)));
    TRY(rpc_call(&chain->rpc, "eth_getTransactionReceipt", params, deadline_ms, NULL, &answer));
    struct chain_receipt receipt = {0};
    err e = json_is_null(answer) ? fail(ERR_NOT_FOUND) : read_receipt(answer, arena, &receipt);
    json_decref(answer);
    TRY(e);
    if (receipt.height > chain->head.height) {
        return fail(ERR_NOT_FOUND); /* in a block whose state is not certified yet */
    }
    *ret_receipt = receipt;
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

err chain_logs(struct chain *chain, const struct address *address, u64 from, u64 to,
               struct arena *arena, u64 deadline_ms, const struct chain_log **ret_logs,
               size_t *ret_count)
{
    json_t *filter = json_pack("{s:o, s:o, s:o}", "address", json_data(BYTES_OF(*address)),
                               "fromBlock", json_quantity(from + 1), "toBlock", json_quantity(to));
    json_t *answer;
    TRY(rpc_call(&chain->rpc, "eth_getLogs", json_pack("[o]", filter), deadline_ms, NULL, &answer));
    err e = read_logs(answer, arena, ret_logs, ret_count);
    json_decref(answer);
    return e;
}

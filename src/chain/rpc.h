/* rpc.h: JSON-RPC 2.0 calls to ledger nodes that may be slow, gone or lying. Internal to src/chain.
 *
 * A link has the urls of several nodes and tries them in turn, the preferred one first; a node that
 * answers where the preferred one failed takes its place. Each gets its share of the time that is
 * left, so one that stalls does not use up the deadline. What an answer must be is said by the
 * caller's reader, which also takes the values out of it: an answer that it finds malformed or
 * wrong counts like no answer, and the next node is asked. An error object is an answer and ends
 * the call.
 *
 * A node that lost its power says nothing more on connections that it had, and answers on new ones
 * once it is back. So silence is not waited for to the end: after RPC_QUIET_MS the question is
 * asked once more over a fresh connection, and so on with twice the patience each time. Every
 * question may be asked twice: reads change nothing, and a transaction that was taken is known.
 *
 * Bounds: bytes of an answer (by the call), values in it (RPC_VALUES_MAX, against texts that grow
 * when parsed), time (RPC_ATTEMPT_MS a node even if the caller would wait for ever).
 */
#ifndef CHAIN_RPC_H
#define CHAIN_RPC_H

#include "codec/json.h"
#include "net/http.h"

#define RPC_URLS_MAX 16
#define RPC_MESSAGE_BYTES 256
#define RPC_ERROR_DATA_BYTES_MAX 1024
#define RPC_ATTEMPT_MS 15000
#define RPC_QUIET_MS 2000
#define RPC_QUESTION_BYTES_MAX MIB(1)
#define RPC_VALUES_MAX 400000

struct rpc_link {
    struct loop *loop;
    struct http_client *http;
    char *urls[RPC_URLS_MAX]; /* owned */
    size_t url_count;
    size_t preferred;
    u64 next_id;
};

struct rpc_error {
    int code; /* JSON-RPC error code; 0: none */
    char message[RPC_MESSAGE_BYTES];
    u8 data[RPC_ERROR_DATA_BYTES_MAX]; /* what a revert returned, if it came along and fits */
    size_t data_len;
};

/* rpc_reader: takes the values out of a result; called again if it was not content. ERR_MALFORMED,
 * ERR_INTEGRITY, ERR_LIMIT: the node is at fault, another one is asked; other faults end the
 * call. */
typedef err rpc_reader(void *ctx, const json_t *result);

struct rpc_request {
    const char *method;
    json_t *params; /* the reference is taken */
    size_t answer_bytes_max;
    u64 deadline_ms;
    u64 wait_ms; /* what the node may wait before it answers; 0: it should answer at once */
    rpc_reader *read;
    void *ctx;
};

/* rpc_link_init: ERR_USAGE: no urls, too many, or one that is no http url. */
err rpc_link_init(struct rpc_link *link, struct loop *loop, const char *const *urls, size_t count);
/* rpc_link_cancel: calls under way and later ones end with ERR_CANCELLED. */
void rpc_link_cancel(struct rpc_link *link);
void rpc_link_free(struct rpc_link *link);
/* rpc_link_avoid: the node that is preferred now is asked last from now on. */
void rpc_link_avoid(struct rpc_link *link);

/* rpc_call: ERR_REFUSED: an error object, see *ret_error (may be NULL). If no node is content with:
 * the fault of the last one that was merely away (ERR_NETWORK, ERR_TIMEOUT, ERR_CLOSED, ERR_BUSY),
 * or if all of them answered wrongly, that of the last (ERR_MALFORMED, ERR_INTEGRITY, ERR_LIMIT).
 * ERR_CANCELLED. */
err rpc_call(struct rpc_link *link, const struct rpc_request *request, struct rpc_error *ret_error);

/* rpc_read_answer: the text of an answer to request number `id`; pure. *ret_result is a new
 * reference. ERR_REFUSED: *ret_error is set. ERR_MALFORMED, ERR_LIMIT. */
err rpc_read_answer(bytes text, u64 id, size_t bytes_max, struct rpc_error *ret_error,
                    json_t **ret_result);

#endif

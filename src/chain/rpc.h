/* rpc.h: JSON-RPC 2.0 calls to a ledger node, with failover. Internal to src/chain.
 *
 * The urls are tried in turn, starting with the one that answered last. An answer with an error
 * object is ERR_REFUSED (its code and message are kept in the link until the next call of this
 * fiber's link user reads them); an answer that is no JSON-RPC is ERR_MALFORMED.
 */
#ifndef CHAIN_RPC_H
#define CHAIN_RPC_H

#include "codec/json.h"
#include "net/http.h"

#define RPC_ANSWER_BYTES_MAX MIB(16)
#define RPC_URLS_MAX 16
#define RPC_MESSAGE_BYTES 256

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
};

err rpc_link_init(struct rpc_link *link, struct loop *loop, const char *const *urls, size_t count);
void rpc_link_free(struct rpc_link *link);
/* rpc_call: steals the reference to params; *ret_result is a new reference. ret_error may be NULL.
 * ERR_NETWORK, ERR_TIMEOUT, ERR_MALFORMED, ERR_REFUSED (see *ret_error). */
err rpc_call(struct rpc_link *link, const char *method, json_t *params, u64 deadline_ms,
             struct rpc_error *ret_error, json_t **ret_result);

#endif

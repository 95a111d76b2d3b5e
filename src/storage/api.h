/* api.h: the storage node's HTTP API (docs/protocols/store.md) over a shelf.
 *
 * Every request is checked in the same order: form of the target, capability (layout, signature,
 * chain, holder, time, operation, fragment), nonce for writes, right of the signer (rights.h), and
 * only then is anything read or written. What a client did wrong is 4xx, what this node cannot do
 * now is 503, no room is 507; the body is {"error":{"code","message","hint"}} always.
 *
 * Bounded: uploads and reads at once (gates), open bytes per signer (quota), body sizes. An upload
 * holds about 80 KiB, a read 80 KiB.
 */
#ifndef STORAGE_API_H
#define STORAGE_API_H

#include "base/metrics.h"
#include "net/http.h"
#include "storage/fault.h"
#include "storage/rights.h"
#include "storage/shelf.h"

#define API_UPLOADS_MAX 256
#define API_READS_MAX 128
#define INVENTORY_MAX 256 /* entries in one answer */

struct api;

struct api_options {
    struct loop *loop;
    struct shelf *shelf;
    struct store_rights rights;
    u64 chain_id;
    u32 provider;
    const struct secp_secret *signer; /* of receipts; borrowed */
    u64 open_bytes_max;               /* quota of uncommitted bytes per signer */
    struct store_fault fault;
    struct metrics *metrics;
    /* A read met damaged bytes; may be NULL. */
    void (*damaged)(void *ctx, const struct fragment_key *key);
    void *damaged_ctx;
};

struct api *api_new(const struct api_options *options);
/* api_free: no request may be running. NULL is fine. */
void api_free(struct api *api);
/* api_handle: serves one request below /v1/ but /v1/status. */
void api_handle(struct api *api, struct http_exchange *exchange);
/* api_error: an error answer in the API's form. hint may be NULL. */
void api_error(struct http_exchange *exchange, int status, const char *code, const char *message,
               const char *hint);

#endif

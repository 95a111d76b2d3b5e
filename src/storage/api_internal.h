/* api_internal.h: what the files of the HTTP API share. Private to src/storage. */
#ifndef STORAGE_API_INTERNAL_H
#define STORAGE_API_INTERNAL_H

#include "data/capability.h"
#include "storage/api.h"
#include "storage/nonces.h"

#define API_COUNTERS(X)                                                                            \
    X(puts, "cairn_store_puts_total", "fragments taken")                                           \
    X(put_bytes, "cairn_store_put_bytes_total", "bytes of fragments taken")                        \
    X(renewals, "cairn_store_renewals_total", "receipts renewed")                                  \
    X(gets, "cairn_store_gets_total", "fragment reads answered")                                   \
    X(get_bytes, "cairn_store_get_bytes_total", "bytes of fragments read")                         \
    X(copies, "cairn_store_commit_copies_total", "commit copies taken")                            \
    X(refusals, "cairn_store_refusals_total", "requests refused (4xx)")                            \
    X(no_space, "cairn_store_no_space_total", "requests refused for want of space (507)")          \
    X(failures, "cairn_store_failures_total", "requests that this node could not serve (5xx)")

struct api {
    struct api_options options;
    struct gate uploads;
    struct gate reads;
    struct nonces nonces;
#define API_COUNTER_FIELD(field, name, help) u64 *field;
    API_COUNTERS(API_COUNTER_FIELD)
#undef API_COUNTER_FIELD
};

#define API_PARTS_MAX 5

/* One request, parsed: "/v1/fragment/7.1.42/3?from=0" is parts {"v1", "fragment", "7.1.42", "3"}.
 */
struct api_request {
    struct api *api;
    struct http_exchange *exchange;
    const struct http_request *http;
    bytes parts[API_PARTS_MAX];
    size_t part_count;
    bytes query; /* without '?', empty if none */
    struct fragment_key key;
    struct capability capability;
    struct store_grant grant;
};

/* api_fail: an error answer, counted. */
void api_fail(struct api_request *request, int status, const char *code, const char *message,
              const char *hint);
/* api_fail_fault: a fault of the shelf as an answer: 404, 409, 503 or 507. */
void api_fail_fault(struct api_request *request, err fault);
/* api_query_u64: a decimal parameter; `absent` if it is not there. False: not a number. */
MUST_USE bool api_query_u64(const struct api_request *request, const char *name, u64 absent,
                            u64 *ret);
/* api_query: its text, empty if it is not there. */
bytes api_query(const struct api_request *request, const char *name);
/* api_authorise: capability and rights for request->key; false: answered. With `any_fragment` the
 * capability may name whichever fragment (and, for RIGHT_COMMIT and RIGHT_INVENTORY, whichever
 * segment). */
MUST_USE bool api_authorise(struct api_request *request, enum capability_op op,
                            enum store_right right, bool any_fragment);
/* api_respond_receipt: signs and sends. */
void api_respond_receipt(struct api_request *request, const struct segment_seal *seal, u8 index,
                         u64 deadline);
u64 api_receipt_deadline(const struct api *api);
/* api_faulty: whether this request is one to misbehave in. */
bool api_faulty(const struct api *api, enum store_fault_kind kind);

/* api_write.c */
void api_put_fragment(struct api_request *request);
void api_renew_receipt(struct api_request *request);
void api_delete_fragment(struct api_request *request);
void api_post_commit(struct api_request *request);
/* api_read.c */
void api_get_fragment(struct api_request *request);
void api_head_fragment(struct api_request *request);
void api_get_segment(struct api_request *request);
void api_get_inventory(struct api_request *request);

#endif

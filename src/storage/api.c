#include "storage/api.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "codec/json.h"
#include "storage/api_internal.h"

#define ERROR_BYTES_MAX KIB(2)
#define SIGNATURE_SCHEME "Cairn"

bool store_fault_parse(enum store_fault_kind *ret, const char *word)
{
    static const struct {
        const char *name;
        enum store_fault_kind kind;
    } words[] = {{"none", FAULT_NONE},
                 {"wrong-bytes", FAULT_WRONG_BYTES},
                 {"truncate", FAULT_TRUNCATE},
                 {"stall", FAULT_STALL},
                 {"refuse", FAULT_REFUSE}};
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (strcmp(words[i].name, word) == 0) {
            *ret = words[i].kind;
            return true;
        }
    }
    return false;
}

/* ---- answers ---- */

void api_error(struct http_exchange *exchange, int status, const char *code, const char *message,
               const char *hint)
{
    struct buf body;
    json_t *error = json_pack("{s:s, s:s, s:s}", "code", code, "message", message, "hint",
                              hint != NULL ? hint : "");
    json_t *answer = json_pack("{s:o}", "error", error);
    buf_init(&body, ERROR_BYTES_MAX);
    json_write(&body, answer);
    json_decref(answer);
    http_clear_headers(exchange);
    http_set_header_str(exchange, "Content-Type", "application/json");
    if (status == 401) {
        http_set_header_str(exchange, "WWW-Authenticate", SIGNATURE_SCHEME);
    }
    if (status == 503) {
        http_set_header_str(exchange, "Retry-After", "1");
    }
    IGNORE(http_respond(exchange, status, buf_bytes(&body))); /* the client may be gone */
    buf_free(&body);
}

void api_fail(struct api_request *request, int status, const char *code, const char *message,
              const char *hint)
{
    struct api *api = request->api;
    u64 *counter = status == 507 ? api->no_space : status >= 500 ? api->failures : api->refusals;
    ++*counter;
    log_debug("storage", "%d %s for %s: %s", status, code, request->http->peer, message);
    api_error(request->exchange, status, code, message, hint);
}

void api_fail_fault(struct api_request *request, err fault)
{
    switch ((enum err_code)fault.code) {
    case ERR_NOT_FOUND:
        api_fail(request, 404, "NotFound", "no such fragment here", NULL);
        return;
    case ERR_CONFLICT:
        api_fail(request, 409, "OtherBytes", "this key holds other bytes here",
                 "a ticket number is for one segment; take a fresh one");
        return;
    case ERR_LIMIT:
        api_fail(request, 413, "TooLarge", "more bytes than a fragment can have", NULL);
        return;
    case ERR_BUSY:
        api_fail(request, 503, "Busy", "this fragment is just being changed", "try again");
        return;
    case ERR_NO_SPACE:
        api_fail(request, 507, "NoSpace", "no room for this fragment", "take another holder");
        return;
    case ERR_INTEGRITY:
        api_fail(request, 500, "Damaged", "the stored bytes are damaged", "read another holder");
        return;
    case ERR_CANCELLED:
        api_fail(request, 503, "Stopping", "the node is stopping", "try another holder");
        return;
    case ERR_OK:
    case ERR_FAILED:
    case ERR_USAGE:
    case ERR_REFUSED:
    case ERR_EXISTS:
    case ERR_NETWORK:
    case ERR_TIMEOUT:
    case ERR_CLOSED:
    case ERR_MALFORMED:
    case ERR_IO:
        break;
    }
    api_fail(request, 503, "DiskFailure", "this node cannot use its disk now",
             "take another holder");
}

/* ---- the request's form ---- */

bytes api_query(const struct api_request *request, const char *name)
{
    bytes rest = request->query;
    size_t name_len = strlen(name);
    while (rest.len > 0) {
        size_t end = min_size(bytes_find(rest, bytes_str("&")), rest.len);
        bytes item = bytes_slice(rest, 0, end);
        if (item.len > name_len && bytes_starts_with(item, bytes_str(name)) &&
            item.data[name_len] == '=') {
            return bytes_slice(item, name_len + 1, item.len - name_len - 1);
        }
        size_t next = min_size(end + 1, rest.len);
        rest = bytes_slice(rest, next, rest.len - next);
    }
    return bytes_make(NULL, 0);
}

bool api_query_u64(const struct api_request *request, const char *name, u64 absent, u64 *ret)
{
    bytes text = api_query(request, name);
    *ret = absent;
    return text.len == 0 || parse_u64(ret, text);
}

static bool split_target(struct api_request *request)
{
    bytes path = request->http->target;
    size_t mark = bytes_find(path, bytes_str("?"));
    if (mark < path.len) {
        request->query = bytes_slice(path, mark + 1, path.len - mark - 1);
        path = bytes_slice(path, 0, mark);
    }
    while (path.len > 0 && path.data[0] == '/' && request->part_count < API_PARTS_MAX) {
        path = bytes_slice(path, 1, path.len - 1);
        size_t end = min_size(bytes_find(path, bytes_str("/")), path.len);
        request->parts[request->part_count++] = bytes_slice(path, 0, end);
        path = bytes_slice(path, end, path.len - end);
    }
    return path.len == 0;
}

/* ---- rights ---- */

static bool check_capability(struct api_request *request, enum capability_op op, bool any_fragment,
                             bool any_segment)
{
    struct api *api = request->api;
    struct capability *capability = &request->capability;
    bytes header = http_find_header(request->http, "Authorization");
    if (header.data == NULL || capability_parse(capability, header) != CAPABILITY_OK) {
        api_fail(request, 401, "NoCapability", "a capability is needed",
                 "Authorization: Cairn BASE64, see docs/formats/capability.md");
        return false;
    }
    const struct capability_request wanted = {
        .chain_id = api->options.chain_id,
        .holder = api->options.provider,
        .op = op,
        .key = any_segment ? capability->key : request->key.segment,
        .fragment = any_fragment ? capability->fragment : request->key.index,
        .now = loop_wall_ms(api->options.loop) / 1000,
    };
    enum capability_verdict verdict = capability_allows(capability, &wanted);
    if (verdict == CAPABILITY_OK) {
        verdict = capability_verify(capability);
    }
    if (verdict != CAPABILITY_OK) {
        api_fail(request, 403, "BadCapability", capability_verdict_name(verdict), NULL);
        return false;
    }
    return true;
}

static bool ask_rights(struct api_request *request, enum store_right right)
{
    const struct store_rights *rights = &request->api->options.rights;
    err e = rights->check(rights->ctx, right, &request->capability.who, &request->key.segment,
                          &request->grant);
    if (!is_ok(e)) {
        api_fail(request, 503, "ChainUnknown", "the chain cannot be asked now", "try again");
        return false;
    }
    if (!request->grant.allowed) {
        api_fail(request, 403, "NoRight", request->grant.reason, NULL);
        return false;
    }
    return true;
}

bool api_authorise(struct api_request *request, enum capability_op op, enum store_right right,
                   bool any_fragment)
{
    bool any_segment = right == RIGHT_COMMIT || right == RIGHT_INVENTORY;
    if (!check_capability(request, op, any_fragment, any_segment) || !ask_rights(request, right)) {
        return false;
    }
    if (op == CAPABILITY_WRITE && !nonces_use(&request->api->nonces, request->capability.nonce)) {
        api_fail(request, 403, "UsedNonce", "this capability was used before",
                 "sign a fresh one for each write");
        return false;
    }
    return true;
}

/* ---- receipts ---- */

u64 api_receipt_deadline(const struct api *api)
{
    const struct store_rights *rights = &api->options.rights;
    return rights->time(rights->ctx) + RECEIPT_TTL_SECONDS;
}

void api_respond_receipt(struct api_request *request, const struct segment_seal *seal, u8 index,
                         u64 deadline)
{
    const struct api_options *options = &request->api->options;
    struct receipt_terms terms = segment_seal_terms(seal, options->chain_id, index, deadline);
    struct holder_receipt receipt = {
        .index = index, .provider = options->provider, .deadline = deadline};
    struct hash digest;
    struct buf record;
    receipt_digest(&digest, &terms);
    secp_sign(&receipt.signature, options->signer, &digest);
    buf_init(&record, RECEIPT_BYTES);
    receipt_write(&record, &receipt);
    http_set_header_str(request->exchange, "Content-Type", "application/octet-stream");
    IGNORE(http_respond(request->exchange, 200, buf_bytes(&record))); /* it can be asked again */
    buf_free(&record);
}

bool api_faulty(const struct api *api, enum store_fault_kind kind)
{
    const struct store_fault *fault = &api->options.fault;
    u8 draw;
    if (fault->kind != kind || kind == FAULT_NONE) {
        return false;
    }
    loop_random(api->options.loop, &draw, sizeof draw);
    return fault->percent == 0 || draw % 100 < fault->percent;
}

/* ---- routes ---- */

/* What follows "/v1/NAME" in a target. */
enum route_form { FORM_FRAGMENT, FORM_SEGMENT, FORM_NONE };

struct route {
    const char *method;
    const char *name;
    enum route_form form;
    void (*handler)(struct api_request *request);
};

static const struct route routes[] = {
    {"PUT", "fragment", FORM_FRAGMENT, api_put_fragment},
    {"GET", "fragment", FORM_FRAGMENT, api_get_fragment},
    {"HEAD", "fragment", FORM_FRAGMENT, api_head_fragment},
    {"DELETE", "fragment", FORM_FRAGMENT, api_delete_fragment},
    {"POST", "receipt", FORM_FRAGMENT, api_renew_receipt},
    {"GET", "segment", FORM_SEGMENT, api_get_segment},
    {"GET", "inventory", FORM_NONE, api_get_inventory},
    {"POST", "commit", FORM_NONE, api_post_commit},
};

static bool parse_index(u8 *ret, bytes text)
{
    u64 index;
    if (!parse_u64(&index, text) || index >= FRAGMENTS_MAX) {
        return false;
    }
    *ret = (u8)index;
    return true;
}

static bool parse_key(struct api_request *request, enum route_form form)
{
    switch (form) {
    case FORM_FRAGMENT:
        return request->part_count == 4 &&
               segment_key_parse(&request->key.segment, request->parts[2]) &&
               parse_index(&request->key.index, request->parts[3]);
    case FORM_SEGMENT:
        return request->part_count == 3 &&
               segment_key_parse(&request->key.segment, request->parts[2]);
    case FORM_NONE:
        return request->part_count == 2;
    }
    unreachable_case();
}

static void serve(struct api_request *request)
{
    bool known = false;
    if (!split_target(request) || request->part_count < 2 ||
        !bytes_eq_str(request->parts[0], "v1")) {
        api_fail(request, 404, "NoSuchPath", "no such path", "see docs/protocols/store.md");
        return;
    }
    for (size_t i = 0; i < COUNT_OF(routes); i++) {
        if (!bytes_eq_str(request->parts[1], routes[i].name)) {
            continue;
        }
        known = true;
        if (bytes_eq_str(request->http->method, routes[i].method)) {
            if (parse_key(request, routes[i].form)) {
                routes[i].handler(request);
            } else {
                api_fail(request, 400, "BadKey", "no such key",
                         "TERRITORY.GATEWAY.NUMBER in decimal, then the fragment's index");
            }
            return;
        }
    }
    if (known) {
        api_fail(request, 405, "BadMethod", "this path does not know the method", NULL);
    } else {
        api_fail(request, 404, "NoSuchPath", "no such path", "see docs/protocols/store.md");
    }
}

void api_handle(struct api *api, struct http_exchange *exchange)
{
    struct api_request request = {
        .api = api, .exchange = exchange, .http = http_request_of(exchange)};
    serve(&request);
}

struct api *api_new(const struct api_options *options)
{
    struct api *api = MEM_NEW(struct api);
    api->options = *options;
    gate_init(&api->uploads, API_UPLOADS_MAX);
    gate_init(&api->reads, API_READS_MAX);
    nonces_init(&api->nonces);
#define API_COUNTER_MAKE(field, name, help)                                                        \
    api->field = metrics_counter(options->metrics, name, help);
    API_COUNTERS(API_COUNTER_MAKE)
#undef API_COUNTER_MAKE
    return api;
}

void api_free(struct api *api)
{
    if (api != NULL) {
        nonces_free(&api->nonces);
        mem_free(api);
    }
}

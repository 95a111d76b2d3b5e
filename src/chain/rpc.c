#include "chain/rpc.h"

#include "base/log.h"
#include "base/mem.h"
#include "net/url.h"

err rpc_link_init(struct rpc_link *link, struct loop *loop, const char *const *urls, size_t count)
{
    *link = (struct rpc_link){.loop = loop};
    if (count == 0 || count > RPC_URLS_MAX) {
        log_error("chain", "between 1 and %d urls of ledger nodes are needed", RPC_URLS_MAX);
        return fail(ERR_USAGE);
    }
    for (size_t i = 0; i < count; i++) {
        struct url url;
        if (!is_ok(url_parse(&url, urls[i])) || url.https) {
            log_error("chain", "not the http url of a ledger node: %s", urls[i]);
            return fail(ERR_USAGE);
        }
        link->urls[link->url_count++] = mem_strdup(urls[i]);
    }
    return http_client_new(loop, &(struct http_client_options){0}, &link->http);
}

void rpc_link_cancel(struct rpc_link *link) { http_client_cancel(link->http); }

void rpc_link_free(struct rpc_link *link)
{
    for (size_t i = 0; i < link->url_count; i++) {
        mem_free(link->urls[i]);
    }
    http_client_free(link->http);
    *link = (struct rpc_link){0};
}

void rpc_link_avoid(struct rpc_link *link)
{
    link->preferred = (link->preferred + 1) % link->url_count;
}

/* ---- one answer ---- */

/* Every value of a JSON text is followed by one of these, or by the end. */
static bool too_many_values(bytes text)
{
    size_t count = 1;
    for (size_t i = 0; i < text.len; i++) {
        u8 c = text.data[i];
        count += c == ',' || c == ':' || c == '[' || c == '{';
    }
    return count > RPC_VALUES_MAX;
}

static void read_error_data(const char *text, struct rpc_error *ret_error)
{
    size_t len = text != NULL ? strlen(text) / 2 : 0; /* and "0x" */
    if (len > 1 && len - 1 <= sizeof ret_error->data &&
        hex_decode_0x(ret_error->data, len - 1, bytes_str(text))) {
        ret_error->data_len = len - 1;
    }
}

/* The message is text from outside: it goes into logs without line ends and the like. */
static void read_error(const json_t *error, struct rpc_error *ret_error)
{
    const char *message = json_read_str(error, "message");
    size_t len = message != NULL ? min_size(strlen(message), RPC_MESSAGE_BYTES - 1) : 0;
    json_int_t code = json_integer_value(json_object_get(error, "code"));
    bool fits = code != 0 && code >= INT32_MIN && code <= INT32_MAX;
    *ret_error = (struct rpc_error){.code = fits ? (int)code : -1};
    for (size_t i = 0; i < len; i++) {
        u8 c = (u8)message[i];
        ret_error->message[i] = (char)(c < 0x20 || c >= 0x7f ? '?' : c);
    }
    read_error_data(json_read_str(error, "data"), ret_error);
}

static err read_root(const json_t *root, u64 id, struct rpc_error *ret_error, json_t **ret_result)
{
    const json_t *number = json_object_get(root, "id");
    const json_t *error = json_object_get(root, "error");
    json_t *result = json_object_get(root, "result");
    const char *version = json_read_str(root, "jsonrpc");
    if (version == NULL || strcmp(version, "2.0") != 0 || !json_is_integer(number) ||
        (u64)json_integer_value(number) != id) {
        return fail(ERR_MALFORMED);
    }
    if (json_is_object(error)) {
        read_error(error, ret_error);
        return fail(ERR_REFUSED);
    }
    if (result == NULL) {
        return fail(ERR_MALFORMED);
    }
    *ret_result = json_incref(result);
    return ok();
}

err rpc_read_answer(bytes text, u64 id, size_t bytes_max, struct rpc_error *ret_error,
                    json_t **ret_result)
{
    json_t *root;
    if (too_many_values(text)) {
        return fail(ERR_LIMIT);
    }
    TRY(json_parse(text, bytes_max, &root));
    err e = read_root(root, id, ret_error, ret_result);
    json_decref(root);
    return e;
}

/* ---- one node ---- */

struct attempt {
    struct rpc_link *link;
    const struct rpc_request *request;
    bytes text; /* of the request */
    u64 id;
    const char *url;
    bool again; /* after silence */
    u64 deadline_ms;
};

static err fetch(const struct attempt *attempt, struct arena *arena, bytes *ret_answer)
{
    const struct http_header type = {bytes_str("Content-Type"), bytes_str("application/json")};
    const struct http_call_options options = {
        .method = "POST",
        .url = attempt->url,
        .headers = &type,
        .header_count = 1,
        .deadline_ms = attempt->deadline_ms,
        .fresh = attempt->again,
    };
    int status;
    TRY(http_fetch(attempt->link->http, &options, attempt->text, arena, &status, ret_answer));
    return status == 200 ? ok() : fail(status == 503 ? ERR_BUSY : ERR_MALFORMED);
}

static err ask(const struct attempt *attempt, struct rpc_error *ret_error)
{
    size_t bytes_max = attempt->request->answer_bytes_max;
    struct arena arena;
    bytes answer;
    json_t *result = NULL;
    arena_init(&arena, bytes_max);
    err e = fetch(attempt, &arena, &answer);
    if (is_ok(e)) {
        e = rpc_read_answer(answer, attempt->id, bytes_max, ret_error, &result);
    }
    arena_free(&arena);
    if (is_ok(e)) {
        e = attempt->request->read(attempt->request->ctx, result);
    }
    json_decref(result);
    return e;
}

/* ---- all of them ---- */

static bool is_wrong(err e)
{
    return is_err(e, ERR_MALFORMED) || is_err(e, ERR_INTEGRITY) || is_err(e, ERR_LIMIT);
}

static bool is_away(err e)
{
    return is_err(e, ERR_NETWORK) || is_err(e, ERR_TIMEOUT) || is_err(e, ERR_CLOSED) ||
           is_err(e, ERR_BUSY);
}

/* Until when one node may take, if `left` of them are still to be asked in this round. What would
 * not do for another round is added to this one. */
static u64 attempt_deadline(const struct rpc_link *link, u64 deadline_ms, size_t left,
                            u64 patience_ms)
{
    u64 now_ms = loop_now_ms(link->loop);
    u64 rest_ms = deadline_ms > now_ms ? deadline_ms - now_ms : 0;
    u64 share_ms = ceil_div(rest_ms, left);
    return now_ms + (share_ms < 2 * patience_ms ? share_ms : patience_ms);
}

/* One round: every node once, until one is content. *ret_silent: one of those that were away did
 * not say so itself. */
static err ask_all(struct attempt *attempt, u64 deadline_ms, u64 patience_ms,
                   struct rpc_error *ret_error, bool *ret_silent)
{
    struct rpc_link *link = attempt->link;
    size_t first = link->preferred; /* other fibers change it meanwhile */
    err away = ok();
    err last = ok();
    *ret_silent = false;
    for (size_t i = 0; i < link->url_count; i++) {
        size_t at = (first + i) % link->url_count;
        attempt->url = link->urls[at];
        attempt->deadline_ms =
            attempt_deadline(link, deadline_ms, link->url_count - i, patience_ms);
        last = ask(attempt, ret_error);
        if (!is_wrong(last) && !is_away(last)) {
            /* Only a fault changes the preference: one that stalls on some questions must not come
             * back because it answers others. */
            bool better = i > 0 && link->preferred == first && !is_err(last, ERR_CANCELLED);
            link->preferred = better ? at : link->preferred;
            return last;
        }
        if (is_wrong(last)) {
            log_warn("chain", "%s answered %s wrongly: %s", attempt->url, attempt->request->method,
                     err_text(last));
        } else {
            log_debug("chain", "%s, %s: %s", attempt->url, attempt->request->method,
                      err_text(last));
            away = last;
            *ret_silent = *ret_silent || is_err(last, ERR_TIMEOUT);
        }
    }
    return is_ok(away) ? last : away;
}

static err ask_patiently(struct attempt *attempt, struct rpc_error *ret_error)
{
    const struct rpc_link *link = attempt->link;
    u64 patience_ms = attempt->request->wait_ms + RPC_QUIET_MS;
    u64 limit_ms = loop_now_ms(link->loop) + link->url_count * RPC_ATTEMPT_MS;
    u64 deadline_ms = min_u64(attempt->request->deadline_ms, limit_ms);
    for (;;) {
        bool silent;
        err e = ask_all(attempt, deadline_ms, patience_ms, ret_error, &silent);
        if (!silent || (!is_away(e) && !is_wrong(e)) || loop_now_ms(link->loop) >= deadline_ms) {
            return e;
        }
        attempt->again = true;
        patience_ms *= 2;
    }
}

err rpc_call(struct rpc_link *link, const struct rpc_request *request, struct rpc_error *ret_error)
{
    struct rpc_error unused;
    struct rpc_error *error = ret_error != NULL ? ret_error : &unused;
    struct attempt attempt = {.link = link, .request = request, .id = ++link->next_id};
    struct buf text;
    *error = (struct rpc_error){0};
    json_t *root = json_pack("{s:s, s:I, s:s, s:o}", "jsonrpc", "2.0", "id", (json_int_t)attempt.id,
                             "method", request->method, "params", request->params);
    buf_init(&text, RPC_QUESTION_BYTES_MAX);
    json_write(&text, root);
    json_decref(root);
    err e = buf_done(&text);
    if (is_ok(e)) {
        attempt.text = buf_bytes(&text);
        e = ask_patiently(&attempt, error);
    }
    buf_free(&text);
    return e;
}

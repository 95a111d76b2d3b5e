#include "chain/rpc.h"

#include "base/log.h"
#include "base/mem.h"

#include <stdio.h>

err rpc_link_init(struct rpc_link *link, struct loop *loop, const char *const *urls, size_t count)
{
    if (count == 0 || count > RPC_URLS_MAX) {
        log_error("chain", "between 1 and %d ledger RPC urls are needed", RPC_URLS_MAX);
        return fail(ERR_USAGE);
    }
    *link = (struct rpc_link){.loop = loop};
    TRY(http_client_new(loop, &(struct http_client_options){0}, &link->http));
    for (size_t i = 0; i < count; i++) {
        link->urls[link->url_count++] = mem_strdup(urls[i]);
    }
    return ok();
}

void rpc_link_free(struct rpc_link *link)
{
    for (size_t i = 0; i < link->url_count; i++) {
        mem_free(link->urls[i]);
    }
    if (link->http != NULL) {
        http_client_free(link->http);
    }
    *link = (struct rpc_link){0};
}

static err post(struct rpc_link *link, const char *url, bytes request, u64 deadline_ms,
                struct arena *arena, bytes *ret_answer)
{
    const struct http_header type = {bytes_str("Content-Type"), bytes_str("application/json")};
    const struct http_call_options options = {
        .method = "POST",
        .url = url,
        .headers = &type,
        .header_count = 1,
        .body_length = request.len,
        .deadline_ms = deadline_ms,
    };
    int status;
    TRY(http_fetch(link->http, &options, request, arena, &status, ret_answer));
    return status == 200 ? ok() : fail(status == 503 ? ERR_BUSY : ERR_MALFORMED);
}

/* Tries every url once; a node that answers becomes the preferred one. */
static err post_any(struct rpc_link *link, bytes request, u64 deadline_ms, struct arena *arena,
                    bytes *ret_answer)
{
    err last = fail(ERR_NETWORK);
    for (size_t i = 0; i < link->url_count; i++) {
        size_t at = (link->preferred + i) % link->url_count;
        last = post(link, link->urls[at], request, deadline_ms, arena, ret_answer);
        if (is_ok(last)) {
            link->preferred = at;
            return last;
        }
        if (is_err(last, ERR_CANCELLED)) {
            return last;
        }
    }
    return last;
}

static err read_answer(bytes answer, struct rpc_error *ret_error, json_t **ret_result)
{
    json_t *root;
    TRY(json_parse(answer, RPC_ANSWER_BYTES_MAX, &root));
    json_t *error = json_object_get(root, "error");
    json_t *result = json_object_get(root, "result");
    err e = ok();
    if (json_is_object(error)) {
        const char *message = json_read_str(error, "message");
        ret_error->code = (int)json_integer_value(json_object_get(error, "code"));
        snprintf(ret_error->message, sizeof ret_error->message, "%s", message ? message : "");
        e = fail(ERR_REFUSED);
    } else if (result == NULL) {
        e = fail(ERR_MALFORMED);
    } else {
        *ret_result = json_incref(result);
    }
    json_decref(root);
    return e;
}

err rpc_call(struct rpc_link *link, const char *method, json_t *params, u64 deadline_ms,
             struct rpc_error *ret_error, json_t **ret_result)
{
    struct rpc_error unused;
    struct rpc_error *error = ret_error ? ret_error : &unused;
    *error = (struct rpc_error){0};
    json_t *request = json_pack("{s:s, s:I, s:s, s:o}", "jsonrpc", "2.0", "id",
                                (json_int_t)++link->next_id, "method", method, "params", params);
    struct buf text;
    buf_init(&text, RPC_ANSWER_BYTES_MAX);
    json_write(&text, request);
    json_decref(request);

    struct arena arena;
    arena_init(&arena, RPC_ANSWER_BYTES_MAX + KIB(64));
    bytes answer;
    err e = buf_done(&text);
    if (is_ok(e)) {
        e = post_any(link, buf_bytes(&text), deadline_ms, &arena, &answer);
    }
    if (is_ok(e)) {
        e = read_answer(answer, error, ret_result);
    }
    arena_free(&arena);
    buf_free(&text);
    return e;
}

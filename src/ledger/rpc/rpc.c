#include "ledger/rpc/rpc.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "ledger/rpc/internal.h"

#define ERROR_BYTES_MAX MIB(1) /* of one error, with its revert data */

void rpc_new(const struct rpc_options *options, struct rpc **ret_rpc)
{
    struct rpc *rpc = MEM_NEW(struct rpc);
    rpc->options = *options;
    event_init(&rpc->resumed);
    event_init(&rpc->advanced);
    map_init(&rpc->filters);
    list_init(&rpc->sessions);
    gate_init(&rpc->rounds, RPC_LARGE_ROUNDS_MAX);
    *ret_rpc = rpc;
}

void rpc_free(struct rpc *rpc)
{
    if (rpc != NULL) {
        assert_that(list_empty(&rpc->sessions));
        rpc_filters_free(rpc);
        mem_free(rpc);
    }
}

void rpc_pause(struct rpc *rpc)
{
    assert_that(!rpc->paused && rpc->options.loop != NULL);
    rpc->paused = true;
}

void rpc_resume(struct rpc *rpc)
{
    assert_that(rpc->paused);
    rpc->paused = false;
    event_wake_all(&rpc->resumed);
}

void rpc_advanced(struct rpc *rpc)
{
    event_wake_all(&rpc->advanced);
    rpc_sessions_wake(rpc);
}

void rpc_stop_waiting(struct rpc *rpc)
{
    rpc->draining = true;
    event_wake_all(&rpc->advanced);
}

struct rpc_counts rpc_counts(const struct rpc *rpc)
{
    struct rpc_counts counts = rpc->counts;
    counts.filters = rpc->filters.count;
    return counts;
}

/* --- answers --- */

static json_t *envelope(const json_t *id)
{
    json_t *answer = json_object();
    json_object_set_new(answer, "jsonrpc", json_string("2.0"));
    json_object_set_new(answer, "id", id != NULL ? json_deep_copy(id) : json_null());
    return answer;
}

static json_t *error_answer(const json_t *id, int code, const char *message, json_t *data)
{
    json_t *answer = envelope(id);
    json_t *error = json_object();
    json_t *text = json_string(message);
    json_object_set_new(error, "code", json_integer(code));
    json_object_set_new(error, "message", text != NULL ? text : json_string("error"));
    if (data != NULL) {
        json_object_set(error, "data", data);
    }
    json_object_set_new(answer, "error", error);
    return answer;
}

/* Takes over the answer. Errors always fit: the limit gives way to them. */
static void write_error(struct buf *out, json_t *answer)
{
    struct buf text;
    buf_init(&text, ERROR_BYTES_MAX);
    json_write(&text, answer);
    if (text.failed) {
        out->failed = true;
    } else {
        out->limit = max_size(out->limit, out->len + text.len);
        buf_put(out, buf_bytes(&text));
    }
    buf_free(&text);
    json_decref(answer);
}

void rpc_answer_failure(struct buf *out, int code, const char *message)
{
    write_error(out, error_answer(NULL, code, message, NULL));
}

/* --- one call --- */

static u64 now_ms(const struct rpc *rpc)
{
    return rpc->options.loop != NULL ? loop_now_ms(rpc->options.loop) : 0;
}

/* What a call takes of the loop's time is paid, too, by methods that do not wait. */
static json_t *run_timed(struct rpc_request *r, const struct rpc_method *method,
                         struct rpc_client *client)
{
    u64 begin_ms = now_ms(r->rpc);
    json_t *result = method->run(r);
    if (rpc_method_cost(method->name) > 1) {
        rpc_client_charge(client, now_ms(r->rpc) - begin_ms);
    }
    return result;
}

static json_t *run_method(struct rpc_request *r, const struct rpc_method *method,
                          struct rpc_client *client)
{
    size_t count = json_array_size(r->params);
    if (count < method->params_min) {
        return rpc_refuse(r, RPC_INVALID_PARAMS, "missing value for required argument %zu", count);
    }
    if (count > method->params_max) {
        return rpc_refuse(r, RPC_INVALID_PARAMS, "too many arguments, want at most %u",
                          method->params_max);
    }
    return rpc_enter(r) ? run_timed(r, method, client) : NULL;
}

/* Appends the text of the answer, unless there is nobody to answer (id NULL). An answer that does
 * not fit becomes an error. */
static void write_answer(struct rpc_request *r, const json_t *id, json_t *result, struct buf *out)
{
    struct rpc *rpc = r->rpc;
    if (id != NULL && result != NULL) {
        size_t begin = out->len;
        json_t *answer = envelope(id);
        json_object_set(answer, "result", result);
        json_write(out, answer);
        json_decref(answer);
        if (out->failed) {
            out->failed = false;
            out->len = begin;
            rpc_refuse(r, RPC_LIMIT, "the answer is larger than %llu bytes",
                       (unsigned long long)RPC_REPLY_BYTES_MAX);
        }
    }
    if (r->code != 0) {
        rpc->counts.failures++;
    }
    if (id != NULL && r->code != 0) {
        write_error(out, error_answer(id, r->code, r->message, r->data));
    }
}

static void run_call(struct rpc *rpc, const char *name, const json_t *params, const json_t *id,
                     struct rpc_asker asker, struct buf *out)
{
    struct rpc_request r = {.rpc = rpc,
                            .app = rpc->options.app,
                            .params = params,
                            .may_wait = asker.may_wait,
                            .session = asker.session};
    const struct rpc_method *method = rpc_method_find(name);
    json_t *result = NULL;
    arena_init(&r.arena, RPC_REQUEST_BYTES_MAX);
    rpc->counts.calls++;
    if (!rpc_client_pay(asker.client, rpc_method_cost(name))) {
        rpc_refuse(&r, RPC_LIMIT, "too many requests, try again in a second");
    } else if (method == NULL) {
        rpc_refuse(&r, RPC_METHOD_NOT_FOUND, "the method %.100s does not exist", name);
    } else {
        result = run_method(&r, method, asker.client);
        assert_that((result == NULL) == (r.code != 0));
    }
    rpc_view_close(&r);
    write_answer(&r, id, result, out);
    json_decref(result);
    json_decref(r.data);
    arena_free(&r.arena);
}

static void refuse_request(struct rpc *rpc, const json_t *id, int code, const char *message,
                           struct buf *out)
{
    rpc->counts.failures++;
    write_error(out, error_answer(id, code, message, NULL));
}

static bool id_is_fine(const json_t *id)
{
    return id == NULL || json_is_string(id) || json_is_number(id) || json_is_null(id);
}

static void answer_one(struct rpc *rpc, const json_t *request, struct rpc_asker asker,
                       struct buf *out)
{
    const json_t *id = json_object_get(request, "id");
    const char *version = json_read_str(request, "jsonrpc");
    const char *name = json_read_str(request, "method");
    const json_t *params = json_object_get(request, "params");
    if (!json_is_object(request) || version == NULL || strcmp(version, "2.0") != 0 ||
        name == NULL || !id_is_fine(id)) {
        refuse_request(rpc, id_is_fine(id) ? id : NULL, RPC_INVALID_REQUEST, "invalid request",
                       out);
        return;
    }
    if (params != NULL && !json_is_array(params) && !json_is_null(params)) {
        if (id != NULL) {
            refuse_request(rpc, id, RPC_INVALID_PARAMS, "params must be an array", out);
        }
        return;
    }
    run_call(rpc, name, params, id, asker, out);
}

/* Calls of a batch let others run between them, and stop when it has taken too long. */
static void answer_of_batch(struct rpc *rpc, const json_t *request, struct rpc_asker asker,
                            u64 deadline_ms, struct buf *out)
{
    const json_t *id = json_object_get(request, "id");
    if (rpc->options.loop != NULL) {
        fiber_yield(rpc->options.loop);
    }
    if (now_ms(rpc) <= deadline_ms) {
        answer_one(rpc, request, asker, out);
    } else if (id != NULL && id_is_fine(id)) {
        refuse_request(rpc, id, RPC_LIMIT, "the batch takes too long", out);
    }
}

static void answer_batch(struct rpc *rpc, const json_t *batch, struct rpc_asker asker,
                         struct buf *out)
{
    size_t count = json_array_size(batch);
    size_t begin = out->len;
    u64 deadline_ms = now_ms(rpc) + RPC_BATCH_MAX_MS;
    if (count == 0) {
        refuse_request(rpc, NULL, RPC_INVALID_REQUEST, "empty batch", out);
        return;
    }
    if (count > RPC_BATCH_MAX) {
        refuse_request(rpc, NULL, RPC_INVALID_REQUEST, "batch too large", out);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        size_t before = out->len;
        out->limit = max_size(out->limit, before + 1); /* the frame always fits */
        buf_put_u8(out, before == begin ? '[' : ',');
        answer_of_batch(rpc, json_array_get(batch, i), asker, deadline_ms, out);
        if (out->len == before + 1) {
            out->len = before; /* a notification */
        }
    }
    if (out->len > begin) {
        out->limit = max_size(out->limit, out->len + 1);
        buf_put_u8(out, ']');
    }
}

/* The parsed form of a text takes much more memory than the text if it is all structure. */
static bool shape_is_fine(bytes text)
{
    size_t tokens = 0;
    bool in_string = false;
    for (size_t i = 0; i < text.len; i++) {
        u8 c = text.data[i];
        if (in_string && c == '\\') {
            i++;
        } else if (c == '"') {
            in_string = !in_string;
        } else if (!in_string) {
            tokens += c == ',' || c == ':' || c == '[' || c == '{';
        }
    }
    return tokens <= RPC_TOKENS_MAX;
}

void rpc_answer(struct rpc *rpc, bytes body, struct buf *out)
{
    rpc_answer_to(rpc, (struct rpc_asker){0}, body, out);
}

void rpc_answer_to(struct rpc *rpc, struct rpc_asker asker, bytes body, struct buf *out)
{
    json_t *request;
    if (body.len > RPC_BODY_BYTES_MAX || !shape_is_fine(body)) {
        refuse_request(rpc, NULL, RPC_INVALID_REQUEST, "request too large", out);
        return;
    }
    if (!is_ok(json_parse(body, RPC_BODY_BYTES_MAX, &request))) {
        refuse_request(rpc, NULL, RPC_PARSE_ERROR, "parse error", out);
        return;
    }
    if (json_is_array(request)) {
        asker.may_wait = false;
        answer_batch(rpc, request, asker, out);
    } else {
        asker.may_wait = true;
        answer_one(rpc, request, asker, out);
    }
    json_decref(request);
}

#include "ledger/rpc/rpc_server.h"

#include "base/mem.h"
#include "ledger/rpc/internal.h"
#include "ledger/rpc/ws.h"

#define GATE_WAIT_MS 5000
#define PREFLIGHT_SECONDS "600"

struct rpc_server {
    struct rpc_server_options options;
    struct loop *loop;
    struct http_server *http;
    struct http_server *second; /* the port of options.ws_port, or NULL */
    struct gate bodies;
    struct gate replies;
    struct rpc_ws ws;
    struct rpc_limits limits;
};

/* --- who may ask --- */

/* The name in a Host header: without port, without the brackets of IPv6. */
static bytes host_name(bytes host)
{
    if (host.len > 0 && host.data[0] == '[') {
        size_t end = bytes_find(host, bytes_str("]"));
        return end == SIZE_MAX ? (bytes){0} : bytes_slice(host, 0, end + 1);
    }
    size_t colon = bytes_find(host, bytes_str(":"));
    return colon == SIZE_MAX ? host : bytes_slice(host, 0, colon);
}

static bool is_ipv4(bytes name)
{
    size_t dots = 0;
    for (size_t i = 0; i < name.len; i++) {
        dots += name.data[i] == '.';
        if (name.data[i] != '.' && (name.data[i] < '0' || name.data[i] > '9')) {
            return false;
        }
    }
    return dots == 3;
}

static bool host_is_fine(const struct rpc_server_options *options, bytes host)
{
    bytes name = host_name(host);
    if (is_ipv4(name) || bytes_starts_with(name, bytes_str("[")) ||
        bytes_eq_nocase(name, bytes_str("localhost"))) {
        return true;
    }
    for (size_t i = 0; i < options->host_count; i++) {
        if (strcmp(options->hosts[i], "*") == 0 ||
            bytes_eq_nocase(name, bytes_str(options->hosts[i]))) {
            return true;
        }
    }
    return false;
}

static void allow_origin(const struct rpc_server *server, struct http_exchange *exchange)
{
    const char *origin = server->options.cors_origin;
    bool asked = http_find_header(http_request_of(exchange), "Origin").data != NULL;
    if (asked && origin[0] != '\0') {
        http_set_header_str(exchange, "Access-Control-Allow-Origin", origin);
        http_set_header_str(exchange, "Vary", "Origin");
    }
}

static void preflight(const struct rpc_server *server, struct http_exchange *exchange)
{
    bool asked = http_find_header(http_request_of(exchange), "Origin").data != NULL;
    if (asked && server->options.cors_origin[0] != '\0') {
        http_set_header_str(exchange, "Access-Control-Allow-Methods", "POST, OPTIONS");
        http_set_header_str(exchange, "Access-Control-Allow-Headers", "Content-Type");
        http_set_header_str(exchange, "Access-Control-Max-Age", PREFLIGHT_SECONDS);
    }
    http_set_header_str(exchange, "Allow", "POST, OPTIONS");
    IGNORE(http_respond(exchange, 204, (bytes){0}));
}

static bool is_json(const struct http_request *request)
{
    bytes type = http_find_header(request, "Content-Type");
    size_t end = bytes_find(type, bytes_str(";"));
    if (end != SIZE_MAX) {
        type = bytes_slice(type, 0, end);
    }
    while (type.len > 0 && type.data[type.len - 1] == ' ') {
        type.len--;
    }
    return bytes_eq_nocase(type, bytes_str("application/json"));
}

/* --- answering --- */

static void respond_failure(struct http_exchange *exchange, int status, int code,
                            const char *message)
{
    struct buf out;
    buf_init(&out, KIB(4));
    rpc_answer_failure(&out, code, message);
    IGNORE(http_respond(exchange, status, buf_bytes(&out)));
    buf_free(&out);
}

/* Answers that clients take slowly must not fill the memory. */
static void respond(struct rpc_server *server, struct http_exchange *exchange,
                    struct rpc_client *client, const struct buf *out)
{
    if (out->failed) {
        respond_failure(exchange, 500, RPC_INTERNAL, "the answer does not fit");
    } else if (out->len == 0) {
        IGNORE(http_respond(exchange, 204, (bytes){0}));
    } else if (!rpc_client_begin_reply(client, out->len)) {
        respond_failure(exchange, 429, RPC_LIMIT, "too many of your answers under way");
    } else if (is_ok(gate_enter(server->loop, &server->replies, out->len,
                                loop_now_ms(server->loop) + GATE_WAIT_MS))) {
        IGNORE(http_respond(exchange, 200, buf_bytes(out)));
        gate_leave(&server->replies, out->len);
        rpc_client_end_reply(client, out->len);
    } else {
        rpc_client_end_reply(client, out->len);
        respond_failure(exchange, 503, RPC_LIMIT, "too many answers under way");
    }
}

static void answer(struct rpc_server *server, struct http_exchange *exchange,
                   struct rpc_client *client)
{
    bytes body;
    struct buf out;
    err e = http_read_body_all(exchange, RPC_BODY_BYTES_MAX, &body);
    if (is_err(e, ERR_LIMIT)) {
        respond_failure(exchange, 413, RPC_INVALID_REQUEST, "request too large");
        return;
    }
    if (!is_ok(e)) {
        return; /* the server answers what can be answered */
    }
    buf_init(&out, RPC_REPLY_BYTES_MAX);
    rpc_answer_to(server->options.rpc, (struct rpc_asker){.client = client}, body, &out);
    respond(server, exchange, client, &out);
    buf_free(&out);
}

static void refuse_client(struct rpc_server *server, struct http_exchange *exchange)
{
    server->limits.refused++;
    http_set_header_str(exchange, "Retry-After", "1");
    respond_failure(exchange, 429, RPC_LIMIT, "too many requests, try again in a second");
}

static void handle_post(struct rpc_server *server, struct http_exchange *exchange,
                        struct rpc_client *client)
{
    const struct http_request *request = http_request_of(exchange);
    http_set_header_str(exchange, "Content-Type", "application/json");
    if (!is_json(request)) {
        respond_failure(exchange, 415, RPC_INVALID_REQUEST,
                        "invalid content type, only application/json is supported");
        return;
    }
    u64 size = request->has_body_length ? request->body_length : RPC_BODY_BYTES_MAX;
    if (size > RPC_BODY_BYTES_MAX) {
        respond_failure(exchange, 413, RPC_INVALID_REQUEST, "request too large");
        return;
    }
    if (!is_ok(gate_enter(server->loop, &server->bodies, size,
                          loop_now_ms(server->loop) + GATE_WAIT_MS))) {
        respond_failure(exchange, 503, RPC_LIMIT, "too many requests under way");
        return;
    }
    answer(server, exchange, client);
    gate_leave(&server->bodies, size);
}

/* A client without credits is refused before its body is read. */
static void handle_client(struct rpc_server *server, struct http_exchange *exchange)
{
    struct rpc_client *client = rpc_client_hold(&server->limits, http_request_of(exchange)->peer);
    if (!rpc_client_has_credit(client) || !rpc_client_begin_request(client)) {
        http_set_header_str(exchange, "Content-Type", "application/json");
        refuse_client(server, exchange);
    } else {
        handle_post(server, exchange, client);
        rpc_client_end_request(client);
    }
    rpc_client_release(client);
}

static void handle(void *ctx, struct http_exchange *exchange)
{
    struct rpc_server *server = ctx;
    const struct http_request *request = http_request_of(exchange);
    allow_origin(server, exchange);
    if (!host_is_fine(&server->options, request->host)) {
        IGNORE(http_respond(exchange, 403, bytes_str("unknown host name\n")));
    } else if (ws_wants_upgrade(request)) {
        rpc_ws_serve(&server->ws, exchange);
    } else if (bytes_eq_str(request->method, "POST")) {
        handle_client(server, exchange);
    } else if (bytes_eq_str(request->method, "OPTIONS")) {
        preflight(server, exchange);
    } else {
        http_set_header_str(exchange, "Allow", "POST, OPTIONS");
        IGNORE(http_respond(exchange, 405, bytes_str("JSON-RPC 2.0 by POST\n")));
    }
}

static err listen_at(struct rpc_server *server, u16 port, struct http_server **ret_http)
{
    struct http_server_options http = {
        .host = server->options.host,
        .port = port,
        .handler = handle,
        .ctx = server,
        .server_name = "cairn",
        .connections_max = RPC_CONNECTIONS_MAX,
        .request_arena_bytes = RPC_BODY_BYTES_MAX + MIB(1),
    };
    return http_server_start(server->loop, &http, ret_http);
}

err rpc_server_start(struct loop *loop, const struct rpc_server_options *options,
                     struct rpc_server **ret_server)
{
    struct rpc_server *server = MEM_NEW(struct rpc_server);
    server->options = *options;
    server->loop = loop;
    if (options->cors_origin == NULL) {
        server->options.cors_origin = "*";
    }
    gate_init(&server->bodies, RPC_BODIES_BYTES_MAX);
    gate_init(&server->replies, RPC_REPLIES_BYTES_MAX);
    server->ws = (struct rpc_ws){.rpc = options->rpc,
                                 .loop = loop,
                                 .cors_origin = server->options.cors_origin,
                                 .replies = &server->replies,
                                 .limits = &server->limits};
    rpc_limits_init(&server->limits, loop, options->rate);
    rpc_ws_init(&server->ws);
    err e = listen_at(server, options->port, &server->http);
    if (is_ok(e) && options->has_ws_port) {
        e = listen_at(server, options->ws_port, &server->second);
    }
    if (!is_ok(e)) {
        rpc_server_close(server);
        return e;
    }
    *ret_server = server;
    return ok();
}

u16 rpc_server_port(const struct rpc_server *server) { return http_server_port(server->http); }

u16 rpc_server_ws_port(const struct rpc_server *server)
{
    return http_server_port(server->second != NULL ? server->second : server->http);
}

err rpc_server_drain(struct rpc_server *server, u64 deadline_ms)
{
    rpc_ws_drain(&server->ws, deadline_ms);
    err e = http_server_drain(server->http, deadline_ms);
    err second = server->second != NULL ? http_server_drain(server->second, deadline_ms) : ok();
    return is_ok(e) ? second : e;
}

void rpc_server_close(struct rpc_server *server)
{
    if (server != NULL) {
        http_server_close(server->http);
        http_server_close(server->second);
        rpc_limits_free(&server->limits);
        mem_free(server);
    }
}

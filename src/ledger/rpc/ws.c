#include "ledger/rpc/ws.h"

#include "ledger/rpc/internal.h"

#define REPLY_WAIT_MS 5000
#define GOODBYE_MS 1000 /* for clients to answer a goodbye */

struct connection {
    struct list node; /* of ws->conns */
    struct rpc_ws *ws;
    struct ws_conn *conn;
    struct rpc_session *session;
    struct rpc_client *client;
    struct group goodbye;
};

void rpc_ws_init(struct rpc_ws *ws)
{
    gate_init(&ws->large, RPC_WS_LARGE_MAX);
    list_init(&ws->conns);
}

/* --- who may ask --- */

/* No Origin: not a page. */
static bool origin_is_fine(const struct rpc_ws *ws, const struct http_request *request)
{
    bytes origin = http_find_header(request, "Origin");
    return origin.data == NULL || strcmp(ws->cors_origin, "*") == 0 ||
           (ws->cors_origin[0] != '\0' && bytes_eq_nocase(origin, bytes_str(ws->cors_origin)));
}

/* --- one connection --- */

static err send_text(void *ctx, bytes text)
{
    struct connection *connection = ctx;
    return ws_conn_send(connection->conn, text);
}

static void dropped(void *ctx, const char *reason)
{
    struct connection *connection = ctx;
    ws_conn_close(connection->conn, WS_POLICY, reason);
    ws_conn_cut(connection->conn);
}

static err send_failure(struct connection *connection, int code, const char *message)
{
    struct buf out;
    buf_init(&out, KIB(4));
    rpc_answer_failure(&out, code, message);
    err e = ws_conn_send(connection->conn, buf_bytes(&out));
    buf_free(&out);
    return e;
}

/* Answers that clients take slowly must not fill the memory. */
static err send_answer(struct connection *connection, const struct buf *out)
{
    struct rpc_ws *ws = connection->ws;
    if (out->failed) {
        return send_failure(connection, RPC_INTERNAL, "the answer does not fit");
    }
    if (out->len == 0) {
        return ok();
    }
    u64 deadline_ms = loop_now_ms(ws->loop) + REPLY_WAIT_MS;
    if (!rpc_client_begin_reply(connection->client, out->len)) {
        return send_failure(connection, RPC_LIMIT, "too many of your answers under way");
    }
    err e = fail(ERR_LIMIT);
    if (!is_ok(gate_enter(ws->loop, ws->replies, out->len, deadline_ms))) {
        e = send_failure(connection, RPC_LIMIT, "too many answers under way");
    } else {
        e = ws_conn_send(connection->conn, buf_bytes(out));
        gate_leave(ws->replies, out->len);
    }
    rpc_client_end_reply(connection->client, out->len);
    return e;
}

static err answer(struct connection *connection, bytes message)
{
    struct buf out;
    buf_init(&out, RPC_REPLY_BYTES_MAX);
    rpc_session_answer(connection->session, message, &out);
    err e = send_answer(connection, &out);
    buf_free(&out);
    rpc_session_answered(connection->session);
    return e;
}

static void converse(struct connection *connection)
{
    bytes message;
    err e = ok();
    while (is_ok(e) && is_ok(ws_conn_read(connection->conn, &message))) {
        e = answer(connection, message);
    }
}

static void serve(struct rpc_ws *ws, struct ws_conn *conn, struct rpc_client *client)
{
    struct connection connection = {.ws = ws, .conn = conn, .client = client};
    const struct rpc_session_options options = {client, send_text, dropped, &connection};
    group_init(&connection.goodbye);
    rpc_session_open(ws->rpc, &options, &connection.session);
    list_push_back(&ws->conns, &connection.node);
    converse(&connection);
    list_remove(&connection.node);
    rpc_session_close(connection.session);
    group_wait(ws->loop, &connection.goodbye);
}

static void refuse(struct http_exchange *exchange, int status, const char *reason)
{
    IGNORE(http_respond(exchange, status, bytes_str(reason)));
}

void rpc_ws_serve(struct rpc_ws *ws, struct http_exchange *exchange)
{
    const struct ws_conn_options options = {.message_bytes_max = RPC_BODY_BYTES_MAX,
                                            .large = &ws->large};
    struct ws_conn *conn;
    if (!origin_is_fine(ws, http_request_of(exchange))) {
        refuse(exchange, 403, "unknown origin\n");
        return;
    }
    if (ws->draining || ws->count >= RPC_WS_CONNECTIONS_MAX) {
        refuse(exchange, 503, "too many connections\n");
        return;
    }
    struct rpc_client *client = rpc_client_hold(ws->limits, http_request_of(exchange)->peer);
    if (!rpc_client_begin_socket(client)) {
        rpc_client_release(client);
        refuse(exchange, 429, "too many connections from your address\n");
        return;
    }
    ws->count++;
    if (is_ok(ws_conn_accept(exchange, &options, &conn))) {
        serve(ws, conn, client);
        ws_conn_free(conn);
    }
    ws->count--;
    rpc_client_end_socket(client);
    rpc_client_release(client);
}

/* --- the end --- */

static void goodbye_fiber(void *arg)
{
    struct connection *connection = arg;
    ws_conn_close(connection->conn, WS_GOING_AWAY, "the node stops");
}

void rpc_ws_drain(struct rpc_ws *ws, u64 deadline_ms)
{
    u64 now_ms = loop_now_ms(ws->loop);
    deadline_ms = min_u64(deadline_ms, now_ms + GOODBYE_MS);
    ws->draining = true;
    list_for (it, &ws->conns) {
        struct connection *connection = list_entry(it, struct connection, node);
        IGNORE(group_start(ws->loop, &connection->goodbye, "ws goodbye", goodbye_fiber,
                           connection)); /* without one it is cut below */
    }
    while (ws->count > 0 && loop_now_ms(ws->loop) < deadline_ms) {
        IGNORE(
            fiber_sleep(ws->loop, loop_now_ms(ws->loop) + 10)); /* a stop is seen by the fibers */
    }
    list_for (it, &ws->conns) {
        ws_conn_cut(list_entry(it, struct connection, node)->conn);
    }
}

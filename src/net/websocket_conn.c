#include "net/websocket_conn.h"

#include "base/mem.h"
#include "net/http_conn.h"

#define MESSAGE_TIMEOUT_MS 30000
#define PLACE_WAIT_MS 5000   /* for a place of a large message */
#define GOODBYE_MS 100       /* for a close frame to leave */
#define GATHER_BYTES KIB(16) /* messages up to this leave in one write with their head */

struct ws_conn {
    struct ws_conn_options options;
    struct http_exchange *exchange;
    struct loop *loop;
    struct ws_receiver receiver;
    struct gate turn; /* one writer at a time */
    bool closing;     /* a close frame has left, or the connection is cut: nothing more is sent */
    bool has_place;   /* at options.large */
    bool pinged;      /* and nothing has come since */
    u64 message_since_ms; /* 0: no message is under way */
    bytes rest;           /* of piece, not yet looked at */
    u8 piece[WS_PIECE_BYTES];
};

static u64 now_ms(const struct ws_conn *conn) { return loop_now_ms(conn->loop); }

/* --- beginning and end --- */

static err refuse(struct http_exchange *exchange, int status, const char *reason)
{
    if (status == 426) {
        http_set_header_str(exchange, "Sec-WebSocket-Version", "13");
        http_set_header_str(exchange, "Upgrade", "websocket");
    }
    TRY(http_respond(exchange, status, bytes_str(reason)));
    return fail(ERR_REFUSED);
}

err ws_conn_accept(struct http_exchange *exchange, const struct ws_conn_options *options,
                   struct ws_conn **ret_conn)
{
    const struct http_request *request = http_request_of(exchange);
    const char *reason;
    char value[WS_ACCEPT_CHARS + 1];
    int status = ws_check_upgrade(request, &reason);
    if (status != 0) {
        return refuse(exchange, status, reason);
    }
    ws_accept_value(value, http_find_header(request, "Sec-WebSocket-Key"));
    http_set_header_str(exchange, "Sec-WebSocket-Accept", value);
    TRY(http_switch_protocols(exchange, "websocket"));
    struct ws_conn *conn = MEM_NEW(struct ws_conn);
    conn->options = *options;
    conn->exchange = exchange;
    conn->loop = http_loop_of(exchange);
    if (options->message_timeout_ms == 0) {
        conn->options.message_timeout_ms = MESSAGE_TIMEOUT_MS;
    }
    ws_receiver_init(&conn->receiver, options->message_bytes_max);
    gate_init(&conn->turn, 1);
    *ret_conn = conn;
    return ok();
}

static void leave_place(struct ws_conn *conn)
{
    if (conn->has_place) {
        gate_leave(conn->options.large, 1);
        conn->has_place = false;
    }
}

void ws_conn_free(struct ws_conn *conn)
{
    leave_place(conn);
    ws_receiver_free(&conn->receiver);
    mem_free(conn);
}

void ws_conn_cut(struct ws_conn *conn)
{
    conn->closing = true;
    http_conn_cut(conn->exchange->conn);
}

/* --- sending --- */

/* With the turn. */
static err write_frame(struct ws_conn *conn, enum ws_opcode opcode, bytes payload)
{
    struct buf frame;
    u8 head[WS_FRAME_HEAD_BYTES_MAX];
    size_t head_len = ws_frame_head(head, opcode, payload.len);
    bool gathers = payload.len <= GATHER_BYTES;
    buf_init(&frame, WS_FRAME_HEAD_BYTES_MAX + GATHER_BYTES);
    buf_put(&frame, bytes_make(head, head_len));
    buf_put(&frame, gathers ? payload : (bytes){0});
    err e = http_write(conn->exchange, buf_bytes(&frame));
    buf_free(&frame);
    return is_ok(e) && !gathers ? http_write(conn->exchange, payload) : e;
}

static err send_frame(struct ws_conn *conn, enum ws_opcode opcode, bytes payload)
{
    if (conn->closing) {
        return fail(ERR_CLOSED);
    }
    TRY(gate_enter(conn->loop, &conn->turn, 1, DEADLINE_NONE));
    err e = conn->closing ? fail(ERR_CLOSED) : write_frame(conn, opcode, payload);
    if (!is_ok(e) && !conn->closing) {
        ws_conn_cut(conn); /* whoever reads must not wait for a client that takes nothing */
    }
    gate_leave(&conn->turn, 1);
    return e;
}

err ws_conn_send(struct ws_conn *conn, bytes text) { return send_frame(conn, WS_OP_TEXT, text); }

void ws_conn_close(struct ws_conn *conn, enum ws_status status, const char *reason)
{
    struct buf frame;
    u64 deadline_ms = now_ms(conn) + GOODBYE_MS;
    if (conn->closing || !is_ok(gate_enter(conn->loop, &conn->turn, 1, deadline_ms))) {
        return;
    }
    struct stream *stream = conn->exchange->conn->input.stream;
    buf_init(&frame, WS_FRAME_HEAD_BYTES_MAX + WS_CONTROL_BYTES_MAX);
    ws_put_close(&frame, status, reason);
    if (!conn->closing && stream != NULL) {
        IGNORE(stream_write(stream, buf_bytes(&frame), deadline_ms)); /* it ends anyway */
    }
    conn->closing = true;
    buf_free(&frame);
    gate_leave(&conn->turn, 1);
}

/* --- receiving --- */

/* Nothing has come for a while. */
static err nudge(struct ws_conn *conn)
{
    if (conn->pinged || conn->closing) {
        return fail(ERR_CLOSED);
    }
    conn->pinged = true;
    return send_frame(conn, WS_OP_PING, (bytes){0});
}

static err close_with(struct ws_conn *conn, enum ws_status status, const char *reason)
{
    ws_conn_close(conn, status, reason);
    return fail(ERR_CLOSED);
}

/* What the message under way may take, in time and memory. */
static err check_message(struct ws_conn *conn)
{
    if (!conn->receiver.in_message) {
        conn->message_since_ms = 0;
        return ok();
    }
    if (conn->message_since_ms == 0) {
        conn->message_since_ms = now_ms(conn);
    }
    if (now_ms(conn) - conn->message_since_ms > conn->options.message_timeout_ms) {
        return close_with(conn, WS_POLICY, "the message takes too long");
    }
    if (ws_pending_bytes(&conn->receiver) <= WS_SMALL_BYTES || conn->has_place) {
        return ok();
    }
    if (!is_ok(gate_enter(conn->loop, conn->options.large, 1, now_ms(conn) + PLACE_WAIT_MS))) {
        return close_with(conn, WS_TRY_LATER, "too many large messages under way");
    }
    conn->has_place = true;
    return ok();
}

static err fill(struct ws_conn *conn)
{
    size_t len = 0;
    TRY(check_message(conn));
    err e = http_read_body(conn->exchange, conn->piece, sizeof conn->piece, &len);
    if (is_err(e, ERR_TIMEOUT)) {
        return nudge(conn);
    }
    TRY(e);
    conn->pinged = false;
    conn->rest = bytes_make(conn->piece, len);
    return len != 0 ? ok() : fail(ERR_CLOSED);
}

/* One event; *ret_done: a message is there. */
static err step(struct ws_conn *conn, bool *ret_done)
{
    struct ws_receiver *receiver = &conn->receiver;
    switch (ws_receive(receiver, &conn->rest)) {
    case WS_MORE:
        return fill(conn);
    case WS_MESSAGE:
        *ret_done = true;
        return ok();
    case WS_PING:
        return send_frame(conn, WS_OP_PONG, receiver->payload);
    case WS_PONG:
        return ok();
    case WS_CLOSE: {
        bool has_status = receiver->status != WS_NO_STATUS;
        return close_with(conn, has_status ? (enum ws_status)receiver->status : WS_NORMAL, "");
    }
    case WS_FAILED:
        return close_with(conn, (enum ws_status)receiver->status, receiver->reason);
    }
    return fail(ERR_CLOSED);
}

/* There is nobody left to read for: a send of another fiber must not go on for long. */
static void end_sends(struct ws_conn *conn)
{
    if (is_ok(gate_enter(conn->loop, &conn->turn, 1, now_ms(conn) + GOODBYE_MS))) {
        gate_leave(&conn->turn, 1);
    } else {
        ws_conn_cut(conn);
    }
}

err ws_conn_read(struct ws_conn *conn, bytes *ret_message)
{
    bool done = false;
    leave_place(conn); /* of the message before, which goes with the next step */
    conn->message_since_ms = 0;
    while (!done) {
        err e = step(conn, &done);
        if (!is_ok(e)) {
            conn->closing = true;
            end_sends(conn);
            return fail(ERR_CLOSED);
        }
    }
    *ret_message = conn->receiver.payload;
    return ok();
}

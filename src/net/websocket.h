/* websocket.h: the WebSocket protocol of RFC 6455, the server's side, without any socket.
 *
 * A client's bytes go into ws_receive(), which takes frames apart, removes their masks, joins
 * fragments and gives one event at a time: a message, a ping, a pong, the end. ws_put_frame() makes
 * the frames that go back. websocket_conn.h puts this over a connection of the HTTP server.
 *
 * Strict where the RFC lets a server fail the connection: reserved bits and opcodes, unmasked
 * frames, lengths that are not in their shortest form, fragmented or long control frames, a new
 * message inside another, text that is not UTF-8 (seen as soon as it is there), close codes that
 * nobody may send. After a failure or a close nothing more is read. No extensions, no subprotocols.
 *
 * Memory: a message is gathered in a buffer that grows with what has arrived, never with what a
 * header announces; past message_bytes_max the connection fails.
 */
#ifndef NET_WEBSOCKET_H
#define NET_WEBSOCKET_H

#include "base/buf.h"
#include "net/http.h"

#define WS_CONTROL_BYTES_MAX 125
#define WS_FRAME_HEAD_BYTES_MAX 14
#define WS_ACCEPT_CHARS 28 /* of Sec-WebSocket-Accept, without the final zero */

enum ws_opcode {
    WS_OP_CONTINUATION = 0,
    WS_OP_TEXT = 1,
    WS_OP_BINARY = 2,
    WS_OP_CLOSE = 8,
    WS_OP_PING = 9,
    WS_OP_PONG = 10,
};

/* Status codes of RFC 6455 7.4.1 and of IANA's registry. */
enum ws_status {
    WS_NORMAL = 1000,
    WS_GOING_AWAY = 1001,
    WS_PROTOCOL_ERROR = 1002,
    WS_UNSUPPORTED = 1003,
    WS_NO_STATUS = 1005, /* a close without a code; never sent */
    WS_NOT_UTF8 = 1007,
    WS_POLICY = 1008,
    WS_TOO_BIG = 1009,
    WS_INTERNAL_ERROR = 1011,
    WS_TRY_LATER = 1013,
};

enum ws_event {
    WS_MORE,    /* the input is used up */
    WS_MESSAGE, /* payload, is_text */
    WS_PING,    /* payload: goes back in a pong */
    WS_PONG,    /* payload */
    WS_CLOSE,   /* status, which may be WS_NO_STATUS */
    WS_FAILED,  /* status to close with, reason */
};

/* Incremental check of UTF-8: how many bytes a character still needs, and the range that the next
 * one must be in (which rules out long forms, surrogates and what is beyond U+10FFFF). */
struct ws_utf8 {
    u8 need;
    u8 low;
    u8 high;
};

struct ws_receiver {
    size_t message_bytes_max;
    u8 head[WS_FRAME_HEAD_BYTES_MAX]; /* of the frame that is coming in */
    size_t head_len;
    bool in_payload; /* the head is complete */
    bool is_final;
    u8 opcode;
    u8 mask[4];
    u64 left;        /* payload bytes still to come */
    u64 taken;       /* payload bytes seen: place in the mask */
    bool in_message; /* a data frame has begun a message that is not complete */
    bool message_given;
    struct buf message;
    struct ws_utf8 utf8;
    u8 control[WS_CONTROL_BYTES_MAX];
    size_t control_len;

    bytes payload; /* of the last event; until the next call */
    bool is_text;
    u16 status;
    const char *reason; /* of a failure; static */
    enum ws_event end;  /* WS_CLOSE or WS_FAILED once that has happened, else WS_MORE */
};

void ws_receiver_init(struct ws_receiver *receiver, size_t message_bytes_max);
void ws_receiver_free(struct ws_receiver *receiver);
/* ws_receive: takes bytes from the front of *in up to the next event. WS_MORE: *in is empty. */
enum ws_event ws_receive(struct ws_receiver *receiver, bytes *in);
/* ws_pending_bytes: memory of a message that is not complete. */
size_t ws_pending_bytes(const struct ws_receiver *receiver);

/* ws_frame_head: the head of a whole, unmasked frame of len bytes; returns its length. */
size_t ws_frame_head(u8 out[WS_FRAME_HEAD_BYTES_MAX], enum ws_opcode opcode, u64 len);
/* ws_put_close: a close frame; the reason is cut to what fits. */
void ws_put_close(struct buf *out, enum ws_status status, const char *reason);

/* ws_check_upgrade: whether the request may become a WebSocket. 0, or the HTTP status to refuse it
 * with (400; 426: another version, answer with Sec-WebSocket-Version: 13). */
int ws_check_upgrade(const struct http_request *request, const char **ret_reason);
/* ws_wants_upgrade: whether it asks for one at all, well or badly. */
bool ws_wants_upgrade(const struct http_request *request);
/* ws_accept_value: the answer to a Sec-WebSocket-Key. */
void ws_accept_value(char out[WS_ACCEPT_CHARS + 1], bytes key);

#endif

/* websocket_conn.h: a WebSocket over a connection of the HTTP server.
 *
 * A handler accepts the upgrade of its exchange, reads messages in its own fiber and returns when
 * there are no more; any fiber of the loop may send meanwhile. Sends take turns and park until the
 * bytes have left, so nothing queues up: a client that does not read stops those who write to it,
 * and is cut when the HTTP server's limits for slow readers say so (256 KiB must leave within
 * body_timeout_ms).
 *
 *   accept ──► read … read ──► ERR_CLOSED ──► free
 *                └── pings answered, closes answered, failures told, silence pinged
 *
 * Memory: an idle connection holds one piece of WS_PIECE_BYTES. A message that grows beyond
 * WS_SMALL_BYTES needs a place at `large`, a gate that all connections share, until the next one is
 * read; no place within five seconds closes the connection (1013). A message that is not complete
 * message_timeout_ms after its first bytes closes it, too (1008), so that places come free.
 */
#ifndef NET_WEBSOCKET_CONN_H
#define NET_WEBSOCKET_CONN_H

#include "net/websocket.h"

#define WS_PIECE_BYTES KIB(4)
#define WS_SMALL_BYTES KIB(16)

struct ws_conn;

struct ws_conn_options {
    size_t message_bytes_max;
    struct gate *large;     /* borrowed; one unit a large message */
    u64 message_timeout_ms; /* 0: 30 s */
};

/* ws_conn_accept: answers the request. ERR_REFUSED: it was answered with an HTTP error instead.
 * ERR_CLOSED and the like: the client has gone. */
err ws_conn_accept(struct http_exchange *exchange, const struct ws_conn_options *options,
                   struct ws_conn **ret_conn);
/* ws_conn_read: the next message, text or binary, until the next call. ERR_CLOSED: no more,
 * whatever the reason; sends of other fibers fail then, those under way 100 ms later. */
err ws_conn_read(struct ws_conn *conn, bytes *ret_message);
/* ws_conn_send: a text message (UTF-8 is the caller's duty). Parks until it has left. */
err ws_conn_send(struct ws_conn *conn, bytes text);
/* ws_conn_close: says goodbye, waiting 100 ms at most; the reader then ends soon. */
void ws_conn_close(struct ws_conn *conn, enum ws_status status, const char *reason);
/* ws_conn_cut: ends reads and sends at once, from any fiber. */
void ws_conn_cut(struct ws_conn *conn);
/* ws_conn_free: in the handler, when nobody else uses it any more. */
void ws_conn_free(struct ws_conn *conn);

#endif

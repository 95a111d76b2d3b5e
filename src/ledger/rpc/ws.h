/* ws.h: JSON-RPC over WebSocket, for rpc_server.h.
 *
 * A message is a request or a batch, as a body is over HTTP; the answer is a message. Requests of
 * one connection are answered one after another, notifications (eth_subscribe) come between them.
 * A browser's page is judged by its Origin, because CORS does not hold for WebSockets.
 *
 * Large messages under way, answers not yet taken and connections are bounded in total.
 */
#ifndef LEDGER_RPC_WS_H
#define LEDGER_RPC_WS_H

#include "base/list.h"
#include "ledger/rpc/limits.h"
#include "ledger/rpc/rpc.h"
#include "net/websocket_conn.h"

#define RPC_WS_CONNECTIONS_MAX 512
#define RPC_WS_LARGE_MAX 16 /* messages of more than 16 KiB under way; each at most a body */

struct rpc_ws {
    struct rpc *rpc;
    struct loop *loop;
    const char *cors_origin; /* "*": any page; "": none */
    struct gate *replies;    /* bytes of answers under way; shared with HTTP */
    struct rpc_limits *limits;
    struct gate large;
    struct list conns;
    size_t count;
    bool draining;
};

void rpc_ws_init(struct rpc_ws *ws);
/* rpc_ws_serve: in the handler of an upgrade whose Host was found good; returns at its end. */
void rpc_ws_serve(struct rpc_ws *ws, struct http_exchange *exchange);
/* rpc_ws_drain: no new connections; says goodbye to all (1001) and cuts those that stay. */
void rpc_ws_drain(struct rpc_ws *ws, u64 deadline_ms);

#endif

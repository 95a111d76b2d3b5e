/* rpc_server.h: JSON-RPC over HTTP POST and over WebSocket.
 *
 * Any path is served; a GET that asks for an upgrade becomes a WebSocket (ws.h), on every port. A
 * request needs `Content-Type: application/json`: pages of other origins cannot send that without
 * asking first (CORS), and what they may is `cors_origin`. The Host header must be an address
 * literal, localhost, or one of `hosts`: a name that an attacker points to this machine gets 403. A
 * page that opens a WebSocket is judged by its Origin against `cors_origin`. Nothing here can spend
 * anything: the node holds no accounts for its clients.
 *
 * A client that is not on this machine has limits of its own (limits.h): past them 429 and -32005.
 * Bodies under way and answers not yet taken are bounded in total; past it a request waits, then
 * gets 503.
 */
#ifndef LEDGER_RPC_RPC_SERVER_H
#define LEDGER_RPC_RPC_SERVER_H

#include "ledger/rpc/rpc.h"
#include "net/http.h"

#define RPC_HOSTS_MAX 16
#define RPC_BODIES_BYTES_MAX MIB(64)   /* of all requests under way */
#define RPC_REPLIES_BYTES_MAX MIB(128) /* of all answers under way */
#define RPC_CONNECTIONS_MAX 1024

struct rpc_server;

struct rpc_server_options {
    struct rpc *rpc; /* borrowed */
    const char *host;
    u16 port;                 /* 0 picks one */
    bool has_ws_port;         /* a second port, where clients look for WebSockets */
    u16 ws_port;              /* 0 picks one */
    const char *const *hosts; /* further names of this node; "*" allows all; borrowed */
    size_t host_count;
    const char *cors_origin; /* NULL: "*"; "": no page may ask */
    u64 rate;                /* credits a second of one client (limits.h); 0: no limits */
};

/* rpc_server_start: ERR_EXISTS if the port is in use. */
err rpc_server_start(struct loop *loop, const struct rpc_server_options *options,
                     struct rpc_server **ret_server);
u16 rpc_server_port(const struct rpc_server *server);
/* rpc_server_ws_port: the second port if there is one, else the first. */
u16 rpc_server_ws_port(const struct rpc_server *server);
/* rpc_server_drain: no new connections; waits for the running calls. */
err rpc_server_drain(struct rpc_server *server, u64 deadline_ms);
/* rpc_server_close: after loop_stop(), or when drained. NULL is fine. */
void rpc_server_close(struct rpc_server *server);

#endif

/* limits.h: what one client may take from a node: calls, requests under way, answers under way.
 *
 * A client is an address (of IPv6 its first 64 bits: a home has that many to choose from). Each
 * method costs credits, about what it costs the node; a client's credits come back at a steady rate
 * up to a burst, and a call goes as long as any are left, so the most expensive ones can always be
 * made. What it takes of the loop's time comes on top, RPC_CREDITS_PER_MS: at the default rate one
 * client gets at most half of it. Loopback is not limited: what asks from there is the machine's
 * own.
 *
 * The totals of rpc_server.h and ws.h hold beside this, whoever asks. Clients are remembered while
 * they have something under way or owe credits, at most RPC_CLIENTS_MAX; beyond it the ones longest
 * unheard of are forgotten.
 */
#ifndef LEDGER_RPC_LIMITS_H
#define LEDGER_RPC_LIMITS_H

#include "base/map.h"
#include "os/loop.h"

struct rpc_limits;

#define RPC_CLIENTS_MAX 8192
#define RPC_CLIENT_REQUESTS_MAX 64           /* under way, over all connections of a client */
#define RPC_CLIENT_SOCKETS_MAX 32            /* WebSockets of a client */
#define RPC_CLIENT_REPLIES_BYTES_MAX MIB(32) /* of its answers under way */
#define RPC_RATE_DEFAULT 1000                /* credits a second */
#define RPC_BURST_SECONDS 10
#define RPC_CREDITS_PER_MS 2

struct rpc_client {
    struct rpc_limits *limits;
    u8 key[16];
    u64 credits_milli; /* thousandths */
    u64 refilled_ms;
    u32 requests;
    u32 sockets;
    u64 reply_bytes;
    u32 users; /* who hold a pointer */
};

struct rpc_limits {
    struct loop *loop;
    u64 rate; /* credits a second; 0: no limit of any kind */
    struct map clients;
    u64 refused; /* calls, requests and sockets, ever */
};

void rpc_limits_init(struct rpc_limits *limits, struct loop *loop, u64 rate);
/* rpc_limits_free: nobody may hold a client any more. */
void rpc_limits_free(struct rpc_limits *limits);
/* rpc_client_hold: the client behind "ADDRESS:PORT", held until rpc_client_release(); NULL: not
 * limited. All functions below take that NULL and allow everything. */
struct rpc_client *rpc_client_hold(struct rpc_limits *limits, const char *peer);
void rpc_client_release(struct rpc_client *client);

/* rpc_method_cost: credits of one call. */
u64 rpc_method_cost(const char *method);
/* rpc_client_pay: for one call; false: no credits left. */
MUST_USE bool rpc_client_pay(struct rpc_client *client, u64 cost);
/* rpc_client_charge: what a call took of the loop's time. */
void rpc_client_charge(struct rpc_client *client, u64 took_ms);
/* rpc_client_has_credit: whether a call could be paid now. */
bool rpc_client_has_credit(struct rpc_client *client);
/* rpc_client_begin and _end: a request, a WebSocket, an answer of so many bytes. */
MUST_USE bool rpc_client_begin_request(struct rpc_client *client);
void rpc_client_end_request(struct rpc_client *client);
MUST_USE bool rpc_client_begin_socket(struct rpc_client *client);
void rpc_client_end_socket(struct rpc_client *client);
MUST_USE bool rpc_client_begin_reply(struct rpc_client *client, u64 len);
void rpc_client_end_reply(struct rpc_client *client, u64 len);

#endif

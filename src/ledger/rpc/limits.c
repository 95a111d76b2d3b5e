#include "ledger/rpc/limits.h"

#include "base/assert.h"
#include "base/mem.h"

#include <arpa/inet.h>

#define MILLI 1000u
#define PEER_BYTES_MAX 64

void rpc_limits_init(struct rpc_limits *limits, struct loop *loop, u64 rate)
{
    *limits = (struct rpc_limits){.loop = loop, .rate = rate};
    map_init(&limits->clients);
}

void rpc_limits_free(struct rpc_limits *limits)
{
    map_each (entry, &limits->clients) {
        const struct rpc_client *client = entry->value;
        assert_that(client->users == 0);
        mem_free(entry->value);
    }
    map_free(&limits->clients);
}

/* --- who it is --- */

/* "1.2.3.4:5" and "[::1]:5" without port and brackets. */
static void host_of(char out[PEER_BYTES_MAX], const char *peer)
{
    const char *end = strrchr(peer, ':');
    size_t len = end != NULL ? (size_t)(end - peer) : strlen(peer);
    if (len >= 2 && peer[0] == '[' && peer[len - 1] == ']') {
        peer++;
        len -= 2;
    }
    len = min_size(len, PEER_BYTES_MAX - 1);
    memcpy(out, peer, len);
    out[len] = '\0';
}

/* False: loopback. IPv4 in the form ::ffff:A.B.C.D, IPv6 cut to 64 bits, other texts as they are.
 */
static bool key_of(u8 key[16], const char *peer)
{
    char host[PEER_BYTES_MAX];
    static const u8 mapped[12] = {[10] = 0xff, [11] = 0xff};
    static const u8 loopback[16] = {[15] = 1};
    host_of(host, peer);
    memset(key, 0, 16);
    if (inet_pton(AF_INET, host, key + 12) == 1) {
        memcpy(key, mapped, sizeof mapped);
    } else if (inet_pton(AF_INET6, host, key) != 1) {
        memcpy(key, host, min_size(strlen(host), 16));
        return true;
    }
    if (memcmp(key, mapped, sizeof mapped) == 0) {
        return key[12] != 127;
    }
    if (memcmp(key, loopback, 16) == 0) {
        return false;
    }
    memset(key + 8, 0, 8);
    return true;
}

/* --- remembering --- */

static u64 burst_milli(const struct rpc_limits *limits)
{
    return limits->rate * RPC_BURST_SECONDS * MILLI;
}

static void refill(struct rpc_client *client)
{
    const struct rpc_limits *limits = client->limits;
    u64 now_ms = loop_now_ms(limits->loop);
    u64 passed_ms = min_u64(now_ms - client->refilled_ms, RPC_BURST_SECONDS * (u64)1000);
    client->refilled_ms = now_ms;
    client->credits_milli =
        min_u64(client->credits_milli + passed_ms * limits->rate, burst_milli(limits));
}

/* Clients are in the order of their last request: the first that nobody uses goes, if there are too
 * many, and all before it that owe nothing. */
static void make_room(struct rpc_limits *limits)
{
    map_each (entry, &limits->clients) {
        struct rpc_client *client = entry->value;
        bool full = limits->clients.count >= RPC_CLIENTS_MAX;
        if (client->users != 0) {
            continue;
        }
        refill(client);
        if (!full && client->credits_milli != burst_milli(limits)) {
            return;
        }
        map_remove(&limits->clients, bytes_make(client->key, sizeof client->key));
        mem_free(client);
        if (full) {
            return;
        }
    }
}

struct rpc_client *rpc_client_hold(struct rpc_limits *limits, const char *peer)
{
    u8 key[16];
    if (limits->rate == 0 || !key_of(key, peer)) {
        return NULL;
    }
    struct rpc_client *client = map_remove(&limits->clients, BYTES_OF(key));
    if (client == NULL) {
        make_room(limits);
        client = MEM_NEW(struct rpc_client);
        client->limits = limits;
        memcpy(client->key, key, sizeof key);
        client->refilled_ms = loop_now_ms(limits->loop);
        client->credits_milli = burst_milli(limits);
    }
    map_put(&limits->clients, BYTES_OF(key), client);
    client->users++;
    return client;
}

void rpc_client_release(struct rpc_client *client)
{
    if (client != NULL) {
        assert_that(client->users > 0);
        client->users--;
    }
}

/* --- calls --- */

u64 rpc_method_cost(const char *method)
{
    static const struct {
        const char *name;
        u64 cost;
    } costs[] = {
        {"eth_call", 5},
        {"eth_estimateGas", 20},
        {"eth_createAccessList", 20},
        {"eth_simulateV1", 50},
        {"eth_sendRawTransaction", 5},
        {"eth_getLogs", 20},
        {"eth_getFilterLogs", 20},
        {"eth_getFilterChanges", 5},
        {"eth_getProof", 10},
        {"eth_getBlockReceipts", 10},
        {"eth_getBlockByHash", 3},
        {"eth_getBlockByNumber", 3},
        {"eth_feeHistory", 10},
        {"eth_subscribe", 10},
        {"cairn_receipt", 20},
    };
    static const char *const traces[] = {"debug_trace", "txpool_content", "txpool_inspect"};
    for (size_t i = 0; i < COUNT_OF(costs); i++) {
        if (strcmp(method, costs[i].name) == 0) {
            return costs[i].cost;
        }
    }
    for (size_t i = 0; i < COUNT_OF(traces); i++) {
        if (strncmp(method, traces[i], strlen(traces[i])) == 0) {
            return 50;
        }
    }
    return 1;
}

bool rpc_client_has_credit(struct rpc_client *client)
{
    if (client == NULL) {
        return true;
    }
    refill(client);
    return client->credits_milli >= MILLI;
}

bool rpc_client_pay(struct rpc_client *client, u64 cost)
{
    if (client == NULL) {
        return true;
    }
    if (!rpc_client_has_credit(client)) {
        client->limits->refused++;
        return false;
    }
    client->credits_milli -= min_u64(client->credits_milli, cost * MILLI);
    return true;
}

void rpc_client_charge(struct rpc_client *client, u64 took_ms)
{
    if (client != NULL) {
        u64 cost_milli = min_u64(took_ms, UINT32_MAX) * RPC_CREDITS_PER_MS * MILLI;
        client->credits_milli -= min_u64(client->credits_milli, cost_milli);
    }
}

/* --- what is under way --- */

static bool begin(struct rpc_client *client, u32 *count, u32 max)
{
    if (*count >= max) {
        client->limits->refused++;
        return false;
    }
    (*count)++;
    return true;
}

bool rpc_client_begin_request(struct rpc_client *client)
{
    return client == NULL || begin(client, &client->requests, RPC_CLIENT_REQUESTS_MAX);
}

void rpc_client_end_request(struct rpc_client *client)
{
    if (client != NULL) {
        client->requests--;
    }
}

bool rpc_client_begin_socket(struct rpc_client *client)
{
    return client == NULL || begin(client, &client->sockets, RPC_CLIENT_SOCKETS_MAX);
}

void rpc_client_end_socket(struct rpc_client *client)
{
    if (client != NULL) {
        client->sockets--;
    }
}

bool rpc_client_begin_reply(struct rpc_client *client, u64 len)
{
    if (client == NULL) {
        return true;
    }
    if (len > RPC_CLIENT_REPLIES_BYTES_MAX ||
        client->reply_bytes > RPC_CLIENT_REPLIES_BYTES_MAX - len) {
        client->limits->refused++;
        return false;
    }
    client->reply_bytes += len;
    return true;
}

void rpc_client_end_reply(struct rpc_client *client, u64 len)
{
    if (client != NULL) {
        client->reply_bytes -= len;
    }
}

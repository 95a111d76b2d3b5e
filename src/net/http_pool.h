/* http_pool.h: the client's connections: fresh ones, and idle ones for reuse. Private to src/net.
 *
 * Idle connections are kept per host, newest first, for a time that is well below what servers
 * allow (a server that closes first costs a failed call). Nobody watches them: a dead one is found
 * when it is used, and then all of its host are dropped, because they died together.
 */
#ifndef NET_HTTP_POOL_H
#define NET_HTTP_POOL_H

#include "base/list.h"
#include "net/http.h"
#include "net/url.h"

#define HTTP_IDLE_MAX_MS 15000

struct http_client {
    struct loop *loop;
    struct http_client_options options; /* defaults filled in */
    struct list idle;                   /* of http_link, newest first */
    struct list calls;                  /* of http_call: those under way */
    size_t open_calls;
    bool cancelled;
};

/* One connection to one host. */
struct http_link {
    struct list node; /* in `idle`, or alone */
    struct stream *stream;
    char host[URL_HOST_MAX];
    u16 port;
    bool https;
    bool reused;
    u64 idle_since_ms;
};

/* http_pool_take: an idle connection to url's host if there is one and `fresh` is not asked, else a
 * new one. ERR_NETWORK, ERR_TIMEOUT, ERR_CANCELLED; ERR_USAGE: https without TLS. */
err http_pool_take(struct http_client *client, const struct url *url, bool fresh, u64 deadline_ms,
                   struct http_link **ret_link);
/* http_pool_give: keeps a connection on which nothing is under way. */
void http_pool_give(struct http_client *client, struct http_link *link);
/* http_pool_forget: drops every idle connection to url's host. */
void http_pool_forget(struct http_client *client, const struct url *url);
void http_link_close(struct http_link *link);

#endif

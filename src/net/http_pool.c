#include "net/http_pool.h"

#include "base/assert.h"
#include "base/mem.h"

err http_client_new(struct loop *loop, const struct http_client_options *options,
                    struct http_client **ret_client)
{
    struct http_client *client = MEM_NEW(struct http_client);
    client->loop = loop;
    client->options = *options;
    if (client->options.idle_per_host_max == 0) {
        client->options.idle_per_host_max = 8;
    }
    if (client->options.connect_timeout_ms == 0) {
        client->options.connect_timeout_ms = 3000;
    }
    list_init(&client->idle);
    list_init(&client->calls);
    *ret_client = client;
    return ok();
}

static struct http_link *link_of(struct list *node)
{
    return list_entry(node, struct http_link, node);
}

void http_link_close(struct http_link *link)
{
    if (link != NULL) {
        list_remove(&link->node);
        stream_close(link->stream);
        mem_free(link);
    }
}

void http_client_free(struct http_client *client)
{
    if (client == NULL) {
        return;
    }
    assert_that(client->open_calls == 0);
    list_for_safe (it, &client->idle) {
        http_link_close(link_of(it));
    }
    mem_free(client);
}

struct loop *http_client_loop(const struct http_client *client) { return client->loop; }

static bool same_host(const struct http_link *link, const char *host, u16 port, bool https)
{
    return link->port == port && link->https == https && strcmp(link->host, host) == 0;
}

static void drop_expired(struct http_client *client)
{
    u64 now_ms = loop_now_ms(client->loop);
    list_for_safe (it, &client->idle) {
        if (now_ms - link_of(it)->idle_since_ms > HTTP_IDLE_MAX_MS) {
            http_link_close(link_of(it));
        }
    }
}

static struct http_link *take_idle(struct http_client *client, const struct url *url)
{
    drop_expired(client);
    list_for_safe (it, &client->idle) {
        struct http_link *link = link_of(it);
        if (!same_host(link, url->host, url->port, url->https)) {
            continue;
        }
        if (!stream_quiet(link->stream)) {
            http_link_close(link); /* the server closed it meanwhile */
            continue;
        }
        list_remove(&link->node);
        link->reused = true;
        return link;
    }
    return NULL;
}

static err dial(struct http_client *client, const struct url *url, u64 deadline_ms,
                struct stream **ret_stream)
{
    struct stream *stream = NULL;
    TRY(stream_connect(client->loop, url->host, url->port, deadline_ms, &stream));
    if (url->https) {
        return tls_connect(client->options.tls, stream, url->host, deadline_ms, ret_stream);
    }
    *ret_stream = stream;
    return ok();
}

err http_pool_take(struct http_client *client, const struct url *url, bool fresh, u64 deadline_ms,
                   struct http_link **ret_link)
{
    struct http_link *link = fresh ? NULL : take_idle(client, url);
    if (link == NULL) {
        if (url->https && client->options.tls == NULL) {
            return fail(ERR_USAGE);
        }
        u64 limit_ms = loop_now_ms(client->loop) + client->options.connect_timeout_ms;
        struct stream *stream = NULL;
        TRY(dial(client, url, min_u64(deadline_ms, limit_ms), &stream));
        link = MEM_NEW(struct http_link);
        list_init(&link->node);
        link->stream = stream;
        link->port = url->port;
        link->https = url->https;
        memcpy(link->host, url->host, sizeof link->host);
    }
    *ret_link = link;
    return ok();
}

void http_pool_give(struct http_client *client, struct http_link *link)
{
    drop_expired(client);
    size_t same = 0;
    list_for (it, &client->idle) {
        same += same_host(link_of(it), link->host, link->port, link->https) ? 1 : 0;
    }
    if (same >= client->options.idle_per_host_max || loop_stopping(client->loop)) {
        http_link_close(link);
        return;
    }
    link->idle_since_ms = loop_now_ms(client->loop);
    list_push_front(&client->idle, &link->node);
}

void http_pool_forget(struct http_client *client, const struct url *url)
{
    list_for_safe (it, &client->idle) {
        if (same_host(link_of(it), url->host, url->port, url->https)) {
            http_link_close(link_of(it));
        }
    }
}

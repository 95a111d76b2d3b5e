/* stream.h: byte streams between processes (TCP; TLS on top of it in net/tls.h).
 *
 * A stream belongs to one reader fiber and one writer fiber at a time (they may be the same).
 * Every call takes a deadline and may park the fiber; one that never has to wait still lets others
 * run now and then. After ERR_TIMEOUT or ERR_CANCELLED of a read nothing was taken. Layers wrap a
 * stream by filling `struct stream_ops`, so HTTP does not know what carries it.
 */
#ifndef OS_STREAM_H
#define OS_STREAM_H

#include "base/bytes.h"
#include "os/loop.h"

#define STREAM_PEER_MAX 64

struct stream;

struct stream_ops {
    err (*read)(struct stream *stream, void *out, size_t cap, u64 deadline_ms, size_t *ret_len);
    err (*write)(struct stream *stream, const struct bytes *parts, size_t count, u64 deadline_ms);
    err (*shutdown_write)(struct stream *stream, u64 deadline_ms);
    void (*close)(struct stream *stream);
    bool (*quiet)(struct stream *stream); /* NULL: cannot tell */
};

struct stream {
    const struct stream_ops *ops;
    struct loop *loop;
    char peer[STREAM_PEER_MAX]; /* "127.0.0.1:4711", for logs and limits */
    bool encrypted;
};

struct listener;

/* stream_connect: host is an IPv4 or IPv6 literal or a name in /etc/hosts; TCP_NODELAY is set.
 * ERR_NETWORK, ERR_TIMEOUT, ERR_CANCELLED. */
err stream_connect(struct loop *loop, const char *host, u16 port, u64 deadline_ms,
                   struct stream **ret_stream);

/* listener_open: ERR_EXISTS if the port is in use, ERR_IO otherwise. port 0 picks one. host as for
 * stream_connect(); "::" takes IPv6 only. */
err listener_open(struct loop *loop, const char *host, u16 port, struct listener **ret_listener);
u16 listener_port(const struct listener *listener);
/* listener_accept: ERR_CANCELLED when the loop stops or the listener is closed. */
err listener_accept(struct listener *listener, struct stream **ret_stream);
void listener_close(struct listener *listener);

/* stream_read: 1..cap bytes, or 0 at the end of the stream. ERR_CLOSED on reset. */
static inline err stream_read(struct stream *s, void *out, size_t cap, u64 deadline_ms,
                              size_t *ret_len)
{
    return s->ops->read(s, out, cap, deadline_ms, ret_len);
}

/* stream_write: all of it, or a fault after an unknown prefix. */
static inline err stream_write(struct stream *s, bytes in, u64 deadline_ms)
{
    return s->ops->write(s, &in, 1, deadline_ms);
}

/* stream_write_parts: gathers up to 16 parts into one write where it can. */
static inline err stream_write_parts(struct stream *s, const struct bytes *parts, size_t count,
                                     u64 deadline_ms)
{
    return s->ops->write(s, parts, count, deadline_ms);
}

static inline err stream_shutdown_write(struct stream *s, u64 deadline_ms)
{
    return s->ops->shutdown_write(s, deadline_ms);
}

/* stream_quiet: nothing has come in, not even the end: what an idle connection must be to be used
 * again. True where that cannot be told. Never waits. */
static inline bool stream_quiet(struct stream *s)
{
    return s->ops->quiet == NULL || s->ops->quiet(s);
}

/* stream_close: releases the stream; NULL is fine. A fiber parked on it gets ERR_CANCELLED. */
static inline void stream_close(struct stream *s)
{
    if (s != NULL) {
        s->ops->close(s);
    }
}

#endif

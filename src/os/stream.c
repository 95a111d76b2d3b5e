#include "os/stream.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "os/address.h"
#include "os/fiber_internal.h"
#include "os/loop_internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define PARTS_PER_CALL 16
/* A fiber whose calls never have to wait gives way after so many of them. */
#define CALLS_PER_TURN 32
/* Out of descriptors: how long accepting pauses. */
#define ACCEPT_PAUSE_MS 100

/* On the stack of a fiber that waits for one direction of a socket. The socket's memory may be gone
 * when the fiber runs again; `closed` tells. */
struct socket_wait {
    struct fiber *fiber;
    bool closed;
};

/* A non-blocking socket: at most one fiber waits for input and one for room. */
struct socket {
    struct watch watch;
    struct socket_wait *reader;
    struct socket_wait *writer;
    unsigned calls; /* since the last wait */
};

struct tcp_stream {
    struct stream stream;
    struct socket socket;
};

struct listener {
    struct loop *loop;
    struct socket socket;
    u16 port;
};

static void wait_over(struct socket_wait *wait)
{
    if (wait != NULL) {
        fiber_ready(wait->fiber);
    }
}

static void on_socket_event(struct watch *watch, u32 events)
{
    struct socket *s = list_entry(watch, struct socket, watch);
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
        wait_over(s->reader);
    }
    if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) {
        wait_over(s->writer);
    }
}

/* `side` is &s->reader or &s->writer. After a fault the socket must not be touched. */
static err socket_wait(struct loop *loop, struct socket *s, struct socket_wait **side,
                       u64 deadline_ms)
{
    assert_that(*side == NULL); /* one reader and one writer at a time */
    struct socket_wait wait = {.fiber = fiber_current(loop)};
    *side = &wait;
    s->calls = 0;
    err e = fiber_park(loop, deadline_ms);
    if (wait.closed) {
        return fail(ERR_CANCELLED);
    }
    *side = NULL;
    return e;
}

/* What every call that may wait checks first: data that is always there must not keep a fiber from
 * its deadline, from the end of the loop, or the others from running. */
static err socket_turn(struct loop *loop, struct socket *s, struct socket_wait **side,
                       u64 deadline_ms)
{
    if (loop->stopping) {
        return fail(ERR_CANCELLED);
    }
    if (deadline_ms != DEADLINE_NONE && deadline_ms <= loop_now_ms(loop)) {
        return fail(ERR_TIMEOUT);
    }
    if (++s->calls < CALLS_PER_TURN) {
        return ok();
    }
    assert_that(*side == NULL);
    struct socket_wait wait = {.fiber = fiber_current(loop)};
    *side = &wait;
    s->calls = 0;
    fiber_yield(loop);
    if (wait.closed) {
        return fail(ERR_CANCELLED);
    }
    *side = NULL;
    return ok();
}

static err socket_open(struct loop *loop, struct socket *s, int fd)
{
    *s = (struct socket){.watch = {.fd = fd, .on_event = on_socket_event}};
    return loop_watch(loop, &s->watch);
}

static void wait_close(struct socket_wait *wait)
{
    if (wait != NULL) {
        wait->closed = true;
        fiber_cancel(wait->fiber);
    }
}

static void socket_close(struct loop *loop, struct socket *s)
{
    wait_close(s->reader);
    wait_close(s->writer);
    loop_unwatch(loop, &s->watch);
    close(s->watch.fd);
}

static bool would_block(int fault) { return fault == EAGAIN || fault == EWOULDBLOCK; }

static err stream_fault(const struct stream *stream, const char *what)
{
    int fault = errno;
    if (fault == ECONNRESET || fault == EPIPE || fault == ENOTCONN) {
        return fail(ERR_CLOSED);
    }
    log_debug("os", "%s %s: %s", what, stream->peer, strerror(fault));
    return fail(fault == ETIMEDOUT ? ERR_CLOSED : ERR_NETWORK);
}

static struct tcp_stream *tcp_of(struct stream *stream)
{
    return list_entry(stream, struct tcp_stream, stream);
}

static err tcp_read(struct stream *stream, void *out, size_t cap, u64 deadline_ms, size_t *ret_len)
{
    struct socket *s = &tcp_of(stream)->socket;
    assert_that(cap > 0 && s->reader == NULL);
    TRY(socket_turn(stream->loop, s, &s->reader, deadline_ms));
    for (;;) {
        ssize_t n = recv(s->watch.fd, out, cap, 0);
        if (n >= 0) {
            *ret_len = (size_t)n;
            return ok();
        }
        if (would_block(errno)) {
            TRY(socket_wait(stream->loop, s, &s->reader, deadline_ms));
        } else if (errno != EINTR) {
            return stream_fault(stream, "read from");
        }
    }
}

/* What is left of the caller's parts. */
struct part_cursor {
    const struct bytes *parts;
    size_t count;
    size_t offset; /* already written of parts[0] */
};

static void parts_skip(struct part_cursor *rest, size_t len)
{
    while (rest->count > 0 && len >= rest->parts[0].len - rest->offset) {
        len -= rest->parts[0].len - rest->offset;
        rest->offset = 0;
        rest->parts++;
        rest->count--;
    }
    rest->offset += len;
}

static ssize_t parts_send(int fd, const struct part_cursor *rest)
{
    struct iovec iov[PARTS_PER_CALL];
    size_t count = min_size(rest->count, PARTS_PER_CALL);
    for (size_t i = 0; i < count; i++) {
        size_t offset = i == 0 ? rest->offset : 0;
        iov[i] = (struct iovec){.iov_base = (void *)(uintptr_t)(rest->parts[i].data + offset),
                                .iov_len = rest->parts[i].len - offset};
    }
    struct msghdr message = {.msg_iov = iov, .msg_iovlen = count};
    return sendmsg(fd, &message, MSG_NOSIGNAL);
}

static err tcp_write(struct stream *stream, const struct bytes *parts, size_t count,
                     u64 deadline_ms)
{
    struct socket *s = &tcp_of(stream)->socket;
    struct part_cursor rest = {.parts = parts, .count = count};
    assert_that(s->writer == NULL);
    TRY(socket_turn(stream->loop, s, &s->writer, deadline_ms));
    parts_skip(&rest, 0); /* empty parts */
    while (rest.count > 0) {
        ssize_t n = parts_send(s->watch.fd, &rest);
        if (n >= 0) {
            parts_skip(&rest, (size_t)n);
        } else if (would_block(errno)) {
            TRY(socket_wait(stream->loop, s, &s->writer, deadline_ms));
        } else if (errno != EINTR) {
            return stream_fault(stream, "write to");
        }
    }
    return ok();
}

static err tcp_shutdown_write(struct stream *stream, u64 deadline_ms)
{
    (void)deadline_ms; /* the kernel sends the rest by itself */
    if (shutdown(tcp_of(stream)->socket.watch.fd, SHUT_WR) != 0) {
        return stream_fault(stream, "shut down");
    }
    return ok();
}

static void tcp_close(struct stream *stream)
{
    socket_close(stream->loop, &tcp_of(stream)->socket);
    mem_free(tcp_of(stream));
}

static bool tcp_quiet(struct stream *stream)
{
    u8 byte;
    ssize_t n = recv(tcp_of(stream)->socket.watch.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n < 0 && would_block(errno);
}

static const struct stream_ops tcp_ops = {.read = tcp_read,
                                          .write = tcp_write,
                                          .shutdown_write = tcp_shutdown_write,
                                          .close = tcp_close,
                                          .quiet = tcp_quiet};

/* Takes fd, whatever happens. */
static err tcp_open(struct loop *loop, int fd, const struct net_address *peer,
                    struct tcp_stream **ret_tcp)
{
    static const int on = 1;
    struct tcp_stream *tcp = MEM_NEW(struct tcp_stream);
    tcp->stream = (struct stream){.ops = &tcp_ops, .loop = loop};
    net_address_format(peer, tcp->stream.peer, sizeof tcp->stream.peer);
    /* A matter of speed only. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    err e = socket_open(loop, &tcp->socket, fd);
    if (!is_ok(e)) {
        close(fd);
        mem_free(tcp);
        return e;
    }
    *ret_tcp = tcp;
    return ok();
}

/* A connection from a local port to itself: what TCP makes of connecting to a free port of the
 * ephemeral range at the wrong moment. */
static bool connected_to_itself(int fd)
{
    struct net_address here = {.len = sizeof here.any};
    struct net_address there = {.len = sizeof there.any};
    return getsockname(fd, &here.any.sa, &here.len) == 0 &&
           getpeername(fd, &there.any.sa, &there.len) == 0 && here.len == there.len &&
           memcmp(&here.any, &there.any, here.len) == 0;
}

static err connect_result(int fd, const struct stream *stream)
{
    int fault = 0;
    socklen_t len = sizeof fault;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &fault, &len) != 0) {
        fault = errno;
    } else if (fault == 0 && connected_to_itself(fd)) {
        fault = ECONNREFUSED;
    }
    if (fault != 0) {
        log_debug("os", "connect to %s: %s", stream->peer, strerror(fault));
        return fail(ERR_NETWORK);
    }
    return ok();
}

static err tcp_connect(struct tcp_stream *tcp, const struct net_address *peer, u64 deadline_ms)
{
    struct socket *s = &tcp->socket;
    TRY(socket_turn(tcp->stream.loop, s, &s->writer, deadline_ms));
    int r;
    do {
        r = connect(s->watch.fd, &peer->any.sa, peer->len);
    } while (r != 0 && errno == EINTR);
    if (r != 0 && errno != EINPROGRESS) {
        log_debug("os", "connect to %s: %s", tcp->stream.peer, strerror(errno));
        return fail(ERR_NETWORK);
    }
    if (r != 0) {
        TRY(socket_wait(tcp->stream.loop, s, &s->writer, deadline_ms));
    }
    return connect_result(s->watch.fd, &tcp->stream);
}

static int socket_new(const struct net_address *address)
{
    return socket(address->any.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static err connect_one(struct loop *loop, const struct net_address *peer, u64 deadline_ms,
                       struct stream **ret_stream)
{
    struct tcp_stream *tcp;
    int fd = socket_new(peer);
    if (fd < 0) {
        log_warn("os", "no socket: %s", strerror(errno));
        return fail(ERR_NETWORK);
    }
    err e = tcp_open(loop, fd, peer, &tcp);
    if (!is_ok(e)) {
        return fail(ERR_NETWORK);
    }
    e = tcp_connect(tcp, peer, deadline_ms);
    if (!is_ok(e)) {
        tcp_close(&tcp->stream);
        return e;
    }
    *ret_stream = &tcp->stream;
    return ok();
}

err stream_connect(struct loop *loop, const char *host, u16 port, u64 deadline_ms,
                   struct stream **ret_stream)
{
    struct net_address peers[NET_ADDRESSES_MAX];
    size_t count = net_resolve(host, port, peers);
    if (count == 0) {
        log_debug("os", "unknown host %s", host);
        return fail(ERR_NETWORK);
    }
    err e = fail(ERR_NETWORK);
    for (size_t i = 0; i < count && is_err(e, ERR_NETWORK); i++) {
        e = connect_one(loop, &peers[i], deadline_ms, ret_stream);
    }
    return e;
}

static int listen_on(int fd, const struct net_address *address)
{
    static const int on = 1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) {
        return -1;
    }
    if (address->any.sa.sa_family == AF_INET6 &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0) {
        return -1;
    }
    return bind(fd, &address->any.sa, address->len) == 0 ? listen(fd, SOMAXCONN) : -1;
}

static err listener_setup(struct listener *listener, int fd, const struct net_address *address)
{
    struct net_address bound = {.len = sizeof bound.any};
    if (listen_on(fd, address) != 0 || getsockname(fd, &bound.any.sa, &bound.len) != 0) {
        int fault = errno;
        char text[STREAM_PEER_MAX];
        net_address_format(address, text, sizeof text);
        log_error("os", "cannot listen on %s: %s", text, strerror(fault));
        return fail(fault == EADDRINUSE ? ERR_EXISTS : ERR_IO);
    }
    listener->port = net_address_port(&bound);
    return socket_open(listener->loop, &listener->socket, fd);
}

err listener_open(struct loop *loop, const char *host, u16 port, struct listener **ret_listener)
{
    struct net_address addresses[NET_ADDRESSES_MAX];
    if (net_resolve(host, port, addresses) == 0) {
        log_error("os", "cannot listen on the unknown host %s", host);
        return fail(ERR_IO);
    }
    int fd = socket_new(&addresses[0]);
    if (fd < 0) {
        log_error("os", "no socket: %s", strerror(errno));
        return fail(ERR_IO);
    }
    struct listener *listener = MEM_NEW(struct listener);
    listener->loop = loop;
    err e = listener_setup(listener, fd, &addresses[0]);
    if (!is_ok(e)) {
        close(fd);
        mem_free(listener);
        return e;
    }
    *ret_listener = listener;
    return ok();
}

u16 listener_port(const struct listener *listener) { return listener->port; }

/* A connection that broke while it waited, or a network error that accept() passes on. */
static bool accept_may_retry(int fault)
{
    switch (fault) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
    case EPERM:
        return true;
    default:
        return false;
    }
}

/* `listener` must not be touched after a fault. */
static err accept_pause(struct listener *listener, int fault)
{
    struct loop *loop = listener->loop;
    log_warn("os", "cannot accept for now: %s", strerror(fault));
    u64 until = loop_now_ms(loop) + ACCEPT_PAUSE_MS;
    err e = ok();
    while (is_ok(e) && loop_now_ms(loop) < until) {
        e = socket_wait(loop, &listener->socket, &listener->socket.reader, until);
    }
    return is_err(e, ERR_TIMEOUT) ? ok() : e;
}

err listener_accept(struct listener *listener, struct stream **ret_stream)
{
    struct socket *s = &listener->socket;
    struct loop *loop = listener->loop;
    TRY(socket_turn(loop, s, &s->reader, DEADLINE_NONE));
    for (;;) {
        struct net_address peer = {.len = sizeof peer.any};
        int fd = accept4(s->watch.fd, &peer.any.sa, &peer.len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        struct tcp_stream *tcp;
        if (fd >= 0 && is_ok(tcp_open(loop, fd, &peer, &tcp))) {
            *ret_stream = &tcp->stream;
            return ok();
        }
        if (fd < 0 && would_block(errno)) {
            TRY(socket_wait(loop, s, &s->reader, DEADLINE_NONE));
        } else if (fd < 0 && !accept_may_retry(errno)) {
            TRY(accept_pause(listener, errno));
        }
    }
}

void listener_close(struct listener *listener)
{
    if (listener == NULL) {
        return;
    }
    socket_close(listener->loop, &listener->socket);
    mem_free(listener);
}

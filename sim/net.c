/* net.c: os/stream.h between simulated processes.
 *
 * A connection is two pipes. What is written goes into the pipe at once, up to a window, and arrives
 * after the link's latency; a reset drops both directions. A cut link delivers nothing until it heals
 * (the writer's window fills, then its deadline passes), as TCP behaves while a cable is out.
 */
#include "os/stream.h"

#include "base/assert.h"
#include "base/mem.h"
#include "os/fiber_internal.h"
#include "sim/sim.h"

#include <stdio.h>
#include <stdlib.h>

#define WINDOW_BYTES KIB(256)
#define CUT_RETRY_MS 50

struct chunk {
    struct chunk *next;
    size_t len;
    size_t at; /* read so far */
    u8 data[];
};

struct end;

/* One direction. Chunks in flight become readable in order. */
struct pipe {
    struct end *reader;
    struct end *writer;
    struct chunk *first; /* arrived or in flight */
    struct chunk *last;
    size_t arrived;      /* chunks readable */
    size_t bytes;        /* in the pipe, for the window */
    u64 busy_until_ms;   /* bandwidth and order */
    bool closed;         /* the writer ended it: end of stream behind the last chunk */
    bool closed_arrived;
    size_t in_flight;    /* deliveries that have not fired */
};

struct connection {
    struct list node; /* in sim->pipes */
    struct pipe pipes[2];
    bool reset;
    size_t references; /* ends and deliveries */
};

struct end {
    struct stream stream; /* first: what the user holds */
    struct connection *connection;
    struct pipe *in;
    struct pipe *out;
    struct loop *loop;
    struct event readable;
    struct event writable;
    bool closed;
};

struct delivery {
    struct sim_event event;
    struct connection *connection;
    struct pipe *pipe;
    bool is_end;
};

struct listener {
    struct loop *loop;
    char address[SIM_HOST_MAX + 8];
    u16 port;
    struct event arrived;
    struct list waiting; /* struct pending */
    bool closed;
};

struct pending {
    struct list node;
    struct end *end;
};

static void unref(struct connection *connection)
{
    if (--connection->references != 0) {
        return;
    }
    list_remove(&connection->node);
    for (size_t i = 0; i < 2; i++) {
        for (struct chunk *c = connection->pipes[i].first; c != NULL;) {
            struct chunk *next = c->next;
            free(c);
            c = next;
        }
    }
    free(connection);
}

static void wake_end(struct end *end)
{
    if (end != NULL) {
        event_wake_all(&end->readable);
        event_wake_all(&end->writable);
    }
}

static void reset_connection(struct connection *connection)
{
    connection->reset = true;
    for (size_t i = 0; i < 2; i++) {
        wake_end(connection->pipes[i].reader);
    }
}

static bool is_cut(const struct pipe *pipe)
{
    if (pipe->reader == NULL || pipe->writer == NULL) {
        return false;
    }
    return sim->cut[sim_process_slot(pipe->writer->loop)][sim_process_slot(pipe->reader->loop)];
}

static void deliver(struct sim_event *event)
{
    struct delivery *delivery = (struct delivery *)(void *)event;
    struct pipe *pipe = delivery->pipe;
    struct connection *connection = delivery->connection;
    if (!connection->reset && is_cut(pipe)) {
        sim_at(event, CUT_RETRY_MS, deliver);
        return;
    }
    pipe->in_flight--;
    if (!connection->reset && sim->faults.reset_per_million != 0 &&
        prng_below(&sim->prng, 1000000) < sim->faults.reset_per_million) {
        reset_connection(connection);
    }
    if (!connection->reset) {
        if (delivery->is_end) {
            pipe->closed_arrived = true;
        } else {
            pipe->arrived++;
        }
        sim_note(pipe->bytes);
        if (pipe->reader != NULL) {
            event_wake_all(&pipe->reader->readable);
        }
    }
    free(delivery);
    unref(connection);
}

/* Sends what was just appended (or the end) on its way. */
static void send_off(struct connection *connection, struct pipe *pipe, size_t len, bool is_end)
{
    struct delivery *delivery = calloc(1, sizeof *delivery);
    assert_that(delivery != NULL);
    const struct sim_faults *f = &sim->faults;
    u64 latency = f->latency_min_ms +
                  prng_below(&sim->prng, f->latency_max_ms - f->latency_min_ms + 1);
    u64 due = sim->now_ms + latency + (f->bytes_per_ms ? len / f->bytes_per_ms : 0);
    pipe->busy_until_ms = max_u64(pipe->busy_until_ms, due);
    *delivery = (struct delivery){.connection = connection, .pipe = pipe, .is_end = is_end};
    connection->references++;
    pipe->in_flight++;
    sim_at(&delivery->event, pipe->busy_until_ms - sim->now_ms, deliver);
}

static err end_read(struct stream *stream, void *out, size_t cap, u64 deadline_ms, size_t *ret_len)
{
    struct end *end = (struct end *)(void *)stream;
    struct pipe *pipe = end->in;
    for (;;) {
        if (end->closed) {
            return fail(ERR_CANCELLED);
        }
        if (end->connection->reset) {
            return fail(ERR_CLOSED);
        }
        if (pipe->arrived != 0) {
            break;
        }
        if (pipe->closed_arrived) {
            *ret_len = 0;
            return ok();
        }
        TRY(event_wait(end->loop, &end->readable, deadline_ms));
    }
    struct chunk *chunk = pipe->first;
    size_t len = min_size(cap, chunk->len - chunk->at);
    memcpy(out, chunk->data + chunk->at, len);
    chunk->at += len;
    pipe->bytes -= len;
    if (chunk->at == chunk->len) {
        pipe->first = chunk->next;
        pipe->last = pipe->first ? pipe->last : NULL;
        pipe->arrived--;
        free(chunk);
    }
    if (pipe->writer != NULL) {
        event_wake_all(&pipe->writer->writable);
    }
    *ret_len = len;
    return ok();
}

static err write_some(struct end *end, bytes in, u64 deadline_ms)
{
    struct pipe *pipe = end->out;
    while (in.len != 0) {
        if (end->closed) {
            return fail(ERR_CANCELLED);
        }
        if (end->connection->reset || pipe->reader == NULL) {
            return fail(ERR_CLOSED);
        }
        if (pipe->bytes >= WINDOW_BYTES) {
            TRY(event_wait(end->loop, &end->writable, deadline_ms));
            continue;
        }
        size_t len = min_size(in.len, WINDOW_BYTES - pipe->bytes);
        struct chunk *chunk = malloc(sizeof *chunk + len);
        assert_that(chunk != NULL);
        *chunk = (struct chunk){.len = len};
        memcpy(chunk->data, in.data, len);
        *(pipe->last ? &pipe->last->next : &pipe->first) = chunk;
        pipe->last = chunk;
        pipe->bytes += len;
        send_off(end->connection, pipe, len, false);
        in = bytes_slice(in, len, in.len - len);
    }
    return ok();
}

static err end_write(struct stream *stream, const struct bytes *parts, size_t count, u64 deadline_ms)
{
    if (loop_stopping(stream->loop)) {
        return fail(ERR_CANCELLED);
    }
    for (size_t i = 0; i < count; i++) {
        TRY(write_some((struct end *)(void *)stream, parts[i], deadline_ms));
    }
    return ok();
}

static err end_shutdown_write(struct stream *stream, u64 deadline_ms)
{
    (void)deadline_ms;
    struct end *end = (struct end *)(void *)stream;
    if (end->connection->reset) {
        return fail(ERR_CLOSED);
    }
    if (!end->out->closed) {
        end->out->closed = true;
        send_off(end->connection, end->out, 0, true);
    }
    return ok();
}

/* The end's memory belongs to its process; the connection outlives it. */
static void detach(struct end *end)
{
    struct connection *connection = end->connection;
    if (!end->out->closed && !connection->reset) {
        end->out->closed = true;
        send_off(connection, end->out, 0, true);
    }
    end->in->reader = NULL;
    end->out->writer = NULL;
    if (end->in->writer != NULL) {
        event_wake_all(&end->in->writer->writable);
    }
    unref(connection);
}

static void end_close(struct stream *stream)
{
    struct end *end = (struct end *)(void *)stream;
    end->closed = true;
    wake_end(end);
    detach(end);
    mem_free(end);
}

static const struct stream_ops ops = {end_read, end_write, end_shutdown_write, end_close};

static struct end *end_new(struct loop *loop, struct connection *connection, size_t side)
{
    struct loop *former = sim_enter(loop);
    struct fiber *running = sim->current;
    sim->current = NULL; /* so that the memory is the other process's */
    struct end *end = MEM_NEW(struct end);
    sim->current = running;
    sim_leave(former);
    end->stream = (struct stream){.ops = &ops, .loop = loop};
    end->connection = connection;
    end->loop = loop;
    end->in = &connection->pipes[side];
    end->out = &connection->pipes[1 - side];
    end->in->reader = end;
    end->out->writer = end;
    event_init(&end->readable);
    event_init(&end->writable);
    connection->references++;
    return end;
}

static struct listener *find_listener(const char *host, u16 port)
{
    char address[SIM_HOST_MAX + 8];
    snprintf(address, sizeof address, "%s:%u", host, port);
    return map_get(&sim->listeners, bytes_str(address));
}

err stream_connect(struct loop *loop, const char *host, u16 port, u64 deadline_ms,
                   struct stream **ret_stream)
{
    u64 there = sim->faults.latency_min_ms;
    TRY(fiber_sleep(loop, sim->now_ms + there));
    struct listener *listener = find_listener(host, port);
    if (listener == NULL) {
        return fail(ERR_NETWORK);
    }
    unsigned from = sim_process_slot(loop);
    unsigned to = sim_process_slot(listener->loop);
    if (sim->cut[from][to] || sim->cut[to][from]) {
        TRY(fiber_park(loop, deadline_ms));
        return fail(ERR_TIMEOUT);
    }
    struct connection *connection = calloc(1, sizeof *connection);
    assert_that(connection != NULL);
    list_push_back(&sim->pipes, &connection->node);
    struct end *mine = end_new(loop, connection, 0);
    struct end *theirs = end_new(listener->loop, connection, 1);
    snprintf(mine->stream.peer, sizeof mine->stream.peer, "%s:%u", host, port);
    snprintf(theirs->stream.peer, sizeof theirs->stream.peer, "%s:0", sim_process_host(loop));
    struct pending *pending = calloc(1, sizeof *pending);
    assert_that(pending != NULL);
    pending->end = theirs;
    list_push_back(&listener->waiting, &pending->node);
    event_wake_one(&listener->arrived);
    *ret_stream = &mine->stream;
    return ok();
}

err listener_open(struct loop *loop, const char *host, u16 port, struct listener **ret_listener)
{
    if (find_listener(host, port) != NULL) {
        return fail(ERR_EXISTS);
    }
    struct listener *listener = calloc(1, sizeof *listener);
    assert_that(listener != NULL);
    *listener = (struct listener){.loop = loop, .port = port};
    snprintf(listener->address, sizeof listener->address, "%s:%u", host, port);
    event_init(&listener->arrived);
    list_init(&listener->waiting);
    map_put(&sim->listeners, bytes_str(listener->address), listener);
    *ret_listener = listener;
    return ok();
}

u16 listener_port(const struct listener *listener) { return listener->port; }

err listener_accept(struct listener *listener, struct stream **ret_stream)
{
    while (list_empty(&listener->waiting)) {
        if (listener->closed) {
            return fail(ERR_CANCELLED);
        }
        TRY(event_wait(listener->loop, &listener->arrived, DEADLINE_NONE));
    }
    struct pending *pending = list_entry(listener->waiting.next, struct pending, node);
    list_remove(&pending->node);
    *ret_stream = &pending->end->stream;
    free(pending);
    return ok();
}

static void drop_waiting(struct listener *listener)
{
    list_for_safe (node, &listener->waiting) {
        struct pending *pending = list_entry(node, struct pending, node);
        list_remove(node);
        reset_connection(pending->end->connection);
        free(pending);
    }
}

void listener_close(struct listener *listener)
{
    if (listener == NULL) {
        return;
    }
    listener->closed = true;
    event_wake_all(&listener->arrived);
    drop_waiting(listener);
    map_remove(&sim->listeners, bytes_str(listener->address));
    free(listener);
}

/* A dead process answers nothing: its peers get resets. */
void sim_net_kill(struct loop *process)
{
    map_each (entry, &sim->listeners) {
        struct listener *listener = entry->value;
        if (listener->loop == process) {
            drop_waiting(listener);
            map_remove(&sim->listeners, bytes_str(listener->address));
            free(listener);
        }
    }
    list_for_safe (node, &sim->pipes) {
        struct connection *connection = list_entry(node, struct connection, node);
        for (size_t i = 0; i < 2; i++) {
            struct end *end = connection->pipes[i].reader;
            if (end != NULL && end->loop == process) {
                connection->references++;
                reset_connection(connection);
                detach(end);
                unref(connection);
                break;
            }
        }
    }
}

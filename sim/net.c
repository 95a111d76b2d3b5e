/* net.c: os/stream.h between simulated processes.
 *
 * A connection is two pipes, one each way. What is written goes into the pipe at once, up to a
 * window, and arrives in order after the link's latency. A cut link delivers nothing until it
 * heals, as TCP behaves while a cable is out: the writer's window fills, then its deadline passes.
 * A killed process resets its connections; a host without power says nothing until it is up again,
 * and only then answers what still comes with a reset: what it did not acknowledge is sent again,
 * less and less often. Who only waits for it learns nothing.
 */
#include "os/stream.h"

#include "base/assert.h"
#include "base/mem.h"
#include "os/fiber_internal.h"
#include "sim/sim.h"

#include <stdio.h>
#include <stdlib.h>

#define WINDOW_BYTES KIB(128)
#define CUT_RETRY_MS 50
#define SEND_AGAIN_MS 200 /* doubles */
#define SEND_AGAIN_MAX_MS 60000
#define CALLS_PER_TURN 32

enum chunk_kind { CHUNK_DATA, CHUNK_END, CHUNK_RESET };

struct chunk {
    struct list node;
    enum chunk_kind kind;
    u64 due_ms;
    size_t len;
    size_t at; /* read so far */
    u8 data[];
};

struct end;

/* One direction. Chunks move from `flying` to `arrived` in order. */
struct pipe {
    struct connection *connection;
    struct end *reader; /* NULL: closed, or its process is gone */
    struct end *writer;
    unsigned from;
    unsigned to;
    struct list flying;
    struct list arrived;
    struct sim_event delivery; /* armed while `flying` is not empty */
    u64 last_due_ms;
    u64 send_again_ms; /* the last pause; 0: nothing was lost yet */
    size_t bytes;      /* not read yet, for the window */
    bool ended;        /* the writer sent its end */
    bool end_arrived;
};

struct connection {
    struct list node; /* in sim->connections */
    struct pipe pipes[2];
    bool reset;
    bool silent; /* an end lost its power without a word */
};

/* On the stack of a fiber that waits at an end or a listener, which may be gone when it wakes. */
struct end_wait {
    struct fiber *fiber;
    bool closed;
};

struct end {
    struct stream stream; /* first: what the user holds */
    struct connection *connection;
    struct pipe *in;
    struct pipe *out;
    struct end_wait *reader;
    struct end_wait *writer;
    unsigned calls; /* since the last wait */
};

struct listener {
    struct list node;
    struct loop *loop;
    struct sim_host *host;
    u16 port;
    struct end_wait *acceptor;
    struct list waiting; /* struct pending */
};

struct pending {
    struct list node;
    struct end *end;
};

/* ---- waiting ---- */

static void wake(struct end_wait *wait)
{
    if (wait != NULL) {
        fiber_ready(wait->fiber);
    }
}

static void wake_end(struct end *end)
{
    if (end != NULL) {
        wake(end->reader);
        wake(end->writer);
    }
}

static void close_wait(struct end_wait *wait)
{
    if (wait != NULL) {
        wait->closed = true;
        fiber_ready(wait->fiber);
    }
}

/* `side` is where wakers look. After a fault the end must not be touched. */
static err wait_at(struct loop *loop, struct end_wait **side, u64 deadline_ms)
{
    assert_that(*side == NULL); /* one reader and one writer at a time */
    struct end_wait wait = {.fiber = fiber_current(loop)};
    assert_that(wait.fiber != NULL);
    *side = &wait;
    err e = fiber_park(loop, deadline_ms);
    if (wait.closed) {
        return fail(ERR_CANCELLED);
    }
    *side = NULL;
    return e;
}

/* As the real streams do first: deadlines and stopping hold even where nothing has to be waited
 * for, and now and then a fiber that never waits gives way. */
static err take_turn(struct end *end, struct end_wait **side, u64 deadline_ms)
{
    struct loop *loop = end->stream.loop;
    if (loop_stopping(loop)) {
        return fail(ERR_CANCELLED);
    }
    if (deadline_ms <= sim->now_ms) {
        return fail(ERR_TIMEOUT);
    }
    if (++end->calls < CALLS_PER_TURN) {
        return ok();
    }
    assert_that(*side == NULL);
    struct end_wait wait = {.fiber = fiber_current(loop)};
    *side = &wait;
    end->calls = 0;
    fiber_yield(loop);
    if (wait.closed) {
        return fail(ERR_CANCELLED);
    }
    *side = NULL;
    return ok();
}

/* ---- delivery ---- */

static void drop_chunks(struct list *chunks)
{
    list_for_safe (node, chunks) {
        list_remove(node);
        free(list_entry(node, struct chunk, node));
    }
}

static void reset_connection(struct connection *connection)
{
    connection->reset = true;
    for (size_t i = 0; i < 2; i++) {
        struct pipe *pipe = &connection->pipes[i];
        sim_cancel(&pipe->delivery);
        drop_chunks(&pipe->flying);
        drop_chunks(&pipe->arrived);
        wake_end(pipe->reader);
    }
}

static void free_if_unused(struct connection *connection)
{
    if (connection->pipes[0].reader != NULL || connection->pipes[1].reader != NULL) {
        return;
    }
    for (size_t i = 0; i < 2; i++) {
        sim_cancel(&connection->pipes[i].delivery);
        drop_chunks(&connection->pipes[i].flying);
        drop_chunks(&connection->pipes[i].arrived);
    }
    list_remove(&connection->node);
    free(connection);
}

static bool host_is_up(unsigned slot)
{
    list_for (node, &sim->hosts) {
        struct sim_host *host = list_entry(node, struct sim_host, node);
        if (host->slot == slot) {
            return host->up;
        }
    }
    return false;
}

/* is_unheard: the other host has no power. */
static bool is_unheard(const struct pipe *pipe)
{
    return pipe->reader == NULL && pipe->connection->silent && !host_is_up(pipe->to);
}

/* False: the connection was reset. */
static bool arrive(struct pipe *pipe, struct chunk *chunk)
{
    sim_note(chunk->len);
    if (pipe->reader == NULL) {
        bool is_data = chunk->kind == CHUNK_DATA;
        free(chunk);
        if (is_data) {
            reset_connection(pipe->connection);
            return false;
        }
        return true;
    }
    if (chunk->kind == CHUNK_DATA && !pipe->end_arrived) {
        list_push_back(&pipe->arrived, &chunk->node);
    } else if (chunk->kind == CHUNK_RESET) {
        free(chunk);
        reset_connection(pipe->connection);
        return false;
    } else {
        pipe->end_arrived = true;
        free(chunk);
    }
    wake(pipe->reader->reader);
    return true;
}

static void deliver(struct sim_event *event);

static void arm_delivery(struct pipe *pipe, u64 at_ms)
{
    if (!list_empty(&pipe->flying)) {
        sim_at(&pipe->delivery, at_ms > sim->now_ms ? at_ms - sim->now_ms : 0, deliver);
    }
}

static u64 first_due(const struct pipe *pipe)
{
    return list_empty(&pipe->flying) ? UINT64_MAX
                                     : list_entry(pipe->flying.next, struct chunk, node)->due_ms;
}

static void deliver(struct sim_event *event)
{
    struct pipe *pipe = list_entry(event, struct pipe, delivery);
    if (sim->cut[pipe->from][pipe->to]) {
        arm_delivery(pipe, sim->now_ms + CUT_RETRY_MS);
        return;
    }
    if (sim->stalled_until_ms[pipe->from] > sim->now_ms) {
        arm_delivery(pipe, sim->stalled_until_ms[pipe->from]);
        return;
    }
    if (is_unheard(pipe)) {
        u64 pause_ms = pipe->send_again_ms == 0 ? SEND_AGAIN_MS : 2 * pipe->send_again_ms;
        pipe->send_again_ms = min_u64(pause_ms, SEND_AGAIN_MAX_MS);
        arm_delivery(pipe, sim->now_ms + pipe->send_again_ms);
        return;
    }
    if (sim->faults.reset_per_million != 0 && sim_chance(sim->faults.reset_per_million, 1000000)) {
        sim_note_text("reset");
        reset_connection(pipe->connection);
        return;
    }
    while (first_due(pipe) <= sim->now_ms) {
        struct chunk *chunk = list_entry(pipe->flying.next, struct chunk, node);
        list_remove(&chunk->node);
        if (!arrive(pipe, chunk)) {
            return;
        }
    }
    arm_delivery(pipe, first_due(pipe));
}

static u64 draw_latency(void)
{
    const struct sim_faults *f = &sim->faults;
    return f->latency_min_ms + sim_below(f->latency_max_ms - f->latency_min_ms + 1);
}

static void send_chunk(struct pipe *pipe, enum chunk_kind kind, bytes data)
{
    const struct sim_faults *f = &sim->faults;
    struct chunk *chunk = malloc(sizeof *chunk + data.len);
    assert_that(chunk != NULL);
    u64 due = sim->now_ms + draw_latency() + (f->bytes_per_ms ? data.len / f->bytes_per_ms : 0);
    pipe->last_due_ms = max_u64(pipe->last_due_ms, due);
    *chunk = (struct chunk){.kind = kind, .len = data.len, .due_ms = pipe->last_due_ms};
    if (data.len > 0) {
        memcpy(chunk->data, data.data, data.len);
    }
    bool is_first = list_empty(&pipe->flying);
    list_push_back(&pipe->flying, &chunk->node);
    pipe->bytes += data.len;
    if (is_first) {
        arm_delivery(pipe, chunk->due_ms);
    }
}

/* ---- a stream ---- */

static size_t take_arrived(struct pipe *pipe, void *out, size_t cap)
{
    struct chunk *chunk = list_entry(pipe->arrived.next, struct chunk, node);
    size_t len = min_size(cap, chunk->len - chunk->at);
    memcpy(out, chunk->data + chunk->at, len);
    chunk->at += len;
    pipe->bytes -= len;
    if (chunk->at == chunk->len) {
        list_remove(&chunk->node);
        free(chunk);
    }
    if (pipe->writer != NULL) {
        wake(pipe->writer->writer);
    }
    return len;
}

static err end_read(struct stream *stream, void *out, size_t cap, u64 deadline_ms, size_t *ret_len)
{
    struct end *end = list_entry(stream, struct end, stream);
    assert_that(cap > 0);
    TRY(take_turn(end, &end->reader, deadline_ms));
    for (;;) {
        if (end->connection->reset) {
            return fail(ERR_CLOSED);
        }
        if (!list_empty(&end->in->arrived)) {
            *ret_len = take_arrived(end->in, out, cap);
            return ok();
        }
        if (end->in->end_arrived) {
            *ret_len = 0;
            return ok();
        }
        end->calls = 0;
        TRY(wait_at(stream->loop, &end->reader, deadline_ms));
    }
}

static err write_part(struct end *end, bytes in, u64 deadline_ms)
{
    while (in.len != 0) {
        if (end->connection->reset || end->out->ended) {
            return fail(ERR_CLOSED);
        }
        if (end->out->bytes >= WINDOW_BYTES) {
            end->calls = 0;
            TRY(wait_at(end->stream.loop, &end->writer, deadline_ms));
            continue;
        }
        size_t len = min_size(in.len, WINDOW_BYTES - end->out->bytes);
        send_chunk(end->out, CHUNK_DATA, bytes_slice(in, 0, len));
        in = bytes_slice(in, len, in.len - len);
    }
    return ok();
}

static err end_write(struct stream *stream, const struct bytes *parts, size_t count,
                     u64 deadline_ms)
{
    struct end *end = list_entry(stream, struct end, stream);
    TRY(take_turn(end, &end->writer, deadline_ms));
    for (size_t i = 0; i < count; i++) {
        TRY(write_part(end, parts[i], deadline_ms));
    }
    return ok();
}

static err end_shutdown_write(struct stream *stream, u64 deadline_ms)
{
    (void)deadline_ms;
    struct end *end = list_entry(stream, struct end, stream);
    if (end->connection->reset) {
        return fail(ERR_CLOSED);
    }
    if (!end->out->ended) {
        end->out->ended = true;
        send_chunk(end->out, CHUNK_END, (bytes){0});
    }
    return ok();
}

/* The end's memory belongs to its process; the connection may outlive it. */
static void detach(struct end *end)
{
    struct connection *connection = end->connection;
    end->in->reader = NULL;
    end->out->writer = NULL;
    close_wait(end->reader);
    close_wait(end->writer);
    free_if_unused(connection);
}

/* Closing with input that nobody read sends a reset, as TCP does. */
static void end_close(struct stream *stream)
{
    struct end *end = list_entry(stream, struct end, stream);
    if (!end->connection->reset) {
        bool unread = !list_empty(&end->in->arrived);
        if (unread) {
            drop_chunks(&end->in->arrived);
            send_chunk(end->out, CHUNK_RESET, (bytes){0});
        } else if (!end->out->ended) {
            send_chunk(end->out, CHUNK_END, (bytes){0});
        }
        end->out->ended = true;
    }
    detach(end);
    mem_free(end);
}

static const struct stream_ops end_ops = {
    .read = end_read, .write = end_write, .shutdown_write = end_shutdown_write, .close = end_close};

/* ---- connecting ---- */

static struct end *end_new(struct loop *loop, struct connection *connection, size_t side)
{
    struct loop *former = sim_act_as(loop);
    struct end *end = MEM_NEW(struct end);
    sim_act_as(former);
    end->stream = (struct stream){.ops = &end_ops, .loop = loop};
    end->connection = connection;
    end->in = &connection->pipes[side];
    end->out = &connection->pipes[1 - side];
    end->in->reader = end;
    end->out->writer = end;
    return end;
}

static void pipe_init(struct pipe *pipe, struct connection *connection, unsigned from, unsigned to)
{
    *pipe = (struct pipe){.connection = connection, .from = from, .to = to};
    list_init(&pipe->flying);
    list_init(&pipe->arrived);
}

static struct sim_host *find_host(const char *address)
{
    list_for (node, &sim->hosts) {
        struct sim_host *host = list_entry(node, struct sim_host, node);
        if (strcmp(host->address, address) == 0) {
            return host;
        }
    }
    return NULL;
}

static struct listener *find_listener(const struct sim_host *host, u16 port)
{
    list_for (node, &sim->listeners) {
        struct listener *listener = list_entry(node, struct listener, node);
        if (listener->host == host && listener->port == port) {
            return listener;
        }
    }
    return NULL;
}

/* The first packet and its answer; nothing comes back from a cut link or a host without power. */
static err shake_hands(struct loop *loop, const struct sim_host *host, u64 deadline_ms)
{
    unsigned from = sim_process_host(loop)->slot;
    u64 until = sim->now_ms + 2 * draw_latency();
    until = max_u64(until, sim->stalled_until_ms[host->slot]);
    for (;;) {
        if (until >= deadline_ms) {
            TRY(fiber_sleep(loop, deadline_ms));
            return fail(ERR_TIMEOUT);
        }
        TRY(fiber_sleep(loop, until));
        if (host->up && !sim->cut[from][host->slot] && !sim->cut[host->slot][from]) {
            return ok();
        }
        until = sim->now_ms + 1000; /* sent again */
    }
}

static struct end *connect_to(struct loop *loop, struct listener *listener)
{
    unsigned from = sim_process_host(loop)->slot;
    unsigned to = listener->host->slot;
    struct connection *connection = calloc(1, sizeof *connection);
    struct pending *pending = calloc(1, sizeof *pending);
    assert_that(connection != NULL && pending != NULL);
    pipe_init(&connection->pipes[0], connection, to, from);
    pipe_init(&connection->pipes[1], connection, from, to);
    list_push_back(&sim->connections, &connection->node);
    struct end *mine = end_new(loop, connection, 0);
    pending->end = end_new(listener->loop, connection, 1);
    snprintf(mine->stream.peer, STREAM_PEER_MAX, "%.40s:%u", listener->host->address,
             listener->port);
    snprintf(pending->end->stream.peer, STREAM_PEER_MAX, "%.40s:%u",
             sim_process_host(loop)->address, 30000u + (unsigned)sim_below(30000));
    list_push_back(&listener->waiting, &pending->node);
    wake(listener->acceptor);
    return mine;
}

err stream_connect(struct loop *loop, const char *host, u16 port, u64 deadline_ms,
                   struct stream **ret_stream)
{
    const struct sim_host *there = find_host(host);
    if (there == NULL) {
        return fail(ERR_NETWORK);
    }
    TRY(shake_hands(loop, there, deadline_ms));
    struct listener *listener = find_listener(there, port);
    if (listener == NULL) {
        return fail(ERR_NETWORK);
    }
    *ret_stream = &connect_to(loop, listener)->stream;
    return ok();
}

/* ---- listening ---- */

err listener_open(struct loop *loop, const char *host, u16 port, struct listener **ret_listener)
{
    struct sim_host *here = sim_process_host(loop);
    assert_that(strcmp(host, here->address) == 0);
    while (port == 0 || (port >= 20000 && find_listener(here, port) != NULL)) {
        port = sim->next_port++;
    }
    if (find_listener(here, port) != NULL) {
        return fail(ERR_EXISTS);
    }
    struct listener *listener = calloc(1, sizeof *listener);
    assert_that(listener != NULL);
    *listener = (struct listener){.loop = loop, .host = here, .port = port};
    list_init(&listener->waiting);
    list_push_back(&sim->listeners, &listener->node);
    *ret_listener = listener;
    return ok();
}

u16 listener_port(const struct listener *listener) { return listener->port; }

err listener_accept(struct listener *listener, struct stream **ret_stream)
{
    struct loop *loop = listener->loop;
    if (loop_stopping(loop)) {
        return fail(ERR_CANCELLED);
    }
    while (list_empty(&listener->waiting)) {
        TRY(wait_at(loop, &listener->acceptor, DEADLINE_NONE));
    }
    struct pending *pending = list_entry(listener->waiting.next, struct pending, node);
    list_remove(&pending->node);
    *ret_stream = &pending->end->stream;
    free(pending);
    return ok();
}

void listener_close(struct listener *listener)
{
    if (listener == NULL) {
        return;
    }
    close_wait(listener->acceptor);
    list_for_safe (node, &listener->waiting) {
        struct pending *pending = list_entry(node, struct pending, node);
        list_remove(node);
        reset_connection(pending->end->connection);
        stream_close(&pending->end->stream);
        free(pending);
    }
    list_remove(&listener->node);
    free(listener);
}

/* ---- the end of a process ---- */

static void kill_listeners(const struct loop *process)
{
    list_for_safe (node, &sim->listeners) {
        struct listener *listener = list_entry(node, struct listener, node);
        if (listener->loop != process) {
            continue;
        }
        list_for_safe (waiting, &listener->waiting) {
            list_remove(waiting);
            free(list_entry(waiting, struct pending, node));
        }
        list_remove(node);
        free(listener);
    }
}

static void kill_end(struct end *end, bool power)
{
    if (power) {
        end->connection->silent = true;
    } else {
        reset_connection(end->connection);
    }
    end->reader = NULL; /* their fibers are about to be discarded */
    end->writer = NULL;
    detach(end);
}

void sim_net_kill(struct loop *process, bool power)
{
    kill_listeners(process);
    list_for_safe (node, &sim->connections) {
        struct connection *connection = list_entry(node, struct connection, node);
        struct end *ends[2] = {connection->pipes[0].reader, connection->pipes[1].reader};
        for (size_t i = 0; i < 2; i++) {
            bool is_last = ends[1 - i] == NULL;
            if (ends[i] != NULL && ends[i]->stream.loop == process) {
                kill_end(ends[i], power);
                ends[i] = NULL;
                if (is_last) {
                    break; /* the connection is gone */
                }
            }
        }
    }
}

void sim_net_free(void) { assert_that(list_empty(&sim->connections)); }

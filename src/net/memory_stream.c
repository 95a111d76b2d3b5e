#include "net/memory_stream.h"

#include <stdio.h>

#define OUT_BYTES_MAX MIB(16)

static struct memory_stream *memory_of(struct stream *stream)
{
    return (struct memory_stream *)(void *)((char *)stream -
                                            offsetof(struct memory_stream, stream));
}

static err memory_read(struct stream *stream, void *out, size_t cap, u64 deadline_ms,
                       size_t *ret_len)
{
    struct memory_stream *memory = memory_of(stream);
    (void)deadline_ms;
    size_t len = min_size(min_size(cap, memory->step), memory->in.len);
    if (len != 0) {
        memcpy(out, memory->in.data, len);
        memory->in = bytes_slice(memory->in, len, memory->in.len - len);
    }
    *ret_len = len;
    return ok();
}

static err memory_write(struct stream *stream, const struct bytes *parts, size_t count,
                        u64 deadline_ms)
{
    struct memory_stream *memory = memory_of(stream);
    (void)deadline_ms;
    for (size_t i = 0; i < count; i++) {
        buf_put(&memory->out, parts[i]);
    }
    return memory->out.failed ? fail(ERR_CLOSED) : ok();
}

static err memory_shutdown_write(struct stream *stream, u64 deadline_ms)
{
    (void)stream;
    (void)deadline_ms;
    return ok();
}

/* The owner reads `out` afterwards, and frees. */
static void memory_close(struct stream *stream) { memory_of(stream)->closed = true; }

static const struct stream_ops memory_ops = {
    .read = memory_read,
    .write = memory_write,
    .shutdown_write = memory_shutdown_write,
    .close = memory_close,
};

void memory_stream_init(struct memory_stream *memory, struct loop *loop, bytes in, size_t step)
{
    *memory = (struct memory_stream){.stream = {.ops = &memory_ops, .loop = loop}};
    memory->in = in;
    memory->step = step;
    buf_init(&memory->out, OUT_BYTES_MAX);
    snprintf(memory->stream.peer, sizeof memory->stream.peer, "memory");
}

void memory_stream_free(struct memory_stream *memory) { buf_free(&memory->out); }

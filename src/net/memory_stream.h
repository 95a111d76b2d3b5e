/* memory_stream.h: a stream whose input is a script and whose output is kept. For tests and
 * fuzzing: it never waits, so whole connections run without a loop or fibers. */
#ifndef NET_MEMORY_STREAM_H
#define NET_MEMORY_STREAM_H

#include "base/buf.h"
#include "os/stream.h"

struct memory_stream {
    struct stream stream;
    bytes in;       /* borrowed; what is left to be read */
    size_t step;    /* at most so many bytes a read, > 0 */
    struct buf out; /* everything written */
    bool closed;
};

/* memory_stream_init: after `in` the stream ends. loop may be NULL if nobody asks it for the time.
 */
void memory_stream_init(struct memory_stream *memory, struct loop *loop, bytes in, size_t step);
void memory_stream_free(struct memory_stream *memory);

#endif

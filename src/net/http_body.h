/* http_body.h: message bodies out of a connection's read buffer and its stream.
 *
 * One buffer per connection holds the head of the current message at its front and, behind it, what
 * was received after it; it is small until a long head or body needs more. Body bytes that are
 * already there are copied out once; when the buffer is empty, a large read goes from the socket
 * straight into the caller's memory, bounded by what is left of the body or chunk, so that nothing
 * of the next message is taken.
 *
 * http_chunked_step() is the pure decoder of chunked framing (RFC 9112 §7.1): strict about line
 * ends and digits, sizes checked against overflow, extensions and trailers bounded in total.
 */
#ifndef NET_HTTP_BODY_H
#define NET_HTTP_BODY_H

#include "base/buf.h"
#include "net/http.h"

#define HTTP_CHUNK_EXTENSIONS_MAX KIB(16) /* bytes of extensions in one body */
#define HTTP_TRAILER_BYTES_MAX KIB(8)
#define HTTP_TRAILERS_MAX 32

enum http_chunk_verdict {
    HTTP_CHUNK_MORE, /* all input used, more framing bytes are needed */
    HTTP_CHUNK_DATA, /* `left` > 0 bytes of data follow */
    HTTP_CHUNK_END,  /* the body and its trailers are complete */
    HTTP_CHUNK_BAD,
};

enum http_chunk_state {
    HTTP_CHUNK_SIZE,
    HTTP_CHUNK_EXTENSION,
    HTTP_CHUNK_SIZE_LF,
    HTTP_CHUNK_IN_DATA,
    HTTP_CHUNK_DATA_CR,
    HTTP_CHUNK_DATA_LF,
    HTTP_CHUNK_TRAILER_START,
    HTTP_CHUNK_TRAILER_LINE,
    HTTP_CHUNK_TRAILER_LF,
    HTTP_CHUNK_FINAL_LF,
    HTTP_CHUNK_DONE,
};

struct http_chunked {
    enum http_chunk_state state;
    unsigned digits;
    u64 left; /* of the current chunk */
    size_t extension_bytes;
    struct buf lines; /* trailer lines with their CR LF */
};

void http_chunked_init(struct http_chunked *chunked);
void http_chunked_free(struct http_chunked *chunked);
/* http_chunked_step: uses framing bytes of `in` up to the next run of data or the end. */
enum http_chunk_verdict http_chunked_step(struct http_chunked *chunked, bytes in, size_t *ret_used);
/* http_chunked_take: n <= left bytes of data were taken from the input by the caller. */
void http_chunked_take(struct http_chunked *chunked, u64 n);

/* The read side of a connection. [base, start) was used, [start, end) is waiting. */
struct http_input {
    struct stream *stream; /* NULL: closed under our feet, every read is ERR_CLOSED */
    u8 *data;              /* owned; NULL while idle */
    size_t cap;
    u8 *head;    /* owned; keeps the head of the current message when `data` had to grow */
    size_t base; /* else the head lies before it in `data` */
    size_t start;
    size_t end;
    bool ended; /* the peer ended the stream in order (a reset is not that) */
};

static inline bytes http_input_bytes(const struct http_input *in)
{
    return bytes_make(in->data + in->start, in->end - in->start);
}

/* http_input_open: allocates a small buffer if there is none. http_input_release: gives it back. */
void http_input_open(struct http_input *in);
void http_input_release(struct http_input *in);
/* http_input_rewind: forgets the current head, moves what is waiting to the front. */
void http_input_rewind(struct http_input *in);
/* http_input_fill: while a head is gathered (base == 0): at least one more byte behind `end`. The
 * bytes may move. ERR_CLOSED at the end of the stream, ERR_LIMIT past any allowed head. */
err http_input_fill(struct http_input *in, u64 deadline_ms);
/* http_input_refill: for a body of which `wanted` bytes are to come, when nothing is waiting: at
 * least one byte. The head stays where it is. */
err http_input_refill(struct http_input *in, u64 wanted, u64 deadline_ms);

/* Parts of one gathered write; empty ones are left out. */
struct http_parts {
    struct bytes items[8];
    size_t count;
};

static inline void http_parts_add(struct http_parts *parts, bytes part)
{
    if (part.len != 0) {
        parts->items[parts->count++] = part;
    }
}

enum http_body_kind {
    HTTP_BODY_NONE,
    HTTP_BODY_LENGTH,
    HTTP_BODY_CHUNKED,
    HTTP_BODY_UNTIL_CLOSE,
};

struct http_body {
    enum http_body_kind kind;
    bool done; /* all of it was delivered */
    err fault; /* latched: the connection cannot go on */
    u64 left;  /* HTTP_BODY_LENGTH */
    struct http_chunked chunked;
    struct http_header trailers[HTTP_TRAILERS_MAX];
    size_t trailer_count;
};

/* http_body_begin: length is used with HTTP_BODY_LENGTH. Frees what an earlier body held. */
void http_body_begin(struct http_body *body, enum http_body_kind kind, u64 length);
void http_body_free(struct http_body *body);
/* http_body_read: 1..cap bytes, or 0 at the end (cap > 0). ERR_MALFORMED bad chunking, ERR_CLOSED
 * ended early, ERR_TIMEOUT (may be tried again), ERR_CANCELLED. */
err http_body_read(struct http_body *body, struct http_input *in, void *out, size_t cap,
                   u64 deadline_ms, size_t *ret_len);

#endif

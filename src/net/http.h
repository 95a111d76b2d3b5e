/* http.h: HTTP/1.1, one server and one client for every role, over any stream.
 *
 * The tokens are parsed by http-parser behind http_parse.c; the framing rules that it leaves open
 * are checked here (space before the colon, bare LF, folded lines, exactly one Host, conflicting or
 * repeated Content-Length, Transfer-Encoding other than "chunked", both together): such requests
 * get 400 and the connection is closed.
 *
 * Server: one fiber per connection. The handler runs in it when the head has arrived; it reads the
 * body when it wants to (the first read sends 100 Continue if it was asked for) and answers at any
 * point, also before the body has been read. After an early answer the rest of the body is drained
 * up to a limit, then the connection is closed with a lingering close so that the peer can read the
 * answer. Slow heads and idle connections are cut.
 *
 * Limits are in the options; past them the answer is made by `refuse`, in the protocol's own
 * form. */
#ifndef NET_HTTP_H
#define NET_HTTP_H

#include "base/arena.h"
#include "base/metrics.h"
#include "net/tls.h"
#include "os/stream.h"

#define HTTP_HEADERS_MAX 128
#define HTTP_UNKNOWN_LENGTH UINT64_MAX

struct http_header {
    bytes name;  /* as received */
    bytes value; /* outer white space removed */
};

struct http_request {
    bytes method;
    bytes target; /* raw: path and query exactly as received; "*" only for OPTIONS */
    bytes host;   /* value of Host; empty only if a 1.0 client sent none */
    struct http_header headers[HTTP_HEADERS_MAX];
    size_t header_count;
    bool has_body_length;
    u64 body_length; /* valid if has_body_length */
    bool chunked;
    bool expect_continue;
    bool keep_alive;
    bool version_1_0; /* gets no chunked answer and no 100 */
    bool encrypted;
    const char *peer;
};

struct http_exchange; /* one request being served; owned by the server */
struct http_server;

typedef void http_handler(void *ctx, struct http_exchange *exchange);
/* http_refuse: must answer by http_respond(); reason is a short phrase ("header section too
 * large"), status is 400 malformed (also a broken body that the handler left unanswered), 408 slow
 * head, 431 head too large, 500 no answer from the handler, 501 unknown method, 503 too many
 * connections, 505 version. The request may be known only in part: its method and target may be
 * empty. */
typedef void http_refuse(void *ctx, struct http_exchange *exchange, int status, const char *reason);

struct http_server_options {
    const char *host;
    u16 port;
    struct tls_context *tls; /* NULL: plain; borrowed */
    http_handler *handler;
    http_refuse *refuse; /* NULL: a plain text answer */
    void *ctx;
    const char *server_name;    /* Server header */
    size_t connections_max;     /* 0: 1024 */
    size_t head_bytes_max;      /* 0: 16 KiB, at most 64 KiB; request line and headers */
    u64 head_timeout_ms;        /* 0: 10 s for a whole head */
    u64 idle_timeout_ms;        /* 0: 60 s between requests */
    u64 body_timeout_ms;        /* 0: 30 s without any byte of a body, either way */
    u64 body_rate_min;          /* 0: 1 KiB/s on average while the server waits for the body,
                                 * counted after the first body_timeout_ms */
    u64 drain_bytes_max;        /* 0: 1 MiB of unread body drained to keep a connection */
    size_t request_arena_bytes; /* 0: 16 MiB */
};

/* http_server_start: listens and serves; ERR_EXISTS if the port is in use. */
err http_server_start(struct loop *loop, const struct http_server_options *options,
                      struct http_server **ret_server);
u16 http_server_port(const struct http_server *server);
/* http_server_drain: no new connections, idle ones closed, waits for running exchanges. */
err http_server_drain(struct http_server *server, u64 deadline_ms);
/* http_server_close: after loop_stop(), or when drained. */
void http_server_close(struct http_server *server);

const struct http_request *http_request_of(const struct http_exchange *exchange);
struct loop *http_loop_of(const struct http_exchange *exchange);
/* http_arena_of: freed when the exchange ends. */
struct arena *http_arena_of(struct http_exchange *exchange);
/* http_find_header: value of the first header of that name, any case; data NULL if absent. */
bytes http_find_header(const struct http_request *request, const char *name);
/* http_read_body: 1..cap bytes or 0 at the end. ERR_MALFORMED bad chunking, ERR_CLOSED the peer
 * went away before the declared length, ERR_TIMEOUT. */
err http_read_body(struct http_exchange *exchange, void *out, size_t cap, size_t *ret_len);
/* http_read_body_all: the whole body into the exchange's arena; ERR_LIMIT past limit_bytes. */
err http_read_body_all(struct http_exchange *exchange, size_t limit_bytes, bytes *ret_body);
/* http_find_trailer: after the end of a chunked body. */
bytes http_find_trailer(const struct http_exchange *exchange, const char *name);

/* http_set_header: for the answer, before it begins; copies both. Connection, Date, Server,
 * Content-Length and Transfer-Encoding are made by the server. Bytes below 0x20 in a value are a
 * bug. */
void http_set_header(struct http_exchange *exchange, const char *name, bytes value);
void http_set_header_str(struct http_exchange *exchange, const char *name, const char *value);
/* http_clear_headers: forgets what was set, for an error in place of the answer that was
 * planned. */
void http_clear_headers(struct http_exchange *exchange);
/* http_respond: a whole answer. HEAD, 204 and 304 send no body; Content-Length stays that of
 * body. */
err http_respond(struct http_exchange *exchange, int status, bytes body);
/* http_respond_begin, http_write…, http_respond_end: a streamed answer; length
 * HTTP_UNKNOWN_LENGTH: chunked. Ending short of a declared length closes the connection; writing
 * past it is a bug. The head leaves with the first http_write(), which may be empty for that. A
 * fault (the client went away or takes nothing) stays: every later call returns ERR_CLOSED. */
err http_respond_begin(struct http_exchange *exchange, int status, u64 length);
err http_write(struct http_exchange *exchange, bytes in);
err http_respond_end(struct http_exchange *exchange);
bool http_responded(const struct http_exchange *exchange);
/* http_switch_protocols: answers 101 to an Upgrade. From then on http_read_body() and http_write()
 * carry raw bytes (ERR_TIMEOUT of a read may be tried again) until the handler returns, which
 * closes the connection. */
err http_switch_protocols(struct http_exchange *exchange, const char *protocol);
const char *http_status_text(int status);

/* ---- client ---- */

struct http_client;
struct http_call;

struct http_client_options {
    struct tls_context *tls;  /* for https URLs; NULL: https is refused; borrowed */
    size_t idle_per_host_max; /* 0: 8 */
    u64 connect_timeout_ms;   /* 0: 3 s */
};

struct http_call_options {
    const char *method;
    const char *url; /* "http://host:port/path?query" */
    const struct http_header *headers;
    size_t header_count;
    u64 body_length; /* HTTP_UNKNOWN_LENGTH: chunked, trailers allowed; 0: no body */
    u64 deadline_ms; /* for the whole call */
    bool fresh;      /* over a connection of its own, not one that was used before */
};

err http_client_new(struct loop *loop, const struct http_client_options *options,
                    struct http_client **ret_client);
/* http_client_cancel: from any fiber, before http_client_free(): every call under way ends (one
 * that is connecting, when that is over) and every later one fails: http_fetch() with
 * ERR_CANCELLED, the steps of a call with that or ERR_CLOSED. */
void http_client_cancel(struct http_client *client);
/* http_client_free: no call may be open. */
void http_client_free(struct http_client *client);
/* http_client_loop: the loop it was made for. */
struct loop *http_client_loop(const struct http_client *client);

/* http_call_open: connects (or reuses), sends the head. A reused connection that turns out dead
 * before any answer byte is replaced once by a fresh one if the body is empty. */
err http_call_open(struct http_client *client, const struct http_call_options *options,
                   struct http_call **ret_call);
/* http_call_set_deadline: replaces the deadline for what is still to come. */
void http_call_set_deadline(struct http_call *call, u64 deadline_ms);
/* http_call_write: the head leaves with the first bytes of the body. After a fault
 * http_call_status() may still find the early answer of a server that did not want the body.
 * Answers are not read meanwhile: a server that streams a large answer while it takes the body is
 * not for this client. */
err http_call_write(struct http_call *call, bytes in);
/* http_call_finish: ends the body; trailers only with a chunked body (may be NULL, 0). */
err http_call_finish(struct http_call *call, const struct http_header *trailers, size_t count);
/* http_call_status: waits for the head of the answer (1xx skipped). */
err http_call_status(struct http_call *call, int *ret_status);
/* http_call_header: also trailers, once the body has been read to its end. */
bytes http_call_header(const struct http_call *call, const char *name);
/* http_call_length: of the answer's body, or HTTP_UNKNOWN_LENGTH. */
u64 http_call_length(const struct http_call *call);
/* http_call_read: 1..cap bytes or 0 at the end of the answer. */
err http_call_read(struct http_call *call, void *out, size_t cap, size_t *ret_len);
/* http_call_close: at any time; keeps the connection for reuse only if both bodies are complete. */
void http_call_close(struct http_call *call);

/* http_fetch: a whole call with small bodies; *ret_body lives in arena, ERR_LIMIT past its limit. A
 * reused connection that turns out dead before any answer byte is replaced also if there is a body:
 * the server may then see the request twice. After ERR_TIMEOUT no idle connection to that host is
 * kept: it may have lost its power, and they are as dead. options->body_length is not used. */
err http_fetch(struct http_client *client, const struct http_call_options *options, bytes body,
               struct arena *arena, int *ret_status, bytes *ret_body);

#endif

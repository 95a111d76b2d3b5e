/* http_conn.h: what the files of the HTTP server share. Private to src/net.
 *
 * A connection is one fiber (http_server.c). While a request is being served it has an exchange
 * (http_exchange.c), which holds everything large: the parsed request, the read buffer, the arena.
 * An idle connection keeps a few hundred bytes and its fiber's stack.
 *
 *   idle ──first byte──► head ──parsed──► handler ──answered──► drain ──► idle, or linger and close
 */
#ifndef NET_HTTP_CONN_H
#define NET_HTTP_CONN_H

#include "net/http_body.h"
#include "net/http_parse.h"

#define HTTP_SPARE_BYTES 512

struct http_server {
    struct loop *loop;
    struct http_server_options options; /* defaults filled in */
    char *host;
    char *name;
    struct listener *listener; /* NULL once draining */
    u16 port;
    struct group fibers;
    struct list conns;
    size_t conn_count;
    bool draining;
    char date[32];
    u64 date_second;
};

struct http_conn {
    struct http_server *server;
    struct list node;
    struct http_input input;
    struct http_exchange *exchange; /* NULL while idle */
    char peer[STREAM_PEER_MAX];
    bool encrypted;
    bool waiting; /* between requests: may be closed at any time */
    bool broken;  /* the last answer did not get through */
    bool excess;  /* over the limit: gets 503 */
    size_t spare_len;
    u8 spare[HTTP_SPARE_BYTES]; /* receives the first bytes after a long wait */
};

enum http_answer_state {
    HTTP_ANSWER_NONE,
    HTTP_ANSWER_BEGUN,
    HTTP_ANSWER_COMPLETE,
    HTTP_ANSWER_BROKEN, /* could not be sent or fell short of its length */
};

struct http_exchange {
    struct http_conn *conn;
    struct http_request request;
    struct arena arena;
    struct http_body body;
    u64 waited_ms; /* for body bytes, in all */
    u64 body_bytes;
    enum http_answer_state answer;
    struct buf fields; /* of the answer, as lines */
    struct buf head;   /* complete head, not yet sent */
    u64 answer_left;   /* of a declared length */
    bool answer_chunked;
    bool answer_silent; /* HEAD, 204, 304: no body is sent */
    bool continue_sent;
    bool switched; /* 101: raw bytes both ways */
    bool close;
};

/* http_exchange_new / free: large; one per connection that is busy. */
struct http_exchange *http_exchange_new(struct http_conn *conn);
void http_exchange_free(struct http_exchange *exchange);
/* http_exchange_reset: ready for the next request. */
void http_exchange_reset(struct http_exchange *exchange);
/* http_exchange_refuse: answers through options.refuse, and closes. */
void http_exchange_refuse(struct http_exchange *exchange, struct http_reject reject);
/* http_exchange_finish: completes what the handler left; true if the connection can go on after the
 * rest of the body has been drained. */
bool http_exchange_finish(struct http_exchange *exchange);
/* http_exchange_answer_keeps: whether an answer that begins now leaves the connection open. */
bool http_exchange_answer_keeps(const struct http_exchange *exchange);

/* http_conn_serve: serves requests until the connection ends; closes conn->input.stream. */
void http_conn_serve(struct http_conn *conn);
/* http_conn_cut: closes its stream from any fiber; the connection's own fiber then unwinds. */
void http_conn_cut(struct http_conn *conn);
/* http_server_date: the value of Date, made once a second. */
const char *http_server_date(struct http_server *server);

#endif

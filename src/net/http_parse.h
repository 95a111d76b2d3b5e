/* http_parse.h: HTTP/1.1 heads, strictly; the only file that touches http-parser.
 *
 * A head is gathered in one contiguous buffer. http_scan() looks at each complete line as it
 * arrives: lines end in CR LF and nothing else, no control bytes, no white space before the colon,
 * no folded lines. When the empty line has come, http_parse_request() or http_parse_answer() lets
 * http-parser cut the tokens and then decides what they mean: version, target form, Host, and above
 * all how long the body is. Two readers of one connection must never disagree about where a message
 * ends (request smuggling), so everything ambiguous is refused, also where RFC 9112 would allow a
 * repair: repeated Content-Length even if equal, any Transfer-Encoding but "chunked", both at once,
 * either in a 1.0 message with the other's rules, absolute targets that contradict Host.
 *
 * Pure: no I/O, no memory. Results borrow from the given bytes.
 */
#ifndef NET_HTTP_PARSE_H
#define NET_HTTP_PARSE_H

#include "net/http.h"

#define HTTP_HEAD_BYTES_MAX KIB(64) /* upper bound of head_bytes_max */
#define HTTP_CONTENT_LENGTH_MAX ((u64)INT64_MAX)

/* A refused head: status 400, 414, 431, 501 or 505 and a short phrase. status 0: not refused. */
struct http_reject {
    int status;
    const char *reason;
};

enum http_scan_state {
    HTTP_SCAN_MORE, /* the head is not complete */
    HTTP_SCAN_DONE, /* complete: bytes [start, end) */
    HTTP_SCAN_BAD,
};

struct http_scan {
    size_t start;    /* after an empty line that some clients send before a request */
    size_t end;      /* of the lines looked at so far */
    size_t searched; /* no line end before this */
    size_t lines;    /* complete ones, the first line included */
    struct http_reject reject;
};

/* http_scan: `in` is everything received so far; a zeroed scan begins a new head. */
enum http_scan_state http_scan(struct http_scan *scan, bytes in);

/* http_request_reset: as if nothing had been parsed; `encrypted` and `peer` stay. */
void http_request_reset(struct http_request *request);
/* http_parse_request: `head` is the complete head, as scanned. Fills the parsed part of *ret (not
 * `encrypted` and `peer`). On refusal *ret holds what could be read; status != 0. */
struct http_reject http_parse_request(struct http_request *ret, bytes head);

/* The head of an answer. */
struct http_answer {
    int status;
    struct http_header headers[HTTP_HEADERS_MAX];
    size_t header_count;
    bool has_body_length;
    u64 body_length;
    bool chunked;
    bool keep_alive;
};

/* http_parse_answer: status of the reject is not meaningful but != 0 if refused. */
struct http_reject http_parse_answer(struct http_answer *ret, bytes head);

/* http_parse_trailers: `lines` are complete field lines, without the final empty one. Refused:
 * anything that http_scan() refuses and fields that belong into a head (framing, Host). */
MUST_USE bool http_parse_trailers(struct http_header *ret, size_t cap, size_t *ret_count,
                                  bytes lines);

/* http_fields_find: value of the first field of that name in any case; data NULL if absent. */
bytes http_fields_find(const struct http_header *fields, size_t count, const char *name);
/* http_is_token: a field name or method (RFC 9110 §5.6.2). http_is_field_value: bytes >= 0x20 but
 * DEL, or tab. */
bool http_is_token(bytes in);
bool http_is_field_value(bytes in);

#endif

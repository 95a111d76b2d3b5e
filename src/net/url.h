/* url.h: http and https URLs, parsed strictly.
 *
 * Cairn meets URLs in its configuration, on chain (addresses of storage nodes) and on the command
 * line; the second kind is written by strangers. Accepted: "http://" or "https://" in lower case, a
 * name, an IPv4 or a bracketed IPv6 literal, an optional port 1..65535, an optional path and query
 * of visible ASCII. Refused: user names, fragments, empty hosts, anything that would have to be
 * repaired before it can be sent.
 */
#ifndef NET_URL_H
#define NET_URL_H

#include "base/bytes.h"

#define URL_HOST_MAX 256
#define URL_BYTES_MAX 8192

struct url {
    bool https;
    char host[URL_HOST_MAX]; /* without brackets */
    u16 port;                /* 80 or 443 if absent */
    bytes authority;         /* host and port as written, borrowed from the text: the Host header */
    bytes target;            /* path and query, borrowed; "/" if absent. May begin with "?": see
                              * target_needs_slash */
    bool target_needs_slash; /* the text was "http://host?query": send "/" before target */
};

/* url_parse: ERR_USAGE if text is no such URL. *ret borrows from text. */
err url_parse(struct url *ret, const char *text);
/* url_authority_split: "host", "host:port", "[v6]:port" into host (without brackets) and port
 * (default_port if absent); false if it is anything else. Also checks Host header values. */
MUST_USE bool url_authority_split(char ret_host[URL_HOST_MAX], u16 *ret_port, bytes authority,
                                  u16 default_port);

#endif

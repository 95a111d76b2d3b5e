/* address.h: network addresses and the names of /etc/hosts.
 *
 * Cairn finds its peers by address, from the chain. Names are for people on one machine or one
 * network: /etc/hosts is read, DNS is never asked (it would block, and could be lied to).
 */
#ifndef OS_ADDRESS_H
#define OS_ADDRESS_H

#include "base/bytes.h"

#include <netinet/in.h>
#include <sys/socket.h>

#define NET_ADDRESSES_MAX 4
#define HOSTS_FILE_BYTES_MAX KIB(256)

struct net_address {
    union {
        struct sockaddr sa;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } any;
    socklen_t len;
};

/* net_resolve: up to NET_ADDRESSES_MAX addresses of an IPv4 or IPv6 literal (with or without
 * brackets), a name in /etc/hosts (in its order), or "localhost" and names below it; 0 if none. */
size_t net_resolve(const char *host, u16 port, struct net_address out[NET_ADDRESSES_MAX]);
/* hosts_find: as net_resolve() for names, over the text of a hosts file; `out` has room for cap. */
size_t hosts_find(bytes text, const char *name, u16 port, struct net_address *out, size_t cap);
/* net_address_format: "127.0.0.1:80", "[::1]:80". */
void net_address_format(const struct net_address *address, char *out, size_t cap);
u16 net_address_port(const struct net_address *address);

#endif

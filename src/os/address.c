#include "os/address.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <unistd.h>

/* getaddrinfo() rather than inet_pton(): it also knows the scope in "fe80::1%eth0". */
static bool parse_literal(const char *host, u16 port, struct net_address *ret)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
    struct addrinfo *info;
    char service[8];
    char bare[INET6_ADDRSTRLEN + 24];
    size_t len = strlen(host);
    if (len > 2 && host[0] == '[' && host[len - 1] == ']' && len - 2 < sizeof bare) {
        memcpy(bare, host + 1, len - 2);
        bare[len - 2] = 0;
        host = bare;
    }
    snprintf(service, sizeof service, "%u", port);
    if (getaddrinfo(host, service, &hints, &info) != 0) {
        return false;
    }
    bool fits = info->ai_addrlen <= sizeof ret->any;
    if (fits) {
        *ret = (struct net_address){.len = info->ai_addrlen};
        memcpy(&ret->any, info->ai_addr, info->ai_addrlen);
    }
    freeaddrinfo(info);
    return fits;
}

static bool is_blank(u8 c) { return c == ' ' || c == '\t' || c == '\r'; }

/* The next word of a line; empty at its end or a comment. */
static bytes take_word(bytes *line)
{
    size_t start = 0;
    while (start < line->len && is_blank(line->data[start])) {
        start++;
    }
    size_t end = start;
    while (end < line->len && !is_blank(line->data[end]) && line->data[end] != '#') {
        end++;
    }
    bytes word = bytes_slice(*line, start, end - start);
    bool comment = end < line->len && line->data[end] == '#';
    *line = comment ? bytes_make(NULL, 0) : bytes_slice(*line, end, line->len - end);
    return word;
}

static bytes take_line(bytes *text)
{
    size_t len = bytes_find(*text, bytes_str("\n"));
    size_t used = len == SIZE_MAX ? text->len : len + 1;
    bytes line = bytes_slice(*text, 0, len == SIZE_MAX ? text->len : len);
    *text = bytes_slice(*text, used, text->len - used);
    return line;
}

size_t hosts_find(bytes text, const char *name, u16 port, struct net_address *out, size_t cap)
{
    size_t count = 0;
    while (text.len > 0 && count < cap) {
        char literal[INET6_ADDRSTRLEN + 24];
        bytes line = take_line(&text);
        bytes address = take_word(&line);
        if (address.len == 0 || address.len >= sizeof literal) {
            continue;
        }
        memcpy(literal, address.data, address.len);
        literal[address.len] = 0;
        for (bytes alias = take_word(&line); alias.len > 0; alias = take_word(&line)) {
            if (bytes_eq_nocase(alias, bytes_str(name)) &&
                parse_literal(literal, port, &out[count])) {
                count++;
                break;
            }
        }
    }
    return count;
}

static size_t read_hosts_file(u8 *out, size_t cap)
{
    size_t len = 0;
    int fd = open("/etc/hosts", O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return 0;
    }
    ssize_t n;
    while (len < cap && (n = pread(fd, out + len, cap - len, (off_t)len)) > 0) {
        len += (size_t)n;
    }
    close(fd);
    return len;
}

/* RFC 6761, section 6.3: these names mean this machine, whatever any file says. */
static bool is_localhost(const char *host)
{
    static const char name[] = ".localhost";
    bytes text = bytes_str(host);
    bytes suffix = bytes_str(name);
    if (bytes_eq_nocase(text, bytes_slice(suffix, 1, suffix.len - 1))) {
        return true;
    }
    return text.len > suffix.len &&
           bytes_eq_nocase(bytes_slice(text, text.len - suffix.len, suffix.len), suffix);
}

size_t net_resolve(const char *host, u16 port, struct net_address out[NET_ADDRESSES_MAX])
{
    if (parse_literal(host, port, &out[0])) {
        return 1;
    }
    u8 *text = mem_alloc(HOSTS_FILE_BYTES_MAX);
    size_t len = read_hosts_file(text, HOSTS_FILE_BYTES_MAX);
    size_t count = hosts_find(bytes_make(text, len), host, port, out, NET_ADDRESSES_MAX);
    mem_free(text);
    if (count == 0 && is_localhost(host) && parse_literal("127.0.0.1", port, &out[0])) {
        return 1;
    }
    return count;
}

void net_address_format(const struct net_address *address, char *out, size_t cap)
{
    char host[INET6_ADDRSTRLEN];
    bool is_v6 = address->any.sa.sa_family == AF_INET6;
    const void *number =
        is_v6 ? (const void *)&address->any.v6.sin6_addr : (const void *)&address->any.v4.sin_addr;
    if (inet_ntop(address->any.sa.sa_family, number, host, sizeof host) == NULL) {
        snprintf(out, cap, "?");
        return;
    }
    snprintf(out, cap, is_v6 ? "[%s]:%u" : "%s:%u", host, net_address_port(address));
}

u16 net_address_port(const struct net_address *address)
{
    return ntohs(address->any.sa.sa_family == AF_INET6 ? address->any.v6.sin6_port
                                                       : address->any.v4.sin_port);
}

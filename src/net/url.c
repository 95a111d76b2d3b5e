#include "net/url.h"

#include <arpa/inet.h>

static bool is_alnum(u8 c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* A name or an IPv4 literal. Percent-escapes and most of RFC 3986's reg-name are not hosts that
 * anything resolves, so they are refused. */
static bool is_name(bytes host)
{
    for (size_t i = 0; i < host.len; i++) {
        u8 c = host.data[i];
        if (!is_alnum(c) && c != '-' && c != '.' && c != '_' && c != '~') {
            return false;
        }
    }
    return host.len != 0 && host.data[0] != '.';
}

static bool is_ipv6(const char *host)
{
    struct in6_addr ignored;
    return inet_pton(AF_INET6, host, &ignored) == 1;
}

/* split_port: what follows the host: nothing, or ":" and 1..65535. */
static bool split_port(u16 *ret_port, bytes rest, u16 default_port)
{
    if (rest.len == 0) {
        *ret_port = default_port;
        return true;
    }
    u64 port;
    if (rest.data[0] != ':' || !parse_u64(&port, bytes_slice(rest, 1, rest.len - 1)) || port == 0 ||
        port > UINT16_MAX) {
        return false;
    }
    *ret_port = (u16)port;
    return true;
}

bool url_authority_split(char ret_host[URL_HOST_MAX], u16 *ret_port, bytes authority,
                         u16 default_port)
{
    bool bracketed = authority.len != 0 && authority.data[0] == '[';
    size_t host_start = bracketed ? 1 : 0;
    size_t host_end = bytes_find(authority, bytes_str(bracketed ? "]" : ":"));
    if (host_end == SIZE_MAX) {
        if (bracketed) {
            return false;
        }
        host_end = authority.len;
    }
    bytes host = bytes_slice(authority, host_start, host_end - host_start);
    size_t rest_start = host_end + host_start;
    if (host.len == 0 || host.len >= URL_HOST_MAX || memchr(host.data, 0, host.len) != NULL) {
        return false;
    }
    char name[URL_HOST_MAX] = {0};
    memcpy(name, host.data, host.len);
    u16 port;
    if (!(bracketed ? is_ipv6(name) : is_name(host)) ||
        !split_port(&port, bytes_slice(authority, rest_start, authority.len - rest_start),
                    default_port)) {
        return false;
    }
    memcpy(ret_host, name, sizeof name);
    *ret_port = port;
    return true;
}

static bool is_target(bytes target)
{
    for (size_t i = 0; i < target.len; i++) {
        u8 c = target.data[i];
        if (c <= ' ' || c >= 0x7f || c == '#') {
            return false;
        }
    }
    return true;
}

err url_parse(struct url *ret, const char *text)
{
    bytes in = bytes_str(text);
    struct url url = {.https = bytes_starts_with(in, bytes_str("https://"))};
    if (in.len > URL_BYTES_MAX || (!url.https && !bytes_starts_with(in, bytes_str("http://")))) {
        return fail(ERR_USAGE);
    }
    size_t start = url.https ? 8 : 7;
    size_t end = start + strcspn(text + start, "/?#");
    url.authority = bytes_slice(in, start, end - start);
    url.target = end == in.len ? bytes_str("/") : bytes_slice(in, end, in.len - end);
    url.target_needs_slash = url.target.data[0] != '/';
    if (!url_authority_split(url.host, &url.port, url.authority, url.https ? 443 : 80) ||
        !is_target(url.target)) {
        return fail(ERR_USAGE);
    }
    *ret = url;
    return ok();
}

#include "net/url.h"

#include "base/assert.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct url url;
    char host[URL_HOST_MAX];
    u16 port;
    char *text = mem_alloc(size + 1);
    if (size != 0) {
        memcpy(text, data, size);
    }
    if (is_ok(url_parse(&url, text))) {
        assert_that(url.host[0] != 0 && url.port != 0 && url.target.len != 0);
        assert_that(url_authority_split(host, &port, url.authority, url.https ? 443 : 80));
        assert_that(port == url.port && strcmp(host, url.host) == 0);
    }
    if (url_authority_split(host, &port, bytes_make(data, size), 80)) {
        assert_that(strlen(host) <= size && port != 0);
    }
    mem_free(text);
    return 0;
}

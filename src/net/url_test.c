#include "net/url.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void check(const char *text, bool https, const char *host, u16 port, const char *target)
{
    struct url url;
    assert_true(is_ok(url_parse(&url, text)));
    assert_int_equal(url.https, https);
    assert_string_equal(url.host, host);
    assert_int_equal(url.port, port);
    assert_true(bytes_eq_str(url.target, target));
    assert_int_equal(url.target_needs_slash, target[0] != '/');
}

static void test_accepts(void **state)
{
    (void)state;
    check("http://a", false, "a", 80, "/");
    check("https://a", true, "a", 443, "/");
    check("http://127.0.3.1:9030/fragment/ab?x=1&y=%20", false, "127.0.3.1", 9030,
          "/fragment/ab?x=1&y=%20");
    check("http://[::1]:9000/", false, "::1", 9000, "/");
    check("https://[fe80::1]", true, "fe80::1", 443, "/");
    check("http://my-bucket.s3_x.Example.com/k", false, "my-bucket.s3_x.Example.com", 80, "/k");
    check("http://a?x=1", false, "a", 80, "?x=1");
}

static void test_refuses(void **state)
{
    (void)state;
    static const char *const refused[] = {
        "",
        "a",
        "ftp://a/",
        "HTTP://a/",
        "http:/a",
        "http://",
        "http:///x",
        "http://:80/",
        "http://a:/",
        "http://a:0/",
        "http://a:65536/",
        "http://a:-1/",
        "http://a:80x/",
        "http://u@a/",
        "http://u:p@a/",
        "http://a b/",
        "http://a/ b",
        "http://a/#f",
        "http://a#f",
        "http://a/\n",
        "http://a/\x7f",
        "http://a/\xc3\xa4",
        "http://[::1",
        "http://[]/",
        "http://[::1]x/",
        "http://[zz]/",
        "http://::1/",
        "http://a%41/",
        "http://.a/",
        "http://a\\b/",
        "http://[127.0.0.1]/",
        "http://a:080/",
    };
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        struct url url;
        if (!is_err(url_parse(&url, refused[i]), ERR_USAGE)) {
            fail_msg("accepted: %s", refused[i]);
        }
    }
}

static void test_long_host(void **state)
{
    (void)state;
    char text[400] = "http://";
    memset(text + 7, 'a', 256);
    struct url url;
    assert_true(is_err(url_parse(&url, text), ERR_USAGE));
    text[7 + 255] = 0;
    assert_true(is_ok(url_parse(&url, text)));
    assert_int_equal(strlen(url.host), 255);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepts),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_long_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

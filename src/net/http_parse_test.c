#include "net/http_parse.h"

#include "net/http_body.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

struct verdict_case {
    const char *raw;
    int status; /* 0: accepted; -1: incomplete */
};

#define HOST "Host: h\r\n"
#define GET "GET / HTTP/1.1\r\n" HOST
#define PUT "PUT /b/k HTTP/1.1\r\n" HOST

/* The smuggling list: every way known to us to make two readers of one connection disagree. */
static const struct verdict_case cases[] = {
    {GET "\r\n", 0},
    {"\r\n" GET "\r\n", 0},
    {"\r\n\r\n" GET "\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST, -1},
    {"", -1},
    {"GET", -1},

    /* line ends */
    {"GET / HTTP/1.1\n" HOST "\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: h\n\r\n", 400},
    {GET "\n", 400},
    {GET "A: b\rC: d\r\n\r\n", 400},
    {GET "A: b\r\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\r\n" HOST "\r\n", 400},
    {"\n" GET "\r\n", 400},

    /* request line */
    {"GET  / HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /  HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET / HTTP/1.1 \r\n" HOST "\r\n", 400},
    {" GET / HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET\t/\tHTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /\r\n" HOST "\r\n", 400},
    {"GET / HTTP/1.1x\r\n" HOST "\r\n", 400},
    {"GET / http/1.1\r\n" HOST "\r\n", 400},
    {"GET / HTTP/1\r\n" HOST "\r\n", 400},
    {"GET / HTTP/11.1\r\n" HOST "\r\n", 400},
    {"GET / HTTP/1.2\r\n" HOST "\r\n", 505},
    {"GET / HTTP/2.0\r\n" HOST "\r\n", 505},
    {"GET / HTTP/0.9\r\n" HOST "\r\n", 505},
    {"PRI * HTTP/2.0\r\n\r\n", 505},
    {"FROB / HTTP/1.1\r\n" HOST "\r\n", 501},
    {"get / HTTP/1.1\r\n" HOST "\r\n", 501},
    {"G(T / HTTP/1.1\r\n" HOST "\r\n", 400},
    {"CONNECT h:80 HTTP/1.1\r\n" HOST "\r\n", 501},
    {"GET /\x01 HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /\x7f HTTP/1.1\r\n" HOST "\r\n", 400},
    {"\x16\x03\x01\x02\r\n\r\n", 400},

    /* target forms */
    {"GET h/x HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET ?x HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /#f HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET * HTTP/1.1\r\n" HOST "\r\n", 400},
    {"OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 0},
    {"OPTIONS / HTTP/1.1\r\n" HOST "\r\n", 0},
    {"GET http://h/x HTTP/1.1\r\n" HOST "\r\n", 0},
    {"GET HTTP://H HTTP/1.1\r\n" HOST "\r\n", 0},
    {"GET http://evil/x HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET http://h:81/x HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET http://u@h/x HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET http:///x HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET ftp://h/x HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET http://h/x HTTP/1.0\r\n\r\n", 400},
    {"GET //h/x HTTP/1.1\r\n" HOST "\r\n", 0},
    {"GET /\xc3\xa4 HTTP/1.1\r\n" HOST "\r\n", 0},

    /* Host */
    {"GET / HTTP/1.1\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nA: b\r\n\r\n", 400},
    {"GET / HTTP/1.0\r\n\r\n", 0},
    {GET "Host: h\r\n\r\n", 400},
    {GET "hOST: other\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost:\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: u@h\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: h:99999\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: h:80:80\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: [::1]:9000\r\n\r\n", 0},
    {"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: my-bucket.s3.local:9000\r\n\r\n", 0},

    /* header lines */
    {GET "A : b\r\n\r\n", 400},
    {GET "A\t: b\r\n\r\n", 400},
    {GET "Content-Length : 5\r\n\r\n", 400},
    {GET "Transfer-Encoding : chunked\r\n\r\n", 400},
    {GET " A: b\r\n\r\n", 400},
    {GET "A: b\r\n c\r\n\r\n", 400},
    {GET "A: b\r\n\tc\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n Host: h\r\n\r\n", 400},
    {GET "no colon\r\n\r\n", 400},
    {GET ": b\r\n\r\n", 400},
    {GET "A b: c\r\n\r\n", 400},
    {GET "A\xc3\xa4: c\r\n\r\n", 400},
    {GET "(A): c\r\n\r\n", 400},
    {GET "A: \x01\r\n\r\n", 400},
    {GET "A: b\x0b\r\n\r\n", 400},
    {GET "A: \x7f\r\n\r\n", 400},
    {GET "A: \xc3\xa4\xff\r\n\r\n", 0},
    {GET "A: b\tc\r\n\r\n", 0},
    {GET "A:\r\n\r\n", 0},
    {GET "A:b\r\n\r\n", 0},
    {GET "A: \t b \t \r\n\r\n", 0},

    /* Content-Length */
    {PUT "Content-Length: 5\r\n\r\n", 0},
    {PUT "Content-Length: 0\r\n\r\n", 0},
    {PUT "Content-Length:5\r\n\r\n", 0},
    {PUT "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", 400},
    {PUT "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 400},
    {PUT "Content-Length: 5\r\ncontent-length: 0\r\n\r\n", 400},
    {PUT "Content-Length: 5, 5\r\n\r\n", 400},
    {PUT "Content-Length: 5 5\r\n\r\n", 400},
    {PUT "Content-Length: -1\r\n\r\n", 400},
    {PUT "Content-Length: +5\r\n\r\n", 400},
    {PUT "Content-Length: 5;x\r\n\r\n", 400},
    {PUT "Content-Length: 0x5\r\n\r\n", 400},
    {PUT "Content-Length: 5e0\r\n\r\n", 400},
    {PUT "Content-Length: 05\r\n\r\n", 400},
    {PUT "Content-Length:\r\n\r\n", 400},
    {PUT "Content-Length: x\r\n\r\n", 400},
    {PUT "Content-Length: \"5\"\r\n\r\n", 400},
    {PUT "Content-Length: 9223372036854775807\r\n\r\n", 0},
    {PUT "Content-Length: 9223372036854775808\r\n\r\n", 400},
    {PUT "Content-Length: 18446744073709551616\r\n\r\n", 400},
    {PUT "Content-Length: 99999999999999999999999999\r\n\r\n", 400},

    /* Transfer-Encoding */
    {PUT "Transfer-Encoding: chunked\r\n\r\n", 0},
    {PUT "transfer-encoding: Chunked \r\n\r\n", 0},
    {PUT "Transfer-Encoding: xchunked\r\n\r\n", 400},
    {PUT "Transfer-Encoding: chunked, chunked\r\n\r\n", 400},
    {PUT "Transfer-Encoding: chunked, identity\r\n\r\n", 400},
    {PUT "Transfer-Encoding: gzip, chunked\r\n\r\n", 400},
    {PUT "Transfer-Encoding: identity\r\n\r\n", 400},
    {PUT "Transfer-Encoding:\r\n\r\n", 400},
    {PUT "Transfer-Encoding: chunked;q=1\r\n\r\n", 400},
    {PUT "Transfer-Encoding: \"chunked\"\r\n\r\n", 400},
    {PUT "Transfer-Encoding: \x0b"
         "chunked\r\n\r\n",
     400},
    {PUT "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {PUT "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n", 400},
    {PUT "Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {PUT "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {PUT "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 400},
    {PUT "Transfer-Encoding: identity\r\nContent-Length: 5\r\n\r\n", 400},
    {PUT "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n", 400},
    {"PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {"PUT / HTTP/1.0\r\nContent-Length: 1\r\n\r\n", 0},
    {"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", 0},
};

static int judge(bytes raw, struct http_request *request)
{
    struct http_scan scan = {0};
    switch (http_scan(&scan, raw)) {
    case HTTP_SCAN_MORE:
        return -1;
    case HTTP_SCAN_BAD:
        return scan.reject.status;
    case HTTP_SCAN_DONE:
        break;
    }
    return http_parse_request(request, bytes_slice(raw, scan.start, scan.end - scan.start)).status;
}

static void test_smuggling_list(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct http_request request = {0};
        int status = judge(bytes_str(cases[i].raw), &request);
        if (status != cases[i].status) {
            fail_msg("case %zu: %d instead of %d: %s", i, status, cases[i].status, cases[i].raw);
        }
    }
}

static void test_zero_bytes(void **state)
{
    (void)state;
    static const char in_value[] = GET "A: b\0c\r\n\r\n";
    static const char in_name[] = GET "A\0: b\r\n\r\n";
    static const char in_target[] = "GET /\0 HTTP/1.1\r\n" HOST "\r\n";
    struct http_request request = {0};
    assert_int_equal(judge(bytes_make(in_value, sizeof in_value - 1), &request), 400);
    assert_int_equal(judge(bytes_make(in_name, sizeof in_name - 1), &request), 400);
    assert_int_equal(judge(bytes_make(in_target, sizeof in_target - 1), &request), 400);
}

/* The verdict must not depend on how the bytes arrive. */
static void test_scan_byte_by_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        bytes raw = bytes_str(cases[i].raw);
        struct http_scan whole = {0};
        struct http_scan slow = {0};
        enum http_scan_state want = http_scan(&whole, raw);
        enum http_scan_state got = HTTP_SCAN_MORE;
        for (size_t len = 0; len <= raw.len && got == HTTP_SCAN_MORE; len++) {
            got = http_scan(&slow, bytes_slice(raw, 0, len));
        }
        assert_int_equal(got, want);
        assert_int_equal(slow.reject.status, whole.reject.status);
        if (want == HTTP_SCAN_DONE) {
            assert_int_equal(slow.end, whole.end);
            assert_int_equal(slow.start, whole.start);
        }
    }
}

static void test_request_fields(void **state)
{
    (void)state;
    struct http_request r = {0};
    bytes raw = bytes_str("PUT /b/k%20?uploadId=1&x HTTP/1.1\r\nHost: h:9000\r\n"
                          "x-amz-meta-A:  v v \t\r\nExpect: 100-Continue\r\n"
                          "content-length: 42\r\nX-Empty:\r\n\r\nbody");
    assert_int_equal(judge(raw, &r), 0);
    assert_true(bytes_eq_str(r.method, "PUT"));
    assert_true(bytes_eq_str(r.target, "/b/k%20?uploadId=1&x"));
    assert_true(bytes_eq_str(r.host, "h:9000"));
    assert_int_equal(r.header_count, 5);
    assert_true(bytes_eq_str(r.headers[1].name, "x-amz-meta-A"));
    assert_true(bytes_eq_str(http_find_header(&r, "X-AMZ-META-a"), "v v"));
    assert_non_null(http_find_header(&r, "x-empty").data);
    assert_int_equal(http_find_header(&r, "x-empty").len, 0);
    assert_null(http_find_header(&r, "absent").data);
    assert_true(r.has_body_length && r.body_length == 42 && !r.chunked);
    assert_true(r.expect_continue && r.keep_alive && !r.version_1_0);
}

static void test_absolute_target_becomes_a_path(void **state)
{
    (void)state;
    struct http_request r = {0};
    assert_int_equal(judge(bytes_str("GET http://h/a?b HTTP/1.1\r\n" HOST "\r\n"), &r), 0);
    assert_true(bytes_eq_str(r.target, "/a?b"));
    assert_int_equal(judge(bytes_str("GET http://h HTTP/1.1\r\n" HOST "\r\n"), &r), 0);
    assert_true(bytes_eq_str(r.target, "/"));
}

static void check_flags(const char *raw, bool keep_alive, bool expect_continue)
{
    struct http_request r = {0};
    assert_int_equal(judge(bytes_str(raw), &r), 0);
    assert_int_equal(r.keep_alive, keep_alive);
    assert_int_equal(r.expect_continue, expect_continue);
}

static void test_connection_and_expect(void **state)
{
    (void)state;
    check_flags(GET "\r\n", true, false);
    check_flags(GET "Connection: close\r\n\r\n", false, false);
    check_flags(GET "Connection: foo , CLOSE\r\n\r\n", false, false);
    check_flags(GET "Connection: closed\r\n\r\n", true, false);
    check_flags(GET "Connection: foo\r\nConnection: close\r\n\r\n", false, false);
    check_flags("GET / HTTP/1.0\r\n\r\n", false, false);
    check_flags("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true, false);
    check_flags("GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", false, false);
    check_flags(PUT "Expect: 100-continue\r\nContent-Length: 1\r\n\r\n", true, true);
    check_flags(PUT "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n", true, true);
    check_flags(PUT "Expect: 100-continue\r\nContent-Length: 0\r\n\r\n", true, false);
    check_flags(PUT "Expect: something\r\nContent-Length: 1\r\n\r\n", true, false);
    check_flags("PUT / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n", false,
                false);
}

static void test_header_count_limit(void **state)
{
    (void)state;
    for (int count = HTTP_HEADERS_MAX - 1; count <= HTTP_HEADERS_MAX; count++) {
        char raw[8192];
        size_t len = (size_t)snprintf(raw, sizeof raw, "%s", GET);
        for (int i = 0; i < count; i++) {
            len += (size_t)snprintf(raw + len, sizeof raw - len, "h%d: v\r\n", i);
        }
        snprintf(raw + len, sizeof raw - len, "\r\n");
        struct http_request r = {0};
        assert_int_equal(judge(bytes_str(raw), &r), count < HTTP_HEADERS_MAX ? 0 : 431);
    }
}

/* ---- answers ---- */

static const struct verdict_case answers[] = {
    {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", 0},
    {"HTTP/1.1 200 \r\n\r\n", 0},
    {"HTTP/1.1 200\r\n\r\n", 0},
    {"HTTP/1.0 404 Not Found\r\n\r\n", 0},
    {"HTTP/1.1 100 Continue\r\n\r\n", 0},
    {"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", 0},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 0},
    {"HTTP/2.0 200 OK\r\n\r\n", 400},
    {"HTTP/1.1 20 OK\r\n\r\n", 400},
    {"HTTP/1.1 2000 OK\r\n\r\n", 400},
    {"HTTP/1.1 600 OK\r\n\r\n", 400},
    {"HTTP/1.1 099 OK\r\n\r\n", 400},
    {"HTTP/1.1  200 OK\r\n\r\n", 400},
    {"HTTP/1.1 200 OK\nA: b\r\n\r\n", 400},
    {"HTTP/1.1 200 OK\r\nA : b\r\n\r\n", 400},
    {"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", 400},
    {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n", 400},
    {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", 400},
    {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {"ICY 200 OK\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n\r\n", 400},
};

static void test_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        bytes raw = bytes_str(answers[i].raw);
        struct http_scan scan = {0};
        struct http_answer answer = {0};
        int status = 400;
        if (http_scan(&scan, raw) == HTTP_SCAN_DONE) {
            status = http_parse_answer(&answer, raw).status;
        }
        if (status != answers[i].status) {
            fail_msg("answer %zu: %d: %s", i, status, answers[i].raw);
        }
    }
}

static void test_answer_fields(void **state)
{
    (void)state;
    struct http_answer a = {0};
    bytes raw = bytes_str("HTTP/1.1 206 Partial\r\nETag: \"x\"\r\nContent-Length: 7\r\n\r\n");
    assert_int_equal(http_parse_answer(&a, raw).status, 0);
    assert_int_equal(a.status, 206);
    assert_true(a.has_body_length && a.body_length == 7 && !a.chunked && a.keep_alive);
    assert_true(bytes_eq_str(http_fields_find(a.headers, a.header_count, "etag"), "\"x\""));
}

/* ---- chunked ---- */

/* decode: the data of a chunked body fed in pieces of `step` bytes. 1 done, 0 more, -1 bad. */
static int decode(bytes in, size_t step, struct buf *out, struct http_chunked *c)
{
    size_t at = 0;
    size_t fed = 0;
    http_chunked_init(c);
    buf_clear(out);
    for (;;) {
        size_t used = 0;
        switch (http_chunked_step(c, bytes_slice(in, at, fed - at), &used)) {
        case HTTP_CHUNK_BAD:
            return -1;
        case HTTP_CHUNK_END:
            return at + used == in.len ? 1 : 2;
        case HTTP_CHUNK_DATA: {
            at += used;
            size_t take = (size_t)min_u64(c->left, fed - at);
            buf_put(out, bytes_slice(in, at, take));
            http_chunked_take(c, take);
            at += take;
            break;
        }
        case HTTP_CHUNK_MORE:
            at += used;
            break;
        }
        if (at == fed) {
            if (fed == in.len) {
                return 0;
            }
            fed = min_size(fed + step, in.len);
        }
    }
}

struct chunk_case {
    const char *raw;
    int result;
    const char *data;
};

static const struct chunk_case chunk_cases[] = {
    {"0\r\n\r\n", 1, ""},
    {"5\r\nhello\r\n0\r\n\r\n", 1, "hello"},
    {"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", 1, "hello world"},
    {"a\r\n0123456789\r\n0\r\n\r\n", 1, "0123456789"},
    {"A\r\n0123456789\r\n0\r\n\r\n", 1, "0123456789"},
    {"0005\r\nhello\r\n000\r\n\r\n", 1, "hello"},
    {"5;x=y;z=\"q\"\r\nhello\r\n0;last\r\n\r\n", 1, "hello"},
    {"5\r\nhello\r\n0\r\nx-amz-checksum-crc32: AAAA\r\nB: c\r\n\r\n", 1, "hello"},
    {"5\r\nhel", 0, "hel"},
    {"5\r\nhello\r\n0\r\n", 0, "hello"},
    {"5\r\nhello\r\n0\r\nA: b\r\n", 0, "hello"},
    {"", 0, ""},
    {"\r\n", -1, NULL},
    {"5\nhello\r\n0\r\n\r\n", -1, NULL},
    {"5\r\nhello\n0\r\n\r\n", -1, NULL},
    {"5\r\nhello0\r\n\r\n", -1, NULL},
    {"5\r\nhelloX\r\n0\r\n\r\n", -1, NULL},
    {"5 \r\nhello\r\n0\r\n\r\n", -1, NULL},
    {" 5\r\nhello\r\n0\r\n\r\n", -1, NULL},
    {"+5\r\nhello\r\n0\r\n\r\n", -1, NULL},
    {"-5\r\nhello\r\n0\r\n\r\n", -1, NULL},
    {"0x5\r\nhello\r\n0\r\n\r\n", -1, NULL},
    {"5_\r\nhello\r\n0\r\n\r\n", -1, NULL},
    {"g\r\n", -1, NULL},
    {";x\r\n", -1, NULL},
    {"5;x\ny\r\nhello\r\n0\r\n\r\n", -1, NULL},
    {"5;x\x01\r\nhello\r\n0\r\n\r\n", -1, NULL},
    {"5\r\rhello\r\n0\r\n\r\n", -1, NULL},
    {"1000000000000000\r\n", -1, NULL},
    {"10000000000000005\r\nhello\r\n0\r\n\r\n", -1, NULL},
    {"ffffffffffffffff\r\n", -1, NULL},
    {"00000000000000000005\r\nhello\r\n0\r\n\r\n", -1, NULL},
    {"0\r\nA: b\n\r\n", -1, NULL},
    {"0\r\n\n", -1, NULL},
    {"0\r\n\r\r", -1, NULL},
};

static void test_chunked(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 4096);
    for (size_t i = 0; i < COUNT_OF(chunk_cases); i++) {
        const struct chunk_case *c = &chunk_cases[i];
        for (size_t step = 1; step <= 64; step += 7) {
            struct http_chunked chunked;
            int result = decode(bytes_str(c->raw), step, &out, &chunked);
            http_chunked_free(&chunked);
            if (result != c->result ||
                (c->data != NULL && !bytes_eq_str(buf_bytes(&out), c->data))) {
                fail_msg("chunked %zu by %zu: %d: %s", i, step, result, c->raw);
            }
        }
    }
    buf_free(&out);
}

static void test_chunk_limits(void **state)
{
    (void)state;
    struct buf raw;
    struct buf out;
    struct http_chunked chunked;
    buf_init(&raw, MIB(1));
    buf_init(&out, MIB(1));
    for (int i = 0; i < 20000; i++) {
        buf_put_str(&raw, "1;e\r\nx\r\n");
    }
    assert_int_equal(decode(buf_bytes(&raw), 4096, &out, &chunked), -1);
    http_chunked_free(&chunked);
    buf_clear(&raw);
    buf_put_str(&raw, "0\r\n");
    for (int i = 0; i < 1000; i++) {
        buf_put_str(&raw, "some-trailer: v\r\n");
    }
    assert_int_equal(decode(buf_bytes(&raw), 4096, &out, &chunked), -1);
    http_chunked_free(&chunked);
    buf_free(&raw);
    buf_free(&out);
}

static void test_trailers(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "Content-Length: 5\r\n",
        "transfer-encoding: chunked\r\n",
        "Host: h\r\n",
        " A: b\r\n",
        "A : b\r\n",
        "A\r\n",
        "A: \x01\r\n",
        ": b\r\n",
        "Connection: close\r\n",
    };
    struct http_header fields[4];
    size_t count = 0;
    assert_true(http_parse_trailers(fields, 4, &count, bytes_str("")));
    assert_int_equal(count, 0);
    assert_true(http_parse_trailers(fields, 4, &count, bytes_str("A: b \r\nC:d\r\n")));
    assert_int_equal(count, 2);
    assert_true(bytes_eq_str(http_fields_find(fields, count, "c"), "d"));
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_false(http_parse_trailers(fields, 4, &count, bytes_str(bad[i])));
    }
    assert_false(http_parse_trailers(fields, 1, &count, bytes_str("A: b\r\nC: d\r\n")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_smuggling_list),
        cmocka_unit_test(test_zero_bytes),
        cmocka_unit_test(test_scan_byte_by_byte),
        cmocka_unit_test(test_request_fields),
        cmocka_unit_test(test_absolute_target_becomes_a_path),
        cmocka_unit_test(test_connection_and_expect),
        cmocka_unit_test(test_header_count_limit),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_answer_fields),
        cmocka_unit_test(test_chunked),
        cmocka_unit_test(test_chunk_limits),
        cmocka_unit_test(test_trailers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

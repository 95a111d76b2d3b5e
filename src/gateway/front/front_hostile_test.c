/* Requests that are wrong, cut short, forged or unlucky: the right refusal, and nothing stored. */
#include "base/log.h"
#include "gateway/front/front.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#undef fail /* cmocka's hides ours */
#include "gateway/front/testing_client.h"

/* ---- bodies that are not what they claim ---- */

static void nothing_stored(struct world *w, size_t extents)
{
    assert_int_equal(w->store.extents, extents);
    say(w, "HEAD", "/bkt/k", "");
    expect(w, 404, NULL);
}

static void digests(struct world *w)
{
    static const size_t lengths[] = {100, 30000};
    make_bucket(w, "/bkt");
    for (size_t i = 0; i < COUNT_OF(lengths); i++) {
        bytes body = pattern(w, lengths[i], 1);
        with(w, "Content-MD5", "1B2M2Y8AsgTpgAmY7PhCfg==");
        say_bytes(w, "PUT", "/bkt/k", body);
        expect(w, 400, "BadDigest");
        with(w, "Content-MD5", "nonsense");
        say_bytes(w, "PUT", "/bkt/k", body);
        expect(w, 400, "InvalidDigest");
        with(w, "x-amz-checksum-crc32", "AAAAAA==");
        say_bytes(w, "PUT", "/bkt/k", body);
        expect(w, 400, "BadDigest");
        w->payload = EMPTY_SHA256;
        say_bytes(w, "PUT", "/bkt/k", body);
        expect(w, 400, "XAmzContentSHA256Mismatch");
        nothing_stored(w, 0);
    }
}

static void trailers(struct world *w)
{
    make_bucket(w, "/bkt");
    static const struct {
        const char *body;
        int status;
        const char *code;
    } rows[] = {
        {"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", 400, "BadDigest"},
        {"5\r\nhello\r\n0\r\n\r\n", 400, "MalformedTrailerError"},
        {"4\r\nhell\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n", 400, "IncompleteBody"},
        {"zz\r\nhello\r\n", 400, "IncompleteBody"},
        {"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n", 200, NULL},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        with(w, "x-amz-trailer", "x-amz-checksum-crc32");
        with(w, "x-amz-decoded-content-length", "5");
        with(w, "Content-Encoding", "aws-chunked");
        w->payload = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
        say(w, "PUT", "/bkt/k", rows[i].body);
        expect(w, rows[i].status, rows[i].code);
        if (rows[i].status != 200) {
            nothing_stored(w, 0);
        }
    }
    with(w, "x-amz-checksum-mode", "ENABLED");
    say(w, "GET", "/bkt/k", "");
    assert_true(bytes_eq_str(w->body, "hello"));
    assert_string_equal(reply_text(w, "x-amz-checksum-crc32"), "NhCmhg==");
    assert_null(reply_header(w, "Content-Encoding").data);
}

static void short_bodies(struct world *w)
{
    make_bucket(w, "/bkt");
    w->payload = "UNSIGNED-PAYLOAD";
    const char *head = signed_head(w, "PUT", "/bkt/k", "Content-Length: 100000\r\n");
    struct stream *stream = dial(w);
    tell(w, stream, bytes_str(head));
    tell(w, stream, pattern(w, 50000, 1));
    IGNORE(stream_shutdown_write(stream, loop_now_ms(w->loop) + 1000));
    hear(w, stream, 5000);
    stream_close(stream);
    expect(w, 400, "IncompleteBody");
    nothing_stored(w, 0);
    w->payload = "UNSIGNED-PAYLOAD";
    head = signed_head(w, "PUT", "/bkt/k", "Content-Length: 100000\r\n");
    stream = dial(w);
    tell(w, stream, bytes_str(head));
    tell(w, stream, pattern(w, 50000, 1));
    stream_close(stream); /* gone */
    w->payload = "UNSIGNED-PAYLOAD";
    head = signed_head(w, "PUT", "/bkt/k", "Content-Length: 10\r\n");
    raw(w, bytes_str(head), 8000); /* says nothing more */
    expect(w, 400, "RequestTimeout");
    nothing_stored(w, 0);
    w->payload = "UNSIGNED-PAYLOAD";
    head = signed_head(w, "PUT", "/bkt/k", "Transfer-Encoding: chunked\r\n");
    raw(w, bytes_str(arena_format(&w->arena, "%s5\r\nhello\r\n0\r\n\r\n", head)), 8000);
    expect(w, 411, "MissingContentLength");
    nothing_stored(w, 0);
}

static void expectations(struct world *w)
{
    make_bucket(w, "/bkt");
    w->payload = "UNSIGNED-PAYLOAD";
    const char *lines = "Content-Length: 100000\r\nExpect: 100-continue\r\n";
    raw(w, bytes_str(signed_head(w, "PUT", "/absent/k", lines)), 5000);
    expect(w, 404, "NoSuchBucket"); /* and no 100 before it */
    with(w, "If-None-Match", "*");
    put_text(w, "/bkt/there", "x");
    w->payload = "UNSIGNED-PAYLOAD";
    with(w, "If-None-Match", "*");
    raw(w, bytes_str(signed_head(w, "PUT", "/bkt/there", lines)), 5000);
    expect(w, 412, "PreconditionFailed");
    w->payload = "UNSIGNED-PAYLOAD";
    raw(w, bytes_str(signed_head(w, "PUT", "/bkt/k", "Content-Length: 5368709121\r\n")), 5000);
    expect(w, 400, "EntityTooLarge");
    const char *secret = w->secret_key;
    w->secret_key = "wrong";
    w->payload = "UNSIGNED-PAYLOAD";
    raw(w, bytes_str(signed_head(w, "PUT", "/bkt/k", lines)), 5000);
    expect(w, 403, "SignatureDoesNotMatch");
    w->secret_key = secret;
    w->payload = "UNSIGNED-PAYLOAD";
    const char *head = signed_head(w, "PUT", "/bkt/k",
                                   "Connection: close\r\n"
                                   "Content-Length: 5\r\nExpect: 100-continue\r\n");
    struct stream *stream = dial(w);
    u8 go[25];
    size_t len = 0;
    tell(w, stream, bytes_str(head));
    assert_true(is_ok(stream_read(stream, go, sizeof go, loop_now_ms(w->loop) + 5000, &len)));
    assert_true(bytes_starts_with(bytes_make(go, len), bytes_str("HTTP/1.1 100 ")));
    tell(w, stream, bytes_str("hello"));
    hear(w, stream, 5000);
    stream_close(stream);
    expect(w, 200, NULL);
}

/* ---- who may ---- */

static void signatures(struct world *w)
{
    make_bucket(w, "/bkt");
    w->tamper = "/bkt/other";
    say(w, "PUT", "/bkt/k", "x");
    expect(w, 403, "SignatureDoesNotMatch");
    w->clock_skew_s = -3600;
    say(w, "GET", "/bkt", "");
    expect(w, 403, "RequestTimeTooSkewed");
    w->clock_skew_s = 0;
    w->region = "mars";
    say(w, "GET", "/bkt", "");
    expect(w, 400, "AuthorizationHeaderMalformed");
    w->region = "cairn";
    w->access_key = "NOBODY";
    say(w, "GET", "/bkt", "");
    expect(w, 403, "InvalidAccessKeyId");
    say(w, "OPTIONS", "/bkt", "");
    expect(w, 400, "BadRequest");
    with(w, "Origin", "http://example.org");
    say(w, "OPTIONS", "/bkt", "");
    expect(w, 403, "AccessForbidden");
    as_alice(w);
    say(w, "GET", "/bkt", "");
    expect(w, 200, NULL);
}

static void presigned(struct world *w)
{
    struct testing_request t;
    make_bucket(w, "/bkt");
    put_text(w, "/bkt/k", "shared");
    i64 now_s = (i64)(loop_wall_ms(w->loop) / 1000);
    for (int expired = 0; expired < 2; expired++) {
        struct testing_signer signer = {.access_key = w->access_key,
                                        .secret = w->secret_key,
                                        .region = "cairn",
                                        .service = "s3",
                                        .time_s = now_s - (expired ? 200 : 0),
                                        .signed_headers = "host",
                                        .payload = "UNSIGNED-PAYLOAD",
                                        .expires_s = 100};
        testing_init(&t);
        testing_header(&t, "Host",
                       arena_format(&t.arena, "127.0.0.1:%u", front_http_port(w->front)));
        assert_int_equal(testing_presign(&t, &signer, "GET", "/bkt/k"), S3_OK);
        const char *target = arena_str(&w->arena, t.input.target);
        testing_free(&t);
        w->access_key = NULL;
        say(w, "GET", target, "");
        as_alice(w);
        expect(w, expired ? 403 : 200, expired ? "AccessDenied" : NULL);
    }
}

static void virtual_hosts(struct world *w)
{
    make_bucket(w, "/vbucket");
    put_text(w, "/vbucket/dir/k", "by path");
    w->host = "vbucket.localhost";
    say(w, "GET", "/dir/k", "");
    expect(w, 200, NULL);
    assert_true(bytes_eq_str(w->body, "by path"));
    say(w, "GET", "/?list-type=2", "");
    assert_true(body_has(w, "<Key>dir/k</Key>"));
    w->host = "localhost";
    say(w, "GET", "/vbucket/dir/k", "");
    expect(w, 200, NULL);
}

/* ---- HTTP at its worst ---- */

static void framing(struct world *w)
{
    static const struct {
        const char *text;
        int status;
        const char *code;
    } rows[] = {
        {"GARBAGE\r\n\r\n", 400, "BadRequest"},
        {"GET / HTTP/1.1\r\n\r\n", 400, "BadRequest"},
        {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "BadRequest"},
        {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400, "BadRequest"},
        {"PUT /b/k HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400,
         "BadRequest"},
        {"PUT /b/k HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
         "0\r\n\r\n",
         400, "BadRequest"},
        {"PUT /b/k HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n", 400, "BadRequest"},
        {"PUT /b/k HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n", 400, "BadRequest"},
        {"GET / HTTP/1.1\nHost: a\n\n", 400, "BadRequest"},
        {"GET / HTTP/1.1\r\nHost: a\r\n X: folded\r\n\r\n", 400, "BadRequest"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        raw(w, bytes_str(rows[i].text), 5000);
        if (w->status != rows[i].status) {
            print_message("%s", rows[i].text);
        }
        expect(w, rows[i].status, rows[i].code);
        assert_true(body_has(w, "x-amz-request-id: ") && body_has(w, "<RequestId>"));
    }
    struct buf long_head;
    buf_init(&long_head, MIB(1));
    buf_put_str(&long_head, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
    for (int i = 0; i < 70000; i++) {
        buf_put_u8(&long_head, 'x');
    }
    buf_put_str(&long_head, "\r\n\r\n");
    raw(w, buf_bytes(&long_head), 5000);
    expect(w, 400, "RequestHeaderSectionTooLarge");
    buf_free(&long_head);
}

/* ---- a service that fails ---- */

static void failures(struct world *w)
{
    bytes body = pattern(w, 600000, 1);
    make_bucket(w, "/bkt");
    w->store.begin_verdict = SERVICE_SLOW_DOWN;
    say_bytes(w, "PUT", "/bkt/k", body);
    expect(w, 503, "SlowDown");
    assert_string_equal(reply_text(w, "Retry-After"), "1");
    w->store.begin_verdict = SERVICE_NO_PROVIDERS;
    say_bytes(w, "PUT", "/bkt/k", body);
    expect(w, 503, "ServiceUnavailable");
    w->store.begin_verdict = SERVICE_OK;
    w->store.write_verdict = SERVICE_NO_SPACE;
    say_bytes(w, "PUT", "/bkt/k", body);
    expect(w, 507, "InsufficientStorage");
    w->store.write_verdict = SERVICE_OK;
    w->store.commit_verdict = SERVICE_QUOTA_EXCEEDED;
    say_bytes(w, "PUT", "/bkt/k", body);
    expect(w, 403, "QuotaExceeded");
    w->store.commit_verdict = SERVICE_NO_SPACE;
    say(w, "PUT", "/bkt/k", "small");
    expect(w, 507, "InsufficientStorage");
    w->store.commit_verdict = SERVICE_OK;
    w->store.commit_fault = fail(ERR_TIMEOUT);
    say_bytes(w, "PUT", "/bkt/k", body);
    expect(w, 503, "ServiceUnavailable");
    w->store.commit_fault = ok();
    nothing_stored(w, 0);
    say_bytes(w, "PUT", "/bkt/k", body);
    expect(w, 200, NULL);
    w->store.read_fault = fail(ERR_INTEGRITY);
    say(w, "GET", "/bkt/k", "");
    expect(w, 500, "InternalError");
    w->store.read_fault = fail(ERR_NETWORK);
    say(w, "GET", "/bkt/k", "");
    expect(w, 503, "ServiceUnavailable");
    w->store.read_fault_at = 300000;
    say(w, "GET", "/bkt/k", "");
    assert_true(w->status < 0); /* cut short: no client can take it for the whole */
    w->store.read_fault = ok();
    say(w, "GET", "/bkt/k", "");
    assert_true(w->status == 200 && bytes_eq(w->body, body));
}

static void admission(struct world *w)
{
    make_bucket(w, "/bkt");
    w->payload = "UNSIGNED-PAYLOAD";
    const char *head = signed_head(w, "PUT", "/bkt/slow", "Content-Length: 5\r\n");
    struct stream *stream = dial(w);
    tell(w, stream, bytes_str(head));
    IGNORE(fiber_sleep(w->loop, loop_now_ms(w->loop) + 200));
    say(w, "PUT", "/bkt/k", "x");
    expect(w, 503, "SlowDown");
    say(w, "GET", "/bkt", "");
    expect(w, 200, NULL); /* only uploads are counted */
    tell(w, stream, bytes_str("hello"));
    IGNORE(fiber_sleep(w->loop, loop_now_ms(w->loop) + 500));
    stream_close(stream);
    say(w, "PUT", "/bkt/k", "x");
    expect(w, 200, NULL);
    say(w, "GET", "/bkt/slow", "");
    assert_true(bytes_eq_str(w->body, "hello"));
}

/* ---- the list ---- */

WORLD_TEST(digests)
WORLD_TEST(trailers)
WORLD_TEST(short_bodies)
WORLD_TEST(expectations)
WORLD_TEST(signatures)
WORLD_TEST(presigned)
WORLD_TEST(virtual_hosts)
WORLD_TEST(framing)
WORLD_TEST(failures)

static void test_admission(void **state)
{
    (void)state;
    struct front_options options = small_parts;
    options.uploads_max = 1;
    run_world(&options, admission);
}

static void over_tls(struct world *w)
{
    w->scheme = "https";
    w->host = "localhost";
    bytes body = pattern(w, 700000, 8);
    make_bucket(w, "/bkt");
    say_bytes(w, "PUT", "/bkt/k", body);
    expect(w, 200, NULL);
    say(w, "GET", "/bkt/k", "");
    assert_true(w->status == 200 && bytes_eq(w->body, body));
    w->secret_key = "wrong";
    say(w, "GET", "/bkt/k", "");
    expect(w, 403, "SignatureDoesNotMatch");
    as_alice(w);
    w->scheme = "http"; /* the same objects on the other port */
    say(w, "GET", "/bkt/k", "");
    assert_true(w->status == 200 && bytes_eq(w->body, body));
}

static void test_tls(void **state)
{
    static const char *const names[] = {"localhost", "127.0.0.1"};
    char dir[] = "/tmp/cairn-front-tls-XXXXXX";
    char cert[PATH_BYTES_MAX];
    char key[PATH_BYTES_MAX];
    char ca[PATH_BYTES_MAX];
    (void)state;
    assert_non_null(mkdtemp(dir));
    assert_true(is_ok(tls_make_authority(dir, names, COUNT_OF(names))));
    path_join(cert, dir, "server.pem");
    path_join(key, dir, "server.key");
    path_join(ca, dir, "ca.pem");
    assert_true(is_ok(tls_client_new(ca, &client_tls)));
    struct front_options options = small_parts;
    options.https_host = "127.0.0.1";
    options.cert_path = cert;
    options.key_path = key;
    run_world(&options, over_tls);
    tls_free(client_tls);
    client_tls = NULL;
    assert_true(is_ok(dir_remove_all(dir)));
}

static void wrong_starts(struct world *w)
{
    struct front *front = NULL;
    struct front_options options = w->options;
    options.http_port = front_http_port(w->front);
    assert_true(is_err(front_start(w->loop, &options, &front), ERR_EXISTS));
    options.http_port = 0;
    options.https_host = "127.0.0.1";
    options.cert_path = options.key_path = "/nonexistent";
    assert_true(is_err(front_start(w->loop, &options, &front), ERR_USAGE));
    assert_null(front);
}

WORLD_TEST(wrong_starts)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_digests),       cmocka_unit_test(test_trailers),
        cmocka_unit_test(test_short_bodies),  cmocka_unit_test(test_expectations),
        cmocka_unit_test(test_signatures),    cmocka_unit_test(test_presigned),
        cmocka_unit_test(test_virtual_hosts), cmocka_unit_test(test_framing),
        cmocka_unit_test(test_failures),      cmocka_unit_test(test_admission),
        cmocka_unit_test(test_tls),           cmocka_unit_test(test_wrong_starts),
    };
    log_set_level(LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

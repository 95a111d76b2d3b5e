/* Copies and completions that take long: 200 and blanks first, what became of it in the document.
 */
#include "base/log.h"
#include "codec/xml.h"
#include "gateway/client/s3_client.h"
#include "gateway/front/front.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#undef fail /* cmocka's hides ours */
#include "gateway/front/testing_client.h"

#define SLOW_MS 900

/* One step of the service may take less than what SLOW_MS says, unless the client is kept waiting.
 */
static const struct front_options hasty = {.part_bytes_min = 1,
                                           .service_timeout_ms = 300,
                                           .blank_ms = 50,
                                           .patient_timeout_ms = 20000,
                                           .body_timeout_ms = 2000};

static const char declaration[] = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

/* How many blanks stand between declaration and document, which must be whole. */
static size_t blanks(struct world *w, const char *root_name)
{
    struct xml_node *root;
    assert_true(bytes_starts_with(w->body, bytes_str(declaration)));
    size_t at = sizeof declaration - 1;
    size_t count = 0;
    while (at + count < w->body.len && w->body.data[at + count] == ' ') {
        count++;
    }
    assert_true(is_ok(xml_parse(&w->arena, w->body, &root)));
    assert_string_equal(root->name, root_name);
    return count;
}

static const char *upload_of(struct world *w, const char *target, const char **ret_parts)
{
    say(w, "POST", arena_format(&w->arena, "%s?uploads", target), "");
    expect(w, 200, NULL);
    const char *id = element(w, "UploadId");
    say(w, "PUT", arena_format(&w->arena, "%s?partNumber=1&uploadId=%s", target, id), "content");
    expect(w, 200, NULL);
    *ret_parts = arena_format(&w->arena,
                              "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>%s"
                              "</ETag></Part></CompleteMultipartUpload>",
                              reply_text(w, "ETag"));
    return id;
}

static void expect_object(struct world *w, const char *target, const char *content)
{
    w->store.commit_ms = 0;
    w->store.read_ms = 0;
    say(w, "GET", target, "");
    expect(w, 200, NULL);
    assert_true(bytes_eq_str(w->body, content));
}

/* ---- tests ---- */

static void a_quick_one_has_no_blanks(struct world *w)
{
    const char *parts;
    make_bucket(w, "/bkt");
    const char *id = upload_of(w, "/bkt/k", &parts);
    say(w, "POST", arena_format(&w->arena, "/bkt/k?uploadId=%s", id), parts);
    expect(w, 200, NULL);
    assert_int_equal(blanks(w, "CompleteMultipartUploadResult"), 0);
    assert_string_not_equal(reply_text(w, "Content-Length"), "");
    with(w, "x-amz-copy-source", "/bkt/none");
    say(w, "PUT", "/bkt/copy", "");
    expect(w, 404, "NoSuchKey");
}

static void a_slow_complete_is_kept_alive(struct world *w)
{
    const char *parts;
    make_bucket(w, "/bkt");
    const char *id = upload_of(w, "/bkt/k", &parts);
    w->store.commit_ms = SLOW_MS;
    say(w, "POST", arena_format(&w->arena, "/bkt/k?uploadId=%s", id), parts);
    expect(w, 200, NULL);
    assert_true(blanks(w, "CompleteMultipartUploadResult") >= 5);
    assert_string_equal(reply_text(w, "Content-Type"), "application/xml");
    assert_string_not_equal(reply_text(w, "x-amz-request-id"), "");
    assert_string_not_equal(element(w, "ETag"), "");
    expect_object(w, "/bkt/k", "content"); /* on the same connection */
}

static void a_slow_copy_is_kept_alive(struct world *w)
{
    make_bucket(w, "/bkt");
    make_bucket(w, "/other");
    put_text(w, "/bkt/small", "inline");
    w->store.commit_ms = SLOW_MS;
    with(w, "x-amz-copy-source", "/bkt/small");
    say(w, "PUT", "/bkt/again", "");
    expect(w, 200, NULL);
    assert_true(blanks(w, "CopyObjectResult") >= 5);
    expect_object(w, "/bkt/again", "inline");
    bytes large = pattern(w, 900000, 3);
    say_bytes(w, "PUT", "/bkt/large", large);
    expect(w, 200, NULL);
    w->store.read_ms = 250; /* every step in time, all of them not: from bucket to bucket */
    with(w, "x-amz-copy-source", "/bkt/large");
    say(w, "PUT", "/other/large", "");
    expect(w, 200, NULL);
    assert_true(blanks(w, "CopyObjectResult") >= 5);
    w->store.read_ms = 0;
    say(w, "GET", "/other/large", "");
    assert_true(bytes_eq(w->body, large));
}

static void a_slow_part_copy_is_kept_alive(struct world *w)
{
    const char *parts;
    make_bucket(w, "/bkt");
    put_text(w, "/bkt/small", "inline");
    const char *id = upload_of(w, "/bkt/k", &parts);
    w->store.commit_ms = SLOW_MS;
    with(w, "x-amz-copy-source", "/bkt/small");
    say(w, "PUT", arena_format(&w->arena, "/bkt/k?partNumber=2&uploadId=%s", id), "");
    expect(w, 200, NULL);
    assert_true(blanks(w, "CopyPartResult") >= 5);
}

static void a_late_error_is_in_the_document(struct world *w)
{
    const char *parts;
    make_bucket(w, "/bkt");
    put_text(w, "/bkt/k", "old");
    const char *id = upload_of(w, "/bkt/k", &parts);
    w->store.commit_ms = SLOW_MS;
    with(w, "If-None-Match", "*");
    say(w, "POST", arena_format(&w->arena, "/bkt/k?uploadId=%s", id), parts);
    expect(w, 200, "PreconditionFailed");
    assert_true(blanks(w, "Error") >= 5);
    assert_string_equal(element(w, "RequestId"), reply_text(w, "x-amz-request-id"));
    expect_object(w, "/bkt/k", "old");
    w->store.read_ms = SLOW_MS;
    w->store.read_fault = fail(ERR_NETWORK);
    make_bucket(w, "/other");
    say_bytes(w, "PUT", "/bkt/large", pattern(w, 100000, 3));
    with(w, "x-amz-copy-source", "/bkt/large");
    say(w, "PUT", "/other/large", "");
    expect(w, 200, "ServiceUnavailable");
    assert_true(blanks(w, "Error") >= 5);
    w->store.read_fault = ok();
    say(w, "HEAD", "/other/large", "");
    expect(w, 404, NULL);
}

/* Other operations have no way to be late: they end with 503 in time. */
static void a_put_is_not_kept_waiting(struct world *w)
{
    make_bucket(w, "/bkt");
    w->store.commit_ms = SLOW_MS;
    u64 begin_ms = loop_now_ms(w->loop);
    say(w, "PUT", "/bkt/k", "content");
    expect(w, 503, "ServiceUnavailable");
    assert_true(loop_now_ms(w->loop) - begin_ms < SLOW_MS);
}

/* The client hangs up after the first blanks: what he asked for happens. */
static void a_client_that_goes_does_not_stop_it(struct world *w)
{
    make_bucket(w, "/bkt");
    put_text(w, "/bkt/small", "inline");
    w->store.commit_ms = SLOW_MS;
    with(w, "x-amz-copy-source", "/bkt/small");
    const char *head = signed_head(w, "PUT", "/bkt/copy", "Content-Length: 0\r\n");
    raw(w, bytes_str(head), SLOW_MS / 3);
    assert_int_equal(w->status, 200);
    assert_true(body_has(w, declaration) && !body_has(w, "CopyObjectResult"));
    assert_true(is_ok(fiber_sleep(w->loop, loop_now_ms(w->loop) + SLOW_MS * 2)));
    expect_object(w, "/bkt/copy", "inline");
}

/* Without chunks the end is the end of the connection. */
static void an_old_client_understands_it(struct world *w)
{
    make_bucket(w, "/bkt");
    put_text(w, "/bkt/small", "inline");
    w->store.commit_ms = SLOW_MS;
    with(w, "x-amz-copy-source", "/bkt/small");
    const char *head = signed_head(w, "PUT", "/bkt/copy", "Content-Length: 0\r\n");
    const char *at = strstr(head, "HTTP/1.1");
    head = arena_format(&w->arena, "%.*sHTTP/1.0%s", (int)(at - head), head, at + 8);
    raw(w, bytes_str(head), 5000);
    assert_int_equal(w->status, 200);
    assert_true(body_has(w, "     \n<CopyObjectResult") && body_has(w, "</CopyObjectResult>"));
    assert_false(body_has(w, "Transfer-Encoding"));
}

/* Two at once: the second one waits longer than a step may take, and gets the same answer. */
static void completing_twice_waits_for_the_first(struct world *w)
{
    const char *parts;
    make_bucket(w, "/bkt");
    const char *id = upload_of(w, "/bkt/k", &parts);
    w->store.commit_ms = SLOW_MS;
    const char *target = arena_format(&w->arena, "/bkt/k?uploadId=%s", id);
    w->payload = "UNSIGNED-PAYLOAD";
    const char *extra =
        arena_format(&w->arena, "Content-Length: %zu\r\nConnection: close\r\n", strlen(parts));
    const char *text =
        arena_format(&w->arena, "%s%s", signed_head(w, "POST", target, extra), parts);
    struct stream *first = dial(w);
    tell(w, first, bytes_str(text));
    assert_true(is_ok(fiber_sleep(w->loop, loop_now_ms(w->loop) + 100)));
    say(w, "POST", target, parts);
    expect(w, 200, NULL);
    assert_true(blanks(w, "CompleteMultipartUploadResult") >= 5);
    const char *etag = element(w, "ETag");
    hear(w, first, 5000);
    stream_close(first);
    assert_int_equal(w->status, 200);
    assert_string_equal(element(w, "ETag"), etag);
    expect_object(w, "/bkt/k", "content");
}

/* Our own client takes the late error for what it is. */
static void our_client_finds_the_late_error(struct world *w)
{
    struct s3_failure failure;
    struct arena arena;
    bytes body;
    struct s3_client s3 = {
        .loop = w->loop,
        .http = w->client,
        .endpoint = arena_format(&w->arena, "http://127.0.0.1:%u", front_http_port(w->front)),
        .region = w->region,
        .access_key = w->access_key,
        .secret_key = w->secret_key};
    struct s3_call call = {.method = "PUT",
                           .bucket = "bkt",
                           .key = bytes_str("copy"),
                           .headers = {{"x-amz-copy-source", bytes_str("/bkt/small")}},
                           .header_count = 1};
    make_bucket(w, "/bkt");
    put_text(w, "/bkt/small", "inline");
    arena_init(&arena, MIB(1));
    w->store.commit_ms = SLOW_MS;
    assert_true(is_ok(s3_simple(&s3, &call, bytes_str(""), &arena, &failure, &body)));
    assert_true(bytes_find(body, bytes_str("CopyObjectResult")) != SIZE_MAX);
    call.headers[call.header_count++] = (struct s3_item){"if-none-match", bytes_str("*")};
    err e = s3_simple(&s3, &call, bytes_str(""), &arena, &failure, &body);
    assert_true(is_err(e, ERR_REFUSED));
    assert_int_equal(failure.status, 412);
    assert_string_equal(failure.code, "PreconditionFailed");
    assert_string_not_equal(failure.message, "");
    arena_free(&arena);
}

#undef WORLD_TEST
#define WORLD_TEST(name)                                                                           \
    static void test_##name(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        run_world(&hasty, name);                                                                   \
    }

WORLD_TEST(a_quick_one_has_no_blanks)
WORLD_TEST(a_slow_complete_is_kept_alive)
WORLD_TEST(a_slow_copy_is_kept_alive)
WORLD_TEST(a_slow_part_copy_is_kept_alive)
WORLD_TEST(a_late_error_is_in_the_document)
WORLD_TEST(a_put_is_not_kept_waiting)
WORLD_TEST(a_client_that_goes_does_not_stop_it)
WORLD_TEST(an_old_client_understands_it)
WORLD_TEST(completing_twice_waits_for_the_first)
WORLD_TEST(our_client_finds_the_late_error)

int main(void)
{
    struct hash seed = {{1}};
    crypto_init(&seed);
    log_set_level(LOG_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_quick_one_has_no_blanks),
        cmocka_unit_test(test_a_slow_complete_is_kept_alive),
        cmocka_unit_test(test_a_slow_copy_is_kept_alive),
        cmocka_unit_test(test_a_slow_part_copy_is_kept_alive),
        cmocka_unit_test(test_a_late_error_is_in_the_document),
        cmocka_unit_test(test_a_put_is_not_kept_waiting),
        cmocka_unit_test(test_a_client_that_goes_does_not_stop_it),
        cmocka_unit_test(test_an_old_client_understands_it),
        cmocka_unit_test(test_completing_twice_waits_for_the_first),
        cmocka_unit_test(test_our_client_finds_the_late_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

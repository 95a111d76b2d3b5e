#include "base/log.h"
#include "gateway/front/front.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#undef fail /* cmocka's hides ours */
#include "gateway/front/testing_client.h"
#include "gateway/front/testing_serve.h"

/* ---- buckets ---- */

static void buckets(struct world *w)
{
    make_bucket(w, "/first");
    assert_string_equal(reply_text(w, "Location"), "/first");
    assert_true(reply_header(w, "x-amz-request-id").len == 16);
    assert_true(reply_header(w, "x-amz-id-2").len > 0 && reply_header(w, "Date").len > 0);
    assert_string_equal(reply_text(w, "Server"), "Cairn");
    assert_string_equal(reply_text(w, "Accept-Ranges"), "bytes");
    say(w, "PUT", "/first", "");
    expect(w, 409, "BucketAlreadyOwnedByYou");
    make_bucket(w, "/second");
    say(w, "HEAD", "/first", "");
    expect(w, 200, NULL);
    assert_string_equal(reply_text(w, "x-amz-bucket-region"), "cairn");
    say(w, "HEAD", "/third", "");
    expect(w, 404, NULL);
    assert_int_equal(w->body.len, 0);
    say(w, "GET", "/", "");
    expect(w, 200, NULL);
    assert_true(body_has(w, "<Name>first</Name>") && body_has(w, "<Name>second</Name>"));
    assert_true(body_has(w, "<ID>alice</ID>"));
    say(w, "GET", "/?max-buckets=1", "");
    assert_true(body_has(w, "<Name>first</Name>") && !body_has(w, "<Name>second</Name>"));
    assert_true(body_has(w, "<ContinuationToken>"));
    say(w, "DELETE", "/second", "");
    expect(w, 204, NULL);
    say(w, "DELETE", "/second", "");
    expect(w, 404, "NoSuchBucket");
    put_text(w, "/first/k", "v");
    say(w, "DELETE", "/first", "");
    expect(w, 409, "BucketNotEmpty");
    say(w, "PUT", "/No_Bucket", "");
    expect(w, 400, "InvalidBucketName");
}

static void owners(struct world *w)
{
    make_bucket(w, "/mine");
    put_text(w, "/mine/secret", "plain");
    as_bob(w);
    say(w, "GET", "/", "");
    assert_false(body_has(w, "mine"));
    say(w, "PUT", "/mine", "");
    expect(w, 409, "BucketAlreadyExists");
    static const char *const tries[][2] = {{"GET", "/mine/secret"},    {"PUT", "/mine/secret"},
                                           {"DELETE", "/mine/secret"}, {"GET", "/mine"},
                                           {"DELETE", "/mine"},        {"GET", "/mine?location"},
                                           {"GET", "/mine?acl"},       {"POST", "/mine/x?uploads"}};
    for (size_t i = 0; i < COUNT_OF(tries); i++) {
        say(w, tries[i][0], tries[i][1], "");
        expect(w, 403, "AccessDenied");
    }
    make_bucket(w, "/theirs");
    with(w, "x-amz-copy-source", "/mine/secret");
    say(w, "PUT", "/theirs/stolen", "");
    expect(w, 403, "AccessDenied");
    w->access_key = NULL;
    say(w, "GET", "/mine/secret", "");
    expect(w, 403, "AccessDenied");
    say(w, "GET", "/", "");
    expect(w, 403, "AccessDenied");
}

static void locations(struct world *w)
{
    static const char form[] = "<CreateBucketConfiguration><LocationConstraint>%s"
                               "</LocationConstraint></CreateBucketConfiguration>";
    say(w, "PUT", "/there", arena_format(&w->arena, form, "far-away"));
    expect(w, 200, NULL);
    say(w, "PUT", "/here", arena_format(&w->arena, form, "cairn"));
    expect(w, 200, NULL);
    say(w, "PUT", "/nowhere", arena_format(&w->arena, form, "atlantis"));
    expect(w, 400, "InvalidLocationConstraint");
    say(w, "PUT", "/nowhere", "<CreateBucketConfiguration><Location");
    expect(w, 400, "MalformedXML");
    say(w, "GET", "/here?location", "");
    expect(w, 200, NULL);
    assert_true(body_has(w, ">cairn</LocationConstraint>"));
    say(w, "GET", "/here?versioning", "");
    expect(w, 200, NULL);
    say(w, "GET", "/here?acl", "");
    assert_true(body_has(w, "FULL_CONTROL"));
    say(w, "GET", "/here?policy", "");
    expect(w, 404, "NoSuchBucketPolicy");
    say(w, "PUT", "/here?policy", "{}");
    expect(w, 501, "NotImplemented");
    say(w, "GET", "/here?nonsense", "");
    expect(w, 501, "NotImplemented");
}

/* ---- objects ---- */

static void sizes(struct world *w)
{
    static const size_t lengths[] = {0, 1, 4095, 4096, 4097, 65536, 262144, 300000, 3000000};
    make_bucket(w, "/bkt");
    for (size_t i = 0; i < COUNT_OF(lengths); i++) {
        bytes body = pattern(w, lengths[i], (u8)i);
        const char *target = arena_format(&w->arena, "/bkt/size-%zu", lengths[i]);
        say_bytes(w, "PUT", target, body);
        expect(w, 200, NULL);
        assert_string_equal(reply_text(w, "ETag"), etag_of(w, body));
        assert_true(reply_header(w, "x-amz-checksum-crc64nvme").len > 0);
        say(w, "GET", target, "");
        expect(w, 200, NULL);
        assert_true(bytes_eq(w->body, body));
        assert_string_equal(reply_text(w, "ETag"), etag_of(w, body));
        assert_string_equal(reply_text(w, "Content-Type"), "binary/octet-stream");
        say(w, "HEAD", target, "");
        expect(w, 200, NULL);
        assert_string_equal(reply_text(w, "Content-Length"),
                            arena_format(&w->arena, "%zu", lengths[i]));
    }
    assert_int_equal(w->store.extents, 5); /* the others are inline */
}

static void keys(struct world *w)
{
    static const char *const names[] = {"a",
                                        "..",
                                        "../../etc/passwd",
                                        "a//b",
                                        "/leading",
                                        "%20space%20and%2Bplus",
                                        "%E2%82%AC%F0%9F%98%80",
                                        "%00zero",
                                        "a%3Fb%26c%23d",
                                        "ends/",
                                        "%3C%26%22%27%3E",
                                        "%7F%01%0A"};
    make_bucket(w, "/bkt");
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const char *target = arena_format(&w->arena, "/bkt/%s", names[i]);
        put_text(w, target, names[i]);
    }
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        say(w, "GET", arena_format(&w->arena, "/bkt/%s", names[i]), "");
        expect(w, 200, NULL);
        assert_true(bytes_eq_str(w->body, names[i]));
    }
    char long_key[1100];
    memset(long_key, 'k', sizeof long_key);
    const char *longest = arena_format(&w->arena, "/bkt/%.1024s", long_key);
    put_text(w, longest, "long");
    say(w, "GET", longest, "");
    expect(w, 200, NULL);
    say(w, "PUT", arena_format(&w->arena, "/bkt/%.1025s", long_key), "x");
    expect(w, 400, "KeyTooLongError");
    say(w, "PUT", "/bkt/%FF%FE", "x");
    expect(w, 400, "InvalidURI");
    say(w, "PUT", "/bkt/%zz", "x");
    expect(w, 400, "InvalidURI");
    say(w, "GET", "/bkt?encoding-type=url&list-type=2", "");
    expect(w, 200, NULL);
    assert_string_equal(element(w, "KeyCount"), "13");
}

static void reads(struct world *w)
{
    bytes body = pattern(w, 100000, 3);
    make_bucket(w, "/bkt");
    with(w, "Content-Type", "text/weird");
    with(w, "x-amz-meta-Color", "blue");
    with(w, "Cache-Control", "no-cache");
    say_bytes(w, "PUT", "/bkt/k", body);
    expect(w, 200, NULL);
    const char *etag = etag_of(w, body);
    with(w, "Range", "bytes=10-19");
    say(w, "GET", "/bkt/k", "");
    expect(w, 206, NULL);
    assert_true(bytes_eq(w->body, bytes_slice(body, 10, 10)));
    assert_string_equal(reply_text(w, "Content-Range"), "bytes 10-19/100000");
    assert_string_equal(reply_text(w, "x-amz-meta-color"), "blue");
    with(w, "Range", "bytes=-5");
    say(w, "GET", "/bkt/k", "");
    assert_true(w->status == 206 && bytes_eq(w->body, bytes_slice(body, 99995, 5)));
    with(w, "Range", "bytes=100000-");
    say(w, "GET", "/bkt/k", "");
    expect(w, 416, "InvalidRange");
    with(w, "If-None-Match", etag);
    say(w, "GET", "/bkt/k", "");
    expect(w, 304, NULL);
    with(w, "If-Match", "\"no\"");
    say(w, "GET", "/bkt/k", "");
    expect(w, 412, "PreconditionFailed");
    with(w, "x-amz-checksum-mode", "ENABLED");
    say(w, "HEAD", "/bkt/k", "");
    assert_true(reply_header(w, "x-amz-checksum-crc64nvme").len > 0);
    say(w, "GET", "/bkt/k?response-content-type=text%2Fplain&response-expires=soon", "");
    assert_string_equal(reply_text(w, "Content-Type"), "text/plain");
    assert_string_equal(reply_text(w, "Expires"), "soon");
    say(w, "GET", "/bkt/k?response-content-type=a%0D%0Ab:%20c", "");
    expect(w, 400, NULL);
    say(w, "GET", "/bkt/absent", "");
    expect(w, 404, "NoSuchKey");
    say(w, "GET", "/bkt/k?versionId=null", "");
    expect(w, 200, NULL);
    say(w, "GET", "/bkt/k?versionId=other", "");
    expect(w, 404, "NoSuchVersion");
    with(w, "x-cairn-stat", "1");
    say(w, "HEAD", "/bkt/k", "");
    assert_string_equal(reply_text(w, "x-cairn-durability"), "durable");
    assert_string_equal(reply_text(w, "x-cairn-missing-holders"), "2");
}

static void conditional_writes(struct world *w)
{
    make_bucket(w, "/bkt");
    with(w, "If-None-Match", "*");
    put_text(w, "/bkt/k", "one");
    const char *etag = reply_text(w, "ETag");
    with(w, "If-None-Match", "*");
    say(w, "PUT", "/bkt/k", "two");
    expect(w, 412, "PreconditionFailed");
    with(w, "If-Match", "\"wrong\"");
    say(w, "PUT", "/bkt/k", "two");
    expect(w, 412, "PreconditionFailed");
    with(w, "If-Match", etag);
    put_text(w, "/bkt/k", "two");
    with(w, "If-Match", etag);
    say(w, "PUT", "/bkt/new", "x");
    expect(w, 404, "NoSuchKey");
    with(w, "If-Match", "\"wrong\"");
    say(w, "DELETE", "/bkt/k", "");
    expect(w, 412, "PreconditionFailed");
    say(w, "GET", "/bkt/k", "");
    assert_true(bytes_eq_str(w->body, "two"));
}

static void deletes(struct world *w)
{
    make_bucket(w, "/bkt");
    put_text(w, "/bkt/1", "x");
    put_text(w, "/bkt/2", "x");
    put_text(w, "/bkt/3", "x");
    say(w, "DELETE", "/bkt/1", "");
    expect(w, 204, NULL);
    say(w, "DELETE", "/bkt/1", "");
    expect(w, 204, NULL);
    say(w, "POST", "/bkt?delete",
        "<Delete><Object><Key>2</Key></Object><Object><Key>absent</Key></Object>"
        "<Object><Key>3</Key><VersionId>v9</VersionId></Object></Delete>");
    expect(w, 200, NULL);
    assert_true(body_has(w, "<Deleted><Key>2</Key>") && body_has(w, "<Key>absent</Key>"));
    assert_true(body_has(w, "<Code>NoSuchVersion</Code>"));
    say(w, "GET", "/bkt/3", "");
    expect(w, 200, NULL);
    say(w, "POST", "/bkt?delete",
        "<Delete><Quiet>true</Quiet><Object><Key>3</Key></Object></Delete>");
    expect(w, 200, NULL);
    assert_false(body_has(w, "<Deleted>"));
    say(w, "POST", "/bkt?delete", "<Delete><Object><Key>");
    expect(w, 400, "MalformedXML");
    w->payload = "UNSIGNED-PAYLOAD";
    say(w, "POST", "/bkt?delete", "<Delete><Object><Key>3</Key></Object></Delete>");
    expect(w, 400, "InvalidRequest");
    say(w, "DELETE", "/bkt", "");
    expect(w, 204, NULL);
}

static void listings(struct world *w)
{
    make_bucket(w, "/bkt");
    for (int i = 0; i < 25; i++) {
        put_text(w, arena_format(&w->arena, "/bkt/dir%d/file%d", i % 3, i), "x");
    }
    say(w, "GET", "/bkt?list-type=2&delimiter=%2F", "");
    expect(w, 200, NULL);
    assert_true(body_has(w, "<Prefix>dir0/</Prefix>") && body_has(w, "<Prefix>dir2/</Prefix>"));
    assert_string_equal(element(w, "KeyCount"), "3");
    u64 seen = 0;
    const char *token = "";
    for (int page = 0; page < 30; page++) {
        const char *target =
            *token == 0 ? "/bkt?list-type=2&max-keys=4"
                        : arena_format(&w->arena,
                                       "/bkt?list-type=2&max-keys=4&continuation-token=%s", token);
        say(w, "GET", target, "");
        expect(w, 200, NULL);
        seen += number(bytes_str(element(w, "KeyCount")));
        struct buf encoded;
        buf_init(&encoded, 4096);
        percent_encode(&encoded, bytes_str(element(w, "NextContinuationToken")), false);
        token = arena_str(&w->arena, buf_bytes(&encoded));
        buf_free(&encoded);
        if (strcmp(element(w, "IsTruncated"), "false") == 0) {
            break;
        }
    }
    assert_int_equal(seen, 25);
    say(w, "GET", "/bkt?prefix=dir1%2F&max-keys=2", "");
    assert_true(body_has(w, "<Key>dir1/file1</Key>") && body_has(w, "<Key>dir1/file10</Key>"));
    say(w, "GET", "/bkt?prefix=dir1%2F&max-keys=2&marker=dir1%2Ffile10", "");
    assert_true(body_has(w, "<Key>dir1/file13</Key>"));
    say(w, "GET", "/bkt?versions&max-keys=1", "");
    assert_true(body_has(w, "<VersionId>null</VersionId>") && body_has(w, "<IsLatest>true"));
    say(w, "GET", "/bkt?versions&max-keys=1&key-marker=dir0%2Ffile0&version-id-marker=null", "");
    assert_true(body_has(w, "<Key>dir0/file12</Key>"));
    say(w, "GET", "/bkt?max-keys=-1", "");
    expect(w, 400, "InvalidArgument");
    say(w, "GET", "/bkt?list-type=2&continuation-token=garbage!", "");
    expect(w, 400, "InvalidArgument");
}

static err note_body(struct world *w, struct stream *stream)
{
    hear(w, stream, 5000);
    return w->status == 200 ? ok() : fail(ERR_FAILED);
}

/* Many at once, all of them half way before the first one ends. */
static void crowd(struct world *w)
{
    enum { CROWD = 48 };
    struct stream *streams[CROWD];
    bytes body = pattern(w, 400000, 5);
    make_bucket(w, "/bkt");
    for (size_t i = 0; i < CROWD; i++) {
        w->payload = "UNSIGNED-PAYLOAD";
        const char *target = arena_format(&w->arena, "/bkt/crowd-%zu", i);
        streams[i] = dial(w);
        tell(w, streams[i],
             bytes_str(
                 signed_head(w, "PUT", target, "Connection: close\r\nContent-Length: 400000\r\n")));
        tell(w, streams[i], bytes_slice(body, 0, 200000));
    }
    for (size_t i = 0; i < CROWD; i++) {
        tell(w, streams[i], bytes_slice(body, 200000, 200000));
    }
    for (size_t i = 0; i < CROWD; i++) {
        assert_true(is_ok(note_body(w, streams[i])));
        stream_close(streams[i]);
    }
    assert_int_equal(w->store.extents, CROWD);
    say(w, "GET", "/bkt/crowd-47", "");
    assert_true(bytes_eq(w->body, body));
}

/* ---- copies ---- */

static void copies(struct world *w)
{
    bytes body = pattern(w, 50000, 9);
    make_bucket(w, "/bkt");
    make_bucket(w, "/other");
    with(w, "x-amz-meta-a", "1");
    say_bytes(w, "PUT", "/bkt/from%20here", body);
    assert_int_equal(w->store.extents, 1);
    with(w, "x-amz-copy-source", "bkt/from%20here");
    say(w, "PUT", "/bkt/to", "");
    expect(w, 200, NULL);
    assert_true(body_has(w, "<CopyObjectResult"));
    assert_int_equal(w->store.extents, 1); /* shared */
    say(w, "GET", "/bkt/to", "");
    assert_true(bytes_eq(w->body, body));
    assert_string_equal(reply_text(w, "x-amz-meta-a"), "1");
    with(w, "x-amz-copy-source", "/bkt/from%20here");
    with(w, "x-amz-checksum-algorithm", "SHA256");
    say(w, "PUT", "/other/to", "");
    expect(w, 200, NULL);
    assert_int_equal(w->store.extents, 2); /* another bucket: written again */
    assert_true(body_has(w, "<ChecksumSHA256>"));
    say(w, "GET", "/other/to", "");
    assert_true(bytes_eq(w->body, body));
    with(w, "x-amz-copy-source", "/bkt/to");
    say(w, "PUT", "/bkt/to", "");
    expect(w, 400, "InvalidRequest");
    with(w, "x-amz-copy-source", "/bkt/to");
    with(w, "x-amz-metadata-directive", "REPLACE");
    with(w, "x-amz-meta-b", "2");
    say(w, "PUT", "/bkt/to", "");
    expect(w, 200, NULL);
    say(w, "HEAD", "/bkt/to", "");
    assert_string_equal(reply_text(w, "x-amz-meta-b"), "2");
    assert_null(reply_header(w, "x-amz-meta-a").data);
    with(w, "x-amz-copy-source", "/bkt/absent");
    say(w, "PUT", "/bkt/x", "");
    expect(w, 404, "NoSuchKey");
    with(w, "x-amz-copy-source", "/bkt/to");
    with(w, "x-amz-copy-source-if-match", "\"no\"");
    say(w, "PUT", "/bkt/x", "");
    expect(w, 412, "PreconditionFailed");
    put_text(w, "/bkt/small", "inline");
    with(w, "x-amz-copy-source", "/bkt/small");
    say(w, "PUT", "/other/small", "");
    expect(w, 200, NULL);
    say(w, "GET", "/other/small", "");
    assert_true(bytes_eq_str(w->body, "inline"));
}

/* ---- multipart ---- */

static const char *begin_upload(struct world *w, const char *target)
{
    say(w, "POST", arena_format(&w->arena, "%s?uploads", target), "");
    expect(w, 200, NULL);
    return element(w, "UploadId");
}

static const char *put_part(struct world *w, const char *target, const char *id, int number,
                            bytes body)
{
    say_bytes(w, "PUT", arena_format(&w->arena, "%s?partNumber=%d&uploadId=%s", target, number, id),
              body);
    expect(w, 200, NULL);
    return reply_text(w, "ETag");
}

static const char *part_xml(struct world *w, const char *before, int number, const char *etag)
{
    return arena_format(&w->arena, "%s<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>",
                        before, number, etag);
}

static int complete(struct world *w, const char *target, const char *id, const char *parts)
{
    return say(
        w, "POST", arena_format(&w->arena, "%s?uploadId=%s", target, id),
        arena_format(&w->arena, "<CompleteMultipartUpload>%s</CompleteMultipartUpload>", parts));
}

static void multipart(struct world *w)
{
    bytes one = pattern(w, 20000, 1);
    bytes two = pattern(w, 300000, 2);
    bytes three = pattern(w, 5, 3);
    make_bucket(w, "/bkt");
    with(w, "Content-Type", "a/b");
    const char *id = begin_upload(w, "/bkt/big");
    const char *etag3 = put_part(w, "/bkt/big", id, 30, three);
    const char *etag1 = put_part(w, "/bkt/big", id, 1, one);
    put_part(w, "/bkt/big", id, 2, three);
    const char *etag2 = put_part(w, "/bkt/big", id, 2, two); /* sent again: the last one counts */
    say(w, "GET", "/bkt/big", "");
    expect(w, 404, "NoSuchKey");
    say(w, "GET", "/bkt?uploads", "");
    assert_true(body_has(w, id) && body_has(w, "<Key>big</Key>"));
    say(w, "GET", arena_format(&w->arena, "/bkt/big?uploadId=%s&max-parts=2", id), "");
    assert_true(body_has(w, "<PartNumber>2</PartNumber>") &&
                !body_has(w, "<PartNumber>30</PartNumber>"));
    complete(w, "/bkt/big", id, part_xml(w, part_xml(w, "", 2, etag2), 1, etag1));
    expect(w, 400, "InvalidPartOrder");
    complete(w, "/bkt/big", id, part_xml(w, "", 1, etag2));
    expect(w, 400, "InvalidPart");
    complete(w, "/bkt/big", id, part_xml(w, part_xml(w, "", 1, etag1), 30, etag3));
    expect(w, 200, NULL);
    say(w, "GET", "/bkt/big", "");
    assert_int_equal(w->body.len, 20005);
    complete(w, "/bkt/big", id, part_xml(w, part_xml(w, "", 1, etag1), 30, etag3));
    expect(w, 200, NULL); /* again: the same answer */
    assert_true(body_has(w, "-2&quot;"));
    complete(w, "/bkt/big", id, part_xml(w, "", 1, etag1));
    expect(w, 404, "NoSuchUpload");
    id = begin_upload(w, "/bkt/big");
    etag1 = put_part(w, "/bkt/big", id, 1, one);
    etag2 = put_part(w, "/bkt/big", id, 2, two);
    etag3 = put_part(w, "/bkt/big", id, 3, three);
    complete(w, "/bkt/big", id,
             part_xml(w, part_xml(w, part_xml(w, "", 1, etag1), 2, etag2), 3, etag3));
    expect(w, 200, NULL);
    with(w, "Range", "bytes=19990-20009");
    say(w, "GET", "/bkt/big", "");
    assert_true(w->status == 206 && w->body.len == 20);
    assert_memory_equal(w->body.data, one.data + 19990, 10);
    assert_memory_equal(w->body.data + 10, two.data, 10);
    say(w, "GET", "/bkt/big?partNumber=2", "");
    expect(w, 206, NULL);
    assert_true(bytes_eq(w->body, two));
    assert_string_equal(reply_text(w, "x-amz-mp-parts-count"), "3");
    say(w, "GET", "/bkt/big?partNumber=4", "");
    expect(w, 400, "InvalidPart");
    say(w, "HEAD", "/bkt/big", "");
    assert_string_equal(reply_text(w, "Content-Length"), "320005");
}

static void multipart_ends(struct world *w)
{
    bytes part = pattern(w, 20000, 1);
    make_bucket(w, "/bkt");
    const char *id = begin_upload(w, "/bkt/k");
    const char *etag = put_part(w, "/bkt/k", id, 1, pattern(w, 100, 1));
    const char *last = put_part(w, "/bkt/k", id, 2, part);
    complete(w, "/bkt/k", id, part_xml(w, part_xml(w, "", 1, etag), 2, last));
    expect(w, 400, "EntityTooSmall");
    complete(w, "/bkt/k", id, "");
    expect(w, 400, "MalformedXML");
    say(w, "DELETE", arena_format(&w->arena, "/bkt/other?uploadId=%s", id), "");
    expect(w, 404, "NoSuchUpload");
    say(w, "DELETE", arena_format(&w->arena, "/bkt/k?uploadId=%s", id), "");
    expect(w, 204, NULL);
    say(w, "DELETE", arena_format(&w->arena, "/bkt/k?uploadId=%s", id), "");
    expect(w, 404, "NoSuchUpload");
    say_bytes(w, "PUT", arena_format(&w->arena, "/bkt/k?partNumber=1&uploadId=%s", id), part);
    expect(w, 404, "NoSuchUpload");
    say(w, "PUT", "/bkt/k?partNumber=1&uploadId=nonsense", "x");
    expect(w, 404, "NoSuchUpload");
    say(w, "PUT", "/bkt/k?partNumber=10001&uploadId=nonsense", "x");
    expect(w, 400, "InvalidArgument");
    complete(w, "/bkt/k", id, part_xml(w, "", 1, etag));
    expect(w, 404, "NoSuchUpload");
}

static void part_copies(struct world *w)
{
    bytes source = pattern(w, 100000, 7);
    make_bucket(w, "/bkt");
    make_bucket(w, "/other");
    say_bytes(w, "PUT", "/bkt/source", source);
    say_bytes(w, "PUT", "/other/source", source);
    put_text(w, "/bkt/small", "inline");
    const char *id = begin_upload(w, "/bkt/joined");
    size_t before = w->store.extents;
    const char *xml = "";
    static const char *const copies_of[][2] = {
        {"/bkt/source", "bytes=10-50009"}, {"/other/source", NULL}, {"/bkt/small", NULL}};
    for (int i = 0; i < 3; i++) {
        with(w, "x-amz-copy-source", copies_of[i][0]);
        if (copies_of[i][1] != NULL) {
            with(w, "x-amz-copy-source-range", copies_of[i][1]);
        }
        say(w, "PUT", arena_format(&w->arena, "/bkt/joined?partNumber=%d&uploadId=%s", i + 1, id),
            "");
        expect(w, 200, NULL);
        const char *quoted = element(w, "ETag");
        xml = part_xml(w, xml, i + 1, quoted);
    }
    assert_int_equal(w->store.extents, before + 2); /* the range of the same bucket is shared */
    complete(w, "/bkt/joined", id, xml);
    expect(w, 200, NULL);
    say(w, "GET", "/bkt/joined", "");
    assert_int_equal(w->body.len, 150006);
    assert_memory_equal(w->body.data, source.data + 10, 50000);
    assert_memory_equal(w->body.data + 50000, source.data, 100000);
    assert_memory_equal(w->body.data + 150000, "inline", 6);
    id = begin_upload(w, "/bkt/k");
    with(w, "x-amz-copy-source", "/bkt/source");
    with(w, "x-amz-copy-source-range", "bytes=0-100000");
    say(w, "PUT", arena_format(&w->arena, "/bkt/k?partNumber=1&uploadId=%s", id), "");
    expect(w, 416, "InvalidRange");
}

/* ---- the list ---- */

WORLD_TEST(buckets)
WORLD_TEST(owners)
WORLD_TEST(locations)
WORLD_TEST(sizes)
WORLD_TEST(keys)
WORLD_TEST(reads)
WORLD_TEST(conditional_writes)
WORLD_TEST(deletes)
WORLD_TEST(listings)
WORLD_TEST(crowd)
WORLD_TEST(copies)
WORLD_TEST(multipart)
WORLD_TEST(multipart_ends)
WORLD_TEST(part_copies)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crowd),          cmocka_unit_test(test_buckets),
        cmocka_unit_test(test_owners),         cmocka_unit_test(test_locations),
        cmocka_unit_test(test_sizes),          cmocka_unit_test(test_keys),
        cmocka_unit_test(test_reads),          cmocka_unit_test(test_conditional_writes),
        cmocka_unit_test(test_deletes),        cmocka_unit_test(test_listings),
        cmocka_unit_test(test_copies),         cmocka_unit_test(test_multipart),
        cmocka_unit_test(test_multipart_ends), cmocka_unit_test(test_part_copies),

    };
    if (argc == 5 && strcmp(argv[1], "--serve") == 0) {
        return serve(argv[2], argv[3], argv[4]);
    }
    log_set_level(LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "gateway/client/s3_client.h"

#include "base/assert.h"
#include "base/buf.h"
#include "base/mem.h"
#include "codec/percent.h"
#include "codec/xml.h"
#include "gateway/s3/auth.h"
#include "gateway/s3/error.h"
#include "net/url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CALL_ARENA_BYTES KIB(128)
#define ERROR_BODY_BYTES_MAX KIB(64)

bool s3_split(const char *text, char ret_bucket[S3_CLIENT_BUCKET_BYTES_MAX + 1], bytes *ret_key)
{
    if (strncmp(text, "s3://", 5) == 0) {
        text += 5;
    }
    size_t len = strcspn(text, "/");
    if (len == 0 || len > S3_CLIENT_BUCKET_BYTES_MAX) {
        return false;
    }
    memcpy(ret_bucket, text, len);
    ret_bucket[len] = '\0';
    *ret_key = bytes_str(text[len] == '/' ? text + len + 1 : "");
    return ret_key->len <= S3_CLIENT_KEY_BYTES_MAX;
}

/* ---- signing ---- */

static const char *payload_of(const struct s3_call *call)
{
    return call->payload_hash != NULL ? call->payload_hash : "UNSIGNED-PAYLOAD";
}

struct signed_call {
    struct arena arena;
    char date[S3_BASIC_DATE_BYTES];
    struct s3_header headers[S3_CLIENT_HEADERS_MAX + 4]; /* sorted by name */
    size_t header_count;
    char *uri;
    char *query;
    char *url;
    char *authorization;
};

static char *buf_text(struct arena *arena, struct buf *buf)
{
    char *text = arena_str(arena, buf_bytes(buf));
    assert_that(text != NULL && !buf->failed);
    buf_free(buf);
    return text;
}

static void make_uri(struct signed_call *call, const struct s3_call *options)
{
    struct buf uri;
    buf_init(&uri, KIB(8));
    buf_put_str(&uri, "/");
    if (options->bucket != NULL) {
        percent_encode(&uri, bytes_str(options->bucket), false);
    }
    if (options->key.len > 0) {
        buf_put_str(&uri, "/");
        percent_encode(&uri, options->key, true);
    }
    call->uri = buf_text(&call->arena, &uri);
}

static err make_query(struct signed_call *call, const struct s3_call *options)
{
    struct s3_query_item items[S3_CLIENT_QUERY_MAX];
    struct buf query;
    for (size_t i = 0; i < options->query_count; i++) {
        items[i] = (struct s3_query_item){.name = bytes_str(options->query[i].name),
                                          .value = options->query[i].value};
    }
    buf_init(&query, KIB(16));
    TRY(s3_canonical_query(&call->arena, items, options->query_count, NULL, &query));
    call->query = buf_text(&call->arena, &query);
    return ok();
}

static int by_name(const void *a, const void *b)
{
    const struct s3_header *x = a;
    const struct s3_header *y = b;
    return bytes_cmp(x->name, y->name);
}

static void add_header(struct signed_call *call, const char *name, bytes value)
{
    call->headers[call->header_count++] = (struct s3_header){bytes_str(name), value};
}

static void make_headers(struct signed_call *call, const struct s3_call *options,
                         const struct url *url)
{
    for (size_t i = 0; i < options->header_count; i++) {
        add_header(call, options->headers[i].name, options->headers[i].value);
    }
    add_header(call, "host", url->authority);
    add_header(call, "x-amz-content-sha256", bytes_str(payload_of(options)));
    add_header(call, "x-amz-date", bytes_str(call->date));
    qsort(call->headers, call->header_count, sizeof call->headers[0], by_name);
}

static void make_authorization(struct s3_client *s3, struct signed_call *call,
                               const struct s3_call *options)
{
    struct buf names;
    struct buf canonical;
    struct buf to_sign;
    struct hash key;
    struct s3_secret secret = {.len = strlen(s3->secret_key)};
    char signature[S3_SIGNATURE_CHARS + 1];
    buf_init(&names, KIB(1));
    for (size_t i = 0; i < call->header_count; i++) {
        buf_put_str(&names, i == 0 ? "" : ";");
        buf_put(&names, call->headers[i].name);
    }
    const char *signed_headers = buf_text(&call->arena, &names);
    const char *scope =
        arena_format(&call->arena, "%.8s/%s/s3/aws4_request", call->date, s3->region);
    const struct s3_canonical parts = {
        .method = bytes_str(options->method),
        .uri = bytes_str(call->uri),
        .query = bytes_str(call->query),
        .headers = call->headers,
        .header_count = call->header_count,
        .signed_headers = bytes_str(signed_headers),
        .payload_hash = bytes_str(payload_of(options)),
    };
    buf_init(&canonical, KIB(64));
    buf_init(&to_sign, KIB(4));
    s3_canonical_request(&parts, &canonical);
    s3_string_to_sign(bytes_str(call->date), bytes_str(scope), buf_bytes(&canonical), &to_sign);
    memcpy(secret.b, s3->secret_key, secret.len);
    s3_signing_key(&key, &secret, bytes_make(call->date, 8), bytes_str(s3->region),
                   bytes_str("s3"));
    s3_sign(signature, &key, buf_bytes(&to_sign));
    mem_wipe(&secret, sizeof secret);
    mem_wipe(&key, sizeof key);
    buf_free(&canonical);
    buf_free(&to_sign);
    call->authorization = arena_format(
        &call->arena, "AWS4-HMAC-SHA256 Credential=%s/%s,SignedHeaders=%s,Signature=%s",
        s3->access_key, scope, signed_headers, signature);
}

static err sign(struct s3_client *s3, const struct s3_call *options, struct signed_call *call)
{
    struct url url;
    TRY(url_parse(&url, s3->endpoint));
    if (strlen(s3->secret_key) == 0 || strlen(s3->secret_key) > S3_SECRET_BYTES_MAX) {
        return fail(ERR_USAGE);
    }
    s3_date_write_basic(call->date, (i64)(loop_wall_ms(s3->loop) / 1000));
    make_uri(call, options);
    TRY(make_query(call, options));
    make_headers(call, options, &url);
    make_authorization(s3, call, options);
    call->url = arena_format(&call->arena, "%s://%.*s%s%s%s", url.https ? "https" : "http",
                             (int)url.authority.len, (const char *)url.authority.data, call->uri,
                             call->query[0] != '\0' ? "?" : "", call->query);
    return call->url != NULL && call->authorization != NULL ? ok() : fail(ERR_LIMIT);
}

/* ---- calls ---- */

err s3_open(struct s3_client *s3, const struct s3_call *options, struct http_call **ret_http)
{
    struct http_header headers[S3_CLIENT_HEADERS_MAX + 4];
    size_t count = 0;
    assert_that(options->header_count <= S3_CLIENT_HEADERS_MAX &&
                options->query_count <= S3_CLIENT_QUERY_MAX);
    struct signed_call *call = MEM_NEW(struct signed_call);
    arena_init(&call->arena, CALL_ARENA_BYTES);
    err e = sign(s3, options, call);
    for (size_t i = 0; is_ok(e) && i < call->header_count; i++) {
        if (!bytes_eq_str(call->headers[i].name, "host")) { /* the client makes it */
            headers[count++] = (struct http_header){call->headers[i].name, call->headers[i].value};
        }
    }
    if (is_ok(e)) {
        headers[count++] =
            (struct http_header){bytes_str("authorization"), bytes_str(call->authorization)};
        const struct http_call_options http = {
            .method = options->method,
            .url = call->url,
            .headers = headers,
            .header_count = count,
            .body_length = options->body_length,
            .deadline_ms = loop_now_ms(s3->loop) + S3_CLIENT_IDLE_MS,
        };
        e = http_call_open(s3->http, &http, ret_http);
    }
    arena_free(&call->arena);
    mem_free(call);
    return e;
}

static void extend(struct s3_client *s3, struct http_call *http)
{
    http_call_set_deadline(http, loop_now_ms(s3->loop) + S3_CLIENT_IDLE_MS);
}

static err read_body(struct s3_client *s3, struct http_call *http, size_t limit,
                     struct arena *arena, bytes *ret_body)
{
    struct buf body;
    size_t got = 1;
    err e = ok();
    buf_init(&body, limit);
    while (is_ok(e) && got > 0) {
        u8 piece[4096];
        extend(s3, http);
        e = http_call_read(http, piece, sizeof piece, &got);
        if (is_ok(e)) {
            buf_put(&body, bytes_make(piece, got));
            e = buf_done(&body);
        }
    }
    if (is_ok(e)) {
        *ret_body = arena_copy(arena, buf_bytes(&body));
    }
    buf_free(&body);
    return e;
}

static void copy_text(char *out, size_t cap, bytes text)
{
    snprintf(out, cap, "%.*s", (int)min_u64(text.len, cap - 1), (const char *)text.data);
}

static void take_failure(const struct xml_node *root, struct s3_failure *failure)
{
    copy_text(failure->code, sizeof failure->code, xml_child_text(root, "Code"));
    copy_text(failure->message, sizeof failure->message, xml_child_text(root, "Message"));
}

static void read_failure(struct s3_client *s3, struct http_call *http, struct s3_failure *failure)
{
    struct arena arena;
    bytes body;
    struct xml_node *root;
    arena_init(&arena, MIB(2));
    if (is_ok(read_body(s3, http, ERROR_BODY_BYTES_MAX, &arena, &body)) &&
        is_ok(xml_parse(&arena, body, &root))) {
        take_failure(root, failure);
    }
    arena_free(&arena);
}

static err fault_of(int status)
{
    switch (status) {
    case 404:
        return fail(ERR_NOT_FOUND);
    case 409:
        return fail(ERR_CONFLICT);
    case 503:
        return fail(ERR_BUSY);
    case 502:
    case 504:
        return fail(ERR_NETWORK);
    default:
        return fail(status >= 400 && status < 500 ? ERR_REFUSED : ERR_FAILED);
    }
}

err s3_answer(struct s3_client *s3, struct http_call *http, struct s3_failure *failure)
{
    *failure = (struct s3_failure){.status = 0};
    extend(s3, http);
    TRY(http_call_status(http, &failure->status));
    if (failure->status < 300) {
        return ok();
    }
    read_failure(s3, http, failure);
    return fault_of(failure->status);
}

static int status_of(const char *code)
{
    for (int i = S3_OK + 1; i < S3_CODE_COUNT; i++) {
        if (strcmp(s3_code_name((enum s3_code)i), code) == 0) {
            return s3_code_status((enum s3_code)i);
        }
    }
    return 500;
}

/* Copies and completions that take long are answered 200 before they have ended; that they failed
 * is in the document then. */
static err late_failure(bytes body, struct s3_failure *failure)
{
    struct arena arena;
    struct xml_node *root;
    err e = ok();
    if (body.len > ERROR_BODY_BYTES_MAX || bytes_find(body, bytes_str("<Error")) == SIZE_MAX) {
        return e;
    }
    arena_init(&arena, MIB(2));
    if (is_ok(xml_parse(&arena, body, &root)) && strcmp(root->name, "Error") == 0) {
        take_failure(root, failure);
        failure->status = status_of(failure->code);
        e = fault_of(failure->status);
    }
    arena_free(&arena);
    return e;
}

err s3_simple(struct s3_client *s3, const struct s3_call *options, bytes body, struct arena *arena,
              struct s3_failure *failure, bytes *ret_body)
{
    struct s3_call call = *options;
    struct http_call *http;
    call.body_length = body.len;
    *failure = (struct s3_failure){.status = 0};
    TRY(s3_open(s3, &call, &http));
    err e = body.len > 0 ? http_call_write(http, body) : ok();
    if (is_ok(e)) {
        e = http_call_finish(http, NULL, 0);
    }
    if (is_ok(e)) {
        e = s3_answer(s3, http, failure);
    }
    if (is_ok(e)) {
        e = read_body(s3, http, arena->limit_bytes, arena, ret_body);
    }
    if (is_ok(e) && strcmp(call.method, "GET") != 0) {
        e = late_failure(*ret_body, failure);
    }
    http_call_close(http);
    return e;
}

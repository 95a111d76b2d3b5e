/* testing_client.h: a world of one loop with a store, a front and an HTTP client that signs. Header
 * only; included by a test program, after cmocka.h. */
#ifndef GATEWAY_FRONT_TESTING_CLIENT_H
#define GATEWAY_FRONT_TESTING_CLIENT_H

#include "gateway/front/testing_store.h"
#include "gateway/s3/testing.h"

#define CLIENT_TIMEOUT_MS 20000
#define EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

struct world {
    struct loop *loop;
    struct store store;
    struct front_options options;
    struct front *front;
    struct http_client *client;
    struct arena arena;
    struct http_call *call; /* the last one: for its headers */
    void (*fn)(struct world *world);
    int status;
    bytes body;
    const char *access_key; /* NULL: anonymous */
    const char *secret_key;
    const char *region;
    i64 clock_skew_s;
    const char *payload;   /* x-amz-content-sha256; NULL: the hash of the body */
    const char *extra[16]; /* name, value, name, value, NULL */
    const char *scheme;    /* "http" */
    const char *host;      /* "127.0.0.1" */
    const char *tamper;    /* sent instead of the target that was signed */
};

static struct tls_context *client_tls; /* NULL: no https */

/* with: headers of the next request alone, as name, value pairs. */
static inline void with(struct world *w, const char *name, const char *value)
{
    size_t i = 0;
    while (w->extra[i] != NULL) {
        i += 2;
    }
    assert_true(i + 2 < COUNT_OF(w->extra));
    w->extra[i] = name;
    w->extra[i + 1] = value;
}

static inline u16 world_port(const struct world *w)
{
    return strcmp(w->scheme, "https") == 0 ? front_https_port(w->front) : front_http_port(w->front);
}

static inline int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* signed_names: host and every x-amz-*, in order. */
static inline const char *signed_names(struct testing_request *t)
{
    const char *names[TESTING_HEADERS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < t->header_count; i++) {
        char *name = arena_str(&t->arena, t->headers[i].name);
        for (char *c = name; *c != 0; c++) {
            *c = *c >= 'A' && *c <= 'Z' ? (char)(*c + 32) : *c;
        }
        if (strcmp(name, "host") == 0 || strncmp(name, "x-amz-", 6) == 0) {
            names[count++] = name;
        }
    }
    qsort(names, count, sizeof names[0], by_text);
    const char *list = "";
    for (size_t i = 0; i < count; i++) {
        list = arena_format(&t->arena, "%s%s%s", list, i > 0 ? ";" : "", names[i]);
    }
    return list;
}

static inline const char *payload_text(struct world *w, struct testing_request *t, bytes body)
{
    if (w->payload != NULL) {
        return w->payload;
    }
    struct hash hash;
    char *text = arena_alloc(&t->arena, 65);
    sha256(&hash, body);
    hex_encode(text, 65, BYTES_OF(hash));
    return text;
}

static inline void sign_request(struct world *w, struct testing_request *t, const char *method,
                                const char *target, bytes body)
{
    char date[S3_BASIC_DATE_BYTES];
    i64 now_s = (i64)(loop_wall_ms(w->loop) / 1000) + w->clock_skew_s;
    const char *payload = payload_text(w, t, body);
    s3_date_write_basic(date, now_s);
    testing_header(t, "x-amz-date", date);
    testing_header(t, "x-amz-content-sha256", payload);
    struct testing_signer signer = {.access_key = w->access_key,
                                    .secret = w->secret_key,
                                    .region = w->region,
                                    .service = "s3",
                                    .time_s = now_s,
                                    .signed_headers = signed_names(t),
                                    .payload = payload};
    enum s3_code code = testing_sign(t, &signer, method, target);
    (void)code; /* refusals are the server's to find */
}

static inline void request_headers(struct world *w, struct testing_request *t, const char *method,
                                   const char *target, bytes body)
{
    testing_header(t, "Host", arena_format(&t->arena, "%s:%u", w->host, world_port(w)));
    for (size_t i = 0; w->extra[i] != NULL; i += 2) {
        testing_header(t, w->extra[i], w->extra[i + 1]);
    }
    if (w->access_key != NULL) {
        sign_request(w, t, method, target, body);
    }
}

static inline void read_reply(struct world *w)
{
    struct buf body;
    size_t len = 1;
    u8 *piece = arena_alloc(&w->arena, KIB(64));
    buf_init(&body, MIB(64));
    err e = http_call_status(w->call, &w->status);
    while (is_ok(e) && len > 0) {
        e = http_call_read(w->call, piece, KIB(64), &len);
        if (is_ok(e)) {
            buf_put(&body, bytes_make(piece, len));
        }
    }
    if (!is_ok(e)) {
        w->status = -(int)e.code; /* cut: a test may expect it */
    }
    w->body = arena_copy(&w->arena, buf_bytes(&body));
    buf_free(&body);
}

/* say: one signed request; the answer is in w->status, w->body and reply_header(). */
static inline int say_bytes(struct world *w, const char *method, const char *target, bytes body)
{
    struct testing_request t;
    struct http_header headers[TESTING_HEADERS_MAX];
    size_t count = 0;
    http_call_close(w->call);
    w->call = NULL;
    testing_init(&t);
    request_headers(w, &t, method, target, body);
    for (size_t i = 0; i < t.header_count; i++) {
        if (!bytes_eq_nocase(t.headers[i].name, bytes_str("Host"))) {
            headers[count++] = (struct http_header){t.headers[i].name, t.headers[i].value};
        }
    }
    const char *path = w->tamper != NULL ? w->tamper : target;
    struct http_call_options options = {
        .method = method,
        .url = arena_format(&t.arena, "%s://%s:%u%s", w->scheme, w->host, world_port(w), path),
        .headers = headers,
        .header_count = count,
        .body_length = body.len,
        .deadline_ms = loop_now_ms(w->loop) + CLIENT_TIMEOUT_MS,
    };
    err e = http_call_open(w->client, &options, &w->call);
    if (is_ok(e) && body.len > 0) {
        IGNORE(http_call_write(w->call, body)); /* an early answer is found by read_reply */
    }
    if (is_ok(e)) {
        IGNORE(http_call_finish(w->call, NULL, 0));
        read_reply(w);
    } else {
        w->status = -(int)e.code;
    }
    memset(w->extra, 0, sizeof w->extra);
    w->payload = NULL;
    w->tamper = NULL;
    testing_free(&t);
    return w->status;
}

static inline int say(struct world *w, const char *method, const char *target, const char *body)
{
    return say_bytes(w, method, target, bytes_str(body));
}

static inline bytes reply_header(struct world *w, const char *name)
{
    return w->call != NULL ? http_call_header(w->call, name) : (bytes){NULL, 0};
}

static inline const char *reply_text(struct world *w, const char *name)
{
    bytes value = reply_header(w, name);
    return value.data != NULL ? arena_str(&w->arena, value) : "";
}

static inline bool body_has(const struct world *w, const char *text)
{
    return bytes_find(w->body, bytes_str(text)) != SIZE_MAX;
}

/* element: text of the first <name> of the answer. */
static inline const char *element(struct world *w, const char *name)
{
    size_t from = bytes_find(w->body, bytes_str(arena_format(&w->arena, "<%s>", name)));
    if (from == SIZE_MAX) {
        return "";
    }
    from += strlen(name) + 2;
    bytes rest = bytes_slice(w->body, from, w->body.len - from);
    size_t len = bytes_find(rest, bytes_str("<"));
    return arena_str(&w->arena, bytes_slice(rest, 0, len == SIZE_MAX ? 0 : len));
}

/* expect: status and, for refusals, the code in the XML. */
#define expect(w, wanted_status, wanted_code)                                                      \
    do {                                                                                           \
        const char *code_ = (wanted_code);                                                         \
        if ((w)->status != (wanted_status) ||                                                      \
            (code_ != NULL && strcmp(element((w), "Code"), code_) != 0)) {                         \
            print_message("line %d: %d %.*s\n", __LINE__, (w)->status,                             \
                          (int)min_size((w)->body.len, 800), (const char *)(w)->body.data);        \
        }                                                                                          \
        assert_int_equal((w)->status, (wanted_status));                                            \
        if (code_ != NULL) {                                                                       \
            assert_string_equal(element((w), "Code"), code_);                                      \
        }                                                                                          \
    } while (0)

static inline void as_alice(struct world *w)
{
    w->access_key = "ALICEKEY";
    w->secret_key = "alice/secret+key";
}

static inline void as_bob(struct world *w)
{
    w->access_key = "BOBKEY";
    w->secret_key = "bob's secret";
}

static inline u64 number(bytes text)
{
    u64 value = 0;
    assert_true(parse_u64(&value, text));
    return value;
}

/* ---- raw connections ---- */

static inline struct stream *dial(struct world *w)
{
    struct stream *stream = NULL;
    assert_true(is_ok(stream_connect(w->loop, "127.0.0.1", front_http_port(w->front),
                                     loop_now_ms(w->loop) + 5000, &stream)));
    return stream;
}

static inline void tell(struct world *w, struct stream *stream, bytes text)
{
    IGNORE(stream_write(stream, text, loop_now_ms(w->loop) + 5000)); /* may be cut by then */
}

/* hear: everything until the server closes, or ms have passed; status and body are taken apart. */
static inline void hear(struct world *w, struct stream *stream, u64 ms)
{
    struct buf all;
    u8 piece[2048];
    size_t len = 1;
    u64 deadline_ms = loop_now_ms(w->loop) + ms;
    buf_init(&all, MIB(1));
    while (len > 0 && is_ok(stream_read(stream, piece, sizeof piece, deadline_ms, &len))) {
        buf_put(&all, bytes_make(piece, len));
    }
    w->body = arena_copy(&w->arena, buf_bytes(&all));
    w->status = 0;
    if (w->body.len > 12 && bytes_starts_with(w->body, bytes_str("HTTP/1.1 "))) {
        w->status = (int)number(bytes_slice(w->body, 9, 3));
    }
    buf_free(&all);
}

/* raw: one text on a connection of its own, and what is answered. */
static inline int raw(struct world *w, bytes text, u64 ms)
{
    struct stream *stream = dial(w);
    tell(w, stream, text);
    hear(w, stream, ms);
    stream_close(stream);
    return w->status;
}

/* signed_head: request line and signed headers as text, with `extra` lines, up to the empty line.
 */
static inline const char *signed_head(struct world *w, const char *method, const char *target,
                                      const char *extra)
{
    struct testing_request t;
    testing_init(&t);
    request_headers(w, &t, method, target, bytes_str(""));
    const char *head = arena_format(&w->arena, "%s %s HTTP/1.1\r\n", method, target);
    for (size_t i = 0; i < t.header_count; i++) {
        head = arena_format(&w->arena, "%s%.*s: %.*s\r\n", head, (int)t.headers[i].name.len,
                            (const char *)t.headers[i].name.data, (int)t.headers[i].value.len,
                            (const char *)t.headers[i].value.data);
    }
    memset(w->extra, 0, sizeof w->extra);
    w->payload = NULL;
    testing_free(&t);
    return arena_format(&w->arena, "%s%s\r\n", head, extra);
}

/* ---- life ---- */

static inline void world_main(void *arg)
{
    struct world *w = arg;
    struct http_client_options options = {.tls = client_tls};
    assert_true(is_ok(front_start(w->loop, &w->options, &w->front)));
    assert_true(is_ok(http_client_new(w->loop, &options, &w->client)));
    w->fn(w);
    http_call_close(w->call);
    http_client_free(w->client);
    front_drain(w->front, loop_now_ms(w->loop) + 2000);
    loop_stop(w->loop);
}

static inline void run_world(const struct front_options *options, void (*fn)(struct world *))
{
    static const char *const domains[] = {"localhost", "s3.example.org"};
    static struct world world;
    char dir[] = "/tmp/cairn-front-test-XXXXXX";
    struct world *w = &world;
    memset(w, 0, sizeof *w);
    assert_non_null(mkdtemp(dir));
    assert_true(is_ok(loop_open(&w->loop, 2)));
    assert_true(is_ok(store_open(&w->store, w->loop, dir)));
    arena_init(&w->arena, MIB(512));
    struct front_service service = store_service(&w->store);
    w->options = *options;
    w->options.service = &service;
    w->options.http_host = "127.0.0.1";
    w->options.domains = domains;
    w->options.domain_count = COUNT_OF(domains);
    w->fn = fn;
    w->region = "cairn";
    w->scheme = "http";
    w->host = "127.0.0.1";
    as_alice(w);
    assert_true(is_ok(fiber_start(w->loop, "world", world_main, w)));
    loop_run(w->loop);
    front_stop(w->front);
    store_close(&w->store);
    loop_close(w->loop);
    arena_free(&w->arena);
    assert_true(is_ok(dir_remove_all(dir)));
}

/* ---- shorthand ---- */

static const struct front_options small_parts = {.part_bytes_min = KIB(16),
                                                 .body_timeout_ms = 2000};

static inline bytes pattern(struct world *w, size_t len, u8 seed)
{
    u8 *data = arena_alloc(&w->arena, len + 1);
    for (size_t i = 0; i < len; i++) {
        data[i] = (u8)(i * 31 + (i >> 8) + seed);
    }
    return bytes_make(data, len);
}

static inline const char *etag_of(struct world *w, bytes body)
{
    u8 digest[16];
    char *etag = arena_alloc(&w->arena, S3_ETAG_TEXT_BYTES);
    md5(digest, body);
    s3_etag_single(etag, digest);
    return etag;
}

static inline void make_bucket(struct world *w, const char *target)
{
    say(w, "PUT", target, "");
    expect(w, 200, NULL);
}

static inline void put_text(struct world *w, const char *target, const char *body)
{
    say(w, "PUT", target, body);
    expect(w, 200, NULL);
}

#define WORLD_TEST(name)                                                                           \
    static void test_##name(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        run_world(&small_parts, name);                                                             \
    }

#endif

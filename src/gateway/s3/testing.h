/* testing.h: S3 requests for tests, without HTTP: a method, a target, headers. Header only. */
#ifndef GATEWAY_S3_TESTING_H
#define GATEWAY_S3_TESTING_H

#include "codec/percent.h"
#include "gateway/s3/auth.h"
#include "gateway/s3/text.h"

#define TESTING_HEADERS_MAX 64

struct testing_request {
    struct arena arena;
    struct s3_header headers[TESTING_HEADERS_MAX];
    size_t header_count;
    bytes domains[2];
    struct s3_request_input input;
    struct s3_request request;
    struct s3_error error;
};

static inline void testing_init(struct testing_request *t)
{
    memset(t, 0, sizeof *t);
    arena_init(&t->arena, MIB(64));
    s3_error_init(&t->error, &t->arena);
    t->domains[0] = bytes_str("s3.example.org");
    t->domains[1] = bytes_str("localhost");
}

static inline void testing_free(struct testing_request *t) { arena_free(&t->arena); }

static inline void testing_header_bytes(struct testing_request *t, const char *name, bytes value)
{
    t->headers[t->header_count++] = (struct s3_header){
        bytes_str(arena_str(&t->arena, bytes_str(name))), arena_copy(&t->arena, value)};
}

static inline void testing_header(struct testing_request *t, const char *name, const char *value)
{
    testing_header_bytes(t, name, bytes_str(value));
}

/* testing_set: replaces a header or adds it. */
static inline void testing_set(struct testing_request *t, const char *name, const char *value)
{
    for (size_t i = 0; i < t->header_count; i++) {
        if (bytes_eq_nocase(t->headers[i].name, bytes_str(name))) {
            t->headers[i].value = arena_copy(&t->arena, bytes_str(value));
            return;
        }
    }
    testing_header(t, name, value);
}

static inline void testing_remove(struct testing_request *t, const char *name)
{
    for (size_t i = 0; i < t->header_count; i++) {
        if (bytes_eq_nocase(t->headers[i].name, bytes_str(name))) {
            t->headers[i] = t->headers[--t->header_count];
            return;
        }
    }
}

/* testing_parse: the Host header must have been added if one is wanted. */
static inline enum s3_code testing_parse(struct testing_request *t, const char *method,
                                         const char *target)
{
    bytes host = bytes_str("");
    for (size_t i = 0; i < t->header_count; i++) {
        if (bytes_eq_nocase(t->headers[i].name, bytes_str("Host"))) {
            host = t->headers[i].value;
        }
    }
    t->input = (struct s3_request_input){
        .method = bytes_str(method),
        .target = arena_copy(&t->arena, bytes_str(target)),
        .host = host,
        .headers = t->headers,
        .header_count = t->header_count,
        .domains = t->domains,
        .domain_count = 2,
    };
    return s3_request_parse(&t->arena, &t->input, &t->request, &t->error);
}

/* testing_from_text: "METHOD TARGET\nname:value\n…", for fuzzing; more headers are left out. */
static inline enum s3_code testing_from_text(struct testing_request *t, bytes text)
{
    bytes first = s3_cut(&text, '\n');
    bytes method = s3_cut(&first, ' ');
    bytes host = bytes_str("");
    while (text.len > 0 && t->header_count < TESTING_HEADERS_MAX) {
        bytes value = s3_cut(&text, '\n');
        bytes name = s3_cut(&value, ':');
        t->headers[t->header_count++] = (struct s3_header){name, s3_trim(value)};
        host = bytes_eq_nocase(name, bytes_str("host")) ? s3_trim(value) : host;
    }
    t->input = (struct s3_request_input){
        .method = method,
        .target = first,
        .host = host,
        .headers = t->headers,
        .header_count = t->header_count,
        .domains = t->domains,
        .domain_count = 2,
    };
    return s3_request_parse(&t->arena, &t->input, &t->request, &t->error);
}

/* A client: what it signs with. */
struct testing_signer {
    const char *access_key;
    const char *secret;
    const char *region;
    const char *service;
    i64 time_s;
    const char *signed_headers;
    const char *payload; /* value of x-amz-content-sha256 */
    u64 expires_s;       /* presigned */
};

static inline struct s3_secret testing_secret(const char *text)
{
    struct s3_secret secret = {.len = strlen(text)};
    memcpy(secret.b, text, secret.len);
    return secret;
}

/* testing_signature: over t->request, which has been parsed, and its headers. */
static inline char *testing_signature(struct testing_request *t,
                                      const struct testing_signer *signer)
{
    char date[S3_BASIC_DATE_BYTES];
    struct hash key;
    struct buf uri;
    struct buf query;
    struct buf canonical;
    struct buf text;
    buf_init(&uri, KIB(64));
    buf_init(&query, KIB(64));
    buf_init(&canonical, KIB(128));
    buf_init(&text, KIB(4));
    s3_date_write_basic(date, signer->time_s);
    percent_encode(&uri, t->request.path, true);
    IGNORE(s3_canonical_query(&t->arena, t->request.query, t->request.query_count,
                              "X-Amz-Signature", &query)); /* a wrong signature would show it */
    struct s3_canonical parts = {t->request.method_text,    buf_bytes(&uri),
                                 buf_bytes(&query),         t->headers,
                                 t->header_count,           bytes_str(signer->signed_headers),
                                 bytes_str(signer->payload)};
    s3_canonical_request(&parts, &canonical);
    const char *scope =
        arena_format(&t->arena, "%.8s/%s/%s/aws4_request", date, signer->region, signer->service);
    s3_string_to_sign(bytes_str(date), bytes_str(scope), buf_bytes(&canonical), &text);
    struct s3_secret secret = testing_secret(signer->secret);
    s3_signing_key(&key, &secret, bytes_make(date, 8), bytes_str(signer->region),
                   bytes_str(signer->service));
    char *signature = (char *)arena_alloc(&t->arena, S3_SIGNATURE_CHARS + 1);
    s3_sign(signature, &key, buf_bytes(&text));
    buf_free(&uri);
    buf_free(&query);
    buf_free(&canonical);
    buf_free(&text);
    return signature;
}

static inline const char *testing_credential(struct testing_request *t,
                                             const struct testing_signer *signer)
{
    char date[S3_BASIC_DATE_BYTES];
    s3_date_write_basic(date, signer->time_s);
    return arena_format(&t->arena, "%s/%.8s/%s/%s/aws4_request", signer->access_key, date,
                        signer->region, signer->service);
}

/* testing_sign: parses, adds Authorization, and leaves t->request as a server sees it. Headers that
 * are signed must be there already, x-amz-date and x-amz-content-sha256 too. */
static inline enum s3_code testing_sign(struct testing_request *t,
                                        const struct testing_signer *signer, const char *method,
                                        const char *target)
{
    S3_TRY(testing_parse(t, method, target));
    testing_set(t, "Authorization",
                arena_format(&t->arena,
                             "AWS4-HMAC-SHA256 Credential=%s, SignedHeaders=%s, Signature=%s",
                             testing_credential(t, signer), signer->signed_headers,
                             testing_signature(t, signer)));
    return testing_parse(t, method, target);
}

/* testing_presign: as testing_sign, in the query. `target` may have one already. */
static inline enum s3_code testing_presign(struct testing_request *t,
                                           const struct testing_signer *signer, const char *method,
                                           const char *target)
{
    char date[S3_BASIC_DATE_BYTES];
    struct buf credential;
    struct buf headers;
    buf_init(&credential, KIB(4));
    buf_init(&headers, KIB(4));
    s3_date_write_basic(date, signer->time_s);
    percent_encode(&credential, bytes_str(testing_credential(t, signer)), false);
    percent_encode(&headers, bytes_str(signer->signed_headers), false);
    buf_put_u8(&credential, 0);
    buf_put_u8(&headers, 0);
    const char *unsigned_target =
        arena_format(&t->arena,
                     "%s%sX-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=%s&X-Amz-Date=%s"
                     "&X-Amz-Expires=%llu&X-Amz-SignedHeaders=%s",
                     target, strchr(target, '?') != NULL ? "&" : "?", (const char *)credential.data,
                     date, (unsigned long long)signer->expires_s, (const char *)headers.data);
    buf_free(&credential);
    buf_free(&headers);
    S3_TRY(testing_parse(t, method, unsigned_target));
    return testing_parse(t, method,
                         arena_format(&t->arena, "%s&X-Amz-Signature=%s", unsigned_target,
                                      testing_signature(t, signer)));
}

#endif

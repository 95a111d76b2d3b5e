/* testing.h: S3 requests for tests, without HTTP: a method, a target, headers. Header only. */
#ifndef GATEWAY_S3_TESTING_H
#define GATEWAY_S3_TESTING_H

#include "gateway/s3/auth.h"

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

/* A client's signature over what has been parsed, with a key of the test. */
struct testing_signer {
    const char *access_key;
    const char *secret;
    const char *region;
    i64 time_s;
    const char *signed_headers;
    const char *payload;
};

static inline struct s3_secret testing_secret(const char *text)
{
    struct s3_secret secret = {.len = strlen(text)};
    memcpy(secret.b, text, secret.len);
    return secret;
}

#endif

/* Public vectors of Signature Version 4.
 *
 * The examples of the S3 documentation go through the whole check, chunk and trailer chains
 * included. The suites of aws-c-auth and botocore sign for a service called "service" and mostly
 * with normalised paths, which S3 has not: they run over the building blocks, and the normalisation
 * is done here, in the test. */
#include "codec/percent.h"
#include "gateway/s3/chunked.h"
#include "gateway/s3/testing.h"
#include "gateway/s3/text.h"

#include "tests/support/check.h"
#include "tests/support/vectors.h"

#include <dirent.h>

#define C_AUTH "sigv4/aws-c-auth/aws-signing-test-suite/v4"
#define BOTOCORE "sigv4/botocore/aws4_testsuite"

static struct vectors vectors;

static int setup(void **state)
{
    (void)state;
    vectors_open(&vectors, "sigv4");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    vectors_close(&vectors);
    return 0;
}

/* ---- the S3 documentation ---- */

static bool doc_lookup(void *ctx, bytes access_key, struct s3_secret *ret_secret)
{
    const json_t *root = ctx;
    *ret_secret = testing_secret(vectors_text(root, "secret_access_key"));
    return bytes_eq_str(access_key, vectors_text(root, "access_key_id"));
}

static struct s3_auth_config doc_config(json_t *root)
{
    struct s3_auth_config config = {.region = "us-east-1", .lookup = doc_lookup, .ctx = root};
    assert_true(s3_date_read_basic(&config.now_s, bytes_str(vectors_text(root, "timestamp"))));
    return config;
}

static const char *doc_signature(const json_t *item)
{
    const char *seed = json_string_value(json_object_get(item, "seed_signature"));
    return seed != NULL ? seed : vectors_text(item, "signature");
}

/* doc_request: the request of an example, signed as the example says. */
static void doc_request(struct testing_request *t, const json_t *root, json_t *item)
{
    struct buf names;
    struct buf target;
    const char *name;
    json_t *value;
    buf_init(&names, KIB(4));
    buf_init(&target, KIB(4));
    t->domains[0] = bytes_str("s3.amazonaws.com");
    json_object_foreach(json_object_get(item, "signed_headers"), name, value)
    {
        testing_header(t, name, json_string_value(value));
        buf_format(&names, "%s%s", names.len > 0 ? ";" : "", name);
    }
    buf_put_u8(&names, 0);
    buf_format(&target, "%s?%s", vectors_text(item, "canonical_uri"),
               vectors_text(item, "canonical_query"));
    if (strcmp(vectors_text(item, "kind"), "query") == 0) {
        buf_format(&target, "&X-Amz-Signature=%s", doc_signature(item));
    } else {
        testing_header(t, "Authorization",
                       arena_format(&t->arena,
                                    "AWS4-HMAC-SHA256 Credential=%s/%s,SignedHeaders=%s,"
                                    "Signature=%s",
                                    vectors_text(root, "access_key_id"),
                                    vectors_text(root, "scope"), (const char *)names.data,
                                    doc_signature(item)));
    }
    buf_put_u8(&target, 0);
    assert_int_equal(testing_parse(t, vectors_text(item, "method"), (const char *)target.data),
                     S3_OK);
    buf_free(&names);
    buf_free(&target);
}

/* doc_body: the aws-chunked body of an example, with its signatures and trailer. */
static void doc_body(struct buf *out, const json_t *item)
{
    size_t i;
    json_t *chunk;
    const json_t *trailer = json_object_get(item, "trailer");
    json_array_foreach(json_object_get(item, "chunks"), i, chunk)
    {
        u64 length = (u64)json_integer_value(json_object_get(chunk, "length"));
        buf_format(out, "%llx;chunk-signature=%s\r\n", (unsigned long long)length,
                   vectors_text(chunk, "signature"));
        memset(buf_extend(out, length), 'a', length);
        buf_put_str(out, length > 0 || trailer == NULL ? "\r\n" : "");
    }
    if (trailer != NULL) {
        buf_format(out, "%s\r\nx-amz-trailer-signature:%s\r\n\r\n", vectors_text(trailer, "line"),
                   vectors_text(trailer, "signature"));
    }
}

/* decode: feeds `body` in steps of `step` bytes; *ret_len counts the data. */
static enum s3_code decode(struct testing_request *t, const struct s3_auth *auth, bytes body,
                           size_t step, u64 *ret_len)
{
    struct s3_chunked chunked;
    u64 length;
    assert_int_equal(s3_body_length(&t->request, auth->payload, false, 0, &length, &t->error),
                     S3_OK);
    s3_chunked_init(&chunked, &t->request, auth, length);
    enum s3_code code = S3_OK;
    *ret_len = 0;
    while (body.len > 0 && code == S3_OK) {
        bytes in = bytes_slice(body, 0, min_size(step, body.len));
        body = s3_tail(body, in.len);
        while (in.len > 0 && code == S3_OK) {
            bytes data;
            code = s3_chunked_next(&chunked, &in, &data, &t->error);
            *ret_len += code == S3_OK ? data.len : 0;
        }
    }
    if (code == S3_OK) {
        code = s3_chunked_finish(&chunked, &t->error);
    }
    s3_chunked_free(&chunked);
    return code;
}

static void doc_chunks(struct testing_request *t, const json_t *item, const struct s3_auth *auth)
{
    struct buf body;
    u64 len;
    buf_init(&body, MIB(1));
    doc_body(&body, item);
    static const size_t steps[] = {1, 7, 8192, MIB(1)};
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        assert_int_equal(decode(t, auth, buf_bytes(&body), steps[i], &len), S3_OK);
        assert_true(len == 66560);
    }
    body.data[body.len / 2] ^= 1;
    assert_int_equal(decode(t, auth, buf_bytes(&body), MIB(1), &len), S3_ERR_SIGNATURE_MISMATCH);
    buf_free(&body);
}

static void s3_documentation(void **state)
{
    (void)state;
    json_t *root = vectors_json(&vectors, "sigv4/s3-doc-examples/examples.json");
    struct s3_auth_config config = doc_config(root);
    size_t i;
    json_t *item;
    assert_int_equal(json_array_size(json_object_get(root, "cases")), 7);
    json_array_foreach(json_object_get(root, "cases"), i, item)
    {
        struct testing_request t;
        struct s3_auth auth;
        testing_init(&t);
        doc_request(&t, root, item);
        assert_int_equal(s3_auth_check(&t.arena, &t.request, &config, &auth, &t.error), S3_OK);
        assert_string_equal(auth.signing.signature, doc_signature(item));
        check_hex(BYTES_OF(auth.signing.key), vectors_text(root, "signing_key_hex"));
        if (json_object_get(item, "chunks") != NULL) {
            doc_chunks(&t, item, &auth);
        }
        testing_free(&t);
    }
    json_decref(root);
}

/* A wrong signature shows the strings that we signed, which are those of the documentation. */
static void s3_documentation_strings(void **state)
{
    (void)state;
    json_t *root = vectors_json(&vectors, "sigv4/s3-doc-examples/examples.json");
    struct s3_auth_config config = doc_config(root);
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(root, "cases"), i, item)
    {
        struct testing_request t;
        struct s3_auth auth;
        testing_init(&t);
        const char *wrong =
            json_object_get(item, "seed_signature") != NULL ? "seed_signature" : "signature";
        json_object_set_new(item, wrong, json_string("00"));
        doc_request(&t, root, item);
        assert_int_equal(s3_auth_check(&t.arena, &t.request, &config, &auth, &t.error),
                         S3_ERR_SIGNATURE_MISMATCH);
        assert_true(bytes_eq_str(s3_error_find(&t.error, "StringToSign"),
                                 vectors_text(item, "string_to_sign")));
        assert_true(bytes_eq_str(s3_error_find(&t.error, "CanonicalRequest"),
                                 vectors_text(item, "canonical_request")));
        assert_true(bytes_starts_with(s3_error_find(&t.error, "StringToSignBytes"),
                                      bytes_str("41 57 53 34 2d 48 4d 41 43")));
        testing_free(&t);
    }
    json_decref(root);
}

/* ---- the general suites ---- */

struct signed_file {
    char *text; /* the whole file */
    bytes method;
    bytes target;
    struct s3_header headers[TESTING_HEADERS_MAX];
    size_t header_count;
};

/* load: NULL if there is no such file. */
static char *load(const char *folder, const char *name)
{
    char path[VECTORS_PATH_MAX];
    vectors_format(path, "%s/%s/%s", vectors.dir, folder, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return NULL;
    }
    char *text = mem_alloc(KIB(64));
    size_t len = fread(text, 1, KIB(64) - 1, file);
    fclose(file);
    text[len] = 0;
    return text;
}

/* take_line: without its end; lines that start with white space continue the one before. */
static bytes take_line(bytes *left)
{
    bytes start = *left;
    bytes line = s3_cut(left, '\n');
    while (left->len > 0 && left->data[0] == ' ' && line.len > 0) {
        s3_cut(left, '\n');
        line = bytes_slice(start, 0, start.len - left->len - 1);
    }
    if (line.len > 0 && line.data[line.len - 1] == '\r') {
        line.len--;
    }
    return line;
}

static void parse_file(struct signed_file *file, char *text)
{
    *file = (struct signed_file){.text = text};
    bytes left = bytes_str(text);
    bytes first = take_line(&left);
    file->method = s3_cut(&first, ' ');
    file->target = bytes_slice(first, 0, first.len - strlen(" HTTP/1.1"));
    for (bytes line = take_line(&left); line.len > 0; line = take_line(&left)) {
        bytes name = s3_cut(&line, ':');
        file->headers[file->header_count++] = (struct s3_header){name, line};
    }
}

static bytes file_header(const struct signed_file *file, const char *name)
{
    for (size_t i = 0; i < file->header_count; i++) {
        if (bytes_eq_nocase(file->headers[i].name, bytes_str(name))) {
            return file->headers[i].value;
        }
    }
    return (bytes){NULL, 0};
}

/* normalise: what other services do to a path: "." and ".." resolved, empty segments removed. */
static bytes normalise(struct arena *arena, bytes path)
{
    u8 *out = arena_alloc(arena, path.len + 1);
    size_t len = 0;
    bytes left = path;
    while (left.len > 0) {
        bytes segment = s3_cut(&left, '/');
        if (bytes_eq_str(segment, "..")) {
            while (len > 0 && out[--len] != '/') {
            }
        } else if (segment.len > 0 && !bytes_eq_str(segment, ".")) {
            out[len++] = '/';
            memcpy(out + len, segment.data, segment.len);
            len += segment.len;
        }
    }
    bool slash = path.data[path.len - 1] == '/' || bytes_ends_with(path, bytes_str("/.."));
    if (len == 0 || slash) {
        out[len++] = '/';
    }
    return bytes_make(out, len);
}

static size_t parse_items(struct arena *arena, bytes query, struct s3_query_item *items)
{
    size_t count = 0;
    while (query.len > 0) {
        bytes value = s3_cut(&query, '&');
        bytes name = s3_cut(&value, '=');
        assert_true(is_ok(percent_decode(arena, name, true, &items[count].name)));
        assert_true(is_ok(percent_decode(arena, value, true, &items[count].value)));
        count++;
    }
    return count;
}

struct expectation {
    const char *canonical;
    const char *string_to_sign;
    const char *signature;
    const char *payload;
    const char *secret;
    const char *region;
    bool normalised;
    bool leave_out_token; /* added to the query after signing */
};

static void check_strings(struct arena *arena, const struct signed_file *file, bytes signed_headers,
                          bytes credential_scope, bytes date, const struct expectation *want)
{
    struct s3_query_item items[64] = {0};
    struct buf uri;
    struct buf query;
    struct buf canonical;
    struct buf text;
    buf_init(&uri, KIB(64));
    buf_init(&query, KIB(64));
    buf_init(&canonical, KIB(64));
    buf_init(&text, KIB(64));
    bytes rest = file->target;
    bytes path = s3_cut(&rest, '?');
    assert_true(is_ok(percent_decode(arena, path, false, &path)));
    percent_encode(&uri, want->normalised ? normalise(arena, path) : path, true);
    size_t count = parse_items(arena, rest, items);
    assert_true(is_ok(s3_canonical_query(arena, items, count, "X-Amz-Signature", &query)));
    struct s3_canonical parts = {
        file->method,       buf_bytes(&uri), buf_bytes(&query),       file->headers,
        file->header_count, signed_headers,  bytes_str(want->payload)};
    s3_canonical_request(&parts, &canonical);
    s3_string_to_sign(date, credential_scope, buf_bytes(&canonical), &text);
    buf_put_u8(&canonical, 0);
    assert_string_equal((const char *)canonical.data, want->canonical);
    struct s3_secret secret = testing_secret(want->secret);
    struct hash key;
    char signature[S3_SIGNATURE_CHARS + 1];
    s3_signing_key(&key, &secret, bytes_slice(date, 0, 8), bytes_str(want->region),
                   bytes_str("service"));
    s3_sign(signature, &key, buf_bytes(&text));
    assert_string_equal(signature, want->signature);
    buf_put_u8(&text, 0);
    assert_string_equal((const char *)text.data, want->string_to_sign);
    buf_free(&uri);
    buf_free(&query);
    buf_free(&canonical);
    buf_free(&text);
}

/* payload_line: the last line of a canonical request. */
static const char *payload_line(const char *canonical) { return strrchr(canonical, '\n') + 1; }

/* authorization: SignedHeaders and scope of the header. */
static void authorization(const struct signed_file *file, bytes *ret_headers, bytes *ret_scope)
{
    bytes left = file_header(file, "Authorization");
    s3_cut(&left, '/');
    *ret_scope = s3_cut(&left, ',');
    s3_cut(&left, '=');
    *ret_headers = s3_cut(&left, ',');
}

static void check_header_case(const char *folder, const char *request, const char *canonical_name,
                              const char *string_name, const char *signature_text,
                              struct expectation want)
{
    struct arena arena;
    struct signed_file file;
    bytes headers;
    bytes scope;
    arena_init(&arena, MIB(1));
    parse_file(&file, load(folder, request));
    authorization(&file, &headers, &scope);
    char *canonical = load(folder, canonical_name);
    char *string = load(folder, string_name);
    want.canonical = canonical;
    want.string_to_sign = string;
    want.signature = signature_text;
    want.payload = payload_line(canonical);
    check_strings(&arena, &file, headers, scope, file_header(&file, "X-Amz-Date"), &want);
    mem_free(canonical);
    mem_free(string);
    mem_free(file.text);
    arena_free(&arena);
}

static bytes query_value(struct arena *arena, const struct signed_file *file, const char *name)
{
    struct s3_query_item items[64] = {0};
    bytes rest = file->target;
    s3_cut(&rest, '?');
    size_t count = parse_items(arena, rest, items);
    for (size_t i = 0; i < count; i++) {
        if (bytes_eq_str(items[i].name, name)) {
            return items[i].value;
        }
    }
    return (bytes){NULL, 0};
}

/* drop_parameter: from the raw target. */
static bytes drop_parameter(struct arena *arena, bytes target, const char *name)
{
    struct buf out;
    buf_init(&out, KIB(64));
    bytes left = target;
    buf_put(&out, s3_cut(&left, '?'));
    char mark = '?';
    while (left.len > 0) {
        bytes item = s3_cut(&left, '&');
        if (!bytes_starts_with(item, bytes_str(name))) {
            buf_put_u8(&out, (u8)mark);
            buf_put(&out, item);
            mark = '&';
        }
    }
    bytes copy = arena_copy(arena, buf_bytes(&out));
    buf_free(&out);
    return copy;
}

static void check_query_case(const char *folder, struct expectation want)
{
    struct arena arena;
    struct signed_file file;
    arena_init(&arena, MIB(1));
    parse_file(&file, load(folder, "query-signed-request.txt"));
    if (want.leave_out_token) {
        file.target = drop_parameter(&arena, file.target, "X-Amz-Security-Token");
    }
    bytes scope = query_value(&arena, &file, "X-Amz-Credential");
    s3_cut(&scope, '/');
    char *canonical = load(folder, "query-canonical-request.txt");
    char *string = load(folder, "query-string-to-sign.txt");
    char *signature = load(folder, "query-signature.txt");
    want.canonical = canonical;
    want.string_to_sign = string;
    want.signature = signature;
    want.payload = payload_line(canonical);
    check_strings(&arena, &file, query_value(&arena, &file, "X-Amz-SignedHeaders"), scope,
                  query_value(&arena, &file, "X-Amz-Date"), &want);
    mem_free(canonical);
    mem_free(string);
    mem_free(signature);
    mem_free(file.text);
    arena_free(&arena);
}

static void check_c_auth(const char *name)
{
    char folder[VECTORS_PATH_MAX];
    vectors_format(folder, C_AUTH "/%s/context.json", name);
    json_t *context = vectors_json(&vectors, folder);
    const json_t *keys = json_object_get(context, "credentials");
    struct expectation want = {
        .secret = vectors_text(keys, "secret_access_key"),
        .region = vectors_text(context, "region"),
        .normalised = json_is_true(json_object_get(context, "normalize")),
        .leave_out_token = json_is_true(json_object_get(context, "omit_session_token")),
    };
    vectors_format(folder, C_AUTH "/%s", name);
    char *signature = load(folder, "header-signature.txt");
    check_header_case(folder, "header-signed-request.txt", "header-canonical-request.txt",
                      "header-string-to-sign.txt", signature, want);
    check_query_case(folder, want);
    mem_free(signature);
    json_decref(context);
}

static void aws_c_auth(void **state)
{
    (void)state;
    char path[VECTORS_PATH_MAX];
    vectors_format(path, "%s/" C_AUTH, vectors.dir);
    DIR *dir = opendir(path);
    assert_non_null(dir);
    int count = 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (entry->d_name[0] != '.') {
            check_c_auth(entry->d_name);
            count++;
        }
    }
    closedir(dir);
    assert_int_equal(count, 38);
}

static int check_botocore(const char *parent, const char *name)
{
    char folder[VECTORS_PATH_MAX];
    char file[4][VECTORS_PATH_MAX];
    static const char *const ends[] = {"sreq", "creq", "sts", "authz"};
    vectors_format(folder, "%s/%s", parent, name);
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        vectors_format(file[i], "%s.%s", name, ends[i]);
    }
    char *authz = load(folder, file[3]);
    if (authz == NULL) {
        return 0;
    }
    struct expectation want = {
        .secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        .region = "us-east-1",
        .normalised = true,
    };
    check_header_case(folder, file[0], file[1], file[2], strstr(authz, "Signature=") + 10, want);
    mem_free(authz);
    return 1;
}

static int botocore_folder(const char *folder)
{
    char path[VECTORS_PATH_MAX];
    vectors_format(path, "%s/%s", vectors.dir, folder);
    DIR *dir = opendir(path);
    assert_non_null(dir);
    int count = 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (entry->d_name[0] != '.') {
            count += check_botocore(folder, entry->d_name);
        }
    }
    closedir(dir);
    return count;
}

static void botocore(void **state)
{
    (void)state;
    int count = botocore_folder(BOTOCORE) + botocore_folder(BOTOCORE "/normalize-path") +
                botocore_folder(BOTOCORE "/post-sts-token");
    assert_int_equal(count, 34);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(s3_documentation),
        cmocka_unit_test(s3_documentation_strings),
        cmocka_unit_test(aws_c_auth),
        cmocka_unit_test(botocore),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

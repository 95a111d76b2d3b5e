#include "gateway/s3/object_headers.h"

#include "gateway/s3/text.h"

#define META_PREFIX "x-amz-meta-"
#define STORAGE_CLASS "x-amz-storage-class"

/* Kept by their own name, in this order. */
static const char *const kept[] = {
    "cache-control", "content-disposition", "content-encoding", "content-language", "content-type",
    "expires",       STORAGE_CLASS,
};

static bool has_prefix(bytes name, const char *prefix)
{
    bytes want = bytes_str(prefix);
    return name.len >= want.len && bytes_eq_nocase(bytes_slice(name, 0, want.len), want);
}

bytes s3_stored_headers_find(const struct s3_stored_headers *headers, const char *name)
{
    for (size_t i = 0; i < headers->count; i++) {
        if (bytes_eq_str(headers->items[i].name, name)) {
            return headers->items[i].value;
        }
    }
    return (bytes){NULL, 0};
}

bytes s3_storage_class(const struct s3_stored_headers *headers)
{
    bytes class = s3_stored_headers_find(headers, STORAGE_CLASS);
    return class.data != NULL ? class : bytes_str("STANDARD");
}

/* ---- reading ---- */

static enum s3_code check_value(const struct s3_header *header, struct s3_error *error)
{
    bool bad = header->value.len > S3_STORED_VALUE_BYTES_MAX;
    for (size_t i = 0; i < header->value.len; i++) {
        u8 c = header->value.data[i];
        bad = bad || (c < 0x20 && c != '\t') || c == 0x7F;
    }
    if (!bad) {
        return S3_OK;
    }
    s3_refuse_text(error, S3_ERR_INVALID_ARGUMENT,
                   "The value of a header is too long or has control characters");
    s3_error_add_str(error, "ArgumentName", "header");
    s3_error_add(error, "ArgumentValue", header->name);
    return S3_ERR_INVALID_ARGUMENT;
}

/* lower_name: a lower-case copy; data NULL if the arena is full. */
static bytes lower_name(struct arena *arena, bytes name)
{
    u8 *out = arena_alloc(arena, name.len);
    for (size_t i = 0; out != NULL && i < name.len; i++) {
        out[i] = s3_lower(name.data[i]);
    }
    return bytes_make(out, out == NULL ? 0 : name.len);
}

/* join: "a,b" in the arena; data NULL if it is full. */
static bytes join(struct arena *arena, bytes a, bytes b)
{
    u8 *out = arena_alloc(arena, a.len + 1 + b.len);
    if (out == NULL) {
        return (bytes){NULL, 0};
    }
    if (a.len > 0) {
        memcpy(out, a.data, a.len);
    }
    out[a.len] = ',';
    if (b.len > 0) {
        memcpy(out + a.len + 1, b.data, b.len);
    }
    return bytes_make(out, a.len + 1 + b.len);
}

/* strip_chunked: Content-Encoding without aws-chunked; the rest joined by ", ". */
static enum s3_code strip_chunked(struct arena *arena, bytes *value, struct s3_error *error)
{
    struct buf out;
    buf_init(&out, S3_STORED_VALUE_BYTES_MAX * 3);
    bytes left = *value;
    while (left.len > 0) {
        bytes coding = s3_trim(s3_cut(&left, ','));
        if (coding.len > 0 && !bytes_eq_nocase(coding, bytes_str("aws-chunked"))) {
            buf_put_str(&out, out.len > 0 ? ", " : "");
            buf_put(&out, coding);
        }
    }
    *value = arena_copy(arena, buf_bytes(&out));
    buf_free(&out);
    return value->data == NULL ? s3_refuse(error, S3_ERR_INTERNAL) : S3_OK;
}

static enum s3_code check_storage_class(bytes value, struct s3_error *error)
{
    static const char *const classes[] = {
        "STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA",
        "GLACIER",  "DEEP_ARCHIVE",       "GLACIER_IR",  "INTELLIGENT_TIERING"};
    for (size_t i = 0; i < COUNT_OF(classes); i++) {
        if (bytes_eq_str(value, classes[i])) {
            return S3_OK;
        }
    }
    s3_refuse(error, S3_ERR_INVALID_STORAGE_CLASS);
    s3_error_add(error, "StorageClassRequested", value);
    return S3_ERR_INVALID_STORAGE_CLASS;
}

static void add(struct s3_stored_headers *headers, bytes name, bytes value)
{
    headers->items[headers->count++] = (struct s3_header){name, value};
}

static enum s3_code add_kept(struct arena *arena, const struct s3_request *request,
                             const char *name, struct s3_stored_headers *headers,
                             struct s3_error *error)
{
    struct s3_header header = {bytes_str(name), s3_header_find(request, name)};
    if (header.value.data == NULL) {
        return S3_OK;
    }
    S3_TRY(check_value(&header, error));
    if (strcmp(name, "content-encoding") == 0) {
        S3_TRY(strip_chunked(arena, &header.value, error));
    }
    if (strcmp(name, STORAGE_CLASS) == 0) {
        S3_TRY(check_storage_class(header.value, error));
    }
    if (header.value.len > 0) {
        add(headers, header.name, header.value);
    }
    return S3_OK;
}

static enum s3_code add_metadata(struct arena *arena, const struct s3_header *header,
                                 struct s3_stored_headers *headers, struct s3_error *error)
{
    S3_TRY(check_value(header, error));
    bytes name = lower_name(arena, header->name);
    bytes value = header->value.data != NULL ? header->value : bytes_str("");
    for (size_t i = 0; i < headers->count; i++) {
        if (name.data != NULL && bytes_eq(headers->items[i].name, name)) {
            headers->items[i].value = join(arena, headers->items[i].value, value);
            return headers->items[i].value.data == NULL ? s3_refuse(error, S3_ERR_INTERNAL) : S3_OK;
        }
    }
    if (name.data == NULL || headers->count == S3_STORED_HEADERS_MAX) {
        return s3_refuse(error, S3_ERR_INTERNAL);
    }
    add(headers, name, value);
    return S3_OK;
}

static enum s3_code check_metadata_size(const struct s3_stored_headers *headers,
                                        struct s3_error *error)
{
    size_t size = 0;
    for (size_t i = 0; i < headers->count; i++) {
        const struct s3_header *item = &headers->items[i];
        if (has_prefix(item->name, META_PREFIX)) {
            size += item->name.len - strlen(META_PREFIX) + item->value.len;
        }
    }
    if (size <= S3_METADATA_BYTES_MAX) {
        return S3_OK;
    }
    s3_refuse(error, S3_ERR_METADATA_TOO_LARGE);
    s3_error_add_u64(error, "Size", size);
    s3_error_add_u64(error, "MaxSizeAllowed", S3_METADATA_BYTES_MAX);
    return S3_ERR_METADATA_TOO_LARGE;
}

enum s3_code s3_stored_headers_parse(struct arena *arena, const struct s3_request *request,
                                     struct s3_stored_headers *ret_headers, struct s3_error *error)
{
    struct s3_stored_headers headers = {
        .items = ARENA_ARRAY(arena, struct s3_header, S3_STORED_HEADERS_MAX)};
    if (headers.items == NULL) {
        return s3_refuse(error, S3_ERR_INTERNAL);
    }
    for (size_t i = 0; i < COUNT_OF(kept); i++) {
        S3_TRY(add_kept(arena, request, kept[i], &headers, error));
    }
    if (s3_stored_headers_find(&headers, "content-type").data == NULL) {
        add(&headers, bytes_str("content-type"), bytes_str(S3_DEFAULT_CONTENT_TYPE));
    }
    for (size_t i = 0; i < request->header_count; i++) {
        if (has_prefix(request->headers[i].name, META_PREFIX)) {
            S3_TRY(add_metadata(arena, &request->headers[i], &headers, error));
        }
    }
    S3_TRY(check_metadata_size(&headers, error));
    *ret_headers = headers;
    return S3_OK;
}

/* ---- what is not done ---- */

static enum s3_code refuse_header(struct s3_error *error, bytes name)
{
    s3_refuse_text(error, S3_ERR_NOT_IMPLEMENTED,
                   "A header you provided implies functionality that is not implemented");
    s3_error_add(error, "Header", name);
    return S3_ERR_NOT_IMPLEMENTED;
}

static enum s3_code check_acl(bytes value, struct s3_error *error)
{
    static const char *const fine[] = {"private", "bucket-owner-read", "bucket-owner-full-control"};
    static const char *const known[] = {"public-read", "public-read-write", "authenticated-read",
                                        "aws-exec-read", "log-delivery-write"};
    for (size_t i = 0; i < COUNT_OF(fine); i++) {
        if (bytes_eq_str(value, fine[i])) {
            return S3_OK;
        }
    }
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        if (bytes_eq_str(value, known[i])) {
            return s3_refuse(error, S3_ERR_ACL_NOT_SUPPORTED);
        }
    }
    return s3_refuse_argument(error, "Invalid Argument", "x-amz-acl", value);
}

static enum s3_code check_encryption(const struct s3_header *header, struct s3_error *error)
{
    /* Everything is encrypted before it leaves the gateway, so AES256 asks for what is done. */
    if (bytes_eq_nocase(header->name, bytes_str("x-amz-server-side-encryption"))) {
        if (bytes_eq_str(header->value, "AES256")) {
            return S3_OK;
        }
        if (!bytes_starts_with(header->value, bytes_str("aws:"))) {
            s3_refuse(error, S3_ERR_INVALID_ENCRYPTION);
            s3_error_add(error, "ArgumentValue", header->value);
            return S3_ERR_INVALID_ENCRYPTION;
        }
    }
    return refuse_header(error, header->name);
}

static enum s3_code check_header(const struct s3_header *header, struct s3_error *error)
{
    static const char *const refused[] = {
        "x-amz-mfa",
        "x-amz-rename-source",
        "x-amz-tagging",
        "x-amz-website-redirect-location",
        "x-amz-write-offset-bytes",
    };
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        if (bytes_eq_nocase(header->name, bytes_str(refused[i]))) {
            return header->value.len > 0 ? refuse_header(error, header->name) : S3_OK;
        }
    }
    if (bytes_eq_nocase(header->name, bytes_str("x-amz-acl"))) {
        return check_acl(header->value, error);
    }
    if (has_prefix(header->name, "x-amz-grant-")) {
        return s3_refuse(error, S3_ERR_ACL_NOT_SUPPORTED);
    }
    if (has_prefix(header->name, "x-amz-server-side-encryption") ||
        has_prefix(header->name, "x-amz-copy-source-server-side-encryption")) {
        return check_encryption(header, error);
    }
    if (bytes_eq_nocase(header->name, bytes_str("x-amz-bucket-object-lock-enabled"))) {
        return bytes_eq_nocase(header->value, bytes_str("false"))
                   ? S3_OK
                   : refuse_header(error, header->name);
    }
    if (has_prefix(header->name, "x-amz-object-lock-")) {
        return s3_refuse_text(error, S3_ERR_INVALID_REQUEST,
                              "Bucket is missing Object Lock Configuration");
    }
    return S3_OK;
}

enum s3_code s3_object_headers_check(const struct s3_request *request, struct s3_error *error)
{
    for (size_t i = 0; i < request->header_count; i++) {
        S3_TRY(check_header(&request->headers[i], error));
    }
    return S3_OK;
}

enum s3_code s3_expected_owner_check(const struct s3_request *request, const char *header,
                                     bytes owner_id, struct s3_error *error)
{
    bytes expected = s3_header_find(request, header);
    return expected.data == NULL || bytes_eq(expected, owner_id)
               ? S3_OK
               : s3_refuse(error, S3_ERR_ACCESS_DENIED);
}

/* ---- sending back ---- */

struct override {
    const char *parameter;
    const char *header;
};

static const struct override overrides[] = {
    {"response-cache-control", "cache-control"},
    {"response-content-disposition", "content-disposition"},
    {"response-content-encoding", "content-encoding"},
    {"response-content-language", "content-language"},
    {"response-content-type", "content-type"},
    {"response-expires", "expires"},
};

static void replace(struct s3_stored_headers *headers, bytes name, bytes value)
{
    for (size_t i = 0; i < headers->count; i++) {
        if (bytes_eq(headers->items[i].name, name)) {
            headers->items[i].value = value;
            return;
        }
    }
    add(headers, name, value);
}

enum s3_code s3_reply_headers(struct arena *arena, const struct s3_request *request,
                              enum s3_auth_kind kind, const struct s3_stored_headers *stored,
                              struct s3_stored_headers *ret_headers, struct s3_error *error)
{
    struct s3_stored_headers headers = {
        .items = ARENA_ARRAY(arena, struct s3_header, stored->count + COUNT_OF(overrides))};
    if (headers.items == NULL) {
        return s3_refuse(error, S3_ERR_INTERNAL);
    }
    for (size_t i = 0; i < stored->count; i++) {
        const struct s3_header *item = &stored->items[i];
        if (!bytes_eq_str(item->name, STORAGE_CLASS) || !bytes_eq_str(item->value, "STANDARD")) {
            add(&headers, item->name, item->value);
        }
    }
    for (size_t i = 0; i < COUNT_OF(overrides); i++) {
        bytes value = s3_query_find(request, overrides[i].parameter);
        if (value.data == NULL) {
            continue;
        }
        if (kind == S3_AUTH_ANONYMOUS) {
            return s3_refuse_text(error, S3_ERR_INVALID_REQUEST,
                                  "Request specific response headers cannot be used for "
                                  "anonymous GET requests.");
        }
        struct s3_header header = {bytes_str(overrides[i].header), value};
        S3_TRY(check_value(&header, error));
        replace(&headers, header.name, value);
    }
    *ret_headers = headers;
    return S3_OK;
}

/* ---- copies ---- */

static enum s3_code read_directive(const struct s3_request *request, const char *name,
                                   const char *message, enum s3_directive *ret_directive,
                                   struct s3_error *error)
{
    bytes text = s3_header_find(request, name);
    if (text.data == NULL || bytes_eq_str(text, "COPY")) {
        *ret_directive = S3_DIRECTIVE_COPY;
        return S3_OK;
    }
    if (bytes_eq_str(text, "REPLACE")) {
        *ret_directive = S3_DIRECTIVE_REPLACE;
        return S3_OK;
    }
    return s3_refuse_argument(error, message, name, text);
}

enum s3_code s3_copy_directive(const struct s3_request *request, enum s3_directive *ret_directive,
                               struct s3_error *error)
{
    enum s3_directive tagging;
    S3_TRY(read_directive(request, "x-amz-tagging-directive", "Unknown tagging directive.",
                          &tagging, error));
    return read_directive(request, "x-amz-metadata-directive", "Unknown metadata directive.",
                          ret_directive, error);
}

/* copy_source_headers: all but the storage class, which is chosen anew. */
static enum s3_code copy_source_headers(struct arena *arena, const struct s3_stored_headers *source,
                                        struct s3_stored_headers *headers, struct s3_error *error)
{
    headers->items = ARENA_ARRAY(arena, struct s3_header, source->count + 1);
    if (headers->items == NULL) {
        return s3_refuse(error, S3_ERR_INTERNAL);
    }
    for (size_t i = 0; i < source->count; i++) {
        if (!bytes_eq_str(source->items[i].name, STORAGE_CLASS)) {
            add(headers, source->items[i].name, source->items[i].value);
        }
    }
    return S3_OK;
}

enum s3_code s3_copy_headers(struct arena *arena, const struct s3_request *request,
                             const struct s3_stored_headers *source, bool same_object,
                             struct s3_stored_headers *ret_headers, struct s3_error *error)
{
    enum s3_directive directive = S3_DIRECTIVE_COPY;
    S3_TRY(s3_copy_directive(request, &directive, error));
    if (directive == S3_DIRECTIVE_REPLACE) {
        return s3_stored_headers_parse(arena, request, ret_headers, error);
    }
    bytes class = s3_header_find(request, STORAGE_CLASS);
    bytes wanted = class.len > 0 ? class : bytes_str("STANDARD");
    S3_TRY(check_storage_class(wanted, error));
    if (same_object && (class.len == 0 || bytes_eq(s3_storage_class(source), wanted))) {
        return s3_refuse_text(error, S3_ERR_INVALID_REQUEST,
                              "This copy request is illegal because it is trying to copy an "
                              "object to itself without changing the object's metadata, storage "
                              "class, website redirect location or encryption attributes.");
    }
    struct s3_stored_headers headers = {0};
    S3_TRY(copy_source_headers(arena, source, &headers, error));
    if (class.len > 0) {
        add(&headers, bytes_str(STORAGE_CLASS), class);
    }
    *ret_headers = headers;
    return S3_OK;
}

#include "gateway/s3/request.h"

#include "base/assert.h"
#include "codec/percent.h"
#include "gateway/s3/names.h"
#include "gateway/s3/text.h"

/* ---- operations ---- */

struct op_row {
    const char *name;
    enum s3_level level;
    enum s3_body_kind body;
};

static const struct op_row op_rows[S3_OP_COUNT] = {
    [S3_OP_NONE] = {"Unknown", S3_LEVEL_SERVICE, S3_BODY_NONE},
#define OP_ROW(name, text, level, body) [S3_OP_##name] = {text, S3_LEVEL_##level, S3_BODY_##body},
    S3_OP_TABLE(OP_ROW)
#undef OP_ROW
};

static const struct op_row *row_of(enum s3_op op)
{
    assert_that((unsigned)op < S3_OP_COUNT);
    return &op_rows[op];
}

const char *s3_op_name(enum s3_op op) { return row_of(op)->name; }

enum s3_level s3_op_level(enum s3_op op) { return row_of(op)->level; }

enum s3_body_kind s3_op_body(enum s3_op op) { return row_of(op)->body; }

const char *s3_method_list(void) { return "GET, HEAD, PUT, POST, DELETE, OPTIONS"; }

/* ---- sub-resources ---- */

/* Every sub-resource that S3 has, whatever the level. */
static const char *const subresources[] = {
    "abac",
    "accelerate",
    "acl",
    "analytics",
    "annotation",
    "append",
    "attributes",
    "cors",
    "delete",
    "encryption",
    "intelligent-tiering",
    "inventory",
    "legal-hold",
    "lifecycle",
    "location",
    "logging",
    "metadataConfiguration",
    "metadataInventoryTable",
    "metadataJournalTable",
    "metadataTable",
    "metrics",
    "notification",
    "object-lock",
    "ownershipControls",
    "policy",
    "policyStatus",
    "publicAccessBlock",
    "renameObject",
    "replication",
    "requestPayment",
    "restore",
    "retention",
    "select",
    "session",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versioning",
    "versions",
    "website",
};

/* Parameters that modify an operation and choose none. */
static const char *const options[] = {
    "continuation-token",
    "delimiter",
    "encoding-type",
    "fetch-owner",
    "key-marker",
    "list-type",
    "marker",
    "max-buckets",
    "max-keys",
    "max-parts",
    "max-uploads",
    "bucket-region",
    "part-number-marker",
    "partNumber",
    "prefix",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "start-after",
    "upload-id-marker",
    "version-id-marker",
    "versionId",
    /* signature version 2, which auth.h refuses by its own name */
    "AWSAccessKeyId",
    "Expires",
    "Signature",
};

struct route {
    enum s3_level level;
    const char *subresource; /* NULL: the plain operation */
    enum s3_method method;
    enum s3_op op;
};

static const struct route routes[] = {
    {S3_LEVEL_SERVICE, NULL, S3_METHOD_GET, S3_OP_LIST_BUCKETS},
    {S3_LEVEL_BUCKET, NULL, S3_METHOD_GET, S3_OP_LIST_OBJECTS},
    {S3_LEVEL_BUCKET, NULL, S3_METHOD_HEAD, S3_OP_HEAD_BUCKET},
    {S3_LEVEL_BUCKET, NULL, S3_METHOD_PUT, S3_OP_CREATE_BUCKET},
    {S3_LEVEL_BUCKET, NULL, S3_METHOD_DELETE, S3_OP_DELETE_BUCKET},
    {S3_LEVEL_BUCKET, "accelerate", S3_METHOD_GET, S3_OP_GET_BUCKET_ACCELERATE},
    {S3_LEVEL_BUCKET, "acl", S3_METHOD_GET, S3_OP_GET_BUCKET_ACL},
    {S3_LEVEL_BUCKET, "acl", S3_METHOD_PUT, S3_OP_PUT_BUCKET_ACL},
    {S3_LEVEL_BUCKET, "cors", S3_METHOD_GET, S3_OP_GET_BUCKET_CORS},
    {S3_LEVEL_BUCKET, "cors", S3_METHOD_DELETE, S3_OP_DELETE_BUCKET_CORS},
    {S3_LEVEL_BUCKET, "delete", S3_METHOD_POST, S3_OP_DELETE_OBJECTS},
    {S3_LEVEL_BUCKET, "encryption", S3_METHOD_GET, S3_OP_GET_BUCKET_ENCRYPTION},
    {S3_LEVEL_BUCKET, "encryption", S3_METHOD_DELETE, S3_OP_DELETE_BUCKET_ENCRYPTION},
    {S3_LEVEL_BUCKET, "lifecycle", S3_METHOD_GET, S3_OP_GET_BUCKET_LIFECYCLE},
    {S3_LEVEL_BUCKET, "lifecycle", S3_METHOD_DELETE, S3_OP_DELETE_BUCKET_LIFECYCLE},
    {S3_LEVEL_BUCKET, "location", S3_METHOD_GET, S3_OP_GET_BUCKET_LOCATION},
    {S3_LEVEL_BUCKET, "logging", S3_METHOD_GET, S3_OP_GET_BUCKET_LOGGING},
    {S3_LEVEL_BUCKET, "notification", S3_METHOD_GET, S3_OP_GET_BUCKET_NOTIFICATION},
    {S3_LEVEL_BUCKET, "object-lock", S3_METHOD_GET, S3_OP_GET_BUCKET_OBJECT_LOCK},
    {S3_LEVEL_BUCKET, "ownershipControls", S3_METHOD_GET, S3_OP_GET_BUCKET_OWNERSHIP},
    {S3_LEVEL_BUCKET, "ownershipControls", S3_METHOD_DELETE, S3_OP_DELETE_BUCKET_OWNERSHIP},
    {S3_LEVEL_BUCKET, "policy", S3_METHOD_GET, S3_OP_GET_BUCKET_POLICY},
    {S3_LEVEL_BUCKET, "policy", S3_METHOD_DELETE, S3_OP_DELETE_BUCKET_POLICY},
    {S3_LEVEL_BUCKET, "policyStatus", S3_METHOD_GET, S3_OP_GET_BUCKET_POLICY_STATUS},
    {S3_LEVEL_BUCKET, "publicAccessBlock", S3_METHOD_GET, S3_OP_GET_BUCKET_PUBLIC_ACCESS_BLOCK},
    {S3_LEVEL_BUCKET, "publicAccessBlock", S3_METHOD_DELETE,
     S3_OP_DELETE_BUCKET_PUBLIC_ACCESS_BLOCK},
    {S3_LEVEL_BUCKET, "replication", S3_METHOD_GET, S3_OP_GET_BUCKET_REPLICATION},
    {S3_LEVEL_BUCKET, "replication", S3_METHOD_DELETE, S3_OP_DELETE_BUCKET_REPLICATION},
    {S3_LEVEL_BUCKET, "requestPayment", S3_METHOD_GET, S3_OP_GET_BUCKET_REQUEST_PAYMENT},
    {S3_LEVEL_BUCKET, "tagging", S3_METHOD_GET, S3_OP_GET_BUCKET_TAGGING},
    {S3_LEVEL_BUCKET, "tagging", S3_METHOD_DELETE, S3_OP_DELETE_BUCKET_TAGGING},
    {S3_LEVEL_BUCKET, "uploads", S3_METHOD_GET, S3_OP_LIST_MULTIPART_UPLOADS},
    {S3_LEVEL_BUCKET, "versioning", S3_METHOD_GET, S3_OP_GET_BUCKET_VERSIONING},
    {S3_LEVEL_BUCKET, "versions", S3_METHOD_GET, S3_OP_LIST_OBJECT_VERSIONS},
    {S3_LEVEL_BUCKET, "website", S3_METHOD_GET, S3_OP_GET_BUCKET_WEBSITE},
    {S3_LEVEL_BUCKET, "website", S3_METHOD_DELETE, S3_OP_DELETE_BUCKET_WEBSITE},
    {S3_LEVEL_OBJECT, NULL, S3_METHOD_GET, S3_OP_GET_OBJECT},
    {S3_LEVEL_OBJECT, NULL, S3_METHOD_HEAD, S3_OP_HEAD_OBJECT},
    {S3_LEVEL_OBJECT, NULL, S3_METHOD_PUT, S3_OP_PUT_OBJECT},
    {S3_LEVEL_OBJECT, NULL, S3_METHOD_DELETE, S3_OP_DELETE_OBJECT},
    {S3_LEVEL_OBJECT, "acl", S3_METHOD_GET, S3_OP_GET_OBJECT_ACL},
    {S3_LEVEL_OBJECT, "acl", S3_METHOD_PUT, S3_OP_PUT_OBJECT_ACL},
    {S3_LEVEL_OBJECT, "legal-hold", S3_METHOD_GET, S3_OP_GET_OBJECT_LEGAL_HOLD},
    {S3_LEVEL_OBJECT, "retention", S3_METHOD_GET, S3_OP_GET_OBJECT_RETENTION},
    {S3_LEVEL_OBJECT, "tagging", S3_METHOD_GET, S3_OP_GET_OBJECT_TAGGING},
    {S3_LEVEL_OBJECT, "tagging", S3_METHOD_DELETE, S3_OP_DELETE_OBJECT_TAGGING},
    {S3_LEVEL_OBJECT, "uploadId", S3_METHOD_GET, S3_OP_LIST_PARTS},
    {S3_LEVEL_OBJECT, "uploadId", S3_METHOD_PUT, S3_OP_UPLOAD_PART},
    {S3_LEVEL_OBJECT, "uploadId", S3_METHOD_POST, S3_OP_COMPLETE_MULTIPART_UPLOAD},
    {S3_LEVEL_OBJECT, "uploadId", S3_METHOD_DELETE, S3_OP_ABORT_MULTIPART_UPLOAD},
    {S3_LEVEL_OBJECT, "uploads", S3_METHOD_POST, S3_OP_CREATE_MULTIPART_UPLOAD},
};

static bool in_list(bytes name, const char *const *list, size_t count, const char **ret_entry)
{
    for (size_t i = 0; i < count; i++) {
        if (bytes_eq_str(name, list[i])) {
            *ret_entry = list[i];
            return true;
        }
    }
    return false;
}

static const struct route *find_route(enum s3_level level, const char *subresource,
                                      enum s3_method method)
{
    for (size_t i = 0; i < COUNT_OF(routes); i++) {
        const struct route *route = &routes[i];
        bool same = route->subresource == NULL || subresource == NULL
                        ? route->subresource == subresource
                        : strcmp(route->subresource, subresource) == 0;
        if (same && route->level == level && route->method == method) {
            return route;
        }
    }
    return NULL;
}

/* ---- headers, query ---- */

bytes s3_header_find(const struct s3_request *request, const char *name)
{
    bytes want = bytes_str(name);
    for (size_t i = 0; i < request->header_count; i++) {
        if (bytes_eq_nocase(request->headers[i].name, want)) {
            return request->headers[i].value.data != NULL ? request->headers[i].value
                                                          : bytes_str("");
        }
    }
    return (bytes){NULL, 0};
}

bytes s3_query_find(const struct s3_request *request, const char *name)
{
    for (size_t i = 0; i < request->query_count; i++) {
        if (bytes_eq_str(request->query[i].name, name)) {
            return request->query[i].value;
        }
    }
    return (bytes){NULL, 0};
}

/* decode: percent-decoded UTF-8, or InvalidURI. */
static enum s3_code decode(struct arena *arena, bytes in, bool plus_is_space, bytes *ret_out,
                           struct s3_error *error)
{
    err e = percent_decode(arena, in, plus_is_space, ret_out);
    if (is_err(e, ERR_LIMIT)) {
        return s3_refuse(error, S3_ERR_INTERNAL);
    }
    if (!is_ok(e) || !s3_utf8_valid(*ret_out)) {
        return s3_refuse(error, S3_ERR_INVALID_URI);
    }
    return S3_OK;
}

static enum s3_code parse_query_item(struct arena *arena, bytes piece, struct s3_query_item *item,
                                     struct s3_error *error)
{
    size_t equals = s3_find_byte(piece, '=');
    item->has_value = equals < piece.len;
    item->raw_name = bytes_slice(piece, 0, equals);
    item->raw_value = s3_tail(piece, equals + 1);
    S3_TRY(decode(arena, item->raw_name, true, &item->name, error));
    return decode(arena, item->raw_value, true, &item->value, error);
}

static enum s3_code parse_query(struct arena *arena, bytes query, struct s3_request *request,
                                struct s3_error *error)
{
    size_t count = 0;
    for (size_t i = 0; i < query.len; i++) {
        count += query.data[i] == '&';
    }
    if (count >= S3_QUERY_ITEMS_MAX) {
        return s3_refuse_text(error, S3_ERR_INVALID_URI, "The URI has more than %d parameters.",
                              S3_QUERY_ITEMS_MAX);
    }
    struct s3_query_item *items = ARENA_ARRAY(arena, struct s3_query_item, count + 1);
    if (items == NULL) {
        return s3_refuse(error, S3_ERR_INTERNAL);
    }
    request->query = items;
    while (query.len > 0) {
        size_t end = s3_find_byte(query, '&');
        if (end > 0) {
            S3_TRY(parse_query_item(arena, bytes_slice(query, 0, end), &items[request->query_count],
                                    error));
            request->query_count++;
        }
        query = s3_tail(query, end + 1);
    }
    return S3_OK;
}

/* ---- addressing ---- */

/* host_name: without the port, a final dot, and in lower case. */
static bytes host_name(struct arena *arena, bytes host)
{
    size_t len = s3_find_byte(host, ':');
    if (len > 0 && host.data[len - 1] == '.') {
        len--;
    }
    u8 *out = arena_alloc(arena, len);
    if (out == NULL) {
        return (bytes){NULL, 0};
    }
    for (size_t i = 0; i < len; i++) {
        out[i] = s3_lower(host.data[i]);
    }
    return bytes_make(out, len);
}

/* virtual_bucket: what stands before the longest configured domain; empty: path style. */
static bytes virtual_bucket(bytes host, const struct bytes *domains, size_t count)
{
    bytes bucket = {NULL, 0};
    size_t longest = 0;
    for (size_t i = 0; i < count; i++) {
        bytes domain = domains[i];
        if (bytes_eq(host, domain)) {
            return (bytes){NULL, 0};
        }
        if (host.len > domain.len + 1 && domain.len > longest && bytes_ends_with(host, domain) &&
            host.data[host.len - domain.len - 1] == '.') {
            longest = domain.len;
            bucket = bytes_slice(host, 0, host.len - domain.len - 1);
        }
    }
    return bucket;
}

/* origin_form: the path and query of an absolute URI ("http://host/path?query"). */
static bytes origin_form(bytes target)
{
    size_t scheme = bytes_find(target, bytes_str("://"));
    if (scheme == SIZE_MAX || (target.len > 0 && target.data[0] == '/')) {
        return target;
    }
    bytes rest = s3_tail(target, scheme + 3);
    size_t slash = s3_find_byte(rest, '/');
    return slash < rest.len ? s3_tail(rest, slash) : bytes_str("/");
}

static enum s3_code locate(struct arena *arena, const struct s3_request_input *input, bytes path,
                           struct s3_request *request, struct s3_error *error)
{
    if (path.len == 0 || path.data[0] != '/') {
        return s3_refuse(error, S3_ERR_INVALID_URI);
    }
    S3_TRY(decode(arena, path, false, &request->path, error));
    bytes rest = s3_tail(request->path, 1);
    bytes bucket =
        virtual_bucket(host_name(arena, input->host), input->domains, input->domain_count);
    request->virtual_host = bucket.len > 0;
    if (!request->virtual_host) {
        size_t slash = s3_find_byte(rest, '/');
        bucket = bytes_slice(rest, 0, slash);
        bool has_more = slash < rest.len;
        rest = s3_tail(rest, slash + 1);
        if (bucket.len == 0 && has_more) {
            return s3_bucket_check(bucket, error);
        }
    }
    request->bucket = bucket;
    request->key = rest;
    request->level = rest.len > 0     ? S3_LEVEL_OBJECT
                     : bucket.len > 0 ? S3_LEVEL_BUCKET
                                      : S3_LEVEL_SERVICE;
    if (bucket.len > 0) {
        S3_TRY(s3_bucket_check(bucket, error));
    }
    return rest.len > 0 ? s3_key_check(rest, error) : S3_OK;
}

/* ---- operation ---- */

static enum s3_method method_of(bytes text)
{
    static const struct {
        const char *name;
        enum s3_method method;
    } known[] = {
        {"GET", S3_METHOD_GET},   {"HEAD", S3_METHOD_HEAD},     {"PUT", S3_METHOD_PUT},
        {"POST", S3_METHOD_POST}, {"DELETE", S3_METHOD_DELETE}, {"OPTIONS", S3_METHOD_OPTIONS},
    };
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        if (bytes_eq_str(text, known[i].name)) {
            return known[i].method;
        }
    }
    return S3_METHOD_OTHER;
}

static const char *const level_names[] = {"SERVICE", "BUCKET", "OBJECT"};

static enum s3_code refuse_method(const struct s3_request *request, struct s3_error *error)
{
    s3_refuse(error, S3_ERR_METHOD_NOT_ALLOWED);
    s3_error_add(error, "Method", request->method_text);
    s3_error_add_str(error, "ResourceType", level_names[request->level]);
    return S3_ERR_METHOD_NOT_ALLOWED;
}

static enum s3_code refuse_parameter(bytes name, struct s3_error *error)
{
    s3_refuse_text(error, S3_ERR_NOT_IMPLEMENTED,
                   "A query parameter you provided implies functionality that is not implemented");
    s3_error_add(error, "Parameter", name);
    return S3_ERR_NOT_IMPLEMENTED;
}

static bool is_extension(bytes name)
{
    return name.len > 2 && bytes_eq_nocase(bytes_slice(name, 0, 2), bytes_str("x-"));
}

/* find_subresource: the one that chooses the operation; unknown parameters as request.h says. */
static enum s3_code find_subresource(struct s3_request *request, struct s3_error *error)
{
    bool reads = request->method == S3_METHOD_GET || request->method == S3_METHOD_HEAD;
    for (size_t i = 0; i < request->query_count; i++) {
        const struct s3_query_item *item = &request->query[i];
        const char *entry;
        if (in_list(item->name, options, COUNT_OF(options), &entry) || is_extension(item->name)) {
            continue;
        }
        if (in_list(item->name, subresources, COUNT_OF(subresources), &entry)) {
            if (request->subresource != NULL && request->subresource != entry) {
                return s3_refuse_argument(error, "Conflicting query string parameters",
                                          "ResourceType", item->name);
            }
            request->subresource = entry;
        } else if (!reads || item->value.len == 0) {
            return refuse_parameter(item->name, error);
        }
    }
    return S3_OK;
}

static enum s3_code read_parameters(struct s3_request *request, struct s3_error *error)
{
    request->version_id = s3_query_find(request, "versionId");
    request->upload_id = s3_query_find(request, "uploadId");
    bytes text = s3_query_find(request, "partNumber");
    if (text.data == NULL || request->level != S3_LEVEL_OBJECT) {
        return S3_OK;
    }
    u64 number;
    if (!parse_u64(&number, text) || number < 1 || number > S3_PART_NUMBER_MAX) {
        return s3_refuse_argument(error,
                                  "Part number must be an integer between 1 and 10000, inclusive",
                                  "partNumber", text);
    }
    request->part_number = (u32)number;
    return S3_OK;
}

/* check_part_parameters: PUT needs uploadId and partNumber together, and neither elsewhere. */
static enum s3_code check_part_parameters(const struct s3_request *request, struct s3_error *error)
{
    bool is_part = request->op == S3_OP_UPLOAD_PART;
    if (is_part && request->part_number == 0) {
        return s3_refuse_argument(error,
                                  "This operation does not accept uploadId without partNumber",
                                  "uploadId", request->upload_id);
    }
    if (request->op == S3_OP_PUT_OBJECT && request->part_number != 0) {
        return s3_refuse_argument(error,
                                  "This operation does not accept partNumber without uploadId",
                                  "partNumber", s3_query_find(request, "partNumber"));
    }
    if (request->upload_id.data != NULL && request->upload_id.len == 0) {
        return s3_refuse_argument(error, "uploadId must not be empty", "uploadId",
                                  request->upload_id);
    }
    return S3_OK;
}

static enum s3_code choose_list(struct s3_request *request, struct s3_error *error)
{
    bytes type = s3_query_find(request, "list-type");
    if (type.data == NULL || bytes_eq_str(type, "1")) {
        return S3_OK;
    }
    if (!bytes_eq_str(type, "2")) {
        return s3_refuse_argument(error, "Invalid List Type specified in Request", "list-type",
                                  type);
    }
    request->op = S3_OP_LIST_OBJECTS_V2;
    return S3_OK;
}

/* choose_copy: a copy source turns PUT into a copy and belongs nowhere else. */
static enum s3_code choose_copy(struct s3_request *request, struct s3_error *error)
{
    bytes source = s3_header_find(request, "x-amz-copy-source");
    if (source.data == NULL) {
        return S3_OK;
    }
    if (request->op == S3_OP_PUT_OBJECT) {
        request->op = S3_OP_COPY_OBJECT;
    } else if (request->op == S3_OP_UPLOAD_PART) {
        request->op = S3_OP_UPLOAD_PART_COPY;
    } else {
        return s3_refuse_argument(error,
                                  "You can only specify a copy source header for copy requests.",
                                  "x-amz-copy-source", source);
    }
    return S3_OK;
}

static enum s3_code choose_operation(struct s3_request *request, struct s3_error *error)
{
    if (request->method == S3_METHOD_OPTIONS) {
        request->op = S3_OP_PREFLIGHT;
        return S3_OK;
    }
    S3_TRY(find_subresource(request, error));
    S3_TRY(read_parameters(request, error));
    const struct route *route = find_route(request->level, request->subresource, request->method);
    if (route == NULL) {
        if (request->subresource != NULL) {
            return refuse_parameter(bytes_str(request->subresource), error);
        }
        if (request->level == S3_LEVEL_BUCKET && request->method == S3_METHOD_POST) {
            return s3_refuse_text(error, S3_ERR_NOT_IMPLEMENTED,
                                  "Browser uploads by POST are not implemented");
        }
        return refuse_method(request, error);
    }
    request->op = route->op;
    enum s3_code code = check_part_parameters(request, error);
    if (code == S3_OK && request->op == S3_OP_LIST_OBJECTS) {
        code = choose_list(request, error);
    }
    if (code == S3_OK) {
        code = choose_copy(request, error);
    }
    if (code != S3_OK) {
        request->op = S3_OP_NONE;
    }
    return code;
}

enum s3_code s3_request_parse(struct arena *arena, const struct s3_request_input *input,
                              struct s3_request *ret_request, struct s3_error *error)
{
    *ret_request = (struct s3_request){
        .method = method_of(input->method),
        .method_text = input->method,
        .path = bytes_str("/"),
        .bucket = bytes_str(""),
        .key = bytes_str(""),
        .encrypted = input->encrypted,
        .host = input->host,
        .headers = input->headers,
        .header_count = input->header_count,
    };
    if (ret_request->method == S3_METHOD_OPTIONS && bytes_eq_str(input->target, "*")) {
        ret_request->op = S3_OP_PREFLIGHT;
        return S3_OK;
    }
    bytes target = origin_form(input->target);
    size_t question = s3_find_byte(target, '?');
    S3_TRY(locate(arena, input, bytes_slice(target, 0, question), ret_request, error));
    S3_TRY(parse_query(arena, s3_tail(target, question + 1), ret_request, error));
    if (ret_request->method == S3_METHOD_OTHER) {
        return refuse_method(ret_request, error);
    }
    return choose_operation(ret_request, error);
}

enum s3_code s3_preflight_refuse(const struct s3_request *request, struct s3_error *error)
{
    if (s3_header_find(request, "Origin").len == 0) {
        return s3_refuse_text(error, S3_ERR_BAD_REQUEST,
                              "Insufficient information. Origin request header needed.");
    }
    s3_refuse(error, S3_ERR_ACCESS_FORBIDDEN);
    s3_error_add(error, "Method", s3_header_find(request, "Access-Control-Request-Method"));
    s3_error_add_str(error, "ResourceType", level_names[request->level]);
    return S3_ERR_ACCESS_FORBIDDEN;
}

enum s3_code s3_version_check(bytes key, bytes version_id, struct s3_error *error)
{
    if (version_id.data == NULL || bytes_eq_str(version_id, "null")) {
        return S3_OK;
    }
    if (version_id.len == 0) {
        return s3_refuse_argument(error, "Version id cannot be the empty string", "versionId",
                                  version_id);
    }
    s3_refuse(error, S3_ERR_NO_SUCH_VERSION);
    s3_error_add(error, "Key", key);
    s3_error_add(error, "VersionId", version_id);
    return S3_ERR_NO_SUCH_VERSION;
}

void s3_put_object_url(struct buf *out, const struct s3_request *request)
{
    buf_put_str(out, request->encrypted ? "https://" : "http://");
    buf_put(out, request->host);
    buf_put_u8(out, '/');
    if (!request->virtual_host) {
        percent_encode(out, request->bucket, false);
        buf_put_u8(out, '/');
    }
    percent_encode(out, request->key, true);
}

/* ---- copy source ---- */

static enum s3_code refuse_source(struct s3_error *error, const char *message, bytes value)
{
    return s3_refuse_argument(error, message, "x-amz-copy-source", value);
}

/* split_version: cuts "?versionId=..." off, which stands unencoded behind the encoded key. */
static bytes split_version(bytes *source)
{
    static const char mark[] = "?versionId=";
    size_t at = bytes_find(*source, bytes_str(mark));
    if (at == SIZE_MAX) {
        return (bytes){NULL, 0};
    }
    bytes version = s3_tail(*source, at + sizeof mark - 1);
    *source = bytes_slice(*source, 0, at);
    return version;
}

enum s3_code s3_copy_source_parse(struct arena *arena, const struct s3_request *request,
                                  struct s3_copy_source *ret_source, struct s3_error *error)
{
    bytes value = s3_header_find(request, "x-amz-copy-source");
    bytes rest = value;
    bytes version = split_version(&rest);
    bytes decoded;
    err e = percent_decode(arena, rest, false, &decoded);
    if (!is_ok(e)) {
        return is_err(e, ERR_LIMIT) ? s3_refuse(error, S3_ERR_INTERNAL)
                                    : refuse_source(error, "Invalid copy source encoding", value);
    }
    if (decoded.len > 0 && decoded.data[0] == '/') {
        decoded = s3_tail(decoded, 1);
    }
    size_t slash = s3_find_byte(decoded, '/');
    ret_source->bucket = bytes_slice(decoded, 0, slash);
    ret_source->key = s3_tail(decoded, slash + 1);
    ret_source->version_id = version;
    if (!s3_bucket_name_valid(ret_source->bucket)) {
        return refuse_source(error, "Invalid copy source bucket name", value);
    }
    if (ret_source->key.len == 0 || !s3_utf8_valid(ret_source->key)) {
        return refuse_source(error, "Invalid copy source object key", value);
    }
    return s3_key_check(ret_source->key, error);
}

#include "gateway/s3/listing.h"

#include "codec/percent.h"
#include "codec/xml.h"
#include "gateway/s3/date.h"
#include "gateway/s3/names.h"
#include "gateway/s3/text.h"

#define XMLNS "http://s3.amazonaws.com/doc/2006-03-01/"
#define TOKEN_VERSION 1

/* ---- parameters ---- */

enum s3_code s3_number_parameter(const struct s3_request *request, const char *name,
                                 u32 value_default, u32 max, u32 *ret_value, struct s3_error *error)
{
    bytes text = s3_query_find(request, name);
    u64 value = value_default;
    if (text.len > 0 && (!parse_u64(&value, text) || value > INT32_MAX)) {
        s3_refuse_text(error, S3_ERR_INVALID_ARGUMENT,
                       "Argument %s must be an integer between 0 and 2147483647", name);
        s3_error_add_str(error, "ArgumentName", name);
        s3_error_add(error, "ArgumentValue", text);
        return S3_ERR_INVALID_ARGUMENT;
    }
    *ret_value = (u32)min_u64(value, max);
    return S3_OK;
}

bytes s3_list_token(struct arena *arena, bytes key)
{
    struct buf raw;
    buf_init(&raw, key.len + 1);
    buf_put_u8(&raw, TOKEN_VERSION);
    buf_put(&raw, key);
    size_t len = base64_encoded_len(raw.len);
    char *text = arena_alloc(arena, len + 1);
    if (text != NULL) {
        base64_encode(text, len + 1, buf_bytes(&raw));
    }
    buf_free(&raw);
    /* The URL-safe alphabet: some clients put the token into a query as it is. */
    for (size_t i = 0; text != NULL && i < len; i++) {
        text[i] = text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i];
    }
    return bytes_make(text, text == NULL ? 0 : len);
}

bool s3_list_token_read(struct arena *arena, bytes token, bytes *ret_key)
{
    char *text = arena_str(arena, token);
    u8 *raw = arena_alloc(arena, token.len);
    if (text == NULL || raw == NULL) {
        return false;
    }
    for (size_t i = 0; i < token.len; i++) {
        text[i] = text[i] == '-' ? '+' : text[i] == '_' ? '/' : text[i];
    }
    size_t len;
    if (!base64_decode(raw, token.len, bytes_make(text, token.len), &len) || len < 1 ||
        raw[0] != TOKEN_VERSION || !s3_utf8_valid(bytes_make(raw + 1, len - 1))) {
        return false;
    }
    *ret_key = bytes_make(raw + 1, len - 1);
    return true;
}

static bytes or_empty(bytes value) { return value.data != NULL ? value : bytes_str(""); }

static enum s3_code parse_v2(struct arena *arena, const struct s3_request *request,
                             struct s3_list_params *params, struct s3_error *error)
{
    params->marker = s3_query_find(request, "start-after");
    params->token = s3_query_find(request, "continuation-token");
    params->fetch_owner = bytes_eq_nocase(s3_query_find(request, "fetch-owner"), bytes_str("true"));
    params->position = params->marker;
    if (params->token.len > 0 && !s3_list_token_read(arena, params->token, &params->position)) {
        return s3_refuse_argument(error, "The continuation token provided is incorrect",
                                  "continuation-token", params->token);
    }
    return S3_OK;
}

static enum s3_code parse_markers(const struct s3_request *request, struct s3_list_params *params,
                                  struct s3_error *error)
{
    bool versions = params->op == S3_OP_LIST_OBJECT_VERSIONS;
    bytes id = s3_query_find(request, versions ? "version-id-marker" : "upload-id-marker");
    params->marker = s3_query_find(request, "key-marker");
    params->position = params->marker;
    if (id.len > 0 && params->marker.len > 0) {
        params->marker_id = id;
    } else if (id.len > 0 && versions) {
        return s3_refuse_argument(error,
                                  "A version-id marker cannot be specified without a key marker.",
                                  "version-id-marker", id);
    }
    return S3_OK;
}

enum s3_code s3_list_parse(struct arena *arena, const struct s3_request *request,
                           struct s3_list_params *ret_params, struct s3_error *error)
{
    struct s3_list_params params = {
        .op = request->op,
        .prefix = or_empty(s3_query_find(request, "prefix")),
        .delimiter = or_empty(s3_query_find(request, "delimiter")),
    };
    bytes encoding = s3_query_find(request, "encoding-type");
    params.url = bytes_eq_nocase(encoding, bytes_str("url"));
    if (encoding.len > 0 && !params.url) {
        return s3_refuse_argument(error, "Invalid Encoding Method specified in Request",
                                  "encoding-type", encoding);
    }
    bool uploads = params.op == S3_OP_LIST_MULTIPART_UPLOADS;
    S3_TRY(s3_number_parameter(request, uploads ? "max-uploads" : "max-keys", S3_LIST_ENTRIES_MAX,
                               S3_LIST_ENTRIES_MAX, &params.max, error));
    if (params.op == S3_OP_LIST_OBJECTS) {
        params.marker = s3_query_find(request, "marker");
        params.position = params.marker;
    } else if (params.op == S3_OP_LIST_OBJECTS_V2) {
        S3_TRY(parse_v2(arena, request, &params, error));
    } else {
        S3_TRY(parse_markers(request, &params, error));
    }
    params.has_marker = params.marker.data != NULL;
    params.marker = or_empty(params.marker);
    params.position = or_empty(params.position);
    *ret_params = params;
    return S3_OK;
}

/* ---- the walk ---- */

bool s3_prefix_successor(struct arena *arena, bytes prefix, bytes *ret_successor)
{
    size_t len = prefix.len;
    while (len > 0 && prefix.data[len - 1] == 0xFF) {
        len--;
    }
    u8 *out = arena_alloc(arena, len);
    if (len == 0 || out == NULL) {
        return false;
    }
    memcpy(out, prefix.data, len);
    out[len - 1]++;
    *ret_successor = bytes_make(out, len);
    return true;
}

/* common_prefix: what `key` rolls up into; false if it does not. */
static bool common_prefix(const struct s3_list_params *params, bytes key, bytes *ret_common)
{
    if (params->delimiter.len == 0 || !bytes_starts_with(key, params->prefix)) {
        return false;
    }
    size_t at = bytes_find(s3_tail(key, params->prefix.len), params->delimiter);
    if (at == SIZE_MAX) {
        return false;
    }
    *ret_common = bytes_slice(key, 0, params->prefix.len + at + params->delimiter.len);
    return true;
}

/* seek_start: *ret_end: nothing can follow the position. */
static err seek_start(struct arena *arena, const struct s3_list_params *params,
                      const struct s3_list_source *source, bool *ret_end)
{
    bytes none = {NULL, 0};
    bytes position = params->position;
    bytes common;
    *ret_end = false;
    if (position.len == 0 || bytes_cmp(position, params->prefix) < 0) {
        return source->seek(source->ctx, params->prefix, none);
    }
    if (common_prefix(params, position, &common)) {
        bytes from;
        if (!s3_prefix_successor(arena, common, &from)) {
            *ret_end = true;
            return ok();
        }
        return source->seek(source->ctx, from, none);
    }
    if (params->marker_id.data != NULL) {
        return source->seek(source->ctx, position, params->marker_id);
    }
    /* The least key behind the position is the position and a zero byte. */
    u8 *from = arena_alloc(arena, position.len + 1);
    if (from == NULL) {
        return fail(ERR_LIMIT);
    }
    memcpy(from, position.data, position.len);
    return source->seek(source->ctx, bytes_make(from, position.len + 1), none);
}

static err copy_bytes(struct arena *arena, bytes *value)
{
    if (value->data == NULL) {
        return ok();
    }
    *value = arena_copy(arena, *value);
    return value->data == NULL ? fail(ERR_LIMIT) : ok();
}

static err add_entry(struct arena *arena, struct s3_list_page *page,
                     const struct s3_list_entry *entry)
{
    struct s3_list_entry *copy = &page->entries[page->entry_count];
    *copy = *entry;
    TRY(copy_bytes(arena, &copy->key));
    TRY(copy_bytes(arena, &copy->id));
    TRY(copy_bytes(arena, &copy->etag));
    TRY(copy_bytes(arena, &copy->storage_class));
    TRY(copy_bytes(arena, &copy->owner.id));
    TRY(copy_bytes(arena, &copy->owner.display_name));
    page->entry_count++;
    page->next_key = copy->key;
    page->next_id = copy->id;
    return ok();
}

/* add_prefix: and go on behind it; *ret_end: there is nothing behind it. */
static err add_prefix(struct arena *arena, const struct s3_list_source *source,
                      struct s3_list_page *page, bytes common, bool *ret_end)
{
    TRY(copy_bytes(arena, &common));
    page->prefixes[page->prefix_count++] = common;
    page->next_key = common;
    page->next_id = (bytes){NULL, 0};
    bytes from;
    if (!s3_prefix_successor(arena, common, &from)) {
        *ret_end = true;
        return ok();
    }
    return source->seek(source->ctx, from, (bytes){NULL, 0});
}

static err walk(struct arena *arena, const struct s3_list_params *params,
                const struct s3_list_source *source, struct s3_list_page *page)
{
    bool end = false;
    TRY(seek_start(arena, params, source, &end));
    while (!end) {
        struct s3_list_entry entry = {0};
        bool found = false;
        TRY(source->next(source->ctx, &entry, &found));
        if (!found || !bytes_starts_with(entry.key, params->prefix)) {
            return ok();
        }
        if (page->entry_count + page->prefix_count == params->max) {
            page->truncated = true;
            return ok();
        }
        bytes common = {NULL, 0};
        if (common_prefix(params, entry.key, &common)) {
            TRY(add_prefix(arena, source, page, common, &end));
        } else {
            TRY(add_entry(arena, page, &entry));
        }
    }
    return ok();
}

err s3_list_run(struct arena *arena, const struct s3_list_params *params,
                const struct s3_list_source *source, struct s3_list_page *ret_page)
{
    struct s3_list_page page = {
        .entries = ARENA_ARRAY(arena, struct s3_list_entry, params->max),
        .prefixes = ARENA_ARRAY(arena, bytes, params->max),
    };
    if (page.entries == NULL || page.prefixes == NULL) {
        return fail(ERR_LIMIT);
    }
    if (params->max > 0) {
        TRY(walk(arena, params, source, &page));
    }
    *ret_page = page;
    return ok();
}

/* ---- XML ---- */

/* is_plain: an ASCII byte that XML text holds as it is. */
static bool is_plain(u8 c)
{
    return c >= 0x20 && c < 0x7F && c != '&' && c != '<' && c != '>' && c != '"' && c != '\'';
}

/* put_text: as xml_put_text, but plain runs go in one piece: pages are mostly that. */
static void put_text(struct buf *out, bytes text)
{
    while (text.len > 0) {
        size_t plain = 0;
        while (plain < text.len && is_plain(text.data[plain])) {
            plain++;
        }
        size_t end = plain;
        while (end < text.len && !is_plain(text.data[end])) {
            end++;
        }
        buf_put(out, bytes_slice(text, 0, plain));
        xml_put_text(out, bytes_slice(text, plain, end - plain));
        text = s3_tail(text, end);
    }
}

static void put_element(struct buf *out, const char *element, bytes text)
{
    xml_open(out, element);
    put_text(out, text);
    xml_close(out, element);
}

static void put_number(struct buf *out, const char *element, u64 v)
{
    char text[S3_DECIMAL_BYTES];
    size_t len = s3_write_decimal(text, v);
    put_element(out, element, bytes_make(text, len));
}

void s3_put_name(struct buf *out, const char *element, bytes text, bool url)
{
    xml_open(out, element);
    if (url) {
        percent_encode(out, text, true);
    } else {
        put_text(out, text);
    }
    xml_close(out, element);
}

void s3_put_owner(struct buf *out, const char *element, const struct s3_owner *owner)
{
    xml_open(out, element);
    put_element(out, "ID", owner->id);
    put_element(out, "DisplayName", owner->display_name);
    xml_close(out, element);
}

static void put_bool(struct buf *out, const char *element, bool value)
{
    put_element(out, element, bytes_str(value ? "true" : "false"));
}

static void put_time(struct buf *out, const char *element, u64 ms)
{
    char text[S3_ISO_DATE_BYTES];
    s3_date_write_iso(text, ms);
    put_element(out, element, bytes_str(text));
}

static void put_checksum(struct buf *out, const struct s3_list_entry *entry)
{
    if (entry->algorithm != S3_ALGORITHM_NONE) {
        put_element(out, "ChecksumAlgorithm", bytes_str(s3_algorithm_text(entry->algorithm)));
        put_element(out, "ChecksumType", bytes_str(s3_checksum_type_text(entry->checksum_type)));
    }
}

static void put_object(struct buf *out, const struct s3_list_params *params,
                       const struct s3_list_entry *entry)
{
    xml_open(out, "Contents");
    s3_put_name(out, "Key", entry->key, params->url);
    put_time(out, "LastModified", entry->modified_ms);
    put_element(out, "ETag", entry->etag);
    put_checksum(out, entry);
    put_number(out, "Size", entry->size);
    if (params->op == S3_OP_LIST_OBJECTS || params->fetch_owner) {
        s3_put_owner(out, "Owner", &entry->owner);
    }
    put_element(out, "StorageClass", entry->storage_class);
    xml_close(out, "Contents");
}

static void put_version(struct buf *out, const struct s3_list_params *params,
                        const struct s3_list_entry *entry)
{
    const char *element = entry->is_delete_marker ? "DeleteMarker" : "Version";
    xml_open(out, element);
    s3_put_name(out, "Key", entry->key, params->url);
    put_element(out, "VersionId", entry->id);
    put_bool(out, "IsLatest", entry->is_latest);
    put_time(out, "LastModified", entry->modified_ms);
    if (!entry->is_delete_marker) {
        put_element(out, "ETag", entry->etag);
        put_checksum(out, entry);
        put_number(out, "Size", entry->size);
        put_element(out, "StorageClass", entry->storage_class);
    }
    s3_put_owner(out, "Owner", &entry->owner);
    xml_close(out, element);
}

static void put_upload(struct buf *out, const struct s3_list_params *params,
                       const struct s3_list_entry *entry)
{
    xml_open(out, "Upload");
    s3_put_name(out, "Key", entry->key, params->url);
    put_element(out, "UploadId", entry->id);
    s3_put_owner(out, "Initiator", &entry->owner);
    s3_put_owner(out, "Owner", &entry->owner);
    put_element(out, "StorageClass", entry->storage_class);
    put_time(out, "Initiated", entry->modified_ms);
    put_checksum(out, entry);
    xml_close(out, "Upload");
}

static void put_entries(struct buf *out, const struct s3_list_params *params,
                        const struct s3_list_page *page)
{
    for (size_t i = 0; i < page->entry_count; i++) {
        if (params->op == S3_OP_LIST_OBJECT_VERSIONS) {
            put_version(out, params, &page->entries[i]);
        } else if (params->op == S3_OP_LIST_MULTIPART_UPLOADS) {
            put_upload(out, params, &page->entries[i]);
        } else {
            put_object(out, params, &page->entries[i]);
        }
    }
    for (size_t i = 0; i < page->prefix_count; i++) {
        xml_open(out, "CommonPrefixes");
        s3_put_name(out, "Prefix", page->prefixes[i], params->url);
        xml_close(out, "CommonPrefixes");
    }
}

static void put_v1_head(struct buf *out, const struct s3_list_params *params,
                        const struct s3_list_page *page)
{
    s3_put_name(out, "Marker", params->marker, params->url);
    if (page->truncated && params->delimiter.len > 0) {
        s3_put_name(out, "NextMarker", page->next_key, params->url);
    }
}

static void put_v2_head(struct buf *out, const struct s3_list_params *params,
                        const struct s3_list_page *page)
{
    if (params->token.data != NULL) {
        put_element(out, "ContinuationToken", params->token);
    }
    if (page->truncated) {
        struct arena arena;
        arena_init(&arena, KIB(8));
        put_element(out, "NextContinuationToken", s3_list_token(&arena, page->next_key));
        arena_free(&arena);
    }
    if (params->has_marker) {
        s3_put_name(out, "StartAfter", params->marker, params->url);
    }
    put_number(out, "KeyCount", page->entry_count + page->prefix_count);
}

static void put_marker_head(struct buf *out, const struct s3_list_params *params,
                            const struct s3_list_page *page)
{
    bool versions = params->op == S3_OP_LIST_OBJECT_VERSIONS;
    s3_put_name(out, "KeyMarker", params->marker, params->url);
    put_element(out, versions ? "VersionIdMarker" : "UploadIdMarker",
                params->marker_id.data != NULL ? params->marker_id : bytes_str(""));
    if (!page->truncated) {
        return;
    }
    s3_put_name(out, "NextKeyMarker", page->next_key, params->url);
    if (page->next_id.data != NULL) {
        put_element(out, versions ? "NextVersionIdMarker" : "NextUploadIdMarker", page->next_id);
    }
}

void s3_list_write(struct buf *out, const struct s3_list_params *params,
                   const struct s3_list_page *page, bytes bucket)
{
    bool uploads = params->op == S3_OP_LIST_MULTIPART_UPLOADS;
    const char *root = uploads                                    ? "ListMultipartUploadsResult"
                       : params->op == S3_OP_LIST_OBJECT_VERSIONS ? "ListVersionsResult"
                                                                  : "ListBucketResult";
    xml_put_declaration(out);
    xml_open_ns(out, root, XMLNS);
    put_element(out, uploads ? "Bucket" : "Name", bucket);
    s3_put_name(out, "Prefix", params->prefix, params->url);
    if (params->op == S3_OP_LIST_OBJECTS) {
        put_v1_head(out, params, page);
    } else if (params->op == S3_OP_LIST_OBJECTS_V2) {
        put_v2_head(out, params, page);
    } else {
        put_marker_head(out, params, page);
    }
    put_number(out, uploads ? "MaxUploads" : "MaxKeys", params->max);
    if (params->delimiter.len > 0) {
        s3_put_name(out, "Delimiter", params->delimiter, params->url);
    }
    if (params->url) {
        put_element(out, "EncodingType", bytes_str("url"));
    }
    put_bool(out, "IsTruncated", page->truncated);
    put_entries(out, params, page);
    xml_close(out, root);
}

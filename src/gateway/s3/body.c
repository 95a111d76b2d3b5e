#include "gateway/s3/body.h"

#include "codec/xml.h"
#include "gateway/s3/date.h"
#include "gateway/s3/text.h"

static enum s3_code malformed(struct s3_error *error)
{
    s3_refuse(error, S3_ERR_MALFORMED_XML);
    return S3_ERR_MALFORMED_XML;
}

static bool is_blank(bytes body)
{
    for (size_t i = 0; i < body.len; i++) {
        u8 c = body.data[i];
        if (c != ' ' && c != '\t' && c != '\r' && c != '\n') {
            return false;
        }
    }
    return true;
}

static enum s3_code parse(struct arena *arena, bytes body, const char *root,
                          const struct xml_node **ret_root, struct s3_error *error)
{
    struct xml_node *node;
    if (body.len > S3_BODY_XML_BYTES_MAX) {
        s3_refuse(error, S3_ERR_MAX_MESSAGE_LENGTH);
        s3_error_add_u64(error, "MaxMessageLengthBytes", S3_BODY_XML_BYTES_MAX);
        return S3_ERR_MAX_MESSAGE_LENGTH;
    }
    if (!is_ok(xml_parse(arena, body, &node)) || strcmp(node->name, root) != 0) {
        return malformed(error);
    }
    *ret_root = node;
    return S3_OK;
}

/* trimmed: text without white space at both ends, line breaks too. */
static bytes trimmed(bytes text)
{
    while (text.len > 0 && is_blank(bytes_slice(text, 0, 1))) {
        text = s3_tail(text, 1);
    }
    while (text.len > 0 && is_blank(bytes_slice(text, text.len - 1, 1))) {
        text.len--;
    }
    return text;
}

static size_t count_children(const struct xml_node *node, const char *name)
{
    size_t count = 0;
    for (const struct xml_node *it = node->first_child; it != NULL; it = it->next) {
        count += strcmp(it->name, name) == 0;
    }
    return count;
}

/* ---- CreateBucketConfiguration ---- */

enum s3_code s3_body_create_bucket(struct arena *arena, bytes body, bytes *ret_location,
                                   struct s3_error *error)
{
    *ret_location = (bytes){NULL, 0};
    if (is_blank(body)) {
        return S3_OK;
    }
    const struct xml_node *root;
    S3_TRY(parse(arena, body, "CreateBucketConfiguration", &root, error));
    const struct xml_node *tags = xml_child(root, "Tags");
    if (xml_child(root, "Location") != NULL || xml_child(root, "Bucket") != NULL ||
        (tags != NULL && tags->first_child != NULL)) {
        return s3_refuse_text(error, S3_ERR_NOT_IMPLEMENTED,
                              "Directory buckets and bucket tags are not implemented");
    }
    bytes location = xml_child_text(root, "LocationConstraint");
    if (location.data != NULL && trimmed(location).len > 0) {
        *ret_location = trimmed(location);
    }
    return S3_OK;
}

/* ---- Delete ---- */

static enum s3_code read_delete_item(const struct xml_node *node, i64 now_s,
                                     struct s3_delete_item *item, struct s3_error *error)
{
    item->key = xml_child_text(node, "Key");
    if (item->key.data == NULL) {
        return malformed(error);
    }
    bytes version = xml_child_text(node, "VersionId");
    if (version.len > 0) {
        item->version_id = version;
    }
    struct s3_conditions *conditions = &item->conditions;
    conditions->if_match = xml_child_text(node, "ETag");
    bytes size = xml_child_text(node, "Size");
    if (size.data != NULL) {
        conditions->has_size = true;
        if (!parse_u64(&conditions->size, trimmed(size))) {
            return malformed(error);
        }
    }
    bytes time = xml_child_text(node, "LastModifiedTime");
    if (time.data != NULL) {
        conditions->has_modified_time = true;
        if (!s3_date_read_http(&conditions->modified_time_s, trimmed(time), now_s) &&
            !s3_date_read_iso(&conditions->modified_time_s, trimmed(time))) {
            return malformed(error);
        }
    }
    return S3_OK;
}

enum s3_code s3_body_delete(struct arena *arena, bytes body, i64 now_s,
                            struct s3_delete *ret_delete, struct s3_error *error)
{
    const struct xml_node *root;
    S3_TRY(parse(arena, body, "Delete", &root, error));
    size_t count = count_children(root, "Object");
    if (count == 0 || count > S3_DELETE_KEYS_MAX) {
        return malformed(error);
    }
    struct s3_delete result = {.items = ARENA_ARRAY(arena, struct s3_delete_item, count)};
    if (result.items == NULL) {
        return s3_refuse(error, S3_ERR_INTERNAL);
    }
    for (const struct xml_node *it = root->first_child; it != NULL; it = it->next) {
        if (strcmp(it->name, "Object") == 0) {
            S3_TRY(read_delete_item(it, now_s, &result.items[result.count], error));
            result.count++;
        }
    }
    bytes quiet = trimmed(xml_child_text(root, "Quiet"));
    result.quiet = bytes_eq_nocase(quiet, bytes_str("true"));
    if (quiet.len > 0 && !result.quiet && !bytes_eq_nocase(quiet, bytes_str("false"))) {
        return malformed(error);
    }
    *ret_delete = result;
    return S3_OK;
}

/* ---- CompleteMultipartUpload ---- */

static enum s3_code read_part_checksum(const struct xml_node *node, struct s3_complete_part *part,
                                       struct s3_error *error)
{
    for (int i = S3_ALGORITHM_NONE + 1; i < S3_ALGORITHM_COUNT; i++) {
        enum s3_algorithm algorithm = (enum s3_algorithm)i;
        bytes text = xml_child_text(node, s3_algorithm_element(algorithm));
        if (text.data == NULL) {
            continue;
        }
        if (part->checksum.algorithm != S3_ALGORITHM_NONE ||
            !s3_checksum_read(&part->checksum, algorithm, trimmed(text)) ||
            part->checksum.part_count != 0) {
            s3_refuse(error, S3_ERR_INVALID_PART);
            s3_error_add_u64(error, "PartNumber", part->number);
            s3_error_add(error, "ETag", part->etag);
            return S3_ERR_INVALID_PART;
        }
    }
    return S3_OK;
}

static enum s3_code read_part(const struct xml_node *node, struct s3_complete_part *part,
                              struct s3_error *error)
{
    bytes number = xml_child_text(node, "PartNumber");
    bytes etag = xml_child_text(node, "ETag");
    u64 value;
    if (number.data == NULL || etag.data == NULL || !parse_u64(&value, trimmed(number))) {
        return malformed(error);
    }
    if (value < 1 || value > S3_PART_NUMBER_MAX) {
        return s3_refuse_argument(error, "PartNumber must be between 1 and 10000", "PartNumber",
                                  trimmed(number));
    }
    part->number = (u32)value;
    part->etag = s3_etag_strip(trimmed(etag));
    return read_part_checksum(node, part, error);
}

enum s3_code s3_body_complete(struct arena *arena, bytes body, struct s3_complete *ret_complete,
                              struct s3_error *error)
{
    const struct xml_node *root;
    S3_TRY(parse(arena, body, "CompleteMultipartUpload", &root, error));
    size_t count = count_children(root, "Part");
    if (count == 0 || count > S3_COMPLETE_PARTS_MAX) {
        return malformed(error);
    }
    struct s3_complete result = {.parts = ARENA_ARRAY(arena, struct s3_complete_part, count)};
    if (result.parts == NULL) {
        return s3_refuse(error, S3_ERR_INTERNAL);
    }
    for (const struct xml_node *it = root->first_child; it != NULL; it = it->next) {
        if (strcmp(it->name, "Part") == 0) {
            S3_TRY(read_part(it, &result.parts[result.count], error));
            result.count++;
        }
    }
    *ret_complete = result;
    return S3_OK;
}

/* ---- AccessControlPolicy ---- */

static enum s3_code check_grant(const struct xml_node *grant, bytes owner_id,
                                struct s3_error *error)
{
    static const char *const permissions[] = {"FULL_CONTROL", "WRITE", "WRITE_ACP", "READ",
                                              "READ_ACP"};
    const struct xml_node *grantee = xml_child(grant, "Grantee");
    bytes permission = trimmed(xml_child_text(grant, "Permission"));
    if (grantee == NULL) {
        return malformed(error);
    }
    bool known = false;
    for (size_t i = 0; i < COUNT_OF(permissions); i++) {
        known = known || bytes_eq_str(permission, permissions[i]);
    }
    if (!known) {
        return malformed(error);
    }
    bool is_owner = bytes_eq(trimmed(xml_child_text(grantee, "ID")), owner_id);
    return is_owner && bytes_eq_str(permission, permissions[0])
               ? S3_OK
               : s3_refuse(error, S3_ERR_ACL_NOT_SUPPORTED);
}

enum s3_code s3_body_acl(struct arena *arena, bytes body, bytes owner_id, struct s3_error *error)
{
    if (is_blank(body)) {
        return S3_OK;
    }
    const struct xml_node *root;
    S3_TRY(parse(arena, body, "AccessControlPolicy", &root, error));
    const struct xml_node *list = xml_child(root, "AccessControlList");
    if (list == NULL || xml_child(root, "Owner") == NULL) {
        return malformed(error);
    }
    if (!bytes_eq(trimmed(xml_child_text(xml_child(root, "Owner"), "ID")), owner_id)) {
        return s3_refuse(error, S3_ERR_ACCESS_DENIED);
    }
    for (const struct xml_node *it = list->first_child; it != NULL; it = it->next) {
        S3_TRY(check_grant(it, owner_id, error));
    }
    return list->first_child != NULL ? S3_OK : s3_refuse(error, S3_ERR_ACL_NOT_SUPPORTED);
}

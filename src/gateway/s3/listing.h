/* listing.h: ListObjects, ListObjectsV2, ListObjectVersions and ListMultipartUploads.
 *
 * All four are one walk over an ordered source: keys by their UTF-8 bytes, and under one key the
 * versions (newest first) or uploads (oldest first). The source is two functions over somebody's
 * index; a page holds at most 1,000 entries and nothing else is kept.
 *
 * With a delimiter, keys that have it behind the prefix roll up into one CommonPrefix, which counts
 * as one entry. The walk does not scan what rolls up: it seeks to the first key behind the common
 * prefix, so a page costs at most max-keys + 1 seeks however many keys lie beneath.
 *
 * A marker that lies inside a common prefix continues behind that whole prefix: this is how a page
 * that ended with a common prefix goes on without repeating it.
 *
 * The continuation token of V2 is opaque to clients and carries the last key of the page; a token
 * that is not one of ours is InvalidArgument. A marker gives nothing away that its sender did not
 * know, and listing needs the same permission on every page, so the token is not sealed.
 */
#ifndef GATEWAY_S3_LISTING_H
#define GATEWAY_S3_LISTING_H

#include "gateway/s3/checksum.h"

#define S3_LIST_ENTRIES_MAX 1000

struct s3_owner {
    bytes id;
    bytes display_name;
};

struct s3_list_entry {
    bytes key;
    bytes id; /* of the version ("null") or the upload; empty in object listings */
    bool is_latest;
    bool is_delete_marker;
    u64 size;
    u64 modified_ms; /* uploads: when they were created */
    bytes etag;      /* with quotes */
    bytes storage_class;
    enum s3_algorithm algorithm; /* NONE: not shown */
    enum s3_checksum_type checksum_type;
    struct s3_owner owner;
};

/* An ordered index. Ranges of an entry are borrowed until the next call. Faults end the listing. */
struct s3_list_source {
    void *ctx;
    /* seek: next() continues with the first entry whose key is >= from; if after_id has data, with
     * the first one behind the entry (from, after_id), whether that still exists or not. */
    err (*seek)(void *ctx, bytes from, bytes after_id);
    /* next: false in *ret_found: the end. */
    err (*next)(void *ctx, struct s3_list_entry *ret_entry, bool *ret_found);
};

struct s3_list_params {
    enum s3_op op; /* S3_OP_LIST_OBJECTS, _V2, _OBJECT_VERSIONS or _MULTIPART_UPLOADS */
    bytes prefix;
    bytes delimiter; /* empty: none */
    bool url;        /* encoding-type=url */
    u32 max;         /* 0..1000 */
    bytes marker;    /* marker, start-after or key-marker, as given; for the answer */
    bool has_marker;
    bytes marker_id; /* version-id-marker or upload-id-marker; data NULL: none */
    bytes token;     /* continuation-token, as given; data NULL: none */
    bytes position;  /* where to go on: of the token if there is one, else the marker */
    bool fetch_owner;
};

struct s3_list_page {
    struct s3_list_entry *entries;
    size_t entry_count;
    bytes *prefixes;
    size_t prefix_count;
    bool truncated;
    bytes next_key; /* if truncated: the last key or common prefix */
    bytes next_id;  /* data NULL if the page ended with a common prefix */
};

/* s3_list_parse: InvalidArgument (max-keys and its like, encoding-type, continuation-token,
 * version-id-marker without key-marker). */
MUST_USE enum s3_code s3_list_parse(struct arena *arena, const struct s3_request *request,
                                    struct s3_list_params *ret_params, struct s3_error *error);
/* s3_list_run: one page, copied into the arena. Faults of the source, ERR_LIMIT. */
err s3_list_run(struct arena *arena, const struct s3_list_params *params,
                const struct s3_list_source *source, struct s3_list_page *ret_page);
/* s3_list_write: the XML answer. */
void s3_list_write(struct buf *out, const struct s3_list_params *params,
                   const struct s3_list_page *page, bytes bucket);

/* s3_prefix_successor: the least byte string behind everything that starts with prefix; false if
 * there is none (all bytes 0xFF). */
MUST_USE bool s3_prefix_successor(struct arena *arena, bytes prefix, bytes *ret_successor);
/* s3_list_token, s3_list_token_read: of V2. Data NULL if the arena is full; false if no token. */
bytes s3_list_token(struct arena *arena, bytes key);
MUST_USE bool s3_list_token_read(struct arena *arena, bytes token, bytes *ret_key);
/* s3_put_name: an element whose text is percent-encoded if `url`. */
void s3_put_name(struct buf *out, const char *element, bytes text, bool url);
/* s3_put_owner: <element><ID/><DisplayName/></element>. */
void s3_put_owner(struct buf *out, const char *element, const struct s3_owner *owner);
/* s3_number_parameter: a bounded count from the query: `value_default` if absent or empty, values
 * past `max` are cut to it. InvalidArgument naming the parameter. */
MUST_USE enum s3_code s3_number_parameter(const struct s3_request *request, const char *name,
                                          u32 value_default, u32 max, u32 *ret_value,
                                          struct s3_error *error);

#endif

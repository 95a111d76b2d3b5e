/* object_headers.h: the headers that an object keeps, and how they come back.
 *
 * Kept with an object: Cache-Control, Content-Disposition, Content-Encoding (without aws-chunked),
 * Content-Language, Content-Type, Expires, x-amz-storage-class and x-amz-meta-*; as a list of
 * lower-case names and values, in that order, metadata in order of arrival with repeated names
 * joined by commas. The list is what the journal stores and what a GET sends back, byte for byte.
 *
 * Headers that ask for something this gateway does not do (server-side encryption with customer
 * keys, tags, locks, redirects, public ACLs) are refused by name: an object is never stored with a
 * promise that is not kept.
 */
#ifndef GATEWAY_S3_OBJECT_HEADERS_H
#define GATEWAY_S3_OBJECT_HEADERS_H

#include "gateway/s3/auth.h"
#include "gateway/s3/names.h"

#define S3_STORED_HEADERS_MAX 128
#define S3_STORED_VALUE_BYTES_MAX 4096
#define S3_DEFAULT_CONTENT_TYPE "binary/octet-stream"

struct s3_stored_headers {
    struct s3_header *items; /* lower-case names; in the arena */
    size_t count;
};

/* s3_stored_headers_parse: of PutObject, CreateMultipartUpload and a CopyObject that replaces.
 * Content-Type is always there. Refusals: MetadataTooLarge (Size, MaxSizeAllowed),
 * InvalidStorageClass, InvalidArgument (control bytes or over-long values). */
MUST_USE enum s3_code s3_stored_headers_parse(struct arena *arena, const struct s3_request *request,
                                              struct s3_stored_headers *ret_headers,
                                              struct s3_error *error);
/* s3_stored_headers_find: by lower-case name; data NULL if absent. */
bytes s3_stored_headers_find(const struct s3_stored_headers *headers, const char *name);
/* s3_storage_class: of the stored headers, "STANDARD" if none was given. */
bytes s3_storage_class(const struct s3_stored_headers *headers);

/* s3_object_headers_check: refuses what is asked for and not done; for every operation that makes
 * an object, an upload or a bucket. NotImplemented (Header), AccessControlListNotSupported,
 * InvalidArgument (unknown ACL), InvalidRequest (object lock), InvalidEncryptionAlgorithmError. */
MUST_USE enum s3_code s3_object_headers_check(const struct s3_request *request,
                                              struct s3_error *error);

/* s3_expected_owner_check: AccessDenied if the header (x-amz-expected-bucket-owner, or for the
 * source of a copy x-amz-source-expected-bucket-owner) is there and names somebody else. */
MUST_USE enum s3_code s3_expected_owner_check(const struct s3_request *request, const char *header,
                                              bytes owner_id, struct s3_error *error);

/* s3_reply_headers: what GET and HEAD send of the stored headers: all but STANDARD storage class,
 * with the response-* parameters of a signed request put in place. InvalidRequest if an anonymous
 * request uses those. */
MUST_USE enum s3_code s3_reply_headers(struct arena *arena, const struct s3_request *request,
                                       enum s3_auth_kind kind,
                                       const struct s3_stored_headers *stored,
                                       struct s3_stored_headers *ret_headers,
                                       struct s3_error *error);

enum s3_directive { S3_DIRECTIVE_COPY, S3_DIRECTIVE_REPLACE };

/* s3_copy_directive: x-amz-metadata-directive, COPY if absent; x-amz-tagging-directive is checked
 * too. InvalidArgument if it is neither. */
MUST_USE enum s3_code s3_copy_directive(const struct s3_request *request,
                                        enum s3_directive *ret_directive, struct s3_error *error);
/* s3_copy_headers: what a copy stores. COPY: the source's, with the request's storage class if it
 * names one (S3 gives STANDARD otherwise). REPLACE: the request's. `same_object`: source and
 * destination are one key without a version: then something must change, else InvalidRequest. */
MUST_USE enum s3_code s3_copy_headers(struct arena *arena, const struct s3_request *request,
                                      const struct s3_stored_headers *source, bool same_object,
                                      struct s3_stored_headers *ret_headers,
                                      struct s3_error *error);

#endif

/* names.h: which bucket names and object keys are allowed, and how much metadata.
 *
 * Bucket names follow the general purpose rules of Amazon S3 (they are also DNS labels, because
 * virtual-host style puts them into a host name): 3 to 63 of a-z 0-9 - . with a letter or digit at
 * both ends and around every dot, no IPv4 address, none of the reserved prefixes and suffixes.
 *
 * A key is any UTF-8 of 1 to 1,024 bytes. It is a name, never a path: "..", "//", a leading slash
 * and zero bytes are ordinary. What is not UTF-8 is refused, because no XML answer could name it.
 */
#ifndef GATEWAY_S3_NAMES_H
#define GATEWAY_S3_NAMES_H

#include "gateway/s3/error.h"

#define S3_BUCKET_NAME_BYTES_MIN 3
#define S3_BUCKET_NAME_BYTES_MAX 63
#define S3_KEY_BYTES_MAX 1024
#define S3_METADATA_BYTES_MAX 2048 /* names without x-amz-meta-, and values */

bool s3_utf8_valid(bytes text);
bool s3_bucket_name_valid(bytes name);
/* s3_bucket_check: InvalidBucketName with BucketName. */
MUST_USE enum s3_code s3_bucket_check(bytes name, struct s3_error *error);
/* s3_key_check: KeyTooLongError with Size and MaxSizeAllowed; InvalidURI for an empty key or one
 * that is not UTF-8. */
MUST_USE enum s3_code s3_key_check(bytes key, struct s3_error *error);

#endif

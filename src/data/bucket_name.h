/* bucket_name.h: what a bucket is called, as the chain keeps it: encrypted for the owner.
 *
 * nonce (24) ‖ XChaCha20-Poly1305 of the name, padded with zeros to 64 bytes, under a key derived
 * from the territory key; associated data is the bucket id. So every entry is equally long, only
 * who has the territory key can tell names, and an entry cannot be moved to another bucket.
 *
 * A bucket's id is H(owner ‖ salt). Its salt is derived from territory key, name and round, which
 * is how many buckets of that name were removed before: so making a bucket again after a fault, or
 * from another gateway, makes the same one, and nobody without the key can tell which names are
 * there. The owner's system bucket, which holds the S3 keys of his users and the envelope of his
 * master key, has a fixed salt: it is found with nothing but the owner's address.
 */
#ifndef DATA_BUCKET_NAME_H
#define DATA_BUCKET_NAME_H

#include "data/keys.h"

#define BUCKET_NAME_CHARS_MAX 63
#define BUCKET_NAME_PADDED_BYTES 64
#define SEALED_BUCKET_NAME_BYTES (24 + BUCKET_NAME_PADDED_BYTES + AEAD_TAG_BYTES)
#define SYSTEM_BUCKET_NAME ".system"

/* bucket_name_seal: name has 1..BUCKET_NAME_CHARS_MAX bytes, none of them zero; nonce is fresh. */
void bucket_name_seal(u8 out[SEALED_BUCKET_NAME_BYTES], const struct territory_key *territory,
                      const struct hash *bucket, bytes name, const u8 nonce[24]);
/* bucket_name_open: a zero-terminated name. False: not made for this key and bucket, or no name. */
MUST_USE bool bucket_name_open(char out[BUCKET_NAME_CHARS_MAX + 1],
                               const struct territory_key *territory, const struct hash *bucket,
                               bytes sealed);
/* bucket_salt: of an ordinary bucket. */
void bucket_salt(struct hash *ret_salt, const struct territory_key *territory, bytes name,
                 u32 round);
/* system_bucket_salt: the same for every owner. */
void system_bucket_salt(struct hash *ret_salt);

#endif

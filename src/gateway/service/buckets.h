/* buckets.h: buckets on chain: making and finding them. Internal to the service. */
#ifndef GATEWAY_SERVICE_BUCKETS_H
#define GATEWAY_SERVICE_BUCKETS_H

#include "base/assert.h"
#include "data/bucket_name.h"
#include "gateway/service/internal.h"

/* system_bucket: the owner's; made in his default territory if there is none yet. ERR_NOT_FOUND: he
 * has no territory here. */
err system_bucket(struct gateway *gateway, const struct address *owner, u64 deadline_ms,
                  struct index_bucket *ret_bucket);
/* bucket_adopt: puts a bucket that the chain shows into the index, or brings its record there up to
 * date; its content is catchup's. *ret_bucket: as it is in the index now. ERR_INTEGRITY: its name
 * does not open with the territory's key. */
err bucket_adopt(struct gateway *gateway, const struct territory *territory,
                 const struct hash *bucket, const struct bucket_record *record, bytes sealed_name,
                 struct index_bucket *ret_bucket);
/* bucket_forget: a bucket that the chain shows as removed. */
err bucket_forget(struct gateway *gateway, const struct hash *bucket);

#endif

/* spool.h: the ciphertext of a segment on the gateway's own disk, until every holder has its part.
 *
 * One file per segment, SPOOL_DIR/TERRITORY.GATEWAY.NUMBER: a block of 4 KiB for the seal (zero
 * until the segment is sealed), then the segment's bytes. Never synced: it saves work after a
 * failed holder or a restart, but nothing that was answered depends on it. What is read back is
 * checked against the seal's roots before it is used.
 */
#ifndef TRANSFER_SPOOL_H
#define TRANSFER_SPOOL_H

#include "os/file.h"
#include "transfer/seal.h"

#define SPOOL_HEAD_BYTES KIB(4)

struct spool {
    struct file *file;
    char path[PATH_BYTES_MAX];
};

void spool_path(char out[PATH_BYTES_MAX], const char *dir, const struct segment_key *key);
err spool_create(struct spool *spool, const char *dir, const struct segment_key *key);
/* spool_write: at an offset of the segment. */
err spool_write(struct spool *spool, u32 offset, bytes in);
err spool_seal(struct spool *spool, const struct segment_seal *seal);
/* spool_open: for reading; ERR_NOT_FOUND: none, or it was never sealed or is another segment. */
err spool_open(struct spool *spool, const char *dir, const struct segment_seal *seal);
err spool_read(struct spool *spool, u32 offset, void *out, size_t len);
void spool_close(struct spool *spool);
/* spool_remove: no fault if absent. */
void spool_remove(const char *dir, const struct segment_key *key);

#endif

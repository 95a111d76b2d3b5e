/* segment_put.h: a segment on its way out: encoded row by row, streamed to n holders at once.
 *
 * Holders are drawn when the segment is opened (placement.h), before its first byte. Each row is
 * encoded, hashed on workers and sent to every holder by a fiber of its own with a bounded queue.
 * The ciphertext is kept beside in a spool file, so that a holder that fails is replaced by a
 * further draw and gets its fragment again from there, then or after the answer. seal() ends the
 * segment and returns once a quorum of receipts is in; the rest may follow (segment_put_late).
 */
#ifndef TRANSFER_SEGMENT_PUT_H
#define TRANSFER_SEGMENT_PUT_H

#include "transfer/store_client.h"

struct segment_put;

struct segment_put_options {
    struct loop *loop;
    struct chain *chain;
    struct directory *directory;
    struct http_client *http;
    const struct store_identity *who;
    const char *spool_dir;
    struct segment_key key;       /* a fresh number of the (territory, gateway) pair */
    enum redundancy class_number;
    u64 stall_timeout_ms;         /* 0: 10 s without progress of one holder */
};

/* segment_put_open: reads epoch seed and candidates, draws, connects in the background.
 * ERR_REFUSED: not enough eligible providers (counts in the log). */
err segment_put_open(const struct segment_put_options *options, u64 deadline_ms,
                     struct segment_put **ret_put);
u32 segment_put_length(const struct segment_put *put);      /* bytes so far */
struct segment_key segment_put_key(const struct segment_put *put);
/* segment_put_write: appends; in.len must fit SEGMENT_BYTES_MAX - length. Waits for slow holders
 * (back-pressure) but goes on with a quorum of them. */
err segment_put_write(struct segment_put *put, bytes in, u64 deadline_ms);
/* segment_put_seal: ends the stream; ok once k + ⌈m/2⌉ receipts are in: *ret_entry is ready for a
 * commit. After a short grace (holders that are nearly done) it returns without the rest. */
err segment_put_seal(struct segment_put *put, u64 deadline_ms, struct segment_entry *ret_entry,
                     struct segment_seal *ret_seal);
/* segment_put_free: stops what still runs; keeps the spool file if receipts are missing (its path is
 * spool_dir/TERRITORY.GATEWAY.NUMBER: header record, then ciphertext), else removes it. */
void segment_put_free(struct segment_put *put);

/* segment_put_resend: for a registered segment that lacks holders: places the missing fragments from
 * the spool file (or, if there is none, from k holders) by a fresh draw and returns the receipts. */
err segment_put_resend(const struct segment_put_options *options, const struct segment_seal *seal,
                       const u8 *missing, u8 missing_count, u64 deadline_ms,
                       struct segment_entry *ret_late);

#endif

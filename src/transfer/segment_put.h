/* segment_put.h: a segment on its way out: encoded row by row, streamed to n holders at once.
 *
 * Holders are drawn when the segment is opened (placement.h), before its first byte. Each row is
 * encoded, hashed on workers and sent to every holder by a fiber of its own with a bounded queue.
 * The ciphertext is kept beside in a spool file, so that a holder that fails is replaced by a
 * further draw and gets its fragment again from there, then or after the answer. seal() ends the
 * segment and returns once a quorum of receipts is in; the rest may follow
 * (segment_put_late). */
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
    struct segment_key key; /* a fresh number of the (territory, gateway) pair */
    enum redundancy class_number;
    u64 stall_timeout_ms; /* 0: 10 s without progress of one holder */
    struct group *fibers; /* of all uploads: wait for it before closing what is named here */
};

/* segment_put_open: reads epoch seed and candidates, draws, connects in the background.
 * ERR_REFUSED: not enough eligible providers (counts in the log). */
err segment_put_open(const struct segment_put_options *options, u64 deadline_ms,
                     struct segment_put **ret_put);
u32 segment_put_length(const struct segment_put *put); /* bytes so far */
struct segment_key segment_put_key(const struct segment_put *put);
/* segment_put_write: appends; in.len must fit SEGMENT_BYTES_MAX - length. Waits for slow holders
 * (back-pressure) but goes on with a quorum of them. */
err segment_put_write(struct segment_put *put, bytes in, u64 deadline_ms);
/* segment_put_seal: ends the stream; ok once k + ⌈m/2⌉ receipts are in: *ret_entry is ready for a
 * commit. After a short grace (holders that are nearly done) it returns without the rest. */
err segment_put_seal(struct segment_put *put, u64 deadline_ms, struct segment_entry *ret_entry,
                     struct segment_seal *ret_seal);
/* segment_put_late: after seal: waits until the holders that were left behind have ended, too, or
 * the deadline; *ret_late has the receipts that came since (maybe none). */
err segment_put_late(struct segment_put *put, u64 deadline_ms, struct segment_entry *ret_late);
/* segment_put_passed: the ticket's epoch has passed: seal soon, or the ledger will not take it. */
bool segment_put_passed(const struct segment_put *put);
/* segment_put_free: stops what still runs, without waiting for it. The spool file stays (spool.h):
 * its user removes it once all n holders are final. */
void segment_put_free(struct segment_put *put);

/* segment_put_resend: for a segment that lacks holders: places the missing fragments by a fresh
 * repair draw from the spool file and returns the receipts for a complete (or repair) transaction.
 * `holders` are those it has (their caps count). ERR_NOT_FOUND: no spool file; use
 * segment_rebuild(). At least one receipt, maybe not all: ret_late->receipt_count. */
err segment_put_resend(const struct segment_put_options *options, const struct segment_seal *seal,
                       const struct placement_holder *holders, size_t holder_count,
                       const u8 *missing, u8 missing_count, u64 deadline_ms,
                       struct segment_entry *ret_late);

/* segment_put_reissue: an entry whose commit was refused because its ticket or its receipts had
 * expired gets the open epoch and fresh receipts from the same holders. Holders that the new draw
 * does not name, or that no longer answer, are left out: ERR_NETWORK if a quorum is not reached. */
err segment_put_reissue(const struct segment_put_options *options, const struct segment_seal *seal,
                        u64 deadline_ms, struct segment_entry *entry);

#endif

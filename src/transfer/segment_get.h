/* segment_get.h: reading segments back: any k of n, verified, hedged, streamed from the first row.
 *
 * The chain names a segment's holders and its id; its roots come from any holder and are checked
 * against the id; bytes come in 64 KiB runs checked against the roots. Healthy: the data fragments
 * that the range touches are read. When a holder fails, stalls past the hedge time or lies, the
 * next best holder takes over and missing units are decoded. Wrong bytes never leave this
 * file. */
#ifndef TRANSFER_SEGMENT_GET_H
#define TRANSFER_SEGMENT_GET_H

#include "transfer/store_client.h"

struct segment_source; /* shared context of reads: chain, directory, caches of records and roots */

struct segment_source_options {
    struct loop *loop;
    struct chain *chain;
    struct directory *directory;
    struct http_client *http;
    const struct store_identity *who;
    u64 hedge_ms; /* 0: 1500, or the holder's p95 if known */
};

err segment_source_new(const struct segment_source_options *options,
                       struct segment_source **ret_source);
void segment_source_free(struct segment_source *source);
/* segment_source_hint: a segment that this process has just sealed, before the chain shows it. */
void segment_source_hint(struct segment_source *source, const struct segment_entry *entry,
                         const struct segment_seal *seal);

struct segment_get;

/* segment_get_open: [offset, offset + length) of the segment's bytes.
 * ERR_NOT_FOUND: no such segment on chain. ERR_NETWORK: fewer than k holders answer ("k of n",
 * within seconds). */
err segment_get_open(struct segment_source *source, const struct segment_key *key, u32 offset,
                     u32 length, u64 deadline_ms, struct segment_get **ret_get);
/* segment_get_next: the next 1..cap bytes in order; 0: done. */
err segment_get_next(struct segment_get *get, void *out, size_t cap, u64 deadline_ms,
                     size_t *ret_len);
void segment_get_close(struct segment_get *get);

/* segment_rebuild: streams the wanted fragments of a segment, rebuilt from k others, each to a
 * fresh holder drawn by the segment's own repair ticket; returns receipts for a repair
 * transaction. */
struct rebuild_result {
    struct segment_seal seal;
    u64 epoch; /* of the draw, for the entry of the transaction */
    u8 count;
    struct holder_receipt receipts[FRAGMENTS_MAX];
    u64 bytes_read;
    u64 bytes_written;
};
/* segment_rebuild: ERR_REFUSED: nobody can be drawn. At least one receipt, maybe not all wanted. */
err segment_rebuild(struct segment_source *source, const struct segment_key *key, const u8 *wanted,
                    u8 wanted_count, u64 deadline_ms, struct rebuild_result *ret_result);

#endif

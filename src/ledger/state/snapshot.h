/* snapshot.h: the whole state of a height as parts that can each be checked alone.
 *
 * A node that begins late asks others for a snapshot instead of executing every block since
 * genesis. It knows the state root from a header it trusts. A part is a range of the accounts, a
 * range of one account's storage, or code; ranges carry the trie's nodes at their two edges
 * (exec/range_proof.h), so a part that leaves something out, adds or changes something is refused
 * as soon as it comes, whoever sent it.
 *
 * Writing: a snapshot_writer walks the flat tables of one read transaction, which stands still
 * whatever the ledger commits meanwhile; every call makes one part of about SNAPSHOT_PART_BYTES.
 * Reading: a snapshot_reader fills a new store part by part, in order; the store has no head before
 * snapshot_reader_finish() and starts again from nothing if the reader was interrupted.
 *
 * Layout of the parts: docs/formats/snapshot.md.
 */
#ifndef LEDGER_STATE_SNAPSHOT_H
#define LEDGER_STATE_SNAPSHOT_H

#include "ledger/state/state.h"

#define SNAPSHOT_PART_BYTES KIB(512)   /* of entries; a part ends after the one that exceeds it */
#define SNAPSHOT_PART_BYTES_MAX MIB(1) /* entries, edges and all */

struct snapshot_writer;

/* snapshot_writer_open: of the state at the head. */
err snapshot_writer_open(struct state *state, struct snapshot_writer **ret_writer);
void snapshot_writer_close(struct snapshot_writer *writer);
struct state_head snapshot_writer_head(const struct snapshot_writer *writer);
/* snapshot_writer_next: appends a part to `out`; *ret_more false (and nothing appended) after the
 * last one. Blocks for milliseconds: call it on a worker. */
err snapshot_writer_next(struct snapshot_writer *writer, struct buf *out, bool *ret_more);

struct snapshot_reader;

/* snapshot_reader_open: into a store that is new; what an interrupted reader left in it is dropped.
 * ERR_USAGE: the store has a head. */
err snapshot_reader_open(struct state *state, const struct hash *root,
                         struct snapshot_reader **ret_reader);
void snapshot_reader_close(struct snapshot_reader *reader);

enum snapshot_verdict {
    SNAPSHOT_ACCEPTED,
    SNAPSHOT_REFUSED,   /* the part is not what it should be; the next try may bring a right one */
    SNAPSHOT_MISPLACED, /* a right part, but not the one that comes next */
};
/* snapshot_reader_part: checks and keeps a part. */
err snapshot_reader_part(struct snapshot_reader *reader, bytes part,
                         enum snapshot_verdict *ret_verdict);
/* snapshot_reader_finish: makes `block` the head of the store. ERR_INTEGRITY: parts are missing. */
err snapshot_reader_finish(struct snapshot_reader *reader, const struct state_block *block,
                           const struct state_meta *metas, size_t meta_count);

#endif

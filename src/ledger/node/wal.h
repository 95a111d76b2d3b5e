/* wal.h: the log of decided blocks.
 *
 * A block is signed, written here and made durable, and only then executed and shown. So a node
 * that restarts knows what it has signed: it executes that block again and never signs another one
 * for the height.
 *
 * A file with two slots; the entry of height h goes to slot h mod 2, so writing one leaves the
 * one before it whole. An entry whose digest does not match was not finished when the power
 * failed: nothing of its block had been seen, and the height is free. docs/formats/decided_log.md.
 */
#ifndef LEDGER_NODE_WAL_H
#define LEDGER_NODE_WAL_H

#include "ledger/block/consensus.h"
#include "os/file.h"

#define WAL_HEAD_BYTES 48u /* kind, version, length, height, digest */
#define WAL_SLOT_BYTES ((WAL_HEAD_BYTES + DECIDED_BYTES_MAX + KIB(4) - 1) / KIB(4) * KIB(4))

struct wal;

/* wal_open: makes the file if absent (durably). */
err wal_open(const char *path, struct wal **ret_wal);
void wal_close(struct wal *wal);
/* wal_last: the entry with the greatest height; ret_decided borrows from arena. ERR_NOT_FOUND:
 * there is none. ERR_INTEGRITY: a whole entry that holds no consistent block. */
err wal_last(struct wal *wal, struct arena *arena, struct decided *ret_decided);
/* wal_write: returns when it is durable. Blocks: call it on a worker. */
err wal_write(struct wal *wal, const struct decided *decided);
/* wal_entry_decode: an entry's bytes, as read from a slot; ERR_NOT_FOUND: no whole entry. */
err wal_entry_decode(struct arena *arena, bytes slot, struct decided *ret_decided);

#endif

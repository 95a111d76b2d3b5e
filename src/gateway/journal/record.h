/* record.h: the journal of a bucket: hash-linked, encrypted commits. Pure.
 *
 * A record, as stored in a segment:
 *   head: kind, version, kind of record, bucket id, sequence u64, previous head (hash, locator),
 *         snapshot locator (the newest snapshot before this record, zero if none), label version
 *         u32, wrapped record key (data/keys.h),
 *   body: XChaCha20-Poly1305 under the record key, aad = head.
 * A record key is random and used once; it is wrapped for the bucket's label key. The head hash
 * that goes on chain is SHA-256 over the whole record. The body is a list of operations in order.
 *
 * A snapshot record has the same form and its place in the chain of records like any other; its
 * body says up to which record it reaches (`base`, which may be older than its predecessor: commits
 * go on while a snapshot is written) and names one extent that holds the sorted table of all
 * entries (operations again, encoded one after another), encrypted like any object. So a bucket is
 * the table of its newest snapshot and the records after that snapshot's base, the snapshot itself
 * left out.
 *
 * Small objects lie inside the records that put them. A table does not store them again: for each
 * older record that still has live ones it has one JOURNAL_KEPT, which names the record and which
 * of its operations are live, with a mark of each key so that one key is found without reading
 * every record. Only a record of which little is left has its live objects copied into the table.
 *
 * An envelope record is the first one of an owner's system bucket: its body is the master key's
 * envelope (data/keys.h) in clear, for whoever has the passphrase and no label key yet.
 * Layout: docs/formats/journal.md.
 */
#ifndef GATEWAY_JOURNAL_RECORD_H
#define GATEWAY_JOURNAL_RECORD_H

#include "data/extent.h"
#include "data/keys.h"
#include "data/manifest.h"
#include "data/segment.h"

#define JOURNAL_RECORD_BYTES_MAX MIB(8)
#define JOURNAL_OPS_MAX 65536
#define JOURNAL_KEY_BYTES_MAX 1024
#define JOURNAL_CONFIG_NAME_BYTES_MAX 256
#define JOURNAL_PARTS_MAX 10000
#define JOURNAL_RECORD_HEAD_BYTES (2 + 2 + 1 + 32 + 8 + 32 + 20 + 20 + 4 + WRAPPED_KEY_BYTES)
#define JOURNAL_RECORD_OVERHEAD (JOURNAL_RECORD_HEAD_BYTES + AEAD_TAG_BYTES)
#define JOURNAL_RANDOM_BYTES (WRAPPED_KEY_RANDOM_BYTES + 32)

struct journal_head {
    struct hash hash; /* zero: empty bucket */
    struct locator locator;
};

enum journal_kind { JOURNAL_COMMIT = 1, JOURNAL_SNAPSHOT = 2, JOURNAL_ENVELOPE = 3 };

enum journal_op_kind {
    JOURNAL_PUT = 1,    /* key, manifest: an object version replaces the former */
    JOURNAL_DELETE,     /* key */
    JOURNAL_UPLOAD,     /* multipart begun: upload id, key, manifest with headers, no extents */
    JOURNAL_PART,       /* upload id, part number, manifest of the part (one extent) */
    JOURNAL_UPLOAD_END, /* upload id: completed (a JOURNAL_PUT stands in the same record) or aborted
                         */
    JOURNAL_CONFIG,     /* name, value: bucket configuration documents, user records, …; an empty
                         * value removes the document */
    JOURNAL_KEPT,       /* value: a struct journal_kept. In tables of snapshots only */
};

struct journal_op {
    enum journal_op_kind kind;
    bytes key; /* object key, or the name of a configuration document */
    u8 upload[16];
    u32 part;    /* 1..JOURNAL_PARTS_MAX */
    u64 time_ms; /* of the change; last writer wins in a merge */
    bytes value; /* encoded manifest, the document, or a struct journal_kept */
};

/* A record behind the snapshot of which some JOURNAL_PUTs are still live. */
struct journal_kept {
    struct journal_head head;
    u64 sequence;
    bytes live; /* JOURNAL_LIVE_BYTES each, ordinals ascending, at least one */
};

/* journal_record_cost: of reading a record of that length, in bytes: it takes a round trip, too. */
static inline u64 journal_record_cost(u64 length) { return length + KIB(16); }

/* One live operation: its place in the record (0 is the first) u16, the key's mark u32. */
#define JOURNAL_LIVE_BYTES 6

struct journal_live {
    u16 ordinal;
    u32 mark;
};

struct journal_record {
    enum journal_kind kind;
    struct hash bucket;
    u64 sequence;                 /* from 1, without gaps */
    struct journal_head previous; /* zero before sequence 1 */
    struct locator snapshot;
    u32 label_version;
};

/* journal_record_seal: appends the sealed record to `out` (nothing on a fault). random: fresh bytes
 * for capsule, nonce and record key. label may be NULL for JOURNAL_ENVELOPE, whose `ops` stay in
 * clear. ERR_LIMIT over JOURNAL_RECORD_BYTES_MAX; ERR_FAILED: draw other random bytes (negligible),
 * or the label is no point. */
err journal_record_seal(struct buf *out, const struct journal_record *record, bytes ops,
                        const struct secp_public *label, const u8 random[JOURNAL_RANDOM_BYTES]);
/* journal_record_open: parses the head and opens the body into arena. expected may be NULL; label
 * is not looked at for JOURNAL_ENVELOPE (and may be NULL then; for the others it is ERR_INTEGRITY).
 * ERR_MALFORMED; ERR_INTEGRITY if the label key does not open it or the hash is not `expected`. */
err journal_record_open(bytes in, const struct hash *expected, const struct secp_secret *label,
                        struct arena *arena, struct journal_record *ret_record, bytes *ret_ops);
/* journal_record_peek: the head alone, without any key. */
err journal_record_peek(bytes in, struct journal_record *ret_record);

void journal_op_write(struct buf *out, const struct journal_op *op);
/* journal_op_next: takes the first operation off *ops, which is not empty; key and value borrow.
 * ERR_MALFORMED. */
err journal_op_next(bytes *ops, struct journal_op *ret_op);
/* journal_op_valid: everything journal_op_next() checks. */
MUST_USE bool journal_op_valid(const struct journal_op *op);

/* journal_op_inline: bytes of content that an operation carries itself: the object's, if inline. */
u64 journal_op_inline(const struct journal_op *op);

/* journal_key_mark: the first four bytes of the key's SHA-256. */
u32 journal_key_mark(bytes key);
void journal_live_write(struct buf *out, const struct journal_live *live);
/* journal_live_at: i < kept->live.len / JOURNAL_LIVE_BYTES. */
struct journal_live journal_live_at(const struct journal_kept *kept, size_t i);
void journal_kept_write(struct buf *out, const struct journal_kept *kept);
/* journal_kept_read: live borrows from `in`. ERR_MALFORMED. */
err journal_kept_read(struct journal_kept *ret, bytes in);
/* journal_kept_next: walks `ops`, the body of the record that `kept` names: the next operation
 * that is live. *at and *ordinal begin at 0; ERR_NOT_FOUND behind the last; ERR_INTEGRITY if the
 * record is not what `kept` says (an operation is missing, is no put, or has another key). */
err journal_kept_next(const struct journal_kept *kept, bytes *ops, size_t *at, u32 *ordinal,
                      struct journal_op *ret_op);

/* The body of a snapshot record. */
struct journal_snapshot {
    struct journal_head base; /* the table is the state after this record */
    u64 base_sequence;
    u64 entries; /* operations in the table */
    bytes table; /* encoded manifest: of the table */
};
void journal_snapshot_write(struct buf *out, const struct journal_snapshot *snapshot);
/* journal_snapshot_read: table borrows from `in`. ERR_MALFORMED. */
err journal_snapshot_read(struct journal_snapshot *ret, bytes in);

void journal_head_write(struct buf *out, const struct journal_head *head);
struct journal_head journal_head_read(struct reader *in);

#endif

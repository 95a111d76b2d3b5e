/* record.h: the journal of a bucket: hash-linked, encrypted commits. Pure.
 *
 * A record, as stored in a segment:
 *   head: kind, version, bucket id, sequence u64, previous head (hash, locator), label version u32,
 *         snapshot locator (the newest snapshot at or before this record, zero if none), capsule,
 *   body: XChaCha20-Poly1305 under the record key, aad = head.
 * The record key is encapsulated to the bucket's label key (data/keys.h). The head hash that goes on
 * chain is SHA-256 over the whole record. The body is a list of operations in order.
 *
 * A snapshot record has the same form; its body names one extent that holds the sorted table of all
 * entries (operations again, encoded one after another), encrypted like any object.
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

struct journal_head {
    struct hash hash; /* zero: empty bucket */
    struct locator locator;
};

enum journal_kind { JOURNAL_COMMIT = 1, JOURNAL_SNAPSHOT = 2 };

enum journal_op_kind {
    JOURNAL_PUT = 1,      /* key, manifest: an object version replaces the former */
    JOURNAL_DELETE,       /* key */
    JOURNAL_UPLOAD,       /* multipart begun: upload id, key, manifest with headers, no extents */
    JOURNAL_PART,         /* upload id, part number, manifest of the part (one extent) */
    JOURNAL_UPLOAD_END,   /* upload id: completed (a JOURNAL_PUT stands in the same record) or aborted */
    JOURNAL_CONFIG,       /* name, value: bucket configuration documents, user records, … */
};

struct journal_op {
    enum journal_op_kind kind;
    bytes key;        /* object key, or the name of a configuration document */
    u8 upload[16];
    u32 part;
    u64 time_ms;      /* of the change; last writer wins in a merge */
    bytes value;      /* encoded manifest, or the document */
};

struct journal_record {
    enum journal_kind kind;
    struct hash bucket;
    u64 sequence;
    struct journal_head previous;
    struct locator snapshot;
    u32 label_version;
};

/* journal_record_seal: appends the sealed record; random: 64 bytes for the capsule, 24 for the
 * nonce. ERR_LIMIT over JOURNAL_RECORD_BYTES_MAX. */
err journal_record_seal(struct buf *out, const struct journal_record *record, bytes ops,
                        const struct secp_public *label, const u8 random[88]);
/* journal_record_open: parses the head and opens the body into arena. ERR_MALFORMED; ERR_INTEGRITY
 * if the label key does not open it or the hash is not `expected`. */
err journal_record_open(bytes in, const struct hash *expected, const struct secp_secret *label,
                        struct arena *arena, struct journal_record *ret_record, bytes *ret_ops);
/* journal_record_peek: the head alone, without any key. */
err journal_record_peek(bytes in, struct journal_record *ret_record);

void journal_op_write(struct buf *out, const struct journal_op *op);
/* journal_op_next: takes the first operation off *ops. */
err journal_op_next(bytes *ops, struct journal_op *ret_op);

#endif

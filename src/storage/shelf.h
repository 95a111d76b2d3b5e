/* shelf.h: the disk engine of a storage node: fragments on several disks, an index, exact accounts.
 *
 * What a call has confirmed survives kill -9 and power loss; what it has not confirmed leaves no
 * trace but a file that the next start or sweep removes. The order for a long fragment is: file
 * under a temporary name, sync, rename, sync of the folder, then the index entry in one transaction
 * that uploads finishing together share. The index entry alone says what is here. A fragment of up
 * to one run lies in the index itself, cut into pieces that fill its pages: one flush, no rounding.
 *
 * Space: every fragment counts with its exact length, uploads under way with what has arrived; both
 * together never exceed `capacity_bytes`. A disk that is full or fails takes nothing more and is
 * reported (disk.h); the others go on. The index lives in the first path.
 *
 * Of one fragment key one call at a time may change what is there (ERR_BUSY for the second); reads
 * are never disturbed. Calls park the fiber. No HTTP and no chain in here.
 */
#ifndef STORAGE_SHELF_H
#define STORAGE_SHELF_H

#include "storage/disk.h"
#include "storage/entry.h"
#include "storage/index.h"

#define INLINE_BYTES_MAX RUN_BYTES
#define SHELF_CHANGES_MAX 256 /* in one call */
#define COPIES_MAX 1024       /* commit copies kept at once */
#define COPIES_BYTES_MAX MIB(32)
#define COPY_BYTES_MAX KIB(128)

struct shelf;

struct shelf_options {
    const char *const *paths; /* 1..DISKS_MAX folders; the first also holds index/ */
    size_t path_count;
    u64 capacity_bytes; /* of fragments, all disks together */
    u64 reserve_bytes;  /* kept free on every disk; 0: 64 MiB */
};

struct shelf_totals {
    u64 bytes; /* of fragments, exact */
    u64 fragments;
    u64 open_bytes; /* of those: not yet on chain */
    u64 open_fragments;
    u64 reserved_bytes; /* uploads under way */
    u64 capacity_bytes;
    u64 free_bytes; /* what disks that are fine could still take, reserve left out */
};

/* shelf_open: ERR_IO, ERR_NO_SPACE, ERR_INTEGRITY (index damaged), ERR_BUSY (another process). */
err shelf_open(struct loop *loop, const struct shelf_options *options, struct shelf **ret_shelf);
/* shelf_close: no call, writer or reader may be open. NULL is fine. */
void shelf_close(struct shelf *shelf);

struct shelf_totals shelf_totals(const struct shelf *shelf);
/* shelf_open_bytes: open fragments charged to an account. */
u64 shelf_open_bytes(const struct shelf *shelf, const struct address *who);
size_t shelf_disk_count(const struct shelf *shelf);
/* shelf_disk: borrowed, i < shelf_disk_count(). shelf_place_totals: fragments there; place may be
 * PLACE_INDEX. */
const struct disk *shelf_disk(const struct shelf *shelf, size_t i);
void shelf_place_totals(const struct shelf *shelf, u8 place, u64 *ret_bytes, u64 *ret_fragments);
/* shelf_index_state: DISK_FINE while transactions of the index become durable. */
enum disk_state shelf_index_state(const struct shelf *shelf);
u64 shelf_index_commits(const struct shelf *shelf);
/* shelf_probe: refreshes what is known of every disk and of the index; call every few seconds. */
void shelf_probe(struct shelf *shelf);

/* ---- writing ---- */

struct shelf_writer;

/* shelf_writer_open: memory only until the first run is full. ERR_NO_SPACE, ERR_IO: nothing takes
 * new bytes now. */
err shelf_writer_open(struct shelf *shelf, const struct fragment_key *key,
                      struct shelf_writer **ret_writer);
/* shelf_writer_room: where the next bytes go (at most *ret_cap > 0); shelf_writer_took() says how
 * many were put there, 0 at the end. ERR_LIMIT past FRAGMENT_BYTES_MAX, ERR_NO_SPACE, ERR_IO. */
err shelf_writer_room(struct shelf_writer *writer, u8 **ret_at, size_t *ret_cap);
void shelf_writer_took(struct shelf_writer *writer, size_t len);
u32 shelf_writer_length(const struct shelf_writer *writer);
/* shelf_writer_root: of what has arrived, which must not be empty; nothing may follow. ERR_LIMIT,
 * ERR_NO_SPACE, ERR_IO as above. */
err shelf_writer_root(struct shelf_writer *writer, struct hash *ret_root);
/* shelf_writer_commit: makes it durable under entry (place and position are filled in here). The
 * seal fits key, length and root. Ends the writer whatever happens. If the same fragment of the
 * same segment is here already its deadline is moved and the new bytes are dropped. ERR_CONFLICT:
 * this key holds other bytes; ERR_BUSY: the key is being changed; ERR_NO_SPACE, ERR_IO. */
err shelf_writer_commit(struct shelf_writer *writer, const struct shelf_entry *entry);
void shelf_writer_abort(struct shelf_writer *writer); /* NULL is fine */

/* ---- finding, changing, dropping ---- */

/* shelf_find: ERR_NOT_FOUND. Does not park. */
err shelf_find(struct shelf *shelf, const struct fragment_key *key, struct shelf_entry *ret_entry);
/* shelf_find_segment: the first fragment of a segment. ERR_NOT_FOUND. Does not park. */
err shelf_find_segment(struct shelf *shelf, const struct segment_key *key,
                       struct shelf_entry *ret_entry);
/* shelf_list: up to cap entries in key order, after `after` (NULL: from the first). */
err shelf_list(struct shelf *shelf, const struct fragment_key *after, struct shelf_entry *ret,
               size_t cap, size_t *ret_count);
/* shelf_list_open: the same of OPEN and ABANDONED entries only. */
err shelf_list_open(struct shelf *shelf, const struct fragment_key *after, struct shelf_entry *ret,
                    size_t cap, size_t *ret_count);
/* shelf_at: whose bytes the chain counts at this position. ERR_NOT_FOUND. Does not park. */
err shelf_at(struct shelf *shelf, u32 position, struct fragment_key *ret_key);

enum shelf_change_kind {
    SHELF_RENEW,   /* deadline: not before this one; an ABANDONED entry is OPEN again */
    SHELF_ABANDON, /* OPEN becomes ABANDONED */
    SHELF_HOLD,    /* HELD at `position` */
    SHELF_UNHOLD,  /* no longer at `position`: OPEN again until its deadline */
};

struct shelf_change {
    enum shelf_change_kind kind;
    struct fragment_key key;
    u64 deadline;
    u32 position;
};

/* shelf_change: applies all of them, count <= SHELF_CHANGES_MAX, in one transaction; entries that
 * are gone are passed over. *ret_applied says how many were not; it may be NULL. */
err shelf_change(struct shelf *shelf, const struct shelf_change *changes, size_t count,
                 size_t *ret_applied);
/* shelf_drop: removes entries and bytes, count <= SHELF_CHANGES_MAX. Passed over: keys that are
 * busy or gone, and entries whose deadline is later than deadline_max (a receipt was given
 * meanwhile). *ret_dropped may be NULL. */
err shelf_drop(struct shelf *shelf, const struct fragment_key *keys, size_t count, u64 deadline_max,
               size_t *ret_dropped);
/* shelf_sweep: removes files that no entry names from one of the 256 folders of each disk. */
err shelf_sweep(struct shelf *shelf, u8 folder);

/* ---- reading ---- */

struct shelf_reader;

/* shelf_reader_open: ERR_NOT_FOUND (also if it is on an absent disk), ERR_INTEGRITY: the bytes or
 * their tree are not what the entry says; ERR_IO. */
err shelf_reader_open(struct shelf *shelf, const struct fragment_key *key,
                      struct shelf_reader **ret_reader);
const struct shelf_entry *shelf_reader_entry(const struct shelf_reader *reader);

/* A run and the hashes that prove it, until the next call. The caller may write to data, and to
 * SHELF_RUN_HEADROOM bytes before it, so that what goes before a run is sent with it. */
struct shelf_run {
    u8 *data;
    size_t len;
    const struct hash *path;
    size_t path_len;
};
#define SHELF_RUN_HEADROOM KIB(1)

/* shelf_reader_plan: runs below `end` will be asked for, in order: some are read in one go. */
void shelf_reader_plan(struct shelf_reader *reader, u32 end);
/* shelf_reader_run: run < run_count(length). */
err shelf_reader_run(struct shelf_reader *reader, u32 run, struct shelf_run *ret_run);
/* shelf_reader_check: reads a run and compares it with its root. ERR_INTEGRITY: it has rotted. */
err shelf_reader_check(struct shelf_reader *reader, u32 run);
void shelf_reader_close(struct shelf_reader *reader); /* NULL is fine */

/* ---- notes: small records of other parts of the role, durable ---- */

err shelf_note_put(struct shelf *shelf, const char *name, bytes value);
/* shelf_note_get: ERR_NOT_FOUND; into arena. */
err shelf_note_get(struct shelf *shelf, const char *name, struct arena *arena, bytes *ret_value);

/* ---- copies of signed commits ---- */

struct shelf_copy {
    struct hash hash; /* of the transaction */
    u64 added_ms;     /* wall clock */
    u32 bytes;
};

/* shelf_copy_put: durable. ok if it is here already; ERR_LIMIT past COPIES_MAX or COPIES_BYTES_MAX.
 */
err shelf_copy_put(struct shelf *shelf, const struct hash *hash, u64 added_ms, bytes raw);
size_t shelf_copy_count(const struct shelf *shelf);
/* shelf_copies: up to cap of them, oldest first is not promised; returns how many. */
size_t shelf_copies(const struct shelf *shelf, struct shelf_copy *ret, size_t cap);
err shelf_copy_get(struct shelf *shelf, const struct hash *hash, struct arena *arena,
                   bytes *ret_raw);
err shelf_copy_drop(struct shelf *shelf, const struct hash *hashes, size_t count);

#endif

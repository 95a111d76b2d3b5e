/* shelf_internal.h: what the files of the disk engine share. Private to src/storage. */
#ifndef STORAGE_SHELF_INTERNAL_H
#define STORAGE_SHELF_INTERNAL_H

#include "base/map.h"
#include "storage/shelf.h"

#define PIECE_KEY_BYTES (FRAGMENT_KEY_BYTES + 1)

struct place_totals {
    u64 bytes;
    u64 fragments;
};

struct shelf {
    struct loop *loop;
    struct index *index;
    char *index_path; /* owned */
    u64 capacity_bytes;
    u64 reserve_bytes;
    struct disk disks[DISKS_MAX];
    size_t disk_count;
    char *unplaced[DISKS_MAX]; /* paths that could not be used when they were tried last */
    size_t unplaced_count;
    enum disk_state index_state;
    struct place_totals totals[PLACES];
    u64 open_bytes;
    u64 open_fragments;
    struct map quotas; /* account → struct quota */
    u64 reserved_bytes;
    struct map busy; /* packed fragment key → anything: being written or dropped */
    u64 next_serial; /* of incoming files */
    struct shelf_copy copies[COPIES_MAX];
    size_t copy_count;
    u64 copy_bytes;
};

struct quota {
    u64 open_bytes;
};

/* shelf_disk_at: the disk of a place, NULL if it is not a disk or absent. */
struct disk *shelf_disk_at(struct shelf *shelf, u8 place);
/* shelf_blame_index: what became of a transaction. */
void shelf_blame_index(struct shelf *shelf, err fault);
/* shelf_write: index_write() that keeps the index's state. */
err shelf_write(struct shelf *shelf, index_fn *fn, void *arg);
/* shelf_count_open: an entry began (or ended) to count against its account's quota. */
void shelf_count_open(struct shelf *shelf, const struct address *who, u64 length, bool begins);
/* shelf_lock: false if the key is busy. */
MUST_USE bool shelf_lock(struct shelf *shelf, const struct fragment_key *key);
void shelf_unlock(struct shelf *shelf, const struct fragment_key *key);

/* In a write transaction: the totals of a place change. */
err totals_add(struct kv_txn *txn, u8 place, i64 bytes, i64 fragments);
/* In any transaction. ERR_NOT_FOUND; ERR_INTEGRITY if the record is damaged. */
err entry_load(struct kv_txn *txn, const struct fragment_key *key, struct shelf_entry *ret_entry);
err entry_store(struct kv_txn *txn, const struct shelf_entry *entry);
void piece_key(u8 out[PIECE_KEY_BYTES], const struct fragment_key *key, u8 piece);
/* piece_length: of the piece that begins at `at` of a fragment of `length` bytes in the index. The
 * first one fills whole pages of the store exactly, or nearly; what is left lies in small ones that
 * share pages. So the store grows by little more than the fragment, whatever its length. */
u32 piece_length(u32 length, u32 at);

/* shelf_copies_load: at the start. */
err shelf_copies_load(struct shelf *shelf);

#endif

/* disk.h: one folder of fragment files, and how its disk is doing.
 *
 *   PATH/disk.id                     32 hexadecimal digits, made once: which disk this is
 *   PATH/incoming/SERIAL             uploads under way; emptied at start
 *   PATH/fragments/XX/NAME           XX: two hexadecimal digits, (number / 64) mod 256
 *
 * A disk takes no new bytes unless it is DISK_FINE. Faults of reads and writes are reported here;
 * disk_probe(), called now and then, finds out whether it works again. A disk whose folder came
 * back without its disk.id is another disk: the one that was there counts as absent.
 */
#ifndef STORAGE_DISK_H
#define STORAGE_DISK_H

#include "os/file.h"
#include "os/loop.h"
#include "storage/entry.h"

#define DISK_ID_CHARS 32
#define DISK_FOLDERS 256

enum disk_state {
    DISK_FINE,
    DISK_FULL,    /* less than the reserve is free, or a write found no room */
    DISK_FAILING, /* a read or write failed, or it is mounted read-only */
    DISK_ABSENT,  /* known from the index, but not among the paths */
};

struct disk {
    char *path; /* owned; NULL if absent */
    u8 place;
    char id[DISK_ID_CHARS + 1];
    enum disk_state state;
    u64 since_ms; /* loop time of the last change of state */
    u64 free_bytes;
    u64 total_bytes;
    u64 faults; /* since the start */
    /* Folders whose names this process knows to be durable: one that is merely there may have been
     * left by a process that was killed before it could sync. */
    bool folders[DISK_FOLDERS];
};

const char *disk_state_name(enum disk_state state); /* "fine", "full"… */

/* disk_prepare: makes the folders, empties incoming/, reads disk.id or makes one from `random`
 * (*ret_fresh). Blocks: run it on a worker. */
err disk_prepare(const char *path, const u8 random[16], char ret_id[DISK_ID_CHARS + 1],
                 bool *ret_fresh);
/* disk_blame: a fault that was met on it: ERR_NO_SPACE makes it full, ERR_IO failing. Others are
 * not the disk's. */
void disk_blame(struct disk *disk, struct loop *loop, err fault);
/* disk_probe: asks for the free space and, if the disk is not fine, tries a small write. Parks. */
void disk_probe(struct disk *disk, struct loop *loop, u64 reserve_bytes);

void disk_incoming_path(const struct disk *disk, u64 serial, char out[PATH_BYTES_MAX]);
unsigned disk_folder_of(const struct fragment_key *key);
void disk_fragment_path(const struct disk *disk, const struct fragment_key *key,
                        char out[PATH_BYTES_MAX]);
/* disk_adopt: gives a synced incoming file its final name, durably; make_folder: its folder, too.
 * Blocks. */
err disk_adopt(const char *incoming, const char *final, bool make_folder);

#endif

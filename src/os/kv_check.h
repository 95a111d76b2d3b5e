/* kv_check.h: the structure of an LMDB 0.9 data file (64-bit), read with pread() only.
 *
 * LMDB maps its file and trusts every number in it: a file that lost its end, or whose pages are
 * garbage, ends in SIGBUS or worse. This reader trusts none. It follows every page of the newest
 * snapshot from the meta pages: page numbers, bounds of nodes, order of keys, depth and counts.
 * It finds damaged structure, not damaged values: those carry their own checksums or hashes.
 */
#ifndef OS_KV_CHECK_H
#define OS_KV_CHECK_H

#include "base/err.h"

enum kv_file_state {
    KV_FILE_ABSENT,  /* or empty */
    KV_FILE_NO_META, /* the two meta pages are not both there and valid */
    KV_FILE_SHORT,   /* shorter than its pages; LMDB allows it if the missing ones are free */
    KV_FILE_WHOLE,
};

/* kv_file_look: reads the meta pages of a data file; *ret_bytes is its size. ERR_IO. */
err kv_file_look(const char *path, enum kv_file_state *ret_state, u64 *ret_bytes);
/* kv_file_walk: reads all of it. ERR_INTEGRITY (logged: what and which page), ERR_IO. */
err kv_file_walk(const char *path);

#endif

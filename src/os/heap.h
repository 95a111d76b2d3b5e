/* heap.h: how much freed memory a process keeps.
 *
 * By default the C library gives memory back to the system as soon as a megabyte or so is free, and
 * asks for it again page by page. A role that fills and frees tens of megabytes for every block
 * spends more time on that than on the block.
 */
#ifndef OS_HEAP_H
#define OS_HEAP_H

#include "base/int.h"

#define HEAP_KEPT_BYTES MIB(64) /* of a ledger node */

/* heap_keep: up to that much free memory stays with the process; once, at its beginning. */
void heap_keep(u64 kept_bytes);

#endif

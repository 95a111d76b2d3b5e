#include "os/heap.h"

#include "base/assert.h"

#include <malloc.h>

/* Blocks from this size on are mapped by themselves and do go back. */
#define MAPPED_BYTES MIB(16)

void heap_keep(u64 kept_bytes)
{
    assert_that(kept_bytes <= INT32_MAX);
    (void)mallopt(M_TRIM_THRESHOLD, (int)kept_bytes);
    (void)mallopt(M_MMAP_THRESHOLD, (int)MAPPED_BYTES);
}

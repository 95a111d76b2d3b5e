/* mem.h: the one seam to the heap.
 *
 * Engines take caller's memory or an arena; services allocate here. Running out of memory is not a
 * fault that callers handle one by one: limits (arena caps, pool sizes, connection counts) bound
 * what is asked for, and a failure of the system allocator ends the process, which crash recovery
 * covers. The simulator links another implementation that gives every simulated process a heap of
 * its own, so that killing one frees everything it had.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include "base/bytes.h"
#include "base/int.h"

/* mem_alloc: zeroed memory, never NULL. mem_free(NULL) is fine. */
void *mem_alloc(size_t size);
void *mem_alloc_array(size_t count, size_t size);
void *mem_resize(void *old, size_t size);
void mem_free(void *ptr);
char *mem_strdup(const char *s);
/* mem_wipe: zeroes memory that held a secret; not optimised away. */
void mem_wipe(void *ptr, size_t size);

#define MEM_NEW(type) ((type *)mem_alloc(sizeof(type)))

#endif

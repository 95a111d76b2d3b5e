/* secret.h: memory for keys.
 *
 * Each allocation has pages of its own between two guard pages: locked into memory (never
 * swapped), left out of core dumps and out of forked children, wiped when freed. For long-lived
 * keys, not for every temporary: one costs at least a page, and locked memory is limited
 * (RLIMIT_MEMLOCK). Where locking is refused the memory is still given, with one warning in the
 * log: a machine without that right must still be able to run.
 */
#ifndef OS_SECRET_H
#define OS_SECRET_H

#include "base/int.h"

/* secret_alloc: zeroed, 16-byte aligned, ends at a guard page but for the alignment. Never NULL. */
void *secret_alloc(size_t size);
/* secret_free: wipes and releases; `size` as given to secret_alloc(). NULL is fine. */
void secret_free(void *secret, size_t size);

/* process_harden: no core dumps and no debugger for this process (and /proc/PID belongs to root),
 * so that its secrets stay in it. Call it at the start of a role that holds keys. */
void process_harden(void);

#endif

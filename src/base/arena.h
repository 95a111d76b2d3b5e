/* arena.h: memory that is freed all at once.
 *
 * A request, a block or a test takes an arena with a byte limit, allocates from it without freeing,
 * and releases everything by one arena_free(). Past the limit arena_alloc() returns NULL, which
 * callers turn into ERR_LIMIT: that is how the memory of one request stays bounded.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/bytes.h"

struct arena_block;

struct arena {
    struct arena_block *blocks; /* newest first */
    size_t used_bytes;          /* handed out so far */
    size_t limit_bytes;
};

/* arena_init: empty; allocates nothing yet. */
void arena_init(struct arena *arena, size_t limit_bytes);
/* arena_alloc: zeroed, 16-byte aligned, NULL past the limit. */
MUST_USE void *arena_alloc(struct arena *arena, size_t size);
/* arena_copy: a copy of `in`; data is NULL past the limit (or if in is empty: a non-NULL
 * pointer). */
bytes arena_copy(struct arena *arena, bytes in);
/* arena_str: a zero-terminated copy; NULL past the limit. */
MUST_USE char *arena_str(struct arena *arena, bytes in);
/* arena_format: printf into the arena; NULL past the limit. */
MUST_USE char *arena_format(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* arena_free: releases everything; the arena is empty and usable again with the same limit. */
void arena_free(struct arena *arena);

#define ARENA_NEW(arena, type) ((type *)arena_alloc((arena), sizeof(type)))
#define ARENA_ARRAY(arena, type, count)                                                            \
    ((type *)((size_t)(count) > SIZE_MAX / 2 / sizeof(type)                                        \
                  ? NULL                                                                           \
                  : arena_alloc((arena), (size_t)(count) * sizeof(type))))

#endif

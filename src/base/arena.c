#include "base/arena.h"

#include "base/assert.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>

#define BLOCK_BYTES_MIN 4096

struct arena_block {
    struct arena_block *next;
    size_t cap;
    size_t used;
    size_t pad; /* keeps `data` aligned to 16 */
    u8 data[];
};

_Static_assert(offsetof(struct arena_block, data) % 16 == 0, "blocks start aligned");

void arena_init(struct arena *arena, size_t limit_bytes)
{
    *arena = (struct arena){.limit_bytes = limit_bytes};
}

static struct arena_block *add_block(struct arena *arena, size_t size)
{
    size_t cap =
        max_size(size, arena->blocks ? min_size(arena->blocks->cap * 2, MIB(1)) : BLOCK_BYTES_MIN);
    struct arena_block *block = mem_alloc(sizeof *block + cap);
    block->cap = cap;
    block->next = arena->blocks;
    arena->blocks = block;
    return block;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    if (size > arena->limit_bytes - arena->used_bytes || size > SIZE_MAX - 16) {
        return NULL;
    }
    size_t step = (max_size(size, 1) + 15) & ~(size_t)15;
    struct arena_block *block = arena->blocks;
    if (block == NULL || block->cap - block->used < step) {
        block = add_block(arena, step);
    }
    void *p = block->data + block->used;
    block->used += step;
    arena->used_bytes += size;
    return p;
}

bytes arena_copy(struct arena *arena, bytes in)
{
    u8 *copy = arena_alloc(arena, in.len);
    if (copy != NULL && in.len != 0) {
        memcpy(copy, in.data, in.len);
    }
    return bytes_make(copy, copy ? in.len : 0);
}

char *arena_str(struct arena *arena, bytes in)
{
    char *copy = arena_alloc(arena, in.len + 1);
    if (copy != NULL && in.len != 0) {
        memcpy(copy, in.data, in.len);
    }
    return copy;
}

char *arena_format(struct arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    assert_that(len >= 0);
    char *out = arena_alloc(arena, (size_t)len + 1);
    if (out != NULL) {
        va_start(args, format);
        vsnprintf(out, (size_t)len + 1, format, args);
        va_end(args);
    }
    return out;
}

void arena_free(struct arena *arena)
{
    while (arena->blocks != NULL) {
        struct arena_block *block = arena->blocks;
        arena->blocks = block->next;
        mem_free(block);
    }
    arena->used_bytes = 0;
}

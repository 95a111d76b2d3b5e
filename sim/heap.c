/* heap.c: base/mem.h with a heap for every simulated process.
 *
 * A block carries a link into its process's list, so that killing the process frees all it had, and
 * the heap it came from: freeing another process's block is a bug that is found here. What is
 * allocated outside any process (the simulator itself) belongs to no list.
 */
#include "base/mem.h"

#include "base/assert.h"
#include "base/list.h"
#include "sim/sim.h"

#include <stdlib.h>

struct block {
    struct list node;
    size_t size;
    struct sim_heap *heap; /* NULL: the simulator's */
    u8 data[];
};

struct sim_heap {
    struct list blocks;
    u64 block_count;
    u64 bytes;
};

_Static_assert(offsetof(struct block, data) % 16 == 0, "blocks start aligned");

struct sim_heap *sim_heap_new(void)
{
    struct sim_heap *heap = calloc(1, sizeof *heap);
    assert_that(heap != NULL);
    list_init(&heap->blocks);
    return heap;
}

void sim_heap_free(struct sim_heap *heap)
{
    list_for_safe (node, &heap->blocks) {
        list_remove(node);
        free(list_entry(node, struct block, node));
    }
    free(heap);
}

u64 sim_heap_bytes(const struct sim_heap *heap, u64 *ret_blocks)
{
    *ret_blocks = heap->block_count;
    return heap->bytes;
}

static struct sim_heap *heap_now(void)
{
    return sim != NULL && sim->owner != NULL ? sim_process_heap(sim->owner) : NULL;
}

void *mem_alloc(size_t size)
{
    struct sim_heap *heap = heap_now();
    struct block *block = calloc(1, sizeof *block + size);
    assert_that(block != NULL);
    block->size = size;
    block->heap = heap;
    list_init(&block->node);
    if (heap != NULL) {
        list_push_back(&heap->blocks, &block->node);
        heap->block_count++;
        heap->bytes += size;
    }
    return block->data;
}

void *mem_alloc_array(size_t count, size_t size)
{
    assert_that(size == 0 || count <= SIZE_MAX / 2 / size);
    return mem_alloc(count * size);
}

void mem_free(void *ptr)
{
    if (ptr == NULL) {
        return;
    }
    struct block *block = list_entry(ptr, struct block, data);
    assert_that(block->heap == heap_now());
    if (block->heap != NULL) {
        block->heap->block_count--;
        block->heap->bytes -= block->size;
    }
    list_remove(&block->node);
    free(block);
}

void *mem_resize(void *old, size_t size)
{
    void *fresh = mem_alloc(size);
    if (old != NULL) {
        struct block *block = list_entry(old, struct block, data);
        memcpy(fresh, old, min_size(block->size, size));
        mem_free(old);
    }
    return fresh;
}

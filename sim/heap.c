/* heap.c: base/mem.h with a heap for every simulated process.
 *
 * A block carries a link into its process's list, so that killing the process frees all it had. What
 * is allocated outside any process (the simulator itself) belongs to no list.
 */
#include "base/mem.h"

#include "base/assert.h"
#include "base/list.h"
#include "sim/sim.h"

#include <stdlib.h>

struct block {
    struct list node;
    size_t size;
    size_t pad; /* keeps data aligned to 16 */
    u8 data[];
};

struct sim_heap {
    struct list blocks;
};

_Static_assert(offsetof(struct block, data) % 16 == 0, "blocks start aligned");

struct sim_heap *sim_heap_new(void)
{
    struct sim_heap *heap = malloc(sizeof *heap);
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

void *mem_alloc(size_t size)
{
    struct loop *process = sim_self();
    struct sim_heap *heap = process ? sim_process_heap(process) : NULL;
    struct block *block = calloc(1, sizeof *block + size);
    assert_that(block != NULL);
    block->size = size;
    list_init(&block->node);
    if (heap != NULL) {
        list_push_back(&heap->blocks, &block->node);
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
    if (ptr != NULL) {
        struct block *block = list_entry(ptr, struct block, data);
        list_remove(&block->node);
        free(block);
    }
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

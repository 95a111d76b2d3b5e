#include "base/mem.h"

#include "base/assert.h"

#include <stdlib.h>

void *mem_alloc(size_t size)
{
    void *p = calloc(1, size ? size : 1);
    assert_that(p != NULL);
    return p;
}

void *mem_alloc_array(size_t count, size_t size)
{
    assert_that(size == 0 || count <= SIZE_MAX / 2 / size);
    return mem_alloc(count * size);
}

void *mem_resize(void *old, size_t size)
{
    void *p = realloc(old, size ? size : 1);
    assert_that(p != NULL);
    return p;
}

void mem_free(void *ptr) { free(ptr); }

#include "base/mem.h"

char *mem_strdup(const char *s)
{
    size_t len = strlen(s) + 1;
    return memcpy(mem_alloc(len), s, len);
}

void mem_wipe(void *ptr, size_t size)
{
    memset(ptr, 0, size);
    __asm__ volatile("" : : "r"(ptr) : "memory");
}

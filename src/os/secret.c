#include "os/secret.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define ALIGNMENT 16

static size_t page_bytes(void) { return (size_t)sysconf(_SC_PAGESIZE); }

/* The accessible pages of an allocation. */
static size_t body_bytes(size_t size)
{
    assert_that(size > 0 && size < SIZE_MAX / 4);
    size_t aligned = (size_t)ceil_div(size, ALIGNMENT) * ALIGNMENT;
    return (size_t)ceil_div(aligned, page_bytes()) * page_bytes();
}

/* How far into the body it starts, so that it ends at the guard page. */
static size_t body_offset(size_t size)
{
    return body_bytes(size) - (size_t)ceil_div(size, ALIGNMENT) * ALIGNMENT;
}

void *secret_alloc(size_t size)
{
    size_t page = page_bytes();
    size_t body = body_bytes(size);
    u8 *map = mmap(NULL, body + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_that(map != MAP_FAILED);
    assert_that(mprotect(map + page, body, PROT_READ | PROT_WRITE) == 0);
    if (mlock(map + page, body) != 0) {
        log_warn("os", "a key could be swapped to disk: cannot lock memory: %s", strerror(errno));
    }
    assert_that(madvise(map + page, body, MADV_DONTDUMP) == 0);
    assert_that(madvise(map + page, body, MADV_WIPEONFORK) == 0);
    return map + page + body_offset(size);
}

void secret_free(void *secret, size_t size)
{
    if (secret == NULL) {
        return;
    }
    size_t page = page_bytes();
    size_t body = body_bytes(size);
    u8 *start = (u8 *)secret - body_offset(size);
    assert_that((uintptr_t)start % page == 0); /* another size was given */
    mem_wipe(start, body);
    assert_that(munmap(start - page, body + 2 * page) == 0);
}

void process_harden(void)
{
    static const struct rlimit none = {0, 0};
    if (prctl(PR_SET_DUMPABLE, 0) != 0 || setrlimit(RLIMIT_CORE, &none) != 0) {
        log_warn("os", "core dumps stay possible: %s", strerror(errno));
    }
}

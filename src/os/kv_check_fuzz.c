/* The reader of LMDB files must find damage, never crash on it or run for ever. */
#include "os/kv_check.h"

#include "base/assert.h"
#include "base/log.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void ignore_line(void *ctx, enum log_level level, const char *module, const char *message)
{
    (void)ctx;
    (void)level;
    (void)module;
    (void)message;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    static int fd = -1;
    char path[64];
    enum kv_file_state state;
    u64 bytes_seen;
    if (fd < 0) {
        fd = memfd_create("kv_check_fuzz", MFD_CLOEXEC);
        log_set_sink(ignore_line, NULL);
    }
    assert_that(ftruncate(fd, 0) == 0);
    assert_that(pwrite(fd, data, size, 0) == (ssize_t)size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    assert_that(is_ok(kv_file_look(path, &state, &bytes_seen)) && bytes_seen == size);
    err e = kv_file_walk(path);
    assert_that(is_ok(e) || is_err(e, ERR_INTEGRITY));
    return 0;
}

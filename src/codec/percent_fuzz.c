#include "codec/percent.h"

#include "base/assert.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

/* Whatever decodes must come back from its canonical form. */
int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct arena arena;
    struct buf canonical;
    bytes first = {0};
    bytes second = {0};
    arena_init(&arena, SIZE_MAX / 2);
    buf_init(&canonical, SIZE_MAX / 2);
    if (is_ok(percent_decode(&arena, bytes_make(data, size), size % 2 == 0, &first))) {
        percent_encode(&canonical, first, size % 3 == 0);
        err e = percent_decode(&arena, buf_bytes(&canonical), false, &second);
        assert_that(is_ok(e) && bytes_eq(first, second));
    }
    buf_free(&canonical);
    arena_free(&arena);
    return 0;
}

/* manifest_fuzz: what can be read is valid and is written back to the same bytes. */
#include "base/assert.h"
#include "data/manifest.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void walk(const struct manifest *manifest)
{
    u64 offset = 0;
    while (!manifest->is_inline && offset < manifest->size) {
        u64 plain;
        u64 run;
        const struct manifest_extent *extent = manifest_find(manifest, offset, &plain, &run);
        assert_that(run > 0 && run <= manifest->size - offset);
        u64 chunk = plain / EXTENT_CHUNK_BYTES;
        assert_that(manifest_piece_find(extent, extent_chunk_offset(chunk)).length > 0);
        offset += run;
    }
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct arena arena;
    struct manifest manifest;
    struct buf again;
    arena_init(&arena, MIB(32));
    buf_init(&again, MANIFEST_BYTES_MAX);
    if (is_ok(manifest_read(&manifest, &arena, bytes_make(data, size)))) {
        manifest_write(&again, &manifest);
        assert_that(is_ok(buf_done(&again)) && bytes_eq(buf_bytes(&again), bytes_make(data, size)));
        walk(&manifest);
    }
    buf_free(&again);
    arena_free(&arena);
    return 0;
}

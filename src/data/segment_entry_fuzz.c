/* segment_entry_fuzz: entries that can be read are written back to the same bytes. */
#include "base/assert.h"
#include "data/segment.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct reader reader;
    struct segment_entry entry;
    struct buf again;
    reader_init(&reader, bytes_make(data, size));
    buf_init(&again, KIB(16));
    segment_entry_read(&reader, &entry);
    if (!reader.failed) {
        segment_entry_write(&again, &entry);
        assert_that(is_ok(buf_done(&again)));
        assert_that(bytes_eq(buf_bytes(&again), bytes_make(data, size - reader.left)));
    }
    buf_free(&again);
    return 0;
}

/* Parts of snapshots come from other nodes: decoding and checking them never crashes, and nothing
 * but the empty range proves anything under a root that no part can hit. */
#include "ledger/state/snapshot_part.h"

#include "base/assert.h"

#define ARENA_BYTES MIB(64)

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct reader reader;
    struct arena arena;
    struct hash root = {{0x5e, 0xed}};
    if (!part_reader_init(&reader, bytes_make(data, size))) {
        return 0;
    }
    arena_init(&arena, ARENA_BYTES);
    while (reader.left > 0) {
        struct section section;
        bool good = false;
        bool valid = false;
        if (!is_ok(section_decode(&reader, &arena, &section, &good)) || !good) {
            break;
        }
        if (section.kind != SECTION_CODE &&
            is_ok(section_verify(&arena, &section, &root, &valid))) {
            assert_that(!valid);
        }
    }
    arena_free(&arena);
    return 0;
}

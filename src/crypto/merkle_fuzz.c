/* Proofs from outside: four numbers (count, first, n, a spare), then hashes: root, leaves, path.
 * Second use of the same bytes: an honest proof of a small tree, which must verify. */
#include "crypto/merkle.h"

#include "base/assert.h"

#define HASHES_MAX 256
#define HEADER_BYTES 32

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void hostile(const u8 *data, const struct hash *hashes, size_t count)
{
    u64 leaf_count = load_be64(data);
    u64 first = load_be64(data + 8);
    u64 n = load_be64(data + 16);
    struct hash root = {{0}};
    if (count >= 2) {
        (void)!merkle_verify(&hashes[0], &hashes[1], first, leaf_count, hashes + 2, count - 2);
    }
    if (n < count) {
        bool held = merkle_range_verify(&hashes[0], hashes + 1, first, n, leaf_count,
                                        hashes + 1 + n, count - 1 - (size_t)n);
        assert_that(!held || (n > 0 && first < leaf_count));
    }
    assert_that(!merkle_verify(&root, &root, first, leaf_count, hashes, 0) || leaf_count == 1);
}

static void honest(const u8 *data, const struct hash *leaves, size_t count)
{
    struct hash path[2 * MERKLE_LEVELS_MAX];
    struct hash root;
    u64 first = load_be64(data + 8) % count;
    u64 n = 1 + load_be64(data + 16) % (count - first);
    merkle_root(&root, leaves, count);
    size_t len = merkle_proof(path, leaves, count, first);
    assert_that(merkle_verify(&root, &leaves[first], first, count, path, len));
    len = merkle_range_proof(path, leaves, count, first, n);
    assert_that(merkle_range_verify(&root, leaves + first, first, n, count, path, len));
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct hash hashes[HASHES_MAX];
    if (size < HEADER_BYTES) {
        return 0;
    }
    size_t count = min_size((size - HEADER_BYTES) / sizeof(struct hash), HASHES_MAX);
    memcpy(hashes, data + HEADER_BYTES, count * sizeof(struct hash));
    if (count > 0) {
        hostile(data, hashes, count);
        honest(data, hashes, count);
    }
    return 0;
}

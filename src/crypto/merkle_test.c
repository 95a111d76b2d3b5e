#include "crypto/merkle.h"

#include "base/mem.h"
#include "crypto/hash.h"
#include "tests/support/check.h"

#define LEAVES_MAX 40

static void make_leaves(struct hash *leaves, u64 count)
{
    for (u64 i = 0; i < count; i++) {
        merkle_leaf(&leaves[i], BYTES_OF(i));
    }
}

/* The definition of RFC 6962 2.1, word for word. */
static struct hash definition(const struct hash *leaves, u64 count)
{
    struct hash out;
    if (count == 0) {
        sha256(&out, bytes_make(NULL, 0));
        return out;
    }
    if (count == 1) {
        return leaves[0];
    }
    u64 k = 1;
    while (2 * k < count) {
        k *= 2;
    }
    struct hash left = definition(leaves, k);
    struct hash right = definition(leaves + k, count - k);
    const bytes parts[] = {bytes_str("\x01"), BYTES_OF(left), BYTES_OF(right)};
    sha256_parts(&out, parts, COUNT_OF(parts));
    return out;
}

/* The inputs and roots of the Certificate Transparency reference tests. */
static void certificate_transparency(void **state)
{
    (void)state;
    static const char *const inputs[] = {"",
                                         "00",
                                         "10",
                                         "2021",
                                         "3031",
                                         "40414243",
                                         "5051525354555657",
                                         "606162636465666768696a6b6c6d6e6f"};
    static const char *const roots[] = {
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"};
    struct merkle_builder builder;
    struct hash root;
    merkle_builder_init(&builder);
    for (size_t i = 0; i <= COUNT_OF(inputs); i++) {
        merkle_builder_root(&builder, &root);
        check_hex(BYTES_OF(root), roots[i]);
        if (i < COUNT_OF(inputs)) {
            u8 data[16];
            struct hash leaf;
            size_t len = unhex(data, sizeof data, inputs[i]);
            merkle_leaf(&leaf, bytes_make(data, len));
            merkle_builder_add(&builder, &leaf);
        }
    }
}

static void roots_follow_the_definition(void **state)
{
    (void)state;
    struct hash leaves[LEAVES_MAX];
    make_leaves(leaves, LEAVES_MAX);
    for (u64 count = 0; count <= LEAVES_MAX; count++) {
        struct hash expected = definition(leaves, count);
        struct hash root;
        merkle_root(&root, leaves, count);
        assert_true(hash_eq(&root, &expected));
    }
}

/* What a liar could change about one proof. */
static void attack_proof(const struct hash *root, const struct hash *leaf, u64 index, u64 count,
                         struct hash *path, size_t len)
{
    struct hash bad = *leaf;
    bad.b[31] ^= 1;
    assert_false(merkle_verify(root, &bad, index, count, path, len));
    bad = *root;
    bad.b[0] ^= 1;
    assert_false(merkle_verify(&bad, leaf, index, count, path, len));
    for (size_t i = 0; i < len; i++) {
        path[i].b[5] ^= 1;
        assert_false(merkle_verify(root, leaf, index, count, path, len));
        path[i].b[5] ^= 1;
    }
    if (len > 0) {
        assert_false(merkle_verify(root, leaf, index, count, path, len - 1));
        assert_false(merkle_verify(root, leaf, index, count, path + 1, len - 1));
    }
    path[len] = *leaf;
    assert_false(merkle_verify(root, leaf, index, count, path, len + 1));
    for (u64 other = 0; other < count; other++) {
        assert_true(merkle_verify(root, leaf, other, count, path, len) == (other == index));
    }
    assert_false(merkle_verify(root, leaf, count, count, path, len));
    assert_false(merkle_verify(root, leaf, UINT64_MAX, count, path, len));
    assert_false(merkle_verify(root, leaf, index, 0, path, len));
    assert_false(merkle_verify(root, leaf, index, UINT64_MAX, path, len));
}

static void every_proof_of_small_trees(void **state)
{
    (void)state;
    struct hash leaves[LEAVES_MAX];
    struct hash path[MERKLE_LEVELS_MAX + 1];
    make_leaves(leaves, LEAVES_MAX);
    for (u64 count = 1; count <= LEAVES_MAX; count++) {
        struct hash root;
        merkle_root(&root, leaves, count);
        for (u64 index = 0; index < count; index++) {
            size_t len = merkle_proof(path, leaves, count, index);
            assert_true(merkle_verify(&root, &leaves[index], index, count, path, len));
            attack_proof(&root, &leaves[index], index, count, path, len);
        }
    }
}

/* A leaf whose data is a node's preimage does not become that node. */
static void leaves_are_not_nodes(void **state)
{
    (void)state;
    struct hash leaves[2];
    struct hash node;
    struct hash leaf;
    u8 preimage[65] = {0x01};
    make_leaves(leaves, 2);
    memcpy(preimage + 1, leaves, 64);
    merkle_node(&node, &leaves[0], &leaves[1]);
    merkle_leaf(&leaf, BYTES_OF(preimage));
    assert_false(hash_eq(&node, &leaf));
    merkle_leaf(&leaf, bytes_make(preimage + 1, 64));
    assert_false(hash_eq(&node, &leaf));
}

static void attack_range(const struct hash *root, struct hash *range, u64 first, u64 n, u64 count,
                         struct hash *path, size_t len)
{
    for (u64 i = 0; i < n; i++) {
        range[i].b[9] ^= 1;
        assert_false(merkle_range_verify(root, range, first, n, count, path, len));
        range[i].b[9] ^= 1;
    }
    for (size_t i = 0; i < len; i++) {
        path[i].b[9] ^= 1;
        assert_false(merkle_range_verify(root, range, first, n, count, path, len));
        path[i].b[9] ^= 1;
    }
    if (len > 0) {
        assert_false(merkle_range_verify(root, range, first, n, count, path, len - 1));
        assert_false(merkle_range_verify(root, range, first, n, count, path + 1, len - 1));
    }
    path[len] = *root;
    assert_false(merkle_range_verify(root, range, first, n, count, path, len + 1));
    for (u64 other = 0; other + n <= count; other++) {
        assert_true(merkle_range_verify(root, range, other, n, count, path, len) ==
                    (other == first));
    }
    assert_false(merkle_range_verify(root, range, first, 0, count, path, len));
    assert_false(merkle_range_verify(root, range, count, n, count, path, len));
    assert_false(merkle_range_verify(root, range, UINT64_MAX, n, count, path, len));
    assert_false(merkle_range_verify(root, range, first, UINT64_MAX, count, path, len));
    assert_false(merkle_range_verify(root, range, first, n, 0, path, len));
    assert_false(merkle_range_verify(root, range, first, n, UINT64_MAX, path, len));
}

static void every_range_of_small_trees(void **state)
{
    (void)state;
    struct hash leaves[LEAVES_MAX];
    struct hash path[2 * MERKLE_LEVELS_MAX + 1];
    make_leaves(leaves, LEAVES_MAX);
    for (u64 count = 1; count <= 20; count++) {
        struct hash root;
        merkle_root(&root, leaves, count);
        for (u64 first = 0; first < count; first++) {
            for (u64 n = 1; first + n <= count; n++) {
                size_t len = merkle_range_proof(path, leaves, count, first, n);
                assert_true(merkle_range_verify(&root, leaves + first, first, n, count, path, len));
                attack_range(&root, leaves + first, first, n, count, path, len);
            }
        }
    }
}

/* A range of one leaf is an ordinary proof in another order, so the lengths agree. */
static void range_of_one(void **state)
{
    (void)state;
    static struct hash leaves[2048];
    struct hash path[2 * MERKLE_LEVELS_MAX];
    struct hash root;
    make_leaves(leaves, COUNT_OF(leaves));
    merkle_root(&root, leaves, COUNT_OF(leaves));
    for (u64 index = 0; index < COUNT_OF(leaves); index += 97) {
        assert_int_equal(merkle_proof(path, leaves, COUNT_OF(leaves), index), 11);
        assert_true(merkle_verify(&root, &leaves[index], index, COUNT_OF(leaves), path, 11));
        size_t len = merkle_range_proof(path, leaves, COUNT_OF(leaves), index, 1);
        assert_int_equal(len, 11);
        assert_true(merkle_range_verify(&root, &leaves[index], index, 1, 2048, path, len));
    }
    /* 64 KiB of a fragment: 16 aligned leaves of 4 KiB, seven hashes. */
    assert_int_equal(merkle_range_proof(path, leaves, COUNT_OF(leaves), 16 * 37, 16), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(certificate_transparency),   cmocka_unit_test(roots_follow_the_definition),
        cmocka_unit_test(every_proof_of_small_trees), cmocka_unit_test(leaves_are_not_nodes),
        cmocka_unit_test(every_range_of_small_trees), cmocka_unit_test(range_of_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

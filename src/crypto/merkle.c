#include "crypto/merkle.h"

#include "base/assert.h"
#include "crypto/hash.h"

void merkle_leaf(struct hash *out, bytes data)
{
    static const u8 prefix = 0x00;
    const bytes parts[] = {bytes_make(&prefix, 1), data};
    sha256_parts(out, parts, COUNT_OF(parts));
}

void merkle_node(struct hash *out, const struct hash *left, const struct hash *right)
{
    u8 block[1 + 2 * sizeof(struct hash)];
    block[0] = 0x01;
    memcpy(block + 1, left->b, sizeof left->b);
    memcpy(block + 1 + sizeof left->b, right->b, sizeof right->b);
    sha256(out, BYTES_OF(block));
}

/* stack[i] is the root of a perfect subtree of 2^i leaves, held where bit i of leaf_count is set.
 */
void merkle_builder_init(struct merkle_builder *builder) { builder->leaf_count = 0; }

void merkle_builder_add(struct merkle_builder *builder, const struct hash *leaf)
{
    assert_that(builder->leaf_count != UINT64_MAX);
    struct hash carry = *leaf;
    size_t level = 0;
    for (; (builder->leaf_count >> level & 1) != 0; level++) {
        merkle_node(&carry, &builder->stack[level], &carry);
    }
    builder->stack[level] = carry;
    builder->leaf_count++;
}

void merkle_builder_root(const struct merkle_builder *builder, struct hash *ret_root)
{
    if (builder->leaf_count == 0) {
        sha256(ret_root, bytes_make(NULL, 0));
        return;
    }
    size_t level = (size_t)__builtin_ctzll(builder->leaf_count);
    struct hash root = builder->stack[level];
    for (level++; level < MERKLE_LEVELS_MAX; level++) {
        if ((builder->leaf_count >> level & 1) != 0) {
            merkle_node(&root, &builder->stack[level], &root);
        }
    }
    *ret_root = root;
}

void merkle_root(struct hash *ret_root, const struct hash *leaves, u64 count)
{
    struct merkle_builder builder;
    merkle_builder_init(&builder);
    for (u64 i = 0; i < count; i++) {
        merkle_builder_add(&builder, &leaves[i]);
    }
    merkle_builder_root(&builder, ret_root);
}

/* split_point: the largest power of two below count; count >= 2. */
static u64 split_point(u64 count) { return (u64)1 << (63 - __builtin_clzll(count - 1)); }

size_t merkle_proof(struct hash *ret_path, const struct hash *leaves, u64 count, u64 index)
{
    assert_that(index < count);
    size_t len = 0;
    while (count > 1) {
        u64 half = split_point(count);
        if (index < half) {
            merkle_root(&ret_path[len], leaves + half, count - half);
            count = half;
        } else {
            merkle_root(&ret_path[len], leaves, half);
            leaves += half;
            count -= half;
            index -= half;
        }
        len++;
    }
    for (size_t i = 0; i < len / 2; i++) { /* found from the top, wanted from the bottom */
        struct hash swap = ret_path[i];
        ret_path[i] = ret_path[len - 1 - i];
        ret_path[len - 1 - i] = swap;
    }
    return len;
}

/* RFC 9162 2.1.3.2. */
bool merkle_verify(const struct hash *root, const struct hash *leaf, u64 index, u64 count,
                   const struct hash *path, size_t path_len)
{
    if (index >= count) {
        return false;
    }
    u64 node = index;
    u64 last = count - 1; /* of the same level */
    struct hash hash = *leaf;
    for (size_t i = 0; i < path_len; i++) {
        if (last == 0) {
            return false;
        }
        if ((node & 1) != 0 || node == last) {
            merkle_node(&hash, &path[i], &hash);
            while ((node & 1) == 0 && node != 0) { /* levels where the last node has no sibling */
                node >>= 1;
                last >>= 1;
            }
        } else {
            merkle_node(&hash, &hash, &path[i]);
        }
        node >>= 1;
        last >>= 1;
    }
    return last == 0 && hash_eq(&hash, root);
}

/* Range proofs walk the tree from the root with a stack. A subtree beside the range is one hash of
 * the path, one inside it is computed from its leaves, any other is split. Subtrees are visited
 * from left to right, which is the order of the path. */
struct subtree {
    u64 first;
    u64 count;
    bool join; /* both halves have been visited: hash them together */
};

/* Each level leaves at most a join and a right half on the stack, and its left half on top. */
#define WALK_MAX (3 * (MERKLE_LEVELS_MAX + 1))

struct walk {
    struct subtree stack[WALK_MAX];
    size_t depth;
};

static void walk_push(struct walk *walk, u64 first, u64 count, bool join)
{
    assert_that(walk->depth < WALK_MAX);
    walk->stack[walk->depth++] = (struct subtree){first, count, join};
}

static void walk_split(struct walk *walk, const struct subtree *at)
{
    u64 half = split_point(at->count);
    walk_push(walk, at->first, at->count, true);
    walk_push(walk, at->first + half, at->count - half, false);
    walk_push(walk, at->first, half, false);
}

static bool is_outside(const struct subtree *at, u64 first, u64 n)
{
    return at->first >= first + n || at->first + at->count <= first;
}

static bool is_inside(const struct subtree *at, u64 first, u64 n)
{
    return at->first >= first && at->first + at->count <= first + n;
}

static bool range_is_valid(u64 first, u64 n, u64 count)
{
    return n > 0 && n <= count && first <= count - n;
}

size_t merkle_range_proof(struct hash *ret_path, const struct hash *leaves, u64 count, u64 first,
                          u64 n)
{
    assert_that(range_is_valid(first, n, count));
    struct walk walk = {.depth = 0};
    size_t len = 0;
    walk_push(&walk, 0, count, false);
    while (walk.depth > 0) {
        struct subtree at = walk.stack[--walk.depth];
        if (at.join || is_inside(&at, first, n)) {
            continue;
        }
        if (is_outside(&at, first, n)) {
            merkle_root(&ret_path[len++], leaves + at.first, at.count);
        } else {
            walk_split(&walk, &at);
        }
    }
    return len;
}

bool merkle_range_verify(const struct hash *root, const struct hash *range_leaves, u64 first, u64 n,
                         u64 count, const struct hash *path, size_t path_len)
{
    if (!range_is_valid(first, n, count)) {
        return false;
    }
    struct walk walk = {.depth = 0};
    struct hash done[MERKLE_LEVELS_MAX + 2]; /* roots waiting for the half to their right */
    size_t done_len = 0;
    size_t used = 0;
    walk_push(&walk, 0, count, false);
    while (walk.depth > 0) {
        struct subtree at = walk.stack[--walk.depth];
        if (at.join) {
            merkle_node(&done[done_len - 2], &done[done_len - 2], &done[done_len - 1]);
            done_len--;
        } else if (is_outside(&at, first, n)) {
            if (used == path_len) {
                return false;
            }
            done[done_len++] = path[used++];
        } else if (is_inside(&at, first, n)) {
            merkle_root(&done[done_len++], range_leaves + (at.first - first), at.count);
        } else {
            walk_split(&walk, &at);
        }
    }
    return used == path_len && hash_eq(&done[0], root);
}

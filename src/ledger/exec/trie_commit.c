#include "base/assert.h"
#include "codec/rlp.h"
#include "crypto/hash.h"
#include "ledger/exec/account.h"
#include "ledger/exec/trie.h"
#include "ledger/exec/trie_node.h"

#define NODE_BYTES_MAX MIB(256)
#define LIST_ARENA_BYTES GIB(4)

/* A walk over the changed nodes, children before parents. The longest path has TRIE_PATH_MAX
 * nibbles, and every node but the last takes at least one. */
struct walk {
    struct {
        struct trie_ref *ref;
        size_t path_len;
        size_t next;
    } steps[TRIE_PATH_MAX + 2];
    size_t count;
    struct trie_path path;
};

typedef err visit(struct trie *trie, struct trie_ref *ref, const struct trie_path *path, void *ctx);

static void walk_push(struct walk *walk, struct trie_ref *ref, size_t path_len)
{
    assert_that(walk->count < COUNT_OF(walk->steps) && path_len <= TRIE_PATH_MAX);
    walk->steps[walk->count].ref = ref;
    walk->steps[walk->count].path_len = path_len;
    walk->steps[walk->count++].next = 0;
}

/* Pushes the next child of the step on top that is dirty; false: there is none left. */
static bool walk_down(struct walk *walk, bool unhashed_only)
{
    size_t top = walk->count - 1;
    const struct trie_node *node = walk->steps[top].ref->node;
    size_t at = walk->steps[top].path_len;
    size_t ref_count = node->kind == TRIE_BRANCH ? TRIE_WIDTH : node->kind == TRIE_EXTENSION;
    while (walk->steps[top].next < ref_count) {
        size_t i = walk->steps[top].next++;
        const struct trie_node *child = node->refs[i].node;
        if (child == NULL || !child->dirty || (unhashed_only && child->hashed)) {
            continue;
        }
        size_t len = 1;
        if (node->kind == TRIE_BRANCH) {
            walk->path.nibbles[at] = (u8)i;
        } else {
            len = node->nibble_count;
            memcpy(walk->path.nibbles + at, node->nibbles, len);
        }
        walk_push(walk, &node->refs[i], at + len);
        return true;
    }
    return false;
}

static err walk_dirty(struct trie *trie, bool unhashed_only, visit *fn, void *ctx)
{
    struct trie_node *root = trie->root.node;
    if (root == NULL || !root->dirty || (unhashed_only && root->hashed)) {
        return ok();
    }
    struct walk walk = {0};
    walk_push(&walk, &trie->root, 0);
    while (walk.count > 0) {
        if (walk_down(&walk, unhashed_only)) {
            continue;
        }
        walk.count--;
        walk.path.len = walk.steps[walk.count].path_len;
        TRY(fn(trie, walk.steps[walk.count].ref, &walk.path, ctx));
    }
    return ok();
}

static void put_ref(struct buf *out, const struct trie_ref *ref)
{
    bytes enc = bytes_make(ref->enc, ref->len);
    if (ref->len == 0 || ref->len == TRIE_HASH_BYTES) {
        rlp_put_bytes(out, enc);
    } else {
        buf_put(out, enc);
    }
}

static void put_path(struct buf *out, const struct trie_node *node)
{
    u8 packed[TRIE_KEY_BYTES_MAX + 1];
    size_t odd = node->nibble_count % 2;
    unsigned flags = (node->kind == TRIE_LEAF ? 2u : 0u) + (unsigned)odd;
    packed[0] = (u8)(flags << 4 | (odd ? node->nibbles[0] : 0u));
    size_t len = 1;
    for (size_t i = odd; i < node->nibble_count; i += 2) {
        packed[len++] = (u8)(node->nibbles[i] << 4 | node->nibbles[i + 1]);
    }
    rlp_put_bytes(out, bytes_make(packed, len));
}

static void encode_node(struct buf *out, const struct trie_node *node)
{
    size_t list = rlp_list_begin(out);
    switch (node->kind) {
    case TRIE_BRANCH:
        for (size_t i = 0; i < TRIE_WIDTH; i++) {
            put_ref(out, &node->refs[i]);
        }
        rlp_put_bytes(out, node->value);
        break;
    case TRIE_EXTENSION:
        put_path(out, node);
        put_ref(out, &node->refs[0]);
        break;
    case TRIE_LEAF:
        put_path(out, node);
        rlp_put_bytes(out, node->value);
        break;
    }
    rlp_list_end(out, list);
}

/* Encodes a node whose children are up to date, and brings the reference to it up to date. */
static err hash_node(struct trie *trie, struct trie_ref *ref, const struct trie_path *path,
                     void *ctx)
{
    struct buf *scratch = ctx;
    struct trie_node *node = ref->node;
    buf_clear(scratch);
    encode_node(scratch, node);
    TRY(buf_done(scratch));
    node->rlp = arena_copy(trie->arena, buf_bytes(scratch));
    if (node->rlp.data == NULL) {
        return fail(ERR_LIMIT);
    }
    node->hashed = true;
    if (node->rlp.len < TRIE_HASH_BYTES && path->len > 0) {
        memcpy(ref->enc, node->rlp.data, node->rlp.len);
        ref->len = (u8)node->rlp.len;
        return ok();
    }
    struct hash hash;
    keccak256(&hash, node->rlp);
    memcpy(ref->enc, hash.b, sizeof hash.b);
    ref->len = TRIE_HASH_BYTES;
    return ok();
}

err trie_root(struct trie *trie, struct hash *ret_root)
{
    struct buf scratch;
    buf_init(&scratch, NODE_BYTES_MAX);
    err e = walk_dirty(trie, true, hash_node, &scratch);
    buf_free(&scratch);
    TRY(e);
    if (trie->root.len == 0) {
        *ret_root = account_empty_root();
    } else {
        memcpy(ret_root->b, trie->root.enc, sizeof ret_root->b);
    }
    return ok();
}

static err write_node(struct trie *trie, struct trie_ref *ref, const struct trie_path *path,
                      void *ctx)
{
    const struct trie_sink *sink = ctx;
    const struct trie_node *node = ref->node;
    bool is_apart = node->kind == TRIE_LEAF && trie->source.makes_leaves;
    if (ref->len == TRIE_HASH_BYTES && !is_apart) {
        return sink->put(sink->ctx, path, node->rlp);
    }
    return node->stored ? sink->remove(sink->ctx, path) : ok();
}

err trie_commit(struct trie *trie, const struct trie_sink *sink, struct hash *ret_root)
{
    TRY(trie_root(trie, ret_root));
    /* Removals first: a new node may have come to stand where an old one was. */
    for (const struct trie_stale *stale = trie->stale; stale != NULL; stale = stale->next) {
        TRY(sink->remove(sink->ctx, &stale->path));
    }
    struct trie_sink copy = *sink;
    return walk_dirty(trie, false, write_node, &copy);
}

void trie_leaf_encode(struct buf *out, bytes key, size_t from, bytes value)
{
    struct trie_path path;
    trie_nibbles(&path, key);
    assert_that(from <= path.len);
    const struct trie_node leaf = {.kind = TRIE_LEAF,
                                   .nibbles = path.nibbles + from,
                                   .nibble_count = path.len - from,
                                   .value = value};
    encode_node(out, &leaf);
}

err trie_prove(struct trie *trie, bytes key, bytes *ret_nodes, size_t *ret_count)
{
    struct trie_path nibbles;
    trie_nibbles(&nibbles, key);
    struct trie_path path = nibbles;
    struct trie_ref *ref = &trie->root;
    size_t count = 0;
    path.len = 0;
    while (ref->node != NULL || ref->len > 0) {
        struct trie_node *node;
        TRY(trie_resolve(trie, ref, &path, &node));
        assert_that(node->hashed);
        if (ref->len == TRIE_HASH_BYTES) {
            ret_nodes[count++] = node->rlp;
        }
        if (node->kind == TRIE_BRANCH) {
            if (path.len == nibbles.len) {
                break;
            }
            ref = &node->refs[nibbles.nibbles[path.len++]];
            continue;
        }
        bool fits = node->nibble_count <= nibbles.len - path.len &&
                    memcmp(node->nibbles, nibbles.nibbles + path.len, node->nibble_count) == 0;
        if (!fits || node->kind == TRIE_LEAF) {
            break;
        }
        path.len += node->nibble_count;
        ref = &node->refs[0];
    }
    *ret_count = count;
    return ok();
}

static err put_list(struct trie *trie, const struct bytes *items, size_t count)
{
    struct buf key;
    buf_init(&key, 16);
    err e = ok();
    for (size_t i = 0; i < count && is_ok(e); i++) {
        buf_clear(&key);
        rlp_put_u64(&key, i);
        e = trie_put(trie, buf_bytes(&key), items[i]);
    }
    buf_free(&key);
    return e;
}

err trie_root_of_list(const struct bytes *items, size_t count, struct hash *ret_root)
{
    struct arena arena;
    struct trie trie;
    struct hash empty = account_empty_root();
    arena_init(&arena, LIST_ARENA_BYTES);
    trie_init(&trie, &arena, NULL, &empty);
    err e = put_list(&trie, items, count);
    if (is_ok(e)) {
        e = trie_root(&trie, ret_root);
    }
    arena_free(&arena);
    return e;
}

#include "gateway/journal/tree.h"

#include "base/assert.h"
#include "base/mem.h"

#define NODE_BYTES 8
#define LINK_MARK 1

_Static_assert(TREE_KEY_BYTES_MAX <= TREE_DEPTH_MAX * TREE_CHUNK_BYTES, "nodes of the longest key");
_Static_assert(NODE_BYTES + TREE_CHUNK_BYTES + 1 == KV_KEY_BYTES_MAX, "a link fills a store key");

struct node_key {
    u8 b[KV_KEY_BYTES_MAX];
    size_t len;
};

static struct node_key node_key_make(u64 node, bytes chunk)
{
    struct node_key key = {.len = NODE_BYTES + chunk.len};
    assert_that(chunk.len <= TREE_CHUNK_BYTES);
    store_be64(key.b, node);
    if (chunk.len != 0) {
        memcpy(key.b + NODE_BYTES, chunk.data, chunk.len);
    }
    return key;
}

static struct node_key link_key_make(u64 node, bytes chunk)
{
    struct node_key key = node_key_make(node, chunk);
    key.b[key.len++] = LINK_MARK;
    return key;
}

static bytes node_key_bytes(const struct node_key *key) { return bytes_make(key->b, key->len); }

/* The way down to the node of a key: nodes[0] is the root, nodes[i + 1] hangs at chunk i. */
struct path {
    u64 nodes[TREE_DEPTH_MAX];
    size_t depth;
    bytes rest; /* what is left of the key below nodes[depth] */
};

static err read_link(const struct tree *tree, u64 node, bytes chunk, u64 *ret_child)
{
    struct node_key key = link_key_make(node, chunk);
    bytes value;
    TRY(kv_get(tree->txn, tree->table, node_key_bytes(&key), &value));
    if (value.len != NODE_BYTES) {
        return fail(ERR_INTEGRITY);
    }
    *ret_child = load_be64(value.data);
    return ok();
}

/* descend: as far as there are nodes; ERR_NOT_FOUND: one is missing, at path->depth. */
static err descend(const struct tree *tree, bytes key, struct path *path)
{
    assert_that(key.len <= TREE_KEY_BYTES_MAX);
    *path = (struct path){.nodes = {tree->root}, .rest = key};
    while (path->rest.len > TREE_CHUNK_BYTES) {
        bytes chunk = bytes_slice(path->rest, 0, TREE_CHUNK_BYTES);
        u64 child;
        TRY(read_link(tree, path->nodes[path->depth], chunk, &child));
        path->nodes[++path->depth] = child;
        path->rest = bytes_slice(path->rest, TREE_CHUNK_BYTES, path->rest.len - TREE_CHUNK_BYTES);
    }
    return ok();
}

err tree_get(const struct tree *tree, bytes key, bytes *ret_value)
{
    struct path path;
    TRY(descend(tree, key, &path));
    struct node_key at = node_key_make(path.nodes[path.depth], path.rest);
    return kv_get(tree->txn, tree->table, node_key_bytes(&at), ret_value);
}

static err make_nodes(const struct tree *tree, struct path *path, u64 *counter)
{
    while (path->rest.len > TREE_CHUNK_BYTES) {
        u8 child[NODE_BYTES];
        bytes chunk = bytes_slice(path->rest, 0, TREE_CHUNK_BYTES);
        struct node_key link = link_key_make(path->nodes[path->depth], chunk);
        store_be64(child, *counter);
        TRY(kv_put(tree->txn, tree->table, node_key_bytes(&link), BYTES_OF(child)));
        path->nodes[++path->depth] = (*counter)++;
        path->rest = bytes_slice(path->rest, TREE_CHUNK_BYTES, path->rest.len - TREE_CHUNK_BYTES);
    }
    return ok();
}

err tree_put(const struct tree *tree, bytes key, bytes value, u64 *counter)
{
    struct path path;
    err e = descend(tree, key, &path);
    if (is_err(e, ERR_NOT_FOUND)) {
        e = make_nodes(tree, &path, counter);
    }
    TRY(e);
    struct node_key at = node_key_make(path.nodes[path.depth], path.rest);
    return kv_put(tree->txn, tree->table, node_key_bytes(&at), value);
}

static bool in_node(bytes key, u64 node)
{
    return key.len >= NODE_BYTES && load_be64(key.data) == node;
}

/* first_of: the first store key of a node; ERR_NOT_FOUND: the node is empty. */
static err first_of(const struct tree *tree, u64 node, struct node_key *ret_key, u64 *ret_child,
                    bool *ret_is_link)
{
    struct kv_cursor *cursor;
    struct node_key start = node_key_make(node, bytes_make(NULL, 0));
    bytes key;
    bytes value;
    TRY(kv_cursor_open(tree->txn, tree->table, &cursor));
    err e = kv_seek(cursor, node_key_bytes(&start), &key, &value);
    if (is_ok(e) && !in_node(key, node)) {
        e = fail(ERR_NOT_FOUND);
    }
    if (is_ok(e)) {
        memcpy(ret_key->b, key.data, key.len);
        ret_key->len = key.len;
        *ret_is_link = key.len == KV_KEY_BYTES_MAX;
        *ret_child = *ret_is_link && value.len == NODE_BYTES ? load_be64(value.data) : 0;
    }
    kv_cursor_close(cursor);
    return e;
}

/* prune: unlinks the nodes of the path that have become empty, from below. */
static err prune(const struct tree *tree, const struct path *path, bytes key)
{
    for (size_t depth = path->depth; depth > 0; depth--) {
        struct node_key first;
        u64 child;
        bool is_link;
        err e = first_of(tree, path->nodes[depth], &first, &child, &is_link);
        if (!is_err(e, ERR_NOT_FOUND)) {
            return e;
        }
        bytes chunk = bytes_slice(key, (depth - 1) * TREE_CHUNK_BYTES, TREE_CHUNK_BYTES);
        struct node_key link = link_key_make(path->nodes[depth - 1], chunk);
        TRY(kv_delete(tree->txn, tree->table, node_key_bytes(&link)));
    }
    return ok();
}

err tree_delete(const struct tree *tree, bytes key)
{
    struct path path;
    err e = descend(tree, key, &path);
    if (is_err(e, ERR_NOT_FOUND)) {
        return ok();
    }
    TRY(e);
    struct node_key at = node_key_make(path.nodes[path.depth], path.rest);
    TRY(kv_delete(tree->txn, tree->table, node_key_bytes(&at)));
    return prune(tree, &path, key);
}

err tree_clear(const struct tree *tree)
{
    u64 nodes[TREE_DEPTH_MAX] = {tree->root};
    size_t depth = 0;
    for (;;) {
        struct node_key key;
        u64 child;
        bool is_link;
        err e = first_of(tree, nodes[depth], &key, &child, &is_link);
        if (is_err(e, ERR_NOT_FOUND)) {
            if (depth == 0) {
                return ok();
            }
            depth--;
            TRY(first_of(tree, nodes[depth], &key, &child, &is_link)); /* the link come down by */
            TRY(kv_delete(tree->txn, tree->table, node_key_bytes(&key)));
            continue;
        }
        TRY(e);
        if (!is_link) {
            TRY(kv_delete(tree->txn, tree->table, node_key_bytes(&key)));
        } else if (depth + 1 < TREE_DEPTH_MAX) {
            nodes[++depth] = child;
        } else {
            return fail(ERR_INTEGRITY);
        }
    }
}

struct tree_cursor {
    struct tree tree;
    struct kv_cursor *kv;
    u64 nodes[TREE_DEPTH_MAX];
    size_t depth;
    u8 key[TREE_DEPTH_MAX * TREE_CHUNK_BYTES]; /* the way down, then the last chunk */
};

err tree_cursor_open(const struct tree *tree, struct tree_cursor **ret_cursor)
{
    struct kv_cursor *kv;
    TRY(kv_cursor_open(tree->txn, tree->table, &kv));
    struct tree_cursor *cursor = MEM_NEW(struct tree_cursor);
    cursor->tree = *tree;
    cursor->kv = kv;
    *ret_cursor = cursor;
    return ok();
}

void tree_cursor_close(struct tree_cursor *cursor)
{
    if (cursor != NULL) {
        kv_cursor_close(cursor->kv);
        mem_free(cursor);
    }
}

static err enter(struct tree_cursor *cursor, bytes link, bytes value, bytes *ret_key,
                 bytes *ret_value)
{
    if (cursor->depth + 1 >= TREE_DEPTH_MAX || value.len != NODE_BYTES) {
        return fail(ERR_INTEGRITY);
    }
    memcpy(cursor->key + cursor->depth * TREE_CHUNK_BYTES, link.data + NODE_BYTES,
           TREE_CHUNK_BYTES);
    u64 child = load_be64(value.data);
    cursor->nodes[++cursor->depth] = child;
    struct node_key start = node_key_make(child, bytes_make(NULL, 0));
    return kv_seek(cursor->kv, node_key_bytes(&start), ret_key, ret_value);
}

/* leave: back to the link above, and one step on. */
static err leave(struct tree_cursor *cursor, bytes *ret_key, bytes *ret_value)
{
    cursor->depth--;
    bytes chunk = bytes_make(cursor->key + cursor->depth * TREE_CHUNK_BYTES, TREE_CHUNK_BYTES);
    struct node_key link = link_key_make(cursor->nodes[cursor->depth], chunk);
    TRY(kv_seek(cursor->kv, node_key_bytes(&link), ret_key, ret_value));
    return kv_next(cursor->kv, ret_key, ret_value);
}

/* settle: from a place in the store to the next entry, down links and up at the end of nodes. */
static err settle(struct tree_cursor *cursor, err e, bytes key, bytes value, bytes *ret_key,
                  bytes *ret_value)
{
    for (;;) {
        bool outside =
            is_err(e, ERR_NOT_FOUND) || (is_ok(e) && !in_node(key, cursor->nodes[cursor->depth]));
        if (outside && cursor->depth == 0) {
            return fail(ERR_NOT_FOUND);
        }
        if (outside) {
            e = leave(cursor, &key, &value);
            continue;
        }
        TRY(e);
        if (key.len == KV_KEY_BYTES_MAX) {
            e = enter(cursor, key, value, &key, &value);
            continue;
        }
        size_t before = cursor->depth * TREE_CHUNK_BYTES;
        memcpy(cursor->key + before, key.data + NODE_BYTES, key.len - NODE_BYTES);
        *ret_key = bytes_make(cursor->key, before + key.len - NODE_BYTES);
        *ret_value = value;
        return ok();
    }
}

err tree_seek(struct tree_cursor *cursor, bytes key, bytes *ret_key, bytes *ret_value)
{
    struct path path;
    bytes found_key = {NULL, 0};
    bytes found_value = {NULL, 0};
    err e = descend(&cursor->tree, key, &path);
    if (!is_ok(e) && !is_err(e, ERR_NOT_FOUND)) {
        return e;
    }
    memcpy(cursor->nodes, path.nodes, sizeof path.nodes);
    cursor->depth = path.depth;
    if (path.depth > 0) {
        memcpy(cursor->key, key.data, path.depth * TREE_CHUNK_BYTES);
    }
    struct node_key at;
    if (path.rest.len > TREE_CHUNK_BYTES) { /* no such node: behind where its link would be */
        at = link_key_make(path.nodes[path.depth], bytes_slice(path.rest, 0, TREE_CHUNK_BYTES));
    } else {
        at = node_key_make(path.nodes[path.depth], path.rest);
    }
    e = kv_seek(cursor->kv, node_key_bytes(&at), &found_key, &found_value);
    return settle(cursor, e, found_key, found_value, ret_key, ret_value);
}

err tree_next(struct tree_cursor *cursor, bytes *ret_key, bytes *ret_value)
{
    bytes key = {NULL, 0};
    bytes value = {NULL, 0};
    err e = kv_next(cursor->kv, &key, &value);
    return settle(cursor, e, key, value, ret_key, ret_value);
}

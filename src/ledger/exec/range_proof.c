#include "ledger/exec/range_proof.h"

#include "base/assert.h"
#include "ledger/exec/account.h"
#include "ledger/exec/trie_node.h"

#define EDGE_NODES_MAX 65

/* The nodes on the way to one key, each with the length of its path. */
struct edge {
    struct trie_path key;
    const struct bytes *nodes;
    size_t path_lens[EDGE_NODES_MAX];
    size_t count;
};

struct edges {
    struct edge from;
    struct edge to;
};

/* Where each node of a proof stands; false: they are no way to the key. Hashes are checked when the
 * trie loads them. */
static bool edge_init(struct edge *edge, const struct hash *key, const struct bytes *nodes,
                      size_t count)
{
    size_t at = 0;
    trie_nibbles(&edge->key, BYTES_OF(*key));
    edge->nodes = nodes;
    edge->count = count;
    if (count > EDGE_NODES_MAX) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        struct node_view view;
        if (at > edge->key.len || !is_ok(node_view_decode(nodes[i], &view))) {
            return false;
        }
        edge->path_lens[i] = at;
        /* Embedded nodes below this one have no entry of their own: where the next stored node
         * stands is known only to the walk, so each step is taken from the decoded node. */
        while (i + 1 < count) {
            at += view.kind == TRIE_BRANCH ? 1 : view.nibble_count;
            if (at > edge->key.len || view.kind == TRIE_LEAF) {
                return false;
            }
            bytes ref =
                view.kind == TRIE_BRANCH ? view.refs[edge->key.nibbles[at - 1]] : view.refs[0];
            if (ref.len == TRIE_HASH_BYTES) {
                break;
            }
            if (ref.len == 0 || !is_ok(node_view_decode(ref, &view))) {
                return false;
            }
        }
    }
    return true;
}

static bool edge_find(const struct edge *edge, const struct trie_path *path, bytes *ret_node)
{
    if (path->len > edge->key.len || memcmp(path->nibbles, edge->key.nibbles, path->len) != 0) {
        return false;
    }
    for (size_t i = 0; i < edge->count; i++) {
        if (edge->path_lens[i] == path->len) {
            *ret_node = edge->nodes[i];
            return true;
        }
    }
    return false;
}

static err load_from_edges(void *ctx, const struct trie_path *path, struct arena *arena,
                           bytes *ret_node)
{
    const struct edges *edges = ctx;
    bytes node;
    if (!edge_find(&edges->from, path, &node) && !edge_find(&edges->to, path, &node)) {
        return fail(ERR_INTEGRITY);
    }
    *ret_node = arena_copy(arena, node);
    return ret_node->data != NULL ? ok() : fail(ERR_LIMIT);
}

/* --- emptying the range --- */

enum side {
    SIDE_BOTH,  /* both edges are below */
    SIDE_LEFT,  /* only `from` is below: what is greater goes */
    SIDE_RIGHT, /* only `to` is below: what is less goes */
};

struct clearing {
    struct trie *trie;
    const struct edges *edges;
};

/* How the nibbles of a leaf or extension at path length `at` lie to an edge: less, equal as far as
 * they go, or greater. */
static int compare_edge(const struct trie_node *node, const struct edge *edge, size_t at)
{
    size_t rest = edge->key.len - at;
    size_t n = min_size(node->nibble_count, rest);
    return memcmp(node->nibbles, edge->key.nibbles + at, n);
}

static void drop_between(struct trie_node *branch, unsigned first, unsigned end)
{
    for (unsigned i = first; i < end; i++) {
        branch->refs[i] = (struct trie_ref){0};
    }
    branch->dirty = true;
    branch->hashed = false;
}

/* A leaf or extension: kept, dropped, or gone through; *ret_next NULL: done with it. */
static void clear_short(const struct clearing *clearing, struct trie_ref *ref, size_t *at,
                        enum side *side, struct trie_ref **ret_next)
{
    struct trie_node *node = ref->node;
    bool has_from = *side != SIDE_RIGHT;
    bool has_to = *side != SIDE_LEFT;
    int from = has_from ? compare_edge(node, &clearing->edges->from, *at) : 1;
    int to = has_to ? compare_edge(node, &clearing->edges->to, *at) : -1;
    *ret_next = NULL;
    if (from < 0 || to > 0) {
        return; /* outside */
    }
    if (node->kind == TRIE_LEAF || (from > 0 && to < 0)) {
        *ref = (struct trie_ref){0};
        return;
    }
    *side = from == 0 && to == 0 ? SIDE_BOTH : from == 0 ? SIDE_LEFT : SIDE_RIGHT;
    *at += node->nibble_count;
    node->dirty = true;
    node->hashed = false;
    *ret_next = &node->refs[0];
}

static err clear_side(const struct clearing *clearing, struct trie_ref *ref, size_t at,
                      enum side side);

/* A branch below both edges whose ways part here: what is between goes, then each edge alone. */
static err clear_fork(const struct clearing *clearing, struct trie_node *branch, size_t at)
{
    unsigned from = clearing->edges->from.key.nibbles[at];
    unsigned to = clearing->edges->to.key.nibbles[at];
    drop_between(branch, from + 1, to);
    TRY(clear_side(clearing, &branch->refs[from], at + 1, SIDE_LEFT));
    return clear_side(clearing, &branch->refs[to], at + 1, SIDE_RIGHT);
}

/* One step down from a branch at which the edges do not part. */
static struct trie_ref *clear_branch(const struct clearing *clearing, struct trie_node *branch,
                                     size_t at, enum side side)
{
    const struct edge *edge = side == SIDE_RIGHT ? &clearing->edges->to : &clearing->edges->from;
    unsigned nibble = edge->key.nibbles[at];
    drop_between(branch, side == SIDE_LEFT ? nibble + 1 : 0,
                 side == SIDE_LEFT    ? TRIE_WIDTH
                 : side == SIDE_RIGHT ? nibble
                                      : 0);
    return &branch->refs[nibble];
}

/* Down one edge, or down both until they part; clear_fork() calls it for one edge only, so the
 * calls nest at most once. */
static err clear_side(const struct clearing *clearing, struct trie_ref *ref, size_t at,
                      enum side side)
{
    const struct edges *edges = clearing->edges;
    while (ref != NULL && (ref->node != NULL || ref->len > 0)) {
        const struct edge *edge = side == SIDE_RIGHT ? &edges->to : &edges->from;
        struct trie_path path = edge->key;
        struct trie_node *node;
        path.len = at;
        TRY(trie_resolve(clearing->trie, ref, &path, &node));
        if (node->kind != TRIE_BRANCH) {
            clear_short(clearing, ref, &at, &side, &ref);
            continue;
        }
        if (at >= edge->key.len) {
            return fail(ERR_INTEGRITY); /* keys of a secure trie end in leaves */
        }
        if (side == SIDE_BOTH && edges->from.key.nibbles[at] != edges->to.key.nibbles[at]) {
            return clear_fork(clearing, node, at);
        }
        ref = clear_branch(clearing, node, at, side);
        at++;
    }
    return ok();
}

/* --- the whole --- */

static bool is_whole(const struct range_proof *range)
{
    struct hash last;
    memset(last.b, 0xff, sizeof last.b);
    return hash_is_zero(&range->from) && hash_eq(&range->to, &last) && range->from_count == 0 &&
           range->to_count == 0;
}

static bool entries_in_order(const struct range_proof *range)
{
    const struct hash *before = NULL;
    for (size_t i = 0; i < range->count; i++) {
        const struct hash *key = &range->keys[i];
        bool inside = memcmp(key, &range->from, sizeof *key) >= 0 &&
                      memcmp(key, &range->to, sizeof *key) <= 0;
        if (!inside || range->values[i].len == 0 ||
            (before != NULL && memcmp(before, key, sizeof *key) >= 0)) {
            return false;
        }
        before = key;
    }
    return memcmp(&range->from, &range->to, sizeof range->from) <= 0;
}

static err put_entries(struct trie *trie, const struct range_proof *range)
{
    for (size_t i = 0; i < range->count; i++) {
        TRY(trie_put(trie, BYTES_OF(range->keys[i]), range->values[i]));
    }
    return ok();
}

/* ERR_INTEGRITY: the nodes contradict each other or are not all there. */
static err root_with_entries(struct arena *arena, const struct range_proof *range,
                             struct edges *edges, struct hash *ret_root)
{
    struct trie trie;
    struct hash empty = account_empty_root();
    if (is_whole(range)) {
        trie_init(&trie, arena, NULL, &empty);
    } else {
        const struct trie_source source = {.ctx = edges, .load = load_from_edges};
        const struct clearing clearing = {.trie = &trie, .edges = edges};
        trie_init(&trie, arena, &source, &range->root);
        TRY(clear_side(&clearing, &trie.root, 0, SIDE_BOTH));
    }
    TRY(put_entries(&trie, range));
    return trie_root(&trie, ret_root);
}

err range_proof_verify(struct arena *arena, const struct range_proof *range, bool *ret_valid)
{
    struct edges edges;
    struct hash root;
    *ret_valid = false;
    if (!entries_in_order(range)) {
        return ok();
    }
    if (!edge_init(&edges.from, &range->from, range->from_nodes, range->from_count) ||
        !edge_init(&edges.to, &range->to, range->to_nodes, range->to_count)) {
        return ok();
    }
    err e = root_with_entries(arena, range, &edges, &root);
    if (is_err(e, ERR_INTEGRITY)) {
        return ok();
    }
    TRY(e);
    *ret_valid = hash_eq(&root, &range->root);
    return ok();
}

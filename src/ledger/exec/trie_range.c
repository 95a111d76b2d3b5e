#include "ledger/exec/trie.h"
#include "ledger/exec/trie_node.h"

/* What is next to a key: the walk goes down along the key and remembers the last branch that it
 * passed with something on the wanted side; from there it goes down along that side's edge. */

#define VALUE_CHILD TRIE_WIDTH /* the branch's own value, before all its children */

struct spot {
    struct trie_node *branch; /* NULL: none */
    size_t child;             /* or VALUE_CHILD */
    struct trie_path path;    /* of the branch */
};

struct walk {
    struct trie *trie;
    bool is_after;
    struct spot spot;
    struct trie_path path; /* of the node that the walk is at */
};

static bool ref_is_set(const struct trie_ref *ref) { return ref->node != NULL || ref->len > 0; }

static void extend(struct trie_path *path, const u8 *nibbles, size_t count)
{
    memcpy(path->nibbles + path->len, nibbles, count);
    path->len += count;
}

/* Remembers what the branch has beside `child` on the wanted side. */
static void remember(struct walk *walk, struct trie_node *branch, size_t child)
{
    size_t found = SIZE_MAX;
    if (walk->is_after) {
        size_t first = child == VALUE_CHILD ? 0 : child + 1;
        for (size_t i = TRIE_WIDTH; i-- > first;) {
            found = ref_is_set(&branch->refs[i]) ? i : found;
        }
    } else {
        found = branch->value.len > 0 ? VALUE_CHILD : SIZE_MAX;
        for (size_t i = 0; i < child; i++) {
            found = ref_is_set(&branch->refs[i]) ? i : found;
        }
    }
    if (found != SIZE_MAX) {
        walk->spot = (struct spot){.branch = branch, .child = found, .path = walk->path};
    }
}

/* The first or last child of a branch, VALUE_CHILD for its value. */
static size_t edge_child(const struct walk *walk, const struct trie_node *branch)
{
    if (walk->is_after && branch->value.len > 0) {
        return VALUE_CHILD;
    }
    size_t found = VALUE_CHILD;
    for (size_t i = 0; i < TRIE_WIDTH; i++) {
        if (ref_is_set(&branch->refs[i]) && (!walk->is_after || found == VALUE_CHILD)) {
            found = i;
        }
    }
    return found;
}

/* Down the edge from the node at walk->path to a value; its key ends up in walk->path. */
static err descend_edge(struct walk *walk, struct trie_node *node)
{
    for (;;) {
        struct trie_ref *ref;
        if (node->kind == TRIE_BRANCH) {
            size_t child = edge_child(walk, node);
            if (child == VALUE_CHILD) {
                return ok();
            }
            walk->path.nibbles[walk->path.len++] = (u8)child;
            ref = &node->refs[child];
        } else {
            extend(&walk->path, node->nibbles, node->nibble_count);
            if (node->kind == TRIE_LEAF) {
                return ok();
            }
            ref = &node->refs[0];
        }
        if (walk->path.len >= TRIE_PATH_MAX) {
            return fail(ERR_INTEGRITY);
        }
        TRY(trie_resolve(walk->trie, ref, &walk->path, &node));
    }
}

static err descend_spot(struct walk *walk, bool *ret_found)
{
    struct spot *spot = &walk->spot;
    struct trie_node *node;
    *ret_found = spot->branch != NULL;
    if (spot->branch == NULL) {
        return ok();
    }
    walk->path = spot->path;
    if (spot->child == VALUE_CHILD) {
        return ok();
    }
    walk->path.nibbles[walk->path.len++] = (u8)spot->child;
    TRY(trie_resolve(walk->trie, &spot->branch->refs[spot->child], &walk->path, &node));
    return descend_edge(walk, node);
}

/* -1: the nibbles come before what is left of the key, 1: behind it, 0: they begin it. */
static int compare_nibbles(const struct trie_node *node, const u8 *rest, size_t rest_len)
{
    size_t count = min_size(node->nibble_count, rest_len);
    int order = count > 0 ? memcmp(node->nibbles, rest, count) : 0;
    if (order != 0) {
        return order < 0 ? -1 : 1;
    }
    return node->nibble_count > rest_len ? 1 : 0;
}

/* One step down; *node NULL: the walk has ended, at a subtree that is wholly on the wanted side or
 * at nothing. */
static err step(struct walk *walk, const struct trie_path *key, struct trie_node **node,
                struct trie_node **ret_subtree)
{
    const u8 *rest = key->nibbles + walk->path.len;
    size_t rest_len = key->len - walk->path.len;
    struct trie_node *at = *node;
    struct trie_ref *ref = NULL;
    *node = NULL;
    if (at->kind == TRIE_BRANCH && rest_len > 0) {
        remember(walk, at, rest[0]);
        ref = &at->refs[rest[0]];
        walk->path.nibbles[walk->path.len++] = rest[0];
    } else if (at->kind == TRIE_BRANCH) {
        if (walk->is_after) {
            remember(walk, at, VALUE_CHILD); /* every child is behind the key that ends here */
        }
    } else {
        int order = compare_nibbles(at, rest, rest_len);
        bool is_wanted = walk->is_after ? order > 0 : order < 0;
        bool is_shorter = at->kind == TRIE_LEAF && order == 0 && at->nibble_count < rest_len;
        if (is_wanted || (is_shorter && !walk->is_after)) {
            *ret_subtree = at;
        } else if (at->kind == TRIE_EXTENSION && order == 0) {
            extend(&walk->path, at->nibbles, at->nibble_count);
            ref = &at->refs[0];
        }
    }
    return ref != NULL && ref_is_set(ref) ? trie_resolve(walk->trie, ref, &walk->path, node) : ok();
}

err trie_neighbour(struct trie *trie, bytes key, bool is_after, struct trie_path *ret_path,
                   bool *ret_found)
{
    struct walk walk = {.trie = trie, .is_after = is_after};
    struct trie_path nibbles = {.len = 0};
    struct trie_node *node = NULL;
    struct trie_node *subtree = NULL;
    if (key.len > 0) {
        trie_nibbles(&nibbles, key);
    }
    if (ref_is_set(&trie->root)) {
        TRY(trie_resolve(trie, &trie->root, &walk.path, &node));
    }
    while (node != NULL) {
        TRY(step(&walk, &nibbles, &node, &subtree));
    }
    *ret_found = true;
    if (subtree != NULL) {
        TRY(descend_edge(&walk, subtree));
    } else {
        TRY(descend_spot(&walk, ret_found));
    }
    *ret_path = walk.path;
    return ok();
}

#include "ledger/exec/trie.h"

#include "base/assert.h"
#include "crypto/hash.h"
#include "ledger/exec/account.h"
#include "ledger/exec/trie_node.h"

void trie_init(struct trie *trie, struct arena *arena, const struct trie_source *source,
               const struct hash *root)
{
    *trie = (struct trie){.arena = arena};
    if (source != NULL) {
        trie->source = *source;
    }
    struct hash empty = account_empty_root();
    if (!hash_eq(root, &empty)) {
        assert_that(source != NULL);
        memcpy(trie->root.enc, root->b, TRIE_HASH_BYTES);
        trie->root.len = TRIE_HASH_BYTES;
    }
}

static bool ref_is_empty(const struct trie_ref *ref) { return ref->node == NULL && ref->len == 0; }

/* --- making nodes --- */

static struct trie_node *node_new(struct trie *trie, enum trie_kind kind)
{
    struct trie_node *node = ARENA_NEW(trie->arena, struct trie_node);
    if (node == NULL) {
        return NULL;
    }
    node->kind = kind;
    node->dirty = true;
    if (kind != TRIE_LEAF) {
        node->refs =
            ARENA_ARRAY(trie->arena, struct trie_ref, kind == TRIE_BRANCH ? TRIE_WIDTH : 1);
        if (node->refs == NULL) {
            return NULL;
        }
    }
    return node;
}

/* A leaf or extension over prefix ‖ nibbles. */
static struct trie_node *short_new(struct trie *trie, enum trie_kind kind, const u8 *prefix,
                                   size_t prefix_len, const u8 *nibbles, size_t count)
{
    struct trie_node *node = node_new(trie, kind);
    u8 *copy = arena_alloc(trie->arena, prefix_len + count + 1);
    if (node == NULL || copy == NULL) {
        return NULL;
    }
    if (prefix_len > 0) {
        memcpy(copy, prefix, prefix_len);
    }
    if (count > 0) {
        memcpy(copy + prefix_len, nibbles, count);
    }
    node->nibbles = copy;
    node->nibble_count = prefix_len + count;
    return node;
}

static err node_from_view(struct trie *trie, const struct node_view *view, bytes rlp,
                          struct trie_node **ret_node)
{
    struct trie_node *node =
        view->kind == TRIE_BRANCH
            ? node_new(trie, TRIE_BRANCH)
            : short_new(trie, view->kind, NULL, 0, view->nibbles, view->nibble_count);
    if (node == NULL) {
        return fail(ERR_LIMIT);
    }
    size_t ref_count = view->kind == TRIE_BRANCH ? TRIE_WIDTH : view->kind == TRIE_EXTENSION;
    for (size_t i = 0; i < ref_count; i++) {
        node->refs[i].len = (u8)view->refs[i].len;
        if (view->refs[i].len > 0) {
            memcpy(node->refs[i].enc, view->refs[i].data, view->refs[i].len);
        }
    }
    node->value = view->value;
    node->dirty = false;
    node->hashed = true;
    node->rlp = rlp;
    *ret_node = node;
    return ok();
}

/* The encoding behind a reference: of an embedded node, or loaded and checked. */
static err fetch(struct trie *trie, const struct trie_ref *ref, const struct trie_path *path,
                 bytes *ret_rlp)
{
    if (ref->len < TRIE_HASH_BYTES) {
        *ret_rlp = arena_copy(trie->arena, bytes_make(ref->enc, ref->len));
        return ret_rlp->data != NULL ? ok() : fail(ERR_LIMIT);
    }
    if (trie->source.load == NULL) {
        return fail(ERR_INTEGRITY);
    }
    struct hash hash;
    TRY(trie->source.load(trie->source.ctx, path, trie->arena, ret_rlp));
    keccak256(&hash, *ret_rlp);
    return memcmp(hash.b, ref->enc, sizeof hash.b) == 0 ? ok() : fail(ERR_INTEGRITY);
}

err trie_resolve(struct trie *trie, struct trie_ref *ref, const struct trie_path *path,
                 struct trie_node **ret_node)
{
    if (ref->node == NULL) {
        bytes rlp;
        struct node_view view;
        TRY(fetch(trie, ref, path, &rlp));
        err e = node_view_decode(rlp, &view);
        if (!is_ok(e)) {
            return fail(ERR_INTEGRITY);
        }
        TRY(node_from_view(trie, &view, rlp, &ref->node));
        ref->node->stored = ref->len == TRIE_HASH_BYTES &&
                            !(ref->node->kind == TRIE_LEAF && trie->source.makes_leaves);
    }
    *ret_node = ref->node;
    return ok();
}

static void touch(struct trie_node *node)
{
    node->dirty = true;
    node->hashed = false;
}

/* --- reading --- */

static size_t common_prefix(const u8 *a, size_t a_len, const u8 *b, size_t b_len)
{
    size_t n = min_size(a_len, b_len);
    size_t i = 0;
    while (i < n && a[i] == b[i]) {
        i++;
    }
    return i;
}

/* Whether the node's own nibbles are the next ones of the key. */
static bool node_matches(const struct trie_node *node, const struct trie_path *key, size_t at)
{
    return common_prefix(node->nibbles, node->nibble_count, key->nibbles + at, key->len - at) ==
           node->nibble_count;
}

err trie_get(struct trie *trie, bytes key, bytes *ret_value)
{
    struct trie_path nibbles;
    trie_nibbles(&nibbles, key);
    struct trie_path path = nibbles;
    struct trie_ref *ref = &trie->root;
    *ret_value = bytes_make(NULL, 0);
    for (path.len = 0; !ref_is_empty(ref);) {
        struct trie_node *node;
        TRY(trie_resolve(trie, ref, &path, &node));
        if (node->kind == TRIE_BRANCH) {
            if (path.len == nibbles.len) {
                *ret_value = node->value.len > 0 ? node->value : bytes_make(NULL, 0);
                return ok();
            }
            ref = &node->refs[nibbles.nibbles[path.len++]];
            continue;
        }
        if (!node_matches(node, &nibbles, path.len)) {
            return ok();
        }
        path.len += node->nibble_count;
        if (node->kind == TRIE_LEAF) {
            *ret_value = path.len == nibbles.len ? node->value : bytes_make(NULL, 0);
            return ok();
        }
        ref = &node->refs[0];
    }
    return ok();
}

/* --- putting --- */

static err leaf_under(struct trie *trie, struct trie_ref *ref, const u8 *nibbles, size_t count,
                      bytes value)
{
    struct trie_node *leaf = short_new(trie, TRIE_LEAF, NULL, 0, nibbles, count);
    if (leaf == NULL) {
        return fail(ERR_LIMIT);
    }
    leaf->value = value;
    ref->node = leaf;
    return ok();
}

/* What a split node leaves below the new branch: its value or child, behind its remaining nibbles.
 */
static err hang_old(struct trie *trie, struct trie_node *branch, const struct trie_node *old,
                    size_t common)
{
    if (old->nibble_count == common) {
        branch->value = old->value; /* a leaf: an extension always has a nibble left here */
        return ok();
    }
    struct trie_ref *ref = &branch->refs[old->nibbles[common]];
    const u8 *rest = old->nibbles + common + 1;
    size_t rest_len = old->nibble_count - common - 1;
    if (old->kind == TRIE_LEAF) {
        return leaf_under(trie, ref, rest, rest_len, old->value);
    }
    if (rest_len == 0) {
        *ref = old->refs[0];
        return ok();
    }
    struct trie_node *extension = short_new(trie, TRIE_EXTENSION, NULL, 0, rest, rest_len);
    if (extension == NULL) {
        return fail(ERR_LIMIT);
    }
    extension->refs[0] = old->refs[0];
    ref->node = extension;
    return ok();
}

/* Replaces the leaf or extension behind `ref`, which shares only `common` nibbles with the key's
 * rest, by a branch (behind an extension of the common part). It takes the old node's path. */
static err split(struct trie *trie, struct trie_ref *ref, const u8 *rest, size_t rest_len,
                 size_t common, bytes value)
{
    struct trie_node *old = ref->node;
    struct trie_node *branch = node_new(trie, TRIE_BRANCH);
    if (branch == NULL) {
        return fail(ERR_LIMIT);
    }
    TRY(hang_old(trie, branch, old, common));
    if (rest_len == common) {
        branch->value = value;
    } else {
        TRY(leaf_under(trie, &branch->refs[rest[common]], rest + common + 1, rest_len - common - 1,
                       value));
    }
    struct trie_node *top = branch;
    if (common > 0) {
        top = short_new(trie, TRIE_EXTENSION, NULL, 0, rest, common);
        if (top == NULL) {
            return fail(ERR_LIMIT);
        }
        top->refs[0].node = branch;
    }
    top->stored = old->stored;
    ref->node = top;
    return ok();
}

/* One step down for a put; *ret_ref NULL: the value is in place. */
static err put_step(struct trie *trie, struct trie_ref *ref, const struct trie_path *key,
                    struct trie_path *path, bytes value, struct trie_ref **ret_ref)
{
    const u8 *rest = key->nibbles + path->len;
    size_t rest_len = key->len - path->len;
    *ret_ref = NULL;
    if (ref_is_empty(ref)) {
        return leaf_under(trie, ref, rest, rest_len, value);
    }
    struct trie_node *node;
    TRY(trie_resolve(trie, ref, path, &node));
    touch(node);
    if (node->kind == TRIE_BRANCH) {
        if (rest_len == 0) {
            node->value = value;
            return ok();
        }
        path->len++;
        *ret_ref = &node->refs[rest[0]];
        return ok();
    }
    size_t common = common_prefix(node->nibbles, node->nibble_count, rest, rest_len);
    if (common < node->nibble_count || (node->kind == TRIE_LEAF && common < rest_len)) {
        return split(trie, ref, rest, rest_len, common, value);
    }
    if (node->kind == TRIE_LEAF) {
        node->value = value;
        return ok();
    }
    path->len += common;
    *ret_ref = &node->refs[0];
    return ok();
}

err trie_put(struct trie *trie, bytes key, bytes value)
{
    assert_that(value.len > 0);
    struct trie_path nibbles;
    trie_nibbles(&nibbles, key);
    struct trie_path path = nibbles;
    path.len = 0;
    bytes copy = arena_copy(trie->arena, value);
    if (copy.data == NULL) {
        return fail(ERR_LIMIT);
    }
    for (struct trie_ref *ref = &trie->root; ref != NULL;) {
        TRY(put_step(trie, ref, &nibbles, &path, copy, &ref));
    }
    return ok();
}

/* --- removing --- */

struct trail {
    struct {
        struct trie_ref *ref;
        size_t path_len;
    } steps[TRIE_PATH_MAX + 2];
    size_t count;
};

static err note_stale(struct trie *trie, const struct trie_node *node, const struct trie_path *path,
                      size_t path_len)
{
    if (!node->stored) {
        return ok();
    }
    struct trie_stale *stale = ARENA_NEW(trie->arena, struct trie_stale);
    if (stale == NULL) {
        return fail(ERR_LIMIT);
    }
    stale->path = *path;
    stale->path.len = path_len;
    stale->next = trie->stale;
    trie->stale = stale;
    return ok();
}

/* Descends to a key that is there, making everything on the way dirty. */
static err walk_to(struct trie *trie, const struct trie_path *key, struct trail *trail)
{
    struct trie_path path = *key;
    struct trie_ref *ref = &trie->root;
    path.len = 0;
    for (trail->count = 0;;) {
        struct trie_node *node;
        TRY(trie_resolve(trie, ref, &path, &node));
        touch(node);
        trail->steps[trail->count].ref = ref;
        trail->steps[trail->count++].path_len = path.len;
        if (node->kind == TRIE_LEAF || (node->kind == TRIE_BRANCH && path.len == key->len)) {
            return ok();
        }
        if (node->kind == TRIE_BRANCH) {
            ref = &node->refs[key->nibbles[path.len++]];
        } else {
            path.len += node->nibble_count;
            ref = &node->refs[0];
        }
    }
}

/* Puts prefix in front of the node behind `child` and the result behind `ref`. A branch gets an
 * extension; a leaf or extension moves up, so its old path is stale. */
static err pull_up(struct trie *trie, struct trie_ref *ref, const u8 *prefix, size_t prefix_len,
                   const struct trie_ref *child, const struct trie_path *path, size_t child_len)
{
    const struct trie_node *old = child->node;
    bool stored = ref->node->stored;
    struct trie_node *node;
    if (old->kind == TRIE_BRANCH) {
        node = short_new(trie, TRIE_EXTENSION, NULL, 0, prefix, prefix_len);
        if (node == NULL) {
            return fail(ERR_LIMIT);
        }
        node->refs[0] = *child;
    } else {
        node = short_new(trie, old->kind, prefix, prefix_len, old->nibbles, old->nibble_count);
        if (node == NULL) {
            return fail(ERR_LIMIT);
        }
        node->value = old->value;
        if (old->kind == TRIE_EXTENSION) {
            node->refs[0] = old->refs[0];
        }
        TRY(note_stale(trie, old, path, child_len));
    }
    node->stored = stored;
    ref->node = node;
    return ok();
}

/* A branch that has one entry left becomes a leaf or an extension. */
static err shrink_branch(struct trie *trie, struct trie_ref *ref, const struct trie_path *key,
                         size_t path_len)
{
    struct trie_node *branch = ref->node;
    size_t used = 0;
    u8 last = 0;
    for (u8 i = 0; i < TRIE_WIDTH; i++) {
        if (!ref_is_empty(&branch->refs[i])) {
            used++;
            last = i;
        }
    }
    if (used + (branch->value.len > 0) > 1) {
        return ok();
    }
    if (used == 0) {
        struct trie_node *leaf = short_new(trie, TRIE_LEAF, NULL, 0, NULL, 0);
        if (leaf == NULL) {
            return fail(ERR_LIMIT);
        }
        leaf->value = branch->value;
        leaf->stored = branch->stored;
        ref->node = leaf;
        return ok();
    }
    struct trie_path path = *key;
    struct trie_node *child;
    path.nibbles[path_len] = last;
    path.len = path_len + 1;
    TRY(trie_resolve(trie, &branch->refs[last], &path, &child));
    return pull_up(trie, ref, &last, 1, &branch->refs[last], &path, path.len);
}

static err shrink(struct trie *trie, struct trie_ref *ref, const struct trie_path *key,
                  size_t path_len)
{
    struct trie_node *node = ref->node;
    if (node->kind == TRIE_BRANCH) {
        return shrink_branch(trie, ref, key, path_len);
    }
    const struct trie_node *child = node->kind == TRIE_EXTENSION ? node->refs[0].node : NULL;
    if (child == NULL || child->kind == TRIE_BRANCH) {
        return ok();
    }
    return pull_up(trie, ref, node->nibbles, node->nibble_count, &node->refs[0], key,
                   path_len + node->nibble_count);
}

err trie_remove(struct trie *trie, bytes key)
{
    bytes value;
    TRY(trie_get(trie, key, &value));
    if (value.data == NULL) {
        return ok();
    }
    struct trie_path nibbles;
    struct trail trail;
    trie_nibbles(&nibbles, key);
    TRY(walk_to(trie, &nibbles, &trail));
    struct trie_ref *last = trail.steps[trail.count - 1].ref;
    if (last->node->kind == TRIE_LEAF) {
        TRY(note_stale(trie, last->node, &nibbles, trail.steps[trail.count - 1].path_len));
        *last = (struct trie_ref){0};
        trail.count--;
    } else {
        last->node->value = bytes_make(NULL, 0);
    }
    while (trail.count > 0) {
        trail.count--;
        TRY(shrink(trie, trail.steps[trail.count].ref, &nibbles,
                   trail.steps[trail.count].path_len));
    }
    return ok();
}

#include "ledger/exec/trie_node.h"

#include "base/assert.h"
#include "codec/rlp.h"

#define HEX_PREFIX_ODD 1u
#define HEX_PREFIX_LEAF 2u

void trie_nibbles(struct trie_path *out, bytes key)
{
    assert_that(key.len > 0 && key.len <= TRIE_KEY_BYTES_MAX);
    for (size_t i = 0; i < key.len; i++) {
        out->nibbles[2 * i] = key.data[i] >> 4;
        out->nibbles[2 * i + 1] = key.data[i] & 15;
    }
    out->len = 2 * key.len;
}

/* Hex-prefix form (yellow paper, appendix C). */
static err decode_path(bytes path, struct node_view *view)
{
    if (path.len == 0 || path.len > TRIE_KEY_BYTES_MAX + 1) {
        return fail(ERR_MALFORMED);
    }
    unsigned flags = path.data[0] >> 4;
    unsigned first = path.data[0] & 15;
    bool odd = (flags & HEX_PREFIX_ODD) != 0;
    if (flags > (HEX_PREFIX_ODD | HEX_PREFIX_LEAF) || (!odd && first != 0)) {
        return fail(ERR_MALFORMED);
    }
    view->kind = (flags & HEX_PREFIX_LEAF) != 0 ? TRIE_LEAF : TRIE_EXTENSION;
    size_t count = 0;
    if (odd) {
        view->nibbles[count++] = (u8)first;
    }
    if (count + 2 * (path.len - 1) > TRIE_PATH_MAX) {
        return fail(ERR_MALFORMED);
    }
    for (size_t i = 1; i < path.len; i++) {
        view->nibbles[count++] = path.data[i] >> 4;
        view->nibbles[count++] = path.data[i] & 15;
    }
    view->nibble_count = count;
    return ok();
}

static err decode_ref(const struct rlp_item *item, bytes *ret_ref)
{
    if (item->is_list) {
        if (item->raw.len >= TRIE_HASH_BYTES) {
            return fail(ERR_MALFORMED);
        }
        *ret_ref = item->raw;
        return ok();
    }
    if (item->payload.len != 0 && item->payload.len != TRIE_HASH_BYTES) {
        return fail(ERR_MALFORMED);
    }
    *ret_ref = item->payload;
    return ok();
}

static err decode_branch(bytes items, struct node_view *view)
{
    size_t used = 0;
    view->kind = TRIE_BRANCH;
    for (size_t i = 0; i < TRIE_WIDTH; i++) {
        struct rlp_item item;
        TRY(rlp_next(&items, &item));
        TRY(decode_ref(&item, &view->refs[i]));
        used += view->refs[i].len > 0;
    }
    TRY(rlp_next_bytes(&items, SIZE_MAX, &view->value));
    used += view->value.len > 0;
    return items.len == 0 && used >= 2 ? ok() : fail(ERR_MALFORMED);
}

static err decode_short(bytes items, struct node_view *view)
{
    bytes path;
    TRY(rlp_next_bytes(&items, SIZE_MAX, &path));
    TRY(decode_path(path, view));
    if (view->kind == TRIE_LEAF) {
        TRY(rlp_next_bytes(&items, SIZE_MAX, &view->value));
        return items.len == 0 && view->value.len > 0 ? ok() : fail(ERR_MALFORMED);
    }
    struct rlp_item item;
    TRY(rlp_next(&items, &item));
    TRY(decode_ref(&item, &view->refs[0]));
    bool good = items.len == 0 && view->refs[0].len > 0 && view->nibble_count > 0;
    return good ? ok() : fail(ERR_MALFORMED);
}

err node_view_decode(bytes rlp, struct node_view *ret_view)
{
    bytes items;
    TRY(rlp_next_list(&rlp, &items));
    if (rlp.len != 0) {
        return fail(ERR_MALFORMED);
    }
    size_t count = 0;
    for (bytes rest = items; rest.len > 0; count++) {
        struct rlp_item item;
        TRY(rlp_next(&rest, &item));
    }
    *ret_view = (struct node_view){0};
    if (count == TRIE_WIDTH + 1) {
        return decode_branch(items, ret_view);
    }
    return count == 2 ? decode_short(items, ret_view) : fail(ERR_MALFORMED);
}

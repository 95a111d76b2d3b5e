#include "ledger/exec/proof.h"

#include "codec/rlp.h"
#include "crypto/hash.h"
#include "ledger/exec/trie_node.h"

/* The nodes of a proof, taken one after another as hashed references ask for them. */
struct proof {
    const struct bytes *nodes;
    size_t count;
    size_t next;
};

/* The encoding behind a reference: given in the parent, or the next node if its hash is right. */
static bool follow(struct proof *proof, bytes ref, bytes *ret_rlp)
{
    if (ref.len < TRIE_HASH_BYTES) {
        *ret_rlp = ref;
        return true;
    }
    if (proof->next == proof->count) {
        return false;
    }
    bytes node = proof->nodes[proof->next++];
    struct hash hash;
    keccak256(&hash, node);
    *ret_rlp = node;
    /* A node that is not the root and shorter than a hash belongs inside its parent. */
    return memcmp(hash.b, ref.data, sizeof hash.b) == 0 &&
           (proof->next == 1 || node.len >= TRIE_HASH_BYTES);
}

/* One node down. PROOF_PRESENT with ret_ref set: go on; otherwise the final word, where
 * PROOF_PRESENT means that *ret_value is the value. */
static enum proof_verdict step(const struct node_view *node, const struct trie_path *key,
                               size_t *at, bytes *ret_ref, bytes *ret_value)
{
    *ret_ref = bytes_make(NULL, 0);
    if (node->kind == TRIE_BRANCH) {
        if (*at == key->len) {
            *ret_value = node->value;
            return node->value.len > 0 ? PROOF_PRESENT : PROOF_ABSENT;
        }
        *ret_ref = node->refs[key->nibbles[(*at)++]];
        return ret_ref->len > 0 ? PROOF_PRESENT : PROOF_ABSENT;
    }
    size_t left = key->len - *at;
    if (node->nibble_count > left ||
        memcmp(node->nibbles, key->nibbles + *at, node->nibble_count) != 0) {
        return PROOF_ABSENT;
    }
    *at += node->nibble_count;
    if (node->kind == TRIE_LEAF) {
        *ret_value = node->value;
        return *at == key->len ? PROOF_PRESENT : PROOF_ABSENT;
    }
    *ret_ref = node->refs[0];
    return PROOF_PRESENT;
}

static enum proof_verdict verify(struct proof *proof, bytes ref, const struct trie_path *key,
                                 bytes *ret_value)
{
    size_t at = 0;
    /* Each round takes a nibble, except an empty extension, which does not decode. */
    for (;;) {
        bytes rlp;
        struct node_view node;
        if (!follow(proof, ref, &rlp) || !is_ok(node_view_decode(rlp, &node))) {
            return PROOF_INVALID;
        }
        enum proof_verdict verdict = step(&node, key, &at, &ref, ret_value);
        if (verdict != PROOF_PRESENT || ref.len == 0) {
            return verdict;
        }
    }
}

enum proof_verdict trie_verify_proof(const struct hash *root, bytes key, const struct bytes *nodes,
                                     size_t count, bytes *ret_value)
{
    struct hash empty = account_empty_root();
    if (hash_eq(root, &empty)) {
        return count == 0 ? PROOF_ABSENT : PROOF_INVALID;
    }
    struct trie_path nibbles;
    trie_nibbles(&nibbles, key);
    struct proof proof = {.nodes = nodes, .count = count};
    bytes value;
    enum proof_verdict verdict = verify(&proof, BYTES_OF(*root), &nibbles, &value);
    if (proof.next != count) {
        return PROOF_INVALID;
    }
    if (verdict == PROOF_PRESENT) {
        *ret_value = value;
    }
    return verdict;
}

enum proof_verdict proof_account(const struct hash *state_root, const struct address *address,
                                 const struct bytes *nodes, size_t count,
                                 struct account *ret_account, struct hash *ret_storage_root)
{
    struct hash key;
    bytes value;
    keccak256(&key, BYTES_OF(*address));
    enum proof_verdict verdict = trie_verify_proof(state_root, BYTES_OF(key), nodes, count, &value);
    if (verdict == PROOF_PRESENT) {
        err e = account_decode(value, ret_account, ret_storage_root);
        return is_ok(e) ? PROOF_PRESENT : PROOF_INVALID;
    }
    if (verdict == PROOF_ABSENT) {
        *ret_account = account_none();
        *ret_storage_root = account_empty_root();
    }
    return verdict;
}

enum proof_verdict proof_slot(const struct hash *storage_root, const struct hash *slot,
                              const struct bytes *nodes, size_t count, struct word *ret_word)
{
    struct hash key;
    bytes value;
    keccak256(&key, BYTES_OF(*slot));
    enum proof_verdict verdict =
        trie_verify_proof(storage_root, BYTES_OF(key), nodes, count, &value);
    struct word word = {{0}};
    if (verdict == PROOF_PRESENT) {
        if (!is_ok(rlp_next_uint256(&value, word.b)) || value.len != 0) {
            return PROOF_INVALID;
        }
    }
    if (verdict != PROOF_INVALID) {
        *ret_word = word;
    }
    return verdict;
}

/* Merkle-Patricia proofs from a node that may lie. Input: how many nodes, their lengths and bytes.
 * The root is that of the first node, so that the fuzzer gets past it; whatever follows, a key has
 * at most one verdict, and account and slot readers survive it. */
#include "base/assert.h"
#include "crypto/hash.h"
#include "ledger/exec/proof.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

#define NODES_MAX 8

static size_t split(bytes in, bytes *ret_nodes)
{
    size_t count = 0;
    while (in.len >= 2 && count < NODES_MAX) {
        size_t len = min_size(load_be16(in.data), in.len - 2);
        ret_nodes[count++] = bytes_slice(in, 2, len);
        in = bytes_slice(in, 2 + len, in.len - 2 - len);
    }
    return count;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    bytes nodes[NODES_MAX];
    struct hash root = {{0}};
    struct hash key = {{0}};
    struct address address = {{0}};
    struct account account;
    struct hash storage_root;
    struct word word;
    bytes value = bytes_make(NULL, 0);
    size_t count = split(bytes_make(data, size), nodes);
    if (count > 0) {
        keccak256(&root, nodes[0]);
        memcpy(key.b, nodes[0].data, min_size(nodes[0].len, sizeof key.b));
    }
    enum proof_verdict verdict = trie_verify_proof(&root, BYTES_OF(key), nodes, count, &value);
    if (verdict == PROOF_PRESENT) {
        assert_that(value.len > 0);
        assert_that(trie_verify_proof(&root, BYTES_OF(key), nodes, count - 1, &value) ==
                    PROOF_INVALID);
    }
    (void)proof_account(&root, &address, nodes, count, &account, &storage_root);
    (void)proof_slot(&root, &key, nodes, count, &word);
    return 0;
}

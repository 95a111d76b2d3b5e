#include "base/assert.h"
#include "crypto/hash.h"
#include "ledger/state/state.h"
#include "ledger/state/rewind.h"

static err prove_key(struct trie *trie, bytes plain, struct arena *arena,
                     struct state_proof *ret_proof)
{
    struct hash key;
    bytes nodes[TRIE_PATH_MAX + 1];
    size_t count;
    keccak256(&key, plain);
    TRY(trie_prove(trie, BYTES_OF(key), nodes, &count));
    assert_that(count <= STATE_NODES_MAX);
    for (size_t i = 0; i < count; i++) {
        ret_proof->nodes[i] = arena_copy(arena, nodes[i]);
        if (ret_proof->nodes[i].data == NULL) {
            return fail(ERR_LIMIT);
        }
    }
    ret_proof->count = count;
    return ok();
}

static err prove_account(struct state_view *view, const struct address *address,
                         struct arena *arena, struct state_account_proof *proof)
{
    struct node_reader reader = {.txn = view->txn, .account = NULL};
    struct trie_source source = node_reader_source(&reader);
    struct trie trie;
    struct hash root;
    trie_init(&trie, arena, &source, &view->record.head.root);
    TRY(rewind_accounts(view, &trie));
    TRY(trie_root(&trie, &root));
    return prove_key(&trie, BYTES_OF(*address), arena, &proof->proof);
}

static err prove_slots(struct state_view *view, const struct address *address,
                       const struct hash *slots, size_t count, struct arena *arena,
                       struct state_account_proof *proof)
{
    struct hash key = key_hash(BYTES_OF(*address));
    struct node_reader reader = {.txn = view->txn, .account = &key};
    struct trie_source source = node_reader_source(&reader);
    struct account_record head = account_record_none(address);
    struct trie trie;
    struct hash root;
    bool found;
    TRY(account_read(view->txn, &key, &found, &head));
    trie_init(&trie, arena, &source, &head.storage_root);
    TRY(rewind_slots(view, &trie, &key));
    TRY(trie_root(&trie, &root));
    if (!hash_eq(&root, &proof->storage_root)) {
        return fail(ERR_INTEGRITY);
    }
    for (size_t i = 0; i < count; i++) {
        TRY(state_view_slot(view, address, &slots[i], &proof->words[i]));
        TRY(prove_key(&trie, BYTES_OF(slots[i]), arena, &proof->slots[i]));
    }
    return ok();
}

err state_view_prove(struct state_view *view, const struct address *address,
                     const struct hash *slots, size_t slot_count, struct arena *arena,
                     struct state_account_proof *ret_proof)
{
    struct hash key = key_hash(BYTES_OF(*address));
    struct account_record record = account_record_none(address);
    bool found;
    TRY(view_account_record(view, &key, &found, &record));
    *ret_proof = (struct state_account_proof){
        .account = record.account,
        .storage_root = record.storage_root,
        .slots = ARENA_ARRAY(arena, struct state_proof, slot_count + 1),
        .words = ARENA_ARRAY(arena, struct word, slot_count + 1),
    };
    if (ret_proof->slots == NULL || ret_proof->words == NULL) {
        return fail(ERR_LIMIT);
    }
    TRY(prove_account(view, address, arena, ret_proof));
    return slot_count == 0 ? ok() : prove_slots(view, address, slots, slot_count, arena, ret_proof);
}

#include "base/assert.h"
#include "codec/record.h"
#include "crypto/hash.h"
#include "ledger/state/state.h"
#include "ledger/state/tables.h"

/* Calls fn for every key that a block after the view's height changed; a key may come again. */
typedef err changed_fn(void *ctx, enum history_kind kind, const struct address *address,
                       const struct hash *slot);

static err each_key_of(bytes list, changed_fn *fn, void *ctx)
{
    struct reader reader;
    reader_init(&reader, list);
    while (reader.left > 0 && !reader.failed) {
        struct reader key;
        struct hash slot = {{0}};
        reader_init(&key, read_str16(&reader, STATE_KEY_BYTES_MAX));
        enum history_kind kind = read_u8(&key);
        struct address address = read_address(&key);
        if (kind == HISTORY_SLOT) {
            slot = read_hash(&key);
        }
        TRY(reader_done(&key));
        TRY(fn(ctx, kind, &address, &slot));
    }
    return reader.failed ? fail(ERR_INTEGRITY) : ok();
}

static err each_changed(struct state_view *view, changed_fn *fn, void *ctx)
{
    for (u64 height = view->height + 1; height <= view->record.head.height; height++) {
        struct state_key key = key_height(height);
        bytes list;
        TRY(kv_get(view->txn, TABLE_CHANGES, key_bytes(&key), &list));
        TRY(each_key_of(list, fn, ctx));
    }
    return ok();
}

/* Takes later changes back, in the trie of accounts or in one storage trie. */
struct rewind {
    struct state_view *view;
    struct trie *trie;
    const struct address *address; /* of the storage trie */
};

static err rewind_account(void *ctx, enum history_kind kind, const struct address *address,
                          const struct hash *slot)
{
    (void)slot;
    const struct rewind *rewind = ctx;
    struct account_record record;
    if (kind != HISTORY_ACCOUNT) {
        return ok();
    }
    TRY(view_account_record(rewind->view, address, &record));
    return trie_set_account(rewind->trie, address, &record);
}

static err rewind_slot(void *ctx, enum history_kind kind, const struct address *address,
                       const struct hash *slot)
{
    const struct rewind *rewind = ctx;
    struct word word;
    if (kind != HISTORY_SLOT || !address_eq(address, rewind->address)) {
        return ok();
    }
    TRY(state_view_slot(rewind->view, address, slot, &word));
    return trie_set_slot(rewind->trie, slot, &word);
}

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
    struct node_reader reader = {.txn = view->txn, .address = NULL};
    struct trie_source source = node_reader_source(&reader);
    struct trie trie;
    struct rewind rewind = {.view = view, .trie = &trie};
    struct hash root;
    trie_init(&trie, arena, &source, &view->record.head.root);
    TRY(each_changed(view, rewind_account, &rewind));
    TRY(trie_root(&trie, &root));
    return prove_key(&trie, BYTES_OF(*address), arena, &proof->proof);
}

static err prove_slots(struct state_view *view, const struct address *address,
                       const struct hash *slots, size_t count, struct arena *arena,
                       struct state_account_proof *proof)
{
    struct node_reader reader = {.txn = view->txn, .address = address};
    struct trie_source source = node_reader_source(&reader);
    struct account_record head;
    struct trie trie;
    struct rewind rewind = {.view = view, .trie = &trie, .address = address};
    struct hash root;
    TRY(account_read(view->txn, address, &head));
    trie_init(&trie, arena, &source, &head.storage_root);
    TRY(each_changed(view, rewind_slot, &rewind));
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
    struct account_record record;
    TRY(view_account_record(view, address, &record));
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

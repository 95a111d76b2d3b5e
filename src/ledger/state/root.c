/* root.c: the state root that changes on top of a view would give; nothing is kept. */
#include "ledger/state/rewind.h"
#include "ledger/state/state.h"

#define ROOT_BYTES_MAX GIB(1)

struct rooting {
    struct state_view *view;
    struct arena arena;
    const struct state_changes *changes;
    struct trie accounts;
};

/* The account's storage root with its slots [at, at + count) changed. */
static err slots_root(struct rooting *rooting, const struct hash *account, size_t at, size_t count,
                      struct hash *ret_root)
{
    struct node_reader reader = {.txn = rooting->view->txn, .account = account};
    struct trie_source source = node_reader_source(&reader);
    struct account_record head = {.storage_root = account_empty_root()};
    struct trie trie;
    bool found;
    TRY(account_read(rooting->view->txn, account, &found, &head));
    trie_init(&trie, &rooting->arena, &source, &head.storage_root);
    TRY(rewind_slots(rooting->view, &trie, account));
    for (size_t i = at; i < at + count; i++) {
        const struct slot_change *change = &rooting->changes->slots[i];
        struct hash key = key_hash(BYTES_OF(change->slot));
        TRY(trie_set_slot(&trie, &key, &change->word));
    }
    return trie_root(&trie, ret_root);
}

/* One account: its own change (NULL: none) and its slots [at, at + count). */
static err change_account(struct rooting *rooting, const struct address *address,
                          const struct account_change *change, size_t at, size_t count)
{
    struct hash key = key_hash(BYTES_OF(*address));
    struct account_record record = account_record_none(address);
    bool found;
    TRY(view_account_record(rooting->view, &key, &found, &record));
    if (change != NULL) {
        record.account = change->account;
    }
    if (count > 0) {
        TRY(slots_root(rooting, &key, at, count, &record.storage_root));
    }
    const struct hash no_storage = account_empty_root();
    record.exists = record.account.exists || !account_is_empty(&record.account) ||
                    !hash_eq(&record.storage_root, &no_storage);
    return trie_set_account(&rooting->accounts, &key, &record);
}

static size_t slots_of(const struct state_changes *changes, size_t at,
                       const struct address *address)
{
    size_t count = 0;
    while (at + count < changes->slot_count &&
           address_eq(&changes->slots[at + count].address, address)) {
        count++;
    }
    return count;
}

/* Accounts and slots are both sorted by address: one pass over the two. */
static err change_all(struct rooting *rooting)
{
    const struct state_changes *changes = rooting->changes;
    size_t at = 0;
    for (size_t i = 0; i < changes->account_count; i++) {
        const struct account_change *change = &changes->accounts[i];
        while (at < changes->slot_count &&
               bytes_cmp(BYTES_OF(changes->slots[at].address), BYTES_OF(change->address)) < 0) {
            const struct address *address = &changes->slots[at].address;
            size_t count = slots_of(changes, at, address);
            TRY(change_account(rooting, address, NULL, at, count));
            at += count;
        }
        size_t count = slots_of(changes, at, &change->address);
        TRY(change_account(rooting, &change->address, change, at, count));
        at += count;
    }
    while (at < changes->slot_count) {
        const struct address *address = &changes->slots[at].address;
        size_t count = slots_of(changes, at, address);
        TRY(change_account(rooting, address, NULL, at, count));
        at += count;
    }
    return ok();
}

err state_view_root(struct state_view *view, const struct state_changes *changes,
                    struct hash *ret_root)
{
    struct rooting rooting = {.view = view, .changes = changes};
    struct node_reader reader = {.txn = view->txn, .account = NULL};
    struct trie_source source = node_reader_source(&reader);
    arena_init(&rooting.arena, ROOT_BYTES_MAX);
    trie_init(&rooting.accounts, &rooting.arena, &source, &view->record.head.root);
    err e = rewind_accounts(view, &rooting.accounts);
    if (is_ok(e)) {
        e = change_all(&rooting);
    }
    if (is_ok(e)) {
        e = trie_root(&rooting.accounts, ret_root);
    }
    arena_free(&rooting.arena);
    return e;
}

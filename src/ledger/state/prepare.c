#include "base/assert.h"
#include "base/mem.h"
#include "ledger/state/pending.h"
#include "ledger/state/state.h"

#include <stdlib.h>

#define PENDING_BYTES_MAX GIB(2)

/* Collects what a trie's commit writes. */
struct collector {
    struct state_pending *pending;
    const struct hash *account; /* hash of the address; NULL: accounts */
};

static err collect(struct collector *collector, const struct trie_path *path, bytes node)
{
    struct state_pending *pending = collector->pending;
    struct pending_node *entry = ARENA_NEW(&pending->arena, struct pending_node);
    if (entry == NULL) {
        return fail(ERR_LIMIT);
    }
    entry->key = key_node(collector->account, path);
    entry->node = node;
    *pending->last_node = entry;
    pending->last_node = &entry->next;
    return ok();
}

/* The node lies in the trie's arena, which is the pending change's. */
static err collect_put(void *ctx, const struct trie_path *path, bytes node)
{
    return collect(ctx, path, node);
}

static err collect_remove(void *ctx, const struct trie_path *path)
{
    return collect(ctx, path, bytes_make(NULL, 0));
}

static struct trie_sink collector_sink(struct collector *collector)
{
    return (struct trie_sink){.ctx = collector, .put = collect_put, .remove = collect_remove};
}

static err copy_codes(struct state_pending *pending, const struct state_changes *changes)
{
    pending->codes = ARENA_ARRAY(&pending->arena, struct code_change, changes->code_count + 1);
    if (pending->codes == NULL) {
        return fail(ERR_LIMIT);
    }
    for (size_t i = 0; i < changes->code_count; i++) {
        pending->codes[i].hash = changes->codes[i].hash;
        pending->codes[i].code = arena_copy(&pending->arena, changes->codes[i].code);
        if (pending->codes[i].code.data == NULL) {
            return fail(ERR_LIMIT);
        }
    }
    pending->code_count = changes->code_count;
    return ok();
}

/* The lower of the two addresses; one of them may be NULL. */
static const struct address *lower(const struct address *a, const struct address *b)
{
    if (a == NULL || b == NULL) {
        return a != NULL ? a : b;
    }
    return bytes_cmp(BYTES_OF(*a), BYTES_OF(*b)) <= 0 ? a : b;
}

/* One account: its own change (NULL: none) and its slots from `slot` on; returns how many. */
static size_t add_account(struct state_pending *pending, const struct address *address,
                          const struct account_change *change, const struct slot_change *slots,
                          size_t slots_left)
{
    struct pending_account *entry = &pending->accounts[pending->account_count++];
    *entry = (struct pending_account){.key = key_hash(BYTES_OF(*address)),
                                      .record = account_record_none(address),
                                      .first_slot = pending->slot_count};
    entry->has_change = change != NULL;
    if (change != NULL) {
        entry->record.account = change->account;
    }
    size_t count = 0;
    for (; count < slots_left && address_eq(&slots[count].address, address); count++) {
        pending->slots[pending->slot_count++] =
            (struct pending_slot){.account = entry->key,
                                  .key = key_hash(BYTES_OF(slots[count].slot)),
                                  .slot = slots[count].slot,
                                  .former = slots[count].former,
                                  .word = slots[count].word};
    }
    entry->slot_count = count;
    return count;
}

/* Accounts and slots are both sorted by address: one pass over the two. */
static err merge(struct state_pending *pending, const struct state_changes *changes)
{
    size_t most = changes->account_count + changes->slot_count + 1;
    pending->accounts = ARENA_ARRAY(&pending->arena, struct pending_account, most);
    pending->slots = ARENA_ARRAY(&pending->arena, struct pending_slot, changes->slot_count + 1);
    if (pending->accounts == NULL || pending->slots == NULL) {
        return fail(ERR_LIMIT);
    }
    for (size_t i = 0, at = 0;;) {
        const struct account_change *change =
            i < changes->account_count ? &changes->accounts[i] : NULL;
        const struct address *of_slot =
            at < changes->slot_count ? &changes->slots[at].address : NULL;
        const struct address *address = lower(change != NULL ? &change->address : NULL, of_slot);
        if (address == NULL) {
            return ok();
        }
        if (change != NULL && !address_eq(address, &change->address)) {
            change = NULL;
        }
        i += change != NULL;
        at += add_account(pending, address, change, changes->slots + at, changes->slot_count - at);
    }
}

static int compare_accounts(const void *a, const void *b)
{
    const struct pending_account *left = a;
    const struct pending_account *right = b;
    return memcmp(&left->key, &right->key, sizeof left->key);
}

static int compare_slots(const void *a, const void *b)
{
    const struct pending_slot *left = a;
    const struct pending_slot *right = b;
    int order = memcmp(&left->account, &right->account, sizeof left->account);
    return order != 0 ? order : memcmp(&left->key, &right->key, sizeof left->key);
}

/* Applies an account's slots to its storage trie. */
static err apply_slots(struct state_pending *pending, struct kv_txn *txn,
                       struct pending_account *entry)
{
    struct node_reader reader = {.txn = txn, .account = &entry->key};
    struct collector collector = {.pending = pending, .account = &entry->key};
    struct trie_source source = node_reader_source(&reader);
    struct trie_sink sink = collector_sink(&collector);
    struct trie trie;
    trie_init(&trie, &pending->arena, &source, &entry->former.storage_root);
    for (size_t i = entry->first_slot; i < entry->first_slot + entry->slot_count; i++) {
        TRY(trie_set_slot(&trie, &pending->slots[i].key, &pending->slots[i].word));
    }
    return trie_commit(&trie, &sink, &entry->record.storage_root);
}

static err complete_account(struct state_pending *pending, struct kv_txn *txn,
                            struct pending_account *entry)
{
    bool found;
    entry->former = account_record_none(&entry->record.address);
    TRY(account_read(txn, &entry->key, &found, &entry->former));
    if (!entry->has_change) {
        entry->record.account = entry->former.account;
    }
    entry->record.storage_root = entry->former.storage_root;
    if (entry->slot_count > 0) {
        TRY(apply_slots(pending, txn, entry));
    }
    struct hash no_storage = account_empty_root();
    entry->record.exists = entry->record.account.exists ||
                           !account_is_empty(&entry->record.account) ||
                           !hash_eq(&entry->record.storage_root, &no_storage);
    entry->record.account.exists = entry->record.exists;
    return ok();
}

static err apply_accounts(struct state_pending *pending, struct kv_txn *txn)
{
    struct node_reader reader = {.txn = txn, .account = NULL};
    struct collector collector = {.pending = pending, .account = NULL};
    struct trie_source source = node_reader_source(&reader);
    struct trie_sink sink = collector_sink(&collector);
    struct trie trie;
    trie_init(&trie, &pending->arena, &source, &pending->head_root);
    for (size_t i = 0; i < pending->account_count; i++) {
        const struct pending_account *entry = &pending->accounts[i];
        TRY(trie_set_account(&trie, &entry->key, &entry->record));
    }
    return trie_commit(&trie, &sink, &pending->root);
}

static err prepare(struct state *state, struct state_pending *pending, struct kv_txn *txn,
                   const struct state_changes *changes)
{
    pending->on_new = state->is_new;
    pending->head_height = state->record.head.height;
    pending->head_root = state->record.head.root;
    TRY(copy_codes(pending, changes));
    TRY(merge(pending, changes));
    qsort(pending->accounts, pending->account_count, sizeof *pending->accounts, compare_accounts);
    for (size_t i = 0; i < pending->account_count; i++) {
        TRY(complete_account(pending, txn, &pending->accounts[i]));
    }
    qsort(pending->slots, pending->slot_count, sizeof *pending->slots, compare_slots);
    return apply_accounts(pending, txn);
}

err state_prepare(struct state *state, const struct state_changes *changes,
                  struct state_pending **ret_pending, struct hash *ret_root)
{
    struct kv_txn *txn;
    TRY(kv_begin_read(state->kv, &txn));
    struct state_pending *pending = MEM_NEW(struct state_pending);
    arena_init(&pending->arena, PENDING_BYTES_MAX);
    pending->last_node = &pending->first_node;
    err e = prepare(state, pending, txn, changes);
    kv_abort(txn);
    if (!is_ok(e)) {
        state_pending_free(pending);
        return e;
    }
    *ret_pending = pending;
    *ret_root = pending->root;
    return ok();
}

void state_pending_free(struct state_pending *pending)
{
    if (pending != NULL) {
        arena_free(&pending->arena);
        mem_free(pending);
    }
}

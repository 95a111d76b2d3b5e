#include "base/assert.h"
#include "base/mem.h"
#include "ledger/state/pending.h"
#include "ledger/state/state.h"

#define PENDING_BYTES_MAX GIB(2)

/* Collects what a trie's commit writes. */
struct collector {
    struct state_pending *pending;
    const struct address *address; /* NULL: accounts */
};

static err collect(struct collector *collector, const struct trie_path *path, bytes node)
{
    struct state_pending *pending = collector->pending;
    struct pending_node *entry = ARENA_NEW(&pending->arena, struct pending_node);
    if (entry == NULL) {
        return fail(ERR_LIMIT);
    }
    entry->key = key_node(collector->address, path);
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

static err copy_slots(struct state_pending *pending, const struct state_changes *changes)
{
    pending->slots = ARENA_ARRAY(&pending->arena, struct slot_change, changes->slot_count + 1);
    pending->codes = ARENA_ARRAY(&pending->arena, struct code_change, changes->code_count + 1);
    if (pending->slots == NULL || pending->codes == NULL) {
        return fail(ERR_LIMIT);
    }
    for (size_t i = 0; i < changes->slot_count; i++) {
        pending->slots[i] = changes->slots[i];
    }
    pending->slot_count = changes->slot_count;
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

/* Applies an account's slots, from index `at` on, to its storage trie. */
static err apply_slots(struct state_pending *pending, struct kv_txn *txn,
                       struct pending_account *entry, size_t at, size_t count)
{
    struct node_reader reader = {.txn = txn, .address = &entry->address};
    struct collector collector = {.pending = pending, .address = &entry->address};
    struct trie_source source = node_reader_source(&reader);
    struct trie_sink sink = collector_sink(&collector);
    struct trie trie;
    trie_init(&trie, &pending->arena, &source, &entry->former.storage_root);
    for (size_t i = at; i < at + count; i++) {
        TRY(trie_set_slot(&trie, &pending->slots[i].slot, &pending->slots[i].word));
    }
    return trie_commit(&trie, &sink, &entry->record.storage_root);
}

/* One account: its own change (NULL: none) and its slots [at, at + count). */
static err apply_account(struct state_pending *pending, struct kv_txn *txn,
                         const struct address *address, const struct account_change *change,
                         size_t at, size_t count)
{
    struct pending_account *entry = &pending->accounts[pending->account_count];
    *entry = (struct pending_account){.address = *address};
    TRY(account_read(txn, address, &entry->former));
    entry->record = entry->former;
    if (change != NULL) {
        entry->record.account = change->account;
    }
    if (count > 0) {
        TRY(apply_slots(pending, txn, entry, at, count));
    }
    struct hash no_storage = account_empty_root();
    entry->record.exists = !account_is_empty(&entry->record.account) ||
                           !hash_eq(&entry->record.storage_root, &no_storage);
    pending->account_count++;
    return ok();
}

static size_t slots_of(const struct state_pending *pending, size_t at,
                       const struct address *address)
{
    size_t count = 0;
    while (at + count < pending->slot_count &&
           address_eq(&pending->slots[at + count].address, address)) {
        count++;
    }
    return count;
}

/* The lower of the two addresses; one of them may be NULL. */
static const struct address *lower(const struct address *a, const struct address *b)
{
    if (a == NULL || b == NULL) {
        return a != NULL ? a : b;
    }
    return bytes_cmp(BYTES_OF(*a), BYTES_OF(*b)) <= 0 ? a : b;
}

/* Accounts and slots are both sorted by address: one pass over the two. */
static err merge_accounts(struct state_pending *pending, struct kv_txn *txn,
                          const struct state_changes *changes)
{
    size_t i = 0;
    size_t at = 0;
    for (;;) {
        const struct account_change *change =
            i < changes->account_count ? &changes->accounts[i] : NULL;
        const struct address *of_slot =
            at < pending->slot_count ? &pending->slots[at].address : NULL;
        const struct address *address = lower(change != NULL ? &change->address : NULL, of_slot);
        if (address == NULL) {
            return ok();
        }
        if (change != NULL && address_eq(address, &change->address)) {
            i++;
        } else {
            change = NULL;
        }
        size_t count = slots_of(pending, at, address);
        TRY(apply_account(pending, txn, address, change, at, count));
        at += count;
    }
}

static err apply_accounts(struct state_pending *pending, struct kv_txn *txn)
{
    struct node_reader reader = {.txn = txn, .address = NULL};
    struct collector collector = {.pending = pending, .address = NULL};
    struct trie_source source = node_reader_source(&reader);
    struct trie_sink sink = collector_sink(&collector);
    struct trie trie;
    trie_init(&trie, &pending->arena, &source, &pending->head_root);
    for (size_t i = 0; i < pending->account_count; i++) {
        const struct pending_account *entry = &pending->accounts[i];
        TRY(trie_set_account(&trie, &entry->address, &entry->record));
    }
    return trie_commit(&trie, &sink, &pending->root);
}

static err prepare(struct state *state, struct state_pending *pending, struct kv_txn *txn,
                   const struct state_changes *changes)
{
    pending->on_new = state->is_new;
    pending->head_height = state->record.head.height;
    pending->head_root = state->record.head.root;
    size_t most = changes->account_count + changes->slot_count + 1;
    pending->accounts = ARENA_ARRAY(&pending->arena, struct pending_account, most);
    if (pending->accounts == NULL) {
        return fail(ERR_LIMIT);
    }
    TRY(copy_slots(pending, changes));
    TRY(merge_accounts(pending, txn, changes));
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

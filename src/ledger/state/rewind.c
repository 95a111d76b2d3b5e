#include "ledger/state/rewind.h"

#include "codec/record.h"
#include "ledger/state/change_set.h"

/* Calls fn for every key that a block after the view's height changed; a key may come again. */
typedef err changed_fn(void *ctx, enum change_kind kind, const struct hash *account,
                       const struct hash *slot);

static err each_key_of(bytes set, changed_fn *fn, void *ctx)
{
    size_t count;
    TRY(change_set_count(set, &count));
    for (size_t i = 0; i < count; i++) {
        struct reader reader;
        struct hash slot = {{0}};
        bytes key;
        bytes former;
        TRY(change_set_entry(set, i, &key, &former));
        reader_init(&reader, key);
        enum change_kind kind = read_u8(&reader);
        struct hash account = read_hash(&reader);
        if (kind == CHANGE_SLOT) {
            slot = read_hash(&reader);
        }
        if (!is_ok(reader_done(&reader))) {
            return fail(ERR_INTEGRITY);
        }
        TRY(fn(ctx, kind, &account, &slot));
    }
    return ok();
}

static err each_changed(struct state_view *view, changed_fn *fn, void *ctx)
{
    if (view->record.head.height - view->height > STATE_PROOF_DISTANCE_MAX) {
        return fail(ERR_LIMIT);
    }
    for (u64 height = view->height + 1; height <= view->record.head.height; height++) {
        struct state_key key = key_height(height);
        bytes set;
        TRY(kv_get(view->txn, TABLE_CHANGES, key_bytes(&key), &set));
        TRY(each_key_of(set, fn, ctx));
    }
    return ok();
}

/* Takes later changes back, in the trie of accounts or in one storage trie. */
struct rewind {
    struct state_view *view;
    struct trie *trie;
    const struct hash *account; /* whose storage trie it is */
};

static err rewind_account(void *ctx, enum change_kind kind, const struct hash *account,
                          const struct hash *slot)
{
    (void)slot;
    const struct rewind *rewind = ctx;
    struct account_record record = {.exists = false};
    bool found;
    if (kind != CHANGE_ACCOUNT) {
        return ok();
    }
    TRY(view_account_record(rewind->view, account, &found, &record));
    return trie_set_account(rewind->trie, account, &record);
}

static err rewind_slot(void *ctx, enum change_kind kind, const struct hash *account,
                       const struct hash *slot)
{
    const struct rewind *rewind = ctx;
    struct word word;
    if (kind != CHANGE_SLOT || !hash_eq(account, rewind->account)) {
        return ok();
    }
    TRY(view_slot_word(rewind->view, account, slot, &word));
    return trie_set_slot(rewind->trie, slot, &word);
}

err rewind_accounts(struct state_view *view, struct trie *trie)
{
    struct rewind rewind = {.view = view, .trie = trie};
    return each_changed(view, rewind_account, &rewind);
}

err rewind_slots(struct state_view *view, struct trie *trie, const struct hash *account)
{
    struct rewind rewind = {.view = view, .trie = trie, .account = account};
    return each_changed(view, rewind_slot, &rewind);
}

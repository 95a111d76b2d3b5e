#include "ledger/state/rewind.h"

#include "codec/record.h"

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

err rewind_accounts(struct state_view *view, struct trie *trie)
{
    struct rewind rewind = {.view = view, .trie = trie};
    return each_changed(view, rewind_account, &rewind);
}

err rewind_slots(struct state_view *view, struct trie *trie, const struct address *address)
{
    struct rewind rewind = {.view = view, .trie = trie, .address = address};
    return each_changed(view, rewind_slot, &rewind);
}

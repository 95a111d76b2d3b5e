#include "base/assert.h"
#include "base/mem.h"
#include "codec/record.h"
#include "crypto/hash.h"
#include "ledger/state/change_set.h"
#include "ledger/state/state.h"

#include <stdio.h>

#define META_NAME_MAX 64

static err view_begin(struct state *state, u64 height, struct state_view *view)
{
    TRY(head_read(view->txn, &view->record, &view->is_new));
    view->state = state;
    view->height = height;
    bool known = view->is_new ? height == 0
                              : height >= view->record.oldest && height <= view->record.head.height;
    return known ? ok() : fail(ERR_NOT_FOUND);
}

err state_view_open(struct state *state, u64 height, struct state_view **ret_view)
{
    struct state_view *view = MEM_NEW(struct state_view);
    err e = kv_begin_read(state->kv, &view->txn);
    if (is_ok(e)) {
        e = view_begin(state, height, view);
    }
    if (!is_ok(e)) {
        state_view_close(view);
        return e;
    }
    *ret_view = view;
    return ok();
}

void state_view_close(struct state_view *view)
{
    if (view != NULL) {
        kv_abort(view->txn);
        mem_free(view);
    }
}

u64 state_view_height(const struct state_view *view) { return view->height; }

/* --- state --- */

/* The first height above the view's at which an archive knows that `key` changed. */
static err changed_at(struct state_view *view, const struct state_key *key, u64 *ret_height)
{
    struct state_key from = *key;
    struct kv_cursor *cursor;
    bytes found;
    bytes nothing;
    key_put_u64(&from, view->height + 1);
    TRY(kv_cursor_open(view->txn, TABLE_CHANGED, &cursor));
    err e = kv_seek(cursor, key_bytes(&from), &found, &nothing);
    bool hit = is_ok(e) && found.len == from.len && bytes_starts_with(found, key_bytes(key));
    *ret_height = hit ? load_be64(found.data + key->len) : UINT64_MAX;
    kv_cursor_close(cursor);
    return is_err(e, ERR_NOT_FOUND) ? ok() : e;
}

/* What the block of `height` found at `key`; data NULL: it did not change it. */
static err former_at(struct state_view *view, u64 height, const struct state_key *key,
                     bytes *ret_value)
{
    struct state_key at = key_height(height);
    bytes set;
    err e = kv_get(view->txn, TABLE_CHANGES, key_bytes(&at), &set);
    if (is_err(e, ERR_NOT_FOUND)) {
        return fail(ERR_INTEGRITY);
    }
    TRY(e);
    return change_set_find(set, key_bytes(key), ret_value);
}

/* The value that `key` had after the view's height, if a later block has changed it: what the first
 * of those blocks found. Borrowed; data NULL: none has. An archive looks the block up, others ask
 * the few blocks of their history one by one. */
static err former_value(struct state_view *view, const struct state_key *key, bytes *ret_value)
{
    *ret_value = bytes_make(NULL, 0);
    if (view->is_new || view->height == view->record.head.height) {
        return ok();
    }
    if (view->record.is_archive) {
        u64 height;
        TRY(changed_at(view, key, &height));
        return height == UINT64_MAX ? ok() : former_at(view, height, key, ret_value);
    }
    for (u64 height = view->height + 1;
         height <= view->record.head.height && ret_value->data == NULL; height++) {
        TRY(former_at(view, height, key, ret_value));
    }
    return ok();
}

err view_account_record(struct state_view *view, const struct hash *key, bool *ret_found,
                        struct account_record *ret_record)
{
    struct state_key change = key_change(key, NULL);
    bytes former;
    TRY(former_value(view, &change, &former));
    if (former.data == NULL) {
        return account_read(view->txn, key, ret_found, ret_record);
    }
    *ret_found = former.len > 0;
    return *ret_found ? account_record_decode(former, ret_record) : ok();
}

err state_view_account(struct state_view *view, const struct address *address,
                       struct account *ret_account)
{
    struct hash key = key_hash(BYTES_OF(*address));
    struct account_record record;
    bool found;
    TRY(view_account_record(view, &key, &found, &record));
    *ret_account = found ? record.account : account_none();
    return ok();
}

err view_slot_word(struct state_view *view, const struct hash *account, const struct hash *key,
                   struct word *ret_word)
{
    struct state_key change = key_change(account, key);
    bytes former;
    TRY(former_value(view, &change, &former));
    if (former.data == NULL) {
        return slot_read(view->txn, account, key, ret_word);
    }
    struct slot_record record = {.word = {{0}}};
    if (former.len > 0) {
        TRY(slot_record_decode(former, &record));
    }
    *ret_word = record.word;
    return ok();
}

err state_view_slot(struct state_view *view, const struct address *address, const struct hash *slot,
                    struct word *ret_word)
{
    struct hash account = key_hash(BYTES_OF(*address));
    struct hash key = key_hash(BYTES_OF(*slot));
    return view_slot_word(view, &account, &key, ret_word);
}

/* Copies a value that must be there. */
static err copied(err found, bytes value, struct arena *arena, bytes *ret_value)
{
    TRY(found);
    bytes copy = arena_copy(arena, value);
    if (copy.data == NULL) {
        return fail(ERR_LIMIT);
    }
    *ret_value = copy;
    return ok();
}

err state_view_code(struct state_view *view, const struct hash *code_hash, struct arena *arena,
                    bytes *ret_code)
{
    struct hash none = account_empty_code_hash();
    bytes value = bytes_make("", 0);
    err e = ok();
    if (!hash_eq(code_hash, &none)) {
        e = kv_get(view->txn, TABLE_CODE, BYTES_OF(*code_hash), &value);
    }
    return copied(e, value, arena, ret_code);
}

static err source_account(void *ctx, const struct address *address, struct account *ret_account)
{
    return state_view_account(ctx, address, ret_account);
}

static err source_slot(void *ctx, const struct address *address, const struct hash *slot,
                       struct word *ret_word)
{
    return state_view_slot(ctx, address, slot, ret_word);
}

static err source_code(void *ctx, const struct hash *code_hash, struct arena *arena,
                       bytes *ret_code)
{
    err e = state_view_code(ctx, code_hash, arena, ret_code);
    return is_err(e, ERR_NOT_FOUND) ? fail(ERR_INTEGRITY) : e;
}

/* Every slot of the account that has a value at the head. */
static err visit_present(struct state_view *view, const struct hash *account,
                         struct slot_visitor visitor)
{
    struct kv_cursor *cursor;
    bytes key;
    bytes value;
    TRY(kv_cursor_open(view->txn, TABLE_SLOT, &cursor));
    err e = kv_seek(cursor, BYTES_OF(*account), &key, &value);
    while (is_ok(e) && bytes_starts_with(key, BYTES_OF(*account))) {
        struct slot_record record;
        e = slot_record_decode(value, &record);
        if (is_ok(e)) {
            e = visitor.visit(visitor.ctx, &record.slot);
        }
        if (!is_ok(e)) {
            kv_cursor_close(cursor);
            return e;
        }
        e = kv_next(cursor, &key, &value);
    }
    kv_cursor_close(cursor);
    return is_err(e, ERR_NOT_FOUND) ? ok() : e;
}

/* Every slot of the account that had a value which the block of `height` changed. */
static err visit_former(struct state_view *view, u64 height, const struct hash *account,
                        struct slot_visitor visitor)
{
    struct state_key at = key_height(height);
    struct state_key prefix = {.data = {CHANGE_SLOT}, .len = 1};
    size_t count;
    bytes set;
    key_put(&prefix, BYTES_OF(*account));
    TRY(kv_get(view->txn, TABLE_CHANGES, key_bytes(&at), &set));
    TRY(change_set_count(set, &count));
    for (size_t i = 0; i < count; i++) {
        struct slot_record record;
        bytes key;
        bytes former;
        TRY(change_set_entry(set, i, &key, &former));
        if (former.len > 0 && bytes_starts_with(key, key_bytes(&prefix))) {
            TRY(slot_record_decode(former, &record));
            TRY(visitor.visit(visitor.ctx, &record.slot));
        }
    }
    return ok();
}

/* What has a value at the head or had one in between: a superset of the view's. */
static err source_slots(void *ctx, const struct address *address, struct slot_visitor visitor)
{
    struct state_view *view = ctx;
    struct hash key = key_hash(BYTES_OF(*address));
    struct hash no_storage = account_empty_root();
    struct account_record record = account_record_none(address);
    bool found;
    TRY(view_account_record(view, &key, &found, &record));
    if (hash_eq(&record.storage_root, &no_storage)) {
        return ok();
    }
    TRY(visit_present(view, &key, visitor));
    for (u64 height = view->height + 1; height <= view->record.head.height; height++) {
        TRY(visit_former(view, height, &key, visitor));
    }
    return ok();
}

struct state_source state_view_source(struct state_view *view)
{
    return (struct state_source){.ctx = view,
                                 .account = source_account,
                                 .slot = source_slot,
                                 .code = source_code,
                                 .slots = source_slots};
}

/* --- blocks --- */

static unsigned table_of(enum state_part part)
{
    switch (part) {
    case STATE_HEADER:
        return TABLE_HEADER;
    case STATE_CONSENSUS:
        return TABLE_CONSENSUS;
    case STATE_BODY:
        return TABLE_BODY;
    case STATE_RECEIPTS:
        return TABLE_RECEIPTS;
    }
    unreachable_case();
}

err state_view_block(struct state_view *view, enum state_part part, u64 height, struct arena *arena,
                     bytes *ret_bytes)
{
    struct state_key key = key_height(height);
    bytes value = bytes_make("", 0);
    err e = kv_get(view->txn, table_of(part), key_bytes(&key), &value);
    return copied(e, value, arena, ret_bytes);
}

err state_view_height_of(struct state_view *view, const struct hash *block_hash, u64 *ret_height)
{
    bytes value;
    TRY(kv_get(view->txn, TABLE_HASH, BYTES_OF(*block_hash), &value));
    if (value.len != sizeof *ret_height) {
        return fail(ERR_INTEGRITY);
    }
    *ret_height = load_be64(value.data);
    return ok();
}

err state_view_block_hash(struct state_view *view, u64 height, struct hash *ret_hash)
{
    struct state_key key = key_height(height);
    bytes header;
    TRY(kv_get(view->txn, TABLE_HEADER, key_bytes(&key), &header));
    keccak256(ret_hash, header);
    return ok();
}

err state_view_tx(struct state_view *view, const struct hash *tx_hash, u64 *ret_height,
                  u32 *ret_index)
{
    struct reader reader;
    bytes value;
    TRY(kv_get(view->txn, TABLE_TX, BYTES_OF(*tx_hash), &value));
    reader_init(&reader, value);
    u64 height = read_be64(&reader);
    u32 index = read_be32(&reader);
    if (!is_ok(reader_done(&reader))) {
        return fail(ERR_INTEGRITY);
    }
    *ret_height = height;
    *ret_index = index;
    return ok();
}

err state_view_meta(struct state_view *view, const char *name, struct arena *arena,
                    bytes *ret_value)
{
    char key[META_NAME_MAX + 8];
    assert_that(strlen(name) <= META_NAME_MAX);
    snprintf(key, sizeof key, "meta.%s", name);
    bytes value = bytes_make("", 0);
    err e = kv_get(view->txn, TABLE_META, bytes_str(key), &value);
    return copied(e, value, arena, ret_value);
}

#include "ledger/state/state.h"

#include "base/assert.h"
#include "base/mem.h"
#include "codec/record.h"
#include "ledger/state/pending.h"
#include "ledger/state/tables.h"

#include <stdio.h>

#define META_NAME_MAX 64
#define CHANGES_BYTES_MAX MIB(256)
/* Heights whose history one commit drops at most: one in the steady state, more after the number of
 * kept blocks was made smaller. */
#define PRUNED_PER_COMMIT 4

err state_open(const struct state_options *options, struct state **ret_state)
{
    struct kv_options kv = {
        .table_count = TABLE_COUNT,
        .size_max_bytes =
            options->size_max_bytes != 0 ? options->size_max_bytes : STATE_SIZE_MAX_BYTES,
        .no_sync = options->no_sync,
    };
    struct state *state = MEM_NEW(struct state);
    state->history_blocks =
        options->history_blocks != 0 ? options->history_blocks : STATE_HISTORY_BLOCKS;
    err e = kv_open(options->dir, &kv, &state->kv);
    struct kv_txn *txn = NULL;
    if (is_ok(e)) {
        e = kv_begin_read(state->kv, &txn);
    }
    if (is_ok(e)) {
        e = head_read(txn, &state->record, &state->is_new);
    }
    kv_abort(txn);
    if (!is_ok(e)) {
        state_close(state);
        return e;
    }
    *ret_state = state;
    return ok();
}

void state_close(struct state *state)
{
    if (state == NULL) {
        return;
    }
    if (state->kv != NULL) {
        kv_close(state->kv);
    }
    mem_free(state);
}

bool state_is_new(const struct state *state) { return state->is_new; }
struct state_head state_head(const struct state *state) { return state->record.head; }
u64 state_oldest(const struct state *state) { return state->record.oldest; }

/* --- state --- */

static err write_account(struct kv_txn *txn, const struct pending_account *entry)
{
    if (!entry->record.exists) {
        return kv_delete(txn, TABLE_ACCOUNT, BYTES_OF(entry->address));
    }
    struct buf value;
    buf_init(&value, KIB(1));
    account_record_encode(&value, &entry->record);
    err e = kv_put(txn, TABLE_ACCOUNT, BYTES_OF(entry->address), buf_bytes(&value));
    buf_free(&value);
    return e;
}

static err write_slot(struct kv_txn *txn, const struct slot_change *change)
{
    static const struct word zero;
    struct state_key key = key_slot(&change->address, &change->slot);
    if (memcmp(&change->word, &zero, sizeof zero) == 0) {
        return kv_delete(txn, TABLE_SLOT, key_bytes(&key));
    }
    return kv_put(txn, TABLE_SLOT, key_bytes(&key), BYTES_OF(change->word));
}

static err write_state(struct kv_txn *txn, const struct state_pending *pending)
{
    for (size_t i = 0; i < pending->account_count; i++) {
        TRY(write_account(txn, &pending->accounts[i]));
    }
    for (size_t i = 0; i < pending->slot_count; i++) {
        TRY(write_slot(txn, &pending->slots[i]));
    }
    for (size_t i = 0; i < pending->code_count; i++) {
        const struct code_change *change = &pending->codes[i];
        TRY(kv_put(txn, TABLE_CODE, BYTES_OF(change->hash), change->code));
    }
    for (const struct pending_node *it = pending->first_node; it != NULL; it = it->next) {
        bytes key = key_bytes(&it->key);
        TRY(it->node.data == NULL ? kv_delete(txn, TABLE_NODE, key)
                                  : kv_put(txn, TABLE_NODE, key, it->node));
    }
    return ok();
}

/* --- history --- */

static err put_history(struct kv_txn *txn, struct buf *list, struct state_key key, u64 height,
                       bytes former)
{
    write_str16(list, key_bytes(&key));
    key_put_u64(&key, height);
    return kv_put(txn, TABLE_HISTORY, key_bytes(&key), former);
}

static err put_account_history(struct kv_txn *txn, struct buf *list, u64 height,
                               const struct pending_account *entry)
{
    struct buf former;
    buf_init(&former, KIB(1));
    account_record_encode(&former, &entry->former);
    err e = put_history(txn, list, key_history(&entry->address, NULL), height, buf_bytes(&former));
    buf_free(&former);
    return e;
}

static err put_slot_history(struct kv_txn *txn, struct buf *list, u64 height,
                            const struct slot_change *change)
{
    static const struct word zero;
    size_t len = memcmp(&change->former, &zero, sizeof zero) == 0 ? 0 : sizeof zero;
    return put_history(txn, list, key_history(&change->address, &change->slot), height,
                       bytes_make(&change->former, len));
}

static err fill_history(struct kv_txn *txn, struct buf *list, u64 height,
                        const struct state_pending *pending)
{
    for (size_t i = 0; i < pending->account_count; i++) {
        TRY(put_account_history(txn, list, height, &pending->accounts[i]));
    }
    for (size_t i = 0; i < pending->slot_count; i++) {
        TRY(put_slot_history(txn, list, height, &pending->slots[i]));
    }
    TRY(buf_done(list));
    struct state_key key = key_height(height);
    return kv_put(txn, TABLE_CHANGES, key_bytes(&key), buf_bytes(list));
}

static err write_history(struct kv_txn *txn, u64 height, const struct state_pending *pending)
{
    struct buf list;
    buf_init(&list, CHANGES_BYTES_MAX);
    err e = fill_history(txn, &list, height, pending);
    buf_free(&list);
    return e;
}

/* `keys` is a copy: deleting invalidates what the table returned. */
static err drop_keys(struct kv_txn *txn, u64 height, bytes keys)
{
    struct reader reader;
    reader_init(&reader, keys);
    while (reader.left > 0 && !reader.failed) {
        struct state_key key = {.len = 0};
        key_put(&key, read_str16(&reader, STATE_KEY_BYTES_MAX - sizeof height));
        key_put_u64(&key, height);
        TRY(kv_delete(txn, TABLE_HISTORY, key_bytes(&key)));
    }
    return reader.failed ? fail(ERR_INTEGRITY) : ok();
}

static err drop_history(struct kv_txn *txn, u64 height)
{
    struct state_key key = key_height(height);
    bytes value;
    err e = kv_get(txn, TABLE_CHANGES, key_bytes(&key), &value);
    if (is_err(e, ERR_NOT_FOUND)) {
        return ok();
    }
    TRY(e);
    struct arena arena;
    arena_init(&arena, CHANGES_BYTES_MAX);
    bytes keys = arena_copy(&arena, value);
    e = keys.data != NULL ? drop_keys(txn, height, keys) : fail(ERR_LIMIT);
    arena_free(&arena);
    TRY(e);
    return kv_delete(txn, TABLE_CHANGES, key_bytes(&key));
}

static err prune(struct kv_txn *txn, struct head_record *record, u32 history_blocks)
{
    for (int i = 0; i < PRUNED_PER_COMMIT; i++) {
        if (record->head.height - record->oldest <= history_blocks) {
            return ok();
        }
        record->oldest++;
        TRY(drop_history(txn, record->oldest));
    }
    return ok();
}

/* --- blocks --- */

static err write_tx_index(struct kv_txn *txn, const struct state_block *block)
{
    for (size_t i = 0; i < block->tx_count; i++) {
        u8 place[12];
        store_be64(place, block->height);
        store_be32(place + 8, (u32)i);
        TRY(kv_put(txn, TABLE_TX, BYTES_OF(block->tx_hashes[i]), BYTES_OF(place)));
    }
    return ok();
}

static err write_block(struct kv_txn *txn, const struct state_block *block)
{
    struct state_key key = key_height(block->height);
    TRY(kv_put(txn, TABLE_HEADER, key_bytes(&key), block->header));
    TRY(kv_put(txn, TABLE_CONSENSUS, key_bytes(&key), block->consensus));
    TRY(kv_put(txn, TABLE_BODY, key_bytes(&key), block->body));
    TRY(kv_put(txn, TABLE_RECEIPTS, key_bytes(&key), block->receipts));
    TRY(kv_put(txn, TABLE_HASH, BYTES_OF(block->hash), key_bytes(&key)));
    return write_tx_index(txn, block);
}

static err write_metas(struct kv_txn *txn, const struct state_meta *metas, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char key[META_NAME_MAX + 8];
        assert_that(strlen(metas[i].name) <= META_NAME_MAX);
        snprintf(key, sizeof key, "meta.%s", metas[i].name);
        TRY(kv_put(txn, TABLE_META, bytes_str(key), metas[i].value));
    }
    return ok();
}

static err write_all(struct state *state, struct kv_txn *txn, const struct state_pending *pending,
                     const struct state_block *block, struct head_record *record)
{
    TRY(write_state(txn, pending));
    if (!pending->on_new) {
        TRY(write_history(txn, block->height, pending));
    }
    TRY(write_block(txn, block));
    TRY(prune(txn, record, state->history_blocks));
    return head_write(txn, record);
}

static err commit(struct state *state, const struct state_pending *pending,
                  const struct state_block *block, const struct state_meta *metas,
                  size_t meta_count)
{
    struct head_record record = {
        .head = {.height = block->height, .block_hash = block->hash, .root = pending->root},
        .oldest = pending->on_new ? block->height : state->record.oldest,
    };
    struct kv_txn *txn;
    TRY(kv_begin_write(state->kv, &txn));
    err e = write_all(state, txn, pending, block, &record);
    if (is_ok(e)) {
        e = write_metas(txn, metas, meta_count);
    }
    if (!is_ok(e)) {
        kv_abort(txn);
        return e;
    }
    TRY(kv_commit(txn));
    state->record = record;
    state->is_new = false;
    return ok();
}

err state_commit(struct state *state, struct state_pending *pending,
                 const struct state_block *block, const struct state_meta *metas, size_t meta_count)
{
    assert_that(pending->on_new == state->is_new);
    assert_that(hash_eq(&pending->head_root, &state->record.head.root));
    assert_that(pending->on_new || (pending->head_height == state->record.head.height &&
                                    block->height == pending->head_height + 1));
    err e = commit(state, pending, block, metas, meta_count);
    state_pending_free(pending);
    return e;
}

#include "ledger/state/state.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "ledger/state/change_set.h"
#include "ledger/state/writing.h"

#include <stdio.h>

#define META_NAME_MAX 64
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
    state->is_archive = options->is_archive;
    err e = kv_open(options->dir, &kv, &state->kv);
    struct kv_txn *txn = NULL;
    if (is_ok(e)) {
        e = kv_begin_read(state->kv, &txn);
    }
    if (is_ok(e)) {
        e = head_read(txn, &state->record, &state->is_new);
    }
    kv_abort(txn);
    if (is_ok(e) && !state->is_new && state->record.is_archive != state->is_archive) {
        log_error("state", "%s was made %s an archive, and stays so: begin anew in another folder",
                  options->dir, state->record.is_archive ? "as" : "without being");
        e = fail(ERR_USAGE);
    }
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

err write_account_record(struct kv_txn *txn, const struct hash *key,
                         const struct account_record *record)
{
    if (!record->exists) {
        return kv_delete(txn, TABLE_ACCOUNT, BYTES_OF(*key));
    }
    struct buf value;
    buf_init(&value, KIB(1));
    account_record_encode(&value, record);
    err e = kv_put(txn, TABLE_ACCOUNT, BYTES_OF(*key), buf_bytes(&value));
    buf_free(&value);
    return e;
}

static err write_slot(struct kv_txn *txn, const struct pending_slot *entry)
{
    static const struct word zero;
    struct state_key key = key_slot(&entry->account, &entry->key);
    if (memcmp(&entry->word, &zero, sizeof zero) == 0) {
        return kv_delete(txn, TABLE_SLOT, key_bytes(&key));
    }
    const struct slot_record record = {.slot = entry->slot, .word = entry->word};
    return kv_put(txn, TABLE_SLOT, key_bytes(&key), BYTES_OF(record));
}

static err write_state(struct kv_txn *txn, const struct state_pending *pending)
{
    for (size_t i = 0; i < pending->account_count; i++) {
        TRY(write_account_record(txn, &pending->accounts[i].key, &pending->accounts[i].record));
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

/* An archive finds the height of a change by its key. */
static err write_index(struct kv_txn *txn, u64 height, bytes set)
{
    size_t count;
    TRY(change_set_count(set, &count));
    for (size_t i = 0; i < count; i++) {
        struct state_key full = {.len = 0};
        bytes key;
        bytes former;
        TRY(change_set_entry(set, i, &key, &former));
        key_put(&full, key);
        key_put_u64(&full, height);
        TRY(kv_put(txn, TABLE_CHANGED, key_bytes(&full), bytes_make("", 0)));
    }
    return ok();
}

static err write_history(struct kv_txn *txn, u64 height, const struct state_pending *pending,
                         bool is_archive)
{
    struct state_key key = key_height(height);
    struct buf set;
    buf_init(&set, CHANGE_SET_BYTES_MAX);
    change_set_encode(&set, pending);
    err e = buf_done(&set);
    if (is_ok(e)) {
        e = kv_put(txn, TABLE_CHANGES, key_bytes(&key), buf_bytes(&set));
    }
    if (is_ok(e) && is_archive) {
        e = write_index(txn, height, buf_bytes(&set));
    }
    buf_free(&set);
    return e;
}

static err drop_history(struct kv_txn *txn, u64 height)
{
    struct state_key key = key_height(height);
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
        TRY(write_history(txn, block->height, pending, record->is_archive));
    }
    TRY(write_block(txn, block));
    if (!record->is_archive) {
        TRY(prune(txn, record, state->history_blocks));
    }
    return head_write(txn, record);
}

static err commit(struct state *state, const struct state_pending *pending,
                  const struct state_block *block, const struct state_meta *metas,
                  size_t meta_count)
{
    struct head_record record = {
        .head = {.height = block->height, .block_hash = block->hash, .root = pending->root},
        .oldest = pending->on_new ? block->height : state->record.oldest,
        .is_archive = pending->on_new ? state->is_archive : state->record.is_archive,
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

static err fill_first_head(struct kv_txn *txn, const struct head_record *record,
                           const struct state_block *block, const struct state_meta *metas,
                           size_t meta_count)
{
    TRY(write_block(txn, block));
    TRY(write_metas(txn, metas, meta_count));
    return head_write(txn, record);
}

err write_first_head(struct state *state, struct kv_txn *txn, const struct hash *root,
                     const struct state_block *block, const struct state_meta *metas,
                     size_t meta_count)
{
    const struct head_record record = {
        .head = {.height = block->height, .block_hash = block->hash, .root = *root},
        .oldest = block->height,
        .is_archive = state->is_archive,
    };
    assert_that(state->is_new);
    err e = fill_first_head(txn, &record, block, metas, meta_count);
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

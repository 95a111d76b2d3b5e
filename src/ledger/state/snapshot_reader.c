#include "base/assert.h"
#include "base/mem.h"
#include "codec/record.h"
#include "ledger/state/snapshot_part.h"
#include "ledger/state/writing.h"

#define PART_ARENA_BYTES MIB(512)

struct snapshot_reader {
    struct state *state;
    struct hash root;          /* of the state */
    struct hash accounts_root; /* of what has come */
    struct hash next;          /* first key that has not come: of accounts, or of slots */
    bool accounts_done;
    struct hash account; /* whose slots are due */
    struct hash storage_root;
    struct hash slots_root; /* of what has come of them */
    bool has_account;
    bool storage_done;
};

static const unsigned filled[] = {TABLE_ACCOUNT, TABLE_SLOT, TABLE_CODE, TABLE_NODE};

static err clear_tables(struct kv_txn *txn)
{
    for (size_t i = 0; i < COUNT_OF(filled); i++) {
        TRY(kv_clear(txn, filled[i]));
    }
    return ok();
}

err snapshot_reader_open(struct state *state, const struct hash *root,
                         struct snapshot_reader **ret_reader)
{
    struct kv_txn *txn;
    if (!state_is_new(state)) {
        return fail(ERR_USAGE);
    }
    TRY(kv_begin_write(state->kv, &txn));
    err e = clear_tables(txn);
    if (!is_ok(e)) {
        kv_abort(txn);
        return e;
    }
    TRY(kv_commit(txn));
    struct snapshot_reader *reader = MEM_NEW(struct snapshot_reader);
    *reader = (struct snapshot_reader){.state = state,
                                       .root = *root,
                                       .accounts_root = account_empty_root(),
                                       .slots_root = account_empty_root()};
    *ret_reader = reader;
    return ok();
}

void snapshot_reader_close(struct snapshot_reader *reader) { mem_free(reader); }

/* --- writing --- */

/* Nodes go straight into the table. */
struct node_writer {
    struct kv_txn *txn;
    const struct hash *account;
};

static err put_node(void *ctx, const struct trie_path *path, bytes node)
{
    const struct node_writer *writer = ctx;
    struct state_key key = key_node(writer->account, path);
    return kv_put(writer->txn, TABLE_NODE, key_bytes(&key), node);
}

static err remove_node(void *ctx, const struct trie_path *path)
{
    const struct node_writer *writer = ctx;
    struct state_key key = key_node(writer->account, path);
    return kv_delete(writer->txn, TABLE_NODE, key_bytes(&key));
}

/* Adds a section's entries to the trie that has come so far. */
static err grow_trie(struct kv_txn *txn, struct arena *arena, const struct section *section,
                     struct hash *root)
{
    const struct hash *account = section->kind == SECTION_SLOTS ? &section->account : NULL;
    struct node_reader reader = {.txn = txn, .account = account};
    struct node_writer writer = {.txn = txn, .account = account};
    struct trie_source source = node_reader_source(&reader);
    struct trie_sink sink = {.ctx = &writer, .put = put_node, .remove = remove_node};
    struct trie trie;
    trie_init(&trie, arena, &source, root);
    for (size_t i = 0; i < section->count; i++) {
        TRY(section->kind == SECTION_ACCOUNTS
                ? trie_set_account(&trie, &section->keys[i], &section->accounts[i])
                : trie_set_slot(&trie, &section->keys[i], &section->slots[i].word));
    }
    return trie_commit(&trie, &sink, root);
}

/* Code that an account needs is in the table, empty, until it comes. */
static err want_code(struct kv_txn *txn, const struct account_record *record)
{
    bytes there;
    if (!account_has_code(&record->account)) {
        return ok();
    }
    err e = kv_get(txn, TABLE_CODE, BYTES_OF(record->account.code_hash), &there);
    return is_err(e, ERR_NOT_FOUND)
               ? kv_put(txn, TABLE_CODE, BYTES_OF(record->account.code_hash), bytes_make("", 0))
               : e;
}

static err put_entries(struct kv_txn *txn, const struct section *section)
{
    for (size_t i = 0; i < section->count; i++) {
        if (section->kind == SECTION_ACCOUNTS) {
            TRY(write_account_record(txn, &section->keys[i], &section->accounts[i]));
            TRY(want_code(txn, &section->accounts[i]));
        } else {
            struct state_key key = key_slot(&section->account, &section->keys[i]);
            TRY(kv_put(txn, TABLE_SLOT, key_bytes(&key), BYTES_OF(section->slots[i])));
        }
    }
    return ok();
}

/* --- order --- */

/* The next account with storage, from reader->account on. */
static err begin_storage(struct snapshot_reader *reader, struct kv_txn *txn)
{
    TRY(storage_find(txn, &reader->account, &reader->storage_root, &reader->has_account));
    reader->slots_root = account_empty_root();
    reader->storage_done = !reader->has_account;
    reader->next = (struct hash){{0}};
    return ok();
}

/* Whether the section is the one that comes next. */
static bool is_due(const struct snapshot_reader *reader, const struct section *section)
{
    switch (section->kind) {
    case SECTION_ACCOUNTS:
        return !reader->accounts_done && hash_eq(&section->from, &reader->next);
    case SECTION_SLOTS:
        return reader->accounts_done && reader->has_account &&
               hash_eq(&section->account, &reader->account) &&
               hash_eq(&section->from, &reader->next);
    case SECTION_CODE:
        return reader->accounts_done && reader->storage_done;
    }
    return false;
}

/* Moves on behind a section that has been kept. */
static err advance(struct snapshot_reader *reader, struct kv_txn *txn,
                   const struct section *section)
{
    reader->next = section->to;
    if (key_next(&reader->next)) {
        return ok();
    }
    if (section->kind == SECTION_ACCOUNTS) {
        assert_that(hash_eq(&reader->accounts_root, &reader->root));
        reader->accounts_done = true;
        reader->account = (struct hash){{0}};
        return begin_storage(reader, txn);
    }
    assert_that(hash_eq(&reader->slots_root, &reader->storage_root));
    if (!key_next(&reader->account)) {
        reader->has_account = false;
        reader->storage_done = true;
        return ok();
    }
    return begin_storage(reader, txn);
}

/* --- parts --- */

static err keep_code(struct kv_txn *txn, bytes code)
{
    struct hash hash = key_hash(code);
    bytes there;
    err e = kv_get(txn, TABLE_CODE, BYTES_OF(hash), &there);
    if (is_err(e, ERR_NOT_FOUND)) {
        return ok(); /* of an account that is gone */
    }
    TRY(e);
    return kv_put(txn, TABLE_CODE, BYTES_OF(hash), code);
}

static err keep_section(struct snapshot_reader *reader, struct kv_txn *txn, struct arena *arena,
                        const struct section *section, enum snapshot_verdict *ret_verdict)
{
    bool is_accounts = section->kind == SECTION_ACCOUNTS;
    bool valid;
    *ret_verdict = SNAPSHOT_MISPLACED;
    if (!is_due(reader, section)) {
        return ok();
    }
    *ret_verdict = SNAPSHOT_ACCEPTED;
    if (section->kind == SECTION_CODE) {
        return keep_code(txn, section->code);
    }
    TRY(section_verify(arena, section, is_accounts ? &reader->root : &reader->storage_root,
                       &valid));
    if (!valid) {
        *ret_verdict = SNAPSHOT_REFUSED;
        return ok();
    }
    TRY(grow_trie(txn, arena, section, is_accounts ? &reader->accounts_root : &reader->slots_root));
    TRY(put_entries(txn, section));
    return advance(reader, txn, section);
}

static err keep_sections(struct snapshot_reader *reader, struct kv_txn *txn, struct arena *arena,
                         bytes part, enum snapshot_verdict *ret_verdict)
{
    struct reader in;
    *ret_verdict = SNAPSHOT_REFUSED;
    if (!part_reader_init(&in, part) || in.left == 0) {
        return ok();
    }
    do {
        struct section section;
        bool good;
        TRY(section_decode(&in, arena, &section, &good));
        if (!good) {
            *ret_verdict = SNAPSHOT_REFUSED;
            return ok();
        }
        TRY(keep_section(reader, txn, arena, &section, ret_verdict));
    } while (*ret_verdict == SNAPSHOT_ACCEPTED && in.left > 0);
    return ok();
}

err snapshot_reader_part(struct snapshot_reader *reader, bytes part,
                         enum snapshot_verdict *ret_verdict)
{
    struct snapshot_reader before = *reader;
    struct arena arena;
    struct kv_txn *txn;
    enum snapshot_verdict verdict;
    TRY(kv_begin_write(reader->state->kv, &txn));
    arena_init(&arena, PART_ARENA_BYTES);
    err e = keep_sections(reader, txn, &arena, part, &verdict);
    arena_free(&arena);
    if (is_ok(e) && verdict == SNAPSHOT_ACCEPTED) {
        e = kv_commit(txn);
    } else {
        kv_abort(txn);
        *reader = before;
    }
    if (!is_ok(e)) {
        *reader = before;
        return e;
    }
    *ret_verdict = verdict;
    return ok();
}

/* No code is still wanted. */
static err check_code(struct kv_txn *txn)
{
    struct kv_cursor *cursor;
    bytes key;
    bytes code;
    TRY(kv_cursor_open(txn, TABLE_CODE, &cursor));
    err e = kv_seek(cursor, bytes_make("", 0), &key, &code);
    while (is_ok(e) && code.len > 0) {
        e = kv_next(cursor, &key, &code);
    }
    kv_cursor_close(cursor);
    return is_ok(e) ? fail(ERR_INTEGRITY) : is_err(e, ERR_NOT_FOUND) ? ok() : e;
}

err snapshot_reader_finish(struct snapshot_reader *reader, const struct state_block *block,
                           const struct state_meta *metas, size_t meta_count)
{
    struct kv_txn *txn;
    if (!reader->accounts_done || !reader->storage_done) {
        return fail(ERR_INTEGRITY);
    }
    TRY(kv_begin_write(reader->state->kv, &txn));
    err e = check_code(txn);
    if (is_ok(e)) {
        return write_first_head(reader->state, txn, &reader->root, block, metas, meta_count);
    }
    kv_abort(txn);
    return e;
}

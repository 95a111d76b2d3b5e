#include "ledger/state/tables.h"

#include "base/assert.h"
#include "codec/record.h"
#include "codec/rlp.h"
#include "crypto/hash.h"

#define KIND_HEAD 0x0201
#define HEAD_VERSION 1
#define NODE_OF_ACCOUNTS 0
#define NODE_OF_STORAGE 1

static const char head_key[] = "head";

struct account_record account_record_none(void)
{
    return (struct account_record){.account = account_none(), .storage_root = account_empty_root()};
}

void account_record_encode(struct buf *out, const struct account_record *record)
{
    if (!record->exists) {
        return;
    }
    u8 balance[32];
    u256_to_be(balance, record->account.balance);
    buf_put_be64(out, record->account.nonce);
    buf_put(out, BYTES_OF(balance));
    write_hash(out, &record->account.code_hash);
    write_hash(out, &record->storage_root);
}

err account_record_decode(bytes in, struct account_record *ret_record)
{
    struct account_record record = account_record_none();
    if (in.len == 0) {
        *ret_record = record;
        return ok();
    }
    struct reader reader;
    u8 balance[32];
    reader_init(&reader, in);
    record.exists = true;
    record.account.nonce = read_be64(&reader);
    read_fixed(&reader, balance, sizeof balance);
    record.account.code_hash = read_hash(&reader);
    record.storage_root = read_hash(&reader);
    if (!is_ok(reader_done(&reader))) {
        return fail(ERR_INTEGRITY);
    }
    record.account.balance = u256_from_be(balance);
    *ret_record = record;
    return ok();
}

void key_put(struct state_key *key, bytes part)
{
    assert_that(part.len <= sizeof key->data - key->len);
    if (part.len > 0) {
        memcpy(key->data + key->len, part.data, part.len);
    }
    key->len += part.len;
}

void key_put_u64(struct state_key *key, u64 v)
{
    u8 be[8];
    store_be64(be, v);
    key_put(key, BYTES_OF(be));
}

struct state_key key_account(const struct address *address)
{
    struct state_key key = {.len = 0};
    key_put(&key, BYTES_OF(*address));
    return key;
}

struct state_key key_slot(const struct address *address, const struct hash *slot)
{
    struct state_key key = key_account(address);
    key_put(&key, BYTES_OF(*slot));
    return key;
}

struct state_key key_height(u64 height)
{
    struct state_key key = {.len = 0};
    key_put_u64(&key, height);
    return key;
}

struct state_key key_node(const struct address *address, const struct trie_path *path)
{
    struct state_key key = {.len = 1};
    key.data[0] = address == NULL ? NODE_OF_ACCOUNTS : NODE_OF_STORAGE;
    if (address != NULL) {
        key_put(&key, BYTES_OF(*address));
    }
    key_put(&key, bytes_make(path->nibbles, path->len));
    return key;
}

struct state_key key_history(const struct address *address, const struct hash *slot)
{
    struct state_key key = {.len = 1};
    key.data[0] = slot == NULL ? HISTORY_ACCOUNT : HISTORY_SLOT;
    key_put(&key, BYTES_OF(*address));
    if (slot != NULL) {
        key_put(&key, BYTES_OF(*slot));
    }
    return key;
}

err head_read(struct kv_txn *txn, struct head_record *ret_record, bool *ret_is_new)
{
    bytes value;
    err e = kv_get(txn, TABLE_META, bytes_str(head_key), &value);
    *ret_is_new = is_err(e, ERR_NOT_FOUND);
    if (*ret_is_new) {
        *ret_record = (struct head_record){.head.root = account_empty_root()};
        return ok();
    }
    TRY(e);
    struct reader reader;
    struct head_record record;
    reader_init(&reader, value);
    read_head(&reader, KIND_HEAD, HEAD_VERSION);
    bool right_format = read_be32(&reader) == STATE_FORMAT_VERSION;
    record.head.height = read_be64(&reader);
    record.head.block_hash = read_hash(&reader);
    record.head.root = read_hash(&reader);
    record.oldest = read_be64(&reader);
    if (!is_ok(reader_done(&reader)) || !right_format) {
        return fail(ERR_INTEGRITY);
    }
    *ret_record = record;
    return ok();
}

err head_write(struct kv_txn *txn, const struct head_record *record)
{
    struct buf value;
    buf_init(&value, KIB(1));
    write_head(&value, KIND_HEAD, HEAD_VERSION);
    buf_put_be32(&value, STATE_FORMAT_VERSION);
    buf_put_be64(&value, record->head.height);
    write_hash(&value, &record->head.block_hash);
    write_hash(&value, &record->head.root);
    buf_put_be64(&value, record->oldest);
    err e = kv_put(txn, TABLE_META, bytes_str(head_key), buf_bytes(&value));
    buf_free(&value);
    return e;
}

err account_read(struct kv_txn *txn, const struct address *address,
                 struct account_record *ret_record)
{
    bytes value;
    err e = kv_get(txn, TABLE_ACCOUNT, BYTES_OF(*address), &value);
    if (is_err(e, ERR_NOT_FOUND)) {
        *ret_record = account_record_none();
        return ok();
    }
    TRY(e);
    return account_record_decode(value, ret_record);
}

err slot_read(struct kv_txn *txn, const struct address *address, const struct hash *slot,
              struct word *ret_word)
{
    struct state_key key = key_slot(address, slot);
    bytes value;
    err e = kv_get(txn, TABLE_SLOT, key_bytes(&key), &value);
    if (is_err(e, ERR_NOT_FOUND)) {
        *ret_word = (struct word){{0}};
        return ok();
    }
    TRY(e);
    if (value.len != sizeof ret_word->b) {
        return fail(ERR_INTEGRITY);
    }
    memcpy(ret_word->b, value.data, sizeof ret_word->b);
    return ok();
}

static err node_load(void *ctx, const struct trie_path *path, struct arena *arena, bytes *ret_node)
{
    const struct node_reader *reader = ctx;
    struct state_key key = key_node(reader->address, path);
    bytes value;
    err e = kv_get(reader->txn, TABLE_NODE, key_bytes(&key), &value);
    if (is_err(e, ERR_NOT_FOUND)) {
        return fail(ERR_INTEGRITY);
    }
    TRY(e);
    bytes copy = arena_copy(arena, value);
    if (copy.data == NULL) {
        return fail(ERR_LIMIT);
    }
    *ret_node = copy;
    return ok();
}

struct trie_source node_reader_source(struct node_reader *reader)
{
    return (struct trie_source){.ctx = reader, .load = node_load};
}

static bool word_is_zero(const struct word *word)
{
    static const struct word zero;
    return memcmp(word, &zero, sizeof zero) == 0;
}

err trie_set_slot(struct trie *trie, const struct hash *slot, const struct word *word)
{
    struct hash key;
    keccak256(&key, BYTES_OF(*slot));
    if (word_is_zero(word)) {
        return trie_remove(trie, BYTES_OF(key));
    }
    struct buf value;
    buf_init(&value, 64);
    rlp_put_uint256(&value, word->b);
    err e = trie_put(trie, BYTES_OF(key), buf_bytes(&value));
    buf_free(&value);
    return e;
}

err trie_set_account(struct trie *trie, const struct address *address,
                     const struct account_record *record)
{
    struct hash key;
    keccak256(&key, BYTES_OF(*address));
    if (!record->exists) {
        return trie_remove(trie, BYTES_OF(key));
    }
    struct buf value;
    buf_init(&value, 2 * ACCOUNT_RLP_BYTES_MAX);
    account_encode(&value, &record->account, &record->storage_root);
    err e = trie_put(trie, BYTES_OF(key), buf_bytes(&value));
    buf_free(&value);
    return e;
}

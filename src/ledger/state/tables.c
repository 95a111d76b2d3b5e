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

/* Flags of an account record: what it does not share with every plain account. */
#define RECORD_HAS_CODE 1u
#define RECORD_HAS_STORAGE 2u

struct account_record account_record_none(const struct address *address)
{
    return (struct account_record){
        .address = *address, .account = account_none(), .storage_root = account_empty_root()};
}

static void put_balance(struct buf *out, struct u256 v)
{
    u8 be[32];
    size_t zeros = 0;
    u256_to_be(be, v);
    while (zeros < sizeof be && be[zeros] == 0) {
        zeros++;
    }
    buf_put_u8(out, (u8)(sizeof be - zeros));
    buf_put(out, bytes_make(be + zeros, sizeof be - zeros));
}

void account_record_encode(struct buf *out, const struct account_record *record)
{
    if (!record->exists) {
        return;
    }
    struct hash no_storage = account_empty_root();
    bool has_code = account_has_code(&record->account);
    bool has_storage = !hash_eq(&record->storage_root, &no_storage);
    write_address(out, &record->address);
    buf_put_u8(out,
               (u8)((has_code ? RECORD_HAS_CODE : 0) | (has_storage ? RECORD_HAS_STORAGE : 0)));
    buf_put_be64(out, record->account.nonce);
    put_balance(out, record->account.balance);
    if (has_code) {
        write_hash(out, &record->account.code_hash);
    }
    if (has_storage) {
        write_hash(out, &record->storage_root);
    }
}

/* Big-endian without leading zeros, after its length. */
static struct u256 read_balance(struct reader *reader)
{
    u8 balance[32] = {0};
    size_t len = read_u8(reader);
    if (len > sizeof balance) {
        reader->failed = true;
        return u256_from_u64(0);
    }
    read_fixed(reader, balance + sizeof balance - len, len);
    if (len > 0 && balance[sizeof balance - len] == 0) {
        reader->failed = true;
    }
    return u256_from_be(balance);
}

err account_record_decode(bytes in, struct account_record *ret_record)
{
    struct address nobody = {{0}};
    struct account_record record = account_record_none(&nobody);
    if (in.len == 0) {
        *ret_record = record;
        return ok();
    }
    struct reader reader;
    reader_init(&reader, in);
    record.exists = true;
    record.account.exists = true;
    record.address = read_address(&reader);
    unsigned flags = read_u8(&reader);
    record.account.nonce = read_be64(&reader);
    record.account.balance = read_balance(&reader);
    if (flags & RECORD_HAS_CODE) {
        record.account.code_hash = read_hash(&reader);
    }
    if (flags & RECORD_HAS_STORAGE) {
        record.storage_root = read_hash(&reader);
    }
    if (!is_ok(reader_done(&reader)) || flags > (RECORD_HAS_CODE | RECORD_HAS_STORAGE)) {
        return fail(ERR_INTEGRITY);
    }
    *ret_record = record;
    return ok();
}

err slot_record_decode(bytes in, struct slot_record *ret_record)
{
    if (in.len != sizeof ret_record->slot + sizeof ret_record->word) {
        return fail(ERR_INTEGRITY);
    }
    memcpy(&ret_record->slot, in.data, sizeof ret_record->slot);
    memcpy(&ret_record->word, in.data + sizeof ret_record->slot, sizeof ret_record->word);
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

struct hash key_hash(bytes plain)
{
    struct hash hash;
    keccak256(&hash, plain);
    return hash;
}

bool key_next(struct hash *key)
{
    for (size_t i = sizeof key->b; i-- > 0;) {
        if (++key->b[i] != 0) {
            return true;
        }
    }
    return false;
}

struct state_key key_slot(const struct hash *account, const struct hash *slot)
{
    struct state_key key = {.len = 0};
    key_put(&key, BYTES_OF(*account));
    key_put(&key, BYTES_OF(*slot));
    return key;
}

struct state_key key_height(u64 height)
{
    struct state_key key = {.len = 0};
    key_put_u64(&key, height);
    return key;
}

struct state_key key_node(const struct hash *account, const struct trie_path *path)
{
    struct state_key key = {.len = 1};
    key.data[0] = account == NULL ? NODE_OF_ACCOUNTS : NODE_OF_STORAGE;
    if (account != NULL) {
        key_put(&key, BYTES_OF(*account));
    }
    key_put(&key, bytes_make(path->nibbles, path->len));
    return key;
}

struct state_key key_change(const struct hash *account, const struct hash *slot)
{
    struct state_key key = {.len = 1};
    key.data[0] = slot == NULL ? CHANGE_ACCOUNT : CHANGE_SLOT;
    key_put(&key, BYTES_OF(*account));
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
    record.is_archive = read_u8(&reader) != 0;
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
    buf_put_u8(&value, record->is_archive);
    err e = kv_put(txn, TABLE_META, bytes_str(head_key), buf_bytes(&value));
    buf_free(&value);
    return e;
}

err account_read(struct kv_txn *txn, const struct hash *key, bool *ret_found,
                 struct account_record *ret_record)
{
    bytes value;
    err e = kv_get(txn, TABLE_ACCOUNT, BYTES_OF(*key), &value);
    *ret_found = is_ok(e);
    if (is_err(e, ERR_NOT_FOUND)) {
        return ok();
    }
    TRY(e);
    return account_record_decode(value, ret_record);
}

err storage_find(struct kv_txn *txn, struct hash *key, struct hash *ret_root, bool *ret_found)
{
    struct hash no_storage = account_empty_root();
    struct kv_cursor *cursor;
    bytes at;
    bytes value;
    *ret_found = false;
    TRY(kv_cursor_open(txn, TABLE_ACCOUNT, &cursor));
    err e = kv_seek(cursor, BYTES_OF(*key), &at, &value);
    while (is_ok(e) && !*ret_found) {
        struct account_record record;
        e = account_record_decode(value, &record);
        if (is_ok(e) && !hash_eq(&record.storage_root, &no_storage)) {
            memcpy(key->b, at.data, sizeof key->b);
            *ret_root = record.storage_root;
            *ret_found = true;
        } else if (is_ok(e)) {
            e = kv_next(cursor, &at, &value);
        }
    }
    kv_cursor_close(cursor);
    return is_err(e, ERR_NOT_FOUND) ? ok() : e;
}

err slot_read(struct kv_txn *txn, const struct hash *account, const struct hash *key,
              struct word *ret_word)
{
    struct state_key full = key_slot(account, key);
    struct slot_record record;
    bytes value;
    err e = kv_get(txn, TABLE_SLOT, key_bytes(&full), &value);
    if (is_err(e, ERR_NOT_FOUND)) {
        *ret_word = (struct word){{0}};
        return ok();
    }
    TRY(e);
    TRY(slot_record_decode(value, &record));
    *ret_word = record.word;
    return ok();
}

/* --- tries --- */

void trie_put_account_value(struct buf *out, const struct account_record *record)
{
    account_encode(out, &record->account, &record->storage_root);
}

/* The only entry of a flat table whose hash begins with the nibbles of `path`, which a leaf stands
 * for. `prefix` comes before the hash in the table's keys. */
static err find_leaf(struct kv_txn *txn, unsigned table, bytes prefix, const struct trie_path *path,
                     bytes *ret_hash, bytes *ret_value)
{
    struct state_key from = {.len = 0};
    struct kv_cursor *cursor;
    bytes found;
    key_put(&from, prefix);
    for (size_t i = 0; i < path->len; i += 2) {
        u8 low = i + 1 < path->len ? path->nibbles[i + 1] : 0;
        u8 byte = (u8)(path->nibbles[i] << 4 | low);
        key_put(&from, bytes_make(&byte, 1));
    }
    TRY(kv_cursor_open(txn, table, &cursor));
    err e = kv_seek(cursor, key_bytes(&from), &found, ret_value);
    kv_cursor_close(cursor);
    if (is_err(e, ERR_NOT_FOUND) || (is_ok(e) && (found.len != prefix.len + sizeof(struct hash) ||
                                                  !bytes_starts_with(found, prefix)))) {
        return fail(ERR_INTEGRITY);
    }
    *ret_hash = bytes_slice(found, prefix.len, found.len - prefix.len);
    return e;
}

void trie_put_slot_value(struct buf *out, const struct word *word)
{
    rlp_put_uint256(out, word->b);
}

/* Appends the value behind a leaf and names its hash; what does not fit the parent's hash of the
 * leaf is found out by the trie. */
static err leaf_value(const struct node_reader *reader, const struct trie_path *path,
                      bytes *ret_hash, struct buf *value)
{
    bytes stored;
    if (reader->account == NULL) {
        struct account_record record;
        TRY(find_leaf(reader->txn, TABLE_ACCOUNT, bytes_make("", 0), path, ret_hash, &stored));
        TRY(account_record_decode(stored, &record));
        trie_put_account_value(value, &record);
        return ok();
    }
    struct slot_record record;
    TRY(find_leaf(reader->txn, TABLE_SLOT, BYTES_OF(*reader->account), path, ret_hash, &stored));
    TRY(slot_record_decode(stored, &record));
    trie_put_slot_value(value, &record.word);
    return ok();
}

static err leaf_load(const struct node_reader *reader, const struct trie_path *path,
                     struct arena *arena, bytes *ret_node)
{
    struct buf value;
    struct buf leaf;
    bytes hash;
    buf_init(&value, 2 * ACCOUNT_RLP_BYTES_MAX);
    buf_init(&leaf, 4 * ACCOUNT_RLP_BYTES_MAX);
    err e = leaf_value(reader, path, &hash, &value);
    if (is_ok(e)) {
        trie_leaf_encode(&leaf, hash, path->len, buf_bytes(&value));
        *ret_node = arena_copy(arena, buf_bytes(&leaf));
        e = ret_node->data != NULL ? ok() : fail(ERR_LIMIT);
    }
    buf_free(&value);
    buf_free(&leaf);
    return e;
}

static err node_load(void *ctx, const struct trie_path *path, struct arena *arena, bytes *ret_node)
{
    const struct node_reader *reader = ctx;
    struct state_key key = key_node(reader->account, path);
    bytes value;
    err e = kv_get(reader->txn, TABLE_NODE, key_bytes(&key), &value);
    if (is_err(e, ERR_NOT_FOUND)) {
        return leaf_load(reader, path, arena, ret_node);
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
    return (struct trie_source){.ctx = reader, .load = node_load, .makes_leaves = true};
}

static bool word_is_zero(const struct word *word)
{
    static const struct word zero;
    return memcmp(word, &zero, sizeof zero) == 0;
}

err trie_set_slot(struct trie *trie, const struct hash *key, const struct word *word)
{
    if (word_is_zero(word)) {
        return trie_remove(trie, BYTES_OF(*key));
    }
    struct buf value;
    buf_init(&value, 64);
    trie_put_slot_value(&value, word);
    err e = trie_put(trie, BYTES_OF(*key), buf_bytes(&value));
    buf_free(&value);
    return e;
}

err trie_set_account(struct trie *trie, const struct hash *key, const struct account_record *record)
{
    if (!record->exists) {
        return trie_remove(trie, BYTES_OF(*key));
    }
    struct buf value;
    buf_init(&value, 2 * ACCOUNT_RLP_BYTES_MAX);
    trie_put_account_value(&value, record);
    err e = trie_put(trie, BYTES_OF(*key), buf_bytes(&value));
    buf_free(&value);
    return e;
}

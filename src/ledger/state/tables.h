/* tables.h: the tables of the store and their records; for the files of ledger/state only.
 * Layout: docs/formats/state.md. */
#ifndef LEDGER_STATE_TABLES_H
#define LEDGER_STATE_TABLES_H

#include "ledger/exec/trie.h"
#include "ledger/state/state.h"
#include "os/kv.h"

#define STATE_FORMAT_VERSION 2
#define STATE_KEY_BYTES_MAX 128

enum state_table {
    TABLE_META,      /* name → value */
    TABLE_ACCOUNT,   /* keccak256(address) → account record */
    TABLE_SLOT,      /* keccak256(address) ‖ keccak256(slot) → slot record */
    TABLE_CODE,      /* code hash → code */
    TABLE_NODE,      /* trie ‖ path → branch or extension */
    TABLE_CHANGED,   /* archives only: kind ‖ key ‖ height → nothing */
    TABLE_CHANGES,   /* height → what its block changed, with the former values */
    TABLE_HEADER,    /* height → Ethereum header */
    TABLE_CONSENSUS, /* height → consensus header and certificate */
    TABLE_BODY,      /* height → transactions */
    TABLE_RECEIPTS,  /* height → receipts */
    TABLE_HASH,      /* block hash → height */
    TABLE_TX,        /* transaction hash → height, index */
    TABLE_COUNT,
};

enum change_kind { CHANGE_ACCOUNT = 'a', CHANGE_SLOT = 's' };

/* An account with the root of its storage; `exists` false: no record at all. */
struct account_record {
    bool exists;
    struct address address;
    struct account account;
    struct hash storage_root;
};

/* A slot's word, with the slot whose hash is the key. */
struct slot_record {
    struct hash slot;
    struct word word;
};

struct state_key {
    u8 data[STATE_KEY_BYTES_MAX];
    size_t len;
};

struct head_record {
    struct state_head head;
    u64 oldest; /* lowest height that can be viewed */
    bool is_archive;
};

struct state {
    struct kv *kv;
    u32 history_blocks;
    bool is_new;
    bool is_archive;
    struct head_record record;
};

struct state_view {
    struct state *state;
    struct kv_txn *txn;
    u64 height;
    struct head_record record; /* as of this transaction */
    bool is_new;
};

struct account_record account_record_none(const struct address *address);
void account_record_encode(struct buf *out, const struct account_record *record);
/* account_record_decode: an empty value is a record that does not exist. ERR_INTEGRITY. */
err account_record_decode(bytes in, struct account_record *ret_record);
/* slot_record_decode: ERR_INTEGRITY. */
err slot_record_decode(bytes in, struct slot_record *ret_record);

/* Keys. Heights are big-endian so that they sort. */
void key_put(struct state_key *key, bytes part);
void key_put_u64(struct state_key *key, u64 v);
struct hash key_hash(bytes plain);
/* key_next: the hash after this one; false (and zero): it was the last there can be. */
bool key_next(struct hash *key);
struct state_key key_slot(const struct hash *account, const struct hash *slot);
struct state_key key_height(u64 height);
/* key_node: account NULL: the trie of accounts; else the hash of an address. */
struct state_key key_node(const struct hash *account, const struct trie_path *path);
/* key_change: of an account (slot NULL) or a slot, by their hashes. */
struct state_key key_change(const struct hash *account, const struct hash *slot);
static inline bytes key_bytes(const struct state_key *key)
{
    return bytes_make(key->data, key->len);
}

/* Reads at the head of a transaction, by hashes. *ret_found false: not there; the rest is
 * untouched. */
err head_read(struct kv_txn *txn, struct head_record *ret_record, bool *ret_is_new);
err account_read(struct kv_txn *txn, const struct hash *key, bool *ret_found,
                 struct account_record *ret_record);
err slot_read(struct kv_txn *txn, const struct hash *account, const struct hash *key,
              struct word *ret_word);
/* storage_find: the first account from *key on that has storage; *key is then its own. */
err storage_find(struct kv_txn *txn, struct hash *key, struct hash *ret_root, bool *ret_found);
err head_write(struct kv_txn *txn, const struct head_record *record);

/* A trie over a transaction: branches and extensions by path, leaves made from the flat tables.
 * Lives as long as the transaction. */
struct node_reader {
    struct kv_txn *txn;
    const struct hash *account; /* hash of the address whose storage it is; NULL: accounts */
};
struct trie_source node_reader_source(struct node_reader *reader);

/* trie_put_account_value / trie_put_slot_value: append what the tries hold (RLP). */
void trie_put_account_value(struct buf *out, const struct account_record *record);
void trie_put_slot_value(struct buf *out, const struct word *word);
/* trie_set_slot / trie_set_account: put, or remove what is zero or does not exist. Keys are hashes.
 */
err trie_set_slot(struct trie *trie, const struct hash *key, const struct word *word);
err trie_set_account(struct trie *trie, const struct hash *key,
                     const struct account_record *record);

/* view_account_record: as of the view's height; `key` is the hash of the address. */
err view_account_record(struct state_view *view, const struct hash *key, bool *ret_found,
                        struct account_record *ret_record);
err view_slot_word(struct state_view *view, const struct hash *account, const struct hash *key,
                   struct word *ret_word);

#endif

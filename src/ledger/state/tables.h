/* tables.h: the tables of the store and their records; for the files of ledger/state only.
 * Layout: docs/formats/state.md. */
#ifndef LEDGER_STATE_TABLES_H
#define LEDGER_STATE_TABLES_H

#include "ledger/exec/trie.h"
#include "ledger/state/state.h"
#include "os/kv.h"

#define STATE_FORMAT_VERSION 1
#define STATE_KEY_BYTES_MAX 96

enum state_table {
    TABLE_META,      /* name → value */
    TABLE_ACCOUNT,   /* address → account record */
    TABLE_SLOT,      /* address ‖ slot → 32 bytes */
    TABLE_CODE,      /* code hash → code */
    TABLE_NODE,      /* trie ‖ path → node */
    TABLE_HISTORY,   /* kind ‖ address [‖ slot] ‖ height → former value */
    TABLE_CHANGES,   /* height → the keys that have history at it */
    TABLE_HEADER,    /* height → Ethereum header */
    TABLE_CONSENSUS, /* height → consensus header and certificate */
    TABLE_BODY,      /* height → transactions */
    TABLE_RECEIPTS,  /* height → receipts */
    TABLE_HASH,      /* block hash → height */
    TABLE_TX,        /* transaction hash → height, index */
    TABLE_COUNT,
};

enum history_kind { HISTORY_ACCOUNT = 'a', HISTORY_SLOT = 's' };

/* An account with the root of its storage; `exists` false: no record at all. */
struct account_record {
    bool exists;
    struct account account;
    struct hash storage_root;
};

struct state_key {
    u8 data[STATE_KEY_BYTES_MAX];
    size_t len;
};

struct head_record {
    struct state_head head;
    u64 oldest; /* lowest height that can be viewed */
};

struct state {
    struct kv *kv;
    u32 history_blocks;
    bool is_new;
    struct head_record record;
};

struct state_view {
    struct state *state;
    struct kv_txn *txn;
    u64 height;
    struct head_record record; /* as of this transaction */
    bool is_new;
};

struct account_record account_record_none(void);
void account_record_encode(struct buf *out, const struct account_record *record);
/* account_record_decode: an empty value is a record that does not exist. ERR_INTEGRITY. */
err account_record_decode(bytes in, struct account_record *ret_record);

/* Keys. Heights are big-endian so that they sort. */
void key_put(struct state_key *key, bytes part);
void key_put_u64(struct state_key *key, u64 v);
struct state_key key_account(const struct address *address);
struct state_key key_slot(const struct address *address, const struct hash *slot);
struct state_key key_height(u64 height);
/* key_node: address NULL: the trie of accounts. */
struct state_key key_node(const struct address *address, const struct trie_path *path);
/* key_history: slot NULL: an account; without the height. */
struct state_key key_history(const struct address *address, const struct hash *slot);
static inline bytes key_bytes(const struct state_key *key)
{
    return bytes_make(key->data, key->len);
}

/* Reads at the head of a transaction. */
err head_read(struct kv_txn *txn, struct head_record *ret_record, bool *ret_is_new);
err account_read(struct kv_txn *txn, const struct address *address,
                 struct account_record *ret_record);
err slot_read(struct kv_txn *txn, const struct address *address, const struct hash *slot,
              struct word *ret_word);
err head_write(struct kv_txn *txn, const struct head_record *record);

/* A trie over the nodes in a transaction; lives as long as it. */
struct node_reader {
    struct kv_txn *txn;
    const struct address *address; /* NULL: accounts */
};
struct trie_source node_reader_source(struct node_reader *reader);

/* trie_set_slot / trie_set_account: put, or remove what is zero or does not exist. */
err trie_set_slot(struct trie *trie, const struct hash *slot, const struct word *word);
err trie_set_account(struct trie *trie, const struct address *address,
                     const struct account_record *record);

/* view_account_record: as of the view's height. */
err view_account_record(struct state_view *view, const struct address *address,
                        struct account_record *ret_record);

#endif

/* proofs.c: cairn_receipt: what became of a transaction, proven down to the seats' signatures. */
#include "codec/rlp.h"
#include "ledger/exec/trie.h"
#include "ledger/rpc/methods.h"

#define RECEIPT_BYTES_MAX MIB(4)

/* A trie over a block's transactions or receipts: rlp(i) → item. */
static bool put_item(struct rpc_request *r, struct trie *trie, u64 i, bytes item)
{
    struct buf key;
    buf_init(&key, 16);
    rlp_put_u64(&key, i);
    err e = trie_put(trie, buf_bytes(&key), item);
    buf_free(&key);
    return rpc_fine(r, e);
}

static bool build_txs(struct rpc_request *r, const struct rpc_block_data *block, struct trie *trie)
{
    struct hash root;
    for (size_t i = 0; i < block->body.txs.count; i++) {
        if (!put_item(r, trie, i, block->body.txs.items[i])) {
            return false;
        }
    }
    return rpc_fine(r, trie_root(trie, &root));
}

static bool build_receipts(struct rpc_request *r, const struct rpc_block_data *block,
                           struct trie *trie)
{
    struct hash root;
    struct buf one;
    bool fine = true;
    buf_init(&one, RECEIPT_BYTES_MAX);
    for (size_t i = 0; fine && i < block->body.txs.count; i++) {
        buf_clear(&one);
        receipt_encode(&one, &block->receipts[i]);
        fine = rpc_fine(r, buf_done(&one)) && put_item(r, trie, i, buf_bytes(&one));
    }
    buf_free(&one);
    return fine && rpc_fine(r, trie_root(trie, &root));
}

/* The nodes on the way to item i; NULL: refused. */
static json_t *prove_item(struct rpc_request *r, struct trie *trie, u64 i)
{
    bytes nodes[TRIE_PATH_MAX + 1];
    size_t count;
    struct buf key;
    buf_init(&key, 16);
    rlp_put_u64(&key, i);
    err e = trie_prove(trie, buf_bytes(&key), nodes, &count);
    buf_free(&key);
    if (!rpc_fine(r, e)) {
        return NULL;
    }
    json_t *array = json_array();
    for (size_t n = 0; n < count; n++) {
        json_array_append_new(array, json_data(nodes[n]));
    }
    return array;
}

static bool put_proof(struct rpc_request *r, json_t *object, const char *key, struct trie *trie,
                      u64 i)
{
    json_t *proof = prove_item(r, trie, i);
    if (proof != NULL) {
        rpc_put(object, key, proof);
    }
    return proof != NULL;
}

static bool put_proofs(struct rpc_request *r, const struct rpc_block_data *block, u64 index,
                       json_t *object)
{
    const struct hash empty = account_empty_root();
    struct trie txs;
    struct trie receipts;
    trie_init(&txs, &r->arena, NULL, &empty);
    trie_init(&receipts, &r->arena, NULL, &empty);
    return build_txs(r, block, &txs) && build_receipts(r, block, &receipts) &&
           put_proof(r, object, "txProof", &txs, index) &&
           put_proof(r, object, "receiptProof", &receipts, index) &&
           (index == 0 || put_proof(r, object, "beforeProof", &receipts, index - 1));
}

static json_t *proven_receipt(struct rpc_request *r, u64 height, u64 index)
{
    struct rpc_block_data block;
    if (!rpc_load_header(r, height, &block) || !rpc_load_txs(r, height, &block) ||
        !rpc_load_receipts(r, height, &block)) {
        return NULL;
    }
    json_t *object = json_object();
    rpc_put(object, "index", json_quantity(index));
    if (!rpc_put_certified(r, object, height) || !put_proofs(r, &block, index, object)) {
        json_decref(object);
        return NULL;
    }
    return object;
}

json_t *rpc_cairn_receipt(struct rpc_request *r)
{
    struct state_view *view = rpc_chain_view(r);
    struct hash hash;
    u64 height;
    u32 index;
    if (view == NULL || !rpc_read_hash(r, 0, &hash)) {
        return NULL;
    }
    err e = state_view_tx(view, &hash, &height, &index);
    if (is_err(e, ERR_NOT_FOUND) || (is_ok(e) && height >= rpc_head(r))) {
        return json_null(); /* in no block, or nothing certifies it yet */
    }
    return rpc_fine(r, e) ? proven_receipt(r, height, index) : NULL;
}

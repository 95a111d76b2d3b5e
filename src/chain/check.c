#include "chain/check.h"

#include "codec/rlp.h"
#include "ledger/exec/proof.h"
#include "ledger/exec/tx.h"

#include <stdlib.h>

#define HEADER_ARENA_BYTES KIB(16)
#define PROOF_ARENA_BYTES                                                                          \
    KIB(256) /* of one account or slot: 65 nodes of 532 bytes and their array */
#define RECEIPT_NODE_BYTES_MAX MIB(4)

/* ---- the genesis ---- */

static int by_address(const void *a, const void *b) { return memcmp(a, b, sizeof(struct address)); }

/* In the ledger seats stand in ascending order, whatever the file says. */
static bool read_seats(const json_t *list, struct seats *ret_seats)
{
    struct seats seats = {.count = json_array_size(list)};
    if (seats.count == 0 || seats.count > SEATS_MAX) {
        return false;
    }
    for (size_t i = 0; i < seats.count; i++) {
        if (!json_read_fixed(json_array_get(list, i), seats.items[i].b, sizeof seats.items[i].b)) {
            return false;
        }
    }
    qsort(seats.items, seats.count, sizeof seats.items[0], by_address);
    for (size_t i = 1; i < seats.count; i++) {
        if (address_eq(&seats.items[i - 1], &seats.items[i])) {
            return false;
        }
    }
    *ret_seats = seats;
    return true;
}

err check_genesis(bytes text, struct chain_trust *ret_trust)
{
    json_t *root;
    struct chain_trust trust;
    if (!is_ok(json_parse(text, CHECK_GENESIS_BYTES_MAX, &root))) {
        return fail(ERR_USAGE);
    }
    const json_t *id = json_object_get(root, "chain_id");
    trust.chain_id = (u64)json_integer_value(id);
    bool fine = json_is_integer(id) && json_integer_value(id) > 0 &&
                read_seats(json_object_get(root, "seats"), &trust.seats);
    json_decref(root);
    if (!fine) {
        return fail(ERR_USAGE);
    }
    *ret_trust = trust;
    return ok();
}

/* ---- certified headers ---- */

static bool certified(const struct chain_trust *trust, const struct block_header *header,
                      const struct hash *hash, const struct consensus_header *consensus,
                      const struct certificate *certificate)
{
    struct hash id;
    consensus_header_id(&id, consensus);
    return consensus->chain_id == trust->chain_id && header->number != UINT64_MAX &&
           consensus->height == header->number + 1 && hash_eq(&consensus->parent_hash, hash) &&
           hash_eq(&certificate->block_id, &id) && certificate->height == consensus->height &&
           certificate_valid(certificate, trust->chain_id, &trust->seats);
}

static err decode_certified(const struct chain_trust *trust, bytes header_bytes, bytes part,
                            struct block_header *ret_header, struct hash *ret_hash)
{
    struct consensus_header consensus;
    struct certificate certificate;
    TRY(block_header_decode(header_bytes, ret_header));
    TRY(consensus_part_decode(part, &consensus, &certificate));
    block_header_hash(ret_hash, ret_header);
    return certified(trust, ret_header, ret_hash, &consensus, &certificate) ? ok()
                                                                            : fail(ERR_INTEGRITY);
}

/* The members `header` and `consensus`. */
static err read_certified(const struct chain_trust *trust, const json_t *answer,
                          struct block_header *ret_header, struct hash *ret_hash)
{
    struct arena arena;
    bytes header_bytes;
    bytes part;
    arena_init(&arena, HEADER_ARENA_BYTES);
    bool fine = json_read_data(json_object_get(answer, "header"), &arena, &header_bytes) &&
                json_read_data(json_object_get(answer, "consensus"), &arena, &part);
    err e = fine ? decode_certified(trust, header_bytes, part, ret_header, ret_hash)
                 : fail(ERR_MALFORMED);
    arena_free(&arena);
    return e;
}

static err head_of(const struct block_header *header, const struct hash *hash,
                   struct chain_head *ret_head)
{
    u64 base_fee;
    if (!u256_to_u64(&base_fee, header->base_fee)) {
        return fail(ERR_LIMIT);
    }
    *ret_head = (struct chain_head){
        .height = header->number,
        .time = header->time,
        .hash = *hash,
        .state_root = header->state_root,
        .base_fee = base_fee,
    };
    return ok();
}

err check_head(const struct chain_trust *trust, const json_t *answer, struct chain_head *ret_head)
{
    struct block_header header;
    struct hash hash;
    TRY(read_certified(trust, answer, &header, &hash));
    return head_of(&header, &hash, ret_head);
}

/* ---- Merkle proofs ---- */

/* An array of hex strings. */
static err read_nodes(const json_t *array, struct arena *arena, bytes nodes[PROOF_NODES_MAX],
                      size_t *ret_count)
{
    size_t count = json_array_size(array);
    if (!json_is_array(array) || count > PROOF_NODES_MAX) {
        return fail(ERR_MALFORMED);
    }
    for (size_t i = 0; i < count; i++) {
        if (!json_read_data(json_array_get(array, i), arena, &nodes[i])) {
            return fail(ERR_MALFORMED);
        }
    }
    *ret_count = count;
    return ok();
}

static err prove_account(const struct proof_query *query, const json_t *array, struct arena *arena,
                         struct account *ret_account, struct hash *ret_root)
{
    bytes nodes[PROOF_NODES_MAX];
    size_t count;
    TRY(read_nodes(array, arena, nodes, &count));
    enum proof_verdict verdict =
        proof_account(query->state_root, &query->account, nodes, count, ret_account, ret_root);
    return verdict == PROOF_INVALID ? fail(ERR_INTEGRITY) : ok();
}

static err prove_slot(const struct hash *root, const struct hash *slot, const json_t *array,
                      struct arena *arena, struct word *ret_word)
{
    bytes nodes[PROOF_NODES_MAX];
    size_t count;
    TRY(read_nodes(array, arena, nodes, &count));
    enum proof_verdict verdict = proof_slot(root, slot, nodes, count, ret_word);
    return verdict == PROOF_INVALID ? fail(ERR_INTEGRITY) : ok();
}

err check_proof(const struct proof_query *query, const json_t *answer, struct account *ret_account,
                struct hash *ret_storage_root, struct word *ret_words)
{
    const json_t *items = json_object_get(answer, "storageProof");
    struct account account;
    struct hash root;
    struct arena arena;
    arena_init(&arena, PROOF_ARENA_BYTES);
    err e = prove_account(query, json_object_get(answer, "accountProof"), &arena, &account, &root);
    if (is_ok(e) && (!json_is_array(items) || json_array_size(items) != query->slot_count)) {
        e = fail(ERR_MALFORMED);
    }
    for (size_t i = 0; is_ok(e) && i < query->slot_count; i++) {
        const json_t *proof = json_object_get(json_array_get(items, i), "proof");
        arena_free(&arena);
        e = prove_slot(&root, &query->slots[i], proof, &arena, &ret_words[i]);
    }
    arena_free(&arena);
    TRY(e);
    *ret_account = account;
    *ret_storage_root = root;
    return ok();
}

/* The entry of a list's trie (rlp(i) → item), in arena. */
static err prove_item(const struct hash *root, u64 i, const json_t *array, struct arena *arena,
                      bytes *ret_item)
{
    bytes nodes[PROOF_NODES_MAX];
    size_t count;
    struct buf key;
    TRY(read_nodes(array, arena, nodes, &count));
    buf_init(&key, 16);
    rlp_put_u64(&key, i);
    enum proof_verdict verdict = trie_verify_proof(root, buf_bytes(&key), nodes, count, ret_item);
    buf_free(&key);
    return verdict == PROOF_PRESENT ? ok() : fail(ERR_INTEGRITY);
}

/* ---- receipts ---- */

static err copy_logs(const struct receipt *receipt, u64 height, const struct hash *tx,
                     struct arena *arena, struct chain_receipt *ret)
{
    struct chain_log *logs = ARENA_ARRAY(arena, struct chain_log, receipt->log_count);
    if (logs == NULL) {
        return fail(ERR_LIMIT);
    }
    for (size_t i = 0; i < receipt->log_count; i++) {
        const struct journal_log *log = &receipt->logs[i];
        logs[i] = (struct chain_log){.address = log->address,
                                     .topic_count = (u8)log->topic_count,
                                     .data = arena_copy(arena, log->data),
                                     .height = height,
                                     .tx = *tx};
        memcpy(logs[i].topics, log->topics, sizeof logs[i].topics);
        if (logs[i].data.data == NULL) {
            return fail(ERR_LIMIT);
        }
    }
    ret->logs = logs;
    ret->log_count = receipt->log_count;
    return ok();
}

/* What the receipts of a block, the one before and its own, say about a transaction. */
static err join_receipts(bytes own, bytes before, struct arena *scratch,
                         struct receipt *ret_receipt, u64 *ret_gas)
{
    struct receipt last = {0};
    if (before.data != NULL) {
        TRY(receipt_decode(scratch, before, &last));
    }
    TRY(receipt_decode(scratch, own, ret_receipt));
    return sub_u64(ret_gas, ret_receipt->cumulative_gas, last.cumulative_gas) ? ok()
                                                                              : fail(ERR_INTEGRITY);
}

static err prove_receipt(const struct block_header *header, const struct hash *tx,
                         const json_t *answer, struct arena *scratch, struct receipt *ret_receipt,
                         u64 *ret_gas)
{
    u64 i;
    bytes raw;
    bytes own;
    bytes before = {0};
    struct hash hash;
    if (!json_read_quantity(json_object_get(answer, "index"), &i)) {
        return fail(ERR_MALFORMED);
    }
    TRY(prove_item(&header->txs_root, i, json_object_get(answer, "txProof"), scratch, &raw));
    tx_hash(&hash, raw);
    if (!hash_eq(&hash, tx)) {
        return fail(ERR_INTEGRITY);
    }
    TRY(prove_item(&header->receipts_root, i, json_object_get(answer, "receiptProof"), scratch,
                   &own));
    if (i > 0) {
        TRY(prove_item(&header->receipts_root, i - 1, json_object_get(answer, "beforeProof"),
                       scratch, &before));
    }
    return join_receipts(own, before, scratch, ret_receipt, ret_gas);
}

err check_receipt(const struct chain_trust *trust, const struct hash *tx, const json_t *answer,
                  struct arena *arena, struct chain_receipt *ret_receipt,
                  struct chain_head *ret_head)
{
    struct block_header header;
    struct hash hash;
    struct chain_head head;
    struct receipt receipt;
    struct chain_receipt result = {0};
    struct arena scratch;
    TRY(read_certified(trust, answer, &header, &hash));
    TRY(head_of(&header, &hash, &head));
    arena_init(&scratch, RECEIPT_NODE_BYTES_MAX);
    err e = prove_receipt(&header, tx, answer, &scratch, &receipt, &result.gas_used);
    if (is_ok(e)) {
        e = copy_logs(&receipt, header.number, tx, arena, &result);
    }
    arena_free(&scratch);
    TRY(e);
    result.height = header.number;
    result.success = receipt.success;
    *ret_receipt = result;
    *ret_head = head;
    return ok();
}

/* ---- logs ---- */

static bool read_topics(const json_t *list, struct chain_log *log)
{
    size_t count = json_array_size(list);
    if (!json_is_array(list) || count > CHECK_TOPICS_MAX) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (!json_read_fixed(json_array_get(list, i), log->topics[i].b, 32)) {
            return false;
        }
    }
    log->topic_count = (u8)count;
    return true;
}

static bool read_log(const json_t *item, struct arena *arena, struct chain_log *ret_log)
{
    u64 index;
    *ret_log = (struct chain_log){0};
    bool fine = read_topics(json_object_get(item, "topics"), ret_log) &&
                json_read_quantity(json_object_get(item, "logIndex"), &index) &&
                index <= UINT32_MAX &&
                json_read_fixed(json_object_get(item, "address"), ret_log->address.b, 20) &&
                json_read_data(json_object_get(item, "data"), arena, &ret_log->data) &&
                json_read_quantity(json_object_get(item, "blockNumber"), &ret_log->height) &&
                json_read_fixed(json_object_get(item, "transactionHash"), ret_log->tx.b, 32);
    ret_log->index = fine ? (u32)index : 0;
    return fine;
}

static bool log_follows(const struct chain_log *log, const struct chain_log *before)
{
    return log->height > before->height ||
           (log->height == before->height && log->index > before->index);
}

err check_logs(const struct log_query *query, const json_t *answer, struct arena *arena,
               const struct chain_log **ret_logs, size_t *ret_count)
{
    size_t count = json_array_size(answer);
    if (!json_is_array(answer)) {
        return fail(ERR_MALFORMED);
    }
    struct chain_log *logs =
        count > CHAIN_LOGS_MAX ? NULL : ARENA_ARRAY(arena, struct chain_log, count);
    if (logs == NULL) {
        return fail(ERR_LIMIT);
    }
    for (size_t i = 0; i < count; i++) {
        if (!read_log(json_array_get(answer, i), arena, &logs[i])) {
            return fail(ERR_MALFORMED);
        }
        if (!address_eq(&logs[i].address, &query->address) || logs[i].height < query->from ||
            logs[i].height > query->to || (i > 0 && !log_follows(&logs[i], &logs[i - 1]))) {
            return fail(ERR_INTEGRITY);
        }
    }
    *ret_logs = logs;
    *ret_count = count;
    return ok();
}

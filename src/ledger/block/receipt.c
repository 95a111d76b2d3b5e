#include "base/assert.h"
#include "codec/rlp.h"
#include "crypto/hash.h"
#include "ledger/block/block.h"
#include "ledger/exec/trie.h"

#define BLOOM_HASHES 3
#define BLOOM_BITS_MASK 2047u
#define RECEIPT_BYTES_MAX MIB(64)
#define LOG_DATA_BYTES_MAX MIB(64)

/* The three bits of an item: the low 11 bits of the first three pairs of bytes of its hash. */
static void bloom_bits(size_t ret_bits[BLOOM_HASHES], bytes item)
{
    struct hash hash;
    keccak256(&hash, item);
    for (size_t i = 0; i < BLOOM_HASHES; i++) {
        ret_bits[i] = load_be16(hash.b + 2 * i) & BLOOM_BITS_MASK;
    }
}

void bloom_add(struct bloom *bloom, bytes item)
{
    size_t bits[BLOOM_HASHES];
    bloom_bits(bits, item);
    for (size_t i = 0; i < BLOOM_HASHES; i++) {
        bloom->b[BLOCK_BLOOM_BYTES - 1 - bits[i] / 8] |= (u8)(1u << (bits[i] % 8));
    }
}

void bloom_join(struct bloom *bloom, const struct bloom *other)
{
    for (size_t i = 0; i < sizeof bloom->b; i++) {
        bloom->b[i] |= other->b[i];
    }
}

bool bloom_may_have(const struct bloom *bloom, bytes item)
{
    size_t bits[BLOOM_HASHES];
    bloom_bits(bits, item);
    bool have = true;
    for (size_t i = 0; i < BLOOM_HASHES; i++) {
        have &= (bloom->b[BLOCK_BLOOM_BYTES - 1 - bits[i] / 8] >> (bits[i] % 8) & 1) != 0;
    }
    return have;
}

void receipt_init(struct receipt *receipt, u8 type, bool success, u64 cumulative_gas,
                  const struct journal_log *logs, size_t log_count)
{
    *receipt = (struct receipt){.type = type,
                                .success = success,
                                .cumulative_gas = cumulative_gas,
                                .logs = logs,
                                .log_count = log_count};
    for (size_t i = 0; i < log_count; i++) {
        bloom_add(&receipt->bloom, BYTES_OF(logs[i].address));
        for (size_t j = 0; j < logs[i].topic_count; j++) {
            bloom_add(&receipt->bloom, BYTES_OF(logs[i].topics[j]));
        }
    }
}

static void put_log(struct buf *out, const struct journal_log *log)
{
    size_t list = rlp_list_begin(out);
    rlp_put_bytes(out, BYTES_OF(log->address));
    size_t topics = rlp_list_begin(out);
    for (size_t i = 0; i < log->topic_count; i++) {
        rlp_put_bytes(out, BYTES_OF(log->topics[i]));
    }
    rlp_list_end(out, topics);
    rlp_put_bytes(out, log->data);
    rlp_list_end(out, list);
}

void receipt_encode(struct buf *out, const struct receipt *receipt)
{
    if (receipt->type != 0) {
        buf_put_u8(out, receipt->type);
    }
    size_t list = rlp_list_begin(out);
    if (receipt->has_root) {
        rlp_put_bytes(out, BYTES_OF(receipt->root));
    } else {
        rlp_put_u64(out, receipt->success ? 1 : 0);
    }
    rlp_put_u64(out, receipt->cumulative_gas);
    rlp_put_bytes(out, BYTES_OF(receipt->bloom));
    size_t logs = rlp_list_begin(out);
    for (size_t i = 0; i < receipt->log_count; i++) {
        put_log(out, &receipt->logs[i]);
    }
    rlp_list_end(out, logs);
    rlp_list_end(out, list);
}

static err next_log(bytes *in, struct journal_log *log)
{
    bytes fields;
    bytes topics;
    TRY(rlp_next_list(in, &fields));
    TRY(rlp_next_fixed(&fields, log->address.b, sizeof log->address.b));
    TRY(rlp_next_list(&fields, &topics));
    for (log->topic_count = 0; topics.len > 0; log->topic_count++) {
        if (log->topic_count == JOURNAL_TOPICS_MAX) {
            return fail(ERR_MALFORMED);
        }
        TRY(rlp_next_fixed(&topics, log->topics[log->topic_count].b, sizeof(struct hash)));
    }
    TRY(rlp_next_bytes(&fields, LOG_DATA_BYTES_MAX, &log->data));
    return fields.len == 0 ? ok() : fail(ERR_MALFORMED);
}

static err decode_logs(struct arena *arena, bytes list, struct receipt *receipt)
{
    size_t count = 0;
    for (bytes rest = list; rest.len > 0; count++) {
        struct rlp_item item;
        TRY(rlp_next(&rest, &item));
    }
    struct journal_log *logs = ARENA_ARRAY(arena, struct journal_log, count + 1);
    if (logs == NULL) {
        return fail(ERR_LIMIT);
    }
    for (size_t i = 0; i < count; i++) {
        TRY(next_log(&list, &logs[i]));
    }
    receipt->logs = logs;
    receipt->log_count = count;
    return ok();
}

/* A status, or before Byzantium a state root, which only untyped receipts can have. */
static err next_outcome(bytes *fields, struct receipt *receipt)
{
    bytes outcome;
    TRY(rlp_next_bytes(fields, sizeof receipt->root.b, &outcome));
    receipt->has_root = outcome.len == sizeof receipt->root.b && receipt->type == 0;
    if (receipt->has_root) {
        memcpy(receipt->root.b, outcome.data, outcome.len);
        return ok();
    }
    if (outcome.len > 1 || (outcome.len == 1 && outcome.data[0] != 1)) {
        return fail(ERR_MALFORMED);
    }
    receipt->success = outcome.len == 1;
    return ok();
}

err receipt_decode(struct arena *arena, bytes in, struct receipt *ret_receipt)
{
    struct receipt receipt = {0};
    bytes fields;
    bytes logs;
    if (in.len > 0 && in.data[0] < 0x80) {
        receipt.type = in.data[0];
        in = bytes_slice(in, 1, in.len - 1);
        if (receipt.type == 0) {
            return fail(ERR_MALFORMED);
        }
    }
    TRY(rlp_next_list(&in, &fields));
    TRY(next_outcome(&fields, &receipt));
    TRY(rlp_next_u64(&fields, &receipt.cumulative_gas));
    TRY(rlp_next_fixed(&fields, receipt.bloom.b, sizeof receipt.bloom.b));
    TRY(rlp_next_list(&fields, &logs));
    TRY(decode_logs(arena, logs, &receipt));
    if (in.len != 0 || fields.len != 0) {
        return fail(ERR_MALFORMED);
    }
    *ret_receipt = receipt;
    return ok();
}

void receipts_encode(struct buf *out, const struct receipt *receipts, size_t count)
{
    struct buf one;
    buf_init(&one, RECEIPT_BYTES_MAX);
    size_t list = rlp_list_begin(out);
    for (size_t i = 0; i < count; i++) {
        buf_clear(&one);
        receipt_encode(&one, &receipts[i]);
        assert_that(is_ok(buf_done(&one))); /* the block's gas limit bounds logs to a few MiB */
        if (receipts[i].type == 0) {
            buf_put(out, buf_bytes(&one));
        } else {
            rlp_put_bytes(out, buf_bytes(&one));
        }
    }
    rlp_list_end(out, list);
    buf_free(&one);
}

err receipts_decode(struct arena *arena, bytes in, struct receipt **ret_receipts, size_t *ret_count)
{
    struct block_txs envelopes;
    TRY(block_body_decode(arena, in, &envelopes)); /* the same shape */
    struct receipt *receipts = ARENA_ARRAY(arena, struct receipt, envelopes.count + 1);
    if (receipts == NULL) {
        return fail(ERR_LIMIT);
    }
    for (size_t i = 0; i < envelopes.count; i++) {
        TRY(receipt_decode(arena, envelopes.items[i], &receipts[i]));
    }
    *ret_receipts = receipts;
    *ret_count = envelopes.count;
    return ok();
}

err receipts_root(const struct receipt *receipts, size_t count, struct hash *ret_root)
{
    struct arena arena;
    struct buf one;
    err e = ok();
    arena_init(&arena, GIB(1));
    buf_init(&one, RECEIPT_BYTES_MAX);
    bytes *items = ARENA_ARRAY(&arena, bytes, count + 1);
    for (size_t i = 0; items != NULL && i < count && is_ok(e); i++) {
        buf_clear(&one);
        receipt_encode(&one, &receipts[i]);
        items[i] = arena_copy(&arena, buf_bytes(&one));
        e = one.failed || items[i].data == NULL ? fail(ERR_LIMIT) : ok();
    }
    if (items == NULL) {
        e = fail(ERR_LIMIT);
    }
    if (is_ok(e)) {
        e = trie_root_of_list(items, count, ret_root);
    }
    buf_free(&one);
    arena_free(&arena);
    return e;
}

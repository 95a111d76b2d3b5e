#include "ledger/block/block.h"

#include "base/assert.h"
#include "codec/rlp.h"
#include "crypto/hash.h"
#include "ledger/exec/account.h"
#include "ledger/exec/trie.h"

#define ELASTICITY 2u       /* EIP-1559 */
#define BASE_FEE_DIVISOR 8u /* EIP-1559 */

/* Hash of the RLP of an empty list (ommers of every block since the merge). */
static const struct hash empty_list_hash = {{0x1d, 0xcc, 0x4d, 0xe8, 0xde, 0xc7, 0x5d, 0x7a,
                                             0xab, 0x85, 0xb5, 0x67, 0xb6, 0xcc, 0xd4, 0x1a,
                                             0xd3, 0x12, 0x45, 0x1b, 0x94, 0x8a, 0x74, 0x13,
                                             0xf0, 0xa1, 0x42, 0xfd, 0x40, 0xd4, 0x93, 0x47}};
/* SHA-256 of nothing: requests hash of a block without requests (EIP-7685). */
static const struct hash empty_requests_hash = {{0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14,
                                                 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24,
                                                 0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c,
                                                 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55}};

void block_header_init(struct block_header *header)
{
    *header = (struct block_header){
        .form = BLOCK_PRAGUE,
        .ommers_hash = empty_list_hash,
        .state_root = account_empty_root(),
        .txs_root = account_empty_root(),
        .receipts_root = account_empty_root(),
        .withdrawals_root = account_empty_root(),
        .requests_hash = empty_requests_hash,
    };
}

static void put_hash(struct buf *out, const struct hash *hash)
{
    rlp_put_bytes(out, BYTES_OF(*hash));
}

static void put_first(struct buf *out, const struct block_header *header)
{
    put_hash(out, &header->parent_hash);
    put_hash(out, &header->ommers_hash);
    rlp_put_bytes(out, BYTES_OF(header->coinbase));
    put_hash(out, &header->state_root);
    put_hash(out, &header->txs_root);
    put_hash(out, &header->receipts_root);
    rlp_put_bytes(out, BYTES_OF(header->bloom));
    rlp_put_u64(out, header->difficulty);
    rlp_put_u64(out, header->number);
    rlp_put_u64(out, header->gas_limit);
    rlp_put_u64(out, header->gas_used);
    rlp_put_u64(out, header->time);
    rlp_put_bytes(out, bytes_make(header->extra, header->extra_len));
    put_hash(out, &header->prev_randao);
    rlp_put_bytes(out, BYTES_OF(header->nonce));
}

void block_header_encode(struct buf *out, const struct block_header *header)
{
    u8 base_fee[32];
    size_t list = rlp_list_begin(out);
    put_first(out, header);
    if (header->form >= BLOCK_LONDON) {
        u256_to_be(base_fee, header->base_fee);
        rlp_put_uint256(out, base_fee);
    }
    if (header->form >= BLOCK_SHANGHAI) {
        put_hash(out, &header->withdrawals_root);
    }
    if (header->form >= BLOCK_CANCUN) {
        rlp_put_u64(out, header->blob_gas_used);
        rlp_put_u64(out, header->excess_blob_gas);
        put_hash(out, &header->parent_beacon_root);
    }
    if (header->form >= BLOCK_PRAGUE) {
        put_hash(out, &header->requests_hash);
    }
    rlp_list_end(out, list);
}

static err next_hash(bytes *in, struct hash *hash)
{
    return rlp_next_fixed(in, hash->b, sizeof hash->b);
}

/* The fields that every header since Frontier has. */
static err decode_first(bytes *fields, struct block_header *header)
{
    bytes extra;
    TRY(next_hash(fields, &header->parent_hash));
    TRY(next_hash(fields, &header->ommers_hash));
    TRY(rlp_next_fixed(fields, header->coinbase.b, sizeof header->coinbase.b));
    TRY(next_hash(fields, &header->state_root));
    TRY(next_hash(fields, &header->txs_root));
    TRY(next_hash(fields, &header->receipts_root));
    TRY(rlp_next_fixed(fields, header->bloom.b, sizeof header->bloom.b));
    TRY(rlp_next_u64(fields, &header->difficulty));
    TRY(rlp_next_u64(fields, &header->number));
    TRY(rlp_next_u64(fields, &header->gas_limit));
    TRY(rlp_next_u64(fields, &header->gas_used));
    TRY(rlp_next_u64(fields, &header->time));
    TRY(rlp_next_bytes(fields, BLOCK_EXTRA_BYTES_MAX, &extra));
    header->extra_len = (u8)extra.len;
    if (extra.len > 0) {
        memcpy(header->extra, extra.data, extra.len);
    }
    TRY(next_hash(fields, &header->prev_randao));
    return rlp_next_fixed(fields, header->nonce, sizeof header->nonce);
}

static err decode_london(bytes *fields, struct block_header *header)
{
    u8 base_fee[32];
    TRY(rlp_next_uint256(fields, base_fee));
    header->base_fee = u256_from_be(base_fee);
    header->form = BLOCK_LONDON;
    return ok();
}

static err decode_cancun(bytes *fields, struct block_header *header)
{
    TRY(rlp_next_u64(fields, &header->blob_gas_used));
    TRY(rlp_next_u64(fields, &header->excess_blob_gas));
    header->form = BLOCK_CANCUN;
    return next_hash(fields, &header->parent_beacon_root);
}

/* What London, Shanghai, Cancun and Prague added, as far as it is there. */
static err decode_later(bytes *fields, struct block_header *header)
{
    header->form = BLOCK_FRONTIER;
    if (fields->len > 0) {
        TRY(decode_london(fields, header));
    }
    if (fields->len > 0) {
        header->form = BLOCK_SHANGHAI;
        TRY(next_hash(fields, &header->withdrawals_root));
    }
    if (fields->len > 0) {
        TRY(decode_cancun(fields, header));
    }
    if (fields->len > 0) {
        header->form = BLOCK_PRAGUE;
        TRY(next_hash(fields, &header->requests_hash));
    }
    return ok();
}

static err decode_fields(bytes fields, struct block_header *ret_header)
{
    struct block_header header = {0};
    TRY(decode_first(&fields, &header));
    TRY(decode_later(&fields, &header));
    if (fields.len != 0) {
        return fail(ERR_MALFORMED);
    }
    *ret_header = header;
    return ok();
}

err block_header_decode(bytes in, struct block_header *ret_header)
{
    bytes fields;
    TRY(rlp_next_list(&in, &fields));
    return in.len == 0 ? decode_fields(fields, ret_header) : fail(ERR_MALFORMED);
}

void block_header_hash(struct hash *out, const struct block_header *header)
{
    struct buf encoded;
    buf_init(&encoded, BLOCK_HEADER_BYTES_MAX);
    block_header_encode(&encoded, header);
    assert_that(is_ok(buf_done(&encoded)));
    keccak256(out, buf_bytes(&encoded));
    buf_free(&encoded);
}

/* An envelope in a list: the RLP itself if it is a list, a string around it if it is typed
 * (EIP-2718). */
static void put_envelope(struct buf *out, bytes envelope)
{
    if (envelope.len > 0 && envelope.data[0] >= 0xc0) {
        buf_put(out, envelope);
    } else {
        rlp_put_bytes(out, envelope);
    }
}

static err next_envelope(bytes *in, bytes *ret_envelope)
{
    struct rlp_item item;
    TRY(rlp_next(in, &item));
    bytes envelope = item.is_list ? item.raw : item.payload;
    if (!item.is_list && (envelope.len < 2 || envelope.data[0] >= 0x80)) {
        return fail(ERR_MALFORMED);
    }
    *ret_envelope = envelope;
    return ok();
}

static err count_envelopes(bytes list, size_t *ret_count)
{
    size_t count = 0;
    while (list.len > 0) {
        bytes envelope;
        TRY(next_envelope(&list, &envelope));
        if (++count > BLOCK_TXS_MAX) {
            return fail(ERR_LIMIT);
        }
    }
    *ret_count = count;
    return ok();
}

void block_body_encode(struct buf *out, const struct block_txs *txs)
{
    size_t list = rlp_list_begin(out);
    for (size_t i = 0; i < txs->count; i++) {
        put_envelope(out, txs->items[i]);
    }
    rlp_list_end(out, list);
}

/* From the payload of a list of transactions. */
static err decode_txs(struct arena *arena, bytes list, struct block_txs *ret_txs)
{
    struct block_txs txs;
    TRY(count_envelopes(list, &txs.count));
    txs.items = ARENA_ARRAY(arena, bytes, txs.count + 1);
    if (txs.items == NULL) {
        return fail(ERR_LIMIT);
    }
    for (size_t i = 0; i < txs.count; i++) {
        TRY(next_envelope(&list, &txs.items[i]));
    }
    *ret_txs = txs;
    return ok();
}

err block_body_decode(struct arena *arena, bytes in, struct block_txs *ret_txs)
{
    bytes list;
    TRY(rlp_next_list(&in, &list));
    return in.len == 0 ? decode_txs(arena, list, ret_txs) : fail(ERR_MALFORMED);
}

err block_txs_root(const struct block_txs *txs, struct hash *ret_root)
{
    return trie_root_of_list(txs->items, txs->count, ret_root);
}

/* base * difference / target / 8, at least `least`; saturates far beyond any real fee. */
static struct u256 fee_step(struct u256 base, u64 difference, u64 target, u64 least)
{
    struct u256 product;
    if (!u256_mul_u64(&product, base, difference)) {
        return base;
    }
    struct u256 step = u256_div_u64(u256_div_u64(product, target, NULL), BASE_FEE_DIVISOR, NULL);
    struct u256 lowest = u256_from_u64(least);
    return u256_cmp(step, lowest) < 0 ? lowest : step;
}

struct u256 block_base_fee(const struct block_header *parent, struct u256 floor)
{
    struct u256 fee = parent->base_fee;
    u64 target = parent->gas_limit / ELASTICITY;
    assert_that(target > 0);
    if (parent->gas_used > target) {
        struct u256 step = fee_step(fee, parent->gas_used - target, target, 1);
        struct u256 sum;
        fee = u256_add(&sum, fee, step) ? sum : fee;
    } else if (parent->gas_used < target) {
        struct u256 step = fee_step(fee, target - parent->gas_used, target, 0);
        struct u256 rest;
        fee = u256_sub(&rest, fee, step) ? rest : u256_from_u64(0);
    }
    return u256_cmp(fee, floor) < 0 ? floor : fee;
}

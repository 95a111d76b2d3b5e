/* body.c: bodies and whole blocks in Ethereum's encoding. */
#include "codec/rlp.h"
#include "crypto/hash.h"
#include "ledger/block/block.h"
#include "ledger/exec/trie.h"

#define WITHDRAWAL_BYTES_MAX 64

static void put_withdrawal(struct buf *out, const struct block_withdrawal *withdrawal)
{
    size_t list = rlp_list_begin(out);
    rlp_put_u64(out, withdrawal->index);
    rlp_put_u64(out, withdrawal->validator);
    rlp_put_bytes(out, BYTES_OF(withdrawal->address));
    rlp_put_u64(out, withdrawal->amount_gwei);
    rlp_list_end(out, list);
}

static void put_ommers(struct buf *out, const struct block_body *body)
{
    size_t list = rlp_list_begin(out);
    buf_put(out, body->ommers);
    rlp_list_end(out, list);
}

static void put_withdrawals(struct buf *out, const struct block_body *body)
{
    size_t list = rlp_list_begin(out);
    for (size_t i = 0; i < body->withdrawal_count; i++) {
        put_withdrawal(out, &body->withdrawals[i]);
    }
    rlp_list_end(out, list);
}

void block_full_body_encode(struct buf *out, const struct block_body *body)
{
    block_body_encode(out, &body->txs);
    if (!body->is_own) {
        put_ommers(out, body);
        if (body->has_withdrawals) {
            put_withdrawals(out, body);
        }
    }
}

void block_encode(struct buf *out, const struct block_header *header, const struct block_body *body)
{
    size_t list = rlp_list_begin(out);
    block_header_encode(out, header);
    block_body_encode(out, &body->txs);
    put_ommers(out, body);
    if (header->form >= BLOCK_SHANGHAI) {
        put_withdrawals(out, body);
    }
    rlp_list_end(out, list);
}

static err decode_ommers(bytes list, struct block_body *body)
{
    body->ommers = list;
    while (list.len > 0) {
        struct rlp_item item;
        if (body->ommer_count == BLOCK_OMMERS_MAX) {
            return fail(ERR_MALFORMED);
        }
        TRY(rlp_next(&list, &item));
        TRY(block_header_decode(item.raw, &body->ommer_headers[body->ommer_count]));
        body->ommer_count++;
    }
    return ok();
}

static err count_items(bytes list, size_t most, size_t *ret_count)
{
    size_t count = 0;
    while (list.len > 0) {
        struct rlp_item item;
        TRY(rlp_next(&list, &item));
        if (++count > most) {
            return fail(ERR_LIMIT);
        }
    }
    *ret_count = count;
    return ok();
}

static err next_withdrawal(bytes *in, struct block_withdrawal *ret)
{
    bytes fields;
    TRY(rlp_next_list(in, &fields));
    TRY(rlp_next_u64(&fields, &ret->index));
    TRY(rlp_next_u64(&fields, &ret->validator));
    TRY(rlp_next_fixed(&fields, ret->address.b, sizeof ret->address.b));
    TRY(rlp_next_u64(&fields, &ret->amount_gwei));
    return fields.len == 0 ? ok() : fail(ERR_MALFORMED);
}

static err decode_withdrawals(struct arena *arena, bytes list, struct block_body *body)
{
    body->has_withdrawals = true;
    TRY(count_items(list, BLOCK_WITHDRAWALS_MAX, &body->withdrawal_count));
    body->withdrawals = ARENA_ARRAY(arena, struct block_withdrawal, body->withdrawal_count + 1);
    if (body->withdrawals == NULL) {
        return fail(ERR_LIMIT);
    }
    for (size_t i = 0; i < body->withdrawal_count; i++) {
        TRY(next_withdrawal(&list, &body->withdrawals[i]));
    }
    return ok();
}

err block_full_body_decode(struct arena *arena, bytes in, struct block_body *ret_body)
{
    struct block_body body = {0};
    struct rlp_item txs;
    bytes list;
    TRY(rlp_next(&in, &txs));
    TRY(block_body_decode(arena, txs.raw, &body.txs));
    body.is_own = in.len == 0;
    if (!body.is_own) {
        TRY(rlp_next_list(&in, &list));
        TRY(decode_ommers(list, &body));
    }
    if (in.len > 0) {
        TRY(rlp_next_list(&in, &list));
        TRY(decode_withdrawals(arena, list, &body));
    }
    if (in.len != 0) {
        return fail(ERR_MALFORMED);
    }
    *ret_body = body;
    return ok();
}

err block_decode(struct arena *arena, bytes in, struct block_header *ret_header,
                 bytes *ret_header_raw, struct block_body *ret_body)
{
    struct block_header header;
    struct block_body body;
    struct rlp_item item;
    bytes rest;
    TRY(rlp_next_list(&in, &rest));
    TRY(rlp_next(&rest, &item));
    TRY(block_header_decode(item.raw, &header));
    TRY(block_full_body_decode(arena, rest, &body));
    if (in.len != 0 || body.is_own || body.has_withdrawals != (header.form >= BLOCK_SHANGHAI)) {
        return fail(ERR_MALFORMED);
    }
    *ret_header = header;
    *ret_header_raw = item.raw;
    *ret_body = body;
    return ok();
}

err block_withdrawals_root(const struct block_body *body, struct hash *ret_root)
{
    struct arena arena;
    struct buf one;
    err e = ok();
    arena_init(&arena, MIB(64));
    buf_init(&one, WITHDRAWAL_BYTES_MAX);
    bytes *items = ARENA_ARRAY(&arena, bytes, body->withdrawal_count + 1);
    for (size_t i = 0; items != NULL && i < body->withdrawal_count && is_ok(e); i++) {
        buf_clear(&one);
        put_withdrawal(&one, &body->withdrawals[i]);
        items[i] = arena_copy(&arena, buf_bytes(&one));
        e = one.failed || items[i].data == NULL ? fail(ERR_LIMIT) : ok();
    }
    if (is_ok(e)) {
        e = items == NULL ? fail(ERR_LIMIT)
                          : trie_root_of_list(items, body->withdrawal_count, ret_root);
    }
    buf_free(&one);
    arena_free(&arena);
    return e;
}

void block_ommers_hash(struct hash *out, const struct block_body *body)
{
    struct buf text;
    buf_init(&text, body->ommers.len + 16);
    put_ommers(&text, body);
    keccak256(out, buf_bytes(&text));
    buf_free(&text);
}

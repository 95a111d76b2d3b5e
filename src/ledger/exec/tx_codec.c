#include "base/assert.h"
#include "codec/rlp.h"
#include "crypto/hash.h"
#include "ledger/exec/tx.h"

/* RLP of the same content is never that much longer than what was decoded. */
#define TX_ENCODED_BYTES_MAX MIB(64)
#define LEGACY_V 27u             /* v = 27 + parity before EIP-155 */
#define PROTECTED_V 35u          /* v = 35 + 2 * chain id + parity since */
#define AUTHORIZATION_MAGIC 0x05 /* EIP-7702 */

/* --- decoding --- */

static err next_u256(bytes *in, struct u256 *ret)
{
    u8 word[32];
    TRY(rlp_next_uint256(in, word));
    *ret = u256_from_be(word);
    return ok();
}

static err next_to(bytes *in, struct tx *tx)
{
    bytes to;
    TRY(rlp_next_bytes(in, sizeof tx->to.b, &to));
    if (to.len != 0 && to.len != sizeof tx->to.b) {
        return fail(ERR_MALFORMED);
    }
    tx->is_create = to.len == 0;
    if (!tx->is_create) {
        memcpy(tx->to.b, to.data, sizeof tx->to.b);
    }
    return ok();
}

/* gas limit, to, value, input: the same order in all types. */
static err next_call(bytes *in, struct tx *tx)
{
    TRY(rlp_next_u64(in, &tx->gas_limit));
    TRY(next_to(in, tx));
    TRY(next_u256(in, &tx->value));
    return rlp_next_bytes(in, in->len, &tx->input);
}

static err count_items(bytes list, size_t *ret_count)
{
    size_t count = 0;
    while (list.len > 0) {
        struct rlp_item item;
        TRY(rlp_next(&list, &item));
        count++;
    }
    *ret_count = count;
    return ok();
}

static err next_access_entry(struct arena *arena, bytes *in, struct tx_access *ret_entry)
{
    bytes entry;
    bytes slots;
    size_t count;
    TRY(rlp_next_list(in, &entry));
    TRY(rlp_next_fixed(&entry, ret_entry->address.b, sizeof ret_entry->address.b));
    TRY(rlp_next_list(&entry, &slots));
    TRY(count_items(slots, &count));
    if (entry.len != 0) {
        return fail(ERR_MALFORMED);
    }
    ret_entry->slots = ARENA_ARRAY(arena, struct hash, count + 1);
    if (ret_entry->slots == NULL) {
        return fail(ERR_LIMIT);
    }
    ret_entry->slot_count = count;
    for (size_t i = 0; i < count; i++) {
        TRY(rlp_next_fixed(&slots, ret_entry->slots[i].b, sizeof ret_entry->slots[i].b));
    }
    return ok();
}

static err next_access_list(struct arena *arena, bytes *in, struct tx *tx)
{
    bytes list;
    TRY(rlp_next_list(in, &list));
    TRY(count_items(list, &tx->access_count));
    tx->access = ARENA_ARRAY(arena, struct tx_access, tx->access_count + 1);
    if (tx->access == NULL) {
        return fail(ERR_LIMIT);
    }
    for (size_t i = 0; i < tx->access_count; i++) {
        TRY(next_access_entry(arena, &list, &tx->access[i]));
    }
    return ok();
}

static err next_blobs(struct arena *arena, bytes *in, struct tx *tx)
{
    bytes list;
    TRY(next_u256(in, &tx->max_blob_fee));
    TRY(rlp_next_list(in, &list));
    TRY(count_items(list, &tx->blob_count));
    tx->blob_hashes = ARENA_ARRAY(arena, struct hash, tx->blob_count + 1);
    if (tx->blob_hashes == NULL) {
        return fail(ERR_LIMIT);
    }
    for (size_t i = 0; i < tx->blob_count; i++) {
        TRY(rlp_next_fixed(&list, tx->blob_hashes[i].b, sizeof tx->blob_hashes[i].b));
    }
    return ok();
}

static err next_authorization(bytes *in, struct tx_authorization *ret)
{
    bytes entry;
    u64 parity;
    TRY(rlp_next_list(in, &entry));
    TRY(next_u256(&entry, &ret->chain_id));
    TRY(rlp_next_fixed(&entry, ret->address.b, sizeof ret->address.b));
    TRY(rlp_next_u64(&entry, &ret->nonce));
    TRY(rlp_next_u64(&entry, &parity));
    TRY(rlp_next_uint256(&entry, ret->r));
    TRY(rlp_next_uint256(&entry, ret->s));
    if (parity > UINT8_MAX || entry.len != 0) {
        return fail(ERR_MALFORMED);
    }
    ret->parity = (u8)parity;
    return ok();
}

static err next_authorizations(struct arena *arena, bytes *in, struct tx *tx)
{
    bytes list;
    TRY(rlp_next_list(in, &list));
    TRY(count_items(list, &tx->authorization_count));
    tx->authorizations = ARENA_ARRAY(arena, struct tx_authorization, tx->authorization_count + 1);
    if (tx->authorizations == NULL) {
        return fail(ERR_LIMIT);
    }
    for (size_t i = 0; i < tx->authorization_count; i++) {
        TRY(next_authorization(&list, &tx->authorizations[i]));
    }
    return ok();
}

static err next_signature(bytes *in, struct tx *tx)
{
    TRY(rlp_next_uint256(in, tx->signature.b));
    return rlp_next_uint256(in, tx->signature.b + 32);
}

static err decode_legacy(bytes fields, struct tx *tx)
{
    u64 v;
    TRY(rlp_next_u64(&fields, &tx->nonce));
    TRY(next_u256(&fields, &tx->max_fee));
    tx->max_priority = tx->max_fee;
    TRY(next_call(&fields, tx));
    TRY(rlp_next_u64(&fields, &v));
    TRY(next_signature(&fields, tx));
    if (v == LEGACY_V || v == LEGACY_V + 1) {
        tx->signature.b[64] = (u8)(v - LEGACY_V);
    } else if (v >= PROTECTED_V) {
        tx->has_chain_id = true;
        tx->chain_id = (v - PROTECTED_V) / 2;
        tx->signature.b[64] = (u8)((v - PROTECTED_V) % 2);
    } else {
        return fail(ERR_MALFORMED);
    }
    return fields.len == 0 ? ok() : fail(ERR_MALFORMED);
}

static bool has_tip(const struct tx *tx) { return tx->type >= TX_DYNAMIC_FEE; }

static err decode_typed(struct arena *arena, bytes fields, struct tx *tx)
{
    u64 parity;
    tx->has_chain_id = true;
    TRY(rlp_next_u64(&fields, &tx->chain_id));
    TRY(rlp_next_u64(&fields, &tx->nonce));
    TRY(next_u256(&fields, &tx->max_priority));
    if (has_tip(tx)) {
        TRY(next_u256(&fields, &tx->max_fee));
    } else {
        tx->max_fee = tx->max_priority;
    }
    TRY(next_call(&fields, tx));
    TRY(next_access_list(arena, &fields, tx));
    if (tx->type == TX_BLOB) {
        TRY(next_blobs(arena, &fields, tx));
    } else if (tx->type == TX_SET_CODE) {
        TRY(next_authorizations(arena, &fields, tx));
    }
    TRY(rlp_next_u64(&fields, &parity));
    TRY(next_signature(&fields, tx));
    if (parity > 1 || fields.len != 0) {
        return fail(ERR_MALFORMED);
    }
    tx->signature.b[64] = (u8)parity;
    return ok();
}

/* Order of secp256k1: SEC 2, 2.4.1. */
static struct u256 group_order(void)
{
    static const u8 order[32] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                 0xff, 0xff, 0xff, 0xff, 0xfe, 0xba, 0xae, 0xdc, 0xe6, 0xaf, 0x48,
                                 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41};
    return u256_from_be(order);
}

/* r and s in 1..n-1. */
static bool signature_in_range(const struct secp_signature *signature)
{
    struct u256 n = group_order();
    struct u256 r = u256_from_be(signature->b);
    struct u256 s = u256_from_be(signature->b + 32);
    return !u256_is_zero(r) && !u256_is_zero(s) && u256_cmp(r, n) < 0 && u256_cmp(s, n) < 0;
}

bool tx_signature_is_low(const struct tx *tx)
{
    struct u256 half = u256_div_u64(group_order(), 2, NULL);
    return u256_cmp(u256_from_be(tx->signature.b + 32), half) <= 0;
}

static err decode(struct arena *arena, bytes raw, struct tx *tx)
{
    bool typed = raw.data[0] < 0x80;
    bytes rest = typed ? bytes_slice(raw, 1, raw.len - 1) : raw;
    bytes fields;
    TRY(rlp_next_list(&rest, &fields));
    if (rest.len != 0) {
        return fail(ERR_MALFORMED);
    }
    tx->type = typed ? (enum tx_type)raw.data[0] : TX_LEGACY;
    return typed ? decode_typed(arena, fields, tx) : decode_legacy(fields, tx);
}

enum tx_verdict tx_decode_within(struct arena *arena, bytes raw, size_t bytes_max,
                                 struct tx *ret_tx)
{
    if (raw.len > bytes_max) {
        return TX_TOO_LARGE;
    }
    if (raw.len == 0) {
        return TX_MALFORMED;
    }
    u8 first = raw.data[0];
    if (first < 0x80 && (first == TX_LEGACY || first >= TX_TYPE_COUNT)) {
        return TX_TYPE_UNSUPPORTED;
    }
    struct tx tx = {0};
    err e = decode(arena, raw, &tx);
    if (!is_ok(e)) {
        return is_err(e, ERR_LIMIT) ? TX_TOO_LARGE : TX_MALFORMED;
    }
    if (!signature_in_range(&tx.signature)) {
        return TX_SIGNATURE_INVALID;
    }
    *ret_tx = tx;
    return TX_VALID;
}

enum tx_verdict tx_decode(struct arena *arena, bytes raw, struct tx *ret_tx)
{
    return tx_decode_within(arena, raw, TX_BYTES_MAX, ret_tx);
}

/* --- encoding --- */

static void put_u256(struct buf *out, struct u256 v)
{
    u8 word[32];
    u256_to_be(word, v);
    rlp_put_uint256(out, word);
}

static void put_call(struct buf *out, const struct tx *tx)
{
    rlp_put_u64(out, tx->gas_limit);
    rlp_put_bytes(out, bytes_make(tx->to.b, tx->is_create ? 0 : sizeof tx->to.b));
    put_u256(out, tx->value);
    rlp_put_bytes(out, tx->input);
}

static void put_access_list(struct buf *out, const struct tx *tx)
{
    size_t list = rlp_list_begin(out);
    for (size_t i = 0; i < tx->access_count; i++) {
        const struct tx_access *access = &tx->access[i];
        size_t entry = rlp_list_begin(out);
        rlp_put_bytes(out, BYTES_OF(access->address));
        size_t slots = rlp_list_begin(out);
        for (size_t j = 0; j < access->slot_count; j++) {
            rlp_put_bytes(out, BYTES_OF(access->slots[j]));
        }
        rlp_list_end(out, slots);
        rlp_list_end(out, entry);
    }
    rlp_list_end(out, list);
}

static void put_blobs(struct buf *out, const struct tx *tx)
{
    put_u256(out, tx->max_blob_fee);
    size_t list = rlp_list_begin(out);
    for (size_t i = 0; i < tx->blob_count; i++) {
        rlp_put_bytes(out, BYTES_OF(tx->blob_hashes[i]));
    }
    rlp_list_end(out, list);
}

static void put_authority(struct buf *out, const struct tx_authorization *authorization)
{
    put_u256(out, authorization->chain_id);
    rlp_put_bytes(out, BYTES_OF(authorization->address));
    rlp_put_u64(out, authorization->nonce);
}

static void put_authorizations(struct buf *out, const struct tx *tx)
{
    size_t list = rlp_list_begin(out);
    for (size_t i = 0; i < tx->authorization_count; i++) {
        const struct tx_authorization *authorization = &tx->authorizations[i];
        size_t entry = rlp_list_begin(out);
        put_authority(out, authorization);
        rlp_put_u64(out, authorization->parity);
        rlp_put_uint256(out, authorization->r);
        rlp_put_uint256(out, authorization->s);
        rlp_list_end(out, entry);
    }
    rlp_list_end(out, list);
}

static void put_signature(struct buf *out, const struct tx *tx, u64 v)
{
    rlp_put_u64(out, v);
    rlp_put_uint256(out, tx->signature.b);
    rlp_put_uint256(out, tx->signature.b + 32);
}

static void encode_legacy(struct buf *out, const struct tx *tx, bool is_signed)
{
    size_t list = rlp_list_begin(out);
    rlp_put_u64(out, tx->nonce);
    put_u256(out, tx->max_fee);
    put_call(out, tx);
    if (is_signed) {
        u64 base = tx->has_chain_id ? PROTECTED_V + 2 * tx->chain_id : LEGACY_V;
        put_signature(out, tx, base + tx->signature.b[64]);
    } else if (tx->has_chain_id) {
        rlp_put_u64(out, tx->chain_id);
        rlp_put_u64(out, 0);
        rlp_put_u64(out, 0);
    }
    rlp_list_end(out, list);
}

static void encode_typed(struct buf *out, const struct tx *tx, bool is_signed)
{
    buf_put_u8(out, (u8)tx->type);
    size_t list = rlp_list_begin(out);
    rlp_put_u64(out, tx->chain_id);
    rlp_put_u64(out, tx->nonce);
    put_u256(out, tx->max_priority);
    if (has_tip(tx)) {
        put_u256(out, tx->max_fee);
    }
    put_call(out, tx);
    put_access_list(out, tx);
    if (tx->type == TX_BLOB) {
        put_blobs(out, tx);
    } else if (tx->type == TX_SET_CODE) {
        put_authorizations(out, tx);
    }
    if (is_signed) {
        put_signature(out, tx, tx->signature.b[64]);
    }
    rlp_list_end(out, list);
}

static void encode(struct buf *out, const struct tx *tx, bool is_signed)
{
    if (tx->type == TX_LEGACY) {
        encode_legacy(out, tx, is_signed);
    } else {
        encode_typed(out, tx, is_signed);
    }
}

void tx_encode(struct buf *out, const struct tx *tx) { encode(out, tx, true); }

void tx_hash(struct hash *out, bytes raw) { keccak256(out, raw); }

void tx_signing_hash(struct hash *out, const struct tx *tx)
{
    struct buf data;
    buf_init(&data, TX_ENCODED_BYTES_MAX);
    encode(&data, tx, false);
    assert_that(is_ok(buf_done(&data)));
    keccak256(out, buf_bytes(&data));
    buf_free(&data);
}

void tx_sign(struct tx *tx, const struct secp_secret *secret)
{
    struct hash digest;
    tx_signing_hash(&digest, tx);
    secp_sign(&tx->signature, secret, &digest);
}

bool tx_sender(const struct tx *tx, struct address *ret_sender)
{
    struct hash digest;
    tx_signing_hash(&digest, tx);
    return secp_recover_address_any_s(ret_sender, &tx->signature, &digest);
}

/* --- authorizations --- */

static void authorization_digest(struct hash *out, const struct tx_authorization *authorization)
{
    struct buf data;
    buf_init(&data, KIB(1));
    buf_put_u8(&data, AUTHORIZATION_MAGIC);
    size_t list = rlp_list_begin(&data);
    put_authority(&data, authorization);
    rlp_list_end(&data, list);
    assert_that(is_ok(buf_done(&data)));
    keccak256(out, buf_bytes(&data));
    buf_free(&data);
}

bool tx_authority(const struct tx_authorization *authorization, struct address *ret_authority)
{
    struct secp_signature signature;
    struct hash digest;
    if (authorization->parity > 1) {
        return false;
    }
    memcpy(signature.b, authorization->r, 32);
    memcpy(signature.b + 32, authorization->s, 32);
    signature.b[64] = authorization->parity;
    authorization_digest(&digest, authorization);
    return secp_recover_address(ret_authority, &signature, &digest);
}

void tx_authorization_sign(struct tx_authorization *authorization, const struct secp_secret *secret)
{
    struct secp_signature signature;
    struct hash digest;
    authorization_digest(&digest, authorization);
    secp_sign(&signature, secret, &digest);
    memcpy(authorization->r, signature.b, 32);
    memcpy(authorization->s, signature.b + 32, 32);
    authorization->parity = signature.b[64];
}

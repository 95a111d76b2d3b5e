#include "conformance/state_tx.h"

#include "conformance/fields.h"

/* --- from bytes --- */

static void from_bytes(bytes raw, struct arena *arena, struct state_tx *ret)
{
    ret->verdict = tx_decode_within(arena, raw, DOCUMENT_BYTES_MAX, &ret->tx);
    if (ret->verdict == TX_VALID && !tx_sender(&ret->tx, &ret->sender)) {
        ret->verdict = TX_SIGNATURE_INVALID;
    }
}

/* --- from fields --- */

static const json_t *chosen(const json_t *fields, const json_t *indexes, const char *name,
                            const char *index)
{
    const json_t *list = json_object_get(fields, name);
    u64 i = 0;
    if (!fields_u64(json_object_get(indexes, index), &i)) {
        return NULL;
    }
    return json_is_array(list) ? json_array_get(list, (size_t)i) : NULL;
}

static bool read_slots(const json_t *list, struct arena *arena, struct tx_access *ret)
{
    size_t i;
    json_t *slot;
    ret->slot_count = json_array_size(list);
    ret->slots = ARENA_ARRAY(arena, struct hash, ret->slot_count + 1);
    if (ret->slots == NULL) {
        return false;
    }
    json_array_foreach(list, i, slot)
    {
        struct u256 word;
        if (!fields_u256(slot, &word)) {
            return false;
        }
        u256_to_be(ret->slots[i].b, word);
    }
    return true;
}

static bool read_access(const json_t *list, struct arena *arena, struct tx *tx)
{
    size_t i;
    json_t *entry;
    tx->access_count = json_array_size(list);
    tx->access = ARENA_ARRAY(arena, struct tx_access, tx->access_count + 1);
    if (tx->access == NULL) {
        return false;
    }
    json_array_foreach(list, i, entry)
    {
        if (!json_read_fixed(json_object_get(entry, "address"), tx->access[i].address.b, 20) ||
            !read_slots(json_object_get(entry, "storageKeys"), arena, &tx->access[i])) {
            return false;
        }
    }
    return true;
}

static bool read_blobs(const json_t *list, struct arena *arena, struct tx *tx)
{
    size_t i;
    json_t *hash;
    tx->blob_count = json_array_size(list);
    tx->blob_hashes = ARENA_ARRAY(arena, struct hash, tx->blob_count + 1);
    if (tx->blob_hashes == NULL) {
        return false;
    }
    json_array_foreach(list, i, hash)
    {
        if (!json_read_fixed(hash, tx->blob_hashes[i].b, 32)) {
            return false;
        }
    }
    return true;
}

static bool read_authorization(const json_t *fields, struct tx_authorization *ret)
{
    struct u256 r;
    struct u256 s;
    u64 parity;
    const json_t *v = json_object_get(fields, "yParity");
    if (!fields_u256(json_object_get(fields, "chainId"), &ret->chain_id) ||
        !json_read_fixed(json_object_get(fields, "address"), ret->address.b, 20) ||
        !fields_u64(json_object_get(fields, "nonce"), &ret->nonce) ||
        !fields_u64(v != NULL ? v : json_object_get(fields, "v"), &parity) ||
        !fields_u256(json_object_get(fields, "r"), &r) ||
        !fields_u256(json_object_get(fields, "s"), &s) || parity > UINT8_MAX) {
        return false;
    }
    ret->parity = (u8)parity;
    u256_to_be(ret->r, r);
    u256_to_be(ret->s, s);
    return true;
}

static bool read_authorizations(const json_t *list, struct arena *arena, struct tx *tx)
{
    size_t i;
    json_t *entry;
    tx->authorization_count = json_array_size(list);
    tx->authorizations = ARENA_ARRAY(arena, struct tx_authorization, tx->authorization_count + 1);
    if (tx->authorizations == NULL) {
        return false;
    }
    json_array_foreach(list, i, entry)
    {
        if (!read_authorization(entry, &tx->authorizations[i])) {
            return false;
        }
    }
    return true;
}

static enum tx_type type_of(const json_t *fields, const json_t *access)
{
    if (json_object_get(fields, "authorizationList") != NULL) {
        return TX_SET_CODE;
    }
    if (json_object_get(fields, "blobVersionedHashes") != NULL) {
        return TX_BLOB;
    }
    if (json_object_get(fields, "maxFeePerGas") != NULL) {
        return TX_DYNAMIC_FEE;
    }
    return json_is_array(access) ? TX_ACCESS_LIST : TX_LEGACY;
}

static bool read_fees(const json_t *fields, struct tx *tx)
{
    if (tx->type >= TX_DYNAMIC_FEE) {
        return fields_u256(json_object_get(fields, "maxFeePerGas"), &tx->max_fee) &&
               fields_u256(json_object_get(fields, "maxPriorityFeePerGas"), &tx->max_priority) &&
               (tx->type != TX_BLOB ||
                fields_u256(json_object_get(fields, "maxFeePerBlobGas"), &tx->max_blob_fee));
    }
    bool is_read = fields_u256(json_object_get(fields, "gasPrice"), &tx->max_fee);
    tx->max_priority = tx->max_fee;
    return is_read;
}

static bool read_to(const json_t *fields, struct tx *tx)
{
    const json_t *to = json_object_get(fields, "to");
    tx->is_create = to == NULL || (json_is_string(to) && json_string_length(to) == 0);
    return tx->is_create || json_read_fixed(to, tx->to.b, sizeof tx->to.b);
}

static bool read_sender(const json_t *fields, struct address *ret)
{
    struct secp_secret secret;
    u8 key[32];
    if (json_read_fixed(json_object_get(fields, "sender"), ret->b, sizeof ret->b)) {
        return true;
    }
    if (!json_read_fixed(json_object_get(fields, "secretKey"), key, sizeof key) ||
        !secp_secret_from(&secret, key)) {
        return false;
    }
    secp_address_of_secret(ret, &secret);
    return true;
}

static bool from_fields(const json_t *test, const json_t *post, struct arena *arena,
                        struct state_tx *ret)
{
    const json_t *fields = json_object_get(test, "transaction");
    const json_t *indexes = json_object_get(post, "indexes");
    const json_t *access = chosen(fields, indexes, "accessLists", "data");
    const json_t *chain = json_object_get(json_object_get(test, "config"), "chainid");
    struct tx *tx = &ret->tx;
    ret->verdict = TX_VALID;
    *tx = (struct tx){.type = type_of(fields, access), .chain_id = 1};
    tx->has_chain_id = tx->type != TX_LEGACY;
    return read_fees(fields, tx) && read_to(fields, tx) &&
           (chain == NULL || fields_u64(chain, &tx->chain_id)) &&
           fields_u64(json_object_get(fields, "nonce"), &tx->nonce) &&
           fields_u64(chosen(fields, indexes, "gasLimit", "gas"), &tx->gas_limit) &&
           fields_u256(chosen(fields, indexes, "value", "value"), &tx->value) &&
           fields_bytes(chosen(fields, indexes, "data", "data"), arena, &tx->input) &&
           read_access(access, arena, tx) &&
           read_blobs(json_object_get(fields, "blobVersionedHashes"), arena, tx) &&
           read_authorizations(json_object_get(fields, "authorizationList"), arena, tx) &&
           read_sender(fields, &ret->sender);
}

bool state_tx_read(const json_t *test, const json_t *post, struct arena *arena,
                   struct state_tx *ret)
{
    bytes raw;
    *ret = (struct state_tx){0};
    if (json_read_data(json_object_get(post, "txbytes"), arena, &raw)) {
        from_bytes(raw, arena, ret);
        return true;
    }
    return from_fields(test, post, arena, ret);
}

#include "data/capability.h"

#include "base/assert.h"
#include "crypto/hash.h"
#include "data/kinds.h"
#include "data/pack.h"

#define CAPABILITY_VERSION 1
#define DOMAIN "cairn capability v1"
#define SCHEME "Cairn "
#define SIGNED_BYTES (CAPABILITY_BYTES - 65)

_Static_assert(SIGNED_BYTES == 2 + 2 + 8 + 20 + 4 + 1 + 8 + 4 + 8 + 1 + 8 + 16, "field sizes");
_Static_assert(CAPABILITY_HEADER_BYTES == 6 + (CAPABILITY_BYTES + 2) / 3 * 4, "scheme and base64");

const char *capability_verdict_name(enum capability_verdict verdict)
{
    switch (verdict) {
    case CAPABILITY_OK:
        return "ok";
    case CAPABILITY_MALFORMED:
        return "malformed";
    case CAPABILITY_BAD_SIGNATURE:
        return "bad signature";
    case CAPABILITY_WRONG_CHAIN:
        return "made for another chain";
    case CAPABILITY_WRONG_HOLDER:
        return "made for another holder";
    case CAPABILITY_EXPIRED:
        return "expired";
    case CAPABILITY_TOO_LONG:
        return "valid for too long";
    case CAPABILITY_WRONG_OP:
        return "operation not allowed";
    case CAPABILITY_WRONG_FRAGMENT:
        return "made for another fragment";
    }
    unreachable_case();
}

static void pack_signed(u8 out[SIGNED_BYTES], const struct capability *capability)
{
    struct packer packer = packer_make(out, SIGNED_BYTES);
    pack_be16(&packer, KIND_CAPABILITY);
    pack_be16(&packer, CAPABILITY_VERSION);
    pack_be64(&packer, capability->chain_id);
    pack_bytes(&packer, BYTES_OF(capability->who));
    pack_be32(&packer, capability->holder);
    pack_u8(&packer, capability->ops);
    pack_be64(&packer, capability->key.territory);
    pack_be32(&packer, capability->key.gateway);
    pack_be64(&packer, capability->key.number);
    pack_u8(&packer, capability->fragment);
    pack_be64(&packer, capability->valid_until);
    pack_bytes(&packer, BYTES_OF(capability->nonce));
    pack_done(&packer);
}

static void capability_digest(struct hash *ret_digest, const struct capability *capability)
{
    u8 packed[SIGNED_BYTES];
    pack_signed(packed, capability);
    struct bytes parts[] = {bytes_str(DOMAIN), BYTES_OF(packed)};
    keccak256_parts(ret_digest, parts, COUNT_OF(parts));
}

static bool fields_valid(const struct capability *capability)
{
    bool ops_known = capability->ops != 0 && (capability->ops & ~CAPABILITY_OPS_ALL) == 0;
    bool fragment_known =
        capability->fragment < FRAGMENTS_MAX || capability->fragment == CAPABILITY_ALL_FRAGMENTS;
    return ops_known && fragment_known;
}

void capability_sign(struct capability *capability, const struct secp_secret *secret)
{
    assert_that(fields_valid(capability));
    secp_address_of_secret(&capability->who, secret);
    struct hash digest;
    capability_digest(&digest, capability);
    secp_sign(&capability->signature, secret, &digest);
}

enum capability_verdict capability_verify(const struct capability *capability)
{
    struct hash digest;
    struct address signer;
    capability_digest(&digest, capability);
    if (!secp_recover_address(&signer, &capability->signature, &digest)) {
        return CAPABILITY_BAD_SIGNATURE;
    }
    return address_eq(&signer, &capability->who) ? CAPABILITY_OK : CAPABILITY_BAD_SIGNATURE;
}

static bool names_fragment(const struct capability *capability,
                           const struct capability_request *request)
{
    const struct segment_key *key = &capability->key;
    bool same_segment = key->territory == request->key.territory &&
                        key->gateway == request->key.gateway && key->number == request->key.number;
    bool same_fragment = capability->fragment == CAPABILITY_ALL_FRAGMENTS ||
                         capability->fragment == request->fragment;
    return same_segment && same_fragment;
}

enum capability_verdict capability_allows(const struct capability *capability,
                                          const struct capability_request *request)
{
    if (capability->chain_id != request->chain_id) {
        return CAPABILITY_WRONG_CHAIN;
    }
    if (capability->holder != request->holder) {
        return CAPABILITY_WRONG_HOLDER;
    }
    if (request->now > capability->valid_until) {
        return CAPABILITY_EXPIRED;
    }
    if (capability->valid_until - request->now > CAPABILITY_TTL_SECONDS_MAX) {
        return CAPABILITY_TOO_LONG;
    }
    if ((capability->ops & request->op) == 0) {
        return CAPABILITY_WRONG_OP;
    }
    bool about_fragment = request->op == CAPABILITY_READ || request->op == CAPABILITY_WRITE;
    if (about_fragment && !names_fragment(capability, request)) {
        return CAPABILITY_WRONG_FRAGMENT;
    }
    return CAPABILITY_OK;
}

void capability_encode(u8 out[CAPABILITY_BYTES], const struct capability *capability)
{
    pack_signed(out, capability);
    memcpy(out + SIGNED_BYTES, capability->signature.b, sizeof capability->signature.b);
}

enum capability_verdict capability_decode(struct capability *ret, bytes in)
{
    struct reader reader;
    struct capability it = {0};
    reader_init(&reader, in);
    read_head(&reader, KIND_CAPABILITY, CAPABILITY_VERSION);
    it.chain_id = read_be64(&reader);
    it.who = read_address(&reader);
    it.holder = read_be32(&reader);
    it.ops = read_u8(&reader);
    it.key.territory = read_be64(&reader);
    it.key.gateway = read_be32(&reader);
    it.key.number = read_be64(&reader);
    it.fragment = read_u8(&reader);
    it.valid_until = read_be64(&reader);
    read_fixed(&reader, it.nonce, sizeof it.nonce);
    read_fixed(&reader, it.signature.b, sizeof it.signature.b);
    if (!is_ok(reader_done(&reader)) || !fields_valid(&it)) {
        return CAPABILITY_MALFORMED;
    }
    *ret = it;
    return CAPABILITY_OK;
}

void capability_header(char out[CAPABILITY_HEADER_BYTES + 1], const struct capability *capability)
{
    u8 packed[CAPABILITY_BYTES];
    size_t scheme_len = sizeof SCHEME - 1;
    capability_encode(packed, capability);
    memcpy(out, SCHEME, scheme_len);
    base64_encode(out + scheme_len, CAPABILITY_HEADER_BYTES + 1 - scheme_len, BYTES_OF(packed));
}

enum capability_verdict capability_parse(struct capability *ret, bytes header_value)
{
    u8 packed[CAPABILITY_BYTES];
    size_t scheme_len = sizeof SCHEME - 1;
    size_t len;
    if (header_value.len != CAPABILITY_HEADER_BYTES ||
        !bytes_eq_nocase(bytes_slice(header_value, 0, scheme_len), bytes_str(SCHEME))) {
        return CAPABILITY_MALFORMED;
    }
    bytes text = bytes_slice(header_value, scheme_len, header_value.len - scheme_len);
    if (!base64_decode(packed, sizeof packed, text, &len)) {
        return CAPABILITY_MALFORMED;
    }
    return capability_decode(ret, bytes_make(packed, len));
}

#include "data/keys.h"

#include "base/assert.h"
#include "base/mem.h"
#include "codec/record.h"
#include "crypto/hash.h"
#include "data/kinds.h"
#include "data/pack.h"
#include "data/wordlist.h"

#define TERRITORY_DOMAIN "cairn territory key v1"
#define LABEL_DOMAIN "cairn bucket label v1"
#define WRAP_DOMAIN "cairn record key v1"
#define LABEL_CONTEXT_BYTES (sizeof LABEL_DOMAIN - 1 + 32 + 4)
#define WRAP_AAD_BYTES (sizeof WRAP_DOMAIN - 1 + 32 + 4 + UMBRAL_CAPSULE_BYTES)

#define ENVELOPE_VERSION 1
#define ENVELOPE_ARGON2ID 1
#define ENVELOPE_CLEAR_BYTES (ENVELOPE_BYTES - 32 - AEAD_TAG_BYTES)

void territory_key_derive(struct territory_key *ret, const struct master_key *master, u64 territory)
{
    u8 info[sizeof TERRITORY_DOMAIN - 1 + 8];
    struct packer packer = packer_make(info, sizeof info);
    pack_bytes(&packer, bytes_str(TERRITORY_DOMAIN));
    pack_be64(&packer, territory);
    pack_done(&packer);
    hkdf_sha256(ret->b, sizeof ret->b, BYTES_OF(*master), (bytes){NULL, 0}, BYTES_OF(info));
}

void label_secret_derive(struct secp_secret *ret, const struct territory_key *territory,
                         const struct hash *bucket, u32 version)
{
    u8 context[LABEL_CONTEXT_BYTES];
    struct packer packer = packer_make(context, sizeof context);
    pack_bytes(&packer, bytes_str(LABEL_DOMAIN));
    pack_bytes(&packer, BYTES_OF(*bucket));
    pack_be32(&packer, version);
    pack_done(&packer);
    umbral_secret_derive(ret, territory->b, BYTES_OF(context));
}

static void wrap_aad(u8 out[WRAP_AAD_BYTES], const struct hash *bucket, u32 version,
                     const struct umbral_capsule *capsule)
{
    struct packer packer = packer_make(out, WRAP_AAD_BYTES);
    pack_bytes(&packer, bytes_str(WRAP_DOMAIN));
    pack_bytes(&packer, BYTES_OF(*bucket));
    pack_be32(&packer, version);
    pack_bytes(&packer, BYTES_OF(*capsule));
    pack_done(&packer);
}

bool record_key_wrap(struct wrapped_key *ret, const struct aead_key *record_key,
                     const struct secp_public *label, const struct hash *bucket, u32 version,
                     const u8 random[WRAPPED_KEY_RANDOM_BYTES])
{
    struct umbral_capsule capsule;
    struct aead_key shared;
    u8 aad[WRAP_AAD_BYTES];
    const u8 *nonce = random + 64;
    if (!umbral_encapsulate(&capsule, shared.b, label, random)) {
        return false;
    }
    wrap_aad(aad, bucket, version, &capsule);
    struct packer packer = packer_make(ret->b, sizeof ret->b);
    pack_bytes(&packer, BYTES_OF(capsule));
    pack_bytes(&packer, bytes_make(nonce, 24));
    u8 *sealed = pack_room(&packer, sizeof record_key->b + AEAD_TAG_BYTES);
    xchacha_seal(sealed, &shared, nonce, BYTES_OF(aad), BYTES_OF(*record_key));
    pack_done(&packer);
    mem_wipe(&shared, sizeof shared);
    return true;
}

bool record_key_unwrap(struct aead_key *ret_record_key, const struct wrapped_key *wrapped,
                       const struct secp_secret *label, const struct hash *bucket, u32 version)
{
    struct umbral_capsule capsule;
    struct aead_key shared;
    struct aead_key opened;
    u8 aad[WRAP_AAD_BYTES];
    const u8 *nonce = wrapped->b + UMBRAL_CAPSULE_BYTES;
    bytes sealed = bytes_make(nonce + 24, 32 + AEAD_TAG_BYTES);
    memcpy(capsule.b, wrapped->b, sizeof capsule.b);
    if (!umbral_decapsulate(shared.b, label, &capsule)) {
        return false;
    }
    wrap_aad(aad, bucket, version, &capsule);
    bool authentic = xchacha_open(opened.b, &shared, nonce, BYTES_OF(aad), sealed);
    if (authentic) {
        *ret_record_key = opened;
    }
    mem_wipe(&opened, sizeof opened);
    mem_wipe(&shared, sizeof shared);
    return authentic;
}

/* The 264 bits key ‖ first byte of SHA-256(key) in groups of 11, most significant bit first. */
static void with_checksum(u8 out[33], const struct master_key *master)
{
    struct hash digest;
    memcpy(out, master->b, 32);
    sha256(&digest, BYTES_OF(*master));
    out[32] = digest.b[0];
    mem_wipe(&digest, sizeof digest);
}

void master_to_words(char out[MNEMONIC_TEXT_BYTES], const struct master_key *master)
{
    u8 bits[33];
    u32 held = 0;
    u32 held_bits = 0;
    size_t at = 0;
    char *to = out;
    with_checksum(bits, master);
    for (u8 i = 0; i < MNEMONIC_WORDS; i++) {
        while (held_bits < 11) {
            held = held << 8 | bits[at++];
            held_bits += 8;
        }
        held_bits -= 11;
        bytes word = bytes_str(wordlist[held >> held_bits & 2047]);
        memcpy(to, word.data, word.len);
        to += word.len;
        *to++ = i + 1 < MNEMONIC_WORDS ? ' ' : '\0';
    }
    mem_wipe(bits, sizeof bits);
}

static bool is_blank(u8 c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

/* next_word: the next word of *text, lower case, into out; its length, 0 at the end. A word that is
 * too long for the list is cut one letter above its longest, so that it is not found. */
static size_t next_word(u8 out[WORDLIST_LETTERS_MAX + 1], bytes *text)
{
    size_t at = 0;
    size_t len = 0;
    while (at < text->len && is_blank(text->data[at])) {
        at++;
    }
    for (; at < text->len && !is_blank(text->data[at]); at++) {
        u8 c = text->data[at];
        if (len <= WORDLIST_LETTERS_MAX) {
            out[len++] = c >= 'A' && c <= 'Z' ? (u8)(c - 'A' + 'a') : c;
        }
    }
    *text = bytes_slice(*text, at, text->len - at);
    return len;
}

static enum mnemonic_verdict words_to_bits(u8 bits[33], bytes text, u8 *ret_word)
{
    u8 word[WORDLIST_LETTERS_MAX + 1];
    u32 held = 0;
    u32 held_bits = 0;
    size_t at = 0;
    size_t len;
    for (u8 i = 0; i < MNEMONIC_WORDS; i++) {
        u16 index;
        len = next_word(word, &text);
        if (len == 0) {
            return MNEMONIC_WRONG_COUNT;
        }
        if (!wordlist_find(&index, bytes_make(word, len))) {
            *ret_word = (u8)(i + 1);
            return MNEMONIC_UNKNOWN_WORD;
        }
        held = held << 11 | index;
        for (held_bits += 11; held_bits >= 8; held_bits -= 8) {
            bits[at++] = (u8)(held >> (held_bits - 8));
        }
    }
    return next_word(word, &text) == 0 ? MNEMONIC_OK : MNEMONIC_WRONG_COUNT;
}

enum mnemonic_verdict master_from_words(struct master_key *ret, bytes text, u8 *ret_word)
{
    u8 bits[33] = {0};
    u8 expected[33];
    struct master_key master;
    enum mnemonic_verdict verdict = words_to_bits(bits, text, ret_word);
    if (verdict == MNEMONIC_OK) {
        memcpy(master.b, bits, sizeof master.b);
        with_checksum(expected, &master);
        if (bits[32] == expected[32]) {
            *ret = master;
        } else {
            verdict = MNEMONIC_WRONG_CHECKSUM;
        }
        mem_wipe(&master, sizeof master);
        mem_wipe(expected, sizeof expected);
    }
    mem_wipe(bits, sizeof bits);
    return verdict;
}

struct envelope_head {
    u32 passes;
    u32 memory_kib;
    u8 salt[16];
    u8 nonce[24];
};

static bool head_within_limits(const struct envelope_head *head)
{
    return head->passes >= 1 && head->passes <= ENVELOPE_PASSES_MAX && head->memory_kib >= 8 &&
           head->memory_kib <= ENVELOPE_MEMORY_KIB_MAX;
}

static MUST_USE bool envelope_key(struct aead_key *ret, const struct envelope_head *head,
                                  bytes passphrase)
{
    return argon2id(ret->b, passphrase, head->salt, head->passes, KIB(head->memory_kib));
}

err envelope_seal(struct envelope *ret, const struct master_key *master, bytes passphrase,
                  u32 passes, u32 memory_kib, const u8 random[40])
{
    struct envelope_head head = {.passes = passes, .memory_kib = memory_kib};
    struct aead_key key;
    memcpy(head.salt, random, sizeof head.salt);
    memcpy(head.nonce, random + sizeof head.salt, sizeof head.nonce);
    assert_that(head_within_limits(&head));
    if (!envelope_key(&key, &head, passphrase)) {
        return fail(ERR_FAILED);
    }
    struct packer packer = packer_make(ret->b, sizeof ret->b);
    pack_be16(&packer, KIND_ENVELOPE);
    pack_be16(&packer, ENVELOPE_VERSION);
    pack_u8(&packer, ENVELOPE_ARGON2ID);
    pack_be32(&packer, head.passes);
    pack_be32(&packer, head.memory_kib);
    pack_bytes(&packer, BYTES_OF(head.salt));
    pack_bytes(&packer, BYTES_OF(head.nonce));
    u8 *sealed = pack_room(&packer, sizeof master->b + AEAD_TAG_BYTES);
    xchacha_seal(sealed, &key, head.nonce, bytes_make(ret->b, ENVELOPE_CLEAR_BYTES),
                 BYTES_OF(*master));
    pack_done(&packer);
    mem_wipe(&key, sizeof key);
    return ok();
}

static err envelope_read(struct envelope_head *ret_head, bytes *ret_sealed, bytes in)
{
    struct reader reader;
    struct envelope_head head;
    reader_init(&reader, in);
    read_head(&reader, KIND_ENVELOPE, ENVELOPE_VERSION);
    u8 kdf = read_u8(&reader);
    head.passes = read_be32(&reader);
    head.memory_kib = read_be32(&reader);
    read_fixed(&reader, head.salt, sizeof head.salt);
    read_fixed(&reader, head.nonce, sizeof head.nonce);
    *ret_sealed = read_bytes(&reader, sizeof(struct master_key) + AEAD_TAG_BYTES);
    TRY(reader_done(&reader));
    *ret_head = head;
    return kdf == ENVELOPE_ARGON2ID && head_within_limits(&head) ? ok() : fail(ERR_MALFORMED);
}

bool envelope_valid(bytes in)
{
    struct envelope_head head;
    bytes sealed;
    return is_ok(envelope_read(&head, &sealed, in));
}

err envelope_open(struct master_key *ret, bytes in, bytes passphrase)
{
    struct envelope_head head;
    struct master_key opened;
    struct aead_key key;
    bytes sealed;
    TRY(envelope_read(&head, &sealed, in));
    if (!envelope_key(&key, &head, passphrase)) {
        return fail(ERR_FAILED);
    }
    bytes aad = bytes_slice(in, 0, ENVELOPE_CLEAR_BYTES);
    bool authentic = xchacha_open(opened.b, &key, head.nonce, aad, sealed);
    mem_wipe(&key, sizeof key);
    if (!authentic) {
        return fail(ERR_INTEGRITY);
    }
    *ret = opened;
    mem_wipe(&opened, sizeof opened);
    return ok();
}

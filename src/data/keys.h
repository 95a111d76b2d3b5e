/* keys.h: from the owner's master key to the key of one journal record.
 *
 *   master (32 random bytes, 24 words, Argon2id envelope)
 *     └ territory key   HKDF-SHA256(master, info = "cairn territory key v1" ‖ territory id)
 *         └ bucket label key, per version: an Umbral key pair, derived from the territory key and
 *           "cairn bucket label v1" ‖ bucket id ‖ version
 *             └ record key: 32 random bytes, wrapped by one capsule of the label key
 *                 └ file keys: random, inside the sealed record (data/manifest.h)
 *
 * Who holds a label secret (a gateway the owner authorised, a grantee by re-encryption) reads that
 * bucket's records of that version and nothing else; nobody gets from a label key back up. A new
 * version after a revocation is a new label key for what is written from then on. Formats are
 * final: docs/formats/keys.md, docs/formats/envelope.md.
 */
#ifndef DATA_KEYS_H
#define DATA_KEYS_H

#include "base/buf.h"
#include "crypto/cipher.h"
#include "crypto/umbral.h"

struct master_key {
    u8 b[32];
};
struct territory_key {
    u8 b[32];
};

void territory_key_derive(struct territory_key *ret, const struct master_key *master,
                          u64 territory);
/* label_secret_derive: of a bucket's label in one version (from 1). Its public key is
 * secp_public_of(). */
void label_secret_derive(struct secp_secret *ret, const struct territory_key *territory,
                         const struct hash *bucket, u32 version);

/* A record key wrapped for a label: capsule ‖ nonce ‖ XChaCha20-Poly1305 of the key under the
 * encapsulated key, with the bucket, the version and the capsule as associated data. */
#define WRAPPED_KEY_BYTES (UMBRAL_CAPSULE_BYTES + 24 + 32 + AEAD_TAG_BYTES)
#define WRAPPED_KEY_RANDOM_BYTES (64 + 24)

struct wrapped_key {
    u8 b[WRAPPED_KEY_BYTES];
};

/* record_key_wrap: random is fresh; false in the negligible case that it holds no scalars (draw
 * again) or if label is no point. */
MUST_USE bool record_key_wrap(struct wrapped_key *ret, const struct aead_key *record_key,
                              const struct secp_public *label, const struct hash *bucket,
                              u32 version, const u8 random[WRAPPED_KEY_RANDOM_BYTES]);
/* record_key_unwrap: false: not made for this label, bucket and version, or damaged. */
MUST_USE bool record_key_unwrap(struct aead_key *ret_record_key, const struct wrapped_key *wrapped,
                                const struct secp_secret *label, const struct hash *bucket,
                                u32 version);

/* The master key as 24 words (BIP-39 encoding of 256 bits with its 8-bit checksum; no seed is
 * derived from them: the words are the key). */
#define MNEMONIC_WORDS 24
#define MNEMONIC_TEXT_BYTES (MNEMONIC_WORDS * 9) /* spaces and the final zero included */

void master_to_words(char out[MNEMONIC_TEXT_BYTES], const struct master_key *master);

enum mnemonic_verdict {
    MNEMONIC_OK,
    MNEMONIC_WRONG_COUNT,
    MNEMONIC_UNKNOWN_WORD,
    MNEMONIC_WRONG_CHECKSUM,
};
/* master_from_words: words in either case between spaces, tabs or line ends. ret_word gets the
 * position (from 1) of an unknown word. */
MUST_USE enum mnemonic_verdict master_from_words(struct master_key *ret, bytes text, u8 *ret_word);

/* The envelope: the master key under a passphrase. */
#define ENVELOPE_BYTES (2 + 2 + 1 + 4 + 4 + 16 + 24 + 32 + AEAD_TAG_BYTES)
#define ENVELOPE_PASSES 3
#define ENVELOPE_MEMORY_KIB 65536 /* RFC 9106, section 4, second choice, with one lane */
#define ENVELOPE_PASSES_MAX 64
#define ENVELOPE_MEMORY_KIB_MAX (1 << 20)

struct envelope {
    u8 b[ENVELOPE_BYTES];
};

/* envelope_seal: random is 40 fresh bytes (salt, nonce). Parameters: passes 1 to
 * ENVELOPE_PASSES_MAX, memory 8 to ENVELOPE_MEMORY_KIB_MAX. ERR_FAILED: no memory for Argon2id. */
err envelope_seal(struct envelope *ret, const struct master_key *master, bytes passphrase,
                  u32 passes, u32 memory_kib, const u8 random[40]);
/* envelope_valid: its form alone; whether it opens only the passphrase tells. */
MUST_USE bool envelope_valid(bytes in);
/* envelope_open: ERR_MALFORMED: no envelope, or parameters beyond the limits; ERR_FAILED: no
 * memory; ERR_INTEGRITY: wrong passphrase or damaged. */
err envelope_open(struct master_key *ret, bytes in, bytes passphrase);

#endif

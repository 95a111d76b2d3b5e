#include "data/keys.h"

#include "base/prng.h"
#include "crypto/hash.h"
#include "data/wordlist.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct prng rng;

static void wordlist_is_the_standard_one(void **state)
{
    (void)state;
    struct buf all;
    struct hash digest;
    char hex[65];
    buf_init(&all, 20000);
    for (size_t i = 0; i < WORDLIST_COUNT; i++) {
        u16 index;
        assert_true(wordlist_find(&index, bytes_str(wordlist[i])));
        assert_int_equal(index, i);
        buf_put_str(&all, wordlist[i]);
        buf_put_u8(&all, '\n');
    }
    sha256(&digest, buf_bytes(&all));
    hex_encode(hex, sizeof hex, BYTES_OF(digest));
    assert_string_equal(hex, "2f5eed53a4727b4bf8880d8f3f199efc90e58503646d9ff8eff3a2ed3b24dbda");
    u16 untouched = 7;
    assert_false(wordlist_find(&untouched, bytes_str("")));
    assert_false(wordlist_find(&untouched, bytes_str("aaa")));
    assert_false(wordlist_find(&untouched, bytes_str("zzz")));
    assert_false(wordlist_find(&untouched, bytes_str("abando")));
    assert_int_equal(untouched, 7);
    buf_free(&all);
}

/* The 256-bit entropy cases of the test vectors that BIP-0039 refers to. */
static const struct {
    const char *entropy;
    const char *words;
} mnemonics[] = {
    {"0000000000000000000000000000000000000000000000000000000000000000",
     "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon "
     "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon "
     "abandon art"},
    {"7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f",
     "legal winner thank year wave sausage worth useful legal winner thank year wave sausage "
     "worth useful legal winner thank year wave sausage worth title"},
    {"8080808080808080808080808080808080808080808080808080808080808080",
     "letter advice cage absurd amount doctor acoustic avoid letter advice cage absurd amount "
     "doctor acoustic avoid letter advice cage absurd amount doctor acoustic bless"},
    {"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
     "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo "
     "zoo vote"},
    {"68a79eaca2324873eacc50cb9c6eca8cc68ea5d936f98787c60c7ebc74e6ce7c",
     "hamster diagram private dutch cause delay private meat slide toddler razor book happy fancy "
     "gospel tennis maple dilemma loan word shrug inflict delay length"},
    {"f585c11aec520db57dd353c69554b21a89b20fb0650966fa0a9d6f74fd989d8f",
     "void come effort suffer camp survey warrior heavy shoot primary clutch crush open amazing "
     "screen patrol group space point ten exist slush involve unfold"},
};

static void words_of_the_standard(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(mnemonics); i++) {
        struct master_key master;
        struct master_key back;
        char text[MNEMONIC_TEXT_BYTES];
        u8 word = 0;
        assert_true(hex_decode(master.b, 32, bytes_str(mnemonics[i].entropy)));
        master_to_words(text, &master);
        assert_string_equal(text, mnemonics[i].words);
        assert_int_equal(master_from_words(&back, bytes_str(text), &word), MNEMONIC_OK);
        assert_memory_equal(&back, &master, sizeof back);
    }
}

static void words_as_people_type_them(void **state)
{
    (void)state;
    struct master_key master;
    u8 word = 0;
    static const char *const text =
        "  Zoo ZOO zoo\tzoo\nzoo zoo\r\nzoo   zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo "
        "zoo zoo zoo VOTE \n";
    assert_int_equal(master_from_words(&master, bytes_str(text), &word), MNEMONIC_OK);
    assert_int_equal(master.b[0], 0xff);
}

#define ZOO_20 "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo "

static void refused_words(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum mnemonic_verdict verdict;
        u8 word;
    } table[] = {
        {"", MNEMONIC_WRONG_COUNT, 0},
        {"   ", MNEMONIC_WRONG_COUNT, 0},
        {ZOO_20 "zoo zoo zoo", MNEMONIC_WRONG_COUNT, 0},
        {ZOO_20 "zoo zoo zoo vote zoo", MNEMONIC_WRONG_COUNT, 0},
        {ZOO_20 "zoo zoo zoo zoo", MNEMONIC_WRONG_CHECKSUM, 0},
        {"vote " ZOO_20 "zoo zoo zoo", MNEMONIC_WRONG_CHECKSUM, 0},
        {ZOO_20 "zoo zooo zoo vote", MNEMONIC_UNKNOWN_WORD, 22},
        {"abstractabstract " ZOO_20 "zoo zoo zoo", MNEMONIC_UNKNOWN_WORD, 1},
        {"abstracts " ZOO_20 "zoo zoo vote", MNEMONIC_UNKNOWN_WORD, 1},
        {"zo\xc3\xb6 " ZOO_20 "zoo zoo vote", MNEMONIC_UNKNOWN_WORD, 1},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct master_key untouched = {{1, 2, 3}};
        u8 word = 0;
        assert_int_equal(master_from_words(&untouched, bytes_str(table[i].text), &word),
                         table[i].verdict);
        assert_int_equal(word, table[i].word);
        assert_int_equal(untouched.b[2], 3);
    }
}

static void random_words_round_trip(void **state)
{
    (void)state;
    for (u32 i = 0; i < 300; i++) {
        struct master_key master;
        struct master_key back;
        char text[MNEMONIC_TEXT_BYTES];
        u8 word;
        prng_fill(&rng, &master, sizeof master);
        master_to_words(text, &master);
        assert_int_equal(master_from_words(&back, bytes_str(text), &word), MNEMONIC_OK);
        assert_memory_equal(&back, &master, sizeof back);
    }
}

static void keys_differ_by_every_input(void **state)
{
    (void)state;
    struct master_key master;
    struct territory_key keys[3];
    struct secp_secret labels[5];
    struct hash bucket = {{1}};
    struct hash other = {{2}};
    prng_fill(&rng, &master, sizeof master);
    territory_key_derive(&keys[0], &master, 1);
    territory_key_derive(&keys[1], &master, 2);
    master.b[0] ^= 1;
    territory_key_derive(&keys[2], &master, 1);
    label_secret_derive(&labels[0], &keys[0], &bucket, 1);
    label_secret_derive(&labels[1], &keys[0], &bucket, 2);
    label_secret_derive(&labels[2], &keys[0], &other, 1);
    label_secret_derive(&labels[3], &keys[1], &bucket, 1);
    label_secret_derive(&labels[4], &keys[2], &bucket, 1);
    for (size_t i = 0; i < 5; i++) {
        for (size_t j = 0; j < i; j++) {
            assert_memory_not_equal(&labels[i], &labels[j], sizeof labels[i]);
        }
    }
    struct secp_secret again;
    label_secret_derive(&again, &keys[0], &bucket, 1);
    assert_memory_equal(&again, &labels[0], sizeof again);
}

struct wrapping {
    struct aead_key record_key;
    struct secp_secret label;
    struct secp_public label_public;
    struct hash bucket;
    struct wrapped_key wrapped;
};

static void wrap(struct wrapping *it)
{
    struct territory_key territory;
    u8 random[WRAPPED_KEY_RANDOM_BYTES];
    prng_fill(&rng, &territory, sizeof territory);
    prng_fill(&rng, &it->bucket, sizeof it->bucket);
    prng_fill(&rng, &it->record_key, sizeof it->record_key);
    prng_fill(&rng, random, sizeof random);
    label_secret_derive(&it->label, &territory, &it->bucket, 3);
    secp_public_of(&it->label_public, &it->label);
    assert_true(
        record_key_wrap(&it->wrapped, &it->record_key, &it->label_public, &it->bucket, 3, random));
}

static void record_keys_wrap(void **state)
{
    (void)state;
    struct wrapping it;
    struct aead_key back;
    assert_int_equal(WRAPPED_KEY_BYTES, 98 + 72);
    for (u32 i = 0; i < 5; i++) {
        wrap(&it);
        assert_true(record_key_unwrap(&back, &it.wrapped, &it.label, &it.bucket, 3));
        assert_memory_equal(&back, &it.record_key, sizeof back);
    }
}

static void wraps_open_for_nothing_else(void **state)
{
    (void)state;
    struct wrapping it;
    struct aead_key back;
    wrap(&it);
    assert_false(record_key_unwrap(&back, &it.wrapped, &it.label, &it.bucket, 4));
    struct hash bucket = it.bucket;
    bucket.b[9] ^= 1;
    assert_false(record_key_unwrap(&back, &it.wrapped, &it.label, &bucket, 3));
    struct secp_secret label = it.label;
    label.b[31] ^= 1;
    assert_false(record_key_unwrap(&back, &it.wrapped, &label, &it.bucket, 3));
    for (size_t at = 0; at < WRAPPED_KEY_BYTES; at += 3) {
        it.wrapped.b[at] ^= 0x10;
        assert_false(record_key_unwrap(&back, &it.wrapped, &it.label, &it.bucket, 3));
        it.wrapped.b[at] ^= 0x10;
    }
    assert_true(record_key_unwrap(&back, &it.wrapped, &it.label, &it.bucket, 3));
    struct secp_public no_point = it.label_public;
    no_point.b[0] = 9;
    u8 random[WRAPPED_KEY_RANDOM_BYTES];
    prng_fill(&rng, random, sizeof random);
    assert_false(record_key_wrap(&it.wrapped, &it.record_key, &no_point, &it.bucket, 3, random));
    memset(random, 0, sizeof random);
    assert_false(
        record_key_wrap(&it.wrapped, &it.record_key, &it.label_public, &it.bucket, 3, random));
}

static void envelopes(void **state)
{
    (void)state;
    struct master_key master;
    struct master_key back = {{0}};
    struct envelope envelope;
    u8 random[40];
    bytes passphrase = bytes_str("correct horse");
    prng_fill(&rng, &master, sizeof master);
    prng_fill(&rng, random, sizeof random);
    assert_true(is_ok(envelope_seal(&envelope, &master, passphrase, 1, 8, random)));
    assert_true(is_ok(envelope_open(&back, BYTES_OF(envelope), passphrase)));
    assert_memory_equal(&back, &master, sizeof back);

    struct master_key untouched = {{5}};
    err wrong = envelope_open(&untouched, BYTES_OF(envelope), bytes_str("correct hors"));
    assert_true(is_err(wrong, ERR_INTEGRITY));
    for (size_t at = 0; at < ENVELOPE_BYTES; at++) {
        envelope.b[at] ^= 0x40;
        if (at < 5 || at > 12) { /* other parameters would only be slow */
            assert_false(is_ok(envelope_open(&untouched, BYTES_OF(envelope), passphrase)));
        }
        envelope.b[at] ^= 0x40;
    }
    assert_int_equal(untouched.b[0], 5);
}

static void hostile_envelopes(void **state)
{
    (void)state;
    struct master_key master = {{1}};
    struct envelope envelope;
    u8 random[40] = {0};
    assert_true(is_ok(envelope_seal(&envelope, &master, bytes_str(""), 2, 16, random)));
    static const struct {
        u32 passes, memory_kib;
    } refused[] = {{0, 16}, {ENVELOPE_PASSES_MAX + 1, 16},    {UINT32_MAX, 16},
                   {1, 7},  {1, ENVELOPE_MEMORY_KIB_MAX + 1}, {1, UINT32_MAX}};
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        struct envelope bad = envelope;
        store_be32(bad.b + 5, refused[i].passes);
        store_be32(bad.b + 9, refused[i].memory_kib);
        assert_true(is_err(envelope_open(&master, BYTES_OF(bad), bytes_str("")), ERR_MALFORMED));
    }
    for (size_t len = 0; len < ENVELOPE_BYTES; len++) {
        err cut = envelope_open(&master, bytes_make(envelope.b, len), bytes_str(""));
        assert_true(is_err(cut, ERR_MALFORMED));
    }
    u8 longer[ENVELOPE_BYTES + 1] = {0};
    memcpy(longer, envelope.b, ENVELOPE_BYTES);
    assert_true(is_err(envelope_open(&master, BYTES_OF(longer), bytes_str("")), ERR_MALFORMED));
    assert_true(is_ok(envelope_open(&master, BYTES_OF(envelope), bytes_str(""))));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wordlist_is_the_standard_one),
        cmocka_unit_test(words_of_the_standard),
        cmocka_unit_test(words_as_people_type_them),
        cmocka_unit_test(refused_words),
        cmocka_unit_test(random_words_round_trip),
        cmocka_unit_test(keys_differ_by_every_input),
        cmocka_unit_test(record_keys_wrap),
        cmocka_unit_test(wraps_open_for_nothing_else),
        cmocka_unit_test(envelopes),
        cmocka_unit_test(hostile_envelopes),
    };
    struct hash seed = {{42}};
    crypto_init(&seed);
    prng_init(&rng, 99);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* keys_fuzz: words as people type them, and envelopes (with parameters that cost little). */
#include "base/assert.h"
#include "data/keys.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void words(bytes in)
{
    struct master_key master;
    struct master_key again;
    char text[MNEMONIC_TEXT_BYTES];
    u8 word = 0;
    switch (master_from_words(&master, in, &word)) {
    case MNEMONIC_OK:
        master_to_words(text, &master);
        assert_that(master_from_words(&again, bytes_str(text), &word) == MNEMONIC_OK);
        assert_that(bytes_eq(BYTES_OF(master), BYTES_OF(again)));
        break;
    case MNEMONIC_UNKNOWN_WORD:
        assert_that(word >= 1 && word <= MNEMONIC_WORDS);
        break;
    case MNEMONIC_WRONG_COUNT:
    case MNEMONIC_WRONG_CHECKSUM:
        assert_that(word == 0);
        break;
    }
}

static void envelopes(bytes in)
{
    struct master_key master;
    bool cheap =
        in.len < ENVELOPE_BYTES || (load_be32(in.data + 5) <= 1 && load_be32(in.data + 9) <= 16);
    if (cheap) {
        IGNORE(envelope_open(&master, in, bytes_str("passphrase"))); /* any verdict is fine */
    }
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    words(bytes_make(data, size));
    envelopes(bytes_make(data, size));
    return 0;
}

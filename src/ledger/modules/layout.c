#include "ledger/modules/layout.h"

#include "base/assert.h"
#include "ledger/exec/native.h"

#define BLOB_WORDS_MAX (1 + BLOB_BYTES_MAX / 32)

u64 word_get(const struct word *word, size_t at, size_t len)
{
    assert_that(len <= 8 && at + len <= sizeof word->b);
    u64 value = 0;
    for (size_t i = 0; i < len; i++) {
        value = value << 8 | word->b[at + i];
    }
    return value;
}

void word_put(struct word *word, size_t at, size_t len, u64 value)
{
    assert_that(len <= 8 && at + len <= sizeof word->b);
    assert_that(len == 8 || value >> (8 * len) == 0);
    for (size_t i = 0; i < len; i++) {
        word->b[at + i] = (u8)(value >> (8 * (len - 1 - i)));
    }
}

struct address word_address(const struct word *word, size_t at)
{
    struct address address;
    assert_that(at + sizeof address.b <= sizeof word->b);
    memcpy(address.b, word->b + at, sizeof address.b);
    return address;
}

void word_put_address(struct word *word, size_t at, const struct address *address)
{
    assert_that(at + sizeof address->b <= sizeof word->b);
    memcpy(word->b + at, address->b, sizeof address->b);
}

bool word_is_zero(const struct word *word)
{
    static const struct word zero;
    return memcmp(word, &zero, sizeof zero) == 0;
}

err layout_words(const struct slot_source *source, enum module_number module,
                 const struct hash *first, struct word *ret_words, size_t count)
{
    struct address account = native_address((u32)module);
    err result = ok();
    for (size_t i = 0; i < count; i++) {
        struct hash slot = slot_add(first, i);
        err e = source->load(source->ctx, &account, &slot, &ret_words[i]);
        result = is_ok(result) ? e : result;
    }
    return result;
}

err layout_blob(const struct slot_source *source, enum module_number module,
                const struct hash *slot, u8 *out, size_t cap, size_t *ret_len)
{
    struct word words[BLOB_WORDS_MAX];
    TRY(layout_words(source, module, slot, words, 1));
    size_t len = (size_t)word_get(&words[0], 0, 2);
    if (len > cap || len > BLOB_BYTES_MAX) {
        return fail(ERR_LIMIT);
    }
    size_t count = (size_t)ceil_div(2 + len, sizeof words[0]);
    struct hash rest = slot_add(slot, 1);
    TRY(layout_words(source, module, &rest, words + 1, count - 1));
    memcpy(out, words[0].b + 2, len < 30 ? len : 30);
    if (len > 30) {
        memcpy(out + 30, words[1].b, len - 30);
    }
    *ret_len = len;
    return ok();
}

struct layout_key layout_key_none(void) { return (struct layout_key){.len = 0}; }

void layout_key_u64(struct layout_key *key, u64 value, size_t len)
{
    assert_that(len <= 8 && key->len + len <= sizeof key->b);
    for (size_t i = 0; i < len; i++) {
        key->b[key->len++] = (u8)(value >> (8 * (len - 1 - i)));
    }
}

void layout_key_address(struct layout_key *key, const struct address *address)
{
    assert_that(key->len + sizeof address->b <= sizeof key->b);
    memcpy(key->b + key->len, address->b, sizeof address->b);
    key->len = (u8)(key->len + sizeof address->b);
}

struct hash layout_map(u64 base, const struct layout_key *key)
{
    return slot_of_map(base, bytes_make(key->b, key->len));
}

struct hash layout_map_u64(u64 base, u64 value, size_t len)
{
    struct layout_key key = layout_key_none();
    layout_key_u64(&key, value, len);
    return layout_map(base, &key);
}

struct hash layout_map_address(u64 base, const struct address *address)
{
    struct layout_key key = layout_key_none();
    layout_key_address(&key, address);
    return layout_map(base, &key);
}

struct hash layout_map_item(u64 base, const struct address *address, u32 i)
{
    struct layout_key key = layout_key_none();
    layout_key_address(&key, address);
    layout_key_u64(&key, i, 4);
    return layout_map(base, &key);
}

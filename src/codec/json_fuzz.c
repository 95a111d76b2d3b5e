/* What parses is written as text that parses to an equal value, and is written the same again. */
#include "codec/json.h"

#include "base/assert.h"

#define TEXT_MAX MIB(1)

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void check_hex(const json_t *value)
{
    struct arena arena;
    u8 word[32];
    u64 v;
    bytes out;
    arena_init(&arena, MIB(1));
    bool is_word = json_read_quantity256(value, word);
    if (is_word) {
        json_t *again = json_quantity256(word);
        assert_that(json_string_length(again) == json_string_length(value));
        json_decref(again);
    }
    if (json_read_quantity(value, &v)) {
        json_t *again = json_quantity(v);
        assert_that(is_word && json_string_length(again) == json_string_length(value));
        json_decref(again);
    }
    if (json_read_data(value, &arena, &out)) {
        json_t *again = json_data(out);
        assert_that(json_string_length(again) == json_string_length(value));
        json_decref(again);
    }
    arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    json_t *value;
    json_t *again;
    if (!is_ok(json_parse(bytes_make(data, size), TEXT_MAX, &value))) {
        return 0;
    }
    struct buf once;
    struct buf twice;
    buf_init(&once, 8 * TEXT_MAX);
    buf_init(&twice, 8 * TEXT_MAX);
    json_write(&once, value);
    assert_that(is_ok(buf_done(&once)));
    assert_that(is_ok(json_parse(buf_bytes(&once), 8 * TEXT_MAX, &again)));
    json_write(&twice, again);
    assert_that(json_equal(value, again) && bytes_eq(buf_bytes(&once), buf_bytes(&twice)));
    check_hex(value);
    json_decref(value);
    json_decref(again);
    buf_free(&once);
    buf_free(&twice);
    return 0;
}

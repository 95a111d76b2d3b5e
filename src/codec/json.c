#include "codec/json.h"

#include "base/assert.h"
#include "base/mem.h"

/* depth_is_fine: jansson recurses while it parses; this keeps it from going deep. Brackets inside
 * strings do not count. Text that is no JSON may give any answer. */
static bool depth_is_fine(bytes text)
{
    size_t depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < text.len; i++) {
        u8 c = text.data[i];
        if (in_string && c == '\\') {
            i++;
        } else if (c == '"') {
            in_string = !in_string;
        } else if (!in_string && (c == '[' || c == '{')) {
            depth++;
        } else if (!in_string && (c == ']' || c == '}') && depth > 0) {
            depth--;
        }
        if (depth > JSON_DEPTH_MAX) {
            return false;
        }
    }
    return true;
}

err json_parse(bytes text, size_t max_bytes, json_t **ret_value)
{
    if (text.len > max_bytes) {
        return fail(ERR_LIMIT);
    }
    if (text.len == 0 || !depth_is_fine(text)) {
        return fail(ERR_MALFORMED);
    }
    json_error_t error;
    size_t flags = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY;
    json_t *value = json_loadb((const char *)text.data, text.len, flags, &error);
    if (value == NULL) {
        return fail(ERR_MALFORMED);
    }
    *ret_value = value;
    return ok();
}

static int append(const char *text, size_t len, void *ctx)
{
    struct buf *out = ctx;
    buf_put(out, bytes_make(text, len));
    return out->failed ? -1 : 0;
}

static void write_value(struct buf *out, const json_t *value, size_t flags)
{
    if (json_dump_callback(value, append, out, flags | JSON_ENCODE_ANY) != 0) {
        out->failed = true;
    }
}

void json_write(struct buf *out, const json_t *value) { write_value(out, value, JSON_COMPACT); }

void json_write_lines(struct buf *out, const json_t *value)
{
    write_value(out, value, JSON_INDENT(2));
}

/* hex_string: "0x" and the digits from `skip` on. */
static json_t *hex_string(bytes in, size_t skip)
{
    size_t cap = 2 + 2 * in.len + 1;
    char *text = mem_alloc(cap);
    hex_encode(text + 2, cap - 2, in);
    text[skip] = '0';
    text[skip + 1] = 'x';
    json_t *value = json_stringn_nocheck(text + skip, cap - 1 - skip);
    mem_free(text);
    assert_that(value != NULL);
    return value;
}

static json_t *quantity(bytes be)
{
    size_t zeros = 0;
    while (zeros + 1 < 2 * be.len && (be.data[zeros / 2] >> (zeros % 2 ? 0 : 4) & 15) == 0) {
        zeros++;
    }
    return hex_string(be, zeros);
}

json_t *json_quantity(u64 v)
{
    u8 be[8];
    store_be64(be, v);
    return quantity(BYTES_OF(be));
}

json_t *json_quantity256(const u8 word[32]) { return quantity(bytes_make(word, 32)); }

json_t *json_data(bytes in) { return hex_string(in, 0); }

/* hex_digits: what follows "0x". */
static bool hex_digits(const json_t *value, bytes *ret)
{
    if (!json_is_string(value)) {
        return false;
    }
    bytes text = bytes_make(json_string_value(value), json_string_length(value));
    if (!bytes_starts_with(text, bytes_str("0x"))) {
        return false;
    }
    *ret = bytes_slice(text, 2, text.len - 2);
    return true;
}

bool json_read_quantity256(const json_t *value, u8 ret_word[32])
{
    bytes digits;
    if (!hex_digits(value, &digits) || digits.len == 0 || digits.len > 64 ||
        (digits.data[0] == '0' && digits.len > 1)) {
        return false;
    }
    u8 padded[64];
    memset(padded, '0', sizeof padded);
    memcpy(padded + sizeof padded - digits.len, digits.data, digits.len);
    return hex_decode(ret_word, 32, BYTES_OF(padded));
}

bool json_read_quantity(const json_t *value, u64 *ret)
{
    static const u8 zeros[24];
    u8 word[32];
    if (!json_read_quantity256(value, word) || memcmp(word, zeros, sizeof zeros) != 0) {
        return false;
    }
    *ret = load_be64(word + 24);
    return true;
}

bool json_read_data(const json_t *value, struct arena *arena, bytes *ret)
{
    bytes digits;
    if (!hex_digits(value, &digits)) {
        return false;
    }
    u8 *data = arena_alloc(arena, digits.len / 2);
    if (data == NULL || !hex_decode(data, digits.len / 2, digits)) {
        return false;
    }
    *ret = bytes_make(data, digits.len / 2);
    return true;
}

bool json_read_fixed(const json_t *value, void *out, size_t len)
{
    bytes digits;
    return hex_digits(value, &digits) && hex_decode(out, len, digits);
}

const char *json_read_str(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

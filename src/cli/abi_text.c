#include "cli/abi_text.h"

#include "base/assert.h"
#include "base/mem.h"
#include "ledger/exec/u256.h"

#include <stdio.h>

#define ABI_TEXT_BYTES_MAX KIB(256)
#define EXACT_INTEGER_MAX ((u64)1 << 53) /* beyond it JavaScript rounds */

/* ---- from text ---- */

/* negate: two's complement of a big-endian word. */
static void negate(u8 word[32])
{
    unsigned carry = 1;
    for (size_t i = 32; i-- > 0;) {
        unsigned sum = (u8)~word[i] + carry;
        word[i] = (u8)sum;
        carry = sum >> 8;
    }
}

/* magnitude_from_text: decimal or 0x…, of at most 256 bits. */
static bool magnitude_from_text(const char *text, u8 ret_word[32])
{
    struct u256 value;
    size_t digits = strlen(text);
    if (strncmp(text, "0x", 2) != 0) {
        if (!u256_parse_decimal(&value, bytes_make(text, digits))) {
            return false;
        }
        u256_to_be(ret_word, value);
        return true;
    }
    char padded[65];
    if (digits < 3 || digits > 66) {
        return false;
    }
    memset(padded, '0', sizeof padded);
    memcpy(padded + 64 - (digits - 2), text + 2, digits - 2);
    return hex_decode(ret_word, 32, bytes_make(padded, 64));
}

/* Signed numbers may begin with a minus. */
static bool number_from_text(const struct abi_type *type, const char *text, u8 word[32])
{
    u8 raw[32] = {0};
    u8 lowest[32] = {0}; /* the magnitude of the least signed number */
    size_t first = 32 - (size_t)type->size / 8;
    bool is_negative = type->kind == ABI_INT && text[0] == '-';
    if (!magnitude_from_text(is_negative ? text + 1 : text, raw)) {
        return false;
    }
    for (size_t i = 0; i < first; i++) {
        if (raw[i] != 0) {
            return false;
        }
    }
    lowest[first] = 0x80;
    if (type->kind == ABI_INT && (raw[first] & 0x80) != 0 &&
        !(is_negative && memcmp(raw, lowest, sizeof raw) == 0)) {
        return false;
    }
    if (is_negative) {
        negate(raw);
    }
    memcpy(word, raw, sizeof raw);
    return true;
}

static bool bytes_from_text(struct arena *arena, const char *text, bytes *ret)
{
    size_t digits = strlen(text);
    if (digits < 2 || digits % 2 != 0) {
        return false;
    }
    u8 *data = arena_alloc(arena, digits / 2);
    if (data == NULL || !hex_decode_0x(data, digits / 2 - 1, bytes_make(text, digits))) {
        return false;
    }
    *ret = bytes_make(data, digits / 2 - 1);
    return true;
}

static bool scalar_from_text(struct arena *arena, const struct abi_type *type, const char *text,
                             struct abi_value *ret)
{
    struct address address;
    u8 fixed[32];
    bytes data;
    *ret = (struct abi_value){.part_count = 0};
    switch (type->kind) {
    case ABI_UINT:
    case ABI_INT:
        return number_from_text(type, text, ret->word);
    case ABI_ADDRESS:
        if (!hex_decode_0x(address.b, sizeof address.b, bytes_str(text))) {
            return false;
        }
        *ret = abi_address(&address);
        return true;
    case ABI_BOOL:
        *ret = abi_bool(strcmp(text, "true") == 0);
        return strcmp(text, "true") == 0 || strcmp(text, "false") == 0;
    case ABI_FIXED_BYTES:
        if (!hex_decode_0x(fixed, type->size, bytes_str(text))) {
            return false;
        }
        *ret = abi_fixed(bytes_make(fixed, type->size));
        return true;
    case ABI_BYTES:
        if (!bytes_from_text(arena, text, &data)) {
            return false;
        }
        *ret = abi_bytes(data);
        return true;
    case ABI_STRING:
        *ret = abi_bytes(arena_copy(arena, bytes_str(text)));
        return true;
    case ABI_ARRAY:
    case ABI_TUPLE:
        return false;
    }
    unreachable_case();
}

static bool value_from_json(struct arena *arena, const struct abi_type *type, const json_t *json,
                            struct abi_value *ret);

/* Depth is that of the type: two arrays and a tuple at most. */
static bool parts_from_json(struct arena *arena, const struct abi_type *type, const json_t *json,
                            struct abi_value *ret)
{
    size_t count = json_array_size(json);
    bool is_tuple = type->kind == ABI_TUPLE;
    struct abi_value *parts = ARENA_ARRAY(arena, struct abi_value, count + 1);
    if (!json_is_array(json) || parts == NULL || (is_tuple && count != type->part_count)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        const struct abi_type *part = &type->parts[is_tuple ? i : 0];
        if (!value_from_json(arena, part, json_array_get(json, i), &parts[i])) {
            return false;
        }
    }
    *ret = is_tuple ? abi_tuple(parts, count) : abi_array(parts, count);
    return true;
}

static bool value_from_json(struct arena *arena, const struct abi_type *type, const json_t *json,
                            struct abi_value *ret)
{
    char number[24];
    const char *text = json_string_value(json);
    if (type->kind == ABI_ARRAY || type->kind == ABI_TUPLE) {
        return parts_from_json(arena, type, json, ret);
    }
    if (json_is_integer(json)) {
        snprintf(number, sizeof number, "%lld", (long long)json_integer_value(json));
        text = number;
    } else if (json_is_boolean(json)) {
        text = json_is_true(json) ? "true" : "false";
    }
    return text != NULL && scalar_from_text(arena, type, text, ret);
}

err abi_from_text(struct arena *arena, const struct abi_type *type, const char *text,
                  struct abi_value *ret)
{
    bool fine;
    if (type->kind == ABI_ARRAY || type->kind == ABI_TUPLE) {
        json_t *json = NULL;
        fine = is_ok(json_parse(bytes_str(text), ABI_TEXT_BYTES_MAX, &json)) &&
               value_from_json(arena, type, json, ret);
        json_decref(json);
    } else {
        fine = scalar_from_text(arena, type, text, ret);
    }
    return fine ? ok() : fail(ERR_USAGE);
}

/* ---- to JSON ---- */

static json_t *hex_to_json(bytes in)
{
    char *text = mem_alloc(2 * in.len + 3);
    text[0] = '0';
    text[1] = 'x';
    hex_encode(text + 2, 2 * in.len + 1, in);
    json_t *json = json_string(text);
    mem_free(text);
    return json;
}

static json_t *number_to_json(const u8 word[32])
{
    char digits[80];
    u64 small;
    struct u256 value = u256_from_be(word);
    if (u256_to_u64(&small, value) && small <= EXACT_INTEGER_MAX) {
        return json_integer((json_int_t)small);
    }
    u256_decimal(digits, value);
    return json_string(digits);
}

static json_t *signed_to_json(const u8 word[32])
{
    u8 magnitude[32];
    char digits[81] = "-";
    u64 small;
    if (word[0] < 0x80) {
        return number_to_json(word);
    }
    memcpy(magnitude, word, sizeof magnitude);
    negate(magnitude);
    struct u256 value = u256_from_be(magnitude);
    if (u256_to_u64(&small, value) && small <= EXACT_INTEGER_MAX) {
        return json_integer(-(json_int_t)small);
    }
    u256_decimal(digits + 1, value);
    return json_string(digits);
}

static json_t *array_to_json(const struct abi_type *type, const struct abi_value *value)
{
    json_t *list = json_array();
    for (size_t i = 0; i < value->part_count; i++) {
        json_array_append_new(list, abi_to_json(&type->parts[0], &value->parts[i]));
    }
    return list;
}

json_t *abi_members_to_json(const struct abi_type *types, const struct abi_value *values,
                            size_t count)
{
    json_t *object = json_object();
    for (size_t i = 0; i < count; i++) {
        char position[24];
        snprintf(position, sizeof position, "%zu", i);
        const char *name = types[i].name[0] != '\0' ? types[i].name : position;
        json_object_set_new(object, name, abi_to_json(&types[i], &values[i]));
    }
    return object;
}

json_t *abi_to_json(const struct abi_type *type, const struct abi_value *value)
{
    json_t *json = NULL;
    switch (type->kind) {
    case ABI_UINT:
        return number_to_json(value->word);
    case ABI_INT:
        return signed_to_json(value->word);
    case ABI_ADDRESS:
        return hex_to_json(bytes_make(value->word + 12, 20));
    case ABI_BOOL:
        return json_boolean(abi_as_bool(value));
    case ABI_FIXED_BYTES:
        return hex_to_json(bytes_make(value->word, type->size));
    case ABI_BYTES:
        return hex_to_json(value->data);
    case ABI_STRING:
        json = json_stringn((const char *)value->data.data, value->data.len);
        return json != NULL ? json : hex_to_json(value->data); /* not UTF-8 */
    case ABI_ARRAY:
        return array_to_json(type, value);
    case ABI_TUPLE:
        return abi_members_to_json(type->parts, value->parts, value->part_count);
    }
    unreachable_case();
}

/* RLP: values to bytes and back, and bytes to refuse (RLPTests). */
#include "codec/rlp.h"
#include "conformance/fields.h"

#include <gmp.h>

#define RLP_BYTES_MAX MIB(16)
#define DEPTH_MAX 64

/* "#123…", a decimal integer of any size, or the characters. */
static bool put_string(struct buf *out, bytes text)
{
    if (text.len == 0 || text.data[0] != '#') {
        rlp_put_bytes(out, text);
        return true;
    }
    mpz_t number;
    u8 be[1024];
    size_t count = 0;
    mpz_init(number);
    bool is_number = mpz_set_str(number, (const char *)text.data + 1, 10) == 0 &&
                     mpz_sgn(number) >= 0 && mpz_sizeinbase(number, 256) <= sizeof be;
    if (is_number) {
        mpz_export(be, &count, 1, 1, 1, 0, number);
        rlp_put_bytes(out, bytes_make(be, count));
    }
    mpz_clear(number);
    return is_number;
}

static bool put_scalar(struct buf *out, const json_t *value)
{
    if (json_is_integer(value) && json_integer_value(value) >= 0) {
        rlp_put_u64(out, (u64)json_integer_value(value));
        return true;
    }
    return json_is_string(value) &&
           put_string(out, bytes_make(json_string_value(value), json_string_length(value)));
}

/* One list that is being written. */
struct level {
    const json_t *array;
    size_t next;
    size_t begin;
};

/* Writes a value with its own stack. */
static bool put_value(struct buf *out, const json_t *value)
{
    struct level levels[DEPTH_MAX];
    size_t depth = 0;
    for (;;) {
        if (json_is_array(value)) {
            if (depth == DEPTH_MAX) {
                return false;
            }
            levels[depth++] = (struct level){.array = value, .begin = rlp_list_begin(out)};
        } else if (!put_scalar(out, value)) {
            return false;
        }
        while (depth > 0 && levels[depth - 1].next == json_array_size(levels[depth - 1].array)) {
            rlp_list_end(out, levels[--depth].begin);
        }
        if (depth == 0) {
            return true;
        }
        struct level *level = &levels[depth - 1];
        value = json_array_get(level->array, level->next++);
    }
}

/* Reads bytes and writes what it read, with the reader's own idea of lists and strings. */
static bool copy_items(struct buf *out, bytes in)
{
    size_t begins[DEPTH_MAX];
    bytes rests[DEPTH_MAX];
    size_t depth = 0;
    struct rlp_item item;
    for (;;) {
        if (!is_ok(rlp_next(depth > 0 ? &rests[depth - 1] : &in, &item))) {
            return false;
        }
        if (item.is_list && depth == DEPTH_MAX) {
            return false;
        }
        if (item.is_list) {
            begins[depth] = rlp_list_begin(out);
            rests[depth++] = item.payload;
        } else {
            rlp_put_bytes(out, item.payload);
        }
        while (depth > 0 && rests[depth - 1].len == 0) {
            rlp_list_end(out, begins[--depth]);
        }
        if (depth == 0) {
            return in.len == 0;
        }
    }
}

static bool is_accepted(bytes in)
{
    struct rlp_item item;
    return is_ok(rlp_single(in, &item));
}

/* Why it failed, or NULL. */
static const char *check_value(const json_t *value, bytes expected)
{
    struct buf out;
    const char *reason = NULL;
    buf_init(&out, RLP_BYTES_MAX);
    if (!put_value(&out, value) || !is_ok(buf_done(&out))) {
        reason = "cannot encode";
    } else if (!bytes_eq(buf_bytes(&out), expected)) {
        reason = "another encoding";
    } else if (!is_accepted(expected)) {
        reason = "refused";
    }
    buf_clear(&out);
    if (reason == NULL && (!copy_items(&out, expected) || !bytes_eq(buf_bytes(&out), expected))) {
        reason = "reads differently";
    }
    buf_free(&out);
    return reason;
}

/* Hexadecimal digits, with or without 0x. */
static bool read_digits(const json_t *value, struct arena *arena, bytes *ret)
{
    bytes text = bytes_make(json_string_value(value), json_string_length(value));
    if (!json_is_string(value) || bytes_starts_with(text, bytes_str("0x"))) {
        return json_read_data(value, arena, ret);
    }
    u8 *data = arena_alloc(arena, text.len / 2 + 1);
    *ret = bytes_make(data, text.len / 2);
    return data != NULL && hex_decode(data, text.len / 2, text);
}

static const char *check(const json_t *test)
{
    struct arena arena;
    bytes expected;
    const char *reason = NULL;
    const json_t *value = json_object_get(test, "in");
    const char *word = json_string_value(value);
    arena_init(&arena, RLP_BYTES_MAX);
    if (value == NULL || !read_digits(json_object_get(test, "out"), &arena, &expected)) {
        reason = "malformed test";
    } else if (word != NULL && strcmp(word, "INVALID") == 0) {
        reason = is_accepted(expected) ? "accepted" : NULL;
    } else if (word != NULL && strcmp(word, "VALID") == 0) {
        reason = is_accepted(expected) ? NULL : "refused";
    } else {
        reason = check_value(value, expected);
    }
    arena_free(&arena);
    return reason;
}

static void run_document(struct results *results, const struct document *document)
{
    const char *name;
    json_t *test;
    json_t *root = fields_parse(results, document);
    json_object_foreach(root, name, test)
    {
        if (!results_wants(results, name)) {
            continue;
        }
        const char *reason = check(test);
        if (reason == NULL) {
            results_pass(results, name);
        } else {
            results_fail(results, name, reason, "%s", "");
        }
    }
    json_decref(root);
}

const struct suite suite_rlp = {
    .name = "rlp",
    .summary = "recursive length prefix: both ways, and what must be refused (RLPTests)",
    .folder = "RLPTests",
    .ending = ".json",
    .document = run_document,
};

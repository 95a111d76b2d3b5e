#include "codec/abi.h"

#include "base/assert.h"

#define WORD 32

/* A run of values that share one base for their offsets: parameters, tuple members (types[i]), or
 * the items of an array (all types[0]). Functions on runs call each other once per level of the
 * type, which abi_parse() bounds (array, tuple, array, word), never per level of the input. */
struct run {
    const struct abi_type *types;
    size_t count;
    bool same_type;
};

static const struct abi_type *run_type(const struct run *run, size_t i)
{
    return &run->types[run->same_type ? 0 : i];
}

static bool is_dynamic(const struct abi_type *type)
{
    switch (type->kind) {
    case ABI_BYTES:
    case ABI_STRING:
    case ABI_ARRAY:
        return true;
    case ABI_TUPLE:
        for (size_t i = 0; i < type->part_count; i++) {
            if (is_dynamic(&type->parts[i])) {
                return true;
            }
        }
        return false;
    case ABI_UINT:
    case ABI_INT:
    case ABI_ADDRESS:
    case ABI_BOOL:
    case ABI_FIXED_BYTES:
        return false;
    }
    unreachable_case();
}

/* head_size: what the value takes before the tails: an offset, or a static value itself. */
static size_t head_size(const struct abi_type *type)
{
    return type->kind == ABI_TUPLE && !is_dynamic(type) ? WORD * type->part_count : WORD;
}

static bool all_bytes_are(const u8 *at, size_t len, u8 v)
{
    for (size_t i = 0; i < len; i++) {
        if (at[i] != v) {
            return false;
        }
    }
    return true;
}

/* word_is_clean: the word is the one encoding of some value of the type. */
static bool word_is_clean(const struct abi_type *type, const u8 word[WORD])
{
    switch (type->kind) {
    case ABI_UINT:
        return all_bytes_are(word, WORD - type->size / 8U, 0);
    case ABI_INT: {
        size_t extension = WORD - type->size / 8U;
        bool negative = word[extension] >= 0x80;
        return all_bytes_are(word, extension, negative ? 0xff : 0);
    }
    case ABI_ADDRESS:
        return all_bytes_are(word, WORD - sizeof(struct address), 0);
    case ABI_BOOL:
        return all_bytes_are(word, WORD - 1, 0) && word[WORD - 1] <= 1;
    case ABI_FIXED_BYTES:
        return all_bytes_are(word + type->size, WORD - (size_t)type->size, 0);
    case ABI_BYTES:
    case ABI_STRING:
    case ABI_ARRAY:
    case ABI_TUPLE:
        break;
    }
    unreachable_case();
}

/* Decoding */

static err decode_run(struct arena *arena, const struct run *run, bytes in,
                      struct abi_value *values, size_t *ret_used);

/* take_length: a word that is an offset, a count or a length. */
static err take_length(bytes in, u64 *ret)
{
    if (in.len < WORD || !all_bytes_are(in.data, WORD - 8, 0)) {
        return fail(ERR_MALFORMED);
    }
    *ret = load_be64(in.data + WORD - 8);
    return ok();
}

static err decode_members(struct arena *arena, const struct run *run, bytes in,
                          struct abi_value *ret_value, size_t *ret_used)
{
    struct abi_value *parts = ARENA_ARRAY(arena, struct abi_value, run->count);
    if (parts == NULL) {
        return fail(ERR_LIMIT);
    }
    TRY(decode_run(arena, run, in, parts, ret_used));
    *ret_value = (struct abi_value){.parts = parts, .part_count = run->count};
    return ok();
}

static err decode_array(struct arena *arena, const struct abi_type *type, bytes in,
                        struct abi_value *ret_value, size_t *ret_used)
{
    u64 count;
    TRY(take_length(in, &count));
    bytes items = bytes_slice(in, WORD, in.len - WORD);
    if (count > items.len / head_size(type->parts)) {
        return fail(ERR_MALFORMED);
    }
    struct run run = {.types = type->parts, .count = (size_t)count, .same_type = true};
    size_t used;
    TRY(decode_members(arena, &run, items, ret_value, &used));
    *ret_used = WORD + used;
    return ok();
}

static err decode_bytes(bytes in, struct abi_value *ret_value, size_t *ret_used)
{
    u64 len;
    TRY(take_length(in, &len));
    bytes rest = bytes_slice(in, WORD, in.len - WORD);
    if (len > rest.len) {
        return fail(ERR_MALFORMED);
    }
    size_t padding = (WORD - (size_t)len % WORD) % WORD;
    if (padding > rest.len - (size_t)len || !all_bytes_are(rest.data + len, padding, 0)) {
        return fail(ERR_MALFORMED);
    }
    *ret_value = (struct abi_value){.data = bytes_slice(rest, 0, (size_t)len)};
    *ret_used = WORD + (size_t)len + padding;
    return ok();
}

static err decode_tuple(struct arena *arena, const struct abi_type *type, bytes in,
                        struct abi_value *ret_value, size_t *ret_used)
{
    struct run run = {.types = type->parts, .count = type->part_count};
    return decode_members(arena, &run, in, ret_value, ret_used);
}

static err decode_tail(struct arena *arena, const struct abi_type *type, bytes in,
                       struct abi_value *ret_value, size_t *ret_used)
{
    if (type->kind == ABI_ARRAY) {
        return decode_array(arena, type, in, ret_value, ret_used);
    }
    if (type->kind == ABI_TUPLE) {
        return decode_tuple(arena, type, in, ret_value, ret_used);
    }
    return decode_bytes(in, ret_value, ret_used);
}

/* decode_static: `head` is exactly the value's head. */
static err decode_static(struct arena *arena, const struct abi_type *type, bytes head,
                         struct abi_value *ret_value)
{
    if (type->kind == ABI_TUPLE) {
        size_t used;
        return decode_tuple(arena, type, head, ret_value, &used);
    }
    if (!word_is_clean(type, head.data)) {
        return fail(ERR_MALFORMED);
    }
    *ret_value = abi_word(head.data);
    return ok();
}

static size_t run_head_size(const struct run *run)
{
    if (run->same_type) {
        return run->count * head_size(run->types);
    }
    size_t size = 0;
    for (size_t i = 0; i < run->count; i++) {
        size += head_size(&run->types[i]);
    }
    return size;
}

/* decode_run: tails must follow the heads in order, each directly behind the one before: the offset
 * that is expected is always known. *ret_used counts heads and tails. */
static err decode_run(struct arena *arena, const struct run *run, bytes in,
                      struct abi_value *values, size_t *ret_used)
{
    size_t tail = run_head_size(run);
    if (tail > in.len) {
        return fail(ERR_MALFORMED);
    }
    size_t head = 0;
    for (size_t i = 0; i < run->count; i++) {
        const struct abi_type *type = run_type(run, i);
        bytes its_head = bytes_slice(in, head, head_size(type));
        head += its_head.len;
        if (!is_dynamic(type)) {
            TRY(decode_static(arena, type, its_head, &values[i]));
            continue;
        }
        u64 offset;
        TRY(take_length(its_head, &offset));
        if (offset != tail) {
            return fail(ERR_MALFORMED);
        }
        size_t used;
        bytes rest = bytes_slice(in, tail, in.len - tail);
        TRY(decode_tail(arena, type, rest, &values[i], &used));
        tail += used;
    }
    *ret_used = tail;
    return ok();
}

err abi_decode(struct arena *arena, const struct abi_type *types, size_t count, bytes in,
               struct abi_value *ret_values)
{
    assert_that(count <= ABI_PARAMS_MAX);
    struct abi_value values[ABI_PARAMS_MAX];
    struct run run = {.types = types, .count = count};
    size_t used;
    TRY(decode_run(arena, &run, in, values, &used));
    if (used != in.len) {
        return fail(ERR_MALFORMED);
    }
    memcpy(ret_values, values, count * sizeof *values);
    return ok();
}

/* Encoding */

static void encode_run(struct buf *out, const struct run *run, const struct abi_value *values);

static void put_length(struct buf *out, u64 v)
{
    struct abi_value value = abi_u64(v);
    buf_put(out, BYTES_OF(value.word));
}

static void encode_tuple(struct buf *out, const struct abi_type *type,
                         const struct abi_value *value)
{
    assert_that(value->part_count == type->part_count);
    struct run run = {.types = type->parts, .count = type->part_count};
    encode_run(out, &run, value->parts);
}

static void encode_tail(struct buf *out, const struct abi_type *type, const struct abi_value *value)
{
    static const u8 zeros[WORD];
    if (type->kind == ABI_TUPLE) {
        encode_tuple(out, type, value);
    } else if (type->kind == ABI_ARRAY) {
        struct run run = {.types = type->parts, .count = value->part_count, .same_type = true};
        put_length(out, value->part_count);
        encode_run(out, &run, value->parts);
    } else {
        put_length(out, value->data.len);
        buf_put(out, value->data);
        buf_put(out, bytes_make(zeros, (WORD - value->data.len % WORD) % WORD));
    }
}

static void encode_head(struct buf *out, const struct abi_type *type, const struct abi_value *value)
{
    if (is_dynamic(type)) {
        put_length(out, 0); /* the offset is known, and written, when its tail is */
    } else if (type->kind == ABI_TUPLE) {
        encode_tuple(out, type, value);
    } else {
        assert_that(word_is_clean(type, value->word));
        buf_put(out, BYTES_OF(value->word));
    }
}

static void encode_run(struct buf *out, const struct run *run, const struct abi_value *values)
{
    size_t base = out->len;
    for (size_t i = 0; i < run->count; i++) {
        encode_head(out, run_type(run, i), &values[i]);
    }
    size_t head = base;
    for (size_t i = 0; i < run->count; i++) {
        const struct abi_type *type = run_type(run, i);
        if (is_dynamic(type) && !out->failed) {
            store_be64(out->data + head + WORD - 8, out->len - base);
            encode_tail(out, type, &values[i]);
        }
        head += head_size(type);
    }
}

void abi_encode(struct buf *out, const struct abi_type *types, size_t count,
                const struct abi_value *values)
{
    struct run run = {.types = types, .count = count};
    encode_run(out, &run, values);
}

void abi_encode_call(struct buf *out, const struct abi_entry *entry, const struct abi_value *values)
{
    buf_put(out, BYTES_OF(entry->selector));
    abi_encode(out, entry->inputs, entry->input_count, values);
}

/* Events */

size_t abi_encode_event(struct hash topics[ABI_TOPICS_MAX], struct buf *data,
                        const struct abi_entry *entry, const struct abi_value *values)
{
    struct abi_type plain_types[ABI_PARAMS_MAX];
    struct abi_value plain[ABI_PARAMS_MAX];
    size_t plain_count = 0;
    size_t topic_count = 0;
    topics[topic_count++] = entry->topic;
    for (size_t i = 0; i < entry->input_count; i++) {
        if (entry->inputs[i].indexed) {
            assert_that(topic_count < ABI_TOPICS_MAX);
            assert_that(word_is_clean(&entry->inputs[i], values[i].word));
            topics[topic_count++] = abi_as_hash(&values[i]);
        } else {
            plain_types[plain_count] = entry->inputs[i];
            plain[plain_count++] = values[i];
        }
    }
    abi_encode(data, plain_types, plain_count, plain);
    return topic_count;
}

err abi_decode_event(struct arena *arena, const struct abi_entry *entry, const struct hash *topics,
                     size_t topic_count, bytes data, struct abi_value *ret_values)
{
    struct abi_type plain_types[ABI_PARAMS_MAX];
    struct abi_value plain[ABI_PARAMS_MAX];
    size_t plain_count = 0;
    size_t topic = 1;
    if (topic_count == 0 || !hash_eq(&topics[0], &entry->topic)) {
        return fail(ERR_MALFORMED);
    }
    for (size_t i = 0; i < entry->input_count; i++) {
        if (!entry->inputs[i].indexed) {
            plain_types[plain_count++] = entry->inputs[i];
        } else if (topic == topic_count || !word_is_clean(&entry->inputs[i], topics[topic].b)) {
            return fail(ERR_MALFORMED);
        } else {
            topic++;
        }
    }
    if (topic != topic_count) {
        return fail(ERR_MALFORMED);
    }
    TRY(abi_decode(arena, plain_types, plain_count, data, plain));
    topic = 1;
    plain_count = 0;
    for (size_t i = 0; i < entry->input_count; i++) {
        ret_values[i] =
            entry->inputs[i].indexed ? abi_hash(&topics[topic++]) : plain[plain_count++];
    }
    return ok();
}

/* Values */

struct abi_value abi_u64(u64 v)
{
    struct abi_value value = {0};
    store_be64(value.word + WORD - 8, v);
    return value;
}

struct abi_value abi_word(const u8 word[32])
{
    struct abi_value value = {0};
    memcpy(value.word, word, WORD);
    return value;
}

struct abi_value abi_address(const struct address *address)
{
    struct abi_value value = {0};
    memcpy(value.word + WORD - sizeof address->b, address->b, sizeof address->b);
    return value;
}

struct abi_value abi_bool(bool v) { return abi_u64(v ? 1 : 0); }

struct abi_value abi_fixed(bytes in)
{
    assert_that(in.len <= WORD);
    struct abi_value value = {0};
    if (in.len != 0) {
        memcpy(value.word, in.data, in.len);
    }
    return value;
}

struct abi_value abi_hash(const struct hash *hash) { return abi_word(hash->b); }

struct abi_value abi_bytes(bytes in) { return (struct abi_value){.data = in}; }

struct abi_value abi_tuple(struct abi_value *parts, size_t count)
{
    return (struct abi_value){.parts = parts, .part_count = count};
}

struct abi_value abi_array(struct abi_value *items, size_t count)
{
    return abi_tuple(items, count);
}

u64 abi_as_u64(const struct abi_value *value)
{
    assert_that(all_bytes_are(value->word, WORD - 8, 0));
    return load_be64(value->word + WORD - 8);
}

bool abi_as_bool(const struct abi_value *value)
{
    u64 v = abi_as_u64(value);
    assert_that(v <= 1);
    return v != 0;
}

struct address abi_as_address(const struct abi_value *value)
{
    struct address address;
    assert_that(all_bytes_are(value->word, WORD - sizeof address.b, 0));
    memcpy(address.b, value->word + WORD - sizeof address.b, sizeof address.b);
    return address;
}

struct hash abi_as_hash(const struct abi_value *value)
{
    struct hash hash;
    memcpy(hash.b, value->word, sizeof hash.b);
    return hash;
}

void abi_revert(struct buf *out, const char *reason)
{
    static const u8 selector[4] = {0x08, 0xc3, 0x79, 0xa0}; /* Error(string) */
    const struct abi_type text = {.kind = ABI_STRING};
    const struct abi_value value = abi_bytes(bytes_str(reason));
    buf_put(out, BYTES_OF(selector));
    abi_encode(out, &text, 1, &value);
}

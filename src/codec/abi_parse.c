#include "codec/abi.h"

#include "crypto/hash.h"

#define ABI_TEXT_MAX KIB(8) /* 24 tuples of 24 members, each "bytes32[],", and the name */

/* Signatures are our own texts or a developer's, short and parsed once at start. A tuple inside a
 * tuple is refused, so the mutual recursion below is two calls deep at most. */
struct parser {
    struct arena *arena;
    const char *at;
    bool in_tuple;
};

static bool is_name_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$';
}

static bool is_name_char(char c) { return is_name_start(c) || (c >= '0' && c <= '9'); }

static void skip_spaces(struct parser *parser)
{
    while (*parser->at == ' ' || *parser->at == '\n' || *parser->at == '\t') {
        parser->at++;
    }
}

/* take_char: skips spaces, then c if it comes next. */
static bool take_char(struct parser *parser, char c)
{
    skip_spaces(parser);
    if (*parser->at != c) {
        return false;
    }
    parser->at++;
    return true;
}

/* take_word: skips spaces, then the name that comes next; empty if none does. */
static bytes take_word(struct parser *parser)
{
    skip_spaces(parser);
    const char *start = parser->at;
    if (is_name_start(*start)) {
        while (is_name_char(*parser->at)) {
            parser->at++;
        }
    }
    return bytes_make(start, (size_t)(parser->at - start));
}

static err copy_name(char name[ABI_NAME_MAX], bytes word)
{
    if (word.len >= ABI_NAME_MAX) {
        return fail(ERR_MALFORMED);
    }
    memset(name, 0, ABI_NAME_MAX);
    memcpy(name, word.data, word.len);
    return ok();
}

/* sized_word: "uint64" with prefix "uint": the number behind, from 1 to max. */
static bool sized_word(bytes word, const char *prefix, u64 max, u64 *ret_size)
{
    bytes head = bytes_str(prefix);
    u64 size;
    if (!bytes_starts_with(word, head) ||
        !parse_u64(&size, bytes_slice(word, head.len, word.len - head.len)) || size == 0 ||
        size > max) {
        return false;
    }
    *ret_size = size;
    return true;
}

static err elementary_type(bytes word, struct abi_type *ret_type)
{
    static const struct {
        const char *word;
        enum abi_kind kind;
    } plain[] = {
        {"address", ABI_ADDRESS}, {"bool", ABI_BOOL}, {"bytes", ABI_BYTES}, {"string", ABI_STRING}};
    for (size_t i = 0; i < COUNT_OF(plain); i++) {
        if (bytes_eq_str(word, plain[i].word)) {
            *ret_type = (struct abi_type){.kind = plain[i].kind};
            return ok();
        }
    }
    u64 size;
    if (sized_word(word, "uint", 256, &size) && size % 8 == 0) {
        *ret_type = (struct abi_type){.kind = ABI_UINT, .size = (u16)size};
        return ok();
    }
    if (sized_word(word, "int", 256, &size) && size % 8 == 0) {
        *ret_type = (struct abi_type){.kind = ABI_INT, .size = (u16)size};
        return ok();
    }
    if (sized_word(word, "bytes", 32, &size)) {
        *ret_type = (struct abi_type){.kind = ABI_FIXED_BYTES, .size = (u16)size};
        return ok();
    }
    return fail(ERR_MALFORMED);
}

static err parse_list(struct parser *parser, const struct abi_type **ret_types, size_t *ret_count);

static err parse_tuple(struct parser *parser, struct abi_type *ret_type)
{
    if (parser->in_tuple) {
        return fail(ERR_MALFORMED);
    }
    struct abi_type type = {.kind = ABI_TUPLE};
    parser->in_tuple = true;
    TRY(parse_list(parser, &type.parts, &type.part_count));
    parser->in_tuple = false;
    if (type.part_count == 0) {
        return fail(ERR_MALFORMED); /* items of no size would make a length unbounded */
    }
    *ret_type = type;
    return ok();
}

/* parse_param: TYPE, then optional [], optional `indexed`, optional name. */
static err parse_param(struct parser *parser, struct abi_type *ret_type)
{
    struct abi_type type;
    skip_spaces(parser);
    if (*parser->at == '(') {
        TRY(parse_tuple(parser, &type));
    } else {
        TRY(elementary_type(take_word(parser), &type));
    }
    if (take_char(parser, '[')) {
        struct abi_type *element = ARENA_NEW(parser->arena, struct abi_type);
        if (element == NULL) {
            return fail(ERR_LIMIT);
        }
        if (!take_char(parser, ']')) {
            return fail(ERR_MALFORMED);
        }
        *element = type;
        type = (struct abi_type){.kind = ABI_ARRAY, .parts = element, .part_count = 1};
    }
    bytes word = take_word(parser);
    if (bytes_eq_str(word, "indexed")) {
        type.indexed = true;
        word = take_word(parser);
    }
    bool one_word = type.kind != ABI_BYTES && type.kind != ABI_STRING && type.kind != ABI_ARRAY &&
                    type.kind != ABI_TUPLE;
    if (type.indexed && (parser->in_tuple || !one_word)) {
        return fail(ERR_MALFORMED); /* a topic would hold only its hash, which we never want */
    }
    TRY(copy_name(type.name, word));
    *ret_type = type;
    return ok();
}

/* parse_list: "(" PARAM, … ")". */
static err parse_list(struct parser *parser, const struct abi_type **ret_types, size_t *ret_count)
{
    struct abi_type types[ABI_PARAMS_MAX];
    size_t count = 0;
    if (!take_char(parser, '(')) {
        return fail(ERR_MALFORMED);
    }
    bool closed = take_char(parser, ')');
    while (!closed) {
        if (count == ABI_PARAMS_MAX) {
            return fail(ERR_MALFORMED);
        }
        TRY(parse_param(parser, &types[count]));
        count++;
        closed = take_char(parser, ')');
        if (!closed && !take_char(parser, ',')) {
            return fail(ERR_MALFORMED);
        }
    }
    struct abi_type *copy = ARENA_ARRAY(parser->arena, struct abi_type, count);
    if (copy == NULL) {
        return fail(ERR_LIMIT);
    }
    memcpy(copy, types, count * sizeof *types);
    *ret_types = copy;
    *ret_count = count;
    return ok();
}

static void put_type(struct buf *out, const struct abi_type *type);

static void put_types(struct buf *out, const struct abi_type *types, size_t count)
{
    buf_put_u8(out, '(');
    for (size_t i = 0; i < count; i++) {
        if (i != 0) {
            buf_put_u8(out, ',');
        }
        put_type(out, &types[i]);
    }
    buf_put_u8(out, ')');
}

static void put_type(struct buf *out, const struct abi_type *type)
{
    switch (type->kind) {
    case ABI_UINT:
        buf_format(out, "uint%u", type->size);
        return;
    case ABI_INT:
        buf_format(out, "int%u", type->size);
        return;
    case ABI_FIXED_BYTES:
        buf_format(out, "bytes%u", type->size);
        return;
    case ABI_ADDRESS:
        buf_put_str(out, "address");
        return;
    case ABI_BOOL:
        buf_put_str(out, "bool");
        return;
    case ABI_BYTES:
        buf_put_str(out, "bytes");
        return;
    case ABI_STRING:
        buf_put_str(out, "string");
        return;
    case ABI_ARRAY:
        put_type(out, type->parts);
        buf_put_str(out, "[]");
        return;
    case ABI_TUPLE:
        put_types(out, type->parts, type->part_count);
        return;
    }
}

void abi_canonical(const struct abi_entry *entry, struct buf *out)
{
    buf_put_str(out, entry->name);
    put_types(out, entry->inputs, entry->input_count);
}

static size_t indexed_count(const struct abi_entry *entry)
{
    size_t count = 0;
    for (size_t i = 0; i < entry->input_count; i++) {
        count += entry->inputs[i].indexed;
    }
    return count;
}

err abi_parse(struct arena *arena, const char *signature, struct abi_entry *ret_entry)
{
    struct parser parser = {.arena = arena, .at = signature};
    struct abi_entry entry = {0};
    bytes name = take_word(&parser);
    if (name.len == 0) {
        return fail(ERR_MALFORMED);
    }
    TRY(copy_name(entry.name, name));
    TRY(parse_list(&parser, &entry.inputs, &entry.input_count));
    bytes word = take_word(&parser);
    if (word.len != 0) {
        if (!bytes_eq_str(word, "returns")) {
            return fail(ERR_MALFORMED);
        }
        TRY(parse_list(&parser, &entry.outputs, &entry.output_count));
    }
    skip_spaces(&parser);
    if (*parser.at != '\0' || indexed_count(&entry) >= ABI_TOPICS_MAX) {
        return fail(ERR_MALFORMED);
    }
    struct buf text;
    buf_init(&text, ABI_TEXT_MAX);
    abi_canonical(&entry, &text);
    err e = buf_done(&text);
    keccak256(&entry.topic, buf_bytes(&text));
    buf_free(&text);
    TRY(e);
    memcpy(entry.selector, entry.topic.b, sizeof entry.selector);
    *ret_entry = entry;
    return ok();
}

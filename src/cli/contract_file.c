#include "cli/contract_file.h"

#include "cli/abi_text.h"
#include "os/file.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define SIGNATURE_BYTES_MAX KIB(16)

/* ---- files ---- */

/* Hexadecimal with or without 0x, blanks around it. */
static err read_code(bytes text, struct arena *arena, bytes *ret)
{
    while (text.len > 0 && isspace(text.data[text.len - 1])) {
        text.len--;
    }
    while (text.len > 0 && isspace(text.data[0])) {
        text = bytes_slice(text, 1, text.len - 1);
    }
    if (bytes_starts_with(text, bytes_str("0x"))) {
        text = bytes_slice(text, 2, text.len - 2);
    }
    u8 *code = arena_alloc(arena, text.len / 2 + 1);
    if (code == NULL) {
        return fail(ERR_LIMIT);
    }
    if (text.len % 2 != 0 || !hex_decode(code, text.len / 2, text)) {
        return fail(ERR_MALFORMED);
    }
    *ret = bytes_make(code, text.len / 2);
    return ok();
}

static err read_object(struct contract_file *out, json_t *root, struct arena *arena)
{
    json_t *abi = json_is_array(root) ? root : json_object_get(root, "abi");
    const json_t *code = json_object_get(root, "bytecode");
    if (json_is_object(code)) {
        code = json_object_get(code, "object");
    }
    if (json_is_string(code)) {
        TRY(read_code(bytes_str(json_string_value(code)), arena, &out->code));
    }
    if (!json_is_array(abi) && out->code.len == 0) {
        return fail(ERR_MALFORMED);
    }
    out->abi = json_is_array(abi) ? json_incref(abi) : NULL;
    return ok();
}

err contract_file_read(struct contract_file *ret, const char *path, struct arena *arena)
{
    bytes text;
    json_t *root = NULL;
    struct contract_file file = {.abi = NULL};
    TRY(file_load(path, arena, &text));
    if (is_ok(json_parse(text, CONTRACT_FILE_BYTES_MAX, &root)) &&
        (json_is_object(root) || json_is_array(root))) {
        err e = read_object(&file, root, arena);
        json_decref(root);
        TRY(e);
    } else {
        json_decref(root);
        TRY(read_code(text, arena, &file.code));
    }
    *ret = file;
    return ok();
}

void contract_file_free(struct contract_file *file)
{
    json_decref(file->abi);
    file->abi = NULL;
}

/* ---- entries as signatures ---- */

/* put_name: " indexed name", as far as there is any. */
static void put_name(struct buf *out, const json_t *param)
{
    const char *name = json_read_str(param, "name");
    if (json_is_true(json_object_get(param, "indexed"))) {
        buf_put_str(out, " indexed");
    }
    if (name != NULL && name[0] != '\0' && strlen(name) < ABI_NAME_MAX) {
        buf_format(out, " %s", name);
    }
}

/* put_members: of a tuple; none of them may be a tuple again. */
static bool put_members(struct buf *out, const json_t *members)
{
    size_t i;
    json_t *member;
    json_array_foreach(members, i, member)
    {
        const char *type = json_read_str(member, "type");
        if (type == NULL || json_object_get(member, "components") != NULL) {
            return false;
        }
        buf_format(out, "%s%s", i == 0 ? "" : ", ", type);
        put_name(out, member);
    }
    return true;
}

static bool put_param(struct buf *out, const json_t *param)
{
    const char *type = json_read_str(param, "type");
    if (type == NULL) {
        return false;
    }
    if (strncmp(type, "tuple", 5) == 0) {
        buf_put_str(out, "(");
        if (!put_members(out, json_object_get(param, "components"))) {
            return false;
        }
        buf_format(out, ")%s", type + 5);
    } else {
        buf_put_str(out, type);
    }
    put_name(out, param);
    return true;
}

static bool put_params(struct buf *out, const json_t *params)
{
    size_t i;
    json_t *param;
    buf_put_str(out, "(");
    json_array_foreach(params, i, param)
    {
        buf_put_str(out, i == 0 ? "" : ", ");
        if (!put_param(out, param)) {
            return false;
        }
    }
    buf_put_str(out, ")");
    return true;
}

static err parse_item(const json_t *item, struct arena *arena, struct abi_entry *ret)
{
    struct buf text;
    const char *name = json_read_str(item, "name");
    const json_t *outputs = json_object_get(item, "outputs");
    buf_init(&text, SIGNATURE_BYTES_MAX);
    buf_format(&text, "%s", name != NULL ? name : "constructor");
    bool good = put_params(&text, json_object_get(item, "inputs"));
    if (good && json_array_size(outputs) > 0) {
        buf_put_str(&text, " returns ");
        good = put_params(&text, outputs);
    }
    buf_put_u8(&text, 0);
    err e = good ? buf_done(&text) : fail(ERR_MALFORMED);
    if (is_ok(e)) {
        e = abi_parse(arena, (const char *)buf_bytes(&text).data, ret);
    }
    buf_free(&text);
    return e;
}

static bool is_kind(const json_t *item, const char *kind)
{
    const char *type = json_read_str(item, "type");
    return type != NULL && strcmp(type, kind) == 0;
}

/* fits: the item's name is `name`, or name is the item's canonical signature. */
static bool fits(const json_t *item, const char *name, const struct abi_entry *entry)
{
    const char *own = json_read_str(item, "name");
    struct buf canonical;
    if (name == NULL || (own != NULL && strcmp(own, name) == 0)) {
        return true;
    }
    buf_init(&canonical, SIGNATURE_BYTES_MAX);
    abi_canonical(entry, &canonical);
    bool same = is_ok(buf_done(&canonical)) && bytes_eq_str(buf_bytes(&canonical), name);
    buf_free(&canonical);
    return same;
}

err contract_file_entry(const struct contract_file *file, struct arena *arena, const char *kind,
                        const char *name, size_t inputs, struct abi_entry *ret, bool *ret_is_view)
{
    size_t i;
    size_t found = 0;
    json_t *item;
    err bad = fail(ERR_NOT_FOUND);
    json_array_foreach(file->abi, i, item)
    {
        struct abi_entry entry;
        const char *own = json_read_str(item, "name");
        const char *mutability = json_read_str(item, "stateMutability");
        size_t count = json_array_size(json_object_get(item, "inputs"));
        if (!is_kind(item, kind) || (inputs != SIZE_MAX && count != inputs)) {
            continue;
        }
        err e = parse_item(item, arena, &entry);
        if (!is_ok(e)) {
            bad = own != NULL && name != NULL && strcmp(own, name) != 0 ? bad : e;
            continue;
        }
        if (fits(item, name, &entry)) {
            *ret = entry;
            found++;
            if (ret_is_view != NULL) {
                *ret_is_view = mutability != NULL &&
                               (strcmp(mutability, "view") == 0 || strcmp(mutability, "pure") == 0);
            }
        }
    }
    return found == 1 ? ok() : found > 1 ? fail(ERR_CONFLICT) : bad;
}

/* ---- logs and reverts ---- */

json_t *contract_file_log(const struct contract_file *file, struct arena *arena,
                          const struct hash *topics, size_t topic_count, bytes data)
{
    size_t i;
    json_t *item;
    json_array_foreach(file->abi, i, item)
    {
        struct abi_entry event;
        struct abi_value values[ABI_PARAMS_MAX];
        if (is_kind(item, "event") && is_ok(parse_item(item, arena, &event)) &&
            is_ok(abi_decode_event(arena, &event, topics, topic_count, data, values))) {
            return json_pack("{s:s, s:o}", "event", event.name, "values",
                             abi_members_to_json(event.inputs, values, event.input_count));
        }
    }
    return NULL;
}

/* custom_error: "Name {values}" of an error of the file; NULL if none fits. */
static const char *custom_error(const struct contract_file *file, struct arena *arena, bytes data)
{
    size_t i;
    json_t *item;
    json_array_foreach(file->abi, i, item)
    {
        struct abi_entry entry;
        struct abi_value values[ABI_PARAMS_MAX];
        if (!is_kind(item, "error") || !is_ok(parse_item(item, arena, &entry)) ||
            memcmp(entry.selector, data.data, sizeof entry.selector) != 0 ||
            !is_ok(abi_decode(arena, entry.inputs, entry.input_count,
                              bytes_slice(data, 4, data.len - 4), values))) {
            continue;
        }
        json_t *members = abi_members_to_json(entry.inputs, values, entry.input_count);
        struct buf text;
        buf_init(&text, KIB(64));
        buf_put_str(&text, entry.name);
        if (entry.input_count > 0) {
            buf_put_u8(&text, ' ');
            json_write(&text, members);
        }
        buf_put_u8(&text, 0);
        json_decref(members);
        const char *out = is_ok(buf_done(&text))
                              ? arena_str(arena, bytes_str((const char *)buf_bytes(&text).data))
                              : NULL;
        buf_free(&text);
        return out;
    }
    return NULL;
}

/* printable: what a contract says, without what moves a terminal's cursor. */
static const char *printable(struct arena *arena, bytes text)
{
    char *out = arena_str(arena, text);
    for (size_t i = 0; out != NULL && i < text.len; i++) {
        u8 c = text.data[i];
        out[i] = (char)(c < 0x20 || c == 0x7f ? '?' : c);
    }
    return out;
}

const char *contract_file_revert(const struct contract_file *file, struct arena *arena, bytes data)
{
    static const u8 error_selector[4] = {0x08, 0xc3, 0x79, 0xa0}; /* Error(string) */
    static const u8 panic_selector[4] = {0x4e, 0x48, 0x7b, 0x71}; /* Panic(uint256) */
    static const struct abi_type text_type = {.kind = ABI_STRING};
    struct abi_value value;
    const char *out = NULL;
    if (data.len >= 4 && memcmp(data.data, error_selector, 4) == 0 &&
        is_ok(abi_decode(arena, &text_type, 1, bytes_slice(data, 4, data.len - 4), &value))) {
        out = printable(arena, value.data);
    } else if (data.len == 36 && memcmp(data.data, panic_selector, 4) == 0) {
        out = arena_format(arena, "panic 0x%02x", data.data[35]);
    } else if (data.len >= 4 && file != NULL) {
        out = custom_error(file, arena, data);
    }
    if (out == NULL) {
        char digits[2 * 256 + 1];
        hex_encode(digits, sizeof digits, bytes_slice(data, 0, min_size(data.len, 256)));
        out = arena_format(arena, "0x%s%s", digits, data.len > 256 ? "…" : "");
    }
    return out != NULL ? out : "no reason";
}

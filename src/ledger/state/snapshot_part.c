#include "ledger/state/snapshot_part.h"

#include "codec/record.h"

#define KIND_SNAPSHOT_PART 0x0202
#define PART_VERSION 1
#define CODE_BYTES_MAX KIB(512)
#define RECORD_BYTES_MAX KIB(1)

void part_begin(struct buf *out) { write_head(out, KIND_SNAPSHOT_PART, PART_VERSION); }

static void put_proof(struct buf *out, const struct state_proof *proof)
{
    buf_put_u8(out, (u8)proof->count);
    for (size_t i = 0; i < proof->count; i++) {
        write_str16(out, proof->nodes[i]);
    }
}

static void put_account(struct buf *out, const struct account_record *record)
{
    struct buf encoded;
    buf_init(&encoded, RECORD_BYTES_MAX);
    account_record_encode(&encoded, record);
    write_str16(out, buf_bytes(&encoded));
    buf_free(&encoded);
}

void section_encode(struct buf *out, const struct section *section)
{
    buf_put_u8(out, (u8)section->kind);
    if (section->kind == SECTION_CODE) {
        write_str32(out, section->code);
        return;
    }
    if (section->kind == SECTION_SLOTS) {
        write_hash(out, &section->account);
    }
    write_hash(out, &section->from);
    write_hash(out, &section->to);
    buf_put_be32(out, (u32)section->count);
    for (size_t i = 0; i < section->count; i++) {
        if (section->kind == SECTION_ACCOUNTS) {
            put_account(out, &section->accounts[i]);
        } else {
            buf_put(out, BYTES_OF(section->slots[i]));
        }
    }
    put_proof(out, &section->from_proof);
    put_proof(out, &section->to_proof);
}

bool part_reader_init(struct reader *reader, bytes part)
{
    reader_init(reader, part);
    read_head(reader, KIND_SNAPSHOT_PART, PART_VERSION);
    return !reader->failed && part.len <= SNAPSHOT_PART_BYTES_MAX;
}

static void read_proof(struct reader *reader, struct state_proof *proof)
{
    size_t count = read_u8(reader);
    if (count > COUNT_OF(proof->nodes)) {
        reader->failed = true;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        proof->nodes[i] = read_str16(reader, UINT16_MAX);
    }
    proof->count = count;
}

static bool read_account(struct reader *reader, struct section *section, size_t i)
{
    struct account_record *record = &section->accounts[i];
    bytes encoded = read_str16(reader, RECORD_BYTES_MAX);
    if (reader->failed || encoded.len == 0 || !is_ok(account_record_decode(encoded, record))) {
        return false;
    }
    section->keys[i] = key_hash(BYTES_OF(record->address));
    return true;
}

static bool read_slot(struct reader *reader, struct section *section, size_t i)
{
    struct slot_record *record = &section->slots[i];
    static const struct word zero;
    if (!is_ok(slot_record_decode(read_bytes(reader, sizeof *record), record))) {
        return false;
    }
    section->keys[i] = key_hash(BYTES_OF(record->slot));
    return memcmp(&record->word, &zero, sizeof zero) != 0;
}

static err read_entries(struct reader *reader, struct arena *arena, struct section *section,
                        bool *ret_good)
{
    bool is_accounts = section->kind == SECTION_ACCOUNTS;
    size_t count = read_be32(reader);
    *ret_good = false;
    if (reader->failed || count > reader->left) {
        return ok();
    }
    section->keys = ARENA_ARRAY(arena, struct hash, count + 1);
    section->accounts = is_accounts ? ARENA_ARRAY(arena, struct account_record, count + 1) : NULL;
    section->slots = is_accounts ? NULL : ARENA_ARRAY(arena, struct slot_record, count + 1);
    if (section->keys == NULL || (section->accounts == NULL && section->slots == NULL)) {
        return fail(ERR_LIMIT);
    }
    for (size_t i = 0; i < count; i++) {
        if (!(is_accounts ? read_account(reader, section, i) : read_slot(reader, section, i))) {
            return ok();
        }
    }
    section->count = count;
    *ret_good = true;
    return ok();
}

err section_decode(struct reader *reader, struct arena *arena, struct section *ret_section,
                   bool *ret_good)
{
    struct section section = {.kind = read_u8(reader)};
    *ret_good = false;
    if (section.kind == SECTION_CODE) {
        section.code = read_str32(reader, CODE_BYTES_MAX);
        *ret_good = !reader->failed && section.code.len > 0;
        *ret_section = section;
        return ok();
    }
    if (section.kind != SECTION_ACCOUNTS && section.kind != SECTION_SLOTS) {
        return ok();
    }
    if (section.kind == SECTION_SLOTS) {
        section.account = read_hash(reader);
    }
    section.from = read_hash(reader);
    section.to = read_hash(reader);
    bool good;
    TRY(read_entries(reader, arena, &section, &good));
    read_proof(reader, &section.from_proof);
    read_proof(reader, &section.to_proof);
    *ret_good = good && !reader->failed;
    *ret_section = section;
    return ok();
}

/* The tries' values of a section's entries. */
static err values_of(struct arena *arena, const struct section *section, struct bytes **ret_values)
{
    struct bytes *values = ARENA_ARRAY(arena, struct bytes, section->count + 1);
    struct buf value;
    err e = values != NULL ? ok() : fail(ERR_LIMIT);
    buf_init(&value, RECORD_BYTES_MAX);
    for (size_t i = 0; i < section->count && is_ok(e); i++) {
        buf_clear(&value);
        if (section->kind == SECTION_ACCOUNTS) {
            trie_put_account_value(&value, &section->accounts[i]);
        } else {
            trie_put_slot_value(&value, &section->slots[i].word);
        }
        values[i] = arena_copy(arena, buf_bytes(&value));
        e = values[i].data != NULL ? ok() : fail(ERR_LIMIT);
    }
    buf_free(&value);
    *ret_values = values;
    return e;
}

err section_verify(struct arena *arena, const struct section *section, const struct hash *root,
                   bool *ret_valid)
{
    struct bytes *values;
    TRY(values_of(arena, section, &values));
    const struct range_proof range = {
        .root = *root,
        .from = section->from,
        .to = section->to,
        .keys = section->keys,
        .values = values,
        .count = section->count,
        .from_nodes = section->from_proof.nodes,
        .from_count = section->from_proof.count,
        .to_nodes = section->to_proof.nodes,
        .to_count = section->to_proof.count,
    };
    return range_proof_verify(arena, &range, ret_valid);
}

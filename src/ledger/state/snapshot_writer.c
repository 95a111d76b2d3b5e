#include "base/assert.h"
#include "base/mem.h"
#include "codec/record.h"
#include "ledger/state/snapshot_part.h"

#define PART_ARENA_BYTES MIB(64)
#define NODES_BYTES_MAX                                                                            \
    KIB(160)              /* two edges of a range: of at most 64 branches of 532 bytes each */
#define ENTRIES_MAX 16384 /* of a section */

enum stage { STAGE_ACCOUNTS, STAGE_SLOTS, STAGE_CODE, STAGE_DONE };

struct snapshot_writer {
    struct kv_txn *txn;
    struct state_head head;
    enum stage stage;
    struct hash next;    /* key from which to go on: of an account, a slot, or code */
    struct hash account; /* STAGE_SLOTS: whose; */
    struct hash storage_root;
    bool has_account; /* STAGE_SLOTS: account is set */
};

static struct hash last_hash(void)
{
    struct hash last;
    memset(last.b, 0xff, sizeof last.b);
    return last;
}

err snapshot_writer_open(struct state *state, struct snapshot_writer **ret_writer)
{
    struct snapshot_writer *writer = MEM_NEW(struct snapshot_writer);
    struct head_record record;
    bool is_new;
    err e = kv_begin_read(state->kv, &writer->txn);
    if (is_ok(e)) {
        e = head_read(writer->txn, &record, &is_new);
    }
    if (is_ok(e) && is_new) {
        e = fail(ERR_NOT_FOUND);
    }
    if (!is_ok(e)) {
        snapshot_writer_close(writer);
        return e;
    }
    writer->head = record.head;
    *ret_writer = writer;
    return ok();
}

void snapshot_writer_close(struct snapshot_writer *writer)
{
    if (writer != NULL) {
        kv_abort(writer->txn);
        mem_free(writer);
    }
}

struct state_head snapshot_writer_head(const struct snapshot_writer *writer)
{
    return writer->head;
}

/* --- one range --- */

static err prove_edge(struct trie *trie, const struct hash *key, struct state_proof *ret_proof)
{
    bytes nodes[TRIE_PATH_MAX + 1];
    size_t count;
    TRY(trie_prove(trie, BYTES_OF(*key), nodes, &count));
    if (count > COUNT_OF(ret_proof->nodes)) {
        return fail(ERR_INTEGRITY);
    }
    memcpy(ret_proof->nodes, nodes, count * sizeof *nodes);
    ret_proof->count = count;
    return ok();
}

/* The nodes at the edges, unless the section is all there is. */
static err prove_edges(struct snapshot_writer *writer, struct arena *arena, struct section *section)
{
    struct hash last = last_hash();
    bool is_slots = section->kind == SECTION_SLOTS;
    struct node_reader reader = {.txn = writer->txn,
                                 .account = is_slots ? &section->account : NULL};
    struct trie_source source = node_reader_source(&reader);
    struct trie trie;
    if (hash_is_zero(&section->from) && hash_eq(&section->to, &last)) {
        return ok();
    }
    trie_init(&trie, arena, &source, is_slots ? &writer->storage_root : &writer->head.root);
    TRY(prove_edge(&trie, &section->from, &section->from_proof));
    return prove_edge(&trie, &section->to, &section->to_proof);
}

/* Takes an entry of a flat table into the section. */
static err take(struct section *section, bytes key, bytes value)
{
    size_t i = section->count++;
    memcpy(section->keys[i].b, key.data + key.len - sizeof(struct hash), sizeof(struct hash));
    return section->kind == SECTION_ACCOUNTS ? account_record_decode(value, &section->accounts[i])
                                             : slot_record_decode(value, &section->slots[i]);
}

/* Entries from section->from on until `room` bytes are full; section->to is the last one's key, or
 * the last of all keys if the table has no more. */
static err gather(struct snapshot_writer *writer, struct section *section, bytes prefix,
                  size_t room)
{
    unsigned table = section->kind == SECTION_ACCOUNTS ? TABLE_ACCOUNT : TABLE_SLOT;
    struct state_key from = {.len = 0};
    struct kv_cursor *cursor;
    bytes key;
    bytes value;
    size_t used = 0;
    key_put(&from, prefix);
    key_put(&from, BYTES_OF(section->from));
    section->to = last_hash();
    TRY(kv_cursor_open(writer->txn, table, &cursor));
    err e = kv_seek(cursor, key_bytes(&from), &key, &value);
    while (is_ok(e) && bytes_starts_with(key, prefix)) {
        if (section->count > 0 && (used >= room || section->count == ENTRIES_MAX)) {
            section->to = section->keys[section->count - 1];
            break;
        }
        used += value.len + sizeof(u16);
        e = take(section, key, value);
        if (is_ok(e)) {
            e = kv_next(cursor, &key, &value);
        }
    }
    kv_cursor_close(cursor);
    return is_err(e, ERR_NOT_FOUND) ? ok() : e;
}

static err section_arrays(struct section *section, struct arena *arena)
{
    section->keys = ARENA_ARRAY(arena, struct hash, ENTRIES_MAX);
    if (section->kind == SECTION_ACCOUNTS) {
        section->accounts = ARENA_ARRAY(arena, struct account_record, ENTRIES_MAX);
    } else {
        section->slots = ARENA_ARRAY(arena, struct slot_record, ENTRIES_MAX);
    }
    bool got = section->keys != NULL && (section->accounts != NULL || section->slots != NULL);
    return got ? ok() : fail(ERR_LIMIT);
}

/* Appends a section and moves on behind it; *ret_complete: the table (or account) ends with it. */
static err put_range(struct snapshot_writer *writer, enum section_kind kind, struct buf *out,
                     struct arena *arena, bool *ret_complete)
{
    struct section section = {.kind = kind, .account = writer->account, .from = writer->next};
    struct hash last = last_hash();
    bytes prefix = kind == SECTION_SLOTS ? BYTES_OF(section.account) : bytes_make("", 0);
    TRY(section_arrays(&section, arena));
    TRY(gather(writer, &section, prefix,
               SNAPSHOT_PART_BYTES - min_size(out->len, SNAPSHOT_PART_BYTES)));
    TRY(prove_edges(writer, arena, &section));
    section_encode(out, &section);
    *ret_complete = hash_eq(&section.to, &last);
    writer->next = section.to;
    *ret_complete = !key_next(&writer->next) || *ret_complete;
    return ok();
}

/* --- the walk --- */

static void begin_stage(struct snapshot_writer *writer, enum stage stage)
{
    writer->stage = stage;
    writer->next = (struct hash){{0}};
    writer->account = (struct hash){{0}};
    writer->has_account = false;
}

static err put_slots(struct snapshot_writer *writer, struct buf *out, struct arena *arena)
{
    bool complete;
    if (!writer->has_account) {
        TRY(storage_find(writer->txn, &writer->account, &writer->storage_root,
                         &writer->has_account));
        writer->next = (struct hash){{0}};
        if (!writer->has_account) {
            begin_stage(writer, STAGE_CODE);
            return ok();
        }
    }
    TRY(put_range(writer, SECTION_SLOTS, out, arena, &complete));
    if (complete) {
        writer->has_account = false;
        if (!key_next(&writer->account)) {
            begin_stage(writer, STAGE_CODE);
        }
    }
    return ok();
}

static err put_code(struct snapshot_writer *writer, struct buf *out)
{
    struct section section = {.kind = SECTION_CODE};
    struct kv_cursor *cursor;
    bytes key;
    TRY(kv_cursor_open(writer->txn, TABLE_CODE, &cursor));
    err e = kv_seek(cursor, BYTES_OF(writer->next), &key, &section.code);
    kv_cursor_close(cursor);
    if (is_err(e, ERR_NOT_FOUND)) {
        begin_stage(writer, STAGE_DONE);
        return ok();
    }
    TRY(e);
    memcpy(writer->next.b, key.data, sizeof writer->next.b);
    section_encode(out, &section);
    if (!key_next(&writer->next)) {
        begin_stage(writer, STAGE_DONE);
    }
    return ok();
}

static err put_some(struct snapshot_writer *writer, struct buf *out, struct arena *arena)
{
    bool complete = false;
    switch (writer->stage) {
    case STAGE_ACCOUNTS:
        TRY(put_range(writer, SECTION_ACCOUNTS, out, arena, &complete));
        if (complete) {
            begin_stage(writer, STAGE_SLOTS);
        }
        return ok();
    case STAGE_SLOTS:
        return put_slots(writer, out, arena);
    case STAGE_CODE:
        return put_code(writer, out);
    case STAGE_DONE:
        return ok();
    }
    unreachable_case();
}

err snapshot_writer_next(struct snapshot_writer *writer, struct buf *out, bool *ret_more)
{
    struct buf part;
    size_t empty;
    err e = ok();
    buf_init(&part, SNAPSHOT_PART_BYTES_MAX);
    part_begin(&part);
    empty = part.len;
    while (is_ok(e) && writer->stage != STAGE_DONE &&
           part.len < SNAPSHOT_PART_BYTES - NODES_BYTES_MAX) {
        struct arena arena;
        arena_init(&arena, PART_ARENA_BYTES);
        e = put_some(writer, &part, &arena);
        arena_free(&arena);
    }
    if (is_ok(e)) {
        e = buf_done(&part);
    }
    *ret_more = is_ok(e) && part.len > empty;
    if (*ret_more) {
        buf_put(out, buf_bytes(&part));
    }
    buf_free(&part);
    return e;
}

#include "watch/table.h"

#include "base/assert.h"
#include "base/mem.h"

struct packed_key {
    u64 territory;
    u64 number;
    u64 gateway;
};

static struct packed_key pack(const struct segment_key *key)
{
    return (struct packed_key){key->territory, key->number, key->gateway};
}

void table_init(struct table *table)
{
    *table = (struct table){.first = 1};
    map_init(&table->keys);
}

static void clear(struct table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        mem_free(table->items[i]);
    }
    mem_free(table->items);
    map_free(&table->keys);
}

void table_free(struct table *table) { clear(table); }

void table_move(struct table *table, u64 first)
{
    clear(table);
    table_init(table);
    table->first = first;
}

static struct tracked **slot_of(struct table *table, u64 serial)
{
    size_t i = (size_t)(serial - table->first);
    assert_that(serial >= table->first && i <= table->count && i < TABLE_SEGMENTS_MAX);
    if (i == table->cap) {
        table->cap = max_size(64, 2 * table->cap);
        table->items = mem_resize(table->items, table->cap * sizeof(struct tracked *));
    }
    if (i == table->count) {
        table->items[table->count++] = NULL;
    }
    return &table->items[i];
}

static void drop(struct table *table, struct tracked **slot)
{
    struct tracked *tracked = *slot;
    if (tracked != NULL) {
        struct packed_key packed = pack(&tracked->key);
        map_remove(&table->keys, BYTES_OF(packed));
        mem_free(tracked);
        *slot = NULL;
    }
}

void table_put(struct table *table, u64 serial, const struct segment_key *key,
               const struct segment_record *record)
{
    struct tracked **slot = slot_of(table, serial);
    if (record == NULL) {
        drop(table, slot);
        return;
    }
    struct tracked *tracked = *slot;
    if (tracked == NULL) {
        struct packed_key packed = pack(key);
        tracked = mem_alloc(sizeof *tracked + record->n * sizeof tracked->holders[0]);
        tracked->serial = serial;
        tracked->key = *key;
        tracked->n = record->n;
        *slot = tracked;
        map_put(&table->keys, BYTES_OF(packed), tracked);
    }
    assert_that(tracked->n == record->n); /* a serial is one segment for ever */
    tracked->committed = record->committed;
    tracked->changed = record->changed;
    tracked->length = record->length;
    tracked->class_number = (u8)record->class_number;
    tracked->flags = record->flags;
    tracked->dirty = false;
    memcpy(tracked->holders, record->holders, record->n * sizeof tracked->holders[0]);
}

struct tracked *table_get(const struct table *table, u64 serial)
{
    bool inside = serial >= table->first && serial - table->first < table->count;
    return inside ? table->items[serial - table->first] : NULL;
}

struct tracked *table_find(const struct table *table, const struct segment_key *key)
{
    struct packed_key packed = pack(key);
    return map_get(&table->keys, BYTES_OF(packed));
}

void tracked_record(const struct tracked *tracked, struct segment_record *ret_record)
{
    *ret_record = (struct segment_record){
        .class_number = (enum redundancy)tracked->class_number,
        .n = tracked->n,
        .flags = tracked->flags,
        .length = tracked->length,
        .serial = tracked->serial,
        .committed = tracked->committed,
        .changed = tracked->changed,
    };
    memcpy(ret_record->holders, tracked->holders, tracked->n * sizeof tracked->holders[0]);
}

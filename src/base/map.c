#include "base/map.h"

#include "base/assert.h"
#include "base/mem.h"

#define BUCKETS_MIN 16

static u64 mix(u64 h, u64 v)
{
    h = (h ^ v) * 0x9e3779b97f4a7c15u;
    return h ^ h >> 32;
}

/* Eight bytes at a time; keys are hashes, addresses and short names. Keys come from outside
 * (storage slots that a contract chooses), so nobody may know ahead which of them share a bucket:
 * the hash begins with where the program was loaded, which the system chooses anew for every
 * process. The order of buckets never shows. */
static u64 hash_key(bytes key)
{
    u64 h = mix(key.len, (u64)(uintptr_t)&mix);
    size_t at = 0;
    for (; key.len - at >= 8; at += 8) {
        h = mix(h, load_le64(key.data + at));
    }
    if (at < key.len) {
        u64 rest = 0;
        memcpy(&rest, key.data + at, key.len - at);
        h = mix(h, rest);
    }
    return mix(h, h >> 29);
}

void map_init(struct map *map) { *map = (struct map){0}; }

void map_free(struct map *map)
{
    map_each (entry, map) {
        mem_free(entry);
    }
    mem_free(map->buckets);
    map_init(map);
}

static struct map_entry **find(const struct map *map, bytes key, u64 hash)
{
    struct map_entry **at = &map->buckets[hash & (map->bucket_count - 1)];
    while (*at != NULL &&
           !((*at)->hash == hash && bytes_eq(bytes_make((*at)->key, (*at)->key_len), key))) {
        at = &(*at)->chain;
    }
    return at;
}

static void grow(struct map *map)
{
    size_t count = map->bucket_count ? map->bucket_count * 2 : BUCKETS_MIN;
    struct map_entry **buckets = mem_alloc_array(count, sizeof *buckets);
    map_each (entry, map) {
        struct map_entry **at = &buckets[entry->hash & (count - 1)];
        entry->chain = *at;
        *at = entry;
    }
    mem_free(map->buckets);
    map->buckets = buckets;
    map->bucket_count = count;
}

void *map_get(const struct map *map, bytes key)
{
    if (map->count == 0) {
        return NULL;
    }
    struct map_entry *entry = *find(map, key, hash_key(key));
    return entry ? entry->value : NULL;
}

void *map_put(struct map *map, bytes key, void *value)
{
    assert_that(value != NULL && key.len <= UINT32_MAX);
    if (map->count >= map->bucket_count) {
        grow(map);
    }
    u64 hash = hash_key(key);
    struct map_entry **at = find(map, key, hash);
    if (*at != NULL) {
        void *former = (*at)->value;
        (*at)->value = value;
        return former;
    }
    struct map_entry *entry = mem_alloc(sizeof *entry + key.len);
    *entry = (struct map_entry){.value = value, .hash = hash, .key_len = (u32)key.len};
    if (key.len != 0) {
        memcpy(entry->key, key.data, key.len);
    }
    entry->prev_inserted = map->last;
    *(map->last ? &map->last->next_inserted : &map->first) = entry;
    map->last = entry;
    map->count++;
    *at = entry;
    return NULL;
}

void *map_remove(struct map *map, bytes key)
{
    if (map->count == 0) {
        return NULL;
    }
    struct map_entry **at = find(map, key, hash_key(key));
    struct map_entry *entry = *at;
    if (entry == NULL) {
        return NULL;
    }
    void *value = entry->value;
    *at = entry->chain;
    *(entry->prev_inserted ? &entry->prev_inserted->next_inserted : &map->first) =
        entry->next_inserted;
    *(entry->next_inserted ? &entry->next_inserted->prev_inserted : &map->last) =
        entry->prev_inserted;
    map->count--;
    mem_free(entry);
    return value;
}

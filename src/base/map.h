/* map.h: a hash table from byte keys to pointers.
 *
 * Keys are copied, values are not owned. Nothing iterates in table order where the order could be
 * seen by consensus: map_each() visits in insertion order.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/bytes.h"

struct map_entry {
    struct map_entry *chain;
    struct map_entry *next_inserted;
    struct map_entry *prev_inserted;
    void *value;
    u64 hash;
    u32 key_len;
    u8 key[];
};

struct map {
    struct map_entry **buckets;
    size_t bucket_count; /* zero or a power of two */
    size_t count;
    struct map_entry *first;
    struct map_entry *last;
};

void map_init(struct map *map);
void map_free(struct map *map);
/* map_get: NULL if absent. */
void *map_get(const struct map *map, bytes key);
/* map_put: the former value, or NULL. value must not be NULL. */
void *map_put(struct map *map, bytes key, void *value);
/* map_remove: the removed value, or NULL. */
void *map_remove(struct map *map, bytes key);

/* map_each: the body may map_remove() the entry it is at, nothing else. */
#define map_each(it, map)                                                                          \
    for (struct map_entry *it = (map)->first, *it##_next_ = it ? it->next_inserted : NULL;         \
         it != NULL; it = it##_next_, it##_next_ = it ? it->next_inserted : NULL)

#endif

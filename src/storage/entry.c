#include "storage/entry.h"

#include "base/assert.h"
#include "crypto/merkle.h"
#include "data/fragment_writer.h"
#include "storage/kinds.h"

#include <stdio.h>

#define ENTRY_VERSION 1

_Static_assert(RUNS_MAX *RUN_BYTES == FRAGMENT_BYTES_MAX, "a fragment is at most RUNS_MAX runs");
_Static_assert(RUN_BYTES % LEAF_BYTES == 0, "runs are whole leaves");

struct fragment_key entry_key(const struct shelf_entry *entry)
{
    return (struct fragment_key){.segment = entry->seal.key, .index = entry->index};
}

u32 entry_length(const struct shelf_entry *entry)
{
    return segment_seal_shape(&entry->seal).fragment_length;
}

void entry_write(struct buf *out, const struct shelf_entry *entry)
{
    write_head(out, KIND_STORE_FRAGMENT, ENTRY_VERSION);
    buf_put_u8(out, entry->index);
    buf_put_u8(out, (u8)entry->state);
    buf_put_u8(out, entry->place);
    buf_put_be32(out, entry->position);
    buf_put_be64(out, entry->deadline);
    buf_put_be64(out, entry->added);
    write_address(out, &entry->who);
    segment_seal_write(out, &entry->seal);
}

static bool entry_sound(const struct shelf_entry *entry)
{
    const struct redundancy_info *info = redundancy_find((u8)entry->seal.class_number);
    bool held = entry->state == ENTRY_HELD;
    bool state_known = held || entry->state == ENTRY_OPEN || entry->state == ENTRY_ABANDONED;
    return info != NULL && entry->index < redundancy_n(info) && entry->place <= PLACE_INDEX &&
           state_known && held == (entry->position != POSITION_NONE);
}

err entry_read(bytes in, struct shelf_entry *ret_entry)
{
    struct reader reader;
    struct shelf_entry entry = {0};
    reader_init(&reader, in);
    read_head(&reader, KIND_STORE_FRAGMENT, ENTRY_VERSION);
    entry.index = read_u8(&reader);
    u8 state = read_u8(&reader);
    entry.place = read_u8(&reader);
    entry.position = read_be32(&reader);
    entry.deadline = read_be64(&reader);
    entry.added = read_be64(&reader);
    entry.who = read_address(&reader);
    segment_seal_read(&reader, &entry.seal);
    TRY(reader_done(&reader));
    entry.state = state <= ENTRY_ABANDONED ? (enum entry_state)state : (enum entry_state)0;
    if (!entry_sound(&entry)) {
        return fail(ERR_MALFORMED);
    }
    *ret_entry = entry;
    return ok();
}

bool fragment_key_eq(const struct fragment_key *a, const struct fragment_key *b)
{
    return a->index == b->index && a->segment.territory == b->segment.territory &&
           a->segment.gateway == b->segment.gateway && a->segment.number == b->segment.number;
}

void fragment_key_pack(u8 out[FRAGMENT_KEY_BYTES], const struct fragment_key *key)
{
    store_be64(out, key->segment.territory);
    store_be32(out + 8, key->segment.gateway);
    store_be64(out + 12, key->segment.number);
    out[20] = key->index;
}

bool fragment_key_unpack(struct fragment_key *ret, bytes in)
{
    if (in.len != FRAGMENT_KEY_BYTES || in.data[20] >= FRAGMENTS_MAX) {
        return false;
    }
    ret->segment.territory = load_be64(in.data);
    ret->segment.gateway = load_be32(in.data + 8);
    ret->segment.number = load_be64(in.data + 12);
    ret->index = in.data[20];
    return true;
}

void fragment_key_name(char out[FRAGMENT_NAME_MAX], const struct fragment_key *key)
{
    snprintf(out, FRAGMENT_NAME_MAX, "%llu.%u.%llu.%u", (unsigned long long)key->segment.territory,
             key->segment.gateway, (unsigned long long)key->segment.number, key->index);
}

/* Numbers between dots, exactly `count` of them. */
static bool parse_numbers(u64 *ret, size_t count, bytes text)
{
    for (size_t i = 0; i < count; i++) {
        size_t dot = i + 1 < count ? bytes_find(text, bytes_str(".")) : text.len;
        if (dot > text.len || !parse_u64(&ret[i], bytes_slice(text, 0, dot))) {
            return false;
        }
        size_t next = min_size(dot + 1, text.len);
        text = bytes_slice(text, next, text.len - next);
    }
    return true;
}

static bool segment_key_of(struct segment_key *ret, const u64 *numbers)
{
    if (numbers[1] > UINT32_MAX) {
        return false;
    }
    *ret = (struct segment_key){
        .territory = numbers[0], .gateway = (u32)numbers[1], .number = numbers[2]};
    return true;
}

bool segment_key_parse(struct segment_key *ret, bytes text)
{
    u64 numbers[3];
    return parse_numbers(numbers, COUNT_OF(numbers), text) && segment_key_of(ret, numbers);
}

bool fragment_key_parse(struct fragment_key *ret, bytes text)
{
    u64 numbers[4];
    if (!parse_numbers(numbers, COUNT_OF(numbers), text) || numbers[3] >= FRAGMENTS_MAX ||
        !segment_key_of(&ret->segment, numbers)) {
        return false;
    }
    ret->index = (u8)numbers[3];
    return true;
}

void run_root(struct hash *ret_root, bytes run)
{
    assert_that(run.len > 0 && run.len <= RUN_BYTES);
    struct merkle_builder tree;
    merkle_builder_init(&tree);
    fragment_leaves_add(&tree, run);
    merkle_builder_root(&tree, ret_root);
}

#include "ledger/exec/range_proof.h"

#include "base/mem.h"
#include "base/prng.h"
#include "crypto/hash.h"
#include "ledger/exec/account.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define ENTRIES_MAX 400
#define ARENA_BYTES MIB(256)

static void assert_ok(err e) { assert_int_equal(e.code, ERR_OK); }

struct world {
    struct arena arena;
    struct trie trie;
    struct hash root;
    struct hash keys[ENTRIES_MAX]; /* ascending */
    struct bytes values[ENTRIES_MAX];
    size_t count;
};

static int compare(const void *a, const void *b) { return memcmp(a, b, sizeof(struct hash)); }

/* Keys with long common beginnings as well as far apart ones; values short and long, so that some
 * leaves lie inside their branches. */
static void world_init(struct world *world, u64 seed, size_t count)
{
    struct prng prng;
    struct hash empty = account_empty_root();
    prng_init(&prng, seed);
    arena_init(&world->arena, ARENA_BYTES);
    trie_init(&world->trie, &world->arena, NULL, &empty);
    world->count = count;
    for (size_t i = 0; i < count; i++) {
        u64 word = prng_below(&prng, UINT64_MAX);
        keccak256(&world->keys[i], BYTES_OF(word));
        if (i > 0 && prng_below(&prng, 3) == 0) {
            size_t shared = prng_below(&prng, 32);
            memcpy(world->keys[i].b, world->keys[i - 1].b, shared);
        }
    }
    qsort(world->keys, count, sizeof *world->keys, compare);
    for (size_t i = 0; i < count; i++) {
        size_t len = 1 + prng_below(&prng, prng_below(&prng, 2) ? 3 : 90);
        u8 *value = arena_alloc(&world->arena, len);
        assert_non_null(value);
        memset(value, (int)(1 + i % 200), len);
        world->values[i] = bytes_make(value, len);
        assert_ok(trie_put(&world->trie, BYTES_OF(world->keys[i]), world->values[i]));
    }
    assert_ok(trie_root(&world->trie, &world->root));
}

static void world_free(struct world *world) { arena_free(&world->arena); }

struct proof {
    bytes from[TRIE_PATH_MAX + 1];
    bytes to[TRIE_PATH_MAX + 1];
};

static struct range_proof range_of(struct world *world, struct proof *proof,
                                   const struct hash *from, const struct hash *to)
{
    struct range_proof range = {.root = world->root, .from = *from, .to = *to};
    size_t begin = 0;
    while (begin < world->count && compare(&world->keys[begin], from) < 0) {
        begin++;
    }
    size_t end = begin;
    while (end < world->count && compare(&world->keys[end], to) <= 0) {
        end++;
    }
    range.keys = world->keys + begin;
    range.values = world->values + begin;
    range.count = end - begin;
    assert_ok(trie_prove(&world->trie, BYTES_OF(*from), proof->from, &range.from_count));
    assert_ok(trie_prove(&world->trie, BYTES_OF(*to), proof->to, &range.to_count));
    range.from_nodes = proof->from;
    range.to_nodes = proof->to;
    return range;
}

static bool verify(const struct range_proof *range)
{
    struct arena arena;
    bool valid;
    arena_init(&arena, ARENA_BYTES);
    assert_ok(range_proof_verify(&arena, range, &valid));
    arena_free(&arena);
    return valid;
}

static struct hash random_bound(struct prng *prng, const struct world *world)
{
    struct hash bound;
    u64 word = prng_below(prng, UINT64_MAX);
    keccak256(&bound, BYTES_OF(word));
    if (world->count > 0 && prng_below(prng, 2) == 0) {
        bound = world->keys[prng_below(prng, world->count)];
        bound.b[31] = (u8)(bound.b[31] + prng_below(prng, 3) - 1);
    }
    return bound;
}

/* An entry less, more, moved or changed is noticed. */
static void tamper(struct prng *prng, const struct range_proof *good)
{
    struct hash *keys = mem_alloc_array(good->count + 1, sizeof *keys);
    struct bytes *values = mem_alloc_array(good->count + 1, sizeof *values);
    struct range_proof bad = *good;
    memcpy(keys, good->keys, good->count * sizeof *keys);
    memcpy(values, good->values, good->count * sizeof *values);
    bad.keys = keys;
    bad.values = values;
    size_t at = prng_below(prng, good->count);
    switch (prng_below(prng, 4)) {
    case 0:
        memmove(keys + at, keys + at + 1, (good->count - at - 1) * sizeof *keys);
        memmove(values + at, values + at + 1, (good->count - at - 1) * sizeof *values);
        bad.count--;
        break;
    case 1:
        keys[at].b[31] ^= 1;
        break;
    case 2:
        values[at] = bytes_str("something else");
        break;
    case 3:
        memmove(keys + at + 1, keys + at, (good->count - at) * sizeof *keys);
        memmove(values + at + 1, values + at, (good->count - at) * sizeof *values);
        bad.count++;
        keys[at + 1].b[31] ^= 1;
        break;
    }
    assert_false(verify(&bad));
    mem_free(keys);
    mem_free(values);
}

static void ranges_prove_what_is_there_and_nothing_else(void **state)
{
    (void)state;
    static const size_t counts[] = {0, 1, 2, 3, 17, 100, ENTRIES_MAX};
    struct world *world = MEM_NEW(struct world);
    struct proof *proof = MEM_NEW(struct proof);
    struct prng prng;
    prng_init(&prng, 4);
    for (size_t c = 0; c < COUNT_OF(counts); c++) {
        world_init(world, c + 1, counts[c]);
        for (int i = 0; i < 60; i++) {
            struct hash from = random_bound(&prng, world);
            struct hash to = random_bound(&prng, world);
            if (compare(&from, &to) > 0) {
                struct hash swapped = from;
                from = to;
                to = swapped;
            }
            struct range_proof range = range_of(world, proof, &from, &to);
            assert_true(verify(&range));
            if (range.count > 0) {
                tamper(&prng, &range);
            }
        }
        world_free(world);
    }
    mem_free(proof);
    mem_free(world);
}

static void the_whole_needs_no_nodes(void **state)
{
    (void)state;
    struct world *world = MEM_NEW(struct world);
    world_init(world, 7, 50);
    struct range_proof range = {
        .root = world->root, .keys = world->keys, .values = world->values, .count = world->count};
    memset(range.to.b, 0xff, sizeof range.to.b);
    assert_true(verify(&range));
    range.count--;
    assert_false(verify(&range));
    range.count++;
    range.to.b[31] = 0xfe; /* no longer the whole, and no proof of the edges */
    assert_false(verify(&range));
    world_free(world);
    mem_free(world);
}

/* Nodes that are damaged, missing or of another trie prove nothing. */
static void damaged_nodes_prove_nothing(void **state)
{
    (void)state;
    struct world *world = MEM_NEW(struct world);
    struct proof *proof = MEM_NEW(struct proof);
    struct prng prng;
    prng_init(&prng, 5);
    world_init(world, 3, 200);
    for (int i = 0; i < 300; i++) {
        struct hash from = world->keys[20 + prng_below(&prng, 40)];
        struct hash to = world->keys[100 + prng_below(&prng, 60)];
        struct range_proof range = range_of(world, proof, &from, &to);
        bool left = prng_below(&prng, 2) == 0;
        bytes *nodes = left ? proof->from : proof->to;
        size_t *count = left ? &range.from_count : &range.to_count;
        size_t at = prng_below(&prng, *count);
        u8 *copy = arena_alloc(&world->arena, nodes[at].len);
        assert_non_null(copy);
        memcpy(copy, nodes[at].data, nodes[at].len);
        copy[prng_below(&prng, nodes[at].len)] ^= (u8)(1 + prng_below(&prng, 255));
        nodes[at] = bytes_make(copy, nodes[at].len);
        if (prng_below(&prng, 3) == 0) {
            *count = at;
        }
        if (at > 0) { /* the roots of the two proofs stand in for each other */
            assert_false(verify(&range));
        } else {
            (void)verify(&range);
        }
    }
    world_free(world);
    mem_free(proof);
    mem_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_prove_what_is_there_and_nothing_else),
        cmocka_unit_test(the_whole_needs_no_nodes),
        cmocka_unit_test(damaged_nodes_prove_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

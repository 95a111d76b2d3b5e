#include "base/prng.h"
#include "ledger/exec/account.h"
#include "ledger/exec/trie.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define KEYS_MAX 300
#define KEY_BYTES_MAX 5

static struct {
    u8 data[KEYS_MAX][KEY_BYTES_MAX];
    bytes keys[KEYS_MAX];
    size_t count;
} world;

/* The nearest of all keys, by looking at each. */
static const struct bytes *nearest(bytes key, bool is_after)
{
    const struct bytes *best = NULL;
    for (size_t i = 0; i < world.count; i++) {
        int order = bytes_cmp(world.keys[i], key);
        if (is_after ? order <= 0 : order >= 0) {
            continue;
        }
        if (best == NULL || (bytes_cmp(world.keys[i], *best) < 0) == is_after) {
            best = &world.keys[i];
        }
    }
    return best;
}

static bool path_is(const struct trie_path *path, bytes key)
{
    bool is_same = path->len == 2 * key.len;
    for (size_t i = 0; is_same && i < path->len; i++) {
        u8 byte = key.data[i / 2];
        is_same = path->nibbles[i] == (i % 2 == 0 ? byte >> 4 : byte & 15);
    }
    return is_same;
}

static void check(struct trie *trie, bytes key)
{
    for (int is_after = 0; is_after < 2; is_after++) {
        struct trie_path path;
        bool found;
        assert_true(is_ok(trie_neighbour(trie, key, is_after, &path, &found)));
        const struct bytes *expected = nearest(key, is_after);
        assert_int_equal(found, expected != NULL);
        if (found) {
            assert_true(path_is(&path, *expected));
        }
    }
}

/* Short keys over few bytes, so that many are the beginning of others. */
static bytes random_key(struct prng *prng, u8 out[KEY_BYTES_MAX])
{
    static const u8 alphabet[] = {0x00, 0x01, 0x10, 0x11, 0x7f, 0xf0, 0xff};
    size_t len = 1 + prng_below(prng, KEY_BYTES_MAX);
    for (size_t i = 0; i < len; i++) {
        out[i] = alphabet[prng_below(prng, sizeof alphabet)];
    }
    return bytes_make(out, len);
}

static void neighbours_of_random_keys(void **state)
{
    (void)state;
    struct prng prng;
    prng_init(&prng, 11);
    for (size_t round = 0; round < 40; round++) {
        struct arena arena;
        struct trie trie;
        struct hash empty = account_empty_root();
        arena_init(&arena, MIB(64));
        trie_init(&trie, &arena, NULL, &empty);
        world.count = 0;
        size_t wanted = prng_below(&prng, KEYS_MAX);
        check(&trie, bytes_str("x"));
        for (size_t i = 0; i < wanted; i++) {
            world.keys[world.count] = random_key(&prng, world.data[world.count]);
            assert_true(is_ok(trie_put(&trie, world.keys[world.count], bytes_str("value"))));
            world.count++;
        }
        check(&trie, bytes_make(NULL, 0));
        for (size_t i = 0; i < 200; i++) {
            u8 data[KEY_BYTES_MAX];
            check(&trie, random_key(&prng, data));
        }
        arena_free(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(neighbours_of_random_keys)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

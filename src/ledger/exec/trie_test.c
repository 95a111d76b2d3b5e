#include "ledger/exec/trie.h"

#include "base/map.h"
#include "base/mem.h"
#include "base/prng.h"
#include "codec/json.h"
#include "crypto/hash.h"
#include "ledger/exec/account.h"
#include "ledger/exec/proof.h"
#include "tests/support/vectors.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#undef fail /* cmocka's; err.h's is meant */

#define ARENA_BYTES MIB(256)
#define UNIVERSE 48
#define ROUNDS 400

/* A store of nodes by path, as the ledger's kv is one. */
struct store {
    struct map nodes; /* path → struct buf */
};

static void store_init(struct store *store) { map_init(&store->nodes); }

static void store_free(struct store *store)
{
    map_each (it, &store->nodes) {
        buf_free(it->value);
        mem_free(it->value);
    }
    map_free(&store->nodes);
}

/* Map keys may not be empty: a path gets a byte in front. */
static bytes store_key(u8 out[TRIE_PATH_MAX + 1], const struct trie_path *path)
{
    out[0] = 'p';
    memcpy(out + 1, path->nibbles, path->len);
    return bytes_make(out, path->len + 1);
}

static err store_load(void *ctx, const struct trie_path *path, struct arena *arena, bytes *ret_node)
{
    struct store *store = ctx;
    u8 key[TRIE_PATH_MAX + 1];
    const struct buf *node = map_get(&store->nodes, store_key(key, path));
    if (node == NULL) {
        return fail(ERR_INTEGRITY);
    }
    *ret_node = arena_copy(arena, buf_bytes(node));
    return ok();
}

static err store_remove(void *ctx, const struct trie_path *path)
{
    struct store *store = ctx;
    u8 key[TRIE_PATH_MAX + 1];
    struct buf *node = map_remove(&store->nodes, store_key(key, path));
    if (node != NULL) {
        buf_free(node);
        mem_free(node);
    }
    return ok();
}

static err store_put(void *ctx, const struct trie_path *path, bytes value)
{
    struct store *store = ctx;
    u8 key[TRIE_PATH_MAX + 1];
    struct buf *node = MEM_NEW(struct buf);
    IGNORE(store_remove(ctx, path)); /* cannot fail */
    buf_init(node, MIB(1));
    buf_put(node, value);
    map_put(&store->nodes, store_key(key, path), node);
    return ok();
}

static struct trie_source source_of(struct store *store)
{
    return (struct trie_source){.ctx = store, .load = store_load};
}

static struct trie_sink sink_of(struct store *store)
{
    return (struct trie_sink){.ctx = store, .put = store_put, .remove = store_remove};
}

static void assert_same_store(const struct store *a, const struct store *b)
{
    assert_int_equal(a->nodes.count, b->nodes.count);
    map_each (it, &a->nodes) {
        const struct buf *mine = it->value;
        const struct buf *other = map_get(&b->nodes, bytes_make(it->key, it->key_len));
        assert_non_null(other);
        assert_true(bytes_eq(buf_bytes(mine), buf_bytes(other)));
    }
}

static void assert_ok(err e) { assert_int_equal(e.code, ERR_OK); }

/* --- public vectors (ethereum/tests, TrieTests) --- */

static bytes text_or_hex(struct arena *arena, const char *text)
{
    bytes in = bytes_str(text);
    if (!bytes_starts_with(in, bytes_str("0x"))) {
        return arena_copy(arena, in);
    }
    size_t len = in.len / 2 - 1;
    u8 *out = arena_alloc(arena, len + 1);
    assert_true(hex_decode(out, len, bytes_slice(in, 2, 2 * len)));
    return bytes_make(out, len);
}

static void vector_set(struct trie *trie, bool secure, const char *name, const json_t *value)
{
    bytes key = text_or_hex(trie->arena, name);
    struct hash hash;
    if (secure) {
        keccak256(&hash, key);
        key = BYTES_OF(hash);
    }
    if (json_is_null(value)) {
        assert_ok(trie_remove(trie, key));
    } else {
        assert_ok(trie_put(trie, key, text_or_hex(trie->arena, json_string_value(value))));
    }
}

static void vector_case(bool secure, const json_t *object)
{
    struct arena arena;
    struct trie trie;
    struct hash root = account_empty_root();
    struct hash expected;
    const json_t *in = json_object_get(object, "in");
    arena_init(&arena, ARENA_BYTES);
    trie_init(&trie, &arena, NULL, &root);
    for (size_t i = 0; i < json_array_size(in); i++) {
        const json_t *pair = json_array_get(in, i);
        vector_set(&trie, secure, json_string_value(json_array_get(pair, 0)),
                   json_array_get(pair, 1));
    }
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)in, key, value) { vector_set(&trie, secure, key, value); }
    assert_ok(trie_root(&trie, &root));
    assert_true(
        hex_decode_0x(expected.b, sizeof expected.b, bytes_str(vectors_text(object, "root"))));
    assert_true(hash_eq(&root, &expected));
    arena_free(&arena);
}

static void public_vectors(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        bool secure;
    } files[] = {{"trietest", false},
                 {"trietest_secureTrie", true},
                 {"trieanyorder", false},
                 {"trieanyorder_secureTrie", true},
                 {"hex_encoded_securetrie_test", true}};
    struct vectors vectors;
    size_t count = 0;
    VECTORS_NEED("ethereum-basic");
    vectors_open(&vectors, "ethereum-basic");
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        char path[VECTORS_PATH_MAX];
        const char *name;
        json_t *object;
        vectors_format(path, "ethereum-basic/TrieTests/%s.json", files[i].file);
        json_t *root = vectors_json(&vectors, path);
        json_object_foreach(root, name, object)
        {
            vector_case(files[i].secure, object);
            count++;
        }
        json_decref(root);
    }
    vectors_close(&vectors);
    print_message("%zu trie vectors\n", count);
    assert_int_equal(count, 25);
}

/* --- properties --- */

/* A small world of keys with long common prefixes, some a prefix of others, and values on both
 * sides of the 32 bytes at which nodes are embedded. */
struct world {
    struct prng prng;
    bytes keys[UNIVERSE];
    bytes values[UNIVERSE]; /* data NULL: absent */
    struct arena arena;
};

static void world_init(struct world *world, u64 seed, bool fixed_len)
{
    prng_init(&world->prng, seed);
    arena_init(&world->arena, ARENA_BYTES);
    for (size_t i = 0; i < UNIVERSE; i++) {
        size_t len = fixed_len ? 4 : 1 + prng_below(&world->prng, 4);
        u8 key[4];
        for (size_t j = 0; j < len; j++) {
            static const u8 letters[] = {0x00, 0x01, 0x10, 0x11, 0xf0};
            key[j] = letters[prng_below(&world->prng, sizeof letters)];
        }
        world->keys[i] = arena_copy(&world->arena, bytes_make(key, len));
        world->values[i] = bytes_make(NULL, 0);
    }
}

static void world_set(struct world *world, size_t i, bytes value)
{
    for (size_t j = 0; j < UNIVERSE; j++) {
        if (bytes_eq(world->keys[j], world->keys[i])) {
            world->values[j] = value;
        }
    }
}

static void world_change(struct world *world, struct trie *trie)
{
    size_t i = prng_below(&world->prng, UNIVERSE);
    if (prng_chance(&world->prng, 2, 5)) {
        world_set(world, i, bytes_make(NULL, 0));
        assert_ok(trie_remove(trie, world->keys[i]));
        return;
    }
    u8 value[40];
    size_t len = prng_chance(&world->prng, 1, 2) ? 1 : sizeof value;
    prng_fill(&world->prng, value, len);
    value[0] |= 1;
    world_set(world, i, arena_copy(&world->arena, bytes_make(value, len)));
    assert_ok(trie_put(trie, world->keys[i], world->values[i]));
}

/* The same trie, built from nothing. */
static void world_rebuild(const struct world *world, struct store *store, struct hash *ret_root)
{
    struct arena arena;
    struct trie trie;
    struct hash empty = account_empty_root();
    struct trie_sink sink = sink_of(store);
    arena_init(&arena, ARENA_BYTES);
    trie_init(&trie, &arena, NULL, &empty);
    for (size_t i = UNIVERSE; i-- > 0;) {
        if (world->values[i].data != NULL) {
            assert_ok(trie_put(&trie, world->keys[i], world->values[i]));
        }
    }
    assert_ok(trie_commit(&trie, &sink, ret_root));
    arena_free(&arena);
}

static void world_check_values(const struct world *world, struct trie *trie)
{
    for (size_t i = 0; i < UNIVERSE; i++) {
        bytes value;
        assert_ok(trie_get(trie, world->keys[i], &value));
        if (value.data == NULL || world->values[i].data == NULL) {
            assert_ptr_equal(value.data, world->values[i].data);
        } else {
            assert_true(bytes_eq(value, world->values[i]));
        }
    }
}

static void run_world(u64 seed, bool fixed_len)
{
    struct world world;
    struct store store;
    struct hash root = account_empty_root();
    world_init(&world, seed, fixed_len);
    store_init(&store);
    for (int round = 0; round < ROUNDS; round++) {
        struct arena arena;
        struct trie trie;
        struct trie_source source = source_of(&store);
        struct trie_sink sink = sink_of(&store);
        arena_init(&arena, ARENA_BYTES);
        trie_init(&trie, &arena, &source, &root);
        for (u64 changes = prng_below(&world.prng, 6); changes > 0; changes--) {
            world_change(&world, &trie);
            if (prng_chance(&world.prng, 1, 4)) {
                struct hash between;
                assert_ok(trie_root(&trie, &between));
            }
        }
        world_check_values(&world, &trie);
        assert_ok(trie_commit(&trie, &sink, &root));
        struct store fresh;
        struct hash expected;
        store_init(&fresh);
        world_rebuild(&world, &fresh, &expected);
        assert_true(hash_eq(&root, &expected));
        assert_same_store(&store, &fresh);
        store_free(&fresh);
        arena_free(&arena);
    }
    store_free(&store);
    arena_free(&world.arena);
}

static void random_changes_equal_a_rebuild(void **state)
{
    (void)state;
    for (u64 seed = 1; seed <= 6; seed++) {
        run_world(seed, seed % 2 == 0);
    }
}

static void wrong_node_is_a_fault(void **state)
{
    (void)state;
    struct world world;
    struct store store;
    struct hash root;
    world_init(&world, 7, true);
    store_init(&store);
    for (size_t i = 0; i < UNIVERSE; i++) {
        world_set(&world, i, bytes_str("a value that is longer than a hash is"));
    }
    world_rebuild(&world, &store, &root);
    map_each (it, &store.nodes) {
        struct buf *node = it->value;
        node->data[node->len - 1] ^= 1;
    }
    struct arena arena;
    struct trie trie;
    struct trie_source source = source_of(&store);
    bytes value;
    arena_init(&arena, ARENA_BYTES);
    trie_init(&trie, &arena, &source, &root);
    assert_int_equal(trie_get(&trie, world.keys[0], &value).code, ERR_INTEGRITY);
    assert_int_equal(trie_put(&trie, world.keys[0], bytes_str("x")).code, ERR_INTEGRITY);
    arena_free(&arena);
    store_free(&store);
    arena_free(&world.arena);
}

static void full_arena_is_a_fault(void **state)
{
    (void)state;
    struct arena arena;
    struct trie trie;
    struct hash root = account_empty_root();
    u8 value[100] = {1};
    arena_init(&arena, 600);
    trie_init(&trie, &arena, NULL, &root);
    err e = ok();
    for (u8 i = 0; i < 10 && is_ok(e); i++) {
        e = trie_put(&trie, bytes_make(&i, 1), bytes_make(value, sizeof value));
    }
    assert_int_equal(e.code, ERR_LIMIT);
    arena_free(&arena);
}

/* --- proofs --- */

static void prove_and_verify(struct world *world, struct trie *trie, const struct hash *root,
                             bytes key, bytes expected)
{
    bytes nodes[TRIE_PATH_MAX + 1];
    size_t count;
    bytes value = bytes_make(NULL, 0);
    assert_ok(trie_prove(trie, key, nodes, &count));
    enum proof_verdict verdict = trie_verify_proof(root, key, nodes, count, &value);
    assert_int_equal(verdict, expected.data != NULL ? PROOF_PRESENT : PROOF_ABSENT);
    if (expected.data != NULL) {
        assert_true(bytes_eq(value, expected));
    }
    if (count == 0) {
        return;
    }
    assert_int_equal(trie_verify_proof(root, key, nodes, count - 1, &value), PROOF_INVALID);
    nodes[count] = nodes[0];
    assert_int_equal(trie_verify_proof(root, key, nodes, count + 1, &value), PROOF_INVALID);
    size_t victim = prng_below(&world->prng, count);
    u8 *broken = mem_alloc(nodes[victim].len);
    memcpy(broken, nodes[victim].data, nodes[victim].len);
    broken[prng_below(&world->prng, nodes[victim].len)] ^= (u8)(1 + prng_below(&world->prng, 255));
    nodes[victim].data = broken;
    assert_int_equal(trie_verify_proof(root, key, nodes, count, &value), PROOF_INVALID);
    mem_free(broken);
}

static void proofs_verify(void **state)
{
    (void)state;
    for (u64 seed = 20; seed < 30; seed++) {
        struct world world;
        struct arena arena;
        struct trie trie;
        struct hash root = account_empty_root();
        world_init(&world, seed, seed % 2 == 0);
        arena_init(&arena, ARENA_BYTES);
        trie_init(&trie, &arena, NULL, &root);
        for (u64 i = 0; i < 5 * seed; i++) {
            world_change(&world, &trie);
        }
        assert_ok(trie_root(&trie, &root));
        for (size_t i = 0; i < UNIVERSE; i++) {
            prove_and_verify(&world, &trie, &root, world.keys[i], world.values[i]);
        }
        arena_free(&arena);
        arena_free(&world.arena);
    }
}

static void proof_of_an_empty_trie(void **state)
{
    (void)state;
    struct hash root = account_empty_root();
    struct address address = {{1}};
    struct account account;
    struct hash storage_root;
    struct word word = {{9}};
    bytes extra = bytes_str("\x80");
    assert_int_equal(proof_account(&root, &address, NULL, 0, &account, &storage_root),
                     PROOF_ABSENT);
    assert_true(account_is_empty(&account));
    assert_true(hash_eq(&storage_root, &root));
    assert_int_equal(proof_slot(&storage_root, &root, NULL, 0, &word), PROOF_ABSENT);
    assert_int_equal(word.b[0], 0);
    assert_int_equal(proof_account(&root, &address, &extra, 1, &account, &storage_root),
                     PROOF_INVALID);
    struct hash other = {{1}};
    assert_int_equal(proof_account(&other, &address, NULL, 0, &account, &storage_root),
                     PROOF_INVALID);
}

/* The receipts root of an empty block and the transactions root of one with a known answer: a list
 * of one item is one leaf at path rlp(0). */
static void list_roots(void **state)
{
    (void)state;
    struct hash root;
    struct hash empty = account_empty_root();
    bytes items[300];
    u8 data[300];
    assert_ok(trie_root_of_list(NULL, 0, &root));
    assert_true(hash_eq(&root, &empty));
    struct hash last = empty;
    for (size_t i = 0; i < COUNT_OF(items); i++) {
        data[i] = (u8)(i + 1) | 1;
        items[i] = bytes_make(&data[i], 1);
        assert_ok(trie_root_of_list(items, i + 1, &root));
        assert_false(hash_eq(&root, &last));
        last = root;
    }
    struct arena arena;
    struct trie trie;
    static const u8 key[] = {0x80};
    arena_init(&arena, ARENA_BYTES);
    trie_init(&trie, &arena, NULL, &empty);
    assert_ok(trie_put(&trie, bytes_make(key, 1), items[0]));
    assert_ok(trie_root(&trie, &root));
    assert_ok(trie_root_of_list(items, 1, &last));
    assert_true(hash_eq(&root, &last));
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_changes_equal_a_rebuild),
        cmocka_unit_test(wrong_node_is_a_fault),
        cmocka_unit_test(full_arena_is_a_fault),
        cmocka_unit_test(proofs_verify),
        cmocka_unit_test(proof_of_an_empty_trie),
        cmocka_unit_test(list_roots),
        cmocka_unit_test(public_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

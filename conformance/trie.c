/* Merkle-Patricia tries: roots in every order of insertion, deletions, neighbours (TrieTests). */
#include "base/prng.h"
#include "conformance/fields.h"
#include "crypto/hash.h"
#include "ledger/exec/account.h"
#include "ledger/exec/trie.h"

#define TRIE_ARENA_BYTES MIB(64)
#define SHUFFLES 16

struct pair {
    bytes key;
    bytes value; /* data NULL: delete */
};

struct pairs {
    struct pair *list;
    size_t count;
    bool is_ordered; /* a list: later ones replace earlier ones */
};

/* "0x…" is hexadecimal, other text is itself, null is nothing. */
static bool read_text(const json_t *value, struct arena *arena, bytes *ret)
{
    if (json_is_null(value)) {
        *ret = bytes_make(NULL, 0);
        return true;
    }
    if (!json_is_string(value)) {
        return false;
    }
    bytes text = bytes_make(json_string_value(value), json_string_length(value));
    if (bytes_starts_with(text, bytes_str("0x"))) {
        return json_read_data(value, arena, ret);
    }
    *ret = arena_copy(arena, text);
    return ret->data != NULL;
}

static bool read_list(const json_t *in, struct arena *arena, struct pairs *ret)
{
    size_t i;
    json_t *entry;
    json_array_foreach(in, i, entry)
    {
        struct pair *pair = &ret->list[ret->count++];
        if (!read_text(json_array_get(entry, 0), arena, &pair->key) ||
            !read_text(json_array_get(entry, 1), arena, &pair->value)) {
            return false;
        }
    }
    return true;
}

static bool read_map(const json_t *in, struct arena *arena, struct pairs *ret)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)in, name, value)
    {
        struct pair *pair = &ret->list[ret->count++];
        json_t *key = json_string(name);
        bool is_key = read_text(key, arena, &pair->key);
        json_decref(key);
        if (!is_key || !read_text(value, arena, &pair->value)) {
            return false;
        }
    }
    return true;
}

static bool read_pairs(const json_t *in, struct arena *arena, struct pairs *ret)
{
    ret->list = ARENA_ARRAY(arena, struct pair, json_array_size(in) + json_object_size(in) + 1);
    ret->is_ordered = json_is_array(in);
    if (ret->list == NULL) {
        return false;
    }
    return ret->is_ordered ? read_list(in, arena, ret) : read_map(in, arena, ret);
}

static err apply(struct trie *trie, const struct pair *pair, bool is_secure)
{
    struct hash hashed;
    bytes key = pair->key;
    if (is_secure) {
        keccak256(&hashed, key);
        key = BYTES_OF(hashed);
    }
    return pair->value.data == NULL || pair->value.len == 0 ? trie_remove(trie, key)
                                                            : trie_put(trie, key, pair->value);
}

static err root_of(const struct pairs *pairs, bool is_secure, struct hash *ret_root)
{
    struct arena arena;
    struct trie trie;
    struct hash empty = account_empty_root();
    arena_init(&arena, TRIE_ARENA_BYTES);
    trie_init(&trie, &arena, NULL, &empty);
    err e = ok();
    for (size_t i = 0; i < pairs->count && is_ok(e); i++) {
        e = apply(&trie, &pairs->list[i], is_secure);
    }
    if (is_ok(e)) {
        e = trie_root(&trie, ret_root);
    }
    arena_free(&arena);
    return e;
}

static void shuffle(struct pairs *pairs, struct prng *prng)
{
    for (size_t i = pairs->count; i > 1; i--) {
        size_t j = prng_below(prng, i);
        struct pair moved = pairs->list[i - 1];
        pairs->list[i - 1] = pairs->list[j];
        pairs->list[j] = moved;
    }
}

static void check_root(struct results *results, const char *name, struct pairs *pairs,
                       bool is_secure, const struct hash *expected)
{
    struct prng prng;
    struct hash root;
    prng_init(&prng, 1);
    for (size_t round = 0; round < (pairs->is_ordered ? 1 : SHUFFLES); round++) {
        err e = root_of(pairs, is_secure, &root);
        if (!is_ok(e)) {
            results_fail(results, name, "fault", "%s", err_text(e));
            return;
        }
        if (!hash_eq(&root, expected)) {
            results_fail(results, name, "another root", "in order %zu", round);
            return;
        }
        shuffle(pairs, &prng);
    }
    results_root(results, name, &root);
    results_pass(results, name);
}

/* --- neighbours: [key, the one before, the one behind], "" for none --- */

static bool path_is(const struct trie_path *path, const char *key)
{
    struct trie_path expected = {.len = 0};
    for (const char *c = key; *c != '\0' && expected.len + 2 <= TRIE_PATH_MAX; c++) {
        expected.nibbles[expected.len++] = (u8)*c >> 4;
        expected.nibbles[expected.len++] = (u8)*c & 15;
    }
    return bytes_eq(bytes_make(path->nibbles, path->len),
                    bytes_make(expected.nibbles, expected.len));
}

static bool neighbours_are(struct trie *trie, const json_t *entry)
{
    const char *key = json_string_value(json_array_get(entry, 0));
    for (size_t i = 1; i <= 2; i++) {
        struct trie_path path;
        bool found;
        const char *expected = json_string_value(json_array_get(entry, i));
        if (key == NULL || expected == NULL ||
            !is_ok(trie_neighbour(trie, bytes_str(key), i == 2, &path, &found))) {
            return false;
        }
        if (found ? !path_is(&path, expected) : *expected != '\0') {
            return false;
        }
    }
    return true;
}

static err fill_keys(struct trie *trie, const json_t *in)
{
    size_t i;
    json_t *key;
    json_array_foreach(in, i, key)
    {
        if (!json_is_string(key) || json_string_length(key) == 0) {
            return fail(ERR_MALFORMED);
        }
        TRY(trie_put(trie, bytes_str(json_string_value(key)), bytes_str("value")));
    }
    return ok();
}

static void check_neighbours(struct results *results, const char *name, const json_t *test)
{
    struct arena arena;
    struct trie trie;
    struct hash empty = account_empty_root();
    size_t i;
    json_t *entry;
    bool is_right = true;
    arena_init(&arena, TRIE_ARENA_BYTES);
    trie_init(&trie, &arena, NULL, &empty);
    err e = fill_keys(&trie, json_object_get(test, "in"));
    json_array_foreach(json_object_get(test, "tests"), i, entry)
    {
        is_right = is_right && is_ok(e) && neighbours_are(&trie, entry);
    }
    if (is_ok(e) && is_right) {
        results_pass(results, name);
    } else {
        results_fail(results, name, "another neighbour", "%s", "");
    }
    arena_free(&arena);
}

static void run_test(struct results *results, const char *path, const char *name,
                     const json_t *test)
{
    struct arena arena;
    struct pairs pairs = {0};
    struct hash expected;
    bool is_secure = bytes_find(bytes_str(path), bytes_str("secure")) != SIZE_MAX;
    if (json_is_array(json_object_get(test, "tests"))) {
        check_neighbours(results, name, test);
        return;
    }
    arena_init(&arena, TRIE_ARENA_BYTES);
    if (!json_read_fixed(json_object_get(test, "root"), expected.b, sizeof expected.b) ||
        !read_pairs(json_object_get(test, "in"), &arena, &pairs)) {
        results_fail(results, name, "malformed test", "%s", "");
    } else {
        check_root(results, name, &pairs, is_secure, &expected);
    }
    arena_free(&arena);
}

static void run_document(struct results *results, const struct document *document)
{
    const char *name;
    json_t *test;
    json_t *root = fields_parse(results, document);
    json_object_foreach(root, name, test)
    {
        if (results_wants(results, name)) {
            run_test(results, document->path, name, test);
        }
    }
    json_decref(root);
}

const struct suite suite_trie = {
    .name = "trie",
    .summary = "Merkle-Patricia tries: roots in any order, deletions, neighbours (TrieTests)",
    .folder = "TrieTests",
    .ending = ".json",
    .document = run_document,
};

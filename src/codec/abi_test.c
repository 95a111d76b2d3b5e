#include "codec/abi.h"

#include "tests/support/vectors.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define ARENA_BYTES KIB(256)

static struct abi_entry parse(struct arena *arena, const char *signature)
{
    struct abi_entry entry;
    if (!is_ok(abi_parse(arena, signature, &entry))) {
        fail_msg("%s", signature);
    }
    return entry;
}

/* from_hex: digits into a buffer, blanks left out. */
static void from_hex(struct buf *out, const char *text)
{
    char pair[2];
    size_t have = 0;
    for (const char *at = text; *at != '\0'; at++) {
        if (*at != ' ') {
            pair[have++] = *at;
        }
        if (have == 2) {
            u8 byte;
            assert_true(hex_decode(&byte, 1, bytes_make(pair, 2)));
            buf_put_u8(out, byte);
            have = 0;
        }
    }
    assert_int_equal(have, 0);
}

/* Words of tests are written short: each number is one 32-byte word. */
static void put_words(struct buf *out, const u64 *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct abi_value value = abi_u64(words[i]);
        buf_put(out, BYTES_OF(value.word));
    }
}

#define WORDS(out, ...)                                                                            \
    put_words((out), (const u64[]){__VA_ARGS__}, COUNT_OF(((const u64[]){__VA_ARGS__})))

/* accepted: whether `in` decodes; if it does, it must encode to the same bytes. */
static bool accepted(const char *params, bytes in)
{
    struct arena arena;
    struct abi_value values[ABI_PARAMS_MAX];
    arena_init(&arena, ARENA_BYTES);
    struct abi_entry entry = parse(&arena, params);
    err e = abi_decode(&arena, entry.inputs, entry.input_count, in, values);
    assert_true(is_ok(e) || is_err(e, ERR_MALFORMED));
    if (is_ok(e)) {
        struct buf out;
        buf_init(&out, ARENA_BYTES);
        abi_encode(&out, entry.inputs, entry.input_count, values);
        assert_true(bytes_eq(buf_bytes(&out), in));
        buf_free(&out);
    }
    arena_free(&arena);
    return is_ok(e);
}

static bool accepted_words(const char *params, const u64 *words, size_t count)
{
    struct buf buf;
    buf_init(&buf, ARENA_BYTES);
    put_words(&buf, words, count);
    bool yes = accepted(params, buf_bytes(&buf));
    buf_free(&buf);
    return yes;
}

#define ACCEPTED(params, ...)                                                                      \
    accepted_words((params), (const u64[]){__VA_ARGS__}, COUNT_OF(((const u64[]){__VA_ARGS__})))

static bool accepted_hex(const char *params, const char *hex)
{
    struct buf buf;
    buf_init(&buf, ARENA_BYTES);
    from_hex(&buf, hex);
    bool yes = accepted(params, buf_bytes(&buf));
    buf_free(&buf);
    return yes;
}

static void signatures(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *canonical;
    } cases[] = {
        {"lease(uint64 bytes_, uint8 class, uint64 seconds) returns (uint64 id)",
         "lease(uint64,uint8,uint64)"},
        {"Leased(uint64 indexed territory, address indexed owner, uint64 bytes_)",
         "Leased(uint64,address,uint64)"},
        {" f ( ) ", "f()"},
        {"f((uint8 a, bytes32 b)[] items, string)", "f((uint8,bytes32)[],string)"},
        {"f((bytes32[] a, bytes b) t) returns ()", "f((bytes32[],bytes))"},
        {"_a$1(int8,int256,bytes1,bytes,bool[],address[] )",
         "_a$1(int8,int256,bytes1,bytes,bool[],address[])"},
    };
    struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buf out;
        buf_init(&out, 1000);
        struct abi_entry entry = parse(&arena, cases[i].text);
        abi_canonical(&entry, &out);
        assert_true(bytes_eq_str(buf_bytes(&out), cases[i].canonical));
        buf_free(&out);
    }
    struct abi_entry entry = parse(&arena, cases[0].text);
    assert_string_equal(entry.name, "lease");
    assert_int_equal(entry.input_count, 3);
    assert_string_equal(entry.inputs[1].name, "class");
    assert_int_equal(entry.inputs[1].size, 8);
    assert_int_equal(entry.output_count, 1);
    assert_string_equal(entry.outputs[0].name, "id");
    entry = parse(&arena, cases[1].text);
    assert_true(entry.inputs[0].indexed && entry.inputs[1].indexed && !entry.inputs[2].indexed);
    arena_free(&arena);
}

static void bad_signatures(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "f",
        "f(",
        "f)",
        "f()x",
        "f() returns",
        "f() return (uint8)",
        "1f()",
        "(uint8)",
        "f(uint)",
        "f(int)",
        "f(uint7)",
        "f(uint0)",
        "f(uint264)",
        "f(uint08)",
        "f(bytes0)",
        "f(bytes33)",
        "f(uint8[2])",
        "f(uint8[][])",
        "f(uint8,)",
        "f(,uint8)",
        "f(uint8 a b)",
        "f(uint8 uint8 indexed)",
        "f(())",
        "f(()[])",
        "f(((uint8)))",
        "f((uint8,(uint8)[]))",
        "f(fixed128x18)",
        "f(mapping)",
        "f(uint8;)",
        "f(bytes indexed a)",
        "f(uint8[] indexed a)",
        "f((uint8 indexed a) t)",
        "f((uint8 a) indexed t)",
        "f() returns () x",
        "f\n\r()",
        "f(uint8 indexed a,uint8 indexed b,uint8 indexed c,uint8 indexed d)",
        "f(uint8 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa()",
        ("f(bool,bool,bool,bool,bool,bool,bool,bool,bool,bool,bool,bool,bool,bool,bool,bool,bool,"
         "bool,bool,bool,bool,bool,bool,bool,bool)"),
    };
    struct arena arena;
    struct abi_entry entry;
    arena_init(&arena, ARENA_BYTES);
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        if (!is_err(abi_parse(&arena, texts[i], &entry), ERR_MALFORMED)) {
            fail_msg("%s", texts[i]);
        }
    }
    arena_free(&arena);
    arena_init(&arena, 100);
    assert_true(is_err(abi_parse(&arena, "f(uint8,uint8)", &entry), ERR_LIMIT));
    assert_true(is_err(abi_parse(&arena, "f(uint8[])", &entry), ERR_LIMIT));
    arena_free(&arena);
}

/* Selectors and the topic are those printed in the ERC-20 standard's and the ABI's documents. */
static void selectors(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        u8 selector[4];
    } cases[] = {
        {"transfer(address to, uint256 value) returns (bool)", {0xa9, 0x05, 0x9c, 0xbb}},
        {"baz(uint32,bool)", {0xcd, 0xcd, 0x77, 0xc0}},
        {"sam(bytes,bool,uint256[])", {0xa5, 0x64, 0x3b, 0xf2}},
        {"Error(string)", {0x08, 0xc3, 0x79, 0xa0}},
    };
    struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct abi_entry entry = parse(&arena, cases[i].text);
        assert_memory_equal(entry.selector, cases[i].selector, 4);
    }
    struct hash topic;
    struct abi_entry entry = parse(&arena, "Transfer(address indexed,address indexed,uint256)");
    assert_true(
        hex_decode(topic.b, 32,
                   bytes_str("ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef")));
    assert_true(hash_eq(&entry.topic, &topic));
    arena_free(&arena);
}

/* sam("dave", true, [1,2,3]): the example of the ABI specification. */
static void example_of_the_specification(void **state)
{
    (void)state;
    struct arena arena;
    struct buf expected;
    struct buf out;
    arena_init(&arena, ARENA_BYTES);
    buf_init(&expected, 1000);
    buf_init(&out, 1000);
    from_hex(&expected, "a5643bf2");
    WORDS(&expected, 0x60, 1, 0xa0, 4);
    from_hex(&expected, "6461766500000000000000000000000000000000000000000000000000000000");
    WORDS(&expected, 3, 1, 2, 3);
    struct abi_value items[] = {abi_u64(1), abi_u64(2), abi_u64(3)};
    struct abi_value values[] = {abi_bytes(bytes_str("dave")), abi_bool(true), abi_array(items, 3)};
    struct abi_entry entry = parse(&arena, "sam(bytes,bool,uint256[])");
    abi_encode_call(&out, &entry, values);
    assert_true(bytes_eq(buf_bytes(&out), buf_bytes(&expected)));
    struct abi_value back[3];
    bytes in = bytes_slice(buf_bytes(&out), 4, out.len - 4);
    assert_true(is_ok(abi_decode(&arena, entry.inputs, 3, in, back)));
    assert_true(bytes_eq_str(back[0].data, "dave"));
    assert_true(abi_as_bool(&back[1]));
    assert_int_equal(back[2].part_count, 3);
    assert_int_equal(abi_as_u64(&back[2].parts[2]), 3);
    buf_free(&out);
    buf_free(&expected);
    arena_free(&arena);
}

static void words_must_be_clean(void **state)
{
    (void)state;
    assert_true(ACCEPTED("f(uint8)", 255));
    assert_false(ACCEPTED("f(uint8)", 256));
    assert_true(ACCEPTED("f(uint64)", UINT64_MAX));
    assert_true(ACCEPTED("f(bool,bool)", 0, 1));
    assert_false(ACCEPTED("f(bool)", 2));
    assert_true(ACCEPTED("f(int8)", 127));
    assert_false(ACCEPTED("f(int8)", 128));
    static const char minus_128[] =
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff80";
    static const char minus_129[] =
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f";
    assert_true(accepted_hex("f(int8)", minus_128));
    assert_false(accepted_hex("f(int8)", minus_129));
    assert_true(accepted_hex("f(int16)", minus_129));
    assert_true(accepted_hex("f(uint256,int256)",
                             "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff "
                             "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"));
    static const char twenty[] = "000000000000000000000000ffffffffffffffffffffffffffffffffffffffff";
    static const char more[] = "000000000000000000000001ffffffffffffffffffffffffffffffffffffffff";
    assert_true(accepted_hex("f(address)", twenty));
    assert_false(accepted_hex("f(address)", more));
    static const char three[] = "6162630000000000000000000000000000000000000000000000000000000000";
    assert_true(accepted_hex("f(bytes3)", three));
    assert_true(accepted_hex("f(bytes32)", three));
    assert_false(accepted_hex("f(bytes2)", three));
}

static void lengths_must_be_exact(void **state)
{
    (void)state;
    assert_true(accepted("f()", bytes_make(NULL, 0)));
    assert_false(accepted("f()", bytes_str("x")));
    assert_false(accepted("f(uint8)", bytes_make(NULL, 0)));
    assert_false(accepted("f(uint8)", bytes_make("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
                                                 "\0\0\0\0\0\0\0\1",
                                                 31)));
    assert_false(ACCEPTED("f(uint8)", 1, 0));
    assert_true(ACCEPTED("f(bytes)", 0x20, 0));
    assert_false(ACCEPTED("f(bytes)", 0x20, 1));
    assert_false(ACCEPTED("f(bytes)", 0x20));
    assert_false(ACCEPTED("f(bytes)", 0x20, 0, 0));
    assert_false(ACCEPTED("f(bytes)", 0x20, 33, 0));
    assert_true(ACCEPTED("f(bytes)", 0x20, 32, 0));
    assert_true(ACCEPTED("f(bytes)", 0x20, 32, 1));
    assert_false(ACCEPTED("f(bytes)", 0x20, 31, 1)); /* the padding byte is 1 */
    assert_false(ACCEPTED("f(bytes)", 0x20, UINT64_MAX, 0));
    assert_false(ACCEPTED("f(bytes)", 0x20, UINT64_MAX - 30, 0));
    assert_true(ACCEPTED("f(uint8[])", 0x20, 2, 1, 2));
    assert_false(ACCEPTED("f(uint8[])", 0x20, 2, 1));
    assert_false(ACCEPTED("f(uint8[])", 0x20, 2, 1, 2, 3));
    assert_false(ACCEPTED("f(uint8[])", 0x20, 2, 1, 256));
    assert_false(ACCEPTED("f(uint8[])", 0x20, UINT64_MAX, 1));
    assert_false(ACCEPTED("f(uint8[])", 0x20, 1ULL << 59, 1));
    assert_false(accepted_hex("f(uint8[])",
                              "0000000000000000000000000000000000000000000000000000000000000020 "
                              "0000000000000000000000010000000000000000000000000000000000000000"));
}

static void offsets_must_be_canonical(void **state)
{
    (void)state;
    assert_true(ACCEPTED("f(bytes,bytes)", 0x40, 0x60, 0, 0));
    assert_false(ACCEPTED("f(bytes,bytes)", 0x60, 0x40, 0, 0));    /* swapped */
    assert_false(ACCEPTED("f(bytes,bytes)", 0x40, 0x40, 0));       /* shared */
    assert_false(ACCEPTED("f(bytes,bytes)", 0x60, 0x80, 0, 0, 0)); /* a gap */
    assert_false(ACCEPTED("f(bytes)", 0, 0));                      /* into itself */
    assert_false(ACCEPTED("f(bytes)", UINT64_MAX - 31, 0));
    assert_false(accepted_hex("f(bytes)",
                              "0100000000000000000000000000000000000000000000000000000000000020 "
                              "0000000000000000000000000000000000000000000000000000000000000000"));
    assert_true(ACCEPTED("f(bytes[])", 0x20, 2, 0x40, 0x60, 0, 0));
    assert_false(ACCEPTED("f(bytes[])", 0x20, 2, 0x40, 0x40, 0, 0));
}

static void tuples(void **state)
{
    (void)state;
    assert_true(ACCEPTED("f((uint8,bool) t)", 1, 1));
    assert_true(ACCEPTED("f((uint8,bool)[] t)", 0x20, 2, 1, 1, 2, 0));
    assert_false(ACCEPTED("f((uint8,bool)[] t)", 0x20, 2, 1, 1, 2, 2));
    assert_false(ACCEPTED("f((uint8,bool)[] t)", 0x20, 2, 1, 1, 2));
    assert_true(ACCEPTED("f((uint8,bytes) t)", 0x20, 1, 0x40, 0));
    assert_true(ACCEPTED("f((uint8,bytes)[] t)", 0x20, 2, 0x40, 0xa0, 1, 0x40, 0, 2, 0x40, 0));
    assert_false(ACCEPTED("f((uint8,bytes)[] t)", 0x20, 2, 0x40, 0x40, 1, 0x40, 0));
    assert_true(ACCEPTED("f((uint8[])[] t,uint8)", 0x40, 9, 1, 0x20, 0x20, 3, 1, 2, 3));
    struct arena arena;
    struct buf out;
    struct abi_value back;
    arena_init(&arena, ARENA_BYTES);
    buf_init(&out, 1000);
    struct abi_entry entry = parse(&arena, "f((uint8 a, string b)[] items)");
    struct abi_value first[] = {abi_u64(1), abi_bytes(bytes_str("one"))};
    struct abi_value second[] = {abi_u64(2), abi_bytes(bytes_str(""))};
    struct abi_value items[] = {abi_tuple(first, 2), abi_tuple(second, 2)};
    struct abi_value value = abi_array(items, 2);
    abi_encode(&out, entry.inputs, 1, &value);
    assert_true(is_ok(abi_decode(&arena, entry.inputs, 1, buf_bytes(&out), &back)));
    assert_int_equal(back.part_count, 2);
    assert_true(bytes_eq_str(back.parts[0].parts[1].data, "one"));
    assert_int_equal(abi_as_u64(&back.parts[1].parts[0]), 2);
    buf_free(&out);
    arena_free(&arena);
}

static void memory_is_bounded(void **state)
{
    (void)state;
    struct arena arena;
    struct abi_value value = {0};
    struct buf buf;
    buf_init(&buf, ARENA_BYTES);
    WORDS(&buf, 0x20, 1000);
    for (u64 i = 0; i < 1000; i++) {
        WORDS(&buf, 1);
    }
    arena_init(&arena, ARENA_BYTES);
    struct abi_entry entry = parse(&arena, "f((uint8 a)[] items)");
    size_t before = arena.used_bytes;
    assert_true(is_ok(abi_decode(&arena, entry.inputs, 1, buf_bytes(&buf), &value)));
    assert_true(arena.used_bytes - before <= 4 * buf.len);
    arena.limit_bytes = arena.used_bytes + 1000;
    struct abi_value other = {0};
    assert_true(is_err(abi_decode(&arena, entry.inputs, 1, buf_bytes(&buf), &other), ERR_LIMIT));
    assert_null(other.parts);
    arena_free(&arena);
    buf_free(&buf);
}

static void makers_and_readers(void **state)
{
    (void)state;
    struct address address;
    struct hash hash;
    memset(address.b, 0x11, sizeof address.b);
    memset(hash.b, 0x22, sizeof hash.b);
    struct abi_value value = abi_address(&address);
    struct address address_back = abi_as_address(&value);
    assert_true(address_eq(&address, &address_back));
    value = abi_hash(&hash);
    struct hash hash_back = abi_as_hash(&value);
    assert_true(hash_eq(&hash, &hash_back));
    value = abi_fixed(bytes_str("ab"));
    assert_memory_equal(value.word, "ab\0", 3);
    value = abi_bool(false);
    assert_false(abi_as_bool(&value));
    value = abi_u64(UINT64_MAX);
    assert_true(abi_as_u64(&value) == UINT64_MAX);
    struct buf out;
    struct buf expected;
    buf_init(&out, 1000);
    buf_init(&expected, 1000);
    abi_revert(&out, "no");
    from_hex(&expected, "08c379a0");
    WORDS(&expected, 0x20, 2);
    from_hex(&expected, "6e6f000000000000000000000000000000000000000000000000000000000000");
    assert_true(bytes_eq(buf_bytes(&out), buf_bytes(&expected)));
    buf_free(&expected);
    buf_free(&out);
    buf_init(&out, 40);
    abi_revert(&out, "too long for the buffer");
    assert_true(is_err(buf_done(&out), ERR_LIMIT));
    buf_free(&out);
}

static void events(void **state)
{
    (void)state;
    struct arena arena;
    struct buf data;
    struct hash topics[ABI_TOPICS_MAX];
    struct abi_value back[3];
    arena_init(&arena, ARENA_BYTES);
    buf_init(&data, 1000);
    struct abi_entry entry =
        parse(&arena, "Leased(uint64 indexed territory, string name, uint8 indexed class)");
    struct abi_value values[] = {abi_u64(7), abi_bytes(bytes_str("x")), abi_u64(3)};
    size_t count = abi_encode_event(topics, &data, &entry, values);
    assert_int_equal(count, 3);
    assert_true(hash_eq(&topics[0], &entry.topic));
    assert_int_equal(topics[2].b[31], 3);
    bytes in = buf_bytes(&data);
    assert_true(is_ok(abi_decode_event(&arena, &entry, topics, count, in, back)));
    assert_int_equal(abi_as_u64(&back[0]), 7);
    assert_true(bytes_eq_str(back[1].data, "x"));
    assert_int_equal(abi_as_u64(&back[2]), 3);
    assert_false(is_ok(abi_decode_event(&arena, &entry, topics, 2, in, back)));
    assert_false(is_ok(abi_decode_event(&arena, &entry, topics, 4, in, back)));
    assert_false(is_ok(abi_decode_event(&arena, &entry, topics, 0, in, back)));
    topics[2].b[0] = 1;
    assert_false(is_ok(abi_decode_event(&arena, &entry, topics, count, in, back)));
    topics[2].b[0] = 0;
    in.len--;
    assert_false(is_ok(abi_decode_event(&arena, &entry, topics, count, in, back)));
    in.len++;
    topics[0].b[0] ^= 1;
    assert_false(is_ok(abi_decode_event(&arena, &entry, topics, count, in, back)));
    buf_free(&data);
    arena_free(&arena);
}

/* Public vectors (ethereum/tests, ABITests) */

static struct abi_value value_of(const struct abi_type *type, const json_t *arg,
                                 struct arena *arena)
{
    if (type->kind == ABI_ARRAY) {
        size_t count = json_array_size(arg);
        struct abi_value *items = ARENA_ARRAY(arena, struct abi_value, count);
        assert_non_null(items);
        for (size_t i = 0; i < count; i++) {
            items[i] = abi_u64((u64)json_integer_value(json_array_get(arg, i)));
        }
        return abi_array(items, count);
    }
    if (json_is_integer(arg)) {
        return abi_u64((u64)json_integer_value(arg));
    }
    bytes text = bytes_str(json_string_value(arg));
    if (type->kind == ABI_ADDRESS) {
        struct address address;
        assert_true(hex_decode_0x(address.b, sizeof address.b, text));
        return abi_address(&address);
    }
    return type->kind == ABI_FIXED_BYTES ? abi_fixed(text) : abi_bytes(text);
}

static void check_case(const json_t *object, struct arena *arena)
{
    struct buf signature;
    struct buf out;
    struct abi_value values[ABI_PARAMS_MAX];
    buf_init(&signature, 1000);
    buf_init(&out, ARENA_BYTES);
    const json_t *types = json_object_get(object, "types");
    const json_t *args = json_object_get(object, "args");
    for (size_t i = 0; i < json_array_size(types); i++) {
        buf_put_str(&signature, i == 0 ? "f(" : ",");
        buf_put_str(&signature, json_string_value(json_array_get(types, i)));
    }
    buf_put(&signature, bytes_make(")", 2));
    struct abi_entry entry = parse(arena, (const char *)signature.data);
    for (size_t i = 0; i < entry.input_count; i++) {
        values[i] = value_of(&entry.inputs[i], json_array_get(args, i), arena);
    }
    abi_encode(&out, entry.inputs, entry.input_count, values);
    struct vectors_bytes expected = vectors_hex(object, "result");
    assert_true(bytes_eq(buf_bytes(&out), vectors_view(&expected)));
    assert_true(accepted((const char *)signature.data, vectors_view(&expected)));
    mem_free(expected.data);
    buf_free(&out);
    buf_free(&signature);
}

static void public_vectors(void **state)
{
    (void)state;
    struct vectors vectors;
    struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    VECTORS_NEED("ethereum-basic");
    vectors_open(&vectors, "ethereum-basic");
    json_t *root = vectors_json(&vectors, "ethereum-basic/ABITests/basic_abi_tests.json");
    const char *name;
    json_t *object;
    json_object_foreach(root, name, object) { check_case(object, &arena); }
    assert_int_equal(json_object_size(root), 3);
    json_decref(root);
    vectors_close(&vectors);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signatures),
        cmocka_unit_test(bad_signatures),
        cmocka_unit_test(selectors),
        cmocka_unit_test(example_of_the_specification),
        cmocka_unit_test(words_must_be_clean),
        cmocka_unit_test(lengths_must_be_exact),
        cmocka_unit_test(offsets_must_be_canonical),
        cmocka_unit_test(tuples),
        cmocka_unit_test(memory_is_bounded),
        cmocka_unit_test(makers_and_readers),
        cmocka_unit_test(events),
        cmocka_unit_test(public_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Arguments: whatever decodes is canonical, so it encodes to the same bytes, in memory of at most
 * four times the input. Signatures: a canonical text parses to itself. */
#include "codec/abi.h"

#include "base/assert.h"

#define ARENA_BYTES MIB(16)
#define SIGNATURE_MAX 2000

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static const char *const signatures[] = {
    "a(uint8,uint64,uint256,int8,int256,address,bool,bytes4,bytes32)",
    "b(bytes,string)",
    "c(uint8[],bytes[],address[])",
    "d((uint8 a, bytes32 b)[] items)",
    "e((uint64 a, bytes b, uint8[] c)[] items, string d)",
    "f((bool a, int16 b) pair, (string c) text, uint8 d)",
    "g(string[])",
    "h()",
    "I(uint64 indexed a, bytes b, address indexed c)",
};

static void check_arguments(const struct abi_entry *entry, bytes in)
{
    struct arena arena;
    struct abi_value values[ABI_PARAMS_MAX];
    arena_init(&arena, ARENA_BYTES);
    if (is_ok(abi_decode(&arena, entry->inputs, entry->input_count, in, values))) {
        struct buf out;
        buf_init(&out, in.len);
        abi_encode(&out, entry->inputs, entry->input_count, values);
        assert_that(bytes_eq(buf_bytes(&out), in));
        assert_that(arena.used_bytes <= 4 * in.len);
        buf_free(&out);
    }
    arena_free(&arena);
}

/* check_event: the input is topics without the first, as many as its first byte says, and data. */
static void check_event(const struct abi_entry *entry, bytes in)
{
    struct arena arena;
    struct abi_value values[ABI_PARAMS_MAX];
    struct hash topics[ABI_TOPICS_MAX] = {entry->topic};
    struct hash back[ABI_TOPICS_MAX];
    size_t count = in.len > 0 ? 1 + in.data[0] % ABI_TOPICS_MAX : 1;
    size_t topic_bytes = (count - 1) * sizeof *topics;
    if (in.len < 1 + topic_bytes) {
        return;
    }
    memcpy(topics + 1, in.data + 1, topic_bytes);
    bytes data = bytes_slice(in, 1 + topic_bytes, in.len - 1 - topic_bytes);
    arena_init(&arena, ARENA_BYTES);
    if (is_ok(abi_decode_event(&arena, entry, topics, count, data, values))) {
        struct buf out;
        buf_init(&out, data.len);
        assert_that(abi_encode_event(back, &out, entry, values) == count);
        assert_that(memcmp(back, topics, count * sizeof *topics) == 0);
        assert_that(bytes_eq(buf_bytes(&out), data));
        buf_free(&out);
    }
    arena_free(&arena);
}

static void check_signature(struct arena *arena, bytes in)
{
    struct abi_entry entry;
    struct abi_entry again;
    const char *text = arena_str(arena, bytes_slice(in, 0, min_size(in.len, SIGNATURE_MAX)));
    assert_that(text != NULL);
    if (!is_ok(abi_parse(arena, text, &entry))) {
        return;
    }
    struct buf canonical;
    struct buf twice;
    buf_init(&canonical, KIB(16));
    buf_init(&twice, KIB(16));
    abi_canonical(&entry, &canonical);
    buf_put_u8(&canonical, 0);
    assert_that(is_ok(abi_parse(arena, (const char *)canonical.data, &again)));
    abi_canonical(&again, &twice);
    buf_put_u8(&twice, 0);
    assert_that(bytes_eq(buf_bytes(&canonical), buf_bytes(&twice)));
    assert_that(hash_eq(&entry.topic, &again.topic));
    buf_free(&canonical);
    buf_free(&twice);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct arena arena;
    struct abi_entry entry;
    bytes in = bytes_make(data + 1, size - 1);
    arena_init(&arena, ARENA_BYTES);
    if (data[0] < COUNT_OF(signatures)) {
        assert_that(is_ok(abi_parse(&arena, signatures[data[0]], &entry)));
        check_arguments(&entry, in);
        check_event(&entry, in);
    } else {
        check_signature(&arena, in);
    }
    arena_free(&arena);
    return 0;
}

/* Only canonical encodings are accepted: writing what was read gives the same bytes. */
#include "codec/rlp.h"

#include "base/assert.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

struct level {
    bytes left;   /* items of this list that are still to come */
    size_t begin; /* of this list in the output */
};

/* copy_items: walks all items below the payload and writes them again. */
static void copy_items(struct buf *out, bytes payload)
{
    static struct level levels[RLP_DEPTH_MAX];
    size_t depth = 0;
    levels[depth++] = (struct level){.left = payload, .begin = rlp_list_begin(out)};
    while (depth > 0) {
        struct level *level = &levels[depth - 1];
        struct rlp_item item;
        if (level->left.len == 0) {
            rlp_list_end(out, level->begin);
            depth--;
            continue;
        }
        assert_that(is_ok(rlp_next(&level->left, &item)));
        if (!item.is_list) {
            rlp_put_bytes(out, item.payload);
            continue;
        }
        assert_that(depth < RLP_DEPTH_MAX);
        levels[depth++] = (struct level){.left = item.payload, .begin = rlp_list_begin(out)};
    }
}

/* check_integers: what reads as an integer is written as the same item. */
static void check_integers(bytes in)
{
    struct buf out;
    u8 word[32];
    u64 v;
    buf_init(&out, 64);
    bytes rest = in;
    if (is_ok(rlp_next_u64(&rest, &v))) {
        rlp_put_u64(&out, v);
        assert_that(bytes_eq(buf_bytes(&out), bytes_slice(in, 0, in.len - rest.len)));
    }
    buf_clear(&out);
    rest = in;
    if (is_ok(rlp_next_uint256(&rest, word))) {
        rlp_put_uint256(&out, word);
        assert_that(bytes_eq(buf_bytes(&out), bytes_slice(in, 0, in.len - rest.len)));
    }
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    bytes in = bytes_make(data, size);
    struct rlp_item item;
    check_integers(in);
    if (!is_ok(rlp_single(in, &item))) {
        return 0;
    }
    struct buf out;
    buf_init(&out, size + 16);
    if (item.is_list) {
        copy_items(&out, item.payload);
    } else {
        rlp_put_bytes(&out, item.payload);
    }
    assert_that(bytes_eq(buf_bytes(&out), in) && bytes_eq(item.raw, in));
    buf_free(&out);
    return 0;
}

#include "data/fragment_writer.h"

#include "base/assert.h"

#define RANGE_LEAVES_MAX (FRAGMENT_RANGE_BYTES_MAX / LEAF_BYTES)

void fragment_writer_init(struct fragment_writer *writer, struct hash *leaves, u32 leaves_max)
{
    merkle_builder_init(&writer->tree);
    writer->leaves = leaves;
    writer->leaves_max = leaves_max;
    writer->length = 0;
}

static void add_leaf(struct fragment_writer *writer, const u8 *data, size_t len)
{
    struct hash leaf;
    merkle_leaf(&leaf, bytes_make(data, len));
    if (writer->leaves != NULL) {
        assert_that(writer->tree.leaf_count < writer->leaves_max);
        writer->leaves[writer->tree.leaf_count] = leaf;
    }
    merkle_builder_add(&writer->tree, &leaf);
}

/* fill_pending: moves bytes behind those that wait for the rest of their leaf. */
static size_t fill_pending(struct fragment_writer *writer, bytes in)
{
    size_t held = writer->length % LEAF_BYTES;
    size_t taken = min_size(in.len, LEAF_BYTES - held);
    memcpy(writer->pending + held, in.data, taken);
    writer->length += (u32)taken;
    if (held + taken == LEAF_BYTES) {
        add_leaf(writer, writer->pending, LEAF_BYTES);
    }
    return taken;
}

err fragment_writer_add(struct fragment_writer *writer, bytes in)
{
    if (in.len > FRAGMENT_BYTES_MAX - writer->length) {
        return fail(ERR_LIMIT);
    }
    size_t at = 0;
    while (at < in.len) {
        bool on_border = writer->length % LEAF_BYTES == 0;
        if (on_border && in.len - at >= LEAF_BYTES) {
            add_leaf(writer, in.data + at, LEAF_BYTES);
            writer->length += (u32)LEAF_BYTES;
            at += LEAF_BYTES;
        } else {
            at += fill_pending(writer, bytes_slice(in, at, in.len - at));
        }
    }
    return ok();
}

u32 fragment_writer_finish(struct fragment_writer *writer, struct hash *ret_root)
{
    size_t held = writer->length % LEAF_BYTES;
    if (held > 0) {
        add_leaf(writer, writer->pending, held);
    }
    merkle_builder_root(&writer->tree, ret_root);
    return (u32)writer->tree.leaf_count;
}

void fragment_leaves_add(struct merkle_builder *tree, bytes in)
{
    for (size_t at = 0; at < in.len; at += LEAF_BYTES) {
        struct hash leaf;
        merkle_leaf(&leaf, bytes_make(in.data + at, min_size(in.len - at, LEAF_BYTES)));
        merkle_builder_add(tree, &leaf);
    }
}

static bool range_is_whole_leaves(u32 length, u32 offset, size_t len)
{
    if (len == 0 || len > FRAGMENT_RANGE_BYTES_MAX || offset >= length || len > length - offset) {
        return false;
    }
    u64 end = (u64)offset + len;
    return offset % LEAF_BYTES == 0 && (end % LEAF_BYTES == 0 || end == length);
}

bool fragment_range_verify(const struct hash *root, u32 length, u32 offset, bytes data,
                           const struct hash *path, size_t path_len)
{
    struct hash leaves[RANGE_LEAVES_MAX];
    u32 count = 0;
    if (!range_is_whole_leaves(length, offset, data.len)) {
        return false;
    }
    for (size_t at = 0; at < data.len; at += LEAF_BYTES) {
        size_t len = min_size(data.len - at, LEAF_BYTES);
        merkle_leaf(&leaves[count++], bytes_make(data.data + at, len));
    }
    return merkle_range_verify(root, leaves, offset / LEAF_BYTES, count, fragment_leaves(length),
                               path, path_len);
}

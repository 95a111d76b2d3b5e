/* What parses, written again, parses to the same tree; any bytes at all can be written as text. */
#include "codec/xml.h"

#include "base/assert.h"

#define ARENA_BYTES MIB(64)

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

/* write_tree: text first, then the children. The tree is at most XML_DEPTH_MAX deep. */
static void write_tree(struct buf *out, const struct xml_node *root)
{
    const struct xml_node *open[XML_DEPTH_MAX];
    size_t depth = 0;
    const struct xml_node *node = root;
    for (;;) {
        while (node != NULL) {
            assert_that(depth < XML_DEPTH_MAX);
            xml_open(out, node->name);
            xml_put_text(out, node->text);
            open[depth++] = node;
            node = node->first_child;
        }
        assert_that(depth > 0);
        node = open[--depth];
        xml_close(out, node->name);
        node = node->next;
        if (node == NULL && depth == 0) {
            return;
        }
    }
}

static void check_tree(bytes in)
{
    struct arena arena;
    struct xml_node *root;
    arena_init(&arena, ARENA_BYTES);
    if (is_ok(xml_parse(&arena, in, &root))) {
        struct buf once;
        struct buf twice;
        struct xml_node *again;
        buf_init(&once, MIB(64));
        buf_init(&twice, MIB(64));
        assert_that(root->next == NULL && arena.used_bytes <= 25 * in.len);
        write_tree(&once, root);
        assert_that(is_ok(xml_parse(&arena, buf_bytes(&once), &again)));
        write_tree(&twice, again);
        assert_that(is_ok(buf_done(&twice)) && bytes_eq(buf_bytes(&once), buf_bytes(&twice)));
        buf_free(&once);
        buf_free(&twice);
    }
    arena_free(&arena);
}

static void check_text(bytes in)
{
    struct arena arena;
    struct xml_node *root;
    struct buf once;
    struct buf twice;
    arena_init(&arena, ARENA_BYTES);
    buf_init(&once, MIB(64));
    buf_init(&twice, MIB(64));
    xml_element(&once, "t", in);
    assert_that(is_ok(xml_parse(&arena, buf_bytes(&once), &root)));
    assert_that(root->first_child == NULL);
    xml_element(&twice, "t", root->text);
    assert_that(bytes_eq(buf_bytes(&once), buf_bytes(&twice)));
    buf_free(&once);
    buf_free(&twice);
    arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    check_tree(bytes_make(data, size));
    check_text(bytes_make(data, size));
    return 0;
}

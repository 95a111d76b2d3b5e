/* Layouts from LMDB 0.9.24, libraries/liblmdb/mdb.c: MDB_page, MDB_node, MDB_db, MDB_meta. */
#include "os/kv_check.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "os/file.h"
#include "os/kv.h"

#define META_MAGIC 0xBEEFC0DEU
#define META_VERSION 1U
#define META_COUNT 2
#define PAGE_BYTES_MIN 512
#define PAGE_BYTES_MAX 32768
#define DEPTH_MAX 32
#define NO_PAGE UINT64_MAX

/* Page header: number 8, padding 2, flags 2, then two u16 (bounds of the free space) or one u32
 * (how many overflow pages); then a u16 per node: where it starts. */
#define HEADER_BYTES 16
#define PAGE_BRANCH 0x01
#define PAGE_LEAF 0x02
#define PAGE_OVERFLOW 0x04
#define PAGE_META 0x08
#define PAGE_KINDS 0x6f

/* Node header: low and high half of the data size (leaf) or, with the flags, of the child's page
 * number (branch); flags; key length. Key and data follow. */
#define NODE_BYTES 8
#define NODE_BIG 0x01  /* the data is the number of an overflow page */
#define NODE_TREE 0x02 /* the data is a tree record */

/* Tree record: padding 4, flags 2, depth 2, branch pages 8, leaf pages 8, overflow pages 8,
 * entries 8, root 8. */
#define TREE_BYTES 48
/* Meta: magic 4, version 4, address 8, map size 8, two tree records (free pages, names), last
 * page 8, transaction 8. The padding of the first tree record is the page size. */
#define META_TREES 24
#define META_BYTES (META_TREES + 2 * TREE_BYTES + 16)

struct tree {
    u64 branch_pages;
    u64 leaf_pages;
    u64 overflow_pages;
    u64 entries;
    u64 root;
    unsigned depth;
};

struct meta {
    u64 page_bytes;
    struct tree free_pages;
    struct tree names;
    u64 last_page;
    u64 txn;
};

struct level {
    u8 *page;
    unsigned nodes;
    unsigned next; /* node to visit */
};

struct walk {
    struct file *file;
    const char *path;
    u64 file_bytes;
    struct meta meta;
    u64 seen_pages; /* more than there are means a cycle */
    struct tree tables[KV_TABLES_MAX];
    unsigned table_count;
    /* Of the tree being walked. */
    bool integer_keys;
    bool holds_trees;
    struct tree counted;
    bool has_key;
    size_t key_len;
    u8 key[KV_KEY_BYTES_MAX]; /* the greatest so far */
    struct level levels[DEPTH_MAX];
    unsigned depth; /* levels in use */
};

static u16 load_le16(const void *p)
{
    u16 v;
    memcpy(&v, p, sizeof v);
    return v;
}

static struct tree parse_tree(const u8 *p)
{
    return (struct tree){.depth = load_le16(p + 6),
                         .branch_pages = load_le64(p + 8),
                         .leaf_pages = load_le64(p + 16),
                         .overflow_pages = load_le64(p + 24),
                         .entries = load_le64(p + 32),
                         .root = load_le64(p + 40)};
}

static bool parse_meta(const u8 *page, struct meta *ret)
{
    const u8 *p = page + HEADER_BYTES;
    if ((load_le16(page + 10) & PAGE_KINDS) != PAGE_META || load_le32(p) != META_MAGIC ||
        load_le32(p + 4) != META_VERSION) {
        return false;
    }
    *ret = (struct meta){.page_bytes = load_le32(p + META_TREES),
                         .free_pages = parse_tree(p + META_TREES),
                         .names = parse_tree(p + META_TREES + TREE_BYTES),
                         .last_page = load_le64(p + META_TREES + (u64)2 * TREE_BYTES),
                         .txn = load_le64(p + META_TREES + (u64)2 * TREE_BYTES + 8)};
    u64 size = ret->page_bytes;
    return size >= PAGE_BYTES_MIN && size <= PAGE_BYTES_MAX && (size & (size - 1)) == 0 &&
           ret->last_page < UINT64_MAX / PAGE_BYTES_MAX - 1;
}

/* The newest meta page, as LMDB chooses it: the first one if they are equally new. */
static err read_meta(struct file *file, bool *ret_valid, struct meta *ret_meta)
{
    u8 page[HEADER_BYTES + META_BYTES];
    struct meta metas[META_COUNT];
    *ret_valid = false;
    for (u64 i = 0; i < META_COUNT; i++) {
        size_t len;
        TRY(file_read_some(file, i == 0 ? 0 : metas[0].page_bytes, page, sizeof page, &len));
        if (len != sizeof page || !parse_meta(page, &metas[i]) ||
            metas[i].page_bytes != metas[0].page_bytes) {
            return ok();
        }
    }
    *ret_valid = true;
    *ret_meta = metas[metas[0].txn < metas[1].txn];
    return ok();
}

static err look(struct file *file, enum kv_file_state *ret_state, u64 *ret_bytes)
{
    struct meta meta;
    bool valid;
    TRY(file_size(file, ret_bytes));
    TRY(read_meta(file, &valid, &meta));
    if (!valid) {
        *ret_state = *ret_bytes == 0 ? KV_FILE_ABSENT : KV_FILE_NO_META;
    } else {
        bool whole = *ret_bytes / meta.page_bytes > meta.last_page;
        *ret_state = whole ? KV_FILE_WHOLE : KV_FILE_SHORT;
    }
    return ok();
}

err kv_file_look(const char *path, enum kv_file_state *ret_state, u64 *ret_bytes)
{
    struct file *file;
    err e = file_open(path, FILE_READ, &file);
    if (is_err(e, ERR_NOT_FOUND)) {
        *ret_state = KV_FILE_ABSENT;
        *ret_bytes = 0;
        return ok();
    }
    TRY(e);
    e = look(file, ret_state, ret_bytes);
    file_close(file);
    return e;
}

static err damaged(const struct walk *walk, u64 page, const char *what)
{
    log_error("os", "%s is damaged: page %llu: %s", walk->path, (unsigned long long)page, what);
    return fail(ERR_INTEGRITY);
}

/* Counts `count` pages from `page` as used; they must lie in the file. */
static err use_pages(struct walk *walk, u64 page, u64 count)
{
    u64 in_file = walk->file_bytes / walk->meta.page_bytes;
    u64 last = walk->meta.last_page;
    if (page < META_COUNT || page > last || count > last - page + 1) {
        return damaged(walk, page, "no such page");
    }
    if (page >= in_file || count > in_file - page) {
        return damaged(walk, page, "behind the end of the file");
    }
    walk->seen_pages += count;
    return walk->seen_pages <= last + 1 - META_COUNT ? ok() : damaged(walk, page, "used twice");
}

static err check_overflow(struct walk *walk, u64 page, u64 data_bytes)
{
    u8 header[HEADER_BYTES];
    u64 needed = (HEADER_BYTES + data_bytes - 1) / walk->meta.page_bytes + 1;
    TRY(use_pages(walk, page, 1));
    TRY(file_read_at(walk->file, page * walk->meta.page_bytes, header, sizeof header));
    u64 count = load_le32(header + 12); /* more than needed if a larger value was there before */
    if (load_le64(header) != page || (load_le16(header + 10) & PAGE_KINDS) != PAGE_OVERFLOW ||
        count < needed) {
        return damaged(walk, page, "no overflow page of that size");
    }
    walk->counted.overflow_pages += count;
    return count == 1 ? ok() : use_pages(walk, page + 1, count - 1);
}

static const u8 *node_at(const struct level *level, unsigned i)
{
    return level->page + load_le16(level->page + HEADER_BYTES + (size_t)2 * i);
}

static bytes node_key(const u8 *node) { return bytes_make(node + NODE_BYTES, load_le16(node + 6)); }

/* What a leaf node holds in the page itself. */
static u64 node_inline_bytes(const u8 *node)
{
    return (load_le16(node + 4) & NODE_BIG) ? sizeof(u64) : load_le32(node);
}

static bool node_fits(const struct walk *walk, const struct level *level, unsigned i, bool is_leaf)
{
    u64 size = walk->meta.page_bytes;
    u64 start = load_le16(level->page + HEADER_BYTES + (size_t)2 * i);
    if (start < load_le16(level->page + 14) || start + NODE_BYTES > size) {
        return false;
    }
    const u8 *node = level->page + start;
    u64 end = start + NODE_BYTES + load_le16(node + 6) + (is_leaf ? node_inline_bytes(node) : 0);
    return load_le16(node + 6) <= KV_KEY_BYTES_MAX && end <= size;
}

/* Reads a branch or leaf page into a new level. */
static err enter_page(struct walk *walk, u64 page, unsigned kind)
{
    struct level *level = &walk->levels[walk->depth];
    u64 size = walk->meta.page_bytes;
    TRY(use_pages(walk, page, 1));
    if (level->page == NULL) {
        level->page = mem_alloc((size_t)size);
    }
    TRY(file_read_at(walk->file, page * size, level->page, (size_t)size));
    unsigned lower = load_le16(level->page + 12);
    unsigned upper = load_le16(level->page + 14);
    if (load_le64(level->page) != page || (load_le16(level->page + 10) & PAGE_KINDS) != kind) {
        return damaged(walk, page, kind == PAGE_LEAF ? "no leaf" : "no branch");
    }
    if (lower < HEADER_BYTES || lower % 2 != 0 || lower > upper || upper > size) {
        return damaged(walk, page, "wrong bounds");
    }
    level->nodes = (lower - HEADER_BYTES) / 2;
    level->next = 0;
    for (unsigned i = 0; i < level->nodes; i++) {
        if (!node_fits(walk, level, i, kind == PAGE_LEAF)) {
            return damaged(walk, page, "an entry lies outside");
        }
    }
    if (level->nodes == 0) {
        return damaged(walk, page, "no entries");
    }
    walk->depth++;
    return ok();
}

static bool key_is_greater(const struct walk *walk, bytes key)
{
    if (walk->integer_keys) {
        return key.len == sizeof(u64) &&
               (!walk->has_key || load_le64(key.data) > load_le64(walk->key));
    }
    return key.len > 0 &&
           (!walk->has_key || bytes_cmp(key, bytes_make(walk->key, walk->key_len)) > 0);
}

static err visit_entry(struct walk *walk, u64 page, const u8 *node)
{
    bytes key = node_key(node);
    unsigned flags = load_le16(node + 4);
    const u8 *data = key.data + key.len;
    if (!key_is_greater(walk, key)) {
        return damaged(walk, page, "keys out of order");
    }
    memcpy(walk->key, key.data, key.len);
    walk->key_len = key.len;
    walk->has_key = true;
    walk->counted.entries++;
    if (flags & NODE_BIG) {
        TRY(check_overflow(walk, load_le64(data), load_le32(node)));
    }
    if (!walk->holds_trees) {
        return (flags & NODE_TREE) ? damaged(walk, page, "a tree inside a table") : ok();
    }
    if (flags != NODE_TREE || load_le32(node) != TREE_BYTES || walk->table_count == KV_TABLES_MAX) {
        return damaged(walk, page, "no record of a table");
    }
    walk->tables[walk->table_count++] = parse_tree(data);
    return ok();
}

static err visit_leaf(struct walk *walk, u64 page)
{
    struct level *leaf = &walk->levels[walk->depth - 1];
    walk->counted.leaf_pages++;
    for (unsigned i = 0; i < leaf->nodes; i++) {
        TRY(visit_entry(walk, page, node_at(leaf, i)));
    }
    walk->depth--;
    return ok();
}

/* Enters a page at the present depth; leaves are done at once. */
static err visit_page(struct walk *walk, const struct tree *tree, u64 page)
{
    bool is_leaf = walk->depth + 1 == tree->depth;
    TRY(enter_page(walk, page, is_leaf ? PAGE_LEAF : PAGE_BRANCH));
    if (is_leaf) {
        return visit_leaf(walk, page);
    }
    walk->counted.branch_pages++;
    return ok();
}

static u64 child_page(const u8 *node)
{
    return (u64)load_le32(node) | (u64)load_le16(node + 4) << 32;
}

static err walk_tree(struct walk *walk, const struct tree *tree)
{
    walk->counted = (struct tree){.depth = tree->depth, .root = tree->root};
    walk->has_key = false;
    walk->depth = 0;
    if (tree->root != NO_PAGE) {
        if (tree->depth < 1 || tree->depth > DEPTH_MAX) {
            return damaged(walk, tree->root, "impossible depth");
        }
        TRY(visit_page(walk, tree, tree->root));
    }
    while (walk->depth > 0) {
        struct level *branch = &walk->levels[walk->depth - 1];
        if (branch->next == branch->nodes) {
            walk->depth--;
        } else {
            TRY(visit_page(walk, tree, child_page(node_at(branch, branch->next++))));
        }
    }
    const struct tree *c = &walk->counted;
    bool counts = c->entries == tree->entries && c->leaf_pages == tree->leaf_pages &&
                  c->branch_pages == tree->branch_pages &&
                  c->overflow_pages == tree->overflow_pages;
    return counts ? ok() : damaged(walk, tree->root, "counts of the tree do not match");
}

static err walk_all(struct walk *walk)
{
    bool valid;
    TRY(file_size(walk->file, &walk->file_bytes));
    TRY(read_meta(walk->file, &valid, &walk->meta));
    if (!valid) {
        return damaged(walk, 0, "no meta page");
    }
    walk->integer_keys = true;
    TRY(walk_tree(walk, &walk->meta.free_pages));
    walk->integer_keys = false;
    walk->holds_trees = true;
    TRY(walk_tree(walk, &walk->meta.names));
    walk->holds_trees = false;
    for (unsigned i = 0; i < walk->table_count; i++) {
        TRY(walk_tree(walk, &walk->tables[i]));
    }
    return ok();
}

err kv_file_walk(const char *path)
{
    struct walk *walk = MEM_NEW(struct walk);
    walk->path = path;
    err e = file_open(path, FILE_READ, &walk->file);
    if (is_ok(e)) {
        e = walk_all(walk);
        e = is_err(e, ERR_MALFORMED) ? fail(ERR_INTEGRITY) : e; /* it shrank meanwhile */
    }
    file_close(walk->file);
    for (unsigned i = 0; i < DEPTH_MAX; i++) {
        mem_free(walk->levels[i].page);
    }
    mem_free(walk);
    return e;
}

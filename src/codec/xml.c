#include "codec/xml.h"

#include "base/assert.h"
#include "base/mem.h"

#include <expat.h>
#include <limits.h>

/* Expat joins namespace, local name and prefix by this byte, which a name cannot contain. */
#define SEPARATOR '\n'
#define XSI_TYPE "http://www.w3.org/2001/XMLSchema-instance\ntype"

/* An element that is open. Its text is collected here, because children may come between runs. */
struct open_element {
    struct xml_node *node;
    struct xml_node *last_child;
    struct buf text;
};

struct parse {
    XML_Parser expat;
    struct arena *arena;
    struct xml_node *root;
    struct open_element open[XML_DEPTH_MAX];
    size_t depth;
    size_t elements;
    err fault; /* the first; after it handlers do nothing */
};

static void stop(struct parse *parse, enum err_code code)
{
    if (is_ok(parse->fault)) {
        parse->fault = fail(code);
        XML_StopParser(parse->expat, XML_FALSE);
    }
}

static const char *local_name(const char *name)
{
    const char *at = strrchr(name, SEPARATOR);
    return at != NULL ? at + 1 : name;
}

/* make_node: NULL if the arena is full. */
static struct xml_node *make_node(struct arena *arena, const char *name, const char **attributes)
{
    struct xml_node *node = ARENA_NEW(arena, struct xml_node);
    if (node == NULL) {
        return NULL;
    }
    node->name = arena_str(arena, bytes_str(local_name(name)));
    if (node->name == NULL) {
        return NULL;
    }
    for (size_t i = 0; attributes[i] != NULL; i += 2) {
        if (strcmp(attributes[i], XSI_TYPE) == 0) {
            node->type = arena_str(arena, bytes_str(attributes[i + 1]));
            return node->type != NULL ? node : NULL;
        }
    }
    return node;
}

static void on_start(void *ctx, const char *name, const char **attributes)
{
    struct parse *parse = ctx;
    if (!is_ok(parse->fault)) {
        return;
    }
    if (parse->depth == XML_DEPTH_MAX || parse->elements == XML_ELEMENTS_MAX) {
        stop(parse, ERR_MALFORMED);
        return;
    }
    struct xml_node *node = make_node(parse->arena, name, attributes);
    if (node == NULL) {
        stop(parse, ERR_LIMIT);
        return;
    }
    parse->elements++;
    if (parse->depth == 0) {
        parse->root = node;
    } else {
        struct open_element *parent = &parse->open[parse->depth - 1];
        if (parent->last_child != NULL) {
            parent->last_child->next = node;
        } else {
            parent->node->first_child = node;
        }
        parent->last_child = node;
    }
    struct open_element *element = &parse->open[parse->depth++];
    element->node = node;
    element->last_child = NULL;
    buf_clear(&element->text);
}

static void on_text(void *ctx, const char *text, int len)
{
    struct parse *parse = ctx;
    if (is_ok(parse->fault)) {
        assert_that(parse->depth > 0);
        buf_put(&parse->open[parse->depth - 1].text, bytes_make(text, (size_t)len));
    }
}

static void on_end(void *ctx, const char *name)
{
    (void)name; /* expat has checked it */
    struct parse *parse = ctx;
    if (!is_ok(parse->fault)) {
        return;
    }
    assert_that(parse->depth > 0);
    struct open_element *element = &parse->open[--parse->depth];
    element->node->text = arena_copy(parse->arena, buf_bytes(&element->text));
    if (element->text.failed || element->node->text.data == NULL) {
        stop(parse, ERR_LIMIT);
    }
}

static void on_doctype(void *ctx, const char *name, const char *system_id, const char *public_id,
                       int has_subset)
{
    (void)name;
    (void)system_id;
    (void)public_id;
    (void)has_subset;
    stop(ctx, ERR_MALFORMED);
}

static XML_Parser make_expat(struct parse *parse)
{
    static const XML_Memory_Handling_Suite memory = {mem_alloc, mem_resize, mem_free};
    static const char separator[] = {SEPARATOR, '\0'};
    XML_Parser expat = XML_ParserCreate_MM("UTF-8", &memory, separator);
    assert_that(expat != NULL);
    XML_SetUserData(expat, parse);
    XML_SetElementHandler(expat, on_start, on_end);
    XML_SetCharacterDataHandler(expat, on_text);
    XML_SetStartDoctypeDeclHandler(expat, on_doctype);
    return expat;
}

err xml_parse(struct arena *arena, bytes text, struct xml_node **ret_root)
{
    /* A zero byte: expat would go over to UTF-16, whatever it was told to expect. */
    if (text.len == 0 || text.len > INT_MAX || memchr(text.data, 0, text.len) != NULL) {
        return fail(ERR_MALFORMED);
    }
    struct parse *parse = MEM_NEW(struct parse);
    parse->arena = arena;
    parse->expat = make_expat(parse);
    for (size_t i = 0; i < XML_DEPTH_MAX; i++) {
        /* Without declared entities text never grows by being parsed. */
        buf_init(&parse->open[i].text, text.len);
    }
    enum XML_Status status =
        XML_Parse(parse->expat, (const char *)text.data, (int)text.len, XML_TRUE);
    err e = parse->fault;
    if (is_ok(e) && status != XML_STATUS_OK) {
        e = fail(ERR_MALFORMED);
    }
    if (is_ok(e)) {
        *ret_root = parse->root;
    }
    XML_ParserFree(parse->expat);
    for (size_t i = 0; i < XML_DEPTH_MAX; i++) {
        buf_free(&parse->open[i].text);
    }
    mem_free(parse);
    return e;
}

const struct xml_node *xml_child(const struct xml_node *node, const char *name)
{
    const struct xml_node *child = node != NULL ? node->first_child : NULL;
    while (child != NULL && strcmp(child->name, name) != 0) {
        child = child->next;
    }
    return child;
}

bytes xml_child_text(const struct xml_node *node, const char *name)
{
    const struct xml_node *child = xml_child(node, name);
    return child != NULL ? child->text : bytes_make(NULL, 0);
}

void xml_put_declaration(struct buf *out)
{
    buf_put_str(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
}

void xml_open(struct buf *out, const char *name)
{
    buf_put_u8(out, '<');
    buf_put_str(out, name);
    buf_put_u8(out, '>');
}

void xml_open_ns(struct buf *out, const char *name, const char *xmlns)
{
    buf_put_u8(out, '<');
    buf_put_str(out, name);
    buf_put_str(out, " xmlns=\"");
    buf_put_str(out, xmlns);
    buf_put_str(out, "\">");
}

void xml_close(struct buf *out, const char *name)
{
    buf_put_str(out, "</");
    buf_put_str(out, name);
    buf_put_u8(out, '>');
}

/* escape: the replacement of an ASCII byte, or NULL if it stands for itself. */
static const char *escape(u8 c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&apos;";
    case '\t':
        return "&#9;";
    case '\n':
        return "&#10;";
    case '\r':
        return "&#13;";
    default:
        return c < 0x20 ? "\xef\xbf\xbd" : NULL;
    }
}

/* utf8_len: length of the well-formed UTF-8 sequence (Unicode table 3-7) of more than one byte at
 * the start of `text`, or 0. */
static size_t utf8_len(bytes text)
{
    u8 first = text.data[0];
    size_t len = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || text.len < len) {
        return 0;
    }
    for (size_t i = 1; i < len; i++) {
        if ((text.data[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    u8 second = text.data[1];
    bool overlong = (first == 0xe0 && second < 0xa0) || (first == 0xf0 && second < 0x90);
    bool surrogate = first == 0xed && second >= 0xa0;
    bool too_high = first == 0xf4 && second >= 0x90;
    return overlong || surrogate || too_high ? 0 : len;
}

/* put_char: writes the character at the start of `text`; how many bytes of it that took. */
static size_t put_char(struct buf *out, bytes text)
{
    if (text.data[0] < 0x80) {
        const char *instead = escape(text.data[0]);
        if (instead != NULL) {
            buf_put_str(out, instead);
        } else {
            buf_put(out, bytes_slice(text, 0, 1));
        }
        return 1;
    }
    size_t len = utf8_len(text);
    bool not_a_char =
        len == 3 && text.data[0] == 0xef && text.data[1] == 0xbf && text.data[2] >= 0xbe;
    if (len == 0 || not_a_char) {
        buf_put_str(out, "\xef\xbf\xbd");
    } else {
        buf_put(out, bytes_slice(text, 0, len));
    }
    return max_size(len, 1);
}

void xml_put_text(struct buf *out, bytes text)
{
    for (size_t i = 0; i < text.len;) {
        i += put_char(out, bytes_slice(text, i, text.len - i));
    }
}

void xml_element(struct buf *out, const char *name, bytes text)
{
    xml_open(out, name);
    xml_put_text(out, text);
    xml_close(out, name);
}

void xml_element_u64(struct buf *out, const char *name, u64 v)
{
    xml_open(out, name);
    buf_format(out, "%llu", (unsigned long long)v);
    xml_close(out, name);
}

/* xml.h: small XML documents in (expat) and out.
 *
 * xml_parse() builds a tree in an arena. DTDs and entity declarations, depth over 32, more than
 * 100,000 elements and anything not well-formed are refused; attributes other than xmlns, xsi:* and
 * xmlns:* are kept out. Text is UTF-8; character data of an element is the concatenation of its runs.
 */
#ifndef CODEC_XML_H
#define CODEC_XML_H

#include "base/arena.h"
#include "base/buf.h"

struct xml_node {
    const char *name; /* local name, without a namespace prefix */
    bytes text;
    const char *type; /* value of xsi:type, or NULL */
    struct xml_node *first_child;
    struct xml_node *next;
};

err xml_parse(struct arena *arena, bytes text, struct xml_node **ret_root);
/* xml_child: the first child of that name, or NULL. xml_child_text: its text; data NULL if absent. */
const struct xml_node *xml_child(const struct xml_node *node, const char *name);
bytes xml_child_text(const struct xml_node *node, const char *name);

/* Writers. xml_put_text escapes & < > " ' and control bytes as character references where XML 1.0
 * allows them (tab, CR, LF); bytes that it does not allow are written as U+FFFD. */
void xml_put_declaration(struct buf *out);
void xml_open(struct buf *out, const char *name);
void xml_open_ns(struct buf *out, const char *name, const char *xmlns);
void xml_close(struct buf *out, const char *name);
void xml_put_text(struct buf *out, bytes text);
/* xml_element: <name>text</name>. */
void xml_element(struct buf *out, const char *name, bytes text);
void xml_element_u64(struct buf *out, const char *name, u64 v);

#endif

/* xml.h: small XML documents in (expat) and out.
 *
 * xml_parse() builds a tree in an arena. DTDs and with them entity declarations, depth over
 * XML_DEPTH_MAX, more than XML_ELEMENTS_MAX elements, text that is not UTF-8 (whatever the
 * declaration says) and anything not well-formed, namespaces included, are refused. Attributes
 * other than xsi:type are read and forgotten. Character data of an element is the concatenation of
 * its runs, white space between children included; CDATA is text, comments and processing
 * instructions are dropped.
 *
 * The tree has no parent links and holds copies: the input may go away. Its memory is at
 * most 25 times the input's length, and the arena bounds it.
 */
#ifndef CODEC_XML_H
#define CODEC_XML_H

#include "base/arena.h"
#include "base/buf.h"

#define XML_DEPTH_MAX 32
#define XML_ELEMENTS_MAX 100000

struct xml_node {
    const char *name; /* local name, without a namespace prefix */
    bytes text;       /* never NULL data; empty if there is none */
    const char *type; /* value of xsi:type, or NULL */
    struct xml_node *first_child;
    struct xml_node *next;
};

/* xml_parse: ERR_MALFORMED for whatever is refused, ERR_LIMIT if the arena is full. */
err xml_parse(struct arena *arena, bytes text, struct xml_node **ret_root);
/* xml_child: the first child of that name, or NULL. xml_child_text: its text; data NULL if absent.
 * Both take NULL as a node without children. */
const struct xml_node *xml_child(const struct xml_node *node, const char *name);
bytes xml_child_text(const struct xml_node *node, const char *name);

/* Writers. Names and namespaces are the program's own constants and are written as they are. */
void xml_put_declaration(struct buf *out);
void xml_open(struct buf *out, const char *name);
void xml_open_ns(struct buf *out, const char *name, const char *xmlns);
void xml_close(struct buf *out, const char *name);
/* xml_put_text escapes & < > " ' and control bytes as character references where XML 1.0 allows
 * them (tab, CR, LF); what it does not allow (other control bytes, bytes that are no UTF-8,
 * surrogates, U+FFFE and U+FFFF) is written as U+FFFD. */
void xml_put_text(struct buf *out, bytes text);
/* xml_element: <name>text</name>. */
void xml_element(struct buf *out, const char *name, bytes text);
void xml_element_u64(struct buf *out, const char *name, u64 v);

#endif

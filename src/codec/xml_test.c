#include "codec/xml.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define ARENA_BYTES MIB(16)
#define XSI "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\""

static void reads_a_tree(void **state)
{
    (void)state;
    static const char text[] =
        "<?xml version=\"1.0\"?>\n"
        "<!-- c --><Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
        "<Quiet>true</Quiet><Object><Key>a &amp; b</Key></Object>"
        "<p:Object xmlns:p=\"urn:x\"><p:Key><![CDATA[<c>]]>&#100;</p:Key></p:Object></Delete>";
    struct arena arena;
    struct xml_node *root;
    arena_init(&arena, ARENA_BYTES);
    assert_true(is_ok(xml_parse(&arena, bytes_str(text), &root)));
    assert_string_equal(root->name, "Delete");
    assert_null(root->next);
    assert_null(root->type);
    assert_true(bytes_eq_str(xml_child_text(root, "Quiet"), "true"));
    const struct xml_node *object = xml_child(root, "Object");
    assert_true(bytes_eq_str(xml_child_text(object, "Key"), "a & b"));
    assert_string_equal(object->next->name, "Object");
    assert_true(bytes_eq_str(xml_child_text(object->next, "Key"), "<c>d"));
    assert_null(object->next->next);
    assert_null(xml_child(root, "Key"));
    assert_null(xml_child_text(root, "Key").data);
    assert_null(xml_child(NULL, "Key"));
    assert_null(xml_child_text(NULL, "Key").data);
    arena_free(&arena);
}

static void reads_types_and_mixed_text(void **state)
{
    (void)state;
    static const char text[] = "<G a=\"1\" " XSI "><E b=\"2\" xsi:type=\"CanonicalUser\" c=\"3\"/>"
                               "one<E type=\"x\">in</E>two\r\n<!-- - --><?p i?>three</G>";
    struct arena arena;
    struct xml_node *root;
    arena_init(&arena, ARENA_BYTES);
    assert_true(is_ok(xml_parse(&arena, bytes_str(text), &root)));
    assert_string_equal(root->first_child->type, "CanonicalUser");
    assert_non_null(root->first_child->text.data);
    assert_int_equal(root->first_child->text.len, 0);
    assert_null(root->first_child->next->type);
    assert_true(bytes_eq_str(root->text, "onetwo\nthree"));
    arena_free(&arena);
}

static void hostile_text_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        " ",
        "<a>",
        "</a>",
        "<a></b>",
        "<a/><b/>",
        "<a/>x",
        "x<a/>",
        "<a b=1/>",
        "<a b='1' b='2'/>",
        "<a>&nbsp;</a>",
        "<a>&#0;</a>",
        "<a>&#xd800;</a>",
        "<a>\x01</a>",
        "<a>\xff</a>",
        "<a>\xc0\x80</a>",
        "<p:a/>",
        "<a>]]></a>",
        "<!DOCTYPE a><a/>",
        "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>",
        "<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>",
        "<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><a>&x;</a>",
        "<!DOCTYPE a [<!ENTITY % x \"<!ENTITY y 'z'>\">%x;]><a/>",
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><a>\xe4</a>",
        "<?xml version=\"2.0",
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct arena arena;
        struct xml_node *root = NULL;
        arena_init(&arena, ARENA_BYTES);
        assert_true(is_err(xml_parse(&arena, bytes_str(texts[i]), &root), ERR_MALFORMED));
        assert_null(root);
        arena_free(&arena);
    }
    struct arena arena;
    struct xml_node *root = NULL;
    arena_init(&arena, ARENA_BYTES);
    assert_false(is_ok(xml_parse(&arena, bytes_make("<a>\0</a>", 8), &root)));
    assert_false(is_ok(xml_parse(&arena, bytes_make("\xff\xfe<\0a\0/\0>\0", 10), &root)));
    arena_free(&arena);
}

static err parse_many(size_t count, const char *open, const char *close, size_t arena_bytes)
{
    struct buf buf;
    struct arena arena;
    struct xml_node *root;
    buf_init(&buf, MIB(4));
    arena_init(&arena, arena_bytes);
    buf_put_str(&buf, "<r>");
    for (size_t i = 0; i < count; i++) {
        buf_put_str(&buf, open);
    }
    for (size_t i = 0; i < count; i++) {
        buf_put_str(&buf, close);
    }
    buf_put_str(&buf, "</r>");
    err e = xml_parse(&arena, buf_bytes(&buf), &root);
    buf_free(&buf);
    arena_free(&arena);
    return e;
}

static void size_is_limited(void **state)
{
    (void)state;
    assert_true(is_ok(parse_many(XML_DEPTH_MAX - 1, "<a>", "</a>", ARENA_BYTES)));
    assert_true(is_err(parse_many(XML_DEPTH_MAX, "<a>", "</a>", ARENA_BYTES), ERR_MALFORMED));
    assert_true(is_err(parse_many(100000, "<a>", "</a>", ARENA_BYTES), ERR_MALFORMED));
    assert_true(is_ok(parse_many(XML_ELEMENTS_MAX - 1, "<a/>", "", ARENA_BYTES)));
    assert_true(is_err(parse_many(XML_ELEMENTS_MAX, "<a/>", "", ARENA_BYTES), ERR_MALFORMED));
    assert_true(is_err(parse_many(1000, "<a/>", "", 4000), ERR_LIMIT));
    assert_true(is_err(parse_many(1000, "text", "", 3000), ERR_LIMIT));
    /* the arena promised by the header */
    assert_true(is_ok(parse_many(1000, "<a/>", "", 25 * 4000)));
}

static void writes(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 1000);
    xml_put_declaration(&buf);
    xml_open_ns(&buf, "A", "http://x/");
    xml_element(&buf, "B", bytes_str("<&>\"'\t\r\n"));
    xml_open(&buf, "C");
    xml_element_u64(&buf, "D", UINT64_MAX);
    xml_element(&buf, "E", bytes_str(""));
    xml_close(&buf, "C");
    xml_close(&buf, "A");
    assert_true(bytes_eq_str(buf_bytes(&buf),
                             "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<A xmlns=\"http://x/\">"
                             "<B>&lt;&amp;&gt;&quot;&apos;&#9;&#13;&#10;</"
                             "B><C><D>18446744073709551615</D><E></E></C></A>"));
    buf_free(&buf);
}

#define BAD "\xef\xbf\xbd"

static void text_is_always_writable(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        size_t len;
        const char *out;
    } cases[] = {
        {"\0\x01\x1f\x7f", 4, BAD BAD BAD "\x7f"},
        {"\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80", 9, "\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80"},
        {"\xc3", 1, BAD},
        {"\xe2\x82<", 3, BAD BAD "&lt;"},
        {"\xc0\x80", 2, BAD BAD},                    /* overlong */
        {"\xe0\x9f\xbf", 3, BAD BAD BAD},            /* overlong */
        {"\xf0\x8f\xbf\xbf", 4, BAD BAD BAD BAD},    /* overlong */
        {"\xed\xa0\x80", 3, BAD BAD BAD},            /* surrogate */
        {"\xf4\x90\x80\x80", 4, BAD BAD BAD BAD},    /* over U+10FFFF */
        {"\xf4\x8f\xbf\xbf", 4, "\xf4\x8f\xbf\xbf"}, /* U+10FFFF */
        {"\xef\xbf\xbe\xef\xbf\xbf", 6, BAD BAD},    /* U+FFFE, U+FFFF */
        {"\xff\x80", 2, BAD BAD},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buf buf;
        struct arena arena;
        struct xml_node *root;
        buf_init(&buf, 1000);
        arena_init(&arena, ARENA_BYTES);
        xml_put_text(&buf, bytes_make(cases[i].in, cases[i].len));
        assert_true(bytes_eq_str(buf_bytes(&buf), cases[i].out));
        buf_clear(&buf);
        xml_element(&buf, "t", bytes_make(cases[i].in, cases[i].len));
        assert_true(is_ok(xml_parse(&arena, buf_bytes(&buf), &root)));
        buf_free(&buf);
        arena_free(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_tree),    cmocka_unit_test(reads_types_and_mixed_text),
        cmocka_unit_test(size_is_limited), cmocka_unit_test(hostile_text_is_refused),
        cmocka_unit_test(writes),          cmocka_unit_test(text_is_always_writable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "net/websocket.h"

#include "base/mem.h"
#include "net/http_parse.h"
#include "tests/support/check.h"

#include <stdio.h>

#define MESSAGE_BYTES_MAX 1000

/* A client's frame: first byte, masked payload with the shortest length. */
static void put_masked(struct buf *out, u8 first, bytes payload)
{
    static const u8 mask[4] = {0x37, 0xfa, 0x21, 0x3d};
    buf_put_u8(out, first);
    if (payload.len < 126) {
        buf_put_u8(out, (u8)(0x80 | payload.len));
    } else if (payload.len <= UINT16_MAX) {
        buf_put_u8(out, 0x80 | 126);
        buf_put_be16(out, (u16)payload.len);
    } else {
        buf_put_u8(out, 0x80 | 127);
        buf_put_be64(out, payload.len);
    }
    buf_put(out, BYTES_OF(mask));
    for (size_t i = 0; i < payload.len; i++) {
        buf_put_u8(out, payload.data[i] ^ mask[i % 4]);
    }
}

/* What came out, as text: "text(hello) ping(x) close(1000)". */
static void trace(struct buf *out, const struct ws_receiver *receiver, enum ws_event event)
{
    const char *name = "";
    switch (event) {
    case WS_MORE:
        return;
    case WS_MESSAGE:
        name = receiver->is_text ? "text" : "binary";
        break;
    case WS_PING:
        name = "ping";
        break;
    case WS_PONG:
        name = "pong";
        break;
    case WS_CLOSE:
    case WS_FAILED:
        buf_format(out, "%s(%u%s%s) ", event == WS_CLOSE ? "close" : "fail", receiver->status,
                   event == WS_FAILED ? " " : "", event == WS_FAILED ? receiver->reason : "");
        return;
    }
    buf_format(out, "%s(%.*s) ", name, (int)receiver->payload.len,
               receiver->payload.len != 0 ? (const char *)receiver->payload.data : "");
}

/* Feeds `in` in pieces of `step`. */
static void feed(struct buf *out, bytes in, size_t step)
{
    struct ws_receiver receiver;
    ws_receiver_init(&receiver, MESSAGE_BYTES_MAX);
    enum ws_event event = WS_MORE;
    while (in.len > 0 && event != WS_FAILED && event != WS_CLOSE) {
        bytes piece = bytes_slice(in, 0, min_size(step, in.len));
        in = bytes_slice(in, piece.len, in.len - piece.len);
        do {
            event = ws_receive(&receiver, &piece);
            trace(out, &receiver, event);
        } while (event != WS_MORE && event != WS_FAILED && event != WS_CLOSE);
        assert_true(event != WS_MORE || piece.len == 0);
    }
    assert_int_equal(ws_receive(&receiver, &in), event == WS_MORE ? WS_MORE : event);
    ws_receiver_free(&receiver);
}

static void check_trace(bytes in, const char *expected)
{
    for (size_t step = 1; step < 9; step++) {
        struct buf out;
        buf_init(&out, KIB(64));
        feed(&out, in, step == 8 ? in.len + 1 : step);
        buf_put_u8(&out, 0);
        assert_string_equal((const char *)out.data, expected);
        buf_free(&out);
    }
}

/* Frames as the test writes them: first byte in hexadecimal, payload after it. */
struct frame {
    u8 first;
    const char *payload;
};

static void check_frames(const char *expected, const struct frame *frames, size_t count)
{
    struct buf in;
    buf_init(&in, KIB(64));
    for (size_t i = 0; i < count; i++) {
        put_masked(&in, frames[i].first, bytes_str(frames[i].payload));
    }
    check_trace(buf_bytes(&in), expected);
    buf_free(&in);
}

#define CHECK_FRAMES(expected, ...)                                                                \
    check_frames(expected, (const struct frame[]){__VA_ARGS__},                                    \
                 COUNT_OF(((const struct frame[]){__VA_ARGS__})))

/* RFC 6455 5.7: "Hello" masked, fragmented, beside a ping. */
static void examples_of_the_rfc(void **state)
{
    (void)state;
    static const u8 masked[] = {0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58};
    check_trace(BYTES_OF(masked), "text(Hello) ");
    static const u8 unmasked[] = {0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f};
    check_trace(BYTES_OF(unmasked), "fail(1002 frame without a mask) ");
    CHECK_FRAMES("text(Hello) ", {0x01, "Hel"}, {0x80, "lo"});
    CHECK_FRAMES("ping(Hello) pong(Hello) ", {0x89, "Hello"}, {0x8a, "Hello"});
    u8 head[WS_FRAME_HEAD_BYTES_MAX];
    check_hex(bytes_make(head, ws_frame_head(head, WS_OP_TEXT, 5)), "8105");
    check_hex(bytes_make(head, ws_frame_head(head, WS_OP_BINARY, 256)), "827e0100");
    check_hex(bytes_make(head, ws_frame_head(head, WS_OP_BINARY, 65536)), "827f0000000000010000");
    check_hex(bytes_make(head, ws_frame_head(head, WS_OP_PONG, 125)), "8a7d");
    check_hex(bytes_make(head, ws_frame_head(head, WS_OP_TEXT, 126)), "817e007e");
    check_hex(bytes_make(head, ws_frame_head(head, WS_OP_TEXT, 65535)), "817effff");
}

static void fragments(void **state)
{
    (void)state;
    CHECK_FRAMES("text() ", {0x81, ""});
    CHECK_FRAMES("binary() text(x) ", {0x02, ""}, {0x00, ""}, {0x80, ""}, {0x81, "x"});
    CHECK_FRAMES("ping(p) pong() text(abc) ", {0x01, "a"}, {0x89, "p"}, {0x00, "b"}, {0x8a, ""},
                 {0x80, "c"});
    CHECK_FRAMES("close(1005) ", {0x01, "a"}, {0x88, ""}, {0x80, "late"});
    CHECK_FRAMES("fail(1002 continuation of nothing) ", {0x80, "a"});
    CHECK_FRAMES("fail(1002 continuation of nothing) ", {0x00, "a"});
    CHECK_FRAMES("text(a) fail(1002 continuation of nothing) ", {0x81, "a"}, {0x80, "b"});
    CHECK_FRAMES("fail(1002 message inside a message) ", {0x01, "a"}, {0x81, "b"});
    CHECK_FRAMES("fail(1002 message inside a message) ", {0x01, "a"}, {0x02, "b"});
}

static void reserved_bits_and_opcodes(void **state)
{
    (void)state;
    for (unsigned bits = 0x10; bits < 0x80; bits += 0x10) {
        CHECK_FRAMES("fail(1002 reserved bits) ", {(u8)(0x81 | bits), "a"});
    }
    for (u8 opcode = 3; opcode < 16; opcode++) {
        if (opcode < 8 || opcode > 10) {
            CHECK_FRAMES("fail(1002 unknown opcode) ", {(u8)(0x80 | opcode), "a"});
        }
    }
    for (u8 opcode = 8; opcode < 11; opcode++) {
        CHECK_FRAMES("fail(1002 fragmented control frame) ", {opcode, "a"});
    }
}

static void long_control_frames(void **state)
{
    (void)state;
    char text[127];
    memset(text, 'x', sizeof text);
    for (u8 opcode = 8; opcode < 11; opcode++) {
        struct buf in;
        buf_init(&in, KIB(1));
        put_masked(&in, 0x80 | opcode, bytes_make(text, 126));
        check_trace(buf_bytes(&in), "fail(1002 long control frame) ");
        buf_free(&in);
    }
    text[125] = 0;
    struct buf expected;
    buf_init(&expected, KIB(1));
    buf_format(&expected, "ping(%s) ", text);
    buf_put_u8(&expected, 0);
    CHECK_FRAMES((const char *)expected.data, {0x89, text});
    buf_free(&expected);
}

static void lengths_in_their_shortest_form(void **state)
{
    (void)state;
    static const u8 zero_in_16[] = {0x81, 0xfe, 0, 0, 1, 2, 3, 4};
    static const u8 bad_16[] = {0x81, 0xfe, 0, 125, 1, 2, 3, 4};
    static const u8 bad_64[] = {0x81, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 1, 2, 3, 4};
    static const u8 top_bit[] = {0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4};
    check_trace(BYTES_OF(zero_in_16), "fail(1002 length of a frame) ");
    check_trace(BYTES_OF(bad_16), "fail(1002 length of a frame) ");
    check_trace(BYTES_OF(bad_64), "fail(1002 length of a frame) ");
    check_trace(BYTES_OF(top_bit), "fail(1002 length of a frame) ");
}

/* The limit holds for whole messages, before a byte of the frame that breaks it was stored. */
static void limit_of_a_message(void **state)
{
    (void)state;
    static const u8 huge[] = {0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff,
                              0xff, 0xff, 0xff, 1,    2,    3,    4};
    check_trace(BYTES_OF(huge), "fail(1009 message too large) ");
    u8 *data = mem_alloc(MESSAGE_BYTES_MAX + 1);
    for (size_t first = 0; first <= MESSAGE_BYTES_MAX; first += 250) {
        for (size_t extra = 0; extra < 2; extra++) {
            struct ws_receiver receiver;
            struct buf in;
            buf_init(&in, KIB(8));
            ws_receiver_init(&receiver, MESSAGE_BYTES_MAX);
            put_masked(&in, 0x02, bytes_make(data, first));
            put_masked(&in, 0x80, bytes_make(data, MESSAGE_BYTES_MAX - first + extra));
            bytes rest = buf_bytes(&in);
            enum ws_event event = ws_receive(&receiver, &rest);
            assert_int_equal(event, extra == 0 ? WS_MESSAGE : WS_FAILED);
            assert_int_equal(receiver.payload.len, extra == 0 ? MESSAGE_BYTES_MAX : 0);
            assert_true(receiver.message.cap <= MESSAGE_BYTES_MAX);
            ws_receiver_free(&receiver);
            buf_free(&in);
        }
    }
    mem_free(data);
}

/* Memory follows what has arrived, not what was announced, and goes when the message was taken. */
static void memory_of_a_message(void **state)
{
    (void)state;
    struct ws_receiver receiver;
    static const u8 head[] = {0x82, 0xff, 0, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 'a', 'b'};
    bytes in = BYTES_OF(head);
    ws_receiver_init(&receiver, MIB(4));
    assert_int_equal(ws_receive(&receiver, &in), WS_MORE);
    assert_int_equal(ws_pending_bytes(&receiver), 2);
    assert_true(receiver.message.cap < KIB(1));
    u8 *zeros = mem_alloc(MIB(4));
    in = bytes_make(zeros, MIB(4));
    assert_int_equal(ws_receive(&receiver, &in), WS_MESSAGE);
    assert_int_equal(in.len, 2);
    in = (bytes){0};
    assert_int_equal(ws_receive(&receiver, &in), WS_MORE);
    assert_true(receiver.message.data == NULL);
    ws_receiver_free(&receiver);
    mem_free(zeros);
}

static void closes(void **state)
{
    (void)state;
    CHECK_FRAMES("close(1005) ", {0x88, ""});
    CHECK_FRAMES("fail(1002 close of one byte) ", {0x88, "\x03"});
    CHECK_FRAMES("close(1000) ", {0x88, "\x03\xe8"});
    CHECK_FRAMES("close(1000) ", {0x88, "\x03\xe8"}, {0x81, "never read"});
    CHECK_FRAMES("close(1001) ", {0x88, "\x03\xe9going away"});
    CHECK_FRAMES("fail(1007 close reason is not UTF-8) ", {0x88, "\x03\xe9\xff"});
    CHECK_FRAMES("fail(1007 close reason is not UTF-8) ", {0x88, "\x03\xe9\xc3"});
    static const struct {
        u16 code;
        bool is_fine;
    } codes[] = {{999, false},  {1000, true},  {1003, true},  {1004, false}, {1005, false},
                 {1006, false}, {1007, true},  {1011, true},  {1014, true},  {1015, false},
                 {1016, false}, {1100, false}, {2000, false}, {2999, false}, {3000, true},
                 {4999, true},  {5000, false}, {65535, false}};
    for (size_t i = 0; i < COUNT_OF(codes); i++) {
        char text[3] = {(char)(codes[i].code >> 8), (char)(codes[i].code & 0xff), 0};
        char expected[64];
        snprintf(expected, sizeof expected, "close(%u) ", codes[i].code);
        if (!codes[i].is_fine) {
            snprintf(expected, sizeof expected, "fail(1002 close code) ");
        }
        struct buf in;
        buf_init(&in, 64);
        put_masked(&in, 0x88, bytes_make(text, 2));
        check_trace(buf_bytes(&in), expected);
        buf_free(&in);
    }
}

static void texts_are_utf8(void **state)
{
    (void)state;
    static const char *const good[] = {"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5",
                                       "\xc2\x80",
                                       "\xdf\xbf",
                                       "\xe0\xa0\x80",
                                       "\xed\x9f\xbf",
                                       "\xee\x80\x80",
                                       "\xef\xbf\xbf",
                                       "\xf0\x90\x80\x80",
                                       "\xf4\x8f\xbf\xbf"};
    static const char *const bad[] = {"\x80",
                                      "\xbf",
                                      "\xc0\x80",
                                      "\xc1\xbf",
                                      "\xe0\x9f\xbf",
                                      "\xed\xa0\x80",
                                      "\xed\xbf\xbf",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80",
                                      "\xff",
                                      "\xfe",
                                      "a\xc3(",
                                      "\xe1\x80",
                                      "\xf1\x80\x80",
                                      "\xc3",
                                      "\xce\xba\xed\xa0\x80 edited"};
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        char expected[64];
        snprintf(expected, sizeof expected, "text(%s) ", good[i]);
        CHECK_FRAMES(expected, {0x81, good[i]});
        char first[2] = {good[i][0], 0}; /* a character may be split between fragments */
        CHECK_FRAMES(expected, {0x01, first}, {0x80, good[i] + 1});
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        CHECK_FRAMES("fail(1007 text is not UTF-8) ", {0x81, bad[i]});
        char expected[64];
        snprintf(expected, sizeof expected, "binary(%s) ", bad[i]);
        CHECK_FRAMES(expected, {0x82, bad[i]});
    }
    CHECK_FRAMES("fail(1007 text is not UTF-8) ", {0x01, "ok\xff"}); /* at once, not at the end */
}

static void closes_are_written(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, KIB(1));
    ws_put_close(&out, WS_GOING_AWAY, "bye");
    check_hex(buf_bytes(&out), "880503e9627965");
    buf_clear(&out);
    char text[201];
    memset(text, 'x', 200);
    text[200] = 0;
    ws_put_close(&out, WS_POLICY, text);
    assert_int_equal(out.len, 2 + 125);
    assert_int_equal(out.data[1], 125);
    buf_free(&out);
}

/* --- the handshake --- */

static int check_upgrade(const char *head)
{
    struct http_request request = {0};
    const char *reason = NULL;
    struct http_reject reject = http_parse_request(&request, bytes_str(head));
    assert_int_equal(reject.status, 0);
    int status = ws_check_upgrade(&request, &reason);
    assert_true((status == 0) == (reason == NULL));
    return status;
}

#define HOST "Host: a\r\n"
#define UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"
#define GET "GET / HTTP/1.1\r\n" HOST

static void upgrades(void **state)
{
    (void)state;
    static const struct {
        const char *head;
        int status;
    } cases[] = {
        {GET UPGRADE KEY VERSION "\r\n", 0},
        {GET "Upgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n" KEY VERSION "\r\n", 0},
        {GET "Upgrade: h2c , websocket\r\nConnection: upgrade\r\n" KEY VERSION "\r\n", 0},
        {GET UPGRADE KEY VERSION "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n", 0},
        {"POST / HTTP/1.1\r\n" HOST UPGRADE KEY VERSION "\r\n", 400},
        {GET UPGRADE KEY VERSION "Content-Length: 3\r\n\r\n", 400},
        {GET UPGRADE KEY VERSION "Transfer-Encoding: chunked\r\n\r\n", 400},
        {GET "Upgrade: websocket\r\n" KEY VERSION "\r\n", 400},
        {GET "Connection: Upgrade\r\n" KEY VERSION "\r\n", 400},
        {GET "Upgrade: websockets\r\nConnection: Upgrade\r\n" KEY VERSION "\r\n", 400},
        {GET UPGRADE VERSION "\r\n", 400},
        {GET UPGRADE KEY KEY VERSION "\r\n", 400},
        {GET UPGRADE "Sec-WebSocket-Key: short==\r\n" VERSION "\r\n", 400},
        {GET UPGRADE "Sec-WebSocket-Key: !!!!IHNhbXBsZSBub25jZQ==\r\n" VERSION "\r\n", 400},
        {GET UPGRADE "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZSA=\r\n" VERSION "\r\n", 400},
        {GET UPGRADE KEY "\r\n", 426},
        {GET UPGRADE KEY "Sec-WebSocket-Version: 8\r\n\r\n", 426},
        {GET UPGRADE KEY VERSION VERSION "\r\n", 426},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        if (check_upgrade(cases[i].head) != cases[i].status) {
            assert_string_equal(cases[i].head, "another status");
        }
    }
    char value[WS_ACCEPT_CHARS + 1];
    ws_accept_value(value, bytes_str("dGhlIHNhbXBsZSBub25jZQ==")); /* RFC 6455 1.3 */
    assert_string_equal(value, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(examples_of_the_rfc),
        cmocka_unit_test(fragments),
        cmocka_unit_test(reserved_bits_and_opcodes),
        cmocka_unit_test(long_control_frames),
        cmocka_unit_test(lengths_in_their_shortest_form),
        cmocka_unit_test(limit_of_a_message),
        cmocka_unit_test(memory_of_a_message),
        cmocka_unit_test(closes),
        cmocka_unit_test(texts_are_utf8),
        cmocka_unit_test(closes_are_written),
        cmocka_unit_test(upgrades),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

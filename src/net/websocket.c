#include "net/websocket.h"

#include "base/assert.h"
#include "crypto/hash.h"

#define KEY_CHARS 24 /* 16 bytes in base64 */
#define UNMASK_PIECE_BYTES 4096

/* --- UTF-8 --- */

/* The first byte of a character: RFC 3629, section 4. */
static bool utf8_begin(struct ws_utf8 *state, u8 c)
{
    *state = (struct ws_utf8){.low = 0x80, .high = 0xbf};
    if (c < 0x80) {
        return true;
    }
    if (c < 0xc2 || c > 0xf4) {
        return false;
    }
    if (c < 0xe0) {
        state->need = 1;
    } else if (c < 0xf0) {
        state->need = 2;
        state->low = c == 0xe0 ? 0xa0 : 0x80;
        state->high = c == 0xed ? 0x9f : 0xbf;
    } else {
        state->need = 3;
        state->low = c == 0xf0 ? 0x90 : 0x80;
        state->high = c == 0xf4 ? 0x8f : 0xbf;
    }
    return true;
}

static bool utf8_take(struct ws_utf8 *state, bytes in)
{
    for (size_t i = 0; i < in.len; i++) {
        u8 c = in.data[i];
        if (state->need == 0) {
            if (!utf8_begin(state, c)) {
                return false;
            }
        } else if (c < state->low || c > state->high) {
            return false;
        } else {
            *state = (struct ws_utf8){(u8)(state->need - 1), 0x80, 0xbf};
        }
    }
    return true;
}

static bool utf8_whole(bytes in)
{
    struct ws_utf8 state = {0};
    return utf8_take(&state, in) && state.need == 0;
}

/* --- receiving --- */

void ws_receiver_init(struct ws_receiver *receiver, size_t message_bytes_max)
{
    *receiver = (struct ws_receiver){.message_bytes_max = message_bytes_max};
    buf_init(&receiver->message, message_bytes_max);
}

void ws_receiver_free(struct ws_receiver *receiver) { buf_free(&receiver->message); }

size_t ws_pending_bytes(const struct ws_receiver *receiver) { return receiver->message.len; }

static enum ws_event ws_fail(struct ws_receiver *receiver, enum ws_status status,
                             const char *reason)
{
    receiver->status = (u16)status;
    receiver->reason = reason;
    receiver->payload = (bytes){0};
    receiver->end = WS_FAILED;
    return WS_FAILED;
}

static bool is_control(u8 opcode) { return opcode >= WS_OP_CLOSE; }

/* Bytes of the head that is coming in, as far as they tell. */
static size_t head_size(const struct ws_receiver *receiver)
{
    if (receiver->head_len < 2) {
        return 2;
    }
    u8 len = receiver->head[1] & 0x7f;
    return 2 + 4 + (len == 126 ? 2u : len == 127 ? 8u : 0u);
}

/* The first two bytes: what is wrong with them, or NULL. */
static const char *judge_head(const struct ws_receiver *receiver)
{
    u8 opcode = receiver->head[0] & 0x0f;
    u8 len = receiver->head[1] & 0x7f;
    bool is_final = (receiver->head[0] & 0x80) != 0;
    if ((receiver->head[0] & 0x70) != 0) {
        return "reserved bits";
    }
    if ((receiver->head[1] & 0x80) == 0) {
        return "frame without a mask";
    }
    if (opcode > WS_OP_PONG || (opcode > WS_OP_BINARY && opcode < WS_OP_CLOSE)) {
        return "unknown opcode";
    }
    if (is_control(opcode)) {
        return !is_final                    ? "fragmented control frame"
               : len > WS_CONTROL_BYTES_MAX ? "long control frame"
                                            : NULL;
    }
    if ((opcode == WS_OP_CONTINUATION) != receiver->in_message) {
        return receiver->in_message ? "message inside a message" : "continuation of nothing";
    }
    return NULL;
}

/* False: not the shortest form. */
static bool read_length(struct ws_receiver *receiver)
{
    const u8 *head = receiver->head;
    u8 len = head[1] & 0x7f;
    receiver->left = len;
    if (len == 126) {
        receiver->left = load_be16(head + 2);
        return receiver->left >= 126;
    }
    if (len == 127) {
        receiver->left = load_be64(head + 2);
        return receiver->left > UINT16_MAX && receiver->left <= INT64_MAX;
    }
    return true;
}

static enum ws_event begin_payload(struct ws_receiver *receiver)
{
    if (!read_length(receiver)) {
        return ws_fail(receiver, WS_PROTOCOL_ERROR, "length of a frame");
    }
    receiver->opcode = receiver->head[0] & 0x0f;
    receiver->is_final = (receiver->head[0] & 0x80) != 0;
    memcpy(receiver->mask, receiver->head + receiver->head_len - 4, sizeof receiver->mask);
    receiver->head_len = 0;
    receiver->taken = 0;
    receiver->in_payload = true;
    if (is_control(receiver->opcode)) {
        receiver->control_len = 0;
        return WS_MORE;
    }
    if (receiver->opcode != WS_OP_CONTINUATION) {
        receiver->in_message = true;
        receiver->is_text = receiver->opcode == WS_OP_TEXT;
        receiver->utf8 = (struct ws_utf8){0};
    }
    if (receiver->left > receiver->message_bytes_max - receiver->message.len) {
        return ws_fail(receiver, WS_TOO_BIG, "message too large");
    }
    return WS_MORE;
}

static enum ws_event take_head(struct ws_receiver *receiver, bytes *in)
{
    while (in->len > 0 && receiver->head_len < head_size(receiver)) {
        receiver->head[receiver->head_len++] = in->data[0];
        *in = bytes_slice(*in, 1, in->len - 1);
        const char *wrong = receiver->head_len == 2 ? judge_head(receiver) : NULL;
        if (wrong != NULL) {
            return ws_fail(receiver, WS_PROTOCOL_ERROR, wrong);
        }
    }
    bool complete = receiver->head_len == head_size(receiver);
    return complete ? begin_payload(receiver) : WS_MORE;
}

/* Copies and unmasks. */
static void unmask(u8 *out, struct ws_receiver *receiver, bytes in)
{
    const u8 *mask = receiver->mask;
    for (size_t i = 0; i < in.len; i++) {
        out[i] = in.data[i] ^ mask[(receiver->taken + i) % 4];
    }
    receiver->taken += in.len;
    receiver->left -= in.len;
}

static enum ws_event take_data(struct ws_receiver *receiver, bytes in)
{
    u8 *out = buf_extend(&receiver->message, in.len);
    assert_that(out != NULL || in.len == 0); /* the frame's head was checked against the limit */
    if (in.len == 0) {
        return WS_MORE;
    }
    unmask(out, receiver, in);
    if (receiver->is_text && !utf8_take(&receiver->utf8, bytes_make(out, in.len))) {
        return ws_fail(receiver, WS_NOT_UTF8, "text is not UTF-8");
    }
    return WS_MORE;
}

static enum ws_event take_payload(struct ws_receiver *receiver, bytes *in)
{
    size_t len = (size_t)min_u64(receiver->left, min_size(in->len, UNMASK_PIECE_BYTES));
    bytes piece = bytes_slice(*in, 0, len);
    *in = bytes_slice(*in, len, in->len - len);
    if (is_control(receiver->opcode)) {
        unmask(receiver->control + receiver->control_len, receiver, piece);
        receiver->control_len += len;
        return WS_MORE;
    }
    return take_data(receiver, piece);
}

/* Codes that may be on the wire: those that RFC 6455 and its registry define, and 3000 to 4999. */
static bool status_is_fine(u16 status)
{
    return (status >= 1000 && status <= 1014 && (status < 1004 || status > 1006)) ||
           (status >= 3000 && status <= 4999);
}

static enum ws_event end_close(struct ws_receiver *receiver)
{
    bytes payload = bytes_make(receiver->control, receiver->control_len);
    receiver->status = WS_NO_STATUS;
    if (payload.len == 1) {
        return ws_fail(receiver, WS_PROTOCOL_ERROR, "close of one byte");
    }
    if (payload.len >= 2) {
        if (!status_is_fine(load_be16(payload.data))) {
            return ws_fail(receiver, WS_PROTOCOL_ERROR, "close code");
        }
        if (!utf8_whole(bytes_slice(payload, 2, payload.len - 2))) {
            return ws_fail(receiver, WS_NOT_UTF8, "close reason is not UTF-8");
        }
        receiver->status = load_be16(payload.data);
    }
    receiver->end = WS_CLOSE;
    return WS_CLOSE;
}

/* The frame's payload is complete. */
static enum ws_event end_frame(struct ws_receiver *receiver)
{
    receiver->in_payload = false;
    if (is_control(receiver->opcode)) {
        receiver->payload = bytes_make(receiver->control, receiver->control_len);
        return receiver->opcode == WS_OP_CLOSE  ? end_close(receiver)
               : receiver->opcode == WS_OP_PING ? WS_PING
                                                : WS_PONG;
    }
    if (!receiver->is_final) {
        return WS_MORE;
    }
    if (receiver->is_text && receiver->utf8.need != 0) {
        return ws_fail(receiver, WS_NOT_UTF8, "text is not UTF-8");
    }
    receiver->in_message = false;
    receiver->message_given = true;
    receiver->payload = buf_bytes(&receiver->message);
    return WS_MESSAGE;
}

enum ws_event ws_receive(struct ws_receiver *receiver, bytes *in)
{
    enum ws_event event = receiver->end;
    if (receiver->message_given) {
        buf_free(&receiver->message); /* a large one must not stay with an idle connection */
        buf_init(&receiver->message, receiver->message_bytes_max);
        receiver->message_given = false;
    }
    while (event == WS_MORE) {
        if (receiver->in_payload && receiver->left == 0) {
            event = end_frame(receiver);
        } else if (in->len == 0) {
            break;
        } else {
            event = receiver->in_payload ? take_payload(receiver, in) : take_head(receiver, in);
        }
    }
    return event;
}

/* --- sending --- */

size_t ws_frame_head(u8 out[WS_FRAME_HEAD_BYTES_MAX], enum ws_opcode opcode, u64 len)
{
    out[0] = (u8)(0x80 | (unsigned)opcode);
    if (len < 126) {
        out[1] = (u8)len;
        return 2;
    }
    if (len <= UINT16_MAX) {
        out[1] = 126;
        store_be16(out + 2, (u16)len);
        return 4;
    }
    out[1] = 127;
    store_be64(out + 2, len);
    return 10;
}

void ws_put_close(struct buf *out, enum ws_status status, const char *reason)
{
    bytes text = bytes_str(reason);
    u8 head[WS_FRAME_HEAD_BYTES_MAX];
    text.len = min_size(text.len, WS_CONTROL_BYTES_MAX - 2);
    buf_put(out, bytes_make(head, ws_frame_head(head, WS_OP_CLOSE, 2 + text.len)));
    buf_put_be16(out, (u16)status);
    buf_put(out, text);
}

/* --- the handshake --- */

/* How many header fields have this name. */
static size_t count_fields(const struct http_request *request, const char *name)
{
    size_t count = 0;
    for (size_t i = 0; i < request->header_count; i++) {
        count += bytes_eq_nocase(request->headers[i].name, bytes_str(name));
    }
    return count;
}

static bytes trim(bytes in)
{
    while (in.len > 0 && (in.data[0] == ' ' || in.data[0] == '\t')) {
        in = bytes_slice(in, 1, in.len - 1);
    }
    while (in.len > 0 && (in.data[in.len - 1] == ' ' || in.data[in.len - 1] == '\t')) {
        in.len--;
    }
    return in;
}

static bool list_has(bytes list, const char *token)
{
    while (list.len > 0) {
        size_t comma = bytes_find(list, bytes_str(","));
        size_t end = comma == SIZE_MAX ? list.len : comma;
        if (bytes_eq_nocase(trim(bytes_slice(list, 0, end)), bytes_str(token))) {
            return true;
        }
        end += comma != SIZE_MAX;
        list = bytes_slice(list, end, list.len - end);
    }
    return false;
}

/* Whether a comma-separated field, which may be repeated, has the token. */
static bool field_has(const struct http_request *request, const char *name, const char *token)
{
    for (size_t i = 0; i < request->header_count; i++) {
        const struct http_header *header = &request->headers[i];
        if (bytes_eq_nocase(header->name, bytes_str(name)) && list_has(header->value, token)) {
            return true;
        }
    }
    return false;
}

bool ws_wants_upgrade(const struct http_request *request)
{
    return field_has(request, "Upgrade", "websocket");
}

static bool key_is_fine(bytes key)
{
    u8 nonce[16];
    size_t len;
    return key.len == KEY_CHARS && base64_decode(nonce, sizeof nonce, key, &len) &&
           len == sizeof nonce;
}

int ws_check_upgrade(const struct http_request *request, const char **ret_reason)
{
    bool has_body = request->chunked || (request->has_body_length && request->body_length != 0);
    int status = 400;
    if (!bytes_eq_str(request->method, "GET") || request->version_1_0 || has_body) {
        *ret_reason = "a WebSocket begins with GET of HTTP/1.1 without a body";
    } else if (!ws_wants_upgrade(request) || !field_has(request, "Connection", "upgrade")) {
        *ret_reason = "no upgrade to websocket";
    } else if (count_fields(request, "Sec-WebSocket-Version") != 1 ||
               !bytes_eq_str(http_find_header(request, "Sec-WebSocket-Version"), "13")) {
        *ret_reason = "only version 13 of the WebSocket protocol";
        status = 426;
    } else if (count_fields(request, "Sec-WebSocket-Key") != 1 ||
               !key_is_fine(http_find_header(request, "Sec-WebSocket-Key"))) {
        *ret_reason = "Sec-WebSocket-Key is not one base64 of 16 bytes";
    } else {
        status = 0;
    }
    return status;
}

void ws_accept_value(char out[WS_ACCEPT_CHARS + 1], bytes key)
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* RFC 6455 1.3 */
    u8 text[KEY_CHARS + sizeof guid - 1];
    u8 digest[20];
    assert_that(key.len == KEY_CHARS);
    memcpy(text, key.data, KEY_CHARS);
    memcpy(text + KEY_CHARS, guid, sizeof guid - 1);
    sha1(digest, BYTES_OF(text));
    base64_encode(out, WS_ACCEPT_CHARS + 1, BYTES_OF(digest));
}

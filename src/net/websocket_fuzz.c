/* A client's bytes: two bytes of limit, one of step, then the stream. However the stream is cut
 * into pieces, the events are the same, and what they hold keeps its promises. */
#include "base/assert.h"
#include "crypto/hash.h"
#include "net/websocket.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void check_event(const struct ws_receiver *receiver, enum ws_event event)
{
    bytes payload = receiver->payload;
    switch (event) {
    case WS_MORE:
        break;
    case WS_MESSAGE:
        assert_that(payload.len <= receiver->message_bytes_max);
        break;
    case WS_PING:
    case WS_PONG:
        assert_that(payload.len <= WS_CONTROL_BYTES_MAX);
        break;
    case WS_CLOSE:
        assert_that(receiver->status >= 1000 && receiver->status < 5000);
        break;
    case WS_FAILED:
        assert_that(receiver->reason != NULL && receiver->status > 1001);
        break;
    }
    assert_that(receiver->message.cap <= max_size(2 * receiver->message_bytes_max, 64));
}

/* A digest over all events. */
static void digest_events(struct hash *out, bytes in, size_t limit, size_t step)
{
    struct ws_receiver receiver;
    enum ws_event event = WS_MORE;
    memset(out, 0, sizeof *out);
    ws_receiver_init(&receiver, limit);
    while (in.len > 0 && event != WS_CLOSE && event != WS_FAILED) {
        bytes piece = bytes_slice(in, 0, min_size(step, in.len));
        in = bytes_slice(in, piece.len, in.len - piece.len);
        for (;;) {
            event = ws_receive(&receiver, &piece);
            check_event(&receiver, event);
            if (event == WS_MORE) {
                break;
            }
            u16 tag = (u16)(event * 2u + receiver.is_text);
            const bytes parts[] = {BYTES_OF(*out), BYTES_OF(tag), BYTES_OF(receiver.status),
                                   receiver.payload};
            sha256_parts(out, parts, COUNT_OF(parts));
            if (event == WS_CLOSE || event == WS_FAILED) {
                break;
            }
        }
    }
    ws_receiver_free(&receiver);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    if (size < 3) {
        return 0;
    }
    size_t limit = load_be16(data);
    bytes in = bytes_make(data + 3, size - 3);
    struct hash whole;
    struct hash pieces;
    digest_events(&whole, in, limit, in.len + 1);
    digest_events(&pieces, in, limit, 1 + data[2] % 16u);
    assert_that(hash_eq(&whole, &pieces));
    return 0;
}

/* The client's side: an answer from a hostile server, over a connection in memory that the client
 * believes to be an idle one. */
#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/http_parse.h"
#include "net/http_pool.h"
#include "net/memory_stream.h"

#include <stdio.h>

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

#define HOST "no.such.host"

static void put_link(struct http_client *client, struct memory_stream *memory)
{
    struct http_link *link = MEM_NEW(struct http_link);
    link->stream = &memory->stream;
    link->port = 80;
    link->idle_since_ms = loop_now_ms(client->loop);
    snprintf(link->host, sizeof link->host, "%s", HOST);
    list_push_front(&client->idle, &link->node);
}

static void read_answer(struct http_call *call)
{
    u64 length = http_call_length(call);
    u64 seen = 0;
    size_t len = 1;
    u8 piece[100];
    err e = ok();
    while (is_ok(e) && len != 0) {
        e = http_call_read(call, piece, sizeof piece, &len);
        seen += is_ok(e) ? len : 0;
    }
    if (is_ok(e)) {
        assert_that(length == HTTP_UNKNOWN_LENGTH || seen == length || seen == 0);
        assert_that(http_is_field_value(http_call_header(call, "X-Trailer")));
    }
}

static void call_once(struct http_client *client, const char *method, u64 body_length)
{
    struct http_call_options options = {
        .method = method,
        .url = "http://" HOST "/",
        .body_length = body_length,
        .deadline_ms = DEADLINE_NONE,
    };
    struct http_call *call = NULL;
    int status = 0;
    if (!is_ok(http_call_open(client, &options, &call))) {
        return;
    }
    if (body_length == 2) {
        IGNORE(http_call_write(call, bytes_str("hi")));
    }
    if (is_ok(http_call_finish(call, NULL, 0)) && is_ok(http_call_status(call, &status))) {
        assert_that(status >= 200 && status <= 599);
        read_answer(call);
    }
    http_call_close(call);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    static struct loop *loop;
    if (loop == NULL) {
        log_set_level(LOG_ERROR + 1);
        err e = loop_open(&loop, 1);
        assert_that(is_ok(e));
    }
    if (size < 2) {
        return 0;
    }
    struct http_client_options options = {0};
    struct http_client *client = NULL;
    struct memory_stream memory;
    err e = http_client_new(loop, &options, &client);
    assert_that(is_ok(e));
    /* Two bytes say how the rest is cut and what was asked. Three calls, as long as the client
     * thinks that the connection is good. */
    memory_stream_init(&memory, loop, bytes_make(data + 2, size - 2),
                       data[0] == 0 ? SIZE_MAX : data[0]);
    put_link(client, &memory);
    for (int i = 0; i < 3; i++) {
        call_once(client, (data[1] >> i) & 1 ? "HEAD" : "PUT", data[1] & 8 ? 2 : 0);
    }
    http_client_free(client);
    assert_that(memory.closed);
    memory_stream_free(&memory);
    return 0;
}

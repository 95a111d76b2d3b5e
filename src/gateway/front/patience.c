/* patience.c: keeping a client waiting (front.h). */
#include "codec/xml.h"
#include "gateway/front/front.h"

#define DECLARATION_END "?>"

static err send_blank(struct front_call *call)
{
    struct buf declaration;
    if (call->kept_busy) {
        return http_write(call->exchange, bytes_str(" "));
    }
    front_header_str(call, "Content-Type", "application/xml");
    call->kept_busy = true;
    TRY(http_respond_begin(call->exchange, 200, HTTP_UNKNOWN_LENGTH));
    buf_init(&declaration, KIB(1));
    xml_put_declaration(&declaration);
    err e = http_write(call->exchange, buf_bytes(&declaration));
    buf_free(&declaration);
    return e;
}

/* Ends with the operation, or when the client is gone: the operation goes on without him. */
static void keep_busy(void *arg)
{
    struct front_patience *patience = arg;
    struct front *front = patience->call->front;
    err e = ok();
    while (is_ok(e) && !patience->over) {
        e = event_wait(front->loop, &patience->ended, loop_now_ms(front->loop) + front->blank_ms);
        if (is_err(e, ERR_TIMEOUT)) {
            e = patience->over ? ok() : send_blank(patience->call);
        }
    }
}

void front_patience_begin(struct front_patience *patience, struct front_call *call)
{
    *patience = (struct front_patience){.call = call};
    event_init(&patience->ended);
    group_init(&patience->fibers);
    call->patient =
        is_ok(group_start(call->front->loop, &patience->fibers, "patience", keep_busy, patience));
}

void front_patience_end(struct front_patience *patience)
{
    patience->over = true;
    event_wake_all(&patience->ended);
    group_wait(patience->call->front->loop, &patience->fibers); /* a blank may be on its way */
    patience->call->patient = false;
}

void front_finish_busy(struct front_call *call, bytes xml)
{
    size_t end = bytes_find(xml, bytes_str(DECLARATION_END));
    size_t from = end == SIZE_MAX ? 0 : end + sizeof DECLARATION_END - 1;
    err e = http_write(call->exchange, bytes_slice(xml, from, xml.len - from));
    if (is_ok(e)) {
        e = http_respond_end(call->exchange);
    }
    IGNORE(e); /* the client may be gone */
}

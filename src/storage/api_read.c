/* api_read.c: fragments, seals and the inventory going out. */
#include "storage/api_internal.h"

#include "base/assert.h"
#include "base/mem.h"
#include "data/fragment_writer.h"
#include "storage/kinds.h"

#include <stdio.h>

#define READ_WAIT_MS 5000
#define STALL_MS 3600000
#define FRAME_HEAD_BYTES 6
#define INVENTORY_ENTRY_BYTES (20 + 1 + 1 + 4 + 32)

static void report_damage(const struct api_request *request, err fault)
{
    const struct api_options *options = &request->api->options;
    if (is_err(fault, ERR_INTEGRITY) && options->damaged != NULL) {
        options->damaged(options->damaged_ctx, &request->key);
    }
}

/* Head, path and data lie one behind the other, so they go out in one call. */
static err send_frame(struct api_request *request, struct shelf_reader *reader, u32 run_number,
                      bool wrong)
{
    struct shelf_run run;
    TRY(shelf_reader_run(reader, run_number, &run));
    size_t before = FRAME_HEAD_BYTES + run.path_len * sizeof(struct hash);
    u8 *head = run.data - before;
    assert_that(before <= SHELF_RUN_HEADROOM);
    store_be32(head, (u32)run.len);
    store_be16(head + 4, (u16)run.path_len);
    memcpy(head + FRAME_HEAD_BYTES, run.path, run.path_len * sizeof(struct hash));
    if (wrong) {
        run.data[run.len / 2] ^= 1;
    }
    TRY(http_write(request->exchange, bytes_make(head, before + run.len)));
    *request->api->get_bytes += run.len;
    return ok();
}

/* A fault in mid-answer ends the connection; the reader then turns to another holder. */
static void send_frames(struct api_request *request, struct shelf_reader *reader, u32 first,
                        u32 count)
{
    struct api *api = request->api;
    bool wrong = api_faulty(api, FAULT_WRONG_BYTES);
    bool truncate = api_faulty(api, FAULT_TRUNCATE);
    http_set_header_str(request->exchange, "Content-Type", "application/octet-stream");
    err e = http_respond_begin(request->exchange, 200, HTTP_UNKNOWN_LENGTH);
    if (truncate) {
        count = 0;
        e = http_write(request->exchange, bytes_str("\0\0\x10"));
    }
    shelf_reader_plan(reader, first + count);
    for (u32 run = first; is_ok(e) && run < first + count; run++) {
        e = send_frame(request, reader, run, wrong);
    }
    if (is_ok(e)) {
        IGNORE(http_respond_end(request->exchange));
        ++*api->gets;
    }
    report_damage(request, e);
}

/* The runs that cover [from, from + length); false: answered. */
static bool parse_range(struct api_request *request, u32 fragment_length, u32 *ret_first,
                        u32 *ret_count)
{
    u64 from;
    u64 length;
    u64 end;
    if (!api_query_u64(request, "from", 0, &from) ||
        !api_query_u64(request, "length", UINT64_MAX, &length) || from % RUN_BYTES != 0) {
        api_fail(request, 400, "BadRange", "from and length are numbers, from a multiple of 64 KiB",
                 NULL);
        return false;
    }
    if (from >= fragment_length || length == 0) {
        api_fail(request, 416, "BadRange", "the range is empty or beyond the fragment", NULL);
        return false;
    }
    if (!add_u64(&end, from, length) || end > fragment_length) {
        end = fragment_length;
    }
    *ret_first = (u32)(from / RUN_BYTES);
    *ret_count = (u32)ceil_div(end - from, RUN_BYTES);
    return true;
}

static void get_in_gate(struct api_request *request)
{
    struct shelf_reader *reader;
    u32 first;
    u32 count;
    err e = shelf_reader_open(request->api->options.shelf, &request->key, &reader);
    if (!is_ok(e)) {
        report_damage(request, e);
        api_fail_fault(request, e);
        return;
    }
    if (parse_range(request, entry_length(shelf_reader_entry(reader)), &first, &count)) {
        send_frames(request, reader, first, count);
    }
    shelf_reader_close(reader);
}

static void stall(struct api_request *request)
{
    struct loop *loop = request->api->options.loop;
    IGNORE(http_respond_begin(request->exchange, 200, HTTP_UNKNOWN_LENGTH));
    IGNORE(http_write(request->exchange, bytes_make(NULL, 0)));
    IGNORE(fiber_sleep(loop, loop_now_ms(loop) + STALL_MS));
}

void api_get_fragment(struct api_request *request)
{
    struct api *api = request->api;
    struct loop *loop = api->options.loop;
    if (!api_authorise(request, CAPABILITY_READ, RIGHT_READ, false)) {
        return;
    }
    if (api_faulty(api, FAULT_STALL)) {
        stall(request);
        return;
    }
    if (!is_ok(gate_enter(loop, &api->reads, 1, loop_now_ms(loop) + READ_WAIT_MS))) {
        api_fail(request, 503, "TooManyReads", "too many reads at once", "try again");
        return;
    }
    get_in_gate(request);
    gate_leave(&api->reads, 1);
}

void api_head_fragment(struct api_request *request)
{
    struct shelf_entry entry;
    char root[2 * sizeof(struct hash) + 1];
    if (!api_authorise(request, CAPABILITY_READ, RIGHT_READ, false)) {
        return;
    }
    err e = shelf_find(request->api->options.shelf, &request->key, &entry);
    if (!is_ok(e)) {
        api_fail_fault(request, e);
        return;
    }
    hex_encode(root, sizeof root, BYTES_OF(*entry_root(&entry)));
    http_set_header_str(request->exchange, "Cairn-Root", root);
    http_set_header_str(request->exchange, "Content-Type", "application/octet-stream");
    e = http_respond_begin(request->exchange, 200, entry_length(&entry));
    if (is_ok(e)) {
        IGNORE(http_respond_end(request->exchange));
    }
}

void api_get_segment(struct api_request *request)
{
    struct shelf_entry entry;
    struct buf record;
    if (!api_authorise(request, CAPABILITY_READ, RIGHT_READ, true)) {
        return;
    }
    err e = shelf_find_segment(request->api->options.shelf, &request->key.segment, &entry);
    if (!is_ok(e)) {
        api_fail_fault(request, e);
        return;
    }
    buf_init(&record, SEAL_BYTES_MAX);
    segment_seal_write(&record, &entry.seal);
    http_set_header_str(request->exchange, "Content-Type", "application/octet-stream");
    IGNORE(http_respond(request->exchange, 200, buf_bytes(&record)));
    buf_free(&record);
}

static void put_inventory_entry(struct buf *out, const struct shelf_entry *entry)
{
    u8 key[FRAGMENT_KEY_BYTES];
    const struct fragment_key name = entry_key(entry);
    fragment_key_pack(key, &name);
    buf_put(out, BYTES_OF(key));
    buf_put_u8(out, (u8)entry->state);
    buf_put_be32(out, entry_length(entry));
    write_hash(out, entry_root(entry));
}

static err list(struct api_request *request, const struct fragment_key *after, size_t limit,
                struct buf *out)
{
    struct shelf_entry *entries = mem_alloc_array(limit, sizeof *entries);
    size_t count;
    err e = shelf_list(request->api->options.shelf, after, entries, limit, &count);
    if (is_ok(e)) {
        write_head(out, KIND_STORE_INVENTORY, 1);
        buf_put_be32(out, (u32)count);
        for (size_t i = 0; i < count; i++) {
            put_inventory_entry(out, &entries[i]);
        }
    }
    mem_free(entries);
    return e;
}

void api_get_inventory(struct api_request *request)
{
    struct fragment_key after;
    struct buf record;
    u64 limit;
    bytes text = api_query(request, "after");
    if (!api_authorise(request, CAPABILITY_INVENTORY, RIGHT_INVENTORY, true)) {
        return;
    }
    if ((text.len > 0 && !fragment_key_parse(&after, text)) ||
        !api_query_u64(request, "limit", INVENTORY_MAX, &limit) || limit == 0) {
        api_fail(request, 400, "BadQuery", "after is KEY.INDEX, limit a number above 0", NULL);
        return;
    }
    limit = min_u64(limit, INVENTORY_MAX);
    buf_init(&record, 8 + INVENTORY_MAX * INVENTORY_ENTRY_BYTES);
    err e = list(request, text.len > 0 ? &after : NULL, (size_t)limit, &record);
    if (is_ok(e)) {
        http_set_header_str(request->exchange, "Content-Type", "application/octet-stream");
        IGNORE(http_respond(request->exchange, 200, buf_bytes(&record)));
    } else {
        api_fail_fault(request, e);
    }
    buf_free(&record);
}

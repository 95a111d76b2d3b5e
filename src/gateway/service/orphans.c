/* orphans.c: segment numbers that a crash left between "given out" and "in the log".
 *
 * The ledger allows only a few numbers of a territory to stay unused, so they are used up. One
 * whose segment was never sealed is free again: no holder has promised anything about it. One that
 * was sealed may have receipts out for exactly its bytes; those are in the spool, so they are sent
 * again and the segment is registered, though nothing names it.
 */
#include "gateway/service/internal.h"

#include "base/log.h"
#include "base/mem.h"
#include "transfer/spool.h"

#include <stdio.h>

#define START_AFTER_MS 1000
#define COPY_BYTES KIB(256)

static bool is_settling(const struct gateway *gateway, const struct segment_key *key)
{
    struct unsettled *entry;
    return settle_find_segment(&gateway->settle, key, &entry) != NULL;
}

/* sealed_in: the file holds a sealed segment of that key; its length. */
static bool sealed_in(struct file *file, const struct segment_key *key, u32 *ret_length)
{
    u8 head[SPOOL_HEAD_BYTES];
    struct reader reader;
    struct segment_seal seal;
    size_t len;
    if (!is_ok(file_read_some(file, 0, head, sizeof head, &len))) {
        return false;
    }
    reader_init(&reader, bytes_make(head, len));
    segment_seal_read(&reader, &seal);
    *ret_length = seal.length;
    return !reader.failed && seal.key.territory == key->territory &&
           seal.key.gateway == key->gateway && seal.key.number == key->number;
}

static err copy_bytes(struct lane *lane, struct file *file, u32 length, u64 deadline_ms)
{
    u8 *buffer = mem_alloc(COPY_BYTES);
    err e = ok();
    for (u32 at = 0; at < length && is_ok(e);) {
        size_t part = min_size(length - at, COPY_BYTES);
        e = file_read_at(file, SPOOL_HEAD_BYTES + at, buffer, part);
        if (is_ok(e)) {
            e = lane_write(lane, bytes_make(buffer, part), deadline_ms);
        }
        at += (u32)part;
    }
    mem_free(buffer);
    return e;
}

static err send_again(struct territory *territory, u64 number, struct file *file, u32 length)
{
    struct lane *lane;
    u64 deadline_ms = gateway_in(territory->gateway, LANE_TIMEOUT_MS);
    TRY(lane_new(territory, &number, deadline_ms, &lane));
    lane->seal_tried = true; /* whatever happens, the number is not for other bytes */
    err e = copy_bytes(lane, file, length, deadline_ms);
    if (is_ok(e)) {
        e = lane_seal(lane, deadline_ms);
    }
    lane_unref(lane);
    return e;
}

/* revive: the file makes room for the new one of the same number. */
static void revive(struct territory *territory, const struct segment_key *key)
{
    char path[PATH_BYTES_MAX];
    char aside[PATH_BYTES_MAX + 8];
    struct file *file;
    u32 length;
    spool_path(path, territory->gateway->spool_dir, key);
    snprintf(aside, sizeof aside, "%s.orphan", path);
    bool renamed = file_exists(path) && is_ok(file_rename(path, aside));
    if (!renamed || !is_ok(file_open(aside, FILE_READ, &file))) {
        territory_give_back(territory, key->number);
        return;
    }
    if (sealed_in(file, key, &length)) {
        err e = send_again(territory, key->number, file, length);
        log_info("gateway", "segment %llu.%u.%llu of an interrupted commit: %s",
                 (unsigned long long)key->territory, key->gateway, (unsigned long long)key->number,
                 is_ok(e) ? "registered" : err_text(e));
    } else {
        territory_give_back(territory, key->number);
    }
    file_close(file);
    IGNORE(file_remove(aside)); /* it costs space only */
}

/* ---- which ---- */

struct tickets_view {
    u64 territory;
    u32 gateway;
    struct ticket_record record;
};

static err read_tickets(void *ctx, const struct slot_source *slots)
{
    struct tickets_view *view = ctx;
    return ticket_load(slots, view->territory, view->gateway, &view->record);
}

static err orphans_fill(struct territory *territory)
{
    struct gateway *gateway = territory->gateway;
    struct tickets_view view = {.territory = territory->id, .gateway = gateway->number};
    if (territory->orphans_end == 0) {
        return ok();
    }
    TRY(chain_view(gateway->chain, read_tickets, &view, gateway_in(gateway, LEDGER_TIMEOUT_MS)));
    u64 first = territory->orphans_end > TICKET_WINDOW / 2
                    ? max_u64(view.record.base, territory->orphans_end - TICKET_WINDOW / 2)
                    : view.record.base;
    for (u64 n = first; n < territory->orphans_end && !gateway->closing; n++) {
        struct segment_key key = {
            .territory = territory->id, .gateway = gateway->number, .number = n};
        if (!ticket_is_used(&view.record, n) && !is_settling(gateway, &key)) {
            revive(territory, &key);
        }
    }
    return ok();
}

/* ---- spool files that nobody needs ---- */

struct sweep {
    struct territory *territory;
    char path[PATH_BYTES_MAX];
};

static err sweep_one(void *ctx, const char *name)
{
    struct sweep *sweep = ctx;
    struct gateway *gateway = sweep->territory->gateway;
    struct segment_key key = {.gateway = gateway->number};
    bytes rest = bytes_str(name);
    size_t first = bytes_find(rest, bytes_str("."));
    if (first == SIZE_MAX || !parse_u64(&key.territory, bytes_slice(rest, 0, first)) ||
        key.territory != sweep->territory->id) {
        return ok();
    }
    rest = bytes_slice(rest, first + 1, rest.len - first - 1);
    size_t second = bytes_find(rest, bytes_str("."));
    if (second == SIZE_MAX ||
        !parse_u64(&key.number, bytes_slice(rest, second + 1, rest.len - second - 1))) {
        return ok();
    }
    if (key.number < sweep->territory->orphans_end && !is_settling(gateway, &key)) {
        path_join(sweep->path, gateway->spool_dir, name);
        IGNORE(file_remove(sweep->path));
    }
    return ok();
}

void orphans_run(void *arg)
{
    struct territory *territory = arg;
    struct gateway *gateway = territory->gateway;
    while (!gateway->ready) {
        if (!gateway_pause(gateway, START_AFTER_MS)) {
            return;
        }
    }
    err e = orphans_fill(territory);
    if (!is_ok(e)) {
        log_info("gateway", "unused segment numbers stay so: %s", err_text(e));
        return;
    }
    struct sweep *sweep = MEM_NEW(struct sweep);
    sweep->territory = territory;
    IGNORE(dir_each(gateway->spool_dir, sweep_one, sweep));
    mem_free(sweep);
}

/* packer.c: lanes: open segments, and which bytes go into which.
 *
 * Small extents and journal records are appended to the shared lane of their territory, one after
 * the other and each in one piece; the committer detaches it when its window closes. A long upload
 * has a lane to itself while it streams. A lane whose ticket's epoch has passed takes nothing
 * more. */
#include "gateway/service/internal.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"

#define SHARED_ROOM_MIN MIB(2) /* a retired lane with less is not worth sharing */
#define LATE_TIMEOUT_MS 30000
#define APPEND_TRIES_MAX 8

static struct ports *ports_of(const struct lane *lane) { return &lane->territory->gateway->ports; }

void lane_ref(struct lane *lane) { lane->references++; }

/* lane_close: its memory goes to the next one as soon as nothing more is sent from it, not when the
 * last of those who wait for its commit is gone: they may be waiting for a lane themselves. */
static void lane_close(struct lane *lane)
{
    if (lane->put != NULL) {
        ports_of(lane)->lane_free(lane->put);
        lane->put = NULL;
        gate_leave(&lane->territory->gateway->lane_memory, lane->memory);
    }
}

/* lane_end: nothing more is sent. The memory of the segment is free for another lane at once,
 * however long this one is still referred to. */
static void lane_end(struct lane *lane)
{
    if (lane->put != NULL) {
        ports_of(lane)->lane_free(lane->put);
        lane->put = NULL;
        gate_leave(&lane->territory->gateway->lane_memory, lane->memory);
    }
}

/* A lane that nobody wants any more before it was sealed leaves its number to another. */
void lane_unref(struct lane *lane)
{
    if (lane == NULL || --lane->references != 0) {
        return;
    }
    lane_close(lane);
    if (!lane->seal_tried) {
        ports_of(lane)->spool_done(ports_of(lane)->ctx, &lane->key);
        territory_give_back(lane->territory, lane->key.number);
    }
    mem_free(lane);
}

/* lane_cost: what segment_put.c keeps for an open segment: two rows of all fragments. */
static u64 lane_cost(const struct territory *territory)
{
    const struct redundancy_info *info = redundancy_find((u8)territory->class_number);
    return min_u64((u64)2 * redundancy_n(info) * UNIT_BYTES + KIB(64),
                   territory->gateway->lane_memory.total);
}

static err open_put(struct territory *territory, const u64 *number, struct segment_key *key,
                    u64 deadline_ms, struct segment_put **ret_put)
{
    struct ports *ports = &territory->gateway->ports;
    if (number != NULL) {
        key->number = *number;
        return ports->lane_open(ports->ctx, key, territory->class_number, deadline_ms, ret_put);
    }
    TRY(territory_number(territory, deadline_ms, &key->number));
    err e = ports->lane_open(ports->ctx, key, territory->class_number, deadline_ms, ret_put);
    if (!is_ok(e)) {
        territory_give_back(territory, key->number);
    }
    return e;
}

err lane_new(struct territory *territory, const u64 *number, u64 deadline_ms,
             struct lane **ret_lane)
{
    struct gateway *gateway = territory->gateway;
    struct segment_put *put;
    struct segment_key key = {.territory = territory->id, .gateway = gateway->number};
    u64 memory = lane_cost(territory);
    TRY(gate_enter(gateway->loop, &gateway->lane_memory, memory, deadline_ms));
    err e = open_put(territory, number, &key, deadline_ms, &put);
    if (!is_ok(e)) {
        gate_leave(&gateway->lane_memory, memory);
        return e;
    }
    struct lane *lane = MEM_NEW(struct lane);
    list_init(&lane->node);
    lane->territory = territory;
    lane->put = put;
    lane->key = key;
    lane->memory = memory;
    lane->references = 1;
    gate_init(&lane->writing, 1);
    event_init(&lane->changed);
    *ret_lane = lane;
    return ok();
}

static void fail_lane(struct lane *lane, err fault)
{
    log_warn("gateway", "segment %llu.%u.%llu is given up: %s",
             (unsigned long long)lane->key.territory, lane->key.gateway,
             (unsigned long long)lane->key.number, err_text(fault));
    lane->fault = fault;
    lane->state = LANE_FAILED;
    lane_end(lane);
    if (lane->territory->shared == lane) {
        lane->territory->shared = NULL;
        lane_unref(lane);
    }
}

err lane_write(struct lane *lane, bytes in, u64 deadline_ms)
{
    if (lane->state != LANE_OPEN) {
        return fail(ERR_BUSY);
    }
    lane_ref(lane);
    err e = ports_of(lane)->lane_write(lane->put, in, deadline_ms);
    if (is_ok(e)) {
        lane->length += (u32)in.len;
    } else if (lane->state == LANE_OPEN) {
        fail_lane(lane, e);
        event_wake_all(&lane->changed);
        event_wake_all(&lane->territory->work);
    }
    lane_unref(lane);
    return e;
}

u32 lane_room(const struct lane *lane) { return (u32)SEGMENT_BYTES_MAX - lane->length; }

bool lane_passed(const struct lane *lane)
{
    return lane->put != NULL && ports_of(lane)->lane_passed(lane->put);
}

/* ---- sealing ---- */

/* Receipts that came after the commit was made up: for the `complete` that follows it. */
static void keep_late(struct gateway *gateway, const struct segment_key *key,
                      const struct segment_entry *late)
{
    struct unsettled *entry;
    struct unsettled_segment *segment = settle_find_segment(&gateway->settle, key, &entry);
    if (segment == NULL || segment->complete || late->receipt_count == 0) {
        return;
    }
    if (segment->late == NULL) {
        segment->late = MEM_NEW(struct segment_entry);
    }
    *segment->late = *late;
    event_wake_all(&gateway->settle.wake);
}

static void wait_late(struct lane *lane)
{
    struct gateway *gateway = lane->territory->gateway;
    struct segment_entry *late = MEM_NEW(struct segment_entry);
    err e = gateway->ports.lane_late(lane->put, gateway_in(gateway, LATE_TIMEOUT_MS), late);
    lane_close(lane);
    while (is_ok(e) && lane->state == LANE_SEALED && !gateway->closing) {
        e = event_wait(gateway->loop, &lane->changed, gateway_in(gateway, LATE_TIMEOUT_MS));
    }
    if (lane->state == LANE_LOGGED) {
        keep_late(gateway, &lane->key, late);
    }
    mem_free(late);
}

static void late_run(void *arg)
{
    struct lane *lane = arg;
    wait_late(lane);
    lane_unref(lane);
}

static void collect_late(struct lane *lane)
{
    struct gateway *gateway = lane->territory->gateway;
    bool complete =
        lane->entry.receipt_count == redundancy_n(redundancy_find((u8)lane->entry.class_number));
    bool memory_is_short = gateway->lane_memory.available < gateway->lane_memory.total / 2;
    if (complete || memory_is_short) {
        lane_close(lane); /* who is missing is placed from the spool */
        return;
    }
    lane_ref(lane);
    if (!is_ok(group_start(gateway->loop, &gateway->fibers, "late holders", late_run, lane))) {
        lane_close(lane); /* they are placed again from the spool */
        lane_unref(lane);
    }
}

static void sealed(struct lane *lane)
{
    struct territory *territory = lane->territory;
    struct gateway *gateway = territory->gateway;
    lane->state = LANE_SEALED;
    lane->sealed_ms = loop_now_ms(gateway->loop);
    lane_ref(lane); /* the list's */
    list_push_back(&territory->sealed, &lane->node);
    territory->sealed_count++;
    gateway->ports.lane_sealed(gateway->ports.ctx, &lane->entry, &lane->seal);
    collect_late(lane);
}

static void seal_now(struct lane *lane, u64 deadline_ms)
{
    struct ports *ports = ports_of(lane);
    lane->state = LANE_SEALING;
    lane->seal_tried = true;
    err e = ports->lane_seal(lane->put, deadline_ms, &lane->entry, &lane->seal);
    if (is_ok(e)) {
        sealed(lane);
    } else {
        fail_lane(lane, e);
    }
    event_wake_all(&lane->changed);
    event_wake_all(&lane->territory->work);
}

err lane_seal(struct lane *lane, u64 deadline_ms)
{
    struct gateway *gateway = lane->territory->gateway;
    lane_ref(lane);
    err e = gate_enter(gateway->loop, &lane->writing, 1, deadline_ms); /* after the last writer */
    if (is_ok(e)) {
        gate_leave(&lane->writing, 1);
        if (lane->state == LANE_OPEN) {
            seal_now(lane, deadline_ms);
        }
        while (is_ok(e) && lane->state == LANE_SEALING) {
            e = event_wait(gateway->loop, &lane->changed, deadline_ms);
        }
        e = lane->state == LANE_FAILED ? lane->fault : e;
    }
    lane_unref(lane);
    return e;
}

static void seal_run(void *arg)
{
    struct lane *lane = arg;
    IGNORE(lane_seal(lane, gateway_in(lane->territory->gateway, LANE_TIMEOUT_MS))); /* its state */
    lane_unref(lane);
}

void lane_seal_later(struct lane *lane)
{
    struct gateway *gateway = lane->territory->gateway;
    lane_ref(lane);
    if (!is_ok(group_start(gateway->loop, &gateway->fibers, "seal", seal_run, lane))) {
        fail_lane(lane, fail(ERR_LIMIT));
        event_wake_all(&lane->changed);
        lane_unref(lane);
    }
}

/* ---- the shared lane ---- */

struct lane *packer_detach(struct territory *territory)
{
    struct lane *lane = territory->shared;
    territory->shared = NULL;
    return lane;
}

/* shared_lane: the one that is there, or a new one; only one fiber opens. */
static err shared_lane(struct territory *territory, u64 deadline_ms, struct lane **ret_lane)
{
    struct gateway *gateway = territory->gateway;
    if (territory->shared == NULL) {
        TRY(gate_enter(gateway->loop, &territory->opening, 1, deadline_ms));
        err e = ok();
        if (territory->shared == NULL) {
            struct lane *lane;
            e = lane_new(territory, NULL, deadline_ms, &lane);
            if (is_ok(e) && territory->shared != NULL) {
                lane_unref(lane); /* a long upload left its lane meanwhile: that one is open */
            } else if (is_ok(e)) {
                territory->shared = lane;
                event_wake_all(&territory->work);
            }
        }
        gate_leave(&territory->opening, 1);
        TRY(e);
    }
    *ret_lane = territory->shared;
    return *ret_lane != NULL ? ok() : fail(ERR_BUSY);
}

/* give_up_shared: nothing more goes in; it is sealed beside. */
static void give_up_shared(struct lane *lane)
{
    if (lane->territory->shared == lane) {
        packer_detach(lane->territory);
        if (lane->length > 0) {
            lane_seal_later(lane);
        }
        lane_unref(lane);
    }
}

/* try_append: ERR_BUSY: the lane was closed meanwhile, take the next. */
static err try_append(struct lane *lane, bytes in, u64 deadline_ms, struct locator *ret_locator)
{
    TRY(gate_enter(lane->territory->gateway->loop, &lane->writing, 1, deadline_ms));
    err e = fail(ERR_BUSY);
    bool is_shared = lane->territory->shared == lane && lane->state == LANE_OPEN;
    if (is_shared && (lane_room(lane) < in.len || lane_passed(lane))) {
        give_up_shared(lane);
    } else if (is_shared) {
        *ret_locator = (struct locator){.gateway = lane->key.gateway,
                                        .number = lane->key.number,
                                        .offset = lane->length,
                                        .length = (u32)in.len};
        e = lane_write(lane, in, deadline_ms);
    }
    gate_leave(&lane->writing, 1);
    return e;
}

err packer_append(struct territory *territory, bytes in, u64 deadline_ms,
                  struct locator *ret_locator, struct lane **ret_lane)
{
    assert_that(in.len > 0 && in.len <= SEGMENT_BYTES_MAX);
    err e = fail(ERR_BUSY);
    for (unsigned i = 0; i < APPEND_TRIES_MAX && is_err(e, ERR_BUSY); i++) {
        struct lane *lane;
        e = shared_lane(territory, deadline_ms, &lane);
        if (!is_ok(e)) {
            continue;
        }
        lane_ref(lane);
        e = try_append(lane, in, deadline_ms, ret_locator);
        if (is_ok(e)) {
            *ret_lane = lane;
            return e;
        }
        lane_unref(lane);
    }
    return e;
}

void packer_retire(struct territory *territory, struct lane *lane)
{
    bool worth = lane->state == LANE_OPEN && lane_room(lane) >= SHARED_ROOM_MIN;
    if (worth && territory->shared == NULL && !lane_passed(lane)) {
        territory->shared = lane; /* with the caller's reference */
        event_wake_all(&territory->work);
        return;
    }
    if (lane->state == LANE_OPEN && lane->length > 0) {
        lane_seal_later(lane);
    }
    lane_unref(lane);
}

#include "sim/checks.h"

#include "base/assert.h"
#include "ledger/modules/segment_layout.h"

#include <stdlib.h>

#define LOOK_MS 250
#define HEIGHTS_MAX 16384

struct ledger_check {
    struct sim_event look;
    struct world *world;
    u64 height; /* the greatest seen */
    struct hash hashes[HEIGHTS_MAX];
};

static void look(struct sim_event *event)
{
    struct ledger_check *check = list_entry(event, struct ledger_check, look);
    const struct role *ledger = world_ledger(check->world);
    if (ledger->is_up) {
        struct node_status status = node_status(ledger->node);
        scenario_check(status.height < HEIGHTS_MAX);
        struct hash *known = &check->hashes[status.height];
        if (status.height < check->height) {
            scenario_fail("the ledger went back from %llu to %llu",
                          (unsigned long long)check->height, (unsigned long long)status.height);
        }
        scenario_check(hash_is_zero(known) || hash_eq(known, &status.block_hash));
        *known = status.block_hash;
        check->world->counters->blocks += status.height - check->height;
        check->height = status.height;
        sim_note(status.height);
        sim_note_text((const char[]){(char)(known->b[0] | 1), (char)(known->b[1] | 1), 0});
    }
    sim_at(event, LOOK_MS, look);
}

void checks_start(struct world *world)
{
    struct ledger_check *check = calloc(1, sizeof *check);
    assert_that(check != NULL);
    check->world = world;
    sim_at(&check->look, LOOK_MS, look);
}

/* ---- segments ---- */

static err look_at(const struct slot_source *slots, const struct holder_clock *clock, u64 serial,
                   struct check_segments *check)
{
    struct segment_key key;
    struct segment_record record;
    enum holder_status statuses[FRAGMENTS_MAX];
    u64 since[FRAGMENTS_MAX];
    bool found = false;
    TRY(segment_at(slots, serial, &key, &found));
    if (!found) {
        return ok();
    }
    TRY(segment_load(slots, &key, &record, &found));
    if (!found || (record.flags & SEGMENT_RELEASING) != 0) {
        return ok();
    }
    TRY(segment_statuses(slots, clock, &record, statuses, since));
    bool complete = true;
    for (u8 i = 0; i < record.n; i++) {
        complete = complete && statuses[i] == HOLDER_PRESENT;
    }
    check->count++;
    check->incomplete += !complete;
    return ok();
}

static err read_segments(void *ctx, const struct slot_source *slots)
{
    struct check_segments *check = ctx;
    struct holder_clock clock = {0};
    u64 count = 0;
    *check = (struct check_segments){0};
    err result = holder_clock_load(slots, &clock);
    TRY(segment_count(slots, &count));
    for (u64 serial = 1; serial <= count; serial++) {
        err e = look_at(slots, &clock, serial, check);
        result = is_ok(result) ? e : result;
    }
    return result;
}

err checks_segments(struct role *gateway, u64 deadline_ms, struct check_segments *ret)
{
    return chain_view(gateway_chain(gateway->gateway), read_segments, ret, deadline_ms);
}

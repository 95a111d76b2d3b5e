#include "sim/checks.h"

#include "base/assert.h"
#include "ledger/modules/segment_layout.h"

#include <stdio.h>
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

static void describe(struct check_segments *check, const struct segment_key *key,
                     const struct segment_record *record, const enum holder_status *statuses)
{
    static const char letters[] = {[HOLDER_PRESENT] = 'p',
                                   [HOLDER_AWAITED] = 'a',
                                   [HOLDER_MISSING] = 'm',
                                   [HOLDER_LOST] = 'l',
                                   [HOLDER_DRAINING] = 'd'};
    char *out = check->example;
    size_t len = (size_t)snprintf(out, sizeof check->example,
                                  "%llu.%u.%llu:", (unsigned long long)key->territory, key->gateway,
                                  (unsigned long long)key->number);
    for (u8 i = 0; i < record->n && len + 16 < sizeof check->example; i++) {
        len += (size_t)snprintf(out + len, sizeof check->example - len, " %u%c",
                                record->holders[i].provider, letters[statuses[i]]);
    }
}

/* Providers that cannot be drawn, and why: state, seconds since the heartbeat, room in KiB. */
static err describe_providers(const struct slot_source *slots, const struct holder_clock *clock,
                              struct check_segments *check)
{
    u32 count = 0;
    size_t len = strlen(check->example);
    err result = provider_count(slots, &count);
    for (u32 i = 1; i <= count && len + 48 < sizeof check->example; i++) {
        struct provider_record record;
        bool found = false;
        err e = provider_load(slots, i, &record, &found);
        result = is_ok(result) ? e : result;
        if (is_ok(e) && found && !provider_eligible(&record, clock->late_after, clock->now)) {
            len += (size_t)snprintf(check->example + len, sizeof check->example - len,
                                    "; provider %u: state %d, age %llu s, room %lld", i,
                                    (int)record.state,
                                    (unsigned long long)(clock->now - record.heartbeat),
                                    (long long)(record.announced - record.service) / 1024);
        }
    }
    return result;
}

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
    if (!complete && check->incomplete++ == 0) {
        describe(check, &key, &record, statuses); /* the first one */
    }
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
    err providers = check->incomplete > 0 ? describe_providers(slots, &clock, check) : ok();
    return is_ok(result) ? providers : result;
}

err checks_segments(struct role *gateway, u64 deadline_ms, struct check_segments *ret)
{
    return chain_view(gateway_chain(gateway->gateway), read_segments, ret, deadline_ms);
}

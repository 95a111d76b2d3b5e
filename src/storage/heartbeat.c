/* heartbeat.c: signs of life, the space that is announced, and the disks it depends on. */
#include "storage/store_internal.h"

#include "base/log.h"
#include "base/mem.h"
#include "storage/provider_call.h"

#define CALL_MS 20000
#define PACE_MIN_MS 500
#define PACE_MAX_MS 60000
#define RETRY_MS 1000
#define ANNOUNCE_STEP_BYTES MIB(1)
#define DISKS_PACE_MS 5000
#define DROP_PAGE 64
#define NEWS_MS ((u64)24 * 3600 * 1000) /* how long a loss stays an alarm */

/* ---- announcing ---- */

/* What can be promised for service: what is served, what is here but not on chain yet, and the room
 * that is left. A node that cannot write promises nothing more. */
static u64 space_to_announce(const struct store *store)
{
    const struct provider_record *record = &store->self.record;
    struct shelf_totals totals = shelf_totals(store->shelf);
    u64 used = totals.bytes + totals.reserved_bytes;
    u64 room = used < totals.capacity_bytes ? totals.capacity_bytes - used : 0;
    room = min_u64(room, totals.free_bytes);
    if (shelf_index_state(store->shelf) != DISK_FINE) {
        room = 0;
    }
    u64 promised = record->service + totals.open_bytes + room;
    return min_u64(promised, record->capacity);
}

/* Small changes are not worth a transaction. */
static bool worth_announcing(const struct provider_record *record, u64 wanted)
{
    u64 announced = record->announced;
    u64 distance = wanted > announced ? wanted - announced : announced - wanted;
    u64 weight = announced > record->service ? announced - record->service : 0;
    return distance > weight / 8 + ANNOUNCE_STEP_BYTES;
}

static bool heartbeat_due(const struct store_self *self)
{
    u64 age = self->chain_now - min_u64(self->chain_now, self->record.heartbeat);
    return self->record.out_of_tree || 2 * age >= self->due_s;
}

static err send_sign(struct store *store, bool announce, u64 wanted)
{
    u64 deadline = store_deadline(store, CALL_MS);
    struct abi_value values[] = {abi_u64(wanted)};
    ++*store->heartbeats;
    return announce
               ? provider_call(store->account, PROVIDER_ANNOUNCE, values, PROVIDER_GAS, deadline)
               : provider_call(store->account, PROVIDER_HEARTBEAT, NULL, PROVIDER_GAS, deadline);
}

static void watch_state(struct store *store)
{
    enum provider_state state = store->self.record.state;
    if (state == PROVIDER_DRAINING) {
        alarm_raise(store, ALARM_STATE, "draining: nothing new is taken");
    } else if (state == PROVIDER_EXITED) {
        alarm_raise(store, ALARM_STATE, "this provider has left the network");
    } else {
        alarm_clear(store, ALARM_STATE);
    }
}

static err heartbeat_round(struct store *store)
{
    TRY(store_refresh_self(store));
    const struct provider_record *record = &store->self.record;
    watch_state(store);
    if (record->state == PROVIDER_EXITED) {
        return ok();
    }
    if (provider_is_late(record, store->self.late_after_s, store->self.chain_now)) {
        log_warn("storage", "provider %u was late; what was not repaired meanwhile is held again",
                 store->provider);
    }
    u64 wanted = space_to_announce(store);
    bool announce = record->state == PROVIDER_ACTIVE && worth_announcing(record, wanted);
    if (announce || heartbeat_due(&store->self)) {
        return send_sign(store, announce, wanted);
    }
    return ok();
}

static u64 heartbeat_pace(const struct store *store)
{
    u64 pace = store->self.due_s * 1000 / 4;
    return max_u64(PACE_MIN_MS, min_u64(PACE_MAX_MS, pace));
}

void heartbeat_fiber(void *arg)
{
    struct store *store = arg;
    u64 pause = 0;
    while (store_sleep(store, pause)) {
        err e = heartbeat_round(store);
        if (is_err(e, ERR_CANCELLED)) {
            return;
        }
        if (is_ok(e)) {
            alarm_clear(store, ALARM_HEARTBEAT);
            pause = heartbeat_pace(store);
        } else {
            ++*store->duty_failures;
            alarm_raise(store, ALARM_HEARTBEAT, "no heartbeat gets through: %s", err_text(e));
            pause = RETRY_MS;
        }
        if (chain_healthy(store->chain)) {
            alarm_clear(store, ALARM_CHAIN);
        } else {
            alarm_raise(store, ALARM_CHAIN, "no ledger node has answered for some seconds");
        }
    }
}

/* ---- disks ---- */

/* Forgets what lay on an absent disk; the reconciler then finds it missing and declares it lost. */
static err drop_place(struct store *store, u8 place, struct shelf_entry *page)
{
    struct fragment_key keys[DROP_PAGE];
    struct fragment_key last;
    size_t count = DROP_PAGE;
    for (bool first = true; count == DROP_PAGE; first = false) {
        size_t chosen = 0;
        TRY(shelf_list(store->shelf, first ? NULL : &last, page, DROP_PAGE, &count));
        for (size_t i = 0; i < count; i++) {
            last = entry_key(&page[i]);
            if (page[i].place == place) {
                keys[chosen++] = last;
            }
        }
        TRY(shelf_drop(store->shelf, keys, chosen, UINT64_MAX, NULL));
    }
    return ok();
}

static void watch_absent(struct store *store, const struct disk *disk)
{
    u64 size;
    u64 fragments;
    shelf_place_totals(store->shelf, disk->place, &size, &fragments);
    if (disk->state != DISK_ABSENT || fragments == 0 ||
        loop_now_ms(store->loop) - disk->since_ms < store->options.disk_absent_ms) {
        return;
    }
    alarm_raise(store, ALARM_LOST, "disk %s is absent for too long: its %llu fragments are lost",
                disk->id, (unsigned long long)fragments);
    struct shelf_entry *page = mem_alloc_array(DROP_PAGE, sizeof *page);
    IGNORE(drop_place(store, disk->place, page)); /* tried again in the next round */
    mem_free(page);
}

static void age_alarm(struct store *store, enum alarm_kind kind)
{
    const struct alarm *alarm = &store->alarm[kind];
    if (alarm->active && loop_wall_ms(store->loop) > alarm->since_ms + NEWS_MS) {
        alarm_clear(store, kind);
    }
}

void disks_fiber(void *arg)
{
    struct store *store = arg;
    while (store_sleep(store, DISKS_PACE_MS)) {
        shelf_probe(store->shelf);
        for (size_t i = 0; i < shelf_disk_count(store->shelf); i++) {
            watch_absent(store, shelf_disk(store->shelf, i));
        }
        age_alarm(store, ALARM_ROT);
        age_alarm(store, ALARM_LOST);
    }
}

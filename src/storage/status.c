/* status.c: what is true of the node now, for people and for metrics. */
#include "storage/store_internal.h"

static const char *provider_state_name(enum provider_state state)
{
    switch (state) {
    case PROVIDER_NONE:
        return "unregistered";
    case PROVIDER_ACTIVE:
        return "active";
    case PROVIDER_DRAINING:
        return "draining";
    case PROVIDER_EXITED:
        return "exited";
    }
    return "unknown";
}

static json_t *disk_json(const struct shelf *shelf, const struct disk *disk)
{
    u64 size;
    u64 fragments;
    shelf_place_totals(shelf, disk->place, &size, &fragments);
    return json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I}", "path",
                     disk->path != NULL ? disk->path : "", "id", disk->id, "state",
                     disk_state_name(disk->state), "bytes", (json_int_t)size, "fragments",
                     (json_int_t)fragments, "free", (json_int_t)disk->free_bytes, "total",
                     (json_int_t)disk->total_bytes, "faults", (json_int_t)disk->faults);
}

static void add_alarm(json_t *alarms, const char *code, const char *message, u64 since_ms,
                      u64 count)
{
    json_array_append_new(alarms, json_pack("{s:s, s:s, s:I, s:I}", "code", code, "message",
                                            message, "since", (json_int_t)(since_ms / 1000),
                                            "count", (json_int_t)count));
}

static void add_disk_alarms(const struct store *store, json_t *alarms)
{
    char message[ALARM_MESSAGE_MAX];
    struct buf text;
    u64 now = loop_now_ms(store->loop);
    u64 wall = loop_wall_ms(store->loop);
    for (size_t i = 0; i < shelf_disk_count(store->shelf); i++) {
        const struct disk *disk = shelf_disk(store->shelf, i);
        u64 size;
        u64 fragments;
        shelf_place_totals(store->shelf, disk->place, &size, &fragments);
        if (disk->state == DISK_FINE || (disk->state == DISK_ABSENT && fragments == 0)) {
            continue;
        }
        buf_init(&text, sizeof message - 1);
        buf_format(&text, "disk %.80s is %s", disk->path != NULL ? disk->path : disk->id,
                   disk_state_name(disk->state));
        memcpy(message, text.data, text.len);
        message[text.len] = 0;
        add_alarm(alarms, "disk", message, wall - (now - disk->since_ms), disk->faults);
        buf_free(&text);
    }
    if (shelf_index_state(store->shelf) != DISK_FINE) {
        add_alarm(alarms, "index", "the index cannot be written", wall, 1);
    }
}

static json_t *alarms_json(const struct store *store)
{
    json_t *alarms = json_array();
    for (size_t i = 0; i < ALARM_KINDS; i++) {
        const struct alarm *alarm = &store->alarm[i];
        if (alarm->active) {
            add_alarm(alarms, alarm_name((enum alarm_kind)i), alarm->message, alarm->since_ms,
                      alarm->count);
        }
    }
    if (store->shelf != NULL) {
        add_disk_alarms(store, alarms);
    }
    return alarms;
}

static json_t *chain_json(const struct store *store)
{
    const struct store_self *self = &store->self;
    struct chain_head head = chain_head(store->chain);
    return json_pack(
        "{s:I, s:b, s:s, s:I, s:I, s:I, s:I}", "height", (json_int_t)head.height, "healthy",
        chain_healthy(store->chain), "state", provider_state_name(self->record.state), "announced",
        (json_int_t)self->record.announced, "service", (json_int_t)self->record.service, "live",
        (json_int_t)self->record.live, "heartbeat", (json_int_t)self->record.heartbeat);
}

static json_t *space_json(const struct store *store)
{
    json_t *disks = json_array();
    struct shelf_totals totals = shelf_totals(store->shelf);
    u64 index_bytes;
    u64 index_fragments;
    shelf_place_totals(store->shelf, PLACE_INDEX, &index_bytes, &index_fragments);
    for (size_t i = 0; i < shelf_disk_count(store->shelf); i++) {
        json_array_append_new(disks, disk_json(store->shelf, shelf_disk(store->shelf, i)));
    }
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "bytes",
                     (json_int_t)totals.bytes, "fragments", (json_int_t)totals.fragments,
                     "open_bytes", (json_int_t)totals.open_bytes, "open_fragments",
                     (json_int_t)totals.open_fragments, "uploading_bytes",
                     (json_int_t)totals.reserved_bytes, "free_bytes", (json_int_t)totals.free_bytes,
                     "index_fragments", (json_int_t)index_fragments, "commit_copies",
                     (json_int_t)shelf_copy_count(store->shelf), "disks", disks);
}

static json_t *scrub_json(const struct store *store)
{
    return json_pack("{s:I, s:I, s:I}", "passes", (json_int_t)*store->scrub_passes, "bytes",
                     (json_int_t)*store->scrubbed_bytes, "rotten", (json_int_t)*store->rotten);
}

json_t *store_status(struct store *store)
{
    char account[2 + 40 + 1] = "0x";
    struct address address;
    secp_address_of_secret(&address, &store->options.account);
    hex_encode(account + 2, sizeof account - 2, BYTES_OF(address));
    json_t *status =
        json_pack("{s:b, s:s, s:I, s:s, s:I, s:o, s:o}", "ready", store->phase == PHASE_READY,
                  "phase", store_phase_name(store->phase), "provider", (json_int_t)store->provider,
                  "address", account, "capacity", (json_int_t)store->options.capacity_bytes,
                  "alarms", alarms_json(store), "scrub", scrub_json(store));
    if (store->shelf != NULL) {
        json_object_update_new(status, space_json(store));
    }
    if (store->chain != NULL) {
        json_object_set_new(status, "chain", chain_json(store));
    }
    return status;
}

void store_refresh_gauges(void *ctx)
{
    struct store *store = ctx;
    const struct store_self *self = &store->self;
    json_t *alarms = alarms_json(store);
    *store->ready = store->phase == PHASE_READY;
    *store->capacity_bytes = store->options.capacity_bytes;
    *store->alarms = json_array_size(alarms);
    json_decref(alarms);
    if (self->known && self->chain_now > self->record.heartbeat) {
        *store->heartbeat_age = self->chain_now - self->record.heartbeat;
    }
    if (store->shelf == NULL) {
        return;
    }
    struct shelf_totals totals = shelf_totals(store->shelf);
    *store->used_bytes = totals.bytes;
    *store->fragments = totals.fragments;
    *store->open_bytes = totals.open_bytes;
    *store->free_bytes = totals.free_bytes;
    *store->commit_copies = shelf_copy_count(store->shelf);
    *store->disks_bad = 0;
    for (size_t i = 0; i < shelf_disk_count(store->shelf); i++) {
        *store->disks_bad += shelf_disk(store->shelf, i)->state != DISK_FINE;
    }
}

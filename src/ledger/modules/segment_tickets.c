#include "ledger/modules/segment_layout.h"

#include "ledger/modules/beacon_layout.h"
#include "ledger/modules/bucket_layout.h"
#include "ledger/modules/segment_state.h"
#include "ledger/modules/state.h"
#include "ledger/modules/territory_layout.h"

struct hash ticket_slot(u64 territory, u32 gateway)
{
    struct layout_key key = layout_key_none();
    layout_key_u64(&key, territory, 8);
    layout_key_u64(&key, gateway, 4);
    return layout_map(SEGMENT_MAP_TICKETS, &key);
}

void ticket_pack(struct word ret_words[2], const struct ticket_record *record)
{
    memset(ret_words, 0, 2 * sizeof *ret_words);
    word_put(&ret_words[0], 0, 8, record->base);
    word_put(&ret_words[0], 8, 8, record->used);
    word_put(&ret_words[0], 16, 8, record->skipped);
    memcpy(ret_words[1].b, record->window, sizeof record->window);
}

err ticket_load(const struct slot_source *source, u64 territory, u32 gateway,
                struct ticket_record *ret_record)
{
    struct hash slot = ticket_slot(territory, gateway);
    struct word words[2];
    TRY(layout_words(source, MODULE_SEGMENT, &slot, words, 2));
    ret_record->base = word_get(&words[0], 0, 8);
    ret_record->used = word_get(&words[0], 8, 8);
    ret_record->skipped = word_get(&words[0], 16, 8);
    memcpy(ret_record->window, words[1].b, sizeof ret_record->window);
    return ok();
}

static bool window_bit(const struct ticket_record *record, u64 i)
{
    return (record->window[i / 8] >> (7 - i % 8) & 1) != 0;
}

static void window_set(struct ticket_record *record, u64 i, bool value)
{
    u8 mask = (u8)(0x80 >> (i % 8));
    u8 *at = &record->window[i / 8];
    *at = (u8)(value ? *at | mask : *at & ~mask);
}

u64 ticket_next(const struct ticket_record *record)
{
    for (u64 i = TICKET_WINDOW; i > 0; i--) {
        if (window_bit(record, i - 1)) {
            return record->base + i;
        }
    }
    return record->base;
}

bool ticket_is_used(const struct ticket_record *record, u64 number)
{
    return number < record->base ||
           (number - record->base < TICKET_WINDOW && window_bit(record, number - record->base));
}

u64 ticket_lowest(const struct ticket_record *record, u64 from)
{
    u64 number = max_u64(from, record->base);
    while (ticket_is_used(record, number)) {
        number++;
    }
    return number;
}

/* move_window: by `shift` numbers; those that leave it unused are skipped for good. */
static void move_window(struct ticket_record *record, u64 shift)
{
    u64 inside = min_u64(shift, TICKET_WINDOW);
    for (u64 i = 0; i < inside; i++) {
        record->skipped += !window_bit(record, i);
    }
    record->skipped += shift - inside;
    for (u64 i = 0; i < TICKET_WINDOW; i++) {
        bool from = shift < TICKET_WINDOW - i && window_bit(record, i + shift);
        window_set(record, i, from);
    }
    record->base += shift;
}

static bool skips_are_few(const struct ticket_record *record, u64 skip_percent)
{
    u128 limit = (u128)record->base * skip_percent + (u128)TICKET_SKIP_ALLOWANCE * 100;
    return (u128)record->skipped * 100 <= limit;
}

bool ticket_use(struct ticket_record *record, u64 number, u64 skip_percent)
{
    struct ticket_record next = *record;
    if (number == UINT64_MAX || ticket_is_used(record, number)) {
        return false;
    }
    if (number - next.base >= TICKET_WINDOW) {
        move_window(&next, number - next.base - (TICKET_WINDOW - 1));
    }
    window_set(&next, number - next.base, true);
    next.used++;
    if (next.skipped != record->skipped && !skips_are_few(&next, skip_percent)) {
        return false;
    }
    *record = next;
    return true;
}

/* fill_table: total and eligible of the frozen table; valid false if it is not kept any more. */
static err fill_table(const struct slot_source *source, struct ticket_seed *seed, bool *ret_valid)
{
    return provider_table(source, seed->table_epoch, &seed->total, &seed->eligible, ret_valid);
}

static err epoch_seed(const struct slot_source *source, u64 epoch, struct ticket_seed *ret_seed,
                      bool *ret_valid)
{
    struct beacon_epoch record;
    bool found;
    TRY(beacon_epoch_load(source, epoch, &record, &found));
    if (!found) {
        *ret_valid = false;
        return ok();
    }
    ret_seed->seed = record.seed;
    ret_seed->epoch = epoch;
    ret_seed->table_epoch = epoch - min_u64(TICKET_TABLE_LAG, epoch);
    return fill_table(source, ret_seed, ret_valid);
}

/* Since when a (territory, gateway) pair exists. */
struct pair_start {
    u64 height;
    u64 epoch;
};

static err pair_start_load(const struct slot_source *source, u64 territory, u32 gateway,
                           u64 block_time, struct pair_start *ret_start, bool *ret_found)
{
    struct territory_record record;
    struct authorisation_key key;
    struct authorisation authorisation;
    TRY(territory_load(source, territory, &record, ret_found));
    if (!*ret_found) {
        return ok();
    }
    TRY(authorisation_find(source, &record.owner, territory, gateway, SCOPE_WRITE, block_time, &key,
                           &authorisation, ret_found));
    if (*ret_found) {
        ret_start->height = max_u64(record.created_height, authorisation.since_height);
        ret_start->epoch = max_u64(record.created_epoch, authorisation.since_epoch);
    }
    return ok();
}

static err start_seed(const struct slot_source *source, const struct pair_start *start,
                      struct ticket_seed *ret_seed, bool *ret_valid)
{
    TRY(beacon_output(source, start->height + 2, &ret_seed->seed, ret_valid));
    if (!*ret_valid) {
        return ok();
    }
    ret_seed->epoch = 0;
    ret_seed->table_epoch = start->epoch - min_u64(1, start->epoch);
    return fill_table(source, ret_seed, ret_valid);
}

err segment_ticket_seed(const struct slot_source *source, u64 territory, u32 gateway, u64 epoch,
                        u64 block_time, struct ticket_seed *ret_seed, bool *ret_valid)
{
    struct beacon_state beacon;
    struct pair_start start = {0};
    bool found;
    *ret_valid = false;
    TRY(beacon_load(source, &beacon));
    TRY(pair_start_load(source, territory, gateway, block_time, &start, &found));
    if (!found) {
        return ok();
    }
    if (epoch == 0) {
        return beacon.epoch <= start.epoch + 1 ? start_seed(source, &start, ret_seed, ret_valid)
                                               : ok();
    }
    bool is_open = epoch == beacon.epoch || (epoch < beacon.epoch && epoch + 1 == beacon.epoch);
    return is_open && start.epoch < epoch ? epoch_seed(source, epoch, ret_seed, ret_valid) : ok();
}

err segment_ticket_seed_now(const struct slot_source *source, u64 territory, u32 gateway,
                            u64 block_time, struct ticket_seed *ret_seed, bool *ret_valid)
{
    struct beacon_state beacon;
    TRY(beacon_load(source, &beacon));
    TRY(segment_ticket_seed(source, territory, gateway, beacon.epoch, block_time, ret_seed,
                            ret_valid));
    return *ret_valid ? ok()
                      : segment_ticket_seed(source, territory, gateway, 0, block_time, ret_seed,
                                            ret_valid);
}

err segment_repair_seed(const struct slot_source *source, u64 epoch, struct ticket_seed *ret_seed,
                        bool *ret_valid)
{
    struct beacon_state beacon;
    TRY(beacon_load(source, &beacon));
    bool is_open = epoch != 0 &&
                   (epoch == beacon.epoch || (epoch < beacon.epoch && epoch + 1 == beacon.epoch));
    *ret_valid = false;
    return is_open ? epoch_seed(source, epoch, ret_seed, ret_valid) : ok();
}

#include "ledger/modules/segment_layout.h"

#include "base/assert.h"
#include "crypto/hash.h"
#include "ledger/modules/beacon_layout.h"
#include "ledger/modules/bucket_layout.h"
#include "ledger/modules/params_layout.h"
#include "ledger/modules/segment_state.h"
#include "ledger/modules/state.h"

#define HEAD_WORDS 2
#define HOLDERS_PER_WORD 4
#define HOLDER_BYTES 8
#define WATCHER_DOMAIN "cairn watcher v1"

struct layout_key segment_map_key(const struct segment_key *key)
{
    struct layout_key map_key = layout_key_none();
    layout_key_u64(&map_key, key->territory, 8);
    layout_key_u64(&map_key, key->gateway, 4);
    layout_key_u64(&map_key, key->number, 8);
    return map_key;
}

struct hash segment_slot(const struct segment_key *key)
{
    struct layout_key map_key = segment_map_key(key);
    return layout_map(SEGMENT_MAP_RECORDS, &map_key);
}

struct hash segment_list_slot(u64 serial) { return layout_map_u64(SEGMENT_MAP_LIST, serial, 8); }

struct hash segment_release_slot(const struct segment_key *key)
{
    struct layout_key map_key = segment_map_key(key);
    return layout_map(SEGMENT_MAP_RELEASES, &map_key);
}

struct hash watcher_slot(u32 own_watcher)
{
    return layout_map_u64(SEGMENT_MAP_WATCHERS, own_watcher, 4);
}

size_t segment_word_count(u8 n) { return HEAD_WORDS + (size_t)ceil_div(n, HOLDERS_PER_WORD); }

void segment_pack(struct word ret_words[SEGMENT_WORDS_MAX], const struct segment_record *record)
{
    memset(ret_words, 0, SEGMENT_WORDS_MAX * sizeof *ret_words);
    ret_words[0].b[0] = (u8)record->class_number;
    ret_words[0].b[1] = record->flags;
    word_put(&ret_words[0], 2, 4, record->length);
    word_put(&ret_words[0], 6, 6, record->serial);
    word_put(&ret_words[0], 12, 4, record->epoch);
    word_put(&ret_words[0], 16, 8, record->committed);
    word_put(&ret_words[0], 24, 8, record->changed);
    memcpy(ret_words[1].b, record->id.b, sizeof record->id.b);
    for (size_t i = 0; i < record->n; i++) {
        struct word *word = &ret_words[HEAD_WORDS + i / HOLDERS_PER_WORD];
        size_t at = i % HOLDERS_PER_WORD * HOLDER_BYTES;
        word_put(word, at, 4, record->holders[i].provider);
        word_put(word, at + 4, 4, record->holders[i].position);
    }
}

static void unpack_holders(struct segment_record *record, const struct word *words)
{
    for (size_t i = 0; i < record->n; i++) {
        const struct word *word = &words[i / HOLDERS_PER_WORD];
        size_t at = i % HOLDERS_PER_WORD * HOLDER_BYTES;
        record->holders[i].provider = (u32)word_get(word, at, 4);
        record->holders[i].position = (u32)word_get(word, at + 4, 4);
    }
}

err segment_load(const struct slot_source *source, const struct segment_key *key,
                 struct segment_record *ret_record, bool *ret_found)
{
    struct hash slot = segment_slot(key);
    struct word words[SEGMENT_WORDS_MAX];
    TRY(layout_words(source, MODULE_SEGMENT, &slot, words, HEAD_WORDS));
    const struct redundancy_info *r = redundancy_find(words[0].b[0]);
    if (r == NULL) {
        *ret_found = false;
        return ok();
    }
    struct segment_record record = {.class_number = (enum redundancy)words[0].b[0],
                                    .n = redundancy_n(r),
                                    .flags = words[0].b[1],
                                    .length = (u32)word_get(&words[0], 2, 4),
                                    .serial = word_get(&words[0], 6, 6),
                                    .epoch = (u32)word_get(&words[0], 12, 4),
                                    .committed = word_get(&words[0], 16, 8),
                                    .changed = word_get(&words[0], 24, 8)};
    memcpy(record.id.b, words[1].b, sizeof record.id.b);
    struct hash rest = slot_add(&slot, HEAD_WORDS);
    TRY(layout_words(source, MODULE_SEGMENT, &rest, words + HEAD_WORDS,
                     segment_word_count(record.n) - HEAD_WORDS));
    unpack_holders(&record, words + HEAD_WORDS);
    *ret_record = record;
    *ret_found = true;
    return ok();
}

err segment_counts_load(const struct slot_source *source, struct segment_counts *ret_counts)
{
    struct hash slot = slot_number(SEGMENT_SLOT_COUNTS);
    struct word word;
    TRY(layout_words(source, MODULE_SEGMENT, &slot, &word, 1));
    ret_counts->segments = word_get(&word, 0, 8);
    ret_counts->own_watchers = (u32)word_get(&word, 8, 4);
    return ok();
}

err segment_count(const struct slot_source *source, u64 *ret_count)
{
    struct segment_counts counts;
    TRY(segment_counts_load(source, &counts));
    *ret_count = counts.segments;
    return ok();
}

err segment_at(const struct slot_source *source, u64 serial, struct segment_key *ret_key,
               bool *ret_found)
{
    struct hash slot = segment_list_slot(serial);
    struct word word;
    TRY(layout_words(source, MODULE_SEGMENT, &slot, &word, 1));
    ret_key->territory = word_get(&word, 0, 8);
    ret_key->gateway = (u32)word_get(&word, 8, 4);
    ret_key->number = word_get(&word, 12, 8);
    *ret_found = ret_key->territory != 0; /* territories count from 1 */
    return ok();
}

err segment_release_time(const struct slot_source *source, const struct segment_key *key,
                         u64 *ret_time)
{
    struct hash slot = segment_release_slot(key);
    return state_load_u64(source, MODULE_SEGMENT, &slot, 8, ret_time);
}

u32 segment_fragment_bytes(const struct segment_record *record)
{
    struct segment_shape shape;
    const struct redundancy_info *r = redundancy_find((u8)record->class_number);
    assert_that(r != NULL && segment_shape_of(&shape, r, record->length));
    return shape.fragment_length;
}

void segment_clear_holder(struct segment_record *record, u8 index, u64 chain_now)
{
    u64 passed = chain_now - min_u64(record->committed, chain_now);
    assert_that(index < record->n);
    record->holders[index].provider = 0;
    record->holders[index].position = (u32)min_u64(passed + 1, UINT32_MAX);
    record->changed = chain_now;
}

err holder_clock_load(const struct slot_source *source, struct holder_clock *ret_clock)
{
    TRY(beacon_now(source, &ret_clock->now));
    TRY(provider_late_after(source, &ret_clock->late_after));
    TRY(params_load(source, PARAM_COMPLETE_DUE_S, &ret_clock->complete_due));
    return params_load(source, PARAM_REPAIR_ASSIGN_S, &ret_clock->repair_assign);
}

static enum holder_status empty_status(const struct holder_clock *clock,
                                       const struct segment_record *segment, u32 loss,
                                       u64 *ret_since)
{
    u64 due = segment->committed + clock->complete_due;
    if (loss != 0) {
        *ret_since = segment->committed + loss - 1;
        return HOLDER_LOST;
    }
    *ret_since = clock->now < due ? segment->committed : due;
    return clock->now < due ? HOLDER_AWAITED : HOLDER_MISSING;
}

enum holder_status holder_status_of(const struct holder_clock *clock,
                                    const struct segment_record *segment, u8 index,
                                    const struct provider_record *provider, u64 *ret_since)
{
    assert_that(index < segment->n);
    const struct segment_holder *holder = &segment->holders[index];
    if (holder->provider == 0) {
        return empty_status(clock, segment, holder->position, ret_since);
    }
    assert_that(provider != NULL);
    if (holder->position < provider->lost_before) {
        *ret_since = provider->lost_at;
        return HOLDER_LOST;
    }
    if (provider_is_late(provider, clock->late_after, clock->now)) {
        *ret_since = provider->heartbeat + clock->late_after;
        return HOLDER_LOST;
    }
    *ret_since = provider->state == PROVIDER_DRAINING ? provider->state_since : 0;
    return provider->state == PROVIDER_DRAINING ? HOLDER_DRAINING : HOLDER_PRESENT;
}

err segment_statuses(const struct slot_source *source, const struct holder_clock *clock,
                     const struct segment_record *segment, enum holder_status *ret_status,
                     u64 *ret_since)
{
    err result = ok();
    for (u8 i = 0; i < segment->n; i++) {
        struct provider_record provider = {0};
        bool found = true;
        if (segment->holders[i].provider != 0) {
            err e = provider_load(source, segment->holders[i].provider, &provider, &found);
            result = is_ok(result) ? e : result;
        }
        if (is_ok(result)) {
            ret_status[i] = holder_status_of(clock, segment, i, &provider, &ret_since[i]);
        }
    }
    return result;
}

err watcher_count(const struct slot_source *source, u32 *ret_count)
{
    struct segment_counts counts;
    u32 gateways;
    TRY(segment_counts_load(source, &counts));
    TRY(gateway_count(source, &gateways));
    *ret_count = (u32)min_u64((u64)gateways + counts.own_watchers, UINT32_MAX);
    return ok();
}

err watcher_at(const struct slot_source *source, u32 watcher, struct address *ret_account)
{
    u32 gateways;
    TRY(gateway_count(source, &gateways));
    if (watcher < gateways) {
        struct gateway_record gateway;
        bool found;
        TRY(gateway_load(source, watcher + 1, &gateway, &found));
        *ret_account = gateway.account;
        return ok();
    }
    struct hash slot = watcher_slot(watcher - gateways);
    struct word word;
    TRY(layout_words(source, MODULE_SEGMENT, &slot, &word, 1));
    *ret_account = word_address(&word, 0);
    return ok();
}

/* Which of `total` watchers is drawn first or second. */
static u32 draw_watcher(const struct segment_key *key, const struct hash *seed, u8 which, u32 total)
{
    u8 numbers[21];
    store_be64(numbers, key->territory);
    store_be32(numbers + 8, key->gateway);
    store_be64(numbers + 12, key->number);
    numbers[20] = which;
    struct bytes parts[] = {bytes_str(WATCHER_DOMAIN), BYTES_OF(seed->b), BYTES_OF(numbers)};
    struct hash digest;
    sha256_parts(&digest, parts, COUNT_OF(parts));
    return (u32)(((u128)load_be64(digest.b) * total) >> 64);
}

err segment_watchers(const struct slot_source *source, const struct segment_key *key,
                     const struct hash *seed, struct address ret_accounts[SEGMENT_WATCHERS_PER_JOB],
                     size_t *ret_count)
{
    u32 total;
    u32 drawn[SEGMENT_WATCHERS_PER_JOB];
    TRY(watcher_count(source, &total));
    size_t count = min_size(total, SEGMENT_WATCHERS_PER_JOB);
    for (size_t i = 0; i < count; i++) {
        drawn[i] = draw_watcher(key, seed, (u8)i, total);
        if (i > 0 && drawn[i] == drawn[0]) {
            drawn[i] = (drawn[i] + 1) % total;
        }
        TRY(watcher_at(source, drawn[i], &ret_accounts[i]));
    }
    *ret_count = count;
    return ok();
}

u64 segment_job_since(const struct segment_record *segment, const enum holder_status *statuses,
                      const u64 *since)
{
    u64 newest = 0;
    for (u8 i = 0; i < segment->n; i++) {
        bool counts = statuses[i] == HOLDER_MISSING || statuses[i] == HOLDER_LOST ||
                      statuses[i] == HOLDER_DRAINING;
        newest = counts ? max_u64(newest, since[i]) : newest;
    }
    return newest;
}

static err is_drawn_in(const struct slot_source *source, const struct segment_key *key, u64 epoch,
                       const struct address *account, bool *ret_is_drawn)
{
    struct beacon_epoch record;
    bool found;
    TRY(beacon_epoch_load(source, epoch, &record, &found));
    if (!found) {
        return ok();
    }
    struct address accounts[SEGMENT_WATCHERS_PER_JOB];
    size_t count;
    TRY(segment_watchers(source, key, &record.seed, accounts, &count));
    for (size_t i = 0; i < count; i++) {
        *ret_is_drawn = *ret_is_drawn || address_eq(&accounts[i], account);
    }
    return ok();
}

err segment_repair_allowed(const struct slot_source *source, const struct segment_key *key,
                           const struct segment_record *segment, const struct address *account,
                           bool *ret_allowed)
{
    struct holder_clock clock;
    enum holder_status statuses[FRAGMENTS_MAX];
    u64 since[FRAGMENTS_MAX];
    TRY(holder_clock_load(source, &clock));
    TRY(segment_statuses(source, &clock, segment, statuses, since));
    u64 job = segment_job_since(segment, statuses, since);
    bool allowed = job != 0 && clock.now >= job && clock.now - job >= clock.repair_assign;
    if (job != 0 && !allowed) {
        struct beacon_state beacon;
        TRY(beacon_load(source, &beacon));
        TRY(is_drawn_in(source, key, beacon.epoch, account, &allowed));
        TRY(is_drawn_in(source, key, beacon.epoch - min_u64(1, beacon.epoch), account, &allowed));
    }
    *ret_allowed = allowed;
    return ok();
}

const char *segment_reason_text(u8 reason)
{
    static const char *const texts[] = {
#define SEGMENT_REASON_TEXT(name, text) text,
        SEGMENT_REASONS(SEGMENT_REASON_TEXT)
#undef SEGMENT_REASON_TEXT
    };
    return reason < COUNT_OF(texts) ? texts[reason] : "unknown reason";
}

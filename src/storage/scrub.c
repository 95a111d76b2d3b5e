/* scrub.c: reads everything that is here at a set rate and compares it with its roots, so that rot
 * is found by its owner first. What is damaged is dropped and its position is looked at by the
 * reconciler, which declares the loss; so is what is missing. A disk that fails as a whole is not
 * judged fragment by fragment. Between two fragments one folder is swept of files that nobody
 * names.
 */
#include "storage/store_internal.h"

#include "base/log.h"
#include "base/mem.h"

#define PAGE 16
#define BUDGET_BYTES RUN_BYTES
#define RETRY_MS 1000

struct scrub {
    struct store *store;
    u64 owed_bytes; /* read since the last sleep */
    unsigned folder;
    struct shelf_entry page[PAGE];
};

/* Keeps to the rate: sleeps for as long as what was read is worth. */
static bool pace(struct scrub *scrub, u64 size)
{
    u64 rate = scrub->store->options.scrub_bytes_per_s;
    *scrub->store->scrubbed_bytes += size;
    scrub->owed_bytes += size;
    if (scrub->owed_bytes < BUDGET_BYTES) {
        return !scrub->store->stopping;
    }
    u64 ms = max_u64(1, scrub->owed_bytes * 1000 / rate);
    scrub->owed_bytes = 0;
    return store_sleep(scrub->store, ms);
}

/* ERR_CANCELLED: the role stops. */
static err check_fragment(struct scrub *scrub, const struct fragment_key *key)
{
    struct shelf_reader *reader;
    TRY(shelf_reader_open(scrub->store->shelf, key, &reader));
    u32 length = entry_length(shelf_reader_entry(reader));
    err e = ok();
    for (u32 run = 0; is_ok(e) && run < run_count(length); run++) {
        e = shelf_reader_check(reader, run);
        if (is_ok(e) && !pace(scrub, run_length(length, run))) {
            e = fail(ERR_CANCELLED);
        }
    }
    shelf_reader_close(reader);
    return e;
}

static bool disk_is_fine(const struct store *store, u8 place)
{
    return place >= shelf_disk_count(store->shelf) ||
           shelf_disk(store->shelf, place)->state == DISK_FINE;
}

static void drop_rotten(struct store *store, const struct shelf_entry *entry, err fault)
{
    const struct fragment_key key = entry_key(entry);
    char name[FRAGMENT_NAME_MAX];
    fragment_key_name(name, &key);
    ++*store->rotten;
    alarm_raise(store, ALARM_ROT, "fragment %s on disk %u is damaged (%s): dropped", name,
                entry->place, err_text(fault));
    if (is_ok(shelf_drop(store->shelf, &key, 1, UINT64_MAX, NULL)) && entry->state == ENTRY_HELD &&
        store->recheck.count < RECHECK_MAX) {
        store->recheck.positions[store->recheck.count++] = entry->position;
    }
}

/* Twice wrong is wrong: the first time may have been the memory, or a change meanwhile. */
static bool scrub_entry(struct scrub *scrub, const struct shelf_entry *entry)
{
    struct store *store = scrub->store;
    const struct fragment_key key = entry_key(entry);
    err e = check_fragment(scrub, &key);
    if (is_err(e, ERR_INTEGRITY) || is_err(e, ERR_IO)) {
        if (!store_sleep(store, RETRY_MS)) {
            return false;
        }
        e = check_fragment(scrub, &key);
    }
    bool damaged = is_err(e, ERR_INTEGRITY) || is_err(e, ERR_IO);
    if (is_err(e, ERR_IO) && entry->place < shelf_disk_count(store->shelf)) {
        shelf_probe(store->shelf); /* one bad place, or the whole disk? */
    }
    if (damaged && disk_is_fine(store, entry->place)) {
        struct shelf_entry now;
        if (is_ok(shelf_find(store->shelf, &key, &now))) {
            drop_rotten(store, &now, e);
        }
    }
    return !is_err(e, ERR_CANCELLED);
}

static bool scrub_suspects(struct scrub *scrub)
{
    struct store *store = scrub->store;
    while (store->suspect_count > 0) {
        struct shelf_entry entry;
        struct fragment_key key = store->suspects[--store->suspect_count];
        if (is_ok(shelf_find(store->shelf, &key, &entry)) && !scrub_entry(scrub, &entry)) {
            return false;
        }
    }
    return true;
}

static bool scrub_page(struct scrub *scrub, size_t count, struct fragment_key *ret_last)
{
    for (size_t i = 0; i < count; i++) {
        *ret_last = entry_key(&scrub->page[i]);
        if (!scrub_suspects(scrub) || !scrub_entry(scrub, &scrub->page[i])) {
            return false;
        }
    }
    IGNORE(shelf_sweep(scrub->store->shelf, (u8)scrub->folder++)); /* comes round again */
    return true;
}

/* False: the role stops. */
static bool scrub_pass(struct scrub *scrub)
{
    struct fragment_key last;
    size_t count = PAGE;
    for (bool first = true; count == PAGE; first = false) {
        err e = shelf_list(scrub->store->shelf, first ? NULL : &last, scrub->page, PAGE, &count);
        if (!is_ok(e)) {
            ++*scrub->store->duty_failures;
            log_warn("storage", "the scrubber cannot read the index: %s", err_text(e));
            return true;
        }
        if (!scrub_page(scrub, count, &last)) {
            return false;
        }
    }
    ++*scrub->store->scrub_passes;
    return true;
}

/* Rests between passes, but looks at once at what a read complained about. */
static bool rest(struct scrub *scrub)
{
    u64 end = store_deadline(scrub->store, scrub->store->options.scrub_pause_ms);
    while (loop_now_ms(scrub->store->loop) < end) {
        u64 left = end - loop_now_ms(scrub->store->loop);
        if (!store_sleep(scrub->store, min_u64(RETRY_MS, left)) || !scrub_suspects(scrub)) {
            return false;
        }
    }
    return true;
}

void scrub_fiber(void *arg)
{
    struct scrub *scrub = MEM_NEW(struct scrub);
    scrub->store = arg;
    for (unsigned folder = 0; folder < 256 && !scrub->store->stopping; folder++) {
        IGNORE(shelf_sweep(scrub->store->shelf, (u8)folder)); /* what a crash left */
    }
    while (rest(scrub) && scrub_pass(scrub)) {
    }
    mem_free(scrub);
}

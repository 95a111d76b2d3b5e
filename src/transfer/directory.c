#include "transfer/directory.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "ledger/modules/beacon_layout.h"

#define UNREACHABLE_MS_MIN 5000
#define UNREACHABLE_MS_MAX 60000
#define DISTRUST_MS 600000
#define REFRESH_BATCH 16
#define URLS_EVERY_MS 30000

struct entry {
    struct provider_view view;
    struct provider_record record;
    bool known;
    u64 unreachable_until_ms;
    u64 unreachable_for_ms; /* the last time; 0: was well */
    u64 distrusted_until_ms;
};

struct directory {
    struct loop *loop;
    struct chain *chain;
    struct entry *entries; /* registry order: provider i + 1 at i */
    size_t count;
    size_t eligible;
    u64 urls_read_ms;
};

/* What one view reads: registry entries [first, first + count). */
struct table_view {
    u32 total;
    u64 late_after;
    u64 now;
    u32 first;
    u32 count;
    bool with_urls;
    struct provider_record records[REFRESH_BATCH];
    bool found[REFRESH_BATCH];
    u8 urls[REFRESH_BATCH][PROVIDER_ENDPOINT_BYTES_MAX];
    size_t url_lens[REFRESH_BATCH];
};

/* Asks for everything before it gives up, so that one fetch serves all missing slots. */
static err read_table(void *ctx, const struct slot_source *slots)
{
    struct table_view *view = ctx;
    err first_fault = ok();
    err parts[3] = {
        provider_count(slots, &view->total),
        provider_late_after(slots, &view->late_after),
        beacon_now(slots, &view->now),
    };
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        first_fault = is_ok(first_fault) ? parts[i] : first_fault;
    }
    TRY(first_fault);
    view->count =
        view->first > view->total ? 0 : (u32)min_u64(REFRESH_BATCH, view->total - view->first + 1);
    for (u32 i = 0; i < view->count; i++) {
        err record = provider_load(slots, view->first + i, &view->records[i], &view->found[i]);
        err url = ok();
        if (view->with_urls) {
            url = provider_endpoint(slots, view->first + i, view->urls[i], &view->url_lens[i]);
        }
        first_fault = !is_ok(first_fault) ? first_fault : !is_ok(record) ? record : url;
    }
    return first_fault;
}

static void update_entry(struct directory *directory, const struct table_view *table, u32 i)
{
    struct entry *entry = &directory->entries[table->first + i - 1];
    if (!entry->known && !table->with_urls) {
        return; /* new: the next time, with its endpoint */
    }
    const struct provider_record *record = &table->records[i];
    struct provider_view *view = &entry->view;
    bool late = provider_is_late(record, table->late_after, table->now);
    view->index = table->first + i;
    view->operator_ = record->account;
    view->signer = record->signer;
    view->alive = (record->state == PROVIDER_ACTIVE || record->state == PROVIDER_DRAINING) && !late;
    view->weight = provider_eligible(record, table->late_after, table->now)
                       ? provider_current_weight(record)
                       : 0;
    if (table->with_urls) {
        size_t url_len = min_size(table->url_lens[i], sizeof view->url - 1);
        memcpy(view->url, table->urls[i], url_len);
        view->url[url_len] = '\0';
    }
    entry->record = *record;
    entry->known = true;
}

static void grow(struct directory *directory, u32 total)
{
    if (total > directory->count) {
        directory->entries = mem_resize(directory->entries, total * sizeof *directory->entries);
        memset(directory->entries + directory->count, 0,
               (total - directory->count) * sizeof *directory->entries);
        directory->count = total;
    }
}

/* Endpoints seldom change and cost the most slots: they are read when there is reason to. */
static bool wants_urls(const struct directory *directory, u32 first)
{
    size_t end = min_size(directory->count, first - 1 + REFRESH_BATCH);
    for (size_t i = first - 1; i < end; i++) {
        if (!directory->entries[i].known || directory->entries[i].unreachable_for_ms != 0) {
            return true;
        }
    }
    return end < first || loop_now_ms(directory->loop) - directory->urls_read_ms >= URLS_EVERY_MS;
}

err directory_refresh(struct directory *directory, u64 deadline_ms)
{
    struct table_view *table = MEM_NEW(struct table_view);
    u64 begin_ms = loop_now_ms(directory->loop);
    bool all_urls = true;
    err e = ok();
    for (table->first = 1; is_ok(e); table->first += REFRESH_BATCH) {
        table->with_urls = wants_urls(directory, table->first);
        all_urls = all_urls && table->with_urls;
        e = chain_view(directory->chain, read_table, table, deadline_ms);
        if (!is_ok(e) || table->count == 0) {
            break;
        }
        grow(directory, table->total);
        for (u32 i = 0; i < table->count; i++) {
            if (table->found[i]) {
                update_entry(directory, table, i);
            }
        }
    }
    mem_free(table);
    directory->urls_read_ms = all_urls && is_ok(e) ? begin_ms : directory->urls_read_ms;
    directory->eligible = 0;
    for (size_t i = 0; i < directory->count; i++) {
        directory->eligible += directory->entries[i].view.weight != 0;
    }
    return e;
}

err directory_open(struct loop *loop, struct chain *chain, u64 deadline_ms,
                   struct directory **ret_directory)
{
    struct directory *directory = MEM_NEW(struct directory);
    directory->loop = loop;
    directory->chain = chain;
    err e = directory_refresh(directory, deadline_ms);
    if (!is_ok(e)) {
        directory_close(directory);
        return e;
    }
    *ret_directory = directory;
    return ok();
}

void directory_close(struct directory *directory)
{
    if (directory != NULL) {
        mem_free(directory->entries);
        mem_free(directory);
    }
}

size_t directory_count(const struct directory *directory) { return directory->count; }

size_t directory_eligible(const struct directory *directory) { return directory->eligible; }

struct provider_view directory_at(const struct directory *directory, size_t i)
{
    assert_that(i < directory->count);
    const struct entry *entry = &directory->entries[i];
    struct provider_view view = entry->view;
    u64 now_ms = loop_now_ms(directory->loop);
    view.reachable = now_ms >= entry->unreachable_until_ms;
    view.trusted = now_ms >= entry->distrusted_until_ms;
    return view;
}

err directory_get(const struct directory *directory, u32 provider, struct provider_view *ret)
{
    if (provider == 0 || provider > directory->count) {
        return fail(ERR_NOT_FOUND);
    }
    *ret = directory_at(directory, provider - 1);
    return ok();
}

const struct provider_record *directory_record(const struct directory *directory, u32 provider)
{
    if (provider == 0 || provider > directory->count) {
        return NULL;
    }
    const struct entry *entry = &directory->entries[provider - 1];
    return entry->known ? &entry->record : NULL;
}

struct placement_candidate directory_candidate(const struct directory *directory, size_t i)
{
    assert_that(i < directory->count);
    const struct entry *entry = &directory->entries[i];
    return (struct placement_candidate){
        .provider = entry->view.index,
        .weight = entry->view.weight,
        .operator_ = entry->record.operator_,
        .prefix = entry->record.prefix,
    };
}

static const char *fault_text(enum provider_fault fault)
{
    switch (fault) {
    case PROVIDER_UNREACHABLE:
        return "is unreachable";
    case PROVIDER_STALLED:
        return "stalls";
    case PROVIDER_LIED:
        return "served wrong bytes";
    case PROVIDER_REFUSED:
        return "refuses";
    case PROVIDER_LACKS:
        return "does not have its fragment";
    }
    unreachable_case();
}

enum provider_fault provider_fault_of(err e)
{
    switch ((enum err_code)e.code) {
    case ERR_INTEGRITY:
        return PROVIDER_LIED;
    case ERR_TIMEOUT:
        return PROVIDER_STALLED;
    case ERR_REFUSED:
    case ERR_BUSY:
    case ERR_NO_SPACE:
    case ERR_CONFLICT:
    case ERR_NOT_FOUND:
        return PROVIDER_REFUSED;
    case ERR_OK:
    case ERR_FAILED:
    case ERR_USAGE:
    case ERR_EXISTS:
    case ERR_NETWORK:
    case ERR_CLOSED:
    case ERR_MALFORMED:
    case ERR_LIMIT:
    case ERR_IO:
    case ERR_CANCELLED:
        break;
    }
    return PROVIDER_UNREACHABLE;
}

/* Half a second of silence after a restart must not cost a minute, a dead node must not be asked by
 * every upload. */
static void set_aside(struct entry *entry, u64 now_ms)
{
    if (now_ms < entry->unreachable_until_ms) {
        return; /* several calls of one moment count once */
    }
    entry->unreachable_for_ms =
        max_u64(UNREACHABLE_MS_MIN, min_u64(2 * entry->unreachable_for_ms, UNREACHABLE_MS_MAX));
    entry->unreachable_until_ms = now_ms + entry->unreachable_for_ms;
}

void directory_blame(struct directory *directory, u32 provider, enum provider_fault fault,
                     const struct segment_key *key)
{
    if (provider == 0 || provider > directory->count) {
        return;
    }
    struct entry *entry = &directory->entries[provider - 1];
    char address[41];
    hex_encode(address, sizeof address, BYTES_OF(entry->view.operator_));
    log_warn("transfer", "provider %u (0x%s, %s) %s, segment %llu.%u.%llu", provider, address,
             entry->view.url, fault_text(fault), (unsigned long long)key->territory, key->gateway,
             (unsigned long long)key->number);
    entry->view.lies += fault == PROVIDER_LIED;
    entry->view.stalls += fault == PROVIDER_STALLED;
    u64 now_ms = loop_now_ms(directory->loop);
    if (fault == PROVIDER_LIED) {
        entry->distrusted_until_ms = now_ms + DISTRUST_MS;
    }
    if (fault != PROVIDER_LACKS) {
        set_aside(entry, now_ms);
    }
}

/* A running estimate of the 95th percentile: up by a fifth of the difference above it, down by a
 * hundredth below, so about one sample in twenty lies above. */
void directory_praise(struct directory *directory, u32 provider, u64 latency_ms)
{
    if (provider == 0 || provider > directory->count) {
        return;
    }
    struct entry *entry = &directory->entries[provider - 1];
    u64 *p95 = &entry->view.latency_p95_ms;
    entry->unreachable_until_ms = 0;
    entry->unreachable_for_ms = 0;
    if (latency_ms > *p95) {
        *p95 += ceil_div(latency_ms - *p95, 5);
    } else {
        *p95 -= (*p95 - latency_ms) / 100;
    }
}

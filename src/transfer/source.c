#include "transfer/source.h"

#include "base/log.h"
#include "base/mem.h"
#include "ledger/modules/segment_layout.h"

#define SEAL_HEDGE_MS 300
#define SEAL_TIMEOUT_MS 8000

struct packed_key {
    u64 territory;
    u64 number;
    u64 gateway;
};

static struct packed_key pack(const struct segment_key *key)
{
    return (struct packed_key){key->territory, key->number, key->gateway};
}

err segment_source_new(const struct segment_source_options *options,
                       struct segment_source **ret_source)
{
    struct segment_source *source = MEM_NEW(struct segment_source);
    source->options = *options;
    map_init(&source->facts);
    group_init(&source->lanes);
    *ret_source = source;
    return ok();
}

void segment_source_free(struct segment_source *source)
{
    if (source == NULL) {
        return;
    }
    group_wait(source->options.loop, &source->lanes);
    map_each (entry, &source->facts) {
        mem_free(entry->value);
    }
    map_free(&source->facts);
    mem_free(source);
}

/* The oldest entry makes room; a fact that is needed again is read again. */
static void remember(struct segment_source *source, const struct segment_facts *facts)
{
    struct packed_key key = pack(&facts->seal.key);
    if (source->facts.count >= SOURCE_CACHE_MAX) {
        struct map_entry *oldest = source->facts.first;
        mem_free(map_remove(&source->facts, bytes_make(oldest->key, oldest->key_len)));
    }
    struct segment_facts *kept = MEM_NEW(struct segment_facts);
    *kept = *facts;
    mem_free(map_put(&source->facts, BYTES_OF(key), kept));
}

void segment_source_hint(struct segment_source *source, const struct segment_entry *entry,
                         const struct segment_seal *seal)
{
    struct segment_facts facts = {
        .seal = *seal,
        .info = redundancy_find((u8)seal->class_number),
        .shape = segment_seal_shape(seal),
        .hinted = true,
    };
    for (u8 i = 0; i < entry->receipt_count; i++) {
        facts.holders[entry->receipts[i].index] = entry->receipts[i].provider;
    }
    remember(source, &facts);
}

struct record_view {
    struct segment_key key;
    struct segment_record record;
    bool found;
};

static err read_record(void *ctx, const struct slot_source *slots)
{
    struct record_view *view = ctx;
    return segment_load(slots, &view->key, &view->record, &view->found);
}

/* ---- the roots: any holder can tell them, the id on chain says whether they are right ----
 *
 * Holders are asked one after the other, the next one as soon as one fails or takes long; the first
 * right answer counts. Those that still hang then end by themselves. */

struct seal_race {
    struct segment_source *source;
    struct record_view view;
    u64 deadline_ms;
    u32 order[FRAGMENTS_MAX]; /* providers */
    u8 count;
    u8 started;
    u8 ended;
    bool found;
    struct segment_seal seal;
    err last;
    struct event changed;
    size_t references;
};

static void race_drop(struct seal_race *race)
{
    if (--race->references == 0) {
        mem_free(race);
    }
}

static void race_ask(struct seal_race *race, u32 provider)
{
    const struct segment_source_options *o = &race->source->options;
    struct provider_view holder;
    struct segment_seal seal;
    err e = directory_get(o->directory, provider, &holder);
    if (is_ok(e)) {
        e = store_get_seal(o->http, o->who, &holder, &race->view.key, &race->view.record.id,
                           race->deadline_ms, &seal);
    }
    if (is_ok(e)) {
        race->found = true;
        race->seal = seal;
        return;
    }
    race->last = e;
    if (!is_err(e, ERR_CANCELLED)) {
        enum provider_fault fault =
            is_err(e, ERR_NOT_FOUND) ? PROVIDER_LACKS : provider_fault_of(e);
        directory_blame(o->directory, provider, fault, &race->view.key);
    }
}

static void race_run(void *arg)
{
    struct seal_race *race = arg;
    race_ask(race, race->order[race->started++]);
    race->ended++;
    event_wake_all(&race->changed);
    race_drop(race);
}

/* Reachable and trusted ones first. */
static void race_order(struct seal_race *race)
{
    const struct directory *directory = race->source->options.directory;
    for (u8 pass = 0; pass < 2; pass++) {
        for (u8 i = 0; i < race->view.record.n; i++) {
            struct provider_view holder;
            u32 provider = race->view.record.holders[i].provider;
            if (provider == 0 || !is_ok(directory_get(directory, provider, &holder))) {
                continue;
            }
            bool well = holder.reachable && holder.trusted && holder.alive;
            if (well == (pass == 0)) {
                race->order[race->count++] = provider;
            }
        }
    }
}

static err race_finish(struct seal_race *race)
{
    struct loop *loop = race->source->options.loop;
    for (u8 begun = 0; !race->found && race->ended < race->count;) {
        if (begun < race->count) {
            race->references++;
            err e = group_start(loop, &race->source->lanes, "seal", race_run, race);
            if (!is_ok(e)) {
                race->references--;
                return e;
            }
            begun++;
        }
        u8 ended = race->ended;
        u64 next_ms = begun < race->count ? loop_now_ms(loop) + SEAL_HEDGE_MS : race->deadline_ms;
        while (!race->found && race->ended == ended && loop_now_ms(loop) < next_ms) {
            err e = event_wait(loop, &race->changed, min_u64(next_ms, race->deadline_ms));
            if (is_err(e, ERR_CANCELLED)) {
                return e;
            }
            if (loop_now_ms(loop) >= race->deadline_ms) {
                return fail(ERR_TIMEOUT);
            }
        }
    }
    return race->found ? ok() : race->last;
}

static err fetch_seal(struct segment_source *source, const struct record_view *view,
                      u64 deadline_ms, struct segment_seal *ret_seal)
{
    struct seal_race *race = MEM_NEW(struct seal_race);
    race->source = source;
    race->view = *view;
    race->deadline_ms = min_u64(deadline_ms, loop_now_ms(source->options.loop) + SEAL_TIMEOUT_MS);
    race->last = fail(ERR_NETWORK);
    race->references = 1;
    event_init(&race->changed);
    race_order(race);
    err e = race_finish(race);
    if (is_ok(e)) {
        *ret_seal = race->seal;
    }
    race_drop(race);
    bool own = is_ok(e) || is_err(e, ERR_CANCELLED) || is_err(e, ERR_LIMIT);
    return own ? e : fail(ERR_NETWORK); /* the ledger has it, so it is not missing */
}

/* know_holders: those that registered after the directory was read. */
static void know_holders(struct segment_source *source, const struct record_view *view,
                         u64 deadline_ms)
{
    struct directory *directory = source->options.directory;
    for (u8 i = 0; i < view->record.n; i++) {
        struct provider_view known;
        u32 provider = view->record.holders[i].provider;
        if (provider != 0 && !is_ok(directory_get(directory, provider, &known))) {
            IGNORE(directory_refresh(directory, deadline_ms)); /* the others may do */
            return;
        }
    }
}

static err load_facts(struct segment_source *source, const struct segment_key *key,
                      const struct segment_facts *known, u64 deadline_ms,
                      struct segment_facts *ret_facts)
{
    struct record_view view = {.key = *key};
    TRY(chain_view(source->options.chain, read_record, &view, deadline_ms));
    if (!view.found) {
        return fail(ERR_NOT_FOUND);
    }
    know_holders(source, &view, deadline_ms);
    struct segment_facts facts = {.info = redundancy_find((u8)view.record.class_number)};
    struct hash id = {0};
    if (known != NULL) {
        facts.seal = known->seal;
        segment_seal_id(&facts.seal, &id);
    }
    if (!hash_eq(&id, &view.record.id)) {
        TRY(fetch_seal(source, &view, deadline_ms, &facts.seal));
    }
    facts.shape = segment_seal_shape(&facts.seal);
    for (u8 i = 0; i < view.record.n; i++) {
        facts.holders[i] = view.record.holders[i].provider;
    }
    remember(source, &facts);
    *ret_facts = facts;
    return ok();
}

err source_facts(struct segment_source *source, const struct segment_key *key, bool fresh,
                 u64 deadline_ms, struct segment_facts *ret_facts)
{
    struct packed_key packed = pack(key);
    const struct segment_facts *cached = map_get(&source->facts, BYTES_OF(packed));
    if (cached != NULL && !fresh) {
        *ret_facts = *cached;
        return ok();
    }
    struct segment_facts known;
    bool have = cached != NULL;
    if (have) {
        known = *cached;
    }
    err e = load_facts(source, key, have ? &known : NULL, deadline_ms, ret_facts);
    if (is_err(e, ERR_NOT_FOUND) && have && known.hinted) {
        *ret_facts = known; /* sealed here a moment ago */
        return ok();
    }
    return e;
}

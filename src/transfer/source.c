#include "transfer/source.h"

#include "base/log.h"
#include "base/mem.h"
#include "ledger/modules/segment_layout.h"

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

/* Any holder can tell the roots; the id on chain says whether they are right. */
static err fetch_seal(struct segment_source *source, const struct record_view *view,
                      u64 deadline_ms, struct segment_seal *ret_seal)
{
    const struct segment_source_options *o = &source->options;
    err last = fail(ERR_NETWORK);
    for (u8 pass = 0; pass < 2; pass++) {
        for (u8 i = 0; i < view->record.n; i++) {
            struct provider_view holder;
            u32 provider = view->record.holders[i].provider;
            if (provider == 0 || !is_ok(directory_get(o->directory, provider, &holder)) ||
                holder.reachable != (pass == 0)) {
                continue;
            }
            u64 begin_ms = loop_now_ms(o->loop);
            last = store_get_seal(o->http, o->who, &holder, &view->key, &view->record.id,
                                  min_u64(deadline_ms, begin_ms + 3000), ret_seal);
            if (is_ok(last) || is_err(last, ERR_CANCELLED)) {
                return last;
            }
            directory_blame(o->directory, provider,
                            is_err(last, ERR_INTEGRITY) ? PROVIDER_LIED : PROVIDER_UNREACHABLE,
                            &view->key);
            if (loop_now_ms(o->loop) >= deadline_ms) {
                return fail(ERR_TIMEOUT);
            }
        }
    }
    return last;
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

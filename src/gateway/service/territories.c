/* territories.c: what owners let this gateway do, and the segment numbers of each territory. */
#include "gateway/service/internal.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "ledger/modules/beacon_layout.h"
#include "ledger/modules/territory_layout.h"
#include "owner/owner.h"

#define NUMBERS_PER_RESERVATION 8
#define FRESH_GAP 8 /* numbers that a lost disk may have used without a trace on chain */
#define AUTHORISATIONS_MAX 4096

/* ---- the table ---- */

static struct territory *make(struct gateway *gateway, u64 id)
{
    struct territory *territory = MEM_NEW(struct territory);
    territory->gateway = gateway;
    territory->id = id;
    gate_init(&territory->numbering, 1);
    gate_init(&territory->opening, 1);
    list_init(&territory->sealed);
    list_init(&territory->requests);
    event_init(&territory->work);
    map_init(&territory->dropping);
    return territory;
}

struct territory *territory_new(struct gateway *gateway, u64 id)
{
    u8 key[8];
    struct territory *territory = make(gateway, id);
    store_be64(key, id);
    struct territory *former = map_put(&gateway->territories, BYTES_OF(key), territory);
    assert_that(former == NULL);
    return territory;
}

struct territory *territory_get(const struct gateway *gateway, u64 id)
{
    u8 key[8];
    store_be64(key, id);
    return map_get(&gateway->territories, BYTES_OF(key));
}

void territories_free(struct gateway *gateway)
{
    map_each (it, &gateway->territories) {
        struct territory *territory = it->value;
        lane_unref(packer_detach(territory));
        list_for_safe (lane, &territory->sealed) {
            list_remove(lane);
            lane_unref(list_entry(lane, struct lane, node));
        }
        map_free(&territory->dropping);
        mem_wipe(&territory->key, sizeof territory->key);
        mem_free(territory);
    }
    map_free(&gateway->territories);
}

void bucket_label_secret(const struct territory *territory, const struct index_bucket *bucket,
                         struct secp_secret *ret_secret)
{
    label_secret_derive(ret_secret, &territory->key, &bucket->id, bucket->label_version);
}

/* ---- segment numbers ---- */

struct reserve_job {
    struct index *index;
    u64 territory;
    u64 at_least;
    u64 first;
    err result;
};

static void reserve_run(void *arg)
{
    struct reserve_job *job = arg;
    job->result = index_number_reserve(job->index, job->territory, job->at_least,
                                       NUMBERS_PER_RESERVATION, &job->first);
}

/* Numbers below the ledger's count are taken, whoever forgot about them. */
static err reserve(struct territory *territory, u64 deadline_ms)
{
    struct gateway *gateway = territory->gateway;
    struct reserve_job job = {.index = gateway->index, .territory = territory->id};
    if (territory->end_number == 0) {
        TRY(gateway->ports.ticket_next(gateway->ports.ctx, territory->id, deadline_ms,
                                       &job.at_least));
        job.at_least += territory->is_fresh && job.at_least > 0 ? FRESH_GAP : 0;
    }
    worker_run(gateway->loop, reserve_run, &job);
    TRY(job.result);
    territory->next_number = job.first;
    territory->end_number = job.first + NUMBERS_PER_RESERVATION;
    return ok();
}

err territory_number(struct territory *territory, u64 deadline_ms, u64 *ret_number)
{
    struct gateway *gateway = territory->gateway;
    TRY(gate_enter(gateway->loop, &territory->numbering, 1, deadline_ms));
    err e = ok();
    if (territory->free_count > 0) {
        *ret_number = territory->free_numbers[territory->free_first];
        territory->free_first = (territory->free_first + 1) % FREE_NUMBERS_MAX;
        territory->free_count--;
    } else {
        if (territory->next_number == territory->end_number) {
            e = reserve(territory, deadline_ms);
        }
        if (is_ok(e)) {
            *ret_number = territory->next_number++;
        }
    }
    gate_leave(&territory->numbering, 1);
    return e;
}

void territory_give_back(struct territory *territory, u64 number)
{
    if (territory->free_count == FREE_NUMBERS_MAX) {
        return; /* it stays unused; the ledger allows for some */
    }
    size_t at = (territory->free_first + territory->free_count++) % FREE_NUMBERS_MAX;
    territory->free_numbers[at] = number;
}

/* ---- what the ledger says ---- */

struct access_view {
    u32 gateway;
    u32 i;
    u64 block_time;
    struct authorisation_key key;
    struct authorisation authorisation;
    bool authorised;
    u8 sealed[SEALED_KEY_BYTES_MAX];
    size_t sealed_len;
    struct territory_record record;
    bool found;
    struct territory_owner owner;
    u64 chain_now;
};

struct count_view {
    u32 gateway;
    u32 count;
};

static err read_count(void *ctx, const struct slot_source *slots)
{
    struct count_view *view = ctx;
    return authorisation_gateway_count(slots, view->gateway, &view->count);
}

static err read_access(void *ctx, const struct slot_source *slots)
{
    struct access_view *view = ctx;
    TRY(authorisation_gateway_at(slots, view->gateway, view->i, &view->key));
    view->key.gateway = view->gateway;
    err parts[] = {
        authorisation_load(slots, &view->key, &view->authorisation, &view->authorised),
        authorisation_sealed_key(slots, &view->key, view->sealed, &view->sealed_len),
        territory_load(slots, view->key.territory, &view->record, &view->found),
        territory_owner_load(slots, &view->key.owner, &view->owner),
        beacon_now(slots, &view->chain_now),
    };
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        TRY(parts[i]);
    }
    return ok();
}

static u64 less(u64 a, u64 b) { return a > b ? a - b : 0; }

static void update(struct territory *territory, const struct access_view *view)
{
    const struct authorisation *given = &view->authorisation;
    bool in_force = view->authorised && given->scope != 0 && given->expires > view->block_time;
    territory->owner = view->key.owner;
    territory->class_number = view->record.class_number;
    territory->scope = in_force ? given->scope : 0;
    territory->usable = in_force && territory_usable(&view->record, view->chain_now) &&
                        address_eq(&view->record.owner, &view->key.owner);
    territory->is_default = view->owner.default_territory == territory->id;
    territory->room_bytes =
        min_u64(less(given->quota, given->used), less(view->record.size, view->record.used));
}

static err numbers_given_out(struct gateway *gateway, u64 territory, u64 *ret_next)
{
    struct index_view *view;
    TRY(index_view_open(gateway->index, &view));
    err e = index_number_next(view, territory, ret_next);
    index_view_close(view);
    return e;
}

/* open_territory: the key that the owner sealed to this gateway; a new territory gets its fibers.
 */
static err open_territory(struct gateway *gateway, const struct access_view *view)
{
    struct territory_key key;
    bytes sealed = bytes_make(view->sealed, view->sealed_len);
    if (!is_ok(owner_open_sealed(&key, sealed, &gateway->box, chain_id(gateway->chain),
                                 view->key.territory, gateway->number))) {
        log_debug("gateway", "territory %llu came without a key for this gateway",
                  (unsigned long long)view->key.territory);
        return ok();
    }
    u64 given_out;
    TRY(numbers_given_out(gateway, view->key.territory, &given_out));
    struct territory *territory = territory_new(gateway, view->key.territory);
    territory->key = key;
    mem_wipe(&key, sizeof key);
    territory->orphans_end = given_out;
    territory->is_fresh = given_out == 0;
    update(territory, view);
    log_info("gateway", "serves territory %llu", (unsigned long long)territory->id);
    TRY(group_start(gateway->loop, &gateway->fibers, "committer", committer_run, territory));
    return group_start(gateway->loop, &gateway->fibers, "orphans", orphans_run, territory);
}

static err refresh_one(struct gateway *gateway, u32 i, u64 deadline_ms)
{
    struct access_view *view = MEM_NEW(struct access_view);
    *view = (struct access_view){
        .gateway = gateway->number, .i = i, .block_time = chain_head(gateway->chain).time};
    err e = chain_view(gateway->chain, read_access, view, deadline_ms);
    if (is_ok(e) && view->found && view->key.territory != 0) {
        struct territory *territory = territory_get(gateway, view->key.territory);
        if (territory != NULL && address_eq(&territory->owner, &view->key.owner)) {
            update(territory, view);
        } else if (territory == NULL && view->authorised && view->authorisation.scope != 0) {
            e = open_territory(gateway, view);
        }
    }
    mem_free(view);
    return e;
}

err territories_refresh(struct gateway *gateway, u64 deadline_ms)
{
    struct count_view view = {.gateway = gateway->number};
    TRY(chain_view(gateway->chain, read_count, &view, deadline_ms));
    for (u32 i = 0; i < min_u64(view.count, AUTHORISATIONS_MAX); i++) {
        TRY(refresh_one(gateway, i, deadline_ms));
    }
    return ok();
}

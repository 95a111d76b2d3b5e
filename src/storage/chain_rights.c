#include "storage/rights.h"

#include "base/assert.h"
#include "base/map.h"
#include "base/mem.h"
#include "ledger/modules/beacon_layout.h"
#include "ledger/modules/bucket_layout.h"
#include "ledger/modules/segment_layout.h"
#include "ledger/modules/territory_layout.h"

#define REMEMBER_MS 5000
#define REMEMBERED_MAX 4096
#define VIEW_TIMEOUT_MS 10000
#define NEXT_HEAD_MS 2000
#define ASKING_MAX 64
#define ASKING_WAIT_MS 10000

struct chain_rights {
    struct loop *loop;
    struct chain *chain;
    u32 provider;
    struct map remembered; /* of struct memory */
    struct gate asking;    /* questions to the chain at once; what is remembered needs none */
};

struct memory {
    struct store_grant grant;
    u64 until_ms;
};

/* The key under which an answer is remembered; number is UINT64_MAX for what holds in the whole
 * territory. */
struct memory_key {
    u8 b[1 + 20 + 8 + 4 + 8];
};

/* One question to the chain. */
struct question {
    enum store_right right;
    struct address who;
    struct segment_key key;
    u32 provider;
    u64 block_time;
    bool lasting; /* out: the answer does not depend on the segment's number */
    struct store_grant grant;
};

static struct memory_key memory_key(const struct question *q, bool lasting)
{
    struct memory_key key = {{(u8)q->right}};
    memcpy(key.b + 1, q->who.b, sizeof q->who.b);
    store_be64(key.b + 21, q->key.territory);
    store_be32(key.b + 29, q->key.gateway);
    store_be64(key.b + 33, lasting ? UINT64_MAX : q->key.number);
    return key;
}

static void forget_all(struct chain_rights *rights)
{
    map_each (entry, &rights->remembered) {
        mem_free(entry->value);
    }
    map_free(&rights->remembered);
}

static void remember(struct chain_rights *rights, const struct question *q)
{
    struct memory_key key = memory_key(q, q->lasting);
    struct memory *memory = map_get(&rights->remembered, BYTES_OF(key));
    if (memory == NULL) {
        if (rights->remembered.count >= REMEMBERED_MAX) {
            forget_all(rights);
        }
        memory = MEM_NEW(struct memory);
        map_put(&rights->remembered, BYTES_OF(key), memory);
    }
    *memory = (struct memory){q->grant, loop_now_ms(rights->loop) + REMEMBER_MS};
}

static bool recall(struct chain_rights *rights, struct question *q)
{
    for (int lasting = 0; lasting <= 1; lasting++) {
        struct memory_key key = memory_key(q, lasting != 0);
        const struct memory *memory = map_get(&rights->remembered, BYTES_OF(key));
        if (memory != NULL && loop_now_ms(rights->loop) < memory->until_ms) {
            q->grant = memory->grant;
            return true;
        }
    }
    return false;
}

static void allow(struct question *q) { q->grant = (struct store_grant){.allowed = true}; }

static void refuse(struct question *q, const char *reason)
{
    q->grant = (struct store_grant){.reason = reason};
}

/* *ret_gateway is 0 if the asker is no active gateway. */
static err active_gateway(const struct question *q, const struct slot_source *slots,
                          u32 *ret_gateway)
{
    struct gateway_record record;
    bool found;
    TRY(gateway_of(slots, &q->who, ret_gateway));
    if (*ret_gateway != 0) {
        TRY(gateway_load(slots, *ret_gateway, &record, &found));
        *ret_gateway = found && record.active ? *ret_gateway : 0;
    }
    return ok();
}

static err authorised(const struct question *q, const struct slot_source *slots,
                      const struct territory_record *territory, u32 gateway, u32 scope,
                      bool *ret_found)
{
    struct authorisation_key key;
    struct authorisation record;
    return authorisation_find(slots, &territory->owner, q->key.territory, gateway, scope,
                              q->block_time, &key, &record, ret_found);
}

/* The last resort of readers and writers: it is a segment that the asker may repair now. */
static err ask_repair(struct question *q, const struct slot_source *slots)
{
    struct segment_record segment;
    bool allowed;
    bool found;
    q->lasting = false;
    TRY(segment_load(slots, &q->key, &segment, &found));
    if (!found) {
        refuse(q, "the signer has no right in this territory, and there is nothing to repair");
        return ok();
    }
    TRY(segment_repair_allowed(slots, &q->key, &segment, &q->who, &allowed));
    if (!allowed) {
        refuse(q, "the signer may not repair this segment now");
        return ok();
    }
    q->grant = (struct store_grant){.allowed = true, .has_id = true, .id = segment.id};
    return ok();
}

/* Receipts of a provider that drains or has left are worth nothing. */
static err takes_fragments(const struct question *q, const struct slot_source *slots,
                           bool *ret_takes)
{
    struct provider_record record;
    bool found;
    TRY(provider_load(slots, q->provider, &record, &found));
    *ret_takes = found && record.state == PROVIDER_ACTIVE;
    return ok();
}

static err ask_write(struct question *q, const struct slot_source *slots)
{
    struct territory_record territory;
    u32 gateway;
    u64 now;
    bool found;
    bool fine = false;
    TRY(takes_fragments(q, slots, &fine));
    if (!fine) {
        q->lasting = true;
        refuse(q, "this provider takes nothing new: it drains or has left");
        return ok();
    }
    TRY(active_gateway(q, slots, &gateway));
    if (gateway == 0 || gateway != q->key.gateway) {
        return ask_repair(q, slots);
    }
    TRY(territory_load(slots, q->key.territory, &territory, &found));
    TRY(beacon_now(slots, &now));
    if (!found || !territory_usable(&territory, now)) {
        q->lasting = true;
        refuse(q, "there is no such territory, or it takes nothing now");
        return ok();
    }
    TRY(authorised(q, slots, &territory, gateway, SCOPE_WRITE, &fine));
    if (!fine) {
        return ask_repair(q, slots);
    }
    q->lasting = true;
    allow(q);
    return ok();
}

static err ask_read(struct question *q, const struct slot_source *slots)
{
    struct territory_record territory;
    u32 gateway;
    bool found;
    bool fine = false;
    TRY(territory_load(slots, q->key.territory, &territory, &found));
    if (!found) {
        return ask_repair(q, slots);
    }
    fine = address_eq(&territory.owner, &q->who);
    if (!fine) {
        TRY(active_gateway(q, slots, &gateway));
        if (gateway != 0) {
            TRY(authorised(q, slots, &territory, gateway, SCOPE_READ, &fine));
        }
        if (gateway != 0 && !fine) {
            TRY(authorised(q, slots, &territory, gateway, SCOPE_WRITE, &fine));
        }
    }
    if (!fine) {
        return ask_repair(q, slots);
    }
    q->lasting = true;
    allow(q);
    return ok();
}

static err ask_gateway(struct question *q, const struct slot_source *slots)
{
    u32 gateway;
    TRY(active_gateway(q, slots, &gateway));
    q->lasting = true;
    if (gateway != 0) {
        allow(q);
    } else {
        refuse(q, "the signer is no active gateway");
    }
    return ok();
}

static err ask_inventory(struct question *q, const struct slot_source *slots)
{
    struct provider_record provider;
    struct address operator_;
    bool found;
    TRY(provider_load(slots, q->provider, &provider, &found));
    if (!found) {
        return ask_gateway(q, slots);
    }
    TRY(provider_operator(slots, provider.operator_, &operator_));
    if (!address_eq(&q->who, &provider.account) && !address_eq(&q->who, &operator_)) {
        return ask_gateway(q, slots);
    }
    q->lasting = true;
    allow(q);
    return ok();
}

static err ask(void *ctx, const struct slot_source *slots)
{
    struct question *q = ctx;
    switch (q->right) {
    case RIGHT_READ:
        return ask_read(q, slots);
    case RIGHT_WRITE:
        return ask_write(q, slots);
    case RIGHT_COMMIT:
        return ask_gateway(q, slots);
    case RIGHT_INVENTORY:
        return ask_inventory(q, slots);
    }
    unreachable_case();
}

static err ask_chain(struct chain_rights *rights, struct question *q)
{
    q->block_time = chain_head(rights->chain).time;
    return chain_view(rights->chain, ask, q, loop_now_ms(rights->loop) + VIEW_TIMEOUT_MS);
}

/* A refusal may come from a head that is older than the asker's: the next one decides. */
static err ask_again(struct chain_rights *rights, struct question *q)
{
    u64 height = chain_head(rights->chain).height;
    err e = chain_wait(rights->chain, height, loop_now_ms(rights->loop) + NEXT_HEAD_MS);
    if (is_err(e, ERR_TIMEOUT)) {
        return ok();
    }
    TRY(e);
    return ask_chain(rights, q);
}

static err ask_in_turn(struct chain_rights *rights, struct question *q)
{
    u64 deadline = loop_now_ms(rights->loop) + ASKING_WAIT_MS;
    TRY(gate_enter(rights->loop, &rights->asking, 1, deadline));
    err e = ask_chain(rights, q);
    if (is_ok(e) && !q->grant.allowed) {
        e = ask_again(rights, q);
    }
    gate_leave(&rights->asking, 1);
    return e;
}

static err check(void *ctx, enum store_right right, const struct address *who,
                 const struct segment_key *key, struct store_grant *ret_grant)
{
    struct chain_rights *rights = ctx;
    struct question q = {.right = right, .who = *who, .provider = rights->provider};
    if (key != NULL) {
        q.key = *key;
    }
    if (!recall(rights, &q)) {
        TRY(ask_in_turn(rights, &q));
        remember(rights, &q);
    }
    *ret_grant = q.grant;
    return ok();
}

static u64 block_time(void *ctx)
{
    const struct chain_rights *rights = ctx;
    return chain_head(rights->chain).time;
}

struct chain_rights *chain_rights_new(struct loop *loop, struct chain *chain, u32 provider)
{
    struct chain_rights *rights = MEM_NEW(struct chain_rights);
    rights->loop = loop;
    rights->chain = chain;
    rights->provider = provider;
    map_init(&rights->remembered);
    gate_init(&rights->asking, ASKING_MAX);
    return rights;
}

void chain_rights_free(struct chain_rights *rights)
{
    if (rights != NULL) {
        forget_all(rights);
        mem_free(rights);
    }
}

struct store_rights chain_rights_table(struct chain_rights *rights)
{
    return (struct store_rights){.ctx = rights, .check = check, .time = block_time};
}

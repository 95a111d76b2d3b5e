/* fake_chain.h: chain.h over native modules in memory, for tests of roles' parts without a ledger
 * node.
 *
 * The linker takes these functions instead of src/chain's. Views read the real records of the real
 * modules (ledger/modules/world.h); a call is executed at once in the open block. Included by one
 * file of a test program. Blocks come when the test says so.
 */
#ifndef TESTS_SUPPORT_FAKE_CHAIN_H
#define TESTS_SUPPORT_FAKE_CHAIN_H

#include "chain/chain.h"
#include "ledger/modules/scene.h"

struct chain {
    struct scene scene;
    struct loop *loop;
    struct event advanced;
    bool mute;    /* views find no ledger node */
    bool no_logs; /* it does not tell logs */
    u64 views;
    u64 sends;
    struct arena log_arena;
    struct chain_log logs[CHAIN_LOGS_MAX];
    size_t log_count;
};

struct chain_account {
    struct chain *chain;
    u32 person;
};

static inline struct chain_head fake_head(const struct chain *chain)
{
    return (struct chain_head){.height = chain->scene.world.block.height,
                               .time = chain->scene.world.block.time};
}

/* fake_block: the next block, some seconds later. */
static inline void fake_block(struct chain *chain, u64 seconds)
{
    world_block(&chain->scene.world, seconds);
    event_wake_all(&chain->advanced);
}

struct chain_head chain_head(const struct chain *chain) { return fake_head(chain); }

u64 chain_id(const struct chain *chain)
{
    (void)chain;
    return WORLD_CHAIN_ID;
}

bool chain_healthy(const struct chain *chain) { return !chain->mute; }

err chain_wait(struct chain *chain, u64 height, u64 deadline_ms)
{
    while (chain->scene.world.block.height <= height) {
        TRY(event_wait(chain->loop, &chain->advanced, deadline_ms));
    }
    return ok();
}

err chain_view(struct chain *chain, chain_view_fn *fn, void *ctx, u64 deadline_ms)
{
    struct slot_source slots = world_slots(&chain->scene.world);
    while (chain->mute) {
        TRY(event_wait(chain->loop, &chain->advanced, deadline_ms));
    }
    chain->views++;
    fiber_yield(chain->loop); /* as the real one, it gives way */
    return fn(ctx, &slots);
}

struct address chain_account_address(const struct chain_account *account)
{
    return world_person(account->person);
}

/* fake_record: keeps the logs of the last call for chain_logs(). */
static inline void fake_record(struct chain *chain)
{
    const struct world *world = &chain->scene.world;
    if (chain->log_arena.limit_bytes == 0) {
        arena_init(&chain->log_arena, MIB(64));
    }
    for (size_t i = 0; i < world->journal.log_count; i++) {
        const struct journal_log *from = &world->journal.logs[i];
        assert_that(chain->log_count < CHAIN_LOGS_MAX);
        struct chain_log *log = &chain->logs[chain->log_count++];
        *log = (struct chain_log){.address = from->address,
                                  .topic_count = (u8)from->topic_count,
                                  .data = arena_copy(&chain->log_arena, from->data),
                                  .height = world->block.height};
        memcpy(log->topics, from->topics, from->topic_count * sizeof from->topics[0]);
    }
}

err chain_logs(struct chain *chain, const struct address *address, u64 from, u64 to,
               struct arena *arena, u64 deadline_ms, const struct chain_log **ret_logs,
               size_t *ret_count)
{
    struct chain_log *logs = ARENA_ARRAY(arena, struct chain_log, chain->log_count + 1);
    size_t count = 0;
    (void)deadline_ms;
    if (chain->no_logs || logs == NULL) {
        return fail(ERR_REFUSED);
    }
    fiber_yield(chain->loop);
    for (size_t i = 0; i < chain->log_count; i++) {
        const struct chain_log *log = &chain->logs[i];
        if (address_eq(&log->address, address) && log->height > from && log->height <= to) {
            logs[count++] = *log;
        }
    }
    *ret_logs = logs;
    *ret_count = count;
    return ok();
}

err chain_send(struct chain_account *account, const struct chain_call *call, struct arena *arena,
               u64 deadline_ms, struct chain_receipt *ret_receipt)
{
    struct chain *chain = account->chain;
    struct world *world = &chain->scene.world;
    struct address who = world_person(account->person);
    u32 module = native_find(&call->to)->number;
    (void)arena;
    (void)deadline_ms;
    TRY(fiber_sleep(chain->loop, loop_now_ms(chain->loop) + 5));
    chain->sends++;
    world_call_raw(world, module, &who, call->input);
    *ret_receipt = (struct chain_receipt){.height = world->block.height,
                                          .success = world->status == FRAME_RUNNING,
                                          .gas_used = world->gas_used};
    if (!ret_receipt->success) {
        return fail(ERR_REFUSED);
    }
    size_t first = chain->log_count;
    fake_record(chain);
    ret_receipt->logs = chain->logs + first;
    ret_receipt->log_count = chain->log_count - first;
    fake_block(chain, 1); /* it is final now */
    return ok();
}

#endif

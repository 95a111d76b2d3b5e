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
    bool mute; /* views find no ledger node */
    u64 views;
    u64 sends;
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

/* Logs live until the arena goes. */
static inline void fake_logs(const struct world *world, struct arena *arena,
                             struct chain_receipt *ret_receipt)
{
    size_t count = world->journal.log_count;
    struct chain_log *logs = ARENA_ARRAY(arena, struct chain_log, count + 1);
    assert_that(logs != NULL);
    for (size_t i = 0; i < count; i++) {
        const struct journal_log *from = &world->journal.logs[i];
        logs[i] = (struct chain_log){.address = from->address,
                                     .topic_count = (u8)from->topic_count,
                                     .data = arena_copy(arena, from->data)};
        memcpy(logs[i].topics, from->topics, from->topic_count * sizeof from->topics[0]);
    }
    ret_receipt->logs = logs;
    ret_receipt->log_count = count;
}

err chain_send(struct chain_account *account, const struct chain_call *call, struct arena *arena,
               u64 deadline_ms, struct chain_receipt *ret_receipt)
{
    struct chain *chain = account->chain;
    struct world *world = &chain->scene.world;
    struct address who = world_person(account->person);
    u32 module = native_find(&call->to)->number;
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
    fake_logs(world, arena, ret_receipt);
    return ok();
}

#endif

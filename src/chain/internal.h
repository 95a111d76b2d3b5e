/* internal.h: what the files of src/chain share. */
#ifndef CHAIN_INTERNAL_H
#define CHAIN_INTERNAL_H

#include "base/map.h"
#include "chain/chain.h"
#include "chain/rpc.h"
#include "ledger/block/consensus.h"

#define CHAIN_HEAD_WAIT_MS 5000
#define CHAIN_CALL_TIMEOUT_MS 15000

struct chain {
    struct loop *loop;
    struct rpc_link rpc;
    u64 chain_id;
    struct seats seats;
    struct chain_head head;
    u64 last_poll_ms;
    struct event advanced;
    bool closing;
    size_t fibers;
    struct event idle; /* fibers == 0 */
    struct map storages; /* account address → struct storage_cache */
};

/* chain_deadline: now + ms. */
static inline u64 chain_deadline(const struct chain *chain, u64 ms)
{
    return loop_now_ms(chain->loop) + ms;
}

/* head.c */
/* chain_read_genesis: chain id and seats. */
err chain_read_genesis(struct chain *chain, const char *path);
/* chain_follow: keeps the head fresh until the chain is closed or the loop stops; runs in a fiber. */
void chain_follow(void *chain);
/* chain_fetch_head: one poll; waits at the node for a head above `after`. */
err chain_fetch_head(struct chain *chain, u64 after, u64 wait_ms);

/* view.c */
void chain_storages_free(struct chain *chain);

#endif

/* internal.h: what the files of src/chain share. */
#ifndef CHAIN_INTERNAL_H
#define CHAIN_INTERNAL_H

#include "base/map.h"
#include "chain/chain.h"
#include "chain/check.h"
#include "chain/rpc.h"

#define CHAIN_HEAD_WAIT_MS 2000 /* a poll waits that long at the node: some blocks */
#define CHAIN_CALL_TIMEOUT_MS 15000

struct chain {
    struct loop *loop;
    struct rpc_link rpc;
    struct chain_trust trust;
    struct chain_head head; /* time 0: none yet */
    u64 advanced_ms;        /* when the head last moved */
    u64 last_poll_ms;       /* last one that succeeded */
    struct event advanced;
    struct event closed; /* woken by chain_close() */
    bool closing;
    struct group followers; /* the one fiber of head.c */
    struct map accounts;    /* address → struct view_account, of view.c */
};

/* chain_deadline: now + ms. */
static inline u64 chain_deadline(const struct chain *chain, u64 ms)
{
    return loop_now_ms(chain->loop) + ms;
}

/* head.c */
/* chain_read_genesis: fills chain->trust. */
err chain_read_genesis(struct chain *chain, const char *path);
/* chain_follow: keeps the head fresh until the chain is closed or the loop stops; runs in a
 * fiber. */
void chain_follow(void *chain);
/* chain_adopt: a checked head; an older one changes nothing. */
void chain_adopt(struct chain *chain, const struct chain_head *head);
/* chain_fetch_head: one poll; waits at the node up to wait_ms for a head above `after`. No such
 * head is no fault. */
err chain_fetch_head(struct chain *chain, u64 after, u64 wait_ms, u64 deadline_ms);

/* view.c */
void chain_views_free(struct chain *chain);

#endif

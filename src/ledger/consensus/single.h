/* single.h: the consensus engine of a ledger with one seat. A pure step machine.
 *
 * With one seat there is nobody to agree with, but the shape is that of the real engine: events
 * come in with the time, effects go out, and nothing here touches a clock, a disk or the
 * application. The host does what the effects say and answers with events.
 *
 *   WAITING ──time, transactions──► PREPARING ──prepared──► LOGGING ──logged──► EXECUTING
 *      ▲                             (FX_PREPARE)           (FX_LOG)           (FX_EXECUTE)
 *      └────────────────────────────────committed──────────────────────────────────┘
 *
 * The block is signed when it goes into the log and becomes visible only after the log is durable:
 * a host that restarts passes what the log holds to single_init(), and the engine executes exactly
 * that block again instead of signing a second one for the height.
 *
 * Time. A block with transactions is made as soon as interval_ms have passed since the last one, an
 * empty block after empty_interval_ms. Ethereum counts seconds and wants each block later than its
 * parent, so a block waits until its second is a later one than its parent's (docs/adr/0004, "block
 * time"): at most one second of real time, also if the clock was set back, in which case block time
 * runs ahead of it, a second a block.
 */
#ifndef LEDGER_CONSENSUS_SINGLE_H
#define LEDGER_CONSENSUS_SINGLE_H

#include "ledger/block/consensus.h"

struct single_options {
    u64 chain_id;
    u64 interval_ms;       /* at least, with transactions waiting */
    u64 empty_interval_ms; /* to an empty block */
    struct secp_secret secret;
    struct seats seats; /* one: the address of secret (asserted) */
};

/* Where the chain stands. */
struct single_head {
    u64 height;
    u64 time_ms;
    struct hash id;          /* of its consensus header; zero for genesis */
    struct hash block_hash;  /* of its Ethereum header */
    struct hash params_hash; /* for the next height */
};

enum single_state { SINGLE_WAITING, SINGLE_PREPARING, SINGLE_LOGGING, SINGLE_EXECUTING };

enum single_event_kind {
    SINGLE_EV_TIME,      /* the deadline has come, or any other reason to look at the clock */
    SINGLE_EV_WAITING,   /* transactions_waiting has changed */
    SINGLE_EV_PREPARED,  /* answer to SINGLE_FX_PREPARE: txs_root */
    SINGLE_EV_LOGGED,    /* answer to SINGLE_FX_LOG: it is durable */
    SINGLE_EV_COMMITTED, /* answer to SINGLE_FX_EXECUTE: head */
};

struct single_event {
    enum single_event_kind kind;
    u64 mono_ms;               /* monotonic clock, of the host */
    u64 wall_ms;               /* since 1970 */
    bool transactions_waiting; /* SINGLE_EV_WAITING, SINGLE_EV_COMMITTED */
    struct hash txs_root;      /* SINGLE_EV_PREPARED */
    struct single_head head;   /* SINGLE_EV_COMMITTED */
};

enum single_effect_kind {
    SINGLE_FX_NONE,
    SINGLE_FX_PREPARE, /* prepare_proposal for height, time_ms; keep the transactions */
    SINGLE_FX_LOG,     /* write header, certificate and the kept transactions durably */
    SINGLE_FX_EXECUTE, /* finalize_block and commit what is in the log */
};

struct single_effect {
    enum single_effect_kind kind;
    u64 height;
    u64 time_ms;
    struct consensus_header header; /* SINGLE_FX_LOG, SINGLE_FX_EXECUTE */
    struct certificate certificate; /* SINGLE_FX_LOG, SINGLE_FX_EXECUTE */
};

struct single {
    struct single_options options;
    struct single_head head;
    enum single_state state;
    bool transactions_waiting;
    u64 last_mono_ms; /* when the last block was begun */
    u64 wake_mono_ms; /* not before this: the clock is still in the parent's second */
    bool replays;     /* header and certificate come from the log and wait for execution */
    struct consensus_header header;
    struct certificate certificate;
};

/* single_init: `logged` is the decided block of head.height + 1 found in the log, or NULL. The
 * first step (any SINGLE_EV_TIME) then executes it. mono_ms: now. */
void single_init(struct single *single, const struct single_options *options,
                 const struct single_head *head, const struct consensus_header *logged,
                 const struct certificate *certificate, u64 mono_ms);
/* single_step: at most one effect. An answer that was not asked for is a bug of the host
 * (asserted). */
struct single_effect single_step(struct single *single, const struct single_event *event);
/* single_deadline: monotonic ms at which SINGLE_EV_TIME should come next; UINT64_MAX while an
 * answer is awaited. */
u64 single_deadline(const struct single *single);

#endif

/* settle.h: what becomes of an answered commit: the decisions, pure, and the entry they are about.
 *
 * An entry of the write-ahead log is a signed transaction that registers segments and moves heads.
 *
 *   SENDING  submitted again and again until the ledger shows a receipt. If the nonce went to
 *            another transaction, it is signed again; one before it that is missing for good is
 *            filled.
 *   FINAL    the receipt is there. What it refused is checked against the state (the same commit
 *            may have come through a copy); what is really refused is issued again under a new
 *            epoch. Missing holders are placed; after the time for that is over, watchers do it.
 *   DONE     everything is registered, and every fragment was held once: the entry is removed.
 *
 * settle_step() looks at facts and says what to do next; settle_run.c does it and comes back.
 */
#ifndef GATEWAY_SERVICE_SETTLE_H
#define GATEWAY_SERVICE_SETTLE_H

#include "base/list.h"
#include "gateway/journal/index.h"
#include "transfer/seal.h"

#define SETTLE_SUBMIT_MS 3000 /* between submissions */
#define SETTLE_TAKEN_MS 4000  /* the nonce is used and no receipt turns up */
#define SETTLE_GAP_MS 3000    /* the ledger does not get beyond a nonce before it */
#define SETTLE_RETRY_MS 1000  /* first pause after a refusal; doubles */
#define SETTLE_RETRY_MAX_MS 30000
#define SETTLE_COMPLETE_MS 2000 /* first pause between attempts to place holders; doubles */
#define SETTLE_COMPLETE_MAX_MS 30000
#define SETTLE_GIVE_UP_MS 3600000 /* placing holders is the watchers' from then on */
#define SETTLE_OLDEST_MS 60000    /* an older unfinal commit: no new uploads */

enum settle_action {
    SETTLE_WAIT,
    SETTLE_SUBMIT,
    SETTLE_FILL_GAP,    /* nonces before it that no transaction has */
    SETTLE_SIGN_AGAIN,  /* the same commit, another nonce */
    SETTLE_ISSUE_AGAIN, /* refused parts under a new epoch */
    SETTLE_COMPLETE,    /* place missing holders */
    SETTLE_REMOVE,
};
const char *settle_action_name(enum settle_action action);

struct settle_facts {
    u64 now_ms;
    u64 born_ms;
    u64 submitted_ms; /* last time; 0: never */
    u64 filled_ms;    /* last attempt to fill a gap */
    u64 gap_since_ms; /* since when account_nonce has not moved, below `nonce`; 0: there is no gap
                       */
    bool is_oldest;   /* none without a receipt has a lower nonce */
    u64 nonce;
    bool nonce_known;   /* account_nonce is */
    u64 account_nonce;  /* transactions of the account in final blocks */
    u64 nonce_since_ms; /* since when account_nonce has been beyond `nonce`; 0: it is not */
    bool is_final;
    bool refused;     /* after the receipt, something is neither registered nor moved */
    bool is_blocked;  /* an earlier commit must be issued again first */
    u32 attempts;     /* times issued again */
    u64 attempted_ms; /* the last time */
    u32 missing;      /* fragments that never had a holder */
    bool completing;  /* an attempt is under way */
    u32 completions;  /* attempts so far */
    u64 completed_ms; /* end of the last one; at first when it became final */
};

/* settle_note_nonce: what is known now about the account's nonce: since when it has been beyond the
 * entry's, or has stood still before it. */
void settle_note_nonce(struct settle_facts *facts, bool nonce_known, u64 account_nonce,
                       bool is_oldest);
/* settle_step: *ret_next_ms: look again then at the latest (UINT64_MAX: only when a fact changes).
 */
enum settle_action settle_step(const struct settle_facts *facts, u64 *ret_next_ms);

/* ---- the entry ---- */

struct head_move {
    struct hash bucket;
    struct hash old_head;
    struct journal_head head; /* zero: the bucket becomes empty */
    u64 sequence;
};

struct unsettled_segment {
    struct segment_seal seal;
    u32 have; /* bit i: fragment i has had a holder */
    bool registered;
    bool complete;
    struct segment_entry *late; /* receipts that came after the commit; NULL: none */
};

struct unsettled_head {
    struct head_move move;
    bool moved;
    bool lost; /* somebody else moved the head away */
};

struct unsettled {
    struct list node; /* in settle->entries, by id */
    u64 id;
    u64 territory;
    struct hash tx;
    u8 *raw;
    size_t raw_len;
    u64 bytes; /* of its segments */
    struct unsettled_segment *segments;
    size_t segment_count;
    struct unsettled_head *heads;
    size_t head_count;
    struct settle_facts facts;
    bool holds;        /* facts.nonce is held */
    size_t references; /* the list's, and one per fiber that waits or works on it */
    struct event changed;
};

struct settle {
    struct list entries;
    size_t count;
    u64 unfinal;       /* entries */
    u64 unfinal_bytes; /* of segments in entries that are not final */
    u64 completing;    /* fibers */
    struct event wake;
};

void settle_init(struct settle *settle);
/* settle_add: takes over `entry`. */
void settle_add(struct settle *settle, struct unsettled *entry);
void settle_remove(struct settle *settle, struct unsettled *entry);
void unsettled_ref(struct unsettled *entry);
void unsettled_unref(struct unsettled *entry);
/* settle_overloaded: PUT answers SlowDown: too old or too much is not final. */
bool settle_overloaded(const struct settle *settle, u64 now_ms, u64 spool_bytes_max);
/* settle_find_segment: NULL if no entry has it. */
struct unsettled_segment *settle_find_segment(const struct settle *settle,
                                              const struct segment_key *key,
                                              struct unsettled **ret_entry);

/* unsettled_new: with room for segments and heads; raw is copied. */
struct unsettled *unsettled_new(u64 territory, bytes raw, const struct hash *tx,
                                size_t segment_count, size_t head_count);
void unsettled_set_raw(struct unsettled *entry, bytes raw, const struct hash *tx);
/* The packed fields of the log (struct index_pending). Kind 0x0606. */
void unsettled_write_segments(struct buf *out, const struct unsettled *entry);
void unsettled_write_heads(struct buf *out, const struct unsettled *entry);
/* unsettled_read: ERR_MALFORMED. */
err unsettled_read(const struct index_pending *pending, struct unsettled **ret_entry);

#endif

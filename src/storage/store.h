/* store.h: the storage node role.
 *
 * One loop, one provider. store_start() brings up both ports and returns; everything else happens
 * in fibers and is retried for as long as it takes, so that neither a ledger that is still starting
 * nor a disk that is full or read-only makes the process end and start in a circle:
 *
 *   opening disks ─► finding the chain ─► registered? ─► (empty: declare the loss) ─► ready
 *
 * Until it is ready, requests get 503 and /health says what is waited for. Then the duties run
 * (duties.h): heartbeat and announcements, reconciling with the chain, scrubbing, commit copies,
 * watching the disks. What is wrong at any time is in "alarms" of GET /v1/status and in the
 * metrics.
 *
 * The folder belongs to one provider of one chain; it refuses to serve another.
 */
#ifndef STORAGE_STORE_H
#define STORAGE_STORE_H

#include "chain/chain.h"
#include "storage/fault.h"

struct store;

struct store_options {
    const char *const *paths; /* 1..16 folders, one per disk; the first holds the index */
    size_t path_count;
    u64 capacity_bytes; /* of fragments */
    u64 reserve_bytes;  /* kept free on each disk; 0: 64 MiB */
    const char *host;   /* of the data port */
    u16 port;
    const char *metrics_host; /* NULL: as host */
    u16 metrics_port;         /* 0: picks one */
    struct chain_options chain;
    struct secp_secret account; /* sends transactions */
    struct secp_secret signer;  /* signs receipts; may be the same */
    u64 open_bytes_max;    /* quota of uncommitted bytes per signer; 0: a quarter of capacity */
    u64 scrub_bytes_per_s; /* 0: 8 MiB */
    u64 scrub_pause_ms;    /* between passes; 0: 60 s */
    u64 copy_delay_ms;     /* before a commit copy is submitted; 0: 5 s */
    u64 disk_absent_ms;    /* before fragments of an absent disk count as lost; 0: 1 h */
    struct store_fault fault;
};

/* store_start: copies the options; starts listening. ERR_EXISTS: a port is in use; ERR_USAGE. To be
 * called in a fiber or before loop_run(). */
err store_start(struct loop *loop, const struct store_options *options, struct store **ret_store);
bool store_ready(const struct store *store);
u32 store_provider(const struct store *store); /* 0: not known yet */
u16 store_port(const struct store *store);
u16 store_metrics_port(const struct store *store);
/* store_quiesce: no new connections; waits for running requests until the deadline, cuts the rest.
 */
void store_quiesce(struct store *store, u64 deadline_ms);
/* store_stop: in a fiber, also when the loop is stopping (which makes it quick: else a duty may
 * have to wait for the ledger). Waits for every fiber, closes the disks, frees. NULL is fine. */
void store_stop(struct store *store);

/* ---- what the operator does: one call each, over an open chain ---- */

struct store_registration {
    struct address operator_;
    /* The operator's consent (store_consent); not looked at if the operator is the account itself.
     */
    struct secp_signature consent;
    u16 region;           /* ISO 3166-1 numeric, 0 unknown */
    u64 prefix;           /* provider_prefix_of(); 0: from the address in `endpoint` */
    const char *endpoint; /* URL of the data port */
    struct address signer;
    u64 capacity;
    u64 announced;
};

/* store_consent: the operator lets `provider` register under it. */
void store_consent(struct secp_signature *ret_consent, const struct secp_secret *operator_,
                   u64 chain_id, const struct address *provider);
/* store_register: registers the account, or, if it is registered already, updates its region,
 * prefix, endpoint, signer and capacity where they differ. ERR_USAGE: no prefix can be told from
 * the endpoint. ERR_REFUSED: reason in the log. */
err store_register(struct chain *chain, struct chain_account *account,
                   const struct store_registration *registration, u64 deadline_ms,
                   u32 *ret_provider);
/* store_drain: nothing new is taken, repair hands over. store_exit: leaves, once it holds nothing.
 * store_rejoin: active again after either. ERR_REFUSED: reason in the log. */
err store_drain(struct chain_account *account, u64 deadline_ms);
err store_exit(struct chain_account *account, u64 deadline_ms);
err store_rejoin(struct chain_account *account, u64 deadline_ms);

#endif

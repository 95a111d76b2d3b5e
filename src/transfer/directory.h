/* directory.h: who the storage nodes are, and how they have behaved.
 *
 * A cached copy of the provider registry (proven reads), refreshed with the chain, plus what this
 * process has seen of each provider: unreachable until, slow (moving p95), lied (wrong bytes). It
 * orders candidates for reads and names culprits; it never decides what the chain
 * decides. */
#ifndef TRANSFER_DIRECTORY_H
#define TRANSFER_DIRECTORY_H

#include "chain/chain.h"
#include "data/placement.h"
#include "ledger/modules/provider_layout.h"

#define PROVIDER_URL_MAX 256

struct directory;

struct provider_view {
    u32 index;
    struct address operator_; /* account that runs it */
    struct address signer;    /* signs receipts */
    char url[PROVIDER_URL_MAX];
    u64 weight;     /* as of the newest head; 0: not eligible */
    bool alive;     /* on chain: registered, not late, not exited */
    bool reachable; /* as seen from here */
    bool trusted;   /* served no wrong bytes for a while */
    u64 lies;       /* wrong bytes served to this process */
    u64 stalls;
    u64 latency_p95_ms;
};

enum provider_fault {
    PROVIDER_UNREACHABLE,
    PROVIDER_STALLED,
    PROVIDER_LIED,
    PROVIDER_REFUSED, /* no room, no right, too busy */
    PROVIDER_LACKS,   /* answers, but does not have what the ledger says it holds */
};

/* provider_fault_of: what a failed call says about the provider. ERR_NOT_FOUND: it refused. */
enum provider_fault provider_fault_of(err e);

err directory_open(struct loop *loop, struct chain *chain, u64 deadline_ms,
                   struct directory **ret_directory);
void directory_close(struct directory *directory);
/* directory_refresh: reads what changed since the last call. */
err directory_refresh(struct directory *directory, u64 deadline_ms);
size_t directory_count(const struct directory *directory);
size_t directory_eligible(const struct directory *directory);
/* directory_get: a copy; ERR_NOT_FOUND. */
err directory_get(const struct directory *directory, u32 provider, struct provider_view *ret);
/* directory_at: i in [0, count), registry order. */
struct provider_view directory_at(const struct directory *directory, size_t i);
/* directory_record: what the ledger says of a provider; NULL: unknown. Borrowed until the next
 * directory_refresh(), by whomever. */
const struct provider_record *directory_record(const struct directory *directory, u32 provider);
/* directory_candidate: provider i for a draw: weight, operator and prefix numbers. */
struct placement_candidate directory_candidate(const struct directory *directory, size_t i);
/* directory_blame / directory_praise: what the caller saw; a blame is logged with the provider's
 * number, address and the segment. Blamed for anything but LACKS it counts as unreachable for a
 * few seconds, longer each time in a row; for LIED it is not trusted for some minutes. */
void directory_blame(struct directory *directory, u32 provider, enum provider_fault fault,
                     const struct segment_key *key);
void directory_praise(struct directory *directory, u32 provider, u64 latency_ms);

#endif

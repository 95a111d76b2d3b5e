/* segment_place.h: are these receipts good, and who holds what then? Shared by commit, complete
 * and repair.
 *
 * A `placing` belongs to one call: parameters and the seed of the last used epoch are loaded once.
 * A `placement_state` belongs to one segment: the holders it has (for caps and distinctness) and
 * the receipts accepted so far. Checking changes nothing; placing_apply() writes.
 */
#ifndef LEDGER_MODULES_SEGMENT_PLACE_H
#define LEDGER_MODULES_SEGMENT_PLACE_H

#include "ledger/modules/segment_state.h"
#include "ledger/modules/state.h"

/* Measured on the slowest supported machine (README.md), beside loads and stores. */
#define GAS_ENTRY 2000   /* decode an entry, hash its id */
#define GAS_ROOT 60      /* per fragment root: copy and hash */
#define GAS_RECEIPT 3600 /* digest and public key recovery */
#define GAS_DRAW 200
#define GAS_HEAD 800

/* Which rules for seeds hold. A gateway completes with the ticket it committed with, or like a
 * repair with any open epoch's seed. */
enum placing_kind { PLACING_COMMIT, PLACING_COMPLETE, PLACING_REPAIR };

struct placing {
    struct frame *frame;
    struct state_time time;
    u64 territory;
    u32 gateway;
    enum placing_kind kind;
    u64 late_after;
    u64 operator_divisor;
    u64 prefix_divisor;
    bool has_seed; /* `seed` is that of seed_epoch, if it is valid */
    bool seed_is_valid;
    u64 seed_epoch;
    struct ticket_seed seed;
};

/* A provider that holds, or is about to hold, a fragment of the segment. */
struct placed {
    u32 provider;
    u32 operator_;
    u32 prefix;
};

struct accepted {
    const struct holder_receipt *receipt;
    struct provider_record provider;
};

struct placement_state {
    const struct segment_entry *entry;
    struct segment_key key;
    struct hash id;
    u64 changed; /* of the stored segment; 0 for a new one */
    u32 fragment_bytes;
    u8 operator_cap;
    u8 prefix_cap;
    struct placed placed[2 * FRAGMENTS_MAX];
    size_t placed_count;
    struct accepted accepted[FRAGMENTS_MAX];
    size_t accepted_count;
};

err placing_init(struct placing *placing, struct frame *frame, u64 territory, u32 gateway,
                 enum placing_kind kind);
/* placing_seed: loads the seed of the entry's epoch; *ret_valid false: it gives no ticket now, and
 * the network is not small. */
err placing_seed(struct placing *placing, const struct segment_entry *entry, bool *ret_valid);
/* placement_state_init: charges for the entry and computes its id. */
void placement_state_init(struct placement_state *state, struct placing *placing,
                          const struct segment_entry *entry);
void placement_state_add(struct placement_state *state, u32 provider,
                         const struct provider_record *record);
/* placing_check: takes the receipt into `accepted`, or says why not. placing_seed() was called. */
err placing_check(struct placing *placing, struct placement_state *state,
                  const struct holder_receipt *receipt, enum segment_reason *ret_reason);
/* placing_apply: fills the accepted receipts into the record and the providers' lists. */
err placing_apply(struct placing *placing, struct placement_state *state,
                  struct segment_record *record);
/* placing_skipped: the log line for a receipt that was not taken. */
void placing_skipped(struct placing *placing, const struct placement_state *state,
                     const struct holder_receipt *receipt, enum segment_reason reason);

#endif

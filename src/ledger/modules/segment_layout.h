/* segment_layout.h: segments, their holders, tickets, releases, watchers.
 *
 * A segment is keyed by (territory, gateway, number) and also has a serial number from 1 in order
 * of registration (the global list watchers scan). Its record holds class, length, id (which
 * commits to the n fragment roots; any holder can give the roots, segment_id() checks them) and per
 * fragment (provider, position in that provider's list).
 *
 * A holder entry with provider 0 was never filled (position 0) or was cleared (position = 1 +
 * seconds from the commit to the loss).
 *
 * Tickets. Numbers of a (territory, gateway) pair are used once each, in any order inside a window
 * of 256; when the window moves on, unused ones count as skipped (at most ticket_skip_percent of
 * all passed, plus 16). An entry's `epoch` says where its draws come from: e > 0: seed of epoch e,
 * valid while e or e + 1 is open, for pairs that exist since before epoch e; 0: the beacon output
 * of the second block after the pair's registration, valid in the epoch of the registration and the
 * next. A pair exists since the later of its authorisation and its territory's lease. In
 * a small network (by the table for the open epoch) any epoch is accepted: no draw is asked for.
 *
 * Receipts are good once: deadline >= block time and <= block time + RECEIPT_TTL_SECONDS + 60;
 * issue time (deadline - RECEIPT_TTL_SECONDS) not before the provider's last declareLostAll nor, in
 * complete and repair, before the segment's last change of holders (`changed`).
 *
 * Repair. A segment's job begins with its newest loss; two watchers drawn from the seed of the open
 * (or the last) epoch may repair at once, everyone repair_assign_s later.
 */
#ifndef LEDGER_MODULES_SEGMENT_LAYOUT_H
#define LEDGER_MODULES_SEGMENT_LAYOUT_H

#include "data/segment.h"
#include "ledger/modules/provider_layout.h"

#define TICKET_WINDOW 256
#define TICKET_SKIP_ALLOWANCE 16
#define TICKET_TABLE_LAG 2 /* tickets of epoch e use the table as of the end of epoch e - 2 */
#define RECEIPT_SKEW_SECONDS 60
#define SEGMENT_WATCHERS_PER_JOB 2

enum segment_flags {
    SEGMENT_COMPLETE = 1,  /* all n holders were registered at some time */
    SEGMENT_RELEASING = 2, /* see segment_release_time() */
};

struct segment_holder {
    u32 provider; /* 0: none */
    u32 position; /* in the provider's list; provider 0: 1 + seconds from commit to loss, or 0 */
};

struct segment_record {
    enum redundancy class_number;
    u8 n;
    u8 flags;
    u32 length;
    u64 serial;
    u32 epoch;     /* in which it was registered */
    u64 committed; /* chain time */
    u64 changed;   /* chain time of the last loss or repair; 0: none */
    struct hash id;
    struct segment_holder holders[FRAGMENTS_MAX];
};

err segment_load(const struct slot_source *source, const struct segment_key *key,
                 struct segment_record *ret_record, bool *ret_found);
/* segment_count / segment_at: the global list; serials 1..count; found false: purged. */
err segment_count(const struct slot_source *source, u64 *ret_count);
err segment_at(const struct slot_source *source, u64 serial, struct segment_key *ret_key,
               bool *ret_found);
/* segment_release_time: chain time from which a RELEASING segment may be purged. */
err segment_release_time(const struct slot_source *source, const struct segment_key *key,
                         u64 *ret_time);
static inline u8 segment_holder_count(const struct segment_record *r)
{
    u8 count = 0;
    for (u8 i = 0; i < r->n; i++) {
        count = (u8)(count + (r->holders[i].provider != 0));
    }
    return count;
}

enum holder_status {
    HOLDER_PRESENT,
    HOLDER_AWAITED,  /* never filled, `complete` not yet due */
    HOLDER_MISSING,  /* never filled and overdue */
    HOLDER_LOST,     /* cleared, declared lost, late or gone */
    HOLDER_DRAINING, /* still there, to be handed over */
};

/* What segment_holder_status needs besides the record; load once per scan. */
struct holder_clock {
    u64 now; /* chain time */
    u64 late_after;
    u64 complete_due;
    u64 repair_assign;
};
err holder_clock_load(const struct slot_source *source, struct holder_clock *ret_clock);
/* holder_status_of: pure. `provider` is the record of holders[index].provider (NULL if that is 0).
 * *ret_since: chain time since when it is not PRESENT. */
enum holder_status holder_status_of(const struct holder_clock *clock,
                                    const struct segment_record *segment, u8 index,
                                    const struct provider_record *provider, u64 *ret_since);
/* segment_statuses: all n at once; ret_status and ret_since have FRAGMENTS_MAX entries. */
err segment_statuses(const struct slot_source *source, const struct holder_clock *clock,
                     const struct segment_record *segment, enum holder_status *ret_status,
                     u64 *ret_since);

/* Ticket counters of a pair. */
struct ticket_record {
    u64 base; /* lowest number of the window */
    u64 used;
    u64 skipped;
    u8 window[32]; /* bit i (from the left): number base + i is used */
};
err ticket_load(const struct slot_source *source, u64 territory, u32 gateway,
                struct ticket_record *ret_record);
/* ticket_next: lowest number above all used ones. ticket_is_used: also true below the window. */
u64 ticket_next(const struct ticket_record *record);
/* ticket_lowest: lowest unused number >= from. A gateway hands out numbers by this (from = the last
 * it handed out + 1, after a restart 0, passing over those still pending in its own log), so that
 * numbers abandoned in a crash are used later and never count as skipped. */
u64 ticket_lowest(const struct ticket_record *record, u64 from);
bool ticket_is_used(const struct ticket_record *record, u64 number);
/* ticket_use: marks `number` used, moving the window; false: used already, or too many skipped. */
MUST_USE bool ticket_use(struct ticket_record *record, u64 number, u64 skip_percent);

/* Where draws come from. */
struct ticket_seed {
    struct hash seed;
    u64 epoch;       /* as in segment_entry */
    u64 table_epoch; /* for provider_weight() and friends */
    u64 total;       /* of the frozen weights; 0: only the small-network rule can apply */
    u64 eligible;    /* of the frozen table; placement_small(eligible, n) decides */
};
/* segment_ticket_seed: valid false: that epoch gives this pair no ticket now. */
err segment_ticket_seed(const struct slot_source *source, u64 territory, u32 gateway, u64 epoch,
                        u64 block_time, struct ticket_seed *ret_seed, bool *ret_valid);
/* segment_ticket_seed_now: what a gateway should use in its next entry: the seed of the open epoch,
 * or 0's for a new pair. valid false: wait for the next block. */
err segment_ticket_seed_now(const struct slot_source *source, u64 territory, u32 gateway,
                            u64 block_time, struct ticket_seed *ret_seed, bool *ret_valid);
/* segment_repair_seed: the same for complete and repair, where the pair is of no account: epoch e
 * or e - 1 of the open epoch. */
err segment_repair_seed(const struct slot_source *source, u64 epoch, struct ticket_seed *ret_seed,
                        bool *ret_valid);

/* Watchers: number w < gateways is gateway w + 1, after them those who registered themselves. */
err watcher_count(const struct slot_source *source, u32 *ret_count);
err watcher_at(const struct slot_source *source, u32 watcher, struct address *ret_account);
/* segment_watchers: the (up to) two assigned to a segment by an epoch's seed. */
err segment_watchers(const struct slot_source *source, const struct segment_key *key,
                     const struct hash *seed, struct address ret_accounts[SEGMENT_WATCHERS_PER_JOB],
                     size_t *ret_count);
/* segment_job_since: chain time of the newest loss, 0 if nothing is to be repaired. */
u64 segment_job_since(const struct segment_record *segment, const enum holder_status *statuses,
                      const u64 *since);
/* segment_repair_allowed: may `account` repair this segment now? */
err segment_repair_allowed(const struct slot_source *source, const struct segment_key *key,
                           const struct segment_record *segment, const struct address *account,
                           bool *ret_allowed);

/* Slot 0: {segment count u64, own watchers u32}. Maps:
 * 1 territory u64 ‖ gateway u32 ‖ number u64 → {class u8, flags u8, length u32, serial 6 bytes,
 *   epoch u32, committed u64, changed u64}, id, then holders, four {provider u32, position u32} a
 * word 2 serial u64 → key 20 bytes; 3 key → release time u64 4 territory ‖ gateway → {base, used,
 * skipped u64}, window; 5 watcher u32 → account; 6 account → watcher + 1 u32 */
#define SEGMENT_SLOT_COUNTS 0
#define SEGMENT_MAP_RECORDS 1
#define SEGMENT_MAP_LIST 2
#define SEGMENT_MAP_RELEASES 3
#define SEGMENT_MAP_TICKETS 4
#define SEGMENT_MAP_WATCHERS 5
#define SEGMENT_MAP_WATCHER_OF 6
#define SEGMENT_WORDS_MAX (2 + (FRAGMENTS_MAX + 3) / 4)

/* Why an entry, a receipt or a head move was not accepted (uint8 in the events). */
#define SEGMENT_REASONS(X)                                                                         \
    X(NONE, "accepted")                                                                            \
    X(SHAPE, "class, length or receipts do not fit together")                                      \
    X(CLASS_TOO_DEAR, "the lease does not pay for this class")                                     \
    X(NUMBER, "ticket number used before or too many skipped")                                     \
    X(TICKET, "the ticket's epoch is not valid now")                                               \
    X(QUOTA, "over the authorisation's quota")                                                     \
    X(SPACE, "over the territory's size")                                                          \
    X(QUORUM, "too few valid receipts")                                                            \
    X(UNKNOWN_SEGMENT, "no such segment, or the id differs")                                       \
    X(RELEASING, "the segment is being released")                                                  \
    X(DEADLINE, "receipt past its deadline or too far ahead")                                      \
    X(STALE, "receipt older than the last loss")                                                   \
    X(PROVIDER, "no such provider, or not taking fragments now")                                   \
    X(SIGNATURE, "not signed by the provider's receipt key")                                       \
    X(DUPLICATE, "provider holds another fragment of the segment")                                 \
    X(OPERATOR_CAP, "too many holders of one operator")                                            \
    X(PREFIX_CAP, "too many holders of one address prefix")                                        \
    X(DRAW, "the draw does not name this provider")                                                \
    X(ROOM, "the provider has no room announced")                                                  \
    X(HOLDER, "the fragment has another holder, or its holder is not lost")                        \
    X(NOT_ASSIGNED, "the repair is reserved for other watchers")                                   \
    X(UNKNOWN_BUCKET, "no such bucket in this territory")                                          \
    X(HEAD_CHANGED, "the head is not the old one any more")                                        \
    X(LOCATOR, "the locator names no registered bytes of this territory")

enum segment_reason {
#define SEGMENT_REASON_ENUM(name, text) SEGMENT_REASON_##name,
    SEGMENT_REASONS(SEGMENT_REASON_ENUM)
#undef SEGMENT_REASON_ENUM
};
/* segment_reason_text: for people; "unknown reason" past the table. */
const char *segment_reason_text(u8 reason);

/* `segments` is a row of segment_entry_write() records. commit: the caller is the gateway; every
 * entry is a new segment. complete: the receipts are those of late holders. repair: the receipts
 * are those of new holders, oldHolders the providers they replace (0: cleared or never filled), one
 * per receipt over all entries. */
#define SEGMENT_COMMIT                                                                             \
    "commit(uint64 territory, bytes segments, (bytes32 bucket, bytes32 oldHead, bytes32 newHead, " \
    "bytes20 locator)[] heads)"
#define SEGMENT_COMPLETE_CALL "complete(uint64 territory, bytes segments)"
#define SEGMENT_REPAIR                                                                             \
    "repair(uint64 territory, uint32 gateway, bytes segments, uint32[] oldHolders)"
#define SEGMENT_RELEASE "release(uint64 territory, uint32 gateway, uint64[] numbers)"
#define SEGMENT_UNDO_RELEASE "undoRelease(uint64 territory, uint32 gateway, uint64[] numbers)"
#define SEGMENT_PURGE "purge(uint64 territory, uint32 gateway, uint64[] numbers)"
#define SEGMENT_REGISTER_WATCHER "registerWatcher() returns (uint32 watcher)"
#define SEGMENT_GET                                                                                \
    "get(uint64 territory, uint32 gateway, uint64 number) returns (bytes32 segment, "              \
    "uint8 redundancy, uint8 flags, uint32 length, uint64 serial, uint64 committed, "              \
    "uint32[] providers, uint32[] positions)"
#define SEGMENT_COUNT "count() returns (uint64 number)"
#define SEGMENT_AT "at(uint64 serial) returns (uint64 territory, uint32 gateway, uint64 number)"
#define SEGMENT_TICKETS                                                                            \
    "tickets(uint64 territory, uint32 gateway) returns (uint64 base, uint64 used, "                \
    "uint64 skipped, bytes32 window)"
#define SEGMENT_WATCHERS "watchers() returns (uint32 number)"
#define SEGMENT_EV_REGISTERED                                                                      \
    "SegmentRegistered(uint64 indexed territory, uint32 indexed gateway, uint64 indexed number, "  \
    "bytes32 segment, uint8 holders)"
#define SEGMENT_EV_REFUSED                                                                         \
    "SegmentRefused(uint64 indexed territory, uint32 indexed gateway, uint64 indexed number, "     \
    "uint8 reason, uint8 holders)"
#define SEGMENT_EV_RECEIPT_SKIPPED                                                                 \
    "ReceiptSkipped(uint64 indexed territory, uint32 indexed gateway, uint64 indexed number, "     \
    "uint8 index, uint32 provider, uint8 reason)"
#define SEGMENT_EV_HEAD_MOVED "HeadMoved(bytes32 indexed bucket, bytes32 oldHead, bytes32 newHead)"
#define SEGMENT_EV_HEAD_REFUSED                                                                    \
    "HeadRefused(bytes32 indexed bucket, bytes32 newHead, bytes32 currentHead, uint8 reason)"
#define SEGMENT_EV_HOLDER                                                                          \
    "HolderChanged(uint64 indexed territory, uint32 indexed gateway, uint64 indexed number, "      \
    "uint8 index, uint32 oldProvider, uint32 newProvider)"
#define SEGMENT_EV_RELEASING                                                                       \
    "ReleaseScheduled(uint64 indexed territory, uint32 indexed gateway, uint64 indexed number, "   \
    "uint64 effective)"
#define SEGMENT_EV_RELEASE_UNDONE                                                                  \
    "ReleaseUndone(uint64 indexed territory, uint32 indexed gateway, uint64 indexed number)"
#define SEGMENT_EV_PURGED                                                                          \
    "SegmentPurged(uint64 indexed territory, uint32 indexed gateway, uint64 indexed number)"
#define SEGMENT_EV_WATCHER "WatcherRegistered(uint32 indexed watcher, address indexed account)"

#endif

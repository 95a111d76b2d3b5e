/* provider_layout.h: who offers disk, what each owes, and the weights that tickets are drawn from.
 *
 * Providers are numbered from 1 in order of registration; numbers are never reused. `announced` is
 * the space a provider promises for service, bytes it already serves included; `service` what it
 * serves now, exact to the byte. Weight = announced - service in units of 64 KiB, zero unless the
 * provider is active. Until bonds exist nothing else limits it.
 *
 * Lost fragments. A provider's fragment list is append-only; an entry's position is its name, and a
 * segment's holder entry carries (provider, position). The fragment counts as lost while the
 * provider's heartbeat is late by the clock, for good if position < lost_before (declareLost of
 * everything: one word for any number of fragments), or when the holder entry itself was cleared
 * (declareLost of single ones, repair). A provider that comes back after being late with its data
 * intact only sends a heartbeat: what was not repaired meanwhile is held again. One that comes back
 * with an empty disk calls declareLostAll() *first*; receipts it signed before that are void.
 *
 * Frozen weights. Tickets of epoch e are drawn from the table as it was at the end of epoch e - 2,
 * before the block that made seed e. So every node of the sum tree keeps the last four versions: an
 * epoch u32, then four values of 7 bytes: as of that epoch, and as of the ends of the three before.
 * The tree is a Fenwick tree over provider numbers, plus a leaf, total and eligible count in the
 * same form. Leaves follow `service` lazily: when they are off by more than an eighth, and at
 * heartbeats.
 */
#ifndef LEDGER_MODULES_PROVIDER_LAYOUT_H
#define LEDGER_MODULES_PROVIDER_LAYOUT_H

#include "data/placement.h"
#include "ledger/modules/layout.h"

#define PROVIDER_ENDPOINT_BYTES_MAX 256
#define PROVIDER_WEIGHT_UNIT KIB(64)
#define PROVIDER_CAPACITY_MAX ((u64)1 << 56) /* 64 PiB */
#define PROVIDER_LOST_ITEMS_MAX 256          /* of one declareLost() */

enum provider_state { PROVIDER_NONE, PROVIDER_ACTIVE, PROVIDER_DRAINING, PROVIDER_EXITED };

struct provider_record {
    struct address account; /* sends its transactions */
    struct address signer;  /* whose signature a receipt carries */
    u32 operator_;          /* operator number, from 1, in order of first appearance */
    u32 prefix;             /* address prefix number, likewise */
    u16 region;             /* ISO 3166-1 numeric, 0 unknown */
    enum provider_state state;
    bool out_of_tree; /* reported late: weight taken out until the next heartbeat */
    u64 announced;    /* bytes */
    u64 service;      /* bytes */
    u64 heartbeat;    /* chain time of the last sign of life */
    u64 lost_at;      /* chain time of the last declareLostAll; 0: never */
    u32 lost_before;  /* list positions below this are lost */
    u32 list_count;   /* entries ever appended */
    u32 live;         /* fragments held now */
    u64 capacity;     /* declared size of the disk, bytes */
    u64 joined;       /* chain time */
    u64 state_since;  /* chain time of the last change of state */
};

err provider_load(const struct slot_source *source, u32 provider,
                  struct provider_record *ret_record, bool *ret_found);
/* provider_of: number of an account, 0 if none. provider_count: highest number. */
err provider_of(const struct slot_source *source, const struct address *account, u32 *ret_provider);
err provider_count(const struct slot_source *source, u32 *ret_count);
/* provider_endpoint: URL without final zero; out has PROVIDER_ENDPOINT_BYTES_MAX bytes. */
err provider_endpoint(const struct slot_source *source, u32 provider, u8 *out, size_t *ret_len);
/* provider_prefix_key: the /24 or /48 behind a prefix number: 4 ‖ 0… ‖ 3 bytes or 6 ‖ 0 ‖ 6 bytes.
 */
err provider_prefix_key(const struct slot_source *source, u32 prefix, u64 *ret_key);
/* provider_operator: account of an operator number. */
err provider_operator(const struct slot_source *source, u32 operator_, struct address *ret_account);

/* Heartbeat clock: params.heartbeat_due_s + heartbeat_late_s, read once by the caller. */
err provider_late_after(const struct slot_source *source, u64 *ret_seconds);
static inline bool provider_is_late(const struct provider_record *r, u64 late_after, u64 chain_now)
{
    return chain_now > r->heartbeat && chain_now - r->heartbeat > late_after;
}
/* provider_eligible: may take new fragments: active, in time, something announced. */
static inline bool provider_eligible(const struct provider_record *r, u64 late_after, u64 chain_now)
{
    return r->state == PROVIDER_ACTIVE && r->announced > r->service &&
           !provider_is_late(r, late_after, chain_now);
}

/* provider_current_weight: what the tree's leaf should be now. Where the small-network rule holds
 * (placement_small(eligible of the frozen table, n)) candidates for placement_choose() are all
 * eligible providers with this weight; else those of provider_weight(). */
u64 provider_current_weight(const struct provider_record *record);

/* One promise. */
struct provider_fragment {
    u64 serial; /* of the segment, see segment_at() */
    u8 index;   /* fragment of it */
    u32 added_epoch;
    u32 removed_epoch; /* 0: not removed one by one */
};
/* provider_fragment_load: found if position < list_count. Owed are entries with removed_epoch 0 and
 * position >= lost_before; removed ones for release_keep_epochs more. */
err provider_fragment_load(const struct slot_source *source, u32 provider, u32 position,
                           struct provider_fragment *ret_fragment, bool *ret_found);

/* The frozen table, `table_epoch` from segment_ticket_seed(). found false: older than the four kept
 * versions. Weights are in units of PROVIDER_WEIGHT_UNIT. */
err provider_weight(const struct slot_source *source, u32 provider, u64 table_epoch,
                    u64 *ret_weight, bool *ret_found);
err provider_table(const struct slot_source *source, u64 table_epoch, u64 *ret_total,
                   u64 *ret_eligible, bool *ret_found);
/* provider_sum_before: sum of the weights of all providers with a lower number: with the weight,
 * the interval in which a draw's point must lie. */
err provider_sum_before(const struct slot_source *source, u32 provider, u64 table_epoch,
                        u64 *ret_sum, bool *ret_found);

/* provider_consent_digest: what an operator signs so that `provider` may register under it:
 * keccak256("cairn operator v1" ‖ chain u64 ‖ provider account). */
void provider_consent_digest(struct hash *ret_digest, u64 chain_id, const struct address *provider);
/* provider_prefix_of: the key for an address: family 4: /24 of 4 bytes, family 6: /48 of 16. */
u64 provider_prefix_of(int family, const u8 *address);

/* Slot 0: {count u32, operators u32, prefixes u32}. Maps:
 * 1 provider u32 → {account, operator u32, prefix u32, region u16, state u8, flags u8},
 *   {signer, lost_before u32, list_count u32, live u32}, {announced, service, heartbeat, lost_at
 * u64}, {capacity, joined, state_since u64} 2 provider → endpoint blob; 3 account → provider u32 4
 * operator account → number u32; 5 number → account; 6 prefix key u64 → number; 7 number → key 8
 * provider u32 ‖ position / 2 u32 → two of {serial 6 bytes, index u8, 0, added u32, removed u32} 9
 * tree u16 ‖ node u32 → versions (Fenwick; tree 0 is the whole world); 10 tree ‖ provider → leaf
 * versions; 11 tree → total versions, eligible versions */
#define PROVIDER_SLOT_COUNTS 0
#define PROVIDER_MAP_RECORDS 1
#define PROVIDER_MAP_ENDPOINTS 2
#define PROVIDER_MAP_ACCOUNTS 3
#define PROVIDER_MAP_OPERATORS 4
#define PROVIDER_MAP_OPERATOR_AT 5
#define PROVIDER_MAP_PREFIXES 6
#define PROVIDER_MAP_PREFIX_AT 7
#define PROVIDER_MAP_FRAGMENTS 8
#define PROVIDER_MAP_TREE 9
#define PROVIDER_MAP_LEAVES 10
#define PROVIDER_MAP_TOTALS 11
#define PROVIDER_WORDS 4

#define PROVIDER_REGISTER                                                                          \
    "register(address operator, bytes consent, uint16 region, uint64 prefix, string endpoint, "    \
    "address signer, uint64 capacity, uint64 announced) returns (uint32 provider)"
#define PROVIDER_UPDATE                                                                            \
    "update(uint16 region, uint64 prefix, string endpoint, address signer, uint64 capacity)"
#define PROVIDER_ANNOUNCE "announce(uint64 announced)"
#define PROVIDER_HEARTBEAT "heartbeat()"
#define PROVIDER_DECLARE_LOST_ALL "declareLostAll()"
#define PROVIDER_DECLARE_LOST                                                                      \
    "declareLost((uint64 territory, uint32 gateway, uint64 number, uint8 index)[] fragments)"
#define PROVIDER_REPORT_LATE "reportLate(uint32 provider)"
#define PROVIDER_DRAIN "drain()"
#define PROVIDER_EXIT "exit()"
#define PROVIDER_REJOIN "rejoin()"
#define PROVIDER_GET                                                                               \
    "get(uint32 provider) returns (address account, address signer, uint32 operator, "             \
    "uint32 prefix, uint16 region, uint8 state, uint64 announced, uint64 service, "                \
    "uint64 heartbeat, uint32 live, uint32 listCount, uint32 lostBefore, string endpoint)"
#define PROVIDER_OF "providerOf(address account) returns (uint32 provider)"
#define PROVIDER_COUNT "count() returns (uint32 number)"
#define PROVIDER_FRAGMENT                                                                          \
    "fragment(uint32 provider, uint32 position) returns (uint64 serial, uint8 index, "             \
    "uint32 addedEpoch, uint32 removedEpoch)"
#define PROVIDER_WEIGHT                                                                            \
    "weight(uint32 provider, uint64 tableEpoch) returns (uint64 amount, uint64 sumBefore, "        \
    "uint64 total, uint64 eligible)"
#define PROVIDER_EV_REGISTERED                                                                     \
    "Registered(uint32 indexed provider, address indexed account, uint32 indexed operator)"
#define PROVIDER_EV_UPDATED "Updated(uint32 indexed provider)"
#define PROVIDER_EV_ANNOUNCED "Announced(uint32 indexed provider, uint64 announced)"
#define PROVIDER_EV_LOST_ALL "AllLost(uint32 indexed provider, uint32 lostBefore, uint64 size)"
#define PROVIDER_EV_LOST "FragmentLost(uint32 indexed provider, uint64 indexed serial, uint8 index)"
#define PROVIDER_EV_LATE "Late(uint32 indexed provider, uint64 heartbeat)"
#define PROVIDER_EV_STATE "StateChanged(uint32 indexed provider, uint8 state)"

#endif

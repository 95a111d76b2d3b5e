/* territory_layout.h: leases of space.
 *
 * A territory is `size` bytes of ciphertext for a time, in a redundancy class: segments of that
 * class or of any class that is not dearer (n / k) may be put into it and count with their length.
 * Numbers start at 1. Every owner's first territory is the default one. The lease is over at
 * `expires` (chain time): nothing new then; lease_grace_s later anyone may mark it and release what
 * is in it. The payment stays with the module until bonds and rewards exist.
 */
#ifndef LEDGER_MODULES_TERRITORY_LAYOUT_H
#define LEDGER_MODULES_TERRITORY_LAYOUT_H

#include "data/class.h"
#include "ledger/exec/u256.h"
#include "ledger/modules/layout.h"

#define TERRITORY_POLICY_BYTES_MAX 512

enum territory_state { TERRITORY_NONE, TERRITORY_ACTIVE, TERRITORY_FROZEN, TERRITORY_EXPIRED };

struct territory_record {
    struct address owner;
    enum redundancy class_number;
    enum territory_state state; /* as stored; see territory_usable() */
    u64 size;                   /* bytes leased */
    u64 used;                   /* bytes of registered segments */
    u64 expires;                /* chain time */
    u64 created_height;
    u32 created_epoch;
    u64 created;      /* chain time */
    struct u256 paid; /* wei held for it */
};

err territory_load(const struct slot_source *source, u64 territory,
                   struct territory_record *ret_record, bool *ret_found);
/* territory_usable: accepts commits: active and not over. */
static inline bool territory_usable(const struct territory_record *r, u64 chain_now)
{
    return r->state == TERRITORY_ACTIVE && chain_now < r->expires;
}
/* territory_accepts: the class is not dearer than the lease. */
bool territory_accepts(const struct territory_record *record, enum redundancy class_number);
/* territory_policy: region policy, opaque; out has TERRITORY_POLICY_BYTES_MAX bytes. */
err territory_policy(const struct slot_source *source, u64 territory, u8 *out, size_t *ret_len);
err territory_count(const struct slot_source *source, u64 *ret_count);

/* What an owner ever leased or got, in order; entries he gave away stay (check the record). */
struct territory_owner {
    u32 count;
    u64 default_territory; /* 0: none */
};
err territory_owner_load(const struct slot_source *source, const struct address *owner,
                         struct territory_owner *ret_owner);
/* territory_owned: entry i < count. */
err territory_owned(const struct slot_source *source, const struct address *owner, u32 i,
                    u64 *ret_territory);
/* territory_price: wei for `size` bytes of ciphertext in a class for `duration` seconds, rounded
 * up; false: overflow. price_gwei is params.price_per_tib_era, era_s params.era_seconds. */
MUST_USE bool territory_price(struct u256 *ret_wei, u64 size, enum redundancy class_number,
                              u64 duration, u64 price_gwei, u64 era_s);

/* Slot 0: count u64. Maps: 1 territory u64 → {owner, class u8, state u8, 2 spare, size u64},
 * {used, expires, created_height, created u64}, {paid u256}, {created_epoch u32}; 2 territory →
 * policy blob; 3 owner → {count u32, default u64}; 4 owner ‖ i u32 → territory u64. */
#define TERRITORY_SLOT_COUNT 0
#define TERRITORY_MAP_RECORDS 1
#define TERRITORY_MAP_POLICIES 2
#define TERRITORY_MAP_OWNERS 3
#define TERRITORY_MAP_OWNED 4
#define TERRITORY_WORDS 4

#define TERRITORY_LEASE                                                                            \
    "lease(uint64 size, uint8 redundancy, uint64 duration, bytes policy) "                         \
    "returns (uint64 territory)"
#define TERRITORY_RENEW "renew(uint64 territory, uint64 duration)"
#define TERRITORY_EXPAND "expand(uint64 territory, uint64 moreBytes)"
#define TERRITORY_FREEZE "freeze(uint64 territory)"
#define TERRITORY_UNFREEZE "unfreeze(uint64 territory)"
#define TERRITORY_EXPIRE "expire(uint64 territory)"
#define TERRITORY_TRANSFER "transfer(uint64 territory, address to)"
#define TERRITORY_SET_DEFAULT "setDefault(uint64 territory)"
#define TERRITORY_SET_POLICY "setPolicy(uint64 territory, bytes policy)"
#define TERRITORY_PRICE                                                                            \
    "price(uint64 size, uint8 redundancy, uint64 duration) returns (uint256 amount)"
#define TERRITORY_GET                                                                              \
    "get(uint64 territory) returns (address owner, uint8 redundancy, uint8 state, uint64 size, "   \
    "uint64 used, uint64 expires, uint256 paid, bytes policy)"
#define TERRITORY_COUNT "count() returns (uint64 number)"
#define TERRITORY_OWNED "owned(address owner) returns (uint32 number, uint64 defaultTerritory)"
#define TERRITORY_OWNED_AT "ownedAt(address owner, uint32 position) returns (uint64 territory)"
#define TERRITORY_EV_LEASED                                                                        \
    "Leased(uint64 indexed territory, address indexed owner, uint64 size, uint8 redundancy, "      \
    "uint64 expires, uint256 paid)"
#define TERRITORY_EV_RENEWED "Renewed(uint64 indexed territory, uint64 expires, uint256 paid)"
#define TERRITORY_EV_EXPANDED "Expanded(uint64 indexed territory, uint64 size, uint256 paid)"
#define TERRITORY_EV_STATE "StateChanged(uint64 indexed territory, uint8 state)"
#define TERRITORY_EV_TRANSFERRED                                                                   \
    "Transferred(uint64 indexed territory, address indexed former, address indexed owner)"
#define TERRITORY_EV_POLICY "PolicyChanged(uint64 indexed territory)"
#define TERRITORY_EV_DEFAULT "DefaultChanged(address indexed owner, uint64 territory)"

#endif

/* registry_layout.h: which native modules this chain has.
 *
 * Written at genesis and whenever a fork adds modules. The interface hash is keccak256 over the
 * topics (keccak256 of the canonical signature) of all functions, then all events, in table order;
 * a client that was built against other tables sees it differ.
 */
#ifndef LEDGER_MODULES_REGISTRY_LAYOUT_H
#define LEDGER_MODULES_REGISTRY_LAYOUT_H

#include "ledger/modules/layout.h"

struct registry_record {
    char name[33];
    struct address account;
    u32 version;
    struct hash interface_hash;
};

err registry_count(const struct slot_source *source, u32 *ret_count);
/* registry_load: entry i < count, in order of module numbers. */
err registry_load(const struct slot_source *source, u32 i, struct registry_record *ret_record,
                  bool *ret_found);

/* Slot 0: count u32 (bytes 28..31). Map 1: i u32 → name (padded with zeros), {account, version
 * u32}, interface hash. */
#define REGISTRY_SLOT_COUNT 0
#define REGISTRY_MAP_RECORDS 1

#define REGISTRY_COUNT "count() returns (uint32 number)"
#define REGISTRY_MODULE                                                                            \
    "module(uint32 position) returns (string name, address account, uint32 version, "              \
    "bytes32 interfaceHash)"

#endif

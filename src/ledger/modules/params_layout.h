/* params_layout.h: the tunables of the network.
 *
 * One table: identifier, name on chain, default, value on devnets, lowest and highest permitted
 * value, largest change in percent of the old value in one day (0: free), meaning. All are u64. The
 * numbers of the rows are storage slots: rows are only ever appended. A parameter that was never
 * set has its default, so a genesis needs to name only what differs ("profile": "devnet" takes the
 * whole devnet column).
 */
#ifndef LEDGER_MODULES_PARAMS_LAYOUT_H
#define LEDGER_MODULES_PARAMS_LAYOUT_H

#include "ledger/modules/layout.h"

#define PARAMS_TABLE(X)                                                                            \
    X(EPOCH_SECONDS, "epoch_seconds", 3600, 10, 1, 86400, 0,                                       \
      "block time after which an epoch closes, seconds")                                           \
    X(EPOCH_BLOCKS_MIN, "epoch_blocks_min", 100, 1, 1, 100000, 0,                                  \
      "an epoch of fewer blocks is void")                                                          \
    X(ERA_SECONDS, "era_seconds", 21600, 60, 10, 604800, 0,                                        \
      "length of an era, the unit of prices and seats, seconds")                                   \
    X(EPOCHS_PER_DAY, "epochs_per_day", 24, 6, 1, 100000, 0, "audit day in epochs")                \
    X(CLOCK_GAP_S, "clock_gap_s", 60, 10, 2, 86400, 0,                                             \
      "a longer gap between two blocks stops chain time, seconds")                                 \
    X(SEATS_MAX, "seats_max", 11, 4, 1, 11, 0, "validators per era")                               \
    X(BASE_FEE_FLOOR, "base_fee_floor", 1000000, 1000000, 1, 1000000000000000, 100,                \
      "lowest base fee, wei per gas")                                                              \
    X(BLOCK_GAS_LIMIT, "block_gas_limit", 60000000, 60000000, 5000000, 1000000000, 25,             \
      "gas limit of a block")                                                                      \
    X(RELEASE_DELAY_S, "release_delay_s", 86400, 86400, 1, 31536000, 0,                            \
      "time between the release of a segment and its purge, seconds")                              \
    X(RELEASE_KEEP_EPOCHS, "release_keep_epochs", 2, 2, 1, 1000, 0,                                \
      "epochs a holder keeps bytes after they were taken off its list")                            \
    X(HEARTBEAT_DUE_S, "heartbeat_due_s", 3600, 5, 1, 86400, 0,                                    \
      "a provider sends a heartbeat at least this often, seconds")                                 \
    X(HEARTBEAT_LATE_S, "heartbeat_late_s", 86400, 10, 1, 604800, 0,                               \
      "a heartbeat this much overdue makes the provider's fragments count as lost, seconds")       \
    X(COMPLETE_DUE_S, "complete_due_s", 600, 30, 1, 86400, 0,                                      \
      "time after a commit for the late holders to be added, seconds")                             \
    X(REPAIR_ASSIGN_S, "repair_assign_s", 1800, 30, 1, 86400, 0,                                   \
      "time a repair is reserved for the assigned watchers, seconds")                              \
    X(DRAIN_MAX_S, "drain_max_s", 2592000, 600, 1, 31536000, 0,                                    \
      "a draining provider may leave after this time even if it still holds fragments, seconds")   \
    X(OPERATOR_CAP_DIVISOR, "operator_cap_divisor", 3, 3, 1, 30, 0,                                \
      "at most ceil(m / this) holders of a segment per operator")                                  \
    X(PREFIX_CAP_DIVISOR, "prefix_cap_divisor", 3, 3, 1, 30, 0,                                    \
      "at most ceil(m / this) holders of a segment per address prefix")                            \
    X(TICKET_SKIP_PERCENT, "ticket_skip_percent", 5, 5, 0, 50, 0,                                  \
      "share of ticket numbers that may stay unused, percent")                                     \
    X(PRICE_PER_TIB_ERA, "price_per_tib_era", 10000000, 10000000, 1, 1000000000000000, 50,         \
      "price of one TiB of stored bytes for one era, gwei")                                        \
    X(LEASE_MIN_S, "lease_min_s", 86400, 60, 1, 31536000, 0, "shortest lease, seconds")            \
    X(LEASE_MAX_S, "lease_max_s", 315360000, 315360000, 86400, 3153600000, 0,                      \
      "longest time a lease may reach into the future, seconds")                                   \
    X(LEASE_GRACE_S, "lease_grace_s", 604800, 60, 0, 31536000, 0,                                  \
      "time after the end of a lease before its segments may be released by anyone, seconds")      \
    X(COMMIT_SEGMENTS_MAX, "commit_segments_max", 64, 64, 1, 1024, 0, "segments per commit")       \
    X(COMMIT_HEADS_MAX, "commit_heads_max", 256, 256, 1, 4096, 0, "head moves per commit")

enum param {
#define PARAM_ENUM(id, name, standard, devnet, low, high, rate, doc) PARAM_##id,
    PARAMS_TABLE(PARAM_ENUM)
#undef PARAM_ENUM
        PARAM_COUNT
};

struct param_info {
    const char *name;
    u64 standard;
    u64 devnet;
    u64 low;
    u64 high;
    u32 rate_percent;
    const char *doc;
};

const struct param_info *param_info_of(enum param param);
/* param_find: false if no parameter has that name. */
MUST_USE bool param_find(enum param *ret, bytes name);
/* params_load: the value in force. */
err params_load(const struct slot_source *source, enum param param, u64 *ret_value);
/* params_governance: the account that may change parameters; zero: nobody. */
err params_governance(const struct slot_source *source, struct address *ret_account);

/* Slots: 0 governance (address in bytes 12..31); 1 + param: value u64, changed u64 (block time),
 * set u8 at byte 31. */
#define PARAMS_SLOT_GOVERNANCE 0
#define PARAMS_SLOT_FIRST 1

#define PARAMS_GET "get(string name) returns (uint64 value)"
#define PARAMS_INFO                                                                                \
    "info(string name) returns (uint64 value, uint64 standard, uint64 low, uint64 high, "          \
    "uint32 ratePercent, uint64 changed)"
#define PARAMS_COUNT "count() returns (uint32 number)"
#define PARAMS_NAME_AT "nameAt(uint32 position) returns (string name)"
#define PARAMS_GOVERNANCE "governance() returns (address account)"
#define PARAMS_SET "set(string name, uint64 value)"
#define PARAMS_SET_GOVERNANCE "setGovernance(address account)"
#define PARAMS_EV_CHANGED "ParamChanged(string name, uint64 oldValue, uint64 newValue)"
#define PARAMS_EV_GOVERNANCE "GovernanceChanged(address indexed former, address indexed account)"

#endif

/* genesis.h: genesis.json, the beginning of a ledger.
 *
 *   {"version": 1, "chain_id": 7200, "time": 1767225600, "gas_limit": 60000000,
 *    "base_fee": "1000000000", "base_fee_floor": "1000000",
 *    "interval_ms": 200, "empty_interval_ms": 6000,
 *    "seats": ["0x…"], "alloc": {"0x…": {"balance": "…", "nonce": 0, "code": "0x…",
 *    "storage": {"0x…": "0x…"}}}, "modules": {"params": {…}, …}}
 *
 * Amounts are wei: decimal text, or a hex quantity with 0x. Only alloc and seats must be there with
 * chain_id and time; the rest has the defaults above. Unknown members are refused. `modules` holds
 * one object per native module, handed to its genesis function; a section without module is
 * refused.
 *
 * The identity of a ledger is its chain id and the hash of its genesis block.
 */
#ifndef LEDGER_APP_GENESIS_H
#define LEDGER_APP_GENESIS_H

#include "base/arena.h"
#include "codec/json.h"
#include "ledger/block/consensus.h"

#define GENESIS_BYTES_MAX MIB(128)

struct genesis_slot {
    struct hash slot;
    struct word word;
};

struct genesis_account {
    struct address address;
    struct u256 balance;
    u64 nonce;
    bytes code;
    struct genesis_slot *slots;
    size_t slot_count;
};

struct genesis {
    struct arena arena;
    u64 chain_id;
    u64 time; /* seconds since 1970 */
    u64 gas_limit;
    struct u256 base_fee;
    struct u256 base_fee_floor;
    u64 interval_ms;       /* least time between blocks with transactions */
    u64 empty_interval_ms; /* time to an empty block */
    struct seats seats;
    struct genesis_account *accounts;
    size_t account_count;
    json_t *modules; /* object; owned */
};

/* genesis_parse: ERR_MALFORMED, ERR_LIMIT or ERR_USAGE; the log names the bad member. */
err genesis_parse(bytes text, struct genesis **ret_genesis);
void genesis_free(struct genesis *genesis);

#endif

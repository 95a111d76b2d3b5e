/* genesis.h: the beginning of an imported chain: a genesis file in geth's form.
 *
 *   {"config": {"chainId": 1, "homesteadBlock": 0, …, "shanghaiTime": 390, …,
 *               "blobSchedule": {"cancun": {"target": 3, "max": 6, "baseFeeUpdateFraction": …}}},
 *    "alloc": {"00…": {"balance": "0x…", "nonce": "0x…", "code": "0x…", "storage": {…}}},
 *    "difficulty": "0x…", "gasLimit": "0x…", "timestamp": "0x…", "extraData": "0x…", …}
 *
 * Such files exist in many spellings: quantities may be hex text, decimal text or JSON numbers,
 * addresses may lack their 0x, storage words their leading zeros, and members that mean nothing to
 * execution are common; so unknown members are passed over, unlike in our own genesis.json. What
 * is known is checked strictly. Forks must begin in order. Paris begins at mergeNetsplitBlock, or
 * at genesis if the terminal total difficulty is 0; a chain that has forks after the merge but
 * names neither is refused, because total difficulty is not followed here.
 */
#ifndef LEDGER_ETHEREUM_GENESIS_H
#define LEDGER_ETHEREUM_GENESIS_H

#include "base/arena.h"
#include "ledger/ethereum/rules.h"

#define ETH_GENESIS_BYTES_MAX MIB(64)

struct eth_genesis_slot {
    struct hash slot;
    struct word word;
};

struct eth_genesis_account {
    struct address address;
    struct u256 balance;
    u64 nonce;
    bytes code;
    struct eth_genesis_slot *slots;
    size_t slot_count;
};

struct eth_genesis {
    struct arena arena;
    struct chain_rules rules;
    struct block_header header;           /* all but the state root */
    struct eth_genesis_account *accounts; /* ascending, each once */
    size_t account_count;
};

/* eth_genesis_parse: ERR_MALFORMED, ERR_LIMIT or ERR_USAGE; the log names the bad member. */
err eth_genesis_parse(bytes text, struct eth_genesis **ret_genesis);
void eth_genesis_free(struct eth_genesis *genesis);

#endif

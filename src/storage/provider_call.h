/* provider_call.h: calls of the provider module. Private to src/storage. */
#ifndef STORAGE_PROVIDER_CALL_H
#define STORAGE_PROVIDER_CALL_H

#include "chain/module_call.h"

/* What a duty's call may use. An estimate is of no use for these: between it and the block, others
 * change the tree of weights, and with it what the same call costs. */
#define PROVIDER_GAS 2000000
#define PROVIDER_GAS_PER_LOST 250000

/* provider_call: sends `signature` with its values (NULL if it has none) and waits until it is
 * final. gas_limit 0: estimated first, which tells why a call would revert. ERR_REFUSED: it would
 * revert or did, or the account cannot pay. */
err provider_call(struct chain_account *account, const char *signature,
                  const struct abi_value *values, u64 gas_limit, u64 deadline_ms);

#endif

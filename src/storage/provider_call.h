/* provider_call.h: calls of the provider module. Private to src/storage. */
#ifndef STORAGE_PROVIDER_CALL_H
#define STORAGE_PROVIDER_CALL_H

#include "chain/chain.h"
#include "codec/abi.h"

/* provider_call: sends `signature` with its values (NULL if it has none) and waits until it is
 * final. ERR_REFUSED: it would revert or did (reason in the log), or the account cannot pay. */
err provider_call(struct chain_account *account, const char *signature,
                  const struct abi_value *values, u64 deadline_ms);

#endif

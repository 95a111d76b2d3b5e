/* module_call.h: calling functions of native modules by their signatures. */
#ifndef CHAIN_MODULE_CALL_H
#define CHAIN_MODULE_CALL_H

#include "chain/chain.h"
#include "codec/abi.h"

/* module_encode: calldata of a call into `out`; args in the signature's order. */
void module_encode(struct buf *out, const char *signature, const struct abi_value *args);
/* module_send: signs, sends and awaits. value in wei. ERR_REFUSED: it reverted (reason in the
 * log). */
err module_send(struct chain_account *account, u32 module, const char *signature,
                const struct abi_value *args, struct u256 value, struct arena *arena,
                u64 deadline_ms, struct chain_receipt *ret_receipt);
/* module_find_log: the first log of an event in a receipt; NULL: none. ret_values has room for all
 * inputs of the event (indexed ones included), decoded into arena. */
const struct chain_log *module_find_log(const struct chain_receipt *receipt, u32 module,
                                        const char *event_signature, struct arena *arena,
                                        struct abi_value *ret_values);

#endif

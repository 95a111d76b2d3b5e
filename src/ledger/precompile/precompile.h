/* precompile.h: Ethereum's precompiled contracts, 0x01 to 0x11 and 0x100.
 *
 * Pure functions of bytes: no state, no journal, no clock. Which of them exist at a fork, and what
 * they cost there, is part of the table here; the caller (ledger/evm) charges the gas first and
 * consumes all gas of the frame when one fails. Some answer nothing to an input that is no good
 * (ECRECOVER, P256VERIFY): that is PRECOMPILE_OK with an empty output, not a failure.
 *
 * crypto_init() must have run. GMP and OpenSSL allocate scratch of their own inside a call and
 * release it before it ends; its size is bounded by what the gas allows.
 *
 * Sources: yellow paper appendix E; EIP-152, 196, 197, 198, 1108, 2537, 2565, 4844, 7823, 7883,
 * 7951.
 */
#ifndef LEDGER_PRECOMPILE_PRECOMPILE_H
#define LEDGER_PRECOMPILE_PRECOMPILE_H

#include "base/arena.h"
#include "base/bytes.h"
#include "ledger/exec/fork.h"

struct precompile;

/* precompile_find: the one at `address` under the rules of `fork`; NULL if there is none. */
const struct precompile *precompile_find(enum fork fork, const struct address *address);
/* precompile_last: how many addresses from 0x01 on are precompiles at `fork` (4, 8, 9, 10, 17); and
 * 0x100 from Osaka on: precompile_has_p256(). They are all warm from the start (EIP-2929). */
unsigned precompile_last(enum fork fork);
bool precompile_has_p256(enum fork fork);
const char *precompile_name(const struct precompile *precompile);
/* precompile_gas: the price of a call with this input; UINT64_MAX if it cannot be paid by anyone.
 */
u64 precompile_gas(const struct precompile *precompile, enum fork fork, bytes input);

enum precompile_verdict { PRECOMPILE_OK, PRECOMPILE_FAILED };
/* precompile_run: output in arena (may be empty). PRECOMPILE_FAILED: the input is invalid.
 * ERR_LIMIT: the arena is full (a fault). The caller has charged the gas, which bounds the work. */
err precompile_run(const struct precompile *precompile, enum fork fork, bytes input,
                   struct arena *arena, enum precompile_verdict *ret_verdict, bytes *ret_output);

#endif

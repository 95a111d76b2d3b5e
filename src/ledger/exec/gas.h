/* gas.h: the gas schedule of Osaka, as far as frames and plain transactions need it.
 *
 * Sources: EIP-2028 (call data), EIP-2929 and 2930 (warm and cold access), EIP-2200 and 3529
 * (SSTORE and its refunds), EIP-3860 (init code), EIP-7623 (floor for call data), EIP-7825 (cap of
 * a transaction), yellow paper appendix G for the rest.
 */
#ifndef LEDGER_EXEC_GAS_H
#define LEDGER_EXEC_GAS_H

#include "base/int.h"

#define GAS_TX 21000u
#define GAS_TX_CREATE 32000u
#define GAS_TX_ZERO_BYTE 4u
#define GAS_TX_BYTE 16u
#define GAS_TX_BYTE_FRONTIER 68u    /* until EIP-2028 (Istanbul) */
#define GAS_TX_AUTHORIZATION 25000u /* EIP-7702 */
#define GAS_TX_TOKENS_PER_BYTE 4u   /* EIP-7623: a zero byte is one token */
#define GAS_TX_FLOOR_PER_TOKEN 10u
#define GAS_TX_ACCESS_ADDRESS 2400u
#define GAS_TX_ACCESS_SLOT 1900u
#define GAS_TX_INIT_WORD 2u
#define GAS_TX_MAX ((u64)1 << 24)

#define GAS_COLD_ACCOUNT 2600u
#define GAS_COLD_SLOT 2100u
#define GAS_WARM 100u
#define GAS_SSTORE_SENTRY 2300u
#define GAS_SSTORE_SET 20000u
#define GAS_SSTORE_RESET 2900u
#define GAS_SSTORE_CLEAR_REFUND 4800u
#define GAS_REFUND_QUOTIENT 5u

#define GAS_CALL_VALUE 9000u
#define GAS_CALL_STIPEND 2300u
#define GAS_NEW_ACCOUNT 25000u
#define GAS_LOG 375u
#define GAS_LOG_TOPIC 375u
#define GAS_LOG_BYTE 8u
#define GAS_COPY_WORD 3u

#endif

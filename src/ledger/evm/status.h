/* status.h: how a call frame of the EVM ends.
 *
 * The texts are those that Ethereum clients print (geth), because traces are compared with them.
 */
#ifndef LEDGER_EVM_STATUS_H
#define LEDGER_EVM_STATUS_H

/* The last two are seen inside ledger/evm only. Everything after REVERTED takes all gas of its
 * frame, but for DEPTH, BALANCE and NONCE, which are found before the frame begins. */
#define EVM_STATUS_TABLE(X)                                                                        \
    X(RUNNING, "running")                                                                          \
    X(SUCCESS, "success")                                                                          \
    X(REVERTED, "execution reverted")                                                              \
    X(DEPTH, "max call depth exceeded")                                                            \
    X(BALANCE, "insufficient balance for transfer")                                                \
    X(NONCE, "nonce uint64 overflow")                                                              \
    X(OUT_OF_GAS, "out of gas")                                                                    \
    X(STACK_UNDERFLOW, "stack underflow")                                                          \
    X(STACK_OVERFLOW, "stack limit reached 1024")                                                  \
    X(INVALID_OPCODE, "invalid opcode")                                                            \
    X(BAD_JUMP, "invalid jump destination")                                                        \
    X(WRITE_PROTECTION, "write protection")                                                        \
    X(RETURN_DATA, "return data out of bounds")                                                    \
    X(COLLISION, "contract address collision")                                                     \
    X(INIT_CODE_SIZE, "max initcode size exceeded")                                                \
    X(CODE_SIZE, "max code size exceeded")                                                         \
    X(CODE_PREFIX, "invalid code: must not begin with 0xef")                                       \
    X(CODE_GAS, "contract creation code storage out of gas")                                       \
    X(PRECOMPILE, "precompiled contract failed")                                                   \
    X(CALLING, "calling")                                                                          \
    X(FAULTED, "fault of this machine")

enum evm_status {
#define EVM_STATUS_ENUM(name, text) EVM_##name,
    EVM_STATUS_TABLE(EVM_STATUS_ENUM)
#undef EVM_STATUS_ENUM
};

const char *evm_status_text(enum evm_status status);

#endif

/* ops.h: the instructions of the EVM: names, operands, and which fork has them at what price.
 *
 * The price here is the constant part, which the dispatcher takes before the instruction runs. What
 * depends on operands or on what is warm is the instruction's own: those of EIP-2929 cost nothing
 * here from Berlin on.
 *
 * Sources: yellow paper, appendix G and H; EIP-7, 140, 145, 150, 160, 211, 214, 1014, 1052, 1153,
 * 1344, 1884, 2929, 3198, 3855, 4399, 4844, 5656, 7516, 7939.
 */
#ifndef LEDGER_EVM_OPS_H
#define LEDGER_EVM_OPS_H

#include "base/int.h"
#include "ledger/exec/fork.h"

#define EVM_STACK_MAX 1024

/* X(value, name, operands, results, gas, first fork). The families PUSH1 to PUSH32, DUP1 to DUP16
 * and SWAP1 to SWAP16 are not in it. */
#define EVM_OP_TABLE(X)                                                                            \
    X(0x00, STOP, 0, 0, 0, FRONTIER)                                                               \
    X(0x01, ADD, 2, 1, 3, FRONTIER)                                                                \
    X(0x02, MUL, 2, 1, 5, FRONTIER)                                                                \
    X(0x03, SUB, 2, 1, 3, FRONTIER)                                                                \
    X(0x04, DIV, 2, 1, 5, FRONTIER)                                                                \
    X(0x05, SDIV, 2, 1, 5, FRONTIER)                                                               \
    X(0x06, MOD, 2, 1, 5, FRONTIER)                                                                \
    X(0x07, SMOD, 2, 1, 5, FRONTIER)                                                               \
    X(0x08, ADDMOD, 3, 1, 8, FRONTIER)                                                             \
    X(0x09, MULMOD, 3, 1, 8, FRONTIER)                                                             \
    X(0x0a, EXP, 2, 1, 10, FRONTIER)                                                               \
    X(0x0b, SIGNEXTEND, 2, 1, 5, FRONTIER)                                                         \
    X(0x10, LT, 2, 1, 3, FRONTIER)                                                                 \
    X(0x11, GT, 2, 1, 3, FRONTIER)                                                                 \
    X(0x12, SLT, 2, 1, 3, FRONTIER)                                                                \
    X(0x13, SGT, 2, 1, 3, FRONTIER)                                                                \
    X(0x14, EQ, 2, 1, 3, FRONTIER)                                                                 \
    X(0x15, ISZERO, 1, 1, 3, FRONTIER)                                                             \
    X(0x16, AND, 2, 1, 3, FRONTIER)                                                                \
    X(0x17, OR, 2, 1, 3, FRONTIER)                                                                 \
    X(0x18, XOR, 2, 1, 3, FRONTIER)                                                                \
    X(0x19, NOT, 1, 1, 3, FRONTIER)                                                                \
    X(0x1a, BYTE, 2, 1, 3, FRONTIER)                                                               \
    X(0x1b, SHL, 2, 1, 3, CONSTANTINOPLE)                                                          \
    X(0x1c, SHR, 2, 1, 3, CONSTANTINOPLE)                                                          \
    X(0x1d, SAR, 2, 1, 3, CONSTANTINOPLE)                                                          \
    X(0x1e, CLZ, 1, 1, 5, OSAKA)                                                                   \
    X(0x20, KECCAK256, 2, 1, 30, FRONTIER)                                                         \
    X(0x30, ADDRESS, 0, 1, 2, FRONTIER)                                                            \
    X(0x31, BALANCE, 1, 1, 20, FRONTIER)                                                           \
    X(0x32, ORIGIN, 0, 1, 2, FRONTIER)                                                             \
    X(0x33, CALLER, 0, 1, 2, FRONTIER)                                                             \
    X(0x34, CALLVALUE, 0, 1, 2, FRONTIER)                                                          \
    X(0x35, CALLDATALOAD, 1, 1, 3, FRONTIER)                                                       \
    X(0x36, CALLDATASIZE, 0, 1, 2, FRONTIER)                                                       \
    X(0x37, CALLDATACOPY, 3, 0, 3, FRONTIER)                                                       \
    X(0x38, CODESIZE, 0, 1, 2, FRONTIER)                                                           \
    X(0x39, CODECOPY, 3, 0, 3, FRONTIER)                                                           \
    X(0x3a, GASPRICE, 0, 1, 2, FRONTIER)                                                           \
    X(0x3b, EXTCODESIZE, 1, 1, 20, FRONTIER)                                                       \
    X(0x3c, EXTCODECOPY, 4, 0, 20, FRONTIER)                                                       \
    X(0x3d, RETURNDATASIZE, 0, 1, 2, BYZANTIUM)                                                    \
    X(0x3e, RETURNDATACOPY, 3, 0, 3, BYZANTIUM)                                                    \
    X(0x3f, EXTCODEHASH, 1, 1, 400, CONSTANTINOPLE)                                                \
    X(0x40, BLOCKHASH, 1, 1, 20, FRONTIER)                                                         \
    X(0x41, COINBASE, 0, 1, 2, FRONTIER)                                                           \
    X(0x42, TIMESTAMP, 0, 1, 2, FRONTIER)                                                          \
    X(0x43, NUMBER, 0, 1, 2, FRONTIER)                                                             \
    X(0x44, PREVRANDAO, 0, 1, 2, FRONTIER)                                                         \
    X(0x45, GASLIMIT, 0, 1, 2, FRONTIER)                                                           \
    X(0x46, CHAINID, 0, 1, 2, ISTANBUL)                                                            \
    X(0x47, SELFBALANCE, 0, 1, 5, ISTANBUL)                                                        \
    X(0x48, BASEFEE, 0, 1, 2, LONDON)                                                              \
    X(0x49, BLOBHASH, 1, 1, 3, CANCUN)                                                             \
    X(0x4a, BLOBBASEFEE, 0, 1, 2, CANCUN)                                                          \
    X(0x50, POP, 1, 0, 2, FRONTIER)                                                                \
    X(0x51, MLOAD, 1, 1, 3, FRONTIER)                                                              \
    X(0x52, MSTORE, 2, 0, 3, FRONTIER)                                                             \
    X(0x53, MSTORE8, 2, 0, 3, FRONTIER)                                                            \
    X(0x54, SLOAD, 1, 1, 50, FRONTIER)                                                             \
    X(0x55, SSTORE, 2, 0, 0, FRONTIER)                                                             \
    X(0x56, JUMP, 1, 0, 8, FRONTIER)                                                               \
    X(0x57, JUMPI, 2, 0, 10, FRONTIER)                                                             \
    X(0x58, PC, 0, 1, 2, FRONTIER)                                                                 \
    X(0x59, MSIZE, 0, 1, 2, FRONTIER)                                                              \
    X(0x5a, GAS, 0, 1, 2, FRONTIER)                                                                \
    X(0x5b, JUMPDEST, 0, 0, 1, FRONTIER)                                                           \
    X(0x5c, TLOAD, 1, 1, 100, CANCUN)                                                              \
    X(0x5d, TSTORE, 2, 0, 100, CANCUN)                                                             \
    X(0x5e, MCOPY, 3, 0, 3, CANCUN)                                                                \
    X(0x5f, PUSH0, 0, 1, 2, SHANGHAI)                                                              \
    X(0xa0, LOG0, 2, 0, 375, FRONTIER)                                                             \
    X(0xa1, LOG1, 3, 0, 750, FRONTIER)                                                             \
    X(0xa2, LOG2, 4, 0, 1125, FRONTIER)                                                            \
    X(0xa3, LOG3, 5, 0, 1500, FRONTIER)                                                            \
    X(0xa4, LOG4, 6, 0, 1875, FRONTIER)                                                            \
    X(0xf0, CREATE, 3, 1, 32000, FRONTIER)                                                         \
    X(0xf1, CALL, 7, 1, 40, FRONTIER)                                                              \
    X(0xf2, CALLCODE, 7, 1, 40, FRONTIER)                                                          \
    X(0xf3, RETURN, 2, 0, 0, FRONTIER)                                                             \
    X(0xf4, DELEGATECALL, 6, 1, 40, HOMESTEAD)                                                     \
    X(0xf5, CREATE2, 4, 1, 32000, CONSTANTINOPLE)                                                  \
    X(0xfa, STATICCALL, 6, 1, 700, BYZANTIUM)                                                      \
    X(0xfd, REVERT, 2, 0, 0, BYZANTIUM)                                                            \
    X(0xff, SELFDESTRUCT, 1, 0, 0, FRONTIER)

enum evm_opcode {
#define EVM_OP_ENUM(value, name, operands, results, gas, since) OP_##name = value,
    EVM_OP_TABLE(EVM_OP_ENUM)
#undef EVM_OP_ENUM
        OP_PUSH1 = 0x60,
    OP_PUSH32 = 0x7f,
    OP_DUP1 = 0x80,
    OP_DUP16 = 0x8f,
    OP_SWAP1 = 0x90,
    OP_SWAP16 = 0x9f,
};

/* What the dispatcher checks before an instruction: height - least <= span, so that operands are
 * there and results fit, and gas. In bytes of the stack. An instruction that the fork does not have
 * has a `least` that no stack reaches. */
struct evm_op {
    u16 gas;
    u16 least;
    u16 span;
    bool is_defined;
};

#define EVM_OP_COUNT 256

/* evm_ops_fill: the table of a fork. */
void evm_ops_fill(struct evm_op ops[EVM_OP_COUNT], enum fork fork);
/* evm_op_name: "ADD", "PUSH7"; "INVALID" for what no fork has. */
const char *evm_op_name(u8 op);

#endif

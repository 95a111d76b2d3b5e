#include "ledger/evm/ops.h"

#include "ledger/evm/status.h"
#include "ledger/evm/tracer.h"

#define WORD_BYTES 32
#define NO_HEIGHT 0xffff

struct op_shape {
    u8 op;
    u8 operands;
    u8 results;
    u16 gas;
    enum fork since;
};

static const struct op_shape shapes[] = {
#define EVM_OP_SHAPE(value, name, operands, results, gas, since)                                   \
    {value, operands, results, gas, FORK_##since},
    EVM_OP_TABLE(EVM_OP_SHAPE)
#undef EVM_OP_SHAPE
};

/* Prices that a fork changed; 0 from Berlin on: the instruction asks what is warm (EIP-2929). */
struct op_price {
    u8 op;
    enum fork since;
    u16 gas;
};

static const struct op_price prices[] = {
    {OP_BALANCE, FORK_TANGERINE, 400},      {OP_BALANCE, FORK_ISTANBUL, 700},
    {OP_BALANCE, FORK_BERLIN, 0},           {OP_SLOAD, FORK_TANGERINE, 200},
    {OP_SLOAD, FORK_ISTANBUL, 800},         {OP_SLOAD, FORK_BERLIN, 0},
    {OP_EXTCODESIZE, FORK_TANGERINE, 700},  {OP_EXTCODESIZE, FORK_BERLIN, 0},
    {OP_EXTCODECOPY, FORK_TANGERINE, 700},  {OP_EXTCODECOPY, FORK_BERLIN, 0},
    {OP_EXTCODEHASH, FORK_ISTANBUL, 700},   {OP_EXTCODEHASH, FORK_BERLIN, 0},
    {OP_CALL, FORK_TANGERINE, 700},         {OP_CALL, FORK_BERLIN, 0},
    {OP_CALLCODE, FORK_TANGERINE, 700},     {OP_CALLCODE, FORK_BERLIN, 0},
    {OP_DELEGATECALL, FORK_TANGERINE, 700}, {OP_DELEGATECALL, FORK_BERLIN, 0},
    {OP_STATICCALL, FORK_BERLIN, 0},        {OP_SELFDESTRUCT, FORK_TANGERINE, 5000},
};

static void op_fill(struct evm_op *op, unsigned operands, unsigned results, u16 gas)
{
    unsigned growth = results > operands ? results - operands : 0;
    *op = (struct evm_op){
        .gas = gas,
        .least = (u16)(operands * WORD_BYTES),
        .span = (u16)((EVM_STACK_MAX - growth - operands) * WORD_BYTES),
        .is_defined = true,
    };
}

void evm_ops_fill(struct evm_op ops[EVM_OP_COUNT], enum fork fork)
{
    for (size_t i = 0; i < EVM_OP_COUNT; i++) {
        ops[i] = (struct evm_op){.least = NO_HEIGHT};
    }
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        if (fork >= shapes[i].since) {
            op_fill(&ops[shapes[i].op], shapes[i].operands, shapes[i].results, shapes[i].gas);
        }
    }
    for (unsigned i = 0; i < 32; i++) {
        op_fill(&ops[OP_PUSH1 + i], 0, 1, 3);
    }
    for (unsigned i = 0; i < 16; i++) {
        op_fill(&ops[OP_DUP1 + i], i + 1, i + 2, 3);
        op_fill(&ops[OP_SWAP1 + i], i + 2, i + 2, 3);
    }
    for (size_t i = 0; i < COUNT_OF(prices); i++) {
        if (fork >= prices[i].since && ops[prices[i].op].is_defined) {
            ops[prices[i].op].gas = prices[i].gas;
        }
    }
}

#define FAMILY_16(prefix)                                                                          \
    prefix "1", prefix "2", prefix "3", prefix "4", prefix "5", prefix "6", prefix "7",            \
        prefix "8", prefix "9", prefix "10", prefix "11", prefix "12", prefix "13", prefix "14",   \
        prefix "15", prefix "16"

static const char *const family_names[] = {
    FAMILY_16("PUSH"), "PUSH17", "PUSH18", "PUSH19",         "PUSH20",          "PUSH21", "PUSH22",
    "PUSH23",          "PUSH24", "PUSH25", "PUSH26",         "PUSH27",          "PUSH28", "PUSH29",
    "PUSH30",          "PUSH31", "PUSH32", FAMILY_16("DUP"), FAMILY_16("SWAP"),
};

const char *evm_op_name(u8 op)
{
    static const char *const names[EVM_OP_COUNT] = {
#define EVM_OP_NAME(value, name, operands, results, gas, since) [value] = #name,
        EVM_OP_TABLE(EVM_OP_NAME)
#undef EVM_OP_NAME
    };
    if (op >= OP_PUSH1 && op <= OP_SWAP16) {
        return family_names[op - OP_PUSH1];
    }
    return names[op] != NULL ? names[op] : "INVALID";
}

const char *evm_status_text(enum evm_status status)
{
    static const char *const texts[] = {
#define EVM_STATUS_TEXT(name, text) [EVM_##name] = text,
        EVM_STATUS_TABLE(EVM_STATUS_TEXT)
#undef EVM_STATUS_TEXT
    };
    return texts[status];
}

const char *evm_kind_name(enum evm_kind kind)
{
    static const char *const names[] = {
        [EVM_CALL] = "CALL",
        [EVM_CALLCODE] = "CALLCODE",
        [EVM_DELEGATECALL] = "DELEGATECALL",
        [EVM_STATICCALL] = "STATICCALL",
        [EVM_CREATE] = "CREATE",
        [EVM_CREATE2] = "CREATE2",
        [EVM_SELFDESTRUCT] = "SELFDESTRUCT",
    };
    return names[kind];
}

/* The dispatcher. One function with a label per instruction: the checks that all of them need
 * (operands, room for the result, constant gas) are one table look-up at the end of the instruction
 * before, and the jump from there to the next one is what branch predictors do best. Program
 * counter, stack pointer and gas live in registers; they are written back to the frame before
 * anything that is a function of its own. */
#include "ledger/evm/vm.h"

/* Labels as values are no standard C; tools/style-exceptions.txt has the length of this function.
 */
#pragma GCC diagnostic ignored "-Wpedantic"

#define ALWAYS_INLINE __attribute__((always_inline)) static inline

/* Copies limb by limb: a word that was just written as four limbs is not yet there as the two
 * blocks that a struct copy would read, and waiting for it costs more than the instruction. */
ALWAYS_INLINE void copy_word(struct u256 *to, const struct u256 *from)
{
    u64 a = from->limb[0];
    u64 b = from->limb[1];
    u64 c = from->limb[2];
    u64 d = from->limb[3];
    __asm__("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d)); /* each in a register of its own */
    to->limb[0] = a;
    to->limb[1] = b;
    to->limb[2] = c;
    to->limb[3] = d;
}

/* The operand of PUSHn: big-endian bytes after the opcode. The tail of the code covers what is
 * missing. n is a constant everywhere. */
ALWAYS_INLINE struct u256 push_operand(const u8 *at, unsigned n)
{
    struct u256 v = {{0}};
    for (unsigned limb = 0; limb < 4 && 8 * limb < n; limb++) {
        unsigned rest = n - 8 * limb;
        if (rest >= 8) {
            v.limb[limb] = load_be64(at + rest - 8);
        } else {
            u64 part = 0;
            for (unsigned i = 0; i < rest; i++) {
                part = part << 8 | at[i];
            }
            v.limb[limb] = part;
        }
    }
    return v;
}

static err trace_step(const struct evm *vm, const struct evm_frame *frame, const u8 *pc,
                      const struct u256 *top, u64 gas)
{
    const struct u256 *stack = vm->stack + frame->stack_base + 1;
    struct evm_step step = {
        .depth = evm_depth(vm),
        .pc = (u64)(pc - frame->code->bytes),
        .op = *pc,
        .gas = gas,
        .refund = vm->journal->refund,
        .self = &frame->message.self,
        .stack = stack,
        .stack_count = (size_t)(top + 1 - stack),
        .memory = bytes_make(vm->memory + frame->memory_base, frame->memory_size),
        .return_data = evm_returned(vm),
    };
    return vm->tracer->step(vm->tracer->ctx, &step);
}

/* Which of the two: too few operands, or too many words. */
static enum evm_status height_failure(const struct evm_op *op, u64 height)
{
    if (!op->is_defined) {
        return EVM_INVALID_OPCODE;
    }
    return height < op->least ? EVM_STACK_UNDERFLOW : EVM_STACK_OVERFLOW;
}

/* top is the highest word; below the lowest there is nothing to read. */
#define NEXT()                                                                                     \
    do {                                                                                           \
        op = &ops[*pc];                                                                            \
        height = (u64)((const u8 *)top - lowest);                                                  \
        if (height - op->least > op->span) {                                                       \
            goto bad_height;                                                                       \
        }                                                                                          \
        if (gas < op->gas) {                                                                       \
            goto short_of_gas;                                                                     \
        }                                                                                          \
        gas -= op->gas;                                                                            \
        goto *labels[*pc];                                                                         \
    } while (0)

#define BINARY(name, expr)                                                                         \
    op_##name:                                                                                     \
    {                                                                                              \
        struct u256 a = top[0];                                                                    \
        struct u256 b = top[-1];                                                                   \
        top--;                                                                                     \
        *top = (expr);                                                                             \
        pc++;                                                                                      \
        NEXT();                                                                                    \
    }

/* A statement that leaves its result in place of its lowest operand. */
#define DIVIDING(name, statement, taken)                                                           \
    op_##name:                                                                                     \
    {                                                                                              \
        statement;                                                                                 \
        top -= (taken);                                                                            \
        pc++;                                                                                      \
        NEXT();                                                                                    \
    }

#define UNARY(name, expr)                                                                          \
    op_##name:                                                                                     \
    {                                                                                              \
        struct u256 a = top[0];                                                                    \
        *top = (expr);                                                                             \
        pc++;                                                                                      \
        NEXT();                                                                                    \
    }

#define VALUE(name, expr)                                                                          \
    op_##name:                                                                                     \
    {                                                                                              \
        *++top = (expr);                                                                           \
        pc++;                                                                                      \
        NEXT();                                                                                    \
    }

/* An instruction that is a function: `change` words are taken (negative) or added. */
#define FUNCTION(name, call, change)                                                               \
    op_##name:                                                                                     \
    {                                                                                              \
        frame->gas = gas;                                                                          \
        status = (call);                                                                           \
        gas = frame->gas;                                                                          \
        if (status != EVM_RUNNING) {                                                               \
            goto ended;                                                                            \
        }                                                                                          \
        top += (change);                                                                           \
        memory = vm->memory + frame->memory_base;                                                  \
        memory_size = frame->memory_size;                                                          \
        pc++;                                                                                      \
        NEXT();                                                                                    \
    }

/* One that calls: the frame goes on after it when the call is over, which pushes the result. */
#define CALLING(name, call, operands)                                                              \
    op_##name:                                                                                     \
    {                                                                                              \
        frame->gas = gas;                                                                          \
        status = (call);                                                                           \
        gas = frame->gas;                                                                          \
        if (status == EVM_CALLING) {                                                               \
            top -= (operands);                                                                     \
            pc++;                                                                                  \
        }                                                                                          \
        goto ended;                                                                                \
    }

#define PUSH(n)                                                                                    \
    op_PUSH##n:                                                                                    \
    {                                                                                              \
        *++top = push_operand(pc + 1, n);                                                          \
        pc += n + 1;                                                                               \
        NEXT();                                                                                    \
    }

#define DUP(n)                                                                                     \
    op_DUP##n:                                                                                     \
    {                                                                                              \
        copy_word(&top[1], &top[1 - n]);                                                           \
        top++;                                                                                     \
        pc++;                                                                                      \
        NEXT();                                                                                    \
    }

#define SWAP(n)                                                                                    \
    op_SWAP##n:                                                                                    \
    {                                                                                              \
        struct u256 swapped;                                                                       \
        copy_word(&swapped, &top[0]);                                                              \
        copy_word(&top[0], &top[-n]);                                                              \
        copy_word(&top[-n], &swapped);                                                             \
        pc++;                                                                                      \
        NEXT();                                                                                    \
    }

/* Memory [at, at + size) for an operand that is mostly small and mostly there. */
#define NEED_MEMORY(operand, size)                                                                 \
    do {                                                                                           \
        if (!word_below((operand), EVM_MEMORY_BYTES_MAX)) {                                        \
            goto out_of_gas;                                                                       \
        }                                                                                          \
        if ((operand).limb[0] + (size) > memory_size) {                                            \
            frame->gas = gas;                                                                      \
            status = evm_expand(vm, frame, (operand).limb[0] + (size));                            \
            gas = frame->gas;                                                                      \
            if (status != EVM_RUNNING) {                                                           \
                goto ended;                                                                        \
            }                                                                                      \
            memory = vm->memory + frame->memory_base;                                              \
            memory_size = frame->memory_size;                                                      \
        }                                                                                          \
    } while (0)

#define LABEL(value, name, operands, results, price, since) [value] = &&op_##name,
#define TRACED_LABEL(value, name, operands, results, price, since) [value] = &&traced,
#define LABELS_16(first, prefix)                                                                   \
    [(first)] = &&op_##prefix##1, [(first) + 1] = &&op_##prefix##2,                                \
    [(first) + 2] = &&op_##prefix##3, [(first) + 3] = &&op_##prefix##4,                            \
    [(first) + 4] = &&op_##prefix##5, [(first) + 5] = &&op_##prefix##6,                            \
    [(first) + 6] = &&op_##prefix##7, [(first) + 7] = &&op_##prefix##8,                            \
    [(first) + 8] = &&op_##prefix##9, [(first) + 9] = &&op_##prefix##10,                           \
    [(first) + 10] = &&op_##prefix##11, [(first) + 11] = &&op_##prefix##12,                        \
    [(first) + 12] = &&op_##prefix##13, [(first) + 13] = &&op_##prefix##14,                        \
    [(first) + 14] = &&op_##prefix##15, [(first) + 15] = &&op_##prefix##16

enum evm_status evm_interpret(struct evm *vm, struct evm_frame *frame)
{
    static const void *const direct[EVM_OP_COUNT] = {EVM_OP_TABLE(LABEL) LABELS_16(OP_PUSH1, PUSH),
                                                     [0x70] = &&op_PUSH17,
                                                     [0x71] = &&op_PUSH18,
                                                     [0x72] = &&op_PUSH19,
                                                     [0x73] = &&op_PUSH20,
                                                     [0x74] = &&op_PUSH21,
                                                     [0x75] = &&op_PUSH22,
                                                     [0x76] = &&op_PUSH23,
                                                     [0x77] = &&op_PUSH24,
                                                     [0x78] = &&op_PUSH25,
                                                     [0x79] = &&op_PUSH26,
                                                     [0x7a] = &&op_PUSH27,
                                                     [0x7b] = &&op_PUSH28,
                                                     [0x7c] = &&op_PUSH29,
                                                     [0x7d] = &&op_PUSH30,
                                                     [0x7e] = &&op_PUSH31,
                                                     [0x7f] = &&op_PUSH32,
                                                     LABELS_16(OP_DUP1, DUP),
                                                     LABELS_16(OP_SWAP1, SWAP)};
    static const void *const traced_labels[EVM_OP_COUNT] = {[0 ... EVM_OP_COUNT - 1] = &&traced};
    const struct block_env *env = vm->env;
    bool is_traced = vm->tracer != NULL && vm->tracer->step != NULL;
    const void *const *labels = is_traced ? traced_labels : direct;
    const struct evm_op *ops = vm->ops;
    const struct evm_op *op;
    const u8 *pc = frame->pc;
    u64 gas = frame->gas;
    u8 *memory = vm->memory + frame->memory_base;
    u64 memory_size = frame->memory_size;
    /* One word below the frame's first, so that top - lowest is the height. */
    struct u256 *top = vm->stack + frame->stack_base + frame->height;
    const u8 *lowest = (const u8 *)(vm->stack + frame->stack_base);
    enum evm_status status;
    u64 height;

    NEXT();

traced:
    EVM_TRY(vm, trace_step(vm, frame, pc, top, gas + op->gas));
    goto *direct[*pc];

    BINARY(ADD, word_add(a, b))
    BINARY(MUL, word_mul(a, b))
    BINARY(SUB, word_sub(a, b))
    DIVIDING(DIV, word_div(&top[-1], &top[0], &top[-1]), 1)
    DIVIDING(SDIV, word_sdiv(&top[-1], &top[0], &top[-1]), 1)
    DIVIDING(MOD, word_mod(&top[-1], &top[0], &top[-1]), 1)
    DIVIDING(SMOD, word_smod(&top[-1], &top[0], &top[-1]), 1)
    DIVIDING(ADDMOD, word_addmod(&top[-2], &top[0], &top[-1], &top[-2]), 2)
    DIVIDING(MULMOD, word_mulmod(&top[-2], &top[0], &top[-1], &top[-2]), 2)
    BINARY(SIGNEXTEND, word_signextend(a, b))
    BINARY(LT, u256_from_u64(word_lt(a, b)))
    BINARY(GT, u256_from_u64(word_lt(b, a)))
    BINARY(SLT, u256_from_u64(word_slt(a, b)))
    BINARY(SGT, u256_from_u64(word_slt(b, a)))
    BINARY(EQ, u256_from_u64(u256_eq(a, b)))
    UNARY(ISZERO, u256_from_u64(u256_is_zero(a)))
    BINARY(AND, word_and(a, b))
    BINARY(OR, word_or(a, b))
    BINARY(XOR, word_xor(a, b))
    UNARY(NOT, word_not(a))
    BINARY(BYTE, word_byte(a, b))
    BINARY(SHL, word_shl(a, b))
    BINARY(SHR, word_shr(a, b))
    BINARY(SAR, word_sar(a, b))
    UNARY(CLZ, word_clz(a))

    VALUE(ADDRESS, evm_word_of(&frame->message.self))
    VALUE(ORIGIN, evm_word_of(&vm->origin))
    VALUE(CALLER, evm_word_of(&frame->message.from))
    VALUE(CALLVALUE, frame->message.value)
    VALUE(CALLDATASIZE, u256_from_u64(frame->message.input.len))
    VALUE(CODESIZE, u256_from_u64(frame->code->len))
    VALUE(GASPRICE, vm->gas_price)
    VALUE(RETURNDATASIZE, u256_from_u64(vm->returned_len))
    VALUE(COINBASE, evm_word_of(&env->coinbase))
    VALUE(TIMESTAMP, u256_from_u64(env->time))
    VALUE(NUMBER, u256_from_u64(env->height))
    VALUE(PREVRANDAO, evm_has(vm, FORK_PARIS) ? u256_from_be(env->prev_randao.b) : env->difficulty)
    VALUE(GASLIMIT, u256_from_u64(env->gas_limit))
    VALUE(CHAINID, u256_from_u64(env->chain_id))
    VALUE(BASEFEE, env->base_fee)
    VALUE(BLOBBASEFEE, env->blob_base_fee)
    VALUE(PC, u256_from_u64((u64)(pc - frame->code->bytes)))
    VALUE(MSIZE, u256_from_u64(memory_size))
    VALUE(GAS, u256_from_u64(gas))
    VALUE(PUSH0, u256_from_u64(0))

    FUNCTION(EXP, evm_op_exp(vm, frame, top), -1)
    FUNCTION(KECCAK256, evm_op_keccak(vm, frame, top), -1)
    FUNCTION(BALANCE, evm_op_balance(vm, frame, top), 0)
    FUNCTION(CALLDATALOAD, evm_op_calldataload(vm, frame, top), 0)
    FUNCTION(CALLDATACOPY, evm_op_calldatacopy(vm, frame, top), -3)
    FUNCTION(CODECOPY, evm_op_codecopy(vm, frame, top), -3)
    FUNCTION(EXTCODESIZE, evm_op_extcodesize(vm, frame, top), 0)
    FUNCTION(EXTCODECOPY, evm_op_extcodecopy(vm, frame, top), -4)
    FUNCTION(RETURNDATACOPY, evm_op_returndatacopy(vm, frame, top), -3)
    FUNCTION(EXTCODEHASH, evm_op_extcodehash(vm, frame, top), 0)
    FUNCTION(BLOCKHASH, evm_op_blockhash(vm, frame, top), 0)
    FUNCTION(SELFBALANCE, evm_op_selfbalance(vm, frame, top), 1)
    FUNCTION(BLOBHASH, evm_op_blobhash(vm, frame, top), 0)
    FUNCTION(SLOAD, evm_op_sload(vm, frame, top), 0)
    FUNCTION(SSTORE, evm_op_sstore(vm, frame, top), -2)
    FUNCTION(TLOAD, evm_op_tload(vm, frame, top), 0)
    FUNCTION(TSTORE, evm_op_tstore(vm, frame, top), -2)
    FUNCTION(MCOPY, evm_op_mcopy(vm, frame, top), -3)
    FUNCTION(LOG0, evm_op_log(vm, frame, top, 0), -2)
    FUNCTION(LOG1, evm_op_log(vm, frame, top, 1), -3)
    FUNCTION(LOG2, evm_op_log(vm, frame, top, 2), -4)
    FUNCTION(LOG3, evm_op_log(vm, frame, top, 3), -5)
    FUNCTION(LOG4, evm_op_log(vm, frame, top, 4), -6)
    FUNCTION(SELFDESTRUCT, evm_op_selfdestruct(vm, frame, top), -1)
    CALLING(CREATE, evm_op_create(vm, frame, top, EVM_CREATE), 3)
    CALLING(CREATE2, evm_op_create(vm, frame, top, EVM_CREATE2), 4)
    CALLING(CALL, evm_op_call(vm, frame, top, EVM_CALL), 7)
    CALLING(CALLCODE, evm_op_call(vm, frame, top, EVM_CALLCODE), 7)
    CALLING(DELEGATECALL, evm_op_call(vm, frame, top, EVM_DELEGATECALL), 6)
    CALLING(STATICCALL, evm_op_call(vm, frame, top, EVM_STATICCALL), 6)

op_POP:
    top--;
    pc++;
    NEXT();

op_MLOAD:
    NEED_MEMORY(top[0], 32);
    *top = u256_from_be(memory + top[0].limb[0]);
    pc++;
    NEXT();

op_MSTORE:
    NEED_MEMORY(top[0], 32);
    u256_to_be(memory + top[0].limb[0], top[-1]);
    top -= 2;
    pc++;
    NEXT();

op_MSTORE8:
    NEED_MEMORY(top[0], 1);
    memory[top[0].limb[0]] = (u8)top[-1].limb[0];
    top -= 2;
    pc++;
    NEXT();

op_JUMP : {
    struct u256 target = *top--;
    if (!word_below(target, UINT64_MAX) || !evm_code_is_destination(frame->code, target.limb[0])) {
        goto bad_jump;
    }
    pc = frame->code->bytes + target.limb[0];
    NEXT();
}

op_JUMPI : {
    struct u256 target = top[0];
    bool taken = !u256_is_zero(top[-1]);
    top -= 2;
    if (!taken) {
        pc++;
        NEXT();
    }
    if (!word_below(target, UINT64_MAX) || !evm_code_is_destination(frame->code, target.limb[0])) {
        goto bad_jump;
    }
    pc = frame->code->bytes + target.limb[0];
    NEXT();
}

op_JUMPDEST:
    pc++;
    NEXT();

    PUSH(1);
    PUSH(2);
    PUSH(3);
    PUSH(4);
    PUSH(5);
    PUSH(6);
    PUSH(7);
    PUSH(8);
    PUSH(9);
    PUSH(10);
    PUSH(11);
    PUSH(12);
    PUSH(13);
    PUSH(14);
    PUSH(15);
    PUSH(16);
    PUSH(17);
    PUSH(18);
    PUSH(19);
    PUSH(20);
    PUSH(21);
    PUSH(22);
    PUSH(23);
    PUSH(24);
    PUSH(25);
    PUSH(26);
    PUSH(27);
    PUSH(28);
    PUSH(29);
    PUSH(30);
    PUSH(31);
    PUSH(32);
    DUP(1);
    DUP(2);
    DUP(3);
    DUP(4);
    DUP(5);
    DUP(6);
    DUP(7);
    DUP(8);
    DUP(9);
    DUP(10);
    DUP(11);
    DUP(12);
    DUP(13);
    DUP(14);
    DUP(15);
    DUP(16);
    SWAP(1);
    SWAP(2);
    SWAP(3);
    SWAP(4);
    SWAP(5);
    SWAP(6);
    SWAP(7);
    SWAP(8);
    SWAP(9);
    SWAP(10);
    SWAP(11);
    SWAP(12);
    SWAP(13);
    SWAP(14);
    SWAP(15);
    SWAP(16);

op_RETURN:
    frame->gas = gas;
    status = evm_op_return(vm, frame, top);
    gas = frame->gas;
    status = status == EVM_RUNNING ? EVM_SUCCESS : status;
    goto ended;

op_REVERT:
    frame->gas = gas;
    status = evm_op_return(vm, frame, top);
    gas = frame->gas;
    status = status == EVM_RUNNING ? EVM_REVERTED : status;
    goto ended;

op_STOP:
    status = EVM_SUCCESS;
    goto ended;

/* An instruction that does not begin is seen all the same. */
bad_height:
    if (is_traced) {
        EVM_TRY(vm, trace_step(vm, frame, pc, top, gas));
    }
    status = height_failure(op, height);
    goto ended;

short_of_gas:
    if (is_traced) {
        EVM_TRY(vm, trace_step(vm, frame, pc, top, gas));
    }
    goto out_of_gas;

bad_jump:
    status = EVM_BAD_JUMP;
    goto ended;

out_of_gas:
    status = EVM_OUT_OF_GAS;

ended:
    frame->pc = pc;
    frame->gas = gas;
    frame->height = (size_t)(top - (vm->stack + frame->stack_base));
    return status;
}

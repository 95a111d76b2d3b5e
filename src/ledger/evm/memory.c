#include "base/mem.h"
#include "crypto/hash.h"
#include "ledger/evm/vm.h"

#define GAS_MEMORY_WORD 3u
#define MEMORY_QUADRATIC 512u
#define GAS_KECCAK_WORD 6u
#define MEMORY_FIRST_BYTES KIB(4)

/* Words below 2^32: no overflow. */
static u64 memory_gas(u64 words)
{
    return GAS_MEMORY_WORD * words + words * words / MEMORY_QUADRATIC;
}

/* All bytes that a frame can see are written before it sees them; new ones here. */
static void memory_reserve(struct evm *vm, size_t end)
{
    if (end > vm->memory_cap) {
        size_t cap = max_size(vm->memory_cap * 2, MEMORY_FIRST_BYTES);
        vm->memory_cap = max_size(cap, end);
        vm->memory = mem_resize(vm->memory, vm->memory_cap);
    }
}

enum evm_status evm_expand(struct evm *vm, struct evm_frame *frame, u64 end)
{
    if (end > (u64)UINT32_MAX * 32) {
        return EVM_OUT_OF_GAS; /* 2^55 gas and more */
    }
    u64 words = ceil_div(end, 32);
    EVM_CHARGE(frame, memory_gas(words) - memory_gas(frame->memory_size / 32));
    if (frame->memory_base + words * 32 > EVM_MEMORY_BYTES_MAX) {
        vm->fault = fail(ERR_LIMIT);
        return EVM_FAULTED;
    }
    memory_reserve(vm, frame->memory_base + words * 32);
    memset(vm->memory + frame->memory_base + frame->memory_size, 0,
           words * 32 - frame->memory_size);
    frame->memory_size = words * 32;
    return EVM_RUNNING;
}

enum evm_status evm_touch_range(struct evm *vm, struct evm_frame *frame, struct u256 at,
                                struct u256 len, u64 *ret_at, u64 *ret_len)
{
    *ret_at = 0;
    *ret_len = 0;
    if (u256_is_zero(len)) {
        return EVM_RUNNING;
    }
    if (!word_below(at, (u64)1 << 62) || !word_below(len, (u64)1 << 62)) {
        return EVM_OUT_OF_GAS;
    }
    u64 end = at.limb[0] + len.limb[0];
    if (end > frame->memory_size) {
        EVM_STEP(evm_expand(vm, frame, end));
    }
    *ret_at = at.limb[0];
    *ret_len = len.limb[0];
    return EVM_RUNNING;
}

void evm_set_returned(struct evm *vm, bytes data)
{
    if (data.len > vm->returned_cap) {
        vm->returned_cap = max_size(data.len, 2 * vm->returned_cap);
        vm->returned = mem_resize(vm->returned, vm->returned_cap);
    }
    if (data.len > 0) {
        memmove(vm->returned, data.data, data.len);
    }
    vm->returned_len = data.len;
}

/* gas per begun word of a length; UINT64_MAX words cannot be paid. */
static enum evm_status charge_words(struct evm_frame *frame, struct u256 len, u64 gas)
{
    if (!word_below(len, (u64)1 << 56)) {
        return EVM_OUT_OF_GAS;
    }
    EVM_CHARGE(frame, ceil_div(len.limb[0], 32) * gas);
    return EVM_RUNNING;
}

enum evm_status evm_op_exp(struct evm *vm, struct evm_frame *frame, struct u256 *sp)
{
    u64 per_byte = evm_has(vm, FORK_SPURIOUS) ? 50 : 10; /* EIP-160 */
    EVM_CHARGE(frame, per_byte * word_bytes(sp[-1]));
    sp[-1] = word_exp(sp[0], sp[-1]);
    return EVM_RUNNING;
}

enum evm_status evm_op_keccak(struct evm *vm, struct evm_frame *frame, struct u256 *sp)
{
    u64 at;
    u64 len;
    struct hash hash;
    EVM_STEP(charge_words(frame, sp[-1], GAS_KECCAK_WORD));
    EVM_STEP(evm_touch_range(vm, frame, sp[0], sp[-1], &at, &len));
    keccak256(&hash, bytes_make(vm->memory + frame->memory_base + at, len));
    sp[-1] = u256_from_be(hash.b);
    return EVM_RUNNING;
}

enum evm_status evm_op_calldataload(struct evm *vm, struct evm_frame *frame, struct u256 *sp)
{
    bytes input = evm_input(vm, &frame->message);
    if (!word_below(sp[0], input.len)) {
        sp[0] = u256_from_u64(0);
        return EVM_RUNNING;
    }
    size_t at = sp[0].limb[0];
    if (input.len - at >= 32) {
        sp[0] = u256_from_be(input.data + at);
    } else {
        u8 word[32] = {0};
        memcpy(word, input.data + at, input.len - at);
        sp[0] = u256_from_be(word);
    }
    return EVM_RUNNING;
}

/* memory[at, at + len) = from[offset …), zeros beyond its end. */
static void copy_padded(u8 *to, u64 len, bytes from, struct u256 offset)
{
    u64 there = 0;
    if (word_below(offset, from.len)) {
        there = min_u64(from.len - offset.limb[0], len);
        memcpy(to, from.data + offset.limb[0], there);
    }
    memset(to + there, 0, len - there);
}

/* sp: where in memory, where in the source, how much. */
static enum evm_status prepare_copy(struct evm *vm, struct evm_frame *frame, const struct u256 *sp,
                                    u64 *ret_at, u64 *ret_len)
{
    EVM_STEP(charge_words(frame, sp[-2], GAS_COPY_WORD));
    return evm_touch_range(vm, frame, sp[0], sp[-2], ret_at, ret_len);
}

enum evm_status evm_op_calldatacopy(struct evm *vm, struct evm_frame *frame, struct u256 *sp)
{
    u64 at;
    u64 len;
    EVM_STEP(prepare_copy(vm, frame, sp, &at, &len));
    if (len > 0) {
        copy_padded(vm->memory + frame->memory_base + at, len, evm_input(vm, &frame->message),
                    sp[-1]);
    }
    return EVM_RUNNING;
}

enum evm_status evm_op_codecopy(struct evm *vm, struct evm_frame *frame, struct u256 *sp)
{
    u64 at;
    u64 len;
    EVM_STEP(prepare_copy(vm, frame, sp, &at, &len));
    if (len > 0) {
        bytes code = bytes_make(frame->code->bytes, frame->code->len);
        copy_padded(vm->memory + frame->memory_base + at, len, code, sp[-1]);
    }
    return EVM_RUNNING;
}

/* Reading beyond the end is no zeros but a failure (EIP-211). */
enum evm_status evm_op_returndatacopy(struct evm *vm, struct evm_frame *frame, struct u256 *sp)
{
    u64 at;
    u64 len;
    u64 end;
    EVM_STEP(prepare_copy(vm, frame, sp, &at, &len));
    if (!word_below(sp[-1], UINT64_MAX) || !add_u64(&end, sp[-1].limb[0], len) ||
        end > vm->returned_len) {
        return EVM_RETURN_DATA;
    }
    if (len > 0) {
        memcpy(vm->memory + frame->memory_base + at, vm->returned + sp[-1].limb[0], len);
    }
    return EVM_RUNNING;
}

enum evm_status evm_op_mcopy(struct evm *vm, struct evm_frame *frame, struct u256 *sp)
{
    struct u256 highest = word_lt(sp[0], sp[-1]) ? sp[-1] : sp[0];
    u64 at;
    u64 len;
    EVM_STEP(charge_words(frame, sp[-2], GAS_COPY_WORD));
    EVM_STEP(evm_touch_range(vm, frame, highest, sp[-2], &at, &len));
    if (len > 0) {
        u8 *memory = vm->memory + frame->memory_base;
        memmove(memory + sp[0].limb[0], memory + sp[-1].limb[0], len);
    }
    return EVM_RUNNING;
}

enum evm_status evm_op_return(struct evm *vm, struct evm_frame *frame, struct u256 *sp)
{
    u64 at;
    u64 len;
    EVM_STEP(evm_touch_range(vm, frame, sp[0], sp[-1], &at, &len));
    frame->output_at = at;
    frame->output_len = len;
    return EVM_RUNNING;
}

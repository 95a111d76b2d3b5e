/* vm.h: one message and everything it calls; for the files of ledger/evm only.
 *
 * Calls do not recurse in C. Frames lie in an array; the interpreter (interpret.c) runs the newest
 * one until it ends or wants to call, and evm_run() then begins or ends frames. All frames share
 * one stack (each may use 1,024 words above where it began) and one memory (each begins where its
 * caller's ends, which cannot grow meanwhile). Both move when they grow: pointers into them are
 * taken anew after anything that may have grown them.
 *
 * Return data of the last call lies in one buffer for all frames: only the newest frame can read
 * any, and what it could read before a call is gone when the call begins.
 */
#ifndef LEDGER_EVM_VM_H
#define LEDGER_EVM_VM_H

#include "ledger/evm/code.h"
#include "ledger/evm/ops.h"
#include "ledger/evm/moves.h"
#include "ledger/evm/tracer.h"
#include "ledger/exec/frame.h"
#include "ledger/exec/gas.h"
#include "ledger/exec/journal.h"

#define EVM_DEPTH_MAX 1024
#define EVM_MEMORY_BYTES_MAX GIB(1)    /* of all frames; beyond any gas limit of this ledger */
#define EVM_CODE_BYTES_MAX 24576u      /* EIP-170 */
#define EVM_INIT_CODE_BYTES_MAX 49152u /* EIP-3860 */

/* A call or creation about to begin. */
struct evm_message {
    enum evm_kind kind;
    bool is_static;
    bool moves_value;
    bool runs_precompiles;   /* false: the callee is a delegation (EIP-7702) */
    enum evm_status refused; /* of a creation: why it ends before it begins; else EVM_RUNNING */
    struct address from;     /* msg.sender of the new frame */
    struct address self;     /* whose storage */
    struct address code_of;  /* whose code, before a delegation is followed */
    struct address target;   /* whose code, after */
    struct u256 value;
    u64 gas;
    bytes input;      /* from outside, if not in memory */
    bool in_memory;   /* input is memory[input_at, input_at + input.len) */
    size_t input_at;  /* from the beginning of the shared memory */
    size_t return_at; /* in the caller's memory, for calls */
    size_t return_len;
};

struct evm_frame {
    struct evm_message message;
    struct evm_code *code;
    const u8 *pc;
    u64 gas;
    size_t stack_base; /* in words */
    size_t height;
    size_t memory_base;
    size_t memory_size; /* a multiple of 32 */
    size_t output_at;   /* in its memory, once it ended */
    size_t output_len;
    size_t snapshot;
};

struct evm {
    struct journal *journal;
    const struct block_env *env;
    const struct evm_op *ops;
    struct evm_codes *codes;
    const struct evm_tracer *tracer; /* NULL: nobody watches */
    const struct evm_moves *moves;   /* may be NULL */
    struct address origin;
    struct u256 gas_price;
    const struct hash *blob_hashes;
    size_t blob_count;

    struct evm_frame *frames;
    size_t frame_count;
    size_t frame_cap;
    struct u256 *stack;
    size_t stack_cap;
    u8 *memory;
    size_t memory_cap;
    u8 *returned;
    size_t returned_len;
    size_t returned_cap;
    struct evm_message next; /* what the newest frame wants to call */
    err fault;               /* with EVM_FAULTED */
    /* How the outermost message ended. */
    enum evm_status status;
    u64 gas_left;
};

/* evm_init: borrows everything; evm_free: the memory of stack, frames and return data. */
void evm_init(struct evm *vm);
void evm_free(struct evm *vm);
/* evm_run: runs a message to its end; status, gas_left and the return data tell how that was. */
err evm_run(struct evm *vm, const struct evm_message *message);

/* --- interpret.c --- */

/* evm_interpret: runs the newest frame until it ends (any final status), wants to call
 * (EVM_CALLING, vm->next) or EVM_FAULTED. */
enum evm_status evm_interpret(struct evm *vm, struct evm_frame *frame);

/* --- memory.c --- */

/* evm_expand: pays for memory up to `end` bytes and makes it zero; end > frame->memory_size. */
enum evm_status evm_expand(struct evm *vm, struct evm_frame *frame, u64 end);
/* evm_touch_range: makes [at, at + len) memory; a length of zero needs none. */
enum evm_status evm_touch_range(struct evm *vm, struct evm_frame *frame, struct u256 at,
                                struct u256 len, u64 *ret_at, u64 *ret_len);
/* evm_charge_words: `gas` for each begun word of len. */
static inline bool evm_charge(struct evm_frame *frame, u64 gas)
{
    if (frame->gas < gas) {
        return false;
    }
    frame->gas -= gas;
    return true;
}
void evm_set_returned(struct evm *vm, bytes data);
static inline bytes evm_returned(const struct evm *vm)
{
    return bytes_make(vm->returned, vm->returned_len);
}
static inline bytes evm_input(const struct evm *vm, const struct evm_message *message)
{
    return message->in_memory ? bytes_make(vm->memory + message->input_at, message->input.len)
                              : message->input;
}

/* --- instructions that are functions: operands at sp[0], sp[-1] …; the result replaces the lowest.
 * They charge what is not constant. EVM_RUNNING: go on. --- */

enum evm_status evm_op_exp(struct evm *vm, struct evm_frame *frame, struct u256 *sp);
enum evm_status evm_op_keccak(struct evm *vm, struct evm_frame *frame, struct u256 *sp);
enum evm_status evm_op_calldataload(struct evm *vm, struct evm_frame *frame, struct u256 *sp);
enum evm_status evm_op_calldatacopy(struct evm *vm, struct evm_frame *frame, struct u256 *sp);
enum evm_status evm_op_codecopy(struct evm *vm, struct evm_frame *frame, struct u256 *sp);
enum evm_status evm_op_returndatacopy(struct evm *vm, struct evm_frame *frame, struct u256 *sp);
enum evm_status evm_op_mcopy(struct evm *vm, struct evm_frame *frame, struct u256 *sp);
enum evm_status evm_op_return(struct evm *vm, struct evm_frame *frame, struct u256 *sp);
enum evm_status evm_op_balance(struct evm *vm, struct evm_frame *frame, struct u256 *sp);
enum evm_status evm_op_selfbalance(struct evm *vm, struct evm_frame *frame, struct u256 *sp);
enum evm_status evm_op_extcodesize(struct evm *vm, struct evm_frame *frame, struct u256 *sp);
enum evm_status evm_op_extcodecopy(struct evm *vm, struct evm_frame *frame, struct u256 *sp);
enum evm_status evm_op_extcodehash(struct evm *vm, struct evm_frame *frame, struct u256 *sp);
enum evm_status evm_op_blockhash(struct evm *vm, struct evm_frame *frame, struct u256 *sp);
enum evm_status evm_op_blobhash(struct evm *vm, struct evm_frame *frame, struct u256 *sp);
enum evm_status evm_op_sload(struct evm *vm, struct evm_frame *frame, struct u256 *sp);
enum evm_status evm_op_sstore(struct evm *vm, struct evm_frame *frame, struct u256 *sp);
enum evm_status evm_op_tload(struct evm *vm, struct evm_frame *frame, struct u256 *sp);
enum evm_status evm_op_tstore(struct evm *vm, struct evm_frame *frame, struct u256 *sp);
enum evm_status evm_op_log(struct evm *vm, struct evm_frame *frame, struct u256 *sp,
                           unsigned topics);
enum evm_status evm_op_selfdestruct(struct evm *vm, struct evm_frame *frame, struct u256 *sp);
/* Calls and creations end in EVM_CALLING. */
enum evm_status evm_op_call(struct evm *vm, struct evm_frame *frame, struct u256 *sp,
                            enum evm_kind kind);
enum evm_status evm_op_create(struct evm *vm, struct evm_frame *frame, struct u256 *sp,
                              enum evm_kind kind);

/* --- helpers --- */

static inline struct address evm_address(struct u256 v)
{
    struct address address;
    store_be32(address.b, (u32)v.limb[2]);
    store_be64(address.b + 4, v.limb[1]);
    store_be64(address.b + 12, v.limb[0]);
    return address;
}

static inline struct u256 evm_word_of(const struct address *address)
{
    return (struct u256){
        {load_be64(address->b + 12), load_be64(address->b + 4), load_be32(address->b), 0}};
}

static inline unsigned evm_depth(const struct evm *vm) { return (unsigned)vm->frame_count - 1; }

static inline bool evm_has(const struct evm *vm, enum fork fork) { return vm->env->fork >= fork; }

/* EVM_TRY: the fault of `expr` ends the interpreter. EVM_CHARGE: so does too little gas. EVM_STEP:
 * so does any status but EVM_RUNNING. */
#define EVM_TRY(vm, expr)                                                                          \
    do {                                                                                           \
        err evm_try_ = (expr);                                                                     \
        if (!is_ok(evm_try_)) {                                                                    \
            (vm)->fault = evm_try_;                                                                \
            return EVM_FAULTED;                                                                    \
        }                                                                                          \
    } while (0)
#define EVM_CHARGE(frame, gas)                                                                     \
    do {                                                                                           \
        if (!evm_charge((frame), (gas))) {                                                         \
            return EVM_OUT_OF_GAS;                                                                 \
        }                                                                                          \
    } while (0)
#define EVM_STEP(expr)                                                                             \
    do {                                                                                           \
        enum evm_status evm_step_ = (expr);                                                        \
        if (evm_step_ != EVM_RUNNING) {                                                            \
            return evm_step_;                                                                      \
        }                                                                                          \
    } while (0)

/* evm_access: tells the tracer, and charges for looking at an account from Berlin on. */
enum evm_status evm_access(struct evm *vm, struct evm_frame *frame, const struct address *address,
                           struct account *ret_account);
/* evm_create_address / evm_create2_address: of a new contract. */
struct address evm_create_address(const struct address *creator, u64 nonce);
struct address evm_create2_address(const struct address *creator, const u8 salt[32],
                                   bytes init_code);

#endif

/* Calls and creations: what they cost, how frames begin and how they end. */
#include "base/assert.h"
#include "base/mem.h"
#include "codec/rlp.h"
#include "crypto/hash.h"
#include "ledger/evm/vm.h"
#include "ledger/exec/native.h"
#include "ledger/precompile/precompile.h"

#define GAS_CODE_BYTE 200u
#define GAS_KECCAK_WORD 6u
#define GAS_INIT_WORD 2u
#define FRAMES_FIRST 16
#define MEMORY_FIRST_BYTES KIB(4)
#define CALLEE_BYTES_MAX MIB(64) /* scratch of one precompiled contract or native module */

/* --- addresses of new contracts --- */

struct address evm_create_address(const struct address *creator, u64 nonce)
{
    struct buf data;
    struct hash hash;
    struct address address;
    buf_init(&data, 64);
    size_t list = rlp_list_begin(&data);
    rlp_put_bytes(&data, BYTES_OF(*creator));
    rlp_put_u64(&data, nonce);
    rlp_list_end(&data, list);
    keccak256(&hash, buf_bytes(&data));
    buf_free(&data);
    memcpy(address.b, hash.b + 12, sizeof address.b);
    return address;
}

struct address evm_create2_address(const struct address *creator, const u8 salt[32],
                                   bytes init_code)
{
    static const u8 prefix = 0xff;
    struct hash code_hash;
    struct hash hash;
    struct address address;
    keccak256(&code_hash, init_code);
    bytes parts[] = {BYTES_OF(prefix), BYTES_OF(*creator), bytes_make(salt, 32),
                     BYTES_OF(code_hash)};
    keccak256_parts(&hash, parts, COUNT_OF(parts));
    memcpy(address.b, hash.b + 12, sizeof address.b);
    return address;
}

/* --- instructions --- */

/* Operands of the four calls; the value is zero where there is none. */
struct call_operands {
    struct u256 gas;
    struct address to;
    struct u256 value;
    u64 input_at;
    u64 input_len;
    u64 return_at;
    u64 return_len;
    const struct u256 *lowest;
};

static bool kind_has_value(enum evm_kind kind) { return kind == EVM_CALL || kind == EVM_CALLCODE; }

static enum evm_status take_operands(struct evm *vm, struct evm_frame *frame, const struct u256 *sp,
                                     enum evm_kind kind, struct call_operands *ret)
{
    const struct u256 *rest = kind_has_value(kind) ? sp - 3 : sp - 2;
    ret->gas = sp[0];
    ret->to = evm_address(sp[-1]);
    ret->value = kind_has_value(kind) ? sp[-2] : u256_from_u64(0);
    EVM_STEP(evm_touch_range(vm, frame, rest[0], rest[-1], &ret->input_at, &ret->input_len));
    return evm_touch_range(vm, frame, rest[-2], rest[-3], &ret->return_at, &ret->return_len);
}

/* EIP-7702: following a delegation is paid for like looking at an account. */
static enum evm_status follow_delegation(struct evm *vm, struct evm_frame *frame,
                                         struct evm_message *message)
{
    bytes code;
    struct account ignored;
    message->target = message->code_of;
    message->runs_precompiles = true;
    if (!evm_has(vm, FORK_PRAGUE)) {
        return EVM_RUNNING;
    }
    EVM_TRY(vm, journal_code(vm->journal, &message->code_of, &code));
    if (code_delegation(code, &message->target)) {
        message->runs_precompiles = false;
        EVM_STEP(evm_access(vm, frame, &message->target, &ignored));
    }
    return EVM_RUNNING;
}

/* 25,000 for a callee that has to be made. */
static u64 new_account_gas(const struct evm *vm, enum evm_kind kind, const struct account *callee,
                           struct u256 value)
{
    if (kind != EVM_CALL) {
        return 0;
    }
    if (evm_has(vm, FORK_SPURIOUS)) { /* EIP-161 */
        return account_is_empty(callee) && !u256_is_zero(value) ? GAS_NEW_ACCOUNT : 0;
    }
    return callee->exists ? 0 : GAS_NEW_ACCOUNT;
}

/* What the callee gets: what was asked for, at most 63 of 64 parts of what is left (EIP-150). */
static enum evm_status take_call_gas(const struct evm *vm, struct evm_frame *frame,
                                     struct u256 asked, u64 *ret_gas)
{
    u64 gas = word_below(asked, UINT64_MAX) ? asked.limb[0] : UINT64_MAX;
    if (evm_has(vm, FORK_TANGERINE)) {
        gas = min_u64(gas, frame->gas - frame->gas / 64);
    }
    EVM_CHARGE(frame, gas);
    *ret_gas = gas;
    return EVM_RUNNING;
}

static void message_of_call(const struct evm_frame *frame, const struct call_operands *operands,
                            enum evm_kind kind, struct evm_message *ret)
{
    const struct evm_message *mine = &frame->message;
    bool borrows = kind == EVM_CALLCODE || kind == EVM_DELEGATECALL;
    *ret = (struct evm_message){
        .kind = kind,
        .is_static = mine->is_static || kind == EVM_STATICCALL,
        .moves_value = kind == EVM_CALL || kind == EVM_CALLCODE,
        .from = kind == EVM_DELEGATECALL ? mine->from : mine->self,
        .self = borrows ? mine->self : operands->to,
        .code_of = operands->to,
        .value = kind == EVM_DELEGATECALL ? mine->value : operands->value,
        .input = bytes_make(NULL, operands->input_len),
        .in_memory = true,
        .input_at = frame->memory_base + operands->input_at,
        .return_at = operands->return_at,
        .return_len = operands->return_len,
    };
}

enum evm_status evm_op_call(struct evm *vm, struct evm_frame *frame, struct u256 *sp,
                            enum evm_kind kind)
{
    struct call_operands operands;
    struct account callee;
    if (kind == EVM_CALL && frame->message.is_static && !u256_is_zero(sp[-2])) {
        return EVM_WRITE_PROTECTION;
    }
    EVM_STEP(take_operands(vm, frame, sp, kind, &operands));
    EVM_STEP(evm_access(vm, frame, &operands.to, &callee));
    message_of_call(frame, &operands, kind, &vm->next);
    bool has_value = !u256_is_zero(operands.value);
    EVM_CHARGE(frame, (has_value ? GAS_CALL_VALUE : 0) +
                          new_account_gas(vm, kind, &callee, operands.value));
    EVM_STEP(follow_delegation(vm, frame, &vm->next));
    EVM_STEP(take_call_gas(vm, frame, operands.gas, &vm->next.gas));
    vm->next.gas += has_value ? GAS_CALL_STIPEND : 0;
    return EVM_CALLING;
}

static enum evm_status create_gas(struct evm *vm, struct evm_frame *frame, const struct u256 *sp,
                                  enum evm_kind kind, u64 *ret_at, u64 *ret_len)
{
    EVM_STEP(evm_touch_range(vm, frame, sp[-1], sp[-2], ret_at, ret_len));
    u64 words = ceil_div(*ret_len, 32);
    u64 per_word = (kind == EVM_CREATE2 ? GAS_KECCAK_WORD : 0) +
                   (evm_has(vm, FORK_SHANGHAI) ? GAS_INIT_WORD : 0);
    if (evm_has(vm, FORK_SHANGHAI) && *ret_len > EVM_INIT_CODE_BYTES_MAX) {
        return EVM_INIT_CODE_SIZE;
    }
    EVM_CHARGE(frame, words * per_word);
    return EVM_RUNNING;
}

/* What keeps a creator from trying at all: its nonce does not move, and no gas is lost. */
static enum evm_status creation_refused(const struct evm *vm, const struct account *creator,
                                        struct u256 value)
{
    if (vm->frame_count > EVM_DEPTH_MAX) {
        return EVM_DEPTH;
    }
    if (u256_cmp(creator->balance, value) < 0) {
        return EVM_BALANCE;
    }
    return creator->nonce == UINT64_MAX ? EVM_NONCE : EVM_RUNNING;
}

/* The nonce of the creator goes up and the address becomes warm, whatever comes of the creation. */
static enum evm_status prepare_creation(struct evm *vm, struct evm_frame *frame,
                                        struct evm_message *message, u64 nonce,
                                        const struct u256 *salt)
{
    bool was_warm;
    struct account ignored;
    if (message->kind == EVM_CREATE2) {
        u8 bytes32[32];
        u256_to_be(bytes32, *salt);
        message->self = evm_create2_address(&message->from, bytes32, evm_input(vm, message));
    } else {
        message->self = evm_create_address(&message->from, nonce);
    }
    message->code_of = message->self;
    message->target = message->self;
    message->gas = evm_has(vm, FORK_TANGERINE) ? frame->gas - frame->gas / 64 : frame->gas;
    frame->gas -= message->gas;
    if (message->refused != EVM_RUNNING) {
        return EVM_CALLING;
    }
    EVM_TRY(vm, journal_set_nonce(vm->journal, &message->from, nonce + 1));
    if (vm->tracer != NULL && vm->tracer->account != NULL) {
        vm->tracer->account(vm->tracer->ctx, &message->self);
    }
    EVM_TRY(vm, journal_access_account(vm->journal, &message->self, &was_warm, &ignored));
    return EVM_CALLING;
}

enum evm_status evm_op_create(struct evm *vm, struct evm_frame *frame, struct u256 *sp,
                              enum evm_kind kind)
{
    u64 at;
    u64 len;
    struct account creator;
    if (frame->message.is_static) {
        return EVM_WRITE_PROTECTION;
    }
    EVM_STEP(create_gas(vm, frame, sp, kind, &at, &len));
    vm->next = (struct evm_message){
        .kind = kind,
        .moves_value = true,
        .from = frame->message.self,
        .value = sp[0],
        .input = bytes_make(NULL, len),
        .in_memory = true,
        .input_at = frame->memory_base + at,
    };
    EVM_TRY(vm, journal_account(vm->journal, &frame->message.self, &creator));
    vm->next.refused = creation_refused(vm, &creator, sp[0]);
    return prepare_creation(vm, frame, &vm->next, creator.nonce,
                            kind == EVM_CREATE2 ? &sp[-3] : NULL);
}

/* --- how frames begin and end --- */

struct outcome {
    enum evm_status status;
    u64 gas_left;
    bytes output; /* in memory of any kind that lives until it was copied */
};

static bool is_creation(const struct evm_message *message)
{
    return message->kind == EVM_CREATE || message->kind == EVM_CREATE2;
}

static void trace_enter(const struct evm *vm, const struct evm_message *message)
{
    const struct evm_tracer *tracer = vm->tracer;
    if (tracer == NULL || tracer->enter == NULL) {
        return;
    }
    struct evm_enter enter = {
        .kind = message->kind,
        .depth = (unsigned)vm->frame_count,
        .from = message->kind == EVM_DELEGATECALL ? message->self : message->from,
        .to = message->code_of,
        .self = message->self,
        .value = message->value,
        .gas = message->gas,
        .input = evm_input(vm, message),
    };
    tracer->enter(tracer->ctx, &enter);
}

static void trace_exit(const struct evm *vm, const struct evm_message *message,
                       const struct outcome *outcome)
{
    const struct evm_tracer *tracer = vm->tracer;
    if (tracer == NULL || tracer->exit == NULL) {
        return;
    }
    struct evm_exit ended = {
        .depth = (unsigned)vm->frame_count,
        .status = outcome->status,
        .gas_used = message->gas - outcome->gas_left,
        .output = outcome->output,
    };
    tracer->exit(tracer->ctx, &ended);
}

static bool keeps_gas(enum evm_status status)
{
    return status == EVM_SUCCESS || status == EVM_REVERTED || status == EVM_DEPTH ||
           status == EVM_BALANCE || status == EVM_NONCE;
}

/* Hands the outcome of a message to the frame that sent it; frame_count no longer counts its own.
 */
static void deliver(struct evm *vm, const struct evm_message *message, struct outcome outcome)
{
    bool succeeded = outcome.status == EVM_SUCCESS;
    if (!keeps_gas(outcome.status)) {
        outcome.gas_left = 0;
        outcome.output = bytes_make("", 0);
    }
    trace_exit(vm, message, &outcome);
    /* What a creation returns is the contract's code, not return data. */
    bool keeps_output = !(is_creation(message) && succeeded && vm->frame_count > 0);
    evm_set_returned(vm, keeps_output ? outcome.output : bytes_make("", 0));
    if (vm->frame_count == 0) {
        vm->status = outcome.status;
        vm->gas_left = outcome.gas_left;
        return;
    }
    struct evm_frame *caller = &vm->frames[vm->frame_count - 1];
    struct u256 result = u256_from_u64(succeeded);
    if (succeeded && is_creation(message)) {
        result = evm_word_of(&message->self);
    }
    vm->stack[caller->stack_base + ++caller->height] = result;
    caller->gas += outcome.gas_left;
    size_t len = min_size(message->return_len, vm->returned_len);
    if (len > 0) {
        memcpy(vm->memory + caller->memory_base + message->return_at, vm->returned, len);
    }
}

/* Changes of a message that did not succeed are undone. */
static void finish(struct evm *vm, const struct evm_message *message, size_t snapshot,
                   struct outcome outcome)
{
    if (outcome.status != EVM_SUCCESS) {
        journal_revert(vm->journal, snapshot);
    }
    deliver(vm, message, outcome);
}

static void stack_reserve(struct evm *vm, size_t words)
{
    if (words > vm->stack_cap) {
        vm->stack_cap = max_size(words, 2 * vm->stack_cap);
        vm->stack = mem_resize(vm->stack, vm->stack_cap * sizeof *vm->stack);
    }
}

static void push_frame(struct evm *vm, const struct evm_message *message, struct evm_code *code,
                       size_t snapshot)
{
    if (vm->frame_count == vm->frame_cap) {
        vm->frame_cap = max_size(FRAMES_FIRST, 2 * vm->frame_cap);
        vm->frames = mem_resize(vm->frames, vm->frame_cap * sizeof *vm->frames);
    }
    struct evm_frame *frame = &vm->frames[vm->frame_count];
    *frame = (struct evm_frame){
        .message = *message,
        .code = code,
        .pc = code->bytes,
        .gas = message->gas,
        .snapshot = snapshot,
    };
    if (vm->frame_count > 0) {
        const struct evm_frame *caller = frame - 1;
        frame->stack_base = caller->stack_base + caller->height;
        frame->memory_base = caller->memory_base + caller->memory_size;
    }
    vm->frame_count++;
    stack_reserve(vm, frame->stack_base + EVM_STACK_MAX + 1);
    vm->returned_len = 0;
}

static err run_precompile(struct evm *vm, const struct precompile *precompile,
                          const struct evm_message *message, size_t snapshot)
{
    bytes input = evm_input(vm, message);
    u64 gas = precompile_gas(precompile, vm->env->fork, input);
    struct outcome outcome = {.status = EVM_OUT_OF_GAS};
    struct arena arena;
    err e = ok();
    arena_init(&arena, CALLEE_BYTES_MAX);
    if (gas <= message->gas) {
        enum precompile_verdict verdict;
        outcome.gas_left = message->gas - gas;
        e = precompile_run(precompile, vm->env->fork, input, &arena, &verdict, &outcome.output);
        outcome.status = is_ok(e) && verdict == PRECOMPILE_OK ? EVM_SUCCESS : EVM_PRECOMPILE;
    }
    if (is_ok(e)) {
        finish(vm, message, snapshot, outcome);
    }
    arena_free(&arena);
    return e;
}

static enum call_kind module_kind(const struct evm_message *message)
{
    switch (message->kind) {
    case EVM_DELEGATECALL:
        return CALL_DELEGATE;
    case EVM_CALLCODE:
        return CALL_CODE;
    case EVM_STATICCALL:
        return CALL_STATIC;
    case EVM_CALL:
        return CALL_PLAIN;
    case EVM_CREATE:
    case EVM_CREATE2:
    case EVM_SELFDESTRUCT:
        break;
    }
    unreachable_case();
}

/* A module's logs, to whoever watches. */
static void show_logs(struct evm *vm, size_t from)
{
    const struct journal *journal = vm->journal;
    if (vm->tracer == NULL || vm->tracer->log == NULL) {
        return;
    }
    for (size_t i = from; i < journal->log_count; i++) {
        vm->tracer->log(vm->tracer->ctx, evm_depth(vm), &journal->logs[i]);
    }
}

static err run_native(struct evm *vm, const struct evm_message *message, size_t snapshot)
{
    struct arena arena;
    arena_init(&arena, CALLEE_BYTES_MAX);
    struct frame frame = {
        .journal = vm->journal,
        .block = vm->env,
        .arena = &arena,
        .kind = module_kind(message),
        .is_static = message->is_static,
        .caller = message->from,
        .self = message->code_of,
        .value = message->value,
        .input = evm_input(vm, message),
        .gas_left = message->gas,
    };
    size_t logs = vm->journal->log_count;
    err e = native_call(&frame);
    if (is_ok(e)) {
        e = journal_fault(vm->journal);
    }
    if (is_ok(e)) {
        show_logs(vm, logs);
        struct outcome outcome = {.gas_left = frame.gas_left, .output = frame.output};
        outcome.status = frame.status == FRAME_RUNNING    ? EVM_SUCCESS
                         : frame.status == FRAME_REVERTED ? EVM_REVERTED
                                                          : EVM_OUT_OF_GAS;
        finish(vm, message, snapshot, outcome);
    }
    arena_free(&arena);
    return e;
}

static err run_code(struct evm *vm, const struct evm_message *message, size_t snapshot)
{
    struct account account;
    bytes code;
    TRY(journal_account(vm->journal, &message->target, &account));
    TRY(journal_code(vm->journal, &message->target, &code));
    if (code.len == 0) {
        finish(vm, message, snapshot,
               (struct outcome){.status = EVM_SUCCESS, .gas_left = message->gas});
        return ok();
    }
    push_frame(vm, message, evm_codes_get(vm->codes, &account.code_hash, code), snapshot);
    return ok();
}

/* Value moves only in CALL and CALLCODE, the latter from an account to itself. */
static err move_value(struct evm *vm, const struct evm_message *message, bool *ret_enough)
{
    *ret_enough = true;
    if (!message->moves_value || u256_is_zero(message->value)) {
        return ok();
    }
    TRY(journal_debit(vm->journal, &message->from, message->value, ret_enough));
    return *ret_enough ? journal_credit(vm->journal, &message->self, message->value) : ok();
}

static err begin_call(struct evm *vm, const struct evm_message *message, size_t snapshot)
{
    bool enough;
    TRY(move_value(vm, message, &enough));
    if (!enough) {
        finish(vm, message, snapshot,
               (struct outcome){.status = EVM_BALANCE, .gas_left = message->gas});
        return ok();
    }
    if (message->kind != EVM_DELEGATECALL && message->kind != EVM_CALLCODE) {
        TRY(journal_touch(vm->journal, &message->self));
    }
    const struct precompile *precompile =
        message->runs_precompiles
            ? evm_moved_precompile(vm->moves, vm->env->fork, &message->code_of)
            : NULL;
    if (precompile != NULL) {
        return run_precompile(vm, precompile, message, snapshot);
    }
    if (message->runs_precompiles && evm_has(vm, FORK_OSAKA) && !vm->env->is_foreign &&
        native_find(&message->code_of) != NULL) {
        return run_native(vm, message, snapshot);
    }
    return run_code(vm, message, snapshot);
}

/* Whether something is at the address already (EIP-684, 7610). */
static err collides(struct evm *vm, const struct address *address, bool *ret_collides)
{
    struct account account;
    TRY(journal_account(vm->journal, address, &account));
    *ret_collides = account.nonce != 0 || account_has_code(&account);
    return *ret_collides ? ok() : journal_has_storage(vm->journal, address, ret_collides);
}

static err begin_creation(struct evm *vm, const struct evm_message *message, size_t snapshot)
{
    bool is_taken;
    bool enough;
    TRY(collides(vm, &message->self, &is_taken));
    if (is_taken) {
        finish(vm, message, snapshot, (struct outcome){.status = EVM_COLLISION});
        return ok();
    }
    TRY(move_value(vm, message, &enough));
    if (!enough) {
        finish(vm, message, snapshot,
               (struct outcome){.status = EVM_BALANCE, .gas_left = message->gas});
        return ok();
    }
    TRY(journal_create(vm->journal, &message->self));
    TRY(journal_touch(vm->journal, &message->self));
    if (evm_has(vm, FORK_SPURIOUS)) { /* EIP-161 */
        TRY(journal_set_nonce(vm->journal, &message->self, 1));
    }
    struct evm_message running = *message;
    running.input = bytes_make("", 0); /* init code has no call data */
    running.in_memory = false;
    push_frame(vm, &running, evm_code_make(evm_input(vm, message)), snapshot);
    return ok();
}

static err begin(struct evm *vm, const struct evm_message *message)
{
    size_t snapshot = journal_snapshot(vm->journal);
    trace_enter(vm, message);
    enum evm_status refused = vm->frame_count > EVM_DEPTH_MAX ? EVM_DEPTH : message->refused;
    if (refused != EVM_RUNNING) {
        finish(vm, message, snapshot,
               (struct outcome){.status = refused, .gas_left = message->gas});
        return ok();
    }
    return is_creation(message) ? begin_creation(vm, message, snapshot)
                                : begin_call(vm, message, snapshot);
}

/* The output of init code becomes the contract's code, if it may (EIP-170, 3541) and can be paid.
 */
static enum evm_status check_new_code(const struct evm *vm, struct evm_frame *frame, bytes *code)
{
    if (evm_has(vm, FORK_SPURIOUS) && code->len > EVM_CODE_BYTES_MAX) {
        return EVM_CODE_SIZE;
    }
    if (evm_has(vm, FORK_LONDON) && code->len > 0 && code->data[0] == 0xef) {
        return EVM_CODE_PREFIX;
    }
    if (!evm_charge(frame, code->len * GAS_CODE_BYTE)) {
        if (evm_has(vm, FORK_HOMESTEAD)) {
            return EVM_CODE_GAS;
        }
        *code = bytes_make("", 0); /* Frontier: a contract without code (EIP-2) */
    }
    return EVM_SUCCESS;
}

static err end_frame(struct evm *vm, enum evm_status status)
{
    struct evm_frame frame = vm->frames[vm->frame_count - 1];
    struct outcome outcome = {.status = status};
    err e = ok();
    if (status == EVM_SUCCESS || status == EVM_REVERTED) {
        outcome.output =
            bytes_make(vm->memory + frame.memory_base + frame.output_at, frame.output_len);
    }
    if (status == EVM_SUCCESS && is_creation(&frame.message)) {
        outcome.status = check_new_code(vm, &frame, &outcome.output);
        if (outcome.status == EVM_SUCCESS) {
            e = journal_set_code(vm->journal, &frame.message.self, outcome.output);
        }
    }
    outcome.gas_left = frame.gas;
    evm_code_release(frame.code);
    vm->frame_count--;
    if (is_ok(e)) {
        finish(vm, &frame.message, frame.snapshot, outcome);
    }
    return e;
}

err evm_run(struct evm *vm, const struct evm_message *message)
{
    assert_that(vm->frame_count == 0);
    TRY(begin(vm, message));
    while (vm->frame_count > 0) {
        enum evm_status status = evm_interpret(vm, &vm->frames[vm->frame_count - 1]);
        if (status == EVM_FAULTED) {
            return vm->fault;
        }
        if (status == EVM_CALLING) {
            struct evm_message next = vm->next;
            TRY(begin(vm, &next));
        } else {
            TRY(end_frame(vm, status));
        }
    }
    return ok();
}

void evm_init(struct evm *vm)
{
    vm->memory_cap = MEMORY_FIRST_BYTES;
    vm->memory = mem_alloc(MEMORY_FIRST_BYTES);
}

void evm_free(struct evm *vm)
{
    while (vm->frame_count > 0) { /* after a fault */
        evm_code_release(vm->frames[--vm->frame_count].code);
    }
    mem_free(vm->frames);
    mem_free(vm->stack);
    mem_free(vm->memory);
    mem_free(vm->returned);
}

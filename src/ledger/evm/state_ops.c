/* Instructions that look at accounts, storage, blocks and logs. */
#include "crypto/hash.h"
#include "ledger/evm/vm.h"

#define GAS_REFUND_CLEAR_BEFORE_LONDON 15000u
#define GAS_REFUND_DESTROY 24000u
#define GAS_SSTORE_RESET_BEFORE_BERLIN 5000u
#define BLOCK_HASHES 256

static struct word word_of(struct u256 v)
{
    struct word word;
    u256_to_be(word.b, v);
    return word;
}

static struct hash slot_of(struct u256 v)
{
    struct hash slot;
    u256_to_be(slot.b, v);
    return slot;
}

enum evm_status evm_access(struct evm *vm, struct evm_frame *frame, const struct address *address,
                           struct account *ret_account)
{
    bool was_warm;
    if (vm->tracer != NULL && vm->tracer->account != NULL) {
        vm->tracer->account(vm->tracer->ctx, address);
    }
    EVM_TRY(vm, journal_access_account(vm->journal, address, &was_warm, ret_account));
    if (evm_has(vm, FORK_BERLIN)) {
        EVM_CHARGE(frame, was_warm ? GAS_WARM : GAS_COLD_ACCOUNT);
    }
    return EVM_RUNNING;
}

enum evm_status evm_op_balance(struct evm *vm, struct evm_frame *frame, struct u256 *sp)
{
    struct address address = evm_address(sp[0]);
    struct account account;
    EVM_STEP(evm_access(vm, frame, &address, &account));
    sp[0] = account.balance;
    return EVM_RUNNING;
}

enum evm_status evm_op_selfbalance(struct evm *vm, struct evm_frame *frame, struct u256 *sp)
{
    struct account account;
    EVM_TRY(vm, journal_account(vm->journal, &frame->message.self, &account));
    sp[1] = account.balance;
    return EVM_RUNNING;
}

enum evm_status evm_op_extcodesize(struct evm *vm, struct evm_frame *frame, struct u256 *sp)
{
    struct address address = evm_address(sp[0]);
    struct account account;
    bytes code;
    EVM_STEP(evm_access(vm, frame, &address, &account));
    EVM_TRY(vm, journal_code(vm->journal, &address, &code));
    sp[0] = u256_from_u64(code.len);
    return EVM_RUNNING;
}

enum evm_status evm_op_extcodehash(struct evm *vm, struct evm_frame *frame, struct u256 *sp)
{
    struct address address = evm_address(sp[0]);
    struct account account;
    EVM_STEP(evm_access(vm, frame, &address, &account));
    sp[0] = account_is_empty(&account) ? u256_from_u64(0) : u256_from_be(account.code_hash.b);
    return EVM_RUNNING;
}

enum evm_status evm_op_extcodecopy(struct evm *vm, struct evm_frame *frame, struct u256 *sp)
{
    struct address address = evm_address(sp[0]);
    struct account account;
    bytes code;
    u64 at;
    u64 len;
    if (!word_below(sp[-3], (u64)1 << 56)) {
        return EVM_OUT_OF_GAS;
    }
    EVM_CHARGE(frame, ceil_div(sp[-3].limb[0], 32) * GAS_COPY_WORD);
    EVM_STEP(evm_touch_range(vm, frame, sp[-1], sp[-3], &at, &len));
    EVM_STEP(evm_access(vm, frame, &address, &account));
    EVM_TRY(vm, journal_code(vm->journal, &address, &code));
    if (len > 0) {
        u8 *to = vm->memory + frame->memory_base + at;
        u64 there = 0;
        if (word_below(sp[-2], code.len)) {
            there = min_u64(code.len - sp[-2].limb[0], len);
            memcpy(to, code.data + sp[-2].limb[0], there);
        }
        memset(to + there, 0, len - there);
    }
    return EVM_RUNNING;
}

enum evm_status evm_op_blockhash(struct evm *vm, struct evm_frame *frame, struct u256 *sp)
{
    const struct block_env *env = vm->env;
    struct hash hash = {{0}};
    (void)frame;
    if (word_below(sp[0], env->height) && env->height - sp[0].limb[0] <= BLOCK_HASHES) {
        u64 number = sp[0].limb[0];
        if (number + 1 == env->height) {
            hash = env->parent_hash;
        } else if (env->hashes.hash != NULL) {
            EVM_TRY(vm, env->hashes.hash(env->hashes.ctx, number, &hash));
        }
    }
    sp[0] = u256_from_be(hash.b);
    return EVM_RUNNING;
}

enum evm_status evm_op_blobhash(struct evm *vm, struct evm_frame *frame, struct u256 *sp)
{
    (void)frame;
    sp[0] = word_below(sp[0], vm->blob_count) ? u256_from_be(vm->blob_hashes[sp[0].limb[0]].b)
                                              : u256_from_u64(0);
    return EVM_RUNNING;
}

static err find_slot(struct evm *vm, const struct evm_frame *frame, struct u256 key,
                     struct slot_access *ret_access)
{
    struct hash slot = slot_of(key);
    if (vm->tracer != NULL && vm->tracer->slot != NULL) {
        vm->tracer->slot(vm->tracer->ctx, &frame->message.self, &slot);
    }
    return journal_access(vm->journal, &frame->message.self, &slot, ret_access);
}

enum evm_status evm_op_sload(struct evm *vm, struct evm_frame *frame, struct u256 *sp)
{
    struct slot_access access;
    struct word word;
    EVM_TRY(vm, find_slot(vm, frame, sp[0], &access));
    if (evm_has(vm, FORK_BERLIN)) {
        EVM_CHARGE(frame, access.was_warm ? GAS_WARM : GAS_COLD_SLOT);
    }
    EVM_TRY(vm, journal_access_load(vm->journal, &access, &word));
    sp[0] = u256_from_be(word.b);
    return EVM_RUNNING;
}

/* --- SSTORE --- */

/* What storing costs and gives back, as far as it depends on the fork. */
struct store_prices {
    u64 dirty; /* nothing changes, or the slot was changed in this transaction before */
    u64 reset;
    u64 clear_refund;
};

/* EIP-1283, 2200, 2929, 3529. */
static struct store_prices store_prices(enum fork fork)
{
    if (fork >= FORK_LONDON) {
        return (struct store_prices){GAS_WARM, GAS_SSTORE_RESET, GAS_SSTORE_CLEAR_REFUND};
    }
    if (fork >= FORK_BERLIN) {
        return (struct store_prices){GAS_WARM, GAS_SSTORE_RESET, GAS_REFUND_CLEAR_BEFORE_LONDON};
    }
    u64 dirty = fork >= FORK_ISTANBUL ? 800 : 200;
    return (struct store_prices){dirty, GAS_SSTORE_RESET_BEFORE_BERLIN,
                                 GAS_REFUND_CLEAR_BEFORE_LONDON};
}

/* Before net metering: Frontier to Byzantium, and Petersburg. */
static enum evm_status store_gross(struct evm *vm, struct evm_frame *frame, struct u256 now,
                                   struct u256 new)
{
    bool sets = u256_is_zero(now) && !u256_is_zero(new);
    EVM_CHARGE(frame, sets ? GAS_SSTORE_SET : GAS_SSTORE_RESET_BEFORE_BERLIN);
    if (!u256_is_zero(now) && u256_is_zero(new)) {
        journal_refund_add(vm->journal, GAS_REFUND_CLEAR_BEFORE_LONDON);
    }
    return EVM_RUNNING;
}

static void store_refund(struct journal *journal, const struct store_prices *prices,
                         struct u256 original, struct u256 now, struct u256 new)
{
    if (u256_eq(now, new)) {
        return;
    }
    if (!u256_is_zero(original) && u256_is_zero(new)) {
        journal_refund_add(journal, prices->clear_refund);
    }
    if (u256_eq(original, now)) {
        return;
    }
    if (!u256_is_zero(original) && u256_is_zero(now)) {
        journal_refund_sub(journal, prices->clear_refund);
    }
    if (u256_eq(original, new)) {
        u64 paid = u256_is_zero(original) ? GAS_SSTORE_SET : prices->reset;
        journal_refund_add(journal, paid - prices->dirty);
    }
}

static enum evm_status store_net(struct evm *vm, struct evm_frame *frame,
                                 const struct slot_access *access, struct u256 now, struct u256 new)
{
    struct store_prices prices = store_prices(vm->env->fork);
    struct word word;
    EVM_TRY(vm, journal_access_original(vm->journal, access, &word));
    struct u256 original = u256_from_be(word.b);
    u64 gas = prices.dirty;
    if (u256_eq(original, now) && !u256_eq(now, new)) {
        gas = u256_is_zero(original) ? GAS_SSTORE_SET : prices.reset;
    }
    if (evm_has(vm, FORK_BERLIN) && !access->was_warm) {
        gas += GAS_COLD_SLOT;
    }
    EVM_CHARGE(frame, gas);
    store_refund(vm->journal, &prices, original, now, new);
    return EVM_RUNNING;
}

enum evm_status evm_op_sstore(struct evm *vm, struct evm_frame *frame, struct u256 *sp)
{
    struct slot_access access;
    struct word now;
    enum fork fork = vm->env->fork;
    if (frame->message.is_static) {
        return EVM_WRITE_PROTECTION;
    }
    if (fork >= FORK_ISTANBUL && frame->gas <= GAS_SSTORE_SENTRY) {
        return EVM_OUT_OF_GAS;
    }
    EVM_TRY(vm, find_slot(vm, frame, sp[0], &access));
    EVM_TRY(vm, journal_access_load(vm->journal, &access, &now));
    bool is_net = fork == FORK_CONSTANTINOPLE || fork >= FORK_ISTANBUL;
    struct u256 current = u256_from_be(now.b);
    EVM_STEP(is_net ? store_net(vm, frame, &access, current, sp[-1])
                    : store_gross(vm, frame, current, sp[-1]));
    struct word word = word_of(sp[-1]);
    EVM_TRY(vm, journal_access_store(vm->journal, &access, &word));
    return EVM_RUNNING;
}

enum evm_status evm_op_tload(struct evm *vm, struct evm_frame *frame, struct u256 *sp)
{
    struct hash slot = slot_of(sp[0]);
    struct word word;
    EVM_TRY(vm, journal_transient_load(vm->journal, &frame->message.self, &slot, &word));
    sp[0] = u256_from_be(word.b);
    return EVM_RUNNING;
}

enum evm_status evm_op_tstore(struct evm *vm, struct evm_frame *frame, struct u256 *sp)
{
    if (frame->message.is_static) {
        return EVM_WRITE_PROTECTION;
    }
    struct hash slot = slot_of(sp[0]);
    struct word word = word_of(sp[-1]);
    EVM_TRY(vm, journal_transient_store(vm->journal, &frame->message.self, &slot, &word));
    return EVM_RUNNING;
}

enum evm_status evm_op_log(struct evm *vm, struct evm_frame *frame, struct u256 *sp,
                           unsigned topics)
{
    struct hash words[JOURNAL_TOPICS_MAX];
    u64 at;
    u64 len;
    if (frame->message.is_static) {
        return EVM_WRITE_PROTECTION;
    }
    if (!word_below(sp[-1], (u64)1 << 56)) {
        return EVM_OUT_OF_GAS;
    }
    EVM_CHARGE(frame, sp[-1].limb[0] * GAS_LOG_BYTE);
    EVM_STEP(evm_touch_range(vm, frame, sp[0], sp[-1], &at, &len));
    for (unsigned i = 0; i < topics; i++) {
        u256_to_be(words[i].b, sp[-2 - (ptrdiff_t)i]);
    }
    journal_log(vm->journal, &frame->message.self, words, topics,
                bytes_make(vm->memory + frame->memory_base + at, len));
    EVM_TRY(vm, journal_fault(vm->journal));
    if (vm->tracer != NULL && vm->tracer->log != NULL) {
        vm->tracer->log(vm->tracer->ctx, evm_depth(vm),
                        &vm->journal->logs[vm->journal->log_count - 1]);
    }
    return EVM_RUNNING;
}

/* --- SELFDESTRUCT --- */

static enum evm_status charge_heir(struct evm *vm, struct evm_frame *frame,
                                   const struct address *heir, struct u256 balance)
{
    struct account account;
    bool was_warm;
    if (vm->tracer != NULL && vm->tracer->account != NULL) {
        vm->tracer->account(vm->tracer->ctx, heir);
    }
    EVM_TRY(vm, journal_access_account(vm->journal, heir, &was_warm, &account));
    u64 gas = evm_has(vm, FORK_BERLIN) && !was_warm ? GAS_COLD_ACCOUNT : 0;
    if (evm_has(vm, FORK_SPURIOUS)) {
        gas += account_is_empty(&account) && !u256_is_zero(balance) ? GAS_NEW_ACCOUNT : 0;
    } else if (evm_has(vm, FORK_TANGERINE)) {
        gas += account.exists ? 0 : GAS_NEW_ACCOUNT;
    }
    EVM_CHARGE(frame, gas);
    return EVM_RUNNING;
}

static void trace_destroy(const struct evm *vm, const struct evm_frame *frame,
                          const struct address *heir, struct u256 balance)
{
    const struct evm_tracer *tracer = vm->tracer;
    struct evm_enter enter = {
        .kind = EVM_SELFDESTRUCT,
        .depth = evm_depth(vm) + 1,
        .from = frame->message.self,
        .to = *heir,
        .self = frame->message.self,
        .value = balance,
    };
    struct evm_exit ended = {.depth = enter.depth, .status = EVM_SUCCESS};
    if (tracer != NULL && tracer->enter != NULL) {
        tracer->enter(tracer->ctx, &enter);
    }
    if (tracer != NULL && tracer->exit != NULL) {
        tracer->exit(tracer->ctx, &ended);
    }
}

enum evm_status evm_op_selfdestruct(struct evm *vm, struct evm_frame *frame, struct u256 *sp)
{
    const struct address *self = &frame->message.self;
    struct address heir = evm_address(sp[0]);
    struct account account;
    bool is_first = true;
    bool is_created;
    bool enough;
    if (frame->message.is_static) {
        return EVM_WRITE_PROTECTION;
    }
    EVM_TRY(vm, journal_account(vm->journal, self, &account));
    EVM_STEP(charge_heir(vm, frame, &heir, account.balance));
    EVM_TRY(vm, journal_is_created(vm->journal, self, &is_created));
    trace_destroy(vm, frame, &heir, account.balance);
    EVM_TRY(vm, journal_debit(vm->journal, self, account.balance, &enough));
    EVM_TRY(vm, journal_touch(vm->journal, &heir));
    EVM_TRY(vm, journal_credit(vm->journal, &heir, account.balance));
    if (is_created || !evm_has(vm, FORK_CANCUN)) { /* EIP-6780 */
        EVM_TRY(vm, journal_clear_balance(vm->journal, self));
        EVM_TRY(vm, journal_destroy(vm->journal, self, &is_first));
        if (is_first && !evm_has(vm, FORK_LONDON)) {
            journal_refund_add(vm->journal, GAS_REFUND_DESTROY);
        }
    }
    return EVM_SUCCESS;
}

#include "ledger/exec/frame.h"

#include "base/assert.h"
#include "base/buf.h"
#include "codec/abi.h"
#include "ledger/exec/gas.h"
#include "ledger/exec/journal.h"

#define REASON_BYTES_MAX 4096

bool frame_charge(struct frame *frame, u64 gas)
{
    if (!frame_running(frame)) {
        return false;
    }
    if (frame->gas_left < gas) {
        frame->gas_left = 0;
        frame->status = FRAME_OUT_OF_GAS;
        return false;
    }
    frame->gas_left -= gas;
    return true;
}

void frame_revert(struct frame *frame, const char *reason)
{
    if (!frame_running(frame)) {
        return;
    }
    struct buf data;
    buf_init(&data, REASON_BYTES_MAX);
    abi_revert(&data, reason);
    assert_that(is_ok(buf_done(&data)));
    frame->output = arena_copy(frame->arena, buf_bytes(&data));
    buf_free(&data);
    if (frame->output.data == NULL) {
        frame->output.len = 0;
    }
    frame->status = FRAME_REVERTED;
}

err frame_load_other(struct frame *frame, const struct address *account, const struct hash *slot,
                     struct word *ret_word)
{
    *ret_word = (struct word){{0}};
    if (!frame_running(frame)) {
        return ok();
    }
    bool was_warm;
    TRY(journal_warm_slot(frame->journal, account, slot, &was_warm));
    if (!frame_charge(frame, was_warm ? GAS_WARM : GAS_COLD_SLOT)) {
        return ok();
    }
    return journal_load(frame->journal, account, slot, ret_word);
}

err frame_load(struct frame *frame, const struct hash *slot, struct word *ret_word)
{
    return frame_load_other(frame, &frame->self, slot, ret_word);
}

static bool word_is_zero(const struct word *word)
{
    static const struct word zero;
    return memcmp(word, &zero, sizeof zero) == 0;
}

static bool word_eq(const struct word *a, const struct word *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

/* The refunds of EIP-3529 for a store that changes `now` to `new`. */
static void store_refund(struct journal *journal, const struct word *original,
                         const struct word *now, const struct word *new)
{
    if (word_eq(now, new)) {
        return;
    }
    if (word_eq(original, now)) {
        if (!word_is_zero(original) && word_is_zero(new)) {
            journal_refund_add(journal, GAS_SSTORE_CLEAR_REFUND);
        }
        return;
    }
    if (!word_is_zero(original)) {
        if (word_is_zero(now)) {
            journal_refund_sub(journal, GAS_SSTORE_CLEAR_REFUND);
        } else if (word_is_zero(new)) {
            journal_refund_add(journal, GAS_SSTORE_CLEAR_REFUND);
        }
    }
    if (word_eq(original, new)) {
        journal_refund_add(journal, word_is_zero(original) ? GAS_SSTORE_SET - GAS_WARM
                                                           : GAS_SSTORE_RESET - GAS_WARM);
    }
}

static u64 store_gas(const struct word *original, const struct word *now, const struct word *new)
{
    if (word_eq(now, new) || !word_eq(original, now)) {
        return GAS_WARM;
    }
    return word_is_zero(original) ? GAS_SSTORE_SET : GAS_SSTORE_RESET;
}

err frame_store_other(struct frame *frame, const struct address *account, const struct hash *slot,
                      const struct word *word)
{
    if (!frame_running(frame)) {
        return ok();
    }
    assert_that(!frame->is_static);
    if (frame->gas_left <= GAS_SSTORE_SENTRY) {
        (void)frame_charge(frame, frame->gas_left + 1);
        return ok();
    }
    bool was_warm;
    struct word original;
    struct word now;
    TRY(journal_warm_slot(frame->journal, account, slot, &was_warm));
    TRY(journal_original(frame->journal, account, slot, &original));
    TRY(journal_load(frame->journal, account, slot, &now));
    u64 gas = store_gas(&original, &now, word) + (was_warm ? 0 : GAS_COLD_SLOT);
    if (!frame_charge(frame, gas)) {
        return ok();
    }
    store_refund(frame->journal, &original, &now, word);
    return journal_store(frame->journal, account, slot, word);
}

err frame_store(struct frame *frame, const struct hash *slot, const struct word *word)
{
    return frame_store_other(frame, &frame->self, slot, word);
}

static err load_for_slots(void *ctx, const struct address *account, const struct hash *slot,
                          struct word *ret_word)
{
    return frame_load_other(ctx, account, slot, ret_word);
}

struct slot_source frame_slots(struct frame *frame)
{
    return (struct slot_source){.ctx = frame, .load = load_for_slots};
}

void frame_log(struct frame *frame, const struct hash *topics, size_t topic_count, bytes data)
{
    if (!frame_running(frame)) {
        return;
    }
    assert_that(!frame->is_static && topic_count <= JOURNAL_TOPICS_MAX);
    u64 gas = GAS_LOG + (u64)topic_count * GAS_LOG_TOPIC + (u64)data.len * GAS_LOG_BYTE;
    if (frame_charge(frame, gas)) {
        journal_log(frame->journal, &frame->self, topics, topic_count, data);
    }
}

/* Like the value part of CALL, less the stipend, because the receiver runs nothing. */
static err pay_gas(struct frame *frame, const struct address *to, u64 *ret_gas)
{
    bool was_warm;
    struct account receiver;
    TRY(journal_warm_account(frame->journal, to, &was_warm));
    TRY(journal_account(frame->journal, to, &receiver));
    *ret_gas = (was_warm ? GAS_WARM : GAS_COLD_ACCOUNT) + GAS_CALL_VALUE - GAS_CALL_STIPEND +
               (account_is_empty(&receiver) ? GAS_NEW_ACCOUNT : 0);
    return ok();
}

err frame_pay(struct frame *frame, const struct address *to, struct u256 amount)
{
    if (!frame_running(frame) || u256_is_zero(amount)) {
        return ok();
    }
    assert_that(!frame->is_static);
    u64 gas;
    TRY(pay_gas(frame, to, &gas));
    if (!frame_charge(frame, gas)) {
        return ok();
    }
    bool enough;
    TRY(journal_debit(frame->journal, &frame->self, amount, &enough));
    if (!enough) {
        frame_revert(frame, "module balance too low");
        return ok();
    }
    return journal_credit(frame->journal, to, amount);
}

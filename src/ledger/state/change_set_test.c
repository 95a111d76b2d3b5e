#include "ledger/state/change_set.h"

#include "base/mem.h"
#include "base/prng.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define ACCOUNTS 40
#define SLOTS 60

static void fill(struct state_pending *pending, struct pending_account *accounts,
                 struct pending_slot *slots)
{
    struct address nobody = {{0}};
    *pending = (struct state_pending){
        .accounts = accounts, .account_count = ACCOUNTS, .slots = slots, .slot_count = SLOTS};
    for (size_t i = 0; i < ACCOUNTS; i++) {
        accounts[i] = (struct pending_account){.key = {{(u8)(2 * i), 7}},
                                               .former = account_record_none(&nobody)};
        accounts[i].former.exists = i % 3 != 0;
        accounts[i].former.account.nonce = i;
    }
    for (size_t i = 0; i < SLOTS; i++) {
        slots[i] = (struct pending_slot){.account = {{1}}, .key = {{(u8)(3 * i)}}};
        slots[i].former.b[31] = (u8)(i % 4);
    }
}

static void every_entry_is_found(void **state)
{
    (void)state;
    static struct pending_account accounts[ACCOUNTS];
    static struct pending_slot slots[SLOTS];
    struct state_pending pending;
    struct buf set;
    bytes former;
    fill(&pending, accounts, slots);
    buf_init(&set, MIB(1));
    change_set_encode(&set, &pending);
    assert_int_equal(buf_done(&set).code, ERR_OK);
    for (size_t i = 0; i < ACCOUNTS; i++) {
        struct state_key key = key_change(&accounts[i].key, NULL);
        struct account_record record;
        assert_int_equal(change_set_find(buf_bytes(&set), key_bytes(&key), &former).code, ERR_OK);
        assert_non_null(former.data);
        assert_int_equal(account_record_decode(former, &record).code, ERR_OK);
        assert_int_equal(record.exists, i % 3 != 0);
        assert_int_equal(record.account.nonce, record.exists ? i : 0);
        accounts[i].key.b[0]++;
        key = key_change(&accounts[i].key, NULL);
        assert_int_equal(change_set_find(buf_bytes(&set), key_bytes(&key), &former).code, ERR_OK);
        assert_null(former.data);
    }
    for (size_t i = 0; i < SLOTS; i++) {
        struct state_key key = key_change(&slots[i].account, &slots[i].key);
        assert_int_equal(change_set_find(buf_bytes(&set), key_bytes(&key), &former).code, ERR_OK);
        assert_int_equal(former.len, i % 4 == 0 ? 0 : 64);
        assert_non_null(former.data);
    }
    buf_free(&set);
}

/* Whatever a damaged store holds is a fault, not a crash and not a value out of bounds. */
static void damaged_sets_are_noticed_or_harmless(void **state)
{
    (void)state;
    static struct pending_account accounts[ACCOUNTS];
    static struct pending_slot slots[SLOTS];
    struct state_pending pending;
    struct buf set;
    struct prng prng;
    bytes former;
    prng_init(&prng, 9);
    fill(&pending, accounts, slots);
    buf_init(&set, MIB(1));
    change_set_encode(&set, &pending);
    struct state_key key = key_change(&slots[11].account, &slots[11].key);
    for (size_t len = 0; len < set.len; len += 7) {
        u8 *exact = mem_alloc(len + 1);
        memcpy(exact, set.data, len);
        err e = change_set_find(bytes_make(exact, len), key_bytes(&key), &former);
        assert_true(is_ok(e) || is_err(e, ERR_INTEGRITY));
        mem_free(exact);
    }
    for (int i = 0; i < 2000; i++) {
        u8 *damaged = mem_alloc(set.len);
        memcpy(damaged, set.data, set.len);
        damaged[prng_below(&prng, set.len)] ^= (u8)(1 + prng_below(&prng, 255));
        err e = change_set_find(bytes_make(damaged, set.len), key_bytes(&key), &former);
        assert_true(is_ok(e) || is_err(e, ERR_INTEGRITY));
        mem_free(damaged);
    }
    buf_free(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_entry_is_found),
        cmocka_unit_test(damaged_sets_are_noticed_or_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

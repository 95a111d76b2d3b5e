/* kill -9 at any instant: a child makes blocks with durable commits and says which it has finished;
 * the parent kills it and opens the store. Nothing that was said is lost, nothing half is there,
 * and the chain goes on. */
#include "ledger/app/app.h"

#include "base/prng.h"
#include "tests/support/ledger.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KILLS 12
#define BLOCKS_MAX 100000

static void make_blocks(struct ledger *ledger, int report)
{
    struct address friend = {{9}};
    ledger_open(ledger);
    for (u64 i = 0; i < BLOCKS_MAX; i++) {
        struct app_info info = app_info_now(ledger->app);
        (void)submit(ledger, call_tx(info.height, &friend, 1, bytes_str("")));
        struct app_finalized block = next_block(ledger);
        if (write(report, &block.header.number, sizeof block.header.number) < 0) {
            break;
        }
    }
    _exit(0);
}

static u64 last_reported(int report, u64 before)
{
    u64 height = before;
    u64 next;
    while (read(report, &next, sizeof next) == sizeof next) {
        height = next;
    }
    return height;
}

/* The store is at one height in all its parts: header, state root, index, receipts, history. */
static void check_store(struct ledger *ledger)
{
    struct app_info info = app_info_now(ledger->app);
    struct block_header header;
    struct hash hash;
    struct address friend = {{9}};
    struct account account;
    struct state_view *view;
    assert_ok(app_header(ledger->app, info.height, &header));
    block_header_hash(&hash, &header);
    assert_true(hash_eq(&hash, &info.app_hash));
    assert_int_equal(header.number, info.height);
    struct state_head head = state_head(app_state(ledger->app));
    assert_true(hash_eq(&head.root, &header.state_root));
    assert_ok(state_view_open(app_state(ledger->app), info.height, &view));
    assert_ok(state_view_account(view, &friend, &account));
    assert_int_equal(account.balance.limb[0], info.height); /* one wei a block */
    state_view_close(view);
}

static void kill_at_any_instant(void **state)
{
    (void)state;
    struct ledger ledger;
    struct prng prng;
    u64 height = 0;
    prng_init(&prng, 42);
    ledger_init(&ledger);
    ledger.sync = true;
    app_close(ledger.app);
    for (int i = 0; i < KILLS; i++) {
        int report[2];
        assert_int_equal(pipe(report), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            close(report[0]);
            make_blocks(&ledger, report[1]);
        }
        close(report[1]);
        struct timespec pause = {.tv_nsec = (long)(20000000 + prng_below(&prng, 60000000))};
        nanosleep(&pause, NULL);
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, NULL, 0), child);
        height = last_reported(report[0], height);
        close(report[0]);
        ledger_open(&ledger);
        u64 reopened = app_info_now(ledger.app).height;
        assert_true(reopened == height || reopened == height + 1);
        height = reopened;
        check_store(&ledger);
        app_close(ledger.app);
    }
    print_message("%d kills, %llu blocks\n", KILLS, (unsigned long long)height);
    assert_true(height > 0);
    ledger_open(&ledger);
    ledger_free(&ledger);
}

static int setup(void **state)
{
    (void)state;
    struct hash seed = {{1}};
    crypto_init(&seed);
    vault_init();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(kill_at_any_instant)};
    return cmocka_run_group_tests(tests, setup, NULL);
}

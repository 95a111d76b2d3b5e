/* The client against a ledger node with the real modules: layouts, restarts, a second node. */
#include "ledger/modules/beacon_layout.h"
#include "ledger/modules/bucket_layout.h"
#include "ledger/modules/params_layout.h"
#include "ledger/modules/provider_layout.h"
#include "ledger/modules/registry_layout.h"
#include "ledger/modules/segment_layout.h"
#include "ledger/modules/territory_layout.h"
#include "tests/support/live_ledger.h"

/* ---- layouts ---- */

/* Something of every module. */
struct survey {
    u64 params[PARAM_COUNT];
    struct registry_record modules[16];
    u32 module_count;
    struct beacon_state beacon;
    u64 chain_time;
    u64 segments;
    u64 territories;
    u32 gateways;
    u32 providers;
    size_t runs;
};

static err survey_params(struct survey *survey, const struct slot_source *slots)
{
    err result = ok();
    for (size_t i = 0; i < PARAM_COUNT; i++) {
        err e = params_load(slots, (enum param)i, &survey->params[i]);
        result = is_ok(result) ? e : result;
    }
    return result;
}

static err survey_modules(struct survey *survey, const struct slot_source *slots)
{
    bool found;
    err result = ok();
    TRY(registry_count(slots, &survey->module_count));
    for (u32 i = 0; i < survey->module_count && i < COUNT_OF(survey->modules); i++) {
        err e = registry_load(slots, i, &survey->modules[i], &found);
        result = is_ok(result) ? e : result;
    }
    return result;
}

static err read_survey(void *ctx, const struct slot_source *slots)
{
    struct survey *survey = ctx;
    survey->runs++;
    const err results[] = {
        survey_params(survey, slots),
        survey_modules(survey, slots),
        beacon_load(slots, &survey->beacon),
        beacon_now(slots, &survey->chain_time),
        segment_count(slots, &survey->segments),
        territory_count(slots, &survey->territories),
        gateway_count(slots, &survey->gateways),
        provider_count(slots, &survey->providers),
    };
    for (size_t i = 0; i < COUNT_OF(results); i++) {
        TRY(results[i]);
    }
    return ok();
}

static void every_module_is_readable(struct live *live)
{
    struct survey survey = {0};
    test_ok(chain_view(live->chain, read_survey, &survey, live_soon(live)));
    assert_true(survey.runs <= 4);
    assert_int_equal(survey.module_count, native_modules_count);
    for (u32 i = 0; i < survey.module_count; i++) {
        const struct address address = native_address(native_modules_all[i]->number);
        assert_true(address_eq(&survey.modules[i].account, &address));
    }
    for (size_t i = 0; i < PARAM_COUNT; i++) {
        assert_int_equal(survey.params[i], param_info_of((enum param)i)->devnet);
    }
    assert_true(survey.chain_time > 0);
    assert_int_equal(survey.segments + survey.territories + survey.gateways + survey.providers, 0);
}

/* ---- a restart in the middle ---- */

struct sender {
    struct live *live;
    struct chain_account *account;
    struct chain_call call;
    err result;
    struct chain_receipt receipt;
};

static void send_one(void *arg)
{
    struct sender *sender = arg;
    sender->result = chain_send(sender->account, &sender->call, &sender->live->arena,
                                live_soon(sender->live), &sender->receipt);
}

static struct chain_call transfer(u8 to)
{
    return (struct chain_call){.to = {{0x77, to}}, .value = u256_from_u64(1), .gas_limit = 21000};
}

static void start_senders(struct live *live, struct chain_account *account, struct sender *senders,
                          size_t count)
{
    for (size_t i = 0; i < count; i++) {
        senders[i] = (struct sender){.live = live, .account = account, .call = transfer(1)};
        test_ok(group_start(live->loop, &live->fibers, "sender", send_one, &senders[i]));
    }
}

static void is_worth(struct live *live, u64 expected)
{
    const struct chain_call call = transfer(1);
    struct u256 balance;
    test_ok(chain_balance(live->chain, &call.to, &balance, live_soon(live)));
    assert_int_equal(u256_cmp(balance, u256_from_u64(expected)), 0);
}

/* The node goes away while transactions are on their way: some in blocks, some in the pool, which
 * is forgotten, some not even sent. All of them get there, once. */
static void transactions_survive_a_restart(struct live *live)
{
    static struct sender senders[30];
    struct chain_account *account = live_account(live, &live->ledger.user);
    start_senders(live, account, senders, 10);
    test_ok(fiber_sleep(live->loop, live_in(live, 150)));
    start_senders(live, account, senders + 10, 10);
    test_ok(fiber_sleep(live->loop, live_in(live, 5)));
    live_stop_node(live);
    start_senders(live, account, senders + 20, 10);
    test_ok(fiber_sleep(live->loop, live_in(live, 700)));
    live_start_node(live);
    group_wait(live->loop, &live->fibers);
    for (size_t i = 0; i < COUNT_OF(senders); i++) {
        test_ok(senders[i].result);
    }
    is_worth(live, COUNT_OF(senders));
    chain_account_close(account);
}

/* The client notices and goes on by itself. */
static void the_head_goes_on_after_a_restart(struct live *live)
{
    u64 height = chain_head(live->chain).height;
    live_stop_node(live);
    test_ok(fiber_sleep(live->loop, live_in(live, 1200)));
    struct survey survey = {0};
    err e = chain_view(live->chain, read_survey, &survey, live_in(live, 200));
    assert_true(is_err(e, ERR_NETWORK) || is_err(e, ERR_CLOSED));
    live_start_node(live);
    test_ok(chain_wait(live->chain, height + 1, live_soon(live)));
    test_ok(chain_view(live->chain, read_survey, &survey, live_soon(live)));
    assert_true(chain_healthy(live->chain));
}

/* ---- two nodes ---- */

/* The first url leads nowhere, or to something that is no ledger. */
static void serve_nonsense(void *ctx, struct http_exchange *exchange)
{
    size_t *calls = ctx;
    (*calls)++;
    IGNORE(http_respond(exchange, 200, bytes_str("welcome to nginx")));
}

static void works_through(struct live *live, const char *first_url)
{
    struct chain_receipt receipt;
    struct survey survey = {0};
    const struct chain_call call = transfer(2);
    live_close_chain(live);
    live_open_chain(live, first_url);
    struct chain_account *account = live_account(live, &live->ledger.user);
    test_ok(chain_view(live->chain, read_survey, &survey, live_soon(live)));
    test_ok(chain_send(account, &call, &live->arena, live_soon(live), &receipt));
    chain_account_close(account);
}

static void a_second_node_is_enough(struct live *live)
{
    char url[64];
    size_t calls = 0;
    struct http_server *server;
    const struct http_server_options options = {
        .host = "127.0.0.1", .handler = serve_nonsense, .ctx = &calls};
    works_through(live, "http://127.0.0.1:1");
    test_ok(http_server_start(live->loop, &options, &server));
    snprintf(url, sizeof url, "http://127.0.0.1:%u", http_server_port(server));
    works_through(live, url);
    assert_in_range(calls, 1, 3); /* it was asked first, and then left alone */
    live_close_chain(live);
    test_ok(http_server_drain(server, live_soon(live)));
    http_server_close(server);
}

LIVE_TEST(every_module_is_readable)
LIVE_TEST(transactions_survive_a_restart)
LIVE_TEST(the_head_goes_on_after_a_restart)
LIVE_TEST(a_second_node_is_enough)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_module_is_readable),
        cmocka_unit_test(test_transactions_survive_a_restart),
        cmocka_unit_test(test_the_head_goes_on_after_a_restart),
        cmocka_unit_test(test_a_second_node_is_enough),
    };
    live_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Any text as a genesis file: what is accepted has rules that hold together. */
#include "base/assert.h"
#include "base/log.h"
#include "ledger/ethereum/genesis.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void drop_log(void *ctx, enum log_level level, const char *module, const char *message)
{
    (void)ctx;
    (void)level;
    (void)module;
    (void)message;
}

static void check_rules(const struct chain_rules *rules)
{
    for (int fork = FORK_HOMESTEAD + 1; fork <= FORK_PARIS; fork++) {
        assert_that(rules->starts[fork] >= rules->starts[fork - 1]);
    }
    for (int fork = FORK_SHANGHAI + 1; fork < FORK_COUNT; fork++) {
        assert_that(rules->starts[fork] >= rules->starts[fork - 1]);
    }
    for (size_t i = 0; i < rules->blob_count; i++) {
        assert_that(rules->blobs[i].fraction > 0 && rules->blobs[i].max >= rules->blobs[i].target);
        assert_that(i == 0 || rules->blobs[i].time > rules->blobs[i - 1].time);
    }
    for (size_t i = 1; i < rules->time_step_count; i++) {
        assert_that(rules->time_steps[i] > rules->time_steps[i - 1]);
    }
}

/* The blocks that follow from it: none of them trips over anything. */
static void follow(const struct eth_genesis *genesis)
{
    struct block_header header = genesis->header;
    for (u64 step = 1; step < 8; step++) {
        struct block_header next;
        u64 time = header.time < UINT64_MAX - 1000 ? header.time + step * step : header.time;
        rules_next_header(&genesis->rules, &header, time, &next);
        struct block_env env = rules_env(&genesis->rules, &next);
        assert_that(env.is_foreign);
        const char *wrong = rules_check_header(&genesis->rules, &header, &next);
        assert_that(wrong == NULL || time <= header.time || next.gas_limit > UINT64_MAX / 4 ||
                    header.gas_limit < BLOCK_GAS_LIMIT_MIN || header.number != next.number - 1);
        next.blob_gas_used = step * RULES_GAS_PER_BLOB;
        header = next;
    }
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct eth_genesis *genesis;
    log_set_sink(drop_log, NULL);
    if (is_ok(eth_genesis_parse(bytes_make(data, size), &genesis))) {
        check_rules(&genesis->rules);
        follow(genesis);
        eth_genesis_free(genesis);
    }
    return 0;
}

/* State tests: one transaction on a given state; root, logs and refusals (execution-spec-tests,
 * ethereum/tests GeneralStateTests). The format: {name: {env, pre, transaction, post: {fork:
 * [{indexes, hash, logs, txbytes?, expectException?, state?}]}, config?}}. */
#include "base/mem.h"
#include "codec/rlp.h"
#include "conformance/fields.h"
#include "conformance/state_tx.h"
#include "conformance/world.h"
#include "crypto/hash.h"
#include "ledger/ethereum/rules.h"
#include "ledger/evm/execute.h"

#include <stdio.h>

#define ARENA_BYTES MIB(512)
#define JOURNAL_BYTES_MAX MIB(512)
#define DIFF_BYTES_MAX KIB(6)

struct state_case {
    struct results *results;
    const char *name; /* with fork and indexes */
    const json_t *test;
    const json_t *post;
    enum fork fork;
    const char *fork_name;
    struct block_env env;
    struct arena *arena;
};

/* --- the block --- */

/* BLOCKHASH of these tests: keccak256 of the number in decimal digits. */
static err hash_of_number(void *ctx, u64 number, struct hash *ret_hash)
{
    char digits[24];
    (void)ctx;
    snprintf(digits, sizeof digits, "%llu", (unsigned long long)number);
    keccak256(ret_hash, bytes_str(digits));
    return ok();
}

/* What a fork takes of blobs where the test does not say: EIP-4844, EIP-7691. */
static struct rules_blobs default_blobs(enum fork fork)
{
    return fork < FORK_PRAGUE ? (struct rules_blobs){.target = 3, .max = 6, .fraction = 3338477}
                              : (struct rules_blobs){.target = 6, .max = 9, .fraction = 5007716};
}

static bool read_blobs(const struct state_case *c, struct rules_blobs *ret)
{
    const json_t *schedule = json_object_get(json_object_get(c->test, "config"), "blobSchedule");
    const json_t *entry = json_object_get(schedule, c->fork_name);
    *ret = default_blobs(c->fork);
    return entry == NULL ||
           (fields_u64(json_object_get(entry, "target"), &ret->target) &&
            fields_u64(json_object_get(entry, "max"), &ret->max) &&
            fields_u64(json_object_get(entry, "baseFeeUpdateFraction"), &ret->fraction));
}

static bool read_blob_env(struct state_case *c, const json_t *env)
{
    struct rules_blobs blobs;
    u64 excess = 0;
    const json_t *field = json_object_get(env, "currentExcessBlobGas");
    if (c->fork < FORK_CANCUN) {
        return true;
    }
    if (!read_blobs(c, &blobs) || (field != NULL && !fields_u64(field, &excess))) {
        return false;
    }
    c->env.blob_gas_max = blobs.max * TX_BLOB_GAS;
    c->env.blobs_per_tx_max = c->fork >= FORK_OSAKA ? RULES_BLOBS_PER_TX_OSAKA : 0;
    c->env.blob_base_fee = rules_blob_base_fee(&blobs, excess);
    return true;
}

static bool read_optional(const json_t *env, const char *name, struct u256 *ret)
{
    const json_t *field = json_object_get(env, name);
    *ret = u256_from_u64(0);
    return field == NULL || fields_u256(field, ret);
}

static bool read_env(struct state_case *c)
{
    const json_t *env = json_object_get(c->test, "env");
    const json_t *chain = json_object_get(json_object_get(c->test, "config"), "chainid");
    struct u256 random = {{0}};
    c->env = (struct block_env){
        .fork = c->fork, .chain_id = 1, .hashes = {.ctx = NULL, .hash = hash_of_number}};
    bool is_read =
        fields_u64(json_object_get(env, "currentNumber"), &c->env.height) &&
        fields_u64(json_object_get(env, "currentTimestamp"), &c->env.time) &&
        fields_u64(json_object_get(env, "currentGasLimit"), &c->env.gas_limit) &&
        json_read_fixed(json_object_get(env, "currentCoinbase"), c->env.coinbase.b, 20) &&
        read_optional(env, "currentBaseFee", &c->env.base_fee) &&
        read_optional(env, "currentDifficulty", &c->env.difficulty) &&
        read_optional(env, "currentRandom", &random) &&
        (chain == NULL || fields_u64(chain, &c->env.chain_id)) && read_blob_env(c, env);
    u256_to_be(c->env.prev_randao.b, random);
    if (c->fork < FORK_LONDON) {
        c->env.base_fee = u256_from_u64(0);
    }
    return is_read;
}

/* --- what comes out --- */

static void hash_logs(const struct journal *journal, struct hash *ret)
{
    struct buf out;
    buf_init(&out, JOURNAL_BYTES_MAX);
    size_t list = rlp_list_begin(&out);
    for (size_t i = 0; i < journal->log_count; i++) {
        const struct journal_log *log = &journal->logs[i];
        size_t entry = rlp_list_begin(&out);
        rlp_put_bytes(&out, BYTES_OF(log->address));
        size_t topics = rlp_list_begin(&out);
        for (size_t j = 0; j < log->topic_count; j++) {
            rlp_put_bytes(&out, BYTES_OF(log->topics[j]));
        }
        rlp_list_end(&out, topics);
        rlp_put_bytes(&out, log->data);
        rlp_list_end(&out, entry);
    }
    rlp_list_end(&out, list);
    keccak256(ret, buf_bytes(&out));
    buf_free(&out);
}

struct outcome {
    enum tx_verdict verdict;
    struct hash root;
    struct hash logs;
};

/* ethereum/tests and legacytests (which have no `config`) pay the coinbase a reward of nothing even
 * if the only transaction was refused, which before EIP-161 makes an empty account of it;
 * execution-spec-tests do not. */
static err pay_reward(const struct state_case *c, struct journal *journal)
{
    if (c->fork >= FORK_SPURIOUS || json_object_get(c->test, "config") != NULL) {
        return ok();
    }
    journal_begin_tx(journal);
    return journal_touch(journal, &c->env.coinbase);
}

static err finish(struct state_case *c, struct world *world, struct journal *journal,
                  struct outcome *outcome)
{
    struct state_changes changes;
    if (outcome->verdict == TX_VALID) {
        hash_logs(journal, &outcome->logs);
    } else {
        struct journal none = {.log_count = 0};
        hash_logs(&none, &outcome->logs);
    }
    TRY(pay_reward(c, journal));
    TRY(journal_changes(journal, c->arena, &changes));
    TRY(world_apply(world, &changes));
    return world_root(world, &outcome->root);
}

static err execute(struct state_case *c, const struct state_tx *in, struct world *world,
                   struct outcome *outcome)
{
    struct journal journal;
    struct executor executor;
    struct exec_result result;
    struct state_source source = world_source(world);
    outcome->verdict = in->verdict;
    journal_init(&journal, &source, JOURNAL_BYTES_MAX);
    executor_init(&executor, &journal, &c->env);
    err e = ok();
    if (in->verdict == TX_VALID) {
        e = execute_tx(&executor, &in->tx, &in->sender, c->arena, &result);
        outcome->verdict = result.verdict;
    }
    if (is_ok(e)) {
        e = finish(c, world, &journal, outcome);
    }
    journal_free(&journal);
    return e;
}

static void fail_root(struct state_case *c, const struct world *world)
{
    struct world expected;
    struct buf diff;
    world_init(&expected);
    buf_init(&diff, DIFF_BYTES_MAX);
    const json_t *state = json_object_get(c->post, "state");
    if (c->results->is_verbose && is_ok(world_fill(&expected, state))) {
        world_diff(&diff, world, &expected);
    }
    results_fail(c->results, c->name, "another state root", "%.*s", (int)diff.len,
                 diff.len > 0 ? (const char *)diff.data : "");
    buf_free(&diff);
    world_free(&expected);
}

static void judge(struct state_case *c, const struct world *world, const struct outcome *outcome)
{
    struct hash root;
    struct hash logs;
    const char *exception = json_read_str(c->post, "expectException");
    if (!json_read_fixed(json_object_get(c->post, "hash"), root.b, sizeof root.b) ||
        !json_read_fixed(json_object_get(c->post, "logs"), logs.b, sizeof logs.b)) {
        results_fail(c->results, c->name, "malformed test", "no hash or logs");
    } else if (exception == NULL && outcome->verdict != TX_VALID) {
        const char *text = tx_verdict_text(outcome->verdict);
        results_fail(c->results, c->name, "refused", "%s", text);
    } else if (exception != NULL && outcome->verdict == TX_VALID) {
        results_fail(c->results, c->name, "accepted", "not %s", exception);
    } else if (exception != NULL && !exception_means(exception, outcome->verdict)) {
        results_fail(c->results, c->name, "refused for another reason", "%s, not %s",
                     tx_verdict_text(outcome->verdict), exception);
    } else if (!hash_eq(&root, &outcome->root)) {
        fail_root(c, world);
    } else if (!hash_eq(&logs, &outcome->logs)) {
        results_fail(c->results, c->name, "other logs", "%s", "");
    } else {
        results_pass(c->results, c->name);
    }
}

/* --- one test --- */

static void run_in_world(struct state_case *c, struct world *world)
{
    struct state_tx in;
    struct outcome outcome = {.verdict = TX_VALID};
    err e = world_fill(world, json_object_get(c->test, "pre"));
    if (!is_ok(e) || !read_env(c)) {
        results_fail(c->results, c->name, "malformed test", "pre or env");
        return;
    }
    if (!state_tx_read(c->test, c->post, c->arena, &in)) {
        results_fail(c->results, c->name, "malformed test", "transaction");
        return;
    }
    e = execute(c, &in, world, &outcome);
    if (!is_ok(e)) {
        results_fail(c->results, c->name, "fault", "%s", err_text(e));
        return;
    }
    results_root(c->results, c->name, &outcome.root);
    judge(c, world, &outcome);
}

static void run_post(struct results *results, const json_t *test, const char *fork, size_t index,
                     const char *name, const json_t *post)
{
    struct arena arena;
    struct world world;
    struct state_case c = {
        .results = results, .test = test, .post = post, .fork_name = fork, .arena = &arena};
    arena_init(&arena, ARENA_BYTES);
    c.name = arena_format(&arena, "%s[%s %zu]", name, fork, index);
    if (c.name != NULL && results_wants(results, c.name)) {
        if (fork_of(fork, &c.fork)) {
            world_init(&world);
            run_in_world(&c, &world);
            world_free(&world);
        } else {
            results_fail(results, c.name, "unknown fork", "%s", fork);
        }
    }
    arena_free(&arena);
}

static void run_document(struct results *results, const struct document *document)
{
    const char *name;
    const char *fork;
    json_t *test;
    json_t *posts;
    json_t *post;
    size_t index;
    json_t *root = fields_parse(results, document);
    json_object_foreach(root, name, test)
    {
        json_t *forks = json_object_get(test, "post");
        if (json_object_size(forks) == 0) {
            results_fail(results, name, "malformed test", "no post");
        }
        json_object_foreach(forks, fork, posts)
        {
            json_array_foreach(posts, index, post)
            {
                run_post(results, test, fork, index, name, post);
            }
        }
    }
    json_decref(root);
}

const struct suite suite_state = {
    .name = "state",
    .summary = "state transitions, one transaction each: root, logs, refusals (state tests)",
    .ending = ".json",
    .document = run_document,
};

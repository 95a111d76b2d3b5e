/* Public state tests of Osaka through the store: pre-state committed to LMDB, transaction over a
 * view of it, root of the prepared change. All of them, in memory: cairn-conformance state. */
#include "codec/json.h"
#include "ledger/evm/execute.h"
#include "ledger/state/state.h"
#include "os/file.h"
#include "tests/support/vectors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define ARENA_BYTES MIB(128)
#define ROOT "eest-state-tests/state_tests/"

static const char *const folders[] = {
    ROOT "static/state_tests/stTransactionTest",
    ROOT "static/state_tests/stEIP1559",
    ROOT "static/state_tests/stEIP3607",
    ROOT "static/state_tests/stSpecialTest",
    ROOT "static/state_tests/stNonZeroCallsTest",
    ROOT "static/state_tests/stZeroCallsTest",
    ROOT "prague/eip7623_increase_calldata_cost",
    ROOT "berlin/eip2930_access_list",
    ROOT "osaka/eip7825_transaction_gas_limit_cap",
};

static struct {
    struct vectors vectors;
    size_t executed;
    size_t refused;
    size_t skipped;
    const char *name;
} run;

static void assert_ok(err e)
{
    if (!is_ok(e)) {
        fail_msg("%s: %s", run.name, err_text(e));
    }
}

/* Numbers in these files may have leading zeros. */
static struct u256 number_of(const json_t *value)
{
    u8 word[32] = {0};
    const char *text = json_string_value(value);
    assert_non_null(text);
    bytes digits = bytes_str(text + 2);
    char padded[64];
    assert_true(digits.len <= sizeof padded);
    memset(padded, '0', sizeof padded);
    memcpy(padded + sizeof padded - digits.len, digits.data, digits.len);
    assert_true(hex_decode(word, sizeof word, bytes_make(padded, sizeof padded)));
    return u256_from_be(word);
}

static u64 small_of(const json_t *value)
{
    u64 v;
    assert_true(u256_to_u64(&v, number_of(value)));
    return v;
}

static void fill_account(struct journal *journal, struct arena *arena, const char *key,
                         const json_t *object)
{
    struct address address;
    const char *slot_text;
    json_t *value;
    bytes code;
    assert_true(hex_decode_0x(address.b, sizeof address.b, bytes_str(key)));
    assert_ok(journal_credit(journal, &address, number_of(json_object_get(object, "balance"))));
    assert_ok(journal_set_nonce(journal, &address, small_of(json_object_get(object, "nonce"))));
    assert_true(json_read_data(json_object_get(object, "code"), arena, &code));
    if (code.len > 0) {
        assert_ok(journal_set_code(journal, &address, code));
    }
    json_object_foreach(json_object_get(object, "storage"), slot_text, value)
    {
        struct hash slot;
        struct word word;
        json_t *key_value = json_string(slot_text);
        u256_to_be(slot.b, number_of(key_value));
        u256_to_be(word.b, number_of(value));
        json_decref(key_value);
        assert_ok(journal_store(journal, &address, &slot, &word));
    }
}

static void commit_pre(struct state *state, const json_t *pre)
{
    struct state_view *view;
    struct journal journal;
    struct arena arena;
    struct state_changes changes;
    struct state_pending *pending;
    struct hash root;
    struct state_block block = {0};
    const char *key;
    json_t *object;
    assert_ok(state_view_open(state, 0, &view));
    struct state_source source = state_view_source(view);
    journal_init(&journal, &source, ARENA_BYTES);
    arena_init(&arena, ARENA_BYTES);
    journal_begin_tx(&journal);
    json_object_foreach((json_t *)pre, key, object) { fill_account(&journal, &arena, key, object); }
    assert_ok(journal_changes(&journal, &arena, &changes));
    assert_ok(state_prepare(state, &changes, &pending, &root));
    assert_ok(state_commit(state, pending, &block, NULL, 0));
    journal_free(&journal);
    arena_free(&arena);
    state_view_close(view);
}

static struct block_env env_of(const json_t *test)
{
    const json_t *env = json_object_get(test, "env");
    struct block_env out = {
        .fork = FORK_OSAKA,
        .chain_id = 1,
        .height = small_of(json_object_get(env, "currentNumber")),
        .time = small_of(json_object_get(env, "currentTimestamp")),
        .gas_limit = small_of(json_object_get(env, "currentGasLimit")),
        .base_fee = number_of(json_object_get(env, "currentBaseFee")),
    };
    assert_true(json_read_fixed(json_object_get(env, "currentCoinbase"), out.coinbase.b, 20));
    return out;
}

static enum tx_verdict execute(struct journal *journal, const struct block_env *env, bytes raw,
                               struct arena *arena)
{
    struct executor executor;
    struct tx tx;
    struct address sender;
    struct exec_result result;
    enum tx_verdict verdict = tx_decode(arena, raw, &tx);
    if (verdict != TX_VALID) {
        return verdict;
    }
    if (!tx_sender(&tx, &sender)) {
        return TX_SIGNATURE_INVALID;
    }
    executor_init(&executor, journal, env);
    assert_ok(execute_tx(&executor, &tx, &sender, arena, &result));
    return result.verdict;
}

static void check_root(struct state *state, const struct journal *journal, const json_t *post)
{
    struct arena arena;
    struct state_changes changes;
    struct state_pending *pending;
    struct hash root;
    struct hash expected;
    arena_init(&arena, ARENA_BYTES);
    assert_ok(journal_changes(journal, &arena, &changes));
    assert_ok(state_prepare(state, &changes, &pending, &root));
    state_pending_free(pending);
    arena_free(&arena);
    assert_true(json_read_fixed(json_object_get(post, "hash"), expected.b, 32));
    if (!hash_eq(&root, &expected)) {
        fail_msg("%s: another state root", run.name);
    }
}

static void run_on(struct state *state, const json_t *test, const json_t *post)
{
    struct state_view *view;
    struct journal journal;
    struct arena arena;
    bytes raw;
    struct block_env env = env_of(test);
    bool is_bad = json_object_get(post, "expectException") != NULL;
    arena_init(&arena, ARENA_BYTES);
    assert_true(json_read_data(json_object_get(post, "txbytes"), &arena, &raw));
    assert_ok(state_view_open(state, 0, &view));
    struct state_source source = state_view_source(view);
    journal_init(&journal, &source, ARENA_BYTES);
    enum tx_verdict verdict = execute(&journal, &env, raw, &arena);
    bool foreign = verdict == TX_BLOBS_REFUSED || verdict == TX_TOO_LARGE;
    if (foreign) {
        run.skipped++;
    } else if ((verdict != TX_VALID) != is_bad) {
        fail_msg("%s: %s", run.name, tx_verdict_text(verdict));
    } else {
        check_root(state, &journal, post); /* of a refused one: the pre-state's */
        run.refused += is_bad;
        run.executed += !is_bad;
    }
    journal_free(&journal);
    state_view_close(view);
    arena_free(&arena);
}

static void run_vector(const json_t *test)
{
    const json_t *post = json_array_get(json_object_get(json_object_get(test, "post"), "Osaka"), 0);
    char dir[] = "/tmp/cairn-eest-XXXXXX";
    struct state *state;
    if (post == NULL) {
        return;
    }
    assert_non_null(mkdtemp(dir));
    struct state_options options = {.dir = dir, .size_max_bytes = MIB(64), .no_sync = true};
    assert_ok(state_open(&options, &state));
    commit_pre(state, json_object_get(test, "pre"));
    run_on(state, test, post);
    state_close(state);
    assert_ok(dir_remove_all(dir));
}

static err run_file(void *ctx, const char *name)
{
    char path[VECTORS_PATH_MAX];
    const char *key;
    json_t *test;
    vectors_format(path, "%s/%s", (const char *)ctx, name);
    json_t *root = vectors_json(&run.vectors, path);
    json_object_foreach(root, key, test)
    {
        run.name = key;
        run_vector(test);
    }
    json_decref(root);
    return ok();
}

static void public_vectors(void **state)
{
    (void)state;
    char members[VECTORS_PATH_MAX] = "";
    for (size_t i = 0; i < COUNT_OF(folders); i++) {
        size_t at = strlen(members);
        snprintf(members + at, sizeof members - at, "%s ", folders[i]);
    }
    VECTORS_NEED("eest-state-tests");
    vectors_open_part(&run.vectors, "eest-state-tests", members);
    for (size_t i = 0; i < COUNT_OF(folders); i++) {
        char dir[VECTORS_PATH_MAX];
        char folder[VECTORS_PATH_MAX];
        vectors_format(dir, "%s/%s", run.vectors.dir, folders[i]);
        vectors_format(folder, "%s", folders[i]);
        run.name = folder;
        assert_ok(dir_each(dir, run_file, folder));
    }
    vectors_close(&run.vectors);
    print_message("state tests through the store: %zu executed, %zu refused, %zu are beyond the "
                  "limits of this ledger\n",
                  run.executed, run.refused, run.skipped);
    assert_true(run.executed >= 300 && run.refused >= 100);
}

static int setup(void **state)
{
    (void)state;
    struct hash seed = {{1}};
    crypto_init(&seed);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(public_vectors)};
    return cmocka_run_group_tests(tests, setup, NULL);
}

/* What the public chain does not have: deposits, contracts for requests that are missing, fail or
 * answer oddly, rewards of every age. The rest of process.c: app/external_test.c. */
#include "ledger/ethereum/process.h"

#include "crypto/hash.h"
#include "crypto/sign.h"
#include "tests/support/check.h"

#define ARENA_BYTES MIB(256)
#define DEPOSIT_BYTES 576

static void assert_ok(err e) { assert_int_equal(e.code, ERR_OK); }

/* --- a state with nothing in it --- */

static err no_account(void *ctx, const struct address *address, struct account *ret_account)
{
    (void)ctx;
    (void)address;
    *ret_account = account_none();
    return ok();
}

static err no_slot(void *ctx, const struct address *address, const struct hash *slot,
                   struct word *ret_word)
{
    (void)ctx;
    (void)address;
    (void)slot;
    *ret_word = (struct word){{0}};
    return ok();
}

static err no_code(void *ctx, const struct hash *hash, struct arena *arena, bytes *ret_code)
{
    (void)ctx;
    (void)hash;
    (void)arena;
    (void)ret_code;
    return (err){ERR_INTEGRITY}; /* cmocka has a fail() of its own */
}

struct stage {
    struct chain_rules rules;
    struct journal journal;
    struct arena arena;
    struct block_header header;
    struct process process;
};

static const struct address sender = {{1}};
static const struct address miner = {{2}};
static const struct address deposits = {{3}};

static err any_root(void *ctx, struct hash *ret_root)
{
    (void)ctx;
    *ret_root = (struct hash){{1}};
    return ok();
}

static void put_code(struct stage *stage, const struct address *address, const char *digits)
{
    u8 code[256];
    size_t len = unhex(code, sizeof code, digits);
    assert_ok(journal_set_code(&stage->journal, address, bytes_make(code, len)));
}

static void stage_init(struct stage *stage, enum fork fork)
{
    static const struct state_source source = {
        .account = no_account, .slot = no_slot, .code = no_code};
    *stage = (struct stage){
        .rules = {.chain_id = 1, .has_deposit_contract = true, .deposit_contract = deposits}};
    for (int i = FORK_HOMESTEAD; i < FORK_COUNT; i++) {
        stage->rules.starts[i] = i <= (int)fork ? 0 : RULES_NEVER;
    }
    journal_init(&stage->journal, &source, ARENA_BYTES);
    arena_init(&stage->arena, ARENA_BYTES);
    block_header_init(&stage->header);
    stage->header.form = rules_form(fork);
    stage->header.number = 100;
    stage->header.time = 1000;
    stage->header.gas_limit = 30000000;
    stage->header.coinbase = miner;
    journal_begin_tx(&stage->journal);
    assert_ok(journal_credit(&stage->journal, &sender, u256_from_u64(UINT64_MAX)));
}

/* The two contracts for requests; each answers with some bytes of zero. */
static void put_requests(struct stage *stage, const char *withdrawals, const char *consolidations)
{
    struct address first = process_contract_address(PROCESS_WITHDRAWALS);
    struct address second = process_contract_address(PROCESS_CONSOLIDATIONS);
    if (withdrawals != NULL) {
        put_code(stage, &first, withdrawals);
    }
    if (consolidations != NULL) {
        put_code(stage, &second, consolidations);
    }
}

static void begin(struct stage *stage)
{
    const struct process_options options = {.rules = &stage->rules,
                                            .header = &stage->header,
                                            .journal = &stage->journal,
                                            .arena = &stage->arena,
                                            .tx_cap = 4,
                                            .root = any_root};
    assert_ok(process_begin(&stage->process, &options));
}

static void end(struct stage *stage, const struct block_body *body)
{
    const struct block_body none = {0};
    assert_ok(process_end(&stage->process, body != NULL ? body : &none));
}

static void stage_free(struct stage *stage)
{
    journal_free(&stage->journal);
    arena_free(&stage->arena);
}

static struct u256 balance_of(struct stage *stage, const struct address *address)
{
    struct account account;
    assert_ok(journal_account(&stage->journal, address, &account));
    return account.balance;
}

/* --- requests (EIP-7685) --- */

#define ANSWERS_NOTHING "00"
#define ANSWERS_76_ZEROS "604c6000f3"
#define REVERTS "60006000fd"
#define LOOPS "5b600056"

static void requests_are_hashed(void **state)
{
    (void)state;
    struct stage stage;
    stage_init(&stage, FORK_PRAGUE);
    put_requests(&stage, ANSWERS_76_ZEROS, ANSWERS_NOTHING);
    begin(&stage);
    end(&stage, NULL);
    assert_null(stage.process.wrong);
    assert_int_equal(stage.process.requests[1].len, 76);
    assert_int_equal(stage.process.requests[2].len, 0);
    u8 typed[77] = {1};
    struct hash inner;
    struct hash expected;
    sha256(&inner, BYTES_OF(typed));
    sha256(&expected, BYTES_OF(inner));
    assert_true(hash_eq(&expected, &stage.process.requests_hash));
    stage_free(&stage);
}

static void no_requests_is_the_empty_hash(void **state)
{
    (void)state;
    struct stage stage;
    stage_init(&stage, FORK_OSAKA);
    put_requests(&stage, ANSWERS_NOTHING, ANSWERS_NOTHING);
    begin(&stage);
    end(&stage, NULL);
    assert_null(stage.process.wrong);
    check_hex(BYTES_OF(stage.process.requests_hash),
              "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    stage_free(&stage);
}

static void contracts_for_requests_must_answer(void **state)
{
    (void)state;
    static const struct {
        const char *first;
        const char *second;
    } bad[] = {{NULL, ANSWERS_NOTHING},    {ANSWERS_NOTHING, NULL},  {REVERTS, ANSWERS_NOTHING},
               {ANSWERS_NOTHING, REVERTS}, {LOOPS, ANSWERS_NOTHING}, {"fe", ANSWERS_NOTHING}};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct stage stage;
        stage_init(&stage, FORK_PRAGUE);
        put_requests(&stage, bad[i].first, bad[i].second);
        begin(&stage);
        end(&stage, NULL);
        assert_non_null(stage.process.wrong);
        stage_free(&stage);
    }
}

/* Before Prague nobody asks. */
static void cancun_has_no_requests(void **state)
{
    (void)state;
    struct stage stage;
    stage_init(&stage, FORK_CANCUN);
    begin(&stage);
    end(&stage, NULL);
    assert_null(stage.process.wrong);
    assert_true(hash_is_zero(&stage.process.requests_hash));
    stage_free(&stage);
}

/* --- deposits (EIP-6110) --- */

/* The event as the ABI has it: where each of five byte strings begins, then each with its length.
 */
static void make_deposit(u8 data[DEPOSIT_BYTES])
{
    static const struct {
        u64 at;
        u64 len;
    } members[] = {{160, 48}, {256, 32}, {320, 8}, {384, 96}, {512, 8}};
    memset(data, 0, DEPOSIT_BYTES);
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        store_be64(data + 32 * i + 24, members[i].at);
        store_be64(data + members[i].at + 24, members[i].len);
        memset(data + members[i].at + 32, (int)(i + 1), members[i].len);
    }
}

/* A transaction that makes the deposit contract log its call data. */
static void deposit(struct stage *stage, bytes data)
{
    struct arena scratch;
    struct exec_result result;
    struct tx tx = {.type = TX_LEGACY,
                    .nonce = 0,
                    .max_fee = u256_from_u64(0),
                    .gas_limit = 1000000,
                    .to = deposits,
                    .input = data};
    arena_init(&scratch, MIB(64));
    assert_ok(process_tx(&stage->process, &tx, bytes_str("raw"), &sender, &scratch, &result));
    assert_int_equal(result.verdict, TX_VALID);
    assert_true(result.success);
    arena_free(&scratch);
}

static void run_deposit(struct stage *stage, bytes data)
{
    stage_init(stage, FORK_PRAGUE);
    put_requests(stage, ANSWERS_NOTHING, ANSWERS_NOTHING);
    put_code(stage, &deposits,
             "3660006000377f"
             "649bbc62d0e31342afea4e5cd82d4049e7e1ee912fc0889aa790803be39038c5"
             "366000a1");
    begin(stage);
    deposit(stage, data);
    end(stage, NULL);
}

static void deposits_are_collected(void **state)
{
    (void)state;
    struct stage stage;
    u8 data[DEPOSIT_BYTES];
    make_deposit(data);
    run_deposit(&stage, BYTES_OF(data));
    assert_null(stage.process.wrong);
    bytes request = stage.process.requests[0];
    assert_int_equal(request.len, 48 + 32 + 8 + 96 + 8);
    assert_int_equal(request.data[0], 1);
    assert_int_equal(request.data[48], 2);
    assert_int_equal(request.data[80], 3);
    assert_int_equal(request.data[88], 4);
    assert_int_equal(request.data[191], 5);
    stage_free(&stage);
}

/* Every word of its form made wrong, and every other length. */
static void deposits_of_another_form(void **state)
{
    (void)state;
    static const size_t words[] = {0, 32, 64, 96, 128, 160, 256, 320, 384, 512};
    struct stage stage;
    u8 data[DEPOSIT_BYTES + 32];
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        for (size_t byte = 0; byte < 32; byte += 31) {
            make_deposit(data);
            data[words[i] + byte] ^= 1;
            run_deposit(&stage, bytes_make(data, DEPOSIT_BYTES));
            assert_non_null(stage.process.wrong);
            stage_free(&stage);
        }
    }
    memset(data, 0, sizeof data);
    make_deposit(data);
    static const size_t lengths[] = {0, 32, DEPOSIT_BYTES - 1, DEPOSIT_BYTES + 1,
                                     DEPOSIT_BYTES + 32};
    for (size_t i = 0; i < COUNT_OF(lengths); i++) {
        run_deposit(&stage, bytes_make(data, lengths[i]));
        assert_non_null(stage.process.wrong);
        stage_free(&stage);
    }
}

/* --- rewards and withdrawals --- */

static struct u256 gwei(u64 amount)
{
    struct u256 wei;
    assert_true(u256_mul_u64(&wei, u256_from_u64(amount), 1000000000));
    return wei;
}

static void rewards(void **state)
{
    (void)state;
    static const struct {
        enum fork fork;
        u64 ether;
    } forks[] = {{FORK_FRONTIER, 5},
                 {FORK_SPURIOUS, 5},
                 {FORK_BYZANTIUM, 3},
                 {FORK_CONSTANTINOPLE, 2},
                 {FORK_LONDON, 2}};
    for (size_t i = 0; i < COUNT_OF(forks); i++) {
        struct stage stage;
        struct block_body body = {.ommer_count = 2};
        u64 reward = forks[i].ether * 1000000000;
        stage_init(&stage, forks[i].fork);
        body.ommer_headers[0] = (struct block_header){.number = 99, .coinbase = {{8}}};
        body.ommer_headers[1] = (struct block_header){.number = 94, .coinbase = {{9}}};
        begin(&stage);
        end(&stage, &body);
        /* the block and a 32nd for each ommer; 7/8 and 2/8 */
        struct u256 own = balance_of(&stage, &miner);
        struct u256 young = balance_of(&stage, &body.ommer_headers[0].coinbase);
        struct u256 old = balance_of(&stage, &body.ommer_headers[1].coinbase);
        assert_int_equal(u256_cmp(own, gwei(reward + reward / 16)), 0);
        assert_int_equal(u256_cmp(young, gwei(reward / 8 * 7)), 0);
        assert_int_equal(u256_cmp(old, gwei(reward / 8 * 2)), 0);
        stage_free(&stage);
    }
}

static void withdrawals(void **state)
{
    (void)state;
    struct block_withdrawal list[] = {{.address = {{7}}, .amount_gwei = 5},
                                      {.address = {{6}}, .amount_gwei = 0},
                                      {.address = {{7}}, .amount_gwei = UINT64_MAX}};
    struct block_body body = {
        .has_withdrawals = true, .withdrawals = list, .withdrawal_count = COUNT_OF(list)};
    struct stage stage;
    struct account none;
    struct u256 sum;
    stage_init(&stage, FORK_SHANGHAI);
    begin(&stage);
    end(&stage, &body);
    assert_true(u256_add(&sum, gwei(5), gwei(UINT64_MAX)));
    assert_int_equal(u256_cmp(balance_of(&stage, &list[0].address), sum), 0);
    assert_ok(journal_account(&stage.journal, &list[1].address, &none));
    assert_false(none.exists); /* nothing paid, nothing made */
    assert_true(u256_is_zero(balance_of(&stage, &miner)));
    stage_free(&stage);
}

/* --- what is not in a block leaves no trace --- */

static void refused_transactions(void **state)
{
    (void)state;
    struct stage stage;
    struct arena scratch;
    struct exec_result result;
    struct tx tx = {.type = TX_LEGACY, .nonce = 7, .gas_limit = 21000, .to = miner};
    stage_init(&stage, FORK_LONDON);
    begin(&stage);
    arena_init(&scratch, MIB(64));
    assert_ok(process_tx(&stage.process, &tx, bytes_str("raw"), &sender, &scratch, &result));
    assert_int_equal(result.verdict, TX_NONCE_TOO_HIGH);
    tx.nonce = 0;
    tx.gas_limit = stage.header.gas_limit + 1;
    assert_ok(process_tx(&stage.process, &tx, bytes_str("raw"), &sender, &scratch, &result));
    assert_int_equal(result.verdict, TX_GAS_ABOVE_BLOCK);
    assert_int_equal(stage.process.tx_count, 0);
    assert_int_equal(stage.process.executor.gas_used, 0);
    arena_free(&scratch);
    stage_free(&stage);
}

int main(void)
{
    const struct hash seed = {{1}};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_hashed),
        cmocka_unit_test(no_requests_is_the_empty_hash),
        cmocka_unit_test(contracts_for_requests_must_answer),
        cmocka_unit_test(cancun_has_no_requests),
        cmocka_unit_test(deposits_are_collected),
        cmocka_unit_test(deposits_of_another_form),
        cmocka_unit_test(rewards),
        cmocka_unit_test(withdrawals),
        cmocka_unit_test(refused_transactions),
    };
    crypto_init(&seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

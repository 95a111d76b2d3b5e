/* Byte 0: the fork. The rest: a block in Ethereum's encoding. Its transactions run whatever their
 * nonces and funds are, on a state where every other account has code; then the block is sealed.
 * What must hold: nothing crashes, the gas stays below the limit, and a header that was sealed is
 * one that passes the check; the same input gives the same header again. */
#include "base/assert.h"
#include "crypto/hash.h"
#include "crypto/sign.h"
#include "ledger/ethereum/process.h"

#define ARENA_BYTES MIB(256)
#define TXS_MAX 64

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

/* CALLER SLOAD PUSH1 1 ADD CALLER SSTORE, then the hash of a former block and a log of it. */
static const u8 code[] = {0x33, 0x54, 0x60, 0x01, 0x01, 0x33, 0x55, 0x60, 0x01,
                          0x43, 0x03, 0x40, 0x60, 0x00, 0x60, 0x00, 0xa1, 0x00};

static err source_account(void *ctx, const struct address *address, struct account *ret_account)
{
    (void)ctx;
    *ret_account = account_none();
    ret_account->balance = u256_from_u64(1000000);
    ret_account->exists = true;
    if (address->b[0] % 2 == 1) {
        keccak256(&ret_account->code_hash, BYTES_OF(code));
    }
    return ok();
}

static err source_slot(void *ctx, const struct address *address, const struct hash *slot,
                       struct word *ret_word)
{
    (void)ctx;
    (void)address;
    *ret_word = (struct word){{0}};
    ret_word->b[31] = slot->b[31] & 3;
    return ok();
}

static err source_code(void *ctx, const struct hash *code_hash, struct arena *arena,
                       bytes *ret_code)
{
    (void)ctx;
    (void)code_hash;
    *ret_code = arena_copy(arena, BYTES_OF(code));
    return ret_code->data != NULL ? ok() : fail(ERR_LIMIT);
}

static err root(void *ctx, struct hash *ret_root)
{
    (void)ctx;
    *ret_root = (struct hash){{7}};
    return ok();
}

static err block_hash(void *ctx, u64 height, struct hash *ret_hash)
{
    (void)ctx;
    *ret_hash = (struct hash){{(u8)height}};
    return ok();
}

static struct chain_rules rules_of(u8 choice)
{
    enum fork fork = (enum fork)(choice % FORK_COUNT);
    struct chain_rules rules = {.chain_id = 3503995874084926, .has_deposit_contract = true};
    for (int i = FORK_HOMESTEAD; i < FORK_COUNT; i++) {
        rules.starts[i] = i <= (int)fork ? 0 : RULES_NEVER;
    }
    if (fork >= FORK_CANCUN) {
        rules.blobs[0] = (struct rules_blobs){.target = 6, .max = 9, .fraction = 5007716};
        rules.blob_count = 1;
    }
    return rules;
}

/* Gives the sender what the transaction needs. */
static void prepare(struct process *process, const struct tx *tx, const struct address *sender)
{
    struct journal *journal = process->options.journal;
    struct u256 cost;
    struct account account;
    journal_begin_tx(journal);
    assert_that(is_ok(journal_account(journal, sender, &account)));
    if (!tx_cost(tx, &cost) || cost.limb[3] != 0 || account.balance.limb[3] != 0) {
        return;
    }
    assert_that(is_ok(journal_set_nonce(journal, sender, tx->nonce)));
    assert_that(is_ok(journal_credit(journal, sender, cost)));
}

static void run_txs(struct process *process, const struct block_body *body,
                    struct block_body *ret_valid)
{
    for (size_t i = 0; i < body->txs.count && i < TXS_MAX; i++) {
        struct arena scratch;
        struct tx tx;
        struct address sender;
        struct exec_result result = {0};
        arena_init(&scratch, ARENA_BYTES);
        if (tx_decode(&scratch, body->txs.items[i], &tx) == TX_VALID && tx_sender(&tx, &sender)) {
            prepare(process, &tx, &sender);
            assert_that(
                is_ok(process_tx(process, &tx, body->txs.items[i], &sender, &scratch, &result)));
            if (result.verdict == TX_VALID) {
                ret_valid->txs.items[ret_valid->txs.count++] = body->txs.items[i];
            }
        }
        arena_free(&scratch);
    }
}

/* Withdrawals that would not fit 256 bits are a fault; ommers are bounded by who checks them. */
static void make_body(const struct block_header *header, struct block_body *body)
{
    for (size_t i = 0; i < body->ommer_count; i++) {
        body->ommer_headers[i].number = header->number - 1 - i;
    }
}

static void run(const struct chain_rules *rules, const struct block_header *header,
                const struct block_body *body, struct hash *ret_hash)
{
    const struct state_source source = {
        .account = source_account, .slot = source_slot, .code = source_code};
    struct journal journal;
    struct arena arena;
    struct process process;
    struct block_body valid = *body;
    struct block_header made = *header;
    const char *wrong;
    bytes items[TXS_MAX];
    valid.txs = (struct block_txs){.items = items};
    journal_init(&journal, &source, ARENA_BYTES);
    arena_init(&arena, ARENA_BYTES);
    const struct process_options options = {.rules = rules,
                                            .header = header,
                                            .journal = &journal,
                                            .hashes = {.hash = block_hash},
                                            .arena = &arena,
                                            .tx_cap = TXS_MAX,
                                            .root = root};
    assert_that(is_ok(process_begin(&process, &options)));
    run_txs(&process, body, &valid);
    assert_that(is_ok(process_end(&process, &valid)));
    assert_that(process.executor.gas_used <= header->gas_limit);
    assert_that(is_ok(process_seal(&process, &valid, &made)));
    assert_that(is_ok(process_check(&process, &valid, &made, &wrong)) && wrong == NULL);
    block_header_hash(ret_hash, &made);
    journal_free(&journal);
    arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    static const struct hash seed = {{1}};
    struct arena arena;
    struct block_header header;
    struct block_body body;
    bytes raw;
    crypto_init(&seed);
    arena_init(&arena, ARENA_BYTES);
    if (size > 0 &&
        is_ok(block_decode(&arena, bytes_make(data + 1, size - 1), &header, &raw, &body)) &&
        header.number > 2 && header.gas_limit <= 100000000) {
        struct chain_rules rules = rules_of(data[0]);
        struct hash first;
        struct hash second;
        header.form = rules_form(rules_fork(&rules, header.number, header.time));
        make_body(&header, &body);
        run(&rules, &header, &body, &first);
        run(&rules, &header, &body, &second);
        assert_that(hash_eq(&first, &second));
    }
    arena_free(&arena);
    return 0;
}

#include "ledger/ethereum/process.h"

#include "ledger/ethereum/requests.h"

#define WEI_PER_GWEI 1000000000u
#define OMMER_SHARES 8u     /* an ommer loses an eighth for each generation */
#define OMMER_INCLUSION 32u /* the block's own share of the reward for each */

struct address process_contract_address(enum process_contract contract)
{
    static const struct address addresses[] = {
        [PROCESS_BEACON_ROOTS] = {{0x00, 0x0f, 0x3d, 0xf6, 0xd7, 0x32, 0x80, 0x7e, 0xf1, 0x31,
                                   0x9f, 0xb7, 0xb8, 0xbb, 0x85, 0x22, 0xd0, 0xbe, 0xac, 0x02}},
        [PROCESS_BLOCK_HASHES] = {{0x00, 0x00, 0xf9, 0x08, 0x27, 0xf1, 0xc5, 0x3a, 0x10, 0xcb,
                                   0x7a, 0x02, 0x33, 0x5b, 0x17, 0x53, 0x20, 0x00, 0x29, 0x35}},
        [PROCESS_WITHDRAWALS] = {{0x00, 0x00, 0x09, 0x61, 0xef, 0x48, 0x0e, 0xb5, 0x5e, 0x80,
                                  0xd1, 0x9a, 0xd8, 0x35, 0x79, 0xa6, 0x4c, 0x00, 0x70, 0x02}},
        [PROCESS_CONSOLIDATIONS] = {{0x00, 0x00, 0xbb, 0xdd, 0xc7, 0xce, 0x48, 0x86, 0x42, 0xfb,
                                     0x57, 0x9f, 0x8b, 0x00, 0xf3, 0xa5, 0x90, 0x00, 0x72, 0x51}},
    };
    return addresses[contract];
}

/* What these two contracts answer does not matter, nor whether they are there. */
static err tell(struct executor *executor, enum process_contract contract, const struct hash *word)
{
    struct address address = process_contract_address(contract);
    struct arena scratch;
    struct exec_result result;
    arena_init(&scratch, EXEC_TX_BYTES_MAX);
    err e = execute_system_call(executor, &address, BYTES_OF(*word), &scratch, &result);
    arena_free(&scratch);
    return e;
}

err process_system_begin(struct executor *executor, const struct block_header *header)
{
    if (executor->env->fork >= FORK_CANCUN) {
        TRY(tell(executor, PROCESS_BEACON_ROOTS, &header->parent_beacon_root));
    }
    if (executor->env->fork >= FORK_PRAGUE) {
        TRY(tell(executor, PROCESS_BLOCK_HASHES, &header->parent_hash));
    }
    return ok();
}

err process_begin(struct process *process, const struct process_options *options)
{
    *process = (struct process){.options = *options};
    process->env = rules_env(options->rules, options->header);
    process->env.hashes = options->hashes;
    process->receipts = ARENA_ARRAY(options->arena, struct receipt, options->tx_cap + 1);
    process->tx_hashes = ARENA_ARRAY(options->arena, struct hash, options->tx_cap + 1);
    if (process->receipts == NULL || process->tx_hashes == NULL) {
        return fail(ERR_LIMIT);
    }
    executor_init(&process->executor, options->journal, &process->env);
    process->executor.codes = options->codes;
    return options->rules->is_own ? execute_begin_block(&process->executor)
                                  : process_system_begin(&process->executor, options->header);
}

/* --- transactions --- */

/* Logs outlive the journal: copied with their data. */
static err copy_logs(struct process *process, const struct journal_log **ret_logs)
{
    const struct journal *journal = process->options.journal;
    struct arena *arena = process->options.arena;
    struct journal_log *logs = ARENA_ARRAY(arena, struct journal_log, journal->log_count + 1);
    if (logs == NULL) {
        return fail(ERR_LIMIT);
    }
    for (size_t i = 0; i < journal->log_count; i++) {
        logs[i] = journal->logs[i];
        logs[i].data = arena_copy(arena, journal->logs[i].data);
        if (logs[i].data.data == NULL) {
            return fail(ERR_LIMIT);
        }
    }
    *ret_logs = logs;
    return ok();
}

err process_note(struct process *process, const struct tx *tx, const struct hash *hash,
                 const struct exec_result *result)
{
    const struct journal_log *logs;
    struct receipt *receipt = &process->receipts[process->tx_count];
    TRY(copy_logs(process, &logs));
    receipt_init(receipt, (u8)tx->type, result->success, process->executor.gas_used, logs,
                 process->options.journal->log_count);
    if (process->env.fork < FORK_BYZANTIUM) {
        receipt->has_root = true;
        TRY(process->options.root(process->options.root_ctx, &receipt->root));
    }
    bloom_join(&process->bloom, &receipt->bloom);
    process->tx_hashes[process->tx_count++] = *hash;
    return ok();
}

err process_tx(struct process *process, const struct tx *tx, bytes raw,
               const struct address *sender, struct arena *scratch, struct exec_result *ret_result)
{
    struct hash hash;
    TRY(execute_tx(&process->executor, tx, sender, scratch, ret_result));
    if (ret_result->verdict != TX_VALID) {
        return ok();
    }
    tx_hash(&hash, raw);
    return process_note(process, tx, &hash, ret_result);
}

/* --- the end --- */

static err pay(struct journal *journal, const struct address *address, struct u256 amount)
{
    TRY(journal_touch(journal, address));
    return journal_credit(journal, address, amount);
}

static err pay_withdrawals(struct journal *journal, const struct block_body *body)
{
    for (size_t i = 0; i < body->withdrawal_count; i++) {
        struct u256 wei;
        bool fits =
            u256_mul_u64(&wei, u256_from_u64(body->withdrawals[i].amount_gwei), WEI_PER_GWEI);
        TRY(fits ? pay(journal, &body->withdrawals[i].address, wei) : fail(ERR_LIMIT));
    }
    return ok();
}

/* The reward; a share of it for each ommer, and of that less for each generation it is late. */
static err pay_rewards(struct process *process, const struct block_body *body)
{
    struct journal *journal = process->options.journal;
    struct u256 reward = rules_reward(process->env.fork);
    struct u256 inclusion = u256_div_u64(reward, OMMER_INCLUSION, NULL);
    struct u256 own = reward;
    for (size_t i = 0; i < body->ommer_count; i++) {
        const struct block_header *ommer = &body->ommer_headers[i];
        u64 shares = OMMER_SHARES + ommer->number - process->env.height; /* 2 to 7: checked */
        struct u256 part;
        bool fits = u256_mul_u64(&part, reward, shares) && u256_add(&own, own, inclusion);
        TRY(fits ? ok() : fail(ERR_LIMIT));
        TRY(pay(journal, &ommer->coinbase, u256_div_u64(part, OMMER_SHARES, NULL)));
    }
    return pay(journal, &process->env.coinbase, own);
}

err process_end(struct process *process, const struct block_body *body)
{
    struct journal *journal = process->options.journal;
    bool clears_empty = process->env.fork >= FORK_SPURIOUS;
    journal_begin_tx(journal);
    TRY(pay_withdrawals(journal, body));
    if (process->env.fork < FORK_PARIS) {
        TRY(pay_rewards(process, body));
    }
    TRY(journal_end_tx(journal, clears_empty));
    return process->env.fork >= FORK_PRAGUE ? process_collect_requests(process) : ok();
}

err process_seal(const struct process *process, const struct block_body *body,
                 struct block_header *header)
{
    header->bloom = process->bloom;
    header->gas_used = process->executor.gas_used;
    TRY(block_txs_root(&body->txs, &header->txs_root));
    TRY(receipts_root(process->receipts, process->tx_count, &header->receipts_root));
    if (header->form >= BLOCK_SHANGHAI) {
        TRY(block_withdrawals_root(body, &header->withdrawals_root));
    }
    if (header->form >= BLOCK_CANCUN) {
        header->blob_gas_used = process->executor.blob_gas_used;
    }
    if (header->form >= BLOCK_PRAGUE) {
        header->requests_hash = process->requests_hash;
    }
    return ok();
}

err process_check(const struct process *process, const struct block_body *body,
                  const struct block_header *header, const char **ret_wrong)
{
    struct block_header made = *header;
    TRY(process_seal(process, body, &made));
    *ret_wrong = NULL;
    if (made.gas_used != header->gas_used) {
        *ret_wrong = "gas used";
    } else if (!hash_eq(&made.txs_root, &header->txs_root)) {
        *ret_wrong = "transactions root";
    } else if (!hash_eq(&made.receipts_root, &header->receipts_root)) {
        *ret_wrong = "receipts root";
    } else if (memcmp(&made.bloom, &header->bloom, sizeof made.bloom) != 0) {
        *ret_wrong = "bloom";
    } else if (!hash_eq(&made.withdrawals_root, &header->withdrawals_root)) {
        *ret_wrong = "withdrawals root";
    } else if (made.blob_gas_used != header->blob_gas_used) {
        *ret_wrong = "blob gas used";
    } else if (!hash_eq(&made.requests_hash, &header->requests_hash)) {
        *ret_wrong = "requests hash";
    }
    return ok();
}

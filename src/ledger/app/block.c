#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "codec/record.h"
#include "crypto/hash.h"
#include "ledger/app/internal.h"
#include "ledger/block/kinds.h"
#include "ledger/exec/native.h"

#define PARAMS_VERSION 1
#define RECEIPTS_BYTES_MAX MIB(256)
/* What prepare_proposal looks at, in multiples of the block's gas: limits are usually far above
 * what is used. */
#define TAKE_GAS_FACTOR 4

/* A block being executed. */
struct run {
    struct app *app;
    struct journal journal;
    struct block_env env;
    struct executor executor;
    struct arena *arena; /* of the results */
    struct app_tx_result *results;
    struct receipt *receipts;
    struct hash *tx_hashes;
    size_t tx_count;
};

void app_params_hash(struct hash *out, const struct genesis *genesis)
{
    struct buf record;
    u8 floor[32];
    u256_to_be(floor, genesis->base_fee_floor);
    buf_init(&record, KIB(1));
    write_head(&record, KIND_BLOCK_PARAMS, PARAMS_VERSION);
    buf_put_be64(&record, genesis->gas_limit);
    buf_put(&record, BYTES_OF(floor));
    keccak256(out, buf_bytes(&record));
    buf_free(&record);
}

struct block_env app_env(const struct app *app, u64 time, const struct address *coinbase)
{
    return (struct block_env){
        .fork = FORK_OSAKA,
        .chain_id = app->info.chain_id,
        .height = app->info.height + 1,
        .time = time,
        .gas_limit = app->genesis->gas_limit,
        .coinbase = *coinbase,
        .base_fee = block_base_fee(&app->head, app->genesis->base_fee_floor),
        .prev_randao = app->info.consensus_id,
        .parent_hash = app->info.app_hash,
        .blob_base_fee = rules_blob_base_fee(NULL, 0),
    };
}

bool app_sender(const struct app *app, const struct tx *tx, bytes raw, struct address *ret_sender)
{
    struct hash hash;
    tx_hash(&hash, raw);
    const struct pool_tx *known = pool_get(&app->pool, &hash);
    if (known != NULL) {
        *ret_sender = known->sender;
        return true;
    }
    return tx_sender(tx, ret_sender);
}

void app_ready_free(struct app_ready *ready)
{
    state_pending_free(ready->pending);
    arena_free(&ready->arena);
    *ready = (struct app_ready){0};
}

/* --- running --- */

static err run_begin(struct run *run, struct app *app, struct state_view *view,
                     const struct block_env *env, struct arena *arena, size_t tx_cap)
{
    struct state_source source = state_view_source(view);
    *run = (struct run){.app = app, .env = *env, .arena = arena};
    run->env.hashes = app_hashes(view);
    journal_init(&run->journal, &source, APP_BLOCK_BYTES_MAX);
    executor_init(&run->executor, &run->journal, &run->env);
    run->executor.codes = &app->codes;
    run->results = ARENA_ARRAY(arena, struct app_tx_result, tx_cap + 1);
    run->receipts = ARENA_ARRAY(arena, struct receipt, tx_cap + 1);
    run->tx_hashes = ARENA_ARRAY(arena, struct hash, tx_cap + 1);
    if (run->results == NULL || run->receipts == NULL || run->tx_hashes == NULL) {
        return fail(ERR_LIMIT);
    }
    return execute_begin_block(&run->executor);
}

static void run_end(struct run *run) { journal_free(&run->journal); }

/* Logs outlive the journal: copied with their data. */
static err copy_logs(struct run *run, const struct journal_log **ret_logs)
{
    const struct journal *journal = &run->journal;
    struct journal_log *logs = ARENA_ARRAY(run->arena, struct journal_log, journal->log_count + 1);
    if (logs == NULL) {
        return fail(ERR_LIMIT);
    }
    for (size_t i = 0; i < journal->log_count; i++) {
        logs[i] = journal->logs[i];
        logs[i].data = arena_copy(run->arena, journal->logs[i].data);
        if (logs[i].data.data == NULL) {
            return fail(ERR_LIMIT);
        }
    }
    *ret_logs = logs;
    return ok();
}

static err note_result(struct run *run, const struct tx *tx, bytes raw,
                       const struct exec_result *result)
{
    const struct journal_log *logs;
    size_t i = run->tx_count++;
    TRY(copy_logs(run, &logs));
    tx_hash(&run->tx_hashes[i], raw);
    run->results[i] = (struct app_tx_result){
        .success = result->success, .gas_used = result->gas_used, .hash = run->tx_hashes[i]};
    receipt_init(&run->receipts[i], (u8)tx->type, result->success, run->executor.gas_used, logs,
                 run->journal.log_count);
    return ok();
}

static err run_decoded(struct run *run, struct arena *arena, bytes raw,
                       enum tx_verdict *ret_verdict)
{
    struct tx tx;
    struct address sender;
    *ret_verdict = tx_decode(arena, raw, &tx);
    if (*ret_verdict != TX_VALID) {
        return ok();
    }
    if (!tx.has_chain_id) {
        *ret_verdict = TX_UNPROTECTED;
        return ok();
    }
    if (!app_sender(run->app, &tx, raw, &sender)) {
        *ret_verdict = TX_SIGNATURE_INVALID;
        return ok();
    }
    struct exec_result result;
    TRY(execute_tx(&run->executor, &tx, &sender, arena, &result));
    *ret_verdict = result.verdict;
    return result.verdict == TX_VALID ? note_result(run, &tx, raw, &result) : ok();
}

/* One transaction; one that is not valid leaves no trace. */
static err run_tx(struct run *run, bytes raw, enum tx_verdict *ret_verdict)
{
    struct arena arena;
    arena_init(&arena, EXEC_TX_BYTES_MAX + TX_DECODE_BYTES);
    err e = run_decoded(run, &arena, raw, ret_verdict);
    arena_free(&arena);
    return e;
}

/* All of them; *ret_valid false at the first that is not valid. */
static err run_txs(struct run *run, const struct block_txs *txs, bool *ret_valid)
{
    *ret_valid = true;
    for (size_t i = 0; i < txs->count && *ret_valid; i++) {
        enum tx_verdict verdict;
        TRY(run_tx(run, txs->items[i], &verdict));
        if (verdict != TX_VALID) {
            log_warn("app", "transaction %zu of block %llu is not valid: %s", i,
                     (unsigned long long)run->env.height, tx_verdict_text(verdict));
            *ret_valid = false;
        }
    }
    return ok();
}

/* --- genesis --- */

static err genesis_account(struct journal *journal, const struct genesis_account *account)
{
    TRY(journal_credit(journal, &account->address, account->balance));
    if (account->nonce > 0) {
        TRY(journal_set_nonce(journal, &account->address, account->nonce));
    }
    if (account->code.len > 0) {
        TRY(journal_set_code(journal, &account->address, account->code));
    }
    for (size_t i = 0; i < account->slot_count; i++) {
        TRY(journal_store(journal, &account->address, &account->slots[i].slot,
                          &account->slots[i].word));
    }
    return ok();
}

static err genesis_modules(struct executor *executor, const struct genesis *genesis)
{
    json_t *nothing = json_object();
    err e = ok();
    for (size_t i = 0; i < native_count() && is_ok(e); i++) {
        const json_t *config = json_object_get(genesis->modules, native_at(i)->name);
        e = execute_genesis(executor, native_at(i), config != NULL ? config : nothing);
        if (is_err(e, ERR_USAGE)) {
            log_error("app", "genesis: module %s refuses its section", native_at(i)->name);
        }
    }
    json_decref(nothing);
    return e;
}

static err genesis_state(const struct genesis *genesis, struct journal *journal)
{
    struct block_env env = {
        .fork = FORK_OSAKA,
        .chain_id = genesis->chain_id,
        .time = genesis->time,
        .gas_limit = genesis->gas_limit,
        .base_fee = genesis->base_fee,
    };
    struct executor executor;
    executor_init(&executor, journal, &env);
    journal_begin_tx(journal);
    for (size_t i = 0; i < genesis->account_count; i++) {
        TRY(genesis_account(journal, &genesis->accounts[i]));
    }
    TRY(execute_genesis_history(&executor));
    return genesis_modules(&executor, genesis);
}

/* Encodes into the arena. */
err app_keep(struct arena *arena, struct buf *encoded, bytes *ret_bytes)
{
    err e = buf_done(encoded);
    if (is_ok(e)) {
        *ret_bytes = arena_copy(arena, buf_bytes(encoded));
        e = ret_bytes->data != NULL ? ok() : fail(ERR_LIMIT);
    }
    buf_free(encoded);
    return e;
}

err app_keep_header(struct arena *arena, struct state_block *block,
                    const struct block_header *header)
{
    struct buf encoded;
    buf_init(&encoded, BLOCK_HEADER_BYTES_MAX);
    block_header_encode(&encoded, header);
    block_header_hash(&block->hash, header);
    block->height = header->number;
    return app_keep(arena, &encoded, &block->header);
}

static err keep_txs(struct arena *arena, struct state_block *block, const struct block_txs *txs,
                    const struct run *run)
{
    struct buf body;
    struct buf receipts;
    buf_init(&body, BLOCK_BODY_BYTES_MAX);
    block_body_encode(&body, txs);
    TRY(app_keep(arena, &body, &block->body));
    buf_init(&receipts, RECEIPTS_BYTES_MAX);
    receipts_encode(&receipts, run->receipts, run->tx_count);
    TRY(app_keep(arena, &receipts, &block->receipts));
    block->tx_hashes = run->tx_hashes;
    block->tx_count = run->tx_count;
    return ok();
}

err app_changes_prepare(struct app *app, const struct journal *journal,
                        struct state_pending **ret_pending, struct hash *ret_root)
{
    struct arena arena;
    struct state_changes changes;
    arena_init(&arena, APP_BLOCK_BYTES_MAX);
    err e = journal_changes(journal, &arena, &changes);
    if (is_ok(e)) {
        e = state_prepare(app->state, &changes, ret_pending, ret_root);
    }
    arena_free(&arena);
    return e;
}

static err genesis_commit(struct app *app, struct state_pending *pending, const struct hash *root)
{
    struct arena arena;
    struct run nothing = {0};
    struct block_txs none = {0};
    struct state_block block = {0};
    struct block_header header;
    block_header_init(&header);
    header.state_root = *root;
    header.gas_limit = app->genesis->gas_limit;
    header.time = app->genesis->time;
    header.base_fee = app->genesis->base_fee;
    header.extra_len = sizeof app->genesis_hash.b;
    memcpy(header.extra, app->genesis_hash.b, sizeof app->genesis_hash.b);
    arena_init(&arena, MIB(1));
    err e = app_keep_header(&arena, &block, &header);
    if (is_ok(e)) {
        e = keep_txs(&arena, &block, &none, &nothing);
    }
    struct state_meta meta = {.name = "genesis", .value = BYTES_OF(app->genesis_hash)};
    if (is_ok(e)) {
        e = state_commit(app->state, pending, &block, &meta, 1);
    } else {
        state_pending_free(pending);
    }
    arena_free(&arena);
    return e;
}

err app_init_chain(void *self, const struct genesis *genesis, struct app_info *ret_info)
{
    struct app *app = self;
    struct state_view *view;
    struct journal journal;
    struct state_pending *pending;
    struct hash root;
    assert_that(state_is_new(app->state) && genesis == app->genesis);
    TRY(state_view_open(app->state, 0, &view));
    struct state_source source = state_view_source(view);
    journal_init(&journal, &source, APP_BLOCK_BYTES_MAX);
    err e = genesis_state(genesis, &journal);
    if (is_ok(e)) {
        e = app_changes_prepare(app, &journal, &pending, &root);
    }
    journal_free(&journal);
    state_view_close(view);
    TRY(e);
    TRY(genesis_commit(app, pending, &root));
    TRY(app_load_head(app));
    *ret_info = app->info;
    return ok();
}

/* --- proposals --- */

/* Whether a transaction that could not be executed can ever be; one that waits for room, a fee or a
 * predecessor can. */
static bool is_hopeless(enum tx_verdict verdict)
{
    return verdict != TX_GAS_ABOVE_BLOCK && verdict != TX_NONCE_TOO_HIGH &&
           verdict != TX_FEE_BELOW_BASE;
}

static err prepare_txs(struct run *run, const struct pool_tx **taken, size_t count,
                       struct arena *arena, struct block_txs *txs, struct hash *hopeless,
                       size_t *ret_hopeless)
{
    for (size_t i = 0; i < count; i++) {
        enum tx_verdict verdict;
        TRY(run_tx(run, taken[i]->raw, &verdict));
        if (verdict == TX_VALID) {
            bytes copy = arena_copy(arena, taken[i]->raw);
            if (copy.data == NULL) {
                return fail(ERR_LIMIT);
            }
            txs->items[txs->count++] = copy;
        } else if (is_hopeless(verdict)) {
            hopeless[(*ret_hopeless)++] = taken[i]->hash;
        }
    }
    return ok();
}

static err prepare_on(struct app *app, struct state_view *view, const struct app_prepare *request,
                      struct arena *arena, struct block_txs *ret_txs)
{
    struct arena scratch;
    struct run run;
    struct block_txs txs = {0};
    size_t hopeless_count = 0;
    struct block_env env = app_env(app, consensus_eth_time(request->time_ms), &request->proposer);
    arena_init(&scratch, APP_BLOCK_BYTES_MAX);
    err e = run_begin(&run, app, view, &env, &scratch, BLOCK_TXS_MAX);
    const struct pool_tx **taken = ARENA_ARRAY(&scratch, const struct pool_tx *, BLOCK_TXS_MAX);
    struct hash *hopeless = ARENA_ARRAY(&scratch, struct hash, BLOCK_TXS_MAX);
    txs.items = ARENA_ARRAY(arena, bytes, BLOCK_TXS_MAX);
    if (taken == NULL || hopeless == NULL || txs.items == NULL) {
        e = fail(ERR_LIMIT);
    }
    if (is_ok(e)) {
        size_t count = pool_take(&app->pool, taken, BLOCK_TXS_MAX, TAKE_GAS_FACTOR * env.gas_limit,
                                 request->bytes_max);
        e = prepare_txs(&run, taken, count, arena, &txs, hopeless, &hopeless_count);
    }
    run_end(&run);
    for (size_t i = 0; i < hopeless_count; i++) {
        pool_drop(&app->pool, &hopeless[i]);
    }
    arena_free(&scratch);
    TRY(e);
    *ret_txs = txs;
    return ok();
}

err app_prepare_proposal(void *self, const struct app_prepare *request, struct arena *arena,
                         struct block_txs *ret_txs)
{
    struct app *app = self;
    struct state_view *view;
    assert_that(request->height == app->info.height + 1);
    assert_that(request->bytes_max <= APP_TXS_BYTES_MAX);
    TRY(state_view_open(app->state, app->info.height, &view));
    err e = prepare_on(app, view, request, arena, ret_txs);
    state_view_close(view);
    return e;
}

static bool is_seat(const struct seats *seats, const struct address *address)
{
    for (size_t i = 0; i < seats->count; i++) {
        if (address_eq(&seats->items[i], address)) {
            return true;
        }
    }
    return false;
}

static bool header_follows(const struct app *app, const struct consensus_header *header)
{
    const struct app_info *info = &app->info;
    struct hash seats;
    struct hash next_seats;
    seats_hash(&seats, &info->seats);
    seats_hash(&next_seats, &info->next_seats);
    return header->chain_id == info->chain_id && header->height == info->height + 1 &&
           header->time_ms > info->time_ms &&
           consensus_eth_time(header->time_ms) > app->head.time &&
           hash_eq(&header->parent_id, &info->consensus_id) &&
           hash_eq(&header->parent_hash, &info->app_hash) && hash_is_zero(&header->sidecar_root) &&
           hash_eq(&header->seats_hash, &seats) && hash_eq(&header->next_seats_hash, &next_seats) &&
           hash_eq(&header->params_hash, &info->params_hash) &&
           is_seat(&info->seats, &header->proposer);
}

static err check_proposal(const struct app *app, const struct consensus_header *header,
                          const struct block_txs *txs, enum app_verdict *ret_verdict)
{
    struct hash root;
    size_t size = 0;
    if (!header_follows(app, header)) {
        *ret_verdict = APP_REJECT_HEADER;
        return ok();
    }
    for (size_t i = 0; i < txs->count && size <= APP_TXS_BYTES_MAX; i++) {
        size += txs->items[i].len;
    }
    if (txs->count > BLOCK_TXS_MAX || size > APP_TXS_BYTES_MAX) {
        *ret_verdict = APP_REJECT_TXS;
        return ok();
    }
    TRY(block_txs_root(txs, &root));
    *ret_verdict = hash_eq(&root, &header->txs_root) ? APP_ACCEPT : APP_REJECT_TXS;
    return ok();
}

static err process_on(struct app *app, struct state_view *view,
                      const struct consensus_header *header, const struct block_txs *txs,
                      enum app_verdict *ret_verdict)
{
    struct arena scratch;
    struct run run;
    bool valid = false;
    struct block_env env = app_env(app, consensus_eth_time(header->time_ms), &header->proposer);
    arena_init(&scratch, APP_BLOCK_BYTES_MAX);
    err e = run_begin(&run, app, view, &env, &scratch, txs->count);
    if (is_ok(e)) {
        e = run_txs(&run, txs, &valid);
    }
    run_end(&run);
    arena_free(&scratch);
    *ret_verdict = valid ? APP_ACCEPT : APP_REJECT_TXS;
    return e;
}

err app_process_proposal(void *self, const struct consensus_header *header,
                         const struct block_txs *txs, enum app_verdict *ret_verdict)
{
    struct app *app = self;
    struct state_view *view;
    TRY(check_proposal(app, header, txs, ret_verdict));
    if (*ret_verdict != APP_ACCEPT) {
        return ok();
    }
    TRY(state_view_open(app->state, app->info.height, &view));
    err e = process_on(app, view, header, txs, ret_verdict);
    state_view_close(view);
    return e;
}

/* --- finalizing --- */

static err build_header(const struct run *run, const struct consensus_header *decided,
                        const struct hash *state_root, struct block_header *header)
{
    block_header_init(header);
    header->parent_hash = run->env.parent_hash;
    header->coinbase = run->env.coinbase;
    header->state_root = *state_root;
    header->txs_root = decided->txs_root;
    header->number = run->env.height;
    header->gas_limit = run->env.gas_limit;
    header->gas_used = run->executor.gas_used;
    header->time = run->env.time;
    header->prev_randao = run->env.prev_randao;
    header->base_fee = run->env.base_fee;
    for (size_t i = 0; i < run->tx_count; i++) {
        bloom_join(&header->bloom, &run->receipts[i].bloom);
    }
    return receipts_root(run->receipts, run->tx_count, &header->receipts_root);
}

static err keep_consensus(struct arena *arena, struct state_block *block,
                          const struct decided *decided)
{
    struct buf part;
    buf_init(&part, 2 * CONSENSUS_RECORD_BYTES_MAX);
    consensus_part_encode(&part, &decided->header, &decided->certificate);
    return app_keep(arena, &part, &block->consensus);
}

static struct app_info info_after(const struct app *app, const struct decided *decided,
                                  const struct hash *block_hash)
{
    struct app_info info = app->info;
    info.height++;
    info.time_ms = decided->header.time_ms;
    info.app_hash = *block_hash;
    consensus_header_id(&info.consensus_id, &decided->header);
    info.seats = app->info.next_seats;
    return info;
}

static err make_ready(struct app *app, struct run *run, const struct decided *decided)
{
    struct app_ready *ready = &app->ready;
    struct hash root;
    TRY(app_changes_prepare(app, &run->journal, &ready->pending, &root));
    TRY(build_header(run, &decided->header, &root, &ready->header));
    TRY(app_keep_header(&ready->arena, &ready->block, &ready->header));
    TRY(keep_txs(&ready->arena, &ready->block, &decided->txs, run));
    TRY(keep_consensus(&ready->arena, &ready->block, decided));
    ready->info = info_after(app, decided, &ready->block.hash);
    return ok();
}

static err finalize_on(struct app *app, struct state_view *view, const struct decided *decided,
                       struct app_finalized *finalized, bool *ret_valid)
{
    struct run run;
    struct block_env env =
        app_env(app, consensus_eth_time(decided->header.time_ms), &decided->header.proposer);
    *ret_valid = false;
    err e = run_begin(&run, app, view, &env, &app->ready.arena, decided->txs.count);
    if (is_ok(e)) {
        e = run_txs(&run, &decided->txs, ret_valid);
    }
    if (is_ok(e) && *ret_valid) {
        e = make_ready(app, &run, decided);
    }
    finalized->txs = run.results;
    finalized->tx_count = run.tx_count;
    run_end(&run);
    return e;
}

err app_finalize_block(void *self, const struct decided *decided,
                       struct app_finalized *ret_finalized, enum app_verdict *ret_verdict)
{
    struct app *app = self;
    struct state_view *view;
    struct app_finalized finalized = {0};
    struct hash id;
    bool valid;
    app_ready_free(&app->ready);
    TRY(check_proposal(app, &decided->header, &decided->txs, ret_verdict));
    if (*ret_verdict != APP_ACCEPT) {
        return ok();
    }
    consensus_header_id(&id, &decided->header);
    if (!hash_eq(&id, &decided->certificate.block_id) ||
        decided->certificate.height != decided->header.height ||
        !certificate_valid(&decided->certificate, app->info.chain_id, &app->info.seats)) {
        *ret_verdict = APP_REJECT_HEADER;
        return ok();
    }
    arena_init(&app->ready.arena, APP_BLOCK_BYTES_MAX);
    TRY(state_view_open(app->state, app->info.height, &view));
    err e = finalize_on(app, view, decided, &finalized, &valid);
    state_view_close(view);
    if (!is_ok(e) || !valid) {
        app_ready_free(&app->ready);
        *ret_verdict = APP_REJECT_TXS;
        return e;
    }
    finalized.info = app->ready.info;
    finalized.header = app->ready.header;
    *ret_finalized = finalized;
    return ok();
}

err app_commit(void *self)
{
    struct app *app = self;
    struct app_ready *ready = &app->ready;
    assert_that(ready->pending != NULL);
    struct state_pending *pending = ready->pending;
    ready->pending = NULL; /* the commit frees it */
    TRY(state_commit(app->state, pending, &ready->block, NULL, 0));
    app->info = ready->info;
    app->head = ready->header;
    return app_advance_pool(app);
}

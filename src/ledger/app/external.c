#include "ledger/app/external.h"

#include "base/assert.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "ledger/app/internal.h"
#include "ledger/ethereum/genesis.h"
#include "ledger/ethereum/process.h"

#include <stdio.h>

#define BODY_BYTES_MAX (EXTERNAL_BLOCK_BYTES_MAX + KIB(64))
#define RECEIPTS_BYTES_MAX MIB(256)
#define RECEIPT_ARENA_BYTES GIB(1)
#define OSAKA_BLOCK_BYTES_MAX (MIB(10) - MIB(2)) /* EIP-7934 */
#define OMMER_GENERATIONS 6u
#define WRONG_BYTES 160

/* --- genesis --- */

static err alloc_account(struct journal *journal, const struct eth_genesis_account *account)
{
    TRY(journal_touch(journal, &account->address));
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

static err alloc(struct app *app, const struct eth_genesis *genesis,
                 struct state_pending **ret_pending, struct hash *ret_root)
{
    struct state_view *view;
    struct journal journal;
    err e = ok();
    TRY(state_view_open(app->state, 0, &view));
    struct state_source source = state_view_source(view);
    journal_init(&journal, &source, APP_BLOCK_BYTES_MAX);
    journal_begin_tx(&journal);
    for (size_t i = 0; i < genesis->account_count && is_ok(e); i++) {
        e = alloc_account(&journal, &genesis->accounts[i]);
    }
    if (is_ok(e)) {
        e = app_changes_prepare(app, &journal, ret_pending, ret_root);
    }
    journal_free(&journal);
    state_view_close(view);
    return e;
}

/* Header, body and receipts of a block, for the store. */
static err keep_block(struct arena *arena, const struct block_header *header,
                      const struct block_body *body, const struct receipt *receipts,
                      struct state_block *block)
{
    struct buf encoded;
    TRY(app_keep_header(arena, block, header));
    buf_init(&encoded, BODY_BYTES_MAX);
    block_full_body_encode(&encoded, body);
    TRY(app_keep(arena, &encoded, &block->body));
    buf_init(&encoded, RECEIPTS_BYTES_MAX);
    receipts_encode(&encoded, receipts, body->txs.count);
    return app_keep(arena, &encoded, &block->receipts);
}

static err commit_genesis(struct app *app, const struct eth_genesis *genesis,
                          struct state_pending *pending, const struct hash *root)
{
    struct arena arena;
    struct state_block block = {0};
    struct block_header header = genesis->header;
    struct block_body body = {.has_withdrawals = header.form >= BLOCK_SHANGHAI};
    struct state_meta meta = {.name = "genesis", .value = BYTES_OF(app->genesis_hash)};
    header.state_root = *root;
    arena_init(&arena, MIB(1));
    err e = keep_block(&arena, &header, &body, NULL, &block);
    if (is_ok(e)) {
        e = state_commit(app->state, pending, &block, &meta, 1);
    } else {
        state_pending_free(pending);
    }
    arena_free(&arena);
    return e;
}

static err open_store(struct app *app, const struct app_options *options,
                      const struct eth_genesis *genesis)
{
    struct state_options state = {.dir = options->dir,
                                  .history_blocks = options->history_blocks,
                                  .no_sync = options->no_sync};
    struct pool_options pool =
        pool_options_default(genesis->rules.chain_id, genesis->header.gas_limit);
    pool.tip_min = options->tip_min;
    app->rules = genesis->rules;
    keccak256(&app->genesis_hash, options->genesis);
    TRY(state_open(&state, &app->state));
    if (state_is_new(app->state)) {
        struct state_pending *pending;
        struct hash root;
        TRY(alloc(app, genesis, &pending, &root));
        TRY(commit_genesis(app, genesis, pending, &root));
    } else {
        TRY(app_check_genesis(app));
    }
    TRY(app_load_head(app));
    pool.block_gas_limit = app->head.gas_limit;
    pool_init(&app->pool, &pool);
    return app_advance_pool(app);
}

err app_open_external(const struct app_options *options, struct app **ret_app)
{
    struct eth_genesis *genesis;
    struct pool_options none = {0};
    TRY(eth_genesis_parse(options->genesis, &genesis));
    struct app *app = MEM_NEW(struct app);
    pool_init(&app->pool, &none);
    evm_codes_init(&app->codes, EVM_CODES_BYTES);
    err e = open_store(app, options, genesis);
    eth_genesis_free(genesis);
    if (!is_ok(e)) {
        app_close(app);
        return e;
    }
    *ret_app = app;
    return ok();
}

/* --- one block --- */

struct import {
    struct app *app;
    struct state_view *view; /* of the parent */
    struct arena arena;
    struct journal journal;
    struct block_header header;
    struct block_body body;
    struct process process;
    const char *wrong;
    char *text; /* room for it, in arena */
};

/* The root after what was executed so far. */
static err current_root(void *ctx, struct hash *ret_root)
{
    struct import *import = ctx;
    struct arena arena;
    struct state_changes changes;
    arena_init(&arena, RECEIPT_ARENA_BYTES);
    err e = journal_changes(&import->journal, &arena, &changes);
    if (is_ok(e)) {
        e = state_view_root(import->view, &changes, ret_root);
    }
    arena_free(&arena);
    return e;
}

static void tx_wrong(struct import *import, size_t i, const char *text)
{
    snprintf(import->text, WRONG_BYTES, "transaction %zu: %s", i, text);
    import->wrong = import->text;
}

static err run_tx(struct import *import, size_t i, struct arena *scratch)
{
    bytes raw = import->body.txs.items[i];
    struct tx tx;
    struct address sender;
    struct exec_result result;
    enum tx_verdict verdict = tx_decode_within(scratch, raw, EXTERNAL_BLOCK_BYTES_MAX, &tx);
    if (verdict == TX_VALID && !tx_sender(&tx, &sender)) {
        verdict = TX_SIGNATURE_INVALID;
    }
    if (verdict == TX_VALID) {
        TRY(process_tx(&import->process, &tx, raw, &sender, scratch, &result));
        verdict = result.verdict;
    }
    if (verdict != TX_VALID) {
        tx_wrong(import, i, tx_verdict_text(verdict));
    }
    return ok();
}

static err run_txs(struct import *import)
{
    for (size_t i = 0; i < import->body.txs.count && import->wrong == NULL; i++) {
        struct arena scratch;
        arena_init(&scratch, EXEC_TX_BYTES_MAX + 4 * EXTERNAL_BLOCK_BYTES_MAX);
        err e = run_tx(import, i, &scratch);
        arena_free(&scratch);
        TRY(e);
    }
    return ok();
}

/* --- ommers --- */

/* Whether one of the last generations has this very ommer already. */
static err is_included(struct import *import, const struct hash *ommer, u64 from, bool *ret)
{
    *ret = false;
    for (u64 height = from; height < import->header.number && !*ret; height++) {
        struct block_body body;
        bytes encoded;
        TRY(state_view_block(import->view, STATE_BODY, height, &import->arena, &encoded));
        if (!is_ok(block_full_body_decode(&import->arena, encoded, &body))) {
            return fail(ERR_INTEGRITY);
        }
        for (size_t i = 0; i < body.ommer_count; i++) {
            struct hash hash;
            block_header_hash(&hash, &body.ommer_headers[i]);
            *ret |= hash_eq(&hash, ommer);
        }
    }
    return ok();
}

/* A header that could have stood in our chain within six generations, and does not. */
static err check_ommer(struct import *import, const struct block_header *ommer)
{
    u64 height = import->header.number;
    u64 oldest = height > OMMER_GENERATIONS ? height - OMMER_GENERATIONS : 1;
    struct block_header parent;
    struct hash hash;
    struct hash ours;
    bool included;
    import->wrong = "ommer out of range";
    if (ommer->number < oldest || ommer->number >= height) {
        return ok();
    }
    TRY(app_header(import->app, ommer->number - 1, &parent));
    const char *wrong = rules_check_header(&import->app->rules, &parent, ommer);
    if (wrong != NULL) {
        snprintf(import->text, WRONG_BYTES, "ommer: %s", wrong);
        import->wrong = import->text;
        return ok();
    }
    block_header_hash(&hash, ommer);
    TRY(state_view_block_hash(import->view, ommer->number, &ours));
    TRY(is_included(import, &hash, oldest, &included));
    import->wrong = included || hash_eq(&hash, &ours) ? "ommer that is in the chain" : NULL;
    return ok();
}

static err check_ommers(struct import *import)
{
    const struct block_body *body = &import->body;
    struct hash hash;
    struct hash first;
    block_ommers_hash(&hash, body);
    if (!hash_eq(&hash, &import->header.ommers_hash)) {
        import->wrong = "ommers hash";
        return ok();
    }
    for (size_t i = 0; i < body->ommer_count && import->wrong == NULL; i++) {
        TRY(check_ommer(import, &body->ommer_headers[i]));
    }
    if (body->ommer_count == BLOCK_OMMERS_MAX) {
        block_header_hash(&first, &body->ommer_headers[0]);
        block_header_hash(&hash, &body->ommer_headers[1]);
        import->wrong = hash_eq(&first, &hash) ? "one ommer twice" : import->wrong;
    }
    return ok();
}

/* --- the whole block --- */

static err execute(struct import *import)
{
    struct process_options options = {
        .rules = &import->app->rules,
        .header = &import->header,
        .journal = &import->journal,
        .hashes = app_hashes(import->view),
        .codes = &import->app->codes,
        .arena = &import->arena,
        .tx_cap = import->body.txs.count,
        .root = current_root,
        .root_ctx = import,
    };
    TRY(process_begin(&import->process, &options));
    TRY(run_txs(import));
    if (import->wrong == NULL) {
        TRY(process_end(&import->process, &import->body));
        import->wrong = import->process.wrong;
    }
    if (import->wrong == NULL) {
        TRY(process_check(&import->process, &import->body, &import->header, &import->wrong));
    }
    return ok();
}

static err commit(struct import *import)
{
    struct app *app = import->app;
    struct state_block block = {.tx_hashes = import->process.tx_hashes,
                                .tx_count = import->process.tx_count};
    struct state_pending *pending;
    struct hash root;
    TRY(keep_block(&import->arena, &import->header, &import->body, import->process.receipts,
                   &block));
    TRY(app_changes_prepare(app, &import->journal, &pending, &root));
    if (!hash_eq(&root, &import->header.state_root)) {
        state_pending_free(pending);
        import->wrong = "state root";
        return ok();
    }
    TRY(state_commit(app->state, pending, &block, NULL, 0));
    app->head = import->header;
    app->info.height = import->header.number;
    app->info.time_ms = import->header.time * 1000;
    app->info.app_hash = block.hash;
    app->pool.options.block_gas_limit = import->header.gas_limit;
    return app_advance_pool(app);
}

static err import_on(struct import *import, bytes raw)
{
    const struct chain_rules *rules = &import->app->rules;
    enum fork fork = rules_fork(rules, import->header.number, import->header.time);
    import->wrong = rules_check_header(rules, &import->app->head, &import->header);
    if (import->wrong == NULL && fork >= FORK_OSAKA && raw.len > OSAKA_BLOCK_BYTES_MAX) {
        import->wrong = "block larger than 8 MiB";
    }
    if (import->wrong == NULL) {
        TRY(check_ommers(import));
    }
    if (import->wrong == NULL) {
        TRY(execute(import));
    }
    return import->wrong == NULL ? commit(import) : ok();
}

/* A block at or below the head: either the same, or of another chain. */
static err check_known(struct import *import)
{
    struct hash hash;
    struct hash ours;
    block_header_hash(&hash, &import->header);
    TRY(state_view_block_hash(import->view, import->header.number, &ours));
    import->wrong = hash_eq(&hash, &ours) ? NULL : "the store has another block at this height";
    return ok();
}

static err import_decoded(struct import *import, bytes raw)
{
    struct app *app = import->app;
    TRY(state_view_open(app->state, app->info.height, &import->view));
    struct state_source source = state_view_source(import->view);
    journal_init(&import->journal, &source, APP_BLOCK_BYTES_MAX);
    err e =
        import->header.number <= app->info.height ? check_known(import) : import_on(import, raw);
    journal_free(&import->journal);
    state_view_close(import->view);
    return e;
}

/* Texts outlive the import's arena. */
static const char *lasting(struct app *app, const char *wrong)
{
    if (wrong == NULL) {
        return NULL;
    }
    snprintf(app->wrong, sizeof app->wrong, "%s", wrong);
    return app->wrong;
}

err app_import_block(struct app *app, bytes block, const char **ret_wrong)
{
    struct import import = {.app = app};
    bytes header_raw;
    assert_that(app->genesis == NULL && block.len <= EXTERNAL_BLOCK_BYTES_MAX);
    arena_init(&import.arena, APP_BLOCK_BYTES_MAX);
    import.text = arena_alloc(&import.arena, WRONG_BYTES);
    err e = import.text != NULL
                ? block_decode(&import.arena, block, &import.header, &header_raw, &import.body)
                : fail(ERR_LIMIT);
    if (is_err(e, ERR_MALFORMED)) {
        import.wrong = "malformed";
        e = ok();
    } else if (is_ok(e)) {
        e = import_decoded(&import, block);
    }
    *ret_wrong = lasting(app, import.wrong);
    arena_free(&import.arena);
    return e;
}

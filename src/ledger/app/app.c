#include "ledger/app/app.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "codec/record.h"
#include "crypto/hash.h"
#include "ledger/app/internal.h"
#include "ledger/block/kinds.h"

#define EXTENSION_VERSION 1
#define HEAD_BYTES_MAX KIB(64)

/* --- opening --- */

static err load_consensus(struct state_view *view, struct arena *arena, struct app_info *info)
{
    struct consensus_header header;
    struct certificate certificate;
    bytes part;
    TRY(state_view_block(view, STATE_CONSENSUS, info->height, arena, &part));
    err e = consensus_part_decode(part, &header, &certificate);
    if (!is_ok(e)) {
        return fail(ERR_INTEGRITY);
    }
    info->time_ms = header.time_ms;
    consensus_header_id(&info->consensus_id, &header);
    return ok();
}

static err load_head(struct app *app, struct state_view *view, struct arena *arena)
{
    struct state_head head = state_head(app->state);
    struct app_info info = {
        .chain_id = app->rules.chain_id,
        .height = head.height,
        .app_hash = head.block_hash,
    };
    struct block_header header;
    bytes encoded;
    TRY(state_view_block(view, STATE_HEADER, head.height, arena, &encoded));
    if (!is_ok(block_header_decode(encoded, &header))) {
        return fail(ERR_INTEGRITY);
    }
    info.time_ms = header.time * 1000;
    if (app->genesis != NULL) {
        info.seats = app->genesis->seats;
        info.next_seats = app->genesis->seats;
        app_params_hash(&info.params_hash, app->genesis);
        if (head.height > 0) {
            TRY(load_consensus(view, arena, &info));
        }
    }
    app->info = info;
    app->head = header;
    return ok();
}

err app_load_head(struct app *app)
{
    struct state_view *view;
    struct arena arena;
    TRY(state_view_open(app->state, state_head(app->state).height, &view));
    arena_init(&arena, HEAD_BYTES_MAX);
    err e = load_head(app, view, &arena);
    arena_free(&arena);
    state_view_close(view);
    return e;
}

err app_advance_pool(struct app *app)
{
    struct state_view *view;
    TRY(state_view_open(app->state, app->info.height, &view));
    struct state_source source = state_view_source(view);
    err e = pool_advance(&app->pool, &source, rules_base_fee(&app->rules, &app->head));
    state_view_close(view);
    return e;
}

err app_check_genesis(struct app *app)
{
    struct state_view *view;
    struct arena arena;
    bytes hash;
    TRY(state_view_open(app->state, state_head(app->state).height, &view));
    arena_init(&arena, HEAD_BYTES_MAX);
    err e = state_view_meta(view, "genesis", &arena, &hash);
    if (is_err(e, ERR_NOT_FOUND) || (is_ok(e) && !bytes_eq(hash, BYTES_OF(app->genesis_hash)))) {
        log_error("app", "the store belongs to another genesis");
        e = fail(ERR_REFUSED);
    }
    arena_free(&arena);
    state_view_close(view);
    return e;
}

static err open_chain(struct app *app)
{
    if (state_is_new(app->state)) {
        struct app_info info;
        return app_init_chain(app, app->genesis, &info);
    }
    TRY(app_check_genesis(app));
    return app_load_head(app);
}

static err open_parts(struct app *app, const struct app_options *options)
{
    struct state_options state = {.dir = options->dir,
                                  .history_blocks = options->history_blocks,
                                  .is_archive = options->is_archive,
                                  .no_sync = options->no_sync};
    TRY(genesis_parse(options->genesis, &app->genesis));
    app->rules = rules_own(app->genesis->chain_id, app->genesis->base_fee_floor);
    keccak256(&app->genesis_hash, options->genesis);
    struct pool_options pool =
        pool_options_default(app->genesis->chain_id, app->genesis->gas_limit);
    pool.tip_min = options->tip_min;
    pool_init(&app->pool, &pool);
    return state_open(&state, &app->state);
}

err app_open_store(const struct app_options *options, struct app **ret_app)
{
    struct app *app = MEM_NEW(struct app);
    struct pool_options none = {0};
    pool_init(&app->pool, &none);
    evm_codes_init(&app->codes, EVM_CODES_BYTES);
    err e = open_parts(app, options);
    if (!is_ok(e)) {
        app_close(app);
        return e;
    }
    *ret_app = app;
    return ok();
}

err app_open(const struct app_options *options, struct app **ret_app)
{
    struct app *app;
    TRY(app_open_store(options, &app));
    err e = open_chain(app);
    if (is_ok(e)) {
        e = app_advance_pool(app);
    }
    if (!is_ok(e)) {
        app_close(app);
        return e;
    }
    *ret_app = app;
    return ok();
}

void app_close(struct app *app)
{
    if (app == NULL) {
        return;
    }
    app_ready_free(&app->ready);
    pool_free(&app->pool);
    evm_codes_free(&app->codes);
    state_close(app->state);
    genesis_free(app->genesis);
    mem_free(app);
}

struct state *app_state(struct app *app) { return app->state; }
struct pool *app_pool(struct app *app) { return &app->pool; }
const struct chain_rules *app_rules(const struct app *app) { return &app->rules; }
const struct genesis *app_genesis(const struct app *app) { return app->genesis; }
struct hash app_genesis_hash(const struct app *app) { return app->genesis_hash; }
struct app_info app_info_now(const struct app *app) { return app->info; }

/* --- the rest of the table --- */

static err table_info(void *self, struct app_info *ret_info)
{
    const struct app *app = self;
    *ret_info = app->info;
    return ok();
}

struct evm_codes *app_codes(struct app *app) { return &app->codes; }

err app_submit(struct app *app, bytes raw, struct hash *ret_hash, enum tx_verdict *ret_verdict)
{
    struct state_view *view;
    TRY(state_view_open(app->state, app->info.height, &view));
    struct state_source source = state_view_source(view);
    err e = pool_add(&app->pool, &source, raw, ret_hash, ret_verdict);
    state_view_close(view);
    return e;
}

err app_admit(struct app *app, const struct pool_checked *checked, size_t count,
              enum tx_verdict *ret_verdicts)
{
    struct state_view *view;
    err e = ok();
    TRY(state_view_open(app->state, app->info.height, &view));
    struct state_source source = state_view_source(view);
    for (size_t i = 0; i < count && is_ok(e); i++) {
        e = pool_admit(&app->pool, &source, &checked[i], &ret_verdicts[i]);
    }
    state_view_close(view);
    return e;
}

static err table_check_tx(void *self, bytes raw, struct hash *ret_hash,
                          enum tx_verdict *ret_verdict)
{
    return app_submit(self, raw, ret_hash, ret_verdict);
}

/* "slot": address ‖ slot → 32 bytes. Everything else is read through JSON-RPC. */
static err query_view(struct state_view *view, const char *path, bytes data, struct arena *arena,
                      bytes *ret_value)
{
    struct address address;
    struct hash slot;
    struct word word;
    if (strcmp(path, "slot") != 0 || data.len != sizeof address.b + sizeof slot.b) {
        return fail(ERR_NOT_FOUND);
    }
    memcpy(address.b, data.data, sizeof address.b);
    memcpy(slot.b, data.data + sizeof address.b, sizeof slot.b);
    TRY(state_view_slot(view, &address, &slot, &word));
    *ret_value = arena_copy(arena, BYTES_OF(word));
    return ret_value->data != NULL ? ok() : fail(ERR_LIMIT);
}

static err table_query(void *self, const char *path, bytes data, u64 height, struct arena *arena,
                       bytes *ret_value)
{
    struct app *app = self;
    struct state_view *view;
    TRY(state_view_open(app->state, height, &view));
    err e = query_view(view, path, data, arena, ret_value);
    state_view_close(view);
    return e;
}

struct oldest {
    struct hash hashes[APP_EXTENSION_HASHES_MAX];
    size_t count;
    struct u256 base_fee;
};

static bool note_oldest(void *ctx, const struct pool_tx *tx)
{
    struct oldest *oldest = ctx;
    if (tx->is_ready && u256_cmp(tx->max_fee, oldest->base_fee) >= 0) {
        oldest->hashes[oldest->count++] = tx->hash;
    }
    return oldest->count < APP_EXTENSION_HASHES_MAX;
}

static err table_extend_vote(void *self, const struct consensus_header *header,
                             struct buf *ret_extension)
{
    const struct app *app = self;
    struct oldest oldest = {.base_fee = app->pool.base_fee};
    (void)header;
    pool_each(&app->pool, note_oldest, &oldest);
    write_head(ret_extension, KIND_VOTE_EXTENSION, EXTENSION_VERSION);
    buf_put_u8(ret_extension, (u8)oldest.count);
    for (size_t i = 0; i < oldest.count; i++) {
        write_hash(ret_extension, &oldest.hashes[i]);
    }
    return buf_done(ret_extension);
}

/* Form, bounds, and no hash twice; that the transactions exist cannot be asked of a vote. */
static bool extension_is_good(bytes extension)
{
    struct hash hashes[APP_EXTENSION_HASHES_MAX];
    struct reader reader;
    reader_init(&reader, extension);
    read_head(&reader, KIND_VOTE_EXTENSION, EXTENSION_VERSION);
    size_t count = read_u8(&reader);
    if (count > COUNT_OF(hashes)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        hashes[i] = read_hash(&reader);
        for (size_t j = 0; j < i; j++) {
            if (hash_eq(&hashes[i], &hashes[j])) {
                return false;
            }
        }
    }
    return is_ok(reader_done(&reader));
}

static err table_verify_vote_extension(void *self, const struct consensus_header *header,
                                       bytes extension, enum app_verdict *ret_verdict)
{
    (void)self;
    (void)header;
    bool good = extension.len <= APP_EXTENSION_BYTES_MAX && extension_is_good(extension);
    *ret_verdict = good ? APP_ACCEPT : APP_REJECT_HEADER;
    return ok();
}

const struct app_table *app_table(void)
{
    static const struct app_table table = {
        .info = table_info,
        .init_chain = app_init_chain,
        .query = table_query,
        .check_tx = table_check_tx,
        .prepare_proposal = app_prepare_proposal,
        .process_proposal = app_process_proposal,
        .extend_vote = table_extend_vote,
        .verify_vote_extension = table_verify_vote_extension,
        .finalize_block = app_finalize_block,
        .commit = app_commit,
    };
    return &table;
}

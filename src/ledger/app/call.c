#include "ledger/app/internal.h"

#define HEADER_BYTES_MAX KIB(64)

err app_header(struct app *app, u64 height, struct block_header *ret_header)
{
    if (height == app->info.height) {
        *ret_header = app->head;
        return ok();
    }
    struct state_view *view;
    struct arena arena;
    bytes encoded;
    if (height > app->info.height) {
        return fail(ERR_NOT_FOUND);
    }
    TRY(state_view_open(app->state, app->info.height, &view));
    arena_init(&arena, HEADER_BYTES_MAX);
    err e = state_view_block(view, STATE_HEADER, height, &arena, &encoded);
    if (is_ok(e) && !is_ok(block_header_decode(encoded, ret_header))) {
        e = fail(ERR_INTEGRITY);
    }
    arena_free(&arena);
    state_view_close(view);
    return e;
}

err app_env_of(struct app *app, u64 height, struct block_env *ret_env)
{
    struct block_header header;
    TRY(app_header(app, height, &header));
    *ret_env = rules_env(&app->rules, &header);
    return ok();
}

err app_header_after(struct app *app, u64 height, u64 time, struct block_header *ret_header)
{
    struct block_header parent;
    TRY(app_header(app, height, &parent));
    rules_next_header(&app->rules, &parent, max_u64(time, parent.time + 1), ret_header);
    if (app->genesis != NULL) {
        ret_header->gas_limit = app->genesis->gas_limit;
        ret_header->coinbase = app->info.seats.items[0];
        ret_header->prev_randao = parent.prev_randao;
    }
    return ok();
}

err app_env_after(struct app *app, u64 height, u64 time, struct block_env *ret_env)
{
    struct block_header header;
    TRY(app_header_after(app, height, time, &header));
    *ret_env = rules_env(&app->rules, &header);
    return ok();
}

static err hash_of(void *ctx, u64 height, struct hash *ret_hash)
{
    struct hash hash = {{0}};
    err e = state_view_block_hash(ctx, height, &hash);
    if (is_ok(e) || is_err(e, ERR_NOT_FOUND)) {
        *ret_hash = hash;
        return ok();
    }
    return e;
}

struct block_hashes app_hashes(struct state_view *view)
{
    return (struct block_hashes){.ctx = view, .hash = hash_of};
}

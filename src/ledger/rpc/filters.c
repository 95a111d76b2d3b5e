/* filters.c: filters that a client installs and polls. They live in memory, are named by numbers
 * that cannot be guessed, and are forgotten when nobody asks for them: first those not polled for
 * RPC_FILTER_IDLE_MS, and the longest unused one when there are too many. */
#include "base/mem.h"
#include "ledger/rpc/methods.h"

enum filter_kind { FILTER_LOGS, FILTER_BLOCKS, FILTER_PENDING };

struct rpc_filter {
    enum filter_kind kind;
    u64 id;
    u64 used_ms;
    u64 next; /* block, or position in the ring of transactions */
    struct arena arena;
    json_t *text; /* FILTER_LOGS: as given */
    struct rpc_log_filter logs;
};

static void filter_free(struct rpc_filter *filter)
{
    json_decref(filter->text);
    arena_free(&filter->arena);
    mem_free(filter);
}

void rpc_filters_free(struct rpc *rpc)
{
    map_each (entry, &rpc->filters) {
        filter_free(entry->value);
    }
    map_free(&rpc->filters);
}

void rpc_note_submitted(struct rpc *rpc, const struct hash *tx)
{
    rpc->recent[rpc->recent_count % RPC_RECENT_TXS] = *tx;
    rpc->recent_count++;
    rpc_sessions_wake(rpc);
}

static u64 now_ms(const struct rpc *rpc)
{
    return rpc->options.loop != NULL ? loop_now_ms(rpc->options.loop) : 0;
}

static void drop(struct rpc *rpc, struct rpc_filter *filter)
{
    map_remove(&rpc->filters, BYTES_OF(filter->id));
    filter_free(filter);
}

/* Entries are kept in the order of their last use. */
static void make_room(struct rpc *rpc)
{
    u64 now = now_ms(rpc);
    map_each (entry, &rpc->filters) {
        struct rpc_filter *filter = entry->value;
        bool idle = now - filter->used_ms > RPC_FILTER_IDLE_MS;
        if (!idle && rpc->filters.count < RPC_FILTERS_MAX) {
            return;
        }
        drop(rpc, filter);
    }
}

static void touch(struct rpc *rpc, struct rpc_filter *filter)
{
    filter->used_ms = now_ms(rpc);
    map_remove(&rpc->filters, BYTES_OF(filter->id));
    map_put(&rpc->filters, BYTES_OF(filter->id), filter);
}

static u64 new_id(struct rpc *rpc)
{
    u64 id = ++rpc->next_filter;
    while (rpc->options.loop != NULL) {
        loop_random(rpc->options.loop, &id, sizeof id);
        if (id != 0 && map_get(&rpc->filters, BYTES_OF(id)) == NULL) {
            break;
        }
    }
    return id;
}

static struct rpc_filter *filter_new(enum filter_kind kind)
{
    struct rpc_filter *filter = MEM_NEW(struct rpc_filter);
    filter->kind = kind;
    arena_init(&filter->arena, RPC_FILTER_BYTES_MAX);
    return filter;
}

static json_t *install(struct rpc *rpc, struct rpc_filter *filter)
{
    make_room(rpc);
    filter->id = new_id(rpc);
    touch(rpc, filter);
    return json_quantity(filter->id);
}

json_t *rpc_new_filter(struct rpc_request *r)
{
    struct rpc_filter *filter = filter_new(FILTER_LOGS);
    const json_t *text = rpc_param(r, 0);
    if (text != NULL) {
        filter->text = json_deep_copy(text);
    }
    if (!rpc_read_log_filter(r, filter->text, &filter->arena, &filter->logs)) {
        filter_free(filter);
        return NULL;
    }
    filter->next = rpc_head(r) + 1;
    return install(r->rpc, filter);
}

json_t *rpc_new_block_filter(struct rpc_request *r)
{
    struct rpc_filter *filter = filter_new(FILTER_BLOCKS);
    filter->next = rpc_head(r) + 1;
    return install(r->rpc, filter);
}

json_t *rpc_new_pending_filter(struct rpc_request *r)
{
    struct rpc_filter *filter = filter_new(FILTER_PENDING);
    filter->next = r->rpc->recent_count;
    return install(r->rpc, filter);
}

/* The filter that parameter 0 names. */
static struct rpc_filter *find_filter(struct rpc_request *r)
{
    u64 id;
    if (!rpc_read_quantity(r, 0, &id)) {
        return NULL;
    }
    struct rpc_filter *filter = map_get(&r->rpc->filters, BYTES_OF(id));
    if (filter == NULL) {
        rpc_refuse(r, RPC_SERVER, "filter not found");
        return NULL;
    }
    touch(r->rpc, filter);
    return filter;
}

json_t *rpc_uninstall_filter(struct rpc_request *r)
{
    u64 id;
    if (!rpc_read_quantity(r, 0, &id)) {
        return NULL;
    }
    struct rpc_filter *filter = map_get(&r->rpc->filters, BYTES_OF(id));
    if (filter != NULL) {
        drop(r->rpc, filter);
    }
    return json_boolean(filter != NULL);
}

/* --- changes --- */

/* New logs inside the filter's own range, if it named one. */
static bool new_logs(struct rpc_request *r, const struct rpc_filter *filter, u64 from, u64 to,
                     json_t *array)
{
    u64 bound;
    if (filter->logs.has_hash) {
        return true; /* nothing new can come */
    }
    if (json_read_quantity(filter->logs.from, &bound)) {
        from = max_u64(from, bound);
    }
    if (json_read_quantity(filter->logs.to, &bound)) {
        to = min_u64(to, bound);
    }
    return from > to || rpc_find_logs(r, &filter->logs, from, to, array);
}

static bool new_blocks(struct rpc_request *r, u64 from, u64 to, json_t *array)
{
    struct state_view *view = rpc_chain_view(r);
    if (view == NULL) {
        return false;
    }
    for (u64 height = from; height <= to; height++) {
        struct hash hash;
        if (!rpc_fine(r, state_view_block_hash(view, height, &hash))) {
            return false;
        }
        json_array_append_new(array, rpc_json_hash(&hash));
    }
    return true;
}

static void new_pending(struct rpc *rpc, struct rpc_filter *filter, json_t *array)
{
    if (rpc->recent_count > RPC_RECENT_TXS) {
        filter->next = max_u64(filter->next, rpc->recent_count - RPC_RECENT_TXS);
    }
    for (; filter->next < rpc->recent_count; filter->next++) {
        const struct hash *hash = &rpc->recent[filter->next % RPC_RECENT_TXS];
        json_array_append_new(array, rpc_json_hash(hash));
    }
}

static bool changes(struct rpc_request *r, struct rpc_filter *filter, json_t *array)
{
    u64 from = filter->next;
    u64 to = min_u64(rpc_head(r), from + RPC_LOG_BLOCKS_MAX - 1);
    bool fine = true;
    switch (filter->kind) {
    case FILTER_PENDING:
        new_pending(r->rpc, filter, array);
        return true;
    case FILTER_LOGS:
        fine = from > to || new_logs(r, filter, from, to, array);
        break;
    case FILTER_BLOCKS:
        fine = from > to || new_blocks(r, from, to, array);
        break;
    }
    if (fine && to >= from) {
        filter->next = to + 1;
    }
    return fine;
}

json_t *rpc_filter_changes(struct rpc_request *r)
{
    struct rpc_filter *filter = find_filter(r);
    if (filter == NULL) {
        return NULL;
    }
    json_t *array = json_array();
    if (!changes(r, filter, array)) {
        json_decref(array);
        return NULL;
    }
    return array;
}

json_t *rpc_filter_logs(struct rpc_request *r)
{
    struct rpc_filter *filter = find_filter(r);
    if (filter == NULL) {
        return NULL;
    }
    if (filter->kind != FILTER_LOGS) {
        return rpc_refuse(r, RPC_SERVER, "filter not found");
    }
    return rpc_filtered_logs(r, &filter->logs);
}

/* view.c: module records by proof.
 *
 * A cache per account holds slots that were proven under one storage root. When the root moves, the
 * cache is emptied; while it stays (most modules, most blocks), a read costs nothing. A view runs the
 * caller's function over the cache; slots that it misses are collected and fetched by one
 * eth_getProof per account, then the function runs again, until it misses none.
 */
#include "chain/internal.h"

#include "base/log.h"
#include "base/mem.h"
#include "ledger/exec/account.h"
#include "ledger/exec/proof.h"

#include <stdio.h>

#define SLOTS_PER_FETCH_MAX 256
#define VIEW_ROUNDS_MAX 64
#define VIEW_MISSES_MAX 1024
#define CACHED_SLOTS_MAX 65536

struct storage_cache {
    struct address account;
    u64 height;       /* of the head at which root was proven */
    struct hash root; /* of the storage trie */
    struct map slots; /* slot → struct word */
};

/* What one run of a view asked for in vain. A stale cache is refreshed by asking for no slot. */
struct view_miss {
    struct storage_cache *cache;
    struct hash slot;
    bool refresh_only;
};

struct view_run {
    struct chain *chain;
    struct view_miss misses[VIEW_MISSES_MAX];
    size_t miss_count;
};

static void cache_clear(struct storage_cache *cache)
{
    map_each (entry, &cache->slots) {
        mem_free(entry->value);
    }
    map_free(&cache->slots);
}

void chain_storages_free(struct chain *chain)
{
    map_each (entry, &chain->storages) {
        cache_clear(entry->value);
        mem_free(entry->value);
    }
    map_free(&chain->storages);
}

static struct storage_cache *cache_of(struct chain *chain, const struct address *account)
{
    struct storage_cache *cache = map_get(&chain->storages, BYTES_OF(*account));
    if (cache == NULL) {
        cache = MEM_NEW(struct storage_cache);
        cache->account = *account;
        cache->height = UINT64_MAX;
        map_init(&cache->slots);
        map_put(&chain->storages, BYTES_OF(*account), cache);
    }
    return cache;
}

static void note_miss(struct view_run *run, const struct view_miss *miss)
{
    for (size_t i = 0; i < run->miss_count; i++) {
        const struct view_miss *m = &run->misses[i];
        if (m->cache == miss->cache && m->refresh_only == miss->refresh_only &&
            (miss->refresh_only || hash_eq(&m->slot, &miss->slot))) {
            return;
        }
    }
    if (run->miss_count < VIEW_MISSES_MAX) {
        run->misses[run->miss_count++] = *miss;
    }
}

/* Answers ERR_BUSY for a slot that is not proven at this head, and remembers it for the fetch. */
static err load_cached(void *ctx, const struct address *account, const struct hash *slot,
                       struct word *ret_word)
{
    struct view_run *run = ctx;
    struct storage_cache *cache = cache_of(run->chain, account);
    const struct word *word = map_get(&cache->slots, BYTES_OF(*slot));
    if (cache->height == run->chain->head.height && word != NULL) {
        *ret_word = *word;
        return ok();
    }
    note_miss(run, &(struct view_miss){
                       .cache = cache, .slot = *slot, .refresh_only = word != NULL});
    return fail(ERR_BUSY);
}

/* A proof as JSON array of hex strings into pointers to bytes. */
static err read_nodes(const json_t *array, struct arena *arena, bytes nodes[PROOF_NODES_MAX],
                      size_t *ret_count)
{
    size_t count = json_array_size(array);
    if (!json_is_array(array) || count > PROOF_NODES_MAX) {
        return fail(ERR_MALFORMED);
    }
    for (size_t i = 0; i < count; i++) {
        if (!json_read_data(json_array_get(array, i), arena, &nodes[i])) {
            return fail(ERR_MALFORMED);
        }
    }
    *ret_count = count;
    return ok();
}

static err prove_account(const struct chain_head *head, const struct address *address,
                         const json_t *answer, struct arena *arena, struct account *ret_account,
                         struct hash *ret_root)
{
    bytes nodes[PROOF_NODES_MAX];
    size_t count;
    TRY(read_nodes(json_object_get(answer, "accountProof"), arena, nodes, &count));
    enum proof_verdict verdict =
        proof_account(&head->state_root, address, nodes, count, ret_account, ret_root);
    return verdict == PROOF_INVALID ? fail(ERR_INTEGRITY) : ok();
}

static err prove_slot(const struct hash *root, const struct hash *slot, const json_t *item,
                      struct arena *arena, struct word *ret_word)
{
    bytes nodes[PROOF_NODES_MAX];
    size_t count;
    TRY(read_nodes(json_object_get(item, "proof"), arena, nodes, &count));
    enum proof_verdict verdict = proof_slot(root, slot, nodes, count, ret_word);
    return verdict == PROOF_INVALID ? fail(ERR_INTEGRITY) : ok();
}

static err store_proof(struct storage_cache *cache, const struct chain_head *head,
                       const json_t *answer, const struct hash *asked, size_t asked_count,
                       struct arena *arena)
{
    struct account account;
    struct hash root;
    TRY(prove_account(head, &cache->account, answer, arena, &account, &root));
    if (!hash_eq(&root, &cache->root) || cache->slots.count > CACHED_SLOTS_MAX) {
        cache_clear(cache);
        cache->root = root;
    }
    cache->height = head->height;
    const json_t *items = json_object_get(answer, "storageProof");
    if (json_array_size(items) != asked_count) {
        return fail(ERR_MALFORMED);
    }
    for (size_t i = 0; i < asked_count; i++) {
        struct word word;
        TRY(prove_slot(&root, &asked[i], json_array_get(items, i), arena, &word));
        struct word *kept = MEM_NEW(struct word);
        *kept = word;
        mem_free(map_put(&cache->slots, BYTES_OF(asked[i]), kept));
    }
    return ok();
}

static json_t *proof_params(const struct address *account, const struct hash *slots, size_t count,
                            u64 height)
{
    json_t *keys = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(keys, json_data(BYTES_OF(slots[i])));
    }
    return json_pack("[o, o, o]", json_data(BYTES_OF(*account)), keys, json_quantity(height));
}

/* Fetches some slots (maybe none) of one account at `head`. */
static err fetch(struct chain *chain, struct storage_cache *cache, const struct chain_head *head,
                 const struct hash *slots, size_t count, u64 deadline_ms)
{
    json_t *answer;
    struct rpc_error error;
    err e = rpc_call(&chain->rpc, "eth_getProof",
                     proof_params(&cache->account, slots, count, head->height), deadline_ms, &error,
                     &answer);
    if (is_err(e, ERR_REFUSED)) {
        log_debug("chain", "eth_getProof at %llu: %s", (unsigned long long)head->height,
                  error.message);
        return fail(ERR_BUSY); /* the node no longer has that height: try a newer head */
    }
    TRY(e);
    struct arena arena;
    arena_init(&arena, RPC_ANSWER_BYTES_MAX);
    e = store_proof(cache, head, answer, slots, count, &arena);
    arena_free(&arena);
    json_decref(answer);
    if (is_err(e, ERR_INTEGRITY) || is_err(e, ERR_MALFORMED)) {
        log_warn("chain", "a ledger node served a proof that does not check");
        cache_clear(cache);
        return fail(ERR_INTEGRITY);
    }
    return e;
}

/* One call per account: all of its slots that the run missed. */
static err fetch_misses(struct view_run *run, const struct chain_head *head, u64 deadline_ms)
{
    struct hash slots[SLOTS_PER_FETCH_MAX];
    for (size_t i = 0; i < run->miss_count; i++) {
        struct storage_cache *cache = run->misses[i].cache;
        if (cache == NULL) {
            continue; /* fetched with an earlier one */
        }
        size_t count = 0;
        for (size_t j = i; j < run->miss_count; j++) {
            struct view_miss *miss = &run->misses[j];
            if (miss->cache == cache && (miss->refresh_only || count < SLOTS_PER_FETCH_MAX)) {
                slots[count] = miss->slot;
                count += !miss->refresh_only;
                miss->cache = NULL;
            }
        }
        TRY(fetch(run->chain, cache, head, slots, count, deadline_ms));
    }
    return ok();
}

/* Runs the function at the head of this moment. ERR_BUSY: the head moved on, try again. */
static err view_once(struct view_run *run, chain_view_fn *fn, void *ctx, u64 deadline_ms)
{
    const struct slot_source source = {.ctx = run, .load = load_cached};
    for (unsigned round = 0; round < VIEW_ROUNDS_MAX; round++) {
        const struct chain_head head = run->chain->head;
        run->miss_count = 0;
        err e = fn(ctx, &source);
        if (!is_err(e, ERR_BUSY) || run->miss_count == 0) {
            return e;
        }
        TRY(fetch_misses(run, &head, deadline_ms));
    }
    return fail(ERR_LIMIT);
}

err chain_view(struct chain *chain, chain_view_fn *fn, void *ctx, u64 deadline_ms)
{
    struct view_run *run = MEM_NEW(struct view_run);
    run->chain = chain;
    err e = view_once(run, fn, ctx, deadline_ms);
    while (is_err(e, ERR_BUSY)) {
        e = chain_wait(chain, chain->head.height, deadline_ms);
        if (is_ok(e)) {
            e = view_once(run, fn, ctx, deadline_ms);
        }
    }
    mem_free(run);
    return e;
}

/* prove: an account as of the head. */
static err prove(struct chain *chain, const struct address *account, u64 deadline_ms,
                 struct account *ret_account)
{
    const struct chain_head head = chain->head;
    json_t *answer;
    TRY(rpc_call(&chain->rpc, "eth_getProof", proof_params(account, NULL, 0, head.height),
                 deadline_ms, NULL, &answer));
    struct arena arena;
    struct hash root;
    arena_init(&arena, MIB(1));
    err e = prove_account(&head, account, answer, &arena, ret_account, &root);
    arena_free(&arena);
    json_decref(answer);
    return e;
}

err chain_balance(struct chain *chain, const struct address *account, struct u256 *ret_wei,
                  u64 deadline_ms)
{
    struct account found;
    TRY(prove(chain, account, deadline_ms, &found));
    *ret_wei = found.balance;
    return ok();
}

err chain_nonce(struct chain *chain, const struct address *account, u64 *ret_nonce, u64 deadline_ms)
{
    struct account found;
    TRY(prove(chain, account, deadline_ms, &found));
    *ret_nonce = found.nonce;
    return ok();
}

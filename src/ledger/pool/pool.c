#include "ledger/pool/pool.h"

#include "base/assert.h"
#include "base/mem.h"
#include "ledger/pool/internal.h"

#define BUMP_PERCENT 10u       /* a replacement pays at least this much more */
#define CODE_BYTES_MAX KIB(64) /* of an account; EIP-170 has less */

struct pool_options pool_options_default(u64 chain_id, u64 block_gas_limit)
{
    return (struct pool_options){
        .txs_max = 32768,
        .bytes_max = MIB(64),
        .account_txs_max = 64,
        .account_queued_max = 32,
        .queued_blocks_max = 1800,
        .chain_id = chain_id,
        .block_gas_limit = block_gas_limit,
    };
}

void pool_init(struct pool *pool, const struct pool_options *options)
{
    *pool = (struct pool){.options = *options};
    map_init(&pool->by_hash);
    map_init(&pool->by_sender);
    map_init(&pool->authorities);
    list_init(&pool->oldest);
}

void pool_free(struct pool *pool)
{
    map_each (it, &pool->by_sender) {
        struct pool_account *account = it->value;
        list_for_safe (node, &account->txs) {
            entry_remove(pool, account, entry_by_nonce(node));
        }
        mem_free(account);
    }
    assert_that(pool->bytes == 0 && pool->authorities.count == 0);
    map_free(&pool->by_hash);
    map_free(&pool->by_sender);
    map_free(&pool->authorities);
    mem_free(pool->weakest);
    pool->weakest = NULL;
    pool->weakest_count = pool->weakest_cap = 0;
}

/* --- what the state says --- */

/* A checked transaction on its way in, with what the state says of its sender. */
struct candidate {
    const struct pool_checked *in;
    struct account account;
    bool is_delegated; /* the sender's code is a delegation */
};

static bool price_at_least(struct u256 fee, struct u256 old, u64 percent)
{
    struct u256 left;
    struct u256 right;
    return u256_mul_u64(&left, fee, 100) && u256_mul_u64(&right, old, 100 + percent) &&
           u256_cmp(left, right) >= 0;
}

/* Whether the balance covers this and everything else of the account that would stay. */
static bool funds_suffice(const struct pool_account *account, const struct candidate *candidate)
{
    struct u256 sum = candidate->in->cost;
    if (account != NULL) {
        list_for (node, &account->txs) {
            const struct pool_tx *tx = &entry_by_nonce(node)->tx;
            if (tx->nonce != candidate->in->tx.nonce && !u256_add(&sum, sum, tx->cost)) {
                return false;
            }
        }
    }
    return u256_cmp(sum, candidate->account.balance) <= 0;
}

static err look_at_code(const struct state_source *source, struct candidate *candidate)
{
    struct arena arena;
    struct address target;
    bytes code;
    if (!account_has_code(&candidate->account)) {
        return ok();
    }
    arena_init(&arena, CODE_BYTES_MAX);
    err e = source->code(source->ctx, &candidate->account.code_hash, &arena, &code);
    if (is_ok(e)) {
        candidate->is_delegated = code_delegation(code, &target);
    }
    arena_free(&arena);
    return e;
}

static err check_state(const struct pool *pool, const struct state_source *source,
                       struct candidate *candidate, enum tx_verdict *ret_verdict)
{
    const struct tx *tx = &candidate->in->tx;
    TRY(source->account(source->ctx, &candidate->in->sender, &candidate->account));
    TRY(look_at_code(source, candidate));
    u64 ahead = tx->nonce - candidate->account.nonce;
    if (tx->nonce < candidate->account.nonce) {
        *ret_verdict = TX_NONCE_TOO_LOW;
    } else if (ahead >= pool->options.account_txs_max) {
        *ret_verdict = TX_NONCE_TOO_HIGH;
    } else if (account_has_code(&candidate->account) && !candidate->is_delegated) {
        *ret_verdict = TX_SENDER_HAS_CODE;
    } else {
        const struct pool_account *account =
            map_get(&pool->by_sender, BYTES_OF(candidate->in->sender));
        *ret_verdict = funds_suffice(account, candidate) ? TX_VALID : TX_INSUFFICIENT_FUNDS;
    }
    return ok();
}

/* --- limits --- */

/* At most one transaction of an account that delegates, or is about to; none behind a gap. */
static enum tx_verdict check_delegated(const struct pool *pool, const struct candidate *candidate,
                                       const struct pool_account *account)
{
    bool may_delegate = candidate->is_delegated ||
                        map_get(&pool->authorities, BYTES_OF(candidate->in->sender)) != NULL;
    if (!may_delegate || account_find(account, candidate->in->tx.nonce) != NULL) {
        return TX_VALID;
    }
    if (account->count > 0) {
        return TX_DELEGATED_LIMIT;
    }
    return candidate->in->tx.nonce == account->nonce ? TX_VALID : TX_DELEGATED_GAP;
}

/* No delegation for an account of which more than one transaction waits. */
static enum tx_verdict check_authorities(const struct pool *pool, const struct candidate *candidate)
{
    for (size_t i = 0; i < candidate->in->authority_count; i++) {
        const struct pool_account *account =
            map_get(&pool->by_sender, BYTES_OF(candidate->in->authorities[i]));
        if (account != NULL && account->count > 1) {
            return TX_AUTHORITY_RESERVED;
        }
    }
    return TX_VALID;
}

static enum tx_verdict check_limits(const struct pool *pool, const struct candidate *candidate,
                                    const struct pool_account *account,
                                    const struct pool_entry *old)
{
    const struct tx *tx = &candidate->in->tx;
    const struct pool_options *options = &pool->options;
    bool is_ready = tx->nonce - account->nonce <= account->ready;
    if (old != NULL) {
        bool pays = price_at_least(tx->max_fee, old->tx.max_fee, BUMP_PERCENT) &&
                    price_at_least(tx->max_priority, old->tx.max_priority, BUMP_PERCENT);
        if (!pays) {
            return TX_REPLACEMENT_UNDERPRICED;
        }
    } else if (account->count >= options->account_txs_max ||
               (!is_ready && account->count - account->ready >= options->account_queued_max)) {
        return TX_ACCOUNT_LIMIT;
    }
    enum tx_verdict verdict = check_delegated(pool, candidate, account);
    return verdict == TX_VALID ? check_authorities(pool, candidate) : verdict;
}

/* --- room --- */

/* Transactions that go if the candidate gets in. */
struct eviction {
    struct pool_entry **entries;
    size_t count;
    size_t cap;
    size_t freed_count; /* with the one that is replaced */
    size_t freed_bytes;
};

static void evict(struct pool *pool, struct eviction *eviction, struct pool_account *account)
{
    struct pool_entry *entry = entry_by_nonce(account->txs.prev);
    if (eviction->count == eviction->cap) {
        eviction->cap = eviction->cap != 0 ? 2 * eviction->cap : 16;
        eviction->entries =
            mem_resize(eviction->entries, eviction->cap * sizeof *eviction->entries);
    }
    eviction->entries[eviction->count++] = entry;
    eviction->freed_count++;
    eviction->freed_bytes += entry->memory_bytes;
    entry_detach(account, entry);
    account_settle(pool, account);
}

/* All of them end, or all go back to where they were. */
static void eviction_finish(struct pool *pool, struct eviction *eviction, bool is_done)
{
    while (eviction->count > 0) {
        struct pool_entry *entry = eviction->entries[--eviction->count];
        struct pool_account *account = account_of(pool, &entry->tx.sender);
        if (is_done) {
            entry_end(pool, entry);
        } else {
            account_insert(account, entry);
        }
        account_settle_or_free(pool, account);
    }
    mem_free(eviction->entries);
}

static struct pool_worth candidate_worth(const struct pool *pool, const struct candidate *candidate,
                                         const struct pool_account *account)
{
    const struct tx *tx = &candidate->in->tx;
    struct pool_worth worth = pool_worth_begin();
    list_for (node, &account->txs) {
        const struct pool_tx *before = &entry_by_nonce(node)->tx;
        if (before->nonce < tx->nonce) {
            pool_worth_add(pool, &worth, before->max_fee, before->max_priority);
        }
    }
    pool_worth_add(pool, &worth, tx->max_fee, tx->max_priority);
    worth.is_ready = tx->nonce - account->nonce <= account->ready;
    worth.arrival = pool->arrivals;
    return worth;
}

static bool has_room(const struct pool *pool, const struct eviction *eviction, size_t bytes_more)
{
    return pool->by_hash.count - eviction->freed_count < pool->options.txs_max &&
           pool->bytes - eviction->freed_bytes + bytes_more <= pool->options.bytes_max;
}

/* Evicts what is worth less until the candidate fits; false: it does not, and nothing is gone. */
static bool make_room(struct pool *pool, const struct candidate *candidate,
                      const struct pool_account *account, const struct pool_entry *old)
{
    struct eviction eviction = {.freed_count = old != NULL,
                                .freed_bytes = old != NULL ? old->memory_bytes : 0};
    struct pool_worth worth = candidate_worth(pool, candidate, account);
    size_t bytes_more = entry_memory(candidate->in);
    bool fits;
    while (!(fits = has_room(pool, &eviction, bytes_more))) {
        struct pool_account *victim = weakest_but(pool, account);
        if (victim == NULL || !pool_worth_less(&victim->worth, &worth)) {
            break;
        }
        evict(pool, &eviction, victim);
    }
    eviction_finish(pool, &eviction, fits);
    return fits;
}

/* --- adding --- */

/* Limits, replacement and room; then the candidate is in. */
static enum tx_verdict admit(struct pool *pool, const struct candidate *candidate)
{
    struct pool_account *account = account_of(pool, &candidate->in->sender);
    account->nonce = candidate->account.nonce;
    account_settle(pool, account);
    struct pool_entry *old = account_find(account, candidate->in->tx.nonce);
    enum tx_verdict verdict = check_limits(pool, candidate, account, old);
    if (verdict == TX_VALID && !make_room(pool, candidate, account, old)) {
        verdict = TX_POOL_FULL;
    }
    if (verdict == TX_VALID) {
        if (old != NULL) {
            entry_remove(pool, account, old);
        }
        account_insert(account, entry_new(pool, candidate->in));
    }
    account_settle_or_free(pool, account);
    return verdict;
}

err pool_admit(struct pool *pool, const struct state_source *source,
               const struct pool_checked *checked, enum tx_verdict *ret_verdict)
{
    struct candidate candidate = {.in = checked};
    if (map_get(&pool->by_hash, BYTES_OF(checked->hash)) != NULL) {
        *ret_verdict = TX_ALREADY_KNOWN;
        return ok();
    }
    enum tx_verdict verdict;
    TRY(check_state(pool, source, &candidate, &verdict));
    *ret_verdict = verdict == TX_VALID ? admit(pool, &candidate) : verdict;
    return ok();
}

err pool_add(struct pool *pool, const struct state_source *source, bytes raw, struct hash *ret_hash,
             enum tx_verdict *ret_verdict)
{
    struct pool_checked checked;
    struct arena arena;
    tx_hash(ret_hash, raw);
    if (map_get(&pool->by_hash, BYTES_OF(*ret_hash)) != NULL) {
        *ret_verdict = TX_ALREADY_KNOWN;
        return ok();
    }
    arena_init(&arena, POOL_CHECK_BYTES);
    *ret_verdict = pool_check(&pool->options, &arena, raw, &checked);
    err e = *ret_verdict == TX_VALID ? pool_admit(pool, source, &checked, ret_verdict) : ok();
    arena_free(&arena);
    return e;
}

/* --- after a block --- */

static bool has_waited_long(const struct pool *pool, const struct pool_entry *entry)
{
    return !entry->tx.is_ready &&
           pool->blocks - entry->queued_since > pool->options.queued_blocks_max;
}

static void account_prune(struct pool *pool, struct pool_account *account,
                          const struct account *now)
{
    account->nonce = now->nonce;
    list_for_safe (node, &account->txs) {
        struct pool_entry *entry = entry_by_nonce(node);
        if (entry->tx.nonce < now->nonce || u256_cmp(entry->tx.cost, now->balance) > 0 ||
            has_waited_long(pool, entry)) {
            entry_remove(pool, account, entry);
        }
    }
}

err pool_advance(struct pool *pool, const struct state_source *source, struct u256 base_fee)
{
    pool->base_fee = base_fee;
    pool->blocks++;
    map_each (it, &pool->by_sender) {
        struct pool_account *account = it->value;
        struct account now;
        TRY(source->account(source->ctx, &account->address, &now));
        account_prune(pool, account, &now);
        account_settle_or_free(pool, account);
    }
    return ok();
}

void pool_drop(struct pool *pool, const struct hash *hash)
{
    struct pool_entry *entry = map_get(&pool->by_hash, BYTES_OF(*hash));
    if (entry != NULL) {
        struct pool_account *account = account_of(pool, &entry->tx.sender);
        entry_remove(pool, account, entry);
        account_settle_or_free(pool, account);
    }
}

/* --- looking --- */

const struct pool_tx *pool_get(const struct pool *pool, const struct hash *hash)
{
    const struct pool_entry *entry = map_get(&pool->by_hash, BYTES_OF(*hash));
    return entry != NULL ? &entry->tx : NULL;
}

bool pool_next_nonce(const struct pool *pool, const struct address *sender, u64 *ret_nonce)
{
    const struct pool_account *account = map_get(&pool->by_sender, BYTES_OF(*sender));
    if (account == NULL || account->ready == 0) {
        return false;
    }
    *ret_nonce = account->nonce + account->ready;
    return true;
}

void pool_counts(const struct pool *pool, size_t *ret_ready, size_t *ret_queued)
{
    *ret_ready = pool->ready_count;
    *ret_queued = pool->by_hash.count - pool->ready_count;
}

void pool_each(const struct pool *pool, bool (*fn)(void *ctx, const struct pool_tx *tx), void *ctx)
{
    list_for (node, &pool->oldest) {
        if (!fn(ctx, &list_entry(node, struct pool_entry, by_arrival)->tx)) {
            return;
        }
    }
}

/* False: fn has had enough. */
static bool each_of(const struct pool_account *account,
                    bool (*fn)(void *ctx, const struct pool_tx *tx), void *ctx)
{
    list_for (node, &account->txs) {
        if (!fn(ctx, &entry_by_nonce(node)->tx)) {
            return false;
        }
    }
    return true;
}

void pool_each_of(const struct pool *pool, const struct address *sender,
                  bool (*fn)(void *ctx, const struct pool_tx *tx), void *ctx)
{
    const struct pool_account *account = map_get(&pool->by_sender, BYTES_OF(*sender));
    if (account != NULL) {
        (void)each_of(account, fn, ctx);
    }
}

void pool_each_by_sender(const struct pool *pool, bool (*fn)(void *ctx, const struct pool_tx *tx),
                         void *ctx)
{
    map_each (it, &pool->by_sender) {
        if (!each_of(it->value, fn, ctx)) {
            return;
        }
    }
}

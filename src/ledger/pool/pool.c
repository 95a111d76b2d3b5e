#include "ledger/pool/pool.h"

#include "base/assert.h"
#include "base/mem.h"
#include "ledger/exec/native.h"

#define BUMP_PERCENT 10u /* a replacement pays at least this much more */

struct pool_entry {
    struct pool_tx tx;
    struct list by_arrival;
    struct list by_nonce;
    u8 raw[];
};

struct pool_account {
    struct address address;
    u64 nonce; /* of the state */
    struct list txs;
    size_t count;
    size_t ready;
};

struct pool_options pool_options_default(u64 chain_id, u64 block_gas_limit)
{
    return (struct pool_options){
        .txs_max = 32768,
        .bytes_max = MIB(64),
        .account_txs_max = 64,
        .account_queued_max = 32,
        .chain_id = chain_id,
        .block_gas_limit = block_gas_limit,
    };
}

void pool_init(struct pool *pool, const struct pool_options *options)
{
    *pool = (struct pool){.options = *options};
    map_init(&pool->by_hash);
    map_init(&pool->by_sender);
    list_init(&pool->oldest);
}

static struct pool_entry *entry_by_nonce(struct list *node)
{
    return list_entry(node, struct pool_entry, by_nonce);
}

static void account_free(struct pool *pool, struct pool_account *account)
{
    assert_that(account->count == 0);
    map_remove(&pool->by_sender, BYTES_OF(account->address));
    mem_free(account);
}

/* Takes an entry out; the caller sees to the account's readiness. */
static void entry_remove(struct pool *pool, struct pool_account *account, struct pool_entry *entry)
{
    map_remove(&pool->by_hash, BYTES_OF(entry->tx.hash));
    list_remove(&entry->by_arrival);
    list_remove(&entry->by_nonce);
    pool->bytes -= entry->tx.raw.len;
    account->count--;
    mem_free(entry);
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
    map_free(&pool->by_hash);
    map_free(&pool->by_sender);
}

/* --- accounts --- */

static struct pool_account *account_of(struct pool *pool, const struct address *address)
{
    struct pool_account *account = map_get(&pool->by_sender, BYTES_OF(*address));
    if (account == NULL) {
        account = MEM_NEW(struct pool_account);
        account->address = *address;
        list_init(&account->txs);
        map_put(&pool->by_sender, BYTES_OF(*address), account);
    }
    return account;
}

/* Finds out anew which transactions follow the account's nonce without a gap. */
static void account_settle(struct pool *pool, struct pool_account *account)
{
    pool->ready_count -= account->ready;
    account->ready = 0;
    list_for (node, &account->txs) {
        struct pool_entry *entry = entry_by_nonce(node);
        entry->tx.is_ready = entry->tx.nonce - account->nonce == account->ready;
        account->ready += entry->tx.is_ready;
    }
    pool->ready_count += account->ready;
}

static void account_settle_or_free(struct pool *pool, struct pool_account *account)
{
    account_settle(pool, account);
    if (account->count == 0) {
        account_free(pool, account);
    }
}

static struct pool_entry *account_find(const struct pool_account *account, u64 nonce)
{
    list_for (node, &account->txs) {
        if (entry_by_nonce(node)->tx.nonce == nonce) {
            return entry_by_nonce(node);
        }
    }
    return NULL;
}

static void account_insert(struct pool_account *account, struct pool_entry *entry)
{
    struct list *after = account->txs.prev;
    while (after != &account->txs && entry_by_nonce(after)->tx.nonce > entry->tx.nonce) {
        after = after->prev;
    }
    list_push_front(after, &entry->by_nonce);
    account->count++;
}

/* --- adding --- */

/* A checked transaction on its way in, with what the state says of its sender. */
struct candidate {
    const struct pool_checked *in;
    struct account account;
};

static bool price_at_least(struct u256 fee, struct u256 old, u64 percent)
{
    struct u256 left;
    struct u256 right;
    return u256_mul_u64(&left, fee, 100) && u256_mul_u64(&right, old, 100 + percent) &&
           u256_cmp(left, right) >= 0;
}

enum tx_verdict pool_check(const struct pool_options *options, struct arena *arena, bytes raw,
                           struct pool_checked *ret_checked)
{
    struct pool_checked checked = {.raw = raw};
    enum tx_verdict verdict = tx_decode(arena, raw, &checked.tx);
    tx_hash(&checked.hash, raw);
    ret_checked->hash = checked.hash;
    if (verdict != TX_VALID) {
        return verdict;
    }
    if (!checked.tx.has_chain_id) {
        return TX_UNPROTECTED;
    }
    struct tx_rules rules = tx_rules_ours(options->chain_id, options->block_gas_limit);
    verdict = tx_check(&checked.tx, &rules);
    if (verdict != TX_VALID) {
        return verdict;
    }
    if (u256_cmp(checked.tx.max_priority, options->tip_min) < 0) {
        return TX_UNDERPRICED;
    }
    if (!tx_cost(&checked.tx, &checked.cost)) {
        return TX_INSUFFICIENT_FUNDS;
    }
    if (!tx_sender(&checked.tx, &checked.sender)) {
        return TX_SIGNATURE_INVALID;
    }
    *ret_checked = checked;
    return TX_VALID;
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

static err check_state(const struct pool *pool, const struct state_source *source,
                       struct candidate *candidate, enum tx_verdict *ret_verdict)
{
    TRY(source->account(source->ctx, &candidate->in->sender, &candidate->account));
    u64 ahead = candidate->in->tx.nonce - candidate->account.nonce;
    if (candidate->in->tx.nonce < candidate->account.nonce) {
        *ret_verdict = TX_NONCE_TOO_LOW;
    } else if (ahead >= pool->options.account_txs_max) {
        *ret_verdict = TX_NONCE_TOO_HIGH;
    } else if (account_has_code(&candidate->account)) {
        *ret_verdict = TX_SENDER_HAS_CODE;
    } else {
        const struct pool_account *account =
            map_get(&pool->by_sender, BYTES_OF(candidate->in->sender));
        *ret_verdict = funds_suffice(account, candidate) ? TX_VALID : TX_INSUFFICIENT_FUNDS;
    }
    return ok();
}

/* A transaction is worth less than another if it pays a smaller tip; queued ones are worth less
 * than ready ones. */
static bool worth_less(const struct pool_tx *a, const struct pool_tx *b)
{
    if (a->is_ready != b->is_ready) {
        return !a->is_ready;
    }
    int order = u256_cmp(a->max_priority, b->max_priority);
    return order != 0 ? order < 0 : a->arrival > b->arrival;
}

/* The least worthy of the accounts' last transactions, the sender's own left out. */
static struct pool_entry *find_victim(const struct pool *pool, const struct address *sender)
{
    struct pool_entry *victim = NULL;
    map_each (it, &pool->by_sender) {
        struct pool_account *account = it->value;
        if (account->count == 0 || address_eq(&account->address, sender)) {
            continue;
        }
        struct pool_entry *last = entry_by_nonce(account->txs.prev);
        if (victim == NULL || worth_less(&last->tx, &victim->tx)) {
            victim = last;
        }
    }
    return victim;
}

static bool pool_has_room(const struct pool *pool, size_t bytes_more)
{
    return pool->by_hash.count < pool->options.txs_max &&
           pool->bytes + bytes_more <= pool->options.bytes_max;
}

/* Evicts until the candidate fits; false: it is not worth it. */
static bool make_room(struct pool *pool, const struct candidate *candidate, bool is_ready)
{
    struct pool_tx tx = {.is_ready = is_ready,
                         .max_priority = candidate->in->tx.max_priority,
                         .arrival = pool->arrivals};
    while (!pool_has_room(pool, candidate->in->raw.len)) {
        struct pool_entry *victim = find_victim(pool, &candidate->in->sender);
        bool less =
            victim != NULL && (victim->tx.is_ready != is_ready
                                   ? worth_less(&victim->tx, &tx)
                                   : u256_cmp(victim->tx.max_priority, tx.max_priority) < 0);
        if (!less) {
            return false;
        }
        struct pool_account *account = account_of(pool, &victim->tx.sender);
        entry_remove(pool, account, victim);
        account_settle_or_free(pool, account);
    }
    return true;
}

static struct pool_entry *entry_new(struct pool *pool, const struct candidate *candidate)
{
    struct pool_entry *entry = mem_alloc(sizeof *entry + candidate->in->raw.len);
    memcpy(entry->raw, candidate->in->raw.data, candidate->in->raw.len);
    entry->tx = (struct pool_tx){
        .raw = bytes_make(entry->raw, candidate->in->raw.len),
        .hash = candidate->in->hash,
        .sender = candidate->in->sender,
        .nonce = candidate->in->tx.nonce,
        .gas_limit = candidate->in->tx.gas_limit,
        .max_fee = candidate->in->tx.max_fee,
        .max_priority = candidate->in->tx.max_priority,
        .cost = candidate->in->cost,
        .arrival = pool->arrivals++,
    };
    map_put(&pool->by_hash, BYTES_OF(candidate->in->hash), entry);
    list_push_back(&pool->oldest, &entry->by_arrival);
    pool->bytes += candidate->in->raw.len;
    return entry;
}

/* Limits, replacement and room; then the candidate is in. */
static enum tx_verdict admit(struct pool *pool, const struct candidate *candidate)
{
    struct pool_account *account = account_of(pool, &candidate->in->sender);
    account->nonce = candidate->account.nonce;
    account_settle(pool, account);
    u64 ahead = candidate->in->tx.nonce - account->nonce;
    bool is_ready = ahead <= account->ready;
    struct pool_entry *old = account_find(account, candidate->in->tx.nonce);
    enum tx_verdict verdict = TX_VALID;
    if (old != NULL) {
        bool pays =
            price_at_least(candidate->in->tx.max_fee, old->tx.max_fee, BUMP_PERCENT) &&
            price_at_least(candidate->in->tx.max_priority, old->tx.max_priority, BUMP_PERCENT);
        verdict = pays ? TX_VALID : TX_REPLACEMENT_UNDERPRICED;
    } else if (account->count >= pool->options.account_txs_max ||
               (!is_ready && account->count - account->ready >= pool->options.account_queued_max)) {
        verdict = TX_ACCOUNT_LIMIT;
    }
    if (verdict == TX_VALID && !make_room(pool, candidate, is_ready)) {
        verdict = TX_POOL_FULL;
    }
    if (verdict == TX_VALID) {
        if (old != NULL) {
            entry_remove(pool, account, old);
        }
        account_insert(account, entry_new(pool, candidate));
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
    arena_init(&arena, TX_DECODE_BYTES);
    *ret_verdict = pool_check(&pool->options, &arena, raw, &checked);
    err e = *ret_verdict == TX_VALID ? pool_admit(pool, source, &checked, ret_verdict) : ok();
    arena_free(&arena);
    return e;
}

/* --- after a block --- */

static void account_prune(struct pool *pool, struct pool_account *account,
                          const struct account *now)
{
    account->nonce = now->nonce;
    list_for_safe (node, &account->txs) {
        struct pool_entry *entry = entry_by_nonce(node);
        if (entry->tx.nonce < now->nonce || u256_cmp(entry->tx.cost, now->balance) > 0) {
            entry_remove(pool, account, entry);
        }
    }
}

err pool_advance(struct pool *pool, const struct state_source *source, struct u256 base_fee)
{
    pool->base_fee = base_fee;
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

/* --- taking --- */

/* The next transaction of an account, with its tip at the base fee. */
struct head {
    const struct pool_account *account;
    struct pool_entry *entry;
    struct u256 tip;
};

static bool head_before(const struct head *a, const struct head *b)
{
    int order = u256_cmp(a->tip, b->tip);
    return order != 0 ? order > 0 : a->entry->tx.arrival < b->entry->tx.arrival;
}

static void heap_up(struct head *heap, size_t i)
{
    while (i > 0 && head_before(&heap[i], &heap[(i - 1) / 2])) {
        struct head moved = heap[i];
        heap[i] = heap[(i - 1) / 2];
        heap[(i - 1) / 2] = moved;
        i = (i - 1) / 2;
    }
}

static void heap_down(struct head *heap, size_t count, size_t i)
{
    for (;;) {
        size_t best = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < count; child++) {
            best = head_before(&heap[child], &heap[best]) ? child : best;
        }
        if (best == i) {
            return;
        }
        struct head moved = heap[i];
        heap[i] = heap[best];
        heap[best] = moved;
        i = best;
    }
}

/* False: there is no ready transaction at `node`, or it does not pay the base fee. */
static bool head_at(const struct pool *pool, const struct pool_account *account, struct list *node,
                    struct head *ret_head)
{
    if (node == &account->txs || !entry_by_nonce(node)->tx.is_ready) {
        return false;
    }
    struct head head = {.account = account, .entry = entry_by_nonce(node)};
    if (!u256_sub(&head.tip, head.entry->tx.max_fee, pool->base_fee)) {
        return false;
    }
    if (u256_cmp(head.tip, head.entry->tx.max_priority) > 0) {
        head.tip = head.entry->tx.max_priority;
    }
    *ret_head = head;
    return true;
}

static size_t heap_fill(const struct pool *pool, struct head *heap)
{
    size_t count = 0;
    map_each (it, &pool->by_sender) {
        const struct pool_account *account = it->value;
        if (head_at(pool, account, account->txs.next, &heap[count])) {
            heap_up(heap, count++);
        }
    }
    return count;
}

size_t pool_take(struct pool *pool, const struct pool_tx **ret_txs, size_t ret_cap, u64 gas,
                 size_t bytes_max)
{
    struct head *heap = mem_alloc_array(pool->by_sender.count + 1, sizeof *heap);
    size_t heads = heap_fill(pool, heap);
    size_t taken = 0;
    while (heads > 0 && taken < ret_cap) {
        struct head best = heap[0];
        const struct pool_tx *tx = &best.entry->tx;
        bool fits = tx->gas_limit <= gas && tx->raw.len <= bytes_max;
        if (fits) {
            ret_txs[taken++] = tx;
            gas -= tx->gas_limit;
            bytes_max -= tx->raw.len;
        }
        if (!fits || !head_at(pool, best.account, best.entry->by_nonce.next, &heap[0])) {
            heap[0] = heap[--heads];
        }
        heap_down(heap, heads, 0);
    }
    mem_free(heap);
    return taken;
}

bool pool_waiting(const struct pool *pool)
{
    map_each (it, &pool->by_sender) {
        const struct pool_account *account = it->value;
        struct head head;
        if (head_at(pool, account, account->txs.next, &head)) {
            return true;
        }
    }
    return false;
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

#include "base/mem.h"
#include "ledger/pool/internal.h"

/* --- worth --- */

bool pool_worth_less(const struct pool_worth *a, const struct pool_worth *b)
{
    if (a->is_ready != b->is_ready) {
        return !a->is_ready;
    }
    if (a->pays != b->pays) {
        return !a->pays;
    }
    int order = u256_cmp(a->tip, b->tip);
    return order != 0 ? order < 0 : a->arrival > b->arrival;
}

struct pool_worth pool_worth_begin(void)
{
    return (struct pool_worth){.pays = true,
                               .tip = {{UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX}}};
}

static void lower(struct u256 *value, struct u256 other)
{
    if (u256_cmp(other, *value) < 0) {
        *value = other;
    }
}

void pool_worth_add(const struct pool *pool, struct pool_worth *worth, const struct u256 max_fee,
                    const struct u256 max_priority)
{
    struct u256 room;
    if (!u256_sub(&room, max_fee, pool->base_fee)) {
        if (worth->pays) {
            worth->pays = false;
            worth->tip = max_fee;
        }
        lower(&worth->tip, max_fee);
    } else if (worth->pays) {
        lower(&worth->tip, room);
        lower(&worth->tip, max_priority);
    }
}

/* --- the heap of accounts, least worth first --- */

static void place(struct pool *pool, size_t i, struct pool_account *account)
{
    pool->weakest[i] = account;
    account->place = i;
}

static void weakest_up(struct pool *pool, size_t i)
{
    struct pool_account *account = pool->weakest[i];
    while (i > 0 && pool_worth_less(&account->worth, &pool->weakest[(i - 1) / 2]->worth)) {
        place(pool, i, pool->weakest[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    place(pool, i, account);
}

static void weakest_down(struct pool *pool, size_t i)
{
    struct pool_account *account = pool->weakest[i];
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= pool->weakest_count) {
            break;
        }
        if (child + 1 < pool->weakest_count &&
            pool_worth_less(&pool->weakest[child + 1]->worth, &pool->weakest[child]->worth)) {
            child++;
        }
        if (!pool_worth_less(&pool->weakest[child]->worth, &account->worth)) {
            break;
        }
        place(pool, i, pool->weakest[child]);
        i = child;
    }
    place(pool, i, account);
}

static void weakest_insert(struct pool *pool, struct pool_account *account)
{
    if (pool->weakest_count == pool->weakest_cap) {
        pool->weakest_cap = pool->weakest_cap != 0 ? 2 * pool->weakest_cap : 64;
        pool->weakest =
            mem_resize(pool->weakest, pool->weakest_cap * sizeof(struct pool_account *));
    }
    place(pool, pool->weakest_count++, account);
    weakest_up(pool, account->place);
}

static void weakest_remove(struct pool *pool, struct pool_account *account)
{
    size_t i = account->place;
    account->place = SIZE_MAX;
    pool->weakest_count--;
    if (i < pool->weakest_count) {
        struct pool_account *last = pool->weakest[pool->weakest_count];
        place(pool, i, last);
        weakest_up(pool, last->place);
        weakest_down(pool, last->place);
    }
}

void weakest_update(struct pool *pool, struct pool_account *account)
{
    if (account->count == 0) {
        if (account->place != SIZE_MAX) {
            weakest_remove(pool, account);
        }
    } else if (account->place == SIZE_MAX) {
        weakest_insert(pool, account);
    } else {
        weakest_up(pool, account->place);
        weakest_down(pool, account->place);
    }
}

struct pool_account *weakest_but(const struct pool *pool, const struct pool_account *but)
{
    if (pool->weakest_count == 0) {
        return NULL;
    }
    if (pool->weakest[0] != but) {
        return pool->weakest[0];
    }
    struct pool_account *best = pool->weakest_count > 1 ? pool->weakest[1] : NULL;
    if (pool->weakest_count > 2 && pool_worth_less(&pool->weakest[2]->worth, &best->worth)) {
        best = pool->weakest[2];
    }
    return best;
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

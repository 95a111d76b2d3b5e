#include "base/assert.h"
#include "base/mem.h"
#include "ledger/pool/internal.h"

/* What the maps, the heap and the allocator take for a transaction and, at worst, an account of its
 * own; and for an authority. */
#define ALLOCATION_BYTES 16u
#define KEY_BYTES(len) (sizeof(struct map_entry) + 2 * sizeof(void *) + (len) + ALLOCATION_BYTES)
#define ACCOUNT_BYTES                                                                              \
    (sizeof(struct pool_account) + 2 * sizeof(void *) + ALLOCATION_BYTES +                         \
     KEY_BYTES(sizeof(struct address)))
#define AUTHORITY_BYTES (sizeof(struct address) + ALLOCATION_BYTES + KEY_BYTES(20) + sizeof(size_t))

struct authority {
    size_t count;
};

/* --- accounts --- */

struct pool_account *account_of(struct pool *pool, const struct address *address)
{
    struct pool_account *account = map_get(&pool->by_sender, BYTES_OF(*address));
    if (account == NULL) {
        account = MEM_NEW(struct pool_account);
        account->address = *address;
        account->place = SIZE_MAX;
        list_init(&account->txs);
        map_put(&pool->by_sender, BYTES_OF(*address), account);
    }
    return account;
}

void account_settle(struct pool *pool, struct pool_account *account)
{
    struct pool_worth worth = pool_worth_begin();
    pool->ready_count -= account->ready;
    account->ready = 0;
    list_for (node, &account->txs) {
        struct pool_entry *entry = entry_by_nonce(node);
        entry->tx.is_ready = entry->tx.nonce - account->nonce == account->ready;
        account->ready += entry->tx.is_ready;
        entry->queued_since = entry->tx.is_ready ? pool->blocks : entry->queued_since;
        pool_worth_add(pool, &worth, entry->tx.max_fee, entry->tx.max_priority);
        worth.is_ready = entry->tx.is_ready;
        worth.arrival = entry->tx.arrival;
    }
    pool->ready_count += account->ready;
    account->worth = worth;
    weakest_update(pool, account);
}

void account_settle_or_free(struct pool *pool, struct pool_account *account)
{
    account_settle(pool, account);
    if (account->count == 0) {
        map_remove(&pool->by_sender, BYTES_OF(account->address));
        mem_free(account);
    }
}

struct pool_entry *account_find(const struct pool_account *account, u64 nonce)
{
    list_for (node, &account->txs) {
        if (entry_by_nonce(node)->tx.nonce == nonce) {
            return entry_by_nonce(node);
        }
    }
    return NULL;
}

void account_insert(struct pool_account *account, struct pool_entry *entry)
{
    struct list *after = account->txs.prev;
    while (after != &account->txs && entry_by_nonce(after)->tx.nonce > entry->tx.nonce) {
        after = after->prev;
    }
    list_push_front(after, &entry->by_nonce);
    account->count++;
}

/* --- authorities --- */

static void authority_add(struct pool *pool, const struct address *address)
{
    struct authority *authority = map_get(&pool->authorities, BYTES_OF(*address));
    if (authority == NULL) {
        authority = MEM_NEW(struct authority);
        map_put(&pool->authorities, BYTES_OF(*address), authority);
    }
    authority->count++;
}

static void authority_remove(struct pool *pool, const struct address *address)
{
    struct authority *authority = map_get(&pool->authorities, BYTES_OF(*address));
    assert_that(authority != NULL && authority->count > 0);
    authority->count--;
    if (authority->count == 0) {
        map_remove(&pool->authorities, BYTES_OF(*address));
        mem_free(authority);
    }
}

/* --- entries --- */

size_t entry_memory(const struct pool_checked *checked)
{
    return sizeof(struct pool_entry) + checked->raw.len + ALLOCATION_BYTES +
           KEY_BYTES(sizeof(struct hash)) + ACCOUNT_BYTES +
           checked->authority_count * AUTHORITY_BYTES;
}

struct pool_entry *entry_new(struct pool *pool, const struct pool_checked *checked)
{
    /* Addresses are bytes, so behind the raw transaction they need no alignment. */
    size_t authorities_len = checked->authority_count * sizeof(struct address);
    struct pool_entry *entry = mem_alloc(sizeof *entry + checked->raw.len + authorities_len);
    memcpy(entry->raw, checked->raw.data, checked->raw.len);
    entry->authorities = (struct address *)(entry->raw + checked->raw.len);
    entry->authority_count = checked->authority_count;
    if (authorities_len > 0) {
        memcpy(entry->authorities, checked->authorities, authorities_len);
    }
    entry->memory_bytes = entry_memory(checked);
    entry->queued_since = pool->blocks;
    entry->tx = (struct pool_tx){
        .raw = bytes_make(entry->raw, checked->raw.len),
        .hash = checked->hash,
        .sender = checked->sender,
        .nonce = checked->tx.nonce,
        .gas_limit = checked->tx.gas_limit,
        .max_fee = checked->tx.max_fee,
        .max_priority = checked->tx.max_priority,
        .cost = checked->cost,
        .arrival = pool->arrivals++,
    };
    for (size_t i = 0; i < entry->authority_count; i++) {
        authority_add(pool, &entry->authorities[i]);
    }
    map_put(&pool->by_hash, BYTES_OF(checked->hash), entry);
    list_push_back(&pool->oldest, &entry->by_arrival);
    pool->bytes += entry->memory_bytes;
    return entry;
}

void entry_detach(struct pool_account *account, struct pool_entry *entry)
{
    list_remove(&entry->by_nonce);
    account->count--;
}

void entry_end(struct pool *pool, struct pool_entry *entry)
{
    for (size_t i = 0; i < entry->authority_count; i++) {
        authority_remove(pool, &entry->authorities[i]);
    }
    map_remove(&pool->by_hash, BYTES_OF(entry->tx.hash));
    list_remove(&entry->by_arrival);
    pool->bytes -= entry->memory_bytes;
    mem_free(entry);
}

void entry_remove(struct pool *pool, struct pool_account *account, struct pool_entry *entry)
{
    entry_detach(account, entry);
    entry_end(pool, entry);
}

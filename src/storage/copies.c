/* copies.c: commits that gateways left here.
 *
 * A gateway answers its client once three holders have its signed commit. If the gateway dies
 * before the ledger has it, any of them submits it. A copy goes when its transaction is final, or
 * when it cannot become so any more: its receipts have expired, or the ledger keeps refusing it.
 */
#include "storage/store_internal.h"

#include "base/log.h"
#include "base/mem.h"
#include "data/segment.h"

#define TICK_MS 1000
#define CALL_MS 10000
#define RETRY_FIRST_MS 3000
#define RETRY_MAX_MS 60000
#define REFUSALS_MAX 12 /* some minutes of refusing */
#define AGE_MAX_MS ((u64)(RECEIPT_TTL_SECONDS + 300) * 1000)
#define PER_TICK_MAX 64
#define RECEIPT_ARENA_BYTES MIB(2)

struct attempt {
    struct hash hash;
    u64 next_ms; /* loop time */
    u64 pause_ms;
    unsigned refusals;
    bool seen; /* in this tick's list */
};

struct copies {
    struct store *store;
    struct map attempts; /* transaction hash → struct attempt */
    struct shelf_copy list[COPIES_MAX];
    struct hash done[PER_TICK_MAX];
    size_t done_count;
};

static struct attempt *attempt_of(struct copies *copies, const struct shelf_copy *copy)
{
    struct attempt *attempt = map_get(&copies->attempts, BYTES_OF(copy->hash));
    if (attempt == NULL) {
        u64 wall = loop_wall_ms(copies->store->loop);
        u64 age = wall - min_u64(wall, copy->added_ms);
        u64 delay = copies->store->options.copy_delay_ms;
        attempt = MEM_NEW(struct attempt);
        attempt->hash = copy->hash;
        attempt->pause_ms = RETRY_FIRST_MS;
        attempt->next_ms = loop_now_ms(copies->store->loop) + delay - min_u64(delay, age);
        map_put(&copies->attempts, BYTES_OF(copy->hash), attempt);
    }
    attempt->seen = true;
    return attempt;
}

static err is_final(struct store *store, const struct hash *hash)
{
    struct arena arena;
    struct chain_receipt receipt;
    arena_init(&arena, RECEIPT_ARENA_BYTES);
    err e = chain_receipt_of(store->chain, hash, &arena, store_deadline(store, CALL_MS), &receipt);
    arena_free(&arena);
    return e;
}

static err submit(struct store *store, const struct hash *hash)
{
    struct arena arena;
    bytes raw;
    arena_init(&arena, 2 * COPY_BYTES_MAX);
    err e = shelf_copy_get(store->shelf, hash, &arena, &raw);
    if (is_ok(e)) {
        e = chain_submit_raw(store->chain, raw, store_deadline(store, CALL_MS));
    }
    arena_free(&arena);
    return e;
}

static void give_up(struct copies *copies, const struct attempt *attempt, const char *why)
{
    char text[2 * sizeof(struct hash) + 1];
    if (why != NULL) {
        hex_encode(text, sizeof text, BYTES_OF(attempt->hash));
        log_warn("storage", "dropping the copy of commit %s: %s", text, why);
    }
    copies->done[copies->done_count++] = attempt->hash;
}

static void try_one(struct copies *copies, const struct shelf_copy *copy, struct attempt *attempt)
{
    struct store *store = copies->store;
    u64 wall = loop_wall_ms(store->loop);
    err e = is_final(store, &copy->hash);
    if (is_ok(e)) {
        give_up(copies, attempt, NULL);
        return;
    }
    if (is_err(e, ERR_NOT_FOUND)) {
        e = submit(store, &copy->hash);
        *store->submitted += is_ok(e);
        attempt->refusals += is_err(e, ERR_REFUSED) || is_err(e, ERR_CONFLICT);
    }
    if (attempt->refusals >= REFUSALS_MAX) {
        give_up(copies, attempt, "the ledger keeps refusing it");
    } else if (wall > copy->added_ms && wall - copy->added_ms > AGE_MAX_MS) {
        give_up(copies, attempt, "its receipts have expired");
    } else {
        attempt->next_ms = store_deadline(store, attempt->pause_ms);
        attempt->pause_ms = min_u64(RETRY_MAX_MS, 2 * attempt->pause_ms);
    }
}

/* Attempts at copies that are gone (dropped by an earlier tick) are forgotten. */
static void forget_gone(struct copies *copies)
{
    map_each (entry, &copies->attempts) {
        struct attempt *attempt = entry->value;
        if (!attempt->seen) {
            struct hash hash = attempt->hash;
            map_remove(&copies->attempts, BYTES_OF(hash));
            mem_free(attempt);
        } else {
            attempt->seen = false;
        }
    }
}

static void tick(struct copies *copies)
{
    struct store *store = copies->store;
    size_t count = shelf_copies(store->shelf, copies->list, COPIES_MAX);
    size_t tried = 0;
    copies->done_count = 0;
    for (size_t i = 0; i < count; i++) {
        struct attempt *attempt = attempt_of(copies, &copies->list[i]);
        bool due = loop_now_ms(store->loop) >= attempt->next_ms;
        if (due && tried < PER_TICK_MAX && !store->stopping) {
            try_one(copies, &copies->list[i], attempt);
            tried++;
        }
    }
    if (copies->done_count > 0) {
        /* Not dropped is tried again. */
        IGNORE(shelf_copy_drop(store->shelf, copies->done, copies->done_count));
    }
    forget_gone(copies);
}

void copies_fiber(void *arg)
{
    struct copies *copies = MEM_NEW(struct copies);
    copies->store = arg;
    map_init(&copies->attempts);
    while (store_sleep(copies->store, TICK_MS)) {
        tick(copies);
    }
    map_each (entry, &copies->attempts) {
        mem_free(entry->value);
    }
    map_free(&copies->attempts);
    mem_free(copies);
}

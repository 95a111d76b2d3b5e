#include "ledger/rpc/seen.h"

void seen_init(struct seen *seen, struct arena *arena, size_t most)
{
    *seen = (struct seen){.arena = arena, .most = most};
    map_init(&seen->index);
}

void seen_free(struct seen *seen)
{
    map_free(&seen->index);
    *seen = (struct seen){0};
}

/* Room for one entry more, zeroed; NULL: full. */
static void *entry_new(struct seen *seen, size_t size)
{
    void *entry = seen->total < seen->most ? arena_alloc(seen->arena, size) : NULL;
    seen->is_full |= entry == NULL;
    seen->total += entry != NULL;
    return entry;
}

struct seen_account *seen_account(struct seen *seen, const struct address *address)
{
    struct seen_account *account = map_get(&seen->index, BYTES_OF(*address));
    if (account != NULL) {
        return account;
    }
    account = entry_new(seen, sizeof *account);
    if (account == NULL) {
        return NULL;
    }
    account->address = *address;
    if (seen->last != NULL) {
        seen->last->next = account;
    } else {
        seen->first = account;
    }
    seen->last = account;
    seen->count++;
    map_put(&seen->index, BYTES_OF(*address), account);
    return account;
}

void seen_slot(struct seen *seen, const struct address *address, const struct hash *slot)
{
    u8 key[sizeof address->b + sizeof slot->b];
    memcpy(key, address->b, sizeof address->b);
    memcpy(key + sizeof address->b, slot->b, sizeof slot->b);
    struct seen_account *account = seen_account(seen, address);
    if (account == NULL || map_get(&seen->index, BYTES_OF(key)) != NULL) {
        return;
    }
    struct seen_slot *entry = entry_new(seen, sizeof *entry);
    if (entry == NULL) {
        return;
    }
    entry->slot = *slot;
    if (account->last_slot != NULL) {
        account->last_slot->next = entry;
    } else {
        account->first_slot = entry;
    }
    account->last_slot = entry;
    account->slot_count++;
    map_put(&seen->index, BYTES_OF(key), entry);
}

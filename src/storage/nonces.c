#include "storage/nonces.h"

#include "base/mem.h"

void nonces_init(struct nonces *nonces)
{
    *nonces = (struct nonces){
        {mem_alloc_array(NONCE_SLOTS, sizeof(u64)), mem_alloc_array(NONCE_SLOTS, sizeof(u64))},
        0,
        0};
}

void nonces_free(struct nonces *nonces)
{
    mem_free(nonces->slots[0]);
    mem_free(nonces->slots[1]);
}

/* The slot of `name`, or the empty one where it would go. The set is never full. */
static u64 *find(u64 *slots, u64 name)
{
    size_t i = (size_t)(name % NONCE_SLOTS);
    while (slots[i] != 0 && slots[i] != name) {
        i = (i + 1) % NONCE_SLOTS;
    }
    return &slots[i];
}

bool nonces_use(struct nonces *nonces, const u8 nonce[16])
{
    u64 name = load_be64(nonce) ^ load_be64(nonce + 8);
    name = name != 0 ? name : 1;
    if (*find(nonces->slots[0], name) == name || *find(nonces->slots[1], name) == name) {
        return false;
    }
    if (nonces->used == NONCES_KEPT) {
        nonces->newer = 1 - nonces->newer;
        nonces->used = 0;
        memset(nonces->slots[nonces->newer], 0, NONCE_SLOTS * sizeof(u64));
    }
    *find(nonces->slots[nonces->newer], name) = name;
    nonces->used++;
    return true;
}

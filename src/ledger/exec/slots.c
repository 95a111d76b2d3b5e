#include "ledger/exec/slots.h"

#include "base/assert.h"
#include "crypto/hash.h"

struct hash slot_number(u64 n)
{
    struct hash slot = {{0}};
    store_be64(slot.b + 24, n);
    return slot;
}

struct hash slot_of_map(u64 base, bytes key)
{
    assert_that(key.len <= 32);
    u8 padded[64] = {0};
    if (key.len > 0) {
        memcpy(padded + 32 - key.len, key.data, key.len);
    }
    store_be64(padded + 56, base);
    struct hash slot;
    keccak256(&slot, bytes_make(padded, sizeof padded));
    return slot;
}

struct hash slot_add(const struct hash *slot, u64 n)
{
    struct hash sum = *slot;
    u64 carry = n;
    for (size_t at = 32; at > 0 && carry != 0; at -= 8) {
        u64 limb = load_be64(sum.b + at - 8);
        store_be64(sum.b + at - 8, limb + carry);
        carry = limb + carry < limb;
    }
    return sum;
}

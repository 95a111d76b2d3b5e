/* code.h: code as the interpreter wants it, and a bounded cache of it.
 *
 * Code is copied once with a tail of zeros (STOP), so that neither the program counter nor the
 * operand of a PUSH can leave it, and scanned once for its jump destinations. The cache keeps the
 * result by code hash for whoever runs many transactions: least recently used ones go when `limit`
 * bytes are exceeded, but never one that is in use. It has no lock: one per thread.
 */
#ifndef LEDGER_EVM_CODE_H
#define LEDGER_EVM_CODE_H

#include "base/map.h"

#define EVM_CODE_TAIL 33 /* PUSH32 as the last byte, and a STOP after its operand */
#define EVM_CODES_BYTES MIB(32)

struct evm_code {
    struct hash hash; /* of cached code only */
    size_t len;
    const u8 *bytes;       /* len and EVM_CODE_TAIL zeros */
    const u8 *destination; /* bit i % 8 of byte i / 8: a JUMPDEST at i */
    unsigned users;
    bool is_cached;
    struct evm_code *newer;
    struct evm_code *older;
};

struct evm_codes {
    struct map by_hash;
    struct evm_code *newest;
    struct evm_code *oldest;
    size_t used_bytes;
    size_t limit_bytes;
};

void evm_codes_init(struct evm_codes *codes, size_t limit_bytes);
/* evm_codes_free: none may be in use. */
void evm_codes_free(struct evm_codes *codes);
/* evm_codes_get: the analysis of `code`, whose keccak256 is `hash`; evm_code_release() it. */
struct evm_code *evm_codes_get(struct evm_codes *codes, const struct hash *hash, bytes code);
/* evm_code_make: of code that is not worth keeping (init code); evm_code_release() it. */
struct evm_code *evm_code_make(bytes code);
void evm_code_release(struct evm_code *code);

static inline bool evm_code_is_destination(const struct evm_code *code, u64 at)
{
    return at < code->len && (code->destination[at / 8] >> (at % 8) & 1) != 0;
}

#endif

#include "ledger/evm/code.h"

#include "base/assert.h"
#include "base/mem.h"
#include "ledger/evm/ops.h"

/* Operands of PUSH are no instructions, whatever they look like. */
static void find_destinations(u8 *destination, bytes code)
{
    for (size_t i = 0; i < code.len; i++) {
        u8 op = code.data[i];
        if (op == OP_JUMPDEST) {
            destination[i / 8] |= (u8)(1u << (i % 8));
        } else if (op >= OP_PUSH1 && op <= OP_PUSH32) {
            i += op - OP_PUSH1 + 1u;
        }
    }
}

static size_t size_of(size_t len)
{
    return sizeof(struct evm_code) + len + EVM_CODE_TAIL + len / 8 + 1;
}

struct evm_code *evm_code_make(bytes code)
{
    u8 *block = mem_alloc(size_of(code.len));
    struct evm_code *made = (struct evm_code *)(void *)block;
    u8 *copy = block + sizeof *made;
    u8 *destination = copy + code.len + EVM_CODE_TAIL;
    if (code.len > 0) {
        memcpy(copy, code.data, code.len);
    }
    find_destinations(destination, code);
    *made =
        (struct evm_code){.len = code.len, .bytes = copy, .destination = destination, .users = 1};
    return made;
}

void evm_code_release(struct evm_code *code)
{
    assert_that(code->users > 0);
    code->users--;
    if (code->users == 0 && !code->is_cached) {
        mem_free(code);
    }
}

void evm_codes_init(struct evm_codes *codes, size_t limit_bytes)
{
    *codes = (struct evm_codes){.limit_bytes = limit_bytes};
    map_init(&codes->by_hash);
}

static void unlink_code(struct evm_codes *codes, struct evm_code *code)
{
    *(code->newer != NULL ? &code->newer->older : &codes->newest) = code->older;
    *(code->older != NULL ? &code->older->newer : &codes->oldest) = code->newer;
}

static void link_newest(struct evm_codes *codes, struct evm_code *code)
{
    code->newer = NULL;
    code->older = codes->newest;
    *(codes->newest != NULL ? &codes->newest->newer : &codes->oldest) = code;
    codes->newest = code;
}

static void forget(struct evm_codes *codes, struct evm_code *code)
{
    assert_that(code->users == 0);
    unlink_code(codes, code);
    (void)map_remove(&codes->by_hash, BYTES_OF(code->hash));
    codes->used_bytes -= size_of(code->len);
    mem_free(code);
}

void evm_codes_free(struct evm_codes *codes)
{
    while (codes->newest != NULL) {
        forget(codes, codes->newest);
    }
    map_free(&codes->by_hash);
}

static void make_room(struct evm_codes *codes)
{
    struct evm_code *code = codes->oldest;
    while (codes->used_bytes > codes->limit_bytes && code != NULL) {
        struct evm_code *newer = code->newer;
        if (code->users == 0) {
            forget(codes, code);
        }
        code = newer;
    }
}

struct evm_code *evm_codes_get(struct evm_codes *codes, const struct hash *hash, bytes code)
{
    struct evm_code *known = map_get(&codes->by_hash, BYTES_OF(*hash));
    if (known != NULL) {
        known->users++;
        if (known != codes->newest) {
            unlink_code(codes, known);
            link_newest(codes, known);
        }
        return known;
    }
    struct evm_code *made = evm_code_make(code);
    made->hash = *hash;
    made->is_cached = true;
    (void)map_put(&codes->by_hash, BYTES_OF(*hash), made);
    link_newest(codes, made);
    codes->used_bytes += size_of(code.len);
    make_room(codes);
    return made;
}

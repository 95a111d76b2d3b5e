/* Calls from outside: a byte for the fork, one for the precompile, the rest is its input. Calls
 * that cost more than a transaction may spend are only priced. */
#include "ledger/precompile/precompile.h"

#include "base/assert.h"
#include "crypto/sign.h"

#define GAS_MAX 3000000u /* keeps one input below about a tenth of a second */

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void run(const struct precompile *precompile, enum fork fork, bytes input)
{
    struct arena arena;
    enum precompile_verdict verdict;
    enum precompile_verdict again;
    bytes output;
    bytes repeated;
    arena_init(&arena, MIB(8));
    if (is_ok(precompile_run(precompile, fork, input, &arena, &verdict, &output))) {
        assert_that(verdict == PRECOMPILE_OK || output.len == 0);
        err e = precompile_run(precompile, fork, input, &arena, &again, &repeated);
        assert_that(!is_ok(e) || (again == verdict && bytes_eq(output, repeated)));
    }
    arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    const struct hash seed = {{1}};
    struct address address = {{0}};
    crypto_init(&seed);
    if (size < 2) {
        return 0;
    }
    enum fork fork = (enum fork)(data[0] % FORK_COUNT);
    unsigned number = data[1] % 0x13;
    store_be16(address.b + 18, (u16)(number == 0x12 ? 0x100 : number));
    const struct precompile *precompile = precompile_find(fork, &address);
    bytes input = bytes_make(data + 2, size - 2);
    if (precompile == NULL) {
        assert_that(number == 0 || number > precompile_last(fork));
    } else if (precompile_gas(precompile, fork, input) <= GAS_MAX) {
        run(precompile, fork, input);
    }
    return 0;
}

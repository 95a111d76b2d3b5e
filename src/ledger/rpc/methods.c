/* methods.c: the table of all methods. */
#include "ledger/rpc/methods.h"

const struct rpc_method *rpc_method_find(const char *name)
{
#define METHOD_ROW(method, least, most, function) {#method, least, most, function},
    static const struct rpc_method table[] = {RPC_METHODS(METHOD_ROW)};
#undef METHOD_ROW
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        if (strcmp(table[i].name, name) == 0) {
            return &table[i];
        }
    }
    return NULL;
}

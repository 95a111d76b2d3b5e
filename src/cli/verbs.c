#include "cli/verbs.h"

/* clang-format off */
const struct verb *const cli_verbs[] = {
    &verb_devnet,
    &verb_node,
    &verb_store,
    &verb_gateway,
    &verb_watch,
    &verb_key,
    &verb_put,
    &verb_get,
    &verb_ls,
    &verb_rm,
    &verb_stat,
    &verb_territory,
    &verb_provider,
    &verb_segment,
    &verb_tx,
    &verb_call,
    &verb_deploy,
    &verb_ledger,
    &verb_plan,
    &verb_help,
    NULL,
};

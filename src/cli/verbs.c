#include "cli/verbs.h"

/* clang-format off */
const struct verb *const cli_verbs[] = {
    &verb_devnet,
    &verb_node,
    &verb_store,
    &verb_gateway,
    &verb_key,
    &verb_territory,
    &verb_tx,
    &verb_plan,
    &verb_help,
    NULL,
};

#include "cli/verbs.h"

/* clang-format off */
const struct verb *const cli_verbs[] = {
    &verb_devnet,
    &verb_node,
    &verb_store,
    &verb_key,
    &verb_tx,
    &verb_plan,
    &verb_help,
    NULL,
};

#include "cli/verbs.h"

const struct verb *const cli_verbs[] = {
    &verb_key,
    &verb_plan,
    &verb_help,
    NULL,
};

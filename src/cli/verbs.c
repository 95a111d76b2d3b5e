#include "cli/verbs.h"

const struct verb *const cli_verbs[] = {
    &verb_plan,
    NULL,
};

/* verbs.h: every verb of the command line, one per file. */
#ifndef CLI_VERBS_H
#define CLI_VERBS_H

#include "cli/cli.h"

extern const struct verb verb_call;
extern const struct verb verb_deploy;
extern const struct verb verb_devnet;
extern const struct verb verb_gateway;
extern const struct verb verb_get;
extern const struct verb verb_help;
extern const struct verb verb_key;
extern const struct verb verb_ledger;
extern const struct verb verb_ls;
extern const struct verb verb_node;
extern const struct verb verb_plan;
extern const struct verb verb_provider;
extern const struct verb verb_put;
extern const struct verb verb_rm;
extern const struct verb verb_segment;
extern const struct verb verb_stat;
extern const struct verb verb_store;
extern const struct verb verb_territory;
extern const struct verb verb_tx;
extern const struct verb verb_watch;

#endif

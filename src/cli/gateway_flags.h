/* gateway_flags.h: what the files of `cairn gateway` share. */
#ifndef CLI_GATEWAY_FLAGS_H
#define CLI_GATEWAY_FLAGS_H

#include "cli/client.h"
#include "data/keys.h"

/* Targets of the flags of `cairn gateway run`; one config file serves all parts of the verb. */
struct gateway_flags {
    const char *config;
    const char *data;
    const char *http;
    const char *https;
    const char *cert;
    const char *cert_key;
    const char *metrics;
    const char *region;
    struct flag_list domains;
    u64 spool_max;
    u64 memory_max;
};
extern struct gateway_flags gateway_flags;

extern const struct verb gateway_user_verb;
extern const struct verb gateway_envelope_verb;
int gateway_run(struct cli *cli);
/* gateway_load_master: of --master, or the devnet's owner; faults are said (client_fail). */
err gateway_load_master(struct client *client, struct master_key *ret_master);
/* gateway_heads_add: folds a bucket's head into the digest of an owner's heads. */
void gateway_heads_add(struct hash *digest, const struct hash *bucket, const struct hash *head);

#endif

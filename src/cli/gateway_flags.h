/* gateway_flags.h: what the files of `cairn gateway` share. */
#ifndef CLI_GATEWAY_FLAGS_H
#define CLI_GATEWAY_FLAGS_H

#include "cli/cli.h"

#include "base/bytes.h"

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

int gateway_run(struct cli *cli);
/* gateway_heads_add: folds a bucket's head into the digest of an owner's heads. */
void gateway_heads_add(struct hash *digest, const struct hash *bucket, const struct hash *head);

#endif

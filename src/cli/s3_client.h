/* s3_client.h: how client verbs find a gateway and S3 keys; the client itself is
 * gateway/client/s3_client.h.
 *
 * Endpoint and keys come from flags, the usual AWS_* variables, or devnet.json, in this order.
 */
#ifndef CLI_S3_CLIENT_H
#define CLI_S3_CLIENT_H

#include "cli/client.h"
#include "gateway/client/s3_client.h"

/* Targets of the flags below. */
struct s3_flags {
    const char *endpoint;
    const char *region;
    const char *access_key;
    const char *ca;
};
extern struct s3_flags s3_flags;

#define S3_CLIENT_FLAGS                                                                            \
    {"endpoint", FLAG_TEXT, &s3_flags.endpoint, "URL", "of the gateway (default: the devnet's)"},  \
        {"region", FLAG_TEXT, &s3_flags.region, "NAME", "default cairn"},                          \
        {"access-key", FLAG_TEXT, &s3_flags.access_key, "KEY",                                     \
         "its secret is in $AWS_SECRET_ACCESS_KEY (default: the devnet's)"},                       \
    {                                                                                              \
        "ca", FLAG_TEXT, &s3_flags.ca, "FILE", "certificates to trust for https"                   \
    }

/* s3_client_open: ERR_USAGE (said by client_fail): no endpoint or keys are known. client->devnet
 * must be loaded. */
err s3_client_open(struct client *client, struct loop *loop, struct s3_client *ret);
/* s3_client_close: stops the loop. */
void s3_client_close(struct s3_client *s3);
/* s3_fail: prints what went wrong in words; returns e. */
err s3_fail(struct client *client, err e, const struct s3_failure *failure, const char *what);

#endif

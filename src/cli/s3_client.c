#include "cli/s3_client.h"

#include <stdlib.h>
#include <string.h>

struct s3_flags s3_flags;

static const char *first_of(const char *flag, const char *variable, const char *devnet)
{
    const char *from_env = variable != NULL ? getenv(variable) : NULL;
    return flag != NULL ? flag : from_env != NULL ? from_env : devnet;
}

static err open_http(struct s3_client *s3, const char *ca)
{
    struct http_client_options options = {.tls = NULL};
    if (strncmp(s3->endpoint, "https:", 6) == 0) {
        TRY(tls_client_new(ca, &s3->tls));
        options.tls = s3->tls;
    }
    return http_client_new(s3->loop, &options, &s3->http);
}

err s3_client_open(struct client *client, struct loop *loop, struct s3_client *ret)
{
    *ret = (struct s3_client){
        .loop = loop,
        .endpoint =
            first_of(s3_flags.endpoint, "AWS_ENDPOINT_URL", client_setting(client, "s3", "http")),
        .region =
            first_of(s3_flags.region, "AWS_DEFAULT_REGION", client_setting(client, "s3", "region")),
        .access_key = first_of(s3_flags.access_key, "AWS_ACCESS_KEY_ID",
                               client_setting(client, "s3", "access_key")),
        .secret_key =
            first_of(NULL, "AWS_SECRET_ACCESS_KEY", client_setting(client, "s3", "secret_key")),
    };
    if (ret->endpoint == NULL || ret->access_key == NULL || ret->secret_key == NULL) {
        return client_fail(client, fail(ERR_USAGE),
                           "run `cairn devnet`, or give --endpoint and the AWS_* variables",
                           "no gateway or no S3 keys are known");
    }
    if (ret->region == NULL) {
        ret->region = "cairn";
    }
    const char *ca =
        first_of(s3_flags.ca, "AWS_CA_BUNDLE", client_setting(client, "s3", "ca_file"));
    err e = open_http(ret, ca);
    return is_ok(e) ? e : client_fail(client, e, "see --ca", "no TLS: %s", err_text(e));
}

void s3_client_close(struct s3_client *s3)
{
    loop_stop(s3->loop);
    if (s3->http != NULL) {
        http_client_free(s3->http);
    }
    tls_free(s3->tls);
    *s3 = (struct s3_client){.loop = s3->loop};
}

err s3_fail(struct client *client, err e, const struct s3_failure *failure, const char *what)
{
    if (failure->code[0] != '\0') {
        return client_fail(client, e, NULL, "%s: %s (%s)", what, failure->message, failure->code);
    }
    if (failure->status >= 300) {
        return client_fail(client, e, NULL, "%s: HTTP status %d", what, failure->status);
    }
    return client_fail(client, e, "is the gateway running?", "%s: %s", what, err_text(e));
}

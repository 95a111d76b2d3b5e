/* devnet_config.c: the config file of each role; written at every start, since ports may differ. */
#include "cli/devnet.h"

#include "base/assert.h"

#define CONFIG_BYTES_MAX KIB(16)

static void put(json_t *config, const char *name, json_t *value)
{
    int status = json_object_set_new(config, name, value);
    assert_that(status == 0);
}

static void put_path(json_t *config, const char *name, const char *dir, const char *file)
{
    char path[PATH_BYTES_MAX];
    path_join(path, dir, file);
    put(config, name, json_string(path));
}

static void put_endpoint(json_t *config, const char *name, const char *host, u16 port)
{
    put(config, name, json_sprintf("%s:%u", host, port));
}

/* A storage node may have several disks. */
static void put_data(json_t *config, const struct devnet_role *role)
{
    char path[PATH_BYTES_MAX];
    path_join(path, role->dir, "data");
    if (devnet_is_store(role)) {
        put(config, "path", json_pack("[s]", path));
    } else {
        put(config, "data", json_string(path));
    }
}

/* What every role but the ledger needs to see the ledger. */
static void put_chain(json_t *config, const struct devnet_role *role)
{
    char url[DEVNET_URL_BYTES];
    const struct devnet_role *ledger = devnet_ledger(role->devnet);
    devnet_url(url, "http", ledger->host, ledger->port);
    put(config, "rpc", json_pack("[s]", url));
}

static void put_store(json_t *config, const struct devnet_role *role)
{
    put_chain(config, role);
    put_endpoint(config, "listen", role->host, role->port);
    put(config, "capacity", json_integer((json_int_t)role->devnet->capacity));
}

static void put_gateway(json_t *config, const struct devnet_role *role)
{
    const struct devnet *devnet = role->devnet;
    put_chain(config, role);
    put_endpoint(config, "http", role->host, devnet->ports);
    put_endpoint(config, "https", role->host, (u16)(devnet->ports + 1));
    put_path(config, "cert", devnet->dir, "tls/server.pem");
    put_path(config, "cert-key", devnet->dir, "tls/server.key");
}

err devnet_write_config(const struct devnet_role *role)
{
    char path[PATH_BYTES_MAX];
    json_t *config = json_object();
    put_data(config, role);
    put_path(config, "key", role->dir, "key");
    put_path(config, "genesis", role->devnet->dir, "genesis.json");
    put_endpoint(config, "metrics", role->host, role->metrics_port);
    switch (role->kind) {
    case DEVNET_LEDGER:
        put_endpoint(config, "listen", role->host, role->port);
        put(config, "ws-port", json_integer(role->devnet->ports + DEVNET_PORT_WS));
        break;
    case DEVNET_STORE:
        put_store(config, role);
        break;
    case DEVNET_GATEWAY:
        put_gateway(config, role);
        break;
    }
    path_join(path, role->dir, "config.json");
    err e = devnet_write_json(path, config);
    json_decref(config);
    return e;
}

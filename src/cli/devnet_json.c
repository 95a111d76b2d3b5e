/* devnet_json.c: devnet.json, how tests and people find everything. */
#include "cli/devnet.h"

#include "base/assert.h"
#include "base/mem.h"
#include "codec/json.h"

#define DEVNET_JSON_VERSION 1
#define JSON_FILE_BYTES_MAX MIB(4)

static void put(json_t *object, const char *name, json_t *value)
{
    int status = json_object_set_new(object, name, value);
    assert_that(status == 0);
}

static json_t *path_text(const struct devnet *devnet, const char *name)
{
    char path[PATH_BYTES_MAX];
    devnet_path(devnet, path, name);
    return json_string(path);
}

static json_t *url_text(const char *scheme, const char *host, u16 port)
{
    char url[DEVNET_URL_BYTES];
    devnet_url(url, scheme, host, port);
    return json_string(url);
}

static json_t *address_text(const struct address *address)
{
    char text[43];
    key_address_text(text, address);
    return json_string(text);
}

/* 0 for one that does not run: pids are used again. */
static json_int_t pid_of(const struct devnet_role *role)
{
    int status;
    bool runs = role->process != NULL && !process_ended(role->process, &status);
    return runs ? (json_int_t)process_pid(role->process) : 0;
}

static json_t *describe_role(const struct devnet_role *role)
{
    char path[PATH_BYTES_MAX];
    json_t *object = json_object();
    put(object, "i", json_integer(role->number));
    put(object, "name", json_string(role->name));
    put(object, "pid", json_integer(pid_of(role)));
    put(object, "address", address_text(&role->address));
    put(object, "url", url_text("http", role->host, role->port));
    path_join(path, role->dir, "data");
    put(object, "data", json_string(path));
    put(object, "metrics", url_text("http", role->host, role->metrics_port));
    path_join(path, role->dir, "config.json");
    put(object, "config", json_string(path));
    path_join(path, role->dir, "log");
    put(object, "log", json_string(path));
    if (devnet_is_store(role)) {
        put(object, "provider", json_integer(role->provider));
        put(object, "operator", address_text(&devnet_operator(role)->address));
    }
    return object;
}

static json_t *describe_roles(const struct devnet *devnet, enum devnet_kind kind)
{
    json_t *list = json_array();
    for (size_t i = 0; i < devnet->role_count; i++) {
        if (devnet->roles[i].kind == kind) {
            json_array_append_new(list, describe_role(&devnet->roles[i]));
        }
    }
    return list;
}

static json_t *describe_accounts(const struct devnet *devnet)
{
    json_t *list = json_array();
    for (size_t i = 0; i < DEVNET_ACCOUNTS; i++) {
        char digits[65];
        hex_encode(digits, sizeof digits, bytes_make(devnet->accounts[i].secret.b, 32));
        json_array_append_new(list, json_pack("{s:o, s:s+}", "address",
                                              address_text(&devnet->accounts[i].address),
                                              "private_key", "0x", digits));
        mem_wipe(digits, sizeof digits);
    }
    return list;
}

static json_t *describe_s3(const struct devnet *devnet)
{
    const char *host = devnet->roles[1].host;
    json_t *s3 = json_object();
    put(s3, "http", url_text("http", host, devnet->ports));
    put(s3, "https", url_text("https", host, (u16)(devnet->ports + 1)));
    put(s3, "region", json_string("cairn"));
    put(s3, "access_key", json_string(devnet->access_key));
    put(s3, "secret_key", json_string(devnet->secret_key));
    put(s3, "ca_file", path_text(devnet, "tls/ca.pem"));
    return s3;
}

static json_t *describe_owner(const struct devnet *devnet)
{
    json_t *owner = json_object();
    put(owner, "address", address_text(&devnet->owner.address));
    put(owner, "key_file", path_text(devnet, "keys/owner.key"));
    put(owner, "master_file", path_text(devnet, "keys/owner.master"));
    put(owner, "passphrase_file", path_text(devnet, DEVNET_PASSPHRASE));
    put(owner, "territory", json_integer((json_int_t)devnet->territory));
    return owner;
}

json_t *devnet_describe(const struct devnet *devnet)
{
    const struct devnet_role *ledger = &devnet->roles[0];
    json_t *object = json_object();
    put(object, "version", json_integer(DEVNET_JSON_VERSION));
    put(object, "chain_id", json_integer((json_int_t)chain_id(devnet->chain)));
    put(object, "rpc", url_text("http", ledger->host, ledger->port));
    put(object, "ws", url_text("ws", ledger->host, (u16)(devnet->ports + DEVNET_PORT_WS)));
    put(object, "console", json_null()); /* +4 */
    put(object, "s3", describe_s3(devnet));
    put(object, "owner", describe_owner(devnet));
    put(object, "accounts", describe_accounts(devnet));
    put(object, "gateways", describe_roles(devnet, DEVNET_GATEWAY));
    put(object, "ledger", describe_roles(devnet, DEVNET_LEDGER));
    put(object, "stores", describe_roles(devnet, DEVNET_STORE));
    put(object, "workers", json_array());
    put(object, "genesis", path_text(devnet, "genesis.json"));
    put(object, "dir", json_string(devnet->dir));
    return object;
}

err devnet_write_json(const char *path, const json_t *value)
{
    struct buf text;
    buf_init(&text, JSON_FILE_BYTES_MAX);
    json_write_lines(&text, value);
    buf_put_str(&text, "\n");
    err e = buf_done(&text);
    if (is_ok(e)) {
        e = file_replace(path, buf_bytes(&text));
    }
    buf_free(&text);
    return e;
}

err devnet_publish(const struct devnet *devnet)
{
    char path[PATH_BYTES_MAX];
    json_t *object = devnet_describe(devnet);
    devnet_path(devnet, path, "devnet.json");
    err e = devnet_write_json(path, object);
    json_decref(object);
    return e;
}

void devnet_unpublish(const struct devnet *devnet)
{
    char path[PATH_BYTES_MAX];
    devnet_path(devnet, path, "devnet.json");
    if (file_exists(path)) {
        IGNORE(file_remove(path)); /* its log line says why; a stale file names dead processes */
    }
}

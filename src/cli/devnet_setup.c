/* devnet_setup.c: the files of a devnet that are made once: keys, genesis, certificates. */
#include "cli/devnet.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/envelope_drop.h"
#include "cli/passphrase.h"
#include "net/tls.h"

#include <sys/stat.h>

#define SMALL_FILE_BYTES_MAX KIB(4)
#define CHAIN_ID_BASE 7200000000u /* devnets: 7,200,000,000 and a random part of 31 bits */
#define EMPTY_INTERVAL_MS 1000
#define INTERVAL_MS 200
#define ACCESS_KEY_LETTERS 20
#define SECRET_KEY_LETTERS 40

#define WEI_PER_CRN_TEXT "000000000000000000"
#define FUND_PERSON "1000000" WEI_PER_CRN_TEXT
#define FUND_ROLE "10000" WEI_PER_CRN_TEXT

void devnet_path(const struct devnet *devnet, char out[PATH_BYTES_MAX], const char *name)
{
    path_join(out, devnet->dir, name);
}

void devnet_url(char out[DEVNET_URL_BYTES], const char *scheme, const char *host, u16 port)
{
    snprintf(out, DEVNET_URL_BYTES, "%s://%s:%u", scheme, host, port);
}

/* ---- the plan ---- */

static struct devnet_role *add_role(struct devnet *devnet, enum devnet_kind kind, unsigned number)
{
    static const char *const names[] = {"ledger", "store", "gateway"};
    assert_that(devnet->role_count < DEVNET_ROLES_MAX);
    struct devnet_role *role = &devnet->roles[devnet->role_count++];
    *role = (struct devnet_role){.devnet = devnet, .kind = kind, .number = number};
    snprintf(role->name, sizeof role->name, "%s-%u", names[kind], number);
    snprintf(role->host, sizeof role->host, "127.0.%u.1", kind == DEVNET_STORE ? number : 0);
    devnet_path(devnet, role->dir, role->name);
    return role;
}

void devnet_plan(struct devnet *devnet, unsigned store_count)
{
    struct devnet_role *ledger = add_role(devnet, DEVNET_LEDGER, 1);
    ledger->port = (u16)(devnet->ports + 2);
    ledger->metrics_port = (u16)(devnet->ports + 11);
    struct devnet_role *gateway = add_role(devnet, DEVNET_GATEWAY, 1);
    gateway->port = devnet->ports;
    gateway->metrics_port = (u16)(devnet->ports + 5);
    for (unsigned i = 1; i <= store_count; i++) {
        struct devnet_role *store = add_role(devnet, DEVNET_STORE, i);
        store->port = (u16)(devnet->ports + DEVNET_PORT_STORE_DATA);
        store->metrics_port = (u16)(devnet->ports + DEVNET_PORT_STORE_DATA + 1);
    }
}

unsigned devnet_stores_before(const struct devnet *devnet)
{
    unsigned count = 0;
    for (;; count++) {
        char name[32];
        char path[PATH_BYTES_MAX];
        snprintf(name, sizeof name, "store-%u/key", count + 1);
        devnet_path(devnet, path, name);
        if (!file_exists(path)) {
            return count;
        }
    }
}

/* ---- keys ---- */

static err make_or_load(const char *path, struct secp_secret *ret_secret,
                        struct address *ret_address)
{
    TRY(file_exists(path) ? key_load(path, ret_secret) : key_make(path, ret_secret));
    secp_address_of_secret(ret_address, ret_secret);
    return ok();
}

static err named_key(const struct devnet *devnet, const char *name, struct devnet_account *ret)
{
    char file[64];
    char path[PATH_BYTES_MAX];
    snprintf(file, sizeof file, "keys/%s.key", name);
    devnet_path(devnet, path, file);
    return make_or_load(path, &ret->secret, &ret->address);
}

static err numbered_keys(const struct devnet *devnet, const char *name,
                         struct devnet_account *accounts, unsigned first, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char full[32];
        snprintf(full, sizeof full, "%s-%zu", name, first + i);
        TRY(named_key(devnet, full, &accounts[i]));
    }
    return ok();
}

static err role_keys(struct devnet *devnet)
{
    for (size_t i = 0; i < devnet->role_count; i++) {
        struct devnet_role *role = &devnet->roles[i];
        char path[PATH_BYTES_MAX];
        TRY(dir_make(role->dir));
        path_join(path, role->dir, "key");
        if (role->kind == DEVNET_LEDGER && !file_exists(path)) {
            TRY(key_save(path, &devnet->seat.secret));
        }
        TRY(make_or_load(path, &role->secret, &role->address));
    }
    return ok();
}

static err master_key_file(struct devnet *devnet)
{
    char path[PATH_BYTES_MAX];
    devnet_path(devnet, path, "keys/owner.master");
    return file_exists(path) ? master_load(path, &devnet->master)
                             : master_make(path, &devnet->master);
}

/* Letters and digits that no client has to quote. */
static void random_token(struct loop *loop, char *out, size_t letters)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    u8 raw[DEVNET_TOKEN_BYTES];
    loop_random(loop, raw, letters);
    for (size_t i = 0; i < letters; i++) {
        out[i] = alphabet[raw[i] % (sizeof alphabet - 1)];
    }
    out[letters] = '\0';
}

static err passphrase_file(const struct devnet *devnet, const char *path)
{
    char text[DEVNET_TOKEN_BYTES + 1];
    random_token(devnet->loop, text, SECRET_KEY_LETTERS);
    size_t len = strlen(text);
    text[len] = '\n';
    err e = file_replace(path, bytes_make(text, len + 1));
    mem_wipe(text, sizeof text);
    return e;
}

static err seal_master(const struct devnet *devnet, const char *passphrase_path,
                       struct envelope *ret)
{
    u8 random[40];
    struct passphrase passphrase;
    TRY(passphrase_get(&passphrase, passphrase_path, false));
    loop_random(devnet->loop, random, sizeof random);
    err e = envelope_seal(ret, &devnet->master, passphrase_bytes(&passphrase), ENVELOPE_PASSES,
                          ENVELOPE_MEMORY_KIB, random);
    passphrase_wipe(&passphrase);
    return e;
}

/* envelope_file: made once, so that it stays the same in the network. */
static err envelope_file(const struct devnet *devnet)
{
    char path[PATH_BYTES_MAX];
    char passphrase_path[PATH_BYTES_MAX];
    struct envelope envelope;
    devnet_path(devnet, path, DEVNET_ENVELOPE);
    devnet_path(devnet, passphrase_path, DEVNET_PASSPHRASE);
    if (file_exists(path)) {
        return ok();
    }
    TRY(passphrase_file(devnet, passphrase_path));
    TRY(seal_master(devnet, passphrase_path, &envelope));
    return envelope_text_write(path, "master", NULL, &envelope);
}

static err s3_keys(struct devnet *devnet)
{
    char path[PATH_BYTES_MAX];
    struct arena arena;
    bytes text;
    json_t *keys = NULL;
    devnet_path(devnet, path, "keys/s3.json");
    if (!file_exists(path)) {
        random_token(devnet->loop, devnet->access_key, ACCESS_KEY_LETTERS);
        random_token(devnet->loop, devnet->secret_key, SECRET_KEY_LETTERS);
        keys = json_pack("{s:s, s:s}", "access_key", devnet->access_key, "secret_key",
                         devnet->secret_key);
        err e = devnet_write_json(path, keys);
        json_decref(keys);
        return e;
    }
    arena_init(&arena, SMALL_FILE_BYTES_MAX);
    err e = file_load(path, &arena, &text);
    if (is_ok(e)) {
        e = json_parse(text, SMALL_FILE_BYTES_MAX, &keys);
    }
    const char *access_key = json_read_str(keys, "access_key");
    const char *secret_key = json_read_str(keys, "secret_key");
    if (is_ok(e) && (access_key == NULL || secret_key == NULL)) {
        e = fail(ERR_MALFORMED);
    }
    if (is_ok(e)) {
        snprintf(devnet->access_key, sizeof devnet->access_key, "%s", access_key);
        snprintf(devnet->secret_key, sizeof devnet->secret_key, "%s", secret_key);
    }
    json_decref(keys);
    arena_free(&arena);
    return e;
}

static err make_keys(struct devnet *devnet)
{
    TRY(named_key(devnet, "seat", &devnet->seat));
    TRY(named_key(devnet, "governance", &devnet->governance));
    TRY(named_key(devnet, "owner", &devnet->owner));
    TRY(numbered_keys(devnet, "operator", devnet->operators, 1, DEVNET_OPERATORS));
    TRY(numbered_keys(devnet, "account", devnet->accounts, 0, DEVNET_ACCOUNTS));
    TRY(role_keys(devnet));
    TRY(master_key_file(devnet));
    TRY(envelope_file(devnet));
    return s3_keys(devnet);
}

/* ---- genesis ---- */

static void fund(json_t *alloc, const struct address *address, const char *wei)
{
    char text[43];
    key_address_text(text, address);
    json_object_set_new(alloc, text, json_pack("{s:s}", "balance", wei));
}

static json_t *make_alloc(const struct devnet *devnet)
{
    json_t *alloc = json_object();
    fund(alloc, &devnet->owner.address, FUND_PERSON);
    fund(alloc, &devnet->governance.address, FUND_ROLE);
    for (size_t i = 0; i < DEVNET_ACCOUNTS; i++) {
        fund(alloc, &devnet->accounts[i].address, FUND_PERSON);
    }
    for (size_t i = 0; i < DEVNET_OPERATORS; i++) {
        fund(alloc, &devnet->operators[i].address, FUND_ROLE);
    }
    for (size_t i = 0; i < devnet->role_count; i++) {
        fund(alloc, &devnet->roles[i].address, FUND_ROLE);
    }
    return alloc;
}

static err make_genesis(const struct devnet *devnet, const char *path)
{
    char seat[43];
    char governance[43];
    u32 random;
    loop_random(devnet->loop, &random, sizeof random);
    key_address_text(seat, &devnet->seat.address);
    key_address_text(governance, &devnet->governance.address);
    json_t *genesis =
        json_pack("{s:i, s:I, s:I, s:i, s:i, s:[s], s:{s:{s:s, s:s}}, s:o}", "version", 1,
                  "chain_id", (json_int_t)(CHAIN_ID_BASE + (random >> 1)), "time",
                  (json_int_t)(loop_wall_ms(devnet->loop) / 1000), "interval_ms", INTERVAL_MS,
                  "empty_interval_ms", EMPTY_INTERVAL_MS, "seats", seat, "modules", "params",
                  "profile", "devnet", "governance", governance, "alloc", make_alloc(devnet));
    assert_that(genesis != NULL);
    err e = devnet_write_json(path, genesis);
    json_decref(genesis);
    return e;
}

static err make_certificates(const struct devnet *devnet)
{
    static const char *const names[] = {"localhost", "*.localhost", "127.0.0.1", "::1"};
    char path[PATH_BYTES_MAX];
    devnet_path(devnet, path, "tls");
    TRY(dir_make(path));
    return tls_make_authority(path, names, COUNT_OF(names));
}

/* ---- all of it ---- */

static err take_folder(struct devnet *devnet)
{
    char given[PATH_BYTES_MAX];
    char path[PATH_BYTES_MAX];
    snprintf(given, sizeof given, "%s", devnet->dir);
    devnet_path(devnet, path, "keys");
    TRY(dir_make(path));
    devnet_path(devnet, path, "lock");
    TRY(file_open(path, FILE_CREATE, &devnet->lock));
    err e = file_lock(devnet->lock);
    if (is_err(e, ERR_BUSY)) {
        log_error("devnet", "another devnet runs in %s", given);
    }
    return e;
}

err devnet_prepare(struct devnet *devnet)
{
    char path[PATH_BYTES_MAX];
    TRY(take_folder(devnet));
    TRY(make_keys(devnet));
    TRY(make_certificates(devnet));
    devnet_path(devnet, path, "genesis.json");
    return file_exists(path) ? ok() : make_genesis(devnet, path);
}

/* verb_gateway_user.c: `cairn gateway user` and `cairn gateway envelope`: what an owner's system
 * bucket has. It is written by a running gateway, to which these verbs hand things through its data
 * folder; the list is read from ledger and network. */
#include "cli/client.h"
#include "cli/direct.h"
#include "cli/envelope_drop.h"
#include "cli/gateway_flags.h"
#include "cli/keyfile.h"
#include "cli/passphrase.h"
#include "cli/user_drop.h"
#include "cli/verbs.h"

#include "base/map.h"
#include "base/mem.h"
#include "data/bucket_name.h"

#include <sys/random.h>

#define WAIT_MS 60000
#define ACCESS_KEY_COLUMN 24

static struct {
    const char *owner;
    const char *id;
    const char *display_name;
    const char *email;
    const char *tenant;
    const char *access_key;
    const char *secret_key;
    const char *passphrase_file;
} options;

/* parse_owner: --owner, or the devnet's. */
static bool parse_owner(const struct client *client, struct address *ret_owner)
{
    const char *owner =
        options.owner != NULL ? options.owner : client_setting(client, "owner", "address");
    return owner != NULL && hex_decode_0x(ret_owner->b, sizeof ret_owner->b, bytes_str(owner));
}

static bool parse_with_config(struct cli *cli)
{
    return cli_parse(cli, 0, 0) &&
           (gateway_flags.config == NULL || cli_config(cli, gateway_flags.config));
}

/* ---- user add ---- */

static bool copy_option(char *out, size_t cap, const char *text)
{
    if (text != NULL && strlen(text) >= cap) {
        return false;
    }
    snprintf(out, cap, "%s", text != NULL ? text : "");
    return true;
}

static bool fill_user(struct client *client, struct gateway_user *user)
{
    const char *name = options.display_name != NULL ? options.display_name : options.id;
    return parse_owner(client, &user->owner) &&
           copy_option(user->id, sizeof user->id, options.id) &&
           copy_option(user->display_name, sizeof user->display_name, name) &&
           copy_option(user->email, sizeof user->email, options.email) &&
           copy_option(user->tenant, sizeof user->tenant, options.tenant) &&
           copy_option(user->access_key, sizeof user->access_key, options.access_key) &&
           copy_option(user->secret_key, sizeof user->secret_key, options.secret_key);
}

static err add_user(void *ctx, struct loop *loop)
{
    const struct gateway_user *user = ctx;
    TRY(user_drop_leave(gateway_flags.data, user));
    return user_drop_await(loop, gateway_flags.data, user, loop_now_ms(loop) + WAIT_MS);
}

/* tell_user: without the secret. */
static void tell_user(const struct cli *cli, const struct gateway_user *user)
{
    char owner[43];
    key_address_text(owner, &user->owner);
    cli_print_json(cli, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "id", user->id, "display_name",
                                  user->display_name, "email", user->email, "tenant", user->tenant,
                                  "access_key", user->access_key, "owner", owner));
}

static int run_user_add(struct cli *cli)
{
    struct client client;
    struct gateway_user user = {.id = ""};
    if (!parse_with_config(cli)) {
        return 2;
    }
    if (options.id == NULL || options.access_key == NULL || options.secret_key == NULL) {
        return cli_usage(cli, "--id, --access-key and --secret-key are needed");
    }
    err e = client_init(&client, cli);
    bool fine = is_ok(e) && fill_user(&client, &user);
    json_decref(client.devnet);
    if (!fine) {
        return cli_usage(cli, "--owner ADDRESS is needed; --id, --display-name and --tenant have "
                              "at most 64 characters, --email 254, keys 128");
    }
    e = cli_run(add_user, &user);
    mem_wipe(user.secret_key, sizeof user.secret_key);
    if (!is_ok(e)) {
        const char *hint =
            is_err(e, ERR_TIMEOUT) ? "the gateway takes the user when it runs" : NULL;
        return cli_fail(cli, e, hint, "the user was not taken: %s", err_text(e));
    }
    cli_print(cli, "user %s with access key %s\n", user.id, user.access_key);
    tell_user(cli, &user);
    return 0;
}

/* ---- user list ---- */

/* The newest document of a name counts; within one record the last one. */
struct listed {
    u64 sequence;
    bool there; /* false: removed, or damaged */
    struct gateway_user user;
};

struct listing {
    struct address owner;
    struct map found; /* name → struct listed */
};

static err take_op(void *ctx, u64 sequence, const struct journal_op *op)
{
    struct listing *listing = ctx;
    if (op->kind != JOURNAL_CONFIG || !bytes_starts_with(op->key, bytes_str(USER_NAME_PREFIX))) {
        return ok();
    }
    const struct listed *newer = map_get(&listing->found, op->key);
    if (newer != NULL && newer->sequence > sequence) {
        return ok();
    }
    struct listed *listed = MEM_NEW(struct listed);
    listed->sequence = sequence;
    listed->there =
        op->value.len > 0 && is_ok(gateway_user_read(&listed->user, &listing->owner, op->value));
    mem_wipe(listed->user.secret_key, sizeof listed->user.secret_key);
    mem_free(map_put(&listing->found, op->key, listed));
    return ok();
}

static void print_users(const struct client *client, const struct listing *listing)
{
    map_each (it, &listing->found) {
        const struct listed *listed = it->value;
        const struct gateway_user *user = &listed->user;
        if (!listed->there) {
            continue;
        }
        cli_print(client->cli, "%-*s %s", ACCESS_KEY_COLUMN, user->access_key, user->id);
        if (strcmp(user->display_name, user->id) != 0) {
            cli_print(client->cli, "  \"%s\"", user->display_name);
        }
        if (user->email[0] != '\0') {
            cli_print(client->cli, "  <%s>", user->email);
        }
        if (user->tenant[0] != '\0') {
            cli_print(client->cli, "  tenant %s", user->tenant);
        }
        cli_print(client->cli, "\n");
        tell_user(client->cli, user);
    }
}

static err read_users(struct direct *direct, struct listing *listing)
{
    struct direct_bucket bucket;
    const struct direct_visit visit = {.ctx = listing, .op = take_op};
    err e = direct_bucket(direct, SYSTEM_BUCKET_NAME, &bucket);
    if (is_err(e, ERR_NOT_FOUND)) {
        return ok(); /* no user was ever added */
    }
    if (is_ok(e)) {
        e = direct_walk(direct, &bucket, &visit);
    }
    mem_wipe(&bucket.key, sizeof bucket.key);
    return e;
}

static err user_list(struct client *client)
{
    struct direct direct;
    struct master_key master;
    struct listing listing = {.owner = {{0}}};
    TRY(gateway_load_master(client, &master));
    map_init(&listing.found);
    err e = direct_open(&direct, client, &master);
    mem_wipe(&master, sizeof master);
    if (is_ok(e)) {
        secp_address_of_secret(&listing.owner, &direct.who.secret);
        e = read_users(&direct, &listing);
    }
    direct_close(&direct);
    if (is_ok(e)) {
        print_users(client, &listing);
    }
    map_each (it, &listing.found) {
        mem_free(it->value);
    }
    map_free(&listing.found);
    return is_ok(e) ? e : client_fail(client, e, NULL, "the users: %s", err_text(e));
}

static int run_user_list(struct cli *cli)
{
    return cli_parse(cli, 0, 0) ? client_main(cli, user_list) : 2;
}

/* ---- envelope ---- */

static err seal_master(const struct master_key *master, struct envelope *ret)
{
    struct passphrase passphrase;
    u8 random[40];
    TRY(passphrase_get(&passphrase, options.passphrase_file, true));
    err e = getrandom(random, sizeof random, 0) == sizeof random ? ok() : fail(ERR_IO);
    if (is_ok(e)) {
        e = envelope_seal(ret, master, passphrase_bytes(&passphrase), ENVELOPE_PASSES,
                          ENVELOPE_MEMORY_KIB, random);
    }
    passphrase_wipe(&passphrase);
    return e;
}

static err envelope(struct client *client)
{
    struct master_key master;
    struct envelope sealed;
    struct address owner;
    if (!parse_owner(client, &owner)) {
        return client_fail(client, fail(ERR_USAGE), NULL, "--owner ADDRESS is needed");
    }
    TRY(gateway_load_master(client, &master));
    err e = seal_master(&master, &sealed);
    mem_wipe(&master, sizeof master);
    if (is_ok(e)) {
        e = envelope_drop_leave(gateway_flags.data, &owner, &sealed);
    }
    if (is_ok(e)) {
        e = envelope_drop_await(client->loop, gateway_flags.data, &owner,
                                loop_now_ms(client->loop) + WAIT_MS);
    }
    if (!is_ok(e)) {
        return client_fail(client, e,
                           is_err(e, ERR_TIMEOUT) ? "the gateway takes it when it runs" : NULL,
                           "the envelope was not taken: %s", err_text(e));
    }
    cli_print(client->cli, "the envelope of the master key is in the network: with the account key "
                           "and the passphrase\nit comes back (cairn key recover)\n");
    cli_print_json(client->cli, json_pack("{s:b}", "kept", 1));
    return ok();
}

static int run_envelope(struct cli *cli)
{
    return parse_with_config(cli) ? client_main_offline(cli, envelope) : 2;
}

/* ---- the verbs ---- */

#define DATA_FLAG                                                                                  \
    {                                                                                              \
        "data", FLAG_TEXT, &gateway_flags.data, "DIR",                                             \
            "the gateway's data folder (default gateway)"                                          \
    }
#define OWNER_FLAG                                                                                 \
    {                                                                                              \
        "owner", FLAG_TEXT, &options.owner, "ADDRESS", "whose data it is (default: the devnet's)"  \
    }
#define DEVNET_FLAG                                                                                \
    {                                                                                              \
        "devnet", FLAG_TEXT, &client_options.devnet, "FILE", "devnet.json with the defaults"       \
    }

static const struct flag add_flags[] = {
    DATA_FLAG,
    OWNER_FLAG,
    {"id", FLAG_TEXT, &options.id, "TEXT", "canonical user id"},
    {"display-name", FLAG_TEXT, &options.display_name, "TEXT", "default: the id"},
    {"email", FLAG_TEXT, &options.email, "TEXT", "e-mail address (default none)"},
    {"tenant", FLAG_TEXT, &options.tenant, "TEXT", "whom the user belongs to (default none)"},
    {"access-key", FLAG_TEXT, &options.access_key, "TEXT", "S3 access key"},
    {"secret-key", FLAG_TEXT, &options.secret_key, "TEXT", "S3 secret key"},
    DEVNET_FLAG,
    {NULL, FLAG_BOOL, NULL, NULL, NULL},
};
static const struct flag list_flags[] = {
    CLIENT_CHAIN_FLAGS,
    CLIENT_KEY_FLAG,
    CLIENT_MASTER_FLAG,
    {NULL, FLAG_BOOL, NULL, NULL, NULL},
};
static const struct flag envelope_flags[] = {
    DATA_FLAG,
    OWNER_FLAG,
    CLIENT_MASTER_FLAG,
    {"passphrase-file", FLAG_TEXT, &options.passphrase_file, "FILE",
     "its first line; default: asked"},
    DEVNET_FLAG,
    {NULL, FLAG_BOOL, NULL, NULL, NULL},
};

static const struct verb add_verb = {
    .name = "gateway user add",
    .arguments = "--id TEXT --access-key TEXT --secret-key TEXT [FLAGS]",
    .summary = "gives an owner's data an S3 user",
    .examples = "  cairn gateway user add --data devnet/gateway-1/data --id alice "
                "--email alice@example.org\n"
                "      --access-key ALICE --secret-key 9f1c…",
    .flags = add_flags,
    .run = run_user_add,
};
static const struct verb list_verb = {
    .name = "gateway user list",
    .arguments = "[FLAGS]",
    .summary = "your S3 users, without their secrets",
    .text = "Read from ledger and network with your keys, so no gateway is needed.",
    .examples = "  cairn gateway user list --json",
    .flags = list_flags,
    .run = run_user_list,
};
static const struct verb *const user_parts[] = {&add_verb, &list_verb, NULL};
const struct verb gateway_user_verb = {
    .name = "gateway user",
    .arguments = "add|list …",
    .summary = "S3 users",
    .parts = user_parts,
};
const struct verb gateway_envelope_verb = {
    .name = "gateway envelope",
    .arguments = "[FLAGS]",
    .summary = "keeps your master key in the network, sealed under a passphrase",
    .text =
        "The gateway writes the envelope (Argon2id, XChaCha20-Poly1305) as the first record of\n"
        "your system bucket, in clear, so that the account key finds it when nothing else is\n"
        "left; again: a new passphrase. Who can read your fragments may guess passphrases: take\n"
        "a good one.",
    .examples = "  cairn gateway envelope --data devnet/gateway-1/data --passphrase-file pass.txt",
    .flags = envelope_flags,
    .run = run_envelope,
};

/* verb_gateway.c: `cairn gateway`: registering, authorising, restoring gateways; their S3 users. */
#include "cli/client.h"
#include "cli/direct.h"
#include "cli/gateway_flags.h"
#include "cli/keyfile.h"
#include "cli/verbs.h"

#include "base/log.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "ledger/modules/bucket_layout.h"
#include "ledger/modules/territory_layout.h"
#include "owner/owner.h"

#include <stdlib.h>

#define CALL_ARENA_BYTES MIB(4)
#define HEALTH_BYTES_MAX MIB(1)
#define HEALTH_CALL_MS 5000
#define RESTORE_POLL_MS 500
#define TERRITORIES_MAX 256

static struct {
    u64 gateway;
    u64 territory;
    const char *scope;
    u64 quota;
    u64 duration;
    const char *endpoint;
    const char *passphrase_file;
    u64 timeout;
} options = {.scope = "all", .duration = 365ull * 86400, .timeout = 600};

void gateway_heads_add(struct hash *digest, const struct hash *bucket, const struct hash *head)
{
    u8 text[64];
    struct hash one;
    memcpy(text, bucket->b, 32);
    memcpy(text + 32, head->b, 32);
    sha256(&one, BYTES_OF(text));
    for (size_t i = 0; i < sizeof digest->b; i++) {
        digest->b[i] ^= one.b[i];
    }
}

/* ---- what the ledger says ---- */

struct gateway_view {
    u32 number;
    struct gateway_record record;
    bool found;
    u8 endpoint[GATEWAY_ENDPOINT_BYTES_MAX];
    size_t endpoint_len;
};

static err read_gateway(void *ctx, const struct slot_source *slots)
{
    struct gateway_view *view = ctx;
    view->endpoint_len = 0;
    err record = gateway_load(slots, view->number, &view->record, &view->found);
    err endpoint = gateway_endpoint(slots, view->number, view->endpoint, &view->endpoint_len);
    TRY(record);
    return endpoint;
}

struct account_view {
    struct address account;
    u32 number;
};

static err read_number(void *ctx, const struct slot_source *slots)
{
    struct account_view *view = ctx;
    return gateway_of(slots, &view->account, &view->number);
}

/* The owner's own territories; entries that he gave away or that are over are left out. */
struct territories_view {
    struct address owner;
    u64 ids[TERRITORIES_MAX];
    size_t count;
    u64 default_territory;
};

static err read_territories(void *ctx, const struct slot_source *slots)
{
    struct territories_view *view = ctx;
    struct territory_owner owner;
    err result = ok();
    view->count = 0;
    TRY(territory_owner_load(slots, &view->owner, &owner));
    view->default_territory = owner.default_territory;
    for (u32 i = 0; i < min_u64(owner.count, TERRITORIES_MAX); i++) {
        struct territory_record record;
        u64 id = 0;
        bool found = false;
        err e = territory_owned(slots, &view->owner, i, &id);
        if (is_ok(e)) {
            e = territory_load(slots, id, &record, &found);
        }
        if (!is_ok(e)) {
            result = e;
        } else if (found && address_eq(&record.owner, &view->owner)) {
            view->ids[view->count++] = id;
        }
    }
    return result;
}

/* ---- init ---- */

static err register_gateway(struct client *client, u32 *ret_number)
{
    struct account_view view = {.account = chain_account_address(client->account)};
    struct secp_secret secret;
    struct x_secret box;
    struct x_public box_key;
    struct hash word;
    struct arena arena;
    struct chain_receipt receipt;
    TRY(chain_view(client->chain, read_number, &view, client_deadline(client)));
    TRY(key_load(client_options.key, &secret));
    key_derive_box(&box, &secret);
    secp_secret_wipe(&secret);
    x_public_of(&box_key, &box);
    mem_wipe(&box, sizeof box);
    memcpy(word.b, box_key.b, sizeof word.b);
    const struct abi_value args[] = {abi_bytes(bytes_str(options.endpoint)), abi_hash(&word)};
    arena_init(&arena, CALL_ARENA_BYTES);
    err e = module_send(client->account, MODULE_BUCKET,
                        view.number == 0 ? BUCKET_REGISTER_GATEWAY : BUCKET_UPDATE_GATEWAY, args,
                        u256_from_u64(0), &arena, client_deadline(client), &receipt);
    arena_free(&arena);
    TRY(e);
    TRY(chain_view(client->chain, read_number, &view, client_deadline(client)));
    *ret_number = view.number;
    return ok();
}

static err init(struct client *client)
{
    u32 number;
    TRY(client_account(client));
    err e = register_gateway(client, &number);
    if (!is_ok(e)) {
        return client_fail(client, e, NULL, "the gateway is not registered: %s", err_text(e));
    }
    cli_print(client->cli, "gateway %u at %s\n", number, options.endpoint);
    cli_print_json(client->cli,
                   json_pack("{s:i, s:s}", "gateway", (int)number, "endpoint", options.endpoint));
    return ok();
}

static int run_init(struct cli *cli)
{
    if (!cli_parse(cli, 0, 0)) {
        return 2;
    }
    if (client_options.key == NULL || options.endpoint == NULL) {
        return cli_usage(cli, "--key FILE (the gateway's) and --endpoint URL are needed");
    }
    return client_main(cli, init);
}

/* ---- authorise, revoke ---- */

static const struct {
    const char *name;
    u32 bit;
} scopes[] = {
    {"all", SCOPE_ALL},       {"read", SCOPE_READ},       {"write", SCOPE_WRITE},
    {"create", SCOPE_CREATE}, {"release", SCOPE_RELEASE}, {"repair", SCOPE_REPAIR},
    {"policy", SCOPE_POLICY}, {"remove", SCOPE_REMOVE},
};

/* "read,write" */
static bool parse_scope(const char *text, u32 *ret)
{
    u32 scope = 0;
    while (*text != '\0') {
        size_t len = strcspn(text, ",");
        u32 bit = 0;
        for (size_t i = 0; i < COUNT_OF(scopes); i++) {
            if (bytes_eq_str(bytes_make(text, len), scopes[i].name)) {
                bit = scopes[i].bit;
            }
        }
        if (bit == 0) {
            return false;
        }
        scope |= bit;
        text += len + (text[len] == ',');
    }
    *ret = scope;
    return scope != 0;
}

err gateway_load_master(struct client *client, struct master_key *ret_master)
{
    const char *path = client_options.master;
    if (path == NULL) {
        path = client_setting(client, "owner", "master_file");
    }
    if (path == NULL) {
        return client_fail(client, fail(ERR_USAGE), "give --master FILE", "no master key is known");
    }
    err e = master_load(path, ret_master);
    return is_ok(e) ? e
                    : client_fail(client, e, NULL, "cannot read the master key %s: %s", path,
                                  err_text(e));
}

static err default_territory(struct client *client, u64 *ret_territory)
{
    struct territories_view *view = MEM_NEW(struct territories_view);
    view->owner = chain_account_address(client->account);
    err e = chain_view(client->chain, read_territories, view, client_deadline(client));
    *ret_territory = view->default_territory;
    mem_free(view);
    TRY(e);
    return *ret_territory != 0
               ? ok()
               : client_fail(client, fail(ERR_NOT_FOUND), "see: cairn territory lease --help",
                             "the owner has no territory");
}

static err authorise_one(struct client *client, const struct master_key *master, u64 territory,
                         u32 gateway, u32 scope)
{
    const struct owner_grant grant = {
        .territory = territory,
        .gateway = gateway,
        .scope = scope,
        .quota_bytes = options.quota != 0 ? options.quota : UINT64_MAX >> 1,
        .expires = chain_head(client->chain).time + options.duration,
    };
    err e = owner_authorise(client->chain, client->loop, client->account, master, &grant,
                            client_deadline(client));
    if (!is_ok(e)) {
        return client_fail(client, e, NULL, "gateway %u is not authorised for territory %llu: %s",
                           gateway, (unsigned long long)territory, err_text(e));
    }
    return ok();
}

static err authorise(struct client *client)
{
    struct master_key master;
    u32 scope;
    if (!parse_scope(options.scope, &scope)) {
        return client_fail(client, fail(ERR_USAGE),
                           "scopes: all, read, write, create, release, repair, policy, remove",
                           "'%s' is no scope", options.scope);
    }
    TRY(client_account(client));
    if (options.territory == 0) {
        TRY(default_territory(client, &options.territory));
    }
    TRY(gateway_load_master(client, &master));
    err e = authorise_one(client, &master, options.territory, (u32)options.gateway, scope);
    mem_wipe(&master, sizeof master);
    TRY(e);
    cli_print(client->cli, "gateway %llu may act in territory %llu: %s\n",
              (unsigned long long)options.gateway, (unsigned long long)options.territory,
              options.scope);
    cli_print_json(client->cli,
                   json_pack("{s:I, s:I, s:s}", "gateway", (json_int_t)options.gateway, "territory",
                             (json_int_t)options.territory, "scope", options.scope));
    return ok();
}

static err revoke(struct client *client)
{
    TRY(client_account(client));
    if (options.territory == 0) {
        TRY(default_territory(client, &options.territory));
    }
    err e = owner_revoke(client->account, options.territory, (u32)options.gateway,
                         client_deadline(client));
    if (!is_ok(e)) {
        return client_fail(client, e, NULL, "not revoked: %s", err_text(e));
    }
    cli_print(
        client->cli,
        "gateway %llu may not act in territory %llu any more. What it has read it knows; give\n"
        "its buckets new label keys if it is not trusted.\n",
        (unsigned long long)options.gateway, (unsigned long long)options.territory);
    cli_print_json(client->cli, json_pack("{s:b}", "revoked", 1));
    return ok();
}

static int run_grant(struct cli *cli, err (*fn)(struct client *client))
{
    if (!cli_parse(cli, 0, 0)) {
        return 2;
    }
    if (options.gateway == 0 || options.gateway > UINT32_MAX) {
        return cli_usage(cli, "--gateway NUMBER is needed; see: cairn gateway list");
    }
    return client_main(cli, fn);
}

static int run_authorise(struct cli *cli) { return run_grant(cli, authorise); }
static int run_revoke(struct cli *cli) { return run_grant(cli, revoke); }

/* ---- list ---- */

static err read_count(void *ctx, const struct slot_source *slots)
{
    u32 *count = ctx;
    return gateway_count(slots, count);
}

static err list(struct client *client)
{
    u32 count = 0;
    TRY(chain_view(client->chain, read_count, &count, client_deadline(client)));
    for (u32 number = 1; number <= count; number++) {
        struct gateway_view view = {.number = number};
        char account[43];
        TRY(chain_view(client->chain, read_gateway, &view, client_deadline(client)));
        key_address_text(account, &view.record.account);
        cli_print(client->cli, "%-4u %s  %-8s  %.*s\n", number, account,
                  view.record.active ? "active" : "retired", (int)view.endpoint_len,
                  (const char *)view.endpoint);
        cli_print_json(client->cli,
                       json_pack("{s:i, s:s, s:b, s:s%}", "gateway", (int)number, "address",
                                 account, "active", view.record.active, "endpoint",
                                 (const char *)view.endpoint, view.endpoint_len));
    }
    return ok();
}

static int run_list(struct cli *cli) { return cli_parse(cli, 0, 0) ? client_main(cli, list) : 2; }

/* ---- restore ---- */

struct heads_view {
    struct address owner;
    u64 buckets;
    struct hash heads;
};

static err read_heads(void *ctx, const struct slot_source *slots)
{
    struct heads_view *view = ctx;
    u32 count = 0;
    err result = ok();
    view->buckets = 0;
    view->heads = (struct hash){{0}};
    TRY(bucket_owned_count(slots, &view->owner, &count));
    for (u32 i = 0; i < count; i++) {
        struct hash bucket;
        struct bucket_record record;
        bool found = false;
        err e = bucket_owned(slots, &view->owner, i, &bucket);
        if (is_ok(e)) {
            e = bucket_load(slots, &bucket, &record, &found);
        }
        if (!is_ok(e)) {
            result = e;
        } else if (found && !record.removed) {
            view->buckets++;
            gateway_heads_add(&view->heads, &bucket, &record.head.hash);
        }
    }
    return result;
}

/* The gateway's picture of the owner's buckets, from its /health. */
static err read_health(struct client *client, struct http_client *http, const char *url,
                       const struct address *owner, struct heads_view *ret)
{
    struct arena arena;
    bytes body;
    int status = 0;
    json_t *answer = NULL;
    const struct http_call_options call = {
        .method = "GET",
        .url = url,
        .deadline_ms = loop_now_ms(client->loop) + HEALTH_CALL_MS,
    };
    arena_init(&arena, HEALTH_BYTES_MAX);
    err e = http_fetch(http, &call, bytes_str(""), &arena, &status, &body);
    if (is_ok(e)) {
        e = status == 200 ? json_parse(body, HEALTH_BYTES_MAX, &answer) : fail(ERR_BUSY);
    }
    arena_free(&arena);
    *ret = (struct heads_view){.buckets = 0};
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(answer, "owners"), i, item)
    {
        struct address found;
        if (json_read_fixed(json_object_get(item, "owner"), found.b, sizeof found.b) &&
            address_eq(&found, owner) &&
            json_read_fixed(json_object_get(item, "heads"), ret->heads.b, sizeof ret->heads.b)) {
            ret->buckets = (u64)json_integer_value(json_object_get(item, "buckets"));
        }
    }
    json_decref(answer);
    return e;
}

static err await_restored(struct client *client, struct http_client *http, const char *url)
{
    struct heads_view wanted = {.owner = chain_account_address(client->account)};
    struct heads_view there;
    u64 told = UINT64_MAX;
    u64 end = loop_now_ms(client->loop) + options.timeout * 1000;
    for (;;) {
        TRY(chain_view(client->chain, read_heads, &wanted, client_deadline(client)));
        err e = read_health(client, http, url, &wanted.owner, &there);
        if (is_ok(e) && there.buckets == wanted.buckets && hash_eq(&there.heads, &wanted.heads)) {
            cli_print(client->cli, "all %llu buckets are as on the ledger\n",
                      (unsigned long long)there.buckets);
            cli_print_json(client->cli, json_pack("{s:I}", "buckets", (json_int_t)there.buckets));
            return ok();
        }
        if (is_ok(e) && there.buckets != told) {
            cli_print(client->cli, "%llu of %llu buckets\n", (unsigned long long)there.buckets,
                      (unsigned long long)wanted.buckets);
            told = there.buckets;
        }
        if (loop_now_ms(client->loop) >= end) {
            return client_fail(
                client, fail(ERR_TIMEOUT), "the gateway's log says what it waits for",
                "the gateway has %llu of %llu buckets", (unsigned long long)there.buckets,
                (unsigned long long)wanted.buckets);
        }
        TRY(fiber_sleep(client->loop, loop_now_ms(client->loop) + RESTORE_POLL_MS));
    }
}

static err authorise_all(struct client *client)
{
    struct master_key master;
    struct territories_view *view = MEM_NEW(struct territories_view);
    view->owner = chain_account_address(client->account);
    err e = options.passphrase_file != NULL
                ? direct_master(client, options.passphrase_file, &master)
                : gateway_load_master(client, &master);
    if (is_ok(e)) {
        e = chain_view(client->chain, read_territories, view, client_deadline(client));
    }
    for (size_t i = 0; is_ok(e) && i < view->count; i++) {
        e = authorise_one(client, &master, view->ids[i], (u32)options.gateway, SCOPE_ALL);
        if (is_ok(e)) {
            cli_print(client->cli, "gateway %llu may act in territory %llu\n",
                      (unsigned long long)options.gateway, (unsigned long long)view->ids[i]);
        }
    }
    mem_wipe(&master, sizeof master);
    mem_free(view);
    return e;
}

static err restore(struct client *client)
{
    char url[512];
    struct http_client *http;
    const char *health = client->cli->positionals[0];
    TRY(client_account(client));
    TRY(authorise_all(client));
    snprintf(url, sizeof url, "%s/health", health);
    TRY(http_client_new(client->loop, &(struct http_client_options){0}, &http));
    err e = await_restored(client, http, url);
    loop_stop(client->loop);
    http_client_free(http);
    return e;
}

static int run_restore(struct cli *cli)
{
    if (!cli_parse(cli, 1, 1)) {
        return 2;
    }
    if (options.gateway == 0 || options.gateway > UINT32_MAX) {
        return cli_usage(cli, "--gateway NUMBER is needed; see: cairn gateway list");
    }
    return client_main(cli, restore);
}

/* ---- the verbs ---- */

static const struct flag run_flags[] = {
    {"config", FLAG_TEXT, &gateway_flags.config, "FILE", "JSON object of these flags"},
    {"data", FLAG_TEXT, &gateway_flags.data, "DIR", "index and spool (default gateway)"},
    {"http", FLAG_TEXT, &gateway_flags.http, "HOST:PORT", "S3 (default 127.0.0.1:9000)"},
    {"https", FLAG_TEXT, &gateway_flags.https, "HOST:PORT", "S3 over TLS (default none)"},
    {"cert", FLAG_TEXT, &gateway_flags.cert, "FILE", "certificate chain, PEM"},
    {"cert-key", FLAG_TEXT, &gateway_flags.cert_key, "FILE", "its key, PEM"},
    {"domain", FLAG_LIST, &gateway_flags.domains, "NAME", "for BUCKET.NAME requests"},
    {"region", FLAG_TEXT, &gateway_flags.region, "NAME", "in signatures (default cairn)"},
    {"metrics", FLAG_TEXT, &gateway_flags.metrics, "HOST:PORT", "/metrics and /health"},
    {"spool-max", FLAG_SIZE, &gateway_flags.spool_max, "SIZE", "unfinal bytes (default 4GiB)"},
    {"memory-max", FLAG_SIZE, &gateway_flags.memory_max, "SIZE", "for bodies (default 128MiB)"},
    CLIENT_CHAIN_FLAGS,
    {"key", FLAG_TEXT, &client_options.key, "FILE",
     "its account, or $CREDENTIALS_DIRECTORY/gateway"},
    {NULL, FLAG_BOOL, NULL, NULL, NULL},
};
static const struct flag init_flags[] = {
    {"endpoint", FLAG_TEXT, &options.endpoint, "URL", "where clients reach it"},
    CLIENT_CHAIN_FLAGS,
    {"key", FLAG_TEXT, &client_options.key, "FILE", "the gateway's account key"},
    {NULL, FLAG_BOOL, NULL, NULL, NULL},
};
static const struct flag grant_flags[] = {
    {"gateway", FLAG_NUMBER, &options.gateway, "NUMBER", "of `cairn gateway list`"},
    {"territory", FLAG_NUMBER, &options.territory, "NUMBER", "default: the owner's default one"},
    {"scope", FLAG_TEXT, &options.scope, "LIST", "all, or some of read,write,create,… (all)"},
    {"quota", FLAG_SIZE, &options.quota, "SIZE", "bytes it may have stored (no limit)"},
    {"for", FLAG_DURATION, &options.duration, "TIME", "until it ends by itself (default 365d)"},
    CLIENT_CHAIN_FLAGS,
    CLIENT_KEY_FLAG,
    CLIENT_MASTER_FLAG,
    {NULL, FLAG_BOOL, NULL, NULL, NULL},
};
static const struct flag restore_flags[] = {
    {"gateway", FLAG_NUMBER, &options.gateway, "NUMBER", "of `cairn gateway list`"},
    {"for", FLAG_DURATION, &options.duration, "TIME", "of the authorisation (default 365d)"},
    {"timeout", FLAG_DURATION, &options.timeout, "TIME", "to wait for the buckets (default 10m)"},
    {"passphrase-file", FLAG_TEXT, &options.passphrase_file, "FILE",
     "takes the master key from its envelope in the network"},
    CLIENT_CHAIN_FLAGS,
    CLIENT_KEY_FLAG,
    CLIENT_MASTER_FLAG,
    {NULL, FLAG_BOOL, NULL, NULL, NULL},
};
static const struct flag list_flags[] = {
    CLIENT_CHAIN_FLAGS,
    {NULL, FLAG_BOOL, NULL, NULL, NULL},
};
static const struct verb run_verb = {
    .name = "gateway run",
    .arguments = "[FLAGS]",
    .summary = "runs a gateway",
    .text = "With an empty data folder everything comes back from the ledger and the network, for "
            "owners\n"
            "whose authorisation is in force.",
    .examples = "  cairn gateway run --config gateway.json",
    .flags = run_flags,
    .run = gateway_run,
};
static const struct verb init_verb = {
    .name = "gateway init",
    .arguments = "--key FILE --endpoint URL [FLAGS]",
    .summary = "registers a gateway on the ledger, or updates it",
    .examples = "  cairn gateway init --key gateway.key --endpoint https://s3.example.org",
    .flags = init_flags,
    .run = run_init,
};
static const struct verb authorise_verb = {
    .name = "gateway authorise",
    .arguments = "--gateway NUMBER [FLAGS]",
    .summary = "lets a gateway act for you, and gives it the territory's key",
    .examples = "  cairn gateway authorise --gateway 1 --key owner.key --master owner.master\n"
                "  cairn gateway authorise --gateway 2 --scope read --for 7d",
    .flags = grant_flags,
    .run = run_authorise,
};
static const struct verb revoke_verb = {
    .name = "gateway revoke",
    .arguments = "--gateway NUMBER [FLAGS]",
    .summary = "takes an authorisation back at once",
    .examples = "  cairn gateway revoke --gateway 2",
    .flags = grant_flags,
    .run = run_revoke,
};
static const struct verb restore_verb = {
    .name = "gateway restore",
    .arguments = "HEALTH-URL --gateway NUMBER [FLAGS]",
    .summary = "brings an owner's buckets to a gateway that has lost, or never had, them",
    .text =
        "Authorises the gateway for all the owner's territories, then waits until it has rebuilt "
        "each\n"
        "bucket from ledger and network, up to the head that the ledger has. HEALTH-URL is the\n"
        "gateway's metrics address. The same S3 keys work there. Who has lost the master key, but "
        "not\n"
        "its passphrase, gives --passphrase-file: ledger and network keep the key's envelope.",
    .examples = "  cairn gateway restore http://127.0.0.1:9005 --gateway 1 --key owner.key "
                "--master owner.master\n"
                "  cairn gateway restore http://127.0.0.1:9005 --gateway 1 --key owner.key "
                "--passphrase-file pass.txt",
    .flags = restore_flags,
    .run = run_restore,
};
static const struct verb list_verb = {
    .name = "gateway list",
    .arguments = "[FLAGS]",
    .summary = "the registered gateways",
    .examples = "  cairn gateway list --json",
    .flags = list_flags,
    .run = run_list,
};
static const struct verb *const parts[] = {
    &run_verb,  &init_verb,         &authorise_verb,        &revoke_verb, &restore_verb,
    &list_verb, &gateway_user_verb, &gateway_envelope_verb, NULL,
};

const struct verb verb_gateway = {
    .name = "gateway",
    .arguments = "run|init|authorise|revoke|restore|list|user|envelope …",
    .summary = "runs a gateway; lets gateways act for you; restores them",
    .examples = "  cairn gateway run --config gateway.json\n  cairn gateway list",
    .parts = parts,
};

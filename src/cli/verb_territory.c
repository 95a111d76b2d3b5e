/* verb_territory.c: `cairn territory`: leases of space. */
#include "cli/client.h"
#include "cli/keyfile.h"
#include "cli/verbs.h"

#include "base/mem.h"
#include "ledger/modules/beacon_layout.h"
#include "ledger/modules/params_layout.h"
#include "ledger/modules/provider_layout.h"
#include "ledger/modules/territory_layout.h"
#include "owner/owner.h"

#define CALL_ARENA_BYTES MIB(4)
#define OWNED_MAX 1024

static struct {
    u64 size;
    u64 duration;
    const char *class_name;
    const char *owner;
    bool all;
} options = {.duration = 365ull * 86400};

/* ---- reading ---- */

struct view {
    u64 id;
    struct territory_record record;
    bool found;
    u64 chain_now;
};

static err read_one(void *ctx, const struct slot_source *slots)
{
    struct view *view = ctx;
    err now = beacon_now(slots, &view->chain_now);
    TRY(territory_load(slots, view->id, &view->record, &view->found));
    return now;
}

static const char *state_text(const struct view *view)
{
    switch (view->record.state) {
    case TERRITORY_NONE:
        return "none";
    case TERRITORY_ACTIVE:
        return view->chain_now < view->record.expires ? "active" : "over";
    case TERRITORY_FROZEN:
        return "frozen";
    case TERRITORY_EXPIRED:
        return "expired";
    }
    return "?";
}

static err show_one(struct client *client, u64 id)
{
    struct view view = {.id = id};
    char owner[43];
    char size[32];
    char used[32];
    char paid[80];
    TRY(chain_view(client->chain, read_one, &view, client_deadline(client)));
    if (!view.found) {
        return client_fail(client, fail(ERR_NOT_FOUND), NULL, "there is no territory %llu",
                           (unsigned long long)id);
    }
    const struct territory_record *record = &view.record;
    const struct redundancy_info *info = redundancy_find((u8)record->class_number);
    const char *class_name = info != NULL ? info->name : "?";
    u64 left = record->expires > view.chain_now ? record->expires - view.chain_now : 0;
    key_address_text(owner, &record->owner);
    cli_size(size, record->size);
    cli_size(used, record->used);
    u256_decimal(paid, record->paid);
    cli_print(client->cli, "%-6llu %s  %-8s %-8s %10s of %-10s %llu d left\n",
              (unsigned long long)id, owner, class_name, state_text(&view), used, size,
              (unsigned long long)(left / 86400));
    cli_print_json(client->cli,
                   json_pack("{s:I, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:s}", "territory",
                             (json_int_t)id, "owner", owner, "class", class_name, "state",
                             state_text(&view), "size", (json_int_t)record->size, "used",
                             (json_int_t)record->used, "expires", (json_int_t)record->expires,
                             "seconds_left", (json_int_t)left, "paid_wei", paid));
    return ok();
}

static bool parse_id(const char *text, u64 *ret) { return parse_u64(ret, bytes_str(text)); }

static err show(struct client *client)
{
    for (size_t i = 0; i < client->cli->positional_count; i++) {
        u64 id;
        if (!parse_id(client->cli->positionals[i], &id)) {
            return client_fail(client, fail(ERR_USAGE), NULL, "'%s' is no number",
                               client->cli->positionals[i]);
        }
        TRY(show_one(client, id));
    }
    return ok();
}

struct owned_view {
    struct address owner;
    u64 ids[OWNED_MAX];
    size_t count;
};

static err read_owned(void *ctx, const struct slot_source *slots)
{
    struct owned_view *view = ctx;
    struct territory_owner owner;
    err result = ok();
    TRY(territory_owner_load(slots, &view->owner, &owner));
    view->count = (size_t)min_u64(owner.count, OWNED_MAX);
    for (u32 i = 0; i < view->count; i++) {
        err e = territory_owned(slots, &view->owner, i, &view->ids[i]);
        result = is_ok(e) ? result : e;
    }
    return result;
}

static err read_count(void *ctx, const struct slot_source *slots)
{
    u64 *count = ctx;
    return territory_count(slots, count);
}

static err list_all(struct client *client)
{
    u64 count = 0;
    TRY(chain_view(client->chain, read_count, &count, client_deadline(client)));
    for (u64 id = 1; id <= count; id++) {
        TRY(show_one(client, id));
    }
    return ok();
}

static err owner_address(struct client *client, struct address *ret)
{
    if (options.owner == NULL) {
        TRY(client_account(client));
        *ret = chain_account_address(client->account);
        return ok();
    }
    return hex_decode_0x(ret->b, sizeof ret->b, bytes_str(options.owner))
               ? ok()
               : client_fail(client, fail(ERR_USAGE), NULL, "'%s' is no address", options.owner);
}

static err list(struct client *client)
{
    if (options.all) {
        return list_all(client);
    }
    struct owned_view *view = MEM_NEW(struct owned_view);
    err e = owner_address(client, &view->owner);
    if (is_ok(e)) {
        e = chain_view(client->chain, read_owned, view, client_deadline(client));
    }
    for (size_t i = 0; is_ok(e) && i < view->count; i++) {
        e = show_one(client, view->ids[i]);
    }
    mem_free(view);
    return e;
}

/* ---- leasing ---- */

static err default_class(struct client *client, enum redundancy *ret)
{
    size_t eligible = 0;
    if (options.class_name != NULL) {
        return redundancy_parse(ret, bytes_str(options.class_name))
                   ? ok()
                   : client_fail(client, fail(ERR_USAGE), "rs-4-8, rs-10-20, rs-8-4 or rs-2-4",
                                 "there is no class '%s'", options.class_name);
    }
    TRY(chain_view(client->chain, owner_eligible_view, &eligible, client_deadline(client)));
    return redundancy_default(ret, eligible)
               ? ok()
               : client_fail(client, fail(ERR_REFUSED), NULL,
                             "%zu storage nodes are too few for any class (6)", eligible);
}

static err lease(struct client *client)
{
    enum redundancy class_number;
    u64 id;
    TRY(client_account(client));
    TRY(default_class(client, &class_number));
    err e = owner_lease(client->chain, client->account, options.size, class_number,
                        options.duration, client_deadline(client), &id);
    if (!is_ok(e)) {
        return client_fail(client, e, "see: cairn tx call territory price SIZE CLASS SECONDS",
                           "no lease: %s", err_text(e));
    }
    return show_one(client, id);
}

/* What `renew` and `expand` cost, as the ledger counts. */
struct price_view {
    u64 id;
    u64 size; /* 0: that of the territory */
    u64 duration;
    struct u256 price;
    bool found;
};

static err read_price(void *ctx, const struct slot_source *slots)
{
    struct price_view *view = ctx;
    struct territory_record record;
    u64 now;
    u64 price;
    u64 era;
    err parts[] = {
        territory_load(slots, view->id, &record, &view->found),
        beacon_now(slots, &now),
        params_load(slots, PARAM_PRICE_PER_TIB_ERA, &price),
        params_load(slots, PARAM_ERA_SECONDS, &era),
    };
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        TRY(parts[i]);
    }
    if (!view->found) {
        return ok();
    }
    u64 size = view->size != 0 ? view->size : record.size;
    u64 rest = record.expires > now ? record.expires - now : 0;
    u64 duration = view->size != 0 ? rest : view->duration;
    return territory_price(&view->price, size, record.class_number, duration, price, era)
               ? ok()
               : fail(ERR_LIMIT);
}

static err pay(struct client *client, const char *signature, struct price_view *view, u64 argument)
{
    struct arena arena;
    struct chain_receipt receipt;
    TRY(client_account(client));
    TRY(chain_view(client->chain, read_price, view, client_deadline(client)));
    if (!view->found) {
        return client_fail(client, fail(ERR_NOT_FOUND), NULL, "there is no territory %llu",
                           (unsigned long long)view->id);
    }
    const struct abi_value args[] = {abi_u64(view->id), abi_u64(argument)};
    arena_init(&arena, CALL_ARENA_BYTES);
    err e = module_send(client->account, MODULE_TERRITORY, signature, args, view->price, &arena,
                        client_deadline(client), &receipt);
    arena_free(&arena);
    return is_ok(e) ? show_one(client, view->id)
                    : client_fail(client, e, NULL, "the ledger did not take it: %s", err_text(e));
}

static err renew(struct client *client)
{
    struct price_view view = {.duration = options.duration};
    return parse_id(client->cli->positionals[0], &view.id)
               ? pay(client, TERRITORY_RENEW, &view, options.duration)
               : client_fail(client, fail(ERR_USAGE), NULL, "'%s' is no number",
                             client->cli->positionals[0]);
}

static err expand(struct client *client)
{
    struct price_view view = {.size = options.size};
    return parse_id(client->cli->positionals[0], &view.id)
               ? pay(client, TERRITORY_EXPAND, &view, options.size)
               : client_fail(client, fail(ERR_USAGE), NULL, "'%s' is no number",
                             client->cli->positionals[0]);
}

/* ---- freeze, unfreeze, default ---- */

static const char *simple_signature;

static err simple(struct client *client)
{
    struct arena arena;
    struct chain_receipt receipt;
    u64 id;
    if (!parse_id(client->cli->positionals[0], &id)) {
        return client_fail(client, fail(ERR_USAGE), NULL, "'%s' is no number",
                           client->cli->positionals[0]);
    }
    TRY(client_account(client));
    const struct abi_value args[] = {abi_u64(id)};
    arena_init(&arena, CALL_ARENA_BYTES);
    err e = module_send(client->account, MODULE_TERRITORY, simple_signature, args, u256_from_u64(0),
                        &arena, client_deadline(client), &receipt);
    arena_free(&arena);
    return is_ok(e) ? show_one(client, id)
                    : client_fail(client, e, NULL, "the ledger did not take it: %s", err_text(e));
}

static int run_simple(struct cli *cli, const char *signature)
{
    simple_signature = signature;
    return cli_parse(cli, 1, 1) ? client_main(cli, simple) : 2;
}

static int run_freeze(struct cli *cli) { return run_simple(cli, TERRITORY_FREEZE); }
static int run_unfreeze(struct cli *cli) { return run_simple(cli, TERRITORY_UNFREEZE); }
static int run_default(struct cli *cli) { return run_simple(cli, TERRITORY_SET_DEFAULT); }

static int run_list(struct cli *cli) { return cli_parse(cli, 0, 0) ? client_main(cli, list) : 2; }
static int run_show(struct cli *cli)
{
    return cli_parse(cli, 1, CLI_POSITIONALS_MAX) ? client_main(cli, show) : 2;
}

static int run_lease(struct cli *cli)
{
    if (!cli_parse(cli, 0, 0)) {
        return 2;
    }
    return options.size != 0 ? client_main(cli, lease) : cli_usage(cli, "--size SIZE is needed");
}

static int run_renew(struct cli *cli) { return cli_parse(cli, 1, 1) ? client_main(cli, renew) : 2; }

static int run_expand(struct cli *cli)
{
    if (!cli_parse(cli, 1, 1)) {
        return 2;
    }
    return options.size != 0 ? client_main(cli, expand) : cli_usage(cli, "--size SIZE is needed");
}

/* ---- the verbs ---- */

static const struct flag list_flags[] = {
    {"owner", FLAG_TEXT, &options.owner, "ADDRESS", "whose (default: the key's)"},
    {"all", FLAG_BOOL, &options.all, NULL, "everybody's"},
    CLIENT_CHAIN_FLAGS,
    CLIENT_KEY_FLAG,
    {NULL, FLAG_BOOL, NULL, NULL, NULL},
};
static const struct flag lease_flags[] = {
    {"size", FLAG_SIZE, &options.size, "SIZE", "bytes of ciphertext"},
    {"class", FLAG_TEXT, &options.class_name, "CLASS", "redundancy (default by network size)"},
    {"for", FLAG_DURATION, &options.duration, "TIME", "default 365d"},
    CLIENT_CHAIN_FLAGS,
    CLIENT_KEY_FLAG,
    {NULL, FLAG_BOOL, NULL, NULL, NULL},
};
static const struct flag call_flags[] = {
    CLIENT_CHAIN_FLAGS,
    CLIENT_KEY_FLAG,
    {NULL, FLAG_BOOL, NULL, NULL, NULL},
};

static const struct verb list_verb = {
    .name = "territory list",
    .arguments = "[FLAGS]",
    .summary = "the territories of an owner",
    .examples = "  cairn territory list\n  cairn territory list --all --json",
    .flags = list_flags,
    .run = run_list,
};
static const struct verb show_verb = {
    .name = "territory show",
    .arguments = "NUMBER… [FLAGS]",
    .summary = "one territory",
    .examples = "  cairn territory show 1 --json",
    .flags = call_flags,
    .run = run_show,
};
static const struct verb lease_verb = {
    .name = "territory lease",
    .arguments = "--size SIZE [FLAGS]",
    .summary = "leases space",
    .examples = "  cairn territory lease --size 100GiB --for 90d",
    .flags = lease_flags,
    .run = run_lease,
};
static const struct verb renew_verb = {
    .name = "territory renew",
    .arguments = "NUMBER [FLAGS]",
    .summary = "makes a lease longer",
    .examples = "  cairn territory renew 1 --for 365d",
    .flags = lease_flags,
    .run = run_renew,
};
static const struct verb expand_verb = {
    .name = "territory expand",
    .arguments = "NUMBER --size SIZE [FLAGS]",
    .summary = "makes a territory larger by SIZE",
    .examples = "  cairn territory expand 1 --size 1TiB",
    .flags = lease_flags,
    .run = run_expand,
};
static const struct verb freeze_verb = {
    .name = "territory freeze",
    .arguments = "NUMBER [FLAGS]",
    .summary = "stops writes into a territory",
    .examples = "  cairn territory freeze 1",
    .flags = call_flags,
    .run = run_freeze,
};
static const struct verb unfreeze_verb = {
    .name = "territory unfreeze",
    .arguments = "NUMBER [FLAGS]",
    .summary = "allows writes again",
    .examples = "  cairn territory unfreeze 1",
    .flags = call_flags,
    .run = run_unfreeze,
};
static const struct verb default_verb = {
    .name = "territory default",
    .arguments = "NUMBER [FLAGS]",
    .summary = "new buckets go there",
    .examples = "  cairn territory default 2",
    .flags = call_flags,
    .run = run_default,
};

static const struct verb *const parts[] = {
    &list_verb,   &show_verb,     &lease_verb,   &renew_verb, &expand_verb,
    &freeze_verb, &unfreeze_verb, &default_verb, NULL,
};

const struct verb verb_territory = {
    .name = "territory",
    .arguments = "list|show|lease|renew|expand|freeze|unfreeze|default …",
    .summary = "leases of space",
    .examples = "  cairn territory list\n  cairn territory lease --size 100GiB",
    .parts = parts,
};

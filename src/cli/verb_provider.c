/* verb_provider.c: `cairn provider`: the storage nodes as the ledger has them. */
#include "cli/client.h"
#include "cli/keyfile.h"
#include "cli/verbs.h"

#include "base/mem.h"
#include "ledger/modules/beacon_layout.h"
#include "ledger/modules/provider_layout.h"

struct view {
    u32 number;
    u32 count;
    bool found;
    struct provider_record record;
    u8 endpoint[PROVIDER_ENDPOINT_BYTES_MAX];
    size_t endpoint_len;
    struct address operator_;
    u64 late_after;
    u64 now;
};

static err read_count(void *ctx, const struct slot_source *slots)
{
    struct view *view = ctx;
    return provider_count(slots, &view->count);
}

static err read_one(void *ctx, const struct slot_source *slots)
{
    struct view *view = ctx;
    err parts[] = {
        provider_endpoint(slots, view->number, view->endpoint, &view->endpoint_len),
        provider_late_after(slots, &view->late_after),
        beacon_now(slots, &view->now),
    };
    TRY(provider_load(slots, view->number, &view->record, &view->found));
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        TRY(parts[i]);
    }
    return view->found ? provider_operator(slots, view->record.operator_, &view->operator_) : ok();
}

static const char *state_text(const struct view *view)
{
    switch (view->record.state) {
    case PROVIDER_NONE:
        return "none";
    case PROVIDER_ACTIVE:
        return provider_is_late(&view->record, view->late_after, view->now) ? "late" : "active";
    case PROVIDER_DRAINING:
        return "draining";
    case PROVIDER_EXITED:
        return "exited";
    }
    return "?";
}

static json_t *describe(const struct view *view)
{
    char account[43];
    char operator_[43];
    const struct provider_record *record = &view->record;
    key_address_text(account, &record->account);
    key_address_text(operator_, &view->operator_);
    return json_pack("{s:i, s:s, s:s, s:i, s:i, s:s, s:s%, s:I, s:I, s:I, s:I, s:i, s:I}",
                     "provider", (int)view->number, "address", account, "operator", operator_,
                     "prefix", (int)record->prefix, "region", (int)record->region, "state",
                     state_text(view), "endpoint", (const char *)view->endpoint, view->endpoint_len,
                     "capacity", (json_int_t)record->capacity, "announced",
                     (json_int_t)record->announced, "service", (json_int_t)record->service,
                     "heartbeat_age", (json_int_t)(view->now - record->heartbeat), "fragments",
                     (int)record->live, "joined", (json_int_t)record->joined);
}

static err show_one(struct client *client, struct view *view)
{
    char service[32];
    char announced[32];
    TRY(chain_view(client->chain, read_one, view, client_deadline(client)));
    if (!view->found) {
        return client_fail(client, fail(ERR_NOT_FOUND), NULL, "there is no provider %u",
                           view->number);
    }
    cli_size(service, view->record.service);
    cli_size(announced, view->record.announced);
    cli_print(client->cli, "%-4u %-28.*s operator %-3u %-8s %6u fragments %10s of %s\n",
              view->number, (int)view->endpoint_len, (const char *)view->endpoint,
              view->record.operator_, state_text(view), view->record.live, service, announced);
    cli_print_json(client->cli, describe(view));
    return ok();
}

static err list_with(struct client *client, struct view *view)
{
    TRY(chain_view(client->chain, read_count, view, client_deadline(client)));
    for (view->number = 1; view->number <= view->count; view->number++) {
        TRY(show_one(client, view));
    }
    return ok();
}

static err show_with(struct client *client, struct view *view)
{
    for (size_t i = 0; i < client->cli->positional_count; i++) {
        u64 number;
        if (!parse_u64(&number, bytes_str(client->cli->positionals[i])) || number > UINT32_MAX) {
            return client_fail(client, fail(ERR_USAGE), NULL, "'%s' is no number",
                               client->cli->positionals[i]);
        }
        view->number = (u32)number;
        TRY(show_one(client, view));
    }
    return ok();
}

static err list(struct client *client)
{
    struct view *view = MEM_NEW(struct view);
    err e = list_with(client, view);
    mem_free(view);
    return e;
}

static err show(struct client *client)
{
    struct view *view = MEM_NEW(struct view);
    err e = show_with(client, view);
    mem_free(view);
    return e;
}

static int run_list(struct cli *cli) { return cli_parse(cli, 0, 0) ? client_main(cli, list) : 2; }
static int run_show(struct cli *cli)
{
    return cli_parse(cli, 1, CLI_POSITIONALS_MAX) ? client_main(cli, show) : 2;
}

static const struct flag flags[] = {
    CLIENT_CHAIN_FLAGS,
    {NULL, FLAG_BOOL, NULL, NULL, NULL},
};

static const struct verb list_verb = {
    .name = "provider list",
    .arguments = "[FLAGS]",
    .summary = "all storage nodes",
    .examples = "  cairn provider list --json",
    .flags = flags,
    .run = run_list,
};
static const struct verb show_verb = {
    .name = "provider show",
    .arguments = "NUMBER… [FLAGS]",
    .summary = "one storage node",
    .examples = "  cairn provider show 3",
    .flags = flags,
    .run = run_show,
};
static const struct verb *const parts[] = {&list_verb, &show_verb, NULL};

const struct verb verb_provider = {
    .name = "provider",
    .arguments = "list|show …",
    .summary = "storage nodes, as the ledger has them",
    .examples = "  cairn provider list",
    .parts = parts,
};

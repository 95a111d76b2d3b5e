/* verb_segment.c: `cairn segment`: the ledger's list of segments and who holds them. */
#include "cli/segment_text.h"
#include "cli/verbs.h"

#include "base/mem.h"

#include <string.h>

static struct {
    u64 territory;
    u64 from;
    u64 limit;
    bool incomplete;
} options = {.from = 1, .limit = 1000};

static const struct flag list_flags[] = {
    {"territory", FLAG_NUMBER, &options.territory, "NUMBER", "only those of one territory"},
    {"from", FLAG_NUMBER, &options.from, "SERIAL", "first serial number to look at (1)"},
    {"limit", FLAG_NUMBER, &options.limit, "COUNT", "serial numbers to look at (1000)"},
    {"incomplete", FLAG_BOOL, &options.incomplete, NULL, "only those that lack a holder"},
    CLIENT_CHAIN_FLAGS,
    {NULL, FLAG_BOOL, NULL, NULL, NULL},
};
static const struct flag show_flags[] = {
    CLIENT_CHAIN_FLAGS,
    {NULL, FLAG_BOOL, NULL, NULL, NULL},
};

/* ---- list ---- */

struct list_view {
    u64 count;
    u64 serial;
    struct segment_key key;
    bool found;
};

static err read_count(void *ctx, const struct slot_source *slots)
{
    struct list_view *view = ctx;
    return segment_count(slots, &view->count);
}

static err read_key(void *ctx, const struct slot_source *slots)
{
    struct list_view *view = ctx;
    return segment_at(slots, view->serial, &view->key, &view->found);
}

struct totals {
    u64 segments;
    u64 complete;
    u64 bytes_;
};

static err show_line(struct client *client, const struct segment_view *view, struct totals *totals)
{
    const char *state = segment_state(view);
    bool complete = strcmp(state, "complete") == 0;
    totals->segments++;
    totals->complete += complete;
    totals->bytes_ += view->record.length;
    if (options.incomplete && complete) {
        return ok();
    }
    char name[64];
    char size[32];
    snprintf(name, sizeof name, "%llu.%u.%llu", (unsigned long long)view->key.territory,
             view->key.gateway, (unsigned long long)view->key.number);
    cli_size(size, view->record.length);
    cli_print(client->cli, "%-6llu %-16s %10s  %2u of %2u  %s\n",
              (unsigned long long)view->record.serial, name, size, segment_present(view),
              view->record.n, state);
    cli_print_json(client->cli, segment_describe(view));
    return ok();
}

static err list_with(struct client *client, struct segment_view *segment)
{
    struct list_view view = {.serial = options.from};
    struct totals totals = {.segments = 0};
    char size[32];
    TRY(chain_view(client->chain, read_count, &view, client_deadline(client)));
    u64 looked = 0;
    for (; view.serial <= view.count && looked < options.limit; view.serial++, looked++) {
        TRY(chain_view(client->chain, read_key, &view, client_deadline(client)));
        if (!view.found || (options.territory != 0 && view.key.territory != options.territory)) {
            continue;
        }
        TRY(segment_view_read(client, &view.key, segment));
        if (segment->found) {
            TRY(show_line(client, segment, &totals));
        }
    }
    cli_size(size, totals.bytes_);
    cli_print(client->cli, "%llu segments of %s, %llu complete\n",
              (unsigned long long)totals.segments, size, (unsigned long long)totals.complete);
    if (view.serial <= view.count) {
        cli_print(client->cli, "there are %llu serial numbers: go on with --from %llu\n",
                  (unsigned long long)view.count, (unsigned long long)view.serial);
    }
    return ok();
}

static err list(struct client *client)
{
    struct segment_view *segment = MEM_NEW(struct segment_view);
    err e = list_with(client, segment);
    mem_free(segment);
    return e;
}

static int run_list(struct cli *cli) { return cli_parse(cli, 0, 0) ? client_main(cli, list) : 2; }

/* ---- show ---- */

static void show_holders(const struct client *client, const struct segment_view *view)
{
    const struct redundancy_info *info = redundancy_find((u8)view->record.class_number);
    cli_print(client->cli, "segment %llu.%u.%llu: %s, %u bytes, %s: %u of %u holders\n",
              (unsigned long long)view->key.territory, view->key.gateway,
              (unsigned long long)view->key.number, info ? info->name : "?", view->record.length,
              segment_state(view), segment_present(view), view->record.n);
    for (u8 i = 0; i < view->record.n; i++) {
        cli_print(client->cli, "  fragment %2u  provider %-4u %s\n", i,
                  view->record.holders[i].provider, segment_holder_text(view->statuses[i]));
    }
    cli_print_json(client->cli, segment_describe(view));
}

static err show_with(struct client *client, struct segment_view *view)
{
    for (size_t i = 0; i < client->cli->positional_count; i++) {
        const char *text = client->cli->positionals[i];
        struct segment_key key;
        if (!segment_parse(text, &key)) {
            return client_fail(client, fail(ERR_USAGE), "like 1.1.0: territory, gateway, number",
                               "'%s' names no segment", text);
        }
        TRY(segment_view_read(client, &key, view));
        if (!view->found) {
            return client_fail(client, fail(ERR_NOT_FOUND), NULL, "there is no segment %s", text);
        }
        show_holders(client, view);
    }
    return ok();
}

static err show(struct client *client)
{
    struct segment_view *view = MEM_NEW(struct segment_view);
    err e = show_with(client, view);
    mem_free(view);
    return e;
}

static int run_show(struct cli *cli)
{
    return cli_parse(cli, 1, CLI_POSITIONALS_MAX) ? client_main(cli, show) : 2;
}

static const struct verb list_verb = {
    .name = "segment list",
    .arguments = "[FLAGS]",
    .summary = "segments with their number of holders",
    .examples = "  cairn segment list\n  cairn segment list --incomplete --json",
    .flags = list_flags,
    .run = run_list,
};
static const struct verb show_verb = {
    .name = "segment show",
    .arguments = "TERRITORY.GATEWAY.NUMBER… [FLAGS]",
    .summary = "who holds the fragments of a segment",
    .examples = "  cairn segment show 1.1.0",
    .flags = show_flags,
    .run = run_show,
};
static const struct verb *const parts[] = {&list_verb, &show_verb, NULL};

const struct verb verb_segment = {
    .name = "segment",
    .arguments = "list|show …",
    .summary = "segments and their holders, as the ledger has them",
    .examples = "  cairn segment list --incomplete\n  cairn segment show 1.1.0",
    .parts = parts,
};

/* verb_plan.c: `cairn plan`: what a redundancy class promises on a given network. */
#include "cli/verbs.h"

#include "data/plan.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static struct {
    const char *class_name;
    u64 nodes;
    const char *churn;
    u64 repair_seconds;
} options = {.class_name = "rs-4-8", .nodes = 12, .churn = "0.2", .repair_seconds = 86400};

static const struct flag flags[] = {
    {"class", FLAG_TEXT, &options.class_name, "CLASS", "rs-4-8, rs-10-20, rs-8-4 or rs-2-4"},
    {"nodes", FLAG_NUMBER, &options.nodes, "N", "storage nodes in the network (default 12)"},
    {"churn", FLAG_TEXT, &options.churn, "RATE", "departures per node and year (default 0.2)"},
    {"repair-time", FLAG_DURATION, &options.repair_seconds, "TIME",
     "from a loss to its repair (default 24h)"},
    {NULL, FLAG_BOOL, NULL, NULL, NULL},
};

static const unsigned mass_percents[] = {10, 33, 50, 66};

static void show(const struct cli *cli, const struct redundancy_info *info, double churn)
{
    u8 n = redundancy_n(info);
    const struct plan_network network = {
        .churn_per_year = churn,
        .repair_hours = (double)options.repair_seconds / 3600,
        .repair_from = (u8)(n - redundancy_quorum(info)),
    };
    double repaired = plan_annual_loss(info->k, n, &network);
    double alone = plan_unrepaired_loss(info->k, n, churn, 1);
    json_t *mass = json_array();
    cli_print(cli,
              "%s: any %u of %u fragments restore a segment; %.2f x stored\n"
              "  with repair after %llu h, %.2f departures per node and year:\n"
              "    P(a segment is lost within a year)  %.2g\n"
              "  without any repair:                   %.2g\n"
              "  any %u of its own %u holders may vanish at once, always.\n"
              "  when a share of all %llu nodes vanishes at once, whichever they are:\n",
              info->name, info->k, n, (double)n / info->k,
              (unsigned long long)options.repair_seconds / 3600, churn, repaired, alone,
              plan_survivable_nodes(info), n, (unsigned long long)options.nodes);
    for (size_t i = 0; i < COUNT_OF(mass_percents); i++) {
        u64 gone = options.nodes * mass_percents[i] / 100;
        double loss = plan_mass_loss(info->k, n, options.nodes, gone);
        double endless = plan_mass_loss_endless(info->k, n, mass_percents[i] / 100.0);
        cli_print(cli, "    %2u %% (%llu nodes): P(lost) %.2g   (in a very large network: %.2g)\n",
                  mass_percents[i], (unsigned long long)gone, loss, endless);
        json_array_append_new(mass, json_pack("{s:i, s:I, s:f, s:f}", "percent",
                                              (int)mass_percents[i], "nodes", (json_int_t)gone,
                                              "loss", loss, "loss_large_network", endless));
    }
    cli_print(cli, "  A sudden loss of 66 %% of a large network is not survivable at 3 x.\n");
    cli_print_json(cli, json_pack("{s:s, s:i, s:i, s:I, s:f, s:f, s:i, s:o}", "class", info->name,
                                  "k", (int)info->k, "n", (int)n, "nodes",
                                  (json_int_t)options.nodes, "annual_loss", repaired,
                                  "annual_loss_unrepaired", alone, "survivable_holders",
                                  (int)plan_survivable_nodes(info), "mass_loss", mass));
}

static int run(struct cli *cli)
{
    enum redundancy class_number;
    if (!cli_parse(cli, 0, 0)) {
        return 2;
    }
    char *end;
    double churn = strtod(options.churn, &end);
    if (*end != '\0' || !(churn > 0) || churn > 1000) {
        return cli_usage(cli, "--churn is a number above 0");
    }
    if (!redundancy_parse(&class_number, bytes_str(options.class_name))) {
        return cli_usage(cli, "there is no class '%s'", options.class_name);
    }
    const struct redundancy_info *info = redundancy_find((u8)class_number);
    if (options.nodes < redundancy_n(info)) {
        return cli_usage(cli, "%s needs at least %u nodes", info->name, redundancy_n(info));
    }
    if (options.repair_seconds == 0) {
        return cli_usage(cli, "--repair-time is longer than nothing");
    }
    show(cli, info, churn);
    return 0;
}

const struct verb verb_plan = {
    .name = "plan",
    .arguments = "[FLAGS]",
    .summary = "the odds of losing data, for a redundancy class and a network",
    .text =
        "Prints the probability that a segment is lost: with repair, without it, and when a part\n"
        "of the whole network vanishes at once.",
    .examples =
        "  cairn plan\n  cairn plan --class rs-10-20 --nodes 500 --churn 1 --repair-time 6h",
    .flags = flags,
    .run = run,
};

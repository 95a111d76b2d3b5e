/* cairn-sim: seeds of simulated networks. */
#include "sim/runner.h"

#include "base/assert.h"
#include "crypto/sign.h"
#include "ledger/modules/modules.h"
#include "os/file.h"
#include "sim/sim.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct scenario *const scenarios[] = {&scenario_storage, &scenario_consensus,
                                                   &scenario_net, &scenario_kv};

struct scenario_settings scenario_settings;

static void usage(FILE *to)
{
    fprintf(to, "usage: cairn-sim SCENARIO --seeds A..B [--jobs N] [--json] [--repeat]\n"
                "       cairn-sim SCENARIO --seed S --verbose\n\n");
    for (size_t i = 0; i < COUNT_OF(scenarios); i++) {
        fprintf(to, "  %-8s %s\n", scenarios[i]->name, scenarios[i]->summary);
    }
    fprintf(to, "\n"
                "  --seeds A..B   which seeds (default 1..100)\n"
                "  --seed S       one seed\n"
                "  --jobs N       seeds at a time (default: one per core)\n"
                "  --repeat       every seed twice: it must do the same again\n"
                "  --verbose      every log line of every process, with virtual time\n"
                "  --json         the summary as one JSON object\n"
                "  --nodes N      seats of the consensus scenario, 1..11 (default: drawn)\n"
                "  --byzantine F  how many of them are faulty (default: drawn, at most f)\n"
                "  --timeout S    real seconds that one seed may take (default 300)\n\n"
                "exit status: 0 all seeds passed, 1 some failed, 2 wrong usage\n\n"
                "example: cairn-sim storage --seeds 1..300 --json\n");
}

static bool parse_number(u64 *ret, const char *text, char **ret_end)
{
    errno = 0;
    if (text[0] < '0' || text[0] > '9') {
        return false;
    }
    *ret = strtoull(text, ret_end, 10);
    return errno == 0;
}

static bool parse_range(struct runner_options *options, const char *text)
{
    char *end;
    return parse_number(&options->first, text, &end) && strncmp(end, "..", 2) == 0 &&
           parse_number(&options->last, end + 2, &end) && *end == '\0' &&
           options->first <= options->last;
}

static bool parse_seed(struct runner_options *options, const char *text)
{
    char *end;
    bool fine = parse_number(&options->first, text, &end) && *end == '\0';
    options->last = options->first;
    return fine;
}

static bool parse_limit(unsigned *ret, const char *text, u64 max)
{
    u64 value;
    char *end;
    bool fine = parse_number(&value, text, &end) && *end == '\0' && value >= 1 && value <= max;
    *ret = fine ? (unsigned)value : *ret;
    return fine;
}

static const struct scenario *find_scenario(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(scenarios); i++) {
        if (strcmp(scenarios[i]->name, name) == 0) {
            return scenarios[i];
        }
    }
    return NULL;
}

/* One flag with its value, if it takes one. */
static bool parse_flag(struct runner_options *options, bool *json, char **argv, int *at)
{
    const char *flag = argv[*at];
    if (strcmp(flag, "--json") == 0) {
        return *json = true;
    }
    if (strcmp(flag, "--repeat") == 0) {
        return options->repeat = true;
    }
    if (strcmp(flag, "--verbose") == 0 || strcmp(flag, "--trace") == 0) {
        return options->verbose = true;
    }
    const char *value = argv[++*at];
    if (value == NULL) {
        return false;
    }
    if (strcmp(flag, "--seeds") == 0) {
        return parse_range(options, value);
    }
    if (strcmp(flag, "--seed") == 0) {
        return parse_seed(options, value);
    }
    if (strcmp(flag, "--jobs") == 0) {
        return parse_limit(&options->jobs, value, 64);
    }
    if (strcmp(flag, "--nodes") == 0) {
        return parse_limit(&scenario_settings.nodes, value, 11);
    }
    if (strcmp(flag, "--byzantine") == 0) {
        scenario_settings.has_byzantine = true;
        return strcmp(value, "0") == 0 || parse_limit(&scenario_settings.byzantine, value, 11);
    }
    if (strcmp(flag, "--timeout") == 0) {
        return parse_limit(&options->seconds_max, value, 86400);
    }
    return false;
}

static bool parse(struct runner_options *options, bool *json, int argc, char **argv)
{
    options->scenario = argc >= 2 ? find_scenario(argv[1]) : NULL;
    if (options->scenario == NULL) {
        return false;
    }
    for (int i = 2; i < argc; i++) {
        if (!parse_flag(options, json, argv, &i)) {
            return false;
        }
    }
    return true;
}

static void print_summary(const struct runner_options *options, const struct runner_summary *s)
{
    printf("cairn-sim %s, seeds %llu..%llu: %llu passed, %llu failed\n", options->scenario->name,
           (unsigned long long)options->first, (unsigned long long)options->last,
           (unsigned long long)s->passed, (unsigned long long)s->failed);
    if (s->failed > 0) {
        printf("  first failing seed: %llu\n", (unsigned long long)s->first_failing_seed);
        printf("  again: cairn-sim %s --seed %llu --verbose\n", options->scenario->name,
               (unsigned long long)s->first_failing_seed);
    }
#define X(name) printf("  %-14s %llu\n", #name, (unsigned long long)s->counters.name);
    SCENARIO_COUNTERS(X)
#undef X
    printf("  %-14s %016llx\n", "audit_hash", (unsigned long long)s->audit);
}

static void print_json(const struct runner_options *options, const struct runner_summary *s)
{
    printf("{\"scenario\":\"%s\",\"first\":%llu,\"last\":%llu,\"seeds\":%llu,\"passed\":%llu,"
           "\"failed\":%llu,\"first_failing_seed\":",
           options->scenario->name, (unsigned long long)options->first,
           (unsigned long long)options->last, (unsigned long long)s->seeds,
           (unsigned long long)s->passed, (unsigned long long)s->failed);
    if (s->failed > 0) {
        printf("%llu", (unsigned long long)s->first_failing_seed);
    } else {
        printf("null");
    }
    printf(",\"virtual_seconds\":%llu", (unsigned long long)(s->counters.virtual_ms / 1000));
#define X(name) printf(",\"%s\":%llu", #name, (unsigned long long)s->counters.name);
    SCENARIO_COUNTERS(X)
#undef X
    printf(",\"audit_hash\":\"%016llx\"}\n", (unsigned long long)s->audit);
}

static void prepare(struct runner_options *options, char *dir, size_t cap)
{
    struct stat st;
    struct rlimit files = {0};
    struct hash fixed = {{1}};
    const char *base = stat("/dev/shm", &st) == 0 ? "/dev/shm" : "/tmp";
    snprintf(dir, cap, "%s/cairn-sim.%d", base, (int)getpid());
    options->dir = dir;
    if (options->jobs == 0) {
        long cores = sysconf(_SC_NPROCESSORS_ONLN);
        options->jobs = (unsigned)(cores < 1 ? 1 : cores > 64 ? 64 : cores);
    }
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max < 4096 ? files.rlim_max : 4096;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    json_object_seed(1); /* the order of nothing may depend on entropy */
    crypto_init(&fixed);
    /* Shared by all that runs here: made outside any simulated process. */
    native_tables_init(native_modules_all, native_modules_count);
}

int main(int argc, char **argv)
{
    struct runner_options options = {.first = 1, .last = 100, .seconds_max = 300};
    struct runner_summary summary;
    char dir[128];
    bool json = false;
    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        usage(stdout);
        return 0;
    }
    if (!parse(&options, &json, argc, argv)) {
        usage(stderr);
        return 2;
    }
    prepare(&options, dir, sizeof dir);
    runner_run(&options, &summary);
    (void)rmdir(dir);
    if (json) {
        print_json(&options, &summary);
    } else {
        print_summary(&options, &summary);
    }
    return summary.failed == 0 ? 0 : 1;
}

#include "bench/bench.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "codec/json.h"
#include "crypto/sign.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const struct {
    const char *name;
    const char *summary;
    bool (*run)(struct bench *bench, int argc, char **argv);
} benches[] = {
    {"pipeline", "encrypt, code and hash a segment; verify and decrypt it; in memory",
     bench_pipeline},
    {"evm", "millions of gas a second of the interpreter, by workload", bench_evm},
    {"bls", "BLS12-381 and KZG, as the precompiles call them", bench_bls},
    {"precompiles", "gas a second of the other precompiled contracts", bench_precompiles},
    {"s3", "PUT and GET through a devnet of its own, over HTTP with signed payloads", bench_s3},
    {"ledger",
     "transfers through pool, block, state root and disk, at 10,000 and 1,000,000 accounts",
     bench_ledger},
};

double bench_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void bench_add(struct bench *bench, const struct bench_result *result)
{
    if (bench->count < BENCH_RESULTS_MAX) {
        bench->results[bench->count++] = *result;
    }
}

/* First line of a command's output, or of a file's line that starts with `key`. */
static void first_line(char out[128], const char *command)
{
    FILE *pipe = popen(command, "r");
    out[0] = '\0';
    if (pipe != NULL) {
        if (fgets(out, 128, pipe) == NULL) {
            out[0] = '\0';
        }
        pclose(pipe);
    }
    out[strcspn(out, "\n")] = '\0';
}

static double ratio_of(const struct bench_result *r)
{
    return r->limit > 0 ? r->value / r->limit : 0;
}

static bool passes(const struct bench_result *r) { return r->bar <= 0 || ratio_of(r) >= r->bar; }

static json_t *to_json(const struct bench *bench, double seconds)
{
    char commit[128];
    char cpu[128];
    bool pass = true;
    json_t *results = json_array();
    first_line(commit, "git rev-parse --short HEAD 2>/dev/null");
    first_line(cpu, "sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1");
    for (size_t i = 0; i < bench->count; i++) {
        const struct bench_result *r = &bench->results[i];
        pass = pass && passes(r);
        json_array_append_new(results,
                              json_pack("{s:s, s:f, s:s, s:f, s:s, s:f, s:f, s:b}", "name", r->name,
                                        "value", r->value, "unit", r->unit, "limit", r->limit,
                                        "limit_name", r->limit_name ? r->limit_name : "", "ratio",
                                        ratio_of(r), "bar", r->bar, "pass", (int)passes(r)));
    }
    return json_pack("{s:s, s:s, s:s, s:i, s:f, s:o, s:b}", "bench", bench->name, "commit", commit,
                     "cpu", cpu, "cores", (int)sysconf(_SC_NPROCESSORS_ONLN), "seconds", seconds,
                     "results", results, "pass", (int)pass);
}

static void print_table(const struct bench *bench)
{
    printf("%s: %s\n", bench->name, bench->summary);
    for (size_t i = 0; i < bench->count; i++) {
        const struct bench_result *r = &bench->results[i];
        printf("  %-28s %10.3f %-8s", r->name, r->value, r->unit);
        if (r->limit > 0) {
            printf(" limit %9.3f (%s), ratio %.2f", r->limit, r->limit_name, ratio_of(r));
        }
        if (r->bar > 0) {
            printf(", bar %.2f: %s", r->bar, passes(r) ? "met" : "MISSED");
        }
        printf("\n");
    }
}

static int usage(void)
{
    fprintf(stderr, "usage: cairn-bench NAME [--json] [ARGUMENTS]\n\nbenchmarks:\n");
    for (size_t i = 0; i < COUNT_OF(benches); i++) {
        fprintf(stderr, "  %-10s %s\n", benches[i].name, benches[i].summary);
    }
    fprintf(stderr, "\nexamples:\n  cairn-bench pipeline\n  cairn-bench s3 --json\n");
    return 2;
}

static int run(size_t which, int argc, char **argv, bool as_json)
{
    struct bench *bench = MEM_NEW(struct bench);
    struct hash seed = {{1}};
    double begin = bench_seconds();
    crypto_init(&seed);
    bench->name = benches[which].name;
    bench->summary = benches[which].summary;
    if (!benches[which].run(bench, argc, argv)) {
        mem_free(bench);
        return 1;
    }
    json_t *json = to_json(bench, bench_seconds() - begin);
    bool pass = json_is_true(json_object_get(json, "pass"));
    if (as_json) {
        json_dumpf(json, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));
        putchar('\n');
    } else {
        print_table(bench);
    }
    json_decref(json);
    mem_free(bench);
    return pass ? 0 : 1;
}

int main(int argc, char **argv)
{
    bool as_json = false;
    int kept = 0;
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            as_json = true;
        } else {
            argv[kept++] = argv[i];
        }
    }
    for (size_t i = 0; kept > 1 && i < COUNT_OF(benches); i++) {
        if (strcmp(argv[1], benches[i].name) == 0) {
            return run(i, kept - 2, argv + 2, as_json);
        }
    }
    return usage();
}

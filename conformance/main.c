/* cairn-conformance: public test suites of Ethereum, run against this tree. */
#include "base/log.h"
#include "conformance/run.h"
#include "crypto/sign.h"

#include <stdio.h>
#include <stdlib.h>

static const struct suite *const suites[] = {&suite_state, &suite_rlp,        &suite_trie,
                                             &suite_tx,    &suite_precompile, &suite_rpc};

static void print_usage(FILE *out)
{
    fputs("usage: cairn-conformance SUITE PATH [--filter TEXT] [--jobs N] [--verbose] [--json]\n\n"
          "Runs public tests. PATH is a file, a folder, or an archive (.tar.zst, .tar.gz, .zip …)\n"
          "that is read as a stream. Prints the failures by folder and reason, a hash over all\n"
          "state roots that came out, and \"N passed, M failed\"; exits with 0 only if M is 0,\n"
          "with 1 if it is not, with 2 if there was nothing to run.\n\n",
          out);
    for (size_t i = 0; i < COUNT_OF(suites); i++) {
        fprintf(out, "  %-11s %s\n", suites[i]->name, suites[i]->summary);
    }
    fputs("\n"
          "  --filter TEXT  only tests whose \"path::name\" holds TEXT\n"
          "  --jobs N       threads (1..64; 2)\n"
          "  --verbose      every failure, with what differs\n"
          "  --json         one JSON object\n\n"
          "examples:\n"
          "  cairn-conformance state ../shared/vectors/eest-state-tests.tar.zst\n"
          "  cairn-conformance state tests/GeneralStateTests --filter fork_Cancun --verbose\n"
          "  cairn-conformance tx ../shared/vectors/ethereum-basic.tar.zst --json\n",
          out);
}

static const struct suite *suite_of(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(suites); i++) {
        if (strcmp(suites[i]->name, name) == 0) {
            return suites[i];
        }
    }
    return NULL;
}

static bool parse_jobs(unsigned *ret, const char *text)
{
    char *end;
    unsigned long jobs = strtoul(text, &end, 10);
    *ret = (unsigned)jobs;
    return *text != '\0' && *end == '\0' && jobs >= 1 && jobs <= JOBS_MAX;
}

/* False: wrong usage. */
static bool parse(int argc, char **argv, struct run_options *options, const char **ret_suite)
{
    const char *words[2] = {NULL, NULL};
    size_t count = 0;
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--json") == 0) {
            options->as_json = true;
        } else if (strcmp(argv[i], "--verbose") == 0) {
            options->is_verbose = true;
        } else if (strcmp(argv[i], "--filter") == 0 && *value != '\0') {
            options->filter = argv[++i];
        } else if (strcmp(argv[i], "--jobs") == 0 && parse_jobs(&options->jobs, value)) {
            i++;
        } else if (argv[i][0] != '-' && count < COUNT_OF(words)) {
            words[count++] = argv[i];
        } else {
            return false;
        }
    }
    *ret_suite = words[0];
    options->path = words[1];
    return count == COUNT_OF(words);
}

int main(int argc, char **argv)
{
    struct run_options options = {.jobs = 2};
    struct hash seed = {{1}}; /* of the blinding, which changes no result */
    const char *name;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            print_usage(stdout);
            return 0;
        }
    }
    if (!parse(argc, argv, &options, &name) || suite_of(name) == NULL) {
        print_usage(stderr);
        return 2;
    }
    crypto_init(&seed);
    if (log_level_now() == LOG_INFO) {
        log_set_level(LOG_ERROR); /* thousands of transactions are refused on purpose */
    }
    return run_suite(suite_of(name), &options);
}

#include "cli/cli.h"

#include "base/log.h"
#include "crypto/sign.h"
#include "ledger/modules/modules.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define CAIRN_VERSION "0.1.0"

static void print_overview(FILE *out)
{
    fprintf(out, "cairn %s: decentralised data infrastructure\n\nusage: cairn VERB [ARGUMENTS] "
                 "[--json] [--quiet] [--help]\n\nverbs:\n",
            CAIRN_VERSION);
    for (const struct verb *const *verb = cli_verbs; *verb != NULL; verb++) {
        fprintf(out, "  %-11s %s\n", (*verb)->name, (*verb)->summary);
    }
    fprintf(out, "\n`cairn VERB --help` explains a verb and gives examples.\n");
}

static const struct verb *find_verb(const char *name)
{
    for (const struct verb *const *verb = cli_verbs; *verb != NULL; verb++) {
        if (strcmp((*verb)->name, name) == 0) {
            return *verb;
        }
    }
    return NULL;
}

/* Takes the flags out that every verb knows. */
static bool take_global(struct cli *cli, int argc, char **argv, bool *ret_help)
{
    int kept = 0;
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            cli->json = true;
        } else if (strcmp(argv[i], "--quiet") == 0) {
            cli->quiet = true;
        } else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            *ret_help = true;
        } else {
            argv[kept++] = argv[i];
        }
    }
    cli->argc = kept;
    cli->argv = argv;
    return true;
}

static void start_process(void)
{
    struct hash seed;
    enum log_level level;
    const char *wanted = getenv("CAIRN_LOG");
    signal(SIGPIPE, SIG_IGN);
    if (wanted != NULL && log_level_parse(&level, wanted)) {
        log_set_level(level);
    }
    if (getrandom(seed.b, sizeof seed.b, 0) != (ssize_t)sizeof seed.b) {
        fprintf(stderr, "error: no entropy\n");
        exit(1);
    }
    crypto_init(&seed);
    native_tables_init(native_modules_all, native_modules_count);
}

int main(int argc, char **argv)
{
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        print_overview(argc < 2 ? stderr : stdout);
        return argc < 2 ? 2 : 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("cairn %s\n", CAIRN_VERSION);
        return 0;
    }
    struct cli cli = {.verb = find_verb(argv[1])};
    bool help = false;
    if (cli.verb == NULL) {
        fprintf(stderr, "error: there is no verb '%s'; see cairn --help\n", argv[1]);
        return 2;
    }
    take_global(&cli, argc - 2, argv + 2, &help);
    if (help) {
        cli_help(cli.verb);
        return 0;
    }
    start_process();
    return cli.verb->run(&cli);
}

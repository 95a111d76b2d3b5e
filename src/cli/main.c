#include "cli/cli.h"

#include "base/log.h"
#include "cli/verbs.h"
#include "crypto/sign.h"
#include "ledger/modules/modules.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static void print_overview(FILE *out)
{
    fprintf(out,
            "cairn %s: decentralised data infrastructure\n\nusage: cairn VERB [ARGUMENTS] "
            "[--json] [--quiet] [--help]\n\nverbs:\n",
            CAIRN_VERSION);
    for (const struct verb *const *verb = cli_verbs; *verb != NULL; verb++) {
        if (!(*verb)->hidden) {
            fprintf(out, "  %-11s %s\n", (*verb)->name, (*verb)->summary);
        }
    }
    fprintf(out, "\n`cairn VERB --help` explains a verb and gives examples.\n");
}

/* The word of the command line that calls a verb: "make" for "key make". */
static const char *last_word(const struct verb *verb)
{
    const char *space = strrchr(verb->name, ' ');
    return space != NULL ? space + 1 : verb->name;
}

static const struct verb *find_verb(const struct verb *const *verbs, const char *name)
{
    for (; verbs != NULL && *verbs != NULL; verbs++) {
        if (strcmp(last_word(*verbs), name) == 0) {
            return *verbs;
        }
    }
    return NULL;
}

const struct verb *cli_find_verb(int *argc, char ***argv)
{
    const struct verb *verb = NULL;
    const struct verb *next = *argc > 0 ? find_verb(cli_verbs, (*argv)[0]) : NULL;
    while (next != NULL) {
        verb = next;
        (*argc)--;
        (*argv)++;
        next = *argc > 0 ? find_verb(verb->parts, (*argv)[0]) : NULL;
    }
    return verb;
}

/* Takes the flags out that every verb knows. */
static void take_global(struct cli *cli, int argc, char **argv, bool *ret_help)
{
    int kept = 0;
    bool only_positionals = false;
    for (int i = 0; i < argc; i++) {
        only_positionals |= strcmp(argv[i], "--") == 0;
        if (only_positionals) {
            argv[kept++] = argv[i];
        } else if (strcmp(argv[i], "--json") == 0) {
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

static int run_verb(struct cli *cli)
{
    if (cli->verb->run == NULL) {
        return cli->argc == 0 ? cli_usage(cli, "say what to do")
                              : cli_usage(cli, "there is no '%s'", cli->argv[0]);
    }
    start_process();
    int status = cli->verb->run(cli);
    json_decref(cli->config);
    return status;
}

int main(int argc, char **argv)
{
    struct cli cli = {0};
    bool help = false;
    take_global(&cli, argc - 1, argv + 1, &help);
    if (cli.argc == 0 || (strcmp(cli.argv[0], "help") == 0 && cli.argc == 1)) {
        bool asked = help || cli.argc == 1;
        print_overview(asked ? stdout : stderr);
        return asked ? 0 : 2;
    }
    if (strcmp(cli.argv[0], "--version") == 0) {
        printf("cairn %s\n", CAIRN_VERSION);
        return 0;
    }
    cli.verb = cli_find_verb(&cli.argc, &cli.argv);
    if (cli.verb == NULL) {
        return cli_usage(&cli, "there is no verb '%s'", cli.argv[0]);
    }
    if (help) {
        cli_help(cli.verb);
        return 0;
    }
    return run_verb(&cli);
}

#include "sim/runner.h"

#include "base/assert.h"
#include "os/file.h"
#include "sim/sim.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define JOBS_MAX 64
#define SEED_DIR_BYTES 256

struct job {
    pid_t pid; /* 0: free */
    u64 seed;
    unsigned round; /* 0, or 1 for the repetition */
    u64 first_audit;
    int results; /* the child writes its struct seed_result here */
};

struct runner {
    const struct runner_options *options;
    struct runner_summary *summary;
    struct job jobs[JOBS_MAX];
    u64 next;
};

/* ---- the child ---- */

static struct seed_result result;
static u64 seed_now;
static int result_fd = -1;

__attribute__((noreturn)) static void finish(void)
{
    fflush(NULL);
    bool told = write(result_fd, &result, sizeof result) == (ssize_t)sizeof result;
    _exit(told && result.passed ? 0 : 1);
}

void scenario_fail(const char *format, ...)
{
    va_list args;
    u64 now = sim != NULL ? sim->now_ms : 0;
    trace_show();
    fprintf(stderr, "seed %llu failed at %llu ms: ", (unsigned long long)seed_now,
            (unsigned long long)now);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\n");
    finish();
}

/* An assertion of a role, or worse. */
static void on_crash(int signal_number)
{
    static volatile sig_atomic_t entered;
    if (!entered) {
        entered = 1;
        trace_show();
        fprintf(stderr, "seed %llu ended by signal %d at %llu ms\n", (unsigned long long)seed_now,
                signal_number, (unsigned long long)(sim != NULL ? sim->now_ms : 0));
        fflush(NULL);
    }
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static void catch_crashes(void)
{
    static u8 stack[KIB(64)];
    static const int signals[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGALRM};
    const stack_t alternative = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction action = {.sa_handler = on_crash, .sa_flags = SA_ONSTACK};
    assert_that(sigaltstack(&alternative, NULL) == 0);
    for (size_t i = 0; i < COUNT_OF(signals); i++) {
        assert_that(sigaction(signals[i], &action, NULL) == 0);
    }
}

__attribute__((noreturn)) static void run_seed(const struct runner_options *options, u64 seed)
{
    static struct sim world;
    seed_now = seed;
    trace_open(options->verbose);
    catch_crashes();
    alarm(options->seconds_max);
    sim_init(&world, seed);
    options->scenario->run(seed, &result.counters);
    result.audit = world.audit;
    result.counters.events = world.events;
    result.counters.virtual_ms = world.now_ms;
    result.counters.crashes += world.crashes;
    result.counters.torn_writes = world.torn_writes;
    result.counters.lost_writes = world.lost_writes;
    result.passed = true;
    finish();
}

/* ---- the parent ---- */

static void seed_dir(const struct runner_options *options, const struct job *job,
                     char out[SEED_DIR_BYTES])
{
    int len = snprintf(out, SEED_DIR_BYTES, "%s/%llu.%u", options->dir,
                       (unsigned long long)job->seed, job->round);
    assert_that(len > 0 && len < SEED_DIR_BYTES);
}

static void start(struct runner *runner, struct job *job)
{
    char dir[SEED_DIR_BYTES];
    int ends[2];
    seed_dir(runner->options, job, dir);
    assert_that(is_ok(dir_make(dir)) && pipe(ends) == 0);
    fflush(NULL);
    job->pid = fork();
    assert_that(job->pid >= 0);
    if (job->pid == 0) {
        assert_that(chdir(dir) == 0);
        close(ends[0]);
        result_fd = ends[1];
        run_seed(runner->options, job->seed);
    }
    close(ends[1]);
    job->results = ends[0];
}

static void count_failure(struct runner_summary *summary, u64 seed)
{
    summary->passed--;
    if (summary->failed++ == 0 || seed < summary->first_failing_seed) {
        summary->first_failing_seed = seed;
    }
}

static void add_result(struct runner *runner, const struct job *job, const struct seed_result *in)
{
    struct runner_summary *summary = runner->summary;
    summary->seeds++;
    summary->passed++;
    u64 mixed = (in->audit ^ job->seed) * 0x9e3779b97f4a7c15u;
    summary->audit ^= mixed ^ mixed >> 31;
#define X(name) summary->counters.name += in->counters.name;
    SCENARIO_COUNTERS(X)
#undef X
    if (!in->passed) {
        count_failure(summary, job->seed);
    } else if (job->round == 1 && job->first_audit != in->audit) {
        fprintf(stderr, "seed %llu is not repeatable: %016llx, then %016llx\n",
                (unsigned long long)job->seed, (unsigned long long)job->first_audit,
                (unsigned long long)in->audit);
        count_failure(summary, job->seed);
    }
}

static void end(struct runner *runner, struct job *job, int status)
{
    char dir[SEED_DIR_BYTES];
    struct seed_result in = {0};
    bool told = read(job->results, &in, sizeof in) == (ssize_t)sizeof in;
    close(job->results);
    seed_dir(runner->options, job, dir);
    IGNORE(dir_remove_all(dir)); /* logged */
    in.passed = told && in.passed && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (!in.passed && WIFSIGNALED(status)) {
        fprintf(stderr, "seed %llu: the process ended by signal %d\n",
                (unsigned long long)job->seed, WTERMSIG(status));
    }
    if (in.passed && runner->options->repeat && job->round == 0) {
        job->round = 1;
        job->first_audit = in.audit;
        start(runner, job);
        return;
    }
    add_result(runner, job, &in);
    job->pid = 0;
}

static size_t start_some(struct runner *runner)
{
    const struct runner_options *options = runner->options;
    size_t running = 0;
    for (unsigned i = 0; i < options->jobs; i++) {
        struct job *job = &runner->jobs[i];
        if (job->pid == 0 && runner->next <= options->last) {
            *job = (struct job){.seed = runner->next++};
            start(runner, job);
        }
        running += job->pid != 0;
    }
    return running;
}

void runner_run(const struct runner_options *options, struct runner_summary *ret_summary)
{
    struct runner *runner = calloc(1, sizeof *runner);
    assert_that(runner != NULL && options->jobs >= 1 && options->jobs <= JOBS_MAX);
    *ret_summary = (struct runner_summary){0};
    runner->options = options;
    runner->summary = ret_summary;
    runner->next = options->first;
    while (start_some(runner) > 0) {
        int status;
        pid_t pid = wait(&status);
        for (unsigned i = 0; pid > 0 && i < options->jobs; i++) {
            if (runner->jobs[i].pid == pid) {
                end(runner, &runner->jobs[i], status);
                break;
            }
        }
    }
    free(runner);
}

/* runner.h: seeds, each in a child process, some at a time. */
#ifndef SIM_RUNNER_H
#define SIM_RUNNER_H

#include "sim/scenario.h"

struct runner_options {
    const struct scenario *scenario;
    u64 first;
    u64 last;
    unsigned jobs;
    bool repeat;          /* every seed twice; different audit hashes are a failure */
    bool verbose;         /* the roles' log as it comes */
    unsigned seconds_max; /* of real time for one seed */
    const char *dir;      /* for the seeds' folders */
};

struct runner_summary {
    u64 seeds;
    u64 passed;
    u64 failed;
    u64 first_failing_seed; /* valid if failed */
    u64 audit;              /* of all seeds, whatever the order in which they ended */
    struct scenario_counters counters;
};

void runner_run(const struct runner_options *options, struct runner_summary *ret_summary);

/* ---- in the child: trace.c ---- */

/* trace_open: takes over the log; `live`: every line goes to standard error at once. Else the last
 * lines are kept and shown by trace_show(). */
void trace_open(bool live);
void trace_show(void);

#endif

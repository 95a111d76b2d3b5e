/* scenario.h: what one seed does, and how it is counted.
 *
 * Each seed runs in a child process of its own, in a fresh folder that is its working directory, so
 * a seed that crashes or hangs is one failed seed, and nothing of one reaches the next. A scenario
 * returns when its checks have passed; scenario_fail() ends the seed at once.
 */
#ifndef SIM_SCENARIO_H
#define SIM_SCENARIO_H

#include "base/int.h"

/* Counted over all seeds; the first ones by every scenario. */
#define SCENARIO_COUNTERS(X)                                                                       \
    X(events)                                                                                      \
    X(virtual_ms)                                                                                  \
    X(crashes)                                                                                     \
    X(power_cuts)                                                                                  \
    X(torn_writes)                                                                                 \
    X(lost_writes)                                                                                 \
    X(puts)                                                                                        \
    X(gets)                                                                                        \
    X(deletes)                                                                                     \
    X(disk_losses)                                                                                 \
    X(blocks)                                                                                      \
    X(proofs)                                                                                      \
    X(disagreements)

struct scenario_counters {
#define X(name) u64 name;
    SCENARIO_COUNTERS(X)
#undef X
};

struct seed_result {
    u64 audit;
    bool passed;
    struct scenario_counters counters;
};

struct scenario {
    const char *name;
    const char *summary;
    /* The world has been made (sim_init) and is freed by the caller. */
    void (*run)(u64 seed, struct scenario_counters *counters);
};

/* What the command line fixes for scenarios that ask for it. */
struct scenario_settings {
    unsigned nodes; /* 0: drawn */
    unsigned byzantine;
    bool has_byzantine; /* else drawn */
};
extern struct scenario_settings scenario_settings;

extern const struct scenario scenario_consensus;
extern const struct scenario scenario_storage;
extern const struct scenario scenario_net;
extern const struct scenario scenario_kv;

/* scenario_fail: says why, shows the last log lines, ends the seed. */
__attribute__((noreturn, format(printf, 1, 2))) void scenario_fail(const char *format, ...);
/* scenario_check: fails the seed, with the text of the condition. */
#define scenario_check(expr)                                                                       \
    ((expr) ? (void)0 : scenario_fail("%s:%d: %s", __FILE__, __LINE__, #expr))

#endif

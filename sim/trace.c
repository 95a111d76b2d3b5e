/* trace.c: what the roles log, with virtual time and the process that said it. */
#include "sim/runner.h"

#include "base/log.h"
#include "sim/sim.h"

#include <stdio.h>

#define LINES_KEPT 120
#define LINE_BYTES 320

static char lines[LINES_KEPT][LINE_BYTES];
static u64 line_count;
static bool is_live;

static void keep(void *ctx, enum log_level level, const char *module, const char *message)
{
    static const char letters[] = "DIWE";
    (void)ctx;
    char *line = lines[line_count++ % LINES_KEPT];
    const char *who = sim != NULL && sim->owner != NULL ? sim_process_name(sim->owner) : "-";
    u64 now = sim != NULL ? sim->now_ms : 0;
    snprintf(line, LINE_BYTES, "%7llu.%03llu %c %-9s %-8s %s", (unsigned long long)(now / 1000),
             (unsigned long long)(now % 1000), letters[level], who, module, message);
    if (sim != NULL && level >= LOG_INFO) {
        sim_note_text(message);
    }
    if (is_live) {
        fprintf(stderr, "%s\n", line);
    }
}

void trace_open(bool live)
{
    is_live = live;
    line_count = 0;
    log_set_level(live ? LOG_DEBUG : LOG_INFO);
    log_set_sink(keep, NULL);
}

void trace_show(void)
{
    if (is_live) {
        return;
    }
    u64 first = line_count > LINES_KEPT ? line_count - LINES_KEPT : 0;
    for (u64 i = first; i < line_count; i++) {
        fprintf(stderr, "    %s\n", lines[i % LINES_KEPT]);
    }
}

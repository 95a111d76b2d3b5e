/* progress.h: one line on a terminal that says how far, how fast and how long still.
 *
 * Nothing is shown when standard error is no terminal that can redraw a line, with --json or with
 * --quiet.
 */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include "cli/cli.h"

struct progress {
    struct loop *loop;
    const char *label; /* borrowed */
    bool shown;
    u64 total; /* bytes; 0: not known */
    u64 done;
    u64 start_ms;
    u64 drawn_ms;
};

void progress_begin(struct progress *progress, const struct cli *cli, struct loop *loop,
                    const char *label, u64 total);
void progress_add(struct progress *progress, u64 bytes_);
/* progress_end: removes the line. Returns the bytes per second of the whole. */
u64 progress_end(struct progress *progress);
/* progress_line: the text for a given time; at most columns - 1 characters. Pure. */
void progress_line(char *out, size_t cap, const struct progress *progress, u64 now_ms,
                   unsigned columns);

#endif

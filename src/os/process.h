/* process.h: child processes, for `cairn devnet` and for tests that kill.
 *
 * A child has its own process group (Ctrl-C on the terminal reaches only the parent, which ends
 * its children in its own order), no descriptors but the standard three, default signals, and dies
 * with SIGKILL when its parent does: nothing outlives a devnet, however it ended. Spawn from the
 * loop's thread: the kernel means the parent's *thread*.
 */
#ifndef OS_PROCESS_H
#define OS_PROCESS_H

#include "base/bytes.h"
#include "os/file.h"
#include "os/loop.h"

#include <signal.h>

struct process;

struct process_options {
    const char *const *argv; /* ends with NULL; argv[0] is a path, PATH is not searched */
    const char *const *env;  /* "NAME=value" added to or replacing ours, ends with NULL; or NULL */
    const char *log_path;    /* gets standard output and error, appended; NULL: as ours */
    const char *directory;   /* to run in; NULL: ours */
};

/* process_spawn: returns once the program runs. ERR_NOT_FOUND (no program, log folder or
 * directory), ERR_IO. Everything in options is copied. */
err process_spawn(struct loop *loop, const struct process_options *options,
                  struct process **ret_process);
u32 process_pid(const struct process *process);
/* process_ended: true, and how, if it has ended: its exit code, or 128 plus the signal. */
bool process_ended(const struct process *process, int *ret_status);
/* process_wait: parks until it has ended; ERR_TIMEOUT, ERR_CANCELLED. Any number may wait. */
err process_wait(struct process *process, u64 deadline_ms, int *ret_status);
/* process_kill: sends a signal; nothing happens if it has ended. */
void process_kill(struct process *process, int signal_number);
/* process_free: kills it if it still runs; nobody may be waiting. NULL is fine. */
void process_free(struct process *process);

/* process_rss: RssAnon + RssShmem of any process, in bytes: what it costs, page cache left out.
 * ERR_NOT_FOUND. */
err process_rss(u32 pid, u64 *ret_bytes);
/* process_self_path: the running program's file. */
void process_self_path(char out[PATH_BYTES_MAX]);

#endif

#include "os/process.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "os/loop_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct process {
    struct loop *loop;
    struct watch watch; /* a pidfd: readable once the process has ended */
    struct event ended;
    pid_t pid;
    bool has_ended;
    int status;
};

static size_t strings_count(const char *const *strings)
{
    size_t count = 0;
    while (strings != NULL && strings[count] != NULL) {
        count++;
    }
    return count;
}

static bool same_name(const char *a, const char *b)
{
    size_t len = strcspn(a, "=");
    return strncmp(a, b, len) == 0 && b[len] == '=';
}

static bool is_replaced(const char *variable, const char *const *additions)
{
    for (size_t i = 0; additions != NULL && additions[i] != NULL; i++) {
        if (same_name(additions[i], variable)) {
            return true;
        }
    }
    return false;
}

/* Our environment with the additions; the strings are borrowed. */
static const char **environment_with(const char *const *additions)
{
    const char *const *ours = (const char *const *)environ;
    size_t count = strings_count(ours) + strings_count(additions);
    const char **all = mem_alloc_array(count + 1, sizeof(char *));
    size_t at = 0;
    for (size_t i = 0; ours != NULL && ours[i] != NULL; i++) {
        if (!is_replaced(ours[i], additions)) {
            all[at++] = ours[i];
        }
    }
    for (size_t i = 0; additions != NULL && additions[i] != NULL; i++) {
        all[at++] = additions[i];
    }
    return all;
}

/* What the child needs after the fork, when it may no longer allocate. */
struct launch {
    const struct process_options *options;
    const char **env;
    pid_t parent;
    int null_fd;
    int log_fd;   /* -1: keep ours */
    int fault_fd; /* the child writes errno here if it cannot run the program */
};

static void child_signals(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGCHLD};
    sigset_t none;
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        signal(numbers[i], SIG_DFL);
    }
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
}

/* Between fork and exec: async-signal-safe calls only. */
static bool child_prepare(const struct launch *launch)
{
    const struct process_options *options = launch->options;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || setpgid(0, 0) != 0) {
        return false;
    }
    if (getppid() != launch->parent) {
        _exit(127); /* the parent died before the kernel was told */
    }
    child_signals();
    if (dup2(launch->null_fd, STDIN_FILENO) < 0) {
        return false;
    }
    if (launch->log_fd >= 0 &&
        (dup2(launch->log_fd, STDOUT_FILENO) < 0 || dup2(launch->log_fd, STDERR_FILENO) < 0)) {
        return false;
    }
    if (options->directory != NULL && chdir(options->directory) != 0) {
        return false;
    }
    /* Libraries may have opened descriptors without the flag. */
    (void)close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
    return true;
}

__attribute__((noreturn)) static void child_main(const struct launch *launch)
{
    if (child_prepare(launch)) {
        execve(launch->options->argv[0], (char *const *)(uintptr_t)launch->options->argv,
               (char *const *)(uintptr_t)launch->env);
    }
    int fault = errno;
    (void)!write(launch->fault_fd, &fault, sizeof fault);
    _exit(127);
}

/* 0 once the program runs: exec closed the other end of the pipe. */
static int read_fault(int fd)
{
    int fault = 0;
    ssize_t n;
    do {
        n = read(fd, &fault, sizeof fault);
    } while (n < 0 && errno == EINTR);
    return n == sizeof fault ? fault : 0;
}

static err spawn_fault(const char *what, int fault)
{
    log_error("os", "cannot start %s: %s", what, strerror(fault));
    return fail(fault == ENOENT || fault == ENOTDIR ? ERR_NOT_FOUND : ERR_IO);
}

static err fork_and_exec(struct launch *launch, pid_t *ret_pid)
{
    const char *program = launch->options->argv[0];
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return spawn_fault(program, errno);
    }
    launch->fault_fd = ends[1];
    launch->parent = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        child_main(launch);
    }
    int fault = pid < 0 ? errno : 0;
    close(ends[1]);
    if (pid > 0 && (fault = read_fault(ends[0])) != 0) {
        (void)waitpid(pid, NULL, 0);
    }
    close(ends[0]);
    if (fault != 0) {
        return spawn_fault(program, fault);
    }
    *ret_pid = pid;
    return ok();
}

static err launch_program(const struct process_options *options, pid_t *ret_pid)
{
    struct launch launch = {.options = options, .log_fd = -1};
    launch.null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (launch.null_fd < 0) {
        return spawn_fault(options->argv[0], errno);
    }
    if (options->log_path != NULL) {
        launch.log_fd = open(options->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (launch.log_fd < 0) {
            err e = spawn_fault(options->argv[0], errno);
            close(launch.null_fd);
            return e;
        }
    }
    launch.env = environment_with(options->env);
    err e = fork_and_exec(&launch, ret_pid);
    mem_free(launch.env);
    close(launch.null_fd);
    if (launch.log_fd >= 0) {
        close(launch.log_fd);
    }
    return e;
}

static void note_end(struct process *process, int status)
{
    process->has_ended = true;
    process->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    loop_unwatch(process->loop, &process->watch);
    close(process->watch.fd);
    event_wake_all(&process->ended);
}

static void on_end(struct watch *watch, u32 events)
{
    (void)events;
    struct process *process = list_entry(watch, struct process, watch);
    int status;
    if (waitpid(process->pid, &status, WNOHANG) == process->pid) {
        note_end(process, status);
    }
}

err process_spawn(struct loop *loop, const struct process_options *options,
                  struct process **ret_process)
{
    assert_that(options->argv != NULL && options->argv[0] != NULL);
    pid_t pid = -1;
    TRY(launch_program(options, &pid));
    struct process *process = MEM_NEW(struct process);
    *process = (struct process){.loop = loop, .pid = pid};
    event_init(&process->ended);
    process->watch = (struct watch){.fd = pidfd_open(pid, 0), .on_event = on_end};
    err e = process->watch.fd < 0 ? fail(ERR_IO) : loop_watch(loop, &process->watch);
    if (!is_ok(e)) {
        log_error("os", "cannot watch the process %d", (int)pid);
        if (process->watch.fd >= 0) {
            close(process->watch.fd);
        }
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        mem_free(process);
        return e;
    }
    *ret_process = process;
    return ok();
}

u32 process_pid(const struct process *process) { return (u32)process->pid; }

bool process_ended(const struct process *process, int *ret_status)
{
    if (process->has_ended) {
        *ret_status = process->status;
    }
    return process->has_ended;
}

err process_wait(struct process *process, u64 deadline_ms, int *ret_status)
{
    while (!process->has_ended) {
        TRY(event_wait(process->loop, &process->ended, deadline_ms));
    }
    *ret_status = process->status;
    return ok();
}

void process_kill(struct process *process, int signal_number)
{
    if (!process->has_ended) {
        (void)kill(process->pid, signal_number); /* not reaped yet: the number is still its own */
    }
}

void process_free(struct process *process)
{
    if (process == NULL) {
        return;
    }
    assert_that(list_empty(&process->ended.waiters));
    if (!process->has_ended) {
        int status = 0;
        pid_t reaped;
        process_kill(process, SIGKILL);
        do {
            reaped = waitpid(process->pid, &status, 0);
        } while (reaped < 0 && errno == EINTR);
        note_end(process, status);
    }
    mem_free(process);
}

/* The number in a line like "RssAnon:     1234 kB"; 0 if there is no such line. */
static u64 status_kib(bytes status, const char *name)
{
    size_t at = bytes_find(status, bytes_str(name));
    if (at == SIZE_MAX) {
        return 0;
    }
    bytes rest = bytes_slice(status, at + strlen(name), status.len - at - strlen(name));
    u64 kib = 0;
    for (size_t i = 0; i < rest.len && rest.data[i] != '\n'; i++) {
        if (rest.data[i] >= '0' && rest.data[i] <= '9') {
            kib = kib * 10 + (u64)(rest.data[i] - '0');
        }
    }
    return kib;
}

err process_rss(u32 pid, u64 *ret_bytes)
{
    char path[PATH_BYTES_MAX];
    char name[32];
    u8 text[8192];
    size_t len;
    struct file *file;
    snprintf(name, sizeof name, "%u/status", pid);
    path_join(path, "/proc", name);
    TRY(file_open(path, FILE_READ, &file));
    err e = file_read_some(file, 0, text, sizeof text, &len);
    file_close(file);
    TRY(e);
    bytes status = bytes_make(text, len);
    *ret_bytes = (status_kib(status, "\nRssAnon:") + status_kib(status, "\nRssShmem:")) * 1024;
    return ok();
}

void process_self_path(char out[PATH_BYTES_MAX])
{
    ssize_t len = readlink("/proc/self/exe", out, PATH_BYTES_MAX - 1);
    assert_that(len > 0);
    out[len] = 0;
}

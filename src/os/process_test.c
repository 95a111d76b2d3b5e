#include "base/arena.h"
#include "os/process.h"
#include "os/secret.h"
#include "os/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char root[] = "/tmp/cairn-process-test-XXXXXX";

struct world {
    struct loop *loop;
    fiber_fn *fn;
};

static void world_main(void *arg)
{
    struct world *world = arg;
    world->fn(world);
    loop_stop(world->loop);
}

static void run_world(fiber_fn *fn)
{
    struct world world = {.fn = fn};
    assert_true(is_ok(loop_open(&world.loop, 1)));
    assert_true(is_ok(fiber_start(world.loop, "world", world_main, &world)));
    loop_run(world.loop);
    loop_close(world.loop);
}

static struct process *shell(struct world *world, const char *script, const char *log_path)
{
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    const char *const env[] = {"ADDED=new value", "HOME=/replaced", NULL};
    struct process_options options = {
        .argv = argv, .env = env, .log_path = log_path, .directory = "/"};
    struct process *process;
    assert_true(is_ok(process_spawn(world->loop, &options, &process)));
    return process;
}

static int end_of(struct world *world, struct process *process)
{
    int status = -1;
    assert_true(is_ok(process_wait(process, loop_now_ms(world->loop) + 20000, &status)));
    return status;
}

static void statuses(void *arg)
{
    struct world *world = arg;
    struct process *process = shell(world, "exit 7", NULL);
    assert_int_equal(end_of(world, process), 7);
    assert_int_equal(end_of(world, process), 7);
    process_kill(process, SIGTERM); /* too late, harmless */
    process_free(process);
    process = shell(world, "kill -9 $$", NULL);
    assert_int_equal(end_of(world, process), 128 + 9);
    process_free(process);
    process = shell(world, "exec sleep 100", NULL);
    int status = 77;
    assert_false(process_ended(process, &status));
    u64 deadline = loop_now_ms(world->loop) + 20;
    assert_true(is_err(process_wait(process, deadline, &status), ERR_TIMEOUT));
    assert_int_equal(status, 77);
    process_kill(process, SIGTERM);
    assert_int_equal(end_of(world, process), 128 + SIGTERM);
    assert_true(process_ended(process, &status));
    assert_int_equal(status, 128 + SIGTERM);
    process_free(process);
    process_free(NULL);
}

static void ends_are_told(void **state)
{
    (void)state;
    run_world(statuses);
}

static void environment(void *arg)
{
    struct world *world = arg;
    char path[PATH_BYTES_MAX];
    struct arena arena;
    bytes content;
    path_join(path, root, "log");
    signal(SIGPIPE, SIG_IGN); /* must not be passed on */
    struct process *process = shell(world,
                                    "echo \"$ADDED $HOME $KEPT $(pwd)\"; echo fault >&2; cat; "
                                    "ls /proc/self/fd | wc -l; kill -PIPE $$",
                                    path);
    assert_int_equal(end_of(world, process), 128 + SIGPIPE);
    process_free(process);
    process = shell(world, "echo appended", path);
    assert_int_equal(end_of(world, process), 0);
    process_free(process);
    signal(SIGPIPE, SIG_DFL);
    arena_init(&arena, 4096);
    assert_true(is_ok(file_load(path, &arena, &content)));
    /* ls has the standard three and the folder it reads */
    assert_true(bytes_eq_str(content, "new value /replaced as it was /\nfault\n4\nappended\n"));
    arena_free(&arena);
}

static void children_get_what_was_asked(void **state)
{
    (void)state;
    setenv("KEPT", "as it was", 1);
    assert_true(fcntl(dup(0), F_SETFD, 0) == 0); /* a descriptor that would be inherited */
    run_world(environment);
}

static void refusals(void *arg)
{
    struct world *world = arg;
    const char *const missing[] = {"/no/such/program", NULL};
    const char *const folder[] = {"/tmp", NULL};
    const char *const fine[] = {"/bin/true", NULL};
    struct process *process = NULL;
    struct process_options options = {.argv = missing};
    assert_true(is_err(process_spawn(world->loop, &options, &process), ERR_NOT_FOUND));
    options.argv = folder;
    assert_true(is_err(process_spawn(world->loop, &options, &process), ERR_IO));
    options = (struct process_options){.argv = fine, .log_path = "/no/such/folder/log"};
    assert_true(is_err(process_spawn(world->loop, &options, &process), ERR_NOT_FOUND));
    options = (struct process_options){.argv = fine, .directory = "/no/such/folder"};
    assert_true(is_err(process_spawn(world->loop, &options, &process), ERR_NOT_FOUND));
    assert_null(process);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no zombie is left */
    assert_int_equal(errno, ECHILD);
}

static void what_cannot_run_is_refused(void **state)
{
    (void)state;
    run_world(refusals);
}

static bool is_alive(pid_t pid) { return kill(pid, 0) == 0; }

static void free_kills(void *arg)
{
    struct world *world = arg;
    struct process *process = shell(world, "exec sleep 100", NULL);
    pid_t pid = (pid_t)process_pid(process);
    assert_true(is_alive(pid));
    process_free(process);
    assert_false(is_alive(pid));
}

static void freeing_ends_the_child(void **state)
{
    (void)state;
    run_world(free_kills);
}

static int report_fd;

static void parent_that_dies(void *arg)
{
    struct world *world = arg;
    struct process *process = shell(world, "exec sleep 100", NULL);
    u32 pid = process_pid(process);
    (void)!write(report_fd, &pid, sizeof pid);
    kill(getpid(), SIGKILL);
}

static void children_die_with_their_parent(void **state)
{
    (void)state;
    int ends[2];
    u32 grandchild = 0;
    assert_int_equal(pipe(ends), 0);
    prctl(PR_SET_CHILD_SUBREAPER, 1); /* the orphan comes to us */
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        report_fd = ends[1];
        run_world(parent_that_dies);
        _exit(0);
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(read(ends[0], &grandchild, sizeof grandchild), sizeof grandchild);
    int status;
    assert_int_equal(waitpid((pid_t)grandchild, &status, 0), grandchild);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    close(ends[0]);
    close(ends[1]);
}

static void memory_use(void **state)
{
    (void)state;
    u64 before;
    u64 after;
    assert_true(is_ok(process_rss((u32)getpid(), &before)));
    assert_true(before > 0);
    u8 *map = mmap(NULL, MIB(8), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(map, 1, MIB(8));
    assert_true(is_ok(process_rss((u32)getpid(), &after)));
    assert_true(after >= before + MIB(7) && after < before + MIB(64));
    munmap(map, MIB(8));
    assert_true(is_err(process_rss(999999999, &after), ERR_NOT_FOUND));
    char path[PATH_BYTES_MAX];
    process_self_path(path);
    assert_non_null(strstr(path, "process_test"));
}

static void terminals(void **state)
{
    (void)state;
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    unsetenv("COLUMNS");
    unsetenv("NO_COLOR");
    unsetenv("CLICOLOR_FORCE");
    assert_false(terminal_is_tty(fd));
    assert_false(terminal_redraw(fd));
    assert_false(terminal_colour(fd));
    assert_int_equal(terminal_columns(fd), 80);
    static const char *const wrong[] = {"0", "-1", "x", "", "99999999999999999999", "5000"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        setenv("COLUMNS", wrong[i], 1);
        assert_int_equal(terminal_columns(fd), 80);
    }
    setenv("COLUMNS", "120", 1);
    assert_int_equal(terminal_columns(fd), 120);
    setenv("CLICOLOR_FORCE", "1", 1);
    assert_true(terminal_colour(fd));
    setenv("NO_COLOR", "1", 1);
    assert_false(terminal_colour(fd));
    setenv("NO_COLOR", "", 1); /* empty is as if it were not there */
    assert_true(terminal_colour(fd));
    setenv("CLICOLOR_FORCE", "0", 1);
    assert_false(terminal_colour(fd));
    close(fd);
}

static void pseudo_terminals(void **state)
{
    (void)state;
    unsetenv("NO_COLOR");
    unsetenv("CLICOLOR_FORCE");
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0) {
        skip();
    }
    int fd = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(fd >= 0);
    setenv("TERM", "xterm", 1);
    assert_true(terminal_is_tty(fd) && terminal_colour(fd) && terminal_redraw(fd));
    setenv("TERM", "dumb", 1);
    assert_true(terminal_is_tty(fd));
    assert_false(terminal_colour(fd) || terminal_redraw(fd));
    close(fd);
    close(master);
}

/* Runs fn in a child; true if it died of SIGSEGV. */
static bool faults(void (*fn)(u8 *secret), u8 *secret)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL);
        signal(SIGBUS, SIG_DFL);
        fn(secret);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
}

static void write_behind(u8 *secret) { *(volatile u8 *)(secret + 32) = 1; }
static void write_before(u8 *secret) { *(volatile u8 *)(secret - 4096) = 1; }

static void expect_wiped(u8 *secret)
{
    for (size_t i = 0; i < 32; i++) {
        if (secret[i] != 0) {
            raise(SIGSEGV);
        }
    }
}

static void secrets(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 16, 17, 32, 4095, 4096, 4097, 20000};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        u8 *secret = secret_alloc(sizes[i]);
        assert_int_equal((uintptr_t)secret % 16, 0);
        for (size_t at = 0; at < sizes[i]; at++) {
            assert_int_equal(secret[at], 0);
        }
        memset(secret, 0xaa, sizes[i]);
        secret_free(secret, sizes[i]);
    }
    secret_free(NULL, 0);
    u8 *key = secret_alloc(32);
    memset(key, 0xaa, 32);
    assert_true(faults(write_behind, key));
    assert_true(faults(write_before, key));
    assert_false(faults(expect_wiped, key)); /* children do not inherit it */
    assert_int_equal(key[31], 0xaa);
    secret_free(key, 32);
}

static void hardening(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        process_harden();
        _exit(prctl(PR_GET_DUMPABLE) == 0 ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static int make_root(void **state)
{
    (void)state;
    return mkdtemp(root) == NULL;
}

static int remove_root(void **state)
{
    (void)state;
    return !is_ok(dir_remove_all(root));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_are_told),
        cmocka_unit_test(children_get_what_was_asked),
        cmocka_unit_test(what_cannot_run_is_refused),
        cmocka_unit_test(freeing_ends_the_child),
        cmocka_unit_test(children_die_with_their_parent),
        cmocka_unit_test(memory_use),
        cmocka_unit_test(terminals),
        cmocka_unit_test(pseudo_terminals),
        cmocka_unit_test(secrets),
        cmocka_unit_test(hardening),
    };
    return cmocka_run_group_tests(tests, make_root, remove_root);
}

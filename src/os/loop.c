#include "os/loop.h"
#include "os/loop_internal.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_PER_TURN 256
/* Busy fibers are interrupted for the network every so many turns. */
#define TURNS_PER_POLL 8
/* When a stop takes that long, the fibers that do not end are named in the log. */
#define STOP_PATIENCE_MS 10000

static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
            log_warn("os", "cannot raise the descriptor limit: %s", strerror(errno));
        }
    }
}

err loop_open(struct loop **ret_loop, unsigned worker_count)
{
    raise_descriptor_limit();
    struct loop *loop = MEM_NEW(struct loop);
    list_init(&loop->ready);
    list_init(&loop->fibers);
    timers_init(&loop->timers);
    fiber_stacks_init(&loop->stacks);
    fiber_context_init_thread(&loop->main);
    loop->signals.fd = -1;
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    err e = loop->epoll_fd < 0 ? fail(ERR_IO) : workers_open(loop, worker_count, &loop->workers);
    if (!is_ok(e)) {
        loop_close(loop);
        return e;
    }
    *ret_loop = loop;
    return ok();
}

static void signals_close(struct loop *loop)
{
    if (loop->signals.fd >= 0) {
        loop_unwatch(loop, &loop->signals);
        close(loop->signals.fd);
        loop->signals.fd = -1;
    }
}

void loop_close(struct loop *loop)
{
    if (loop == NULL) {
        return;
    }
    assert_that(loop->fiber_count == 0);
    signals_close(loop);
    workers_close(loop->workers);
    if (loop->epoll_fd >= 0) {
        close(loop->epoll_fd);
    }
    timers_free(&loop->timers);
    fiber_stacks_free(&loop->stacks);
    mem_free(loop);
}

err loop_watch(struct loop *loop, struct watch *watch)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                .data.ptr = watch};
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, watch->fd, &event) != 0) {
        log_error("os", "cannot watch a descriptor: %s", strerror(errno));
        return fail(ERR_IO);
    }
    return ok();
}

void loop_unwatch(struct loop *loop, struct watch *watch)
{
    (void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
}

static int poll_timeout_ms(const struct loop *loop)
{
    if (!list_empty(&loop->ready)) {
        return 0;
    }
    u64 next = timers_next(&loop->timers);
    if (loop->stopping && !loop->complained) {
        next = min_u64(next, loop->stopped_at_ms + STOP_PATIENCE_MS);
    }
    if (next == UINT64_MAX) {
        return -1;
    }
    u64 now = loop_now_ms(loop);
    return next <= now ? 0 : (int)min_u64(next - now, 1000000000);
}

static void poll_events(struct loop *loop)
{
    struct epoll_event events[EVENTS_PER_TURN];
    int count = epoll_wait(loop->epoll_fd, events, EVENTS_PER_TURN, poll_timeout_ms(loop));
    assert_that(count >= 0 || errno == EINTR);
    for (int i = 0; i < count; i++) {
        struct watch *watch = events[i].data.ptr;
        watch->on_event(watch, events[i].events);
    }
}

static void complain_of_slow_stop(struct loop *loop)
{
    if (loop->complained || !loop->stopping ||
        loop_now_ms(loop) < loop->stopped_at_ms + STOP_PATIENCE_MS) {
        return;
    }
    loop->complained = true;
    list_for (node, &loop->fibers) {
        log_warn("os", "still running after stop: %s",
                 list_entry(node, struct fiber, all_node)->name);
    }
}

void loop_run(struct loop *loop)
{
    assert_that(loop->current == NULL);
    for (unsigned turn = 0; loop->fiber_count > 0 || !loop->stopping; turn++) {
        fibers_wake_due(loop);
        fibers_run_ready(loop);
        if (loop->stopping && loop->fiber_count == 0) {
            break;
        }
        if (list_empty(&loop->ready) || turn % TURNS_PER_POLL == 0) {
            poll_events(loop);
            complain_of_slow_stop(loop);
        }
    }
}

void loop_stop(struct loop *loop)
{
    if (loop->stopping) {
        return;
    }
    loop->stopping = true;
    loop->stopped_at_ms = loop_now_ms(loop);
    fibers_cancel(loop);
}

bool loop_stopping(const struct loop *loop) { return loop->stopping; }

static void stop_signals(sigset_t *ret_set)
{
    sigemptyset(ret_set);
    sigaddset(ret_set, SIGINT);
    sigaddset(ret_set, SIGTERM);
}

static void on_signal(struct watch *watch, u32 events)
{
    (void)events;
    struct loop *loop = list_entry(watch, struct loop, signals);
    struct signalfd_siginfo info;
    if (read(watch->fd, &info, sizeof info) != sizeof info) {
        return;
    }
    log_info("os", "%s, stopping", info.ssi_signo == SIGINT ? "interrupted" : "asked to end");
    signals_close(loop);
    /* The default action is back for the second signal, even if the loop is stuck by then. */
    sigset_t set;
    stop_signals(&set);
    assert_that(pthread_sigmask(SIG_UNBLOCK, &set, NULL) == 0);
    if (!is_ok(fiber_start(loop, "stop", loop->signal_fn, loop->signal_arg))) {
        loop_stop(loop);
    }
}

void loop_stop_on_signals(struct loop *loop, fiber_fn *fn, void *arg)
{
    assert_that(loop->signals.fd < 0);
    sigset_t set;
    stop_signals(&set);
    assert_that(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
    loop->signal_fn = fn;
    loop->signal_arg = arg;
    loop->signals =
        (struct watch){.fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC), .on_event = on_signal};
    if (loop->signals.fd < 0 || !is_ok(loop_watch(loop, &loop->signals))) {
        log_error("os", "no clean stop on signals: %s", strerror(errno));
        signals_close(loop);
        assert_that(pthread_sigmask(SIG_UNBLOCK, &set, NULL) == 0);
    }
}

static u64 clock_ms(clockid_t clock)
{
    struct timespec t;
    assert_that(clock_gettime(clock, &t) == 0);
    return (u64)t.tv_sec * 1000 + (u64)t.tv_nsec / 1000000;
}

u64 loop_now_ms(const struct loop *loop)
{
    (void)loop;
    return clock_ms(CLOCK_MONOTONIC);
}

u64 loop_wall_ms(const struct loop *loop)
{
    (void)loop;
    return clock_ms(CLOCK_REALTIME);
}

void loop_random(struct loop *loop, void *out, size_t len)
{
    (void)loop;
    for (size_t done = 0; done < len;) {
        ssize_t n = getrandom((u8 *)out + done, len - done, 0);
        assert_that(n > 0 || errno == EINTR);
        done += n > 0 ? (size_t)n : 0;
    }
}

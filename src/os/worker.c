/* Worker threads: a queue of jobs, each the stack variable of a parked fiber, so the queue is
 * bounded by FIBERS_MAX without a counter. Finished jobs go back through an eventfd. */
#include "os/fiber_internal.h"
#include "os/loop_internal.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define WORKER_STACK_BYTES MIB(1)

struct job {
    struct list node;
    worker_fn *fn;
    void *arg;
    struct fiber *fiber;
};

struct workers {
    struct loop *loop;
    pthread_mutex_t lock;
    pthread_cond_t wanted; /* signalled when `queued` grows and somebody is idle, or `closing` */
    unsigned idle;
    struct list queued;
    struct list finished;
    bool closing;
    struct watch wake; /* readable when `finished` is not empty */
    unsigned count;
    pthread_t threads[];
};

static void lock(struct workers *workers) { assert_that(pthread_mutex_lock(&workers->lock) == 0); }

static void unlock(struct workers *workers)
{
    assert_that(pthread_mutex_unlock(&workers->lock) == 0);
}

static struct job *pop(struct list *jobs)
{
    struct job *job = list_entry(jobs->next, struct job, node);
    list_remove(&job->node);
    return job;
}

static void wake_loop(struct workers *workers)
{
    static const u64 one = 1;
    ssize_t n;
    do {
        n = write(workers->wake.fd, &one, sizeof one);
    } while (n < 0 && errno == EINTR);
    assert_that(n == sizeof one);
}

static void *worker_main(void *arg)
{
    struct workers *workers = arg;
    lock(workers);
    for (;;) {
        while (list_empty(&workers->queued) && !workers->closing) {
            workers->idle++;
            pthread_cond_wait(&workers->wanted, &workers->lock);
            workers->idle--;
        }
        if (list_empty(&workers->queued)) {
            break;
        }
        struct job *job = pop(&workers->queued);
        unlock(workers);
        job->fn(job->arg);
        lock(workers);
        bool first = list_empty(&workers->finished);
        list_push_back(&workers->finished, &job->node);
        if (first) {
            unlock(workers); /* or whom it wakes would have to wait for the lock at once */
            wake_loop(workers);
            lock(workers);
        }
    }
    unlock(workers);
    return NULL;
}

static void on_finished(struct watch *watch, u32 events)
{
    (void)events;
    struct workers *workers = list_entry(watch, struct workers, wake);
    u64 count;
    /* EAGAIN or EINTR: the list below is what counts. */
    (void)!read(watch->fd, &count, sizeof count);
    lock(workers);
    while (!list_empty(&workers->finished)) {
        fiber_ready(pop(&workers->finished)->fiber);
    }
    unlock(workers);
}

/* Workers must not take the signals that the loop's thread waits for. */
static int start_thread(struct workers *workers, pthread_t *ret_thread)
{
    sigset_t all;
    sigset_t before;
    pthread_attr_t attributes;
    sigfillset(&all);
    assert_that(pthread_attr_init(&attributes) == 0);
    assert_that(pthread_attr_setstacksize(&attributes, WORKER_STACK_BYTES) == 0);
    assert_that(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    int fault = pthread_create(ret_thread, &attributes, worker_main, workers);
    assert_that(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    assert_that(pthread_attr_destroy(&attributes) == 0);
    return fault;
}

err workers_open(struct loop *loop, unsigned count, struct workers **ret_workers)
{
    assert_that(count >= 1 && count <= 64);
    struct workers *workers = mem_alloc(sizeof *workers + count * sizeof(pthread_t));
    workers->loop = loop;
    assert_that(pthread_mutex_init(&workers->lock, NULL) == 0);
    assert_that(pthread_cond_init(&workers->wanted, NULL) == 0);
    list_init(&workers->queued);
    list_init(&workers->finished);
    workers->wake =
        (struct watch){.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), .on_event = on_finished};
    err e = workers->wake.fd < 0 ? fail(ERR_IO) : loop_watch(loop, &workers->wake);
    while (is_ok(e) && workers->count < count) {
        int fault = start_thread(workers, &workers->threads[workers->count]);
        if (fault != 0) {
            log_error("os", "cannot start a worker thread: %s", strerror(fault));
            e = fail(ERR_IO);
        } else {
            workers->count++;
        }
    }
    if (!is_ok(e)) {
        workers_close(workers);
        return e;
    }
    *ret_workers = workers;
    return ok();
}

void workers_close(struct workers *workers)
{
    if (workers == NULL) {
        return;
    }
    lock(workers);
    workers->closing = true;
    pthread_cond_broadcast(&workers->wanted);
    unlock(workers);
    for (unsigned i = 0; i < workers->count; i++) {
        assert_that(pthread_join(workers->threads[i], NULL) == 0);
    }
    if (workers->wake.fd >= 0) {
        loop_unwatch(workers->loop, &workers->wake);
        close(workers->wake.fd);
    }
    pthread_cond_destroy(&workers->wanted);
    pthread_mutex_destroy(&workers->lock);
    mem_free(workers);
}

void worker_run(struct loop *loop, worker_fn *fn, void *arg)
{
    struct job job = {.fn = fn, .arg = arg, .fiber = fiber_current(loop)};
    if (job.fiber == NULL) {
        fn(arg); /* nothing else of the loop could run meanwhile anyway */
        return;
    }
    struct workers *workers = loop->workers;
    lock(workers);
    list_push_back(&workers->queued, &job.node);
    bool somebody_waits = workers->idle > 0;
    unlock(workers);
    if (somebody_waits) {
        pthread_cond_signal(&workers->wanted);
    }
    fiber_park_always(loop);
}

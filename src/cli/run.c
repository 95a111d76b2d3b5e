/* run.c: a verb's work inside an event loop. */
#include "cli/cli.h"

#include "base/log.h"

#define CLIENT_WORKERS 2

struct job {
    err (*fn)(void *ctx, struct loop *loop);
    void *ctx;
    struct loop *loop;
    err result;
};

static void run_job(void *arg)
{
    struct job *job = arg;
    job->result = job->fn(job->ctx, job->loop);
    loop_stop(job->loop);
}

static void stop_loop(void *loop) { loop_stop(loop); }

err cli_run(err (*fn)(void *ctx, struct loop *loop), void *ctx)
{
    struct job job = {.fn = fn, .ctx = ctx, .result = fail(ERR_CANCELLED)};
    TRY(loop_open(&job.loop, CLIENT_WORKERS));
    loop_stop_on_signals(job.loop, stop_loop, job.loop);
    err e = fiber_start(job.loop, "main", run_job, &job);
    if (is_ok(e)) {
        loop_run(job.loop);
        e = job.result;
    }
    loop_close(job.loop);
    return e;
}

/* ---- roles ---- */

struct server {
    const struct cli_service *service;
    struct loop *loop;
    struct event signalled;
    bool stopping;
    bool serving;
    err result;
};

static void stop_server(void *arg)
{
    struct server *server = arg;
    server->stopping = true;
    if (server->serving) {
        event_wake_all(&server->signalled);
    } else {
        loop_stop(server->loop); /* cancels what start() waits for */
    }
}

static void watch_end(void *arg)
{
    struct server *server = arg;
    if (is_ok(event_wait(server->loop, server->service->ended, DEADLINE_NONE))) {
        stop_server(server);
    }
}

static void serve(void *arg)
{
    struct server *server = arg;
    const struct cli_service *service = server->service;
    err e = service->start(service->ctx, server->loop);
    server->result = e;
    if (!is_ok(e)) {
        loop_stop(server->loop);
        return;
    }
    server->serving = true;
    while (!server->stopping && is_ok(e)) {
        e = event_wait(server->loop, &server->signalled, DEADLINE_NONE);
    }
    log_info(service->name, "stopping");
    if (service->drain != NULL && !loop_stopping(server->loop)) {
        service->drain(service->ctx);
    }
    loop_stop(server->loop);
    service->stop(service->ctx);
}

err cli_serve(const struct cli_service *service)
{
    struct server server = {.service = service, .result = fail(ERR_CANCELLED)};
    TRY(loop_open(&server.loop, service->workers));
    event_init(&server.signalled);
    loop_stop_on_signals(server.loop, stop_server, &server);
    err e = fiber_start(server.loop, service->name, serve, &server);
    if (is_ok(e) && service->ended != NULL) {
        e = fiber_start(server.loop, "ended", watch_end, &server);
    }
    if (is_ok(e)) {
        loop_run(server.loop);
        e = server.result;
    }
    loop_close(server.loop);
    return e;
}

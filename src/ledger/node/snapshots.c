/* snapshots.c: one snapshot an era, part by part on a worker, while blocks go on. */
#include "base/log.h"
#include "ledger/node/internal.h"
#include "os/file.h"

#define SNAPSHOTS_DIR "snapshots"

struct step {
    struct app_snapshot *snapshot;
    bool done;
    err e;
};

static void run_step(void *arg)
{
    struct step *step = arg;
    step->e = app_snapshot_step(step->snapshot, &step->done);
}

static void write_snapshot(void *arg)
{
    struct node *node = arg;
    struct step step = {.snapshot = node->snapshot, .e = ok()};
    while (is_ok(step.e) && !step.done && !node->stopping && !loop_stopping(node->loop)) {
        worker_run(node->loop, run_step, &step);
    }
    u64 height = app_snapshot_height(node->snapshot);
    if (!is_ok(step.e)) {
        log_warn("node", "the snapshot of block %llu could not be written: %s",
                 (unsigned long long)height, err_text(step.e));
    } else if (step.done) {
        log_info("node", "snapshot of block %llu written", (unsigned long long)height);
    }
    app_snapshot_free(node->snapshot);
    node->snapshot = NULL;
}

static err begin(struct node *node)
{
    char parent[PATH_BYTES_MAX];
    path_join(parent, node->data_dir, SNAPSHOTS_DIR);
    TRY(app_snapshot_begin(node->app, parent, &node->snapshot));
    err e = group_start(node->loop, &node->fibers, "snapshot", write_snapshot, node);
    if (!is_ok(e)) {
        app_snapshot_free(node->snapshot);
        node->snapshot = NULL;
    }
    return e;
}

void node_snapshot_due(struct node *node)
{
    u64 height = app_info_now(node->app).height;
    if (node->snapshot_blocks == 0 || height % node->snapshot_blocks != 0 ||
        node->snapshot != NULL) {
        return;
    }
    err e = begin(node);
    if (!is_ok(e)) {
        log_warn("node", "no snapshot of block %llu: %s", (unsigned long long)height, err_text(e));
    }
}

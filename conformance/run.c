#include "conformance/run.h"

#include "base/log.h"
#include "base/mem.h"
#include "codec/json.h"
#include "conformance/source.h"
#include "crypto/hash.h"
#include "os/loop.h"

#include <stdio.h>
#include <stdlib.h>

#define GROUPS_SHOWN_MAX 100
#define OUTPUT_BYTES_MAX MIB(64)

/* One document's outcome. */
struct outcome {
    struct outcome *next;
    char *path;
    struct hash digest; /* of its roots */
    struct results results;
};

struct run {
    const struct suite *suite;
    const struct run_options *options;
    struct loop *loop;
    struct group jobs;
    struct source *source;
    err fault;
    struct outcome *outcomes;
    size_t outcome_count;
    u64 begin_ms;
};

/* What a worker thread gets. */
struct task {
    const struct suite *suite;
    const struct document *documents;
    size_t count;
    struct outcome *outcome;
};

static void run_task(void *arg)
{
    struct task *task = arg;
    struct results *results = &task->outcome->results;
    results->path = task->outcome->path;
    if (task->suite->whole != NULL) {
        task->suite->whole(results, task->documents, task->count);
    } else {
        task->suite->document(results, &task->documents[0]);
    }
    sha256(&task->outcome->digest, buf_bytes(&results->roots));
    buf_free(&results->roots);
    buf_init(&results->roots, 0);
}

static void run_documents(struct run *run, const struct document *documents, size_t count)
{
    struct outcome *outcome = MEM_NEW(struct outcome);
    struct task task = {
        .suite = run->suite, .documents = documents, .count = count, .outcome = outcome};
    outcome->path = mem_strdup(documents[0].path);
    results_init(&outcome->results, run->options->filter, run->options->is_verbose);
    worker_run(run->loop, run_task, &task);
    outcome->next = run->outcomes;
    run->outcomes = outcome;
    run->outcome_count++;
}

/* --- one by one --- */

static void job(void *arg)
{
    struct run *run = arg;
    while (is_ok(run->fault)) {
        struct document document;
        run->fault = source_next(run->source, &document);
        if (!is_ok(run->fault) || document.path == NULL) {
            return;
        }
        run_documents(run, &document, 1);
        document_free(&document);
    }
}

/* --- all at once --- */

static int compare_documents(const void *a, const void *b)
{
    const struct document *left = a;
    const struct document *right = b;
    return strcmp(left->path, right->path);
}

static err gather(struct run *run, struct document **ret_documents, size_t *ret_count)
{
    size_t total = 0;
    for (;;) {
        struct document document;
        TRY(source_next(run->source, &document));
        if (document.path == NULL) {
            return ok();
        }
        *ret_documents = mem_resize(*ret_documents, (*ret_count + 1) * sizeof document);
        (*ret_documents)[(*ret_count)++] = document;
        total += document.text.len;
        if (total > SUITE_BYTES_MAX) {
            return fail(ERR_LIMIT);
        }
    }
}

static void whole_job(void *arg)
{
    struct run *run = arg;
    struct document *documents = NULL;
    size_t count = 0;
    run->fault = gather(run, &documents, &count);
    if (is_ok(run->fault) && count > 0) {
        qsort(documents, count, sizeof *documents, compare_documents);
        run_documents(run, documents, count);
    }
    for (size_t i = 0; i < count; i++) {
        document_free(&documents[i]);
    }
    mem_free(documents);
}

static void start_jobs(void *arg)
{
    struct run *run = arg;
    bool is_whole = run->suite->whole != NULL;
    unsigned jobs = is_whole ? 1 : run->options->jobs;
    for (unsigned i = 0; i < jobs; i++) {
        err e = group_start(run->loop, &run->jobs, "job", is_whole ? whole_job : job, run);
        if (!is_ok(e)) {
            run->fault = e;
        }
    }
    group_wait(run->loop, &run->jobs);
    loop_stop(run->loop);
}

/* --- report --- */

struct tally {
    const char *folder; /* not terminated: folder_len */
    size_t folder_len;
    const char *reason;
    const char *example;
    size_t count;
};

struct report {
    size_t passed;
    size_t failed;
    struct tally *tallies; /* most first */
    size_t tally_count;
    char digest[65];
    double seconds;
};

static int compare_outcomes(const void *a, const void *b)
{
    const struct outcome *const *left = a;
    const struct outcome *const *right = b;
    return strcmp((*left)->path, (*right)->path);
}

/* The outcomes by path: the order in which they ended has no meaning. */
static struct outcome **sorted_outcomes(const struct run *run)
{
    struct outcome **sorted = mem_alloc_array(run->outcome_count + 1, sizeof *sorted);
    size_t count = 0;
    for (struct outcome *outcome = run->outcomes; outcome != NULL; outcome = outcome->next) {
        sorted[count++] = outcome;
    }
    qsort(sorted, count, sizeof *sorted, compare_outcomes);
    return sorted;
}

static int compare_failures(const void *a, const void *b)
{
    const struct tally *left = a;
    const struct tally *right = b;
    int order = bytes_cmp(bytes_make(left->folder, left->folder_len),
                          bytes_make(right->folder, right->folder_len));
    return order != 0 ? order : strcmp(left->reason, right->reason);
}

static int compare_tallies(const void *a, const void *b)
{
    const struct tally *left = a;
    const struct tally *right = b;
    if (left->count != right->count) {
        return left->count > right->count ? -1 : 1;
    }
    return compare_failures(a, b);
}

static void add_failures(struct report *report, const struct results *results)
{
    for (const struct failure *failure = results->first; failure; failure = failure->next) {
        const char *slash = strrchr(failure->path, '/');
        report->tallies[report->tally_count++] = (struct tally){
            .folder = failure->path,
            .folder_len = slash != NULL ? (size_t)(slash - failure->path) : 0,
            .reason = failure->reason,
            .example = failure->test,
            .count = 1,
        };
    }
}

/* One tally for each folder and reason. */
static void group_failures(struct report *report)
{
    size_t kept = 0;
    qsort(report->tallies, report->tally_count, sizeof *report->tallies, compare_failures);
    for (size_t i = 0; i < report->tally_count; i++) {
        struct tally *tally = &report->tallies[i];
        if (kept > 0 && compare_failures(&report->tallies[kept - 1], tally) == 0) {
            report->tallies[kept - 1].count++;
        } else {
            report->tallies[kept++] = *tally;
        }
    }
    report->tally_count = kept;
    qsort(report->tallies, kept, sizeof *report->tallies, compare_tallies);
}

static struct report make_report(const struct run *run, struct outcome *const *outcomes)
{
    struct report report = {0};
    struct buf digests;
    struct hash digest;
    buf_init(&digests, OUTPUT_BYTES_MAX);
    for (size_t i = 0; i < run->outcome_count; i++) {
        report.passed += outcomes[i]->results.passed;
        report.failed += outcomes[i]->results.failed;
        buf_put(&digests, BYTES_OF(outcomes[i]->digest));
    }
    sha256(&digest, buf_bytes(&digests));
    buf_free(&digests);
    hex_encode(report.digest, sizeof report.digest, BYTES_OF(digest));
    report.tallies = mem_alloc_array(report.failed + 1, sizeof *report.tallies);
    for (size_t i = 0; i < run->outcome_count; i++) {
        add_failures(&report, &outcomes[i]->results);
    }
    group_failures(&report);
    report.seconds = (double)(loop_now_ms(run->loop) - run->begin_ms) / 1000;
    return report;
}

static void print_failures(struct outcome *const *outcomes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (const struct failure *f = outcomes[i]->results.first; f != NULL; f = f->next) {
            printf("FAIL %s::%s\n     %s%s%s\n", f->path, f->test, f->reason,
                   f->detail[0] != '\0' ? ": " : "", f->detail);
        }
    }
}

static void print_report(const struct report *report)
{
    size_t shown = min_u64(report->tally_count, GROUPS_SHOWN_MAX);
    if (shown > 0) {
        printf("failures by folder and reason (and one of the tests):\n");
    }
    for (size_t i = 0; i < shown; i++) {
        const struct tally *tally = &report->tallies[i];
        printf("%7zu  %.*s: %s (%.80s)\n", tally->count, (int)tally->folder_len, tally->folder,
               tally->reason, tally->example);
    }
    if (shown < report->tally_count) {
        printf("         and %zu groups more\n", report->tally_count - shown);
    }
    printf("roots %s\n", report->digest);
    printf("%.1f s\n", report->seconds);
    printf("%zu passed, %zu failed\n", report->passed, report->failed);
}

static void print_json(const struct suite *suite, const struct report *report)
{
    json_t *groups = json_array();
    for (size_t i = 0; i < report->tally_count; i++) {
        const struct tally *tally = &report->tallies[i];
        json_array_append_new(groups,
                              json_pack("{s:s%, s:s, s:s, s:I}", "folder", tally->folder,
                                        tally->folder_len, "reason", tally->reason, "example",
                                        tally->example, "count", (json_int_t)tally->count));
    }
    json_t *root = json_pack("{s:s, s:I, s:I, s:f, s:s, s:o}", "suite", suite->name, "passed",
                             (json_int_t)report->passed, "failed", (json_int_t)report->failed,
                             "seconds", report->seconds, "roots", report->digest, "groups", groups);
    json_dumpf(root, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));
    putchar('\n');
    json_decref(root);
}

static int report_run(const struct run *run)
{
    struct outcome **outcomes = sorted_outcomes(run);
    struct report report = make_report(run, outcomes);
    if (run->options->is_verbose && !run->options->as_json) {
        print_failures(outcomes, run->outcome_count);
    }
    if (run->options->as_json) {
        print_json(run->suite, &report);
    } else {
        print_report(&report);
    }
    mem_free(report.tallies);
    mem_free(outcomes);
    if (!is_ok(run->fault)) {
        log_error("conformance", "%s: %s", run->options->path, err_text(run->fault));
        return 2;
    }
    if (report.passed + report.failed == 0) {
        log_error("conformance", "%s: no tests of the suite %s there", run->options->path,
                  run->suite->name);
        return 2;
    }
    return report.failed == 0 ? 0 : 1;
}

static void free_outcomes(struct run *run)
{
    while (run->outcomes != NULL) {
        struct outcome *outcome = run->outcomes;
        run->outcomes = outcome->next;
        results_free(&outcome->results);
        mem_free(outcome->path);
        mem_free(outcome);
    }
}

int run_suite(const struct suite *suite, const struct run_options *options)
{
    struct run run = {.suite = suite, .options = options, .fault = ok()};
    if (!is_ok(source_open(options->path, suite, &run.source))) {
        return 2;
    }
    err e = loop_open(&run.loop, options->jobs);
    if (!is_ok(e)) {
        source_close(run.source);
        return 2;
    }
    run.begin_ms = loop_now_ms(run.loop);
    group_init(&run.jobs);
    e = fiber_start(run.loop, "jobs", start_jobs, &run);
    if (is_ok(e)) {
        loop_run(run.loop);
    }
    int status = is_ok(e) ? report_run(&run) : 2;
    free_outcomes(&run);
    loop_close(run.loop);
    source_close(run.source);
    return status;
}

/* run.h: runs a suite over the documents of a path, on several threads, and reports. */
#ifndef CONFORMANCE_RUN_H
#define CONFORMANCE_RUN_H

#include "conformance/suite.h"

#define JOBS_MAX 64

struct run_options {
    const char *path;
    const char *filter; /* or NULL */
    unsigned jobs;      /* 1..JOBS_MAX */
    bool is_verbose;
    bool as_json;
};

/* run_suite: the exit status: 0 if tests ran and none failed, 1 if any failed, 2 if there was
 * nothing to run or it could not be read. */
int run_suite(const struct suite *suite, const struct run_options *options);

#endif

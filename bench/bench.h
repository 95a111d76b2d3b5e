/* bench.h: benchmarks that print their own limit.
 *
 * A benchmark measures something and, in the same run, the unavoidable work that bounds it; what
 * counts is the ratio, because machines differ and are shared. Each result has a bar, the ratio
 * that Cairn promises. Output: one JSON object (--json) or a table.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include "base/int.h"

#define BENCH_RESULTS_MAX 48

struct bench_result {
    const char *name;
    double value;
    const char *unit;
    double limit; /* in the same unit; 0: none, a plain figure */
    const char *limit_name;
    double bar; /* least ratio value / limit; 0: none */
};

struct bench {
    const char *name;
    const char *summary;
    struct bench_result results[BENCH_RESULTS_MAX];
    size_t count;
};

void bench_add(struct bench *bench, const struct bench_result *result);
/* bench_seconds: monotonic clock. */
double bench_seconds(void);

/* The primitives of storing and reading, single thread, seconds per byte of user data. */
struct bench_primitives {
    double md5;
    double sha256;     /* of large payloads */
    double aes_gcm;    /* 16 KiB chunks */
    double rs_4_8;     /* per byte of user data */
    double leaf_hash;  /* SHA-256 trees of 4 KiB leaves, per byte of fragment */
    double copy;       /* memcpy of 64 KiB pieces */
    double disk_write; /* 8 MiB pieces and fdatasync, per byte; 0 if not measured */
};
/* bench_measure_primitives: dir for the disk figure, NULL: none. */
void bench_measure_primitives(struct bench_primitives *ret, const char *dir);
void bench_add_primitives(struct bench *bench, const struct bench_primitives *primitives);

/* Every benchmark: fills `bench`; false: it could not run (reason on standard error). */
bool bench_pipeline(struct bench *bench, int argc, char **argv);
bool bench_evm(struct bench *bench, int argc, char **argv);
bool bench_bls(struct bench *bench, int argc, char **argv);
bool bench_precompiles(struct bench *bench, int argc, char **argv);
/* arguments: [--keep] [large] [streams] [small]; --keep leaves the devnet's folder, for its logs */
bool bench_s3(struct bench *bench, int argc, char **argv);
/* arguments: [DIR [TRANSFERS [ACCOUNTS_MAX]]] */
bool bench_ledger(struct bench *bench, int argc, char **argv);

#endif

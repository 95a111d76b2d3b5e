/* metrics.h: counters and gauges in the Prometheus text format.
 *
 * A role owns one `struct metrics`; values are updated by its loop thread only. Names and help
 * texts are static strings.
 */
#ifndef BASE_METRICS_H
#define BASE_METRICS_H

#include "base/buf.h"

#define METRICS_MAX 128

struct metric {
    const char *name; /* "cairn_store_fragments" */
    const char *help;
    bool is_gauge;
    u64 value;
};

struct metrics {
    struct metric items[METRICS_MAX];
    size_t count;
};

/* metrics_counter / metrics_gauge: registers a metric, returns a pointer to its value that stays
 * valid as long as `metrics` does. */
u64 *metrics_counter(struct metrics *metrics, const char *name, const char *help);
u64 *metrics_gauge(struct metrics *metrics, const char *name, const char *help);
void metrics_write(const struct metrics *metrics, struct buf *out);

#endif

#include "base/metrics.h"

#include "base/assert.h"

static u64 *add(struct metrics *metrics, const char *name, const char *help, bool is_gauge)
{
    assert_that(metrics->count < METRICS_MAX);
    struct metric *metric = &metrics->items[metrics->count++];
    *metric = (struct metric){.name = name, .help = help, .is_gauge = is_gauge};
    return &metric->value;
}

u64 *metrics_counter(struct metrics *metrics, const char *name, const char *help)
{
    return add(metrics, name, help, false);
}

u64 *metrics_gauge(struct metrics *metrics, const char *name, const char *help)
{
    return add(metrics, name, help, true);
}

void metrics_write(const struct metrics *metrics, struct buf *out)
{
    for (size_t i = 0; i < metrics->count; i++) {
        const struct metric *m = &metrics->items[i];
        buf_format(out, "# HELP %s %s\n# TYPE %s %s\n%s %llu\n", m->name, m->help, m->name,
                   m->is_gauge ? "gauge" : "counter", m->name, (unsigned long long)m->value);
    }
}

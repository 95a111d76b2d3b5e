/* store_internal.h: what the files of the role share. Private to src/storage. */
#ifndef STORAGE_STORE_INTERNAL_H
#define STORAGE_STORE_INTERNAL_H

#include "base/map.h"
#include "codec/json.h"
#include "ledger/modules/provider_layout.h"
#include "net/metrics_http.h"
#include "storage/api.h"
#include "storage/store.h"

#define ALARM_MESSAGE_MAX 192
#define RECHECK_MAX 256
#define SUSPECTS_MAX 64

enum store_phase {
    PHASE_DISKS,      /* opening the shelf */
    PHASE_CHAIN,      /* waiting for a certified head */
    PHASE_REGISTERED, /* waiting to be registered */
    PHASE_LOSS,       /* declaring that everything is lost */
    PHASE_READY,
    PHASE_REFUSED, /* this folder is another provider's: nothing will be served */
};

enum alarm_kind {
    ALARM_START,     /* what the start waits for */
    ALARM_CHAIN,     /* the ledger cannot be reached */
    ALARM_HEARTBEAT, /* no heartbeat gets through */
    ALARM_ROT,       /* stored bytes were damaged */
    ALARM_LOST,      /* fragments were declared lost */
    ALARM_STATE,     /* draining or exited */
    ALARM_KINDS,
};

struct alarm {
    bool active;
    u64 since_ms; /* wall clock */
    u64 count;    /* times raised since the start */
    char message[ALARM_MESSAGE_MAX];
};

/* The chain's opinion of this provider, refreshed by the duties. */
struct store_self {
    bool known;
    u64 height; /* of the head it was read at, or an older one */
    u64 head_time;
    struct provider_record record;
    u64 due_s; /* params */
    u64 late_after_s;
    u64 keep_epochs;
    u64 epoch;
    u64 chain_now;
};

/* What the scrubber found, positions that the reconciler should look at first. */
struct recheck {
    u32 positions[RECHECK_MAX];
    size_t count;
};

#define STORE_COUNTERS(X)                                                                          \
    X(heartbeats, "cairn_store_heartbeats_total", "heartbeats and announcements sent")             \
    X(promoted, "cairn_store_promoted_total", "fragments that the chain now counts as held here")  \
    X(expired, "cairn_store_expired_total", "fragments dropped past their receipt's deadline")     \
    X(released, "cairn_store_released_total", "fragments dropped after the chain took them off")   \
    X(lost, "cairn_store_lost_total", "fragments declared lost")                                   \
    X(rotten, "cairn_store_rotten_total", "fragments found damaged")                               \
    X(scrubbed_bytes, "cairn_store_scrubbed_bytes_total",                                          \
      "bytes read and checked by the scrubber")                                                    \
    X(scrub_passes, "cairn_store_scrub_passes_total", "complete passes of the scrubber")           \
    X(submitted, "cairn_store_commits_submitted_total", "commit copies submitted to the ledger")   \
    X(duty_failures, "cairn_store_duty_failures_total", "rounds of a duty that failed")

#define STORE_GAUGES(X)                                                                            \
    X(ready, "cairn_store_ready", "1 if requests are served")                                      \
    X(capacity_bytes, "cairn_store_capacity_bytes", "configured capacity")                         \
    X(used_bytes, "cairn_store_used_bytes", "bytes of fragments")                                  \
    X(fragments, "cairn_store_fragments", "fragments here")                                        \
    X(open_bytes, "cairn_store_open_bytes", "bytes that are not on chain yet")                     \
    X(free_bytes, "cairn_store_free_bytes", "bytes that the disks could still take")               \
    X(disks_bad, "cairn_store_disks_bad", "disks that are full, failing or absent")                \
    X(commit_copies, "cairn_store_commit_copies", "commit copies kept")                            \
    X(alarms, "cairn_store_alarms", "alarms that are active")                                      \
    X(heartbeat_age, "cairn_store_heartbeat_age_seconds", "chain time since the last heartbeat")

struct store {
    struct loop *loop;
    struct store_options options; /* strings owned */
    struct metrics metrics;
#define STORE_METRIC_FIELD(field, name, help) u64 *field;
    STORE_COUNTERS(STORE_METRIC_FIELD)
    STORE_GAUGES(STORE_METRIC_FIELD)
#undef STORE_METRIC_FIELD
    enum store_phase phase;
    struct alarm alarm[ALARM_KINDS];
    struct http_server *server;
    struct metrics_http *metrics_http;
    struct group fibers;
    struct event woken; /* stop, or something to do at once */
    bool stopping;

    /* From here on: as far as the start has got. */
    struct shelf *shelf;
    struct chain *chain;
    struct chain_account *account;
    u32 provider;
    struct chain_rights *rights;
    struct api *api;
    struct store_self self;

    struct recheck recheck;
    struct fragment_key suspects[SUSPECTS_MAX]; /* a read met damage: to be scrubbed first */
    size_t suspect_count;
};

void alarm_raise(struct store *store, enum alarm_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void alarm_clear(struct store *store, enum alarm_kind kind);
const char *alarm_name(enum alarm_kind kind);
const char *store_phase_name(enum store_phase phase);

/* store_sleep: false when the role stops. */
MUST_USE bool store_sleep(struct store *store, u64 ms);
static inline u64 store_deadline(const struct store *store, u64 ms)
{
    return loop_now_ms(store->loop) + ms;
}
/* store_refresh_self: reads the provider's record and what duties need beside it. */
err store_refresh_self(struct store *store);

/* status.c */
json_t *store_status(struct store *store); /* new reference */
void store_refresh_gauges(void *ctx);

/* Duties; each runs until the role stops. start.c runs them when the role is ready. */
void store_start_fiber(void *arg);
void heartbeat_fiber(void *arg);
void reconcile_fiber(void *arg);
void scrub_fiber(void *arg);
void copies_fiber(void *arg);
void disks_fiber(void *arg);

#endif

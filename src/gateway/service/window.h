/* window.h: what one commit of a territory takes in: requests, conditions, journal records.
 *
 * Requests are taken in the order they came. A condition sees the index and what earlier requests
 * of the same window changed, so the outcome is that of doing them one by one. One that cannot go
 * yet (its segments are still on their way, or the record is full) stays in the queue; one that is
 * refused leaves no trace. Taking never waits, so it all happens at one moment.
 */
#ifndef GATEWAY_SERVICE_WINDOW_H
#define GATEWAY_SERVICE_WINDOW_H

#include "gateway/service/internal.h"

#define WINDOW_BUCKETS_MAX 64
#define WINDOW_REQUESTS_MAX 4096
#define WINDOW_OPS_BYTES_MAX MIB(16)

struct window_bucket {
    struct index_bucket it;       /* head and sequence move on with every record */
    struct journal_head old_head; /* at the beginning */
    bool wait_final;
    struct buf ops;
    size_t op_count;
    struct map overlay; /* 'k' ‖ key or 'u' ‖ upload id → struct overlay */
    u64 inline_bytes;   /* content in ops */
    bool touched;
    bool drop;
    bytes snapshot;
    u64 snapshot_cost;
    bytes envelope; /* body of an envelope record */
};

struct window {
    struct territory *territory;
    struct index_view *view; /* while requests are taken */
    struct arena arena;
    struct list requests; /* taken */
    size_t request_count;
    struct window_bucket *buckets;
    size_t bucket_count;
    struct index_update_record *records;
    size_t record_count;
    u64 ops_bytes;
    struct lane **lanes; /* what must be sealed: of journal records and of taken requests */
    size_t lane_count;
};

err window_open(struct territory *territory, struct window *ret_window);
void window_close(struct window *window);

/* window_take_all: moves requests from the territory's queue into the window; answers refused ones.
 */
void window_take_all(struct window *window);
/* window_write_records: journal records into the shared lane; fills window->records. */
err window_write_records(struct window *window, u64 deadline_ms);
/* window_heads: head moves for the ledger; room for bucket_count; returns how many. */
size_t window_heads(const struct window *window, struct head_move *ret_heads);
void commit_answer(struct commit_request *request, enum service_verdict verdict, err fault);

#endif

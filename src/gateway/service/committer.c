/* committer.c: one fiber per territory: window → records → sealed segments → one signed transaction
 * in the write-ahead log → three copies → answers.
 *
 * While one window is on its way through sealing and signing, uploads and requests of the next
 * gather. As soon as a commit is in the log, the next window may begin; copies and answers are a
 * fiber of their own. A window that fails before the log leaves no trace in the index, and its
 * requests are answered UNAVAILABLE; segments that were sealed stay for the next commit.
 */
#include "gateway/service/window.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "data/pack.h"

#define HEADLESS_AFTER_MS 500 /* full segments of long uploads wait this long for company */
#define HEADLESS_SEGMENTS 4
#define IDLE_CHECK_MS 1000
#define LINGER_MS 2
#define QUIET_MS 25
#define RETRY_MS 100
#define UNFINAL_FEW 8   /* commits that the ledger does not show yet: no reason to hold back */
#define UNFINAL_MANY 40 /* the ledger's pool takes 64 of one account */
#define UNFINAL_DOUBLING 4
#define COMMIT_BYTES_MAX (CHAIN_RAW_TX_BYTES_MAX - KIB(2))
#define COMMIT_GAS_MAX 15000000 /* a quarter of a block */
#define COMMIT_SEGMENTS_MAX 48  /* params.commit_segments_max is 64 */
#define SEAL_ATTEMPT_MS LANE_TIMEOUT_MS

/* Gas of segment.commit, from above: measured on rs-4-8 with 12 receipts, plus a half. */
#define GAS_COMMIT_BASE 250000
#define GAS_PER_SEGMENT 250000
#define GAS_PER_RECEIPT 90000
#define GAS_PER_HEAD 150000
#define GAS_PER_CALLDATA_BYTE 40 /* EIP-7623 */

u64 commit_gas(size_t segments, size_t receipts, size_t heads, size_t calldata_bytes)
{
    return GAS_COMMIT_BASE + segments * (u64)GAS_PER_SEGMENT + receipts * (u64)GAS_PER_RECEIPT +
           heads * (u64)GAS_PER_HEAD + calldata_bytes * (u64)GAS_PER_CALLDATA_BYTE;
}

static struct abi_value abi_locator(const struct locator *locator)
{
    u8 packed[LOCATOR_BYTES];
    struct packer packer = packer_make(packed, sizeof packed);
    pack_be32(&packer, locator->gateway);
    pack_be64(&packer, locator->number);
    pack_be32(&packer, locator->offset);
    pack_be32(&packer, locator->length);
    pack_done(&packer);
    return abi_fixed(BYTES_OF(packed));
}

void commit_calldata(struct buf *out, u64 territory, bytes segments, const struct head_move *heads,
                     size_t head_count)
{
    struct abi_value *parts = mem_alloc_array(head_count * 4, sizeof *parts);
    struct abi_value *items = mem_alloc_array(head_count, sizeof *items);
    for (size_t i = 0; i < head_count; i++) {
        struct abi_value *head = &parts[4 * i];
        head[0] = abi_hash(&heads[i].bucket);
        head[1] = abi_hash(&heads[i].old_head);
        head[2] = abi_hash(&heads[i].head.hash);
        head[3] = abi_locator(&heads[i].head.locator);
        items[i] = abi_tuple(head, 4);
    }
    const struct abi_value args[] = {abi_u64(territory), abi_bytes(segments),
                                     abi_array(items, head_count)};
    module_encode(out, SEGMENT_COMMIT, args);
    mem_free(parts);
    mem_free(items);
}

/* ---- one transaction ---- */

/* What goes into one entry of the log. */
struct batch {
    struct territory *territory;
    struct lane *lanes[COMMIT_SEGMENTS_MAX];
    size_t lane_count;
    size_t receipts;
    struct head_move heads[WINDOW_BUCKETS_MAX];
    size_t head_count;
    struct index_update_record *records;
    size_t record_count;
    struct buf segments; /* packed entries */
    struct arena arena;
    bytes raw;
    struct hash tx;
};

static struct batch *batch_new(struct territory *territory)
{
    struct batch *batch = MEM_NEW(struct batch);
    batch->territory = territory;
    buf_init(&batch->segments, COMMIT_BYTES_MAX);
    arena_init(&batch->arena, CALL_ARENA_BYTES);
    return batch;
}

static void batch_free(struct batch *batch)
{
    buf_free(&batch->segments);
    arena_free(&batch->arena);
    mem_free(batch);
}

static u64 batch_gas(const struct batch *batch)
{
    return commit_gas(batch->lane_count, batch->receipts, batch->head_count,
                      batch->segments.len + batch->head_count * 128);
}

/* batch_add: false: it would be too large with that lane. */
static bool batch_add(struct batch *batch, struct lane *lane, size_t head_room)
{
    size_t before = batch->segments.len;
    if (batch->lane_count == COMMIT_SEGMENTS_MAX) {
        return false;
    }
    segment_entry_write(&batch->segments, &lane->entry);
    batch->lanes[batch->lane_count++] = lane;
    batch->receipts += lane->entry.receipt_count;
    bool fits = batch->segments.len + head_room <= COMMIT_BYTES_MAX &&
                batch_gas(batch) + head_room * GAS_PER_HEAD / 128 <= COMMIT_GAS_MAX;
    if (batch->segments.failed || (!fits && batch->lane_count > 1)) {
        batch->lane_count--;
        batch->receipts -= lane->entry.receipt_count;
        batch->segments.len = before;
        batch->segments.failed = false;
        return false;
    }
    return true;
}

static struct unsettled *make_entry(const struct batch *batch)
{
    struct unsettled *entry = unsettled_new(batch->territory->id, batch->raw, &batch->tx,
                                            batch->lane_count, batch->head_count);
    for (size_t i = 0; i < batch->lane_count; i++) {
        const struct lane *lane = batch->lanes[i];
        entry->segments[i].seal = lane->seal;
        for (u8 j = 0; j < lane->entry.receipt_count; j++) {
            entry->segments[i].have |= 1u << lane->entry.receipts[j].index;
        }
        entry->bytes += lane->seal.length;
    }
    for (size_t i = 0; i < batch->head_count; i++) {
        entry->heads[i].move = batch->heads[i];
    }
    entry->facts.born_ms = loop_now_ms(batch->territory->gateway->loop);
    return entry;
}

struct apply_job {
    struct index *index;
    struct index_update update;
    u64 id;
    err result;
};

static void apply_run(void *arg)
{
    struct apply_job *job = arg;
    job->result = index_apply(job->index, &job->update, &job->id);
}

/* log_entry: operations, heads and log entry in one durable transaction. */
static err log_entry(const struct batch *batch, struct unsettled *entry)
{
    struct gateway *gateway = batch->territory->gateway;
    struct buf segments;
    struct buf heads;
    buf_init(&segments, MIB(1));
    buf_init(&heads, MIB(1));
    unsettled_write_segments(&segments, entry);
    unsettled_write_heads(&heads, entry);
    struct index_pending pending = {.tx = entry->tx,
                                    .raw_tx = bytes_make(entry->raw, entry->raw_len),
                                    .submitted_ms = loop_wall_ms(gateway->loop),
                                    .segments = buf_bytes(&segments),
                                    .heads = buf_bytes(&heads)};
    struct apply_job job = {.index = gateway->index,
                            .update = {.records = batch->records,
                                       .record_count = batch->record_count,
                                       .pending = &pending}};
    err e = buf_done(&segments);
    if (is_ok(e)) {
        e = buf_done(&heads);
    }
    if (is_ok(e)) {
        worker_run(gateway->loop, apply_run, &job);
        e = job.result;
        entry->id = job.id;
    }
    buf_free(&segments);
    buf_free(&heads);
    return e;
}

static void lanes_logged(const struct batch *batch)
{
    for (size_t i = 0; i < batch->lane_count; i++) {
        struct lane *lane = batch->lanes[i];
        lane->state = LANE_LOGGED;
        list_remove(&lane->node);
        batch->territory->sealed_count--;
        event_wake_all(&lane->changed);
        lane_unref(lane);
    }
}

static err sign_and_log(struct batch *batch, bytes input, struct unsettled **ret_entry)
{
    struct gateway *gateway = batch->territory->gateway;
    struct ports *ports = &gateway->ports;
    u64 gas = min_u64(batch_gas(batch), COMMIT_GAS_MAX);
    TRY(ports->sign(ports->ctx, input, gas, &batch->arena, gateway_in(gateway, LEDGER_TIMEOUT_MS),
                    &batch->raw, &batch->tx));
    struct unsettled *entry = make_entry(batch);
    err e = log_entry(batch, entry);
    if (!is_ok(e)) {
        ports->unsign(ports->ctx, entry->facts.nonce);
        unsettled_unref(entry);
        return e;
    }
    lanes_logged(batch);
    entry->holds = true;
    unsettled_ref(entry); /* the caller's */
    gateway->settle.unfinal++;
    gateway->settle.unfinal_bytes += entry->bytes;
    batch->territory->unfinal++;
    if (gateway->metric_commits != NULL) {
        *gateway->metric_commits += 1;
    }
    settle_submit(gateway, entry);
    settle_add(&gateway->settle, entry);
    *ret_entry = entry;
    return ok();
}

/* batch_commit: nonces are taken and logged one after the other; the ledger takes the transactions
 * in any order. */
static err batch_commit(struct batch *batch, struct unsettled **ret_entry)
{
    struct gateway *gateway = batch->territory->gateway;
    struct buf input;
    buf_init(&input, CHAIN_RAW_TX_BYTES_MAX);
    commit_calldata(&input, batch->territory->id, buf_bytes(&batch->segments), batch->heads,
                    batch->head_count);
    err e = buf_done(&input);
    if (is_ok(e)) {
        e = gate_enter(gateway->loop, &gateway->signing, 1, gateway_in(gateway, LEDGER_TIMEOUT_MS));
    }
    if (is_ok(e)) {
        e = sign_and_log(batch, buf_bytes(&input), ret_entry);
        gate_leave(&gateway->signing, 1);
    }
    buf_free(&input);
    return e;
}

/* ---- copies and answers ---- */

struct answer {
    struct gateway *gateway;
    struct territory *territory;
    struct list requests;
    struct unsettled *entry;
    u32 providers[COMMIT_SEGMENTS_MAX * 2];
    size_t provider_count;
};

/* wait_final: until the ledger shows the commit and nothing of it was refused. */
static err wait_final(struct answer *answer)
{
    struct unsettled *entry = answer->entry;
    while (!entry->facts.is_final || entry->facts.refused) {
        if (answer->gateway->closing) {
            return fail(ERR_CANCELLED);
        }
        TRY(event_wait(answer->gateway->loop, &entry->changed,
                       gateway_in(answer->gateway, IDLE_CHECK_MS * 5)));
    }
    return ok();
}

static bool head_is_lost(const struct unsettled *entry, const struct hash *bucket)
{
    for (size_t i = 0; i < entry->head_count; i++) {
        if (hash_eq(&entry->heads[i].move.bucket, bucket)) {
            return entry->heads[i].lost;
        }
    }
    return false;
}

static void answer_all(struct answer *answer, bool final)
{
    list_for_safe (it, &answer->requests) {
        struct commit_request *request = list_entry(it, struct commit_request, node);
        if (final || !request->wait_final) {
            bool lost = final && head_is_lost(answer->entry, &request->bucket);
            commit_answer(request, lost ? SERVICE_CONFLICT : SERVICE_OK, ok());
        }
    }
}

/* A wait that times out is tried again: the commit is in the log and will get there. */
static err settle_answer(struct answer *answer)
{
    err e;
    do {
        e = wait_final(answer);
    } while (is_err(e, ERR_TIMEOUT));
    return e;
}

static void answer_run(void *arg)
{
    struct answer *answer = arg;
    size_t copies =
        copies_spread(answer->gateway, answer->entry, answer->providers, answer->provider_count);
    if (copies >= COMMIT_COPIES) {
        answer_all(answer, false);
    }
    if (!list_empty(&answer->requests)) {
        err e = settle_answer(answer);
        if (is_ok(e)) {
            answer_all(answer, true);
        }
        list_for_safe (it, &answer->requests) {
            commit_answer(list_entry(it, struct commit_request, node), SERVICE_UNAVAILABLE, e);
        }
    }
    unsettled_unref(answer->entry);
    mem_free(answer);
}

static void fail_requests(struct window *window, err fault)
{
    enum service_verdict verdict = is_err(fault, ERR_NO_SPACE)  ? SERVICE_NO_SPACE
                                   : is_err(fault, ERR_REFUSED) ? SERVICE_NO_PROVIDERS
                                                                : SERVICE_UNAVAILABLE;
    list_for_safe (it, &window->requests) {
        commit_answer(list_entry(it, struct commit_request, node), verdict, ok());
    }
}

/* note_providers: holders of the batch's segments, the last segment's (with the journal) first. */
static void note_providers(struct answer *answer, const struct batch *batch)
{
    const struct segment_entry *entry =
        batch->lane_count > 0 ? &batch->lanes[batch->lane_count - 1]->entry : NULL;
    for (u8 i = 0; entry != NULL && i < entry->receipt_count; i++) {
        answer->providers[answer->provider_count++] = entry->receipts[i].provider;
    }
}

static void start_answer(struct answer *answer, struct window *window, struct unsettled *entry)
{
    struct gateway *gateway = answer->gateway;
    answer->entry = entry;
    list_init(&answer->requests);
    list_for_safe (it, &window->requests) {
        list_remove(it);
        list_push_back(&answer->requests, it);
    }
    if (!is_ok(group_start(gateway->loop, &gateway->fibers, "answer", answer_run, answer))) {
        list_for_safe (it, &answer->requests) {
            commit_answer(list_entry(it, struct commit_request, node), SERVICE_UNAVAILABLE,
                          fail(ERR_LIMIT));
        }
        unsettled_unref(entry);
        mem_free(answer);
    }
}

/* ---- the window ---- */

static err seal_lanes(struct window *window)
{
    struct gateway *gateway = window->territory->gateway;
    struct lane *shared = window->territory->shared;
    for (size_t i = 0; shared != NULL && i < window->lane_count; i++) {
        if (window->lanes[i] == shared) {
            lane_unref(packer_detach(window->territory)); /* the window has its own reference */
            break;
        }
    }
    err first_fault = ok();
    for (size_t i = 0; i < window->lane_count; i++) {
        struct lane *lane = window->lanes[i];
        /* All of them, whatever becomes of one: uploads of later windows have bytes in them, too.
         */
        err e = lane->length > 0 ? lane_seal(lane, gateway_in(gateway, SEAL_ATTEMPT_MS)) : ok();
        first_fault = is_ok(first_fault) ? e : first_fault;
    }
    return first_fault;
}

/* next_batch: sealed lanes, oldest first, as many as fit beside `head_count` heads. */
static void fill_batch(struct batch *batch, size_t head_count)
{
    list_for (it, &batch->territory->sealed) {
        if (!batch_add(batch, list_entry(it, struct lane, node), head_count * 128)) {
            break;
        }
    }
}

/* commit_surplus: segments that do not fit beside the heads go before them, in commits without. */
static err commit_surplus(struct territory *territory, size_t head_count)
{
    for (;;) {
        struct batch *batch = batch_new(territory);
        struct unsettled *entry;
        fill_batch(batch, head_count);
        if (batch->lane_count == territory->sealed_count) {
            batch_free(batch);
            return ok();
        }
        err e = batch_commit(batch, &entry);
        batch_free(batch);
        TRY(e);
        unsettled_unref(entry);
    }
}

/* apply_locally: an empty bucket is cleared, or a change without operations: nothing to tell the
 * ledger. */
static err apply_locally(const struct batch *batch)
{
    struct gateway *gateway = batch->territory->gateway;
    struct apply_job job = {
        .index = gateway->index,
        .update = {.records = batch->records, .record_count = batch->record_count}};
    worker_run(gateway->loop, apply_run, &job);
    return job.result;
}

static err commit_window(struct window *window)
{
    struct territory *territory = window->territory;
    struct batch *batch = batch_new(territory);
    struct answer *answer = MEM_NEW(struct answer);
    struct unsettled *entry;
    answer->gateway = territory->gateway;
    answer->territory = territory;
    batch->head_count = window_heads(window, batch->heads);
    batch->records = window->records;
    batch->record_count = window->record_count;
    bool local_only = batch->head_count == 0 && territory->sealed_count == 0;
    err e = local_only ? apply_locally(batch) : commit_surplus(territory, batch->head_count);
    if (is_ok(e) && !local_only) {
        fill_batch(batch, batch->head_count);
        note_providers(answer, batch);
        e = batch_commit(batch, &entry);
    }
    batch_free(batch);
    if (is_ok(e) && local_only) {
        mem_free(answer);
        list_for_safe (it, &window->requests) {
            commit_answer(list_entry(it, struct commit_request, node), SERVICE_OK, ok());
        }
        return ok();
    }
    if (!is_ok(e)) {
        mem_free(answer);
        return e;
    }
    start_answer(answer, window, entry);
    return ok();
}

static void consider_snapshots(struct window *window)
{
    for (size_t i = 0; i < window->bucket_count; i++) {
        struct index_bucket grown = window->buckets[i].it;
        grown.records_since_snapshot++;
        grown.journal_bytes_since_snapshot += window->buckets[i].ops.len;
        if (!window->buckets[i].drop && window->buckets[i].snapshot.len == 0) {
            snapshot_consider(window->territory->gateway, &grown);
        }
    }
}

/* run_window: *ret_idle: there was nothing that could be committed yet. */
static err run_window(struct territory *territory, bool *ret_idle)
{
    struct window window;
    TRY(window_open(territory, &window));
    window_take_all(&window);
    territory->expected = window.request_count;
    territory->arrived = 0;
    *ret_idle = window.request_count == 0 && territory->sealed_count == 0;
    err e = ok();
    u64 begin_ms = loop_now_ms(territory->gateway->loop);
    if (window.request_count > 0) {
        e = window_write_records(&window, gateway_in(territory->gateway, LANE_TIMEOUT_MS));
    }
    u64 written_ms = loop_now_ms(territory->gateway->loop);
    if (is_ok(e)) {
        e = seal_lanes(&window);
    }
    u64 sealed_ms = loop_now_ms(territory->gateway->loop);
    if (is_ok(e) && (window.request_count > 0 || territory->sealed_count > 0)) {
        e = commit_window(&window);
    }
    if (!is_ok(e)) {
        log_warn("gateway", "a commit of territory %llu failed: %s",
                 (unsigned long long)territory->id, err_text(e));
        fail_requests(&window, e);
    } else {
        log_debug("gateway", "window: %zu requests, records %llu ms, seal %llu ms, log %llu ms",
                  window.request_count, (unsigned long long)(written_ms - begin_ms),
                  (unsigned long long)(sealed_ms - written_ms),
                  (unsigned long long)(loop_now_ms(territory->gateway->loop) - sealed_ms));
        consider_snapshots(&window);
    }
    window_close(&window);
    return e;
}

/* ---- when ---- */

/* A shared lane that nobody commits (its upload was given up) must not outlive its ticket. */
static void check_shared(struct territory *territory)
{
    struct lane *lane = territory->shared;
    if (lane == NULL || lane->writing.available == 0 || /* who writes looks, too */
        !is_ok(gate_enter(territory->gateway->loop, &lane->writing, 1, DEADLINE_NONE))) {
        return;
    }
    lane_ref(lane); /* lane_passed() may ask the ledger */
    if (lane_passed(lane) && territory->shared == lane) {
        packer_detach(territory);
        if (lane->length > 0) {
            lane_seal_later(lane);
        }
        lane_unref(lane);
    }
    gate_leave(&lane->writing, 1);
    lane_unref(lane);
}

/* pace_ms: from one commit to the next: nothing while the ledger keeps up, more and more while it
 * lags behind, since its pool takes only so many of one account and a block only so many at all. */
static u64 pace_ms(const struct gateway *gateway)
{
    u64 unfinal = gateway->settle.unfinal;
    if (unfinal < UNFINAL_MANY) {
        u64 over = unfinal - min_u64(unfinal, UNFINAL_FEW);
        return gateway->window_min_ms * over / (UNFINAL_MANY - UNFINAL_FEW);
    }
    u64 doublings = min_u64((unfinal - UNFINAL_MANY) / UNFINAL_DOUBLING, 16);
    return min_u64(gateway->window_min_ms << doublings, gateway->window_max_ms);
}

/* gather_ms: until when requests are let in. Clients that were answered come again at once, so as
 * many are expected as were in the last window and came while it was under way: when they are
 * there, only a moment more for stragglers; a while if they are not; never longer than the window.
 * A client that is alone never waits for others, and sixteen that write one object after the other
 * share every commit, also after something had them fall out of step. */
static u64 gather_ms(const struct territory *territory)
{
    bool all_there = territory->arrived >= territory->expected;
    u64 first_ms = max_u64(territory->first_request_ms, territory->free_ms);
    u64 last_ms = max_u64(territory->last_request_ms, territory->free_ms);
    u64 quiet_ms = all_there ? territory->last_request_ms + LINGER_MS : last_ms + QUIET_MS;
    return min_u64(quiet_ms, first_ms + territory->gateway->window_min_ms);
}

/* due_ms: when the next window is to be closed; UINT64_MAX: nothing is waiting. */
static u64 due_ms(const struct territory *territory)
{
    if (!territory->gateway->ready) {
        return UINT64_MAX;
    }
    u64 due = UINT64_MAX;
    if (!list_empty(&territory->requests)) {
        due =
            max_u64(gather_ms(territory), territory->last_commit_ms + pace_ms(territory->gateway));
    }
    if (territory->sealed_count >= HEADLESS_SEGMENTS) {
        due = 0;
    } else if (territory->sealed_count > 0) {
        const struct lane *oldest = list_entry(territory->sealed.next, struct lane, node);
        due = min_u64(due, oldest->sealed_ms + HEADLESS_AFTER_MS);
    }
    return due;
}

/* rest: after a window that changed nothing, until something did. */
static void rest(struct territory *territory, u64 ms)
{
    IGNORE(event_wait(territory->gateway->loop, &territory->work,
                      gateway_in(territory->gateway, ms))); /* the loop looks at everything again */
}

void committer_run(void *arg)
{
    struct territory *territory = arg;
    struct gateway *gateway = territory->gateway;
    while (!gateway->closing && !loop_stopping(gateway->loop)) {
        u64 now = loop_now_ms(gateway->loop);
        u64 due = due_ms(territory);
        if (due > now) {
            check_shared(territory);
            rest(territory, min_u64(due - now, IDLE_CHECK_MS));
            continue;
        }
        bool idle = false;
        territory->last_commit_ms = now;
        err e = run_window(territory, &idle);
        territory->expected += territory->arrived;
        territory->free_ms = loop_now_ms(gateway->loop);
        if (!is_ok(e) || idle) {
            rest(territory, RETRY_MS);
        }
    }
    list_for_safe (it, &territory->requests) {
        commit_answer(list_entry(it, struct commit_request, node), SERVICE_UNAVAILABLE,
                      fail(ERR_CANCELLED));
    }
}

err change_commit(struct gateway *gateway, const struct change *change, u64 deadline_ms,
                  enum service_verdict *ret_verdict)
{
    struct territory *territory = territory_get(gateway, change->bucket->territory);
    if (territory == NULL || (territory->scope & SCOPE_WRITE) == 0) {
        *ret_verdict = SERVICE_ACCESS_DENIED;
        return ok();
    }
    if (gateway->closing || !territory->usable) {
        *ret_verdict = SERVICE_UNAVAILABLE;
        return ok();
    }
    if (settle_overloaded(&gateway->settle, loop_now_ms(gateway->loop), gateway->spool_bytes_max)) {
        *ret_verdict = SERVICE_SLOW_DOWN;
        return ok();
    }
    struct commit_request *request = commit_request_new();
    request->change = change;
    request->bucket = change->bucket->id;
    const u64 final_policies = BUCKET_STRONG | BUCKET_FINALITY_CHAIN;
    request->wait_final = change->wait_final || (change->bucket->policy & final_policies) != 0;
    return commit_run(territory, request, deadline_ms, ret_verdict);
}

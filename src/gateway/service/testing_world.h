/* testing_world.h: the object service over a ledger and a network that are a few arrays.
 *
 * Segments are "sent" into memory, transactions are real ones (signed, with nonces) that the fake
 * ledger decodes and carries out like module 7: registers segments, moves heads by compare-and-set,
 * writes the same logs. Faults are fields of the world. One world is one life of a gateway process;
 * world_restart() begins the next on the same disk.
 */
#ifndef GATEWAY_SERVICE_TESTING_WORLD_H
#define GATEWAY_SERVICE_TESTING_WORLD_H

#include "base/assert.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "gateway/service/window.h"
#include "ledger/exec/native.h"
#include "ledger/exec/tx.h"
#include "os/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define WORLD_SEGMENTS_MAX 512
#define WORLD_HEADS_MAX 16
#define WORLD_TXS_MAX 512
#define WORLD_TERRITORY 7
#define WORLD_CHAIN 99

struct world;

struct segment_put {
    struct world *world;
    struct segment_key key;
    enum redundancy class_number;
    struct buf content;
};

struct world_segment {
    struct segment_key key;
    struct segment_record record;
    struct segment_seal seal;
    u8 *content;
};

struct world_tx {
    struct hash hash;
    struct chain_receipt receipt;
    struct chain_log logs[8];
    bool visible;
};

struct world {
    struct loop *loop;
    char dir[64];
    struct gateway *gateway;
    struct index_bucket bucket;
    struct index_bucket second;
    /* What is sealed, by whoever holds it, and what the ledger knows. */
    struct world_segment sealed[WORLD_SEGMENTS_MAX];
    size_t sealed_count;
    struct hash head_buckets[WORLD_HEADS_MAX];
    struct hash heads[WORLD_HEADS_MAX];
    size_t head_count;
    struct world_tx txs[WORLD_TXS_MAX];
    size_t tx_count;
    struct arena logs;
    u64 nonce;      /* carried out */
    u64 next_nonce; /* signed */
    u64 height;
    u64 opened;
    u64 given_back;
    struct secp_secret secret;
    /* Faults. */
    int open_faults; /* the next n fail */
    int write_faults;
    int seal_faults;
    int sign_faults;
    int lose_submits;    /* the next n transactions get lost on the way */
    int refuse_segments; /* the next n entries are refused */
    int missing_holders; /* receipts that are not there at the seal */
    bool hold_receipts;  /* nothing becomes final */
    bool no_copies;
    bool buckets_gone;
    bool slow_opens;
    bool passed; /* tickets */
    u64 reissued;
    u64 placed;
    u64 completions;
    u64 fills;
    bool held[4096]; /* nonces */
    struct hash last_copied;
};

static inline const struct redundancy_info *world_class(void) { return redundancy_find(RS_2_4); }

static inline bool world_fault(int *faults)
{
    if (*faults == 0) {
        return false;
    }
    --*faults;
    return true;
}

static inline struct world_segment *world_find(struct world *w, const struct segment_key *key)
{
    for (size_t i = 0; i < w->sealed_count; i++) {
        if (w->sealed[i].key.number == key->number) {
            return &w->sealed[i];
        }
    }
    return NULL;
}

/* ---- segments ---- */

static inline err world_lane_open(void *ctx, const struct segment_key *key,
                                  enum redundancy class_number, u64 deadline_ms,
                                  struct segment_put **ret_put)
{
    struct world *w = ctx;
    (void)deadline_ms;
    if (w->slow_opens) { /* others go on meanwhile */
        TRY(fiber_sleep(w->loop, loop_now_ms(w->loop) + 1 + key->number % 7));
    }
    if (world_fault(&w->open_faults)) {
        return (err){ERR_REFUSED};
    }
    struct segment_put *put = MEM_NEW(struct segment_put);
    *put = (struct segment_put){.world = w, .key = *key, .class_number = class_number};
    buf_init(&put->content, SEGMENT_BYTES_MAX);
    w->opened++;
    *ret_put = put;
    return ok();
}

static inline err world_lane_write(struct segment_put *put, bytes in, u64 deadline_ms)
{
    (void)deadline_ms;
    if (world_fault(&put->world->write_faults)) {
        return (err){ERR_NETWORK};
    }
    buf_put(&put->content, in);
    fiber_yield(put->world->loop);
    return buf_done(&put->content);
}

static inline void world_receipts(struct segment_entry *entry, u8 from, u8 to)
{
    for (u8 i = from; i < to; i++) {
        entry->receipts[entry->receipt_count++] =
            (struct holder_receipt){.index = i, .provider = i + 1U, .deadline = 1};
    }
}

static inline err world_lane_seal(struct segment_put *put, u64 deadline_ms,
                                  struct segment_entry *ret_entry, struct segment_seal *ret_seal)
{
    struct world *w = put->world;
    u8 n = redundancy_n(world_class());
    (void)deadline_ms;
    fiber_yield(w->loop);
    if (world_fault(&w->seal_faults)) {
        return (err){ERR_NETWORK};
    }
    assert_true(w->sealed_count < WORLD_SEGMENTS_MAX && put->content.len > 0);
    assert_null(world_find(w, &put->key)); /* a number is sealed once */
    struct world_segment *segment = &w->sealed[w->sealed_count++];
    *segment = (struct world_segment){.key = put->key};
    segment->content = mem_alloc(put->content.len);
    memcpy(segment->content, put->content.data, put->content.len);
    segment->seal = (struct segment_seal){
        .key = put->key, .class_number = put->class_number, .length = (u32)put->content.len};
    for (u8 i = 0; i < n; i++) {
        sha256(&segment->seal.roots[i], buf_bytes(&put->content));
        segment->seal.roots[i].b[0] = i;
    }
    *ret_entry = (struct segment_entry){.number = put->key.number,
                                        .epoch = 1,
                                        .class_number = put->class_number,
                                        .length = segment->seal.length};
    memcpy(ret_entry->roots, segment->seal.roots, sizeof ret_entry->roots);
    world_receipts(ret_entry, 0, (u8)(n - w->missing_holders));
    *ret_seal = segment->seal;
    return ok();
}

static inline err world_lane_late(struct segment_put *put, u64 deadline_ms,
                                  struct segment_entry *ret_late)
{
    (void)put;
    (void)deadline_ms;
    *ret_late = (struct segment_entry){0};
    return ok();
}

static inline bool world_lane_passed(const struct segment_put *put) { return put->world->passed; }

static inline void world_lane_free(struct segment_put *put)
{
    buf_free(&put->content);
    mem_free(put);
}

static inline void world_lane_sealed(void *ctx, const struct segment_entry *entry,
                                     const struct segment_seal *seal)
{
    (void)ctx;
    (void)entry;
    (void)seal;
}

static inline void world_spool_done(void *ctx, const struct segment_key *key)
{
    (void)ctx;
    (void)key;
}

/* ---- the ledger ---- */

static inline struct hash *world_head(struct world *w, const struct hash *bucket)
{
    for (size_t i = 0; i < w->head_count; i++) {
        if (hash_eq(&w->head_buckets[i], bucket)) {
            return &w->heads[i];
        }
    }
    assert_true(w->head_count < WORLD_HEADS_MAX);
    w->head_buckets[w->head_count] = *bucket;
    return &w->heads[w->head_count++];
}

static inline void world_log(struct world *w, struct world_tx *tx, const char *signature,
                             const struct abi_value *values)
{
    struct abi_entry event;
    struct buf data;
    struct hash topics[ABI_TOPICS_MAX];
    assert_true(tx->receipt.log_count < COUNT_OF(tx->logs));
    struct chain_log *log = &tx->logs[tx->receipt.log_count++];
    assert_true(is_ok(abi_parse(&w->logs, signature, &event)));
    buf_init(&data, 4096);
    log->address = native_address(MODULE_SEGMENT);
    log->topic_count = (u8)abi_encode_event(topics, &data, &event, values);
    memcpy(log->topics, topics, sizeof log->topics);
    log->data = arena_copy(&w->logs, buf_bytes(&data));
    buf_free(&data);
}

static inline void world_register(struct world *w, struct world_tx *tx,
                                  const struct segment_entry *entry)
{
    struct segment_key key = {WORLD_TERRITORY, 1, entry->number};
    struct world_segment *segment = world_find(w, &key);
    u64 reason = segment == NULL                    ? SEGMENT_REASON_QUORUM
                 : segment->record.n != 0           ? SEGMENT_REASON_NUMBER
                 : world_fault(&w->refuse_segments) ? SEGMENT_REASON_TICKET
                                                    : SEGMENT_REASON_NONE;
    if (reason != SEGMENT_REASON_NONE) {
        struct abi_value values[] = {abi_u64(WORLD_TERRITORY), abi_u64(1), abi_u64(entry->number),
                                     abi_u64(reason), abi_u64(0)};
        world_log(w, tx, SEGMENT_EV_REFUSED, values);
        return;
    }
    segment->record = (struct segment_record){.class_number = entry->class_number,
                                              .n = redundancy_n(world_class()),
                                              .length = entry->length};
    segment_seal_id(&segment->seal, &segment->record.id);
    for (u8 i = 0; i < entry->receipt_count; i++) {
        segment->record.holders[entry->receipts[i].index].provider = entry->receipts[i].provider;
    }
}

static inline void world_move(struct world *w, struct world_tx *tx, const struct abi_value *item)
{
    struct hash bucket = abi_as_hash(&item->parts[0]);
    struct hash old_head = abi_as_hash(&item->parts[1]);
    struct hash new_head = abi_as_hash(&item->parts[2]);
    struct hash *head = world_head(w, &bucket);
    struct segment_key key = {WORLD_TERRITORY, 1, load_be64(item->parts[3].word + 4)};
    struct world_segment *segment = world_find(w, &key);
    bool locator_fits = hash_is_zero(&new_head) || (segment != NULL && segment->record.n != 0);
    if (hash_eq(head, &old_head) && locator_fits) {
        struct abi_value values[] = {item->parts[0], item->parts[1], item->parts[2]};
        *head = new_head;
        world_log(w, tx, SEGMENT_EV_HEAD_MOVED, values);
        return;
    }
    u64 reason = locator_fits ? SEGMENT_REASON_HEAD_CHANGED : SEGMENT_REASON_LOCATOR;
    struct abi_value values[] = {item->parts[0], item->parts[2], abi_hash(head), abi_u64(reason)};
    world_log(w, tx, SEGMENT_EV_HEAD_REFUSED, values);
}

static inline void world_execute(struct world *w, bytes input, struct world_tx *tx)
{
    struct arena arena;
    struct abi_entry call;
    struct abi_value args[3];
    struct reader reader;
    struct segment_entry *entry = MEM_NEW(struct segment_entry);
    arena_init(&arena, MIB(8));
    assert_true(is_ok(abi_parse(&arena, SEGMENT_COMMIT, &call)));
    assert_memory_equal(input.data, call.selector, 4);
    assert_true(is_ok(abi_decode(&arena, call.inputs, call.input_count,
                                 bytes_slice(input, 4, input.len - 4), args)));
    assert_int_equal(abi_as_u64(&args[0]), WORLD_TERRITORY);
    reader_init(&reader, args[1].data);
    while (reader.left > 0) {
        segment_entry_read(&reader, entry);
        assert_false(reader.failed);
        world_register(w, tx, entry);
    }
    for (size_t i = 0; i < args[2].part_count; i++) {
        world_move(w, tx, &args[2].parts[i]);
    }
    mem_free(entry);
    arena_free(&arena);
}

static inline err world_submit(void *ctx, bytes raw, u64 deadline_ms)
{
    struct world *w = ctx;
    struct arena arena;
    struct tx tx;
    (void)deadline_ms;
    arena_init(&arena, KIB(64));
    assert_int_equal(tx_decode(&arena, raw, &tx), TX_VALID);
    arena_free(&arena);
    if (world_fault(&w->lose_submits)) {
        return (err){ERR_NETWORK};
    }
    if (tx.nonce != w->nonce) {
        return (err){ERR_REFUSED}; /* known, or too early: submitted again later */
    }
    assert_true(w->tx_count < WORLD_TXS_MAX);
    struct world_tx *done = &w->txs[w->tx_count++];
    *done = (struct world_tx){.receipt = {.success = true}};
    tx_hash(&done->hash, raw);
    world_execute(w, tx.input, done);
    done->receipt.logs = done->logs;
    w->nonce++;
    w->height++;
    event_wake_all(&w->gateway->settle.wake);
    return ok();
}

static inline void world_hold(void *ctx, u64 nonce)
{
    struct world *w = ctx;
    assert_true(nonce < COUNT_OF(w->held));
    assert_false(w->held[nonce]);
    w->held[nonce] = true;
    w->next_nonce = max_u64(w->next_nonce, nonce + 1);
}

static inline void world_release(void *ctx, u64 nonce)
{
    struct world *w = ctx;
    assert_true(nonce < COUNT_OF(w->held) && w->held[nonce]);
    w->held[nonce] = false;
}

static inline void world_unsign(void *ctx, u64 nonce)
{
    struct world *w = ctx;
    world_release(w, nonce);
    w->next_nonce -= w->next_nonce == nonce + 1;
}

static inline size_t world_holds(const struct world *w)
{
    size_t count = 0;
    for (size_t i = 0; i < COUNT_OF(w->held); i++) {
        count += w->held[i];
    }
    return count;
}

/* Carried out at once. */
static inline err world_fill(void *ctx, u64 first, u64 end, u64 deadline_ms)
{
    struct world *w = ctx;
    (void)deadline_ms;
    for (u64 nonce = first; nonce < end; nonce++) {
        w->nonce += nonce == w->nonce && !w->held[nonce];
    }
    w->fills++;
    return ok();
}

static inline err world_sign(void *ctx, bytes input, u64 gas, struct arena *arena, u64 deadline_ms,
                             bytes *ret_raw, struct hash *ret_tx)
{
    struct world *w = ctx;
    struct buf raw;
    (void)deadline_ms;
    if (world_fault(&w->sign_faults)) {
        return (err){ERR_NETWORK};
    }
    struct tx tx = {.type = TX_DYNAMIC_FEE,
                    .has_chain_id = true,
                    .chain_id = WORLD_CHAIN,
                    .nonce = w->next_nonce,
                    .gas_limit = gas,
                    .to = native_address(MODULE_SEGMENT),
                    .input = input};
    tx_sign(&tx, &w->secret);
    buf_init(&raw, CHAIN_RAW_TX_BYTES_MAX);
    tx_encode(&raw, &tx);
    assert_true(is_ok(buf_done(&raw)));
    *ret_raw = arena_copy(arena, buf_bytes(&raw));
    tx_hash(ret_tx, *ret_raw);
    buf_free(&raw);
    world_hold(w, tx.nonce);
    return ok();
}

static inline size_t world_copies(void *ctx, bytes raw, const u32 *providers, size_t count,
                                  u64 deadline_ms)
{
    struct world *w = ctx;
    (void)providers;
    (void)deadline_ms;
    tx_hash(&w->last_copied, raw);
    return w->no_copies ? 0 : min_size(count, COMMIT_COPIES);
}

static inline err world_receipt(void *ctx, const struct hash *tx, struct arena *arena,
                                u64 deadline_ms, struct chain_receipt *ret_receipt)
{
    struct world *w = ctx;
    (void)arena;
    (void)deadline_ms;
    for (size_t i = 0; !w->hold_receipts && i < w->tx_count; i++) {
        if (hash_eq(&w->txs[i].hash, tx)) {
            *ret_receipt = w->txs[i].receipt;
            return ok();
        }
    }
    return (err){ERR_NOT_FOUND};
}

static inline u64 world_height(void *ctx)
{
    struct world *w = ctx;
    return ++w->height; /* every look is at a new block */
}

static inline err world_nonce(void *ctx, u64 deadline_ms, u64 *ret_nonce)
{
    struct world *w = ctx;
    (void)deadline_ms;
    *ret_nonce = w->nonce;
    return ok();
}

static inline err world_ticket_next(void *ctx, u64 territory, u64 deadline_ms, u64 *ret_next)
{
    (void)ctx;
    (void)territory;
    (void)deadline_ms;
    *ret_next = 0;
    return ok();
}

static inline err world_segment(void *ctx, const struct segment_key *key, u64 deadline_ms,
                                struct segment_record *ret_record, bool *ret_found)
{
    struct world *w = ctx;
    struct world_segment *segment = world_find(w, key);
    (void)deadline_ms;
    *ret_found = segment != NULL && segment->record.n != 0;
    if (*ret_found) {
        *ret_record = segment->record;
    }
    return ok();
}

static inline err world_head_of(void *ctx, const struct hash *bucket, u64 deadline_ms,
                                struct hash *ret_head, bool *ret_found)
{
    struct world *w = ctx;
    (void)deadline_ms;
    *ret_head = *world_head(w, bucket);
    *ret_found = !w->buckets_gone;
    return ok();
}

static inline err world_reissue(void *ctx, const struct segment_seal *seal, u64 deadline_ms,
                                struct segment_entry *entry)
{
    struct world *w = ctx;
    (void)deadline_ms;
    assert_int_equal(entry->number, seal->key.number);
    assert_true(entry->receipt_count >= redundancy_quorum(world_class()));
    entry->epoch++;
    w->reissued++;
    return ok();
}

static inline err world_place(void *ctx, const struct segment_seal *seal,
                              const struct segment_record *record, u64 deadline_ms,
                              struct segment_entry *ret_late)
{
    struct world *w = ctx;
    (void)deadline_ms;
    *ret_late = (struct segment_entry){.number = seal->key.number,
                                       .epoch = 1,
                                       .class_number = seal->class_number,
                                       .length = seal->length};
    memcpy(ret_late->roots, seal->roots, sizeof ret_late->roots);
    for (u8 i = 0; i < record->n; i++) {
        if (record->holders[i].provider == 0) {
            world_receipts(ret_late, i, (u8)(i + 1));
        }
    }
    w->placed++;
    return ok();
}

/* A complete() call: every receipt is taken. */
static inline err world_call(void *ctx, bytes input, u64 deadline_ms)
{
    struct world *w = ctx;
    struct arena arena;
    struct abi_entry call;
    struct abi_value args[2];
    struct reader reader;
    struct segment_entry *entry = MEM_NEW(struct segment_entry);
    (void)deadline_ms;
    arena_init(&arena, MIB(8));
    assert_true(is_ok(abi_parse(&arena, SEGMENT_COMPLETE_CALL, &call)));
    assert_memory_equal(input.data, call.selector, 4);
    assert_true(is_ok(abi_decode(&arena, call.inputs, call.input_count,
                                 bytes_slice(input, 4, input.len - 4), args)));
    reader_init(&reader, args[1].data);
    while (reader.left > 0) {
        segment_entry_read(&reader, entry);
        assert_false(reader.failed);
        struct segment_key key = {WORLD_TERRITORY, 1, entry->number};
        struct world_segment *segment = world_find(w, &key);
        assert_true(segment != NULL && segment->record.n != 0);
        for (u8 i = 0; i < entry->receipt_count; i++) {
            segment->record.holders[entry->receipts[i].index].provider =
                entry->receipts[i].provider;
        }
    }
    w->completions++;
    mem_free(entry);
    arena_free(&arena);
    return ok();
}

static inline struct ports world_ports(struct world *w)
{
    return (struct ports){
        .ctx = w,
        .lane_open = world_lane_open,
        .lane_write = world_lane_write,
        .lane_seal = world_lane_seal,
        .lane_late = world_lane_late,
        .lane_passed = world_lane_passed,
        .lane_free = world_lane_free,
        .lane_sealed = world_lane_sealed,
        .ticket_next = world_ticket_next,
        .sign = world_sign,
        .unsign = world_unsign,
        .hold = world_hold,
        .release = world_release,
        .fill = world_fill,
        .submit = world_submit,
        .copies = world_copies,
        .receipt = world_receipt,
        .height = world_height,
        .nonce = world_nonce,
        .segment = world_segment,
        .head = world_head_of,
        .reissue = world_reissue,
        .place = world_place,
        .call = world_call,
        .spool_done = world_spool_done,
    };
}

/* ---- lives ---- */

static inline struct index_bucket world_bucket(u8 tag, const char *name)
{
    struct index_bucket bucket = {.territory = WORLD_TERRITORY, .label_version = 1};
    memset(bucket.id.b, tag, sizeof bucket.id.b);
    memcpy(bucket.name, name, strlen(name));
    return bucket;
}

/* world_begin: a gateway on the folder; whatever its log has is replayed. */
static inline void world_begin(struct world *w)
{
    char path[PATH_BYTES_MAX];
    struct gateway *gateway = MEM_NEW(struct gateway);
    gateway_init(gateway, w->loop);
    gateway->ports = world_ports(w);
    gateway->number = 1;
    gateway->spool_bytes_max = GIB(1);
    gateway->window_min_ms = 1;
    gateway->window_max_ms = 20;
    gateway->snapshot_cost_min = MIB(8);
    gate_init(&gateway->buffers, MIB(32));
    gate_init(&gateway->lane_memory, MIB(32));
    memcpy(gateway->spool_dir, w->dir, sizeof w->dir);
    w->gateway = gateway;
    path_join(path, w->dir, "index");
    assert_true(is_ok(index_store_open(path, MIB(256), NULL, &gateway->index)));
    struct territory *territory = territory_new(gateway, WORLD_TERRITORY);
    territory->class_number = RS_2_4;
    territory->usable = true;
    territory->scope = SCOPE_ALL;
    territory->room_bytes = GIB(100);
    memset(territory->key.b, 3, sizeof territory->key.b);
    struct index_update first = {.put_bucket = &w->bucket};
    struct index_update second = {.put_bucket = &w->second};
    assert_true(is_ok(index_apply(gateway->index, &first, NULL)));
    assert_true(is_ok(index_apply(gateway->index, &second, NULL)));
    assert_true(is_ok(settle_replay(gateway)));
    gateway->ready = true;
    assert_true(is_ok(group_start(w->loop, &gateway->fibers, "settle", settle_run, gateway)));
    assert_true(
        is_ok(group_start(w->loop, &gateway->fibers, "committer", committer_run, territory)));
}

static inline void world_end(struct world *w)
{
    struct gateway *gateway = w->gateway;
    struct territory *territory = territory_get(gateway, WORLD_TERRITORY);
    gateway->closing = true;
    event_wake_all(&gateway->stop);
    event_wake_all(&territory->work);
    event_wake_all(&gateway->settle.wake);
    list_for (it, &gateway->settle.entries) {
        event_wake_all(&list_entry(it, struct unsettled, node)->changed);
    }
    group_wait(w->loop, &gateway->fibers);
    settle_free(gateway);
    territories_free(gateway);
    assert_int_equal(gateway->lane_memory.available, gateway->lane_memory.total);
    index_store_close(gateway->index);
    map_free(&gateway->gone);
    map_free(&gateway->creating);
    map_free(&gateway->snapshotting);
    mem_free(gateway);
    w->gateway = NULL;
}

static inline void world_restart(struct world *w)
{
    world_end(w);
    w->next_nonce = w->nonce;
    memset(w->held, 0, sizeof w->held);
    world_begin(w);
}

static inline struct world *world_new(struct loop *loop)
{
    struct world *w = MEM_NEW(struct world);
    w->loop = loop;
    snprintf(w->dir, sizeof w->dir, "/tmp/cairn-service-test-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    arena_init(&w->logs, MIB(64));
    memset(w->secret.b, 5, sizeof w->secret.b);
    w->bucket = world_bucket(0x11, "photos");
    w->second = world_bucket(0x22, "second");
    world_begin(w);
    return w;
}

static inline void world_free(struct world *w)
{
    world_end(w);
    for (size_t i = 0; i < w->sealed_count; i++) {
        mem_free(w->sealed[i].content);
    }
    arena_free(&w->logs);
    assert_true(is_ok(dir_remove_all(w->dir)));
    mem_free(w);
}

static inline u64 world_in(const struct world *w, u64 ms) { return loop_now_ms(w->loop) + ms; }

/* world_settle: until nothing is in the log any more. */
static inline void world_settle(struct world *w)
{
    u64 end = world_in(w, 20000);
    while (w->gateway->settle.count > 0 && loop_now_ms(w->loop) < end) {
        event_wake_all(&w->gateway->settle.wake);
        assert_true(is_ok(fiber_sleep(w->loop, world_in(w, 5))));
    }
    assert_int_equal(w->gateway->settle.count, 0);
    assert_int_equal(world_holds(w), 0);
}

#endif

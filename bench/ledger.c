/* ledger.c: transfers through pool, block, state root and disk, on one seat.
 *
 * The stages are a node's own: the form and the signature of each transaction are checked on worker
 * threads, whatever the ledger is doing; blocks are prepared, logged, executed and committed one
 * after the other, durably. Transfers go from random accounts to random accounts. Block time is
 * counted, not waited for, and the block's gas limit is that of a full block; both are printed.
 *
 * The limit is what one thread needs for the recovery of the signatures alone, measured in the same
 * run; the pipeline may use all cores.
 */
#include "base/buf.h"
#include "base/mem.h"
#include "bench/bench.h"
#include "crypto/hash.h"
#include "ledger/app/app.h"
#include "ledger/modules/modules.h"
#include "ledger/node/wal.h"
#include "os/file.h"
#include "os/loop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHAIN_ID 7200
#define GENESIS_TIME 1767225600
#define GAS_PRICE 2000000000u
#define TRANSFER_GAS 21000u
#define TX_RAW_BYTES_MAX 160
#define BATCH 256u       /* transactions checked in one go on a worker */
#define AHEAD_MAX 24000u /* transactions that no block holds yet: the pool must take them */
#define BLOCK_TRANSFERS 10000u
#define TRANSFERS 100000u
#define PLAIN_TRANSFERS 20000u /* in blocks whose commit does not wait for the disk */
#define RECOVERIES 4000u
#define WORKERS_MAX 64

/* Seconds, all of a stage's calls together. */
struct stage_times {
    double check; /* on workers */
    double admit;
    double prepare;
    double log;
    double finalize;
    double commit;
};

struct ledger_bench {
    struct bench *bench;
    struct loop *loop;
    struct app *app;
    struct wal *wal;
    char dir[64];
    struct secp_secret seat;
    struct address seat_address;
    struct secp_secret *secrets; /* of all accounts */
    struct address *addresses;
    size_t account_count;
    u8 *raws; /* TX_RAW_BYTES_MAX each */
    u8 *raw_lens;
    u32 *senders;
    u32 *nonces; /* of the transactions */
    size_t tx_count;
    size_t checked; /* taken by a worker */
    size_t admitted;
    size_t executed;
    size_t until; /* transactions of this pass end here */
    size_t timed; /* transactions in `times` */
    size_t blocks;
    unsigned workers;
    struct event turn; /* one of the figures above has changed, or the application is free */
    bool app_busy;     /* a worker has the application */
    struct stage_times times;
    double plain_commit; /* seconds a transfer without fsync */
    struct arena block;
    struct decided decided;
    bool failed;
};

static bool fine(struct ledger_bench *b, err e, const char *what)
{
    if (!is_ok(e)) {
        fprintf(stderr, "cairn-bench ledger: %s: %s\n", what, err_text(e));
        b->failed = true;
    }
    return !b->failed;
}

/* --- accounts and transactions --- */

/* A range of an array's indexes, for one worker. */
struct share {
    struct ledger_bench *b;
    void (*one)(struct ledger_bench *b, size_t i);
    size_t begin;
    size_t end;
};

static void run_share(void *arg)
{
    struct share *share = arg;
    for (size_t i = share->begin; i < share->end; i++) {
        share->one(share->b, i);
    }
}

static void share_fiber(void *arg)
{
    struct share *share = arg;
    worker_run(share->b->loop, run_share, share);
}

/* one(b, i) for every i below count, on all workers. */
static void on_all_cores(struct ledger_bench *b, void (*one)(struct ledger_bench *b, size_t i),
                         size_t count)
{
    struct share shares[WORKERS_MAX];
    struct group group;
    group_init(&group);
    for (unsigned i = 0; i < b->workers; i++) {
        shares[i] = (struct share){.b = b,
                                   .one = one,
                                   .begin = count * i / b->workers,
                                   .end = count * (i + 1) / b->workers};
        fine(b, group_start(b->loop, &group, "share", share_fiber, &shares[i]), "workers");
    }
    group_wait(b->loop, &group);
}

static void make_account(struct ledger_bench *b, size_t i)
{
    u8 secret[32] = {0};
    store_be64(secret + 24, i + 2);
    if (secp_secret_from(&b->secrets[i], secret)) {
        secp_address_of_secret(&b->addresses[i], &b->secrets[i]);
    }
}

/* The i-th number of a fixed sequence (splitmix64). */
static u64 random_at(u64 i)
{
    u64 x = (i + 1) * 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static void choose_senders(struct ledger_bench *b)
{
    u32 *next = mem_alloc_array(b->account_count, sizeof *next);
    memset(next, 0, b->account_count * sizeof *next);
    for (size_t i = 0; i < b->tx_count; i++) {
        b->senders[i] = (u32)(random_at(2 * i) % b->account_count);
        b->nonces[i] = next[b->senders[i]]++;
    }
    mem_free(next);
}

static void make_transfer(struct ledger_bench *b, size_t i)
{
    struct tx tx = {.type = TX_DYNAMIC_FEE,
                    .has_chain_id = true,
                    .chain_id = CHAIN_ID,
                    .nonce = b->nonces[i],
                    .max_fee = u256_from_u64(GAS_PRICE),
                    .max_priority = u256_from_u64(1),
                    .gas_limit = TRANSFER_GAS,
                    .to = b->addresses[random_at(2 * i + 1) % b->account_count],
                    .value = u256_from_u64(1000 + i)};
    struct buf raw;
    buf_init(&raw, TX_RAW_BYTES_MAX);
    tx_sign(&tx, &b->secrets[b->senders[i]]);
    tx_encode(&raw, &tx);
    bytes encoded = buf_bytes(&raw);
    memcpy(b->raws + i * TX_RAW_BYTES_MAX, encoded.data, encoded.len);
    b->raw_lens[i] = (u8)encoded.len;
    buf_free(&raw);
}

static bytes raw_at(const struct ledger_bench *b, size_t i)
{
    return bytes_make(b->raws + i * TX_RAW_BYTES_MAX, b->raw_lens[i]);
}

/* --- the ledger --- */

static void put_hex_address(struct buf *text, const struct address *address)
{
    char hex[2 * sizeof *address + 1];
    hex_encode(hex, sizeof hex, BYTES_OF(*address));
    buf_put(text, bytes_str("\"0x"));
    buf_put(text, bytes_str(hex));
    buf_put(text, bytes_str("\""));
}

static void put_genesis(struct ledger_bench *b, struct buf *text)
{
    char head[256];
    snprintf(head, sizeof head,
             "{\"version\":1,\"chain_id\":%d,\"time\":%d,\"gas_limit\":%u,\"seats\":[", CHAIN_ID,
             GENESIS_TIME, BLOCK_TRANSFERS * TRANSFER_GAS);
    buf_put(text, bytes_str(head));
    put_hex_address(text, &b->seat_address);
    buf_put(text, bytes_str("],\"alloc\":{"));
    for (size_t i = 0; i < b->account_count; i++) {
        buf_put(text, bytes_str(i > 0 ? "," : ""));
        put_hex_address(text, &b->addresses[i]);
        buf_put(text, bytes_str(":{\"balance\":\"1000000000000000000\"}"));
    }
    buf_put(text, bytes_str("}}"));
}

static bool open_ledger(struct ledger_bench *b, bool no_sync)
{
    struct buf genesis;
    char path[96];
    char log[96];
    snprintf(path, sizeof path, "%s/state", b->dir);
    snprintf(log, sizeof log, "%s/decided", b->dir);
    buf_init(&genesis, GENESIS_BYTES_MAX);
    put_genesis(b, &genesis);
    struct app_options options = {.dir = path, .genesis = buf_bytes(&genesis), .no_sync = no_sync};
    bool good = fine(b, buf_done(&genesis), "genesis") &&
                fine(b, app_open(&options, &b->app), "opening the ledger") &&
                fine(b, wal_open(log, &b->wal), "opening the log");
    buf_free(&genesis);
    return good;
}

/* --- checking and admitting, as fibers --- */

struct batch {
    struct ledger_bench *b;
    size_t begin;
    size_t count;
    struct arena arena;
    struct pool_checked checked[BATCH];
    enum tx_verdict verdicts[BATCH];
    double seconds;
};

static void check_batch(void *arg)
{
    struct batch *batch = arg;
    struct pool_options options =
        pool_options_default(CHAIN_ID, BLOCK_TRANSFERS * (u64)TRANSFER_GAS);
    double begin = bench_seconds();
    for (size_t i = 0; i < batch->count; i++) {
        batch->verdicts[i] = pool_check(&options, &batch->arena, raw_at(batch->b, batch->begin + i),
                                        &batch->checked[i]);
    }
    batch->seconds = bench_seconds() - begin;
}

static bool batch_is_good(struct ledger_bench *b, const struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->verdicts[i] != TX_VALID) {
            fprintf(stderr, "cairn-bench ledger: transaction %zu: %s\n", batch->begin + i,
                    tx_verdict_text(batch->verdicts[i]));
            b->failed = true;
        }
    }
    return !b->failed;
}

/* Batches go into the pool in their order, so that no nonce waits for another batch. */
static void admit_batch(struct ledger_bench *b, struct batch *batch)
{
    while (!b->failed && (b->app_busy || b->admitted != batch->begin)) {
        fine(b, event_wait(b->loop, &b->turn, UINT64_MAX), "waiting");
    }
    if (b->failed || !batch_is_good(b, batch)) {
        return;
    }
    double begin = bench_seconds();
    if (fine(b, app_admit(b->app, batch->checked, batch->count, batch->verdicts), "pool") &&
        batch_is_good(b, batch)) {
        b->admitted += batch->count;
    }
    b->times.admit += bench_seconds() - begin;
}

static void feed(void *arg)
{
    struct ledger_bench *b = arg;
    struct batch *batch = MEM_NEW(struct batch);
    while (!b->failed && b->checked < b->until) {
        if (b->checked - b->executed >= AHEAD_MAX) {
            fine(b, event_wait(b->loop, &b->turn, UINT64_MAX), "waiting");
            continue;
        }
        batch->b = b;
        batch->begin = b->checked;
        batch->count = b->until - b->checked < BATCH ? b->until - b->checked : BATCH;
        b->checked += batch->count;
        arena_init(&batch->arena, MIB(16));
        worker_run(b->loop, check_batch, batch);
        b->times.check += batch->seconds;
        admit_batch(b, batch);
        arena_free(&batch->arena);
        event_wake_all(&b->turn);
    }
    mem_free(batch);
}

/* --- blocks --- */

static err decide(struct ledger_bench *b)
{
    struct app_info info = app_info_now(b->app);
    struct decided *decided = &b->decided;
    struct certificate *certificate = &decided->certificate;
    struct hash digest;
    decided->header = (struct consensus_header){.chain_id = CHAIN_ID,
                                                .height = info.height + 1,
                                                .time_ms = info.time_ms + 1000,
                                                .parent_id = info.consensus_id,
                                                .parent_hash = info.app_hash,
                                                .params_hash = info.params_hash,
                                                .proposer = b->seat_address};
    TRY(block_txs_root(&decided->txs, &decided->header.txs_root));
    seats_hash(&decided->header.seats_hash, &info.seats);
    seats_hash(&decided->header.next_seats_hash, &info.next_seats);
    struct vote vote = {.kind = VOTE_PRECOMMIT,
                        .chain_id = CHAIN_ID,
                        .height = decided->header.height,
                        .valid_round = VOTE_NO_ROUND};
    consensus_header_id(&vote.block_id, &decided->header);
    vote_digest(&digest, &vote);
    *certificate =
        (struct certificate){.height = vote.height, .block_id = vote.block_id, .count = 1};
    secp_sign(&certificate->items[0].signature, &b->seat, &digest);
    return ok();
}

static err prepare(struct ledger_bench *b)
{
    struct app_info info = app_info_now(b->app);
    struct app_prepare request = {.height = info.height + 1,
                                  .time_ms = info.time_ms + 1000,
                                  .proposer = b->seat_address,
                                  .bytes_max = APP_TXS_BYTES_MAX};
    return app_table()->prepare_proposal(b->app, &request, &b->block, &b->decided.txs);
}

static err finalize(struct ledger_bench *b)
{
    struct app_finalized finalized;
    enum app_verdict verdict;
    TRY(app_table()->finalize_block(b->app, &b->decided, &finalized, &verdict));
    if (verdict != APP_ACCEPT) {
        return fail(ERR_INTEGRITY);
    }
    b->executed += finalized.tx_count;
    b->blocks++;
    return ok();
}

static double lap(double *begin)
{
    double now = bench_seconds();
    double passed = now - *begin;
    *begin = now;
    return passed;
}

static err block_steps(struct ledger_bench *b)
{
    double begin = bench_seconds();
    TRY(prepare(b));
    b->times.prepare += lap(&begin);
    TRY(decide(b));
    TRY(wal_write(b->wal, &b->decided));
    b->times.log += lap(&begin);
    TRY(finalize(b));
    b->times.finalize += lap(&begin);
    TRY(app_table()->commit(b->app));
    b->times.commit += lap(&begin);
    return ok();
}

static void make_block(void *arg)
{
    struct ledger_bench *b = arg;
    arena_init(&b->block, MIB(64));
    fine(b, block_steps(b), "block");
    arena_free(&b->block);
}

static void produce(struct ledger_bench *b)
{
    while (!b->failed && b->executed < b->until) {
        bool full = b->admitted - b->executed >= BLOCK_TRANSFERS;
        if (!full && (b->admitted < b->until)) {
            fine(b, event_wait(b->loop, &b->turn, UINT64_MAX), "waiting");
            continue;
        }
        b->app_busy = true;
        worker_run(b->loop, make_block, b);
        b->app_busy = false;
        event_wake_all(&b->turn);
    }
    event_wake_all(&b->turn);
}

static double run_pipeline(struct ledger_bench *b, size_t until)
{
    struct group feeders;
    double begin = bench_seconds();
    b->until = until;
    group_init(&feeders);
    for (unsigned i = 0; i < b->workers; i++) {
        fine(b, group_start(b->loop, &feeders, "feed", feed, b), "feeders");
    }
    produce(b);
    group_wait(b->loop, &feeders);
    return bench_seconds() - begin;
}

/* --- what it is measured against --- */

static void recover_some(void *arg)
{
    struct ledger_bench *b = arg;
    struct arena arena;
    arena_init(&arena, MIB(4));
    for (size_t i = 0; i < RECOVERIES && i < b->tx_count; i++) {
        struct tx tx;
        struct address sender;
        if (tx_decode(&arena, raw_at(b, i), &tx) != TX_VALID || !tx_sender(&tx, &sender)) {
            b->failed = true;
        }
    }
    arena_free(&arena);
}

/* Signatures a second on one thread. */
static double measure_recovery(struct ledger_bench *b)
{
    double best = 0;
    for (int pass = 0; pass < 3; pass++) {
        double begin = bench_seconds();
        worker_run(b->loop, recover_some, b);
        double rate = (double)(b->tx_count < RECOVERIES ? b->tx_count : RECOVERIES) /
                      (bench_seconds() - begin);
        best = rate > best ? rate : best;
    }
    return best;
}

/* The rest of the transactions, in commits that do not wait for the disk. */
static void measure_plain_commits(struct ledger_bench *b)
{
    app_close(b->app);
    wal_close(b->wal);
    b->app = NULL;
    b->wal = NULL;
    if (b->failed || !open_ledger(b, true)) {
        return;
    }
    double before = b->times.commit;
    run_pipeline(b, b->tx_count);
    b->plain_commit = (b->times.commit - before) / (double)(b->tx_count - b->timed);
}

static void report(struct ledger_bench *b, double seconds, double recovery)
{
    const struct stage_times *t = &b->times;
    double n = (double)b->timed;
    const bool is_small = b->account_count <= 100000;
    double lmdb = b->plain_commit * n < t->commit ? b->plain_commit * n : t->commit;
    double fsync = t->log + t->commit - lmdb;
    double all = t->check + t->admit + t->prepare + t->log + t->finalize + t->commit;
    const struct bench_result results[] = {
        {.name = is_small ? "transfers" : "transfers, many accounts",
         .value = n / seconds,
         .unit = "/s",
         .limit = recovery,
         .limit_name = "signature recovery on one thread",
         .bar = is_small ? 0.6 : 0.4},
        {.name = "  accounts", .value = (double)b->account_count, .unit = ""},
        {.name = "  transfers a block", .value = n / (double)b->blocks, .unit = ""},
        {.name = "  block gas limit",
         .value = (double)BLOCK_TRANSFERS * TRANSFER_GAS,
         .unit = "gas"},
        {.name = "  block interval, counted", .value = 1, .unit = "s"},
        {.name = "  check and recover", .value = t->check / n * 1e6, .unit = "us"},
        {.name = "  admit to the pool", .value = t->admit / n * 1e6, .unit = "us"},
        {.name = "  prepare (execute)", .value = t->prepare / n * 1e6, .unit = "us"},
        {.name = "  decided log, fsync", .value = t->log / n * 1e6, .unit = "us"},
        {.name = "  execute, roots", .value = t->finalize / n * 1e6, .unit = "us"},
        {.name = "  commit (LMDB, fsync)", .value = t->commit / n * 1e6, .unit = "us"},
        {.name = "share of recovery", .value = t->check / all, .unit = ""},
        {.name = "share of execution", .value = 2 * t->prepare / all, .unit = ""},
        {.name = "share of roots, encoding", .value = (t->finalize - t->prepare) / all, .unit = ""},
        {.name = "share of LMDB", .value = lmdb / all, .unit = ""},
        {.name = "share of fsync", .value = fsync / all, .unit = ""},
    };
    for (size_t i = 0; i < COUNT_OF(results); i++) {
        bench_add(b->bench, &results[i]);
    }
}

/* --- one run --- */

static void make_seat(struct ledger_bench *b)
{
    u8 secret[32] = {[31] = 1};
    if (secp_secret_from(&b->seat, secret)) {
        secp_address_of_secret(&b->seat_address, &b->seat);
    }
}

static void allocate(struct ledger_bench *b)
{
    b->secrets = mem_alloc_array(b->account_count, sizeof *b->secrets);
    b->addresses = mem_alloc_array(b->account_count, sizeof *b->addresses);
    b->raws = mem_alloc_array(b->tx_count, TX_RAW_BYTES_MAX);
    b->raw_lens = mem_alloc_array(b->tx_count, sizeof *b->raw_lens);
    b->senders = mem_alloc_array(b->tx_count, sizeof *b->senders);
    b->nonces = mem_alloc_array(b->tx_count, sizeof *b->nonces);
}

static void release(struct ledger_bench *b)
{
    app_close(b->app);
    wal_close(b->wal);
    fine(b, dir_remove_all(b->dir), b->dir);
    mem_free(b->secrets);
    mem_free(b->addresses);
    mem_free(b->raws);
    mem_free(b->raw_lens);
    mem_free(b->senders);
    mem_free(b->nonces);
}

static void run_ledger(void *arg)
{
    struct ledger_bench *b = arg;
    make_seat(b);
    allocate(b);
    event_init(&b->turn);
    on_all_cores(b, make_account, b->account_count);
    choose_senders(b);
    on_all_cores(b, make_transfer, b->tx_count);
    if (open_ledger(b, false)) {
        double recovery = measure_recovery(b);
        double seconds = run_pipeline(b, b->timed);
        struct stage_times times = b->times;
        size_t blocks = b->blocks;
        measure_plain_commits(b);
        b->times = times;
        b->blocks = blocks;
        if (!b->failed) {
            report(b, seconds, recovery);
        }
    }
    release(b);
    loop_stop(b->loop);
}

static bool run_with(struct bench *bench, const char *parent, size_t accounts, size_t txs)
{
    struct ledger_bench *b = MEM_NEW(struct ledger_bench);
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    b->bench = bench;
    b->account_count = accounts;
    b->timed = txs;
    b->tx_count = txs + PLAIN_TRANSFERS;
    b->workers = cores < 2 ? 2 : cores > WORKERS_MAX ? WORKERS_MAX : (unsigned)cores;
    snprintf(b->dir, sizeof b->dir, "%s/cairn-bench-ledger-XXXXXX", parent);
    bool made = mkdtemp(b->dir) != NULL;
    if (!made) {
        perror(b->dir);
    }
    if (made && fine(b, loop_open(&b->loop, b->workers), "loop") &&
        fine(b, fiber_start(b->loop, "ledger", run_ledger, b), "fiber")) {
        loop_run(b->loop);
    }
    loop_close(b->loop);
    bool good = made && !b->failed;
    mem_free(b);
    return good;
}

bool bench_ledger(struct bench *bench, int argc, char **argv)
{
    static const size_t sizes[] = {10000, 1000000};
    const char *dir = argc > 0 ? argv[0] : "/tmp";
    size_t txs = argc > 1 ? strtoul(argv[1], NULL, 10) : TRANSFERS;
    size_t most = argc > 2 ? strtoul(argv[2], NULL, 10) : sizes[1];
    native_tables_init(native_modules_all, native_modules_count);
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        if (sizes[i] <= most && !run_with(bench, dir, sizes[i], txs)) {
            return false;
        }
    }
    return true;
}

/* s3.c: PUT and GET through a whole devnet, over plain HTTP with signed payloads.
 *
 * The devnet is a child process on ports and in a folder of its own, and ends with this program.
 * Client, gateway, ledger and twelve storage nodes share the machine. A client hashes its payload
 * before it sends, so its hash is not in the time; the gateway's check of it is. The limit is what
 * the bytes cost at least on one thread, one step after the other.
 */
#include "base/buf.h"
#include "base/mem.h"
#include "bench/bench.h"
#include "codec/json.h"
#include "crypto/hash.h"
#include "gateway/client/s3_client.h"
#include "os/file.h"
#include "os/process.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUCKET "bench"
#define LARGE_BYTES MIB(256)
#define STREAM_BYTES MIB(64)
#define SMALL_BYTES KIB(4)
#define STREAMS 4
#define SMALL_STREAMS 16
#define SMALL_EACH 25
#define SMALL_READS 40 /* of each small object: one round would be over in milliseconds */
#define PASSES 3
#define LATENCIES_MAX (SMALL_STREAMS * SMALL_EACH)
#define START_TIMEOUT_MS 180000
#define STOP_TIMEOUT_MS 60000
#define PIECE_BYTES KIB(256)
#define PORTS_FIRST 10000
#define PORTS_LAST 28000
#define PORTS_STEP 200
#define WORKERS 2
#define HASH_TEXT_BYTES (2 * sizeof(struct hash) + 1)

/* Copies of a byte of user data that sockets and files make at least: client to gateway, three
 * times to holders and three times to their page cache; holder to gateway to client. */
#define PUT_COPIES (2 + 3 * 2 + 3)
#define GET_COPIES (1 + 2 + 2)

struct s3_bench {
    struct bench *bench;
    struct loop *loop;
    struct process *devnet;
    struct s3_client s3;
    char dir[PATH_BYTES_MAX];
    json_t *config; /* devnet.json */
    u8 *data;       /* LARGE_BYTES */
    char large_hash[HASH_TEXT_BYTES];
    char stream_hash[HASH_TEXT_BYTES];
    char small_hash[HASH_TEXT_BYTES];
    struct bench_primitives primitives;
    int plan_count; /* named by arguments; 0: all */
    char **plans;
    bool keep;         /* the devnet's folder, with its logs */
    double *latencies; /* of one group of small PUTs */
    size_t latency_count;
    bool done;
};

/* What one fiber stores and reads. */
struct caller {
    struct s3_bench *bench;
    const char *name;
    unsigned number;
    unsigned objects;
    unsigned rounds; /* over all of them */
    u64 bytes;
    const char *hash;
    bool is_put;
    err result;
};

/* ---- one object ---- */

static err check_answer(struct s3_bench *b, struct http_call *http)
{
    struct s3_failure failure;
    err e = s3_answer(&b->s3, http, &failure);
    if (!is_ok(e)) {
        fprintf(stderr, "the gateway answered %d %s: %s\n", failure.status, failure.code,
                failure.message);
    }
    return e;
}

static err send_body(struct s3_bench *b, struct http_call *http, u64 length)
{
    for (u64 at = 0; at < length; at += PIECE_BYTES) {
        http_call_set_deadline(http, loop_now_ms(b->loop) + S3_CLIENT_IDLE_MS);
        TRY(http_call_write(http,
                            bytes_make(b->data + at, (size_t)min_u64(PIECE_BYTES, length - at))));
    }
    return http_call_finish(http, NULL, 0);
}

/* Reads to the end and compares every byte with what was stored. */
static err receive_body(struct s3_bench *b, struct http_call *http, u64 length)
{
    u8 *piece = mem_alloc(PIECE_BYTES);
    u64 at = 0;
    size_t got = 1;
    err e = ok();
    while (is_ok(e) && got > 0) {
        http_call_set_deadline(http, loop_now_ms(b->loop) + S3_CLIENT_IDLE_MS);
        e = http_call_read(http, piece, PIECE_BYTES, &got);
        if (is_ok(e) && (got > length - at || memcmp(piece, b->data + at, got) != 0)) {
            fprintf(stderr, "an object differs from what was stored\n");
            e = fail(ERR_INTEGRITY);
        }
        at += is_ok(e) ? got : 0;
    }
    mem_free(piece);
    return !is_ok(e) || at == length ? e : fail(ERR_INTEGRITY);
}

static err one_object(struct caller *caller, unsigned number)
{
    struct s3_bench *b = caller->bench;
    char key[64];
    struct http_call *http;
    struct s3_call call = {.method = caller->is_put ? "PUT" : "GET", .bucket = BUCKET};
    snprintf(key, sizeof key, "%s-%u-%u", caller->name, caller->number, number);
    call.key = bytes_str(key);
    if (caller->is_put) {
        call.body_length = caller->bytes;
        call.payload_hash = caller->hash;
    }
    TRY(s3_open(&b->s3, &call, &http));
    err sent = caller->is_put ? send_body(b, http, caller->bytes) : http_call_finish(http, NULL, 0);
    err e = check_answer(b, http); /* a refusal may come before all is sent */
    e = is_ok(e) ? sent : e;
    if (is_ok(e)) {
        e = receive_body(b, http, caller->is_put ? 0 : caller->bytes);
    }
    http_call_close(http);
    return e;
}

static void run_caller(void *arg)
{
    struct caller *caller = arg;
    caller->result = ok();
    for (unsigned i = 0; is_ok(caller->result) && i < caller->objects * caller->rounds; i++) {
        double begin = bench_seconds();
        caller->result = one_object(caller, i % caller->objects);
        if (caller->is_put) {
            caller->bench->latencies[caller->bench->latency_count++] = bench_seconds() - begin;
        }
    }
}

/* ---- groups of streams ---- */

/* Seconds until all of `count` streams like this one have ended. */
static err run_callers(const struct caller *like, unsigned count, double *ret_seconds)
{
    struct caller callers[SMALL_STREAMS];
    struct group group;
    struct loop *loop = like->bench->loop;
    err e = ok();
    group_init(&group);
    double begin = bench_seconds();
    for (unsigned i = 0; i < count; i++) {
        callers[i] = *like;
        callers[i].number = i;
        callers[i].result = group_start(loop, &group, "caller", run_caller, &callers[i]);
    }
    group_wait(loop, &group);
    *ret_seconds = bench_seconds() - begin;
    for (unsigned i = 0; i < count && is_ok(e); i++) {
        e = callers[i].result;
    }
    return e;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, by_value);
    return values[count / 2];
}

struct plan {
    const char *name;
    const char *put_name;
    const char *get_name;
    unsigned streams;
    unsigned objects;
    unsigned reads; /* of each object */
    u64 bytes;
    const char *hash;
    bool is_large; /* in MB/s against the limit, else in operations a second */
};

/* Every pass stores other objects: the same key again is no different, but is easier to mistake for
 * a cache. */
static err run_plan(struct s3_bench *b, const struct plan *plan, double ret_seconds[2])
{
    double seconds[2][PASSES];
    for (unsigned pass = 0; pass < PASSES; pass++) {
        char name[32];
        snprintf(name, sizeof name, "%s-%u", plan->name, pass);
        struct caller like = {.bench = b,
                              .name = name,
                              .objects = plan->objects,
                              .rounds = 1,
                              .bytes = plan->bytes,
                              .hash = plan->hash,
                              .is_put = true};
        b->latency_count = 0;
        TRY(run_callers(&like, plan->streams, &seconds[0][pass]));
        like.is_put = false;
        like.rounds = plan->reads;
        TRY(run_callers(&like, plan->streams, &seconds[1][pass]));
    }
    ret_seconds[0] = median(seconds[0], PASSES);
    ret_seconds[1] = median(seconds[1], PASSES);
    return ok();
}

/* ---- limits ---- */

static double put_limit(const struct bench_primitives *p)
{
    return p->sha256 + p->md5 + p->aes_gcm + p->rs_4_8 + 6 * p->leaf_hash + 3 * p->disk_write +
           PUT_COPIES * p->copy;
}

/* Holders send hashes that they kept; only the gateway hashes what it reads. */
static double get_limit(const struct bench_primitives *p)
{
    return p->leaf_hash + p->aes_gcm + GET_COPIES * p->copy;
}

/* add_latencies: of the last pass. */
static void add_latencies(struct s3_bench *b)
{
    qsort(b->latencies, b->latency_count, sizeof *b->latencies, by_value);
    const struct bench_result half = {.name = "PUT 4 KiB, half take less",
                                      .value = 1e3 * b->latencies[b->latency_count / 2],
                                      .unit = "ms"};
    const struct bench_result most = {.name = "PUT 4 KiB, 99 % take less",
                                      .value = 1e3 * b->latencies[b->latency_count * 99 / 100],
                                      .unit = "ms"};
    bench_add(b->bench, &half);
    bench_add(b->bench, &most);
}

static void add_results(struct s3_bench *b, const struct plan *plan, const double seconds[2])
{
    for (int i = 0; i < 2; i++) {
        double rounds = i == 0 ? 1 : plan->reads;
        double objects = rounds * plan->streams * plan->objects;
        struct bench_result result = {.name = i == 0 ? plan->put_name : plan->get_name,
                                      .value = objects / seconds[i],
                                      .unit = "ops/s"};
        if (plan->is_large) {
            double limit = i == 0 ? put_limit(&b->primitives) : get_limit(&b->primitives);
            result.value = objects * (double)plan->bytes / 1e6 / seconds[i];
            result.unit = "MB/s";
            result.limit = 1e-6 / limit;
            result.limit_name = "sum of primitives, one thread";
            result.bar = 0.5;
        }
        bench_add(b->bench, &result);
    }
    if (!plan->is_large) {
        add_latencies(b);
    }
}

static bool is_wanted(const struct s3_bench *b, const char *name)
{
    bool wanted = b->plan_count == 0;
    for (int i = 0; i < b->plan_count; i++) {
        wanted = wanted || strcmp(b->plans[i], name) == 0;
    }
    return wanted;
}

static err measure(struct s3_bench *b)
{
    const struct plan plans[] = {
        {"large", "PUT 1 x 256 MiB", "GET 1 x 256 MiB", 1, 1, 1, LARGE_BYTES, b->large_hash, true},
        {"streams", "PUT 4 x 64 MiB", "GET 4 x 64 MiB", STREAMS, 1, 1, STREAM_BYTES, b->stream_hash,
         true},
        {"small", "PUT 4 KiB, 16 at once", "GET 4 KiB, 16 at once", SMALL_STREAMS, SMALL_EACH,
         SMALL_READS, SMALL_BYTES, b->small_hash, false},
    };
    for (size_t i = 0; i < COUNT_OF(plans); i++) {
        double seconds[2];
        if (!is_wanted(b, plans[i].name)) {
            continue;
        }
        TRY(run_plan(b, &plans[i], seconds));
        add_results(b, &plans[i], seconds);
    }
    return ok();
}

/* ---- the devnet ---- */

static bool port_is_free(u16 port)
{
    const int yes = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return false;
    }
    bool is_free = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0 &&
                   bind(fd, (const struct sockaddr *)&address, sizeof address) == 0;
    close(fd);
    return is_free;
}

/* A base with everything free that the devnet uses on 127.0.0.1; 0: none was found. */
static u16 free_ports(struct loop *loop)
{
    static const u16 offsets[] = {0, 1, 2, 3, 4, 5, 10, 11, 30, 31};
    const u16 steps = (PORTS_LAST - PORTS_FIRST) / PORTS_STEP;
    u16 begin;
    loop_random(loop, &begin, sizeof begin);
    for (u16 i = 0; i < steps; i++) {
        u16 base = (u16)(PORTS_FIRST + (begin % steps + i) % steps * PORTS_STEP);
        size_t good = 0;
        while (good < COUNT_OF(offsets) && port_is_free((u16)(base + offsets[good]))) {
            good++;
        }
        if (good == COUNT_OF(offsets)) {
            return base;
        }
    }
    return 0;
}

static bool make_dir(struct s3_bench *b)
{
    const char *parent = getenv("TMPDIR");
    snprintf(b->dir, sizeof b->dir, "%s/cairn-bench-XXXXXX", parent != NULL ? parent : "/tmp");
    if (mkdtemp(b->dir) == NULL) {
        fprintf(stderr, "cannot make a folder %s\n", b->dir);
        b->dir[0] = '\0';
    }
    return b->dir[0] != '\0';
}

static err spawn_devnet(struct s3_bench *b)
{
    char self[PATH_BYTES_MAX];
    char parent[PATH_BYTES_MAX];
    char cairn[PATH_BYTES_MAX];
    char log[PATH_BYTES_MAX];
    char ports[8];
    u16 base = free_ports(b->loop);
    if (base == 0) {
        fprintf(stderr, "no free ports for a devnet\n");
        return fail(ERR_BUSY);
    }
    process_self_path(self);
    path_parent(parent, self);
    path_join(cairn, parent, "cairn");
    path_join(log, b->dir, "devnet.out");
    snprintf(ports, sizeof ports, "%u", base);
    const char *const argv[] = {cairn, "devnet", "--data", b->dir, "--ports", ports, NULL};
    const struct process_options options = {.argv = argv, .log_path = log};
    err e = process_spawn(b->loop, &options, &b->devnet);
    if (!is_ok(e)) {
        fprintf(stderr, "cannot run %s: build it beside cairn-bench\n", cairn);
    }
    return e;
}

/* devnet.json appears, whole, when everything runs. */
static err await_devnet(struct s3_bench *b)
{
    char path[PATH_BYTES_MAX];
    u64 end_ms = loop_now_ms(b->loop) + START_TIMEOUT_MS;
    int status;
    path_join(path, b->dir, "devnet.json");
    while (!file_exists(path)) {
        if (process_ended(b->devnet, &status) || loop_now_ms(b->loop) >= end_ms) {
            fprintf(stderr, "the devnet did not start, see %s/devnet.out\n", b->dir);
            return fail(ERR_FAILED);
        }
        TRY(fiber_sleep(b->loop, loop_now_ms(b->loop) + 100));
    }
    b->config = json_load_file(path, 0, NULL);
    return b->config != NULL ? ok() : fail(ERR_MALFORMED);
}

static err open_client(struct s3_bench *b)
{
    const struct http_client_options http = {.idle_per_host_max = SMALL_STREAMS};
    const json_t *s3 = json_object_get(b->config, "s3");
    b->s3 = (struct s3_client){
        .loop = b->loop,
        .endpoint = json_string_value(json_object_get(s3, "http")),
        .region = json_string_value(json_object_get(s3, "region")),
        .access_key = json_string_value(json_object_get(s3, "access_key")),
        .secret_key = json_string_value(json_object_get(s3, "secret_key")),
    };
    if (b->s3.endpoint == NULL || b->s3.region == NULL || b->s3.access_key == NULL ||
        b->s3.secret_key == NULL) {
        return fail(ERR_MALFORMED);
    }
    return http_client_new(b->loop, &http, &b->s3.http);
}

static err make_bucket(struct s3_bench *b)
{
    const struct s3_call call = {.method = "PUT", .bucket = BUCKET};
    struct s3_failure failure;
    struct arena arena;
    bytes body;
    arena_init(&arena, KIB(64));
    err e = s3_simple(&b->s3, &call, bytes_str(""), &arena, &failure, &body);
    arena_free(&arena);
    return e;
}

static void stop_devnet(struct s3_bench *b)
{
    int status;
    if (b->devnet == NULL) {
        return;
    }
    process_kill(b->devnet, SIGTERM);
    IGNORE(process_wait(b->devnet, loop_now_ms(b->loop) + STOP_TIMEOUT_MS, &status));
    process_free(b->devnet); /* kills it, if it would not go */
    b->devnet = NULL;
}

static err run_all(struct s3_bench *b)
{
    TRY(spawn_devnet(b));
    TRY(await_devnet(b));
    TRY(open_client(b));
    TRY(make_bucket(b));
    return measure(b);
}

static void run_bench(void *arg)
{
    struct s3_bench *b = arg;
    err e = run_all(b);
    if (!is_ok(e)) {
        fprintf(stderr, "s3: %s\n", err_text(e));
    }
    b->done = is_ok(e);
    stop_devnet(b);
    loop_stop(b->loop);
}

/* ---- */

static void hash_of(char out[HASH_TEXT_BYTES], bytes in)
{
    struct hash digest;
    sha256(&digest, in);
    hex_encode(out, HASH_TEXT_BYTES, BYTES_OF(digest));
}

static void make_data(struct s3_bench *b)
{
    u64 x = 88172645463325252u; /* xorshift64: nothing here can be compressed or deduplicated */
    b->data = mem_alloc(LARGE_BYTES);
    for (u64 i = 0; i < LARGE_BYTES; i += sizeof x) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        memcpy(b->data + i, &x, sizeof x);
    }
    hash_of(b->large_hash, bytes_make(b->data, LARGE_BYTES));
    hash_of(b->stream_hash, bytes_make(b->data, STREAM_BYTES));
    hash_of(b->small_hash, bytes_make(b->data, SMALL_BYTES));
}

static bool run_in_loop(struct s3_bench *b)
{
    if (!is_ok(loop_open(&b->loop, WORKERS))) {
        return false;
    }
    if (is_ok(fiber_start(b->loop, "bench", run_bench, b))) {
        loop_run(b->loop);
    }
    http_client_free(b->s3.http);
    loop_close(b->loop);
    return b->done;
}

bool bench_s3(struct bench *bench, int argc, char **argv)
{
    struct s3_bench *b = MEM_NEW(struct s3_bench);
    b->bench = bench;
    b->keep = argc > 0 && strcmp(argv[0], "--keep") == 0;
    b->plan_count = argc - b->keep;
    b->plans = argv + b->keep;
    b->latencies = mem_alloc_array(LATENCIES_MAX, sizeof *b->latencies);
    bool good = make_dir(b);
    if (good) {
        make_data(b);
        bench_measure_primitives(&b->primitives, b->dir);
        bench_add_primitives(bench, &b->primitives);
        good = run_in_loop(b);
        json_decref(b->config);
        mem_free(b->data);
        if (b->keep) {
            fprintf(stderr, "kept: %s\n", b->dir);
        } else if (good || b->config != NULL) { /* the log of a devnet that did not start is kept */
            IGNORE(dir_remove_all(b->dir));
        }
    }
    mem_free(b->latencies);
    mem_free(b);
    return good;
}

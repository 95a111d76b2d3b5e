#include "gateway/front/s3_server.h"

#include "base/log.h"
#include "base/mem.h"
#include "gateway/front/front.h"

#define SERVER_NAME "Cairn"
#define UPLOADS_DEFAULT 256
#define SERVICE_TIMEOUT_DEFAULT_MS 60000
#define BLANK_DEFAULT_MS 10000
#define PATIENT_TIMEOUT_DEFAULT_MS 1800000

static void copy_domains(struct front *front, const struct front_options *options)
{
    front->domains = mem_alloc_array(options->domain_count + 1, sizeof *front->domains);
    for (size_t i = 0; i < options->domain_count; i++) {
        front->domains[i] = bytes_str(mem_strdup(options->domains[i]));
    }
    front->domain_count = options->domain_count;
}

static void free_domains(struct front *front)
{
    for (size_t i = 0; i < front->domain_count; i++) {
        mem_free((void *)(uintptr_t)front->domains[i].data);
    }
    mem_free(front->domains);
}

static void register_counters(struct front *front, struct metrics *metrics)
{
    struct front_counters *counters = &front->counters;
    if (metrics == NULL) {
        u64 *none = &front->uncounted;
        *counters = (struct front_counters){none, none, none, none, none};
        return;
    }
    counters->requests = metrics_counter(metrics, "cairn_s3_requests", "S3 requests answered");
    counters->refused = metrics_counter(metrics, "cairn_s3_refused", "S3 answers of 4xx");
    counters->failed = metrics_counter(metrics, "cairn_s3_failed", "S3 answers of 5xx");
    counters->bytes_in = metrics_counter(metrics, "cairn_s3_bytes_in", "object bytes received");
    counters->bytes_out = metrics_counter(metrics, "cairn_s3_bytes_out", "object bytes sent");
}

static struct front *front_new(struct loop *loop, const struct front_options *options)
{
    struct front *front = MEM_NEW(struct front);
    front->loop = loop;
    front->service = *options->service;
    front->region = mem_strdup(options->region != NULL ? options->region : "cairn");
    front->unsigned_needs_tls = options->unsigned_needs_tls;
    front->uploads_max = options->uploads_max != 0 ? options->uploads_max : UPLOADS_DEFAULT;
    front->service_timeout_ms =
        options->service_timeout_ms != 0 ? options->service_timeout_ms : SERVICE_TIMEOUT_DEFAULT_MS;
    front->blank_ms = options->blank_ms != 0 ? options->blank_ms : BLANK_DEFAULT_MS;
    front->patient_timeout_ms =
        options->patient_timeout_ms != 0 ? options->patient_timeout_ms : PATIENT_TIMEOUT_DEFAULT_MS;
    front->part_bytes_min =
        options->part_bytes_min != 0 ? options->part_bytes_min : S3_PART_BYTES_MIN;
    gate_init(&front->large_bodies, FRONT_LARGE_BODIES_MAX);
    list_init(&front->ending);
    event_init(&front->ended);
    register_counters(front, options->metrics);
    copy_domains(front, options);
    return front;
}

static err listen_on(struct front *front, const struct front_options *options, const char *host,
                     u16 port, struct tls_context *tls, struct http_server **ret_server)
{
    struct http_server_options http = {
        .host = host,
        .port = port,
        .tls = tls,
        .handler = front_serve,
        .refuse = front_refuse,
        .ctx = front,
        .server_name = SERVER_NAME,
        .connections_max = options->connections_max,
        .body_timeout_ms = options->body_timeout_ms,
        .request_arena_bytes = FRONT_ARENA_BYTES,
    };
    return http_server_start(front->loop, &http, ret_server);
}

static err listen_all(struct front *front, const struct front_options *options)
{
    if (options->https_host != NULL) {
        TRY(tls_server_new(options->cert_path, options->key_path, &front->tls));
        TRY(listen_on(front, options, options->https_host, options->https_port, front->tls,
                      &front->https));
    }
    if (options->http_host != NULL) {
        TRY(listen_on(front, options, options->http_host, options->http_port, NULL, &front->http));
    }
    return ok();
}

err front_start(struct loop *loop, const struct front_options *options, struct front **ret_front)
{
    struct front *front = front_new(loop, options);
    err e = listen_all(front, options);
    if (!is_ok(e)) {
        front_drain(front, loop_now_ms(loop) + 1000);
        front_stop(front);
        return e;
    }
    log_info("s3", "region %s, http port %u, https port %u", front->region, front_http_port(front),
             front_https_port(front));
    *ret_front = front;
    return ok();
}

u16 front_http_port(const struct front *front)
{
    return front->http != NULL ? http_server_port(front->http) : 0;
}

u16 front_https_port(const struct front *front)
{
    return front->https != NULL ? http_server_port(front->https) : 0;
}

static void drain_server(struct http_server *server, const char *scheme, u64 deadline_ms)
{
    if (server != NULL && !is_ok(http_server_drain(server, deadline_ms))) {
        log_warn("s3", "%s: requests still running at the end of the drain", scheme);
    }
}

void front_drain(struct front *front, u64 deadline_ms)
{
    drain_server(front->http, "http", deadline_ms);
    drain_server(front->https, "https", deadline_ms);
}

void front_stop(struct front *front)
{
    if (front == NULL) {
        return;
    }
    if (front->http != NULL) {
        http_server_close(front->http);
    }
    if (front->https != NULL) {
        http_server_close(front->https);
    }
    tls_free(front->tls);
    free_domains(front);
    mem_free(front->region);
    mem_free(front);
}

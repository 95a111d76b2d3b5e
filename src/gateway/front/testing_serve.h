/* testing_serve.h: the front end over the test store as a server of its own, for stock clients
 * (tests/clients). `front_test --serve DIR HTTP_PORT HTTPS_PORT`; port 0 picks one. Writes
 * DIR/devnet.json, the s3 section of it, when it listens; ends by SIGTERM. Loopback only. */
#ifndef GATEWAY_FRONT_TESTING_SERVE_H
#define GATEWAY_FRONT_TESTING_SERVE_H

#include "gateway/front/testing_store.h"

struct serving {
    struct loop *loop;
    struct store store;
    struct front_options options;
    struct front *front;
    const char *dir;
    bool failed;
};

static inline err serving_announce(struct serving *s)
{
    struct buf json;
    char path[PATH_BYTES_MAX];
    char ca[PATH_BYTES_MAX];
    const struct gateway_user *user = &s->store.users[0];
    path_join(path, s->dir, "devnet.json");
    path_join(ca, s->dir, "ca.pem");
    buf_init(&json, KIB(8));
    buf_format(&json,
               "{\"version\":1,\"s3\":{\"http\":\"http://127.0.0.1:%u\","
               "\"https\":\"https://localhost:%u\",\"region\":\"cairn\",\"access_key\":\"%s\","
               "\"secret_key\":\"%s\",\"ca_file\":\"%s\"}}\n",
               front_http_port(s->front), front_https_port(s->front), user->access_key,
               user->secret_key, ca);
    err e = buf_done(&json);
    if (is_ok(e)) {
        e = file_replace(path, buf_bytes(&json));
    }
    buf_free(&json);
    return e;
}

static inline void serving_stop(void *arg)
{
    struct serving *s = arg;
    front_drain(s->front, loop_now_ms(s->loop) + 2000);
    loop_stop(s->loop);
}

static inline void serving_main(void *arg)
{
    struct serving *s = arg;
    err e = front_start(s->loop, &s->options, &s->front);
    if (is_ok(e)) {
        e = serving_announce(s);
    }
    if (is_ok(e)) {
        loop_stop_on_signals(s->loop, serving_stop, s);
        return;
    }
    fprintf(stderr, "serve: %s\n", err_text(e));
    s->failed = true;
    loop_stop(s->loop);
}

static inline err serving_open(struct serving *s, const char *cert, const char *key)
{
    static const char *const names[] = {"localhost", "*.localhost", "127.0.0.1"};
    TRY(dir_make(s->dir));
    TRY(tls_make_authority(s->dir, names, COUNT_OF(names)));
    s->options.cert_path = cert;
    s->options.key_path = key;
    TRY(loop_open(&s->loop, 2));
    TRY(store_open(&s->store, s->loop, s->dir));
    return fiber_start(s->loop, "serve", serving_main, s);
}

static inline u16 serving_port(const char *text)
{
    u64 port = 0;
    return parse_u64(&port, bytes_str(text)) && port <= UINT16_MAX ? (u16)port : 0;
}

static inline int serve(const char *dir, const char *http_port, const char *https_port)
{
    static const char *const domains[] = {"localhost"};
    static struct serving serving;
    struct serving *s = &serving;
    char cert[PATH_BYTES_MAX];
    char key[PATH_BYTES_MAX];
    struct front_service service = store_service(&s->store);
    s->dir = dir;
    s->options = (struct front_options){.service = &service,
                                        .http_host = "127.0.0.1",
                                        .http_port = serving_port(http_port),
                                        .https_host = "127.0.0.1",
                                        .https_port = serving_port(https_port),
                                        .domains = domains,
                                        .domain_count = COUNT_OF(domains)};
    path_join(cert, dir, "server.pem");
    path_join(key, dir, "server.key");
    err e = serving_open(s, cert, key);
    if (!is_ok(e)) {
        fprintf(stderr, "serve: %s\n", err_text(e));
        return err_exit_status(e);
    }
    loop_run(s->loop);
    front_stop(s->front);
    store_close(&s->store);
    loop_close(s->loop);
    return s->failed ? 1 : 0;
}

#endif

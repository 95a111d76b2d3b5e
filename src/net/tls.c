/* TLS streams.
 *
 * OpenSSL never waits here: its records come from and go to buffers of ours through a BIO, and the
 * fiber waits on the inner stream between two calls of OpenSSL. So one fiber may read while another
 * writes, although an SSL object allows only one call at a time. A write encrypts many records into
 * one buffer before it is sent.
 *
 * A stream may be closed while other fibers are parked in it; the last of them frees it.
 */
#include "net/tls.h"

#include "base/assert.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/tls_context.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#define RECORD_BYTES_MAX KIB(16)
#define IN_BYTES KIB(68)      /* four records and their frames */
#define IN_BYTES_FIRST KIB(6) /* for handshakes and small reads */
#define BATCH_BYTES KIB(128)  /* sent at once */
#define OUT_BYTES_MAX KIB(512)
#define SMALL_PART_BYTES 2048 /* parts up to this share a record */
/* A read into less than this is taken as waiting: it holds no buffers. */
#define IDLE_READ_BYTES 1024
/* A read into this much or more gets the large buffer. */
#define BULK_READ_BYTES KIB(32)

struct tls_stream {
    struct stream stream;
    struct stream *inner; /* NULL once closed */
    SSL *ssl;
    u8 *in; /* ciphertext received: `large` or `small` */
    size_t in_cap;
    size_t in_start;
    size_t in_end;
    u8 *large; /* owned; NULL while idle */
    u8 small[256];
    struct buf out;  /* ciphertext to be sent */
    struct buf wire; /* ciphertext being sent */
    struct event sent;
    bool sending;
    bool in_ended;     /* the inner stream has ended */
    bool write_broken; /* a part of a record may have been sent */
    unsigned busy;     /* calls under way */
    bool closed;
};

/* ---- the BIO ---- */

static int bio_read(BIO *bio, char *out, size_t cap, size_t *ret_len)
{
    struct tls_stream *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    size_t len = min_size(cap, tls->in_end - tls->in_start);
    if (len == 0) {
        if (!tls->in_ended) {
            BIO_set_retry_read(bio);
        }
        return 0;
    }
    memcpy(out, tls->in + tls->in_start, len);
    tls->in_start += len;
    *ret_len = len;
    return 1;
}

static int bio_write(BIO *bio, const char *in, size_t len, size_t *ret_len)
{
    struct tls_stream *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    buf_put(&tls->out, bytes_make(in, len));
    *ret_len = len;
    return tls->out.failed ? 0 : 1;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    struct tls_stream *tls = BIO_get_data(bio);
    (void)number;
    (void)pointer;
    if (command == BIO_CTRL_EOF) {
        return tls->in_ended ? 1 : 0;
    }
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

BIO_METHOD *tls_bio_method(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "cairn stream");
    if (method != NULL) {
        BIO_meth_set_read_ex(method, bio_read);
        BIO_meth_set_write_ex(method, bio_write);
        BIO_meth_set_ctrl(method, bio_ctrl);
    }
    return method;
}

/* ---- the inner stream ---- */

static struct tls_stream *tls_of(struct stream *stream)
{
    return (struct tls_stream *)(void *)((char *)stream - offsetof(struct tls_stream, stream));
}

static void stream_free(struct tls_stream *tls)
{
    SSL_free(tls->ssl);
    mem_free(tls->large);
    buf_free(&tls->out);
    buf_free(&tls->wire);
    mem_free(tls);
}

static void enter(struct tls_stream *tls) { tls->busy++; }

static err leave(struct tls_stream *tls, err e)
{
    tls->busy--;
    if (!tls->closed) {
        return e;
    }
    if (tls->busy == 0) {
        stream_free(tls);
    }
    return fail(ERR_CANCELLED);
}

/* flush: sends what has been encrypted. If another fiber is sending, its loop takes it along. */
static err flush(struct tls_stream *tls, u64 deadline_ms)
{
    if (tls->write_broken) {
        return fail(ERR_CLOSED);
    }
    tls->sending = true;
    err e = ok();
    while (is_ok(e) && tls->out.len != 0 && !tls->closed) {
        struct buf full = tls->out;
        tls->out = tls->wire;
        tls->wire = full;
        e = stream_write(tls->inner, buf_bytes(&tls->wire), deadline_ms);
        buf_clear(&tls->wire);
    }
    tls->sending = false;
    tls->write_broken = !is_ok(e);
    event_wake_all(&tls->sent);
    return tls->closed ? fail(ERR_CANCELLED) : e;
}

static err wait_sent(struct tls_stream *tls, u64 deadline_ms)
{
    while (tls->sending && !tls->closed) {
        TRY(event_wait(tls->stream.loop, &tls->sent, deadline_ms));
    }
    return tls->closed ? fail(ERR_CANCELLED) : ok();
}

static void release_buffers(struct tls_stream *tls)
{
    mem_free(tls->large);
    tls->large = NULL;
    tls->in = tls->small;
    tls->in_cap = sizeof tls->small;
    if (!tls->sending) {
        buf_free(&tls->out);
        buf_free(&tls->wire);
    }
}

static void grow_input(struct tls_stream *tls, size_t cap)
{
    if (tls->large == NULL || tls->in_cap < cap) {
        mem_free(tls->large);
        tls->large = mem_alloc(cap);
        tls->in = tls->large;
        tls->in_cap = cap;
    }
}

/* choose_input: the buffer for the next ciphertext, by what the caller is going to read. */
static void choose_input(struct tls_stream *tls, size_t read_cap)
{
    assert_that(tls->in_start == tls->in_end);
    if (read_cap < IDLE_READ_BYTES) {
        release_buffers(tls);
    } else {
        grow_input(tls, read_cap < BULK_READ_BYTES ? IN_BYTES_FIRST : IN_BYTES);
    }
    tls->in_start = tls->in_end = 0;
}

/* fill: more ciphertext. What OpenSSL wants to say meanwhile goes out first. */
static err fill(struct tls_stream *tls, size_t read_cap, u64 deadline_ms)
{
    if (tls->out.len != 0 && !tls->sending) {
        TRY(flush(tls, deadline_ms));
    }
    choose_input(tls, read_cap);
    size_t len = 0;
    TRY(stream_read(tls->inner, tls->in, tls->in_cap, deadline_ms, &len));
    if (tls->closed) {
        return fail(ERR_CANCELLED);
    }
    tls->in_end = len;
    tls->in_ended = len == 0;
    return ok();
}

/* ---- reading ---- */

/* read_ready: every record that is complete in the buffer, until cap is full. */
static int read_ready(struct tls_stream *tls, u8 *out, size_t cap, size_t *ret_len)
{
    size_t done = 0;
    int reason = SSL_ERROR_NONE;
    while (done < cap && reason == SSL_ERROR_NONE) {
        size_t len = 0;
        ERR_clear_error();
        int r = SSL_read_ex(tls->ssl, out + done, cap - done, &len);
        reason = r == 1 ? SSL_ERROR_NONE : SSL_get_error(tls->ssl, r);
        done += r == 1 ? len : 0;
    }
    *ret_len = done;
    return done != 0 ? SSL_ERROR_NONE : reason;
}

static err read_some(struct tls_stream *tls, void *out, size_t cap, u64 deadline_ms,
                     size_t *ret_len)
{
    for (;;) {
        size_t len = 0;
        int reason = read_ready(tls, out, cap, &len);
        if (reason == SSL_ERROR_NONE || reason == SSL_ERROR_ZERO_RETURN) {
            *ret_len = len;
            return ok();
        }
        if (reason != SSL_ERROR_WANT_READ) {
            tls_log_errors(false, "read from", tls->stream.peer);
            return fail(ERR_CLOSED);
        }
        TRY(fill(tls, cap, deadline_ms));
    }
}

static err tls_read(struct stream *stream, void *out, size_t cap, u64 deadline_ms, size_t *ret_len)
{
    struct tls_stream *tls = tls_of(stream);
    assert_that(cap > 0);
    enter(tls);
    return leave(tls, read_some(tls, out, cap, deadline_ms, ret_len));
}

/* ---- writing ---- */

static err encrypt(struct tls_stream *tls, bytes in, u64 deadline_ms)
{
    while (in.len != 0) {
        size_t len = 0;
        ERR_clear_error();
        if (SSL_write_ex(tls->ssl, in.data, min_size(in.len, RECORD_BYTES_MAX), &len) != 1) {
            tls_log_errors(false, "write to", tls->stream.peer);
            tls->write_broken = true;
            return fail(ERR_CLOSED);
        }
        in = bytes_slice(in, len, in.len - len);
        if (tls->out.len >= BATCH_BYTES) {
            TRY(wait_sent(tls, deadline_ms));
            TRY(flush(tls, deadline_ms));
        }
    }
    return ok();
}

/* Small parts (a head, the frame of a chunk) are gathered so that they share a record. */
struct stage {
    size_t len;
    u8 data[2 * SMALL_PART_BYTES];
};

static err encrypt_stage(struct tls_stream *tls, struct stage *stage, u64 deadline_ms)
{
    size_t len = stage->len;
    stage->len = 0;
    return encrypt(tls, bytes_make(stage->data, len), deadline_ms);
}

static err encrypt_parts(struct tls_stream *tls, const struct bytes *parts, size_t count,
                         u64 deadline_ms)
{
    struct stage stage;
    stage.len = 0;
    for (size_t i = 0; i < count; i++) {
        bool small = parts[i].len <= SMALL_PART_BYTES;
        if (!small || stage.len + parts[i].len > sizeof stage.data) {
            TRY(encrypt_stage(tls, &stage, deadline_ms));
        }
        if (!small) {
            TRY(encrypt(tls, parts[i], deadline_ms));
        } else if (parts[i].len != 0) {
            memcpy(stage.data + stage.len, parts[i].data, parts[i].len);
            stage.len += parts[i].len;
        }
    }
    return encrypt_stage(tls, &stage, deadline_ms);
}

static err write_all(struct tls_stream *tls, const struct bytes *parts, size_t count,
                     u64 deadline_ms)
{
    if (tls->write_broken) {
        return fail(ERR_CLOSED);
    }
    TRY(encrypt_parts(tls, parts, count, deadline_ms));
    TRY(wait_sent(tls, deadline_ms));
    return flush(tls, deadline_ms);
}

static err tls_write(struct stream *stream, const struct bytes *parts, size_t count,
                     u64 deadline_ms)
{
    struct tls_stream *tls = tls_of(stream);
    enter(tls);
    return leave(tls, write_all(tls, parts, count, deadline_ms));
}

static err shutdown_write(struct tls_stream *tls, u64 deadline_ms)
{
    ERR_clear_error();
    if (!tls->write_broken && SSL_shutdown(tls->ssl) >= 0) {
        TRY(wait_sent(tls, deadline_ms));
        TRY(flush(tls, deadline_ms));
    }
    ERR_clear_error();
    return stream_shutdown_write(tls->inner, deadline_ms);
}

static err tls_shutdown_write(struct stream *stream, u64 deadline_ms)
{
    struct tls_stream *tls = tls_of(stream);
    enter(tls);
    return leave(tls, shutdown_write(tls, deadline_ms));
}

static void tls_close(struct stream *stream)
{
    struct tls_stream *tls = tls_of(stream);
    assert_that(!tls->closed);
    tls->closed = true;
    stream_close(tls->inner);
    tls->inner = NULL;
    event_wake_all(&tls->sent);
    if (tls->busy == 0) {
        stream_free(tls);
    }
}

static const struct stream_ops tls_ops = {
    .read = tls_read,
    .write = tls_write,
    .shutdown_write = tls_shutdown_write,
    .close = tls_close,
};

/* ---- handshake ---- */

static bool attach_bio(struct tls_stream *tls, struct tls_context *context)
{
    BIO *bio = BIO_new(context->bio);
    tls->ssl = SSL_new(context->ctx);
    if (bio == NULL || tls->ssl == NULL) {
        BIO_free(bio);
        return false;
    }
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls->ssl, bio, bio);
    return true;
}

static struct tls_stream *stream_new(struct tls_context *context, struct stream *inner)
{
    struct tls_stream *tls = MEM_NEW(struct tls_stream);
    tls->stream = (struct stream){.ops = &tls_ops, .loop = inner->loop, .encrypted = true};
    memcpy(tls->stream.peer, inner->peer, sizeof tls->stream.peer);
    tls->inner = inner;
    buf_init(&tls->out, OUT_BYTES_MAX);
    buf_init(&tls->wire, OUT_BYTES_MAX);
    event_init(&tls->sent);
    if (!attach_bio(tls, context)) {
        tls_log_errors(true, "no memory for", inner->peer);
        tls_close(&tls->stream);
        return NULL;
    }
    return tls;
}

static err handshake_fault(struct tls_stream *tls)
{
    long verdict = SSL_get_verify_result(tls->ssl);
    if (verdict != X509_V_OK) {
        log_warn("tls", "certificate of %s: %s", tls->stream.peer,
                 X509_verify_cert_error_string(verdict));
        ERR_clear_error();
        return fail(ERR_REFUSED);
    }
    tls_log_errors(false, "handshake with", tls->stream.peer);
    return fail(ERR_NETWORK);
}

static err handshake(struct tls_stream *tls, u64 deadline_ms)
{
    for (;;) {
        ERR_clear_error();
        int r = SSL_do_handshake(tls->ssl);
        if (r == 1) {
            return tls->out.len != 0 ? flush(tls, deadline_ms) : ok();
        }
        if (SSL_get_error(tls->ssl, r) != SSL_ERROR_WANT_READ) {
            err e = handshake_fault(tls);
            if (tls->out.len != 0) {
                IGNORE(flush(tls, deadline_ms)); /* the alert, if it still can be sent */
            }
            return e;
        }
        TRY(fill(tls, IN_BYTES_FIRST, deadline_ms));
    }
}

static err finish_handshake(struct tls_stream *tls, u64 deadline_ms, struct stream **ret_stream)
{
    err e = handshake(tls, deadline_ms);
    if (!is_ok(e)) {
        tls_close(&tls->stream);
        return e;
    }
    *ret_stream = &tls->stream;
    return ok();
}

err tls_accept(struct tls_context *context, struct stream *inner, u64 deadline_ms,
               struct stream **ret_stream)
{
    struct tls_stream *tls = stream_new(context, inner);
    if (tls == NULL) {
        return fail(ERR_IO);
    }
    SSL_set_accept_state(tls->ssl);
    return finish_handshake(tls, deadline_ms, ret_stream);
}

static bool is_ip(const char *name)
{
    struct in6_addr ignored;
    return inet_pton(AF_INET, name, &ignored) == 1 || inet_pton(AF_INET6, name, &ignored) == 1;
}

/* expect_name: an address is compared with the addresses of the certificate, never with names.
 * OpenSSL takes an empty name as "any". */
static bool expect_name(SSL *ssl, const char *name)
{
    if (name[0] == 0) {
        return false;
    }
    if (is_ip(name)) {
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1;
    }
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, name) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1;
}

err tls_connect(struct tls_context *context, struct stream *inner, const char *server_name,
                u64 deadline_ms, struct stream **ret_stream)
{
    struct tls_stream *tls = stream_new(context, inner);
    if (tls == NULL) {
        return fail(ERR_IO);
    }
    SSL_set_connect_state(tls->ssl);
    if (!expect_name(tls->ssl, server_name)) {
        tls_log_errors(true, "bad server name", server_name);
        tls_close(&tls->stream);
        return fail(ERR_USAGE);
    }
    return finish_handshake(tls, deadline_ms, ret_stream);
}

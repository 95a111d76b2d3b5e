#include "net/tls_context.h"

#include "base/log.h"
#include "base/mem.h"

#include <openssl/err.h>

/* TLS 1.2 with forward secrecy and authenticated encryption only; the suites of 1.3 are all fine.
 */
#define CIPHERS_1_2 "ECDHE+AESGCM:ECDHE+CHACHA20"

void tls_log_errors(bool important, const char *what, const char *who)
{
    char text[256] = "no reason given";
    unsigned long code = ERR_get_error();
    if (code != 0) {
        ERR_error_string_n(code, text, sizeof text);
    }
    ERR_clear_error();
    log_line(important ? LOG_WARN : LOG_DEBUG, "tls", "%s %s: %s", what, who, text);
}

static bool configure(SSL_CTX *ctx)
{
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    /* An idle connection shall not hold record buffers. */
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_cipher_list(ctx, CIPHERS_1_2) == 1;
}

static struct tls_context *context_new(const SSL_METHOD *method)
{
    struct tls_context *tls = MEM_NEW(struct tls_context);
    tls->ctx = SSL_CTX_new(method);
    tls->bio = tls_bio_method();
    if (tls->ctx == NULL || tls->bio == NULL || !configure(tls->ctx)) {
        tls_log_errors(true, "cannot set up", "OpenSSL");
        tls_free(tls);
        return NULL;
    }
    return tls;
}

void tls_free(struct tls_context *tls)
{
    if (tls != NULL) {
        SSL_CTX_free(tls->ctx);
        BIO_meth_free(tls->bio);
        mem_free(tls);
    }
}

static bool load_server(SSL_CTX *ctx, const char *cert_path, const char *key_path)
{
    static const unsigned char session_context[] = "cairn";
    return SSL_CTX_use_certificate_chain_file(ctx, cert_path) == 1 &&
           SSL_CTX_use_PrivateKey_file(ctx, key_path, SSL_FILETYPE_PEM) == 1 &&
           SSL_CTX_check_private_key(ctx) == 1 &&
           SSL_CTX_set_session_id_context(ctx, session_context, sizeof session_context - 1) == 1;
}

err tls_server_new(const char *cert_path, const char *key_path, struct tls_context **ret_tls)
{
    struct tls_context *tls = context_new(TLS_server_method());
    if (tls == NULL) {
        return fail(ERR_IO);
    }
    SSL_CTX_set_options(tls->ctx, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    if (!load_server(tls->ctx, cert_path, key_path)) {
        tls_log_errors(true, "cannot use the certificate", cert_path);
        tls_free(tls);
        return fail(ERR_USAGE);
    }
    *ret_tls = tls;
    return ok();
}

err tls_client_new(const char *ca_path, struct tls_context **ret_tls)
{
    struct tls_context *tls = context_new(TLS_client_method());
    if (tls == NULL) {
        return fail(ERR_IO);
    }
    SSL_CTX_set_verify(tls->ctx, SSL_VERIFY_PEER, NULL);
    int loaded = ca_path != NULL ? SSL_CTX_load_verify_file(tls->ctx, ca_path)
                                 : SSL_CTX_set_default_verify_paths(tls->ctx);
    if (loaded != 1) {
        tls_log_errors(true, "cannot read the authority", ca_path != NULL ? ca_path : "files");
        tls_free(tls);
        return fail(ERR_USAGE);
    }
    *ret_tls = tls;
    return ok();
}

/* tls.h: TLS 1.3 (1.2 accepted for S3 clients) over a stream, by OpenSSL. */
#ifndef NET_TLS_H
#define NET_TLS_H

#include "os/stream.h"

struct tls_context;

/* tls_server_new: PEM files of a chain and its key. ERR_USAGE if they cannot be read or do not fit
 * together. A context must outlive its streams. */
err tls_server_new(const char *cert_path, const char *key_path, struct tls_context **ret_tls);
/* tls_client_new: trusts the CA file (PEM) or, with NULL, the system's. */
err tls_client_new(const char *ca_path, struct tls_context **ret_tls);
void tls_free(struct tls_context *tls);

/* tls_accept / tls_connect: handshake; on success *ret_stream owns `inner`, on a fault `inner` is
 * closed. server_name is checked against the certificate (names and IP addresses). ERR_REFUSED: the
 * certificate is not acceptable; ERR_NETWORK: the handshake failed; ERR_TIMEOUT, ERR_CLOSED.
 * A stream that ends without the peer saying so is ERR_CLOSED, never a quiet end. */
err tls_accept(struct tls_context *context, struct stream *inner, u64 deadline_ms,
               struct stream **ret_stream);
err tls_connect(struct tls_context *context, struct stream *inner, const char *server_name,
                u64 deadline_ms, struct stream **ret_stream);

/* tls_make_authority: writes a new CA (ca.pem, ca.key) and a server certificate signed by it
 * (server.pem, server.key) for the given names and IP literals into dir, unless they are there.
 * P-256, CA 10 years, server 2 years. For devnets and first starts. ERR_USAGE: a name that is
 * neither a DNS name ("*." allowed in front) nor an address, or a folder with a broken CA. */
err tls_make_authority(const char *dir, const char *const *names, size_t name_count);

#endif

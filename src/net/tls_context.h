/* tls_context.h: what tls.c and tls_context.c share. Private to src/net. */
#ifndef NET_TLS_CONTEXT_H
#define NET_TLS_CONTEXT_H

#include "net/tls.h"

#include <openssl/ssl.h>

struct tls_context {
    SSL_CTX *ctx;
    BIO_METHOD *bio; /* carries records between OpenSSL and the buffers of a tls stream */
};

/* tls_bio_method: NULL if OpenSSL has no memory. Owned by the caller. */
BIO_METHOD *tls_bio_method(void);
/* tls_log_errors: takes OpenSSL's error queue of this thread into one line of the log. */
void tls_log_errors(bool important, const char *what, const char *who);

#endif

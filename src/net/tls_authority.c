/* A certificate authority of one's own, for devnets and first starts. */
#include "base/buf.h"
#include "base/log.h"
#include "net/tls_context.h"
#include "os/file.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#define NAMES_MAX 64
#define DAY_SECONDS (24L * 60 * 60)
#define CA_DAYS (3652L)
#define SERVER_DAYS (730L)
#define PEM_BYTES_MAX KIB(64)

struct identity {
    X509 *cert;
    EVP_PKEY *key;
};

static void identity_free(struct identity *identity)
{
    X509_free(identity->cert);
    EVP_PKEY_free(identity->key);
    *identity = (struct identity){0};
}

/* ---- certificates ---- */

static bool set_serial(X509 *cert)
{
    u8 random[16];
    if (RAND_bytes(random, sizeof random) != 1) {
        return false;
    }
    random[0] = (u8)((random[0] & 0x3f) | 0x40); /* positive, and of one length */
    BIGNUM *number = BN_bin2bn(random, sizeof random, NULL);
    bool done = number != NULL && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert)) != NULL;
    BN_free(number);
    return done;
}

static bool set_subject(X509 *cert, const char *common_name)
{
    X509_NAME *name = X509_get_subject_name(cert);
    return X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8, (const u8 *)"Cairn", -1, -1, 0) ==
               1 &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const u8 *)common_name, -1, -1,
                                      0) == 1;
}

static bool set_validity(X509 *cert, long days)
{
    /* An hour back, for clocks that are late. */
    return X509_gmtime_adj(X509_getm_notBefore(cert), -3600) != NULL &&
           X509_gmtime_adj(X509_getm_notAfter(cert), days * DAY_SECONDS) != NULL;
}

struct extension {
    int nid;
    const char *value;
};

static bool add_extension(X509 *cert, X509 *issuer, struct extension extension)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
    X509V3_set_ctx_nodb(&context);
    X509_EXTENSION *made = X509V3_EXT_conf_nid(NULL, &context, extension.nid, extension.value);
    bool done = made != NULL && X509_add_ext(cert, made, -1) == 1;
    X509_EXTENSION_free(made);
    return done;
}

static bool add_extensions(X509 *cert, X509 *issuer, const struct extension *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!add_extension(cert, issuer, list[i])) {
            return false;
        }
    }
    return true;
}

/* issue: a new key and a certificate for it; issuer NULL: signed by itself. */
static bool issue(struct identity *ret, const struct identity *issuer, const char *common_name,
                  long days, const struct extension *extensions, size_t count)
{
    struct identity made = {.cert = X509_new(), .key = EVP_EC_gen("P-256")};
    const struct identity *by = issuer != NULL ? issuer : &made;
    bool done = made.cert != NULL && made.key != NULL &&
                X509_set_version(made.cert, X509_VERSION_3) == 1 && set_serial(made.cert) &&
                set_subject(made.cert, common_name) && set_validity(made.cert, days) &&
                X509_set_issuer_name(made.cert, X509_get_subject_name(by->cert)) == 1 &&
                X509_set_pubkey(made.cert, made.key) == 1 &&
                add_extensions(made.cert, by->cert, extensions, count) &&
                X509_sign(made.cert, by->key, EVP_sha256()) > 0;
    if (!done) {
        identity_free(&made);
        return false;
    }
    *ret = made;
    return true;
}

static bool issue_ca(struct identity *ret)
{
    static const struct extension extensions[] = {
        {NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
        {NID_key_usage, "critical,keyCertSign,cRLSign"},
        {NID_subject_key_identifier, "hash"},
    };
    return issue(ret, NULL, "Cairn local authority", CA_DAYS, extensions, COUNT_OF(extensions));
}

static bool issue_server(struct identity *ret, const struct identity *ca, const char *alt_names)
{
    const struct extension extensions[] = {
        {NID_basic_constraints, "critical,CA:FALSE"},
        {NID_key_usage, "critical,digitalSignature"},
        {NID_ext_key_usage, "serverAuth"},
        {NID_subject_key_identifier, "hash"},
        {NID_authority_key_identifier, "keyid"},
        {NID_subject_alt_name, alt_names},
    };
    return issue(ret, ca, "Cairn server", SERVER_DAYS, extensions, COUNT_OF(extensions));
}

/* ---- names ---- */

static bool is_ip(const char *name)
{
    struct in6_addr ignored;
    return inet_pton(AF_INET, name, &ignored) == 1 || inet_pton(AF_INET6, name, &ignored) == 1;
}

/* is_dns: also keeps names from smuggling commas into the extension's text. */
static bool is_dns(const char *name)
{
    size_t len = strlen(name);
    const char *rest = strncmp(name, "*.", 2) == 0 ? name + 2 : name;
    return len > 0 && len <= 253 && *rest != 0 && *rest != '.' &&
           strspn(rest, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") ==
               strlen(rest);
}

static err format_names(struct buf *out, const char *const *names, size_t count)
{
    if (count == 0 || count > NAMES_MAX) {
        return fail(ERR_USAGE);
    }
    for (size_t i = 0; i < count; i++) {
        bool ip = is_ip(names[i]);
        if (!ip && !is_dns(names[i])) {
            log_error("tls", "no name for a certificate: \"%s\"", names[i]);
            return fail(ERR_USAGE);
        }
        buf_format(out, "%s%s:%s", i == 0 ? "" : ",", ip ? "IP" : "DNS", names[i]);
    }
    buf_put_u8(out, 0);
    return buf_done(out);
}

/* ---- files ---- */

static err write_pem(const char *dir, const char *name, BIO *pem)
{
    char path[PATH_BYTES_MAX];
    char *data = NULL;
    path_join(path, dir, name);
    long len = BIO_get_mem_data(pem, &data);
    return len > 0 ? file_replace(path, bytes_make(data, (size_t)len)) : fail(ERR_IO);
}

/* write_identity: the key first, so that a certificate never stands without one. */
static err write_identity(const char *dir, const char *cert_name, const char *key_name,
                          const struct identity *identity)
{
    BIO *cert = BIO_new(BIO_s_mem());
    BIO *key = BIO_new(BIO_s_secmem());
    err e = fail(ERR_IO);
    if (cert != NULL && key != NULL && PEM_write_bio_X509(cert, identity->cert) == 1 &&
        PEM_write_bio_PrivateKey(key, identity->key, NULL, NULL, 0, NULL, NULL) == 1) {
        e = write_pem(dir, key_name, key);
        if (is_ok(e)) {
            e = write_pem(dir, cert_name, cert);
        }
    }
    BIO_free(cert);
    BIO_free(key);
    return e;
}

static err load_bio(const char *dir, const char *name, struct arena *arena, BIO **ret_bio)
{
    char path[PATH_BYTES_MAX];
    bytes content;
    path_join(path, dir, name);
    TRY(file_load(path, arena, &content));
    *ret_bio = BIO_new_mem_buf(content.data, (int)content.len);
    return *ret_bio != NULL ? ok() : fail(ERR_IO);
}

static err load_ca(const char *dir, struct identity *ret)
{
    struct arena arena;
    arena_init(&arena, PEM_BYTES_MAX);
    BIO *cert = NULL;
    BIO *key = NULL;
    err e = load_bio(dir, "ca.pem", &arena, &cert);
    if (is_ok(e)) {
        e = load_bio(dir, "ca.key", &arena, &key);
    }
    if (is_ok(e)) {
        struct identity ca = {.cert = PEM_read_bio_X509(cert, NULL, NULL, NULL),
                              .key = PEM_read_bio_PrivateKey(key, NULL, NULL, NULL)};
        bool fits =
            ca.cert != NULL && ca.key != NULL && X509_check_private_key(ca.cert, ca.key) == 1;
        e = fits ? ok() : fail(ERR_USAGE);
        *ret = ca;
        if (!fits) {
            identity_free(ret);
        }
    }
    BIO_free(cert);
    BIO_free(key);
    arena_free(&arena);
    return e;
}

static bool both_exist(const char *dir, const char *cert_name, const char *key_name)
{
    char cert[PATH_BYTES_MAX];
    char key[PATH_BYTES_MAX];
    path_join(cert, dir, cert_name);
    path_join(key, dir, key_name);
    return file_exists(cert) && file_exists(key);
}

static err open_ca(const char *dir, bool *ret_made, struct identity *ret)
{
    *ret_made = !both_exist(dir, "ca.pem", "ca.key");
    if (!*ret_made) {
        return load_ca(dir, ret);
    }
    if (!issue_ca(ret)) {
        return fail(ERR_IO);
    }
    err e = write_identity(dir, "ca.pem", "ca.key", ret);
    if (!is_ok(e)) {
        identity_free(ret);
    }
    return e;
}

static err make_server(const char *dir, const struct identity *ca, const char *alt_names)
{
    struct identity server;
    if (!issue_server(&server, ca, alt_names)) {
        return fail(ERR_IO);
    }
    err e = write_identity(dir, "server.pem", "server.key", &server);
    identity_free(&server);
    return e;
}

static err make_all(const char *dir, const char *alt_names)
{
    struct identity ca = {0};
    bool made = false;
    TRY(dir_make(dir));
    TRY(open_ca(dir, &made, &ca));
    err e = ok();
    /* A server certificate of a lost authority is worth nothing. */
    if (made || !both_exist(dir, "server.pem", "server.key")) {
        e = make_server(dir, &ca, alt_names);
    }
    identity_free(&ca);
    return e;
}

err tls_make_authority(const char *dir, const char *const *names, size_t name_count)
{
    struct buf alt_names;
    buf_init(&alt_names, KIB(32));
    err e = format_names(&alt_names, names, name_count);
    if (is_ok(e)) {
        e = make_all(dir, (const char *)alt_names.data);
        if (!is_ok(e)) {
            tls_log_errors(true, "cannot make certificates in", dir);
        }
    }
    buf_free(&alt_names);
    return e;
}

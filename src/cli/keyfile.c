#include "cli/keyfile.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "os/file.h"

#include <ctype.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>

#define KEY_TEXT_BYTES 65 /* digits and a line end */

static err load_hex(const char *path, u8 out[32])
{
    struct stat info;
    struct arena arena;
    bytes text;
    if (stat(path, &info) != 0) {
        return fail(ERR_NOT_FOUND);
    }
    if ((info.st_mode & 077) != 0) {
        log_error("key", "others may read %s; run: chmod 400 %s", path, path);
        return fail(ERR_REFUSED);
    }
    arena_init(&arena, KIB(4));
    err e = file_load(path, &arena, &text);
    if (is_ok(e)) {
        bool line = text.len == KEY_TEXT_BYTES && text.data[KEY_TEXT_BYTES - 1] == '\n';
        size_t digits = line ? KEY_TEXT_BYTES - 1 : text.len;
        e = hex_decode(out, 32, bytes_slice(text, 0, digits)) ? ok() : fail(ERR_MALFORMED);
    }
    if (arena.used_bytes != 0 && text.len != 0) {
        mem_wipe((void *)(uintptr_t)text.data, text.len);
    }
    arena_free(&arena);
    return e;
}

static err save_hex(const char *path, const u8 in[32])
{
    char text[KEY_TEXT_BYTES + 1];
    if (file_exists(path)) {
        return fail(ERR_EXISTS);
    }
    hex_encode(text, sizeof text, bytes_make(in, 32));
    text[KEY_TEXT_BYTES - 1] = '\n';
    err e = file_replace(path, bytes_make(text, KEY_TEXT_BYTES));
    mem_wipe(text, sizeof text);
    TRY(e);
    return chmod(path, 0400) == 0 ? ok() : fail(ERR_IO);
}

static err random_bytes(u8 out[32]) { return getrandom(out, 32, 0) == 32 ? ok() : fail(ERR_IO); }

err key_load(const char *path, struct secp_secret *ret_secret)
{
    u8 raw[32];
    TRY(load_hex(path, raw));
    bool fine = secp_secret_from(ret_secret, raw);
    mem_wipe(raw, sizeof raw);
    return fine ? ok() : fail(ERR_MALFORMED);
}

err key_of_role(const char *path, const char *name, struct secp_secret *ret_secret)
{
    char credential[PATH_BYTES_MAX];
    const char *folder = getenv("CREDENTIALS_DIRECTORY");
    if (path == NULL && folder == NULL) {
        log_error("key", "no --key and no $CREDENTIALS_DIRECTORY");
        return fail(ERR_USAGE);
    }
    if (path == NULL) {
        path_join(credential, folder, name);
        path = credential;
    }
    return key_load(path, ret_secret);
}

err key_save(const char *path, const struct secp_secret *secret)
{
    return save_hex(path, secret->b);
}

err key_make(const char *path, struct secp_secret *ret_secret)
{
    u8 raw[32];
    do {
        TRY(random_bytes(raw));
    } while (!secp_secret_from(ret_secret, raw));
    mem_wipe(raw, sizeof raw);
    return path == NULL ? ok() : key_save(path, ret_secret);
}

err master_load(const char *path, struct master_key *ret_master)
{
    return load_hex(path, ret_master->b);
}

err master_save(const char *path, const struct master_key *master)
{
    return save_hex(path, master->b);
}

err master_make(const char *path, struct master_key *ret_master)
{
    TRY(random_bytes(ret_master->b));
    return save_hex(path, ret_master->b);
}

void key_derive_box(struct x_secret *ret_box, const struct secp_secret *secret)
{
    hkdf_sha256(ret_box->b, sizeof ret_box->b, bytes_make(secret->b, 32), bytes_make(NULL, 0),
                bytes_str("cairn gateway box key v1"));
}

void key_derive_signer(struct secp_secret *ret_signer, const struct secp_secret *secret)
{
    u8 raw[32];
    u8 info[] = "cairn receipt signer v1 ";
    do {
        info[sizeof info - 2]++; /* practically never more than once */
        hkdf_sha256(raw, sizeof raw, bytes_make(secret->b, 32), bytes_make(NULL, 0),
                    bytes_make(info, sizeof info - 1));
    } while (!secp_secret_from(ret_signer, raw));
    mem_wipe(raw, sizeof raw);
}

void key_address_text(char out[43], const struct address *address)
{
    struct hash digest;
    out[0] = '0';
    out[1] = 'x';
    hex_encode(out + 2, 41, BYTES_OF(*address));
    keccak256(&digest, bytes_make(out + 2, 40));
    for (size_t i = 0; i < 40; i++) {
        u8 nibble = digest.b[i / 2] >> (i % 2 == 0 ? 4 : 0) & 15;
        if (nibble >= 8) {
            out[2 + i] = (char)toupper(out[2 + i]);
        }
    }
}

/* passphrase.h: asking a person for a passphrase, or reading it from a file. */
#ifndef CLI_PASSPHRASE_H
#define CLI_PASSPHRASE_H

#include "base/bytes.h"

#define PASSPHRASE_BYTES_MAX 1024

struct passphrase {
    char text[PASSPHRASE_BYTES_MAX];
    size_t len;
};

/* passphrase_get: the first line of `path`, or without one from the terminal, unseen; with
 * `confirm` asked twice. ERR_USAGE: no file and no terminal, empty, too long, or the two differ
 * (logged). */
err passphrase_get(struct passphrase *ret, const char *path, bool confirm);
void passphrase_wipe(struct passphrase *passphrase);
static inline bytes passphrase_bytes(const struct passphrase *passphrase)
{
    return bytes_make(passphrase->text, passphrase->len);
}

#endif

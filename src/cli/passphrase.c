#include "cli/passphrase.h"

#include "base/log.h"
#include "base/mem.h"
#include "os/terminal.h"

#include <stdio.h>
#include <termios.h>
#include <unistd.h>

static err read_line(FILE *in, struct passphrase *ret)
{
    if (fgets(ret->text, sizeof ret->text, in) == NULL) {
        return fail(ERR_USAGE);
    }
    size_t len = strlen(ret->text);
    if (len + 1 == sizeof ret->text && ret->text[len - 1] != '\n') {
        log_error("key", "a passphrase has at most %d characters", PASSPHRASE_BYTES_MAX - 2);
        return fail(ERR_USAGE);
    }
    while (len > 0 && (ret->text[len - 1] == '\n' || ret->text[len - 1] == '\r')) {
        ret->text[--len] = '\0';
    }
    ret->len = len;
    return ok();
}

static err ask(const char *question, struct passphrase *ret)
{
    struct termios shown;
    if (!terminal_is_tty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &shown) != 0) {
        log_error("key", "no terminal to ask for the passphrase: use --passphrase-file");
        return fail(ERR_USAGE);
    }
    struct termios unseen = shown;
    unseen.c_lflag &= (tcflag_t)~ECHO;
    fputs(question, stderr);
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &unseen);
    err e = read_line(stdin, ret);
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
    fputc('\n', stderr);
    return e;
}

static err ask_twice(struct passphrase *ret)
{
    struct passphrase again = {.len = 0};
    TRY(ask("Passphrase: ", ret));
    err e = ask("The same again: ", &again);
    if (is_ok(e) && !bytes_eq(passphrase_bytes(ret), passphrase_bytes(&again))) {
        log_error("key", "the two passphrases differ");
        e = fail(ERR_USAGE);
    }
    passphrase_wipe(&again);
    return e;
}

static err from_file(struct passphrase *ret, const char *path)
{
    FILE *in = fopen(path, "re");
    if (in == NULL) {
        log_error("key", "cannot read %s", path);
        return fail(ERR_NOT_FOUND);
    }
    err e = read_line(in, ret);
    (void)fclose(in); /* only read */
    return e;
}

err passphrase_get(struct passphrase *ret, const char *path, bool confirm)
{
    *ret = (struct passphrase){.len = 0};
    err e = path != NULL ? from_file(ret, path)
            : confirm    ? ask_twice(ret)
                         : ask("Passphrase: ", ret);
    if (is_ok(e) && ret->len == 0) {
        log_error("key", "the passphrase is empty");
        e = fail(ERR_USAGE);
    }
    return e;
}

void passphrase_wipe(struct passphrase *passphrase) { mem_wipe(passphrase, sizeof *passphrase); }

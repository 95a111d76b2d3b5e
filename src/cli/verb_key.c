/* verb_key.c: `cairn key`: account keys and master keys as files, and their backups. */
#include "cli/direct.h"
#include "cli/envelope_drop.h"
#include "cli/keyfile.h"
#include "cli/passphrase.h"
#include "cli/verbs.h"

#include "base/mem.h"
#include "os/file.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define BACKUP_BYTES_MAX KIB(4)
#define KEY_SUFFIX ".key"
#define MASTER_SUFFIX ".master"

static struct {
    const char *dir;
    const char *to;
    const char *passphrase_file;
    const char *words_file;
    bool master;
} options;

static const struct flag make_flags[] = {
    {"dir", FLAG_TEXT, &options.dir, "DIR",
     "key folder (default $CAIRN_KEYS, ~/.config/cairn/keys)"},
    {"master", FLAG_BOOL, &options.master, NULL,
     "a master key, from which an owner's data keys come"},
    {NULL, FLAG_BOOL, NULL, NULL, NULL},
};
static const struct flag import_flags[] = {
    {"dir", FLAG_TEXT, &options.dir, "DIR", "key folder"},
    {"master", FLAG_BOOL, &options.master, NULL, "what is imported is a master key"},
    {"words-file", FLAG_TEXT, &options.words_file, "FILE",
     "24 words of a master key instead of a backup"},
    {"passphrase-file", FLAG_TEXT, &options.passphrase_file, "FILE",
     "its first line; default: asked"},
    {NULL, FLAG_BOOL, NULL, NULL, NULL},
};
static const struct flag export_flags[] = {
    {"dir", FLAG_TEXT, &options.dir, "DIR", "key folder"},
    {"master", FLAG_BOOL, &options.master, NULL, "the master key of that name"},
    {"to", FLAG_TEXT, &options.to, "FILE", "where the backup goes"},
    {"passphrase-file", FLAG_TEXT, &options.passphrase_file, "FILE",
     "its first line; default: asked"},
    {NULL, FLAG_BOOL, NULL, NULL, NULL},
};
static const struct flag recover_flags[] = {
    {"dir", FLAG_TEXT, &options.dir, "DIR", "key folder"},
    {"passphrase-file", FLAG_TEXT, &options.passphrase_file, "FILE",
     "its first line; default: asked"},
    CLIENT_CHAIN_FLAGS,
    CLIENT_KEY_FLAG,
    {NULL, FLAG_BOOL, NULL, NULL, NULL},
};
static const struct flag list_flags[] = {
    {"dir", FLAG_TEXT, &options.dir, "DIR", "key folder"},
    {NULL, FLAG_BOOL, NULL, NULL, NULL},
};

static const char *suffix(void) { return options.master ? MASTER_SUFFIX : KEY_SUFFIX; }
static const char *kind(void) { return options.master ? "master" : "account"; }

/* The folder of named keys; ERR_USAGE without --dir, $CAIRN_KEYS and $HOME. */
static err key_folder(char out[PATH_BYTES_MAX])
{
    const char *home = getenv("HOME");
    const char *dir = options.dir != NULL ? options.dir : getenv("CAIRN_KEYS");
    if (dir == NULL && home == NULL) {
        return fail(ERR_USAGE);
    }
    int len = dir != NULL ? snprintf(out, PATH_BYTES_MAX, "%s", dir)
                          : snprintf(out, PATH_BYTES_MAX, "%s/.config/cairn/keys", home);
    return len < PATH_BYTES_MAX ? ok() : fail(ERR_USAGE);
}

static bool name_fits(const char *name)
{
    size_t len = strlen(name);
    return len > 0 && len <= 64 && name[0] != '.' && strchr(name, '/') == NULL;
}

/* Path of the key called `name`; false: an error was printed and *ret_status set. */
static bool key_path(const struct cli *cli, const char *name, char out[PATH_BYTES_MAX],
                     int *ret_status)
{
    char dir[PATH_BYTES_MAX];
    char file[96];
    if (!name_fits(name)) {
        *ret_status = cli_usage(cli, "'%s' is no name for a key", name);
        return false;
    }
    err e = key_folder(dir);
    if (is_ok(e)) {
        e = dir_make(dir);
    }
    if (!is_ok(e)) {
        *ret_status = cli_fail(cli, e, "name one with --dir", "there is no key folder");
        return false;
    }
    snprintf(file, sizeof file, "%s%s", name, suffix());
    path_join(out, dir, file);
    return true;
}

static void tell(const struct cli *cli, const char *path, const char *address, const char *words)
{
    cli_print(cli, "%s key in %s\n", options.master ? "master" : "account", path);
    if (address != NULL) {
        cli_print(cli, "address %s\n", address);
    }
    if (words != NULL) {
        cli_print(cli, "its 24 words, shown only now; whoever has them has the data:\n\n  %s\n",
                  words);
    }
    json_t *answer = json_pack("{s:s, s:s}", "kind", kind(), "file", path);
    if (address != NULL) {
        json_object_set_new(answer, "address", json_string(address));
    }
    if (words != NULL) {
        json_object_set_new(answer, "words", json_string(words));
    }
    cli_print_json(cli, answer);
}

static int save(const struct cli *cli, const char *path, const u8 raw[32], bool show_words)
{
    struct secp_secret secret;
    struct master_key master;
    char address[43];
    char words[MNEMONIC_TEXT_BYTES];
    err e;
    memcpy(master.b, raw, 32);
    if (options.master) {
        e = master_save(path, &master);
        master_to_words(words, &master);
    } else {
        struct address account;
        e = secp_secret_from(&secret, raw) ? key_save(path, &secret) : fail(ERR_MALFORMED);
        if (is_ok(e)) {
            secp_address_of_secret(&account, &secret);
            key_address_text(address, &account);
        }
    }
    mem_wipe(&master, sizeof master);
    mem_wipe(&secret, sizeof secret);
    int status = 0;
    if (is_ok(e)) {
        tell(cli, path, options.master ? NULL : address,
             options.master && show_words ? words : NULL);
    } else {
        status = cli_fail(cli, e, is_err(e, ERR_EXISTS) ? "keys are never overwritten" : NULL,
                          "cannot write %s: %s", path, err_text(e));
    }
    mem_wipe(words, sizeof words);
    return status;
}

static int run_make(struct cli *cli)
{
    char path[PATH_BYTES_MAX];
    int status;
    u8 raw[32];
    if (!cli_parse(cli, 1, 1)) {
        return 2;
    }
    if (!key_path(cli, cli->positionals[0], path, &status)) {
        return status;
    }
    if (getrandom(raw, sizeof raw, 0) != sizeof raw) {
        return cli_fail(cli, fail(ERR_IO), NULL, "no entropy");
    }
    status = save(cli, path, raw, true);
    mem_wipe(raw, sizeof raw);
    return status;
}

/* ---- backups ---- */

static err write_backup(const char *to, const struct envelope *envelope, const char *address)
{
    return file_exists(to) ? fail(ERR_EXISTS) : envelope_text_write(to, kind(), address, envelope);
}

static err load_raw(const char *path, u8 out[32], char address[43])
{
    struct master_key master;
    struct secp_secret secret;
    if (options.master) {
        TRY(master_load(path, &master));
        memcpy(out, master.b, 32);
        mem_wipe(&master, sizeof master);
        return ok();
    }
    struct address account;
    TRY(key_load(path, &secret));
    secp_address_of_secret(&account, &secret);
    key_address_text(address, &account);
    memcpy(out, secret.b, 32);
    secp_secret_wipe(&secret);
    return ok();
}

static err seal(const u8 raw[32], struct envelope *ret)
{
    struct passphrase passphrase;
    struct master_key master;
    u8 random[40];
    TRY(passphrase_get(&passphrase, options.passphrase_file, true));
    memcpy(master.b, raw, 32);
    err e = getrandom(random, sizeof random, 0) == sizeof random ? ok() : fail(ERR_IO);
    if (is_ok(e)) {
        e = envelope_seal(ret, &master, passphrase_bytes(&passphrase), ENVELOPE_PASSES,
                          ENVELOPE_MEMORY_KIB, random);
    }
    passphrase_wipe(&passphrase);
    mem_wipe(&master, sizeof master);
    return e;
}

static int run_export(struct cli *cli)
{
    char path[PATH_BYTES_MAX];
    char address[43];
    u8 raw[32];
    int status;
    struct envelope envelope;
    if (!cli_parse(cli, 1, 1)) {
        return 2;
    }
    if (options.to == NULL) {
        return cli_usage(cli, "--to FILE is needed");
    }
    if (!key_path(cli, cli->positionals[0], path, &status)) {
        return status;
    }
    err e = load_raw(path, raw, address);
    if (!is_ok(e)) {
        return cli_fail(cli, e, "see: cairn key list", "cannot read %s: %s", path, err_text(e));
    }
    e = seal(raw, &envelope);
    mem_wipe(raw, sizeof raw);
    if (is_ok(e)) {
        e = write_backup(options.to, &envelope, options.master ? NULL : address);
    }
    if (!is_ok(e)) {
        return cli_fail(cli, e, NULL, "no backup written to %s: %s", options.to, err_text(e));
    }
    cli_print(cli, "%s key %s sealed under the passphrase in %s\n", kind(), cli->positionals[0],
              options.to);
    cli_print_json(cli, json_pack("{s:s, s:s}", "kind", kind(), "file", options.to));
    return 0;
}

static err open_backup(const char *from, u8 out[32])
{
    struct envelope envelope;
    struct passphrase passphrase;
    struct master_key master;
    TRY(envelope_text_read(from, kind(), &envelope));
    TRY(passphrase_get(&passphrase, options.passphrase_file, false));
    err e = envelope_open(&master, BYTES_OF(envelope), passphrase_bytes(&passphrase));
    passphrase_wipe(&passphrase);
    if (is_ok(e)) {
        memcpy(out, master.b, 32);
        mem_wipe(&master, sizeof master);
    }
    return e;
}

static err read_words(const char *from, u8 out[32])
{
    struct arena arena;
    bytes text;
    u8 word = 0;
    struct master_key master;
    arena_init(&arena, BACKUP_BYTES_MAX);
    err e = file_load(from, &arena, &text);
    if (is_ok(e)) {
        e = master_from_words(&master, text, &word) == MNEMONIC_OK ? ok() : fail(ERR_MALFORMED);
        mem_wipe((void *)(uintptr_t)text.data, text.len);
    }
    arena_free(&arena);
    if (is_ok(e)) {
        memcpy(out, master.b, 32);
        mem_wipe(&master, sizeof master);
    }
    return e;
}

static int run_import(struct cli *cli)
{
    char path[PATH_BYTES_MAX];
    u8 raw[32];
    int status;
    if (!cli_parse(cli, 1, 2)) {
        return 2;
    }
    const char *from = cli->positional_count == 2 ? cli->positionals[1] : options.words_file;
    if (from == NULL || (cli->positional_count == 2) == (options.words_file != NULL)) {
        return cli_usage(cli, "give either a backup file or --words-file");
    }
    options.master |= options.words_file != NULL;
    if (!key_path(cli, cli->positionals[0], path, &status)) {
        return status;
    }
    err e = options.words_file != NULL ? read_words(from, raw) : open_backup(from, raw);
    if (!is_ok(e)) {
        const char *hint = is_err(e, ERR_INTEGRITY) ? "the passphrase is wrong, or it is damaged"
                           : is_err(e, ERR_USAGE)   ? "is it the other kind? see --master"
                                                    : NULL;
        return cli_fail(cli, e, hint, "cannot import %s: %s", from, err_text(e));
    }
    status = save(cli, path, raw, false);
    mem_wipe(raw, sizeof raw);
    return status;
}

/* ---- out of the network ---- */

static struct master_key recovered;

static err recover(struct client *client)
{
    return direct_master(client, options.passphrase_file, &recovered);
}

static int run_recover(struct cli *cli)
{
    char path[PATH_BYTES_MAX];
    int status;
    if (!cli_parse(cli, 1, 1)) {
        return 2;
    }
    options.master = true;
    if (!key_path(cli, cli->positionals[0], path, &status)) {
        return status;
    }
    status = client_main(cli, recover);
    if (status == 0) {
        status = save(cli, path, recovered.b, false);
    }
    mem_wipe(&recovered, sizeof recovered);
    return status;
}

/* ---- listing ---- */

struct listing {
    const struct cli *cli;
    const char *dir;
};

static bool ends_with(const char *text, const char *end)
{
    return bytes_ends_with(bytes_str(text), bytes_str(end));
}

static err list_one(void *ctx, const char *file)
{
    const struct listing *listing = ctx;
    bool is_key = ends_with(file, KEY_SUFFIX);
    bool is_master = ends_with(file, MASTER_SUFFIX);
    if (!is_key && !is_master) {
        return ok();
    }
    char path[PATH_BYTES_MAX];
    char address[43] = "";
    int len = (int)(strlen(file) - strlen(is_key ? KEY_SUFFIX : MASTER_SUFFIX));
    struct secp_secret secret;
    path_join(path, listing->dir, file);
    if (is_key && is_ok(key_load(path, &secret))) {
        struct address account;
        secp_address_of_secret(&account, &secret);
        key_address_text(address, &account);
        secp_secret_wipe(&secret);
    }
    const char *type = is_key ? "account" : "master";
    cli_print(listing->cli, "%-20.*s %-8s %s\n", len, file, type, address);
    json_t *line =
        json_pack("{s:s%, s:s, s:s}", "name", file, (size_t)len, "kind", type, "file", path);
    if (is_key) {
        json_object_set_new(line, "address", json_string(address));
    }
    cli_print_json(listing->cli, line);
    return ok();
}

static int run_list(struct cli *cli)
{
    char dir[PATH_BYTES_MAX];
    if (!cli_parse(cli, 0, 0)) {
        return 2;
    }
    err e = key_folder(dir);
    if (is_ok(e) && file_exists(dir)) {
        struct listing listing = {.cli = cli, .dir = dir};
        e = dir_each(dir, list_one, &listing);
    }
    return is_ok(e) ? 0 : cli_fail(cli, e, "name one with --dir", "cannot list the key folder");
}

static const struct verb key_make_verb = {
    .name = "key make",
    .arguments = "NAME [FLAGS]",
    .summary = "makes a key",
    .examples = "  cairn key make alice\n  cairn key make alice --master",
    .flags = make_flags,
    .run = run_make,
};
static const struct verb key_import_verb = {
    .name = "key import",
    .arguments = "NAME [BACKUP] [FLAGS]",
    .summary = "takes a key from a backup or from its words",
    .examples = "  cairn key import alice alice.json\n"
                "  cairn key import alice --words-file words.txt",
    .flags = import_flags,
    .run = run_import,
};
static const struct verb key_export_verb = {
    .name = "key export",
    .arguments = "NAME --to FILE [FLAGS]",
    .summary = "writes a backup sealed under a passphrase (Argon2id, XChaCha20-Poly1305)",
    .examples = "  cairn key export alice --to alice.json\n"
                "  cairn key export alice --master --to master.json --passphrase-file pass.txt",
    .flags = export_flags,
    .run = run_export,
};
static const struct verb key_recover_verb = {
    .name = "key recover",
    .arguments = "NAME --key FILE [FLAGS]",
    .summary = "brings a lost master key back from ledger and network",
    .text =
        "For owners who keep its envelope there (cairn gateway envelope): the account key finds "
        "it,\n"
        "the passphrase opens it.",
    .examples = "  cairn key recover alice --key alice.key --passphrase-file pass.txt",
    .flags = recover_flags,
    .run = run_recover,
};
static const struct verb key_list_verb = {
    .name = "key list",
    .summary = "lists the keys of a folder",
    .arguments = "[FLAGS]",
    .examples = "  cairn key list --json",
    .flags = list_flags,
    .run = run_list,
};

static const struct verb *const parts[] = {
    &key_make_verb, &key_import_verb, &key_export_verb, &key_recover_verb, &key_list_verb, NULL,
};

const struct verb verb_key = {
    .name = "key",
    .arguments = "make|import|export|recover|list …",
    .summary = "makes, imports, exports, recovers and lists keys",
    .text =
        "An account key is a secp256k1 secret: an Ethereum account. A master key is what an "
        "owner's\n"
        "data keys are derived from; it is shown once as 24 words and belongs to no account. Both\n"
        "are files that only their user may read, in a folder of named keys.",
    .examples = "  cairn key make alice\n  cairn key list",
    .parts = parts,
};

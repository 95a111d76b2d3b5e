/* verb_get.c: `cairn get`: an object into a file, through a gateway or without any. */
#include "cli/direct.h"
#include "cli/keyfile.h"
#include "cli/progress.h"
#include "cli/s3_client.h"
#include "cli/verbs.h"

#include "base/mem.h"
#include "crypto/hash.h"
#include "os/file.h"

#include <stdlib.h>
#include <string.h>

#define PIECE_BYTES KIB(256)
#define MANIFEST_ARENA_BYTES MIB(96)
#define PART_SUFFIX ".part"

static struct {
    bool direct;
} options;

static const struct flag flags[] = {
    {"direct", FLAG_BOOL, &options.direct, NULL,
     "from ledger and storage nodes, without a gateway"},
    S3_CLIENT_FLAGS,
    CLIENT_CHAIN_FLAGS,
    CLIENT_KEY_FLAG,
    CLIENT_MASTER_FLAG,
    {NULL, FLAG_BOOL, NULL, NULL, NULL},
};

/* Where the bytes go: a file that gets its name when all of it is there, or standard output. */
struct target {
    struct client *client;
    const char *path; /* "-": standard output */
    char part[PATH_BYTES_MAX];
    struct file *file;
    u64 length;
    struct digest sha256;
    struct progress progress;
};

static err target_open(struct target *target, const char *label, u64 total)
{
    digest_init(&target->sha256, DIGEST_SHA256);
    progress_begin(&target->progress, target->client->cli, target->client->loop, label, total);
    if (strcmp(target->path, "-") == 0) {
        return ok();
    }
    int len = snprintf(target->part, sizeof target->part, "%s" PART_SUFFIX, target->path);
    if (len < 0 || (size_t)len >= sizeof target->part) {
        return fail(ERR_USAGE);
    }
    TRY(file_open(target->part, FILE_CREATE, &target->file));
    return file_truncate(target->file, 0);
}

static err target_write(void *ctx, bytes piece)
{
    struct target *target = ctx;
    digest_update(&target->sha256, piece);
    if (target->file != NULL) {
        TRY(file_write_at(target->file, target->length, piece));
    } else if (fwrite(piece.data, 1, piece.len, stdout) != piece.len) {
        return fail(ERR_IO);
    }
    target->length += piece.len;
    progress_add(&target->progress, piece.len);
    return ok();
}

/* Nothing is left of a file that did not come whole. */
static err target_close(struct target *target, err e, u64 *ret_rate, char ret_sha256[65])
{
    struct hash hash;
    *ret_rate = progress_end(&target->progress);
    digest_final(&target->sha256, hash.b);
    hex_encode(ret_sha256, 65, BYTES_OF(hash));
    if (target->file == NULL) {
        return is_ok(e) && fflush(stdout) != 0 ? fail(ERR_IO) : e;
    }
    if (is_ok(e)) {
        e = file_sync(target->file);
    }
    file_close(target->file);
    target->file = NULL;
    if (is_ok(e)) {
        return file_rename(target->part, target->path);
    }
    IGNORE(file_remove(target->part)); /* the first fault is the one to tell */
    return e;
}

static void tell(const struct target *target, const char *name, u64 rate, const char *sha256)
{
    char size[32];
    char speed[32];
    const struct cli *cli = target->client->cli;
    if (strcmp(target->path, "-") == 0) {
        return;
    }
    cli_size(size, target->length);
    cli_size(speed, rate);
    cli_print(cli, "%s -> %s  %s, %s/s\n", name, target->path, size, speed);
    cli_print_json(cli,
                   json_pack("{s:s, s:s, s:I, s:I, s:s, s:b}", "object", name, "file", target->path,
                             "size", (json_int_t)target->length, "bytes_per_second",
                             (json_int_t)rate, "sha256", sha256, "direct", options.direct));
}

/* ---- through the gateway ---- */

static err receive(struct s3_client *s3, struct http_call *http, struct target *target)
{
    u64 total = http_call_length(http);
    u8 *piece = mem_alloc(PIECE_BYTES);
    size_t got = 1;
    err e = ok();
    while (is_ok(e) && got > 0) {
        http_call_set_deadline(http, loop_now_ms(s3->loop) + S3_CLIENT_IDLE_MS);
        e = http_call_read(http, piece, PIECE_BYTES, &got);
        if (is_ok(e) && got > 0) {
            e = target_write(target, bytes_make(piece, got));
        }
    }
    mem_free(piece);
    if (is_ok(e) && total != HTTP_UNKNOWN_LENGTH && target->length != total) {
        e = fail(ERR_CLOSED);
    }
    return e;
}

static err get_through(struct client *client, const char *name, const char *bucket, bytes key,
                       struct target *target)
{
    struct s3_client s3;
    struct s3_failure failure = {.status = 0};
    struct http_call *http = NULL;
    u64 rate;
    char sha256[65];
    const struct s3_call call = {.method = "GET", .bucket = bucket, .key = key};
    TRY(s3_client_open(client, client->loop, &s3));
    err e = s3_open(&s3, &call, &http);
    if (is_ok(e)) {
        e = http_call_finish(http, NULL, 0);
    }
    if (is_ok(e)) {
        e = s3_answer(&s3, http, &failure);
    }
    if (is_ok(e)) {
        e = target_open(target, name, http_call_length(http));
        if (is_ok(e)) {
            e = receive(&s3, http, target);
        }
        e = target_close(target, e, &rate, sha256);
    }
    if (http != NULL) {
        http_call_close(http);
    }
    s3_client_close(&s3);
    if (!is_ok(e)) {
        return s3_fail(client, e, &failure, name);
    }
    tell(target, name, rate, sha256);
    return ok();
}

/* ---- without one ---- */

static err load_master(struct client *client, struct master_key *ret)
{
    const char *path = client_options.master;
    if (path == NULL) {
        path = client_setting(client, "owner", "master_file");
    }
    if (path == NULL) {
        return client_fail(client, fail(ERR_USAGE), "give --master FILE", "no master key is known");
    }
    err e = master_load(path, ret);
    return is_ok(e) ? e : client_fail(client, e, NULL, "cannot read the master key %s", path);
}

static err read_object(struct direct *direct, const char *bucket_name, bytes key,
                       struct target *target, const char *name)
{
    struct direct_bucket bucket;
    struct manifest manifest;
    struct arena arena;
    u64 rate;
    char sha256[65];
    TRY(direct_bucket(direct, bucket_name, &bucket));
    arena_init(&arena, MANIFEST_ARENA_BYTES);
    err e = direct_find(direct, &bucket, key, &arena, &manifest);
    if (is_ok(e)) {
        e = target_open(target, name, manifest.size);
        if (is_ok(e)) {
            e = direct_read(direct, &bucket, &manifest, target_write, target);
        }
        e = target_close(target, e, &rate, sha256);
    }
    arena_free(&arena);
    mem_wipe(&bucket.key, sizeof bucket.key);
    if (is_ok(e)) {
        tell(target, name, rate, sha256);
    }
    return e;
}

static err get_direct(struct client *client, const char *name, const char *bucket, bytes key,
                      struct target *target)
{
    struct master_key master;
    struct direct direct;
    TRY(client_open(client, client->loop));
    TRY(load_master(client, &master));
    err e = direct_open(&direct, client, &master);
    mem_wipe(&master, sizeof master);
    if (is_ok(e)) {
        e = read_object(&direct, bucket, key, target, name);
    }
    loop_stop(client->loop);
    direct_close(&direct);
    return is_ok(e) ? e : client_fail(client, e, NULL, "%s: %s", name, err_text(e));
}

/* ---- the verb ---- */

static const char *base_name(const char *bucket_key)
{
    const char *slash = strrchr(bucket_key, '/');
    return slash != NULL ? slash + 1 : bucket_key;
}

static err get(struct client *client)
{
    const struct cli *cli = client->cli;
    const char *name = cli->positionals[0];
    char bucket[S3_CLIENT_BUCKET_BYTES_MAX + 1];
    bytes key;
    struct target target = {.client = client};
    if (!s3_split(name, bucket, &key) || key.len == 0) {
        return client_fail(client, fail(ERR_USAGE), NULL, "'%s' is no BUCKET/KEY", name);
    }
    target.path = cli->positional_count == 2 ? cli->positionals[1] : base_name(name);
    if (target.path[0] == '\0') {
        return client_fail(client, fail(ERR_USAGE), "name a file behind it", "'%s' names no file",
                           name);
    }
    return options.direct ? get_direct(client, name, bucket, key, &target)
                          : get_through(client, name, bucket, key, &target);
}

static int run(struct cli *cli) { return cli_parse(cli, 1, 2) ? client_main_offline(cli, get) : 2; }

const struct verb verb_get = {
    .name = "get",
    .arguments = "BUCKET/KEY [FILE] [FLAGS]",
    .summary = "reads an object into a file, through a gateway or without any",
    .text =
        "FILE is - for standard output; without it the last part of the key names it. With "
        "--direct\n"
        "only the ledger, the storage nodes and the owner's keys are needed: every gateway may be\n"
        "gone.",
    .examples = "  cairn get pictures/photo.jpg\n  cairn get backups/big.iso - | sha256sum\n"
                "  cairn get --direct pictures/photo.jpg --key owner.key --master owner.master",
    .flags = flags,
    .run = run,
};

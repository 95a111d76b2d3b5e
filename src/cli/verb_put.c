/* verb_put.c: `cairn put`: files into a bucket, through the gateway. */
#include "cli/progress.h"
#include "cli/s3_client.h"
#include "cli/verbs.h"

#include "base/mem.h"
#include "codec/xml.h"
#include "crypto/hash.h"
#include "os/file.h"

#include <string.h>
#include <sys/stat.h>

#define PIECE_BYTES KIB(256)
#define PART_BYTES MIB(256)
#define SINGLE_BYTES_MAX GIB(1) /* larger files go in parts */
#define ANSWER_BYTES_MAX KIB(64)

static struct {
    bool create;
    const char *type;
} options;

static const struct flag flags[] = {
    {"create", FLAG_BOOL, &options.create, NULL, "make the bucket if it is not there"},
    {"type", FLAG_TEXT, &options.type, "TYPE", "Content-Type"},
    S3_CLIENT_FLAGS,
    {"devnet", FLAG_TEXT, &client_options.devnet, "FILE", "devnet.json with the defaults"},
    {NULL, FLAG_BOOL, NULL, NULL, NULL},
};

struct put {
    struct client *client;
    struct s3_client s3;
    struct s3_failure failure;
    struct file *file;
    u64 size;
    char bucket[S3_CLIENT_BUCKET_BYTES_MAX + 1];
    char key[S3_CLIENT_KEY_BYTES_MAX + 1];
    struct progress progress;
    u8 *piece;
};

/* One range of the file as the body of a call; *ret_md5 is what went out. */
static err send_range(struct put *put, const struct s3_call *call, u64 offset, u64 length,
                      u8 ret_md5[16], struct http_call **ret_http)
{
    struct digest digest;
    struct http_call *http;
    TRY(s3_open(&put->s3, call, &http));
    digest_init(&digest, DIGEST_MD5);
    err e = ok();
    for (u64 sent = 0; is_ok(e) && sent < length;) {
        size_t len = (size_t)min_u64(PIECE_BYTES, length - sent);
        e = file_read_at(put->file, offset + sent, put->piece, len);
        if (is_ok(e)) {
            bytes piece = bytes_make(put->piece, len);
            digest_update(&digest, piece);
            http_call_set_deadline(http, loop_now_ms(put->s3.loop) + S3_CLIENT_IDLE_MS);
            e = http_call_write(http, piece);
        }
        sent += len;
        progress_add(&put->progress, len);
    }
    digest_final(&digest, ret_md5);
    if (is_ok(e)) {
        e = http_call_finish(http, NULL, 0);
    }
    /* A server that refuses early answers before it has the body. */
    err answered = is_ok(e) || is_err(e, ERR_CLOSED) || is_err(e, ERR_NETWORK)
                       ? s3_answer(&put->s3, http, &put->failure)
                       : e;
    if (!is_ok(answered)) {
        http_call_close(http);
        return answered;
    }
    *ret_http = http;
    return ok();
}

/* The ETag must be that of what was sent. */
static err check_etag(struct http_call *http, const u8 md5[16])
{
    char wanted[35];
    bytes etag = http_call_header(http, "ETag");
    wanted[0] = '"';
    hex_encode(wanted + 1, sizeof wanted - 1, bytes_make(md5, 16));
    wanted[33] = '"';
    wanted[34] = '\0';
    return bytes_eq_str(etag, wanted) ? ok() : fail(ERR_INTEGRITY);
}

static err drain(struct http_call *http)
{
    u8 rest[512];
    size_t got = 1;
    while (got > 0) {
        TRY(http_call_read(http, rest, sizeof rest, &got));
    }
    return ok();
}

static err send_checked(struct put *put, const struct s3_call *call, u64 offset, u64 length,
                        u8 ret_md5[16])
{
    struct http_call *http;
    TRY(send_range(put, call, offset, length, ret_md5, &http));
    err e = check_etag(http, ret_md5);
    if (is_ok(e)) {
        e = drain(http);
    }
    http_call_close(http);
    return e;
}

static struct s3_call object_call(const struct put *put, const char *method)
{
    struct s3_call call = {.method = method, .bucket = put->bucket, .key = bytes_str(put->key)};
    if (options.type != NULL) {
        call.headers[call.header_count++] =
            (struct s3_item){"content-type", bytes_str(options.type)};
    }
    return call;
}

static err put_single(struct put *put)
{
    u8 md5[16];
    struct s3_call call = object_call(put, "PUT");
    call.body_length = put->size;
    return send_checked(put, &call, 0, put->size, md5);
}

/* ---- in parts ---- */

static err begin_upload(struct put *put, struct arena *arena, char **ret_upload)
{
    struct s3_call call = object_call(put, "POST");
    bytes body;
    struct xml_node *root;
    call.query[call.query_count++] = (struct s3_item){"uploads", bytes_str("")};
    TRY(s3_simple(&put->s3, &call, bytes_str(""), arena, &put->failure, &body));
    TRY(xml_parse(arena, body, &root));
    *ret_upload = arena_str(arena, xml_child_text(root, "UploadId"));
    return *ret_upload != NULL && **ret_upload != '\0' ? ok() : fail(ERR_MALFORMED);
}

static err send_parts(struct put *put, const char *upload, struct buf *list)
{
    xml_open(list, "CompleteMultipartUpload");
    for (u64 offset = 0, number = 1; offset < put->size; offset += PART_BYTES, number++) {
        char text[24];
        char etag[33];
        u8 md5[16];
        u64 length = min_u64(PART_BYTES, put->size - offset);
        struct s3_call call = {.method = "PUT",
                               .bucket = put->bucket,
                               .key = bytes_str(put->key),
                               .body_length = length};
        snprintf(text, sizeof text, "%llu", (unsigned long long)number);
        call.query[call.query_count++] = (struct s3_item){"partNumber", bytes_str(text)};
        call.query[call.query_count++] = (struct s3_item){"uploadId", bytes_str(upload)};
        TRY(send_checked(put, &call, offset, length, md5));
        hex_encode(etag, sizeof etag, bytes_make(md5, 16));
        xml_open(list, "Part");
        xml_element_u64(list, "PartNumber", number);
        xml_element(list, "ETag", bytes_str(etag));
        xml_close(list, "Part");
    }
    xml_close(list, "CompleteMultipartUpload");
    return buf_done(list);
}

static err put_parts(struct put *put)
{
    struct arena arena;
    struct buf list;
    char *upload;
    bytes body;
    arena_init(&arena, MIB(4));
    buf_init(&list, MIB(2));
    err e = begin_upload(put, &arena, &upload);
    bool begun = is_ok(e);
    if (begun) {
        e = send_parts(put, upload, &list);
    }
    struct s3_call call = {.method = "POST", .bucket = put->bucket, .key = bytes_str(put->key)};
    call.query[call.query_count++] = (struct s3_item){"uploadId", bytes_str(begun ? upload : "")};
    if (is_ok(e)) {
        e = s3_simple(&put->s3, &call, buf_bytes(&list), &arena, &put->failure, &body);
    } else if (begun) {
        struct s3_failure ignored;
        call.method = "DELETE";
        /* What is left behind by a fault here is only an upload that never ends. */
        IGNORE(s3_simple(&put->s3, &call, bytes_str(""), &arena, &ignored, &body));
    }
    buf_free(&list);
    arena_free(&arena);
    return e;
}

/* ---- one file ---- */

static err make_bucket(struct put *put)
{
    struct arena arena;
    bytes body;
    const struct s3_call call = {.method = "PUT", .bucket = put->bucket};
    arena_init(&arena, ANSWER_BYTES_MAX);
    err e = s3_simple(&put->s3, &call, bytes_str(""), &arena, &put->failure, &body);
    arena_free(&arena);
    return is_err(e, ERR_CONFLICT) && strcmp(put->failure.code, "BucketAlreadyOwnedByYou") == 0
               ? ok()
               : e;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

/* A target that is a bucket or ends in "/" takes the file's own name. */
static err make_key(struct put *put, const char *path, bytes key)
{
    bool whole = key.len > 0 && key.data[key.len - 1] != '/';
    int len = snprintf(put->key, sizeof put->key, "%.*s%s", (int)key.len, (const char *)key.data,
                       whole ? "" : base_name(path));
    return len > 0 && (size_t)len < sizeof put->key ? ok() : fail(ERR_USAGE);
}

static err put_open_file(struct put *put, const char *path)
{
    err e = file_open(path, FILE_READ, &put->file);
    if (is_ok(e)) {
        e = file_size(put->file, &put->size);
    }
    if (is_ok(e)) {
        return e;
    }
    return client_fail(put->client, e, NULL, "cannot read %s: %s", path, err_text(e));
}

static err put_file(struct put *put, const char *path, bytes key)
{
    char size[32];
    char rate[32];
    TRY(put_open_file(put, path));
    err e = make_key(put, path, key);
    progress_begin(&put->progress, put->client->cli, put->s3.loop, base_name(path), put->size);
    if (is_ok(e)) {
        e = put->size > SINGLE_BYTES_MAX ? put_parts(put) : put_single(put);
    }
    u64 per_second = progress_end(&put->progress);
    file_close(put->file);
    put->file = NULL;
    if (!is_ok(e)) {
        return s3_fail(put->client, e, &put->failure, path);
    }
    cli_size(size, put->size);
    cli_size(rate, per_second);
    cli_print(put->client->cli, "%s -> %s/%s  %s, %s/s\n", path, put->bucket, put->key, size, rate);
    cli_print_json(put->client->cli,
                   json_pack("{s:s, s:s, s:s, s:I, s:I}", "file", path, "bucket", put->bucket,
                             "key", put->key, "size", (json_int_t)put->size, "bytes_per_second",
                             (json_int_t)per_second));
    return ok();
}

static err put_all(struct put *put)
{
    const struct cli *cli = put->client->cli;
    size_t files = cli->positional_count - 1;
    const char *target = cli->positionals[files];
    bytes key;
    if (!s3_split(target, put->bucket, &key)) {
        return client_fail(put->client, fail(ERR_USAGE), NULL, "'%s' is no BUCKET/KEY", target);
    }
    if (files > 1 && key.len > 0 && key.data[key.len - 1] != '/') {
        return client_fail(put->client, fail(ERR_USAGE), NULL,
                           "several files need a target that ends in /");
    }
    if (options.create) {
        err e = make_bucket(put);
        if (!is_ok(e)) {
            return s3_fail(put->client, e, &put->failure, put->bucket);
        }
    }
    for (size_t i = 0; i < files; i++) {
        TRY(put_file(put, cli->positionals[i], key));
    }
    return ok();
}

static err run_put(struct client *client)
{
    struct put put = {.client = client};
    TRY(s3_client_open(client, client->loop, &put.s3));
    put.piece = mem_alloc(PIECE_BYTES);
    err e = put_all(&put);
    mem_free(put.piece);
    s3_client_close(&put.s3);
    return e;
}

static int run(struct cli *cli)
{
    return cli_parse(cli, 2, CLI_POSITIONALS_MAX) ? client_main_offline(cli, run_put) : 2;
}

const struct verb verb_put = {
    .name = "put",
    .arguments = "FILE… BUCKET[/KEY] [FLAGS]",
    .summary = "stores files through a gateway",
    .text = "A target that is a bucket or ends in / takes the files' own names. What was stored is "
            "checked\n"
            "against what was sent.",
    .examples = "  cairn put photo.jpg pictures --create\n  cairn put a.iso b.iso backups/isos/",
    .flags = flags,
    .run = run,
};

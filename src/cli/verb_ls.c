/* verb_ls.c: `cairn ls` and `cairn rm`. */
#include "cli/s3_client.h"
#include "cli/verbs.h"

#include "base/mem.h"
#include "codec/xml.h"

#include <string.h>

#define PAGE_BYTES_MAX MIB(8)
#define PAGE_ARENA_BYTES MIB(256)

static struct {
    bool recursive;
    bool bucket;
} options;

static const struct flag ls_flags[] = {
    {"recursive", FLAG_BOOL, &options.recursive, NULL, "all keys, not one level"},
    S3_CLIENT_FLAGS,
    {"devnet", FLAG_TEXT, &client_options.devnet, "FILE", "devnet.json with the defaults"},
    {NULL, FLAG_BOOL, NULL, NULL, NULL},
};
static const struct flag rm_flags[] = {
    {"recursive", FLAG_BOOL, &options.recursive, NULL, "everything that begins with KEY"},
    {"bucket", FLAG_BOOL, &options.bucket, NULL, "the bucket itself, if it is empty"},
    S3_CLIENT_FLAGS,
    {"devnet", FLAG_TEXT, &client_options.devnet, "FILE", "devnet.json with the defaults"},
    {NULL, FLAG_BOOL, NULL, NULL, NULL},
};

struct work {
    struct client *client;
    struct s3_client s3;
    struct s3_failure failure;
    char bucket[S3_CLIENT_BUCKET_BYTES_MAX + 1];
};

static err call_in(struct work *work, const struct s3_call *call, struct arena *arena,
                   bytes *ret_body)
{
    err e = s3_simple(&work->s3, call, bytes_str(""), arena, &work->failure, ret_body);
    return is_ok(e) ? e : s3_fail(work->client, e, &work->failure, work->bucket);
}

/* ---- buckets ---- */

static err list_buckets(struct work *work)
{
    struct arena arena;
    bytes body;
    struct xml_node *root;
    const struct s3_call call = {.method = "GET"};
    arena_init(&arena, PAGE_ARENA_BYTES);
    snprintf(work->bucket, sizeof work->bucket, "buckets");
    err e = call_in(work, &call, &arena, &body);
    if (is_ok(e)) {
        e = xml_parse(&arena, body, &root);
    }
    const struct xml_node *list = is_ok(e) ? xml_child(root, "Buckets") : NULL;
    for (const struct xml_node *it = list ? list->first_child : NULL; it != NULL; it = it->next) {
        bytes name = xml_child_text(it, "Name");
        bytes date = xml_child_text(it, "CreationDate");
        cli_print(work->client->cli, "%.*s  %.*s\n", (int)date.len, (const char *)date.data,
                  (int)name.len, (const char *)name.data);
        cli_print_json(work->client->cli,
                       json_pack("{s:s%, s:s%}", "bucket", (const char *)name.data, name.len,
                                 "created", (const char *)date.data, date.len));
    }
    arena_free(&arena);
    return e;
}

/* ---- objects ---- */

struct listed {
    bytes key;
    bytes size;
    bytes modified;
    bytes etag;
    bool is_prefix;
};

typedef err listed_fn(struct work *work, const struct listed *listed);

static err each_listed(struct work *work, const struct xml_node *root, listed_fn *fn)
{
    for (const struct xml_node *it = root->first_child; it != NULL; it = it->next) {
        struct listed listed = {.key = xml_child_text(it, "Key"),
                                .size = xml_child_text(it, "Size"),
                                .modified = xml_child_text(it, "LastModified"),
                                .etag = xml_child_text(it, "ETag")};
        bool is_object = strcmp(it->name, "Contents") == 0;
        if (strcmp(it->name, "CommonPrefixes") == 0) {
            listed.key = xml_child_text(it, "Prefix");
            listed.is_prefix = true;
        }
        if (is_object || listed.is_prefix) {
            TRY(fn(work, &listed));
        }
    }
    return ok();
}

/* One page; *ret_next is the continuation token, owned, NULL after the last. */
static err list_page(struct work *work, bytes prefix, const char *token, listed_fn *fn,
                     char **ret_next)
{
    struct arena arena;
    bytes body;
    struct xml_node *root;
    struct s3_call call = {.method = "GET", .bucket = work->bucket};
    call.query[call.query_count++] = (struct s3_item){"list-type", bytes_str("2")};
    call.query[call.query_count++] = (struct s3_item){"prefix", prefix};
    if (!options.recursive) {
        call.query[call.query_count++] = (struct s3_item){"delimiter", bytes_str("/")};
    }
    if (token != NULL) {
        call.query[call.query_count++] = (struct s3_item){"continuation-token", bytes_str(token)};
    }
    arena_init(&arena, PAGE_ARENA_BYTES);
    err e = call_in(work, &call, &arena, &body);
    if (is_ok(e)) {
        e = xml_parse(&arena, body, &root);
    }
    if (is_ok(e)) {
        bytes next = xml_child_text(root, "NextContinuationToken");
        const char *text = next.len > 0 ? arena_str(&arena, next) : NULL;
        *ret_next = text != NULL ? mem_strdup(text) : NULL;
        e = each_listed(work, root, fn);
    }
    arena_free(&arena);
    return e;
}

static err list_all(struct work *work, bytes prefix, listed_fn *fn)
{
    char *token = NULL;
    err e;
    do {
        char *next = NULL;
        e = list_page(work, prefix, token, fn, &next);
        mem_free(token);
        token = next;
    } while (is_ok(e) && token != NULL);
    mem_free(token);
    return e;
}

static err show(struct work *work, const struct listed *listed)
{
    const struct cli *cli = work->client->cli;
    if (listed->is_prefix) {
        cli_print(cli, "%24s  %14s  %.*s\n", "", "", (int)listed->key.len,
                  (const char *)listed->key.data);
        cli_print_json(
            cli, json_pack("{s:s%}", "prefix", (const char *)listed->key.data, listed->key.len));
        return ok();
    }
    u64 size = 0;
    if (!parse_u64(&size, listed->size)) {
        return fail(ERR_MALFORMED);
    }
    cli_print(cli, "%.*s  %14llu  %.*s\n", (int)listed->modified.len,
              (const char *)listed->modified.data, (unsigned long long)size, (int)listed->key.len,
              (const char *)listed->key.data);
    cli_print_json(cli, json_pack("{s:s%, s:I, s:s%, s:s%}", "key", (const char *)listed->key.data,
                                  listed->key.len, "size", (json_int_t)size, "modified",
                                  (const char *)listed->modified.data, listed->modified.len, "etag",
                                  (const char *)listed->etag.data, listed->etag.len));
    return ok();
}

static err ls(struct client *client)
{
    struct work work = {.client = client};
    bytes prefix;
    TRY(s3_client_open(client, client->loop, &work.s3));
    err e = ok();
    if (client->cli->positional_count == 0) {
        e = list_buckets(&work);
    } else if (!s3_split(client->cli->positionals[0], work.bucket, &prefix)) {
        e = client_fail(client, fail(ERR_USAGE), NULL, "'%s' is no BUCKET/PREFIX",
                        client->cli->positionals[0]);
    } else {
        e = list_all(&work, prefix, show);
    }
    s3_client_close(&work.s3);
    return e;
}

static int run_ls(struct cli *cli)
{
    return cli_parse(cli, 0, 1) ? client_main_offline(cli, ls) : 2;
}

/* ---- rm ---- */

static err remove_one(struct work *work, const struct listed *listed)
{
    struct arena arena;
    bytes body;
    const struct s3_call call = {.method = "DELETE", .bucket = work->bucket, .key = listed->key};
    arena_init(&arena, KIB(64));
    err e = call_in(work, &call, &arena, &body);
    arena_free(&arena);
    TRY(e);
    cli_print(work->client->cli, "removed %s/%.*s\n", work->bucket, (int)listed->key.len,
              (const char *)listed->key.data);
    cli_print_json(work->client->cli, json_pack("{s:s, s:s%}", "bucket", work->bucket, "removed",
                                                (const char *)listed->key.data, listed->key.len));
    return ok();
}

/* Deleting what is not there is no fault to S3; here it is. */
static err must_exist(struct work *work, bytes key)
{
    struct arena arena;
    bytes body;
    const struct s3_call call = {.method = "HEAD", .bucket = work->bucket, .key = key};
    arena_init(&arena, KIB(64));
    err e = s3_simple(&work->s3, &call, bytes_str(""), &arena, &work->failure, &body);
    arena_free(&arena);
    return is_err(e, ERR_NOT_FOUND)
               ? client_fail(work->client, e, NULL, "there is no %s/%.*s", work->bucket,
                             (int)key.len, (const char *)key.data)
           : is_ok(e) ? e
                      : s3_fail(work->client, e, &work->failure, work->bucket);
}

static err remove_named(struct work *work, const char *name)
{
    bytes key;
    if (!s3_split(name, work->bucket, &key)) {
        return client_fail(work->client, fail(ERR_USAGE), NULL, "'%s' is no BUCKET/KEY", name);
    }
    const struct listed listed = {.key = key};
    if (options.bucket) {
        return key.len == 0 ? remove_one(work, &listed)
                            : client_fail(work->client, fail(ERR_USAGE), NULL,
                                          "--bucket takes a bucket, not %s", name);
    }
    if (options.recursive) {
        return list_all(work, key, remove_one);
    }
    if (key.len == 0) {
        return client_fail(work->client, fail(ERR_USAGE), "see --recursive and --bucket",
                           "%s is a bucket", name);
    }
    TRY(must_exist(work, key));
    return remove_one(work, &listed);
}

static err rm(struct client *client)
{
    struct work work = {.client = client};
    TRY(s3_client_open(client, client->loop, &work.s3));
    err e = ok();
    for (size_t i = 0; is_ok(e) && i < client->cli->positional_count; i++) {
        e = remove_named(&work, client->cli->positionals[i]);
    }
    s3_client_close(&work.s3);
    return e;
}

static int run_rm(struct cli *cli)
{
    return cli_parse(cli, 1, CLI_POSITIONALS_MAX) ? client_main_offline(cli, rm) : 2;
}

const struct verb verb_ls = {
    .name = "ls",
    .arguments = "[BUCKET[/PREFIX]] [FLAGS]",
    .summary = "lists buckets or objects",
    .examples = "  cairn ls\n  cairn ls pictures/2026/\n  cairn ls pictures --recursive --json",
    .flags = ls_flags,
    .run = run_ls,
};

const struct verb verb_rm = {
    .name = "rm",
    .arguments = "BUCKET/KEY… [FLAGS]",
    .summary = "removes objects, or an empty bucket",
    .examples = "  cairn rm pictures/photo.jpg\n  cairn rm pictures/old/ --recursive\n"
                "  cairn rm pictures --bucket",
    .flags = rm_flags,
    .run = run_rm,
};

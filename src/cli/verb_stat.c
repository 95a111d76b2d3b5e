/* verb_stat.c: `cairn stat`: how safe an object is, and on which nodes its fragments are. */
#include "cli/s3_client.h"
#include "cli/segment_text.h"
#include "cli/verbs.h"

#include "base/map.h"
#include "base/mem.h"

#include <string.h>

#define STAT_SEGMENTS_MAX 256
#define WAIT_POLL_MS 500

static struct {
    bool wait;
    u64 timeout;
} options = {.timeout = 300};

static const struct flag flags[] = {
    {"wait", FLAG_BOOL, &options.wait, NULL, "until all objects are complete"},
    {"timeout", FLAG_DURATION, &options.timeout, "TIME", "of --wait (default 5m)"},
    S3_CLIENT_FLAGS,
    CLIENT_CHAIN_FLAGS,
    {NULL, FLAG_BOOL, NULL, NULL, NULL},
};

struct stat_work {
    struct client *client;
    struct s3_client s3;
    struct s3_failure failure;
    char bucket[S3_CLIENT_BUCKET_BYTES_MAX + 1];
    bytes key;
    u64 size;
    char etag[160];
    char durability[16];
    u64 missing;
    u64 territory;
    struct segment_key segments[STAT_SEGMENTS_MAX];
    size_t segment_count;
};

/* "1:0,1:7": gateway and number; one that holds several pieces comes several times. */
static void read_segments(struct stat_work *work, bytes list)
{
    work->segment_count = 0;
    while (list.len > 0 && work->segment_count < STAT_SEGMENTS_MAX) {
        size_t end = bytes_find(list, bytes_str(","));
        bytes item = bytes_slice(list, 0, end == SIZE_MAX ? list.len : end);
        size_t colon = bytes_find(item, bytes_str(":"));
        u64 gateway;
        u64 number;
        list = bytes_slice(list, min_size(item.len + 1, list.len),
                           list.len - min_size(item.len + 1, list.len));
        if (colon == SIZE_MAX || !parse_u64(&gateway, bytes_slice(item, 0, colon)) ||
            !parse_u64(&number, bytes_slice(item, colon + 1, item.len - colon - 1))) {
            continue;
        }
        bool known = false;
        for (size_t i = 0; i < work->segment_count; i++) {
            known |= work->segments[i].gateway == gateway && work->segments[i].number == number;
        }
        if (!known) {
            work->segments[work->segment_count++] =
                (struct segment_key){work->territory, (u32)gateway, number};
        }
    }
}

static u64 header_number(struct http_call *http, const char *name)
{
    u64 value = 0;
    return parse_u64(&value, http_call_header(http, name)) ? value : 0;
}

static void header_text(struct http_call *http, const char *name, char *out, size_t cap)
{
    bytes value = http_call_header(http, name);
    snprintf(out, cap, "%.*s", (int)value.len, (const char *)value.data);
}

static err head(struct stat_work *work)
{
    struct http_call *http;
    struct s3_call call = {.method = "HEAD", .bucket = work->bucket, .key = work->key};
    call.headers[call.header_count++] = (struct s3_item){"x-cairn-stat", bytes_str("1")};
    TRY(s3_open(&work->s3, &call, &http));
    err e = http_call_finish(http, NULL, 0);
    if (is_ok(e)) {
        e = s3_answer(&work->s3, http, &work->failure);
    }
    if (is_ok(e)) {
        work->size = header_number(http, "Content-Length");
        work->missing = header_number(http, "x-cairn-missing-holders");
        work->territory = header_number(http, "x-cairn-territory");
        header_text(http, "x-cairn-durability", work->durability, sizeof work->durability);
        header_text(http, "ETag", work->etag, sizeof work->etag);
        read_segments(work, http_call_header(http, "x-cairn-segments"));
    }
    http_call_close(http);
    return e;
}

/* ---- fragments per node ---- */

#define NODES_MAX 4096

struct nodes {
    u32 fragments[NODES_MAX]; /* by provider number */
    u32 highest;
    u32 used;
};

static void count_nodes(const struct segment_view *view, struct nodes *nodes)
{
    for (u8 i = 0; i < view->record.n; i++) {
        u32 provider = view->record.holders[i].provider;
        if (provider == 0 || provider >= NODES_MAX) {
            continue;
        }
        nodes->used += nodes->fragments[provider] == 0;
        nodes->fragments[provider]++;
        nodes->highest = provider > nodes->highest ? provider : nodes->highest;
    }
}

static err read_holders(struct stat_work *work, struct segment_view *view, struct nodes *nodes,
                        json_t *segments)
{
    for (size_t i = 0; i < work->segment_count; i++) {
        TRY(segment_view_read(work->client, &work->segments[i], view));
        if (view->found) {
            count_nodes(view, nodes);
            json_array_append_new(segments, segment_describe(view));
        }
    }
    return ok();
}

static void show_nodes(const struct cli *cli, const struct nodes *nodes, json_t *list)
{
    cli_print(cli, "  fragments on %u nodes:", nodes->used);
    for (u32 i = 1; i <= nodes->highest; i++) {
        if (nodes->fragments[i] > 0) {
            cli_print(cli, " %u:%u", i, nodes->fragments[i]);
            json_array_append_new(list, json_pack("{s:i, s:i}", "provider", (int)i, "fragments",
                                                  (int)nodes->fragments[i]));
        }
    }
    cli_print(cli, "\n");
}

static err show(struct stat_work *work)
{
    struct nodes *nodes = MEM_NEW(struct nodes);
    struct segment_view *view = MEM_NEW(struct segment_view);
    const struct cli *cli = work->client->cli;
    json_t *segments = json_array();
    json_t *list = json_array();
    char size[32];
    err e = work->client->chain != NULL ? read_holders(work, view, nodes, segments) : ok();
    cli_size(size, work->size);
    cli_print(cli, "%s/%.*s: %s, %s, %zu segments", work->bucket, (int)work->key.len,
              (const char *)work->key.data, size, work->durability, work->segment_count);
    cli_print(cli, work->missing > 0 ? ", %llu holders missing\n" : "\n",
              (unsigned long long)work->missing);
    if (nodes->used > 0) {
        show_nodes(cli, nodes, list);
    }
    cli_print_json(cli, json_pack("{s:s, s:s%, s:I, s:s, s:s, s:I, s:o, s:o}", "bucket",
                                  work->bucket, "key", (const char *)work->key.data, work->key.len,
                                  "size", (json_int_t)work->size, "etag", work->etag, "durability",
                                  work->durability, "missing_holders", (json_int_t)work->missing,
                                  "segments", segments, "nodes", list));
    mem_free(view);
    mem_free(nodes);
    return e;
}

static err stat_one(struct stat_work *work, const char *name, u64 deadline_ms)
{
    if (!s3_split(name, work->bucket, &work->key) || work->key.len == 0) {
        return client_fail(work->client, fail(ERR_USAGE), NULL, "'%s' is no BUCKET/KEY", name);
    }
    for (;;) {
        err e = head(work);
        if (!is_ok(e)) {
            return s3_fail(work->client, e, &work->failure, name);
        }
        if (!options.wait || strcmp(work->durability, "complete") == 0) {
            return show(work);
        }
        if (loop_now_ms(work->s3.loop) >= deadline_ms) {
            TRY(show(work));
            return client_fail(work->client, fail(ERR_TIMEOUT), NULL, "%s is not complete yet",
                               name);
        }
        TRY(fiber_sleep(work->s3.loop, loop_now_ms(work->s3.loop) + WAIT_POLL_MS));
    }
}

static err run_stat(struct client *client)
{
    struct stat_work *work = MEM_NEW(struct stat_work);
    work->client = client;
    err e = s3_client_open(client, client->loop, &work->s3);
    if (is_ok(e)) {
        bool has_chain = client_rpc_url(client) != NULL;
        e = has_chain ? client_open(client, client->loop) : ok();
        u64 deadline = loop_now_ms(client->loop) + options.timeout * 1000;
        for (size_t i = 0; is_ok(e) && i < client->cli->positional_count; i++) {
            e = stat_one(work, client->cli->positionals[i], deadline);
        }
        s3_client_close(&work->s3);
    }
    mem_free(work);
    return e;
}

static int run(struct cli *cli)
{
    return cli_parse(cli, 1, CLI_POSITIONALS_MAX) ? client_main_offline(cli, run_stat) : 2;
}

const struct verb verb_stat = {
    .name = "stat",
    .arguments = "BUCKET/KEY… [FLAGS]",
    .summary = "how safe an object is, and which nodes hold it",
    .text =
        "pending: answered, not final on the ledger yet; any m/2 of its n holders may be lost.\n"
        "durable: final with k + m/2 holders or more. complete: all n holders are final: any m of\n"
        "them may be lost.",
    .examples = "  cairn stat pictures/photo.jpg\n  cairn stat --wait backups/big.iso --json",
    .flags = flags,
    .run = run,
};

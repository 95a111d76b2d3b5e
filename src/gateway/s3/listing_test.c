#include "base/prng.h"
#include "gateway/s3/listing.h"
#include "gateway/s3/testing.h"

#include "tests/support/check.h"

#include <stdio.h>
#include <string.h>

/* ---- a source over a sorted array ---- */

struct world {
    const char *const *keys; /* ascending by bytes */
    size_t count;
    size_t versions; /* of every key: ids "v1" (latest), "v2" …; 0: plain keys */
    size_t at;
    size_t seeks;
    size_t steps;
    bool broken; /* next() fails */
};

static size_t world_rows(const struct world *world)
{
    return world->count * (world->versions > 0 ? world->versions : 1);
}

static const char *row_key(const struct world *world, size_t row)
{
    return world->keys[world->versions > 0 ? row / world->versions : row];
}

static void row_id(const struct world *world, size_t row, char out[16])
{
    out[0] = 'v';
    out[1] = (char)('1' + (world->versions > 0 ? row % world->versions : 0));
    out[2] = 0;
}

static err world_seek(void *ctx, bytes from, bytes after_id)
{
    struct world *world = ctx;
    world->seeks++;
    for (world->at = 0; world->at < world_rows(world); world->at++) {
        char id[16];
        row_id(world, world->at, id);
        bytes key = bytes_str(row_key(world, world->at));
        int order = bytes_cmp(key, from);
        if (order > 0 ||
            (order == 0 && (after_id.data == NULL || bytes_cmp(bytes_str(id), after_id) > 0))) {
            break;
        }
    }
    return ok();
}

static err world_next(void *ctx, struct s3_list_entry *ret_entry, bool *ret_found)
{
    static char id[16];
    struct world *world = ctx;
    if (world->broken) {
        return (err){ERR_IO};
    }
    *ret_found = world->at < world_rows(world);
    if (!*ret_found) {
        return ok();
    }
    row_id(world, world->at, id);
    *ret_entry = (struct s3_list_entry){
        .key = bytes_str(row_key(world, world->at)),
        .id = world->versions > 0 ? bytes_str(id) : bytes_str(""),
        .is_latest = world->versions == 0 || world->at % world->versions == 0,
        .size = 3,
        .modified_ms = 784111777042,
        .etag = bytes_str("\"e\""),
        .storage_class = bytes_str("STANDARD"),
        .owner = {bytes_str("me"), bytes_str("Me & Co")},
    };
    world->at++;
    world->steps++;
    return ok();
}

/* ---- running ---- */

struct run {
    struct testing_request t;
    struct s3_list_params params;
    struct s3_list_page page;
};

static void run_list(struct run *run, struct world *world, const char *target)
{
    struct s3_list_source source = {world, world_seek, world_next};
    testing_init(&run->t);
    assert_int_equal(testing_parse(&run->t, "GET", target), S3_OK);
    assert_int_equal(s3_list_parse(&run->t.arena, &run->t.request, &run->params, &run->t.error),
                     S3_OK);
    world->seeks = 0;
    world->steps = 0;
    assert_true(is_ok(s3_list_run(&run->t.arena, &run->params, &source, &run->page)));
}

/* summary: "key,key|prefix,prefix|more:next" for comparison. */
static const char *summary(struct run *run)
{
    struct buf out;
    buf_init(&out, KIB(64));
    for (size_t i = 0; i < run->page.entry_count; i++) {
        buf_put_str(&out, i > 0 ? "," : "");
        buf_put(&out, run->page.entries[i].key);
        if (run->page.entries[i].id.len > 0) {
            buf_put_u8(&out, '@');
            buf_put(&out, run->page.entries[i].id);
        }
    }
    buf_put_u8(&out, '|');
    for (size_t i = 0; i < run->page.prefix_count; i++) {
        buf_put_str(&out, i > 0 ? "," : "");
        buf_put(&out, run->page.prefixes[i]);
    }
    buf_put_u8(&out, '|');
    if (run->page.truncated) {
        buf_put(&out, run->page.next_key);
    }
    const char *text = arena_str(&run->t.arena, buf_bytes(&out));
    buf_free(&out);
    return text;
}

struct list_case {
    const char *target;
    const char *want;
};

static void expect_list(struct world *world, const char *target, const char *want)
{
    struct run run;
    run_list(&run, world, target);
    if (strcmp(summary(&run), want) != 0) {
        print_error("%s\n", target);
    }
    assert_string_equal(summary(&run), want);
    testing_free(&run.t);
}

static const char *const tree[] = {"asdf", "boo/bar", "boo/baz/xyzzy", "cquux/bla", "cquux/thud"};

/* The page walks of ceph/s3-tests (test_bucket_list_delimiter_prefix and relatives). */
static void delimiters(void **state)
{
    (void)state;
    struct world world = {.keys = tree, .count = COUNT_OF(tree)};
    static const struct list_case cases[] = {
        {"/bucket", "asdf,boo/bar,boo/baz/xyzzy,cquux/bla,cquux/thud||"},
        {"/bucket?delimiter=/", "asdf|boo/,cquux/|"},
        {"/bucket?delimiter=/&max-keys=1", "asdf||asdf"},
        {"/bucket?delimiter=/&max-keys=1&marker=asdf", "|boo/|boo/"},
        {"/bucket?delimiter=/&max-keys=1&marker=boo/", "|cquux/|"},
        {"/bucket?delimiter=/&max-keys=2", "asdf|boo/|boo/"},
        {"/bucket?delimiter=/&max-keys=2&marker=boo/", "|cquux/|"},
        {"/bucket?delimiter=/&max-keys=3", "asdf|boo/,cquux/|"},
        {"/bucket?delimiter=/&prefix=boo/", "boo/bar|boo/baz/|"},
        {"/bucket?delimiter=/&prefix=boo/&max-keys=1", "boo/bar||boo/bar"},
        {"/bucket?delimiter=/&prefix=boo/&max-keys=1&marker=boo/bar", "|boo/baz/|"},
        {"/bucket?delimiter=/&marker=boo/bar", "|cquux/|"},
        {"/bucket?delimiter=a", "cquux/thud|a,boo/ba,cquux/bla|"},
        {"/bucket?delimiter=oo", "asdf,cquux/bla,cquux/thud|boo|"},
        {"/bucket?delimiter=", "asdf,boo/bar,boo/baz/xyzzy,cquux/bla,cquux/thud||"},
        {"/bucket?delimiter=none", "asdf,boo/bar,boo/baz/xyzzy,cquux/bla,cquux/thud||"},
        {"/bucket?delimiter=%0A", "asdf,boo/bar,boo/baz/xyzzy,cquux/bla,cquux/thud||"},
        {"/bucket?prefix=boo/", "boo/bar,boo/baz/xyzzy||"},
        {"/bucket?prefix=c&max-keys=1", "cquux/bla||cquux/bla"},
        {"/bucket?prefix=d", "||"},
        {"/bucket?prefix=boo/&marker=a", "boo/bar,boo/baz/xyzzy||"},
        {"/bucket?prefix=boo/&marker=zzz", "||"},
        {"/bucket?prefix=boo/&marker=boo/bar", "boo/baz/xyzzy||"},
        {"/bucket?marker=asdg", "boo/bar,boo/baz/xyzzy,cquux/bla,cquux/thud||"},
        {"/bucket?marker=zzz", "||"},
        {"/bucket?marker=%0A", "asdf,boo/bar,boo/baz/xyzzy,cquux/bla,cquux/thud||"},
        {"/bucket?marker=", "asdf,boo/bar,boo/baz/xyzzy,cquux/bla,cquux/thud||"},
        {"/bucket?max-keys=0", "||"},
        {"/bucket?max-keys=5", "asdf,boo/bar,boo/baz/xyzzy,cquux/bla,cquux/thud||"},
        {"/bucket?max-keys=4", "asdf,boo/bar,boo/baz/xyzzy,cquux/bla||cquux/bla"},
        {"/bucket?max-keys=", "asdf,boo/bar,boo/baz/xyzzy,cquux/bla,cquux/thud||"},
        {"/bucket?list-type=2&start-after=boo/bar", "boo/baz/xyzzy,cquux/bla,cquux/thud||"},
        {"/bucket?list-type=2&continuation-token=", "asdf,boo/bar,boo/baz/xyzzy,cquux/bla,"
                                                    "cquux/thud||"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        expect_list(&world, cases[i].target, cases[i].want);
    }
}

static void underscore_and_bytes(void **state)
{
    (void)state;
    static const char *const keys[] = {
        "!",           "Z", "_obj1_",   "_under1/bar",  "_under1/baz/xyzzy",
        "_under2/bla", "a", "\xC3\xA4", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"};
    struct world world = {.keys = keys, .count = COUNT_OF(keys)};
    expect_list(&world, "/bucket?delimiter=/&prefix=_", "_obj1_|_under1/,_under2/|");
    expect_list(&world, "/bucket?marker=a", "\xC3\xA4,\xE2\x82\xAC,\xF0\x9F\x98\x80||");
    expect_list(&world, "/bucket?delimiter=%C3%A4&marker=b",
                "\xE2\x82\xAC,\xF0\x9F\x98\x80|\xC3\xA4|");
}

/* What rolls up is not scanned. */
static void common_prefixes_are_skipped(void **state)
{
    (void)state;
    enum { KEYS = 20000 };
    char *text = test_malloc(KEYS * 16);
    const char **keys = test_malloc(KEYS * sizeof keys[0]);
    for (int i = 0; i < KEYS; i++) {
        char *key = text + i * 16;
        snprintf(key, 16, "%c/%06d", 'a' + i / (KEYS / 4), i);
        keys[i] = key;
    }
    struct world world = {.keys = keys, .count = KEYS};
    struct run run;
    run_list(&run, &world, "/bucket?delimiter=/");
    assert_string_equal(summary(&run), "|a/,b/,c/,d/|");
    assert_int_equal(world.steps, 4);
    assert_int_equal(world.seeks, 5);
    testing_free(&run.t);
    test_free(keys);
    test_free(text);
}

static void versions(void **state)
{
    (void)state;
    static const char *const keys[] = {"a", "b/x", "b/y", "c"};
    struct world world = {.keys = keys, .count = COUNT_OF(keys), .versions = 2};
    expect_list(&world, "/bucket?versions", "a@v1,a@v2,b/x@v1,b/x@v2,b/y@v1,b/y@v2,c@v1,c@v2||");
    expect_list(&world, "/bucket?versions&max-keys=3", "a@v1,a@v2,b/x@v1||b/x");
    expect_list(&world, "/bucket?versions&key-marker=b/x&version-id-marker=v1&max-keys=2",
                "b/x@v2,b/y@v1||b/y");
    expect_list(&world, "/bucket?versions&key-marker=b/x", "b/y@v1,b/y@v2,c@v1,c@v2||");
    expect_list(&world, "/bucket?versions&delimiter=/", "a@v1,a@v2,c@v1,c@v2|b/|");
    expect_list(&world, "/bucket?versions&delimiter=/&max-keys=3", "a@v1,a@v2|b/|b/");
    expect_list(&world, "/bucket?versions&delimiter=/&key-marker=b/&max-keys=3", "c@v1,c@v2||");
    expect_list(&world, "/bucket?versions&key-marker=a&version-id-marker=v2&prefix=b/x",
                "b/x@v1,b/x@v2||");
    struct run run;
    run_list(&run, &world, "/bucket?versions&max-keys=3");
    assert_true(bytes_eq_str(run.page.next_id, "v1"));
    testing_free(&run.t);
}

static void uploads(void **state)
{
    (void)state;
    static const char *const keys[] = {"a", "b/x", "c"};
    struct world world = {.keys = keys, .count = COUNT_OF(keys), .versions = 2};
    expect_list(&world, "/bucket?uploads&max-uploads=3", "a@v1,a@v2,b/x@v1||b/x");
    expect_list(&world, "/bucket?uploads&key-marker=b/x&upload-id-marker=v1", "b/x@v2,c@v1,c@v2||");
    expect_list(&world, "/bucket?uploads&upload-id-marker=v1&delimiter=/",
                "a@v1,a@v2,c@v1,c@v2|b/|");
}

/* ---- against an independent model ---- */

/* Keys over a tiny alphabet so that prefixes and delimiters collide all the time. */
static size_t random_keys(struct prng *prng, char text[][8], const char **keys, size_t max)
{
    size_t count = 0;
    for (size_t i = 0; i < max; i++) {
        char key[8] = {0};
        size_t len = 1 + prng_below(prng, 5);
        for (size_t k = 0; k < len; k++) {
            key[k] = "ab/-"[prng_below(prng, 4)];
        }
        size_t at = 0;
        while (at < count && strcmp(text[at], key) < 0) {
            at++;
        }
        if (at < count && strcmp(text[at], key) == 0) {
            continue;
        }
        memmove(text + at + 1, text + at, (count - at) * sizeof text[0]);
        memcpy(text[at], key, sizeof key);
        count++;
    }
    for (size_t i = 0; i < count; i++) {
        keys[i] = text[i];
    }
    return count;
}

/* model: everything that a complete listing must show, in order, keys and prefixes mixed. */
static void model(const struct world *world, const char *prefix, const char *delimiter,
                  struct buf *out)
{
    char last[16] = "";
    for (size_t i = 0; i < world->count; i++) {
        const char *key = world->keys[i];
        if (strncmp(key, prefix, strlen(prefix)) != 0) {
            continue;
        }
        const char *cut = *delimiter ? strstr(key + strlen(prefix), delimiter) : NULL;
        char item[16] = "";
        size_t len = cut != NULL ? (size_t)(cut - key) + strlen(delimiter) : strlen(key);
        memcpy(item, key, len);
        if (cut == NULL || strcmp(item, last) != 0) {
            buf_format(out, "%s%s ", item, cut != NULL ? "*" : "");
        }
        memcpy(last, cut != NULL ? item : "", cut != NULL ? sizeof last : 1);
    }
}

/* put_page: entries and prefixes of a page merged by byte order. */
static void put_page(const struct s3_list_page *page, struct buf *out)
{
    size_t e = 0;
    size_t p = 0;
    while (e < page->entry_count || p < page->prefix_count) {
        bool take_entry =
            p == page->prefix_count ||
            (e < page->entry_count && bytes_cmp(page->entries[e].key, page->prefixes[p]) < 0);
        buf_put(out, take_entry ? page->entries[e++].key : page->prefixes[p++]);
        buf_put_str(out, take_entry ? " " : "* ");
    }
}

static void walk_all(struct world *world, const char *prefix, const char *delimiter, u64 max,
                     bool v2, struct buf *out)
{
    char target[256];
    char next[128] = "";
    for (int pages = 0; pages < 200; pages++) {
        struct run run;
        snprintf(target, sizeof target, "/bucket?%sprefix=%s&delimiter=%s&max-keys=%llu%s%s",
                 v2 ? "list-type=2&" : "", prefix, delimiter, (unsigned long long)max,
                 v2 ? "&continuation-token=" : "&marker=", next);
        run_list(&run, world, target);
        put_page(&run.page, out);
        assert_true(run.page.entry_count + run.page.prefix_count <= max);
        bool truncated = run.page.truncated;
        if (truncated) {
            bytes text = v2 ? s3_list_token(&run.t.arena, run.page.next_key) : run.page.next_key;
            memcpy(next, text.data, text.len);
            next[text.len] = 0;
        }
        testing_free(&run.t);
        if (!truncated) {
            return;
        }
    }
    fail_msg("a listing that does not end");
}

static void pages_add_up(void **state)
{
    (void)state;
    struct prng prng;
    prng_init(&prng, 17);
    static const char *const delimiters_[] = {"", "/", "a", "/-", "b/"};
    static const char *const prefixes[] = {"", "a", "a/", "/", "-b"};
    for (int round = 0; round < 400; round++) {
        char text[41][8];
        const char *keys[41];
        struct world world = {.keys = keys, .count = random_keys(&prng, text, keys, 40)};
        const char *prefix = prefixes[prng_below(&prng, COUNT_OF(prefixes))];
        const char *delimiter = delimiters_[prng_below(&prng, COUNT_OF(delimiters_))];
        u64 max = 1 + prng_below(&prng, 6);
        struct buf want;
        struct buf got;
        buf_init(&want, KIB(64));
        buf_init(&got, KIB(64));
        model(&world, prefix, delimiter, &want);
        walk_all(&world, prefix, delimiter, max, round % 2 == 1, &got);
        buf_put_u8(&want, 0);
        buf_put_u8(&got, 0);
        assert_string_equal((const char *)got.data, (const char *)want.data);
        buf_free(&want);
        buf_free(&got);
    }
}

/* ---- parameters ---- */

static void bad_parameters(void **state)
{
    (void)state;
    static const char *const targets[] = {
        "/bucket?max-keys=-1",
        "/bucket?max-keys=blah",
        "/bucket?max-keys=2147483648",
        "/bucket?max-keys=%0A",
        "/bucket?encoding-type=base64",
        "/bucket?list-type=2&continuation-token=rubbish!",
        "/bucket?list-type=2&continuation-token=AAAA",
        "/bucket?list-type=2&continuation-token=%3D",
        "/bucket?list-type=2&continuation-token=Af8%3D",
        "/bucket?versions&version-id-marker=v1",
        "/bucket?uploads&max-uploads=x",
    };
    for (size_t i = 0; i < COUNT_OF(targets); i++) {
        struct testing_request t;
        struct s3_list_params params;
        testing_init(&t);
        assert_int_equal(testing_parse(&t, "GET", targets[i]), S3_OK);
        assert_int_equal(s3_list_parse(&t.arena, &t.request, &params, &t.error),
                         S3_ERR_INVALID_ARGUMENT);
        assert_non_null(s3_error_find(&t.error, "ArgumentName").data);
        testing_free(&t);
    }
    struct run run;
    struct world world = {.keys = tree, .count = COUNT_OF(tree)};
    run_list(&run, &world, "/bucket?max-keys=2147483647");
    assert_int_equal(run.params.max, 1000);
    testing_free(&run.t);
}

static void tokens(void **state)
{
    (void)state;
    struct arena arena;
    bytes key;
    arena_init(&arena, MIB(1));
    bytes token = s3_list_token(&arena, bytes_str("\xF0\x9F\x98\x80?>~key"));
    assert_true(bytes_find(token, bytes_str("+")) == SIZE_MAX);
    assert_true(bytes_find(token, bytes_str("/")) == SIZE_MAX);
    assert_true(s3_list_token_read(&arena, token, &key));
    assert_true(bytes_eq_str(key, "\xF0\x9F\x98\x80?>~key"));
    arena_free(&arena);
}

static void faults_travel(void **state)
{
    (void)state;
    struct world world = {.keys = tree, .count = COUNT_OF(tree), .broken = true};
    struct s3_list_source source = {&world, world_seek, world_next};
    struct s3_list_params params = {.op = S3_OP_LIST_OBJECTS, .max = 10};
    struct s3_list_page page;
    struct arena arena;
    arena_init(&arena, MIB(1));
    assert_true(is_err(s3_list_run(&arena, &params, &source, &page), ERR_IO));
    arena_free(&arena);
    world.broken = false;
    arena_init(&arena, 64);
    assert_true(is_err(s3_list_run(&arena, &params, &source, &page), ERR_LIMIT));
    arena_free(&arena);
}

static void successors(void **state)
{
    (void)state;
    struct arena arena;
    bytes out;
    arena_init(&arena, MIB(1));
    assert_true(s3_prefix_successor(&arena, bytes_str("a/"), &out));
    assert_true(bytes_eq_str(out, "a0"));
    assert_true(s3_prefix_successor(&arena, bytes_str("a\xFF\xFF"), &out));
    assert_true(bytes_eq_str(out, "b"));
    assert_false(s3_prefix_successor(&arena, bytes_str("\xFF"), &out));
    assert_false(s3_prefix_successor(&arena, bytes_str(""), &out));
    arena_free(&arena);
}

/* ---- XML ---- */

static const char *write_xml(struct run *run)
{
    struct buf out;
    buf_init(&out, MIB(1));
    s3_list_write(&out, &run->params, &run->page, bytes_str("bucket"));
    assert_true(is_ok(buf_done(&out)));
    const char *text = arena_str(&run->t.arena, buf_bytes(&out));
    buf_free(&out);
    return text;
}

static void expect_xml(struct world *world, const char *target, const char *const *parts,
                       size_t count)
{
    struct run run;
    run_list(&run, world, target);
    const char *text = write_xml(&run);
    for (size_t i = 0; i < count; i++) {
        bool absent = parts[i][0] == '!';
        bool found = strstr(text, parts[i] + absent) != NULL;
        if (found == absent) {
            print_error("%s\n%s\n%s\n", target, text, parts[i]);
        }
        assert_true(found != absent);
    }
    testing_free(&run.t);
}

#define EXPECT_XML(world, target, ...)                                                             \
    do {                                                                                           \
        static const char *const parts_[] = {__VA_ARGS__};                                         \
        expect_xml((world), (target), parts_, COUNT_OF(parts_));                                   \
    } while (0)

static void documents(void **state)
{
    (void)state;
    static const char *const keys[] = {"a&b", "c\x01", "foo+1/bar", "quux ab/thud"};
    struct world world = {.keys = keys, .count = COUNT_OF(keys)};
    EXPECT_XML(&world, "/bucket?max-keys=1",
               "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
               "<Name>bucket</Name><Prefix></Prefix><Marker></Marker><MaxKeys>1</MaxKeys>"
               "<IsTruncated>true</IsTruncated><Contents><Key>a&amp;b</Key>"
               "<LastModified>1994-11-06T08:49:37.042Z</LastModified><ETag>&quot;e&quot;</ETag>"
               "<Size>3</Size><Owner><ID>me</ID><DisplayName>Me &amp; Co</DisplayName></Owner>"
               "<StorageClass>STANDARD</StorageClass></Contents></ListBucketResult>",
               "!<NextMarker>", "!<Delimiter>", "!<EncodingType>");
    EXPECT_XML(&world, "/bucket?delimiter=/&encoding-type=url", "<EncodingType>url</EncodingType>",
               "<Key>a%26b</Key>", "<Key>c%01</Key>", "<Delimiter>/</Delimiter>",
               "<CommonPrefixes><Prefix>foo%2B1/</Prefix></CommonPrefixes>",
               "<CommonPrefixes><Prefix>quux%20ab/</Prefix></CommonPrefixes>");
    EXPECT_XML(&world, "/bucket?delimiter=/&max-keys=3", "<NextMarker>foo+1/</NextMarker>",
               "<Key>c\xEF\xBF\xBD</Key>");
    EXPECT_XML(&world, "/bucket?list-type=2&max-keys=1&start-after=%20", "<KeyCount>1</KeyCount>",
               "<NextContinuationToken>AWEmYg==</NextContinuationToken>",
               "<StartAfter> </StartAfter>", "!<Owner>", "!<ContinuationToken>", "!<Marker>");
    EXPECT_XML(&world, "/bucket?list-type=2&fetch-owner=true&continuation-token=AWEmYg==",
               "<ContinuationToken>AWEmYg==</ContinuationToken>", "<Owner><ID>me</ID>",
               "<KeyCount>3</KeyCount>", "!<Key>a&amp;b</Key>", "!<NextContinuationToken>");
    EXPECT_XML(&world, "/bucket?list-type=2&max-keys=0", "<KeyCount>0</KeyCount>",
               "<IsTruncated>false</IsTruncated>");
}

static void version_documents(void **state)
{
    (void)state;
    static const char *const keys[] = {"a", "b"};
    struct world world = {.keys = keys, .count = COUNT_OF(keys), .versions = 2};
    EXPECT_XML(&world, "/bucket?versions&max-keys=3",
               "<ListVersionsResult xmlns=", "<KeyMarker></KeyMarker>",
               "<VersionIdMarker></VersionIdMarker>", "<NextKeyMarker>b</NextKeyMarker>",
               "<NextVersionIdMarker>v1</NextVersionIdMarker>",
               "<Version><Key>a</Key><VersionId>v1</VersionId><IsLatest>true</IsLatest>",
               "<Version><Key>a</Key><VersionId>v2</VersionId><IsLatest>false</IsLatest>");
    EXPECT_XML(&world, "/bucket?uploads&max-uploads=1",
               "<ListMultipartUploadsResult xmlns=", "<Bucket>bucket</Bucket>",
               "<UploadIdMarker></UploadIdMarker>", "<NextKeyMarker>a</NextKeyMarker>",
               "<NextUploadIdMarker>v1</NextUploadIdMarker>", "<MaxUploads>1</MaxUploads>",
               "<Upload><Key>a</Key><UploadId>v1</UploadId><Initiator><ID>me</ID>",
               "<Initiated>1994-11-06T08:49:37.042Z</Initiated>");
}

static void delete_markers(void **state)
{
    (void)state;
    struct testing_request t;
    struct s3_list_entry entry = {.key = bytes_str("k"),
                                  .id = bytes_str("v"),
                                  .is_latest = true,
                                  .is_delete_marker = true,
                                  .owner = {bytes_str("me"), bytes_str("Me")}};
    struct s3_list_params params = {.op = S3_OP_LIST_OBJECT_VERSIONS, .max = 10};
    struct s3_list_page page = {.entries = &entry, .entry_count = 1};
    struct buf out;
    testing_init(&t);
    buf_init(&out, KIB(64));
    s3_list_write(&out, &params, &page, bytes_str("bucket"));
    const char *text = arena_str(&t.arena, buf_bytes(&out));
    assert_non_null(strstr(text, "<DeleteMarker><Key>k</Key><VersionId>v</VersionId>"
                                 "<IsLatest>true</IsLatest>"));
    assert_null(strstr(text, "<ETag>"));
    buf_free(&out);
    testing_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(delimiters),
        cmocka_unit_test(underscore_and_bytes),
        cmocka_unit_test(common_prefixes_are_skipped),
        cmocka_unit_test(versions),
        cmocka_unit_test(uploads),
        cmocka_unit_test(pages_add_up),
        cmocka_unit_test(bad_parameters),
        cmocka_unit_test(tokens),
        cmocka_unit_test(faults_travel),
        cmocka_unit_test(successors),
        cmocka_unit_test(documents),
        cmocka_unit_test(version_documents),
        cmocka_unit_test(delete_markers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

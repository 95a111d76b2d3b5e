/* JSON-RPC: the conversations of execution-apis over the chain that comes with them.
 *
 * genesis.json and chain.rlp become a store in a temporary folder (app/external.h), over which
 * every request of every .io file is asked in process. Answers must be equal as JSON; of errors the
 * code and the data count, not the message. A file marked "speconly" is about the shape of the
 * answer: members and their types are compared, not values.
 */
#include "base/log.h"
#include "base/mem.h"
#include "codec/json.h"
#include "codec/rlp.h"
#include "conformance/suite.h"
#include "ledger/app/external.h"
#include "ledger/rpc/rpc.h"
#include "os/file.h"

#include <stdio.h>
#include <stdlib.h>

#define DIR_BYTES 512
#define REASON_BYTES 200
#define DEPTH_MAX 64
#define VALUE_SHOWN_MAX 2000

struct rpc_suite {
    struct results *results;
    char dir[DIR_BYTES];
    struct app *app;
    struct rpc *rpc;
    const char *test; /* METHOD/NAME.io */
    bool shape_only;
    char reason[REASON_BYTES]; /* of the first difference; empty: none */
};

/* --- comparing --- */

static bool differ(struct rpc_suite *suite, const char *what, const char *where)
{
    snprintf(suite->reason, sizeof suite->reason, "%s: %s", what, where);
    return false;
}

/* Members that an answer may leave out, and say so by it. */
static bool is_optional(const char *key)
{
    static const char *const keys[] = {"deleteStrategy", "storage", "memory",    "error",
                                       "returnData",     "refund",  "accessList"};
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        if (strcmp(keys[i], key) == 0) {
            return true;
        }
    }
    return false;
}

/* A map from addresses or nonces: its keys are values. */
static bool is_map(const json_t *object)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value)
    {
        if (strncmp(key, "0x", 2) != 0 && (key[0] < '0' || key[0] > '9')) {
            return false;
        }
    }
    return true;
}

static bool same_kind(const json_t *expected, const json_t *got)
{
    if (json_is_number(expected) || json_is_boolean(expected)) {
        return json_is_number(expected) == json_is_number(got) &&
               json_is_boolean(expected) == json_is_boolean(got);
    }
    return json_typeof(expected) == json_typeof(got);
}

struct pair {
    const json_t *expected;
    const json_t *got;
    const char *key;
};

struct pairs {
    struct pair items[4096];
    size_t count;
};

static void push(struct pairs *pairs, const json_t *expected, const json_t *got, const char *key)
{
    if (pairs->count < COUNT_OF(pairs->items)) {
        pairs->items[pairs->count++] = (struct pair){expected, got, key};
    }
}

/* The members of an object; of a map only the first, with any of the other's. */
static bool push_members(struct rpc_suite *suite, struct pairs *pairs, const struct pair *pair)
{
    const char *key;
    json_t *value;
    if (is_map(pair->expected)) {
        void *one = json_object_iter((json_t *)pair->expected);
        void *other = json_object_iter((json_t *)pair->got);
        if (one != NULL && other != NULL) {
            push(pairs, json_object_iter_value(one), json_object_iter_value(other), pair->key);
        }
        return true;
    }
    json_object_foreach((json_t *)pair->expected, key, value)
    {
        const json_t *got = json_object_get(pair->got, key);
        if (got != NULL) {
            push(pairs, value, got, key);
        } else if (!is_optional(key)) {
            return differ(suite, "member missing", key);
        }
    }
    return true;
}

/* Types and members, by a worklist; of arrays the first items stand for all. */
static bool same_shape(struct rpc_suite *suite, const json_t *expected, const json_t *got)
{
    struct pairs *pairs = MEM_NEW(struct pairs);
    bool same = true;
    push(pairs, expected, got, "result");
    while (same && pairs->count > 0) {
        struct pair pair = pairs->items[--pairs->count];
        if (!same_kind(pair.expected, pair.got)) {
            same = differ(suite, "another type", pair.key);
        } else if (json_is_object(pair.expected)) {
            same = push_members(suite, pairs, &pair);
        } else if (json_array_size(pair.expected) > 0 && json_array_size(pair.got) > 0) {
            push(pairs, json_array_get(pair.expected, 0), json_array_get(pair.got, 0), pair.key);
        }
    }
    mem_free(pairs);
    return same;
}

/* A step towards the first difference; false: it is here. */
static bool step_down(const json_t **expected, const json_t **got, char *where, size_t cap)
{
    const char *key;
    json_t *value;
    size_t used = strlen(where);
    json_object_foreach((json_t *)*expected, key, value)
    {
        const json_t *other = json_object_get(*got, key);
        if (!json_equal(value, other)) {
            snprintf(where + used, cap - used, ".%s", key);
            *expected = value;
            *got = other;
            return other != NULL;
        }
    }
    for (size_t i = 0; i < json_array_size(*expected); i++) {
        const json_t *other = json_array_get(*got, i);
        value = json_array_get(*expected, i);
        if (!json_equal(value, other)) {
            snprintf(where + used, cap - used, "[%zu]", i);
            *expected = value;
            *got = other;
            return other != NULL;
        }
    }
    return false;
}

static void log_value(const char *test, const char *where, const char *what, const json_t *value)
{
    struct buf text;
    buf_init(&text, 2 * RPC_REPLY_BYTES_MAX);
    if (value != NULL) {
        json_write(&text, value);
    }
    log_error("conformance", "%s: %s %s: %.*s", test, where, what,
              (int)min_size(text.len, VALUE_SHOWN_MAX), (const char *)text.data);
    buf_free(&text);
}

/* Says where two values differ, and with --verbose what is there. */
static bool differ_at(struct rpc_suite *suite, const json_t *expected, const json_t *got)
{
    char where[128] = "result";
    for (int depth = 0; depth < DEPTH_MAX && step_down(&expected, &got, where, sizeof where);
         depth++) {
    }
    if (suite->results->is_verbose) {
        log_value(suite->test, where, "expected", expected);
        log_value(suite->test, where, "got", got);
    }
    return differ(suite, "another value", where);
}

static bool same_error(struct rpc_suite *suite, const json_t *expected, const json_t *got)
{
    json_int_t code = json_integer_value(json_object_get(expected, "code"));
    json_int_t given = json_integer_value(json_object_get(got, "code"));
    const json_t *data = json_object_get(expected, "data");
    if (got == NULL) {
        return differ(suite, "answered", "an error was expected");
    }
    if (code != given) {
        char text[64];
        snprintf(text, sizeof text, "%lld, not %lld", (long long)given, (long long)code);
        return differ(suite, "another error code", text);
    }
    bool fine = data == NULL || suite->shape_only || json_equal(data, json_object_get(got, "data"));
    return fine || differ(suite, "another value", "error data");
}

/* Inside results errors have messages too, which do not count. */
static void drop_messages(json_t *result)
{
    const json_t *block;
    size_t i;
    json_array_foreach(result, i, block)
    {
        const json_t *call;
        size_t j;
        json_array_foreach(json_object_get(block, "calls"), j, call)
        {
            json_object_del(json_object_get(call, "error"), "message");
        }
    }
}

static bool same_answer(struct rpc_suite *suite, const json_t *expected, const json_t *got)
{
    const json_t *error = json_object_get(expected, "error");
    json_t *result = json_object_get(expected, "result");
    json_t *given = json_object_get(got, "result");
    const json_t *refusal = json_object_get(got, "error");
    if (error != NULL) {
        return same_error(suite, error, refusal);
    }
    if (refusal != NULL) {
        const char *message = json_read_str(refusal, "message");
        return differ(suite, "refused", message != NULL ? message : "");
    }
    if (suite->shape_only) {
        return same_shape(suite, result, given);
    }
    drop_messages(result);
    drop_messages(given);
    return json_equal(result, given) || differ_at(suite, result, given);
}

/* --- conversations --- */

static bool ask(struct rpc_suite *suite, bytes request, bytes expected_text)
{
    struct buf out;
    json_t *expected = NULL;
    json_t *got = NULL;
    bool same;
    buf_init(&out, 2 * RPC_REPLY_BYTES_MAX);
    rpc_answer(suite->rpc, request, &out);
    if (!is_ok(json_parse(expected_text, DOCUMENT_BYTES_MAX, &expected))) {
        same = differ(suite, "malformed test", "no JSON");
    } else if (!is_ok(json_parse(buf_bytes(&out), 2 * RPC_REPLY_BYTES_MAX, &got))) {
        same = differ(suite, "no answer", "");
    } else {
        same = same_answer(suite, expected, got);
    }
    json_decref(expected);
    json_decref(got);
    buf_free(&out);
    return same;
}

/* Takes a line off the text. */
static bytes next_line(bytes *text)
{
    size_t len = bytes_find(*text, bytes_str("\n"));
    bytes line = bytes_slice(*text, 0, min_size(len, text->len));
    size_t taken = min_size(line.len + 1, text->len);
    *text = bytes_slice(*text, taken, text->len - taken);
    return line;
}

static void run_conversation(struct rpc_suite *suite, bytes text)
{
    bytes request = {0};
    size_t asked = 0;
    suite->shape_only = bytes_find(text, bytes_str("// speconly:")) != SIZE_MAX;
    suite->reason[0] = '\0';
    bool same = true;
    while (text.len > 0 && same) {
        bytes line = next_line(&text);
        if (bytes_starts_with(line, bytes_str(">> "))) {
            request = bytes_slice(line, 3, line.len - 3);
        } else if (bytes_starts_with(line, bytes_str("<< ")) && request.len > 0) {
            same = ask(suite, request, bytes_slice(line, 3, line.len - 3));
            request = (bytes){0};
            asked++;
        }
    }
    if (same && asked > 0) {
        results_pass(suite->results, suite->test);
    } else {
        const char *reason = asked > 0 ? suite->reason : "no request";
        results_fail(suite->results, suite->test, reason, "%s", "");
    }
}

/* --- the chain --- */

static const struct document *find_document(const struct document *documents, size_t count,
                                            const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (bytes_ends_with(bytes_str(documents[i].path), bytes_str(name))) {
            return &documents[i];
        }
    }
    return NULL;
}

static err import_chain(struct rpc_suite *suite, bytes chain)
{
    while (chain.len > 0) {
        struct rlp_item block;
        const char *wrong;
        TRY(rlp_next(&chain, &block));
        TRY(app_import_block(suite->app, block.raw, &wrong));
        if (wrong != NULL) {
            u64 height = app_info_now(suite->app).height + 1;
            log_error("conformance", "block %llu: %s", (unsigned long long)height, wrong);
            results_fail(suite->results, "import of chain.rlp", wrong, "block %llu",
                         (unsigned long long)height);
            return ok(); /* the rest is asked over what there is */
        }
    }
    return ok();
}

static err open_suite(struct rpc_suite *suite, const struct document *genesis,
                      const struct document *chain)
{
    const char *root = getenv("TMPDIR");
    snprintf(suite->dir, sizeof suite->dir, "%s/cairn-rpc-XXXXXX", root != NULL ? root : "/tmp");
    if (mkdtemp(suite->dir) == NULL) {
        suite->dir[0] = '\0';
        return fail(ERR_IO);
    }
    struct app_options options = {.dir = suite->dir, .genesis = genesis->text, .no_sync = true};
    TRY(app_open_external(&options, &suite->app));
    const struct rpc_options rpc = {.app = suite->app, .version = "cairn/conformance"};
    rpc_new(&rpc, &suite->rpc);
    return import_chain(suite, chain->text);
}

static void close_suite(struct rpc_suite *suite)
{
    rpc_free(suite->rpc);
    app_close(suite->app);
    if (suite->dir[0] != '\0') {
        IGNORE(dir_remove_all(suite->dir)); /* a temporary folder that stays hurts nobody */
    }
}

/* "METHOD/NAME.io" of a path. */
static const char *test_of(const char *path)
{
    const char *name = path;
    size_t slashes = 0;
    for (size_t i = strlen(path); i > 0 && slashes < 2; i--) {
        slashes += path[i - 1] == '/';
        name = slashes < 2 ? path + i - 1 : path + i;
    }
    return name;
}

static void run_all(struct rpc_suite *suite, const struct document *documents, size_t count)
{
    struct state_head head = state_head(app_state(suite->app));
    results_root(suite->results, "chain.rlp", &head.root);
    for (size_t i = 0; i < count; i++) {
        suite->test = test_of(documents[i].path);
        suite->results->path = documents[i].path;
        if (bytes_ends_with(bytes_str(documents[i].path), bytes_str(".io")) &&
            results_wants(suite->results, suite->test)) {
            run_conversation(suite, documents[i].text);
        }
    }
}

static void run_rpc(struct results *results, const struct document *documents, size_t count)
{
    struct rpc_suite suite = {.results = results};
    const struct document *genesis = find_document(documents, count, "genesis.json");
    const struct document *chain = find_document(documents, count, "chain.rlp");
    if (genesis == NULL || chain == NULL) {
        results_fail(results, "the whole", "no genesis.json or no chain.rlp", "%s", "");
        return;
    }
    err e = open_suite(&suite, genesis, chain);
    if (is_ok(e)) {
        run_all(&suite, documents, count);
    } else {
        results_fail(results, "import of chain.rlp", err_text(e), "%s", "");
    }
    close_suite(&suite);
}

const struct suite suite_rpc = {
    .name = "rpc",
    .summary = "JSON-RPC over an imported chain: the .io conversations of execution-apis",
    .ending = "",
    .whole = run_rpc,
};

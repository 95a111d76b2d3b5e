/* Precompiled contracts: outputs, prices and refusals (go-ethereum core/vm/testdata/precompiles).
 */
#include "conformance/fields.h"
#include "ledger/precompile/precompile.h"

#define ARENA_BYTES_MAX MIB(16)

/* What a file is about is in its name, after "fail-". */
struct subject {
    const char *name;
    u16 number;
    enum fork fork; /* whose prices the file gives */
};

static const struct subject subjects[] = {
    {"ecRecover", 0x01, FORK_FRONTIER},    {"modexp", 0x05, FORK_BYZANTIUM},
    {"modexp_eip2565", 0x05, FORK_BERLIN}, {"modexp_eip7883", 0x05, FORK_OSAKA},
    {"bn256Add", 0x06, FORK_ISTANBUL},     {"bn256ScalarMul", 0x07, FORK_ISTANBUL},
    {"bn256Pairing", 0x08, FORK_ISTANBUL}, {"blake2F", 0x09, FORK_ISTANBUL},
    {"blake2f", 0x09, FORK_ISTANBUL},      {"pointEvaluation", 0x0a, FORK_CANCUN},
    {"blsG1Add", 0x0b, FORK_PRAGUE},       {"blsG1Mul", 0x0c, FORK_PRAGUE}, /* a sum of one term */
    {"blsG1MultiExp", 0x0c, FORK_PRAGUE},  {"blsG2Add", 0x0d, FORK_PRAGUE},
    {"blsG2Mul", 0x0e, FORK_PRAGUE},       {"blsG2MultiExp", 0x0e, FORK_PRAGUE},
    {"blsPairing", 0x0f, FORK_PRAGUE},     {"blsMapG1", 0x10, FORK_PRAGUE},
    {"blsMapG2", 0x11, FORK_PRAGUE},       {"p256Verify", 0x100, FORK_OSAKA},
};

static const struct subject *subject_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    bytes stem = bytes_str(slash != NULL ? slash + 1 : path);
    if (!bytes_ends_with(stem, bytes_str(".json"))) {
        return NULL;
    }
    stem.len -= strlen(".json");
    if (bytes_starts_with(stem, bytes_str("fail-"))) {
        stem = bytes_slice(stem, 5, stem.len - 5);
    }
    for (size_t i = 0; i < COUNT_OF(subjects); i++) {
        if (bytes_eq_str(stem, subjects[i].name)) {
            return &subjects[i];
        }
    }
    return NULL;
}

static const struct precompile *find(const struct subject *subject)
{
    struct address address = {{0}};
    store_be16(address.b + 18, subject->number);
    return precompile_find(subject->fork, &address);
}

/* Hexadecimal digits without 0x. */
static bool read_digits(const json_t *value, struct arena *arena, bytes *ret)
{
    if (!json_is_string(value)) {
        return false;
    }
    bytes text = bytes_make(json_string_value(value), json_string_length(value));
    u8 *data = arena_alloc(arena, text.len / 2 + 1);
    *ret = bytes_make(data, text.len / 2);
    return data != NULL && hex_decode(data, text.len / 2, text);
}

/* Why it failed, or NULL. */
static const char *check(const struct subject *subject, const json_t *test, struct arena *arena)
{
    const struct precompile *precompile = find(subject);
    enum precompile_verdict verdict;
    bytes input;
    bytes expected;
    bytes output;
    if (precompile == NULL) {
        return "no such precompile";
    }
    if (!read_digits(json_object_get(test, "Input"), arena, &input)) {
        return "malformed test";
    }
    if (!is_ok(precompile_run(precompile, subject->fork, input, arena, &verdict, &output))) {
        return "memory";
    }
    if (json_object_get(test, "ExpectedError") != NULL) {
        return verdict == PRECOMPILE_FAILED ? NULL : "accepted";
    }
    const json_t *gas = json_object_get(test, "Gas");
    if (!json_is_integer(gas) ||
        !read_digits(json_object_get(test, "Expected"), arena, &expected)) {
        return "malformed test";
    }
    if (verdict != PRECOMPILE_OK) {
        return "refused";
    }
    if (!bytes_eq(output, expected)) {
        return "another output";
    }
    u64 price = precompile_gas(precompile, subject->fork, input);
    return price == (u64)json_integer_value(gas) ? NULL : "another price";
}

static void run_test(struct results *results, const struct subject *subject, const json_t *test)
{
    const char *name = json_string_value(json_object_get(test, "Name"));
    struct arena arena;
    if (name == NULL) {
        name = "";
    }
    if (!results_wants(results, name)) {
        return;
    }
    arena_init(&arena, ARENA_BYTES_MAX);
    const char *reason = check(subject, test, &arena);
    if (reason == NULL) {
        results_pass(results, name);
    } else {
        results_fail(results, name, reason, "%s", "");
    }
    arena_free(&arena);
}

static void run_document(struct results *results, const struct document *document)
{
    size_t i;
    json_t *test;
    json_error_t error;
    const struct subject *subject = subject_of(document->path);
    json_t *root = json_loadb((const char *)document->text.data, document->text.len,
                              JSON_REJECT_DUPLICATES, &error);
    if (root == NULL || !json_is_array(root) || json_array_size(root) == 0) {
        results_fail(results, "(file)", "no list of tests", "%s", root == NULL ? error.text : "");
    } else if (subject == NULL) {
        results_fail(results, "(file)", "unknown precompile", "%s", document->path);
    } else {
        json_array_foreach(root, i, test) { run_test(results, subject, test); }
    }
    json_decref(root);
}

const struct suite suite_precompile = {
    .name = "precompile",
    .summary = "precompiled contracts: output, price, refusals (core/vm/testdata/precompiles)",
    .folder = "precompiles",
    .ending = ".json",
    .document = run_document,
};

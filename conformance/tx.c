/* Transactions: decoding, sender, hash and intrinsic gas under every fork (TransactionTests). */
#include "conformance/fields.h"
#include "crypto/hash.h"

#include <stdio.h>

#define TX_ARENA_BYTES MIB(256)

struct tx_case {
    struct results *results;
    const char *name; /* with the fork */
    enum fork fork;
    bytes raw;
    const json_t *result;
};

static void check_accepted(const struct tx_case *c, const struct tx *tx,
                           const struct address *sender)
{
    struct hash hash;
    struct hash expected_hash;
    struct address expected;
    struct buf again;
    u64 gas;
    tx_hash(&hash, c->raw);
    buf_init(&again, DOCUMENT_BYTES_MAX);
    tx_encode(&again, tx);
    bool is_same = bytes_eq(buf_bytes(&again), c->raw);
    buf_free(&again);
    if (!json_read_fixed(json_object_get(c->result, "hash"), expected_hash.b, 32) ||
        !json_read_fixed(json_object_get(c->result, "sender"), expected.b, 20) ||
        !fields_u64(json_object_get(c->result, "intrinsicGas"), &gas)) {
        results_fail(c->results, c->name, "malformed test", "no hash, sender or gas");
    } else if (!hash_eq(&hash, &expected_hash)) {
        results_fail(c->results, c->name, "another hash", "%s", "");
    } else if (!address_eq(sender, &expected)) {
        results_fail(c->results, c->name, "another sender", "%s", "");
    } else if (tx_intrinsic_gas(tx, c->fork) != gas) {
        results_fail(c->results, c->name, "another intrinsic gas", "%llu, not %llu",
                     (unsigned long long)tx_intrinsic_gas(tx, c->fork), (unsigned long long)gas);
    } else if (!is_same) {
        results_fail(c->results, c->name, "encodes differently", "%s", "");
    } else {
        results_pass(c->results, c->name);
    }
}

static void check_verdict(const struct tx_case *c, const struct tx *tx,
                          const struct address *sender, enum tx_verdict verdict)
{
    const char *exception = json_read_str(c->result, "exception");
    if (exception == NULL && verdict == TX_VALID) {
        check_accepted(c, tx, sender);
    } else if (exception == NULL) {
        results_fail(c->results, c->name, "refused", "%s", tx_verdict_text(verdict));
    } else if (verdict == TX_VALID) {
        results_fail(c->results, c->name, "accepted", "not %s", exception);
    } else if (!exception_means(exception, verdict)) {
        results_fail(c->results, c->name, "refused for another reason", "%s, not %s",
                     tx_verdict_text(verdict), exception);
    } else {
        results_pass(c->results, c->name);
    }
}

static void run_case(const struct tx_case *c)
{
    struct arena arena;
    struct tx tx = {0};
    struct address sender = {{0}};
    struct tx_rules rules = {.fork = c->fork,
                             .chain_id = 1,
                             .block_gas_limit = UINT64_MAX,
                             .blob_gas_max = 9 * TX_BLOB_GAS};
    arena_init(&arena, TX_ARENA_BYTES);
    enum tx_verdict verdict = tx_decode_within(&arena, c->raw, DOCUMENT_BYTES_MAX, &tx);
    if (verdict == TX_VALID && !tx_sender(&tx, &sender)) {
        verdict = TX_SIGNATURE_INVALID;
    }
    if (verdict == TX_VALID) {
        verdict = tx_check(&tx, &rules);
    }
    check_verdict(c, &tx, &sender, verdict);
    arena_free(&arena);
}

static void run_test(struct results *results, const char *name, const json_t *test)
{
    struct arena arena;
    struct tx_case c = {.results = results};
    const char *fork;
    json_t *result;
    arena_init(&arena, TX_ARENA_BYTES);
    bool has_bytes = json_read_data(json_object_get(test, "txbytes"), &arena, &c.raw);
    json_object_foreach(json_object_get(test, "result"), fork, result)
    {
        c.name = arena_format(&arena, "%s[%s]", name, fork);
        c.result = result;
        if (c.name == NULL || !results_wants(results, c.name)) {
            continue;
        }
        if (!has_bytes) {
            results_fail(results, c.name, "malformed test", "no txbytes");
        } else if (!fork_of(fork, &c.fork)) {
            results_fail(results, c.name, "unknown fork", "%s", fork);
        } else {
            run_case(&c);
        }
    }
    arena_free(&arena);
}

static void run_document(struct results *results, const struct document *document)
{
    const char *name;
    json_t *test;
    json_t *root = fields_parse(results, document);
    json_object_foreach(root, name, test) { run_test(results, name, test); }
    json_decref(root);
}

const struct suite suite_tx = {
    .name = "tx",
    .summary = "transactions: form, sender, hash, intrinsic gas, refusals (TransactionTests)",
    .folder = "TransactionTests",
    .ending = ".json",
    .document = run_document,
};

/* fake_stores.h: storage nodes in memory, over loopback HTTP, that misbehave on demand.
 *
 * They speak docs/protocols/store.md as far as src/transfer uses it, keep fragments in memory, and
 * check what a node must check (capability, seal, root). Each is a server of its own with a port of
 * its own, all in the loop of the test. A fault holds for requests that come while it is
 * set. */
#ifndef TESTS_SUPPORT_FAKE_STORES_H
#define TESTS_SUPPORT_FAKE_STORES_H

#include "base/mem.h"
#include "data/capability.h"
#include "data/fragment_writer.h"
#include "net/http.h"
#include "transfer/seal.h"

#include <stdio.h>

#define FAKE_STORES_MAX 64
#define FAKE_FRAGMENTS_MAX 128
#define FAKE_TIMEOUT_MS 600000

#define FAKE_LATE_MS 4000

enum fake_fault {
    FAKE_FINE,
    FAKE_WRONG_BYTES, /* reads: a bit of each run is flipped */
    FAKE_WRONG_ONCE,  /* reads: a bit of the third run is flipped */
    FAKE_WRONG_PATH,  /* reads: a hash of the proof is */
    FAKE_TRUNCATE,    /* reads: the answer ends in the middle of a frame, cleanly */
    FAKE_DIE,         /* reads and writes: the connection closes half way */
    FAKE_STALL,       /* reads and writes: nothing comes or is taken after the first run */
    FAKE_HANG,        /* no answer at all */
    FAKE_SLOW,        /* reads: 60 ms for each run */
    FAKE_END_LATER,   /* reads: the end of the answer 30 ms after its last byte */
    FAKE_LATE,        /* writes: the receipt comes after FAKE_LATE_MS */
    FAKE_NO_RECEIPT,  /* writes: all is taken, no receipt ever comes */
    FAKE_BAD_RECEIPT, /* writes: signed with another key */
    FAKE_REFUSE,      /* writes: 507 before the body */
    FAKE_CONFLICT,    /* writes: 409: other bytes are under that key */
    FAKE_FORGOT,      /* reads: 404 */
    FAKE_WRONG_SEAL,  /* seals: with another root */
};

struct fake_fragment {
    struct segment_seal seal;
    u8 index;
    u32 length;
    u8 *data;
    struct hash *leaves;
    u32 leaf_count;
    struct fake_proof *proofs; /* of runs, made when first asked for */
};

struct fake_proof {
    struct hash path[FRAGMENT_PATH_MAX];
    size_t len; /* 0: not made */
};

struct fake_store {
    struct fake_stores *all;
    u32 number;
    u16 port;
    struct secp_secret secret;
    struct http_server *server; /* NULL: down */
    enum fake_fault fault;
    struct event healed; /* whoever hangs goes on */
    struct fake_fragment *fragments[FAKE_FRAGMENTS_MAX];
    size_t fragment_count;
    u32 gets;
    u32 puts; /* that ended with a receipt */
    u32 renewals;
    u32 seals;
    u32 connections;            /* that requests came over */
    char peer[STREAM_PEER_MAX]; /* of the last one */
    u64 bytes_in;
    u64 bytes_out;
    u64 bytes_max; /* of one PUT; 0: any */
};

struct fake_stores {
    struct loop *loop;
    u64 chain_id;
    bool unchecked;         /* for measuring: capabilities and roots are taken on trust */
    u64 (*time)(void *ctx); /* block time */
    void *ctx;
    u32 count;
    struct fake_store items[FAKE_STORES_MAX];
};

struct fake_target {
    unsigned long long territory;
    unsigned gateway;
    unsigned long long number;
    unsigned index;
    unsigned from;
    unsigned length;
};

static inline struct segment_key fake_key(const struct fake_target *target)
{
    return (struct segment_key){target->territory, target->gateway, target->number};
}

static inline bool fake_same_key(const struct segment_key *a, const struct segment_key *b)
{
    return a->territory == b->territory && a->gateway == b->gateway && a->number == b->number;
}

static inline void fake_answer(struct http_exchange *exchange, int status, const char *message)
{
    char body[256];
    int len = snprintf(body, sizeof body,
                       "{\"error\":{\"code\":\"Fake\",\"message\":\"%s\",\"hint\":null}}", message);
    IGNORE(http_respond(exchange, status, bytes_make(body, (size_t)len)));
}

/* Until the fault is lifted or the loop stops. */
static inline void fake_hang(struct fake_store *store)
{
    enum fake_fault fault = store->fault;
    u64 deadline_ms = loop_now_ms(store->all->loop) + FAKE_TIMEOUT_MS;
    while (store->fault == fault &&
           is_ok(event_wait(store->all->loop, &store->healed, deadline_ms))) {
    }
}

static inline void fake_set_fault(struct fake_store *store, enum fake_fault fault)
{
    store->fault = fault;
    event_wake_all(&store->healed);
}

static inline bool fake_authorised(struct fake_store *store, struct http_exchange *exchange,
                                   enum capability_op op, const struct segment_key *key, u8 index)
{
    struct capability capability;
    const struct capability_request request = {.chain_id = store->all->chain_id,
                                               .holder = store->number,
                                               .op = op,
                                               .key = *key,
                                               .fragment = index,
                                               .now = loop_wall_ms(store->all->loop) / 1000};
    bytes value = http_find_header(http_request_of(exchange), "Authorization");
    if (store->all->unchecked) {
        return true;
    }
    enum capability_verdict verdict = capability_parse(&capability, value);
    verdict = verdict == CAPABILITY_OK ? capability_verify(&capability) : verdict;
    verdict = verdict == CAPABILITY_OK ? capability_allows(&capability, &request) : verdict;
    if (verdict != CAPABILITY_OK) {
        fake_answer(exchange, 403, capability_verdict_name(verdict));
    }
    return verdict == CAPABILITY_OK;
}

static inline struct fake_fragment *fake_find(struct fake_store *store,
                                              const struct segment_key *key, int index)
{
    for (size_t i = 0; i < store->fragment_count; i++) {
        struct fake_fragment *fragment = store->fragments[i];
        if (fake_same_key(&fragment->seal.key, key) && (index < 0 || fragment->index == index)) {
            return fragment;
        }
    }
    return NULL;
}

static inline void fake_fragment_free(struct fake_fragment *fragment)
{
    if (fragment != NULL) {
        mem_free(fragment->data);
        mem_free(fragment->leaves);
        mem_free(fragment->proofs);
        mem_free(fragment);
    }
}

/* fake_forget: drops everything, as if the disk were new. */
static inline void fake_forget(struct fake_store *store)
{
    for (size_t i = 0; i < store->fragment_count; i++) {
        fake_fragment_free(store->fragments[i]);
    }
    store->fragment_count = 0;
}

static inline void fake_respond_receipt(struct fake_store *store, struct http_exchange *exchange,
                                        const struct segment_seal *seal, u8 index)
{
    struct holder_receipt receipt = {.index = index,
                                     .provider = store->number,
                                     .deadline =
                                         store->all->time(store->all->ctx) + RECEIPT_TTL_SECONDS};
    struct receipt_terms terms =
        segment_seal_terms(seal, store->all->chain_id, index, receipt.deadline);
    struct secp_secret secret = store->secret;
    struct hash digest;
    struct buf body;
    secret.b[5] ^= store->fault == FAKE_BAD_RECEIPT;
    receipt_digest(&digest, &terms);
    secp_sign(&receipt.signature, &secret, &digest);
    buf_init(&body, 256);
    receipt_write(&body, &receipt);
    IGNORE(http_respond(exchange, 200, buf_bytes(&body)));
    buf_free(&body);
}

/* ---- writes ---- */

static inline bool fake_read_seal(bytes record, struct segment_seal *ret_seal)
{
    struct reader reader;
    reader_init(&reader, record);
    segment_seal_read(&reader, ret_seal);
    return is_ok(reader_done(&reader));
}

/* The body into memory; false: broken off, or the fault wants no more. */
static inline bool fake_receive(struct fake_store *store, struct http_exchange *exchange,
                                struct fake_fragment *fragment)
{
    fragment->data = mem_alloc(FRAGMENT_BYTES_MAX);
    for (;;) {
        size_t len;
        size_t cap = min_size(MIB(1), FRAGMENT_BYTES_MAX - fragment->length);
        if (cap == 0 ||
            !is_ok(http_read_body(exchange, fragment->data + fragment->length, cap, &len))) {
            return false;
        }
        fragment->length += (u32)len;
        store->bytes_in += len;
        if (len == 0) {
            return true;
        }
        if (store->fault == FAKE_STALL) {
            fake_hang(store);
        }
        if (store->fault == FAKE_DIE && fragment->length > UNIT_BYTES) {
            IGNORE(http_respond_begin(exchange, 200, 100)); /* falls short: the server closes */
            IGNORE(http_write(exchange, bytes_str("x")));
            return false;
        }
    }
}

static inline bool fake_check(struct fake_store *store, struct http_exchange *exchange,
                              struct fake_fragment *fragment, const struct fake_target *target)
{
    u8 record[SEAL_BYTES_MAX];
    size_t len;
    struct segment_key key = fake_key(target);
    bytes text = http_find_trailer(exchange, "Cairn-Seal");
    if (text.data == NULL || !base64_decode(record, sizeof record, text, &len) ||
        !fake_read_seal(bytes_make(record, len), &fragment->seal) ||
        !fake_same_key(&fragment->seal.key, &key)) {
        fake_answer(exchange, 400, "bad seal");
        return false;
    }
    struct fragment_writer *writer = MEM_NEW(struct fragment_writer);
    struct hash root;
    fragment->index = (u8)target->index;
    fragment->leaves = mem_alloc_array(fragment_leaves(fragment->length), sizeof(struct hash));
    bool fine = fragment->length == segment_seal_shape(&fragment->seal).fragment_length;
    if (!store->all->unchecked) {
        fragment_writer_init(writer, fragment->leaves, fragment_leaves(fragment->length));
        IGNORE(fragment_writer_add(writer, bytes_make(fragment->data, fragment->length)));
        fragment->leaf_count = fragment_writer_finish(writer, &root);
        fine = fine && hash_eq(&root, &fragment->seal.roots[fragment->index]);
    }
    mem_free(writer);
    if (!fine) {
        fake_answer(exchange, 400, "the root or length differs");
    }
    return fine;
}

/* fake_index: leaf hashes of fragments that were taken on trust. */
static inline void fake_index(struct fake_fragment *fragment)
{
    struct fragment_writer *writer = MEM_NEW(struct fragment_writer);
    struct hash root;
    fragment_writer_init(writer, fragment->leaves, fragment_leaves(fragment->length));
    IGNORE(fragment_writer_add(writer, bytes_make(fragment->data, fragment->length)));
    fragment->leaf_count = fragment_writer_finish(writer, &root);
    mem_free(writer);
}

static inline void fake_keep(struct fake_store *store, struct fake_fragment *fragment)
{
    struct fake_fragment *old = fake_find(store, &fragment->seal.key, fragment->index);
    for (size_t i = 0; old != NULL && i < store->fragment_count; i++) {
        if (store->fragments[i] == old) {
            store->fragments[i] = fragment;
            fake_fragment_free(old);
            return;
        }
    }
    assert_that(store->fragment_count < FAKE_FRAGMENTS_MAX);
    store->fragments[store->fragment_count++] = fragment;
}

static inline void fake_put(struct fake_store *store, struct http_exchange *exchange,
                            const struct fake_target *target)
{
    struct segment_key key = fake_key(target);
    if (!fake_authorised(store, exchange, CAPABILITY_WRITE, &key, (u8)target->index)) {
        return;
    }
    if (store->fault == FAKE_REFUSE) {
        fake_answer(exchange, 507, "no space");
        return;
    }
    if (store->fault == FAKE_CONFLICT) {
        fake_answer(exchange, 409, "other bytes");
        return;
    }
    struct fake_fragment *fragment = MEM_NEW(struct fake_fragment);
    if (!fake_receive(store, exchange, fragment) ||
        !fake_check(store, exchange, fragment, target)) {
        fake_fragment_free(fragment);
        return;
    }
    fragment->data = mem_resize(fragment->data, fragment->length);
    fake_keep(store, fragment);
    if (store->fault == FAKE_NO_RECEIPT) {
        fake_hang(store);
    }
    if (store->fault == FAKE_LATE) {
        IGNORE(fiber_sleep(store->all->loop, loop_now_ms(store->all->loop) + FAKE_LATE_MS));
    }
    store->puts++;
    fake_respond_receipt(store, exchange, &fragment->seal, fragment->index);
}

static inline void fake_renew(struct fake_store *store, struct http_exchange *exchange,
                              const struct fake_target *target)
{
    struct segment_key key = fake_key(target);
    struct segment_seal seal;
    bytes body;
    if (!fake_authorised(store, exchange, CAPABILITY_WRITE, &key, (u8)target->index) ||
        !is_ok(http_read_body_all(exchange, SEAL_BYTES_MAX, &body))) {
        return;
    }
    if (!fake_read_seal(body, &seal) || fake_find(store, &key, (int)target->index) == NULL) {
        fake_answer(exchange, 404, "no such fragment");
        return;
    }
    store->renewals++;
    fake_respond_receipt(store, exchange, &seal, (u8)target->index);
}

/* ---- reads ---- */

static inline const struct fake_proof *fake_proof_of(struct fake_fragment *fragment, u32 run)
{
    u32 at = run * (u32)UNIT_BYTES;
    u32 len = (u32)min_u64(UNIT_BYTES, fragment->length - at);
    if (fragment->proofs == NULL) {
        fragment->proofs =
            mem_alloc_array(ceil_div(fragment->length, UNIT_BYTES), sizeof(struct fake_proof));
    }
    struct fake_proof *proof = &fragment->proofs[run];
    if (proof->len == 0) {
        proof->len = merkle_range_proof(proof->path, fragment->leaves, fragment->leaf_count,
                                        at / LEAF_BYTES, ceil_div(len, LEAF_BYTES));
    }
    return proof;
}

static inline err fake_send_run(struct fake_store *store, struct http_exchange *exchange,
                                struct fake_fragment *fragment, u32 at)
{
    u32 len = (u32)min_u64(UNIT_BYTES, fragment->length - at);
    u32 run = at / (u32)UNIT_BYTES;
    struct fake_proof proof = *fake_proof_of(fragment, run);
    struct buf frame;
    buf_init(&frame, MIB(1));
    buf_put_be32(&frame, len);
    buf_put_be16(&frame, (u16)proof.len);
    if (store->fault == FAKE_WRONG_PATH && proof.len != 0) {
        proof.path[0].b[3] ^= 1;
    }
    buf_put(&frame, bytes_make(proof.path, proof.len * sizeof proof.path[0]));
    buf_put(&frame, bytes_make(fragment->data + at, len));
    if (store->fault == FAKE_WRONG_BYTES || (store->fault == FAKE_WRONG_ONCE && run == 2)) {
        frame.data[frame.len - 1 - len / 2] ^= 0x10;
    }
    if (store->fault == FAKE_SLOW) {
        IGNORE(fiber_sleep(store->all->loop, loop_now_ms(store->all->loop) + 60));
    }
    bool half = store->fault == FAKE_TRUNCATE || (store->fault == FAKE_DIE && run != 0);
    err e = http_write(exchange, bytes_make(frame.data, half ? frame.len / 2 : frame.len));
    store->bytes_out += len;
    buf_free(&frame);
    return half && is_ok(e) ? fail(ERR_CLOSED) : e;
}

static inline void fake_get(struct fake_store *store, struct http_exchange *exchange,
                            const struct fake_target *target)
{
    struct segment_key key = fake_key(target);
    struct fake_fragment *fragment = fake_find(store, &key, (int)target->index);
    if (!fake_authorised(store, exchange, CAPABILITY_READ, &key, (u8)target->index)) {
        return;
    }
    if (fragment == NULL || store->fault == FAKE_FORGOT) {
        fake_answer(exchange, 404, "no such fragment");
        return;
    }
    store->gets++;
    IGNORE(http_respond_begin(exchange, 200, HTTP_UNKNOWN_LENGTH));
    IGNORE(http_write(exchange, bytes_make("", 0)));
    err e = ok();
    for (u32 at = target->from; is_ok(e) && at < target->from + target->length;
         at += (u32)UNIT_BYTES) {
        if (store->fault == FAKE_STALL) {
            fake_hang(store);
        }
        e = fake_send_run(store, exchange, fragment, at);
    }
    if (store->fault == FAKE_END_LATER) {
        IGNORE(fiber_sleep(store->all->loop, loop_now_ms(store->all->loop) + 30));
    }
    if (is_ok(e) || store->fault == FAKE_TRUNCATE) {
        IGNORE(http_respond_end(exchange));
    }
}

static inline void fake_seal(struct fake_store *store, struct http_exchange *exchange,
                             const struct fake_target *target)
{
    struct segment_key key = fake_key(target);
    const struct fake_fragment *fragment = fake_find(store, &key, -1);
    if (!fake_authorised(store, exchange, CAPABILITY_READ, &key, CAPABILITY_ALL_FRAGMENTS)) {
        return;
    }
    if (fragment == NULL || store->fault == FAKE_FORGOT) {
        fake_answer(exchange, 404, "no such segment");
        return;
    }
    struct segment_seal seal = fragment->seal;
    struct buf body;
    seal.roots[1].b[0] ^= store->fault == FAKE_WRONG_SEAL;
    store->seals++;
    buf_init(&body, SEAL_BYTES_MAX);
    segment_seal_write(&body, &seal);
    IGNORE(http_respond(exchange, 200, buf_bytes(&body)));
    buf_free(&body);
}

/* ---- a node ---- */

static inline void fake_handle(void *ctx, struct http_exchange *exchange)
{
    struct fake_store *store = ctx;
    const struct http_request *request = http_request_of(exchange);
    struct fake_target t = {0};
    char target[256];
    if (strcmp(store->peer, request->peer) != 0) {
        snprintf(store->peer, sizeof store->peer, "%s", request->peer);
        store->connections++;
    }
    snprintf(target, sizeof target, "%.*s", (int)request->target.len,
             (const char *)request->target.data);
    if (store->fault == FAKE_HANG) {
        fake_hang(store);
    }
    int n = sscanf(target, "/v1/fragment/%llu.%u.%llu/%u?from=%u&length=%u", &t.territory,
                   &t.gateway, &t.number, &t.index, &t.from, &t.length);
    if (n == 6 && bytes_eq_str(request->method, "GET")) {
        fake_get(store, exchange, &t);
    } else if (n == 4 && bytes_eq_str(request->method, "PUT")) {
        fake_put(store, exchange, &t);
    } else if (sscanf(target, "/v1/receipt/%llu.%u.%llu/%u", &t.territory, &t.gateway, &t.number,
                      &t.index) == 4) {
        fake_renew(store, exchange, &t);
    } else if (sscanf(target, "/v1/segment/%llu.%u.%llu", &t.territory, &t.gateway, &t.number) ==
               3) {
        fake_seal(store, exchange, &t);
    } else {
        fake_answer(exchange, 404, "unknown target");
    }
}

/* fake_start: (again) on its port. */
static inline void fake_start(struct fake_store *store)
{
    const struct http_server_options options = {
        .host = "127.0.0.1", .port = store->port, .handler = fake_handle, .ctx = store};
    err e = http_server_start(store->all->loop, &options, &store->server);
    assert_that(is_ok(e));
    store->port = http_server_port(store->server);
}

/* fake_stop: connections break, new ones are refused; the bytes stay. */
static inline void fake_stop(struct fake_store *store)
{
    struct http_server *server = store->server;
    enum fake_fault fault = store->fault;
    store->server = NULL;
    fake_set_fault(store, fault == FAKE_FINE ? FAKE_FORGOT : FAKE_FINE); /* hanging ones go on */
    http_server_close(server);
    store->fault = fault;
}

static inline struct fake_store *fake_add(struct fake_stores *stores,
                                          const struct secp_secret *secret)
{
    assert_that(stores->count < FAKE_STORES_MAX);
    struct fake_store *store = &stores->items[stores->count++];
    *store = (struct fake_store){.all = stores, .number = stores->count, .secret = *secret};
    event_init(&store->healed);
    fake_start(store);
    return store;
}

static inline void fake_close(struct fake_stores *stores)
{
    for (u32 i = 0; i < stores->count; i++) {
        fake_stop(&stores->items[i]);
        fake_forget(&stores->items[i]);
    }
}

#endif

/* Ledger nodes that lie, stall, break, or are gone: nothing wrong is believed, every call ends in
 * time with the fault that the header promises, and an honest node afterwards is as good as
 * ever. */
#include "chain/testing.h"

#include "base/log.h"
#include "chain/check.h"
#include "chain/rpc.h"
#include "ledger/block/consensus.h"
#include "tests/support/check.h"

#define PATIENCE_MS 300
#define SLACK_MS 10000 /* machines that test are busy */

/* ---- heads: what a node may send for one ---- */

struct head_parts {
    struct block_header header;
    struct consensus_header consensus;
    struct certificate certificate;
};

static void parts_of(const json_t *answer, struct head_parts *parts)
{
    struct arena arena;
    bytes header;
    bytes part;
    arena_init(&arena, KIB(64));
    assert_true(json_read_data(json_object_get(answer, "header"), &arena, &header));
    assert_true(json_read_data(json_object_get(answer, "consensus"), &arena, &part));
    test_ok(block_header_decode(header, &parts->header));
    test_ok(consensus_part_decode(part, &parts->consensus, &parts->certificate));
    arena_free(&arena);
}

static json_t *answer_of(const json_t *answer, const struct head_parts *parts)
{
    struct buf header;
    struct buf part;
    buf_init(&header, KIB(64));
    buf_init(&part, KIB(64));
    block_header_encode(&header, &parts->header);
    consensus_part_encode(&part, &parts->consensus, &parts->certificate);
    json_t *copy = json_copy((json_t *)(uintptr_t)answer);
    json_object_set_new(copy, "header", json_data(buf_bytes(&header)));
    json_object_set_new(copy, "consensus", json_data(buf_bytes(&part)));
    buf_free(&header);
    buf_free(&part);
    return copy;
}

/* Signs the consensus header as it is now, for a chain. */
static void sign_again(struct head_parts *parts, u64 chain, const struct secp_secret *secret)
{
    struct hash digest;
    struct vote vote = {.kind = VOTE_PRECOMMIT,
                        .chain_id = chain,
                        .height = parts->consensus.height,
                        .valid_round = VOTE_NO_ROUND};
    consensus_header_id(&vote.block_id, &parts->consensus);
    vote_digest(&digest, &vote);
    parts->certificate.height = vote.height;
    parts->certificate.block_id = vote.block_id;
    parts->certificate.count = 1;
    secp_sign(&parts->certificate.items[0].signature, secret, &digest);
}

static void forge_root(struct head_parts *parts)
{
    parts->header.state_root.b[7] ^= 1;
    block_header_hash(&parts->consensus.parent_hash, &parts->header);
}

enum head_lie {
    LIE_SIGNATURE,    /* one bit of it */
    LIE_NO_SIGNATURE, /* an empty certificate */
    LIE_STRANGER,     /* signed by somebody without a seat */
    LIE_CHAIN,        /* the seat's own signature, for another chain */
    LIE_CHAIN_IN_HEADER,
    LIE_HEADER,     /* another state root, nothing else changed */
    LIE_FORGED,     /* another state root, all hashes fitting, the old signature's block */
    LIE_HEIGHT,     /* a header of another height under its number */
    LIE_OLD_VOTE,   /* another state root under the certificate of the true one */
    LIE_OTHER_VOTE, /* a certificate for another block of that height */
    LIE_TWICE,      /* the same seat counted twice */
    LIE_COUNT,
};

static json_t *lie_about_head(struct fake *fake, json_t *result)
{
    struct test_ledger *ledger = &fake->world->ledger.ledger;
    struct head_parts parts;
    if (json_is_null(result)) {
        return json_incref(result);
    }
    parts_of(result, &parts);
    switch ((enum head_lie)fake->seed) {
    case LIE_SIGNATURE:
        parts.certificate.items[0].signature.b[9] ^= 4;
        break;
    case LIE_NO_SIGNATURE:
        parts.certificate.count = 0;
        break;
    case LIE_STRANGER:
        forge_root(&parts);
        sign_again(&parts, TEST_CHAIN_ID, &ledger->user);
        break;
    case LIE_CHAIN:
        sign_again(&parts, TEST_CHAIN_ID + 1, &ledger->seat);
        break;
    case LIE_CHAIN_IN_HEADER:
        parts.consensus.chain_id++;
        sign_again(&parts, TEST_CHAIN_ID, &ledger->seat);
        break;
    case LIE_HEADER:
        parts.header.state_root.b[7] ^= 1;
        break;
    case LIE_FORGED:
        forge_root(&parts);
        consensus_header_id(&parts.certificate.block_id, &parts.consensus);
        break;
    case LIE_HEIGHT:
        parts.header.number += 1000;
        block_header_hash(&parts.consensus.parent_hash, &parts.header);
        sign_again(&parts, TEST_CHAIN_ID, &ledger->seat);
        break;
    case LIE_OLD_VOTE:
        forge_root(&parts);
        break;
    case LIE_OTHER_VOTE:
        parts.certificate.block_id.b[0] ^= 1;
        break;
    case LIE_TWICE:
        parts.certificate.items[1] = parts.certificate.items[0];
        parts.certificate.count = 2;
        parts.certificate.items[1].seat = 1;
        break;
    case LIE_COUNT:
        break;
    }
    return answer_of(result, &parts);
}

static void forged_heads_are_refused(struct chain_world *world)
{
    for (u64 lie = 0; lie < LIE_COUNT; lie++) {
        u64 begin_ms = loop_now_ms(world->loop);
        fake_be(&world->fakes[0], (struct fake){.twist = lie_about_head, .seed = lie});
        same_err(world_try_open(world, 1, soon(world)), ERR_INTEGRITY);
        assert_true(loop_now_ms(world->loop) - begin_ms < SLACK_MS);
    }
    fake_be_honest(&world->fakes[0]);
    world_open(world, 1);
    /* Later on, too: the head that was checked stays. */
    struct chain_head head = chain_head(world->chain);
    for (u64 lie = 0; lie < LIE_COUNT; lie++) {
        fake_be(&world->fakes[0], (struct fake){.twist = lie_about_head, .seed = lie});
        world_blocks(world, 1);
        same_err(chain_wait(world->chain, head.height, in_ms(world, 60)), ERR_TIMEOUT);
    }
    fake_be_honest(&world->fakes[0]);
    world_catch_up(world);
}

/* ---- any answer: form, length, time ---- */

static void truncate(struct fake *fake, struct buf *text)
{
    (void)fake;
    text->len -= 2;
}

static void fill(struct buf *text, const char *unit, size_t count)
{
    buf_clear(text);
    for (size_t i = 0; i < count; i++) {
        buf_put_str(text, unit);
    }
}

static void say_much(struct fake *fake, struct buf *text)
{
    (void)fake;
    fill(text, "                                                                ", MIB(20) / 64);
}

static void say_many(struct fake *fake, struct buf *text)
{
    (void)fake;
    fill(text, "[],", 20000);
}

static void say_deep(struct fake *fake, struct buf *text)
{
    (void)fake;
    fill(text, "[", 30000);
}

static void say_nothing(struct fake *fake, struct buf *text)
{
    (void)fake;
    buf_clear(text);
}

static void say_zeros(struct fake *fake, struct buf *text)
{
    (void)fake;
    memset(text->data, 0, text->len);
}

static void say_html(struct fake *fake, struct buf *text)
{
    (void)fake;
    fill(text, "<html>", 1);
}

static void say_other_id(struct fake *fake, struct buf *text)
{
    (void)fake;
    size_t at = bytes_find(buf_bytes(text), bytes_str("\"id\":"));
    text->data[at + 5] = '0';
}

static void say_no_version(struct fake *fake, struct buf *text)
{
    (void)fake;
    size_t at = bytes_find(buf_bytes(text), bytes_str("2.0"));
    text->data[at] = '1';
}

static json_t *say_null(struct fake *fake, json_t *result)
{
    (void)fake;
    (void)result;
    return json_null();
}

static json_t *say_object(struct fake *fake, json_t *result)
{
    (void)fake;
    (void)result;
    return json_object();
}

static json_t *say_text(struct fake *fake, json_t *result)
{
    (void)fake;
    (void)result;
    return json_string("0xzz");
}

static json_t *say_error(struct fake *fake, json_t *result)
{
    (void)fake;
    (void)result;
    return NULL;
}

/* What every call must answer to a node like that, when there is no other. */
static const struct bad_answer {
    const char *name;
    struct fake how;
    enum err_code expected;
} bad_answers[] = {
    {"truncated", {.spoil = truncate}, ERR_MALFORMED},
    {"endless", {.spoil = say_much}, ERR_LIMIT},
    {"many values", {.spoil = say_many}, ERR_MALFORMED},
    {"deep", {.spoil = say_deep}, ERR_MALFORMED},
    {"empty", {.spoil = say_nothing}, ERR_MALFORMED},
    {"zeros", {.spoil = say_zeros}, ERR_MALFORMED},
    {"html", {.spoil = say_html}, ERR_MALFORMED},
    {"other id", {.spoil = say_other_id}, ERR_MALFORMED},
    {"other version", {.spoil = say_no_version}, ERR_MALFORMED},
    {"object", {.twist = say_object}, ERR_MALFORMED},
    {"text", {.twist = say_text}, ERR_MALFORMED},
    {"500", {.status = 500}, ERR_MALFORMED},
    {"404", {.status = 404}, ERR_MALFORMED},
    {"302", {.status = 302}, ERR_MALFORMED},
    {"mute", {.mute = true}, ERR_TIMEOUT},
    {"stalled", {.stall = true}, ERR_TIMEOUT},
};

/* Silence is waited for; every other fault comes at once, however busy the machine is. */
static u64 patience_ms(const struct bad_answer *bad)
{
    return bad->expected == ERR_TIMEOUT ? PATIENCE_MS : SOON_MS;
}

static void call_fails(struct chain_world *world, err e, u64 begin_ms, const struct bad_answer *bad)
{
    u64 took_ms = loop_now_ms(world->loop) - begin_ms;
    if (e.code != bad->expected || took_ms > PATIENCE_MS + SLACK_MS) {
        print_message("answer \"%s\" gave %s after %u ms\n", bad->name, err_name(e),
                      (unsigned)took_ms);
    }
    same_err(e, bad->expected);
    assert_true(took_ms <= PATIENCE_MS + SLACK_MS);
}

static void broken_answers_at_the_start(struct chain_world *world)
{
    for (size_t i = 0; i < COUNT_OF(bad_answers); i++) {
        u64 begin_ms = loop_now_ms(world->loop);
        fake_be(&world->fakes[0], bad_answers[i].how);
        call_fails(world, world_try_open(world, 1, begin_ms + PATIENCE_MS), begin_ms,
                   &bad_answers[i]);
    }
    fake_be(&world->fakes[0], (struct fake){.status = 503});
    same_err(world_try_open(world, 1, in_ms(world, PATIENCE_MS)), ERR_BUSY);
    fake_be(&world->fakes[0], (struct fake){.twist = say_error});
    same_err(world_try_open(world, 1, in_ms(world, PATIENCE_MS)), ERR_REFUSED);
    fake_be(&world->fakes[0], (struct fake){.twist = say_null});
    same_err(world_try_open(world, 1, in_ms(world, PATIENCE_MS)), ERR_TIMEOUT);
    /* Nobody is there at all. */
    const char *urls[] = {"http://127.0.0.1:1"};
    const struct chain_options options = {
        .rpc_urls = urls, .rpc_url_count = 1, .genesis_path = world->genesis_path};
    same_err(chain_open(world->loop, &options, in_ms(world, PATIENCE_MS), &world->chain),
             ERR_NETWORK);
}

typedef err some_call(struct chain_world *world, u64 deadline_ms);

static err call_view(struct chain_world *world, u64 deadline_ms)
{
    u64 value;
    world_blocks(world, 1); /* nothing is known about the new head */
    world_catch_up(world);
    return vault_value(world, 1, deadline_ms, &value);
}

static err call_balance(struct chain_world *world, u64 deadline_ms)
{
    struct u256 wei;
    return chain_balance(world->chain, &world->ledger.ledger.user_address, &wei, deadline_ms);
}

static err call_nonce(struct chain_world *world, u64 deadline_ms)
{
    u64 nonce;
    return chain_nonce(world->chain, &world->ledger.ledger.user_address, &nonce, deadline_ms);
}

static err call_logs(struct chain_world *world, u64 deadline_ms)
{
    const struct address vault = native_address(VAULT_NUMBER);
    const struct chain_log *logs;
    size_t count;
    return chain_logs(world->chain, &vault, 0, 100, &world->arena, deadline_ms, &logs, &count);
}

static struct hash some_tx; /* in a final block */

static err call_receipt(struct chain_world *world, u64 deadline_ms)
{
    struct chain_receipt receipt;
    return chain_receipt_of(world->chain, &some_tx, &world->arena, deadline_ms, &receipt);
}

static err call_sign(struct chain_world *world, u64 deadline_ms)
{
    struct chain_account *account;
    const struct chain_call call = set_call(world, 1, 2);
    bytes raw;
    struct hash hash;
    test_ok(chain_account_open(world->chain, &world->ledger.ledger.user, &account));
    err e = chain_sign(account, &call, &world->arena, deadline_ms, &raw, &hash);
    chain_account_close(account);
    return e;
}

static void make_some_tx(struct chain_world *world)
{
    some_tx = rpc_send_set(&world->ledger, 1, 11);
    world_blocks(world, 2);
}

/* Every kind of broken answer, to every kind of question, with the head still followed. */
static void broken_answers_to(struct chain_world *world, const char *method, some_call *call)
{
    make_some_tx(world);
    world_open(world, 1);
    test_ok(call(world, soon(world)));
    for (size_t i = 0; i < COUNT_OF(bad_answers); i++) {
        struct fake how = bad_answers[i].how;
        how.method = method;
        fake_be(&world->fakes[0], how);
        u64 begin_ms = loop_now_ms(world->loop);
        call_fails(world, call(world, begin_ms + patience_ms(&bad_answers[i])), begin_ms,
                   &bad_answers[i]);
        fake_be_honest(&world->fakes[0]);
        test_ok(call(world, soon(world)));
    }
}

static void broken_answers_to_views(struct chain_world *world)
{
    broken_answers_to(world, "eth_getProof", call_view);
}

static void broken_answers_to_balances(struct chain_world *world)
{
    broken_answers_to(world, "eth_getProof", call_balance);
    world_close(world);
    broken_answers_to(world, "eth_getProof", call_nonce);
}

static void broken_answers_to_receipts(struct chain_world *world)
{
    broken_answers_to(world, "cairn_receipt", call_receipt);
}

static void broken_answers_to_logs(struct chain_world *world)
{
    broken_answers_to(world, "eth_getLogs", call_logs);
}

static void broken_answers_to_signing(struct chain_world *world)
{
    broken_answers_to(world, "eth_estimateGas", call_sign);
    world_close(world);
    broken_answers_to(world, "eth_getTransactionCount", call_sign);
}

/* ---- proofs ---- */

static json_t *proof_list(json_t *result, bool of_slot)
{
    json_t *storage = json_object_get(result, "storageProof");
    return of_slot ? json_object_get(json_array_get(storage, 0), "proof")
                   : json_object_get(result, "accountProof");
}

static void flip_in_node(json_t *list, size_t node, size_t digit)
{
    json_t *old = json_array_get(list, node);
    size_t len = json_string_length(old);
    char *text = mem_strdup(json_string_value(old));
    char *at = &text[2 + digit % (len - 2)];
    *at = *at == '0' ? '1' : '0';
    json_array_set_new(list, node, json_string(text));
    mem_free(text);
}

enum proof_lie {
    PROOF_FLIP_ACCOUNT, /* a digit */
    PROOF_FLIP_SLOT,
    PROOF_DROP_LAST_ACCOUNT,
    PROOF_DROP_LAST_SLOT,
    PROOF_DROP_FIRST_SLOT,
    PROOF_EXTRA_NODE,
    PROOF_NO_ACCOUNT, /* empty lists: "there is nothing" */
    PROOF_NO_SLOT,
    PROOF_NO_ITEMS,
    PROOF_TWO_ITEMS,
    PROOF_SWAPPED, /* the slot's proof for the account, and the other way round */
    PROOF_LIE_COUNT,
};

static json_t *lie_about_proof(struct fake *fake, json_t *result)
{
    if (json_array_size(json_object_get(result, "storageProof")) == 0) {
        return json_incref(result); /* only the root is asked for; slots come next */
    }
    json_t *lie = json_deep_copy(result);
    json_t *account = proof_list(lie, false);
    json_t *slot = proof_list(lie, true);
    json_t *items = json_object_get(lie, "storageProof");
    switch ((enum proof_lie)fake->seed) {
    case PROOF_FLIP_ACCOUNT:
        flip_in_node(account, 0, 77);
        break;
    case PROOF_FLIP_SLOT:
        flip_in_node(slot, json_array_size(slot) - 1, 70);
        break;
    case PROOF_DROP_LAST_ACCOUNT:
        json_array_remove(account, json_array_size(account) - 1);
        break;
    case PROOF_DROP_LAST_SLOT:
        json_array_remove(slot, json_array_size(slot) - 1);
        break;
    case PROOF_DROP_FIRST_SLOT:
        json_array_remove(slot, 0);
        break;
    case PROOF_EXTRA_NODE:
        json_array_append(slot, json_array_get(slot, 0));
        break;
    case PROOF_NO_ACCOUNT:
        json_array_clear(account);
        json_array_clear(slot);
        break;
    case PROOF_NO_SLOT:
        json_array_clear(slot);
        break;
    case PROOF_NO_ITEMS:
        json_array_clear(items);
        break;
    case PROOF_TWO_ITEMS:
        json_array_append(items, json_array_get(items, 0));
        break;
    case PROOF_SWAPPED:
        json_incref(account);
        json_object_set(lie, "accountProof", slot);
        json_object_set(json_array_get(items, 0), "proof", account);
        json_decref(account);
        break;
    case PROOF_LIE_COUNT:
        break;
    }
    return lie;
}

static void forged_proofs_are_refused(struct chain_world *world)
{
    make_some_tx(world);
    rpc_send_set(&world->ledger, 2, 12);
    world_blocks(world, 2);
    world_open(world, 1);
    for (u64 lie = 0; lie < PROOF_LIE_COUNT; lie++) {
        bool form = lie == PROOF_NO_ITEMS || lie == PROOF_TWO_ITEMS;
        fake_be(&world->fakes[0],
                (struct fake){.method = "eth_getProof", .twist = lie_about_proof, .seed = lie});
        same_err(call_view(world, soon(world)), form ? ERR_MALFORMED : ERR_INTEGRITY);
        fake_be_honest(&world->fakes[0]);
        vault_is(world, 1, 11); /* nothing of the lie was kept */
        vault_is(world, 2, 12);
    }
}

/* An honest proof, but of another account, of another slot, or of the height before. */
static json_t *stored_answer;

static json_t *say_stored(struct fake *fake, json_t *result)
{
    (void)fake;
    (void)result;
    return json_incref(stored_answer);
}

static void store_proof(struct chain_world *world, const struct address *address,
                        const struct hash *slot, u64 height)
{
    stored_answer =
        rpc_ask(&world->ledger, "eth_getProof", "\"%s\",[\"%s\"],\"0x%llx\"",
                rpc_hex(BYTES_OF(*address)), rpc_hex(BYTES_OF(*slot)), (unsigned long long)height);
    fake_be(&world->fakes[0], (struct fake){.method = "eth_getProof", .twist = say_stored});
}

static void stored_is_refused(struct chain_world *world)
{
    u64 value;
    same_err(vault_value(world, 1, soon(world), &value), ERR_INTEGRITY);
    json_decref(stored_answer);
}

static void proofs_of_something_else_are_refused(struct chain_world *world)
{
    const struct address vault = native_address(VAULT_NUMBER);
    const struct address nobody = {{5}};
    const struct hash slot = vault_slot(1);
    const struct hash other = vault_slot(9);
    make_some_tx(world);
    u64 before = world_height(world);
    rpc_send_set(&world->ledger, 1, 12);
    world_blocks(world, 2);
    u64 height = world_height(world) - 1;
    world_open(world, 1);
    store_proof(world, &nobody, &slot, height); /* an absent account: "nothing there" */
    stored_is_refused(world);
    store_proof(world, &world->ledger.ledger.user_address, &slot, height);
    stored_is_refused(world);
    store_proof(world, &vault, &other, height); /* a slot that is empty */
    stored_is_refused(world);
    store_proof(world, &vault, &slot, before); /* as it was */
    stored_is_refused(world);
    fake_be_honest(&world->fakes[0]);
    vault_is(world, 1, 12);
}

/* ---- receipts ---- */

enum receipt_lie {
    RECEIPT_FLIP_TX,
    RECEIPT_FLIP,
    RECEIPT_FLIP_BEFORE,
    RECEIPT_NO_BEFORE,
    RECEIPT_INDEX, /* the proof of another transaction of the block */
    RECEIPT_HEADER,
    RECEIPT_LIE_COUNT,
};

static json_t *lie_about_receipt(struct fake *fake, json_t *result)
{
    json_t *lie = json_deep_copy(result);
    switch ((enum receipt_lie)fake->seed) {
    case RECEIPT_FLIP_TX:
        flip_in_node(json_object_get(lie, "txProof"), 0, 99);
        break;
    case RECEIPT_FLIP:
        flip_in_node(json_object_get(lie, "receiptProof"), 0, 99);
        break;
    case RECEIPT_FLIP_BEFORE:
        flip_in_node(json_object_get(lie, "beforeProof"), 0, 99);
        break;
    case RECEIPT_NO_BEFORE:
        json_object_del(lie, "beforeProof");
        break;
    case RECEIPT_INDEX:
        json_object_set_new(lie, "index", json_quantity(0));
        break;
    case RECEIPT_HEADER: {
        struct head_parts parts;
        parts_of(lie, &parts);
        parts.header.receipts_root.b[0] ^= 1;
        json_t *changed = answer_of(lie, &parts);
        json_decref(lie);
        return changed;
    }
    case RECEIPT_LIE_COUNT:
        break;
    }
    return lie;
}

static void forged_receipts_are_refused(struct chain_world *world)
{
    struct chain_receipt receipt;
    struct hash first = rpc_send_set(&world->ledger, 1, 11);
    struct hash second = rpc_send_set(&world->ledger, 2, 12);
    world_blocks(world, 2);
    some_tx = second;
    world_open(world, 1);
    for (u64 lie = 0; lie < RECEIPT_LIE_COUNT; lie++) {
        bool form = lie == RECEIPT_NO_BEFORE;
        fake_be(&world->fakes[0],
                (struct fake){.method = "cairn_receipt", .twist = lie_about_receipt, .seed = lie});
        same_err(call_receipt(world, soon(world)), form ? ERR_MALFORMED : ERR_INTEGRITY);
    }
    /* The true receipt of another transaction, and none. */
    stored_answer = rpc_ask(&world->ledger, "cairn_receipt", "\"%s\"", rpc_hex(BYTES_OF(first)));
    fake_be(&world->fakes[0], (struct fake){.method = "cairn_receipt", .twist = say_stored});
    same_err(call_receipt(world, soon(world)), ERR_INTEGRITY);
    json_decref(stored_answer);
    fake_be(&world->fakes[0], (struct fake){.method = "cairn_receipt", .twist = say_null});
    same_err(call_receipt(world, soon(world)), ERR_NOT_FOUND);
    fake_be_honest(&world->fakes[0]);
    test_ok(chain_receipt_of(world->chain, &second, &world->arena, soon(world), &receipt));
    assert_true(receipt.success);
    assert_int_equal(receipt.log_count, 1);
    assert_int_equal(receipt.height, world_height(world) - 1);
    assert_in_range(receipt.gas_used, 21000, 100000);
}

/* ---- logs ---- */

enum log_lie {
    LOG_ADDRESS,
    LOG_TOO_OLD,
    LOG_TOO_NEW,
    LOG_ORDER,
    LOG_TOPICS,
    LOG_DATA,
    LOG_INDEX,
    LOG_MANY,
    LOG_LIE_COUNT,
};

static json_t *lie_about_logs(struct fake *fake, json_t *result)
{
    json_t *lie = json_deep_copy(result);
    json_t *log = json_array_get(lie, 0);
    switch ((enum log_lie)fake->seed) {
    case LOG_ADDRESS:
        json_object_set_new(log, "address", json_string(DUMMY));
        break;
    case LOG_TOO_OLD:
        json_object_set_new(log, "blockNumber", json_quantity(0));
        break;
    case LOG_TOO_NEW:
        json_object_set_new(log, "blockNumber", json_quantity(1000));
        break;
    case LOG_ORDER:
        json_array_append(lie, log);
        break;
    case LOG_TOPICS:
        json_object_set_new(log, "topics", json_pack("[n, n, n, n, n]"));
        break;
    case LOG_DATA:
        json_object_set_new(log, "data", json_string("0x0"));
        break;
    case LOG_INDEX:
        json_object_set_new(log, "logIndex", json_quantity(UINT64_MAX));
        break;
    case LOG_MANY:
        for (size_t i = 0; i <= CHAIN_LOGS_MAX; i++) {
            json_array_append(lie, log);
        }
        break;
    case LOG_LIE_COUNT:
        break;
    }
    return lie;
}

static void wrong_logs_are_refused(struct chain_world *world)
{
    static const enum err_code expected[LOG_LIE_COUNT] = {
        [LOG_ADDRESS] = ERR_INTEGRITY, [LOG_TOO_OLD] = ERR_INTEGRITY, [LOG_TOO_NEW] = ERR_INTEGRITY,
        [LOG_ORDER] = ERR_INTEGRITY,   [LOG_TOPICS] = ERR_MALFORMED,  [LOG_DATA] = ERR_MALFORMED,
        [LOG_INDEX] = ERR_MALFORMED,   [LOG_MANY] = ERR_LIMIT,
    };
    make_some_tx(world);
    world_open(world, 1);
    for (u64 lie = 0; lie < LOG_LIE_COUNT; lie++) {
        fake_be(&world->fakes[0],
                (struct fake){.method = "eth_getLogs", .twist = lie_about_logs, .seed = lie});
        same_err(call_logs(world, soon(world)), expected[lie]);
    }
}

/* ---- any byte of anything ---- */

static void flip_a_byte(struct fake *fake, struct buf *text)
{
    fake->seed = fake->seed * 6364136223846793005u + 1442695040888963407u;
    u64 at = (fake->seed >> 16) % text->len;
    text->data[at] ^= (u8)(1u << (fake->seed >> 61));
}

/* Whatever bit of an answer flips: the truth, or a fault. */
static void flipped_bits_do_not_deceive(struct chain_world *world)
{
    struct fake *node = &world->fakes[0];
    size_t refused = 0;
    make_some_tx(world);
    rpc_send_set(&world->ledger, 2, 12);
    world_blocks(world, 2);
    world_open(world, 1);
    log_set_level(LOG_ERROR);
    for (u64 seed = 1; seed <= 150; seed++) {
        struct chain_receipt receipt = {0};
        u64 value = 0;
        world_blocks(world, 1);
        world_catch_up(world);
        fake_be(node, (struct fake){.method = "eth_getProof", .spoil = flip_a_byte, .seed = seed});
        err e = vault_value(world, 1, in_ms(world, 50), &value);
        assert_true(!is_ok(e) || value == 11);
        refused += !is_ok(e);
        fake_be(node, (struct fake){.method = "cairn_receipt", .spoil = flip_a_byte, .seed = seed});
        e = chain_receipt_of(world->chain, &some_tx, &world->arena, soon(world), &receipt);
        assert_true(!is_ok(e) || (receipt.success && receipt.height == 4));
        refused += !is_ok(e);
        if (seed % 10 == 0) { /* the follower takes a rest after each */
            fake_be(node,
                    (struct fake){.method = "cairn_head", .spoil = flip_a_byte, .seed = seed});
            world_blocks(world, 2);
            test_ok(fiber_sleep(world->loop, in_ms(world, 20)));
        }
        fake_be_honest(node);
        vault_is(world, 1, 11);
    }
    log_set_level(LOG_INFO);
    assert_true(refused > 200);
}

/* ---- several nodes ---- */

/* Whatever one node does, another one is enough. */
static void one_honest_node_is_enough(struct chain_world *world)
{
    struct u256 balance;
    make_some_tx(world);
    for (size_t i = 0; i < COUNT_OF(bad_answers); i++) {
        if (bad_answers[i].expected == ERR_TIMEOUT) {
            continue; /* below */
        }
        fake_be(&world->fakes[0], bad_answers[i].how);
        fake_be(
            &world->fakes[1],
            (struct fake){.twist = lie_about_head, .seed = LIE_STRANGER, .method = "cairn_head"});
        fake_be_honest(&world->fakes[2]);
        test_ok(world_try_open(world, 3, soon(world)));
        test_ok(call_view(world, soon(world)));
        test_ok(call_receipt(world, soon(world)));
        world_close(world);
    }
    /* The one that is preferred turns bad. */
    fake_be_honest(&world->fakes[0]);
    world_open(world, 2);
    fake_be(&world->fakes[0], (struct fake){.twist = say_object});
    fake_be_honest(&world->fakes[1]);
    test_ok(call_view(world, soon(world)));
    /* Lies from one, silence from the other: that is no proof of anything. */
    fake_be(&world->fakes[1], (struct fake){.status = 500, .method = "eth_getProof"});
    same_err(chain_balance(world->chain, &world->ledger.ledger.user_address, &balance,
                           in_ms(world, PATIENCE_MS)),
             ERR_MALFORMED);
    fake_be(&world->fakes[1], (struct fake){.mute = true, .method = "eth_getProof"});
    same_err(chain_balance(world->chain, &world->ledger.ledger.user_address, &balance,
                           in_ms(world, PATIENCE_MS)),
             ERR_TIMEOUT);
}

/* A node that stalls uses up its share of the time only. */
static void stalling_nodes_are_passed_over(struct chain_world *world)
{
    make_some_tx(world);
    for (unsigned kind = 0; kind < 2; kind++) {
        fake_be_honest(&world->fakes[0]);
        fake_be_honest(&world->fakes[1]);
        world_open(world, 2);
        fake_be(&world->fakes[0],
                (struct fake){.mute = kind == 0, .stall = kind == 1, .method = "eth_getProof"});
        u64 begin_ms = loop_now_ms(world->loop);
        test_ok(call_view(world, in_ms(world, 4000)));
        assert_in_range(loop_now_ms(world->loop) - begin_ms, 1600, 3900);
        begin_ms = loop_now_ms(world->loop);
        test_ok(call_view(world, in_ms(world, 4000)));
        assert_true(loop_now_ms(world->loop) - begin_ms < 1500); /* it is asked last now */
        world_close(world);
    }
}

/* A node that lost its power says nothing more on the connections that it had. When it is back, it
 * is asked again long before the deadline. */
static void come_back(void *arg)
{
    struct chain_world *world = arg;
    test_ok(fiber_sleep(world->loop, in_ms(world, 1000)));
    world->fakes[0].mute = false; /* what was asked before is never answered */
}

static void silence_is_asked_again(struct chain_world *world)
{
    static const char *const methods[] = {"eth_getProof", "cairn_receipt", "eth_estimateGas"};
    static some_call *const calls[] = {call_view, call_receipt, call_sign};
    make_some_tx(world);
    world_open(world, 1);
    for (size_t i = 0; i < COUNT_OF(calls); i++) {
        fake_be(&world->fakes[0], (struct fake){.mute = true, .method = methods[i]});
        test_ok(group_start(world->loop, &world->fibers, "back", come_back, world));
        u64 begin_ms = loop_now_ms(world->loop);
        test_ok(calls[i](world, in_ms(world, 15000)));
        assert_in_range(loop_now_ms(world->loop) - begin_ms, 1900, 6000);
        group_wait(world->loop, &world->fibers);
    }
}

/* One that never answers is asked some times, not again and again. */
static void silence_is_not_asked_often(struct chain_world *world)
{
    make_some_tx(world);
    world_open(world, 1);
    fake_be(&world->fakes[0], (struct fake){.mute = true, .method = "cairn_receipt"});
    u64 begin_ms = loop_now_ms(world->loop);
    same_err(call_receipt(world, in_ms(world, 7000)), ERR_TIMEOUT);
    assert_in_range(loop_now_ms(world->loop) - begin_ms, 6900, 8500);
    assert_in_range(world->fakes[0].receipts, 2, 2); /* 2 s, then the rest */
}

/* A node that says that nothing new has happened, although it has. */
static void a_node_that_keeps_back_is_left(struct chain_world *world)
{
    world_open(world, 2);
    fake_be(&world->fakes[0], (struct fake){.twist = say_null, .method = "cairn_head"});
    world_blocks(world, 1);
    u64 begin_ms = loop_now_ms(world->loop);
    world_catch_up(world);
    assert_in_range(loop_now_ms(world->loop) - begin_ms, 8000, 20000);
    /* It answered at once every time, and was not asked in a hurry. */
    assert_in_range(world->fakes[0].calls, 5, 60);
}

/* ---- the pure part ---- */

static void check_unit(void **state)
{
    (void)state;
    struct chain_trust trust;
    struct chain_head head;
    struct rpc_error error;
    json_t *result;
    const char *genesis =
        "{\"chain_id\":7,\"seats\":[\"0x00000000000000000000000000000000000000cc\","
        "\"0x00000000000000000000000000000000000000aa\","
        "\"0x00000000000000000000000000000000000000bb\"]}";
    test_ok(check_genesis(bytes_str(genesis), &trust));
    assert_int_equal(trust.chain_id, 7);
    assert_int_equal(trust.seats.count, 3);
    assert_int_equal(trust.seats.items[0].b[19], 0xaa); /* as the ledger orders them */
    assert_int_equal(trust.seats.items[2].b[19], 0xcc);
    same_err(check_head(&trust, NULL, &head), ERR_MALFORMED);

    /* Error objects: text goes to logs without control characters. */
    const char *text = "{\"jsonrpc\":\"2.0\",\"id\":3,\"error\":{\"code\":99999999999,"
                       "\"message\":\"a\\u001b[31m\\n\xc3\xa9\"}}";
    same_err(rpc_read_answer(bytes_str(text), 3, KIB(4), &error, &result), ERR_REFUSED);
    assert_int_equal(error.code, -1);
    assert_string_equal(error.message, "a?[31m???");
    text = "{\"jsonrpc\":\"2.0\",\"id\":3,\"error\":{}}";
    same_err(rpc_read_answer(bytes_str(text), 3, KIB(4), &error, &result), ERR_REFUSED);
    assert_string_equal(error.message, "");
    assert_int_equal(error.data_len, 0);
    static const char *const data[] = {"\"0x08c379a0\"", "\"0x\"", "\"\"", "\"0x1\"", "7", "{}"};
    for (size_t i = 0; i < COUNT_OF(data); i++) {
        char answer[128];
        snprintf(answer, sizeof answer, "{\"jsonrpc\":\"2.0\",\"id\":3,\"error\":{\"data\":%s}}",
                 data[i]);
        same_err(rpc_read_answer(bytes_str(answer), 3, KIB(4), &error, &result), ERR_REFUSED);
        check_hex(bytes_make(error.data, error.data_len), i == 0 ? "08c379a0" : "");
    }
    text = "{\"jsonrpc\":\"2.0\",\"id\":3,\"error\":\"no\"}";
    same_err(rpc_read_answer(bytes_str(text), 3, KIB(4), &error, &result), ERR_MALFORMED);
    same_err(rpc_read_answer(bytes_str(text), 3, 10, &error, &result), ERR_LIMIT);
    text = "{\"jsonrpc\":\"2.0\",\"id\":3,\"error\":null,\"result\":[1]}";
    test_ok(rpc_read_answer(bytes_str(text), 3, KIB(4), &error, &result));
    assert_int_equal(json_array_size(result), 1);
    json_decref(result);
}

/* The well-known example of CREATE addresses: three creations of one account. */
static void created_addresses(void **state)
{
    (void)state;
    static const char *const expected[] = {"cd234a471b72ba2f1ccf0a70fcaba648a5eecd8d",
                                           "343c43a37d37dff08ae8c4a11544c718abb4fcf8",
                                           "f778b86fa74e846c4f0a1fbd1335fe81c00a0c91"};
    struct address creator;
    unhex(creator.b, sizeof creator.b, "6ac7ea33f8831ea9dcc53393aaa88b25a785dbf0");
    for (u64 nonce = 0; nonce < COUNT_OF(expected); nonce++) {
        struct address made = chain_created_address(&creator, nonce);
        check_hex(BYTES_OF(made), expected[nonce]);
    }
}

static void too_many_values(void **state)
{
    (void)state;
    struct rpc_error error;
    json_t *result;
    struct buf text;
    buf_init(&text, MIB(4));
    buf_put_str(&text, "{\"jsonrpc\":\"2.0\",\"id\":3,\"result\":[0");
    for (size_t i = 0; i < RPC_VALUES_MAX; i++) {
        buf_put_str(&text, ",0");
    }
    buf_put_str(&text, "]}");
    same_err(rpc_read_answer(buf_bytes(&text), 3, MIB(4), &error, &result), ERR_LIMIT);
    buf_free(&text);
}

WORLD_TEST(forged_heads_are_refused)
WORLD_TEST(broken_answers_at_the_start)
WORLD_TEST(broken_answers_to_views)
WORLD_TEST(broken_answers_to_balances)
WORLD_TEST(broken_answers_to_receipts)
WORLD_TEST(broken_answers_to_logs)
WORLD_TEST(broken_answers_to_signing)
WORLD_TEST(forged_proofs_are_refused)
WORLD_TEST(proofs_of_something_else_are_refused)
WORLD_TEST(forged_receipts_are_refused)
WORLD_TEST(wrong_logs_are_refused)
WORLD_TEST(flipped_bits_do_not_deceive)
WORLD_TEST(one_honest_node_is_enough)
WORLD_TEST(stalling_nodes_are_passed_over)
WORLD_TEST(silence_is_asked_again)
WORLD_TEST(silence_is_not_asked_often)
WORLD_TEST(a_node_that_keeps_back_is_left)

int main(void)
{
    const struct hash seed = {{7}};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_unit),
        cmocka_unit_test(too_many_values),
        cmocka_unit_test(created_addresses),
        cmocka_unit_test(test_forged_heads_are_refused),
        cmocka_unit_test(test_broken_answers_at_the_start),
        cmocka_unit_test(test_broken_answers_to_views),
        cmocka_unit_test(test_broken_answers_to_balances),
        cmocka_unit_test(test_broken_answers_to_receipts),
        cmocka_unit_test(test_broken_answers_to_logs),
        cmocka_unit_test(test_broken_answers_to_signing),
        cmocka_unit_test(test_forged_proofs_are_refused),
        cmocka_unit_test(test_proofs_of_something_else_are_refused),
        cmocka_unit_test(test_forged_receipts_are_refused),
        cmocka_unit_test(test_wrong_logs_are_refused),
        cmocka_unit_test(test_flipped_bits_do_not_deceive),
        cmocka_unit_test(test_one_honest_node_is_enough),
        cmocka_unit_test(test_stalling_nodes_are_passed_over),
        cmocka_unit_test(test_silence_is_asked_again),
        cmocka_unit_test(test_silence_is_not_asked_often),
        cmocka_unit_test(test_a_node_that_keeps_back_is_left),
    };
    crypto_init(&seed);
    vault_init();
    cmocka_set_test_filter(getenv("FILTER"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}

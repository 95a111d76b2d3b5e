#include "ledger/app/dry.h"

#include "ledger/exec/proof.h"
#include "tests/support/ledger.h"

static u64 vault_value(struct ledger *chain, const struct hash *slot)
{
    struct state_view *view;
    struct word word;
    struct address vault = native_address(VAULT_NUMBER);
    assert_ok(state_view_open(app_state(chain->app), app_info_now(chain->app).height, &view));
    assert_ok(state_view_slot(view, &vault, slot, &word));
    state_view_close(view);
    return load_be64(word.b + 24);
}

static struct u256 balance_of(struct ledger *chain, const struct address *address)
{
    struct state_view *view;
    struct account account;
    assert_ok(state_view_open(app_state(chain->app), app_info_now(chain->app).height, &view));
    assert_ok(state_view_account(view, address, &account));
    state_view_close(view);
    return account.balance;
}

static void genesis_is_block_zero(void **state)
{
    (void)state;
    struct ledger chain;
    struct block_header header;
    struct hash hash;
    struct hash start = slot_number(VAULT_SLOT_START);
    ledger_init(&chain);
    struct app_info info = app_info_now(chain.app);
    assert_int_equal(info.height, 0);
    assert_int_equal(info.time_ms, (u64)GENESIS_TIME * 1000);
    assert_ok(app_header(chain.app, 0, &header));
    block_header_hash(&hash, &header);
    assert_true(hash_eq(&hash, &info.app_hash));
    struct hash file = app_genesis_hash(chain.app);
    assert_memory_equal(header.extra, file.b, 32);
    assert_int_equal(vault_value(&chain, &start), 42);
    app_close(chain.app);
    ledger_open(&chain);
    struct app_info again = app_info_now(chain.app);
    assert_same_info(&info, &again);
    ledger_free(&chain);
}

static void another_genesis_is_refused(void **state)
{
    (void)state;
    struct ledger chain;
    struct app *app;
    ledger_init(&chain);
    app_close(chain.app);
    chain.app = NULL;
    char *digit = strstr(chain.genesis, "\"start\":4");
    assert_non_null(digit);
    digit[8] = '5';
    struct app_options options = {
        .dir = chain.dir, .genesis = bytes_str(chain.genesis), .no_sync = true};
    assert_int_equal(app_open(&options, &app).code, ERR_REFUSED);
    ledger_free(&chain);
}

static void transfers_and_calls(void **state)
{
    (void)state;
    struct ledger chain;
    struct buf call;
    struct address vault = native_address(VAULT_NUMBER);
    struct address friend = {{9}};
    struct hash slot = vault_slot(5);
    struct hash blocks = slot_number(VAULT_SLOT_BLOCKS);
    struct abi_value set[2] = {abi_u64(5), abi_u64(77)};
    buf_init(&call, KIB(4));
    ledger_init(&chain);
    struct u256 before = balance_of(&chain, &chain.user_address);
    assert_int_equal(submit(&chain, call_tx(0, &friend, 1000, bytes_str(""))), TX_VALID);
    assert_int_equal(submit(&chain, call_tx(1, &vault, 0, vault_call(&call, VAULT_SET, set))),
                     TX_VALID);
    struct app_finalized block = next_block(&chain);
    assert_int_equal(block.tx_count, 2);
    assert_true(block.txs[0].success && block.txs[1].success);
    assert_int_equal(block.txs[0].gas_used, 21000);
    assert_int_equal(block.header.gas_used, block.txs[0].gas_used + block.txs[1].gas_used);
    assert_int_equal(vault_value(&chain, &slot), 77);
    assert_int_equal(vault_value(&chain, &blocks), 1);
    struct u256 got = balance_of(&chain, &friend);
    assert_int_equal(got.limb[0], 1000);
    /* Nothing is made or lost but the burned base fee. */
    struct u256 burned;
    struct u256 sum;
    assert_true(u256_mul_u64(&burned, block.header.base_fee, block.header.gas_used));
    assert_true(u256_add(&sum, balance_of(&chain, &chain.user_address), got));
    assert_true(u256_add(&sum, sum, balance_of(&chain, &chain.seat_address)));
    assert_true(u256_add(&sum, sum, burned));
    assert_int_equal(u256_cmp(sum, before), 0);
    assert_false(pool_waiting(app_pool(chain.app)));
    buf_free(&call);
    ledger_free(&chain);
}

static void receipts_and_index_are_stored(void **state)
{
    (void)state;
    struct ledger chain;
    struct buf call;
    struct address vault = native_address(VAULT_NUMBER);
    struct abi_value set[2] = {abi_u64(1), abi_u64(2)};
    struct hash hash;
    buf_init(&call, KIB(4));
    ledger_init(&chain);
    struct tx tx = call_tx(0, &vault, 0, vault_call(&call, VAULT_SET, set));
    assert_int_equal(submit_as(&chain, &tx, &chain.user, &hash), TX_VALID);
    struct app_finalized block = next_block(&chain);
    struct state_view *view;
    struct arena arena;
    struct receipt *receipts;
    struct block_txs txs;
    size_t count;
    bytes encoded;
    u64 height;
    u32 index;
    struct hash root;
    arena_init(&arena, MIB(4));
    assert_ok(state_view_open(app_state(chain.app), 1, &view));
    assert_ok(state_view_tx(view, &hash, &height, &index));
    assert_int_equal(height, 1);
    assert_int_equal(index, 0);
    assert_ok(state_view_block(view, STATE_RECEIPTS, 1, &arena, &encoded));
    assert_ok(receipts_decode(&arena, encoded, &receipts, &count));
    assert_int_equal(count, 1);
    assert_true(receipts[0].success);
    assert_int_equal(receipts[0].log_count, 1);
    assert_true(address_eq(&receipts[0].logs[0].address, &vault));
    assert_true(bloom_may_have(&block.header.bloom, BYTES_OF(vault)));
    assert_ok(receipts_root(receipts, count, &root));
    assert_true(hash_eq(&root, &block.header.receipts_root));
    assert_ok(state_view_block(view, STATE_BODY, 1, &arena, &encoded));
    assert_ok(block_body_decode(&arena, encoded, &txs));
    assert_ok(block_txs_root(&txs, &root));
    assert_true(hash_eq(&root, &block.header.txs_root));
    struct hash found;
    assert_ok(state_view_block_hash(view, 1, &found));
    assert_true(hash_eq(&found, &block.info.app_hash));
    state_view_close(view);
    arena_free(&arena);
    buf_free(&call);
    ledger_free(&chain);
}

static void refused_before_inclusion(void **state)
{
    (void)state;
    struct ledger chain;
    struct address friend = {{9}};
    ledger_init(&chain);
    struct tx tx = call_tx(0, &friend, 0, bytes_str(""));
    tx.chain_id = 1;
    assert_int_equal(submit(&chain, tx), TX_CHAIN_ID_WRONG);
    tx = call_tx(0, &friend, 0, bytes_str(""));
    tx.gas_limit = 20999;
    assert_int_equal(submit(&chain, tx), TX_GAS_BELOW_INTRINSIC);
    tx.gas_limit = (1u << 24) + 1;
    assert_int_equal(submit(&chain, tx), TX_GAS_ABOVE_CAP);
    tx = call_tx(64, &friend, 0, bytes_str(""));
    assert_int_equal(submit(&chain, tx), TX_NONCE_TOO_HIGH);
    tx = call_tx(0, &friend, 0, bytes_str(""));
    struct tx poor = tx;
    assert_int_equal(submit_as(&chain, &poor, &chain.seat, NULL), TX_INSUFFICIENT_FUNDS);
    assert_int_equal(submit(&chain, tx), TX_VALID);
    assert_int_equal(submit(&chain, tx), TX_ALREADY_KNOWN);
    assert_int_equal(next_block(&chain).tx_count, 1);
    assert_int_equal(submit(&chain, tx), TX_NONCE_TOO_LOW);
    ledger_free(&chain);
}

/* A crash between finalize and commit, at every height: the block runs again with the same result,
 * and the chain goes on as if nothing had been. */
static void crash_before_commit_repeats_the_block(void **state)
{
    (void)state;
    const struct app_table *table = app_table();
    struct ledger chain;
    struct address friend = {{9}};
    ledger_init(&chain);
    for (u64 i = 0; i < 5; i++) {
        struct arena arena;
        struct block_txs txs;
        struct app_finalized first;
        struct app_finalized second;
        enum app_verdict verdict;
        struct app_info info = app_info_now(chain.app);
        arena_init(&arena, MIB(4));
        assert_int_equal(submit(&chain, call_tx(i, &friend, i, bytes_str(""))), TX_VALID);
        struct app_prepare request = {.height = info.height + 1,
                                      .time_ms = info.time_ms + 1000,
                                      .proposer = chain.seat_address,
                                      .bytes_max = APP_TXS_BYTES_MAX};
        assert_ok(table->prepare_proposal(chain.app, &request, &arena, &txs));
        assert_int_equal(txs.count, 1);
        struct decided decided = decide(&chain, &txs, request.time_ms);
        struct buf log;
        buf_init(&log, DECIDED_BYTES_MAX);
        decided_encode(&log, &decided);
        assert_ok(buf_done(&log));
        assert_ok(table->finalize_block(chain.app, &decided, &first, &verdict));
        app_close(chain.app);
        ledger_open(&chain);
        assert_int_equal(app_info_now(chain.app).height, i);
        assert_ok(decided_decode(&arena, buf_bytes(&log), &decided));
        assert_ok(table->finalize_block(chain.app, &decided, &second, &verdict));
        assert_int_equal(verdict, APP_ACCEPT);
        assert_same_info(&first.info, &second.info);
        assert_ok(table->commit(chain.app));
        buf_free(&log);
        arena_free(&arena);
        app_close(chain.app);
        ledger_open(&chain);
        struct app_info reopened = app_info_now(chain.app);
        assert_same_info(&reopened, &first.info);
    }
    ledger_free(&chain);
}

/* Each field that the application checks, wrong once. */
static void wrong_proposals_are_rejected(void **state)
{
    (void)state;
    const struct app_table *table = app_table();
    struct ledger chain;
    struct block_txs none = {0};
    enum app_verdict verdict;
    struct app_finalized finalized;
    ledger_init(&chain);
    next_block(&chain);
    struct app_info info = app_info_now(chain.app);
    for (int field = 0; field < 13; field++) {
        struct decided decided = decide(&chain, &none, info.time_ms + 1000);
        struct consensus_header *header = &decided.header;
        u8 *const bytes_of_field[] = {header->parent_id.b,     header->parent_hash.b,
                                      header->txs_root.b,      header->sidecar_root.b,
                                      header->seats_hash.b,    header->next_seats_hash.b,
                                      header->params_hash.b,   header->proposer.b,
                                      (u8 *)&header->chain_id, (u8 *)&header->height};
        if (field < 10) {
            bytes_of_field[field][0] ^= 1;
        } else if (field == 10) {
            header->time_ms = info.time_ms;
        } else if (field == 11) {
            header->time_ms = info.time_ms + 999 - info.time_ms % 1000; /* the same second */
        }
        assert_ok(table->process_proposal(chain.app, header, &none, &verdict));
        if (field == 12) {
            assert_int_equal(verdict, APP_ACCEPT);
        } else {
            assert_int_equal(verdict, field == 2 ? APP_REJECT_TXS : APP_REJECT_HEADER);
        }
        assert_ok(table->finalize_block(chain.app, &decided, &finalized, &verdict));
        assert_int_equal(verdict == APP_ACCEPT, field == 12);
    }
    struct decided decided = decide(&chain, &none, info.time_ms + 1000);
    decided.certificate.items[0].signature.b[3] ^= 1;
    assert_ok(table->finalize_block(chain.app, &decided, &finalized, &verdict));
    assert_int_equal(verdict, APP_REJECT_HEADER);
    decided = decide(&chain, &none, info.time_ms + 1000);
    decided.certificate.count = 0;
    assert_ok(table->finalize_block(chain.app, &decided, &finalized, &verdict));
    assert_int_equal(verdict, APP_REJECT_HEADER);
    ledger_free(&chain);
}

static void invalid_transactions_reject_the_block(void **state)
{
    (void)state;
    const struct app_table *table = app_table();
    struct ledger chain;
    struct buf raw;
    struct address friend = {{9}};
    enum app_verdict verdict;
    struct app_finalized finalized;
    ledger_init(&chain);
    buf_init(&raw, KIB(4));
    for (int kind = 0; kind < 5; kind++) {
        struct tx tx = call_tx(0, &friend, 1, bytes_str(""));
        tx.nonce = kind == 0 ? 1 : 0;
        tx.max_fee = u256_from_u64(kind == 1 ? 5 : GWEI);
        tx.max_priority = u256_from_u64(0);
        tx.type = kind == 2 ? TX_BLOB : tx.type;
        if (kind == 3) {
            tx.type = TX_LEGACY;
            tx.has_chain_id = false;
        }
        buf_clear(&raw);
        tx_sign(&tx, &chain.user);
        tx_encode(&raw, &tx);
        bytes item = buf_bytes(&raw);
        if (kind == 4) {
            item.len--;
        }
        struct block_txs txs = {.items = &item, .count = 1};
        struct app_info before = app_info_now(chain.app);
        struct decided decided = decide(&chain, &txs, before.time_ms + 1000);
        assert_ok(table->process_proposal(chain.app, &decided.header, &txs, &verdict));
        assert_int_equal(verdict, APP_REJECT_TXS);
        assert_ok(table->finalize_block(chain.app, &decided, &finalized, &verdict));
        assert_int_equal(verdict, APP_REJECT_TXS);
    }
    assert_int_equal(next_block(&chain).info.height, 1);
    buf_free(&raw);
    ledger_free(&chain);
}

static void calls_and_estimates(void **state)
{
    (void)state;
    struct ledger chain;
    struct buf call;
    struct arena arena;
    struct exec_result result;
    struct address vault = native_address(VAULT_NUMBER);
    struct abi_value set[2] = {abi_u64(5), abi_u64(9)};
    u64 gas = 0;
    arena_init(&arena, MIB(16));
    buf_init(&call, KIB(4));
    ledger_init(&chain);
    assert_int_equal(submit(&chain, call_tx(0, &vault, 0, vault_call(&call, VAULT_SET, set))),
                     TX_VALID);
    next_block(&chain);
    struct call_request get = {
        .from = chain.user_address, .to = vault, .input = vault_call(&call, VAULT_GET, set)};
    assert_ok(app_call(chain.app, &(struct app_call_options){.height = 1}, &get, &arena, &result));
    assert_true(result.success);
    assert_int_equal(result.output.len, 32);
    assert_int_equal(result.output.data[31], 9);
    assert_ok(app_call(chain.app, &(struct app_call_options){.height = 0}, &get, &arena, &result));
    assert_int_equal(result.output.data[31], 0);
    assert_int_equal(
        app_call(chain.app, &(struct app_call_options){.height = 2}, &get, &arena, &result).code,
        ERR_NOT_FOUND);
    set[1] = abi_u64(10);
    struct call_request put = {
        .from = chain.user_address, .to = vault, .input = vault_call(&call, VAULT_SET, set)};
    assert_ok(app_estimate(chain.app, &(struct app_call_options){.height = 1}, &put, &arena,
                           &result, &gas));
    assert_true(result.success);
    struct tx tx = call_tx(1, &vault, 0, put.input);
    tx.gas_limit = gas - 1;
    assert_int_equal(submit(&chain, tx), TX_VALID);
    tx.nonce = 2;
    tx.gas_limit = gas;
    assert_int_equal(submit(&chain, tx), TX_VALID);
    struct app_finalized block = next_block(&chain);
    assert_int_equal(block.tx_count, 2);
    assert_false(block.txs[0].success);
    assert_true(block.txs[1].success);
    struct abi_value reason = abi_bytes(bytes_str("nope"));
    struct call_request bad = {
        .from = chain.user_address, .to = vault, .input = vault_call(&call, VAULT_FAIL, &reason)};
    gas = 1;
    assert_ok(app_estimate(chain.app, &(struct app_call_options){.height = 2}, &bad, &arena,
                           &result, &gas));
    assert_false(result.success);
    assert_int_equal(result.status, EVM_REVERTED);
    assert_int_equal(gas, 1);
    buf_free(&call);
    arena_free(&arena);
    ledger_free(&chain);
}

/* A contract that calls itself with a byte of input and reverts if that fails; called with input it
 * stores into ten slots. A call gets at most 63/64 of the gas, so the gas that a run takes is not
 * enough to run it. */
static void put_nested(struct buf *out)
{
    static const u8 init[] = {0x60, 0x51, 0x80, 0x60, 0x09, 0x5f, 0x39, 0x5f, 0xf3}; /* deploy */
    static const u8 head[] = {
        0x36, 0x60, 0x1d, 0x57,                                     /* input? to 0x1d */
        0x60, 0x00, 0x60, 0x00, 0x60, 0x01, 0x60, 0x00, 0x60, 0x00, /* output, input, value */
        0x30, 0x5a, 0xf1, 0x60, 0x1b, 0x57,                         /* CALL: fine? to 0x1b */
        0x60, 0x00, 0x60, 0x00, 0xfd, 0x00, 0x00,                   /* else REVERT */
        0x5b, 0x00, 0x5b,                                           /* 0x1b: STOP, 0x1d: */
    };
    buf_put(out, BYTES_OF(init));
    buf_put(out, BYTES_OF(head));
    for (u8 slot = 0; slot < 10; slot++) {
        const u8 store[] = {0x60, 0x01, 0x60, slot, 0x55};
        buf_put(out, BYTES_OF(store));
    }
    buf_put_u8(out, 0x00);
}

static void estimates_hand_on_gas(void **state)
{
    (void)state;
    struct ledger chain;
    struct arena arena;
    struct exec_result result;
    struct buf init;
    struct app_call_options before = {.height = 0};
    struct app_call_options after = {.height = 1};
    u64 gas = 0;
    arena_init(&arena, MIB(16));
    buf_init(&init, KIB(1));
    ledger_init(&chain);
    put_nested(&init);
    struct call_request call = {
        .from = chain.user_address, .is_create = true, .input = buf_bytes(&init)};
    assert_ok(app_call(chain.app, &before, &call, &arena, &result));
    assert_true(result.success);
    struct tx create = call_tx(0, &(struct address){{0}}, 0, buf_bytes(&init));
    create.is_create = true;
    assert_int_equal(submit(&chain, create), TX_VALID);
    assert_true(next_block(&chain).txs[0].success);
    call = (struct call_request){.from = chain.user_address, .to = result.created};
    assert_ok(app_estimate(chain.app, &after, &call, &arena, &result, &gas));
    assert_true(result.success);
    assert_true(gas > result.gas_peak + 221000 / 64); /* what the run took is too little */
    call.gas_limit = gas;
    assert_ok(app_call(chain.app, &after, &call, &arena, &result));
    assert_true(result.success);
    call.gas_limit = gas - 1;
    assert_ok(app_call(chain.app, &after, &call, &arena, &result));
    assert_false(result.success);
    buf_free(&init);
    arena_free(&arena);
    ledger_free(&chain);
}

/* EIP-7702 from the pool into the state: the seat's account delegates by the user's transaction. */
static void delegations_take_effect(void **state)
{
    (void)state;
    struct ledger chain;
    struct account account;
    struct state_view *view;
    struct address friend = {{9}};
    struct tx_authorization authorization = {.chain_id = u256_from_u64(CHAIN_ID),
                                             .address = {{0x77}}};
    ledger_init(&chain);
    tx_authorization_sign(&authorization, &chain.seat);
    struct tx tx = call_tx(0, &friend, 0, bytes_str(""));
    tx.type = TX_SET_CODE;
    tx.authorizations = &authorization;
    tx.authorization_count = 1;
    assert_int_equal(submit(&chain, tx), TX_VALID);
    struct app_finalized block = next_block(&chain);
    assert_int_equal(block.tx_count, 1);
    assert_true(block.txs[0].success);
    assert_ok(state_view_open(app_state(chain.app), 1, &view));
    assert_ok(state_view_account(view, &chain.seat_address, &account));
    state_view_close(view);
    assert_true(account_has_code(&account));
    assert_int_equal(account.nonce, 1);
    /* One that may be emptied by others has one transaction at a time, and may still send. */
    struct tx gift = call_tx(1, &chain.seat_address, 1, bytes_str(""));
    gift.value = u256_from_u64((u64)GWEI * GWEI);
    assert_int_equal(submit(&chain, gift), TX_VALID);
    assert_true(next_block(&chain).txs[0].success);
    struct tx first = call_tx(1, &friend, 1, bytes_str(""));
    struct tx second = call_tx(2, &friend, 1, bytes_str(""));
    assert_int_equal(submit_as(&chain, &second, &chain.seat, NULL), TX_DELEGATED_GAP);
    assert_int_equal(submit_as(&chain, &first, &chain.seat, NULL), TX_VALID);
    assert_int_equal(submit_as(&chain, &second, &chain.seat, NULL), TX_DELEGATED_LIMIT);
    assert_true(next_block(&chain).txs[0].success);
    tx.type = TX_BLOB;
    assert_int_equal(submit(&chain, tx), TX_BLOBS_REFUSED);
    ledger_free(&chain);
}

static void proofs_lead_to_the_header(void **state)
{
    (void)state;
    struct ledger chain;
    struct block_header header;
    struct state_view *view;
    struct arena arena;
    struct state_account_proof proof;
    struct account account;
    struct hash storage_root;
    struct word word;
    struct address vault = native_address(VAULT_NUMBER);
    struct hash slot = slot_number(VAULT_SLOT_BLOCKS);
    arena_init(&arena, MIB(16));
    ledger_init(&chain);
    for (u64 i = 0; i < 4; i++) {
        next_block(&chain);
    }
    for (u64 height = 0; height <= 4; height++) {
        assert_ok(app_header(chain.app, height, &header));
        assert_ok(state_view_open(app_state(chain.app), height, &view));
        assert_ok(state_view_prove(view, &vault, &slot, 1, &arena, &proof));
        state_view_close(view);
        assert_int_equal(proof_account(&header.state_root, &vault, proof.proof.nodes,
                                       proof.proof.count, &account, &storage_root),
                         PROOF_PRESENT);
        assert_int_equal(
            proof_slot(&storage_root, &slot, proof.slots[0].nodes, proof.slots[0].count, &word),
            height > 0 ? PROOF_PRESENT : PROOF_ABSENT);
        assert_int_equal(load_be64(word.b + 24), height);
    }
    arena_free(&arena);
    ledger_free(&chain);
}

static void vote_extensions_name_the_oldest(void **state)
{
    (void)state;
    const struct app_table *table = app_table();
    struct ledger chain;
    struct consensus_header header = {0};
    struct buf extension;
    struct address friend = {{9}};
    enum app_verdict verdict;
    buf_init(&extension, APP_EXTENSION_BYTES_MAX);
    ledger_init(&chain);
    for (u64 i = 0; i < 20; i++) {
        assert_int_equal(submit(&chain, call_tx(i, &friend, i, bytes_str(""))), TX_VALID);
    }
    assert_ok(table->extend_vote(chain.app, &header, &extension));
    assert_int_equal(extension.len, 5 + 32 * APP_EXTENSION_HASHES_MAX);
    assert_ok(table->verify_vote_extension(chain.app, &header, buf_bytes(&extension), &verdict));
    assert_int_equal(verdict, APP_ACCEPT);
    for (size_t cut = 0; cut < extension.len; cut += 7) {
        bytes part = bytes_make(extension.data, cut);
        assert_ok(table->verify_vote_extension(chain.app, &header, part, &verdict));
        assert_int_equal(verdict, APP_REJECT_HEADER);
    }
    memcpy(extension.data + 5, extension.data + 37, 32); /* the same hash twice */
    assert_ok(table->verify_vote_extension(chain.app, &header, buf_bytes(&extension), &verdict));
    assert_int_equal(verdict, APP_REJECT_HEADER);
    buf_free(&extension);
    ledger_free(&chain);
}

/* A block's hash as the contract of EIP-2935 keeps it and as BLOCKHASH gives it. */
static void code_sees_former_blocks(void **state)
{
    (void)state;
    /* BLOCKHASH(2), as what a creation returns. */
    static const u8 init_code[] = {0x60, 0x02, 0x40, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3};
    struct ledger chain;
    struct arena arena;
    struct exec_result result;
    struct block_header header;
    struct hash expected;
    struct hash number = {{[31] = 2}};
    arena_init(&arena, MIB(1));
    ledger_init(&chain);
    for (u64 height = 1; height <= 4; height++) {
        next_block(&chain);
    }
    assert_ok(app_header(chain.app, 2, &header));
    block_header_hash(&expected, &header);
    struct call_request request = {
        .from = chain.user_address, .to = history_address(), .input = BYTES_OF(number)};
    assert_ok(
        app_call(chain.app, &(struct app_call_options){.height = 4}, &request, &arena, &result));
    assert_true(result.success);
    assert_true(bytes_eq(result.output, BYTES_OF(expected)));
    struct call_request code = {
        .from = chain.user_address, .is_create = true, .input = BYTES_OF(init_code)};
    assert_ok(app_call(chain.app, &(struct app_call_options){.height = 4}, &code, &arena, &result));
    assert_true(result.success && bytes_eq(result.output, BYTES_OF(expected)));
    assert_ok(app_call(chain.app, &(struct app_call_options){.height = 2}, &code, &arena,
                       &result)); /* its own hash is not known yet */
    assert_true(result.success && result.output.len == 32);
    assert_int_equal(bytes_find(result.output, BYTES_OF(expected)), SIZE_MAX);
    arena_free(&arena);
    ledger_free(&chain);
}

/* Fixed transactions, fixed keys, fixed times: the same last block hash under every compiler, at
 * every level of optimisation, on every machine. Changes with every change of what execution means.
 */
/* A block executed again for a trace ends in its own state root; cut short, it does not. */
static void check_replays(struct ledger *chain, u64 head)
{
    for (u64 height = 1; height <= head; height++) {
        struct app_dry dry;
        struct block_header header;
        struct hash root;
        assert_ok(app_header(chain->app, height, &header));
        for (u64 cut = 0; cut < 2; cut++) {
            assert_ok(app_dry_inside(chain->app, height, (size_t)(2 * height - cut), &dry));
            assert_ok(app_dry_root(&dry, &root));
            assert_true(hash_eq(&root, &header.state_root) == (cut == 0));
            app_dry_close(&dry);
        }
        assert_int_equal(app_dry_inside(chain->app, height, (size_t)(2 * height + 1), &dry).code,
                         ERR_INTEGRITY);
    }
}

static void golden_chain(void **state)
{
    (void)state;
    struct ledger chain;
    struct buf call;
    struct address vault = native_address(VAULT_NUMBER);
    buf_init(&call, KIB(4));
    ledger_init(&chain);
    u64 nonce = 0;
    for (u64 height = 1; height <= 6; height++) {
        for (u64 i = 0; i < 2 * height; i++) {
            struct address to = {{(u8)(height * 37 + i)}};
            struct abi_value set[2] = {abi_u64(i), abi_u64((height + i) % 3)};
            struct tx tx = i % 2 == 0
                               ? call_tx(nonce, &to, height * i, bytes_str("data"))
                               : call_tx(nonce, &vault, 0, vault_call(&call, VAULT_SET, set));
            assert_int_equal(submit(&chain, tx), TX_VALID);
            nonce++;
        }
        assert_int_equal(next_block(&chain).tx_count, 2 * height);
    }
    check_replays(&chain, 6);
    struct app_info info = app_info_now(chain.app);
    char hex[65];
    hex_encode(hex, sizeof hex, BYTES_OF(info.app_hash));
    assert_string_equal(hex, "b04edad3974e04d97150856367c41d7536069fa2dfcb30dfe4a2f0b075edf939");
    buf_free(&call);
    ledger_free(&chain);
}

static int setup(void **state)
{
    (void)state;
    struct hash seed = {{1}};
    crypto_init(&seed);
    vault_init();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(genesis_is_block_zero),
        cmocka_unit_test(another_genesis_is_refused),
        cmocka_unit_test(transfers_and_calls),
        cmocka_unit_test(receipts_and_index_are_stored),
        cmocka_unit_test(refused_before_inclusion),
        cmocka_unit_test(crash_before_commit_repeats_the_block),
        cmocka_unit_test(wrong_proposals_are_rejected),
        cmocka_unit_test(invalid_transactions_reject_the_block),
        cmocka_unit_test(calls_and_estimates),
        cmocka_unit_test(estimates_hand_on_gas),
        cmocka_unit_test(delegations_take_effect),
        cmocka_unit_test(proofs_lead_to_the_header),
        cmocka_unit_test(vote_extensions_name_the_oldest),
        cmocka_unit_test(code_sees_former_blocks),
        cmocka_unit_test(golden_chain),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}

#include "ledger/app/external.h"

#include "codec/json.h"
#include "codec/rlp.h"
#include "crypto/sign.h"
#include "ledger/app/dry.h"
#include "os/file.h"
#include "tests/support/check.h"
#include "tests/support/vectors.h"

#include <stdio.h>
#include <stdlib.h>

#define ARENA_BYTES MIB(64)
#define BLOCKS 54

static void assert_ok(err e) { assert_int_equal(e.code, ERR_OK); }

struct chain {
    struct vectors vectors;
    struct arena arena;
    bytes genesis;
    bytes rlp;
    bytes blocks[BLOCKS];
    char rlp_path[VECTORS_PATH_MAX];
    char dir[64];
    struct app *app;
};

static struct chain chain;

static bytes load(const char *name, char path[VECTORS_PATH_MAX])
{
    bytes content;
    vectors_format(path, "%s/rpc-compat/tests/%s", chain.vectors.dir, name);
    assert_ok(file_load(path, &chain.arena, &content));
    return content;
}

static void open_app(void)
{
    struct app_options options = {.dir = chain.dir, .genesis = chain.genesis, .no_sync = true};
    assert_ok(app_open_external(&options, &chain.app));
}

static int open_chain(void **state)
{
    (void)state;
    char path[VECTORS_PATH_MAX];
    vectors_open(&chain.vectors, "rpc-compat");
    arena_init(&chain.arena, ARENA_BYTES);
    chain.genesis = load("genesis.json", path);
    chain.rlp = load("chain.rlp", chain.rlp_path);
    bytes rest = chain.rlp;
    for (size_t i = 0; i < BLOCKS; i++) {
        struct rlp_item block;
        assert_ok(rlp_next(&rest, &block));
        chain.blocks[i] = block.raw;
    }
    snprintf(chain.dir, sizeof chain.dir, "/tmp/cairn-external-XXXXXX");
    assert_non_null(mkdtemp(chain.dir));
    open_app();
    return 0;
}

static int close_chain(void **state)
{
    (void)state;
    app_close(chain.app);
    assert_ok(dir_remove_all(chain.dir));
    arena_free(&chain.arena);
    vectors_close(&chain.vectors);
    return 0;
}

static void import(size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        const char *wrong;
        assert_ok(app_import_block(chain.app, chain.blocks[i], &wrong));
        assert_null(wrong);
        assert_int_equal(app_info_now(chain.app).height, i + 1);
    }
}

static void genesis_block(void **state)
{
    (void)state;
    struct hash hash = state_head(app_state(chain.app)).block_hash;
    check_hex(BYTES_OF(hash), "44fd89d504659cd58f48f4796b77a7e7012cf296a2409afa2f6c3cb99b5b3d99");
}

/* --- blocks made wrong --- */

/* Encodes a changed block; the copy lies in the arena. */
static bytes encode(const struct block_header *header, const struct block_body *body)
{
    struct buf text;
    buf_init(&text, EXTERNAL_BLOCK_BYTES_MAX);
    block_encode(&text, header, body);
    bytes copy = arena_copy(&chain.arena, buf_bytes(&text));
    buf_free(&text);
    return copy;
}

static const char *refused(const struct block_header *header, const struct block_body *body)
{
    u64 height = app_info_now(chain.app).height;
    struct hash root = state_head(app_state(chain.app)).root;
    const char *wrong;
    assert_ok(app_import_block(chain.app, encode(header, body), &wrong));
    assert_non_null(wrong);
    assert_int_equal(app_info_now(chain.app).height, height);
    struct hash after = state_head(app_state(chain.app)).root;
    assert_true(hash_eq(&root, &after));
    return wrong;
}

static void spoil_roots(const struct block_header *header, const struct block_body *body)
{
    struct block_header wrong = *header;
    wrong.state_root.b[0] ^= 1;
    assert_string_equal(refused(&wrong, body), "state root");
    wrong = *header;
    wrong.receipts_root.b[0] ^= 1;
    assert_string_equal(refused(&wrong, body), "receipts root");
    wrong = *header;
    wrong.txs_root.b[0] ^= 1;
    assert_string_equal(refused(&wrong, body), "transactions root");
    wrong = *header;
    wrong.bloom.b[7] ^= 1;
    assert_string_equal(refused(&wrong, body), "bloom");
    wrong = *header;
    wrong.gas_used -= 1;
    assert_string_equal(refused(&wrong, body), "gas used");
    wrong = *header;
    wrong.coinbase.b[19] ^= 1; /* somebody else is paid */
    assert_non_null(refused(&wrong, body));
    if (header->form >= BLOCK_SHANGHAI) {
        wrong = *header;
        wrong.withdrawals_root.b[0] ^= 1;
        assert_string_equal(refused(&wrong, body), "withdrawals root");
    }
    if (header->form >= BLOCK_CANCUN) {
        wrong = *header;
        wrong.parent_beacon_root.b[0] ^= 1; /* is in the state by EIP-4788 */
        assert_string_equal(refused(&wrong, body), "state root");
    }
    if (header->form >= BLOCK_PRAGUE) {
        wrong = *header;
        wrong.requests_hash.b[0] ^= 1;
        assert_string_equal(refused(&wrong, body), "requests hash");
    }
}

static void spoil_body(const struct block_header *header, const struct block_body *body)
{
    struct block_body wrong = *body;
    wrong.txs.count--;
    assert_non_null(refused(header, &wrong));
    if (body->txs.count > 1) { /* another order: nonces do not fit */
        bytes items[64];
        memcpy(items, body->txs.items, body->txs.count * sizeof items[0]);
        items[0] = body->txs.items[1];
        items[1] = body->txs.items[0];
        wrong = *body;
        wrong.txs.items = items;
        assert_non_null(refused(header, &wrong));
    }
    if (body->ommer_count > 0) {
        wrong = *body;
        wrong.ommers = bytes_make("", 0);
        assert_string_equal(refused(header, &wrong), "ommers hash");
    }
    if (body->withdrawal_count > 0) {
        struct block_withdrawal more = body->withdrawals[0];
        more.amount_gwei++;
        wrong = *body;
        wrong.withdrawals = &more;
        wrong.withdrawal_count = 1;
        assert_non_null(refused(header, &wrong));
    }
}

/* Ommers of the right hash that may not be there. */
static void spoil_ommers(const struct block_header *header, const struct block_body *body)
{
    struct buf text;
    struct block_body wrong = *body;
    struct block_header changed = *header;
    struct block_header ommer = body->ommer_headers[0];
    buf_init(&text, KIB(8));
    block_header_encode(&text, &ommer);
    block_header_encode(&text, &ommer); /* twice */
    wrong.ommers = buf_bytes(&text);
    block_ommers_hash(&changed.ommers_hash, &wrong);
    assert_non_null(refused(&changed, &wrong));
    ommer.number = header->number; /* of the block's own generation */
    buf_clear(&text);
    block_header_encode(&text, &ommer);
    wrong.ommers = buf_bytes(&text);
    block_ommers_hash(&changed.ommers_hash, &wrong);
    assert_string_equal(refused(&changed, &wrong), "ommer out of range");
    assert_ok(app_header(chain.app, header->number - 1, &ommer)); /* a block of the chain */
    buf_clear(&text);
    block_header_encode(&text, &ommer);
    wrong.ommers = buf_bytes(&text);
    block_ommers_hash(&changed.ommers_hash, &wrong);
    assert_string_equal(refused(&changed, &wrong), "ommer that is in the chain");
    buf_free(&text);
}

/* One block of each kind, spoiled in every way, then imported as it is. */
static void spoiled_blocks(void **state)
{
    (void)state;
    static const size_t heights[] = {3, 10, 27, 36, 39, 43, 45, 48, 54};
    size_t next = app_info_now(chain.app).height;
    for (size_t i = 0; i < COUNT_OF(heights); i++) {
        struct block_header header;
        struct block_body body;
        bytes raw;
        import(next, heights[i] - 1);
        next = heights[i] - 1;
        assert_ok(block_decode(&chain.arena, chain.blocks[next], &header, &raw, &body));
        spoil_roots(&header, &body);
        spoil_body(&header, &body);
        if (body.ommer_count > 0) {
            spoil_ommers(&header, &body);
        }
        import(next, next + 1);
        next++;
    }
    assert_int_equal(app_info_now(chain.app).height, BLOCKS);
    struct hash hash = app_info_now(chain.app).app_hash;
    check_hex(BYTES_OF(hash), "d226371d0b1551adb03fb52b71f08e3e11247fe9b1af994768af8cdaa8e7dcd7");
}

static void truncated_blocks(void **state)
{
    (void)state;
    bytes block = chain.blocks[44];
    for (size_t len = 0; len < block.len; len += 7) {
        const char *wrong;
        assert_ok(app_import_block(chain.app, bytes_slice(block, 0, len), &wrong));
        assert_string_equal(wrong, "malformed");
    }
}

/* --- files --- */

static void write_file(const char *path, bytes content)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(content.data, 1, content.len, file), content.len);
    fclose(file);
}

static bool stop_at_once(void *ctx)
{
    (void)ctx;
    return true;
}

static void files(void **state)
{
    (void)state;
    struct app_import result;
    char path[VECTORS_PATH_MAX];
    assert_ok(app_import_file(chain.app, chain.rlp_path, NULL, NULL, &result));
    assert_int_equal(result.blocks, 0); /* all are there */
    assert_int_equal(result.known, BLOCKS);
    assert_null(result.wrong);
    vectors_format(path, "%s/cut.rlp", chain.vectors.dir);
    write_file(path, bytes_slice(chain.rlp, 0, chain.rlp.len - 1));
    assert_ok(app_import_file(chain.app, path, NULL, NULL, &result));
    assert_int_equal(result.known, BLOCKS - 1);
    assert_non_null(result.wrong);
    assert_int_equal(result.place, BLOCKS);
    write_file(path, bytes_str("\xfb\xff\xff\xff\xff")); /* 4 GiB */
    assert_ok(app_import_file(chain.app, path, NULL, NULL, &result));
    assert_non_null(result.wrong);
    assert_int_equal(result.place, 1);
    write_file(path, bytes_str("no list"));
    assert_ok(app_import_file(chain.app, path, NULL, NULL, &result));
    assert_non_null(result.wrong);
    write_file(path, bytes_str(""));
    assert_ok(app_import_file(chain.app, path, NULL, NULL, &result));
    assert_null(result.wrong);
    assert_int_equal(app_import_file(chain.app, chain.rlp_path, stop_at_once, NULL, &result).code,
                     ERR_CANCELLED);
    assert_int_equal(app_import_file(chain.app, "/nonexistent", NULL, NULL, &result).code,
                     ERR_NOT_FOUND);
}

static void another_chain(void **state)
{
    (void)state;
    struct block_header header;
    struct block_body body;
    bytes raw;
    assert_ok(block_decode(&chain.arena, chain.blocks[9], &header, &raw, &body));
    header.extra[0] = 1;
    header.extra_len = 1;
    assert_string_equal(refused(&header, &body), "the store has another block at this height");
}

/* The store knows its genesis, and where it was. */
static void opened_again(void **state)
{
    (void)state;
    struct app *other;
    app_close(chain.app);
    open_app();
    assert_int_equal(app_info_now(chain.app).height, BLOCKS);
    app_close(chain.app);
    struct app_options options = {
        .dir = chain.dir,
        .genesis = bytes_str("{\"config\": {}, \"gasLimit\": 5000, \"alloc\": {}}"),
        .no_sync = true};
    assert_int_equal(app_open_external(&options, &other).code, ERR_REFUSED);
    options.genesis = bytes_str("{}");
    assert_int_equal(app_open_external(&options, &other).code, ERR_USAGE);
    open_app();
}

/* Executing a block's transactions again gives its state; before any of them, its parent's. */
static void replays(void **state)
{
    (void)state;
    for (u64 height = 1; height <= BLOCKS; height += 4) {
        struct app_dry dry;
        struct block_header header;
        struct hash root;
        assert_ok(app_header(chain.app, height - 1, &header));
        assert_ok(app_dry_after(chain.app, height - 1, &dry));
        assert_ok(app_dry_root(&dry, &root));
        assert_true(hash_eq(&root, &header.state_root));
        app_dry_close(&dry);
        assert_ok(app_dry_inside(chain.app, height, 1, &dry));
        assert_ok(app_dry_root(&dry, &root));
        assert_false(hash_eq(&root, &header.state_root));
        app_dry_close(&dry);
    }
    struct app_dry dry;
    assert_int_equal(app_dry_after(chain.app, BLOCKS + 1, &dry).code, ERR_NOT_FOUND);
}

int main(void)
{
    const struct hash seed = {{1}};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(genesis_block),    cmocka_unit_test(spoiled_blocks),
        cmocka_unit_test(truncated_blocks), cmocka_unit_test(files),
        cmocka_unit_test(another_chain),    cmocka_unit_test(opened_again),
        cmocka_unit_test(replays),
    };
    crypto_init(&seed);
    return cmocka_run_group_tests(tests, open_chain, close_chain);
}
